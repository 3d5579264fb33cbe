/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <rte_common.h>
#include <rte_wcio.h>

#include "test.h"

#define MAX_LINES 26
#define GUARD 0xa5

static uint8_t source[(MAX_LINES + 2) * RTE_WCIO_LINE];
static uint8_t target[(MAX_LINES + 2) * RTE_WCIO_LINE] __rte_aligned(RTE_WCIO_LINE);

static int
setup(void)
{
	size_t i;

	/* 251 is prime: no two bytes at the distance of a line are equal */
	for (i = 0; i < sizeof(source); i++)
		source[i] = i % 251;
	return 0;
}

/* The bytes before and after [start, start + len) of the target still have the guard value. */
static bool
guards_intact(size_t start, size_t len)
{
	size_t i;

	for (i = 0; i < sizeof(target); i++) {
		if ((i < start || i >= start + len) && target[i] != GUARD)
			return false;
	}
	return true;
}

static int
check_copy(rte_wcio_copy_t copy)
{
	size_t lines, shift;

	for (lines = 0; lines <= MAX_LINES; lines++) {
		for (shift = 0; shift < RTE_WCIO_LINE; shift++) {
			memset(target, GUARD, sizeof(target));
			copy(target + RTE_WCIO_LINE, source + shift, lines);
			CHECK(memcmp(target + RTE_WCIO_LINE, source + shift,
				lines * RTE_WCIO_LINE) == 0);
			CHECK(guards_intact(RTE_WCIO_LINE, lines * RTE_WCIO_LINE));
		}
	}
	return 0;
}

static int
test_variants(void)
{
	enum rte_wcio_variant variant;

	for (variant = RTE_WCIO_PLAIN; variant <= RTE_WCIO_AVX2; variant++) {
		rte_wcio_copy_t copy = rte_wcio_copy_func(variant);

		if (copy == NULL) {
			printf("# SKIP %s: not on this CPU\n", rte_wcio_variant_name(variant));
			continue;
		}
		CHECK(check_copy(copy) == 0);
	}
	return 0;
}

static int
test_choice(void)
{
	enum rte_wcio_variant variant = rte_wcio_variant();

	printf("# %s\n", rte_wcio_variant_name(variant));
	CHECK(rte_wcio_copy_func(variant) != NULL);
	CHECK(variant == RTE_WCIO_AVX2 || rte_wcio_copy_func(variant + 1) == NULL);
	CHECK(rte_wcio_copy_func(RTE_WCIO_AVX2 + 1) == NULL);
	CHECK(check_copy(rte_wcio_copy) == 0);
	return 0;
}

static int
test_pad(void)
{
	size_t len, padded, i;

	for (len = 0; len <= MAX_LINES * RTE_WCIO_LINE; len++) {
		memset(target, GUARD, sizeof(target));
		rte_wcio_copy_pad(target + RTE_WCIO_LINE, source + 1, len);
		padded = RTE_ALIGN_CEIL(len, RTE_WCIO_LINE);
		CHECK(memcmp(target + RTE_WCIO_LINE, source + 1, len) == 0);
		for (i = len; i < padded; i++)
			CHECK(target[RTE_WCIO_LINE + i] == 0);
		CHECK(guards_intact(RTE_WCIO_LINE, padded));
	}
	return 0;
}

static int
test_read(void)
{
	static uint8_t lines_in[MAX_LINES * RTE_WCIO_LINE] __rte_aligned(RTE_WCIO_LINE);
	size_t lines, shift;

	memcpy(lines_in, source, sizeof(lines_in));
	for (lines = 0; lines <= MAX_LINES; lines++) {
		for (shift = 0; shift < RTE_WCIO_LINE; shift++) {
			memset(target, GUARD, sizeof(target));
			rte_wcio_read(target + shift, lines_in, lines);
			CHECK(memcmp(target + shift, lines_in, lines * RTE_WCIO_LINE) == 0);
			CHECK(guards_intact(shift, lines * RTE_WCIO_LINE));
		}
	}
	return 0;
}

static const struct test_case cases[] = {
	{ "each variant copies lines from any alignment and nothing else", test_variants },
	{ "the widest variant of this CPU is chosen", test_choice },
	{ "padding is zero up to the line and no further", test_pad },
	{ "lines are read to any alignment", test_read },
	{ 0 }
};

const struct test_suite wcio_suite = {
	.name = "wcio",
	.setup = setup,
	.cases = cases,
};
