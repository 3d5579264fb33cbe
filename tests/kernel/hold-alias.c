/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * hold-alias BDF OFFSET SIZE
 *
 * Maps a part of the alias of BAR 2 at an address that allows the largest pages, prints the address and obeys lines of
 * its standard input, each answered with "ok" or with an error:
 *
 *   touch PAGE     store in this page of 4 KiB
 *   hole PAGE      unmap it
 *   name TEXT      set the name of the process; a | in it becomes a new line
 *   child          fork, and touch the first page in the child; it ends with its parent
 *   memory 0|1     turn the device's memory off or on
 *   end
 */

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "vfio.h"

#define BAR 2
#define KIB4 (4UL << 10)
#define GIB1 (1UL << 30)

static int device;
static volatile uint8_t *where;

static bool
hold_touch(const char *arg)
{
	where[strtoul(arg, NULL, 0) * KIB4] = 1;
	return true;
}

static bool
hold_hole(const char *arg)
{
	return munmap((void *)(uintptr_t)(where + strtoul(arg, NULL, 0) * KIB4), KIB4) == 0;
}

static bool
hold_name(const char *arg)
{
	char name[16], *line;

	snprintf(name, sizeof(name), "%s", arg);
	line = strchr(name, '|');
	if (line != NULL)
		*line = '\n';
	return prctl(PR_SET_NAME, name) == 0;
}

static bool
hold_child(const char *arg)
{
	int ready[2];
	char byte = 0;

	(void)arg;
	if (pipe(ready) != 0)
		return false;
	switch (fork()) {
	case -1:
		return false;
	case 0:
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		where[0] = 1;
		if (write(ready[1], &byte, 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	close(ready[1]);
	return read(ready[0], &byte, 1) == 1;
}

static bool
hold_memory(const char *arg)
{
	return set_memory(device, arg[0] == '1');
}

static const struct {
	const char *name;
	bool (*run)(const char *arg);
} commands[] = {
	{ "touch", hold_touch },
	{ "hole", hold_hole },
	{ "name", hold_name },
	{ "child", hold_child },
	{ "memory", hold_memory },
};

static void
obey(char *line)
{
	const char *name = strtok(line, " \n"), *arg = strtok(NULL, "\n");
	unsigned int i;

	for (i = 0; name != NULL && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(name, commands[i].name) == 0)
			puts(commands[i].run(arg != NULL ? arg : "") ? "ok" : strerror(errno));
	}
}

int
main(int argc, char **argv)
{
	struct vfio_wc_alias_region alias;
	uint64_t offset, size;
	char line[64];

	if (argc != 4) {
		fprintf(stderr, "usage: hold-alias BDF OFFSET SIZE\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	device = vfio_open(argv[1]);
	offset = strtoull(argv[2], NULL, 0);
	size = strtoull(argv[3], NULL, 0);
	if (set_alias(device, BAR, WC, &alias) != 0)
		die("VFIO_DEVICE_FEATURE_ALIAS_REGION");
	where = mmap((void *)(64 * GIB1 + offset), size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE,
		device, alias.offset + offset);
	if (where == MAP_FAILED)
		die("mmap");
	printf("ready %lx\n", (unsigned long)where);
	while (fgets(line, sizeof(line), stdin) != NULL && strcmp(line, "end\n") != 0)
		obey(line);
	return 0;
}
