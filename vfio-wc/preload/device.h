/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef DEVICE_H
#define DEVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "../pci_name.h"

/* Device files of VFIO, and the PCI devices that they are of */

/* Whether a descriptor is a device file of VFIO; does nothing but ask what file it is. */
bool device_is_vfio(int fd);

/* Note which device a program has asked its IOMMU group for. */
void device_opened(int fd, const char *name);

/* The name of the device; false if it is not known. */
bool device_find_name(int fd, char name[PCI_NAME_SIZE]);

#endif /* DEVICE_H */
