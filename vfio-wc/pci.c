/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "pci.h"

#define DEVICES "/sys/bus/pci/devices"

static int
pci_read_number(const char *name, const char *file, int otherwise)
{
	char *line = file_line(DEVICES "/%s/%s", name, file);
	int number = line != NULL ? (int)strtoul(line, NULL, 0) : otherwise;

	free(line);
	return number;
}

static void
pci_read_bars(struct pci_device *device)
{
	FILE *file = file_open(DEVICES "/%s/resource", device->name);
	uint64_t start, end, flags;
	char *line = NULL;
	size_t room = 0;
	int i;

	if (file == NULL)
		return;
	for (i = 0; i < PCI_BARS && file_next_line(file, &line, &room); i++) {
		if (sscanf(line, "%" SCNx64 " %" SCNx64 " %" SCNx64, &start, &end, &flags) != 3 ||
				flags == 0 || end < start || end - start == UINT64_MAX)
			continue;
		device->bars[i].start = start;
		device->bars[i].size = end - start + 1;
		device->bars[i].flags = flags;
	}
	free(line);
	fclose(file);
}

void
pci_read(struct pci_device *device, const char *name)
{
	memset(device, 0, sizeof(*device));
	snprintf(device->name, sizeof(device->name), "%s", name);
	device->exists = file_exists(DEVICES "/%s", name);
	if (!device->exists)
		return;
	device->vendor = pci_read_number(name, "vendor", 0);
	device->device = pci_read_number(name, "device", 0);
	device->class = pci_read_number(name, "class", 0);
	device->enabled = pci_read_number(name, "enable", -1);
	device->driver = file_link_name(DEVICES "/%s/driver", name);
	device->group = file_link_name(DEVICES "/%s/iommu_group", name);
	/* All of VFIO's drivers have it in their names; the directory is there since Linux 6.1. */
	device->vfio = (device->driver != NULL && strstr(device->driver, "vfio") != NULL) ||
		file_exists(DEVICES "/%s/vfio-dev", name);
	pci_read_bars(device);
}

void
pci_free(struct pci_device *device)
{
	free(device->driver);
	free(device->group);
}

bool
pci_list(struct file_names *names)
{
	return file_list(names, DEVICES);
}

bool
pci_list_group(struct file_names *names, const char *group)
{
	return file_list(names, "/sys/kernel/iommu_groups/%s/devices", group);
}

char *
pci_find_node(const char *group, bool *noiommu)
{
	*noiommu = file_exists("/dev/vfio/noiommu-%s", group);
	return alloc_format("/dev/vfio/%s%s", *noiommu ? "noiommu-" : "", group);
}

int
pci_compare_names(const char *a, const char *b)
{
	size_t len_a = strlen(a), len_b = strlen(b);

	return len_a != len_b ? (len_a < len_b ? -1 : 1) : strcmp(a, b);
}

bool
pci_has_bar(const struct pci_device *device, uint64_t flags)
{
	int i;

	flags |= PCI_BAR_MEMORY;
	for (i = 0; i < PCI_BARS; i++) {
		if (device->bars[i].size != 0 && (device->bars[i].flags & flags) == flags)
			return true;
	}
	return false;
}

bool
pci_is_bar_address(const struct pci_device *device, uint64_t address)
{
	int i;

	for (i = 0; i < PCI_BARS; i++) {
		if (address - device->bars[i].start < device->bars[i].size)
			return true;
	}
	return false;
}

const char *
pci_format_size(char text[32], uint64_t size)
{
	static const char * const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	unsigned int unit = 0;

	while (size != 0 && size % 1024 == 0 && unit < sizeof(units) / sizeof(units[0]) - 1) {
		size /= 1024;
		unit++;
	}
	snprintf(text, 32, "%" PRIu64 " %s", size, units[unit]);
	return text;
}
