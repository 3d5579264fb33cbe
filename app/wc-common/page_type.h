/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef PAGE_TYPE_H
#define PAGE_TYPE_H

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Room for the longest text */
#define PAGE_TYPE_SIZE 24

/* The line in which page_type() found the result */
static char page_type_line[256];

#ifdef __aarch64__

/* pgprot_noncached() and pgprot_writecombine(), arch/arm64/include/asm/pgtable.h */
#define PAGE_TYPE_UC "Device-nGnRnE"
#define PAGE_TYPE_WC "Normal-NC"

/*
 * Type and level of the page at an address, like "Normal-NC 2M", from this process's own page
 * tables, through tests/kernel/modules/pgtable_probe.c.
 */
static inline bool
page_type(const void *where, char *text, size_t size)
{
	char level[3], descriptor[19], type[20];
	bool found = false;
	ssize_t len;
	int fd;

	snprintf(text, size, "none");
	fd = open("/dev/pgtable_probe", O_RDWR);
	if (fd < 0)
		return false;
	len = dprintf(fd, "%" PRIxPTR, (uintptr_t)where);
	if (len > 0)
		len = read(fd, page_type_line, sizeof(page_type_line) - 1);
	page_type_line[len > 0 ? len : 0] = '\0';
	if (sscanf(page_type_line, "%2s %18s %19s", level, descriptor, type) == 3) {
		snprintf(text, size, "%s %s", type, level);
		found = true;
	}
	close(fd);
	return found;
}

#else

#define PAGE_TYPE_UC "UC-"
#define PAGE_TYPE_WC "WC"

/*
 * Type and level of the page at an address, like "WC 2M", from this process's own page tables
 * (CONFIG_PTDUMP_DEBUGFS). Linux's PAT layout: arch/x86/mm/pat/memtype.c, pat_init().
 */
static inline bool
page_type(const void *where, char *text, size_t size)
{
	static const char * const types[] = { "WB", "WC", "UC-", "UC", "WB", "WP", "UC-", "WT" };
	char * const line = page_type_line;
	uint64_t start, end;
	FILE *tables;
	bool found = false;

	snprintf(text, size, "none");
	tables = fopen("/sys/kernel/debug/page_tables/current_kernel", "r");
	if (tables == NULL)
		return false;
	while (!found && fgets(line, sizeof(page_type_line), tables) != NULL) {
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

#endif /* __aarch64__ */

#endif /* PAGE_TYPE_H */
