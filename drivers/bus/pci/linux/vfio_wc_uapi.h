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

/** Memory types of mappings. Zero, the type of a region's own mappings, is not requested. */
enum vfio_wc_memory_type {
	VFIO_WC_MEMORY_TYPE_WRITE_COMBINE = 1,
};

/** Payload of the feature. An operation returns zero in the fields that are not its own. */
struct vfio_wc_alias_region {
	uint32_t region_index;	/**< Region to alias. */
	uint32_t flags;		/**< Zero. */
	uint32_t memory_type;	/**< SET: of the alias's mappings. */
	uint32_t alias_index;	/**< SET, out: region index of the alias. */
	uint64_t offset;	/**< SET, out: offset of the alias in the device file. */
	uint64_t memory_types;	/**< GET, out: 1 << type for each that an alias can have. */
};

/** Region-info capability of an alias. */
#define VFIO_WC_CAP_ALIAS 0x5743

struct vfio_wc_cap_alias {
	uint16_t id;
	uint16_t version;
	uint32_t next;
	uint32_t region_index;	/**< Aliased region. */
	uint32_t memory_type;	/**< Of the mappings. */
};

#endif /* VFIO_WC_UAPI_H */
