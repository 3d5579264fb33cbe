/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/* Asynchronous events: the device is alive. */

#include <string.h>

#include <rte_cycles.h>

#include "ena_device.h"

void
ena_aenq_reset(struct ena_device *dev)
{
	dev->aenq.tail = 0;
	dev->aenq.phase = true;
	dev->aenq.groups = 0;
	ena_reg_write(dev, ENA_REGS_AENQ_HEAD_DB_OFF, 0);
}

/* The driver counts entries that it has read, and begins with all of them. */
static bool
ena_aenq_has_room(const struct ena_device *dev)
{
	return (uint16_t)ena_reg_read(dev, ENA_REGS_AENQ_HEAD_DB_OFF) != dev->aenq.tail;
}

static bool
ena_aenq_post(struct ena_device *dev, enum ena_admin_aenq_group group)
{
	struct ena_admin_aenq_entry *entry = ena_reg_memory(dev, ENA_REGS_AENQ_BASE_LO_OFF,
		ENA_REGS_AENQ_BASE_HI_OFF);
	uint16_t depth = ena_reg_read(dev, ENA_REGS_AENQ_CAPS_OFF) &
		ENA_REGS_AENQ_CAPS_AENQ_DEPTH_MASK;
	struct ena_aenq *aenq = &dev->aenq;

	if (entry == NULL || depth == 0 || !ena_aenq_has_room(dev))
		return false;
	entry += aenq->tail % depth;
	memset(entry->inline_data_w4, 0, sizeof(entry->inline_data_w4));
	entry->aenq_common_desc.group = group;
	entry->aenq_common_desc.syndrome = 0;
	rte_atomic_store_explicit(&entry->aenq_common_desc.flags, aenq->phase,
		rte_memory_order_release);
	aenq->tail++;
	if (aenq->tail % depth == 0)
		aenq->phase = !aenq->phase;
	ena_device_interrupt(dev);
	return true;
}

bool
ena_aenq_poll(struct ena_device *dev)
{
	struct ena_aenq *aenq = &dev->aenq;

	if (!(aenq->groups & BIT(ENA_ADMIN_KEEP_ALIVE)) ||
			rte_get_timer_cycles() < aenq->next_keep_alive)
		return false;
	aenq->next_keep_alive = rte_get_timer_cycles() + rte_get_timer_hz();
	if (!ena_aenq_post(dev, ENA_ADMIN_KEEP_ALIVE))
		return false;
	aenq->keep_alives++;
	return true;
}
