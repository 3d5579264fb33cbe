/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef DELIVERED_H
#define DELIVERED_H

/**
 * @file
 * Whether write-combining is delivered, by timing: whether stores through a write-combining mapping
 * combine. Without DPDK's headers: the program vfio-wc is compiled with it as well.
 */

#include <stdbool.h>
#include <stddef.h>

/** Bytes that are overwritten. */
#define DELIVERED_SIZE 4096

enum delivered_verdict {
	DELIVERED_YES,
	DELIVERED_NO,
	DELIVERED_UNKNOWN,
};

/** What is timed: stores of 8 bytes that fill lines of 64. */
enum delivered_place {
	DELIVERED_CACHED,	/**< To ordinary memory. */
	DELIVERED_DEFAULT,	/**< Through the default mapping. */
	DELIVERED_WC,		/**< Through the write-combining mapping. */
	DELIVERED_SCATTERED,	/**< The same, in an order in which none can combine. */
	DELIVERED_PLACES
};

/** Nanoseconds for a line of eight stores. */
struct delivered_times {
	double median;
	double low;	/**< A quarter is below. */
	double high;	/**< A quarter is above. */
};

struct delivered {
	bool emulated;	/**< By TCG, which has no memory types. */
	struct delivered_times times[DELIVERED_PLACES];
	enum delivered_verdict verdict;
	const char *reason;
};

/**
 * Time stores to a range through both of its mappings, and judge them.
 *
 * @param uncached
 *   DELIVERED_SIZE bytes in the default mapping, aligned to a line. They are overwritten.
 * @param wc
 *   The same bytes in the write-combining mapping.
 */
void delivered_measure(struct delivered *delivered, void *uncached, void *wc);

/** Print the times and the verdict. */
void delivered_print(const struct delivered *delivered);

/** For delivered_measure(): set the times from samples, which are sorted. */
void delivered_summarise(struct delivered_times *times, double *samples, size_t nb);

/** For delivered_measure(): set the verdict and its reason from all else. */
void delivered_judge(struct delivered *delivered);

#endif /* DELIVERED_H */
