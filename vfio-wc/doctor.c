/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "doctor.h"
#include "escape.h"
#include "run.h"

#define MODULE "vfio-pci"
#define NOIOMMU "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"
#define PAT_LIST "/sys/kernel/debug/x86/pat_memtype_list"
/* A program that takes longer to print its help has hung. */
#define HELP_SECONDS 30
/* What a port of DPDK needs at least; a smaller limit is a distribution's default. */
#define MIN_MEMLOCK (64u << 20)

/* Results */

static enum exit_status worst;
static const char *subject;

void
doctor_set_device(const char *name)
{
	subject = name;
}

static void
doctor_print(const char *result, const char *check, const char *remedy, const char *format,
	     va_list args)
{
	char *text;

	if (vasprintf(&text, format, args) < 0)
		text = alloc_string("out of memory");
	printf("%-8s%s%s%s: ", result, subject != NULL ? subject : "", subject != NULL ? " " : "",
	       check);
	escape_text(text);
	if (remedy != NULL) {
		printf(" -> ");
		escape_text(remedy);
	}
	printf("\n");
	free(text);
}

void
doctor_ok(const char *check, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	doctor_print("ok", check, NULL, format, args);
	va_end(args);
}

void
doctor_problem(const char *check, const char *remedy, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	doctor_print("PROBLEM", check, remedy, format, args);
	va_end(args);
	worst = exit_status_worse(worst, EXIT_BAD);
}

void
doctor_unknown(const char *check, const char *remedy, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	doctor_print("unknown", check, remedy, format, args);
	va_end(args);
	worst = exit_status_worse(worst, EXIT_UNKNOWN);
}

/* Commands */

bool
doctor_has_grubby(void)
{
	return file_exists("/usr/sbin/grubby");
}

/* Add a word to the kernel's command line, or remove it. */
static char *
doctor_boot_command(bool add, const char *word)
{
	if (doctor_has_grubby())
		return alloc_format("grubby --update-kernel=ALL --%s=%s; reboot",
				    add ? "args" : "remove-args", word);
	return alloc_format("%s %s %s GRUB_CMDLINE_LINUX in /etc/default/grub; update-grub; "
			    "reboot", add ? "add" : "remove", word, add ? "to" : "from");
}

/* Memory types */

/* Whether the line NAME of /proc/cpuinfo has a word: 1, 0, or -1 if there is no such line. */
static int
doctor_cpu_has(const char *name, const char *word)
{
	FILE *file = file_open("/proc/cpuinfo");
	size_t room = 0, len = strlen(name);
	char *line = NULL, *each, *rest;
	int found = -1;

	if (file == NULL)
		return -1;
	while (found < 0 && file_next_line(file, &line, &room)) {
		if (strncmp(line, name, len) != 0 || strchr(" \t:", line[len]) == NULL)
			continue;
		found = 0;
		for (each = strtok_r(line, " \t:", &rest); each != NULL && found == 0;
				each = strtok_r(NULL, " \t:", &rest))
			found = strcmp(each, word) == 0;
	}
	free(line);
	fclose(file);
	return found;
}

static void
doctor_check_pat(void)
{
	int pat = doctor_cpu_has("flags", "pat");
	char *remove = doctor_boot_command(false, "nopat");

	if (pat < 0 && doctor_cpu_has("Features", "fp") >= 0)
		doctor_ok("PAT", "not needed: this is not an x86 processor");
	else if (pat < 0)
		doctor_unknown("PAT", "grep -w pat /proc/cpuinfo",
			       "/proc/cpuinfo shows no processor's flags");
	else if (pat == 0)
		doctor_problem("PAT", "have the hypervisor pass on the CPU's flag pat",
			       "the processor has none");
	else if (kernel_has_word("nopat"))
		doctor_problem("PAT", remove, "nopat is on the kernel's command line");
	else if (file_exists("/sys/kernel/debug/x86") && !file_exists(PAT_LIST))
		doctor_problem("PAT", "dmesg | grep -i -e pat -e mtrr",
			       "the kernel has disabled it: there is no %s", PAT_LIST);
	else
		doctor_ok("PAT", "on");
	free(remove);
}

/* IOMMU */

/* The value of an option in the kernel's configuration: 'y', 'm', 'n', or 0 if the text is none. */
static char
doctor_find_option(const char *text, const char *option)
{
	char *set = alloc_format("\n%s=", option);
	const char *found = strstr(text, set);
	char value = 0;

	if (found != NULL)
		value = found[strlen(set)];
	else if (strstr(text, "\nCONFIG_") != NULL)
		value = 'n';
	free(set);
	return value;
}

/* Text of the configuration of the running kernel; NULL if it is not available. */
static char *
doctor_read_config(const char *release)
{
	char *arguments[] = { "gzip", "-dc", NULL, NULL };
	char *path, *text = NULL;
	size_t size;

	if (release != NULL)
		text = file_read(&size, "/boot/config-%s", release);
	if (text == NULL && release != NULL)
		text = file_read(&size, "/lib/modules/%s/config", release);
	if (text == NULL && file_exists("/proc/config.gz")) {
		path = file_path("/proc/config.gz");
		arguments[2] = path;
		text = run_output(arguments, HELP_SECONDS);
		free(path);
	}
	return text;
}

/* There is no IOMMU, or it is off, and VFIO cannot do without. */
static void
doctor_report_no_iommu(void)
{
	char *command = doctor_boot_command(true, "intel_iommu=on");

	if (!file_exists("/sys/firmware/acpi/tables/DMAR") || kernel_has_word("intel_iommu=on")) {
		free(command);
		command = alloc_string("enable the IOMMU (VT-d, AMD-Vi, SMMU) in the firmware, or "
				       "boot a kernel with CONFIG_VFIO_NOIOMMU=y (doc/kernel.rst)");
	}
	doctor_problem("IOMMU", command, "there are no IOMMU groups, and the kernel has no "
		       "no-IOMMU mode");
	free(command);
}

/* vfio is not loaded: whether it would have the no-IOMMU mode */
static void
doctor_check_noiommu_config(const struct kernel *kernel)
{
	char *config = doctor_read_config(kernel->release);
	char value = config != NULL ? doctor_find_option(config, "CONFIG_VFIO_NOIOMMU") : 0;

	if (value == 'y')
		doctor_problem("IOMMU", "modprobe vfio enable_unsafe_noiommu_mode=1",
			       "there are no IOMMU groups, and the no-IOMMU mode is off");
	else if (value == 'n')
		doctor_report_no_iommu();
	else
		doctor_unknown("IOMMU", "modprobe vfio; cat " NOIOMMU,
			       "there are no IOMMU groups, and whether the kernel has a no-IOMMU "
			       "mode is not shown");
	free(config);
}

static void
doctor_check_iommu(const struct kernel *kernel)
{
	char *noiommu = file_line(NOIOMMU);
	struct file_names groups;

	file_list(&groups, "/sys/kernel/iommu_groups");
	if (noiommu != NULL && noiommu[0] == 'Y')
		doctor_ok("IOMMU", "the no-IOMMU mode is on: devices can access all memory");
	else if (groups.nb > 0)
		doctor_ok("IOMMU", "%zu groups", groups.nb);
	else if (noiommu != NULL)
		doctor_problem("IOMMU", "echo 1 > " NOIOMMU, "there are no IOMMU groups, and the "
			       "no-IOMMU mode is off");
	else if (file_exists("/sys/module/vfio"))
		doctor_report_no_iommu();
	else
		doctor_check_noiommu_config(kernel);
	file_free_names(&groups);
	free(noiommu);
}

/* DPDK */

static void
doctor_check_memlock(void)
{
	FILE *file = file_open("/proc/self/limits");
	char *line = NULL, limit[32] = "";
	size_t room = 0;

	if (file != NULL) {
		while (limit[0] == '\0' && file_next_line(file, &line, &room))
			sscanf(line, "Max locked memory %31s", limit);
		free(line);
		fclose(file);
	}
	if (limit[0] == '\0')
		doctor_unknown("locked memory", "ulimit -l", "/proc/self/limits does not show it");
	else if (kernel_may(KERNEL_CAP_IPC_LOCK))
		doctor_ok("locked memory", "not limited for root");
	else if (strcmp(limit, "unlimited") == 0 || strtoull(limit, NULL, 10) >= MIN_MEMLOCK)
		doctor_ok("locked memory", "limit %s", limit);
	else
		doctor_problem("locked memory", "ulimit -l unlimited, permanently in "
			       "/etc/security/limits.d or by LimitMEMLOCK=infinity of the service",
			       "limit %s bytes: VFIO cannot map a program's memory", limit);
}

/* The number of huge pages of all sizes; false if the kernel has none. */
static bool
doctor_count_huge_pages(uint64_t *nb)
{
	struct file_names sizes;
	char *line;
	size_t i;

	*nb = 0;
	if (!file_list(&sizes, "/sys/kernel/mm/hugepages"))
		return false;
	for (i = 0; i < sizes.nb; i++) {
		line = file_line("/sys/kernel/mm/hugepages/%s/nr_hugepages", sizes.at[i]);
		*nb += line != NULL ? strtoull(line, NULL, 10) : 0;
		free(line);
	}
	file_free_names(&sizes);
	return true;
}

static void
doctor_check_huge_pages(void)
{
	uint64_t nb;

	if (!doctor_count_huge_pages(&nb))
		doctor_unknown("huge pages (only for DPDK)", "grep Huge /proc/meminfo",
			       "the kernel shows none");
	else if (nb == 0)
		doctor_problem("huge pages (only for DPDK)", "echo 512 >/proc/sys/vm/nr_hugepages",
			       "none are reserved");
	else
		doctor_ok("huge pages (only for DPDK)", "%" PRIu64 " reserved", nb);
}

static void
doctor_check_dpdk(void)
{
	char *arguments[] = { "dpdk-testpmd", "--help", NULL };
	char *help;

	if (file_has_root()) {
		doctor_unknown("DPDK", "dpdk-testpmd --help | grep vfio-wc",
			       "programs of another tree are not run");
		return;
	}
	help = run_output(arguments, HELP_SECONDS);
	if (help == NULL)
		doctor_unknown("DPDK", "YOUR-PROGRAM --help | grep vfio-wc",
			       "there is no dpdk-testpmd in PATH that prints its help");
	else if (strstr(help, "--vfio-wc") == NULL)
		doctor_problem("DPDK", "devtools/prepare-dpdk --copy-to DPDK-TREE, and build it "
			       "(doc/operators.rst)", "dpdk-testpmd has no option --vfio-wc");
	else
		doctor_ok("DPDK", "dpdk-testpmd has the option --vfio-wc");
	free(help);
}

/* All */

/* Check all devices that are bound to vfio-pci. */
static void
doctor_check_bound_devices(const struct kernel *kernel)
{
	struct pci_device device;
	struct file_names names;
	char name[PCI_NAME_SIZE];
	size_t i, nb = 0;

	if (pci_list(&names)) {
		for (i = 0; i < names.nb; i++) {
			if (!pci_parse_name(names.at[i], name))
				continue;
			pci_read(&device, name);
			if (device.driver != NULL && strcmp(device.driver, MODULE) == 0) {
				doctor_device_check(kernel, name);
				nb++;
			}
			pci_free(&device);
		}
		file_free_names(&names);
	}
	if (nb == 0)
		doctor_unknown("device", "vfio-wc doctor BDF, as lspci -D shows it",
			       "none is bound to vfio-pci");
}

enum exit_status
doctor_run(const char *device)
{
	struct kernel kernel;

	kernel_read(&kernel);
	worst = EXIT_GOOD;
	doctor_kernel_check(&kernel);
	doctor_check_pat();
	doctor_check_iommu(&kernel);
	if (device != NULL)
		doctor_device_check(&kernel, device);
	else
		doctor_check_bound_devices(&kernel);
	doctor_check_memlock();
	doctor_check_huge_pages();
	doctor_check_dpdk();
	kernel_free(&kernel);
	return worst;
}
