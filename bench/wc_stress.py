# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Alias regions on a debug kernel: stress, fault injection and random arguments.

With KASAN, lockdep, kmemleak, UBSAN and fault injection, or with --kcsan with KCSAN; of the series, or with --module of
the kernel module on the unmodified source. Any report in the kernel's log, any leak, memory that is not freed and any
wrong result is a failure.
"""

import re
import shlex
import sys
import tempfile
import time
from collections import Counter, namedtuple
from pathlib import Path

from harness import IVSHMEM_SIZE, TOP, kernel_log, tool, version
from harness.guest import Guest, GuestError, KernelUnavailable, compile_program, ivshmem, kernel_dir

MEMORY = 1536  # MiB; KASAN takes an eighth of it
DEFAULT_SEED = 20251124
BASES = ["6.12", "7.3"]
PROGRAMS = ["alias-stress", "alias-fuzz", "alias-faults"]
# Tolerated decrease of free memory, and increase of the objects of one slab cache, since the warm-up: the kernel's own
# use (per-CPU lists, partial slabs, the log) varies by this much. A leak of one page or object per operation, even per
# reset, would be far larger.
TOLERATED_KIB = 8192
TOLERATED_OBJECTS = 1000

# Known errors elsewhere in the kernel that fault injection triggers: {headline: description}
KNOWN = {
    "acpi_ns_get_attached_object": "ACPICA uses an object that it has freed when an allocation of its interpreter "
                                   "fails, here in acpi_get_irq_routing_table(), as a device with INTx is opened",
}
# Frames of a failure's stack that belong to the injection, and to allocators
INJECTION = re.compile(r"(dump_stack|show_stack|should_fail|__should_fail|fail_dump|stack_trace_save)")
ALLOCATORS = re.compile(r"(_?_?(kmem_cache_alloc|kmalloc|kvmalloc|krealloc|vmalloc|alloc_pages|alloc_frozen_pages|"
                        r"folio_alloc|get_free_pages|get_free_page|slab_alloc|alloc_percpu|pcpu_alloc|kzalloc|"
                        r"kmemdup|memdup_user|strndup_user|kstrdup|kasprintf|kvasprintf)|new_slab|allocate_slab|"
                        r"___slab_alloc|get_zeroed_page|pagetable_alloc|_?copy_(from|to)_user|_?_copy_(from|to)_user|"
                        r"strncpy_from_user|alloc_slab_page|post_alloc_hook|prepare_alloc_pages|__alloc)")
FRAME = re.compile(r"^ (\? )?([A-Za-z_][\w.]*)\+0x([0-9a-f]+)/0x[0-9a-f]+")

Run = namedtuple("Run", "name rc out seconds")


class Failed(Exception):
    """The run cannot continue; the text gives the reason."""


def say(text):
    print(f"wc-stress: {text}", file=sys.stderr, flush=True)


def parse_args():
    parser = tool.ArgumentParser(
        prog="wc-stress",
        description="Run stress, fault injection and random arguments for alias regions on a debug kernel, and print "
        "a summary. Exit status 0: nothing found.")
    parser.add_argument("base", nargs="?", choices=BASES, default="6.12",
                        help="base of the kernel (default: %(default)s)")
    parser.add_argument("--module", action="store_true",
                        help="use Debian's source, unmodified, and the module of kernel-module/ instead of the series")
    parser.add_argument("--kcsan", action="store_true",
                        help="use a kernel with KCSAN instead of KASAN, lockdep, kmemleak, UBSAN and fault injection")
    parser.add_argument("--operations", type=int, help="number of operations of the stress run (default: 1000000)")
    parser.add_argument("--inputs", type=int, help="number of inputs of the fuzzer (default: 200000)")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="20000 operations and 20000 inputs")
    parser.add_argument("--log", type=Path, help="file for the kernel's log and the programs' output")
    args = parser.parse_args()
    args.operations = args.operations if args.operations is not None else 20000 if args.quick else 1000000
    args.inputs = args.inputs if args.inputs is not None else 20000 if args.quick else 200000
    for option, number in ("--operations", args.operations), ("--inputs", args.inputs):
        if number < 10:
            parser.error(f"{option} {number}: use 10 or more")
    if args.log and not args.log.resolve().parent.is_dir():
        parser.error(f"--log {args.log}: no directory {args.log.resolve().parent}")
    return args


def variant_of(args):
    """The variant of devtools/build-kernel."""
    return ("module-" if args.module else "") + ("kcsan" if args.kcsan else "debug")


def missing_options(directory, variant):
    """Options of the fragments that are not in the .config."""
    have = set((directory / ".config").read_text().splitlines())
    asked = {}
    for name in ["guest-kernel", *(f"guest-kernel-{part}" for part in reversed(variant.split("-")))]:
        lines = (TOP / f"harness/{name}.config").read_text().splitlines()
        # Of two fragments with an option the second one decides.
        asked.update((line.partition("=")[0], line) for line in lines if line.startswith("CONFIG_"))
    return [line for line in asked.values() if line not in have]


# The kernel's log

def parse_kmsg(text):
    """Lines of the log, from the output of consecutive readers of /dev/kmsg; and the number of lost records."""
    records = {}
    for line in text.splitlines():
        match = re.match(r"(\d+),(\d+),(\d+),[^;]*;(.*)$", line)
        if match:
            records.setdefault(int(match.group(2)), match.group(4))
    numbers = sorted(records)
    lost = numbers[-1] - numbers[0] + 1 - len(numbers) if numbers else 0
    lines = []
    for number in numbers:
        text = re.sub(r"\\x([0-9a-f]{2})", lambda match: chr(int(match.group(1), 16)), records[number])
        lines += text.split("\n")
    return lines, lost


def split_known(reports):
    """(reports that count, those of KNOWN)."""
    known = [report for report in reports if any(name in report[0] for name in KNOWN)]
    return [report for report in reports if report not in known], known


def split_kcsan(lines):
    """KCSAN's reports by headline: those with a function of vfio in a stack, and all others."""
    vfio, others = Counter(), Counter()
    text = "\n".join(lines)
    for match in re.finditer(r"^BUG: KCSAN: (.*)\n((?:.*\n)*?)={10}", text + "\n", re.M):
        (vfio if "vfio" in match.group(1) + match.group(2) else others)[match.group(1)] += 1
    return vfio, others


# near: whether a function of vfio is among the callers close by
Site = namedtuple("Site", "kind near path")


def failing_sites(lines):
    """{Site: number of failures injected there} of the part of the log that alias-faults marked."""
    sites = Counter()
    inside, kind, frames = False, None, None
    for line in lines:
        if line.startswith("alias-faults: "):
            inside = line != "alias-faults: end"
            kind = None
        elif inside and line.startswith("name "):
            kind, frames = line.split()[1].rstrip(","), []
        elif kind and FRAME.match(line):
            unsure, function, offset = FRAME.match(line).groups()
            if not unsure:
                # The module's functions do not have it in their names, but behind.
                frames.append((function, offset, "vfio" in line))
        elif kind and line.strip() == "</TASK>":
            frames = [frame for frame in frames if not INJECTION.match(frame[0])]
            while len(frames) > 1 and ALLOCATORS.match(frames[0][0]):
                frames.pop(0)
            path = " < ".join(f"{function}+0x{offset}" for function, offset, _vfio in frames[:3])
            # Reading the file that shows whether a copy failed is itself a copy.
            if not any(function.startswith("proc_fail_nth") for function, *_ in frames):
                sites[Site(kind, any(vfio for *_, vfio in frames[:8]), path)] += 1
            kind = None
    return sites


# The guest

def measure(guest):
    """Memory and resources in use, after emptying all caches, including KASAN's quarantine."""
    out = guest.run("""
        for i in 1 2; do
            sync; echo 3 >/proc/sys/vm/drop_caches; echo 1 >/proc/sys/vm/compact_memory
            for file in /sys/kernel/slab/*/shrink; do echo 1 >$file; done
            sleep 1
        done 2>/dev/null
        cat /proc/meminfo; echo ---; cat /proc/slabinfo; echo ---
        cat /proc/iomem; cat /sys/kernel/debug/x86/pat_memtype_list; grep ioremap /proc/vmallocinfo; true""",
                    timeout=300, check=True).out
    meminfo, slabinfo, resources = out.split("---\n")
    numbers = {key: int(value) for key, value in re.findall(r"^(\w+): +(\d+) kB", meminfo, re.M)}
    slabs = {fields[0]: int(fields[1]) for fields in map(str.split, slabinfo.splitlines()[2:])}
    return numbers, slabs, sorted(re.sub(r"0x[0-9a-f]{16}-0x[0-9a-f]{16}", "", line)
                                  for line in resources.splitlines())


def compare(before, after):
    """[descriptions of leaks]"""
    found = []
    if before[0]["MemFree"] - after[0]["MemFree"] > TOLERATED_KIB:
        found.append(f"{before[0]['MemFree'] - after[0]['MemFree']} KiB of memory")
    found += [f"{after[1][name] - before[1].get(name, 0)} objects of {name}" for name in after[1]
              if after[1][name] - before[1].get(name, 0) > TOLERATED_OBJECTS]
    if before[2] != after[2]:
        found.append("I/O resources, memory types or ioremaps: " +
                     ", ".join(sorted(set(before[2]) ^ set(after[2])) or ["some more than once"]))
    return found


def leaks(guest, clear=False):
    """Unreferenced objects. kmemleak reports those that are unreferenced in two scans and 5 s old."""
    if clear:
        guest.run("echo scan >/sys/kernel/debug/kmemleak; echo clear >/sys/kernel/debug/kmemleak", timeout=3600,
                  check=True)
        return []
    out = guest.run("""echo scan >/sys/kernel/debug/kmemleak; sleep 6; echo scan >/sys/kernel/debug/kmemleak
                       cat /sys/kernel/debug/kmemleak""", timeout=3600, check=True).out
    return re.findall(r"^unreferenced object.*\n(?: .*\n)*", out, re.M)


class Machine:
    """The guest with its devices: memory on the root bus and behind a port (which has resets), and one with MSI-X."""

    def __init__(self, kernel, programs, files):
        driver = kernel / "vfio-pci.ko"
        self.driver = driver if driver.exists() else ""  # otherwise the kernel has one itself
        self.programs = programs
        self.runs = []
        self.guest = Guest(
            kernel=kernel / "bzImage", memory=MEMORY, boot_timeout=600,
            # Marks in the log must not be rate-limited; the console is slow and gets only messages more severe than
            # the stack of an injected failure.
            append="printk.devkmsg=on loglevel=4",
            # The whole log is checked at the end, and an injected failure may trigger an unrelated error of the kernel.
            may_warn=True,
            devices=[*ivshmem(files[0], IVSHMEM_SIZE, "shm0"), *ivshmem(files[1], IVSHMEM_SIZE, "shm1", root_port=True),
                     "-netdev", "hubport,hubid=0,id=n0", "-device", "e1000e,netdev=n0"])

    def __enter__(self):
        self.guest.__enter__()
        # A reader that is too slow gets an error and restarts.
        self.guest.start("while :; do cat /dev/kmsg >>/run/share/kmsg 2>/dev/null; done")
        if self.driver:
            self.guest.run(f"insmod {self.driver}", check=True)
        memories = sorted(self.guest.find("1af4:1110", index) for index in range(2))
        self.root, self.port, self.msix = *memories, self.guest.find("8086:10d3")
        for bdf in self.root, self.port, self.msix:
            self.guest.bind(bdf)
        self.version = self.guest.run("uname -r", check=True).out.strip()
        return self

    def __exit__(self, *exception):
        self.guest.__exit__(*exception)

    def log(self):
        path = self.guest.share / "kmsg"
        return parse_kmsg(path.read_text(errors="replace") if path.exists() else "")

    def run(self, name, command, timeout):
        say(f"{name} ({command})")
        start = time.monotonic()
        program, _, options = command.partition(" ")
        result = self.guest.run(f"{shlex.quote(str(self.programs[program]))} {options}", timeout=timeout)
        run = Run(name, result.rc, result.out + result.err, time.monotonic() - start)
        self.runs.append(run)
        say(f"{name}: {'ok' if run.rc == 0 else f'FAILED ({run.rc})'} in {run.seconds:.0f} s")
        return run


def rounds(operations):
    """Few rounds, so that the opens between them stay rare among the operations."""
    return max(4, min(12, operations // 50000))


def exercise(machine, args, found):
    """All runs; adds findings other than the programs' results to found."""
    guest = machine.guest
    stress = f"alias-stress {machine.port} --seed {args.seed}"
    fuzz = f"--seed {args.seed} --inputs"

    # Objects that are allocated once and kept are allocated here.
    warm_up = machine.run("warm-up", f"{stress} --operations 20000 --rounds 4", 1800)
    limit = 600 + 4 * warm_up.seconds * args.operations / 20000
    machine.run("warm-up, fuzz", f"alias-fuzz {machine.port} {fuzz} 2000", 600)
    if not args.kcsan:
        machine.run("warm-up, faults", f"alias-faults {machine.root}", 3600)
        leaks(guest, clear=True)
    before = measure(guest)

    machine.run("stress", f"{stress} --operations {args.operations} --rounds {rounds(args.operations)}", limit)
    machine.run("fuzz", f"alias-fuzz {machine.port} {fuzz} {args.inputs}", 3600)
    machine.run("fuzz, device with MSI-X", f"alias-fuzz {machine.msix} {fuzz} {args.inputs // 10}", 3600)
    if not args.kcsan:
        machine.run("faults", f"alias-faults {machine.root} {machine.driver}", 3600)
        machine.run("faults, device with MSI-X", f"alias-faults {machine.msix}", 3600)
        found += [f"leak: {leak}" for leak in leaks(guest)]
    after = measure(guest)
    found += [f"not freed: {what}" for what in compare(before, after)]
    return before, after


def counts(run):
    """(number, kind) of the operations that alias-stress counted."""
    return [(int(number), what) for number, what in re.findall(r"^# +(\d+) (.+)$", run.out, re.M)]


def summary(args, machine, memory, sites, races):
    """The summary as text."""
    runs = {run.name: run for run in machine.runs}
    stress = runs["stress"]
    checkers = "KCSAN" if args.kcsan else "KASAN, lockdep, DEBUG_ATOMIC_SLEEP, DEBUG_VM, kmemleak, UBSAN"
    subject = "the module vfio-pci-wc" if args.module else "the series"
    lines = [version.made_with(version.describe()),
             f"base {args.base}, kernel {machine.version} with {subject}, {checkers}, "
             f"{machine.guest.accel.upper()}, {machine.guest.cpus} CPUs", f"seed {args.seed}", "",
             f"stress: {stress.seconds:.0f} s, {args.operations / stress.seconds:.0f} operations/s"]
    lines += [f"  {number:>9} {what}" for number, what in counts(stress)]
    for name in "fuzz", "fuzz, device with MSI-X":
        lines += [f"{name}: " + re.search(r"^# (\d+ inputs; .*)$", runs[name].out, re.M).group(1)]
    if not args.kcsan:
        for name in "faults", "faults, device with MSI-X":
            lines += [f"{name}: " + re.search(r"^# (\d+ failures injected.*)$", runs[name].out, re.M).group(1)]
        near = {site: number for site, number in sites.items() if site.near}
        kinds = Counter(site.kind for site in sites)
        injected = sum(int(number) for run in machine.runs
                       for number in re.findall(r"^# (\d+) failures injected", run.out, re.M))
        lines += [f"failing sites (both devices and the warm-up): {len(sites)} distinct (" +
                  ", ".join(f"{kind} {number}" for kind, number in sorted(kinds.items())) +
                  f"), {len(near)} of them with vfio among the callers; {injected - sum(sites.values())} of "
                  f"{injected} failures have no stack (the allocation suppresses the report)"]
        lines += [f"  {number:>5} {site.kind}: {site.path}" for site, number in sorted(near.items())]
    if args.kcsan:
        lines += ["races with vfio in a stack: " + ("none" if not races[0] else "")]
        lines += [f"  {number:>5} {what}" for what, number in races[0].most_common()]
        lines += [f"other races: {len(races[1])} distinct"]
        lines += [f"  {number:>5} {what}" for what, number in races[1].most_common()]
    free = [numbers["MemFree"] for numbers, _slabs, _resources in memory]
    lines += [f"free memory: {free[0]} KiB after the warm-up, {free[1]} KiB at the end (tolerated: "
              f"{TOLERATED_KIB} KiB less; {TOLERATED_OBJECTS} objects more in a slab cache)"]
    return "\n".join(lines)


def judge(args, machine, found):
    """Check the log; returns (sites, races, known reports)."""
    lines, lost = machine.log()
    if lost:
        found.append(f"{lost} records of the kernel's log are lost, with any reports in them")
    sites = Counter()
    races = Counter(), Counter()
    if args.kcsan:
        races = split_kcsan(lines)
        found += [f"race: {what}" for what in races[0]]
        # Already classified: with functions of vfio or without
        lines = [line for line in lines if "BUG: KCSAN" not in line]
    else:
        sites = failing_sites(lines)
    reports, known = split_known(kernel_log.find_reports(lines))
    found += [f"report: {context}" for _headline, context in reports]
    found += [f"{run.name}: exit status {run.rc}:\n{run.out[-3000:]}" for run in machine.runs if run.rc != 0]
    if args.log:
        try:
            args.log.write_text("\n".join(lines) + "".join(f"\n--- {run.name}\n{run.out}" for run in machine.runs))
        except OSError as error:
            found.append(f"--log {args.log}: not written: {error.strerror}")
    return sites, races, known


def stress(args):
    variant = variant_of(args)
    kernel = kernel_dir(f"{args.base}/{variant}")
    missing = missing_options(kernel, variant)
    if missing:
        raise Failed(f"the kernel lacks requested options: {' '.join(missing)}")

    found = []
    with tempfile.TemporaryDirectory(prefix="wc-stress.") as directory, \
            tempfile.TemporaryDirectory(prefix="wc-stress.", dir="/dev/shm") as shm:
        files = [Path(shm) / name for name in ("shm0", "shm1")]
        for path in files:
            with open(path, "wb") as file:
                file.truncate(IVSHMEM_SIZE)
        say(f"starting {args.base}/{variant}")
        programs = {name: compile_program(f"kernel/{name}", directory=directory) for name in PROGRAMS}
        with Machine(kernel, programs, files) as machine:
            try:
                memory = exercise(machine, args, found)
            except GuestError as error:
                # The log may show the reason.
                judge(args, machine, found)
                raise Failed("\n".join([*found, str(error)])) from error
            sites, races, known = judge(args, machine, found)
            print(summary(args, machine, memory, sites, races))
    for headline, _context in known:
        print(f"known, not caused by alias regions: {headline}")
    for name in KNOWN if known else ():
        print(f"  {name}: {KNOWN[name]}")
    for what in found:
        print(f"FOUND {what}")
    print(f"verdict: {f'{len(found)} FOUND' if found else 'nothing found'}")
    return 1 if found else 0


def main(args):
    try:
        return stress(args)
    except KernelUnavailable as error:
        say(f"skipped: {error}")
        return 3


if __name__ == "__main__":
    tool.run("wc-stress", parse_args, main, programs=["qemu-system-x86_64"], errors=[Failed, GuestError])
