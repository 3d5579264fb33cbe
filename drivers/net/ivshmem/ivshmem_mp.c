/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
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

/* -1 without a port that is a virtual device of this driver. */
static int
ivshmem_mp_find_memory(const struct rte_mp_msg *msg)
{
	const struct request *request = (const struct request *)msg->param;
	const struct rte_eth_dev *dev;

	if (msg->len_param != sizeof(*request) ||
			memchr(request->port, '\0', sizeof(request->port)) == NULL)
		return -1;
	dev = rte_eth_dev_allocated(request->port);
	return dev != NULL && ivshmem_ethdev_is(dev) ? ivshmem_port_of(dev)->memory_fd : -1;
}

/* Always, so that nobody waits; without a file, there is no such port. */
static int
ivshmem_mp_answer(const struct rte_mp_msg *msg, const void *peer)
{
	struct rte_mp_msg reply = { .name = ACTION };

	reply.fds[0] = ivshmem_mp_find_memory(msg);
	reply.num_fds = reply.fds[0] >= 0;
	return rte_mp_reply(&reply, peer);
}

int
ivshmem_mp_serve(void)
{
	/* Processes of --no-shconf have no secondaries; a second port finds it done. */
	if (rte_mp_action_register(ACTION, ivshmem_mp_answer) == 0 || rte_errno == EEXIST ||
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
		IVSHMEM_LOG(ERR, "%s: cannot request the memory from the primary process: %s", port,
			rte_strerror(rte_errno));
		return -rte_errno;
	}
	if (reply.nb_received == 1 && reply.msgs[0].num_fds == 1)
		fd = reply.msgs[0].fds[0];
	else
		IVSHMEM_LOG(ERR, "%s: the primary process does not send the memory", port);
	free(reply.msgs);
	return fd;
}
