/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef PAGE_TYPE_H
#define PAGE_TYPE_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/*
 * Type and level of the page at an address, like "WC 2M", from this process's own page tables
 * (CONFIG_PTDUMP_DEBUGFS). Linux's PAT layout: arch/x86/mm/pat/memtype.c, pat_init().
 */
static inline bool
page_type(const void *where, char *text, size_t size)
{
	static const char * const types[] = { "WB", "WC", "UC-", "UC", "WB", "WP", "UC-", "WT" };
	static char line[256];
	uint64_t start, end;
	FILE *tables;
	bool found = false;

	snprintf(text, size, "none");
	tables = fopen("/sys/kernel/debug/page_tables/current_kernel", "r");
	if (tables == NULL)
		return false;
	while (!found && fgets(line, sizeof(line), tables) != NULL) {
		unsigned int index;

		if (sscanf(line, "0x%" SCNx64 "-0x%" SCNx64, &start, &end) != 2 ||
				(uintptr_t)where < start || (uintptr_t)where >= end ||
				strstr(line, "USR") == NULL)
			continue;
		index = (strstr(line, "PWT") != NULL) | (strstr(line, "PCD") != NULL) << 1 |
			(strstr(line, "PAT") != NULL) << 2;
		snprintf(text, size, "%s %s", types[index], strstr(line, "pte") ? "4K" :
			strstr(line, "pmd") ? "2M" : "1G");
		found = true;
	}
	fclose(tables);
	return found;
}

#endif /* PAGE_TYPE_H */
