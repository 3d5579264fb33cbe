/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef REPORT_H
#define REPORT_H

#include <stdbool.h>

/* Lines on standard error, each once in a process, however many threads map a BAR in pieces. */

enum report_kind {
	REPORT_GRANTED,
	REPORT_REFUSED,
};

/* One line about a BAR of a device, unless there was one of this kind. */
void report_bar(const char *device, unsigned int bar, enum report_kind kind,
		const char *format, ...) __attribute__((format(printf, 4, 5)));

/* One line about a device. */
void report_device(const char *device, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif /* REPORT_H */
