/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wc_lint.h"

#define LINE 64
#define MAX_RINGS 4
#define MAX_FLAGS 4
#define MAX_FINDINGS 256

/* A moment, and who made it. Moments count accesses; 0 is never. */
struct event {
	uint64_t at;
	uint64_t site;
};

struct ring {
	struct lint_ring layout;
	bool known;		/* whether something has been announced */
	uint32_t produced;	/* for headers: the line after the packet announced last */
	struct event announced;
	struct event index_load[WC_MAX_CPUS];
	struct event line_load[WC_MAX_CPUS];
};

struct cpu {
	uint64_t stores_ordered;	/* all stores before are */
	uint64_t loads_ordered;
	uint64_t all_ordered;
	struct event wc_store;		/* the last one */
};

struct line {
	uint64_t written;
	uint64_t announced;
};

struct range {
	uint64_t offset;
	uint64_t size;
};

struct lint {
	enum lint_arch arch;
	uint64_t bar_size;
	uint64_t clock;
	unsigned int nb_rings;
	unsigned int nb_flags;
	size_t nb_findings;
	uint64_t lost;
	struct line *lines;
	struct ring rings[MAX_RINGS];
	struct range flags[MAX_FLAGS];
	struct cpu cpus[WC_MAX_CPUS];
	struct lint_finding findings[MAX_FINDINGS];
};

struct lint *
lint_create(enum lint_arch arch, uint64_t bar_size)
{
	struct lint *lint = calloc(1, sizeof(*lint));

	if (lint == NULL)
		return NULL;
	lint->arch = arch;
	lint->bar_size = bar_size;
	lint->lines = calloc(bar_size / LINE + 1, sizeof(*lint->lines));
	if (lint->lines == NULL) {
		free(lint);
		return NULL;
	}
	return lint;
}

void
lint_free(struct lint *lint)
{
	if (lint == NULL)
		return;
	free(lint->lines);
	free(lint);
}

static bool
wc_lint_in_bar(const struct lint *lint, uint64_t offset, uint64_t size)
{
	return offset <= lint->bar_size && size <= lint->bar_size - offset;
}

int
lint_add_ring(struct lint *lint, const struct lint_ring *ring)
{
	uint32_t nb_lines = ring->nb_lines;

	if (lint->nb_rings == MAX_RINGS)
		return -ENOSPC;
	if (nb_lines == 0 || (nb_lines & (nb_lines - 1)) != 0 || ring->slots % LINE != 0 ||
			!wc_lint_in_bar(lint, ring->slots, (uint64_t)nb_lines * LINE) ||
			(ring->header_len == 0 &&
			!wc_lint_in_bar(lint, ring->produced, sizeof(uint32_t))) ||
			!wc_lint_in_bar(lint, ring->consumed, sizeof(uint32_t)))
		return -EINVAL;
	lint->rings[lint->nb_rings++].layout = *ring;
	return 0;
}

int
lint_add_flags(struct lint *lint, uint64_t offset, uint64_t size)
{
	if (lint->nb_flags == MAX_FLAGS)
		return -ENOSPC;
	if (!wc_lint_in_bar(lint, offset, size))
		return -EINVAL;
	lint->flags[lint->nb_flags++] = (struct range){ offset, size };
	return 0;
}

static void
wc_lint_find(struct lint *lint, enum lint_rule rule, uint64_t site, uint64_t other, uint64_t offset)
{
	struct lint_finding *finding;

	for (size_t n = 0; n < lint->nb_findings; n++) {
		finding = &lint->findings[n];
		if (finding->rule == rule && finding->site == site && finding->other == other) {
			finding->number++;
			return;
		}
	}
	if (lint->nb_findings == MAX_FINDINGS) {
		lint->lost++;
		return;
	}
	finding = &lint->findings[lint->nb_findings++];
	*finding = (struct lint_finding){ rule, site, other, offset, 1 };
}

/* The ring that a line belongs to. */
static struct ring *
wc_lint_ring_of(struct lint *lint, uint64_t offset)
{
	for (unsigned int n = 0; n < lint->nb_rings; n++) {
		const struct lint_ring *ring = &lint->rings[n].layout;

		if (offset >= ring->slots && offset - ring->slots < (uint64_t)ring->nb_lines * LINE)
			return &lint->rings[n];
	}
	return NULL;
}

static bool
wc_lint_is_flag(const struct lint *lint, uint64_t offset)
{
	for (unsigned int n = 0; n < lint->nb_flags; n++) {
		if (offset >= lint->flags[n].offset &&
				offset - lint->flags[n].offset < lint->flags[n].size)
			return true;
	}
	return false;
}

static void
wc_lint_check_flushed(struct lint *lint, unsigned int cpu, uint64_t offset, uint64_t site)
{
	const struct cpu *c = &lint->cpus[cpu];

	if (c->wc_store.at > c->stores_ordered)
		wc_lint_find(lint, LINT_UNFLUSHED, site, c->wc_store.site, offset);
}

/* All lines that a count announces have to be newer than their last announcement. */
static void
wc_lint_announce(struct lint *lint, struct ring *ring, uint32_t value, uint64_t site)
{
	const struct lint_ring *layout = &ring->layout;
	uint32_t first = ring->known ? ring->produced : value;

	if (value - first > layout->nb_lines) {
		wc_lint_find(lint, LINT_UNWRITTEN, site, 0, layout->produced);
		first = value;
	}
	for (uint32_t n = first; n != value; n++) {
		uint64_t offset = layout->slots + (uint64_t)(n & (layout->nb_lines - 1)) * LINE;
		struct line *line = &lint->lines[offset / LINE];

		if (line->written <= line->announced)
			wc_lint_find(lint, LINT_UNWRITTEN, site, 0, offset);
		line->announced = lint->clock;
	}
	ring->known = true;
	ring->produced = value;
}

static struct line *
wc_lint_line_of(struct lint *lint, const struct ring *ring, uint32_t number)
{
	const struct lint_ring *layout = &ring->layout;

	return &lint->lines[layout->slots / LINE + (number & (layout->nb_lines - 1))];
}

/*
 * The header of a packet announces all of a burst. Its own packet has to be there; how far the burst
 * goes is known when the next one is announced: none of its lines is newer than its announcement.
 */
static void
wc_lint_announce_packet(struct lint *lint, struct ring *ring, uint64_t offset, uint32_t header,
	uint64_t site)
{
	const uint32_t nb_lines =
		((header & ring->layout.header_len) + sizeof(header) + LINE - 1) / LINE;
	const uint32_t mask = ring->layout.nb_lines - 1;
	const uint32_t first = (offset - ring->layout.slots) / LINE;
	struct line *line;

	for (uint32_t n = ring->known ? ring->produced : first; n != first; n = (n + 1) & mask) {
		line = wc_lint_line_of(lint, ring, n);
		if (line->written > ring->announced.at)
			wc_lint_find(lint, LINT_UNWRITTEN, ring->announced.site, 0,
				ring->layout.slots + (uint64_t)n * LINE);
		line->announced = lint->clock;
	}
	/* The header's store counts for its own line. */
	wc_lint_line_of(lint, ring, first)->announced = lint->clock;
	for (uint32_t n = 1; n < nb_lines; n++) {
		line = wc_lint_line_of(lint, ring, first + n);
		if (line->written <= line->announced)
			wc_lint_find(lint, LINT_UNWRITTEN, site, 0, offset);
		line->announced = lint->clock;
	}
	ring->known = true;
	ring->produced = (first + nb_lines) & mask;
	ring->announced = (struct event){ lint->clock, site };
}

static bool
wc_lint_is_header(const struct ring *ring, uint64_t offset)
{
	const struct lint_ring *layout = &ring->layout;

	return layout->header_len != 0 && offset >= layout->slots && offset % LINE == 0 &&
		offset - layout->slots < (uint64_t)layout->nb_lines * LINE;
}

static void
wc_lint_store_uncached(struct lint *lint, unsigned int cpu, uint64_t offset, const uint32_t *value,
	uint64_t site)
{
	wc_lint_check_flushed(lint, cpu, offset, site);
	for (unsigned int n = 0; n < lint->nb_rings; n++) {
		struct ring *ring = &lint->rings[n];
		const struct event *load = &ring->line_load[cpu];

		if (wc_lint_is_header(ring, offset) && value != NULL)
			wc_lint_announce_packet(lint, ring, offset, *value, site);
		else if (ring->layout.header_len == 0 && offset == ring->layout.produced &&
				value != NULL)
			wc_lint_announce(lint, ring, *value, site);
		/*
		 * x86 does not let a store pass an older load (Intel SDM vol. 3A, "Memory Ordering
		 * in P6 and More Recent Processor Families").
		 */
		if (offset == ring->layout.consumed && lint->arch != LINT_X86 &&
				load->at > lint->cpus[cpu].loads_ordered)
			wc_lint_find(lint, LINT_EARLY_RELEASE, site, load->site, offset);
	}
}

static void
wc_lint_store_combining(struct lint *lint, unsigned int cpu, uint64_t offset, uint32_t size,
		uint64_t site)
{
	if (wc_lint_is_flag(lint, offset))
		wc_lint_check_flushed(lint, cpu, offset, site);
	if (offset / LINE != (offset + size - 1) / LINE)
		wc_lint_find(lint, LINT_TORN_STORE, site, 0, offset);
	lint->cpus[cpu].wc_store = (struct event){ lint->clock, site };
}

void
lint_store(struct lint *lint, unsigned int cpu, enum wc_type type, uint64_t offset, uint32_t size,
	const uint32_t *value, uint64_t site)
{
	if (size == 0 || !wc_lint_in_bar(lint, offset, size))
		return;
	lint->clock++;
	for (uint64_t n = offset / LINE; n <= (offset + size - 1) / LINE; n++)
		lint->lines[n].written = lint->clock;
	if (type == WC_TYPE_UC)
		wc_lint_store_uncached(lint, cpu, offset, value, site);
	else
		wc_lint_store_combining(lint, cpu, offset, size, site);
}

static void
wc_lint_load_index(struct lint *lint, unsigned int cpu, uint64_t offset, uint64_t site)
{
	for (unsigned int n = 0; n < lint->nb_rings; n++) {
		struct ring *ring = &lint->rings[n];

		if (ring->layout.header_len == 0 ? offset == ring->layout.produced :
				wc_lint_is_header(ring, offset))
			ring->index_load[cpu] = (struct event){ lint->clock, site };
	}
}

static void
wc_lint_load_line(struct lint *lint, unsigned int cpu, uint64_t offset, bool streaming,
		uint64_t site)
{
	const struct cpu *c = &lint->cpus[cpu];
	struct ring *ring = wc_lint_ring_of(lint, offset);

	if (ring == NULL)
		return;
	if (ring->index_load[cpu].at > (streaming && lint->arch == LINT_X86 ? c->all_ordered :
			c->loads_ordered))
		wc_lint_find(lint, LINT_EARLY_LOAD, site, ring->index_load[cpu].site, offset);
	ring->line_load[cpu] = (struct event){ lint->clock, site };
}

void
lint_load(struct lint *lint, unsigned int cpu, enum wc_type type, uint64_t offset, uint32_t size,
	bool streaming, uint64_t site)
{
	if (size == 0 || !wc_lint_in_bar(lint, offset, size))
		return;
	lint->clock++;
	if (type == WC_TYPE_UC) {
		wc_lint_load_index(lint, cpu, offset, site);
		return;
	}
	if (!streaming)
		wc_lint_find(lint, LINT_PLAIN_LOAD, site, 0, offset);
	wc_lint_load_line(lint, cpu, offset, streaming, site);
}

void
lint_barrier(struct lint *lint, unsigned int cpu, enum lint_order order)
{
	bool counts = lint->arch == LINT_X86 ||
		(order != LINT_ORDER_LOCKED && order != LINT_ORDER_SERIALISING);

	if (counts && order != LINT_ORDER_LOADS)
		lint->cpus[cpu].stores_ordered = lint->clock;
	if (counts && order != LINT_ORDER_STORES)
		lint->cpus[cpu].loads_ordered = lint->clock;
	if (counts && order != LINT_ORDER_STORES && order != LINT_ORDER_LOADS)
		lint->cpus[cpu].all_ordered = lint->clock;
}

void
lint_kernel(struct lint *lint, unsigned int cpu)
{
	struct cpu *c = &lint->cpus[cpu];

	c->stores_ordered = c->loads_ordered = c->all_ordered = lint->clock;
}

const struct lint_finding *
lint_findings(const struct lint *lint, size_t *number, uint64_t *lost)
{
	*number = lint->nb_findings;
	*lost = lint->lost;
	return lint->findings;
}

const char *
lint_rule_name(enum lint_rule rule)
{
	static const char * const names[LINT_NB_RULES] = {
		[LINT_UNFLUSHED] = "unflushed", [LINT_UNWRITTEN] = "unwritten",
		[LINT_EARLY_LOAD] = "early-load", [LINT_EARLY_RELEASE] = "early-release",
		[LINT_PLAIN_LOAD] = "plain-load", [LINT_TORN_STORE] = "torn-store",
	};

	return names[rule];
}

const char *
lint_arch_name(enum lint_arch arch)
{
	return arch == LINT_X86 ? "x86" : "arm64";
}
