/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef ALLOC_H
#define ALLOC_H

#include <stddef.h>

/* These end the program if there is no memory. */

void *alloc_zero(size_t size);
void *alloc_resize(void *memory, size_t size);
char *alloc_string(const char *text);
char *alloc_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Room for one more element, zeroed; returns the array. Use ALLOC_APPEND(). */
void *alloc_grow(void *array, size_t nb, size_t size);

/* Append a zeroed element to an array; its address. */
#define ALLOC_APPEND(array, nb) \
	((array) = alloc_grow(array, nb, sizeof(*(array))), &(array)[(nb)++])

#endif /* ALLOC_H */
