/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef MAPPINGS_H
#define MAPPINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "pci.h"

/*
 * Where the kernel lists the mappings of aliases, with the types in their page tables: the file of
 * the module, and the directory in which the series has a file for each device
 */
#define MAPPINGS_MODULE "/sys/kernel/debug/vfio_pci_wc/mappings"
#define MAPPINGS_SERIES "/sys/kernel/debug/vfio"
#define MAPPINGS_TYPE_SIZE 40

/* One line of a file */
struct kernel_mapping {
	char device[PCI_NAME_SIZE];
	pid_t pid;           /* 0 if the process is not shown */
	uint64_t start;
	uint64_t end;
	int bar;
	uint64_t bar_offset;
	char asked[MAPPINGS_TYPE_SIZE];
	char effective[MAPPINGS_TYPE_SIZE];  /* A type, a list, or "-" if no page is present */
	uint64_t pages_4k;
	uint64_t pages_2m;
	uint64_t pages_1g;
	uint64_t faults;
	bool has_faults;     /* The series does not count them. */
	char *command;
};

struct kernel_mappings {
	char *missing;         /* Why there is no such file, NULL if it was read */
	const char *source;    /* MAPPINGS_MODULE or MAPPINGS_SERIES, NULL if neither was read */
	struct kernel_mapping *at;
	size_t nb;
	size_t nb_malformed;   /* Lines that are not of the format */
};

void mappings_read(struct kernel_mappings *mappings);
void mappings_free(struct kernel_mappings *mappings);

#endif /* MAPPINGS_H */
