/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <stdio.h>
#include <string.h>

#include "pci_wc_config.h"
#include "wc_select.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* A device with a BAR, or a driver, is shorter. */
#define WORD_SIZE 64

/* Devices of DPDK's drivers with RTE_PCI_DRV_WC_ACTIVATE, as their tables of IDs have them */
static const struct {
	const char *name;
	uint16_t vendor;
	uint16_t devices[4];
} drivers[] = {
	{ "net_ena", 0x1d0f, { 0xec20, 0xec21 } },
	{ "raw_ntb", 0x8086, { 0x201c, 0x347e } },
	{ "net_ionic", 0x1dd8, { 0x1002, 0x1003, 0x1004 } },
};

/* Without a choice: this driver has its queue entries in such a BAR. */
#define DEFAULT_DRIVERS (1u << 0)

/* Take the word before the next comma; the rest, NULL at the end. */
static const char *
wc_select_next(const char *text, char word[WORD_SIZE])
{
	size_t len = strcspn(text, ",");

	snprintf(word, WORD_SIZE, "%.*s", (int)(len < WORD_SIZE ? len : WORD_SIZE), text);
	return text[len] == ',' ? text + len + 1 : NULL;
}

const struct wc_select_device *
wc_select_find(const struct wc_select *select, const char *name)
{
	size_t i;

	for (i = 0; i < select->nb_devices; i++) {
		if (strcmp(select->devices[i].name, name) == 0)
			return &select->devices[i];
	}
	return NULL;
}

/* The entry of a device, which is added if there is room. */
static struct wc_select_device *
wc_select_add(struct wc_select *select, const char *name)
{
	struct wc_select_device *device = (struct wc_select_device *)wc_select_find(select, name);

	if (device != NULL || select->nb_devices == WC_SELECT_MAX_DEVICES)
		return device;
	device = &select->devices[select->nb_devices++];
	memset(device, 0, sizeof(*device));
	memcpy(device->name, name, sizeof(device->name));
	return device;
}

/* Split BDF:N; the number of the BAR, -1 without one, -2 if it is none. */
static int
wc_select_split_bar(char *word)
{
	char *colon = strrchr(word, ':');
	int bar;

	/* The last colon of a BDF precedes DD.F. */
	if (colon == NULL || strchr(word, '.') == NULL || strchr(colon, '.') != NULL)
		return -1;
	bar = colon[1] - '0';
	if (bar < 0 || bar >= PCI_WC_BARS || colon[2] != '\0')
		return -2;
	*colon = '\0';
	return bar;
}

static bool
wc_select_parse_bar(struct wc_select *select, const char *word, char error[WC_SELECT_ERROR_SIZE])
{
	char split[WORD_SIZE], name[PCI_NAME_SIZE];
	struct wc_select_device *device;
	int bar;

	snprintf(split, sizeof(split), "%s", word);
	bar = wc_select_split_bar(split);
	if (bar == -2 || !pci_parse_name(split, name)) {
		snprintf(error, WC_SELECT_ERROR_SIZE,
			 "'%s': use a PCI address, [DDDD:]BB:DD.F, and optionally a BAR, :0 to :%d",
			 word, PCI_WC_BARS - 1);
		return false;
	}
	device = wc_select_add(select, name);
	if (device == NULL) {
		snprintf(error, WC_SELECT_ERROR_SIZE, "'%s': name at most %d devices", word,
			 WC_SELECT_MAX_DEVICES);
		return false;
	}
	if (bar < 0)
		device->prefetchable = true;
	else
		device->bars |= 1u << bar;
	return true;
}

static bool
wc_select_parse_driver(struct wc_select *select, const char *word,
		       char error[WC_SELECT_ERROR_SIZE])
{
	size_t i;

	for (i = 0; i < LENGTH(drivers); i++) {
		if (strcmp(word, drivers[i].name) == 0) {
			select->drivers |= 1u << i;
			return true;
		}
	}
	snprintf(error, WC_SELECT_ERROR_SIZE,
		 "'%s': use net_ena, raw_ntb or net_ionic; name devices of others by their PCI "
		 "addresses, with --bar or in " WC_SELECT_BARS, word);
	return false;
}

static bool
wc_select_parse_mode(struct wc_select *select, const char *word, char error[WC_SELECT_ERROR_SIZE])
{
	select->strict = strcmp(word, "strict") == 0;
	if (select->strict || strcmp(word, "auto") == 0)
		return true;
	snprintf(error, WC_SELECT_ERROR_SIZE, "'%.*s': use auto or strict", WORD_SIZE, word);
	return false;
}

/* Parse the words of a list; an empty list has none. */
static bool
wc_select_parse_list(struct wc_select *select, const char *list,
		     bool (*parse)(struct wc_select *select, const char *word,
				   char error[WC_SELECT_ERROR_SIZE]),
		     char error[WC_SELECT_ERROR_SIZE])
{
	char word[WORD_SIZE];

	if (list == NULL || list[0] == '\0')
		return true;
	while (list != NULL) {
		list = wc_select_next(list, word);
		if (!parse(select, word, error))
			return false;
	}
	return true;
}

bool
wc_select_parse(struct wc_select *select, const char *bars, const char *driver_names,
		const char *mode, char error[WC_SELECT_ERROR_SIZE])
{
	memset(select, 0, sizeof(*select));
	select->drivers = DEFAULT_DRIVERS;
	return wc_select_parse_list(select, bars, wc_select_parse_bar, error) &&
		wc_select_parse_list(select, driver_names, wc_select_parse_driver, error) &&
		(mode == NULL || wc_select_parse_mode(select, mode, error));
}

static bool
wc_select_drives(size_t driver, const struct wc_select_subject *subject)
{
	size_t i;

	for (i = 0; i < LENGTH(drivers[driver].devices); i++) {
		if (subject->vendor == drivers[driver].vendor && subject->device != 0 &&
				subject->device == drivers[driver].devices[i])
			return true;
	}
	return false;
}

/* The BARs of a device by its driver: those in which the driver is known to keep no registers, or
 * where that is not known, all.
 */
static uint32_t
wc_select_bars_by_driver(const struct wc_select *select, const struct wc_select_subject *subject)
{
	uint32_t windows;
	size_t i;

	for (i = 0; i < LENGTH(drivers); i++) {
		if ((select->drivers & 1u << i) == 0 || !wc_select_drives(i, subject))
			continue;
		if (!pci_wc_config_find_windows(drivers[i].name, &windows))
			windows = UINT32_MAX;
		return windows & subject->prefetchable;
	}
	return 0;
}

uint32_t
wc_select_bars(const struct wc_select *select, const struct wc_select_subject *subject)
{
	const struct wc_select_device *device = NULL;
	uint32_t bars = wc_select_bars_by_driver(select, subject);

	if (subject->name != NULL)
		device = wc_select_find(select, subject->name);
	if (device == NULL)
		return bars;
	return bars | device->bars | (device->prefetchable ? subject->prefetchable : 0);
}
