# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""devtools/wc-bench on a device, as on real hardware: the machine is a guest here, with an IOMMU and without."""

import json
import re
import shlex
from collections import namedtuple

import pytest

from harness import IVSHMEM_SIZE, PYTHON, testpmd
from harness.guest import Guest, ivshmem

BENCH = shlex.join([*PYTHON, "-m", "bench.wc_bench"])
EMULATED = "the CPU is emulated (TCG), and has no memory types"
EAL = "--lcores 0@1,1@1 --huge-dir /run/huge -m 64 --no-telemetry"


Machine = namedtuple("Machine", "guest bdf path mode")


@pytest.fixture(scope="module", params=["with an IOMMU", "no-IOMMU mode"])
def machine(request, memory):
    """A guest with an ivshmem device bound to vfio-pci."""
    path = memory("device", IVSHMEM_SIZE)
    append = "hugepages=64" + (" intel_iommu=off" if request.param == "no-IOMMU mode" else "")
    with Guest(devices=ivshmem(path, IVSHMEM_SIZE), append=append) as guest:
        if request.param == "no-IOMMU mode":
            guest.run("echo Y >/sys/module/vfio/parameters/enable_unsafe_noiommu_mode", check=True)
        yield Machine(guest, guest.take("1af4:1110"), path, request.param)


def test_mode_is_told(machine):
    script = f"from bench import wc_bench_device; print(wc_bench_device.no_iommu({machine.bdf!r}))"
    run = machine.guest.run(shlex.join([*PYTHON, "-c", script]), check=True)
    assert run.out.strip() == str(machine.mode == "no-IOMMU mode")


@pytest.mark.parametrize("machine", [pytest.param("with an IOMMU", marks=pytest.mark.each_kernel), "no-IOMMU mode"],
                         indirect=True)
def test_device(machine, release):
    """The receiver is on this side."""
    receiver = testpmd.on_host(release / "dpdk-testpmd", 0, f"--vdev net_ivshmem0,path={machine.path},role=server",
                               "--forward-mode=rxonly --total-num-mbufs=2048 --no-mlockall --auto-start")
    try:
        run = machine.guest.run(
            f"{BENCH} --device {machine.bdf} --program {release}/dpdk-testpmd --repeats 2 --seconds 0.1 --frames 64 "
            f"'--eal-options={EAL}' '--testpmd-options=--forward-mode=txonly --total-num-mbufs=2048 --no-mlockall' "
            f"--scratch 2:{IVSHMEM_SIZE // 2}:4096 --output /run/share/results", timeout=300)
        assert run.rc == 0, run.out + run.err
    finally:
        receiver.kill()
    results = json.loads((machine.guest.share / "results/results.json").read_text())
    setting = results["setting"]
    assert setting["device"] == machine.bdf and setting["accelerator"] == "virtual machine"
    assert setting["no_iommu"] == (machine.mode == "no-IOMMU mode")
    assert "BAR2 write-combining granted" in setting["granted"]["--vfio-wc"]
    assert setting["granted"]["default"] == "not requested"
    assert [(row["requested"], row["effective"]) for row in results["rows"]] == [
        ("default", "not verified"), ("--vfio-wc", "not verified")]
    assert sum(run["tx_mpps"] for run in results["runs"]) > 0
    # The process that times stores can read its own page tables.
    delivered = setting["delivered"]
    assert delivered["types"]["default"].split()[0] == "UC-"
    assert delivered["types"]["wc"].split()[0] == "WC"
    assert set(delivered["times"]) == {"cached", "default", "wc", "scattered"} and all(delivered["times"].values())
    assert (delivered["verdict"], delivered["reason"]) == ("unknown", EMULATED)
    assert re.search(rf"Delivered: unknown \({re.escape(EMULATED)}\); 8 stores of 8 bytes to a line take", run.out)
    assert "Effective is not verified" in run.out


@pytest.mark.parametrize("arguments, message", [
    ("--device 00:99.0", "--device 0000:00:99.0: no such device"),
    ("--device 1:2", "--device 1:2: use [DDDD:]BB:DD.F"),
    ("--device 0000:00:00.0", "--device 0000:00:00.0: bound to no driver: bind it to vfio-pci"),
    ("--scratch 2:0:64", "--scratch 2:0:64: use BAR:OFFSET:LEN, and --device"),
    ("--device 00:01.0 --program /none", "--program /none: use the path of a dpdk-testpmd, and --device")])
@pytest.mark.parametrize("machine", ["with an IOMMU"], indirect=True)
def test_bad_arguments(machine, release, arguments, message):
    program = "" if "--program" in arguments or "--device" not in arguments else f"--program {release}/dpdk-testpmd"
    run = machine.guest.run(f"{BENCH} {arguments} {program}", timeout=120)
    assert run.rc != 0 and message in run.err and "Traceback" not in run.err, run.out + run.err
