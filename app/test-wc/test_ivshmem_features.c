/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * Each line of doc/guides/nics/features/ivshmem.ini that a port of this process can show: the cases
 * have the names of the features. tests/ivshmem/test_ivshmem_features.py compares the two.
 */

#include <fcntl.h>
#include <unistd.h>

#include <rte_bus_vdev.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_power_intrinsics.h>

#include "ivshmem_port.h"
#include "test.h"
#include "test_frame.h"
#include "test_port.h"

#define PATIENCE_S 60
#define LINES 256
#define QUEUES 2
#define NB_MBUFS 1023

static const char * const names[2] = { "net_ivshmem_features0", "net_ivshmem_features1" };

static char path[64];
static uint16_t ports[2];
static struct rte_mempool *pool;

static int
set_up(void)
{
	snprintf(path, sizeof(path), "/dev/shm/test-features-%d", getpid());
	pool = rte_pktmbuf_pool_create("features", NB_MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
		SOCKET_ID_ANY);
	return pool == NULL ? -1 : 0;
}

static void
plug_out(void)
{
	rte_vdev_uninit(names[0]);
	rte_vdev_uninit(names[1]);
}

static void
tear_down(void)
{
	plug_out();
	rte_mempool_free(pool);
	unlink(path);
}

static int
start(unsigned int role, uint16_t nb_queues, const struct rte_eth_conf *conf)
{
	uint16_t n;

	CHECK(rte_eth_dev_configure(ports[role], nb_queues, nb_queues, conf) == 0);
	for (n = 0; n < nb_queues; n++) {
		CHECK(rte_eth_rx_queue_setup(ports[role], n, 0, SOCKET_ID_ANY, NULL, pool) == 0);
		CHECK(rte_eth_tx_queue_setup(ports[role], n, 0, SOCKET_ID_ANY, NULL) == 0);
	}
	return rte_eth_dev_start(ports[role]);
}

/* Both ports, started; the link is up after a few looks. */
static int
plug_in(uint16_t nb_queues, const struct rte_eth_conf *conf, const char *stores)
{
	char args[192];
	unsigned int n;
	int fd;

	plug_out();
	unlink(path);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	CHECK(fd >= 0);
	CHECK(ftruncate(fd, ivshmem_region_size(QUEUES, LINES)) == 0);
	close(fd);
	for (n = 0; n < 2; n++) {
		snprintf(args, sizeof(args), "path=%s,stores=%s,%s", path, stores,
			n == 0 ? "role=server,lines=256,queues=2" : "role=client");
		CHECK(rte_vdev_init(names[n], args) == 0);
		CHECK(rte_eth_dev_get_port_by_name(names[n], &ports[n]) == 0);
		CHECK(start(n, nb_queues, conf) == 0);
	}
	return 0;
}

static int
make_link(uint16_t nb_queues, const struct rte_eth_conf *conf)
{
	CHECK(plug_in(nb_queues, conf, "cached") == 0);
	return test_port_bring_up(ports);
}

static int
send_frame(uint16_t queue, uint32_t len)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);

	CHECK(mbuf != NULL);
	test_frame_fill(rte_pktmbuf_mtod(mbuf, uint8_t *), len, len);
	mbuf->data_len = mbuf->pkt_len = len;
	CHECK(rte_eth_tx_burst(ports[0], queue, &mbuf, 1) == 1);
	return 0;
}

static int
receive_frame(uint16_t queue, uint32_t len)
{
	struct rte_mbuf *mbuf;
	bool same;

	CHECK(rte_eth_rx_burst(ports[1], queue, &mbuf, 1) == 1);
	same = mbuf->pkt_len == len &&
		test_frame_check(rte_pktmbuf_mtod(mbuf, uint8_t *), len, len);
	rte_pktmbuf_free(mbuf);
	CHECK(same);
	return 0;
}

static const struct rte_eth_conf plain = { .rxmode.mtu = RTE_ETHER_MTU };

static int
test_link_status(void)
{
	struct rte_eth_link link;

	CHECK(plug_in(1, &plain, "auto") == 0);
	CHECK(test_port_bring_up(ports) == 0);
	CHECK(rte_eth_dev_stop(ports[0]) == 0);
	CHECK(rte_eth_link_get_nowait(ports[1], &link) == 0);
	CHECK(link.link_status == RTE_ETH_LINK_DOWN);
	return 0;
}

static unsigned int nb_events;

static int
count_event(uint16_t port, enum rte_eth_event_type type, void *arg, void *ret)
{
	RTE_SET_USED(arg);
	RTE_SET_USED(ret);
	if (port == ports[1] && type == RTE_ETH_EVENT_INTR_LSC)
		rte_atomic_fetch_add_explicit(&nb_events, 1, rte_memory_order_relaxed);
	return 0;
}

static bool
events_become(unsigned int nb)
{
	const uint64_t deadline = rte_get_timer_cycles() + PATIENCE_S * rte_get_timer_hz();

	while (rte_atomic_load_explicit(&nb_events, rte_memory_order_relaxed) != nb) {
		if (rte_get_timer_cycles() > deadline)
			return false;
		rte_delay_us_sleep(1000);
	}
	return true;
}

static int
test_link_status_event(void)
{
	const struct rte_eth_conf conf = { .rxmode.mtu = RTE_ETHER_MTU, .intr_conf.lsc = 1 };
	struct rte_eth_link link;

	CHECK(rte_eth_dev_callback_register(RTE_ETH_ALL, RTE_ETH_EVENT_INTR_LSC, count_event,
		NULL) == 0);
	nb_events = 0;
	CHECK(plug_in(1, &conf, "auto") == 0);
	/* With this, ethdev does not ask the driver: it is the heartbeat that sees the peer. */
	CHECK(test_port_link_up(ports[0]) == 0 && test_port_link_up(ports[1]) == 0);
	CHECK(events_become(1));
	CHECK(rte_eth_dev_stop(ports[0]) == 0);
	CHECK(events_become(2));
	CHECK(rte_eth_link_get_nowait(ports[1], &link) == 0);
	CHECK(link.link_status == RTE_ETH_LINK_DOWN);
	rte_eth_dev_callback_unregister(RTE_ETH_ALL, RTE_ETH_EVENT_INTR_LSC, count_event, NULL);
	return 0;
}

static int
test_fast_mbuf_free(void)
{
	const struct rte_eth_conf conf = {
		.rxmode.mtu = RTE_ETHER_MTU,
		.txmode.offloads = RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE,
	};
	struct rte_eth_dev_info info;
	unsigned int before;

	CHECK(make_link(1, &conf) == 0);
	before = rte_mempool_avail_count(pool);
	CHECK(rte_eth_dev_info_get(ports[0], &info) == 0);
	CHECK((info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE) != 0);
	CHECK(send_frame(0, 100) == 0);
	CHECK(rte_mempool_avail_count(pool) == before);
	return receive_frame(0, 100);
}

/* None is kept, so that none is there to free. */
static int
test_free_tx_mbuf(void)
{
	unsigned int before;

	CHECK(make_link(1, &plain) == 0);
	before = rte_mempool_avail_count(pool);
	CHECK(send_frame(0, 100) == 0);
	CHECK(rte_mempool_avail_count(pool) == before);
	CHECK(rte_eth_tx_done_cleanup(ports[0], 0, 0) == 0);
	return receive_frame(0, 100);
}

/* Also what the queue itself says. */
static int
test_burst_mode(void)
{
	static const char * const stores[2] = { "cached", "streaming" };
	struct rte_eth_burst_mode mode;
	struct rte_eth_rxq_info rxq;
	struct rte_eth_txq_info txq;
	char expected[64];
	unsigned int n;

	for (n = 0; n < 2; n++) {
		CHECK(plug_in(1, &plain, stores[n]) == 0 && test_port_bring_up(ports) == 0);
		CHECK(rte_eth_rx_burst_mode_get(ports[0], 0, &mode) == 0);
		CHECK(mode.info[0] != '\0' && strlen(mode.info) < 16);
		snprintf(expected, sizeof(expected), "%s, %u of 1 rings by streaming stores",
			mode.info, n);
		CHECK(rte_eth_tx_burst_mode_get(ports[0], 0, &mode) == 0);
		CHECK(strcmp(mode.info, expected) == 0);
	}
	CHECK(rte_eth_rx_queue_info_get(ports[0], 0, &rxq) == 0);
	CHECK(rxq.mp == pool && rxq.nb_desc == LINES && rxq.scattered_rx == 0);
	CHECK(rte_eth_tx_queue_info_get(ports[0], 0, &txq) == 0);
	CHECK(txq.nb_desc == LINES);
	return 0;
}

static uint64_t
value_at(const struct rte_power_monitor_cond *condition)
{
	return *(volatile uint32_t *)condition->addr;
}

static int
test_monitor(void)
{
	struct rte_power_monitor_cond condition;
	unsigned int n;

	CHECK(make_link(1, &plain) == 0);
	/* The word changes with each packet, over the end of the ring too. */
	for (n = 0; n < 2 * LINES; n++) {
		CHECK(rte_eth_get_monitor_addr(ports[1], 0, &condition) == 0);
		CHECK(condition.size == sizeof(uint32_t));
		CHECK(condition.fn(value_at(&condition), condition.opaque) == 0);
		CHECK(send_frame(0, 60 + n % 100) == 0);
		CHECK(condition.fn(value_at(&condition), condition.opaque) == -1);
		CHECK(receive_frame(0, 60 + n % 100) == 0);
	}
	/* One queue over two rings has no such word. */
	CHECK(rte_eth_dev_stop(ports[0]) == 0 && start(0, 2, &plain) == 0);
	CHECK(test_port_bring_up(ports) == 0);
	CHECK(rte_eth_get_monitor_addr(ports[1], 0, &condition) == -ENOTSUP);
	return 0;
}

static int
test_mtu_update(void)
{
	struct rte_eth_stats stats;
	struct rte_mbuf *mbuf;

	CHECK(make_link(1, &plain) == 0);
	CHECK(rte_eth_dev_set_mtu(ports[1], 500) == 0);
	CHECK(send_frame(0, 1000) == 0);
	CHECK(rte_eth_rx_burst(ports[1], 0, &mbuf, 1) == 0);
	CHECK(rte_eth_stats_get(ports[1], &stats) == 0 && stats.ierrors == 1);
	CHECK(rte_eth_dev_set_mtu(ports[1], 1000) == 0);
	CHECK(send_frame(0, 1000) == 0);
	return receive_frame(0, 1000);
}

static int
test_scattered_rx(void)
{
	const struct rte_eth_conf conf = {
		.rxmode = { .mtu = 9216, .offloads = RTE_ETH_RX_OFFLOAD_SCATTER },
	};
	static uint8_t frame[9000];
	struct rte_mbuf *mbuf, *part;
	uint32_t left;

	CHECK(make_link(1, &conf) == 0);
	mbuf = rte_pktmbuf_alloc(pool);
	CHECK(mbuf != NULL);
	for (left = sizeof(frame), part = NULL; left != 0; left -= RTE_MIN(left, 2000U)) {
		part = part == NULL ? mbuf : rte_pktmbuf_alloc(pool);
		CHECK(part != NULL);
		part->data_len = part->pkt_len = RTE_MIN(left, 2000U);
		memset(rte_pktmbuf_mtod(part, void *), left / 100, part->data_len);
		CHECK(part == mbuf || rte_pktmbuf_chain(mbuf, part) == 0);
	}
	CHECK(rte_eth_tx_burst(ports[0], 0, &mbuf, 1) == 1);
	CHECK(rte_eth_rx_burst(ports[1], 0, &mbuf, 1) == 1);
	CHECK(mbuf->pkt_len == sizeof(frame) && mbuf->nb_segs > 1);
	CHECK(*(const uint8_t *)rte_pktmbuf_read(mbuf, 8500, 1, frame) == 10);
	rte_pktmbuf_free(mbuf);
	return 0;
}

static int
test_basic_stats(void)
{
	struct rte_eth_stats stats;

	CHECK(make_link(1, &plain) == 0);
	CHECK(send_frame(0, 100) == 0 && receive_frame(0, 100) == 0);
	CHECK(rte_eth_stats_get(ports[0], &stats) == 0);
	CHECK(stats.opackets == 1 && stats.obytes == 100);
	CHECK(rte_eth_stats_get(ports[1], &stats) == 0);
	CHECK(stats.ipackets == 1 && stats.ibytes == 100);
	CHECK(rte_eth_stats_reset(ports[1]) == 0);
	CHECK(rte_eth_stats_get(ports[1], &stats) == 0);
	CHECK(stats.ipackets == 0 && stats.ibytes == 0);
	return 0;
}

static int
test_extended_stats(void)
{
	uint64_t id, value;

	CHECK(make_link(1, &plain) == 0);
	CHECK(send_frame(0, 100) == 0 && receive_frame(0, 100) == 0);
	CHECK(rte_eth_xstats_get_id_by_name(ports[0], "tx_bursts", &id) == 0);
	CHECK(rte_eth_xstats_get_by_id(ports[0], &id, &value, 1) == 1 && value == 1);
	CHECK(rte_eth_xstats_reset(ports[0]) == 0);
	CHECK(rte_eth_xstats_get_by_id(ports[0], &id, &value, 1) == 1 && value == 0);
	return 0;
}

static int
test_stats_per_queue(void)
{
	CHECK(make_link(2, &plain) == 0);
	CHECK(send_frame(1, 100) == 0 && receive_frame(1, 100) == 0);
	CHECK(test_port_xstat(ports[0], "tx_q0_packets") == 0 &&
		test_port_xstat(ports[0], "tx_q1_packets") == 1);
	CHECK(test_port_xstat(ports[0], "tx_q1_bytes") == 100);
	CHECK(test_port_xstat(ports[1], "rx_q0_packets") == 0 &&
		test_port_xstat(ports[1], "rx_q1_packets") == 1);
	CHECK(test_port_xstat(ports[1], "rx_q1_bytes") == 100);
	return 0;
}

/* Not listed: all is delivered, and nobody is told something else. */
static int
test_nothing_is_filtered(void)
{
	CHECK(make_link(1, &plain) == 0);
	CHECK(rte_eth_promiscuous_get(ports[1]) == 1 && rte_eth_allmulticast_get(ports[1]) == 1);
	CHECK(rte_eth_promiscuous_enable(ports[1]) == 0);
	CHECK(rte_eth_allmulticast_enable(ports[1]) == 0);
	CHECK(rte_eth_promiscuous_disable(ports[1]) == -ENOTSUP);
	CHECK(rte_eth_allmulticast_disable(ports[1]) == -ENOTSUP);
	CHECK(rte_eth_promiscuous_get(ports[1]) == 1 && rte_eth_allmulticast_get(ports[1]) == 1);
	return 0;
}

static const struct test_case cases[] = {
	{ "Link status", test_link_status },
	{ "Link status event", test_link_status_event },
	{ "Fast mbuf free", test_fast_mbuf_free },
	{ "Free Tx mbuf on demand", test_free_tx_mbuf },
	{ "Burst mode info", test_burst_mode },
	{ "Power mgmt address monitor", test_monitor },
	{ "MTU update", test_mtu_update },
	{ "Scattered Rx", test_scattered_rx },
	{ "Basic stats", test_basic_stats },
	{ "Extended stats", test_extended_stats },
	{ "Stats per queue", test_stats_per_queue },
	{ "not listed: nothing is filtered", test_nothing_is_filtered },
	{ 0 }
};

const struct test_suite ivshmem_features_suite = {
	.name = "ivshmem-features",
	.setup = set_up,
	.teardown = tear_down,
	.cases = cases,
};
