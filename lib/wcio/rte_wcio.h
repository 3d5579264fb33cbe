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
 * AMD APM vol. 2, "Write-Combining Memory"). When a buffer is sent is the CPU's choice: early,
 * late, in pieces, and in any order relative to other lines. So:
 *
 * - write whole lines, each by consecutive stores, so that each leaves as one write:
 *   rte_wcio_copy(), and rte_wcio_copy_pad() where the length is not one of whole lines;
 * - never read back what was written, it drains the buffers and stalls;
 * - a line is not atomic: the device may see parts of it, in any order. Where the CPU has a store
 *   that is, rte_wcio_atomic_line() uses it.
 *
 * Order has to be made, by primitives that are named for what they order:
 *
 * - payload in WC, then doorbell or index in WC: rte_wcio_payload_before_wc_doorbell()
 * - payload in WC, then doorbell in UC: rte_wcio_payload_before_uc_doorbell()
 * - payload in WC, then flag or index in RAM: rte_wcio_payload_before_ram_flag()
 * - data in RAM or register in UC, then line in WC: rte_wcio_ram_before_payload()
 * - load that says that lines are there, then rte_wcio_read() of them: rte_wcio_read_mb()
 * - rte_wcio_read() of lines, then store that gives them back: rte_wcio_read_mb()
 *
 * rte_wcio_flush() is the strongest of those for stores, and can replace each. One serves any
 * number of lines:
 *
 *     rte_wcio_copy(slot, descriptors, n);
 *     rte_wcio_payload_before_uc_doorbell();
 *     rte_write32_relaxed(index, doorbell);
 *
 * All functions are thread safe as far as the caller's memory is: two threads that write one line
 * at the same time leave a mixture of both. No function keeps a pointer, allocates, or fails.
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
 * Buffers"), and what Arm cores gather of Normal Non-cacheable stores.
 */
#define RTE_WCIO_LINE 64

/**
 * Ways to copy lines. rte_wcio_copy() uses the widest of a CPU's ordinary stores, see
 * rte_wcio_variant().
 */
enum rte_wcio_variant {
	RTE_WCIO_PLAIN,		/**< Eight stores of 8 bytes for a line, on any CPU. */
	RTE_WCIO_SSE2,		/**< x86: four stores of 16 bytes. */
	RTE_WCIO_AVX2,		/**< x86: two stores of 32 bytes. */
	RTE_WCIO_AVX512,	/**< x86: one store of 64 bytes, not promised to be atomic. */
	RTE_WCIO_MOVDIR64B,	/**< x86: one atomic store, past caches and buffers. */
	RTE_WCIO_NEON,		/**< arm64: one ST1 of four registers of 16 bytes. */
	RTE_WCIO_ST64B,		/**< arm64: one atomic store, if the device takes it. */
};

/**
 * Copy lines to WC memory, in ascending order.
 *
 * Nothing is ordered after it: see rte_wcio_flush().
 *
 * @param dst
 *   Aligned to RTE_WCIO_LINE; nothing beside the lines is written.
 * @param src
 *   Cached memory of any alignment, not overlapping dst; nothing beside the lines is read.
 * @param nb_lines
 *   Number of lines of RTE_WCIO_LINE bytes, 0 or more.
 */
typedef void (*rte_wcio_copy_t)(void *dst, const void *src, size_t nb_lines);

/**
 * @warning
 * @b EXPERIMENTAL: this API may change without prior notice.
 *
 * Make all earlier stores to WC memory leave for the device before any later store, to any memory.
 *
 * - x86: SFENCE. It drains the WC buffers, and later stores become visible after it (Intel SDM
 *   vol. 3A, "Buffering of Write Combining Memory Locations" and vol. 2B, SFENCE; AMD APM vol. 2,
 *   "Write-Combining Buffers").
 * - arm64: DSB ST. WC memory is Normal Non-cacheable there: stores may be gathered until something
 *   completes them. DSB waits until they are complete; DMB only orders what observers see (Arm ARM,
 *   "Data Synchronization Barrier"), and a device behind a PCIe bridge need not be such an
 *   observer. It is what Linux's wmb() and rdma-core's mmio_flush_writes() are.
 * - others: what DPDK has for stores to memory and I/O.
 *
 * Costs a wait for the buffers: once for each burst, not for each packet.
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
 * Stores to WC memory are in no order among themselves, also within one mapping, and a doorbell in
 * the same line would be combined with the payload. Hence SFENCE on x86. On arm64 DSB ST: the Arm
 * ARM lets DMB order two stores for observers, but speaks of completion at a peripheral for DSB
 * only; rdma-core's util/udma_barrier.h asks of mmio_flush_writes(), which is DSB ST, that stores
 * to WC memory on both its sides make two PCIe writes, in this order.
 *
 * The doorbell may stay in its buffer: if the device waits for it, rte_wcio_flush() after it.
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
 * Caching Available"; AMD APM vol. 2, "Write-Combining Buffers"), but nowhere is it said that the
 * device sees that access last if it is a store; hence SFENCE, as in rdma-core's providers. On
 * arm64 payload is Normal and the doorbell is Device memory, and only a DSB makes sure that the one
 * has left before the other: Linux's writel() has DMB OSHST, for payload in RAM, and wmb(), which
 * is DSB ST, is for this.
 *
 * rte_io_wmb() and what rte_write32() has in it do not suffice: a compiler barrier on x86, DMB on
 * arm64.
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
 * CPU polls before it looks at the payload.
 *
 * x86 orders stores to ordinary memory after one another, but not after those to WC memory (Intel
 * SDM vol. 3A, "Memory Ordering in P6 and More Recent Processor Families"): rte_smp_wmb() and
 * rte_atomic_thread_fence(__ATOMIC_RELEASE), compiler barriers there, do not suffice. On arm64 the
 * flag can be visible from a cache while payload is still gathered: DSB ST, as above.
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
 * What a line refers to, then the line: data that the device will fetch from RAM, or a register
 * written before through uncached memory, then a store to WC memory or rte_wcio_atomic_line().
 *
 * Stores to WC memory, and MOVDIR64B to any, do not wait for earlier stores of any kind: SFENCE on
 * x86. On arm64 DSB ST, what rdma-core's mmio_wc_start() is, which is for this place.
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
 * The load that says that lines are there, then rte_wcio_read() of them; and rte_wcio_read() of
 * lines, then the store that gives them back to who writes them.
 *
 * Loads from WC memory may be speculated before earlier loads, and a streaming load may find an old
 * line in its buffer.
 *
 * - x86: MFENCE. Intel SDM vol. 2B, MOVNTDQA, asks for it, or a locked instruction, where reads are
 *   to be in step with what other agents write; LFENCE is not said to empty the buffers.
 * - arm64: DMB OSHLD. It orders earlier loads before later loads and stores (Arm ARM, "Data Memory
 *   Barrier"), for Outer Shareable observers, which those of Normal Non-cacheable memory are; there
 *   are no buffers of old lines. Linux's readl() relies on it between a register and RAM.
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
 *   Aligned to RTE_WCIO_LINE; nothing beside the lines is written.
 * @param src
 *   Cached memory of any alignment, not overlapping dst; nothing beside the lines is read.
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
 * Copy bytes to WC memory in whole lines: the rest of the last line is zero.
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
 * Copy lines from WC or uncached memory with as few reads as this CPU can.
 *
 * On x86 streaming loads (MOVNTDQA) fetch a line of WC memory by one read (Intel SDM vol. 1,
 * "Programmability for streaming loads"). On arm64, which has no such loads, one LD1 asks for
 * the line. In uncached memory each load is a read of its own. rte_wcio_read_mb() has to come
 * before, after the load which said that the lines are there.
 *
 * Thread safe.
 *
 * @param dst
 *   Cached memory of any alignment, not overlapping src.
 * @param src
 *   Aligned to RTE_WCIO_LINE; nothing beside the lines is read.
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
 * Whether this CPU has a store of a whole line that is atomic, so that rte_wcio_atomic_line() may
 * be called: MOVDIR64B on x86 (CPUID), ST64B on arm64 (HWCAP3_LS64 of the kernel). False also
 * where the compiler that built this library did not know the instruction.
 *
 * This is about the CPU. ST64B needs the interconnect and the device to take it as well, which no
 * program can ask: use it on a device whose manual says so (Linux
 * Documentation/arch/arm64/elf_hwcaps.rst, HWCAP3_LS64). MOVDIR64B asks nothing of the device; what
 * becomes of the write beyond the CPU is for the manuals of platform and device to say.
 *
 * Thread safe. The answer stays the same.
 *
 * @return
 *   Whether there is one.
 */
__rte_experimental
bool
rte_wcio_atomic_available(void);

/**
 * @warning
 * @b EXPERIMENTAL: this API may change without prior notice.
 *
 * Store one line by one atomic store: nobody sees part of it, whatever the type of memory is.
 *
 * Order: as weak as that of any store to WC memory. Not before it: earlier stores to RAM, UC or WC
 * need rte_wcio_ram_before_payload() or rte_wcio_flush() first. Not after it: later stores need
 * rte_wcio_flush() in between. Two atomic lines in a row are in no order without one.
 *
 * - x86: MOVDIR64B follows the protocol of WC memory on memory of any type, UC too, goes past the
 *   caches, does not wait in a WC buffer for more, and is not combined with what comes later;
 *   older stores to the same line that still wait may be combined with it (Intel SDM vol. 2B,
 *   MOVDIR64B). That the source is read in one piece is not promised.
 * - arm64: ST64B. A device or memory that does not take it answers with an abort (Arm ARM,
 *   "Single-copy atomic 64-byte load/store"), ordinary cached memory among them.
 *
 * Thread safe.
 *
 * @param dst
 *   Aligned to RTE_WCIO_LINE; on arm64 a device that is known to take ST64B.
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
 * The variant that rte_wcio_copy() and rte_wcio_copy_pad() use.
 *
 * Chosen once, at the first call of one of the three, which should be after rte_eal_init(): the
 * widest of RTE_WCIO_PLAIN, SSE2, AVX2, AVX512 or NEON that the CPU and the operating system have
 * and rte_vect_get_max_simd_bitwidth() allows. That limit is DPDK's for all vector code, 256 by
 * default on x86: on some CPUs stores of 512 bits lower the clock of everything on the core. With
 * --force-max-simd-bitwidth=512 lines are stored by one instruction. Before rte_eal_init() the
 * choice is RTE_WCIO_PLAIN.
 *
 * RTE_WCIO_MOVDIR64B and RTE_WCIO_ST64B are never chosen: the one goes past the caches where memory
 * is cached, the other is refused by devices that do not know it. A driver that knows its device
 * takes them by rte_wcio_copy_func().
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
 * The function of a variant, for a driver that keeps it with its queue, and for tests. Any that is
 * there may be used, whatever rte_wcio_variant() says.
 *
 * Thread safe; not for the data path: asks the CPU.
 *
 * @param variant
 *   Any number.
 * @return
 *   NULL if this CPU does not have the instructions, or they are not compiled in.
 */
__rte_experimental
rte_wcio_copy_t
rte_wcio_copy_func(enum rte_wcio_variant variant);

/**
 * @warning
 * @b EXPERIMENTAL: this API may change without prior notice.
 *
 * Name of a variant, whether this CPU has it or not.
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
