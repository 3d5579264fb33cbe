/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef IVSHMEM_EVENTFD_H
#define IVSHMEM_EVENTFD_H

/**
 * @file
 * Eventfds that are shared with processes which are not trusted.
 *
 * Who shares an eventfd shares its open file description: any of them can take O_NONBLOCK away,
 * fill the counter and empty it, at any time. Then read() and write() wait, for as long as that
 * process likes. So neither is used here: the kernel itself counts up, which never waits, and who
 * sleeps on an eventfd looks at edges and leaves the counter alone.
 */

#include <stdbool.h>

#include <linux/aio_abi.h>

/** Signals eventfds. For any thread, several at a time; of one process. */
struct ivshmem_notifier {
	aio_context_t context;
	int ready;		/**< Private eventfd that can always be written to. */
};

/** What to say if there is no notifier. */
#define IVSHMEM_NOTIFIER_REMEDY "no doorbells (io_setup(): use a kernel from 4.18 on with " \
	"CONFIG_AIO, raise fs.aio-max-nr)"

/**
 * @return
 *   0 or a negative errno: EAGAIN for fs.aio-max-nr, ENOSYS for a kernel without CONFIG_AIO.
 */
int ivshmem_notifier_init(struct ivshmem_notifier *notifier);

void ivshmem_notifier_fini(struct ivshmem_notifier *notifier);

/** Add 1 to an eventfd, whose counter may be full: waiters wake even then. Whether it was done. */
bool ivshmem_notifier_signal(const struct ivshmem_notifier *notifier, int eventfd);

/** What a receiver sleeps on: readable after the shared eventfd was signalled, or this process. */
struct ivshmem_waiter {
	int fd;			/**< For poll() and epoll; not to be read. */
	int own;		/**< Private eventfd, which this process signals. */
};

/** 0 or a negative errno. The shared eventfd stays the caller's. */
int ivshmem_waiter_init(struct ivshmem_waiter *waiter, int shared);

void ivshmem_waiter_fini(struct ivshmem_waiter *waiter);

/** Make it readable. */
void ivshmem_waiter_wake(const struct ivshmem_waiter *waiter);

/** Make it unreadable until the next signal. */
void ivshmem_waiter_clear(const struct ivshmem_waiter *waiter);

#endif /* IVSHMEM_EVENTFD_H */
