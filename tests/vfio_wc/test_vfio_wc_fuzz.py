# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""vfio-wc on files of which any byte may differ: it ends with one of its statuses, and its output can be read."""

import json
import os
import random
import re

import pytest

from harness import vfio_wc
from harness.vfio_wc import BAD, DEVICE, GOOD, RELEASE, UNKNOWN, alias_map, group_files

ROUNDS = 40
COMMANDS = (["status"], ["status", "--json"], ["status", "--prometheus"], ["status", "--pid", "312"],
            ["doctor"], ["doctor", DEVICE])
# What a parser may take for something of its own
PIECES = [b"\0", b"\n", b" ", b":", b"-", b"/", b"\"", b"\\", b"\xff", b"%s%n", b"0" * 40, b"9" * 40, b"f" * 40,
          b"-1", b"0x", b"A" * 5000, b"\x1b[2J", b"\xed\xa0\x80"]


@pytest.fixture
def machine(machine):
    """With every file that the program reads."""
    machine.device("0000:00:05.0", group="4")
    machine.link("sys/class/vfio-dev/vfio0/device", "../../../0000:00:05.0")
    machine.process(312, arguments=["--vfio-wc=auto,00:05.0=off"],
                    fds=[*group_files(), vfio_wc.TELEMETRY_FILE, ("/dev/vfio/devices/vfio0", "flags:\t0\n"),
                         ("anon_inode:[vfio-device]", f"vfio-device-syspath: /sys/devices/{DEVICE}\n")],
                    maps=[alias_map(0x7f0000000000, 4 << 20, 2 << 40 | 1 << 39),
                          alias_map(0x7f1000000000, 4096, 0, path=f"/sys/devices/{DEVICE}/resource2_wc")])
    machine.mappings(f"{DEVICE} 312 7f0000000000-7f0000400000 2 0x0 WC WC 512 1 0 4 dpdk-testpmd")
    machine.write("proc/312/net/unix", vfio_wc.unix_sockets(vfio_wc.unix_socket()))
    machine.write("sys/module/vfio_pci/parameters/compact_offsets", "N\n")
    machine.write("sys/module/module/parameters/sig_enforce", "N\n")
    machine.write(f"lib/modules/{RELEASE}/updates/dkms/vfio-pci.ko", "ELF" * 20)
    machine.write(f"lib/modules/{RELEASE}/modules.builtin", "kernel/fs/ext4/ext4.ko\n")
    machine.write(f"lib/modules/{RELEASE}/config", "CONFIG_VFIO=m\n")
    machine.write("proc/config.gz", b"\x1f\x8b\x08")
    return machine


def check(machine, commands=COMMANDS):
    for arguments in commands:
        result = machine.run(*arguments)
        assert result.status in (GOOD, BAD, UNKNOWN)
        if "--json" in arguments:
            json.loads(result.out.encode(errors="surrogateescape").decode())
        elif "--prometheus" in arguments:
            result.out.encode(errors="surrogateescape").decode()
        else:
            assert re.fullmatch(r"[ -~\n]*", result.out)


def mutate(data, source):
    """Random bytes, or the contents with pieces changed, inserted, cut off or repeated."""
    kind = source.randrange(5)
    at = source.randrange(len(data) + 1)
    if kind == 0:
        return source.randbytes(source.randrange(300))
    if kind == 1:
        return data[:at]
    if kind == 2:
        return data[:at] + source.choice(PIECES) + data[at:]
    if kind == 3:
        return data[:at] + source.choice(PIECES) + data[at + source.randrange(8):]
    return data * source.randrange(2, 50)


def files_of(machine):
    return sorted(path for path in machine.root.rglob("*") if path.is_file() and not path.is_symlink())


def links_of(machine):
    return sorted(path for path in machine.root.rglob("*") if path.is_symlink())


@pytest.mark.quick
def test_every_file_is_noise(machine):
    """One after the other, and restored."""
    source = random.Random(1)
    for path in files_of(machine):
        before = path.read_bytes()
        for noise in (source.randbytes(200), b"", b"\n" * 100, b"\0" * 100):
            path.write_bytes(noise)
            check(machine, COMMANDS[1::2])
        path.write_bytes(before)
    check(machine)


def test_every_link_is_noise(machine):
    for path in links_of(machine):
        before = os.readlink(path)
        for target in (b"x", b"/", b"a/\xff\n\x1b", b"x" * 4000, b"0000:00:04.0", bytes(path)):
            path.unlink()
            os.symlink(target, path)
            check(machine, COMMANDS[1::2])
        path.unlink()
        path.symlink_to(before)


def test_every_file_is_something_else(machine):
    """A directory, a pipe that nobody writes to, or nothing."""
    for path in files_of(machine):
        before = path.read_bytes()
        for make in (os.mkdir, os.mkfifo, lambda _: None):
            path.unlink()
            make(path)
            check(machine, COMMANDS[1::2])
            if path.is_dir():
                path.rmdir()
                path.touch()
            elif not path.exists():
                path.touch()
        path.unlink()
        path.write_bytes(before)


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_mutations(machine, seed):
    source = random.Random(seed)
    paths = files_of(machine)
    for path in source.sample(paths, 1 + seed % 6):
        path.write_bytes(mutate(path.read_bytes(), source))
    check(machine)


def test_mutations_of_the_source(machine):
    """The file of the kernel, of which every byte matters."""
    source = random.Random(2)
    path = machine.path(vfio_wc.MAPPINGS)
    before = path.read_bytes()
    for _ in range(100):
        path.write_bytes(mutate(mutate(before, source), source))
        check(machine, COMMANDS[:3])
