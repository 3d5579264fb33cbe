/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef RTE_BUS_PCI_WC_H
#define RTE_BUS_PCI_WC_H

/**
 * @file
 * Write-combining mappings of PCI memory BARs, in addition to the default mapping.
 *
 * Stores through such a mapping are collected by the CPU into lines of 64 bytes and may reach the
 * device late, merged and in any order. See rte_wcio.h for barriers before a doorbell.
 */

#include <stddef.h>
#include <stdint.h>

#include <rte_compat.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rte_pci_device;

/** What a BAR was granted. */
enum rte_pci_wc_state {
	RTE_PCI_WC_NOT_ASKED,	/**< Write-combining was not requested. */
	RTE_PCI_WC_GRANTED,	/**< The kernel maps it write-combining on request. */
	RTE_PCI_WC_REFUSED,	/**< It is not available, see the reason. */
};

/** Pages of a BAR that cannot be mapped because they contain the MSI-X table or PBA. In bytes. */
struct rte_pci_wc_hole {
	uint64_t offset;	/**< Start in the BAR, at a page boundary. */
	uint64_t len;		/**< Length, whole pages; 0 if there is no such hole. */
};

/** Result of rte_pci_wc_query(). */
struct rte_pci_wc_info {
	enum rte_pci_wc_state state;	/**< What the BAR was granted. */
	unsigned int nb_maps;		/**< Ranges mapped by rte_pci_map_wc(). */
	/** Reason for a refusal, otherwise "". A constant string. */
	const char *reason;
	/** Location of the MSI-X table and PBA, by offset; known once the device is mapped. */
	struct rte_pci_wc_hole holes[2];
};

/**
 * @warning
 * @b EXPERIMENTAL: this API may change without prior notice.
 *
 * Map a byte range of a memory BAR write-combining.
 *
 * The default mapping of the BAR (mem_resource[bar].addr) is not changed. The mapping starts and
 * ends at page boundaries around the range; accesses outside the range are not allowed. Another
 * request for the same range returns the same address, to be unmapped as often as it was mapped.
 * Addresses are congruent to the offset in the BAR modulo 2 MiB, or modulo 1 GiB if the BAR is that
 * large, so that the kernel can use huge pages, unless the address space is too small for that.
 * Addresses are reused after rte_pci_unmap_wc().
 *
 * A grant is what the kernel agreed to map. With the option --vfio-wc off, which is the default,
 * nothing is granted. Under "strict" a refusal during the driver's probe makes the probe fail,
 * regardless of the driver's return value. A range that could not be mapped does not count as a
 * refusal if it is mapped by the end of the probe, or, if it touches MSI-X pages, if a part of it
 * is: rte_pci_wc_query() returns their location.
 *
 * In a secondary process the range must have been mapped by the primary; the address is the same.
 *
 * Not for the data path: takes locks and enters the kernel. Thread safe. The bus owns the mapping,
 * and removes it when the device is unmapped or removed.
 *
 * @param dev
 *   A device that is mapped: during its probe, or after it.
 * @param bar
 *   Number of the BAR, 0 to 5.
 * @param offset
 *   Start of the range in the BAR, in bytes.
 * @param len
 *   Length of the range in bytes, at least 1.
 * @return
 *   Address of the first byte of the range, or NULL with rte_errno set to
 *   - ENOTSUP: the BAR cannot be mapped write-combining here (option off, kernel, platform, not
 *     bound to vfio-pci, I/O BAR or not mappable): use mem_resource[bar].addr
 *   - EINVAL: no device, bar above 5, or len is zero
 *   - ERANGE: the range is not in the BAR, or touches pages of the MSI-X table or PBA
 *   - ENOSPC: the limit of mappings of the device, or of aliases in the kernel, is reached
 *   - ENOMEM: no memory or no address space, or the kernel does not map the range (see the log);
 *     in a secondary process also: the address is in use
 *   - ENODEV: the device is not mapped, or has no such BAR
 *   - ENOENT: secondary process, and the primary has not mapped this range
 */
__rte_experimental
void *
rte_pci_map_wc(struct rte_pci_device *dev, unsigned int bar, uint64_t offset, size_t len);

/**
 * @warning
 * @b EXPERIMENTAL: this API may change without prior notice.
 *
 * Undo one rte_pci_map_wc(). If the primary does so, secondary processes that have not mapped the
 * range yet can no longer map it; others keep their mappings.
 *
 * Thread safe, except against accesses through the mapping.
 *
 * @param dev
 *   The device.
 * @param addr
 *   The address returned by rte_pci_map_wc().
 * @return
 *   0, or -1 with rte_errno set to
 *   - EINVAL: no device, or addr is not a mapping of it
 */
__rte_experimental
int
rte_pci_unmap_wc(struct rte_pci_device *dev, void *addr);

/**
 * @warning
 * @b EXPERIMENTAL: this API may change without prior notice.
 *
 * Query whether write-combining was granted for a BAR, the reason if not, and its MSI-X pages.
 *
 * Allocates nothing and does not enter the kernel. Thread safe.
 *
 * @param dev
 *   The device.
 * @param bar
 *   Number of the BAR, 0 to 5.
 * @param info
 *   Filled in on success.
 * @return
 *   0, or -1 with rte_errno set to
 *   - EINVAL: no device, no info, or bar above 5
 */
__rte_experimental
int
rte_pci_wc_query(const struct rte_pci_device *dev, unsigned int bar, struct rte_pci_wc_info *info);

#ifdef __cplusplus
}
#endif

#endif /* RTE_BUS_PCI_WC_H */
