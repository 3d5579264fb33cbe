/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright(c) 2026 dpdk-vfio-wc project
 *
 * Alias regions, as the kernel series adds them to include/uapi/linux/vfio.h.
 */

#ifndef VFIO_PCI_WC_ALIAS_UAPI_H
#define VFIO_PCI_WC_ALIAS_UAPI_H

#include <linux/types.h>
#include <linux/vfio.h>

#ifndef VFIO_DEVICE_FEATURE_ALIAS_REGION

#define VFIO_DEVICE_FEATURE_ALIAS_REGION	0x5743
#define VFIO_REGION_INFO_CAP_ALIAS		0x5743

/* Memory types exclude each other. Zero, the region's own, is no argument. */
enum vfio_region_memory_type {
	VFIO_REGION_MEMORY_TYPE_WRITE_COMBINE = 1,
};

struct vfio_region_info_cap_alias {
	struct vfio_info_cap_header header;
	__u32 region_index;	/* Aliased region */
	__u32 memory_type;	/* Of the mappings, VFIO_REGION_MEMORY_TYPE_* */
};

struct vfio_device_feature_alias_region {
	__u32	region_index;	/* Region to alias */
	__u32	flags;		/* Must be zero */
	__u32	memory_type;	/* SET: of the alias's mappings */
	__u32	alias_index;	/* SET, output: region index of the alias */
	__aligned_u64	offset;	/* SET, output: offset of the alias */
	__aligned_u64	memory_types;	/* GET, output: mask of 1 << type */
};

#endif /* VFIO_DEVICE_FEATURE_ALIAS_REGION */

#endif /* VFIO_PCI_WC_ALIAS_UAPI_H */
