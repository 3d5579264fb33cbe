/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * map-type FILE OFFSET SIZE [TRACK]
 *
 * Maps a file, touches the mapping and prints the type of its first page. TRACK is written to a
 * second open of the file first (see pfnmap_probe.c).
 */

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "page_type.h"

int
main(int argc, char **argv)
{
	/* congruent to any offset that is aligned to 2 MiB */
	void *where = (void *)0x600000000000;
	char text[PAGE_TYPE_SIZE];
	int fd, track;

	if (argc < 4) {
		fprintf(stderr, "usage: map-type FILE OFFSET SIZE [TRACK]\n");
		return 2;
	}
	fd = open(argv[1], O_RDWR);
	track = open(argv[1], O_RDWR);
	if (fd < 0 || track < 0) {
		perror(argv[1]);
		return 1;
	}
	if (argc > 4 && write(track, argv[4], strlen(argv[4])) < 0) {
		perror(argv[4]);
		return 1;
	}
	where = mmap(where, strtoul(argv[3], NULL, 0), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_FIXED_NOREPLACE, fd, strtoul(argv[2], NULL, 0));
	if (where == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	*(volatile uint64_t *)where = 1;
	page_type(where, text, sizeof(text));
	puts(text);
	return 0;
}
