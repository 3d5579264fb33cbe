# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Alias regions of the patched kernels, with the unpatched kernel and those without the x86 part as controls."""

import re

import pytest

from harness.guest import kernel_dir
from harness.vfio_alias import (BAR_SIZE, E1000E, LOOK_AT_TYPE, RESETS, REVOKED, TESTS, Machine, check_mappings,
                                check_mappings_of_several_processes)

VIRTIO_NET = ["-netdev", "hubport,hubid=0,id=n0", "-device", "virtio-net-pci,netdev=n0,disable-legacy=on"]


@pytest.fixture(scope="module", params=["6.12", "7.3"])
def base(request):
    return request.param


@pytest.fixture(scope="module")
def full(base, memory, guest_program):
    with Machine(f"{base}/full", memory, guest_program, devices=VIRTIO_NET + E1000E) as machine:
        yield machine


@pytest.fixture(scope="module")
def no_x86(base, memory, guest_program):
    with Machine(f"{base}/no-x86", memory, guest_program) as machine:
        yield machine


@pytest.fixture(scope="module")
def no_zap(base, memory, guest_program):
    with Machine(f"{base}/no-zap", memory, guest_program) as machine:
        yield machine


@pytest.fixture(scope="module")
def unpatched(memory, guest_program):
    with Machine("6.12/unpatched", memory, guest_program) as machine:
        yield machine


@pytest.fixture(scope="module", params=[pytest.param("", marks=pytest.mark.each_kernel), "vfio_pci.compact_offsets=1"],
                ids=["legacy", "compact"])
def offsets(request, memory, guest_program):
    """The compact-offsets series, in both layouts."""
    with Machine("7.3/compact", memory, guest_program, append=request.param, devices=E1000E) as machine:
        machine.compact = request.param != ""
        yield machine


@pytest.mark.quick
@pytest.mark.parametrize("name", TESTS + RESETS)
def test_series(full, name):
    assert full.passed(name), full.out


@pytest.mark.parametrize("name", TESTS + RESETS)
def test_offsets_from_the_tree(offsets, name):
    """Nothing that user space is promised depends on the layout."""
    assert offsets.passed(name), offsets.out


def test_layout(offsets):
    """Legacy offsets where they were, compact ones within 32 bits, aliases packed in both."""
    out = offsets.guest.run(f"{offsets.map_cost} {offsets.bdfs[0]}", timeout=120, check=True).err
    bar, config, alias = (int(word, 16) for word in re.search(r"offsets: (\S+) (\S+) (\S+)", out).groups())
    if offsets.compact:
        assert max(bar, config, alias) + BAR_SIZE < 1 << 32 and 2 * BAR_SIZE >= bar, out
    else:
        assert (bar, config) == (2 << 40, 7 << 40) and alias == 9 << 40, out


def test_mappings(full):
    """What the kernel shows of them, in debugfs."""
    check_mappings(full)


def test_mappings_of_several_processes(full):
    check_mappings_of_several_processes(full)


def test_mappings_in_the_tree(offsets):
    check_mappings(offsets)


@pytest.mark.each_kernel
def test_mappings_that_are_not_write_combining(no_x86):
    """The control: what is shown is what the page tables have, not what was asked for."""
    check_mappings(no_x86, effective="UC-")


def test_mappings_are_for_root(full):
    assert full.guest.run(f"stat -c %a {full.mappings_file()}", check=True).out.strip() == "400"


@pytest.mark.each_kernel
@pytest.mark.parametrize("name", TESTS + RESETS)
def test_control_without_x86_patch(no_x86, name):
    """Only the tests that read the type back fail: that is why they have to read it back."""
    assert no_x86.passed(name) == (name not in LOOK_AT_TYPE), no_x86.out


@pytest.mark.each_kernel
@pytest.mark.parametrize("name", TESTS + RESETS)
def test_control_unpatched(unpatched, name):
    """Only what has nothing to do with aliases works."""
    assert unpatched.passed(name) == (name == "default-type"), unpatched.out


@pytest.mark.each_kernel
@pytest.mark.parametrize("name", TESTS + RESETS)
def test_control_without_revocation(no_zap, name):
    """Only the tests of revocation notice that aliases are left alone, and all of them do."""
    assert no_zap.passed(name) == (name not in REVOKED), no_zap.out


@pytest.mark.parametrize("variant, passes", [("full", True),
                                             pytest.param("no-x86", False, marks=pytest.mark.each_kernel)])
def test_1g(base, memory, guest_program, variant, passes):
    with Machine(f"{base}/{variant}", memory, guest_program, sizes=[1 << 30, BAR_SIZE, BAR_SIZE]) as machine:
        big = next(bdf for bdf in machine.bdfs if machine.guest.bar(bdf, 2)[1] == 1 << 30)
        results, out = machine.run(big, "types-1g")
        assert results["types-1g"] == passes, out
        # Nothing else than the type is different.
        assert passes or "is UC- 1G, expected WC 1G" in out


def test_msix_mappable(full):
    bdf = full.guest.take("8086:10d3")
    results, out = full.run(bdf, "msix-mappable")
    assert results["msix-mappable"], out


@pytest.mark.parametrize("name", ["refused-where-wc", "granted-where-uc", "stays-uc"])
def test_bar_that_root_has_mapped(full, name):
    """An alias is granted only next to a default mapping that is UC-."""
    results, out = full.run(full.bdfs[0], name)
    assert results[name], out


def test_first_use_at_once(full):
    results, out = full.run(full.bdfs[0], "first-use-at-once")
    assert results["first-use-at-once"], out


def load_narrow_driver(machine, bdf, alias, odd=0):
    """The driver that hides half of BAR 2, bound to a device."""
    module = f"{kernel_dir(machine.kernel)}/narrow_vfio_pci.ko"
    machine.guest.bind(bdf, "")
    machine.guest.run(f"rmmod narrow_vfio_pci 2>/dev/null; insmod {module} alias={alias} odd={odd}", check=True)
    machine.guest.bind(bdf, "narrow_vfio_pci")


def test_variant_drivers(base, full):
    """In 7.3 virtio's offers aliases, which are what vfio-pci's are; in 6.12 no variant driver does."""
    bdf = full.guest.find("1af4:1041")
    full.guest.bind(bdf, "virtio_vfio_pci")
    results, out = full.run(bdf, "enotty")
    assert results["enotty"] == (base == "6.12"), out
    # The same device with plain vfio-pci: the driver makes the difference.
    full.guest.bind(bdf, "vfio-pci")
    results, out = full.run(bdf, "enotty")
    assert not results["enotty"], out


def test_narrowing_driver_that_does_not_know_of_aliases(full):
    load_narrow_driver(full, full.bdfs[1], alias=0)
    results, out = full.run(full.bdfs[1], "enotty", "narrow-bar")
    assert results["enotty"] and results["narrow-bar"], out


def check_narrowing(machine):
    # What is hidden starts at a page, or in one: then that page is hidden as a whole.
    for odd in 0, 1:
        load_narrow_driver(machine, machine.bdfs[1], alias=1, odd=odd)
        results, out = machine.run(machine.bdfs[1], "narrow-bar", "narrow-alias")
        assert results["narrow-bar"] and results["narrow-alias"], out
    # The same device with plain vfio-pci is not narrow: the tests would notice.
    machine.guest.bind(machine.bdfs[1])
    results, out = machine.run(machine.bdfs[1], "narrow-bar", "narrow-alias")
    assert not results["narrow-bar"] and not results["narrow-alias"], out


@pytest.mark.parametrize("base", ["7.3"], indirect=True)
def test_narrowing_holds_for_aliases(full):
    check_narrowing(full)


def test_narrowing_holds_for_aliases_in_the_tree(offsets):
    check_narrowing(offsets)


def test_enospc(memory, guest_program):
    with Machine("6.12/one-alias", memory, guest_program) as machine:
        results, out = machine.run(machine.bdfs[0], "enospc")
        assert results["enospc"], out


def test_enospc_needs_the_limit(full):
    results, out = full.run(full.bdfs[0], "enospc")
    assert not results["enospc"], out


def test_eopnotsupp_with_nopat(base, memory, guest_program):
    with Machine(f"{base}/full", memory, guest_program, append="nopat") as machine:
        results, out = machine.run(machine.bdfs[0], "eopnotsupp", "default-type")
        assert results["eopnotsupp"] and results["default-type"], out


def test_eopnotsupp_needs_nopat(full):
    results, out = full.run(full.bdfs[0], "eopnotsupp")
    assert not results["eopnotsupp"], out


# A second user of fault-inserted pfnmaps, on the spare device that no driver has.

def tracked_type(track, level):
    """What x86 maps where it goes by the tracked type alone."""
    if (track, level) == ("wt", "2M"):
        # The insert sets the PAT bit where 4 KiB entries have it, which a PMD uses otherwise.
        return "UC"
    return {"": "UC-", "uc-": "UC-", "uc": "UC", "wc": "WC", "wt": "WT"}[track]


def pfnmap_type(machine, node, size, track=""):
    guest = machine.guest
    if guest.run("[ -e /dev/pfnmap_probe ]").rc != 0:
        guest.run(f"insmod {kernel_dir(machine.kernel)}/pfnmap_probe.ko", check=True)
    start, length = guest.bar(machine.bdfs[1], 2)
    text = f"{track} {start:x} {length:x}" if track else ""
    return guest.run(f"{machine.map_type} /dev/{node} {start} {size} {text and repr(text)}",
                     check=True).out.strip()


@pytest.mark.parametrize("track", ["", "uc-", "uc", "wc", "wt"])
@pytest.mark.parametrize("size, level", [(4 << 10, "4K"), (2 << 20, "2M")])
def test_pfnmap_that_does_not_opt_in_is_unchanged(full, size, level, track):
    assert pfnmap_type(full, "pfnmap_probe", size, track) == f"{tracked_type(track, level)} {level}"


@pytest.mark.each_kernel
@pytest.mark.parametrize("track", ["", "uc-", "uc", "wc", "wt"])
@pytest.mark.parametrize("size, level", [(4 << 10, "4K"), (2 << 20, "2M")])
def test_pfnmap_of_an_unpatched_kernel(unpatched, size, level, track):
    """The same, so that it is unchanged."""
    assert pfnmap_type(unpatched, "pfnmap_probe", size, track) == f"{tracked_type(track, level)} {level}"


@pytest.mark.each_kernel
@pytest.mark.parametrize("track", ["", "uc-", "uc", "wc", "wt"])
@pytest.mark.parametrize("size, level", [(4 << 10, "4K"), (2 << 20, "2M")])
def test_pfnmap_that_opts_in_gets_wc_over_uc_minus_only(full, no_x86, size, level, track):
    without = tracked_type(track, level)
    expected = "WC" if without == "UC-" else without
    assert pfnmap_type(no_x86, "pfnmap_probe_any", size, track) == f"{without} {level}"
    assert pfnmap_type(full, "pfnmap_probe_any", size, track) == f"{expected} {level}"


on_remapped = pytest.mark.parametrize("resource, expected", [("resource2", "UC- 4K"), ("resource2_wc", "WC 4K")])


def remapped_type(machine, resource):
    return machine.guest.run(f"{machine.map_type} /sys/bus/pci/devices/{machine.bdfs[1]}/{resource} 0 4096",
                             check=True).out.strip()


@on_remapped
def test_remapped_pfnmap_is_unchanged(full, resource, expected):
    assert remapped_type(full, resource) == expected


@pytest.mark.each_kernel
@on_remapped
def test_remapped_pfnmap_of_an_unpatched_kernel(unpatched, resource, expected):
    assert remapped_type(unpatched, resource) == expected
