/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alloc.h"
#include "doctor.h"
#include "process.h"

#define INTEL 0x8086
#define CLASS_DISPLAY 0x03
#define SMALLEST_PAGE 4096

static bool
doctor_device_is_bound(const struct pci_device *device)
{
	return device->driver != NULL && strcmp(device->driver, "vfio-pci") == 0;
}

static void
doctor_device_check_driver(const struct pci_device *device)
{
	const char *name = device->name;
	char *remedy = alloc_format("modprobe vfio-pci; cd /sys/bus/pci/devices/%s; "
				    "[ ! -e driver ] || echo %s > driver/unbind; "
				    "echo vfio-pci > driver_override; "
				    "echo %s > /sys/bus/pci/drivers_probe", name, name, name);

	if (doctor_device_is_bound(device))
		doctor_ok("driver", "bound to vfio-pci");
	else if (device->driver == NULL)
		doctor_problem("driver", remedy, "not bound to any driver");
	else if (device->vfio)
		doctor_problem("driver", remedy, "bound to %s: DPDK uses only devices of vfio-pci",
			       device->driver);
	else
		doctor_problem("driver", remedy, "bound to %s", device->driver);
	free(remedy);
}

/* VFIO opens a group only if its devices are VFIO's, pci-stub's, a port driver's or nobody's. */
static bool
doctor_device_blocks_group(const struct pci_device *device)
{
	return device->driver != NULL && !device->vfio &&
		strcmp(device->driver, "pci-stub") != 0 &&
		strcmp(device->driver, "pcieport") != 0;
}

/* Names and drivers of the other devices that keep a group from being opened; NULL without any. */
static char *
doctor_device_list_blocking(const struct pci_device *except, const struct file_names *names)
{
	struct pci_device device;
	char name[PCI_NAME_SIZE];
	char *list = NULL, *longer;
	size_t i;

	for (i = 0; i < names->nb; i++) {
		if (!pci_parse_name(names->at[i], name) || strcmp(name, except->name) == 0)
			continue;
		pci_read(&device, name);
		if (doctor_device_blocks_group(&device)) {
			longer = alloc_format("%s%s%s (%s)", list != NULL ? list : "",
					      list != NULL ? ", " : "", name, device.driver);
			free(list);
			list = longer;
		}
		pci_free(&device);
	}
	return list;
}

static void
doctor_device_check_group(const struct pci_device *device)
{
	struct file_names names;
	char *blocking;

	if (device->group == NULL) {
		/* In no-IOMMU mode it gets one when it is bound. */
		if (doctor_device_is_bound(device))
			doctor_problem("group", "dmesg | grep -i -e vfio -e iommu",
				       "it is in no IOMMU group");
		return;
	}
	if (!pci_list_group(&names, device->group)) {
		doctor_unknown("group", "ls /sys/kernel/iommu_groups/*/devices",
			       "the devices of group %s are not shown", device->group);
		return;
	}
	blocking = doctor_device_list_blocking(device, &names);
	if (blocking != NULL)
		doctor_problem("group", "bind all of them to vfio-pci, or unbind them",
			       "group %s has devices of other drivers: %s", device->group,
			       blocking);
	else
		doctor_ok("group", "group %s, devices: %zu", device->group, names.nb);
	free(blocking);
	file_free_names(&names);
}

static void
doctor_device_check_node(const struct pci_device *device)
{
	char *node, *path, *remedy;
	bool noiommu;

	if (device->group == NULL || !doctor_device_is_bound(device))
		return;
	node = pci_find_node(device->group, &noiommu);
	path = file_path("%s", node);
	remedy = alloc_format("chown $USER %s (permanently by a rule of udev)", node);
	if (!file_exists("%s", node))
		doctor_problem("node", "check that udev runs; in a container pass on the devices "
			       "of /dev/vfio", "there is no %s", node);
	else if (faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) != 0)
		doctor_problem("node", remedy, "%s may not be opened by this user", node);
	else if (noiommu && !kernel_may(KERNEL_CAP_RAWIO))
		doctor_problem("node", "run the program as root, or with CAP_SYS_RAWIO",
			       "%s is without an IOMMU", node);
	else
		doctor_ok("node", "%s may be opened", node);
	free(remedy);
	free(path);
	free(node);
}

/* The module does not serve what the distribution's vfio-pci does more than it for these. */
static void
doctor_device_check_display(const struct kernel *kernel, const struct pci_device *device)
{
	if (device->vendor != INTEL || device->class >> 16 != CLASS_DISPLAY)
		return;
	if (kernel->wc == KERNEL_WC_SERIES)
		doctor_ok("display", "the series serves it");
	else
		doctor_problem("display", "use a kernel with the series (doc/kernel.rst), or the "
			       "distribution's vfio-pci without write-combining",
			       "the module refuses Intel's display devices");
}

static void
doctor_device_check_bars(const struct pci_device *device)
{
	const struct pci_bar *bar;
	char *list = alloc_string(""), *longer, size[32];
	int i;

	for (i = 0; i < PCI_BARS; i++) {
		bar = &device->bars[i];
		if (bar->size == 0 || (bar->flags & PCI_BAR_MEMORY) == 0)
			continue;
		if (bar->flags & PCI_BAR_UNSET || bar->start == 0)
			doctor_problem("BARs", "boot with pci=realloc", "BAR%d has no address", i);
		longer = alloc_format("%s%sBAR%d %s%s%s", list, list[0] != '\0' ? ", " : "", i,
				      pci_format_size(size, bar->size),
				      bar->flags & PCI_BAR_PREFETCHABLE ? " prefetchable" : "",
				      bar->size < SMALLEST_PAGE ? " (less than a page)" : "");
		free(list);
		list = longer;
	}
	if (!pci_has_bar(device, 0))
		doctor_problem("BARs", "none: use another device",
			       "it has no BAR of memory that could be mapped");
	else if (!pci_has_bar(device, PCI_BAR_PREFETCHABLE))
		doctor_unknown("BARs", "see the driver's guide: only its own requests get "
			       "write-combining", "none is prefetchable: %s", list);
	else
		doctor_ok("BARs", "%s", list);
	free(list);
}

/* What else makes a BAR write-combining, registers in it included */
static void
doctor_device_check_mtrrs(const struct pci_device *device)
{
	struct mtrr_list mtrrs;
	size_t i, nb_found = 0;
	char *remedy;
	int bar;

	kernel_read_mtrrs(&mtrrs);
	for (i = 0; i < mtrrs.nb; i++) {
		for (bar = 0; bar < PCI_BARS; bar++) {
			if (!mtrr_makes_wc(&mtrrs, &mtrrs.at[i], device->bars[bar].start,
					   device->bars[bar].size))
				continue;
			remedy = alloc_format("echo disable=%u > /proc/mtrr", mtrrs.at[i].number);
			doctor_problem("MTRR", remedy, "reg%02u makes also the default mapping of "
				       "BAR%d write-combining", mtrrs.at[i].number, bar);
			free(remedy);
			nb_found++;
		}
	}
	if (nb_found == 0)
		doctor_ok("MTRR", "none makes a BAR write-combining");
}

/* Report each mapping of resourceN_wc in a process; returns their number. */
static size_t
doctor_device_report_resources(const struct pci_device *device, const struct process *process)
{
	const struct process_mapping *mapping;
	char *remedy;
	size_t i, nb = 0;

	for (i = 0; i < process->nb_mappings; i++) {
		mapping = &process->mappings[i];
		if (mapping->resource_wc < 0 || strcmp(mapping->device, device->name) != 0)
			continue;
		remedy = alloc_format("kill %d, then start the VFIO program again", process->pid);
		doctor_problem("sysfs", remedy, "%d (%s) has mapped resource%d_wc, which makes "
			       "also VFIO's default mapping write-combining", process->pid,
			       process->command, mapping->resource_wc);
		free(remedy);
		nb++;
	}
	return nb;
}

static void
doctor_device_check_resources(const struct pci_device *device)
{
	struct process process;
	size_t i, nb_pids, nb_found = 0, nb_hidden = 0;
	pid_t *pids;

	nb_pids = process_list(&pids);
	for (i = 0; i < nb_pids; i++) {
		if (!process_read(&process, pids[i]))
			continue;
		nb_hidden += process.mappings_hidden;
		nb_found += doctor_device_report_resources(device, &process);
		process_free(&process);
	}
	free(pids);
	if (nb_found > 0)
		return;
	if (nb_hidden > 0)
		doctor_unknown("sysfs", "run as root", "processes that may not be read: %zu",
			       nb_hidden);
	else
		doctor_ok("sysfs", "no process has mapped resourceN_wc");
}

void
doctor_device_check(const struct kernel *kernel, const char *name)
{
	struct pci_device device;

	pci_read(&device, name);
	doctor_set_device(name);
	if (device.exists) {
		doctor_device_check_driver(&device);
		doctor_device_check_group(&device);
		doctor_device_check_node(&device);
		doctor_device_check_display(kernel, &device);
		doctor_device_check_bars(&device);
		doctor_device_check_mtrrs(&device);
		doctor_device_check_resources(&device);
	} else {
		doctor_problem("device", "lspci -D", "there is no such device");
	}
	doctor_set_device(NULL);
	pci_free(&device);
}
