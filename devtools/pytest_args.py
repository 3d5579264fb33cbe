# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Check pytest's arguments for tools that have long steps before they run it: pytest_args.py ARGUMENTS...

Prints in one line what is wrong with them, and exits with 1. No test is imported. Without pytest nothing is checked.
"""

import contextlib
import importlib.util
import io
import sys
from pathlib import Path


def complaint(arguments):
    """The error that pytest reports, None if there is none."""
    import pytest

    class Check:
        """Stops pytest once it has read its arguments."""

        @pytest.hookimpl(tryfirst=True)
        def pytest_cmdline_main(self, config):
            for argument in config.args:
                if not Path(argument.partition("::")[0]).exists():
                    raise pytest.UsageError(f"error: file or directory not found: {argument}")
            return 0

    with contextlib.redirect_stderr(io.StringIO()) as said, contextlib.redirect_stdout(said):
        status = pytest.main(["-p", "no:cacheprovider", *arguments], plugins=[Check()])
    if status == 0:
        return None
    lines = said.getvalue().strip().splitlines() or [f"pytest exits with {status}"]
    return next((line.partition("error: ")[2] for line in lines if "error: " in line), lines[-1])


if __name__ == "__main__":
    text = complaint(sys.argv[1:]) if importlib.util.find_spec("pytest") else None
    if text:
        print(text)
        sys.exit(1)
