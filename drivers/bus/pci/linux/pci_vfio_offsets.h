/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef PCI_VFIO_OFFSETS_H
#define PCI_VFIO_OFFSETS_H

/**
 * @file
 * For DPDK before 23.07, which computes where the regions of a VFIO device file start, index << 40,
 * instead of querying the kernel (VFIO_DEVICE_GET_REGION_INFO). Included last by the file that
 * accesses the config space and I/O ports, it redirects each access to the kernel's offset.
 */

#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/types.h>
#include <unistd.h>

#include <linux/vfio.h>

/* VFIO_GET_REGION_ADDR() and VFIO_GET_REGION_IDX() of rte_vfio.h before 23.07 */
#define PCI_VFIO_COMPUTED_SHIFT 40

/**
 * Translate an offset from the computed layout to that of a device file.
 *
 * @return
 *   The kernel's offset of the byte. If the query fails, the computed one: a secondary process uses
 *   I/O ports of devices that it has not opened, with a descriptor that does not belong to VFIO.
 */
static inline off_t
pci_vfio_file_offset(int vfio_dev_fd, uint64_t computed)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = computed >> PCI_VFIO_COMPUTED_SHIFT,
	};

	if (ioctl(vfio_dev_fd, VFIO_DEVICE_GET_REGION_INFO, &info) != 0)
		return computed;
	return info.offset + (computed & ((UINT64_C(1) << PCI_VFIO_COMPUTED_SHIFT) - 1));
}

/* A macro is not expanded recursively: these call the functions. */
#define pread(fd, buf, len, offset) \
	pread(fd, buf, len, pci_vfio_file_offset(fd, offset))
#define pwrite(fd, buf, len, offset) \
	pwrite(fd, buf, len, pci_vfio_file_offset(fd, offset))
/* Up to 22.11.5 */
#define pread64(fd, buf, len, offset) \
	pread64(fd, buf, len, pci_vfio_file_offset(fd, offset))
#define pwrite64(fd, buf, len, offset) \
	pwrite64(fd, buf, len, pci_vfio_file_offset(fd, offset))

#endif /* PCI_VFIO_OFFSETS_H */
