/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "pci_wc_backend.h"
#include "vfio_wc_uapi.h"

/* Room for the capabilities that vfio-pci is known to add, so that one call is sufficient */
#define REGION_INFO_SIZE 512

static int
pci_wc_alias_feature(int fd, uint32_t operation, struct vfio_wc_alias_region *alias)
{
	union {
		struct vfio_device_feature feature;
		uint8_t space[sizeof(struct vfio_device_feature) + sizeof(*alias)];
	} arg = { 0 };

	arg.feature.argsz = sizeof(arg.space);
	arg.feature.flags = operation | VFIO_WC_FEATURE_ALIAS_REGION;
	memcpy(arg.feature.data, alias, sizeof(*alias));
	if (ioctl(fd, VFIO_DEVICE_FEATURE, &arg) != 0)
		return -errno;
	memcpy(alias, arg.feature.data, sizeof(*alias));
	return 0;
}

/* Find the alias capability without trusting any offset in the chain. */
static const struct vfio_wc_cap_alias *
pci_wc_alias_find_cap(const uint8_t *info, size_t size, uint32_t offset)
{
	const struct vfio_wc_cap_alias *cap;
	unsigned int i;

	/* A chain with more entries than fit contains a loop. */
	for (i = 0; i < size / sizeof(struct vfio_info_cap_header); i++) {
		if (offset < sizeof(struct vfio_region_info) || offset % sizeof(uint32_t) != 0 ||
				offset > size - sizeof(*cap))
			return NULL;
		cap = (const void *)(info + offset);
		if (cap->id == VFIO_WC_CAP_ALIAS)
			return cap->version == 1 ? cap : NULL;
		offset = cap->next;
	}
	return NULL;
}

/* Whether the region matches the request: all of the BAR, mmap only, write-combining. */
static bool
pci_wc_alias_is_of(int fd, const struct vfio_wc_alias_region *alias, unsigned int bar,
		uint64_t size)
{
	union {
		struct vfio_region_info info;
		uint8_t space[REGION_INFO_SIZE];
	} arg = { 0 };
	const struct vfio_wc_cap_alias *cap;

	arg.info.argsz = sizeof(arg.space);
	arg.info.index = alias->alias_index;
	if (ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &arg) != 0)
		return false;
	if (arg.info.index != alias->alias_index || arg.info.offset != alias->offset ||
			arg.info.size != size)
		return false;
	if (arg.info.flags != (VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS))
		return false;

	cap = pci_wc_alias_find_cap(arg.space, sizeof(arg.space), arg.info.cap_offset);
	return cap != NULL && cap->region_index == bar &&
		cap->memory_type == VFIO_WC_MEMORY_TYPE_WRITE_COMBINE;
}

/*
 * GET serves as the probe: unlike PROBE it also returns which types an alias of this region can
 * have, and like PROBE it changes nothing on a kernel that uses the number for something else.
 */
static enum pci_wc_reason
pci_wc_alias_check_feature(int fd, unsigned int bar)
{
	struct vfio_wc_alias_region alias = { .region_index = bar };
	int ret;

	ret = pci_wc_alias_feature(fd, VFIO_DEVICE_FEATURE_GET, &alias);
	if (ret == -ENOTTY)
		return PCI_WC_REASON_NO_FEATURE;
	if (ret != 0 || alias.region_index != bar || alias.flags != 0 ||
			alias.memory_type != 0 || alias.alias_index != 0 || alias.offset != 0)
		return PCI_WC_REASON_OTHER_FEATURE;
	if ((alias.memory_types & (UINT64_C(1) << VFIO_WC_MEMORY_TYPE_WRITE_COMBINE)) == 0)
		return PCI_WC_REASON_NO_WC;
	return PCI_WC_REASON_NONE;
}

static enum pci_wc_reason
pci_wc_alias_grant(int fd, unsigned int bar, uint64_t size, uint64_t *offset)
{
	struct vfio_wc_alias_region alias = {
		.region_index = bar,
		.memory_type = VFIO_WC_MEMORY_TYPE_WRITE_COMBINE,
	};
	enum pci_wc_reason reason;
	int ret;

	reason = pci_wc_alias_check_feature(fd, bar);
	if (reason != PCI_WC_REASON_NONE)
		return reason;

	ret = pci_wc_alias_feature(fd, VFIO_DEVICE_FEATURE_SET, &alias);
	if (ret == -ENOSPC)
		return PCI_WC_REASON_NO_INDEX;
	if (ret == -EOPNOTSUPP)
		return PCI_WC_REASON_NO_WC;
	if (ret != 0 || alias.region_index != bar || alias.flags != 0 ||
			alias.memory_type != VFIO_WC_MEMORY_TYPE_WRITE_COMBINE ||
			alias.memory_types != 0 || alias.alias_index < VFIO_PCI_NUM_REGIONS ||
			alias.offset % sysconf(_SC_PAGESIZE) != 0 ||
			!pci_wc_alias_is_of(fd, &alias, bar, size))
		return PCI_WC_REASON_OTHER_FEATURE;

	*offset = alias.offset;
	return PCI_WC_REASON_NONE;
}

static int64_t
pci_wc_alias_region_offset(int fd, uint32_t index)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };

	if (ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &info) != 0)
		return -errno;
	return info.offset;
}

const struct pci_wc_backend pci_wc_alias_backend = {
	.grant = pci_wc_alias_grant,
	.region_offset = pci_wc_alias_region_offset,
};
