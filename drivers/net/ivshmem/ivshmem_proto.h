/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef IVSHMEM_PROTO_H
#define IVSHMEM_PROTO_H

/**
 * @file
 * Layout of the shared memory of two peers, specified in doc/ivshmem_protocol.rst. All numbers are
 * little endian. Each line of 64 bytes has one writer.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_byteorder.h>
#include <rte_common.h>

#define IVSHMEM_MAGIC UINT64_C(0x304d4853564957) /* "WIVSHM0" */
#define IVSHMEM_VERSION 2

#define IVSHMEM_LINE 64
/** Control area; the slots follow. One page, so that only slots are mapped write-combining. */
#define IVSHMEM_CONTROL_SIZE 4096
#define IVSHMEM_MIN_RING_LINES 256
#define IVSHMEM_MAX_RING_LINES (1 << 20)
/** Of each direction. */
#define IVSHMEM_MAX_RINGS 16

/** Frame without FCS: Ethernet's smallest (IEEE 802.3); an MTU of 9216 with two VLAN tags. */
#define IVSHMEM_MIN_FRAME 60
#define IVSHMEM_MAX_FRAME (9216 + 14 + 2 * 4)

/** In front of each frame: @{ */
#define IVSHMEM_HEADER_SIZE 4
#define IVSHMEM_HEADER_LEN UINT32_C(0x3fff)	/**< Length of the frame in bytes. */
#define IVSHMEM_HEADER_FIRST UINT32_C(0x4000)	/**< First of a burst, written last. */
#define IVSHMEM_HEADER_LAP_SHIFT 16		/**< Laps of the ring, modulo 2^16. */
/** @} */

/** Written once by the server; magic last. */
struct ivshmem_geometry {
	rte_le64_t magic;
	rte_le32_t version;
	rte_le32_t ring_lines;		/**< Of each ring, a power of two. */
	rte_le64_t size;		/**< Of the region, in bytes. */
	rte_le32_t rings;		/**< Of each direction. */
	uint8_t reserved[36];
};

/** State published by a side. */
struct ivshmem_side {
	/** Low half: number of a start, 0 while stopped. High half: the peer's accepted number. */
	rte_le64_t session;
	rte_le32_t heartbeat;		/**< Incremented while the side is alive. */
	rte_le16_t rx_queues;
	rte_le16_t tx_queues;
	rte_le32_t flags;		/**< IVSHMEM_SIDE_* */
	rte_le16_t peer_id;		/**< Its ID for doorbells. */
	rte_le16_t vector;		/**< Of its first receive queue; the others follow. */
	rte_le32_t pid;			/**< On the host, for messages; 0 otherwise. */
	uint8_t reserved[IVSHMEM_LINE - 28];
};

#define IVSHMEM_SIDE_SLEEPS 1	/**< Its receiver may wait for doorbells. */

/** Lines produced in each ring as of the last heartbeat: a hint to detect lost headers. */
struct ivshmem_produced {
	rte_le32_t lines[IVSHMEM_MAX_RINGS];
};

/** Written by the consumer of a ring. */
struct ivshmem_credit {
	rte_le32_t consumed;		/**< Free-running count of released lines. */
	rte_le32_t armed;		/**< Non-zero while it waits for a doorbell. */
	uint8_t reserved[IVSHMEM_LINE - 8];
};

/** Index 0 is the server's, or the direction from server to client. */
struct ivshmem_control {
	struct ivshmem_geometry geometry;
	struct ivshmem_side sides[2];
	struct ivshmem_produced produced[2];
	struct ivshmem_credit credits[2][IVSHMEM_MAX_RINGS];
};

/** Whether a header of this lap is at a position; its length may be impossible. */
static inline bool
ivshmem_header_is_there(uint32_t header, uint32_t pos, uint32_t lap_shift)
{
	const uint32_t lap = pos >> lap_shift << IVSHMEM_HEADER_LAP_SHIFT;
	const uint32_t length = (header & ~IVSHMEM_HEADER_FIRST) ^ lap;

	return length != 0 && length <= IVSHMEM_HEADER_LEN;
}

/** Number of lines of a frame with its header. */
static inline uint32_t
ivshmem_lines(uint32_t frame_len)
{
	return (IVSHMEM_HEADER_SIZE + frame_len + IVSHMEM_LINE - 1) / IVSHMEM_LINE;
}

/** Offset of a ring's slots in the region. */
static inline uint64_t
ivshmem_ring_offset(uint32_t rings, uint32_t ring_lines, unsigned int direction, unsigned int ring)
{
	return IVSHMEM_CONTROL_SIZE +
		((uint64_t)direction * rings + ring) * ring_lines * IVSHMEM_LINE;
}

/** Size of a layout in bytes. */
static inline uint64_t
ivshmem_region_size(uint32_t rings, uint32_t ring_lines)
{
	return ivshmem_ring_offset(rings, ring_lines, 2, 0);
}

static inline void
ivshmem_check_sizes(void)
{
	RTE_BUILD_BUG_ON(IVSHMEM_HEADER_SIZE + IVSHMEM_MIN_FRAME != IVSHMEM_LINE);
	RTE_BUILD_BUG_ON(IVSHMEM_MAX_FRAME > IVSHMEM_HEADER_LEN);
	RTE_BUILD_BUG_ON(sizeof(struct ivshmem_geometry) != IVSHMEM_LINE);
	RTE_BUILD_BUG_ON(sizeof(struct ivshmem_side) != IVSHMEM_LINE);
	RTE_BUILD_BUG_ON(sizeof(struct ivshmem_produced) != IVSHMEM_LINE);
	RTE_BUILD_BUG_ON(sizeof(struct ivshmem_credit) != IVSHMEM_LINE);
	RTE_BUILD_BUG_ON(sizeof(struct ivshmem_control) > IVSHMEM_CONTROL_SIZE);
}

#endif /* IVSHMEM_PROTO_H */
