/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <rte_common.h>

#include "ivshmem_eventfd.h"

/* Completions that the kernel keeps; none is of interest. */
#define NB_EVENTS 64

int
ivshmem_notifier_init(struct ivshmem_notifier *notifier)
{
	int ret;

	notifier->ready = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (notifier->ready < 0)
		return -errno;
	notifier->context = 0;
	if (syscall(__NR_io_setup, NB_EVENTS, &notifier->context) < 0) {
		ret = -errno;
		close(notifier->ready);
		return ret;
	}
	return 0;
}

void
ivshmem_notifier_fini(struct ivshmem_notifier *notifier)
{
	syscall(__NR_io_destroy, notifier->context);
	close(notifier->ready);
}

static bool
ivshmem_eventfd_submit(const struct ivshmem_notifier *notifier, struct iocb *request)
{
	return syscall(__NR_io_submit, notifier->context, 1, &request) == 1;
}

static void
ivshmem_eventfd_forget_completions(const struct ivshmem_notifier *notifier)
{
	struct io_event events[NB_EVENTS];
	struct timespec now = { 0 };

	syscall(__NR_io_getevents, notifier->context, 0, RTE_DIM(events), events, &now);
}

/*
 * A request that is complete at once: the kernel then adds 1 to aio_resfd (io_submit(2)). Unlike
 * write() it neither waits nor fails if the counter is full.
 */
bool
ivshmem_notifier_signal(const struct ivshmem_notifier *notifier, int eventfd)
{
	struct iocb request = {
		.aio_lio_opcode = IOCB_CMD_POLL,
		.aio_fildes = notifier->ready,
		.aio_buf = POLLOUT,
		.aio_flags = IOCB_FLAG_RESFD,
		.aio_resfd = eventfd,
	};

	if (ivshmem_eventfd_submit(notifier, &request))
		return true;
	if (errno != EAGAIN)
		return false;
	ivshmem_eventfd_forget_completions(notifier);
	return ivshmem_eventfd_submit(notifier, &request);
}

static int
ivshmem_eventfd_watch(const struct ivshmem_waiter *waiter, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events };

	return epoll_ctl(waiter->fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int
ivshmem_waiter_init(struct ivshmem_waiter *waiter, int shared)
{
	int ret;

	waiter->own = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (waiter->own < 0)
		return -errno;
	waiter->fd = epoll_create1(EPOLL_CLOEXEC);
	if (waiter->fd < 0) {
		ret = -errno;
		goto close_own;
	}
	/* Each signal is an edge, whatever the counter was before. */
	ret = ivshmem_eventfd_watch(waiter, shared, EPOLLIN | EPOLLET);
	if (ret == 0)
		ret = ivshmem_eventfd_watch(waiter, waiter->own, EPOLLIN | EPOLLET);
	if (ret < 0)
		goto close_epoll;
	return 0;

close_epoll:
	close(waiter->fd);
close_own:
	close(waiter->own);
	return ret;
}

void
ivshmem_waiter_fini(struct ivshmem_waiter *waiter)
{
	close(waiter->fd);
	close(waiter->own);
}

void
ivshmem_waiter_wake(const struct ivshmem_waiter *waiter)
{
	/* It is never read, and 2^64 heartbeats do not come. */
	eventfd_write(waiter->own, 1);
}

void
ivshmem_waiter_clear(const struct ivshmem_waiter *waiter)
{
	struct epoll_event events[2];

	epoll_wait(waiter->fd, events, RTE_DIM(events), 0);
}
