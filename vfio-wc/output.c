/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "escape.h"
#include "output.h"

const char *
output_open_name(enum status_open open)
{
	static const char * const names[] = {
		[STATUS_OPEN] = "yes",
		[STATUS_OPEN_MAYBE] = "maybe",
		[STATUS_GROUP_OPEN] = "group",
	};

	return names[open];
}

const char *
output_request_name(enum status_request request)
{
	static const char * const names[] = {
		[STATUS_NOT_REQUESTED] = "none",
		[STATUS_MAPPED] = "mapped",
		[STATUS_NOT_MAPPED] = "not-mapped",
		[STATUS_UNCLEAR] = "unclear",
	};

	return names[request];
}

const char *
output_grant_name(enum telemetry_state state)
{
	static const char * const names[] = {
		[TELEMETRY_NOT_REQUESTED] = "not-requested",
		[TELEMETRY_GRANTED] = "granted",
		[TELEMETRY_REFUSED] = "refused",
	};

	return names[state];
}

static void
output_device(const struct status *status, const struct pci_device *device)
{
	enum kernel_wc wc = kernel_wc_of(&status->kernel, device);

	printf("%s", device->name);
	if (!device->exists) {
		printf("  no such device\n");
		return;
	}
	printf("  %04x:%04x  ", device->vendor, device->device);
	escape_text(device->driver != NULL ? device->driver : "no driver");
	printf("  alias regions: %s", kernel_wc_name(wc));
	if (wc == KERNEL_WC_MODULE) {
		printf(" ");
		escape_text(status->kernel.module_version);
	}
	printf("\n");
}

/* Registers that make a BAR write-combining, its default mapping included */
static void
output_mtrrs(const struct mtrr_list *mtrrs, const struct pci_bar *bar)
{
	size_t i;

	for (i = 0; i < mtrrs->nb; i++) {
		if (mtrr_makes_wc(mtrrs, &mtrrs->at[i], bar->start, bar->size))
			printf(", write-combining by MTRR reg%02u", mtrrs->at[i].number);
	}
}

static void
output_bars(const struct status *status, const struct pci_device *device)
{
	const struct pci_bar *bar;
	char size[32];
	int i;

	for (i = 0; i < PCI_BARS; i++) {
		bar = &device->bars[i];
		if (bar->size == 0 || (bar->flags & PCI_BAR_MEMORY) == 0)
			continue;
		printf("  BAR%d     %s at 0x%" PRIx64 "%s", i, pci_format_size(size, bar->size),
		       bar->start,
		       bar->flags & PCI_BAR_PREFETCHABLE ? ", prefetchable" : "");
		output_mtrrs(&status->mtrrs, bar);
		printf("\n");
	}
}

static void
output_resources(const struct status *status, const struct pci_device *device)
{
	const struct status_resource *resource;
	size_t i;

	for (i = 0; i < status->nb_resources; i++) {
		resource = &status->resources[i];
		if (strcmp(resource->mapping->device, device->name) != 0)
			continue;
		printf("  BAR%d     mapped through resource%d_wc by %d ",
		       resource->mapping->resource_wc, resource->mapping->resource_wc,
		       resource->process->pid);
		escape_text(resource->process->command);
		printf("\n");
	}
}

static void
output_process(const struct process *process)
{
	printf("%d ", process->pid);
	escape_text(process->command);
}

static void
output_user(const struct status_user *user)
{
	static const char * const open[] = {
		[STATUS_OPEN] = "has it open",
		[STATUS_OPEN_MAYBE] = "may have it open: the kernel names only the group",
		[STATUS_GROUP_OPEN] = "has only its group open",
	};
	static const char * const request[] = {
		[STATUS_NOT_REQUESTED] = "",
		[STATUS_MAPPED] = "",
		[STATUS_NOT_MAPPED] = "; NO WRITE-COMBINING MAPPING",
		[STATUS_UNCLEAR] = "; a write-combining mapping cannot be seen",
	};

	printf("  process  ");
	output_process(user->process);
	printf(" %s", open[user->open]);
	if (user->process->option != NULL) {
		printf("; ");
		escape_text(user->process->option);
	}
	if (user->process->preload != NULL) {
		printf("; ");
		escape_text(user->process->preload->command);
	}
	printf("%s\n", request[user->request]);
}

static void
output_grant(const struct process *process, const struct telemetry_bar *bar, int number)
{
	printf("  %s  ", output_grant_name(bar->state));
	output_process(process);
	printf(" BAR%d%s", number, bar->activated ? " in place of the default mapping" : "");
	if (bar->reason != NULL) {
		printf("%s: ", bar->state == TELEMETRY_GRANTED ? ", not all of it is mapped" : "");
		escape_text(bar->reason);
	}
	printf("\n");
}

/* What the process tells by its telemetry, one line for each BAR that its driver requested */
static void
output_grants(const struct status_user *user)
{
	int i;

	if (user->grants == NULL)
		return;
	for (i = 0; i < PCI_BARS; i++) {
		if (user->grants->bars[i].state != TELEMETRY_NOT_REQUESTED)
			output_grant(user->process, &user->grants->bars[i], i);
	}
	if (user->grants->error != NULL) {
		printf("  unknown  ");
		output_process(user->process);
		printf(" what was granted: %s\n", user->grants->error);
	}
}

static void
output_pages(const struct kernel_mapping *mapping)
{
	printf(" (%" PRIu64 " x 4K, %" PRIu64 " x 2M, %" PRIu64 " x 1G",
	       mapping->pages_4k, mapping->pages_2m, mapping->pages_1g);
	if (mapping->has_faults)
		printf(", %" PRIu64 " faults", mapping->faults);
	printf(")");
}

static void
output_mapping(const struct status *status, const struct status_mapping *mapping)
{
	const struct kernel_mapping *kernel = &mapping->kernel;
	char size[32];

	printf("  mapping  %d ", kernel->pid);
	escape_text(mapping->command);
	printf(" %" PRIx64 "-%" PRIx64 " (%s)", kernel->start, kernel->end,
	       pci_format_size(size, kernel->end - kernel->start));
	if (kernel->bar >= 0)
		printf(" BAR%d+0x%" PRIx64, kernel->bar, kernel->bar_offset);
	printf(": asked %s, granted, effective ", kernel->asked);
	if (mapping->type == STATUS_EFFECTIVE || mapping->type == STATUS_NOT_EFFECTIVE) {
		printf("%s%s", kernel->effective, mapping->by_mtrr ? " by MTRR" : "");
		output_pages(kernel);
		if (mapping->type == STATUS_NOT_EFFECTIVE)
			printf(" NOT WHAT WAS ASKED FOR");
	} else {
		printf("not verified: ");
		escape_text(status_reason(status, mapping));
	}
	printf("\n");
}

/* Mappings that are attributed to a device, or to none if it is NULL */
static void
output_mappings(const struct status *status, const struct pci_device *device)
{
	size_t i;

	for (i = 0; i < status->nb_mappings; i++) {
		if (status->mappings[i].device == device)
			output_mapping(status, &status->mappings[i]);
	}
}

static size_t
output_count_unattributed(const struct status *status)
{
	size_t i, nb = 0;

	for (i = 0; i < status->nb_mappings; i++)
		nb += status->mappings[i].device == NULL;
	return nb;
}

void
output_text(const struct status *status)
{
	const struct pci_device *device;
	size_t i, user;

	for (i = 0; i < status->nb_devices; i++) {
		device = &status->devices[i];
		output_device(status, device);
		output_bars(status, device);
		output_resources(status, device);
		for (user = 0; user < status->nb_users; user++) {
			if (status->users[user].device != device)
				continue;
			output_user(&status->users[user]);
			output_grants(&status->users[user]);
		}
		output_mappings(status, device);
	}
	if (status->nb_devices == 0)
		printf("no device is bound to vfio-pci or open through VFIO\n");
	if (output_count_unattributed(status) > 0) {
		printf("of one of the devices that the process may have open:\n");
		output_mappings(status, NULL);
	}
	for (i = 0; i < status->nb_notes; i++) {
		printf("note: ");
		escape_text(status->notes[i]);
		printf("\n");
	}
	printf("status: ");
	escape_text(status->verdict);
	printf("\n");
}
