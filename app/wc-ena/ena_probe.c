/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * A PCI driver for ivshmem devices with the flags of net_ena, so that the bus maps the BARs as it
 * does for ENA. BAR2 of both is the memory that net_ena uses for the LLQ. BAR0, the registers, is a
 * further mapping of ivshmem's BAR2, uncached as vfio-pci maps it by default: the device is then a
 * part of that BAR, and its registers are as far from the CPU as its LLQ.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vfio.h>

#include <bus_pci_driver.h>
#include <rte_interrupts.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include "ena_device.h"
#include "private.h"

#define REGS_BAR 0	/* of ENA */
#define MEMORY_BAR 2	/* of ENA, and of ivshmem */
#define IVSHMEM_VENDOR 0x1af4
#define IVSHMEM_DEVICE 0x1110

static struct ena_device *device;
static struct rte_pci_driver *net_ena;
static struct rte_intr_handle *bus_intr_handle;
static uint8_t *regs;
static const uint8_t *llq;
static unsigned int device_lcore;

const uint8_t *
ena_probe_regs(void)
{
	return regs;
}

const uint8_t *
ena_probe_llq(void)
{
	return llq;
}

/* The default mapping of BAR2 of the device file, beside whatever the bus has mapped. */
static uint8_t *
ena_probe_map(const struct rte_pci_device *pci_dev, size_t len)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = MEMORY_BAR };
	int fd = rte_intr_dev_fd_get(pci_dev->intr_handle);
	void *addr;

	if (ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &info) != 0 || info.size < len)
		return NULL;
	addr = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, info.offset);
	return addr != MAP_FAILED ? addr : NULL;
}

static void
ena_probe_unmap(void)
{
	if (regs != NULL)
		munmap(regs, ENA_BAR_REGS_SIZE);
	if (device->bar != NULL)
		munmap((void *)(uintptr_t)device->bar, ENA_BAR_SIZE);
	regs = NULL;
	device->bar = NULL;
}

/* ivshmem-plain has no interrupts. An eventfd raises them, as with those of VFIO. */
static int
ena_probe_add_interrupt(struct rte_pci_device *pci_dev)
{
	struct rte_intr_handle *handle = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);

	if (handle == NULL)
		return -ENOMEM;
	device->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (device->event_fd < 0) {
		rte_intr_instance_free(handle);
		return -errno;
	}
	rte_intr_fd_set(handle, device->event_fd);
	rte_intr_type_set(handle, RTE_INTR_HANDLE_VFIO_MSIX);
	/* There is no VFIO device that would have to be asked for it. */
	rte_intr_dev_fd_set(handle, -1);
	bus_intr_handle = pci_dev->intr_handle;
	pci_dev->intr_handle = handle;
	return 0;
}

static void
ena_probe_remove_interrupt(struct rte_pci_device *pci_dev)
{
	rte_intr_instance_free(pci_dev->intr_handle);
	pci_dev->intr_handle = bus_intr_handle;
	close(device->event_fd);
}

static int
ena_probe_start_device(void)
{
	device_lcore = rte_get_next_lcore(-1, 1, 0);
	if (device_lcore == RTE_MAX_LCORE) {
		fprintf(stderr, "dpdk-wc-ena: one lcore: use two, the other one is the device\n");
		return -EINVAL;
	}
	ena_regs_init(device);
	device->stop = false;
	return rte_eal_remote_launch(ena_device_run, device, device_lcore);
}

static void
ena_probe_stop_device(void)
{
	rte_atomic_store_explicit(&device->stop, true, rte_memory_order_relaxed);
	rte_eal_wait_lcore(device_lcore);
}

static void
ena_probe_place_registers(struct rte_pci_device *pci_dev)
{
	struct rte_mem_resource *bars = pci_dev->mem_resource;

	bars[REGS_BAR].addr = regs;
	bars[REGS_BAR].phys_addr = bars[MEMORY_BAR].phys_addr;
	bars[REGS_BAR].len = ENA_BAR_REGS_SIZE;
}

static int
ena_probe(struct rte_pci_driver *driver, struct rte_pci_device *pci_dev)
{
	const struct rte_mem_resource bar0 = pci_dev->mem_resource[REGS_BAR];
	int ret;

	if (llq != NULL || pci_dev->mem_resource[MEMORY_BAR].len < ENA_BAR_SIZE) {
		fprintf(stderr, "dpdk-wc-ena: %s: %s\n", pci_dev->name, llq != NULL ?
			"a second device: use one" : "BAR2 is too small: use at least 1 MiB");
		return -EINVAL;
	}
	regs = ena_probe_map(pci_dev, ENA_BAR_REGS_SIZE);
	device->bar = ena_probe_map(pci_dev, ENA_BAR_SIZE);
	if (regs == NULL || device->bar == NULL) {
		ret = -ENOMEM;
		goto unmap;
	}
	ret = ena_probe_add_interrupt(pci_dev);
	if (ret != 0)
		goto unmap;
	ret = ena_probe_start_device();
	if (ret != 0)
		goto remove_interrupt;
	ena_probe_place_registers(pci_dev);
	ret = net_ena->probe(driver, pci_dev);
	if (ret != 0)
		goto stop_device;
	llq = (const uint8_t *)pci_dev->mem_resource[MEMORY_BAR].addr + ENA_BAR_LLQ;
	return 0;

stop_device:
	pci_dev->mem_resource[REGS_BAR] = bar0;
	ena_probe_stop_device();
remove_interrupt:
	ena_probe_remove_interrupt(pci_dev);
unmap:
	ena_probe_unmap();
	return ret;
}

static int
ena_probe_remove(struct rte_pci_device *pci_dev)
{
	int ret = net_ena->remove(pci_dev);

	ena_probe_stop_device();
	ena_probe_remove_interrupt(pci_dev);
	ena_probe_unmap();
	llq = NULL;
	return ret;
}

static const struct rte_pci_id ids[] = {
	{ RTE_PCI_DEVICE(IVSHMEM_VENDOR, IVSHMEM_DEVICE) },
	{ .vendor_id = 0 },
};

static struct rte_pci_driver driver = {
	.driver = { .name = "net_ena" },
	.id_table = ids,
	.probe = ena_probe,
	.remove = ena_probe_remove,
};

static bool
ena_probe_is_for_ivshmem(const struct rte_pci_driver *other)
{
	const struct rte_pci_id *id;

	for (id = other->id_table; id->vendor_id != 0; id++) {
		if (id->vendor_id == IVSHMEM_VENDOR && id->device_id == IVSHMEM_DEVICE)
			return true;
	}
	return false;
}

int
ena_probe_register(struct ena_device *dev)
{
	struct rte_pci_driver *other, *next;

	/* Other drivers in this program would take the device first. */
	RTE_TAILQ_FOREACH_SAFE(other, &rte_pci_bus.driver_list, next, next) {
		if (strcmp(other->driver.name, "net_ena") == 0)
			net_ena = other;
		else if (ena_probe_is_for_ivshmem(other))
			rte_pci_unregister(other);
	}
	if (net_ena == NULL)
		return -ENOENT;
	device = dev;
	driver.drv_flags = net_ena->drv_flags;
	rte_pci_register(&driver);
	return 0;
}
