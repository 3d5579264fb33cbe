# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""A short run of what devtools/wc-stress does at length, on kernels without debug options, and controls."""

import re

import pytest

from bench import wc_stress
from harness import IVSHMEM_SIZE, kernel_log
from harness.guest import Guest, ivshmem

BASES = ["6.12", "7.3"]


class Machine:
    """A guest with an ivshmem behind a root port, which has resets."""

    def __init__(self, kernel, memory, guest_program):
        self.programs = {name: guest_program(f"kernel/{name}") for name in wc_stress.PROGRAMS}
        path = memory(f"stress-{kernel.replace('/', '-')}", IVSHMEM_SIZE)
        self.guest = Guest(kernel=kernel, devices=ivshmem(path, IVSHMEM_SIZE, root_port=True))

    def __enter__(self):
        self.guest.__enter__()
        self.bdf = self.guest.take("1af4:1110")
        return self

    def __exit__(self, *exception):
        self.guest.__exit__(*exception)

    def run(self, program, options=""):
        return self.guest.run(f"{self.programs[program]} {self.bdf} {options}", timeout=300)


@pytest.mark.parametrize("base", BASES)
def test_stress_and_fuzz(memory, guest_program, base):
    with Machine(f"{base}/full", memory, guest_program) as machine:
        stress = machine.run("alias-stress", "--operations 20000")
        assert stress.rc == 0, stress.out + stress.err
        # All of it was done, and says by what seed it can be done again.
        assert re.search(r"^# seed \d+, 20000 operations", stress.out, re.M), stress.out
        assert int(re.search(r"^# +(\d+) in all", stress.out, re.M).group(1)) >= 20000, stress.out
        # What cannot find the list does not check it.
        assert re.search(r"^# list of mappings: /sys/kernel/debug/\S+/alias_mappings$", stress.out, re.M), stress.out
        fuzz = machine.run("alias-fuzz", "--inputs 20000")
        assert fuzz.rc == 0, fuzz.out + fuzz.err
        answered, refused = re.search(r"^# 20000 inputs; (.*) answered; refused for one reason alone: (.*)$", fuzz.out,
                                      re.M).groups()
        # Every operation has worked, and every single reason to refuse it has been tried.
        assert all(int(number) > 0 for number in re.findall(r"\b\d+\b", f"{answered} {refused}")), fuzz.out
        log = machine.guest.run("dmesg", check=True).out
        assert kernel_log.find_reports(log.splitlines()) == []


@pytest.mark.each_kernel
@pytest.mark.parametrize("base", BASES)
def test_stress_notices_mappings_that_are_not_revoked(memory, guest_program, base):
    with Machine(f"{base}/no-zap", memory, guest_program) as machine:
        stress = machine.run("alias-stress", "--operations 20000")
        assert stress.rc == 1 and "not ok 1 - stress" in stress.out, stress.out
        assert re.search(r"no SIGBUS at .* though memory is off|of BAR2 is \S+, not ", stress.out), stress.out


def test_fuzz_and_faults_notice_a_kernel_without_what_they_need(memory, guest_program):
    with Machine("vfio-6.12", memory, guest_program) as machine:
        fuzz = machine.run("alias-fuzz", "--inputs 20000")
        assert fuzz.rc == 1 and "not ok 1 - answers" in fuzz.out, fuzz.out
        assert "Inappropriate ioctl for device, reasons to refuse it: none" in fuzz.out, fuzz.out
        # Without fault injection there is nothing to find, which must not look like nothing found.
        faults = machine.run("alias-faults")
        assert faults.rc == 1 and "Bail out!" in faults.out, faults.out


STACK = """Call Trace:
 <TASK>
 dump_stack_lvl+0x50/0x80
 should_fail_ex+0x10a/0x140
 should_failslab+0x5/0x20
 __kmalloc_node_track_caller_noprof+0x5a/0x3d0
 ? vfio_info_cap_add+0x40/0x120
 krealloc_noprof+0x61/0xa0
 vfio_info_cap_add+0x40/0x120
 vfio_info_add_capability+0x1b/0x50
 vfio_pci_alias_region_info+0xd7/0x130
 </TASK>"""


def test_failing_site_is_named_by_who_allocates():
    log = ["alias-faults: get-region-info slab 1", "FAULT_INJECTION: forcing a failure.",
           "name failslab, interval 1, probability 0, space 0, times -1", *STACK.splitlines(), "alias-faults: end"]
    sites = wc_stress.failing_sites(log * 2 + log[1:-1])
    assert sites == {("failslab", True, "vfio_info_cap_add+0x40 < vfio_info_add_capability+0x1b < "
                      "vfio_pci_alias_region_info+0xd7"): 2}


def test_functions_of_the_module_are_near_vfio():
    frames = ["kmalloc+0x1/0x2", "wc_mmap+0x1f/0x200 [vfio_pci]", "mmap_region+0x1/0x2", " </TASK>"]
    log = ["alias-faults: first-mmap slab 1", "name failslab, interval 1", *(f" {frame}" for frame in frames)]
    assert wc_stress.failing_sites([*log, "alias-faults: end"]) == {
        ("failslab", True, "wc_mmap+0x1f < mmap_region+0x1"): 1}


@pytest.mark.parametrize("config, missing", [("m", []), ("y", ["CONFIG_VFIO_PCI=m"])])
def test_last_fragment_with_an_option_decides(tmp_path, config, missing):
    fragments = [wc_stress.TOP / f"harness/guest-kernel{suffix}.config" for suffix in ("", "-debug")]
    asked = "".join(path.read_text() for path in fragments).replace("CONFIG_VFIO_PCI=y", f"CONFIG_VFIO_PCI={config}")
    (tmp_path / ".config").write_text(asked)
    assert wc_stress.missing_options(tmp_path, "module-debug") == missing


@pytest.mark.parametrize("line", [
    "BUG: KASAN: slab-use-after-free in vfio_pci_alias_find+0x10/0x20", "WARNING: CPU: 0 PID: 1 at mm/memory.c:1",
    "WARNING: possible circular locking dependency detected", "UBSAN: array-index-out-of-bounds in a.c:1:2",
    "BUG: sleeping function called from invalid context at kernel/locking/mutex.c:1",
    "kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)", "INFO: task a:1 blocked for more than"])
def test_report_is_noticed(line):
    assert [report[0] for report in kernel_log.find_reports(["before", line, "after"])] == [line]


def test_known_report_is_told_from_others():
    known, other = ("BUG: KASAN: use-after-free in acpi_ns_get_attached_object+0x1/0x2", ""), ("BUG: KASAN: x in y", "")
    assert wc_stress.split_known([known, other]) == ([other], [known])


def test_log_that_was_read_twice_and_has_gaps():
    text = "6,1,10,-;one\n6,2,11,-;two\\x0alines\n SUBSYSTEM=pci\n6,1,10,-;one\n6,2,11,-;two\\x0alines\n6,5,12,-;five\n"
    assert wc_stress.parse_kmsg(text) == (["one", "two", "lines", "five"], 2)


def test_races_are_sorted_by_who_is_in_the_stacks():
    def report(headline, frame):
        return ["=" * 66, f"BUG: KCSAN: data-race in {headline}", "", "write to 0xffff888000000000 of 4 bytes:",
                f" {frame}+0x1/0x2", "=" * 66]

    lines = report("a / b", "vfio_pci_core_mmap") + report("c / d", "tick_nohz_stop_tick")
    vfio, others = wc_stress.split_kcsan(lines)
    assert list(vfio) == ["data-race in a / b"] and list(others) == ["data-race in c / d"]


@pytest.mark.parametrize("change, said", [
    (lambda numbers, slabs, resources: numbers.update(MemFree=1), "KiB of memory"),
    (lambda numbers, slabs, resources: slabs.update(vma=5000), "objects of vma"),
    (lambda numbers, slabs, resources: resources.append("uncached-minus @ 1-2"), "uncached-minus @ 1-2")])
def test_what_is_not_given_back_is_noticed(change, said):
    def state():
        return {"MemFree": 100000}, {"vma": 100}, ["iomem"]

    after = state()
    assert wc_stress.compare(state(), after) == []
    change(*after)
    assert len(wc_stress.compare(state(), after)) == 1 and said in wc_stress.compare(state(), after)[0]
