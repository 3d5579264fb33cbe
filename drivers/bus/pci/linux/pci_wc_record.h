/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef PCI_WC_RECORD_H
#define PCI_WC_RECORD_H

/**
 * @file
 * What the bus has recorded of a device, as a copy: the primary process keeps a record of each
 * device that it mapped through VFIO under a mode other than off.
 */

#include <stdbool.h>
#include <stdint.h>

#include <bus_pci_driver.h>
#include <vfio_wc_driver.h>

#include "rte_bus_pci_wc.h"

/** Limit of mapped ranges of a device */
#define PCI_WC_RECORD_RANGES 64

struct pci_wc_record_bar {
	enum rte_pci_wc_state state;
	/** Reason for a refusal, or why a range of a granted BAR is not mapped; otherwise "". */
	char reason[128];
	uint64_t size;			/**< 0 if the device has no such BAR. */
	uint64_t offset;		/**< In the device file, if granted. */
	bool prefetchable;
	bool activated;			/**< The default mapping itself was made of the alias. */
	void *addr;			/**< That of this process, NULL if it has none. */
	struct rte_pci_wc_hole holes[2];
};

/** A range that this process has mapped by rte_pci_map_wc(). */
struct pci_wc_record_range {
	unsigned int bar;
	uint64_t offset;		/**< As requested. */
	uint64_t len;
	void *addr;			/**< Of the first byte. */
};

struct pci_wc_record {
	enum rte_vfio_wc_mode mode;
	struct pci_wc_record_bar bars[PCI_MAX_RESOURCE];
	unsigned int nb_ranges;
	struct pci_wc_record_range ranges[PCI_WC_RECORD_RANGES];
};

/**
 * Copy the record of a device. Allocates nothing; thread safe.
 *
 * @return
 *   0, or -ENODEV if there is no record of the device.
 */
int pci_wc_read_record(const struct rte_pci_addr *addr, struct pci_wc_record *record);

/**
 * Addresses of the devices of which there is a record. Allocates nothing; thread safe.
 *
 * @return
 *   Their number, at most max.
 */
unsigned int pci_wc_list_records(struct rte_pci_addr *addrs, unsigned int max);

#endif /* PCI_WC_RECORD_H */
