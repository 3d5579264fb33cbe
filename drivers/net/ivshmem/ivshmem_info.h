/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef IVSHMEM_INFO_H
#define IVSHMEM_INFO_H

#include <ethdev_driver.h>

/**
 * @file
 * Information about queues; for struct eth_dev_ops.
 */

/** A queue has as many descriptors as lines, regardless of the request, up to 65535. @{ */
void ivshmem_rxq_info(struct rte_eth_dev *dev, uint16_t queue, struct rte_eth_rxq_info *info);
void ivshmem_txq_info(struct rte_eth_dev *dev, uint16_t queue, struct rte_eth_txq_info *info);
/** @} */

/** The instruction set, and the stores of a transmit queue over memory of this host. @{ */
int ivshmem_rx_burst_mode(struct rte_eth_dev *dev, uint16_t queue, struct rte_eth_burst_mode *mode);
int ivshmem_tx_burst_mode(struct rte_eth_dev *dev, uint16_t queue, struct rte_eth_burst_mode *mode);
/** @} */

/**
 * The word that changes when a packet arrives: the header of the next line.
 *
 * @return
 *   0; -ENOTSUP if there is no such word that a CPU can wait for (memory of a device, several
 *   rings); -EAGAIN while there is no link.
 */
int ivshmem_monitor_addr(void *queue, struct rte_power_monitor_cond *condition);

/** Nothing to free: frames are copied, and no mbuf is kept after its burst. */
int ivshmem_tx_done_cleanup(void *queue, uint32_t free_cnt);

#endif /* IVSHMEM_INFO_H */
