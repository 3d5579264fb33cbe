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

#if RTE_VERSION < RTE_VERSION_NUM(23, 3, 0, 0) && !defined(__rte_no_thread_safety_analysis)
#define __rte_no_thread_safety_analysis
#endif

/* Before 23.11 the names of the compiler were used. */
#if RTE_VERSION < RTE_VERSION_NUM(23, 11, 0, 0)
#define RTE_ATOMIC(type) type
#define __rte_atomic
#define rte_memory_order_relaxed __ATOMIC_RELAXED
#define rte_memory_order_acquire __ATOMIC_ACQUIRE
#define rte_memory_order_release __ATOMIC_RELEASE
#define rte_atomic_load_explicit(ptr, order) __atomic_load_n(ptr, order)
#define rte_atomic_store_explicit(ptr, value, order) __atomic_store_n(ptr, value, order)
#define rte_atomic_exchange_explicit(ptr, value, order) __atomic_exchange_n(ptr, value, order)
#define rte_atomic_fetch_add_explicit(ptr, value, order) __atomic_fetch_add(ptr, value, order)
#else
#include <rte_stdatomic.h>
#endif

#if RTE_VERSION < RTE_VERSION_NUM(24, 3, 0, 0)
#include <rte_log.h>
#define RTE_LOG_LINE(level, type, ...) \
	RTE_LOG(level, type, RTE_FMT(RTE_FMT_HEAD(__VA_ARGS__ ,) "\n", \
		RTE_FMT_TAIL(__VA_ARGS__ ,)))
#define EAL_LOG(level, ...) RTE_LOG_LINE(level, EAL, "" __VA_ARGS__)
#endif

/* The log type of the PCI bus, of which the bus of earlier releases has none. */
#if RTE_VERSION < RTE_VERSION_NUM(24, 7, 0, 0)
extern int pci_bus_logtype;
#define RTE_LOGTYPE_PCI_BUS pci_bus_logtype
#define PCI_LOG(level, ...) RTE_LOG_LINE(level, PCI_BUS, "" __VA_ARGS__)
#define PCI_LOG_REGISTER() RTE_LOG_REGISTER_DEFAULT(pci_bus_logtype, NOTICE)
#else
#define PCI_LOG_REGISTER()
#endif

#if RTE_VERSION < RTE_VERSION_NUM(25, 3, 0, 0)
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
