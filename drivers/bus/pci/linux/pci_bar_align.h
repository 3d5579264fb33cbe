/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef PCI_BAR_ALIGN_H
#define PCI_BAR_ALIGN_H

/**
 * @file
 * Addresses at which the kernel can map BARs with huge pages.
 */

#include <stdint.h>

#include <rte_bitops.h>
#include <rte_common.h>

/* x86 and arm64 map device memory with pages of 4 KiB, 2 MiB and 1 GiB. */
#define PCI_BAR_ALIGN_2M RTE_BIT64(21)
#define PCI_BAR_ALIGN_1G RTE_BIT64(30)

/**
 * The largest huge page that a BAR can be mapped with, or zero.
 *
 * A mapping has huge pages only where virtual and physical address are congruent modulo their size.
 * BARs are aligned to their size, a power of two (PCI 3.0 section 6.2.5.1).
 *
 * @param size
 *   Size of the BAR in bytes.
 */
static inline uint64_t
pci_bar_align_page(uint64_t size)
{
	/* 32-bit processes have no address space to spare. */
	if (size >= PCI_BAR_ALIGN_1G && sizeof(void *) > sizeof(uint32_t))
		return PCI_BAR_ALIGN_1G;
	return size >= PCI_BAR_ALIGN_2M ? PCI_BAR_ALIGN_2M : 0;
}

/** The first address from addr on at which a BAR can be mapped with huge pages. */
static inline void *
pci_bar_align_addr(void *addr, uint64_t size)
{
	const uint64_t page = pci_bar_align_page(size);

	return page == 0 ? addr : RTE_PTR_ALIGN_CEIL(addr, page);
}

#endif /* PCI_BAR_ALIGN_H */
