/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * wc-follow DIRECTORY COMMAND [ARGUMENT...]
 *
 * Runs a program in a guest, and tells which parts of vfio devices it has mapped, before it can access them:
 *
 *     started PID
 *     mappings PID COUNT, and as many lines START END     all of a process, whenever they change
 *     exited STATUS | killed SIGNAL                       of the program itself, once all of its processes have ended
 *
 * After mappings the process waits for a line on standard input. The output of the program is in the files stdout and
 * stderr of the directory, maps.PID has /proc/PID/maps of each process that has mapped a device, from its end.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_PROCESSES 64
#define MAX_LIST 65536
#define SYSCALL_STOP (SIGTRAP | 0x80)

struct process {
	pid_t pid;	/* 0: the entry is free */
	char *list;	/* of its mappings, "" if none */
	bool mapped;	/* whether it has ever had one */
};

static const char *directory;
static struct process processes[MAX_PROCESSES];

static void
wc_follow_die(const char *what)
{
	fprintf(stderr, "wc-follow: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* Mappings of vfio devices, opened through a group or by themselves: "START END" in a line each. */
static unsigned int
wc_follow_list(pid_t pid, char *list, size_t size)
{
	unsigned long start, end;
	unsigned int number = 0;
	char line[4096];
	size_t used = 0;
	FILE *maps;

	list[0] = '\0';
	snprintf(line, sizeof(line), "/proc/%d/maps", pid);
	maps = fopen(line, "r");
	if (maps == NULL)
		return 0;
	while (fgets(line, sizeof(line), maps) != NULL) {
		if (strstr(line, "[vfio-device]") == NULL && strstr(line, " /dev/vfio/devices/") == NULL)
			continue;
		if (sscanf(line, "%lx-%lx", &start, &end) != 2 || size - used < 40)
			break;
		used += snprintf(list + used, size - used, "%lx %lx\n", start, end);
		number++;
	}
	fclose(maps);
	return number;
}

static struct process *
wc_follow_process(pid_t pid)
{
	struct process *unused = NULL;

	for (unsigned int n = 0; n < MAX_PROCESSES; n++) {
		if (processes[n].pid == pid)
			return &processes[n];
		if (processes[n].pid == 0)
			unused = &processes[n];
	}
	if (unused == NULL) {
		errno = EMFILE;
		wc_follow_die("more than 64 processes");
	}
	unused->pid = pid;
	unused->list = strdup("");
	return unused;
}

static void
wc_follow_tell(struct process *process, const char *list, unsigned int number)
{
	char line[16];

	free(process->list);
	process->list = strdup(list);
	process->mapped = true;
	printf("mappings %d %u\n%s", process->pid, number, list);
	fflush(stdout);
	if (process->list == NULL || fgets(line, sizeof(line), stdin) == NULL)
		wc_follow_die("no answer");
}

static pid_t
wc_follow_leader(pid_t thread)
{
	char line[256];
	pid_t pid = thread;
	FILE *status;

	snprintf(line, sizeof(line), "/proc/%d/status", thread);
	status = fopen(line, "r");
	while (status != NULL && fgets(line, sizeof(line), status) != NULL && sscanf(line, "Tgid: %d", &pid) != 1)
		;
	if (status != NULL)
		fclose(status);
	return pid;
}

/* The thread is stopped, and another one that changes a mapping will be before it goes on. */
static void
wc_follow_look(pid_t thread)
{
	static char list[MAX_LIST];
	pid_t pid = wc_follow_leader(thread);
	unsigned int number = wc_follow_list(pid, list, sizeof(list));
	struct process *process = wc_follow_process(pid);

	if (strcmp(list, process->list) != 0)
		wc_follow_tell(process, list, number);
}

/* For the names of addresses. */
static void
wc_follow_keep_maps(pid_t thread)
{
	struct process *process = wc_follow_process(wc_follow_leader(thread));
	char path[4096], buffer[4096];
	size_t number;
	FILE *from, *to;

	if (!process->mapped)
		return;
	/* Not the leader's, which may have ended: it has none then. */
	snprintf(path, sizeof(path), "/proc/%d/maps", thread);
	from = fopen(path, "r");
	snprintf(path, sizeof(path), "%s/maps.%d", directory, process->pid);
	to = fopen(path, "w");
	if (from == NULL || to == NULL)
		wc_follow_die(path);
	while ((number = fread(buffer, 1, sizeof(buffer), from)) > 0)
		fwrite(buffer, 1, number, to);
	fclose(from);
	if (fclose(to) != 0)
		wc_follow_die(path);
}

static void
wc_follow_end(pid_t pid)
{
	struct process *process = wc_follow_process(pid);

	if (process->list[0] != '\0')
		wc_follow_tell(process, "", 0);
	free(process->list);
	*process = (struct process){ 0 };
}

/* Whether a system call that is about to return may have changed mappings. */
static bool
wc_follow_maps(pid_t thread)
{
	struct __ptrace_syscall_info info;
	static uint64_t calls[1 << 16];	/* by thread, from its entry: at the exit the number is gone */
	uint64_t *call = &calls[thread & 0xffff];

	memset(&info, 0, sizeof(info));
	if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof(info), &info) <= 0)
		return true;
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
		*call = info.entry.nr;
		return false;
	}
	return *call == SYS_mmap || *call == SYS_munmap || *call == SYS_mremap;
}

/* Returns the signal to deliver to a stopped thread. */
static int
wc_follow_stop(pid_t thread, int status)
{
	int signal = WSTOPSIG(status), event = status >> 16;

	if (signal == SYSCALL_STOP) {
		if (wc_follow_maps(thread))
			wc_follow_look(thread);
		return 0;
	}
	if (event == PTRACE_EVENT_EXIT)
		wc_follow_keep_maps(thread);
	else if (event == PTRACE_EVENT_EXEC || signal == SIGSTOP)
		wc_follow_look(thread);
	/* A new thread, or process with its parent's mappings, begins with a SIGSTOP. */
	return event != 0 || signal == SIGSTOP ? 0 : signal;
}

static void
wc_follow_child(char **command)
{
	static const char * const names[] = { "stdout", "stderr" };
	char path[4096];
	int fd = open("/dev/null", O_RDONLY);

	dup2(fd, STDIN_FILENO);
	for (int n = 0; n < 2; n++) {
		snprintf(path, sizeof(path), "%s/%s", directory, names[n]);
		fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
		if (fd < 0)
			wc_follow_die(path);
		dup2(fd, STDOUT_FILENO + n);
		close(fd);
	}
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	execvp(command[0], command);
	dprintf(STDERR_FILENO, "%s: %s\n", command[0], strerror(errno));
	_exit(127);
}

/* Returns the status of the program. */
static int
wc_follow_all(pid_t program)
{
	int status, end = 0;
	pid_t thread;

	while ((thread = waitpid(-1, &status, __WALL)) > 0) {
		if (WIFSTOPPED(status)) {
			ptrace(PTRACE_SYSCALL, thread, 0, wc_follow_stop(thread, status));
			continue;
		}
		wc_follow_end(thread);
		if (thread == program)
			end = status;
	}
	return end;
}

int
main(int argc, char **argv)
{
	int status;
	pid_t pid;

	if (argc < 3) {
		fprintf(stderr, "usage: wc-follow DIRECTORY COMMAND [ARGUMENT...]\n");
		return 2;
	}
	directory = argv[1];
	pid = fork();
	if (pid == 0)
		wc_follow_child(&argv[2]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		wc_follow_die(argv[2]);
	if (ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
			PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL) != 0)
		wc_follow_die("ptrace");
	printf("started %d\n", pid);
	fflush(stdout);
	ptrace(PTRACE_SYSCALL, pid, 0, 0);
	status = wc_follow_all(pid);
	if (WIFSIGNALED(status))
		printf("killed %d\n", WTERMSIG(status));
	else
		printf("exited %d\n", WEXITSTATUS(status));
	fflush(stdout);
	return 0;
}
