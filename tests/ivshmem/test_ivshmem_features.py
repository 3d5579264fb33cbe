# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""doc/guides/nics/features/ivshmem.ini line by line: each feature has a check, and what has none is not listed."""

import configparser
import re
import subprocess

import pytest

from harness import TOP

pytestmark = pytest.mark.quick
INI = TOP / "doc/guides/nics/features/ivshmem.ini"
DEFAULT = TOP / "subprojects/dpdk/doc/guides/nics/features/default.ini"
# What ports of one process of this machine cannot show: where it is shown
ELSEWHERE = {
    "Rx interrupt": ("tests/ivshmem/test_ivshmem_interrupt.py", "def test_host_sleeps("),
    "Multiprocess aware": ("tests/ivshmem/test_ivshmem_guests.py", "def test_two_processes("),
    "Linux": ("drivers/net/ivshmem/meson.build", "if not is_linux"),
    "x86-64": ("tests/ivshmem/test_ivshmem.py", "def test_"),
    "ARMv8": ("devtools/build-dpdk", "enable_drivers=bus/pci,bus/vdev,mempool/ring,mempool/stack,net/ivshmem"),
    "Usage doc": ("doc/guides/nics/ivshmem.rst", "IVSHMEM Poll Mode Driver"),
}


def features(path):
    parser = configparser.ConfigParser(comment_prefixes=";", allow_no_value=True)
    parser.optionxform = str
    parser.read(path)
    return dict(parser["Features"])


@pytest.fixture(scope="module")
def checked(release):
    """{name: whether it was shown} of the unit tests."""
    run = subprocess.run([TOP / "devtools/run-unit-tests", release / "dpdk-test-wc", "ivshmem-features"],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    found = re.findall(r"^(not )?ok \d+ - (.*)$", run.stdout, re.M)
    assert found, run.stdout
    return {name: not failed for failed, name in found}


def test_every_line_has_a_check(checked):
    shown = {name for name in checked if not name.startswith("not listed")} | set(ELSEWHERE)
    assert set(features(INI)) == shown


def test_every_check_passes(checked):
    assert [name for name, good in checked.items() if not good] == []


def test_what_is_shown_elsewhere():
    for name, (path, text) in ELSEWHERE.items():
        assert text in (TOP / path).read_text(), name


def test_names_and_order_are_those_of_dpdk(release):
    names = list(features(DEFAULT))
    assert set(features(INI).values()) == {"Y"}
    assert list(features(INI)) == [name for name in names if name in features(INI)]
