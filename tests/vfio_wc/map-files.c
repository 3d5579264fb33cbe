/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * Maps a file, and memory, in all ways that concern no device. The call of mremap() is a mark.
 *
 *   map-files FILE [vfio]     "vfio": after a request of VFIO
 */

#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/vfio.h>

int
main(int argc, char **argv)
{
	int fd = open(argv[1], O_RDWR), zero = open("/dev/zero", O_RDWR);

	if (argc > 2)
		ioctl(fd, VFIO_GET_API_VERSION);
	mremap(0, 0, 0, 0);
	mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mmap(0, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	mmap(0, 4096, PROT_READ, MAP_PRIVATE, zero, 0);
	mmap(0, 4096, PROT_READ, MAP_SHARED, -1, 0);
	mmap(0, 4096, PROT_READ, MAP_SHARED, 99, 0);
	ioctl(fd, FIONBIO, &zero);
	mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0);
	mmap(0, 0, PROT_READ, MAP_SHARED, fd, 0);
	return 0;
}
