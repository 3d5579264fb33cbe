# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Throughput of dpdk-testpmd over net_ivshmem between this machine and a guest, by mapping of the slots.

The host's testpmd generates frames and receives them (flowgen), the guest's sends them back (io). Each repeat runs
all frame sizes with the default mapping and with --vfio-wc, one after the other, in turns.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tests" / "harness"))

import testpmd  # noqa: E402  (the path has to be set first)
from guest import Guest, GuestError, ivshmem, kernel_dir  # noqa: E402

SIZE = 4 << 20
LINES = 16384  # of each ring: the host's generator shares its CPU and may be away for some ms
FRAMES = [64, 128, 256, 512, 1024, 1518]  # with FCS, as RFC 2544 section 9.1 counts
MAPPINGS = {"default": "", "--vfio-wc": "--vfio-wc"}
HOST_CPU, GUEST_CPU = 0, 1
QUIET_LOOKS = 50  # the forwarding lcore shares its CPU with the prompt: a single look can come too soon
WARM_UP_S = 0.2  # frames of the size before are gone after some ms; this is to settle


def say(text):
    print(f"wc-bench: {text}", file=sys.stderr, flush=True)


def parse_args():
    parser = argparse.ArgumentParser(
        prog="wc-bench", description="Measure dpdk-testpmd over net_ivshmem in a guest, without and with --vfio-wc.")
    parser.add_argument("--quick", action="store_true", help="3 repeats of 0.3 s instead of 5 of 1 s")
    parser.add_argument("--repeats", type=int, help="number of repeats")
    parser.add_argument("--seconds", type=float, help="length of each measurement")
    parser.add_argument("--frames", help="frame sizes with FCS, 64 to 1518, like 64,1518")
    parser.add_argument("--output", type=Path, default=Path("wc-bench-results"),
                        help="directory for results.json and results.md (default: %(default)s)")
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
    for size in args.frames:
        if not 64 <= size <= 1518:
            parser.error(f"--frames: {size} is not a frame size from 64 to 1518")
    return args


def build():
    say("building the patched kernel, if it is not in the cache")
    kernel_dir("full")
    say("building DPDK, if it is not up to date")
    result = subprocess.run([TOP / "devtools/build-dpdk", "release"], check=True, stdout=subprocess.PIPE, text=True)
    return Path(result.stdout.strip().splitlines()[-1]) / "dpdk-testpmd"


class Measurement:
    """A pair of testpmd, one on each end of the link."""

    def __init__(self, guest, bdf, program, memory, option):
        with open(memory, "r+b") as file:
            file.write(bytes(SIZE))
        self.guest = guest
        self.host_testpmd = testpmd.on_host(
            program, HOST_CPU, f"--vdev net_ivshmem0,path={memory},role=server,lines={LINES}",
            "--forward-mode=flowgen --total-num-mbufs=2048 --no-mlockall --no-flush-rx")
        try:
            self.guest_testpmd = testpmd.in_guest(
                guest, program, f"-a {bdf} {option}",
                "--forward-mode=io --total-num-mbufs=2048 --no-mlockall --no-flush-rx --record-core-cycles")
        except BaseException:
            self.host_testpmd.terminal.close(force=True)
            raise
        found = re.search(r"slots at 0x([0-9a-f]+), (\d+) bytes, ([^\r\n]*)", self.guest_testpmd.log)
        self.slots = int(found.group(1), 16), int(found.group(2))
        self.granted = found.group(3)
        self.bar = guest.bar(bdf, 2)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.guest_testpmd.quit()
            self.host_testpmd.quit()
        else:
            self.host_testpmd.terminal.close(force=True)

    def effective(self):
        """Memory type of the slots in the page tables of the process that forwards; needs traffic."""
        types = self.guest.effective_types(*self.slots, self.bar)
        return "+".join(sorted(types)) if types else "not verified"

    def run(self, frame, seconds):
        """One measurement; the rate is what comes back to the host.

        The guest stops first and the host then receives what is left, so that what the guest has received and the
        host has not got back was lost.
        """
        host, guest = self.host_testpmd, self.guest_testpmd
        host(f"set txpkts {frame}")
        host("start")
        guest("start")
        time.sleep(WARM_UP_S)
        effective = self.effective()
        host.port_stats()
        time.sleep(seconds)
        rate = host.port_stats()["Rx-pps"]
        stopped = guest("stop")
        received = int(re.search(r"RX-packets: (\d+)", stopped).group(1))
        returned = self.drain(received)
        host("stop")
        cycles = re.search(r"CPU cycles/packet=([0-9.]+)", stopped)
        return {"frame": frame, "granted": self.granted, "effective": effective, "mpps": rate / 1e6,
                "guest_received": received, "lost": received - returned,
                "guest_dropped": int(re.search(r"TX-dropped: (\d+)", stopped).group(1)),
                "cycles": float(cycles.group(1)) if cycles else None}

    def drain(self, expected):
        """Frames that the host has got back, once there are as many as expected or no more come."""
        now, quiet = self.returned(), 0
        while now < expected and quiet < QUIET_LOOKS:
            before, now = now, self.returned()
            quiet = quiet + 1 if now == before else 0
        return now

    def returned(self):
        return int(re.search(r"RX-packets: (\d+)", self.host_testpmd("show fwd stats all")).group(1))


def measure(args, program):
    runs = []
    with tempfile.NamedTemporaryFile(dir="/dev/shm", prefix="wc-bench.") as memory:
        memory.truncate(SIZE)
        with Guest(kernel="full", devices=ivshmem(memory.name, SIZE), append="hugepages=64") as guest:
            os.sched_setaffinity(guest.process.pid, {GUEST_CPU % os.cpu_count()})
            for task in Path(f"/proc/{guest.process.pid}/task").iterdir():
                os.sched_setaffinity(int(task.name), {GUEST_CPU % os.cpu_count()})
            bdf = guest.find("1af4:1110")
            guest.bind(bdf)
            setting = {"accelerator": guest.accel.upper(), "kernel": guest.run("uname -r", check=True).out.strip(),
                       "qemu": subprocess.run(["qemu-system-x86_64", "--version"], stdout=subprocess.PIPE,
                                              text=True).stdout.splitlines()[0],
                       "cpu": cpu_model(), "seconds": args.seconds, "repeats": args.repeats}
            for repeat in range(args.repeats):
                order = list(MAPPINGS)[::-1] if repeat % 2 else list(MAPPINGS)
                for mapping in order:
                    say(f"repeat {repeat + 1} of {args.repeats}, {mapping}")
                    with Measurement(guest, bdf, program, memory.name, MAPPINGS[mapping]) as pair:
                        for frame in args.frames:
                            run = pair.run(frame, args.seconds)
                            runs.append({"repeat": repeat, "requested": mapping, **run})
                            say(f"  {frame:5} bytes  {run['effective']:4} {run['mpps']:8.3f} Mpps")
    return setting, runs


def cpu_model():
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    return found.group(1) if found else "unknown"


def summarise(runs, frames):
    """A row for each frame size and mapping; the ratio is taken within each repeat."""
    rows = []
    rate = {(run["frame"], run["requested"], run["repeat"]): run["mpps"] for run in runs}
    for frame in frames:
        for mapping in MAPPINGS:
            these = [run for run in runs if run["frame"] == frame and run["requested"] == mapping]
            rates = [run["mpps"] for run in these]
            cycles = [run["cycles"] for run in these if run["cycles"] is not None]
            ratios = [run["mpps"] / rate[frame, "default", run["repeat"]] for run in these
                      if rate[frame, "default", run["repeat"]]]
            received = sum(run["guest_received"] for run in these)
            median = statistics.median(rates)
            rows.append({
                "frame": frame, "requested": mapping,
                "effective": "/".join(sorted({run["effective"] for run in these})),
                "mpps": median, "mpps_min": min(rates), "mpps_max": max(rates),
                "gbit_s": median * frame * 8 / 1e3,
                "ratio": statistics.median(ratios) if ratios else None,
                "loss_percent": 100 * sum(run["lost"] for run in these) / received if received else None,
                "cycles": statistics.median(cycles) if cycles else None})
    return rows


COLUMNS = [("Frame", "{frame}"), ("Requested", "{requested}"), ("Effective", "{effective}"), ("Mpps", "{mpps:.3f}"),
           ("min..max", "{mpps_min:.3f}..{mpps_max:.3f}"), ("Gbit/s", "{gbit_s:.2f}"), ("x default", "{ratio:.2f}"),
           ("Loss %", "{loss_percent:.3f}"), ("Cycles/packet", "{cycles:.0f}")]


def cell(form, row):
    try:
        return form.format(**row)
    except (TypeError, ValueError):  # there is no number to show
        return "-"


def table(rows):
    cells = [[name for name, _ in COLUMNS]] + [[cell(form, row) for _, form in COLUMNS] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(COLUMNS))]
    lines = ["| " + " | ".join(text.rjust(width) for text, width in zip(line, widths)) + " |" for line in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 1) + ":" for width in widths) + "|")
    return "\n".join(lines)


def heading(setting):
    lines = [f"dpdk-testpmd over net_ivshmem, host -> guest -> host, {setting['accelerator']}, "
             f"guest kernel {setting['kernel']}, {setting['cpu']}, {setting['qemu']}",
             f"Median, minimum and maximum of {setting['repeats']} interleaved repeats of {setting['seconds']} s. "
             "Frame sizes and Gbit/s count the FCS. Cycles are those of the guest's forwarding core. "
             "Effective is read from the page tables while testpmd forwards."]
    if setting["accelerator"] == "TCG":
        lines.append("TCG emulates the CPU and knows no memory types: UC- and WC take the same time here. These "
                     "times do not show what the memory type is worth; the Effective column does show that it is on.")
    return "\n\n".join(lines)


def main():
    args = parse_args()
    setting, runs = measure(args, build())
    rows = summarise(runs, args.frames)
    text = f"{heading(setting)}\n\n{table(rows)}\n"
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / "results.json").write_text(json.dumps({"setting": setting, "rows": rows, "runs": runs}, indent=1)
                                              + "\n")
    (args.output / "results.md").write_text(f"# wc-bench\n\n{text}")
    print(text)
    say(f"also in {args.output}/results.md and {args.output}/results.json")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("wc-bench: interrupted")
    except (GuestError, testpmd.TestpmdError, subprocess.CalledProcessError) as failure:
        sys.exit(f"wc-bench: {failure}")
