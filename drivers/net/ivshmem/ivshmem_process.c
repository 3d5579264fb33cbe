/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_eal.h>

#include "ivshmem_log.h"
#include "ivshmem_process.h"

/* Its first bytes are the last token that was given. */
#define FILE_NAME "net_ivshmem"

uint32_t ivshmem_process_token;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int nb_ports;
/* Opened once: a process that closes any descriptor of a file loses its locks on it. */
static int fd = -1;

/* False before EAL has a directory. */
static bool
ivshmem_process_path_of_file(char *path)
{
	const char *directory = rte_eal_get_runtime_dir();

	snprintf(path, PATH_MAX, "%s/" FILE_NAME, directory);
	return directory[0] != '\0';
}

static int
ivshmem_process_set_lock(int command, short type, uint32_t byte)
{
	struct flock range = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1
	};

	return fcntl(fd, command, &range) < 0 ? -errno : 0;
}

/* The next token; with the lock on byte 0 held. */
static int
ivshmem_process_next_token(uint32_t *token)
{
	uint32_t last = IVSHMEM_PROCESS_PRIMARY;

	if (pread(fd, &last, sizeof(last), 0) < 0)
		return -errno;
	*token = last + 2;
	if (pwrite(fd, token, sizeof(*token), 0) != sizeof(*token))
		return -ENOSPC;
	return ivshmem_process_set_lock(F_SETLK, F_WRLCK, *token);
}

int
ivshmem_process_claim(void)
{
	uint32_t token;
	int ret;

	ret = ivshmem_process_set_lock(F_SETLKW, F_WRLCK, 0);
	if (ret < 0)
		return ret;
	ret = ivshmem_process_next_token(&token);
	ivshmem_process_set_lock(F_SETLK, F_UNLCK, 0);
	if (ret == 0)
		ivshmem_process_token = token;
	return ret;
}

static int
ivshmem_process_open_file(void)
{
	char path[PATH_MAX];

	if (!ivshmem_process_path_of_file(path))
		return -ENOENT;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : 0;
}

/* What no secondary process has used is not left behind. */
static void
ivshmem_process_close_file(void)
{
	char path[PATH_MAX];
	struct stat stat;

	if (rte_eal_process_type() == RTE_PROC_PRIMARY && fd >= 0 && fstat(fd, &stat) == 0 &&
			stat.st_size == 0 && ivshmem_process_path_of_file(path))
		unlink(path);
	if (fd >= 0)
		close(fd);
	fd = -1;
	ivshmem_process_token = 0;
}

static int
ivshmem_process_check_file(const char *port, struct ivshmem_process_file *file)
{
	struct stat stat = { 0 };

	if (fd >= 0 && fstat(fd, &stat) < 0)
		return -errno;
	if (rte_eal_process_type() == RTE_PROC_PRIMARY) {
		file->dev = stat.st_dev;
		file->ino = stat.st_ino;
	} else if (file->dev != stat.st_dev || file->ino != stat.st_ino) {
		IVSHMEM_LOG(ERR, "%s: " FILE_NAME " in %s is not the file that the primary process "
			"opened: restart the primary process", port, rte_eal_get_runtime_dir());
		return -ESTALE;
	}
	return 0;
}

/* Without EAL's directory (--no-shconf) there are no secondary processes either. */
static void
ivshmem_process_first_port_of_primary(void)
{
	int ret = ivshmem_process_open_file();

	if (ret < 0)
		IVSHMEM_LOG(DEBUG, FILE_NAME " in %s: %s", rte_eal_get_runtime_dir(),
			strerror(-ret));
	ivshmem_process_token = IVSHMEM_PROCESS_PRIMARY;
}

static int
ivshmem_process_first_port_of_secondary(const char *port)
{
	int ret;

	ret = ivshmem_process_open_file();
	if (ret < 0)
		goto failed;
	ret = ivshmem_process_claim();
	if (ret == 0)
		return 0;
	ivshmem_process_close_file();
failed:
	IVSHMEM_LOG(ERR, "%s: no lock on " FILE_NAME " in %s, by which the primary process sees that "
		"this process is alive: %s", port, rte_eal_get_runtime_dir(), strerror(-ret));
	return ret;
}

static int
ivshmem_process_first_port(const char *port)
{
	if (rte_eal_process_type() != RTE_PROC_PRIMARY)
		return ivshmem_process_first_port_of_secondary(port);
	ivshmem_process_first_port_of_primary();
	return 0;
}

int
ivshmem_process_enter(const char *port, struct ivshmem_process_file *file)
{
	int ret = 0;

	pthread_mutex_lock(&lock);
	if (nb_ports == 0)
		ret = ivshmem_process_first_port(port);
	if (ret < 0)
		goto unlock;
	ret = ivshmem_process_check_file(port, file);
	if (ret == 0)
		nb_ports++;
	else if (nb_ports == 0)
		ivshmem_process_close_file();
unlock:
	pthread_mutex_unlock(&lock);
	return ret;
}

void
ivshmem_process_leave(void)
{
	pthread_mutex_lock(&lock);
	if (--nb_ports == 0)
		ivshmem_process_close_file();
	pthread_mutex_unlock(&lock);
}

bool
ivshmem_process_lives(uint32_t token)
{
	struct flock range = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = token, .l_len = 1
	};

	if (token == ivshmem_process_token)
		return true;
	/* Without an answer, wait for it. */
	return fcntl(fd, F_GETLK, &range) < 0 || range.l_type != F_UNLCK;
}
