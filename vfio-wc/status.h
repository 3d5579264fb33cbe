/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef STATUS_H
#define STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "exit_status.h"
#include "kernel.h"
#include "mappings.h"
#include "pci.h"
#include "process.h"
#include "telemetry.h"

/* How a process uses a device */
enum status_open {
	STATUS_OPEN,        /* It has the device open. */
	STATUS_OPEN_MAYBE,  /* It has devices of some groups open, this may be one of them. */
	STATUS_GROUP_OPEN,  /* It has the group of the device open, but no device. */
};

/* What becomes of the write-combining that a process requests for a device */
enum status_request {
	STATUS_NOT_REQUESTED,
	STATUS_MAPPED,
	STATUS_NOT_MAPPED,
	STATUS_UNCLEAR,
};

struct status_user {
	const struct process *process;
	const struct pci_device *device;
	enum status_open open;
	enum status_request request;
	struct telemetry_grants *grants;  /* As the process tells, NULL if it does not */
};

/* The effective type of a mapping, compared with the type that was asked for */
enum status_type {
	STATUS_EFFECTIVE,
	STATUS_NOT_EFFECTIVE,
	STATUS_UNTOUCHED,     /* No page is present yet. */
	STATUS_NOT_VERIFIED,
};

/* A mapping of an alias */
struct status_mapping {
	struct kernel_mapping kernel; /* As the kernel's file lists it, otherwise what maps shows */
	const char *command;
	const struct pci_device *device; /* NULL if it may be one of several */
	bool listed;                  /* In the kernel's file */
	bool by_mtrr;                 /* The effective type is not that of the page tables. */
	enum status_type type;
};

/* A mapping by resourceN_wc, which makes vfio-pci's default mapping write-combining, too */
struct status_resource {
	const struct process *process;
	const struct process_mapping *mapping;
};

struct status {
	struct kernel kernel;
	struct kernel_mappings listed;
	struct mtrr_list mtrrs;
	pid_t pid;                    /* The one process to examine, 0 for all */
	struct process **processes;   /* All that concern VFIO */
	size_t nb_processes;
	size_t nb_hidden;             /* Processes to examine that may not be read */
	struct pci_device *devices;
	size_t nb_devices;
	struct status_user *users;
	size_t nb_users;
	struct status_mapping *mappings;
	size_t nb_mappings;
	struct status_resource *resources;
	size_t nb_resources;
	char **notes;                 /* What limits the answer */
	size_t nb_notes;
	char *verdict;
	enum exit_status exit_status;
};

/* Examine all processes, or one if pid is not zero. */
void status_read(struct status *status, pid_t pid);
void status_free(struct status *status);

/* For the verdict, which is a file of its own: set it, from all that was found */
void status_judge(struct status *status);

/* Whether a process is to be examined. Others may share its groups. */
bool status_examines(const struct status *status, pid_t pid);

/* Whether aliases cannot be told from BARs */
bool status_hides_aliases(const struct status *status);

/* Add what limits the answer; the text is released with the status. */
void status_note(struct status *status, char *text);

/* Why a mapping is not verified */
const char *status_reason(const struct status *status, const struct status_mapping *mapping);

#endif /* STATUS_H */
