/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "status.h"
#include "wc_option.h"

/* A region's part of an offset in the device file */
#define REGION_SHIFT 40
/* Regions above those of PCI: the series has its aliases there. */
#define FIRST_ALIAS_REGION 9
/* The module has the alias of a BAR in the upper half of the BAR's own part. */
#define MODULE_ALIAS_BIT ((uint64_t)1 << 39)

bool
status_examines(const struct status *status, pid_t pid)
{
	return status->pid == 0 || status->pid == pid;
}

/* Devices */

static struct pci_device *
status_find_device(const struct status *status, const char *name)
{
	size_t i;

	for (i = 0; i < status->nb_devices; i++) {
		if (strcmp(status->devices[i].name, name) == 0)
			return &status->devices[i];
	}
	return NULL;
}

/* Add a device unless it is there, or is none of VFIO's and only those are wanted. */
static void
status_add_device(struct status *status, const char *name, bool only_vfio)
{
	struct pci_device device;

	if (name[0] == '\0' || status_find_device(status, name) != NULL)
		return;
	pci_read(&device, name);
	if (device.vfio || !only_vfio)
		*ALLOC_APPEND(status->devices, status->nb_devices) = device;
	else
		pci_free(&device);
}

/* Add the devices of a list of names, as far as they are VFIO's. */
static void
status_add_vfio_devices(struct status *status, struct file_names *names)
{
	char name[PCI_NAME_SIZE];
	size_t i;

	for (i = 0; i < names->nb; i++) {
		if (pci_parse_name(names->at[i], name))
			status_add_device(status, name, true);
	}
	file_free_names(names);
}

static void
status_add_devices_of(struct status *status, const struct process *process)
{
	struct file_names names;
	size_t i;

	for (i = 0; i < process->nb_files; i++)
		status_add_device(status, process->files[i].device, false);
	/* Others map resourceN_wc of devices that are not VFIO's. */
	for (i = 0; i < process->nb_mappings; i++)
		status_add_device(status, process->mappings[i].device,
				  process->mappings[i].resource_wc >= 0);
	for (i = 0; i < process->nb_groups; i++) {
		if (pci_list_group(&names, process->groups[i]))
			status_add_vfio_devices(status, &names);
	}
}

static int
status_compare_devices(const void *a, const void *b)
{
	return pci_compare_names(((const struct pci_device *)a)->name,
				 ((const struct pci_device *)b)->name);
}

/* Add all that is to be shown; pointers to devices are valid afterwards. */
static void
status_read_devices(struct status *status)
{
	struct file_names names;
	size_t i;

	if (status->pid == 0 && pci_list(&names))
		status_add_vfio_devices(status, &names);
	for (i = 0; i < status->nb_processes; i++) {
		if (status_examines(status, status->processes[i]->pid))
			status_add_devices_of(status, status->processes[i]);
	}
	for (i = 0; i < status->listed.nb; i++) {
		if (status_examines(status, status->listed.at[i].pid))
			status_add_device(status, status->listed.at[i].device, false);
	}
	if (status->nb_devices > 0)
		qsort(status->devices, status->nb_devices, sizeof(*status->devices),
		      status_compare_devices);
}

/* Processes */

static void
status_read_process(struct status *status, pid_t pid)
{
	struct process *process = alloc_zero(sizeof(*process));
	bool exists = process_read(process, pid);

	if (status_examines(status, pid))
		status->nb_hidden += process->files_hidden || process->mappings_hidden;
	if (exists && process_uses_vfio(process)) {
		*ALLOC_APPEND(status->processes, status->nb_processes) = process;
		return;
	}
	if (exists)
		process_free(process);
	free(process);
}

static void
status_read_processes(struct status *status)
{
	pid_t *pids;
	size_t i, nb = process_list(&pids);

	for (i = 0; i < nb; i++)
		status_read_process(status, pids[i]);
	free(pids);
}

static const struct process *
status_find_process(const struct status *status, pid_t pid)
{
	size_t i;

	for (i = 0; i < status->nb_processes; i++) {
		if (status->processes[i]->pid == pid)
			return status->processes[i];
	}
	return NULL;
}

/* Users */

/* Whether the kernel says that a process has a device open: as it describes a file, or in its list
 * of mappings.
 */
static bool
status_names_device(const struct status *status, const struct process *process,
		    const struct pci_device *device)
{
	size_t i;

	for (i = 0; i < process->nb_files; i++) {
		if (strcmp(process->files[i].device, device->name) == 0)
			return true;
	}
	for (i = 0; i < status->listed.nb; i++) {
		if (status->listed.at[i].pid == process->pid &&
				strcmp(status->listed.at[i].device, device->name) == 0)
			return true;
	}
	return false;
}

/* Whether a process has the group of a device open. */
static bool
status_has_group(const struct process *process, const struct pci_device *device)
{
	size_t i;

	for (i = 0; i < process->nb_groups && device->group != NULL; i++) {
		if (strcmp(process->groups[i], device->group) == 0)
			return true;
	}
	return false;
}

/* Whether a device may be one that a process has open without the kernel naming it. One that nobody
 * has enabled is not open.
 */
static bool
status_is_candidate(const struct status *status, const struct process *process,
		    const struct pci_device *device)
{
	return device->enabled != 0 && device->vfio && status_has_group(process, device) &&
		!status_names_device(status, process, device);
}

/* Whether no other process has the group of a device: it cannot be opened twice, but be shared. */
static bool
status_owns_group(const struct status *status, const struct process *process,
		  const struct pci_device *device)
{
	size_t i;

	for (i = 0; i < status->nb_processes; i++) {
		if (status->processes[i] != process &&
				status_has_group(status->processes[i], device))
			return false;
	}
	return true;
}

/* Whether the files of a process that the kernel does not name can only be of the candidates. */
static enum status_open
status_open_of_candidates(const struct status *status, const struct process *process)
{
	const struct pci_device *device;
	size_t i, nb_files = process->nb_files, nb_candidates = 0;
	bool certain = true;

	for (i = 0; i < status->nb_devices; i++) {
		device = &status->devices[i];
		if (nb_files > 0 && status_names_device(status, process, device))
			nb_files--;
		if (!status_is_candidate(status, process, device))
			continue;
		nb_candidates++;
		certain &= device->enabled > 0 && status_owns_group(status, process, device);
	}
	if (nb_files == 0)
		return STATUS_GROUP_OPEN;
	if (nb_candidates == 1 || (certain && nb_files >= nb_candidates))
		return STATUS_OPEN;
	return STATUS_OPEN_MAYBE;
}

void
status_note(struct status *status, char *text)
{
	*ALLOC_APPEND(status->notes, status->nb_notes) = text;
}

static void
status_add_user(struct status *status, const struct process *process,
		const struct pci_device *device, enum status_open open)
{
	struct status_user *user = ALLOC_APPEND(status->users, status->nb_users);

	user->process = process;
	user->device = device;
	user->open = open;
}

static void
status_add_users_of(struct status *status, const struct process *process)
{
	enum status_open open = status_open_of_candidates(status, process);
	size_t i, nb_open = 0;
	const struct pci_device *device;

	for (i = 0; i < status->nb_devices; i++) {
		device = &status->devices[i];
		if (status_names_device(status, process, device)) {
			status_add_user(status, process, device, STATUS_OPEN);
			nb_open++;
		} else if (status_is_candidate(status, process, device)) {
			status_add_user(status, process, device, open);
			nb_open++;
		} else if (device->vfio && status_has_group(process, device)) {
			status_add_user(status, process, device, STATUS_GROUP_OPEN);
		}
	}
	if (process->nb_files > 0 && nb_open == 0)
		status_note(status, alloc_format("process %d has a device open that the kernel "
						 "does not name", process->pid));
}

/* Have a process tell what its devices were granted. */
static void
status_ask(struct status *status, const struct process *process)
{
	struct telemetry telemetry;
	struct status_user *user;
	size_t i;

	telemetry_open(&telemetry, process);
	for (i = 0; i < status->nb_users; i++) {
		user = &status->users[i];
		if (user->process == process && user->open != STATUS_GROUP_OPEN)
			user->grants = telemetry_ask(&telemetry, user->device->name);
	}
	telemetry_close(&telemetry);
}

/* Mappings */

/* Whether a mapping is of an alias; sets its BAR where the offset shows it. */
static bool
status_is_alias(const struct status *status, const struct process_mapping *mapping,
		struct kernel_mapping *alias)
{
	unsigned int region = mapping->offset >> REGION_SHIFT;
	size_t i;

	alias->bar = -1;
	alias->bar_offset = 0;
	if (mapping->resource_wc >= 0)
		return false;
	/* Linux before 6.10 shows the physical address for the offset of a BAR's mapping. */
	for (i = 0; i < status->nb_devices; i++) {
		if (pci_is_bar_address(&status->devices[i], mapping->offset))
			return false;
	}
	switch (status->kernel.wc) {
	case KERNEL_WC_MODULE:
		if (region >= PCI_BARS || (mapping->offset & MODULE_ALIAS_BIT) == 0)
			return false;
		alias->bar = region;
		alias->bar_offset = mapping->offset & (MODULE_ALIAS_BIT - 1);
		return true;
	case KERNEL_WC_SERIES:
		return region >= FIRST_ALIAS_REGION && !status->kernel.compact_offsets;
	default:
		return false;
	}
}

/* The device of a mapping: by its path, or because no other device is open. */
static const struct pci_device *
status_device_of(const struct status *status, const struct process *process,
		 const struct process_mapping *mapping)
{
	const struct pci_device *device = NULL;
	size_t i;

	if (mapping->device[0] != '\0')
		return status_find_device(status, mapping->device);
	for (i = 0; i < status->nb_users; i++) {
		if (status->users[i].process != process ||
				status->users[i].open == STATUS_GROUP_OPEN)
			continue;
		if (device != NULL)
			return NULL;
		device = status->users[i].device;
	}
	return device;
}

static void
status_add_mappings_of(struct status *status, const struct process *process)
{
	const struct process_mapping *in;
	struct kernel_mapping alias = { .pid = process->pid, .asked = "WC", .effective = "" };
	struct status_mapping *mapping;
	size_t i;

	for (i = 0; i < process->nb_mappings; i++) {
		in = &process->mappings[i];
		if (!status_is_alias(status, in, &alias))
			continue;
		mapping = ALLOC_APPEND(status->mappings, status->nb_mappings);
		mapping->kernel = alias;
		mapping->kernel.start = in->start;
		mapping->kernel.end = in->end;
		mapping->command = process->command;
		mapping->device = status_device_of(status, process, in);
		mapping->type = STATUS_NOT_VERIFIED;
	}
}

/* The mapping in maps that the kernel's file lists, or a new one. */
static struct status_mapping *
status_match(struct status *status, const struct kernel_mapping *listed)
{
	struct status_mapping *mapping;
	size_t i;

	for (i = 0; i < status->nb_mappings; i++) {
		mapping = &status->mappings[i];
		if (!mapping->listed && mapping->kernel.pid == listed->pid &&
				mapping->kernel.start == listed->start &&
				mapping->kernel.end == listed->end)
			return mapping;
	}
	return ALLOC_APPEND(status->mappings, status->nb_mappings);
}

static enum status_type
status_compare_type(const struct kernel_mapping *listed)
{
	if (strcmp(listed->effective, "-") == 0)
		return STATUS_UNTOUCHED;
	return strcmp(listed->effective, listed->asked) == 0 ? STATUS_EFFECTIVE :
		STATUS_NOT_EFFECTIVE;
}

/* The kernel lists the types in page tables: have the range registers take effect on them. */
static void
status_apply_mtrrs(const struct status *status, struct status_mapping *mapping)
{
	struct kernel_mapping *kernel = &mapping->kernel;
	char effective[MAPPINGS_TYPE_SIZE];
	enum mtrr_wc wc;

	if (mapping->device == NULL || mapping->device->bars[kernel->bar].size == 0)
		return;
	wc = mtrr_find_wc(&status->mtrrs, mapping->device->bars[kernel->bar].start +
			  kernel->bar_offset, kernel->end - kernel->start);
	mtrr_combine(wc, kernel->effective, effective, sizeof(effective));
	mapping->by_mtrr = strcmp(effective, kernel->effective) != 0;
	strcpy(kernel->effective, effective);
}

static void
status_add_listed(struct status *status, const struct kernel_mapping *listed)
{
	struct status_mapping *mapping = status_match(status, listed);
	const struct process *process = status_find_process(status, listed->pid);

	mapping->kernel = *listed;
	mapping->command = process != NULL ? process->command : listed->command;
	mapping->device = status_find_device(status, listed->device);
	mapping->listed = true;
	status_apply_mtrrs(status, mapping);
	mapping->type = status_compare_type(&mapping->kernel);
}

static void
status_add_resources_of(struct status *status, const struct process *process)
{
	struct status_resource *resource;
	size_t i;

	for (i = 0; i < process->nb_mappings; i++) {
		if (process->mappings[i].resource_wc < 0 ||
				status_find_device(status, process->mappings[i].device) == NULL)
			continue;
		resource = ALLOC_APPEND(status->resources, status->nb_resources);
		resource->process = process;
		resource->mapping = &process->mappings[i];
	}
}

/* Requests */

bool
status_hides_aliases(const struct status *status)
{
	return status->listed.missing != NULL && (status->kernel.wc == KERNEL_WC_UNKNOWN ||
		(status->kernel.wc == KERNEL_WC_SERIES && status->kernel.compact_offsets));
}

/* Whether a process requests write-combining for a device, by its option or by the library. */
static bool
status_asks(const struct process *process, const struct pci_device *device)
{
	return (process->option != NULL && wc_option_asks(process->option, device->name)) ||
		(process->preload != NULL && wc_preload_asks(process->preload, device));
}

/* Whether a process requests write-combining for all the devices that it may have open. */
static bool
status_asks_for_all(const struct status *status, const struct process *process)
{
	size_t i;

	for (i = 0; i < status->nb_users; i++) {
		if (status->users[i].process == process &&
				!status_asks(process, status->users[i].device))
			return false;
	}
	return true;
}

static enum status_request
status_follow_request(const struct status *status, const struct status_user *user)
{
	const struct process *process = user->process;
	size_t i, nb_mapped = 0, nb_unclear = 0;

	if (user->open == STATUS_GROUP_OPEN || !status_asks(process, user->device))
		return STATUS_NOT_REQUESTED;
	for (i = 0; i < status->nb_mappings; i++) {
		if (status->mappings[i].kernel.pid != process->pid)
			continue;
		if (status->mappings[i].device == user->device)
			return STATUS_MAPPED;
		nb_mapped++;
		nb_unclear += status->mappings[i].device == NULL;
	}
	if (nb_unclear > 0 || process->mappings_hidden || status_hides_aliases(status))
		return STATUS_UNCLEAR;
	if (user->open == STATUS_OPEN_MAYBE &&
			(nb_mapped > 0 || !status_asks_for_all(status, process)))
		return STATUS_UNCLEAR;
	return STATUS_NOT_MAPPED;
}

const char *
status_reason(const struct status *status, const struct status_mapping *mapping)
{
	switch (mapping->type) {
	case STATUS_UNTOUCHED:
		return "no page is present yet";
	case STATUS_NOT_VERIFIED:
		return status->listed.missing != NULL ? status->listed.missing :
			"the kernel does not list it";
	default:
		return NULL;
	}
}

static void
status_add_all_of(struct status *status, const struct process *process)
{
	status_add_users_of(status, process);
	status_ask(status, process);
	status_add_mappings_of(status, process);
	status_add_resources_of(status, process);
}

void
status_read(struct status *status, pid_t pid)
{
	size_t i;

	memset(status, 0, sizeof(*status));
	status->pid = pid;
	kernel_read(&status->kernel);
	kernel_read_mtrrs(&status->mtrrs);
	status_read_processes(status);
	/* Later than maps: what is listed in addition has just been mapped. */
	mappings_read(&status->listed);
	status_read_devices(status);
	for (i = 0; i < status->nb_processes; i++) {
		if (status_examines(status, status->processes[i]->pid))
			status_add_all_of(status, status->processes[i]);
	}
	for (i = 0; i < status->listed.nb; i++) {
		if (status_examines(status, status->listed.at[i].pid))
			status_add_listed(status, &status->listed.at[i]);
	}
	for (i = 0; i < status->nb_users; i++)
		status->users[i].request = status_follow_request(status, &status->users[i]);
	status_judge(status);
}

void
status_free(struct status *status)
{
	size_t i;

	for (i = 0; i < status->nb_processes; i++) {
		process_free(status->processes[i]);
		free(status->processes[i]);
	}
	for (i = 0; i < status->nb_devices; i++)
		pci_free(&status->devices[i]);
	for (i = 0; i < status->nb_users; i++)
		telemetry_free(status->users[i].grants);
	for (i = 0; i < status->nb_notes; i++)
		free(status->notes[i]);
	free(status->processes);
	free(status->devices);
	free(status->users);
	free(status->mappings);
	free(status->resources);
	free(status->notes);
	free(status->verdict);
	mappings_free(&status->listed);
	kernel_free(&status->kernel);
}
