# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""The kernels that a tool's --kernel names: those with the series, and Debian's with the module."""

import functools
import subprocess
from pathlib import Path

from harness import TOP
from harness.guest import CACHE, GuestError, KernelUnavailable, kernel_dir, stock_kernel

SERIES = {"series-6.12": "6.12/full", "series-7.3": "7.3/full"}
STOCK = ["stock-6.1", "stock-6.12", "stock-7.3"]
NAMES = [*STOCK, *SERIES]


@functools.lru_cache(maxsize=None)
def module(name):
    """Path of the module vfio-pci.ko for a stock kernel, built if necessary."""
    build = subprocess.run([TOP / "devtools" / "build-module", name], stdout=subprocess.PIPE, text=True)
    if build.returncode == 3:
        raise KernelUnavailable(f"no module for {name}: what its build needs is not available")
    if build.returncode:
        raise GuestError(f"no module for {name}: devtools/build-module failed with {build.returncode}")
    return Path(build.stdout.strip())


def room(name):
    """{path in the cache: MiB that its parts take}, for a kernel that is to be fetched or built."""
    base = name.partition("-")[2]
    if name in SERIES:
        return {CACHE / "kernel" / f"tree-{base}": 4608}
    return {CACHE / "stock" / base: 1024}


def prepare(name):
    """Build or fetch what a kernel of that name needs."""
    if name in SERIES:
        kernel_dir(SERIES[name])
    else:
        stock_kernel(name)
        module(name)


def of_guest(name):
    """The argument `kernel` of a Guest."""
    return SERIES.get(name, name)


def load(guest, name):
    """Load VFIO with alias regions in a guest that has booted."""
    if name not in SERIES:
        guest.load_vfio(module(name))


def describe(name):
    """Where write-combining comes from, for a report."""
    base = name.partition("-")[2]
    return f"Debian's Linux {base} and the module vfio-pci-wc" if name in STOCK else f"Linux {base} with the series"
