/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <pthread.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_common.h>
#include <rte_cycles.h>

#include "perf_cpus.h"
#include "wc_perf.h"

#define ROUNDS 100
/* A median over so many: whatever else runs on the CPUs makes some of them long. */
#define BATCHES 101

/* A line that goes from one CPU to the other and back */
static alignas(RTE_CACHE_LINE_SIZE) uint64_t ball;

static void
wait_until(uint64_t value)
{
	/* No pause: on some CPUs it takes longer than what is measured. */
	while (rte_atomic_load_explicit(&ball, rte_memory_order_acquire) != value)
		;
}

/* Answer each odd number with the next even one. */
static void *
send_back(void *unused)
{
	uint64_t n;

	for (n = 0; n < ROUNDS * BATCHES; n++) {
		wait_until(2 * n + 1);
		rte_atomic_store_explicit(&ball, 2 * n + 2, rte_memory_order_release);
	}
	return unused;
}

static uint64_t
time_batch(uint64_t first)
{
	const uint64_t start = rte_rdtsc_precise();
	uint64_t n;

	for (n = first; n < first + ROUNDS; n++) {
		rte_atomic_store_explicit(&ball, 2 * n + 1, rte_memory_order_release);
		wait_until(2 * n + 2);
	}
	return rte_rdtsc_precise() - start;
}

static int
compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

int
perf_roundtrip(int argc, char **argv)
{
	uint64_t batches[BATCHES];
	unsigned int cpus[2], n;
	pthread_t other;
	int ret;

	ret = perf_cpus_parse(argc, argv, cpus);
	if (ret == 0)
		ret = perf_cpus_start(cpus, send_back, NULL, &other);
	if (ret < 0)
		return ret;
	for (n = 0; n < BATCHES; n++)
		batches[n] = time_batch(n * ROUNDS);
	pthread_join(other, NULL);
	qsort(batches, BATCHES, sizeof(batches[0]), compare);
	printf("round trip of a line between CPUs %u and %u: %.0f ns\n", cpus[0], cpus[1],
		batches[BATCHES / 2] / perf_cpus_clock() / ROUNDS);
	return 0;
}
