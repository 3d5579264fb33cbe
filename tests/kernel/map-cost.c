/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * map-cost BDF [ROUNDS]
 *
 * What it takes to touch every page of BAR 2 and of its write-combining alias, in page faults and in time, at addresses
 * that allow pages of 1 GiB, of 2 MiB and of 4 KiB only. BAR and alias take turns. Prints a line for each mapping:
 *
 *   bar|alias 1G|2M|4K FAULTS MICROSECONDS TYPE
 *
 * and on standard error where BAR, config space and alias are in the device file.
 */

#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "page_type.h"
#include "vfio.h"

#define BAR 2
#define KIB4 (4UL << 10)
#define MIB2 (2UL << 20)
#define GIB1 (1UL << 30)

static long
faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

static double
microseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}

static void
touch(int device, const char *name, const char *level, uint64_t offset, uint64_t size, uint64_t shift)
{
	static uintptr_t base = 64 * GIB1;
	char type[16];
	uint8_t *where;
	double start;
	long before;
	uint64_t i;

	base += 8 * GIB1;
	where = mmap((void *)(base + shift), size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE,
		device, offset);
	if (where == MAP_FAILED)
		die("mmap");
	start = microseconds();		/* faults in the clock's own page */
	before = faults();
	start = microseconds();
	for (i = 0; i < size; i += KIB4)
		((volatile uint8_t *)where)[i] = 1;
	start = microseconds() - start;
	before = faults() - before;
	page_type(where, type, sizeof(type));
	printf("%s %s %ld %.0f %s\n", name, level, before, start, type);
	fflush(stdout);
	munmap(where, size);
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *level;
		uint64_t shift;
	} addresses[] = { { "1G", 0 }, { "2M", MIB2 }, { "4K", KIB4 } };
	int device, round, rounds = argc > 2 ? atoi(argv[2]) : 1;
	struct vfio_wc_alias_region made;
	uint64_t alias, size, bar;
	unsigned int i;

	if (argc < 2) {
		fprintf(stderr, "usage: map-cost BDF [ROUNDS]\n");
		return 2;
	}
	device = vfio_open(argv[1]);
	if (set_alias(device, BAR, WC, &made) != 0)
		die("no alias");
	alias = made.offset;
	size = vfio_region(device, BAR).size;
	bar = vfio_region(device, BAR).offset;
	fprintf(stderr, "offsets: %#lx %#lx %#lx\n", bar,
		(uint64_t)vfio_region(device, VFIO_PCI_CONFIG_REGION_INDEX).offset, alias);
	for (round = 0; round < rounds; round++)
		for (i = 0; i < 3; i++) {
			touch(device, "bar", addresses[i].level, bar, size, addresses[i].shift);
			touch(device, "alias", addresses[i].level, alias, size, addresses[i].shift);
		}
	return 0;
}
