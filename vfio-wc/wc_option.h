/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef WC_OPTION_H
#define WC_OPTION_H

#include <stdbool.h>
#include <stddef.h>

/* The EAL option --vfio-wc in the command line of a process, whose arguments end in NUL bytes.
 * NULL if there is none.
 */
char *wc_option_find(const char *arguments, size_t size);

/* Whether the option requests write-combining for a device. One that EAL rejects does not. */
bool wc_option_asks(const char *option, const char *device);

#endif /* WC_OPTION_H */
