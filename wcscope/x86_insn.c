/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <stdbool.h>

#include "x86_insn.h"

/* Encodings: Intel SDM vol. 2, chapters 2 (prefixes, VEX, EVEX) and 3 to 5 (instructions). */

#define MOVDIR64B_SIZE 64

enum map {
	MAP_ONE,	/* one-byte opcodes */
	MAP_0F,
	MAP_0F38,
	MAP_0F3A,
	MAP_UNKNOWN,
};

struct decoded {
	enum map map;
	uint8_t opcode;
	uint8_t prefix;		/* 0x66, 0xf2, 0xf3 or 0: the one that selects among instructions */
	bool lock;
	uint8_t vector;		/* bytes of a vector register: 16, 32, 64 */
	uint8_t modrm;
	bool has_modrm;
};

struct bytes {
	const uint8_t *next;
	const uint8_t *end;
};

static uint8_t
x86_insn_take(struct bytes *bytes)
{
	return bytes->next < bytes->end ? *bytes->next++ : 0;
}

static uint8_t
x86_insn_look(const struct bytes *bytes)
{
	return bytes->next < bytes->end ? *bytes->next : 0;
}

static void
x86_insn_take_legacy_prefixes(struct bytes *bytes, struct decoded *d)
{
	for (;; x86_insn_take(bytes)) {
		switch (x86_insn_look(bytes)) {
		case 0xf0:
			d->lock = true;
			break;
		case 0x66:
			if (d->prefix == 0)
				d->prefix = 0x66;
			break;
		case 0xf2:
		case 0xf3:
			d->prefix = x86_insn_look(bytes);
			break;
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
		case 0x64:
		case 0x65:
		case 0x67:
			break;
		default:
			if ((x86_insn_look(bytes) & 0xf0) != 0x40)	/* REX */
				return;
		}
	}
}

static uint8_t
x86_insn_prefix_of_pp(uint8_t pp)
{
	static const uint8_t prefixes[] = { 0, 0x66, 0xf3, 0xf2 };

	return prefixes[pp & 3];
}

static enum map
x86_insn_map_of_number(uint8_t number)
{
	return number >= 1 && number <= 3 ? (enum map)number : MAP_UNKNOWN;
}

static void
x86_insn_take_vex(struct bytes *bytes, struct decoded *d, bool three)
{
	uint8_t byte;

	x86_insn_take(bytes);
	d->map = three ? x86_insn_map_of_number(x86_insn_take(bytes) & 0x1f) : MAP_0F;
	byte = x86_insn_take(bytes);
	d->vector = byte & 0x04 ? 32 : 16;
	d->prefix = x86_insn_prefix_of_pp(byte);
}

static void
x86_insn_take_evex(struct bytes *bytes, struct decoded *d)
{
	static const uint8_t vectors[] = { 16, 32, 64, 0 };

	x86_insn_take(bytes);
	d->map = x86_insn_map_of_number(x86_insn_take(bytes) & 0x07);
	d->prefix = x86_insn_prefix_of_pp(x86_insn_take(bytes));
	d->vector = vectors[x86_insn_take(bytes) >> 5 & 3];
}

static void
x86_insn_take_legacy_map(struct bytes *bytes, struct decoded *d)
{
	if (x86_insn_look(bytes) != 0x0f)
		return;
	x86_insn_take(bytes);
	d->map = MAP_0F;
	if (x86_insn_look(bytes) == 0x38 || x86_insn_look(bytes) == 0x3a)
		d->map = x86_insn_take(bytes) == 0x38 ? MAP_0F38 : MAP_0F3A;
}

static struct decoded
x86_insn_decode(const uint8_t *code, size_t size)
{
	struct bytes bytes = { code, code + size };
	struct decoded d = { .vector = 16 };

	x86_insn_take_legacy_prefixes(&bytes, &d);
	switch (x86_insn_look(&bytes)) {
	case 0xc4:
	case 0xc5:
		x86_insn_take_vex(&bytes, &d, x86_insn_look(&bytes) == 0xc4);
		break;
	case 0x62:
		x86_insn_take_evex(&bytes, &d);
		break;
	default:
		x86_insn_take_legacy_map(&bytes, &d);
	}
	d.opcode = x86_insn_take(&bytes);
	d.has_modrm = bytes.next < bytes.end;
	d.modrm = x86_insn_look(&bytes);
	return d;
}

static bool
x86_insn_is_memory(const struct decoded *d)
{
	return d->has_modrm && d->modrm >> 6 != 3;
}

/* 0F AE; with other prefixes these are other instructions. */
static enum x86_kind
x86_insn_fence_kind(uint8_t modrm)
{
	switch (modrm >> 3) {
	case 0xe8 >> 3:
		return X86_LFENCE;
	case 0xf0 >> 3:
		return X86_MFENCE;
	case 0xf8 >> 3:
		return X86_SFENCE;
	default:
		return X86_OTHER;
	}
}

static enum x86_kind
x86_insn_one_byte_kind(const struct decoded *d)
{
	switch (d->opcode) {
	case 0x86:
	case 0x87:	/* XCHG */
		return x86_insn_is_memory(d) ? X86_LOCKED : X86_OTHER;
	case 0x6c: case 0x6d: case 0x6e: case 0x6f:	/* INS, OUTS */
	case 0xe4: case 0xe5: case 0xe6: case 0xe7:	/* IN, OUT */
	case 0xec: case 0xed: case 0xee: case 0xef:
	case 0xcf:	/* IRET */
		return X86_SERIALISING;
	default:
		return X86_OTHER;
	}
}

/* Intel SDM vol. 3A, "Serializing Instructions". */
static enum x86_kind
x86_insn_two_byte_kind(const struct decoded *d)
{
	switch (d->opcode) {
	case 0xae:
		return d->prefix != 0 ? X86_OTHER : x86_insn_fence_kind(d->modrm);
	case 0x01:	/* SERIALIZE */
		return d->modrm == 0xe8 && d->prefix == 0 ? X86_SERIALISING : X86_OTHER;
	case 0xa2:	/* CPUID */
	case 0x08: case 0x09:	/* INVD, WBINVD */
	case 0x22: case 0x23:	/* MOV to a control or debug register */
	case 0x30:	/* WRMSR */
		return X86_SERIALISING;
	default:
		return X86_OTHER;
	}
}

/* MOVDIR64B, MOVDIRI */
static bool
x86_insn_is_direct_store(const struct decoded *d)
{
	return x86_insn_is_memory(d) && ((d->opcode == 0xf8 && d->prefix == 0x66) ||
		(d->opcode == 0xf9 && d->prefix == 0));
}

static enum x86_kind
x86_insn_kind_of(const struct decoded *d)
{
	if (d->lock)
		return X86_LOCKED;
	switch (d->map) {
	case MAP_ONE:
		return x86_insn_one_byte_kind(d);
	case MAP_0F:
		return x86_insn_two_byte_kind(d);
	case MAP_0F38:
		if (x86_insn_is_direct_store(d))
			return X86_DIRECT_STORE;
		return d->opcode == 0x2a && d->prefix == 0x66 ? X86_STREAMING_LOAD : X86_OTHER;
	default:
		return X86_OTHER;
	}
}

/* Moves of 0F xx between a vector register and memory. */
static uint8_t
x86_insn_move_width(const struct decoded *d)
{
	switch (d->opcode) {
	case 0x10: case 0x11:	/* MOVUPS, MOVUPD, MOVSS, MOVSD */
		return d->prefix == 0xf3 ? 4 : d->prefix == 0xf2 ? 8 : d->vector;
	case 0x28: case 0x29:	/* MOVAPS, MOVAPD */
		return d->vector;
	case 0x2b:		/* MOVNTPS, MOVNTPD; with others SSE4A's MOVNTSS, MOVNTSD */
		return d->prefix == 0xf3 ? 4 : d->prefix == 0xf2 ? 8 : d->vector;
	case 0x6f: case 0x7f:	/* MOVDQA, MOVDQU; without a prefix MOVQ of MMX */
	case 0xe7:		/* MOVNTDQ; MOVNTQ */
		return d->prefix != 0 ? d->vector : 8;
	case 0xf0:		/* LDDQU */
		return d->prefix == 0xf2 ? d->vector : 0;
	default:
		return 0;
	}
}

static uint8_t
x86_insn_width_of(const struct decoded *d)
{
	if (!x86_insn_is_memory(d))
		return 0;
	switch (d->map) {
	case MAP_0F:
		return x86_insn_move_width(d);
	case MAP_0F38:
		if (d->opcode == 0xf8)
			return x86_insn_is_direct_store(d) ? MOVDIR64B_SIZE : 0;
		return d->opcode == 0x2a && d->prefix == 0x66 ? d->vector : 0;
	case MAP_0F3A:	/* VEXTRACTF128, VEXTRACTI128 */
		return (d->opcode == 0x19 || d->opcode == 0x39) && d->prefix == 0x66 ? 16 : 0;
	default:
		return 0;
	}
}

struct x86_insn
x86_classify(const uint8_t *code, size_t size)
{
	struct decoded d = x86_insn_decode(code, size);
	struct x86_insn insn = { .kind = x86_insn_kind_of(&d), .width = x86_insn_width_of(&d) };

	return insn;
}
