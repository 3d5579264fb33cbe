/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include <rte_common.h>
#include <rte_pci.h>
#include <rte_string_fns.h>

#include "pci_wc_record.h"
#include "pci_wc_telemetry.h"

/* Members of the answer: name and mode, and for each BAR, hole and range (see below). */
#define WC_MEMBERS (2 + PCI_MAX_RESOURCE * 7 + 2 * 2 + PCI_WC_RECORD_RANGES * 3)

static const char *
pci_wc_telemetry_state(enum rte_pci_wc_state state)
{
	switch (state) {
	case RTE_PCI_WC_GRANTED:
		return "granted";
	case RTE_PCI_WC_REFUSED:
		return "refused";
	default:
		return "not requested";
	}
}

/*
 * Members are named by what they belong to, in one dictionary: nothing is allocated. Numbers of 64
 * bits are strings, as the functions for them differ between releases. The dictionary has room.
 */
static void __rte_format_printf(4, 5)
pci_wc_telemetry_add(struct rte_tel_data *data, const char *prefix, const char *member,
	const char *format, ...)
{
	char name[RTE_TEL_MAX_STRING_LEN], value[RTE_TEL_MAX_STRING_LEN];
	va_list args;

	snprintf(name, sizeof(name), "%s_%s", prefix, member);
	va_start(args, format);
	vsnprintf(value, sizeof(value), format, args);
	va_end(args);
	rte_tel_data_add_dict_string(data, name, value);
}

static void
pci_wc_telemetry_add_bool(struct rte_tel_data *data, const char *prefix, const char *member,
	bool value)
{
	char name[RTE_TEL_MAX_STRING_LEN];

	snprintf(name, sizeof(name), "%s_%s", prefix, member);
	rte_tel_data_add_dict_int(data, name, value);
}

static void
pci_wc_telemetry_add_hole(struct rte_tel_data *data, unsigned int bar, unsigned int number,
	const struct rte_pci_wc_hole *hole)
{
	char prefix[32];

	snprintf(prefix, sizeof(prefix), "bar%u_msix%u", bar, number);
	pci_wc_telemetry_add(data, prefix, "offset", "0x%" PRIx64, hole->offset);
	pci_wc_telemetry_add(data, prefix, "length", "0x%" PRIx64, hole->len);
}

static void
pci_wc_telemetry_add_range(struct rte_tel_data *data, unsigned int number,
	const struct pci_wc_record_range *range)
{
	char prefix[32];

	snprintf(prefix, sizeof(prefix), "bar%u_range%u", range->bar, number);
	pci_wc_telemetry_add(data, prefix, "offset", "0x%" PRIx64, range->offset);
	pci_wc_telemetry_add(data, prefix, "length", "0x%" PRIx64, range->len);
	pci_wc_telemetry_add(data, prefix, "address", "0x%" PRIxPTR, (uintptr_t)range->addr);
}

static void
pci_wc_telemetry_add_ranges(struct rte_tel_data *data, const struct pci_wc_record *record,
	unsigned int bar)
{
	unsigned int i, number = 0;

	for (i = 0; i < record->nb_ranges; i++) {
		if (record->ranges[i].bar == bar)
			pci_wc_telemetry_add_range(data, number++, &record->ranges[i]);
	}
}

static void
pci_wc_telemetry_add_bar(struct rte_tel_data *data, const struct pci_wc_record *record,
	unsigned int number)
{
	const struct pci_wc_record_bar *bar = &record->bars[number];
	char prefix[16];
	unsigned int i;

	snprintf(prefix, sizeof(prefix), "bar%u", number);
	pci_wc_telemetry_add(data, prefix, "state", "%s", pci_wc_telemetry_state(bar->state));
	pci_wc_telemetry_add(data, prefix, "reason", "%s", bar->reason);
	pci_wc_telemetry_add(data, prefix, "size", "0x%" PRIx64, bar->size);
	pci_wc_telemetry_add_bool(data, prefix, "prefetchable", bar->prefetchable);
	pci_wc_telemetry_add_bool(data, prefix, "activated", bar->activated);
	if (bar->state == RTE_PCI_WC_GRANTED)
		pci_wc_telemetry_add(data, prefix, "granted_offset", "0x%" PRIx64, bar->offset);
	if (bar->addr != NULL)
		pci_wc_telemetry_add(data, prefix, "activated_address", "0x%" PRIxPTR,
			(uintptr_t)bar->addr);
	for (i = 0; i < RTE_DIM(bar->holes) && bar->holes[i].len != 0; i++)
		pci_wc_telemetry_add_hole(data, number, i, &bar->holes[i]);
	pci_wc_telemetry_add_ranges(data, record, number);
}

static int
pci_wc_telemetry_device(const char *params, struct rte_tel_data *data)
{
	struct pci_wc_record record;
	struct rte_pci_addr addr;
	char name[PCI_PRI_STR_SIZE];
	unsigned int i;
	int ret;

	RTE_BUILD_BUG_ON(WC_MEMBERS > RTE_TEL_MAX_DICT_ENTRIES);
	if (rte_pci_addr_parse(params, &addr) != 0)
		return -EINVAL;
	ret = pci_wc_read_record(&addr, &record);
	if (ret < 0)
		return ret;
	rte_pci_device_name(&addr, name, sizeof(name));
	rte_tel_data_start_dict(data);
	rte_tel_data_add_dict_string(data, "name", name);
	rte_tel_data_add_dict_string(data, "mode", rte_vfio_wc_mode_name(record.mode));
	for (i = 0; i < PCI_MAX_RESOURCE; i++) {
		if (record.bars[i].size != 0 || record.bars[i].state != RTE_PCI_WC_NOT_ASKED)
			pci_wc_telemetry_add_bar(data, &record, i);
	}
	return 0;
}

static int
pci_wc_telemetry_list(struct rte_tel_data *data)
{
	struct rte_pci_addr addrs[RTE_TEL_MAX_ARRAY_ENTRIES];
	char name[PCI_PRI_STR_SIZE];
	unsigned int i, nb;

	nb = pci_wc_list_records(addrs, RTE_DIM(addrs));
	rte_tel_data_start_array(data, RTE_TEL_STRING_VAL);
	for (i = 0; i < nb; i++) {
		rte_pci_device_name(&addrs[i], name, sizeof(name));
		rte_tel_data_add_array_string(data, name);
	}
	return 0;
}

int
pci_wc_telemetry(const char *cmd __rte_unused, const char *params, struct rte_tel_data *data)
{
	if (params == NULL || params[0] == '\0')
		return pci_wc_telemetry_list(data);
	return pci_wc_telemetry_device(params, data);
}

RTE_INIT(pci_wc_telemetry_init)
{
	rte_telemetry_register_cmd("/bus/pci/wc", pci_wc_telemetry,
		"Devices with a mode of --vfio-wc. Parameter: PCI address; what it was granted, "
		"not what is effective");
}
