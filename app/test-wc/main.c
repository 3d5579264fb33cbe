/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * dpdk-test-wc [EAL options] -- SUITE
 *
 * Runs one suite and prints TAP. Exits with 0 only if every test passed.
 */

#include <stdlib.h>

#include <rte_common.h>
#include <rte_eal.h>

#include "test.h"
#include "version.h"

static const struct test_suite * const suites[] = {
	&delivered_suite,
	&mtrr_suite,
	&option_suite,
	&pci_wc_suite,
	&pci_class_suite,
	&pci_offsets_suite,
	&wcio_suite,
	&ivshmem_suite,
	&ivshmem_features_suite,
	&ivshmem_link_suite,
	&ivshmem_queues_suite,
	&ivshmem_server_suite,
	&ivshmem_vdev_suite,
};

static const struct test_suite *
find_suite(const char *name)
{
	unsigned int i;

	for (i = 0; name != NULL && i < RTE_DIM(suites); i++) {
		if (strcmp(suites[i]->name, name) == 0)
			return suites[i];
	}
	fprintf(stderr, "dpdk-test-wc: no suite '%s': use one of", name != NULL ? name : "");
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

	version_if_asked(argc, argv, "dpdk-test-wc");
	setvbuf(stdout, NULL, _IOLBF, 0);
	ret = rte_eal_init(argc, argv);
	if (ret < 0)
		return EXIT_FAILURE;

	suite = find_suite(argv[ret + 1]);
	ret = suite == NULL ? -1 : run_suite(suite);
	rte_eal_cleanup();
	return ret == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
