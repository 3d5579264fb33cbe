/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef VFIO_DEVICE_H
#define VFIO_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/vfio.h>

#include "pci.h"

/* A device that this process has open through VFIO. Negative descriptors are not open. */
struct vfio_device {
	int fd;
	int group;
	int container;  /* Of the group, or the iommufd */
};

/* Open a device, by its group or by itself, with memory enabled. Returns NULL, or why it cannot be
 * opened; the text is the caller's.
 */
char *vfio_device_open(struct vfio_device *vfio, const struct pci_device *device);
void vfio_device_close(struct vfio_device *vfio);

/* Find a region; false if there is none. Sets its place in the device file, size and flags. */
bool vfio_device_find_region(const struct vfio_device *vfio, uint32_t index,
			     struct vfio_region_info *info);

#endif /* VFIO_DEVICE_H */
