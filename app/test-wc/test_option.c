/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <stdlib.h>

#include <rte_common.h>

#include "eal_vfio_wc.h"
#include "test.h"

static int
test_modes(void)
{
	CHECK(eal_vfio_wc_parse("off") == 0);
	CHECK(!rte_vfio_wc_enabled());
	CHECK(eal_vfio_wc_parse(NULL) == 0);
	CHECK(rte_vfio_wc_enabled());
	CHECK(rte_vfio_wc_mode("0000:00:01.0") == RTE_VFIO_WC_AUTO);
	CHECK(eal_vfio_wc_parse("auto") == 0);
	CHECK(rte_vfio_wc_mode("0000:00:01.0") == RTE_VFIO_WC_AUTO);
	CHECK(eal_vfio_wc_parse("strict") == 0);
	CHECK(rte_vfio_wc_mode("0000:00:01.0") == RTE_VFIO_WC_STRICT);
	return 0;
}

static int
test_overrides(void)
{
	CHECK(eal_vfio_wc_parse("off,0000:0a:1f.7=strict,0B:00.0=auto") == 0);
	CHECK(rte_vfio_wc_enabled());
	CHECK(rte_vfio_wc_mode("0000:0a:1f.7") == RTE_VFIO_WC_STRICT);
	CHECK(rte_vfio_wc_mode("0000:0b:00.0") == RTE_VFIO_WC_AUTO);
	CHECK(rte_vfio_wc_mode("0000:0b:00.1") == RTE_VFIO_WC_OFF);
	CHECK(eal_vfio_wc_parse("auto,ffff:00:00.0=off") == 0);
	CHECK(rte_vfio_wc_mode("ffff:00:00.0") == RTE_VFIO_WC_OFF);
	CHECK(eal_vfio_wc_parse("auto,10000:e1:00.0=off") == 0);
	CHECK(rte_vfio_wc_mode("10000:e1:00.0") == RTE_VFIO_WC_OFF);
	return 0;
}

/* Whether a value is rejected with this message, and what was set before stays. */
static bool
is_rejected(const char *value, const char *message)
{
	bool logged, rejected;

	if (log_watch() != 0)
		return false;
	rejected = eal_vfio_wc_parse(value) == -1;
	logged = log_has(message) &&
		log_has("use --vfio-wc=MODE[,BDF=MODE...] with MODE off, auto or strict");
	log_unwatch();
	if (!rejected || !logged)
		printf("# '%s': rejected %d, '%s' logged %d\n", value, rejected, message, logged);
	return rejected && logged && rte_vfio_wc_mode("0000:00:01.0") == RTE_VFIO_WC_STRICT;
}

static int
test_bad_values(void)
{
	static const struct {
		const char *message;
		const char *values[14];
	} bad[] = {
		{ "': use off, auto or strict",
			{ "", ",", "on", "AUTO", "auto ", "0000:00:01.0=auto", "auto,0000:00:01.0=",
			  "auto,0000:00:01.0=on" } },
		{ "unknown mode 'on': use off, auto or strict", { "on", "auto,0000:00:01.0=on" } },
		{ "' has no '=': use BDF=MODE",
			{ "auto,", "auto,,", "auto,strict", "auto,0000:00:01.0" } },
		{ "' is not a PCI address: use [DDDD:]BB:DD.F",
			{ "auto,=off", "auto,0000:00:20.0=off", "auto,0000:00:01.8=off",
			  "auto,00:01=off", "auto,-1:01.0=off", "auto,0x0:0:1.0=off", "auto, 0:1.0=off",
			  "auto,0000:00:01.0x=off", "auto,100000000:00:01.0=off",
			  "auto,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=off" } },
		{ "device 0000:00:01.0 is repeated: name it once",
			{ "auto,00:01.0=off,0:1.0=off" } },
	};
	unsigned int i, n;

	CHECK(eal_vfio_wc_parse("strict") == 0);
	for (i = 0; i < RTE_DIM(bad); i++) {
		for (n = 0; bad[i].values[n] != NULL; n++)
			CHECK(is_rejected(bad[i].values[n], bad[i].message));
	}
	return 0;
}

static int
test_too_many(void)
{
	char text[2048] = "auto";
	size_t len = strlen(text);
	unsigned int i;

	for (i = 0; i < 64; i++)
		len += snprintf(text + len, sizeof(text) - len, ",%02x:00.0=off", i);
	CHECK(eal_vfio_wc_parse(text) == 0);
	CHECK(eal_vfio_wc_parse("strict") == 0);
	snprintf(text + len, sizeof(text) - len, ",%02x:00.0=off", i);
	CHECK(is_rejected(text, "more than 64 devices: set a mode for all instead"));
	return 0;
}

static int
check_args(const char *a, const char *b, const char *c)
{
	char prog[] = "prog", first[32], second[32], third[32];
	char *argv[4] = { prog, first, second, third };

	snprintf(first, sizeof(first), "%s", a);
	snprintf(second, sizeof(second), "%s", b);
	snprintf(third, sizeof(third), "%s", c);
	return eal_vfio_wc_init(RTE_DIM(argv), argv);
}

static int
test_bare_word(void)
{
	bool logged;

	CHECK(log_watch() == 0);
	CHECK(check_args("--vfio-wc", "strict", "--") == -1);
	logged = log_has("--vfio-wc strict: the value needs '=': use --vfio-wc=strict");
	log_unwatch();
	CHECK(logged);
	CHECK(check_args("--vfio-wc", "auto,00:01.0=off", "--") == -1);
	CHECK(check_args("--vfio-w", "off", "--") == -1);
	CHECK(check_args("-v", "--vfio-wc", "auto") == -1);
	CHECK(check_args("--vfio-wc=strict", "auto", "--") == 0);
	CHECK(check_args("--vfio-wc", "--no-pci", "--") == 0);
	CHECK(check_args("--vfio-wc", "--", "strict") == 0);
	CHECK(check_args("--vfio-intr", "auto", "--") == 0);
	CHECK(check_args("--", "--vfio-wc", "strict") == 0);
	return 0;
}

/* The policy with this value of the variable, and no option. */
static int
init_with_variable(const char *value)
{
	char prog[] = "prog";
	char *argv[1] = { prog };
	int ret;

	setenv("DPDK_VFIO_WC", value, 1);
	ret = eal_vfio_wc_init(RTE_DIM(argv), argv);
	unsetenv("DPDK_VFIO_WC");
	return ret;
}

static int
test_variable(void)
{
	bool logged;

	CHECK(eal_vfio_wc_parse("off") == 0);
	CHECK(init_with_variable("auto,00:01.0=strict") == 0);
	CHECK(rte_vfio_wc_mode("0000:00:02.0") == RTE_VFIO_WC_AUTO);
	CHECK(rte_vfio_wc_mode("0000:00:01.0") == RTE_VFIO_WC_STRICT);
	/* The option replaces all of it. */
	CHECK(eal_vfio_wc_parse("auto") == 0);
	CHECK(rte_vfio_wc_mode("0000:00:01.0") == RTE_VFIO_WC_AUTO);
	/* As if not set */
	CHECK(init_with_variable("") == 0);
	CHECK(rte_vfio_wc_mode("0000:00:01.0") == RTE_VFIO_WC_AUTO);
	CHECK(log_watch() == 0);
	CHECK(init_with_variable("on") == -1);
	logged = log_has("DPDK_VFIO_WC: unknown mode 'on': use off, auto or strict") &&
		log_has("DPDK_VFIO_WC: invalid value 'on': use DPDK_VFIO_WC=MODE[,BDF=MODE...]");
	log_unwatch();
	CHECK(logged);
	CHECK(rte_vfio_wc_mode("0000:00:01.0") == RTE_VFIO_WC_AUTO);
	return 0;
}

static const struct test_case cases[] = {
	{ "modes and the absent value", test_modes },
	{ "overrides of devices", test_overrides },
	{ "bad values are refused and change nothing", test_bad_values },
	{ "64 overrides and no more", test_too_many },
	{ "a mode as a word of its own is refused", test_bare_word },
	{ "the environment variable", test_variable },
	{ 0 }
};

const struct test_suite option_suite = {
	.name = "vfio-wc-option",
	.cases = cases,
};
