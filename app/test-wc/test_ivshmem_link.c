/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/* Sessions, heartbeat and link state, and who may be at the rings when. */

#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <rte_alarm.h>
#include <rte_bus_vdev.h>
#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "ivshmem_ethdev.h"
#include "ivshmem_link.h"
#include "test.h"
#include "test_frame.h"
#include "test_port.h"

#define NB_MBUFS 1023
#define NB_KILLS 50
#define NB_STARTS 500
#define PATIENCE_S 60
/* Of the ring that a page holds, so that one can be taken away */
#define PAGE 4096
#define PAGE_LINES (PAGE / IVSHMEM_LINE)

static const char * const names[2] = { "net_ivshmem_link0", "net_ivshmem_link1" };

static char path[64];
static struct ivshmem_control *control;	/* the file as the test sees it */
static size_t mapped;
static uint16_t ports[2];
static struct rte_mempool *pool;

static void
plug_out(void)
{
	unsigned int role;

	for (role = 0; role < 2; role++)
		rte_vdev_uninit(names[role]);
	if (control != NULL)
		munmap(control, mapped);
	control = NULL;
}

/* Two ports over a blank file. */
static int
plug_in(uint32_t lines, uint32_t queues)
{
	unsigned int role;
	char args[256];
	int fd;

	plug_out();
	mapped = ivshmem_region_size(queues, lines);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	CHECK(fd >= 0 && ftruncate(fd, mapped) == 0);
	control = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	CHECK(control != MAP_FAILED);
	for (role = 0; role < 2; role++) {
		snprintf(args, sizeof(args), "path=%s,role=%s", path,
			role == 0 ? "server" : "client");
		if (role == 0)
			snprintf(args + strlen(args), sizeof(args) - strlen(args),
				",lines=%u,queues=%u", lines, queues);
		CHECK(rte_vdev_init(names[role], args) == 0);
		CHECK(rte_eth_dev_get_port_by_name(names[role], &ports[role]) == 0);
	}
	return 0;
}

static void
tear_down(void)
{
	plug_out();
	rte_mempool_free(pool);
	unlink(path);
}

static int
set_up(void)
{
	snprintf(path, sizeof(path), "/dev/shm/test-link-%d", getpid());
	/* One in which a process may die: DPDK's rings wait for it without end. */
	pool = rte_pktmbuf_pool_create_by_ops("test-link", NB_MBUFS, 0, 0,
		RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY, "lf_stack");
	return pool == NULL ? -1 : 0;
}

static int
link_status(unsigned int role)
{
	struct rte_eth_link link;

	return rte_eth_link_get_nowait(ports[role], &link) == 0 ? link.link_status : -1;
}

static struct ivshmem_port *
port_of(unsigned int role)
{
	return rte_eth_devices[ports[role]].data->dev_private;
}

static uint64_t
xstat(unsigned int role, const char *name)
{
	return test_port_xstat(ports[role], name);
}

/* Send frames in one burst; how many were taken. */
static int
send_long_frames(unsigned int role, uint16_t nb, uint32_t len)
{
	struct rte_mbuf *pkts[2 * PAGE_LINES];
	uint16_t n, sent;

	if (rte_pktmbuf_alloc_bulk(pool, pkts, nb) != 0)
		return -1;
	for (n = 0; n < nb; n++) {
		test_frame_fill(rte_pktmbuf_mtod(pkts[n], uint8_t *), len, n);
		pkts[n]->data_len = pkts[n]->pkt_len = len;
	}
	sent = rte_eth_tx_burst(ports[role], 0, pkts, nb);
	rte_pktmbuf_free_bulk(pkts + sent, nb - sent);
	return sent;
}

/* Frames of one line each */
static int
send_frames(unsigned int role, uint16_t nb)
{
	return send_long_frames(role, nb, IVSHMEM_MIN_FRAME);
}

/* Receive a burst of these; how many have come, -1 if one is not what was sent. */
static int
receive_frames(unsigned int role, uint16_t nb)
{
	struct rte_mbuf *pkts[2 * PAGE_LINES];
	uint16_t n, received;
	int ret;

	received = rte_eth_rx_burst(ports[role], 0, pkts, nb);
	ret = received;
	for (n = 0; n < received; n++) {
		if (!test_frame_check(rte_pktmbuf_mtod(pkts[n], uint8_t *), IVSHMEM_MIN_FRAME, n))
			ret = -1;
	}
	rte_pktmbuf_free_bulk(pkts, received);
	return ret;
}

static void
drain(unsigned int role)
{
	while (receive_frames(role, 64) != 0)
		;
}

/* Frames go both ways. */
static int
exchange(void)
{
	unsigned int role;

	for (role = 0; role < 2; role++) {
		CHECK(send_frames(role, 20) == 20);
		CHECK(receive_frames(!role, 64) == 20);
	}
	return 0;
}

/* All mbufs that are free, each once; their number, -1 if one is there twice. */
static int
free_mbufs(void)
{
	struct rte_mbuf *mbufs[NB_MBUFS];
	int nb = 0, n, other;
	bool twice = false;

	while (nb < NB_MBUFS && (mbufs[nb] = rte_pktmbuf_alloc(pool)) != NULL)
		nb++;
	for (n = 0; n < nb; n++) {
		for (other = 0; other < n; other++)
			twice |= mbufs[n] == mbufs[other];
	}
	rte_pktmbuf_free_bulk(mbufs, nb);
	return twice ? -1 : nb;
}

/* A peer that says nonsense in turn with sense is logged now and then, and how often it was not. */
static int
test_log_limit(void)
{
	const char * const line = "the peer reports";
	uint32_t number;

	CHECK(plug_in(IVSHMEM_MIN_RING_LINES, 1) == 0);
	CHECK(test_port_start(ports[0], pool) == 0);
	CHECK(log_watch() == 0);
	for (number = 1; number <= 100; number++) {
		control->sides[1].heartbeat++;
		control->sides[1].rx_queues = 1 + number % 2;
		control->sides[1].tx_queues = 1;
		control->sides[1].session = control->sides[0].session << 32 | number;
		link_status(0);
	}
	CHECK(log_count(line) == IVSHMEM_LOG_LINES);
	/* As if it were later */
	port_of(0)->link.complaints.start -= (IVSHMEM_LOG_PERIOD_S + 1) * rte_get_timer_hz();
	control->sides[1].rx_queues = 2;
	control->sides[1].session = control->sides[0].session << 32 | number;
	link_status(0);
	CHECK(log_count(line) == IVSHMEM_LOG_LINES + 1);
	CHECK(log_has("40 lines like the next one were not logged"));
	log_unwatch();
	return 0;
}

/* Processes that die: children, which to the driver are secondary processes */

static void
die(int number __rte_unused)
{
	kill(getpid(), SIGKILL);
}

/* In the child: the second page of a ring's lines, by which it dies in the middle of a burst. */
static void
take_page(unsigned int direction, void (*handler)(int))
{
	uint8_t *ring = (uint8_t *)(uintptr_t)port_of(0)->region.control +
		ivshmem_ring_offset(1, IVSHMEM_MIN_RING_LINES, direction, 0);

	signal(SIGSEGV, handler);
	mprotect(ring + PAGE, PAGE, PROT_NONE);
}

/* Run something in a process of its own, which does not end of its own accord. */
static pid_t
run_child(void (*run)(void))
{
	pid_t child = fork();

	if (child != 0)
		return child;
	if (ivshmem_link_register("child") == 0 && ivshmem_process_claim() == 0)
		run();
	_exit(1);
}

static int
wait_killed(pid_t child)
{
	int status;

	CHECK(child > 0 && waitpid(child, &status, 0) == child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	return 0;
}

static void
die_in_rx(void)
{
	take_page(1, die);
	receive_frames(0, 2 * PAGE_LINES);
}

static void
die_in_tx(void)
{
	take_page(0, die);
	send_frames(0, 2 * PAGE_LINES);
}

static int
make_link(void)
{
	CHECK(plug_in(IVSHMEM_MIN_RING_LINES, 1) == 0);
	CHECK(test_port_start(ports[0], pool) == 0 && test_port_start(ports[1], pool) == 0);
	return test_port_bring_up(ports);
}

static int
stop_both(void)
{
	CHECK(rte_eth_dev_stop(ports[0]) == 0 && rte_eth_dev_stop(ports[1]) == 0);
	return 0;
}

/* A process that dies in the middle of a burst holds up nobody, and the rings are set up again. */
static int
test_dies_in_rx(void)
{
	int before;

	CHECK(make_link() == 0 && exchange() == 0);
	/* Of two lines each: when it dies, there are mbufs in its hands and in the stash. */
	CHECK(send_long_frames(1, PAGE_LINES, 100) == PAGE_LINES);
	before = free_mbufs() + port_of(0)->rxqs[0].nb_stash + port_of(1)->rxqs[0].nb_stash;
	CHECK(log_watch() == 0);
	CHECK(wait_killed(run_child(die_in_rx)) == 0);
	/* It is not for the next one before the link has seen to it. */
	CHECK(receive_frames(0, 64) == 0);
	CHECK(test_port_bring_up(ports) == 0);
	CHECK(log_count("a process died within a burst of receive queue 0") == 1);
	log_unwatch();
	CHECK(xstat(0, "dead_owners") == 1 && xstat(0, "resyncs") == 1);
	CHECK(xstat(0, "rx_lost_mbufs") > 0 && xstat(0, "rx_lost_mbufs") <= IVSHMEM_STASH);
	CHECK(exchange() == 0);
	CHECK(stop_both() == 0);
	/* What the burst had is lost, too. */
	CHECK(free_mbufs() >= before - PAGE_LINES && free_mbufs() < before);
	return 0;
}

static int
test_dies_in_tx(void)
{
	int before;

	CHECK(make_link() == 0 && exchange() == 0);
	before = free_mbufs();
	CHECK(wait_killed(run_child(die_in_tx)) == 0);
	CHECK(send_frames(0, 1) == 0);
	CHECK(test_port_bring_up(ports) == 0);
	CHECK(xstat(0, "dead_owners") == 1 && xstat(0, "resyncs") == 1);
	CHECK(exchange() == 0);
	CHECK(stop_both() == 0 && free_mbufs() >= before - 2 * PAGE_LINES);
	return 0;
}

/* Stop is the first to notice. */
static int
test_dies_before_stop(void)
{
	CHECK(make_link() == 0 && exchange() == 0);
	CHECK(send_frames(1, PAGE_LINES) == PAGE_LINES && send_frames(1, 60) == 60);
	CHECK(wait_killed(run_child(die_in_rx)) == 0);
	/* The heartbeat may be first, all the same. */
	CHECK(stop_both() == 0 && xstat(0, "dead_owners") == 1);
	CHECK(rte_eth_dev_start(ports[0]) == 0 && rte_eth_dev_start(ports[1]) == 0);
	CHECK(test_port_bring_up(ports) == 0 && exchange() == 0);
	CHECK(free_mbufs() > 0);
	return 0;
}

/* As a peer that has accepted this side's session */
static void
answer(uint32_t number)
{
	volatile struct ivshmem_side *peer = &control->sides[1];

	peer->rx_queues = 1;
	peer->tx_queues = 1;
	peer->heartbeat++;
	peer->session = control->sides[0].session << 32 | number;
}

/* The last port of a process, which is closed while it runs, as a device that is plugged out. */
static int
test_dies_before_close(void)
{
	struct rte_eth_dev *dev;

	CHECK(plug_in(IVSHMEM_MIN_RING_LINES, 1) == 0);
	CHECK(rte_vdev_uninit(names[1]) == 0);
	CHECK(test_port_start(ports[0], pool) == 0);
	answer(1);
	CHECK(link_status(0) == RTE_ETH_LINK_UP);
	CHECK(wait_killed(run_child(die_in_tx)) == 0);
	dev = &rte_eth_devices[ports[0]];
	CHECK(ivshmem_ethdev_close(dev) == 0 && rte_eth_dev_release_port(dev) == 0);
	return 0;
}

/* What children tell. */
static volatile uint32_t *progress;

static int
share_progress(void)
{
	progress = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return progress != MAP_FAILED ? 0 : -1;
}

static void
die_as_owner(void)
{
	*progress = ivshmem_process_token | IVSHMEM_GATE_BUSY;
	die(0);
}

/* As if processes died within a burst in turn */
static int
test_deaths_log_limit(void)
{
	const unsigned int deaths = 2 * IVSHMEM_LOG_LINES;
	struct ivshmem_gate *gate;
	unsigned int n;

	CHECK(share_progress() == 0 && make_link() == 0);
	CHECK(wait_killed(run_child(die_as_owner)) == 0);
	/* Without a peer a session ends at each look. */
	CHECK(rte_eth_dev_stop(ports[1]) == 0 && link_status(0) == RTE_ETH_LINK_DOWN);
	gate = &port_of(0)->txqs[0].gate;
	CHECK(log_watch() == 0);
	for (n = 0; n < deaths; n++) {
		rte_atomic_store_explicit(&gate->owner, *progress, rte_memory_order_release);
		link_status(0);
	}
	CHECK(log_count("a process died within a burst of") == IVSHMEM_LOG_LINES);
	CHECK(xstat(0, "dead_owners") == deaths);
	log_unwatch();
	munmap((void *)(uintptr_t)progress, PAGE);
	return 0;
}

static void
poll_queues(void)
{
	while (true) {
		send_frames(0, 8);
		*progress += receive_frames(0, 8) > 0;
	}
}

/* Wherever it is killed, and whatever it then does not give back. */
static int
test_killed_while_it_polls(void)
{
	unsigned int n, deaths;

	CHECK(share_progress() == 0 && make_link() == 0);
	for (n = 0; n < NB_KILLS; n++) {
		const uint32_t start = *progress;
		const pid_t child = run_child(poll_queues);

		while (*progress - start < 100) {
			send_frames(1, 8);
			receive_frames(1, 8);
			/* Each may take with it what it had. */
			if (free_mbufs() < NB_MBUFS / 2)
				break;
		}
		kill(child, SIGKILL);
		CHECK(wait_killed(child) == 0);
		if (n % 2 == 0) {
			CHECK(stop_both() == 0);
			CHECK(rte_eth_dev_start(ports[0]) == 0 && rte_eth_dev_start(ports[1]) == 0);
		}
		CHECK(test_port_bring_up(ports) == 0);
		drain(0);
		drain(1);
		CHECK(exchange() == 0);
		if (free_mbufs() < NB_MBUFS / 2)
			break;
	}
	deaths = xstat(0, "dead_owners");
	printf("# %u kills, %u of them within a burst, %d of %u mbufs left\n", n, deaths,
		free_mbufs(),
		NB_MBUFS);
	CHECK(free_mbufs() > 0);
	munmap((void *)(uintptr_t)progress, PAGE);
	return 0;
}

/* The interrupt of the link's state, with EAL's own alarms */

enum reaction {
	REACTION_NONE,
	REACTION_STOP,
	REACTION_CLOSE,
	REACTION_RESTART,
};

static struct {
	enum reaction reaction;
	int result;
	sem_t up, down;		/* posted by each callback, when it has done what it does */
} lsc;

static int
react(uint16_t port)
{
	int ret = lsc.reaction == REACTION_NONE ? 0 : rte_eth_dev_stop(port);

	if (ret == 0 && lsc.reaction == REACTION_CLOSE)
		ret = rte_eth_dev_close(port);
	if (ret == 0 && lsc.reaction == REACTION_RESTART)
		ret = rte_eth_dev_start(port);
	return ret;
}

static int
on_link_change(uint16_t port, enum rte_eth_event_type type __rte_unused, void *arg __rte_unused,
		void *ret __rte_unused)
{
	struct rte_eth_link link;

	if (rte_eth_link_get_nowait(port, &link) != 0) {
		lsc.result = -1;
	} else if (link.link_status == RTE_ETH_LINK_UP) {
		sem_post(&lsc.up);
	} else {
		lsc.result = react(port);
		sem_post(&lsc.down);
	}
	return 0;
}

static bool
wait_for(sem_t *event)
{
	struct timespec deadline;
	int ret;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += PATIENCE_S;
	while ((ret = sem_timedwait(event, &deadline)) != 0 && errno == EINTR)
		;
	return ret == 0;
}

static int
start_with_lsc(uint16_t port)
{
	const struct rte_eth_conf conf = { .intr_conf.lsc = 1 };

	CHECK(rte_eth_dev_configure(port, 1, 1, &conf) == 0);
	CHECK(rte_eth_rx_queue_setup(port, 0, 0, SOCKET_ID_ANY, NULL, pool) == 0);
	CHECK(rte_eth_tx_queue_setup(port, 0, 0, SOCKET_ID_ANY, NULL) == 0);
	CHECK(rte_eth_dev_callback_register(port, RTE_ETH_EVENT_INTR_LSC, on_link_change,
		NULL) == 0);
	return rte_eth_dev_start(port);
}

/* Port 0 hears of its link, and does something when it is lost. */
static int
lose_link(enum reaction reaction)
{
	lsc.reaction = REACTION_NONE;
	lsc.result = 0;
	sem_init(&lsc.up, 0, 0);
	sem_init(&lsc.down, 0, 0);
	CHECK(plug_in(IVSHMEM_MIN_RING_LINES, 1) == 0);
	CHECK(start_with_lsc(ports[0]) == 0 && test_port_start(ports[1], pool) == 0);
	CHECK(wait_for(&lsc.up));
	lsc.reaction = reaction;
	CHECK(rte_eth_dev_stop(ports[1]) == 0);
	CHECK(wait_for(&lsc.down) && lsc.result == 0);
	lsc.reaction = REACTION_NONE;
	return 0;
}

static void
post(void *event)
{
	sem_post(event);
}

/* EAL's interrupt thread goes on. */
static int
alarms_work(void)
{
	sem_t event;
	bool woken;

	sem_init(&event, 0, 0);
	CHECK(rte_eal_alarm_set(1, post, &event) == 0);
	woken = wait_for(&event);
	rte_eal_alarm_cancel(post, &event);
	CHECK(woken);
	return 0;
}

/* A port has one heart, which beats as often as that of the other one: one thread has both. */
static int
has_one_heartbeat(void)
{
	const volatile struct ivshmem_side *sides = control->sides;
	const uint64_t deadline = rte_get_timer_cycles() + PATIENCE_S * rte_get_timer_hz();
	const uint32_t first[2] = { sides[0].heartbeat, sides[1].heartbeat };

	while (sides[1].heartbeat - first[1] < 10)
		CHECK(rte_get_timer_cycles() < deadline);
	CHECK(sides[0].heartbeat - first[0] >= 8 && sides[0].heartbeat - first[0] <= 12);
	return 0;
}

static int
test_lsc(void)
{
	CHECK(lose_link(REACTION_NONE) == 0);
	CHECK(rte_eth_dev_start(ports[1]) == 0 && wait_for(&lsc.up));
	CHECK(has_one_heartbeat() == 0);
	plug_out();
	return alarms_work();
}

static int
test_lsc_stop(void)
{
	uint32_t heartbeat;

	CHECK(lose_link(REACTION_STOP) == 0);
	/* Nothing beats when it has stopped: the other one would notice another beat. */
	CHECK(alarms_work() == 0);
	heartbeat = control->sides[0].heartbeat;
	CHECK(rte_eth_dev_start(ports[1]) == 0);
	while (control->sides[1].heartbeat < 5)
		CHECK(alarms_work() == 0);
	CHECK(control->sides[0].heartbeat == heartbeat);
	CHECK(rte_eth_dev_start(ports[0]) == 0 && wait_for(&lsc.up));
	CHECK(has_one_heartbeat() == 0);
	/* and close from here */
	CHECK(rte_eth_dev_stop(ports[0]) == 0 && rte_eth_dev_close(ports[0]) == 0);
	return alarms_work();
}

static int
test_lsc_close(void)
{
	unsigned int n;

	CHECK(lose_link(REACTION_CLOSE) == 0);
	CHECK(!rte_eth_dev_is_valid_port(ports[0]));
	for (n = 0; n < 3; n++)
		CHECK(alarms_work() == 0);
	/* Long enough for what would beat there. */
	CHECK(rte_eth_dev_start(ports[1]) == 0);
	while (control->sides[1].heartbeat < 5)
		CHECK(alarms_work() == 0);
	return 0;
}

static int
test_lsc_restart(void)
{
	CHECK(lose_link(REACTION_RESTART) == 0);
	CHECK(rte_eth_dev_start(ports[1]) == 0 && wait_for(&lsc.up));
	return has_one_heartbeat();
}

/* The application knows that it stops the port: a callback that closes it then would crash it. */
static int
test_lsc_own_stop(void)
{
	CHECK(lose_link(REACTION_NONE) == 0);
	CHECK(rte_eth_dev_start(ports[1]) == 0 && wait_for(&lsc.up));
	lsc.reaction = REACTION_CLOSE;
	CHECK(rte_eth_dev_stop(ports[0]) == 0);
	lsc.reaction = REACTION_NONE;
	CHECK(sem_trywait(&lsc.down) != 0 && link_status(0) == RTE_ETH_LINK_DOWN);
	return 0;
}

/* Sessions on large rings, and ports that only send or only receive */

static bool
is_accepted(uint32_t number)
{
	return *(const volatile uint64_t *)&control->sides[0].session >> 32 == number;
}

/* Rings are cleared bit by bit, with a beat for each; a peer that starts meanwhile is heard. */
static int
test_large_rings(void)
{
	const uint32_t lines = IVSHMEM_MAX_RING_LINES, slice = 65536;
	const size_t size = (size_t)lines * IVSHMEM_LINE;
	uint8_t *ring;
	uint32_t heartbeat;

	CHECK(plug_in(lines, 1) == 0);
	CHECK(test_port_start(ports[0], pool) == 0);
	ring = (uint8_t *)control + ivshmem_ring_offset(1, lines, 0, 0);
	memset(ring, 0xff, size);
	answer(1);
	link_status(0);
	CHECK(!is_accepted(1));
	heartbeat = control->sides[0].heartbeat;
	answer(2);
	while (!is_accepted(2)) {
		CHECK(!is_accepted(1) && port_of(0)->link.up == 0);
		CHECK(link_status(0) == RTE_ETH_LINK_DOWN || is_accepted(2));
	}
	CHECK(*(volatile uint32_t *)&control->sides[0].heartbeat - heartbeat >= lines / slice - 1);
	CHECK(ring[0] == 0 && memcmp(ring, ring + 1, size - 1) == 0);
	CHECK(link_status(0) == RTE_ETH_LINK_UP);
	/* and with a driver at the other end */
	CHECK(test_port_start(ports[1], pool) == 0);
	CHECK(test_port_link_up(ports[0]) == 0 && test_port_link_up(ports[1]) == 0);
	return exchange();
}

/* A ring full of frames that are longer than the MTU: a burst does not look at all of them. */
static int
test_oversized_frames(void)
{
	/* Four bursts of longest frames, as the documents say, and one frame more */
	const uint32_t lines = 65536, most = 18560 + 145, len = 100;
	struct ivshmem_rx_ring *ring;
	uint64_t before;
	uint32_t pos;
	int looks;

	CHECK(plug_in(lines, 1) == 0);
	CHECK(test_port_start(ports[0], pool) == 0 && test_port_start(ports[1], pool) == 0);
	CHECK(rte_eth_dev_set_mtu(ports[0], RTE_ETHER_MIN_MTU) == 0);
	CHECK(test_port_bring_up(ports) == 0);
	ring = &port_of(0)->rx_rings[0];
	for (pos = 0; pos + ivshmem_lines(len) < lines; pos += ivshmem_lines(len))
		*(volatile uint32_t *)((uint8_t *)control + ivshmem_ring_offset(1, lines, 1, 0) +
			(size_t)pos * IVSHMEM_LINE) = len;
	for (looks = 0; ring->pos < pos; looks++) {
		before = xstat(0, "rx_line_reads");
		CHECK(rte_eth_rx_burst(ports[0], 0, NULL, 32) == 0);
		CHECK(xstat(0, "rx_line_reads") - before <= most);
	}
	CHECK(looks == 4 && xstat(0, "rx_oversized") == pos / ivshmem_lines(len));
	return 0;
}

static int
start_with_queues(unsigned int role, uint16_t nb_rxq, uint16_t nb_txq)
{
	const struct rte_eth_conf conf = { 0 };
	uint16_t queue;

	CHECK(rte_eth_dev_configure(ports[role], nb_rxq, nb_txq, &conf) == 0);
	for (queue = 0; queue < nb_rxq; queue++)
		CHECK(rte_eth_rx_queue_setup(ports[role], queue, 0, SOCKET_ID_ANY, NULL,
			pool) == 0);
	for (queue = 0; queue < nb_txq; queue++)
		CHECK(rte_eth_tx_queue_setup(ports[role], queue, 0, SOCKET_ID_ANY, NULL) == 0);
	return rte_eth_dev_start(ports[role]);
}

static void
halt(int number __rte_unused)
{
	kill(getpid(), SIGSTOP);
}

static void
halt_in_rx(void)
{
	take_page(1, halt);
	receive_frames(0, 2 * PAGE_LINES);
}

/* A link, and a process that is stopped in the middle of a burst of port 0 */
static int
make_halted(pid_t *child)
{
	int status;

	CHECK(make_link() == 0 && exchange() == 0);
	CHECK(send_long_frames(1, PAGE_LINES, 100) == PAGE_LINES);
	*child = run_child(halt_in_rx);
	CHECK(*child > 0 && waitpid(*child, &status, WUNTRACED) == *child && WIFSTOPPED(status));
	return 0;
}

/* It holds up the link of its port, and nothing else. */
static int
test_halts_in_rx(void)
{
	uint32_t heartbeat;
	pid_t child;

	CHECK(make_halted(&child) == 0);
	CHECK(log_watch() == 0);
	CHECK(rte_eth_dev_stop(ports[1]) == 0 && rte_eth_dev_start(ports[1]) == 0);
	CHECK(link_status(0) == RTE_ETH_LINK_DOWN && alarms_work() == 0);
	/* As if it had been so for long */
	port_of(0)->link.held_since -= PATIENCE_S * rte_get_timer_hz();
	heartbeat = control->sides[0].heartbeat;
	while (control->sides[0].heartbeat - heartbeat < 3)
		CHECK(alarms_work() == 0);
	CHECK(log_count("a process has been within a burst") == 1);
	log_unwatch();
	CHECK(link_status(0) == RTE_ETH_LINK_DOWN && link_status(1) == RTE_ETH_LINK_DOWN);
	CHECK(kill(child, SIGKILL) == 0 && wait_killed(child) == 0);
	CHECK(test_port_link_up(ports[0]) == 0 && test_port_link_up(ports[1]) == 0);
	CHECK(xstat(0, "dead_owners") == 1);
	return exchange();
}

static void *
stop_port(void *arg __rte_unused)
{
	return rte_eth_dev_stop(ports[0]) == 0 ? NULL : &ports[0];
}

/* The port cannot be stopped before it ends; other alarms than the port's go off meanwhile. */
static int
test_halts_before_stop(void)
{
	const uint64_t deadline = rte_get_timer_cycles() + PATIENCE_S * rte_get_timer_hz();
	pthread_t stopper;
	void *failed;
	pid_t child;

	CHECK(make_halted(&child) == 0);
	CHECK(pthread_create(&stopper, NULL, stop_port, NULL) == 0);
	while (rte_atomic_load_explicit(&port_of(0)->link.held_since,
			rte_memory_order_relaxed) == 0)
		CHECK(rte_get_timer_cycles() < deadline);
	CHECK(alarms_work() == 0);
	CHECK(pthread_tryjoin_np(stopper, &failed) == EBUSY);
	CHECK(kill(child, SIGKILL) == 0 && wait_killed(child) == 0);
	CHECK(pthread_join(stopper, &failed) == 0 && failed == NULL);
	CHECK(rte_eth_dev_start(ports[0]) == 0 && test_port_bring_up(ports) == 0);
	return exchange();
}

/* A port that can receive can send */

struct gates {
	const struct ivshmem_port *port;
	bool stop;
	uint64_t early;		/* looks that found it receiving and not yet sending */
};

static bool
is_open(const struct ivshmem_gate *gate)
{
	return rte_atomic_load_explicit(&gate->active, rte_memory_order_acquire) != 0;
}

/* The order in which gates open and close, in one session: in between, nothing is known. */
static void *
watch_gates(void *arg)
{
	struct gates *gates = arg;
	const struct ivshmem_port *port = gates->port;
	const struct ivshmem_gate *rx = &port->rxqs[0].gate;
	const struct ivshmem_gate *tx = &port->txqs[IVSHMEM_MAX_RINGS - 1].gate;
	uint32_t session;
	cpu_set_t cpus;
	bool early;

	/* Not only on the CPU of the thread that opens them */
	memset(&cpus, 0xff, sizeof(cpus));
	pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	while (!rte_atomic_load_explicit(&gates->stop, rte_memory_order_relaxed)) {
		session = rte_atomic_load_explicit(&port->link.session, rte_memory_order_acquire);
		early = is_open(rx) && !is_open(tx) && is_open(rx);
		if (early && rte_atomic_load_explicit(&port->link.session,
				rte_memory_order_acquire) == session)
			gates->early++;
	}
	return NULL;
}

/* What an application forwards is lost if it can receive before it can send. */
static int
test_gates_order(void)
{
	struct gates gates = { 0 };
	pthread_t watcher;
	unsigned int n;
	int ret = 0;

	CHECK(plug_in(IVSHMEM_MIN_RING_LINES, IVSHMEM_MAX_RINGS) == 0);
	CHECK(start_with_queues(0, IVSHMEM_MAX_RINGS, IVSHMEM_MAX_RINGS) == 0);
	CHECK(start_with_queues(1, IVSHMEM_MAX_RINGS, IVSHMEM_MAX_RINGS) == 0);
	gates.port = port_of(0);
	CHECK(pthread_create(&watcher, NULL, watch_gates, &gates) == 0);
	for (n = 0; n < NB_STARTS && ret == 0; n++)
		ret = test_port_bring_up(ports) != 0 || rte_eth_dev_stop(ports[0]) != 0 ||
			rte_eth_dev_start(ports[0]) != 0 ? -1 : 0;
	rte_atomic_store_explicit(&gates.stop, true, rte_memory_order_relaxed);
	pthread_join(watcher, NULL);
	CHECK(ret == 0 && gates.early == 0);
	return 0;
}

/* A port without queues for a direction: the link is there for the other one. */
static int
test_one_direction(void)
{
	/* Of the sender and of the receiver: queues to receive and to send */
	static const uint16_t queues[][4] = {
		{ 0, 1, 1, 0 }, { 0, 2, 1, 0 }, { 1, 1, 1, 0 }, { 0, 1, 2, 2 }, { 2, 1, 1, 0 },
	};
	const uint16_t *nb;
	unsigned int n;

	for (n = 0; n < RTE_DIM(queues); n++) {
		nb = queues[n];
		CHECK(plug_in(IVSHMEM_MIN_RING_LINES, 2) == 0);
		CHECK(start_with_queues(0, nb[0], nb[1]) == 0);
		CHECK(start_with_queues(1, nb[2], nb[3]) == 0);
		CHECK(test_port_bring_up(ports) == 0);
		CHECK(send_frames(0, 20) == 20);
		CHECK(receive_frames(1, 64) == 20 ||
			(nb[2] == 2 && rte_eth_rx_burst(ports[1], 1, NULL, 0) == 0));
		/* Nobody takes these: they stay with the application, as where a ring is full. */
		if (nb[3] != 0)
			CHECK(send_frames(1, 20) == 0);
		if (nb[0] != 0)
			CHECK(receive_frames(0, 64) == 0);
	}
	return 0;
}

/* No lock tells of a second guest in one role: its session is found in this side's line. */
static int
test_double(void)
{
	const char * const line = "another process is the server of this region";
	unsigned int n;

	CHECK(plug_in(IVSHMEM_MIN_RING_LINES, 1) == 0);
	/* What a process has left that was killed is none. */
	control->sides[0].session = rte_cpu_to_le_64(12345);
	CHECK(log_watch() == 0);
	CHECK(test_port_start(ports[0], pool) == 0 && test_port_start(ports[1], pool) == 0);
	CHECK(test_port_bring_up(ports) == 0);
	CHECK(rte_eth_dev_stop(ports[0]) == 0 && rte_eth_dev_start(ports[0]) == 0);
	CHECK(test_port_bring_up(ports) == 0);
	CHECK(log_count(line) == 0);
	control->sides[0].session = rte_cpu_to_le_64(12345);
	link_status(0);
	CHECK(log_count(line) == 1);
	for (n = 0; n < 10 * IVSHMEM_LOG_LINES; n++) {
		control->sides[0].session = rte_cpu_to_le_64(12345);
		link_status(0);
	}
	CHECK(log_count(line) == IVSHMEM_LOG_LINES);
	/* It goes on by itself. */
	CHECK(test_port_link_up(ports[0]) == 0);
	log_unwatch();
	return 0;
}

static const struct test_case cases[] = {
	{ "lines that a peer causes are limited", test_log_limit },
	{ "another process in this side's role", test_double },
	{ "a process that dies while it receives", test_dies_in_rx },
	{ "a process that dies while it sends", test_dies_in_tx },
	{ "lines of processes that die are limited", test_deaths_log_limit },
	{ "a process that dies, and then the port stops", test_dies_before_stop },
	{ "a process that dies, and then the last port is closed", test_dies_before_close },
	{ "processes that are killed while they poll", test_killed_while_it_polls },
	{ "changes of the link's state are reported", test_lsc },
	{ "a callback that stops the port", test_lsc_stop },
	{ "a callback that stops and closes the port", test_lsc_close },
	{ "a callback that stops and starts the port", test_lsc_restart },
	{ "stop by the application is no event", test_lsc_own_stop },
	{ "large rings", test_large_rings },
	{ "frames that are too long, without end", test_oversized_frames },
	{ "ports that only send or only receive", test_one_direction },
	{ "a process that is stopped while it receives", test_halts_in_rx },
	{ "a process that is stopped, and then the port stops", test_halts_before_stop },
	{ "a port that can receive can send", test_gates_order },
	{ 0 }
};

const struct test_suite ivshmem_link_suite = {
	.name = "ivshmem-link",
	.setup = set_up,
	.teardown = tear_down,
	.cases = cases,
};
