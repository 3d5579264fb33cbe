/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <immintrin.h>

#include "wcio_variants.h"

void
wcio_copy_avx512(void *dst, const void *src, size_t nb_lines)
{
	const __m512i *from = src;
	__m512i *to = dst;

	for (; nb_lines != 0; nb_lines--, from++, to++)
		_mm512_store_si512(to, _mm512_loadu_si512(from));
}
