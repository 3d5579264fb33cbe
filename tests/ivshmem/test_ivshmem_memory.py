# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Memory and roles of net_ivshmem's virtual device: several processes, full file systems, peers that truncate."""

import array
import contextlib
import os
import re
import shlex
import signal
import socket
import stat
import struct
import subprocess

import pytest

from harness import IVSHMEM_SIZE, testpmd

PORT = "--total-num-mbufs=2048 --no-mlockall --no-flush-rx"


@contextlib.contextmanager
def vdev(release, arguments, name, options=PORT):
    """A testpmd with the virtual device, killed at the end unless it has quit."""
    process = testpmd.on_host(release / "dpdk-testpmd", 0, f"--vdev net_ivshmem0,{arguments}", options, name)
    try:
        yield process
    finally:
        process.kill()


def refusal(release, arguments, name):
    """What a testpmd says that cannot make the device."""
    with vdev(release, arguments, name) as process:
        assert "net_ivshmem0" not in process("show port info all")
        return process.log


@pytest.mark.quick
@pytest.mark.parametrize("role", ["server", "client"])
def test_role_is_taken(release, memory, role):
    """A second process is refused, with who has the role; a killed one leaves it."""
    path = memory(f"role-{role}", IVSHMEM_SIZE)
    with vdev(release, f"path={path},role=server", "lay-out") as process:
        if role == "client":
            process.quit()
        else:
            process.kill()
        with vdev(release, f"path={path},role={role}", "first") as first:
            said = refusal(release, f"path={path},role={role}", "second")
            assert f"path={path}: process {first.terminal.pid} is the {role} of this memory" in said
            first.kill()
        with vdev(release, f"path={path},role={role}", "third") as third:
            third.quit()


@pytest.mark.quick
def test_no_roles(release, memory):
    """Two devices that are given no role become a pair; there is no third one."""
    path = memory("no-roles", IVSHMEM_SIZE)
    with vdev(release, f"path={path}", "one", PORT + " --forward-mode=txonly") as one, \
            vdev(release, f"path={path}", "two", PORT + " --forward-mode=rxonly --auto-start") as two:
        assert "the role of server was free" in one.log and "the role of client was free" in two.log
        one.wait_for_links()
        one("start")
        while two.port_stats()["RX-packets"] < 1000:
            pass
        said = refusal(release, f"path={path}", "three")
        pids = f"processes {one.terminal.pid} and {two.terminal.pid} are the server and the client"
        assert pids in said
        two.quit()
        one.quit()


@contextlib.contextmanager
def umask(mode):
    before = os.umask(mode)
    try:
        yield
    finally:
        os.umask(before)


def receive(sock):
    """A message of the server and its file, or None."""
    data, ancillary, _flags, _address = sock.recvmsg(8, socket.CMSG_SPACE(4))
    files = array.array("i")
    for _level, _type, content in ancillary:
        files.frombytes(content[:4])
    return struct.unpack("<q", data)[0], files[0] if files else None


@pytest.mark.quick
def test_client_truncates(release, tmp_path):
    """A client that has the memory cannot take it away; nobody but its user may connect."""
    path = tmp_path / "socket"
    with umask(0), vdev(release, f"socket={path},role=server,size=4M", "sealed") as process, \
            socket.socket(socket.AF_UNIX) as client:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        client.connect(str(path))
        assert receive(client) == (0, None) and receive(client) == (1, None)
        message, file = receive(client)
        assert message == -1 and os.fstat(file).st_size == 4 << 20
        for size in (0, 4096, 8 << 20):
            with pytest.raises(PermissionError):
                os.ftruncate(file, size)
        os.close(file)
        process("show port summary 0")
        process.quit()


def test_socket_pair(release, tmp_path):
    """Two processes over a socket; one that is killed lets the other go on, and a new pair starts over it."""
    path = tmp_path / "socket"
    for _ in range(2):
        with vdev(release, f"socket={path}", "one", PORT + " --forward-mode=rxonly --auto-start") as one, \
                vdev(release, f"socket={path}", "two", PORT + " --forward-mode=txonly --auto-start") as two:
            two.wait_for_links()
            while one.port_stats()["RX-packets"] < 1000:
                pass
            os.kill(one.terminal.pid, signal.SIGKILL)
            while not re.search(r"\bdown\b", two("show port summary 0")):
                pass
            two.quit()


def test_file_system_is_full(release, tmp_path):
    """Memory that the file system cannot give is refused at the start, with how much is missing."""
    mount = f"mount -t tmpfs -o size=1M,mode=700 none {tmp_path}"
    probe = ["unshare", "-m", "sh", "-c", mount]
    if subprocess.run(probe, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("cannot mount a file system here")
    path = tmp_path / "link"
    program = shlex.join(map(str, [
        release / "dpdk-test-wc", "--no-huge", "--no-pci", "--no-telemetry", "--no-shconf", "-m", "128",
        "--lcores", "0@0", "--file-prefix", f"full-{os.getpid()}",
        "--vdev", f"net_ivshmem0,path={path},role=server", "vfio-wc-option"]))
    script = f"umask 077; {mount} && truncate -s {IVSHMEM_SIZE} {path} && exec {program}"
    result = subprocess.run(["unshare", "-m", "sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, timeout=120)
    missing = re.search(rf"path={path}: (\d+) bytes of {IVSHMEM_SIZE} are missing in its file system: enlarge it",
                        result.stdout)
    assert missing and IVSHMEM_SIZE - (1 << 20) <= int(missing.group(1)) < IVSHMEM_SIZE, result.stdout
