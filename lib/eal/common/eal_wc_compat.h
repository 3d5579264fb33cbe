/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef EAL_WC_COMPAT_H
#define EAL_WC_COMPAT_H

/**
 * @file
 * The differences between the releases of DPDK that the overlay is built with. All other files are
 * written for the newest release, and none of them depends on the release.
 */

#include <rte_version.h>

/* Lists of exported symbols have been generated from these since 25.07. */
#if RTE_VERSION >= RTE_VERSION_NUM(25, 7, 0, 0)
#include <eal_export.h>
#else
#define RTE_EXPORT_EXPERIMENTAL_SYMBOL(symbol, release)
#define RTE_EXPORT_INTERNAL_SYMBOL(symbol)
#endif

#if RTE_VERSION < RTE_VERSION_NUM(23, 3, 0, 0)
#define __rte_no_thread_safety_analysis
#endif

#if RTE_VERSION < RTE_VERSION_NUM(24, 3, 0, 0)
#include <rte_log.h>
#undef EAL_LOG
#define EAL_LOG(level, ...) \
	RTE_LOG(level, EAL, RTE_FMT(RTE_FMT_HEAD(__VA_ARGS__ ,) "\n", RTE_FMT_TAIL(__VA_ARGS__ ,)))
#endif

/* The log type of the PCI bus, of which the bus of earlier releases has none. */
#if RTE_VERSION < RTE_VERSION_NUM(24, 7, 0, 0)
#define PCI_LOG_REGISTER() RTE_LOG_REGISTER_DEFAULT(pci_bus_logtype, NOTICE)
#define PCI_LOG(level, ...) \
	rte_log(RTE_LOG_ ## level, pci_bus_logtype, RTE_FMT("PCI_BUS: " \
		RTE_FMT_HEAD(__VA_ARGS__ ,) "\n", RTE_FMT_TAIL(__VA_ARGS__ ,)))
extern int pci_bus_logtype;
#else
#define PCI_LOG_REGISTER()
#endif

#if RTE_VERSION < RTE_VERSION_NUM(24, 11, 0, 0)
#define __rte_packed_begin
#define __rte_packed_end __rte_packed
#endif

/* Statistics of queues were a part of those of the port. */
#if RTE_VERSION < RTE_VERSION_NUM(25, 11, 0, 0)
#define eth_queue_stats rte_eth_stats
#define ETH_STATS_GET(stats_get) stats_get ## _compat
#define ETH_STATS_GET_DEFINE(stats_get) \
static int \
stats_get ## _compat(struct rte_eth_dev *dev, struct rte_eth_stats *stats) \
{ \
	return stats_get(dev, stats, stats); \
}
#else
#define ETH_STATS_GET(stats_get) stats_get
#define ETH_STATS_GET_DEFINE(stats_get)
#endif

/* The driver of a PCI device, NULL if it has none. */
#if RTE_VERSION < RTE_VERSION_NUM(26, 7, 0, 0)
#define PCI_DEVICE_DRIVER(dev) ((dev)->driver)
#define PCI_DEVICE_SET_DRIVER(dev, drv) ((dev)->driver = (drv))
#define RTE_BUS_FOREACH_DRV(drv, bus) TAILQ_FOREACH(drv, &(bus)->driver_list, next)
#else
#define PCI_DEVICE_DRIVER(dev) ((dev)->device.driver == NULL ? NULL : \
	container_of((dev)->device.driver, const struct rte_pci_driver, driver))
#define PCI_DEVICE_SET_DRIVER(dev, drv) ((dev)->device.driver = &(drv)->driver)
#endif

#endif /* EAL_WC_COMPAT_H */
