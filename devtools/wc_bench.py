# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""dpdk-testpmd over net_ivshmem between this machine and a guest, or on a device of this machine, by mapping.

The host's testpmd generates frames and receives them (flowgen), the guest's sends them back (io). Each repeat runs
all frame sizes with the default mapping, with --vfio-wc and over virtio-net, one after the other, in turns.
"""

import argparse
import contextlib
import functools
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tests" / "harness"))

import testpmd  # noqa: E402  (the path has to be set first)
import wc_bench_device  # noqa: E402
import wc_bench_model  # noqa: E402
import wc_bench_peers  # noqa: E402
import wc_bench_report as report  # noqa: E402
import wc_perf  # noqa: E402
import wcscope  # noqa: E402
from guest import Guest, GuestError, build_dpdk, ivshmem, kernel_dir  # noqa: E402
from pair import WARM_UP_S, IvshmemPair, Vhost, VirtioPair  # noqa: E402

SIZE = 4 << 20
LINES = 16384  # of each ring: the host's generator shares its CPU and may be away for some ms
FRAMES = [64, 128, 256, 512, 1024, 1518]  # with FCS, as RFC 2544 section 9.1 counts
MAPPINGS = {"default": "", "--vfio-wc": "--vfio-wc"}
VIRTIO = "virtio-net"  # in the same guest, for comparison
MEMORY_MIB = 768
HOST_CPU, GUEST_CPU = 0, 1
SELFTEST_REPEATS = 11


def say(text):
    print(f"wc-bench: {text}", file=sys.stderr, flush=True)


def load_earlier(parser, path):
    try:
        results = json.loads(path.read_text())
    except OSError as error:
        parser.error(f"--compare {path}: {error.strerror}")
    except ValueError:
        results = None
    if not report.is_result(results):
        parser.error(f"--compare {path}: this is no results.json of wc-bench, or of an earlier version")
    return results


def parse_args():
    parser = argparse.ArgumentParser(
        prog="wc-bench", description="Measure dpdk-testpmd over net_ivshmem in a guest, without and with --vfio-wc.")
    parser.add_argument("--quick", action="store_true", help="3 repeats of 0.3 s instead of 5 of 1 s")
    parser.add_argument("--repeats", type=int, help="number of repeats")
    parser.add_argument("--seconds", type=float, help="length of each measurement")
    parser.add_argument("--frames", help="frame sizes with FCS, 64 to 1518, like 64,1518")
    parser.add_argument("--throughput-only", action="store_true",
                        help="leave out the model of PCIe writes, the counts of instructions and the comparison with "
                        "memif and virtio-user")
    parser.add_argument("--model", default="intel", metavar="PRESET[,NAME=VALUE...]",
                        help="of the write-combining buffers and the link: intel or amd, and parameters as in "
                        "doc/wcscope.rst, like intel,buffers=12,generation=5,width=16 (default: %(default)s)")
    device = parser.add_argument_group("a device of this machine instead of a guest")
    device.add_argument("--device", metavar="BDF", help="bound to vfio-pci; no kernel is built and no guest booted")
    device.add_argument("--program", type=Path, help="dpdk-testpmd to use instead of building one")
    device.add_argument("--eal-options", default="-l 0,1", help="of testpmd (default: %(default)s)")
    device.add_argument("--testpmd-options", default="--forward-mode=txonly --record-core-cycles",
                        help="of testpmd (default: %(default)s)")
    device.add_argument("--scratch", metavar="BAR:OFFSET:LEN",
                        help="part of a BAR that may be overwritten: tests by timing whether stores combine")
    parser.add_argument("--compare", type=Path, metavar="results.json", help="say what changed since earlier results")
    parser.add_argument("--output", type=Path, default=Path("wc-bench-results"),
                        help="directory for results.html, results.md and results.json (default: %(default)s)")
    args = parser.parse_args()
    args.repeats = args.repeats if args.repeats is not None else 3 if args.quick else 5
    args.seconds = args.seconds if args.seconds is not None else 0.3 if args.quick else 1.0
    if not 1 <= args.repeats <= 1000:
        parser.error(f"--repeats {args.repeats}: give 1 to 1000")
    if not 0.1 <= args.seconds <= 3600:
        parser.error(f"--seconds {args.seconds}: give 0.1 to 3600")
    try:
        args.frames = [int(word) for word in args.frames.split(",")] if args.frames else FRAMES
    except ValueError:
        parser.error(f"--frames {args.frames}: give numbers like 64,1518")
    args.model = args.model.replace(",", " ")
    if args.program and not (args.device and args.program.is_file()):
        parser.error(f"--program {args.program}: give the path of a dpdk-testpmd, and --device")
    if args.scratch and not (args.device and re.fullmatch(r"\d+:\w+:\w+", args.scratch)):
        parser.error(f"--scratch {args.scratch}: give BAR:OFFSET:LEN, and --device")
    if "line=" in args.model:
        parser.error(f"--model {args.model}: a line is 64 bytes here, as in net_ivshmem")
    args.earlier = load_earlier(parser, args.compare) if args.compare else None
    for size in args.frames:
        if not 64 <= size <= 1518:
            parser.error(f"--frames: {size} is not a frame size from 64 to 1518")
    return args


def build(args):
    if args.program:
        return args.program.resolve()
    if not args.device:
        say("building the patched kernel, if it is not in the cache")
        kernel_dir("full")
    say("building DPDK, if it is not up to date")
    return build_dpdk("release") / "dpdk-testpmd"


def run(pair, frame, seconds):
    """One measurement; the rate is what comes back to the host."""
    pair.start(frame)
    time.sleep(WARM_UP_S)
    effective = pair.effective()
    rate = pair.host_testpmd.rates(seconds)["Rx-pps"]
    return {"frame": frame, "granted": pair.granted, "effective": effective, "mpps": rate / 1e6, **pair.stop()}


def pin(process):
    """A guest on its CPU."""
    for task in Path(f"/proc/{process.pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {GUEST_CPU % os.cpu_count()})


def setting_of(args, guest, program, bdf):
    say("testing by timing whether stores combine")
    selftest = guest.run(wc_perf.command(program.parent / "dpdk-wc-perf", bdf, SELFTEST_REPEATS), timeout=120,
                         check=True)
    return {"accelerator": guest.accel.upper(), "kernel": guest.run("uname -r", check=True).out.strip(),
            "qemu": subprocess.run(["qemu-system-x86_64", "--version"], stdout=subprocess.PIPE,
                                   text=True).stdout.splitlines()[0],
            **common_setting(args), "combining": wc_perf.combining(selftest.out), "commands": []}


@contextlib.contextmanager
def guest_of(program):
    """(guest with both devices, {what is compared: function that makes its pair}, BDF of the ivshmem device)."""
    with tempfile.NamedTemporaryFile(dir="/dev/shm", prefix="wc-bench.") as memory, \
            tempfile.TemporaryDirectory(prefix="wc-bench.") as directory:
        memory.truncate(SIZE)
        with Vhost(program, f"{directory}/vhost", HOST_CPU) as vhost, \
                Guest(kernel="full", devices=[*ivshmem(memory.name, SIZE), *vhost.devices(MEMORY_MIB)],
                      memory=MEMORY_MIB, append="hugepages=64") as guest:
            pin(guest.process)
            bdf, virtio = guest.take("1af4:1110"), guest.take("1af4:1041")
            pairs = {mapping: functools.partial(IvshmemPair, guest, bdf, memory.name, program, option=option,
                                                lines=LINES, host_cpu=HOST_CPU)
                     for mapping, option in MAPPINGS.items()}
            yield guest, pairs | {VIRTIO: functools.partial(VirtioPair, guest, virtio, vhost, program)}, bdf


def measure(args, program):
    """(setting, runs), what is compared in turns."""
    runs = []
    with guest_of(program) as (guest, pairs, bdf):
        setting = setting_of(args, guest, program, bdf)
        for repeat in range(args.repeats):
            for name in list(pairs)[::-1] if repeat % 2 else list(pairs):
                say(f"repeat {repeat + 1} of {args.repeats}, {name}")
                with pairs[name]() as pair:
                    setting["commands"] += [command for command in pair.commands()
                                            if command not in setting["commands"]]
                    for frame in args.frames:
                        result = run(pair, frame, args.seconds)
                        runs.append({"repeat": repeat, "requested": name, **result})
                        say(f"  {frame:5} bytes  {result['effective']:4} {result['mpps']:8.3f} Mpps")
    return setting, runs


def measure_device(args, program):
    """The same of a device of this machine."""
    found, runs = wc_bench_device.measure(args, program, MAPPINGS, say)
    accelerator = wc_bench_device.machine()
    selftest = {"ratio": None, "text": "not tested: give --scratch"}
    if args.scratch:
        bar, offset, length = args.scratch.split(":")
        run = subprocess.run([program.parent / "dpdk-wc-perf", *shlex.split(args.eal_options), "-a", found["device"],
                              "--vfio-wc", "--", "--bar", bar, "--offset", offset, "--len", length, "--repeats",
                              str(SELFTEST_REPEATS)], stdout=subprocess.PIPE, text=True, check=True)
        selftest = wc_perf.combining(run.stdout)
    return {"accelerator": accelerator, "kernel": os.uname().release, **common_setting(args), **found,
            "combining": selftest}, runs


def common_setting(args):
    return {"cpu": report.cpu_model(), "seconds": args.seconds, "repeats": args.repeats,
            "dpdk": None if args.program else (TOP / "subprojects/dpdk/VERSION").read_text().strip()}


def count_instructions(frames):
    """[{"frame", "tx", "rx", "memif_tx", "memif_rx"}] for each packet."""
    say("counting instructions")
    out = subprocess.run([TOP / "devtools/count-instructions", *map(str, frames)], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    return [{"frame": int(frame), **dict(zip(("tx", "rx", "memif_tx", "memif_rx"), map(float, counts)))}
            for frame, *counts in re.findall(r"^ *(\d+)" + r" +([0-9.]+)" * 4 + "$", out, re.M)]


def measure_all(args, program):
    """All results, as they are written to results.json. What a wrong argument can end comes first."""
    results = {"models": [], "instructions": [], "peers": []}
    if not args.throughput_only and not args.device:
        say("what the device sees")
        results["models"] = wc_bench_model.observe(program, wcscope.library(program.parent), MAPPINGS, args.frames,
                                                   args.seconds, args.model, SIZE, LINES, say)
        results["instructions"] = count_instructions(args.frames)
    setting, runs = (measure_device if args.device else measure)(args, program)
    results |= {"setting": setting, "runs": runs, "rows": report.summarise(runs, args.frames)}
    if not args.throughput_only and not args.device:
        say("between two processes")
        results["peers"] = report.summarise_peers(
            wc_bench_peers.run(program, args.repeats, args.frames, args.seconds, say))
    return results


def write(args, results):
    text = report.markdown(results)
    (args.output / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (args.output / "results.md").write_text(text)
    (args.output / "results.html").write_text(report.web_page(results))
    print(text)
    say(f"also in {args.output}/results.html, results.md and results.json")


def main():
    args = parse_args()
    if args.device:
        args.device = wc_bench_device.check(args.device)
    args.output.mkdir(parents=True, exist_ok=True)
    results = measure_all(args, build(args))
    write(args, results)
    if args.earlier is not None:
        changes = report.compare(args.earlier, results)
        print(f"Changes since {args.compare}:", *changes or ["none beyond the spread"], sep="\n- ")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("wc-bench: interrupted")
    except (GuestError, testpmd.TestpmdError, wcscope.ScopeError, wc_bench_model.ModelError,
            wc_bench_device.DeviceError, subprocess.CalledProcessError, OSError) as failure:
        sys.exit(f"wc-bench: {failure}")
