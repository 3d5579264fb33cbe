/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef IVSHMEM_ARGS_H
#define IVSHMEM_ARGS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>

#include "ivshmem_distance.h"
#include "ivshmem_region.h"

#define IVSHMEM_ARG_PATH "path"
#define IVSHMEM_ARG_SOCKET "socket"
#define IVSHMEM_ARG_SIZE "size"
#define IVSHMEM_ARG_ROLE "role"
#define IVSHMEM_ARG_LINES "lines"
#define IVSHMEM_ARG_QUEUES "queues"
#define IVSHMEM_ARG_MAC "mac"
#define IVSHMEM_ARG_STORES "stores"

/** Arguments of a device; parsing leaves the members of absent arguments unchanged. */
struct ivshmem_args {
	char path[PATH_MAX];
	char socket[PATH_MAX];	/**< Empty if there is none. */
	uint64_t size;		/**< Of the memory to create, without a path. */
	bool has_size;
	bool has_role;
	enum ivshmem_role role;
	uint32_t lines;		/**< 0 for the default. */
	uint32_t queues;	/**< 0 for the default. */
	struct rte_ether_addr mac;
	enum ivshmem_stores stores;	/**< Of a virtual device. */
};

/**
 * Check whether a PCI device with these arguments is for this driver. It is not if they name a
 * class other than eth or net, as several drivers match such a device; this is logged.
 *
 * @param text
 *   May be NULL.
 */
bool ivshmem_args_is_meant(const char *name, const char *text);

/**
 * Read the arguments of a device.
 *
 * @param text
 *   May be NULL.
 * @param is_virtual
 *   Whether the device is virtual, with memory of this host: it requires a path or a socket, and
 *   may have the arguments that belong to them.
 * @return
 *   0 or a negative errno, with the reason logged.
 */
int ivshmem_args_parse(const char *name, const char *text, bool is_virtual,
		struct ivshmem_args *args);

#endif /* IVSHMEM_ARGS_H */
