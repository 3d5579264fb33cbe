/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef IVSHMEM_PROCESS_H
#define IVSHMEM_PROCESS_H

/**
 * @file
 * Which process is at a queue, and whether it lives.
 *
 * A secondary process has a token of its own, and holds a lock (fcntl(2), F_SETLK) on the byte of
 * that number in a file of EAL's runtime directory. The kernel drops the lock when it closes the
 * files of a process that ends, in whatever way. By then none of its threads runs any more: the
 * threads share the table of files, which is closed after the last of them. Tokens are not given
 * twice. So neither the ID of a process, which is used again and differs between namespaces, nor
 * its start time matters. A child of fork() has no part in its parent's lock: a process that uses
 * a port must not be left to its children.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/** Of the primary process. Tokens are even: see struct ivshmem_gate. */
#define IVSHMEM_PROCESS_PRIMARY 2

/** Which file it is: the processes of a port have to have the same one. */
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

/** End to use a port. */
void ivshmem_process_leave(void);

/** A new token, and the lock on it, for a process that has the file. 0 or a negative errno. */
int ivshmem_process_claim(void);

/** Whether the process of a token lives. Asked by the primary process. */
bool ivshmem_process_lives(uint32_t token);

#endif /* IVSHMEM_PROCESS_H */
