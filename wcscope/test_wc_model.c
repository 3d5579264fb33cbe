/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/* The model on streams of accesses written by hand. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wc_model.h"

#define LINE 64
#define BASE 0x10000	/* start of a page */

/* Parameters that tests set themselves, so that a change of the presets does not change what they show. */
static const struct wc_params plain = {
	.line = LINE, .buffers = 4, .victim = WC_VICTIM_OLDEST, .send_full = true, .chunk = 8,
	.uc_width = LINE, .stream_buffers = 4, .header = 16, .generation = 3, .width = 16,
};

static struct wc_model *
create(const struct wc_params *params)
{
	struct wc_model *model = wc_model_create(params);

	assert_non_null(model);
	return model;
}

static void
store(struct wc_model *model, enum wc_type type, uint64_t address, uint32_t size)
{
	wc_model_store(model, 0, type, address, size, NULL);
}

static void
store_wc(struct wc_model *model, uint64_t address, uint32_t size)
{
	store(model, WC_TYPE_WC, address, size);
}

static uint64_t
writes(const struct wc_model *model)
{
	return wc_model_totals(model)->counts.writes;
}

/* Fence, check the number of writes and that no byte is lost, free. */
static void
finish(struct wc_model *model, uint64_t nb_writes)
{
	const struct wc_totals *totals = wc_model_totals(model);

	wc_model_flush(model, 0, WC_CAUSE_FENCE);
	wc_model_forget(model, 0);
	assert_false(wc_model_dirty(model, 0));
	assert_int_equal(totals->counts.writes, nb_writes);
	assert_int_equal(totals->counts.store_bytes, totals->counts.write_bytes + totals->collapsed);
	wc_model_free(model);
}

/* The published case: 16 stores of 4 bytes to one line. */
static void
sixteen_stores_uncached(void **state)
{
	struct wc_model *model = create(&plain);

	(void)state;
	for (uint32_t n = 0; n < 16; n++)
		store(model, WC_TYPE_UC, BASE + 4 * n, 4);
	assert_int_equal(wc_model_totals(model)->sizes[4], 16);
	/* Header, framing and one double word each */
	assert_int_equal(wc_model_totals(model)->counts.wire_bytes, 16 * (16 + 8 + 4));
	finish(model, 16);
}

static void
sixteen_stores_combined(void **state)
{
	struct wc_model *model = create(&plain);

	(void)state;
	for (uint32_t n = 0; n < 16; n++)
		store_wc(model, BASE + 4 * n, 4);
	assert_int_equal(wc_model_totals(model)->sizes[64], 1);
	assert_int_equal(wc_model_totals(model)->counts.wire_bytes, 16 + 8 + 64);
	assert_int_equal(wc_model_totals(model)->counts.full_lines, 1);
	assert_int_equal(wc_model_totals(model)->sent[WC_CAUSE_FULL], 1);
	finish(model, 1);
}

static void
order_within_a_line_does_not_matter(void **state)
{
	struct wc_model *model = create(&plain);

	(void)state;
	for (uint32_t n = 0; n < 16; n++)
		store_wc(model, BASE + 4 * (n * 7 % 16), 4);
	finish(model, 1);
}

static void
complete_line_waits_if_asked_to(void **state)
{
	struct wc_params params = plain;
	struct wc_model *model;

	(void)state;
	params.send_full = false;
	model = create(&params);
	store_wc(model, BASE, 32);
	store_wc(model, BASE + 32, 32);
	assert_true(wc_model_dirty(model, 0));
	assert_int_equal(writes(model), 0);
	wc_model_flush(model, 0, WC_CAUSE_FENCE);
	assert_int_equal(wc_model_totals(model)->counts.full_lines, 1);
	assert_int_equal(wc_model_totals(model)->sent[WC_CAUSE_FENCE], 1);
	finish(model, 1);
}

/* 20 bytes from the start: two chunks of 8 and one of 4. */
static void
partial_line_leaves_in_chunks(void **state)
{
	struct wc_model *model = create(&plain);

	(void)state;
	store_wc(model, BASE, 16);
	store_wc(model, BASE + 16, 4);
	wc_model_flush(model, 0, WC_CAUSE_FENCE);
	assert_int_equal(wc_model_totals(model)->sizes[8], 2);
	assert_int_equal(wc_model_totals(model)->sizes[4], 1);
	assert_int_equal(wc_model_totals(model)->counts.partial_lines, 1);
	assert_int_equal(wc_model_totals(model)->counts.wire_bytes, 2 * (24 + 8) + 24 + 4);
	finish(model, 3);
}

static void
partial_line_leaves_in_runs(void **state)
{
	struct wc_params params = plain;
	struct wc_model *model;

	(void)state;
	params.chunk = 0;
	model = create(&params);
	store_wc(model, BASE, 16);
	store_wc(model, BASE + 16, 4);
	store_wc(model, BASE + 40, 4);
	wc_model_flush(model, 0, WC_CAUSE_FENCE);
	assert_int_equal(wc_model_totals(model)->sizes[20], 1);
	assert_int_equal(wc_model_totals(model)->sizes[4], 1);
	finish(model, 2);
}

/* A chunk with a hole is one write with bytes disabled, of the double words that are touched. */
static void
hole_in_a_chunk(void **state)
{
	struct wc_model *model = create(&plain);

	(void)state;
	store_wc(model, BASE, 1);
	store_wc(model, BASE + 7, 1);
	store_wc(model, BASE + 9, 1);
	wc_model_flush(model, 0, WC_CAUSE_FENCE);
	assert_int_equal(wc_model_totals(model)->sizes[2], 1);
	assert_int_equal(wc_model_totals(model)->sizes[1], 1);
	assert_int_equal(wc_model_totals(model)->counts.wire_bytes, 24 + 8 + 24 + 4);
	finish(model, 2);
}

static void
bytes_stored_twice_leave_once(void **state)
{
	struct wc_model *model = create(&plain);

	(void)state;
	store_wc(model, BASE, 8);
	store_wc(model, BASE + 4, 8);
	assert_int_equal(wc_model_totals(model)->collapsed, 4);
	finish(model, 2);
}

/* As many lines in turns as there are buffers combine; one more, and none does. */
static void
interleaved_lines(void **state)
{
	struct wc_model *model;

	(void)state;
	for (uint32_t nb_lines = 3; nb_lines <= 5; nb_lines++) {
		model = create(&plain);
		for (uint32_t half = 0; half < 2; half++) {
			for (uint32_t n = 0; n < nb_lines; n++)
				store_wc(model, BASE + n * LINE + half * 32, 32);
		}
		/* Half a line is 4 chunks. */
		assert_int_equal(wc_model_totals(model)->sent[WC_CAUSE_VICTIM], nb_lines <= 4 ? 0 : 6);
		finish(model, nb_lines <= 4 ? nb_lines : 5 * 2 * 4);
	}
}

static void
number_of_buffers_matters(void **state)
{
	struct wc_params params = plain;
	struct wc_model *model;

	(void)state;
	params.buffers = 5;
	model = create(&params);
	for (uint32_t half = 0; half < 2; half++) {
		for (uint32_t n = 0; n < 5; n++)
			store_wc(model, BASE + n * LINE + half * 32, 32);
	}
	finish(model, 5);
}

/* Line 0 was opened first, line 1 is the one that was stored to least recently. */
static void
victim_is_chosen_as_asked(void **state)
{
	struct wc_params params = plain;
	struct wc_model *model;

	(void)state;
	params.buffers = 2;
	for (int victim = WC_VICTIM_OLDEST; victim <= WC_VICTIM_LEAST_USED; victim++) {
		params.victim = victim;
		model = create(&params);
		store_wc(model, BASE, 32);
		store_wc(model, BASE + LINE, 32);
		store_wc(model, BASE + 32, 16);
		store_wc(model, BASE + 2 * LINE, 8);
		/* 48 or 32 bytes */
		assert_int_equal(writes(model), victim == WC_VICTIM_OLDEST ? 6 : 4);
		finish(model, 4 + 6 + 1);
	}
}

/* Eight stores to each line, after so many of 1000 of which it leaves early. */
static struct wc_model *
store_lines(uint32_t evict, uint32_t nb_lines)
{
	struct wc_params params = plain;
	struct wc_model *model;

	params.chunk = 0;
	params.evict = evict;
	model = create(&params);
	for (uint32_t n = 0; n < nb_lines; n++) {
		for (uint32_t offset = 0; offset < LINE; offset += 8)
			store_wc(model, BASE + n * LINE + offset, 8);
	}
	return model;
}

static void
lines_leave_early_by_chance(void **state)
{
	const struct wc_totals *totals;
	struct wc_model *model, *same;

	(void)state;
	model = store_lines(100, 10000);
	totals = wc_model_totals(model);
	/* 0.9 to the power of 7: after the eighth store a line is complete. */
	assert_in_range(totals->counts.full_lines, 4600, 4960);
	/* After each store but the last one of what is complete: 8 * 0.1 - 0.478 * 0.1 */
	assert_in_range(totals->sent[WC_CAUSE_EARLY], 7300, 7740);
	same = store_lines(100, 10000);
	assert_memory_equal(totals, wc_model_totals(same), sizeof(*totals));
	wc_model_free(same);
	/* What is left of a line waits for other stores, and is one more piece: 1 + 7 * 0.1 */
	wc_model_flush(model, 0, WC_CAUSE_FENCE);
	assert_in_range(totals->counts.writes, 16700, 17300);
	assert_int_equal(totals->counts.writes, totals->counts.full_lines + totals->counts.partial_lines);
	finish(model, totals->counts.writes);
}

/* Of no store and of each, but not of a line that one store completes */
static void
chances_have_limits(void **state)
{
	struct wc_model *model;

	(void)state;
	finish(store_lines(0, 100), 100);
	finish(store_lines(1000, 100), 800);
	model = store_lines(1000, 0);
	store_wc(model, BASE, LINE);
	assert_int_equal(wc_model_totals(model)->sent[WC_CAUSE_FULL], 1);
	finish(model, 1);
}

static void
size_of_a_line_matters(void **state)
{
	struct wc_params params = plain;
	struct wc_model *model;

	(void)state;
	params.line = 32;
	params.uc_width = 32;
	model = create(&params);
	for (uint32_t n = 0; n < 16; n++)
		store_wc(model, BASE + 4 * n, 4);
	assert_int_equal(wc_model_totals(model)->sizes[32], 2);
	finish(model, 2);
}

static void
each_event_empties_the_buffers(void **state)
{
	static const enum wc_cause causes[] = { WC_CAUSE_FENCE, WC_CAUSE_LOCKED, WC_CAUSE_SERIALISING,
		WC_CAUSE_KERNEL, WC_CAUSE_END };
	struct wc_model *model;

	(void)state;
	for (size_t n = 0; n < sizeof(causes) / sizeof(causes[0]); n++) {
		model = create(&plain);
		store_wc(model, BASE, 32);
		wc_model_flush(model, 0, causes[n]);
		assert_int_equal(wc_model_totals(model)->sent[causes[n]], 1);
		/* What comes later cannot join what has left. */
		store_wc(model, BASE + 32, 32);
		finish(model, 8);
	}
}

/* Also those that follow complete lines, but none that has nothing to wait for. */
static void
fences_are_counted(void **state)
{
	struct wc_model *model = create(&plain);
	const struct wc_totals *totals = wc_model_totals(model);

	(void)state;
	wc_model_flush(model, 0, WC_CAUSE_FENCE);
	store(model, WC_TYPE_UC, BASE, 4);
	wc_model_flush(model, 0, WC_CAUSE_FENCE);
	assert_int_equal(totals->fences, 0);
	store_wc(model, BASE, LINE);
	wc_model_flush(model, 1, WC_CAUSE_FENCE);
	wc_model_flush(model, 0, WC_CAUSE_LOCKED);
	assert_int_equal(totals->fences, 0);
	wc_model_flush(model, 0, WC_CAUSE_FENCE);
	wc_model_flush(model, 0, WC_CAUSE_FENCE);
	assert_int_equal(totals->fences, 1);
	store_wc(model, BASE, 8);
	wc_model_flush(model, 0, WC_CAUSE_FENCE);
	assert_int_equal(totals->fences, 2);
	wc_model_direct(model, 0, BASE, LINE, NULL);
	wc_model_flush(model, 0, WC_CAUSE_FENCE);
	assert_int_equal(totals->fences, 3);
	finish(model, 4);
}

static void
uncached_access_empties_the_buffers(void **state)
{
	struct wc_model *model = create(&plain);

	(void)state;
	store_wc(model, BASE, 8);
	store(model, WC_TYPE_UC, BASE + 4096, 4);
	assert_int_equal(wc_model_totals(model)->sent[WC_CAUSE_UC], 1);
	assert_int_equal(writes(model), 2);
	store_wc(model, BASE, 8);
	wc_model_load(model, 0, WC_TYPE_UC, BASE + 4096, 4, false, NULL);
	assert_int_equal(wc_model_totals(model)->sent[WC_CAUSE_UC], 2);
	finish(model, 3);
}

static void
load_of_a_line_sends_it_and_no_other(void **state)
{
	struct wc_model *model = create(&plain);

	(void)state;
	store_wc(model, BASE, 8);
	store_wc(model, BASE + LINE, 8);
	wc_model_load(model, 0, WC_TYPE_WC, BASE + 32, 4, false, NULL);
	assert_int_equal(wc_model_totals(model)->sent[WC_CAUSE_LOAD], 1);
	assert_int_equal(writes(model), 1);
	finish(model, 2);
}

static void
cpus_have_their_own_buffers(void **state)
{
	struct wc_model *model = create(&plain);

	(void)state;
	wc_model_store(model, 0, WC_TYPE_WC, BASE, 32, NULL);
	wc_model_store(model, 1, WC_TYPE_WC, BASE + 32, 32, NULL);
	assert_int_equal(writes(model), 0);
	wc_model_flush(model, 1, WC_CAUSE_FENCE);
	assert_int_equal(writes(model), 4);
	assert_true(wc_model_dirty(model, 0));
	assert_false(wc_model_dirty(model, 1));
	finish(model, 8);
}

static void
store_across_lines(void **state)
{
	struct wc_model *model = create(&plain);

	(void)state;
	store_wc(model, BASE + 48, 32);
	assert_int_equal(wc_model_totals(model)->counts.stores, 1);
	finish(model, 4);
	model = create(&plain);
	store(model, WC_TYPE_UC, BASE + 48, 32);
	assert_int_equal(wc_model_totals(model)->sizes[16], 2);
	finish(model, 2);
}

static void
width_of_uncached_stores(void **state)
{
	struct wc_params params = plain;
	struct wc_model *model = create(&plain);

	(void)state;
	store(model, WC_TYPE_UC, BASE, 32);
	assert_int_equal(wc_model_totals(model)->sizes[32], 1);
	finish(model, 1);
	params.uc_width = 8;
	model = create(&params);
	store(model, WC_TYPE_UC, BASE, 32);
	assert_int_equal(wc_model_totals(model)->sizes[8], 4);
	finish(model, 4);
}

static void
unaligned_bytes_take_whole_double_words(void **state)
{
	struct wc_model *model = create(&plain);

	(void)state;
	store(model, WC_TYPE_UC, BASE + 3, 2);
	assert_int_equal(wc_model_totals(model)->counts.write_bytes, 2);
	assert_int_equal(wc_model_totals(model)->counts.wire_bytes, 24 + 8);
	finish(model, 1);
}

static void
direct_store_is_one_write(void **state)
{
	struct wc_model *model = create(&plain);

	(void)state;
	store_wc(model, BASE + LINE, 8);
	wc_model_direct(model, 0, BASE, 64, NULL);
	assert_int_equal(wc_model_totals(model)->sizes[64], 1);
	assert_int_equal(wc_model_totals(model)->direct, 1);
	/* Its own line leaves first, others stay. */
	wc_model_direct(model, 0, BASE + LINE, 64, NULL);
	assert_int_equal(wc_model_totals(model)->sent[WC_CAUSE_DIRECT], 1);
	assert_int_equal(wc_model_totals(model)->sizes[8], 1);
	wc_model_direct(model, 0, BASE, 8, NULL);
	assert_int_equal(wc_model_totals(model)->sizes[8], 2);
	finish(model, 4);
}

/* All lines that it covers, where they are smaller. */
static void
direct_store_over_two_lines(void **state)
{
	struct wc_params params = plain;
	struct wc_model *model;

	(void)state;
	params.line = params.uc_width = 32;
	model = create(&params);
	store_wc(model, BASE, 8);
	store_wc(model, BASE + 32, 8);
	store_wc(model, BASE + 64, 8);
	wc_model_direct(model, 0, BASE, 64, NULL);
	assert_int_equal(wc_model_totals(model)->sent[WC_CAUSE_DIRECT], 2);
	finish(model, 4);
}

static void
each_uncached_load_is_a_read(void **state)
{
	struct wc_model *model = create(&plain);
	const struct wc_counts *counts = &wc_model_totals(model)->counts;

	(void)state;
	for (uint32_t n = 0; n < 8; n++)
		wc_model_load(model, 0, WC_TYPE_UC, BASE + 8 * n, 8, true, NULL);
	assert_int_equal(counts->reads, 8);
	assert_int_equal(counts->read_bytes, 64);
	assert_int_equal(counts->read_wire_down, 8 * 24);
	assert_int_equal(counts->read_wire_up, 8 * (12 + 8 + 8));
	finish(model, 0);
}

static void
plain_loads_do_not_combine(void **state)
{
	struct wc_model *model = create(&plain);

	(void)state;
	for (uint32_t n = 0; n < 4; n++)
		wc_model_load(model, 0, WC_TYPE_WC, BASE + 16 * n, 16, false, NULL);
	assert_int_equal(wc_model_totals(model)->counts.reads, 4);
	finish(model, 0);
}

/* Four streaming loads of a line are one read; each part of it is returned once. */
static void
streaming_loads_take_a_line(void **state)
{
	struct wc_model *model = create(&plain);
	const struct wc_counts *counts = &wc_model_totals(model)->counts;

	(void)state;
	for (uint32_t n = 0; n < 4; n++)
		wc_model_load(model, 0, WC_TYPE_WC, BASE + 16 * n, 16, true, NULL);
	assert_int_equal(counts->reads, 1);
	assert_int_equal(counts->read_bytes, 64);
	wc_model_load(model, 0, WC_TYPE_WC, BASE, 16, true, NULL);
	assert_int_equal(counts->reads, 2);
	/* What empties the buffers of stores leaves those of loads alone. */
	assert_true(wc_model_dirty(model, 0));
	wc_model_flush(model, 0, WC_CAUSE_FENCE);
	wc_model_load(model, 0, WC_TYPE_WC, BASE + 16, 16, true, NULL);
	assert_int_equal(counts->reads, 2);
	/* An MFENCE in the middle has the rest read again. */
	wc_model_forget(model, 0);
	assert_false(wc_model_dirty(model, 0));
	wc_model_load(model, 0, WC_TYPE_WC, BASE + 32, 16, true, NULL);
	assert_int_equal(counts->reads, 3);
	finish(model, 0);
}

static void
loads_across_lines_and_widths(void **state)
{
	struct wc_params params = plain;
	struct wc_model *model = create(&plain);
	const struct wc_counts *counts = &wc_model_totals(model)->counts;

	(void)state;
	wc_model_load(model, 0, WC_TYPE_WC, BASE + 48, 32, false, NULL);
	assert_int_equal(counts->reads, 2);
	wc_model_load(model, 0, WC_TYPE_UC, BASE, 32, false, NULL);
	assert_int_equal(counts->reads, 3);
	finish(model, 0);
	params.uc_width = 8;
	model = create(&params);
	wc_model_load(model, 0, WC_TYPE_UC, BASE, 32, false, NULL);
	assert_int_equal(wc_model_totals(model)->counts.reads, 4);
	finish(model, 0);
}

static void
streaming_loads_of_more_lines_than_buffers(void **state)
{
	struct wc_params params = plain;
	struct wc_model *model;

	(void)state;
	for (uint32_t buffers = 0; buffers <= 2; buffers++) {
		params.stream_buffers = buffers;
		model = create(&params);
		for (uint32_t part = 0; part < 4; part++) {
			for (uint32_t n = 0; n < 2; n++)
				wc_model_load(model, 0, WC_TYPE_WC, BASE + n * LINE + part * 16, 16,
					true, NULL);
		}
		assert_int_equal(wc_model_totals(model)->counts.reads, buffers == 2 ? 2 : 8);
		finish(model, 0);
	}
}

/* What leaves late is counted where it came from, not where the fence was. */
static void
places_are_told_apart(void **state)
{
	struct wc_model *model = create(&plain);
	struct wc_counts first = { 0 }, second = { 0 };

	(void)state;
	wc_model_store(model, 0, WC_TYPE_WC, BASE, 64, &first);
	wc_model_store(model, 0, WC_TYPE_WC, BASE + LINE, 8, &second);
	wc_model_store(model, 0, WC_TYPE_UC, BASE + 4096, 4, &first);
	wc_model_load(model, 0, WC_TYPE_UC, BASE + 4096, 4, false, &second);
	assert_int_equal(first.stores, 2);
	assert_int_equal(first.writes, 2);
	assert_int_equal(first.write_bytes, 68);
	assert_int_equal(first.full_lines, 1);
	assert_int_equal(second.writes, 1);
	assert_int_equal(second.write_bytes, 8);
	assert_int_equal(second.partial_lines, 1);
	assert_int_equal(second.reads, 1);
	assert_int_equal(first.wire_bytes + second.wire_bytes,
		wc_model_totals(model)->counts.wire_bytes);
	finish(model, 3);
}

static void
values_are_checked(void **state)
{
	static const char * const bad[][2] = {
		{ "chunk", "x" }, { "victim", "none" }, { "send_full", "maybe" }, { "buffers", "" },
		{ "buffers", "-1" }, { "buffers", "4294967306" }, { "buffers", "-4294967286" },
		{ "buffers", "99999999999999999999" }, { "buffers", "1x" },
	};
	struct wc_params params, before;

	(void)state;
	assert_int_equal(wc_preset("broadwell", &params), 0);
	before = params;
	for (size_t n = 0; n < sizeof(bad) / sizeof(bad[0]); n++) {
		assert_int_equal(wc_params_set(&params, bad[n][0], bad[n][1]), -EINVAL);
		assert_memory_equal(&params, &before, sizeof(params));
	}
	assert_int_equal(wc_params_set(&params, "colour", "1"), -ENOENT);
	assert_int_equal(wc_params_set(&params, "buffers", "12"), 0);
	assert_int_equal(params.buffers, 12);
	assert_int_equal(wc_params_set(&params, "victim", "least-used"), 0);
	assert_int_equal(params.victim, WC_VICTIM_LEAST_USED);
	assert_int_equal(wc_params_set(&params, "send_full", "no"), 0);
	assert_false(params.send_full);
	assert_true(wc_params_valid(&params));
}

static void
ranges_are_checked(void **state)
{
	static const char * const bad[][2] = {
		{ "line", "48" }, { "line", "16" }, { "line", "256" }, { "line", "32" /* < uc_width */ },
		{ "buffers", "0" }, { "buffers", "65" }, { "evict", "1001" }, { "chunk", "16" }, { "uc_width", "4" },
		{ "uc_width", "128" }, { "stream_buffers", "65" }, { "header", "20" },
		{ "generation", "0" }, { "generation", "6" }, { "width", "3" }, { "width", "64" },
	};
	struct wc_params params;

	(void)state;
	for (size_t n = 0; n < sizeof(bad) / sizeof(bad[0]); n++) {
		assert_int_equal(wc_preset("intel", &params), 0);
		assert_int_equal(wc_params_set(&params, bad[n][0], bad[n][1]), 0);
		assert_false(wc_params_valid(&params));
		assert_null(wc_model_create(&params));
	}
	/* In any order */
	assert_int_equal(wc_preset("intel", &params), 0);
	assert_int_equal(wc_params_set(&params, "line", "32"), 0);
	assert_int_equal(wc_params_set(&params, "uc_width", "32"), 0);
	assert_true(wc_params_valid(&params));
}

static void
presets_are_there(void **state)
{
	struct wc_params params;
	unsigned int n;

	(void)state;
	for (n = 0; wc_preset_name(n) != NULL; n++) {
		assert_int_equal(wc_preset(wc_preset_name(n), &params), 0);
		wc_model_free(create(&params));
	}
	assert_int_equal(n, 3);
	assert_int_equal(wc_preset("z80", &params), -ENOENT);
}

/* 5 GT/s, 8 lanes, 8b/10b: 4 GB/s; 8 GT/s, 16 lanes, 128b/130b: 15.75 GB/s */
static void
link_rates(void **state)
{
	struct wc_params params = plain;

	(void)state;
	assert_int_equal((int)(wc_link_rate(&params) / 1e6), 15753);
	params.generation = 2;
	params.width = 8;
	assert_int_equal((int)(wc_link_rate(&params) / 1e6), 4000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sixteen_stores_uncached),
		cmocka_unit_test(sixteen_stores_combined),
		cmocka_unit_test(order_within_a_line_does_not_matter),
		cmocka_unit_test(complete_line_waits_if_asked_to),
		cmocka_unit_test(partial_line_leaves_in_chunks),
		cmocka_unit_test(partial_line_leaves_in_runs),
		cmocka_unit_test(hole_in_a_chunk),
		cmocka_unit_test(bytes_stored_twice_leave_once),
		cmocka_unit_test(interleaved_lines),
		cmocka_unit_test(number_of_buffers_matters),
		cmocka_unit_test(victim_is_chosen_as_asked),
		cmocka_unit_test(lines_leave_early_by_chance),
		cmocka_unit_test(chances_have_limits),
		cmocka_unit_test(size_of_a_line_matters),
		cmocka_unit_test(each_event_empties_the_buffers),
		cmocka_unit_test(fences_are_counted),
		cmocka_unit_test(uncached_access_empties_the_buffers),
		cmocka_unit_test(load_of_a_line_sends_it_and_no_other),
		cmocka_unit_test(cpus_have_their_own_buffers),
		cmocka_unit_test(store_across_lines),
		cmocka_unit_test(width_of_uncached_stores),
		cmocka_unit_test(unaligned_bytes_take_whole_double_words),
		cmocka_unit_test(direct_store_is_one_write),
		cmocka_unit_test(direct_store_over_two_lines),
		cmocka_unit_test(loads_across_lines_and_widths),
		cmocka_unit_test(each_uncached_load_is_a_read),
		cmocka_unit_test(plain_loads_do_not_combine),
		cmocka_unit_test(streaming_loads_take_a_line),
		cmocka_unit_test(streaming_loads_of_more_lines_than_buffers),
		cmocka_unit_test(places_are_told_apart),
		cmocka_unit_test(values_are_checked),
		cmocka_unit_test(ranges_are_checked),
		cmocka_unit_test(presets_are_there),
		cmocka_unit_test(link_rates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
