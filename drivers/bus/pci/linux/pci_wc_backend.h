/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef PCI_WC_BACKEND_H
#define PCI_WC_BACKEND_H

/**
 * @file
 * The kernel interface used to obtain a write-combining mapping. One exists today, alias regions;
 * another would be a second instance of this structure, as is the one of the unit tests. Without
 * DPDK's headers: vfio-wc's preloaded library is compiled with it as well.
 */

#include <stdint.h>

/** Why a BAR is not mapped write-combining. Kept in shared memory, hence no strings. */
enum pci_wc_reason {
	PCI_WC_REASON_NONE,
	PCI_WC_REASON_OFF,
	PCI_WC_REASON_NOT_VFIO,
	PCI_WC_REASON_IO_BAR,
	PCI_WC_REASON_NOT_MAPPED,
	PCI_WC_REASON_NO_FEATURE,
	PCI_WC_REASON_OTHER_FEATURE,
	PCI_WC_REASON_NO_WC,
	PCI_WC_REASON_NO_INDEX,
	PCI_WC_REASON_NO_OFFSET,
	PCI_WC_REASON_MAP_FAILED,
	PCI_WC_REASON_MSIX,
	PCI_WC_REASON_NO_ROOM,
	PCI_WC_REASON_NO_MEMORY,
	PCI_WC_REASON_CONFIG,
	PCI_WC_REASON_UNKNOWN_USE,
};

/** Text of a reason, for a message. */
const char *pci_wc_reason_text(enum pci_wc_reason reason);

struct pci_wc_backend {
	/**
	 * Get the offset in the device file at which mmap() maps a BAR write-combining, and verify
	 * that the kernel interprets the request the same way.
	 *
	 * @return
	 *   PCI_WC_REASON_NONE with *offset set, or the reason for a refusal.
	 */
	enum pci_wc_reason (*grant)(int vfio_dev_fd, unsigned int bar, uint64_t size,
			uint64_t *offset);

	/**
	 * Get the offset of a region in the device file, which the kernel defines.
	 *
	 * @return
	 *   The offset, or a negative errno.
	 */
	int64_t (*region_offset)(int vfio_dev_fd, uint32_t index);
};

/** VFIO_DEVICE_FEATURE_ALIAS_REGION. Three system calls to grant a BAR. */
extern const struct pci_wc_backend pci_wc_alias_backend;

#endif /* PCI_WC_BACKEND_H */
