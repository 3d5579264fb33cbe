/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef IVSHMEM_WATCH_H
#define IVSHMEM_WATCH_H

#include <stdint.h>

#include <rte_interrupts.h>

/**
 * @file
 * Files that EAL's interrupt thread watches. EAL only knows an epoll file, so that others can be
 * added and removed without EAL, also in its own thread.
 */

struct ivshmem_watch {
	int epoll_fd;
	struct rte_intr_handle *intr;
	rte_intr_callback_fn callback;
	void *arg;
};

/**
 * @param callback
 *   Called in EAL's interrupt thread while epoll_fd has events, which it must fetch.
 * @return
 *   0 or a negative errno.
 */
int ivshmem_watch_init(struct ivshmem_watch *watch, rte_intr_callback_fn callback, void *arg);

/** After this returns, the callback does not run. Not to be called by the callback itself. */
void ivshmem_watch_stop(struct ivshmem_watch *watch);

/** For a stopped watch. */
void ivshmem_watch_fini(struct ivshmem_watch *watch);

/**
 * Watch a file until it is closed.
 *
 * @param id
 *   epoll_event.data.u32 of its events.
 * @return
 *   0 or a negative errno.
 */
int ivshmem_watch_add(const struct ivshmem_watch *watch, int fd, uint32_t id);

/** Stop watching a file that stays open. */
void ivshmem_watch_remove(const struct ivshmem_watch *watch, int fd);

#endif /* IVSHMEM_WATCH_H */
