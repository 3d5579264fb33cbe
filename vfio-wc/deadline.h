/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef DEADLINE_H
#define DEADLINE_H

#include <time.h>

/* A time from now on */
struct timespec deadline_in(int seconds);

/* Milliseconds until then, not negative; for poll(). */
int deadline_left(const struct timespec *end);

#endif /* DEADLINE_H */
