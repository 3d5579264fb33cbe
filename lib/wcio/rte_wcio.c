/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <stdint.h>
#include <string.h>

#include <rte_common.h>
#include <rte_cpuflags.h>
#ifdef RTE_ARCH_X86
#include <immintrin.h>
#endif

#include "rte_wcio.h"
#include "wcio_variants.h"

#define WORDS_PER_LINE (RTE_WCIO_LINE / sizeof(uint64_t))

/* volatile keeps the compiler from calling memcpy(), which may store in any order and size */
static void
copy_plain(void *dst, const void *src, size_t nb_lines)
{
	volatile uint64_t *to = dst;
	const uint8_t *from = src;
	size_t nb_words = nb_lines * WORDS_PER_LINE;
	uint64_t word;
	size_t i;

	for (i = 0; i < nb_words; i++) {
		memcpy(&word, from + i * sizeof(word), sizeof(word));
		to[i] = word;
	}
}

#ifdef RTE_ARCH_X86

static void
copy_sse2(void *dst, const void *src, size_t nb_lines)
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

#endif

static enum rte_wcio_variant best = RTE_WCIO_PLAIN;
static rte_wcio_copy_t copy_lines = copy_plain;

rte_wcio_copy_t
rte_wcio_copy_func(enum rte_wcio_variant variant)
{
	switch (variant) {
	case RTE_WCIO_PLAIN:
		return copy_plain;
#ifdef RTE_ARCH_X86
	case RTE_WCIO_SSE2:
		return copy_sse2;
	case RTE_WCIO_AVX2:
		return rte_cpu_get_flag_enabled(RTE_CPUFLAG_AVX2) > 0 ? wcio_copy_avx2 : NULL;
#endif
	default:
		return NULL;
	}
}

RTE_INIT(wcio_choose)
{
	enum rte_wcio_variant variant;

	for (variant = RTE_WCIO_AVX2; variant > RTE_WCIO_PLAIN; variant--) {
		if (rte_wcio_copy_func(variant) != NULL) {
			best = variant;
			break;
		}
	}
	copy_lines = rte_wcio_copy_func(best);
}

enum rte_wcio_variant
rte_wcio_variant(void)
{
	return best;
}

const char *
rte_wcio_variant_name(enum rte_wcio_variant variant)
{
	switch (variant) {
	case RTE_WCIO_PLAIN:
		return "plain";
	case RTE_WCIO_SSE2:
		return "SSE2";
	case RTE_WCIO_AVX2:
		return "AVX2";
	default:
		return "unknown";
	}
}

void
rte_wcio_copy(void *dst, const void *src, size_t nb_lines)
{
	copy_lines(dst, src, nb_lines);
}

void
rte_wcio_copy_pad(void *dst, const void *src, size_t len)
{
	size_t whole = len / RTE_WCIO_LINE, rest = len % RTE_WCIO_LINE;
	uint8_t last[RTE_WCIO_LINE] = { 0 };

	copy_lines(dst, src, whole);
	if (rest != 0) {
		memcpy(last, RTE_PTR_ADD(src, whole * RTE_WCIO_LINE), rest);
		copy_lines(RTE_PTR_ADD(dst, whole * RTE_WCIO_LINE), last, 1);
	}
}

#ifdef RTE_ARCH_X86

/* MOVNTDQA is SSE4.1, which DPDK requires of an x86 CPU. */
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

#else

void
rte_wcio_read(void *dst, const void *src, size_t nb_lines)
{
	const volatile uint64_t *from = src;
	uint8_t *to = dst;
	size_t nb_words = nb_lines * WORDS_PER_LINE;
	uint64_t word;
	size_t i;

	for (i = 0; i < nb_words; i++) {
		word = from[i];
		memcpy(to + i * sizeof(word), &word, sizeof(word));
	}
}

#endif
