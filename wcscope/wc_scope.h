/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef WC_SCOPE_H
#define WC_SCOPE_H

/**
 * @file
 * One device under observation: its ranges, the model and the linter of each architecture, and the
 * counts of each instruction of the program. Controlled by text commands, see scope_command().
 *
 * Thread safe, apart from scope_free().
 */

#include <stdbool.h>
#include <stdint.h>

#include "wc_lint.h"
#include "wc_model.h"

struct scope;

/** Virtual mapping of a part of a BAR. */
struct scope_range {
	uint64_t va;
	uint64_t size;
	uint64_t offset;	/**< In the BAR. */
	enum wc_type type;
	char name[32];
};

struct scope *scope_create(void);

void scope_free(struct scope *scope);

/**
 * Execute a command:
 *
 *     bar ADDRESS SIZE [FILE]               reset, with a BAR; FILE is the memory behind it
 *     range NAME VA SIZE OFFSET uc|wc       a program's mapping of it
 *     ring SLOTS LINES PRODUCED CONSUMED    see struct lint_ring
 *     heads SLOTS LINES LENGTH-BITS CONSUMED    the same, announced by headers
 *     flags OFFSET SIZE                     see lint_add_flags()
 *     model PRESET [NAME=VALUE ...]         see wc_params_set()
 *     start | stop                          start or stop counting
 *     report FILE                           write the counts as JSON
 *
 * Numbers are decimal or, with 0x, hexadecimal. bar comes first, then model, once each, then the
 * others.
 *
 * @param reply
 *   "ok", or "error: " and the reason.
 */
void scope_command(struct scope *scope, const char *line, char *reply, size_t size);

/** Whether counting is on. Cheap. */
bool scope_active(const struct scope *scope);

/** Changes with each start, to separate earlier accesses from later ones. Cheap. */
unsigned int scope_generation(const struct scope *scope);

/** The range that contains an address, NULL if none. Cheap. For use while active. */
const struct scope_range *scope_find(const struct scope *scope, uint64_t va);

/**
 * Whether an address found by scope_find() is in the BAR, and at the offset of its range: another
 * process may have other memory there. Counts mismatches.
 */
bool scope_verify(struct scope *scope, const struct scope_range *range, uint64_t va, uint64_t pa);

/** A whole access of the instruction at pc, however the emulator executed it. */
void scope_store(struct scope *scope, unsigned int cpu, const struct scope_range *range,
		uint64_t va, uint32_t size, bool direct, uint64_t pc);
void scope_load(struct scope *scope, unsigned int cpu, const struct scope_range *range,
		uint64_t va, uint32_t size, bool streaming, uint64_t pc);

void scope_barrier(struct scope *scope, unsigned int cpu, enum lint_order order);

/**
 * The CPU runs the kernel, which it leaves by a serialising instruction. Cheap if its buffers are
 * empty.
 */
void scope_kernel(struct scope *scope, unsigned int cpu);

#endif /* WC_SCOPE_H */
