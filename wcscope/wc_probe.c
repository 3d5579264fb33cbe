/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * Times non-temporal stores to ordinary memory, which are collected in the buffers that stores to
 * write-combining memory use (Intel SDM vol. 1, "Caching of Temporal vs. Non-Temporal Data"; AMD APM
 * vol. 2, "Write-Combining Buffers"). Each line of the output is a time in nanoseconds, the least of some:
 *
 *     streams STREAMS NS    a line, by stores of 8 bytes to so many streams in turns
 *     none FRESH NS         a round of stores of 8 bytes to so many fresh lines
 *     kept FRESH NS         the same with a store to a line that completes in eight rounds
 *     fence BYTES NS        so many bytes of a line and a fence
 */

#include <immintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LINE 64
#define WORD 8
#define MAX_STREAMS 24
#define STREAM_BYTES (16 * 1024)
#define STREAM_STRIDE (STREAM_BYTES + 4096 + LINE)	/* neither pages nor sets of a cache coincide */
#define MAX_FRESH 16
#define FRESH_LINES 8192
#define FRESH_STRIDE (5 * LINE)
#define KEPT_LINES 256
#define ROUNDS 2000
#define TRIES 40

static char *streams, *fresh, *kept;

static double
wc_probe_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

static void
wc_probe_store(char *address, long long value)
{
	_mm_stream_si64((long long *)address, value);
}

static void
wc_probe_store_streams(unsigned int nb_streams)
{
	for (size_t offset = 0; offset < STREAM_BYTES; offset += WORD) {
		for (size_t stream = 0; stream < nb_streams; stream++)
			wc_probe_store(streams + stream * STREAM_STRIDE + offset, offset);
	}
	_mm_sfence();
}

static void
wc_probe_store_fresh(unsigned int nb_fresh)
{
	size_t line = 0;

	for (unsigned int round = 0; round < ROUNDS; round++) {
		for (unsigned int n = 0; n < nb_fresh; n++)
			wc_probe_store(fresh + line++ % FRESH_LINES * FRESH_STRIDE, round);
	}
	_mm_sfence();
}

static void
wc_probe_store_kept(unsigned int nb_fresh)
{
	size_t line = 0;

	for (unsigned int round = 0; round < ROUNDS; round++) {
		wc_probe_store(kept + round / 8 % KEPT_LINES * LINE + round % 8 * WORD, round);
		for (unsigned int n = 0; n < nb_fresh; n++)
			wc_probe_store(fresh + line++ % FRESH_LINES * FRESH_STRIDE, round);
	}
	_mm_sfence();
}

static void
wc_probe_store_and_fence(unsigned int nb_bytes)
{
	for (unsigned int round = 0; round < ROUNDS; round++) {
		for (unsigned int offset = 0; offset < nb_bytes; offset += WORD)
			wc_probe_store(kept + round % KEPT_LINES * LINE + offset, round);
		_mm_sfence();
	}
}

/* The least is that without an interruption. */
static void
wc_probe_time(const char *what, void (*run)(unsigned int), unsigned int argument, unsigned int per)
{
	double least = 0, start, ns;

	for (unsigned int n = 0; n < TRIES; n++) {
		start = wc_probe_now();
		run(argument);
		ns = (wc_probe_now() - start) / per;
		if (n == 0 || ns < least)
			least = ns;
	}
	printf("%s %u %.2f\n", what, argument, least);
}

static void
wc_probe_run(void)
{
	for (unsigned int n = 1; n <= MAX_STREAMS; n++)
		wc_probe_time("streams", wc_probe_store_streams, n, n * (STREAM_BYTES / LINE));
	for (unsigned int n = 2; n <= MAX_FRESH; n++) {
		wc_probe_time("none", wc_probe_store_fresh, n, ROUNDS);
		wc_probe_time("kept", wc_probe_store_kept, n, ROUNDS);
	}
	wc_probe_time("fence", wc_probe_store_and_fence, LINE, ROUNDS);
	wc_probe_time("fence", wc_probe_store_and_fence, LINE - WORD, ROUNDS);
}

/* Written to once, so that no page fault is timed. */
static char *
wc_probe_allocate(size_t size)
{
	char *memory = aligned_alloc(4096, (size + 4095) / 4096 * 4096);

	if (memory == NULL) {
		fprintf(stderr, "wc-probe: no memory\n");
		exit(1);
	}
	memset(memory, 1, size);
	return memory;
}

int
main(void)
{
	streams = wc_probe_allocate(MAX_STREAMS * STREAM_STRIDE);
	fresh = wc_probe_allocate(FRESH_LINES * FRESH_STRIDE);
	kept = wc_probe_allocate(KEPT_LINES * LINE);
	wc_probe_run();
	free(kept);
	free(fresh);
	free(streams);
	return 0;
}
