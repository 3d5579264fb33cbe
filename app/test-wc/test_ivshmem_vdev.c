/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/* Where a virtual device has its memory from, and which role it takes in it. */

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_bus_vdev.h>
#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_interrupts.h>
#include <rte_mbuf.h>
#include <rte_string_fns.h>

#include "ivshmem_client.h"
#include "ivshmem_memory.h"
#include "ivshmem_port.h"
#include "ivshmem_server.h"
#include "test.h"
#include "test_frame.h"
#include "test_port.h"

#define SIZE (1 << 20)
#define LAYOUT ",lines=256,queues=2"
#define PATIENCE_MS 20000

static const char * const names[3] = {
	"net_ivshmem_first", "net_ivshmem_second", "net_ivshmem_third"
};

static char file[64], sock_path[64];
static uint16_t ports[RTE_DIM(names)];
static struct rte_mempool *pool;

static int
make_file(mode_t mode)
{
	int fd;

	unlink(file);
	fd = open(file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	CHECK(fd >= 0 && fchmod(fd, mode) == 0 && ftruncate(fd, SIZE) == 0);
	close(fd);
	return 0;
}

/* Make a port; %s in the arguments is the file. 0, or what its probe says. */
static int
plug_in(unsigned int n, const char *format)
{
	const char *at = strstr(format, "%s");
	char args[256];
	int ret;

	if (at == NULL)
		strlcpy(args, format, sizeof(args));
	else
		snprintf(args, sizeof(args), "%.*s%s%s", (int)(at - format), format, file, at + 2);
	ret = rte_vdev_init(names[n], args);
	return ret != 0 ? ret : rte_eth_dev_get_port_by_name(names[n], &ports[n]);
}

static void
plug_out(unsigned int n)
{
	rte_vdev_uninit(names[n]);
}

static void
plug_out_all(void)
{
	unsigned int n;

	for (n = 0; n < RTE_DIM(names); n++)
		plug_out(n);
}

/* The port cannot be made, and the log says why. */
static int
is_refused(unsigned int n, const char *format, const char *message)
{
	bool said;

	CHECK(log_watch() == 0);
	CHECK(plug_in(n, format) != 0);
	said = log_has(message);
	log_unwatch();
	if (!said)
		printf("# '%s' is not refused with '%s'\n", format, message);
	return said ? 0 : -1;
}

static const struct ivshmem_port *
port_of(unsigned int n)
{
	return rte_eth_devices[ports[n]].data->dev_private;
}

/* A role that is given is taken, or refused with who has it. */
static int
test_roles_given(void)
{
	char holder[64];

	plug_out_all();
	CHECK(make_file(0600) == 0);
	CHECK(plug_in(0, "path=%s,role=server" LAYOUT) == 0);
	snprintf(holder, sizeof(holder), "process %d is the server of this memory", getpid());
	CHECK(is_refused(1, "path=%s,role=server" LAYOUT, holder) == 0);
	CHECK(plug_in(1, "path=%s,role=client") == 0);
	snprintf(holder, sizeof(holder), "process %d is the client of this memory", getpid());
	CHECK(is_refused(2, "path=%s,role=client", holder) == 0);
	/* Who has gone has left the role. */
	plug_out(0);
	CHECK(plug_in(0, "path=%s,role=server" LAYOUT) == 0);
	plug_out(1);
	CHECK(plug_in(1, "path=%s,role=client") == 0);
	plug_out_all();
	return 0;
}

/* Two devices without a role find each other; a third one is refused. */
static int
test_roles_free(void)
{
	plug_out_all();
	CHECK(make_file(0600) == 0);
	CHECK(plug_in(0, "path=%s" LAYOUT) == 0 && port_of(0)->role == IVSHMEM_SERVER);
	CHECK(plug_in(1, "path=%s") == 0 && port_of(1)->role == IVSHMEM_CLIENT);
	CHECK(is_refused(2, "path=%s", "are the server and the client of this memory") == 0);
	CHECK(test_port_start(ports[0], pool) == 0 && test_port_start(ports[1], pool) == 0);
	CHECK(test_port_bring_up(ports) == 0);
	plug_out(0);
	CHECK(plug_in(0, "path=%s" LAYOUT) == 0 && port_of(0)->role == IVSHMEM_SERVER);
	plug_out_all();
	return 0;
}

/* A process that has the server's role until it is killed; negative: there is none. */
static pid_t
start_server(void)
{
	char ready = 0;
	int pipes[2], fd;
	pid_t child;

	CHECK(pipe(pipes) == 0);
	child = fork();
	if (child == 0) {
		close(pipes[0]);
		fd = open(file, O_RDWR | O_CLOEXEC);
		ready = ivshmem_memory_claim("child", fd, IVSHMEM_SERVER) >= 0;
		if (write(pipes[1], &ready, 1) == 1 && ready)
			pause();
		_exit(1);
	}
	close(pipes[1]);
	if (child > 0 && (read(pipes[0], &ready, 1) != 1 || !ready)) {
		waitpid(child, NULL, 0);
		child = -1;
	}
	close(pipes[0]);
	return child;
}

/* A process that is killed leaves its role. */
static int
test_role_of_the_dead(void)
{
	pid_t child;
	int refused;

	plug_out_all();
	CHECK(make_file(0600) == 0);
	child = start_server();
	CHECK(child > 0);
	refused = is_refused(0, "path=%s,role=server" LAYOUT, "is the server of this memory");
	/* Before any check: the child ends only by this. */
	CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
	CHECK(refused == 0);
	CHECK(plug_in(0, "path=%s,role=server" LAYOUT) == 0);
	plug_out_all();
	return 0;
}

static int
test_mode(void)
{
	static const struct {
		mode_t mode;
		const char *message;	/* NULL: none */
	} modes[] = {
		{ 0600, NULL }, { 0660, NULL },
		{ 0644, "mode 0644: all users may read the frames" },
		{ 0666, "mode 0666: all users may change the frames" },
	};
	unsigned int i;

	for (i = 0; i < RTE_DIM(modes); i++) {
		plug_out_all();
		CHECK(make_file(modes[i].mode) == 0);
		CHECK(log_watch() == 0);
		CHECK(plug_in(0, "path=%s,role=server" LAYOUT) == 0);
		CHECK(log_has(modes[i].message != NULL ? modes[i].message : ": mode") ==
			(modes[i].message != NULL));
		log_unwatch();
	}
	plug_out_all();
	return 0;
}

/* All pages are there before the first access. */
static int
test_reserved(void)
{
	struct stat info;

	plug_out_all();
	CHECK(make_file(0600) == 0);
	CHECK(plug_in(0, "path=%s,role=server" LAYOUT) == 0);
	CHECK(stat(file, &info) == 0 && info.st_blocks * 512 >= SIZE);
	plug_out_all();
	return 0;
}

static int
test_bad_size(void)
{
	static const char * const bad[] = { "0", "32K", "8G", "3M", "-1M", "1MB", "1T", "M", "x",
		"99999999999999999999", "0x10000000000000001", "17179869184G" };
	char args[128], message[128];
	unsigned int i;

	for (i = 0; i < RTE_DIM(bad); i++) {
		snprintf(args, sizeof(args), "socket=%s,role=server,size=%s", sock_path, bad[i]);
		snprintf(message, sizeof(message), "size=%s: use a power of two from 64K to 4G",
			bad[i]);
		CHECK(is_refused(0, args, message) == 0);
	}
	CHECK(make_file(0600) == 0);
	CHECK(is_refused(0, "path=%s,size=1M",
		"the file determines the size: use one of them") == 0);
	CHECK(is_refused(0, "socket=%s,role=client,size=1M", "the server creates the memory") == 0);
	return 0;
}

static int
send_frame(unsigned int n)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);

	CHECK(mbuf != NULL && rte_pktmbuf_append(mbuf, IVSHMEM_MIN_FRAME) != NULL);
	test_frame_fill(rte_pktmbuf_mtod(mbuf, uint8_t *), IVSHMEM_MIN_FRAME, n);
	CHECK(rte_eth_tx_burst(ports[n], 0, &mbuf, 1) == 1);
	return 0;
}

static int
receive_frame(unsigned int n, uint64_t seq)
{
	struct rte_mbuf *mbuf;
	bool same;

	CHECK(rte_eth_rx_burst(ports[n], 0, &mbuf, 1) == 1);
	same = test_frame_check(rte_pktmbuf_mtod(mbuf, uint8_t *), IVSHMEM_MIN_FRAME, seq);
	rte_pktmbuf_free(mbuf);
	return same ? 0 : -1;
}

static int
start_sleeper(unsigned int n)
{
	const struct rte_eth_conf conf = { .intr_conf.rxq = 1 };

	CHECK(rte_eth_dev_configure(ports[n], 1, 1, &conf) == 0);
	CHECK(rte_eth_rx_queue_setup(ports[n], 0, 0, SOCKET_ID_ANY, NULL, pool) == 0);
	CHECK(rte_eth_tx_queue_setup(ports[n], 0, 0, SOCKET_ID_ANY, NULL) == 0);
	CHECK(rte_eth_dev_start(ports[n]) == 0);
	return 0;
}

static uint64_t
xstat(unsigned int n, const char *name)
{
	return test_port_xstat(ports[n], name);
}

/* A frame wakes the other side, by a doorbell. */
static int
check_doorbell(unsigned int sleeper)
{
	const uint64_t before = xstat(!sleeper, "tx_doorbells");
	struct pollfd file_of_queue = { .events = POLLIN };

	file_of_queue.fd = rte_eth_dev_rx_intr_ctl_q_get_fd(ports[sleeper], 0);
	CHECK(file_of_queue.fd >= 0);
	CHECK(rte_eth_dev_rx_intr_enable(ports[sleeper], 0) == 0);
	CHECK(send_frame(!sleeper) == 0);
	CHECK(xstat(!sleeper, "tx_doorbells") == before + 1);
	CHECK(poll(&file_of_queue, 1, PATIENCE_MS) == 1);
	CHECK(rte_eth_dev_rx_intr_disable(ports[sleeper], 0) == 0);
	CHECK(receive_frame(sleeper, !sleeper) == 0);
	return 0;
}

/* A server that makes the memory, and a client that gets it and the doorbells by the socket. */
static int
check_socket(const char *server_args, const char *client_args)
{
	char args[128];

	plug_out_all();
	snprintf(args, sizeof(args), "socket=%s,size=1M" LAYOUT "%s", sock_path, server_args);
	CHECK(plug_in(0, args) == 0);
	snprintf(args, sizeof(args), "socket=%s%s", sock_path, client_args);
	CHECK(plug_in(1, args) == 0);
	CHECK(port_of(0)->role == IVSHMEM_SERVER && port_of(1)->role == IVSHMEM_CLIENT);
	CHECK(port_of(1)->region.size == SIZE);
	CHECK(start_sleeper(0) == 0 && start_sleeper(1) == 0);
	CHECK(test_port_bring_up(ports) == 0);
	CHECK(check_doorbell(0) == 0 && check_doorbell(1) == 0);
	return 0;
}

static int
test_socket(void)
{
	struct rte_eth_link link;
	char args[128];

	CHECK(check_socket(",role=server", ",role=client") == 0);
	/* There is one server and one client. */
	snprintf(args, sizeof(args), "socket=%s,role=server", sock_path);
	CHECK(is_refused(2, args, "in use (it answers)") == 0);
	snprintf(args, sizeof(args), "socket=%s,role=client", sock_path);
	CHECK(is_refused(2, args, "is the client of this memory") == 0);
	/* The memory stays with the client, also without the server. */
	plug_out(0);
	CHECK(rte_eth_link_get_nowait(ports[1], &link) == 0);
	CHECK(link.link_status == RTE_ETH_LINK_DOWN);
	CHECK(port_of(1)->region.control->geometry.magic == rte_cpu_to_le_64(IVSHMEM_MAGIC));
	plug_out_all();
	CHECK(is_refused(1, args, "no server listens (No such file or directory)") == 0);
	CHECK(check_socket("", "") == 0);
	plug_out_all();
	return 0;
}

/* What a client gets has its size, for all who have it. */
static int
test_seals(void)
{
	const struct ivshmem_port *port;
	struct stat info;
	char args[128];

	plug_out_all();
	snprintf(args, sizeof(args), "socket=%s,role=server,size=1M", sock_path);
	CHECK(plug_in(0, args) == 0);
	port = port_of(0);
	CHECK(ftruncate(port->memory_fd, 0) == -1 && errno == EPERM);
	CHECK(ftruncate(port->memory_fd, 2 * SIZE) == -1 && errno == EPERM);
	CHECK(fcntl(port->memory_fd, F_GET_SEALS) ==
		(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
	CHECK(fstat(port->memory_fd, &info) == 0 && info.st_size == SIZE &&
		info.st_blocks * 512 >= SIZE);
	plug_out_all();
	return 0;
}

/* Memory that a server could make shrink is not touched. */
static int
test_unsealed(void)
{
	char args[256];

	plug_out_all();
	CHECK(make_file(0600) == 0);
	snprintf(args, sizeof(args), "path=%s,socket=%s,role=server" LAYOUT, file, sock_path);
	CHECK(plug_in(0, args) == 0);
	snprintf(args, sizeof(args), "socket=%s,role=client", sock_path);
	CHECK(is_refused(1, args, "the server's memory can be resized") == 0);
	plug_out_all();
	return 0;
}

/* Servers that say what they must not: up to four messages, each with some files. */
struct script {
	struct {
		int64_t message;
		unsigned int files;
	} says[4];
	unsigned int nb;
	size_t last_len;	/* of the last message */
	const char *hears;	/* what the client logs */
};

static int listening = -1;

static ssize_t
say(int sock, int64_t message, size_t len, unsigned int files)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(4 * sizeof(int))];
	} control = { .header = {
		.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
		.cmsg_len = CMSG_LEN(files * sizeof(int)),
	} };
	rte_le64_t wire = rte_cpu_to_le_64(message);
	struct iovec data = { .iov_base = &wire, .iov_len = len };
	struct msghdr msg = { .msg_iov = &data, .msg_iovlen = 1 };
	const int fd = STDIN_FILENO;
	unsigned int i;

	for (i = 0; i < files; i++)
		memcpy(CMSG_DATA(&control.header) + i * sizeof(fd), &fd, sizeof(fd));
	if (files != 0) {
		msg.msg_control = control.space;
		msg.msg_controllen = CMSG_SPACE(files * sizeof(int));
	}
	return sendmsg(sock, &msg, MSG_NOSIGNAL);
}

static void *
serve_badly(void *arg)
{
	const struct script *script = arg;
	int sock = accept(listening, NULL, NULL);
	unsigned int i;

	for (i = 0; i < script->nb; i++)
		say(sock, script->says[i].message, i + 1 < script->nb ? 8 : script->last_len,
			script->says[i].files);
	close(sock);
	return NULL;
}

/* A client's own doorbells never come, those of others without end. */
static void *
serve_others(void *arg)
{
	const int64_t setup[] = { 0, 1 };
	const uint64_t deadline = rte_get_timer_cycles() +
		PATIENCE_MS / 1000 * rte_get_timer_hz();
	int sock = accept(listening, NULL, NULL);
	unsigned int i;

	RTE_SET_USED(arg);
	for (i = 0; i < RTE_DIM(setup); i++)
		say(sock, setup[i], 8, 0);
	say(sock, IVSHMEM_MESSAGE_MEMORY, 8, 1);
	while (rte_get_timer_cycles() < deadline && say(sock, 5, 8, 1) >= 0)
		rte_delay_us_sleep(10000);
	close(sock);
	return NULL;
}

static int
nb_files(void)
{
	int fd = dup(STDIN_FILENO), nb = 0, i;

	close(fd);
	for (i = 0; i < 1024; i++)
		nb += fcntl(i, F_GETFD) >= 0;
	return nb;
}

static int
listen_badly(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	strlcpy(addr.sun_path, sock_path, sizeof(addr.sun_path));
	unlink(sock_path);
	listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(bind(listening, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	CHECK(listen(listening, 1) == 0);
	return 0;
}

/* A client does not wait longer for its doorbells because there is something to read. */
static int
test_talkative_server(void)
{
	struct ivshmem_client *client;
	pthread_t thread;
	int memory, ret;

	CHECK(listen_badly() == 0);
	CHECK(pthread_create(&thread, NULL, serve_others, NULL) == 0);
	CHECK(ivshmem_client_connect(sock_path, &client, &memory) == 0);
	close(memory);
	ret = ivshmem_client_start(client, 2);
	ivshmem_client_destroy(client);
	pthread_join(thread, NULL);
	close(listening);
	unlink(sock_path);
	CHECK(ret == 0);
	return 0;
}

/* A client has all pages of its memory made: not of more than any server of this driver gives. */
static int
test_large_memory(void)
{
	int fd = ivshmem_memory_make("test", 2 * IVSHMEM_MEMORY_MAX);
	bool said;

	CHECK(fd >= 0);
	CHECK(log_watch() == 0);
	CHECK(ivshmem_memory_check_given("test", fd) == -EFBIG);
	said = log_has("8589934592 bytes are more than 4294967296");
	log_unwatch();
	close(fd);
	CHECK(said);
	/* It must not grow after that, either. */
	fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	CHECK(fd >= 0 && ftruncate(fd, SIZE) == 0);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
	CHECK(ivshmem_memory_check_given("test", fd) == -EPERM);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) == 0);
	CHECK(ivshmem_memory_check_given("test", fd) == 0);
	close(fd);
	return 0;
}

static int
test_bad_servers(void)
{
	static const struct script scripts[] = {
		{ { { 0 } }, 0, 8, "the server sends no memory" },
		{ { { -1, 0 } }, 1, 8, "version -1, not 0: the server refuses this client" },
		{ { { 7, 0 } }, 1, 8, "version 7, not 0" },
		{ { { 0, 1 } }, 1, 8, "the server sends no memory" },
		{ { { 0, 4 } }, 1, 8, "the server sends no memory" },
		{ { { 0, 0 }, { 1, 0 } }, 2, 3, "the server sends no memory" },
		{ { { 0, 0 }, { 1 << 20, 0 }, { -1, 1 } }, 3, 8, "the server sends no memory" },
		{ { { 0, 0 }, { 1, 0 }, { -1, 0 } }, 3, 8, "the server sends no memory" },
		{ { { 0, 0 }, { 1, 0 }, { -1, 2 } }, 3, 8, "the server sends no memory" },
		{ { { 0, 0 }, { 1, 0 }, { 5, 1 } }, 3, 8, "the server sends no memory" },
		{ { { 0, 0 }, { 1, 0 }, { -1, 1 } }, 3, 8, "can be resized" },
	};
	char args[128];
	pthread_t thread;
	unsigned int i;
	int before;

	plug_out_all();
	CHECK(listen_badly() == 0);
	snprintf(args, sizeof(args), "socket=%s,role=client", sock_path);
	for (i = 0; i < RTE_DIM(scripts); i++) {
		before = nb_files();
		CHECK(pthread_create(&thread, NULL, serve_badly,
			(void *)(uintptr_t)&scripts[i]) == 0);
		CHECK(is_refused(0, args, scripts[i].hears) == 0);
		pthread_join(thread, NULL);
		CHECK(nb_files() == before);
	}
	close(listening);
	/* A stale socket */
	CHECK(is_refused(0, args, "no server listens (Connection refused)") == 0);
	unlink(sock_path);
	return 0;
}

static int
set_up(void)
{
	snprintf(file, sizeof(file), "/dev/shm/test-wc-vdev-%d", getpid());
	snprintf(sock_path, sizeof(sock_path), "/tmp/test-wc-vdev-%d", getpid());
	pool = rte_pktmbuf_pool_create("test-vdev", 511, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
		SOCKET_ID_ANY);
	return pool == NULL ? -1 : 0;
}

static void
tear_down(void)
{
	log_unwatch();
	plug_out_all();
	rte_mempool_free(pool);
	unlink(file);
	unlink(sock_path);
}

static const struct test_case cases[] = {
	{ "a role that is given", test_roles_given },
	{ "a role that is free", test_roles_free },
	{ "the role of a process that was killed", test_role_of_the_dead },
	{ "the file's mode", test_mode },
	{ "pages are reserved", test_reserved },
	{ "sizes that cannot be", test_bad_size },
	{ "memory and doorbells by a socket", test_socket },
	{ "memory that is made cannot shrink", test_seals },
	{ "memory that could shrink", test_unsealed },
	{ "memory that is too large", test_large_memory },
	{ "servers that misbehave", test_bad_servers },
	{ "a server that only tells of others", test_talkative_server },
	{ 0 }
};

const struct test_suite ivshmem_vdev_suite = {
	.name = "ivshmem-vdev",
	.setup = set_up,
	.teardown = tear_down,
	.cases = cases,
};
