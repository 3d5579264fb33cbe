/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * Clients that check the server as QEMU's ivshmem-spec says that it talks, and some that misbehave.
 * The server runs in EAL's interrupt thread: what it does is waited for.
 */

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_bitops.h>
#include <rte_bus_vdev.h>
#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_interrupts.h>
#include <rte_mbuf.h>
#include <rte_string_fns.h>

#include "ivshmem_log.h"
#include "ivshmem_proto.h"
#include "ivshmem_server.h"
#include "test.h"
#include "test_frame.h"
#include "test_port.h"

#define VECTORS 3
#define SIZE 65536
#define PATIENCE_S 20
#define MAX_CLIENTS IVSHMEM_SERVER_MAX_CLIENTS
#define NB_PEERS (MAX_CLIENTS + 1)

struct client {
	int sock;
	int memory;
	int doorbells[NB_PEERS][IVSHMEM_SERVER_MAX_VECTORS];	/* -1: not sent */
};

static char path[64];
static int memory = -1;
static struct ivshmem_server *server;
static unsigned int vectors;

/* But for epoll's: EAL's interrupt thread makes its own again when a source comes or goes. */
static int
nb_open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	char target[32];
	int nb = 0;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		memset(target, 0, sizeof(target));
		if (readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1) > 0 &&
				strcmp(target, "anon_inode:[eventpoll]") != 0)
			nb++;
	}
	closedir(dir);
	return nb;
}

static int
create(unsigned int nb_vectors)
{
	vectors = nb_vectors;
	return ivshmem_server_create(path, memory, nb_vectors, &server);
}

static void
destroy(void)
{
	ivshmem_server_destroy(server);
	server = NULL;
}

/* Whether the clients become just these, in time. */
static bool
clients_become(uint32_t mask)
{
	const uint64_t deadline = rte_get_timer_cycles() + PATIENCE_S * rte_get_timer_hz();

	while (ivshmem_server_clients(server) != mask) {
		if (rte_get_timer_cycles() > deadline) {
			printf("# clients are %#x, not %#x\n",
				ivshmem_server_clients(server), mask);
			return false;
		}
		usleep(100);
	}
	return true;
}

/* Whether something is logged, in time. */
static bool
log_becomes(const char *what)
{
	const uint64_t deadline = rte_get_timer_cycles() + PATIENCE_S * rte_get_timer_hz();

	while (!log_has(what)) {
		if (rte_get_timer_cycles() > deadline)
			return false;
		usleep(100);
	}
	return true;
}

static int
dial(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
	if (setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0 &&
			connect(sock, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return sock;
	close(sock);
	return -1;
}

/* Receive one message and the file that comes with it, -1 for none; false at the end. */
static bool
receive(int sock, int64_t *message, int *fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(4 * sizeof(int))];
	} control;
	struct iovec data = { .iov_base = message, .iov_len = sizeof(*message) };
	struct msghdr msg = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = control.space, .msg_controllen = sizeof(control.space),
	};
	const struct cmsghdr *header;

	if (recvmsg(sock, &msg, MSG_WAITALL | MSG_CMSG_CLOEXEC) != sizeof(*message))
		return false;
	*message = rte_le_to_cpu_64(*message);
	*fd = -1;
	header = CMSG_FIRSTHDR(&msg);
	if (header != NULL && header->cmsg_type == SCM_RIGHTS &&
			header->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(header), sizeof(*fd));
	return header == NULL || *fd >= 0;
}

/* The next message is just this one, without a file. */
static bool
hears(const struct client *client, int64_t expected)
{
	int64_t message;
	int fd;

	return receive(client->sock, &message, &fd) && message == expected && fd < 0;
}

/* The next messages are the doorbells of a peer. */
static bool
hears_doorbells(struct client *client, unsigned int id)
{
	unsigned int i;
	int64_t message;

	for (i = 0; i < vectors; i++) {
		if (!receive(client->sock, &message, &client->doorbells[id][i]) || message != id ||
				client->doorbells[id][i] < 0)
			return false;
	}
	return true;
}

static bool
hears_the_end(const struct client *client)
{
	char byte;

	return recv(client->sock, &byte, 1, 0) == 0;
}

/* What a new client is sent: spec, "Client-Server Protocol", 1 to 5. */
static bool
hears_setup(struct client *client, unsigned int id, uint32_t others)
{
	struct stat here, there;
	int64_t message;
	unsigned int other;

	if (!hears(client, 0) || !hears(client, id) ||
			!receive(client->sock, &message, &client->memory) || message != -1 ||
			fstat(memory, &here) != 0 || fstat(client->memory, &there) != 0 ||
			here.st_ino != there.st_ino || here.st_dev != there.st_dev ||
			!hears_doorbells(client, IVSHMEM_SERVER_OWN_ID))
		return false;
	for (other = 1; other < NB_PEERS; other++) {
		if ((others & RTE_BIT32(other)) != 0 && !hears_doorbells(client, other))
			return false;
	}
	return hears_doorbells(client, id);
}

/* Connect as the client of an ID, without reading. */
static int
join(struct client *client, unsigned int id)
{
	const uint32_t others = ivshmem_server_clients(server);

	memset(client, -1, sizeof(*client));
	client->sock = dial();
	CHECK(client->sock >= 0);
	CHECK(clients_become(others | RTE_BIT32(id)));
	return 0;
}

static int
join_and_read(struct client *client, unsigned int id)
{
	const uint32_t others = ivshmem_server_clients(server);

	CHECK(join(client, id) == 0);
	CHECK(hears_setup(client, id, others));
	return 0;
}

static void
forget(struct client *client, unsigned int id)
{
	unsigned int i;

	for (i = 0; i < IVSHMEM_SERVER_MAX_VECTORS; i++) {
		if (client->doorbells[id][i] >= 0)
			close(client->doorbells[id][i]);
		client->doorbells[id][i] = -1;
	}
}

static void
hang_up(struct client *client)
{
	unsigned int id;

	for (id = 0; id < NB_PEERS; id++)
		forget(client, id);
	if (client->memory >= 0)
		close(client->memory);
	close(client->sock);
}

/* How often an eventfd was signalled since it was last asked. */
static uint64_t
signals(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	eventfd_t count = 0;

	if (poll(&poll_fd, 1, 0) == 1)
		eventfd_read(fd, &count);
	return count;
}

static int
test_setup(void)
{
	struct client client;

	CHECK(create(VECTORS) == 0);
	CHECK(ivshmem_server_clients(server) == 0);
	CHECK(join_and_read(&client, 1) == 0);
	hang_up(&client);
	CHECK(clients_become(0));
	destroy();
	return 0;
}

/* Among what it would leave behind is the descriptor for epoll, which is counted here alone. */
static int
test_create_often(void)
{
	const int fd = dup(memory);
	unsigned int i;
	int after;

	close(fd);
	for (i = 0; i < 100; i++) {
		CHECK(create(VECTORS) == 0);
		destroy();
	}
	after = dup(memory);
	close(after);
	CHECK(after < fd + 50);
	return 0;
}

static int
test_doorbells(void)
{
	struct client client;
	unsigned int i, j;

	CHECK(create(VECTORS) == 0);
	CHECK(ivshmem_server_notify(server, IVSHMEM_SERVER_ALL, 0) == 0);
	CHECK(join_and_read(&client, 1) == 0);
	for (i = 0; i < VECTORS; i++) {
		CHECK(ivshmem_server_notify(server, 1, i) == 1);
		CHECK(ivshmem_server_notify(server, IVSHMEM_SERVER_ALL, i) == 1);
		CHECK(eventfd_write(client.doorbells[IVSHMEM_SERVER_OWN_ID][i], 1) == 0);
		for (j = 0; j < VECTORS; j++) {
			CHECK(signals(client.doorbells[1][j]) == (i == j ? 2 : 0));
			CHECK(signals(ivshmem_server_own_fd(server, j)) == (i == j ? 1 : 0));
		}
	}
	/* As the register, doorbells that are not there do nothing. */
	CHECK(ivshmem_server_notify(server, 2, 0) == 0);
	CHECK(ivshmem_server_notify(server, 1, VECTORS) == 0);
	CHECK(ivshmem_server_notify(server, 0, 0) == 0);
	CHECK(ivshmem_server_notify(server, 99, 0) == 0);
	CHECK(ivshmem_server_own_fd(server, VECTORS) == -EINVAL);
	hang_up(&client);
	destroy();
	return 0;
}

static int
test_two_clients(void)
{
	struct client first, second;

	CHECK(create(VECTORS) == 0);
	CHECK(join_and_read(&first, 1) == 0);
	CHECK(join_and_read(&second, 2) == 0);
	CHECK(hears_doorbells(&first, 2));

	CHECK(eventfd_write(first.doorbells[2][1], 1) == 0);
	CHECK(signals(second.doorbells[2][1]) == 1);
	CHECK(eventfd_write(second.doorbells[1][2], 1) == 0);
	CHECK(signals(first.doorbells[1][2]) == 1);
	CHECK(ivshmem_server_notify(server, IVSHMEM_SERVER_ALL, 0) == 2);
	CHECK(signals(first.doorbells[1][0]) == 1 && signals(second.doorbells[2][0]) == 1);
	CHECK(ivshmem_server_notify(server, 2, 0) == 1);
	CHECK(signals(first.doorbells[1][0]) == 0 && signals(second.doorbells[2][0]) == 1);

	hang_up(&first);
	CHECK(clients_become(RTE_BIT32(2)) && hears(&second, 1));
	CHECK(ivshmem_server_notify(server, 1, 0) == 0);
	forget(&second, 1);
	/* The ID is free again, its doorbells are new ones. */
	CHECK(join_and_read(&first, 1) == 0 && hears_doorbells(&second, 1));
	CHECK(ivshmem_server_notify(server, 1, 0) == 1 && signals(first.doorbells[1][0]) == 1);

	destroy();
	CHECK(hears(&first, IVSHMEM_SERVER_OWN_ID) && hears_the_end(&first));
	CHECK(hears(&second, IVSHMEM_SERVER_OWN_ID) && hears_the_end(&second));
	hang_up(&first);
	hang_up(&second);
	return 0;
}

/* As many as can be, with as many vectors as can be, none of which reads before all are there. */
static int
test_limit(void)
{
	static struct client clients[MAX_CLIENTS];
	struct client one_more;
	uint32_t before = 0;
	unsigned int i, j;

	CHECK(create(IVSHMEM_SERVER_MAX_VECTORS) == 0);
	for (i = 0; i < MAX_CLIENTS; i++)
		CHECK(join(&clients[i], i + 1) == 0);
	CHECK(log_watch() == 0);
	memset(&one_more, -1, sizeof(one_more));
	one_more.sock = dial();
	CHECK(hears(&one_more, IVSHMEM_REFUSAL) && hears_the_end(&one_more));
	CHECK(log_has("client refused: client limit reached (15)"));
	log_unwatch();
	hang_up(&one_more);
	for (i = 0; i < MAX_CLIENTS; i++) {
		CHECK(hears_setup(&clients[i], i + 1, before));
		before |= RTE_BIT32(i + 1);
		for (j = i + 1; j < MAX_CLIENTS; j++)
			CHECK(hears_doorbells(&clients[i], j + 1));
	}
	CHECK(ivshmem_server_notify(server, IVSHMEM_SERVER_ALL, 0) == MAX_CLIENTS);
	hang_up(&clients[6]);
	CHECK(clients_become(before & ~RTE_BIT32(7)));
	CHECK(join_and_read(&clients[6], 7) == 0);
	for (i = 0; i < MAX_CLIENTS; i++)
		hang_up(&clients[i]);
	CHECK(clients_become(0));
	destroy();
	return 0;
}

/* Connect until there is a place: what the server says first. */
static int64_t
dial_until_served(struct client *client)
{
	const uint64_t deadline = rte_get_timer_cycles() + 2 * PATIENCE_S * rte_get_timer_hz();
	int64_t message = IVSHMEM_REFUSAL;
	int fd;

	while (rte_get_timer_cycles() < deadline) {
		memset(client, -1, sizeof(*client));
		client->sock = dial();
		if (!receive(client->sock, &message, &fd) || message != IVSHMEM_REFUSAL)
			break;
		hang_up(client);
		/* Time is what it is about. */
		usleep(100000);
	}
	return message;
}

/* Clients that only take places do not keep them; one that reads does. */
static int
test_idle_clients(void)
{
	static struct client clients[MAX_CLIENTS];
	struct client late;
	unsigned int i;

	CHECK(create(1) == 0);
	for (i = 0; i < MAX_CLIENTS; i++)
		CHECK(join(&clients[i], i + 1) == 0);
	/* The first has let wait longest, but it reads. */
	CHECK(hears_setup(&clients[0], 1, 0));
	for (i = 1; i < MAX_CLIENTS; i++)
		CHECK(hears_doorbells(&clients[0], i + 1));
	CHECK(log_watch() == 0);
	CHECK(dial_until_served(&late) == IVSHMEM_PROTOCOL && hears(&late, 2));
	CHECK(log_has("client 2 disconnected: it does not read its messages, and another client"));
	log_unwatch();
	CHECK(hears(&clients[0], 2));
	forget(&clients[0], 2);
	CHECK(hears_doorbells(&clients[0], 2));
	hang_up(&late);
	for (i = 0; i < MAX_CLIENTS; i++)
		hang_up(&clients[i]);
	CHECK(clients_become(0));
	destroy();
	return 0;
}

/* Send something that is none of the protocol, with a file. */
static void
send_garbage(int sock)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .header = {
		.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
		.cmsg_len = CMSG_LEN(sizeof(int)),
	} };
	char text[] = "garbage";
	struct iovec data = { .iov_base = text, .iov_len = sizeof(text) };
	struct msghdr msg = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = control.space, .msg_controllen = sizeof(control.space),
	};

	memcpy(CMSG_DATA(&control.header), &memory, sizeof(memory));
	sendmsg(sock, &msg, MSG_NOSIGNAL);
}

static int
test_garbage(void)
{
	struct client good, bad;

	CHECK(create(VECTORS) == 0);
	CHECK(join_and_read(&good, 1) == 0 && join_and_read(&bad, 2) == 0);
	CHECK(hears_doorbells(&good, 2));
	CHECK(log_watch() == 0);
	send_garbage(bad.sock);
	CHECK(hears(&good, 2) && clients_become(RTE_BIT32(1)));
	CHECK(log_has("client 2 disconnected: it sent data"));
	log_unwatch();
	CHECK(ivshmem_server_notify(server, IVSHMEM_SERVER_ALL, 0) == 1);
	hang_up(&bad);
	hang_up(&good);
	destroy();
	return 0;
}

static int
come_and_go(void)
{
	struct client client;

	CHECK(join_and_read(&client, 1) == 0);
	hang_up(&client);
	return clients_become(0) ? 0 : -1;
}

static int
come_and_send(void)
{
	struct client client;

	CHECK(join_and_read(&client, 1) == 0);
	send_garbage(client.sock);
	CHECK(clients_become(0));
	hang_up(&client);
	return 0;
}

static int
come_in_vain(void)
{
	struct client client;

	memset(&client, -1, sizeof(client));
	client.sock = dial();
	CHECK(hears(&client, IVSHMEM_REFUSAL));
	hang_up(&client);
	return 0;
}

#define NB_CAUSES 100

/* More lines can only be of later periods. */
static int
check_log_limit(int (*cause)(void), const char *line)
{
	unsigned int i;

	CHECK(log_watch() == 0);
	for (i = 0; i < NB_CAUSES; i++)
		CHECK(cause() == 0);
	CHECK(log_count(line) >= IVSHMEM_LOG_LINES && log_count(line) <= NB_CAUSES / 2);
	log_unwatch();
	return 0;
}

/* Clients decide how often they come, and not how much is logged. */
static int
test_log_limit(void)
{
	static struct client clients[MAX_CLIENTS];
	unsigned int i;

	CHECK(create(1) == 0);
	CHECK(check_log_limit(come_and_go, "client 1 ") == 0);
	CHECK(check_log_limit(come_and_send, "it sent data") == 0);
	for (i = 0; i < MAX_CLIENTS; i++)
		CHECK(join(&clients[i], i + 1) == 0);
	CHECK(check_log_limit(come_in_vain, "client refused") == 0);
	for (i = 0; i < MAX_CLIENTS; i++)
		hang_up(&clients[i]);
	CHECK(clients_become(0));
	destroy();
	return 0;
}

/*
 * A client comes and goes; returns its ID. If it is 3, all that a listener is told meanwhile has
 * been read, and *second_left says whether that 2 has left was part of it.
 */
static int64_t
visit(const struct client *listener, bool *second_left)
{
	struct client visitor;
	int64_t id, message;
	int fd;

	memset(&visitor, -1, sizeof(visitor));
	visitor.sock = dial();
	if (!hears(&visitor, 0) || !receive(visitor.sock, &id, &fd))
		return -1;
	hang_up(&visitor);
	while (id == 3) {
		if (!receive(listener->sock, &message, &fd))
			return -1;
		if (fd >= 0)
			close(fd);
		else if (message == id)
			return id;
		if (message == 2)
			*second_left = true;
	}
	return id;
}

/* One that does not read is dropped when its socket is full; others notice nothing but that. */
static int
test_deaf_client(void)
{
	struct client good, deaf;
	bool deaf_left = false;
	unsigned int visits;

	CHECK(create(VECTORS) == 0);
	CHECK(join_and_read(&good, 1) == 0 && join(&deaf, 2) == 0);
	CHECK(hears_doorbells(&good, 2));
	CHECK(log_watch() == 0);
	for (visits = 0; visits < 10000 && !deaf_left && visit(&good, &deaf_left) == 3; visits++)
		;
	CHECK(deaf_left || hears(&good, 2));
	CHECK(clients_become(RTE_BIT32(1)) && visits > 10);
	CHECK(log_has("client 2 disconnected: it does not read its messages"));
	log_unwatch();
	CHECK(ivshmem_server_notify(server, IVSHMEM_SERVER_ALL, 0) == 1);
	hang_up(&good);
	hang_up(&deaf);
	destroy();
	return 0;
}

/* Creating fails with this error and text, and leaves nothing behind. */
static int
refused(const char *where, int fd, unsigned int nb_vectors, int error, const char *text)
{
	const int before = nb_open_files();
	int ret;

	CHECK(log_watch() == 0);
	ret = ivshmem_server_create(where, fd, nb_vectors, &server);
	CHECK(ret == error && log_has(text));
	log_unwatch();
	CHECK(server == NULL && nb_open_files() == before);
	return 0;
}

static int
test_bad_args(void)
{
	char name[256];
	struct stat stat;
	int fd;

	CHECK(refused(path, memory, 0, -EINVAL, "0 interrupt vectors: use 1 to 17") == 0);
	CHECK(refused(path, memory, 18, -EINVAL, "18 interrupt vectors: use 1 to 17") == 0);
	CHECK(refused("", memory, 1, -EINVAL, "0 characters: use a path of 1 to 107") == 0);
	memset(name, 'x', sizeof(name));
	name[108] = '\0';
	CHECK(refused(name, memory, 1, -EINVAL, "108 characters: use a path of 1 to 107") == 0);
	CHECK(refused(path, -1, 1, -EBADF, "no memory to share: Bad file descriptor") == 0);
	CHECK(refused("/nowhere/socket", memory, 1, -ENOENT,
		"socket=/nowhere/socket: cannot be created: No such file or directory") == 0);
	fd = memfd_create("odd", MFD_CLOEXEC);
	CHECK(refused(path, fd, 1, -EINVAL, "memory of 0 bytes cannot be a BAR") == 0);
	CHECK(ftruncate(fd, SIZE + 4096) == 0);
	CHECK(refused(path, fd, 1, -EINVAL, "memory of 69632 bytes cannot be a BAR") == 0);
	close(fd);

	/* A file that is no socket stays. */
	close(open(path, O_CREAT | O_CLOEXEC, 0600));
	CHECK(refused(path, memory, 1, -EEXIST, "exists and is not a socket") == 0);
	CHECK(lstat(path, &stat) == 0 && S_ISREG(stat.st_mode));
	unlink(path);
	return 0;
}

static int
test_socket_file(void)
{
	struct ivshmem_server *first;
	struct client client;
	struct stat stat;

	/* Of a live process, which sees somebody come and go */
	CHECK(create(VECTORS) == 0);
	first = server;
	CHECK(log_watch() == 0);
	CHECK(create(VECTORS) == -EADDRINUSE && server == first);
	CHECK(log_has("in use (it answers): stop the process that listens there"));
	CHECK(log_becomes("client 1 disconnected"));
	log_unwatch();
	CHECK(clients_become(0));
	CHECK(join_and_read(&client, 1) == 0);
	hang_up(&client);
	CHECK(lstat(path, &stat) == 0 && (stat.st_mode & ACCESSPERMS) == 0600);

	/* Taken over after somebody removed it: the file of the second is not the first's. */
	CHECK(unlink(path) == 0);
	CHECK(create(VECTORS) == 0);
	ivshmem_server_destroy(first);
	CHECK(join_and_read(&client, 1) == 0);
	hang_up(&client);
	destroy();
	CHECK(lstat(path, &stat) == -1 && errno == ENOENT);
	return 0;
}

/* Of a process that is dead: it is still there, but nobody listens. */
static int
test_stale_socket(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct client client;

	strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
	CHECK(bind(sock, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	close(sock);
	CHECK(dial() < 0);
	CHECK(create(VECTORS) == 0);
	CHECK(join_and_read(&client, 1) == 0);
	hang_up(&client);
	destroy();
	return 0;
}

static unsigned int nb_shortages, nb_watch_failures;
static bool watching_fails;

/* Stands in for that of the C library, to count what comes to nothing for lack of files. */
int
accept4(int sock, struct sockaddr *addr, socklen_t *len, int flags)
{
	int ret = syscall(SYS_accept4, sock, addr, len, flags);

	if (ret < 0 && errno == EMFILE)
		rte_atomic_fetch_add_explicit(&nb_shortages, 1, rte_memory_order_relaxed);
	return ret;
}

static bool
is_listening(int fd)
{
	socklen_t len = sizeof(int);
	int listening = 0;

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening;
}

/* Stands in for that of the C library, to fail once for a socket that listens. */
int
epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event)
{
	int ret;

	if (op == EPOLL_CTL_ADD && is_listening(fd) &&
			rte_atomic_exchange_explicit(&watching_fails, false,
				rte_memory_order_relaxed)) {
		errno = ENOMEM;
		ret = -1;
	} else {
		ret = syscall(SYS_epoll_ctl, epoll_fd, op, fd, event);
	}
	if (ret < 0)
		rte_atomic_fetch_add_explicit(&nb_watch_failures, 1, rte_memory_order_relaxed);
	return ret;
}

static unsigned int
read_count(const unsigned int *count)
{
	return rte_atomic_load_explicit(count, rte_memory_order_relaxed);
}

/* Dial with a limit that leaves room for the client's own socket and a number of files more. */
static int
dial_with_room(unsigned int nb)
{
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), next = dup(memory);
	struct rlimit limit;

	close(next);
	close(sock);
	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = next + nb;
	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	return dial();
}

/* No eventfds: the client is refused. */
static int
check_no_eventfds(struct client *client)
{
	client->sock = dial_with_room(1);
	CHECK(client->sock >= 0 && hears(client, IVSHMEM_REFUSAL) && hears_the_end(client));
	CHECK(log_has("client refused: Too many open files"));
	return 0;
}

/* No socket: nothing comes of the connection for now, and no time of a CPU goes into it. */
static int
check_no_socket(struct client *client)
{
	const uint64_t start = rte_get_timer_cycles();
	const unsigned int before = read_count(&nb_shortages);

	client->sock = dial_with_room(0);
	CHECK(client->sock >= 0);
	CHECK(log_becomes("cannot accept a client: Too many open files: retrying each second"));
	/* Time is what it is about. */
	usleep(200000);
	CHECK(read_count(&nb_shortages) - before <=
		1 + (rte_get_timer_cycles() - start) / rte_get_timer_hz());
	return 0;
}

/* The server ends while it waits for the next try, which is never made. */
static int
check_end_without_socket(struct client *client)
{
	unsigned int before;

	CHECK(check_no_socket(client) == 0);
	destroy();
	before = read_count(&nb_watch_failures);
	usleep(1200000);
	CHECK(read_count(&nb_watch_failures) == before);
	return 0;
}

static int
test_no_files(void)
{
	struct rlimit old;
	struct client client;
	int ret;

	CHECK(getrlimit(RLIMIT_NOFILE, &old) == 0);
	CHECK(create(VECTORS) == 0);
	/* When a client has been served, EAL's thread has done with files of its own. */
	CHECK(join_and_read(&client, 1) == 0);
	hang_up(&client);
	CHECK(clients_become(0));

	CHECK(log_watch() == 0);
	memset(&client, -1, sizeof(client));
	ret = check_no_eventfds(&client);
	setrlimit(RLIMIT_NOFILE, &old);
	CHECK(ret == 0);
	hang_up(&client);
	CHECK(join_and_read(&client, 1) == 0);
	hang_up(&client);
	CHECK(clients_become(0));

	/* Trying again fails, too, at first. */
	memset(&client, -1, sizeof(client));
	ret = check_no_socket(&client);
	rte_atomic_store_explicit(&watching_fails, true, rte_memory_order_relaxed);
	setrlimit(RLIMIT_NOFILE, &old);
	CHECK(ret == 0);
	CHECK(hears_setup(&client, 1, 0));
	CHECK(!rte_atomic_load_explicit(&watching_fails, rte_memory_order_relaxed));
	hang_up(&client);
	CHECK(clients_become(0));

	CHECK(log_watch() == 0);
	memset(&client, -1, sizeof(client));
	ret = check_end_without_socket(&client);
	setrlimit(RLIMIT_NOFILE, &old);
	log_unwatch();
	CHECK(ret == 0);
	hang_up(&client);
	return 0;
}

static bool notifying;
static __thread bool notifies_slowly;

/*
 * Stands in for that of the C library, so that a doorbell can take its time. Like that it passes on
 * as many arguments as any call has, which for most calls is more than there are.
 */
long __rte_no_asan
syscall(long number, ...)
{
	static long (*real)(long number, ...);
	long a, b, c, d, e, f;
	va_list args;

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "syscall");
	if (notifies_slowly && number == __NR_io_submit) {
		rte_atomic_store_explicit(&notifying, true, rte_memory_order_release);
		usleep(100000);
	}
	va_start(args, number);
	a = va_arg(args, long);
	b = va_arg(args, long);
	c = va_arg(args, long);
	d = va_arg(args, long);
	e = va_arg(args, long);
	f = va_arg(args, long);
	va_end(args);
	return real(number, a, b, c, d, e, f);
}

static void *
notify_slowly(void *arg)
{
	notifies_slowly = true;
	ivshmem_server_notify(server, IVSHMEM_SERVER_ALL, 0);
	return arg;
}

/* No doorbell is written to a file that has got the number of the client's that left meanwhile. */
static int
test_notify_while_client_leaves(void)
{
	int others[10 * VECTORS];
	struct client client;
	pthread_t thread;
	unsigned int i;

	CHECK(create(VECTORS) == 0);
	CHECK(join_and_read(&client, 1) == 0);
	rte_atomic_store_explicit(&notifying, false, rte_memory_order_release);
	CHECK(pthread_create(&thread, NULL, notify_slowly, NULL) == 0);
	while (!rte_atomic_load_explicit(&notifying, rte_memory_order_acquire))
		usleep(100);
	hang_up(&client);
	usleep(50000);
	for (i = 0; i < RTE_DIM(others); i++)
		others[i] = eventfd(0, EFD_CLOEXEC);
	pthread_join(thread, NULL);
	CHECK(clients_become(0));
	for (i = 0; i < RTE_DIM(others); i++) {
		CHECK(signals(others[i]) == 0);
		close(others[i]);
	}
	destroy();
	return 0;
}

/* What a client can do to an eventfd that it shares: after it, write() waits, or read() does. */
static int
make_it_block(int fd, bool full)
{
	const uint64_t most = UINT64_MAX - 1;
	eventfd_t count;

	CHECK(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0);
	while (eventfd_read(fd, &count) == 0)
		;
	if (full)
		CHECK(eventfd_write(fd, most) == 0);
	CHECK(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) == 0);
	return 0;
}

/* A call that has to return although an eventfd is full, or empty. */
struct call {
	int (*function)(void);
	int ret;
};

static void *
make_call(void *arg)
{
	struct call *call = arg;

	call->ret = call->function();
	return NULL;
}

static bool
returns(int (*function)(void), int fd, bool full)
{
	struct call call = { .function = function };
	struct timespec deadline;
	eventfd_t count;
	pthread_t thread;

	if (pthread_create(&thread, NULL, make_call, &call) != 0)
		return false;
	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += PATIENCE_S;
	if (pthread_timedjoin_np(thread, NULL, &deadline) == 0)
		return call.ret == 0;
	printf("# still waiting after %u s\n", PATIENCE_S);
	if (full)
		eventfd_read(fd, &count);
	else
		eventfd_write(fd, 1);
	pthread_join(thread, NULL);
	return false;
}

static int
notify_all(void)
{
	unsigned int i;

	/* More often than there is room for completions. */
	for (i = 0; i < 1000; i++)
		CHECK(ivshmem_server_notify(server, IVSHMEM_SERVER_ALL, 0) == 2);
	return 0;
}

/* A client that makes its doorbell block does not stop who notifies it, nor the other client. */
static int
test_doorbell_blocks(void)
{
	struct client good, bad;

	CHECK(create(VECTORS) == 0);
	CHECK(join_and_read(&bad, 1) == 0);
	CHECK(join_and_read(&good, 2) == 0);
	CHECK(make_it_block(bad.doorbells[1][0], true) == 0);
	CHECK(returns(notify_all, bad.doorbells[1][0], true));
	CHECK(signals(good.doorbells[2][0]) == 1000);
	hang_up(&bad);
	CHECK(clients_become(RTE_BIT32(2)));
	hang_up(&good);
	destroy();
	return 0;
}

/* Two ports on one region: the first serves the socket, and its receive queue can sleep. */
static const char * const names[2] = { "net_ivshmem_sleeper", "net_ivshmem_waker" };
static char region_path[64];
static struct rte_mempool *pool;
static uint16_t ports[2];

static int
plug_in(unsigned int n, const char *text)
{
	char args[256];

	snprintf(args, sizeof(args), "path=%s,%s", region_path, text);
	CHECK(rte_vdev_init(names[n], args) == 0);
	CHECK(rte_eth_dev_get_port_by_name(names[n], &ports[n]) == 0);
	return 0;
}

static void
plug_out(void)
{
	rte_vdev_uninit(names[0]);
	rte_vdev_uninit(names[1]);
	rte_mempool_free(pool);
	pool = NULL;
	unlink(region_path);
}

static int
start_sleeper(void)
{
	const struct rte_eth_conf conf = { .intr_conf.rxq = 1 };

	CHECK(rte_eth_dev_configure(ports[0], 1, 1, &conf) == 0);
	CHECK(rte_eth_rx_queue_setup(ports[0], 0, 0, SOCKET_ID_ANY, NULL, pool) == 0);
	CHECK(rte_eth_tx_queue_setup(ports[0], 0, 0, SOCKET_ID_ANY, NULL) == 0);
	CHECK(rte_eth_dev_start(ports[0]) == 0);
	return 0;
}

static int
plug_in_server(unsigned int queues)
{
	char args[128];
	int fd;

	snprintf(region_path, sizeof(region_path), "/dev/shm/test-wc-sleeper-%d", getpid());
	fd = open(region_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && ftruncate(fd, 1 << 20) == 0);
	close(fd);
	snprintf(args, sizeof(args), "role=server,lines=256,queues=%u,socket=%s", queues, path);
	return plug_in(0, args);
}

static int
plug_in_both(void)
{
	CHECK(plug_in_server(1) == 0 && plug_in(1, "role=client") == 0);
	pool = rte_pktmbuf_pool_create("sleeper", 127, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
		SOCKET_ID_ANY);
	CHECK(pool != NULL);
	CHECK(start_sleeper() == 0 && test_port_start(ports[1], pool) == 0);
	return test_port_bring_up(ports);
}

static int
send_frame(void)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);

	CHECK(mbuf != NULL && rte_pktmbuf_append(mbuf, IVSHMEM_MIN_FRAME) != NULL);
	test_frame_fill(rte_pktmbuf_mtod(mbuf, uint8_t *), IVSHMEM_MIN_FRAME, 0);
	CHECK(rte_eth_tx_burst(ports[1], 0, &mbuf, 1) == 1);
	return 0;
}

static int
enable(void)
{
	return rte_eth_dev_rx_intr_enable(ports[0], 0);
}

static int
disable(void)
{
	return rte_eth_dev_rx_intr_disable(ports[0], 0);
}

static int
sleep_until_woken(int timeout_ms)
{
	struct rte_epoll_event event;

	return rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, timeout_ms);
}

/* The file is that of the sleeper's first queue, and the client's too. */
static int
check_sleeper(int fd)
{
	/* Awake again: nobody has notified it. */
	CHECK(make_it_block(fd, false) == 0);
	CHECK(enable() == 0);
	CHECK(returns(disable, fd, false));
	/* A doorbell still wakes, once. */
	CHECK(enable() == 0 && eventfd_write(fd, 1) == 0);
	CHECK(sleep_until_woken(PATIENCE_S * 1000) == 1);
	CHECK(returns(disable, fd, false));
	CHECK(enable() == 0 && sleep_until_woken(0) == 0 && disable() == 0);
	/* A frame is there before it sleeps: this side wakes itself. */
	CHECK(make_it_block(fd, true) == 0);
	CHECK(sleep_until_woken(PATIENCE_S * 1000) == 1 && disable() == 0);
	CHECK(send_frame() == 0);
	CHECK(returns(enable, fd, true));
	CHECK(sleep_until_woken(PATIENCE_S * 1000) == 1);
	CHECK(returns(disable, fd, true));
	return 0;
}

/* A client that makes the doorbells of this side block does not stop who sleeps. */
static int
test_sleeper_blocks(void)
{
	struct client bad;
	int ret = -1;

	vectors = 2;
	memset(&bad, -1, sizeof(bad));
	if (plug_in_both() == 0 && rte_eth_dev_rx_intr_ctl_q(ports[0], 0, RTE_EPOLL_PER_THREAD,
			RTE_INTR_EVENT_ADD, NULL) == 0) {
		bad.sock = dial();
		if (hears(&bad, 0) && hears(&bad, 1) &&
				receive(bad.sock, &(int64_t){ 0 }, &bad.memory) &&
				hears_doorbells(&bad, IVSHMEM_SERVER_OWN_ID))
			ret = check_sleeper(bad.doorbells[IVSHMEM_SERVER_OWN_ID][0]);
		rte_eth_dev_rx_intr_ctl_q(ports[0], 0, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_DEL,
			NULL);
		hang_up(&bad);
	}
	plug_out();
	return ret;
}

/* A guest with as many receive queues as there can be has a doorbell for each of them. */
static int
test_most_vectors(void)
{
	struct client client;
	int ret = -1;

	vectors = IVSHMEM_MAX_RINGS + 1;
	memset(&client, -1, sizeof(client));
	if (plug_in_server(IVSHMEM_MAX_RINGS) == 0) {
		client.sock = dial();
		if (hears(&client, 0) && hears(&client, 1) &&
				receive(client.sock, &(int64_t){ 0 }, &client.memory) &&
				hears_doorbells(&client, IVSHMEM_SERVER_OWN_ID) &&
				hears_doorbells(&client, 1))
			ret = 0;
		hang_up(&client);
	}
	plug_out();
	return ret;
}

/* Clients come, read some, send garbage and go in any order; then all is as at first. */
static int
test_random(void)
{
	struct client clients[NB_PEERS + 4], last;
	unsigned int round, i;
	int64_t message;
	int fd;

	srand(1);
	CHECK(create(VECTORS) == 0);
	for (i = 0; i < RTE_DIM(clients); i++)
		clients[i].sock = -1;
	for (round = 0; round < 5000; round++) {
		struct client *client = &clients[rand() % RTE_DIM(clients)];

		if (client->sock < 0) {
			memset(client, -1, sizeof(*client));
			client->sock = dial();
			continue;
		}
		switch (rand() % 4) {
		case 0:
			send_garbage(client->sock);
			break;
		case 1:
			shutdown(client->sock, rand() % 3);
			break;
		case 2:
			if (receive(client->sock, &message, &fd) && fd >= 0)
				close(fd);
			break;
		default:
			hang_up(client);
			client->sock = -1;
			break;
		}
		ivshmem_server_notify(server, IVSHMEM_SERVER_ALL, rand() % VECTORS);
	}
	for (i = 0; i < RTE_DIM(clients); i++) {
		if (clients[i].sock >= 0)
			hang_up(&clients[i]);
	}
	CHECK(clients_become(0));
	CHECK(join_and_read(&last, 1) == 0);
	hang_up(&last);
	destroy();
	return 0;
}

/* Run a test, after which no more files are open than before. */
static int
run(int (*test)(void))
{
	const int before = nb_open_files();
	int ret = test();

	if (ret != 0) {
		log_unwatch();
		destroy();
		return ret;
	}
	CHECK(nb_open_files() == before);
	return 0;
}

#define LEAKS_NOTHING(test) \
	static int test ## _leaks_nothing(void) { return run(test); }

LEAKS_NOTHING(test_setup)
LEAKS_NOTHING(test_create_often)
LEAKS_NOTHING(test_doorbells)
LEAKS_NOTHING(test_two_clients)
LEAKS_NOTHING(test_limit)
LEAKS_NOTHING(test_garbage)
LEAKS_NOTHING(test_deaf_client)
LEAKS_NOTHING(test_bad_args)
LEAKS_NOTHING(test_socket_file)
LEAKS_NOTHING(test_stale_socket)
LEAKS_NOTHING(test_no_files)
LEAKS_NOTHING(test_notify_while_client_leaves)
LEAKS_NOTHING(test_doorbell_blocks)
LEAKS_NOTHING(test_sleeper_blocks)
LEAKS_NOTHING(test_idle_clients)
LEAKS_NOTHING(test_log_limit)
LEAKS_NOTHING(test_most_vectors)
LEAKS_NOTHING(test_random)

static int
set_up(void)
{
	snprintf(path, sizeof(path), "/tmp/test-wc-server-%d", getpid());
	memory = memfd_create("test-ivshmem-server", MFD_CLOEXEC);
	return memory < 0 ? -1 : ftruncate(memory, SIZE);
}

static void
tear_down(void)
{
	destroy();
	close(memory);
	unlink(path);
}

static const struct test_case cases[] = {
	{ "a client is sent version, ID, memory and doorbells", test_setup_leaks_nothing },
	{ "create and destroy, often", test_create_often_leaks_nothing },
	{ "doorbells both ways", test_doorbells_leaks_nothing },
	{ "clients see one another come and go", test_two_clients_leaks_nothing },
	{ "as many clients as can be, and one more", test_limit_leaks_nothing },
	{ "a client that sends is dropped", test_garbage_leaks_nothing },
	{ "a client that does not read is dropped", test_deaf_client_leaks_nothing },
	{ "bad arguments", test_bad_args_leaks_nothing },
	{ "the socket of another process", test_socket_file_leaks_nothing },
	{ "the socket of a dead process", test_stale_socket_leaks_nothing },
	{ "no files left", test_no_files_leaks_nothing },
	{ "notifying a client that leaves", test_notify_while_client_leaves_leaks_nothing },
	{ "a client's doorbell blocks", test_doorbell_blocks_leaks_nothing },
	{ "the doorbell of a sleeper blocks", test_sleeper_blocks_leaks_nothing },
	{ "idle clients lose their place", test_idle_clients_leaks_nothing },
	{ "lines that clients cause are limited", test_log_limit_leaks_nothing },
	{ "17 vectors", test_most_vectors_leaks_nothing },
	{ "random clients", test_random_leaks_nothing },
	{ 0 }
};

const struct test_suite ivshmem_server_suite = {
	.name = "ivshmem-server",
	.setup = set_up,
	.teardown = tear_down,
	.cases = cases,
};
