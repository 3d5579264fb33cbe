/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/* The few steps that lead to an open device, for programs that have no use for an error but to end with a message. */

#ifndef _TESTS_VFIO_H_
#define _TESTS_VFIO_H_

#include <stdlib.h>

#include "alias_common.h"

static inline void
die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(2);
}

static inline struct vfio_region_info
vfio_region(int device, uint32_t index)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };

	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info) != 0)
		die("VFIO_DEVICE_GET_REGION_INFO");
	return info;
}

/* Through the group, with memory enabled. */
static inline int
vfio_open(const char *bdf)
{
	int container, group, device;

	if (!open_group(bdf, &container, &group))
		die("cannot open the group");
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, bdf);
	if (device < 0 || !set_memory(device, true))
		die(bdf);
	return device;
}

#endif /* _TESTS_VFIO_H_ */
