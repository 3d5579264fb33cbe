/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * dpdk-wc-guest [EAL options] -- PROGRAM [arguments]
 *
 * Runs a program on the devices that EAL has probed, in a guest or as a guest's peer on the host.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_eal.h>

#include "version.h"
#include "wc_guest.h"

static const struct wc_guest_program * const programs[] = {
	&shell_program,
	&ivshmem_corrupt_program,
	&ivshmem_doorbell_program,
	&ivshmem_echo_program,
	&ivshmem_hammer_program,
	&ivshmem_loop_program,
	&ivshmem_sleep_program,
	&ivshmem_traffic_program,
	&ivshmem_victim_program,
	&raw_program,
};

static const struct wc_guest_program *
find_program(const char *name)
{
	unsigned int i;

	for (i = 0; name != NULL && i < RTE_DIM(programs); i++) {
		if (strcmp(programs[i]->name, name) == 0)
			return programs[i];
	}
	fprintf(stderr, "dpdk-wc-guest: no program '%s': use one of", name != NULL ? name : "");
	for (i = 0; i < RTE_DIM(programs); i++)
		fprintf(stderr, " %s", programs[i]->name);
	fprintf(stderr, "\n");
	return NULL;
}

int
main(int argc, char **argv)
{
	const struct wc_guest_program *program;
	int ret;

	version_if_asked(argc, argv, "dpdk-wc-guest");
	setvbuf(stdout, NULL, _IOLBF, 0);
	ret = rte_eal_init(argc, argv);
	if (ret < 0)
		return EXIT_FAILURE;
	argc -= ret;
	argv += ret;

	program = find_program(argv[1]);
	ret = program == NULL ? -1 : program->main(argc - 1, argv + 1);
	rte_eal_cleanup();
	return ret == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
