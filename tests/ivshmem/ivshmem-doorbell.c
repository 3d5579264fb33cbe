/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * ivshmem-doorbell BDF
 *
 * Drives QEMU's ivshmem-doorbell device, as it is told on standard input. First prints
 * "id IVPOSITION, vectors NUMBER, memory SIZE". Answers each command with one line:
 *
 *   notify PEER VECTOR write the Doorbell register
 *   wait VECTOR        wait for an interrupt, up to 30 s: how many there were
 *   poll VECTOR        the same without waiting
 *   read OFFSET        64 bits of the memory
 */

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "ivshmem_device.h"
#include "vfio.h"

#define MAX_VECTORS 16
#define PATIENCE_MS 30000

static volatile uint8_t *registers, *memory;
static int eventfds[MAX_VECTORS];
static uint32_t vectors;

static volatile uint8_t *
map(int device, uint32_t bar)
{
	struct vfio_region_info info = vfio_region(device, bar);
	void *where = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, device,
		info.offset);

	if (where == MAP_FAILED)
		die("mmap");
	return where;
}

/* An interrupt is a write by the device, which has to be allowed to make any. */
static void
set_bus_master(int device)
{
	const off_t where = offset_of(device, VFIO_PCI_CONFIG_REGION_INDEX) + PCI_COMMAND;
	uint16_t command;

	if (pread(device, &command, 2, where) != 2)
		die("PCI_COMMAND");
	command |= PCI_COMMAND_MASTER;
	if (pwrite(device, &command, 2, where) != 2)
		die("PCI_COMMAND");
}

static void
enable_msix(int device)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = VFIO_PCI_MSIX_IRQ_INDEX };
	union {
		struct vfio_irq_set set;
		uint8_t space[sizeof(struct vfio_irq_set) + sizeof(eventfds)];
	} arg;
	uint32_t n;

	if (ioctl(device, VFIO_DEVICE_GET_IRQ_INFO, &info) != 0 || info.count == 0 ||
			info.count > MAX_VECTORS)
		die("VFIO_DEVICE_GET_IRQ_INFO");
	vectors = info.count;
	for (n = 0; n < vectors; n++) {
		eventfds[n] = eventfd(0, EFD_NONBLOCK);
		if (eventfds[n] < 0)
			die("eventfd");
	}
	arg.set = (struct vfio_irq_set){
		.argsz = sizeof(struct vfio_irq_set) + vectors * sizeof(int),
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = VFIO_PCI_MSIX_IRQ_INDEX, .count = vectors,
	};
	memcpy(arg.set.data, eventfds, vectors * sizeof(int));
	if (ioctl(device, VFIO_DEVICE_SET_IRQS, &arg) != 0)
		die("VFIO_DEVICE_SET_IRQS");
}

static void
wait_for(uint32_t vector, int patience)
{
	struct pollfd poll_fd = { .fd = eventfds[vector], .events = POLLIN };
	eventfd_t count = 0;

	if (poll(&poll_fd, 1, patience) == 1)
		eventfd_read(eventfds[vector], &count);
	printf("interrupts %llu\n", (unsigned long long)count);
}

static void
run(const char *line)
{
	unsigned int first, second;

	if (sscanf(line, "notify %u %u", &first, &second) == 2) {
		*(volatile uint32_t *)(registers + IVSHMEM_REG_DOORBELL) =
			ivshmem_doorbell_value(first, second);
		puts("notified");
	} else if (sscanf(line, "wait %u", &first) == 1 && first < vectors) {
		wait_for(first, PATIENCE_MS);
	} else if (sscanf(line, "poll %u", &first) == 1 && first < vectors) {
		wait_for(first, 0);
	} else if (sscanf(line, "read %u", &first) == 1) {
		printf("value %#llx\n", (unsigned long long)*(volatile uint64_t *)(memory + first));
	} else {
		puts("error");
	}
}

int
main(int argc, char **argv)
{
	char line[64];
	int device;

	if (argc != 2) {
		fprintf(stderr, "usage: ivshmem-doorbell BDF\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	device = vfio_open(argv[1]);
	set_bus_master(device);
	registers = map(device, 0);
	memory = map(device, 2);
	enable_msix(device);
	printf("id %d, vectors %u, memory %llu\n",
		(int)*(volatile uint32_t *)(registers + IVSHMEM_REG_IV_POSITION), vectors,
		(unsigned long long)vfio_region(device, 2).size);
	while (fgets(line, sizeof(line), stdin) != NULL)
		run(line);
	return 0;
}
