/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef WC_PRELOAD_H
#define WC_PRELOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "pci.h"
#include "wc_select.h"

/* What a process requests through the preloaded library */
struct wc_preload {
	char *command;             /* "vfio-wc run" with options that amount to it */
	struct wc_select select;
	bool malformed;            /* The library refuses all mappings. */
};

/* The value of a variable of an environment, whose variables end in NUL bytes; of several the first
 * one, as getenv() has it. NULL if there is none.
 */
const char *wc_preload_get(const char *environment, size_t size, const char *name);

/* By the environment of a process, whose variables end in NUL bytes; NULL without the library. */
struct wc_preload *wc_preload_find(const char *environment, size_t size);
void wc_preload_free(struct wc_preload *preload);

/* Whether it requests write-combining for a BAR that the device has. */
bool wc_preload_asks(const struct wc_preload *preload, const struct pci_device *device);

#endif /* WC_PRELOAD_H */
