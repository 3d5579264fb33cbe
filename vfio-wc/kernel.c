/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "kernel.h"

#define VFIO_PCI "/sys/module/vfio_pci"
/* The first symbol that the series adds */
#define SERIES_SYMBOL "vfio_pci_core_feature_alias"
/* What the module's version begins with */
#define MODULE_VERSION "wc-"

int
kernel_has_symbol(const char *name)
{
	FILE *file = file_open("/proc/kallsyms");
	size_t room = 0, len = strlen(name);
	char *line = NULL;
	const char *word;
	int found = -1;

	if (file == NULL)
		return -1;
	while (found != 1 && file_next_line(file, &line, &room)) {
		/* Address, type, name; a compiler appends .isra and the like to a name. */
		word = strchr(line, ' ');
		word = word != NULL ? strchr(word + 1, ' ') : NULL;
		if (word == NULL)
			continue;
		found = strncmp(word + 1, name, len) == 0 &&
			strchr(". \t", word[1 + len]) != NULL;
	}
	free(line);
	fclose(file);
	return found;
}

static enum kernel_wc
kernel_find_wc(const struct kernel *kernel)
{
	int series;

	if (kernel->module_version != NULL)
		return KERNEL_WC_MODULE;
	series = kernel_has_symbol(SERIES_SYMBOL);
	if (series < 0)
		return KERNEL_WC_UNKNOWN;
	return series ? KERNEL_WC_SERIES : KERNEL_WC_NONE;
}

void
kernel_read(struct kernel *kernel)
{
	char *compact = file_line(VFIO_PCI "/parameters/compact_offsets");
	char *version = file_line(VFIO_PCI "/version");

	memset(kernel, 0, sizeof(*kernel));
	kernel->release = file_line("/proc/sys/kernel/osrelease");
	kernel->vfio_pci = file_exists(VFIO_PCI);
	kernel->compact_offsets = compact != NULL && compact[0] == 'Y';
	if (version != NULL && strncmp(version, MODULE_VERSION, strlen(MODULE_VERSION)) == 0) {
		kernel->module_version = version;
		version = NULL;
	}
	kernel->wc = kernel_find_wc(kernel);
	free(compact);
	free(version);
}

void
kernel_free(struct kernel *kernel)
{
	free(kernel->release);
	free(kernel->module_version);
}

const char *
kernel_wc_name(enum kernel_wc wc)
{
	static const char * const names[] = {
		[KERNEL_WC_UNKNOWN] = "unknown",
		[KERNEL_WC_NONE] = "none",
		[KERNEL_WC_MODULE] = "module",
		[KERNEL_WC_SERIES] = "series",
	};

	return names[wc];
}

enum kernel_wc
kernel_wc_of(const struct kernel *kernel, const struct pci_device *device)
{
	if (device->driver == NULL || !device->vfio)
		return KERNEL_WC_NONE;
	/* The module replaces only vfio-pci. */
	if (kernel->wc == KERNEL_WC_MODULE && strcmp(device->driver, "vfio-pci") != 0)
		return KERNEL_WC_NONE;
	return kernel->wc;
}

bool
kernel_may(enum kernel_capability capability)
{
	FILE *file = file_open("/proc/self/status");
	bool may = true;
	char *line = NULL;
	uint64_t effective;
	size_t room = 0;

	if (file == NULL)
		return true;
	while (file_next_line(file, &line, &room)) {
		if (sscanf(line, "CapEff: %" SCNx64, &effective) == 1)
			may = (effective >> capability & 1) != 0;
	}
	free(line);
	fclose(file);
	return may;
}

bool
kernel_has_mount(const char *type, const char *dir)
{
	FILE *file = file_open("/proc/self/mounts");
	char *line = NULL, *on, *as;
	bool found = false;
	size_t room = 0;

	if (file == NULL)
		return false;
	while (!found && file_next_line(file, &line, &room)) {
		if (strtok(line, " ") == NULL)
			continue;
		on = strtok(NULL, " ");
		as = strtok(NULL, " ");
		found = as != NULL && strcmp(on, dir) == 0 && strcmp(as, type) == 0;
	}
	free(line);
	fclose(file);
	return found;
}

bool
kernel_has_word(const char *word)
{
	char *line = file_line("/proc/cmdline");
	bool found = false;
	char *each;

	if (line == NULL)
		return false;
	for (each = strtok(line, " "); each != NULL && !found; each = strtok(NULL, " "))
		found = strcmp(each, word) == 0;
	free(line);
	return found;
}

void
kernel_read_mtrrs(struct mtrr_list *mtrrs)
{
	FILE *file = file_open("/proc/mtrr");

	mtrr_read(mtrrs, file);
	if (file != NULL)
		fclose(file);
}
