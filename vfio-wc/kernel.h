/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef KERNEL_H
#define KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mtrr.h"
#include "pci.h"

/* What gives vfio-pci its alias regions. */
enum kernel_wc {
	KERNEL_WC_UNKNOWN,  /* The kernel does not show its symbols. */
	KERNEL_WC_NONE,
	KERNEL_WC_MODULE,   /* The module that replaces the distribution's vfio-pci */
	KERNEL_WC_SERIES,   /* The patches to the kernel itself */
};

struct kernel {
	enum kernel_wc wc;
	char *release;         /* NULL if not shown */
	char *module_version;  /* NULL if it is not the module */
	bool vfio_pci;         /* vfio-pci is loaded or built in. */
	bool compact_offsets;  /* Aliases cannot be told from BARs by their offsets. */
};

/* CAP_IPC_LOCK, CAP_SYS_RAWIO, CAP_SYS_PTRACE (include/uapi/linux/capability.h) */
enum kernel_capability {
	KERNEL_CAP_IPC_LOCK = 14,
	KERNEL_CAP_RAWIO = 17,
	KERNEL_CAP_PTRACE = 19,
};

void kernel_read(struct kernel *kernel);
void kernel_free(struct kernel *kernel);
const char *kernel_wc_name(enum kernel_wc wc);

/* The implementation that serves a device, by the driver that it is bound to. */
enum kernel_wc kernel_wc_of(const struct kernel *kernel, const struct pci_device *device);

/* Whether a symbol exists: 1, 0, or -1 if that is not shown. */
int kernel_has_symbol(const char *name);

/* Whether this process has a capability; assumed if the kernel does not show it. */
bool kernel_may(enum kernel_capability capability);

/* Whether a file system of a type is mounted on a directory. */
bool kernel_has_mount(const char *type, const char *dir);

/* Whether the command line of the kernel has a word. */
bool kernel_has_word(const char *word);

void kernel_read_mtrrs(struct mtrr_list *mtrrs);

#endif /* KERNEL_H */
