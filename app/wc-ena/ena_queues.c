/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/* Submission queues, their doorbells, and completions. Rx queues are accepted, and never used. */

#include <string.h>

#include <rte_atomic.h>
#include <rte_common.h>

#include "ena_device.h"

/* Among the doorbells */
#define NUMA_NODES 0x800
#define UNMASKS 0xc00

uint32_t
ena_doorbell(uint16_t sq)
{
	return ENA_BAR_DOORBELLS + sq * RTE_CACHE_LINE_SIZE;
}

void
ena_queues_reset(struct ena_device *dev)
{
	memset(dev->sqs, 0, sizeof(dev->sqs));
	memset(dev->cqs, 0, sizeof(dev->cqs));
}

static bool
ena_queues_depth_valid(uint32_t depth)
{
	return depth <= ENA_DEPTH && rte_is_power_of_2(depth);
}

uint8_t
ena_queues_create_cq(struct ena_device *dev, const struct ena_admin_aq_create_cq_cmd *cmd,
		struct ena_admin_acq_create_cq_resp_desc *resp)
{
	void *entries = ena_memory(&cmd->cq_ba);
	uint16_t index = 0;

	while (index < ENA_QUEUES && dev->cqs[index].used)
		index++;
	if (index == ENA_QUEUES)
		return ENA_ADMIN_RESOURCE_ALLOCATION_FAILURE;
	if (entries == NULL || !ena_queues_depth_valid(cmd->cq_depth))
		return ENA_ADMIN_ILLEGAL_PARAMETER;
	dev->cqs[index] = (struct ena_cq){
		.used = true,
		.entries = entries,
		.depth = cmd->cq_depth,
		.phase = true,
	};
	resp->cq_idx = index;
	resp->cq_actual_depth = cmd->cq_depth;
	resp->numa_node_register_offset = ENA_BAR_DOORBELLS + NUMA_NODES + index * sizeof(uint32_t);
	resp->cq_interrupt_unmask_register_offset = ENA_BAR_DOORBELLS + UNMASKS +
		index * sizeof(uint32_t);
	return ENA_ADMIN_SUCCESS;
}

uint8_t
ena_queues_create_sq(struct ena_device *dev, const struct ena_admin_aq_create_sq_cmd *cmd,
		struct ena_admin_acq_create_sq_resp_desc *resp)
{
	bool tx = cmd->sq_identity >> ENA_ADMIN_AQ_CREATE_SQ_CMD_SQ_DIRECTION_SHIFT ==
		ENA_ADMIN_SQ_DIRECTION_TX;
	bool llq = (cmd->sq_caps_2 & ENA_ADMIN_AQ_CREATE_SQ_CMD_PLACEMENT_POLICY_MASK) ==
		ENA_ADMIN_PLACEMENT_POLICY_DEV;
	uint16_t index = !tx;

	if (dev->sqs[index].used)
		return ENA_ADMIN_RESOURCE_ALLOCATION_FAILURE;
	/* Transmission is by LLQ alone, and its window is sized for small entries. */
	if (tx != llq || !ena_queues_depth_valid(cmd->sq_depth) || cmd->cq_idx >= ENA_QUEUES ||
			!dev->cqs[cmd->cq_idx].used || (llq && (dev->entry_size == 0 ||
			cmd->sq_depth * dev->entry_size > ENA_BAR_SIZE - ENA_BAR_LLQ)))
		return ENA_ADMIN_ILLEGAL_PARAMETER;
	dev->sqs[index] = (struct ena_sq){
		.used = true,
		.tx = tx,
		.llq = llq,
		.depth = cmd->sq_depth,
		.cq = cmd->cq_idx,
		.phase = true,
	};
	ena_reg_write(dev, ena_doorbell(index), 0);
	resp->sq_idx = index;
	resp->sq_doorbell_offset = ena_doorbell(index);
	resp->llq_descriptors_offset = ENA_BAR_LLQ;
	return ENA_ADMIN_SUCCESS;
}

uint8_t
ena_queues_destroy_cq(struct ena_device *dev, const struct ena_admin_aq_destroy_cq_cmd *cmd)
{
	if (cmd->cq_idx >= ENA_QUEUES || !dev->cqs[cmd->cq_idx].used)
		return ENA_ADMIN_ILLEGAL_PARAMETER;
	dev->cqs[cmd->cq_idx].used = false;
	return ENA_ADMIN_SUCCESS;
}

uint8_t
ena_queues_destroy_sq(struct ena_device *dev, const struct ena_admin_aq_destroy_sq_cmd *cmd)
{
	if (cmd->sq.sq_idx >= ENA_QUEUES || !dev->sqs[cmd->sq.sq_idx].used)
		return ENA_ADMIN_ILLEGAL_PARAMETER;
	dev->sqs[cmd->sq.sq_idx].used = false;
	return ENA_ADMIN_SUCCESS;
}

/* The phase is written last. */
static void
ena_queues_complete(struct ena_cq *cq, uint16_t req_id, uint16_t head)
{
	struct ena_eth_io_tx_cdesc *entry = &cq->entries[cq->tail & (cq->depth - 1)];

	entry->req_id = req_id;
	entry->status = 0;
	entry->sq_head_idx = head;
	rte_atomic_store_explicit(&entry->flags, cq->phase, rte_memory_order_release);
	if ((++cq->tail & (cq->depth - 1)) == 0)
		cq->phase = !cq->phase;
}

bool
ena_queues_poll(struct ena_device *dev)
{
	struct ena_sq *sq = &dev->sqs[0];
	uint16_t tail, req_id;

	if (!sq->used || !dev->cqs[sq->cq].used)
		return false;
	tail = ena_reg_read(dev, ena_doorbell(0));
	if (tail == sq->head)
		return false;
	/* The entries were written before the doorbell. */
	rte_atomic_thread_fence(rte_memory_order_acquire);
	while (sq->head != tail) {
		if (ena_llq_take(dev, sq, tail, &req_id))
			ena_queues_complete(&dev->cqs[sq->cq], req_id, sq->head);
	}
	return true;
}
