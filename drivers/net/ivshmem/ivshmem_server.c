/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/sockios.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_alarm.h>
#include <rte_bitops.h>
#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_rwlock.h>
#include <rte_string_fns.h>

#include "eal_wc_compat.h"
#include "ivshmem_eventfd.h"
#include "ivshmem_log.h"
#include "ivshmem_server.h"
#include "ivshmem_watch.h"

#define NB_PEERS (IVSHMEM_SERVER_MAX_CLIENTS + 1)
/*
 * A client reads in its own time, so that all there is to say to a new one has to fit its socket:
 * at most 3 + NB_PEERS * IVSHMEM_SERVER_MAX_VECTORS messages, each of which Linux counts as less
 * than 1 KiB.
 */
#define SEND_BUFFER (512 << 10)
/* Between tries to accept, while files or memory are short */
#define RETRY_US 1000000
/* Users who may write the socket's file may connect. */
#define SOCKET_MODE 0600

struct peer {
	int sock;
	int eventfds[IVSHMEM_SERVER_MAX_VECTORS];
	uint64_t unread_since;		/* timer cycles; if it has unread messages */
	const char *leaves;		/* why it is to be dropped */
};

/* The usual reason to leave */
static const char hung_up[] = "it closed the connection";

/* EAL's interrupt thread owns it; other threads take the lock to use eventfds. */
struct ivshmem_server {
	struct sockaddr_un addr;
	dev_t dev;			/* of the socket's file */
	ino_t ino;
	int listen_fd;
	int shm_fd;
	struct ivshmem_watch watch;	/* of all sockets */
	struct ivshmem_notifier notifier;
	struct ivshmem_log_limit visits;	/* Clients decide how often they come and go, */
	struct ivshmem_log_limit refusals;	/* are too many, */
	struct ivshmem_log_limit faults;	/* or do what they must not. */
	unsigned int nb_vectors;
	/*
	 * While a reader holds it, the eventfds of the clients stay open: a number that is closed
	 * may be another file a moment later, which a late doorbell would be written to.
	 */
	rte_rwlock_t lock;
	RTE_ATOMIC(uint32_t) clients;	/* a bit for each ID */
	struct peer peers[NB_PEERS];	/* [0] has no socket; those not in clients are unused */
};

/* For what is not the user's fault. */
static int
ivshmem_server_failed(const struct ivshmem_server *server, const char *what, int error)
{
	IVSHMEM_LOG(ERR, "socket=%s: cannot %s: %s", server->addr.sun_path, what, strerror(-error));
	return error;
}

static int
ivshmem_server_make_eventfds(struct peer *peer, unsigned int nb)
{
	unsigned int i;
	int ret;

	for (i = 0; i < nb; i++) {
		peer->eventfds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (peer->eventfds[i] < 0) {
			ret = -errno;
			goto close;
		}
	}
	return 0;

close:
	while (i-- > 0)
		close(peer->eventfds[i]);
	return ret;
}

static void
ivshmem_server_close_eventfds(struct peer *peer, unsigned int nb)
{
	unsigned int i;

	for (i = 0; i < nb; i++)
		close(peer->eventfds[i]);
}

/* A message is never sent in part: the kernel keeps one this short whole. */
static int
ivshmem_server_send_message(int sock, int64_t message, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .space = { 0 } };
	rte_le64_t wire = rte_cpu_to_le_64(message);
	struct iovec data = { .iov_base = &wire, .iov_len = sizeof(wire) };
	struct msghdr msg = { .msg_iov = &data, .msg_iovlen = 1 };

	if (fd >= 0) {
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
		msg.msg_control = control.space;
		msg.msg_controllen = sizeof(control.space);
	}
	return sendmsg(sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Linux counts what the other end has not received. */
static bool
ivshmem_server_has_unread(const struct peer *peer)
{
	int bytes;

	return ioctl(peer->sock, SIOCOUTQ, &bytes) == 0 && bytes > 0;
}

/* Once a client has missed a message, no later one would make sense to it. */
static void
ivshmem_server_tell(struct peer *peer, int64_t message, int fd)
{
	int ret;

	if (peer->leaves != NULL)
		return;
	if (!ivshmem_server_has_unread(peer))
		peer->unread_since = rte_get_timer_cycles();
	ret = ivshmem_server_send_message(peer->sock, message, fd);
	if (ret == -EAGAIN)
		peer->leaves = "it does not read its messages";
	else if (ret == -EPIPE || ret == -ECONNRESET)
		peer->leaves = hung_up;
	else if (ret < 0)
		peer->leaves = strerror(-ret);
}

static void
ivshmem_server_tell_doorbells(const struct ivshmem_server *server, struct peer *peer,
		unsigned int id)
{
	unsigned int i;

	for (i = 0; i < server->nb_vectors; i++)
		ivshmem_server_tell(peer, id, server->peers[id].eventfds[i]);
}

static bool
ivshmem_server_is_client(const struct ivshmem_server *server, unsigned int id)
{
	return (server->clients & RTE_BIT32(id)) != 0;
}

/* The messages to a new client, in the order of ivshmem-spec, "Client-Server Protocol". */
static void
ivshmem_server_tell_all(const struct ivshmem_server *server, struct peer *peer, unsigned int own_id)
{
	unsigned int id;

	ivshmem_server_tell(peer, IVSHMEM_PROTOCOL, -1);
	ivshmem_server_tell(peer, own_id, -1);
	ivshmem_server_tell(peer, IVSHMEM_MESSAGE_MEMORY, server->shm_fd);
	for (id = 0; id < NB_PEERS; id++) {
		if (id == IVSHMEM_SERVER_OWN_ID || ivshmem_server_is_client(server, id))
			ivshmem_server_tell_doorbells(server, peer, id);
	}
	ivshmem_server_tell_doorbells(server, peer, own_id);
}

static void
ivshmem_server_refuse(struct ivshmem_server *server, int sock, const char *why)
{
	IVSHMEM_LOG_LIMITED(&server->refusals, WARNING, "socket=%s: client refused: %s",
		server->addr.sun_path, why);
	ivshmem_server_send_message(sock, IVSHMEM_REFUSAL, -1);
	close(sock);
}

static void
ivshmem_server_set_clients(struct ivshmem_server *server, uint32_t clients)
{
	rte_rwlock_write_lock(&server->lock);
	rte_atomic_store_explicit(&server->clients, clients, rte_memory_order_relaxed);
	rte_rwlock_write_unlock(&server->lock);
}

static void
ivshmem_server_drop(struct ivshmem_server *server, unsigned int id)
{
	struct peer *peer = &server->peers[id];
	unsigned int other;

	IVSHMEM_LOG_LIMITED(peer->leaves == hung_up ? &server->visits : &server->faults, NOTICE,
		"socket=%s: client %u disconnected: %s", server->addr.sun_path, id, peer->leaves);
	ivshmem_server_set_clients(server, server->clients & ~RTE_BIT32(id));
	close(peer->sock);
	ivshmem_server_close_eventfds(peer, server->nb_vectors);
	for (other = 1; other < NB_PEERS; other++) {
		if (ivshmem_server_is_client(server, other))
			ivshmem_server_tell(&server->peers[other], id, -1);
	}
}

/* Telling the others of one that leaves can find one that does not read: then start over. */
static void
ivshmem_server_drop_leaving(struct ivshmem_server *server)
{
	unsigned int id = 1;

	while (id < NB_PEERS) {
		if (ivshmem_server_is_client(server, id) && server->peers[id].leaves != NULL) {
			ivshmem_server_drop(server, id);
			id = 1;
		} else {
			id++;
		}
	}
}

static unsigned int
ivshmem_server_find_free(const struct ivshmem_server *server)
{
	unsigned int id = 1;

	while (id < NB_PEERS && ivshmem_server_is_client(server, id))
		id++;
	return id;
}

/* Drop the client that has read nothing for longest, if that is long. */
static void
ivshmem_server_drop_idle(struct ivshmem_server *server)
{
	const uint64_t now = rte_get_timer_cycles();
	uint64_t longest = IVSHMEM_SERVER_IDLE_S * rte_get_timer_hz();
	struct peer *idle = NULL;
	unsigned int id;

	for (id = 1; id < NB_PEERS; id++) {
		struct peer *peer = &server->peers[id];

		if (ivshmem_server_is_client(server, id) && ivshmem_server_has_unread(peer) &&
				now - peer->unread_since > longest) {
			longest = now - peer->unread_since;
			idle = peer;
		}
	}
	if (idle == NULL)
		return;
	idle->leaves = "it does not read its messages, and another client needs its slot";
	ivshmem_server_drop_leaving(server);
}

/* NB_PEERS if there is none. */
static unsigned int
ivshmem_server_make_room(struct ivshmem_server *server)
{
	if (ivshmem_server_find_free(server) == NB_PEERS)
		ivshmem_server_drop_idle(server);
	return ivshmem_server_find_free(server);
}

static void
ivshmem_server_admit(struct ivshmem_server *server, int sock)
{
	const unsigned int id = ivshmem_server_make_room(server);
	const int size = SEND_BUFFER;
	unsigned int other;
	struct peer *peer;
	int ret;

	if (id == NB_PEERS) {
		ivshmem_server_refuse(server, sock, "client limit reached ("
			RTE_STR(IVSHMEM_SERVER_MAX_CLIENTS) ")");
		return;
	}
	peer = &server->peers[id];
	ret = ivshmem_server_make_eventfds(peer, server->nb_vectors);
	if (ret < 0)
		goto refuse;
	ret = ivshmem_watch_add(&server->watch, sock, id);
	if (ret < 0)
		goto close;
	/* Linux gives less rather than fail. */
	setsockopt(sock, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	peer->sock = sock;
	peer->leaves = NULL;
	ivshmem_server_tell_all(server, peer, id);
	for (other = 1; other < NB_PEERS; other++) {
		if (ivshmem_server_is_client(server, other))
			ivshmem_server_tell_doorbells(server, &server->peers[other], id);
	}
	IVSHMEM_LOG_LIMITED(&server->visits, NOTICE, "socket=%s: client %u connected",
		server->addr.sun_path, id);
	ivshmem_server_set_clients(server, server->clients | RTE_BIT32(id));
	return;

close:
	ivshmem_server_close_eventfds(peer, server->nb_vectors);
refuse:
	ivshmem_server_refuse(server, sock, strerror(-ret));
}

static void
ivshmem_server_listen_again(void *arg)
{
	struct ivshmem_server *server = arg;

	if (ivshmem_watch_add(&server->watch, server->listen_fd, IVSHMEM_SERVER_OWN_ID) == 0 ||
			rte_eal_alarm_set(RETRY_US, ivshmem_server_listen_again, server) == 0)
		return;
	IVSHMEM_LOG(ERR, "socket=%s: no memory to watch the socket again: no further client is "
		"accepted until the port is probed again", server->addr.sun_path);
}

/* It would be tried again at once, and again: a shortage may pass, if not so soon. */
static void
ivshmem_server_listen_later(struct ivshmem_server *server, int error)
{
	IVSHMEM_LOG_LIMITED(&server->faults, ERR, "socket=%s: cannot accept a client: %s: retrying "
		"each second; if it persists, raise the limit (ulimit -n) and restart",
		server->addr.sun_path, strerror(error));
	if (rte_eal_alarm_set(RETRY_US, ivshmem_server_listen_again, server) == 0)
		ivshmem_watch_remove(&server->watch, server->listen_fd);
}

static void
ivshmem_server_accept_client(struct ivshmem_server *server)
{
	int sock = accept4(server->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (sock >= 0)
		ivshmem_server_admit(server, sock);
	else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		ivshmem_server_listen_later(server, errno);
}

/* By the protocol clients send nothing. */
static void
ivshmem_server_read_client(struct peer *peer)
{
	char garbage;
	ssize_t len = recv(peer->sock, &garbage, sizeof(garbage), MSG_DONTWAIT);

	if (len > 0)
		peer->leaves = "it sent data, which clients must not do";
	else if (len == 0 || errno == ECONNRESET)
		peer->leaves = hung_up;
	else if (errno != EAGAIN && errno != EINTR)
		peer->leaves = strerror(errno);
}

/*
 * An event can be of a client that was dropped, and its ID given again, since it was fetched:
 * reading from the new one does no harm.
 */
static void
ivshmem_server_handle_events(void *arg)
{
	struct ivshmem_server *server = arg;
	struct epoll_event events[NB_PEERS];
	int i, nb;

	nb = epoll_wait(server->watch.epoll_fd, events, RTE_DIM(events), 0);
	for (i = 0; i < nb; i++) {
		unsigned int id = events[i].data.u32;

		if (id == IVSHMEM_SERVER_OWN_ID)
			ivshmem_server_accept_client(server);
		else if (ivshmem_server_is_client(server, id))
			ivshmem_server_read_client(&server->peers[id]);
		ivshmem_server_drop_leaving(server);
	}
}

/* In this order: events set the alarm, which uses the file that is closed last. */
static void
ivshmem_server_stop_watching(struct ivshmem_server *server)
{
	ivshmem_watch_stop(&server->watch);
	rte_eal_alarm_cancel(ivshmem_server_listen_again, server);
	ivshmem_watch_fini(&server->watch);
}

static int
ivshmem_server_start_watching(struct ivshmem_server *server)
{
	int ret;

	ret = ivshmem_watch_init(&server->watch, ivshmem_server_handle_events, server);
	if (ret < 0)
		return ret;
	ret = ivshmem_watch_add(&server->watch, server->listen_fd, IVSHMEM_SERVER_OWN_ID);
	if (ret < 0)
		ivshmem_server_stop_watching(server);
	return ret;
}

/* 0 if the address is taken by a socket that nobody listens at. */
static int
ivshmem_server_check_stale(const struct ivshmem_server *server)
{
	const char *path = server->addr.sun_path;
	struct stat stat;
	int sock, ret;

	if (lstat(path, &stat) == 0 && !S_ISSOCK(stat.st_mode)) {
		IVSHMEM_LOG(ERR, "socket=%s: exists and is not a socket: use another path", path);
		return -EEXIST;
	}
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return ivshmem_server_failed(server, "create a socket", -errno);
	ret = connect(sock, (const struct sockaddr *)&server->addr, sizeof(server->addr));
	ret = ret < 0 ? -errno : 0;
	close(sock);
	/* Or gone in the meantime. */
	if (ret == -ECONNREFUSED || ret == -ENOENT)
		return 0;
	IVSHMEM_LOG(ERR, "socket=%s: in use (%s): stop the process that listens there or use "
		"another path", path, ret == 0 ? "it answers" : strerror(-ret));
	return -EADDRINUSE;
}

/* Two processes that find the same stale socket at the same time are not kept apart. */
static int
ivshmem_server_bind_socket(const struct ivshmem_server *server)
{
	const struct sockaddr *addr = (const struct sockaddr *)&server->addr;
	int ret;

	ret = bind(server->listen_fd, addr, sizeof(server->addr)) < 0 ? -errno : 0;
	if (ret == -EADDRINUSE) {
		ret = ivshmem_server_check_stale(server);
		if (ret < 0)
			return ret;
		unlink(server->addr.sun_path);
		ret = bind(server->listen_fd, addr, sizeof(server->addr)) < 0 ? -errno : 0;
	}
	return ret < 0 ? ivshmem_server_failed(server, "be created", ret) : 0;
}

static int
ivshmem_server_open_socket(struct ivshmem_server *server)
{
	struct stat stat;
	int ret;

	server->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (server->listen_fd < 0)
		return ivshmem_server_failed(server, "create a socket", -errno);
	/* Linux gives it to the file that bind() makes, the umask aside. */
	if (fchmod(server->listen_fd, SOCKET_MODE) < 0) {
		ret = ivshmem_server_failed(server, "set the mode", -errno);
		goto close;
	}
	ret = ivshmem_server_bind_socket(server);
	if (ret < 0)
		goto close;
	if (listen(server->listen_fd, IVSHMEM_SERVER_MAX_CLIENTS) < 0 ||
			lstat(server->addr.sun_path, &stat) < 0) {
		ret = ivshmem_server_failed(server, "listen", -errno);
		goto unlink;
	}
	server->dev = stat.st_dev;
	server->ino = stat.st_ino;
	return 0;

unlink:
	unlink(server->addr.sun_path);
close:
	close(server->listen_fd);
	return ret;
}

static void
ivshmem_server_close_socket(struct ivshmem_server *server)
{
	struct stat stat;
	int sock;

	/* Another server may have taken the path since, after somebody removed the file. */
	if (lstat(server->addr.sun_path, &stat) == 0 && stat.st_dev == server->dev &&
			stat.st_ino == server->ino)
		unlink(server->addr.sun_path);
	while ((sock = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		ivshmem_server_refuse(server, sock, "the server ends");
	close(server->listen_fd);
}

static int
ivshmem_server_check_args(const char *path, int shm_fd, unsigned int nb_vectors)
{
	const size_t max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
	struct stat stat;
	int ret;

	if (path[0] == '\0' || strlen(path) > max) {
		IVSHMEM_LOG(ERR, "socket=%s: %zu characters: use a path of 1 to %zu", path,
			strlen(path), max);
		return -EINVAL;
	}
	if (nb_vectors == 0 || nb_vectors > IVSHMEM_SERVER_MAX_VECTORS) {
		IVSHMEM_LOG(ERR, "socket=%s: %u interrupt vectors: use 1 to %u", path, nb_vectors,
			IVSHMEM_SERVER_MAX_VECTORS);
		return -EINVAL;
	}
	if (fstat(shm_fd, &stat) < 0) {
		ret = -errno;
		IVSHMEM_LOG(ERR, "socket=%s: no memory to share: %s", path, strerror(-ret));
		return ret;
	}
	/* QEMU aborts on any other size of a BAR. */
	if (stat.st_size == 0 || !rte_is_power_of_2(stat.st_size)) {
		IVSHMEM_LOG(ERR, "socket=%s: memory of %" PRIu64 " bytes cannot be a BAR: use a file "
			"whose size is a power of two", path, (uint64_t)stat.st_size);
		return -EINVAL;
	}
	return 0;
}

static int
ivshmem_server_set_up(struct ivshmem_server *server, int shm_fd)
{
	struct peer *own = &server->peers[IVSHMEM_SERVER_OWN_ID];
	int ret;

	server->shm_fd = fcntl(shm_fd, F_DUPFD_CLOEXEC, 0);
	if (server->shm_fd < 0)
		return ivshmem_server_failed(server, "share the memory", -errno);
	ret = ivshmem_notifier_init(&server->notifier);
	if (ret < 0) {
		IVSHMEM_LOG(ERR, "socket=%s: %s: %s", server->addr.sun_path,
			IVSHMEM_NOTIFIER_REMEDY, strerror(-ret));
		goto close_shm;
	}
	ret = ivshmem_server_make_eventfds(own, server->nb_vectors);
	if (ret < 0) {
		ivshmem_server_failed(server, "create eventfds", ret);
		goto fini_notifier;
	}
	ret = ivshmem_server_open_socket(server);
	if (ret < 0)
		goto close_own;
	ret = ivshmem_server_start_watching(server);
	if (ret < 0) {
		ivshmem_server_failed(server, "watch the socket", ret);
		goto close_socket;
	}
	return 0;

close_socket:
	ivshmem_server_close_socket(server);
close_own:
	ivshmem_server_close_eventfds(own, server->nb_vectors);
fini_notifier:
	ivshmem_notifier_fini(&server->notifier);
close_shm:
	close(server->shm_fd);
	return ret;
}

int
ivshmem_server_create(const char *path, int shm_fd, unsigned int nb_vectors,
		struct ivshmem_server **created)
{
	struct ivshmem_server *server;
	int ret;

	ret = ivshmem_server_check_args(path, shm_fd, nb_vectors);
	if (ret < 0)
		return ret;
	server = calloc(1, sizeof(*server));
	if (server == NULL) {
		IVSHMEM_LOG(ERR, "socket=%s: no memory", path);
		return -ENOMEM;
	}
	server->addr.sun_family = AF_UNIX;
	strlcpy(server->addr.sun_path, path, sizeof(server->addr.sun_path));
	server->nb_vectors = nb_vectors;
	rte_rwlock_init(&server->lock);
	ret = ivshmem_server_set_up(server, shm_fd);
	if (ret < 0)
		goto free;
	*created = server;
	return 0;

free:
	free(server);
	return ret;
}

void
ivshmem_server_destroy(struct ivshmem_server *server)
{
	unsigned int id;

	if (server == NULL)
		return;
	ivshmem_server_stop_watching(server);
	ivshmem_server_close_socket(server);
	for (id = 1; id < NB_PEERS; id++) {
		if (!ivshmem_server_is_client(server, id))
			continue;
		/* This process is a peer that leaves. */
		ivshmem_server_tell(&server->peers[id], IVSHMEM_SERVER_OWN_ID, -1);
		close(server->peers[id].sock);
		ivshmem_server_close_eventfds(&server->peers[id], server->nb_vectors);
	}
	ivshmem_server_close_eventfds(&server->peers[IVSHMEM_SERVER_OWN_ID], server->nb_vectors);
	ivshmem_notifier_fini(&server->notifier);
	close(server->shm_fd);
	free(server);
}

int
ivshmem_server_own_fd(const struct ivshmem_server *server, unsigned int vector)
{
	return vector < server->nb_vectors ?
		server->peers[IVSHMEM_SERVER_OWN_ID].eventfds[vector] : -EINVAL;
}

unsigned int
ivshmem_server_notify(struct ivshmem_server *server, unsigned int id, unsigned int vector)
{
	unsigned int notified = 0, i;

	if (vector >= server->nb_vectors)
		return 0;
	rte_rwlock_read_lock(&server->lock);
	for (i = 1; i < NB_PEERS; i++) {
		if (!ivshmem_server_is_client(server, i) || (id != i && id != IVSHMEM_SERVER_ALL))
			continue;
		if (ivshmem_notifier_signal(&server->notifier, server->peers[i].eventfds[vector]))
			notified++;
	}
	rte_rwlock_read_unlock(&server->lock);
	return notified;
}

uint32_t
ivshmem_server_clients(const struct ivshmem_server *server)
{
	return rte_atomic_load_explicit(&server->clients, rte_memory_order_relaxed);
}
