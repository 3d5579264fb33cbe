# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Attacks on net_ivshmem: short forms of devtools/attack-ivshmem, and bugs that it has to find."""

import os
import re
import signal
import subprocess
import time

import planted
import pytest
from conftest import TOP

TOOL = TOP / "devtools/attack-ivshmem"


def attack(programs, *arguments, timeout=600):
    return subprocess.run([TOOL, "--programs", programs, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", timeout=timeout)


def rows(text):
    """{case: (runs, found, what was counted)} of the table."""
    table = text[text.index("\ncase "):]
    return {name: (int(runs), int(found), dict(re.findall(r"(\w+) (\d+)", counted)))
            for name, runs, found, counted in re.findall(r"^(\S+) +(\d+) +(\d+)  (.*)$", table, re.M)}


def test_each_attack(release):
    result = attack(release, "--seconds", "0.5")
    assert result.returncode == 0, result.stdout[-6000:]
    cases = rows(result.stdout)
    listed = subprocess.run([TOOL, "--list"], check=True, stdout=subprocess.PIPE, text=True).stdout
    assert list(cases) == [line.split()[0] for line in listed.splitlines()]
    # It was not for nothing.
    for name, counted in [("lengths", "rx_bad_packets"), ("full-ring", "received"), ("oversized", "rx_oversized"),
                          ("credits-random", "tx_bad_credits"), ("sessions", "peer_restarts"), ("mix", "resyncs"),
                          ("geometry-values", "refused"), ("connects", "connects"), ("flood-sleeping", "rings"),
                          ("close-in-callback", "callbacks")]:
        assert int(cases[name][2].get(counted, 0)) > 0, (name, result.stdout[-6000:])


@pytest.mark.parametrize("build, patch, case, report", [
    ("release", "no-length-check", "lengths", "ERROR a length"),
    ("sanitize", "seg-lines", "mix", "AddressSanitizer: use-after-poison"),
    ("sanitize", "session-queues", "queue-counts", r"runtime error: index \d+ out of bounds")])
def test_planted_bug_is_found(request, tmp_path, build, patch, case, report):
    """The control of the above."""
    program = planted.build(request.getfixturevalue(build), "dpdk-test-wc", TOP / f"tests/fuzz/{patch}.patch", tmp_path)
    result = attack(program.parent, "--only", case)
    assert result.returncode == 1, result.stdout[-6000:]
    assert re.search(f"FOUND {case}: .*{report}", result.stdout), result.stdout[-6000:]
    assert "verdict: FOUND" in result.stdout


@pytest.mark.parametrize("arguments, message", [
    (["--only", "nonsense"], "invalid choice: 'nonsense'"),
    (["--minutes", "0"], "invalid number above 0 value: '0'"),
    (["--seed", "x"], "invalid int value: 'x'"),
    (["--programs", "/nowhere"], "--programs /nowhere: no dpdk-test-wc there: give the directory that "
                                 "devtools/build-dpdk prints")])
def test_bad_options(release, arguments, message):
    result = attack(release, *arguments)
    assert result.returncode == 2
    assert message in result.stdout.splitlines()[-1]


def test_interrupted(release):
    """It ends at once, says what came of it so far, and leaves nothing behind."""
    with subprocess.Popen([TOOL, "--programs", release, "--minutes", "5", "--seconds", "60", "--only", "sessions"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not (children := children_of(process.pid)):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in err and "Traceback" not in err
    assert "verdict: nothing found so far" in out
    assert not any(os.path.exists(f"/proc/{child}") for child in children)


def children_of(pid):
    found = subprocess.run(["pgrep", "-P", str(pid), "dpdk-test-wc"], check=False, stdout=subprocess.PIPE, text=True)
    return found.stdout.split()
