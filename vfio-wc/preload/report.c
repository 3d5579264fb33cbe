/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "report.h"

/* Beyond that many devices lines are repeated. */
#define MAX_DEVICES 64
#define MAX_LINE 512

/* Bits of what was reported of a device: two for each BAR, and one for the device itself */
#define KINDS 2
#define DEVICE_BIT 15
#define HASH_SHIFT 16

/*
 * A hash of the device's name above the bits of what was reported of it; 0 if the entry is free.
 * No lock: a thread that forks must not leave one behind in the child.
 */
static uint64_t report_done[MAX_DEVICES];

/* FNV-1a, with 48 bits */
static uint64_t
report_hash(const char *name)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *name != '\0'; name++)
		hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
	return hash << HASH_SHIFT;
}

/* Whether it is the first time that something is reported of a device. */
static bool
report_is_first(const char *device, unsigned int number)
{
	const uint64_t hash = report_hash(device), bit = UINT64_C(1) << number;
	uint64_t done;
	size_t i;

	for (i = 0; i < MAX_DEVICES; i++) {
		done = 0;
		if (__atomic_compare_exchange_n(&report_done[i], &done, hash | bit, false,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return true;
		if (done >> HASH_SHIFT == hash >> HASH_SHIFT)
			return (__atomic_fetch_or(&report_done[i], bit, __ATOMIC_RELAXED) & bit) == 0;
	}
	return true;
}

/* One call of write(), so that lines of several threads do not mix. */
static void __attribute__((format(printf, 2, 0)))
report_line(const char *device, const char *format, va_list args)
{
	char line[MAX_LINE];
	int len = snprintf(line, sizeof(line), "vfio-wc: %s: ", device), more;

	more = vsnprintf(line + len, sizeof(line) - len, format, args);
	if (more < 0)
		return;
	len = len + more < MAX_LINE - 1 ? len + more : MAX_LINE - 2;
	line[len] = '\n';
	if (write(STDERR_FILENO, line, len + 1) < 0) {
		/* Nobody reads it. */
	}
}

void
report_bar(const char *device, unsigned int bar, enum report_kind kind, const char *format, ...)
{
	va_list args;

	if (!report_is_first(device, bar * KINDS + kind))
		return;
	va_start(args, format);
	report_line(device, format, args);
	va_end(args);
}

void
report_device(const char *device, const char *format, ...)
{
	va_list args;

	if (!report_is_first(device, DEVICE_BIT))
		return;
	va_start(args, format);
	report_line(device, format, args);
	va_end(args);
}
