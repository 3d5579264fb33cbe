/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/openat2.h>

#include "alloc.h"
#include "deadline.h"
#include "file.h"
#include "telemetry.h"

/* Of EAL's sockets in its runtime directory; a number follows if several processes share that. */
#define SOCKET_NAME "dpdk_telemetry.v2"
#define COMMAND "/bus/pci/wc"
/* For one process: a thread of its own answers, also while others poll. */
#define TIMEOUT_S 2
/* DPDK's limit is 16 KiB, and 128 bytes for names and strings. */
#define ANSWER_SIZE (64u << 10)
#define WORD_SIZE 256
/* Columns of /proc/PID/net/unix: the flag of a socket that listens (__SO_ACCEPTCON), and its type */
#define LISTENS 0x10000

/* The socket: found among the process's files, as neither --file-prefix, which a program may pass to EAL
 * itself, nor the environment, nor a change of root can mislead that.
 */

/* Take a line of /proc/PID/net/unix apart; NULL if it is not of EAL's telemetry. Otherwise the path. */
static const char *
telemetry_parse_socket(const char *line, uint64_t *inode)
{
	unsigned int flags, type;
	const char *name;
	int path = -1;

	if (sscanf(line, "%*s %*x %*x %x %x %*x %" SCNu64 " %n", &flags, &type, inode, &path) != 3 ||
			path < 0 || flags != LISTENS || type != SOCK_SEQPACKET)
		return NULL;
	name = strrchr(line + path, '/');
	if (line[path] != '/' || strncmp(name + 1, SOCKET_NAME, strlen(SOCKET_NAME)) != 0)
		return NULL;
	return line + path;
}

static bool
telemetry_has_socket(const struct process *process, uint64_t inode)
{
	size_t i;

	for (i = 0; i < process->nb_sockets; i++) {
		if (process->sockets[i] == inode)
			return true;
	}
	return false;
}

/* The path of the socket, as the process sees it; NULL if it has none. */
static char *
telemetry_find_socket(const struct process *process)
{
	FILE *file = file_open("/proc/%d/net/unix", process->pid);
	char *line = NULL, *found = NULL;
	const char *path;
	uint64_t inode;
	size_t room = 0;

	if (file == NULL)
		return NULL;
	while (found == NULL && file_next_line(file, &line, &room)) {
		path = telemetry_parse_socket(line, &inode);
		if (path != NULL && telemetry_has_socket(process, inode))
			found = alloc_string(path);
	}
	free(line);
	fclose(file);
	return found;
}

/* Find a file of a process by its path. In a container /var/run is a link to /run, which is not ours;
 * nor does a link lead out of the process's root directory. Returns a descriptor, or -1.
 */
static int
telemetry_find_file(pid_t pid, const char *path)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };
	char *root = file_path("/proc/%d/root", pid);
	int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;

	free(root);
	if (dir >= 0) {
		fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));
		close(dir);
	}
	return fd;
}

/* Connect to a socket, however long its path is. Nothing blocks. */
static int
telemetry_connect(int file)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", file);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Receive one message, as text; NULL, with the reason, if it does not come in time or is too long. */
static char *
telemetry_receive(struct telemetry *telemetry)
{
	struct pollfd event = { .fd = telemetry->fd, .events = POLLIN };
	char *text = alloc_zero(ANSWER_SIZE + 1);
	ssize_t len;

	if (poll(&event, 1, deadline_left(&telemetry->end)) <= 0) {
		telemetry->error = "its telemetry does not answer";
	} else {
		len = recv(telemetry->fd, text, ANSWER_SIZE, MSG_TRUNC);
		if (len > 0 && len <= ANSWER_SIZE)
			return text;
		telemetry->error = len > 0 ? "its telemetry's answer is malformed" :
			"its telemetry does not answer";
	}
	free(text);
	return NULL;
}

void
telemetry_open(struct telemetry *telemetry, const struct process *process)
{
	char *path = telemetry_find_socket(process);
	int file;

	memset(telemetry, 0, sizeof(*telemetry));
	telemetry->fd = -1;
	telemetry->end = deadline_in(TIMEOUT_S);
	if (path == NULL)
		return;
	file = telemetry_find_file(process->pid, path);
	free(path);
	if (file >= 0) {
		telemetry->fd = telemetry_connect(file);
		close(file);
	}
	if (telemetry->fd < 0)
		telemetry->error = "its telemetry cannot be reached";
	else
		/* A greeting, which tells nothing that is needed. */
		free(telemetry_receive(telemetry));
}

void
telemetry_close(struct telemetry *telemetry)
{
	if (telemetry->fd >= 0)
		close(telemetry->fd);
}

/* The answer: {"COMMAND": {"NAME": "TEXT" or NUMBER, ...}}, or null in place of the inner object. */

/* Skip a character, and blanks before it; false if it is not there. */
static bool
telemetry_skip(const char **at, char wanted)
{
	*at += strspn(*at, " \t\r\n");
	if (**at != wanted)
		return false;
	(*at)++;
	return true;
}

/* The character of an escape sequence, after the backslash. Those that no name or reason contains are
 * replaced, and so are the digits of \uXXXX, one by one.
 */
static char
telemetry_unescape(char c)
{
	return c == '"' || c == '\\' || c == '/' ? c : '?';
}

static bool
telemetry_string(const char **at, char word[WORD_SIZE])
{
	size_t len = 0;

	if (!telemetry_skip(at, '"'))
		return false;
	while (**at != '"' && **at != '\0' && len < WORD_SIZE - 1) {
		word[len] = *(*at)++;
		if (word[len] == '\\' && **at != '\0')
			word[len] = telemetry_unescape(*(*at)++);
		len++;
	}
	word[len] = '\0';
	return telemetry_skip(at, '"');
}

/* A string or an integer, as text */
static bool
telemetry_value(const char **at, char word[WORD_SIZE])
{
	size_t len;

	*at += strspn(*at, " \t\r\n");
	if (**at == '"')
		return telemetry_string(at, word);
	len = strspn(*at, "-0123456789");
	if (len == 0 || len >= WORD_SIZE)
		return false;
	memcpy(word, *at, len);
	word[len] = '\0';
	*at += len;
	return true;
}

static bool
telemetry_set_state(struct telemetry_bar *bar, const char *value)
{
	static const char * const states[] = {
		[TELEMETRY_NOT_REQUESTED] = "not requested",
		[TELEMETRY_GRANTED] = "granted",
		[TELEMETRY_REFUSED] = "refused",
	};
	size_t i;

	for (i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (strcmp(value, states[i]) != 0)
			continue;
		bar->state = i;
		return true;
	}
	return false;
}

/* Take over a member; false if its value is invalid. Those of other names are not needed. */
static bool
telemetry_set(struct telemetry_grants *grants, const char *name, const char *value)
{
	struct telemetry_bar *bar;

	if (strncmp(name, "bar", 3) != 0 || name[3] < '0' || name[3] >= '0' + PCI_BARS || name[4] != '_')
		return true;
	bar = &grants->bars[name[3] - '0'];
	name += strlen("bar0_");
	if (strcmp(name, "state") == 0)
		return telemetry_set_state(bar, value);
	if (strcmp(name, "activated") == 0)
		bar->activated = strcmp(value, "0") != 0;
	if (strcmp(name, "reason") == 0) {
		free(bar->reason);
		bar->reason = value[0] != '\0' ? alloc_string(value) : NULL;
	}
	return true;
}

static bool
telemetry_parse_members(const char **at, struct telemetry_grants *grants)
{
	char name[WORD_SIZE], value[WORD_SIZE];

	if (telemetry_skip(at, '}'))
		return true;
	do {
		if (!telemetry_string(at, name) || !telemetry_skip(at, ':') ||
				!telemetry_value(at, value) || !telemetry_set(grants, name, value))
			return false;
	} while (telemetry_skip(at, ','));
	return telemetry_skip(at, '}');
}

/* Whether the answer is valid; *known is false if it is null. */
static bool
telemetry_parse(const char *text, struct telemetry_grants *grants, bool *known)
{
	char command[WORD_SIZE];

	*known = false;
	if (!telemetry_skip(&text, '{') || !telemetry_string(&text, command) ||
			strcmp(command, COMMAND) != 0 || !telemetry_skip(&text, ':'))
		return false;
	*known = telemetry_skip(&text, '{');
	if (*known) {
		if (!telemetry_parse_members(&text, grants))
			return false;
	} else {
		if (strncmp(text, "null", 4) != 0)
			return false;
		text += 4;
	}
	return telemetry_skip(&text, '}') && text[strspn(text, " \t\r\n")] == '\0';
}

/* The answer to the command for a device; NULL, with the reason, if there is none. */
static char *
telemetry_request(struct telemetry *telemetry, const char *device)
{
	char *command, *answer = NULL;

	command = alloc_format(COMMAND ",%s", device);
	if (send(telemetry->fd, command, strlen(command), MSG_NOSIGNAL) < 0)
		telemetry->error = "its telemetry does not answer";
	else
		answer = telemetry_receive(telemetry);
	free(command);
	return answer;
}

struct telemetry_grants *
telemetry_ask(struct telemetry *telemetry, const char *device)
{
	struct telemetry_grants *grants;
	char *answer = NULL;
	bool known = true;

	if (telemetry->fd < 0 && telemetry->error == NULL)
		return NULL;
	grants = alloc_zero(sizeof(*grants));
	/* After one error nothing more is asked: answers could belong to earlier questions. */
	if (telemetry->error == NULL)
		answer = telemetry_request(telemetry, device);
	if (answer != NULL && !telemetry_parse(answer, grants, &known)) {
		telemetry->error = "its telemetry's answer is malformed";
		telemetry_free(grants);
		grants = alloc_zero(sizeof(*grants));
	}
	grants->error = telemetry->error;
	free(answer);
	if (known || grants->error != NULL)
		return grants;
	telemetry_free(grants);
	return NULL;
}

void
telemetry_free(struct telemetry_grants *grants)
{
	size_t i;

	for (i = 0; grants != NULL && i < PCI_BARS; i++)
		free(grants->bars[i].reason);
	free(grants);
}
