# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""The project's version, for tools and reports."""

import subprocess

from harness import TOP

VERSION = (TOP / "VERSION").read_text().strip()


def describe():
    """The version; in a checkout with the commit, so that a figure can be traced."""
    try:
        git = subprocess.run(["git", "-C", TOP, "describe", "--always", "--dirty"], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, text=True)
    except OSError:
        return VERSION
    return f"{VERSION} ({git.stdout.strip()})" if git.returncode == 0 else VERSION


def made_with(version):
    """A line of a report."""
    return f"Made with dpdk-vfio-wc {version}."
