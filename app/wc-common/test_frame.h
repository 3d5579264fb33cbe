/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef TEST_FRAME_H
#define TEST_FRAME_H

/**
 * @file
 * Frames that say which they are: length and every byte follow from a sequence number.
 */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "ivshmem_proto.h"

/** What an MTU of 1500 allows, untagged. */
#define TEST_FRAME_MAX 1514

/** SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014). */
static inline uint64_t
test_frame_random(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/** Bytes of the frame of a number: all sizes up to TEST_FRAME_MAX. */
static inline uint32_t
test_frame_len(uint64_t seq)
{
	return IVSHMEM_MIN_FRAME +
		test_frame_random(~seq) % (TEST_FRAME_MAX - IVSHMEM_MIN_FRAME + 1);
}

/** Eight bytes of number first, then what follows from it and from the position. */
static inline void
test_frame_fill(uint8_t *frame, uint32_t len, uint64_t seq)
{
	uint32_t done, part;
	uint64_t word = seq;

	for (done = 0; done < len; done += part) {
		part = len - done < sizeof(word) ? len - done : sizeof(word);
		memcpy(frame + done, &word, part);
		word = test_frame_random(seq + done);
	}
}

/** Whether a frame is the one of a number, to the last byte. */
static inline bool
test_frame_check(const uint8_t *frame, uint32_t len, uint64_t seq)
{
	uint8_t expected[IVSHMEM_MAX_FRAME];

	test_frame_fill(expected, len, seq);
	return memcmp(frame, expected, len) == 0;
}

#endif /* TEST_FRAME_H */
