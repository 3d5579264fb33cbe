/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_cycles.h>

#include "perf_cpus.h"

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

int
perf_cpus_parse(int argc, char **argv, unsigned int cpus[2])
{
	if (argc == 3 && parse_cpu(argv[1], &cpus[0]) && parse_cpu(argv[2], &cpus[1]) &&
			cpus[0] != cpus[1])
		return 0;
	fprintf(stderr, "usage: dpdk-wc-perf %s CPU CPU, two different ones\n", argv[0]);
	return -EINVAL;
}

static int
complain(unsigned int cpu, int error)
{
	fprintf(stderr, "wc-perf: CPU %u: %s: use one that this process may use\n", cpu,
		strerror(error));
	return -error;
}

static int
start(unsigned int cpu, void *(*run)(void *), void *arg, pthread_t *thread)
{
	pthread_attr_t attr;
	cpu_set_t set;
	int error;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	pthread_attr_init(&attr);
	pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	error = pthread_create(thread, &attr, run, arg);
	pthread_attr_destroy(&attr);
	return error == 0 ? 0 : complain(cpu, error);
}

int
perf_cpus_start(const unsigned int cpus[2], void *(*run)(void *), void *arg, pthread_t *other)
{
	cpu_set_t set;
	int error;

	CPU_ZERO(&set);
	CPU_SET(cpus[0], &set);
	error = pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	return error == 0 ? start(cpus[1], run, arg, other) : complain(cpus[0], error);
}

double
perf_cpus_clock(void)
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
