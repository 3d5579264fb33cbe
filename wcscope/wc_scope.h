/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef WC_SCOPE_H
#define WC_SCOPE_H

/**
 * @file
 * One device under observation: its ranges, the model and the linter of each architecture, and the
 * counts of each place in the program. Told what to do by lines of text, see scope_command().
 *
 * Thread safe, apart from scope_free().
 */

#include <stdbool.h>
#include <stdint.h>

#include "wc_lint.h"
#include "wc_model.h"

struct scope;

/** Where virtual memory shows part of a BAR. */
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
 *     bar ADDRESS SIZE [FILE]               start again with a BAR; FILE is the memory behind it
 *     range NAME VA SIZE OFFSET uc|wc       where a program has it mapped
 *     ring SLOTS LINES PRODUCED CONSUMED    see struct lint_ring
 *     heads SLOTS LINES LENGTH-BITS CONSUMED    the same, announced by headers
 *     flags OFFSET SIZE                     see lint_add_flags()
 *     model PRESET [NAME=VALUE ...]         see wc_params_set()
 *     start | stop                          count, or do not
 *     report FILE                           write what was counted, as JSON
 *
 * Numbers are decimal or, with 0x, hexadecimal. bar comes first, then model, once each, then the
 * others.
 *
 * @param reply
 *   "ok", or "error: " and what is wrong.
 */
void scope_command(struct scope *scope, const char *line, char *reply, size_t size);

/** Whether anything is counted now. Cheap. */
bool scope_active(const struct scope *scope);

/** Changes with each start: what was seen before does not belong to what comes after. Cheap. */
unsigned int scope_generation(const struct scope *scope);

/** The range that an address lies in, NULL if none. Cheap. For use while active. */
const struct scope_range *scope_find(const struct scope *scope, uint64_t va);

/**
 * Whether an address that scope_find() found is in the BAR, and at the place that the range says:
 * another process may have other memory there. Counts those that are not.
 */
bool scope_verify(struct scope *scope, const struct scope_range *range, uint64_t va, uint64_t pa);

/** An access of an instruction at pc; the whole of it, however the emulator executed it. */
void scope_store(struct scope *scope, unsigned int cpu, const struct scope_range *range,
		uint64_t va, uint32_t size, bool direct, uint64_t pc);
void scope_load(struct scope *scope, unsigned int cpu, const struct scope_range *range,
		uint64_t va, uint32_t size, bool streaming, uint64_t pc);

void scope_barrier(struct scope *scope, unsigned int cpu, enum lint_order order);

/**
 * The CPU runs the kernel, which it leaves by a serialising instruction. Cheap when its buffers are
 * empty.
 */
void scope_kernel(struct scope *scope, unsigned int cpu);

#endif /* WC_SCOPE_H */
