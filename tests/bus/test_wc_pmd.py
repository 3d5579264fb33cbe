# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""The driver of the PMD authors' guide (drivers/raw/wc_pmd) in a guest; the test is its device."""

import re
import shlex
import struct
from collections import namedtuple

import pytest

from harness import TOP
from harness.guest import Guest, ivshmem

SIZE = 1 << 20
WINDOW = 4096
SLOTS = 16
SLOT_SIZE = 256
LINE = 64
UNTOUCHED = 0xa5
EAL = "--huge-dir /run/huge -m 64 --no-telemetry --lcores 0@0 --file-prefix wc-pmd"

Device = namedtuple("Device", "guest bdf path program")


@pytest.fixture(scope="module")
def machine(memory, release):
    path = memory("wc-pmd", SIZE)
    with Guest(devices=ivshmem(path, SIZE), append="hugepages=64") as guest:
        bdf = guest.take("1af4:1110")
        yield Device(guest, bdf, path, release / "dpdk-wc-guest")


@pytest.fixture
def device(machine):
    """The device, reset."""
    machine.path.write_bytes(bytes(WINDOW) + bytes([UNTOUCHED]) * (SIZE - WINDOW))
    return machine


def send(device, messages, options="--vfio-wc", arguments=",class=raw"):
    """Output of the program that sends messages in one burst."""
    command = shlex.join([str(device.program), *shlex.split(f"{EAL} -a {device.bdf}{arguments} {options}"),
                          "--", "raw", *messages])
    return device.guest.run(command, timeout=60)


def registers(device):
    return struct.unpack("<II", device.path.read_bytes()[:8])


def take(device, head):
    with open(device.path, "r+b") as file:
        file.seek(4)
        file.write(struct.pack("<I", head))


def slot(device, number):
    start = WINDOW + number % SLOTS * SLOT_SIZE
    return device.path.read_bytes()[start:start + SLOT_SIZE]


def expected_slot(message):
    """Length and data, zero to the end of the line, and the rest as it was."""
    text = struct.pack("<H", len(message)) + message.encode()
    padded = text + bytes(-len(text) % LINE)
    return padded + bytes([UNTOUCHED]) * (SLOT_SIZE - len(padded))


LENGTHS = [0, 1, 61, 62, 63, 126, 127, 190, 254]


@pytest.mark.parametrize("options, window", [("--vfio-wc", "WC 4K"), ("--vfio-wc=strict", "WC 4K"), ("", "UC- 4K"),
                                             ("--vfio-wc=off", "UC- 4K")])
def test_messages_arrive_padded(device, options, window):
    messages = [chr(ord("a") + i) * length for i, length in enumerate(LENGTHS)]
    result = send(device, messages, options)
    assert result.rc == 0, result
    assert f"taken {len(messages)} of {len(messages)}\nwindow {window}\n" in result.out
    assert registers(device) == (len(messages), 0)
    assert [slot(device, i) for i in range(len(messages))] == [expected_slot(message) for message in messages]


@pytest.mark.quick
def test_no_more_than_there_is_room_for(device):
    messages = [f"message {i}" for i in range(SLOTS + 4)]
    assert f"taken {SLOTS} of {SLOTS + 4}\n" in send(device, messages).out
    assert registers(device) == (SLOTS, 0)
    # A later run finds that there is still none, and goes on once the device has taken some.
    assert "taken 0 of 1\n" in send(device, ["too early"]).out
    take(device, 3)
    assert "taken 3 of 4\n" in send(device, ["w", "x", "y", "z"]).out
    assert registers(device) == (SLOTS + 3, 3)
    assert [slot(device, i)[2:3] for i in (0, 1, 2)] == [b"w", b"x", b"y"]
    assert slot(device, 3)[2:11] == b"message 3"


def test_device_that_took_what_was_not_written(device):
    take(device, 1000)
    assert "taken 0 of 1\n" in send(device, ["x"]).out
    assert slot(device, 0) == bytes([UNTOUCHED]) * SLOT_SIZE


def test_message_that_is_too_long(device):
    result = send(device, ["x" * 255])
    assert result.rc == 1 and "error Invalid argument\n" in result.out
    assert registers(device) == (0, 0)
    # After good ones it ends the burst.
    assert "taken 1 of 3\n" in send(device, ["a", "x" * 255, "b"]).out
    assert registers(device) == (1, 0)


@pytest.mark.parametrize("arguments, taker", [(",role=server", "net"), (",class=eth,role=server", "net"),
                                              (",class=raw", "raw"), (",class=crypto", None)])
def test_class_chooses_the_driver(device, arguments, taker):
    """Two drivers are for the device: one takes it, and the other one leaves it to the bus as it was."""
    result = send(device, ["x"], "--vfio-wc=strict", arguments)
    assert (result.rc == 0) == ("window WC 4K\n" in result.out) == (taker == "raw"), result
    assert bool(re.search(r"net_ivshmem: .*: slots at .*, write-combining granted", result.err)) == (taker == "net")
    assert ("no raw device" in result.err) == (taker != "raw")


@pytest.mark.quick
def test_guide_shows_the_driver():
    """The guide includes the source that is tested here, instead of a copy."""
    guide = (TOP / "doc/pmd_authors.rst").read_text()
    assert re.search(r"^\.\. (literal)?include:: \.\./drivers/raw/wc_pmd/wc_pmd\.c$", guide, re.M)
    assert len((TOP / "drivers/raw/wc_pmd/wc_pmd.c").read_text().splitlines()) < 220
