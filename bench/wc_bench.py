# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""dpdk-testpmd over net_ivshmem between this machine and a guest, or on a device of this machine, by mapping.

The host's testpmd generates frames and receives them (flowgen), the guest's sends them back (io). Each repeat runs
all frame sizes with the default mapping, with --vfio-wc and over virtio-net, in alternating order.
"""

import contextlib
import datetime
import functools
import json
import os
import re
import shlex
import subprocess
import tempfile
import time
from pathlib import Path

from bench import (wc_bench_answer, wc_bench_device, wc_bench_ena, wc_bench_model, wc_bench_page, wc_bench_peers,
                   wc_bench_report as report, wc_costs, wc_perf)
from bench.steps import Steps
from harness import IVSHMEM_SIZE, TOP, cpuinfo, kernels, testpmd, tool, version, wcscope
from harness.guest import CACHE, Guest, GuestError, build_dpdk, ivshmem, qemu_version
from harness.pair import WARM_UP_S, IvshmemPair, Vhost, VirtioPair

LINES = 16384  # of each ring: the host's generator shares its CPU and may be away for some ms
FRAMES = [64, 128, 256, 512, 1024, 1518]  # with FCS, as RFC 2544 section 9.1 counts
MAPPINGS = {"default": "", "--vfio-wc": "--vfio-wc"}
VIRTIO = "virtio-net"  # in the same guest, for comparison
MEMORY_MIB = 768
BESIDE_MIB = 768  # QEMU itself, and two testpmd of this machine with 128 MiB each
HOST_CPU, GUEST_CPU = 0, 1
SELFTEST_REPEATS = 11
UNFINISHED = "unfinished.json"  # like results.json, of a run that is in progress or was interrupted


STEPS = Steps("wc-bench")
say = STEPS.say


def number_of_steps(args):
    """The kernel, the model, instruction counts and other drivers do not apply to a device."""
    return (0 if args.program else 1) + (1 if args.device else 2) + (0 if args.throughput_only or args.device else 4)


def load_earlier(parser, path):
    try:
        results = json.loads(path.read_text())
    except OSError as error:
        parser.error(f"--compare {path}: {error.strerror}")
    except ValueError:
        results = None
    if not report.has_schema(results):
        parser.error(f"--compare {path}: schema {results['schema']!r}, this version of wc-bench reads {report.SCHEMA}: "
                     "compare with the version that made it")
    if not report.is_result(results):
        parser.error(f"--compare {path}: not a results.json of this version of wc-bench")
    return results


def parse_args():
    parser = tool.ArgumentParser(
        prog="wc-bench", description="Measure dpdk-testpmd over net_ivshmem in a guest, without and with --vfio-wc.")
    parser.add_argument("--quick", action="store_true", help="3 repeats of 0.3 s instead of 5 of 0.5 s")
    parser.add_argument("--repeats", type=int, help="number of repeats")
    parser.add_argument("--seconds", type=float, help="length of each measurement")
    parser.add_argument("--frames", help="frame sizes with FCS, 64 to 1518, like 64,1518")
    kernels.add_option(parser)
    parser.add_argument("--throughput-only", action="store_true",
                        help="omit the model of PCIe writes, the instruction counts and the comparison with "
                        "memif and virtio-user")
    parser.add_argument("--platform", default=wc_bench_answer.DEFAULT, metavar="NAME[,COST=NUMBER...]",
                        help="whose costs the modelled CPU times have: " + ", ".join(wc_costs.PLATFORMS)
                        + ", and costs as in doc/wcscope_costs.rst, like those that wc-probe prints (default: "
                        "%(default)s)")
    parser.add_argument("--model", metavar="PRESET[,NAME=VALUE...]",
                        help="model of the write-combining buffers and the link: intel, broadwell or amd, and "
                        "parameters as in doc/wcscope.rst, like amd,buffers=12,generation=5,width=16 (default: "
                        "the platform's)")
    device = parser.add_argument_group("a device of this machine instead of a guest")
    device.add_argument("--device", metavar="BDF", help="bound to vfio-pci; no kernel is built and no guest booted")
    device.add_argument("--program", type=Path, help="dpdk-testpmd to use instead of building one")
    device.add_argument("--eal-options", default="-l 0,1", help="of testpmd (default: %(default)s)")
    device.add_argument("--testpmd-options", default="--forward-mode=txonly --record-core-cycles",
                        help="of testpmd (default: %(default)s)")
    device.add_argument("--scratch", metavar="BAR:OFFSET:LEN",
                        help="part of a BAR that may be overwritten, to test by timing whether stores combine")
    tool.add_when_busy(parser)
    parser.add_argument("--compare", type=Path, metavar="results.json", help="report changes since earlier results")
    parser.add_argument("--output", type=Path, default=Path("wc-bench-results"),
                        help="directory for results.html, results.md and results.json (default: %(default)s)")
    args = parser.parse_args()
    args.repeats = args.repeats if args.repeats is not None else 3 if args.quick else 5
    args.seconds = args.seconds if args.seconds is not None else 0.3 if args.quick else 0.5
    if not 1 <= args.repeats <= 1000:
        parser.error(f"--repeats {args.repeats}: use 1 to 1000")
    if not 0.1 <= args.seconds <= 3600:
        parser.error(f"--seconds {args.seconds}: use 0.1 to 3600")
    try:
        args.frames = [int(word) for word in args.frames.split(",")] if args.frames else FRAMES
    except ValueError:
        parser.error(f"--frames {args.frames}: use numbers like 64,1518")
    try:
        args.platform = wc_bench_answer.choose(args.platform)
    except wc_bench_answer.PlatformError as error:
        parser.error(f"--platform {args.platform}: {error}")
    args.model = args.model if args.model is not None else wc_bench_answer.model_of(args.platform.platform)
    try:
        wcscope.check_model(args.model)
    except wcscope.ScopeError as error:
        parser.error(f"--model {args.model}: {error}")
    args.model = args.model.replace(",", " ")
    for option, value in ("--eal-options", args.eal_options), ("--testpmd-options", args.testpmd_options):
        try:
            shlex.split(value)
        except ValueError as error:
            parser.error(f"{option} {value}: {error}")
    if args.program and not (args.device and args.program.is_file()):
        parser.error(f"--program {args.program}: use the path of a dpdk-testpmd, and --device")
    if args.kernel and args.device:
        parser.error(f"--kernel {args.kernel}: this machine's kernel is used for a device: omit --kernel")
    if args.scratch and not (args.device and re.fullmatch(r"\d+:\w+:\w+", args.scratch)):
        parser.error(f"--scratch {args.scratch}: use BAR:OFFSET:LEN, and --device")
    args.earlier = load_earlier(parser, args.compare) if args.compare else None
    for size in args.frames:
        if not 64 <= size <= 1518:
            parser.error(f"--frames: {size} is not a frame size from 64 to 1518")
    try:
        args.device = args.device and wc_bench_device.check(args.device)
        tool.make_output(args.output)
    except (wc_bench_device.DeviceError, tool.ToolError) as error:
        parser.error(error)
    return args


def check_room(args):
    """Before anything is fetched or built."""
    kernel = {} if args.device else kernels.room(args.kernel or kernels.DEFAULT_STOCK)
    tool.need_disk({**kernel, CACHE / "dpdk-src": 200, CACHE / "ccache": 400, TOP / "subprojects/dpdk": 150,
                    TOP / "build": 150})
    if not args.device:
        tool.need_memory(MEMORY_MIB + BESIDE_MIB)


def build(args, step):
    if args.program:
        return args.program.resolve()
    check_room(args)
    if not args.device:
        step("the guest's kernel, fetched or built unless it is in the cache")
        args.kernel = kernels.choose(args.kernel, say)
    step("DPDK, built unless it is up to date")
    return build_dpdk("release") / "dpdk-testpmd"


def run(pair, frame, seconds):
    """One measurement; the rate counts frames that come back to the host."""
    pair.start(frame)
    time.sleep(WARM_UP_S)
    effective = pair.effective()
    rate = pair.host_testpmd.rates(seconds)["Rx-pps"]
    return {"frame": frame, "granted": pair.granted, "effective": effective, "mpps": rate / 1e6, **pair.stop()}


def pin(process):
    """Pin a guest to its CPU."""
    for task in Path(f"/proc/{process.pid}/task").iterdir():
        # Idle worker threads of QEMU may end meanwhile.
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(task.name), {GUEST_CPU % os.cpu_count()})


def setting_of(args, guest, program, bdf):
    say("timing whether write-combining is delivered")
    selftest = guest.run(wc_perf.command(program.parent / "dpdk-wc-perf", bdf, SELFTEST_REPEATS), timeout=120,
                         check=True)
    return {"accelerator": guest.accel.upper(), "kernel": guest.run("uname -r", check=True).out.strip(),
            "source": kernels.describe(args.kernel),
            "qemu": qemu_version(),
            **common_setting(args), "delivered": wc_perf.delivered(selftest.out), "commands": []}


@contextlib.contextmanager
def guest_of(program, kernel):
    """(guest with both devices, {name: function that makes its pair}, BDF of the ivshmem device)."""
    with tempfile.NamedTemporaryFile(dir="/dev/shm", prefix="wc-bench.") as memory, \
            tempfile.TemporaryDirectory(prefix="wc-bench.") as directory:
        memory.truncate(IVSHMEM_SIZE)
        with Vhost(program, f"{directory}/vhost", HOST_CPU) as vhost, \
                Guest(kernel=kernels.of_guest(kernel), memory=MEMORY_MIB, append="hugepages=64",
                      devices=[*ivshmem(memory.name, IVSHMEM_SIZE), *vhost.devices(MEMORY_MIB)]) as guest:
            pin(guest.process)
            bdf, virtio = guest.take("1af4:1110"), guest.take("1af4:1041")
            pairs = {mapping: functools.partial(IvshmemPair, guest, bdf, memory.name, program, option=option,
                                                lines=LINES, host_cpu=HOST_CPU)
                     for mapping, option in MAPPINGS.items()}
            yield guest, pairs | {VIRTIO: functools.partial(VirtioPair, guest, virtio, vhost, program)}, bdf


def measure(args, program, setting, runs, keep):
    """Add to setting and runs; the compared pairs alternate."""
    with guest_of(program, args.kernel) as (guest, pairs, bdf):
        setting |= setting_of(args, guest, program, bdf)
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
                keep()


def measure_device(args, program, setting, runs, keep):
    """The same for a device of this machine."""
    setting |= {"accelerator": wc_bench_device.machine(), "kernel": os.uname().release, **common_setting(args),
                "delivered": wc_perf.not_timed("use --scratch")}
    wc_bench_device.measure(args, program, MAPPINGS, setting, runs, say)
    keep()
    if args.scratch:
        bar, offset, length = args.scratch.split(":")
        run = subprocess.run([program.parent / "dpdk-wc-perf", *shlex.split(args.eal_options), "-a", setting["device"],
                              "--vfio-wc", "--", "--bar", bar, "--offset", offset, "--len", length, "--repeats",
                              str(SELFTEST_REPEATS)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        said = re.findall(r"^wc-perf: (.*)$", run.stderr, re.M) or [f"exit status {run.returncode}"]
        setting["delivered"] = wc_perf.delivered(run.stdout) if run.returncode == 0 else wc_perf.not_timed(said[-1])


def common_setting(args):
    return {"cpu": cpuinfo.describe(), "seconds": args.seconds, "repeats": args.repeats,
            "dpdk": None if args.program else (TOP / "subprojects/dpdk/VERSION").read_text().strip()}


def count_instructions(frames):
    """[{"frame", "tx", "rx", "memif_tx", "memif_rx"}] per packet."""
    out = subprocess.run([TOP / "devtools/count-instructions", *map(str, frames)], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    return [{"frame": int(frame), **dict(zip(("tx", "rx", "memif_tx", "memif_rx"), map(float, counts)))}
            for frame, *counts in re.findall(r"^ *(\d+)" + r" +([0-9.]+)" * 4 + "$", out, re.M)]


class Results:
    """The results so far."""

    def __init__(self, args):
        self.args = args
        now = datetime.datetime.now(datetime.timezone.utc)
        self.all = {"schema": report.SCHEMA, "date": now.isoformat(timespec="minutes"), "complete": False,
                    "setting": {"version": version.describe(), "cpu": cpuinfo.describe(), "commands": []},
                    "platform": None, "copies": [], "models": [], "drivers": [], "instructions": [], "peers": [],
                    "runs": [], "rows": []}
        self.peer_runs = []

    def summarise(self):
        self.all["rows"] = report.summarise(self.all["runs"], self.args.frames)
        self.all["peers"] = report.summarise_peers(self.peer_runs)
        wc_bench_answer.add_costs(self.all)
        return self.all

    def measured(self):
        return any(self.all[part] for part in ("models", "instructions", "runs")) or bool(self.peer_runs)

    def json(self):
        return json.dumps(self.summarise(), indent=1) + "\n"

    def keep(self):
        """Save the results so far, in case the run fails. Earlier results stay until the run is complete."""
        try:
            tool.write(self.args.output, {UNFINISHED: self.json()})
        except tool.ToolError as error:
            say(f"continuing: {error}")

    def print_and_write(self):
        """Results that cannot be written are still printed."""
        text = report.markdown(self.summarise())
        try:
            print(text, flush=True)
        finally:
            tool.write(self.args.output, {"results.json": self.json(), "results.md": text,
                                          "results.html": wc_bench_page.web_page(self.all)})
        (self.args.output / UNFINISHED).unlink(missing_ok=True)
        say(f"also in {self.args.output}/results.html, results.md and results.json")

    def print_unfinished(self):
        self.keep()
        print(report.markdown(self.all), flush=True)
        say(f"ended early; the results so far are in {self.args.output / UNFINISHED}")


def note_busy(setting):
    """Note the CPU time that other programs use, at the start and the end; the larger value counts."""
    setting["busy_percent"] = max(setting.get("busy_percent", 0), round(tool.busy_percent()))
    if setting["busy_percent"] >= report.BUSY_PERCENT:
        say(f"the machine is busy: other programs use {setting['busy_percent']} % of the CPU time")


def model_costs(platform, found):
    """What is the same on every machine. An operator's may have no compiler for the model."""
    found["platform"] = wc_bench_answer.describe(platform)
    try:
        found["copies"] = wc_bench_answer.copies(platform)
    except (OSError, subprocess.CalledProcessError) as error:
        say(f"no costs of copies, for which gcc compiles the model: {error}")


def measure_all(args, program, results, step):
    """Steps that a wrong argument can fail come first."""
    found = results.all
    model_costs(args.platform, found)
    more = not args.throughput_only and not args.device
    if more:
        step("PCIe accesses, modelled")
        wc_bench_model.observe(args, program, MAPPINGS, IVSHMEM_SIZE, LINES, found["models"], say)
        step("net_ena, modelled")
        wc_bench_ena.observe(args, program, found["drivers"], say)
        step("instructions per packet")
        found["instructions"] = count_instructions(args.frames)
    step("throughput")
    note_busy(found["setting"])
    (measure_device if args.device else measure)(args, program, found["setting"], found["runs"], results.keep)
    note_busy(found["setting"])
    if more:
        step("between two processes")
        # wc-bench-peers measures more sizes.
        wc_bench_peers.run(program, args.repeats, sorted({min(args.frames), max(args.frames)}), args.seconds, say,
                           results.peer_runs)
    found["complete"] = True


def main(args):
    STEPS.number = number_of_steps(args)
    results = Results(args)
    with STEPS as step:
        program = build(args, step)
        with tool.own_output(args.output), tool.machine_to_measure(args.when_busy, say):
            try:
                measure_all(args, program, results, step)
            except BaseException:
                if results.measured():
                    results.print_unfinished()
                raise
    results.print_and_write()
    if args.earlier is not None:
        changes = report.compare(args.earlier, results.all)
        earlier = args.earlier["setting"].get("version", "an earlier version")
        print(f"Changes since {args.compare}, made with {earlier}:", *changes or ["none beyond the spread"],
              sep="\n- ")


if __name__ == "__main__":
    tool.run("wc-bench", parse_args, main, packages=["bench"], modules=["pexpect"],
             errors=[GuestError, testpmd.TestpmdError, wcscope.ScopeError, wc_bench_model.ModelError,
                     wc_bench_device.DeviceError])
