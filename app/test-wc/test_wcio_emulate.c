/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * Emulates the single-instruction line stores that a CPU may lack. An unsupported instruction
 * raises SIGILL, whose handler decodes the few forms that compilers generate for lib/wcio, and
 * counts the stores.
 */

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <rte_common.h>
#include <rte_wcio.h>

#include "test_wcio_emulate.h"

static unsigned int nb_stores;
static unsigned int nb_unaligned;

static void
store_line(uintptr_t to, const void *line)
{
	nb_unaligned += to % RTE_WCIO_LINE != 0;
	memcpy((void *)to, line, RTE_WCIO_LINE);
	nb_stores++;
}

#if defined(RTE_ARCH_X86_64)

/* Instruction being decoded: where it is, and bits of its prefixes that extend register numbers. */
struct insn {
	const uint8_t *next;
	greg_t *gregs;
	unsigned int reg_high, index_high, base_high;
	unsigned int disp8_scale;
};

static uintptr_t
general(const struct insn *insn, unsigned int number)
{
	/* Intel SDM vol. 2A, "ModR/M and SIB Bytes": the order of the numbers */
	static const int registers[] = {
		REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
		REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
	};

	return insn->gregs[registers[number]];
}

/* Operands of ModR/M: number of the register, and address in memory. False for other forms. */
static bool
decode_operands(struct insn *insn, unsigned int *reg, uintptr_t *address)
{
	uint8_t modrm = *insn->next++, mod = modrm >> 6, rm = modrm & 7;
	int32_t disp32 = 0;

	*reg = (modrm >> 3 & 7) | insn->reg_high << 3;
	if (mod == 3 || (mod == 0 && rm == 5))
		return false;
	if (rm == 4) {
		uint8_t sib = *insn->next++;
		unsigned int index = (sib >> 3 & 7) | insn->index_high << 3;

		if (mod == 0 && (sib & 7) == 5)
			return false;
		*address = general(insn, (sib & 7) | insn->base_high << 3);
		if (index != 4)
			*address += general(insn, index) << (sib >> 6);
	} else {
		*address = general(insn, rm | insn->base_high << 3);
	}
	if (mod == 1) {
		*address += (int8_t)*insn->next++ * (intptr_t)insn->disp8_scale;
	} else if (mod == 2) {
		memcpy(&disp32, insn->next, sizeof(disp32));
		insn->next += sizeof(disp32);
		*address += disp32;
	}
	return true;
}

/* 66 [REX] 0F 38 F8 /r (Intel SDM vol. 2B, MOVDIR64B) */
static bool
emulate_movdir64b(struct insn *insn)
{
	static const uint8_t opcode[] = { 0x0f, 0x38, 0xf8 };
	unsigned int reg;
	uintptr_t from;
	uint8_t rex;

	if (*insn->next++ != 0x66)
		return false;
	if ((*insn->next & 0xf0) == 0x40) {
		rex = *insn->next++;
		insn->reg_high = rex >> 2 & 1;
		insn->index_high = rex >> 1 & 1;
		insn->base_high = rex & 1;
	}
	insn->disp8_scale = 1;
	if (memcmp(insn->next, opcode, sizeof(opcode)) != 0)
		return false;
	insn->next += sizeof(opcode);
	if (!decode_operands(insn, &reg, &from))
		return false;
	store_line(general(insn, reg), (const void *)from);
	return true;
}

/* Opcodes of VMOVDQA and VMOVDQU, VMOVAPS, VMOVUPS */
static bool
is_load(uint8_t opcode)
{
	return opcode == 0x6f || opcode == 0x28 || opcode == 0x10;
}

static bool
is_store(uint8_t opcode)
{
	return opcode == 0x7f || opcode == 0x29 || opcode == 0x11;
}

/*
 * 62 P0 P1 P2 opcode /r: moves of 512 bits without a mask (Intel SDM vol. 2A, "Intel AVX-512
 * Encoding"). P0 has R, X, B and R' inverted and the opcode map, P2 the length and the mask.
 */
static bool
emulate_avx512(struct insn *insn)
{
	static uint8_t zmm[32][RTE_WCIO_LINE];
	uint8_t p0, p2, opcode;
	unsigned int reg;
	uintptr_t address;

	if (*insn->next++ != 0x62)
		return false;
	p0 = ~insn->next[0];
	p2 = insn->next[2];
	opcode = insn->next[3];
	insn->next += 4;
	/* Map 0F is 1, inverted like the rest; of P2 the mask, broadcast and length */
	if ((p0 & 0x0f) != 0x0e || (p2 & 0x77) != 0x40 || (!is_load(opcode) && !is_store(opcode)))
		return false;
	insn->reg_high = (p0 >> 7 & 1) | (p0 >> 3 & 2);
	insn->index_high = p0 >> 6 & 1;
	insn->base_high = p0 >> 5 & 1;
	insn->disp8_scale = RTE_WCIO_LINE;
	if (!decode_operands(insn, &reg, &address))
		return false;
	if (is_load(opcode))
		memcpy(zmm[reg], (const void *)address, RTE_WCIO_LINE);
	else
		store_line(address, zmm[reg]);
	return true;
}

static bool
emulate(mcontext_t *context)
{
	const uint8_t *start = (const uint8_t *)context->gregs[REG_RIP];
	struct insn direct = { .next = start, .gregs = context->gregs }, wide = direct;
	bool is_direct = emulate_movdir64b(&direct);

	if (!is_direct && !emulate_avx512(&wide))
		return false;
	context->gregs[REG_RIP] = (uintptr_t)(is_direct ? direct.next : wide.next);
	return true;
}

#elif defined(RTE_ARCH_ARM64)

/* ST64B Xt, [Xn] (Arm ARM, "ST64B") */
static bool
emulate(mcontext_t *context)
{
	uint32_t insn = *(const uint32_t *)context->pc;

	if ((insn & 0xfffffc00) != 0xf83f9000)
		return false;
	store_line(context->regs[insn >> 5 & 31], &context->regs[insn & 31]);
	context->pc += sizeof(insn);
	return true;
}

#else

static bool
emulate(mcontext_t *context)
{
	RTE_SET_USED(context);
	return false;
}

#endif

static void
on_sigill(int number, siginfo_t *info, void *context)
{
	RTE_SET_USED(number);
	RTE_SET_USED(info);
	/* Without the handler the same instruction ends the program. */
	if (!emulate(&((ucontext_t *)context)->uc_mcontext))
		signal(SIGILL, SIG_DFL);
}

static struct sigaction before;

int
emulate_start(void)
{
	struct sigaction action = { .sa_sigaction = on_sigill, .sa_flags = SA_SIGINFO };

	nb_stores = 0;
	nb_unaligned = 0;
	return sigaction(SIGILL, &action, &before);
}

int
emulate_stop(unsigned int *stores)
{
	*stores = nb_stores;
	sigaction(SIGILL, &before, NULL);
	return nb_unaligned == 0 ? 0 : -1;
}
