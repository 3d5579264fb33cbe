/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * alias-stress BDF [--seed N] [--operations N] [--rounds N] [--processes N] [--threads N]
 *
 * Threads of several processes do at random what can be done with alias regions, on one device whose BAR2 is memory
 * (ivshmem), and check every answer. The processes share a file of the device, and half of the threads have files of
 * their own. What each thread does follows from the seed; how the threads interleave does not.
 *
 * Rounds: each begins with a fresh device and ends with all threads closing and opening it, so that aliases are made
 * for the first time and dropped for the last time again and again.
 *
 * Who turns memory off says so to all, under a lock: a store that gets SIGBUS while memory was on all along is an
 * error, and so is one that gets through while memory was off all along, no matter which process did it through which mapping.
 * In every fourth round memory goes on and off without a lock, and only the kernel can be wrong.
 */

#include <getopt.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "alias_common.h"

#define MEMORY_BAR 2
#define MAX_WORKERS 64
#define SLOTS 8
#define CYCLES 3		/* of opening and closing at the end of a round */
#define STUCK_SECONDS 120
#define MIB2 (2UL << 20)
/* Each thread has a range of addresses of its own, and each of its mappings a part of that. */
#define WINDOW (16UL << 20)
#define WINDOWS 0x600000000000UL

enum operation { SET, SET_BAD, GET, PROBE, GET_INFO, INFO_ALIAS, INFO_BAR, MMAP, TOUCH, MUNMAP, READ_WRITE, MEMORY,
	LOW_POWER, RESET, HOT_RESET, OPEN, FORK, LIST, NUM_OPERATIONS };

static const struct {
	const char *name;
	unsigned int weight;	/* of 100000; resets, opens and forks are slow and stay below 0.1 % */
} operations[NUM_OPERATIONS] = {
	[SET] = { "SET", 15000 },
	[SET_BAD] = { "SET, refused", 4000 },
	[GET] = { "GET", 8000 },
	[PROBE] = { "PROBE", 3000 },
	[GET_INFO] = { "GET_INFO", 10000 },
	[INFO_ALIAS] = { "GET_REGION_INFO, alias", 12000 },
	[INFO_BAR] = { "GET_REGION_INFO, BAR", 4000 },
	[MMAP] = { "mmap", 9000 },
	[TOUCH] = { "touch", 25100 },
	[MUNMAP] = { "munmap", 9000 },
	[READ_WRITE] = { "read and write, refused", 520 },
	[MEMORY] = { "memory off and on", 200 },
	[LOW_POWER] = { "low power", 20 },
	[RESET] = { "reset", 20 },
	[HOT_RESET] = { "hot reset", 20 },
	[OPEN] = { "close and open", 20 },
	[FORK] = { "fork", 50 },
	[LIST] = { "list of mappings", 50 },
};

/* What is known of memory, in the two low bits of a number that only grows */
enum phase { ON, TURNING_OFF, OFF, TURNING_ON };

static struct shared {
	pthread_mutex_t memory_lock;
	pthread_barrier_t barrier;
	_Atomic uint64_t phase;
	_Atomic int32_t alias_of[NUM_BARS];	/* in this round; -1: nobody was told of one */
	_Atomic bool failed;
	_Atomic bool closing;			/* the device is opened and closed all the time */
	_Atomic bool mapped[NUM_BARS];		/* in this round, by anyone */
	_Atomic uint64_t count[NUM_OPERATIONS], sigbus, busy;
	struct {
		_Atomic uint64_t done;
		_Atomic int operation;
	} worker[MAX_WORKERS];
} *shared;

struct slot {
	uint8_t *address;
	uint32_t region;	/* the BAR */
	uint64_t start, length;
	bool of_alias;
};

struct worker {
	unsigned int number;
	uint64_t state, share;
	int fd, own_fd;
	struct slot slots[SLOTS];
	uint64_t count[NUM_OPERATIONS], sigbus;
};

static const char *bdf, *list;
static int container = -1, group = -1, shared_fd = -1;
static uint32_t base, num_bars;
static uint64_t bar_size[NUM_BARS];	/* 0: no mmap */
static uint32_t bars[NUM_BARS];		/* those that have */
static bool can_reset;
static bool free_round;			/* memory goes on and off without a lock */
static __thread sigjmp_buf jump;

/* In one piece, since all write to the same place. */
#define FAIL(who, ...) fail(who, errno, __VA_ARGS__)

static void __attribute__((format(printf, 3, 4)))
fail(const struct worker *w, int error, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	errno = error;
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	printf("# thread %u, %s: %s\n", w->number, operations[shared->worker[w->number].operation].name, text);
	shared->failed = true;
}

static uint32_t
below(struct worker *w, uint32_t end)
{
	return xorshift(&w->state) % end;
}

static void
on_sigbus(int number)
{
	(void)number;
	siglongjmp(jump, 1);
}

/* Store and load back, or just load; false if that is a SIGBUS. */
static bool
touch(volatile uint64_t *where, bool store, uint64_t value, uint64_t *loaded)
{
	if (sigsetjmp(jump, 0) != 0)
		return false;
	if (store) {
		*where = value;
		/* From the write-combining buffer to the device, SDM vol. 3A section on WC */
		__builtin_ia32_sfence();
	}
	*loaded = *where;
	return true;
}

/* The same with what is known of memory compared with what happened. */
static bool
checked_touch(struct worker *w, const struct slot *slot, uint64_t where, bool store, uint64_t value)
{
	const uint64_t before = atomic_load(&shared->phase);
	uint64_t loaded = value;
	const bool ok = touch((void *)(slot->address + where), store, value, &loaded);
	const bool known = !free_round && atomic_load(&shared->phase) == before;

	w->sigbus += !ok;
	if (known && !ok && before % 4 == ON)
		FAIL(w, "SIGBUS at %#lx of BAR%u though memory is on", slot->start + where, slot->region);
	if (known && ok && before % 4 == OFF)
		FAIL(w, "no SIGBUS at %#lx of BAR%u though memory is off", slot->start + where, slot->region);
	if (ok && slot->region == MEMORY_BAR && loaded != value)
		FAIL(w, "%#lx of BAR%u is %#lx, not %#lx", slot->start + where, slot->region, loaded, value);
	return ok;
}

static struct slot *
random_slot(struct worker *w, bool used)
{
	unsigned int first = below(w, SLOTS);

	for (unsigned int i = 0; i < SLOTS; i++) {
		struct slot *slot = &w->slots[(first + i) % SLOTS];

		if ((slot->address != NULL) == used)
			return slot;
	}
	return NULL;
}

/* Operations. Each is given a moment at which the device is open, and leaves it like that. */

static void
do_touch(struct worker *w, struct slot *slot)
{
	/* A word of its own in each page for each thread */
	const uint64_t where = below(w, slot->length / PAGE) * PAGE + w->number * sizeof(uint64_t);
	const bool memory = slot->region == MEMORY_BAR;
	const uint64_t value = xorshift(&w->state);

	if (!checked_touch(w, slot, where, memory, value) || !memory)
		return;
	/* The same word through the thread's other mappings, of the BAR and of its alias */
	for (unsigned int i = 0; i < SLOTS; i++) {
		const struct slot *other = &w->slots[i];

		if (other != slot && other->address != NULL && other->region == MEMORY_BAR &&
				slot->start + where >= other->start &&
				slot->start + where < other->start + other->length)
			checked_touch(w, other, slot->start + where - other->start, false, value);
	}
}

/* Learn of an alias; it has to be what everyone else was told. */
static bool
learn(struct worker *w, uint32_t region, const struct vfio_wc_alias_region *alias)
{
	int32_t known = -1;

	if (alias->region_index != region || alias->flags != 0 || alias->memory_type != WC ||
			alias->alias_index < base || alias->alias_index >= base + num_bars ||
			!is_alias_offset(alias->offset) || alias->offset != offset_of(w->fd, alias->alias_index) ||
			alias->memory_types != 0) {
		FAIL(w, "BAR%u: region %u flags %#x memory type %u index %u offset %#lx memory types %#lx", region,
		     alias->region_index, alias->flags, alias->memory_type, alias->alias_index,
		     (unsigned long)alias->offset, (unsigned long)alias->memory_types);
		return false;
	}
	if (!atomic_compare_exchange_strong(&shared->alias_of[region], &known, (int32_t)alias->alias_index) &&
			known != (int32_t)alias->alias_index) {
		FAIL(w, "the alias of BAR%u is %u and was %d", region, alias->alias_index, known);
		return false;
	}
	return true;
}

static bool
do_set(struct worker *w, uint32_t region, struct vfio_wc_alias_region *alias)
{
	int ret = set_alias(w->fd, region, WC, alias);

	if (ret != 0)
		FAIL(w, "BAR%u: %s", region, strerror(-ret));
	return ret == 0 && learn(w, region, alias);
}

static void
do_set_bad(struct worker *w)
{
	struct vfio_wc_alias_region alias = { .region_index = bars[below(w, num_bars)], .memory_type = WC };
	int ret;

	switch (below(w, 3)) {
	case 0:
		/* Beyond the BARs: other regions, aliases, nothing */
		alias.region_index = NUM_BARS + below(w, 16);
		break;
	case 1:
		alias.memory_type = below(w, 2) ? 0 : WC + 1 + below(w, 1000);
		break;
	case 2:
		alias.flags = 1 + below(w, 1000);
		break;
	}
	ret = feature(w->fd, VFIO_DEVICE_FEATURE_SET, &alias);
	if (ret != -EINVAL)
		FAIL(w, "region %u flags %#x memory type %u: %s", alias.region_index, alias.flags, alias.memory_type,
		     strerror(-ret));
}

static void
do_get(struct worker *w)
{
	struct vfio_wc_alias_region alias = { .region_index = below(w, base) };
	const uint32_t region = alias.region_index;
	const uint64_t expected = region < NUM_BARS && bar_size[region] != 0 ? WC_TYPES : 0;
	int ret = feature(w->fd, VFIO_DEVICE_FEATURE_GET, &alias);

	if (ret != 0 || alias.memory_types != expected)
		FAIL(w, "region %u: %s, memory types %#lx", region, strerror(-ret), (unsigned long)alias.memory_types);
}

static void
do_probe(struct worker *w)
{
	struct vfio_wc_alias_region alias = { 0 };
	int ret = feature(w->fd, VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET,
		&alias);

	if (ret != 0)
		FAIL(w, "%s", strerror(-ret));
}

static void
do_get_info(struct worker *w)
{
	uint32_t known = 0, num;
	int ret;

	for (unsigned int i = 0; i < NUM_BARS; i++)
		known += atomic_load(&shared->alias_of[i]) >= 0;
	ret = num_regions(w->fd, &num);
	if (ret != 0 || num < base + known || num > base + num_bars)
		FAIL(w, "%s, %u regions, %u aliases are known", strerror(-ret), num, known);
}

/* Any index that an alias can have; it has to be there if anyone was told of it. */
static void
do_info_alias(struct worker *w)
{
	uint8_t space[512] __attribute__((aligned(8)));
	const uint32_t index = base + below(w, num_bars);
	const struct vfio_wc_cap_alias *cap;
	bool known = false;
	int ret;

	for (unsigned int i = 0; i < NUM_BARS; i++)
		known = known || atomic_load(&shared->alias_of[i]) == (int32_t)index;
	ret = region_info(w->fd, index, space, sizeof(space));
	if (ret == -EINVAL && !known)
		return;
	cap = ret == 0 ? find_cap(space, VFIO_WC_CAP_ALIAS) : NULL;
	if (cap == NULL || cap->region_index >= NUM_BARS ||
			!is_alias_info(space, index, cap->region_index, bar_size[cap->region_index]))
		FAIL(w, "region %u: %s%s", index, strerror(-ret), ret ? "" : ", not described as it is");
}

static void
do_info_bar(struct worker *w)
{
	uint8_t space[512] __attribute__((aligned(8)));
	const struct vfio_region_info *info = (const void *)space;
	const uint32_t index = bars[below(w, num_bars)];
	int ret = region_info(w->fd, index, space, sizeof(space));

	if (ret != 0 || info->size != bar_size[index] || info->offset != OFFSET(index) ||
			find_cap(space, VFIO_WC_CAP_ALIAS) != NULL)
		FAIL(w, "BAR%u: %s, size %#lx", index, strerror(-ret), (unsigned long)info->size);
}

static void
do_munmap(struct worker *w, struct slot *slot)
{
	if (munmap(slot->address, slot->length) != 0)
		FAIL(w, "%m");
	slot->address = NULL;
}

/*
 * Linux 6.12 claims a BAR at its first mmap, and without the series it does so without a lock: who comes second
 * meanwhile gets EBUSY. Once the BAR has been mapped there is no excuse until the device is closed.
 */
static void *
map_region(uintptr_t address, size_t length, int flags, int fd, uint32_t region, uint64_t offset)
{
	unsigned int tries = 0;
	bool mapped;
	void *where;

	do {
		mapped = atomic_load(&shared->mapped[region]);
		where = mmap((void *)address, length, PROT_READ | PROT_WRITE, MAP_SHARED | flags, fd, offset);
		if (where != MAP_FAILED) {
			atomic_store(&shared->mapped[region], true);
			return where;
		}
		if (errno == EBUSY)
			atomic_fetch_add(&shared->busy, 1);
	} while (errno == EBUSY && (!mapped || shared->closing) && tries++ < 1000 && sched_yield() == 0);
	return MAP_FAILED;
}

static void
do_mmap(struct worker *w, struct slot *slot, bool of_alias)
{
	const uint32_t region = below(w, 4) ? MEMORY_BAR : bars[below(w, num_bars)];
	const uint64_t pages = (bar_size[region] + PAGE - 1) / PAGE;
	uint64_t offset = OFFSET(region);
	struct vfio_wc_alias_region alias;
	uintptr_t address;

	if (of_alias) {
		if (!do_set(w, region, &alias))
			return;
		offset = alias.offset;
	}
	slot->of_alias = of_alias;
	slot->region = region;
	slot->start = below(w, 3) ? below(w, pages) * PAGE : 0;
	slot->length = below(w, 3) ? PAGE * (1 + below(w, pages - slot->start / PAGE)) : pages * PAGE - slot->start;
	/* Huge pages if the address suits the offset, small ones if not */
	address = WINDOWS + (w->number * SLOTS + (slot - w->slots)) * WINDOW + slot->start % MIB2 +
		(below(w, 2) ? PAGE : 0);
	slot->address = map_region(address, slot->length, MAP_FIXED_NOREPLACE, w->fd, region, offset + slot->start);
	if (slot->address == MAP_FAILED) {
		FAIL(w, "BAR%u%s: %m", region, of_alias ? ", alias" : "");
		slot->address = NULL;
	} else if (!of_alias && madvise(slot->address, slot->length, MADV_DONTFORK) != 0) {
		FAIL(w, "madvise: %m");
	}
}

static void
do_read_write(struct worker *w)
{
	struct vfio_wc_alias_region alias;
	uint32_t word = 0;

	if (!do_set(w, bars[below(w, num_bars)], &alias))
		return;
	if (pread(w->fd, &word, 4, alias.offset) != -1 || errno != EINVAL ||
			pwrite(w->fd, &word, 4, alias.offset) != -1 || errno != EINVAL)
		FAIL(w, "region %u: %m", alias.alias_index);
}

static int
low_power(const struct worker *w, uint32_t index)
{
	struct vfio_device_feature arg = { .argsz = sizeof(arg), .flags = VFIO_DEVICE_FEATURE_SET | index };

	return ioctl(w->fd, VFIO_DEVICE_FEATURE, &arg) == 0 ? 0 : -errno;
}

static void
no_access(struct worker *w, bool by_power)
{
	int ret = by_power ? low_power(w, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY) : set_memory(w->fd, false) ? 0 : -errno;

	/* Of several that ask for low power without a lock only the first gets it. */
	if (ret != 0 && !(free_round && by_power && ret == -EINVAL))
		FAIL(w, "off: %s", strerror(-ret));
}

static void
access_again(struct worker *w, bool by_power)
{
	int ret = by_power ? low_power(w, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT) : set_memory(w->fd, true) ? 0 : -errno;

	if (ret != 0)
		FAIL(w, "on: %s", strerror(-ret));
}

static void
do_memory(struct worker *w, bool by_power)
{
	struct slot *slot = random_slot(w, true);

	if (free_round) {
		no_access(w, by_power);
		if (slot != NULL)
			do_touch(w, slot);
		access_again(w, by_power);
		return;
	}
	pthread_mutex_lock(&shared->memory_lock);
	atomic_fetch_add(&shared->phase, 1);
	no_access(w, by_power);
	atomic_fetch_add(&shared->phase, 1);
	if (slot != NULL)
		do_touch(w, slot);
	atomic_fetch_add(&shared->phase, 1);
	access_again(w, by_power);
	atomic_fetch_add(&shared->phase, 1);
	pthread_mutex_unlock(&shared->memory_lock);
}

/* Resets give way when they meet another one or somebody who holds a lock. */
static void
do_reset(struct worker *w, bool hot)
{
	union {
		struct vfio_pci_hot_reset reset;
		uint8_t space[sizeof(struct vfio_pci_hot_reset) + sizeof(int32_t)];
	} arg = { .reset = { .argsz = sizeof(arg.space), .count = 1 } };
	int ret;

	if (!can_reset)
		return;
	arg.reset.group_fds[0] = group;
	ret = hot ? ioctl(w->fd, VFIO_DEVICE_PCI_HOT_RESET, &arg) : ioctl(w->fd, VFIO_DEVICE_RESET);
	if (ret != 0 && errno != EAGAIN && errno != EBUSY)
		FAIL(w, "%m");
}

static bool
do_open(struct worker *w)
{
	w->fd = w->own_fd = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, bdf);
	if (w->fd < 0)
		FAIL(w, "%m");
	return w->fd >= 0;
}

static void
reopen(struct worker *w)
{
	if (w->own_fd < 0)
		return;
	if (close(w->own_fd) != 0)
		FAIL(w, "close: %m");
	do_open(w);
}

/*
 * What a child has of its parent's mappings of aliases is revoked like they are. It ends with some of them still there.
 * It has none of BARs, which Linux 6.1 does not revoke in a child.
 */
static void
do_fork(struct worker *w)
{
	struct slot *slot;
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		for (unsigned int i = 0; i < SLOTS; i++) {
			if (!w->slots[i].of_alias)
				w->slots[i].address = NULL;
		}
		slot = random_slot(w, true);
		for (unsigned int i = 0; slot != NULL && i < SLOTS; i++) {
			do_touch(w, slot);
			slot = random_slot(w, true);
		}
		if (slot != NULL)
			do_munmap(w, slot);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		FAIL(w, "%m, status %#x", status);
}

/* A line of the list; whether it is that of the slot. */
static bool
check_line(struct worker *w, const char *line, const struct slot *slot)
{
	unsigned long start, end;
	char types[64];
	int pid;

	if (line[0] == '#')
		return false;
	if (sscanf(line, "%*s %d %lx-%lx %*u %*x WC %63s", &pid, &start, &end, types) != 4 ||
			(strcmp(types, "WC") != 0 && strcmp(types, "-") != 0))
		FAIL(w, "%s", line);
	return pid == getpid() && start == (uintptr_t)slot->address && end == start + slot->length;
}

/* Read while others map and unmap, the list has what stays mapped, once. */
static void
do_list(struct worker *w)
{
	struct slot *slot = random_slot(w, true);
	unsigned int lines = 0;
	char line[256];
	FILE *file;

	if (list == NULL || slot == NULL)
		return;
	file = fopen(list, "r");
	if (file == NULL) {
		FAIL(w, "%s: %m", list);
		return;
	}
	while (fgets(line, sizeof(line), file) != NULL)
		lines += check_line(w, line, slot);
	if (lines != slot->of_alias)
		FAIL(w, "%p is there %u times", (void *)slot->address, lines);
	fclose(file);
}

static void
do_one(struct worker *w, enum operation operation)
{
	struct vfio_wc_alias_region alias;
	struct slot *slot;

	switch (operation) {
	case SET:
		do_set(w, bars[below(w, num_bars)], &alias);
		break;
	case SET_BAD:
		do_set_bad(w);
		break;
	case GET:
		do_get(w);
		break;
	case PROBE:
		do_probe(w);
		break;
	case GET_INFO:
		do_get_info(w);
		break;
	case INFO_ALIAS:
		do_info_alias(w);
		break;
	case INFO_BAR:
		do_info_bar(w);
		break;
	case MMAP:
		slot = random_slot(w, false);
		if (slot == NULL) {
			slot = random_slot(w, true);
			do_munmap(w, slot);
		}
		do_mmap(w, slot, below(w, 3) != 0);
		break;
	case TOUCH:
		slot = random_slot(w, true);
		if (slot != NULL)
			do_touch(w, slot);
		break;
	case MUNMAP:
		slot = random_slot(w, true);
		if (slot != NULL)
			do_munmap(w, slot);
		break;
	case READ_WRITE:
		do_read_write(w);
		break;
	case MEMORY:
	case LOW_POWER:
		do_memory(w, operation == LOW_POWER);
		break;
	case RESET:
	case HOT_RESET:
		do_reset(w, operation == HOT_RESET);
		break;
	case OPEN:
		reopen(w);
		break;
	case FORK:
		do_fork(w);
		break;
	case LIST:
		do_list(w);
		break;
	case NUM_OPERATIONS:
		break;
	}
}

static enum operation
choose(struct worker *w)
{
	unsigned int roll = below(w, 100000), i;

	for (i = 0; i < NUM_OPERATIONS - 1 && roll >= operations[i].weight; i++)
		roll -= operations[i].weight;
	return i;
}

static void
begin(struct worker *w, enum operation operation)
{
	atomic_store_explicit(&shared->worker[w->number].operation, operation, memory_order_relaxed);
	w->count[operation]++;
}

/*
 * With nobody else's file to keep the device open: last closes and first opens run into each other. While a thread
 * has it open, memory is on, since none turns it off, and an alias stays what it is.
 */
static void
open_and_close(struct worker *w)
{
	struct vfio_wc_alias_region first, again;
	uint64_t loaded;
	uint8_t *where;

	begin(w, OPEN);
	if (!do_open(w))
		return;
	if (!set_memory(w->fd, true)) {
		FAIL(w, "memory on: %m");
	} else if (set_alias(w->fd, MEMORY_BAR, WC, &first) != 0) {
		FAIL(w, "SET: %m");
	} else {
		where = map_region(0, PAGE, 0, w->fd, MEMORY_BAR, first.offset);
		if (where == MAP_FAILED)
			FAIL(w, "mmap: %m");
		else if (!touch((void *)(where + w->number * sizeof(uint64_t)), true, w->state, &loaded))
			FAIL(w, "SIGBUS though memory is on");
		else if (loaded != w->state)
			FAIL(w, "BAR%u is %#lx, not %#lx", MEMORY_BAR, loaded, w->state);
		if (set_alias(w->fd, MEMORY_BAR, WC, &again) != 0 || memcmp(&first, &again, sizeof(first)) != 0)
			FAIL(w, "the alias has changed from %u to %u", first.alias_index, again.alias_index);
		/* Sometimes the mapping is the last that holds the file. */
		if (below(w, 2)) {
			close(w->fd);
			w->fd = -1;
		}
		if (where != MAP_FAILED)
			munmap(where, PAGE);
	}
	if (w->fd >= 0)
		close(w->fd);
	w->fd = w->own_fd = -1;
}

static void *
work(void *argument)
{
	struct worker *w = argument;

	w->fd = shared_fd;
	if (w->number % 2 == 1) {
		begin(w, OPEN);
		do_open(w);
	}
	for (uint64_t i = 0; i < w->share && !shared->failed; i++) {
		enum operation operation = choose(w);

		begin(w, operation);
		do_one(w, operation);
		atomic_fetch_add_explicit(&shared->worker[w->number].done, 1, memory_order_relaxed);
	}
	for (unsigned int i = 0; i < SLOTS; i++) {
		if (w->slots[i].address != NULL)
			do_munmap(w, &w->slots[i]);
	}
	if (w->own_fd >= 0)
		close(w->own_fd);
	w->own_fd = -1;
	/* The last of all threads of all processes brings the device's last close nearer. */
	shared->closing = true;
	pthread_barrier_wait(&shared->barrier);
	for (unsigned int i = 0; i < CYCLES && !shared->failed; i++) {
		open_and_close(w);
		atomic_fetch_add_explicit(&shared->worker[w->number].done, 1, memory_order_relaxed);
	}
	for (unsigned int i = 0; i < NUM_OPERATIONS; i++)
		atomic_fetch_add(&shared->count[i], w->count[i]);
	atomic_fetch_add(&shared->sigbus, w->sigbus);
	return NULL;
}

struct options {
	uint64_t seed, operations;
	unsigned int rounds, processes, threads;
};

static int
process(const struct options *o, unsigned int round, unsigned int number)
{
	struct worker *workers = calloc(o->threads, sizeof(*workers));
	pthread_t *threads = calloc(o->threads, sizeof(*threads));
	const unsigned int num = o->processes * o->threads;

	for (unsigned int i = 0; i < o->threads; i++) {
		struct worker *w = &workers[i];

		w->number = number * o->threads + i;
		w->state = stream(o->seed, (uint64_t)round * MAX_WORKERS + w->number);
		w->share = o->operations / o->rounds / num;
		/* What does not divide */
		if (round == 0 && w->number == 0)
			w->share += o->operations - w->share * o->rounds * num;
		w->own_fd = -1;
		if (pthread_create(&threads[i], NULL, work, w) != 0)
			return 1;
	}
	/* Nobody needs the shared file after the barrier; threads without one of their own wait there. */
	pthread_barrier_wait(&shared->barrier);
	close(shared_fd);
	for (unsigned int i = 0; i < o->threads; i++)
		pthread_join(threads[i], NULL);
	return shared->failed;
}

static uint64_t
all_done(unsigned int num)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < num; i++)
		sum += atomic_load(&shared->worker[i].done);
	return sum;
}

static void
say_stuck(const struct options *o)
{
	FILE *sysrq = fopen("/proc/sysrq-trigger", "w");

	printf("# nothing has moved for %d s; threads are in:", STUCK_SECONDS);
	for (unsigned int i = 0; i < o->processes * o->threads; i++)
		printf(" %s;", operations[shared->worker[i].operation].name);
	printf("\n");
	/* Blocked tasks with their stacks, to the kernel's log */
	if (sysrq != NULL) {
		fputs("w", sysrq);
		fclose(sysrq);
	}
}

static time_t
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* Wait for the processes of a round, and see that they get on. */
static bool
wait_for(const struct options *o, pid_t *pids)
{
	const struct timespec tick = { .tv_nsec = 20000000 };
	const unsigned int num = o->processes * o->threads;
	unsigned int left = o->processes;
	time_t moved = seconds();
	uint64_t done = 0;
	bool ok = true;

	while (left > 0) {
		int status;
		pid_t pid = waitpid(-1, &status, WNOHANG);

		for (unsigned int i = 0; pid > 0 && i < o->processes; i++) {
			if (pids[i] == pid) {
				pids[i] = 0;
				left--;
			}
		}
		if (pid > 0 && status != 0) {
			printf("# process %d ended with status %#x\n", pid, status);
			shared->failed = true;
			ok = false;
		}
		if (all_done(num) != done || pid > 0) {
			done = all_done(num);
			moved = seconds();
		}
		/* A process that died leaves the others at the barrier. */
		if (seconds() - moved > (ok ? STUCK_SECONDS : 5)) {
			if (ok)
				say_stuck(o);
			for (unsigned int i = 0; i < o->processes; i++) {
				if (pids[i] > 0)
					kill(pids[i], SIGKILL);
			}
			return false;
		}
		if (pid <= 0)
			nanosleep(&tick, NULL);
	}
	return ok;
}

static bool
learn_device(void)
{
	uint8_t space[512] __attribute__((aligned(8)));
	const struct vfio_region_info *info = (const void *)space;
	struct vfio_device_info device = { .argsz = sizeof(device) };

	if (ioctl(shared_fd, VFIO_DEVICE_GET_INFO, &device) != 0)
		return false;
	can_reset = device.flags & VFIO_DEVICE_FLAGS_RESET;
	base = device.num_regions;
	for (unsigned int i = 0; i < NUM_BARS; i++) {
		if (region_info(shared_fd, i, space, sizeof(space)) != 0)
			return false;
		if (info->flags & VFIO_REGION_INFO_FLAG_MMAP) {
			bar_size[i] = info->size;
			bars[num_bars++] = i;
		}
	}
	return bar_size[MEMORY_BAR] >= PAGE;
}

/* Closed by everyone: the next open has no aliases. */
static bool
fresh_device(void)
{
	uint32_t num;

	if (!open_group(bdf, &container, &group)) {
		printf("# group: %m\n");
		return false;
	}
	shared_fd = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, bdf);
	if (shared_fd < 0 || (base == 0 && !learn_device()) || num_regions(shared_fd, &num) != 0 ||
			!set_memory(shared_fd, true)) {
		printf("# device: %m\n");
		return false;
	}
	if (num != base)
		printf("# %u regions after the last close, %u in a new device\n", num, base);
	return num == base;
}

static bool
run_round(const struct options *o, unsigned int round)
{
	pid_t pids[MAX_WORKERS];
	bool ok = true;

	if (!fresh_device())
		return false;
	free_round = round % 4 == 3;
	shared->closing = false;
	for (unsigned int i = 0; i < NUM_BARS; i++) {
		shared->alias_of[i] = -1;
		shared->mapped[i] = false;
	}
	fflush(stdout);
	for (unsigned int i = 0; i < o->processes; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			int ret = process(o, round, i);

			fflush(stdout);
			_exit(ret);
		}
		ok = ok && pids[i] > 0;
	}
	close(shared_fd);
	ok = wait_for(o, pids) && ok;
	close(group);
	close(container);
	return ok && !shared->failed;
}

static void
set_up(const struct options *o)
{
	pthread_barrierattr_t barrier;
	pthread_mutexattr_t mutex;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_init(&mutex);
	pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&shared->memory_lock, &mutex);
	pthread_barrierattr_init(&barrier);
	pthread_barrierattr_setpshared(&barrier, PTHREAD_PROCESS_SHARED);
	/* The threads, and the main thread of each process */
	pthread_barrier_init(&shared->barrier, &barrier, o->processes * (o->threads + 1));
	sigaction(SIGBUS, &(struct sigaction){ .sa_handler = on_sigbus, .sa_flags = SA_NODEFER }, NULL);
}

static bool
parse(int argc, char **argv, struct options *o)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' }, { "operations", required_argument, NULL, 'n' },
		{ "rounds", required_argument, NULL, 'r' }, { "processes", required_argument, NULL, 'p' },
		{ "threads", required_argument, NULL, 't' }, { 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		const uint64_t value = optarg != NULL ? strtoull(optarg, NULL, 0) : 0;

		switch (option) {
		case 's':
			o->seed = value;
			break;
		case 'n':
			o->operations = value;
			break;
		case 'r':
			o->rounds = value;
			break;
		case 'p':
			o->processes = value;
			break;
		case 't':
			o->threads = value;
			break;
		default:
			return false;
		}
	}
	return optind == argc - 1 && o->rounds > 0 && o->processes > 0 && o->threads > 0 &&
		o->processes * o->threads <= MAX_WORKERS;
}

int
main(int argc, char **argv)
{
	struct options o = { .seed = 20251124, .operations = 1000000, .rounds = 8, .processes = 3, .threads = 3 };
	unsigned int round = 0;
	uint64_t total = 0;
	bool ok = true;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!parse(argc, argv, &o)) {
		fprintf(stderr, "usage: alias-stress BDF [--seed N] [--operations N] [--rounds N] [--processes N] "
			"[--threads N]\n");
		return 2;
	}
	bdf = argv[optind];
	list = find_list(bdf);
	printf("# seed %lu, %lu operations, %u rounds, %u processes of %u threads\n", o.seed, o.operations, o.rounds,
	       o.processes, o.threads);
	printf("# list of mappings: %s\n", list != NULL ? list : "none");
	set_up(&o);
	while (ok && round < o.rounds)
		ok = run_round(&o, round++);
	for (unsigned int i = 0; i < NUM_OPERATIONS; i++) {
		printf("# %10lu %s\n", shared->count[i], operations[i].name);
		total += shared->count[i];
	}
	printf("# %10lu in all; SIGBUS %lu times, EBUSY from first mmaps at once %lu times\n", total, shared->sigbus,
	       shared->busy);
	/* Nothing is left behind either. */
	ok = ok && fresh_device();
	printf("%sok 1 - stress\n1..1\n", ok ? "" : "not ");
	return !ok;
}
