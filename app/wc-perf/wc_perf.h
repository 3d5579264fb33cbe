/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef WC_PERF_H
#define WC_PERF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "eal_wc_compat.h"

struct rte_pci_device;

/** A range of a BAR that may be overwritten. */
struct perf_range {
	struct rte_pci_device *device;	/**< NULL: none was given. */
	unsigned int bar;
	uint64_t offset;
	size_t len;
	uint8_t *uncached;	/**< Where it is in the default mapping. */
	uint64_t phys_addr;
};

/** Nanoseconds that so many cycles of the timer took. */
double perf_ns(uint64_t cycles);

/**
 * Time mapping and unmapping, first and further, and print it.
 *
 * @return
 *   0, or a negative errno.
 */
int perf_map(const struct perf_range *range, unsigned int repeats);

/**
 * Time copies of lines to cached memory and, if there is a device, through both mappings, and
 * print it.
 *
 * @param wait
 *   Before each place, say where it is and poll until a line is on standard input.
 * @return
 *   0, or a negative errno.
 */
int perf_copy(const struct perf_range *range, unsigned int repeats, bool wait);

/**
 * One way to copy, to cached memory, for a tool that counts instructions.
 *
 * @return
 *   0, or a negative errno.
 */
int perf_copy_loop(const char *name, size_t nb_lines, unsigned int repeats);

/**
 * Time how long a line takes from one CPU to another one and back, and print it. Needs no EAL.
 *
 * @param argv
 *   A name and the two CPUs.
 * @return
 *   0, or a negative errno with the reason on standard error.
 */
int perf_roundtrip(int argc, char **argv);

/**
 * Measure how many lines per second one CPU can hand to another one through shared memory, and
 * print it: the limit of each driver between two processes. Needs no EAL.
 *
 * @param argv
 *   A name, the receiving and the sending CPU.
 * @return
 *   0, or a negative errno with the reason on standard error.
 */
int perf_stream(int argc, char **argv);

/**
 * Send or receive frames on the only port, by commands on standard input, until its end: "send
 * LENGTH" or "receive MILLISECONDS", each until the next line.
 *
 * @return
 *   0, or a negative errno with the reason on standard error.
 */
int perf_traffic(void);

#endif /* WC_PERF_H */
