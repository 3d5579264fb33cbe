/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <immintrin.h>

#include <rte_cpuflags.h>

#include "eal_wc_compat.h"
#include "wcio_variants.h"

/* SSE2 is part of x86-64. */
static void
wcio_x86_copy_sse2(void *dst, const void *src, size_t nb_lines)
{
	const __m128i *from = src;
	__m128i *to = dst;
	__m128i a, b, c, d;

	for (; nb_lines != 0; nb_lines--, from += 4, to += 4) {
		a = _mm_loadu_si128(from);
		b = _mm_loadu_si128(from + 1);
		c = _mm_loadu_si128(from + 2);
		d = _mm_loadu_si128(from + 3);
		_mm_store_si128(to, a);
		_mm_store_si128(to + 1, b);
		_mm_store_si128(to + 2, c);
		_mm_store_si128(to + 3, d);
	}
}

/*
 * For wide registers use the compiler's check instead of DPDK's flags, which reflect only CPUID:
 * the operating system must also save the registers (Intel SDM vol. 1, "Detection of AVX-512
 * Foundation Instructions": OSXSAVE, then XCR0).
 */
rte_wcio_copy_t
wcio_arch_copy_func(enum rte_wcio_variant variant)
{
	switch (variant) {
	case RTE_WCIO_SSE2:
		return wcio_x86_copy_sse2;
	case RTE_WCIO_AVX2:
		return __builtin_cpu_supports("avx2") ? wcio_copy_avx2 : NULL;
#ifdef WCIO_HAS_AVX512
	case RTE_WCIO_AVX512:
		return __builtin_cpu_supports("avx512f") ? wcio_copy_avx512 : NULL;
#endif
#ifdef WCIO_HAS_MOVDIR64B
	case RTE_WCIO_MOVDIR64B:
		return rte_cpu_get_flag_enabled(RTE_CPUFLAG_MOVDIR64B) > 0 ?
			wcio_copy_movdir64b : NULL;
#endif
	default:
		return NULL;
	}
}

enum rte_wcio_variant
wcio_arch_atomic(void)
{
	return RTE_WCIO_MOVDIR64B;
}

/*
 * MOVNTDQA is SSE4.1, which DPDK requires of an x86 CPU. The first of the four fetches the line
 * into a buffer, the others read from it (Intel SDM vol. 1, "Programmability for
 * streaming loads"): wider loads would not need fewer reads.
 */
RTE_EXPORT_EXPERIMENTAL_SYMBOL(rte_wcio_read, 26.11)
void
rte_wcio_read(void *dst, const void *src, size_t nb_lines)
{
	/* the intrinsic's parameter lacks const before gcc 13 */
	__m128i *from = (__m128i *)(uintptr_t)src;
	__m128i *to = dst;
	__m128i a, b, c, d;

	for (; nb_lines != 0; nb_lines--, from += 4, to += 4) {
		a = _mm_stream_load_si128(from);
		b = _mm_stream_load_si128(from + 1);
		c = _mm_stream_load_si128(from + 2);
		d = _mm_stream_load_si128(from + 3);
		_mm_storeu_si128(to, a);
		_mm_storeu_si128(to + 1, b);
		_mm_storeu_si128(to + 2, c);
		_mm_storeu_si128(to + 3, d);
	}
}
