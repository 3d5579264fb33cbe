/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef IVSHMEM_LINK_H
#define IVSHMEM_LINK_H

#include "ivshmem_port.h"

/**
 * @file
 * Sessions, liveness of the peer, and access to the rings. Everything here is outside the data
 * path.
 */

/** Once per process that uses a port. 0, or -ENOTSUP if the kernel has no membarrier(). */
int ivshmem_link_register(const char *name);

int ivshmem_link_init(struct ivshmem_port *port);

/** For a stopped port; also allowed in the callback of its link state. */
void ivshmem_link_destroy(struct rte_eth_dev *dev);

/** Whether this process may use a queue that another process used last. */
bool ivshmem_gate_is_free(const struct ivshmem_gate *gate);

/**
 * Start a session; the link comes up when the peer has accepted it.
 *
 * @return
 *   0, or -ENOMEM if there is no alarm for the heartbeat.
 */
int ivshmem_link_start(struct rte_eth_dev *dev);

/** Stop the data path's access to the rings, and end the session. */
void ivshmem_link_stop(struct rte_eth_dev *dev);

/** Check the peer now instead of at the next heartbeat. */
void ivshmem_link_poll(struct rte_eth_dev *dev);

#endif /* IVSHMEM_LINK_H */
