/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/* The linter on right and wrong sequences. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wc_lint.h"

#define LINE 64
#define BAR_SIZE 65536
#define SLOTS 4096
#define NB_LINES 64
#define PRODUCED 64
#define CONSUMED 128
/* Places in the program */
enum { LINES_AT = 1, INDEX_AT, LOAD_INDEX_AT, LOAD_AT, RELEASE_AT, FLAG_AT };

static const struct lint_ring ring = { SLOTS, NB_LINES, PRODUCED, CONSUMED, 0 };
/* Lengths of up to 255 bytes */
static const struct lint_ring ring_of_heads = { SLOTS, NB_LINES, 0, CONSUMED, 0xff };

static struct lint *
create_with(enum lint_arch arch, const struct lint_ring *layout)
{
	struct lint *lint = lint_create(arch, BAR_SIZE);

	assert_non_null(lint);
	assert_int_equal(lint_add_ring(lint, layout), 0);
	return lint;
}

static struct lint *
create(enum lint_arch arch)
{
	return create_with(arch, &ring);
}

static void
write_lines(struct lint *lint, uint32_t first, uint32_t number)
{
	for (uint32_t n = 0; n < number; n++)
		lint_store(lint, 0, WC_TYPE_WC, SLOTS + (first + n) % NB_LINES * LINE, LINE, NULL,
			LINES_AT);
}

static void
write_index(struct lint *lint, uint32_t offset, uint32_t value, uint64_t site)
{
	lint_store(lint, 0, WC_TYPE_UC, offset, 4, &value, site);
}

static void
load_line(struct lint *lint, uint32_t n, bool streaming)
{
	lint_load(lint, 0, WC_TYPE_WC, SLOTS + n * LINE, 16, streaming, LOAD_AT);
}

static void
load_index(struct lint *lint)
{
	lint_load(lint, 0, WC_TYPE_UC, PRODUCED, 4, false, LOAD_INDEX_AT);
}

/* Exactly one finding, or none when number is 0. */
static void
finish(struct lint *lint, enum lint_rule rule, uint64_t site, uint64_t other, uint64_t number)
{
	size_t nb_findings;
	uint64_t lost;
	const struct lint_finding *finding = lint_findings(lint, &nb_findings, &lost);

	assert_int_equal(nb_findings, number > 0);
	assert_int_equal(lost, 0);
	if (number > 0) {
		assert_int_equal(finding->rule, rule);
		assert_int_equal(finding->site, site);
		assert_int_equal(finding->other, other);
		assert_int_equal(finding->number, number);
	}
	lint_free(lint);
}

static void
finish_clean(struct lint *lint)
{
	finish(lint, 0, 0, 0, 0);
}

#define FOR_EACH_ARCH(arch) for (int arch = 0; arch < LINT_NB_ARCHS; arch++)

static void
right_producer(void **state)
{
	(void)state;
	FOR_EACH_ARCH(arch) {
		struct lint *lint = create(arch);

		write_index(lint, PRODUCED, 0, INDEX_AT);
		/* Over the end of the ring as well */
		for (uint32_t n = 0; n < 2 * NB_LINES; n += 8) {
			write_lines(lint, n, 8);
			lint_barrier(lint, 0, LINT_ORDER_STORES);
			write_index(lint, PRODUCED, n + 8, INDEX_AT);
		}
		finish_clean(lint);
	}
}

static void
write_header(struct lint *lint, uint32_t line, uint32_t len)
{
	write_index(lint, SLOTS + line % NB_LINES * LINE, len | 0xff00, INDEX_AT);
}

static void
right_producer_with_headers(void **state)
{
	(void)state;
	FOR_EACH_ARCH(arch) {
		struct lint *lint = create_with(arch, &ring_of_heads);

		/* Bursts of a packet of three lines and two of one, over the end of the ring as well */
		for (uint32_t n = 0; n < 3 * NB_LINES; n += 5) {
			write_lines(lint, n, 5);
			lint_barrier(lint, 0, LINT_ORDER_STORES);
			write_header(lint, n, 150);
		}
		finish_clean(lint);
	}
}

static void
header_before_its_lines(void **state)
{
	(void)state;
	FOR_EACH_ARCH(arch) {
		struct lint *lint = create_with(arch, &ring_of_heads);

		/* 124 bytes and the header are two lines, 125 are three. */
		for (uint32_t round = 0; round < 2; round++) {
			write_lines(lint, 0, 2);
			lint_barrier(lint, 0, LINT_ORDER_STORES);
			write_header(lint, 0, 124 + round);
			write_lines(lint, 2 + round, NB_LINES - 2 - round);
			lint_barrier(lint, 0, LINT_ORDER_STORES);
			write_header(lint, 2 + round, 60);
		}
		finish(lint, LINT_UNWRITTEN, INDEX_AT, 0, 1);
	}
}

static void
line_after_the_burst_was_announced(void **state)
{
	(void)state;
	FOR_EACH_ARCH(arch) {
		struct lint *lint = create_with(arch, &ring_of_heads);

		write_lines(lint, 0, 2);
		lint_barrier(lint, 0, LINT_ORDER_STORES);
		write_header(lint, 0, 60);
		write_lines(lint, 2, 2);
		lint_barrier(lint, 0, LINT_ORDER_STORES);
		write_header(lint, 3, 60);
		finish(lint, LINT_UNWRITTEN, INDEX_AT, 0, 1);
	}
}

static void
load_without_barrier_after_a_header(void **state)
{
	(void)state;
	FOR_EACH_ARCH(arch) {
		struct lint *lint = create_with(arch, &ring_of_heads);

		lint_load(lint, 0, WC_TYPE_UC, SLOTS + 4, 4, false, LOAD_INDEX_AT);
		load_line(lint, 0, true);
		lint_load(lint, 0, WC_TYPE_UC, SLOTS, 4, false, LOAD_INDEX_AT);
		load_line(lint, 0, true);
		finish(lint, LINT_EARLY_LOAD, LOAD_AT, LOAD_INDEX_AT, 1);
	}
}

static void
right_consumer(void **state)
{
	(void)state;
	FOR_EACH_ARCH(arch) {
		struct lint *lint = create(arch);

		for (uint32_t n = 0; n < 4; n++) {
			load_index(lint);
			lint_barrier(lint, 0, LINT_ORDER_ALL);
			load_line(lint, n, true);
			lint_barrier(lint, 0, LINT_ORDER_ALL);
			write_index(lint, CONSUMED, n + 1, RELEASE_AT);
		}
		finish_clean(lint);
	}
}

static void
fence_is_missing(void **state)
{
	(void)state;
	FOR_EACH_ARCH(arch) {
		struct lint *lint = create(arch);

		for (uint32_t n = 0; n < 3; n++) {
			write_lines(lint, n, 1);
			write_index(lint, PRODUCED, n + 1, INDEX_AT);
			lint_barrier(lint, 0, LINT_ORDER_STORES);
		}
		finish(lint, LINT_UNFLUSHED, INDEX_AT, LINES_AT, 3);
	}
}

static void
fence_for_loads_does_not_do(void **state)
{
	(void)state;
	FOR_EACH_ARCH(arch) {
		struct lint *lint = create(arch);

		write_lines(lint, 0, 1);
		lint_barrier(lint, 0, LINT_ORDER_LOADS);
		write_index(lint, PRODUCED, 1, INDEX_AT);
		finish(lint, LINT_UNFLUSHED, INDEX_AT, LINES_AT, 1);
	}
}

static void
fence_of_another_cpu_does_not_do(void **state)
{
	(void)state;
	FOR_EACH_ARCH(arch) {
		struct lint *lint = create(arch);

		write_lines(lint, 0, 1);
		lint_barrier(lint, 1, LINT_ORDER_ALL);
		write_index(lint, PRODUCED, 1, INDEX_AT);
		finish(lint, LINT_UNFLUSHED, INDEX_AT, LINES_AT, 1);
	}
}

/* What orders on x86 by the way does not on Arm. */
static void
locked_and_serialising_instructions(void **state)
{
	(void)state;
	for (int order = LINT_ORDER_LOCKED; order <= LINT_ORDER_SERIALISING; order++) {
		FOR_EACH_ARCH(arch) {
			struct lint *lint = create(arch);

			write_lines(lint, 0, 1);
			lint_barrier(lint, 0, order);
			write_index(lint, PRODUCED, 1, INDEX_AT);
			finish(lint, LINT_UNFLUSHED, INDEX_AT, LINES_AT, arch == LINT_ARM64);
		}
	}
}

static void
index_before_the_lines(void **state)
{
	(void)state;
	FOR_EACH_ARCH(arch) {
		struct lint *lint = create(arch);

		write_index(lint, PRODUCED, 0, INDEX_AT);
		for (uint32_t n = 0; n < NB_LINES + 2; n++) {
			write_index(lint, PRODUCED, n + 1, INDEX_AT);
			write_lines(lint, n, 1);
			lint_barrier(lint, 0, LINT_ORDER_STORES);
		}
		/* Once around, it looks as if the lines had been written very early. */
		finish(lint, LINT_UNWRITTEN, INDEX_AT, 0, NB_LINES);
	}
}

/* The line is there, but of the time before. */
static void
index_of_an_old_line(void **state)
{
	struct lint *lint = create(LINT_X86);

	(void)state;
	write_index(lint, PRODUCED, 0, INDEX_AT);
	write_lines(lint, 0, NB_LINES);
	lint_barrier(lint, 0, LINT_ORDER_STORES);
	write_index(lint, PRODUCED, NB_LINES, INDEX_AT);
	write_index(lint, PRODUCED, NB_LINES + 1, INDEX_AT);
	finish(lint, LINT_UNWRITTEN, INDEX_AT, 0, 1);
}

static void
index_that_leaps(void **state)
{
	struct lint *lint = create(LINT_X86);

	(void)state;
	write_index(lint, PRODUCED, 0xfffffffe, INDEX_AT);
	write_lines(lint, 0xfffffffe, 2);
	write_lines(lint, 0, 2);
	lint_barrier(lint, 0, LINT_ORDER_STORES);
	write_index(lint, PRODUCED, 2, INDEX_AT);	/* wraps */
	write_index(lint, PRODUCED, 2 + NB_LINES + 1, INDEX_AT);
	finish(lint, LINT_UNWRITTEN, INDEX_AT, 0, 1);
}

static void
lines_loaded_too_early(void **state)
{
	(void)state;
	FOR_EACH_ARCH(arch) {
		struct lint *lint = create(arch);

		load_index(lint);
		lint_barrier(lint, 0, LINT_ORDER_STORES);
		load_line(lint, 0, true);
		finish(lint, LINT_EARLY_LOAD, LOAD_AT, LOAD_INDEX_AT, 1);
	}
}

/* LFENCE orders loads, but not what streaming loads have kept (x86); on Arm there are none. */
static void
fence_for_loads_and_streaming_loads(void **state)
{
	(void)state;
	FOR_EACH_ARCH(arch) {
		struct lint *lint = create(arch);

		load_index(lint);
		lint_barrier(lint, 0, LINT_ORDER_LOADS);
		load_line(lint, 0, true);
		finish(lint, LINT_EARLY_LOAD, LOAD_AT, LOAD_INDEX_AT, arch == LINT_X86);
	}
}

/* A load that does not stream is found for that, and not for its order. */
static void
fence_for_loads_and_plain_loads(void **state)
{
	(void)state;
	FOR_EACH_ARCH(arch) {
		struct lint *lint = create(arch);

		load_index(lint);
		lint_barrier(lint, 0, LINT_ORDER_LOADS);
		load_line(lint, 0, false);
		finish(lint, LINT_PLAIN_LOAD, LOAD_AT, 0, 1);
	}
}

static void
stores_of_each_cpu_are_kept_apart(void **state)
{
	(void)state;
	FOR_EACH_ARCH(arch) {
		struct lint *lint = create(arch);

		lint_store(lint, 1, WC_TYPE_WC, SLOTS, 8, NULL, LINES_AT);
		lint_store(lint, 0, WC_TYPE_UC, 0, 4, NULL, INDEX_AT);
		lint_store(lint, 1, WC_TYPE_UC, 0, 4, NULL, FLAG_AT);
		finish(lint, LINT_UNFLUSHED, FLAG_AT, LINES_AT, 1);
	}
}

static void
whole_ring_at_once(void **state)
{
	struct lint *lint = create(LINT_X86);

	(void)state;
	write_index(lint, PRODUCED, 0, INDEX_AT);
	write_lines(lint, 0, NB_LINES);
	lint_barrier(lint, 0, LINT_ORDER_STORES);
	write_index(lint, PRODUCED, NB_LINES, INDEX_AT);
	finish_clean(lint);
}

static void
lines_given_back_too_early(void **state)
{
	(void)state;
	FOR_EACH_ARCH(arch) {
		struct lint *lint = create(arch);

		load_index(lint);
		lint_barrier(lint, 0, LINT_ORDER_ALL);
		load_line(lint, 0, true);
		lint_barrier(lint, 0, LINT_ORDER_STORES);
		write_index(lint, CONSUMED, 1, RELEASE_AT);
		/* x86 does not let a store pass a load. */
		finish(lint, LINT_EARLY_RELEASE, RELEASE_AT, LOAD_AT, arch == LINT_ARM64);
	}
}

static void
plain_load(void **state)
{
	struct lint *lint = create(LINT_X86);

	(void)state;
	load_line(lint, 0, false);
	load_line(lint, 1, false);
	finish(lint, LINT_PLAIN_LOAD, LOAD_AT, 0, 2);
}

static void
torn_store(void **state)
{
	struct lint *lint = create(LINT_X86);

	(void)state;
	lint_store(lint, 0, WC_TYPE_WC, SLOTS + 48, 16, NULL, LINES_AT);
	lint_store(lint, 0, WC_TYPE_WC, SLOTS + 56, 16, NULL, LINES_AT);
	finish(lint, LINT_TORN_STORE, LINES_AT, 0, 1);
}

static void
flag_in_wc_memory(void **state)
{
	(void)state;
	for (int fenced = 0; fenced <= 1; fenced++) {
		struct lint *lint = create(LINT_ARM64);

		assert_int_equal(lint_add_flags(lint, SLOTS, 4), 0);
		lint_store(lint, 0, WC_TYPE_WC, SLOTS + 8, 8, NULL, LINES_AT);
		if (fenced)
			lint_barrier(lint, 0, LINT_ORDER_STORES);
		lint_store(lint, 0, WC_TYPE_WC, SLOTS, 4, NULL, FLAG_AT);
		finish(lint, LINT_UNFLUSHED, FLAG_AT, LINES_AT, !fenced);
	}
}

static void
uncached_slots_need_no_fence(void **state)
{
	(void)state;
	FOR_EACH_ARCH(arch) {
		struct lint *lint = create(arch);

		write_index(lint, PRODUCED, 0, INDEX_AT);
		lint_store(lint, 0, WC_TYPE_UC, SLOTS, 8, NULL, LINES_AT);
		write_index(lint, PRODUCED, 1, INDEX_AT);
		finish_clean(lint);
	}
}

static void
bad_descriptions_are_refused(void **state)
{
	const struct lint_ring bad[] = {
		{ BAR_SIZE - LINE, 2, 0, 0, 0 }, { SLOTS + 4, 2, 0, 0, 0 }, { SLOTS, 3, 0, 0, 0 },
		{ SLOTS, 0, 0, 0, 0 }, { SLOTS, 2, BAR_SIZE, 0, 0 }, { SLOTS, 2, 0, UINT64_MAX, 0 },
		{ SLOTS, 2, 0, BAR_SIZE, 1 }, { UINT64_MAX - 63, 1, 0, 0, 0 },
	};
	struct lint *lint = create(LINT_X86);

	(void)state;
	for (size_t n = 0; n < sizeof(bad) / sizeof(bad[0]); n++)
		assert_int_equal(lint_add_ring(lint, &bad[n]), -EINVAL);
	for (int n = 1; n < 4; n++)
		assert_int_equal(lint_add_ring(lint, &ring), 0);
	assert_int_equal(lint_add_ring(lint, &ring), -ENOSPC);
	assert_int_equal(lint_add_flags(lint, BAR_SIZE, 1), -EINVAL);
	for (int n = 0; n < 4; n++)
		assert_int_equal(lint_add_flags(lint, 0, 4), 0);
	assert_int_equal(lint_add_flags(lint, 0, 4), -ENOSPC);
	/* Accesses outside of the BAR are none of its business. */
	lint_store(lint, 0, WC_TYPE_WC, UINT64_MAX, 16, NULL, 1);
	lint_load(lint, 0, WC_TYPE_WC, BAR_SIZE, 16, false, 1);
	finish_clean(lint);
}

/* More findings than there is room for are dropped, not written elsewhere. */
static void
many_findings(void **state)
{
	struct lint *lint = create(LINT_X86);
	uint64_t lost;
	size_t number;

	(void)state;
	for (uint64_t site = 1; site < 2000; site++)
		lint_load(lint, 0, WC_TYPE_WC, SLOTS, 4, false, site);
	lint_findings(lint, &number, &lost);
	assert_int_equal(number, 256);
	assert_int_equal(lost, 1999 - 256);
	lint_free(lint);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(right_producer),
		cmocka_unit_test(right_producer_with_headers),
		cmocka_unit_test(header_before_its_lines),
		cmocka_unit_test(line_after_the_burst_was_announced),
		cmocka_unit_test(load_without_barrier_after_a_header),
		cmocka_unit_test(right_consumer),
		cmocka_unit_test(fence_is_missing),
		cmocka_unit_test(fence_for_loads_does_not_do),
		cmocka_unit_test(fence_of_another_cpu_does_not_do),
		cmocka_unit_test(locked_and_serialising_instructions),
		cmocka_unit_test(index_before_the_lines),
		cmocka_unit_test(index_of_an_old_line),
		cmocka_unit_test(index_that_leaps),
		cmocka_unit_test(lines_loaded_too_early),
		cmocka_unit_test(fence_for_loads_and_streaming_loads),
		cmocka_unit_test(fence_for_loads_and_plain_loads),
		cmocka_unit_test(stores_of_each_cpu_are_kept_apart),
		cmocka_unit_test(whole_ring_at_once),
		cmocka_unit_test(lines_given_back_too_early),
		cmocka_unit_test(plain_load),
		cmocka_unit_test(torn_store),
		cmocka_unit_test(flag_in_wc_memory),
		cmocka_unit_test(uncached_slots_need_no_fence),
		cmocka_unit_test(bad_descriptions_are_refused),
		cmocka_unit_test(many_findings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
