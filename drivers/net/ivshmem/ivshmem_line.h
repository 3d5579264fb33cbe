/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef IVSHMEM_LINE_H
#define IVSHMEM_LINE_H

/**
 * @file
 * A line in the registers of the CPU that a file is compiled for. Between load and store a header
 * replaces the first 4 bytes. A line is written with the widest available consecutive stores, so
 * that a write-combining buffer fills at once: ordinary stores, or streaming stores, which bypass
 * the caches and are ordered only by rte_wmb().
 */

#include <stdalign.h>
#include <stdint.h>
#include <string.h>

#include <rte_vect.h>

#include "ivshmem_proto.h"

/** Bytes to keep, then bytes to clear: the mask of a last line starts inside. */
static alignas(RTE_CACHE_LINE_SIZE) const uint8_t ivshmem_keep[2 * IVSHMEM_LINE] = {
	[0 ... IVSHMEM_LINE - 1] = 0xff
};

#if defined(__AVX2__)

struct ivshmem_vec {
	__m256i v[2];
};

static inline struct ivshmem_vec
ivshmem_line_load(const void *from)
{
	const __m256i *src = from;

	return (struct ivshmem_vec){ { _mm256_loadu_si256(src), _mm256_loadu_si256(src + 1) } };
}

static inline struct ivshmem_vec
ivshmem_line_stream(const void *from)
{
	/* the intrinsic's parameter lacks const before gcc 13 */
	__m256i *src = (__m256i *)(uintptr_t)from;

	return (struct ivshmem_vec){ {
		_mm256_stream_load_si256(src), _mm256_stream_load_si256(src + 1)
	} };
}

static inline struct ivshmem_vec
ivshmem_line_set_header(struct ivshmem_vec line, uint32_t header)
{
	line.v[0] = _mm256_blend_epi32(line.v[0],
		_mm256_castsi128_si256(_mm_cvtsi32_si128(header)), 1);
	return line;
}

static inline struct ivshmem_vec
ivshmem_line_and(struct ivshmem_vec a, struct ivshmem_vec b)
{
	return (struct ivshmem_vec){ {
		_mm256_and_si256(a.v[0], b.v[0]), _mm256_and_si256(a.v[1], b.v[1])
	} };
}

static inline void
ivshmem_line_store(void *to, struct ivshmem_vec line)
{
	__m256i *dst = to;

	_mm256_storeu_si256(dst, line.v[0]);
	_mm256_storeu_si256(dst + 1, line.v[1]);
}

static inline void
ivshmem_line_store_streaming(void *to, struct ivshmem_vec line)
{
	__m256i *dst = to;

	_mm256_stream_si256(dst, line.v[0]);
	_mm256_stream_si256(dst + 1, line.v[1]);
}

#elif defined(RTE_ARCH_X86)

struct ivshmem_vec {
	__m128i v[4];
};

static inline struct ivshmem_vec
ivshmem_line_load(const void *from)
{
	const __m128i *src = from;

	return (struct ivshmem_vec){ {
		_mm_loadu_si128(src), _mm_loadu_si128(src + 1),
		_mm_loadu_si128(src + 2), _mm_loadu_si128(src + 3)
	} };
}

static inline struct ivshmem_vec
ivshmem_line_stream(const void *from)
{
	__m128i *src = (__m128i *)(uintptr_t)from;

	return (struct ivshmem_vec){ {
		_mm_stream_load_si128(src), _mm_stream_load_si128(src + 1),
		_mm_stream_load_si128(src + 2), _mm_stream_load_si128(src + 3)
	} };
}

static inline struct ivshmem_vec
ivshmem_line_set_header(struct ivshmem_vec line, uint32_t header)
{
	line.v[0] = _mm_insert_epi32(line.v[0], header, 0);
	return line;
}

static inline struct ivshmem_vec
ivshmem_line_and(struct ivshmem_vec a, struct ivshmem_vec b)
{
	return (struct ivshmem_vec){ {
		_mm_and_si128(a.v[0], b.v[0]), _mm_and_si128(a.v[1], b.v[1]),
		_mm_and_si128(a.v[2], b.v[2]), _mm_and_si128(a.v[3], b.v[3])
	} };
}

static inline void
ivshmem_line_store(void *to, struct ivshmem_vec line)
{
	__m128i *dst = to;

	_mm_storeu_si128(dst, line.v[0]);
	_mm_storeu_si128(dst + 1, line.v[1]);
	_mm_storeu_si128(dst + 2, line.v[2]);
	_mm_storeu_si128(dst + 3, line.v[3]);
}

static inline void
ivshmem_line_store_streaming(void *to, struct ivshmem_vec line)
{
	__m128i *dst = to;

	_mm_stream_si128(dst, line.v[0]);
	_mm_stream_si128(dst + 1, line.v[1]);
	_mm_stream_si128(dst + 2, line.v[2]);
	_mm_stream_si128(dst + 3, line.v[3]);
}

#elif defined(RTE_ARCH_ARM64)

struct ivshmem_vec {
	uint8x16x4_t v;
};

static inline struct ivshmem_vec
ivshmem_line_load(const void *from)
{
	return (struct ivshmem_vec){ vld1q_u8_x4(from) };
}

/* Normal Non-cacheable memory: one load of four registers is as few reads as there can be. */
static inline struct ivshmem_vec
ivshmem_line_stream(const void *from)
{
	return ivshmem_line_load(from);
}

static inline struct ivshmem_vec
ivshmem_line_set_header(struct ivshmem_vec line, uint32_t header)
{
	line.v.val[0] = vreinterpretq_u8_u32(vsetq_lane_u32(header,
		vreinterpretq_u32_u8(line.v.val[0]), 0));
	return line;
}

static inline struct ivshmem_vec
ivshmem_line_and(struct ivshmem_vec a, struct ivshmem_vec b)
{
	unsigned int n;

	for (n = 0; n < 4; n++)
		a.v.val[n] = vandq_u8(a.v.val[n], b.v.val[n]);
	return a;
}

static inline void
ivshmem_line_store(void *to, struct ivshmem_vec line)
{
	vst1q_u8_x4(to, line.v);
}

static inline void
ivshmem_line_store_streaming(void *to, struct ivshmem_vec line)
{
	asm volatile("stnp %q1, %q2, [%0]\n\t"
		"stnp %q3, %q4, [%0, #32]"
		:
		: "r" (to), "w" (line.v.val[0]), "w" (line.v.val[1]), "w" (line.v.val[2]),
			"w" (line.v.val[3])
		: "memory");
}

#else

struct ivshmem_vec {
	uint64_t v[IVSHMEM_LINE / sizeof(uint64_t)];
};

static inline struct ivshmem_vec
ivshmem_line_load(const void *from)
{
	struct ivshmem_vec line;

	memcpy(&line, from, sizeof(line));
	return line;
}

static inline struct ivshmem_vec
ivshmem_line_stream(const void *from)
{
	const volatile uint64_t *src = from;
	struct ivshmem_vec line;
	unsigned int n;

	for (n = 0; n < RTE_DIM(line.v); n++)
		line.v[n] = src[n];
	return line;
}

static inline struct ivshmem_vec
ivshmem_line_set_header(struct ivshmem_vec line, uint32_t header)
{
	header = rte_cpu_to_le_32(header);
	memcpy(line.v, &header, sizeof(header));
	return line;
}

static inline struct ivshmem_vec
ivshmem_line_and(struct ivshmem_vec a, struct ivshmem_vec b)
{
	unsigned int n;

	for (n = 0; n < RTE_DIM(a.v); n++)
		a.v[n] &= b.v[n];
	return a;
}

static inline void
ivshmem_line_store(void *to, struct ivshmem_vec line)
{
	volatile uint64_t *dst = to;
	unsigned int n;

	for (n = 0; n < RTE_DIM(line.v); n++)
		dst[n] = line.v[n];
}

static inline void
ivshmem_line_store_streaming(void *to, struct ivshmem_vec line)
{
	ivshmem_line_store(to, line);
}

#endif

/** Of the last line: nb bytes, from 1 to 63, then zeros. */
static inline struct ivshmem_vec
ivshmem_line_cut(struct ivshmem_vec line, uint32_t nb)
{
	return ivshmem_line_and(line, ivshmem_line_load(ivshmem_keep + IVSHMEM_LINE - nb));
}

#endif /* IVSHMEM_LINE_H */
