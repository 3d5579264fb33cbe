/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef WCIO_VARIANTS_H
#define WCIO_VARIANTS_H

#include <stdint.h>

#include "rte_wcio.h"

/**
 * What an architecture has besides RTE_WCIO_PLAIN, and rte_wcio_read(): wcio_x86.c, wcio_arm64.c or
 * wcio_generic.c, as meson.build chooses.
 */

/** NULL if the variant is of another architecture, not compiled in, or not on this CPU. */
rte_wcio_copy_t wcio_arch_copy_func(enum rte_wcio_variant variant);

/** The variant whose lines are atomic; RTE_WCIO_PLAIN if the architecture has none. */
enum rte_wcio_variant wcio_arch_atomic(void);

/** Of the variants made of ordinary stores of at most so many bits, the widest of this CPU. */
enum rte_wcio_variant wcio_widest(uint16_t max_bits);

/** What rte_wcio_atomic_line() is; for tests, which emulate the instruction. */
void wcio_set_atomic(rte_wcio_copy_t copy);

/** Each in a file of its own, the only one compiled for the instructions it is named for. */
void wcio_copy_avx2(void *dst, const void *src, size_t nb_lines);
void wcio_copy_avx512(void *dst, const void *src, size_t nb_lines);
void wcio_copy_movdir64b(void *dst, const void *src, size_t nb_lines);

/** For those who know that the instruction is there. */
void wcio_copy_st64b(void *dst, const void *src, size_t nb_lines);

#endif /* WCIO_VARIANTS_H */
