/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include "test.h"

#ifndef RTE_EXEC_ENV_LINUX

static int
test_pci_wc(void)
{
	printf("Write-combining mappings are only supported on Linux, skipping test\n");
	return TEST_SKIPPED;
}

#else

#include <sys/mman.h>
#include <unistd.h>

#include <rte_bus_pci_wc.h>
#include <rte_errno.h>
#include <rte_interrupts.h>

#include "eal_vfio_wc.h"
#include "pci_wc.h"
#include "pci_wc_backend.h"
#include "vfio_wc_uapi.h"

#define DEVICE "0000:00:05.0"
#define BAR 2
#define IO_BAR 4
#define NO_BAR 5
/* A multiple of the page size of any platform */
#define UNIT 65536
#define BAR_SIZE (4 * UNIT)
/* Of the simulated device file, which has an alias of the BAR after its regions */
#define OFFSET(region) ((off_t)(region) * BAR_SIZE)
#define ALIAS VFIO_PCI_NUM_REGIONS

static struct rte_bus *bus;
static struct rte_pci_driver driver;
static struct rte_pci_device device;
static int device_fd = -1;
static char *bar;		/* the default mapping */
static char *window;		/* all of the BAR, write-combining */
static int window_errno;
static int nb_removals;
/* Of the simulated kernel, none if it grants the mapping */
static enum pci_wc_reason refusal;

static enum pci_wc_reason
kernel_grant(int fd __rte_unused, unsigned int index __rte_unused, uint64_t size __rte_unused,
		uint64_t *offset)
{
	*offset = OFFSET(ALIAS);
	return refusal;
}

static int64_t
kernel_region_offset(int fd __rte_unused, uint32_t index)
{
	return OFFSET(index);
}

static const struct pci_wc_backend kernel = {
	.grant = kernel_grant,
	.region_offset = kernel_region_offset,
};

static int
driver_probe(struct rte_pci_driver *drv __rte_unused, struct rte_pci_device *dev)
{
	/* The bus does this for a device of a real kernel. */
	if (rte_intr_dev_fd_set(dev->intr_handle, device_fd) != 0 || pci_wc_mapped(dev, 0) != 0)
		return -1;
	rte_errno = 0;
	window = rte_pci_map_wc(dev, BAR, 0, BAR_SIZE);
	window_errno = rte_errno;
	return 0;
}

static int
driver_remove(struct rte_pci_device *dev __rte_unused)
{
	nb_removals++;
	return 0;
}

static int
probe(const char *policy)
{
	if (eal_vfio_wc_parse(policy) != 0)
		return -EINVAL;
	return bus->probe_device(&driver.driver, &device.device);
}

static int
testsuite_setup(void)
{
	bus = rte_bus_find_by_name("pci");
	if (bus == NULL)
		return TEST_SKIPPED;
	pci_wc_set_backend(&kernel);
	return TEST_SUCCESS;
}

static void
testsuite_teardown(void)
{
	pci_wc_set_backend(NULL);
}

/* BAR and alias are different memory here, so that the content of a mapping identifies it. */
static int
create_device_file(void)
{
	static char content[BAR_SIZE];
	/* PCI 3.0, section 6.2.5.1 */
	const uint8_t prefetchable = 0x8, io = 0x1;
	const off_t bars = OFFSET(VFIO_PCI_CONFIG_REGION_INDEX) + 0x10;

	device_fd = memfd_create("test_pci_wc", 0);
	TEST_ASSERT(device_fd >= 0 && ftruncate(device_fd, OFFSET(ALIAS + 1)) == 0,
		"No device file: %s", strerror(errno));
	memset(content, 'B', BAR_SIZE);
	TEST_ASSERT_EQUAL(pwrite(device_fd, content, BAR_SIZE, OFFSET(BAR)), BAR_SIZE, "No BAR");
	memset(content, 'A', BAR_SIZE);
	TEST_ASSERT_EQUAL(pwrite(device_fd, content, BAR_SIZE, OFFSET(ALIAS)), BAR_SIZE,
		"No alias");
	TEST_ASSERT(pwrite(device_fd, &prefetchable, 1, bars + 4 * BAR) == 1 &&
		pwrite(device_fd, &io, 1, bars + 4 * IO_BAR) == 1, "No config space");
	return TEST_SUCCESS;
}

static int
setup(void)
{
	if (create_device_file() != TEST_SUCCESS)
		return TEST_FAILED;
	bar = mmap(NULL, BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, device_fd, OFFSET(BAR));
	TEST_ASSERT(bar != MAP_FAILED, "BAR is not mapped: %s", strerror(errno));
	driver = (struct rte_pci_driver){
		.driver.name = "test_pci_wc",
		.probe = driver_probe,
		.remove = driver_remove,
	};
	device = (struct rte_pci_device){
		.device.driver = &driver.driver,
		.addr.devid = 5,
		.kdrv = RTE_PCI_KDRV_VFIO,
		.mem_resource[BAR] = { .addr = bar, .len = BAR_SIZE },
	};
	rte_pci_device_name(&device.addr, device.name, sizeof(device.name));
	refusal = PCI_WC_REASON_NONE;
	nb_removals = 0;
	window = NULL;
	return TEST_SUCCESS;
}

/* The bus forgets the mappings of a device whatever its kernel driver is. */
static void
unmap_device(void)
{
	device.kdrv = RTE_PCI_KDRV_NONE;
	rte_pci_unmap_device(&device);
}

static void
teardown(void)
{
	unmap_device();
	if (device.intr_handle != NULL)
		bus->unplug_device(&device.device);
	if (bar != NULL && bar != MAP_FAILED)
		munmap(bar, BAR_SIZE);
	if (device_fd >= 0)
		close(device_fd);
	bar = NULL;
	device_fd = -1;
	eal_vfio_wc_parse("off");
}

static int
check_refused(const char *reason)
{
	struct rte_pci_wc_info info;

	TEST_ASSERT_NULL(window, "The range is mapped");
	TEST_ASSERT_EQUAL(window_errno, ENOTSUP, "rte_errno is %d", window_errno);
	TEST_ASSERT_SUCCESS(rte_pci_wc_query(&device, BAR, &info), "Query failed");
	TEST_ASSERT_EQUAL(info.state, RTE_PCI_WC_REFUSED, "The state is %d", info.state);
	TEST_ASSERT(strstr(info.reason, reason) != NULL, "The reason is '%s'", info.reason);
	TEST_ASSERT_EQUAL(info.nb_maps, 0, "%u ranges are mapped", info.nb_maps);
	return TEST_SUCCESS;
}

static int
check_granted(unsigned int nb_maps)
{
	struct rte_pci_wc_info info;

	TEST_ASSERT_NOT_NULL(window, "The range is not mapped: rte_errno is %d", window_errno);
	TEST_ASSERT(window[0] == 'A' && window[BAR_SIZE - 1] == 'A',
		"The range is not mapped from the alias");
	TEST_ASSERT(bar[0] == 'B' && bar[BAR_SIZE - 1] == 'B', "The default mapping has changed");
	TEST_ASSERT_SUCCESS(rte_pci_wc_query(&device, BAR, &info), "Query failed");
	TEST_ASSERT_EQUAL(info.state, RTE_PCI_WC_GRANTED, "The state is %d", info.state);
	TEST_ASSERT(info.reason[0] == '\0', "Granted, with the reason '%s'", info.reason);
	TEST_ASSERT_EQUAL(info.nb_maps, nb_maps, "%u ranges are mapped", info.nb_maps);
	return TEST_SUCCESS;
}

static int
test_pci_wc_off(void)
{
	TEST_ASSERT_SUCCESS(probe("off"), "The probe failed");
	return check_refused("off");
}

static int
test_pci_wc_off_by_device(void)
{
	TEST_ASSERT_SUCCESS(probe("strict," DEVICE "=off"), "The probe failed");
	return check_refused("off");
}

static int
test_pci_wc_auto_granted(void)
{
	TEST_ASSERT_SUCCESS(probe("auto"), "The probe failed");
	return check_granted(1);
}

static int
test_pci_wc_auto_refused(void)
{
	refusal = PCI_WC_REASON_NO_FEATURE;
	TEST_ASSERT_SUCCESS(probe("auto"), "The probe failed");
	TEST_ASSERT_EQUAL(nb_removals, 0, "The device was removed");
	return check_refused("no alias regions");
}

static int
test_pci_wc_strict_granted(void)
{
	TEST_ASSERT_SUCCESS(probe("off," DEVICE "=strict"), "The probe failed");
	TEST_ASSERT_EQUAL(nb_removals, 0, "The device was removed");
	return check_granted(1);
}

static int
test_pci_wc_strict_refused(void)
{
	refusal = PCI_WC_REASON_NO_WC;
	TEST_ASSERT_EQUAL(probe("strict"), -ENOTSUP, "The probe did not fail");
	TEST_ASSERT_EQUAL(nb_removals, 1, "The device was removed %d times", nb_removals);
	return check_refused("cannot map write-combining");
}

static int
test_pci_wc_unmap(void)
{
	TEST_ASSERT_SUCCESS(probe("auto"), "The probe failed");
	TEST_ASSERT(rte_pci_map_wc(&device, BAR, 0, BAR_SIZE) == window,
		"The same range has another address");
	TEST_ASSERT_SUCCESS(rte_pci_unmap_wc(&device, window), "Not unmapped");
	if (check_granted(1) != TEST_SUCCESS)
		return TEST_FAILED;
	TEST_ASSERT_SUCCESS(rte_pci_unmap_wc(&device, window), "Not unmapped again");
	rte_errno = 0;
	TEST_ASSERT(rte_pci_unmap_wc(&device, window) == -1 && rte_errno == EINVAL,
		"Unmapped more often than mapped: rte_errno is %d", rte_errno);
	return TEST_SUCCESS;
}

static int
test_pci_wc_two_ranges(void)
{
	char *first, *second;

	TEST_ASSERT_SUCCESS(probe("auto"), "The probe failed");
	first = rte_pci_map_wc(&device, BAR, UNIT + 5, 10);
	second = rte_pci_map_wc(&device, BAR, 2 * UNIT, UNIT);
	TEST_ASSERT(first != NULL && second != NULL, "Not mapped: rte_errno is %d", rte_errno);
	first[0] = '1';
	second[UNIT - 1] = '2';
	TEST_ASSERT(window[UNIT + 5] == '1' && window[3 * UNIT - 1] == '2',
		"The ranges are not at their offsets");
	if (check_granted(3) != TEST_SUCCESS)
		return TEST_FAILED;
	TEST_ASSERT_SUCCESS(rte_pci_unmap_wc(&device, first), "Not unmapped");
	TEST_ASSERT_EQUAL(second[UNIT - 1], '2', "Another range is unmapped");
	return check_granted(2);
}

static int
test_pci_wc_bad_ranges(void)
{
	static const struct {
		struct rte_pci_device *dev;
		unsigned int bar;
		uint64_t offset;
		size_t len;
		int error;
	} bad[] = {
		{ NULL, BAR, 0, 1, EINVAL },
		{ &device, PCI_MAX_RESOURCE, 0, 1, EINVAL },
		{ &device, BAR, 0, 0, EINVAL },
		{ &device, BAR, BAR_SIZE, 1, ERANGE },
		{ &device, BAR, 1, BAR_SIZE, ERANGE },
		{ &device, BAR, UINT64_MAX, 2, ERANGE },
		{ &device, IO_BAR, 0, 1, ENOTSUP },
		{ &device, NO_BAR, 0, 1, ENODEV },
	};
	unsigned int i;

	TEST_ASSERT_SUCCESS(probe("auto"), "The probe failed");
	for (i = 0; i < RTE_DIM(bad); i++) {
		rte_errno = 0;
		TEST_ASSERT_NULL(rte_pci_map_wc(bad[i].dev, bad[i].bar, bad[i].offset, bad[i].len),
			"Range %u is mapped", i);
		TEST_ASSERT_EQUAL(rte_errno, bad[i].error, "Range %u: rte_errno is %d", i,
			rte_errno);
	}
	return check_granted(1);
}

static int
test_pci_wc_removal(void)
{
	struct rte_pci_wc_info info;

	TEST_ASSERT_SUCCESS(probe("auto"), "The probe failed");
	unmap_device();
	TEST_ASSERT_SUCCESS(rte_pci_wc_query(&device, BAR, &info), "Query failed");
	TEST_ASSERT_EQUAL(info.nb_maps, 0, "%u ranges are mapped after removal", info.nb_maps);
	TEST_ASSERT_FAIL(rte_pci_unmap_wc(&device, window), "The range is mapped after removal");
	return TEST_SUCCESS;
}

/* For a driver that the bus does not know: the operator has to name the device. */
static int
test_pci_wc_activate(void)
{
	driver.drv_flags = RTE_PCI_DRV_WC_ACTIVATE;
	TEST_ASSERT_SUCCESS(probe("off," DEVICE "=strict"), "The probe failed");
	TEST_ASSERT(bar[0] == 'A' && bar[BAR_SIZE - 1] == 'A',
		"The default mapping is not that of the alias");
	return TEST_SUCCESS;
}

static int
test_pci_wc_activate_refused(void)
{
	driver.drv_flags = RTE_PCI_DRV_WC_ACTIVATE;
	refusal = PCI_WC_REASON_NO_FEATURE;
	TEST_ASSERT_SUCCESS(probe("off," DEVICE "=auto"), "The probe failed");
	TEST_ASSERT(bar[0] == 'B' && bar[BAR_SIZE - 1] == 'B', "The default mapping has changed");
	return check_refused("no alias regions");
}

static struct unit_test_suite pci_wc_testsuite = {
	.suite_name = "Write-combining mappings of the PCI bus",
	.setup = testsuite_setup,
	.teardown = testsuite_teardown,
	.unit_test_cases = {
		TEST_CASE_ST(setup, teardown, test_pci_wc_off),
		TEST_CASE_ST(setup, teardown, test_pci_wc_off_by_device),
		TEST_CASE_ST(setup, teardown, test_pci_wc_auto_granted),
		TEST_CASE_ST(setup, teardown, test_pci_wc_auto_refused),
		TEST_CASE_ST(setup, teardown, test_pci_wc_strict_granted),
		TEST_CASE_ST(setup, teardown, test_pci_wc_strict_refused),
		TEST_CASE_ST(setup, teardown, test_pci_wc_unmap),
		TEST_CASE_ST(setup, teardown, test_pci_wc_two_ranges),
		TEST_CASE_ST(setup, teardown, test_pci_wc_bad_ranges),
		TEST_CASE_ST(setup, teardown, test_pci_wc_removal),
		TEST_CASE_ST(setup, teardown, test_pci_wc_activate),
		TEST_CASE_ST(setup, teardown, test_pci_wc_activate_refused),
		TEST_CASES_END()
	},
};

static int
test_pci_wc(void)
{
	return unit_test_suite_runner(&pci_wc_testsuite);
}

#endif /* RTE_EXEC_ENV_LINUX */

REGISTER_FAST_TEST(pci_wc_autotest, NOHUGE_OK, ASAN_OK, test_pci_wc);
