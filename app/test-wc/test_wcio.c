/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <stdalign.h>
#include <sys/mman.h>

#include <rte_common.h>
#include <rte_vect.h>
#include <rte_wcio.h>

#include "test.h"
#include "test_wcio_emulate.h"
#include "wcio_variants.h"

#define MAX_LINES 26
#define GUARD 0xa5

static uint8_t source[(MAX_LINES + 2) * RTE_WCIO_LINE];
static alignas(RTE_WCIO_LINE) uint8_t target[(MAX_LINES + 2) * RTE_WCIO_LINE];

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

#define LAST_VARIANT RTE_WCIO_ST64B

/* Why a variant is not tested here, or NULL. */
static const char *
why_not(enum rte_wcio_variant variant)
{
	bool is_arm = variant == RTE_WCIO_NEON || variant == RTE_WCIO_ST64B;

	if (is_arm != (wcio_widest(RTE_VECT_SIMD_MAX) == RTE_WCIO_NEON) &&
			variant != RTE_WCIO_PLAIN)
		return "of another architecture";
	if (rte_wcio_copy_func(variant) == NULL)
		return "not on this CPU, or not compiled in";
	/* ST64B to memory is an abort (Arm ARM, "Single-copy atomic 64-byte load/store"). */
	return variant == RTE_WCIO_ST64B ? "needs a device that takes it" : NULL;
}

/* Check each variant that can run here; name the others. */
static int
check_variants(int (*check)(rte_wcio_copy_t copy))
{
	enum rte_wcio_variant variant;
	const char *reason;

	for (variant = RTE_WCIO_PLAIN; variant <= LAST_VARIANT; variant++) {
		reason = why_not(variant);
		printf("# %s %s%s%s\n", reason != NULL ? "SKIP" : "run",
			rte_wcio_variant_name(variant), reason != NULL ? ": " : "",
			reason != NULL ? reason : "");
		if (reason == NULL)
			CHECK(check(rte_wcio_copy_func(variant)) == 0);
	}
	return 0;
}

static int
test_variants(void)
{
	return check_variants(check_copy);
}

#define PAGE 4096

/* Lines of source and target end where a page ends that is followed by one that faults. */
static int
check_edges(rte_wcio_copy_t copy)
{
	uint8_t *pages = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t lines;

	CHECK(pages != MAP_FAILED);
	CHECK(mprotect(pages + PAGE, PAGE, PROT_NONE) == 0);
	CHECK(mprotect(pages + 3 * PAGE, PAGE, PROT_NONE) == 0);
	memcpy(pages, source, RTE_MIN(sizeof(source), (size_t)PAGE));
	for (lines = 0; lines <= MAX_LINES; lines++) {
		size_t len = lines * RTE_WCIO_LINE;

		copy(pages + 3 * PAGE - len, pages + PAGE - len, lines);
		CHECK(memcmp(pages + 3 * PAGE - len, pages + PAGE - len, len) == 0);
	}
	CHECK(munmap(pages, 4 * PAGE) == 0);
	return 0;
}

static int
test_edges(void)
{
	CHECK(check_variants(check_edges) == 0);
	return check_edges(rte_wcio_read);
}

/* Variants that one machine or the other lacks, by their functions. */
static const struct {
	enum rte_wcio_variant variant;
	rte_wcio_copy_t copy;
} emulated[] = {
#if defined(RTE_ARCH_X86_64)
	{ RTE_WCIO_AVX512, wcio_copy_avx512 },
	{ RTE_WCIO_MOVDIR64B, wcio_copy_movdir64b },
#elif defined(RTE_ARCH_ARM64)
	{ RTE_WCIO_ST64B, wcio_copy_st64b },
#endif
};

static int
test_emulated(void)
{
	unsigned int i, stores, expected = 0, lines;
	int ret;

	/* check_copy() copies 0 to MAX_LINES lines from each alignment, check_edges() once more. */
	for (lines = 0; lines <= MAX_LINES; lines++)
		expected += lines * (RTE_WCIO_LINE + 1);
	for (i = 0; i < RTE_DIM(emulated); i++) {
		const char *name = rte_wcio_variant_name(emulated[i].variant);

		if (rte_wcio_copy_func(emulated[i].variant) != NULL) {
			printf("# SKIP %s: this CPU has it\n", name);
			continue;
		}
		CHECK(emulate_start() == 0);
		ret = check_copy(emulated[i].copy);
		if (ret == 0)
			ret = check_edges(emulated[i].copy);
		CHECK(emulate_stop(&stores) == 0);
		CHECK(ret == 0);
		printf("# emulated %s: %u lines, %u stores\n", name, expected, stores);
		CHECK(stores == expected);
	}
	return 0;
}

static int
test_choice(void)
{
	enum rte_wcio_variant variant = rte_wcio_variant();

	printf("# %s, of at most %u bits\n", rte_wcio_variant_name(variant),
		rte_vect_get_max_simd_bitwidth());
	CHECK(variant == wcio_widest(rte_vect_get_max_simd_bitwidth()));
	CHECK(rte_wcio_copy_func(variant) != NULL);
	CHECK(check_copy(rte_wcio_copy) == 0);
	CHECK(check_edges(rte_wcio_copy) == 0);
	return 0;
}

static enum rte_wcio_variant
have(enum rte_wcio_variant variant, enum rte_wcio_variant otherwise)
{
	return rte_wcio_copy_func(variant) != NULL ? variant : otherwise;
}

static int
test_limit(void)
{
	enum rte_wcio_variant words = RTE_WCIO_PLAIN, narrow, wide;

	narrow = have(RTE_WCIO_NEON, have(RTE_WCIO_SSE2, words));
	wide = have(RTE_WCIO_AVX2, narrow);
	CHECK(wcio_widest(0) == words);
	CHECK(wcio_widest(RTE_VECT_SIMD_DISABLED) == words);
	CHECK(wcio_widest(RTE_VECT_SIMD_128) == narrow);
	CHECK(wcio_widest(RTE_VECT_SIMD_256) == wide);
	/* and neither MOVDIR64B nor ST64B */
	CHECK(wcio_widest(RTE_VECT_SIMD_512) == have(RTE_WCIO_AVX512, wide));
	CHECK(wcio_widest(RTE_VECT_SIMD_MAX) == have(RTE_WCIO_AVX512, wide));
	return 0;
}

static int
test_names(void)
{
	unsigned int variant;

	for (variant = RTE_WCIO_PLAIN; variant <= LAST_VARIANT; variant++)
		CHECK(strcmp(rte_wcio_variant_name(variant), "unknown") != 0);
	CHECK(strcmp(rte_wcio_variant_name(LAST_VARIANT + 1), "unknown") == 0);
	CHECK(rte_wcio_copy_func(LAST_VARIANT + 1) == NULL);
	return 0;
}

/* What the kernel says that the CPU has. */
static bool
cpuinfo_has(const char *flag)
{
	static char line[16384];
	bool found = false;
	char *word, *rest;
	FILE *file;

	file = fopen("/proc/cpuinfo", "r");
	while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL) {
		for (word = strtok_r(line, " \t\n", &rest); word != NULL && !found;
				word = strtok_r(NULL, " \t\n", &rest))
			found = strcmp(word, flag) == 0;
	}
	if (file != NULL)
		fclose(file);
	return found;
}

static int
test_atomic_query(void)
{
	bool available = rte_wcio_atomic_available();

	CHECK(available == (rte_wcio_copy_func(RTE_WCIO_MOVDIR64B) != NULL ||
		rte_wcio_copy_func(RTE_WCIO_ST64B) != NULL));
#if defined(RTE_ARCH_X86)
	CHECK(available == cpuinfo_has("movdir64b"));
#elif defined(RTE_ARCH_ARM64)
	CHECK(available == cpuinfo_has("ls64"));
#else
	CHECK(!available);
#endif
	return 0;
}

static int
test_atomic_line(void)
{
	size_t shift;

	if (!rte_wcio_atomic_available()) {
		printf("# SKIP: no atomic store of a line on this CPU\n");
		return 0;
	}
	if (rte_wcio_copy_func(RTE_WCIO_ST64B) != NULL) {
		printf("# SKIP: %s\n", why_not(RTE_WCIO_ST64B));
		return 0;
	}
	for (shift = 0; shift < RTE_WCIO_LINE; shift++) {
		memset(target, GUARD, sizeof(target));
		rte_wcio_ram_before_payload();
		rte_wcio_atomic_line(target + RTE_WCIO_LINE, source + shift);
		rte_wcio_flush();
		CHECK(memcmp(target + RTE_WCIO_LINE, source + shift, RTE_WCIO_LINE) == 0);
		CHECK(guards_intact(RTE_WCIO_LINE, RTE_WCIO_LINE));
	}
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
	static alignas(RTE_WCIO_LINE) uint8_t lines_in[MAX_LINES * RTE_WCIO_LINE];
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

/* That they are there; tests/wcio/test_wcio.py looks which instructions they are. */
static int
test_order(void)
{
	static alignas(RTE_WCIO_LINE) uint8_t payload[RTE_WCIO_LINE];
	static void (* const barriers[])(void) = {
		rte_wcio_flush,
		rte_wcio_payload_before_wc_doorbell,
		rte_wcio_payload_before_uc_doorbell,
		rte_wcio_payload_before_ram_flag,
		rte_wcio_payload_before_unlock,
		rte_wcio_ram_before_payload,
	};
	uint8_t seen[RTE_WCIO_LINE];
	unsigned int i;

	for (i = 0; i < RTE_DIM(barriers); i++) {
		rte_wcio_copy(payload, source + i, 1);
		barriers[i]();
		rte_wcio_read_mb();
		rte_wcio_read(seen, payload, 1);
		CHECK(memcmp(seen, source + i, sizeof(seen)) == 0);
	}
	return 0;
}

static const struct test_case cases[] = {
	{ "each variant copies lines from any alignment and nothing else", test_variants },
	{ "no variant reads or writes beyond the last line", test_edges },
	{ "variants that this CPU lacks make one aligned store a line", test_emulated },
	{ "the widest variant of this CPU that EAL allows is chosen", test_choice },
	{ "the limit of vector width is kept, atomic stores are not chosen", test_limit },
	{ "each variant has a name, and there are no others", test_names },
	{ "an atomic store is there if the kernel says so too", test_atomic_query },
	{ "an atomic line is copied from any alignment and nothing else", test_atomic_line },
	{ "padding is zero up to the line and no further", test_pad },
	{ "lines are read to any alignment", test_read },
	{ "what was stored before each barrier is read after it", test_order },
	{ 0 }
};

const struct test_suite wcio_suite = {
	.name = "wcio",
	.setup = setup,
	.cases = cases,
};
