/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <immintrin.h>

#include "wcio_variants.h"

void
wcio_copy_avx2(void *dst, const void *src, size_t nb_lines)
{
	const __m256i *from = src;
	__m256i *to = dst;
	__m256i a, b;

	for (; nb_lines != 0; nb_lines--, from += 2, to += 2) {
		a = _mm256_loadu_si256(from);
		b = _mm256_loadu_si256(from + 1);
		_mm256_store_si256(to, a);
		_mm256_store_si256(to + 1, b);
	}
}
