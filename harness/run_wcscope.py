# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Run any program in a guest under wcscope, and report errors in its accesses to a device."""

import argparse
import contextlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import kernels, tool, wcscope
from harness.follow import Follower, compile_follower
from harness.guest import Guest, GuestError, build_dpdk, ivshmem
from harness.version import describe, made_with

MIB = 1 << 20
SCHEMA = 1  # of --json
IVSHMEM = "1af4:1110"
IVSHMEM_BAR = 2
ARCHS = {"both": ["x86", "arm64"], "x86": ["x86"], "arm64": ["arm64"]}
CLEAN, FOUND, NOT_OBSERVED = 0, 1, 2
LAYOUTS = {"ring": "SLOTS,LINES,PRODUCED,CONSUMED", "heads": "SLOTS,LINES,LENGTH-BITS,CONSUMED", "flags": "OFFSET,SIZE"}
EPILOG = """\
The guest has this machine's files as its root, read-only, /run and /dev/shm to write to, and huge pages mounted at
/run/huge. The device is bound to vfio-pci. Without --device it is QEMU's ivshmem, whose BAR2 is memory; another one is
added by --qemu and named by --device and --bar:

  wcscope -- ./my-app -a 0000:00:04.0 --vfio-wc -- --packets 100
  wcscope --qemu "-device edu" --device 1234:11e8 --bar 0 -- ./my-app

{device} in COMMAND is replaced by the PCI address. Exit status: 0 without findings, 1 with findings, 2 if the program
could not be observed to its end: it failed, mapped nothing of the BAR, or accessed nothing of it.
"""


def parse_args(words=None):
    parser = tool.ArgumentParser(
        prog="wcscope", formatter_class=argparse.RawDescriptionHelpFormatter, epilog=EPILOG,
        description="Run a program in a guest, follow each load and store that it makes to a BAR, and report errors in "
        "their\norder, with function, line and remedy, and the PCIe writes of each function. See doc/wcscope.rst.")
    parser.add_argument("--device", metavar="VENDOR:DEVICE", help=f"to observe (default: {IVSHMEM}, which is added)")
    parser.add_argument("--bar", type=int, metavar="N", help=f"of the device (default: {IVSHMEM_BAR} of ivshmem)")
    parser.add_argument("--size", type=int, default=64, metavar="MIB",
                        help="of ivshmem's BAR, a power of two (default: %(default)s)")
    parser.add_argument("--qemu", default="", metavar="ARGUMENTS", help="further arguments of QEMU")
    kernels.add_option(parser)
    parser.add_argument("--model", default="intel", metavar="PRESET[,NAME=VALUE...]",
                        help="of the write-combining buffers, as in doc/wcscope.rst (default: %(default)s)")
    parser.add_argument("--arch", choices=ARCHS, default="both", help="whose rules apply (default: %(default)s)")
    parser.add_argument("--partial", type=float, default=1.0, metavar="PERCENT",
                        help="of a function's lines that may be sent in pieces (default: %(default)s)")
    for name, form in LAYOUTS.items():
        parser.add_argument(f"--{name}", action="append", default=[], metavar=form,
                            help={"ring": "lines in the BAR, announced by a count, for the rules about indexes",
                                  "heads": "the same, announced by headers",
                                  "flags": "bytes in WC memory that announce lines"}[name])
    parser.add_argument("--seconds", type=float, help="end the program by SIGINT after this time")
    parser.add_argument("--timeout", type=float, default=600, metavar="SECONDS",
                        help="of the program (default: %(default)s)")
    parser.add_argument("--memory", type=int, default=768, metavar="MIB", help="of the guest (default: %(default)s)")
    parser.add_argument("--cpus", type=int, default=2, metavar="N", help="of the guest (default: %(default)s)")
    parser.add_argument("--hugepages", type=int, default=64, metavar="N", help="of 2 MiB (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON, the program's output to stderr")
    parser.add_argument("--programs", type=Path, metavar="DIRECTORY",
                        help="of a build of this project with the plugin, which devtools/build-dpdk prints, instead of "
                        "building it")
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="after --: the program and its arguments")
    return check_args(parser, parser.parse_args(words))


def check_args(parser, args):
    if bool(args.device) != (args.bar is not None):
        parser.error("--device and --bar go together")
    if args.bar is not None and not 0 <= args.bar <= 5:
        parser.error(f"--bar {args.bar}: use 0 to 5")
    if args.device and [len(part) for part in args.device.split(":")] != [4, 4]:
        parser.error(f"--device {args.device}: use VENDOR:DEVICE, like {IVSHMEM}")
    if not 1 <= args.size <= 1024 or args.size & args.size - 1:
        parser.error(f"--size {args.size}: use a power of two up to 1024")
    if args.programs and not is_build(args.programs.absolute()):
        parser.error(f"--programs {args.programs}: no plugin belongs to it: use the directory that devtools/build-dpdk "
                     "prints")
    for name, low, high in (("cpus", 1, 16), ("memory", 256, 65536), ("hugepages", 0, 16384)):
        if not low <= getattr(args, name) <= high:
            parser.error(f"--{name} {getattr(args, name)}: use {low} to {high}")
    try:
        wcscope.check_model(args.model)
        args.qemu = shlex.split(args.qemu)
    except (wcscope.ScopeError, ValueError) as error:
        parser.error(f"--model {args.model}, --qemu {args.qemu}: {error}")
    return args


def is_build(programs):
    return len(programs.parents) > 2 and wcscope.library(programs).is_file()


def say(text):
    print(f"wcscope: {text}", file=sys.stderr, flush=True)


def observe(args, kernel, library):
    """(report, Follower, its verdict, BDF), of the program's whole run."""
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wcscope.")))
        devices, memory = [*args.qemu, *wcscope.plugin(library, directory / "control")], ""
        if not args.device:
            file = stack.enter_context(tempfile.NamedTemporaryFile(dir="/dev/shm", prefix="wcscope."))
            memory = file.name
            os.truncate(memory, args.size * MIB)
            devices = [*ivshmem(memory, args.size * MIB), *devices]
        follower = compile_follower(directory)
        say(f"booting {kernel}")
        guest = stack.enter_context(Guest(
            kernel=kernels.of_guest(kernel), devices=devices, accel="tcg", threads=wcscope.threads(), cpus=args.cpus,
            memory=args.memory, append=f"hugepages={args.hugepages} {wcscope.SAME_ADDRESSES}"))
        bdf = guest.take(args.device or IVSHMEM)
        scope = wcscope.Scope(directory / "control")
        return follow(args, guest, bdf, scope, memory, follower)


def follow(args, guest, bdf, scope, memory, program):
    bar = guest.bar(bdf, IVSHMEM_BAR if args.bar is None else args.bar)
    if bar[1] <= 1:
        raise tool.ToolError(f"--bar {args.bar}: {bdf} has no memory there: use another number")
    scope.device(*bar, memory, args.model.replace(",", " "))
    for name in LAYOUTS:
        for layout in getattr(args, name):
            scope(f"{name} {layout.replace(',', ' ')}")
    scope("start")
    followed = Follower(guest, scope, bar, program)
    command = [word.replace("{device}", bdf) for word in args.command]
    say(f"{bdf}, BAR {IVSHMEM_BAR if args.bar is None else args.bar} of {bar[1]:#x} bytes: {shlex.join(command)}")
    verdict = followed.run(command, Path.cwd(), args.timeout, args.seconds,
                           (sys.stderr if args.json else sys.stdout, sys.stderr))
    scope("stop")
    report = scope.report()
    # Symbols are read before the guest and its files end.
    accessed = [mapping for mapping in followed.mappings if mapping.type and not mapping.other]
    verdict = verdict or why_nothing(followed.mappings, accessed, bdf)
    return summarise(args, report, followed, accessed, verdict, bdf)


def why_nothing(mappings, accessed, bdf):
    if not mappings:
        return f"the program has not mapped {bdf}: it needs its address, {{device}} in the command, and vfio-pci"
    if not accessed:
        return f"the program has made {len(mappings)} mappings, but accessed none of the BAR"
    return ""


def summarise(args, report, followed, accessed, verdict, bdf):
    symbols = followed.symbols() if accessed else None
    archs = ARCHS[args.arch]
    found = wcscope.all_findings(report, symbols, args.partial) if accessed else []
    found = [{**one, "archs": [arch for arch in one["archs"] if arch in archs]} for one in found]
    return {
        "schema": SCHEMA, "version": describe(), "command": args.command, "device": bdf, "ended": verdict,
        "model": report["params"], "totals": report["totals"],
        "mappings": [{"name": mapping.name, "start": mapping.start, "size": mapping.size, "type": mapping.type,
                      "offset": mapping.offset} for mapping in accessed],
        "untouched": sum(1 for mapping in followed.mappings if not mapping.type),
        "functions": wcscope.by_function(report, symbols) if accessed else [],
        "findings": [{**one, "text": wcscope.describe(one), "remedy": wcscope.REMEDIES[one["rule"]]}
                     for one in found if one["archs"]],
    }


# Text

COLUMNS = [("function", "Function"), ("range", "Mapping"), ("type", "Type"), ("stores", "Stores"), ("loads", "Loads"),
           ("writes", "Writes"), ("wire_bytes", "Wire bytes"), ("reads", "Reads"), ("partial_lines", "In pieces")]


def table(rows):
    """Text columns, numbers to the right."""
    cells = [[title for _, title in COLUMNS], *([str(row[name]) for name, _ in COLUMNS] for row in rows)]
    widths = [max(len(line[n]) for line in cells) for n in range(len(COLUMNS))]
    return "\n".join("  " + "  ".join(word.ljust(width) if n < 3 else word.rjust(width)
                                      for n, (word, width) in enumerate(zip(line, widths))).rstrip() for line in cells)


def as_text(result):
    lines = ["", made_with(result["version"]), "", "Mappings, by the page tables:"]
    lines += [f"  {one['name']}: {one['type']}, BAR offset {one['offset']:#x}, {one['size']:#x} bytes"
              for one in result["mappings"]] or ["  none was accessed"]
    if result["untouched"]:
        lines.append(f"  and {result['untouched']} that were not accessed")
    if result["functions"]:
        lines += ["", "By function: stores and loads of the program, and the PCIe writes and reads that they become:",
                  table(result["functions"])]
    lines += ["", f"Findings: {len(result['findings']) or 'none'}"]
    for one in result["findings"]:
        lines += [f"  {one['text']} [{', '.join(one['archs'])}]", f"    {one['remedy']}"]
    return "\n".join(lines)


def main(args):
    """Status 1 is for findings: whatever goes wrong here is another one."""
    try:
        return run(args)
    except (GuestError, wcscope.ScopeError, tool.ToolError, OSError, subprocess.CalledProcessError) as error:
        say(error)
        return NOT_OBSERVED


def run(args):
    kernel = kernels.choose(args.kernel, say)
    result = observe(args, kernel, wcscope.library(args.programs or build_dpdk("release")))
    print(json.dumps(result, indent=1) if args.json else as_text(result))
    if result["ended"]:
        say(f"not observed to its end: {result['ended']}")
    return status(result)


def status(result):
    if result["ended"]:
        return NOT_OBSERVED
    return FOUND if result["findings"] else CLEAN


if __name__ == "__main__":
    tool.run("wcscope", parse_args, main, packages=["bench"], modules=["pexpect"],
             programs=["qemu-system-x86_64"])
