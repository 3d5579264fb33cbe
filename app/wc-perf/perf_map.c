/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <stdio.h>

#include <rte_bus_pci_wc.h>
#include <rte_cycles.h>
#include <rte_errno.h>

#include "wc_perf.h"

/* Sums of one kind of call. */
struct cost {
	uint64_t total;
	uint64_t least;
	unsigned int number;
};

static void
add(struct cost *cost, uint64_t cycles)
{
	cost->total += cycles;
	if (cost->number++ == 0 || cycles < cost->least)
		cost->least = cycles;
}

static void
print(const char *what, const struct cost *cost)
{
	if (cost->number == 0)
		return;
	printf("map %-22s %10.0f ns, least %10.0f ns, %u times\n", what,
		perf_ns(cost->total) / cost->number, perf_ns(cost->least), cost->number);
}

static void *
timed_map(const struct perf_range *range, struct cost *cost)
{
	uint64_t start = rte_rdtsc_precise();
	void *addr = rte_pci_map_wc(range->device, range->bar, range->offset, range->len);

	add(cost, rte_rdtsc_precise() - start);
	return addr;
}

static int
timed_unmap(const struct perf_range *range, void *addr, struct cost *cost)
{
	uint64_t start = rte_rdtsc_precise();
	int ret = rte_pci_unmap_wc(range->device, addr);

	add(cost, rte_rdtsc_precise() - start);
	return ret;
}

static void
timed_touch(void *addr, struct cost *cost)
{
	uint64_t start = rte_rdtsc_precise();

	*(volatile uint64_t *)addr = 0;
	add(cost, rte_rdtsc_precise() - start);
}

static int
failed(const char *what)
{
	fprintf(stderr, "wc-perf: %s: %s\n", what, rte_strerror(rte_errno));
	return -rte_errno;
}

int
perf_map(const struct perf_range *range, unsigned int repeats)
{
	struct cost first = { 0 }, further = { 0 }, unmap = { 0 }, touch = { 0 };
	unsigned int n;
	void *addr;

	/* These lines also tell in a trace of system calls which belong to what. */
	fprintf(stderr, "wc-perf: first mapping\n");
	addr = timed_map(range, &first);
	if (addr == NULL)
		return failed("no write-combining mapping");
	timed_touch(addr, &touch);
	if (timed_unmap(range, addr, &unmap) != 0)
		return failed("the mapping cannot be undone");
	fprintf(stderr, "wc-perf: %u further mappings\n", repeats);
	for (n = 0; n < repeats; n++) {
		addr = timed_map(range, &further);
		if (addr == NULL)
			return failed("no further write-combining mapping");
		timed_touch(addr, &touch);
		if (timed_unmap(range, addr, &unmap) != 0)
			return failed("a further mapping cannot be undone");
	}
	fprintf(stderr, "wc-perf: mappings done\n");
	print("first", &first);
	print("further", &further);
	print("first store to a page", &touch);
	print("unmap", &unmap);
	return 0;
}
