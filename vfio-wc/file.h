/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef FILE_H
#define FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Files of the machine. Paths are absolute and made from a format; --root precedes them. */

#define FILE_PATH __attribute__((format(printf, 1, 2)))

void file_set_root(const char *dir);

/* Whether the tree of another machine is examined. */
bool file_has_root(void);

/* The path with the root before it. */
char *file_path(const char *format, ...) FILE_PATH;

/* A regular file for reading; NULL with errno set otherwise. */
FILE *file_open(const char *format, ...) FILE_PATH;

/* The contents; NULL if the file cannot be read. A NUL byte may be among them. */
char *file_read(size_t *size, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The contents up to the first newline or NUL byte; NULL if the file cannot be read. */
char *file_line(const char *format, ...) FILE_PATH;

/* What a symbolic link contains, or the last component of that; NULL with errno set otherwise. */
char *file_link(const char *format, ...) FILE_PATH;
char *file_link_name(const char *format, ...) FILE_PATH;

bool file_exists(const char *format, ...) FILE_PATH;

struct file_names {
	char **at;
	size_t nb;
};

/* The names in a directory, sorted; false with errno set, and none, if it cannot be read. */
bool file_list(struct file_names *names, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void file_free_names(struct file_names *names);

/* Read a line into a buffer, which getline() makes, and end it before the newline. */
bool file_next_line(FILE *file, char **line, size_t *room);

#endif /* FILE_H */
