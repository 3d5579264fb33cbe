# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

import subprocess
from pathlib import Path

import pytest

from harness import TOP, vfio_wc


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    """vfio-wc with sanitizers."""
    return vfio_wc.build(tmp_path_factory.mktemp("vfio-wc"), vfio_wc.SANITIZERS)


@pytest.fixture
def machine(tmp_path, program):
    """A tree of files with nothing in the way of write-combining."""
    return vfio_wc.Machine(tmp_path / "root", program)


@pytest.fixture(scope="session")
def fake_kernel(tmp_path_factory):
    """A library that takes the place of a kernel with a device."""
    library = tmp_path_factory.mktemp("fake") / "fake.so"
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-Wno-attribute-alias",
                    f"-I{TOP}/drivers/bus/pci/linux", Path(__file__).parent / "fake-vfio.c", "-o", library], check=True)
    return library
