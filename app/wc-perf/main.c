/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * dpdk-wc-perf [EAL options] -- [--bar BAR --offset OFFSET --len LEN] [--repeats NUMBER] [--wait]
 * dpdk-wc-perf [EAL options] -- --loop WAY --lines LINES [--repeats NUMBER]
 * dpdk-wc-perf [EAL options] -- --traffic
 * dpdk-wc-perf roundtrip CPU CPU
 * dpdk-wc-perf stream RECEIVER SENDER
 *
 * Measures the cost of mapping and copying, and whether write-combining is delivered: whether
 * stores combine. -a selects the device; the range is overwritten. Without a range only copies to
 * cached memory are timed. With --wait it polls before each mapping until a line arrives on
 * standard input, so that page tables can be read meanwhile. --loop repeats one copy method, for a
 * tool that counts instructions. --traffic sends or receives frames on the only port, by commands
 * on standard input: see perf_traffic.c. roundtrip measures the round-trip time of a line between
 * two CPUs, stream the rate of lines from one CPU to the other.
 */

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bus_pci_driver.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_wcio.h>

#include "version.h"
#include "wc_perf.h"

#define REPEATS 101

static struct rte_pci_device *device;

struct options {
	struct perf_range range;
	const char *loop;
	size_t nb_lines;
	unsigned int repeats;
	bool wait;
	bool traffic;
};

static int
probe(struct rte_pci_driver *driver, struct rte_pci_device *dev)
{
	RTE_SET_USED(driver);
	/* Without -a there may be more: they are none of ours. */
	if (device != NULL)
		return 1;
	device = dev;
	return 0;
}

static int
remove_device(struct rte_pci_device *dev)
{
	if (dev == device)
		device = NULL;
	return 0;
}

static const struct rte_pci_id ids[] = {
	{ RTE_PCI_DEVICE(RTE_PCI_ANY_ID, RTE_PCI_ANY_ID) },
	{ .vendor_id = 0 },
};

static struct rte_pci_driver driver = {
	.driver = { .name = "wc_perf" },
	.id_table = ids,
	.drv_flags = RTE_PCI_DRV_NEED_MAPPING,
	.probe = probe,
	.remove = remove_device,
};

/* Before the PMDs: the device is wanted as it is, whatever it is. */
RTE_INIT_PRIO(register_driver, CLASS)
{
	rte_pci_register(&driver);
}

double
perf_ns(uint64_t cycles)
{
	return cycles * 1e9 / rte_get_tsc_hz();
}

static bool
parse_number(const char *text, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 0);
	return errno == 0 && end != text && *end == '\0' && *text != '-';
}

enum perf_option { OPT_BAR, OPT_OFFSET, OPT_LEN, OPT_REPEATS, OPT_LOOP, OPT_LINES, OPT_WAIT,
	OPT_TRAFFIC };

static const struct option long_options[] = {
	{ "bar", required_argument, NULL, OPT_BAR },
	{ "offset", required_argument, NULL, OPT_OFFSET },
	{ "len", required_argument, NULL, OPT_LEN },
	{ "repeats", required_argument, NULL, OPT_REPEATS },
	{ "loop", required_argument, NULL, OPT_LOOP },
	{ "lines", required_argument, NULL, OPT_LINES },
	{ "wait", no_argument, NULL, OPT_WAIT },
	{ "traffic", no_argument, NULL, OPT_TRAFFIC },
	{ NULL, 0, NULL, 0 },
};

static int
print_usage(void)
{
	fprintf(stderr,
		"usage: dpdk-wc-perf [EAL options] -- [--bar BAR --offset OFFSET --len LEN] "
		"[--repeats NUMBER] [--wait]\n"
		"       dpdk-wc-perf [EAL options] -- --loop WAY --lines LINES [--repeats NUMBER]\n"
		"       dpdk-wc-perf [EAL options] -- --traffic\n"
		"       dpdk-wc-perf roundtrip CPU CPU\n"
		"       dpdk-wc-perf stream RECEIVER SENDER\n"
		"The range is overwritten.\n");
	return -EINVAL;
}

static void
set_option(struct options *options, int option, uint64_t value)
{
	switch (option) {
	case OPT_BAR:
		options->range.bar = RTE_MIN(value, (uint64_t)PCI_MAX_RESOURCE);
		break;
	case OPT_OFFSET:
		options->range.offset = value;
		break;
	case OPT_LEN:
		options->range.len = value;
		break;
	case OPT_REPEATS:
		options->repeats = RTE_MIN(value, (uint64_t)UINT32_MAX);
		break;
	case OPT_LINES:
		options->nb_lines = value;
		break;
	}
}

static int
parse_options(int argc, char **argv, struct options *options)
{
	uint64_t value = 0;
	int option;

	*options = (struct options){ .repeats = REPEATS };
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (option == '?')
			return print_usage();
		if (option == OPT_LOOP) {
			options->loop = optarg;
			continue;
		}
		if (option == OPT_WAIT) {
			options->wait = true;
			continue;
		}
		if (option == OPT_TRAFFIC) {
			options->traffic = true;
			continue;
		}
		if (!parse_number(optarg, &value)) {
			fprintf(stderr, "wc-perf: --%s %s: not a number\n",
				long_options[option].name, optarg);
			return print_usage();
		}
		set_option(options, option, value);
	}
	return optind < argc || options->repeats == 0 ? print_usage() : 0;
}

/* The range has to be in the BAR: a store beside it could do anything. */
static int
check_range(struct perf_range *range)
{
	const struct rte_mem_resource *bar;

	if (range->len == 0)
		return 0;
	if (device == NULL) {
		fprintf(stderr, "wc-perf: no device: name one with -a, bound to vfio-pci\n");
		return -ENODEV;
	}
	bar = range->bar < PCI_MAX_RESOURCE ? &device->mem_resource[range->bar] : NULL;
	if (bar == NULL || bar->addr == NULL) {
		fprintf(stderr, "wc-perf: BAR%u of %s is not mapped: use one that is\n",
			range->bar, device->name);
		return -EINVAL;
	}
	if (range->offset > bar->len || range->len > bar->len - range->offset ||
			range->offset % RTE_WCIO_LINE != 0 || range->len % RTE_WCIO_LINE != 0) {
		fprintf(stderr, "wc-perf: %zu bytes at %#" PRIx64 " of BAR%u: use whole lines of "
			"%d bytes within its %" PRIu64 " bytes\n", range->len, range->offset,
			range->bar, RTE_WCIO_LINE, bar->len);
		return -EINVAL;
	}
	range->device = device;
	range->uncached = RTE_PTR_ADD(bar->addr, range->offset);
	range->phys_addr = bar->phys_addr + range->offset;
	return 0;
}

static int
run(struct options *options)
{
	int ret;

	if (options->loop != NULL)
		return perf_copy_loop(options->loop, options->nb_lines, options->repeats);
	if (options->traffic)
		return perf_traffic();
	ret = check_range(&options->range);
	if (ret == 0 && options->range.device != NULL)
		ret = perf_map(&options->range, options->repeats);
	return ret == 0 ? perf_copy(&options->range, options->repeats, options->wait) : ret;
}

int
main(int argc, char **argv)
{
	struct options options;
	int ret;

	version_if_asked(argc, argv, "dpdk-wc-perf");
	if (argc > 1 && strcmp(argv[1], "roundtrip") == 0)
		return perf_roundtrip(argc - 1, argv + 1) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	if (argc > 1 && strcmp(argv[1], "stream") == 0)
		return perf_stream(argc - 1, argv + 1) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	ret = rte_eal_init(argc, argv);
	if (ret < 0)
		return EXIT_FAILURE;
	argc -= ret;
	argv += ret;

	ret = parse_options(argc, argv, &options);
	if (ret == 0)
		ret = run(&options);
	rte_eal_cleanup();
	return ret == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
