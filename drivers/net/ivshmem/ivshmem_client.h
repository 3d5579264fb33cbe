/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef IVSHMEM_CLIENT_H
#define IVSHMEM_CLIENT_H

/**
 * @file
 * Client of a doorbell server (QEMU docs/specs/ivshmem-spec, "Client-Server Protocol"), in a
 * process of the host: gets the memory and the eventfds from a socket, as QEMU does.
 *
 * The server is not trusted: no more is taken from it than a table holds, what is none of the
 * protocol ends the connection. Memory and doorbells stay when the connection ends.
 */

#include <stdbool.h>
#include <stdint.h>

/** Peers whose doorbells are kept; those of others are not used. */
#define IVSHMEM_CLIENT_MAX_PEERS 64

struct ivshmem_client;

/**
 * Connect, and get an ID and the memory. It waits for up to some seconds.
 *
 * @param[out] shm_fd
 *   Of the memory, for the caller to check and to close.
 * @return
 *   0, -ENOENT or -ECONNREFUSED if nobody listens (not logged), or another negative errno, with
 *   the reason logged.
 */
int ivshmem_client_connect(const char *path, struct ivshmem_client **client, int *shm_fd);

/**
 * Get the doorbells, and follow who comes and goes in EAL's interrupt thread.
 *
 * @param nb_vectors
 *   Doorbells of this side that are needed; it waits for them for up to two seconds.
 * @return
 *   0 or a negative errno, with the reason logged.
 */
int ivshmem_client_start(struct ivshmem_client *client, unsigned int nb_vectors);

/** Hang up; not while another thread uses the client. It need not have started; NULL is ignored. */
void ivshmem_client_destroy(struct ivshmem_client *client);

/** The ID that the server has given to this process. */
uint16_t ivshmem_client_id(const struct ivshmem_client *client);

/** As ivshmem_server_own_fd(). */
int ivshmem_client_own_fd(const struct ivshmem_client *client, unsigned int vector);

/** Notify a peer. For any thread; it does not wait. Whether it was done. */
bool ivshmem_client_notify(struct ivshmem_client *client, uint16_t id, unsigned int vector);

#endif /* IVSHMEM_CLIENT_H */
