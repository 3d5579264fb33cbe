/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef IVSHMEM_SERVER_H
#define IVSHMEM_SERVER_H

/**
 * @file
 * Doorbell server, for QEMU's ivshmem-doorbell devices: shares memory and eventfds with guests.
 *
 * It runs in EAL's interrupt thread and never blocks there: a client that does not read its
 * messages, or that sends anything, is disconnected. This process is a peer too. The socket's file
 * has mode 0600: processes of the same user may connect, and then have the memory and all
 * doorbells.
 */

#include <limits.h>
#include <stdint.h>

#include "ivshmem_device.h"
#include "ivshmem_proto.h"

/** ID of this process. */
#define IVSHMEM_SERVER_OWN_ID 0
/** Clients have IDs from 1 to this. */
#define IVSHMEM_SERVER_MAX_CLIENTS 15
/** One per receive queue of a guest, and the first, which its driver does not use. */
#define IVSHMEM_SERVER_MAX_VECTORS (IVSHMEM_MAX_RINGS + 1)
/** A client that has not read its messages for this long may lose its slot to another. */
#define IVSHMEM_SERVER_IDLE_S 10
/** For ivshmem_server_notify(). */
#define IVSHMEM_SERVER_ALL UINT_MAX

struct ivshmem_server;

/**
 * Listen on a UNIX socket. The socket of a dead process is replaced.
 *
 * @param shm_fd
 *   File of the memory; the caller may close it. Its size is that of the guests' BAR2.
 * @param nb_vectors
 *   Number of doorbells of each peer.
 * @return
 *   0 or a negative errno, with the reason logged.
 */
int ivshmem_server_create(const char *path, int shm_fd, unsigned int nb_vectors,
		struct ivshmem_server **server);

/**
 * Disconnect all clients and remove the socket. Clients keep the memory. Must not be called by
 * EAL's callbacks of this server, or while another thread uses it. NULL is ignored.
 */
void ivshmem_server_destroy(struct ivshmem_server *server);

/**
 * The eventfd that a peer signals to notify this process. All clients have it too, so that reading
 * or writing it may block: use only an ivshmem_waiter.
 *
 * @return
 *   The file, owned by the server, or -EINVAL if there is no such vector.
 */
int ivshmem_server_own_fd(const struct ivshmem_server *server, unsigned int vector);

/**
 * Notify a client, or IVSHMEM_SERVER_ALL. For any thread; one system call per client, which does
 * not block.
 *
 * @return
 *   Number of notified clients.
 */
unsigned int ivshmem_server_notify(struct ivshmem_server *server, unsigned int id,
		unsigned int vector);

/** A bit for the ID of each connected client. For any thread. */
uint32_t ivshmem_server_clients(const struct ivshmem_server *server);

#endif /* IVSHMEM_SERVER_H */
