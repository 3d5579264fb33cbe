# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Tests by subject: pytest's marks, meson's suites, and what is built for them."""

import os
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


# A plugin of pytest: what would be built is noted, and is not there.
NOTE_BUILDS = """
import os
import pathlib
from harness import guest

def note(name):
    with open(os.environ["ASKED"], "a") as file:
        print(name, file=file)
    return pathlib.Path("/none/a/b/c")

def no_kernel(name):
    raise guest.GuestError(note(name))

guest.build_dpdk, guest.kernel_dir = note, no_kernel
guest.qemu_version = lambda: "QEMU emulator version 8.2.0"
"""


# By path: this file is not among them.
@pytest.mark.parametrize("path, tests, builds", [
    ("tests/tools/test_tools.py", "bad_arguments or cache", set()),
    ("tests/wcio", "not arm64 and not st64b", {"release"}),
    ("tests/wcscope", "not broken_rule", {"release", "full"})])
def test_subject_has_built_what_it_uses(tmp_path, path, tests, builds):
    (tmp_path / "note_builds.py").write_text(NOTE_BUILDS)
    asked = tmp_path / "asked"
    asked.touch()
    subprocess.run([*PYTEST, "-p", "note_builds", path, "-k", tests], cwd=TOP, stdout=subprocess.DEVNULL, timeout=300,
                   env=os.environ | {"PYTHONPATH": f"{TOP}:{tmp_path}", "ASKED": str(asked),
                                     "XDG_CACHE_HOME": str(tmp_path / "cache")})
    assert set(asked.read_text().split()) == builds
    assert not list(tmp_path.glob("cache/dpdk-vfio-wc/*/*"))
