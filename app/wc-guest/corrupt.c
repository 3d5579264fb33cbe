/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * dpdk-wc-guest ... -- ivshmem-corrupt PATH SECONDS SEED
 *
 * Overwrites the memory of two running peers at random: control area, headers at the positions
 * where they expect packets, whole lines.
 */

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_cycles.h>

#include "check.h"
#include "test_frame.h"
#include "test_region.h"
#include "wc_guest.h"

#define PAUSE_US 200

enum what {
	CONTROL_WORD, CONTROL_LINE, SIDE, CREDIT, PRODUCED, HEADER, SLOT_WORD, SLOT_LINE, GEOMETRY,
	NB_WHAT
};

static const char * const names[NB_WHAT] = {
	"control_words", "control_lines", "sides", "credits", "produced", "headers", "slot_words",
	"slot_lines", "geometry",
};

/* Of 1000; what takes the link down is rare, so that there is traffic for the others to meet. */
static const unsigned int weights[NB_WHAT] = { 2, 2, 4, 60, 40, 500, 280, 110, 2 };

static struct ivshmem_region region = { .name = "corrupt" };
static uint64_t random_state, counts[NB_WHAT];

static uint32_t
rnd(void)
{
	return test_frame_random(++random_state) >> 16;
}

static volatile uint8_t *
bytes(void)
{
	return (volatile uint8_t *)region.control;
}

/* What could be meant, what nearly could, and anything. */
static uint32_t
value_near(uint32_t now)
{
	switch (rnd() % 6) {
	case 0:
		return 0;
	case 1:
		return UINT32_MAX;
	case 2:
		return now + rnd() % 64 - 32;
	case 3:
		return now + rnd() % (2 * region.ring_lines) - region.ring_lines;
	case 4:
		return rnd() % 32;
	default:
		return rnd();
	}
}

static void
change_word(uint64_t offset)
{
	volatile uint32_t *word = (volatile uint32_t *)(bytes() + RTE_ALIGN_FLOOR(offset, 4));

	*word = value_near(*word);
}

/* A line of noise, or one that stands somewhere else */
static void
change_line(uint64_t offset)
{
	volatile uint64_t *line = (volatile uint64_t *)(bytes() +
		RTE_ALIGN_FLOOR(offset, IVSHMEM_LINE));
	const volatile uint64_t *other = (const volatile uint64_t *)(bytes() +
		RTE_ALIGN_FLOOR(rnd() % region.size, IVSHMEM_LINE));
	const bool copy = rnd() % 2;
	unsigned int n;

	for (n = 0; n < IVSHMEM_LINE / sizeof(*line); n++)
		line[n] = copy ? other[n] : test_frame_random(++random_state);
}

/* Near to where the consumer looks, with a lap that can be right */
static void
change_header(void)
{
	const uint32_t direction = rnd() % 2, ring = rnd() % region.rings;
	const uint32_t consumed = region.control->credits[direction][ring].consumed;
	const uint32_t pos = consumed + rnd() % (region.ring_lines / 2);
	const uint32_t lap = pos / region.ring_lines;
	static const uint32_t lens[] = { 0, 1, 59, 60, 61, 1514, 1523, 9216, 9238, 9239, 0x3fff };
	uint32_t len = rnd() % 2 ? lens[rnd() % RTE_DIM(lens)] : rnd() % 0x10000;

	if (rnd() % 2)
		len |= IVSHMEM_HEADER_FIRST;
	*(volatile uint32_t *)(bytes() +
		ivshmem_ring_offset(region.rings, region.ring_lines, direction, ring) +
		(uint64_t)(pos % region.ring_lines) * IVSHMEM_LINE) =
		lap << IVSHMEM_HEADER_LAP_SHIFT | len;
}

static void
change(enum what what)
{
	const uint64_t slots = region.size - IVSHMEM_CONTROL_SIZE;

	counts[what]++;
	switch (what) {
	case CONTROL_WORD:
		change_word(rnd() % sizeof(struct ivshmem_control));
		break;
	case CONTROL_LINE:
		change_line(rnd() % sizeof(struct ivshmem_control));
		break;
	case SIDE:
		change_word(offsetof(struct ivshmem_control, sides[rnd() % 2]) + rnd() % 20);
		break;
	case CREDIT:
		change_word(offsetof(struct ivshmem_control, credits[rnd() % 2][0]) +
			rnd() % region.rings * IVSHMEM_LINE + rnd() % 8);
		break;
	case PRODUCED:
		change_word(offsetof(struct ivshmem_control, produced[rnd() % 2]) +
			rnd() % region.rings * 4);
		break;
	case HEADER:
		change_header();
		break;
	case SLOT_WORD:
		change_word(IVSHMEM_CONTROL_SIZE + rnd() % slots);
		break;
	case SLOT_LINE:
		change_line(IVSHMEM_CONTROL_SIZE + rnd() % slots);
		break;
	default:
		change_word(rnd() % 36);
	}
}

static enum what
choose(void)
{
	unsigned int left = rnd() % 1000, n;

	for (n = 0; n < NB_WHAT - 1 && left >= weights[n]; n++)
		left -= weights[n];
	return n;
}

static int
corrupt_main(int argc, char **argv)
{
	struct ivshmem_geometry geometry;
	uint64_t end, n;

	if (argc != 4) {
		fprintf(stderr, "usage: dpdk-wc-guest ... -- ivshmem-corrupt PATH SECONDS SEED\n");
		return -1;
	}
	random_state = strtoull(argv[3], NULL, 0) << 32;
	CHECK(test_region_map(argv[1], &region) == 0);
	memcpy(&geometry, (const void *)(uintptr_t)&region.control->geometry, sizeof(geometry));
	end = rte_get_timer_cycles() + strtoull(argv[2], NULL, 0) * rte_get_timer_hz();
	for (n = 0; rte_get_timer_cycles() < end; n++) {
		change(choose());
		if (n % 4 == 0)
			rte_delay_us_sleep(rnd() % PAUSE_US);
	}
	/* The ports have a copy; who comes later wants to find a layout. */
	memcpy((void *)(uintptr_t)&region.control->geometry, &geometry, sizeof(geometry));
	for (n = 0; n < NB_WHAT; n++)
		printf("%s %" PRIu64 " ", names[n], counts[n]);
	printf("seed %s\n", argv[3]);
	return 0;
}

const struct wc_guest_program ivshmem_corrupt_program = {
	.name = "ivshmem-corrupt",
	.main = corrupt_main,
};
