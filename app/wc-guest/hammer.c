/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * dpdk-wc-guest ... -- ivshmem-hammer PATH server|client ATTACK SECONDS SEED
 *
 * For devtools/attack-ivshmem: the peer with that role stores what it must not, as fast as it can.
 * It takes part in sessions, so that the other side looks at what it stores, but in nothing else.
 */

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_io.h>

#include "test_frame.h"
#include "test_region.h"
#include "wc_guest.h"

#define BEAT_MS 50
/* Stores between looks at the clock and at the other side's session */
#define ROUND 64

static struct ivshmem_region region = { .name = "hammer" };
static struct {
	unsigned int side;	/* whose role it plays */
	uint32_t session;
	uint64_t random;
	uint64_t stores, sessions;
} self;

static uint32_t
rnd(void)
{
	return test_frame_random(++self.random) >> 16;
}

static volatile struct ivshmem_side *
own_side(void)
{
	return &region.control->sides[self.side];
}

static volatile struct ivshmem_side *
other_side(void)
{
	return &region.control->sides[!self.side];
}

/* Of a ring that the other side consumes */
static volatile struct ivshmem_credit *
their_credit(uint32_t ring)
{
	return &region.control->credits[self.side][ring];
}

/* Of a ring that the other side produces */
static volatile struct ivshmem_credit *
own_credit(uint32_t ring)
{
	return &region.control->credits[!self.side][ring];
}

static void
put_header(uint32_t ring, uint32_t pos, uint32_t word)
{
	const uint32_t lap = pos / region.ring_lines;

	*(volatile uint32_t *)((volatile uint8_t *)region.control +
		ivshmem_ring_offset(region.rings, region.ring_lines, self.side, ring) +
		(uint64_t)(pos % region.ring_lines) * IVSHMEM_LINE) =
		lap << IVSHMEM_HEADER_LAP_SHIFT | word;
}

static void
write_queues(uint16_t nb_rxq, uint16_t nb_txq)
{
	own_side()->rx_queues = nb_rxq;
	own_side()->tx_queues = nb_txq;
}

/* Attacks: each stores something once. */

/* Lengths that can be and that cannot, just where the next packets are looked for */
static void
lengths(uint32_t ring)
{
	static const uint16_t lens[] = {
		60, 61, 124, 1514, 9238, 9239, 16383, 59, 1, 0, 60, 1522, 1523,
	};
	const uint32_t reserved = rnd() % 64 == 0 ? 0x8000 : 0;

	put_header(ring, their_credit(ring)->consumed + rnd() % (region.ring_lines / 2),
		lens[rnd() % RTE_DIM(lens)] | (rnd() & IVSHMEM_HEADER_FIRST) | reserved);
}

/* Both lengths can be; which one it is changes between two loads. */
static void
two_lengths(uint32_t ring)
{
	const uint32_t number = self.stores % (2 * region.ring_lines);

	put_header(ring, their_credit(ring)->consumed + number % region.ring_lines,
		IVSHMEM_HEADER_FIRST | (number < region.ring_lines ? 60 : 1514));
}

/* A packet in every line, of the lap that comes next */
static void
full_ring(uint32_t ring)
{
	put_header(ring, their_credit(ring)->consumed + self.stores % region.ring_lines,
		IVSHMEM_HEADER_FIRST | IVSHMEM_MIN_FRAME);
}

/* The ring is full of frames that are one byte longer than an MTU of 1500 with two tags allows. */
static void
oversized(uint32_t ring)
{
	const uint32_t len = 1500 + 14 + 2 * 4 + 1, step = ivshmem_lines(len);

	put_header(ring, their_credit(ring)->consumed +
		self.stores % (region.ring_lines / step) * step, IVSHMEM_HEADER_FIRST | len);
}

static void
credits_random(uint32_t ring)
{
	volatile struct ivshmem_credit *credit = own_credit(ring);

	credit->consumed = rnd() % 2 ? rnd() :
		credit->consumed + rnd() % (2 * region.ring_lines) - region.ring_lines;
}

static void
credits_backward(uint32_t ring)
{
	own_credit(ring)->consumed--;
}

static void
credits_ahead(uint32_t ring)
{
	own_credit(ring)->consumed = region.control->produced[!self.side].lines[ring] +
		rnd() % (2 * region.ring_lines);
}

/* As an honest consumer would, without looking at a frame: there is always room. */
static void
credits_honest(uint32_t ring)
{
	own_credit(ring)->consumed = region.control->produced[!self.side].lines[ring];
}

static void
produced(uint32_t ring)
{
	region.control->produced[self.side].lines[ring] = rnd();
}

static void
geometry(uint32_t ring __rte_unused)
{
	static const uint32_t lines[] = { 0, 1, 256, 300, 1024, 1 << 20, 1u << 31, UINT32_MAX };
	volatile struct ivshmem_geometry *shared = &region.control->geometry;

	shared->ring_lines = lines[rnd() % RTE_DIM(lines)];
	shared->rings = rnd() % 40;
	shared->size = rnd();
	shared->version = rnd() % 4;
	shared->magic = rnd() % 2 ? 0 : IVSHMEM_MAGIC;
}

/* What is right and what is not, in turn: a port that attaches may see one and then the other. */
static void
geometry_flips(uint32_t ring __rte_unused)
{
	volatile struct ivshmem_geometry *shared = &region.control->geometry;

	shared->ring_lines = self.stores % 2 ? region.ring_lines : IVSHMEM_MAX_RING_LINES;
	shared->rings = self.stores / 2 % 2 ? region.rings : IVSHMEM_MAX_RINGS;
}

static uint64_t
new_session(void)
{
	return (uint64_t)(uint32_t)other_side()->session << 32 | (rnd() | 1);
}

/* A number that is new each time, and that would be accepted */
static void
sessions(uint32_t ring __rte_unused)
{
	write_queues(1 + rnd() % region.rings, 1 + rnd() % region.rings);
	own_side()->session = new_session();
}

static void
queue_counts(uint32_t ring __rte_unused)
{
	static const uint16_t counts[] = { 0, 1, 2, 4, 16, 17, 255, UINT16_MAX };

	write_queues(counts[rnd() % RTE_DIM(counts)], counts[rnd() % RTE_DIM(counts)]);
	own_side()->session = new_session();
}

/* The line that only the other side may write */
static void
their_side(uint32_t ring __rte_unused)
{
	volatile struct ivshmem_side *side = other_side();

	side->session = rnd() % 3 ? 0 : (uint64_t)rnd() << 32 | rnd();
	side->heartbeat = rnd();
	side->rx_queues = rnd();
	side->tx_queues = rnd();
}

static void
heartbeats(uint32_t ring __rte_unused)
{
	own_side()->heartbeat = rnd();
}

/* Who sleeps, and which doorbell wakes it: each burst of the other side notifies somebody. */
static void
doorbells(uint32_t ring)
{
	own_side()->flags = rnd();
	own_side()->peer_id = rnd() % 2 ? rnd() : rnd() % 20;
	own_side()->vector = rnd() % 2 ? rnd() : rnd() % 20;
	own_credit(ring)->armed = rnd();
	credits_honest(ring);
}

/* What it does besides storing that */
enum {
	ANSWERS = 1,	/* takes part in sessions */
	BEATS = 2,
};

static const struct attack {
	const char *name;
	void (*store)(uint32_t ring);
	unsigned int does;
} attacks[] = {
	{ "lengths", lengths, ANSWERS | BEATS },
	{ "two-lengths", two_lengths, ANSWERS | BEATS },
	{ "full-ring", full_ring, ANSWERS | BEATS },
	{ "oversized", oversized, ANSWERS | BEATS },
	{ "credits-random", credits_random, ANSWERS | BEATS },
	{ "credits-backward", credits_backward, ANSWERS | BEATS },
	{ "credits-ahead", credits_ahead, ANSWERS | BEATS },
	{ "produced", produced, ANSWERS | BEATS },
	{ "geometry", geometry, 0 },
	{ "geometry-flips", geometry_flips, 0 },
	{ "sessions", sessions, BEATS },
	{ "queue-counts", queue_counts, BEATS },
	{ "their-side", their_side, BEATS },
	{ "heartbeats", heartbeats, ANSWERS },
	{ "doorbells", doorbells, ANSWERS | BEATS },
};

/* A number of its own, for the other side to know */
static void
start_session(void)
{
	write_queues(region.rings, region.rings);
	rte_io_wmb();
	own_side()->session = self.session;
}

/* As an honest peer would, but for the rings, which it does not clear. */
static void
answer(void)
{
	const uint64_t session = other_side()->session;
	const uint32_t number = session, known = session >> 32;
	uint32_t n;

	if (number == 0 || (known != 0 && known != self.session) ||
			own_side()->session == ((uint64_t)number << 32 | self.session))
		return;
	write_queues(region.rings, region.rings);
	for (n = 0; n < region.rings; n++)
		own_credit(n)->consumed = 0;
	own_side()->session = (uint64_t)number << 32 | self.session;
	self.sessions++;
}

static void
take_part(const struct attack *attack, uint64_t now)
{
	static uint64_t beaten;

	if ((attack->does & BEATS) != 0 && now - beaten > rte_get_timer_hz() / 1000 * BEAT_MS) {
		own_side()->heartbeat++;
		beaten = now;
	}
	if ((attack->does & ANSWERS) != 0)
		answer();
}

static void
hammer(const struct attack *attack, double seconds)
{
	const uint64_t end = rte_get_timer_cycles() + seconds * rte_get_timer_hz();
	uint64_t now;
	uint32_t ring, n;

	if ((attack->does & ANSWERS) != 0)
		start_session();
	while ((now = rte_get_timer_cycles()) < end) {
		take_part(attack, now);
		ring = rnd() % region.rings;
		for (n = 0; n < ROUND; n++, self.stores++)
			attack->store(ring);
	}
}

static const struct attack *
find_attack(const char *name)
{
	unsigned int n;

	for (n = 0; n < RTE_DIM(attacks); n++) {
		if (strcmp(attacks[n].name, name) == 0)
			return &attacks[n];
	}
	fprintf(stderr, "ivshmem-hammer: no attack '%s': use one of", name);
	for (n = 0; n < RTE_DIM(attacks); n++)
		fprintf(stderr, " %s", attacks[n].name);
	fprintf(stderr, "\n");
	return NULL;
}

static int
hammer_main(int argc, char **argv)
{
	struct ivshmem_geometry kept;
	const struct attack *attack;

	if (argc != 6) {
		fprintf(stderr, "usage: dpdk-wc-guest ... -- ivshmem-hammer PATH server|client ATTACK "
			"SECONDS SEED\n");
		return -1;
	}
	attack = find_attack(argv[3]);
	if (attack == NULL || test_region_map(argv[1], &region) != 0)
		return -1;
	self.side = strcmp(argv[2], "client") == 0;
	self.random = strtoull(argv[5], NULL, 0) << 32;
	self.session = rnd() | 1;
	memcpy(&kept, (const void *)(uintptr_t)&region.control->geometry, sizeof(kept));
	hammer(attack, strtod(argv[4], NULL));
	/* The ports have a copy; one that comes later needs a layout. */
	memcpy((void *)(uintptr_t)&region.control->geometry, &kept, sizeof(kept));
	printf("stores %" PRIu64 " sessions %" PRIu64 "\n", self.stores, self.sessions);
	return 0;
}

const struct wc_guest_program ivshmem_hammer_program = {
	.name = "ivshmem-hammer",
	.main = hammer_main,
};
