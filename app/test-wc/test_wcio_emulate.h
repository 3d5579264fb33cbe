/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef TEST_WCIO_EMULATE_H
#define TEST_WCIO_EMULATE_H

#include <stdbool.h>
#include <stdint.h>

/**
 * From here on, execute MOVDIR64B, the AVX-512 moves of a line and ST64B for a CPU that does not
 * know them. Not on one that does: nothing would be seen of them.
 *
 * @return
 *   0 on success.
 */
int emulate_start(void);

/**
 * No longer.
 *
 * @param stores
 *   How many lines have been stored so.
 * @return
 *   0, or -1 if one of them was not aligned, which the instructions refuse.
 */
int emulate_stop(unsigned int *stores);

#endif /* TEST_WCIO_EMULATE_H */
