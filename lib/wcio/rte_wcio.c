/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_common.h>
#include <rte_debug.h>
#include <rte_vect.h>

#include "eal_wc_compat.h"
#include "rte_wcio.h"
#include "wcio_variants.h"

/*
 * Width of vector registers that --force-max-simd-bitwidth must allow, 0 if none are used. Variants
 * with atomic stores are never selected automatically, see rte_wcio_variant().
 */
static const struct {
	const char *name;
	uint16_t simd_bits;
	bool chosen;
} variants[] = {
	[RTE_WCIO_PLAIN] = { "plain", 0, true },
	[RTE_WCIO_SSE2] = { "SSE2", 128, true },
	[RTE_WCIO_AVX2] = { "AVX2", 256, true },
	[RTE_WCIO_AVX512] = { "AVX512", 512, true },
	[RTE_WCIO_MOVDIR64B] = { "MOVDIR64B", 0, false },
	[RTE_WCIO_NEON] = { "NEON", 128, true },
	[RTE_WCIO_ST64B] = { "ST64B", 0, false },
};

/* volatile keeps the compiler from calling memcpy(), which may store in any order and size */
static void
wcio_copy_plain(void *dst, const void *src, size_t nb_lines)
{
	volatile uint64_t *to = dst;
	const uint8_t *from = src;
	size_t nb_words = nb_lines * (RTE_WCIO_LINE / sizeof(*to));
	uint64_t word;
	size_t i;

	for (i = 0; i < nb_words; i++) {
		memcpy(&word, from + i * sizeof(word), sizeof(word));
		to[i] = word;
	}
}

RTE_EXPORT_EXPERIMENTAL_SYMBOL(rte_wcio_copy_func, 26.11)
rte_wcio_copy_t
rte_wcio_copy_func(enum rte_wcio_variant variant)
{
	return variant == RTE_WCIO_PLAIN ? wcio_copy_plain : wcio_arch_copy_func(variant);
}

RTE_EXPORT_EXPERIMENTAL_SYMBOL(rte_wcio_variant_name, 26.11)
const char *
rte_wcio_variant_name(enum rte_wcio_variant variant)
{
	return variant < RTE_DIM(variants) ? variants[variant].name : "unknown";
}

enum rte_wcio_variant
wcio_widest(uint16_t max_bits)
{
	unsigned int variant, widest = RTE_WCIO_PLAIN;

	for (variant = 0; variant < RTE_DIM(variants); variant++) {
		if (variants[variant].chosen && variants[variant].simd_bits <= max_bits &&
				rte_wcio_copy_func(variant) != NULL)
			widest = variant;
	}
	return widest;
}

static void wcio_copy_first(void *dst, const void *src, size_t nb_lines);

/* The selected function: set at the first use, as EAL's options are not known earlier. */
static RTE_ATOMIC(rte_wcio_copy_t) copy_lines = wcio_copy_first;
static enum rte_wcio_variant chosen;

/* Concurrent threads all select the same function. */
static rte_wcio_copy_t
wcio_choose(void)
{
	rte_wcio_copy_t copy;

	chosen = wcio_widest(rte_vect_get_max_simd_bitwidth());
	copy = rte_wcio_copy_func(chosen);
	rte_atomic_store_explicit(&copy_lines, copy, rte_memory_order_release);
	return copy;
}

static void
wcio_copy_first(void *dst, const void *src, size_t nb_lines)
{
	wcio_choose()(dst, src, nb_lines);
}

RTE_EXPORT_EXPERIMENTAL_SYMBOL(rte_wcio_variant, 26.11)
enum rte_wcio_variant
rte_wcio_variant(void)
{
	if (rte_atomic_load_explicit(&copy_lines, rte_memory_order_acquire) == wcio_copy_first)
		wcio_choose();
	return chosen;
}

RTE_EXPORT_EXPERIMENTAL_SYMBOL(rte_wcio_copy, 26.11)
void
rte_wcio_copy(void *dst, const void *src, size_t nb_lines)
{
	rte_atomic_load_explicit(&copy_lines, rte_memory_order_relaxed)(dst, src, nb_lines);
}

/* A separate function, so that it costs nothing for lengths of whole lines. */
static __rte_noinline void
wcio_copy_last(void *dst, const void *src, size_t len)
{
	alignas(RTE_WCIO_LINE) uint8_t last[RTE_WCIO_LINE] = { 0 };

	memcpy(last, src, len);
	rte_wcio_copy(dst, last, 1);
}

RTE_EXPORT_EXPERIMENTAL_SYMBOL(rte_wcio_copy_pad, 26.11)
void
rte_wcio_copy_pad(void *dst, const void *src, size_t len)
{
	size_t whole = len / RTE_WCIO_LINE, rest = len % RTE_WCIO_LINE;

	rte_wcio_copy(dst, src, whole);
	if (rest != 0)
		wcio_copy_last(RTE_PTR_ADD(dst, whole * RTE_WCIO_LINE),
			RTE_PTR_ADD(src, whole * RTE_WCIO_LINE), rest);
}

/* NULL if this CPU has none. Set before main(): drivers need not query it first. */
static rte_wcio_copy_t atomic_lines;

void
wcio_set_atomic(rte_wcio_copy_t copy)
{
	atomic_lines = copy;
}

RTE_INIT(wcio_find_atomic)
{
	enum rte_wcio_variant atomic = wcio_arch_atomic();

	if (atomic != RTE_WCIO_PLAIN)
		wcio_set_atomic(rte_wcio_copy_func(atomic));
}

RTE_EXPORT_EXPERIMENTAL_SYMBOL(rte_wcio_atomic_available, 26.11)
bool
rte_wcio_atomic_available(void)
{
	return atomic_lines != NULL;
}

RTE_EXPORT_EXPERIMENTAL_SYMBOL(rte_wcio_atomic_line, 26.11)
void
rte_wcio_atomic_line(void *dst, const void *src)
{
	RTE_ASSERT(atomic_lines != NULL);
	atomic_lines(dst, src, 1);
}
