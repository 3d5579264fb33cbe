/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alloc.h"
#include "deadline.h"
#include "run.h"

#define MAX_SIZE (1u << 20)
#define CHUNK 4096
/* How often to look whether a program has ended that has closed its output */
#define POLL_MS 10

/* Read to the end; false if it does not come in time. */
static bool
run_read(int fd, const struct timespec *end, char **text)
{
	struct pollfd event = { .fd = fd, .events = POLLIN };
	size_t len = 0;
	ssize_t got;

	do {
		*text = alloc_resize(*text, len + CHUNK + 1);
		(*text)[len] = '\0';
		if (len > MAX_SIZE || poll(&event, 1, deadline_left(end)) <= 0)
			return false;
		got = read(fd, *text + len, CHUNK);
		if (got > 0)
			len += got;
	} while (got > 0);
	(*text)[len] = '\0';
	return got == 0;
}

/* Start a program whose output goes to a file descriptor; its PID, or -1. */
static pid_t
run_spawn(char *const arguments[], int out)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	pid_t pid = -1;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out, STDERR_FILENO);
	/* A group of its own, so that what it starts ends with it. */
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
	if (posix_spawnp(&pid, arguments[0], &actions, &attributes, arguments, environ) != 0)
		pid = -1;
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return pid;
}

/* Wait for the end, and end what takes longer; whether the program has succeeded. */
static bool
run_wait(pid_t pid, const struct timespec *end)
{
	int status = -1;

	/* One that has closed its output may run on. */
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (deadline_left(end) == 0) {
			kill(-pid, SIGKILL);
			waitpid(pid, &status, 0);
			return false;
		}
		poll(NULL, 0, POLL_MS);
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

char *
run_output(char *const arguments[], int seconds)
{
	struct timespec end = deadline_in(seconds);
	bool complete;
	char *text = NULL;
	int fds[2];
	pid_t pid;

	/* Otherwise there would be no exit status, should this program have been started so. */
	signal(SIGCHLD, SIG_DFL);
	if (pipe2(fds, O_CLOEXEC) < 0)
		return NULL;
	pid = run_spawn(arguments, fds[1]);
	close(fds[1]);
	complete = pid > 0 && run_read(fds[0], &end, &text);
	close(fds[0]);
	/* Without a reader it would wait, or end with an error. */
	if (pid > 0 && !complete)
		kill(-pid, SIGKILL);
	if (pid > 0 && !run_wait(pid, &end))
		complete = false;
	if (!complete) {
		free(text);
		text = NULL;
	}
	return text;
}
