/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef X86_INSN_H
#define X86_INSN_H

#include <stddef.h>
#include <stdint.h>

/** What an instruction means to memory that is not cached. */
enum x86_kind {
	X86_OTHER,
	X86_SFENCE,
	X86_LFENCE,
	X86_MFENCE,
	X86_LOCKED,		/**< LOCK prefix, or XCHG with memory, which implies it. */
	X86_SERIALISING,	/**< CPUID, SERIALIZE, IRET and others; and I/O instructions. */
	X86_DIRECT_STORE,	/**< MOVDIRI, MOVDIR64B. */
	X86_STREAMING_LOAD,	/**< MOVNTDQA. */
};

struct x86_insn {
	enum x86_kind kind;
	/**
	 * Bytes that the instruction loads or stores as one, if it moves a vector register or is
	 * MOVDIR64B; else 0. An emulator may do that in parts.
	 */
	uint8_t width;
};

/**
 * Classify an instruction in 64-bit mode.
 *
 * @param code
 *   All bytes of the instruction.
 */
struct x86_insn x86_classify(const uint8_t *code, size_t size);

#endif /* X86_INSN_H */
