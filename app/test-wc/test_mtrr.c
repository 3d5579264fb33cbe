/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/* Effective types from page tables and memory type range registers. */

#include <rte_common.h>

#include "mtrr.h"
#include "test.h"

static void
read_text(struct mtrr_list *list, const char *text)
{
	FILE *file = fmemopen((void *)(uintptr_t)text, strlen(text), "r");

	mtrr_read(list, file);
	if (file != NULL)
		fclose(file);
}

#define LINE(number, base, size, type) \
	"reg0" #number ": base=" base " (   0MB), size=" size ", count=1: " type "\n"
#define WC "write-combining"
#define UC "uncachable"

static int
test_ranges(void)
{
	static const struct {
		const char *text;
		uint64_t start, size;
		enum mtrr_wc wc;
	} cases[] = {
		{ "\n", 0x1000, 0x1000, MTRR_WC_NONE },
		{ LINE(0, "0x1000", "4KB", WC), 0x1000, 0x1000, MTRR_WC_ALL },
		{ LINE(0, "0x1000", "4KB", WC), 0x1fff, 1, MTRR_WC_ALL },
		{ LINE(0, "0x1000", "4KB", WC), 0x0, 0x1000, MTRR_WC_NONE },
		{ LINE(0, "0x1000", "4KB", WC), 0x2000, 0x1000, MTRR_WC_NONE },
		{ LINE(0, "0x1000", "4KB", WC), 0x0, 0x1001, MTRR_WC_SOME },
		{ LINE(0, "0x1000", "4KB", WC), 0x0, 0x4000, MTRR_WC_SOME },
		{ LINE(0, "0x1000", "4KB", WC), 0x1000, 0x1001, MTRR_WC_SOME },
		{ LINE(0, "0x1000", "4KB", WC), 0x1000, 0, MTRR_WC_NONE },
		/* Two that adjoin, and two with a gap */
		{ LINE(0, "0x2000", "4KB", WC) LINE(1, "0x1000", "4KB", WC), 0x1000, 0x2000,
			MTRR_WC_ALL },
		{ LINE(0, "0x3000", "4KB", WC) LINE(1, "0x1000", "4KB", WC), 0x1000, 0x3000,
			MTRR_WC_SOME },
		/* An uncachable one in it, and around it */
		{ LINE(0, "0x0", "1MB", WC) LINE(1, "0x1000", "4KB", UC), 0x0, 0x4000,
			MTRR_WC_SOME },
		{ LINE(0, "0x0", "1MB", WC) LINE(1, "0x1000", "4KB", UC), 0x2000, 0x4000,
			MTRR_WC_ALL },
		{ LINE(0, "0x1000", "4KB", WC) LINE(1, "0x0", "1MB", UC), 0x1000, 0x1000,
			MTRR_WC_NONE },
		{ LINE(0, "0x0", "1MB", "write-back"), 0x1000, 0x1000, MTRR_WC_NONE },
		{ LINE(0, "0x0", "0MB", WC), 0x0, 0x1000, MTRR_WC_NONE },
		/* The last page */
		{ LINE(0, "0xfffffffffffff000", "4KB", WC), 0xfffffffffffff000, 0x1000,
			MTRR_WC_ALL },
		{ LINE(0, "0xfffffffffffff000", "4KB", WC), 0xffffffffffffe000, 0x2000,
			MTRR_WC_SOME },
	};
	struct mtrr_list list;
	unsigned int i;

	for (i = 0; i < RTE_DIM(cases); i++) {
		printf("# range %u\n", i);
		read_text(&list, cases[i].text);
		CHECK(mtrr_find_wc(&list, cases[i].start, cases[i].size) == cases[i].wc);
	}
	mtrr_read(&list, NULL);
	CHECK(list.nb == 0);
	return 0;
}

static int
test_one_register(void)
{
	struct mtrr_list list;

	read_text(&list, LINE(0, "0x0", "1MB", WC) LINE(7, "0x0", "64KB", UC));
	CHECK(list.nb == 2 && list.at[1].number == 7 && list.at[1].size == 0x10000);
	CHECK(mtrr_makes_wc(&list, &list.at[0], 0x10000, 0x1000));
	CHECK(mtrr_makes_wc(&list, &list.at[0], 0xf000, 0x2000));
	CHECK(!mtrr_makes_wc(&list, &list.at[0], 0xf000, 0x1000));
	CHECK(!mtrr_makes_wc(&list, &list.at[0], 0x100000, 0x1000));
	CHECK(!mtrr_makes_wc(&list, &list.at[1], 0x0, 0x100000));
	read_text(&list, LINE(0, "0x8000", "4KB", WC));
	CHECK(mtrr_makes_wc(&list, &list.at[0], 0x0, 0x10000));
	CHECK(!mtrr_makes_wc(&list, &list.at[0], 0x0, 0x8000));
	return 0;
}

static int
test_combined(void)
{
	static const struct {
		enum mtrr_wc wc;
		const char *types, *effective;
	} cases[] = {
		{ MTRR_WC_NONE, "WC", "WC" },
		{ MTRR_WC_NONE, "UC-", "UC-" },
		{ MTRR_WC_NONE, "WC,UC-", "WC,UC-" },
		{ MTRR_WC_NONE, "-", "-" },
		{ MTRR_WC_ALL, "WC", "WC" },
		{ MTRR_WC_ALL, "UC-", "WC" },
		{ MTRR_WC_ALL, "UC", "UC" },
		{ MTRR_WC_ALL, "WB", "WC" },
		{ MTRR_WC_ALL, "WT", "WT" },
		{ MTRR_WC_ALL, "WC,UC-", "WC" },
		{ MTRR_WC_ALL, "UC-,WC", "WC" },
		{ MTRR_WC_ALL, "UC-,UC", "WC,UC" },
		{ MTRR_WC_ALL, "-", "-" },
		{ MTRR_WC_SOME, "WC", "WC" },
		{ MTRR_WC_SOME, "UC-", "WC,UC-" },
		{ MTRR_WC_SOME, "WC,UC-", "WC,UC-" },
		{ MTRR_WC_SOME, "UC", "UC" },
	};
	char effective[16];
	unsigned int i;

	for (i = 0; i < RTE_DIM(cases); i++) {
		printf("# %s\n", cases[i].types);
		mtrr_combine(cases[i].wc, cases[i].types, effective, sizeof(effective));
		CHECK(strcmp(effective, cases[i].effective) == 0);
	}
	mtrr_combine(MTRR_WC_SOME, "UC-", effective, sizeof("WC,UC"));
	CHECK(strcmp(effective, "WC") == 0);
	return 0;
}

static const struct test_case cases[] = {
	{ "ranges", test_ranges },
	{ "one register", test_one_register },
	{ "combined with page tables", test_combined },
	{ 0 },
};

const struct test_suite mtrr_suite = {
	.name = "mtrr",
	.cases = cases,
};
