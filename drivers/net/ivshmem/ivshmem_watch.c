/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <rte_interrupts.h>

#include "ivshmem_watch.h"

int
ivshmem_watch_init(struct ivshmem_watch *watch, rte_intr_callback_fn callback, void *arg)
{
	int ret;

	watch->callback = callback;
	watch->arg = arg;
	watch->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (watch->epoll_fd < 0)
		return -errno;
	watch->intr = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
	if (watch->intr == NULL) {
		ret = -ENOMEM;
		goto close;
	}
	rte_intr_fd_set(watch->intr, watch->epoll_fd);
	rte_intr_type_set(watch->intr, RTE_INTR_HANDLE_EXT);
	ret = rte_intr_callback_register(watch->intr, callback, arg);
	if (ret < 0)
		goto free;
	return 0;

free:
	rte_intr_instance_free(watch->intr);
close:
	close(watch->epoll_fd);
	return ret;
}

void
ivshmem_watch_stop(struct ivshmem_watch *watch)
{
	rte_intr_callback_unregister_sync(watch->intr, watch->callback, watch->arg);
}

void
ivshmem_watch_fini(struct ivshmem_watch *watch)
{
	rte_intr_instance_free(watch->intr);
	close(watch->epoll_fd);
}

int
ivshmem_watch_add(const struct ivshmem_watch *watch, int fd, uint32_t id)
{
	struct epoll_event event = { .events = EPOLLIN, .data = { .u32 = id } };

	return epoll_ctl(watch->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

void
ivshmem_watch_remove(const struct ivshmem_watch *watch, int fd)
{
	epoll_ctl(watch->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}
