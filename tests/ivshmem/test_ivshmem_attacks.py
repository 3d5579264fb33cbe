# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Attacks on net_ivshmem: short forms of devtools/attack-ivshmem, and bugs that it has to find."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import threading
import time
from types import SimpleNamespace

import pytest

from bench.attack_ivshmem_victim import MAX_LOG_LINES, Attack, Found, dial
from harness import TOP, planted

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
                          ("geometry-values", "refused"), ("connects", "connects"), ("flood-sleeping", "notifications"),
                          ("close-in-callback", "callbacks")]:
        assert int(cases[name][2].get(counted, 0)) > 0, (name, result.stdout[-6000:])


@pytest.mark.parametrize("build, patch, case, report", [
    ("release", "no-length-check", "lengths", "ERROR a length"),
    ("sanitize", "seg-lines", "mix", "AddressSanitizer: use-after-poison"),
    ("sanitize", "session-queues", "queue-counts", r"runtime error: index \d+ out of bounds")])
def test_planted_bug_is_found(request, tmp_path, build, patch, case, report):
    """The control of the above."""
    program = planted.build(request.getfixturevalue(build), "dpdk-wc-guest",
                            TOP / f"tests/ivshmem/fuzz/{patch}.patch", tmp_path)
    result = attack(program.parent, "--only", case)
    assert result.returncode == 1, result.stdout[-6000:]
    assert re.search(f"FOUND {case}: .*{report}", result.stdout), result.stdout[-6000:]
    assert "verdict: FOUND" in result.stdout


@pytest.mark.parametrize("arguments, message", [
    (["--only", "nonsense"], "invalid choice: 'nonsense'"),
    (["--minutes", "0"], "invalid number above 0 value: '0'"),
    (["--seed", "x"], "invalid int value: 'x'"),
    (["--programs", "/nowhere"], "--programs /nowhere: no dpdk-wc-guest there: use the directory that "
                                 "devtools/build-dpdk prints")])
def test_bad_options(release, arguments, message):
    result = attack(release, *arguments)
    assert result.returncode == 2
    assert message in result.stdout.splitlines()[-1]


@contextlib.contextmanager
def quiet_attack(release):
    """A victim that nobody attacks, and a device that cannot be attached beside it."""
    run = SimpleNamespace(args=SimpleNamespace(seconds=0), program=release / "dpdk-wc-guest")
    with Attack(run, "quiet", seed=1) as quiet:
        quiet.start_victim()
        yield quiet, f"path={quiet.memory(quiet.size())},role=client"


def test_refused_ports_are_logged(release):
    """A port that the victim itself attaches may log why it is refused, however often it tries."""
    with quiet_attack(release) as (quiet, device):
        for _ in range(MAX_LOG_LINES + 1):
            assert not quiet.victim.attach_other(device)
        quiet.victim.quit()


def test_too_many_lines_are_found(release):
    """The control of the above: the same lines without an act of the victim's."""
    with quiet_attack(release) as (quiet, device):
        for _ in range(MAX_LOG_LINES + 1):
            assert quiet.victim.ask(f"other {device}") != "other 0"
        with pytest.raises(Found, match=r"logged \d+ lines"):
            quiet.victim.quit()


def test_dial_waits(tmp_path):
    """An attacker waits for a place in the backlog of a server that is busy."""
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(0)
        server.settimeout(60)
        waiting = [dial(path)]
        threading.Timer(0.2, server.accept).start()
        waiting.append(dial(path))
        for connection in waiting:
            connection.close()


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
    found = subprocess.run(["pgrep", "-P", str(pid), "dpdk-wc-guest"], check=False, stdout=subprocess.PIPE, text=True)
    return found.stdout.split()
