# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Doorbells between this machine and guests: QEMU's ivshmem-doorbell with the server of net_ivshmem."""

import contextlib
import re
import signal
import socket
import struct
import subprocess
import time

import pexpect
import pytest

from harness.guest import Guest, ivshmem_doorbell, qemu

SIZE = 1 << 20
VECTORS = 2
MAX_CLIENTS = 15
MAGIC = 0x1122334455667788


class Program:
    """A program that answers a command with one line."""

    def __init__(self, terminal, greeting):
        self.terminal = terminal
        self.greeting = self.answer(greeting)

    def answer(self, pattern=r"[^\r\n]+"):
        self.terminal.expect(rf"({pattern})\r\n", timeout=60)
        return self.terminal.match.group(1)

    def __call__(self, command, pattern=r"(?:notifications|notified|clients|interrupts|value|error)[^\r\n]*"):
        self.terminal.sendline(command)
        return self.answer(pattern)


class Host(Program):
    """The server, in a process of this machine."""

    def __init__(self, programs, path, memory):
        self.path = path
        super().__init__(pexpect.spawn(
            str(programs / "dpdk-wc-guest"),
            ["--no-huge", "--no-pci", "--no-telemetry", "-m", "128", "--lcores", "0@0", "--file-prefix", path.name,
             "--", "ivshmem-doorbell", str(path), str(memory), str(VECTORS)],
            encoding="utf-8", echo=False), "ready")

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.terminal.close(force=True)

    def wait_for_clients(self, mask, timeout=60):
        deadline = time.monotonic() + timeout
        while (now := self("clients")) != f"clients {mask:x}":
            assert time.monotonic() < deadline, now
            time.sleep(0.01)


def in_guest(guest, program, index):
    """The program that drives the index-th device of a guest."""
    bdf = guest.find("1af4:1110", index)
    guest.bind(bdf)
    return Program(guest.spawn(f"{program} {bdf}"), r"id [^\r\n]*")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("doorbell") / "socket"


@pytest.fixture(scope="module")
def shared(memory):
    made = memory("doorbell", SIZE)
    with open(made, "r+b") as file:
        file.write(struct.pack("<Q", MAGIC))
    return made


@pytest.fixture
def host(release, path, shared):
    with Host(release, path, shared) as host:
        yield host


@pytest.fixture
def guest(host):
    """A guest with two devices, which are two clients."""
    with Guest(devices=[*ivshmem_doorbell(host.path, VECTORS, "db0"),
                        *ivshmem_doorbell(host.path, VECTORS, "db1")]) as guest:
        yield guest


@pytest.fixture
def devices(guest, guest_program):
    """The programs of both devices, by ID."""
    programs = [in_guest(guest, guest_program("ivshmem/ivshmem-doorbell"), index) for index in range(2)]
    return {int(re.match(r"id (-?\d+)", program.greeting).group(1)): program for program in programs}


def test_both_ways(host, guest, devices):
    host.wait_for_clients(0b110)
    assert sorted(devices) == [1, 2]
    for program in devices.values():
        assert program.greeting.endswith(f", vectors {VECTORS}, memory {SIZE}")
        assert program("read 0") == f"value {MAGIC:#x}"
    for vector in range(VECTORS):
        other = 1 - vector
        # From a guest to the host
        assert devices[1](f"notify 0 {vector}") == "notified"
        assert host(f"wait {vector}") == "notifications 1"
        assert host(f"poll {other}") == "notifications 0"
        # From the host to one guest, and to all
        assert host(f"notify 2 {vector}") == "notified 1"
        assert devices[2](f"wait {vector}") == "interrupts 1"
        assert host(f"notify 0 {vector}") == "notified 2"
        assert devices[1](f"wait {vector}") == devices[2](f"wait {vector}") == "interrupts 1"
        # From guest to guest
        assert devices[1](f"notify 2 {vector}") == "notified"
        assert devices[2](f"wait {vector}") == "interrupts 1"
        assert devices[1](f"poll {vector}") == devices[2](f"poll {other}") == "interrupts 0"
    # Doorbells of nobody
    assert devices[1]("notify 9 0") == devices[1](f"notify 0 {VECTORS}") == "notified"
    assert host("poll 0") == host("poll 1") == "notifications 0"


def test_qemu_dies(host, guest, devices):
    """The server notices a QEMU that is killed."""
    host.wait_for_clients(0b110)
    guest.process.kill()
    host.wait_for_clients(0)
    assert host("notify 0 0") == "notified 0"


def test_server_dies(release, shared, host, guest, devices):
    """The guest keeps memory and ID, guests reach one another; a new server has no clients, on the same socket."""
    host.wait_for_clients(0b110)
    host.terminal.kill(signal.SIGKILL)
    host.terminal.wait()
    assert host.path.exists()
    assert devices[1]("notify 0 0") == "notified"
    assert devices[1]("read 0") == f"value {MAGIC:#x}"
    devices[1]("notify 2 0")
    assert devices[2]("wait 0") == "interrupts 1"
    with Host(release, host.path, shared) as again:
        assert again("clients") == "clients 0"
        assert again("notify 0 0") == "notified 0"


@contextlib.contextmanager
def idle_qemu(path, vectors=VECTORS):
    """A QEMU that makes the device and runs nothing."""
    with subprocess.Popen([qemu(), "-M", "q35", "-nodefaults", "-display", "none", "-S",
                           *ivshmem_doorbell(path, vectors)], stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_one_client_too_many(host):
    """A QEMU that is refused ends with a message, where it would otherwise wait forever on a whole CPU."""
    clients = [socket.socket(socket.AF_UNIX) for _ in range(MAX_CLIENTS)]
    for client in clients:
        client.connect(str(host.path))
    host.wait_for_clients((1 << MAX_CLIENTS + 1) - 2)
    with idle_qemu(host.path) as process:
        _out, err = process.communicate(timeout=60)
    assert process.returncode == 1 and "server sent version -1, expecting 0" in err
    for client in clients:
        client.close()
    host.wait_for_clients(0)


def test_fewer_vectors(host):
    """QEMU closes those that the device has none for, and goes on."""
    with idle_qemu(host.path, vectors=1):
        host.wait_for_clients(0b10)
        assert host("notify 1 0") == host("notify 1 1") == "notified 1"
        host.wait_for_clients(0b10)
    host.wait_for_clients(0)
