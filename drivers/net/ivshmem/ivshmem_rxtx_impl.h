/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef IVSHMEM_RXTX_IMPL_H
#define IVSHMEM_RXTX_IMPL_H

/**
 * @file
 * The data path, compiled once per instruction set (ivshmem_line.h), and for each of them
 * separately for memory of this host and memory of a device, with device as a constant; the
 * transmit functions for memory of this host are compiled separately for streaming as a constant.
 * doc/ivshmem_protocol.rst explains each barrier.
 */

#include <stdalign.h>

#include <rte_atomic.h>
#include <rte_common.h>
#include <rte_hash_crc.h>
#include <rte_io.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_wcio.h>

#include "eal_wc_compat.h"
#include "ivshmem_intr.h"
#include "ivshmem_line.h"
#include "ivshmem_link.h"
#include "ivshmem_rxtx.h"

/* Frames that are distributed over several rings at a time */
#define SPREAD_BURST 64
/* VLAN tags before the IP header: of the provider and of the customer */
#define MAX_TAGS 2

/* Approximate limit of lines read by a burst that returns nothing: four bursts of longest frames */
#define RX_MAX_SKIP (UINT32_C(4) * 32 * 145)

static __rte_always_inline bool
ivshmem_enter(struct ivshmem_gate *gate)
{
	const uint32_t self = ivshmem_process_token;

	/* A process must not continue the burst of a process that died. */
	if (unlikely(rte_atomic_load_explicit(&gate->owner, rte_memory_order_relaxed) != self) &&
			!ivshmem_gate_is_free(gate))
		return false;
	rte_atomic_store_explicit(&gate->owner, self | IVSHMEM_GATE_BUSY, rte_memory_order_relaxed);
	/* The membarrier() of deactivate() prevents reordering by the CPU. */
	rte_compiler_barrier();
	/*
	 * The setup of the rings, before the gate was opened, must be visible: on arm64 the loads
	 * that follow could otherwise be satisfied first. (Litmus test: the link thread does
	 * W ring; W.rel active; a burst R.acq active = 1; R ring: the old value is forbidden.)
	 */
	if (likely(rte_atomic_load_explicit(&gate->active, rte_memory_order_acquire) != 0))
		return true;
	rte_atomic_store_explicit(&gate->owner, self, rte_memory_order_release);
	return false;
}

static __rte_always_inline void
ivshmem_leave(struct ivshmem_gate *gate)
{
	rte_atomic_store_explicit(&gate->owner, ivshmem_process_token, rte_memory_order_release);
}

static __rte_always_inline uint32_t
ivshmem_header_of(const void *line)
{
	return rte_le_to_cpu_32(*(const volatile rte_le32_t *)line);
}

static __rte_always_inline uint32_t
ivshmem_lap_of(uint32_t pos, uint32_t lap_shift)
{
	return (pos >> lap_shift) << IVSHMEM_HEADER_LAP_SHIFT;
}

/* Receive */

/* Remove the lap: the rest is a packet's length, or not a packet. */
static __rte_always_inline uint32_t
ivshmem_rx_length(uint32_t header, uint32_t pos, uint32_t lap_shift)
{
	return (header & ~IVSHMEM_HEADER_FIRST) ^ ivshmem_lap_of(pos, lap_shift);
}

static bool __rte_noinline
ivshmem_rx_refill(struct ivshmem_rxq *rxq)
{
	/* Fewer than the stash holds, so that surplus mbufs can be returned. */
	uint16_t nb = IVSHMEM_STASH / 2;

	while (nb != 0 && rte_mempool_get_bulk(rxq->pool, (void **)rxq->stash, nb) != 0)
		nb /= 2;
	rxq->nb_stash = nb;
	if (nb == 0)
		rxq->count.no_mbuf++;
	return nb != 0;
}

static __rte_always_inline struct rte_mbuf *
ivshmem_rx_take(struct ivshmem_rxq *rxq)
{
	if (unlikely(rxq->nb_stash == 0) && !ivshmem_rx_refill(rxq))
		return NULL;
	return rxq->stash[--rxq->nb_stash];
}

static __rte_always_inline void
ivshmem_rx_put_back(struct ivshmem_rxq *rxq, struct rte_mbuf *mbuf)
{
	rxq->stash[rxq->nb_stash++] = mbuf;
}

static __rte_always_inline void
ivshmem_rx_init(const struct ivshmem_rxq *rxq, struct rte_mbuf *mbuf, uint32_t len)
{
	rte_le64_t *fields = (void *)&mbuf->rx_descriptor_fields1;

	RTE_BUILD_BUG_ON(offsetof(struct rte_mbuf, pkt_len) !=
		offsetof(struct rte_mbuf, rx_descriptor_fields1) + 4);
	RTE_BUILD_BUG_ON(offsetof(struct rte_mbuf, data_len) !=
		offsetof(struct rte_mbuf, rx_descriptor_fields1) + 8);
	*(uint64_t *)&mbuf->rearm_data = rxq->rearm;
	mbuf->ol_flags = 0;
	/* packet_type 0 and pkt_len; data_len, and the rest 0 */
	fields[0] = rte_cpu_to_le_64((uint64_t)len << 32);
	fields[1] = rte_cpu_to_le_64(len);
}

/* Copy lines without a wrap. */
static __rte_always_inline void
ivshmem_rx_copy_run(uint8_t *to, const uint8_t *from, uint32_t nb_lines, const bool device)
{
	for (; nb_lines != 0; nb_lines--, to += IVSHMEM_LINE, from += IVSHMEM_LINE)
		ivshmem_line_store(to,
			device ? ivshmem_line_stream(from) : ivshmem_line_load(from));
}

static __rte_always_inline void
ivshmem_rx_copy(const struct ivshmem_rx_ring *ring, uint8_t *to, uint32_t pos, uint32_t nb_lines,
	const bool device)
{
	const uint32_t first = pos & ring->mask;
	const uint32_t to_end = RTE_MIN(nb_lines, ring->mask + 1 - first);

	ivshmem_rx_copy_run(to, ring->slots + (size_t)first * IVSHMEM_LINE, to_end, device);
	if (unlikely(to_end < nb_lines))
		ivshmem_rx_copy_run(to + (size_t)to_end * IVSHMEM_LINE, ring->slots,
			nb_lines - to_end, device);
}

static __rte_always_inline uint8_t *
ivshmem_rx_data(struct rte_mbuf *mbuf)
{
	return (uint8_t *)mbuf->buf_addr + RTE_PKTMBUF_HEADROOM;
}

/*
 * Copy lines that do not fit into the first mbuf to further ones. False, without any change, if
 * mbufs are short.
 */
static __rte_noinline bool
ivshmem_rx_scatter(struct ivshmem_rxq *rxq, const struct ivshmem_rx_ring *ring, uint32_t pos,
	struct rte_mbuf *head, uint32_t len, const bool device)
{
	const uint32_t nb_lines = ivshmem_lines(len);
	struct rte_mbuf *last = head, *mbuf;
	uint32_t done = rxq->seg_lines, left, part;

	head->data_len = done * IVSHMEM_LINE - IVSHMEM_HEADER_SIZE;
	for (left = len - head->data_len; left != 0; left -= mbuf->data_len) {
		mbuf = ivshmem_rx_take(rxq);
		if (mbuf == NULL)
			goto give_up;
		part = RTE_MIN(nb_lines - done, rxq->seg_lines);
		ivshmem_rx_copy(ring, ivshmem_rx_data(mbuf), pos + done, part, device);
		ivshmem_rx_init(rxq, mbuf, RTE_MIN(left, part * IVSHMEM_LINE));
		done += part;
		last->next = mbuf;
		last = mbuf;
		head->nb_segs++;
	}
	return true;

give_up:
	if (head->next != NULL)
		rte_pktmbuf_free(head->next);
	head->next = NULL;
	head->nb_segs = 1;
	return false;
}

/* Copy all but the first line of a packet, which is in the mbuf already. */
static __rte_always_inline bool
ivshmem_rx_rest(struct ivshmem_rxq *rxq, const struct ivshmem_rx_ring *ring, uint32_t pos,
	struct rte_mbuf *mbuf, uint32_t len, uint32_t nb_lines, const bool device)
{
	const uint32_t first_part = RTE_MIN(nb_lines, rxq->seg_lines);

	ivshmem_rx_copy(ring, ivshmem_rx_data(mbuf) + IVSHMEM_MIN_FRAME, pos + 1, first_part - 1,
			device);
	return likely(first_part == nb_lines) ||
		ivshmem_rx_scatter(rxq, ring, pos, mbuf, len, device);
}

static __rte_always_inline bool
ivshmem_rx_is_packet(uint32_t length)
{
	return length - IVSHMEM_MIN_FRAME <= IVSHMEM_MAX_FRAME - IVSHMEM_MIN_FRAME;
}

/* Memory of this host: the header, then the line, which was complete before the header. */
static __rte_always_inline struct rte_mbuf *
ivshmem_rx_first_memory(struct ivshmem_rxq *rxq, const uint8_t *line, uint32_t pos,
		uint32_t lap_shift, uint32_t *length)
{
	struct rte_mbuf *mbuf;

	*length = ivshmem_rx_length(ivshmem_header_of(line), pos, lap_shift);
	if (!ivshmem_rx_is_packet(*length))
		return NULL;
	rte_atomic_thread_fence(rte_memory_order_acquire);
	mbuf = ivshmem_rx_take(rxq);
	if (likely(mbuf != NULL))
		ivshmem_line_store(ivshmem_rx_data(mbuf) - IVSHMEM_HEADER_SIZE,
			ivshmem_line_load(line));
	return mbuf;
}

/*
 * Memory of a device: a line is one read, and the header is validated in the copy. The first header
 * of a burst was written after the whole burst, but the CPU may have loaded the rest of its line
 * before that: load it again, unless there was a barrier after the header was seen.
 */
static __rte_always_inline struct rte_mbuf *
ivshmem_rx_first_device(struct ivshmem_rxq *rxq, const uint8_t *line, uint32_t pos,
		uint32_t lap_shift, bool synced, uint32_t *length)
{
	struct rte_mbuf *mbuf = ivshmem_rx_take(rxq);
	uint32_t header;
	uint8_t *to;

	*length = IVSHMEM_MIN_FRAME;
	if (unlikely(mbuf == NULL))
		return NULL;
	to = ivshmem_rx_data(mbuf) - IVSHMEM_HEADER_SIZE;
	ivshmem_line_store(to, ivshmem_line_stream(line));
	header = ivshmem_header_of(to);
	if (unlikely((header & IVSHMEM_HEADER_FIRST) != 0 && !synced)) {
		rte_wcio_read_mb();
		ivshmem_line_store(to, ivshmem_line_stream(line));
		header = ivshmem_header_of(to);
		rxq->count.line_reads++;
	}
	*length = ivshmem_rx_length(header, pos, lap_shift);
	if (likely(ivshmem_rx_is_packet(*length)))
		return mbuf;
	ivshmem_rx_put_back(rxq, mbuf);
	rxq->count.line_reads++;
	return NULL;
}

/* Counted by one thread, and read by another */
static __rte_always_inline void
ivshmem_rx_count_empty(struct ivshmem_rx_ring *ring)
{
	const uint32_t empty = rte_atomic_load_explicit(&ring->empty, rte_memory_order_relaxed);

	rte_atomic_store_explicit(&ring->empty, empty + 1, rte_memory_order_relaxed);
}

/* No packet, or no valid one, at this position */
static __rte_noinline void
ivshmem_rx_no_packet(struct ivshmem_rxq *rxq, struct ivshmem_rx_ring *ring, uint32_t length,
		bool first)
{
	ring->more = false;
	if (length != 0 && length <= IVSHMEM_HEADER_LEN) {
		/* The start of the next packet is unknown. */
		rxq->count.bad_packets++;
		ring->broken = true;
	} else if (first) {
		ivshmem_rx_count_empty(ring);
	}
}

/* Release lines to the producer in batches: in a guest each is a PCIe write. */
static __rte_always_inline void
ivshmem_rx_release(struct ivshmem_rxq *rxq, struct ivshmem_rx_ring *ring)
{
	const uint32_t pos = rte_atomic_load_explicit(&ring->pos, rte_memory_order_relaxed);

	if (likely(pos - ring->published < ring->batch))
		return;
	/* What was read out of the lines was read before they are given back. */
	rte_wcio_read_mb();
	ring->credit->consumed = rte_cpu_to_le_32(pos);
	ring->published = pos;
	rxq->count.credit_writes++;
}

/* Whether a packet is available. In a guest the header alone is the smallest read. */
static __rte_always_inline bool
ivshmem_rx_look(struct ivshmem_rxq *rxq, struct ivshmem_rx_ring *ring)
{
	const uint32_t pos = rte_atomic_load_explicit(&ring->pos, rte_memory_order_relaxed);
	const uint32_t header =
		ivshmem_header_of(ring->heads + (size_t)(pos & ring->mask) * IVSHMEM_LINE);
	const uint32_t length = ivshmem_rx_length(header, pos, ring->lap_shift);

	rxq->count.head_reads++;
	if (length != 0 && length <= IVSHMEM_HEADER_LEN)
		return true;
	ivshmem_rx_count_empty(ring);
	return false;
}

static __rte_always_inline uint16_t
ivshmem_rx_ring_burst(struct ivshmem_rxq *rxq, struct ivshmem_rx_ring *ring, struct rte_mbuf **pkts,
	uint16_t nb_pkts, const bool device)
{
	const uint8_t * const slots = ring->slots;
	const uint32_t start = rte_atomic_load_explicit(&ring->pos, rte_memory_order_relaxed);
	const uint32_t mask = ring->mask, lap_shift = ring->lap_shift;
	uint32_t pos = start, len, nb_lines;
	bool looked = false;
	uint64_t bytes = 0;
	uint16_t nb_rx = 0;

	if (unlikely(ring->broken))
		return 0;
	if (device) {
		if (!ring->more) {
			if (!ivshmem_rx_look(rxq, ring))
				return 0;
			looked = true;
		}
		/*
		 * Loads from write-combining memory may otherwise be older than the look, and
		 * MOVNTDQA may find an old line in its buffer (Intel SDM vol. 2, MOVNTDQA).
		 */
		rte_wcio_read_mb();
		ring->more = true;
	}

	while (nb_rx < nb_pkts) {
		const uint8_t *line = slots + (size_t)(pos & mask) * IVSHMEM_LINE;
		struct rte_mbuf *mbuf = device ?
			ivshmem_rx_first_device(rxq, line, pos, lap_shift,
				looked && pos == start, &len) :
			ivshmem_rx_first_memory(rxq, line, pos, lap_shift, &len);

		if (mbuf == NULL) {
			if (!ivshmem_rx_is_packet(len))
				ivshmem_rx_no_packet(rxq, ring, len, pos == start);
			break;
		}
		nb_lines = ivshmem_lines(len);
		ivshmem_rx_init(rxq, mbuf, len);
		if (nb_lines > 1) {
			if (unlikely(len > rxq->max_len)) {
				ivshmem_rx_put_back(rxq, mbuf);
				rxq->count.oversized++;
				pos += nb_lines;
				/* A peer could send these endlessly. */
				if (pos - start > RTE_MIN(mask, RX_MAX_SKIP))
					break;
				continue;
			}
			if (unlikely(!ivshmem_rx_rest(rxq, ring, pos, mbuf, len, nb_lines,
					device))) {
				ivshmem_rx_put_back(rxq, mbuf);
				break;
			}
		}
		pos += nb_lines;
		bytes += len;
		pkts[nb_rx++] = mbuf;
	}

	rte_atomic_store_explicit(&ring->pos, pos, rte_memory_order_relaxed);
	rxq->count.packets += nb_rx;
	rxq->count.bytes += bytes;
	rxq->count.line_reads += pos - start;
	ivshmem_rx_release(rxq, ring);
	return nb_rx;
}

static __rte_always_inline uint16_t
ivshmem_rx_burst(void *queue, struct rte_mbuf **pkts, uint16_t nb_pkts, const bool device)
{
	struct ivshmem_rxq *rxq = queue;
	uint16_t nb_rx = 0, n, ring;

	if (unlikely(!ivshmem_enter(&rxq->gate)))
		return 0;
	if (likely(rxq->nb_rings == 1)) {
		nb_rx = ivshmem_rx_ring_burst(rxq, rxq->rings, pkts, nb_pkts, device);
	} else {
		ring = rxq->next_ring;
		for (n = 0; n < rxq->nb_rings && nb_rx < nb_pkts; n++) {
			nb_rx += ivshmem_rx_ring_burst(rxq, &rxq->rings[ring * rxq->stride],
					pkts + nb_rx, nb_pkts - nb_rx, device);
			ring = ring + 1 < rxq->nb_rings ? ring + 1 : 0;
		}
		rxq->next_ring = ring;
	}
	ivshmem_leave(&rxq->gate);
	return nb_rx;
}

/* Transmit */

/* Copies of a frame's bytes from any segments. */
struct cursor {
	const struct rte_mbuf *seg;
	uint32_t offset;	/* in the segment */
};

static void
ivshmem_tx_gather_bytes(struct cursor *cursor, uint8_t *to, uint32_t nb)
{
	uint32_t part;

	while (nb != 0 && cursor->seg != NULL) {
		part = RTE_MIN(nb, cursor->seg->data_len - cursor->offset);
		memcpy(to, rte_pktmbuf_mtod_offset(cursor->seg, const uint8_t *, cursor->offset),
			part);
		to += part;
		nb -= part;
		cursor->offset += part;
		if (cursor->offset == cursor->seg->data_len)
			*cursor = (struct cursor){ .seg = cursor->seg->next };
	}
}

/* A line of a ring. Memory of a device is not cached: ordinary stores are sufficient. */
static __rte_always_inline void
ivshmem_tx_store(void *to, struct ivshmem_vec line, const bool streaming)
{
	if (streaming)
		ivshmem_line_store_streaming(to, line);
	else
		ivshmem_line_store(to, line);
}

/* Any frame: in segments, short, across the end of the ring, at the edge of its buffer. */
static __rte_noinline void
ivshmem_tx_gather(const struct ivshmem_tx_ring *ring, uint8_t *head, uint32_t header, uint32_t pos,
	const struct rte_mbuf *mbuf, uint32_t nb_lines, const bool head_streaming,
	const bool streaming)
{
	struct cursor cursor = { .seg = mbuf };
	alignas(IVSHMEM_LINE) uint8_t line[IVSHMEM_LINE];
	uint32_t left = mbuf->pkt_len, part, n;

	part = RTE_MIN(left, (uint32_t)IVSHMEM_MIN_FRAME);
	memset(line, 0, sizeof(line));
	ivshmem_tx_gather_bytes(&cursor, line + IVSHMEM_HEADER_SIZE, part);
	ivshmem_tx_store(head, ivshmem_line_set_header(ivshmem_line_load(line), header),
			head_streaming);
	for (n = 1; n < nb_lines; n++) {
		left -= part;
		part = RTE_MIN(left, (uint32_t)IVSHMEM_LINE);
		memset(line, 0, sizeof(line));
		ivshmem_tx_gather_bytes(&cursor, line, part);
		ivshmem_tx_store(ring->slots + (size_t)((pos + n) & ring->mask) * IVSHMEM_LINE,
			ivshmem_line_load(line), streaming);
	}
}

/* The header and the start of a contiguous frame, which form the first line */
static __rte_always_inline struct ivshmem_vec
ivshmem_tx_first_line(const uint8_t *data, uint32_t header)
{
	return ivshmem_line_set_header(ivshmem_line_load(data - IVSHMEM_HEADER_SIZE), header);
}

/* A contiguous frame, with room for whole lines around it. */
static __rte_always_inline void
ivshmem_tx_direct(uint8_t *slot, uint8_t *head, uint32_t header, const uint8_t *data, uint32_t len,
	const bool head_streaming, const bool streaming)
{
	uint32_t whole, rest;

	ivshmem_tx_store(head, ivshmem_tx_first_line(data, header), head_streaming);
	if (len == IVSHMEM_MIN_FRAME)
		return;
	data += IVSHMEM_MIN_FRAME;
	whole = (len - IVSHMEM_MIN_FRAME) / IVSHMEM_LINE;
	rest = (len - IVSHMEM_MIN_FRAME) % IVSHMEM_LINE;
	for (; whole != 0; whole--, data += IVSHMEM_LINE) {
		slot += IVSHMEM_LINE;
		ivshmem_tx_store(slot, ivshmem_line_load(data), streaming);
	}
	if (rest != 0)
		ivshmem_tx_store(slot + IVSHMEM_LINE,
			ivshmem_line_cut(ivshmem_line_load(data), rest), streaming);
}

static __rte_always_inline bool
ivshmem_tx_is_direct(const struct rte_mbuf *mbuf, uint32_t len, uint32_t lines_to_end,
		uint32_t nb_lines)
{
	const uint32_t before = mbuf->data_off - IVSHMEM_HEADER_SIZE;

	/* A frame too close to the start of its buffer yields a huge unsigned number. */
	return mbuf->nb_segs == 1 && len >= IVSHMEM_MIN_FRAME && nb_lines <= lines_to_end &&
		(uint64_t)before + nb_lines * IVSHMEM_LINE <= mbuf->buf_len;
}

/* A contiguous minimum-size frame, with room for its header before it. */
static __rte_always_inline bool
ivshmem_tx_is_one_line(const struct rte_mbuf *mbuf)
{
	return mbuf->pkt_len == IVSHMEM_MIN_FRAME &&
		ivshmem_tx_is_direct(mbuf, IVSHMEM_MIN_FRAME, 1, 1);
}

/* Read the number of free lines: in a guest a PCIe read. */
static __rte_noinline uint32_t
ivshmem_tx_ask_limit(struct ivshmem_txq *txq, struct ivshmem_tx_ring *ring, uint32_t pos)
{
	const uint64_t before = ivshmem_distance_clock();
	const uint32_t limit = rte_le_to_cpu_32(ring->credit->consumed) + ring->mask;
	const uint64_t after = ivshmem_distance_clock();

	txq->count.credit_reads++;
	if (limit - pos > ring->mask) {
		txq->count.bad_credits++;
		ring->broken = true;
		return ring->limit;
	}
	/* Lines must not be overwritten before the peer has released them. */
	rte_mb();
	/* If it has not changed, it may come from this CPU's cache. */
	if (limit != ring->limit)
		txq->count.store_changes += ivshmem_distance_add(&ring->distance, after - before);
	ring->limit = limit;
	return limit;
}

/*
 * Whether the line at pos may contain what looks like a header of its lap: a line inside a packet
 * was written there in the previous lap.
 */
static __rte_always_inline bool
ivshmem_tx_needs_blank(const struct ivshmem_tx_ring *ring, uint32_t pos)
{
	return pos - ring->inner <= ring->mask + 1;
}

/* Notify the receiver if it waits for a doorbell. In a guest the check is a PCIe read. */
static __rte_noinline void
ivshmem_tx_wake(struct ivshmem_txq *txq, const struct ivshmem_tx_ring *ring)
{
	/* Either the receiver sees the burst, or this side sees that the receiver sleeps. */
	rte_mb();
	txq->count.armed_reads++;
	if (ring->credit->armed == 0)
		return;
	if (ivshmem_intr_notify(ring->port, ring->peer_id, ring->vector))
		txq->count.doorbells++;
}

/*
 * Make a burst visible: everything else, then the header of its first packet, or, with an atomic
 * store, its first line.
 */
static __rte_always_inline void
ivshmem_tx_announce(struct ivshmem_txq *txq, struct ivshmem_tx_ring *ring, uint32_t start,
		uint32_t pos, uint32_t header, const uint8_t *first_line, const bool device,
		const bool streaming)
{
	static alignas(RTE_CACHE_LINE_SIZE) const uint8_t blank[IVSHMEM_LINE];
	const size_t first = (size_t)(start & ring->mask) * IVSHMEM_LINE;

	if (ivshmem_tx_needs_blank(ring, pos)) {
		ivshmem_tx_store(ring->slots + (size_t)(pos & ring->mask) * IVSHMEM_LINE,
			ivshmem_line_load(blank), streaming);
		txq->count.blank_lines++;
	}
	if (device)
		rte_wcio_flush();
	else if (streaming)
		rte_wmb();
	else
		rte_atomic_thread_fence(rte_memory_order_release);
	if (device && txq->atomic) {
		rte_wcio_atomic_line(ring->slots + first, first_line);
		/*
		 * The store is unordered (Intel SDM vol. 2, MOVDIR64B): after the gate is left, the
		 * ring may be cleared for another session, in which the line must not arrive.
		 */
		rte_wcio_flush();
	} else {
		*(volatile rte_le32_t *)(ring->heads + first) = rte_cpu_to_le_32(header);
	}
	/* The heartbeat publishes it; the peer must then find the header. */
	rte_atomic_store_explicit(&ring->pos, pos, rte_memory_order_release);
	txq->count.bursts++;
	if (unlikely(ring->wakes))
		ivshmem_tx_wake(txq, ring);
}

static __rte_always_inline uint16_t
ivshmem_tx_ring_write(struct ivshmem_txq *txq, struct ivshmem_tx_ring *ring, struct rte_mbuf **pkts,
	uint16_t nb_pkts, bool *plain, const bool device, const bool streaming)
{
	uint8_t * const slots = ring->slots;
	const uint32_t start = rte_atomic_load_explicit(&ring->pos, rte_memory_order_relaxed);
	const uint32_t mask = ring->mask, lap_shift = ring->lap_shift;
	uint32_t pos = start, limit = ring->limit, inner = ring->inner, announced = 0;
	uint32_t nb_lines, header, len, slot;
	uint64_t bytes = 0, bad = 0;
	alignas(IVSHMEM_LINE) uint8_t first_line[IVSHMEM_LINE];
	bool asked = false, all_plain = true, head_streaming;
	uint8_t *head;
	uint16_t nb_tx;

	for (nb_tx = 0; nb_tx < nb_pkts; nb_tx++) {
		const struct rte_mbuf *mbuf = pkts[nb_tx];

		/* The hot path: inside a burst, with room in the ring. */
		if (ivshmem_tx_is_one_line(mbuf) && pos != start && pos != limit) {
			ivshmem_tx_store(slots + (size_t)(pos & mask) * IVSHMEM_LINE,
				ivshmem_tx_first_line(rte_pktmbuf_mtod(mbuf, const uint8_t *),
					IVSHMEM_MIN_FRAME | ivshmem_lap_of(pos, lap_shift)),
				streaming);
			pos++;
			bytes += IVSHMEM_MIN_FRAME;
			continue;
		}
		len = mbuf->pkt_len;
		if (unlikely(len > IVSHMEM_MAX_FRAME)) {
			all_plain = false;
			bad++;
			continue;
		}
		nb_lines = ivshmem_lines(len);
		if (unlikely(nb_lines > limit - pos)) {
			if (asked)
				break;
			asked = true;
			limit = ivshmem_tx_ask_limit(txq, ring, pos);
			if (nb_lines > limit - pos)
				break;
		}
		header = RTE_MAX(len, (uint32_t)IVSHMEM_MIN_FRAME) | ivshmem_lap_of(pos, lap_shift);
		if (unlikely(pos == start)) {
			announced = header | IVSHMEM_HEADER_FIRST;
			header = 0;
		}
		slot = pos & mask;
		head = slots + (size_t)slot * IVSHMEM_LINE;
		/*
		 * The header of the burst will be stored to its first line: streaming stores would
		 * write the line to memory first, and that store would fetch it again, for which
		 * the next burst's barrier would wait.
		 */
		head_streaming = streaming && pos != start;
		if (device && unlikely(pos == start) && txq->atomic) {
			head = first_line;
			header = announced;
		}
		if (likely(ivshmem_tx_is_direct(mbuf, len, mask + 1 - slot, nb_lines))) {
			ivshmem_tx_direct(slots + (size_t)slot * IVSHMEM_LINE, head, header,
				rte_pktmbuf_mtod(mbuf, const uint8_t *), len, head_streaming,
				streaming);
		} else {
			all_plain &= mbuf->nb_segs == 1;
			ivshmem_tx_gather(ring, head, header, pos, mbuf, nb_lines, head_streaming,
				streaming);
		}
		pos += nb_lines;
		inner = nb_lines > 1 ? pos - 1 : inner;
		bytes += len;
	}

	if (pos != start) {
		ring->inner = inner;
		ivshmem_tx_announce(txq, ring, start, pos, announced, first_line, device,
				streaming);
	}
	txq->count.packets += nb_tx - bad;
	txq->count.bytes += bytes;
	txq->count.bad_frames += bad;
	*plain &= all_plain;
	return nb_tx;
}

/*
 * To a process of this host, the minimum-size frames before any other, while the ring has room:
 * each is a burst of its own, one atomic store. This needs no barrier, for which the CPU would wait
 * until its streaming stores have arrived in memory, longer than it takes to write a burst.
 */
static __rte_always_inline uint16_t
ivshmem_tx_ring_atomic(struct ivshmem_txq *txq, struct ivshmem_tx_ring *ring,
	struct rte_mbuf **pkts, uint16_t nb_pkts)
{
	const uint32_t start = rte_atomic_load_explicit(&ring->pos, rte_memory_order_relaxed);
	const uint32_t limit = ring->limit, mask = ring->mask, lap_shift = ring->lap_shift;
	alignas(IVSHMEM_LINE) uint8_t line[IVSHMEM_LINE];
	uint32_t pos = start;
	uint16_t nb_tx;

	/* Each line that the receiver may look at has to be blank or of an earlier lap. */
	if (ivshmem_tx_needs_blank(ring, start))
		return 0;
	for (nb_tx = 0; nb_tx < nb_pkts; nb_tx++, pos++) {
		const struct rte_mbuf *mbuf = pkts[nb_tx];
		const uint32_t header = IVSHMEM_MIN_FRAME | IVSHMEM_HEADER_FIRST |
			ivshmem_lap_of(pos, lap_shift);
		const uint8_t *data = rte_pktmbuf_mtod(mbuf, const uint8_t *);

		if (pos == limit || !ivshmem_tx_is_one_line(mbuf))
			break;
		ivshmem_line_store(line, ivshmem_tx_first_line(data, header));
		rte_wcio_atomic_line(ring->slots + (size_t)(pos & mask) * IVSHMEM_LINE, line);
	}
	if (nb_tx == 0)
		return 0;
	rte_atomic_store_explicit(&ring->pos, pos, rte_memory_order_release);
	txq->count.packets += nb_tx;
	txq->count.bytes += nb_tx * IVSHMEM_MIN_FRAME;
	txq->count.atomic_lines += nb_tx;
	if (unlikely(ring->wakes))
		ivshmem_tx_wake(txq, ring);
	return nb_tx;
}

static __rte_always_inline uint16_t
ivshmem_tx_ring_far(struct ivshmem_txq *txq, struct ivshmem_tx_ring *ring, struct rte_mbuf **pkts,
	uint16_t nb_pkts, bool *plain)
{
	uint16_t nb_tx = 0;

	if (txq->atomic && ring->to_process)
		nb_tx = ivshmem_tx_ring_atomic(txq, ring, pkts, nb_pkts);
	if (nb_tx < nb_pkts)
		nb_tx += ivshmem_tx_ring_write(txq, ring, pkts + nb_tx, nb_pkts - nb_tx, plain,
				false, true);
	return nb_tx;
}

static __rte_always_inline uint16_t
ivshmem_tx_ring_burst(struct ivshmem_txq *txq, struct ivshmem_tx_ring *ring, struct rte_mbuf **pkts,
	uint16_t nb_pkts, bool *plain, const bool device)
{
	if (!device && ring->distance.far)
		return ivshmem_tx_ring_far(txq, ring, pkts, nb_pkts, plain);
	return ivshmem_tx_ring_write(txq, ring, pkts, nb_pkts, plain, device, false);
}

/* rte_hash_crc() requires aligned data. At most 32 bytes. */
static uint32_t
ivshmem_tx_hash(const void *data, uint32_t len, uint32_t start)
{
	uint64_t copy[4];

	memcpy(copy, data, len);
	return rte_hash_crc(copy, len, start);
}

/* Whether packets of this protocol begin with a source and a destination port, 4 bytes. */
static bool
ivshmem_tx_has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

/* Only the first fragment has ports, and all fragments must use the same ring. */
static uint32_t
ivshmem_tx_flow_ipv4(const struct rte_ipv4_hdr *ipv4, uint32_t len)
{
	const bool whole = (ipv4->fragment_offset &
		RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) == 0;
	const uint32_t flow = ivshmem_tx_hash(&ipv4->src_addr, 8, ipv4->next_proto_id);

	if (whole && ivshmem_tx_has_ports(ipv4->next_proto_id) &&
			ipv4->version_ihl == RTE_IPV4_VHL_DEF && len >= sizeof(*ipv4) + 4)
		return ivshmem_tx_hash(ipv4 + 1, 4, flow);
	return flow;
}

/* In a fragment the next header is the fragment header. */
static uint32_t
ivshmem_tx_flow_ipv6(const struct rte_ipv6_hdr *ipv6, uint32_t len)
{
	const uint32_t flow = ivshmem_tx_hash(&ipv6->src_addr, 32, ipv6->proto);

	if (ivshmem_tx_has_ports(ipv6->proto) && len >= sizeof(*ipv6) + 4)
		return ivshmem_tx_hash(ipv6 + 1, 4, flow);
	return flow;
}

/* A hash that is equal for all frames of a flow, from the headers in the first segment. */
static uint32_t
ivshmem_tx_flow(const struct rte_mbuf *mbuf)
{
	const struct rte_ether_hdr *ether = rte_pktmbuf_mtod(mbuf, const struct rte_ether_hdr *);
	const uint8_t *inner = (const uint8_t *)(ether + 1);
	uint32_t left = mbuf->data_len, tags;
	rte_be16_t type;

	if (left < sizeof(*ether))
		return 0;
	left -= sizeof(*ether);
	type = ether->ether_type;
	for (tags = 0; tags < MAX_TAGS && left >= sizeof(struct rte_vlan_hdr) &&
			(type == RTE_BE16(RTE_ETHER_TYPE_VLAN) ||
			type == RTE_BE16(RTE_ETHER_TYPE_QINQ)); tags++) {
		type = ((const struct rte_vlan_hdr *)inner)->eth_proto;
		inner += sizeof(struct rte_vlan_hdr);
		left -= sizeof(struct rte_vlan_hdr);
	}
	if (type == RTE_BE16(RTE_ETHER_TYPE_IPV4) && left >= sizeof(struct rte_ipv4_hdr))
		return ivshmem_tx_flow_ipv4((const struct rte_ipv4_hdr *)inner, left);
	if (type == RTE_BE16(RTE_ETHER_TYPE_IPV6) && left >= sizeof(struct rte_ipv6_hdr))
		return ivshmem_tx_flow_ipv6((const struct rte_ipv6_hdr *)inner, left);
	return ivshmem_tx_hash(ether, 2 * RTE_ETHER_ADDR_LEN, 0);
}

/*
 * The peer has more receive queues than this side has transmit queues: distribute by flow. A frame
 * whose ring is full is dropped, so that a slow receive queue does not hold up the others.
 */
static __rte_noinline uint16_t
ivshmem_tx_spread(struct ivshmem_txq *txq, struct rte_mbuf **pkts, uint16_t nb_pkts, bool *plain,
	const bool device)
{
	struct rte_mbuf *lists[IVSHMEM_MAX_RINGS][SPREAD_BURST];
	uint16_t lens[IVSHMEM_MAX_RINGS] = { 0 };
	uint16_t n, ring, sent;

	nb_pkts = RTE_MIN(nb_pkts, SPREAD_BURST);
	for (n = 0; n < nb_pkts; n++) {
		ring = (uint64_t)ivshmem_tx_flow(pkts[n]) * txq->nb_rings >> 32;
		lists[ring][lens[ring]++] = pkts[n];
	}
	for (ring = 0; ring < txq->nb_rings; ring++) {
		sent = ivshmem_tx_ring_burst(txq, &txq->rings[ring * txq->stride], lists[ring],
				lens[ring], plain, device);
		txq->count.ring_full += lens[ring] - sent;
		*plain &= lens[ring] == sent;
	}
	return nb_pkts;
}

static __rte_always_inline uint16_t
ivshmem_tx_burst(void *queue, struct rte_mbuf **pkts, uint16_t nb_pkts, const bool device)
{
	struct ivshmem_txq *txq = queue;
	bool plain = txq->fast_free;
	uint16_t nb_tx;

	if (unlikely(!ivshmem_enter(&txq->gate)))
		return 0;
	if (likely(txq->nb_rings == 1))
		nb_tx = ivshmem_tx_ring_burst(txq, txq->rings, pkts, nb_pkts, &plain, device);
	else
		nb_tx = ivshmem_tx_spread(txq, pkts, nb_pkts, &plain, device);
	ivshmem_leave(&txq->gate);
	/* One pool and no other references, as guaranteed by the application, and no chains. */
	if (plain && nb_tx != 0)
		rte_mempool_put_bulk(pkts[0]->pool, (void **)pkts, nb_tx);
	else
		rte_pktmbuf_free_bulk(pkts, nb_tx);
	return nb_tx;
}

/* The interface of a file that includes this one */

static uint16_t
ivshmem_rx_burst_memory(void *queue, struct rte_mbuf **pkts, uint16_t nb_pkts)
{
	return ivshmem_rx_burst(queue, pkts, nb_pkts, false);
}

static uint16_t
ivshmem_rx_burst_device(void *queue, struct rte_mbuf **pkts, uint16_t nb_pkts)
{
	return ivshmem_rx_burst(queue, pkts, nb_pkts, true);
}

static uint16_t
ivshmem_tx_burst_memory(void *queue, struct rte_mbuf **pkts, uint16_t nb_pkts)
{
	return ivshmem_tx_burst(queue, pkts, nb_pkts, false);
}

static uint16_t
ivshmem_tx_burst_device(void *queue, struct rte_mbuf **pkts, uint16_t nb_pkts)
{
	return ivshmem_tx_burst(queue, pkts, nb_pkts, true);
}

#define IVSHMEM_BURSTS { \
	{ ivshmem_rx_burst_memory, ivshmem_tx_burst_memory }, \
	{ ivshmem_rx_burst_device, ivshmem_tx_burst_device }, \
}

#endif /* IVSHMEM_RXTX_IMPL_H */
