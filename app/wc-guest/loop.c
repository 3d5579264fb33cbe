/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * dpdk-wc-guest --vdev net_ivshmem0,role=server... --vdev net_ivshmem1,role=client... --
 *	ivshmem-loop BURSTS LEN
 *
 * Sends bursts from the first port to the second, for devtools/count-instructions.
 */

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "check.h"
#include "test_port.h"
#include "wc_guest.h"

#define BURST 32
#define NB_MBUFS 8191
#define PATIENCE_S 60

static int
run(struct rte_mempool *pool, uint64_t bursts, uint16_t len)
{
	const uint64_t deadline = rte_get_timer_cycles() + PATIENCE_S * rte_get_timer_hz();
	struct rte_mbuf *pkts[BURST], *got[BURST];
	uint16_t j, sent, received;
	uint64_t i;

	for (i = 0; i < bursts; i++) {
		CHECK(rte_pktmbuf_alloc_bulk(pool, pkts, BURST) == 0);
		for (j = 0; j < BURST; j++)
			pkts[j]->pkt_len = pkts[j]->data_len = len;
		/* memif takes none before the receiver has looked once. */
		for (sent = received = 0; received < BURST;) {
			if (sent < BURST)
				sent += rte_eth_tx_burst(0, 0, pkts + sent, BURST - sent);
			received += rte_eth_rx_burst(1, 0, got + received, BURST - received);
			CHECK(received == BURST || rte_get_timer_cycles() < deadline);
		}
		rte_pktmbuf_free_bulk(got, BURST);
	}
	printf("loop: %" PRIu64 " packets of %u bytes\n", bursts * BURST, len);
	return 0;
}

static int
loop_main(int argc, char **argv)
{
	uint64_t bursts = argc == 3 ? strtoull(argv[1], NULL, 0) : 0;
	unsigned long len = argc == 3 ? strtoul(argv[2], NULL, 0) : 0;
	struct rte_mempool *pool;

	if (bursts == 0 || len < RTE_ETHER_MIN_LEN - RTE_ETHER_CRC_LEN ||
			len > RTE_ETHER_MAX_LEN - RTE_ETHER_CRC_LEN) {
		fprintf(stderr, "usage: dpdk-wc-guest ... -- ivshmem-loop BURSTS LEN, LEN 60 to 1514\n");
		return -1;
	}
	pool = rte_pktmbuf_pool_create("loop", NB_MBUFS, 64, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
		SOCKET_ID_ANY);
	CHECK(pool != NULL);
	CHECK(rte_eth_dev_count_avail() == 2);
	if (test_port_start(0, pool) != 0 || test_port_start(1, pool) != 0 ||
			test_port_link_up(0) != 0 || test_port_link_up(1) != 0)
		return -1;
	return run(pool, bursts, len);
}

const struct wc_guest_program ivshmem_loop_program = {
	.name = "ivshmem-loop",
	.main = loop_main,
};
