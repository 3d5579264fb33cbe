/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "exit_status.h"

static void *
alloc_check(void *memory)
{
	if (memory == NULL) {
		fputs("vfio-wc: out of memory\n", stderr);
		exit(EXIT_UNKNOWN);
	}
	return memory;
}

void *
alloc_zero(size_t size)
{
	return alloc_check(calloc(1, size));
}

char *
alloc_string(const char *text)
{
	return alloc_check(strdup(text));
}

char *
alloc_format(const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	return alloc_check(text);
}

void *
alloc_resize(void *memory, size_t size)
{
	return alloc_check(realloc(memory, size));
}

void *
alloc_grow(void *array, size_t nb, size_t size)
{
	/* The room doubles each time that it is used up. */
	if ((nb & (nb - 1)) == 0)
		array = alloc_check(reallocarray(array, nb == 0 ? 1 : 2 * nb, size));
	memset((char *)array + nb * size, 0, size);
	return array;
}
