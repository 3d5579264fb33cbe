/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_alarm.h>
#include <rte_bus_vdev.h>
#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "ivshmem_port.h"
#include "test.h"
#include "test_frame.h"
#include "test_port.h"

#define LINES 256
/* One ring in each direction */
#define SIZE (IVSHMEM_CONTROL_SIZE + 2 * LINES * IVSHMEM_LINE)
#define SERVER_ARGS ",lines=256,queues=1"
#define NB_MBUFS 1023
#define BURST 32
#define NB_RESETS 20000

static const char * const names[2] = { "net_ivshmem_server", "net_ivshmem_client" };

static char path[64];
static struct ivshmem_control *control;	/* the file as the test sees it */
static size_t mapped;
static uint16_t ports[2];
static bool plugged[2];
static struct rte_mempool *pool;
static sem_t held, released;

/* Keep EAL's interrupt thread: sides look at each other when the test has them look. */
static void
hold_heartbeats(void *arg __rte_unused)
{
	sem_post(&held);
	sem_wait(&released);
}

static void
plug_out(unsigned int role)
{
	if (plugged[role])
		rte_vdev_uninit(names[role]);
	plugged[role] = false;
}

/* A file of zeros for the peers, also mapped here. */
static int
make_file(size_t size)
{
	int fd;

	/* Ports over the file before must not see it shrink. */
	plug_out(0);
	plug_out(1);
	if (control != NULL)
		munmap(control, mapped);
	control = NULL;
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	CHECK(fd >= 0);
	CHECK(ftruncate(fd, size) == 0);
	if (size != 0) {
		control = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		mapped = size;
		CHECK(control != MAP_FAILED);
	}
	close(fd);
	return 0;
}

/* Make a port of this role; text may add arguments. Returns what its probe does. */
static int
plug_in(unsigned int role, const char *text)
{
	char args[256];
	int ret;

	plug_out(role);
	snprintf(args, sizeof(args), "path=%s,role=%s%s", path, role == 0 ? "server" : "client",
		text);
	ret = rte_vdev_init(names[role], args);
	plugged[role] = ret == 0;
	if (ret == 0)
		ret = rte_eth_dev_get_port_by_name(names[role], &ports[role]);
	return ret;
}

static int
restart(unsigned int role)
{
	CHECK(rte_eth_dev_stop(ports[role]) == 0);
	CHECK(rte_eth_dev_start(ports[role]) == 0);
	return 0;
}

static int
link_status(unsigned int role)
{
	struct rte_eth_link link;

	return rte_eth_link_get_nowait(ports[role], &link) == 0 ? link.link_status : -1;
}

/* Both ends of a link, started, over a blank file. */
static int
make_link(void)
{
	CHECK(make_file(SIZE) == 0);
	CHECK(plug_in(0, SERVER_ARGS) == 0 && plug_in(1, "") == 0);
	CHECK(test_port_start(ports[0], pool) == 0);
	CHECK(test_port_start(ports[1], pool) == 0);
	return test_port_bring_up(ports);
}

static struct ivshmem_port *
port_of(unsigned int role)
{
	return rte_eth_devices[ports[role]].data->dev_private;
}

static void
tear_down(void)
{
	sem_post(&released);
	plug_out(0);
	plug_out(1);
	rte_mempool_free(pool);
	if (control != NULL)
		munmap(control, mapped);
	unlink(path);
}

static int
set_up(void)
{
	snprintf(path, sizeof(path), "/dev/shm/test-wc-%d", getpid());
	pool = rte_pktmbuf_pool_create("test-ivshmem", NB_MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
		SOCKET_ID_ANY);
	CHECK(pool != NULL);
	sem_init(&held, 0, 0);
	sem_init(&released, 0, 0);
	CHECK(rte_eal_alarm_set(1, hold_heartbeats, NULL) == 0);
	sem_wait(&held);
	return 0;
}

/* Send the frame of a number; 1 if it was taken. */
static int
send_frame(unsigned int role, uint64_t seq, uint32_t len)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);
	int ret;

	if (mbuf == NULL)
		return -1;
	test_frame_fill(rte_pktmbuf_mtod(mbuf, uint8_t *), len, seq);
	mbuf->data_len = len;
	mbuf->pkt_len = len;
	ret = rte_eth_tx_burst(ports[role], 0, &mbuf, 1);
	if (ret == 0)
		rte_pktmbuf_free(mbuf);
	return ret;
}

/* Receive one frame that has to be the one of a number; 1 if there was one. */
static int
receive_frame(unsigned int role, uint64_t seq, uint32_t len)
{
	struct rte_mbuf *mbuf;
	bool same;

	if (rte_eth_rx_burst(ports[role], 0, &mbuf, 1) == 0)
		return 0;
	same = mbuf->pkt_len == len && mbuf->data_len == len && mbuf->nb_segs == 1 &&
		mbuf->port == ports[role] &&
		test_frame_check(rte_pktmbuf_mtod(mbuf, uint8_t *), len, seq);
	rte_pktmbuf_free(mbuf);
	return same ? 1 : -1;
}

static uint64_t
xstat(unsigned int role, const char *name)
{
	return test_port_xstat(ports[role], name);
}

/* All mbufs are back in the pool, or with a port that will receive into them. */
static bool
nothing_leaked(void)
{
	unsigned int n = rte_mempool_avail_count(pool), role;

	for (role = 0; role < 2; role++)
		n += plugged[role] ? port_of(role)->rxqs[0].nb_stash : 0;
	return n == NB_MBUFS;
}

static int
test_sizes(void)
{
	uint32_t len;

	CHECK(make_link() == 0);
	for (len = IVSHMEM_MIN_FRAME; len <= TEST_FRAME_MAX; len++) {
		CHECK(send_frame(0, len, len) == 1 && send_frame(1, ~len, len) == 1);
		CHECK(receive_frame(1, len, len) == 1 && receive_frame(0, ~len, len) == 1);
		CHECK(receive_frame(1, 0, 0) == 0);
	}
	CHECK(nothing_leaked());
	return 0;
}

static uint8_t *
line_at(unsigned int direction, uint32_t line)
{
	return (uint8_t *)control + ivshmem_ring_offset(1, LINES, direction, 0) +
		(line % LINES) * IVSHMEM_LINE;
}

static uint32_t
header_at(uint32_t line)
{
	return *(volatile uint32_t *)line_at(0, line);
}

static void
set_header(uint32_t line, uint32_t header)
{
	*(volatile uint32_t *)line_at(0, line) = header;
}

/* A ring's bytes, as the protocol says: a smallest frame and its header are one line. */
static int
test_wire(void)
{
	uint8_t frame[IVSHMEM_MIN_FRAME];
	struct rte_mbuf *pkts[3];
	unsigned int i;

	CHECK(make_link() == 0);
	CHECK(control->geometry.magic == IVSHMEM_MAGIC && control->geometry.ring_lines == LINES);
	CHECK(rte_pktmbuf_alloc_bulk(pool, pkts, 3) == 0);
	for (i = 0; i < 3; i++) {
		/* More than is sent, to see that it is not. */
		test_frame_fill(rte_pktmbuf_mtod(pkts[i], uint8_t *), 128, i);
		pkts[i]->pkt_len = pkts[i]->data_len = i == 0 ? 61 : 60;
	}
	CHECK(rte_eth_tx_burst(ports[0], 0, pkts, 3) == 3);
	/* The first of the burst is marked; a frame of two lines, and two of one. */
	CHECK(header_at(0) == (61 | IVSHMEM_HEADER_FIRST));
	CHECK(header_at(2) == 60 && header_at(3) == 60 && header_at(4) == 0);
	for (i = 1; i < IVSHMEM_LINE; i++)
		CHECK(line_at(0, 1)[i] == 0);
	test_frame_fill(frame, sizeof(frame), 2);
	CHECK(memcmp(line_at(0, 3) + IVSHMEM_HEADER_SIZE, frame, sizeof(frame)) == 0);
	CHECK(receive_frame(1, 0, 61) == 1 && receive_frame(1, 1, 60) == 1 &&
		receive_frame(1, 2, 60) == 1 && receive_frame(1, 0, 0) == 0);
	/* and the lap is in the header. */
	for (i = 4; i < LINES + 1; i++)
		CHECK(send_frame(0, i, 60) == 1 && receive_frame(1, i, 60) == 1);
	CHECK(header_at(LINES) == (1 << 16 | IVSHMEM_HEADER_FIRST | 60));
	CHECK(xstat(0, "tx_bursts") == 1 + LINES - 3);
	return 0;
}

static int
test_short_frames(void)
{
	struct rte_mbuf *mbuf;
	unsigned int len, i;

	CHECK(make_link() == 0);
	for (len = 0; len < IVSHMEM_MIN_FRAME; len++) {
		CHECK(send_frame(0, len, len) == 1);
		CHECK(rte_eth_rx_burst(ports[1], 0, &mbuf, 1) == 1);
		CHECK(mbuf->pkt_len == IVSHMEM_MIN_FRAME);
		CHECK(test_frame_check(rte_pktmbuf_mtod(mbuf, uint8_t *), len, len));
		for (i = len; i < IVSHMEM_MIN_FRAME; i++)
			CHECK(rte_pktmbuf_mtod(mbuf, uint8_t *)[i] == 0);
		rte_pktmbuf_free(mbuf);
	}
	CHECK(nothing_leaked());
	return 0;
}

/* What the link cannot carry is dropped and counted, what stands around it arrives. */
static int
test_bad_frames(void)
{
	struct rte_mbuf *pkts[4];
	struct rte_eth_stats stats;
	unsigned int i;

	CHECK(make_link() == 0);
	CHECK(rte_pktmbuf_alloc_bulk(pool, pkts, RTE_DIM(pkts)) == 0);
	for (i = 0; i < RTE_DIM(pkts); i++) {
		test_frame_fill(rte_pktmbuf_mtod(pkts[i], uint8_t *), 100, i);
		pkts[i]->data_len = pkts[i]->pkt_len = i == 1 ? IVSHMEM_MAX_FRAME + 1 : 100;
	}
	CHECK(rte_eth_tx_burst(ports[0], 0, pkts, RTE_DIM(pkts)) == RTE_DIM(pkts));
	CHECK(receive_frame(1, 0, 100) == 1 && receive_frame(1, 2, 100) == 1);
	CHECK(receive_frame(1, 3, 100) == 1 && receive_frame(1, 0, 0) == 0);
	CHECK(rte_eth_stats_get(ports[0], &stats) == 0);
	CHECK(stats.opackets == 3 && stats.obytes == 300 && stats.oerrors == 1);
	CHECK(xstat(0, "tx_bad_frames") == 1);
	CHECK(nothing_leaked());
	return 0;
}

/* A full ring takes no more, loses nothing, and goes on when lines come back, over its end. */
static int
test_full_ring(void)
{
	uint64_t sent = 0, received = 0;
	unsigned int round;

	CHECK(make_link() == 0);
	for (round = 0; round < 100; round++) {
		while (send_frame(0, sent, test_frame_len(sent)) == 1)
			sent++;
		CHECK(sent > received);
		while (receive_frame(1, received, test_frame_len(received)) == 1)
			received++;
		CHECK(received == sent);
	}
	CHECK(nothing_leaked());
	return 0;
}

/* Positions wrap at 2^32, and laps at 2^16. */
static int
test_wrap(void)
{
	const uint32_t start = UINT32_MAX - 100;
	struct ivshmem_tx_ring *tx;
	struct ivshmem_rx_ring *rx;
	uint32_t i;

	CHECK(make_link() == 0);
	tx = &port_of(0)->tx_rings[0];
	rx = &port_of(1)->rx_rings[0];
	tx->pos = rx->pos = rx->published = start;
	tx->limit = start + LINES - 1;
	tx->inner = start - 1;
	control->credits[0][0].consumed = start;
	for (i = 0; i < 1000; i++) {
		CHECK(send_frame(0, i, 150) == 1);
		CHECK(receive_frame(1, i, 150) == 1);
	}
	CHECK(tx->pos == 1000 * 3 - 101);
	return 0;
}

static int
test_link_state(void)
{
	CHECK(make_link() == 0);
	CHECK(rte_eth_dev_stop(ports[1]) == 0);
	CHECK(link_status(0) == RTE_ETH_LINK_DOWN && link_status(1) == RTE_ETH_LINK_DOWN);
	CHECK(send_frame(0, 0, 60) == 0);
	CHECK(rte_eth_dev_start(ports[1]) == 0);
	CHECK(test_port_bring_up(ports) == 0);
	plug_out(1);
	CHECK(link_status(0) == RTE_ETH_LINK_DOWN);
	/* A session that knows of nobody, and one with queues that cannot be. */
	control->sides[1].session = 77;
	CHECK(link_status(0) == RTE_ETH_LINK_DOWN);
	control->sides[1].rx_queues = 2;
	CHECK(log_watch() == 0);
	control->sides[1].session = control->sides[0].session << 32 | 78;
	CHECK(link_status(0) == RTE_ETH_LINK_DOWN);
	CHECK(log_has("it must have 0 to 1"));
	log_unwatch();
	control->sides[1].rx_queues = 1;
	control->sides[1].session = control->sides[0].session << 32 | 79;
	CHECK(link_status(0) == RTE_ETH_LINK_UP);
	return 0;
}

/* A peer whose heart stops is gone, and back when it beats again. */
static int
test_liveness(void)
{
	const struct ivshmem_side gone = { 0 };
	struct ivshmem_side peer;

	CHECK(make_link() == 0);
	peer = control->sides[1];
	plug_out(1);
	control->sides[1] = peer;
	/* As if it had last been seen long ago */
	port_of(0)->link.peer_heartbeat = peer.heartbeat;
	port_of(0)->link.peer_seen = rte_get_timer_cycles() - 4 * rte_get_timer_hz();
	CHECK(link_status(0) == RTE_ETH_LINK_DOWN);
	CHECK(send_frame(0, 0, 60) == 0);
	control->sides[1].heartbeat++;
	CHECK(link_status(0) == RTE_ETH_LINK_UP);
	CHECK(send_frame(0, 0, 60) == 1);
	control->sides[1] = gone;
	return 0;
}

static int
test_stats(void)
{
	struct rte_eth_stats stats;

	CHECK(make_link() == 0);
	CHECK(send_frame(0, 0, 60) == 1 && send_frame(0, 1, 1514) == 1);
	CHECK(receive_frame(1, 0, 60) == 1 && receive_frame(1, 1, 1514) == 1);
	CHECK(rte_eth_stats_get(ports[0], &stats) == 0);
	CHECK(stats.opackets == 2 && stats.obytes == 1574 && stats.oerrors == 0);
	CHECK(rte_eth_stats_get(ports[1], &stats) == 0);
	CHECK(stats.ipackets == 2 && stats.ibytes == 1574 && stats.ierrors == 0);
	CHECK(xstat(1, "rx_line_reads") == 1 + 24 && xstat(0, "tx_credit_reads") == 0);
	CHECK(rte_eth_stats_reset(ports[1]) == 0 && rte_eth_stats_get(ports[1], &stats) == 0);
	CHECK(stats.ipackets == 0 && stats.ibytes == 0);
	CHECK(rte_eth_xstats_reset(ports[1]) == 0 && xstat(1, "rx_line_reads") == 0);
	return 0;
}

static void *
poll_ring(void *stop)
{
	struct rte_mbuf *mbuf;
	cpu_set_t cpus;

	/* On another CPU than the thread that resets, if there is one */
	memset(&cpus, 0xff, sizeof(cpus));
	CPU_CLR(sched_getcpu(), &cpus);
	pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	while (!rte_atomic_load_explicit((bool *)stop, rte_memory_order_relaxed)) {
		if (rte_eth_rx_burst(ports[1], 0, &mbuf, 1) != 0)
			rte_pktmbuf_free(mbuf);
	}
	return NULL;
}

static uint64_t
received(unsigned int role)
{
	struct rte_eth_stats stats = { 0 };

	rte_eth_stats_get(ports[role], &stats);
	return stats.ipackets;
}

/* A burst that runs meanwhile does not bring back what was counted before. */
static int
test_stats_reset(void)
{
	unsigned int n;
	bool stop = false, back = false;
	pthread_t poller;

	CHECK(make_link() == 0);
	CHECK(pthread_create(&poller, NULL, poll_ring, &stop) == 0);
	for (n = 0; n < NB_RESETS && !back; n++) {
		while (send_frame(0, n, 60) != 1)
			sched_yield();
		while (received(1) == 0)
			sched_yield();
		rte_eth_stats_reset(ports[1]);
		back = received(1) != 0;
	}
	rte_atomic_store_explicit(&stop, true, rte_memory_order_relaxed);
	pthread_join(poller, NULL);
	CHECK(!back && received(1) == 0);
	return 0;
}

/* Frames that were not received when a side restarts are lost, those after it are not. */
static int
test_restart(void)
{
	unsigned int role, i;

	CHECK(make_link() == 0);
	for (role = 0; role < 2; role++) {
		for (i = 0; i < LINES - 1; i++)
			CHECK(send_frame(0, i, 60) == 1);
		CHECK(send_frame(0, i, 60) == 0);
		CHECK(receive_frame(1, 0, 60) == 1);
		CHECK(restart(role) == 0 && test_port_bring_up(ports) == 0);
		CHECK(receive_frame(1, 1, 60) == 0);
		for (i = 0; i < 2 * LINES; i++)
			CHECK(send_frame(0, i, 60) == 1 && receive_frame(1, i, 60) == 1);
	}
	CHECK(xstat(0, "peer_restarts") == 1 && xstat(1, "peer_restarts") == 1);
	CHECK(xstat(0, "tx_bad_credits") == 0 && xstat(1, "rx_bad_packets") == 0);
	CHECK(nothing_leaked());
	return 0;
}

static int
test_bad_args(void)
{
	static const struct {
		const char *args;	/* %s is a good path */
		const char *message;
	} bad[] = {
		{ "", "use path=FILE" },
		{ "role=server", "use path=FILE" },
		{ "path=", "use path=FILE" },
		{ "path=%s,role=both", "role=both: use server or client" },
		{ "path=%s,role=", "role=: use server or client" },
		{ "path", "path has no value: use path=VALUE" },
		{ "path=%s,role", "role has no value: use role=VALUE" },
		{ "path=%s,lines", "lines has no value" },
		{ "path=%s,mac", "mac has no value" },
		{ "path=%s,lines=0", "lines=0: use a power of two from 256 to 1048576" },
		{ "path=%s,lines=100", "lines=100: use a power of two" },
		{ "path=%s,lines=32", "lines=32: use a power of two" },
		{ "path=%s,lines=2097152", "lines=2097152: use a power of two" },
		{ "path=%s,lines=-64", "lines=-64: use a power of two" },
		{ "path=%s,lines=64x", "lines=64x: use a power of two" },
		{ "path=%s,lines=99999999999999999999", "use a power of two" },
		{ "path=%s,mac=1:2", "mac=1:2: use a unicast address" },
		{ "path=%s,mac=01:00:00:00:00:01", "use a unicast address" },
		{ "path=%s,mac=00:00:00:00:00:00", "use a unicast address" },
		{ "path=%s,queues=0", "queues=0: use a number from 1 to 16" },
		{ "path=%s,queues=17", "queues=17: use a number from 1 to 16" },
		{ "path=%s,queues=two", "queues=two: use a number from 1 to 16" },
		{ "path=%s,colour=red",
			"valid arguments are path, socket, size, stores, role, lines, queues and "
			"mac" },
		{ "path=%s,stores=fast", "stores=fast: use auto, cached or streaming" },
		{ "path=%s,role=server,role=client", "role is repeated: use it once" },
		{ "path=%s,lines=4096,queues=2",
			"bytes): 2 x 2 rings of 4096 lines need 1052672" },
		{ "path=/dev/shm/test-wc-none", "No such file or directory: create a file" },
		{ "path=/dev/null", "not a regular file" },
		{ "path=/dev/shm", "Is a directory" },
	};
	char args[256];
	unsigned int i;

	CHECK(make_file(SIZE) == 0);
	for (i = 0; i < RTE_DIM(bad); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(args, sizeof(args), bad[i].args, path);
#pragma GCC diagnostic pop
		CHECK(log_watch() == 0);
		if (rte_vdev_init(names[0], args) == 0 || !log_has(bad[i].message)) {
			printf("# '%s' does not fail with '%s'\n", args, bad[i].message);
			return -1;
		}
		log_unwatch();
		CHECK(rte_eth_dev_get_port_by_name(names[0], &ports[0]) != 0);
	}
	return 0;
}

static int
fails_with(unsigned int role, const char *message)
{
	CHECK(log_watch() == 0);
	CHECK(plug_in(role, "") != 0);
	if (!log_has(message)) {
		printf("# no message '%s'\n", message);
		return -1;
	}
	log_unwatch();
	return 0;
}

static int
test_short_memory(void)
{
	static const size_t sizes[] = { 0, 1, IVSHMEM_CONTROL_SIZE - 1, IVSHMEM_CONTROL_SIZE,
		IVSHMEM_CONTROL_SIZE + 2 * IVSHMEM_MIN_RING_LINES * IVSHMEM_LINE - 1 };
	unsigned int i;

	for (i = 0; i < RTE_DIM(sizes); i++) {
		CHECK(make_file(sizes[i]) == 0);
		CHECK(fails_with(0, "region too small") == 0);
		CHECK(fails_with(1, "region too small") == 0);
	}
	CHECK(make_file(sizes[i - 1] + 1) == 0);
	CHECK(plug_in(0, "") == 0 && plug_in(1, "") == 0);
	return 0;
}

/* What was not given: long rings, then as many of them as there is room for. */
static int
test_defaults(void)
{
	static const struct {
		size_t size;
		const char *args;
		uint32_t lines;
		uint32_t rings;
		bool less;	/* than the defaults */
	} cases[] = {
		{ 64 << 20, "", 65536, 4, false },
		{ 32 << 20, "", 65536, 2, true },
		{ 16 << 20, "", 65536, 1, true },
		{ 8 << 20, "", 32768, 1, true },
		{ 4 << 20, "", 16384, 1, true },
		{ 4 << 20, ",queues=4", 4096, 4, true },
		{ 4 << 20, ",lines=4096", 4096, 4, false },
		{ 4 << 20, ",lines=8192", 8192, 2, true },
		{ 4 << 20, ",lines=8192,queues=2", 8192, 2, false },
	};
	unsigned int i;

	for (i = 0; i < RTE_DIM(cases); i++) {
		CHECK(make_file(cases[i].size) == 0);
		CHECK(log_watch() == 0);
		CHECK(plug_in(0, cases[i].args) == 0);
		CHECK(control->geometry.ring_lines == cases[i].lines);
		CHECK(control->geometry.rings == cases[i].rings);
		/* The log says that a larger region has room for more. */
		CHECK(log_has("use a larger region") == cases[i].less);
		log_unwatch();
	}
	return 0;
}

/* How lines are written follows the argument, from the first line on. */
static int
test_stores_argument(void)
{
	static const char * const args[] = { "cached", "streaming" };
	char text[64];
	unsigned int i;

	for (i = 0; i < RTE_DIM(args); i++) {
		CHECK(make_file(SIZE) == 0);
		snprintf(text, sizeof(text), SERVER_ARGS ",stores=%s", args[i]);
		CHECK(plug_in(0, text) == 0 && plug_in(1, "") == 0);
		CHECK(test_port_start(ports[0], pool) == 0);
		CHECK(test_port_start(ports[1], pool) == 0);
		CHECK(test_port_bring_up(ports) == 0);
		CHECK(xstat(0, "tx_streaming_rings") == i);
		CHECK(send_frame(0, 1, 200) == 1 && receive_frame(1, 1, 200) == 1);
	}
	return 0;
}

/* Each makes one field of the header what it must not be. */
#define HEADER(field, value, message) { offsetof(struct ivshmem_geometry, field), \
	sizeof(((struct ivshmem_geometry *)0)->field), value, message }
static const struct {
	size_t offset;
	size_t size;
	uint64_t value;
	const char *message;
} headers[] = {
	HEADER(magic, 1, "not a region of this driver"),
	HEADER(version, 1, "protocol version is 1, this driver supports 2"),
	HEADER(version, 0, "protocol version is 0"),
	HEADER(size, SIZE - 64, "start with a blank region"),
	HEADER(ring_lines, 0, "not a power of two"),
	HEADER(ring_lines, 32, "not a power of two"),
	HEADER(ring_lines, 300, "not a power of two"),
	HEADER(ring_lines, 1U << 31, "not a power of two"),
	HEADER(ring_lines, LINES * 2, "region too small"),
	HEADER(rings, 0, "0 rings in a direction are not 1 to 16"),
	HEADER(rings, 2, "region too small"),
	HEADER(rings, UINT32_MAX, "are not 1 to 16"),
};

static int
test_wrong_header(void)
{
	struct ivshmem_geometry good;
	unsigned int i;

	CHECK(make_file(SIZE) == 0);
	CHECK(fails_with(1, "blank: start the peer with role=server first") == 0);
	CHECK(plug_in(0, SERVER_ARGS) == 0);
	good = control->geometry;
	for (i = 0; i < RTE_DIM(headers); i++) {
		plug_out(0);
		memcpy((uint8_t *)&control->geometry + headers[i].offset, &headers[i].value,
			headers[i].size);
		CHECK(fails_with(1, headers[i].message) == 0);
		CHECK(fails_with(0, headers[i].message) == 0);
		control->geometry = good;
	}
	CHECK(log_watch() == 0);
	CHECK(plug_in(0, ",lines=512,queues=1") != 0);
	CHECK(log_has("region too small"));
	log_unwatch();
	CHECK(plug_in(0, SERVER_ARGS) == 0 && plug_in(1, "") == 0);
	return 0;
}

/* What has been checked at the start is not looked at again. */
static int
test_header_changes_later(void)
{
	CHECK(make_link() == 0);
	memset(&control->geometry, 0xff, sizeof(control->geometry));
	CHECK(send_frame(0, 1, 1000) == 1 && receive_frame(1, 1, 1000) == 1);
	return 0;
}

/* A packet whose length cannot be is counted, and the sides start again. */
static int
test_bad_packets(void)
{
	static const uint32_t bad[] = { 1, 59, IVSHMEM_MAX_FRAME + 1, IVSHMEM_HEADER_LEN };
	struct rte_eth_stats stats;
	unsigned int i;

	CHECK(make_link() == 0);
	for (i = 0; i < RTE_DIM(bad); i++) {
		CHECK(send_frame(0, 0, 60) == 1);
		set_header(0, bad[i] | IVSHMEM_HEADER_FIRST);
		CHECK(receive_frame(1, 0, 0) == 0 && receive_frame(1, 0, 0) == 0);
		CHECK(xstat(1, "rx_bad_packets") == i + 1 && xstat(1, "resyncs") == i);
		CHECK(nothing_leaked());
		/* and then a packet arrives */
		CHECK(test_port_bring_up(ports) == 0 && xstat(1, "resyncs") == i + 1);
		CHECK(send_frame(0, i, 200) == 1 && receive_frame(1, i, 200) == 1);
		CHECK(restart(0) == 0 && test_port_bring_up(ports) == 0);
	}
	CHECK(rte_eth_stats_get(ports[1], &stats) == 0);
	CHECK(stats.ierrors == i && stats.ipackets == i);
	return 0;
}

/* A header that is not there, with packets after it: noticed by what the peer says it has sent. */
static int
test_lost_header(void)
{
	static const uint32_t lost[] = { 0, 1U << 15 | 60, 2 << 16 | 60 };
	unsigned int i, n;

	CHECK(make_link() == 0);
	for (i = 0; i < RTE_DIM(lost); i++) {
		CHECK(send_frame(0, 0, 60) == 1 && send_frame(0, 1, 60) == 1);
		set_header(0, lost[i]);
		for (n = 0; n < 10; n++)
			CHECK(receive_frame(1, 0, 0) == 0);
		/* The sender says so with its heartbeat, the receiver has to hear it twice. */
		CHECK(link_status(0) == RTE_ETH_LINK_UP && link_status(1) == RTE_ETH_LINK_UP);
		for (n = 0; n < 10; n++)
			CHECK(receive_frame(1, 0, 0) == 0);
		link_status(1);
		CHECK(xstat(1, "resyncs") == i + 1);
		CHECK(test_port_bring_up(ports) == 0);
		CHECK(send_frame(0, i, 200) == 1 && receive_frame(1, i, 200) == 1);
		CHECK(restart(0) == 0 && test_port_bring_up(ports) == 0);
	}
	/* A ring in which nothing is missing is left alone, however long nobody looks. */
	CHECK(send_frame(0, 5, 60) == 1);
	for (n = 0; n < 10; n++)
		CHECK(test_port_bring_up(ports) == 0);
	CHECK(xstat(1, "resyncs") == i && receive_frame(1, 5, 60) == 1);
	return 0;
}

/* What is left of a frame in the ring does not look like a packet, whatever was in it. */
static int
test_frames_like_headers(void)
{
	struct rte_mbuf *mbuf;
	uint32_t lap, n, i;

	CHECK(make_link() == 0);
	/* Frames of three lines: other lines start packets in each lap. */
	for (n = 0; n < 3 * LINES; n++) {
		mbuf = rte_pktmbuf_alloc(pool);
		CHECK(mbuf != NULL);
		mbuf->pkt_len = mbuf->data_len = 180;
		lap = port_of(0)->tx_rings[0].pos / LINES;
		for (i = 0; i < 180 / 4; i++)
			rte_pktmbuf_mtod(mbuf, uint32_t *)[i] =
				(lap + (port_of(0)->tx_rings[0].pos + 3) % LINES < 3) << 16 |
				(lap + 1) << 16 | 60;
		CHECK(rte_eth_tx_burst(ports[0], 0, &mbuf, 1) == 1);
		CHECK(rte_eth_rx_burst(ports[1], 0, &mbuf, 1) == 1 && mbuf->pkt_len == 180);
		rte_pktmbuf_free(mbuf);
		CHECK(receive_frame(1, 0, 0) == 0);
	}
	CHECK(xstat(0, "tx_blank_lines") != 0 && xstat(1, "rx_bad_packets") == 0);
	return 0;
}

static int
test_bad_credits(void)
{
	unsigned int i;

	CHECK(make_link() == 0);
	for (i = 0; i < LINES - 1; i++)
		CHECK(send_frame(0, i, 60) == 1);
	control->credits[0][0].consumed = LINES;
	CHECK(send_frame(0, i, 60) == 0);
	control->credits[0][0].consumed = UINT32_MAX - 1;
	CHECK(send_frame(0, i, 60) == 0);
	CHECK(xstat(0, "tx_bad_credits") == 2);
	for (i = 0; i < LINES - 1; i++)
		CHECK(receive_frame(1, i, 60) == 1);
	CHECK(send_frame(0, i, 60) == 1 && receive_frame(1, i, 60) == 1);
	return 0;
}

static int
test_no_mbuf(void)
{
	struct rte_mbuf *taken[NB_MBUFS];
	struct rte_eth_stats stats;
	unsigned int nb;

	CHECK(make_link() == 0);
	CHECK(send_frame(0, 1, 60) == 1);
	for (nb = 0; nb < NB_MBUFS && (taken[nb] = rte_pktmbuf_alloc(pool)) != NULL; nb++)
		;
	CHECK(receive_frame(1, 1, 60) == 0);
	rte_pktmbuf_free_bulk(taken, nb);
	CHECK(rte_eth_stats_get(ports[1], &stats) == 0 && stats.rx_nombuf == 1);
	CHECK(receive_frame(1, 1, 60) == 1);
	return 0;
}

/* A peer that writes anything anywhere, at any time: sanitizers watch. */
static int
test_hostile_peer(void)
{
	struct rte_mbuf *pkts[BURST];
	unsigned int round, i, nb;
	uint32_t where, value;

	CHECK(make_link() == 0);
	srand(1);
	for (round = 0; round < 200000; round++) {
		for (i = 0; i < 8; i++)
			send_frame(0, i, test_frame_len(rand()));
		for (i = 0; i < 4; i++) {
			where = rand() % (round % 2 ? SIZE : sizeof(*control)) / sizeof(value);
			value = rand() % 3 ? (uint32_t)rand() % 2000 : (uint32_t)rand() * 2U;
			((volatile uint32_t *)control)[where] = value;
		}
		if (rand() % 8 == 0)
			set_header(port_of(1)->rx_rings[0].pos, rand() % 0x10000);
		nb = rte_eth_rx_burst(ports[1], 0, pkts, BURST);
		for (i = 0; i < nb; i++)
			CHECK(pkts[i]->pkt_len >= IVSHMEM_MIN_FRAME &&
				pkts[i]->pkt_len <= RTE_ETHER_MTU + 22);
		rte_pktmbuf_free_bulk(pkts, nb);
		link_status(round % 2);
		if (round % 1000 == 0)
			CHECK(restart(0) == 0 && restart(1) == 0);
	}
	CHECK(xstat(1, "rx_bad_packets") > 0 && xstat(0, "resyncs") + xstat(1, "resyncs") > 0);
	CHECK(nothing_leaked());
	/* When it behaves again, so does the port. */
	memset(control->sides, 0, sizeof(control->sides));
	CHECK(restart(0) == 0 && restart(1) == 0 && test_port_bring_up(ports) == 0);
	CHECK(send_frame(0, 1, 200) == 1 && receive_frame(1, 1, 200) == 1);
	return 0;
}

static const struct test_case cases[] = {
	{ "every size, both ways", test_sizes },
	{ "what stands in memory is the protocol", test_wire },
	{ "short frames are padded with zeros", test_short_frames },
	{ "frames that do not fit the link are dropped and counted", test_bad_frames },
	{ "a full ring takes no more and loses nothing", test_full_ring },
	{ "line numbers wrap", test_wrap },
	{ "link state", test_link_state },
	{ "a peer that dies, and one that lives again", test_liveness },
	{ "statistics", test_stats },
	{ "statistics reset while polling", test_stats_reset },
	{ "restart of either side", test_restart },
	{ "bad arguments", test_bad_args },
	{ "short memory", test_short_memory },
	{ "defaults by the size of the memory", test_defaults },
	{ "stores as they were asked for", test_stores_argument },
	{ "wrong header", test_wrong_header },
	{ "a header that changes later does no harm", test_header_changes_later },
	{ "bad packets from the peer", test_bad_packets },
	{ "a header that is lost", test_lost_header },
	{ "frames that look like headers", test_frames_like_headers },
	{ "bad credits from the peer", test_bad_credits },
	{ "no mbufs", test_no_mbuf },
	{ "a hostile peer", test_hostile_peer },
	{ 0 }
};

const struct test_suite ivshmem_suite = {
	.name = "ivshmem",
	.setup = set_up,
	.teardown = tear_down,
	.cases = cases,
};
