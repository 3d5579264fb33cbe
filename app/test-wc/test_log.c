/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <rte_log.h>

#include "test.h"

static char text[256 << 10];
static FILE *file;

int
log_watch(void)
{
	log_unwatch();
	memset(text, 0, sizeof(text));
	file = fmemopen(text, sizeof(text) - 1, "w");
	return file == NULL ? -1 : rte_openlog_stream(file);
}

void
log_unwatch(void)
{
	rte_openlog_stream(NULL);
	if (file != NULL)
		fclose(file);
	file = NULL;
}

bool
log_has(const char *what)
{
	fflush(file);
	return strstr(text, what) != NULL;
}

bool
log_is_empty(void)
{
	fflush(file);
	return text[0] == '\0';
}

unsigned int
log_count(const char *what)
{
	const char *found = text;
	unsigned int nb = 0;

	fflush(file);
	for (; (found = strstr(found, what)) != NULL; found += strlen(what))
		nb++;
	return nb;
}
