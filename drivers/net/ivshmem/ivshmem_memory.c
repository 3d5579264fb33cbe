/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <rte_common.h>

#include "ivshmem_log.h"
#include "ivshmem_memory.h"

#define MADE_WITH (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static int
ivshmem_memory_failed(const char *what, const char *action, int error)
{
	IVSHMEM_LOG(ERR, "%s: cannot %s: %s", what, action, strerror(-error));
	return error;
}

static void
ivshmem_memory_check_mode(const char *path, mode_t mode)
{
	if ((mode & 0006) != 0)
		IVSHMEM_LOG(WARNING, "path=%s: mode %#o: all users may %s the frames: restrict the mode "
			"(chmod o-rw)", path, mode & ACCESSPERMS,
			(mode & 0002) != 0 ? "change" : "read");
}

int
ivshmem_memory_open(const char *path)
{
	struct stat stat;
	int fd, ret;

	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		ret = -errno;
		IVSHMEM_LOG(ERR, "path=%s: %s: create a file of the region's size first", path,
			strerror(-ret));
		return ret;
	}
	if (fstat(fd, &stat) < 0 || !S_ISREG(stat.st_mode)) {
		IVSHMEM_LOG(ERR, "path=%s: not a regular file", path);
		close(fd);
		return -EINVAL;
	}
	ivshmem_memory_check_mode(path, stat.st_mode);
	return fd;
}

int
ivshmem_memory_make(const char *what, uint64_t size)
{
	int fd, ret;

	fd = memfd_create("net_ivshmem", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return ivshmem_memory_failed(what, "create memory: memfd_create()", -errno);
	if (ftruncate(fd, size) < 0 || fcntl(fd, F_ADD_SEALS, MADE_WITH) < 0) {
		ret = ivshmem_memory_failed(what, "create memory", -errno);
		close(fd);
		return ret;
	}
	return fd;
}

/* Pages of hugetlbfs can be taken out of a sealed file, and then there may be none to put in. */
int
ivshmem_memory_check_given(const char *what, int fd)
{
	const int needed = F_SEAL_SHRINK | F_SEAL_GROW;
	const int seals = fcntl(fd, F_GET_SEALS);
	struct statfs fs;
	struct stat stat;

	if (seals < 0 || (seals & needed) != needed) {
		IVSHMEM_LOG(ERR, "%s: the server's memory can be resized, which could "
			"terminate this process: start the server without path=", what);
		return -EPERM;
	}
	if (fstatfs(fd, &fs) < 0 || fs.f_type != TMPFS_MAGIC) {
		IVSHMEM_LOG(ERR, "%s: the server's memory is not in tmpfs: its pages may be lost, which would "
			"terminate this process: start the server without path=", what);
		return -EPERM;
	}
	if (fstat(fd, &stat) < 0)
		return ivshmem_memory_failed(what, "examine the memory", -errno);
	if ((uint64_t)stat.st_size > IVSHMEM_MEMORY_MAX) {
		IVSHMEM_LOG(ERR, "%s: the server's %" PRIu64 " bytes are more than %" PRIu64
			": start the server with a smaller size=", what, (uint64_t)stat.st_size,
			IVSHMEM_MEMORY_MAX);
		return -EFBIG;
	}
	return 0;
}

static int
ivshmem_memory_allocate(int fd, uint64_t size)
{
	int ret;

	do {
		ret = fallocate(fd, 0, 0, size) < 0 ? -errno : 0;
	} while (ret == -EINTR);
	return ret;
}

/* An empty file has no pages to reserve: its size is refused elsewhere. */
int
ivshmem_memory_reserve(const char *what, int fd)
{
	uint64_t missing, available;
	struct statfs fs;
	struct stat stat;
	int ret;

	if (fstat(fd, &stat) < 0)
		return ivshmem_memory_failed(what, "examine the memory", -errno);
	if (stat.st_size == 0)
		return 0;
	ret = ivshmem_memory_allocate(fd, stat.st_size);
	/* Where it is unknown, nothing can be reserved. */
	if (ret == 0 || ret == -EOPNOTSUPP)
		return 0;
	if (ret != -ENOSPC || fstatfs(fd, &fs) < 0)
		return ivshmem_memory_failed(what, "reserve the memory", ret);
	/* st_blocks counts 512 bytes each (stat(2)). */
	missing = stat.st_size - RTE_MIN((uint64_t)stat.st_blocks * 512, (uint64_t)stat.st_size);
	available = (uint64_t)fs.f_bavail * fs.f_bsize;
	IVSHMEM_LOG(ERR, "%s: %" PRIu64 " bytes of %" PRIu64 " are missing in its file system: enlarge "
		"it (mount -o remount,size=...), or use less memory", what,
		missing - RTE_MIN(available, missing), (uint64_t)stat.st_size);
	return ret;
}

int
ivshmem_memory_map(const char *what, int fd, void *wanted, struct ivshmem_region *region)
{
	const int fixed = wanted == NULL ? 0 : MAP_FIXED_NOREPLACE;
	struct stat stat;
	void *addr;

	if (fstat(fd, &stat) < 0)
		return ivshmem_memory_failed(what, "examine the memory", -errno);
	if ((uint64_t)stat.st_size < IVSHMEM_CONTROL_SIZE) {
		IVSHMEM_LOG(ERR, "%s: region too small (%" PRIu64 " bytes): at least %u are needed",
			what, (uint64_t)stat.st_size, IVSHMEM_CONTROL_SIZE);
		return -ENOSPC;
	}
	addr = mmap(wanted, stat.st_size, PROT_READ | PROT_WRITE, MAP_SHARED | fixed, fd, 0);
	if (addr == MAP_FAILED)
		return ivshmem_memory_failed(what, "map the memory", -errno);
	/* Kernels before 4.17 take the address for a hint (mmap(2)). */
	if (wanted != NULL && addr != wanted) {
		munmap(addr, stat.st_size);
		IVSHMEM_LOG(ERR, "%s: cannot map the memory at %p, where the primary process has it: "
			"the address is in use", what, wanted);
		return -EEXIST;
	}
	region->control = addr;
	region->size = stat.st_size;
	return 0;
}

void
ivshmem_memory_unmap(const struct ivshmem_region *region)
{
	munmap((void *)(uintptr_t)region->control, region->size);
}

/* Of an open file description of its own: all who have got this one share what is locked by it. */
int
ivshmem_memory_claim(const char *what, int fd, enum ivshmem_role role)
{
	/* Any range would do. */
	struct flock lock = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = offsetof(struct ivshmem_control, sides[role]),
		.l_len = sizeof(struct ivshmem_side),
	};
	char path[32];
	int own, ret;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, O_RDWR | O_CLOEXEC);
	if (own < 0)
		return ivshmem_memory_failed(what, "reopen the memory", -errno);
	if (fcntl(own, F_OFD_SETLK, &lock) == 0)
		return own;
	ret = -errno;
	close(own);
	return ret == -EAGAIN || ret == -EACCES ? -EBUSY :
			ivshmem_memory_failed(what, "lock the memory", ret);
}
