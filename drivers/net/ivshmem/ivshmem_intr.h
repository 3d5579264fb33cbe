/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef IVSHMEM_INTR_H
#define IVSHMEM_INTR_H

#include "ivshmem_port.h"

/**
 * @file
 * Receivers that sleep, and doorbells that wake them. A doorbell may be lost: with the doorbell
 * server that QEMU was connected to, or because there is none. So a queue that sleeps is also woken
 * by its own heartbeat, up to 100 ms late.
 */

/** Switch receive interrupts on if the application wants them. 0 or a negative errno. */
int ivshmem_intr_start(struct rte_eth_dev *dev);

void ivshmem_intr_stop(struct rte_eth_dev *dev);

/** For struct eth_dev_ops. @{ */
int ivshmem_rx_intr_enable(struct rte_eth_dev *dev, uint16_t queue);
int ivshmem_rx_intr_disable(struct rte_eth_dev *dev, uint16_t queue);
/** @} */

/** With each heartbeat: wake queues that sleep although packets are there. */
void ivshmem_intr_watch(struct rte_eth_dev *dev);

/**
 * Notify a peer, by the ID and the vector that it has published. It does not wait.
 *
 * @return
 *   Whether there is such a doorbell, as far as this side knows.
 */
bool ivshmem_intr_notify(const struct ivshmem_port *port, uint16_t peer_id, uint16_t vector);

#endif /* IVSHMEM_INTR_H */
