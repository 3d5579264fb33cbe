/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <stdio.h>

#include <rte_power_intrinsics.h>
#include <rte_string_fns.h>

#include "eal_wc_compat.h"
#include "ivshmem_info.h"
#include "ivshmem_port.h"
#include "ivshmem_rxtx.h"

static uint16_t
ivshmem_info_nb_desc(const struct rte_eth_dev *dev)
{
	return RTE_MIN(ivshmem_port_of(dev)->region.ring_lines, (uint32_t)UINT16_MAX);
}

void
ivshmem_rxq_info(struct rte_eth_dev *dev, uint16_t queue, struct rte_eth_rxq_info *info)
{
	info->mp = ivshmem_port_of(dev)->rxqs[queue].pool;
	info->scattered_rx = dev->data->scattered_rx;
	info->conf.offloads = dev->data->dev_conf.rxmode.offloads;
	info->nb_desc = ivshmem_info_nb_desc(dev);
}

void
ivshmem_txq_info(struct rte_eth_dev *dev, uint16_t queue, struct rte_eth_txq_info *info)
{
	info->conf.offloads = dev->data->dev_conf.txmode.offloads;
	if (ivshmem_port_of(dev)->txqs[queue].fast_free)
		info->conf.offloads |= RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
	info->nb_desc = ivshmem_info_nb_desc(dev);
}

/* Of the set of functions that this process uses */
static const char *
ivshmem_info_instructions(const struct rte_eth_dev *dev)
{
#ifdef RTE_ARCH_X86
	if (dev->rx_pkt_burst == ivshmem_burst_avx2[ivshmem_port_of(dev)->device].rx)
		return "Vector AVX2";
	return "Vector SSE";
#elif defined(RTE_ARCH_ARM64)
	RTE_SET_USED(dev);
	return "Vector Neon";
#else
	RTE_SET_USED(dev);
	return "Scalar";
#endif
}

int
ivshmem_rx_burst_mode(struct rte_eth_dev *dev, uint16_t queue __rte_unused,
		struct rte_eth_burst_mode *mode)
{
	strlcpy(mode->info, ivshmem_info_instructions(dev), sizeof(mode->info));
	return 0;
}

int
ivshmem_tx_burst_mode(struct rte_eth_dev *dev, uint16_t queue, struct rte_eth_burst_mode *mode)
{
	const struct ivshmem_port *port = ivshmem_port_of(dev);
	const struct ivshmem_txq *txq = &port->txqs[queue];
	unsigned int streaming = 0, n;

	if (port->device)
		return ivshmem_rx_burst_mode(dev, queue, mode);
	for (n = 0; n < txq->nb_rings; n++)
		streaming += txq->rings[n * txq->stride].distance.far;
	snprintf(mode->info, sizeof(mode->info), "%s, %u of %u rings by streaming stores",
		ivshmem_info_instructions(dev), streaming, txq->nb_rings);
	/* Each ring has its own receiver. */
	mode->flags |= RTE_ETH_BURST_FLAG_PER_QUEUE;
	return 0;
}

/* Whether the CPU should not go to sleep: there is a packet, or what the next look finds wrong. */
static int
ivshmem_info_has_packet(const uint64_t header, const uint64_t opaque[RTE_POWER_MONITOR_OPAQUE_SZ])
{
	return ivshmem_header_is_there(rte_le_to_cpu_32(header), opaque[0], opaque[1]) ? -1 : 0;
}

int
ivshmem_monitor_addr(void *queue, struct rte_power_monitor_cond *condition)
{
	const struct ivshmem_rxq *rxq = queue;
	const struct ivshmem_rx_ring *ring = rxq->rings;
	uint32_t pos;

	if (rxq->device || rxq->nb_rings > 1)
		return -ENOTSUP;
	if (rxq->nb_rings == 0)
		return -EAGAIN;
	pos = rte_atomic_load_explicit(&ring->pos, rte_memory_order_relaxed);
	*condition = (struct rte_power_monitor_cond){
		.addr = (void *)(uintptr_t)(ring->heads +
			(size_t)(pos & ring->mask) * IVSHMEM_LINE),
		.size = IVSHMEM_HEADER_SIZE,
		.fn = ivshmem_info_has_packet,
		.opaque = { pos, ring->lap_shift },
	};
	return 0;
}

int
ivshmem_tx_done_cleanup(void *queue __rte_unused, uint32_t free_cnt __rte_unused)
{
	return 0;
}
