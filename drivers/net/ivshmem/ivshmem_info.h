/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef IVSHMEM_INFO_H
#define IVSHMEM_INFO_H

#include <ethdev_driver.h>

/**
 * @file
 * What queues say of themselves; for struct eth_dev_ops.
 */

/** A queue's ring has as many descriptors as lines, whatever was asked for, up to 65535. @{ */
void ivshmem_rxq_info(struct rte_eth_dev *dev, uint16_t queue, struct rte_eth_rxq_info *info);
void ivshmem_txq_info(struct rte_eth_dev *dev, uint16_t queue, struct rte_eth_txq_info *info);
/** @} */

/** The set of instructions, and of a transmit queue over memory of this host its stores. @{ */
int ivshmem_rx_burst_mode(struct rte_eth_dev *dev, uint16_t queue, struct rte_eth_burst_mode *mode);
int ivshmem_tx_burst_mode(struct rte_eth_dev *dev, uint16_t queue, struct rte_eth_burst_mode *mode);
/** @} */

/**
 * The word that changes when a packet comes: the header of the next line.
 *
 * @return
 *   0; -ENOTSUP where there is no such word that a CPU can wait for: memory of a device, several
 *   rings; -EAGAIN while there is no link.
 */
int ivshmem_monitor_addr(void *queue, struct rte_power_monitor_cond *condition);

/** Nothing is to be freed: frames are copied, and no mbuf is kept after its burst. */
int ivshmem_tx_done_cleanup(void *queue, uint32_t free_cnt);

#endif /* IVSHMEM_INFO_H */
