/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include <ethdev_driver.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_string_fns.h>

#include "ivshmem_ethdev.h"
#include "ivshmem_log.h"
#include "ivshmem_mp.h"

#define ACTION "net_ivshmem_memory"
#define PATIENCE_S 5

struct request {
	char port[RTE_DEV_NAME_MAX_LEN];
};

/* Without a file: there is no such port. */
static int
answer(const struct rte_mp_msg *msg, const void *peer)
{
	const struct request *request = (const struct request *)msg->param;
	struct rte_mp_msg reply = { .name = ACTION };
	char name[RTE_DEV_NAME_MAX_LEN];
	struct rte_eth_dev *dev;

	if (msg->len_param != sizeof(*request))
		return -EINVAL;
	strlcpy(name, request->port, sizeof(name));
	dev = rte_eth_dev_allocated(name);
	if (dev != NULL && ivshmem_port_of(dev)->memory_fd >= 0) {
		reply.num_fds = 1;
		reply.fds[0] = ivshmem_port_of(dev)->memory_fd;
	}
	return rte_mp_reply(&reply, peer);
}

int
ivshmem_mp_serve(void)
{
	/* Processes of --no-shconf have no secondaries; a second port finds it done. */
	if (rte_mp_action_register(ACTION, answer) == 0 || rte_errno == EEXIST ||
			rte_errno == ENOTSUP)
		return 0;
	IVSHMEM_LOG(ERR, "cannot answer secondary processes: %s", rte_strerror(rte_errno));
	return -rte_errno;
}

int
ivshmem_mp_get_memory(const char *port)
{
	const struct timespec patience = { .tv_sec = PATIENCE_S };
	struct rte_mp_msg msg = { .name = ACTION, .len_param = sizeof(struct request) };
	struct request *request = (struct request *)msg.param;
	struct rte_mp_reply reply;
	int fd = -EIO;

	strlcpy(request->port, port, sizeof(request->port));
	if (rte_mp_request_sync(&msg, &reply, &patience) < 0) {
		IVSHMEM_LOG(ERR, "%s: cannot ask the primary process for the memory: %s", port,
			rte_strerror(rte_errno));
		return -rte_errno;
	}
	if (reply.nb_received == 1 && reply.msgs[0].num_fds == 1)
		fd = reply.msgs[0].fds[0];
	else
		IVSHMEM_LOG(ERR, "%s: the primary process does not give the memory", port);
	free(reply.msgs);
	return fd;
}
