/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <stdint.h>

#include <immintrin.h>

#include "wcio_variants.h"

void
wcio_copy_movdir64b(void *dst, const void *src, size_t nb_lines)
{
	const uint8_t *from = src;
	uint8_t *to = dst;

	for (; nb_lines != 0; nb_lines--, from += RTE_WCIO_LINE, to += RTE_WCIO_LINE)
		_movdir64b(to, from);
}
