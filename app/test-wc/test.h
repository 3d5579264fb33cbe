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

#include "check.h"

/** One test: returns 0, or -1 after CHECK() has printed the failure. */
struct test_case {
	const char *name;
	int (*run)(void);
};

struct test_suite {
	const char *name;
	int (*setup)(void);
	void (*teardown)(void);
	const struct test_case *cases;	/**< Ends with an entry without name. */
};

extern const struct test_suite delivered_suite;
extern const struct test_suite mtrr_suite;
extern const struct test_suite option_suite;
extern const struct test_suite pci_wc_suite;
extern const struct test_suite pci_class_suite;
extern const struct test_suite pci_offsets_suite;
extern const struct test_suite wcio_suite;
extern const struct test_suite ivshmem_suite;
extern const struct test_suite ivshmem_features_suite;
extern const struct test_suite ivshmem_link_suite;
extern const struct test_suite ivshmem_queues_suite;
extern const struct test_suite ivshmem_server_suite;
extern const struct test_suite ivshmem_vdev_suite;

/** From here on, store DPDK's log instead of writing it; 0 on success. */
int log_watch(void);
void log_unwatch(void);
/** Whether the log contains a text since log_watch(). */
bool log_has(const char *what);
bool log_is_empty(void);
/** The number of its occurrences. */
unsigned int log_count(const char *what);

#endif /* TEST_H */
