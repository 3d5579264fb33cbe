/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <inttypes.h>
#include <string.h>

#include "mtrr.h"

static bool
mtrr_parse(const char *line, struct mtrr *mtrr)
{
	char type[32], unit;

	if (sscanf(line, "reg%u: base=%" SCNx64 " (%*[^)]), size=%" SCNu64 "%cB, count=%*d: %31s",
			&mtrr->number, &mtrr->start, &mtrr->size, &unit, type) != 5)
		return false;
	mtrr->size <<= unit == 'K' ? 10 : 20;
	mtrr->wc = strcmp(type, "write-combining") == 0;
	return mtrr->wc || strcmp(type, "uncachable") == 0;
}

void
mtrr_read(struct mtrr_list *list, FILE *file)
{
	char line[256];

	list->nb = 0;
	while (file != NULL && list->nb < MTRR_MAX && fgets(line, sizeof(line), file) != NULL)
		list->nb += mtrr_parse(line, &list->at[list->nb]);
}

static bool
mtrr_covers(const struct mtrr *mtrr, uint64_t address)
{
	return address - mtrr->start < mtrr->size;
}

/* Of registers that overlap an uncachable one determines the type (Intel SDM, 12.11.4.1). */
static bool
mtrr_is_wc(const struct mtrr_list *list, uint64_t address)
{
	bool wc = false;
	size_t i;

	for (i = 0; i < list->nb; i++) {
		if (!mtrr_covers(&list->at[i], address))
			continue;
		if (!list->at[i].wc)
			return false;
		wc = true;
	}
	return wc;
}

/* How many bytes from an address on have the type of the address, but no more than size */
static uint64_t
mtrr_next(const struct mtrr_list *list, uint64_t address, uint64_t size)
{
	const struct mtrr *mtrr;
	uint64_t to_start, to_end;
	size_t i;

	for (i = 0; i < list->nb; i++) {
		mtrr = &list->at[i];
		to_start = mtrr->start - address;
		to_end = to_start + mtrr->size;
		if (mtrr_covers(mtrr, address) && to_end < size)
			size = to_end;
		else if (!mtrr_covers(mtrr, address) && mtrr->size != 0 && to_start < size)
			size = to_start;
	}
	return size;
}

enum mtrr_wc
mtrr_find_wc(const struct mtrr_list *list, uint64_t start, uint64_t size)
{
	bool wc = false, other = false;
	uint64_t len;

	for (; size > 0; start += len, size -= len) {
		if (mtrr_is_wc(list, start))
			wc = true;
		else
			other = true;
		len = mtrr_next(list, start, size);
	}
	if (!wc)
		return MTRR_WC_NONE;
	return other ? MTRR_WC_SOME : MTRR_WC_ALL;
}

bool
mtrr_makes_wc(const struct mtrr_list *list, const struct mtrr *mtrr, uint64_t start, uint64_t size)
{
	const uint64_t into = start - mtrr->start, before = mtrr->start - start;

	/* Either begins in the other. */
	if (into < mtrr->size)
		return mtrr_find_wc(list, start, mtrr->size - into < size ? mtrr->size - into :
			size) != MTRR_WC_NONE;
	return before < size && mtrr_find_wc(list, mtrr->start, mtrr->size < size - before ?
		mtrr->size : size - before) != MTRR_WC_NONE;
}

/* Add a type to a list, unless it is there or does not fit. */
static void
mtrr_add_type(char *list, size_t size, const char *type, size_t len)
{
	const size_t used = strlen(list);
	const char *each = list;

	while (used > 0) {
		if (strcspn(each, ",") == len && strncmp(each, type, len) == 0)
			return;
		each += strcspn(each, ",");
		if (*each == '\0')
			break;
		each++;
	}
	if (used + (used > 0) + len < size)
		sprintf(list + used, "%s%.*s", used > 0 ? "," : "", (int)len, type);
}

/* Types that a write-combining register makes write-combining. Those of aliases are WC and UC-. */
static bool
mtrr_changes(const char *type, size_t len)
{
	return (len == 3 && strncmp(type, "UC-", len) == 0) ||
		(len == 2 && strncmp(type, "WB", len) == 0);
}

void
mtrr_combine(enum mtrr_wc wc, const char *types, char *effective, size_t size)
{
	size_t len;

	effective[0] = '\0';
	for (; *types != '\0'; types += len + (types[len] == ',')) {
		len = strcspn(types, ",");
		/* WC in the page tables is WC with any register. */
		if (wc != MTRR_WC_NONE && mtrr_changes(types, len))
			mtrr_add_type(effective, size, "WC", 2);
		if (wc != MTRR_WC_ALL || !mtrr_changes(types, len))
			mtrr_add_type(effective, size, types, len);
	}
}
