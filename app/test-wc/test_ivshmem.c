/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_bus_vdev.h>
#include <rte_common.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "ivshmem_proto.h"
#include "test.h"
#include "test_frame.h"
#include "test_port.h"

#define LINES 256
#define SIZE (IVSHMEM_CONTROL_SIZE + 2 * LINES * IVSHMEM_LINE)
#define NB_MBUFS 1023
#define BURST 32

static const char * const names[2] = { "net_ivshmem_server", "net_ivshmem_client" };

static char path[64];
static struct ivshmem_control *control;	/* the file as the test sees it */
static size_t mapped;
static uint16_t ports[2];
static bool plugged[2];
static struct rte_mempool *pool;

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

/* Both ends of a link, started, over a blank file. */
static int
make_link(void)
{
	CHECK(make_file(SIZE) == 0);
	CHECK(plug_in(0, ",lines=256") == 0 && plug_in(1, "") == 0);
	CHECK(test_port_start(ports[0], pool) == 0);
	CHECK(test_port_start(ports[1], pool) == 0);
	return 0;
}

static void
tear_down(void)
{
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
	return pool == NULL ? -1 : 0;
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
	uint64_t id, value;

	if (rte_eth_xstats_get_id_by_name(ports[role], name, &id) != 0 ||
			rte_eth_xstats_get_by_id(ports[role], &id, &value, 1) != 1)
		return UINT64_MAX;
	return value;
}

/* All mbufs are back in the pool. */
static bool
nothing_leaked(void)
{
	return rte_mempool_avail_count(pool) == NB_MBUFS;
}

static int
test_sizes(void)
{
	uint32_t len;

	CHECK(make_link() == 0);
	for (len = IVSHMEM_MIN_FRAME; len <= IVSHMEM_MAX_FRAME; len++) {
		CHECK(send_frame(0, len, len) == 1 && send_frame(1, ~len, len) == 1);
		CHECK(receive_frame(1, len, len) == 1 && receive_frame(0, ~len, len) == 1);
		CHECK(receive_frame(1, 0, 0) == 0);
	}
	CHECK(nothing_leaked());
	return 0;
}

/* A ring's bytes, as the protocol says: a smallest frame and its header are one line. */
static int
test_wire(void)
{
	uint8_t frame[IVSHMEM_MIN_FRAME];
	const uint8_t *line;

	CHECK(make_link() == 0);
	CHECK(control->geometry.magic == IVSHMEM_MAGIC && control->geometry.ring_lines == LINES);
	CHECK(send_frame(0, 7, 61) == 1 && send_frame(0, 8, IVSHMEM_MIN_FRAME) == 1);
	CHECK(control->rings[0].produced.value == 3 && control->rings[1].produced.value == 0);
	line = (const uint8_t *)control + control->geometry.slots[0] + 2 * IVSHMEM_LINE;
	test_frame_fill(frame, sizeof(frame), 8);
	CHECK(line[0] == IVSHMEM_MIN_FRAME && line[1] == 0 && line[2] == 2 && line[3] == 0);
	CHECK(memcmp(line + 4, frame, sizeof(frame)) == 0);
	CHECK(receive_frame(1, 7, 61) == 1 && receive_frame(1, 8, IVSHMEM_MIN_FRAME) == 1);
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
	pkts[2]->next = rte_pktmbuf_alloc(pool);
	CHECK(pkts[2]->next != NULL);
	pkts[2]->next->data_len = 10;
	pkts[2]->pkt_len += 10;
	pkts[2]->nb_segs = 2;
	CHECK(rte_eth_tx_burst(ports[0], 0, pkts, RTE_DIM(pkts)) == RTE_DIM(pkts));
	CHECK(receive_frame(1, 0, 100) == 1 && receive_frame(1, 3, 100) == 1);
	CHECK(receive_frame(1, 0, 0) == 0);
	CHECK(rte_eth_stats_get(ports[0], &stats) == 0);
	CHECK(stats.opackets == 2 && stats.obytes == 200 && stats.oerrors == 2);
	CHECK(xstat(0, "tx_bad_frames") == 2);
	CHECK(nothing_leaked());
	return 0;
}

/* A full ring takes no more, loses nothing, and goes on when lines come back, over its end. */
static int
test_full_ring(void)
{
	uint64_t sent = 0, received = 0;
	unsigned int round;
	uint32_t len;

	CHECK(make_link() == 0);
	for (round = 0; round < 100; round++) {
		while (len = test_frame_len(sent), send_frame(0, sent, len) == 1)
			sent++;
		CHECK(sent > received);
		while (len = test_frame_len(received), receive_frame(1, received, len) == 1)
			received++;
		CHECK(received == sent);
	}
	CHECK(nothing_leaked());
	return 0;
}

/* Line numbers wrap at 2^32, and those in packets at 2^16. */
static int
test_wrap(void)
{
	uint32_t i;

	CHECK(make_file(SIZE) == 0);
	CHECK(plug_in(0, ",lines=256") == 0 && plug_in(1, "") == 0);
	control->rings[0].produced.value = control->rings[0].consumed.value = UINT32_MAX - 100;
	CHECK(test_port_start(ports[0], pool) == 0);
	CHECK(test_port_start(ports[1], pool) == 0);
	for (i = 0; i < 1000; i++) {
		CHECK(send_frame(0, i, 150) == 1);
		CHECK(receive_frame(1, i, 150) == 1);
	}
	CHECK(control->rings[0].produced.value == 1000 * 3 - 101);
	return 0;
}

static int
link_status(unsigned int role)
{
	struct rte_eth_link link;

	return rte_eth_link_get_nowait(ports[role], &link) == 0 ? link.link_status : -1;
}

static int
test_link_state(void)
{
	CHECK(make_link() == 0);
	CHECK(link_status(0) == RTE_ETH_LINK_UP);
	CHECK(rte_eth_dev_stop(ports[1]) == 0);
	CHECK(link_status(0) == RTE_ETH_LINK_DOWN);
	CHECK(rte_eth_dev_start(ports[1]) == 0);
	CHECK(link_status(0) == RTE_ETH_LINK_UP);
	plug_out(1);
	CHECK(link_status(0) == RTE_ETH_LINK_DOWN);
	control->state[1].value = 77;
	CHECK(link_status(0) == RTE_ETH_LINK_DOWN);
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
	CHECK(xstat(1, "rx_link_reads") == 1 && xstat(0, "tx_link_reads") == 0);
	CHECK(rte_eth_stats_reset(ports[1]) == 0 && rte_eth_stats_get(ports[1], &stats) == 0);
	CHECK(stats.ipackets == 0 && stats.ibytes == 0);
	CHECK(rte_eth_xstats_reset(ports[1]) == 0 && xstat(1, "rx_link_reads") == 0);
	return 0;
}

/* Frames that were not received when a side restarts: the receiver drops, the sender waits. */
static int
test_restart(void)
{
	unsigned int i;

	CHECK(make_link() == 0);
	for (i = 0; i < LINES; i++)
		CHECK(send_frame(0, i, 60) == 1);
	CHECK(restart(0) == 0);
	CHECK(send_frame(0, i, 60) == 0);
	for (i = 0; i < 100; i++)
		CHECK(receive_frame(1, i, 60) == 1);
	CHECK(restart(1) == 0);
	CHECK(receive_frame(1, i, 60) == 0);
	CHECK(send_frame(0, 555, 60) == 1 && receive_frame(1, 555, 60) == 1);
	CHECK(xstat(0, "tx_bad_indexes") == 0 && xstat(1, "rx_bad_packets") == 0);
	return 0;
}

static int
test_bad_args(void)
{
	static const struct {
		const char *args;	/* %s is a good path */
		const char *message;
	} bad[] = {
		{ "", "give path=FILE" },
		{ "role=server", "give path=FILE" },
		{ "path=", "give path=FILE" },
		{ "path=%s,role=both", "role=both: give server or client" },
		{ "path=%s,role=", "role=: give server or client" },
		{ "path", "path has no value: give path=VALUE" },
		{ "path=%s,role", "role has no value: give role=VALUE" },
		{ "path=%s,lines", "lines has no value" },
		{ "path=%s,mac", "mac has no value" },
		{ "path=%s,lines=0", "lines=0: give a power of two from 64 to 1048576" },
		{ "path=%s,lines=100", "lines=100: give a power of two" },
		{ "path=%s,lines=32", "lines=32: give a power of two" },
		{ "path=%s,lines=2097152", "lines=2097152: give a power of two" },
		{ "path=%s,lines=-64", "lines=-64: give a power of two" },
		{ "path=%s,lines=64x", "lines=64x: give a power of two" },
		{ "path=%s,lines=99999999999999999999", "give a power of two" },
		{ "path=%s,mac=1:2", "mac=1:2: give a unicast address" },
		{ "path=%s,mac=01:00:00:00:00:01", "give a unicast address" },
		{ "path=%s,mac=00:00:00:00:00:00", "give a unicast address" },
		{ "path=%s,colour=red", "valid arguments are path, role, lines and mac" },
		{ "path=%s,role=server,role=client", "role is given twice" },
		{ "path=%s,lines=4096", "are too few, 4096 lines in a ring need 528384" },
		{ "path=/dev/shm/test-wc-none", "No such file or directory: make a file" },
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
		CHECK(fails_with(0, "bytes are too few") == 0);
		CHECK(fails_with(1, "bytes are too few") == 0);
	}
	CHECK(make_file(sizes[i - 1] + 1) == 0);
	CHECK(plug_in(0, "") == 0 && plug_in(1, "") == 0);
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
	HEADER(version, 2, "protocol version is 2, this driver speaks 1"),
	HEADER(version, 0, "protocol version is 0"),
	HEADER(size, SIZE - 64, "start with a blank region"),
	HEADER(ring_lines, 0, "not a power of two"),
	HEADER(ring_lines, 32, "not a power of two"),
	HEADER(ring_lines, 100, "not a power of two"),
	HEADER(ring_lines, 1U << 31, "not a power of two"),
	HEADER(ring_lines, LINES * 2, "is not in the region"),
	HEADER(slots[0], 0, "ring 0 at 0 with"),
	HEADER(slots[0], IVSHMEM_CONTROL_SIZE + 1, "is not in the region"),
	HEADER(slots[1], SIZE, "ring 1 at"),
	HEADER(slots[1], UINT64_MAX - 63, "is not in the region"),
	HEADER(slots[1], IVSHMEM_CONTROL_SIZE + 64, "overlap"),
};

static int
test_wrong_header(void)
{
	struct ivshmem_geometry good;
	unsigned int i;

	CHECK(make_file(SIZE) == 0);
	CHECK(fails_with(1, "blank: start the peer with role=server first") == 0);
	CHECK(plug_in(0, ",lines=256") == 0);
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
	CHECK(plug_in(0, ",lines=128") != 0);
	CHECK(log_has("laid out with 256 lines in a ring, not 128: give lines=256"));
	log_unwatch();
	CHECK(plug_in(0, ",lines=256") == 0 && plug_in(1, "") == 0);
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

static struct ivshmem_packet *
packet_at(uint32_t line)
{
	return RTE_PTR_ADD(control, IVSHMEM_CONTROL_SIZE + (line % LINES) * IVSHMEM_LINE);
}

/* A packet whose header the peer breaks is counted, what it has sent by then is dropped. */
static int
test_bad_packets(void)
{
	static const struct {
		uint16_t len;
		uint16_t line;		/* off by this */
	} bad[] = {
		{ 0, 0 }, { 59, 0 }, { 1515, 0 }, { UINT16_MAX, 0 }, { 60, 1 }, { 60, UINT16_MAX },
		{ 61, 0 } /* one line more than there is */, { 1514, 0 },
	};
	struct rte_eth_stats stats;
	uint32_t line;
	unsigned int i;

	CHECK(make_link() == 0);
	for (i = 0; i < RTE_DIM(bad); i++) {
		line = control->rings[0].produced.value;
		CHECK(send_frame(0, 0, 60) == 1);
		packet_at(line)->len = bad[i].len;
		packet_at(line)->line += bad[i].line;
		CHECK(receive_frame(1, 0, 0) == 0);
		CHECK(xstat(1, "rx_bad_packets") == i + 1);
		CHECK(nothing_leaked());
		/* and the next one arrives */
		CHECK(send_frame(0, i, 200) == 1 && receive_frame(1, i, 200) == 1);
	}
	CHECK(rte_eth_stats_get(ports[1], &stats) == 0);
	CHECK(stats.ierrors == i && stats.ipackets == i);
	return 0;
}

static int
test_bad_indexes(void)
{
	unsigned int i;

	CHECK(make_link() == 0);
	control->rings[0].produced.value = LINES + 1;
	CHECK(receive_frame(1, 0, 0) == 0);
	control->rings[0].produced.value = UINT32_MAX;
	CHECK(receive_frame(1, 0, 0) == 0);
	CHECK(xstat(1, "rx_bad_indexes") == 2 && xstat(1, "rx_bad_packets") == 0);
	control->rings[0].produced.value = 0;

	for (i = 0; i < LINES; i++)
		CHECK(send_frame(0, i, 60) == 1);
	control->rings[0].consumed.value = LINES + 1;
	CHECK(send_frame(0, i, 60) == 0);
	CHECK(xstat(0, "tx_bad_indexes") != 0);
	for (i = 0; i < LINES; i++)
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
		nb = rte_eth_rx_burst(ports[1], 0, pkts, BURST);
		for (i = 0; i < nb; i++)
			CHECK(pkts[i]->pkt_len >= IVSHMEM_MIN_FRAME &&
				pkts[i]->pkt_len <= IVSHMEM_MAX_FRAME);
		rte_pktmbuf_free_bulk(pkts, nb);
		if (round % 1000 == 0)
			CHECK(restart(0) == 0 && restart(1) == 0);
	}
	CHECK(xstat(1, "rx_bad_packets") > 0 && xstat(1, "rx_bad_indexes") > 0);
	CHECK(nothing_leaked());
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
	{ "statistics", test_stats },
	{ "restart of either side", test_restart },
	{ "bad arguments", test_bad_args },
	{ "short memory", test_short_memory },
	{ "wrong header", test_wrong_header },
	{ "a header that changes later does no harm", test_header_changes_later },
	{ "bad packets from the peer", test_bad_packets },
	{ "bad indexes from the peer", test_bad_indexes },
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
