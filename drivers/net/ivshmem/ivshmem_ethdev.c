/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <string.h>

#include <ethdev_driver.h>
#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_string_fns.h>
#include <rte_vect.h>
#include <rte_wcio.h>

#include "eal_wc_compat.h"
#include "ivshmem_ethdev.h"
#include "ivshmem_info.h"
#include "ivshmem_intr.h"
#include "ivshmem_link.h"
#include "ivshmem_log.h"
#include "ivshmem_rxtx.h"

/* Ethernet header and two VLAN tags around what the MTU counts. */
#define OVERHEAD (RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN)
#define MAX_MTU (IVSHMEM_MAX_FRAME - OVERHEAD)

/* Counters of queues, summed up over them */
struct xstat {
	const char *name;
	bool tx;
	size_t offset;		/* in its counters */
};

#define RXQ(field) { "rx_" #field, false, offsetof(struct ivshmem_rx_count, field) }
#define TXQ(field) { "tx_" #field, true, offsetof(struct ivshmem_tx_count, field) }

static const struct xstat xstats[] = {
	RXQ(bad_packets), RXQ(oversized), RXQ(line_reads), RXQ(head_reads), RXQ(credit_writes),
	RXQ(late_wakes), RXQ(lost_mbufs),
	TXQ(bad_frames), TXQ(ring_full), TXQ(bad_credits), TXQ(credit_reads), TXQ(store_changes),
	TXQ(bursts), TXQ(blank_lines), TXQ(atomic_lines), TXQ(armed_reads), TXQ(doorbells),
};

/* Those of the port follow. */
static const char * const port_xstats[] = {
	"resyncs", "peer_restarts", "dead_owners", "tx_streaming_rings", "tx_credit_ns"
};

#define NB_XSTATS (RTE_DIM(xstats) + RTE_DIM(port_xstats))

static int
ivshmem_dev_link_update(struct rte_eth_dev *dev, int wait_to_complete __rte_unused)
{
	if (rte_eal_process_type() == RTE_PROC_PRIMARY)
		ivshmem_link_poll(dev);
	return 0;
}

static int
ivshmem_dev_configure(struct rte_eth_dev *dev)
{
	struct ivshmem_port *port = ivshmem_port_of(dev);

	port->nb_rxq = dev->data->nb_rx_queues;
	port->nb_txq = dev->data->nb_tx_queues;
	return 0;
}

static void
ivshmem_dev_set_max_len(struct ivshmem_port *port, uint16_t mtu)
{
	uint16_t n;

	for (n = 0; n < port->nb_rxq; n++)
		port->rxqs[n].max_len = mtu + OVERHEAD;
}

/* A frame has to fit into one mbuf unless the application takes chains. */
static int
ivshmem_dev_check_mbufs(const struct rte_eth_dev *dev, uint16_t mtu)
{
	const struct ivshmem_port *port = ivshmem_port_of(dev);
	const uint32_t needed = ivshmem_lines(mtu + OVERHEAD);
	uint16_t n;

	if (dev->data->dev_conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_SCATTER)
		return 0;
	for (n = 0; n < port->nb_rxq; n++) {
		if (port->rxqs[n].pool != NULL && port->rxqs[n].seg_lines < needed) {
			IVSHMEM_LOG(ERR, "%s: an MTU of %u needs mbufs with room for %u bytes, those "
				"of queue %u have %u: use larger mbufs or enable scattered receive",
				port->name, mtu, needed * IVSHMEM_LINE, n,
				port->rxqs[n].seg_lines * IVSHMEM_LINE);
			return -EINVAL;
		}
	}
	return 0;
}

static int
ivshmem_dev_set_mtu(struct rte_eth_dev *dev, uint16_t mtu)
{
	int ret;

	ret = ivshmem_dev_check_mbufs(dev, mtu);
	if (ret < 0)
		return ret;
	ivshmem_dev_set_max_len(ivshmem_port_of(dev), mtu);
	return 0;
}

static int
ivshmem_dev_start(struct rte_eth_dev *dev)
{
	struct ivshmem_port *port = ivshmem_port_of(dev);
	uint16_t n;
	int ret;

	ret = ivshmem_dev_set_mtu(dev, dev->data->mtu);
	if (ret < 0)
		return ret;
	ret = ivshmem_intr_start(dev);
	if (ret < 0)
		return ret;
	dev->data->scattered_rx =
		(dev->data->dev_conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_SCATTER) != 0;
	for (n = 0; n < port->nb_rxq; n++)
		dev->data->rx_queue_state[n] = RTE_ETH_QUEUE_STATE_STARTED;
	for (n = 0; n < port->nb_txq; n++)
		dev->data->tx_queue_state[n] = RTE_ETH_QUEUE_STATE_STARTED;
	ret = ivshmem_link_start(dev);
	if (ret < 0)
		goto stop_intr;
	return 0;

stop_intr:
	ivshmem_intr_stop(dev);
	return ret;
}

static void
ivshmem_dev_empty_stash(struct ivshmem_rxq *rxq)
{
	if (rxq->nb_stash != 0)
		rte_mempool_put_bulk(rxq->pool, (void **)rxq->stash, rxq->nb_stash);
	rxq->nb_stash = 0;
}

static int
ivshmem_dev_stop(struct rte_eth_dev *dev)
{
	struct ivshmem_port *port = ivshmem_port_of(dev);
	uint16_t n;

	ivshmem_link_stop(dev);
	ivshmem_intr_stop(dev);
	for (n = 0; n < port->nb_rxq; n++) {
		ivshmem_dev_empty_stash(&port->rxqs[n]);
		dev->data->rx_queue_state[n] = RTE_ETH_QUEUE_STATE_STOPPED;
	}
	for (n = 0; n < port->nb_txq; n++)
		dev->data->tx_queue_state[n] = RTE_ETH_QUEUE_STATE_STOPPED;
	return 0;
}

int
ivshmem_ethdev_close(struct rte_eth_dev *dev)
{
	const struct ivshmem_probe *probe = dev->process_private;
	struct ivshmem_port *port = ivshmem_port_of(dev);

	/* The port is the primary's. */
	if (rte_eal_process_type() == RTE_PROC_PRIMARY) {
		/* A device that is plugged out, or a process that ends, may not have stopped it. */
		if (port->link.running)
			ivshmem_dev_stop(dev);
		ivshmem_link_destroy(dev);
		/* It lies in the private data, not on the heap. */
		dev->data->mac_addrs = NULL;
	}
	/* To stop may be to find out who is dead: not before that. */
	ivshmem_process_leave();
	probe->unmap(dev);
	return 0;
}

static int
ivshmem_dev_get_info(struct rte_eth_dev *dev, struct rte_eth_dev_info *info)
{
	const struct ivshmem_port *port = ivshmem_port_of(dev);

	info->max_mac_addrs = 1;
	info->max_rx_queues = port->region.rings;
	info->max_tx_queues = port->region.rings;
	/* A line, in the least. */
	info->min_rx_bufsize = IVSHMEM_LINE;
	info->max_rx_pktlen = IVSHMEM_MAX_FRAME + RTE_ETHER_CRC_LEN;
	info->max_mtu = MAX_MTU;
	info->min_mtu = RTE_ETHER_MIN_MTU;
	info->rx_offload_capa = RTE_ETH_RX_OFFLOAD_SCATTER;
	info->tx_offload_capa = RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
	info->tx_queue_offload_capa = RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
	return 0;
}

/* What a new mbuf has in its second 8 bytes. */
static uint64_t
ivshmem_dev_make_rearm(uint16_t port_id)
{
	struct rte_mbuf mbuf = {
		.data_off = RTE_PKTMBUF_HEADROOM,
		.nb_segs = 1,
		.port = port_id,
	};

	rte_mbuf_refcnt_set(&mbuf, 1);
	return *(const uint64_t *)&mbuf.rearm_data;
}

static int
ivshmem_dev_rx_queue_setup(struct rte_eth_dev *dev, uint16_t queue, uint16_t nb_desc __rte_unused,
		unsigned int socket __rte_unused, const struct rte_eth_rxconf *conf __rte_unused,
		struct rte_mempool *pool)
{
	struct ivshmem_rxq *rxq = &ivshmem_port_of(dev)->rxqs[queue];

	/* A packet's header is read to there. */
	RTE_BUILD_BUG_ON(IVSHMEM_HEADER_SIZE > RTE_PKTMBUF_HEADROOM);
	rxq->pool = pool;
	rxq->device = ivshmem_port_of(dev)->device;
	rxq->rearm = ivshmem_dev_make_rearm(dev->data->port_id);
	/* Whole lines: ethdev has seen to it that there is room for one. */
	rxq->seg_lines = (rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM) / IVSHMEM_LINE;
	dev->data->rx_queues[queue] = rxq;
	return 0;
}

static int
ivshmem_dev_tx_queue_setup(struct rte_eth_dev *dev, uint16_t queue, uint16_t nb_desc __rte_unused,
		unsigned int socket __rte_unused, const struct rte_eth_txconf *conf)
{
	struct ivshmem_txq *txq = &ivshmem_port_of(dev)->txqs[queue];
	const uint64_t offloads = conf->offloads | dev->data->dev_conf.txmode.offloads;

	txq->fast_free = (offloads & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE) != 0;
#ifdef RTE_ARCH_X86
	/* Arm's ST64B is not for every device: those that do not take it answer with an abort. */
	txq->atomic = rte_wcio_atomic_available();
#endif
	dev->data->tx_queues[queue] = txq;
	return 0;
}

static void
ivshmem_dev_get_rxq_stats(const struct ivshmem_rxq *rxq, uint16_t n, struct rte_eth_stats *stats,
		struct eth_queue_stats *queues)
{
	const struct ivshmem_rx_count *now = &rxq->count, *reset = &rxq->reset;
	const uint64_t packets = now->packets - reset->packets;
	const uint64_t bytes = now->bytes - reset->bytes;
	const uint64_t errors = now->bad_packets - reset->bad_packets +
		now->oversized - reset->oversized;

	stats->ipackets += packets;
	stats->ibytes += bytes;
	stats->ierrors += errors;
	stats->rx_nombuf += now->no_mbuf - reset->no_mbuf;
	if (queues == NULL || n >= RTE_ETHDEV_QUEUE_STAT_CNTRS)
		return;
	queues->q_ipackets[n] = packets;
	queues->q_ibytes[n] = bytes;
	queues->q_errors[n] = errors;
}

static void
ivshmem_dev_get_txq_stats(const struct ivshmem_txq *txq, uint16_t n, struct rte_eth_stats *stats,
		struct eth_queue_stats *queues)
{
	const struct ivshmem_tx_count *now = &txq->count, *reset = &txq->reset;
	const uint64_t packets = now->packets - reset->packets;
	const uint64_t bytes = now->bytes - reset->bytes;

	stats->opackets += packets;
	stats->obytes += bytes;
	stats->oerrors += now->bad_frames - reset->bad_frames + now->ring_full - reset->ring_full;
	if (queues == NULL || n >= RTE_ETHDEV_QUEUE_STAT_CNTRS)
		return;
	queues->q_opackets[n] = packets;
	queues->q_obytes[n] = bytes;
}

static int
ivshmem_dev_get_stats(struct rte_eth_dev *dev, struct rte_eth_stats *stats,
		struct eth_queue_stats *queues)
{
	const struct ivshmem_port *port = ivshmem_port_of(dev);
	uint16_t n;

	for (n = 0; n < port->nb_rxq; n++)
		ivshmem_dev_get_rxq_stats(&port->rxqs[n], n, stats, queues);
	for (n = 0; n < port->nb_txq; n++)
		ivshmem_dev_get_txq_stats(&port->txqs[n], n, stats, queues);
	return 0;
}
ETH_STATS_GET_DEFINE(ivshmem_dev_get_stats)

static int
ivshmem_dev_reset_stats(struct rte_eth_dev *dev)
{
	struct ivshmem_port *port = ivshmem_port_of(dev);
	uint16_t n;

	for (n = 0; n < IVSHMEM_MAX_RINGS; n++) {
		port->rxqs[n].reset = port->rxqs[n].count;
		port->txqs[n].reset = port->txqs[n].count;
	}
	port->link.reset = port->link.count;
	return 0;
}

static uint64_t
ivshmem_dev_get_queue_xstat(const struct ivshmem_port *port, const struct xstat *xstat,
		uint16_t queue)
{
	const struct ivshmem_rxq *rxq = &port->rxqs[queue];
	const struct ivshmem_txq *txq = &port->txqs[queue];
	const void *now = xstat->tx ? (const void *)&txq->count : &rxq->count;
	const void *reset = xstat->tx ? (const void *)&txq->reset : &rxq->reset;

	return *(const uint64_t *)RTE_PTR_ADD(now, xstat->offset) -
		*(const uint64_t *)RTE_PTR_ADD(reset, xstat->offset);
}

/* Rings in use whose lines are written by streaming stores. */
static uint64_t
ivshmem_dev_streaming_rings(const struct ivshmem_port *port)
{
	uint64_t nb = 0;
	uint32_t n;

	for (n = 0; n < port->link.tx_rings && !port->device; n++)
		nb += port->tx_rings[n].distance.far;
	return nb;
}

/* What the last read of a credit has taken, of the ring where it took longest. */
static uint64_t
ivshmem_dev_credit_ns(const struct ivshmem_port *port)
{
	uint64_t cycles = 0;
	uint32_t n;

	for (n = 0; n < port->link.tx_rings; n++)
		cycles = RTE_MAX(cycles, (uint64_t)port->tx_rings[n].distance.cycles);
	return cycles * NS_PER_S / rte_get_tsc_hz();
}

static int
ivshmem_dev_get_xstats(struct rte_eth_dev *dev, struct rte_eth_xstat *values, unsigned int n)
{
	const struct ivshmem_port *port = ivshmem_port_of(dev);
	const struct ivshmem_link_count *now = &port->link.count, *reset = &port->link.reset;
	const uint64_t of_port[] = {
		now->resyncs - reset->resyncs, now->peer_restarts - reset->peer_restarts,
		now->dead_owners - reset->dead_owners,
		ivshmem_dev_streaming_rings(port), ivshmem_dev_credit_ns(port)
	};
	uint16_t queue;
	unsigned int i;

	RTE_BUILD_BUG_ON(RTE_DIM(of_port) != RTE_DIM(port_xstats));
	if (values == NULL || n < NB_XSTATS)
		return NB_XSTATS;
	for (i = 0; i < NB_XSTATS; i++)
		values[i] = (struct rte_eth_xstat){ .id = i };
	for (i = 0; i < RTE_DIM(xstats); i++) {
		for (queue = 0; queue < IVSHMEM_MAX_RINGS; queue++)
			values[i].value += ivshmem_dev_get_queue_xstat(port, &xstats[i], queue);
	}
	for (i = 0; i < RTE_DIM(of_port); i++)
		values[RTE_DIM(xstats) + i].value = of_port[i];
	return NB_XSTATS;
}

static int
ivshmem_dev_get_xstats_names(struct rte_eth_dev *dev __rte_unused, struct rte_eth_xstat_name *names,
		unsigned int n)
{
	unsigned int i;

	if (names == NULL || n < NB_XSTATS)
		return NB_XSTATS;
	for (i = 0; i < NB_XSTATS; i++)
		strlcpy(names[i].name, i < RTE_DIM(xstats) ? xstats[i].name :
			port_xstats[i - RTE_DIM(xstats)], sizeof(names[i].name));
	return NB_XSTATS;
}

/*
 * Every frame is for the one peer, and all are delivered. That cannot be switched off: there are no
 * functions that would.
 */
static int
ivshmem_dev_accept_all(struct rte_eth_dev *dev __rte_unused)
{
	return 0;
}

static int
ivshmem_dev_set_mac_addr(struct rte_eth_dev *dev __rte_unused,
		struct rte_ether_addr *addr __rte_unused)
{
	return 0;
}

static const struct eth_dev_ops ops = {
	.dev_configure = ivshmem_dev_configure,
	.dev_start = ivshmem_dev_start,
	.dev_stop = ivshmem_dev_stop,
	.dev_close = ivshmem_ethdev_close,
	.dev_infos_get = ivshmem_dev_get_info,
	.link_update = ivshmem_dev_link_update,
	.promiscuous_enable = ivshmem_dev_accept_all,
	.allmulticast_enable = ivshmem_dev_accept_all,
	.mac_addr_set = ivshmem_dev_set_mac_addr,
	.mtu_set = ivshmem_dev_set_mtu,
	.rx_queue_intr_enable = ivshmem_rx_intr_enable,
	.rx_queue_intr_disable = ivshmem_rx_intr_disable,
	.rx_queue_setup = ivshmem_dev_rx_queue_setup,
	.tx_queue_setup = ivshmem_dev_tx_queue_setup,
	.rxq_info_get = ivshmem_rxq_info,
	.txq_info_get = ivshmem_txq_info,
	.rx_burst_mode_get = ivshmem_rx_burst_mode,
	.tx_burst_mode_get = ivshmem_tx_burst_mode,
	.get_monitor_addr = ivshmem_monitor_addr,
	.tx_done_cleanup = ivshmem_tx_done_cleanup,
	.stats_get = ETH_STATS_GET(ivshmem_dev_get_stats),
	.stats_reset = ivshmem_dev_reset_stats,
	.xstats_get = ivshmem_dev_get_xstats,
	.xstats_get_names = ivshmem_dev_get_xstats_names,
	.xstats_reset = ivshmem_dev_reset_stats,
};

/* Of a secondary process: it moves packets and looks at numbers. */

static int
ivshmem_dev_refuse(struct rte_eth_dev *dev)
{
	IVSHMEM_LOG(ERR, "%s: this is a secondary process: only the primary configures, starts and "
		"stops the port", dev->data->name);
	return -ENOTSUP;
}

static const struct eth_dev_ops *
ivshmem_dev_secondary_ops(void)
{
	static struct eth_dev_ops of_secondary;

	of_secondary = ops;
	of_secondary.dev_configure = ivshmem_dev_refuse;
	of_secondary.dev_start = ivshmem_dev_refuse;
	/* ethdev takes the burst functions away before it asks: it is not to ask. */
	of_secondary.dev_stop = NULL;
	of_secondary.mtu_set = NULL;
	of_secondary.rx_queue_setup = NULL;
	of_secondary.tx_queue_setup = NULL;
	/* Eventfds, and the lock of the link, are the primary's. */
	of_secondary.rx_queue_intr_enable = NULL;
	of_secondary.rx_queue_intr_disable = NULL;
	return &of_secondary;
}

/* The widest that this CPU and the application's choice allow. */
static const struct ivshmem_burst *
ivshmem_dev_choose_bursts(bool device)
{
#ifdef RTE_ARCH_X86
	/* The one place that asks the operating system as well. */
	if (rte_wcio_copy_func(RTE_WCIO_AVX2) != NULL &&
			rte_vect_get_max_simd_bitwidth() >= RTE_VECT_SIMD_256)
		return &ivshmem_burst_avx2[device];
#endif
	return &ivshmem_burst_base[device];
}

bool
ivshmem_ethdev_is(const struct rte_eth_dev *eth_dev)
{
	return eth_dev->dev_ops == &ops;
}

int
ivshmem_ethdev_attach(struct rte_eth_dev *eth_dev, const struct ivshmem_probe *probe)
{
	struct ivshmem_port *port = ivshmem_port_of(eth_dev);
	const struct ivshmem_burst *bursts = ivshmem_dev_choose_bursts(port->device);
	int ret;

	eth_dev->dev_ops = rte_eal_process_type() == RTE_PROC_PRIMARY ? &ops :
			ivshmem_dev_secondary_ops();
	/* For reading alone: the process that closes the port is this one. */
	eth_dev->process_private = (void *)(uintptr_t)probe;
	eth_dev->rx_pkt_burst = bursts->rx;
	eth_dev->tx_pkt_burst = bursts->tx;
	ret = ivshmem_link_register(port->name);
	if (ret < 0)
		return ret;
	return ivshmem_process_enter(port->name, &port->process_file);
}

int
ivshmem_ethdev_init(struct rte_eth_dev *eth_dev, const struct ivshmem_probe *probe)
{
	struct ivshmem_port *port = ivshmem_port_of(eth_dev);
	int ret;

	ret = ivshmem_ethdev_attach(eth_dev, probe);
	if (ret < 0)
		return ret;
	ret = ivshmem_link_init(port);
	if (ret < 0) {
		ivshmem_process_leave();
		return ret;
	}
	eth_dev->data->mac_addrs = &port->mac;
	eth_dev->data->dev_flags |= RTE_ETH_DEV_AUTOFILL_QUEUE_XSTATS | RTE_ETH_DEV_INTR_LSC;
	eth_dev->data->promiscuous = 1;
	eth_dev->data->all_multicast = 1;
	return 0;
}
