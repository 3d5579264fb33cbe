/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include <rte_atomic.h>
#include <rte_bitops.h>
#include <rte_common.h>

#include "ivshmem_log.h"
#include "ivshmem_region.h"

/*
 * 4 MiB for each ring. It has to be longer than the second-level caches hold: otherwise most of its
 * lines are still in the producer's when the consumer reads them, and in the consumer's when the
 * producer writes them again, and each is fetched from there. The lines of a longer ring have gone
 * to the cache that both share. doc/guides/nics/ivshmem.rst has the costs.
 */
#define DEFAULT_RING_LINES 65536
#define DEFAULT_RINGS 4

/* The peer may change it at any time: read each field once. */
static void
ivshmem_region_read_geometry(const struct ivshmem_region *region, struct ivshmem_geometry *copy)
{
	const volatile struct ivshmem_geometry *shared = &region->control->geometry;

	memset(copy, 0, sizeof(*copy));
	copy->magic = rte_le_to_cpu_64(shared->magic);
	/* Pairs with the barrier before the magic is written. */
	rte_io_rmb();
	copy->version = rte_le_to_cpu_32(shared->version);
	copy->ring_lines = rte_le_to_cpu_32(shared->ring_lines);
	copy->size = rte_le_to_cpu_64(shared->size);
	copy->rings = rte_le_to_cpu_32(shared->rings);
}

static int
ivshmem_region_check_size(const struct ivshmem_region *region, uint32_t ring_lines, uint32_t rings)
{
	const uint64_t needed = ivshmem_region_size(rings, ring_lines);

	if (region->size < needed) {
		IVSHMEM_LOG(ERR, "%s: region too small (%" PRIu64 " bytes): 2 x %u rings of %u lines "
			"need %" PRIu64 ": use a larger region, fewer lines or fewer queues",
			region->name, region->size, rings, ring_lines, needed);
		return -ENOSPC;
	}
	return 0;
}

static int
ivshmem_region_check_geometry(const struct ivshmem_region *region,
		const struct ivshmem_geometry *geometry)
{
	if (geometry->magic != IVSHMEM_MAGIC) {
		IVSHMEM_LOG(ERR, "%s: magic is %#" PRIx64 ", not %#" PRIx64
			": not a region of this driver", region->name, geometry->magic,
			IVSHMEM_MAGIC);
		return -EINVAL;
	}
	if (geometry->version != IVSHMEM_VERSION) {
		IVSHMEM_LOG(ERR, "%s: protocol version is %u, this driver supports %u: use the same "
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
		IVSHMEM_LOG(ERR, "%s: ring size %u is not a power of two from %u to %u",
			region->name, geometry->ring_lines, IVSHMEM_MIN_RING_LINES,
			IVSHMEM_MAX_RING_LINES);
		return -EINVAL;
	}
	if (geometry->rings == 0 || geometry->rings > IVSHMEM_MAX_RINGS) {
		IVSHMEM_LOG(ERR, "%s: %u rings in a direction are not 1 to %u", region->name,
			geometry->rings, IVSHMEM_MAX_RINGS);
		return -EINVAL;
	}
	return ivshmem_region_check_size(region, geometry->ring_lines, geometry->rings);
}

static void
ivshmem_region_write_geometry(struct ivshmem_region *region, uint32_t ring_lines, uint32_t rings)
{
	volatile struct ivshmem_geometry *shared = &region->control->geometry;

	shared->version = rte_cpu_to_le_32(IVSHMEM_VERSION);
	shared->ring_lines = rte_cpu_to_le_32(ring_lines);
	shared->size = rte_cpu_to_le_64(region->size);
	shared->rings = rte_cpu_to_le_32(rings);
	/* A peer that sees the magic sees the rest. */
	rte_io_wmb();
	shared->magic = rte_cpu_to_le_64(IVSHMEM_MAGIC);
}

static void
ivshmem_region_accept_geometry(struct ivshmem_region *region,
		const struct ivshmem_geometry *geometry)
{
	region->ring_lines = geometry->ring_lines;
	region->rings = geometry->rings;
}

/*
 * What was not given: as much of the default as fits, few rings before short ones. What goes round
 * between two CPUs is one ring each way for most applications, and those that use more say so.
 */
static void
ivshmem_region_choose_defaults(const struct ivshmem_region *region, uint32_t *ring_lines,
		uint32_t *rings)
{
	const bool choose_rings = *rings == 0, choose_lines = *ring_lines == 0;

	if (choose_rings)
		*rings = DEFAULT_RINGS;
	if (choose_lines)
		*ring_lines = DEFAULT_RING_LINES;
	while (choose_rings && *rings > 1 &&
			region->size < ivshmem_region_size(*rings, *ring_lines))
		*rings /= 2;
	while (choose_lines && *ring_lines > IVSHMEM_MIN_RING_LINES &&
			region->size < ivshmem_region_size(*rings, *ring_lines))
		*ring_lines /= 2;
	if ((choose_rings && *rings < DEFAULT_RINGS) ||
			(choose_lines && *ring_lines < DEFAULT_RING_LINES))
		IVSHMEM_LOG(NOTICE, "%s: %" PRIu64 " bytes have room for %u queues of %u lines, "
			"not for %u of %u: use a larger region, or set queues=Q,lines=N",
			region->name, region->size, *rings, *ring_lines,
			choose_rings ? DEFAULT_RINGS : *rings,
			choose_lines ? DEFAULT_RING_LINES : *ring_lines);
}

/* Room for the smallest layout, so that the control area can be looked at. */
static int
ivshmem_region_check_readable(const struct ivshmem_region *region)
{
	return ivshmem_region_check_size(region, IVSHMEM_MIN_RING_LINES, 1);
}

int
ivshmem_region_open(struct ivshmem_region *region)
{
	struct ivshmem_geometry geometry;
	int ret;

	ret = ivshmem_region_check_readable(region);
	if (ret < 0)
		return ret;
	ivshmem_region_read_geometry(region, &geometry);
	if (geometry.magic == 0) {
		IVSHMEM_LOG(ERR, "%s: blank: start the peer with role=server first", region->name);
		return -EAGAIN;
	}
	ret = ivshmem_region_check_geometry(region, &geometry);
	if (ret < 0)
		return ret;
	ivshmem_region_accept_geometry(region, &geometry);
	return 0;
}

int
ivshmem_region_create(struct ivshmem_region *region, uint32_t ring_lines, uint32_t rings)
{
	struct ivshmem_geometry geometry;
	int ret;

	ivshmem_check_sizes();
	ivshmem_region_choose_defaults(region, &ring_lines, &rings);
	ret = ivshmem_region_check_size(region, ring_lines, rings);
	if (ret < 0)
		return ret;
	ivshmem_region_read_geometry(region, &geometry);
	if (geometry.magic == 0) {
		ivshmem_region_write_geometry(region, ring_lines, rings);
		ivshmem_region_read_geometry(region, &geometry);
	}
	ret = ivshmem_region_check_geometry(region, &geometry);
	if (ret < 0)
		return ret;
	if (geometry.ring_lines != ring_lines || geometry.rings != rings) {
		IVSHMEM_LOG(ERR, "%s: laid out with %u queues of %u lines, not %u of %u: use "
			"queues=%u,lines=%u or start with a blank region", region->name,
			geometry.rings, geometry.ring_lines, rings, ring_lines, geometry.rings,
			geometry.ring_lines);
		return -EEXIST;
	}
	ivshmem_region_accept_geometry(region, &geometry);
	return 0;
}

int
ivshmem_region_enter(struct ivshmem_region *region, enum ivshmem_role role, uint32_t ring_lines,
		uint32_t rings)
{
	return role == IVSHMEM_SERVER ? ivshmem_region_create(region, ring_lines, rings) :
		ivshmem_region_open(region);
}
