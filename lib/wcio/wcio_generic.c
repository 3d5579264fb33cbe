/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <string.h>

#include <rte_common.h>

#include "eal_wc_compat.h"
#include "wcio_variants.h"

rte_wcio_copy_t
wcio_arch_copy_func(enum rte_wcio_variant variant)
{
	RTE_SET_USED(variant);
	return NULL;
}

enum rte_wcio_variant
wcio_arch_atomic(void)
{
	return RTE_WCIO_PLAIN;
}

/* volatile: memcpy() may load a byte twice, or with any size, which devices may not support. */
RTE_EXPORT_EXPERIMENTAL_SYMBOL(rte_wcio_read, 26.11)
void
rte_wcio_read(void *dst, const void *src, size_t nb_lines)
{
	const volatile uint64_t *from = src;
	size_t nb_words = nb_lines * (RTE_WCIO_LINE / sizeof(*from));
	uint8_t *to = dst;
	uint64_t word;
	size_t i;

	for (i = 0; i < nb_words; i++) {
		word = from[i];
		memcpy(to + i * sizeof(word), &word, sizeof(word));
	}
}
