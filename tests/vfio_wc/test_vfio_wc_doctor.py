# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""vfio-wc doctor: each planted state has its line, with its command, and no other line changes."""

import gzip
import os
import re

import pytest

from harness import vfio_wc
from harness.vfio_wc import AS_NOBODY, BAD, DEVICE, GOOD, RELEASE, UNKNOWN, Machine, alias_map, parse_doctor

pytestmark = pytest.mark.quick

OTHER = "0000:00:05.0"
AT = f"sys/bus/pci/devices/{DEVICE}"
MODULE = f"lib/modules/{RELEASE}/updates/dkms/vfio-pci.ko"
RELOAD = "unbind its devices; modprobe -r vfio-pci; modprobe vfio-pci; update-initramfs -u"
ENROL = "mokutil --import /var/lib/dkms/mok.pub; reboot and enrol the key"
SIGNATURE = b"~Module signature appended~\n"
HUGE = "huge pages (only for DPDK)"
CHECKS = ["kernel", "signature", "PAT", "IOMMU", *(f"{DEVICE} {check}" for check in
                                                   ("driver", "group", "node", "BARs", "MTRR", "sysfs")),
          "locked memory", HUGE, "DPDK"]


def test_good_machine(machine):
    """Only that another tree's programs are not run is left."""
    status, checks = machine.doctor()
    assert list(checks) == CHECKS
    assert [check for check, (result, *_) in checks.items() if result != "ok"] == ["DPDK"] and status == UNKNOWN
    assert checks["kernel"][1] == "vfio-pci is the module, version wc-0.2.0"
    assert checks[f"{DEVICE} BARs"][1] == "BAR0 256 B (less than a page), BAR2 4 MiB prefetchable"
    assert machine.doctor(DEVICE) == machine.doctor("00:04.0") == (status, checks)


# The kernel and its modules

def stock_loaded(machine):
    machine.stock()


def stock_loaded_module_installed(machine):
    machine.stock()
    machine.write(f"{MODULE}.xz", "")


def built_in(machine):
    machine.stock()
    machine.write(f"lib/modules/{RELEASE}/modules.builtin", "kernel/drivers/vfio/pci/vfio-pci.ko\n")


def not_loaded(machine):
    machine.remove("sys/module/vfio_pci")


def module_not_loaded(machine):
    not_loaded(machine)
    machine.write(MODULE, "")


def no_vfio_pci(machine):
    not_loaded(machine)
    machine.remove(f"lib/modules/{RELEASE}/kernel")


def no_kallsyms(machine):
    machine.stock()
    machine.remove("proc/kallsyms")


def lockdown(machine, contents=b"\x7fELF" * 20):
    module_not_loaded(machine)
    machine.write(MODULE, contents)
    machine.write("sys/kernel/security/lockdown", "none [integrity] confidentiality\n")


def lockdown_compressed(machine):
    """Whether it has a signature is not visible."""
    lockdown(machine)
    machine.path(MODULE).rename(machine.path(f"{MODULE}.zst"))


def sig_enforce(machine):
    module_not_loaded(machine)
    machine.write("sys/module/module/parameters/sig_enforce", "Y\n")


def securityfs_not_mounted(machine):
    module_not_loaded(machine)
    machine.remove("sys/kernel/security/lockdown")
    machine.write("proc/self/mounts", "")


def stock_loaded_on_rpm(machine):
    stock_loaded_module_installed(machine)
    machine.write("usr/sbin/grubby", "")


# Memory types

def nopat_on_rpm(machine):
    nopat(machine)
    machine.write("usr/sbin/grubby", "")


def nopat(machine):
    machine.write("proc/cmdline", "quiet nopat\n")


def no_pat_flag(machine):
    machine.write("proc/cpuinfo", "flags\t\t: fpu pse36 patx\n")


def no_pat_list(machine):
    machine.remove("sys/kernel/debug/x86/pat_memtype_list")


def no_cpuinfo(machine):
    machine.remove("proc/cpuinfo")


# IOMMU

def no_iommu(machine, parameter="N\n"):
    machine.remove("sys/kernel/iommu_groups")
    machine.remove(f"{AT}/iommu_group")
    machine.link(f"{AT}/driver", "../../drivers/e1000e")
    if parameter is None:
        machine.remove("sys/module/vfio/parameters")
    else:
        machine.write("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", parameter)


def no_iommu_no_parameter(machine):
    no_iommu(machine, None)


def no_iommu_dmar(machine):
    no_iommu(machine, None)
    machine.write("sys/firmware/acpi/tables/DMAR", "")


def no_iommu_config(machine, value="CONFIG_VFIO_NOIOMMU=y"):
    no_iommu(machine, None)
    machine.remove("sys/module/vfio")
    machine.write(f"boot/config-{RELEASE}", f"#\nCONFIG_VFIO=m\n{value}\n")


def no_iommu_config_gz(machine):
    no_iommu_config(machine)
    machine.remove("boot")
    machine.write("proc/config.gz", gzip.compress(b"#\nCONFIG_VFIO=m\nCONFIG_VFIO_NOIOMMU=y\n"))


def no_iommu_config_of_rpm(machine):
    no_iommu_config(machine)
    machine.path(f"boot/config-{RELEASE}").rename(machine.path(f"lib/modules/{RELEASE}/config"))


def no_iommu_config_off(machine):
    no_iommu_config(machine, "# CONFIG_VFIO_NOIOMMU is not set")


def no_iommu_no_config(machine):
    no_iommu_config(machine)
    machine.remove("boot")


# The device

def gone(machine):
    machine.remove(AT)


def unbound(machine):
    machine.remove(f"{AT}/driver")


def other_driver(machine):
    machine.link(f"{AT}/driver", "../../drivers/e1000e")


def variant_driver(machine):
    machine.link(f"{AT}/driver", "../../drivers/mlx5_vfio_pci")


def group_in_use(machine):
    machine.device(OTHER, driver="e1000e")
    machine.device("0000:00:06.0", driver="pcieport")
    machine.device("0000:00:07.0", driver=None)
    machine.device("0000:00:08.0", driver="snd_hda_intel")


def no_group(machine):
    machine.remove(f"{AT}/iommu_group")


def no_node(machine):
    machine.remove("dev/vfio/3")


def noiommu_not_root(machine):
    machine.write("dev/vfio/noiommu-3", "")
    machine.write("proc/self/status", f"CapEff:\t{1 << 14:016x}\n")


def intel_display(machine):
    machine.device(DEVICE, ident=("0x8086", "0x9a49"), class_="0x030000")


def no_memory_bar(machine):
    machine.device(DEVICE, bars=[(0xc000, 256, 0x40101)])


def none_prefetchable(machine):
    machine.device(DEVICE, bars=[(0xfe000000, 1 << 16, 0x40200)])


def bar_without_address(machine):
    machine.device(DEVICE, bars=[(0, 1 << 20, 0x14220c)])


def mtrr(machine):
    machine.write("proc/mtrr", "reg01: base=0x0fd000000 ( 4048MB), size=   16MB, count=1: write-combining\n")


def resource_wc(machine):
    machine.process(400, "Xorg\n", maps=[alias_map(0x7f0000000000, 4096, 0,
                                                   path=f"/sys/devices/pci0000:00/{DEVICE}/resource2_wc")])


# DPDK

def memlock(machine):
    machine.write("proc/self/status", "CapEff:\t0000000000000000\n")


def no_limits(machine):
    machine.remove("proc/self/limits")


def no_huge_pages(machine):
    machine.write("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "0\n")


def huge_pages_not_shown(machine):
    machine.remove("sys/kernel/mm")


BIND = (f"modprobe vfio-pci; cd /sys/bus/pci/devices/{DEVICE}; [ ! -e driver ] || echo {DEVICE} > driver/unbind; "
        f"echo vfio-pci > driver_override; echo {DEVICE} > /sys/bus/pci/drivers_probe")
FIRMWARE = ("enable the IOMMU (VT-d, AMD-Vi, SMMU) in the firmware, or boot a kernel with CONFIG_VFIO_NOIOMMU=y "
            "(doc/kernel.rst)")
NOIOMMU = "modprobe vfio enable_unsafe_noiommu_mode=1"
# Those without an IOMMU have the device bound to another driver, as vfio-pci would not take it.
ALSO_UNBOUND = {"driver"}


@pytest.mark.parametrize("plant, check, text, command, also", [
    (stock_loaded, "kernel", "the loaded vfio-pci has no alias regions",
     f"apt install vfio-pci-wc-dkms; {RELOAD}", set()),
    (stock_loaded_module_installed, "kernel", f"the distribution's vfio-pci is loaded, although /{MODULE}.xz is "
     "installed", RELOAD, set()),
    (stock_loaded_on_rpm, "kernel", f"the distribution's vfio-pci is loaded, although /{MODULE}.xz is installed",
     RELOAD.replace("update-initramfs -u", "dracut -f"), set()),
    (built_in, "kernel", f"vfio-pci is built into {RELEASE}, so that a module cannot replace it, and it has no alias "
     "regions", "boot a kernel that has it as a module, or one with the series (doc/kernel.rst)", set()),
    (not_loaded, "kernel", "vfio-pci is not loaded, and only the distribution's is installed",
     "modprobe vfio-pci; if this remains: apt install vfio-pci-wc-dkms", set()),
    (module_not_loaded, "kernel", f"/{MODULE} is not loaded", "modprobe vfio-pci", set()),
    (no_vfio_pci, "kernel", f"there is no vfio-pci for {RELEASE}",
     "install the package of the kernel's modules, or boot another kernel", set()),
    (lockdown, "signature", f"lockdown (integrity): /{MODULE} is not signed",
     f"install mokutil and openssl; dkms install --force; {ENROL}", {"kernel"}),
    (sig_enforce, "signature", f"module.sig_enforce: /{MODULE} is not signed",
     f"install mokutil and openssl; dkms install --force; {ENROL}", {"kernel"}),
    (nopat, "PAT", "nopat is on the kernel's command line",
     "remove nopat from GRUB_CMDLINE_LINUX in /etc/default/grub; update-grub; reboot", set()),
    (nopat_on_rpm, "PAT", "nopat is on the kernel's command line",
     "grubby --update-kernel=ALL --remove-args=nopat; reboot", set()),
    (no_pat_flag, "PAT", "the processor has none", "have the hypervisor pass on the CPU's flag pat", set()),
    (no_pat_list, "PAT", "the kernel has disabled it: there is no /sys/kernel/debug/x86/pat_memtype_list",
     "dmesg | grep -i -e pat -e mtrr", set()),
    (no_iommu, "IOMMU", "there are no IOMMU groups, and the no-IOMMU mode is off",
     "echo 1 > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode", ALSO_UNBOUND),
    (no_iommu_no_parameter, "IOMMU", "there are no IOMMU groups, and the kernel has no no-IOMMU mode", FIRMWARE,
     ALSO_UNBOUND),
    (no_iommu_dmar, "IOMMU", "there are no IOMMU groups, and the kernel has no no-IOMMU mode",
     "add intel_iommu=on to GRUB_CMDLINE_LINUX in /etc/default/grub; update-grub; reboot", ALSO_UNBOUND),
    (no_iommu_config, "IOMMU", "there are no IOMMU groups, and the no-IOMMU mode is off", NOIOMMU, ALSO_UNBOUND),
    (no_iommu_config_gz, "IOMMU", "there are no IOMMU groups, and the no-IOMMU mode is off", NOIOMMU, ALSO_UNBOUND),
    (no_iommu_config_of_rpm, "IOMMU", "there are no IOMMU groups, and the no-IOMMU mode is off", NOIOMMU,
     ALSO_UNBOUND),
    (no_iommu_config_off, "IOMMU", "there are no IOMMU groups, and the kernel has no no-IOMMU mode", FIRMWARE,
     ALSO_UNBOUND),
    (gone, "device", "there is no such device", "lspci -D", set()),
    (unbound, "driver", "not bound to any driver", BIND, set()),
    (other_driver, "driver", "bound to e1000e", BIND, set()),
    (variant_driver, "driver", "bound to mlx5_vfio_pci: DPDK uses only devices of vfio-pci", BIND, set()),
    (group_in_use, "group", f"group 3 has devices of other drivers: {OTHER} (e1000e), 0000:00:08.0 (snd_hda_intel)",
     "bind all of them to vfio-pci, or unbind them", set()),
    (no_group, "group", "it is in no IOMMU group", "dmesg | grep -i -e vfio -e iommu", set()),
    (no_node, "node", "there is no /dev/vfio/3",
     "check that udev runs; in a container pass on the devices of /dev/vfio", set()),
    (noiommu_not_root, "node", "/dev/vfio/noiommu-3 is without an IOMMU",
     "run the program as root, or with CAP_SYS_RAWIO", set()),
    (intel_display, "display", "the module refuses Intel's display devices",
     "use a kernel with the series (doc/kernel.rst), or the distribution's vfio-pci without write-combining", set()),
    (no_memory_bar, "BARs", "it has no BAR of memory that could be mapped", "none: use another device", set()),
    (mtrr, "MTRR", "reg01 makes also the default mapping of BAR2 write-combining",
     "echo disable=1 > /proc/mtrr", set()),
    (resource_wc, "sysfs", r"400 (Xorg\x0a) has mapped resource2_wc, which makes also VFIO's default mapping "
     "write-combining", "kill 400, then start the VFIO program again", set()),
    (memlock, "locked memory", "limit 8388608 bytes: VFIO cannot map a program's memory",
     "ulimit -l unlimited, permanently in /etc/security/limits.d or by LimitMEMLOCK=infinity of the service", set()),
    (no_huge_pages, HUGE, "none are reserved", "echo 512 >/proc/sys/vm/nr_hugepages", set())],
    ids=lambda value: getattr(value, "__name__", None))
def test_problem(machine, plant, check, text, command, also):
    plant(machine)
    status, checks = machine.doctor(DEVICE)
    short = {name.removeprefix(f"{DEVICE} "): line for name, line in checks.items()}
    assert short[check] == ("PROBLEM", text, command)
    assert {name for name, (result, *_) in short.items() if result == "PROBLEM"} == {check} | also
    assert status == BAD


@pytest.mark.parametrize("plant, check, text, command", [
    (no_kallsyms, "kernel", "/proc/kallsyms cannot be read", "grep -w vfio_pci_core_feature_alias /proc/kallsyms"),
    (lambda machine: lockdown(machine, b"\x7fELF" + SIGNATURE), "signature",
     f"lockdown (integrity): the key of /{MODULE} must be enrolled",
     f"mokutil --test-key /var/lib/dkms/mok.pub; if it is not enrolled: {ENROL}"),
    (lockdown_compressed, "signature", f"lockdown (integrity): the key of /{MODULE}.zst must be enrolled",
     f"mokutil --test-key /var/lib/dkms/mok.pub; if it is not enrolled: {ENROL}"),
    (securityfs_not_mounted, "signature", "/sys/kernel/security/lockdown cannot be read",
     "mount -t securityfs securityfs /sys/kernel/security"),
    (no_cpuinfo, "PAT", "/proc/cpuinfo shows no processor's flags", "grep -w pat /proc/cpuinfo"),
    (no_iommu_no_config, "IOMMU", "there are no IOMMU groups, and whether the kernel has a no-IOMMU mode is not shown",
     "modprobe vfio; cat /sys/module/vfio/parameters/enable_unsafe_noiommu_mode"),
    (none_prefetchable, "BARs", "none is prefetchable: BAR0 64 KiB",
     "see the driver's guide: only its own requests get write-combining"),
    (no_limits, "locked memory", "/proc/self/limits does not show it", "ulimit -l"),
    (huge_pages_not_shown, HUGE, "the kernel shows none", "grep Huge /proc/meminfo")])
def test_unknown(machine, plant, check, text, command):
    plant(machine)
    _, checks = machine.doctor(DEVICE)
    short = {name.removeprefix(f"{DEVICE} "): line for name, line in checks.items()}
    assert short[check] == ("unknown", text, command)


def lockdown_none(machine):
    machine.remove("sys/kernel/security/lockdown")
    module_not_loaded(machine)


def arm64(machine):
    machine.write("proc/cpuinfo", "processor\t: 0\nFeatures\t: fp asimd\n")


def unlimited(machine):
    memlock(machine)
    machine.write("proc/self/limits", "Max locked memory         unlimited            unlimited            bytes\n")


def series_display(machine):
    intel_display(machine)
    machine.series()


def series_locked(machine):
    lockdown(machine)
    machine.series()


def noiommu_node(machine):
    machine.write("dev/vfio/noiommu-3", "")


def noiommu_on(machine):
    no_iommu(machine, "Y\n")


@pytest.mark.parametrize("plant, check, text", [
    (Machine.series, "kernel", f"{RELEASE} has the series"),
    (lockdown_none, "signature", "the kernel loads modules without a signature"),
    (series_locked, "signature", "what gives alias regions is already running"),
    (arm64, "PAT", "not needed: this is not an x86 processor"),
    (noiommu_node, "node", "/dev/vfio/noiommu-3 may be opened"),
    (noiommu_on, "IOMMU", "the no-IOMMU mode is on: devices can access all memory"),
    (series_display, "display", "the series serves it"),
    (unlimited, "locked memory", "limit unlimited")])
def test_ok(machine, plant, check, text):
    plant(machine)
    _, checks = machine.doctor(DEVICE)
    short = {name.removeprefix(f"{DEVICE} "): line for name, line in checks.items()}
    assert short[check] == ("ok", text, "")


def test_other_device_of_intel(machine):
    machine.device(DEVICE, ident=("0x8086", "0x1592"), class_="0x020000")
    assert f"{DEVICE} display" not in machine.doctor(DEVICE)[1]


def test_bar_without_an_address(machine):
    """It has its line beside the list."""
    bar_without_address(machine)
    out = machine.run("doctor", status=BAD).out
    assert f"PROBLEM {DEVICE} BARs: BAR0 has no address -> boot with pci=realloc" in out.splitlines()


def test_no_device(machine):
    unbound(machine)
    _, checks = machine.doctor()
    assert checks["device"] == ("unknown", "none is bound to vfio-pci", "vfio-wc doctor BDF, as lspci -D shows it")


def test_every_bound_device(machine):
    machine.device(OTHER, group="4")
    machine.device("0000:00:06.0", driver="e1000e", group="5")
    _, checks = machine.doctor()
    assert f"{DEVICE} driver" in checks and f"{OTHER} driver" in checks and "0000:00:06.0 driver" not in checks


# DPDK: its program is run only on this machine.

@pytest.fixture
def doctor(program, tmp_path):
    """Have a dpdk-testpmd of one script in PATH; the line about it."""
    def check(script):
        if script is not None:
            path = tmp_path / "dpdk-testpmd"
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)
        result = vfio_wc.run(program, "doctor", env=os.environ | {"PATH": f"{tmp_path}:/usr/bin:/bin"})
        assert result.status in (BAD, UNKNOWN, GOOD)
        return parse_doctor(result.out)["DPDK"]

    return check


@pytest.mark.parametrize("script, result, text", [
    ("[ $* = --help ] && echo '  --vfio-wc[=MODE]'", "ok", "dpdk-testpmd has the option --vfio-wc"),
    ("echo '  --vfio-intr'", "PROBLEM", "dpdk-testpmd has no option --vfio-wc"),
    ("echo '  --vfio-wc'; exit 1", "unknown", "there is no dpdk-testpmd in PATH that prints its help"),
    ("kill -9 $$", "unknown", "there is no dpdk-testpmd in PATH that prints its help"),
    ("yes", "unknown", "there is no dpdk-testpmd in PATH that prints its help"),
    (None, "unknown", "there is no dpdk-testpmd in PATH that prints its help")])
def test_dpdk(doctor, script, result, text):
    assert doctor(script)[:2] == (result, text)


def test_text_is_printable(machine):
    machine.write("sys/module/vfio_pci/version", "wc-\x1b[31m\n")
    machine.link(f"{AT}/driver", "x/a\n\x1b")
    out = machine.run("doctor", DEVICE).out
    assert re.fullmatch(r"[ -~\n]*", out) and r"bound to a\x0a\x1b" in out


def test_this_machine(program):
    assert parse_doctor(vfio_wc.run(program, "doctor").out)


def test_not_root(program):
    """What this user cannot open is a problem, what he cannot read is unknown."""
    if os.geteuid() != 0:
        pytest.skip("only root can run the program as another user")
    with vfio_wc.open_machine(program) as machine:
        machine.process(312)
        assert machine.doctor(DEVICE, **AS_NOBODY)[1][f"{DEVICE} node"][0] == "PROBLEM"
        machine.path("dev/vfio/3").chmod(0o666)
        status, checks = machine.doctor(DEVICE, **AS_NOBODY)
        assert status == UNKNOWN and checks[f"{DEVICE} node"] == ("ok", "/dev/vfio/3 may be opened", "")
        machine.path("proc/312/maps").chmod(0)
        _, checks = machine.doctor(DEVICE, **AS_NOBODY)
        assert checks[f"{DEVICE} sysfs"] == ("unknown", "processes that may not be read: 1", "run as root")
