/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef PCI_WC_CONFIG_H
#define PCI_WC_CONFIG_H

/**
 * @file
 * What the config space of a device says about its BARs, and which BARs a driver is known to use
 * for data only. Without DPDK's headers: vfio-wc's preloaded library is compiled with it as well.
 */

#include <stdbool.h>
#include <stdint.h>

#define PCI_WC_BARS 6

/** Pages of a BAR that hold the MSI-X table or PBA */
struct pci_wc_msix {
	int bar;		/**< Negative if there are none. */
	uint64_t start;
	uint64_t end;
};

struct pci_wc_config {
	uint16_t vendor;
	uint16_t device;
	bool io[PCI_WC_BARS];
	bool prefetchable[PCI_WC_BARS];
	struct pci_wc_msix msix[2];
};

/**
 * Read the config space of a device.
 *
 * @param config
 *   Filled in; without BARs and MSI-X pages if it cannot be read.
 * @param vfio_dev_fd
 *   The device file.
 * @param offset
 *   Of the config space in it, or a negative errno, which is returned.
 * @return
 *   0 or a negative errno.
 */
int pci_wc_config_read(struct pci_wc_config *config, int vfio_dev_fd, int64_t offset);

/**
 * Find the BARs in which a driver of DPDK is known to have only data that may arrive late, merged
 * and in any order.
 *
 * @return
 *   True with the BARs' bits in *bars; false if it is not known, or driver is NULL.
 */
bool pci_wc_config_find_windows(const char *driver, uint32_t *bars);

#endif /* PCI_WC_CONFIG_H */
