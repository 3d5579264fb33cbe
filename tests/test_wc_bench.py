# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""devtools/wc-bench: what it prints and writes, bad arguments, interruption. No figure is judged."""

import json
import re
import signal
import subprocess

import pytest
from conftest import TOP

BENCH = ["/usr/bin/python3", str(TOP / "devtools/wc_bench.py")]


@pytest.fixture(scope="module")
def bench(release, tmp_path_factory):
    output = tmp_path_factory.mktemp("bench")
    run = subprocess.run([*BENCH, "--repeats", "2", "--seconds", "0.1", "--frames", "64,1518", "--output", output],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    return run.stdout, output


def test_table(bench):
    printed, output = bench
    rows = re.findall(r"^\| +(\d+) \| +(default|--vfio-wc) \| +(\S+) \| +([0-9.]+) \|", printed, re.M)
    assert [row[:3] for row in rows] == [("64", "default", "UC-"), ("64", "--vfio-wc", "WC"),
                                         ("1518", "default", "UC-"), ("1518", "--vfio-wc", "WC")]
    assert all(float(row[3]) > 0 for row in rows)
    assert re.search(r"\b(TCG|KVM), guest kernel 6\.12", printed)
    assert "TCG," not in printed or "do not show what the memory type is worth" in printed
    assert printed.strip() in (output / "results.md").read_text()


def test_json(bench):
    results = json.loads((bench[1] / "results.json").read_text())
    assert len(results["runs"]) == 2 * 2 * 2 and len(results["rows"]) == 2 * 2
    # Repeats are interleaved: the second one starts with the other mapping.
    assert [run["requested"] for run in results["runs"][::2]] == ["default", "--vfio-wc", "--vfio-wc", "default"]
    for run in results["runs"]:
        assert run["lost"] == run["guest_dropped"], "the link itself lost frames"
        assert run["effective"] == {"default": "UC-", "--vfio-wc": "WC"}[run["requested"]]


@pytest.mark.parametrize("args, message", [
    (["--repeats", "0"], "--repeats 0: give 1 to 1000"), (["--seconds", "0"], "--seconds 0.0: give 0.1 to 3600"),
    (["--frames", "63"], "63 is not a frame size from 64 to 1518"), (["--frames", "a"], "give numbers like 64,1518"),
    (["--frames", "1519"], "1519 is not a frame size from 64 to 1518"), (["--colour"], "unrecognized arguments")])
def test_bad_arguments(args, message):
    run = subprocess.run([*BENCH, *args], stderr=subprocess.PIPE, text=True, timeout=30)
    assert run.returncode == 2 and message in run.stderr


def test_interrupt_leaves_nothing_running(release, tmp_path):
    with subprocess.Popen([*BENCH, "--repeats", "9", "--output", tmp_path], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True,
                          preexec_fn=interruptible) as run:
        for line in run.stderr:
            if " Mpps" in line:
                break
        children = descendants(run.pid)
        assert len(children) >= 2  # QEMU and the host's testpmd
        run.send_signal(signal.SIGINT)
        rest = run.stderr.read()
        assert run.wait(60) != 0 and "interrupted" in rest
    assert not [pid for pid in children if is_alive(pid)]


def interruptible():
    """In the child: what runs in the background of a shell starts with SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def descendants(pid):
    out = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], stdout=subprocess.PIPE, text=True, check=True).stdout
    parents = {int(child): int(parent) for child, parent in (line.split() for line in out.splitlines())}
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
