/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include <rte_bus_pci_wc.h>
#include <rte_common.h>
#include <rte_eal_memconfig.h>
#include <rte_malloc.h>
#include <telemetry_data.h>

#include "eal_vfio_wc.h"
#include "eal_wc_compat.h"
#include "fake_vfio.h"
#include "pci_wc.h"
#include "pci_wc_telemetry.h"
#include "test.h"

#define MIB2 (2ULL << 20)
#define PAGE 4096ULL

static struct rte_pci_driver driver;
static struct rte_pci_device device;
static char *bar;
static int removals;
static int remove_ret;

static int
remove_device(struct rte_pci_device *dev)
{
	RTE_SET_USED(dev);
	removals++;
	return remove_ret;
}

static void
plug_out(void)
{
	pci_wc_unmapped(&device);
	log_unwatch();
	if (bar != NULL)
		munmap(bar, FAKE_BAR_SIZE);
	if (device.intr_handle != NULL) {
		close(rte_intr_dev_fd_get(device.intr_handle));
		rte_intr_instance_free(device.intr_handle);
	}
	memset(&device, 0, sizeof(device));
	memset(&driver, 0, sizeof(driver));
	bar = NULL;
}

/* A device as it is before the bus maps it, under a policy. */
static int
plug_in(const char *policy)
{
	int fd;

	plug_out();
	CHECK(eal_vfio_wc_parse(policy) == 0);
	fd = fake_vfio_open();
	CHECK(fd >= 0);
	device.addr.devid = 5;
	rte_pci_device_name(&device.addr, device.name, sizeof(device.name));
	device.kdrv = RTE_PCI_KDRV_VFIO;
	PCI_DEVICE_SET_DRIVER(&device, &driver);
	driver.driver.name = "test";
	driver.remove = remove_device;
	removals = 0;
	remove_ret = 0;
	device.intr_handle = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
	CHECK(device.intr_handle != NULL);
	CHECK(rte_intr_dev_fd_set(device.intr_handle, fd) == 0);
	bar = mmap(NULL, FAKE_BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		(off_t)FAKE_BAR << 40);
	CHECK(bar != MAP_FAILED);
	device.mem_resource[FAKE_BAR].addr = bar;
	device.mem_resource[FAKE_BAR].len = FAKE_BAR_SIZE;
	device.mem_resource[0].len = PAGE;
	return log_watch();
}

static int
device_fd(void)
{
	return rte_intr_dev_fd_get(device.intr_handle);
}

/* The same, mapped by the bus. */
static int
plug_in_mapped(const char *policy)
{
	CHECK(plug_in(policy) == 0);
	CHECK(pci_wc_mapped(&device, 0) == 0);
	return 0;
}

static int
test_map(void)
{
	char *first, *again, *part;

	CHECK(plug_in_mapped("auto") == 0);
	first = rte_pci_map_wc(&device, FAKE_BAR, 0, FAKE_BAR_SIZE);
	CHECK(first != NULL && first != bar && first[0] == 'A' && first[FAKE_BAR_SIZE - 1] == 'A');
	again = rte_pci_map_wc(&device, FAKE_BAR, 0, FAKE_BAR_SIZE);
	CHECK(again == first);
	/* An overlapping range is a mapping of its own, down to the byte. */
	part = rte_pci_map_wc(&device, FAKE_BAR, PAGE + 5, 10);
	CHECK(part != NULL && part != first + PAGE + 5);
	part[0] = 'x';
	CHECK(first[PAGE + 5] == 'x' && bar[PAGE + 5] == 'B');

	CHECK(rte_pci_unmap_wc(&device, first) == 0);
	CHECK(first[0] == 'A');
	CHECK(rte_pci_unmap_wc(&device, first) == 0);
	CHECK_ERRNO(rte_pci_unmap_wc(&device, first), EINVAL);
	CHECK(part[0] == 'x');
	CHECK(rte_pci_unmap_wc(&device, part) == 0);
	CHECK(!fake_alias_is_mapped());
	return 0;
}

/* Where the kernel puts an alias is its choice. */
static int
test_alias_elsewhere(void)
{
	char *addr;

	CHECK(plug_in_mapped("auto") == 0);
	fake_kernel.set.offset = FAKE_ELSEWHERE;
	fake_kernel.info.offset = FAKE_ELSEWHERE;
	addr = rte_pci_map_wc(&device, FAKE_BAR, PAGE, PAGE);
	CHECK(addr != NULL && addr[0] == 'C');
	CHECK(rte_pci_unmap_wc(&device, addr) == 0);
	return 0;
}

static int
test_congruent(void)
{
	static const uint64_t offsets[] = { 0, PAGE, MIB2 - PAGE, MIB2, MIB2 + 123 };
	unsigned int i;
	char *addr;

	CHECK(plug_in_mapped("auto") == 0);
	for (i = 0; i < RTE_DIM(offsets); i++) {
		addr = rte_pci_map_wc(&device, FAKE_BAR, offsets[i], FAKE_BAR_SIZE - offsets[i]);
		CHECK(addr != NULL);
		CHECK((uintptr_t)addr % MIB2 == offsets[i] % MIB2);
	}
	return 0;
}

static int
test_errno(void)
{
	void *addrs[64];
	unsigned int i;

	CHECK(plug_in_mapped("auto") == 0);
	CHECK_ERRNO(rte_pci_map_wc(NULL, FAKE_BAR, 0, 1), EINVAL);
	CHECK_ERRNO(rte_pci_map_wc(&device, 6, 0, 1), EINVAL);
	CHECK_ERRNO(rte_pci_map_wc(&device, FAKE_BAR, 0, 0), EINVAL);
	CHECK_ERRNO(rte_pci_map_wc(&device, FAKE_BAR, FAKE_BAR_SIZE, 1), ERANGE);
	CHECK_ERRNO(rte_pci_map_wc(&device, FAKE_BAR, 1, FAKE_BAR_SIZE), ERANGE);
	CHECK_ERRNO(rte_pci_map_wc(&device, FAKE_BAR, UINT64_MAX, 2), ERANGE);
	CHECK_ERRNO(rte_pci_map_wc(&device, FAKE_BAR, 1, SIZE_MAX), ERANGE);
	CHECK_ERRNO(rte_pci_map_wc(&device, 1, 0, 1), ENODEV);
	/* The upper half of BAR2's address, which looks like an I/O BAR's. */
	CHECK_ERRNO(rte_pci_map_wc(&device, FAKE_BAR + 1, 0, 1), ENODEV);
	CHECK_ERRNO(rte_pci_map_wc(&device, FAKE_IO_BAR, 0, 1), ENOTSUP);
	CHECK_ERRNO(rte_pci_map_wc(&device, 0, 0, 1), ENOTSUP);
	CHECK_ERRNO(rte_pci_unmap_wc(NULL, bar), EINVAL);
	CHECK_ERRNO(rte_pci_unmap_wc(&device, bar), EINVAL);
	CHECK_ERRNO(rte_pci_unmap_wc(&device, NULL), EINVAL);
	CHECK_ERRNO(rte_pci_wc_query(&device, 6, &(struct rte_pci_wc_info){ 0 }), EINVAL);
	CHECK_ERRNO(rte_pci_wc_query(&device, 0, NULL), EINVAL);

	for (i = 0; i < RTE_DIM(addrs); i++) {
		addrs[i] = rte_pci_map_wc(&device, FAKE_BAR, i * PAGE, PAGE);
		CHECK(addrs[i] != NULL);
	}
	CHECK_ERRNO(rte_pci_map_wc(&device, FAKE_BAR, i * PAGE, PAGE), ENOSPC);
	CHECK(rte_pci_unmap_wc(&device, addrs[7]) == 0);
	CHECK(rte_pci_map_wc(&device, FAKE_BAR, i * PAGE, PAGE) != NULL);
	return 0;
}

static int
test_errno_of_kernel(void)
{
	CHECK(plug_in_mapped("auto") == 0);
	fake_kernel.set_errno = ENOSPC;
	CHECK_ERRNO(rte_pci_map_wc(&device, FAKE_BAR, 0, 1), ENOSPC);

	CHECK(plug_in_mapped("auto") == 0);
	close(device_fd());
	CHECK(rte_intr_dev_fd_set(device.intr_handle, -1) == 0);
	CHECK_ERRNO(rte_pci_map_wc(&device, FAKE_BAR, 0, 1), ENODEV);

	/* A device that the bus has not mapped, or not any more. */
	CHECK(plug_in("auto") == 0);
	device.mem_resource[FAKE_BAR].addr = NULL;
	CHECK_ERRNO(rte_pci_map_wc(&device, FAKE_BAR, 0, 1), ENODEV);
	CHECK(plug_in_mapped("auto") == 0);
	pci_wc_unmapped(&device);
	device.mem_resource[FAKE_BAR].addr = NULL;
	CHECK_ERRNO(rte_pci_map_wc(&device, FAKE_BAR, 0, 1), ENODEV);
	CHECK(fake_kernel.nb_ioctls == 0);

	/* The kernel grants the alias, and then mmap() fails: here the file is too short. */
	CHECK(plug_in_mapped("auto") == 0);
	fake_kernel.set.offset = INT64_MAX - 4095;
	fake_kernel.info.offset = fake_kernel.set.offset;
	CHECK_ERRNO(rte_pci_map_wc(&device, FAKE_BAR, 0, PAGE), ENOMEM);
	return 0;
}

static int
test_off(void)
{
	struct rte_pci_wc_info info;

	CHECK(plug_in_mapped("off") == 0);
	CHECK_ERRNO(rte_pci_map_wc(&device, FAKE_BAR, 0, 1), ENOTSUP);
	CHECK(rte_pci_wc_query(&device, FAKE_BAR, &info) == 0);
	CHECK(info.state == RTE_PCI_WC_REFUSED && strstr(info.reason, "off") != NULL);
	CHECK(pci_wc_probed(&driver, &device, 0) == 0);
	CHECK(fake_kernel.nb_ioctls == 0 && log_is_empty());

	CHECK(plug_in_mapped("strict,00:05.0=off") == 0);
	CHECK_ERRNO(rte_pci_map_wc(&device, FAKE_BAR, 0, 1), ENOTSUP);
	CHECK(pci_wc_probed(&driver, &device, 0) == 0);
	CHECK(fake_kernel.nb_ioctls == 0 && log_is_empty());

	CHECK(plug_in_mapped("off,00:05.0=auto") == 0);
	CHECK(rte_pci_map_wc(&device, FAKE_BAR, 0, 1) != NULL);
	return 0;
}

/* Unmapping a device does not wait for EAL's lists: what it would wait for ends the test. */
static int
test_off_takes_no_lock(void)
{
	CHECK(plug_in_mapped("off") == 0);
	rte_mcfg_tailq_read_lock();
	alarm(10);
	pci_wc_unmapped(&device);
	alarm(0);
	rte_mcfg_tailq_read_unlock();
	return 0;
}

static int
test_query(void)
{
	struct rte_pci_wc_info info;

	CHECK(plug_in_mapped("auto") == 0);
	CHECK(rte_pci_wc_query(&device, FAKE_BAR, &info) == 0);
	CHECK(info.state == RTE_PCI_WC_NOT_ASKED && info.nb_maps == 0);
	CHECK(rte_pci_map_wc(&device, FAKE_BAR, 0, 1) != NULL);
	CHECK(rte_pci_map_wc(&device, FAKE_BAR, PAGE, 1) != NULL);
	CHECK(rte_pci_wc_query(&device, FAKE_BAR, &info) == 0);
	CHECK(info.state == RTE_PCI_WC_GRANTED && info.nb_maps == 2 && info.reason[0] == '\0');
	rte_pci_map_wc(&device, FAKE_IO_BAR, 0, 1);
	CHECK(rte_pci_wc_query(&device, FAKE_IO_BAR, &info) == 0);
	CHECK(info.state == RTE_PCI_WC_REFUSED && strstr(info.reason, "I/O") != NULL);
	return 0;
}

static unsigned int
nb_allocations(void)
{
	struct rte_malloc_socket_stats stats;
	unsigned int nb = 0;
	int socket;

	for (socket = 0; socket < RTE_MAX_NUMA_NODES; socket++) {
		if (rte_malloc_get_socket_stats(socket, &stats) == 0)
			nb += stats.alloc_count;
	}
	return nb;
}

/* Queries and reports are of any device; of those that ask for nothing no record is kept. */
static int
test_allocates_nothing(void)
{
	struct rte_pci_wc_info info;
	unsigned int before, i;

	CHECK(plug_in("strict") == 0);
	before = nb_allocations();
	for (i = 0; i < 16; i++) {
		device.addr.function = i % 8;
		device.kdrv = i < 8 ? RTE_PCI_KDRV_VFIO : RTE_PCI_KDRV_UIO_GENERIC;
		CHECK(rte_pci_wc_query(&device, FAKE_BAR, &info) == 0);
		CHECK(info.state == (i < 8 ? RTE_PCI_WC_NOT_ASKED : RTE_PCI_WC_REFUSED));
		CHECK(pci_wc_probed(&driver, &device, 0) == 0);
	}
	CHECK(nb_allocations() == before);

	/* What another kernel driver's device was refused is reported once, and then forgotten. */
	CHECK_ERRNO(rte_pci_map_wc(&device, FAKE_BAR, 0, 1), ENOTSUP);
	CHECK(pci_wc_probed(&driver, &device, 0) == -ENOTSUP);
	CHECK(nb_allocations() == before);
	device.addr.function = 0;
	return 0;
}

static int
test_holes(void)
{
	struct rte_pci_wc_info info;

	CHECK(plug_in("auto") == 0);
	CHECK(fake_vfio_set_msix(device_fd(), 5 * PAGE + 0x800, 2 * PAGE, 8) == 0);
	CHECK(pci_wc_mapped(&device, 0) == 0);
	CHECK(rte_pci_wc_query(&device, FAKE_BAR, &info) == 0);
	CHECK(info.holes[0].offset == 2 * PAGE && info.holes[0].len == PAGE);
	CHECK(info.holes[1].offset == 5 * PAGE && info.holes[1].len == PAGE);
	CHECK(rte_pci_map_wc(&device, FAKE_BAR, info.holes[1].offset + info.holes[1].len,
		1) != NULL);
	CHECK(rte_pci_wc_query(&device, 0, &info) == 0);
	CHECK(info.holes[0].len == 0 && info.holes[1].len == 0);
	return 0;
}

static int
test_auto_line(void)
{
	CHECK(plug_in_mapped("auto") == 0);
	CHECK(pci_wc_probed(&driver, &device, 0) == 0);
	CHECK(!log_has("--vfio-wc"));

	CHECK(plug_in_mapped("auto") == 0);
	rte_pci_map_wc(&device, FAKE_BAR, 0, 1);
	rte_pci_map_wc(&device, FAKE_IO_BAR, 0, 1);
	CHECK(pci_wc_probed(&driver, &device, 0) == 0);
	CHECK(log_has("0000:00:05.0: --vfio-wc=auto: BAR2 write-combining granted, "
		"BAR4 default mapping (an I/O BAR cannot be mapped)\n"));

	CHECK(plug_in_mapped("auto") == 0);
	fake_kernel.get_errno = ENOTTY;
	CHECK_ERRNO(rte_pci_map_wc(&device, FAKE_BAR, 0, 1), ENOTSUP);
	CHECK_ERRNO(rte_pci_map_wc(&device, FAKE_BAR, PAGE, 1), ENOTSUP);
	CHECK(fake_kernel.nb_ioctls == 1);
	CHECK(pci_wc_probed(&driver, &device, 0) == 0);
	CHECK(log_has("BAR2 default mapping (the kernel's vfio-pci has no alias regions)\n"));
	return 0;
}

static int
test_strict(void)
{
	CHECK(plug_in_mapped("strict") == 0);
	CHECK(rte_pci_map_wc(&device, FAKE_BAR, 0, 1) != NULL);
	CHECK(pci_wc_probed(&driver, &device, 0) == 0);

	CHECK(plug_in_mapped("strict") == 0);
	fake_kernel.get_errno = ENOTTY;
	CHECK_ERRNO(rte_pci_map_wc(&device, FAKE_BAR, 0, 1), ENOTSUP);
	CHECK(pci_wc_probed(&driver, &device, 0) == -ENOTSUP && removals == 1);
	CHECK(log_has("probe refused: BAR2 default mapping (the kernel's vfio-pci has no alias"));

	/* A driver that keeps the device: it stays whole. */
	CHECK(plug_in_mapped("strict") == 0);
	fake_kernel.get_errno = ENOTTY;
	remove_ret = -EBUSY;
	CHECK_ERRNO(rte_pci_map_wc(&device, FAKE_BAR, 0, 1), ENOTSUP);
	CHECK(pci_wc_probed(&driver, &device, 0) == 0 && removals == 1);
	CHECK(log_has("the driver keeps the device"));
	driver.remove = NULL;
	CHECK(pci_wc_probed(&driver, &device, 0) == 0);

	/* Granted, and then a range is not mapped. */
	CHECK(plug_in_mapped("strict") == 0);
	fake_kernel.set.offset = INT64_MAX - 4095;
	fake_kernel.info.offset = fake_kernel.set.offset;
	CHECK_ERRNO(rte_pci_map_wc(&device, FAKE_BAR, 0, PAGE), ENOMEM);
	CHECK(pci_wc_probed(&driver, &device, 0) == -ENOTSUP);
	CHECK(log_has("BAR2 write-combining granted, but not all of it could be mapped "
		"(mmap() failed: Value too large"));

	/* A probe that failed on its own keeps its own error. */
	CHECK(plug_in_mapped("strict") == 0);
	fake_kernel.get_errno = ENOTTY;
	CHECK_ERRNO(rte_pci_map_wc(&device, FAKE_BAR, 0, 1), ENOTSUP);
	CHECK(pci_wc_probed(&driver, &device, -EIO) == -EIO && removals == 0);
	CHECK(!log_has("probe refused"));
	CHECK(log_has("strict: BAR2 default mapping (the kernel's vfio-pci has no alias"));
	return 0;
}

/* A range of a BAR that is granted, for which mmap() fails */
static void
fail_map(uint64_t offset, uint64_t len)
{
	if (rte_pci_map_wc(&device, FAKE_BAR, 4 * PAGE, PAGE) == NULL)
		return;
	fake_kernel.nb_calls = 0;
	/* Address space, then the mapping itself */
	fake_kernel.fail_at = 2;
	rte_pci_map_wc(&device, FAKE_BAR, offset, len);
	fake_kernel.fail_at = 0;
}

/* A range that was not mapped at first, and is by the end of the probe */
static int
test_met_later(void)
{
	void *addrs[64];
	unsigned int i;

	CHECK(plug_in("strict") == 0);
	CHECK(fake_vfio_set_msix(device_fd(), 2 * PAGE, 2 * PAGE + 0x800, 8) == 0);
	CHECK(pci_wc_mapped(&device, 0) == 0);
	CHECK_ERRNO(rte_pci_map_wc(&device, FAKE_BAR, 0, FAKE_BAR_SIZE), ERANGE);
	CHECK(rte_pci_map_wc(&device, FAKE_BAR, 3 * PAGE, PAGE) != NULL);
	CHECK(pci_wc_probed(&driver, &device, 0) == 0);
	CHECK(log_has("--vfio-wc=strict: BAR2 write-combining granted\n"));

	CHECK(plug_in_mapped("strict") == 0);
	for (i = 0; i < RTE_DIM(addrs); i++)
		addrs[i] = rte_pci_map_wc(&device, FAKE_BAR, i * PAGE, PAGE);
	CHECK_ERRNO(rte_pci_map_wc(&device, FAKE_BAR, 0, 2 * PAGE), ENOSPC);
	CHECK(rte_pci_unmap_wc(&device, addrs[0]) == 0);
	CHECK(rte_pci_map_wc(&device, FAKE_BAR, 0, 2 * PAGE) != NULL);
	CHECK(pci_wc_probed(&driver, &device, 0) == 0);

	/* In parts, and not another range that failed as well */
	for (i = 0; i < 2; i++) {
		CHECK(plug_in_mapped("strict") == 0);
		fail_map(0, 2 * PAGE);
		if (i == 1)
			fail_map(8 * PAGE, PAGE);
		CHECK(rte_pci_map_wc(&device, FAKE_BAR, 0, PAGE) != NULL);
		CHECK(rte_pci_map_wc(&device, FAKE_BAR, PAGE, PAGE) != NULL);
		CHECK(pci_wc_probed(&driver, &device, 0) == (i == 0 ? 0 : -ENOTSUP));
	}

	/* Something else was mapped, or nothing at all. */
	CHECK(plug_in("strict") == 0);
	CHECK(fake_vfio_set_msix(device_fd(), 2 * PAGE, 2 * PAGE + 0x800, 8) == 0);
	CHECK(pci_wc_mapped(&device, 0) == 0);
	CHECK_ERRNO(rte_pci_map_wc(&device, FAKE_BAR, 2 * PAGE, PAGE), ERANGE);
	CHECK(rte_pci_map_wc(&device, FAKE_BAR, 3 * PAGE, PAGE) != NULL);
	CHECK(pci_wc_probed(&driver, &device, 0) == -ENOTSUP);
	return 0;
}

/* The driver does not take the device: another one may. */
static int
test_not_taken(void)
{
	CHECK(plug_in_mapped("strict") == 0);
	CHECK_ERRNO(rte_pci_map_wc(&device, FAKE_IO_BAR, 0, 1), ENOTSUP);
	CHECK(pci_wc_probed(&driver, &device, 1) == 1);
	CHECK(!log_has("refused"));
	return 0;
}

static int
test_not_vfio(void)
{
	CHECK(plug_in("strict") == 0);
	device.kdrv = RTE_PCI_KDRV_UIO_GENERIC;
	CHECK_ERRNO(rte_pci_map_wc(&device, FAKE_BAR, 0, 1), ENOTSUP);
	CHECK(pci_wc_probed(&driver, &device, 0) == -ENOTSUP);
	CHECK(log_has("not bound to vfio-pci"));

	CHECK(plug_in("strict") == 0);
	device.kdrv = RTE_PCI_KDRV_IGB_UIO;
	driver.drv_flags = RTE_PCI_DRV_WC_ACTIVATE;
	CHECK(pci_wc_probed(&driver, &device, 0) == 0);
	driver.drv_flags |= RTE_PCI_DRV_NEED_MAPPING;
	CHECK(pci_wc_probed(&driver, &device, 0) == -ENOTSUP);
	return 0;
}

/* Each answers in one respect like a kernel to which the numbers mean something else. */
#define OTHER(name, change) static void other_ ## name(void) { change; }
OTHER(get_fails, fake_kernel.get_errno = EINVAL)
OTHER(get_region, fake_kernel.get.region_index = 3)
OTHER(get_output, fake_kernel.get.offset = 1)
OTHER(get_nothing, memset(&fake_kernel.get, 0, sizeof(fake_kernel.get)))
OTHER(get_flags, fake_kernel.get.flags = 1)
OTHER(get_memory_type, fake_kernel.get.memory_type = 1)
OTHER(get_index, fake_kernel.get.alias_index = 9)
OTHER(get_other_types, fake_kernel.get.memory_types = ~RTE_BIT64(1))
OTHER(set_fails, fake_kernel.set_errno = EINVAL)
OTHER(set_refuses, fake_kernel.set_errno = EOPNOTSUPP)
OTHER(set_untouched, fake_kernel.set.alias_index = 0; fake_kernel.set.offset = 0)
OTHER(set_region, fake_kernel.set.region_index = 3)
OTHER(set_memory_type, fake_kernel.set.memory_type = 2)
OTHER(set_memory_types, fake_kernel.set.memory_types = 2)
OTHER(set_flags, fake_kernel.set.flags = 1)
OTHER(set_index_is_bar, fake_kernel.set.alias_index = fake_kernel.info.index = FAKE_BAR)
OTHER(set_offset_unaligned, fake_kernel.set.offset += 8; fake_kernel.info.offset += 8)
OTHER(info_fails, fake_kernel.info_errno = EINVAL)
OTHER(info_index, fake_kernel.info.index++)
OTHER(info_size, fake_kernel.info.size /= 2)
OTHER(info_offset, fake_kernel.info.offset += 4096)
OTHER(info_readable, fake_kernel.info.flags |= VFIO_REGION_INFO_FLAG_READ)
OTHER(info_no_mmap, fake_kernel.info.flags &= ~VFIO_REGION_INFO_FLAG_MMAP)
OTHER(info_no_caps, fake_kernel.info.flags &= ~VFIO_REGION_INFO_FLAG_CAPS)
OTHER(cap_absent, fake_kernel.cap.id = VFIO_REGION_INFO_CAP_TYPE)
OTHER(cap_version, fake_kernel.cap.version = 2)
OTHER(cap_region, fake_kernel.cap.region_index = 3)
OTHER(cap_memory_type, fake_kernel.cap.memory_type = 2)
OTHER(cap_offset_zero, fake_kernel.info.cap_offset = 0)
OTHER(cap_offset_beyond, fake_kernel.info.cap_offset = 510)
OTHER(cap_offset_huge, fake_kernel.info.cap_offset = UINT32_MAX - 3)
OTHER(cap_loop, fake_kernel.cap.id = 9; fake_kernel.cap.next = sizeof(struct vfio_region_info))

#define ENTRY(name) { #name, other_ ## name }
static const struct {
	const char *name;
	void (*change)(void);
} others[] = {
	ENTRY(get_fails), ENTRY(get_region), ENTRY(get_output), ENTRY(get_nothing),
	ENTRY(get_flags), ENTRY(get_memory_type), ENTRY(get_index), ENTRY(get_other_types),
	ENTRY(set_fails), ENTRY(set_refuses), ENTRY(set_untouched), ENTRY(set_region),
	ENTRY(set_memory_type), ENTRY(set_memory_types), ENTRY(set_flags), ENTRY(set_index_is_bar),
	ENTRY(set_offset_unaligned), ENTRY(info_fails), ENTRY(info_index), ENTRY(info_size),
	ENTRY(info_offset), ENTRY(info_readable), ENTRY(info_no_mmap), ENTRY(info_no_caps),
	ENTRY(cap_absent), ENTRY(cap_version), ENTRY(cap_region), ENTRY(cap_memory_type),
	ENTRY(cap_offset_zero), ENTRY(cap_offset_beyond), ENTRY(cap_offset_huge), ENTRY(cap_loop),
};

static int
test_other_kernels(void)
{
	unsigned int i;

	for (i = 0; i < RTE_DIM(others); i++) {
		CHECK(plug_in_mapped("auto") == 0);
		others[i].change();
		rte_errno = 0;
		if (rte_pci_map_wc(&device, FAKE_BAR, 0, FAKE_BAR_SIZE) != NULL ||
				rte_errno != ENOTSUP || fake_alias_is_mapped()) {
			printf("# %s: mapped, or rte_errno is %d\n", others[i].name, rte_errno);
			return -1;
		}
	}
	return 0;
}

static int
test_msix_refused(void)
{
	CHECK(plug_in("auto") == 0);
	CHECK(fake_vfio_set_msix(device_fd(), 2 * PAGE + 0x800, 5 * PAGE, 8) == 0);
	CHECK(pci_wc_mapped(&device, 0) == 0);
	CHECK_ERRNO(rte_pci_map_wc(&device, FAKE_BAR, 0, FAKE_BAR_SIZE), ERANGE);
	CHECK_ERRNO(rte_pci_map_wc(&device, FAKE_BAR, 2 * PAGE, 1), ERANGE);
	CHECK_ERRNO(rte_pci_map_wc(&device, FAKE_BAR, 5 * PAGE + 100, 1), ERANGE);
	CHECK(rte_pci_map_wc(&device, FAKE_BAR, 0, 2 * PAGE) != NULL);
	CHECK(rte_pci_map_wc(&device, FAKE_BAR, 3 * PAGE, 2 * PAGE) != NULL);
	CHECK(rte_pci_map_wc(&device, FAKE_BAR, 6 * PAGE, FAKE_BAR_SIZE - 6 * PAGE) != NULL);
	CHECK(pci_wc_probed(&driver, &device, 0) == 0);
	/* Of the pages themselves nothing can be mapped. */
	CHECK(log_has("not all of it could be mapped (a range touches MSI-X pages)"));

	CHECK(plug_in("auto") == 0);
	CHECK(fake_vfio_set_msix(device_fd(), 2 * PAGE, 2 * PAGE + 0x800, 8) == 0);
	CHECK(pci_wc_mapped(&device, 0) == 0);
	CHECK_ERRNO(rte_pci_map_wc(&device, FAKE_BAR, 0, FAKE_BAR_SIZE), ERANGE);
	CHECK(pci_wc_probed(&driver, &device, 0) == 0);
	CHECK(log_has("BAR2 default mapping (a range touches MSI-X pages)"));
	return 0;
}

#define NAMED "auto,00:05.0=auto"

static int
test_activate(void)
{
	CHECK(plug_in(NAMED) == 0);
	driver.drv_flags = RTE_PCI_DRV_WC_ACTIVATE;
	CHECK(fake_vfio_set_msix(device_fd(), 2 * PAGE, 5 * PAGE, 8) == 0);
	CHECK(pci_wc_mapped(&device, 0) == 0);
	CHECK(bar[0] == 'A' && bar[2 * PAGE - 1] == 'A');
	CHECK(bar[2 * PAGE] == 'B' && bar[3 * PAGE - 1] == 'B');
	CHECK(bar[3 * PAGE] == 'A' && bar[5 * PAGE - 1] == 'A');
	CHECK(bar[5 * PAGE] == 'B' && bar[6 * PAGE - 1] == 'B');
	CHECK(bar[6 * PAGE] == 'A' && bar[FAKE_BAR_SIZE - 1] == 'A');
	CHECK(pci_wc_probed(&driver, &device, 0) == 0);
	CHECK(log_has("BAR2 write-combining granted\n"));

	CHECK(plug_in(NAMED) == 0);
	driver.drv_flags = RTE_PCI_DRV_WC_ACTIVATE;
	fake_kernel.get_errno = ENOTTY;
	CHECK(pci_wc_mapped(&device, 0) == 0);
	CHECK(bar[0] == 'B' && bar[FAKE_BAR_SIZE - 1] == 'B');

	/* Not for drivers without the flag, nor for devices with the policy off. */
	CHECK(plug_in_mapped("strict") == 0);
	CHECK(bar[0] == 'B' && fake_kernel.nb_ioctls == 0);
	CHECK(plug_in("auto,00:05.0=off") == 0);
	driver.drv_flags = RTE_PCI_DRV_WC_ACTIVATE;
	CHECK(pci_wc_mapped(&device, 0) == 0);
	CHECK(bar[0] == 'B' && fake_kernel.nb_ioctls == 0);
	return 0;
}

/* In which BARs a driver may have registers is known of few. */
static int
test_activate_known(void)
{
	CHECK(plug_in("auto") == 0);
	driver.drv_flags = RTE_PCI_DRV_WC_ACTIVATE;
	CHECK(pci_wc_mapped(&device, 0) == 0);
	CHECK(bar[0] == 'B' && pci_wc_probed(&driver, &device, 0) == 0);
	CHECK(log_has("BAR2 default mapping (the driver may keep registers in it: to map it all the "
		"same, name the device, BDF=auto)"));

	CHECK(plug_in("strict") == 0);
	driver.drv_flags = RTE_PCI_DRV_WC_ACTIVATE;
	CHECK(pci_wc_mapped(&device, 0) == 0);
	CHECK(bar[0] == 'B' && pci_wc_probed(&driver, &device, 0) == -ENOTSUP);

	CHECK(plug_in("auto") == 0);
	driver.drv_flags = RTE_PCI_DRV_WC_ACTIVATE;
	driver.driver.name = "net_ena";
	CHECK(pci_wc_mapped(&device, 0) == 0);
	CHECK(bar[0] == 'A');

	/* raw_ntb's registers are in BAR0, prefetchable or not, and whatever the option names. */
	CHECK(plug_in(NAMED) == 0);
	CHECK(fake_vfio_set_bar(device_fd(), 0, PCI_BASE_ADDRESS_MEM_PREFETCH) == 0);
	driver.drv_flags = RTE_PCI_DRV_WC_ACTIVATE;
	driver.driver.name = "raw_ntb";
	device.mem_resource[0].addr = bar + PAGE;
	CHECK(pci_wc_mapped(&device, 0) == 0);
	CHECK(bar[0] == 'A' && pci_wc_probed(&driver, &device, 0) == 0);
	CHECK(log_has("--vfio-wc=auto: BAR2 write-combining granted\n"));
	return 0;
}

/* Two BARs smaller than a page that share one: the kernel maps neither. */
static int
test_activate_unmapped(void)
{
	static const char * const policies[] = { "auto", "strict" };
	unsigned int i;

	for (i = 0; i < RTE_DIM(policies); i++) {
		CHECK(plug_in(policies[i]) == 0);
		driver.drv_flags = RTE_PCI_DRV_WC_ACTIVATE;
		driver.driver.name = "net_ena";
		device.mem_resource[FAKE_BAR].addr = NULL;
		CHECK(pci_wc_mapped(&device, 0) == 0);
		CHECK(pci_wc_probed(&driver, &device, 0) == (i == 0 ? 0 : -ENOTSUP));
		CHECK(log_has("BAR2 not mapped (the kernel does not map this BAR)"));
	}
	return 0;
}

/* An alias that cannot be mapped: what the BAR then is, and what is said. */
static int
activate_in_vain(int bar_errno, char content, const char *line)
{
	CHECK(plug_in(NAMED) == 0);
	driver.drv_flags = RTE_PCI_DRV_WC_ACTIVATE;
	fake_kernel.bar_offset = FAKE_ELSEWHERE;
	fake_kernel.bar_errno = bar_errno;
	fake_kernel.set.offset = INT64_MAX - 4095;
	fake_kernel.info.offset = fake_kernel.set.offset;
	CHECK(pci_wc_mapped(&device, 0) == 0);
	CHECK(bar[0] == content && bar[FAKE_BAR_SIZE - 1] == content);
	CHECK(pci_wc_probed(&driver, &device, 0) == 0);
	CHECK(log_has(line));
	return 0;
}

static int
test_activate_fallback(void)
{
	/* The BAR comes back from where the kernel has it. */
	CHECK(activate_in_vain(0, 'C', "BAR2 default mapping (mmap() failed: ") == 0);
	/* Unknown where that is: mapping is not tried. */
	CHECK(activate_in_vain(EIO, 'B',
		"BAR2 default mapping (the kernel does not report where the BAR is") == 0);
	return 0;
}

/* Take address space from an address on, as much of 64 GiB as is free. */
static void *
take_addresses(void *start, size_t *len)
{
	void *taken = MAP_FAILED;

	for (*len = 64ULL << 30; *len >= FAKE_BAR_SIZE && taken == MAP_FAILED; *len /= 2)
		taken = mmap(start, *len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
			MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	*len *= 2;
	return taken;
}

/* The area that ranges are mapped in is taken: the kernel has address space elsewhere. */
static int
test_addresses(void)
{
	char *first, *other, *taken;
	size_t len;

	CHECK(plug_in_mapped("auto") == 0);
	first = rte_pci_map_wc(&device, FAKE_BAR, 0, FAKE_BAR_SIZE);
	CHECK(first != NULL && rte_pci_unmap_wc(&device, first) == 0);
	taken = take_addresses(first, &len);
	CHECK(taken == first);
	other = rte_pci_map_wc(&device, FAKE_BAR, 0, FAKE_BAR_SIZE);
	munmap(taken, len);
	CHECK(other != NULL && other[0] == 'A' && (uintptr_t)other % MIB2 == 0);
	CHECK(rte_pci_unmap_wc(&device, other) == 0);
	CHECK(rte_pci_map_wc(&device, FAKE_BAR, 0, FAKE_BAR_SIZE) == first);
	return 0;
}

/* All of DPDK's memory, to be given back. */
static void *
exhaust_memory(void)
{
	void **last = NULL, **block;
	size_t size;

	for (size = 64 << 20; size >= 64; size /= 2) {
		while ((block = rte_malloc(NULL, size, 0)) != NULL) {
			*block = last;
			last = block;
		}
	}
	return last;
}

static void
free_memory(void *blocks)
{
	void *next;

	for (; blocks != NULL; blocks = next) {
		next = *(void **)blocks;
		rte_free(blocks);
	}
}

static int
test_no_memory(void)
{
	void *blocks;
	int auto_ret, strict_ret, map_errno;

	CHECK(plug_in("auto") == 0);
	blocks = exhaust_memory();
	auto_ret = pci_wc_mapped(&device, 0);
	rte_errno = 0;
	map_errno = rte_pci_map_wc(&device, FAKE_BAR, 0, 1) == NULL ? rte_errno : 0;
	free_memory(blocks);
	CHECK(auto_ret == 0 && map_errno == ENOTSUP && log_has("no memory for its record"));
	CHECK(pci_wc_probed(&driver, &device, 0) == 0);

	CHECK(plug_in("strict") == 0);
	blocks = exhaust_memory();
	strict_ret = pci_wc_mapped(&device, 0);
	free_memory(blocks);
	CHECK(strict_ret == -ENOMEM);
	return 0;
}

/* ASan ends a program that is out of memory; qemu-user, which runs arm64's, passes on no limit. */
#if defined(RTE_ARCH_X86_64) && !defined(__SANITIZE_ADDRESS__)
#define CAN_EXHAUST_HEAP
#endif

#ifdef CAN_EXHAUST_HEAP
/*
 * What the C library can give without asking the kernel, down to less than a record takes. The
 * limit is a page and not 0, of which Linux takes no notice (may_expand_vm()).
 */
static void *
exhaust_heap(struct rlimit *limit)
{
	size_t left = 64 << 20, size;
	void **last = NULL, **block;

	getrlimit(RLIMIT_DATA, limit);
	setrlimit(RLIMIT_DATA, &(struct rlimit){ PAGE, limit->rlim_max });
	for (size = 1 << 20; size >= 1024; size /= 2) {
		while (left >= size && (block = malloc(size)) != NULL) {
			*block = last;
			last = block;
			left -= size;
		}
	}
	return last;
}

static void
free_heap(void *blocks, const struct rlimit *limit)
{
	void *next;

	setrlimit(RLIMIT_DATA, limit);
	for (; blocks != NULL; blocks = next) {
		next = *(void **)blocks;
		free(blocks);
	}
}

/* A process that has no room for its own record of a range: reported like any other refusal. */
static int
test_no_heap(void)
{
	struct rlimit limit;
	void *blocks, *addr;

	CHECK(plug_in("strict") == 0);
	/* An address that no test has used: records of this process are never freed. */
	device.addr.bus = 0xfe;
	rte_pci_device_name(&device.addr, device.name, sizeof(device.name));
	CHECK(pci_wc_mapped(&device, 0) == 0);
	blocks = exhaust_heap(&limit);
	rte_errno = 0;
	addr = rte_pci_map_wc(&device, FAKE_BAR, 0, PAGE);
	free_heap(blocks, &limit);
	CHECK(addr == NULL && rte_errno == ENOMEM);
	CHECK(pci_wc_probed(&driver, &device, 0) == -ENOTSUP);
	CHECK(log_has("no memory for a record"));
	return 0;
}
#endif

/* What this process has mapped and opened, and what it has of DPDK's memory */
struct footprint {
	unsigned int mappings;
	unsigned int files;
	unsigned int allocations;
};

static unsigned int
count_lines(const char *path, const char *what)
{
	unsigned int nb = 0;
	char line[512];
	FILE *file = fopen(path, "r");

	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		nb += strstr(line, what) != NULL;
	if (file != NULL)
		fclose(file);
	return nb;
}

static unsigned int
count_files(void)
{
	unsigned int nb = 0;
	int fd;

	for (fd = 0; fd < 1024; fd++)
		nb += fcntl(fd, F_GETFD) >= 0;
	return nb;
}

static struct footprint
take_footprint(void)
{
	return (struct footprint){
		.mappings = count_lines("/proc/self/maps", ""),
		.files = count_files(),
		.allocations = nb_allocations(),
	};
}

static bool
is_footprint(struct footprint wanted)
{
	struct footprint now = take_footprint();

	if (memcmp(&now, &wanted, sizeof(now)) == 0)
		return true;
	printf("# %u mappings, %u files, %u allocations; before: %u, %u, %u\n", now.mappings,
		now.files, now.allocations, wanted.mappings, wanted.files, wanted.allocations);
	return false;
}

/*
 * Probe a device whose driver has the bus activate write-combining, or maps a range itself. Whether
 * it is there in the end, and all of its BAR as it should be.
 */
static int
probe_with_fault(const char *policy, uint32_t flags, unsigned int fail_at, bool *there)
{
	char *range = NULL;
	int ret;

	CHECK(plug_in(policy) == 0);
	driver.drv_flags = flags;
	driver.driver.name = "net_ena";
	fake_kernel.nb_calls = 0;
	fake_kernel.fail_at = fail_at;
	ret = pci_wc_mapped(&device, 0);
	if (ret == 0) {
		if (flags == 0)
			range = rte_pci_map_wc(&device, FAKE_BAR, 0, FAKE_BAR_SIZE);
		ret = pci_wc_probed(&driver, &device, 0);
	}
	fake_kernel.fail_at = 0;
	CHECK(ret == 0 || ret == -ENOTSUP);
	*there = ret == 0;
	CHECK(range == NULL || range[0] == 'A');
	CHECK(bar[0] == (fail_at == 0 && flags != 0 ? 'A' : bar[0]));
	CHECK(bar[0] == bar[FAKE_BAR_SIZE - 1]);
	/* Not write-combining: reported, and under strict not used. */
	if (range == NULL && bar[0] == 'B') {
		CHECK(log_has("BAR2 default mapping (") ||
			log_has("not all of it could be mapped ("));
		CHECK(*there == (policy[0] == 'a'));
	}
	return 0;
}

static int
test_faults(void)
{
	static const char * const policies[] = { "auto", "strict" };
	static const uint32_t flags[] = { 0, RTE_PCI_DRV_WC_ACTIVATE };
	struct footprint before;
	unsigned int i, n, nb_calls;
	bool there = false;

	for (i = 0; i < RTE_DIM(policies) * RTE_DIM(flags); i++) {
		/* Once without a fault, which leaves what is never freed. */
		nb_calls = UINT_MAX;
		for (n = 0; n <= nb_calls; n++) {
			plug_out();
			before = take_footprint();
			CHECK(probe_with_fault(policies[i / 2], flags[i % 2], n, &there) == 0);
			if (n == 0) {
				nb_calls = fake_kernel.nb_calls;
				CHECK(there && nb_calls >= 5);
			}
			plug_out();
			CHECK(n == 0 || is_footprint(before));
		}
	}
	return 0;
}

/*
 * Devices come and go, ranges are mapped and unmapped: what is used is given back, addresses too.
 * WC_TEST_CYCLES in the environment: how many, and then ten times as many ranges. By default few,
 * as an emulator of user programs takes its time for each page.
 */
static int
test_churn(void)
{
	static const uint64_t sizes[] = { FAKE_BAR_SIZE, 1ULL << 30, 16ULL << 30 };
	const char *text = getenv("WC_TEST_CYCLES");
	const unsigned int cycles = text != NULL ? atoi(text) : 9, ranges = text != NULL ? 10 : 2;
	struct footprint before = { 0 };
	char *first[RTE_DIM(sizes)], *addr;
	unsigned int i, n;
	uint64_t size;

	for (i = 0; i < cycles; i++) {
		size = sizes[i % RTE_DIM(sizes)];
		CHECK(plug_in("auto") == 0);
		device.mem_resource[FAKE_BAR].len = size;
		fake_kernel.info.size = size;
		CHECK(pci_wc_mapped(&device, 0) == 0);
		for (n = 1; n <= ranges; n++) {
			addr = rte_pci_map_wc(&device, FAKE_BAR, 0, size);
			CHECK(addr != NULL && addr[0] == 'A');
			if (i < RTE_DIM(sizes) && n == 1)
				first[i] = addr;
			CHECK(addr == first[i % RTE_DIM(sizes)]);
			CHECK(n == ranges || rte_pci_unmap_wc(&device, addr) == 0);
		}
		plug_out();
		if (i < RTE_DIM(sizes))
			before = take_footprint();
	}
	printf("# %u plug cycles, %u mappings of up to %" PRIu64 " bytes\n", cycles,
		cycles * ranges, sizes[RTE_DIM(sizes) - 1]);
	CHECK(is_footprint(before));
	return 0;
}

/*
 * Two ranges take turns, so that one is always there: what the other one left is used again, and
 * the addresses stay where secondary processes are likely to have them free.
 */
static int
test_turns(void)
{
	const uint64_t size = 16ULL << 30;
	char *addrs[2] = { NULL }, *first = NULL;
	unsigned int i;

	CHECK(plug_in("auto") == 0);
	device.mem_resource[FAKE_BAR].len = size;
	fake_kernel.info.size = size;
	CHECK(pci_wc_mapped(&device, 0) == 0);
	for (i = 0; i < 10; i++) {
		char **addr = &addrs[i % 2];

		CHECK(*addr == NULL || rte_pci_unmap_wc(&device, *addr) == 0);
		*addr = rte_pci_map_wc(&device, FAKE_BAR, i % 2 * PAGE, size - i % 2 * PAGE);
		CHECK(*addr != NULL && **addr == 'A');
		first = first == NULL ? *addr : first;
		/* Downward where the kernel chooses */
		CHECK(RTE_PTR_DIFF(RTE_MAX(*addr, first), RTE_MIN(*addr, first)) < 4 * size);
	}
	return 0;
}

static int
test_removal(void)
{
	char *addr;

	CHECK(plug_in_mapped("auto") == 0);
	addr = rte_pci_map_wc(&device, FAKE_BAR, PAGE, 2 * PAGE);
	CHECK(addr != NULL);
	CHECK(pci_wc_contains(&device, addr) && pci_wc_contains(&device, addr + 2 * PAGE - 1));
	CHECK(!pci_wc_contains(&device, addr - 1) && !pci_wc_contains(&device, addr + 2 * PAGE));
	CHECK(!pci_wc_contains(&device, bar));
	/* Mapped again without having been unmapped: by a driver that kept the resources */
	CHECK(pci_wc_mapped(&device, 0) == 0 && !fake_alias_is_mapped());
	addr = rte_pci_map_wc(&device, FAKE_BAR, PAGE, 2 * PAGE);
	CHECK(addr != NULL);
	pci_wc_unmapped(&device);
	CHECK(!fake_alias_is_mapped() && !pci_wc_contains(&device, addr));
	CHECK_ERRNO(rte_pci_unmap_wc(&device, addr), EINVAL);
	/* As if the device came back */
	CHECK(pci_wc_mapped(&device, 0) == 0);
	CHECK(rte_pci_map_wc(&device, FAKE_BAR, PAGE, 2 * PAGE) != NULL);
	return 0;
}

/* The answer of the last command; telemetry's own structure, which only it may read otherwise. */
static struct rte_tel_data answer;

static int
ask(const char *params)
{
	memset(&answer, 0, sizeof(answer));
	return pci_wc_telemetry("/bus/pci/wc", params, &answer);
}

static const struct tel_dict_entry *
find_member(const char *name)
{
	unsigned int i;

	for (i = 0; i < answer.data_len; i++) {
		if (strcmp(answer.data.dict[i].name, name) == 0)
			return &answer.data.dict[i];
	}
	return NULL;
}

static bool
answer_says(const char *name, const char *value)
{
	const struct tel_dict_entry *member = find_member(name);

	if (member != NULL && strcmp(member->value.sval, value) == 0)
		return true;
	printf("# %s: \"%s\"\n", name, member != NULL ? member->value.sval : "(missing)");
	return false;
}

static bool
answer_has_number(const char *name, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "0x%" PRIx64, value);
	return answer_says(name, text);
}

static bool
answer_has_bool(const char *name, int value)
{
	const struct tel_dict_entry *member = find_member(name);

	return member != NULL && member->type == RTE_TEL_INT_VAL && member->value.ival == value;
}

static int
test_telemetry(void)
{
	char *first, *second;

	CHECK(plug_in("auto") == 0);
	CHECK(fake_vfio_set_msix(device_fd(), 5 * PAGE + 0x800, 2 * PAGE, 8) == 0);
	CHECK(pci_wc_mapped(&device, 0) == 0);
	CHECK(ask("0000:00:05.0") == 0 && answer_says("bar2_state", "not requested"));
	CHECK(answer_says("bar2_reason", "") && find_member("bar2_granted_offset") == NULL);
	/* BARs that the device has */
	CHECK(find_member("bar0_state") != NULL && find_member("bar1_state") == NULL);

	first = rte_pci_map_wc(&device, FAKE_BAR, 5, 100);
	second = rte_pci_map_wc(&device, FAKE_BAR, 6 * PAGE, 2 * PAGE);
	CHECK(first != NULL && second != NULL);
	CHECK_ERRNO(rte_pci_map_wc(&device, FAKE_IO_BAR, 0, 1), ENOTSUP);
	CHECK(ask("00:05.0") == 0);
	CHECK(answer_says("name", "0000:00:05.0") && answer_says("mode", "auto"));
	CHECK(answer_says("bar2_state", "granted") && answer_says("bar2_reason", ""));
	CHECK(answer_has_number("bar2_size", FAKE_BAR_SIZE));
	CHECK(answer_has_number("bar2_granted_offset", (uint64_t)FAKE_ALIAS << 40));
	CHECK(answer_has_bool("bar2_prefetchable", 1) && answer_has_bool("bar2_activated", 0));
	CHECK(answer_has_bool("bar0_prefetchable", 0));
	CHECK(answer_has_number("bar2_msix0_offset", 2 * PAGE));
	CHECK(answer_has_number("bar2_msix1_offset", 5 * PAGE));
	CHECK(answer_has_number("bar2_msix1_length", PAGE));
	CHECK(answer_has_number("bar2_range0_offset", 5));
	CHECK(answer_has_number("bar2_range0_length", 100));
	CHECK(answer_has_number("bar2_range0_address", (uintptr_t)first));
	CHECK(answer_has_number("bar2_range1_address", (uintptr_t)second));
	CHECK(answer_says("bar4_state", "refused"));
	CHECK(answer_says("bar4_reason", "an I/O BAR cannot be mapped"));

	CHECK(rte_pci_unmap_wc(&device, first) == 0);
	CHECK(ask("00:05.0") == 0 && answer_has_number("bar2_range0_address", (uintptr_t)second));
	CHECK(find_member("bar2_range1_address") == NULL && answer_says("bar2_state", "granted"));
	return 0;
}

static int
test_telemetry_refused(void)
{
	CHECK(plug_in_mapped("auto") == 0);
	fake_kernel.get_errno = ENOTTY;
	CHECK_ERRNO(rte_pci_map_wc(&device, FAKE_BAR, 0, 1), ENOTSUP);
	CHECK(ask("00:05.0") == 0 && answer_says("bar2_state", "refused"));
	CHECK(answer_says("bar2_reason", "the kernel's vfio-pci has no alias regions"));

	/* Granted, and a range is not mapped. */
	CHECK(plug_in_mapped("auto") == 0);
	fake_kernel.set.offset = INT64_MAX - 4095;
	fake_kernel.info.offset = fake_kernel.set.offset;
	CHECK_ERRNO(rte_pci_map_wc(&device, FAKE_BAR, 0, PAGE), ENOMEM);
	CHECK(ask("00:05.0") == 0 && answer_says("bar2_state", "granted"));
	CHECK(find_member("bar2_range0_address") == NULL);
	CHECK(strncmp(find_member("bar2_reason")->value.sval, "mmap() failed: Value too large",
		strlen("mmap() failed: Value too large")) == 0);
	return 0;
}

static int
test_telemetry_activated(void)
{
	CHECK(plug_in(NAMED) == 0);
	driver.drv_flags = RTE_PCI_DRV_WC_ACTIVATE;
	CHECK(pci_wc_mapped(&device, 0) == 0);
	CHECK(ask("00:05.0") == 0 && answer_says("bar2_state", "granted"));
	CHECK(answer_has_bool("bar2_activated", 1) && answer_has_bool("bar0_activated", 0));
	CHECK(answer_has_number("bar2_activated_address", (uintptr_t)bar));
	CHECK(find_member("bar0_activated_address") == NULL);
	/* Of an earlier record nothing is left. */
	driver.drv_flags = 0;
	CHECK(pci_wc_mapped(&device, 0) == 0);
	CHECK(ask("00:05.0") == 0 && find_member("bar2_activated_address") == NULL);
	return 0;
}

static int
test_telemetry_list(void)
{
	static const char * const bad[] = {
		" ", "0", "00:05", "00:05.0 ", "00:05.0,1", "zz:05.0", "0000:00:05.0x", "%s%n",
		"100000000:00:05.0", "-1:00:05.0", "00:05.0\n", "\xff",
	};
	unsigned int before, i;

	CHECK(plug_in("off") == 0);
	before = nb_allocations();
	CHECK(ask(NULL) == 0 && answer.data_len == 0);
	/* No device, or one that the bus has not mapped */
	CHECK(ask("00:05.0") == -ENODEV);
	CHECK(plug_in_mapped("off") == 0 && ask("00:05.0") == -ENODEV);

	CHECK(plug_in_mapped("auto") == 0);
	CHECK(ask("") == 0 && answer.data_len == 1);
	CHECK(strcmp(answer.data.array[0].sval, "0000:00:05.0") == 0);
	CHECK(ask("00:06.0") == -ENODEV && ask("ffffffff:ff:1f.7") == -ENODEV);
	for (i = 0; i < RTE_DIM(bad); i++)
		CHECK(ask(bad[i]) == -EINVAL);
	pci_wc_unmapped(&device);
	CHECK(ask("00:05.0") == -ENODEV && ask(NULL) == 0 && answer.data_len == 0);
	CHECK(nb_allocations() == before);
	return 0;
}

/* As much as there can be is in the answer, and takes none of DPDK's memory. */
static int
test_telemetry_full(void)
{
	unsigned int before, i;
	char *last = NULL;

	CHECK(plug_in("auto") == 0);
	for (i = 0; i < PCI_MAX_RESOURCE; i++)
		device.mem_resource[i].len = FAKE_BAR_SIZE;
	CHECK(fake_vfio_set_msix(device_fd(), 100 * PAGE, 102 * PAGE, 8) == 0);
	CHECK(pci_wc_mapped(&device, 0) == 0);
	for (i = 0; i < 64; i++) {
		last = rte_pci_map_wc(&device, FAKE_BAR, i * PAGE, PAGE);
		CHECK(last != NULL);
	}
	before = nb_allocations();
	CHECK(ask("00:05.0") == 0 && nb_allocations() == before);
	CHECK(answer_has_number("bar2_range63_address", (uintptr_t)last));
	CHECK(answer_has_number("bar2_msix1_offset", 102 * PAGE));
	CHECK(answer_says("bar5_state", "not requested"));
	return 0;
}

/*
 * At most three ioctls for the first range of a BAR, none for each further one; for each, mmap()
 * and munmap() to find an address, and mmap(). tests/bus/test_bus_wc.py counts what the kernel sees
 * between the calls of getppid().
 */
static int
test_cost(void)
{
	CHECK(plug_in_mapped("auto") == 0);
	syscall(SYS_getppid);
	CHECK(rte_pci_map_wc(&device, FAKE_BAR, 0, PAGE) != NULL);
	syscall(SYS_getppid);
	CHECK(rte_pci_map_wc(&device, FAKE_BAR, PAGE, PAGE) != NULL);
	syscall(SYS_getppid);
	CHECK(fake_kernel.nb_ioctls == 3);
	return 0;
}

static const struct test_case cases[] = {
	{ "map, map again, overlap, unmap", test_map },
	{ "an alias can be anywhere in the file", test_alias_elsewhere },
	{ "addresses are congruent modulo 2 MiB", test_congruent },
	{ "each rte_errno that needs no kernel", test_errno },
	{ "each rte_errno that comes from the kernel", test_errno_of_kernel },
	{ "off does nothing and says nothing", test_off },
	{ "off takes no lock", test_off_takes_no_lock },
	{ "query", test_query },
	{ "query and report allocate nothing", test_allocates_nothing },
	{ "query tells where the MSI-X pages are", test_holes },
	{ "auto says it in one line", test_auto_line },
	{ "strict refuses the probe", test_strict },
	{ "a need that is met later is no refusal", test_met_later },
	{ "a device that the driver does not take is not reported", test_not_taken },
	{ "a device that is not bound to vfio-pci is refused", test_not_vfio },
	{ "a kernel that means something else is never mapped", test_other_kernels },
	{ "MSI-X pages are refused", test_msix_refused },
	{ "WC_ACTIVATE, and MSI-X pages stay", test_activate },
	{ "WC_ACTIVATE leaves out what may hold registers", test_activate_known },
	{ "WC_ACTIVATE and a BAR that is not mapped", test_activate_unmapped },
	{ "WC_ACTIVATE falls back on the BAR's own offset", test_activate_fallback },
	{ "addresses wherever there are some, and used again", test_addresses },
	{ "no memory for a record", test_no_memory },
#ifdef CAN_EXHAUST_HEAP
	{ "no memory for a process's own record", test_no_heap },
#endif
	{ "each call fails once", test_faults },
	{ "devices and ranges come and go", test_churn },
	{ "ranges that take turns use addresses again", test_turns },
	{ "removal undoes mappings, addresses are attributed", test_removal },
	{ "telemetry tells what was granted, and where", test_telemetry },
	{ "telemetry gives the reason for a refusal", test_telemetry_refused },
	{ "telemetry of WC_ACTIVATE", test_telemetry_activated },
	{ "telemetry lists devices and rejects bad parameters", test_telemetry_list },
	{ "telemetry has room for all", test_telemetry_full },
	{ "system calls", test_cost },
	{ 0 }
};

const struct test_suite pci_wc_suite = {
	.name = "pci-wc",
	.teardown = plug_out,
	.cases = cases,
};
