/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef WC_SELECT_H
#define WC_SELECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pci_name.h"

/*
 * Which BARs the preloaded library maps write-combining, as the options of "vfio-wc run" or these
 * variables of the environment say. Allocates nothing: the library uses it, too.
 */
#define WC_SELECT_BARS "VFIO_WC_BARS"
#define WC_SELECT_DRIVERS "VFIO_WC_DRIVERS"
#define WC_SELECT_MODE "VFIO_WC_MODE"

/* File name of the library */
#define WC_SELECT_LIBRARY "vfio-wc-preload.so"

#define WC_SELECT_MAX_DEVICES 64
#define WC_SELECT_ERROR_SIZE 256

struct wc_select_device {
	char name[PCI_NAME_SIZE];
	uint32_t bars;         /* Named ones */
	bool prefetchable;     /* All prefetchable ones */
};

struct wc_select {
	bool strict;
	uint32_t drivers;      /* Bits of known drivers */
	struct wc_select_device devices[WC_SELECT_MAX_DEVICES];
	size_t nb_devices;
};

/* A device, as its config space or sysfs shows it */
struct wc_select_subject {
	const char *name;      /* NULL if it is not known */
	unsigned int vendor;
	unsigned int device;
	uint32_t prefetchable; /* BARs */
};

/*
 * Set what the values of the variables select, each NULL if it is absent. False with the reason if
 * one is malformed.
 */
bool wc_select_parse(struct wc_select *select, const char *bars, const char *drivers,
		     const char *mode, char error[WC_SELECT_ERROR_SIZE]);

/* The BARs of a device to map write-combining. A BAR that was named may be one that it lacks. */
uint32_t wc_select_bars(const struct wc_select *select, const struct wc_select_subject *subject);

/* Whether a device was named. */
const struct wc_select_device *wc_select_find(const struct wc_select *select, const char *name);

#endif /* WC_SELECT_H */
