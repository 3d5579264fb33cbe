/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * dpdk-wc-guest -a BDF,class=raw [EAL options] -- raw MESSAGE...
 *
 * Sends messages through drivers/raw/wc_pmd in one burst, and prints how many were accepted and the
 * memory type of the window.
 */

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_pmd_wc.h>
#include <rte_rawdev.h>

#include "page_type.h"
#include "wc_guest.h"

#define MAX_MESSAGES 64

static int
send_messages(uint16_t dev_id, char **texts, unsigned int count)
{
	static struct wc_pmd_message messages[MAX_MESSAGES];
	struct rte_rawdev_buf bufs[MAX_MESSAGES], *list[MAX_MESSAGES];
	unsigned int n;
	size_t len;

	if (count > MAX_MESSAGES)
		return -E2BIG;
	for (n = 0; n < count; n++) {
		len = strlen(texts[n]);
		messages[n].len = rte_cpu_to_le_16(RTE_MIN(len, (size_t)UINT16_MAX));
		memcpy(messages[n].data, texts[n], RTE_MIN(len, sizeof(messages[n].data)));
		bufs[n].buf_addr = &messages[n];
		list[n] = &bufs[n];
	}
	return rte_rawdev_enqueue_buffers(dev_id, list, count, NULL);
}

static int
send_and_report(int argc, char **argv)
{
	char type[PAGE_TYPE_SIZE];
	unsigned int count = argc - 1;
	uint64_t window = 0;
	int ret;

	if (rte_rawdev_count() == 0) {
		fprintf(stderr, "raw: no raw device: name an ivshmem-plain device that is bound to "
			"vfio-pci, with -a BDF,class=raw\n");
		return -ENODEV;
	}
	ret = rte_rawdev_start(0);
	if (ret != 0)
		return ret;
	ret = send_messages(0, argv + 1, count);
	if (ret < 0)
		printf("error %s\n", strerror(-ret));
	else
		printf("taken %d of %u\n", ret, count);
	rte_rawdev_get_attr(0, "window", &window);
	if (!page_type((void *)(uintptr_t)window, type, sizeof(type)))
		snprintf(type, sizeof(type), "not verified");
	printf("window %s\n", type);
	rte_rawdev_stop(0);
	return ret < 0 ? ret : 0;
}

const struct wc_guest_program raw_program = {
	.name = "raw",
	.main = send_and_report,
};
