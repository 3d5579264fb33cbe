/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * dpdk-wc-guest --vdev net_ivshmem... -- ivshmem-echo COUNT [WINDOW]
 *
 * Sends frames of mixed sizes to a peer that sends back what it receives, and checks that they come
 * back intact and in order. Prints one line. The peer may start later, up to a deadline.
 */

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "check.h"
#include "test_frame.h"
#include "test_port.h"
#include "wc_guest.h"

#define BURST 32
/* Frames under way: all of the longest fit the default ring, so that the peer never drops any */
#define DEFAULT_WINDOW 128
#define NB_MBUFS 1023
#define PATIENCE_S 30

struct echo {
	struct rte_mempool *pool;
	uint64_t sent;
	uint64_t received;
	uint64_t count;
	uint64_t window;	/* frames under way at most */
};

static void
send_burst(struct echo *echo)
{
	struct rte_mbuf *pkts[BURST];
	uint64_t left = RTE_MIN(echo->count - echo->sent,
		echo->window - (echo->sent - echo->received));
	uint16_t i, nb = RTE_MIN(left, (uint64_t)BURST), sent;

	if (nb == 0 || rte_pktmbuf_alloc_bulk(echo->pool, pkts, nb) != 0)
		return;
	for (i = 0; i < nb; i++) {
		pkts[i]->pkt_len = pkts[i]->data_len = test_frame_len(echo->sent + i);
		test_frame_fill(rte_pktmbuf_mtod(pkts[i], uint8_t *), pkts[i]->data_len,
			echo->sent + i);
	}
	sent = rte_eth_tx_burst(0, 0, pkts, nb);
	rte_pktmbuf_free_bulk(pkts + sent, nb - sent);
	echo->sent += sent;
}

static int
receive_burst(struct echo *echo)
{
	struct rte_mbuf *pkts[BURST];
	uint16_t i, nb;
	int ret = 0;

	nb = rte_eth_rx_burst(0, 0, pkts, BURST);
	for (i = 0; i < nb && ret == 0; i++, echo->received++) {
		const uint8_t *frame = rte_pktmbuf_mtod(pkts[i], const uint8_t *);

		if (pkts[i]->pkt_len != test_frame_len(echo->received) ||
				!test_frame_check(frame, pkts[i]->pkt_len, echo->received)) {
			printf("frame %" PRIu64 " is not what was sent: %u bytes, number %" PRIu64 "\n",
				echo->received, pkts[i]->pkt_len,
				*(const unaligned_uint64_t *)frame);
			ret = -1;
		}
	}
	rte_pktmbuf_free_bulk(pkts, nb);
	return ret;
}

static int
run(struct echo *echo)
{
	const uint64_t patience = PATIENCE_S * rte_get_timer_hz();
	uint64_t last = rte_get_timer_cycles(), before;

	while (echo->received < echo->count) {
		before = echo->received;
		send_burst(echo);
		if (receive_burst(echo) < 0)
			return -1;
		if (echo->received != before) {
			last = rte_get_timer_cycles();
		} else if (rte_get_timer_cycles() - last > patience) {
			printf("nothing comes back: sent %" PRIu64 " received %" PRIu64 "\n",
				echo->sent, echo->received);
			return -1;
		}
	}
	printf("echo: %" PRIu64 " frames came back whole and in order\n", echo->received);
	return 0;
}

static int
echo_main(int argc, char **argv)
{
	struct echo echo = {
		.count = argc >= 2 ? strtoull(argv[1], NULL, 0) : 0,
		.window = argc == 3 ? strtoull(argv[2], NULL, 0) : DEFAULT_WINDOW,
	};

	if (argc > 3 || echo.count == 0 || echo.window == 0) {
		fprintf(stderr, "usage: dpdk-wc-guest --vdev net_ivshmem... -- ivshmem-echo COUNT [WINDOW]\n");
		return -1;
	}
	echo.pool = rte_pktmbuf_pool_create("echo", NB_MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
		SOCKET_ID_ANY);
	CHECK(echo.pool != NULL);
	CHECK(rte_eth_dev_count_avail() == 1);
	if (test_port_start(0, echo.pool) != 0 || test_port_link_up(0) != 0)
		return -1;
	return run(&echo);
}

const struct wc_guest_program ivshmem_echo_program = {
	.name = "ivshmem-echo",
	.main = echo_main,
};
