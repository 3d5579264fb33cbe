# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""The guest itself: what its kernel reports is an error, what it leaves after a failure, and a guest by hand."""

import subprocess

import pexpect
import pytest

from harness import TOP
from harness.guest import Guest, GuestError, kernel_dir

WARNING = "echo '<4>WARNING: CPU: 0 PID: 1 at planted.c:1 planted+0x0/0x1' >/dev/kmsg"


def test_report_in_the_log_fails():
    with pytest.raises(GuestError, match="the guest's kernel reported:\n(.*\n)*.*planted.c:1"):
        with Guest() as guest:
            guest.run(WARNING, check=True)


def test_report_that_is_expected():
    with Guest(may_warn=True) as guest:
        guest.run(WARNING, check=True)
        assert guest.run("cat /proc/sys/kernel/panic_on_warn").out == "0\n"
    assert not guest.dir.exists()


def warn(guest):
    """Have the kernel warn: a driver that asks for an I/O mapping of RAM is wrong (__ioremap_caller())."""
    guest.run(f"insmod {kernel_dir('full')}/pfnmap_probe.ko", check=True)
    return guest.run("echo uc- 10000000 1000 >/dev/pfnmap_probe")


@pytest.mark.quick
def test_kernel_panics_on_a_warning():
    with pytest.raises(GuestError, match=r"(?s)the guest ended first.*ioremap on RAM.*panic_on_warn set"):
        with Guest() as guest:
            warn(guest)


def test_warning_that_is_expected():
    with Guest(may_warn=True) as guest:
        assert warn(guest).rc != 0
        assert "ioremap on RAM" in guest.console.read_text()


def test_kernel_panics_on_warnings_and_oopses():
    with pytest.raises(GuestError, match=r"the guest ended first(.*\n)*.*Kernel panic"):
        with Guest() as guest:
            assert guest.run("cat /proc/sys/kernel/panic_on_warn /proc/sys/kernel/panic_on_oops").out == "1\n1\n"
            guest.run("echo c >/proc/sysrq-trigger")


def test_failure_leaves_the_console():
    with pytest.raises(ZeroDivisionError):
        with Guest() as guest:
            guest.run("echo it is here >/dev/kmsg", check=True)
            1 / 0
    assert "it is here" in guest.console.read_text()
    assert (guest.dir / "qemu").exists() and guest.share.is_dir()
    # Where it is known to be removed when all tests have passed
    assert guest.dir in Guest.kept


@pytest.mark.quick
def test_command_by_hand():
    run = subprocess.run([TOP / "devtools/wc-guest", "--device", "ivshmem=16", "--vfio", "--",
                          "cat /sys/bus/pci/drivers/vfio-pci/*/vendor; echo lost >&2; exit 3"],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)
    assert (run.returncode, run.stdout) == (3, "0x1af4\n")
    assert "(1af4:1110) is bound to vfio-pci" in run.stderr and run.stderr.endswith("lost\n")


def test_shell_by_hand():
    shell = pexpect.spawn(str(TOP / "devtools/wc-guest"), encoding="utf-8", timeout=120)
    shell.expect("# ")
    shell.sendline("grep -c panic_on_warn=1 /proc/cmdline")
    shell.expect("\r\n1\r\n")
    shell.sendline("exit 5")
    shell.expect(pexpect.EOF)
    shell.close()
    assert shell.exitstatus == 5


@pytest.mark.quick
@pytest.mark.parametrize("arguments, message", [
    (["--device", "x"], "--device x: use one of ivshmem"), (["--device", "ivshmem=3"], "a power of two"),
    ([], "no terminal for a shell: add a command after --")])
def test_bad_arguments(arguments, message):
    run = subprocess.run([TOP / "devtools/wc-guest", *arguments], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                         text=True, timeout=60)
    assert run.returncode != 0 and message in run.stderr
