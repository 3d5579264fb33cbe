# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

import functools
import os
import re
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from harness.guest import Guest, Unavailable, build_dpdk, compile_program
from harness.kernels import DEFAULT_STOCK, base_of

DEFAULT_BASE = base_of(DEFAULT_STOCK)


def pytest_configure():
    """A program in a shell's background starts with SIGINT ignored, and so would all that tests interrupt."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption("--all-kernels", action="store_true", help="all tests on each kernel, not only on those of "
                     f"Linux {DEFAULT_BASE}")


def is_on_another_kernel(item):
    return not any(re.search(rf"\b{re.escape(DEFAULT_BASE)}\b", str(value)) for value in item.callspec.params.values())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """The directory of a test is its subject, before -m chooses by that.

    Files without long tests come last: of two processes, neither is then left with a long one alone.
    """
    for item in items:
        item.add_marker(item.path.parent.name)
    items.sort(key=lambda item: item.path.parent.name == "tools")
    if not config.getoption("--all-kernels"):
        left_out = [item for item in items if item.get_closest_marker("each_kernel") and is_on_another_kernel(item)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A test that needs a kernel or a build that is not available is skipped, with that as the reason.

    What guests leave behind stays when a test has failed, and the report says where.
    """
    report = (yield).get_result()
    if call.excinfo and call.excinfo.errisinstance(Unavailable):
        report.outcome = "skipped"
        report.longrepr = (*item.location[:2], f"Skipped: {call.excinfo.value}")
    if report.failed:
        for guest in Guest.running:
            guest.keep = True
            report.sections.append(("guest", guest.where()))


def pytest_sessionfinish(session):
    """Errors that tests expect leave guests' directories, too."""
    if session.testsfailed == 0:
        for directory in Guest.kept:
            shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def eal_files():
    """A directory for what DPDK's programs on this machine leave in their runtime directory."""
    with tempfile.TemporaryDirectory(prefix="wc-eal.") as directory:
        os.environ["RUNTIME_DIRECTORY"] = directory
        yield


@pytest.fixture(scope="session")
def memory(tmp_path_factory):
    """Make files of shared memory: memory(name, size) is a path of zeros."""
    made = []
    # Several runs, and several processes of one, do not meet.
    prefix = "-".join(tmp_path_factory.getbasetemp().parts[-2:])

    def make(name, size):
        path = Path("/dev/shm") / f"{prefix}-{name}"
        path.unlink(missing_ok=True)
        path.touch(0o600)
        os.truncate(path, size)
        made.append(path)
        return path

    yield make
    for path in made:
        path.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def guest_program(tmp_path_factory):
    """Compile a C program of this directory, such as "kernel/map-type"; returns its path, which the guest sees too."""
    return functools.partial(compile_program, directory=tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def release():
    """Directory of the DPDK programs."""
    return build_dpdk("release")


@pytest.fixture(scope="session")
def sanitize():
    """The same built with ASan and UBSan."""
    return build_dpdk("sanitize")
