/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * alias-faults BDF [vfio-pci.ko]
 *
 * Makes every allocation and every copy from or to user memory fail once, one after the other, that the kernel does
 * for the calls which make, describe and map alias regions: the first of a call, the second, and so on until the call
 * has none left. Each failure has to give the errno that belongs to it or to be made up for by the kernel, and the
 * same call without a failure has to work right after it. Slab allocations, page allocations and copies have a run of
 * their own each, so that it is known which errno belongs.
 *
 * With the file of the kernel module, its first open of a device is one of the calls: the module is loaded again for each
 * failure. It checks there what the core revokes, and if it could not, it refuses aliases until it could.
 *
 * Needs the kernel's fault injection, /proc/self/fail-nth, and root. The kernel's log has a stack for each failure.
 */

#define _GNU_SOURCE	/* strerrorname_np() */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "alias_common.h"

#define MAX_NTH 2000
#define MIB2 (2UL << 20)
#define GIB512 (512UL << 30)
#define ANY (-1)
#define MAX_ERRNO 134
#define FAULTS "/sys/kernel/debug/"

enum kind { SLAB, PAGES, COPY, NUM_KINDS };

static const struct {
	const char *name, *directory;
	int error;
} kinds[NUM_KINDS] = {
	{ "slab", FAULTS "failslab", ENOMEM },
	{ "pages", FAULTS "fail_page_alloc", ENOMEM },
	{ "copy", FAULTS "fail_usercopy", EFAULT },
};

static const char *bdf, *module, *list;
static int container, group, device = -1, opened = -1, fail_nth, kmsg;
static uint32_t base, region;		/* the BAR that is aliased */
static uint64_t region_size;
static bool region_is_memory;
static struct vfio_wc_alias_region alias;
static char lines[4096];
static uint8_t info_space[512] __attribute__((aligned(8)));
static uint8_t *mapping = MAP_FAILED;
static size_t mapping_length;
static pid_t child = -1;
static uint64_t injected, failed, survived, unchecked;
static sigjmp_buf jump;

/* Preparation. Nothing in here is expected to fail, and whatever does ends the program. */

static void __attribute__((format(printf, 1, 2), noreturn))
give_up(const char *format, ...)
{
	int error = errno;
	va_list args;

	va_start(args, format);
	printf("# ");
	vprintf(format, args);
	printf(" (errno %d)\nBail out!\n", error);
	va_end(args);
	exit(1);
}

static void
need(bool ok, const char *what)
{
	if (!ok)
		give_up("%s", what);
}

static void
write_file(const char *directory, const char *name, const char *text)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		give_up("%s: cannot write %s", path, text);
	close(fd);
}

/* Let only one kind of failure count and happen: the others look for a caller that there is not. */
static void
select_kind(enum kind kind)
{
	for (unsigned int i = 0; i < NUM_KINDS; i++) {
		write_file(kinds[i].directory, "require-start", i == kind ? "0" : "1");
		write_file(kinds[i].directory, "require-end", i == kind ? "0xffffffffffffffff" : "2");
	}
}

static void
set_up_injection(void)
{
	for (unsigned int i = 0; i < NUM_KINDS; i++) {
		write_file(kinds[i].directory, "probability", "0");
		write_file(kinds[i].directory, "times", "-1");
		write_file(kinds[i].directory, "verbose", "2");
		write_file(kinds[i].directory, "verbose_ratelimit_interval_ms", "0");
		write_file(kinds[i].directory, "stacktrace-depth", "32");
	}
	/* By default only those allocations fail that may not sleep, and no single pages. */
	write_file(kinds[SLAB].directory, "ignore-gfp-wait", "N");
	write_file(kinds[PAGES].directory, "ignore-gfp-wait", "N");
	write_file(kinds[PAGES].directory, "ignore-gfp-highmem", "N");
	write_file(kinds[PAGES].directory, "min-order", "0");
	fail_nth = open("/proc/thread-self/fail-nth", O_RDWR);
	kmsg = open("/dev/kmsg", O_WRONLY);
	need(fail_nth >= 0 && kmsg >= 0, "/proc/thread-self/fail-nth, /dev/kmsg");
}

/* The kernel kills a thread when a write to the area that they share, for restartable sequences, fails. */
static void
restart_without_rseq(char **argv)
{
	const char *name = "GLIBC_TUNABLES";

	if (getenv(name) != NULL)
		return;
	need(setenv(name, "glibc.pthread.rseq=0", 1) == 0, "setenv");
	execv("/proc/self/exe", argv);
	give_up("exec");
}

static void
close_device(void)
{
	if (mapping != MAP_FAILED)
		munmap(mapping, mapping_length);
	mapping = MAP_FAILED;
	if (opened >= 0)
		close(opened);
	if (device >= 0)
		close(device);
	device = opened = -1;
}

static void
fresh_device(void)
{
	uint32_t num;

	close_device();
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, bdf);
	need(device >= 0 && set_memory(device, true), "open");
	need(num_regions(device, &num) == 0, "GET_INFO");
	if (base == 0)
		base = num;
	if (num != base)
		give_up("a new device has %u regions instead of %u", num, base);
}

static void
device_with_alias(void)
{
	fresh_device();
	need(set_alias(device, region, WC, &alias) == 0, "SET");
}

/* All devices are bound again to a module that has not opened one yet. */
static void
reload_module(void)
{
	int fd;

	close_device();
	close(group);
	close(container);
	need(syscall(SYS_delete_module, "vfio_pci", O_NONBLOCK) == 0, "delete_module");
	fd = open(module, O_RDONLY);
	need(fd >= 0 && syscall(SYS_finit_module, fd, "", 0) == 0, module);
	close(fd);
	need(open_group(bdf, &container, &group), "group");
}

/* The calls. Each returns 0 or a positive errno, and leaves what it got where right() looks. */

static int
call_open(void)
{
	opened = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, bdf);
	return opened >= 0 ? 0 : errno;
}

static bool
right_open(void)
{
	uint32_t num;
	bool ok = num_regions(opened, &num) == 0 && num >= base && num <= base + 1;

	close(opened);
	opened = -1;
	return ok;
}

static bool
has_guard_mapping(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	bool found = false;
	char line[256];

	need(maps != NULL, "/proc/self/maps");
	while (fgets(line, sizeof(line), maps) != NULL)
		found = found || strstr(line, "vfio-pci-wc") != NULL;
	fclose(maps);
	return found;
}

/* Revocation is checked now, or an alias is refused until the next open, which checks it. */
static bool
right_first_open_of_module(void)
{
	int ret;

	device = opened;
	opened = -1;
	ret = set_alias(device, region, WC, &alias);
	/* Linux 7.3 opens a device without a BAR that it could not claim, which then has no alias. */
	if (ret == -EOPNOTSUPP || ret == -EINVAL) {
		unchecked += ret == -EOPNOTSUPP;
		fresh_device();
		ret = set_alias(device, region, WC, &alias);
	}
	return ret == 0 && !has_guard_mapping();
}

static int
call_set(void)
{
	return -set_alias(device, region, WC, &alias);
}

static bool
right_set(void)
{
	uint32_t num;

	return alias.region_index == region && alias.memory_type == WC && alias.memory_types == 0 &&
		alias.alias_index == base && is_alias_offset(alias.offset) &&
		alias.offset == offset_of(device, base) && num_regions(device, &num) == 0 && num == base + 1;
}

static int
call_get(void)
{
	alias = (struct vfio_wc_alias_region){ .region_index = region };
	return -feature(device, VFIO_DEVICE_FEATURE_GET, &alias);
}

static bool
right_get(void)
{
	return alias.region_index == region && alias.memory_types == WC_TYPES && alias.memory_type == 0 &&
		alias.alias_index == 0 && alias.offset == 0;
}

static int
call_probe(void)
{
	return -feature(device, VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_SET, &alias);
}

static bool
right_probe(void)
{
	return true;
}

static int
call_get_info(void)
{
	uint32_t num;
	int ret = -num_regions(device, &num);

	alias.alias_index = num;
	return ret;
}

static bool
right_get_info(void)
{
	return alias.alias_index == base + 1;
}

static int
call_region_info(void)
{
	return -region_info(device, base, info_space, sizeof(info_space));
}

static bool
right_region_info(void)
{
	return is_alias_info(info_space, base, region, region_size);
}

/* The next mapping is where no page table is yet, at an address that suits large pages or does not. */
static int
call_mmap_at(bool congruent)
{
	static uintptr_t next;

	/* What was there before is unmapped, and its page tables are gone with it. */
	next = next == 0 || next > 0x600000000000 ? 0x100000000000 : next + GIB512;
	mapping_length = region_size < MIB2 ? PAGE : MIB2;
	mapping = mmap((void *)(next + (congruent ? 0 : PAGE)), mapping_length, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_FIXED_NOREPLACE, device, alias.offset);
	return mapping != MAP_FAILED ? 0 : errno;
}

static int
call_mmap(void)
{
	return call_mmap_at(true);
}

static int
call_touch(void)
{
	/* EIO stands for the signal */
	if (sigsetjmp(jump, 0) != 0)
		return EIO;
	(void)*(volatile uint32_t *)mapping;
	return 0;
}

static bool
right_touch(void)
{
	const uint64_t value = 0x1122334455667788 ^ injected;

	if (sigsetjmp(jump, 0) != 0)
		return false;
	if (region_is_memory) {
		*(volatile uint64_t *)mapping = value;
		__builtin_ia32_sfence();
		return *(volatile uint64_t *)mapping == value;
	}
	(void)*(volatile uint32_t *)mapping;
	return true;
}

static bool
right_mmap(void)
{
	bool ok = right_touch();

	munmap(mapping, mapping_length);
	mapping = MAP_FAILED;
	return ok;
}

/* The middle of a mapping: two are left of it. */
static int
call_munmap(void)
{
	if (mapping_length < 3 * PAGE)
		return 0;
	return munmap(mapping + PAGE, PAGE) == 0 ? 0 : errno;
}

static int
call_fork(void)
{
	child = fork();
	if (child == 0)
		_exit(sigsetjmp(jump, 0) != 0 || (*(volatile uint32_t *)mapping, false));
	return child > 0 ? 0 : errno;
}

static bool
right_fork(void)
{
	int status;

	return waitpid(child, &status, 0) == child && status == 0 && right_touch();
}

static int
call_list(void)
{
	int error, fd = open(list, O_RDONLY);
	ssize_t length;

	if (fd < 0)
		return errno;
	length = read(fd, lines, sizeof(lines) - 1);
	error = length < 0 ? errno : 0;
	lines[length < 0 ? 0 : length] = '\0';
	close(fd);
	return error;
}

static bool
right_list(void)
{
	return strstr(lines, bdf) != NULL && strstr(lines, " WC WC ") != NULL;
}

static int
call_close(void)
{
	int fd = device;

	device = -1;
	return close(fd) == 0 ? 0 : errno;
}

static bool
right_close(void)
{
	fresh_device();
	return true;
}

/* Closed only now: the mapping held the file. */
static int
call_last_munmap(void)
{
	int ret = munmap(mapping, mapping_length) == 0 ? 0 : errno;

	if (ret == 0)
		mapping = MAP_FAILED;
	return ret;
}

static void
prepare_mapped(void)
{
	device_with_alias();
	need(call_mmap_at(true) == 0, "mmap");
}

static void
prepare_mapped_unaligned(void)
{
	device_with_alias();
	need(call_mmap_at(false) == 0, "mmap");
}

static void
prepare_touched(void)
{
	prepare_mapped();
	need(call_touch() == 0, "touch");
}

static void
prepare_revoked(void)
{
	prepare_touched();
	need(set_memory(device, false) && set_memory(device, true), "memory off and on");
}

static void
prepare_mapped_before(void)
{
	prepare_touched();
	munmap(mapping, mapping_length);
	mapping = MAP_FAILED;
}

static void
prepare_only_mapped(void)
{
	prepare_touched();
	close(device);
	device = -1;
}

static const struct scenario {
	const char *name;
	void (*prepare)(void);
	int (*call)(void);
	bool (*right)(void);
	int also;	/* an error of the code around that is not the plain one, or ANY */
} scenarios[] = {
	/* Enabling the device runs a lot of PCI, ACPI and IOMMU code, which answers with what it has. */
	{ "first-open-of-module", reload_module, call_open, right_first_open_of_module, ANY },
	{ "first-open", close_device, call_open, right_open, ANY },
	{ "open-again", device_with_alias, call_open, right_open, 0 },
	/* Linux 6.12 claims the BAR here; request_region() has no other way to say that it has no memory. */
	{ "first-set", fresh_device, call_set, right_set, EBUSY },
	{ "set-again", device_with_alias, call_set, right_set, 0 },
	{ "get", device_with_alias, call_get, right_get, 0 },
	{ "probe", device_with_alias, call_probe, right_probe, 0 },
	{ "get-info", device_with_alias, call_get_info, right_get_info, 0 },
	{ "get-region-info", device_with_alias, call_region_info, right_region_info, 0 },
	{ "first-mmap", device_with_alias, call_mmap, right_mmap, 0 },
	{ "mmap-again", prepare_mapped_before, call_mmap, right_mmap, 0 },
	/* The kernel tries a fault without memory again. */
	{ "first-touch", prepare_mapped, call_touch, right_touch, 0 },
	{ "first-touch-4k", prepare_mapped_unaligned, call_touch, right_touch, 0 },
	{ "touch-after-revocation", prepare_revoked, call_touch, right_touch, 0 },
	{ "munmap-middle", prepare_touched, call_munmap, right_touch, 0 },
	{ "fork", prepare_touched, call_fork, right_fork, EAGAIN },
	{ "list", prepare_touched, call_list, right_list, 0 },
	{ "last-close", device_with_alias, call_close, right_close, 0 },
	{ "last-munmap", prepare_only_mapped, call_last_munmap, right_close, 0 },
};

/* Why a scenario says nothing on this kernel, or NULL. */
static const char *
does_not_apply(const struct scenario *s)
{
	if (s->prepare == reload_module && module == NULL)
		return "no module";
	if (s->call == call_list && list == NULL)
		return "no list of mappings";
	return NULL;
}

/* The injection */

static void
arm(unsigned int nth)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%u", nth);

	need(pwrite(fail_nth, text, length, 0) == length, "fail-nth");
}

/* Whether the failure has happened. Reading and writing the file are copies too, and may be what fails. */
static bool
disarm(void)
{
	char text[16] = "";
	bool happened = pread(fail_nth, text, sizeof(text) - 1, 0) > 0 && strtoul(text, NULL, 10) == 0;

	if (pwrite(fail_nth, "0", 1, 0) != 1)
		need(pwrite(fail_nth, "0", 1, 0) == 1, "fail-nth");
	return happened;
}

static bool
expected_error(const struct scenario *s, enum kind kind, int error)
{
	/* close() has no error to report, and must not be left undone; SIGBUS is not for lack of memory. */
	if (s->call == call_close || s->call == call_touch)
		return false;
	return error == kinds[kind].error || (kind != COPY && (s->also == ANY || error == s->also));
}

/* All failures of one kind in one call */
static bool
sweep(const struct scenario *s, enum kind kind)
{
	const uint64_t injected_before = injected;
	unsigned int errors[MAX_ERRNO] = { 0 };
	bool happened = true, ok = true;
	unsigned int nth;
	char mark[128];

	for (nth = 1; happened && ok && nth < MAX_NTH; nth++) {
		int error, length;

		s->prepare();
		length = snprintf(mark, sizeof(mark), "alias-faults: %s %s %u\n", s->name, kinds[kind].name, nth);
		need(write(kmsg, mark, length) == length, "/dev/kmsg");
		arm(nth);
		error = s->call();
		happened = disarm();
		need(write(kmsg, "alias-faults: end\n", 18) == 18, "/dev/kmsg");
		injected += happened;
		failed += error != 0;
		errors[error < MAX_ERRNO ? error : 0]++;
		survived += happened && error == 0;
		if (error != 0 && (!happened || !expected_error(s, kind, error))) {
			printf("# %s, %s %u: %s\n", s->name, kinds[kind].name, nth, strerror(error));
			ok = false;
		}
		/* Failed: once more, now it has to work. Made up for: it has worked. */
		if (error != 0 && s->call != call_close) {
			error = s->call();
			if (error != 0)
				printf("# %s, %s %u: the next call: %s\n", s->name, kinds[kind].name, nth,
				       strerror(error));
		}
		if (error != 0 || !s->right()) {
			printf("# %s, %s %u: does not work afterwards\n", s->name, kinds[kind].name, nth);
			ok = false;
		}
	}
	printf("# %s, %s: %lu injected", s->name, kinds[kind].name, injected - injected_before);
	for (unsigned int i = 1; i < MAX_ERRNO; i++) {
		if (errors[i] != 0)
			printf(", %u times %s", errors[i], strerrorname_np(i));
	}
	printf("\n");
	return ok && nth < MAX_NTH;
}

static void
on_sigbus(int number)
{
	(void)number;
	siglongjmp(jump, 1);
}

/* A BAR that can be aliased: the one with the MSI-X table, whose description has more to allocate, or the largest. */
static void
choose_region(void)
{
	const struct vfio_region_info *info = (const void *)info_space;
	bool msix = false;

	for (unsigned int i = 0; i < NUM_BARS; i++) {
		need(region_info(device, i, info_space, sizeof(info_space)) == 0, "GET_REGION_INFO");
		if (!(info->flags & VFIO_REGION_INFO_FLAG_MMAP) || msix)
			continue;
		msix = find_cap(info_space, VFIO_REGION_INFO_CAP_MSIX_MAPPABLE) != NULL;
		if (msix || info->size > region_size) {
			region = i;
			region_size = info->size;
		}
	}
	need(region_size != 0, "no BAR can be mapped");
	region_is_memory = !msix && region == 2;
}

int
main(int argc, char **argv)
{
	unsigned int number = 0, bad = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 2 && argc != 3) {
		fprintf(stderr, "usage: alias-faults BDF [vfio-pci.ko]\n");
		return 2;
	}
	restart_without_rseq(argv);
	bdf = argv[1];
	module = argv[2];
	/* Without a mask to save and restore: system calls that do it copy, too. */
	sigaction(SIGBUS, &(struct sigaction){ .sa_handler = on_sigbus, .sa_flags = SA_NODEFER }, NULL);
	set_up_injection();
	need(open_group(bdf, &container, &group), "group");
	list = find_list(bdf);
	fresh_device();
	choose_region();
	printf("# BAR%u\n", region);
	for (unsigned int kind = 0; kind < NUM_KINDS; kind++) {
		const uint64_t before = injected;

		select_kind(kind);
		for (unsigned int i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
			const struct scenario *s = &scenarios[i];
			const char *why_not = does_not_apply(s);
			bool ok = why_not != NULL || sweep(s, kind);

			printf("%sok %u - %s %s%s%s\n", ok ? "" : "not ", ++number, s->name, kinds[kind].name,
			       why_not != NULL ? " # SKIP " : "", why_not != NULL ? why_not : "");
			bad += !ok;
		}
		/* Nothing failed because nothing was made to? */
		printf("%sok %u - injected %s\n", injected > before ? "" : "not ", ++number, kinds[kind].name);
		bad += injected == before;
	}
	close_device();
	if (module != NULL) {
		printf("%sok %u - failures of the module's check: %lu\n", unchecked ? "" : "not ", ++number, unchecked);
		bad += unchecked == 0;
	}
	printf("# %lu failures injected; %lu made the call fail, %lu were recovered from\n", injected, failed, survived);
	printf("1..%u\n", number);
	return bad != 0;
}
