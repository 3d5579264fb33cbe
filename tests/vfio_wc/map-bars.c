/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * Opens a device through a group, or a cdev, and maps BARs as programs do.
 *
 *   map-bars GROUP NAME STEP...
 *   map-bars CDEV IOMMUFD STEP...
 *
 * Steps: BAR:START:LENGTH (hexadecimal) maps a range at its place, BAR * 1 GiB above a base, and
 * prints "ok", or errno; "threads" maps BAR2 in eight threads at once, again and again; "fork" maps
 * BAR2 in a child; "dup" goes on with a copy of the descriptor; "hold" reads BAR2 until the program
 * is ended. At the end, or before that, it prints the mappings of the device: start and end relative to the base, and offset in the device file. A call that
 * changes errno, or allocates memory, is an error.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#define CDEV_DIR "/dev/vfio/devices/"

/* In <linux/vfio.h> since 6.6 */
struct bind_iommufd {
	uint32_t argsz;
	uint32_t flags;
	int32_t iommufd;
	uint32_t out_devid;
};
#define BIND_IOMMUFD _IO(VFIO_TYPE, VFIO_BASE + 18)

#define BASE UINT64_C(0x600000000000)
#define AREA (UINT64_C(1) << 30)
#define MARK 77

static int device;
static bool done;
/* Volatile: the compiler takes for granted that mmap() calls nothing of this program. */
static __thread volatile unsigned int allocations;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t nb, size_t size);

void *
malloc(size_t size)
{
	allocations++;
	return __libc_malloc(size);
}

void *
calloc(size_t nb, size_t size)
{
	allocations++;
	return __libc_calloc(nb, size);
}

static int
map(unsigned int bar, uint64_t start, uint64_t len)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = bar };
	unsigned int before;
	void *addr;

	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info) != 0)
		return errno;
	before = allocations;
	errno = MARK;
	addr = mmap((void *)(BASE + bar * AREA + start), len, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_FIXED, device, info.offset + start);
	if (addr == MAP_FAILED)
		return errno;
	if (errno != MARK || allocations != before) {
		fprintf(stderr, "errno %d, %u allocations\n", errno, allocations - before);
		exit(1);
	}
	return 0;
}

static void *
map_again_and_again(void *arg)
{
	int i;

	for (i = 0; i < 200 || (arg != NULL && !__atomic_load_n(&done, __ATOMIC_RELAXED)); i++)
		map(2, 0, 0x10000);
	return arg;
}

static void
map_in_threads(void)
{
	pthread_t threads[8];
	int i;

	for (i = 0; i < 8; i++)
		pthread_create(&threads[i], NULL, map_again_and_again, NULL);
	for (i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
}

/* While other threads map: a lock that one of them holds would stay locked in the child. */
static void
map_in_children(void)
{
	pthread_t thread;
	int i, status;

	pthread_create(&thread, NULL, map_again_and_again, &done);
	for (i = 0; i < 50; i++) {
		if (fork() == 0)
			_exit(map(2, 0, 0x10000));
		wait(&status);
		if (status != 0)
			exit(1);
	}
	__atomic_store_n(&done, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
}

static void
print_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long start, end, offset;
	char line[512];

	while (fgets(line, sizeof(line), maps) != NULL) {
		if (sscanf(line, "%lx-%lx %*s %lx", &start, &end, &offset) == 3 && start >= BASE &&
				start < BASE + 6 * AREA)
			printf("%lx-%lx %lx\n", start - BASE, end - BASE, offset);
	}
	fclose(maps);
}

static void
hold(void)
{
	print_mappings();
	printf("holding\n");
	for (;;)
		*(volatile uint32_t *)(BASE + 2 * AREA);
}

static void
run_step(const char *step)
{
	unsigned long bar, start, len;
	int error;

	if (sscanf(step, "%lx:%lx:%lx", &bar, &start, &len) == 3) {
		error = map(bar, start, len);
		printf("%s\n", error == 0 ? "ok" : strerrorname_np(error));
	} else if (strcmp(step, "threads") == 0) {
		map_in_threads();
	} else if (strcmp(step, "fork") == 0) {
		map_in_children();
	} else if (strcmp(step, "dup") == 0) {
		device = fcntl(device, F_DUPFD, 512);
	} else if (strcmp(step, "hold") == 0) {
		hold();
	}
}

/* With memory enabled */
static void
open_cdev(const char *path, const char *iommufd)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = VFIO_PCI_CONFIG_REGION_INDEX };
	struct bind_iommufd bind = { .argsz = sizeof(bind), .iommufd = open(iommufd, O_RDWR) };
	uint16_t command = PCI_COMMAND_MEMORY;

	device = open(path, O_RDWR | O_CLOEXEC);
	if (ioctl(device, BIND_IOMMUFD, &bind) != 0 ||
			ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info) != 0 ||
			pwrite(device, &command, sizeof(command), info.offset + PCI_COMMAND) < 0) {
		perror(path);
		exit(1);
	}
}

static void
open_of_group(const char *path, const char *name)
{
	device = ioctl(open(path, O_RDWR | O_CLOEXEC), VFIO_GROUP_GET_DEVICE_FD, name);
}

int
main(int argc, char **argv)
{
	int i;

	if (strncmp(argv[1], CDEV_DIR, strlen(CDEV_DIR)) == 0)
		open_cdev(argv[1], argv[2]);
	else
		open_of_group(argv[1], argv[2]);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (i = 3; i < argc; i++)
		run_step(argv[i]);
	print_mappings();
	return 0;
}
