/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * A complete driver that pushes messages through a write-combining window, for a raw device based
 * on QEMU's ivshmem-plain, whose BAR2 is memory: its first page holds the registers, the next one
 * the window. The process at the other end of the memory acts as the device. net_ivshmem drives the
 * same device, so this driver requires the user to select it: -a BDF,class=raw.
 */

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <bus_pci_driver.h>
#include <rte_bus_pci_wc.h>
#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_devargs.h>
#include <rte_io.h>
#include <rte_kvargs.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_rawdev_pmd.h>
#include <rte_wcio.h>

#include "rte_pmd_wc.h"

RTE_LOG_REGISTER_DEFAULT(wc_pmd_logtype, NOTICE);
#define RTE_LOGTYPE_raw_wc_pmd wc_pmd_logtype

#define BAR 2
#define WINDOW_OFFSET 4096
#define WINDOW_LEN (WC_PMD_SLOTS * WC_PMD_SLOT_SIZE)

struct wc_pmd_regs {
	uint32_t tail;	/* doorbell: number of messages written by the driver */
	uint32_t head;	/* number of messages consumed by the device */
};

struct wc_pmd {
	volatile struct wc_pmd_regs *regs;	/* default mapping */
	uint8_t *window;			/* write-combining if granted */
	uint32_t tail;
	uint32_t head;
};

/* Reads the device only if the window may be full: a read stalls until it completes. */
static bool
wc_pmd_has_room(struct wc_pmd *priv)
{
	uint32_t head;

	if (priv->tail - priv->head < WC_PMD_SLOTS)
		return true;
	head = rte_le_to_cpu_32(rte_read32(&priv->regs->head));
	/* Ignore a device that has consumed more than was written. */
	if (priv->tail - head <= WC_PMD_SLOTS)
		priv->head = head;
	return priv->tail - priv->head < WC_PMD_SLOTS;
}

/* Whole lines, padded, so that each leaves as one write. */
static int
wc_pmd_push(struct wc_pmd *priv, const struct wc_pmd_message *message)
{
	size_t len = rte_le_to_cpu_16(message->len);

	if (len > sizeof(message->data))
		return -EINVAL;
	rte_wcio_copy_pad(priv->window + priv->tail % WC_PMD_SLOTS * WC_PMD_SLOT_SIZE, message,
		offsetof(struct wc_pmd_message, data) + len);
	priv->tail++;
	return 0;
}

/* Returns the number of accepted messages, or a negative errno if the first one is invalid. */
static int
wc_pmd_enqueue(struct rte_rawdev *dev, struct rte_rawdev_buf **bufs, unsigned int count,
	rte_rawdev_obj_t context)
{
	struct wc_pmd *priv = dev->dev_private;
	unsigned int n;
	int ret = 0;

	RTE_SET_USED(context);
	for (n = 0; n < count && wc_pmd_has_room(priv); n++) {
		ret = wc_pmd_push(priv, bufs[n]->buf_addr);
		if (ret != 0)
			break;
	}
	if (n == 0)
		return ret;
	/* One barrier for the burst. The doorbell itself needs none. */
	rte_wcio_payload_before_uc_doorbell();
	rte_write32_relaxed(rte_cpu_to_le_32(priv->tail), &priv->regs->tail);
	return n;
}

/* Lets a test inspect the memory type */
static int
wc_pmd_get_attr(struct rte_rawdev *dev, const char *name, uint64_t *value)
{
	struct wc_pmd *priv = dev->dev_private;

	if (strcmp(name, "window") != 0)
		return -EINVAL;
	*value = (uintptr_t)priv->window;
	return 0;
}

static int
wc_pmd_close_dev(struct rte_rawdev *dev)
{
	/* The bus owns the mapping and removes it with the device. */
	RTE_SET_USED(dev);
	return 0;
}

static const struct rte_rawdev_ops ops = {
	.dev_close = wc_pmd_close_dev,
	.enqueue_bufs = wc_pmd_enqueue,
	.attr_get = wc_pmd_get_attr,
};

/* Use the WC window if granted; otherwise the default mapping, slower but equivalent. */
static int
wc_pmd_map(struct wc_pmd *priv, struct rte_pci_device *pci_dev)
{
	uint8_t *bar = pci_dev->mem_resource[BAR].addr;

	if (bar == NULL || pci_dev->mem_resource[BAR].len < WINDOW_OFFSET + WINDOW_LEN)
		return -ENODEV;
	priv->regs = (volatile struct wc_pmd_regs *)bar;
	/* Continue after an earlier run, as if the window were full, so that the device is read. */
	priv->tail = rte_le_to_cpu_32(rte_read32(&priv->regs->tail));
	priv->head = priv->tail - WC_PMD_SLOTS;
	priv->window = rte_pci_map_wc(pci_dev, BAR, WINDOW_OFFSET, WINDOW_LEN);
	if (priv->window == NULL)
		priv->window = bar + WINDOW_OFFSET;
	return 0;
}

/* 0 if the device is for this driver, positive if it is not, or a negative errno. */
static int
wc_pmd_check_args(const struct rte_pci_device *pci_dev)
{
	const struct rte_devargs *devargs = pci_dev->device.devargs;
	struct rte_kvargs *args;
	const char *class;
	int ret;

	if (devargs == NULL || devargs->args == NULL)
		return 1;
	args = rte_kvargs_parse(devargs->args, NULL);
	class = args == NULL ? NULL : rte_kvargs_get(args, RTE_DEVARGS_KEY_CLASS);
	ret = class == NULL || strcmp(class, "raw") != 0;
	if (ret == 0 && args->count > 1) {
		RTE_LOG(ERR, raw_wc_pmd, "%s,%s: use no argument other than class=raw\n",
			pci_dev->name, devargs->args);
		ret = -EINVAL;
	}
	rte_kvargs_free(args);
	return ret;
}

static int
wc_pmd_probe(struct rte_pci_driver *driver, struct rte_pci_device *pci_dev)
{
	struct rte_rawdev *dev;
	int ret;

	ret = wc_pmd_check_args(pci_dev);
	if (ret != 0)
		return ret;
	dev = rte_rawdev_pmd_allocate(pci_dev->device.name, sizeof(struct wc_pmd), rte_socket_id());
	if (dev == NULL)
		return -ENOMEM;
	dev->dev_ops = &ops;
	dev->device = &pci_dev->device;
	dev->driver_name = driver->driver.name;
	ret = wc_pmd_map(dev->dev_private, pci_dev);
	if (ret != 0)
		rte_rawdev_pmd_release(dev);
	return ret;
}

static int
wc_pmd_remove_dev(struct rte_pci_device *pci_dev)
{
	return rte_rawdev_pmd_release(rte_rawdev_pmd_get_named_dev(pci_dev->device.name));
}

static const struct rte_pci_id ids[] = {
	{ RTE_PCI_DEVICE(0x1af4, 0x1110) },
	{ .vendor_id = 0 },
};

static struct rte_pci_driver wc_pmd = {
	.id_table = ids,
	.drv_flags = RTE_PCI_DRV_NEED_MAPPING,
	.probe = wc_pmd_probe,
	.remove = wc_pmd_remove_dev,
};

RTE_PMD_REGISTER_PCI(raw_wc_pmd, wc_pmd);
RTE_PMD_REGISTER_PCI_TABLE(raw_wc_pmd, ids);
RTE_PMD_REGISTER_KMOD_DEP(raw_wc_pmd, "* vfio-pci");
RTE_PMD_REGISTER_PARAM_STRING(raw_wc_pmd, RTE_DEVARGS_KEY_CLASS "=raw");
