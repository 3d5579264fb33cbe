/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "alloc.h"
#include "delivered.h"
#include "kernel.h"
#include "mappings.h"
#include "measure.h"
#include "mtrr.h"
#include "pci_wc_backend.h"
#include "pci_wc_config.h"
#include "vfio_device.h"

#define WORDS (DELIVERED_SIZE / sizeof(uint64_t))

/* The scratch range in both mappings */
struct measure {
	const struct pci_device *device;
	const struct measure_scratch *scratch;
	struct vfio_device vfio;
	uint64_t size;              /* Of what is mapped: DELIVERED_SIZE, in pages */
	volatile uint64_t *uncached;
	volatile uint64_t *wc;
};

static enum exit_status __attribute__((format(printf, 3, 4)))
measure_fail(enum exit_status status, const struct pci_device *device, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "vfio-wc: measure: %s: ", device->name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return status;
}

/* The range */

static bool
measure_parse_number(const char *text, char end, const char **rest, uint64_t *number)
{
	char *stop;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	*number = strtoull(text, &stop, 0);
	if (errno != 0 || *stop != end)
		return false;
	*rest = stop + 1;
	return true;
}

bool
measure_parse_scratch(const char *text, struct measure_scratch *scratch)
{
	uint64_t bar;

	if (!measure_parse_number(text, ':', &text, &bar) || bar >= PCI_BARS ||
			!measure_parse_number(text, ':', &text, &scratch->offset) ||
			!measure_parse_number(text, '\0', &text, &scratch->size))
		return false;
	scratch->bar = bar;
	return true;
}

static enum exit_status
measure_check_scratch(const struct pci_device *device, const struct measure_scratch *scratch)
{
	const struct pci_bar *bar = &device->bars[scratch->bar];
	const uint64_t page = sysconf(_SC_PAGESIZE);

	if (!device->exists)
		return measure_fail(EXIT_USAGE, device,
				    "there is no such device; lspci -D lists those there are");
	if (bar->size == 0 || (bar->flags & PCI_BAR_MEMORY) == 0)
		return measure_fail(EXIT_USAGE, device, "it has no BAR%u of memory", scratch->bar);
	if (scratch->offset > bar->size || scratch->size > bar->size - scratch->offset)
		return measure_fail(EXIT_USAGE, device, "--scratch: 0x%" PRIx64 " bytes at 0x%"
				    PRIx64 " are not in BAR%u: use a range within its 0x%" PRIx64
				    " bytes", scratch->size, scratch->offset, scratch->bar,
				    bar->size);
	if (scratch->size == 0 || scratch->offset % page != 0 || scratch->size % page != 0)
		return measure_fail(EXIT_USAGE, device, "--scratch: 0x%" PRIx64 " bytes at 0x%"
				    PRIx64 " are not whole pages: use multiples of 0x%" PRIx64,
				    scratch->size, scratch->offset, page);
	return EXIT_GOOD;
}

/* Whether the range has pages of the MSI-X table or PBA, to which stores would raise interrupts. */
static bool
measure_has_msix(const struct measure *measure, const struct pci_wc_config *config)
{
	const uint64_t start = measure->scratch->offset, end = start + measure->size;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		if (config->msix[i].bar == (int)measure->scratch->bar &&
				config->msix[i].start < end && start < config->msix[i].end)
			return true;
	}
	return false;
}

/* Mappings */

static volatile uint64_t *
measure_map(const struct measure *measure, uint64_t offset)
{
	void *addr = mmap(NULL, measure->size, PROT_READ | PROT_WRITE, MAP_SHARED,
			  measure->vfio.fd, offset + measure->scratch->offset);

	return addr == MAP_FAILED ? NULL : addr;
}

static void
measure_unmap(const struct measure *measure)
{
	if (measure->uncached != NULL)
		munmap((void *)(uintptr_t)measure->uncached, measure->size);
	if (measure->wc != NULL)
		munmap((void *)(uintptr_t)measure->wc, measure->size);
}

static enum exit_status
measure_map_both(struct measure *measure)
{
	const struct pci_device *device = measure->device;
	const unsigned int bar = measure->scratch->bar;
	const int fd = measure->vfio.fd;
	struct vfio_region_info region, space;
	struct pci_wc_config config;
	enum pci_wc_reason reason;
	uint64_t alias;

	if (!vfio_device_find_region(&measure->vfio, bar, &region) ||
			(region.flags & VFIO_REGION_INFO_FLAG_MMAP) == 0)
		return measure_fail(EXIT_UNKNOWN, device, "BAR%u: %s: use another one", bar,
				    pci_wc_reason_text(PCI_WC_REASON_NOT_MAPPED));
	if (!vfio_device_find_region(&measure->vfio, VFIO_PCI_CONFIG_REGION_INDEX, &space) ||
			pci_wc_config_read(&config, fd, space.offset) != 0)
		return measure_fail(EXIT_UNKNOWN, device, "%s",
				    pci_wc_reason_text(PCI_WC_REASON_CONFIG));
	if (measure_has_msix(measure, &config))
		return measure_fail(EXIT_UNKNOWN, device, "--scratch: BAR%u+0x%" PRIx64 " has the "
				    "MSI-X table or PBA: use other pages", bar,
				    measure->scratch->offset);
	reason = pci_wc_alias_backend.grant(fd, bar, region.size, &alias);
	if (reason != PCI_WC_REASON_NONE)
		return measure_fail(EXIT_UNKNOWN, device, "BAR%u: write-combining is not granted: "
				    "%s; see vfio-wc doctor %s", bar, pci_wc_reason_text(reason),
				    device->name);
	measure->uncached = measure_map(measure, region.offset);
	measure->wc = measure->uncached != NULL ? measure_map(measure, alias) : NULL;
	if (measure->wc == NULL)
		return measure_fail(EXIT_UNKNOWN, device, "BAR%u: mmap() failed: %s", bar,
				    strerror(errno));
	return EXIT_GOOD;
}

/* The effective type */

static enum mtrr_wc
measure_find_mtrrs(const struct measure *measure)
{
	struct mtrr_list mtrrs;

	kernel_read_mtrrs(&mtrrs);
	return mtrr_find_wc(&mtrrs, measure->device->bars[measure->scratch->bar].start +
			    measure->scratch->offset, measure->size);
}

static const struct kernel_mapping *
measure_find_listed(const struct measure *measure, const struct kernel_mappings *listed)
{
	size_t i;

	for (i = 0; i < listed->nb; i++) {
		if (listed->at[i].pid == getpid() &&
				listed->at[i].start == (uintptr_t)measure->wc)
			return &listed->at[i];
	}
	return NULL;
}

/* By the page tables of this process and the range registers. The mapping has been touched. */
static void
measure_print_effective(const struct measure *measure)
{
	const enum mtrr_wc mtrrs = measure_find_mtrrs(measure);
	const struct kernel_mapping *mapping;
	char effective[MAPPINGS_TYPE_SIZE];
	struct kernel_mappings listed;

	mappings_read(&listed);
	mapping = measure_find_listed(measure, &listed);
	if (mapping != NULL) {
		mtrr_combine(mtrrs, mapping->effective, effective, sizeof(effective));
		printf("effective %s\n", effective);
	} else {
		printf("effective not verified: %s\n", listed.missing != NULL ?
		       listed.missing : "the kernel does not list it");
	}
	if (mtrrs != MTRR_WC_NONE)
		printf("note      MTRRs make the default mapping write-combining, too\n");
	mappings_free(&listed);
}

/* The contents */

static void
measure_save(const struct measure *measure, uint64_t *contents)
{
	size_t i;

	for (i = 0; i < WORDS; i++)
		contents[i] = measure->uncached[i];
}

/* Whether the range reads as before. */
static bool
measure_restore(const struct measure *measure, const uint64_t *contents)
{
	bool same = true;
	size_t i;

	for (i = 0; i < WORDS; i++)
		measure->uncached[i] = contents[i];
	for (i = 0; i < WORDS; i++)
		same &= measure->uncached[i] == contents[i];
	return same;
}

/* The whole */

/* Time it. Signals that would end the program wait until the contents are put back. */
static bool
measure_time(const struct measure *measure, struct delivered *delivered)
{
	uint64_t contents[WORDS];
	sigset_t all, before;
	bool same;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	measure_save(measure, contents);
	delivered_measure(delivered, (void *)(uintptr_t)measure->uncached,
			  (void *)(uintptr_t)measure->wc);
	same = measure_restore(measure, contents);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return same;
}

static enum exit_status
measure_report(const struct measure *measure)
{
	static const enum exit_status statuses[] = {
		[DELIVERED_YES] = EXIT_GOOD,
		[DELIVERED_NO] = EXIT_BAD,
		[DELIVERED_UNKNOWN] = EXIT_UNKNOWN,
	};
	struct delivered delivered;
	bool same;

	printf("scratch   %s BAR%u+0x%" PRIx64 ": overwriting %d bytes\n", measure->device->name,
	       measure->scratch->bar, measure->scratch->offset, DELIVERED_SIZE);
	/* Before it happens, whatever happens then. */
	fflush(stdout);
	same = measure_time(measure, &delivered);
	printf("contents  %s\n", same ? "put back" :
	       "NOT AS BEFORE: the range does not read back what is written to it");
	printf("granted   yes\n");
	measure_print_effective(measure);
	delivered_print(&delivered);
	return statuses[delivered.verdict];
}

static enum exit_status
measure_open(struct measure *measure)
{
	const struct pci_device *device = measure->device;
	enum exit_status status;
	char *error;

	if (!device->vfio)
		return measure_fail(EXIT_UNKNOWN, device, "it is bound to %s, not to vfio-pci; "
				    "vfio-wc doctor %s has the command for it",
				    device->driver != NULL ? device->driver : "no driver",
				    device->name);
	error = vfio_device_open(&measure->vfio, device);
	if (error != NULL) {
		status = measure_fail(EXIT_UNKNOWN, device, "%s", error);
		free(error);
		return status;
	}
	status = measure_map_both(measure);
	if (status == EXIT_GOOD)
		status = measure_report(measure);
	measure_unmap(measure);
	vfio_device_close(&measure->vfio);
	return status;
}

enum exit_status
measure_run(const char *name, const struct measure_scratch *scratch)
{
	const uint64_t page = sysconf(_SC_PAGESIZE);
	struct measure measure = {
		.scratch = scratch,
		.size = (DELIVERED_SIZE + page - 1) / page * page,
	};
	struct pci_device device;
	enum exit_status status;

	pci_read(&device, name);
	measure.device = &device;
	status = measure_check_scratch(&device, scratch);
	if (status == EXIT_GOOD)
		status = measure_open(&measure);
	pci_free(&device);
	return status;
}
