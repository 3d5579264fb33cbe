/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "wc_preload.h"

const char *
wc_preload_get(const char *environment, size_t size, const char *name)
{
	const size_t name_len = strlen(name);
	const char *variable;
	size_t at, len;

	for (at = 0; at < size; at += len + 1) {
		variable = environment + at;
		len = strnlen(variable, size - at);
		/* A variable without an end was cut off. */
		if (len == size - at)
			break;
		if (strncmp(variable, name, name_len) == 0 && variable[name_len] == '=')
			return variable + name_len + 1;
	}
	return NULL;
}

/* Whether a list of libraries has this one, in whatever directory. */
static bool
wc_preload_has_library(const char *list)
{
	const size_t library_len = strlen(WC_SELECT_LIBRARY);
	const char *end;
	size_t len;

	for (; *list != '\0'; list = end + (*end != '\0')) {
		len = strcspn(list, ": ");
		end = list + len;
		if (len < library_len ||
				strncmp(end - library_len, WC_SELECT_LIBRARY, library_len) != 0)
			continue;
		if (len == library_len || end[-(ptrdiff_t)library_len - 1] == '/')
			return true;
	}
	return false;
}

static void
wc_preload_add_option(struct wc_preload *preload, const char *option, const char *value)
{
	char *longer;

	if (value == NULL || value[0] == '\0')
		return;
	longer = alloc_format("%s %s %s", preload->command, option, value);
	free(preload->command);
	preload->command = longer;
}

struct wc_preload *
wc_preload_find(const char *environment, size_t size)
{
	const char *list = wc_preload_get(environment, size, "LD_PRELOAD");
	const char *bars = wc_preload_get(environment, size, WC_SELECT_BARS);
	const char *drivers = wc_preload_get(environment, size, WC_SELECT_DRIVERS);
	const char *mode = wc_preload_get(environment, size, WC_SELECT_MODE);
	char error[WC_SELECT_ERROR_SIZE];
	struct wc_preload *preload;

	if (list == NULL || !wc_preload_has_library(list))
		return NULL;
	preload = alloc_zero(sizeof(*preload));
	preload->malformed = !wc_select_parse(&preload->select, bars, drivers, mode, error);
	preload->command = alloc_string("vfio-wc run");
	wc_preload_add_option(preload, "--bar", bars);
	wc_preload_add_option(preload, "--driver", drivers);
	wc_preload_add_option(preload, "--mode", mode);
	return preload;
}

void
wc_preload_free(struct wc_preload *preload)
{
	if (preload != NULL)
		free(preload->command);
	free(preload);
}

bool
wc_preload_asks(const struct wc_preload *preload, const struct pci_device *device)
{
	struct wc_select_subject subject = {
		.name = device->name,
		.vendor = device->vendor,
		.device = device->device,
	};
	uint32_t present = 0;
	int i;

	for (i = 0; i < PCI_BARS; i++) {
		if (device->bars[i].size == 0)
			continue;
		present |= 1u << i;
		if ((device->bars[i].flags & PCI_BAR_PREFETCHABLE) != 0)
			subject.prefetchable |= 1u << i;
	}
	return !preload->malformed && (wc_select_bars(&preload->select, &subject) & present) != 0;
}
