/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * dpdk-wc-ena --lcores 0@0,1@1 -a BDF[,large_llq_hdr=1] [EAL options]
 *
 * The driver net_ena on a simulated ENA device, in the BAR of an ivshmem-plain device of a guest.
 * Executes commands from standard input, and answers each with one line.
 *
 *   send COUNT MIN MAX SEGMENTS   send frames of MIN to MAX bytes without FCS, in up to so many
 *                                 segments, and report what the device got
 *   fault NAME                    plant a fault in the device: flip, stale, or none
 *   where                         mappings of registers and LLQ window
 *   quit
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "ena_device.h"
#include "ena_traffic.h"
#include "version.h"

#define NB_MBUFS 16383	/* a ring of packets with many segments */
#define CACHE 256
#define MAX_LEN 1514
#define MIN_LEN 60
#define MAX_SEGMENTS 16

static struct ena_device device;
static struct ena_check check;
static struct rte_mempool *pool;
static uint16_t port;

static uint64_t
main_xstat(const char *name)
{
	uint64_t id, value;

	if (rte_eth_xstats_get_id_by_name(port, name, &id) != 0 ||
			rte_eth_xstats_get_by_id(port, &id, &value, 1) != 1)
		return UINT64_MAX;
	return value;
}

static void
main_send(const char *arguments)
{
	struct ena_load load;
	struct ena_device_stats before = device.stats;
	int ret;

	if (sscanf(arguments, "%" SCNu64 " %u %u %u", &load.frames, &load.min_len, &load.max_len,
			&load.segments) != 4 || load.min_len < MIN_LEN ||
			load.max_len > MAX_LEN || load.min_len > load.max_len ||
			load.segments == 0 || load.segments > MAX_SEGMENTS) {
		printf("error send COUNT MIN MAX SEGMENTS: lengths %d to %d, up to %d segments\n",
			MIN_LEN, MAX_LEN, MAX_SEGMENTS);
		return;
	}
	check = (struct ena_check){ .load = load };
	ret = ena_traffic_send(port, pool, &check);
	printf("sent %" PRIu64 " received %" PRIu64 " wrong %" PRIu64 " bad %" PRIu64
		" entries %" PRIu64 " long %" PRIu64 " laps %" PRIu64
		" alive %" PRIu64 " expired %" PRIu64 "%s\n",
		load.frames, check.received, check.wrong, device.stats.bad - before.bad,
		device.stats.entries - before.entries,
		device.stats.long_packets - before.long_packets, device.stats.laps - before.laps,
		device.aenq.keep_alives, main_xstat("wd_expired"), ret != 0 ? " stuck" : "");
}

static void
main_fault(const char *name)
{
	static const char * const names[] = {
		[ENA_FAULT_NONE] = "none", [ENA_FAULT_FLIP] = "flip", [ENA_FAULT_STALE] = "stale",
	};
	unsigned int n;

	for (n = 0; n < RTE_DIM(names) && strcmp(name, names[n]) != 0; n++)
		;
	if (n == RTE_DIM(names)) {
		printf("error fault '%s': use flip, stale or none\n", name);
		return;
	}
	device.fault = n;
	printf("fault %s\n", name);
}

static void
main_where(void)
{
	printf("llq %p %u %u entries of %u registers %p %u %u\n", ena_probe_llq(),
		ENA_BAR_SIZE - ENA_BAR_LLQ, ENA_BAR_LLQ, device.entry_size, ena_probe_regs(),
		ENA_BAR_REGS_SIZE, ENA_BAR_REGS);
}

static void
main_execute(char *line)
{
	char *arguments = strchr(line, ' ');

	if (arguments != NULL)
		*arguments++ = '\0';
	else
		arguments = line + strlen(line);
	if (strcmp(line, "send") == 0)
		main_send(arguments);
	else if (strcmp(line, "fault") == 0)
		main_fault(arguments);
	else if (strcmp(line, "where") == 0)
		main_where();
	else
		printf("error '%s': use send, fault, where or quit\n", line);
}

static void
main_serve(void)
{
	char line[256];

	printf("ready\n");
	while (fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\r\n")] = '\0';
		if (strcmp(line, "quit") == 0)
			break;
		main_execute(line);
	}
}

/* Before EAL is cleaned up, which waits for all lcores: the device is one until it is removed. */
static void
main_remove(void)
{
	struct rte_eth_dev_info info;

	rte_eth_dev_stop(port);
	if (rte_eth_dev_info_get(port, &info) == 0)
		rte_dev_remove(info.device);
}

/* The port of the driver; other ports do not matter. */
static int
main_find_port(void)
{
	if (ena_probe_llq() == NULL || rte_eth_dev_count_avail() == 0) {
		fprintf(stderr, "dpdk-wc-ena: no device: name an ivshmem-plain device that is bound to "
			"vfio-pci, with -a BDF\n");
		return -ENODEV;
	}
	RTE_ETH_FOREACH_DEV(port)
		break;
	return 0;
}

static int
main_run(void)
{
	int ret;

	pool = rte_pktmbuf_pool_create("ena", NB_MBUFS, CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
		SOCKET_ID_ANY);
	if (pool == NULL) {
		fprintf(stderr, "dpdk-wc-ena: no memory for %d mbufs: %s\n", NB_MBUFS,
			rte_strerror(rte_errno));
		return -rte_errno;
	}
	ret = ena_traffic_start(port, pool);
	if (ret == 0)
		main_serve();
	return ret;
}

int
main(int argc, char **argv)
{
	int ret;

	version_if_asked(argc, argv, "dpdk-wc-ena");
	setvbuf(stdout, NULL, _IOLBF, 0);
	device.deliver = ena_traffic_deliver;
	device.deliver_arg = &check;
	if (ena_probe_register(&device) != 0) {
		fprintf(stderr, "dpdk-wc-ena: built without the driver net_ena\n");
		return EXIT_FAILURE;
	}
	if (rte_eal_init(argc, argv) < 0)
		return EXIT_FAILURE;
	ret = main_find_port();
	if (ret == 0) {
		ret = main_run();
		main_remove();
	}
	rte_eal_cleanup();
	return ret == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
