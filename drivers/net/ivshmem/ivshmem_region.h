/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef IVSHMEM_REGION_H
#define IVSHMEM_REGION_H

#include <stddef.h>
#include <stdint.h>

#include "ivshmem_proto.h"

enum ivshmem_role {
	IVSHMEM_SERVER,		/**< Lays out the region. */
	IVSHMEM_CLIENT,		/**< Uses the existing layout. */
};

static inline const char *
ivshmem_role_name(enum ivshmem_role role)
{
	return role == IVSHMEM_SERVER ? "server" : "client";
}

/** The shared memory in this process; the geometry is a checked copy. */
struct ivshmem_region {
	const char *name;			/**< For messages. */
	volatile struct ivshmem_control *control;
	uint64_t size;
	uint32_t ring_lines;
	uint32_t rings;				/**< Of each direction. */
};

/**
 * Server: lay out a blank region, or accept one with the same layout.
 *
 * @param ring_lines
 *   Lines of each ring, 0 for the default.
 * @param rings
 *   Rings of each direction, 0 for the default.
 * @return
 *   0 or a negative errno, with the reason logged.
 */
int ivshmem_region_create(struct ivshmem_region *region, uint32_t ring_lines, uint32_t rings);

/**
 * Client: check the layout.
 *
 * @return
 *   0 or a negative errno, with the reason logged.
 */
int ivshmem_region_open(struct ivshmem_region *region);

/** Create or open it, by the role. */
int ivshmem_region_enter(struct ivshmem_region *region, enum ivshmem_role role, uint32_t ring_lines,
		uint32_t rings);

#endif /* IVSHMEM_REGION_H */
