/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * try_pmd -a BDF,class=raw [EAL options] -- COUNT
 *
 * Sends messages through the driver to a thread that imitates the device, and checks what arrives.
 */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bus_pci_driver.h>
#include <rte_byteorder.h>
#include <rte_eal.h>
#include <rte_pause.h>
#include <rte_rawdev.h>
#include <rte_rawdev_pmd.h>

#include "fake_device.h"

#define BAR 2
#define BURST 8

static uint32_t nb_taken, nb_wrong;

/* Lengths differ, so that messages of one line and of several arrive. */
static void
try_pmd_make(struct wc_pmd_message *message, uint32_t number)
{
	uint16_t len = number % sizeof(message->data) + 1;

	message->len = rte_cpu_to_le_16(len);
	memset(message->data, number, len);
}

static void
try_pmd_take(const struct wc_pmd_message *message, uint32_t number)
{
	struct wc_pmd_message expected;

	try_pmd_make(&expected, number);
	if (memcmp(message, &expected, sizeof(expected.len) + rte_le_to_cpu_16(expected.len)) != 0)
		nb_wrong++;
	nb_taken++;
}

static int
try_pmd_send(uint32_t count)
{
	struct wc_pmd_message messages[BURST];
	struct rte_rawdev_buf bufs[BURST], *list[BURST];
	uint32_t sent = 0, n;
	int ret;

	while (sent < count) {
		for (n = 0; n < BURST && n < count - sent; n++) {
			try_pmd_make(&messages[n], sent + n);
			bufs[n].buf_addr = &messages[n];
			list[n] = &bufs[n];
		}
		ret = rte_rawdev_enqueue_buffers(0, list, n, NULL);
		if (ret < 0)
			return ret;
		sent += ret;
	}
	return 0;
}

static int
try_pmd_run(uint32_t count)
{
	struct rte_pci_device *pci_dev = RTE_DEV_TO_PCI(rte_rawdevs[0].device);
	struct fake_device device = { .bar = pci_dev->mem_resource[BAR].addr, .take = try_pmd_take };
	pthread_t thread;
	int ret;

	ret = pthread_create(&thread, NULL, fake_device, &device);
	if (ret != 0)
		return -ret;
	ret = try_pmd_send(count);
	while (ret == 0 && *(volatile uint32_t *)&nb_taken < count)
		rte_pause();
	atomic_store(&device.stop, true);
	pthread_join(thread, NULL);
	printf("%u of %u messages arrived, %u of them wrong\n", nb_taken, count, nb_wrong);
	return ret != 0 || nb_wrong != 0;
}

int
main(int argc, char **argv)
{
	int used = rte_eal_init(argc, argv), ret;
	uint32_t count = used >= 0 && used + 1 < argc ? strtoul(argv[used + 1], NULL, 10) : 0;

	if (count == 0 || rte_rawdev_count() == 0 || rte_rawdev_start(0) != 0) {
		fprintf(stderr, "use: try_pmd -a BDF,class=raw [EAL options] -- COUNT, with an ivshmem-plain "
			"device that is bound to vfio-pci\n");
		return 2;
	}
	ret = try_pmd_run(count);
	rte_rawdev_stop(0);
	rte_eal_cleanup();
	return ret;
}
