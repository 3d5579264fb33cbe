/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc.h"
#include "file.h"

/* Nothing that is read whole is larger: a command line, /boot/config-* */
#define MAX_SIZE (4u << 20)
#define CHUNK (16u << 10)

static const char *root = "";

void
file_set_root(const char *dir)
{
	root = dir;
}

bool
file_has_root(void)
{
	return root[0] != '\0';
}

static char *
file_vpath(const char *format, va_list args)
{
	char *path, *rest;

	if (vasprintf(&rest, format, args) < 0)
		rest = NULL;
	path = alloc_format("%s%s", root, rest != NULL ? rest : "");
	free(rest);
	return path;
}

/* Set path from the arguments of a function with a format. */
#define FILE_SET_PATH(path, format) do { \
	va_list args_; \
	va_start(args_, format); \
	(path) = file_vpath(format, args_); \
	va_end(args_); \
} while (0)

/* Release memory and keep errno. */
static void
file_free(void *memory)
{
	int error = errno;

	free(memory);
	errno = error;
}

char *
file_path(const char *format, ...)
{
	char *path;

	FILE_SET_PATH(path, format);
	return path;
}

static FILE *
file_open_path(const char *path)
{
	/* Nothing blocks, should there be a pipe or a device in place of the file. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat info;
	FILE *file = NULL;
	int error;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &info) == 0) {
		errno = EINVAL;
		if (S_ISREG(info.st_mode))
			file = fdopen(fd, "r");
	}
	if (file == NULL) {
		error = errno;
		close(fd);
		errno = error;
	}
	return file;
}

FILE *
file_open(const char *format, ...)
{
	char *path;
	FILE *file;

	FILE_SET_PATH(path, format);
	file = file_open_path(path);
	file_free(path);
	return file;
}

static char *
file_read_path(const char *path, size_t *size)
{
	FILE *file = file_open_path(path);
	char *text = NULL;
	size_t len = 0, got;

	if (file == NULL)
		return NULL;
	do {
		text = alloc_resize(text, len + CHUNK + 1);
		got = fread(text + len, 1, CHUNK, file);
		len += got;
	} while (got == CHUNK && len < MAX_SIZE);
	if (ferror(file)) {
		file_free(text);
		text = NULL;
	} else {
		text[len] = '\0';
		*size = len;
	}
	fclose(file);
	return text;
}

char *
file_read(size_t *size, const char *format, ...)
{
	char *path, *text;

	FILE_SET_PATH(path, format);
	text = file_read_path(path, size);
	file_free(path);
	return text;
}

char *
file_line(const char *format, ...)
{
	char *path, *text;
	size_t size;

	FILE_SET_PATH(path, format);
	text = file_read_path(path, &size);
	file_free(path);
	if (text != NULL)
		text[strcspn(text, "\n")] = '\0';
	return text;
}

static char *
file_link_path(const char *path)
{
	char target[4096];
	ssize_t len = readlink(path, target, sizeof(target) - 1);

	if (len < 0)
		return NULL;
	target[len] = '\0';
	return alloc_string(target);
}

char *
file_link(const char *format, ...)
{
	char *path, *target;

	FILE_SET_PATH(path, format);
	target = file_link_path(path);
	file_free(path);
	return target;
}

char *
file_link_name(const char *format, ...)
{
	char *path, *target, *slash;

	FILE_SET_PATH(path, format);
	target = file_link_path(path);
	file_free(path);
	slash = target != NULL ? strrchr(target, '/') : NULL;
	if (slash != NULL)
		memmove(target, slash + 1, strlen(slash));
	return target;
}

bool
file_exists(const char *format, ...)
{
	struct stat info;
	bool exists;
	char *path;

	FILE_SET_PATH(path, format);
	exists = lstat(path, &info) == 0;
	free(path);
	return exists;
}

static int
file_compare_names(const void *a, const void *b)
{
	return strcmp(*(char * const *)a, *(char * const *)b);
}

bool
file_list(struct file_names *names, const char *format, ...)
{
	struct dirent *entry;
	char *path;
	DIR *dir;

	memset(names, 0, sizeof(*names));
	FILE_SET_PATH(path, format);
	dir = opendir(path);
	file_free(path);
	if (dir == NULL)
		return false;
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.')
			*ALLOC_APPEND(names->at, names->nb) = alloc_string(entry->d_name);
	}
	closedir(dir);
	if (names->nb > 0)
		qsort(names->at, names->nb, sizeof(*names->at), file_compare_names);
	return true;
}

void
file_free_names(struct file_names *names)
{
	size_t i;

	for (i = 0; i < names->nb; i++)
		free(names->at[i]);
	free(names->at);
}

bool
file_next_line(FILE *file, char **line, size_t *room)
{
	ssize_t len = getline(line, room, file);

	if (len < 0)
		return false;
	if (len > 0 && (*line)[len - 1] == '\n')
		(*line)[len - 1] = '\0';
	return true;
}
