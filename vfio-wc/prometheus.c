/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "escape.h"
#include "output.h"

static void
prometheus_head(const char *name, const char *help)
{
	printf("# HELP vfio_wc_%s %s\n# TYPE vfio_wc_%s gauge\n", name, help, name);
}

static void
prometheus_label(const char *before, const char *name, const char *value)
{
	printf("%s%s=", before, name);
	escape_label(value);
}

static void
prometheus_info(const struct status *status)
{
	prometheus_head("status", "0 if all write-combining that was asked for is effective, "
			"1 if some is not, 2 if that is not known.");
	printf("vfio_wc_status %d\n", status->exit_status);
	prometheus_head("info", "Always 1; what gives vfio-pci its alias regions, "
			"and the version of this program.");
	printf("vfio_wc_info");
	prometheus_label("{", "implementation", kernel_wc_name(status->kernel.wc));
	prometheus_label(",", "module_version", status->kernel.module_version != NULL ?
			 status->kernel.module_version : "");
	prometheus_label(",", "version", VFIO_WC_VERSION);
	printf("} 1\n");
}

static void
prometheus_users(const struct status *status)
{
	const struct status_user *user;
	size_t i;

	prometheus_head("missing", "For each device and process that may have it open: 1 if "
			"--vfio-wc requests write-combining and no mapping has it, 0 otherwise, "
			"2 if that is not known.");
	for (i = 0; i < status->nb_users; i++) {
		user = &status->users[i];
		printf("vfio_wc_missing");
		prometheus_label("{", "device", user->device->name);
		printf(",pid=\"%d\"", user->process->pid);
		prometheus_label(",", "command", user->process->command);
		prometheus_label(",", "open", output_open_name(user->open));
		printf("} %d\n", user->request == STATUS_NOT_MAPPED ? 1 :
		       user->request == STATUS_UNCLEAR ? 2 : 0);
	}
}

static void
prometheus_grant(const struct status_user *user, int number)
{
	const struct telemetry_bar *bar = &user->grants->bars[number];

	if (bar->state == TELEMETRY_NOT_REQUESTED)
		return;
	printf("vfio_wc_granted");
	prometheus_label("{", "device", user->device->name);
	printf(",bar=\"%d\",pid=\"%d\"", number, user->process->pid);
	prometheus_label(",", "command", user->process->command);
	prometheus_label(",", "reason", bar->reason != NULL ? bar->reason : "");
	printf("} %d\n", bar->state == TELEMETRY_GRANTED);
}

static void
prometheus_grants(const struct status *status)
{
	size_t i;
	int bar;

	prometheus_head("granted", "For each BAR for which a driver requested write-combining, by "
			"the telemetry of its process: 1 if it was granted, 0 if not.");
	for (i = 0; i < status->nb_users; i++) {
		for (bar = 0; status->users[i].grants != NULL && bar < PCI_BARS; bar++)
			prometheus_grant(&status->users[i], bar);
	}
}

/* Whether two mappings have the same labels. */
static bool
prometheus_is_same(const struct status_mapping *a, const struct status_mapping *b)
{
	return a->device == b->device && a->kernel.pid == b->kernel.pid &&
		a->kernel.bar == b->kernel.bar && strcmp(a->command, b->command) == 0;
}

static bool
prometheus_is_first(const struct status *status, size_t index)
{
	size_t i;

	for (i = 0; i < index; i++) {
		if (prometheus_is_same(&status->mappings[i], &status->mappings[index]))
			return false;
	}
	return true;
}

static void
prometheus_mapping(const struct status_mapping *mapping, const char *state, size_t number)
{
	char bar[16] = "unknown";

	if (mapping->kernel.bar >= 0)
		snprintf(bar, sizeof(bar), "%d", mapping->kernel.bar);
	printf("vfio_wc_mappings");
	prometheus_label("{", "device", mapping->device != NULL ? mapping->device->name :
			 "unknown");
	prometheus_label(",", "bar", bar);
	printf(",pid=\"%d\"", mapping->kernel.pid);
	prometheus_label(",", "command", mapping->command);
	printf(",state=\"%s\"} %zu\n", state, number);
}

/* One line for each state of the mappings that have the same labels */
static void
prometheus_states(const struct status *status, const struct status_mapping *mapping)
{
	static const char * const states[] = {
		[STATUS_EFFECTIVE] = "effective",
		[STATUS_NOT_EFFECTIVE] = "not_effective",
		[STATUS_UNTOUCHED] = "untouched",
		[STATUS_NOT_VERIFIED] = "not_verified",
	};
	size_t state, i, nb;

	for (state = 0; state < sizeof(states) / sizeof(states[0]); state++) {
		nb = 0;
		for (i = 0; i < status->nb_mappings; i++)
			nb += status->mappings[i].type == state &&
				prometheus_is_same(&status->mappings[i], mapping);
		prometheus_mapping(mapping, states[state], nb);
	}
}

static void
prometheus_mappings(const struct status *status)
{
	size_t i;

	prometheus_head("mappings", "Write-combining mappings by device, BAR, process and state.");
	for (i = 0; i < status->nb_mappings; i++) {
		if (prometheus_is_first(status, i))
			prometheus_states(status, &status->mappings[i]);
	}
}

void
output_prometheus(const struct status *status)
{
	prometheus_info(status);
	prometheus_users(status);
	prometheus_grants(status);
	prometheus_mappings(status);
}
