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

enum scope_state {
	SCOPE_KNOWN,
	SCOPE_WATCHED,	/**< Offset and type are not known yet: an access has to wait. */
	SCOPE_IGNORED,	/**< Of no interest, or no longer mapped. */
};

/** Virtual mapping of a part of a BAR. */
struct scope_range {
	uint64_t va;
	uint64_t size;
	uint64_t offset;	/**< In the BAR. */
	enum wc_type type;
	char name[32];
	_Atomic(enum scope_state) state;
};

/** Tells that a CPU waits since it accessed a watched range; called with the scope locked. */
typedef void (*scope_held_t)(const struct scope_range *range, uint64_t va, unsigned int cpu);

/**
 * @param held
 *   NULL if nothing is watched.
 */
struct scope *scope_create(scope_held_t held);

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
 *     watch NAME VA SIZE                    a mapping of which only the address is known yet
 *     resolve NAME OFFSET uc|wc             the rest: a CPU that waits continues
 *     ignore NAME                           a range is of no interest, or no longer mapped
 *     report FILE                           write the counts as JSON
 *
 * Numbers are decimal or, with 0x, hexadecimal. bar comes first, then model, once each, then the
 * others. Only stop, watch, resolve and ignore are allowed while counting.
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
 * Wait until a range is known, if it is watched: nothing is lost of what a program does to a mapping
 * before its type was read from the page tables.
 *
 * @return
 *   Whether it is known, and still counting.
 */
bool scope_await(struct scope *scope, const struct scope_range *range, uint64_t va,
		unsigned int cpu);

/** Ignore all watched ranges, as nobody is there to resolve them. */
void scope_abandon(struct scope *scope);

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
 * The CPU runs the kernel, which it leaves by a serialising instruction, maybe to another thread.
 * Cheap if the last one has accessed nothing.
 */
void scope_kernel(struct scope *scope, unsigned int cpu);

#endif /* WC_SCOPE_H */
