/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <string.h>

#include <rte_common.h>

#include "eal_vfio_wc.h"
#include "test.h"

#define DEVICE "0000:00:01.0"

static void
set_off(void)
{
	eal_vfio_wc_parse("off");
}

static int
test_vfio_wc_modes(void)
{
	static const struct {
		const char *value;
		enum rte_vfio_wc_mode mode;
	} valid[] = {
		{ "off", RTE_VFIO_WC_OFF },
		{ "auto", RTE_VFIO_WC_AUTO },
		{ "strict", RTE_VFIO_WC_STRICT },
		{ NULL, RTE_VFIO_WC_AUTO },
	};
	unsigned int i;

	for (i = 0; i < RTE_DIM(valid); i++) {
		const char *name = rte_vfio_wc_mode_name(valid[i].mode);

		TEST_ASSERT_SUCCESS(eal_vfio_wc_parse(valid[i].value), "%s is rejected", name);
		TEST_ASSERT_EQUAL(rte_vfio_wc_mode(DEVICE), valid[i].mode,
			"The mode is %d, not %s", rte_vfio_wc_mode(DEVICE), name);
		TEST_ASSERT_EQUAL(rte_vfio_wc_enabled(), valid[i].mode != RTE_VFIO_WC_OFF,
			"%s: enabled is %d", name, rte_vfio_wc_enabled());
		TEST_ASSERT(valid[i].value == NULL || strcmp(valid[i].value, name) == 0,
			"%s has the name %s", valid[i].value, name);
	}
	return TEST_SUCCESS;
}

static int
test_vfio_wc_by_device(void)
{
	TEST_ASSERT_SUCCESS(eal_vfio_wc_parse("off,0000:0a:1f.7=strict,0B:00.0=auto"),
		"Modes by device are rejected");
	TEST_ASSERT(rte_vfio_wc_enabled(), "Not enabled, although it is for two devices");
	TEST_ASSERT_EQUAL(rte_vfio_wc_mode("0000:0a:1f.7"), RTE_VFIO_WC_STRICT, "Not strict");
	TEST_ASSERT_EQUAL(rte_vfio_wc_mode("0000:0b:00.0"), RTE_VFIO_WC_AUTO,
		"Not auto without a domain and with an upper-case digit");
	TEST_ASSERT_EQUAL(rte_vfio_wc_mode("0000:0b:00.1"), RTE_VFIO_WC_OFF, "Not off");
	TEST_ASSERT(rte_vfio_wc_is_named("0000:0b:00.0"), "A device is not named");
	TEST_ASSERT(!rte_vfio_wc_is_named("0000:0b:00.1"), "Another device is named");
	return TEST_SUCCESS;
}

static int
test_vfio_wc_bad_values(void)
{
	static const char * const bad[] = {
		"", ",", "on", "AUTO", "auto ", "auto,", "auto,strict", DEVICE "=auto",
		"auto," DEVICE, "auto," DEVICE "=", "auto," DEVICE "=on", "auto,=off",
		"auto,00:20.0=off", "auto,00:01.8=off", "auto,00:01=off", "auto," DEVICE "x=off",
		"auto," DEVICE "=off,00:01.0=auto",
	};
	unsigned int i;

	TEST_ASSERT_SUCCESS(eal_vfio_wc_parse("strict"), "strict is rejected");
	for (i = 0; i < RTE_DIM(bad); i++) {
		TEST_ASSERT_FAIL(eal_vfio_wc_parse(bad[i]), "'%s' is not rejected", bad[i]);
		TEST_ASSERT_EQUAL(rte_vfio_wc_mode(DEVICE), RTE_VFIO_WC_STRICT,
			"'%s' is rejected, and sets a mode", bad[i]);
	}
	return TEST_SUCCESS;
}

static struct unit_test_suite vfio_wc_testsuite = {
	.suite_name = "EAL option --vfio-wc",
	.unit_test_cases = {
		TEST_CASE_ST(NULL, set_off, test_vfio_wc_modes),
		TEST_CASE_ST(NULL, set_off, test_vfio_wc_by_device),
		TEST_CASE_ST(NULL, set_off, test_vfio_wc_bad_values),
		TEST_CASES_END()
	},
};

static int
test_eal_vfio_wc(void)
{
	return unit_test_suite_runner(&vfio_wc_testsuite);
}

REGISTER_FAST_TEST(eal_vfio_wc_autotest, NOHUGE_OK, ASAN_OK, test_eal_vfio_wc);
