/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef WC_LINT_H
#define WC_LINT_H

/**
 * @file
 * Finds ordering errors of a program's accesses to a device in the stream of its loads, stores and
 * barriers, which strongly ordered CPUs and emulators hide. doc/wcscope.rst explains each rule.
 *
 * Not thread safe: one caller at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wc_model.h"

/** The architecture whose rules apply. */
enum lint_arch {
	LINT_X86,
	/**
	 * Only explicit barriers order accesses: x86's LFENCE, SFENCE and MFENCE stand for Arm's
	 * DMB LD or DSB LD, DSB ST and DSB SY.
	 */
	LINT_ARM64,
	LINT_NB_ARCHS,
};

enum lint_order {
	LINT_ORDER_STORES,	/**< SFENCE */
	LINT_ORDER_LOADS,	/**< LFENCE */
	LINT_ORDER_ALL,		/**< MFENCE */
	LINT_ORDER_LOCKED,	/**< Instructions with a LOCK prefix; they order nothing on Arm. */
	LINT_ORDER_SERIALISING,	/**< CPUID and others; they order nothing on Arm either. */
};

enum lint_rule {
	LINT_UNFLUSHED,		/**< Doorbell or flag while earlier WC stores may be in buffers. */
	LINT_UNWRITTEN,		/**< Lines were announced but not written. */
	/**
	 * Line loaded without a barrier after the index or header that announced it. On x86
	 * streaming loads need an MFENCE: they may return buffered data (Intel SDM vol. 2,
	 * MOVNTDQA).
	 */
	LINT_EARLY_LOAD,
	LINT_EARLY_RELEASE,	/**< Line released without a barrier after it was loaded. */
	LINT_PLAIN_LOAD,	/**< Load from WC memory that is not a streaming load. */
	LINT_TORN_STORE,	/**< WC store across the end of a line. */
	LINT_NB_RULES,
};

/** Violations of one rule at the same places. */
struct lint_finding {
	enum lint_rule rule;
	uint64_t site;		/**< Address of the instruction. */
	uint64_t other;		/**< Access that it must not precede; 0 if none. */
	uint64_t offset;	/**< Of the first access found, in the BAR. */
	uint64_t number;	/**< Number of violations. */
};

/**
 * Lines in the BAR that two sides exchange. Offsets are in the BAR. Lines are announced by a count
 * of lines, or by the header of the first packet: the first 4 bytes of its line, stored
 * uncached and last.
 */
struct lint_ring {
	uint64_t slots;		/**< First line. */
	uint32_t nb_lines;	/**< A power of two. */
	uint64_t produced;	/**< 32-bit count of lines written; unused with headers. */
	uint64_t consumed;	/**< 32-bit count of lines read. */
	uint32_t header_len;	/**< Length bits of a header; 0 if a count announces. */
};

struct lint;

/**
 * @param bar_size
 *   Bytes.
 * @return
 *   The linter, or NULL if memory is short.
 */
struct lint *lint_create(enum lint_arch arch, uint64_t bar_size);

void lint_free(struct lint *lint);

/**
 * Describe a ring, so that its indexes are recognised.
 *
 * @return
 *   0, -EINVAL if it is not within the BAR, -ENOSPC after the fourth.
 */
int lint_add_ring(struct lint *lint, const struct lint_ring *ring);

/**
 * Describe bytes in WC memory whose stores announce lines, like those of an uncached doorbell.
 *
 * @return
 *   0, -EINVAL if it is not within the BAR, -ENOSPC after the fourth.
 */
int lint_add_flags(struct lint *lint, uint64_t offset, uint64_t size);

/**
 * @param type
 *   Of the store: a direct store counts as WC, regardless of the memory type.
 * @param value
 *   The stored value, if known and the size is 4; otherwise NULL.
 */
void lint_store(struct lint *lint, unsigned int cpu, enum wc_type type, uint64_t offset,
		uint32_t size, const uint32_t *value, uint64_t site);

void lint_load(struct lint *lint, unsigned int cpu, enum wc_type type, uint64_t offset,
		uint32_t size, bool streaming, uint64_t site);

void lint_barrier(struct lint *lint, unsigned int cpu, enum lint_order order);

/**
 * The kernel ran on the CPU. It may have switched to another thread, which does not answer for what
 * the last one left unordered; a switch itself orders, on any architecture.
 */
void lint_kernel(struct lint *lint, unsigned int cpu);

/**
 * @param lost
 *   Number of findings beyond the limit.
 * @return
 *   The findings, in the order of their first appearance; valid until the next call.
 */
const struct lint_finding *lint_findings(const struct lint *lint, size_t *number, uint64_t *lost);

const char *lint_rule_name(enum lint_rule rule);

const char *lint_arch_name(enum lint_arch arch);

#endif /* WC_LINT_H */
