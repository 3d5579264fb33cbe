/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * Without VFIO, write-combining mappings are not available.
 */

#include <rte_common.h>
#include <rte_errno.h>

#include "eal_wc_compat.h"
#include "pci_wc.h"
#include "private.h"
#include "rte_bus_pci_wc.h"

RTE_EXPORT_EXPERIMENTAL_SYMBOL(rte_pci_map_wc, 26.11)
void *
rte_pci_map_wc(struct rte_pci_device *dev __rte_unused, unsigned int bar __rte_unused,
		uint64_t offset __rte_unused, size_t len __rte_unused)
{
	rte_errno = ENOTSUP;
	return NULL;
}

RTE_EXPORT_EXPERIMENTAL_SYMBOL(rte_pci_unmap_wc, 26.11)
int
rte_pci_unmap_wc(struct rte_pci_device *dev __rte_unused, void *addr __rte_unused)
{
	rte_errno = EINVAL;
	return -1;
}

RTE_EXPORT_EXPERIMENTAL_SYMBOL(rte_pci_wc_query, 26.11)
int
rte_pci_wc_query(const struct rte_pci_device *dev, unsigned int bar, struct rte_pci_wc_info *info)
{
	if (dev == NULL || info == NULL || bar >= PCI_MAX_RESOURCE) {
		rte_errno = EINVAL;
		return -1;
	}
	*info = (struct rte_pci_wc_info){ .state = RTE_PCI_WC_REFUSED };
	info->reason = "no VFIO on this operating system";
	return 0;
}

int
pci_wc_probed(struct rte_pci_driver *driver __rte_unused, struct rte_pci_device *dev __rte_unused,
		int probe_ret)
{
	return probe_ret;
}

bool
pci_wc_contains(const struct rte_pci_device *dev __rte_unused, const void *addr __rte_unused)
{
	return false;
}
