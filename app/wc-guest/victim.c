/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * dpdk-wc-guest ... -- ivshmem-victim DEVARGS [NAME=NUMBER...]
 *
 * For devtools/attack-ivshmem: a port whose peer may do anything. It checks each received mbuf;
 * with ASan the gaps between its mbufs are poisoned. It reads commands from standard input, one per
 * line, and answers each with a line: see commands[]. In a secondary process it uses the port of
 * the primary, and ignores DEVARGS. Options: see options[].
 */

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_alarm.h>
#include <rte_bus_vdev.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_interrupts.h>
#include <rte_mbuf.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

#include "check.h"
#include "ivshmem_port.h"
#include "test_frame.h"
#include "wc_guest.h"

#define NAME "net_ivshmem_victim"
#define OTHER_NAME "net_ivshmem_other"
#define BURST 32
#define NB_MBUFS 2047
#define MAX_QUEUES 4
#define LOOKS 256		/* rounds between looks at the commands */
#define SLEEP_MS 20
#define ALARM_US 50000
/* Behind struct rte_mbuf, in front of the data: nobody's. */
#define GAP 64

/* What the callback of a change of the link does when the link is lost */
enum callback { NOTHING, STOP, CLOSE };

static struct {
	unsigned int queues, first, polled, mtu, room, interrupts, lsc;
} opt = { .queues = 1, .polled = MAX_QUEUES, .mtu = 1500, .room = RTE_MBUF_DEFAULT_DATAROOM };

static const struct {
	const char *name;
	unsigned int *value;
} options[] = {
	{ "queues", &opt.queues },		/* of the port */
	{ "first", &opt.first },		/* of those that this process polls */
	{ "polled", &opt.polled },		/* how many it polls */
	{ "mtu", &opt.mtu },
	{ "room", &opt.room },			/* for data in an mbuf, in bytes */
	{ "interrupts", &opt.interrupts },	/* it sleeps when nothing comes */
	{ "lsc", &opt.lsc },			/* it has a callback for changes of the link */
};

static struct {
	char args[PATH_MAX];
	uint16_t port;
	bool primary;
	bool started;
	bool closed;
	bool sends;		/* frames of its own, instead of those that it has received */
	struct rte_mempool *pools[MAX_QUEUES];
	uint64_t random;
	uint64_t received, sent, errors;
	uint64_t sleeps;
	uint32_t looks;		/* at the link of this port */
	uint64_t alarms;	/* of its own: EAL's interrupt thread lives */
	enum callback callback;
	bool calling;		/* the callback wants the port for itself, */
	bool left;		/* and the main thread has left it. */
} victim;

/* Mbufs */

/* Poison what is not the mbuf's own: what is in front of its data and what follows it. */
static void
fence(struct rte_mempool *pool __rte_unused, void *opaque __rte_unused, void *obj __rte_unused,
	unsigned int number __rte_unused)
{
#ifdef __SANITIZE_ADDRESS__
	const struct rte_mbuf *mbuf = obj;

	ASAN_POISON_MEMORY_REGION(RTE_PTR_ADD(obj, sizeof(*mbuf)), GAP);
	/* The mempool is never freed: its trailer is not looked at. */
	ASAN_POISON_MEMORY_REGION(RTE_PTR_ADD(obj, pool->elt_size), pool->trailer_size);
#endif
}

/* One for each queue: a process that is killed may hold only its own. */
static int
make_pools(void)
{
	char name[RTE_MEMPOOL_NAMESIZE];
	unsigned int n;

	for (n = 0; n < opt.queues; n++) {
		snprintf(name, sizeof(name), "victim%u", n);
		victim.pools[n] = rte_pktmbuf_pool_create(name, NB_MBUFS, 0, GAP,
			RTE_PKTMBUF_HEADROOM + opt.room, SOCKET_ID_ANY);
		CHECK(victim.pools[n] != NULL);
		rte_mempool_obj_iter(victim.pools[n], fence, NULL);
	}
	return 0;
}

static unsigned int
missing_mbufs(void)
{
	unsigned int missing = 0, n;

	for (n = 0; n < opt.queues; n++)
		missing += rte_mempool_in_use_count(victim.pools[n]);
	return missing;
}

/* Frames */

static void
complain(const char *what, const struct rte_mbuf *mbuf)
{
	if (victim.errors++ < 10)
		printf("ERROR %s: %u bytes in %u parts, the first of %u\n", what, mbuf->pkt_len,
			mbuf->nb_segs, mbuf->data_len);
}

/* What every received mbuf is, whatever the peer has said. */
static void
check(const struct rte_mbuf *mbuf)
{
	const uint32_t max_len = RTE_MIN(opt.mtu + 14 + 2 * 4, (unsigned int)IVSHMEM_MAX_FRAME);
	const struct rte_mbuf *part;
	uint32_t len = 0, nb = 0;

	for (part = mbuf; part != NULL && nb < mbuf->nb_segs; part = part->next, nb++) {
		if (part->data_len == 0 || part->data_len > opt.room)
			complain("a part of an mbuf", mbuf);
		len += part->data_len;
	}
	if (part != NULL || nb != mbuf->nb_segs || len != mbuf->pkt_len)
		complain("a chain of mbufs", mbuf);
	if (mbuf->pkt_len < IVSHMEM_MIN_FRAME || mbuf->pkt_len > max_len)
		complain("a length", mbuf);
	if (rte_mbuf_refcnt_read(mbuf) != 1 || mbuf->port != victim.port)
		complain("an mbuf", mbuf);
}

static uint16_t
receive(uint16_t queue, struct rte_mbuf **pkts)
{
	const uint16_t nb = rte_eth_rx_burst(victim.port, queue, pkts, BURST);
	uint16_t n;

	for (n = 0; n < nb; n++)
		check(pkts[n]);
	victim.received += nb;
	return nb;
}

static uint16_t
make_frames(uint16_t queue, struct rte_mbuf **pkts)
{
	const uint32_t max_len = RTE_MIN(opt.mtu + 14, opt.room);
	uint16_t n;

	if (rte_pktmbuf_alloc_bulk(victim.pools[queue], pkts, BURST) != 0)
		return 0;
	for (n = 0; n < BURST; n++) {
		victim.random = test_frame_random(victim.random);
		pkts[n]->data_len = IVSHMEM_MIN_FRAME +
			victim.random % (max_len - IVSHMEM_MIN_FRAME + 1);
		pkts[n]->pkt_len = pkts[n]->data_len;
		memset(rte_pktmbuf_mtod(pkts[n], void *), n, pkts[n]->data_len);
	}
	return BURST;
}

/* Whether there was anything to do. */
static bool
poll_queue(uint16_t queue)
{
	struct rte_mbuf *pkts[BURST];
	const uint16_t received = receive(queue, pkts);
	uint16_t nb = received, sent;

	if (victim.sends) {
		rte_pktmbuf_free_bulk(pkts, nb);
		nb = make_frames(queue, pkts);
	}
	sent = rte_eth_tx_burst(victim.port, queue, pkts, nb);
	rte_pktmbuf_free_bulk(pkts + sent, nb - sent);
	victim.sent += sent;
	return received != 0 || victim.sends;
}

static int
sleep_on_queues(void)
{
	struct rte_epoll_event events[MAX_QUEUES];
	unsigned int n;

	for (n = 0; n < opt.queues; n++)
		CHECK(rte_eth_dev_rx_intr_enable(victim.port, n) == 0);
	CHECK(rte_epoll_wait(RTE_EPOLL_PER_THREAD, events, RTE_DIM(events), SLEEP_MS) >= 0);
	for (n = 0; n < opt.queues; n++)
		CHECK(rte_eth_dev_rx_intr_disable(victim.port, n) == 0);
	victim.sleeps++;
	return 0;
}

/* The port */

/* In EAL's interrupt thread, or in the thread that has lost the link: stop or close it there. */
static int
link_changed(uint16_t port, enum rte_eth_event_type type __rte_unused, void *arg __rte_unused,
	void *ret __rte_unused)
{
	const enum callback callback = victim.callback;
	struct rte_eth_link link;

	rte_eth_linkstatus_get(&rte_eth_devices[port], &link);
	if (callback == NOTHING || link.link_status == RTE_ETH_LINK_UP)
		return 0;
	victim.callback = NOTHING;
	rte_atomic_store_explicit(&victim.calling, true, rte_memory_order_release);
	while (!rte_atomic_load_explicit(&victim.left, rte_memory_order_acquire))
		rte_delay_us_sleep(100);
	if (rte_eth_dev_stop(port) != 0 || (callback == CLOSE && rte_eth_dev_close(port) != 0)) {
		printf("ERROR the port cannot be stopped and closed in a callback\n");
		victim.errors++;
	}
	victim.started = false;
	victim.closed = callback == CLOSE;
	rte_atomic_store_explicit(&victim.calling, false, rte_memory_order_release);
	return 0;
}

static int
add_interrupts(void)
{
	unsigned int n;

	for (n = 0; opt.interrupts && n < opt.queues; n++)
		CHECK(rte_eth_dev_rx_intr_ctl_q(victim.port, n, RTE_EPOLL_PER_THREAD,
			RTE_INTR_EVENT_ADD, NULL) == 0);
	return 0;
}

static int
start(const char *arg __rte_unused)
{
	struct rte_eth_conf conf = {
		.intr_conf = { .rxq = opt.interrupts, .lsc = opt.lsc },
		.rxmode.offloads = RTE_ETH_RX_OFFLOAD_SCATTER,
		.txmode.offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS,
	};
	unsigned int n;

	CHECK(rte_eth_dev_configure(victim.port, opt.queues, opt.queues, &conf) == 0);
	CHECK(rte_eth_dev_set_mtu(victim.port, opt.mtu) == 0);
	for (n = 0; n < opt.queues; n++) {
		CHECK(rte_eth_rx_queue_setup(victim.port, n, 0, SOCKET_ID_ANY, NULL,
			victim.pools[n]) == 0);
		CHECK(rte_eth_tx_queue_setup(victim.port, n, 0, SOCKET_ID_ANY, NULL) == 0);
	}
	CHECK(rte_eth_dev_start(victim.port) == 0);
	victim.started = true;
	return add_interrupts();
}

/* Says how many mbufs are not in the pool, of a port that holds none. */
static int
stop(const char *arg __rte_unused)
{
	if (victim.started)
		CHECK(rte_eth_dev_stop(victim.port) == 0);
	victim.started = false;
	printf("missing %u\n", missing_mbufs());
	return 0;
}

static int
attach(const char *arg __rte_unused)
{
	CHECK(rte_vdev_init(NAME, victim.args) == 0);
	CHECK(rte_eth_dev_get_port_by_name(NAME, &victim.port) == 0);
	victim.closed = false;
	victim.looks = 0;
	if (opt.lsc)
		CHECK(rte_eth_dev_callback_register(victim.port, RTE_ETH_EVENT_INTR_LSC,
			link_changed, NULL) == 0);
	return start(NULL);
}

static int
detach(const char *arg __rte_unused)
{
	return rte_vdev_uninit(NAME);
}

/* Try to have one more port, with these arguments, and do without it again. */
static int
try_another(const char *arg)
{
	const int ret = rte_vdev_init(OTHER_NAME, arg);

	printf("other %d\n", -ret);
	return ret == 0 ? rte_vdev_uninit(OTHER_NAME) : 0;
}

static uint64_t
xstat(const char *name)
{
	uint64_t id, value;

	if (rte_eth_xstats_get_id_by_name(victim.port, name, &id) != 0 ||
			rte_eth_xstats_get_by_id(victim.port, &id, &value, 1) != 1)
		return 0;
	return value;
}

/* Commands */

/*
 * As an application that asks often: that is a look at the peer, and a heartbeat, which does not
 * count. It might call the callback, which is for EAL's thread here.
 */
static void
look_at_link(void)
{
	struct rte_eth_link link;

	if (!victim.primary || !victim.started || opt.lsc)
		return;
	if (rte_eth_link_get_nowait(victim.port, &link) == 0)
		victim.looks++;
}

static int
report(const char *arg __rte_unused)
{
	static const char * const xstats[] = {
		"rx_bad_packets", "rx_oversized", "tx_bad_credits", "resyncs", "peer_restarts",
		"tx_doorbells",
	};
	struct rte_eth_link link = { 0 };
	struct rte_eth_dev *dev;
	uint32_t heartbeat = 0;
	unsigned int n;

	look_at_link();
	if (!victim.closed) {
		dev = &rte_eth_devices[victim.port];
		rte_eth_linkstatus_get(dev, &link);
		heartbeat = rte_atomic_load_explicit(&ivshmem_port_of(dev)->link.heartbeat,
			rte_memory_order_relaxed) -
			victim.looks;
	}
	printf("up %u started %u closed %u heartbeat %u alarms %" PRIu64 " received %" PRIu64
		" sent %" PRIu64 " sleeps %" PRIu64 " errors %" PRIu64, link.link_status,
		victim.started, victim.closed, heartbeat,
		rte_atomic_load_explicit(&victim.alarms, rte_memory_order_relaxed),
		victim.received, victim.sent,
		victim.sleeps, victim.errors);
	for (n = 0; !victim.closed && n < RTE_DIM(xstats); n++)
		printf(" %s %" PRIu64, xstats[n], xstat(xstats[n]));
	printf("\n");
	return 0;
}

static int
forward(const char *arg __rte_unused)
{
	victim.sends = false;
	return 0;
}

static int
send_own(const char *arg __rte_unused)
{
	victim.sends = true;
	return 0;
}

static int
stop_when_down(const char *arg __rte_unused)
{
	victim.callback = STOP;
	return 0;
}

static int
close_when_down(const char *arg __rte_unused)
{
	victim.callback = CLOSE;
	return 0;
}

static const struct {
	const char *name;
	int (*run)(const char *arg);
} commands[] = {
	{ "report", report },			/* numbers so far */
	{ "forward", forward },			/* what is received */
	{ "send", send_own },			/* frames, instead of forwarding */
	{ "start", start },
	{ "stop", stop },			/* and say how many mbufs are missing */
	{ "attach", attach },			/* and start */
	{ "detach", detach },
	{ "other", try_another },			/* attach and detach one more port */
	{ "stop-when-down", stop_when_down },	/* in the callback, once */
	{ "close-when-down", close_when_down },
};

static int
run_command(char *line)
{
	char *arg = strchr(line, ' ');
	unsigned int n;

	if (arg != NULL)
		*arg++ = '\0';
	for (n = 0; n < RTE_DIM(commands); n++) {
		if (strcmp(commands[n].name, line) == 0) {
			if (commands[n].run(arg) != 0)
				return -1;
			printf("done %s\n", line);
			return 1;
		}
	}
	printf("no command '%s'\n", line);
	return -1;
}

/* 1 for more, 0 for the end, negative after an error. */
static int
look_at_commands(void)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	char line[PATH_MAX];

	if (poll(&input, 1, 0) <= 0)
		return 1;
	if (fgets(line, sizeof(line), stdin) == NULL)
		return 0;
	line[strcspn(line, "\n")] = '\0';
	return strcmp(line, "quit") == 0 ? 0 : run_command(line);
}

/* The port is the callback's as long as that lasts. */
static void
leave_port(void)
{
	if (!rte_atomic_load_explicit(&victim.calling, rte_memory_order_acquire))
		return;
	rte_atomic_store_explicit(&victim.left, true, rte_memory_order_release);
	while (rte_atomic_load_explicit(&victim.calling, rte_memory_order_acquire))
		rte_delay_us_sleep(100);
	victim.left = false;
}

static bool
poll_queues(void)
{
	const unsigned int end = RTE_MIN(opt.first + opt.polled, opt.queues);
	bool busy = false;
	unsigned int n;

	for (n = opt.first; n < end; n++)
		busy |= poll_queue(n);
	return busy;
}

static int
run(void)
{
	unsigned int round;
	bool busy = true;
	int ret;

	for (round = 0;; round++) {
		if (round % LOOKS == 0 || !busy) {
			ret = look_at_commands();
			if (ret <= 0)
				return ret;
		}
		leave_port();
		if (!victim.started) {
			rte_delay_us_sleep(100);
			continue;
		}
		busy = poll_queues() || !opt.interrupts;
		if (!busy && sleep_on_queues() != 0)
			return -1;
	}
}

static void
alarm_rings(void *arg __rte_unused)
{
	rte_atomic_fetch_add_explicit(&victim.alarms, 1, rte_memory_order_relaxed);
	rte_eal_alarm_set(ALARM_US, alarm_rings, NULL);
}

static int
parse_option(const char *text)
{
	const char *value = strchr(text, '=');
	unsigned int n;

	for (n = 0; value != NULL && n < RTE_DIM(options); n++) {
		if (strncmp(options[n].name, text, value - text) == 0 &&
				strlen(options[n].name) == (size_t)(value - text)) {
			*options[n].value = strtoul(value + 1, NULL, 0);
			return 0;
		}
	}
	fprintf(stderr, "ivshmem-victim: no option '%s'\n", text);
	return -1;
}

static int
parse(int argc, char **argv)
{
	int n;

	if (argc < 2) {
		fprintf(stderr, "usage: dpdk-wc-guest ... -- ivshmem-victim DEVARGS [NAME=NUMBER...]\n");
		return -1;
	}
	snprintf(victim.args, sizeof(victim.args), "%s", argv[1]);
	for (n = 2; n < argc; n++) {
		if (parse_option(argv[n]) != 0)
			return -1;
	}
	if (opt.queues == 0 || opt.queues > MAX_QUEUES) {
		fprintf(stderr, "ivshmem-victim: queues=%u: use 1 to %u\n", opt.queues,
			MAX_QUEUES);
		return -1;
	}
	return 0;
}

/* The primary has started the port. */
static int
join_primary(void)
{
	CHECK(rte_eth_dev_get_port_by_name(NAME, &victim.port) == 0);
	victim.started = true;
	return 0;
}

static int
victim_main(int argc, char **argv)
{
	int ret;

	if (parse(argc, argv) != 0)
		return -1;
	setvbuf(stdin, NULL, _IONBF, 0);
	victim.primary = rte_eal_process_type() == RTE_PROC_PRIMARY;
	if (victim.primary && make_pools() != 0)
		return -1;
	if ((victim.primary ? attach(NULL) : join_primary()) != 0)
		return -1;
	alarm_rings(NULL);
	ret = run();
	rte_eal_alarm_cancel(alarm_rings, NULL);
	if (ret == 0 && victim.primary)
		ret = detach(NULL);
	printf("end: errors %" PRIu64 "\n", victim.errors);
	return ret == 0 && victim.errors == 0 ? 0 : -1;
}

const struct wc_guest_program ivshmem_victim_program = {
	.name = "ivshmem-victim",
	.main = victim_main,
};
