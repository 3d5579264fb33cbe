/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef IVSHMEM_EVENTFD_H
#define IVSHMEM_EVENTFD_H

/**
 * @file
 * Eventfds that are shared with untrusted processes.
 *
 * Processes that share an eventfd share its open file description: each of them can clear
 * O_NONBLOCK, fill the counter and empty it, at any time. read() and write() may then block
 * indefinitely, so neither is used here: the kernel increments the counter, which never blocks, and
 * a process that sleeps on an eventfd waits for edges and does not read the counter.
 */

#include <stdbool.h>

#include <linux/aio_abi.h>

/** Signals eventfds. For concurrent threads of one process. */
struct ivshmem_notifier {
	aio_context_t context;
	int ready;		/**< Private eventfd that can always be written to. */
};

/** Message if there is no notifier. */
#define IVSHMEM_NOTIFIER_REMEDY "no doorbells (io_setup(): use a kernel of 4.18 or later with " \
	"CONFIG_AIO, raise fs.aio-max-nr)"

/**
 * @return
 *   0 or a negative errno: EAGAIN for fs.aio-max-nr, ENOSYS for a kernel without CONFIG_AIO.
 */
int ivshmem_notifier_init(struct ivshmem_notifier *notifier);

void ivshmem_notifier_fini(struct ivshmem_notifier *notifier);

/** Add 1 to an eventfd. Waiters wake even if its counter is full. Returns whether it succeeded. */
bool ivshmem_notifier_signal(const struct ivshmem_notifier *notifier, int eventfd);

/** A file to sleep on: readable after a signal to the shared eventfd, or by this process. */
struct ivshmem_waiter {
	int fd;			/**< For poll() and epoll; must not be read. */
	int own;		/**< Private eventfd, which this process signals. */
};

/** 0 or a negative errno. The caller keeps the shared eventfd. */
int ivshmem_waiter_init(struct ivshmem_waiter *waiter, int shared);

void ivshmem_waiter_fini(struct ivshmem_waiter *waiter);

/** Make it readable. */
void ivshmem_waiter_wake(const struct ivshmem_waiter *waiter);

/** Make it unreadable until the next signal. */
void ivshmem_waiter_clear(const struct ivshmem_waiter *waiter);

#endif /* IVSHMEM_EVENTFD_H */
