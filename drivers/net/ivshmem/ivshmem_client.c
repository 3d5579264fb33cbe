/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_rwlock.h>
#include <rte_string_fns.h>

#include "ivshmem_client.h"
#include "ivshmem_device.h"
#include "ivshmem_eventfd.h"
#include "ivshmem_log.h"
#include "ivshmem_server.h"
#include "ivshmem_watch.h"

/* A server that is there answers at once, unless its process is busy. */
#define SETUP_S 5
#define DOORBELLS_S 1
/* Of one look at the socket: other work of EAL's interrupt thread waits meanwhile. */
#define MAX_MESSAGES 64

struct peer {
	uint16_t id;
	unsigned int nb_vectors;	/* 0: nobody */
	int eventfds[IVSHMEM_SERVER_MAX_VECTORS];
};

struct ivshmem_client {
	struct sockaddr_un addr;
	int sock;			/* -1 once the server has gone */
	bool started;
	uint16_t id;
	struct ivshmem_watch watch;
	struct ivshmem_notifier notifier;
	rte_rwlock_t lock;		/* of the peers; the interrupt thread writes */
	struct peer peers[IVSHMEM_CLIENT_MAX_PEERS];
};

static int
ivshmem_client_failed(const struct ivshmem_client *client, const char *what, int error)
{
	IVSHMEM_LOG(ERR, "socket=%s: %s: %s", client->addr.sun_path, what, strerror(-error));
	return error;
}

/* Take the file of a message, if it has one. All files are closed if there are more. */
static int
ivshmem_client_take_file(struct msghdr *msg, int *fd)
{
	const struct cmsghdr *header = CMSG_FIRSTHDR(msg);
	unsigned int nb = 0, i;
	int file;

	if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
		nb = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	for (i = 0; i < nb; i++) {
		memcpy(&file, CMSG_DATA(header) + i * sizeof(file), sizeof(file));
		if (nb == 1)
			*fd = file;
		else
			close(file);
	}
	return nb > 1 ? -EPROTO : 0;
}

/* -ECONNRESET at the end. *fd is -1 without a file. */
static int
ivshmem_client_receive(const struct ivshmem_client *client, int flags, int64_t *message, int *fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	rte_le64_t wire;
	struct iovec data = { .iov_base = &wire, .iov_len = sizeof(wire) };
	struct msghdr msg = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = control.space, .msg_controllen = sizeof(control.space),
	};
	const ssize_t len = recvmsg(client->sock, &msg, flags | MSG_CMSG_CLOEXEC);

	*message = 0;
	*fd = -1;
	if (len < 0)
		return -errno;
	if (ivshmem_client_take_file(&msg, fd) < 0)
		return -EPROTO;
	*message = rte_le_to_cpu_64(wire);
	if (len == sizeof(wire))
		return 0;
	if (*fd >= 0)
		close(*fd);
	return len == 0 ? -ECONNRESET : -EPROTO;
}

/* The same within a time, whatever signals come. */
static int
ivshmem_client_receive_until(const struct ivshmem_client *client, uint64_t deadline,
		int64_t *message, int *fd)
{
	int ret;

	do {
		ret = ivshmem_client_receive(client, 0, message, fd);
	} while (ret == -EINTR && rte_get_timer_cycles() < deadline);
	return ret;
}

/* With nb_vectors of 0 if it is not known, NULL if there is no room for it. */
static struct peer *
ivshmem_client_find_peer(struct ivshmem_client *client, uint16_t id)
{
	struct peer *unused = NULL;
	unsigned int i;

	for (i = 0; i < RTE_DIM(client->peers); i++) {
		struct peer *peer = &client->peers[i];

		if (peer->nb_vectors != 0 && peer->id == id)
			return peer;
		if (peer->nb_vectors == 0 && unused == NULL)
			unused = peer;
	}
	return unused;
}

static void
ivshmem_client_add_doorbell(struct ivshmem_client *client, uint16_t id, int fd)
{
	struct peer *peer = ivshmem_client_find_peer(client, id);

	if (peer == NULL || peer->nb_vectors == IVSHMEM_SERVER_MAX_VECTORS) {
		close(fd);
		return;
	}
	rte_rwlock_write_lock(&client->lock);
	peer->id = id;
	peer->eventfds[peer->nb_vectors++] = fd;
	rte_rwlock_write_unlock(&client->lock);
}

/* The files are the server's, which decides how long closing one takes: not with the lock held. */
static void
ivshmem_client_forget_peer(struct ivshmem_client *client, struct peer *peer)
{
	struct peer old;

	rte_rwlock_write_lock(&client->lock);
	old = *peer;
	peer->nb_vectors = 0;
	rte_rwlock_write_unlock(&client->lock);
	while (old.nb_vectors > 0)
		close(old.eventfds[--old.nb_vectors]);
}

static int
ivshmem_client_handle_message(struct ivshmem_client *client, int64_t message, int fd)
{
	struct peer *peer;

	if (message < 0 || message > UINT16_MAX) {
		if (fd >= 0)
			close(fd);
		return -EPROTO;
	}
	if (fd >= 0) {
		ivshmem_client_add_doorbell(client, message, fd);
		return 0;
	}
	/* A receiver of this side may sleep on its own ones. */
	peer = ivshmem_client_find_peer(client, message);
	if (peer != NULL && message != client->id)
		ivshmem_client_forget_peer(client, peer);
	return 0;
}

static void
ivshmem_client_hang_up(struct ivshmem_client *client, int error)
{
	IVSHMEM_LOG(WARNING, "socket=%s: the doorbell server has gone (%s): memory and doorbells "
		"are kept, no new process can join", client->addr.sun_path, strerror(-error));
	close(client->sock);
	client->sock = -1;
}

static void
ivshmem_client_handle_events(void *arg)
{
	struct ivshmem_client *client = arg;
	int64_t message = 0;
	int fd = -1, ret = 0;
	unsigned int n;

	for (n = 0; n < MAX_MESSAGES && ret == 0 && client->sock >= 0; n++) {
		ret = ivshmem_client_receive(client, MSG_DONTWAIT, &message, &fd);
		if (ret == 0)
			ret = ivshmem_client_handle_message(client, message, fd);
	}
	if (ret < 0 && ret != -EAGAIN && ret != -EINTR)
		ivshmem_client_hang_up(client, ret);
}

static int
ivshmem_client_set_patience(const struct ivshmem_client *client, unsigned int seconds)
{
	const struct timeval patience = { .tv_sec = seconds };

	return setsockopt(client->sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
		setsockopt(client->sock, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ?
		-errno : 0;
}

/* The first three messages: version, ID, memory. */
static int
ivshmem_client_read_setup(struct ivshmem_client *client, int *shm_fd)
{
	const uint64_t deadline = rte_get_timer_cycles() + SETUP_S * rte_get_timer_hz();
	int64_t version, id = 0, memory = 0;
	int fd, ret;

	*shm_fd = -1;
	ret = ivshmem_client_receive_until(client, deadline, &version, &fd);
	if (ret == 0 && fd < 0 && version != IVSHMEM_PROTOCOL) {
		IVSHMEM_LOG(ERR, "socket=%s: version %" PRId64 ", not %d: the server refuses this client "
			"and has logged the reason, or uses another protocol",
			client->addr.sun_path, version, IVSHMEM_PROTOCOL);
		return -EPROTO;
	}
	if (ret == 0 && fd < 0)
		ret = ivshmem_client_receive_until(client, deadline, &id, &fd);
	if (ret == 0 && fd < 0)
		ret = ivshmem_client_receive_until(client, deadline, &memory, shm_fd);
	if (ret == 0 && fd < 0 && *shm_fd >= 0 && id >= 0 && id <= UINT16_MAX &&
			memory == IVSHMEM_MESSAGE_MEMORY) {
		client->id = id;
		return 0;
	}
	if (ret == 0 && fd >= 0)
		close(fd);
	if (*shm_fd >= 0)
		close(*shm_fd);
	return ivshmem_client_failed(client, "the server sends no memory", ret < 0 ? ret : -EPROTO);
}

static int
ivshmem_client_dial(struct ivshmem_client *client)
{
	int ret;

	client->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->sock < 0)
		return ivshmem_client_failed(client, "cannot create a socket", -errno);
	ret = ivshmem_client_set_patience(client, SETUP_S);
	if (ret == 0 && connect(client->sock, (const struct sockaddr *)&client->addr,
			sizeof(client->addr)) < 0)
		ret = -errno;
	if (ret == 0)
		return 0;
	close(client->sock);
	return ret == -ENOENT || ret == -ECONNREFUSED ? ret :
		ivshmem_client_failed(client, "cannot connect", ret);
}

int
ivshmem_client_connect(const char *path, struct ivshmem_client **connected, int *shm_fd)
{
	const size_t max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
	struct ivshmem_client *client;
	int ret;

	if (strlen(path) > max) {
		IVSHMEM_LOG(ERR, "socket=%s: %zu characters: use a path of 1 to %zu", path,
			strlen(path), max);
		return -EINVAL;
	}
	client = calloc(1, sizeof(*client));
	if (client == NULL) {
		IVSHMEM_LOG(ERR, "socket=%s: no memory", path);
		return -ENOMEM;
	}
	client->addr.sun_family = AF_UNIX;
	strlcpy(client->addr.sun_path, path, sizeof(client->addr.sun_path));
	rte_rwlock_init(&client->lock);
	ret = ivshmem_notifier_init(&client->notifier);
	if (ret < 0) {
		ivshmem_client_failed(client, IVSHMEM_NOTIFIER_REMEDY, ret);
		goto free;
	}
	ret = ivshmem_client_dial(client);
	if (ret < 0)
		goto fini_notifier;
	ret = ivshmem_client_read_setup(client, shm_fd);
	if (ret < 0)
		goto close;
	*connected = client;
	return 0;

close:
	close(client->sock);
fini_notifier:
	ivshmem_notifier_fini(&client->notifier);
free:
	free(client);
	return ret;
}

static unsigned int
ivshmem_client_nb_own(struct ivshmem_client *client)
{
	const struct peer *own = ivshmem_client_find_peer(client, client->id);

	return own == NULL ? 0 : own->nb_vectors;
}

/* A server may have fewer: then some queues cannot sleep. It may tell of others without end. */
static int
ivshmem_client_read_doorbells(struct ivshmem_client *client, unsigned int nb_vectors)
{
	const uint64_t deadline = rte_get_timer_cycles() + DOORBELLS_S * rte_get_timer_hz();
	int64_t message;
	int fd, ret;

	ret = ivshmem_client_set_patience(client, DOORBELLS_S);
	while (ret == 0 && ivshmem_client_nb_own(client) < nb_vectors &&
			rte_get_timer_cycles() < deadline) {
		ret = ivshmem_client_receive_until(client, deadline, &message, &fd);
		if (ret == 0)
			ret = ivshmem_client_handle_message(client, message, fd);
	}
	return ret == -EAGAIN || ret == -EINTR ? 0 : ret;
}

int
ivshmem_client_start(struct ivshmem_client *client, unsigned int nb_vectors)
{
	int ret;

	ret = ivshmem_client_read_doorbells(client, nb_vectors);
	if (ret < 0)
		return ivshmem_client_failed(client, "the server sends no doorbells", ret);
	ret = ivshmem_watch_init(&client->watch, ivshmem_client_handle_events, client);
	if (ret < 0)
		return ivshmem_client_failed(client, "cannot watch the socket", ret);
	client->started = true;
	ret = ivshmem_watch_add(&client->watch, client->sock, 0);
	return ret < 0 ? ivshmem_client_failed(client, "cannot watch the socket", ret) : 0;
}

void
ivshmem_client_destroy(struct ivshmem_client *client)
{
	unsigned int i;

	if (client == NULL)
		return;
	if (client->started) {
		ivshmem_watch_stop(&client->watch);
		ivshmem_watch_fini(&client->watch);
	}
	if (client->sock >= 0)
		close(client->sock);
	for (i = 0; i < RTE_DIM(client->peers); i++)
		ivshmem_client_forget_peer(client, &client->peers[i]);
	ivshmem_notifier_fini(&client->notifier);
	free(client);
}

uint16_t
ivshmem_client_id(const struct ivshmem_client *client)
{
	return client->id;
}

int
ivshmem_client_own_fd(const struct ivshmem_client *client, unsigned int vector)
{
	unsigned int i;

	for (i = 0; i < RTE_DIM(client->peers); i++) {
		const struct peer *peer = &client->peers[i];

		if (peer->id == client->id && vector < peer->nb_vectors)
			return peer->eventfds[vector];
	}
	return -EINVAL;
}

bool
ivshmem_client_notify(struct ivshmem_client *client, uint16_t id, unsigned int vector)
{
	const struct peer *peer;
	bool done;

	rte_rwlock_read_lock(&client->lock);
	peer = ivshmem_client_find_peer(client, id);
	done = peer != NULL && vector < peer->nb_vectors &&
		ivshmem_notifier_signal(&client->notifier, peer->eventfds[vector]);
	rte_rwlock_read_unlock(&client->lock);
	return done;
}
