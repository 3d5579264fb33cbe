/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <stdalign.h>
#include <string.h>

#include <rte_common.h>
#include <rte_wcio.h>

#include "test.h"

#define MAX_LINES 9
#define LAST_VARIANT RTE_WCIO_ST64B
#define GUARD 0xa5

static uint8_t source[(MAX_LINES + 2) * RTE_WCIO_LINE];
static alignas(RTE_WCIO_LINE) uint8_t target[(MAX_LINES + 2) * RTE_WCIO_LINE];

static int
testsuite_setup(void)
{
	size_t i;

	/* 251 is prime: no two bytes at the distance of a line are equal. */
	for (i = 0; i < sizeof(source); i++)
		source[i] = i % 251;
	return TEST_SUCCESS;
}

/* Whether the target has these bytes at a place, then zeros up to a size, and nothing else. */
static bool
target_is(size_t start, const void *bytes, size_t len, size_t size)
{
	uint8_t expected[sizeof(target)];

	memset(expected, GUARD, sizeof(expected));
	memset(expected + start, 0, size);
	memcpy(expected + start, bytes, len);
	return memcmp(target, expected, sizeof(target)) == 0;
}

static int
check_copy(rte_wcio_copy_t copy, const char *name)
{
	size_t lines, shift;

	for (lines = 0; lines <= MAX_LINES; lines++) {
		const size_t len = lines * RTE_WCIO_LINE;

		for (shift = 0; shift < RTE_WCIO_LINE; shift++) {
			memset(target, GUARD, sizeof(target));
			copy(target + RTE_WCIO_LINE, source + shift, lines);
			TEST_ASSERT(target_is(RTE_WCIO_LINE, source + shift, len, len),
				"%s: %zu lines from alignment %zu differ", name, lines, shift);
		}
	}
	return TEST_SUCCESS;
}

static int
test_wcio_variants(void)
{
	enum rte_wcio_variant variant;

	for (variant = RTE_WCIO_PLAIN; variant <= LAST_VARIANT; variant++) {
		rte_wcio_copy_t copy = rte_wcio_copy_func(variant);
		const char *name = rte_wcio_variant_name(variant);

		/* ST64B to ordinary memory is an abort. */
		if (copy == NULL || variant == RTE_WCIO_ST64B) {
			printf("%s is not tested on this CPU\n", name);
			continue;
		}
		if (check_copy(copy, name) != TEST_SUCCESS)
			return TEST_FAILED;
	}
	return TEST_SUCCESS;
}

static int
test_wcio_copy(void)
{
	const enum rte_wcio_variant variant = rte_wcio_variant();

	TEST_ASSERT_NOT_NULL(rte_wcio_copy_func(variant), "The variant is not available");
	TEST_ASSERT(variant != RTE_WCIO_MOVDIR64B && variant != RTE_WCIO_ST64B,
		"An atomic store is used for ordinary copies");
	return check_copy(rte_wcio_copy, "rte_wcio_copy");
}

static int
test_wcio_copy_pad(void)
{
	size_t len;

	for (len = 0; len <= MAX_LINES * RTE_WCIO_LINE; len++) {
		memset(target, GUARD, sizeof(target));
		rte_wcio_copy_pad(target + RTE_WCIO_LINE, source + 1, len);
		TEST_ASSERT(target_is(RTE_WCIO_LINE, source + 1, len,
				RTE_ALIGN_CEIL(len, RTE_WCIO_LINE)),
			"%zu bytes differ, or are not padded", len);
	}
	return TEST_SUCCESS;
}

static int
test_wcio_read(void)
{
	static alignas(RTE_WCIO_LINE) uint8_t device[MAX_LINES * RTE_WCIO_LINE];
	size_t lines, shift;

	memcpy(device, source, sizeof(device));
	for (lines = 0; lines <= MAX_LINES; lines++) {
		const size_t len = lines * RTE_WCIO_LINE;

		for (shift = 0; shift < RTE_WCIO_LINE; shift++) {
			memset(target, GUARD, sizeof(target));
			rte_wcio_read(target + shift, device, lines);
			TEST_ASSERT(target_is(shift, device, len, len),
				"%zu lines to alignment %zu differ", lines, shift);
		}
	}
	return TEST_SUCCESS;
}

static int
test_wcio_atomic_line(void)
{
	size_t shift;

	TEST_ASSERT_EQUAL(rte_wcio_atomic_available(),
		rte_wcio_copy_func(RTE_WCIO_MOVDIR64B) != NULL ||
		rte_wcio_copy_func(RTE_WCIO_ST64B) != NULL,
		"The variants disagree about an atomic store");
	if (rte_wcio_copy_func(RTE_WCIO_MOVDIR64B) == NULL)
		return TEST_SKIPPED;
	for (shift = 0; shift < RTE_WCIO_LINE; shift++) {
		memset(target, GUARD, sizeof(target));
		rte_wcio_ram_before_payload();
		rte_wcio_atomic_line(target + RTE_WCIO_LINE, source + shift);
		rte_wcio_flush();
		TEST_ASSERT(target_is(RTE_WCIO_LINE, source + shift, RTE_WCIO_LINE, RTE_WCIO_LINE),
			"A line from alignment %zu differs", shift);
	}
	return TEST_SUCCESS;
}

/* Order needs two observers; here only that the barriers exist and leave the data alone. */
static int
test_wcio_barriers(void)
{
	static void (* const barriers[])(void) = {
		rte_wcio_flush,
		rte_wcio_payload_before_wc_doorbell,
		rte_wcio_payload_before_uc_doorbell,
		rte_wcio_payload_before_ram_flag,
		rte_wcio_payload_before_unlock,
		rte_wcio_ram_before_payload,
		rte_wcio_read_mb,
	};
	uint8_t seen[RTE_WCIO_LINE];
	unsigned int i;

	for (i = 0; i < RTE_DIM(barriers); i++) {
		rte_wcio_copy(target, source + i, 1);
		barriers[i]();
		rte_wcio_read(seen, target, 1);
		TEST_ASSERT_BUFFERS_ARE_EQUAL(seen, source + i, sizeof(seen),
			"The line before barrier %u differs after it", i);
	}
	return TEST_SUCCESS;
}

static int
test_wcio_names(void)
{
	unsigned int variant, other;

	for (variant = RTE_WCIO_PLAIN; variant <= LAST_VARIANT + 1; variant++) {
		const char *name = rte_wcio_variant_name(variant);

		TEST_ASSERT_EQUAL(strcmp(name, "unknown") == 0, variant > LAST_VARIANT,
			"The name of variant %u is %s", variant, name);
		for (other = RTE_WCIO_PLAIN; other < variant; other++)
			TEST_ASSERT(strcmp(name, rte_wcio_variant_name(other)) != 0,
				"Variants %u and %u are both %s", other, variant, name);
	}
	TEST_ASSERT_NULL(rte_wcio_copy_func(LAST_VARIANT + 1), "There is an unknown variant");
	return TEST_SUCCESS;
}

static struct unit_test_suite wcio_testsuite = {
	.suite_name = "wcio",
	.setup = testsuite_setup,
	.unit_test_cases = {
		TEST_CASE(test_wcio_variants),
		TEST_CASE(test_wcio_copy),
		TEST_CASE(test_wcio_copy_pad),
		TEST_CASE(test_wcio_read),
		TEST_CASE(test_wcio_atomic_line),
		TEST_CASE(test_wcio_barriers),
		TEST_CASE(test_wcio_names),
		TEST_CASES_END()
	},
};

static int
test_wcio(void)
{
	return unit_test_suite_runner(&wcio_testsuite);
}

REGISTER_FAST_TEST(wcio_autotest, NOHUGE_OK, ASAN_OK, test_wcio);
