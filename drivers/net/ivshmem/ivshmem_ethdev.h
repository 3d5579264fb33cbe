/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef IVSHMEM_ETHDEV_H
#define IVSHMEM_ETHDEV_H

#include <stdbool.h>
#include <stdint.h>

#include <ethdev_driver.h>
#include <rte_ether.h>
#include <rte_mempool.h>
#include <rte_wcio.h>

#include "ivshmem_region.h"

/** Receiving end of a ring. Indexes count lines and wrap at 2^32. */
struct ivshmem_rxq {
	const uint8_t *slots;
	volatile struct ivshmem_ring_control *control;
	uint32_t mask;
	uint32_t consumed;	/**< Read so far. */
	uint32_t published;	/**< What the producer was told of consumed. */
	uint32_t produced;	/**< What the producer has told. */
	uint32_t batch;		/**< Lines after which it is told again. */
	uint16_t port_id;
	struct rte_mempool *pool;

	uint64_t packets;
	uint64_t bytes;
	uint64_t no_mbuf;
	uint64_t bad_packets;	/**< Length or line number that cannot be. */
	uint64_t bad_indexes;	/**< Produced count that cannot be. */
	uint64_t link_reads;	/**< Reads of the control area: each crosses the link. */
} __rte_cache_aligned;

/** Sending end of a ring. */
struct ivshmem_txq {
	uint8_t *slots;
	volatile struct ivshmem_ring_control *control;
	rte_wcio_copy_t copy;
	uint32_t mask;
	uint32_t produced;
	uint32_t consumed;	/**< What the consumer has told. */

	uint64_t packets;
	uint64_t bytes;
	uint64_t bad_frames;	/**< Too long or in several segments. */
	uint64_t bad_indexes;	/**< Consumed count that cannot be. */
	uint64_t link_reads;
} __rte_cache_aligned;

struct ivshmem_port {
	struct ivshmem_region region;
	enum ivshmem_role role;
	struct rte_ether_addr mac;
	uint8_t *slots;		/**< Where offset IVSHMEM_CONTROL_SIZE of the region is mapped. */
	void (*unmap)(struct rte_eth_dev *dev);	/**< Undo what the probe mapped. */
	struct ivshmem_rxq rxq;
	struct ivshmem_txq txq;
	char name[RTE_DEV_NAME_MAX_LEN];
};

/**
 * Set up a port over a region that has been opened. Called by both probes.
 *
 * @return
 *   0 or a negative errno.
 */
int ivshmem_ethdev_init(struct rte_eth_dev *eth_dev);

/** Tell the peer, and undo what the probe has done. */
int ivshmem_ethdev_close(struct rte_eth_dev *eth_dev);

/** Start where the ring left off: Rx drops what has not been received, Tx leaves it to the peer. */
void ivshmem_rx_attach(struct ivshmem_rxq *rxq);
void ivshmem_tx_attach(struct ivshmem_txq *txq);

uint16_t ivshmem_rx_burst(void *queue, struct rte_mbuf **pkts, uint16_t nb_pkts);
uint16_t ivshmem_tx_burst(void *queue, struct rte_mbuf **pkts, uint16_t nb_pkts);

#endif /* IVSHMEM_ETHDEV_H */
