/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef WCIO_VARIANTS_H
#define WCIO_VARIANTS_H

#include <stddef.h>

/** Two stores of 32 bytes for a line. In a file of its own, the only one compiled for AVX2. */
void wcio_copy_avx2(void *dst, const void *src, size_t nb_lines);

#endif /* WCIO_VARIANTS_H */
