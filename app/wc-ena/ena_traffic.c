/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_pause.h>
#include <rte_timer.h>

#include "check.h"
#include "eal_wc_compat.h"
#include "ena_traffic.h"
#include "test_frame.h"

#define BURST 32
#define PATIENCE_S 10	/* without progress */

int
ena_traffic_start(uint16_t port, struct rte_mempool *pool)
{
	const struct rte_eth_conf conf = { 0 };
	struct rte_eth_dev_info info;

	CHECK(rte_eth_dev_info_get(port, &info) == 0);
	CHECK(rte_eth_dev_configure(port, 1, 1, &conf) == 0);
	CHECK(rte_eth_rx_queue_setup(port, 0, 128, SOCKET_ID_ANY, NULL, pool) == 0);
	/* The longest ring is the default. */
	CHECK(rte_eth_tx_queue_setup(port, 0, info.tx_desc_lim.nb_max, SOCKET_ID_ANY, NULL) == 0);
	CHECK(rte_eth_dev_start(port) == 0);
	return 0;
}

static uint32_t
ena_traffic_len(const struct ena_load *load, uint64_t seq)
{
	return load->min_len + test_frame_random(~seq) % (load->max_len - load->min_len + 1);
}

static struct rte_mbuf *
ena_traffic_make_segment(struct rte_mempool *pool, const uint8_t *data, uint32_t len)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);

	if (mbuf != NULL)
		memcpy(rte_pktmbuf_append(mbuf, len), data, len);
	return mbuf;
}

/* A frame in segments of about the same length; NULL if memory is short. */
static struct rte_mbuf *
ena_traffic_make(struct rte_mempool *pool, const struct ena_load *load, uint64_t seq)
{
	uint32_t len = ena_traffic_len(load, seq), done = 0, part, n;
	uint32_t segments = 1 + seq % load->segments;
	struct rte_mbuf *frame = NULL, *mbuf;
	uint8_t data[IVSHMEM_MAX_FRAME];

	test_frame_fill(data, len, seq);
	for (n = segments; n > 0; n--) {
		part = (len - done) / n;
		mbuf = ena_traffic_make_segment(pool, data + done, part);
		if (mbuf == NULL || (frame != NULL && rte_pktmbuf_chain(frame, mbuf) != 0)) {
			rte_pktmbuf_free(mbuf);
			rte_pktmbuf_free(frame);
			return NULL;
		}
		if (frame == NULL)
			frame = mbuf;
		done += part;
	}
	return frame;
}

void
ena_traffic_deliver(void *arg, const uint8_t *data, uint32_t len)
{
	struct ena_check *check = arg;
	uint64_t seq = check->received;

	if (len != ena_traffic_len(&check->load, seq) || !test_frame_check(data, len, seq)) {
		if (check->wrong++ == 0)
			printf("wrong frame %" PRIu64 ", %u bytes\n", seq, len);
	}
	rte_atomic_store_explicit(&check->received, seq + 1, rte_memory_order_release);
}

static uint64_t
ena_traffic_received(const struct ena_check *check)
{
	return rte_atomic_load_explicit(&check->received, rte_memory_order_acquire);
}

static uint64_t
ena_traffic_deadline(void)
{
	return rte_get_timer_cycles() + PATIENCE_S * rte_get_timer_hz();
}

/* Send all of a burst. */
static int
ena_traffic_send_burst(uint16_t port, struct rte_mbuf **burst, uint16_t number)
{
	const uint64_t deadline = ena_traffic_deadline();
	uint16_t sent = 0;

	for (;;) {
		sent += rte_eth_tx_burst(port, 0, burst + sent, number - sent);
		if (sent == number)
			return 0;
		if (rte_get_timer_cycles() > deadline)
			break;
		rte_pause();
	}
	rte_pktmbuf_free_bulk(burst + sent, number - sent);
	return -ETIMEDOUT;
}

static int
ena_traffic_wait(const struct ena_check *check)
{
	uint64_t deadline = ena_traffic_deadline(), before = 0, now;

	for (;;) {
		now = ena_traffic_received(check);
		if (now >= check->load.frames)
			return 0;
		if (now != before)
			deadline = ena_traffic_deadline();
		else if (rte_get_timer_cycles() > deadline)
			return -ETIMEDOUT;
		before = now;
		rte_timer_manage();
		rte_pause();
	}
}

int
ena_traffic_send(uint16_t port, struct rte_mempool *pool, struct ena_check *check)
{
	struct rte_mbuf *burst[BURST];
	uint64_t seq = 0;
	uint16_t n;
	int ret;

	while (seq < check->load.frames) {
		for (n = 0; n < BURST && seq < check->load.frames; n++) {
			burst[n] = ena_traffic_make(pool, &check->load, seq);
			if (burst[n] == NULL)
				break;
			seq++;
		}
		ret = ena_traffic_send_burst(port, burst, n);
		if (ret != 0)
			return ret;
		/* The driver's watchdog */
		rte_timer_manage();
	}
	return ena_traffic_wait(check);
}
