/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_errno.h>
#include <rte_test.h>

/** Print the condition and its location, unless it holds. */
bool test_holds(bool holds, const char *what, const char *file, int line);

/** Whether a result is NULL or -1 and rte_errno is error; clear it before the call. */
bool test_has_errno(intptr_t result, int error);

/** End the test function with -1 unless the condition holds. */
#define CHECK(cond) RTE_TEST_ASSERT(test_holds(cond, #cond, __FILE__, __LINE__), "%s", #cond)

/** The call returns NULL or -1 and sets rte_errno to error. */
#define CHECK_ERRNO(call, error) \
	CHECK((rte_errno = 0, test_has_errno((intptr_t)(call), error)))

#endif /* CHECK_H */
