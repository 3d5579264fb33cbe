/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef TEST_H
#define TEST_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <rte_errno.h>

/** One test: returns 0, or -1 after CHECK() printed what failed. */
struct test_case {
	const char *name;
	int (*run)(void);
};

struct test_suite {
	const char *name;
	int (*setup)(void);
	void (*teardown)(void);
	const struct test_case *cases;	/**< Ends with an entry without name. */
	/** Instead of cases: a program of its own, with the rest of the command line. */
	int (*main)(int argc, char **argv);
};

extern const struct test_suite option_suite;
extern const struct test_suite pci_wc_suite;
extern const struct test_suite wcio_suite;
extern const struct test_suite ivshmem_suite;
extern const struct test_suite ivshmem_echo_suite;
extern const struct test_suite guest_suite;

#define CHECK(cond) do { \
	if (!(cond)) { \
		printf("# %s:%d: %s does not hold (rte_errno %d)\n", __FILE__, __LINE__, #cond, \
			rte_errno); \
		return -1; \
	} \
} while (0)

/** The call returns NULL or -1 and sets rte_errno to just this. */
#define CHECK_ERRNO(call, error) do { \
	rte_errno = 0; \
	if ((intptr_t)(call) != (intptr_t)NULL && (intptr_t)(call) != -1) { \
		printf("# %s:%d: %s succeeds\n", __FILE__, __LINE__, #call); \
		return -1; \
	} \
	if (rte_errno != (error)) { \
		printf("# %s:%d: %s sets rte_errno %d, not " #error "\n", __FILE__, __LINE__, \
			#call, rte_errno); \
		return -1; \
	} \
} while (0)

#endif /* TEST_H */
