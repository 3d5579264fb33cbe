/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef TEST_REGION_H
#define TEST_REGION_H

#include "ivshmem_region.h"

/** Map all of a file that a server has laid out, and read its geometry; 0 on success. */
int test_region_map(const char *path, struct ivshmem_region *region);

#endif /* TEST_REGION_H */
