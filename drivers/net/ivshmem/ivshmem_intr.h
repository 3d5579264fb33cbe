/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef IVSHMEM_INTR_H
#define IVSHMEM_INTR_H

#include "ivshmem_port.h"

/**
 * @file
 * Receivers that sleep, and doorbells that wake them. A doorbell may be lost: because the doorbell
 * server of QEMU has ended, or because there is none. A sleeping queue is therefore also woken by
 * its own heartbeat, up to 100 ms late.
 */

/** Enable receive interrupts if the application has requested them. 0 or a negative errno. */
int ivshmem_intr_start(struct rte_eth_dev *dev);

void ivshmem_intr_stop(struct rte_eth_dev *dev);

/** For struct eth_dev_ops. @{ */
int ivshmem_rx_intr_enable(struct rte_eth_dev *dev, uint16_t queue);
int ivshmem_rx_intr_disable(struct rte_eth_dev *dev, uint16_t queue);
/** @} */

/** At each heartbeat: wake queues that sleep although packets are available. */
void ivshmem_intr_watch(struct rte_eth_dev *dev);

/**
 * Notify a peer, by the ID and the vector that it has published. It does not block.
 *
 * @return
 *   Whether this side knows such a doorbell.
 */
bool ivshmem_intr_notify(const struct ivshmem_port *port, uint16_t peer_id, uint16_t vector);

#endif /* IVSHMEM_INTR_H */
