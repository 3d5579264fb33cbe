/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * lookup-cost BDF ROUNDS
 *
 * The operations that turn an offset of the device file into a region, each many times: read of 4 bytes of the config
 * space and of BAR 2, and fault of a page of BAR 2. In a guest that counts instructions as nanoseconds (QEMU's
 * -icount shift=0), a time is a number of instructions. Prints a line for each: NAME NANOSECONDS-PER-OPERATION.
 */

#include <sys/mman.h>
#include <time.h>

#include "vfio.h"

#define BAR 2
#define KIB4 4096

static int device;

static double
nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

static void
read_many(const char *name, uint64_t offset, int rounds)
{
	double start = nanoseconds();
	uint32_t word;
	int i;

	for (i = 0; i < rounds; i++)
		if (pread(device, &word, sizeof(word), offset) != sizeof(word))
			die(name);
	printf("%s %.0f\n", name, (nanoseconds() - start) / rounds);
}

/* Pages of 4 KiB, since a page alone is mapped; the faults alone are timed. */
static void
fault_many(const char *name, uint64_t offset, int rounds)
{
	double start, total = 0;
	volatile uint8_t *page;
	int i;

	for (i = 0; i < rounds; i++) {
		page = mmap(NULL, KIB4, PROT_READ | PROT_WRITE, MAP_SHARED, device, offset);
		if (page == MAP_FAILED)
			die("mmap");
		start = nanoseconds();
		*page = 1;
		total += nanoseconds() - start;
		munmap((void *)page, KIB4);
	}
	printf("%s %.0f\n", name, total / rounds);
}

int
main(int argc, char **argv)
{
	int rounds;

	if (argc != 3) {
		fprintf(stderr, "usage: lookup-cost BDF ROUNDS\n");
		return 2;
	}
	rounds = atoi(argv[2]);
	device = vfio_open(argv[1]);
	read_many("read-config", vfio_region(device, VFIO_PCI_CONFIG_REGION_INDEX).offset, rounds);
	read_many("read-bar", vfio_region(device, BAR).offset, rounds);
	fault_many("fault", vfio_region(device, BAR).offset, rounds);
	return 0;
}
