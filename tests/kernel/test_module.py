# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""The module of kernel-module/ on Debian's kernels, with planted faults and the kernel's own vfio-pci.ko as controls.

Memory types are read by a test module that shares no code with the module: tests/kernel/module/user_pgtables.c.
"""

import subprocess
from pathlib import Path

import pytest

from harness import TOP, kernel_log, vfio_wc
from harness.guest import PAGE_TABLES, GuestError, build_module
from harness.kernels import DEFAULT_STOCK, STOCK
from harness.vfio_alias import (BAR_SIZE, E1000E, RESETS, REVOKED, TESTS, Holder, Machine, check_mappings,
                                check_mappings_of_several_processes)

PATCHES = TOP / "tests/kernel/module"
# Debian's kernels have no /dev/iommu. 6.1 keeps a page frame number where /proc/PID/maps has an offset, for BARs.
FAIL = {"stock-6.1": {"cdev", "maps-offset"}, "stock-6.12": {"cdev"}, "stock-7.3": {"cdev"}}
# Debian's kernels otherwise take a BAR away from who has mapped it through sysfs when VFIO requests it.
RELAXED = "iomem=relaxed"
MAPPINGS = f"/{vfio_wc.MAPPINGS}"
on_default_kernel = pytest.mark.parametrize("kernel", [DEFAULT_STOCK], indirect=True)


def build_with_faults(kernel, *names):
    return build_module(kernel, *(word for name in names for word in ("--patch", PATCHES / f"{name}.patch")))


class StockMachine(Machine):
    """The same devices on a kernel of Debian, with a vfio-pci.ko: the module, one with faults or the kernel's own."""

    COLUMNS = Machine.COLUMNS.replace(" command", " faults command")

    def __init__(self, kernel, memory, guest_program, driver=None, parameters="", **options):
        super().__init__(kernel, memory, guest_program, **options)
        self.driver = driver
        self.parameters = parameters
        self.pgtables = build_module(kernel, "--source", PAGE_TABLES)
        self.stress = guest_program("kernel/alias-stress")
        self.fuzz = guest_program("kernel/alias-fuzz")

    def prepare(self):
        self.load_driver()
        self.guest.run(f"insmod {self.pgtables}", check=True)

    def load_driver(self):
        self.guest.load_vfio(self.driver and f"{self.driver} {self.parameters}")

    def replace_driver(self, driver=None, parameters=""):
        """Load another vfio-pci.ko in place of the one that is loaded, and let the log begin with it."""
        self.guest.run("""for device in /sys/bus/pci/drivers/vfio-pci/0*; do
                [ ! -e $device ] || { echo >$device/driver_override; echo ${device##*/} >$device/driver/unbind; }
            done
            rmmod vfio_pci && dmesg -C""", check=True)
        self.driver, self.parameters = driver, parameters
        self.load_driver()
        self.bind_devices()
        return self

    def mappings_file(self):
        return MAPPINGS

    def log(self):
        return self.guest.run("dmesg", check=True).out


@pytest.fixture(scope="session")
def program(guest_program, tmp_path_factory):
    """Programs of this directory; for 6.1, which maps BARs with small pages only, they expect no others."""
    def compiled(name, small_pages=False):
        if not small_pages:
            return guest_program(name)
        directory = tmp_path_factory.getbasetemp() / "small-pages"
        directory.mkdir(exist_ok=True)
        source = directory / f"{Path(name).name}.c"
        source.write_text((TOP / f"tests/{name}.c").read_text().replace('" 2M"', '" 4K"'))
        return guest_program(name, source=source, directory=directory)
    return compiled


@pytest.fixture(scope="module", params=STOCK)
def kernel(request):
    return request.param


def machine_on(kernel, memory, program, driver=None, **options):
    return StockMachine(kernel, memory, lambda name: program(name, kernel == "stock-6.1"), driver=driver, **options)


@pytest.fixture(scope="module")
def module(kernel, memory, program):
    with machine_on(kernel, memory, program, build_module(kernel), append=RELAXED, devices=E1000E) as machine:
        yield machine


@pytest.fixture(scope="module")
def stock(kernel, memory, program):
    with machine_on(kernel, memory, program) as machine:
        yield machine


@pytest.fixture(scope="module")
def replace_driver(kernel, memory, program):
    """A function that returns a machine with another vfio-pci.ko each time."""
    with machine_on(kernel, memory, program, append=RELAXED, devices=E1000E) as machine:
        yield machine.replace_driver


# What the module does

@pytest.mark.parametrize("name", TESTS + RESETS)
def test_alias(kernel, module, name):
    assert module.passed(name) == (name not in FAIL[kernel]), module.out


@pytest.mark.each_kernel
@pytest.mark.parametrize("name", TESTS + RESETS)
def test_control_kernels_own_driver(stock, name):
    assert stock.passed(name) == (name == "default-type"), stock.out


@pytest.mark.each_kernel
@pytest.mark.parametrize("kernel", STOCK[1:])
def test_1g(memory, program, kernel):
    with machine_on(kernel, memory, program, build_module(kernel), sizes=[1 << 30, BAR_SIZE, BAR_SIZE]) as machine:
        big = next(bdf for bdf in machine.bdfs if machine.guest.bar(bdf, 2)[1] == 1 << 30)
        results, out = machine.run(big, "types-1g")
        assert results["types-1g"], out


def test_msix_mappable(module):
    results, out = module.run(module.guest.take("8086:10d3"), "msix-mappable")
    assert results["msix-mappable"], out


def test_version(module):
    version = module.guest.run("cat /sys/module/vfio_pci/version", check=True).out.strip()
    assert version == f"wc-{(TOP / 'VERSION').read_text().strip()}"


@pytest.mark.each_kernel
def test_parameters(kernel, module, stock):
    """Those of the kernel's own driver, with their permissions, and one more."""
    listing = "cd /sys/module/vfio_pci/parameters; stat -c '%n %A' *"
    ours, theirs = (machine.guest.run(listing, check=True).out.splitlines() for machine in (module, stock))
    assert sorted(set(ours) - set(theirs)) == ["huge -r--r--r--"] and set(theirs) <= set(ours)


def test_module_aliases(module):
    """What modprobe and driverctl go by."""
    fields = [subprocess.run(["modinfo", "-F", "alias", path], stdout=subprocess.PIPE, text=True, check=True).stdout
              for path in (module.driver, next(module.guest.stock.glob("lib/modules/*/kernel/drivers/vfio/pci/"
                                                                       "vfio-pci.ko*")))]
    assert fields[0] == fields[1] != ""


# Where write-combining cannot be effective

def refused(machine, reason, *names):
    results, out = machine.run(machine.bdfs[0], *names)
    assert all(results[name] for name in names), out
    said = [line for line in machine.log().splitlines() if "no write-combining alias: " in line]
    # Once, however often it is asked for.
    assert len(said) == 1 and reason in said[0], said


@pytest.mark.each_kernel
def test_refused_without_pat(kernel, memory, program):
    with machine_on(kernel, memory, program, build_module(kernel), append="nopat") as machine:
        refused(machine, "the page attribute table (PAT) is off", "eopnotsupp", "default-type")


@pytest.mark.each_kernel
def test_refused_where_the_bar_is_wc(kernel, replace_driver):
    machine = replace_driver(build_module(kernel))
    refused(machine, "BAR 2: another owner, such as a mapping of resource2_wc", "refused-where-wc")


def test_refused_where_a_range_register_says_wc(memory, program):
    with machine_on(DEFAULT_STOCK, memory, program, build_module(DEFAULT_STOCK)) as machine:
        results, out = machine.run(machine.bdfs[0], "types-4k")
        assert results["types-4k"], out
        start, size = machine.guest.bar(machine.bdfs[0], 2)
        machine.guest.run(f"echo 'base={start:#x} size={size:#x} type=write-combining' >/proc/mtrr", check=True)
        refused(machine, "BAR 2: a memory-type range register", "eopnotsupp", "default-type")
        # It covers the BAR of this device only.
        results, out = machine.run(machine.bdfs[2], "types-4k")
        assert results["types-4k"], out


@pytest.mark.parametrize("name", ["granted-where-uc", "stays-uc"])
def test_bar_that_root_has_mapped(module, name):
    results, out = module.run(module.bdfs[0], name)
    assert results[name], out


@pytest.mark.each_kernel
def test_refused_where_it_would_not_be_revoked(kernel, replace_driver):
    machine = replace_driver(build_with_faults(kernel, "no-zap"))
    refused(machine, "would leave it mapped when it revokes mappings", "eopnotsupp", "default-type")


@pytest.mark.each_kernel
def test_control_without_revocation(kernel, replace_driver):
    """Had the module not noticed: only the tests of revocation do, and all of them."""
    machine = replace_driver(build_with_faults(kernel, "no-zap", "no-probe"))
    results, out = machine.run(machine.bdfs[2], *REVOKED, "types-2m", "describe")
    assert results == {name: False for name in REVOKED} | {"types-2m": True, "describe": True}, out


@pytest.mark.each_kernel
def test_entry_that_is_not_wc(kernel, replace_driver):
    """Entries inserted as the kernel's driver does have the tracked type: SIGBUS and a message."""
    machine = replace_driver(build_with_faults(kernel, "insert-tracked"))
    results, out = machine.run(machine.bdfs[0], "types-4k", "default-type", "describe")
    assert results == {"types-4k": False, "default-type": True, "describe": True}, out
    said = [line for line in machine.log().splitlines() if "no write-combining alias: " in line]
    assert len(said) == 1 and "reads back as UC-: SIGBUS" in said[0], said


@pytest.mark.each_kernel
def test_control_without_reading_back(kernel, replace_driver):
    """Had the module not noticed: only the tests that read the type back do, and all of them."""
    machine = replace_driver(build_with_faults(kernel, "insert-tracked", "no-readback"))
    results, out = machine.run(machine.bdfs[0], "types-4k", "types-2m", "types-in-child", "memory-disabled-child",
                               "describe", "deduplicated")
    assert results == {"types-4k": False, "types-2m": False, "types-in-child": False,
                       "memory-disabled-child": True, "describe": True, "deduplicated": True}, out
    with Holder(machine) as hold:
        hold("touch 0")
        line, = machine.mappings()
        assert (line["asked"], line["effective"]) == ("WC", "UC-")


# What it shows

def test_mappings(kernel, module):
    check_mappings(module, huge=kernel != "stock-6.1")


def test_mappings_of_several_processes(module):
    check_mappings_of_several_processes(module)


def test_faults_are_counted(kernel, module):
    with Holder(module, offset=0x200000) as hold:
        hold("touch 0", "touch 3", "touch 3")
        line, = module.mappings()
        assert line["faults"] == ("1" if kernel != "stock-6.1" else "2")
        hold("memory 0", "memory 1", "touch 3")
        assert int(module.mappings()[0]["faults"]) == int(line["faults"]) + 1


def test_mappings_are_for_root(module):
    assert module.guest.run(f"stat -c %a {MAPPINGS}", check=True).out.strip() == "400"


@on_default_kernel
def test_small_pages_on_request(kernel, replace_driver):
    machine = replace_driver(build_module(kernel), "huge=0")
    with Holder(machine) as hold:
        hold("touch 0", "touch 511")
        line, = machine.mappings()
        assert (line["effective"], line["n4k"], line["n2m"]) == ("WC", "2", "0")


@pytest.mark.each_kernel
def test_reading_while_mappings_come_and_go(module):
    """The file is read all the time while processes map, fault, split and unmap: nothing hangs, nothing is reported."""
    reader = module.guest.start(f"while [ ! -e /run/stop ]; do cat {MAPPINGS}; done | grep -c ' WC '")
    stress = module.guest.run(f"{module.stress} {module.bdfs[0]} --operations 20000; rc=$?; touch /run/stop; exit $rc",
                              timeout=300)
    assert stress.rc == 0, stress.out + stress.err
    result = reader.wait(60)
    module.guest.run("rm /run/stop", check=True)
    assert int(result.out) > 0 and result.rc == 0, result


# Stress, fuzz, coming and going

@pytest.mark.each_kernel
def test_stress_and_fuzz(module):
    bdf = module.bdfs[2]
    for command in f"{module.stress} {bdf} --operations 20000", f"{module.fuzz} {bdf} --inputs 20000":
        result = module.guest.run(command, timeout=300)
        assert result.rc == 0, result.out + result.err
    assert kernel_log.find_reports(module.log().splitlines()) == []


@pytest.mark.each_kernel
def test_unload_and_back(kernel, replace_driver):
    """Not while something is mapped; then the kernel's own driver, which knows nothing of aliases, and back again."""
    machine = replace_driver(build_module(kernel))
    bdf = machine.bdfs[0]
    with Holder(machine) as hold:
        hold("touch 0")
        assert machine.guest.run("rmmod vfio_pci").rc != 0
    replace_driver()
    machine.guest.run("[ ! -e /sys/kernel/debug/vfio_pci_wc ]", check=True)
    results, out = machine.run(bdf, "enotty", "default-type")
    assert results["enotty"] and results["default-type"], out
    replace_driver(build_module(kernel))
    results, out = machine.run(bdf, "types-4k")
    assert results["types-4k"], out


# What is vfio-pci's own

@on_default_kernel
def test_ids(kernel, replace_driver):
    """The device that no test binds by name has a driver by them."""
    machine = replace_driver(build_module(kernel))
    driver = f"readlink /sys/bus/pci/devices/{machine.bdfs[1]}/driver"
    assert machine.guest.run(driver).rc != 0
    replace_driver(build_module(kernel), "ids=1af4:1110,nonsense")
    assert machine.guest.run(driver, check=True).out.strip().endswith("/vfio-pci")
    assert 'ids: "nonsense" is not vendor:device' in machine.log()


@on_default_kernel
def test_intel_display_is_refused(kernel, replace_driver):
    """QEMU has no such device: for the test, network devices are displays."""
    machine = replace_driver(build_with_faults(kernel, "intel-network"))
    bdf = machine.guest.find("8086:10d3")
    with pytest.raises(GuestError):
        machine.guest.bind(bdf)
    assert machine.log().count(f"vfio-pci {bdf}: Intel display devices need the distribution's vfio-pci") == 1


def test_intel_device_that_is_none(module):
    bdf = module.guest.take("8086:10d3")
    assert "Intel display devices need" not in module.log(), bdf
