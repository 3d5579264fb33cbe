/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "kernel.h"
#include "mappings.h"
#include "process.h"

#define DEBUGFS "/sys/kernel/debug"

/* The reason why the files cannot be read */
static char *
mappings_explain(const struct kernel_mappings *mappings, int error)
{
	switch (error) {
	case EACCES:
		return alloc_string("not root");
	case EPERM:
		return alloc_string("the kernel is locked down");
	case ENOENT:
		if (!kernel_has_mount("debugfs", DEBUGFS))
			return alloc_string("debugfs is not mounted");
		return alloc_string("this kernel does not show it");
	default:
		return alloc_format("%s: %s", mappings->source, strerror(error));
	}
}

/* The next column of a line, NULL if there is none. */
static char *
mappings_column(char **rest)
{
	char *column;

	*rest += strspn(*rest, " \t");
	column = *rest;
	*rest += strcspn(*rest, " \t");
	if (*rest == column)
		return NULL;
	if (**rest != '\0')
		*(*rest)++ = '\0';
	return column;
}

static bool
mappings_number(char **rest, int base, uint64_t *number)
{
	char *column = mappings_column(rest);
	char *end;

	if (column == NULL || column[0] < '0' || column[0] > '9')
		return false;
	errno = 0;
	*number = strtoull(column, &end, base);
	return *end == '\0' && errno == 0;
}

/* Zero is a process that has ended, or is in another PID namespace. */
static bool
mappings_pid(char **rest, pid_t *pid)
{
	char *column = mappings_column(rest);

	if (column == NULL)
		return false;
	*pid = process_parse_pid(column);
	return *pid != 0 || strcmp(column, "0") == 0;
}

static bool
mappings_range(char **rest, struct kernel_mapping *mapping)
{
	char *column = mappings_column(rest);
	int end = -1;

	return column != NULL && column[strspn(column, "0123456789abcdef-")] == '\0' &&
		sscanf(column, "%" SCNx64 "-%" SCNx64 "%n", &mapping->start, &mapping->end,
		       &end) == 2 && column[end] == '\0' && mapping->start < mapping->end;
}

/* A memory type, or a list of types */
static bool
mappings_type(char **rest, char type[MAPPINGS_TYPE_SIZE])
{
	char *column = mappings_column(rest);

	if (column == NULL || strlen(column) >= MAPPINGS_TYPE_SIZE ||
			column[strspn(column, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-,")] != '\0')
		return false;
	strcpy(type, column);
	return true;
}

/* Take a line apart; the mapping's command points into it. has_faults tells which file it is of. */
static bool
mappings_parse(char *line, struct kernel_mapping *mapping)
{
	char *rest = line;
	uint64_t bar;
	char *column;

	column = mappings_column(&rest);
	if (column == NULL || !pci_parse_name(column, mapping->device))
		return false;
	if (!mappings_pid(&rest, &mapping->pid) || !mappings_range(&rest, mapping) ||
			!mappings_number(&rest, 10, &bar) || bar >= PCI_BARS ||
			!mappings_number(&rest, 0, &mapping->bar_offset) ||
			!mappings_type(&rest, mapping->asked) ||
			!mappings_type(&rest, mapping->effective) ||
			!mappings_number(&rest, 10, &mapping->pages_4k) ||
			!mappings_number(&rest, 10, &mapping->pages_2m) ||
			!mappings_number(&rest, 10, &mapping->pages_1g) ||
			(mapping->has_faults && !mappings_number(&rest, 10, &mapping->faults)))
		return false;
	mapping->bar = bar;
	mapping->command = rest;
	return true;
}

/* End a line before its newline; false if it was cut off. */
static bool
mappings_end_line(char *line)
{
	char *newline = strchr(line, '\n');

	if (newline != NULL)
		*newline = '\0';
	return newline != NULL;
}

/* Add the mappings of a file, and close it. Returns 0 or the error. */
static int
mappings_read_file(struct kernel_mappings *mappings, FILE *file, bool has_faults)
{
	struct kernel_mapping mapping = { .has_faults = has_faults };
	char *line = NULL;
	size_t room = 0;
	int error;

	errno = 0;
	while (getline(&line, &room, file) >= 0) {
		if (line[0] == '#')
			continue;
		if (mappings_end_line(line) && mappings_parse(line, &mapping)) {
			mapping.command = alloc_string(mapping.command);
			*ALLOC_APPEND(mappings->at, mappings->nb) = mapping;
		} else {
			mappings->nb_malformed++;
		}
	}
	error = ferror(file) ? errno : 0;
	free(line);
	fclose(file);
	return error;
}

/* Read the file of each device that has one. Returns 0 or an error, which is ENOENT if none has. */
static int
mappings_read_series(struct kernel_mappings *mappings)
{
	struct file_names devices;
	int error = ENOENT;
	FILE *file;
	size_t i;

	if (!file_list(&devices, MAPPINGS_SERIES))
		return errno;
	for (i = 0; i < devices.nb && (error == 0 || error == ENOENT); i++) {
		file = file_open(MAPPINGS_SERIES "/%s/pci/alias_mappings", devices.at[i]);
		if (file != NULL)
			error = mappings_read_file(mappings, file, false);
		else if (errno != ENOENT)
			error = errno;
	}
	file_free_names(&devices);
	return error;
}

void
mappings_read(struct kernel_mappings *mappings)
{
	FILE *file = file_open(MAPPINGS_MODULE);
	int error;

	memset(mappings, 0, sizeof(*mappings));
	mappings->source = MAPPINGS_MODULE;
	if (file != NULL) {
		error = mappings_read_file(mappings, file, true);
	} else if (errno == ENOENT) {
		mappings->source = MAPPINGS_SERIES;
		error = mappings_read_series(mappings);
	} else {
		error = errno;
	}
	if (error == 0)
		return;
	mappings->missing = mappings_explain(mappings, error);
	mappings->source = NULL;
}

void
mappings_free(struct kernel_mappings *mappings)
{
	size_t i;

	for (i = 0; i < mappings->nb; i++)
		free(mappings->at[i].command);
	free(mappings->at);
	free(mappings->missing);
}
