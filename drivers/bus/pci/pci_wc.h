/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef PCI_WC_H
#define PCI_WC_H

/**
 * @file
 * Write-combining mappings as used by the probe, map and unmap paths of the bus.
 */

#include <stdbool.h>

#include <bus_pci_driver.h>
#include <rte_compat.h>

struct pci_wc_backend;

/**
 * @internal
 * Have unit tests replace the kernel, before any device is mapped.
 *
 * @param backend
 *   What grants write-combining mappings, or NULL for the kernel again.
 */
__rte_internal
void pci_wc_set_backend(const struct pci_wc_backend *backend);

/**
 * @internal
 * Call after the bus has mapped a device, or has tried to. If the driver set
 * RTE_PCI_DRV_WC_ACTIVATE, make the mappings of prefetchable BARs write-combining. A device that
 * cannot be set up is unmapped again.
 *
 * @param dev
 *   The device, with its VFIO device file in intr_handle if it was mapped.
 * @param map_ret
 *   The return value of the mapping.
 * @return
 *   map_ret, or a negative errno if the device was unmapped again.
 */
__rte_internal
int pci_wc_mapped(struct rte_pci_device *dev, int map_ret);

/**
 * Call before a device, of any kernel driver, is unmapped: undo all its write-combining mappings.
 */
void pci_wc_unmapped(struct rte_pci_device *dev);

/**
 * Call after a driver's probe: log what the device was granted. If the probe succeeded although the
 * policy is strict and the device was refused, remove the device again.
 *
 * @param driver
 *   The driver.
 * @param dev
 *   The device.
 * @param probe_ret
 *   The return value of the probe.
 * @return
 *   probe_ret, or -ENOTSUP if the device was removed again.
 */
int pci_wc_probed(struct rte_pci_driver *driver, struct rte_pci_device *dev, int probe_ret);

/** Whether an address is in a write-combining mapping of the device. Signal safe. */
bool pci_wc_contains(const struct rte_pci_device *dev, const void *addr);

#endif /* PCI_WC_H */
