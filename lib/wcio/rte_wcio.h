/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef RTE_WCIO_H
#define RTE_WCIO_H

/**
 * @file
 * Stores to, and loads from, write-combining (WC) memory of a device.
 *
 * The CPU collects stores to WC memory in buffers of one line and sends a full line as one write,
 * a partial one in pieces (Intel SDM vol. 3A, "Buffering of Write Combining Memory Locations";
 * AMD APM vol. 2, "Write-Combining Memory"). The CPU may send a buffer early, late, in pieces, and
 * in any order relative to other lines. Therefore:
 *
 * - write whole lines, each with consecutive stores, so that each leaves as one write:
 *   rte_wcio_copy(), or rte_wcio_copy_pad() if the length is not a multiple of a line;
 * - never read back written data: that drains the buffers and stalls;
 * - a line is not atomic: the device may see parts of it, in any order. rte_wcio_atomic_line() uses
 *   an atomic store, if the CPU has one.
 *
 * Order requires barriers, which are named by what they order:
 *
 * - payload in WC, then doorbell or index in WC: rte_wcio_payload_before_wc_doorbell()
 * - payload in WC, then doorbell in UC: rte_wcio_payload_before_uc_doorbell()
 * - payload in WC, then flag or index in RAM: rte_wcio_payload_before_ram_flag()
 * - payload in WC, then release of the lock that protects it: rte_wcio_payload_before_unlock()
 * - data in RAM or register in UC, then line in WC: rte_wcio_ram_before_payload()
 * - load that signals lines, then rte_wcio_read() of them: rte_wcio_read_mb()
 * - rte_wcio_read() of lines, then store that releases them: rte_wcio_read_mb()
 *
 * rte_wcio_flush() is the strongest barrier for stores and can replace any of the others for
 * stores. One barrier covers any number of lines:
 *
 *     rte_wcio_copy(slot, descriptors, n);
 *     rte_wcio_payload_before_uc_doorbell();
 *     rte_write32_relaxed(index, doorbell);
 *
 * All functions are thread safe, but do not serialise access to the caller's memory: two threads
 * that write a line at the same time leave a mixture of both. Threads that share a window take
 * turns under a lock, and each calls rte_wcio_payload_before_unlock() before it releases the lock.
 * No function keeps a pointer, allocates memory, or fails.
 */

#include <stdbool.h>
#include <stddef.h>

#include <rte_atomic.h>
#include <rte_compat.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Bytes of one line: the size of a WC buffer on every x86 CPU since Pentium 4 (Intel SDM vol. 3A,
 * "Buffering of Write Combining Memory Locations") and on AMD (APM vol. 2, "Write-Combining
 * Buffers"), and the size up to which Arm cores gather Normal Non-cacheable stores.
 */
#define RTE_WCIO_LINE 64

/**
 * Methods of copying lines. rte_wcio_copy() uses the widest ordinary stores of the CPU, see
 * rte_wcio_variant().
 */
enum rte_wcio_variant {
	RTE_WCIO_PLAIN,		/**< Eight stores of 8 bytes for a line, on any CPU. */
	RTE_WCIO_SSE2,		/**< x86: four stores of 16 bytes. */
	RTE_WCIO_AVX2,		/**< x86: two stores of 32 bytes. */
	RTE_WCIO_AVX512,	/**< x86: one store of 64 bytes, not guaranteed to be atomic. */
	RTE_WCIO_MOVDIR64B,	/**< x86: one atomic store, bypassing caches and buffers. */
	RTE_WCIO_NEON,		/**< arm64: one ST1 of four registers of 16 bytes. */
	RTE_WCIO_ST64B,		/**< arm64: one atomic store, if the device supports it. */
};

/**
 * Copy lines to WC memory, in ascending order.
 *
 * Nothing is ordered after it: see rte_wcio_flush().
 *
 * @param dst
 *   Aligned to RTE_WCIO_LINE; nothing outside the lines is written.
 * @param src
 *   Cached memory of any alignment, not overlapping dst; nothing outside the lines is read.
 * @param nb_lines
 *   Number of lines of RTE_WCIO_LINE bytes, 0 or more.
 */
typedef void (*rte_wcio_copy_t)(void *dst, const void *src, size_t nb_lines);

/**
 * @warning
 * @b EXPERIMENTAL: this API may change without prior notice.
 *
 * Order all earlier stores to WC memory before any later store, to any memory.
 *
 * - x86: SFENCE. It drains the WC buffers, and later stores become visible after it (Intel SDM
 *   vol. 3A, "Buffering of Write Combining Memory Locations" and vol. 2B, SFENCE; AMD APM vol. 2,
 *   "Write-Combining Buffers").
 * - arm64: DSB ST. WC memory is Normal Non-cacheable there: stores may be gathered until something
 *   completes them. DSB waits until they are complete; DMB only orders them for observers (Arm ARM,
 *   "Data Synchronization Barrier"), and a device behind a PCIe bridge need not be such an
 *   observer. Linux's wmb() and rdma-core's mmio_flush_writes() use it too.
 * - others: DPDK's barriers for stores to memory and I/O.
 *
 * It waits for the buffers: call it once per burst, not per packet.
 */
__rte_experimental
static inline void
rte_wcio_flush(void)
{
#if defined(RTE_ARCH_X86)
	rte_wmb();
#elif defined(RTE_ARCH_ARM64)
	asm volatile("dsb st" : : : "memory");
#else
	rte_wmb();
	rte_io_wmb();
#endif
}

/**
 * @warning
 * @b EXPERIMENTAL: this API may change without prior notice.
 *
 * Payload in WC memory, then a doorbell, index or valid flag in WC memory, of the same mapping or
 * another.
 *
 * Stores to WC memory are unordered, even within one mapping, and a doorbell in the same line would
 * be combined with the payload. Hence SFENCE on x86. On arm64 DSB ST: by the Arm ARM, DMB orders
 * two stores for observers, but only DSB guarantees completion at a peripheral; rdma-core's
 * util/udma_barrier.h requires of mmio_flush_writes(), which is DSB ST, that stores to WC memory
 * before and after it become two PCIe writes, in this order.
 *
 * The doorbell may stay in its buffer: if the device waits for it, call rte_wcio_flush() after it.
 */
__rte_experimental
static inline void
rte_wcio_payload_before_wc_doorbell(void)
{
	rte_wcio_flush();
}

/**
 * @warning
 * @b EXPERIMENTAL: this API may change without prior notice.
 *
 * Payload in WC memory, then a doorbell in uncached memory: the default mapping of a BAR.
 *
 * x86 CPUs do drain the WC buffers on an access to uncached memory (Intel SDM vol. 3A, "Methods of
 * Caching Available"; AMD APM vol. 2, "Write-Combining Buffers"), but the manuals do not guarantee
 * that the device sees that access last if it is a store; hence SFENCE, as in rdma-core's
 * providers. On arm64 payload is Normal and the doorbell is Device memory, and only a DSB ensures
 * that the payload leaves first: Linux's writel() has DMB OSHST, for payload in RAM; wmb(), which
 * is DSB ST, is for this case.
 *
 * rte_io_wmb() and the barrier in rte_write32() are not sufficient: a compiler barrier on x86, DMB
 * on arm64.
 */
__rte_experimental
static inline void
rte_wcio_payload_before_uc_doorbell(void)
{
	rte_wcio_flush();
}

/**
 * @warning
 * @b EXPERIMENTAL: this API may change without prior notice.
 *
 * Payload in WC memory, then a flag or index in ordinary memory, which a device, a peer or another
 * CPU polls before it reads the payload.
 *
 * x86 orders stores to ordinary memory among themselves, but not after those to WC memory (Intel
 * SDM vol. 3A, "Memory Ordering in P6 and More Recent Processor Families"): rte_smp_wmb() and
 * rte_atomic_thread_fence(rte_memory_order_release), compiler barriers there, are not sufficient.
 * On arm64 the flag can be visible from a cache while the payload is still gathered: DSB ST, as
 * above.
 */
__rte_experimental
static inline void
rte_wcio_payload_before_ram_flag(void)
{
	rte_wcio_flush();
}

/**
 * @warning
 * @b EXPERIMENTAL: this API may change without prior notice.
 *
 * Payload in WC memory, then the release of the lock under which several threads use a window: the
 * next owner's lines, and its doorbell for all of them, must not reach the device first.
 *
 *     rte_ticketlock_lock(&queue->lock);
 *     rte_wcio_copy(slot, descriptors, n);
 *     rte_wcio_payload_before_unlock();
 *     rte_ticketlock_unlock(&queue->lock);
 *
 * The lines wait in the buffers of the CPU that stored them, which no barrier of another CPU
 * empties. On x86 a lock is released by an ordinary store (rte_ticketlock_unlock(),
 * pthread_spin_unlock(), rte_spinlock_unlock() with RTE_FORCE_INTRINSICS), which does not wait for
 * them: SFENCE. The XCHG of rte_spinlock_unlock() does, as a locked instruction (Intel SDM vol. 3A,
 * "Methods of Caching Available"), but that is not part of its interface. On arm64 a store-release
 * orders for other CPUs only: DSB ST, as above. rdma-core's mmio_wc_spinunlock() flushes for the
 * same reason.
 *
 * Not needed if another barrier for payload was called since the last line was stored. The next
 * owner needs none for the lines of earlier ones.
 */
__rte_experimental
static inline void
rte_wcio_payload_before_unlock(void)
{
	rte_wcio_flush();
}

/**
 * @warning
 * @b EXPERIMENTAL: this API may change without prior notice.
 *
 * Data or a register that a line depends on, then the line: data that the device will fetch from
 * RAM, or a register in uncached memory, then a store to WC memory or rte_wcio_atomic_line().
 *
 * Stores to WC memory, and MOVDIR64B to any memory, do not wait for earlier stores of any kind:
 * SFENCE on x86. On arm64 DSB ST, as in rdma-core's mmio_wc_start(), which has the same purpose.
 */
__rte_experimental
static inline void
rte_wcio_ram_before_payload(void)
{
	rte_wcio_flush();
}

/**
 * @warning
 * @b EXPERIMENTAL: this API may change without prior notice.
 *
 * The load that signals lines, then rte_wcio_read() of them; and rte_wcio_read() of lines, then the
 * store that releases them to their writer.
 *
 * Loads from WC memory may execute speculatively before earlier loads, and a streaming load may
 * return an old line from its buffer.
 *
 * - x86: MFENCE. Intel SDM vol. 2B, MOVNTDQA, requires it, or a locked instruction, to synchronise
 *   reads with writes of other agents; LFENCE is not documented to empty the buffers.
 * - arm64: DMB OSHLD. It orders earlier loads before later loads and stores (Arm ARM, "Data Memory
 *   Barrier"), for Outer Shareable observers, as Normal Non-cacheable memory has them; there are no
 *   buffers of old lines. Linux's readl() relies on it between a register and RAM.
 * - others: a full barrier.
 */
__rte_experimental
static inline void
rte_wcio_read_mb(void)
{
#ifdef RTE_ARCH_ARM64
	rte_rmb();
#else
	rte_mb();
#endif
}

/**
 * @warning
 * @b EXPERIMENTAL: this API may change without prior notice.
 *
 * Copy lines to WC memory with the widest ordinary stores, see rte_wcio_variant(). Works on cached
 * and uncached memory too.
 *
 * Thread safe.
 *
 * @param dst
 *   Aligned to RTE_WCIO_LINE; nothing outside the lines is written.
 * @param src
 *   Cached memory of any alignment, not overlapping dst; nothing outside the lines is read.
 * @param nb_lines
 *   Number of lines of RTE_WCIO_LINE bytes, 0 or more.
 */
__rte_experimental
void
rte_wcio_copy(void *dst, const void *src, size_t nb_lines);

/**
 * @warning
 * @b EXPERIMENTAL: this API may change without prior notice.
 *
 * Copy bytes to WC memory in whole lines: the rest of the last line is filled with zeros.
 *
 * Thread safe.
 *
 * @param dst
 *   Aligned to RTE_WCIO_LINE; len rounded up to a multiple of RTE_WCIO_LINE is written.
 * @param src
 *   Cached memory of any alignment, not overlapping dst; len bytes are read.
 * @param len
 *   Bytes to copy, 0 or more.
 */
__rte_experimental
void
rte_wcio_copy_pad(void *dst, const void *src, size_t len);

/**
 * @warning
 * @b EXPERIMENTAL: this API may change without prior notice.
 *
 * Copy lines from WC or uncached memory with as few reads as possible on this CPU.
 *
 * On x86 streaming loads (MOVNTDQA) fetch a line of WC memory by one read (Intel SDM vol. 1,
 * "Programmability for streaming loads"). On arm64, which has no such loads, one LD1 loads the
 * line. In uncached memory each load is a separate read. Call rte_wcio_read_mb() between the load
 * that signals the lines and this function.
 *
 * Thread safe.
 *
 * @param dst
 *   Cached memory of any alignment, not overlapping src.
 * @param src
 *   Aligned to RTE_WCIO_LINE; nothing outside the lines is read.
 * @param nb_lines
 *   Number of lines of RTE_WCIO_LINE bytes, 0 or more.
 */
__rte_experimental
void
rte_wcio_read(void *dst, const void *src, size_t nb_lines);

/**
 * @warning
 * @b EXPERIMENTAL: this API may change without prior notice.
 *
 * Check whether this CPU has an atomic store of a whole line, so that rte_wcio_atomic_line() may be
 * called: MOVDIR64B on x86 (CPUID), ST64B on arm64 (HWCAP3_LS64 of the kernel). Also false if the
 * compiler that built this library did not support the instruction.
 *
 * This covers only the CPU. ST64B also requires support by the interconnect and the device, which a
 * program cannot query: use it on devices whose manual guarantees it (Linux
 * Documentation/arch/arm64/elf_hwcaps.rst, HWCAP3_LS64). MOVDIR64B requires no support by the
 * device; the handling of the write beyond the CPU is defined by platform and device.
 *
 * Thread safe. The result never changes.
 *
 * @return
 *   true if the CPU has such a store.
 */
__rte_experimental
bool
rte_wcio_atomic_available(void);

/**
 * @warning
 * @b EXPERIMENTAL: this API may change without prior notice.
 *
 * Store one line by one atomic store: no observer sees part of it, regardless of the memory type.
 *
 * It is as weakly ordered as any store to WC memory. To order it after earlier stores to RAM, UC or
 * WC memory, call rte_wcio_ram_before_payload() or rte_wcio_flush() first; to order later stores
 * after it, call rte_wcio_flush() in between. Two consecutive atomic lines are unordered without
 * it.
 *
 * - x86: MOVDIR64B follows the WC protocol on memory of any type, including UC, bypasses the
 *   caches, does not wait in a WC buffer, and is not combined with later stores; older pending
 *   stores to the same line may be combined with it (Intel SDM vol. 2B, MOVDIR64B). The source is
 *   not guaranteed to be read atomically.
 * - arm64: ST64B. A device or memory that does not support it raises an abort (Arm ARM,
 *   "Single-copy atomic 64-byte load/store"); this includes ordinary cached memory.
 *
 * Thread safe.
 *
 * @param dst
 *   Aligned to RTE_WCIO_LINE; on arm64 a device that is known to support ST64B.
 * @param src
 *   RTE_WCIO_LINE bytes of cached memory, of any alignment.
 * @pre rte_wcio_atomic_available(); without it the program crashes.
 */
__rte_experimental
void
rte_wcio_atomic_line(void *dst, const void *src);

/**
 * @warning
 * @b EXPERIMENTAL: this API may change without prior notice.
 *
 * Get the variant that rte_wcio_copy() and rte_wcio_copy_pad() use.
 *
 * Selected once, at the first call of one of the three functions, which should be after
 * rte_eal_init(): the widest of RTE_WCIO_PLAIN, SSE2, AVX2, AVX512 or NEON that the CPU and the
 * operating system support and rte_vect_get_max_simd_bitwidth() allows. That limit applies to all
 * vector code of DPDK and is 256 by default on x86: on some CPUs 512-bit stores lower the clock of
 * the whole core. With --force-max-simd-bitwidth=512 lines are stored by one instruction. Before
 * rte_eal_init() the result is RTE_WCIO_PLAIN.
 *
 * RTE_WCIO_MOVDIR64B and RTE_WCIO_ST64B are never selected: the former bypasses the caches even for
 * cached memory, the latter aborts on devices without support. A driver that knows its device can
 * get them from rte_wcio_copy_func().
 *
 * Thread safe.
 *
 * @return
 *   The variant.
 */
__rte_experimental
enum rte_wcio_variant
rte_wcio_variant(void);

/**
 * @warning
 * @b EXPERIMENTAL: this API may change without prior notice.
 *
 * Get the function of a variant, for a driver that stores it in its queue, and for tests. Any
 * available variant may be used, regardless of rte_wcio_variant().
 *
 * Thread safe; not for the data path: it queries the CPU.
 *
 * @param variant
 *   Any number.
 * @return
 *   The function, or NULL if this CPU does not support the instructions, or they are not compiled
 *   in.
 */
__rte_experimental
rte_wcio_copy_t
rte_wcio_copy_func(enum rte_wcio_variant variant);

/**
 * @warning
 * @b EXPERIMENTAL: this API may change without prior notice.
 *
 * Get the name of a variant, whether or not this CPU supports it.
 *
 * Thread safe.
 *
 * @param variant
 *   Any number.
 * @return
 *   A constant string, "unknown" if there is no such variant.
 */
__rte_experimental
const char *
rte_wcio_variant_name(enum rte_wcio_variant variant);

#ifdef __cplusplus
}
#endif

#endif /* RTE_WCIO_H */
