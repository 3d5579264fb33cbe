/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef PCI_H
#define PCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "file.h"
#include "pci_name.h"

#define PCI_BARS 6

/* Bits of the kernel's flags of a resource (include/linux/ioport.h) */
#define PCI_BAR_MEMORY 0x200u
#define PCI_BAR_PREFETCHABLE 0x2000u
#define PCI_BAR_UNSET 0x20000000u

struct pci_bar {
	uint64_t start;
	uint64_t size;    /* Zero if there is no such BAR */
	uint64_t flags;
};

struct pci_device {
	char name[PCI_NAME_SIZE];
	bool exists;
	bool vfio;        /* Bound to a driver that VFIO users can open */
	int enabled;      /* How often it is enabled, as it is while open; negative if not shown */
	unsigned int vendor;
	unsigned int device;
	unsigned int class;
	char *driver;     /* NULL if there is none */
	char *group;      /* Number of its IOMMU group, NULL if there is none */
	struct pci_bar bars[PCI_BARS];
};

/* Read a device, which need not exist. */
void pci_read(struct pci_device *device, const char *name);
void pci_free(struct pci_device *device);

/* Names of all devices, and of those in an IOMMU group. */
bool pci_list(struct file_names *names);
bool pci_list_group(struct file_names *names, const char *group);

/* The file of a group in /dev/vfio; noiommu tells whether it is one of the no-IOMMU mode. */
char *pci_find_node(const char *group, bool *noiommu);

/* Order by domain, then by the rest. */
int pci_compare_names(const char *a, const char *b);

/* Whether the device has a BAR of memory with all of the flags. */
bool pci_has_bar(const struct pci_device *device, uint64_t flags);

/* Whether an address is in a BAR of the device. */
bool pci_is_bar_address(const struct pci_device *device, uint64_t address);

/* A size in the largest unit that divides it; returns text. */
const char *pci_format_size(char text[32], uint64_t size);

#endif /* PCI_H */
