/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef RTE_WCIO_H
#define RTE_WCIO_H

/**
 * @file
 * Stores to write-combining (WC) memory of a device.
 *
 * The CPU collects stores to WC memory in buffers of one line and sends a full line as one write,
 * a partial one in pieces (Intel SDM vol. 3A, "Buffering of Write Combining Memory Locations";
 * AMD APM vol. 2, "Write-Combining Memory"). When a buffer is sent is the CPU's choice: early,
 * late, in pieces, and in any order relative to other lines. So:
 *
 * - write whole lines, each by consecutive stores, so that each leaves as one write;
 * - never read back what was written, it drains the buffers and stalls;
 * - a line is not atomic: the device may see parts of it, in any order.
 *
 * Payload, then doorbell: whatever tells the device that lines are there (a doorbell register, an
 * index, a flag), through whichever mapping, has to be stored after rte_wcio_flush(), which has to
 * come after the last line. One flush serves any number of lines:
 *
 *     rte_wcio_copy(slot, descriptors, n);
 *     rte_wcio_flush();
 *     rte_write32_relaxed(index, doorbell);
 */

#include <stddef.h>

#include <rte_atomic.h>
#include <rte_compat.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Bytes of one line: the size of a WC buffer on every x86 CPU since Pentium 4 (Intel SDM vol. 3A,
 * "Buffering of Write Combining Memory Locations") and on AMD (APM vol. 2, "Write-Combining
 * Buffers"), and what Arm cores gather of Normal Non-cacheable stores.
 */
#define RTE_WCIO_LINE 64

/** Ways to copy lines. */
enum rte_wcio_variant {
	RTE_WCIO_PLAIN,	/**< Eight stores of 8 bytes for a line. */
	RTE_WCIO_SSE2,	/**< Four stores of 16 bytes. */
	RTE_WCIO_AVX2,	/**< Two stores of 32 bytes. */
};

/**
 * Copy lines to WC memory.
 *
 * @param dst
 *   Aligned to RTE_WCIO_LINE.
 * @param src
 *   Cached memory of any alignment, not overlapping dst.
 * @param nb_lines
 *   Number of lines of RTE_WCIO_LINE bytes.
 */
typedef void (*rte_wcio_copy_t)(void *dst, const void *src, size_t nb_lines);

/**
 * Make all earlier stores to WC memory reach the device before any later store, to any memory.
 *
 * On x86 SFENCE: it drains the WC buffers, and later stores become visible after it (Intel SDM
 * vol. 3A, "Buffering of Write Combining Memory Locations" and vol. 2B, SFENCE). On Arm DSB ST:
 * stores to Normal Non-cacheable memory may be gathered until a barrier that completes them (Arm
 * ARM, "Data Synchronization Barrier"); DMB would order but not complete them.
 *
 * Costs a wait for the buffers: once for each burst, not for each packet.
 */
static inline void
rte_wcio_flush(void)
{
#ifdef RTE_ARCH_ARM64
	asm volatile("dsb st" : : : "memory");
#else
	rte_wmb();
#endif
}

/**
 * @warning
 * @b EXPERIMENTAL: this API may change without prior notice.
 *
 * Copy lines to WC memory with the widest stores that this CPU has. See rte_wcio_copy_t.
 *
 * Thread safe. Works on cached memory too.
 */
__rte_experimental
void
rte_wcio_copy(void *dst, const void *src, size_t nb_lines);

/**
 * @warning
 * @b EXPERIMENTAL: this API may change without prior notice.
 *
 * Copy bytes to WC memory in whole lines: the rest of the last line is zero.
 *
 * @param dst
 *   Aligned to RTE_WCIO_LINE; len rounded up to a multiple of RTE_WCIO_LINE is written.
 * @param src
 *   Cached memory of any alignment, not overlapping dst.
 * @param len
 *   Bytes to copy.
 */
__rte_experimental
void
rte_wcio_copy_pad(void *dst, const void *src, size_t len);

/**
 * @warning
 * @b EXPERIMENTAL: this API may change without prior notice.
 *
 * Copy lines from WC or uncached memory with as few reads as this CPU can: streaming loads
 * (MOVNTDQA) fetch a line of WC memory by one read (Intel SDM vol. 1, "Programmability for
 * streaming loads"). Loads from WC memory may be speculated, and a streaming load may find an old
 * line in its buffer: rte_mb() has to separate them from the load that said that the lines are
 * there.
 *
 * @param dst
 *   Cached memory of any alignment.
 * @param src
 *   Aligned to RTE_WCIO_LINE.
 * @param nb_lines
 *   Number of lines of RTE_WCIO_LINE bytes.
 */
__rte_experimental
void
rte_wcio_read(void *dst, const void *src, size_t nb_lines);

/**
 * @warning
 * @b EXPERIMENTAL: this API may change without prior notice.
 *
 * The variant that rte_wcio_copy() uses, chosen once when the program starts.
 */
__rte_experimental
enum rte_wcio_variant
rte_wcio_variant(void);

/**
 * @warning
 * @b EXPERIMENTAL: this API may change without prior notice.
 *
 * The function of a variant, for a driver that keeps it with its queue, and for tests.
 *
 * @return
 *   NULL if this CPU does not have the instructions.
 */
__rte_experimental
rte_wcio_copy_t
rte_wcio_copy_func(enum rte_wcio_variant variant);

/**
 * @warning
 * @b EXPERIMENTAL: this API may change without prior notice.
 *
 * Name of a variant.
 *
 * @return
 *   A constant string.
 */
__rte_experimental
const char *
rte_wcio_variant_name(enum rte_wcio_variant variant);

#ifdef __cplusplus
}
#endif

#endif /* RTE_WCIO_H */
