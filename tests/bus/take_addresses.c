/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * To be preloaded: takes address space before the program starts, as large libraries do.
 * TAKE_ADDRESSES is a list START:LENGTH,... of hexadecimal numbers; at 0 the kernel chooses.
 */

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

static void
take(unsigned long start, unsigned long len)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	void *got;

	if (start != 0)
		flags |= MAP_FIXED_NOREPLACE;
	got = mmap((void *)start, len, PROT_NONE, flags, -1, 0);
	if (got == MAP_FAILED || (start != 0 && got != (void *)start)) {
		perror("take_addresses");
		_Exit(EXIT_FAILURE);
	}
}

__attribute__((constructor))
static void
take_all(void)
{
	const char *text = getenv("TAKE_ADDRESSES");
	unsigned long start, len;
	int read;

	while (text != NULL && sscanf(text, "%lx:%lx%n", &start, &len, &read) == 2) {
		take(start, len);
		text += read;
		text += *text == ',';
	}
}
