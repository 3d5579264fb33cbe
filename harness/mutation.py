# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""A small change in a named function of a C source, for tests of tests."""

import re


class MutationError(Exception):
    """The source does not have what is to be changed, or has it more than once; the text names it."""


def definition(text, name):
    """(start, end) of a function's definition in DPDK's style, or of what a macro is defined as."""
    found = list(re.finditer(rf"^{name}\([^;{{}}]*\)\n\{{\n(.*?)^\}}$|^#define {name} ([^\n]*)$", text, re.M | re.S))
    if len(found) != 1:
        raise MutationError(f"{len(found)} definitions of {name}, where one is expected")
    return found[0].span(found[0].lastindex)


def mutate(text, name, old, new):
    """The source with a fragment of the function or macro replaced."""
    start, end = definition(text, name)
    number = text.count(old, start, end)
    if number != 1:
        raise MutationError(f"'{old}' stands {number} times in {name}, where once is expected")
    place = text.index(old, start, end)
    return text[:place] + new + text[place + len(old):]
