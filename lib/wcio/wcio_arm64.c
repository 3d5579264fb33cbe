/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <stdbool.h>
#include <string.h>
#ifdef RTE_EXEC_ENV_LINUX
#include <sys/auxv.h>
#endif

#include <arm_neon.h>

#include "eal_wc_compat.h"
#include "wcio_variants.h"

/*
 * Numbers of the kernel's interface (Linux include/uapi/linux/auxvec.h and
 * arch/arm64/include/uapi/asm/hwcap.h, Documentation/arch/arm64/elf_hwcaps.rst), which are missing
 * from the headers of most systems. A kernel that does not set the bit does not allow programs to
 * execute the instructions either (SCTLR_EL1.EnALS).
 */
#define AUX_HWCAP3 29
#define AUX_HWCAP3_LS64 (1UL << 3)

/* One instruction stores the line, so that its parts are consecutive. */
static void
wcio_arm64_copy_neon(void *dst, const void *src, size_t nb_lines)
{
	const uint8_t *from = src;
	uint8_t *to = dst;

	for (; nb_lines != 0; nb_lines--, from += RTE_WCIO_LINE, to += RTE_WCIO_LINE)
		vst1q_u8_x4(to, vld1q_u8_x4(from));
}

/*
 * ST64B X0, [X8] (Arm ARM, "ST64B": 0xf83f9000 | Rn << 5 | Rt). As a number, since assemblers know
 * its name only since binutils 2.36. Rt is the first of eight registers.
 */
static inline void
wcio_arm64_st64b(void *dst, const uint64_t words[8])
{
	register uint64_t w0 asm("x0") = words[0];
	register uint64_t w1 asm("x1") = words[1];
	register uint64_t w2 asm("x2") = words[2];
	register uint64_t w3 asm("x3") = words[3];
	register uint64_t w4 asm("x4") = words[4];
	register uint64_t w5 asm("x5") = words[5];
	register uint64_t w6 asm("x6") = words[6];
	register uint64_t w7 asm("x7") = words[7];
	register void *to asm("x8") = dst;

	asm volatile(".inst 0xf83f9100"
		: : "r" (w0), "r" (w1), "r" (w2), "r" (w3), "r" (w4), "r" (w5), "r" (w6), "r" (w7),
			"r" (to)
		: "memory");
}

void
wcio_copy_st64b(void *dst, const void *src, size_t nb_lines)
{
	const uint8_t *from = src;
	uint8_t *to = dst;
	uint64_t words[8];

	for (; nb_lines != 0; nb_lines--, from += RTE_WCIO_LINE, to += RTE_WCIO_LINE) {
		memcpy(words, from, sizeof(words));
		wcio_arm64_st64b(to, words);
	}
}

static bool
wcio_arm64_has_st64b(void)
{
#ifdef RTE_EXEC_ENV_LINUX
	return getauxval(AUX_HWCAP3) & AUX_HWCAP3_LS64;
#else
	return false;
#endif
}

rte_wcio_copy_t
wcio_arch_copy_func(enum rte_wcio_variant variant)
{
	switch (variant) {
	case RTE_WCIO_NEON:
		return wcio_arm64_copy_neon;
	case RTE_WCIO_ST64B:
		return wcio_arm64_has_st64b() ? wcio_copy_st64b : NULL;
	default:
		return NULL;
	}
}

enum rte_wcio_variant
wcio_arch_atomic(void)
{
	return RTE_WCIO_ST64B;
}

/* There is no streaming load; one instruction loads the whole line, which can be one read. */
RTE_EXPORT_EXPERIMENTAL_SYMBOL(rte_wcio_read, 26.11)
void
rte_wcio_read(void *dst, const void *src, size_t nb_lines)
{
	wcio_arm64_copy_neon(dst, src, nb_lines);
}
