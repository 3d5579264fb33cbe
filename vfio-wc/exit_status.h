/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef EXIT_STATUS_H
#define EXIT_STATUS_H

/* What scripts rely on: see vfio-wc(8). */
enum exit_status {
	EXIT_GOOD = 0,
	EXIT_BAD = 1,
	EXIT_UNKNOWN = 2,
	EXIT_USAGE = 64,
	/* Of run, as of env(1); otherwise its exit status is that of the program. */
	EXIT_CANNOT = 125,
	EXIT_CANNOT_EXECUTE = 126,
	EXIT_NOT_FOUND = 127,
};

/* The status of both: one certain defect outweighs what is not known. */
static inline enum exit_status
exit_status_worse(enum exit_status a, enum exit_status b)
{
	if (a == EXIT_BAD || b == EXIT_BAD)
		return EXIT_BAD;
	return a == EXIT_GOOD ? b : a;
}

#endif /* EXIT_STATUS_H */
