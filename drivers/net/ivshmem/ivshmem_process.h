/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef IVSHMEM_PROCESS_H
#define IVSHMEM_PROCESS_H

/**
 * @file
 * Which process uses a queue, and whether it is alive.
 *
 * Each secondary process has a unique token, and holds a lock (fcntl(2), F_SETLK) on the byte of
 * that number in a file of EAL's runtime directory. The kernel releases the lock when it closes the
 * files of a process that ends for any reason. By then none of its threads is running: the threads
 * share the file table, which is closed after the last of them. Tokens are never reused, so neither
 * the process ID, which is reused and differs between namespaces, nor the start time is needed. A
 * child of fork() does not inherit its parent's lock: a process that uses a port must not be
 * replaced by its children.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/** Of the primary process. Tokens are even: see struct ivshmem_gate. */
#define IVSHMEM_PROCESS_PRIMARY 2

/** Identity of the file: all processes of a port must have the same one. */
struct ivshmem_process_file {
	dev_t dev;
	ino_t ino;
};

/** Of this process; 0 while it has no port. */
extern uint32_t ivshmem_process_token;

/**
 * Begin to use a port.
 *
 * @param file
 *   In the port's shared memory: written by the primary process, checked by the others.
 * @return
 *   0 or a negative errno, with the reason logged.
 */
int ivshmem_process_enter(const char *port, struct ivshmem_process_file *file);

/** Stop using a port. */
void ivshmem_process_leave(void);

/** Get a new token and its lock, for a process that has the file open. 0 or a negative errno. */
int ivshmem_process_claim(void);

/** Whether the process of a token is alive. For the primary process. */
bool ivshmem_process_lives(uint32_t token);

#endif /* IVSHMEM_PROCESS_H */
