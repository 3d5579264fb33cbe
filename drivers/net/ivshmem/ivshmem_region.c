/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <rte_atomic.h>
#include <rte_common.h>

#include "ivshmem_log.h"
#include "ivshmem_region.h"

/* 256 KiB for each direction: fits a second-level cache, and holds 4096 smallest frames */
#define DEFAULT_RING_LINES 4096

static uint64_t
needed_size(uint32_t ring_lines)
{
	return IVSHMEM_CONTROL_SIZE + 2 * (uint64_t)ring_lines * IVSHMEM_LINE;
}

/* The peer may change it at any time: read each field once. */
static void
read_geometry(const struct ivshmem_region *region, struct ivshmem_geometry *copy)
{
	const volatile struct ivshmem_geometry *shared = &region->control->geometry;

	memset(copy, 0, sizeof(*copy));
	copy->magic = rte_le_to_cpu_64(shared->magic);
	/* Pairs with the barrier before the magic is written. */
	rte_io_rmb();
	copy->version = rte_le_to_cpu_32(shared->version);
	copy->ring_lines = rte_le_to_cpu_32(shared->ring_lines);
	copy->size = rte_le_to_cpu_64(shared->size);
	copy->slots[0] = rte_le_to_cpu_64(shared->slots[0]);
	copy->slots[1] = rte_le_to_cpu_64(shared->slots[1]);
}

static int
check_ring(const struct ivshmem_region *region, const struct ivshmem_geometry *geometry,
		unsigned int ring)
{
	uint64_t len = (uint64_t)geometry->ring_lines * IVSHMEM_LINE;
	uint64_t start = geometry->slots[ring];

	if (start % IVSHMEM_LINE != 0 || start < IVSHMEM_CONTROL_SIZE || start > region->size ||
			len > region->size - start) {
		IVSHMEM_LOG(ERR, "%s: ring %u at %#" PRIx64 " with %u lines is not in the region of %"
			PRIu64 " bytes after the control area: let the server lay it out again",
			region->name, ring, start, geometry->ring_lines, region->size);
		return -EINVAL;
	}
	return 0;
}

static int
check_geometry(const struct ivshmem_region *region, const struct ivshmem_geometry *geometry)
{
	uint64_t len = (uint64_t)geometry->ring_lines * IVSHMEM_LINE;

	if (geometry->magic != IVSHMEM_MAGIC) {
		IVSHMEM_LOG(ERR, "%s: magic is %#" PRIx64 ", not %#" PRIx64
			": not a region of this driver", region->name, geometry->magic,
			IVSHMEM_MAGIC);
		return -EINVAL;
	}
	if (geometry->version != IVSHMEM_VERSION) {
		IVSHMEM_LOG(ERR, "%s: protocol version is %u, this driver speaks %u: use the same "
			"version on both sides", region->name, geometry->version, IVSHMEM_VERSION);
		return -EPROTO;
	}
	if (geometry->size != region->size) {
		IVSHMEM_LOG(ERR, "%s: laid out for %" PRIu64 " bytes, but has %" PRIu64
			": start with a blank region", region->name, geometry->size, region->size);
		return -EINVAL;
	}
	if (!rte_is_power_of_2(geometry->ring_lines) ||
			geometry->ring_lines < IVSHMEM_MIN_RING_LINES ||
			geometry->ring_lines > IVSHMEM_MAX_RING_LINES) {
		IVSHMEM_LOG(ERR, "%s: %u lines in a ring are not a power of two from %u to %u",
			region->name, geometry->ring_lines, IVSHMEM_MIN_RING_LINES,
			IVSHMEM_MAX_RING_LINES);
		return -EINVAL;
	}
	if (check_ring(region, geometry, 0) < 0 || check_ring(region, geometry, 1) < 0)
		return -EINVAL;
	if (geometry->slots[0] < geometry->slots[1] + len &&
			geometry->slots[1] < geometry->slots[0] + len) {
		IVSHMEM_LOG(ERR, "%s: the rings at %#" PRIx64 " and %#" PRIx64 " overlap",
			region->name, geometry->slots[0], geometry->slots[1]);
		return -EINVAL;
	}
	return 0;
}

static int
check_size(const struct ivshmem_region *region, uint32_t ring_lines)
{
	if (region->size < needed_size(ring_lines)) {
		IVSHMEM_LOG(ERR, "%s: %" PRIu64 " bytes are too few, %u lines in a ring need %"
			PRIu64 ": give more memory or fewer lines", region->name, region->size,
			ring_lines, needed_size(ring_lines));
		return -ENOSPC;
	}
	return 0;
}

static void
write_geometry(struct ivshmem_region *region, uint32_t ring_lines)
{
	volatile struct ivshmem_geometry *shared = &region->control->geometry;

	shared->version = rte_cpu_to_le_32(IVSHMEM_VERSION);
	shared->ring_lines = rte_cpu_to_le_32(ring_lines);
	shared->size = rte_cpu_to_le_64(region->size);
	shared->slots[0] = rte_cpu_to_le_64(IVSHMEM_CONTROL_SIZE);
	shared->slots[1] = rte_cpu_to_le_64(IVSHMEM_CONTROL_SIZE +
		(uint64_t)ring_lines * IVSHMEM_LINE);
	/* Whoever sees the magic sees the rest. */
	rte_io_wmb();
	shared->magic = rte_cpu_to_le_64(IVSHMEM_MAGIC);
}

static void
accept_geometry(struct ivshmem_region *region, const struct ivshmem_geometry *geometry)
{
	region->ring_lines = geometry->ring_lines;
	region->slots[0] = geometry->slots[0];
	region->slots[1] = geometry->slots[1];
}

/* Room for the smallest layout, so that the control area can be looked at. */
static int
check_readable(const struct ivshmem_region *region)
{
	return check_size(region, IVSHMEM_MIN_RING_LINES);
}

int
ivshmem_region_open(struct ivshmem_region *region)
{
	struct ivshmem_geometry geometry;
	int ret;

	ret = check_readable(region);
	if (ret < 0)
		return ret;
	read_geometry(region, &geometry);
	if (geometry.magic == 0) {
		IVSHMEM_LOG(ERR, "%s: blank: start the peer with role=server first", region->name);
		return -EAGAIN;
	}
	ret = check_geometry(region, &geometry);
	if (ret < 0)
		return ret;
	accept_geometry(region, &geometry);
	return 0;
}

int
ivshmem_region_create(struct ivshmem_region *region, uint32_t ring_lines)
{
	struct ivshmem_geometry geometry;
	int ret;

	ivshmem_check_sizes();
	if (ring_lines == 0) {
		ring_lines = DEFAULT_RING_LINES;
		while (ring_lines > IVSHMEM_MIN_RING_LINES &&
				region->size < needed_size(ring_lines))
			ring_lines /= 2;
	}
	ret = check_size(region, ring_lines);
	if (ret < 0)
		return ret;
	read_geometry(region, &geometry);
	if (geometry.magic == 0) {
		write_geometry(region, ring_lines);
		read_geometry(region, &geometry);
	}
	ret = check_geometry(region, &geometry);
	if (ret < 0)
		return ret;
	if (geometry.ring_lines != ring_lines) {
		IVSHMEM_LOG(ERR, "%s: laid out with %u lines in a ring, not %u: give lines=%u or start "
			"with a blank region", region->name, geometry.ring_lines, ring_lines,
			geometry.ring_lines);
		return -EEXIST;
	}
	accept_geometry(region, &geometry);
	return 0;
}
