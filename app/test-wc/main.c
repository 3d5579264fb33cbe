/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * dpdk-test-wc [EAL options] -- SUITE [arguments]
 *
 * Runs one suite and prints TAP. Exits with 0 only if every test passed.
 */

#include <stdlib.h>

#include <rte_common.h>
#include <rte_eal.h>

#include "test.h"

static const struct test_suite * const suites[] = {
	&option_suite,
	&pci_wc_suite,
	&pci_offsets_suite,
	&wcio_suite,
	&ivshmem_suite,
	&ivshmem_doorbell_suite,
	&ivshmem_echo_suite,
	&ivshmem_features_suite,
	&ivshmem_hammer_suite,
	&ivshmem_link_suite,
	&ivshmem_loop_suite,
	&ivshmem_corrupt_suite,
	&ivshmem_queues_suite,
	&ivshmem_server_suite,
	&ivshmem_sleep_suite,
	&ivshmem_traffic_suite,
	&ivshmem_vdev_suite,
	&ivshmem_victim_suite,
	&guest_suite,
};

bool
test_holds(bool holds, const char *what, const char *file, int line)
{
	if (!holds)
		printf("# %s:%d: %s does not hold (rte_errno %d)\n", file, line, what, rte_errno);
	return holds;
}

bool
test_has_errno(intptr_t result, int error)
{
	return (result == (intptr_t)NULL || result == -1) && rte_errno == error;
}

static const struct test_suite *
find_suite(const char *name)
{
	unsigned int i;

	for (i = 0; name != NULL && i < RTE_DIM(suites); i++) {
		if (strcmp(suites[i]->name, name) == 0)
			return suites[i];
	}
	fprintf(stderr, "dpdk-test-wc: no suite '%s': give one of", name != NULL ? name : "");
	for (i = 0; i < RTE_DIM(suites); i++)
		fprintf(stderr, " %s", suites[i]->name);
	fprintf(stderr, "\n");
	return NULL;
}

static int
run_suite(const struct test_suite *suite)
{
	const struct test_case *test;
	unsigned int number = 0, failed = 0;

	if (suite->setup != NULL && suite->setup() != 0) {
		printf("Bail out! %s: setup failed\n", suite->name);
		return -1;
	}
	for (test = suite->cases; test->name != NULL; test++) {
		bool ok = test->run() == 0;

		printf("%sok %u - %s\n", ok ? "" : "not ", ++number, test->name);
		failed += !ok;
	}
	if (suite->teardown != NULL)
		suite->teardown();
	printf("1..%u\n", number);
	return failed == 0 ? 0 : -1;
}

int
main(int argc, char **argv)
{
	const struct test_suite *suite;
	int ret;

	setvbuf(stdout, NULL, _IOLBF, 0);
	ret = rte_eal_init(argc, argv);
	if (ret < 0)
		return EXIT_FAILURE;
	argc -= ret;
	argv += ret;

	suite = find_suite(argv[1]);
	if (suite == NULL)
		ret = -1;
	else if (suite->main != NULL)
		ret = suite->main(argc - 1, argv + 1);
	else
		ret = run_suite(suite);
	rte_eal_cleanup();
	return ret == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
