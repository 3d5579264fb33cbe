/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * wc-stores BDF
 *
 * Maps BAR 2 twice, as it is and write-combining, and makes patterns of loads and stores there, for a test of what an
 * observer sees of them. Prints "bar ADDRESS TYPE, alias ADDRESS TYPE", then reads the name of a pattern from each line
 * and says "done" when it has been made.
 */

#include <emmintrin.h>
#include <immintrin.h>
#include <sys/mman.h>

/* Its stores are static. */
#include "delivered.c"
#include "page_type.h"
#include "vfio.h"

#define BAR 2

static volatile uint8_t *bar, *alias;

static void
words(volatile uint8_t *to)
{
	for (int n = 0; n < 16; n++)
		*(volatile uint32_t *)(to + 4 * n) = n;
}

static void
uncached(void)
{
	words(bar + 4096);
}

static void
combined(void)
{
	words(alias + 4096);
}

static void
partial(void)
{
	*(volatile uint64_t *)(alias + 4096) = 1;
	_mm_sfence();
}

/* More lines at once than there are buffers. */
static void
interleaved(void)
{
	for (int half = 0; half < 2; half++)
		for (int line = 0; line < 40; line++)
			for (int n = 0; n < 4; n++)
				*(volatile uint64_t *)(alias + 4096 + line * LINE + half * 32 + n * 8) = n;
	_mm_sfence();
}

static void
sse(void)
{
	for (int n = 0; n < 4; n++)
		_mm_stream_si128((__m128i *)(uintptr_t)(bar + 4096 + 16 * n), _mm_set1_epi8(n));
}

__attribute__((target("avx2")))
static void
avx2(void)
{
	for (int n = 0; n < 2; n++)
		_mm256_storeu_si256((__m256i *)(uintptr_t)(bar + 4096 + 32 * n), _mm256_set1_epi8(n));
}

__attribute__((target("sse4.1")))
static void
streaming(void)
{
	__m128i sum = _mm_setzero_si128();

	for (int n = 0; n < 4; n++)
		sum = _mm_xor_si128(sum, _mm_stream_load_si128((__m128i *)(uintptr_t)(alias + 4096 + 16 * n)));
	asm volatile("" : : "x"(sum));
}

/* Nothing but a system call flushes this. */
static void
kernel(void)
{
	*(volatile uint64_t *)(alias + 4096) = 1;
	getppid();
}

static void
locked(void)
{
	int here = 0;

	*(volatile uint64_t *)(alias + 4096) = 1;
	asm volatile("lock incl %0" : "+m"(here));
}

/* The doorbell comes before the fence. */
static void
doorbell(void)
{
	*(volatile uint64_t *)(alias + 4096) = 1;
	*(volatile uint32_t *)bar = 1;
	_mm_sfence();
}

/* What the timing of "delivered" compares */
static void
lines(void)
{
	delivered_store_lines((volatile uint64_t *)(alias + 4096), 1);
	delivered_drain((volatile uint64_t *)(alias + 4096));
}

static void
scattered(void)
{
	delivered_store_scattered((volatile uint64_t *)(alias + 4096), 1);
	delivered_drain((volatile uint64_t *)(alias + 4096));
}

static void
lines_uncached(void)
{
	delivered_store_lines((volatile uint64_t *)(bar + 4096), 1);
	delivered_drain((volatile uint64_t *)(bar + 4096));
}

static const struct {
	const char *name;
	void (*run)(void);
} patterns[] = {
	{ "uncached", uncached }, { "combined", combined }, { "partial", partial },
	{ "interleaved", interleaved }, { "sse", sse }, { "avx2", avx2 }, { "streaming", streaming },
	{ "kernel", kernel }, { "locked", locked }, { "doorbell", doorbell },
	{ "lines", lines }, { "scattered", scattered }, { "lines-uncached", lines_uncached },
};

static int
run(char *line)
{
	line[strcspn(line, "\r\n")] = '\0';
	for (size_t n = 0; n < sizeof(patterns) / sizeof(patterns[0]); n++) {
		if (strcmp(line, patterns[n].name) == 0) {
			patterns[n].run();
			return 0;
		}
	}
	fprintf(stderr, "no pattern '%s'\n", line);
	return 2;
}

static volatile uint8_t *
map(int device, uint64_t offset, uint64_t size)
{
	volatile uint8_t *where = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, device, offset);

	if (where == MAP_FAILED)
		die("mmap");
	/* Each page of the patterns is there before anyone looks. */
	(void)where[0];
	(void)where[4096];
	return where;
}

int
main(int argc, char **argv)
{
	struct vfio_wc_alias_region made;
	struct vfio_region_info info;
	char line[64], types[2][PAGE_TYPE_SIZE];
	int device, ret = 0;

	if (argc != 2) {
		fprintf(stderr, "usage: wc-stores BDF\n");
		return 2;
	}
	device = vfio_open(argv[1]);
	if (set_alias(device, BAR, WC, &made) != 0)
		die("no alias");
	info = vfio_region(device, BAR);
	bar = map(device, info.offset, info.size);
	alias = map(device, made.offset, info.size);
	page_type((void *)(uintptr_t)bar, types[0], sizeof(types[0]));
	page_type((void *)(uintptr_t)alias, types[1], sizeof(types[1]));
	printf("bar %p %s, alias %p %s\n", bar, types[0], alias, types[1]);
	fflush(stdout);
	while (ret == 0 && fgets(line, sizeof(line), stdin) != NULL) {
		ret = run(line);
		if (ret == 0)
			puts("done");
		fflush(stdout);
	}
	return ret;
}
