/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <string.h>

#include <rte_atomic.h>
#include <rte_common.h>
#include <rte_io.h>
#include <rte_mbuf.h>
#include <rte_wcio.h>

#include "ivshmem_ethdev.h"

#define PACKET_SIZE sizeof(struct ivshmem_packet)

static uint32_t
read_word(const volatile struct ivshmem_word *word)
{
	return rte_le_to_cpu_32(word->value);
}

static void
write_word(volatile struct ivshmem_word *word, uint32_t value)
{
	word->value = rte_cpu_to_le_32(value);
}

void
ivshmem_rx_attach(struct ivshmem_rxq *rxq)
{
	rxq->produced = read_word(&rxq->control->produced);
	rxq->consumed = rxq->produced;
	rxq->published = rxq->produced;
	write_word(&rxq->control->consumed, rxq->consumed);
}

void
ivshmem_tx_attach(struct ivshmem_txq *txq)
{
	txq->produced = read_word(&txq->control->produced);
	txq->consumed = read_word(&txq->control->consumed);
	/* Lines that are still to be read stay, as far as the peer can be believed. */
	if (txq->produced - txq->consumed > txq->mask + 1) {
		txq->bad_indexes++;
		txq->consumed = txq->produced;
	}
}

/* Lines that the peer says it has written. A count that cannot be is not believed. */
static uint32_t
rx_available(struct ivshmem_rxq *rxq)
{
	uint32_t produced;

	if (rxq->produced != rxq->consumed)
		return rxq->produced - rxq->consumed;

	produced = read_word(&rxq->control->produced);
	rxq->link_reads++;
	if (produced - rxq->consumed > rxq->mask + 1) {
		rxq->bad_indexes++;
		return 0;
	}
	/*
	 * Loads from write-combining memory may otherwise be older than this one, and MOVNTDQA may
	 * find an old line in its buffer (Intel SDM vol. 2, MOVNTDQA): a full barrier.
	 */
	rte_mb();
	rxq->produced = produced;
	return produced - rxq->consumed;
}

/* Return lines to the producer, in batches: each is a write across the link. */
static void
rx_release(struct ivshmem_rxq *rxq)
{
	if (rxq->consumed - rxq->published < rxq->batch)
		return;
	/* What was read out of the lines was read before they are given back. */
	rte_mb();
	write_word(&rxq->control->consumed, rxq->consumed);
	rxq->published = rxq->consumed;
}

/* Copy lines of a ring, which may wrap. */
static void
rx_copy(const struct ivshmem_rxq *rxq, uint8_t *to, uint32_t line, uint32_t nb_lines)
{
	uint32_t first = line & rxq->mask;
	uint32_t to_end = RTE_MIN(nb_lines, rxq->mask + 1 - first);

	rte_wcio_read(to, rxq->slots + (size_t)first * IVSHMEM_LINE, to_end);
	if (unlikely(to_end < nb_lines))
		rte_wcio_read(to + (size_t)to_end * IVSHMEM_LINE, rxq->slots, nb_lines - to_end);
}

/*
 * Read one packet into an mbuf: its header lands in the headroom. The header is judged by the copy,
 * which the peer cannot change any more. Returns the lines read, 0 if there is no sense in them.
 */
static uint32_t
rx_packet(struct ivshmem_rxq *rxq, struct rte_mbuf *mbuf, uint32_t available)
{
	uint8_t *data = rte_pktmbuf_mtod(mbuf, uint8_t *);
	struct ivshmem_packet packet;
	uint32_t len, nb_lines;

	rx_copy(rxq, data - PACKET_SIZE, rxq->consumed, 1);
	memcpy(&packet, data - PACKET_SIZE, PACKET_SIZE);
	len = rte_le_to_cpu_16(packet.len);
	if (unlikely(len < IVSHMEM_MIN_FRAME || len > IVSHMEM_MAX_FRAME ||
			rte_le_to_cpu_16(packet.line) != (uint16_t)rxq->consumed))
		return 0;
	nb_lines = ivshmem_lines(len);
	if (unlikely(nb_lines > available))
		return 0;
	if (nb_lines > 1)
		rx_copy(rxq, data - PACKET_SIZE + IVSHMEM_LINE, rxq->consumed + 1, nb_lines - 1);
	mbuf->data_len = len;
	mbuf->pkt_len = len;
	mbuf->port = rxq->port_id;
	return nb_lines;
}

uint16_t
ivshmem_rx_burst(void *queue, struct rte_mbuf **pkts, uint16_t nb_pkts)
{
	struct ivshmem_rxq *rxq = queue;
	uint32_t available = rx_available(rxq), nb_lines;
	uint64_t bytes = 0;
	uint16_t nb_rx = 0;

	/* A packet has one line at least. */
	nb_pkts = RTE_MIN(available, nb_pkts);
	if (nb_pkts == 0)
		return 0;
	if (unlikely(rte_pktmbuf_alloc_bulk(rxq->pool, pkts, nb_pkts) != 0)) {
		rxq->no_mbuf++;
		return 0;
	}

	while (nb_rx < nb_pkts && available > 0) {
		nb_lines = rx_packet(rxq, pkts[nb_rx], available);
		if (unlikely(nb_lines == 0)) {
			/* Where the next packet starts is unknown: drop all that is there. */
			rxq->bad_packets++;
			rxq->consumed = rxq->produced;
			break;
		}
		rxq->consumed += nb_lines;
		available -= nb_lines;
		bytes += pkts[nb_rx]->pkt_len;
		nb_rx++;
	}

	rte_pktmbuf_free_bulk(pkts + nb_rx, nb_pkts - nb_rx);
	rxq->packets += nb_rx;
	rxq->bytes += bytes;
	rx_release(rxq);
	return nb_rx;
}

/* Free lines, as far as known. */
static uint32_t
tx_available(const struct ivshmem_txq *txq)
{
	return txq->mask + 1 - (txq->produced - txq->consumed);
}

/* Ask the peer how many lines are free: a read across the link. */
static uint32_t
tx_ask_available(struct ivshmem_txq *txq)
{
	uint32_t consumed = read_word(&txq->control->consumed);

	txq->link_reads++;
	if (txq->produced - consumed > txq->mask + 1) {
		txq->bad_indexes++;
	} else {
		/* The lines are not overwritten before the peer was seen to be done with them. */
		rte_mb();
		txq->consumed = consumed;
	}
	return tx_available(txq);
}

static void
tx_copy(const struct ivshmem_txq *txq, uint32_t line, const uint8_t *from, uint32_t nb_lines)
{
	uint32_t first = line & txq->mask;
	uint32_t to_end = RTE_MIN(nb_lines, txq->mask + 1 - first);

	txq->copy(txq->slots + (size_t)first * IVSHMEM_LINE, from, to_end);
	if (unlikely(to_end < nb_lines))
		txq->copy(txq->slots, from + (size_t)to_end * IVSHMEM_LINE, nb_lines - to_end);
}

/* Header and first 60 bytes make a line; further whole lines go straight from the mbuf. */
static void
tx_packet(const struct ivshmem_txq *txq, const uint8_t *data, uint32_t len, uint32_t frame_len)
{
	struct ivshmem_packet packet = {
		.len = rte_cpu_to_le_16(frame_len),
		.line = rte_cpu_to_le_16((uint16_t)txq->produced),
	};
	uint8_t line[IVSHMEM_LINE] __rte_aligned(IVSHMEM_LINE);
	uint32_t whole, rest, done;

	memcpy(line, &packet, PACKET_SIZE);
	if (likely(len >= IVSHMEM_MIN_FRAME)) {
		memcpy(line + PACKET_SIZE, data, IVSHMEM_MIN_FRAME);
	} else {
		memset(line + PACKET_SIZE, 0, IVSHMEM_MIN_FRAME);
		memcpy(line + PACKET_SIZE, data, len);
	}
	tx_copy(txq, txq->produced, line, 1);
	if (len <= IVSHMEM_MIN_FRAME)
		return;

	done = IVSHMEM_MIN_FRAME;
	whole = (len - done) / IVSHMEM_LINE;
	tx_copy(txq, txq->produced + 1, data + done, whole);
	done += whole * IVSHMEM_LINE;
	rest = len - done;
	if (rest != 0) {
		memset(line, 0, sizeof(line));
		memcpy(line, data + done, rest);
		tx_copy(txq, txq->produced + 1 + whole, line, 1);
	}
}

uint16_t
ivshmem_tx_burst(void *queue, struct rte_mbuf **pkts, uint16_t nb_pkts)
{
	struct ivshmem_txq *txq = queue;
	uint32_t available = tx_available(txq), nb_lines, len, frame_len;
	const uint32_t start = txq->produced;
	uint64_t bytes = 0, bad = 0;
	bool asked = false;
	uint16_t nb_tx;

	for (nb_tx = 0; nb_tx < nb_pkts; nb_tx++) {
		const struct rte_mbuf *mbuf = pkts[nb_tx];

		len = mbuf->data_len;
		if (unlikely(mbuf->nb_segs != 1 || len > IVSHMEM_MAX_FRAME)) {
			bad++;
			continue;
		}
		frame_len = RTE_MAX(len, (uint32_t)IVSHMEM_MIN_FRAME);
		nb_lines = ivshmem_lines(frame_len);
		if (unlikely(nb_lines > available)) {
			if (asked)
				break;
			asked = true;
			available = tx_ask_available(txq);
			if (nb_lines > available)
				break;
		}
		tx_packet(txq, rte_pktmbuf_mtod(mbuf, const uint8_t *), len, frame_len);
		txq->produced += nb_lines;
		available -= nb_lines;
		bytes += frame_len;
	}

	if (txq->produced != start) {
		/* Payload, then index: see rte_wcio.h. */
		rte_wcio_flush();
		write_word(&txq->control->produced, txq->produced);
	}
	txq->packets += nb_tx - bad;
	txq->bytes += bytes;
	txq->bad_frames += bad;
	rte_pktmbuf_free_bulk(pkts, nb_tx);
	return nb_tx;
}
