# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""dpdk-testpmd on a device of this machine, without and with --vfio-wc, without a guest or a kernel build.

The device must be bound to vfio-pci, with an IOMMU or in no-IOMMU mode. The operator provides the other end of the
link: the rate is that of the packets that the device sends and receives.
"""

import re
import time
from pathlib import Path

from harness import testpmd
from harness.pair import FCS, WARM_UP_S

DEVICES = Path("/sys/bus/pci/devices")


class DeviceError(Exception):
    """The device cannot be used; the text gives the reason and the remedy."""


def full_bdf(bdf):
    """Add the domain, which has more than 16 bits behind a VMD controller or on Hyper-V."""
    if not re.fullmatch(r"([0-9a-fA-F]{4,8}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]", bdf):
        raise DeviceError(f"--device {bdf}: use [DDDD:]BB:DD.F, as lspci shows it")
    return (bdf if bdf.count(":") == 2 else f"0000:{bdf}").lower()


def check(bdf):
    """Return the device with its domain. It must be bound to vfio-pci or a variant driver."""
    bdf = full_bdf(bdf)
    path = DEVICES / bdf
    if not path.exists():
        raise DeviceError(f"--device {bdf}: no such device")
    driver = (path / "driver").resolve().name if (path / "driver").exists() else "no driver"
    if "vfio" not in driver:
        raise DeviceError(f"--device {bdf}: bound to {driver}: bind it to vfio-pci with dpdk-devbind.py "
                          "(which needs lspci, package pciutils)")
    return bdf


def no_iommu(bdf):
    """Whether vfio uses the device without an IOMMU (drivers/vfio/group.c: shown by the group's name)."""
    group = (DEVICES / bdf / "iommu_group").resolve().name
    return Path(f"/dev/vfio/noiommu-{group}").exists()


def machine():
    """"bare metal" or "virtual machine", by the CPU's flags."""
    flags = re.search(r"^(?:flags|Features)\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    return "virtual machine" if flags and "hypervisor" in flags.group(1).split() else "bare metal"


def granted(log):
    """The bus's log line about the device; the last one counts."""
    lines = re.findall(r"--vfio-wc=\w+: ([^\r\n]*)", log)
    return lines[-1] if lines else "not requested"


def measure_one(program, bdf, option, args):
    """[result] per frame size with one mapping."""
    results = []
    command = f"{testpmd.quoted(program)} {args.eal_options} -a {bdf} {option}".strip()
    device = testpmd.on_terminal(f"{command} -- -i {testpmd.QUIET} {args.testpmd_options}")
    try:
        for frame in args.frames:
            device(f"set txpkts {frame - FCS}")
            device("start")
            time.sleep(WARM_UP_S)
            stats = device.rates(args.seconds)
            stopped = device("stop")
            results.append({"frame": frame, "granted": granted(device.log), "effective": "not verified",
                            "mpps": max(stats["Tx-pps"], stats["Rx-pps"]) / 1e6, "tx_mpps": stats["Tx-pps"] / 1e6,
                            "rx_mpps": stats["Rx-pps"] / 1e6, "guest_received": 0, "lost": 0,
                            "cycles": testpmd.cycles(stopped)})
        device.quit()
    except BaseException:
        device.kill()
        raise
    return results, device.command


def measure(args, program, mappings, setting, runs, say):
    """Add to setting and runs; the mappings alternate."""
    bdf = args.device
    setting |= {"device": bdf, "no_iommu": no_iommu(bdf), "commands": [], "granted": {}}
    for repeat in range(args.repeats):
        for mapping in list(mappings)[::-1] if repeat % 2 else list(mappings):
            say(f"repeat {repeat + 1} of {args.repeats}, {mapping}")
            results, command = measure_one(program, bdf, mappings[mapping], args)
            runs += [{"repeat": repeat, "requested": mapping, **result} for result in results]
            if command not in setting["commands"]:
                setting["commands"].append(command)
            for result in results:
                setting["granted"][mapping] = result["granted"]
                say(f"  {result['frame']:5} bytes  {result['granted']}  {result['mpps']:8.3f} Mpps")
