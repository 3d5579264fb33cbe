/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/* net_ivshmem with several queues, frames in several segments, and long ones. */

#include <fcntl.h>
#include <unistd.h>

#include <rte_bus_vdev.h>
#include <rte_cpuflags.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>
#include <rte_wcio.h>

#include "ivshmem_port.h"
#include "ivshmem_rxtx.h"
#include "test.h"
#include "test_frame.h"
#include "test_port.h"
#include "test_wcio_emulate.h"
#include "wcio_variants.h"

#define LINES 1024
#define QUEUES 4
#define NB_MBUFS 8191
#define SMALL_MBUFS 2047
#define FLOWS 64

static const char * const names[2] = { "net_ivshmem_queues0", "net_ivshmem_queues1" };

static char path[64];
static uint16_t ports[2];
static struct rte_mempool *pool;	/* default mbufs */
static struct rte_mempool *small_pool;	/* with room for two lines */

static int
set_up(void)
{
	snprintf(path, sizeof(path), "/dev/shm/test-wc-queues-%d", getpid());
	pool = rte_pktmbuf_pool_create("queues", NB_MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
		SOCKET_ID_ANY);
	small_pool = rte_pktmbuf_pool_create("queues-small", SMALL_MBUFS, 0, 0,
		RTE_PKTMBUF_HEADROOM + 2 * IVSHMEM_LINE + 7, SOCKET_ID_ANY);
	return pool == NULL || small_pool == NULL ? -1 : 0;
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
	rte_mempool_free(small_pool);
	unlink(path);
}

/* Both ports over a blank file, not configured. */
static int
plug_in(void)
{
	char args[160];
	unsigned int n;
	int fd;

	plug_out();
	unlink(path);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	CHECK(fd >= 0);
	CHECK(ftruncate(fd, ivshmem_region_size(QUEUES, LINES)) == 0);
	close(fd);
	for (n = 0; n < 2; n++) {
		snprintf(args, sizeof(args), "path=%s,%s", path,
			n == 0 ? "role=server,lines=1024,queues=4" : "role=client");
		CHECK(rte_vdev_init(names[n], args) == 0);
		CHECK(rte_eth_dev_get_port_by_name(names[n], &ports[n]) == 0);
	}
	return 0;
}

struct setting {
	uint16_t nb_rxq;
	uint16_t nb_txq;
	uint16_t mtu;
	uint64_t rx_offloads;
	struct rte_mempool *pool;
};

static int
start(unsigned int role, const struct setting *setting)
{
	struct rte_eth_conf conf = {
		.rxmode.mtu = setting->mtu,
		.rxmode.offloads = setting->rx_offloads,
	};
	uint16_t n;

	CHECK(rte_eth_dev_configure(ports[role], setting->nb_rxq, setting->nb_txq, &conf) == 0);
	for (n = 0; n < setting->nb_rxq; n++)
		CHECK(rte_eth_rx_queue_setup(ports[role], n, 0, SOCKET_ID_ANY, NULL,
			setting->pool) == 0);
	for (n = 0; n < setting->nb_txq; n++)
		CHECK(rte_eth_tx_queue_setup(ports[role], n, 0, SOCKET_ID_ANY, NULL) == 0);
	return rte_eth_dev_start(ports[role]);
}

static int
make_link(const struct setting *server, const struct setting *client)
{
	CHECK(plug_in() == 0);
	CHECK(start(0, server) == 0 && start(1, client) == 0);
	return test_port_bring_up(ports);
}

static uint64_t
stash_of(unsigned int role)
{
	const struct ivshmem_port *port = rte_eth_devices[ports[role]].data->dev_private;
	uint64_t nb = 0;
	unsigned int n;

	for (n = 0; n < QUEUES; n++)
		nb += port->rxqs[n].nb_stash;
	return nb;
}

static bool
nothing_leaked(void)
{
	return rte_mempool_avail_count(pool) + rte_mempool_avail_count(small_pool) + stash_of(0) +
		stash_of(1) == NB_MBUFS + SMALL_MBUFS;
}

static uint64_t
xstat(unsigned int role, const char *name)
{
	return test_port_xstat(ports[role], name);
}

/* A UDP packet of a flow. */
static struct rte_mbuf *
make_flow(uint16_t flow, bool ipv6)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);
	struct rte_ether_hdr *ether;
	struct rte_ipv4_hdr *ipv4;
	struct rte_ipv6_hdr *ip6;
	struct rte_udp_hdr *udp;

	if (mbuf == NULL)
		return NULL;
	ether = rte_pktmbuf_mtod(mbuf, struct rte_ether_hdr *);
	memset(ether, 0, 100);
	mbuf->pkt_len = mbuf->data_len = 100;
	if (ipv6) {
		ether->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV6);
		ip6 = (struct rte_ipv6_hdr *)(ether + 1);
		ip6->proto = IPPROTO_UDP;
		udp = (struct rte_udp_hdr *)(ip6 + 1);
	} else {
		ether->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
		ipv4 = (struct rte_ipv4_hdr *)(ether + 1);
		ipv4->version_ihl = 0x45;
		ipv4->next_proto_id = IPPROTO_UDP;
		udp = (struct rte_udp_hdr *)(ipv4 + 1);
	}
	udp->src_port = flow;
	return mbuf;
}

static uint16_t
flow_of(const struct rte_mbuf *mbuf, bool ipv6)
{
	const size_t header = ipv6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr);

	return rte_pktmbuf_mtod_offset(mbuf, const struct rte_udp_hdr *,
		sizeof(struct rte_ether_hdr) + header)->src_port;
}

/* One transmit queue, four receive queues: each flow stays in one, and all have some. */
static int
test_spreading(void)
{
	const struct setting one = { 1, 1, RTE_ETHER_MTU, 0, pool };
	const struct setting four = { 4, 1, RTE_ETHER_MTU, 0, pool };
	unsigned int queue_of[FLOWS], used, round, ipv6;
	struct rte_mbuf *pkts[FLOWS];
	uint16_t queue, nb, n;

	CHECK(make_link(&one, &four) == 0);
	for (ipv6 = 0; ipv6 < 2; ipv6++) {
		for (round = 0, used = 0; round < 2; round++) {
			for (n = 0; n < FLOWS; n++) {
				pkts[n] = make_flow(n, ipv6);
				CHECK(pkts[n] != NULL);
			}
			CHECK(rte_eth_tx_burst(ports[0], 0, pkts, FLOWS) == FLOWS);
			for (queue = 0, nb = 0; queue < 4; queue++) {
				uint16_t got = rte_eth_rx_burst(ports[1], queue, pkts, FLOWS);

				for (n = 0; n < got; n++) {
					uint16_t flow = flow_of(pkts[n], ipv6);

					CHECK(flow < FLOWS);
					if (round == 0)
						queue_of[flow] = queue;
					CHECK(queue_of[flow] == queue);
				}
				used |= (got != 0) << queue;
				rte_pktmbuf_free_bulk(pkts, got);
				nb += got;
			}
			CHECK(nb == FLOWS);
		}
		CHECK(used == 0xf);
	}
	CHECK(nothing_leaked());
	return 0;
}

/* Send a burst through the one queue of a side: how many of the other one's four get a part. */
static unsigned int
queues_used(struct rte_mbuf **pkts, uint16_t nb)
{
	unsigned int used = 0, received = 0;
	struct rte_mbuf *got[FLOWS];
	uint16_t queue, n;

	if (rte_eth_tx_burst(ports[0], 0, pkts, nb) != nb)
		return 0;
	for (queue = 0; queue < 4; queue++) {
		n = rte_eth_rx_burst(ports[1], queue, got, FLOWS);
		rte_pktmbuf_free_bulk(got, n);
		received += n;
		used += n != 0;
	}
	return received == nb ? used : 0;
}

/* Where there are no ports, what stands in their place is a part of the data: one flow, one way. */
static int
test_no_ports(void)
{
	static const uint8_t protocols[] = { IPPROTO_ICMP, IPPROTO_IGMP, IPPROTO_GRE, IPPROTO_ESP };
	const struct setting one = { 1, 1, RTE_ETHER_MTU, 0, pool };
	const struct setting four = { 4, 1, RTE_ETHER_MTU, 0, pool };
	struct rte_mbuf *pkts[FLOWS];
	unsigned int i, n, ipv6;

	CHECK(make_link(&one, &four) == 0);
	for (ipv6 = 0; ipv6 < 2; ipv6++) {
		for (i = 0; i < RTE_DIM(protocols); i++) {
			for (n = 0; n < FLOWS; n++) {
				pkts[n] = make_flow(n, ipv6);
				CHECK(pkts[n] != NULL);
				*rte_pktmbuf_mtod_offset(pkts[n], uint8_t *, RTE_ETHER_HDR_LEN +
					(ipv6 ? offsetof(struct rte_ipv6_hdr, proto) :
					offsetof(struct rte_ipv4_hdr, next_proto_id))) =
					protocols[i];
			}
			CHECK(queues_used(pkts, FLOWS) == 1);
		}
	}
	CHECK(nothing_leaked());
	return 0;
}

/* Tags in front of the header of IP do not hide the flow. */
static int
test_vlan(void)
{
	const struct setting one = { 1, 1, RTE_ETHER_MTU, 0, pool };
	const struct setting four = { 4, 1, RTE_ETHER_MTU, 0, pool };
	struct rte_mbuf *pkts[FLOWS];
	unsigned int nb_tags, n, i;

	CHECK(make_link(&one, &four) == 0);
	for (nb_tags = 1; nb_tags <= 2; nb_tags++) {
		for (n = 0; n < FLOWS; n++) {
			pkts[n] = make_flow(n, n % 2);
			CHECK(pkts[n] != NULL);
			for (i = 0; i < nb_tags; i++)
				CHECK(rte_vlan_insert(&pkts[n]) == 0);
		}
		CHECK(queues_used(pkts, FLOWS) == 4);
	}
	/* A tag and nothing after it */
	pkts[0] = make_flow(0, false);
	CHECK(pkts[0] != NULL && rte_vlan_insert(&pkts[0]) == 0);
	pkts[0]->pkt_len = pkts[0]->data_len = RTE_ETHER_HDR_LEN + 2;
	CHECK(queues_used(pkts, 1) == 1);
	CHECK(nothing_leaked());
	return 0;
}

/* Fragments of a packet take the same way, with ports or without. */
static int
test_fragments(void)
{
	const struct setting one = { 1, 1, RTE_ETHER_MTU, 0, pool };
	const struct setting four = { 4, 1, RTE_ETHER_MTU, 0, pool };
	struct rte_mbuf *pkts[FLOWS];
	unsigned int with = 0, n;
	uint16_t queue, nb;

	CHECK(make_link(&one, &four) == 0);
	for (n = 0; n < FLOWS; n++) {
		pkts[n] = make_flow(n, false);
		CHECK(pkts[n] != NULL);
		rte_pktmbuf_mtod_offset(pkts[n], struct rte_ipv4_hdr *,
			sizeof(struct rte_ether_hdr))->fragment_offset =
			n == 0 ? rte_cpu_to_be_16(RTE_IPV4_HDR_MF_FLAG) : rte_cpu_to_be_16(n);
	}
	CHECK(rte_eth_tx_burst(ports[0], 0, pkts, FLOWS) == FLOWS);
	for (queue = 0; queue < 4; queue++) {
		nb = rte_eth_rx_burst(ports[1], queue, pkts, FLOWS);
		CHECK(nb == 0 || nb == FLOWS);
		rte_pktmbuf_free_bulk(pkts, nb);
		with += nb != 0;
	}
	CHECK(with == 1);
	return 0;
}

/* A receive queue that nobody looks at does not hold up the others. */
static int
test_one_queue_stands(void)
{
	const struct setting one = { 1, 1, RTE_ETHER_MTU, 0, pool };
	const struct setting four = { 4, 1, RTE_ETHER_MTU, 0, pool };
	struct rte_mbuf *pkts[FLOWS];
	struct rte_eth_stats stats;
	uint64_t received = 0;
	unsigned int round;
	uint16_t queue, nb, n;

	CHECK(make_link(&one, &four) == 0);
	for (round = 0; round < 200; round++) {
		for (n = 0; n < FLOWS; n++) {
			pkts[n] = make_flow(n, false);
			CHECK(pkts[n] != NULL);
		}
		CHECK(rte_eth_tx_burst(ports[0], 0, pkts, FLOWS) == FLOWS);
		for (queue = 0; queue < 3; queue++) {
			nb = rte_eth_rx_burst(ports[1], queue, pkts, FLOWS);
			rte_pktmbuf_free_bulk(pkts, nb);
			received += nb;
		}
	}
	CHECK(rte_eth_stats_get(ports[0], &stats) == 0);
	CHECK(xstat(0, "tx_ring_full") != 0 && stats.oerrors == xstat(0, "tx_ring_full"));
	/* What stands in the one ring is all that is missing. */
	CHECK(stats.opackets - received == (LINES - 1) / 2);
	CHECK(nothing_leaked());
	return 0;
}

/* Every number of queues on either side: what is sent through each queue arrives, once. */
static int
test_all_queue_counts(void)
{
	struct setting sides[2] = { { .mtu = RTE_ETHER_MTU, .pool = pool },
		{ .mtu = RTE_ETHER_MTU, .pool = pool } };
	struct rte_mbuf *pkts[FLOWS];
	uint16_t tx, queue, nb, n, sent, got, direction;

	for (n = 0; n < QUEUES * QUEUES; n++) {
		sides[0].nb_rxq = sides[1].nb_txq = n / QUEUES + 1;
		sides[0].nb_txq = sides[1].nb_rxq = n % QUEUES + 1;
		CHECK(make_link(&sides[0], &sides[1]) == 0);
		for (direction = 0; direction < 2; direction++) {
			for (tx = 0, sent = 0; tx < sides[direction].nb_txq; tx++) {
				for (nb = 0; nb < 16; nb++) {
					pkts[nb] = make_flow(nb, false);
					CHECK(pkts[nb] != NULL);
				}
				sent += rte_eth_tx_burst(ports[direction], tx, pkts, nb);
			}
			CHECK(sent == 16 * sides[direction].nb_txq);
			for (queue = 0, got = 0; queue < sides[!direction].nb_rxq; queue++) {
				nb = rte_eth_rx_burst(ports[!direction], queue, pkts, FLOWS);
				rte_pktmbuf_free_bulk(pkts, nb);
				got += nb;
			}
			CHECK(got == sent);
		}
		CHECK(nothing_leaked());
	}
	return 0;
}

static int
test_too_many_queues(void)
{
	const struct rte_eth_conf conf = { 0 };
	struct rte_eth_dev_info info;

	CHECK(plug_in() == 0);
	CHECK(rte_eth_dev_info_get(ports[1], &info) == 0);
	CHECK(info.max_rx_queues == QUEUES && info.max_tx_queues == QUEUES);
	CHECK(rte_eth_dev_configure(ports[1], QUEUES + 1, 1, &conf) != 0);
	return 0;
}

/* A frame of a number, in segments of some length. */
static struct rte_mbuf *
make_segments(uint64_t seq, uint32_t len, uint32_t part)
{
	uint8_t frame[IVSHMEM_MAX_FRAME];
	struct rte_mbuf *head = NULL, *last = NULL, *mbuf;
	uint32_t done;

	test_frame_fill(frame, len, seq);
	for (done = 0; done < len; done += mbuf->data_len) {
		mbuf = rte_pktmbuf_alloc(pool);
		if (mbuf == NULL) {
			rte_pktmbuf_free(head);
			return NULL;
		}
		mbuf->data_len = RTE_MIN(part, len - done);
		memcpy(rte_pktmbuf_mtod(mbuf, void *), frame + done, mbuf->data_len);
		if (head == NULL)
			head = mbuf;
		else
			last->next = mbuf;
		last = mbuf;
	}
	head->pkt_len = len;
	for (head->nb_segs = 0, mbuf = head; mbuf != NULL; mbuf = mbuf->next)
		head->nb_segs++;
	return head;
}

/* Receive the frame of a number, in as many segments as its length asks for. */
static int
receive_segments(uint64_t seq, uint32_t len, uint16_t seg_lines)
{
	uint8_t frame[IVSHMEM_MAX_FRAME];
	struct rte_mbuf *mbuf;
	const void *data;
	bool same;

	CHECK(rte_eth_rx_burst(ports[1], 0, &mbuf, 1) == 1);
	CHECK(mbuf->pkt_len == len && mbuf->port == ports[1]);
	CHECK(mbuf->nb_segs == (ivshmem_lines(len) + seg_lines - 1) / seg_lines);
	CHECK(rte_mbuf_check(mbuf, 1, NULL) == 0 || mbuf->nb_segs > 1);
	data = rte_pktmbuf_read(mbuf, 0, len, frame);
	CHECK(data != NULL);
	same = test_frame_check(data, len, seq);
	rte_pktmbuf_free(mbuf);
	CHECK(same);
	return 0;
}

/* Frames in segments of every size leave as if they were in one. */
static int
test_segments(void)
{
	const struct setting side = { 1, 1, RTE_ETHER_MTU, 0, pool };
	struct rte_mbuf *mbuf;
	uint32_t len, part;

	CHECK(make_link(&side, &side) == 0);
	for (len = IVSHMEM_MIN_FRAME; len <= TEST_FRAME_MAX; len += 31) {
		for (part = len / 20 + 1; part < len; part = part * 3 / 2 + 1) {
			mbuf = make_segments(len + part, len, part);
			CHECK(mbuf != NULL);
			CHECK(rte_eth_tx_burst(ports[0], 0, &mbuf, 1) == 1);
			CHECK(receive_segments(len + part, len, 32) == 0);
		}
	}
	CHECK(nothing_leaked());
	return 0;
}

/* The longest frames, into mbufs of two lines. */
static int
test_scatter(void)
{
	const struct setting sender = { 1, 1, 9216, 0, pool };
	const struct setting receiver = { 1, 1, 9216, RTE_ETH_RX_OFFLOAD_SCATTER, small_pool };
	struct setting without = receiver;
	struct rte_mbuf *mbuf;
	uint32_t len;

	CHECK(plug_in() == 0);
	/* The sender's mbufs are too small for what it might receive. */
	CHECK(log_watch() == 0);
	CHECK(start(0, &sender) != 0);
	CHECK(log_has("use larger mbufs or enable scattered receive"));
	without.rx_offloads = 0;
	CHECK(start(1, &without) != 0);
	log_unwatch();
	CHECK(start(0, &(struct setting){ 1, 1, 9216, RTE_ETH_RX_OFFLOAD_SCATTER, pool }) == 0);
	CHECK(start(1, &receiver) == 0 && test_port_bring_up(ports) == 0);
	for (len = IVSHMEM_MIN_FRAME; len <= IVSHMEM_MAX_FRAME; len += len < 300 ? 1 : 61) {
		mbuf = make_segments(len, len, 2000);
		CHECK(mbuf != NULL && rte_eth_tx_burst(ports[0], 0, &mbuf, 1) == 1);
		CHECK(receive_segments(len, len, 2) == 0);
	}
	CHECK(nothing_leaked());
	return 0;
}

/* Without mbufs for all of a frame nothing is lost. */
static int
test_scatter_no_mbuf(void)
{
	const struct setting side = { 1, 1, 9216, RTE_ETH_RX_OFFLOAD_SCATTER, small_pool };
	struct rte_mbuf *taken[SMALL_MBUFS], *mbuf;
	unsigned int nb;

	CHECK(make_link(&side, &side) == 0);
	mbuf = make_segments(5, 9000, 2000);
	CHECK(mbuf != NULL && rte_eth_tx_burst(ports[0], 0, &mbuf, 1) == 1);
	for (nb = 0; nb < SMALL_MBUFS - 20; nb++) {
		taken[nb] = rte_pktmbuf_alloc(small_pool);
		CHECK(taken[nb] != NULL);
	}
	CHECK(rte_eth_rx_burst(ports[1], 0, &mbuf, 1) == 0);
	rte_pktmbuf_free_bulk(taken, nb);
	CHECK(receive_segments(5, 9000, 2) == 0);
	CHECK(nothing_leaked());
	return 0;
}

/* Frames longer than the MTU are dropped and counted, what stands around them arrives. */
static int
test_mtu(void)
{
	const struct setting side = { 1, 1, RTE_ETHER_MTU, 0, pool };
	struct rte_mbuf *mbuf;

	CHECK(make_link(&side, &side) == 0);
	CHECK(rte_eth_dev_set_mtu(ports[1], 9216) != 0);
	CHECK(rte_eth_dev_set_mtu(ports[1], 1000) == 0);
	mbuf = make_segments(1, 1000 + 22, 2000);
	CHECK(mbuf != NULL && rte_eth_tx_burst(ports[0], 0, &mbuf, 1) == 1);
	mbuf = make_segments(2, 1000 + 23, 2000);
	CHECK(mbuf != NULL && rte_eth_tx_burst(ports[0], 0, &mbuf, 1) == 1);
	mbuf = make_segments(3, 100, 2000);
	CHECK(mbuf != NULL && rte_eth_tx_burst(ports[0], 0, &mbuf, 1) == 1);
	CHECK(receive_segments(1, 1022, 32) == 0);
	CHECK(receive_segments(3, 100, 32) == 0);
	CHECK(xstat(1, "rx_oversized") == 1);
	CHECK(nothing_leaked());
	return 0;
}

/* Frames at the edges of their buffers: no byte before or after is touched or sent. */
static int
test_edges(void)
{
	const struct setting side = { 1, 1, RTE_ETHER_MTU, 0, pool };
	static uint8_t data[TEST_FRAME_MAX];
	struct rte_mbuf *mbuf;
	uint32_t len, offset;

	CHECK(make_link(&side, &side) == 0);
	for (len = IVSHMEM_MIN_FRAME; len < 400; len += 17) {
		for (offset = 0; offset < 8; offset++) {
			test_frame_fill(data, len, len);
			/* At the start of the buffer, then at its end */
			mbuf = rte_pktmbuf_alloc(pool);
			CHECK(mbuf != NULL);
			mbuf->data_off = offset;
			mbuf->pkt_len = mbuf->data_len = len;
			memcpy(rte_pktmbuf_mtod(mbuf, void *), data, len);
			CHECK(rte_eth_tx_burst(ports[0], 0, &mbuf, 1) == 1);
			CHECK(receive_segments(len, len, 32) == 0);
			mbuf = rte_pktmbuf_alloc(pool);
			CHECK(mbuf != NULL);
			mbuf->data_off = mbuf->buf_len - len - offset;
			mbuf->pkt_len = mbuf->data_len = len;
			memcpy(rte_pktmbuf_mtod(mbuf, void *), data, len);
			CHECK(rte_eth_tx_burst(ports[0], 0, &mbuf, 1) == 1);
			CHECK(receive_segments(len, len, 32) == 0);
		}
	}
	CHECK(nothing_leaked());
	return 0;
}

/*
 * Bursts of frames of all sizes through a set of burst functions, over the memory of this host.
 */
static int
exchange(const struct ivshmem_burst *burst, unsigned int nb_bursts)
{
	void *tx = rte_eth_devices[ports[0]].data->tx_queues[0];
	void *rx = rte_eth_devices[ports[1]].data->rx_queues[0];
	struct rte_mbuf *pkts[33];
	uint64_t sent = 0, received = 0;
	unsigned int round;
	uint16_t nb, n;

	for (round = 0; round < nb_bursts; round++) {
		nb = round % 32 + 1;
		for (n = 0; n < nb; n++) {
			/* Short ones more often: bursts of lines of one packet each */
			pkts[n] = make_segments(sent + n, RTE_MAX((uint32_t)IVSHMEM_MIN_FRAME,
				test_frame_len(sent + n) >> round % 5), 2000);
			CHECK(pkts[n] != NULL);
		}
		CHECK(burst->tx(tx, pkts, nb) == nb);
		sent += nb;
		/* Two calls: the second one goes on where the first one ended. */
		n = burst->rx(rx, pkts, nb / 2);
		CHECK(n == nb / 2);
		CHECK(burst->rx(rx, pkts + n, nb - n) == nb - n);
		n = nb;
		CHECK(burst->rx(rx, pkts + n, 1) == 0);
		for (n = 0; n < nb; n++, received++)
			CHECK(test_frame_check(rte_pktmbuf_mtod(pkts[n], uint8_t *),
				pkts[n]->pkt_len, received));
		rte_pktmbuf_free_bulk(pkts, nb);
	}
	return 0;
}

/* Those for memory of a device do the same over memory of this host. */
static int
test_device_functions(void)
{
	const struct setting side = { 1, 1, RTE_ETHER_MTU, 0, pool };

	CHECK(make_link(&side, &side) == 0);
	CHECK(exchange(&ivshmem_burst_base[1], 500) == 0);
#ifdef RTE_ARCH_X86
	if (rte_cpu_get_flag_enabled(RTE_CPUFLAG_AVX2) > 0)
		CHECK(exchange(&ivshmem_burst_avx2[1], 500) == 0);
	CHECK(exchange(&ivshmem_burst_base[0], 500) == 0);
#endif
	CHECK(xstat(1, "rx_head_reads") != 0 && xstat(1, "rx_bad_packets") == 0);
	CHECK(nothing_leaked());
	return 0;
}

/* The two ways to write lines, in turns over the laps of a ring. */
static int
test_stores(void)
{
	const struct setting side = { 1, 1, RTE_ETHER_MTU, 0, pool };
	struct ivshmem_port *port;
	unsigned int round;

	CHECK(make_link(&side, &side) == 0);
	port = rte_eth_devices[ports[0]].data->dev_private;
	for (round = 0; round < 10; round++) {
		ivshmem_distance_init(&port->tx_rings[0].distance, round % 2 == 0 ?
			IVSHMEM_STORES_STREAMING : IVSHMEM_STORES_CACHED);
		CHECK(xstat(0, "tx_streaming_rings") == (round % 2 == 0));
		CHECK(exchange(&ivshmem_burst_base[0], 50) == 0);
#ifdef RTE_ARCH_X86
		if (rte_cpu_get_flag_enabled(RTE_CPUFLAG_AVX2) > 0)
			CHECK(exchange(&ivshmem_burst_avx2[0], 50) == 0);
#endif
	}
	CHECK(xstat(0, "tx_store_changes") == 0 && xstat(1, "rx_bad_packets") == 0);
	CHECK(nothing_leaked());
	return 0;
}

/* So many reads take some time, and one of them another. Whether that changes the answer. */
static bool
read_credits(struct ivshmem_distance *distance, uint64_t cycles, uint64_t once)
{
	unsigned int n;

	for (n = 1; n < IVSHMEM_DISTANCE_READS; n++) {
		if (ivshmem_distance_add(distance, n == 5 ? once : cycles))
			return false;
	}
	return ivshmem_distance_add(distance, cycles);
}

/* The least of some reads decides, what is between near and far does not. */
static int
test_distance(void)
{
	const uint64_t hz = rte_get_tsc_hz();
	const uint64_t near = hz * (IVSHMEM_NEAR_NS - 30) / NS_PER_S;
	const uint64_t far = hz * (IVSHMEM_FAR_NS + 30) / NS_PER_S;
	const uint64_t between = hz * (IVSHMEM_NEAR_NS + IVSHMEM_FAR_NS) / 2 / NS_PER_S;
	struct ivshmem_distance distance;

	ivshmem_distance_init(&distance, IVSHMEM_STORES_AUTO);
	CHECK(!distance.far);
	/* Traffic makes reads slow, but not all of them, and an interrupt one of them. */
	CHECK(!read_credits(&distance, far, near) && !distance.far);
	CHECK(!read_credits(&distance, near, hz) && !distance.far);
	CHECK(!read_credits(&distance, between, between) && !distance.far);
	CHECK(read_credits(&distance, far, hz) && distance.far);
	CHECK(distance.cycles == far);
	/* and the same back. */
	CHECK(!read_credits(&distance, far, between) && distance.far);
	CHECK(read_credits(&distance, far, near) && !distance.far);
	/* What was asked for stays. */
	ivshmem_distance_init(&distance, IVSHMEM_STORES_STREAMING);
	CHECK(!read_credits(&distance, near, near) && distance.far);
	ivshmem_distance_init(&distance, IVSHMEM_STORES_CACHED);
	CHECK(!read_credits(&distance, hz, hz) && !distance.far);
	CHECK(distance.cycles == RTE_MIN(hz, (uint64_t)UINT32_MAX));
	return 0;
}

#ifdef RTE_ARCH_X86_64
/* Have a port use atomic stores that the CPU does not have. */
static int
emulate_atomic(struct ivshmem_port *port)
{
	port->txqs[0].atomic = true;
	wcio_set_atomic(wcio_copy_movdir64b);
	return emulate_start();
}

static int
emulate_atomic_stop(unsigned int *stores)
{
	const int ret = emulate_stop(stores);

	wcio_set_atomic(NULL);
	return ret;
}
#endif

/* With an atomic store of a line the first line of a burst is one, and no header is written. */
static int
test_atomic_first_line(void)
{
#ifdef RTE_ARCH_X86_64
	const struct setting side = { 1, 1, RTE_ETHER_MTU, 0, pool };
	struct ivshmem_port *port;
	unsigned int stores;
	int ret;

	CHECK(make_link(&side, &side) == 0);
	port = rte_eth_devices[ports[0]].data->dev_private;
	if (rte_wcio_atomic_available())
		return exchange(&ivshmem_burst_base[1], 500);
	CHECK(emulate_atomic(port) == 0);
	ret = exchange(&ivshmem_burst_base[1], 500);
	CHECK(emulate_atomic_stop(&stores) == 0);
	CHECK(ret == 0 && stores == 500 && xstat(0, "tx_bursts") == 500);
	CHECK(nothing_leaked());
#else
	printf("# SKIP not on this architecture\n");
#endif
	return 0;
}

#ifdef RTE_ARCH_X86_64
/* Send a burst of minimum-size frames and receive it; returns the number of atomic stores. */
static uint64_t
atomic_lines_of(uint64_t seq, uint16_t nb)
{
	const uint64_t before = xstat(0, "tx_atomic_lines");
	struct rte_mbuf *mbuf;
	uint16_t n;

	for (n = 0; n < nb; n++) {
		mbuf = make_segments(seq + n, IVSHMEM_MIN_FRAME, IVSHMEM_MIN_FRAME);
		if (mbuf == NULL || rte_eth_tx_burst(ports[0], 0, &mbuf, 1) != 1)
			return UINT64_MAX;
	}
	/* Atomic stores are weakly ordered, for this CPU too. */
	rte_mb();
	for (n = 0; n < nb; n++) {
		if (receive_segments(seq + n, IVSHMEM_MIN_FRAME, 1) != 0)
			return UINT64_MAX;
	}
	if (rte_eth_rx_burst(ports[1], 0, &mbuf, 1) != 0)
		return UINT64_MAX;
	return xstat(0, "tx_atomic_lines") - before;
}

/* A frame of several lines, the last of which look like packets at their next place in the ring. */
static int
send_like_packets(struct ivshmem_tx_ring *ring)
{
	const uint32_t next = ring->pos + 1 + ring->mask + 1;
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);
	uint32_t i;

	CHECK(mbuf != NULL);
	mbuf->pkt_len = mbuf->data_len = 4 * IVSHMEM_LINE;
	for (i = 0; i < 4 * IVSHMEM_LINE / sizeof(i); i++)
		rte_pktmbuf_mtod(mbuf, uint32_t *)[i] = IVSHMEM_MIN_FRAME |
			next >> ring->lap_shift << IVSHMEM_HEADER_LAP_SHIFT;
	CHECK(rte_eth_tx_burst(ports[0], 0, &mbuf, 1) == 1);
	rte_mb();
	CHECK(rte_eth_rx_burst(ports[1], 0, &mbuf, 1) == 1);
	CHECK(mbuf->pkt_len == 4 * IVSHMEM_LINE);
	rte_pktmbuf_free(mbuf);
	return 0;
}

static int
check_atomic_lines(struct ivshmem_port *port)
{
	struct ivshmem_tx_ring *ring = &port->tx_rings[0];
	uint32_t lines, part;

	CHECK(ring->to_process);
	CHECK(atomic_lines_of(1, 40) == 40 && atomic_lines_of(2, 40) == 40);
	/* After a frame of several lines each burst ends with a blank line, for a lap. */
	CHECK(send_like_packets(ring) == 0);
	for (lines = 0; lines < ring->mask - 4; lines += part) {
		part = RTE_MIN(40U, ring->mask - 4 - lines);
		CHECK(atomic_lines_of(lines, part) == 0);
	}
	CHECK(atomic_lines_of(3, 10) <= 6 && atomic_lines_of(4, 40) == 40);
	/* A guest would read each line twice. */
	ring->to_process = false;
	CHECK(atomic_lines_of(5, 40) == 0);
	ring->to_process = true;
	/* Near CPUs */
	ivshmem_distance_init(&ring->distance, IVSHMEM_STORES_CACHED);
	CHECK(atomic_lines_of(6, 40) == 0 && xstat(1, "rx_bad_packets") == 0);
	return 0;
}
#endif

/* To a process on a far CPU each minimum-size frame is one atomic store. */
static int
test_atomic_lines(void)
{
#ifdef RTE_ARCH_X86_64
	const struct setting side = { 1, 1, RTE_ETHER_MTU, 0, pool };
	struct ivshmem_port *port;
	unsigned int stores;
	int ret;

	CHECK(make_link(&side, &side) == 0);
	port = rte_eth_devices[ports[0]].data->dev_private;
	ivshmem_distance_init(&port->tx_rings[0].distance, IVSHMEM_STORES_STREAMING);
	if (rte_wcio_atomic_available()) {
		CHECK(check_atomic_lines(port) == 0);
	} else {
		CHECK(emulate_atomic(port) == 0);
		ret = check_atomic_lines(port);
		CHECK(emulate_atomic_stop(&stores) == 0);
		CHECK(ret == 0 && stores == xstat(0, "tx_atomic_lines"));
	}
	CHECK(nothing_leaked());
#else
	printf("# SKIP not on this architecture\n");
#endif
	return 0;
}

static const struct test_case cases[] = {
	{ "flows are spread over receive queues", test_spreading },
	{ "a flow without ports takes one way", test_no_ports },
	{ "flows behind VLAN tags are spread", test_vlan },
	{ "fragments take the same way", test_fragments },
	{ "a queue that stands does not hold up the others", test_one_queue_stands },
	{ "every number of queues", test_all_queue_counts },
	{ "more queues than rings", test_too_many_queues },
	{ "frames in segments", test_segments },
	{ "scattered receive", test_scatter },
	{ "scattered receive without mbufs", test_scatter_no_mbuf },
	{ "frames longer than the MTU", test_mtu },
	{ "frames at the edge of their buffer", test_edges },
	{ "the functions for a device's memory", test_device_functions },
	{ "both ways to write lines", test_stores },
	{ "how far the consumer is", test_distance },
	{ "an atomic first line", test_atomic_first_line },
	{ "atomic lines to a far process", test_atomic_lines },
	{ 0 }
};

const struct test_suite ivshmem_queues_suite = {
	.name = "ivshmem-queues",
	.setup = set_up,
	.teardown = tear_down,
	.cases = cases,
};
