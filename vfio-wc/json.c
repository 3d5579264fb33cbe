/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "escape.h"
#include "output.h"

/* Increased when a member changes its meaning or goes away; new members do not count. */
#define FORMAT 1

/* The next member or element follows others. */
static bool json_follows;

static void
json_separate(void)
{
	if (json_follows)
		printf(", ");
	json_follows = true;
}

static void
json_name(const char *name)
{
	json_separate();
	if (name != NULL)
		printf("\"%s\": ", name);
}

/* Begin an object or an array; an element of an array has no name. */
static void
json_begin(const char *name, char bracket)
{
	json_name(name);
	putchar(bracket);
	json_follows = false;
}

static void
json_end(char bracket)
{
	putchar(bracket);
	json_follows = true;
}

static void
json_string(const char *name, const char *text)
{
	json_name(name);
	escape_json(text);
}

static void
json_number(const char *name, uint64_t number)
{
	json_name(name);
	printf("%" PRIu64, number);
}

/* Readers of JSON may have only 53 bits for a number. */
static void
json_address(const char *name, uint64_t address)
{
	json_name(name);
	printf("\"0x%" PRIx64 "\"", address);
}

static void
json_bool(const char *name, bool value)
{
	json_name(name);
	fputs(value ? "true" : "false", stdout);
}

static void
json_null(const char *name)
{
	json_string(name, NULL);
}

static void
json_mtrrs(const struct status *status, const struct pci_bar *bar)
{
	size_t i;

	json_begin("wc_mtrrs", '[');
	for (i = 0; i < status->mtrrs.nb; i++) {
		if (mtrr_makes_wc(&status->mtrrs, &status->mtrrs.at[i], bar->start, bar->size))
			json_number(NULL, status->mtrrs.at[i].number);
	}
	json_end(']');
}

static void
json_resource_pids(const struct status *status, const struct pci_device *device, int bar)
{
	const struct status_resource *resource;
	size_t i;

	json_begin("resource_wc_pids", '[');
	for (i = 0; i < status->nb_resources; i++) {
		resource = &status->resources[i];
		if (resource->mapping->resource_wc == bar &&
				strcmp(resource->mapping->device, device->name) == 0)
			json_number(NULL, resource->process->pid);
	}
	json_end(']');
}

static void
json_bars(const struct status *status, const struct pci_device *device)
{
	const struct pci_bar *bar;
	int i;

	json_begin("bars", '[');
	for (i = 0; i < PCI_BARS; i++) {
		bar = &device->bars[i];
		if (bar->size == 0 || (bar->flags & PCI_BAR_MEMORY) == 0)
			continue;
		json_begin(NULL, '{');
		json_number("bar", i);
		json_address("start", bar->start);
		json_number("size", bar->size);
		json_bool("prefetchable", (bar->flags & PCI_BAR_PREFETCHABLE) != 0);
		json_mtrrs(status, bar);
		json_resource_pids(status, device, i);
		json_end('}');
	}
	json_end(']');
}

static void
json_device(const struct status *status, const struct pci_device *device)
{
	char id[sizeof("ffffffff:ffffffff")];

	snprintf(id, sizeof(id), "%04x:%04x", device->vendor, device->device);
	json_begin(NULL, '{');
	json_string("device", device->name);
	json_string("id", device->exists ? id : NULL);
	json_string("driver", device->driver);
	json_string("iommu_group", device->group);
	json_string("implementation", kernel_wc_name(kernel_wc_of(&status->kernel, device)));
	json_bars(status, device);
	json_end('}');
}

/* What the process tells by its telemetry; null if it does not */
static void
json_grants(const struct telemetry_grants *grants)
{
	int i;

	if (grants == NULL) {
		json_null("telemetry");
		return;
	}
	json_begin("telemetry", '{');
	json_string("error", grants->error);
	json_begin("bars", '[');
	for (i = 0; i < PCI_BARS; i++) {
		if (grants->bars[i].state == TELEMETRY_NOT_REQUESTED)
			continue;
		json_begin(NULL, '{');
		json_number("bar", i);
		json_string("state", output_grant_name(grants->bars[i].state));
		json_string("reason", grants->bars[i].reason);
		json_bool("activated", grants->bars[i].activated);
		json_end('}');
	}
	json_end(']');
	json_end('}');
}

static void
json_user(const struct status_user *user)
{
	json_begin(NULL, '{');
	json_string("device", user->device->name);
	json_number("pid", user->process->pid);
	json_string("command", user->process->command);
	json_string("open", output_open_name(user->open));
	json_string("option", user->process->option);
	json_string("preload", user->process->preload != NULL ?
		    user->process->preload->command : NULL);
	json_string("request", output_request_name(user->request));
	json_grants(user->grants);
	json_end('}');
}

/* The devices that a process may have open, for a mapping of which the device is not known */
static void
json_candidates(const struct status *status, const struct status_mapping *mapping)
{
	size_t i;

	json_begin("candidates", '[');
	for (i = 0; i < status->nb_users && mapping->device == NULL; i++) {
		if (status->users[i].process->pid == mapping->kernel.pid &&
				status->users[i].open != STATUS_GROUP_OPEN)
			json_string(NULL, status->users[i].device->name);
	}
	json_end(']');
}

static void
json_pages(const struct status_mapping *mapping)
{
	const struct kernel_mapping *kernel = &mapping->kernel;

	if (!mapping->listed) {
		json_null("pages_4k");
		json_null("pages_2m");
		json_null("pages_1g");
		json_null("faults");
		return;
	}
	json_number("pages_4k", kernel->pages_4k);
	json_number("pages_2m", kernel->pages_2m);
	json_number("pages_1g", kernel->pages_1g);
	if (kernel->has_faults)
		json_number("faults", kernel->faults);
	else
		json_null("faults");
}

static void
json_mapping(const struct status *status, const struct status_mapping *mapping)
{
	const struct kernel_mapping *kernel = &mapping->kernel;
	bool verified = mapping->type == STATUS_EFFECTIVE || mapping->type == STATUS_NOT_EFFECTIVE;

	json_begin(NULL, '{');
	json_string("device", mapping->device != NULL ? mapping->device->name : NULL);
	json_candidates(status, mapping);
	json_number("pid", kernel->pid);
	json_string("command", mapping->command);
	json_address("start", kernel->start);
	json_address("end", kernel->end);
	if (kernel->bar >= 0) {
		json_number("bar", kernel->bar);
		json_address("bar_offset", kernel->bar_offset);
	} else {
		json_null("bar");
		json_null("bar_offset");
	}
	json_string("asked", kernel->asked);
	json_bool("granted", true);
	json_string("effective", verified ? kernel->effective : NULL);
	json_string("reason", status_reason(status, mapping));
	json_pages(mapping);
	json_end('}');
}

static void
json_kernel(const struct status *status)
{
	json_begin("kernel", '{');
	json_string("release", status->kernel.release);
	json_string("implementation", kernel_wc_name(status->kernel.wc));
	json_string("module_version", status->kernel.module_version);
	json_string("source", status->listed.source);
	json_string("no_source", status->listed.missing);
	json_end('}');
}

void
output_json(const struct status *status)
{
	size_t i;

	json_begin(NULL, '{');
	json_number("format", FORMAT);
	json_string("version", VFIO_WC_VERSION);
	json_number("exit_status", status->exit_status);
	json_string("status", status->verdict);
	json_begin("notes", '[');
	for (i = 0; i < status->nb_notes; i++)
		json_string(NULL, status->notes[i]);
	json_end(']');
	json_kernel(status);
	json_begin("devices", '[');
	for (i = 0; i < status->nb_devices; i++)
		json_device(status, &status->devices[i]);
	json_end(']');
	json_begin("users", '[');
	for (i = 0; i < status->nb_users; i++)
		json_user(&status->users[i]);
	json_end(']');
	json_begin("mappings", '[');
	for (i = 0; i < status->nb_mappings; i++)
		json_mapping(status, &status->mappings[i]);
	json_end(']');
	json_end('}');
	putchar('\n');
}
