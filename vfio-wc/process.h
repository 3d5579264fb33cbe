/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef PROCESS_H
#define PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "pci.h"
#include "wc_preload.h"

/* An open file of a VFIO device */
struct process_file {
	char device[PCI_NAME_SIZE];  /* Empty if the kernel does not name it */
};

/* A mapping of a VFIO device, or of a BAR through sysfs's resourceN_wc */
struct process_mapping {
	uint64_t start;
	uint64_t end;
	uint64_t offset;
	char device[PCI_NAME_SIZE];  /* Empty if the path does not name it */
	int resource_wc;             /* BAR of resourceN_wc, negative if it is of VFIO */
};

struct process {
	pid_t pid;
	char *command;               /* May contain any byte but NUL. */
	char *option;                /* --vfio-wc or DPDK_VFIO_WC with its value, NULL if it has neither */
	struct wc_preload *preload;  /* NULL if it does not run under the preloaded library */
	bool files_hidden;           /* Its files or its mappings may not be read. */
	bool mappings_hidden;
	char **groups;               /* Numbers of the IOMMU groups that it has open */
	size_t nb_groups;
	struct process_file *files;
	size_t nb_files;
	uint64_t *sockets;           /* Inodes */
	size_t nb_sockets;
	struct process_mapping *mappings;
	size_t nb_mappings;
};

/* Convert a word to a PID; 0 if it is none. */
pid_t process_parse_pid(const char *word);

/* PIDs of all processes, ascending; returns their number. */
size_t process_list(pid_t **pids);

/* Read what concerns VFIO; false if there is no such process. */
bool process_read(struct process *process, pid_t pid);
void process_free(struct process *process);

/* Whether it has anything to do with VFIO. */
bool process_uses_vfio(const struct process *process);

#endif /* PROCESS_H */
