/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <stdatomic.h>

#include <rte_byteorder.h>
#include <rte_io.h>
#include <rte_pause.h>

#include "fake_device.h"

/*
 * What the device does: it takes each message that the doorbell announces, and tells how many it has
 * taken. It uses the default mapping, as the driver does for registers, and never the driver's data.
 */
void *
fake_device(void *arg)
{
	struct fake_device *device = arg;
	uint8_t *tail = device->bar, *head = tail + 4, *window = tail + 4096;
	uint32_t taken = rte_read32(head), announced;

	while (!atomic_load(&device->stop)) {
		announced = rte_le_to_cpu_32(rte_read32(tail));
		for (; taken != announced; taken++)
			device->take((struct wc_pmd_message *)(window +
				taken % WC_PMD_SLOTS * WC_PMD_SLOT_SIZE), taken);
		rte_write32(rte_cpu_to_le_32(taken), head);
		rte_pause();
	}
	return NULL;
}
