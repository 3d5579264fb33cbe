/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * One CPU writes lines to a ring in shared memory, the other one reads and checks them: nothing
 * that passes 64 bytes from one process to another can be faster. A line is complete when all its
 * words have the value of its position, whatever the order in which they arrive, so that no
 * barriers are needed. The best combination of a ring's length and the kind of stores is chosen
 * first, as it depends on the caches that the CPUs share.
 */

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_vect.h>

#include "perf_cpus.h"
#include "wc_perf.h"

#define LINE 64
#define MAX_RING (1 << 18)
#define BURST 32	/* lines between looks at the position of the other CPU */
#define BURSTS 64	/* between looks at the clock */
#define TRIAL_NS 2e6
#define FINAL_NS 2e7

static const uint32_t lengths[] = { 1 << 10, 1 << 12, 1 << 14, 1 << 16, MAX_RING };

struct line {
	alignas(LINE) uint64_t words[LINE / sizeof(uint64_t)];
};

struct ring {
	struct line *lines;
	uint64_t nb_lines;	/* a power of two */
	bool streaming;
	/* Each of its own writer */
	alignas(2 * RTE_CACHE_LINE_SIZE) RTE_ATOMIC(uint64_t) consumed;
	alignas(2 * RTE_CACHE_LINE_SIZE) RTE_ATOMIC(bool) stop;
};

#if defined(RTE_ARCH_X86)

static __rte_always_inline void
store(struct line *line, uint64_t value, const bool streaming)
{
	const __m128i both = _mm_set1_epi64x(value);
	__m128i *to = (__m128i *)line;
	unsigned int n;

	for (n = 0; n < LINE / sizeof(both); n++) {
		if (streaming)
			_mm_stream_si128(to + n, both);
		else
			_mm_store_si128(to + n, both);
	}
	/* Stores of several lines must not be merged or removed. */
	rte_compiler_barrier();
}

/* Whether all words of a line have a value. */
static __rte_always_inline bool
has_arrived(const struct line *line, uint64_t value)
{
	const __m128i both = _mm_set1_epi64x(value);
	const __m128i *from = (const __m128i *)line;
	unsigned int n;
	__m128i same;

	rte_compiler_barrier();
	same = _mm_cmpeq_epi32(from[0], both);
	for (n = 1; n < LINE / sizeof(both); n++)
		same = _mm_and_si128(same, _mm_cmpeq_epi32(from[n], both));
	return _mm_movemask_epi8(same) == 0xffff;
}

#else

static __rte_always_inline void
store(struct line *line, uint64_t value, const bool streaming)
{
	unsigned int n;

	RTE_SET_USED(streaming);
	for (n = 0; n < RTE_DIM(line->words); n++)
		line->words[n] = value;
	rte_compiler_barrier();
}

static __rte_always_inline bool
has_arrived(const struct line *line, uint64_t value)
{
	uint64_t wrong = 0;
	unsigned int n;

	rte_compiler_barrier();
	for (n = 0; n < RTE_DIM(line->words); n++)
		wrong |= line->words[n] ^ value;
	return wrong == 0;
}

#endif

static __rte_always_inline void
produce(struct ring *ring, const bool streaming)
{
	const uint64_t mask = ring->nb_lines - 1;
	uint64_t pos = 0, limit = ring->nb_lines, end;

	while (!rte_atomic_load_explicit(&ring->stop, rte_memory_order_relaxed)) {
		if (limit - pos < BURST) {
			limit = ring->nb_lines +
				rte_atomic_load_explicit(&ring->consumed, rte_memory_order_acquire);
			continue;
		}
		for (end = pos + BURST; pos < end; pos++)
			store(&ring->lines[pos & mask], pos + 1, streaming);
	}
}

static void *
run_producer(void *arg)
{
	struct ring *ring = arg;

	if (ring->streaming)
		produce(ring, true);
	else
		produce(ring, false);
	return NULL;
}

/* Lines consumed from pos on, at most a burst. */
static __rte_always_inline uint64_t
consume(const struct ring *ring, uint64_t pos)
{
	const uint64_t mask = ring->nb_lines - 1;
	unsigned int n;

	for (n = 0; n < BURST && has_arrived(&ring->lines[(pos + n) & mask], pos + n + 1); n++)
		;
	return n;
}

/* Consume for a while, from pos on; returns the next position. */
static __rte_always_inline uint64_t
consume_bursts(struct ring *ring, uint64_t pos, uint64_t *published)
{
	const uint64_t batch = ring->nb_lines / 8;
	unsigned int n;

	for (n = 0; n < BURSTS; n++) {
		pos += consume(ring, pos);
		if (pos - *published < batch)
			continue;
		rte_atomic_store_explicit(&ring->consumed, pos, rte_memory_order_release);
		*published = pos;
	}
	return pos;
}

/* Lines per cycle, of at least one lap and so many cycles after the first laps. */
static double
time_lines(struct ring *ring, uint64_t cycles)
{
	uint64_t pos = 0, published = 0, first, start, now;

	while (pos < 2 * ring->nb_lines)
		pos = consume_bursts(ring, pos, &published);
	first = pos;
	start = rte_rdtsc();
	do {
		pos = consume_bursts(ring, pos, &published);
		now = rte_rdtsc();
	} while (now - start < cycles || pos - first < ring->nb_lines);
	return (double)(pos - first) / (now - start);
}

/* As above, with a producer on the other CPU; negative if it cannot be started. */
static double
run(const unsigned int cpus[2], struct ring *ring, uint64_t cycles)
{
	pthread_t producer;
	double rate;

	memset(ring->lines, 0, ring->nb_lines * LINE);
	rte_atomic_store_explicit(&ring->consumed, 0, rte_memory_order_relaxed);
	rte_atomic_store_explicit(&ring->stop, false, rte_memory_order_relaxed);
	if (perf_cpus_start(cpus, run_producer, ring, &producer) < 0)
		return -1;
	rate = time_lines(ring, cycles);
	rte_atomic_store_explicit(&ring->stop, true, rte_memory_order_relaxed);
	pthread_join(producer, NULL);
	return rate;
}

/* Choose the fastest kind of ring; 0 or -1. */
static int
choose(const unsigned int cpus[2], struct ring *ring, uint64_t cycles)
{
	uint64_t nb_lines = 0;
	bool streaming = false;
	double best = 0, rate;
	unsigned int n;

	for (n = 0; n < 2 * RTE_DIM(lengths); n++) {
		ring->nb_lines = lengths[n / 2];
		ring->streaming = n % 2;
		rate = run(cpus, ring, cycles);
		if (rate < 0)
			return -1;
		if (rate > best) {
			best = rate;
			nb_lines = ring->nb_lines;
			streaming = ring->streaming;
		}
	}
	ring->nb_lines = nb_lines;
	ring->streaming = streaming;
	return 0;
}

int
perf_stream(int argc, char **argv)
{
	struct ring ring = { 0 };
	unsigned int cpus[2];
	double clock, rate;

	if (perf_cpus_parse(argc, argv, cpus) < 0)
		return -EINVAL;
	/* As between processes: not one of the huge pages of anonymous memory */
	ring.lines = mmap(NULL, MAX_RING * LINE, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ring.lines == MAP_FAILED) {
		fprintf(stderr, "wc-perf: no memory for %d lines: %s\n", MAX_RING,
			strerror(errno));
		return -ENOMEM;
	}
	clock = perf_cpus_clock();
	rate = choose(cpus, &ring, TRIAL_NS * clock) == 0 ? run(cpus, &ring, FINAL_NS * clock) : -1;
	if (rate >= 0)
		printf("lines from CPU %u to %u: %.2f M/s, %s stores, ring of %" PRIu64 " lines\n",
			cpus[1], cpus[0], rate * clock * 1e3,
			ring.streaming ? "streaming" : "ordinary", ring.nb_lines);
	munmap(ring.lines, MAX_RING * LINE);
	return rate >= 0 ? 0 : -EINVAL;
}
