/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bus_pci_driver.h>
#include <rte_common.h>
#include <rte_eal.h>
#include <rte_eal_memconfig.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_malloc.h>
#include <rte_string_fns.h>
#include <rte_tailq.h>
#include <rte_vfio.h>
#include <vfio_wc_driver.h>

#include "eal_wc_compat.h"
#include "pci_bar_align.h"
#include "pci_init.h"
#include "pci_wc.h"
#include "pci_wc_backend.h"
#include "pci_wc_config.h"
#include "pci_wc_record.h"
#include "private.h"
#include "rte_bus_pci_wc.h"
#include "vfio_wc_uapi.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000 /* Linux 4.17; older kernels treat the address as a hint */
#endif

/* Limit of mapped ranges of a device; a driver needs one per push window */
#define WC_MAX_MAPS PCI_WC_RECORD_RANGES

/* Limit of recorded failures of a device; strict needs one, and ranges mapped later are dropped */
#define WC_MAX_FAILURES 16

/* Limit of retries when another thread takes free address space first */
#define WC_MAX_TRIES 16

/*
 * Address hint for ranges, above the end of EAL's memory: the bus maps BARs in between. Addresses
 * from 2^46 on are not used, as libraries and stacks of all processes are there.
 */
#ifdef RTE_ARCH_64
#define WC_DISTANCE RTE_BIT64(40)
#define WC_MAX_HINT RTE_BIT64(46)
#else
#define WC_DISTANCE 0
#define WC_MAX_HINT UINTPTR_MAX
#endif

/* A range that was not mapped although its BAR is not refused. */
struct wc_failure {
	enum pci_wc_reason reason;
	unsigned int bar;
	int error;		/* of mmap() */
	uint64_t start;
	uint64_t end;
};

struct wc_bar {
	enum rte_pci_wc_state state;
	enum pci_wc_reason reason;	/* of a refusal */
	int error;			/* of mmap(), where that is the reason */
	uint64_t offset;	/* in the device file, when granted */
	uint64_t size;
	bool io;
	bool prefetchable;
	bool activated;		/* the default mapping itself is write-combining */
};

struct wc_map {
	RTE_ATOMIC(void *) addr;	/* first page, NULL if the entry is free */
	unsigned int bar;
	uint64_t offset;	/* what was asked for */
	uint64_t len;
	unsigned int refs;	/* in this process */
};

/* Shared by all processes. Written only by the primary, under the tailq lock. */
struct wc_shared {
	TAILQ_ENTRY(wc_shared) next;
	struct rte_pci_addr addr;
	bool mapped;		/* the device is, through VFIO */
	enum pci_wc_reason reason;	/* to refuse whatever is asked for */
	enum rte_vfio_wc_mode mode;
	struct wc_bar bars[PCI_MAX_RESOURCE];
	struct pci_wc_msix msix[2];
	struct wc_map maps[WC_MAX_MAPS];
	struct wc_failure failures[WC_MAX_FAILURES];
};

/*
 * The mappings of this process. Never freed; entries are published by addr and never move, so that
 * a SIGBUS handler can walk them.
 */
struct wc_local {
	struct wc_local *next;
	struct rte_pci_addr addr;
	struct wc_shared *shared;
	void *activated[PCI_MAX_RESOURCE];	/* BARs, by address of the default mapping */
	struct wc_map maps[WC_MAX_MAPS];
};

TAILQ_HEAD(wc_shared_list, wc_shared);

static struct rte_tailq_elem wc_tailq = {
	.name = "VFIO_WC_LIST",
};
EAL_REGISTER_TAILQ(wc_tailq)

PCI_LOG_REGISTER();

static const struct pci_wc_backend *backend = &pci_wc_alias_backend;
static pthread_mutex_t wc_lock = PTHREAD_MUTEX_INITIALIZER;
static RTE_ATOMIC(struct wc_local *) wc_locals;

static bool
pci_wc_is_primary(void)
{
	return rte_eal_process_type() == RTE_PROC_PRIMARY;
}

/*
 * One lock within the process, and the tailq lock between processes, which keeps the primary from
 * removing a record that a secondary is using.
 */
static void
pci_wc_lock_records(void)
	__rte_no_thread_safety_analysis
{
	pthread_mutex_lock(&wc_lock);
	if (pci_wc_is_primary())
		rte_mcfg_tailq_write_lock();
	else
		rte_mcfg_tailq_read_lock();
}

static void
pci_wc_unlock_records(void)
	__rte_no_thread_safety_analysis
{
	if (pci_wc_is_primary())
		rte_mcfg_tailq_write_unlock();
	else
		rte_mcfg_tailq_read_unlock();
	pthread_mutex_unlock(&wc_lock);
}

/* Records; all of this under the locks */

static struct wc_shared *
pci_wc_find_shared(const struct rte_pci_addr *addr)
{
	struct wc_shared_list *list = RTE_TAILQ_CAST(wc_tailq.head, wc_shared_list);
	struct wc_shared *shared;

	TAILQ_FOREACH(shared, list, next) {
		if (rte_pci_addr_cmp(&shared->addr, addr) == 0)
			break;
	}
	return shared;
}

static struct wc_shared *
pci_wc_add_shared(const struct rte_pci_device *dev, enum rte_vfio_wc_mode mode)
{
	struct wc_shared_list *list = RTE_TAILQ_CAST(wc_tailq.head, wc_shared_list);
	struct wc_shared *shared;

	shared = rte_zmalloc("VFIO_WC", sizeof(*shared), 0);
	if (shared == NULL)
		return NULL;
	shared->addr = dev->addr;
	shared->mode = mode;
	shared->msix[0].bar = -1;
	shared->msix[1].bar = -1;
	TAILQ_INSERT_TAIL(list, shared, next);
	return shared;
}

static void
pci_wc_remove_shared(struct wc_shared *shared)
{
	struct wc_shared_list *list = RTE_TAILQ_CAST(wc_tailq.head, wc_shared_list);

	TAILQ_REMOVE(list, shared, next);
	rte_free(shared);
}

static struct wc_local *
pci_wc_find_local(const struct rte_pci_addr *addr)
{
	struct wc_local *local = rte_atomic_load_explicit(&wc_locals, rte_memory_order_acquire);

	while (local != NULL && rte_pci_addr_cmp(&local->addr, addr) != 0)
		local = local->next;
	return local;
}

static struct wc_local *
pci_wc_get_local(const struct rte_pci_device *dev, struct wc_shared *shared)
{
	struct wc_local *local = pci_wc_find_local(&dev->addr);

	if (local == NULL) {
		local = calloc(1, sizeof(*local));
		if (local == NULL)
			return NULL;
		local->addr = dev->addr;
		local->next = wc_locals;
		rte_atomic_store_explicit(&wc_locals, local, rte_memory_order_release);
	}
	local->shared = shared;
	return local;
}

/* The entry for a range, at an address if the range has one. */
static struct wc_map *
pci_wc_find_map(struct wc_map *maps, const struct wc_map *map)
{
	unsigned int i;

	for (i = 0; i < WC_MAX_MAPS; i++) {
		if (maps[i].addr != NULL && maps[i].bar == map->bar &&
				maps[i].offset == map->offset && maps[i].len == map->len &&
				(map->addr == NULL || maps[i].addr == map->addr))
			return &maps[i];
	}
	return NULL;
}

static struct wc_map *
pci_wc_find_free(struct wc_map *maps)
{
	unsigned int i;

	for (i = 0; i < WC_MAX_MAPS; i++) {
		if (maps[i].addr == NULL)
			return &maps[i];
	}
	return NULL;
}

static void
pci_wc_publish_map(struct wc_map *slot, const struct wc_map *map)
{
	slot->bar = map->bar;
	slot->offset = map->offset;
	slot->len = map->len;
	slot->refs = 1;
	rte_atomic_store_explicit(&slot->addr, map->addr, rte_memory_order_release);
}

/* Page arithmetic */

static uint64_t
pci_wc_map_start(const struct wc_map *map)
{
	return RTE_ALIGN_FLOOR(map->offset, (uint64_t)sysconf(_SC_PAGESIZE));
}

static size_t
pci_wc_map_size(const struct wc_map *map)
{
	return RTE_ALIGN_CEIL(map->offset + map->len, (uint64_t)sysconf(_SC_PAGESIZE)) -
		pci_wc_map_start(map);
}

static void *
pci_wc_first_byte(const struct wc_map *map)
{
	return RTE_PTR_ADD(map->addr, map->offset - pci_wc_map_start(map));
}

static bool
pci_wc_touches_msix(const struct wc_shared *shared, const struct wc_map *map)
{
	uint64_t start = pci_wc_map_start(map), end = start + pci_wc_map_size(map);
	unsigned int i;

	for (i = 0; i < RTE_DIM(shared->msix); i++) {
		if (shared->msix[i].bar == (int)map->bar && start < shared->msix[i].end &&
				end > shared->msix[i].start)
			return true;
	}
	return false;
}

/* Ranges that could not be mapped */

static bool
pci_wc_overlaps(const struct wc_map *map, uint64_t start, uint64_t end)
{
	return map->offset < end && map->offset + map->len > start;
}

/* The end of the mapped range at a position, or the position itself if nothing is mapped there. */
static uint64_t
pci_wc_mapped_up_to(const struct wc_shared *shared, unsigned int bar, uint64_t pos)
{
	uint64_t end = pos;
	unsigned int i;

	for (i = 0; i < WC_MAX_MAPS; i++) {
		if (shared->maps[i].addr != NULL && shared->maps[i].bar == bar &&
				pci_wc_overlaps(&shared->maps[i], pos, pos + 1))
			end = RTE_MAX(end, shared->maps[i].offset + shared->maps[i].len);
	}
	return end;
}

/* MSI-X pages are never mapped: it is sufficient that a part of a range around them is. */
static bool
pci_wc_is_met(const struct wc_shared *shared, const struct wc_failure *failure)
{
	uint64_t pos = failure->start, end;
	unsigned int i;

	if (failure->reason == PCI_WC_REASON_NONE)
		return true;
	for (i = 0; failure->reason == PCI_WC_REASON_MSIX && i < WC_MAX_MAPS; i++) {
		if (shared->maps[i].addr != NULL && shared->maps[i].bar == failure->bar &&
				pci_wc_overlaps(&shared->maps[i], failure->start, failure->end))
			return true;
	}
	for (; pos < failure->end; pos = end) {
		end = pci_wc_mapped_up_to(shared, failure->bar, pos);
		if (end == pos)
			return false;
	}
	return true;
}

/* A range of the BAR that is still not mapped, with the reason. */
static struct wc_failure
pci_wc_failure_of(const struct wc_shared *shared, unsigned int bar)
{
	static const struct wc_failure none;
	unsigned int i;

	for (i = 0; i < WC_MAX_FAILURES; i++) {
		if (shared->failures[i].bar == bar && !pci_wc_is_met(shared, &shared->failures[i]))
			return shared->failures[i];
	}
	return none;
}

/* Record the reason why a range is not mapped. Returns the error of the call. */
static int
pci_wc_fail_range(struct wc_shared *shared, const struct wc_map *map, enum pci_wc_reason reason,
		int error, int ret)
{
	unsigned int i;

	for (i = 0; pci_wc_is_primary() && i < WC_MAX_FAILURES; i++) {
		if (!pci_wc_is_met(shared, &shared->failures[i]))
			continue;
		shared->failures[i] = (struct wc_failure){
			.reason = reason,
			.bar = map->bar,
			.error = error,
			.start = map->offset,
			.end = map->offset + map->len,
		};
		break;
	}
	return ret;
}

/* Properties of the device */

static int
pci_wc_read_config(struct wc_shared *shared, int fd)
{
	struct pci_wc_config config;
	unsigned int i;
	int ret;

	RTE_BUILD_BUG_ON(PCI_WC_BARS != PCI_MAX_RESOURCE);
	ret = pci_wc_config_read(&config, fd,
		backend->region_offset(fd, VFIO_PCI_CONFIG_REGION_INDEX));
	if (ret < 0)
		return ret;
	for (i = 0; i < PCI_MAX_RESOURCE; i++) {
		shared->bars[i].io = config.io[i];
		shared->bars[i].prefetchable = config.prefetchable[i];
	}
	memcpy(shared->msix, config.msix, sizeof(shared->msix));
	return 0;
}

/* Granting */

RTE_EXPORT_INTERNAL_SYMBOL(pci_wc_set_backend)
void
pci_wc_set_backend(const struct pci_wc_backend *other)
{
	backend = other != NULL ? other : &pci_wc_alias_backend;
}

static void
pci_wc_refuse(struct wc_bar *bar, enum pci_wc_reason reason)
{
	if (!pci_wc_is_primary())
		return;
	bar->state = RTE_PCI_WC_REFUSED;
	bar->reason = reason;
}

/* Decide once per BAR. Returns 0 or a negative errno of rte_pci_map_wc(). */
static int
pci_wc_grant(struct rte_pci_device *dev, struct wc_shared *shared, unsigned int index, int fd)
{
	struct wc_bar *bar = &shared->bars[index];
	enum pci_wc_reason reason;

	if (bar->state == RTE_PCI_WC_NOT_ASKED) {
		if (shared->reason != PCI_WC_REASON_NONE)
			reason = shared->reason;
		else if (dev->mem_resource[index].addr == NULL)
			reason = PCI_WC_REASON_NOT_MAPPED;
		else
			reason = backend->grant(fd, index, dev->mem_resource[index].len,
				&bar->offset);
		if (reason == PCI_WC_REASON_NONE)
			bar->state = RTE_PCI_WC_GRANTED;
		else
			pci_wc_refuse(bar, reason);
	}
	if (bar->state == RTE_PCI_WC_GRANTED)
		return 0;
	return bar->reason == PCI_WC_REASON_NO_INDEX ? -ENOSPC : -ENOTSUP;
}

/* Mapping */

static int
pci_wc_map_at(struct wc_map *map, void *addr, int fd, uint64_t file_offset)
{
	void *got;

	got = mmap(addr, pci_wc_map_size(map), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_FIXED_NOREPLACE, fd, file_offset + pci_wc_map_start(map));
	if (got == MAP_FAILED)
		return -errno;
	if (got != addr) {
		munmap(got, pci_wc_map_size(map));
		return -EEXIST;
	}
	map->addr = got;
	return 0;
}

/* The end of a range of this process that overlaps an area, or the start of the area. */
static uintptr_t
pci_wc_end_of_overlap(uintptr_t start, size_t len)
{
	const struct wc_local *local;
	unsigned int i;

	for (local = wc_locals; local != NULL; local = local->next) {
		for (i = 0; i < WC_MAX_MAPS; i++) {
			const struct wc_map *map = &local->maps[i];
			const uintptr_t addr = (uintptr_t)map->addr;

			if (addr != 0 && addr < start + len && addr + pci_wc_map_size(map) > start)
				return addr + pci_wc_map_size(map);
		}
	}
	return start;
}

/*
 * Address hint for new mappings, where a secondary process, which needs the same addresses, is
 * likely to have free space as well: the first gap between the ranges of this process, so that
 * unmapped space is reused even if other ranges remain.
 */
static void *
pci_wc_address_hint(size_t len)
{
	uintptr_t hint = (uintptr_t)pci_find_max_end_va() + WC_DISTANCE, end;

	for (; hint < WC_MAX_HINT; hint = end) {
		end = pci_wc_end_of_overlap(hint, len);
		if (end == hint)
			return (void *)hint;
	}
	return NULL;
}

/*
 * Find an address that is congruent to the offset in the BAR modulo align, in free space that is
 * larger by align. Returns NULL with errno set.
 */
static char *
pci_wc_find_address(const struct wc_map *map, size_t align)
{
	const size_t size = pci_wc_map_size(map);
	char *area;

	if (size > SIZE_MAX - align) {
		errno = ENOMEM;
		return NULL;
	}
	area = mmap(pci_wc_address_hint(size + align), size + align, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (area == MAP_FAILED)
		return NULL;
	munmap(area, size + align);
	return area + ((pci_wc_map_start(map) - (uintptr_t)area) & (align - 1));
}

/* Does not replace mappings of another thread, which may have taken the address meanwhile. */
static int
pci_wc_map_aligned(struct wc_map *map, int fd, uint64_t file_offset, size_t align)
{
	unsigned int tries;
	int ret = -EEXIST;
	char *addr;

	for (tries = 0; tries < WC_MAX_TRIES && ret == -EEXIST; tries++) {
		addr = pci_wc_find_address(map, align);
		ret = addr == NULL ? -errno : pci_wc_map_at(map, addr, fd, file_offset);
	}
	return ret;
}

/* Align so that page faults can use huge pages, if there is enough address space. */
static int
pci_wc_map_congruent(struct wc_map *map, int fd, uint64_t file_offset, uint64_t bar_size)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	int ret;

	ret = pci_wc_map_aligned(map, fd, file_offset, RTE_MAX(page, pci_bar_align_page(bar_size)));
	/* EAGAIN: counts as locked memory, if the process has called mlockall(). */
	if (ret == -ENOMEM || ret == -EAGAIN)
		ret = pci_wc_map_aligned(map, fd, file_offset, page);
	return ret;
}

static void
pci_wc_drop_local(struct wc_map *map)
{
	void *addr = map->addr;

	rte_atomic_store_explicit(&map->addr, NULL, rte_memory_order_release);
	munmap(addr, pci_wc_map_size(map));
}

static void
pci_wc_drop_shared(struct wc_shared *shared, const struct wc_map *map)
{
	struct wc_map *entry;

	if (!pci_wc_is_primary())
		return;
	entry = pci_wc_find_map(shared->maps, map);
	if (entry != NULL)
		entry->addr = NULL;
}

static int
pci_wc_map_primary(struct rte_pci_device *dev, struct wc_shared *shared, struct wc_map *map, int fd)
{
	struct wc_map *entry = pci_wc_find_free(shared->maps);
	struct wc_bar *bar = &shared->bars[map->bar];
	int ret;

	if (entry == NULL)
		return pci_wc_fail_range(shared, map, PCI_WC_REASON_NO_ROOM, 0, -ENOSPC);
	if (pci_wc_touches_msix(shared, map))
		return pci_wc_fail_range(shared, map, PCI_WC_REASON_MSIX, 0, -ERANGE);
	ret = pci_wc_grant(dev, shared, map->bar, fd);
	if (ret < 0)
		return ret;
	ret = pci_wc_map_congruent(map, fd, bar->offset, dev->mem_resource[map->bar].len);
	if (ret < 0)
		return pci_wc_fail_range(shared, map, PCI_WC_REASON_MAP_FAILED, -ret, -ENOMEM);
	pci_wc_publish_map(entry, map);
	return 0;
}

static int
pci_wc_check_range(const struct rte_pci_device *dev, struct wc_shared *shared,
		const struct wc_map *map)
{
	const uint64_t size = dev->mem_resource[map->bar].len;

	if (!shared->mapped) {
		pci_wc_refuse(&shared->bars[map->bar], PCI_WC_REASON_NOT_VFIO);
		return -ENOTSUP;
	}
	if (shared->bars[map->bar].io) {
		pci_wc_refuse(&shared->bars[map->bar], PCI_WC_REASON_IO_BAR);
		return -ENOTSUP;
	}
	if (size == 0)
		return -ENODEV;
	if (map->offset >= size || map->len > size - map->offset)
		return -ERANGE;
	return 0;
}

/* A device without a record: with another kernel driver it gets one, to report the refusal. */
static int
pci_wc_find_or_refuse(const struct rte_pci_device *dev, unsigned int bar, struct wc_shared **shared)
{
	*shared = pci_wc_find_shared(&dev->addr);
	if (*shared != NULL)
		return 0;
	if (!pci_wc_is_primary() || rte_vfio_wc_mode(dev->name) == RTE_VFIO_WC_OFF)
		return -ENOTSUP;
	if (dev->kdrv == RTE_PCI_KDRV_VFIO)
		/* The BAR is mapped: there was no memory for a record. */
		return dev->mem_resource[bar].addr != NULL ? -ENOTSUP : -ENODEV;
	*shared = pci_wc_add_shared(dev, rte_vfio_wc_mode(dev->name));
	return *shared != NULL ? 0 : -ENOTSUP;
}

/* Map a range that this process has not mapped: a secondary uses the primary's address. */
static int
pci_wc_map_new(struct rte_pci_device *dev, struct wc_shared *shared, struct wc_map *map)
{
	int fd = rte_intr_dev_fd_get(dev->intr_handle), ret;

	if (fd < 0)
		return -ENODEV;
	if (pci_wc_is_primary())
		return pci_wc_map_primary(dev, shared, map, fd);
	ret = pci_wc_map_at(map, map->addr, fd, shared->bars[map->bar].offset);
	if (ret == 0)
		return 0;
	PCI_LOG(ERR, "%s: cannot map a range of BAR%u at %p, where the primary process has it: "
		"%s", dev->name, map->bar, map->addr, strerror(-ret));
	return -ENOMEM;
}

static int
pci_wc_map_range(struct rte_pci_device *dev, struct wc_map *map, void **addr)
{
	const struct wc_map *entry;
	struct wc_shared *shared;
	struct wc_local *local;
	struct wc_map *slot;
	int ret;

	ret = pci_wc_find_or_refuse(dev, map->bar, &shared);
	if (ret < 0)
		return ret;
	ret = pci_wc_check_range(dev, shared, map);
	if (ret < 0)
		return ret;
	if (!pci_wc_is_primary()) {
		entry = pci_wc_find_map(shared->maps, map);
		if (entry == NULL)
			return shared->bars[map->bar].state == RTE_PCI_WC_REFUSED ?
				-ENOTSUP : -ENOENT;
		map->addr = entry->addr;
	}
	local = pci_wc_get_local(dev, shared);
	if (local == NULL)
		return pci_wc_fail_range(shared, map, PCI_WC_REASON_NO_MEMORY, 0, -ENOMEM);
	slot = pci_wc_find_map(local->maps, map);
	if (slot != NULL) {
		slot->refs++;
	} else {
		slot = pci_wc_find_free(local->maps);
		if (slot == NULL)
			return pci_wc_fail_range(shared, map, PCI_WC_REASON_NO_ROOM, 0, -ENOSPC);
		ret = pci_wc_map_new(dev, shared, map);
		if (ret < 0)
			return ret;
		pci_wc_publish_map(slot, map);
	}
	*addr = pci_wc_first_byte(slot);
	return 0;
}

RTE_EXPORT_EXPERIMENTAL_SYMBOL(rte_pci_map_wc, 26.11)
void *
rte_pci_map_wc(struct rte_pci_device *dev, unsigned int bar, uint64_t offset, size_t len)
{
	struct wc_map map = { .bar = bar, .offset = offset, .len = len };
	void *addr = NULL;
	int ret;

	if (dev == NULL || bar >= PCI_MAX_RESOURCE || len == 0) {
		rte_errno = EINVAL;
		return NULL;
	}
	pci_wc_lock_records();
	ret = pci_wc_map_range(dev, &map, &addr);
	pci_wc_unlock_records();
	if (ret < 0)
		rte_errno = -ret;
	return addr;
}

static int
pci_wc_unmap_range(struct rte_pci_device *dev, const void *addr)
{
	struct wc_local *local = pci_wc_find_local(&dev->addr);
	unsigned int i;

	for (i = 0; local != NULL && i < WC_MAX_MAPS; i++) {
		struct wc_map *map = &local->maps[i];

		if (map->addr == NULL || pci_wc_first_byte(map) != addr)
			continue;
		if (--map->refs == 0) {
			pci_wc_drop_shared(local->shared, map);
			pci_wc_drop_local(map);
		}
		return 0;
	}
	return -EINVAL;
}

RTE_EXPORT_EXPERIMENTAL_SYMBOL(rte_pci_unmap_wc, 26.11)
int
rte_pci_unmap_wc(struct rte_pci_device *dev, void *addr)
{
	int ret = -EINVAL;

	if (dev != NULL && addr != NULL) {
		pci_wc_lock_records();
		ret = pci_wc_unmap_range(dev, addr);
		pci_wc_unlock_records();
	}
	if (ret < 0) {
		rte_errno = -ret;
		return -1;
	}
	return 0;
}

/* The MSI-X pages of a BAR, in order. */
static void
pci_wc_query_holes(const struct wc_shared *shared, unsigned int bar, struct rte_pci_wc_hole *holes)
{
	const struct pci_wc_msix *msix = shared->msix;
	unsigned int i, nb = 0;

	for (i = 0; i < RTE_DIM(shared->msix); i++) {
		if (msix[i].bar != (int)bar)
			continue;
		holes[nb].offset = msix[i].start;
		holes[nb++].len = msix[i].end - msix[i].start;
	}
	if (nb == 2 && holes[0].offset > holes[1].offset)
		RTE_SWAP(holes[0], holes[1]);
}

static void
pci_wc_query_bar(const struct wc_shared *shared, unsigned int bar, struct rte_pci_wc_info *info)
{
	info->state = shared->bars[bar].state;
	info->reason = pci_wc_reason_text(info->state == RTE_PCI_WC_REFUSED ?
		shared->bars[bar].reason : pci_wc_failure_of(shared, bar).reason);
	pci_wc_query_holes(shared, bar, info->holes);
}

/* The result for a device without a record. */
static void
pci_wc_query_policy(const struct rte_pci_device *dev, struct rte_pci_wc_info *info)
{
	enum pci_wc_reason reason = PCI_WC_REASON_NONE;

	if (!pci_wc_is_primary() || rte_vfio_wc_mode(dev->name) == RTE_VFIO_WC_OFF)
		reason = PCI_WC_REASON_OFF;
	else if (dev->kdrv != RTE_PCI_KDRV_VFIO)
		reason = PCI_WC_REASON_NOT_VFIO;
	info->state = reason == PCI_WC_REASON_NONE ? RTE_PCI_WC_NOT_ASKED : RTE_PCI_WC_REFUSED;
	info->reason = pci_wc_reason_text(reason);
}

RTE_EXPORT_EXPERIMENTAL_SYMBOL(rte_pci_wc_query, 26.11)
int
rte_pci_wc_query(const struct rte_pci_device *dev, unsigned int bar, struct rte_pci_wc_info *info)
{
	const struct wc_shared *shared;
	const struct wc_local *local;
	unsigned int i;

	if (dev == NULL || info == NULL || bar >= PCI_MAX_RESOURCE) {
		rte_errno = EINVAL;
		return -1;
	}
	memset(info, 0, sizeof(*info));
	pci_wc_lock_records();
	shared = pci_wc_find_shared(&dev->addr);
	if (shared != NULL)
		pci_wc_query_bar(shared, bar, info);
	else
		pci_wc_query_policy(dev, info);
	local = pci_wc_find_local(&dev->addr);
	for (i = 0; local != NULL && i < WC_MAX_MAPS; i++)
		info->nb_maps += local->maps[i].addr != NULL && local->maps[i].bar == bar;
	pci_wc_unlock_records();
	return 0;
}

bool
pci_wc_contains(const struct rte_pci_device *dev, const void *addr)
{
	struct wc_local *local = pci_wc_find_local(&dev->addr);
	unsigned int i;

	for (i = 0; local != NULL && i < WC_MAX_MAPS; i++) {
		const struct wc_map *map = &local->maps[i];
		void *start = rte_atomic_load_explicit(&map->addr, rte_memory_order_acquire);

		if (start != NULL && addr >= start &&
				addr < RTE_PTR_ADD(start, pci_wc_map_size(map)))
			return true;
	}
	return false;
}

/* Drivers that set RTE_PCI_DRV_WC_ACTIVATE */

static int
pci_wc_overlay(void *bar_addr, uint64_t start, uint64_t end, int fd, uint64_t file_offset)
{
	if (start >= end)
		return 0;
	if (mmap(RTE_PTR_ADD(bar_addr, start), end - start, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_FIXED, fd, file_offset + start) == MAP_FAILED)
		return -errno;
	return 0;
}

/* Map a BAR, except MSI-X pages, from another offset of the device file at its address. */
static int
pci_wc_overlay_bar(const struct rte_pci_device *dev, const struct wc_shared *shared,
		unsigned int bar, int fd, uint64_t file_offset)
{
	void *addr = dev->mem_resource[bar].addr;
	const uint64_t size = dev->mem_resource[bar].len;
	uint64_t start = 0;
	struct pci_wc_msix holes[2];
	unsigned int i;
	int ret;

	memcpy(holes, shared->msix, sizeof(holes));
	if (holes[0].start > holes[1].start)
		RTE_SWAP(holes[0], holes[1]);
	for (i = 0; i < RTE_DIM(holes); i++) {
		if (holes[i].bar != (int)bar)
			continue;
		ret = pci_wc_overlay(addr, start, RTE_MIN(holes[i].start, size), fd, file_offset);
		if (ret < 0)
			return ret;
		start = RTE_MAX(start, holes[i].end);
	}
	return pci_wc_overlay(addr, start, size, fd, file_offset);
}

/* For telemetry: without memory for it the BAR is write-combining all the same. */
static void
pci_wc_keep_activated(const struct rte_pci_device *dev, struct wc_shared *shared, unsigned int bar)
{
	struct wc_local *local = pci_wc_get_local(dev, shared);

	if (local != NULL)
		local->activated[bar] = dev->mem_resource[bar].addr;
}

/* Returns a negative errno if the BAR no longer has a mapping. */
static int
pci_wc_activate_bar(struct rte_pci_device *dev, struct wc_shared *shared, unsigned int index,
		int fd)
{
	struct wc_bar *bar = &shared->bars[index];
	int64_t offset;
	int ret;

	if (pci_wc_grant(dev, shared, index, fd) < 0)
		return 0;
	/* Offset from which the BAR is mapped again if mapping fails half-way */
	offset = backend->region_offset(fd, index);
	if (offset < 0) {
		pci_wc_refuse(bar, PCI_WC_REASON_NO_OFFSET);
		return 0;
	}
	ret = pci_wc_overlay_bar(dev, shared, index, fd, bar->offset);
	if (ret == 0) {
		bar->activated = true;
		pci_wc_keep_activated(dev, shared, index);
		return 0;
	}
	pci_wc_refuse(bar, PCI_WC_REASON_MAP_FAILED);
	bar->error = -ret;
	return pci_wc_overlay_bar(dev, shared, index, fd, offset);
}

static void
pci_wc_refuse_all(const struct rte_pci_device *dev, struct wc_bar *bars, enum pci_wc_reason reason)
{
	unsigned int i;

	for (i = 0; i < PCI_MAX_RESOURCE; i++) {
		if (dev->mem_resource[i].len != 0)
			pci_wc_refuse(&bars[i], reason);
	}
}

static int
pci_wc_activate(struct rte_pci_device *dev, const struct rte_pci_driver *driver,
		struct wc_shared *shared, int fd)
{
	uint32_t windows = UINT32_MAX;
	unsigned int i;
	bool allowed;
	int ret = 0;

	if (shared->reason != PCI_WC_REASON_NONE) {
		pci_wc_refuse_all(dev, shared->bars, shared->reason);
		return 0;
	}
	allowed = pci_wc_config_find_windows(driver->driver.name, &windows) ||
		rte_vfio_wc_is_named(dev->name);
	for (i = 0; i < PCI_MAX_RESOURCE && ret == 0; i++) {
		if (!shared->bars[i].prefetchable || dev->mem_resource[i].len == 0 ||
				(windows & RTE_BIT32(i)) == 0)
			continue;
		if (allowed)
			ret = pci_wc_activate_bar(dev, shared, i, fd);
		else
			pci_wc_refuse(&shared->bars[i], PCI_WC_REASON_UNKNOWN_USE);
	}
	return ret;
}

/* Undo all mappings of this process, and in the primary the record. */
static void
pci_wc_forget_device(const struct rte_pci_device *dev)
{
	struct wc_local *local = pci_wc_find_local(&dev->addr);
	struct wc_shared *shared;
	unsigned int i;

	for (i = 0; local != NULL && i < WC_MAX_MAPS; i++) {
		if (local->maps[i].addr != NULL)
			pci_wc_drop_local(&local->maps[i]);
	}
	if (local != NULL) {
		local->shared = NULL;
		memset(local->activated, 0, sizeof(local->activated));
	}
	shared = pci_wc_is_primary() ? pci_wc_find_shared(&dev->addr) : NULL;
	if (shared != NULL)
		pci_wc_remove_shared(shared);
}

static int
pci_wc_mapped_primary(struct rte_pci_device *dev, int fd)
{
	const struct rte_pci_driver *driver = PCI_DEVICE_DRIVER(dev);
	const enum rte_vfio_wc_mode mode = rte_vfio_wc_mode(dev->name);
	struct wc_shared *shared;
	unsigned int i;
	int ret;

	/* Of an earlier driver, or from when another kernel driver had the device */
	pci_wc_forget_device(dev);
	if (mode == RTE_VFIO_WC_OFF)
		return 0;
	shared = pci_wc_add_shared(dev, mode);
	if (shared == NULL) {
		PCI_LOG(NOTICE, "%s: --vfio-wc=%s: no memory for its record: default mappings",
			dev->name, rte_vfio_wc_mode_name(mode));
		return mode == RTE_VFIO_WC_STRICT ? -ENOMEM : 0;
	}
	shared->mapped = true;
	for (i = 0; i < PCI_MAX_RESOURCE; i++)
		shared->bars[i].size = dev->mem_resource[i].len;
	ret = pci_wc_read_config(shared, fd);
	if (ret < 0) {
		PCI_LOG(ERR, "%s: --vfio-wc: cannot read the config space: %s", dev->name,
			strerror(-ret));
		shared->reason = PCI_WC_REASON_CONFIG;
	}
	if (driver == NULL || (driver->drv_flags & RTE_PCI_DRV_WC_ACTIVATE) == 0)
		return 0;
	return pci_wc_activate(dev, driver, shared, fd);
}

static int
pci_wc_mapped_secondary(struct rte_pci_device *dev, int fd)
{
	struct wc_shared *shared = pci_wc_find_shared(&dev->addr);
	unsigned int i;
	int ret = 0;

	for (i = 0; shared != NULL && i < PCI_MAX_RESOURCE && ret == 0; i++) {
		if (!shared->bars[i].activated)
			continue;
		ret = pci_wc_overlay_bar(dev, shared, i, fd, shared->bars[i].offset);
		if (ret == 0)
			pci_wc_keep_activated(dev, shared, i);
	}
	return ret;
}

RTE_EXPORT_INTERNAL_SYMBOL(pci_wc_mapped)
int
pci_wc_mapped(struct rte_pci_device *dev, int map_ret)
{
	int fd, ret;

	if (map_ret != 0 || (pci_wc_is_primary() && !rte_vfio_wc_enabled()))
		return map_ret;
	fd = rte_intr_dev_fd_get(dev->intr_handle);
	pci_wc_lock_records();
	ret = pci_wc_is_primary() ? pci_wc_mapped_primary(dev, fd) :
			pci_wc_mapped_secondary(dev, fd);
	pci_wc_unlock_records();
	if (ret < 0) {
		PCI_LOG(ERR, "%s: --vfio-wc: cannot set up write-combining: %s: the device is "
			"unmapped again", dev->name, strerror(-ret));
		rte_pci_unmap_device(dev);
	}
	return ret;
}

void
pci_wc_unmapped(struct rte_pci_device *dev)
{
	if (pci_wc_is_primary() && !rte_vfio_wc_enabled())
		return;
	pci_wc_lock_records();
	pci_wc_forget_device(dev);
	pci_wc_unlock_records();
}

/* Logging */

static void
pci_wc_describe_reason(enum pci_wc_reason reason, int error, char *text, size_t size)
{
	if (reason == PCI_WC_REASON_MAP_FAILED)
		snprintf(text, size, "%s: %s", pci_wc_reason_text(reason), strerror(error));
	else
		snprintf(text, size, "%s", pci_wc_reason_text(reason));
}

/* One BAR's part of the line, "" without a request; returns whether a request was refused. */
static bool
pci_wc_describe_bar(const struct wc_bar *bar, const struct wc_failure *failure, unsigned int number,
	char *text, size_t size)
{
	const bool refused = bar->state == RTE_PCI_WC_REFUSED;
	const enum pci_wc_reason reason = refused ? bar->reason : failure->reason;
	const char *state;
	char why[160];

	text[0] = '\0';
	if (refused || bar->state == RTE_PCI_WC_NOT_ASKED) {
		if (reason == PCI_WC_REASON_NONE)
			return false;
		state = reason == PCI_WC_REASON_NOT_MAPPED ? "not mapped" : "default mapping";
	} else {
		state = reason == PCI_WC_REASON_NONE ? "write-combining granted" :
			"write-combining granted, but not all of it could be mapped";
	}
	pci_wc_describe_reason(reason, refused ? bar->error : failure->error, why, sizeof(why));
	if (reason == PCI_WC_REASON_NONE)
		snprintf(text, size, "BAR%u %s", number, state);
	else
		snprintf(text, size, "BAR%u %s (%s)", number, state, why);
	return reason != PCI_WC_REASON_NONE;
}

/* The requests of the device's driver, and their results. */
struct wc_account {
	struct wc_bar bars[PCI_MAX_RESOURCE];
	struct wc_failure failures[PCI_MAX_RESOURCE];
};

static void
pci_wc_take_account(struct wc_account *account, const struct rte_pci_driver *driver,
	const struct rte_pci_device *dev, const struct wc_shared *shared)
{
	/* A driver that does not have the bus map its device requests nothing. */
	const uint32_t activate = RTE_PCI_DRV_WC_ACTIVATE | RTE_PCI_DRV_NEED_MAPPING;
	unsigned int i;

	memset(account, 0, sizeof(*account));
	for (i = 0; shared != NULL && i < PCI_MAX_RESOURCE; i++) {
		account->bars[i] = shared->bars[i];
		account->failures[i] = pci_wc_failure_of(shared, i);
	}
	/* A driver that relies on the bus requests it for all eligible BARs. */
	if (dev->kdrv != RTE_PCI_KDRV_VFIO && (driver->drv_flags & activate) == activate)
		pci_wc_refuse_all(dev, account->bars, PCI_WC_REASON_NOT_VFIO);
}

/* Returns the number of BARs with a refused request. */
static unsigned int
pci_wc_describe(const struct wc_account *account, char *text, size_t size)
{
	unsigned int refused = 0, i;
	char part[256];

	text[0] = '\0';
	for (i = 0; i < PCI_MAX_RESOURCE; i++) {
		refused += pci_wc_describe_bar(&account->bars[i], &account->failures[i], i, part,
			sizeof(part));
		if (part[0] == '\0')
			continue;
		if (text[0] != '\0')
			strlcat(text, ", ", size);
		strlcat(text, part, size);
	}
	return refused;
}

/* Log what the device was granted. Returns whether the policy refuses a probe that succeeded. */
static bool
pci_wc_report(const struct rte_pci_driver *driver, const struct rte_pci_device *dev, bool probed)
{
	const enum rte_vfio_wc_mode mode = rte_vfio_wc_mode(dev->name);
	struct wc_account account;
	struct wc_shared *shared;
	unsigned int refused;
	char text[1024];

	if (mode == RTE_VFIO_WC_OFF)
		return false;
	pci_wc_lock_records();
	shared = pci_wc_find_shared(&dev->addr);
	pci_wc_take_account(&account, driver, dev, shared);
	/* With another kernel driver: the record was only for the report. */
	if (shared != NULL && !shared->mapped)
		pci_wc_remove_shared(shared);
	pci_wc_unlock_records();
	refused = pci_wc_describe(&account, text, sizeof(text));
	if (probed && refused != 0 && mode == RTE_VFIO_WC_STRICT) {
		PCI_LOG(ERR, "%s: --vfio-wc=strict: probe refused: %s; use auto, or %s=off",
			dev->name, text, dev->name);
		return true;
	}
	if (text[0] != '\0')
		PCI_LOG(NOTICE, "%s: --vfio-wc=%s: %s", dev->name,
			rte_vfio_wc_mode_name(mode), text);
	return false;
}

int
pci_wc_probed(struct rte_pci_driver *driver, struct rte_pci_device *dev, int probe_ret)
{
	/* Positive: the driver does not match the device. */
	if (!rte_vfio_wc_enabled() || !pci_wc_is_primary() || probe_ret > 0)
		return probe_ret;
	if (!pci_wc_report(driver, dev, probe_ret == 0))
		return probe_ret;
	/* Unlocked: the driver removes its mappings. */
	if (driver->remove == NULL || driver->remove(dev) < 0) {
		PCI_LOG(ERR, "%s: --vfio-wc=strict: the driver keeps the device, which stays "
			"in use", dev->name);
		return 0;
	}
	return -ENOTSUP;
}

/* Copies of records */

static void
pci_wc_copy_bar(const struct wc_shared *shared, unsigned int index, struct pci_wc_record_bar *copy)
{
	const struct wc_bar *bar = &shared->bars[index];
	const struct wc_failure failure = pci_wc_failure_of(shared, index);
	const bool refused = bar->state == RTE_PCI_WC_REFUSED;

	copy->state = bar->state;
	pci_wc_describe_reason(refused ? bar->reason : failure.reason,
		refused ? bar->error : failure.error, copy->reason, sizeof(copy->reason));
	copy->size = bar->size;
	copy->offset = bar->offset;
	copy->prefetchable = bar->prefetchable;
	copy->activated = bar->activated;
	pci_wc_query_holes(shared, index, copy->holes);
}

/* What this process has mapped */
static void
pci_wc_copy_local(const struct wc_local *local, struct pci_wc_record *record)
{
	unsigned int i;

	for (i = 0; i < PCI_MAX_RESOURCE; i++)
		record->bars[i].addr = local->activated[i];
	for (i = 0; i < WC_MAX_MAPS; i++) {
		const struct wc_map *map = &local->maps[i];

		if (map->addr == NULL)
			continue;
		record->ranges[record->nb_ranges++] = (struct pci_wc_record_range){
			.bar = map->bar,
			.offset = map->offset,
			.len = map->len,
			.addr = pci_wc_first_byte(map),
		};
	}
}

static void
pci_wc_copy_record(const struct wc_shared *shared, struct pci_wc_record *record)
{
	const struct wc_local *local = pci_wc_find_local(&shared->addr);
	unsigned int i;

	record->mode = shared->mode;
	for (i = 0; i < PCI_MAX_RESOURCE; i++)
		pci_wc_copy_bar(shared, i, &record->bars[i]);
	if (local != NULL)
		pci_wc_copy_local(local, record);
}

int
pci_wc_read_record(const struct rte_pci_addr *addr, struct pci_wc_record *record)
{
	const struct wc_shared *shared;

	memset(record, 0, sizeof(*record));
	pci_wc_lock_records();
	shared = pci_wc_find_shared(addr);
	if (shared != NULL)
		pci_wc_copy_record(shared, record);
	pci_wc_unlock_records();
	return shared != NULL ? 0 : -ENODEV;
}

unsigned int
pci_wc_list_records(struct rte_pci_addr *addrs, unsigned int max)
{
	struct wc_shared_list *list = RTE_TAILQ_CAST(wc_tailq.head, wc_shared_list);
	const struct wc_shared *shared;
	unsigned int nb = 0;

	pci_wc_lock_records();
	TAILQ_FOREACH(shared, list, next) {
		if (nb < max)
			addrs[nb++] = shared->addr;
	}
	pci_wc_unlock_records();
	return nb;
}
