/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * vfio-wc: whether vfio-pci maps BARs write-combining on this machine, what is missing, and whether
 * stores combine then; and programs that have it do so without knowing.
 */

#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "doctor.h"
#include "file.h"
#include "launch.h"
#include "measure.h"
#include "output.h"
#include "process.h"
#include "status.h"

#define USAGE \
	"vfio-wc status [--pid PID] [--json | --prometheus]\n" \
	"    what is mapped write-combining through vfio-pci, by which process, and whether\n" \
	"    it is effective. Exit status: 0 all that was asked for is, 1 some is not, 2 cannot\n" \
	"    tell\n" \
	"vfio-wc doctor [BDF]\n" \
	"    what stands between this machine, or a PCI device, and write-combining, with the\n" \
	"    command that mends it. Exit status: 0 nothing, 1 something, 2 cannot tell\n" \
	"vfio-wc measure BDF --scratch BAR:OFFSET:LEN\n" \
	"    whether write-combining is granted, effective and, by timing stores, delivered on an\n" \
	"    idle device. A part of the range is overwritten, then its contents are put back. Exit\n" \
	"    status: 0 stores combine, 1 they do not, 2 cannot tell\n" \
	"vfio-wc run [--bar BDF[:N]]... [--driver NAME]... [--mode auto|strict] -- PROGRAM ...\n" \
	"    run a program of any DPDK, SPDK, VPP or other user of vfio-pci, unmodified, with BARs\n" \
	"    mapped write-combining: BAR N, or all prefetchable BARs, of a device; those of devices\n" \
	"    of net_ena, and of the drivers raw_ntb and net_ionic if named. Exit status: that of\n" \
	"    the program; 125 not prepared, 126 cannot be executed, 127 no such program\n" \
	"vfio-wc --help | --version\n" \
	"\n" \
	"--root DIR    examine the tree of files below DIR instead of this machine\n" \
	"\n" \
	"Exit status 64: wrong usage. See vfio-wc(8).\n"

struct arguments {
	const char *command;
	const char *operand;   /* NULL if there is none */
	const char *scratch;   /* NULL if there is none */
	pid_t pid;             /* 0 for all */
	bool json;
	bool prometheus;
};

static void __attribute__((noreturn, format(printf, 1, 2)))
main_bad_usage(const char *format, ...)
{
	va_list args;

	fputs("vfio-wc: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs("; see vfio-wc --help\n", stderr);
	exit(EXIT_USAGE);
}

static const char *
main_check_root(const char *dir)
{
	struct stat info;

	if (stat(dir, &info) != 0 || !S_ISDIR(info.st_mode))
		main_bad_usage("--root %s: not a directory", dir);
	return dir;
}

static void
main_parse_option(struct arguments *arguments, int option)
{
	switch (option) {
	case 'p':
		arguments->pid = process_parse_pid(optarg);
		if (arguments->pid == 0)
			main_bad_usage("--pid %s: use the number of a process", optarg);
		break;
	case 'j':
		arguments->json = true;
		break;
	case 'P':
		arguments->prometheus = true;
		break;
	case 's':
		arguments->scratch = optarg;
		break;
	case 'r':
		file_set_root(main_check_root(optarg));
		break;
	case 'h':
		fputs(USAGE, stdout);
		exit(EXIT_GOOD);
	case 'v':
		puts("vfio-wc " VFIO_WC_VERSION);
		exit(EXIT_GOOD);
	default:
		/* getopt_long() has reported it. */
		exit(EXIT_USAGE);
	}
}

static struct arguments
main_parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "pid", required_argument, NULL, 'p' },
		{ "json", no_argument, NULL, 'j' },
		{ "prometheus", no_argument, NULL, 'P' },
		{ "scratch", required_argument, NULL, 's' },
		{ "root", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	struct arguments arguments = { 0 };
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1)
		main_parse_option(&arguments, option);
	if (optind == argc)
		main_bad_usage("no command: use status, doctor, measure or run");
	arguments.command = argv[optind++];
	if (optind < argc)
		arguments.operand = argv[optind++];
	if (optind < argc)
		main_bad_usage("'%s': too many arguments", argv[optind]);
	return arguments;
}

static enum exit_status
main_status(const struct arguments *arguments)
{
	enum exit_status exit_status;
	struct status status;

	if (arguments->operand != NULL)
		main_bad_usage("status '%s': status takes only options", arguments->operand);
	if (arguments->scratch != NULL)
		main_bad_usage("--scratch is an option of measure");
	if (arguments->json && arguments->prometheus)
		main_bad_usage("--json and --prometheus exclude each other");
	status_read(&status, arguments->pid);
	if (arguments->json)
		output_json(&status);
	else if (arguments->prometheus)
		output_prometheus(&status);
	else
		output_text(&status);
	exit_status = status.exit_status;
	status_free(&status);
	return exit_status;
}

static void
main_refuse_status_options(const struct arguments *arguments)
{
	if (arguments->pid != 0 || arguments->json || arguments->prometheus)
		main_bad_usage("--pid, --json and --prometheus are options of status");
}

static void
main_parse_device(const char *operand, char name[PCI_NAME_SIZE])
{
	if (!pci_parse_name(operand, name))
		main_bad_usage("'%s' is not a PCI address: use [DDDD:]BB:DD.F", operand);
}

static enum exit_status
main_doctor(const struct arguments *arguments)
{
	char name[PCI_NAME_SIZE];

	main_refuse_status_options(arguments);
	if (arguments->scratch != NULL)
		main_bad_usage("--scratch is an option of measure");
	if (arguments->operand == NULL)
		return doctor_run(NULL);
	main_parse_device(arguments->operand, name);
	return doctor_run(name);
}

static enum exit_status
main_measure(const struct arguments *arguments)
{
	struct measure_scratch scratch;
	char name[PCI_NAME_SIZE];

	main_refuse_status_options(arguments);
	if (arguments->operand == NULL || arguments->scratch == NULL)
		main_bad_usage("measure needs a device, and a range that may be overwritten: use "
			       "measure BDF --scratch BAR:OFFSET:LEN");
	main_parse_device(arguments->operand, name);
	if (!measure_parse_scratch(arguments->scratch, &scratch))
		main_bad_usage("--scratch '%s': use BAR:OFFSET:LEN, such as 2:0x1000:0x1000",
			       arguments->scratch);
	return measure_run(name, &scratch);
}

static bool
main_is_help(const char *argument)
{
	return argument != NULL &&
		(strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0);
}

int
main(int argc, char **argv)
{
	struct arguments arguments;
	enum exit_status exit_status;

	/* Its arguments end with those of another program. */
	if (argc > 1 && strcmp(argv[1], "run") == 0 && !main_is_help(argv[2]))
		return launch_run(argc - 1, argv + 1);
	arguments = main_parse(argc, argv);
	if (strcmp(arguments.command, "status") == 0)
		exit_status = main_status(&arguments);
	else if (strcmp(arguments.command, "doctor") == 0)
		exit_status = main_doctor(&arguments);
	else if (strcmp(arguments.command, "measure") == 0)
		exit_status = main_measure(&arguments);
	else if (strcmp(arguments.command, "run") == 0)
		main_bad_usage("run: no option may precede it");
	else
		main_bad_usage("'%s': use status, doctor, measure or run", arguments.command);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("vfio-wc: standard output");
		return EXIT_UNKNOWN;
	}
	return exit_status;
}
