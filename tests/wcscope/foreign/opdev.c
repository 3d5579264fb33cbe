/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * A driver as somebody else might write it, in a program of its own with an imitation of the device: a ring of 64-byte
 * commands in a push window, and a doorbell. For a test of what devtools/wcscope finds; -DBUG_... plants an error.
 *
 *     cc opdev.c $(pkg-config --cflags --libs libdpdk) -lrte_bus_pci
 */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bus_pci_driver.h>
#include <rte_bus_pci_wc.h>
#include <rte_eal.h>
#include <rte_io.h>
#include <rte_pause.h>
#include <rte_wcio.h>

#define RING 64
#define DOORBELL 0
#define DONE 4
#define WINDOW 4096

struct command {
	uint64_t number;
	uint64_t argument[7];
};

static struct {
	uint8_t *regs;
	struct command *window;
	uint32_t tail;
} op;

static unsigned int wrong;

static void
op_enqueue(const struct command *command)
{
	struct command *slot = &op.window[op.tail % RING];

	while (op.tail - rte_read32(op.regs + DONE) >= RING)
		rte_pause();
#ifdef BUG_PLAIN_LOAD
	if (*(volatile uint64_t *)&slot->number == command->number) /* read back */
		return;
#endif
#ifdef BUG_INDEX_FIRST
	rte_write32_relaxed(op.tail + 1, op.regs + DOORBELL); /* before the command */
	rte_wcio_copy(slot, command, 1);
	rte_wcio_payload_before_uc_doorbell();
	op.tail++;
	return;
#endif
	rte_wcio_copy(slot, command, 1);
	op.tail++;
#ifndef BUG_NO_FLUSH
	rte_wcio_payload_before_uc_doorbell();
#endif
	rte_write32_relaxed(op.tail, op.regs + DOORBELL); /* doorbell */
}

static int
op_probe(struct rte_pci_driver *driver, struct rte_pci_device *device)
{
	(void)driver;
	op.regs = device->mem_resource[2].addr;
	op.window = rte_pci_map_wc(device, 2, WINDOW, RING * sizeof(*op.window));
	if (op.window == NULL)
		op.window = (struct command *)(op.regs + WINDOW);
	rte_write32(0, op.regs + DONE);
	rte_write32(0, op.regs + DOORBELL);
	return 0;
}

static int
op_remove(struct rte_pci_device *device)
{
	(void)device;
	return 0;
}

static const struct rte_pci_id ids[] = { { RTE_PCI_DEVICE(0x1af4, 0x1110) }, { .vendor_id = 0 } };
static struct rte_pci_driver driver = {
	.id_table = ids,
	.drv_flags = RTE_PCI_DRV_NEED_MAPPING,
	.probe = op_probe,
	.remove = op_remove,
};
RTE_PMD_REGISTER_PCI(opdev, driver);

static void *
imitate_device(void *data)
{
	uint32_t count = *(uint32_t *)data, done = 0;
	const struct command *ring = (struct command *)(op.regs + WINDOW);

	while (done < count) {
		while (done != rte_read32(op.regs + DOORBELL)) {
			if (*(const volatile uint64_t *)&ring[done % RING].number != done + 1)
				wrong++;
			rte_write32(++done, op.regs + DONE);
		}
		rte_pause();
	}
	return NULL;
}

int
main(int argc, char **argv)
{
	int used = rte_eal_init(argc, argv);
	uint32_t count = used > 0 && used + 1 < argc ? atoi(argv[used + 1]) : 0;
	struct command command;
	pthread_t device;

	if (op.regs == NULL || count == 0) {
		fprintf(stderr, "usage: opdev -a BDF [EAL options] -- COUNT\n");
		return 2;
	}
	if (pthread_create(&device, NULL, imitate_device, &count) != 0)
		return 2;
	for (uint32_t n = 1; n <= count; n++) {
		memset(&command, n, sizeof(command));
		command.number = n;
		op_enqueue(&command);
	}
	pthread_join(device, NULL);
	printf("%u commands, %u wrong\n", count, wrong);
	rte_eal_cleanup();
	return 0;
}
