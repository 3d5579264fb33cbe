/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <inttypes.h>

#include <bus_pci_driver.h>
#include <ethdev_pci.h>
#include <rte_bus_pci_wc.h>
#include <rte_errno.h>
#include <rte_io.h>
#include <rte_string_fns.h>

#include "ivshmem_args.h"
#include "ivshmem_ethdev.h"
#include "ivshmem_log.h"

/* QEMU docs/specs/ivshmem-spec: Red Hat, Inter-VM shared memory; registers, and the memory */
#define IVSHMEM_VENDOR 0x1af4
#define IVSHMEM_DEVICE 0x1110
#define IVSHMEM_REGISTER_BAR 0
#define IVSHMEM_MSIX_BAR 1	/* only ivshmem-doorbell has it */
#define IVSHMEM_MEMORY_BAR 2

static struct rte_pci_device *
ivshmem_pci_device_of(const struct rte_eth_dev *eth_dev)
{
	return container_of(eth_dev->device, struct rte_pci_device, device);
}

/* The control area stays in the default mapping; only slots are written in whole lines. */
static void
ivshmem_pci_map_slots(struct rte_pci_device *pci_dev, struct ivshmem_port *port)
{
	const struct rte_mem_resource *bar = &pci_dev->mem_resource[IVSHMEM_MEMORY_BAR];
	const uint64_t len = bar->len - IVSHMEM_CONTROL_SIZE;
	struct rte_pci_wc_info info;

	port->slots = rte_pci_map_wc(pci_dev, IVSHMEM_MEMORY_BAR, IVSHMEM_CONTROL_SIZE, len);
	if (port->slots != NULL) {
		IVSHMEM_LOG(NOTICE, "%s: slots at %p, %" PRIu64 " bytes, write-combining granted",
			port->name, port->slots, len);
		return;
	}
	port->slots = RTE_PTR_ADD(bar->addr, IVSHMEM_CONTROL_SIZE);
	rte_pci_wc_query(pci_dev, IVSHMEM_MEMORY_BAR, &info);
	IVSHMEM_LOG(NOTICE, "%s: slots at %p, %" PRIu64 " bytes, default mapping (%s)", port->name,
		port->slots, len, info.reason);
}

static void
ivshmem_pci_unmap_slots(struct rte_eth_dev *eth_dev)
{
	struct ivshmem_port *port = eth_dev->data->dev_private;

	/* Says EINVAL where they are in the default mapping, which is the bus's. */
	rte_pci_unmap_wc(ivshmem_pci_device_of(eth_dev), port->slots);
}

static const struct ivshmem_probe of_process = { .unmap = ivshmem_pci_unmap_slots };

/*
 * ivshmem-doorbell has an ID. It is 0 where no doorbell server has given one, and the host's
 * otherwise: see ivshmem_device.h.
 */
static void
ivshmem_pci_find_doorbell(struct rte_pci_device *pci_dev, struct ivshmem_port *port)
{
	uint8_t *registers = pci_dev->mem_resource[IVSHMEM_REGISTER_BAR].addr;
	uint32_t id;

	if (registers == NULL) {
		/*
		 * Of 256 bytes, the kernel maps it only if nothing else is in its page (Linux
		 * drivers/vfio/pci/vfio_pci_core.c, vfio_pci_probe_mmaps()).
		 */
		if (pci_dev->mem_resource[IVSHMEM_MSIX_BAR].len != 0)
			IVSHMEM_LOG(WARNING, "%s: no doorbells: BAR%u is not mapped, it shares a page "
				"with another BAR: put the device on a separate bus, for example "
				"behind a pcie-root-port", port->name, IVSHMEM_REGISTER_BAR);
		return;
	}
	id = rte_le_to_cpu_32(rte_read32(registers + IVSHMEM_REG_IV_POSITION));
	if (id == 0 || id > UINT16_MAX)
		return;
	port->doorbell.own_id = id;
	port->doorbell.reg = (volatile uint32_t *)(registers + IVSHMEM_REG_DOORBELL);
	IVSHMEM_LOG(INFO, "%s: peer %u of a doorbell server", port->name, id);
}

static const char *
ivshmem_pci_args(const struct rte_pci_device *pci_dev)
{
	return pci_dev->device.devargs == NULL ? NULL : pci_dev->device.devargs->args;
}

static int
ivshmem_pci_init_primary(struct rte_eth_dev *eth_dev)
{
	struct rte_pci_device *pci_dev = ivshmem_pci_device_of(eth_dev);
	const struct rte_mem_resource *bar = &pci_dev->mem_resource[IVSHMEM_MEMORY_BAR];
	struct ivshmem_port *port = ivshmem_port_of(eth_dev);
	struct ivshmem_args args = { .role = IVSHMEM_CLIENT };
	int ret;

	rte_eth_random_addr(args.mac.addr_bytes);
	ret = ivshmem_args_parse(pci_dev->name, ivshmem_pci_args(pci_dev), false, &args);
	if (ret < 0)
		return ret;
	strlcpy(port->name, pci_dev->name, sizeof(port->name));
	if (bar->addr == NULL) {
		IVSHMEM_LOG(ERR, "%s: BAR%u is not mapped: bind the device to vfio-pci", port->name,
			IVSHMEM_MEMORY_BAR);
		return -ENODEV;
	}
	port->role = args.role;
	port->device = true;
	port->memory_fd = -1;
	port->role_fd = -1;
	port->mac = args.mac;
	port->region.name = port->name;
	port->region.control = bar->addr;
	port->region.size = bar->len;
	ret = ivshmem_region_enter(&port->region, args.role, args.lines, args.queues);
	if (ret < 0)
		return ret;
	ivshmem_pci_map_slots(pci_dev, port);
	ivshmem_pci_find_doorbell(pci_dev, port);
	ret = ivshmem_ethdev_init(eth_dev, &of_process);
	if (ret < 0)
		ivshmem_pci_unmap_slots(eth_dev);
	return ret;
}

/* The bus has mapped the BAR where the primary has it; the slots may have their own mapping. */
static int
ivshmem_pci_init_secondary(struct rte_eth_dev *eth_dev)
{
	struct rte_pci_device *pci_dev = ivshmem_pci_device_of(eth_dev);
	const struct rte_mem_resource *bar = &pci_dev->mem_resource[IVSHMEM_MEMORY_BAR];
	const struct ivshmem_port *port = ivshmem_port_of(eth_dev);
	const uint64_t len = bar->len - IVSHMEM_CONTROL_SIZE;

	if (port->slots != RTE_PTR_ADD(bar->addr, IVSHMEM_CONTROL_SIZE) &&
			rte_pci_map_wc(pci_dev, IVSHMEM_MEMORY_BAR, IVSHMEM_CONTROL_SIZE, len) !=
			port->slots) {
		IVSHMEM_LOG(ERR, "%s: cannot map the slots at %p, where the primary has them: %s",
			port->name, port->slots, rte_strerror(rte_errno));
		return -ENOMEM;
	}
	return ivshmem_ethdev_attach(eth_dev, &of_process);
}

static int
ivshmem_pci_init_port(struct rte_eth_dev *eth_dev)
{
	return rte_eal_process_type() == RTE_PROC_PRIMARY ? ivshmem_pci_init_primary(eth_dev) :
		ivshmem_pci_init_secondary(eth_dev);
}

static int
ivshmem_pci_probe(struct rte_pci_driver *driver __rte_unused, struct rte_pci_device *pci_dev)
{
	/* Above 0: the bus asks the next driver. */
	if (!ivshmem_args_is_meant(pci_dev->name, ivshmem_pci_args(pci_dev)))
		return 1;
	return rte_eth_dev_pci_generic_probe(pci_dev, sizeof(struct ivshmem_port),
			ivshmem_pci_init_port);
}

static int
ivshmem_pci_remove_device(struct rte_pci_device *pci_dev)
{
	return rte_eth_dev_pci_generic_remove(pci_dev, ivshmem_ethdev_close);
}

static const struct rte_pci_id ids[] = {
	{ RTE_PCI_DEVICE(IVSHMEM_VENDOR, IVSHMEM_DEVICE) },
	{ .vendor_id = 0 },
};

static struct rte_pci_driver driver = {
	.id_table = ids,
	.drv_flags = RTE_PCI_DRV_NEED_MAPPING,
	.probe = ivshmem_pci_probe,
	.remove = ivshmem_pci_remove_device,
};

RTE_PMD_REGISTER_PCI(net_ivshmem_pci, driver);
RTE_PMD_REGISTER_PCI_TABLE(net_ivshmem_pci, ids);
RTE_PMD_REGISTER_KMOD_DEP(net_ivshmem_pci, "* vfio-pci");
RTE_PMD_REGISTER_PARAM_STRING(net_ivshmem_pci,
	RTE_DEVARGS_KEY_CLASS "=eth "
	IVSHMEM_ARG_ROLE "=server|client "
	IVSHMEM_ARG_LINES "=<int> "
	IVSHMEM_ARG_QUEUES "=<int> "
	IVSHMEM_ARG_MAC "=<addr>");
