# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Room on disk and in memory, checked before anything is fetched or built."""

import re
import shutil

import pytest

from harness import kernels, tool

EXISTING = 1 << 40  # MiB, more than any disk has


@pytest.mark.quick
def test_room_for_what_is_missing(tmp_path):
    (tmp_path / "there").mkdir()
    tool.need_disk({tmp_path / "there": EXISTING, tmp_path / "new/kernel": 0})


@pytest.mark.quick
def test_too_little_room(tmp_path):
    """What is missing is summed up; the message names both amounts, the place and the remedy."""
    free = shutil.disk_usage(tmp_path).free >> 20
    half = free * 3 // 4
    with pytest.raises(tool.ToolError, match=re.escape(f"takes {2 * half} MiB in {tmp_path}, where ") + r"\d+ MiB are "
                       "free: free some space, or set XDG_CACHE_HOME"):
        tool.need_disk({tmp_path / "a/b": half, tmp_path / "c": half})
    tool.need_disk({tmp_path / "a/b": half})


@pytest.mark.quick
def test_too_little_memory():
    tool.need_memory(1)
    with pytest.raises(tool.ToolError, match=r"take \d+ MiB of memory, of which \d+ MiB are available"):
        tool.need_memory(EXISTING)


@pytest.mark.quick
@pytest.mark.parametrize("name", kernels.NAMES)
def test_room_of_each_kernel(name):
    """In the directory that devtools/stock-kernel and devtools/build-kernel use."""
    (path,) = kernels.room(name)
    assert str(path).endswith({"stock-6.1": "stock/6.1", "stock-6.12": "stock/6.12", "stock-7.3": "stock/7.3",
                               "series-6.12": "kernel/tree-6.12", "series-7.3": "kernel/tree-7.3"}[name])
