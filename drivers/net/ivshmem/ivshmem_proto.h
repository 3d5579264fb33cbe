/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef IVSHMEM_PROTO_H
#define IVSHMEM_PROTO_H

/**
 * @file
 * What two peers find in their shared memory. doc/ivshmem_protocol.rst explains it. All numbers
 * are little endian. Each line of 64 bytes has one writer.
 */

#include <stdint.h>

#include <rte_byteorder.h>
#include <rte_common.h>

#define IVSHMEM_MAGIC UINT64_C(0x304d4853564957) /* "WIVSHM0" */
#define IVSHMEM_VERSION 1

#define IVSHMEM_LINE 64
/** Control area; the slots follow. One page, so that only slots are mapped write-combining. */
#define IVSHMEM_CONTROL_SIZE 4096
#define IVSHMEM_MIN_RING_LINES 64
#define IVSHMEM_MAX_RING_LINES (1 << 20)

/** Frame without FCS, as Ethernet (IEEE 802.3) has it untagged. */
#define IVSHMEM_MIN_FRAME 60
#define IVSHMEM_MAX_FRAME 1514

/** Starts each packet in a ring; the frame follows, then zeros up to the line. */
struct ivshmem_packet {
	rte_le16_t len;		/**< Of the frame, in bytes. */
	rte_le16_t line;	/**< Low bits of its line number, to notice a broken ring. */
};

/** Written once by the server; magic last. */
struct ivshmem_geometry {
	rte_le64_t magic;
	rte_le32_t version;
	rte_le32_t ring_lines;		/**< Of each ring, a power of two. */
	rte_le64_t size;		/**< Of the region, in bytes. */
	rte_le64_t slots[2];		/**< Offset of each ring; [0] is server to client. */
	uint8_t reserved[24];
};

/** A line of which only the first word is used. */
struct ivshmem_word {
	rte_le32_t value;
	uint8_t reserved[IVSHMEM_LINE - sizeof(rte_le32_t)];
};

#define IVSHMEM_STATE_DOWN 0
#define IVSHMEM_STATE_UP 1

/** One direction. Line numbers count freely and wrap at 2^32. */
struct ivshmem_ring_control {
	struct ivshmem_word produced;	/**< Lines written; by the producer. */
	struct ivshmem_word consumed;	/**< Lines free again; by the consumer. */
};

struct ivshmem_control {
	struct ivshmem_geometry geometry;
	struct ivshmem_word state[2];		/**< IVSHMEM_STATE_*; [0] by the server. */
	struct ivshmem_ring_control rings[2];	/**< [0] is server to client. */
};

/** Lines that a frame takes with its header. */
static inline uint32_t
ivshmem_lines(uint32_t frame_len)
{
	return (sizeof(struct ivshmem_packet) + frame_len + IVSHMEM_LINE - 1) / IVSHMEM_LINE;
}

static inline void
ivshmem_check_sizes(void)
{
	RTE_BUILD_BUG_ON(sizeof(struct ivshmem_packet) != 4);
	RTE_BUILD_BUG_ON(sizeof(struct ivshmem_packet) + IVSHMEM_MIN_FRAME != IVSHMEM_LINE);
	RTE_BUILD_BUG_ON(sizeof(struct ivshmem_geometry) != IVSHMEM_LINE);
	RTE_BUILD_BUG_ON(sizeof(struct ivshmem_word) != IVSHMEM_LINE);
	RTE_BUILD_BUG_ON(sizeof(struct ivshmem_control) > IVSHMEM_CONTROL_SIZE);
}

#endif /* IVSHMEM_PROTO_H */
