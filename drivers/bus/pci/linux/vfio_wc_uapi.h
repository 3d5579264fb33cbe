/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef VFIO_WC_UAPI_H
#define VFIO_WC_UAPI_H

/**
 * @file
 * Kernel interface of alias regions. Released kernels do not have it in <linux/vfio.h>, hence the
 * definitions here, under other names so that a later <linux/vfio.h> does not conflict.
 *
 * The numbers are outside the kernel's sequential ranges: a kernel without alias regions returns
 * ENOTTY, and none assigns them another meaning by using the next free number.
 */

#include <stdint.h>

#include <linux/vfio.h>

/** Feature index for VFIO_DEVICE_FEATURE. */
#define VFIO_WC_FEATURE_ALIAS_REGION 0x5743

/** Attribute: mappings are write-combining. */
#define VFIO_WC_ATTR_WRITE_COMBINE (1 << 0)

/** Payload of the feature. */
struct vfio_wc_alias_region {
	uint32_t region_index;	/**< Region to alias. */
	uint32_t attributes;	/**< SET: of the alias. GET: all that the region supports. */
	uint32_t alias_index;	/**< SET, out: region index of the alias. */
	uint32_t reserved;	/**< Zero. */
	uint64_t offset;	/**< SET, out: offset of the alias in the device file. */
};

/** Region-info capability of an alias. */
#define VFIO_WC_CAP_ALIAS 0x5743

struct vfio_wc_cap_alias {
	uint16_t id;
	uint16_t version;
	uint32_t next;
	uint32_t region_index;	/**< Aliased region. */
	uint32_t attributes;
};

#endif /* VFIO_WC_UAPI_H */
