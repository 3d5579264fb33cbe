/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef TEST_WCIO_EMULATE_H
#define TEST_WCIO_EMULATE_H

#include <stdbool.h>
#include <stdint.h>

/**
 * Start to emulate MOVDIR64B, the AVX-512 moves of a line and ST64B on a CPU that does not support
 * them. On a CPU that does they would not be noticed.
 *
 * @return
 *   0 on success.
 */
int emulate_start(void);

/**
 * Stop emulating.
 *
 * @param stores
 *   Number of lines stored by emulated instructions.
 * @return
 *   0, or -1 if one of them was not aligned, which the instructions do not allow.
 */
int emulate_stop(unsigned int *stores);

#endif /* TEST_WCIO_EMULATE_H */
