# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Functions shared by the Python tools: arguments are checked before anything is done, an error is one line, and only
one tool at a time measures on a machine.

Only Python's own modules are imported until the arguments are valid and the packages installed.
"""

import argparse
import contextlib
import fcntl
import importlib.util
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import TOP
from harness.version import VERSION

INTERRUPTED = 130  # the shell's status of a program that SIGINT ended
MODULES = {"pexpect": "python3-pexpect"}
PROGRAMS = {"qemu-system-x86_64": "qemu-system-x86", "valgrind": "valgrind", "strace": "strace", "clang-14": "clang-14",
            "ccache": "ccache", "gcc": "gcc"}
# Whether devtools/run-tool requests that missing packages are installed; not for programs that the tool runs.
INSTALL = bool(os.environ.pop("WC_INSTALL_DEPS", None))


class ToolError(Exception):
    """The tool cannot continue; the text gives the reason and the remedy."""


class ArgumentParser(argparse.ArgumentParser):
    """Of a tool of the project."""

    def __init__(self, prog, **options):
        super().__init__(prog=prog, **options)
        self.add_argument("--version", action="version", version=f"{prog} {VERSION}")


def install_packages(*which):
    """Install what is missing if devtools/run-tool requests it. which: an argument of devtools/install-deps"""
    if INSTALL and subprocess.run([TOP / "devtools/install-deps", *which], stdout=sys.stderr).returncode:
        raise ToolError("packages are missing, see above")
    importlib.invalidate_caches()


def check_packages(modules, programs):
    missing = {f"Python's module {name}": MODULES[name] for name in modules if importlib.util.find_spec(name) is None}
    missing |= {f"the program {name}": PROGRAMS[name] for name in programs if shutil.which(name) is None}
    if missing:
        raise ToolError(f"{' and '.join(missing)} missing: install {' '.join(missing.values())}, or run "
                        "devtools/install-deps")


def run(name, parse_args, main, *, packages=(), modules=(), programs=(), errors=()):
    """Run a tool, from its arguments to its exit status.

    packages: argument of devtools/install-deps; modules, programs: those of them to check for; errors: exceptions of
    which only the text is printed.
    """
    args = parse_args()
    try:
        # A user who names an existing program has installed what it needs.
        if not (getattr(args, "program", None) or getattr(args, "programs", None)):
            install_packages(*packages)
        check_packages(modules, programs)
        status = main(args)
        sys.stdout.flush()
        sys.exit(status)
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except subprocess.CalledProcessError as error:
        command = error.cmd if isinstance(error.cmd, str) else " ".join(map(str, error.cmd))
        sys.exit(f"{name}: failed with {error.returncode}: {command}\n{error.stderr or ''}".rstrip())
    except (ToolError, OSError, *errors) as error:
        sys.exit(f"{name}: {error}")


# Room

MIB = 1 << 20


def need_disk(needed):
    """Check that there is room for {path: MiB}, as far as the paths do not exist yet, before anything is fetched."""
    missing = {}
    for path, mib in needed.items():
        if not path.exists():
            parent = next(parent for parent in path.parents if parent.exists())
            missing.setdefault(os.stat(parent).st_dev, []).append((parent, mib))
    for parts in missing.values():
        mib, where = sum(mib for _, mib in parts), parts[0][0]
        free = shutil.disk_usage(where).free // MIB
        if free < mib:
            raise ToolError(f"what is missing takes {mib} MiB in {where}, where {free} MiB are free: free some space, "
                            "or set XDG_CACHE_HOME")


def need_memory(mib):
    """Check that so much memory is available, before anything is fetched."""
    with open("/proc/meminfo") as file:
        available = int(next(line for line in file if line.startswith("MemAvailable:")).split()[1]) // 1024
    if available < mib:
        raise ToolError(f"the guest and the programs beside it take {mib} MiB of memory, of which {available} MiB are "
                        "available: end other programs")


# Results

def make_output(directory):
    """Make the directory for results, before anything is measured."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise ToolError(f"--output {directory}: {error.strerror}: use a writable directory") from error


@contextlib.contextmanager
def own_output(directory):
    """Keep other runs from writing to the directory."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise ToolError(f"--output {directory}: another run writes there: use another directory") from error
    finally:
        os.close(descriptor)


def write(directory, files):
    """Write as many of {name: text} as possible, each completely or not at all; ToolError names the others."""
    failed = []
    for name, text in files.items():
        new = directory / f".{name}.new"
        try:
            new.write_text(text)
            new.replace(directory / name)
        except OSError as error:
            with contextlib.suppress(OSError):
                new.unlink()
            failed.append(f"{directory / name}: {error.strerror}")
    if failed:
        raise ToolError(f"not written: {', '.join(failed)}")


# The machine

# A name in the abstract namespace: no file is left behind, and the name is free once its process has ended.
LOCK = "\0dpdk-vfio-wc measures"
WHEN_BUSY = ["refuse", "wait", "ignore"]
SAMPLE_S = 1.0


def add_when_busy(parser):
    parser.add_argument("--when-busy", choices=WHEN_BUSY, default="refuse",
                        help="if another tool of this project is measuring on this machine (default: %(default)s)")


def holder(lock):
    """(process, its command) of the lock's holder."""
    pid, _uid, _gid = struct.unpack("3i", lock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        words = []
    return pid, " ".join(words).strip() or "unknown"


def hold(lock):
    """Take the lock; returns whether that succeeded."""
    try:
        lock.bind(LOCK)
    except OSError:
        return False
    lock.listen(64)
    return True


@contextlib.contextmanager
def machine_to_measure(when_busy, say):
    """Keep other tools from measuring, unless they are to be ignored."""
    with contextlib.ExitStack() as held:
        while not hold(held.enter_context(socket.socket(socket.AF_UNIX))) and when_busy != "ignore":
            with socket.socket(socket.AF_UNIX) as other:
                try:
                    other.connect(LOCK)
                except ConnectionRefusedError:
                    continue  # it has just ended
                pid, command = holder(other)
                if when_busy == "refuse":
                    raise ToolError(f"process {pid} is measuring on this machine ({command}): wait until it ends, or "
                                    "use --when-busy wait")
                say(f"waiting for process {pid} to end ({command})")
                with contextlib.suppress(ConnectionResetError):
                    other.recv(1)
        yield


def cpu_times():
    """(total, idle) time of all CPUs, in ticks since boot."""
    with open("/proc/stat") as file:
        times = [int(word) for word in file.readline().split()[1:9]]
    return sum(times), times[3] + times[4]  # idle and iowait


def busy_percent():
    """Percentage of all CPUs' time that other programs use."""
    before = cpu_times()
    time.sleep(SAMPLE_S)
    total, idle = (now - then for now, then in zip(cpu_times(), before))
    return 100 * (total - idle) / total if total else 0
