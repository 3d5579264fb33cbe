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
#include <rte_test.h>

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
extern const struct test_suite pci_offsets_suite;
extern const struct test_suite wcio_suite;
extern const struct test_suite ivshmem_suite;
extern const struct test_suite ivshmem_doorbell_suite;
extern const struct test_suite ivshmem_echo_suite;
extern const struct test_suite ivshmem_features_suite;
extern const struct test_suite ivshmem_hammer_suite;
extern const struct test_suite ivshmem_link_suite;
extern const struct test_suite ivshmem_loop_suite;
extern const struct test_suite ivshmem_corrupt_suite;
extern const struct test_suite ivshmem_queues_suite;
extern const struct test_suite ivshmem_server_suite;
extern const struct test_suite ivshmem_sleep_suite;
extern const struct test_suite ivshmem_traffic_suite;
extern const struct test_suite ivshmem_vdev_suite;
extern const struct test_suite ivshmem_victim_suite;
extern const struct test_suite guest_suite;

/** From here on, keep what DPDK logs instead of writing it; 0 on success. */
int log_watch(void);
void log_unwatch(void);
/** Whether the log has a text since log_watch(). */
bool log_has(const char *what);
bool log_is_empty(void);
/** How often. */
unsigned int log_count(const char *what);

/** Print where and what, unless it holds. */
bool test_holds(bool holds, const char *what, const char *file, int line);

/** Whether a result is NULL or -1 and rte_errno just this; to be cleared before the call. */
bool test_has_errno(intptr_t result, int error);

/** End the test function with -1 unless the condition holds. */
#define CHECK(cond) RTE_TEST_ASSERT(test_holds(cond, #cond, __FILE__, __LINE__), "%s", #cond)

/** The call returns NULL or -1 and sets rte_errno to just this. */
#define CHECK_ERRNO(call, error) \
	CHECK((rte_errno = 0, test_has_errno((intptr_t)(call), error)))

#endif /* TEST_H */
