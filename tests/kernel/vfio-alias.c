/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * vfio-alias [-b] BDF [TEST...]
 *
 * Tests alias regions of vfio-pci on a device whose BAR2 is memory (ivshmem), in a guest. Prints TAP.
 * Memory types are read from this process's own page tables (page_type.h).
 *
 * -b takes the offset of the BAR for that of the alias: a control, what looks at types has to fail.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "alias_common.h"
#include "page_type.h"

/* Linux 6.6; Debian 12's headers are older. */
struct bind_iommufd {
	uint32_t argsz;
	uint32_t flags;
	int32_t iommufd;
	uint32_t out_devid;
};
#define BIND_IOMMUFD _IO(VFIO_TYPE, VFIO_BASE + 18)

#define BAR 2
#define KIB4 (4UL << 10)
#define MIB2 (2UL << 20)
#define GIB1 (1UL << 30)

#define CHECK(cond) do { \
	if (!(cond)) { \
		printf("# %s:%d: %s does not hold (errno %d)\n", __func__, __LINE__, #cond, errno); \
		return false; \
	} \
} while (0)

static const char *bdf;
static bool bar_for_alias;
static int container = -1, group = -1, device = -1;

/* VFIO */

static int
open_device(void)
{
	return ioctl(group, VFIO_GROUP_GET_DEVICE_FD, bdf);
}

static int
set(int fd, uint32_t region, uint32_t memory_type, struct vfio_wc_alias_region *alias)
{
	int ret = set_alias(fd, region, memory_type, alias);

	if (ret == 0 && bar_for_alias)
		alias->offset = offset_of(fd, region);
	return ret;
}

static int
set_errno(uint32_t region, uint32_t memory_type)
{
	struct vfio_wc_alias_region alias;

	return set(device, region, memory_type, &alias);
}

static uint32_t
count_regions(int fd)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };

	return ioctl(fd, VFIO_DEVICE_GET_INFO, &info) == 0 ? info.num_regions : 0;
}

/* Memory */

static sigjmp_buf jump;

static void
on_sigbus(int number)
{
	(void)number;
	siglongjmp(jump, 1);
}

/* Store a word; false if that is a SIGBUS. */
static bool
store(void *where, uint64_t value)
{
	if (sigsetjmp(jump, 1) != 0)
		return false;
	*(volatile uint64_t *)where = value;
	return true;
}

static uint64_t
load(const void *where)
{
	return *(const volatile uint64_t *)where;
}

/*
 * From the write-combining buffer to the device: Intel SDM vol. 3A, section on WC; Arm ARM
 * (DDI 0487), "Data Synchronization Barrier".
 */
static void
drain_stores(void)
{
#ifdef __aarch64__
	__asm__ volatile("dsb st" ::: "memory");
#else
	__builtin_ia32_sfence();
#endif
}

/* Map at an address that is congruent to the offset modulo 1 GiB, or off by a page from that. */
static void *
map(int fd, uint64_t offset, size_t size, bool congruent)
{
	static uintptr_t next = 0x600000000000;
	uintptr_t address = next + offset % GIB1 + (congruent ? 0 : KIB4);

	next += 4 * GIB1;
	return mmap((void *)address, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE,
		fd, offset);
}

static bool
has_type(const void *where, const char *expected)
{
	char text[PAGE_TYPE_SIZE];

	page_type(where, text, sizeof(text));
	if (strcmp(text, expected) != 0)
		printf("# %p is %s, expected %s\n", where, text, expected);
	return strcmp(text, expected) == 0;
}

static void *bar_map, *alias_map;

static bool
map_both(size_t size, bool congruent)
{
	struct vfio_wc_alias_region alias;

	CHECK(set(device, BAR, WC, &alias) == 0);
	bar_map = map(device, offset_of(device, BAR), size, congruent);
	alias_map = map(device, alias.offset, size, congruent);
	CHECK(bar_map != MAP_FAILED && alias_map != MAP_FAILED);
	return true;
}

static void
unmap_both(size_t size)
{
	munmap(bar_map, size);
	munmap(alias_map, size);
}

static bool
both_work(uint64_t value)
{
	CHECK(store(bar_map, value));
	CHECK(store((char *)alias_map + 8, value + 1));
	drain_stores();
	CHECK(load((char *)alias_map) == value);
	CHECK(load((char *)bar_map + 8) == value + 1);
	return true;
}

/* Group 1: what is mapped */

static bool
types_are(size_t size, bool congruent, const char *uc, const char *wc)
{
	CHECK(map_both(size, congruent));
	CHECK(both_work(0x1122334455667788));
	CHECK(has_type(bar_map, uc));
	printf("# BAR   %s", page_type_line);
	CHECK(has_type(alias_map, wc));
	printf("# alias %s", page_type_line);
	unmap_both(size);
	return true;
}

static bool
types_4k(void)
{
	return types_are(2 * KIB4, true, PAGE_TYPE_UC " 4K", PAGE_TYPE_WC " 4K");
}

static bool
types_4k_unaligned(void)
{
	return types_are(MIB2, false, PAGE_TYPE_UC " 4K", PAGE_TYPE_WC " 4K");
}

static bool
types_2m(void)
{
	return types_are(MIB2, true, PAGE_TYPE_UC " 2M", PAGE_TYPE_WC " 2M");
}

/* Needs a BAR of 1 GiB at an address aligned to that. */
static bool
types_1g(void)
{
	return types_are(GIB1, true, PAGE_TYPE_UC " 1G", PAGE_TYPE_WC " 1G");
}

/* Small pages up to where a large one fits. */
static bool
types_mixed(void)
{
	const uint64_t start = MIB2 - 2 * KIB4;
	struct vfio_wc_alias_region alias;
	char *where;

	CHECK(set(device, BAR, WC, &alias) == 0);
	where = map(device, alias.offset + start, 2 * KIB4 + MIB2, true);
	CHECK(where != MAP_FAILED && store(where, 7) && store(where + 2 * KIB4, 8));
	CHECK(has_type(where, PAGE_TYPE_WC " 4K") && has_type(where + 2 * KIB4, PAGE_TYPE_WC " 2M"));
	munmap(where, 2 * KIB4 + MIB2);
	return true;
}

/* A mapping keeps its device open, and the alias with it. */
static bool
outlives_files(void)
{
	CHECK(map_both(MIB2, true));
	close(device);
	close(group);
	close(container);
	CHECK(both_work(9));
	CHECK(has_type(alias_map, PAGE_TYPE_WC " 2M") && has_type(bar_map, PAGE_TYPE_UC " 2M"));
	return true;
}

/* The alias first: its fault must not decide the type for the BAR's mapping. */
static bool
types_alias_first(void)
{
	CHECK(map_both(MIB2, true));
	CHECK(store(alias_map, 1));
	CHECK(store(bar_map, 2));
	CHECK(has_type(alias_map, PAGE_TYPE_WC " 2M"));
	CHECK(has_type(bar_map, PAGE_TYPE_UC " 2M"));
	unmap_both(MIB2);
	return true;
}

static bool
types_after_mprotect(void)
{
	CHECK(map_both(MIB2, true));
	CHECK(both_work(3));
	CHECK(mprotect(alias_map, MIB2, PROT_READ) == 0);
	CHECK(mprotect(alias_map, MIB2, PROT_READ | PROT_WRITE) == 0);
	CHECK(store(alias_map, 4));
	CHECK(has_type(alias_map, PAGE_TYPE_WC " 2M"));
	unmap_both(MIB2);
	return true;
}

static bool
types_in_child(void)
{
	int status;
	pid_t child;

	CHECK(map_both(MIB2, true));
	CHECK(both_work(5));
	fflush(stdout);
	child = fork();
	if (child == 0)
		_exit(store(alias_map, 6) && has_type(alias_map, PAGE_TYPE_WC " 2M") &&
			has_type(bar_map, PAGE_TYPE_UC " 2M") ? 0 : 1);
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	unmap_both(MIB2);
	return true;
}

static bool
maps_offset(void)
{
	char line[512], bar_text[32], alias_text[32];
	int bar_lines = 0, alias_lines = 0;
	struct vfio_wc_alias_region alias;
	FILE *maps;

	CHECK(map_both(MIB2, true));
	CHECK(set(device, BAR, WC, &alias) == 0);
	snprintf(bar_text, sizeof(bar_text), " %08lx ", (unsigned long)offset_of(device, BAR));
	snprintf(alias_text, sizeof(alias_text), " %08lx ", (unsigned long)alias.offset);
	maps = fopen("/proc/self/maps", "r");
	CHECK(maps != NULL);
	while (fgets(line, sizeof(line), maps) != NULL) {
		bar_lines += strstr(line, bar_text) != NULL;
		alias_lines += strstr(line, alias_text) != NULL;
	}
	fclose(maps);
	CHECK(bar_lines == 1 && alias_lines == 1);
	unmap_both(MIB2);
	return true;
}

/* Group 2: the interface */

static bool
probe(void)
{
	struct vfio_wc_alias_region alias = { 0 };
	static const uint32_t operations[] = {
		0, VFIO_DEVICE_FEATURE_GET, VFIO_DEVICE_FEATURE_SET,
		VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET,
	};
	unsigned int i;

	for (i = 0; i < 4; i++)
		CHECK(feature_sized(device, VFIO_DEVICE_FEATURE_PROBE | operations[i], &alias,
			sizeof(struct vfio_device_feature)) == 0);
	CHECK(count_regions(device) == VFIO_PCI_NUM_REGIONS);
	return true;
}

static bool
get(void)
{
	/* What is output, or another operation's, is ignored on input. */
	struct vfio_wc_alias_region alias = {
		.region_index = BAR, .memory_type = 31, .alias_index = 1, .offset = 1, .memory_types = 1,
	};

	CHECK(feature(device, VFIO_DEVICE_FEATURE_GET, &alias) == 0);
	CHECK(alias.region_index == BAR && alias.flags == 0 && alias.memory_type == 0);
	CHECK(alias.alias_index == 0 && alias.offset == 0 && alias.memory_types == WC_TYPES);
	alias.region_index = VFIO_PCI_CONFIG_REGION_INDEX;
	CHECK(feature(device, VFIO_DEVICE_FEATURE_GET, &alias) == 0 && alias.memory_types == 0);
	alias.region_index = VFIO_PCI_NUM_REGIONS;
	CHECK(feature(device, VFIO_DEVICE_FEATURE_GET, &alias) == -EINVAL);
	CHECK(count_regions(device) == VFIO_PCI_NUM_REGIONS);
	return true;
}

/* Whether no region but an alias starts there, in whatever layout the device file has. */
static bool
starts_alone(uint64_t offset)
{
	uint32_t index;

	for (index = 0; index < VFIO_PCI_NUM_REGIONS; index++) {
		if (offset_of(device, index) == offset)
			return false;
	}
	return true;
}

static bool
describe(void)
{
	uint8_t space[512] __attribute__((aligned(8))), bar_space[512] __attribute__((aligned(8)));
	const struct vfio_region_info *info = (void *)space, *bar = (void *)bar_space;
	const struct vfio_wc_cap_alias *cap;
	struct vfio_wc_alias_region alias;

	CHECK(set(device, BAR, WC, &alias) == 0);
	CHECK(alias.region_index == BAR && alias.flags == 0 && alias.memory_type == WC && alias.memory_types == 0);
	CHECK(alias.alias_index >= VFIO_PCI_NUM_REGIONS);
	CHECK(count_regions(device) == alias.alias_index + 1);
	CHECK(region_info(device, BAR, bar_space, sizeof(bar_space)) == 0);
	CHECK(region_info(device, alias.alias_index, space, sizeof(space)) == 0);
	CHECK(info->size == bar->size && info->offset == alias.offset);
	CHECK(info->offset % KIB4 == 0 && starts_alone(info->offset));
	CHECK(info->flags == (VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS));
	cap = find_cap(space, VFIO_WC_CAP_ALIAS);
	CHECK(cap != NULL && cap->version == 1 && cap->region_index == BAR && cap->memory_type == WC);
	CHECK(find_cap(bar_space, VFIO_WC_CAP_ALIAS) == NULL);
	CHECK(region_info(device, alias.alias_index + 1, space, sizeof(space)) == -EINVAL);
	/* Too small for the capability: says how much it takes. */
	CHECK(region_info(device, alias.alias_index, space, sizeof(*info)) == 0);
	CHECK(info->argsz > sizeof(*info) && info->cap_offset == 0);
	return true;
}

static bool
deduplicated(void)
{
	struct vfio_wc_alias_region first, second;
	int other = open_device();

	CHECK(other >= 0);
	CHECK(set(device, BAR, WC, &first) == 0);
	CHECK(set(device, BAR, WC, &second) == 0);
	CHECK(memcmp(&first, &second, sizeof(first)) == 0);
	CHECK(set(other, BAR, WC, &second) == 0);
	CHECK(memcmp(&first, &second, sizeof(first)) == 0);
	CHECK(count_regions(other) == first.alias_index + 1);
	close(other);
	return true;
}

static bool
gone_after_close(void)
{
	struct vfio_wc_alias_region alias;
	int other = open_device();

	CHECK(other >= 0);
	CHECK(set(device, BAR, WC, &alias) == 0);
	close(device);
	CHECK(count_regions(other) == alias.alias_index + 1);
	close(other);
	device = open_device();
	CHECK(device >= 0);
	CHECK(count_regions(device) == VFIO_PCI_NUM_REGIONS);
	CHECK(mmap(NULL, KIB4, PROT_READ, MAP_SHARED, device, alias.offset) == MAP_FAILED &&
		errno == EINVAL);
	return set_memory(device, true);
}

static bool
einval_index(void)
{
	struct vfio_wc_alias_region alias;

	CHECK(set_errno(VFIO_PCI_NUM_REGIONS + 1, WC) == -EINVAL);
	CHECK(set_errno(UINT32_MAX, WC) == -EINVAL);
	CHECK(set(device, BAR, WC, &alias) == 0);
	CHECK(set_errno(alias.alias_index, WC) == -EINVAL);
	return true;
}

static bool
einval_memory_type(void)
{
	CHECK(set_errno(BAR, 0) == -EINVAL);
	CHECK(set_errno(BAR, 2) == -EINVAL);
	CHECK(set_errno(BAR, 31) == -EINVAL);
	CHECK(set_errno(BAR, UINT32_MAX) == -EINVAL);
	CHECK(count_regions(device) == VFIO_PCI_NUM_REGIONS);
	return true;
}

/* ivshmem-plain has no BAR5 and no ROM. */
static bool
einval_no_mmap(void)
{
	CHECK(set_errno(5, WC) == -EINVAL);
	CHECK(set_errno(VFIO_PCI_ROM_REGION_INDEX, WC) == -EINVAL);
	CHECK(set_errno(VFIO_PCI_CONFIG_REGION_INDEX, WC) == -EINVAL);
	return true;
}

static bool
einval_flags(void)
{
	static const uint32_t flags[] = { 1, 1U << 31, UINT32_MAX };
	unsigned int i;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		struct vfio_wc_alias_region alias = { .region_index = BAR, .flags = flags[i], .memory_type = WC };

		CHECK(feature(device, VFIO_DEVICE_FEATURE_SET, &alias) == -EINVAL);
		CHECK(feature(device, VFIO_DEVICE_FEATURE_GET, &alias) == -EINVAL);
	}
	CHECK(count_regions(device) == VFIO_PCI_NUM_REGIONS);
	return true;
}

/* What SET only returns, or does not use, is ignored on input. */
static bool
set_ignores_output(void)
{
	struct vfio_wc_alias_region alias = {
		.region_index = BAR, .memory_type = WC, .alias_index = BAR, .offset = 1, .memory_types = UINT64_MAX,
	};

	CHECK(feature(device, VFIO_DEVICE_FEATURE_SET, &alias) == 0);
	CHECK(alias.alias_index == VFIO_PCI_NUM_REGIONS && alias.memory_types == 0);
	CHECK(alias.offset == offset_of(device, alias.alias_index));
	return true;
}

static bool
einval_argsz(void)
{
	struct vfio_wc_alias_region alias = { .region_index = BAR, .memory_type = WC };
	const uint32_t right = sizeof(struct vfio_device_feature) + sizeof(alias);
	uint32_t argsz;

	for (argsz = 0; argsz < right; argsz++)
		CHECK(feature_sized(device, VFIO_DEVICE_FEATURE_SET, &alias, argsz) == -EINVAL);
	CHECK(feature_sized(device, VFIO_DEVICE_FEATURE_SET, &alias, right) == 0);
	/* GET and SET at once, and neither */
	CHECK(feature(device, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET, &alias) == -EINVAL);
	CHECK(feature(device, 0, &alias) == -EINVAL);
	return true;
}

/* The header is readable, the payload is not there. */
static bool
efault(void)
{
	char *pages = mmap(NULL, 2 * KIB4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vfio_device_feature *arg = (void *)(pages + KIB4 - sizeof(*arg));

	CHECK(pages != MAP_FAILED);
	CHECK(munmap(pages + KIB4, KIB4) == 0);
	arg->argsz = sizeof(*arg) + sizeof(struct vfio_wc_alias_region);
	arg->flags = VFIO_DEVICE_FEATURE_SET | FEATURE;
	CHECK(ioctl(device, VFIO_DEVICE_FEATURE, arg) == -1 && errno == EFAULT);
	munmap(pages, KIB4);
	return true;
}

/* The answer cannot be written: the alias is there all the same, and is found the next time. */
static bool
efault_out(void)
{
	struct vfio_device_feature *arg = mmap(NULL, KIB4, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vfio_wc_alias_region alias = { .region_index = BAR, .memory_type = WC };

	CHECK(arg != MAP_FAILED);
	arg->argsz = sizeof(*arg) + sizeof(alias);
	arg->flags = VFIO_DEVICE_FEATURE_SET | FEATURE;
	memcpy(arg->data, &alias, sizeof(alias));
	CHECK(mprotect(arg, KIB4, PROT_READ) == 0);
	CHECK(ioctl(device, VFIO_DEVICE_FEATURE, arg) == -1 && errno == EFAULT);
	CHECK(set(device, BAR, WC, &alias) == 0 && alias.alias_index == VFIO_PCI_NUM_REGIONS);
	return true;
}

static bool
no_read_write(void)
{
	struct vfio_wc_alias_region alias;
	uint32_t word = 0;

	CHECK(set(device, BAR, WC, &alias) == 0);
	CHECK(pread(device, &word, 4, alias.offset) == -1 && errno == EINVAL);
	CHECK(pwrite(device, &word, 4, alias.offset) == -1 && errno == EINVAL);
	CHECK(pread(device, &word, 4, offset_of(device, BAR)) == 4);
	return true;
}

static bool
no_ioeventfd(void)
{
	struct vfio_device_ioeventfd arg = {
		.argsz = sizeof(arg), .flags = VFIO_DEVICE_IOEVENTFD_32, .fd = eventfd(0, 0),
	};
	struct vfio_wc_alias_region alias;

	CHECK(set(device, BAR, WC, &alias) == 0);
	arg.offset = alias.offset;
	CHECK(ioctl(device, VFIO_DEVICE_IOEVENTFD, &arg) == -1 && errno == EINVAL);
	close(arg.fd);
	return true;
}

static bool
mmap_bounds(void)
{
	uint8_t space[512] __attribute__((aligned(8)));
	const struct vfio_region_info *info = (void *)space;
	struct vfio_wc_alias_region alias;
	void *slice;

	CHECK(set(device, BAR, WC, &alias) == 0);
	CHECK(region_info(device, BAR, space, sizeof(space)) == 0);
	CHECK(mmap(NULL, info->size + KIB4, PROT_READ, MAP_SHARED, device, alias.offset) ==
		MAP_FAILED && errno == EINVAL);
	CHECK(mmap(NULL, KIB4, PROT_READ, MAP_SHARED, device, alias.offset + info->size) ==
		MAP_FAILED && errno == EINVAL);
	CHECK(mmap(NULL, KIB4, PROT_READ, MAP_PRIVATE, device, alias.offset) == MAP_FAILED &&
		errno == EINVAL);
	slice = mmap(NULL, KIB4, PROT_READ | PROT_WRITE, MAP_SHARED, device,
		alias.offset + info->size - KIB4);
	CHECK(slice != MAP_FAILED && store(slice, 1) && has_type(slice, PAGE_TYPE_WC " 4K"));
	munmap(slice, KIB4);
	return true;
}

/* Only under tests/kernel/modules/narrow_vfio_pci.c, which hides the second half of the BAR. */

static bool
reaches_first_half(uint64_t offset, uint64_t half)
{
	void *where = mmap(NULL, half, PROT_READ | PROT_WRITE, MAP_SHARED, device, offset);

	CHECK(where != MAP_FAILED);
	CHECK(store((char *)where + half - 8, 3));
	munmap(where, half);
	return true;
}

static bool
reaches_nothing_else(uint64_t offset, uint64_t half)
{
	CHECK(mmap(NULL, KIB4, PROT_READ, MAP_SHARED, device, offset + half) == MAP_FAILED && errno == EINVAL);
	CHECK(mmap(NULL, 2 * half, PROT_READ, MAP_SHARED, device, offset) == MAP_FAILED && errno == EINVAL);
	CHECK(mmap(NULL, 2 * KIB4, PROT_READ, MAP_SHARED, device, offset + half - KIB4) == MAP_FAILED &&
		errno == EINVAL);
	return true;
}

static bool
bar_is_narrow(void)
{
	CHECK(reaches_first_half(offset_of(device, BAR), MIB2));
	return reaches_nothing_else(offset_of(device, BAR), MIB2);
}

static bool
alias_is_narrow(void)
{
	uint8_t space[512] __attribute__((aligned(8)));
	const struct vfio_region_info *info = (void *)space;
	struct vfio_wc_alias_region alias;

	CHECK(set(device, BAR, WC, &alias) == 0);
	CHECK(region_info(device, alias.alias_index, space, sizeof(space)) == 0);
	CHECK(info->size == MIB2 && info->offset == alias.offset);
	CHECK(reaches_first_half(alias.offset, MIB2));
	return reaches_nothing_else(alias.offset, MIB2);
}

/* Only on the kernel that has room for one alias; the device needs a second memory BAR. */
static bool
enospc(void)
{
	struct vfio_wc_alias_region alias;

	CHECK(set(device, BAR, WC, &alias) == 0);
	CHECK(set_errno(0, WC) == -ENOSPC);
	CHECK(set(device, BAR, WC, &alias) == 0);
	return true;
}

static bool
eopnotsupp(void)
{
	struct vfio_wc_alias_region alias = { .region_index = BAR };

	CHECK(set_errno(BAR, WC) == -EOPNOTSUPP);
	CHECK(count_regions(device) == VFIO_PCI_NUM_REGIONS);
	CHECK(feature(device, VFIO_DEVICE_FEATURE_GET, &alias) == 0 && alias.memory_types == 0);
	return true;
}

static bool
enotty(void)
{
	struct vfio_wc_alias_region alias = { .region_index = BAR };

	CHECK(feature_sized(device, VFIO_DEVICE_FEATURE_PROBE, &alias,
		sizeof(struct vfio_device_feature)) == -ENOTTY);
	CHECK(feature(device, VFIO_DEVICE_FEATURE_GET, &alias) == -ENOTTY);
	CHECK(set_errno(BAR, WC) == -ENOTTY);
	return true;
}

/* On a device with MSI-X in a memory BAR: alias and region say the same. */
static bool
msix_mappable(void)
{
	uint8_t space[512] __attribute__((aligned(8)));
	struct vfio_wc_alias_region alias;
	unsigned int bar, found = 0, found_alias = 0;
	bool mappable;

	for (bar = 0; bar < 6; bar++) {
		CHECK(region_info(device, bar, space, sizeof(space)) == 0);
		mappable = find_cap(space, VFIO_REGION_INFO_CAP_MSIX_MAPPABLE) != NULL;
		found += mappable;
		if (set(device, bar, WC, &alias) != 0)
			continue;
		CHECK(region_info(device, alias.alias_index, space, sizeof(space)) == 0);
		CHECK((find_cap(space, VFIO_REGION_INFO_CAP_MSIX_MAPPABLE) != NULL) == mappable);
		found_alias += mappable;
	}
	CHECK(found == 1 && found_alias == 1);
	return true;
}

/* One of them is the first to use the BAR, and the others do not notice. */

static pthread_barrier_t start_line;

static void *
first_mmap(void *arg)
{
	void *where;

	(void)arg;
	pthread_barrier_wait(&start_line);
	where = mmap(NULL, KIB4, PROT_READ, MAP_SHARED, device, OFFSET(BAR));
	return (void *)(intptr_t)(where == MAP_FAILED ? errno : munmap(where, KIB4));
}

static void *
first_read(void *arg)
{
	uint32_t word;

	(void)arg;
	pthread_barrier_wait(&start_line);
	return (void *)(intptr_t)(pread(device, &word, 4, OFFSET(BAR)) == 4 ? 0 : errno);
}

static void *
first_set(void *arg)
{
	(void)arg;
	pthread_barrier_wait(&start_line);
	return (void *)(intptr_t)-set_errno(BAR, WC);
}

static bool
first_use_at_once(void)
{
	static void *(*const uses[])(void *) = { first_mmap, first_read, first_set, first_mmap };
	enum { NUM = sizeof(uses) / sizeof(uses[0]), ROUNDS = 500 };
	unsigned int round, i;

	CHECK(pthread_barrier_init(&start_line, NULL, NUM) == 0);
	for (round = 0; round < ROUNDS; round++) {
		pthread_t threads[NUM];
		void *error;

		close(device);
		device = open_device();
		CHECK(device >= 0 && set_memory(device, true));
		for (i = 0; i < NUM; i++)
			CHECK(pthread_create(&threads[i], NULL, uses[i], NULL) == 0);
		for (i = 0; i < NUM; i++) {
			CHECK(pthread_join(threads[i], &error) == 0);
			errno = (intptr_t)error;
			CHECK(errno == 0);
		}
	}
	return true;
}

/* Group 3: revocation */

static bool
memory_disabled(void)
{
	CHECK(map_both(MIB2, true));
	CHECK(both_work(10));
	CHECK(set_memory(device, false));
	CHECK(!store(bar_map, 11));
	CHECK(!store(alias_map, 11));
	CHECK(set_memory(device, true));
	CHECK(both_work(12));
	CHECK(has_type(alias_map, PAGE_TYPE_WC " 2M") && has_type(bar_map, PAGE_TYPE_UC " 2M"));
	unmap_both(MIB2);
	return true;
}

/*
 * The mappings of another process are revoked as well. The child makes page-table entries of its
 * own, or has only those that fork() copies.
 */
static bool
disabled_in_child(bool inherited)
{
	int to_child[2], to_parent[2], status;
	char byte = 0;
	pid_t child;

	CHECK(pipe(to_child) == 0 && pipe(to_parent) == 0);
	CHECK(map_both(MIB2, true));
	CHECK(!inherited || store(alias_map, 12));
	fflush(stdout);
	child = fork();
	if (child == 0) {
		bool ok = inherited || store(alias_map, 13);

		ok = ok && write(to_parent[1], &byte, 1) == 1 && read(to_child[0], &byte, 1) == 1;
		ok = ok && !store(alias_map, 14);
		ok = ok && write(to_parent[1], &byte, 1) == 1 && read(to_child[0], &byte, 1) == 1;
		_exit(ok && store(alias_map, 15) ? 0 : 1);
	}
	/* So that a child that gives up ends the wait for it. */
	close(to_parent[1]);
	close(to_child[0]);
	CHECK(read(to_parent[0], &byte, 1) == 1);
	CHECK(set_memory(device, false));
	CHECK(write(to_child[1], &byte, 1) == 1 && read(to_parent[0], &byte, 1) == 1);
	CHECK(set_memory(device, true));
	CHECK(write(to_child[1], &byte, 1) == 1);
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	unmap_both(MIB2);
	return true;
}

static bool
memory_disabled_child(void)
{
	return disabled_in_child(false);
}

static bool
memory_disabled_inherited(void)
{
	return disabled_in_child(true);
}

/* After a reset the mappings are gone from the page tables, and come back by fault. */
static bool
works_after_reset(void)
{
	char text[PAGE_TYPE_SIZE];

	CHECK(!page_type(alias_map, text, sizeof(text)));
	CHECK(!page_type(bar_map, text, sizeof(text)));
	CHECK(both_work(24));
	CHECK(set_memory(device, false));
	CHECK(!store(bar_map, 21));
	CHECK(!store(alias_map, 21));
	CHECK(set_memory(device, true));
	CHECK(both_work(22));
	CHECK(has_type(alias_map, PAGE_TYPE_WC " 2M") && has_type(bar_map, PAGE_TYPE_UC " 2M"));
	unmap_both(MIB2);
	return true;
}

static bool
device_reset(void)
{
	CHECK(map_both(MIB2, true));
	CHECK(both_work(20));
	CHECK(ioctl(device, VFIO_DEVICE_RESET) == 0);
	return works_after_reset();
}

static bool
reset_while_disabled(void)
{
	CHECK(map_both(MIB2, true));
	CHECK(both_work(25));
	CHECK(set_memory(device, false));
	CHECK(ioctl(device, VFIO_DEVICE_RESET) == 0);
	CHECK(!store(bar_map, 26));
	CHECK(!store(alias_map, 26));
	CHECK(set_memory(device, true));
	CHECK(both_work(27));
	return true;
}

static bool
hot_reset(void)
{
	union {
		struct vfio_pci_hot_reset reset;
		uint8_t space[sizeof(struct vfio_pci_hot_reset) + sizeof(int32_t)];
	} arg = { .reset = { .argsz = sizeof(arg.space), .count = 1 } };

	arg.reset.group_fds[0] = group;
	CHECK(map_both(MIB2, true));
	CHECK(both_work(23));
	CHECK(ioctl(device, VFIO_DEVICE_PCI_HOT_RESET, &arg) == 0);
	return works_after_reset();
}

static int
low_power(uint32_t index)
{
	struct vfio_device_feature arg = {
		.argsz = sizeof(arg), .flags = VFIO_DEVICE_FEATURE_SET | index,
	};

	return ioctl(device, VFIO_DEVICE_FEATURE, &arg);
}

static bool
low_power_revokes(void)
{
	CHECK(map_both(MIB2, true));
	CHECK(both_work(30));
	CHECK(low_power(VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY) == 0);
	CHECK(!store(bar_map, 31));
	CHECK(!store(alias_map, 31));
	CHECK(low_power(VFIO_DEVICE_FEATURE_LOW_POWER_EXIT) == 0);
	CHECK(both_work(32));
	CHECK(has_type(alias_map, PAGE_TYPE_WC " 2M") && has_type(bar_map, PAGE_TYPE_UC " 2M"));
	unmap_both(MIB2);
	return true;
}

/* Through the cdev and iommufd instead of the group. */
static bool
cdev(void)
{
	struct bind_iommufd bind = { .argsz = sizeof(bind) };
	struct vfio_wc_alias_region alias;
	char path[300] = "", dir[128];
	struct dirent *entry;
	void *where;
	DIR *names;
	int fd;

	close(device);
	close(group);
	close(container);
	snprintf(dir, sizeof(dir), "/sys/bus/pci/devices/%s/vfio-dev", bdf);
	names = opendir(dir);
	CHECK(names != NULL);
	while ((entry = readdir(names)) != NULL) {
		if (strncmp(entry->d_name, "vfio", 4) == 0)
			snprintf(path, sizeof(path), "/dev/vfio/devices/%s", entry->d_name);
	}
	closedir(names);
	fd = open(path, O_RDWR);
	bind.iommufd = open("/dev/iommu", O_RDWR);
	CHECK(fd >= 0 && bind.iommufd >= 0);
	CHECK(set(fd, BAR, WC, &alias) == -EINVAL);
	CHECK(ioctl(fd, BIND_IOMMUFD, &bind) == 0);
	CHECK(set_memory(fd, true));
	CHECK(set(fd, BAR, WC, &alias) == 0);
	where = map(fd, alias.offset, MIB2, true);
	CHECK(where != MAP_FAILED && store(where, 40) && has_type(where, PAGE_TYPE_WC " 2M"));
	return true;
}

/*
 * Somebody else, here root through sysfs, has a page of the BAR mapped when VFIO opens the device. The kernel gives a
 * whole BAR the type that a part of it already has.
 */
static void *
map_and_reopen(const char *resource)
{
	char path[128];
	void *where;
	int fd;

	close(device);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", bdf, resource);
	fd = open(path, O_RDWR);
	where = mmap(NULL, KIB4, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 3 * KIB4);
	close(fd);
	device = open_device();
	return device >= 0 && set_memory(device, true) ? where : MAP_FAILED;
}

static bool
refused_where_wc(void)
{
	struct vfio_wc_alias_region alias = { .region_index = BAR };
	void *page = map_and_reopen("resource2_wc");

	CHECK(page != MAP_FAILED);
	CHECK(feature(device, VFIO_DEVICE_FEATURE_GET, &alias) == 0 && alias.memory_types == 0);
	CHECK(set_errno(BAR, WC) == -EOPNOTSUPP);
	CHECK(count_regions(device) == VFIO_PCI_NUM_REGIONS);
	/* Why: the mapping that is to be UC- is not. */
	bar_map = map(device, offset_of(device, BAR), MIB2, true);
	CHECK(bar_map != MAP_FAILED && store(bar_map, 1) && has_type(bar_map, PAGE_TYPE_WC " 2M"));
	munmap(bar_map, MIB2);
	/* It stays so until the device is closed. */
	munmap(page, KIB4);
	CHECK(set_errno(BAR, WC) == -EOPNOTSUPP);
	close(device);
	device = open_device();
	CHECK(device >= 0 && set_memory(device, true));
	return types_2m();
}

/* The control: what else is mapped is not the reason. */
static bool
granted_where_uc(void)
{
	CHECK(map_and_reopen("resource2") != MAP_FAILED);
	return types_2m();
}

/* Once an alias is granted, the BAR is UC- whatever others ask for. */
static bool
stays_uc(void)
{
	struct vfio_wc_alias_region alias;
	char path[128];
	void *page;
	int fd;

	CHECK(set(device, BAR, WC, &alias) == 0);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource2_wc", bdf);
	fd = open(path, O_RDWR);
	page = mmap(NULL, KIB4, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(page != MAP_FAILED && store(page, 1) && has_type(page, PAGE_TYPE_UC " 4K"));
	return types_2m();
}

/* The default mapping on its own: has to be the same on every kernel. */
static bool
default_type(void)
{
	bar_map = map(device, offset_of(device, BAR), MIB2, true);
	CHECK(bar_map != MAP_FAILED && store(bar_map, 50) && has_type(bar_map, PAGE_TYPE_UC " 2M"));
	munmap(bar_map, MIB2);
	bar_map = map(device, offset_of(device, BAR), KIB4, true);
	CHECK(bar_map != MAP_FAILED && store(bar_map, 51) && has_type(bar_map, PAGE_TYPE_UC " 4K"));
	munmap(bar_map, KIB4);
	return true;
}

static const struct test {
	const char *name;
	bool (*run)(void);
	bool only_by_name;	/* needs a particular kernel or device */
} tests[] = {
	{ "default-type", default_type, false },
	{ "probe", probe, false },
	{ "get", get, false },
	{ "types-4k", types_4k, false },
	{ "types-4k-unaligned", types_4k_unaligned, false },
	{ "types-2m", types_2m, false },
	{ "types-1g", types_1g, true },
	{ "types-mixed", types_mixed, false },
	{ "outlives-files", outlives_files, false },
	{ "types-alias-first", types_alias_first, false },
	{ "types-after-mprotect", types_after_mprotect, false },
	{ "types-in-child", types_in_child, false },
	{ "maps-offset", maps_offset, false },
	{ "describe", describe, false },
	{ "deduplicated", deduplicated, false },
	{ "gone-after-close", gone_after_close, false },
	{ "einval-index", einval_index, false },
	{ "einval-memory-type", einval_memory_type, false },
	{ "einval-no-mmap", einval_no_mmap, false },
	{ "einval-flags", einval_flags, false },
	{ "set-ignores-output", set_ignores_output, false },
	{ "einval-argsz", einval_argsz, false },
	{ "efault", efault, false },
	{ "efault-out", efault_out, false },
	{ "no-read-write", no_read_write, false },
	{ "no-ioeventfd", no_ioeventfd, false },
	{ "mmap-bounds", mmap_bounds, false },
	{ "memory-disabled", memory_disabled, false },
	{ "memory-disabled-child", memory_disabled_child, false },
	{ "memory-disabled-inherited", memory_disabled_inherited, false },
	{ "low-power", low_power_revokes, false },
	{ "cdev", cdev, false },
	{ "device-reset", device_reset, true },
	{ "hot-reset", hot_reset, true },
	{ "reset-while-disabled", reset_while_disabled, true },
	{ "msix-mappable", msix_mappable, true },
	{ "enospc", enospc, true },
	{ "eopnotsupp", eopnotsupp, true },
	{ "enotty", enotty, true },
	{ "refused-where-wc", refused_where_wc, true },
	{ "granted-where-uc", granted_where_uc, true },
	{ "stays-uc", stays_uc, true },
	{ "first-use-at-once", first_use_at_once, true },
	{ "narrow-bar", bar_is_narrow, true },
	{ "narrow-alias", alias_is_narrow, true },
};

static bool
wanted(const struct test *test, int argc, char **argv)
{
	int i;

	for (i = 2; i < argc; i++) {
		if (strcmp(argv[i], test->name) == 0)
			return true;
	}
	return argc == 2 && !test->only_by_name;
}

/* In a process of its own: whatever a failed test leaves behind goes with it. */
static bool
run_alone(const struct test *test)
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		bool ok = open_group(bdf, &container, &group);

		device = ok ? open_device() : -1;
		ok = device >= 0 && set_memory(device, true) && test->run();
		fflush(stdout);
		_exit(ok ? 0 : 1);
	}
	return waitpid(child, &status, 0) == child && status == 0;
}

int
main(int argc, char **argv)
{
	unsigned int i, number = 0, failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1 && strcmp(argv[1], "-b") == 0) {
		bar_for_alias = true;
		argv++;
		argc--;
	}
	if (argc < 2) {
		fprintf(stderr, "usage: vfio-alias [-b] BDF [TEST...]\n");
		return 2;
	}
	bdf = argv[1];
	signal(SIGBUS, on_sigbus);
	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		bool ok;

		if (!wanted(&tests[i], argc, argv))
			continue;
		ok = run_alone(&tests[i]);
		printf("%sok %u - %s\n", ok ? "" : "not ", ++number, tests[i].name);
		failed += !ok;
	}
	printf("1..%u\n", number);
	return failed != 0;
}
