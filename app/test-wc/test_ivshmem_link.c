/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/* Sessions, heartbeat and link state, and who may be at the rings when. */

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

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
	uint64_t id, value;

	if (rte_eth_xstats_get_id_by_name(ports[role], name, &id) != 0 ||
			rte_eth_xstats_get_by_id(ports[role], &id, &value, 1) != 1)
		return UINT64_MAX;
	return value;
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
	const char * const line = "the peer says that it has";
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
take_page(unsigned int direction)
{
	uint8_t *ring = (uint8_t *)(uintptr_t)port_of(0)->region.control +
		ivshmem_ring_offset(1, IVSHMEM_MIN_RING_LINES, direction, 0);

	signal(SIGSEGV, die);
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
	take_page(1);
	receive_frames(0, 2 * PAGE_LINES);
}

static void
die_in_tx(void)
{
	take_page(0);
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
	CHECK(wait_killed(run_child(die_in_rx)) == 0);
	/* It is not for the next one before the link has seen to it. */
	CHECK(receive_frames(0, 64) == 0);
	CHECK(log_watch() == 0);
	CHECK(test_port_bring_up(ports) == 0);
	CHECK(log_count("a process has died within a burst of receive queue 0") == 1);
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

static volatile uint32_t *progress;

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

	progress = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(progress != MAP_FAILED);
	CHECK(make_link() == 0);
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
	printf("# %u kills, %u of them within a burst, %d of %u mbufs left\n", n, deaths, free_mbufs(),
		NB_MBUFS);
	CHECK(free_mbufs() > 0);
	munmap((void *)(uintptr_t)progress, PAGE);
	return 0;
}

static const struct test_case cases[] = {
	{ "lines that a peer causes are limited", test_log_limit },
	{ "a process that dies while it receives", test_dies_in_rx },
	{ "a process that dies while it sends", test_dies_in_tx },
	{ "a process that dies, and then the port stops", test_dies_before_stop },
	{ "processes that are killed while they poll", test_killed_while_it_polls },
	{ 0 }
};

const struct test_suite ivshmem_link_suite = {
	.name = "ivshmem-link",
	.setup = set_up,
	.teardown = tear_down,
	.cases = cases,
};
