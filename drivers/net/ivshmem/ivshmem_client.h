/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef IVSHMEM_CLIENT_H
#define IVSHMEM_CLIENT_H

/**
 * @file
 * Client of a doorbell server (QEMU docs/specs/ivshmem-spec, "Client-Server Protocol"), in a
 * process of the host: receives the memory and the eventfds from a socket, as QEMU does.
 *
 * The server is not trusted: it can fill a table of fixed size at most, and a protocol error ends
 * the connection. Memory and doorbells are kept when the connection ends.
 */

#include <stdbool.h>
#include <stdint.h>

/** Limit of peers whose doorbells are kept; those of others are not used. */
#define IVSHMEM_CLIENT_MAX_PEERS 64

struct ivshmem_client;

/**
 * Connect, and receive an ID and the memory. It may block for some seconds.
 *
 * @param[out] shm_fd
 *   File of the memory, for the caller to check and close.
 * @return
 *   0, -ENOENT or -ECONNREFUSED if there is no server (not logged), or another negative errno, with
 *   the reason logged.
 */
int ivshmem_client_connect(const char *path, struct ivshmem_client **client, int *shm_fd);

/**
 * Receive the doorbells, and track peers that join and leave in EAL's interrupt thread.
 *
 * @param nb_vectors
 *   Number of doorbells that this side needs; waits for them for up to two seconds.
 * @return
 *   0 or a negative errno, with the reason logged.
 */
int ivshmem_client_start(struct ivshmem_client *client, unsigned int nb_vectors);

/** Disconnect; not while another thread uses the client, started or not. NULL is ignored. */
void ivshmem_client_destroy(struct ivshmem_client *client);

/** The ID that the server has assigned to this process. */
uint16_t ivshmem_client_id(const struct ivshmem_client *client);

/** As ivshmem_server_own_fd(). */
int ivshmem_client_own_fd(const struct ivshmem_client *client, unsigned int vector);

/** Notify a peer. For any thread; it does not block. Returns whether it succeeded. */
bool ivshmem_client_notify(struct ivshmem_client *client, uint16_t id, unsigned int vector);

#endif /* IVSHMEM_CLIENT_H */
