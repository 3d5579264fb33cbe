/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/* Instructions as the assembler encodes them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "x86_insn.h"

/* KIND(name, text, kind, width) */
#define INSNS(INSN) \
	INSN(sfence, "sfence", X86_SFENCE, 0) \
	INSN(lfence, "lfence", X86_LFENCE, 0) \
	INSN(mfence, "mfence", X86_MFENCE, 0) \
	INSN(clflush, "clflush (%rdi)", X86_OTHER, 0) \
	INSN(fxsave, "fxsave (%rdi)", X86_OTHER, 0) \
	INSN(clwb, "clwb (%rdi)", X86_OTHER, 0) \
	INSN(umonitor, "umonitor %rax", X86_OTHER, 0) \
	INSN(tpause, "tpause %ecx", X86_OTHER, 0) \
	INSN(lock_add, "lock addl $1, (%rdi)", X86_LOCKED, 0) \
	INSN(lock_cmpxchg, "lock cmpxchgq %rax, (%r12)", X86_LOCKED, 0) \
	INSN(lock_stack, "lock addl $0, -128(%rsp)", X86_LOCKED, 0) \
	INSN(xchg_memory, "xchgq %rax, (%r9)", X86_LOCKED, 0) \
	INSN(xchg_byte, "xchgb %al, (%rdi)", X86_LOCKED, 0) \
	INSN(xchg_register, "xchgq %rcx, %rdx", X86_OTHER, 0) \
	INSN(cpuid, "cpuid", X86_SERIALISING, 0) \
	INSN(iretq, "iretq", X86_SERIALISING, 0) \
	INSN(in, "inb %dx, %al", X86_SERIALISING, 0) \
	INSN(out, "outl %eax, $0x80", X86_SERIALISING, 0) \
	INSN(rep_outs, "rep outsl", X86_SERIALISING, 0) \
	INSN(wrmsr, "wrmsr", X86_SERIALISING, 0) \
	INSN(to_cr3, "movq %rax, %cr3", X86_SERIALISING, 0) \
	INSN(wbinvd, "wbinvd", X86_SERIALISING, 0) \
	INSN(serialize, "serialize", X86_SERIALISING, 0) \
	INSN(rdpkru, ".byte 0x0f, 0x01, 0xee", X86_OTHER, 0) \
	INSN(movdir64b, "movdir64b (%rsi), %rdi", X86_DIRECT_STORE, 64) \
	INSN(movdiri, "movdiri %rax, (%rdi)", X86_DIRECT_STORE, 0) \
	INSN(crc32, "crc32q %rax, %rdi", X86_OTHER, 0) \
	INSN(movntdqa, "movntdqa (%rsi), %xmm1", X86_STREAMING_LOAD, 16) \
	INSN(movntdqa_high, "movntdqa 64(%r9), %xmm9", X86_STREAMING_LOAD, 16) \
	INSN(vmovntdqa, "vmovntdqa (%rsi), %ymm1", X86_STREAMING_LOAD, 32) \
	INSN(vmovntdqa_512, "vmovntdqa (%rsi), %zmm1", X86_STREAMING_LOAD, 64) \
	INSN(nop, "nop", X86_OTHER, 0) \
	INSN(mov, "movq %rax, (%rdi)", X86_OTHER, 0) \
	INSN(mov_fs, "movl %eax, %fs:8", X86_OTHER, 0) \
	INSN(movnti, "movntiq %rax, (%rdi)", X86_OTHER, 0) \
	INSN(rep_movs, "rep movsb", X86_OTHER, 0) \
	INSN(movups_store, "movups %xmm1, (%rdi)", X86_OTHER, 16) \
	INSN(movups_load, "movups 32(%r15), %xmm11", X86_OTHER, 16) \
	INSN(movups_registers, "movups %xmm1, %xmm2", X86_OTHER, 0) \
	INSN(movss, "movss %xmm1, (%rdi)", X86_OTHER, 4) \
	INSN(movsd, "movsd %xmm1, (%rdi)", X86_OTHER, 8) \
	INSN(movapd, "movapd %xmm1, (%rdi)", X86_OTHER, 16) \
	INSN(movntps, "movntps %xmm1, (%rdi)", X86_OTHER, 16) \
	INSN(movntsd, "movntsd %xmm1, (%rdi)", X86_OTHER, 8) \
	INSN(movntss, "movntss %xmm1, (%rdi)", X86_OTHER, 4) \
	INSN(movntdq, "movntdq %xmm1, (%rdi)", X86_OTHER, 16) \
	INSN(movdqu, "movdqu %xmm1, (%rdi)", X86_OTHER, 16) \
	INSN(movdqa, "movdqa %xmm15, (%r8)", X86_OTHER, 16) \
	INSN(movq_mmx, "movq %mm1, (%rdi)", X86_OTHER, 8) \
	INSN(lddqu, "lddqu (%rdi), %xmm1", X86_OTHER, 16) \
	INSN(vmovups_128, "vmovups %xmm1, (%rdi)", X86_OTHER, 16) \
	INSN(vmovups_256, "vmovups %ymm1, (%rdi)", X86_OTHER, 32) \
	INSN(vmovdqu_256, "vmovdqu %ymm9, (%r9)", X86_OTHER, 32) \
	INSN(vmovdqa_load, "vmovdqa (%rsi), %ymm1", X86_OTHER, 32) \
	INSN(vmovntdq_256, "vmovntdq %ymm1, (%rdi)", X86_OTHER, 32) \
	INSN(vmovss, "vmovss %xmm1, (%rdi)", X86_OTHER, 4) \
	INSN(vextracti128, "vextracti128 $1, %ymm1, (%rdi)", X86_OTHER, 16) \
	INSN(vextractf128, "vextractf128 $1, %ymm1, (%rdi)", X86_OTHER, 16) \
	INSN(vmovdqu64_512, "vmovdqu64 %zmm1, (%rdi)", X86_OTHER, 64) \
	INSN(vmovdqu8_256, "vmovdqu8 %ymm17, (%rdi)", X86_OTHER, 32) \
	INSN(vmovntdq_512, "vmovntdq %zmm1, (%rdi)", X86_OTHER, 64)

#define ASSEMBLE(name, text, kind, width) \
	asm(".pushsection .rodata\ninsn_" #name ": " text "\ninsn_end_" #name ":\n.popsection\n"); \
	extern const uint8_t insn_##name[], insn_end_##name[];
INSNS(ASSEMBLE)

static void
instructions_are_told_apart(void **state)
{
#define ENTRY(name, text, kind, width) { insn_##name, insn_end_##name, text, kind, width },
	static const struct {
		const uint8_t *start;
		const uint8_t *end;
		const char *text;
		enum x86_kind kind;
		uint8_t width;
	} insns[] = { INSNS(ENTRY) };

	(void)state;
	for (size_t n = 0; n < sizeof(insns) / sizeof(insns[0]); n++) {
		struct x86_insn insn = x86_classify(insns[n].start, insns[n].end - insns[n].start);

		if (insn.kind != insns[n].kind || insn.width != insns[n].width)
			fail_msg("%s: kind %d, width %u", insns[n].text, insn.kind, insn.width);
	}
}

/* Bytes of which no instruction consists must not lead beyond their end. */
static void
any_bytes_are_taken(void **state)
{
	uint8_t code[15];
	uint32_t random = 1;

	(void)state;
	for (int round = 0; round < 100000; round++) {
		size_t size = round % (sizeof(code) + 1);
		uint8_t *exact = test_malloc(size + 1);	/* guarded */

		for (size_t n = 0; n < size; n++) {
			random = random * 1664525 + 1013904223;
			exact[n] = random >> 24;
		}
		x86_classify(exact, size);
		test_free(exact);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(instructions_are_told_apart),
		cmocka_unit_test(any_bytes_are_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
