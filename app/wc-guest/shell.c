/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * dpdk-wc-guest [EAL options] -- shell
 *
 * A driver for QEMU's bochs-display and pci-testdev that executes commands from standard input, so
 * that a test can check each step in a guest. Answers each command with one line.
 *
 *   map BAR OFFSET LEN   rte_pci_map_wc(): address, or error and the name of rte_errno
 *   unmap ADDRESS        rte_pci_unmap_wc()
 *   bar BAR              address of the default mapping
 *   type ADDRESS         touch a page and show its memory type from this process's page tables
 *   touch ADDRESS LEN    store to each page: page faults and microseconds
 *   write ADDRESS VALUE  store a byte
 *   read ADDRESS         load a byte
 *   query BAR            rte_pci_wc_query()
 *   limit 0|1            forbid (0) or allow (1) further use of address space
 *   sigbus ADDRESS       store with memory disabled: whether SIGBUS is attributed to the device
 *   remove               rte_dev_remove()
 *   cleanup              rte_eal_cleanup(); only quit is allowed afterwards
 *   quit
 *
 * In the environment: WC_TEST_ACTIVATE makes the driver set RTE_PCI_DRV_WC_ACTIVATE,
 * WC_TEST_PROBE_MAP=BAR makes its probe request a mapping and ignore the result.
 */

#include <errno.h>
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <bus_pci_driver.h>
#include <rte_atomic.h>
#include <rte_bus_pci.h>
#include <rte_bus_pci_wc.h>
#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>

#include "page_type.h"
#include "wc_guest.h"

/* bochs-display, QEMU docs/specs/standard-vga.txt: a prefetchable BAR with memory behind it */
#define TESTDEV_VENDOR 0x1234
#define TESTDEV_DEVICE 0x1111

/* pci-testdev, QEMU docs/specs/pci-testdev.txt: a BAR2 of any size (membar), nothing behind it */
#define BIGDEV_VENDOR 0x1b36
#define BIGDEV_DEVICE 0x0005

static struct rte_pci_device *device;
static volatile int removal_events;

static int
probe(struct rte_pci_driver *driver, struct rte_pci_device *dev)
{
	const char *bar = getenv("WC_TEST_PROBE_MAP");

	RTE_SET_USED(driver);
	device = dev;
	if (bar != NULL)
		rte_pci_map_wc(dev, atoi(bar), 0, 1);
	return 0;
}

static int
remove_device(struct rte_pci_device *dev)
{
	RTE_SET_USED(dev);
	device = NULL;
	return 0;
}

static const struct rte_pci_id ids[] = {
	{ RTE_PCI_DEVICE(TESTDEV_VENDOR, TESTDEV_DEVICE) },
	{ RTE_PCI_DEVICE(BIGDEV_VENDOR, BIGDEV_DEVICE) },
	{ .vendor_id = 0 },
};

static struct rte_pci_driver driver = {
	.driver = { .name = "test_wc" },
	.id_table = ids,
	.drv_flags = RTE_PCI_DRV_NEED_MAPPING,
	.probe = probe,
	.remove = remove_device,
};

RTE_INIT(register_driver)
{
	if (getenv("WC_TEST_ACTIVATE") != NULL)
		driver.drv_flags |= RTE_PCI_DRV_WC_ACTIVATE;
	rte_pci_register(&driver);
}

static const char *
errno_name(int error)
{
	switch (error) {
	case ENOTSUP:
		return "ENOTSUP";
	case EINVAL:
		return "EINVAL";
	case ERANGE:
		return "ERANGE";
	case ENOSPC:
		return "ENOSPC";
	case ENOMEM:
		return "ENOMEM";
	case ENODEV:
		return "ENODEV";
	case ENOENT:
		return "ENOENT";
	default:
		return "other";
	}
}

static void
do_map(const char *args)
{
	int64_t offset, len;
	unsigned int bar;
	void *addr;

	if (sscanf(args, "%u %" SCNi64 " %" SCNi64, &bar, &offset, &len) != 3) {
		puts("error usage");
		return;
	}
	rte_errno = 0;
	addr = rte_pci_map_wc(device, bar, offset, len);
	if (addr == NULL)
		printf("error %s\n", errno_name(rte_errno));
	else
		printf("address %p\n", addr);
}

static void
do_query(unsigned int bar)
{
	static const char * const states[] = { "not-asked", "granted", "refused" };
	struct rte_pci_wc_info info;

	if (rte_pci_wc_query(device, bar, &info) < 0)
		printf("error %s\n", errno_name(rte_errno));
	else
		printf("state %s maps %u reason %s\n", states[info.state], info.nb_maps,
			info.reason);
}

static void
do_type(uint8_t *addr)
{
	char text[PAGE_TYPE_SIZE];

	*(volatile uint8_t *)addr = 0x5a;
	page_type(addr, text, sizeof(text));
	printf("type %s\n", text);
}

static void
do_touch(volatile uint8_t *addr, size_t len)
{
	struct rusage before, after;
	uint64_t start = rte_get_timer_cycles();
	size_t i;

	getrusage(RUSAGE_SELF, &before);
	for (i = 0; i < len; i += 4096)
		addr[i] = 1;
	getrusage(RUSAGE_SELF, &after);
	printf("touched %" PRIu64 " %" PRIu64 "\n",
		(uint64_t)(after.ru_minflt + after.ru_majflt - before.ru_minflt - before.ru_majflt),
		(rte_get_timer_cycles() - start) * 1000000 / rte_get_timer_hz());
}

static void
do_limit(bool more)
{
	struct rlimit limit;
	int ret;

	ret = getrlimit(RLIMIT_AS, &limit);
	limit.rlim_cur = more ? limit.rlim_max : 0;
	printf("limit %d\n", ret == 0 ? setrlimit(RLIMIT_AS, &limit) : ret);
}

static void
set_memory(bool on)
{
	uint16_t command;

	rte_pci_read_config(device, &command, sizeof(command), PCI_COMMAND);
	command = on ? command | PCI_COMMAND_MEMORY : command & ~PCI_COMMAND_MEMORY;
	rte_pci_write_config(device, &command, sizeof(command), PCI_COMMAND);
}

/* Called from the SIGBUS handler once the bus has found the device. Lets the store succeed. */
static void
on_event(const char *name, enum rte_dev_event_type type, void *arg)
{
	RTE_SET_USED(arg);
	if (type != RTE_DEV_EVENT_REMOVE || strcmp(name, device->name) != 0)
		return;
	removal_events++;
	set_memory(true);
}

static void
do_sigbus(uint8_t *addr)
{
	if (rte_dev_event_callback_register(NULL, on_event, NULL) != 0 ||
			rte_dev_event_monitor_start() != 0 ||
			rte_dev_hotplug_handle_enable() != 0) {
		puts("error hotplug");
		return;
	}
	set_memory(false);
	*(volatile uint8_t *)addr = 1;
	printf("events %d\n", removal_events);
	rte_dev_hotplug_handle_disable();
	rte_dev_event_monitor_stop();
}

static void
do_cleanup(void)
{
	char line[16];

	printf("remove %d\n", rte_eal_cleanup());
	/* There is nothing that can be done with DPDK from here on, not even a second cleanup. */
	if (fgets(line, sizeof(line), stdin) != NULL)
		_exit(0);
}

static bool
do_command(const char *line)
{
	char word[16] = "", args[128] = "", *end;
	unsigned long addr, value;

	if (sscanf(line, "%15s %127[^\n]", word, args) < 1)
		return true;
	addr = strtoul(args, &end, 0);
	value = strtoul(end, NULL, 0);
	if (strcmp(word, "quit") == 0)
		return false;
	if (device == NULL)
		puts("error no device");
	else if (strcmp(word, "map") == 0)
		do_map(args);
	else if (strcmp(word, "unmap") == 0)
		printf("unmap %s\n", rte_pci_unmap_wc(device, (void *)addr) == 0 ? "0" :
			errno_name(rte_errno));
	else if (strcmp(word, "bar") == 0)
		printf("address %p\n",
			addr < PCI_MAX_RESOURCE ? device->mem_resource[addr].addr : NULL);
	else if (strcmp(word, "type") == 0)
		do_type((uint8_t *)addr);
	else if (strcmp(word, "touch") == 0)
		do_touch((uint8_t *)addr, value);
	else if (strcmp(word, "write") == 0)
		printf("wrote %d\n", *(volatile uint8_t *)addr = value);
	else if (strcmp(word, "read") == 0)
		printf("value %d\n", *(volatile uint8_t *)addr);
	else if (strcmp(word, "query") == 0)
		do_query(addr);
	else if (strcmp(word, "limit") == 0)
		do_limit(addr != 0);
	else if (strcmp(word, "sigbus") == 0)
		do_sigbus((uint8_t *)addr);
	else if (strcmp(word, "cleanup") == 0)
		do_cleanup();
	else if (strcmp(word, "remove") == 0)
		printf("remove %d\n", rte_dev_remove(&device->device));
	else
		puts("error unknown command");
	/* What was written through one mapping is read through the other. */
	rte_mb();
	return true;
}

static int
shell(int argc, char **argv)
{
	char line[256];

	RTE_SET_USED(argc);
	RTE_SET_USED(argv);
	puts(device != NULL ? "ready" : "ready without device");
	while (fgets(line, sizeof(line), stdin) != NULL && do_command(line))
		;
	return 0;
}

const struct wc_guest_program shell_program = {
	.name = "shell",
	.main = shell,
};
