/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "process.h"
#include "wc_option.h"

#define MAX_PID (1l << 30)
/* A device that was opened through its group, in fd/ and in maps */
#define DEVICE_FILE "anon_inode:[vfio-device]"
#define CDEV_DIR "/dev/vfio/devices/"
#define GROUP_DIR "/dev/vfio/"
#define NOIOMMU "noiommu-"
/* EAL takes the policy from it if there is no option. */
#define POLICY "DPDK_VFIO_WC"

pid_t
process_parse_pid(const char *word)
{
	char *end;
	long pid;

	if (word[0] < '1' || word[0] > '9')
		return 0;
	pid = strtol(word, &end, 10);
	return *end == '\0' && pid < MAX_PID ? pid : 0;
}

static int
process_compare_pids(const void *a, const void *b)
{
	pid_t pid_a = *(const pid_t *)a, pid_b = *(const pid_t *)b;

	return (pid_a > pid_b) - (pid_a < pid_b);
}

size_t
process_list(pid_t **pids)
{
	struct file_names names;
	size_t i, nb = 0;
	pid_t pid;

	*pids = NULL;
	if (!file_list(&names, "/proc"))
		return 0;
	for (i = 0; i < names.nb; i++) {
		pid = process_parse_pid(names.at[i]);
		if (pid != 0)
			*ALLOC_APPEND(*pids, nb) = pid;
	}
	file_free_names(&names);
	if (nb > 0)
		qsort(*pids, nb, sizeof(**pids), process_compare_pids);
	return nb;
}

/* Copy a name if it is that of a PCI device. */
static void
process_set_device(char device[PCI_NAME_SIZE], const char *name)
{
	if (!pci_parse_name(name, device))
		device[0] = '\0';
}

/* The device of /dev/vfio/devices/NAME */
static void
process_set_cdev(char device[PCI_NAME_SIZE], const char *name)
{
	char *target = file_link_name("/sys/class/vfio-dev/%s/device", name);

	if (target != NULL)
		process_set_device(device, target);
	free(target);
}

/* Since Linux 6.17 the kernel describes the device of a file. */
static void
process_read_file_info(struct process_file *file, pid_t pid, const char *fd)
{
	static const char label[] = "vfio-device-syspath:";
	FILE *info = file_open("/proc/%d/fdinfo/%s", pid, fd);
	const char *slash;
	char *line = NULL;
	size_t room = 0;

	if (info == NULL)
		return;
	while (file_next_line(info, &line, &room)) {
		slash = strrchr(line, '/');
		if (slash != NULL && strncmp(line, label, strlen(label)) == 0)
			process_set_device(file->device, slash + 1);
	}
	free(line);
	fclose(info);
}

static void
process_add_file(struct process *process, const char *fd, const char *target)
{
	struct process_file *file = ALLOC_APPEND(process->files, process->nb_files);

	process_read_file_info(file, process->pid, fd);
	if (strncmp(target, CDEV_DIR, strlen(CDEV_DIR)) == 0)
		process_set_cdev(file->device, target + strlen(CDEV_DIR));
}

static void
process_add_group(struct process *process, const char *name)
{
	if (strncmp(name, NOIOMMU, strlen(NOIOMMU)) == 0)
		name += strlen(NOIOMMU);
	/* /dev/vfio/vfio is the container. */
	if (name[0] != '\0' && name[strspn(name, "0123456789")] == '\0')
		*ALLOC_APPEND(process->groups, process->nb_groups) = alloc_string(name);
}

/* Add a file if it is a socket. */
static void
process_add_socket(struct process *process, const char *target)
{
	uint64_t inode;

	if (sscanf(target, "socket:[%" SCNu64 "]", &inode) == 1)
		*ALLOC_APPEND(process->sockets, process->nb_sockets) = inode;
}

static void
process_read_files(struct process *process)
{
	struct file_names fds;
	char *target;
	size_t i;

	if (!file_list(&fds, "/proc/%d/fd", process->pid)) {
		process->files_hidden = errno == EACCES || errno == EPERM;
		return;
	}
	for (i = 0; i < fds.nb; i++) {
		target = file_link("/proc/%d/fd/%s", process->pid, fds.at[i]);
		if (target == NULL)
			process->files_hidden |= errno == EACCES || errno == EPERM;
		else if (strcmp(target, DEVICE_FILE) == 0 ||
				strncmp(target, CDEV_DIR, strlen(CDEV_DIR)) == 0)
			process_add_file(process, fds.at[i], target);
		else if (strncmp(target, GROUP_DIR, strlen(GROUP_DIR)) == 0)
			process_add_group(process, target + strlen(GROUP_DIR));
		else
			process_add_socket(process, target);
		free(target);
	}
	file_free_names(&fds);
}

/* Set device and BAR if a path is that of resourceN_wc of a device. */
static bool
process_parse_resource(struct process_mapping *mapping, const char *path)
{
	const char *file = strrchr(path, '/');
	char name[PCI_NAME_SIZE + 1];
	int bar, end = -1;
	const char *dir;

	if (file == NULL || sscanf(file, "/resource%1d_wc%n", &bar, &end) != 1 || end < 0 ||
			file[end] != '\0' || bar < 0 || bar >= PCI_BARS)
		return false;
	for (dir = file; dir > path && dir[-1] != '/'; dir--)
		;
	if ((size_t)(file - dir) >= sizeof(name))
		return false;
	memcpy(name, dir, file - dir);
	name[file - dir] = '\0';
	process_set_device(mapping->device, name);
	mapping->resource_wc = bar;
	return mapping->device[0] != '\0';
}

/* Whether a path of a mapping concerns VFIO or write-combining. */
static bool
process_parse_path(struct process_mapping *mapping, const char *path)
{
	mapping->resource_wc = -1;
	if (strcmp(path, DEVICE_FILE) == 0)
		return true;
	if (strncmp(path, CDEV_DIR, strlen(CDEV_DIR)) == 0) {
		process_set_cdev(mapping->device, path + strlen(CDEV_DIR));
		return true;
	}
	return process_parse_resource(mapping, path);
}

static void
process_read_mappings(struct process *process)
{
	FILE *file = file_open("/proc/%d/maps", process->pid);
	struct process_mapping mapping = { 0 };
	char *line = NULL;
	size_t room = 0;
	int path;

	if (file == NULL) {
		process->mappings_hidden = errno == EACCES || errno == EPERM;
		return;
	}
	while (file_next_line(file, &line, &room)) {
		path = -1;
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %*s %*u %n",
			   &mapping.start, &mapping.end, &mapping.offset, &path) == 3 &&
				path > 0 && process_parse_path(&mapping, line + path)) {
			*ALLOC_APPEND(process->mappings, process->nb_mappings) = mapping;
			memset(&mapping, 0, sizeof(mapping));
		}
	}
	free(line);
	fclose(file);
}

static void
process_read_command(struct process *process)
{
	size_t size;
	char *arguments, *newline;

	process->command = file_read(&size, "/proc/%d/comm", process->pid);
	if (process->command == NULL)
		process->command = alloc_string("");
	/* A newline may also be within the name. */
	newline = strrchr(process->command, '\n');
	if (newline != NULL && newline[1] == '\0')
		*newline = '\0';
	arguments = file_read(&size, "/proc/%d/cmdline", process->pid);
	if (arguments != NULL)
		process->option = wc_option_find(arguments, size);
	free(arguments);
}

static void
process_read_environment(struct process *process)
{
	size_t size;
	char *environment = file_read(&size, "/proc/%d/environ", process->pid);
	const char *policy;

	if (environment == NULL)
		return;
	process->preload = wc_preload_find(environment, size);
	policy = wc_preload_get(environment, size, POLICY);
	/* The option replaces the variable, and an empty one does not count. */
	if (process->option == NULL && policy != NULL && policy[0] != '\0')
		process->option = alloc_format(POLICY "=%s", policy);
	free(environment);
}

bool
process_read(struct process *process, pid_t pid)
{
	memset(process, 0, sizeof(*process));
	if (!file_exists("/proc/%d", pid))
		return false;
	process->pid = pid;
	process_read_files(process);
	process_read_mappings(process);
	process_read_command(process);
	process_read_environment(process);
	return true;
}

void
process_free(struct process *process)
{
	size_t i;

	for (i = 0; i < process->nb_groups; i++)
		free(process->groups[i]);
	free(process->groups);
	free(process->files);
	free(process->sockets);
	free(process->mappings);
	free(process->command);
	free(process->option);
	wc_preload_free(process->preload);
}

bool
process_uses_vfio(const struct process *process)
{
	return process->nb_groups + process->nb_files + process->nb_mappings > 0;
}
