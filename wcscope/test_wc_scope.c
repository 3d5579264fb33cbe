/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/* Commands, good and bad, and what the report says of accesses. */

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "wc_scope.h"

#define BAR 0xfe400000
#define VA 0x7f0000000000

static char path[] = "/tmp/test_wc_scope.XXXXXX";

static int
make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	if (fd < 0 || ftruncate(fd, 65536) != 0)
		return -1;
	return close(fd);
}

static int
remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static void
expect(struct scope *scope, const char *line, const char *expected)
{
	char reply[256];

	scope_command(scope, line, reply, sizeof(reply));
	if (strncmp(reply, expected, strlen(expected)) != 0)
		fail_msg("'%s' is answered '%s', not '%s'", line, reply, expected);
}

static void
ok(struct scope *scope, const char *line)
{
	expect(scope, line, "ok");
}

static struct scope *
create(void)
{
	struct scope *scope = scope_create(NULL);

	assert_non_null(scope);
	ok(scope, "bar 0xfe400000 65536");
	ok(scope, "model intel buffers=8\n");
	ok(scope, "range control 0x7f0000000000 4096 0 uc");
	ok(scope, "range slots 0x7f0000002000 0xf000 4096 wc");
	return scope;
}

static void
report(struct scope *scope, char *text, size_t size)
{
	char line[256];
	FILE *file;

	snprintf(line, sizeof(line), "report %s", path);
	ok(scope, line);
	file = fopen(path, "r");
	assert_non_null(file);
	text[fread(text, 1, size - 1, file)] = '\0';
	fclose(file);
}

static void
bad_commands_are_refused(void **state)
{
	static const char * const bad[] = {
		"", "colour", "bar", "bar 0", "bar 0 0", "bar 0 0x10000000000", "bar 0 -1", "bar x 1", "bar 0 1 /none",
		"bar 0 65536 /dev/null", "model intel",
		"range a 0 4096 0", "range a 0 4096 0 wb", "range A 0 4096 0 wc", "range a 0 65537 0 wc",
		"range a 0 0 0 wc", "range a 0 1 65536 wc", "range a 0 1 0xffffffffffffffff wc",
		"range abcdefghijklmnopqrstuvwxyz0123456789 0 1 0 wc",
		"ring 0 3 0 0", "ring 0 64 0", "ring 0 0x100000040 0 0", "heads 0 64 0 0",
		"heads 0 64 1", "heads 0 64 0x100000000 0", "heads 0 3 1 0", "flags 65536 1", "flags 0", "report",
		"report /none/none", "watch a 0 0", "watch a 0", "watch A 0 1", "resolve slots 0 wc", "resolve none 0 wc",
		"ignore none", "ignore",
	};
	struct scope *scope = create();

	(void)state;
	for (size_t n = 0; n < sizeof(bad) / sizeof(bad[0]); n++)
		expect(scope, bad[n], "error: ");
	expect(scope, "flags 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32",
		"error: flags 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32: "
		"too many words");
	ok(scope, "start");
	expect(scope, "model intel", "error: model intel: stop first");
	scope_free(scope);
}

static void
short_file_is_refused(void **state)
{
	struct scope *scope = scope_create(NULL);
	char line[256];

	(void)state;
	assert_int_equal(truncate(path, 65536), 0);
	snprintf(line, sizeof(line), "bar 0 %d %s", 65536 + 1, path);
	expect(scope, line, "error: ");
	snprintf(line, sizeof(line), "bar 0 %d %s", 65536, path);
	ok(scope, line);
	scope_free(scope);
}

static void
bad_models_are_refused(void **state)
{
	static const char * const bad[] = {
		"model", "model z80", "model intel buffers", "model intel buffers=0", "model intel colour=1",
		"model intel line=32", "model intel buffers=4294967306",
	};
	struct scope *scope = scope_create(NULL);

	(void)state;
	ok(scope, "bar 0xfe400000 65536");
	for (size_t n = 0; n < sizeof(bad) / sizeof(bad[0]); n++)
		expect(scope, bad[n], "error: ");
	ok(scope, "model intel line=32 uc_width=32");
	expect(scope, "model intel", "error: model intel: there is one already");
	scope_free(scope);
}

/* And what was asked for is done: with this chance no line is complete. */
static void
early_eviction_is_reported(void **state)
{
	struct scope *scope = create();
	char text[8192];

	(void)state;
	ok(scope, "bar 0xfe400000 65536");
	ok(scope, "model intel evict=1000");
	ok(scope, "range slots 0x7f0000002000 0xf000 4096 wc");
	ok(scope, "start");
	for (uint32_t offset = 0; offset < 64; offset += 8)
		scope_store(scope, 0, scope_find(scope, VA + 0x2000), VA + 0x2000 + offset, 8, false, 1);
	ok(scope, "stop");
	report(scope, text, sizeof(text));
	assert_non_null(strstr(text, "{\"params\": {\"evict\": 1000, "));
	assert_non_null(strstr(text, "\"early\": 8, "));
	scope_free(scope);
}

static void
order_of_commands(void **state)
{
	struct scope *scope = scope_create(NULL);

	(void)state;
	expect(scope, "start", "error: start: bar first");
	expect(scope, "model intel", "error: model intel: bar first");
	ok(scope, "bar 0 65536");
	expect(scope, "stop", "error: stop: model first");
	ok(scope, "model amd");
	ok(scope, "ring 0 64 8192 8256");
	ok(scope, "flags 0 64");
	ok(scope, "start");
	ok(scope, "stop");
	scope_free(scope);
}

static void
ranges_are_limited(void **state)
{
	struct scope *scope = create();

	(void)state;
	for (int n = 2; n < 64; n++)
		ok(scope, "range a 0 4096 0 wc");
	expect(scope, "range a 0 4096 0 wc", "error: range a 0 4096 0 wc: there are 64 ranges already");
	expect(scope, "watch a 0 4096", "error: watch a 0 4096: there are 64 ranges already");
	scope_free(scope);
}

static void
addresses_are_looked_up_and_verified(void **state)
{
	struct scope *scope = create();
	const struct scope_range *slots = scope_find(scope, VA + 0x2000);
	char text[4096];

	(void)state;
	assert_string_equal(scope_find(scope, VA + 4095)->name, "control");
	assert_null(scope_find(scope, VA + 4096));
	assert_null(scope_find(scope, VA - 1));
	assert_string_equal(slots->name, "slots");
	assert_null(scope_find(scope, VA + 0x2000 + 0xf000));
	assert_true(scope_verify(scope, slots, VA + 0x2040, BAR + 0x1040));
	assert_false(scope_verify(scope, slots, VA + 0x2040, BAR + 0x1080));
	report(scope, text, sizeof(text));
	assert_non_null(strstr(text, "\"elsewhere\": 1,"));
	scope_free(scope);
}

/* Everything that was counted, and nothing while it is stopped. */
static void
report_tells_what_was_done(void **state)
{
	struct scope *scope = create();
	const struct scope_range *control = scope_find(scope, VA), *slots = scope_find(scope, VA + 0x2000);
	char text[8192];

	(void)state;
	scope_store(scope, 0, slots, VA + 0x2000, 64, false, 0x400000);
	assert_false(scope_active(scope));
	ok(scope, "start");
	assert_true(scope_active(scope));
	scope_store(scope, 0, slots, VA + 0x2000, 64, false, 0x400000);
	scope_store(scope, 0, slots, VA + 0x2040, 64, true, 0x400004);
	scope_store(scope, 0, slots, VA + 0x2080, 8, false, 0x400008);
	scope_store(scope, 0, control, VA, 4, false, 0x40000c);
	scope_load(scope, 0, slots, VA + 0x2000, 8, false, 0x400010);
	scope_store(scope, 1, slots, VA + 0x20c0, 8, false, 0x400008);
	scope_kernel(scope, 1);
	scope_store(scope, 1, slots, VA + 0x20c0, 8, false, 0x400008);
	scope_barrier(scope, 1, LINT_ORDER_LOADS);
	scope_barrier(scope, 1, LINT_ORDER_LOCKED);
	scope_store(scope, 1, slots, VA + 0x20c0, 8, false, 0x400008);
	/* A CPU that is not modelled changes nothing. */
	scope_store(scope, WC_MAX_CPUS, slots, VA + 0x20c0, 8, false, 0x400008);
	ok(scope, "stop");
	report(scope, text, sizeof(text));
	assert_non_null(strstr(text, "\"buffers\": 8,"));
	assert_null(strstr(text, "evict"));
	assert_non_null(strstr(text, "\"sizes\": {\"4\": 1, \"8\": 4, \"64\": 2}"));
	assert_non_null(strstr(text, "\"sent\": {\"full\": 1, \"victim\": 0, \"early\": 0, \"fence\": 0, \"locked\": 1, "
		"\"serialising\": 0, \"uncached\": 1, \"kernel\": 1, \"load\": 0, \"direct\": 0, \"end\": 1}"));
	assert_non_null(strstr(text, "{\"pc\": 4194312, \"range\": \"slots\", \"type\": \"WC\", \"stores\": 4,"));
	assert_non_null(strstr(text, "{\"pc\": 4194316, \"range\": \"control\", \"type\": \"UC\", \"stores\": 1,"));
	assert_non_null(strstr(text, "{\"rule\": \"unflushed\", \"pc\": 4194316, \"other\": 4194312, "
		"\"offset\": 0, \"number\": 1}"));
	assert_non_null(strstr(text, "\"rule\": \"plain-load\", \"pc\": 4194320"));
	/* Stores are under both rules. */
	assert_non_null(strstr(text, "\"arm64\": [\n{\"rule\": \"unflushed\", \"pc\": 4194316"));
	scope_free(scope);
}

/* Each kind of barrier empties what it empties, is counted as what it is, and orders for the linter. */
static void
barriers_order(void **state)
{
	static const struct {
		enum lint_order order;
		const char *sent;
		bool orders;
	} barriers[] = {
		{ LINT_ORDER_STORES, "\"fence\": 1,", true },
		{ LINT_ORDER_ALL, "\"fence\": 1,", true },
		{ LINT_ORDER_LOCKED, "\"locked\": 1,", true },
		{ LINT_ORDER_SERIALISING, "\"serialising\": 1,", true },
		{ LINT_ORDER_LOADS, "\"uncached\": 1,", false },
	};
	char text[8192];

	(void)state;
	for (size_t n = 0; n < sizeof(barriers) / sizeof(barriers[0]); n++) {
		struct scope *scope = create();

		ok(scope, "start");
		scope_store(scope, 0, scope_find(scope, VA + 0x2000), VA + 0x2000, 8, false, 1);
		scope_barrier(scope, 0, barriers[n].order);
		scope_store(scope, 0, scope_find(scope, VA), VA, 4, false, 2);
		ok(scope, "stop");
		report(scope, text, sizeof(text));
		assert_non_null(strstr(text, barriers[n].sent));
		assert_int_equal(strstr(text, "\"x86\": []") != NULL, barriers[n].orders);
		scope_free(scope);
	}
}

/* Only what orders loads and stores has a line read again, and so does the kernel's return. */
static void
streams_are_forgotten(void **state)
{
	static const struct {
		int order;	/* -1: kernel */
		const char *reads;
	} cases[] = {
		{ LINT_ORDER_STORES, "\"reads\": 1," }, { LINT_ORDER_LOADS, "\"reads\": 1," },
		{ LINT_ORDER_ALL, "\"reads\": 2," }, { LINT_ORDER_LOCKED, "\"reads\": 2," },
		{ -1, "\"reads\": 2," },
	};
	char text[8192];

	(void)state;
	for (size_t n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
		struct scope *scope = create();
		const struct scope_range *slots = scope_find(scope, VA + 0x2000);

		ok(scope, "start");
		scope_load(scope, 0, slots, VA + 0x2000, 16, true, 1);
		if (cases[n].order < 0)
			scope_kernel(scope, 0);
		else
			scope_barrier(scope, 0, cases[n].order);
		scope_load(scope, 0, slots, VA + 0x2010, 16, true, 1);
		ok(scope, "stop");
		report(scope, text, sizeof(text));
		assert_non_null(strstr(text, cases[n].reads));
		scope_free(scope);
	}
}

/* A direct store needs a fence like any write-combining one, also to uncached memory. */
static void
direct_stores_are_weakly_ordered(void **state)
{
	struct scope *scope = create();
	const struct scope_range *control = scope_find(scope, VA);
	char text[8192];

	(void)state;
	ok(scope, "start");
	scope_store(scope, 0, control, VA + 64, 64, true, 1);
	scope_store(scope, 0, control, VA, 4, false, 2);
	ok(scope, "stop");
	report(scope, text, sizeof(text));
	assert_non_null(strstr(text, "{\"rule\": \"unflushed\", \"pc\": 2, \"other\": 1,"));
	scope_free(scope);
}

/* The same instruction in two ranges is two sites; of too many places the number is kept. */
static void
sites(void **state)
{
	struct scope *scope = create();
	static char text[4 << 20];

	(void)state;
	ok(scope, "start");
	scope_load(scope, 0, scope_find(scope, VA + 0x2000), VA + 0x2000, 4, false, 1);
	scope_load(scope, 0, scope_find(scope, VA), VA, 4, false, 1);
	for (uint64_t pc = 2; pc < 4096 + 2; pc++)
		scope_load(scope, 0, scope_find(scope, VA), VA, 4, false, pc);
	ok(scope, "stop");
	report(scope, text, sizeof(text));
	assert_non_null(strstr(text, "{\"pc\": 1, \"range\": \"slots\", \"type\": \"WC\", \"stores\": 0, "
		"\"store_bytes\": 0, \"loads\": 1,"));
	assert_non_null(strstr(text, "{\"pc\": 1, \"range\": \"control\", \"type\": \"UC\", \"stores\": 0, "
		"\"store_bytes\": 0, \"loads\": 1,"));
	assert_non_null(strstr(text, "\"lost_sites\": 2,"));
	/* Plain loads of one place under both rules */
	assert_non_null(strstr(text, "\"arm64\": [\n{\"rule\": \"plain-load\""));
	scope_free(scope);
}

/* The value of an index is read from the memory behind the BAR. */
static void
values_are_read(void **state)
{
	struct scope *scope = create();
	const struct scope_range *control = scope_find(scope, VA);
	char line[256], text[8192];
	uint32_t value = 0;
	FILE *file;

	(void)state;
	snprintf(line, sizeof(line), "bar 0xfe400000 65536 %s", path);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(truncate(path, 65536), 0);
	ok(scope, line);
	ok(scope, "model intel");
	ok(scope, "range control 0x7f0000000000 4096 0 uc");
	ok(scope, "ring 4096 64 64 128");
	ok(scope, "start");
	scope_store(scope, 0, control, VA + 64, 4, false, 1);
	file = fopen(path, "r+");
	value = 3;
	fseek(file, 64, SEEK_SET);
	fwrite(&value, sizeof(value), 1, file);
	fclose(file);
	scope_store(scope, 0, control, VA + 64, 4, false, 1);
	ok(scope, "stop");
	report(scope, text, sizeof(text));
	assert_non_null(strstr(text, "{\"rule\": \"unwritten\", \"pc\": 1, \"other\": 0, \"offset\": 4096, "
		"\"number\": 3}"));
	scope_free(scope);
}

/* The next thread on a CPU does not answer for the last one, even if its lines have all left. */
static void
kernel_separates_threads(void **state)
{
	struct scope *scope = create();
	const struct scope_range *slots = scope_find(scope, VA + 0x2000);
	const struct scope_range *control = scope_find(scope, VA);
	char text[16384];

	(void)state;
	ok(scope, "start");
	scope_store(scope, 0, slots, VA + 0x2000, 64, false, 1);
	scope_kernel(scope, 0);
	scope_store(scope, 0, control, VA, 4, false, 2);
	ok(scope, "stop");
	report(scope, text, sizeof(text));
	assert_null(strstr(text, "unflushed"));
	ok(scope, "start");
	scope_store(scope, 0, slots, VA + 0x2000, 64, false, 1);
	scope_store(scope, 0, control, VA, 4, false, 2);
	ok(scope, "stop");
	report(scope, text, sizeof(text));
	assert_non_null(strstr(text, "unflushed"));
	scope_free(scope);
}

/* What a CPU that accesses a watched range does, and what answers it. */
static struct scope *watched;
static const char *answer;
static unsigned int nb_held;

static void *
answer_held(void *data)
{
	(void)data;
	ok(watched, answer);
	return NULL;
}

static void
on_held(const struct scope_range *range, uint64_t va, unsigned int cpu)
{
	static pthread_t thread;

	assert_string_equal(range->name, "new");
	assert_int_equal(va, VA + 0x20010);
	assert_int_equal(cpu, 1);
	nb_held++;
	/* The scope is locked until the CPU waits. */
	assert_int_equal(pthread_create(&thread, NULL, answer_held, NULL), 0);
	pthread_detach(thread);
}

/* Whether the access is to be counted. */
static bool
access_watched(const char *with)
{
	const uint64_t va = VA + 0x20010;
	const struct scope_range *range = scope_find(watched, va);

	answer = with;
	assert_non_null(range);
	return scope_await(watched, range, va, 1);
}

static void
watched_range_waits_until_it_is_known(void **state)
{
	char text[16384];
	const struct scope_range *range;

	(void)state;
	nb_held = 0;
	watched = scope_create(on_held);
	ok(watched, "bar 0xfe400000 65536");
	ok(watched, "model intel");
	ok(watched, "start");
	ok(watched, "watch new 0x7f0000020000 4096");
	expect(watched, "resolve new 0xf001 wc", "error: ");
	assert_true(access_watched("resolve new 8192 wc"));
	range = scope_find(watched, VA + 0x20010);
	assert_int_equal(range->offset, 8192);
	assert_int_equal(range->type, WC_TYPE_WC);
	/* Once only. */
	assert_true(access_watched("none"));
	assert_int_equal(nb_held, 1);
	scope_store(watched, 1, range, VA + 0x20010, 8, false, 1);
	/* What is mapped there next is another range, and one that is of no interest is found no more. */
	ok(watched, "ignore new");
	assert_null(scope_find(watched, VA + 0x20010));
	ok(watched, "watch new 0x7f0000020000 4096");
	assert_false(access_watched("ignore new"));
	assert_int_equal(nb_held, 2);
	ok(watched, "watch new 0x7f0000020000 4096");
	assert_false(access_watched("stop"));
	report(watched, text, sizeof(text));
	assert_non_null(strstr(text, "\"unresolved\": 1,"));
	assert_non_null(strstr(text, "\"stores\": 1,"));
	scope_free(watched);
}

static void
nobody_is_left_to_resolve(void **state)
{
	(void)state;
	watched = scope_create(NULL);
	ok(watched, "bar 0xfe400000 65536");
	ok(watched, "model intel");
	ok(watched, "start");
	ok(watched, "watch new 0x7f0000020000 4096");
	scope_abandon(watched);
	assert_null(scope_find(watched, VA + 0x20010));
	scope_free(watched);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_commands_are_refused),
		cmocka_unit_test(watched_range_waits_until_it_is_known),
		cmocka_unit_test(kernel_separates_threads),
		cmocka_unit_test(nobody_is_left_to_resolve),
		cmocka_unit_test(order_of_commands),
		cmocka_unit_test(ranges_are_limited),
		cmocka_unit_test(addresses_are_looked_up_and_verified),
		cmocka_unit_test(report_tells_what_was_done),
		cmocka_unit_test(short_file_is_refused),
		cmocka_unit_test(bad_models_are_refused),
		cmocka_unit_test(early_eviction_is_reported),
		cmocka_unit_test(barriers_order),
		cmocka_unit_test(streams_are_forgotten),
		cmocka_unit_test(direct_stores_are_weakly_ordered),
		cmocka_unit_test(sites),
		cmocka_unit_test(values_are_read),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
