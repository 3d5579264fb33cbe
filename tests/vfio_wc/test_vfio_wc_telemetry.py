# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""vfio-wc status with the telemetry of processes: what they tell is shown, whatever it is, and nobody is waited for."""

import json
import os
import random
import re
import socket
import time
from pathlib import Path

import pytest

from harness import vfio_wc
from harness.vfio_wc import (BAD, DEVICE, TELEMETRY_FILE, alias_map, answer_of, group_files, telemetry,
                             unix_socket, unix_sockets)

pytestmark = pytest.mark.quick

OTHER = "0000:00:05.0"
REASON = "the kernel's vfio-pci has no alias regions"
GRANTED = answer_of(("name", DEVICE), ("mode", "auto"), ("bar0_state", "not requested"), ("bar0_reason", ""),
                    ("bar2_state", "granted"), ("bar2_reason", ""), ("bar2_activated", 0),
                    ("bar2_range0_address", "0x7f5a00000000"))
REFUSED = answer_of(("bar2_state", "refused"), ("bar2_reason", REASON), ("bar2_activated", 0))
PARTLY = answer_of(("bar2_state", "granted"), ("bar2_reason", "mmap() failed: Cannot allocate memory"))
ACTIVATED = answer_of(("bar2_state", "granted"), ("bar2_reason", ""), ("bar2_activated", 1))
NULL = b'{"/bus/pci/wc":null}'
NO_ANSWER = "its telemetry does not answer"
MALFORMED = "its telemetry's answer is malformed"
UNREACHABLE = "its telemetry cannot be reached"
# More than two processes that do not answer would take, and far less than a test may
LIMIT_S = 15


@pytest.fixture
def machine(machine):
    """A process of a kernel without alias regions, with telemetry."""
    machine.stock()
    machine.process(312, arguments=["--vfio-wc"], fds=[*group_files(), TELEMETRY_FILE],
                    maps=[alias_map(0x7f0000000000, 4 << 20, 2 << 40)])
    return machine


def told(machine, status=BAD):
    return machine.status(status=status)["users"][0]["telemetry"]


def bar(state, reason=None, activated=False):
    return {"error": None, "bars": [{"bar": 2, "state": state, "reason": reason, "activated": activated}]}


@pytest.mark.parametrize("answer, found, line", [
    (GRANTED, bar("granted"), "granted  312 dpdk-testpmd BAR2\n"),
    (REFUSED, bar("refused", REASON), f"refused  312 dpdk-testpmd BAR2: {REASON}\n"),
    (PARTLY, bar("granted", "mmap() failed: Cannot allocate memory"),
     "granted  312 dpdk-testpmd BAR2, not all of it is mapped: mmap() failed: Cannot allocate memory\n"),
    (ACTIVATED, bar("granted", None, True), "granted  312 dpdk-testpmd BAR2 in place of the default mapping\n")],
    ids=["granted", "refused", "partly", "activated"])
def test_told(machine, answer, found, line):
    with telemetry(machine, lambda _: answer) as requests:
        assert told(machine) == found
        assert f"\n  {line}" in machine.run("status").out
        assert set(requests) == {f"/bus/pci/wc,{DEVICE}"}


def test_grant_is_not_effective(machine):
    """What is granted stands beside what is effective, and does not change the verdict."""
    machine.module()
    machine.mappings(f"{DEVICE} 312 7f0000000000-7f0000400000 2 0x0 WC UC- 512 1 0 4 dpdk-testpmd")
    with telemetry(machine, lambda _: GRANTED):
        state = machine.status(status=BAD)
        out = machine.run("status").out
    assert state["status"] == "1 mapping not write-combining"
    assert re.search(r"\n  granted  312 dpdk-testpmd BAR2\n  mapping  312 .* effective UC-", out)


def test_prometheus(machine):
    with telemetry(machine, lambda _: REFUSED):
        out = machine.run("status", "--prometheus").out
    assert f'vfio_wc_granted{{device="{DEVICE}",bar="2",pid="312",command="dpdk-testpmd",reason="{REASON}"}} 0\n' in out


def test_two_devices(machine):
    """Each is asked for, also those that a process may have open; of what it does not know nothing is shown."""
    machine.device(OTHER)
    with telemetry(machine, lambda request: GRANTED if OTHER in request else NULL):
        users = machine.status()["users"]
    assert {user["device"]: user["telemetry"] for user in users} == {DEVICE: None, OTHER: bar("granted")}


# Without telemetry, all is as before

@pytest.mark.parametrize("line", [
    "", "x", unix_socket(inode=4712), unix_socket(flags=0), unix_socket(kind=1), unix_socket("@dpdk_telemetry.v2"),
    unix_socket("/run/dpdk/rte/mp_socket"), unix_socket("dpdk_telemetry.v2"), unix_socket("")])
def test_no_telemetry(machine, line):
    with telemetry(machine, lambda _: REFUSED) as requests:
        machine.write("proc/312/net/unix", unix_sockets(line))
        assert told(machine) is None and requests == []
        out = machine.run("status").out
    assert "telemetry" not in out and "granted" not in out


def test_no_telemetry_file(machine):
    """The socket of another process, which has bound the same name."""
    with telemetry(machine, lambda _: REFUSED) as requests:
        machine.remove("proc/312/fd")
        machine.path("proc/312/fd").mkdir()
        for number, target in enumerate(group_files()):
            machine.link(f"proc/312/fd/{number}", target)
        assert told(machine) is None and requests == []


def test_no_net(machine):
    assert told(machine) is None


@pytest.mark.parametrize("suffix", ["", ":1", ":17"])
def test_name_with_a_number(machine, suffix):
    with telemetry(machine, lambda _: REFUSED):
        path = machine.path(f"proc/312/root{vfio_wc.TELEMETRY_PATH}")
        path.rename(f"{path}{suffix}")
        machine.write("proc/312/net/unix", unix_sockets(unix_socket(f"{vfio_wc.TELEMETRY_PATH}{suffix}")))
        assert told(machine) == bar("refused", REASON)


@pytest.mark.parametrize("target", ["/run", "../run"])
def test_link_in_a_container(machine, target):
    """A link is one in the process's root directory."""
    with telemetry(machine, lambda _: REFUSED):
        machine.link("proc/312/root/var/run", target)
        machine.write("proc/312/net/unix", unix_sockets(unix_socket(f"/var{vfio_wc.TELEMETRY_PATH}")))
        assert told(machine) == bar("refused", REASON)


def test_link_out_of_a_container(machine):
    """The socket of another process, or of the host, is not asked."""
    with telemetry(machine, lambda _: REFUSED, pid=313) as requests:
        machine.write("proc/312/net/unix", unix_sockets(unix_socket()))
        for target in (machine.path("proc/313/root/run"), "../../313/root/run"):
            machine.link("proc/312/root/run", target)
            assert told(machine)["error"] == UNREACHABLE
        assert requests == []


# Bad processes

@pytest.mark.parametrize("greeting", [vfio_wc.GREETING, None], ids=["later", "from the beginning"])
def test_hung(machine, greeting):
    """One that does not answer is waited for only so long, and the rest is known."""
    with telemetry(machine, lambda _: None, greeting=greeting):
        start = time.monotonic()
        out = machine.run("status", status=BAD).out
        assert time.monotonic() - start < LIMIT_S
    assert f"unknown  312 dpdk-testpmd what was granted: {NO_ANSWER}" in out
    assert "312 dpdk-testpmd has it open" in out


def test_slow(machine):
    """The limit is one for all questions, not for each."""
    for number in range(5, 32):
        machine.device(f"0000:00:{number:02x}.0")
    with telemetry(machine, lambda _: time.sleep(0.5) or NULL):
        start = time.monotonic()
        machine.run("status")
        assert time.monotonic() - start < LIMIT_S / 2


def seqpacket():
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def test_backlog_is_full(machine):
    """A process that is stopped, and others that already wait for it."""
    machine.write("proc/312/net/unix", unix_sockets(unix_socket()))
    path = machine.path(f"proc/312/root{vfio_wc.TELEMETRY_PATH}")
    path.parent.mkdir(parents=True)
    with seqpacket() as listener, seqpacket() as waiting:
        vfio_wc.at_path(path, listener.bind)
        listener.listen(0)
        vfio_wc.at_path(path, waiting.connect)
        assert told(machine)["error"] == UNREACHABLE


def stream_socket(path):
    with socket.socket(socket.AF_UNIX) as listener:
        vfio_wc.at_path(path, listener.bind)
        listener.listen()


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/null"),
                                  stream_socket, lambda path: None],
                         ids=["file", "directory", "fifo", "link", "stream", "nothing"])
def test_other_file(machine, make):
    machine.write("proc/312/net/unix", unix_sockets(unix_socket()))
    path = machine.path(f"proc/312/root{vfio_wc.TELEMETRY_PATH}")
    path.parent.mkdir(parents=True)
    make(path)
    assert told(machine) == {"error": UNREACHABLE, "bars": []}


def answer_with(members):
    """With the members as they are."""
    return b'{"/bus/pci/wc":{' + members + b"}}"


BAD_ANSWERS = [
    # Not the object of the command
    b"x", b"null", b"{}", b"[]", b"{", b'{"/bus/pci/wc"', b'{"/bus/pci/wc":', b'{"/bus/pci/wc":nul}', b"\0",
    NULL + b"}", NULL + b"x", NULL.replace(b"wc", b"wd"), GRANTED[:-1], GRANTED[:40], GRANTED + b" x",
    # Members
    *map(answer_with, [b'"bar2_state":"granted",', b'"bar2_state":"often"', b'"bar2_state":1', b'"bar2_state":[]',
                       b'"bar2_state":"granted" "x":1', b'"x":{}', b'"x":true', b'"x":', b'"x"', b'x:1', b'"x":"\\']),
    # Longer than DPDK's
    *map(answer_with, [b'"' + b"x" * 300 + b'":1', b'"x":"' + b"x" * 300 + b'"', b'"x":' + b"1" * 300]),
    b"x" * 70000, b" " * 65537]


@pytest.mark.parametrize("number", range(len(BAD_ANSWERS)))
def test_malformed(machine, number):
    with telemetry(machine, lambda _: BAD_ANSWERS[number]):
        assert told(machine) == {"error": MALFORMED, "bars": []}


STRANGE_ANSWERS = [
    (b' { "/bus/pci/wc" : { "bar2_state" : "refused" , "bar2_reason" : "x" } } \n', bar("refused", "x")),
    (answer_with(rb'"bar2_reason":"a\"b\\c\n","bar2_state":"refused"').replace(b"/", rb"\/"),
     bar("refused", r'a"b\c?')),
    (answer_with(b'"bar2_state":"refused","bar2_reason":"a","bar2_reason":"b"'), bar("refused", "b")),
    (answer_with(b'"bar2_state":"refused","bar2_reason":"\xff\x1b[2J\n"'), bar("refused", "\ufffd\x1b[2J\n")),
    (answer_with(b'"bar":1,"bar2":1,"bar2_":1,"bar6_state":"x","bar9_state":"x","ba":1,"":1,"bar-_state":"x"'),
     {"error": None, "bars": []}),
    (answer_with(b""), {"error": None, "bars": []}),
    (NULL, None)]


@pytest.mark.parametrize("number", range(len(STRANGE_ANSWERS)))
def test_strange_but_valid(machine, number):
    answer, found = STRANGE_ANSWERS[number]
    with telemetry(machine, lambda _: answer):
        assert told(machine) == found
        assert re.fullmatch(r"[ -~\n]*", machine.run("status").out)
        machine.run("status", "--prometheus").out.encode(errors="surrogateescape").decode()


def test_greeting_is_large(machine):
    with telemetry(machine, lambda _: GRANTED, greeting=b"x" * 70000):
        assert told(machine)["error"] == MALFORMED


def test_fuzz(machine):
    """Answers of which any byte may differ: the program ends with one of its statuses, and its output can be read."""
    source = random.Random(1)
    pieces = [b'"', b"\\", b"{", b"}", b",", b":", b"\0", b"\xff", b"%s%n", b"-", b"9" * 40, b"x" * 300,
              b'"bar2_state":']
    seeds = [GRANTED, REFUSED, PARTLY, NULL]

    def reply(_):
        data = bytearray(source.choice(seeds))
        for _ in range(source.randrange(4)):
            at = source.randrange(len(data) + 1)
            data[at:at + source.randrange(6)] = source.choice([*pieces, source.randbytes(4)])
        return bytes(data[:source.randrange(1, len(data) + 1)] if source.randrange(4) == 0 else data) or b" "

    with telemetry(machine, reply) as requests:
        for _ in range(60):
            result = machine.run("status", "--json", status=BAD)
            state = json.loads(result.out.encode(errors="surrogateescape").decode())
            assert state["users"][0]["request"] == "not-mapped"
            assert re.fullmatch(r"[ -~\n]*", machine.run("status").out)
        assert len(requests) == 120


def test_noise_in_net(machine):
    source = random.Random(2)
    line = unix_sockets(unix_socket()).encode()
    with telemetry(machine, lambda _: REFUSED):
        for _ in range(40):
            at = source.randrange(len(line))
            machine.write("proc/312/net/unix", line[:at] + source.randbytes(source.randrange(8)) + line[at + 3:])
            machine.run("status", status=BAD)
        machine.write("proc/312/net/unix", line)
        assert told(machine) == bar("refused", REASON)
