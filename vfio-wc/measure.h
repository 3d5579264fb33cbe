/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef MEASURE_H
#define MEASURE_H

#include <stdbool.h>
#include <stdint.h>

#include "exit_status.h"

/* A part of a BAR that may be overwritten */
struct measure_scratch {
	unsigned int bar;
	uint64_t offset;
	uint64_t size;
};

/* Convert BAR:OFFSET:LEN; false if it is malformed. */
bool measure_parse_scratch(const char *text, struct measure_scratch *scratch);

/* Open a device, and print whether write-combining is granted, effective and delivered in a part of
 * a BAR, which is overwritten.
 */
enum exit_status measure_run(const char *name, const struct measure_scratch *scratch);

#endif /* MEASURE_H */
