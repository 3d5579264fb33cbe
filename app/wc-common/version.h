/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef WC_VERSION_H
#define WC_VERSION_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/**
 * Print the project's version and exit, if the first argument is --version. Before EAL, which has
 * no such option, is initialised.
 */
static inline void
version_if_asked(int argc, char **argv, const char *program)
{
	if (argc < 2 || strcmp(argv[1], "--version") != 0)
		return;
	printf("%s %s\n", program, WC_VERSION);
	exit(EXIT_SUCCESS);
}

#endif /* WC_VERSION_H */
