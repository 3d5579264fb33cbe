/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

#include "delivered.h"

#define LINE 64
#define WORDS (LINE / sizeof(uint64_t))
/* Far more than a CPU has write-combining buffers: 24 at most are known. */
#define LINES (DELIVERED_SIZE / LINE)
/* Within one timing: far more lines than are known to be posted ahead of the device, 160. */
#define ROUNDS 16
#define REPEATS 101

/*
 * What the default mapping has to take longer than ordinary memory, if memory types have an effect.
 * Published are 97 to 144 ns for an uncached store, hence 780 ns for a line and more; ordinary
 * memory takes 2 to 5. Without effect both take the same time.
 */
#define TYPES_FACTOR 10

/*
 * What scattered stores, and the default mapping, have to take longer than whole lines, if stores
 * combine. A whole line is one write, with 24 bytes of PCIe around 64; eight scattered stores are
 * eight writes, with 24 around 8. So they take 2.9 times as long if the link is the limit, and more
 * if the CPU or the device is. For published uncached mappings it is 11 times and more. Without
 * combining both are eight writes, and take the same time.
 */
#define COMBINING_FACTOR 2

/* Lines as a driver fills them: a store of 8 bytes after the other */
static void
delivered_store_lines(volatile uint64_t *to, uint64_t value)
{
	size_t n;

	for (n = 0; n < LINES * WORDS; n++)
		to[n] = value;
}

/* The same stores. The next one to a line comes after the buffer of the line had to be reused. */
static void
delivered_store_scattered(volatile uint64_t *to, uint64_t value)
{
	size_t word, line;

	for (word = 0; word < WORDS; word++) {
		for (line = 0; line < LINES; line++)
			to[line * WORDS + word] = value;
	}
}

/*
 * Until the device has all stores. The fence empties the buffers; a load does not pass posted
 * writes (PCIe 5.0 section 2.4.1).
 */
static void
delivered_drain(const volatile uint64_t *from)
{
#if defined(__x86_64__) || defined(__i386__)
	__asm__ volatile("sfence" : : : "memory");
#elif defined(__aarch64__)
	__asm__ volatile("dsb st" : : : "memory");
#else
	atomic_thread_fence(memory_order_seq_cst);
#endif
	(void)from[0];
}

static double
delivered_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

static double
delivered_time(volatile uint64_t *to, void (*store)(volatile uint64_t *to, uint64_t value))
{
	const double start = delivered_now();
	uint64_t n;

	for (n = 0; n < ROUNDS; n++)
		store(to, n);
	delivered_drain(to);
	return (delivered_now() - start) / (ROUNDS * LINES);
}

static int
delivered_compare_samples(const void *left, const void *right)
{
	const double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

void
delivered_summarise(struct delivered_times *times, double *samples, size_t nb)
{
	qsort(samples, nb, sizeof(samples[0]), delivered_compare_samples);
	times->median = samples[nb / 2];
	times->low = samples[nb / 4];
	times->high = samples[nb - 1 - nb / 4];
}

/* QEMU's TCG names itself as hypervisors do. */
static bool
delivered_is_emulated(void)
{
#if defined(__x86_64__) || defined(__i386__)
	const unsigned int hypervisor_present = 1u << 31;
	unsigned int eax, ebx, ecx, edx;
	char name[12];

	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || (ecx & hypervisor_present) == 0)
		return false;
	__cpuid(0x40000000, eax, ebx, ecx, edx);
	memcpy(name, &ebx, sizeof(ebx));
	memcpy(name + 4, &ecx, sizeof(ecx));
	memcpy(name + 8, &edx, sizeof(edx));
	return memcmp(name, "TCGTCGTCGTCG", sizeof(name)) == 0;
#else
	return false;
#endif
}

/* Whether a takes more than factor times as long as b: 1, -1 if less, 0 if that is not clear. */
static int
delivered_compare(const struct delivered_times *a, const struct delivered_times *b, double factor)
{
	if (a->low > factor * b->high)
		return 1;
	return a->high < factor * b->low ? -1 : 0;
}

static void
delivered_decide(struct delivered *delivered, enum delivered_verdict verdict, const char *reason)
{
	delivered->verdict = verdict;
	delivered->reason = reason;
}

void
delivered_judge(struct delivered *delivered)
{
	const struct delivered_times *times = delivered->times;
	const int types = delivered_compare(&times[DELIVERED_DEFAULT], &times[DELIVERED_CACHED],
		TYPES_FACTOR);
	const int faster = delivered_compare(&times[DELIVERED_DEFAULT], &times[DELIVERED_WC],
		COMBINING_FACTOR);
	const int combine = delivered_compare(&times[DELIVERED_SCATTERED], &times[DELIVERED_WC],
		COMBINING_FACTOR);

	if (delivered->emulated)
		delivered_decide(delivered, DELIVERED_UNKNOWN,
			"the CPU is emulated (TCG), and has no memory types");
	else if (types <= 0)
		delivered_decide(delivered, DELIVERED_UNKNOWN, "times do not depend on memory types"
			" here: the default mapping is not clearly slower than ordinary memory");
	else if (faster < 0)
		delivered_decide(delivered, DELIVERED_NO, "stores do not combine: whole lines take "
			"more than half of the default mapping's time");
	else if (combine < 0)
		delivered_decide(delivered, DELIVERED_NO, "stores do not combine: whole lines take "
			"more than half of the scattered stores' time");
	else if (faster == 0 || combine == 0)
		delivered_decide(delivered, DELIVERED_UNKNOWN, "the times vary too much: repeat it "
			"while the machine is idle");
	else
		delivered_decide(delivered, DELIVERED_YES, "stores combine: whole lines take less "
			"than half of the scattered stores' and of the default mapping's time");
}

/* The places take turns, so that what disturbs one disturbs all. */
void
delivered_measure(struct delivered *delivered, void *uncached, void *wc)
{
	static alignas(LINE) uint64_t cached[DELIVERED_SIZE / sizeof(uint64_t)];
	static double samples[DELIVERED_PLACES][REPEATS];
	unsigned int repeat, place;

	for (repeat = 0; repeat < REPEATS; repeat++) {
		samples[DELIVERED_CACHED][repeat] = delivered_time(cached, delivered_store_lines);
		samples[DELIVERED_DEFAULT][repeat] =
			delivered_time(uncached, delivered_store_lines);
		samples[DELIVERED_WC][repeat] = delivered_time(wc, delivered_store_lines);
		samples[DELIVERED_SCATTERED][repeat] =
			delivered_time(wc, delivered_store_scattered);
	}
	for (place = 0; place < DELIVERED_PLACES; place++)
		delivered_summarise(&delivered->times[place], samples[place], REPEATS);
	delivered->emulated = delivered_is_emulated();
	delivered_judge(delivered);
}

void
delivered_print(const struct delivered *delivered)
{
	static const char * const places[] = {
		[DELIVERED_CACHED] = "ordinary memory",
		[DELIVERED_DEFAULT] = "default mapping",
		[DELIVERED_WC] = "write-combining",
		[DELIVERED_SCATTERED] = "the same, scattered",
	};
	static const char * const verdicts[] = {
		[DELIVERED_YES] = "yes",
		[DELIVERED_NO] = "no",
		[DELIVERED_UNKNOWN] = "unknown",
	};
	unsigned int place;

	for (place = 0; place < DELIVERED_PLACES; place++)
		printf("time      %-19s %9.2f ns a line, %.2f..%.2f\n", places[place],
			delivered->times[place].median, delivered->times[place].low,
			delivered->times[place].high);
	printf("delivered %s: %s\n", verdicts[delivered->verdict], delivered->reason);
}
