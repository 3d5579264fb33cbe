/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef IVSHMEM_SERVER_H
#define IVSHMEM_SERVER_H

/**
 * @file
 * Doorbell server, for QEMU's ivshmem-doorbell devices: shares memory and eventfds with guests.
 *
 * It runs in EAL's interrupt thread and never waits there: a client that does not read what it is
 * sent, or that sends anything, is dropped. This process is a peer too. The socket's file has mode
 * 0600: processes of the same user may connect, and have the memory and all doorbells then.
 */

#include <limits.h>
#include <stdint.h>

#include "ivshmem_device.h"
#include "ivshmem_proto.h"

/** ID of this process. */
#define IVSHMEM_SERVER_OWN_ID 0
/** Clients have IDs from 1 to this. */
#define IVSHMEM_SERVER_MAX_CLIENTS 15
/** One for each receive queue of a guest, and the first, which its driver leaves alone. */
#define IVSHMEM_SERVER_MAX_VECTORS (IVSHMEM_MAX_RINGS + 1)
/** A client that has not read for so long what it was sent may lose its place to another. */
#define IVSHMEM_SERVER_IDLE_S 10
/** For ivshmem_server_notify(). */
#define IVSHMEM_SERVER_ALL UINT_MAX

struct ivshmem_server;

/**
 * Listen on a UNIX socket. That of a dead process is replaced.
 *
 * @param shm_fd
 *   Of the memory; the caller may close it. Its size is that of the guests' BAR2.
 * @param nb_vectors
 *   Doorbells of each peer.
 * @return
 *   0 or a negative errno, with the reason logged.
 */
int ivshmem_server_create(const char *path, int shm_fd, unsigned int nb_vectors,
		struct ivshmem_server **server);

/**
 * Hang up and remove the socket. Clients keep the memory. Not for EAL's callbacks of this server,
 * and not while another thread uses it. NULL is ignored.
 */
void ivshmem_server_destroy(struct ivshmem_server *server);

/**
 * The eventfd that a peer makes readable when it notifies this process. All clients have it too:
 * only an ivshmem_waiter waits for it, as to read or write it may block.
 *
 * @return
 *   The file, which stays the server's, or -EINVAL for a vector that is not there.
 */
int ivshmem_server_own_fd(const struct ivshmem_server *server, unsigned int vector);

/**
 * Notify a client, or IVSHMEM_SERVER_ALL. For any thread; one system call for each client, which
 * does not wait.
 *
 * @return
 *   How many were notified.
 */
unsigned int ivshmem_server_notify(struct ivshmem_server *server, unsigned int id,
		unsigned int vector);

/** A bit for the ID of each client that is connected. For any thread. */
uint32_t ivshmem_server_clients(const struct ivshmem_server *server);

#endif /* IVSHMEM_SERVER_H */
