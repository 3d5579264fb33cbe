/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * ivshmem's device has two drivers. The class in its arguments selects one of them: each decides on
 * its own, so that it does not matter which one the bus tries first.
 */

#include <rte_common.h>
#include <rte_devargs.h>
#include <rte_memory.h>

#include "private.h"
#include "eal_wc_compat.h"
#include "test.h"

static struct rte_pci_driver *
find_driver(const char *name)
{
	struct rte_pci_driver *driver;

	RTE_BUS_FOREACH_DRV(driver, &rte_pci_bus) {
		if (strcmp(driver->driver.name, name) == 0)
			return driver;
	}
	return NULL;
}

/*
 * Whether a driver takes a device with these arguments, or would: without a BAR its probe fails.
 * NULL: there are none, as without -a.
 */
static bool
is_taken(struct rte_pci_driver *driver, const char *args)
{
	struct rte_devargs devargs = { .args = args };
	struct rte_pci_device device = {
		.name = "0000:00:04.0",
		.device = {
			.name = "0000:00:04.0",
			.numa_node = SOCKET_ID_ANY,
			.devargs = args == NULL ? NULL : &devargs,
		},
	};

	PCI_DEVICE_SET_DRIVER(&device, driver);
	return driver->probe(driver, &device) < 0;
}

static int
test_takers(void)
{
	static const struct {
		const char *args;
		bool net, raw;
	} devices[] = {
		{ NULL, true, false },
		{ "", true, false },
		{ "role=server", true, false },
		{ "class=eth", true, false },
		{ "class=net,role=client", true, false },
		{ "class=raw", false, true },
		{ "class=crypto", false, false },
		{ "class=", false, false },
		/* Wrong in a way that the one that is meant reports. */
		{ "class", true, false },
		{ "colour=red", true, false },
		{ "class=eth,class=raw", true, false },
		{ "class=raw,class=eth", false, true },
		{ "class=raw,role=client", false, true },
		{ "role=client,class=raw", false, true },
	};
	struct rte_pci_driver *net = find_driver("net_ivshmem_pci");
	struct rte_pci_driver *raw = find_driver("raw_wc_pmd");
	unsigned int i;

	CHECK(net != NULL && raw != NULL);
	for (i = 0; i < RTE_DIM(devices); i++) {
		printf("# %s\n", devices[i].args == NULL ? "no arguments" : devices[i].args);
		CHECK(is_taken(net, devices[i].args) == devices[i].net);
		CHECK(is_taken(raw, devices[i].args) == devices[i].raw);
	}
	return 0;
}

static int
test_layered_arguments(void)
{
	struct rte_devargs devargs;

	/* No argument for the driver: its text is NULL. */
	CHECK(rte_devargs_parse(&devargs, "bus=pci,addr=0000:00:04.0") == 0);
	CHECK(devargs.args == NULL);
	CHECK(is_taken(find_driver("net_ivshmem_pci"), devargs.args));
	CHECK(!is_taken(find_driver("raw_wc_pmd"), devargs.args));
	rte_devargs_reset(&devargs);
	return 0;
}

static int
test_messages(void)
{
	static const struct {
		const char *driver, *args, *message;
	} bad[] = {
		{ "net_ivshmem_pci", "class=raw", "class=raw: left to drivers of that class" },
		{ "net_ivshmem_pci", "class", "class has no value: use class=VALUE" },
		{ "net_ivshmem_pci", "class=eth,class=raw", "class is repeated: use it once" },
		{ "net_ivshmem_pci", "colour=red",
			"valid arguments are class, role, lines, queues and mac" },
		{ "raw_wc_pmd", "class=raw,colour=red",
			"0000:00:04.0,class=raw,colour=red: use no argument other than class=raw" },
	};
	unsigned int i;
	bool logged;

	for (i = 0; i < RTE_DIM(bad); i++) {
		CHECK(log_watch() == 0);
		is_taken(find_driver(bad[i].driver), bad[i].args);
		logged = log_has(bad[i].message);
		log_unwatch();
		printf("# %s\n", bad[i].args);
		CHECK(logged);
	}
	return 0;
}

static const struct test_case cases[] = {
	{ "one driver takes a device, by its class", test_takers },
	{ "arguments in layers", test_layered_arguments },
	{ "bad arguments are reported", test_messages },
	{ 0 },
};

const struct test_suite pci_class_suite = {
	.name = "pci-class",
	.cases = cases,
};
