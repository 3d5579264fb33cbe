/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * One end of a link that does as little as possible besides its driver: what testpmd does for each
 * frame takes as long as a fast driver. Commands come from standard input, one a line, and each
 * continues until the next one.
 */

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

#include "test_port.h"
#include "wc_perf.h"

#define BURST 32
#define MBUFS 8191
#define MBUF_CACHE 250	/* as testpmd */
/* Bursts between looks at the clock or at standard input */
#define BURSTS 256
#define WARM_UP_MS 20
#define ETHER_TYPE_EXPERIMENTAL 0x88b5	/* IEEE 802 */

static bool
asked(void)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };

	return poll(&input, 1, 0) != 0;
}

static void
say(const char *text)
{
	printf("%s\n", text);
	fflush(stdout);
}

static uint64_t
cycles_of(uint64_t ms)
{
	return ms * rte_get_tsc_hz() / MS_PER_S;
}

/* Send */

static void
fill(struct rte_mempool *pool, void *unused, void *object, unsigned int index)
{
	struct rte_mbuf *mbuf = object;
	struct rte_ether_hdr *ether = rte_pktmbuf_mtod(mbuf, struct rte_ether_hdr *);

	RTE_SET_USED(pool);
	RTE_SET_USED(unused);
	RTE_SET_USED(index);
	memset(ether, 2, rte_pktmbuf_tailroom(mbuf));
	ether->ether_type = RTE_BE16(ETHER_TYPE_EXPERIMENTAL);
}

/* The content stays from fill(): a driver does not change it. */
static unsigned int
send_burst(struct rte_mempool *pool, uint16_t len, uint64_t *dropped)
{
	struct rte_mbuf *mbufs[BURST];
	uint16_t sent, n;

	if (rte_mempool_get_bulk(pool, (void **)mbufs, BURST) != 0)
		return 0;
	for (n = 0; n < BURST; n++) {
		mbufs[n]->data_off = RTE_PKTMBUF_HEADROOM;
		mbufs[n]->data_len = len;
		mbufs[n]->pkt_len = len;
	}
	sent = rte_eth_tx_burst(0, 0, mbufs, BURST);
	if (sent < BURST) {
		rte_mempool_put_bulk(pool, (void **)(mbufs + sent), BURST - sent);
		*dropped += BURST - sent;
	}
	return sent;
}

static int
send_frames(struct rte_mempool *pool, uint64_t len)
{
	uint64_t sent = 0, dropped = 0, start = rte_rdtsc(), now = start;
	unsigned int n;

	if (len < RTE_ETHER_HDR_LEN || len > RTE_ETHER_MAX_LEN - RTE_ETHER_CRC_LEN) {
		fprintf(stderr, "wc-perf: %" PRIu64 " bytes: use %d to %d\n", len,
			RTE_ETHER_HDR_LEN, RTE_ETHER_MAX_LEN - RTE_ETHER_CRC_LEN);
		return -EINVAL;
	}
	while (!asked()) {
		for (n = 0; n < BURSTS; n++)
			sent += send_burst(pool, len, &dropped);
		now = rte_rdtsc();
	}
	printf("sent %" PRIu64 " frames, %.4f Mpps, dropped %" PRIu64 "\n", sent,
		sent * 1e3 / RTE_MAX(perf_ns(now - start), 1.0), dropped);
	return 0;
}

/* Receive */

static uint64_t
receive_bursts(void)
{
	struct rte_mbuf *mbufs[BURST];
	uint64_t received = 0;
	unsigned int n;
	uint16_t nb;

	for (n = 0; n < BURSTS; n++) {
		nb = rte_eth_rx_burst(0, 0, mbufs, BURST);
		if (nb == 0)
			continue;
		/* Of one segment and one reference: no frame is longer than the mbufs. */
		rte_mempool_put_bulk(mbufs[0]->pool, (void **)mbufs, nb);
		received += nb;
	}
	return received;
}

static int
receive_frames(uint64_t ms)
{
	uint64_t received = 0, start, now;

	while (receive_bursts() == 0)
		if (asked())
			goto end;
	start = rte_rdtsc();
	while (rte_rdtsc() - start < cycles_of(WARM_UP_MS))
		receive_bursts();
	start = rte_rdtsc();
	do {
		received += receive_bursts();
		now = rte_rdtsc();
	} while (now - start < cycles_of(ms));
	printf("received %" PRIu64 " frames, %.4f Mpps\n", received,
		received * 1e3 / perf_ns(now - start));
	fflush(stdout);
	while (!asked())
		receive_bursts();
end:
	say("stopped");
	return 0;
}

static int
obey(struct rte_mempool *pool, const char *line)
{
	uint64_t value;

	if (strcmp(line, "\n") == 0)
		return 0;
	if (sscanf(line, "send %" SCNu64, &value) == 1)
		return send_frames(pool, value);
	if (sscanf(line, "receive %" SCNu64, &value) == 1)
		return receive_frames(value);
	fprintf(stderr, "wc-perf: unknown command: use 'send LENGTH', 'receive MILLISECONDS' or an "
		"empty line: %s", line);
	return -EINVAL;
}

int
perf_traffic(void)
{
	struct rte_mempool *pool;
	char line[64];
	int ret = 0;

	if (rte_eth_dev_count_avail() != 1) {
		fprintf(stderr, "wc-perf: %u ports: name one with --vdev or -a\n",
			rte_eth_dev_count_avail());
		return -ENODEV;
	}
	pool = rte_pktmbuf_pool_create("wc-perf", MBUFS, MBUF_CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
			rte_socket_id());
	if (pool == NULL) {
		fprintf(stderr, "wc-perf: no memory for %d mbufs: use a larger -m\n", MBUFS);
		return -ENOMEM;
	}
	rte_mempool_obj_iter(pool, fill, NULL);
	if (test_port_start(0, pool) != 0)
		return -EIO;
	say("started");
	if (test_port_link_up(0) != 0)
		return -EIO;
	say("ready");
	while (ret == 0 && fgets(line, sizeof(line), stdin) != NULL) {
		ret = obey(pool, line);
		fflush(stdout);
	}
	rte_eth_dev_stop(0);
	rte_eth_dev_close(0);
	return ret;
}
