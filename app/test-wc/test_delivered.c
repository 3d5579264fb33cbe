/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/* The verdict whether stores combine, from times that are given. */

#include <stdalign.h>

#include <rte_common.h>

#include "delivered.h"
#include "test.h"

/* Times of a line, like published ones, with a spread of so many percent in both directions */
struct given {
	double cached, uncached, wc, scattered;
	double spread;
};

static void
spread_out(struct delivered_times *times, double median, double percent)
{
	times->median = median;
	times->low = median * (1 - percent / 100);
	times->high = median * (1 + percent / 100);
}

static struct delivered
judge(const struct given *given)
{
	struct delivered delivered = { 0 };

	spread_out(&delivered.times[DELIVERED_CACHED], given->cached, given->spread);
	spread_out(&delivered.times[DELIVERED_DEFAULT], given->uncached, given->spread);
	spread_out(&delivered.times[DELIVERED_WC], given->wc, given->spread);
	spread_out(&delivered.times[DELIVERED_SCATTERED], given->scattered, given->spread);
	delivered_judge(&delivered);
	return delivered;
}

static int
test_verdicts(void)
{
	static const struct {
		const char *name;
		struct given given;
		enum delivered_verdict verdict;
		const char *reason;
	} cases[] = {
		{ "AWS F1: 138 ns a store, 34 ns a line", { 3, 1104, 34, 270, 5 },
			DELIVERED_YES, "stores combine" },
		{ "a GPU, of which the link is the limit", { 3, 1104, 6.2, 18, 5 },
			DELIVERED_YES, "stores combine" },
		{ "the slowest published line", { 3, 778, 68.9, 550, 5 },
			DELIVERED_YES, "stores combine" },
		{ "the mapping is uncached", { 3, 1104, 1100, 1104, 5 },
			DELIVERED_NO, "default mapping" },
		{ "the mapping is slower", { 3, 1104, 2000, 2000, 5 },
			DELIVERED_NO, "default mapping" },
		{ "stores are posted, but do not combine", { 3, 1104, 80, 82, 5 },
			DELIVERED_NO, "scattered" },
		{ "an emulator, or all is write-back", { 3, 3.1, 3, 3.2, 5 },
			DELIVERED_UNKNOWN, "do not depend" },
		{ "all is write-back, the cache is disturbed", { 3, 12, 3, 12, 5 },
			DELIVERED_UNKNOWN, "do not depend" },
		{ "no time passes", { 0, 0, 0, 0, 0 }, DELIVERED_UNKNOWN, "do not depend" },
		/* The borders, without spread */
		{ "types: 10 times", { 10, 100, 10, 30, 0 }, DELIVERED_UNKNOWN, "do not depend" },
		{ "types: more", { 10, 101, 10, 30, 0 }, DELIVERED_YES, "stores combine" },
		{ "default: twice", { 1, 100, 50, 200, 0 }, DELIVERED_UNKNOWN, "vary" },
		{ "default: less", { 1, 99, 50, 200, 0 }, DELIVERED_NO, "default mapping" },
		{ "default: more", { 1, 101, 50, 200, 0 }, DELIVERED_YES, "stores combine" },
		{ "scattered: twice", { 1, 500, 50, 100, 0 }, DELIVERED_UNKNOWN, "vary" },
		{ "scattered: less", { 1, 500, 50, 99, 0 }, DELIVERED_NO, "scattered" },
		{ "scattered: more", { 1, 500, 50, 101, 0 }, DELIVERED_YES, "stores combine" },
		/* The medians of each are those of a clear case: the spread is not */
		{ "types, with spread", { 10, 150, 10, 30, 25 },
			DELIVERED_UNKNOWN, "do not depend" },
		{ "combines, with spread", { 1, 1000, 50, 140, 20 }, DELIVERED_UNKNOWN, "vary" },
		{ "does not combine, with spread", { 1, 1000, 50, 70, 20 },
			DELIVERED_UNKNOWN, "vary" },
		{ "default, with spread", { 1, 140, 50, 1000, 20 }, DELIVERED_UNKNOWN, "vary" },
		/* One certain defect outweighs what is not clear. */
		{ "default unclear, scattered not", { 1, 100, 50, 50, 5 },
			DELIVERED_NO, "scattered" },
	};
	struct delivered delivered;
	unsigned int i;

	for (i = 0; i < RTE_DIM(cases); i++) {
		printf("# %s\n", cases[i].name);
		delivered = judge(&cases[i].given);
		CHECK(delivered.verdict == cases[i].verdict);
		CHECK(strstr(delivered.reason, cases[i].reason) != NULL);
	}
	return 0;
}

/* Whatever the times are. */
static int
test_emulated(void)
{
	const struct given given = { 3, 1104, 34, 270, 5 };
	struct delivered delivered = judge(&given);

	CHECK(delivered.verdict == DELIVERED_YES);
	delivered.emulated = true;
	delivered_judge(&delivered);
	CHECK(delivered.verdict == DELIVERED_UNKNOWN);
	CHECK(strstr(delivered.reason, "TCG") != NULL);
	return 0;
}

/* What takes a quarter of the samples away does not count. */
static int
test_summary(void)
{
	double samples[101], few[] = { 3, 1, 2 };
	struct delivered_times times;
	unsigned int i;

	for (i = 0; i < RTE_DIM(samples); i++)
		samples[i] = i * 37 % 101 < 76 ? i * 37 % 101 : 1e9;
	delivered_summarise(&times, samples, RTE_DIM(samples));
	CHECK(times.low == 25 && times.median == 50 && times.high == 75);
	delivered_summarise(&times, few, RTE_DIM(few));
	CHECK(times.low == 1 && times.median == 2 && times.high == 3);
	delivered_summarise(&times, few, 1);
	CHECK(times.low == 1 && times.median == 1 && times.high == 1);
	return 0;
}

/* Ordinary memory in place of a device: nothing is beyond the range, and all of it is used. */
static int
test_measure(void)
{
	static alignas(64) uint64_t memory[3 * DELIVERED_SIZE / sizeof(uint64_t)];
	const uint64_t untouched = UINT64_C(0xa5a5a5a5a5a5a5a5);
	uint64_t *range = &memory[DELIVERED_SIZE / sizeof(uint64_t)];
	const uint64_t *end = range + DELIVERED_SIZE / sizeof(uint64_t);
	struct delivered delivered;
	unsigned int i;

	memset(memory, 0xa5, sizeof(memory));
	delivered_measure(&delivered, range, range);
	CHECK(delivered.verdict == DELIVERED_UNKNOWN);
	for (i = 0; i < RTE_DIM(memory); i++)
		CHECK((memory[i] == untouched) == (&memory[i] < range || &memory[i] >= end));
	for (i = 0; i < DELIVERED_PLACES; i++)
		CHECK(delivered.times[i].low > 0 &&
			delivered.times[i].low <= delivered.times[i].median &&
			delivered.times[i].median <= delivered.times[i].high);
	return 0;
}

static const struct test_case cases[] = {
	{ "verdicts from times", test_verdicts },
	{ "an emulated CPU", test_emulated },
	{ "median and quartiles", test_summary },
	{ "the range that is measured", test_measure },
	{ 0 },
};

const struct test_suite delivered_suite = {
	.name = "delivered",
	.cases = cases,
};
