/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_cycles.h>

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

/* Cycles of the timer in a nanosecond: EAL is not there to ask. */
static double
measure_clock(void)
{
	const struct timespec wait = { .tv_nsec = 2000000 };
	struct timespec before, after;
	uint64_t start, end;

	clock_gettime(CLOCK_MONOTONIC_RAW, &before);
	start = rte_rdtsc_precise();
	nanosleep(&wait, NULL);
	end = rte_rdtsc_precise();
	clock_gettime(CLOCK_MONOTONIC_RAW, &after);
	return (end - start) / ((after.tv_sec - before.tv_sec) * 1e9 +
		(after.tv_nsec - before.tv_nsec));
}

static bool
parse_cpu(const char *text, unsigned int *cpu)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	*cpu = RTE_MIN(value, (unsigned long)CPU_SETSIZE);
	return errno == 0 && end != text && *end == '\0' && value < CPU_SETSIZE;
}

static int
complain(unsigned int cpu, int error)
{
	fprintf(stderr, "wc-perf: CPU %u: %s: use one that this process may use\n", cpu,
		strerror(error));
	return -error;
}

/* This thread on the one CPU, another one on the other from its start; 0 or a negative errno. */
static int
start(const unsigned int cpus[2], pthread_t *other)
{
	pthread_attr_t attr;
	cpu_set_t set;
	int error;

	CPU_ZERO(&set);
	CPU_SET(cpus[0], &set);
	error = pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	if (error != 0)
		return complain(cpus[0], error);
	CPU_ZERO(&set);
	CPU_SET(cpus[1], &set);
	pthread_attr_init(&attr);
	pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	error = pthread_create(other, &attr, send_back, NULL);
	pthread_attr_destroy(&attr);
	return error == 0 ? 0 : complain(cpus[1], error);
}

int
perf_roundtrip(int argc, char **argv)
{
	uint64_t batches[BATCHES];
	unsigned int cpus[2], n;
	pthread_t other;
	int ret;

	if (argc != 3 || !parse_cpu(argv[1], &cpus[0]) || !parse_cpu(argv[2], &cpus[1]) ||
			cpus[0] == cpus[1]) {
		fprintf(stderr, "usage: dpdk-wc-perf roundtrip CPU CPU, two different ones\n");
		return -EINVAL;
	}
	ret = start(cpus, &other);
	if (ret < 0)
		return ret;
	for (n = 0; n < BATCHES; n++)
		batches[n] = time_batch(n * ROUNDS);
	pthread_join(other, NULL);
	qsort(batches, BATCHES, sizeof(batches[0]), compare);
	printf("round trip of a line between CPUs %u and %u: %.0f ns\n", cpus[0], cpus[1],
		batches[BATCHES / 2] / measure_clock() / ROUNDS);
	return 0;
}
