/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/* Sessions, heartbeat and link state, and who may be at the rings when. */

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_bus_vdev.h>
#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "ivshmem_ethdev.h"
#include "test.h"
#include "test_frame.h"
#include "test_port.h"

#define NB_MBUFS 1023

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
	pool = rte_pktmbuf_pool_create("test-link", NB_MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
		SOCKET_ID_ANY);
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

static const struct test_case cases[] = {
	{ "lines that a peer causes are limited", test_log_limit },
	{ 0 }
};

const struct test_suite ivshmem_link_suite = {
	.name = "ivshmem-link",
	.setup = set_up,
	.teardown = tear_down,
	.cases = cases,
};
