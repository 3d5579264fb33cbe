# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Ranges are mapped write-combining wherever a library has left address space: the unit tests of the bus, in a process
whose addresses are taken before DPDK starts. Addresses are not randomised, so that they are where this file says.
"""

import os
import subprocess

import pytest

from harness import TOP

MIB, GIB = 1 << 20, 1 << 30
BASE = 4 * GIB  # where EAL asks for its memory
MEMORY = 600 * MIB
LOW = (64 << 10, GIB - (64 << 10))  # the lowest that any user may map, to 1 GiB
KERNELS_CHOICE = 0

TAKEN = {
    "64 GiB at 64 GiB": [LOW, (64 * GIB, 64 * GIB)],
    "64 GiB above EAL's memory": [LOW, (BASE + MEMORY + 16 * MIB, 64 * GIB)],
    # EAL's memory is right below the 1 GiB then, and nothing but libraries and stack is above.
    "where EAL asks for memory": [LOW, (BASE, 124 * GIB), (KERNELS_CHOICE, GIB)],
}


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    path = tmp_path_factory.mktemp("library") / "take_addresses.so"
    subprocess.run(["gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O2", "-fPIC", "-shared", "-o", path,
                    TOP / "tests/bus/take_addresses.c"], check=True)
    return path


@pytest.mark.parametrize("areas", TAKEN.values(), ids=TAKEN)
def test_addresses_taken_by_a_library(release, library, areas):
    command = ["setarch", "-R", "env", f"LD_PRELOAD={library}", release / "dpdk-test-wc", "--no-huge", "--no-pci",
               "--no-telemetry", "--file-prefix", f"addresses-{os.getpid()}", "-m", str(MEMORY // MIB), "--lcores",
               "0@0", "--", "pci-wc"]
    taken = ",".join(f"{start:x}:{length:x}" for start, length in areas)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300,
                          env=os.environ | {"TAKE_ADDRESSES": taken})
    assert done.returncode == 0, done.stdout
    assert "\nok 1 - map, map again, overlap, unmap\n" in done.stdout
