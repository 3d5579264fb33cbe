# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Tests by subject: pytest's marks, meson's suites."""

import re
import subprocess

import pytest

from harness import TOP

PYTEST = ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
SUBJECTS = sorted(path.name for path in (TOP / "tests").iterdir() if any(path.glob("test_*.py")))


def collect(*arguments):
    """Names of tests."""
    done = subprocess.run([*PYTEST, "--collect-only", *arguments], cwd=TOP, stdout=subprocess.PIPE, text=True)
    assert done.returncode in (0, 5), done.stdout
    return [line for line in done.stdout.splitlines() if "::" in line]


@pytest.fixture(scope="module")
def every_test():
    return collect()


@pytest.mark.parametrize("subject", SUBJECTS)
def test_mark_is_the_directory(every_test, subject):
    found = collect("-m", subject)
    assert found and found == [name for name in every_test if name.startswith(f"tests/{subject}/")]


def test_suites_are_subjects():
    text = (TOP / "meson.build").read_text() + (TOP / "wcscope/meson.build").read_text()
    suites = set(re.findall(r"^ +'(\w+)': \['", text, re.M)) | set(re.findall(r"suite: '(\w+)'", text))
    assert suites == {"bus", "ivshmem", "wcio", "wcscope"} and suites <= set(SUBJECTS)
    # No test is without one.
    assert text.count(" suite: ") == len(re.findall(r"^ *test\(", text, re.M))
