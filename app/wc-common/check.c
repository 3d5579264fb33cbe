/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <stdio.h>

#include "check.h"

bool
test_holds(bool holds, const char *what, const char *file, int line)
{
	if (!holds)
		printf("# %s:%d: %s does not hold (rte_errno %d)\n", file, line, what, rte_errno);
	return holds;
}

bool
test_has_errno(intptr_t result, int error)
{
	return (result == (intptr_t)NULL || result == -1) && rte_errno == error;
}
