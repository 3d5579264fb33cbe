/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef IVSHMEM_DISTANCE_H
#define IVSHMEM_DISTANCE_H

/**
 * @file
 * The distance between the consumer and the producer of a ring in memory of one host, which
 * determines how the producer writes lines. CPUs that share a cache exchange lines through it:
 * ordinary stores are best. Otherwise each line would be fetched from the other CPU's cache before
 * it is written, and again when it is read: streaming stores write it to memory without fetching
 * it.
 *
 * The producer estimates the distance when it reads the credit written by the consumer, whose line
 * must come from the consumer's cache. The minimum of several reads is used: other traffic and
 * interrupts only make a read slower.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_atomic.h>
#include <rte_common.h>
#include <rte_cycles.h>

/** How lines are written to memory of this host. */
enum ivshmem_stores {
	IVSHMEM_STORES_CACHED,
	IVSHMEM_STORES_STREAMING,
	IVSHMEM_STORES_AUTO,	/**< By distance. */
};

/**
 * A read of a credit that takes less than NEAR comes from a nearby cache, one that takes FAR or
 * more does not. Between the two nothing changes. A line takes half the round trip of dpdk-wc-perf:
 * 25 to 65 ns in an L3 of Zen 3 and Zen 4, 50 to 110 ns over the mesh of a socket of Emerald
 * Rapids, where ordinary stores are still faster, and 165 to 400 ns between two L3 of Zen 4.
 */
#define IVSHMEM_NEAR_NS 120
#define IVSHMEM_FAR_NS 140
/** Number of reads of which the minimum is used. */
#define IVSHMEM_DISTANCE_READS 16

struct ivshmem_distance {
	uint32_t near_cycles;	/**< Both 0: the distance is not used. */
	uint32_t far_cycles;
	uint32_t cycles;	/**< To read a credit, minimum of the last reads. */
	uint32_t least;		/**< Minimum of the current reads. */
	uint32_t nb_reads;	/**< Number of the current reads. */
	bool far;
};

static inline void
ivshmem_distance_init(struct ivshmem_distance *distance, enum ivshmem_stores stores)
{
	const uint64_t hz = stores == IVSHMEM_STORES_AUTO ? rte_get_tsc_hz() : 0;

	*distance = (struct ivshmem_distance){
		.near_cycles = hz * IVSHMEM_NEAR_NS / NS_PER_S,
		.far_cycles = hz * IVSHMEM_FAR_NS / NS_PER_S,
		.least = UINT32_MAX,
		.far = stores == IVSHMEM_STORES_STREAMING,
	};
}

/** The time, ordered after earlier loads have completed, and before later loads. */
static inline uint64_t
ivshmem_distance_clock(void)
{
#if defined(RTE_ARCH_X86)
	/* Intel SDM vol. 2, RDTSC; on AMD, Linux makes LFENCE serialising as well. */
	asm volatile("lfence" ::: "memory");
	return rte_rdtsc();
#elif defined(RTE_ARCH_ARM64)
	/* Arm ARM, CNTVCT_EL0: only ISB orders its reads. */
	rte_rmb();
	asm volatile("isb" ::: "memory");
	return rte_rdtsc();
#else
	return rte_rdtsc_precise();
#endif
}

/**
 * Add the cycles of a read of a changed credit, whose line had to come from the consumer. Returns
 * whether the estimate of the distance has changed.
 */
static inline bool
ivshmem_distance_add(struct ivshmem_distance *distance, uint64_t cycles)
{
	const bool was_far = distance->far;

	distance->least = RTE_MIN(cycles, (uint64_t)distance->least);
	if (++distance->nb_reads < IVSHMEM_DISTANCE_READS)
		return false;
	distance->cycles = distance->least;
	distance->least = UINT32_MAX;
	distance->nb_reads = 0;
	if (distance->far_cycles == 0)
		return false;
	if (distance->cycles >= distance->far_cycles)
		distance->far = true;
	else if (distance->cycles < distance->near_cycles)
		distance->far = false;
	return distance->far != was_far;
}

#endif /* IVSHMEM_DISTANCE_H */
