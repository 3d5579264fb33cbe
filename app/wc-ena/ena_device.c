/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <unistd.h>

#include <rte_common.h>
#include <rte_memory.h>
#include <rte_pause.h>

#include "ena_device.h"

static void *
ena_device_memory_at(uint64_t iova)
{
	return iova == 0 ? NULL : rte_mem_iova2virt(iova);
}

void *
ena_reg_memory(const struct ena_device *dev, uint32_t low, uint32_t high)
{
	return ena_device_memory_at((uint64_t)ena_reg_read(dev, high) << 32 |
		ena_reg_read(dev, low));
}

void *
ena_memory(const struct ena_common_mem_addr *addr)
{
	return ena_device_memory_at((uint64_t)addr->mem_addr_high << 32 | addr->mem_addr_low);
}

void
ena_device_interrupt(const struct ena_device *dev)
{
	const uint64_t one = 1;

	/* The counter cannot overflow: the interrupt thread reads it. */
	if (write(dev->event_fd, &one, sizeof(one)) < 0)
		return;
}

int
ena_device_run(void *arg)
{
	struct ena_device *dev = arg;
	bool busy;

	while (!rte_atomic_load_explicit(&dev->stop, rte_memory_order_relaxed)) {
		busy = ena_regs_poll(dev);
		busy |= ena_admin_poll(dev);
		busy |= ena_queues_poll(dev);
		busy |= ena_aenq_poll(dev);
		/* An emulated CPU gives way to the others. */
		if (!busy)
			rte_pause();
	}
	return 0;
}
