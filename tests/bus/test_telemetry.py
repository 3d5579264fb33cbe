# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""/bus/pci/wc, as DPDK's own programs ask for it: what was granted, and where it is mapped."""

import contextlib
import json

import pytest

from harness import TOP
from harness.guest import Guest
from harness.shell import Shell

# BAR0 is prefetchable memory, BAR2 registers (QEMU docs/specs/standard-vga.txt)
DEVICE = ["-device", "bochs-display,vgamem=4M"]
RUNTIME = "/var/run/dpdk/wc"
USERTOOLS = TOP / "subprojects/dpdk/usertools"
ASK = f"/usr/bin/python3 {USERTOOLS}/dpdk-telemetry.py -f wc"
SCRAPE = (f"ip link set lo up; /usr/bin/python3 {TOP}/tests/bus/scrape.py {RUNTIME}/dpdk_telemetry.v2 "
          f"{TOP}/usertools/telemetry-endpoints/pci_wc.py {USERTOOLS}/dpdk-telemetry-exporter.py")


@pytest.fixture(scope="module", params=[pytest.param("6.12/full", marks=pytest.mark.quick), "vfio-6.12"])
def guest(request):
    with Guest(kernel=request.param, devices=DEVICE, append="hugepages=160") as guest:
        guest.kernel_name = request.param
        guest.bdf = guest.take("1234:1111")
        yield guest


def ask(guest, command):
    """The answer to one command, by dpdk-telemetry.py."""
    name = command.partition(",")[0]
    out = guest.run(f"echo {command} | {ASK}", check=True).out
    answers = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    return next(answer[name] for answer in answers if name in answer)


@contextlib.contextmanager
def shell(guest, release, options="--vfio-wc", env=""):
    sh = Shell(guest, release, f"-a {guest.bdf} {options}", env, telemetry=True)
    try:
        yield sh
    finally:
        sh.quit()


def test_granted(guest, release):
    with shell(guest, release) as sh:
        assert ask(guest, "/bus/pci/wc") == [guest.bdf]
        answer = ask(guest, f"/bus/pci/wc,{guest.bdf}")
        assert (answer["mode"], answer["bar0_state"], answer["bar0_size"]) == ("auto", "not requested", "0x400000")
        address = sh("map 0 4096 8192")
        answer = ask(guest, f"/bus/pci/wc,{guest.bdf}")
        scraped = guest.run(SCRAPE, check=True).out
        labels = f'{{device="{guest.bdf}", bar="bar0", mode="auto", reason="{answer["bar0_reason"]}"}}'
        if guest.kernel_name == "vfio-6.12":
            assert address == "error ENOTSUP"
            assert answer["bar0_state"] == "refused" and "no alias regions" in answer["bar0_reason"]
            assert "bar0_range0_address" not in answer
            assert scraped.splitlines() == [f"dpdk_pci_wc_granted{labels} 0", f"dpdk_pci_wc_mapped_bytes{labels} 0"]
            return
        assert (answer["bar0_state"], answer["bar0_reason"]) == ("granted", "")
        # The type is that of the page tables, at the address that telemetry tells.
        assert sh.type_at(answer["bar0_range0_address"]).startswith("WC ")
        assert answer["bar0_range0_address"] == address
        assert (answer["bar0_range0_offset"], answer["bar0_range0_length"]) == ("0x1000", "0x2000")
        assert scraped.splitlines() == [f"dpdk_pci_wc_granted{labels} 1", f"dpdk_pci_wc_mapped_bytes{labels} 8192"]


def test_activated(guest, release):
    with shell(guest, release, f"--vfio-wc=auto,{guest.bdf}=auto", "WC_TEST_ACTIVATE=1") as sh:
        answer = ask(guest, f"/bus/pci/wc,{guest.bdf}")
        granted = guest.kernel_name != "vfio-6.12"
        assert answer["bar0_activated"] == granted
        assert sh.type_at(sh("bar 0")).startswith("WC " if granted else "UC- ")
        if granted:
            assert answer["bar0_activated_address"] == sh("bar 0")


@pytest.mark.parametrize("guest", ["6.12/full"], indirect=True)
def test_bad_parameters(guest, release):
    with shell(guest, release) as sh:
        for parameter in ("00:1f.7", "nonsense", "-1"):
            assert ask(guest, f"/bus/pci/wc,{parameter}") is None
        assert sh("map 0 0 4096").startswith("0x")
    # Without a mode there is nothing to tell.
    with shell(guest, release, ""):
        assert ask(guest, "/bus/pci/wc") == []
