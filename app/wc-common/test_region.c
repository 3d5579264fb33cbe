/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "test_region.h"

int
test_region_map(const char *path, struct ivshmem_region *region)
{
	struct stat stat;
	int fd = open(path, O_RDWR);
	void *addr;

	CHECK(fd >= 0 && fstat(fd, &stat) == 0);
	addr = mmap(NULL, stat.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	CHECK(addr != MAP_FAILED);
	region->control = addr;
	region->size = stat.st_size;
	return ivshmem_region_open(region);
}
