# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""The kernels that a tool's --kernel names: those with the series, and Debian's with the module."""

from harness import tool
from harness.guest import CACHE, KernelUnavailable, build_module, kernel_dir, stock_kernel

SERIES = ["series-6.12", "series-7.3"]
STOCK = ["stock-6.1", "stock-6.12", "stock-7.3"]
DEFAULT_STOCK, FALLBACK = "stock-6.12", "series-6.12"
NAMES = [*STOCK, *SERIES]


def base_of(name):
    return name.partition("-")[2]


def room(name):
    """{path in the cache: MiB that its parts take}, for a kernel that is to be fetched or built."""
    if name in SERIES:
        return {CACHE / "kernel" / f"tree-{base_of(name)}": 4608}
    return {CACHE / "stock" / base_of(name): 1024}


def of_guest(name):
    """The argument `kernel` of a Guest."""
    return f"{base_of(name)}/full" if name in SERIES else f"module-{base_of(name)}"


def prepare(name):
    """Build or fetch what a kernel of that name needs."""
    if name in SERIES:
        tool.install_packages("kernel")
        kernel_dir(of_guest(name))
    else:
        stock_kernel(name)
        build_module(name)


def add_option(parser):
    parser.add_argument("--kernel", choices=NAMES,
                        help="of the guest: Debian's with the module, or one with the series, which is built from "
                        f"source (default: {DEFAULT_STOCK}, or {FALLBACK} if Debian's package is not available)")


def choose(demanded, say):
    """Prepare the kernel to use: without a demand, Debian's, or if that is not available, that of the series."""
    try:
        prepare(demanded or DEFAULT_STOCK)
        return demanded or DEFAULT_STOCK
    except KernelUnavailable as error:
        if demanded:
            raise
        say(f"{error}; continuing with {FALLBACK}")
        prepare(FALLBACK)
        return FALLBACK


def describe(name):
    """Where write-combining comes from, for a report."""
    if name in SERIES:
        return f"Linux {base_of(name)} with the series"
    return f"Debian's Linux {base_of(name)} with the module vfio-pci-wc"
