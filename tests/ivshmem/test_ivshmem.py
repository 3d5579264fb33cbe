# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Packets between this machine and a guest over net_ivshmem."""

import re
import subprocess

import pytest

from harness import IVSHMEM_SIZE, testpmd
from harness.guest import Guest, ivshmem
from harness.programs import host_command

FRAMES = 100000


class Link:
    """A guest with an ivshmem device that is bound to vfio-pci, and the file behind it."""

    def __init__(self, kernel, memory, append=""):
        self.kernel = kernel
        self.path = memory(f"link-{kernel.replace('/', '-')}", IVSHMEM_SIZE)
        self.guest = Guest(kernel=kernel, devices=ivshmem(self.path, IVSHMEM_SIZE), append=f"hugepages=64 {append}")

    def __enter__(self):
        self.guest.__enter__()
        self.bdf = self.guest.take("1af4:1110")
        return self

    def __exit__(self, *exception):
        self.guest.__exit__(*exception)

    def blank(self):
        """Fill the memory with zeros, as QEMU gives it at first."""
        with open(self.path, "r+b") as file:
            file.write(bytes(IVSHMEM_SIZE))

    def testpmd(self, release, options=""):
        """Start a testpmd in the guest that sends back what it receives."""
        return testpmd.in_guest(self.guest, release / "dpdk-testpmd", f"-a {self.bdf} {options}",
                                "--forward-mode=io --total-num-mbufs=2048 --no-mlockall --auto-start")

    def slot_types(self, log):
        """What the driver says of its slots' mapping, and the memory types that they have in the page tables."""
        match = re.search(r"slots at 0x([0-9a-f]+), (\d+) bytes, ([^\r\n]*)", log)
        address, length, said = int(match.group(1), 16), int(match.group(2)), match.group(3)
        return said, self.guest.effective_types(address, length, self.guest.bar(self.bdf, 2))


@pytest.fixture(scope="module", params=[pytest.param("full", marks=pytest.mark.quick), "no-x86", "vfio-6.12"])
def link(request, memory):
    with Link(request.param, memory) as made:
        yield made


# What depends on the driver alone
on_one_kernel = pytest.mark.parametrize("link", [pytest.param("full", marks=pytest.mark.quick)], indirect=True)


def echo(release, link, frames):
    """Have the host send frames and compare what comes back; what the program did and said."""
    return subprocess.run(host_command(release, link.path, "server", "ivshmem-echo", str(frames)),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)


def lay_out(link, release):
    """Let a server lay out the memory, which the guest's driver wants to find."""
    link.blank()
    server = testpmd.on_host(release / "dpdk-testpmd", 0, f"--vdev net_ivshmem0,path={link.path},role=server",
                             "--total-num-mbufs=2048 --no-mlockall")
    server.quit()


@pytest.mark.parametrize("option, said, effective", [
    ("", {"*": "default mapping (--vfio-wc is off for this device)"}, {"*": {"UC-"}}),
    ("--vfio-wc", {"vfio-6.12": "default mapping (the kernel's vfio-pci has no alias regions)",
                   "*": "write-combining granted"}, {"full": {"WC"}, "*": {"UC-"}})])
def test_echo(link, release, option, said, effective):
    """Frames go to the guest and come back whole and in order, through both mappings."""
    lay_out(link, release)
    guest = link.testpmd(release, option)
    try:
        result = echo(release, link, FRAMES)
        assert result.returncode == 0, result.stdout
        assert f"echo: {FRAMES} frames came back whole and in order" in result.stdout
        # The slots have been touched, and the lcore polls on: this is the memory type that the frames met.
        said_now, types = link.slot_types(guest.log)
        assert said_now == said.get(link.kernel, said["*"])
        assert types == effective.get(link.kernel, effective["*"])
        stats = guest.port_stats()
        assert stats["RX-packets"] == stats["TX-packets"] == FRAMES
        xstats = guest.xstats()
        assert all(xstats[name] == 0 for name in xstats if "bad" in name)
    finally:
        guest.quit()


@pytest.mark.each_kernel
@pytest.mark.parametrize("kernel, append", [("7.3/full", ""), ("7.3/compact", "vfio_pci.compact_offsets=1"),
                                            ("module-6.1", ""), ("module-6.12", ""), ("module-7.3", "")])
def test_echo_on_another_base(memory, release, kernel, append):
    with Link(kernel, memory, append) as link:
        test_echo(link, release, "--vfio-wc", {"*": "write-combining granted"}, {"*": {"WC"}})


@on_one_kernel
def test_echo_notices_a_changed_frame(link, release):
    """The control of the above: a peer that changes frames (it swaps the MAC addresses) is caught."""
    lay_out(link, release)
    guest = link.testpmd(release)
    try:
        guest("stop")
        guest("set fwd macswap")
        guest("start")
        result = echo(release, link, 1000)
        assert result.returncode == 1
        assert "is not what was sent" in result.stdout
    finally:
        guest.quit()


@on_one_kernel
@pytest.mark.parametrize("change, message", [
    ((0, b"\0" * 64), "blank: start the peer with role=server first"),
    ((0, b"\x55"), "not a region of this driver"),
    ((8, b"\x09"), "protocol version is 9, this driver supports 2"),
    ((12, b"\x07"), "not a power of two"),
    ((24, b"\x20"), "32 rings in a direction are not 1 to 16"),
    ((24, b"\x10"), "region too small")])
def test_bad_header_in_the_guest(link, sanitize, release, change, message):
    """The driver in the guest refuses a broken header and lives on."""
    lay_out(link, release)
    offset, data = change
    with open(link.path, "r+b") as file:
        file.seek(offset)
        file.write(data)
    result = link.guest.run(f"{sanitize}/dpdk-wc-guest --huge-dir /run/huge -m 64 --no-telemetry --lcores 0@0"
                            f" -a {link.bdf} -- none", timeout=120)
    assert message in result.err + result.out
    assert result.rc == 1
    assert "Sanitizer" not in result.err and "runtime error" not in result.err


@on_one_kernel
def test_peer_dies(link, release):
    """The host's process is killed in the middle; a new one goes on with the same guest."""
    lay_out(link, release)
    guest = link.testpmd(release)
    try:
        with subprocess.Popen(host_command(release, link.path, "server", "ivshmem-echo", str(10 ** 9)),
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as victim:
            try:
                while guest.port_stats()["RX-packets"] < 1000:
                    assert victim.poll() is None
            finally:
                victim.kill()
        result = echo(release, link, 10000)
        assert result.returncode == 0, result.stdout
    finally:
        guest.quit()
