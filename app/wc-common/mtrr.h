/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef MTRR_H
#define MTRR_H

/**
 * @file
 * Memory type range registers of x86, which together with the page tables determine the effective
 * memory type. Without DPDK's headers: the program vfio-wc is compiled with it as well.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/** MTRRcap has 8 bits for the number of variable-range registers (Intel SDM vol. 3A, 12.11.1). */
#define MTRR_MAX 256

struct mtrr {
	unsigned int number;
	uint64_t start;
	uint64_t size;
	bool wc;	/**< Write-combining, otherwise uncachable: others are left out. */
};

struct mtrr_list {
	struct mtrr at[MTRR_MAX];
	size_t nb;
};

/** How much of a range is write-combining by the registers. */
enum mtrr_wc {
	MTRR_WC_NONE,
	MTRR_WC_SOME,
	MTRR_WC_ALL,
};

/** Read /proc/mtrr. Without a file, as on other architectures, the list is empty. */
void mtrr_read(struct mtrr_list *list, FILE *file);

enum mtrr_wc mtrr_find_wc(const struct mtrr_list *list, uint64_t start, uint64_t size);

/** Whether one register makes a part of a range write-combining. */
bool mtrr_makes_wc(const struct mtrr_list *list, const struct mtrr *mtrr, uint64_t start,
		   uint64_t size);

/**
 * Combine both, by the table "Effective Page-Level Memory Types" of Intel's SDM (vol. 3A, 12.11.5)
 * and its like in AMD's APM (vol. 2, 7.8.5).
 *
 * @param wc
 *   What the registers say of the range.
 * @param types
 *   What the page tables say: a type, or a list such as "WC,UC-".
 * @param effective
 *   Set to the effective types, in the same form.
 */
void mtrr_combine(enum mtrr_wc wc, const char *types, char *effective, size_t size);

#endif /* MTRR_H */
