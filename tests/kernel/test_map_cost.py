# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Page faults that it takes to touch a BAR of 1 GiB and its alias: as many for the one as for the other."""

import pytest

from harness.guest import Guest, ivshmem
from harness.shell import Shell

GIB1 = 1 << 30
# By the largest page that the address allows. One page shifted, 2 MiB pages fit from the next 2 MiB on.
FAULTS = {"1G": 1, "2M": GIB1 >> 21, "4K": GIB1 >> 12}


@pytest.mark.each_kernel
@pytest.mark.parametrize("kernel", ["6.12/full", "7.3/full", "7.3/compact"])
def test_alias_takes_as_many_faults_as_the_bar(kernel, memory, guest_program):
    path = memory("map-cost", GIB1)
    with Guest(kernel=kernel, devices=ivshmem(path, GIB1)) as guest:
        bdf = guest.take("1af4:1110")
        out = guest.run(f"{guest_program('kernel/map-cost')} {bdf}", timeout=120, check=True).out
    path.unlink()
    found = {(name, level): (int(faults), kind)
             for name, level, faults, _usec, *kind in map(str.split, out.splitlines())}
    for level, faults in FAULTS.items():
        assert found["bar", level] == (faults, ["UC-", level]), out
        assert found["alias", level] == (faults, ["WC", level]), out


@pytest.mark.each_kernel
@pytest.mark.parametrize("kernel, append", [("6.12/full", ""), ("7.3/full", ""),
                                            ("7.3/compact", "vfio_pci.compact_offsets=1")])
def test_rte_pci_map_wc_takes_one_fault(kernel, append, release):
    with Guest(kernel=kernel, devices=["-device", "pci-testdev,membar=1G"], append=f"hugepages=64 {append}") as guest:
        bdf = guest.take("1b36:0005")
        shell = Shell(guest, release, f"-a {bdf} --vfio-wc")
        address = shell(f"map 2 0 {GIB1}")
        assert shell(f"touch {address} {GIB1}").split()[0] == "1"
        assert shell.type_at(address) == "WC 1G"
        shell.quit()


@pytest.mark.parametrize("option, kind", [("--vfio-wc=auto,{bdf}=auto", "WC"), ("", "UC-")])
def test_bar_mapped_by_the_bus_takes_one_fault(option, kind, release):
    """Also one that is mapped write-combining for a driver with RTE_PCI_DRV_WC_ACTIVATE."""
    with Guest(kernel="6.12/full", devices=["-device", "pci-testdev,membar=1G"], append="hugepages=64") as guest:
        bdf = guest.take("1b36:0005")
        shell = Shell(guest, release, f"-a {bdf} {option.format(bdf=bdf)}", "WC_TEST_ACTIVATE=1")
        address = shell("bar 2")
        assert shell(f"touch {address} {GIB1}").split()[0] == "1"
        assert shell.type_at(address) == f"{kind} 1G"
        shell.quit()
