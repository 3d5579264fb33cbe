/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * dpdk-wc-guest [EAL options] -- ivshmem-doorbell SOCKET MEMORY VECTORS
 *
 * Serves a memory file to QEMU's ivshmem-doorbell devices, and does what it is told on standard
 * input, so that a test can look at each step. Says "ready", then answers each command with one
 * line:
 *
 *   notify ID VECTOR   notify a client, or all with ID 0: how many there were
 *   wait VECTOR        wait to be notified, up to 30 s: how often it was
 *   poll VECTOR        the same without waiting
 *   clients            mask of the clients
 *   quit
 */

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ivshmem_server.h"
#include "wc_guest.h"

#define PATIENCE_MS 30000

static void
wait_for_notification(int fd, int patience)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	eventfd_t count = 0;

	if (poll(&poll_fd, 1, patience) == 1)
		eventfd_read(fd, &count);
	printf("notifications %" PRIu64 "\n", (uint64_t)count);
}

static bool
do_command(struct ivshmem_server *server, const char *line)
{
	unsigned int first, second;

	if (strncmp(line, "quit", 4) == 0)
		return false;
	if (sscanf(line, "notify %u %u", &first, &second) == 2)
		printf("notified %u\n", ivshmem_server_notify(server,
			first != 0 ? first : IVSHMEM_SERVER_ALL, second));
	else if (sscanf(line, "wait %u", &first) == 1)
		wait_for_notification(ivshmem_server_own_fd(server, first), PATIENCE_MS);
	else if (sscanf(line, "poll %u", &first) == 1)
		wait_for_notification(ivshmem_server_own_fd(server, first), 0);
	else if (strncmp(line, "clients", 7) == 0)
		printf("clients %x\n", ivshmem_server_clients(server));
	else
		puts("error unknown command");
	return true;
}

static int
serve(int argc, char **argv)
{
	struct ivshmem_server *server;
	char line[64];
	int fd, ret;

	if (argc != 4) {
		fprintf(stderr,
			"usage: dpdk-wc-guest ... -- ivshmem-doorbell SOCKET MEMORY VECTORS\n");
		return -1;
	}
	fd = open(argv[2], O_RDWR | O_CLOEXEC);
	ret = ivshmem_server_create(argv[1], fd, strtoul(argv[3], NULL, 0), &server);
	close(fd);
	if (ret < 0)
		return ret;
	puts("ready");
	while (fgets(line, sizeof(line), stdin) != NULL && do_command(server, line))
		;
	ivshmem_server_destroy(server);
	return 0;
}

const struct wc_guest_program ivshmem_doorbell_program = {
	.name = "ivshmem-doorbell",
	.main = serve,
};
