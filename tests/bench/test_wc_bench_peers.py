# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""devtools/wc-bench-peers: states of the CPUs, what is said of what ends a rate, and the program. No rate is judged."""

import contextlib
import json
import os
import re
import subprocess

import pytest

from bench import wc_bench_peers as peers, wc_bench_report as report, wc_traffic
from harness import PYTHON, TOP

EAL = ["--no-huge", "--no-pci", "--no-telemetry", "--no-shconf", "-m", "128"]
BENCH = [*PYTHON, "-m", "bench.wc_bench_peers", "--when-busy", "ignore"]


def run_of(**changes):
    return {"peer": "net_ivshmem", "mode": "one way", "frame": 64, "cpus": "0,1", "repeat": 0, "state": "near",
            "round_trip_ns": [52, 53], "mpps": 10.0, "dropped_percent": 5.0, "ring": 65536, "stores": "cached",
            **changes}


@pytest.mark.quick
@pytest.mark.parametrize("before, after, state", [
    (52, 53, "near"), (239, 239, "near"), (280, 900, "far"), (52, 470, "mixed"), (470, 52, "mixed"),
    (260, 260, "mixed"), (52, 260, "mixed")])
def test_state(before, after, state):
    assert peers.state_of(before, after) == state


@pytest.mark.quick
def test_states_are_apart():
    """The median of a state is not moved by the other one, and ratios are those of one state."""
    runs = [run_of(), run_of(mpps=12.0), run_of(mpps=11.0), run_of(mpps=2.0, state="far", stores="streaming"),
            run_of(peer="net_memif", mpps=5.5), run_of(peer="net_memif", mpps=1.0, state="far"),
            run_of(peer="net_memif", mpps=50.0, state="mixed")]
    rows = {(row["state"], row["peer"]): row for row in report.summarise_peers(runs)}
    near, far = rows["near", "net_ivshmem"], rows["far", "net_ivshmem"]
    assert (near["mpps"], near["n"], near["stores"], near["ring"]) == (11.0, 3, "cached", "65536")
    assert (far["mpps"], far["n"], far["stores"]) == (2.0, 1, "streaming")
    assert rows["near", "net_memif"]["ratio"] == 2.0 and rows["far", "net_memif"]["ratio"] == 2.0
    assert rows["mixed", "net_memif"]["ratio"] is None


@pytest.mark.quick
@pytest.mark.parametrize("dropped, said", [
    (0.0, "testpmd itself is the limit"), (0.5, "not testpmd but the link"),
    (20.0, "not testpmd but the link")])
def test_what_ends_there(dropped, said):
    rows = report.summarise_peers([run_of(dropped_percent=dropped), run_of(mode="round"), run_of(peer="net_memif")])
    line, = report.limits(rows)
    assert said in line and f"{dropped:.2f} %" in line


@pytest.mark.quick
def test_enough():
    runs = [run_of(), run_of(state="far"), run_of(peer="net_memif"), run_of(peer="net_memif", state="mixed")]
    assert peers.enough(runs, [], 1) and peers.enough(runs, ["near"], 1)
    assert not peers.enough(runs, ["near"], 2) and not peers.enough(runs, ["near", "far"], 1)
    assert peers.enough([*runs, run_of(peer="net_memif", state="far")], ["near", "far"], 1)


@pytest.mark.quick
def test_dropped():
    text = "  RX-packets: 0  \n  TX-packets: 75             TX-dropped: 25            TX-total: 100\n"
    assert peers.dropped_percent(text) == 25
    assert peers.dropped_percent("TX-packets: 0   TX-dropped: 0") is None


@pytest.mark.quick
@pytest.mark.parametrize("frame, share", [(64, 0.1), (65, 0.2), (1518, 2.4)])
def test_share_of_raw(frame, share):
    """A frame of 64 bytes with its FCS is one line."""
    assert peers.share_of(200.0, 20.0, frame) == {"raw_mlines": 200.0, "raw_share": pytest.approx(share)}
    assert peers.share_of(0.0, 20.0, frame) == {}


@pytest.mark.quick
def test_raw_of_a_row():
    """Medians of the share within each measurement; none for a driver that passes nothing to the other CPU."""
    runs = [run_of(raw_mlines=raw, raw_share=share) for raw, share in [(100.0, 0.1), (400.0, 0.4), (200.0, 0.3)]]
    row, = report.summarise_peers(runs)
    assert (row["raw_mlines"], row["raw_share"]) == (200.0, 0.3)
    row, = report.summarise_peers([run_of()])
    assert row["raw_mlines"] is None and row["raw_share"] is None


def test_round_trip(release):
    assert wc_traffic.round_trip(release / "dpdk-wc-perf", (0, 1)) > 0


def test_stream(release):
    """It names what it chose, and a line that is wrong would never arrive."""
    run = subprocess.run([release / "dpdk-wc-perf", "stream", "0", "1"], stdout=subprocess.PIPE, text=True, timeout=60)
    assert run.returncode == 0
    assert re.fullmatch(r"lines from CPU 1 to 0: [\d.]+ M/s, (streaming|ordinary) stores, ring of \d+ lines\n",
                        run.stdout)


@pytest.mark.parametrize("what", ["roundtrip", "stream"])
@pytest.mark.parametrize("cpus, said", [
    (["0", "0"], "two different ones"), (["0"], "two different ones"), (["0", "x"], "two different ones"),
    (["0", "1023"], "CPU 1023: Invalid argument: use one that this process may use"),
    (["0", "99999999999"], "two different ones")])
def test_cpu_arguments(release, what, cpus, said):
    run = subprocess.run([release / "dpdk-wc-perf", what, *cpus], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True, timeout=60)
    assert run.returncode == 1 and said in run.stderr and not run.stdout


@pytest.fixture
def traffic(release, tmp_path):
    """A sink and a source of net_ivshmem."""
    (tmp_path / "memory").write_bytes(bytes(peers.SIZE))
    with contextlib.ExitStack() as ends:
        both = []
        for number, role in enumerate(["server", "client"]):
            both.append(wc_traffic.Traffic(release / "dpdk-wc-perf", number,
                                           f"--vdev net_ivshmem0,path={tmp_path}/memory,role={role}", f"test{role}"))
            ends.callback(both[-1].kill)
        for each in both:
            each.wait_for_link()
        yield both


def wait_for_frames(sink):
    """In as many short times as that takes: the source may be without a CPU in any of them."""
    rate = 0
    while rate == 0:
        sink.receive(0.01)
        rate = sink.wait_for_rate()
        sink.stop_receiving()


def test_traffic(traffic):
    """Each frame that the source sends is received or dropped, also after a pause and with another length."""
    sink, source = traffic
    for length in 60, 1514:
        source.send(length)
        wait_for_frames(sink)
        sent, dropped = source.stop_sending()
        assert sent > 0 and dropped >= 0


@pytest.mark.parametrize("command, said", [
    ("send 13", "13 bytes: use 14 to 1514"), ("send 1515", "1515 bytes: use 14 to 1514"),
    ("send", "unknown command: use 'send LENGTH'"), ("fly 3", "unknown command: use 'send LENGTH'")])
def test_traffic_commands(release, command, said):
    run = subprocess.run([release / "dpdk-wc-perf", *EAL, "--vdev", "net_null0", "--", "--traffic"],
                         input=f"{command}\n", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    assert run.returncode == 1 and said in run.stderr and run.stdout == "started\nready\n", run.stderr


def test_traffic_needs_one_port(release):
    run = subprocess.run([release / "dpdk-wc-perf", *EAL, "--", "--traffic"], stdin=subprocess.DEVNULL,
                         stderr=subprocess.PIPE, text=True, timeout=60)
    assert run.returncode == 1 and "0 ports: name one with --vdev or -a" in run.stderr


def test_table(release, tmp_path):
    """With nothing but the programs: a line for each peer, mode and frame, with its state, ring and dropped frames."""
    run = subprocess.run([*BENCH, "--program", release / "dpdk-testpmd", "--repeats", "1", "--seconds", "0.1",
                          "--frames", "64", "--cpus", "1,0", "--output", tmp_path],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "peers.md").read_text().strip() == run.stdout.strip()
    rows = re.findall(r"^\| +1,0 \| +(near|far|mixed) \| +\d+ \| +(one way|one way, bare|round) \| +64 \| "
                      r"+(\S[^|]*\S) \| +(\S+) \|.* \| +(\S+) \| +(\S+) \| +\S+ \|$",
                      run.stdout, re.M)
    expected = {(mode, name) for mode in peers.MODES for name in
                ("net_ivshmem", "net_memif", "net_virtio_user + net_vhost")} | {("one way", peers.ALONE)}
    assert {row[1:3] for row in rows if "zero-copy" not in row[2]} == expected
    assert {row[3] for row in rows if row[2] == "net_ivshmem"} == {"65536"}
    assert all(row[4] == "-" for row in rows if row[2] == peers.ALONE)
    assert all(re.match(r"\d+$", row[4]) and re.match(r"\d+\.\d\d$", row[5]) for row in rows if row[2] != peers.ALONE)
    assert re.search(r"^64 bytes, (near|far|mixed) \(CPUs 1,0\): net_ivshmem's sender drops", run.stdout, re.M)
    results = json.loads((tmp_path / "peers.json").read_text())
    assert results["cpu"] and all(len(each["round_trip_ns"]) == 2 for each in results["runs"])


@pytest.mark.quick
@pytest.mark.parametrize("args, said", [
    (["--cpus", "0"], "use two different CPUs like 0,1"), (["--cpus", "1,1"], "use two different CPUs"),
    (["--cpus", "0,4095"], "CPU 4095 is not available to this process"), (["--frames", "63"], "from 64 to 1518"),
    (["--frames", "a"], "from 64 to 1518"), (["--states", "off"], "use near, far or near,far"),
    (["--repeats", "0"], "use 1 to 1000"), (["--seconds", "x"], "use 0.1 to 3600"),
    (["--program", "/bin/sh"], "with dpdk-wc-perf beside it")])
def test_bad_arguments(args, said):
    run = subprocess.run([*BENCH, *args], stderr=subprocess.PIPE, text=True, timeout=30)
    assert run.returncode == 2 and said in run.stderr and "Traceback" not in run.stderr, run.stderr


def test_help_needs_nothing():
    run = subprocess.run([TOP / "devtools/wc-bench-peers", "--help"], stdout=subprocess.PIPE, text=True, timeout=30,
                         env={**os.environ, "PATH": "/usr/bin:/bin"})
    assert run.returncode == 0 and "--states" in run.stdout
