/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef ESCAPE_H
#define ESCAPE_H

/* Print text from elsewhere, such as the name of a program, which may contain any byte. */

/* For a terminal: printable ASCII; other bytes and the backslash as \xNN. */
void escape_text(const char *text);

/* A JSON string with its quotes, or null. What is not UTF-8 becomes U+FFFD. */
void escape_json(const char *text);

/* The value of a Prometheus label, with its quotes. What is not UTF-8 becomes U+FFFD. */
void escape_label(const char *text);

#endif /* ESCAPE_H */
