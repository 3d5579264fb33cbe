/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "doctor.h"
#include "file.h"

#define MODULE "vfio-pci"
#define PACKAGE "vfio-pci-wc-dkms"
#define RELOAD "unbind its devices; modprobe -r vfio-pci; modprobe vfio-pci"
#define ENROL "mokutil --import /var/lib/dkms/mok.pub; reboot and enrol the key"
#define LOCKDOWN "/sys/kernel/security/lockdown"

/* A file of vfio-pci in one of the directories, compressed or not; NULL if there is none. */
static char *
doctor_kernel_find_module(const char *release, const char * const dirs[])
{
	static const char * const ends[] = { "", ".xz", ".zst", ".gz" };
	size_t dir, end;

	for (dir = 0; release != NULL && dirs[dir] != NULL; dir++) {
		for (end = 0; end < sizeof(ends) / sizeof(ends[0]); end++) {
			if (file_exists("/lib/modules/%s/%s/" MODULE ".ko%s", release, dirs[dir],
					ends[end]))
				return alloc_format("/lib/modules/%s/%s/" MODULE ".ko%s", release,
						    dirs[dir], ends[end]);
		}
	}
	return NULL;
}

/* The module of this project, where DKMS or a build by hand installs it */
static char *
doctor_kernel_find_wc_module(const struct kernel *kernel)
{
	static const char * const dirs[] = { "updates/dkms", "updates", "extra", NULL };

	return doctor_kernel_find_module(kernel->release, dirs);
}

static char *
doctor_kernel_find_stock_module(const struct kernel *kernel)
{
	static const char * const dirs[] = { "kernel/drivers/vfio/pci", NULL };

	return doctor_kernel_find_module(kernel->release, dirs);
}

static bool
doctor_kernel_is_builtin(const struct kernel *kernel)
{
	FILE *file = file_open("/lib/modules/%s/modules.builtin",
			       kernel->release != NULL ? kernel->release : "");
	bool found = false;
	char *line = NULL;
	size_t room = 0;

	if (file == NULL)
		return false;
	while (!found && file_next_line(file, &line, &room))
		found = strstr(line, "/" MODULE ".ko") != NULL;
	free(line);
	fclose(file);
	return found;
}

/* Load the module in place of the distribution's, now and at the next boot. */
static char *
doctor_kernel_reload_command(const char *before)
{
	return alloc_format("%s" RELOAD "; %s", before,
			    doctor_has_grubby() ? "dracut -f" : "update-initramfs -u");
}

/* vfio-pci is there, and is neither the module nor the series. */
static void
doctor_kernel_check_stock(const struct kernel *kernel, const char *module)
{
	const char *install = module != NULL ? "" : "apt install " PACKAGE "; ";
	char *reload = doctor_kernel_reload_command(install);

	if (doctor_kernel_is_builtin(kernel))
		doctor_problem("kernel", "boot a kernel that has it as a module, or one with the "
			       "series (doc/kernel.rst)",
			       "vfio-pci is built into %s, so that a module cannot replace it, and "
			       "it has no alias regions", kernel->release);
	else if (module != NULL)
		doctor_problem("kernel", reload, "the distribution's vfio-pci is loaded, although "
			       "%s is installed", module);
	else
		doctor_problem("kernel", reload, "the loaded vfio-pci has no alias regions");
	free(reload);
}

/* vfio-pci is not loaded. */
static void
doctor_kernel_check_not_loaded(const struct kernel *kernel, const char *module)
{
	char *stock = doctor_kernel_find_stock_module(kernel);

	if (module != NULL)
		doctor_problem("kernel", "modprobe vfio-pci", "%s is not loaded", module);
	else if (stock != NULL)
		doctor_problem("kernel", "modprobe vfio-pci; if this remains: apt install " PACKAGE,
			       "vfio-pci is not loaded, and only the distribution's is installed");
	else
		doctor_problem("kernel", "install the package of the kernel's modules, or boot "
			       "another kernel", "there is no vfio-pci for %s",
			       kernel->release != NULL ? kernel->release : "this kernel");
	free(stock);
}

static void
doctor_kernel_check_driver(const struct kernel *kernel, const char *module)
{
	switch (kernel->wc) {
	case KERNEL_WC_MODULE:
		doctor_ok("kernel", "vfio-pci is the module, version %s", kernel->module_version);
		break;
	case KERNEL_WC_SERIES:
		doctor_ok("kernel", "%s has the series",
			  kernel->release != NULL ? kernel->release : "it");
		break;
	case KERNEL_WC_NONE:
		if (kernel->vfio_pci)
			doctor_kernel_check_stock(kernel, module);
		else
			doctor_kernel_check_not_loaded(kernel, module);
		break;
	case KERNEL_WC_UNKNOWN:
		doctor_unknown("kernel", "grep -w vfio_pci_core_feature_alias /proc/kallsyms",
			       "/proc/kallsyms cannot be read");
		break;
	}
}

/* Whether a module file has a signature: 1, 0, or -1 if it is compressed or cannot be read. */
static int
doctor_kernel_is_signed(const char *path)
{
	static const char mark[] = "~Module signature appended~\n";
	const long len = sizeof(mark) - 1;
	FILE *file = file_open("%s", path);
	char end[sizeof(mark)] = "";
	int is_signed;

	if (file == NULL)
		return -1;
	if (strcmp(strrchr(path, '.'), ".ko") != 0)
		is_signed = -1;
	else if (fseek(file, -len, SEEK_END) != 0)
		is_signed = 0;
	else
		is_signed = fread(end, 1, len, file) == (size_t)len && strcmp(end, mark) == 0;
	fclose(file);
	return is_signed;
}

/* Whether the kernel loads only signed modules: 1, 0, or -1 if not shown. Sets the reason. */
static int
doctor_kernel_read_lockdown(const char **reason)
{
	char *lockdown = file_line(LOCKDOWN);
	char *enforced = file_line("/sys/module/module/parameters/sig_enforce");
	int only_signed = 0;

	if (enforced != NULL && enforced[0] == 'Y') {
		*reason = "module.sig_enforce";
		only_signed = 1;
	} else if (lockdown != NULL) {
		*reason = strstr(lockdown, "[integrity]") != NULL ? "lockdown (integrity)" :
			"lockdown (confidentiality)";
		only_signed = strstr(lockdown, "[none]") == NULL;
	} else if (!kernel_has_mount("securityfs", "/sys/kernel/security")) {
		only_signed = -1;
	}
	free(lockdown);
	free(enforced);
	return only_signed;
}

static void
doctor_kernel_check_signature(const struct kernel *kernel, const char *module)
{
	const char *reason = "";
	int only_signed = doctor_kernel_read_lockdown(&reason);

	if (kernel->wc == KERNEL_WC_MODULE || kernel->wc == KERNEL_WC_SERIES)
		doctor_ok("signature", "what gives alias regions is already running");
	else if (only_signed == 0)
		doctor_ok("signature", "the kernel loads modules without a signature");
	else if (only_signed < 0)
		doctor_unknown("signature", "mount -t securityfs securityfs /sys/kernel/security",
			       "%s cannot be read", LOCKDOWN);
	else if (module == NULL)
		doctor_unknown("signature", ENROL, "%s: the module will need a signature", reason);
	else if (doctor_kernel_is_signed(module) == 0)
		doctor_problem("signature", "install mokutil and openssl; dkms install --force; "
			       ENROL, "%s: %s is not signed", reason, module);
	else
		doctor_unknown("signature", "mokutil --test-key /var/lib/dkms/mok.pub; if it is "
			       "not enrolled: " ENROL, "%s: the key of %s must be enrolled", reason,
			       module);
}

void
doctor_kernel_check(const struct kernel *kernel)
{
	char *module = doctor_kernel_find_wc_module(kernel);

	doctor_kernel_check_driver(kernel, module);
	doctor_kernel_check_signature(kernel, module);
	free(module);
}
