/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <rte_cycles.h>
#include <rte_ethdev.h>

#include "check.h"
#include "test_port.h"

#define PATIENCE_S 60

int
test_port_start(uint16_t port, struct rte_mempool *pool)
{
	struct rte_eth_conf conf = { 0 };
	struct rte_eth_dev_info info;

	/* As dpdk-testpmd does it. */
	CHECK(rte_eth_dev_info_get(port, &info) == 0);
	conf.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
	CHECK(rte_eth_dev_configure(port, 1, 1, &conf) == 0);
	CHECK(rte_eth_rx_queue_setup(port, 0, 0, SOCKET_ID_ANY, NULL, pool) == 0);
	CHECK(rte_eth_tx_queue_setup(port, 0, 0, SOCKET_ID_ANY, NULL) == 0);
	CHECK(rte_eth_dev_start(port) == 0);
	return 0;
}

int
test_port_bring_up(const uint16_t ports[2])
{
	struct rte_eth_link links[2];
	unsigned int n;

	/* Each side answers the other: a few looks do. */
	for (n = 0; n < 8; n++)
		CHECK(rte_eth_link_get_nowait(ports[n % 2], &links[n % 2]) == 0);
	CHECK(links[0].link_status == RTE_ETH_LINK_UP && links[1].link_status == RTE_ETH_LINK_UP);
	return 0;
}

int
test_port_link_up(uint16_t port)
{
	const uint64_t deadline = rte_get_timer_cycles() + PATIENCE_S * rte_get_timer_hz();
	struct rte_eth_link link = { 0 };

	while (rte_eth_link_get_nowait(port, &link) == 0 && link.link_status != RTE_ETH_LINK_UP) {
		if (rte_get_timer_cycles() > deadline) {
			printf("no peer within %u s\n", PATIENCE_S);
			return -1;
		}
	}
	return 0;
}

uint64_t
test_port_xstat(uint16_t port, const char *name)
{
	uint64_t id, value;

	if (rte_eth_xstats_get_id_by_name(port, name, &id) != 0 ||
			rte_eth_xstats_get_by_id(port, &id, &value, 1) != 1)
		return UINT64_MAX;
	return value;
}
