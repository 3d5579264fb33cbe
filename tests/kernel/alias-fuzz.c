/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * alias-fuzz BDF [--seed N] [--inputs N]
 *
 * Calls VFIO_DEVICE_FEATURE with random arguments, most of them almost right, and says for each beforehand what has
 * to come out: success only if every field is right and every byte is where the kernel can get at it, otherwise one of
 * the errors that the argument gives a reason for. An argument that fails has to be left as it was.
 */

#include <getopt.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "alias_common.h"

#define HEADER sizeof(struct vfio_device_feature)
#define PAYLOAD sizeof(struct vfio_wc_alias_region)
/* Upper end of user addresses with four levels of page tables, less the page that is never mapped */
#define USER_END 0x00007ffffffff000

enum reason { BAD_ARGSZ, BAD_OPERATION, BAD_INDEX, BAD_REGION, BAD_MEMORY_TYPE, BAD_FLAGS, BAD_POINTER, READ_ONLY,
	NUM_REASONS };

static const char * const reason_names[] = { "argsz", "operation", "feature-index", "region", "memory-type", "flags",
	"pointer", "read-only" };
static const int reason_errno[] = { EINVAL, EINVAL, ENOTTY, EINVAL, EINVAL, EINVAL, EFAULT, EFAULT };

enum place { ANYWHERE, PAGE_END, STRADDLE_NOTHING, STRADDLE_READ_ONLY, READ_ONLY_PAGE, NOT_MEMORY };

struct input {
	union {
		struct {
			uint32_t argsz;
			uint32_t flags;
			struct vfio_wc_alias_region alias;
		};
		uint8_t bytes[HEADER + PAYLOAD];
	};
	enum place place;
	uint8_t *where;
	size_t readable;	/* bytes that are memory, from the first on */
	size_t writable;
};

static int device;
static uint64_t state;
/* Three pages each, the one in the middle for arguments, with nothing and a read-only page behind it */
static uint8_t *before_nothing, *before_read_only;
static bool can_alias[NUM_BARS];
static uint32_t base;			/* number of regions without aliases */
static int32_t alias_of[NUM_BARS] = { -1, -1, -1, -1, -1, -1 };
static uint32_t num_aliases;
static uint64_t count_reason[NUM_REASONS], count_set, count_get, count_probe;

static uint32_t
below(uint32_t end)
{
	return xorshift(&state) % end;
}

static uint32_t
random_bit_or_word(void)
{
	return below(2) ? 1U << below(32) : (uint32_t)xorshift(&state);
}

static void *
odd_pointer(void)
{
	static const uint64_t pointers[] = {
		0, 1, 8, PAGE - HEADER, USER_END, USER_END - HEADER, USER_END - 1, 0x0000800000000000,
		0x8000000000000000, 0xffff800000000000, 0xffff888000000000, 0xffffffff81000000, 0xffffffffff600000,
		UINT64_MAX, UINT64_MAX - HEADER, UINT64_MAX - HEADER - PAYLOAD + 1,
	};

	return (void *)pointers[below(sizeof(pointers) / sizeof(pointers[0]))];
}

/* Put the argument somewhere, and say how much of it is where. */
static void
place(struct input *in)
{
	const size_t size = HEADER + PAYLOAD;
	const uint32_t roll = below(100);

	in->readable = in->writable = size;
	if (roll < 50) {
		in->place = ANYWHERE;
		in->where = before_nothing + below(PAGE - size);
	} else if (roll < 70) {
		in->place = PAGE_END;
		in->where = before_nothing + PAGE - size;
	} else if (roll < 80) {
		in->place = STRADDLE_NOTHING;
		in->readable = in->writable = below(size);
		in->where = before_nothing + PAGE - in->readable;
	} else if (roll < 90) {
		in->place = STRADDLE_READ_ONLY;
		in->writable = below(size);
		in->where = before_read_only + PAGE - in->writable;
	} else if (roll < 95) {
		in->place = READ_ONLY_PAGE;
		in->writable = 0;
		in->where = before_read_only + PAGE + below(PAGE - size);
	} else {
		in->place = NOT_MEMORY;
		in->readable = in->writable = 0;
		in->where = odd_pointer();
	}
}

static void
make(struct input *in)
{
	static const uint32_t operations[] = { VFIO_DEVICE_FEATURE_GET, VFIO_DEVICE_FEATURE_SET,
		VFIO_DEVICE_FEATURE_SET, VFIO_DEVICE_FEATURE_PROBE };

	memset(in, 0, sizeof(*in));
	in->argsz = HEADER + PAYLOAD;
	in->flags = FEATURE | operations[below(4)];
	/* Mostly one that can be aliased */
	do {
		in->alias.region_index = below(8);
	} while (in->alias.region_index < NUM_BARS && !can_alias[in->alias.region_index] && below(8) != 0);
	in->alias.memory_type = WC;
	/* Output: whatever is there does not count. */
	in->alias.alias_index = random_bit_or_word();
	in->alias.offset = xorshift(&state);
	in->alias.memory_types = xorshift(&state);
	place(in);

	/* Up to three things of the rest are odd, often none. */
	for (uint32_t odd = below(8) < 3 ? 0 : below(4); odd > 0; odd--) {
		switch (below(7)) {
		case 0:
			in->argsz = below(2) ? below(2 * (HEADER + PAYLOAD)) : random_bit_or_word();
			break;
		case 1:
			in->flags = FEATURE | below(8) << 16;
			break;
		case 2:
			in->flags ^= 1U << (16 + below(16));
			break;
		case 3:
			/* Not below 64: those are, or will be, other features, which do something. */
			in->flags = (in->flags & ~VFIO_DEVICE_FEATURE_MASK) |
				(below(2) ? FEATURE ^ 1U << below(14) : 64 + below(65536 - 64));
			break;
		case 4:
			in->alias.region_index = below(2) ? base - 2 + below(12) : random_bit_or_word();
			break;
		case 5:
			in->alias.memory_type = below(3) ? below(2) ? below(32) : random_bit_or_word() : 0;
			break;
		case 6:
			in->alias.flags = random_bit_or_word();
			break;
		}
	}
	/* Outside of the argument the kernel reads nothing, so what is there is memory or not as it likes. */
	if (in->place != NOT_MEMORY) {
		if (in->place == STRADDLE_READ_ONLY || in->place == READ_ONLY_PAGE)
			mprotect(before_read_only + PAGE, PAGE, PROT_READ | PROT_WRITE);
		memcpy(in->where, in->bytes, in->readable);
		if (in->place == STRADDLE_READ_ONLY || in->place == READ_ONLY_PAGE)
			mprotect(before_read_only + PAGE, PAGE, PROT_READ);
	}
}

/* All reasons to refuse the input, as bits; output_only: where the answer is the only thing that cannot be. */
static uint32_t
judge(const struct input *in, bool *output_only)
{
	const uint32_t operation = in->flags & (VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET);
	const bool is_probe = in->flags & VFIO_DEVICE_FEATURE_PROBE;
	uint32_t bad = 0;

	*output_only = false;
	if (in->readable < HEADER)
		return 1U << BAD_POINTER;
	if (in->argsz < HEADER)
		bad |= 1U << BAD_ARGSZ;
	if (in->flags & ~(VFIO_DEVICE_FEATURE_MASK | VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET |
			VFIO_DEVICE_FEATURE_PROBE))
		bad |= 1U << BAD_OPERATION;
	if (!is_probe && operation != VFIO_DEVICE_FEATURE_GET && operation != VFIO_DEVICE_FEATURE_SET)
		bad |= 1U << BAD_OPERATION;
	if ((in->flags & VFIO_DEVICE_FEATURE_MASK) != FEATURE)
		bad |= 1U << BAD_INDEX;
	/* A probe has no payload. */
	if (is_probe)
		return bad;

	if (in->argsz < HEADER + PAYLOAD)
		bad |= 1U << BAD_ARGSZ;
	if (in->readable < HEADER + PAYLOAD)
		return bad | 1U << BAD_POINTER;
	if (in->alias.flags != 0)
		bad |= 1U << BAD_FLAGS;
	if (operation == VFIO_DEVICE_FEATURE_SET) {
		if (in->alias.region_index >= NUM_BARS || !can_alias[in->alias.region_index])
			bad |= 1U << BAD_REGION;
		if (in->alias.memory_type != WC)
			bad |= 1U << BAD_MEMORY_TYPE;
	} else if (in->alias.region_index >= base + num_aliases) {
		bad |= 1U << BAD_REGION;
	}
	*output_only = bad == 0 && in->writable < HEADER + PAYLOAD;
	if (in->writable < HEADER + PAYLOAD)
		bad |= 1U << READ_ONLY;
	return bad;
}

static bool
allowed(uint32_t bad, int error)
{
	for (unsigned int i = 0; i < NUM_REASONS; i++) {
		if (bad & 1U << i && reason_errno[i] == error)
			return true;
	}
	return false;
}

/* What success has to answer. */
static bool
right_answer(const struct input *in, const struct vfio_wc_alias_region *out)
{
	const uint32_t region = in->alias.region_index;

	if (out->region_index != region || out->flags != 0)
		return false;
	if (in->flags & VFIO_DEVICE_FEATURE_GET)
		return out->memory_types == (region < NUM_BARS && can_alias[region] ? WC_TYPES : 0) &&
			out->memory_type == 0 && out->alias_index == 0 && out->offset == 0;
	return out->memory_type == WC && out->alias_index == (uint32_t)alias_of[region] &&
		is_alias_offset(out->offset) && out->offset == offset_of(device, out->alias_index) &&
		out->memory_types == 0;
}

static void
describe(const struct input *in, uint64_t number, int error, uint32_t bad)
{
	printf("# input %lu: argsz %u operation %#x region %#x memory type %#x flags %#x at %p (place %d, %zu "
	       "readable, %zu writable): %s, reasons to refuse it:", number, in->argsz, in->flags,
	       in->alias.region_index, in->alias.memory_type, in->alias.flags, in->where, in->place, in->readable,
	       in->writable, error ? strerror(error) : "success");
	for (unsigned int i = 0; i < NUM_REASONS; i++) {
		if (bad & 1U << i)
			printf(" %s", reason_names[i]);
	}
	printf("%s\n", bad ? "" : " none");
}

static bool
try_one(uint64_t number)
{
	struct vfio_wc_alias_region out;
	struct input in;
	bool output_only, ok;
	uint32_t bad;
	int error;

	make(&in);
	bad = judge(&in, &output_only);
	/* Made even if nobody can be told of it. */
	if ((bad == 0 || output_only) && in.flags & VFIO_DEVICE_FEATURE_SET &&
			!(in.flags & VFIO_DEVICE_FEATURE_PROBE) && alias_of[in.alias.region_index] < 0)
		alias_of[in.alias.region_index] = base + num_aliases++;
	error = ioctl(device, VFIO_DEVICE_FEATURE, in.where) == 0 ? 0 : errno;

	ok = bad == 0 ? error == 0 : allowed(bad, error);
	if (ok && bad == 0 && !(in.flags & VFIO_DEVICE_FEATURE_PROBE)) {
		memcpy(&out, in.where + HEADER, PAYLOAD);
		ok = memcmp(in.where, in.bytes, HEADER) == 0 && right_answer(&in, &out);
		if (!ok)
			printf("# answered: region %#x flags %#x memory type %#x alias %#x offset %#lx types %#lx\n",
			       out.region_index, out.flags, out.memory_type, out.alias_index, (unsigned long)out.offset,
			       (unsigned long)out.memory_types);
		in.flags & VFIO_DEVICE_FEATURE_SET ? count_set++ : count_get++;
	} else if (ok && in.place != NOT_MEMORY && !output_only) {
		ok = memcmp(in.where, in.bytes, in.readable) == 0;
		if (!ok)
			printf("# the argument was written to\n");
		count_probe += bad == 0;
	}
	for (unsigned int i = 0; i < NUM_REASONS; i++)
		count_reason[i] += bad == 1U << i;
	if (!ok)
		describe(&in, number, error, bad);
	return ok;
}

static bool
learn_regions(void)
{
	uint8_t space[512] __attribute__((aligned(8)));
	const struct vfio_region_info *info = (const void *)space;

	for (unsigned int i = 0; i < NUM_BARS; i++) {
		if (region_info(device, i, space, sizeof(space)) != 0)
			return false;
		can_alias[i] = info->flags & VFIO_REGION_INFO_FLAG_MMAP;
	}
	return num_regions(device, &base) == 0;
}

/* As many aliases as were asked for rightly, each described as such, and nothing behind them. */
static bool
regions_as_expected(void)
{
	uint8_t space[512] __attribute__((aligned(8)));
	const struct vfio_region_info *info = (const void *)space;
	uint32_t num;

	if (num_regions(device, &num) != 0 || num != base + num_aliases)
		return false;
	for (unsigned int i = 0; i < NUM_BARS; i++) {
		uint64_t size;

		if (alias_of[i] < 0)
			continue;
		if (region_info(device, i, space, sizeof(space)) != 0)
			return false;
		size = info->size;
		if (region_info(device, alias_of[i], space, sizeof(space)) != 0 ||
				!is_alias_info(space, alias_of[i], i, size))
			return false;
	}
	return region_info(device, base + num_aliases, space, sizeof(space)) == -EINVAL;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = { { "seed", required_argument, NULL, 's' },
		{ "inputs", required_argument, NULL, 'n' }, { 0 } };
	uint64_t seed = 20251124, inputs = 200000, wrong = 0, number;
	int container, group, option;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (option == 'n')
			inputs = strtoull(optarg, NULL, 0);
		else
			return 2;
	}
	if (optind != argc - 1) {
		fprintf(stderr, "usage: alias-fuzz BDF [--seed N] [--inputs N]\n");
		return 2;
	}
	printf("# seed %lu, %lu inputs\n", seed, inputs);
	state = stream(seed, 0);
	if (!open_group(argv[optind], &container, &group)) {
		printf("not ok 1 - device (errno %d)\n1..1\n", errno);
		return 1;
	}
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, argv[optind]);
	before_nothing = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	before_read_only = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (device < 0 || !learn_regions() || before_nothing == MAP_FAILED || before_read_only == MAP_FAILED ||
			mprotect(before_nothing + PAGE, PAGE, PROT_NONE) != 0) {
		printf("not ok 1 - device (errno %d)\n1..1\n", errno);
		return 1;
	}

	for (number = 0; number < inputs && wrong < 10; number++)
		wrong += !try_one(number);
	printf("# %lu inputs; %lu SET, %lu GET, %lu PROBE answered; refused for one reason alone:", number, count_set,
	       count_get, count_probe);
	for (unsigned int i = 0; i < NUM_REASONS; i++)
		printf(" %s %lu", reason_names[i], count_reason[i]);
	printf("\n%sok 1 - answers\n", wrong ? "not " : "");
	printf("%sok 2 - regions\n1..2\n", regions_as_expected() ? "" : "not ");
	return wrong != 0 || !regions_as_expected();
}
