# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""What the tools in Python share: arguments come before anything is done, what is wrong gets one line,
and a machine on which times are taken is used by one tool at a time.

Only Python's own modules are imported until the arguments are right, and the packages there.
"""

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

INTERRUPTED = 130  # as a shell says that SIGINT has ended a program
MODULES = {"pexpect": "python3-pexpect", "matplotlib": "python3-matplotlib"}
PROGRAMS = {"qemu-system-x86_64": "qemu-system-x86", "valgrind": "valgrind", "strace": "strace", "clang-14": "clang-14"}
# Set by devtools/run-tool
INSTALL = "WC_INSTALL_DEPS"


class ToolError(Exception):
    """The tool cannot go on; the text says why, and what to do."""


def install(modules, programs):
    """Install what is missing if devtools/run-tool asks for it; these have to be there then."""
    if os.environ.pop(INSTALL, None):
        if subprocess.run([TOP / "devtools/install-deps"], stdout=sys.stderr).returncode:
            raise ToolError("packages are missing, see above")
        importlib.invalidate_caches()
    missing = {f"Python's module {name}": MODULES[name] for name in modules if importlib.util.find_spec(name) is None}
    missing |= {f"the program {name}": PROGRAMS[name] for name in programs if shutil.which(name) is None}
    if missing:
        raise ToolError(f"{' and '.join(missing)} missing: install {' '.join(missing.values())}, or run "
                        "devtools/install-deps")


def run(name, parse_args, main, *, modules=(), programs=(), errors=()):
    """A tool, from its arguments to its exit status. errors: exceptions whose text is all that there is to say."""
    args = parse_args()
    try:
        # Who uses a program that is there has brought all that it needs.
        if getattr(args, "program", None) or getattr(args, "programs", None):
            os.environ.pop(INSTALL, None)
        install(modules, programs)
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


# Results

def make_output(directory):
    """A directory for results, before anything is measured."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise ToolError(f"--output {directory}: {error.strerror}: give a directory that can be written") from error


@contextlib.contextmanager
def own_output(directory):
    """No other run writes there meanwhile."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise ToolError(f"--output {directory}: another run writes there: give another directory") from error
    finally:
        os.close(descriptor)


def write(directory, files):
    """Write all {name: text} that can be written, each whole or not at all; ToolError names the others."""
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

# A name in the abstract namespace: no file that could stay behind, free when its process has ended, however it ended.
LOCK = "\0dpdk-vfio-wc measures"
WHEN_BUSY = ["refuse", "wait", "ignore"]
SAMPLE_S = 1.0


def add_when_busy(parser):
    parser.add_argument("--when-busy", choices=WHEN_BUSY, default="refuse",
                        help="while another tool of this project takes times on this machine (default: %(default)s)")


def holder(lock):
    """(process, its command) at the other end of the lock."""
    pid, _uid, _gid = struct.unpack("3i", lock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        words = []
    return pid, " ".join(words).strip() or "unknown"


def hold(lock):
    """Whether the lock is this process's now."""
    try:
        lock.bind(LOCK)
    except OSError:
        return False
    lock.listen(64)
    return True


@contextlib.contextmanager
def machine_to_measure(when_busy, say):
    """No other tool takes times meanwhile, unless that is to be ignored."""
    with contextlib.ExitStack() as held:
        while not hold(held.enter_context(socket.socket(socket.AF_UNIX))) and when_busy != "ignore":
            with socket.socket(socket.AF_UNIX) as other:
                try:
                    other.connect(LOCK)
                except ConnectionRefusedError:
                    continue  # it has ended just now
                pid, command = holder(other)
                if when_busy == "refuse":
                    raise ToolError(f"process {pid} takes times on this machine ({command}): wait for its end, or give "
                                    "--when-busy wait")
                say(f"waiting for the end of process {pid} ({command})")
                with contextlib.suppress(ConnectionResetError):
                    other.recv(1)
        yield


def cpu_times():
    """(all, idle) of all CPUs, in ticks since the machine was started."""
    with open("/proc/stat") as file:
        times = [int(word) for word in file.readline().split()[1:9]]
    return sum(times), times[3] + times[4]  # idle, and idle while a disk is waited for


def busy_percent():
    """Of all CPUs' time, what programs take while this one sleeps."""
    before = cpu_times()
    time.sleep(SAMPLE_S)
    total, idle = (now - then for now, then in zip(cpu_times(), before))
    return 100 * (total - idle) / total if total else 0
