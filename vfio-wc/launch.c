/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "alloc.h"
#include "launch.h"
#include "pci.h"
#include "wc_select.h"

/* Where the library is installed; beside the program it is found as well. */
#ifndef VFIO_WC_LIBDIR
#define VFIO_WC_LIBDIR "/usr/local/lib/vfio-wc"
#endif

static enum exit_status __attribute__((format(printf, 2, 3)))
launch_fail(enum exit_status status, const char *format, ...)
{
	va_list args;

	fputs("vfio-wc: run: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return status;
}

/* The library */

static char *
launch_find_library(void)
{
	char *program = realpath("/proc/self/exe", NULL), *slash, *beside;

	slash = program != NULL ? strrchr(program, '/') : NULL;
	if (slash != NULL) {
		beside = alloc_format("%.*s/" WC_SELECT_LIBRARY, (int)(slash - program), program);
		free(program);
		if (access(beside, R_OK) == 0)
			return beside;
		free(beside);
	}
	return alloc_string(VFIO_WC_LIBDIR "/" WC_SELECT_LIBRARY);
}

/* Put the library before those that are preloaded already. */
static enum exit_status
launch_preload(void)
{
	const char *others = getenv("LD_PRELOAD");
	char *library = launch_find_library(), *list;
	enum exit_status status = EXIT_GOOD;

	if (access(library, R_OK) != 0)
		status = launch_fail(EXIT_CANNOT, "the library %s cannot be read: %s: install "
				     "vfio-wc again", library, strerror(errno));
	else if (strpbrk(library, " :") != NULL)
		status = launch_fail(EXIT_CANNOT, "the library %s cannot be preloaded: install "
				     "it in a path without blanks and colons", library);
	if (status == EXIT_GOOD) {
		list = others != NULL && others[0] != '\0' ?
			alloc_format("%s:%s", library, others) : alloc_string(library);
		setenv("LD_PRELOAD", list, 1);
		free(list);
	}
	free(library);
	return status;
}

/* The selection */

/* Append a word to a list, which the first option starts. */
static void
launch_append(char **list, const char *word)
{
	char *longer = *list == NULL ? alloc_string(word) : alloc_format("%s,%s", *list, word);

	free(*list);
	*list = longer;
}

static void
launch_set(const char *variable, char *value)
{
	if (value != NULL)
		setenv(variable, value, 1);
	free(value);
}

/* The BARs of memory that a device has, for a message */
static char *
launch_list_bars(const struct pci_device *device)
{
	char *list = NULL, word[16];
	int i;

	for (i = 0; i < PCI_BARS; i++) {
		if (device->bars[i].size == 0 || (device->bars[i].flags & PCI_BAR_MEMORY) == 0)
			continue;
		snprintf(word, sizeof(word), "BAR%d", i);
		launch_append(&list, word);
	}
	return list != NULL ? list : alloc_string("no BAR of memory");
}

/* Whether the device has what was selected. */
static enum exit_status
launch_check_bars(const struct wc_select_device *selected, const struct pci_device *device)
{
	enum exit_status status = EXIT_GOOD;
	char *bars;
	int i;

	if (!device->exists)
		return launch_fail(EXIT_USAGE, "--bar %s: there is no such device; lspci -D lists "
				   "those there are", selected->name);
	if (selected->prefetchable && !pci_has_bar(device, PCI_BAR_PREFETCHABLE))
		return launch_fail(EXIT_USAGE, "--bar %s: the device has no prefetchable BAR; name "
				   "a BAR that holds only data, as %s:N", selected->name,
				   selected->name);
	for (i = 0; i < PCI_BARS && status == EXIT_GOOD; i++) {
		if ((selected->bars & 1u << i) == 0 || (device->bars[i].size != 0 &&
				(device->bars[i].flags & PCI_BAR_MEMORY) != 0))
			continue;
		bars = launch_list_bars(device);
		status = launch_fail(EXIT_USAGE, "--bar %s:%d: the device has no such BAR of "
				     "memory; it has %s", selected->name, i, bars);
		free(bars);
	}
	return status;
}

static enum exit_status
launch_check_devices(const struct wc_select *select)
{
	enum exit_status status = EXIT_GOOD;
	struct pci_device device;
	size_t i;

	for (i = 0; i < select->nb_devices && status == EXIT_GOOD; i++) {
		pci_read(&device, select->devices[i].name);
		status = launch_check_bars(&select->devices[i], &device);
		pci_free(&device);
	}
	return status;
}

/* Check the variables, as the options have set them or as they were. */
static enum exit_status
launch_check_selection(void)
{
	char error[WC_SELECT_ERROR_SIZE];
	struct wc_select select;

	if (!wc_select_parse(&select, getenv(WC_SELECT_BARS), NULL, NULL, error))
		return launch_fail(EXIT_USAGE, "--bar or " WC_SELECT_BARS " %s", error);
	if (!wc_select_parse(&select, NULL, getenv(WC_SELECT_DRIVERS), NULL, error))
		return launch_fail(EXIT_USAGE, "--driver or " WC_SELECT_DRIVERS " %s", error);
	if (!wc_select_parse(&select, NULL, NULL, getenv(WC_SELECT_MODE), error))
		return launch_fail(EXIT_USAGE, "--mode or " WC_SELECT_MODE " %s", error);
	wc_select_parse(&select, getenv(WC_SELECT_BARS), NULL, NULL, error);
	return launch_check_devices(&select);
}

/* The program */

/* Where execvp() would find a program: the first file that can be executed, or one that exists. */
static char *
launch_find_program(const char *name)
{
	const char *path = getenv("PATH"), *end;
	char *file, *found = NULL;

	if (strchr(name, '/') != NULL)
		return access(name, F_OK) == 0 ? alloc_string(name) : NULL;
	for (path = path != NULL ? path : "/bin:/usr/bin"; ; path = end + 1) {
		end = strchrnul(path, ':');
		file = alloc_format("%.*s%s%s", (int)(end - path), path, end > path ? "/" : "",
				    name);
		if (access(file, X_OK) == 0) {
			free(found);
			return file;
		}
		if (found == NULL && access(file, F_OK) == 0)
			found = file;
		else
			free(file);
		if (*end == '\0')
			return found;
	}
}

/* Whether the dynamic linker ignores LD_PRELOAD for a program because it changes privileges. */
static bool
launch_changes_privileges(const char *file)
{
	struct stat info;

	if (stat(file, &info) != 0)
		return false;
	if ((info.st_mode & S_ISUID) != 0 && info.st_uid != getuid())
		return true;
	if ((info.st_mode & S_ISGID) != 0 && info.st_gid != getgid())
		return true;
	return getuid() != 0 && getxattr(file, "security.capability", NULL, 0) > 0;
}

static enum exit_status
launch_program(char **argv)
{
	char *file = launch_find_program(argv[0]);
	enum exit_status status;

	if (file == NULL)
		return launch_fail(EXIT_NOT_FOUND, "%s: there is no such program%s", argv[0],
				   strchr(argv[0], '/') == NULL ? " in PATH" : "");
	if (launch_changes_privileges(file)) {
		status = launch_fail(EXIT_CANNOT_EXECUTE, "%s: setuid, setgid, or with file "
				     "capabilities: it would ignore the library; run it as the "
				     "user whose privileges it takes", file);
		free(file);
		return status;
	}
	execvp(argv[0], argv);
	status = launch_fail(EXIT_CANNOT_EXECUTE, "%s: %s: name a program that can be executed",
			     file, strerror(errno));
	free(file);
	return status;
}

enum exit_status
launch_run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "bar", required_argument, NULL, 'b' },
		{ "driver", required_argument, NULL, 'd' },
		{ "mode", required_argument, NULL, 'm' },
		{ NULL, 0, NULL, 0 },
	};
	char *bars = NULL, *drivers = NULL, *mode = NULL;
	enum exit_status status;
	int option;

	/* For messages of getopt_long() */
	argv[0] = "vfio-wc: run";
	/* What follows the program is its own. */
	while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		switch (option) {
		case 'b':
			launch_append(&bars, optarg);
			break;
		case 'd':
			launch_append(&drivers, optarg);
			break;
		case 'm':
			free(mode);
			mode = alloc_string(optarg);
			break;
		default:
			/* getopt_long() has reported it. */
			return EXIT_USAGE;
		}
	}
	launch_set(WC_SELECT_BARS, bars);
	launch_set(WC_SELECT_DRIVERS, drivers);
	launch_set(WC_SELECT_MODE, mode);
	if (optind == argc)
		return launch_fail(EXIT_USAGE, "no program: use vfio-wc run [OPTIONS] -- PROGRAM "
				   "[ARGUMENTS]");
	status = launch_check_selection();
	if (status == EXIT_GOOD)
		status = launch_preload();
	return status == EXIT_GOOD ? launch_program(argv + optind) : status;
}
