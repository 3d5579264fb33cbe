# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

import pytest

from harness import vfio_wc


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    """vfio-wc with sanitizers."""
    return vfio_wc.build(tmp_path_factory.mktemp("vfio-wc"), vfio_wc.SANITIZERS)


@pytest.fixture
def machine(tmp_path, program):
    """A tree of files with nothing in the way of write-combining."""
    return vfio_wc.Machine(tmp_path / "root", program)
