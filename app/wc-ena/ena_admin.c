/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/* The admin queue: features, statistics, and queues to be created. */

#include <string.h>

#include <rte_atomic.h>
#include <rte_common.h>

#include "ena_device.h"

#define IMPLEMENTATION 1
#define RSS_LOG_SIZE 7
#define FEATURES (BIT(ENA_ADMIN_DEVICE_ATTRIBUTES) | BIT(ENA_ADMIN_LLQ) | \
	BIT(ENA_ADMIN_MAX_QUEUES_EXT) | BIT(ENA_ADMIN_STATELESS_OFFLOAD_CONFIG) | \
	BIT(ENA_ADMIN_RSS_INDIRECTION_TABLE_CONFIG) | BIT(ENA_ADMIN_MTU) | \
	BIT(ENA_ADMIN_AENQ_CONFIG) | BIT(ENA_ADMIN_HOST_ATTR_CONFIG))

static const uint8_t mac[] = { 0x02, 0x00, 0x00, 0x00, 0x00, 0x01 };

void
ena_admin_reset(struct ena_device *dev)
{
	dev->admin = (struct ena_admin_queues){ .phase = true };
	dev->entry_size = 0;
	ena_reg_write(dev, ENA_REGS_AQ_DB_OFF, 0);
}

static void
ena_admin_get_attributes(struct ena_admin_device_attr_feature_desc *attr)
{
	attr->impl_id = IMPLEMENTATION;
	attr->device_version = 1;
	attr->supported_features = FEATURES;
	attr->phys_addr_width = 48;
	attr->virt_addr_width = 48;
	memcpy(attr->mac_addr, mac, sizeof(mac));
	attr->max_mtu = ENA_MAX_PACKET;
}

static void
ena_admin_get_max_queues(struct ena_admin_queue_ext_feature_desc *max)
{
	max->version = 1;
	max->max_queue_ext = (struct ena_admin_queue_ext_feature_fields){
		.max_tx_sq_num = 1,
		.max_tx_cq_num = 1,
		.max_rx_sq_num = 1,
		.max_rx_cq_num = 1,
		.max_tx_sq_depth = ENA_DEPTH,
		.max_tx_cq_depth = ENA_DEPTH,
		.max_rx_sq_depth = ENA_DEPTH,
		.max_rx_cq_depth = ENA_DEPTH,
		.max_tx_header_size = ENA_MAX_ENTRY - ENA_DESCS_BEFORE_HEADER * ENA_DESC_SIZE,
		.max_per_packet_tx_descs = ENA_MAX_DESCS - 1,
		.max_per_packet_rx_descs = ENA_MAX_DESCS - 1,
	};
}

static void
ena_admin_get_llq(struct ena_admin_feature_llq_desc *llq)
{
	llq->max_llq_num = 1;
	llq->max_llq_depth = ENA_DEPTH;
	llq->header_location_ctrl_supported = ENA_ADMIN_INLINE_HEADER;
	llq->entry_size_ctrl_supported = ENA_ADMIN_LIST_ENTRY_SIZE_128B |
		ENA_ADMIN_LIST_ENTRY_SIZE_256B;
	llq->desc_num_before_header_supported = ENA_ADMIN_LLQ_NUM_DESCS_BEFORE_HEADER_2;
	llq->descriptors_stride_ctrl_supported = ENA_ADMIN_MULTIPLE_DESCS_PER_ENTRY;
}

static uint8_t
ena_admin_get_feature(const struct ena_admin_get_feat_cmd *cmd,
		struct ena_admin_get_feat_resp *resp)
{
	switch (cmd->feat_common.feature_id) {
	case ENA_ADMIN_DEVICE_ATTRIBUTES:
		ena_admin_get_attributes(&resp->u.dev_attr);
		break;
	case ENA_ADMIN_MAX_QUEUES_EXT:
		ena_admin_get_max_queues(&resp->u.max_queue_ext);
		break;
	case ENA_ADMIN_LLQ:
		ena_admin_get_llq(&resp->u.llq);
		break;
	case ENA_ADMIN_AENQ_CONFIG:
		resp->u.aenq.supported_groups = BIT(ENA_ADMIN_KEEP_ALIVE);
		break;
	case ENA_ADMIN_STATELESS_OFFLOAD_CONFIG:
		/* None */
		break;
	case ENA_ADMIN_RSS_INDIRECTION_TABLE_CONFIG:
		resp->u.ind_table.max_size = RSS_LOG_SIZE;
		break;
	default:
		return ENA_ADMIN_UNSUPPORTED_OPCODE;
	}
	return ENA_ADMIN_SUCCESS;
}

static uint8_t
ena_admin_set_llq(struct ena_device *dev, const struct ena_admin_feature_llq_desc *llq)
{
	if (llq->header_location_ctrl_enabled != ENA_ADMIN_INLINE_HEADER ||
			llq->desc_num_before_header_enabled !=
			ENA_ADMIN_LLQ_NUM_DESCS_BEFORE_HEADER_2 ||
			llq->descriptors_stride_ctrl_enabled != ENA_ADMIN_MULTIPLE_DESCS_PER_ENTRY)
		return ENA_ADMIN_ILLEGAL_PARAMETER;
	switch (llq->entry_size_ctrl_enabled) {
	case ENA_ADMIN_LIST_ENTRY_SIZE_128B:
		dev->entry_size = 128;
		break;
	case ENA_ADMIN_LIST_ENTRY_SIZE_256B:
		dev->entry_size = 256;
		break;
	default:
		return ENA_ADMIN_ILLEGAL_PARAMETER;
	}
	return ENA_ADMIN_SUCCESS;
}

static uint8_t
ena_admin_set_feature(struct ena_device *dev, const struct ena_admin_set_feat_cmd *cmd)
{
	switch (cmd->feat_common.feature_id) {
	case ENA_ADMIN_LLQ:
		return ena_admin_set_llq(dev, &cmd->u.llq);
	case ENA_ADMIN_AENQ_CONFIG:
		if (cmd->u.aenq.enabled_groups & ~BIT(ENA_ADMIN_KEEP_ALIVE))
			return ENA_ADMIN_ILLEGAL_PARAMETER;
		dev->aenq.groups = cmd->u.aenq.enabled_groups;
		return ENA_ADMIN_SUCCESS;
	case ENA_ADMIN_HOST_ATTR_CONFIG:
		return ena_memory(&cmd->u.host_attr.os_info_ba) != NULL ? ENA_ADMIN_SUCCESS :
			ENA_ADMIN_ILLEGAL_PARAMETER;
	case ENA_ADMIN_MTU:
		return cmd->u.mtu.mtu <= ENA_MAX_PACKET ? ENA_ADMIN_SUCCESS :
			ENA_ADMIN_ILLEGAL_PARAMETER;
	case ENA_ADMIN_RSS_INDIRECTION_TABLE_CONFIG:
		return ENA_ADMIN_SUCCESS;
	default:
		return ENA_ADMIN_UNSUPPORTED_OPCODE;
	}
}

static uint8_t
ena_admin_get_stats(const struct ena_device *dev, const struct ena_admin_aq_get_stats_cmd *cmd,
		struct ena_admin_acq_get_stats_resp *resp)
{
	struct ena_admin_basic_stats *basic = &resp->u.basic_stats;

	if (cmd->type != ENA_ADMIN_GET_STATS_TYPE_BASIC)
		return ENA_ADMIN_UNSUPPORTED_OPCODE;
	basic->tx_pkts_low = (uint32_t)dev->stats.packets;
	basic->tx_pkts_high = dev->stats.packets >> 32;
	basic->tx_bytes_low = (uint32_t)dev->stats.bytes;
	basic->tx_bytes_high = dev->stats.bytes >> 32;
	return ENA_ADMIN_SUCCESS;
}

static uint8_t
ena_admin_execute(struct ena_device *dev, const struct ena_admin_aq_entry *cmd,
		struct ena_admin_acq_entry *resp)
{
	const void *c = cmd;
	void *r = resp;

	switch (cmd->aq_common_descriptor.opcode) {
	case ENA_ADMIN_GET_FEATURE:
		return ena_admin_get_feature(c, r);
	case ENA_ADMIN_SET_FEATURE:
		return ena_admin_set_feature(dev, c);
	case ENA_ADMIN_CREATE_CQ:
		return ena_queues_create_cq(dev, c, r);
	case ENA_ADMIN_CREATE_SQ:
		return ena_queues_create_sq(dev, c, r);
	case ENA_ADMIN_DESTROY_CQ:
		return ena_queues_destroy_cq(dev, c);
	case ENA_ADMIN_DESTROY_SQ:
		return ena_queues_destroy_sq(dev, c);
	case ENA_ADMIN_GET_STATS:
		return ena_admin_get_stats(dev, c, r);
	default:
		return ENA_ADMIN_BAD_OPCODE;
	}
}

/* All of a completion is written before its phase. */
static void
ena_admin_complete(struct ena_device *dev, struct ena_admin_acq_entry *entry,
		struct ena_admin_acq_entry *resp, uint16_t depth)
{
	struct ena_admin_acq_common_desc *common = &resp->acq_common_descriptor;

	common->sq_head_indx = dev->admin.head;
	common->flags = !dev->admin.phase;
	*entry = *resp;
	rte_atomic_store_explicit(&entry->acq_common_descriptor.flags, dev->admin.phase,
		rte_memory_order_release);
	if (dev->admin.head % depth == 0)
		dev->admin.phase = !dev->admin.phase;
	if (ena_reg_read(dev, ENA_REGS_INTR_MASK_OFF) == 0)
		ena_device_interrupt(dev);
}

bool
ena_admin_poll(struct ena_device *dev)
{
	uint16_t tail = ena_reg_read(dev, ENA_REGS_AQ_DB_OFF);
	uint16_t depth = ena_reg_read(dev, ENA_REGS_AQ_CAPS_OFF) & ENA_REGS_AQ_CAPS_AQ_DEPTH_MASK;
	const struct ena_admin_aq_entry *commands;
	struct ena_admin_acq_entry *completions, resp;
	uint16_t index;

	if (dev->in_reset || tail == dev->admin.head || depth == 0)
		return false;
	/* The command was written before the doorbell. */
	rte_atomic_thread_fence(rte_memory_order_acquire);
	commands = ena_reg_memory(dev, ENA_REGS_AQ_BASE_LO_OFF, ENA_REGS_AQ_BASE_HI_OFF);
	completions = ena_reg_memory(dev, ENA_REGS_ACQ_BASE_LO_OFF, ENA_REGS_ACQ_BASE_HI_OFF);
	if (commands == NULL || completions == NULL)
		return false;
	index = dev->admin.head++ % depth;
	memset(&resp, 0, sizeof(resp));
	resp.acq_common_descriptor.status = ena_admin_execute(dev, &commands[index], &resp);
	resp.acq_common_descriptor.command = commands[index].aq_common_descriptor.command_id &
		ENA_ADMIN_ACQ_COMMON_DESC_COMMAND_ID_MASK;
	ena_admin_complete(dev, &completions[index], &resp, depth);
	return true;
}
