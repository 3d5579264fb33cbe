/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * A kernel for vfio-wc measure, and for its preloaded library, on a machine without a device: a
 * library that is preloaded, after that one. Any file gives a device of any name, as a group would. Its file is one in
 * memory, with BARs, config space and aliases at the offsets at which vfio-pci has them.
 *
 * The device: a virtio-net, or the ID in FAKE_ID. BAR0 64 KiB without prefetch; BAR2 64 KiB,
 * prefetchable; BAR4 64 KiB, prefetchable, with the MSI-X table in its third page and the PBA in
 * its fourth. Words in FAKE_FAULTS are: no-feature, no-config, no-alias-map,
 * no-map, not-viable, in-use. The name in FAKE_NAME
 * is in fdinfo, as since Linux 6.17.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "vfio_wc_uapi.h"

#define BAR_SIZE 0x10000
#define REGION(index) ((uint64_t)(index) << 40)
#define FIRST_ALIAS VFIO_PCI_NUM_REGIONS

/* Of the file in memory; copies of its descriptor have it, too. */
static struct stat device_info;

static int
has_fault(const char *fault)
{
	const char *faults = getenv("FAKE_FAULTS");

	return faults != NULL && strstr(faults, fault) != NULL;
}

static int
is_device(int fd)
{
	struct stat info;

	return device_info.st_ino != 0 && fd >= 0 && fstatat(fd, "", &info, AT_EMPTY_PATH) == 0 &&
		info.st_ino == device_info.st_ino && info.st_dev == device_info.st_dev;
}

static int
is_bar(unsigned int index)
{
	return index == 0 || index == 2 || index == 4;
}

static void
write_config(int fd)
{
	const char *id = getenv("FAKE_ID");
	uint32_t config[64] = { 0 };

	config[PCI_VENDOR_ID / 4] = id != NULL ? strtoul(id, NULL, 16) : 0x10411af4;
	config[PCI_COMMAND / 4] = PCI_STATUS_CAP_LIST << 16;
	config[PCI_BASE_ADDRESS_0 / 4] = PCI_BASE_ADDRESS_MEM_TYPE_64;
	config[PCI_BASE_ADDRESS_2 / 4] = PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH;
	config[PCI_BASE_ADDRESS_4 / 4] = PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH;
	config[PCI_CAPABILITY_LIST / 4] = 0x40;
	config[0x40 / 4] = PCI_CAP_ID_MSIX | 3 << 16;
	config[0x44 / 4] = 0x2000 | 4;
	config[0x48 / 4] = 0x3000 | 4;
	if (pwrite(fd, config, sizeof(config), REGION(VFIO_PCI_CONFIG_REGION_INDEX)) < 0)
		abort();
}

static int
open_device(void)
{
	int fd = memfd_create("fake-vfio", 0);

	if (fd < 0 || ftruncate(fd, REGION(32)) != 0 ||
			fstatat(fd, "", &device_info, AT_EMPTY_PATH) != 0)
		abort();
	write_config(fd);
	return fd;
}

static int
get_region(struct vfio_region_info *info)
{
	unsigned int bar = info->index < FIRST_ALIAS ? info->index : info->index - FIRST_ALIAS;
	struct vfio_wc_cap_alias cap = {
		.id = VFIO_WC_CAP_ALIAS, .version = 1, .region_index = bar, .memory_type = 1,
	};

	info->offset = REGION(info->index);
	info->size = is_bar(bar) ? BAR_SIZE : 0;
	info->flags = has_fault("no-map") ? 0 : VFIO_REGION_INFO_FLAG_MMAP;
	if (info->index == VFIO_PCI_CONFIG_REGION_INDEX && has_fault("no-config"))
		return -EIO;
	if (info->index < FIRST_ALIAS)
		return 0;
	info->flags |= VFIO_REGION_INFO_FLAG_CAPS;
	info->cap_offset = sizeof(*info);
	memcpy(info + 1, &cap, sizeof(cap));
	return 0;
}

static int
alias_feature(struct vfio_device_feature *feature)
{
	struct vfio_wc_alias_region *alias = (void *)feature->data;

	if (has_fault("no-feature"))
		return -ENOTTY;
	if ((feature->flags & VFIO_DEVICE_FEATURE_GET) != 0) {
		alias->memory_types = 1 << 1;
		return 0;
	}
	alias->alias_index = FIRST_ALIAS + alias->region_index;
	alias->offset = REGION(alias->alias_index);
	return 0;
}

static int
device_ioctl(unsigned long request, void *arg)
{
	switch (request) {
	case VFIO_DEVICE_GET_INFO:
		((struct vfio_device_info *)arg)->flags = VFIO_DEVICE_FLAGS_PCI;
		return 0;
	case VFIO_DEVICE_GET_REGION_INFO:
		return get_region(arg);
	case VFIO_DEVICE_FEATURE:
		return alias_feature(arg);
	default:
		return -ENOTTY;
	}
}

static int
group_ioctl(int fd, unsigned long request, void *arg)
{
	switch (request) {
	case VFIO_GROUP_GET_STATUS:
		((struct vfio_group_status *)arg)->flags =
			has_fault("not-viable") ? 0 : VFIO_GROUP_FLAGS_VIABLE;
		return 0;
	case VFIO_GROUP_SET_CONTAINER:
	case VFIO_SET_IOMMU:
		return 0;
	case VFIO_GROUP_GET_DEVICE_FD:
		return has_fault("in-use") ? -EBUSY : open_device();
	default:
		return syscall(SYS_ioctl, fd, request, arg) == 0 ? 0 : -errno;
	}
}

int
ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;
	int ret;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	ret = is_device(fd) ? device_ioctl(request, arg) : group_ioctl(fd, request, arg);
	if (ret >= 0)
		return ret;
	errno = -ret;
	return -1;
}

int
fstat(int fd, struct stat *info)
{
	int ret = fstatat(fd, "", info, AT_EMPTY_PATH);

	/* As that of an anonymous inode */
	if (ret == 0 && is_device(fd))
		info->st_mode &= ~S_IFMT;
	return ret;
}

int fstat64(int fd, struct stat64 *info)
	__attribute__((alias("fstat")));

ssize_t
readlink(const char *path, char *target, size_t size)
{
	static const char name[] = "anon_inode:[vfio-device]";
	int fd;

	if (sscanf(path, "/proc/self/fd/%d", &fd) == 1 && is_device(fd) && size >= sizeof(name)) {
		memcpy(target, name, sizeof(name) - 1);
		return sizeof(name) - 1;
	}
	return syscall(SYS_readlink, path, target, size);
}

int
open(const char *path, int flags, ...)
{
	const char *name = getenv("FAKE_NAME");
	va_list args;
	mode_t mode;
	char text[256];
	int fd, len;

	va_start(args, flags);
	mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
	va_end(args);
	if (name == NULL || sscanf(path, "/proc/self/fdinfo/%d", &fd) != 1 || !is_device(fd))
		return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	fd = memfd_create("fake-fdinfo", 0);
	len = snprintf(text, sizeof(text), "pos:\t0\nflags:\t02\n"
		       "vfio-device-syspath: /sys/devices/pci0000:fe/%s\n", name);
	if (pwrite(fd, text, len, 0) != len)
		abort();
	return fd;
}

int open64(const char *path, int flags, ...)
	__attribute__((alias("open")));

void *
mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	if (fd >= 0 && (uint64_t)offset >= REGION(FIRST_ALIAS) && has_fault("no-alias-map")) {
		/* As the kernel, which has unmapped what was there. */
		if ((flags & MAP_FIXED) != 0)
			munmap(addr, len);
		errno = EAGAIN;
		return MAP_FAILED;
	}
	return (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, offset);
}

void *mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
	__attribute__((alias("mmap")));
