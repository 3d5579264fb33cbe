/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * The library that "vfio-wc run" has the dynamic linker load before a program: where the program
 * maps a BAR that was selected, it maps the alias of the BAR instead, write-combining.
 *
 * A call of the program that is passed on costs a comparison of its arguments; once the program has
 * asked VFIO for anything, a shared mapping of a file costs one fstat(). There is no lock and no
 * allocation: a thread that forks leaves nothing locked, and an allocator may map memory at any
 * time, also while this library is loaded.
 */

/* With it, mmap would be another name for mmap64. */
#undef _FILE_OFFSET_BITS

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "../pci_wc_backend.h"
#include "../pci_wc_config.h"
#include "../wc_select.h"
#include "device.h"
#include "report.h"

#if __SIZEOF_LONG__ != 8
#error "the library is for 64-bit programs, whose mmap() and mmap64() are the same"
#endif

#define EXPORTED __attribute__((visibility("default")))

typedef void *(*preload_mmap_function)(void *addr, size_t len, int prot, int flags, int fd,
				       off_t offset);
typedef int (*preload_ioctl_function)(int fd, unsigned long request, ...);

/* A call of mmap() by the program */
struct preload_call {
	preload_mmap_function next;
	void *addr;
	size_t len;
	int prot;
	int flags;
	int fd;
	uint64_t offset;
};

/* The BAR that a call maps, as the kernel describes it */
struct preload_bar {
	char device[PCI_NAME_SIZE];     /* For messages */
	unsigned int number;
	uint64_t offset;                /* Of the BAR in the device file */
	uint64_t size;
	uint64_t start;                 /* In the BAR, of what is mapped */
	uint64_t end;
	struct pci_wc_config config;
	bool readable;                  /* The config space is. */
};

/*
 * The functions that the program would call without this library, of libc or of another preloaded
 * library. They are set when this one is initialised: dlsym() may allocate, and the allocator then
 * maps memory. Until then, calls go to the kernel.
 */
static preload_mmap_function preload_next_mmap, preload_next_mmap64;
static preload_ioctl_function preload_next_ioctl;

/* Whether the process has made a request of VFIO: only that shows where a BAR is in a file. */
static bool preload_uses_vfio;

static struct wc_select preload_select;
/* What is wrong with the variables, empty if nothing is */
static char preload_error[WC_SELECT_ERROR_SIZE];

static void __attribute__((constructor))
preload_start(void)
{
	preload_next_mmap = (preload_mmap_function)dlsym(RTLD_NEXT, "mmap");
	preload_next_mmap64 = (preload_mmap_function)dlsym(RTLD_NEXT, "mmap64");
	preload_next_ioctl = (preload_ioctl_function)dlsym(RTLD_NEXT, "ioctl");
	wc_select_parse(&preload_select, getenv(WC_SELECT_BARS), getenv(WC_SELECT_DRIVERS),
			getenv(WC_SELECT_MODE), preload_error);
}

static void *
preload_mmap(const struct preload_call *call, void *addr, size_t len, int flags, uint64_t offset)
{
	if (call->next == NULL)
		return (void *)syscall(SYS_mmap, addr, len, call->prot, flags, call->fd, offset);
	return call->next(addr, len, call->prot, flags, call->fd, offset);
}

/* What the program has called */
static void *
preload_pass_on(const struct preload_call *call)
{
	return preload_mmap(call, call->addr, call->len, call->flags, call->offset);
}

/* Refusals */

static void
preload_describe(enum pci_wc_reason reason, int error, char *text, size_t size)
{
	if (reason == PCI_WC_REASON_MAP_FAILED)
		snprintf(text, size, "%s: %s", pci_wc_reason_text(reason), strerrordesc_np(error));
	else
		snprintf(text, size, "%s", pci_wc_reason_text(reason));
}

static void *
preload_fail(const struct preload_bar *bar, const char *why, int error)
{
	report_bar(bar->device, bar->number, REPORT_REFUSED, "BAR%u not mapped (%s); for the "
		   "default mapping use --mode auto, or " WC_SELECT_MODE "=auto", bar->number, why);
	errno = error;
	return MAP_FAILED;
}

/* The default mapping, or none in mode strict. */
static void *
preload_refuse(const struct preload_call *call, const struct preload_bar *bar,
	       enum pci_wc_reason reason, int error)
{
	char why[160];
	void *addr;

	preload_describe(reason, error, why, sizeof(why));
	if (preload_select.strict)
		return preload_fail(bar, why, error);
	addr = preload_pass_on(call);
	if (addr != MAP_FAILED)
		report_bar(bar->device, bar->number, REPORT_REFUSED, "BAR%u default mapping (%s)",
			   bar->number, why);
	return addr;
}

static void *
preload_granted(const struct preload_bar *bar, void *addr)
{
	report_bar(bar->device, bar->number, REPORT_GRANTED, "BAR%u write-combining granted",
		   bar->number);
	return addr;
}

/* Mapping */

/* Whether a part of the range has no MSI-X pages: the first at or after *start. Sets its limits. */
static bool
preload_next_part(const struct preload_bar *bar, uint64_t *start, uint64_t *end)
{
	const struct pci_wc_msix *msix = bar->config.msix;
	const struct pci_wc_msix *first = &msix[msix[0].start > msix[1].start];
	unsigned int i;

	*end = bar->end;
	for (i = 0; i < 2; i++, first = &msix[first == &msix[0]]) {
		if (first->bar != (int)bar->number || first->end <= *start || first->start >= *end)
			continue;
		if (first->start > *start) {
			*end = first->start;
			return true;
		}
		*start = first->end;
	}
	return *start < *end;
}

/* Map a part of the BAR, from another offset of the device file, over what is mapped there. */
static bool
preload_overlay(const struct preload_call *call, const struct preload_bar *bar, void *addr,
		uint64_t from, uint64_t start, uint64_t end)
{
	const int flags = (call->flags & ~MAP_FIXED_NOREPLACE) | MAP_FIXED;
	void *part = (char *)addr + (start - bar->start);

	return preload_mmap(call, part, end - start, flags, from + start) != MAP_FAILED;
}

/* The default mapping again where a part could not be mapped: the kernel may have left a hole. */
static void *
preload_restore(const struct preload_call *call, const struct preload_bar *bar, void *addr,
		uint64_t start, uint64_t end)
{
	const int error = errno;
	char why[160];

	preload_describe(PCI_WC_REASON_MAP_FAILED, error, why, sizeof(why));
	if (!preload_select.strict && preload_overlay(call, bar, addr, bar->offset, start, end)) {
		report_bar(bar->device, bar->number, REPORT_REFUSED, "BAR%u write-combining "
			   "granted, but not all of it could be mapped (%s)", bar->number, why);
		return addr;
	}
	munmap(addr, call->len);
	return preload_fail(bar, why, error);
}

/* A range with MSI-X pages: the default mapping, and the alias over the other pages. */
static void *
preload_map_around_msix(const struct preload_call *call, const struct preload_bar *bar,
			uint64_t alias)
{
	uint64_t start = bar->start, end;
	void *addr = preload_pass_on(call);

	if (addr == MAP_FAILED)
		return addr;
	for (; preload_next_part(bar, &start, &end); start = end) {
		if (!preload_overlay(call, bar, addr, alias, start, end))
			return preload_restore(call, bar, addr, start, end);
	}
	return preload_granted(bar, addr);
}

static void *
preload_map_bar(const struct preload_call *call, const struct preload_bar *bar)
{
	uint64_t alias, start = bar->start, end;
	enum pci_wc_reason reason;
	void *addr;

	if (!preload_next_part(bar, &start, &end))
		return preload_pass_on(call);
	reason = pci_wc_alias_backend.grant(call->fd, bar->number, bar->size, &alias);
	if (reason != PCI_WC_REASON_NONE)
		return preload_refuse(call, bar, reason, ENOTSUP);
	if (start != bar->start || end != bar->end)
		return preload_map_around_msix(call, bar, alias);
	addr = preload_mmap(call, call->addr, call->len, call->flags, alias + bar->start);
	if (addr == MAP_FAILED)
		return preload_refuse(call, bar, PCI_WC_REASON_MAP_FAILED, errno);
	return preload_granted(bar, addr);
}

/* Recognition */

/* Whether a call may map a BAR: vfio-pci maps only shared. */
static bool
preload_may_map_bar(const struct preload_call *call)
{
	const int type = call->flags & MAP_TYPE;

	return __atomic_load_n(&preload_uses_vfio, __ATOMIC_RELAXED) &&
		call->fd >= 0 && (call->flags & MAP_ANONYMOUS) == 0 &&
		(type == MAP_SHARED || type == MAP_SHARED_VALIDATE) && device_is_vfio(call->fd);
}

/* Others, such as mediated ones, have other regions. */
static bool
preload_is_pci(int fd)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };

	return ioctl(fd, VFIO_DEVICE_GET_INFO, &info) == 0 &&
		(info.flags & VFIO_DEVICE_FLAGS_PCI) != 0;
}

/* The BAR in which a range of the device file is, asking the kernel. */
static bool
preload_find_bar(const struct preload_call *call, struct preload_bar *bar)
{
	const uint64_t page = sysconf(_SC_PAGESIZE), len = (call->len + page - 1) & ~(page - 1);
	struct vfio_region_info info;
	unsigned int i;

	for (i = 0; i < PCI_WC_BARS; i++) {
		info = (struct vfio_region_info){ .argsz = sizeof(info), .index = i };
		if (ioctl(call->fd, VFIO_DEVICE_GET_REGION_INFO, &info) != 0 ||
				call->offset < info.offset ||
				call->offset - info.offset >= info.size)
			continue;
		bar->number = i;
		bar->offset = info.offset;
		bar->size = info.size;
		bar->start = call->offset - info.offset;
		bar->end = bar->start + len;
		return len >= call->len && len <= info.size - bar->start;
	}
	return false;
}

/* What a device is selected by. Returns whether its name is known. */
static bool
preload_describe_device(int fd, struct preload_bar *bar, struct wc_select_subject *subject)
{
	int64_t offset = pci_wc_alias_backend.region_offset(fd, VFIO_PCI_CONFIG_REGION_INDEX);
	unsigned int i;

	bar->readable = pci_wc_config_read(&bar->config, fd, offset) == 0;
	subject->vendor = bar->config.vendor;
	subject->device = bar->config.device;
	for (i = 0; i < PCI_WC_BARS; i++)
		subject->prefetchable |= (uint32_t)bar->config.prefetchable[i] << i;
	if (device_find_name(fd, bar->device)) {
		subject->name = bar->device;
		return true;
	}
	snprintf(bar->device, sizeof(bar->device), "fd %d", fd);
	return false;
}

/* Whether it is clear what was selected. Otherwise sets errno. */
static bool
preload_accepts(const struct preload_bar *bar, bool named)
{
	if (preload_error[0] != '\0') {
		report_device(bar->device, "not mapped: " WC_SELECT_BARS ", " WC_SELECT_DRIVERS
			      " or " WC_SELECT_MODE " is malformed: %s", preload_error);
		errno = EINVAL;
		return false;
	}
	if (named || preload_select.nb_devices == 0)
		return true;
	report_device(bar->device, "the kernel does not show which device this is, before Linux "
		      "6.17: " WC_SELECT_BARS " does not apply to it%s",
		      preload_select.strict ? "; not mapped, use mode auto" : "");
	errno = ENOTSUP;
	return !preload_select.strict;
}

static void *
preload_map_device(const struct preload_call *call)
{
	struct wc_select_subject subject = { 0 };
	struct preload_bar bar = { 0 };
	bool named;

	if (!preload_is_pci(call->fd) || !preload_find_bar(call, &bar))
		return preload_pass_on(call);
	named = preload_describe_device(call->fd, &bar, &subject);
	if (!preload_accepts(&bar, named))
		return MAP_FAILED;
	/* What kind of device it is, and which of its BARs are prefetchable, is not known. */
	if (!bar.readable && named && wc_select_find(&preload_select, bar.device) != NULL)
		return preload_refuse(call, &bar, PCI_WC_REASON_CONFIG, ENOTSUP);
	if ((wc_select_bars(&preload_select, &subject) & 1u << bar.number) == 0)
		return preload_pass_on(call);
	return preload_map_bar(call, &bar);
}

static void *
preload_map(const struct preload_call *call)
{
	const int error = errno;
	void *addr;

	if (!preload_may_map_bar(call)) {
		errno = error;
		return preload_pass_on(call);
	}
	addr = preload_map_device(call);
	if (addr != MAP_FAILED)
		errno = error;
	return addr;
}

EXPORTED void *
mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	const struct preload_call call = {
		preload_next_mmap, addr, len, prot, flags, fd, offset,
	};

	return preload_map(&call);
}

EXPORTED void *
mmap64(void *addr, size_t len, int prot, int flags, int fd, off64_t offset)
{
	const struct preload_call call = {
		preload_next_mmap64, addr, len, prot, flags, fd, offset,
	};

	return preload_map(&call);
}

/* A group gives its devices by their names, which is how their files can be told apart later: a
 * file itself shows it since Linux 6.17 only, and the addresses in its BAR registers, which would
 * identify it, read as zero for VFs.
 */
EXPORTED int
ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;
	int error, ret;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (_IOC_TYPE(request) == VFIO_TYPE &&
			!__atomic_load_n(&preload_uses_vfio, __ATOMIC_RELAXED))
		__atomic_store_n(&preload_uses_vfio, true, __ATOMIC_RELAXED);
	ret = preload_next_ioctl != NULL ? preload_next_ioctl(fd, request, arg) :
		(int)syscall(SYS_ioctl, fd, request, arg);
	if (request == VFIO_GROUP_GET_DEVICE_FD && ret >= 0) {
		error = errno;
		device_opened(ret, arg);
		errno = error;
	}
	return ret;
}
