/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef IVSHMEM_LINK_H
#define IVSHMEM_LINK_H

#include "ivshmem_port.h"

/**
 * @file
 * How the sides find each other: sessions, liveness, and who may touch the rings when. All of it
 * outside of the data path.
 */

/** Once for each process that uses a port. 0, or -ENOTSUP when the kernel has no membarrier(). */
int ivshmem_link_register(const char *name);

int ivshmem_link_init(struct ivshmem_port *port);

/** Of a port that has stopped; also from within the callback of its link's state. */
void ivshmem_link_destroy(struct rte_eth_dev *dev);

/** Whether this process may come to a queue at which it was not the last one. */
bool ivshmem_gate_is_free(const struct ivshmem_gate *gate);

/**
 * Tell the peer that this side has started; the link comes up when the peer answers.
 *
 * @return
 *   0, or -ENOMEM without an alarm for the heartbeat.
 */
int ivshmem_link_start(struct rte_eth_dev *dev);

/** Take the rings from the data path and tell the peer. */
void ivshmem_link_stop(struct rte_eth_dev *dev);

/** Look at the peer now, and not only at the next heartbeat. */
void ivshmem_link_poll(struct rte_eth_dev *dev);

#endif /* IVSHMEM_LINK_H */
