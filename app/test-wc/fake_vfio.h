/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef FAKE_VFIO_H
#define FAKE_VFIO_H

/**
 * @file
 * A VFIO device file whose kernel is simulated at the ioctl boundary. Memory behind it is a memfd,
 * so that mmap(), pread() and pwrite() are real. The BAR and its alias are different memory here,
 * so that the content of a mapping identifies it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "vfio_wc_uapi.h"

#define FAKE_BAR 2
#define FAKE_BAR_SIZE (4ULL << 20)
#define FAKE_IO_BAR 4
#define FAKE_ALIAS VFIO_PCI_NUM_REGIONS
/** Another offset in the file for the BAR or its alias, filled with 'C'. */
#define FAKE_ELSEWHERE ((uint64_t)(FAKE_ALIAS + 1) << 40)

/** Behaviour of the simulated kernel; tests change it. By default it has alias regions. */
struct fake_kernel {
	int get_errno;			/**< VFIO_DEVICE_FEATURE GET fails with this. */
	int set_errno;
	int info_errno;			/**< Of the alias. */
	int bar_errno;			/**< VFIO_DEVICE_GET_REGION_INFO of FAKE_BAR. */
	struct vfio_wc_alias_region get;	/**< Otherwise their results. */
	struct vfio_wc_alias_region set;
	struct vfio_region_info info;
	struct vfio_wc_cap_alias cap;
	uint32_t cap_offset;
	uint64_t bar_offset;		/**< Of FAKE_BAR's default mapping in the file. */
	unsigned int nb_ioctls;		/**< Counts calls. */
	/**
	 * Number of the call to fail, 0 for none: of the calls of the code under test that may
	 * fail, which are ioctl() and pread() of the device file, and mmap() of it or of address
	 * space.
	 */
	unsigned int fail_at;
	unsigned int nb_calls;
};

extern struct fake_kernel fake_kernel;

/** Simulate a kernel with alias regions. */
void fake_kernel_reset(void);

/** A device file, filled with 'B' in the BAR and 'A' in its alias; -1 on failure. */
int fake_vfio_open(void);

/** Write a BAR's register in the device's config space. */
int fake_vfio_set_bar(int fd, unsigned int bar, uint32_t value);

/** Write the MSI-X capability into the device's config space: table and PBA in FAKE_BAR. */
int fake_vfio_set_msix(int fd, uint32_t table, uint32_t pba, uint16_t entries);

/** Whether the offset of the alias is mapped in this process, by /proc/self/maps. */
bool fake_alias_is_mapped(void);

#endif /* FAKE_VFIO_H */
