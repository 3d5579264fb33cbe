/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <string.h>

#include <ethdev_driver.h>
#include <rte_atomic.h>
#include <rte_common.h>
#include <rte_ethdev.h>
#include <rte_string_fns.h>
#include <rte_wcio.h>

#include "ivshmem_ethdev.h"
#include "ivshmem_log.h"

RTE_LOG_REGISTER_DEFAULT(ivshmem_logtype, NOTICE);

/* What reading a longest packet writes into an mbuf after its headroom: whole lines */
#define RX_DATA_ROOM \
	(RTE_ALIGN_CEIL(IVSHMEM_MAX_FRAME + sizeof(struct ivshmem_packet), IVSHMEM_LINE))

struct xstat {
	const char *name;
	size_t offset;		/* in struct ivshmem_port */
};

static const struct xstat xstats[] = {
	{ "rx_bad_packets", offsetof(struct ivshmem_port, rxq.bad_packets) },
	{ "rx_bad_indexes", offsetof(struct ivshmem_port, rxq.bad_indexes) },
	{ "rx_link_reads", offsetof(struct ivshmem_port, rxq.link_reads) },
	{ "tx_bad_frames", offsetof(struct ivshmem_port, txq.bad_frames) },
	{ "tx_bad_indexes", offsetof(struct ivshmem_port, txq.bad_indexes) },
	{ "tx_link_reads", offsetof(struct ivshmem_port, txq.link_reads) },
};

static struct ivshmem_port *
get_port(const struct rte_eth_dev *dev)
{
	return dev->data->dev_private;
}

static void
set_state(struct ivshmem_port *port, uint32_t state)
{
	rte_io_wmb();
	port->region.control->state[port->role].value = rte_cpu_to_le_32(state);
}

static int
link_update(struct rte_eth_dev *dev, int wait_to_complete __rte_unused)
{
	struct ivshmem_port *port = get_port(dev);
	uint32_t peer = rte_le_to_cpu_32(port->region.control->state[!port->role].value);
	struct rte_eth_link link = {
		/* Memory has no line rate; this is what keeps applications content. */
		.link_speed = RTE_ETH_SPEED_NUM_10G,
		.link_duplex = RTE_ETH_LINK_FULL_DUPLEX,
		.link_autoneg = RTE_ETH_LINK_FIXED,
		.link_status = dev->data->dev_started && peer == IVSHMEM_STATE_UP ?
			RTE_ETH_LINK_UP : RTE_ETH_LINK_DOWN,
	};

	return rte_eth_linkstatus_set(dev, &link);
}

static int
configure(struct rte_eth_dev *dev __rte_unused)
{
	return 0;
}

static int
start(struct rte_eth_dev *dev)
{
	struct ivshmem_port *port = get_port(dev);

	ivshmem_rx_attach(&port->rxq);
	ivshmem_tx_attach(&port->txq);
	set_state(port, IVSHMEM_STATE_UP);
	dev->data->rx_queue_state[0] = RTE_ETH_QUEUE_STATE_STARTED;
	dev->data->tx_queue_state[0] = RTE_ETH_QUEUE_STATE_STARTED;
	return 0;
}

static int
stop(struct rte_eth_dev *dev)
{
	set_state(get_port(dev), IVSHMEM_STATE_DOWN);
	dev->data->rx_queue_state[0] = RTE_ETH_QUEUE_STATE_STOPPED;
	dev->data->tx_queue_state[0] = RTE_ETH_QUEUE_STATE_STOPPED;
	return 0;
}

int
ivshmem_ethdev_close(struct rte_eth_dev *dev)
{
	struct ivshmem_port *port = get_port(dev);

	set_state(port, IVSHMEM_STATE_DOWN);
	port->unmap(dev);
	/* It lies in the private data, not on the heap. */
	dev->data->mac_addrs = NULL;
	return 0;
}

static int
get_info(struct rte_eth_dev *dev __rte_unused, struct rte_eth_dev_info *info)
{
	info->max_mac_addrs = 1;
	info->max_rx_queues = 1;
	info->max_tx_queues = 1;
	info->min_rx_bufsize = RX_DATA_ROOM;
	info->max_rx_pktlen = IVSHMEM_MAX_FRAME + RTE_ETHER_CRC_LEN;
	info->max_mtu = RTE_ETHER_MTU;
	info->min_mtu = RTE_ETHER_MIN_MTU;
	info->tx_desc_lim.nb_seg_max = 1;
	info->tx_desc_lim.nb_mtu_seg_max = 1;
	return 0;
}

static int
rx_queue_setup(struct rte_eth_dev *dev, uint16_t queue, uint16_t nb_desc __rte_unused,
		unsigned int socket __rte_unused, const struct rte_eth_rxconf *conf __rte_unused,
		struct rte_mempool *pool)
{
	struct ivshmem_port *port = get_port(dev);

	/* A packet's header is read to there. That the rest fits, min_rx_bufsize sees to. */
	RTE_BUILD_BUG_ON(sizeof(struct ivshmem_packet) > RTE_PKTMBUF_HEADROOM);
	port->rxq.pool = pool;
	port->rxq.port_id = dev->data->port_id;
	dev->data->rx_queues[queue] = &port->rxq;
	return 0;
}

static int
tx_queue_setup(struct rte_eth_dev *dev, uint16_t queue, uint16_t nb_desc __rte_unused,
		unsigned int socket __rte_unused, const struct rte_eth_txconf *conf __rte_unused)
{
	dev->data->tx_queues[queue] = &get_port(dev)->txq;
	return 0;
}

static int
get_stats(struct rte_eth_dev *dev, struct rte_eth_stats *stats)
{
	const struct ivshmem_port *port = get_port(dev);

	stats->ipackets = port->rxq.packets;
	stats->ibytes = port->rxq.bytes;
	stats->ierrors = port->rxq.bad_packets + port->rxq.bad_indexes;
	stats->rx_nombuf = port->rxq.no_mbuf;
	stats->opackets = port->txq.packets;
	stats->obytes = port->txq.bytes;
	stats->oerrors = port->txq.bad_frames + port->txq.bad_indexes;
	stats->q_ipackets[0] = stats->ipackets;
	stats->q_ibytes[0] = stats->ibytes;
	stats->q_opackets[0] = stats->opackets;
	stats->q_obytes[0] = stats->obytes;
	return 0;
}

static int
reset_stats(struct rte_eth_dev *dev)
{
	struct ivshmem_port *port = get_port(dev);
	unsigned int i;

	port->rxq.packets = 0;
	port->rxq.bytes = 0;
	port->rxq.no_mbuf = 0;
	port->txq.packets = 0;
	port->txq.bytes = 0;
	for (i = 0; i < RTE_DIM(xstats); i++)
		*(uint64_t *)RTE_PTR_ADD(port, xstats[i].offset) = 0;
	return 0;
}

static int
get_xstats(struct rte_eth_dev *dev, struct rte_eth_xstat *values, unsigned int n)
{
	unsigned int i;

	if (values == NULL || n < RTE_DIM(xstats))
		return RTE_DIM(xstats);
	for (i = 0; i < RTE_DIM(xstats); i++) {
		values[i].id = i;
		values[i].value = *(const uint64_t *)RTE_PTR_ADD(get_port(dev), xstats[i].offset);
	}
	return RTE_DIM(xstats);
}

static int
get_xstats_names(struct rte_eth_dev *dev __rte_unused, struct rte_eth_xstat_name *names,
		unsigned int n)
{
	unsigned int i;

	if (names == NULL || n < RTE_DIM(xstats))
		return RTE_DIM(xstats);
	for (i = 0; i < RTE_DIM(xstats); i++)
		strlcpy(names[i].name, xstats[i].name, sizeof(names[i].name));
	return RTE_DIM(xstats);
}

/* Every frame is for the one peer: there is nothing to filter. */
static int
promiscuous(struct rte_eth_dev *dev __rte_unused)
{
	return 0;
}

static const struct eth_dev_ops ops = {
	.dev_configure = configure,
	.dev_start = start,
	.dev_stop = stop,
	.dev_close = ivshmem_ethdev_close,
	.dev_infos_get = get_info,
	.link_update = link_update,
	.promiscuous_enable = promiscuous,
	.promiscuous_disable = promiscuous,
	.rx_queue_setup = rx_queue_setup,
	.tx_queue_setup = tx_queue_setup,
	.stats_get = get_stats,
	.stats_reset = reset_stats,
	.xstats_get = get_xstats,
	.xstats_get_names = get_xstats_names,
	.xstats_reset = reset_stats,
};

static void
init_queues(struct ivshmem_port *port)
{
	const struct ivshmem_region *region = &port->region;
	/* A ring carries from its producer: [0] from the server, [1] from the client. */
	const unsigned int tx = port->role, rx = !port->role;

	port->txq.slots = port->slots + (region->slots[tx] - IVSHMEM_CONTROL_SIZE);
	port->txq.control = &region->control->rings[tx];
	port->txq.mask = region->ring_lines - 1;
	port->txq.copy = rte_wcio_copy_func(rte_wcio_variant());

	port->rxq.slots = port->slots + (region->slots[rx] - IVSHMEM_CONTROL_SIZE);
	port->rxq.control = &region->control->rings[rx];
	port->rxq.mask = region->ring_lines - 1;
	/*
	 * Often enough that a producer with a full ring always has room for a longest packet,
	 * seldom enough that it costs nothing.
	 */
	port->rxq.batch = region->ring_lines / 4;
}

int
ivshmem_ethdev_init(struct rte_eth_dev *eth_dev)
{
	struct ivshmem_port *port = get_port(eth_dev);

	init_queues(port);
	set_state(port, IVSHMEM_STATE_DOWN);
	eth_dev->dev_ops = &ops;
	eth_dev->rx_pkt_burst = ivshmem_rx_burst;
	eth_dev->tx_pkt_burst = ivshmem_tx_burst;
	eth_dev->data->mac_addrs = &port->mac;
	eth_dev->data->dev_flags |= RTE_ETH_DEV_AUTOFILL_QUEUE_XSTATS;
	eth_dev->data->promiscuous = 1;
	return 0;
}
