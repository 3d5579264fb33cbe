/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * dpdk-wc-guest --vdev net_ivshmem0,...,socket=PATH -- ivshmem-sleep COUNT
 *
 * Sends back COUNT frames and sleeps whenever there is none, then reports how it was woken and the
 * CPU time of waiting in vain.
 */

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_interrupts.h>
#include <rte_mbuf.h>

#include "check.h"
#include "wc_guest.h"

#define BURST 32
#define NB_MBUFS 1023
#define SLEEP_MS 1000
#define IDLE_MS 2000

struct sleeper {
	uint64_t frames;
	uint64_t wakes;
	uint64_t sleeps;
};

static int
start(struct rte_mempool *pool)
{
	const struct rte_eth_conf conf = { .intr_conf.rxq = 1 };

	CHECK(rte_eth_dev_configure(0, 1, 1, &conf) == 0);
	CHECK(rte_eth_rx_queue_setup(0, 0, 0, SOCKET_ID_ANY, NULL, pool) == 0);
	CHECK(rte_eth_tx_queue_setup(0, 0, 0, SOCKET_ID_ANY, NULL) == 0);
	CHECK(rte_eth_dev_start(0) == 0);
	CHECK(rte_eth_dev_rx_intr_ctl_q(0, 0, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_ADD, NULL) == 0);
	return 0;
}

static uint16_t
send_back(void)
{
	struct rte_mbuf *pkts[BURST];
	uint16_t nb = rte_eth_rx_burst(0, 0, pkts, BURST), sent = 0;

	while (sent < nb)
		sent += rte_eth_tx_burst(0, 0, pkts + sent, nb - sent);
	return nb;
}

static int
wait_for_interrupt(struct sleeper *sleeper, int timeout_ms)
{
	struct rte_epoll_event event;
	int ret;

	CHECK(rte_eth_dev_rx_intr_enable(0, 0) == 0);
	ret = rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, timeout_ms);
	CHECK(ret >= 0);
	CHECK(rte_eth_dev_rx_intr_disable(0, 0) == 0);
	sleeper->sleeps++;
	sleeper->wakes += ret;
	return 0;
}

/* Microseconds of CPU time of all threads. */
static uint64_t
cpu_time(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * UINT64_C(1000000) +
		usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

static uint64_t
late_wakes(void)
{
	uint64_t id, value;

	if (rte_eth_xstats_get_id_by_name(0, "rx_late_wakes", &id) != 0 ||
			rte_eth_xstats_get_by_id(0, &id, &value, 1) != 1)
		return UINT64_MAX;
	return value;
}

static int
run(uint64_t count)
{
	struct sleeper sleeper = { 0 }, idle = { 0 };
	uint64_t cpu;
	uint16_t nb;

	printf("sleep: ready\n");
	fflush(stdout);
	while (sleeper.frames < count) {
		nb = send_back();
		sleeper.frames += nb;
		if (nb == 0 && sleeper.frames < count &&
				wait_for_interrupt(&sleeper, SLEEP_MS) != 0)
			return -1;
	}
	printf("sleep: %" PRIu64 " frames, %" PRIu64 " sleeps, %" PRIu64 " wakes, %" PRIu64 " late\n",
		sleeper.frames, sleeper.sleeps, sleeper.wakes, late_wakes());
	cpu = cpu_time();
	if (wait_for_interrupt(&idle, IDLE_MS) != 0)
		return -1;
	printf("sleep: idle, %.2f %% of a CPU\n", (cpu_time() - cpu) / (IDLE_MS * 10.0));
	return 0;
}

static int
sleep_main(int argc, char **argv)
{
	uint64_t count = argc == 2 ? strtoull(argv[1], NULL, 0) : 0;
	struct rte_mempool *pool;
	int ret;

	if (count == 0) {
		fprintf(stderr, "usage: dpdk-wc-guest ... -- ivshmem-sleep COUNT\n");
		return -1;
	}
	pool = rte_pktmbuf_pool_create("sleep", NB_MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
		SOCKET_ID_ANY);
	CHECK(pool != NULL);
	CHECK(rte_eth_dev_count_avail() == 1);
	if (start(pool) != 0)
		return -1;
	ret = run(count);
	rte_eth_dev_stop(0);
	rte_eth_dev_close(0);
	return ret;
}

const struct wc_guest_program ivshmem_sleep_program = {
	.name = "ivshmem-sleep",
	.main = sleep_main,
};
