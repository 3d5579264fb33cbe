/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef ALIAS_COMMON_H
#define ALIAS_COMMON_H

/* What the programs that use alias regions have in common: VFIO's group interface, and random numbers. */

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "vfio_wc_uapi.h"

#define NUM_BARS 6
#define PAGE 4096UL
/* The legacy layout of the device file, which these programs run with. Where aliases are is up to the kernel. */
#define OFFSET(index) ((uint64_t)(index) << 40)
#define FEATURE VFIO_WC_FEATURE_ALIAS_REGION
#define WC VFIO_WC_MEMORY_TYPE_WRITE_COMBINE
/* What GET answers for a region that can have such an alias */
#define WC_TYPES (UINT64_C(1) << WC)
#define FULL_ARGSZ (sizeof(struct vfio_device_feature) + sizeof(struct vfio_wc_alias_region))
/* There is one memory type to ask for, so that each BAR has one alias at most. */
#define MAX_ALIASES NUM_BARS

static inline uint64_t
xorshift(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state * 0x2545f4914f6cdd1d >> 11;
}

/* Different streams from one printed seed, none of them stuck at zero (splitmix64). */
static inline uint64_t
stream(uint64_t seed, uint64_t number)
{
	uint64_t z = seed + (number + 1) * 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	z ^= z >> 31;
	return z != 0 ? z : 1;
}

static inline bool
open_group(const char *bdf, int *container, int *group)
{
	char link[128], path[64], target[256];
	ssize_t len;

	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s/iommu_group", bdf);
	len = readlink(link, target, sizeof(target) - 1);
	if (len <= 0)
		return false;
	target[len] = '\0';
	snprintf(path, sizeof(path), "/dev/vfio/%s", strrchr(target, '/') + 1);
	*container = open("/dev/vfio/vfio", O_RDWR);
	*group = open(path, O_RDWR);
	return *container >= 0 && *group >= 0 &&
		ioctl(*group, VFIO_GROUP_SET_CONTAINER, container) == 0 &&
		ioctl(*container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU) == 0;
}

/* Of a region in the device file. What layout the file has is the kernel's business. */
static inline uint64_t
offset_of(int fd, uint32_t index)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };

	return ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &info) == 0 ? info.offset : UINT64_MAX;
}

static inline bool
set_memory(int fd, bool on)
{
	const off_t where = offset_of(fd, VFIO_PCI_CONFIG_REGION_INDEX) + PCI_COMMAND;
	uint16_t command;

	if (pread(fd, &command, 2, where) != 2)
		return false;
	command = on ? command | PCI_COMMAND_MEMORY : command & ~PCI_COMMAND_MEMORY;
	return pwrite(fd, &command, 2, where) == 2;
}

/* The functions below return 0 or a negative errno. */

static inline int
feature_sized(int fd, uint32_t flags, struct vfio_wc_alias_region *alias, uint32_t argsz)
{
	union {
		struct vfio_device_feature feature;
		uint8_t space[FULL_ARGSZ];
	} arg = { .feature = { .argsz = argsz, .flags = flags | FEATURE } };
	int ret;

	memcpy(arg.feature.data, alias, sizeof(*alias));
	ret = ioctl(fd, VFIO_DEVICE_FEATURE, &arg) == 0 ? 0 : -errno;
	memcpy(alias, arg.feature.data, sizeof(*alias));
	return ret;
}

static inline int
feature(int fd, uint32_t flags, struct vfio_wc_alias_region *alias)
{
	return feature_sized(fd, flags, alias, FULL_ARGSZ);
}

static inline int
set_alias(int fd, uint32_t region, uint32_t memory_type, struct vfio_wc_alias_region *alias)
{
	*alias = (struct vfio_wc_alias_region){ .region_index = region, .memory_type = memory_type };
	return feature(fd, VFIO_DEVICE_FEATURE_SET, alias);
}

static inline int
region_info(int fd, uint32_t index, void *space, size_t size)
{
	struct vfio_region_info *info = space;

	memset(space, 0, size);
	info->argsz = size;
	info->index = index;
	return ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, info) == 0 ? 0 : -errno;
}

static inline int
num_regions(int fd, uint32_t *num)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int ret = ioctl(fd, VFIO_DEVICE_GET_INFO, &info) == 0 ? 0 : -errno;

	*num = info.num_regions;
	return ret;
}

/* Where an alias can be: at a page where no other region of the legacy layout starts. */
static inline bool
is_alias_offset(uint64_t offset)
{
	return offset % PAGE == 0 && (offset % OFFSET(1) != 0 || offset >= OFFSET(VFIO_PCI_NUM_REGIONS));
}

/* The file that lists mappings of aliases: the module's, that of the device with the series, NULL if there is none. */
static inline const char *
find_list(const char *bdf)
{
	static char path[256] = "/sys/kernel/debug/vfio_pci_wc/mappings";

	if (access(path, F_OK) == 0)
		return path;
	snprintf(path, sizeof(path), "/sys/kernel/debug/vfio/%s/pci/alias_mappings", bdf);
	return access(path, F_OK) == 0 ? path : NULL;
}

static inline const void *
find_cap(const void *space, uint16_t id)
{
	const struct vfio_region_info *info = space;
	uint32_t offset = info->flags & VFIO_REGION_INFO_FLAG_CAPS ? info->cap_offset : 0;

	while (offset != 0) {
		const struct vfio_info_cap_header *header = (const void *)((const char *)space + offset);

		if (header->id == id)
			return header;
		offset = header->next;
	}
	return NULL;
}

/* Whether space describes an alias of a region of this size. */
static inline bool
is_alias_info(const void *space, uint32_t index, uint32_t region, uint64_t size)
{
	const struct vfio_region_info *info = space;
	const struct vfio_wc_cap_alias *cap = find_cap(space, VFIO_WC_CAP_ALIAS);

	return cap != NULL && cap->region_index == region && cap->memory_type == WC && info->index == index &&
		info->size == size && is_alias_offset(info->offset) &&
		info->flags == (VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS);
}

#endif /* ALIAS_COMMON_H */
