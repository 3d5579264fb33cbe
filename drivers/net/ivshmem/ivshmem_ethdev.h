/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef IVSHMEM_ETHDEV_H
#define IVSHMEM_ETHDEV_H

#include "ivshmem_port.h"

/** How to undo a probe's mapping in this process. */
struct ivshmem_probe {
	void (*unmap)(struct rte_eth_dev *dev);	/**< Called when the port is closed. */
};

/**
 * Set up a port over a region that has been opened. Called by both probes.
 *
 * @return
 *   0 or a negative errno.
 */
int ivshmem_ethdev_init(struct rte_eth_dev *eth_dev, const struct ivshmem_probe *probe);

/** Set up a secondary process for a port of its primary, whose memory is mapped. */
int ivshmem_ethdev_attach(struct rte_eth_dev *eth_dev, const struct ivshmem_probe *probe);

/** Whether a port belongs to this driver. */
bool ivshmem_ethdev_is(const struct rte_eth_dev *eth_dev);

/** End the session, and undo the probe. */
int ivshmem_ethdev_close(struct rte_eth_dev *eth_dev);

#endif /* IVSHMEM_ETHDEV_H */
