/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "device.h"

/* A device that was opened through its group */
#define GROUP_FILE "anon_inode:[vfio-device]"
/* In /sys/dev/char, the directory of a device that was opened by itself, below that of the device */
#define CDEV_DIR "/vfio-dev/"
#define MAX_PATH 512

/* Descriptors beyond have no name on kernels whose fdinfo does not show it. */
#define MAX_FDS 4096

/*
 * Names by descriptor, packed so that a store is atomic: domain, bus, device and function; 0 if
 * there is none, otherwise with the top bit. A descriptor that was closed keeps its name until the
 * number is given to another device of a group.
 */
static uint64_t device_names[MAX_FDS];

#define NAME_KNOWN (UINT64_C(1) << 63)

/* What a link contains; false if it cannot be read or is longer. */
static bool
device_read_link(const char *path, char target[MAX_PATH])
{
	ssize_t len = readlink(path, target, MAX_PATH);

	if (len < 0 || len == MAX_PATH)
		return false;
	target[len] = '\0';
	return true;
}

/* The directory of a character device that is one of VFIO's. */
static bool
device_find_cdev(const struct stat *info, char target[MAX_PATH])
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u", major(info->st_rdev),
		 minor(info->st_rdev));
	return device_read_link(path, target) && strstr(target, CDEV_DIR) != NULL;
}

static bool
device_is_of_group(int fd)
{
	char path[64], target[MAX_PATH];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return device_read_link(path, target) && strcmp(target, GROUP_FILE) == 0;
}

bool
device_is_vfio(int fd)
{
	char target[MAX_PATH];
	struct stat info;

	if (fstat(fd, &info) != 0)
		return false;
	switch (info.st_mode & S_IFMT) {
	case S_IFCHR:
		return device_find_cdev(&info, target);
	case 0:
		/* An anonymous inode: the kernel shows no type for it. */
		return device_is_of_group(fd);
	default:
		return false;
	}
}

/* Convert the first word to a name; it may be followed by the token of a VF. */
static bool
device_parse_name(const char *text, size_t len, char name[PCI_NAME_SIZE])
{
	char word[PCI_NAME_SIZE + 1];

	if (len >= sizeof(word))
		return false;
	memcpy(word, text, len);
	word[len] = '\0';
	return pci_parse_name(word, name);
}

void
device_opened(int fd, const char *text)
{
	unsigned int domain, bus, device, function;
	char name[PCI_NAME_SIZE];
	uint64_t packed = 0;

	/* Others than VFIO could use the number of the request, with another argument. */
	if (fd < 0 || fd >= MAX_FDS || !device_is_of_group(fd))
		return;
	if (device_parse_name(text, strcspn(text, " \n"), name) &&
			sscanf(name, "%x:%x:%x.%x", &domain, &bus, &device, &function) == 4)
		packed = NAME_KNOWN | (uint64_t)domain << 16 | bus << 8 | device << 3 | function;
	__atomic_store_n(&device_names[fd], packed, __ATOMIC_RELAXED);
}

static bool
device_find_opened(int fd, char name[PCI_NAME_SIZE])
{
	uint64_t packed = fd < MAX_FDS ? __atomic_load_n(&device_names[fd], __ATOMIC_RELAXED) : 0;

	if (packed == 0)
		return false;
	snprintf(name, PCI_NAME_SIZE, "%04x:%02x:%02x.%x", (unsigned int)(packed >> 16),
		 (unsigned int)(packed >> 8) & 0xff, (unsigned int)(packed >> 3) & 0x1f,
		 (unsigned int)packed & 7);
	return true;
}

/* Since Linux 6.17 the kernel describes the device of a file. */
static bool
device_find_in_fdinfo(int fd, char name[PCI_NAME_SIZE])
{
	static const char label[] = "vfio-device-syspath:";
	char path[64], text[2 * MAX_PATH], *line, *slash;
	ssize_t len;
	int info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = open(path, O_RDONLY | O_CLOEXEC);
	if (info < 0)
		return false;
	len = read(info, text, sizeof(text) - 1);
	close(info);
	text[len > 0 ? len : 0] = '\0';
	line = strstr(text, label);
	if (line == NULL)
		return false;
	line[strcspn(line, "\n")] = '\0';
	slash = strrchr(line, '/');
	return slash != NULL && device_parse_name(slash + 1, strlen(slash + 1), name);
}

/* .../BDF/vfio-dev/vfioN */
static bool
device_find_of_cdev(const struct stat *info, char name[PCI_NAME_SIZE])
{
	char target[MAX_PATH], *end, *start;

	if (!device_find_cdev(info, target))
		return false;
	end = strstr(target, CDEV_DIR);
	*end = '\0';
	start = strrchr(target, '/');
	return start != NULL && device_parse_name(start + 1, strlen(start + 1), name);
}

bool
device_find_name(int fd, char name[PCI_NAME_SIZE])
{
	struct stat info;

	if (fstat(fd, &info) == 0 && S_ISCHR(info.st_mode))
		return device_find_of_cdev(&info, name);
	return device_find_in_fdinfo(fd, name) || device_find_opened(fd, name);
}
