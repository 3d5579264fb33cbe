/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <poll.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_bus_pci_wc.h>
#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_memcpy.h>
#include <rte_pause.h>
#include <rte_wcio.h>

#include "delivered.h"
#include "mtrr.h"
#include "page_type.h"
#include "wc_perf.h"

#define MAX_LINES 64
/* Copies within one timing: far more than the timer itself takes */
#define BATCH 64

/* What a driver's author would write: a store of 8 bytes after the other. */
static void __rte_noinline
copy_words(void *dst, const void *src, size_t nb_lines)
{
	volatile uint64_t *to = dst;
	const uint64_t *from = src;
	size_t n;

	for (n = 0; n < nb_lines * RTE_WCIO_LINE / sizeof(*to); n++)
		to[n] = from[n];
}

static void __rte_noinline
copy_rte_memcpy(void *dst, const void *src, size_t nb_lines)
{
	rte_memcpy(dst, src, nb_lines * RTE_WCIO_LINE);
}

static void __rte_noinline
copy_memcpy(void *dst, const void *src, size_t nb_lines)
{
	memcpy(dst, src, nb_lines * RTE_WCIO_LINE);
}

struct way {
	const char *name;
	rte_wcio_copy_t copy;
};

#define MAX_WAYS 10

static unsigned int
find_ways(struct way *ways)
{
	unsigned int number = 0;
	int variant;

	ways[number++] = (struct way){ "loop", copy_words };
	ways[number++] = (struct way){ "memcpy", copy_memcpy };
	ways[number++] = (struct way){ "rte_memcpy", copy_rte_memcpy };
	for (variant = RTE_WCIO_PLAIN; variant <= RTE_WCIO_ST64B; variant++) {
		rte_wcio_copy_t copy = rte_wcio_copy_func(variant);

		if (copy != NULL)
			ways[number++] = (struct way){ rte_wcio_variant_name(variant), copy };
	}
	return number;
}

/* Nanoseconds for each line, the flush after each copy included. */
static double
time_copies(const struct way *way, uint8_t *dst, const uint8_t *src, size_t nb_lines)
{
	uint64_t start = rte_rdtsc_precise();
	unsigned int n;

	for (n = 0; n < BATCH; n++) {
		way->copy(dst, src, nb_lines);
		rte_wcio_flush();
	}
	return perf_ns(rte_rdtsc_precise() - start) / BATCH / nb_lines;
}

static int
compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

#define MAX_REPEATS 1000

struct place {
	const char *name;
	uint8_t *addr;
	enum mtrr_wc mtrrs;	/* What range registers say of it */
};

/* The ways take turns, so that what disturbs one disturbs all. */
static void
time_place(const struct place *place, const uint8_t *src, size_t nb_lines, unsigned int repeats)
{
	static double times[MAX_WAYS][MAX_REPEATS];
	struct way ways[MAX_WAYS];
	unsigned int nb_ways = find_ways(ways);
	unsigned int repeat, n;

	repeats = RTE_MIN(repeats, (unsigned int)MAX_REPEATS);
	for (repeat = 0; repeat < repeats; repeat++) {
		for (n = 0; n < nb_ways; n++)
			times[n][repeat] = time_copies(&ways[n], place->addr, src, nb_lines);
	}
	for (n = 0; n < nb_ways; n++) {
		qsort(times[n], repeats, sizeof(times[n][0]), compare);
		printf("copy %-8s %2zu lines  %-12s %8.2f ns a line, %.2f..%.2f\n", place->name,
			nb_lines, ways[n].name, times[n][repeats / 2], times[n][0],
			times[n][repeats - 1]);
	}
}

/*
 * A reader of page tables finds the place in them, and this process on a CPU, until a line
 * comes.
 */
static void
show(const struct place *place)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	char line[64];

	fprintf(stderr, "wc-perf: copying to %s at %p\n", place->name, place->addr);
	while (poll(&input, 1, 0) == 0)
		rte_pause();
	if (fgets(line, sizeof(line), stdin) == NULL)
		fprintf(stderr, "wc-perf: no more input\n");
}

/* By page tables, where the kernel shows them (CONFIG_PTDUMP_DEBUGFS, as root), and MTRRs. */
static void
print_type(const struct place *place)
{
	char text[PAGE_TYPE_SIZE], type[PAGE_TYPE_SIZE], effective[PAGE_TYPE_SIZE];

	*(volatile uint64_t *)place->addr = 0;
	if (!page_type(place->addr, text, sizeof(text))) {
		printf("type %-8s not verified\n", place->name);
		return;
	}
	/* The type is followed by the size of the page. */
	snprintf(type, sizeof(type), "%.*s", (int)strcspn(text, " "), text);
	mtrr_combine(place->mtrrs, type, effective, sizeof(effective));
	printf("type %-8s %s%s%s\n", place->name, effective, text + strlen(type),
		strcmp(type, effective) == 0 ? "" : " by MTRR");
}

static enum mtrr_wc
find_mtrrs(const struct perf_range *range)
{
	FILE *file = fopen("/proc/mtrr", "r");
	struct mtrr_list list;

	mtrr_read(&list, file);
	if (file != NULL)
		fclose(file);
	return mtrr_find_wc(&list, range->phys_addr, range->len);
}

static void
map_places(const struct perf_range *range, struct place *uncached, struct place *wc)
{
	uncached->addr = range->uncached;
	uncached->mtrrs = wc->mtrrs = find_mtrrs(range);
	wc->addr = rte_pci_map_wc(range->device, range->bar, range->offset, range->len);
	if (wc->addr == NULL)
		fprintf(stderr, "wc-perf: no write-combining mapping: %s\n",
			rte_strerror(rte_errno));
}

static void
time_sizes(const struct place *place, const uint8_t *src, size_t len, unsigned int repeats)
{
	static const size_t sizes[] = { 1, 4, 24, MAX_LINES };
	unsigned int n;

	for (n = 0; n < RTE_DIM(sizes); n++) {
		if (sizes[n] * RTE_WCIO_LINE <= len)
			time_place(place, src, sizes[n], repeats);
	}
}

static void
print_delivered(const struct perf_range *range, uint8_t *wc)
{
	struct delivered delivered;

	if (range->len < DELIVERED_SIZE) {
		printf("delivered unknown: the range is smaller than %d bytes\n", DELIVERED_SIZE);
		return;
	}
	delivered_measure(&delivered, range->uncached, wc);
	delivered_print(&delivered);
}

int
perf_copy(const struct perf_range *range, unsigned int repeats, bool wait)
{
	static alignas(RTE_WCIO_LINE) uint8_t cached[MAX_LINES * RTE_WCIO_LINE];
	static alignas(RTE_WCIO_LINE) uint8_t src[MAX_LINES * RTE_WCIO_LINE];
	struct place places[] = {
		{ .name = "cached", .addr = cached }, { .name = "default" }, { .name = "wc" },
	};
	unsigned int n;

	if (range->device != NULL)
		map_places(range, &places[1], &places[2]);
	for (n = 0; n < RTE_DIM(places); n++) {
		if (places[n].addr == NULL)
			continue;
		print_type(&places[n]);
		if (wait)
			show(&places[n]);
		time_sizes(&places[n], src, places[n].addr == cached ? sizeof(cached) : range->len,
			repeats);
	}
	if (places[2].addr != NULL) {
		print_delivered(range, places[2].addr);
		rte_pci_unmap_wc(range->device, places[2].addr);
	}
	return 0;
}

int
perf_copy_loop(const char *name, size_t nb_lines, unsigned int repeats)
{
	static alignas(RTE_WCIO_LINE) uint8_t cached[MAX_LINES * RTE_WCIO_LINE];
	static alignas(RTE_WCIO_LINE) uint8_t src[MAX_LINES * RTE_WCIO_LINE];
	struct way ways[MAX_WAYS];
	unsigned int nb_ways = find_ways(ways);
	unsigned int repeat, n;

	if (nb_lines == 0 || nb_lines > MAX_LINES) {
		fprintf(stderr, "wc-perf: %zu lines: use 1 to %d\n", nb_lines, MAX_LINES);
		return -EINVAL;
	}
	for (n = 0; n < nb_ways; n++) {
		if (strcmp(ways[n].name, name) != 0)
			continue;
		for (repeat = 0; repeat < repeats; repeat++)
			ways[n].copy(cached, src, nb_lines);
		return 0;
	}
	fprintf(stderr, "wc-perf: no way to copy '%s' on this CPU: use one of", name);
	for (n = 0; n < nb_ways; n++)
		fprintf(stderr, " %s", ways[n].name);
	fprintf(stderr, "\n");
	return -EINVAL;
}
