/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef WCIO_VARIANTS_H
#define WCIO_VARIANTS_H

#include <stdint.h>

#include "rte_wcio.h"

/**
 * The variants of an architecture other than RTE_WCIO_PLAIN, and rte_wcio_read(): in wcio_x86.c,
 * wcio_arm64.c or wcio_generic.c, as selected by meson.build.
 */

/** NULL if the variant is for another architecture, not compiled in, or not on this CPU. */
rte_wcio_copy_t wcio_arch_copy_func(enum rte_wcio_variant variant);

/** The variant whose lines are atomic; RTE_WCIO_PLAIN if the architecture has none. */
enum rte_wcio_variant wcio_arch_atomic(void);

/** The widest variant of this CPU with ordinary stores of at most max_bits. */
enum rte_wcio_variant wcio_widest(uint16_t max_bits);

/** Set the function of rte_wcio_atomic_line(); for tests, which emulate the instruction. */
void wcio_set_atomic(rte_wcio_copy_t copy);

/** Each is in a separate file, the only one compiled for the instructions in its name. */
void wcio_copy_avx2(void *dst, const void *src, size_t nb_lines);
void wcio_copy_avx512(void *dst, const void *src, size_t nb_lines);
void wcio_copy_movdir64b(void *dst, const void *src, size_t nb_lines);

/** Only for callers that have checked for the instruction. */
void wcio_copy_st64b(void *dst, const void *src, size_t nb_lines);

#endif /* WCIO_VARIANTS_H */
