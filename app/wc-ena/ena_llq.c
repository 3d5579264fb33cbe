/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * Packets out of the LLQ. The first entry of a packet has up to two descriptors, and the header at
 * a fixed place; the other entries have descriptors only.
 */

#include <stdio.h>
#include <string.h>

#include <rte_common.h>
#include <rte_memory.h>

#include "ena_device.h"

#define HEADER_OFFSET (ENA_DESCS_BEFORE_HEADER * ENA_DESC_SIZE)
#define MAX_PER_ENTRY (ENA_MAX_ENTRY / ENA_DESC_SIZE)

/* A packet that is being put together. */
struct packet {
	uint8_t data[ENA_MAX_PACKET];
	uint32_t len;
	uint16_t req_id;
	unsigned int nb_descs;
	bool last;
	const char *error;
};

union entry {
	uint64_t words[ENA_MAX_ENTRY / sizeof(uint64_t)];
	uint8_t bytes[ENA_MAX_ENTRY];
	struct ena_eth_io_tx_desc descs[MAX_PER_ENTRY];
};

/* Read the next entry, with a planted fault. Returns the phase of its descriptors. */
static bool
ena_llq_read_entry(struct ena_device *dev, struct ena_sq *sq, union entry *entry)
{
	bool phase = sq->phase, stale = dev->fault == ENA_FAULT_STALE;
	uint16_t index = (sq->head - stale) & (sq->depth - 1);
	volatile uint8_t *from = dev->bar + ENA_BAR_LLQ + index * dev->entry_size;
	uint32_t n;

	for (n = 0; n < dev->entry_size / sizeof(uint64_t); n++)
		entry->words[n] = rte_read64_relaxed(from + n * sizeof(uint64_t));
	if (dev->fault == ENA_FAULT_FLIP)
		entry->bytes[HEADER_OFFSET + 17] ^= 0x10;
	if (dev->fault == ENA_FAULT_FLIP || stale)
		dev->fault = ENA_FAULT_NONE;
	dev->stats.entries++;
	if ((++sq->head & (sq->depth - 1)) == 0) {
		sq->phase = !sq->phase;
		dev->stats.laps++;
	}
	return phase;
}

static void
ena_llq_append(struct packet *packet, const void *data, uint32_t len)
{
	if (data == NULL || len > sizeof(packet->data) - packet->len) {
		packet->error = data == NULL ? "no such address" : "too long";
		return;
	}
	memcpy(packet->data + packet->len, data, len);
	packet->len += len;
}

static void
ena_llq_append_buffer(struct packet *packet, const struct ena_eth_io_tx_desc *desc)
{
	uint32_t len = desc->len_ctrl & ENA_ETH_IO_TX_DESC_LENGTH_MASK;
	uint64_t addr = (uint64_t)(desc->buff_addr_hi_hdr_sz & ENA_ETH_IO_TX_DESC_ADDR_HI_MASK)
		<< 32 | desc->buff_addr_lo;

	if (len != 0)
		ena_llq_append(packet, rte_mem_iova2virt(addr), len);
}

/* The header follows the meta descriptor, if there is one, and precedes all buffers. */
static void
ena_llq_append_header(struct packet *packet, const struct ena_eth_io_tx_desc *desc,
		const uint8_t *header, uint32_t room)
{
	uint32_t len = desc->buff_addr_hi_hdr_sz >> ENA_ETH_IO_TX_DESC_HEADER_LENGTH_SHIFT;

	packet->req_id = (desc->meta_ctrl & ENA_ETH_IO_TX_DESC_REQ_ID_LO_MASK) >>
		ENA_ETH_IO_TX_DESC_REQ_ID_LO_SHIFT |
		(desc->len_ctrl & ENA_ETH_IO_TX_DESC_REQ_ID_HI_MASK) >>
		ENA_ETH_IO_TX_DESC_REQ_ID_HI_SHIFT << 10;
	if (len > room || !(desc->len_ctrl & ENA_ETH_IO_TX_DESC_COMP_REQ_MASK))
		packet->error = len > room ? "header too long" : "no completion requested";
	else
		ena_llq_append(packet, header, len);
}

static void
ena_llq_take_desc(struct packet *packet, const struct ena_eth_io_tx_desc *desc, bool phase,
		const uint8_t *header, uint32_t room)
{
	bool first = desc->len_ctrl & ENA_ETH_IO_TX_DESC_FIRST_MASK;
	bool meta = desc->len_ctrl & ENA_ETH_IO_TX_DESC_META_DESC_MASK;

	if (!!(desc->len_ctrl & ENA_ETH_IO_TX_DESC_PHASE_MASK) != phase) {
		packet->error = "a descriptor of another lap";
	} else if (first != (packet->nb_descs == 0)) {
		packet->error = first ? "first descriptor in the middle" : "no first descriptor";
	} else if (!meta) {
		if (header != NULL)
			ena_llq_append_header(packet, desc, header, room);
		ena_llq_append_buffer(packet, desc);
		packet->last = desc->len_ctrl & ENA_ETH_IO_TX_DESC_LAST_MASK;
	}
	packet->nb_descs++;
}

static void
ena_llq_take_entry(struct ena_device *dev, struct ena_sq *sq, struct packet *packet)
{
	bool is_first = packet->nb_descs == 0, has_header = false, is_meta;
	unsigned int n, number = is_first ? ENA_DESCS_BEFORE_HEADER :
		dev->entry_size / ENA_DESC_SIZE;
	union entry entry;
	bool phase = ena_llq_read_entry(dev, sq, &entry);

	for (n = 0; n < number && !packet->last && packet->error == NULL; n++) {
		is_meta = entry.descs[n].len_ctrl & ENA_ETH_IO_TX_DESC_META_DESC_MASK;
		ena_llq_take_desc(packet, &entry.descs[n], phase,
			is_first && !has_header ? entry.bytes + HEADER_OFFSET : NULL,
			dev->entry_size - HEADER_OFFSET);
		has_header |= !is_meta;
	}
}

bool
ena_llq_take(struct ena_device *dev, struct ena_sq *sq, uint16_t tail, uint16_t *req_id)
{
	struct packet packet;
	uint16_t first = sq->head;

	/* Not all of it: the data is large. */
	packet.len = 0;
	packet.nb_descs = 0;
	packet.last = false;
	packet.error = NULL;
	do {
		ena_llq_take_entry(dev, sq, &packet);
	} while (!packet.last && packet.error == NULL && sq->head != tail);
	if (packet.error == NULL && !packet.last)
		packet.error = "no last descriptor before the doorbell";
	if (packet.error != NULL) {
		if (dev->stats.bad++ == 0)
			printf("bad entry %u: %s\n", first, packet.error);
		return false;
	}
	dev->stats.packets++;
	dev->stats.bytes += packet.len;
	dev->stats.long_packets += (uint16_t)(sq->head - first) > 1;
	dev->deliver(dev->deliver_arg, packet.data, packet.len);
	*req_id = packet.req_id;
	return true;
}
