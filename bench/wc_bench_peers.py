# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Throughput between two testpmd on this machine: net_ivshmem, memif and virtio-user with vhost-user.

Part of wc-bench, and a separate program (wc-bench-peers), which needs only testpmd, dpdk-wc-perf, Python and pexpect.
The most important factor is the distance of the two CPUs, and a hypervisor moves virtual CPUs: each measurement records
the round-trip time of a line between the two CPUs before and after it, and results are grouped by that. Each also
records how many lines the same two CPUs can exchange without any driver, in the same second.
"""

import argparse
import contextlib
import itertools
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import wc_bench_report as report, wc_traffic
from harness import TOP, cpuinfo, testpmd, tool, version
from harness.pair import FCS, WARM_UP_S, lines_of_frame

SIZE = 64 << 20  # of net_ivshmem's memory: enough for its defaults
FRAMES = [64, 512, 1518]
CPUS = (0, 1)  # of receiver and sender
DEADLINE_S = 20
BURST = 32
CIRCULATING = 16  # bursts in circulation when both forward: less than the shortest ring
ARGUMENTS = f"--total-num-mbufs=8192 --no-mlockall --burst={BURST}"
PAGES_NEEDED = 256  # huge pages, for the one driver that needs them: four processes with 64 MiB each
UNFINISHED = "peers-unfinished.json"  # like peers.json, of an interrupted run

# Directions: one process generates frames and the other drops them, or both send back what they receive. Bare: one way
# between two dpdk-wc-perf, which do less for each frame than testpmd.
ONE_WAY, ROUND, BARE = "one way", "round", "one way, bare"
MODES = {ONE_WAY: ("rxonly", "txonly"), BARE: None, ROUND: ("io", "io")}
IVSHMEM, ALONE = report.IVSHMEM, "testpmd alone (net_null)"

# Round trips of a line, two transfers: net_ivshmem treats a transfer below 120 ns as near, and one of 140 ns or more as
# far (drivers/net/ivshmem/ivshmem_distance.h).
NEAR_NS, FAR_NS = 240, 280
NEAR, FAR, MIXED = "near", "far", "mixed"


def state_of(before, after):
    """Distance of the CPUs during a measurement, by the round trips before and after it."""
    if max(before, after) < NEAR_NS:
        return NEAR
    return FAR if min(before, after) >= FAR_NS else MIXED


class Competitor:
    """Two testpmd processes and two dpdk-wc-perf, receivers and senders, which wait without using the CPU."""

    queues = 1
    crosses = True  # frames go from one CPU to the other

    def __init__(self, path, receiver, sender):
        """EAL options of both sides, with {path} for what they share. The receiver starts first."""
        self.paths = {"testpmd": f"{path}.testpmd", "perf": f"{path}.perf"}
        self.options = receiver, sender

    def _options_with(self, which):
        return [options.format(path=self.paths[which]) for options in self.options]

    @contextlib.contextmanager
    def started(self, program, cpus):
        arguments = f"{ARGUMENTS} --rxq={self.queues} --txq={self.queues}"
        with contextlib.ExitStack() as ends:
            both, bare = [], []
            for cpu, options, name in zip(cpus, self._options_with("testpmd"), ("receiver", "sender")):
                both.append(testpmd.on_host(program, cpu, options, arguments, name))
                ends.callback(both[-1].kill)
            for cpu, options, name in zip(cpus, self._options_with("perf"), ("sink", "source")):
                bare.append(wc_traffic.Traffic(wc_traffic.program_of(program), cpu, options, name))
                ends.callback(bare[-1].kill)
            for each in both:
                each.wait_for_links()
            for each in bare:
                each.wait_for_link()
            self.receiver, self.sender = both
            self.sink, self.source = bare
            yield

    def details(self, mode):
        """Further results of the last measurement."""
        return {}

    def start(self, mode):
        self.receiver(f"set fwd {MODES[mode][0]}")
        self.sender(f"set fwd {MODES[mode][1]}")
        self.receiver("start")
        if mode == ROUND:
            # A receiver of memif provides buffers to its peer at its first poll.
            self.sender("start")
            self.sender("stop")
            self.sender(f"start tx_first {CIRCULATING}")
        else:
            self.sender("start")
        self.wait_for_packets()

    def wait_for_packets(self):
        """Wait until the count of received packets increases."""
        before = self.receiver.port_stats()["RX-packets"]
        deadline = time.monotonic() + DEADLINE_S
        while self.receiver.port_stats()["RX-packets"] == before:
            if time.monotonic() > deadline:
                raise testpmd.TestpmdError(f"nothing received within {DEADLINE_S} s")

    def measure(self, mode, frame, seconds):
        """{"mpps": rate of the receiver, "dropped_percent": share of the sender's frames, details}."""
        if mode == BARE:
            return {**self._measure_bare(frame, seconds), **self.details(mode)}
        self.sender(f"set txpkts {frame - FCS}")
        self.start(mode)
        time.sleep(WARM_UP_S)
        rate = self.receiver.rates(seconds)["Rx-pps"] / 1e6
        stopped = self.sender("stop")
        self.receiver("stop")
        return {"mpps": rate, "dropped_percent": dropped_percent(stopped), **self.details(mode)}

    def _measure_bare(self, frame, seconds):
        self.sink.receive(seconds)
        self.source.send(frame - FCS)
        rate = self.sink.wait_for_rate()
        sent, dropped = self.source.stop_sending()
        self.sink.stop_receiving()
        return {"mpps": rate, "dropped_percent": percent(dropped, sent)}


class Ivshmem(Competitor):
    """Over net_ivshmem, with its defaults except for the arguments."""

    def __init__(self, path, queues=1, arguments=""):
        vdev = "--vdev net_ivshmem0,path={path}"
        super().__init__(path, f"{vdev},role=server{arguments}", f"{vdev},role=client{arguments}")
        self.queues = queues
        for each in self.paths.values():
            with open(each, "wb") as file:
                file.truncate(SIZE)

    def details(self, mode):
        with open(self.paths["testpmd"], "rb") as file:
            _magic, _version, lines = struct.unpack("<QII", file.read(16))
        if mode == BARE:  # dpdk-wc-perf does not print the driver's statistics
            return {"ring": lines}
        streaming = self.sender.xstats()["tx_streaming_rings"]
        return {"ring": lines, "stores": "streaming" if streaming else "cached"}


class Alone(Competitor):
    """A sender whose frames are discarded."""

    crosses = False

    def __init__(self):
        super().__init__("", "", "--vdev net_null0,no-rx=1")

    @contextlib.contextmanager
    def started(self, program, cpus):
        self.sender = testpmd.on_host(program, cpus[1], self.options[1], ARGUMENTS, "alone")
        try:
            yield
        finally:
            self.sender.kill()

    def measure(self, mode, frame, seconds):
        """The rate at which a process generates and discards frames: nearly the upper limit of the others."""
        if mode != ONE_WAY:
            return None
        self.sender(f"set txpkts {frame - FCS}")
        self.sender(f"set fwd {MODES[ONE_WAY][1]}")
        self.sender("start")
        time.sleep(WARM_UP_S)
        rate = self.sender.rates(seconds)["Tx-pps"] / 1e6
        return {"mpps": rate, "dropped_percent": dropped_percent(self.sender("stop"))}


def percent(dropped, sent):
    return 100 * dropped / (sent + dropped) if sent + dropped else None


def dropped_percent(stopped):
    """Percentage of testpmd's frames that it dropped, from its output when it stops; None without frames."""
    sent, dropped = map(int, re.search(r"TX-packets: (\d+) +TX-dropped: (\d+)", stopped).groups())
    return percent(dropped, sent)


def competitors(directory, huge, variants):
    """{name: Competitor}.

    Options other than the path are those that DPDK's guides recommend for speed: rings of 1024 or more, no mergeable
    buffers (vhost and virtio), zero-copy (memif).
    """
    memif = "--vdev net_memif0,socket-abstract=no,rsize=11,socket={path}"
    found = {
        IVSHMEM: Ivshmem(f"{directory}/ivshmem"),
        "net_memif": Competitor(f"{directory}/copy", f"{memif},role=server", f"{memif},role=client"),
        "net_virtio_user + net_vhost": Competitor(
            f"{directory}/vhost", "--vdev net_vhost0,iface={path}",
            "--vdev net_virtio_user0,path={path},queue_size=1024,mrg_rxbuf=0,in_order=1")}
    if huge:
        pages = f"-m 64 --huge-dir {huge} --single-file-segments"
        found["net_memif, zero-copy"] = Competitor(f"{directory}/zero", f"{pages} {memif},role=server",
                                                   f"{pages} {memif},role=client,zero-copy=yes")
    if variants:
        found |= {f"{IVSHMEM}, {stores}": Ivshmem(f"{directory}/{stores}", arguments=f",stores={stores}")
                  for stores in ("cached", "streaming")}
        found |= {f"{IVSHMEM}, {queues} queues": Ivshmem(f"{directory}/queues{queues}", queues) for queues in (2, 4)}
    return {**found, ALONE: Alone()}


def share_of(raw, mpps, frame):
    """The rate without a driver, in millions of lines per second, and the share of it that a driver reaches."""
    return {"raw_mlines": raw, "raw_share": mpps * lines_of_frame(frame) / raw} if raw else {}


def measure(program, cpus, competitor, mode, frame, seconds):
    """One measurement with the state of the CPUs, None if the competitor does not support the mode."""
    perf = wc_traffic.program_of(program)
    before = wc_traffic.round_trip(perf, cpus)
    result = competitor.measure(mode, frame, seconds)
    if result is None:
        return None
    if competitor.crosses:
        result |= share_of(wc_traffic.stream(perf, cpus), result["mpps"], frame)
    after = wc_traffic.round_trip(perf, cpus)
    return {"mode": mode, "frame": frame, "cpus": ",".join(map(str, cpus)), "round_trip_ns": [before, after],
            "state": state_of(before, after), **result}


def take_turns(program, cpus, found, repeat, frames, seconds, say, results):
    """Add one repeat. All drivers are measured before the next frame size, so that a hypervisor affects all of them."""
    for mode, frame in itertools.product(MODES, frames):
        say(f"  {frame} bytes, {mode}:")
        for name in list(found)[::-1] if repeat % 2 else found:
            result = measure(program, cpus, found[name], mode, frame, seconds)
            if result is None:
                continue
            results.append({"peer": name, "repeat": repeat, **result})
            dropped = result["dropped_percent"]
            say(f"    {name:28} {result['mpps']:7.2f} Mpps, dropped {0 if dropped is None else dropped:.2f} %, "
                f"{result['state']} ({' and '.join(map(str, result['round_trip_ns']))} ns)"
                + (f", {result['stores']} stores" if "stores" in result else "")
                + (f", {result['raw_share']:.2f} of raw" if "raw_share" in result else ""))


def enough(results, states, repeats):
    """Whether each kind of measurement has this many repeats in each of the states."""
    kinds = {(run["peer"], run["mode"], run["frame"], run["cpus"]) for run in results}
    counts = {(kind, state): 0 for kind in kinds for state in states}
    for run in results:
        kind = run["peer"], run["mode"], run["frame"], run["cpus"]
        if run["state"] in states:
            counts[kind, run["state"]] += 1
    return all(count >= repeats for count in counts.values())


def run(program, repeats, frames, seconds, say, results, *, cpus=(CPUS,), states=(), minutes=0, variants=False):
    """Add {"peer", "mode", "frame", "cpus", "repeat", "state", "mpps", ...} as measured, the drivers alternating.

    For each pair of CPUs, (receiver, sender), this many repeats; then more, until there are as many in each of the
    states, or until the minutes are over.
    """
    deadline = time.monotonic() + 60 * minutes
    with contextlib.ExitStack() as shared:
        huge = shared.enter_context(huge_pages(PAGES_NEEDED))
        for pair in cpus:
            with contextlib.ExitStack() as ends:
                directory = ends.enter_context(tempfile.TemporaryDirectory(dir="/dev/shm", prefix="wc-bench."))
                found = competitors(directory, huge, variants)
                for competitor in found.values():
                    ends.enter_context(competitor.started(program, pair))
                start = len(results)
                for repeat in itertools.count():
                    more = repeat >= repeats
                    if more and (enough(results[start:], states, repeats) or time.monotonic() >= deadline):
                        break
                    say(f"CPUs {pair[0]} and {pair[1]}, repeat {repeat + 1}"
                        + (f", until there are {repeats} {' and '.join(states)}" if more else f" of {repeats}"))
                    take_turns(program, pair, found, repeat, frames, seconds, say, results)


@contextlib.contextmanager
def huge_pages(number):
    """Context with a directory for files on this many huge pages of 2 MiB; None if they are not available."""
    reserved = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
    with contextlib.ExitStack() as undo:
        try:
            before = reserved.read_text()
            undo.callback(reserved.write_text, before)
            reserved.write_text(str(int(before) + number))
            directory = undo.enter_context(tempfile.TemporaryDirectory(prefix="wc-bench."))
            subprocess.run(["mount", "-t", "hugetlbfs", "none", directory], check=True, stderr=subprocess.DEVNULL)
            undo.callback(subprocess.run, ["umount", "--lazy", directory], check=True)
            enough_pages = int(reserved.read_text()) >= int(before) + number
        except (OSError, subprocess.CalledProcessError):
            enough_pages = False
        yield directory if enough_pages else None


# The separate program

def say_aloud(text):
    print(f"wc-bench-peers: {text}", file=sys.stderr, flush=True)


def parse_pair(text):
    found = re.fullmatch(r"(\d+),(\d+)", text)
    pair = tuple(map(int, found.groups())) if found else ()
    if not pair or pair[0] == pair[1]:
        raise argparse.ArgumentTypeError(f"'{text}': use two different CPUs like 0,1")
    usable = os.sched_getaffinity(0)
    for cpu in pair:
        if cpu not in usable:
            raise argparse.ArgumentTypeError(f"'{text}': CPU {cpu} is not available to this process: use two of "
                                             f"{','.join(map(str, sorted(usable)))}")
    return pair


def parse_list(text, what, permitted):
    try:
        words = [permitted(word) for word in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}': use {what}") from None
    return words


def parse_frames(text):
    def one(word):
        if not 64 <= int(word) <= 1518:
            raise ValueError
        return int(word)
    return parse_list(text, "frame sizes with FCS from 64 to 1518, like 64,512,1518", one)


def parse_states(text):
    def one(word):
        if word not in (NEAR, FAR):
            raise ValueError
        return word
    return parse_list(text, "near, far or near,far", one)


def in_range(kind, least, most):
    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            raise argparse.ArgumentTypeError(f"'{text}': use {least} to {most}")
        return value
    return parse


def parse_args():
    parser = tool.ArgumentParser(
        prog="wc-bench-peers", description="Measure net_ivshmem, net_memif and virtio-user with vhost-user between two "
        "processes on this machine, one way and round between two dpdk-testpmd, one way also between two dpdk-wc-perf, "
        "and how many lines the CPUs exchange without a driver, and print the table. The machine must be idle.")
    parser.add_argument("--program", type=Path, metavar="DPDK-TESTPMD",
                        help="program to use instead of building one, with dpdk-wc-perf in the same directory")
    parser.add_argument("--cpus", type=parse_pair, action="append", metavar="RECEIVER,SENDER",
                        help="pair of CPUs; may be repeated, for near and far pairs (default: 0,1)")
    parser.add_argument("--frames", type=parse_frames, default=FRAMES,
                        help="frame sizes with FCS (default: 64,512,1518)")
    parser.add_argument("--repeats", type=in_range(int, 1, 1000), default=9, help="default: %(default)s")
    parser.add_argument("--seconds", type=in_range(float, 0.1, 3600), default=1.0,
                        help="length of each measurement (default: %(default)s)")
    parser.add_argument("--states", type=parse_states, default=[], metavar="near,far",
                        help="continue until each of these states of the CPUs has as many repeats")
    parser.add_argument("--minutes", type=in_range(float, 0, 10000), default=30,
                        help="limit of --states (default: %(default)s)")
    parser.add_argument("--variants", action="store_true",
                        help="also measure net_ivshmem with stores=cached, stores=streaming, and 2 and 4 queues")
    tool.add_when_busy(parser)
    parser.add_argument("--output", type=Path, default=Path("wc-bench-results"),
                        help=f"directory for peers.md and peers.json, or {UNFINISHED} (default: %(default)s)")
    args = parser.parse_args()
    args.cpus = args.cpus or [CPUS]
    if args.program and not (args.program.is_file() and (args.program.parent / "dpdk-wc-perf").is_file()):
        parser.error(f"--program {args.program}: use the path of a dpdk-testpmd with dpdk-wc-perf beside it")
    try:
        tool.make_output(args.output)
    except tool.ToolError as error:
        parser.error(error)
    return args


def build():
    built = subprocess.run([TOP / "devtools/build-dpdk"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return Path(built.strip()) / "dpdk-testpmd"


def summarise(args, runs, complete):
    return {"complete": complete, "version": version.describe(), "cpu": cpuinfo.describe(),
            "seconds": args.seconds, "runs": runs, "peers": report.summarise_peers(runs)}


def print_and_write(directory, results, names):
    """names: {name: function that makes the text}. Results that cannot be written are still printed."""
    try:
        print(report.peers_markdown(results), flush=True)
    finally:
        tool.write(directory, {name: text(results) for name, text in names.items()})
    say_aloud(f"also in {' and '.join(str(directory / name) for name in names)}")


def as_json(results):
    return json.dumps(results, indent=1) + "\n"


def print_unfinished(args, runs):
    """Keep earlier results."""
    try:
        print_and_write(args.output, summarise(args, runs, False), {UNFINISHED: as_json})
    except tool.ToolError as error:
        say_aloud(error)


def main(args):
    program = args.program.resolve() if args.program else build()
    runs = []
    with tool.own_output(args.output), tool.machine_to_measure(args.when_busy, say_aloud):
        try:
            run(program, args.repeats, args.frames, args.seconds, say_aloud, runs, cpus=args.cpus, states=args.states,
                minutes=args.minutes, variants=args.variants)
        except BaseException:
            if runs:
                print_unfinished(args, runs)
            raise
        print_and_write(args.output, summarise(args, runs, True),
                        {"peers.md": report.peers_markdown, "peers.json": as_json})
        (args.output / UNFINISHED).unlink(missing_ok=True)


if __name__ == "__main__":
    tool.run("wc-bench-peers", parse_args, main, modules=["pexpect"],
             errors=[testpmd.TestpmdError, subprocess.SubprocessError])
