/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * dpdk-wc-guest ... -- ivshmem-traffic PATH server|client QUEUES SEED
 *
 * One side of a link, for devtools/soak-ivshmem: sends frames of all sizes on all queues, and
 * checks length, content and order of received frames. A frame may be missing only where a session
 * ended. Reads commands from standard input, one word per line, and answers each with a line: see
 * commands[].
 */

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_bus_vdev.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "eal_wc_compat.h"
#include "check.h"
#include "ivshmem_link.h"
#include "ivshmem_port.h"
#include "test_frame.h"
#include "wc_guest.h"

#define NAME "net_ivshmem_traffic"
#define BURST 32
#define NB_MBUFS 4095
#define MAX_QUEUES 4
#define LOOKS 64	/* rounds between looks at the commands */
#define SILENCE_S 2

static const char * const xstats[] = {
	"rx_bad_packets", "rx_oversized", "tx_bad_credits", "resyncs", "peer_restarts",
	"dead_owners", "rx_lost_mbufs",
};

/* The start of each frame; the rest follows from it. */
struct __rte_packed_begin tag {
	uint8_t macs[12];
	uint8_t type[2];
	uint16_t queue;
	uint64_t sender;	/* of each process another */
	uint64_t seq;
} __rte_packed_end;

/* What one queue receives */
struct flow {
	uint64_t sender;
	uint64_t next;
	uint64_t session;	/* during which that was received */
	uint64_t good;
};

static struct {
	char args[256];
	uint16_t port;
	uint16_t nb_queues;
	bool started;
	bool quiet;		/* sends nothing */
	bool trusting;		/* what is wrong is an error, and not the peer's doing */
	bool watching;		/* restarts after a silence */
	pid_t secondary;	/* who has the queues instead; 0 for nobody */
	unsigned int nb_pools;
	struct rte_mempool *pool;
	uint64_t random;
	uint64_t sender;
	uint64_t seq[MAX_QUEUES];
	struct flow flows[MAX_QUEUES];
	uint64_t sent, received, wrong, missing, restarts, errors;
	uint64_t counted[RTE_DIM(xstats)];	/* by ports that were closed since */
	uint64_t last;		/* when something good was received */
} side;

static uint64_t
next_random(void)
{
	return test_frame_random(++side.random);
}

static uint32_t
frame_len(uint64_t sender, uint64_t seq)
{
	const uint64_t number = test_frame_random(sender ^ seq * 3);

	/* Now and then a jumbo frame */
	return number % 16 == 0 ?
		TEST_FRAME_MAX + number / 16 % (IVSHMEM_MAX_FRAME - TEST_FRAME_MAX + 1) :
		test_frame_len(number);
}

static void
fill(uint8_t *frame, uint32_t len, uint16_t queue, uint64_t sender, uint64_t seq)
{
	const struct tag tag = {
		.macs = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 }, .type = { 0x88, 0xb5 },
		.queue = queue, .sender = sender, .seq = seq,
	};

	test_frame_fill(frame, len, test_frame_random(sender + seq) + queue);
	memcpy(frame, &tag, sizeof(tag));
}

/* Send */

/* An mbuf, or several in a chain, with these bytes */
static struct rte_mbuf *
make_mbuf(const uint8_t *frame, uint32_t len)
{
	struct rte_mbuf *head = NULL, *mbuf;
	uint32_t part;

	for (; len != 0; frame += part, len -= part) {
		mbuf = rte_pktmbuf_alloc(side.pool);
		if (mbuf == NULL) {
			rte_pktmbuf_free(head);
			return NULL;
		}
		part = RTE_MIN(len, (uint32_t)rte_pktmbuf_tailroom(mbuf));
		memcpy(rte_pktmbuf_append(mbuf, part), frame, part);
		if (head == NULL)
			head = mbuf;
		else
			rte_pktmbuf_chain(head, mbuf);
	}
	return head;
}

static void
send_burst(uint16_t queue)
{
	static uint8_t frame[IVSHMEM_MAX_FRAME];
	struct rte_mbuf *pkts[BURST];
	const uint16_t nb = 1 + next_random() % BURST;
	uint16_t made, sent;
	uint32_t len;

	for (made = 0; made < nb; made++) {
		len = frame_len(side.sender, side.seq[queue] + made);
		fill(frame, len, queue, side.sender, side.seq[queue] + made);
		pkts[made] = make_mbuf(frame, len);
		if (pkts[made] == NULL)
			break;
	}
	sent = rte_eth_tx_burst(side.port, queue, pkts, made);
	rte_pktmbuf_free_bulk(pkts + sent, made - sent);
	side.seq[queue] += sent;
	side.sent += sent;
}

/* Receive */

static struct ivshmem_port *
port_of_side(void)
{
	return rte_eth_devices[side.port].data->dev_private;
}

/* Both numbers of a session: what was lost is lost where they change. */
static uint64_t
session(void)
{
	const struct ivshmem_link *link = &port_of_side()->link;

	return (uint64_t)rte_atomic_load_explicit(&link->session, rte_memory_order_acquire) << 32 |
		rte_atomic_load_explicit(&link->accepted, rte_memory_order_acquire);
}

static bool
is_whole(const uint8_t *frame, uint32_t len, uint16_t queue, const struct tag *tag)
{
	static uint8_t expected[IVSHMEM_MAX_FRAME];

	if (tag->queue != queue || len != frame_len(tag->sender, tag->seq))
		return false;
	fill(expected, len, queue, tag->sender, tag->seq);
	return memcmp(frame, expected, len) == 0;
}

static void
complain(const char *what, uint16_t queue, const struct tag *tag)
{
	if (side.errors++ < 10)
		printf("ERROR queue %u: %s: sender %" PRIx64 " number %" PRIu64
			", expected %" PRIx64 " number %" PRIu64 "\n", queue, what,
			tag->sender, tag->seq,
			side.flows[queue].sender, side.flows[queue].next);
}

/* Whether the one before was received in this session too. */
static void
check_order(uint16_t queue, const struct tag *tag, bool same_session)
{
	struct flow *flow = &side.flows[queue];

	if (tag->sender != flow->sender) {
		if (same_session)
			complain("another sender in a session", queue, tag);
	} else if (tag->seq < flow->next) {
		complain("received before", queue, tag);
	} else if (tag->seq > flow->next) {
		side.missing += tag->seq - flow->next;
		if (same_session)
			complain("lost", queue, tag);
	}
}

static void
check_frame(const struct rte_mbuf *mbuf, uint16_t queue, bool same_session)
{
	static uint8_t buffer[IVSHMEM_MAX_FRAME];
	struct flow *flow = &side.flows[queue];
	const uint8_t *frame = rte_pktmbuf_read(mbuf, 0, mbuf->pkt_len, buffer);
	struct tag tag;

	memcpy(&tag, frame, sizeof(tag));
	side.received++;
	if (!is_whole(frame, mbuf->pkt_len, queue, &tag)) {
		side.wrong++;
		if (side.trusting)
			complain("not what was sent", queue, &tag);
		return;
	}
	if (side.trusting)
		check_order(queue, &tag, same_session);
	flow->sender = tag.sender;
	flow->next = tag.seq + 1;
	flow->good++;
	side.last = rte_get_timer_cycles();
}

static void
receive_burst(uint16_t queue)
{
	struct rte_mbuf *pkts[BURST];
	struct flow *flow = &side.flows[queue];
	const uint64_t before = session();
	const uint16_t nb = rte_eth_rx_burst(side.port, queue, pkts, BURST);
	const uint64_t after = session();
	uint16_t n;

	for (n = 0; n < nb; n++)
		check_frame(pkts[n], queue, before == after && before == flow->session);
	if (nb != 0)
		flow->session = after;
	rte_pktmbuf_free_bulk(pkts, nb);
}

/* Commands */

/* One in which a process may die: DPDK's rings wait for it without end. */
static int
make_pool(void)
{
	char name[32];

	rte_mempool_free(side.pool);
	snprintf(name, sizeof(name), "traffic%u", side.nb_pools++);
	side.pool = rte_pktmbuf_pool_create_by_ops(name, NB_MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
		SOCKET_ID_ANY, "lf_stack");
	return side.pool == NULL ? -1 : 0;
}

static int
start(void)
{
	struct rte_eth_conf conf = { 0 };
	uint16_t n;

	if (side.started)
		return 0;
	conf.rxmode.offloads = RTE_ETH_RX_OFFLOAD_SCATTER;
	conf.txmode.offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	CHECK(rte_eth_dev_configure(side.port, side.nb_queues, side.nb_queues, &conf) == 0);
	CHECK(rte_eth_dev_set_mtu(side.port, 9216) == 0);
	for (n = 0; n < side.nb_queues; n++) {
		CHECK(rte_eth_rx_queue_setup(side.port, n, 0, SOCKET_ID_ANY, NULL, side.pool) == 0);
		CHECK(rte_eth_tx_queue_setup(side.port, n, 0, SOCKET_ID_ANY, NULL) == 0);
	}
	CHECK(rte_eth_dev_start(side.port) == 0);
	side.started = true;
	side.last = rte_get_timer_cycles();
	return 0;
}

/* All mbufs are back when a port has stopped. */
static int
stop(void)
{
	if (!side.started)
		return 0;
	CHECK(rte_eth_dev_stop(side.port) == 0);
	side.started = false;
	if (rte_mempool_avail_count(side.pool) != NB_MBUFS) {
		printf("ERROR %u of %u mbufs in the pool\n", rte_mempool_avail_count(side.pool),
			NB_MBUFS);
		side.errors++;
	}
	return 0;
}

static int
attach(void)
{
	CHECK(rte_vdev_init(NAME, side.args) == 0);
	CHECK(rte_eth_dev_get_port_by_name(NAME, &side.port) == 0);
	return start();
}

static uint64_t
xstat(const char *name)
{
	uint64_t id, value;

	if (rte_eth_xstats_get_id_by_name(side.port, name, &id) != 0 ||
			rte_eth_xstats_get_by_id(side.port, &id, &value, 1) != 1)
		return 0;
	return value;
}

static void
count(void)
{
	unsigned int n;

	for (n = 0; n < RTE_DIM(xstats); n++)
		side.counted[n] += xstat(xstats[n]);
}

static int
detach(void)
{
	count();
	CHECK(stop() == 0);
	return rte_vdev_uninit(NAME);
}

static int
report(void)
{
	struct rte_eth_link link = { 0 };
	unsigned int n;

	CHECK(rte_eth_link_get_nowait(side.port, &link) == 0);
	printf("up %u sent %" PRIu64 " received %" PRIu64 " wrong %" PRIu64 " missing %" PRIu64
		" restarts %" PRIu64 " errors %" PRIu64, link.link_status, side.sent, side.received,
		side.wrong, side.missing, side.restarts, side.errors);
	for (n = 0; n < RTE_DIM(xstats); n++)
		printf(" %s %" PRIu64, xstats[n], side.counted[n] + xstat(xstats[n]));
	for (n = 0; n < side.nb_queues; n++)
		printf(" good%u %" PRIu64 " sender%u %" PRIu64 " next%u %" PRIu64
			" seq%u %" PRIu64, n, side.flows[n].good, n, side.flows[n].sender, n,
			side.flows[n].next, n,
			side.seq[n]);
	printf(" self %" PRIu64 "\n", side.sender);
	return 0;
}

static void
run_secondary(void)
{
	uint16_t n;

	if (ivshmem_link_register("secondary") != 0 || ivshmem_process_claim() != 0)
		return;
	while (side.errors == 0) {
		for (n = 0; n < side.nb_queues; n++) {
			send_burst(n);
			receive_burst(n);
		}
	}
}

static int
give_to_secondary(void)
{
	CHECK(side.started && side.secondary == 0);
	side.secondary = fork();
	if (side.secondary == 0) {
		run_secondary();
		_exit(1);
	}
	return side.secondary > 0 ? 0 : -1;
}

/* Nobody knows what it has sent, received and held: another sender goes on, with another pool. */
static int
kill_secondary(void)
{
	int status;
	uint16_t n;

	CHECK(side.secondary > 0);
	kill(side.secondary, SIGKILL);
	CHECK(waitpid(side.secondary, &status, 0) == side.secondary);
	side.secondary = 0;
	if (!WIFSIGNALED(status)) {
		printf("ERROR the secondary process has ended before\n");
		side.errors++;
	}
	CHECK(rte_eth_dev_stop(side.port) == 0);
	side.started = false;
	CHECK(make_pool() == 0);
	side.sender = next_random();
	for (n = 0; n < side.nb_queues; n++) {
		side.seq[n] = 0;
		side.flows[n].sender = 0;
		side.flows[n].next = 0;
		side.flows[n].session = 0;
	}
	return start();
}

static int
quiet(void)
{
	side.quiet = true;
	return 0;
}

static int
send_again(void)
{
	side.quiet = false;
	return 0;
}

static int
trust(void)
{
	side.trusting = true;
	return 0;
}

static int
distrust(void)
{
	side.trusting = false;
	return 0;
}

static int
watch(void)
{
	side.watching = true;
	return 0;
}

static int
unwatch(void)
{
	side.watching = false;
	return 0;
}

static const struct {
	const char *name;
	int (*run)(void);
} commands[] = {
	{ "report", report },		/* numbers so far */
	{ "start", start },
	{ "stop", stop },		/* and see that all mbufs are back */
	{ "detach", detach },
	{ "attach", attach },		/* and start */
	{ "secondary", give_to_secondary },	/* another process has the queues */
	{ "kill-secondary", kill_secondary },	/* and dies; stop, and start */
	{ "quiet", quiet },		/* receive only */
	{ "send", send_again },
	{ "trust", trust },		/* a wrong frame is an error */
	{ "distrust", distrust },
	{ "watch", watch },		/* stop and start when nothing good came for a while */
	{ "unwatch", unwatch },
};

/* 1 for more, 0 for the end, negative after an error. */
static int
look_at_commands(void)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	char word[32];
	unsigned int n;

	if (poll(&input, 1, 0) <= 0)
		return 1;
	if (fgets(word, sizeof(word), stdin) == NULL)
		return 0;
	word[strcspn(word, "\n")] = '\0';
	if (strcmp(word, "quit") == 0)
		return 0;
	for (n = 0; n < RTE_DIM(commands); n++) {
		if (strcmp(commands[n].name, word) == 0) {
			if (commands[n].run() != 0)
				return -1;
			printf("done %s\n", word);
			return 1;
		}
	}
	printf("no command '%s'\n", word);
	return -1;
}

static int
look_at_watch(void)
{
	if (!side.watching || rte_get_timer_cycles() - side.last < SILENCE_S * rte_get_timer_hz())
		return 0;
	side.restarts++;
	return stop() != 0 || start() != 0 ? -1 : 0;
}

static int
run(void)
{
	unsigned int round, n;
	int ret;

	for (round = 0;; round++) {
		if (round % LOOKS == 0) {
			ret = look_at_commands();
			if (ret <= 0)
				break;
			if (side.started && look_at_watch() != 0)
				return -1;
		}
		for (n = 0; side.started && side.secondary == 0 && n < side.nb_queues; n++) {
			if (!side.quiet)
				send_burst(n);
			receive_burst(n);
		}
		if (!side.started || side.secondary != 0)
			rte_delay_us_sleep(100);
	}
	return ret;
}

static int
traffic_main(int argc, char **argv)
{
	if (argc != 5) {
		fprintf(stderr, "usage: dpdk-wc-guest ... -- ivshmem-traffic PATH server|client QUEUES "
			"SEED\n");
		return -1;
	}
	setvbuf(stdin, NULL, _IONBF, 0);
	side.nb_queues = RTE_MAX(1, RTE_MIN(atoi(argv[3]), MAX_QUEUES));
	snprintf(side.args, sizeof(side.args), "path=%s,role=%s", argv[1], argv[2]);
	/* The server lays out the region: enough queues, and rings that are full and wrap often. */
	if (strcmp(argv[2], "server") == 0)
		snprintf(side.args + strlen(side.args), sizeof(side.args) - strlen(side.args),
			",lines=4096,queues=%u", side.nb_queues);
	side.trusting = true;
	side.random = strtoull(argv[4], NULL, 0);
	side.sender = next_random();
	CHECK(make_pool() == 0);
	CHECK(attach() == 0);
	if (run() < 0 || detach() != 0)
		return -1;
	printf("end: errors %" PRIu64 "\n", side.errors);
	return side.errors == 0 ? 0 : -1;
}

const struct wc_guest_program ivshmem_traffic_program = {
	.name = "ivshmem-traffic",
	.main = traffic_main,
};
