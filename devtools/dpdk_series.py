# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Write hooks and overlay as the series that DPDK's maintainers would review, for git am on the newest release.

Each series has its own directory. What only earlier releases need, lib/eal/common/eal_wc_compat.h, is resolved.
"""

import argparse
import pathlib
import re
import shutil
import sys
import tempfile

from devtools.dpdk_hooks import (
    AUTHOR, TOP, VERSION, Edit, Refused, State, Tree, changed_files, check_release, commit_all, git, load_hooks,
    overlay_files,
)

COMPAT = "eal_wc_compat.h"
BRANCH = "series"
# By series: the cover letter, with its subject in the first line, or for a single patch what is below its message
LETTERS = TOP / "dpdk-hooks/letters"
# Beside the overlay: pages of DPDK's guides, and files in upstream/ that only the series have, such as unit tests
GUIDES = "doc/guides"
UPSTREAM = TOP / "dpdk-hooks/upstream"
# In the order in which they can be applied: those that need alias regions in the kernel are requests for comments.
PREFIXES = {"bar-align": "PATCH", "write-combining": "RFC PATCH", "wcio": "RFC PATCH", "net-ivshmem": "RFC PATCH"}
# Headers that the compatibility header includes, by what a file uses of them
HEADERS = {r"\bRTE_EXPORT_": "eal_export.h", r"\brte_atomic_\w+_explicit\b|\bRTE_ATOMIC\b": "rte_stdatomic.h"}
# Macros of the compatibility header
RESOLVED = [
    (r"^PCI_LOG_REGISTER\(\);\n\n", ""),
    (r"^ETH_STATS_GET_DEFINE\(.*\)\n", ""),
    (r"\bETH_STATS_GET\((\w+)\)", r"\1"),
    (r"= PCI_DEVICE_DRIVER\((\w+)\)",
     r"= \1->device.driver == NULL ? NULL :\n\t\tRTE_BUS_DRIVER(\1->device.driver, *driver)"),
]


def resolved(text):
    """A file of the overlay without the compatibility header."""
    if f'#include "{COMPAT}"' not in text:
        return text
    for pattern, replacement in RESOLVED:
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    included = "".join(f"#include <{header}>\n" for use, header in HEADERS.items()
                       if re.search(use, text))
    text = text.replace(f'#include "{COMPAT}"\n', "")
    first = "<rte_" if "#include <rte_" in text else "<"
    return re.sub(f"(?=^#include {first})", included, text, count=1, flags=re.MULTILINE) if included else text


def files_below(directory, top):
    """{path relative to the top: path} of all files."""
    return {str(path.relative_to(top)): path for path in directory.rglob("*") if path.is_file()}


def parts(hooks):
    """{path: text} of all that can belong to a series. Lists of symbols are generated since 25.07."""
    files = {name: TOP / name for name in overlay_files()}
    files |= files_below(TOP / GUIDES, TOP) | files_below(UPSTREAM, UPSTREAM)
    return {name: resolved(path.read_text()) for name, path in files.items()
            if not name.endswith((COMPAT, "/version.map")) and
            not any(commit.optional and commit.owns(name) for commit in hooks.commits)}


def write_commit(top, commit, files, release):
    """One commit of a series, with the files that no earlier one has written."""
    copy = Tree(top)
    edits = [edit for edit in commit.edits if edit.is_for(release)]
    for path, data in changed_files(copy, edits, Edit.insert).items():
        path.write_bytes(data)
    for name in [name for name in files if commit.owns(name)]:
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files.pop(name))
    commit_all(top, commit.subject, "\n".join(commit.body), f"Signed-off-by: {AUTHOR}")


def write_letter(top, series, nb_patches):
    """Have git format-patch write the letter of a series; returns its options."""
    lines = (LETTERS / series).read_text().splitlines(keepends=True)
    letter = "".join(line for line in lines if not line.startswith("#")).strip()
    if nb_patches == 1:
        git(top, "notes", "add", "-f", "-m", letter)
        return ["--notes"]
    git(top, "config", f"branch.{BRANCH}.description", letter)
    return ["--cover-letter", "--cover-from-description=subject"]


def export(tree, hooks, directory):
    commits = [commit for commit in hooks.commits if commit.series]
    files = parts(hooks)
    with tempfile.TemporaryDirectory() as work:
        top, written = pathlib.Path(work) / "tree", pathlib.Path(work) / "series"
        edits = [edit for commit in commits for edit in commit.edits if edit.is_for(tree.release)]
        for name in {edit.file for edit in edits} | {"VERSION"}:
            path = top / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(tree.read(name))
        git(top, "init", "-q", "-b", BRANCH)
        commit_all(top, "pristine")
        for series, prefix in PREFIXES.items():
            mine = [commit for commit in commits if commit.series == series]
            for commit in mine:
                write_commit(top, commit, files, tree.release)
            letter = write_letter(top, series, len(mine))
            git(top, "format-patch", "-q", "--no-signature", "--zero-commit", "--full-index", "--numbered", *letter,
                f"--subject-prefix={prefix}", "-o", written / series, f"-{len(mine)}")
        shutil.copytree(written, directory)
    for series in PREFIXES:
        nb_patches = len([commit for commit in commits if commit.series == series])
        print(f"export-dpdk-series: {directory / series}: {nb_patches} patch{'es' * (nb_patches > 1)}")


def main(arguments):
    parser = argparse.ArgumentParser(prog="export-dpdk-series", description=__doc__.splitlines()[0])
    parser.add_argument("--version", action="version", version=f"export-dpdk-series {VERSION}")
    parser.add_argument("tree", metavar="TREE", type=pathlib.Path, help="a DPDK tree of the newest release")
    parser.add_argument("directory", metavar="DIRECTORY", type=pathlib.Path, help="where to write the series")
    options = parser.parse_args(arguments)
    try:
        hooks = load_hooks()
        tree = Tree(options.tree)
        check_release(tree, hooks, False)
        if tree.release != max(hooks.releases):
            newest = "{}.{:02}".format(*max(hooks.releases))
            raise Refused(f"{tree} is not the newest supported release: use one of {newest}")
        if not State(tree, hooks).is_empty():
            raise Refused(f"{tree} has hooks or overlay already: use another tree")
        if options.directory.exists():
            raise Refused(f"{options.directory} exists: name a new directory")
        export(tree, hooks, options.directory.absolute())
    except Refused as refusal:
        print(f"export-dpdk-series: {refusal}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"export-dpdk-series: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
