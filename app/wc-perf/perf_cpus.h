/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef PERF_CPUS_H
#define PERF_CPUS_H

#include <pthread.h>

/**
 * Parse two different CPUs.
 *
 * @return
 *   0, or a negative errno with the reason on standard error.
 */
int perf_cpus_parse(int argc, char **argv, unsigned int cpus[2]);

/**
 * Continue on the first CPU, and start another thread on the second one.
 *
 * @return
 *   0, or a negative errno with the reason on standard error.
 */
int perf_cpus_start(const unsigned int cpus[2], void *(*run)(void *), void *arg, pthread_t *other);

/** Cycles of the timer in a nanosecond, without EAL. */
double perf_cpus_clock(void);

#endif /* PERF_CPUS_H */
