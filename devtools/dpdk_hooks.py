#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Add this project's hooks (lines in DPDK's own files) and overlay (new files) to a DPDK tree.

All places are found before anything is written, and the change is all or nothing: a tree that is refused, or to which
writing fails half-way, stays unchanged byte for byte. dpdk-hooks/hooks describes the format of the hooks.
"""

import argparse
import contextlib
import dataclasses
import errno
import fcntl
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parent.parent
VERSION = (TOP / "VERSION").read_text().strip()
HOOKS = TOP / "dpdk-hooks" / "hooks"
OVERLAY = ("app", "drivers", "lib", "usertools")
AUTHOR = "dpdk-vfio-wc <dpdk-vfio-wc@example.org>"
# One date for all, so that a new export changes only what changed.
DATE = "2026-11-24T12:00:00+0000"
# Names listed in a message; the others are only counted.
LISTED = 20
PATCH_MODE = 0o644
# Of files beside one that is being changed
NEW, OLD = ".dpdk-hooks-new", ".dpdk-hooks-old"


class Refused(Exception):
    """The tree cannot be changed as requested; the lines give the reasons."""


class Ended(Exception):
    """A signal terminated the program."""


class Unrestored(Exception):
    """A change and its reversal failed; the lines list what is left. The cause is that of the failed change."""


# Hooks

@dataclasses.dataclass(frozen=True)
class Anchor:
    """A place in a file: before or after a line, or at the end if there is no pattern."""
    source: str                     # as written in the hooks
    pattern: re.Pattern = None
    after: bool = False
    first: bool = False
    function: str = None

    def find(self, lines):
        """The index at which to insert, and the match of the pattern."""
        if self.pattern is None:
            if not lines or lines[-1] != "":
                raise LookupError("the last line has no newline")
            return len(lines) - 1, None
        matches = [(i, match) for i in self.scope(lines) if (match := self.pattern.search(lines[i]))]
        if not matches or (len(matches) > 1 and not self.first):
            raise LookupError(f"matches {len(matches) or 'no'} lines")
        index, match = matches[0]
        return index + self.after, match

    def scope(self, lines):
        """The lines to search: with a function, from its name in the first column to the brace that ends it."""
        if self.function is None:
            return range(len(lines))
        starts = [i for i, line in enumerate(lines) if re.match(re.escape(self.function) + r"\(", line)]
        if len(starts) != 1:
            raise LookupError(f"there are {len(starts) or 'no'} functions {self.function}()")
        for end in range(starts[0], len(lines)):
            if lines[end].rstrip() == "}":
                return range(starts[0], end)
        raise LookupError(f"function {self.function}() has no end")


@dataclasses.dataclass
class Edit:
    file: str
    since: tuple                    # release, or None
    before: tuple
    anchor: Anchor
    upstream: bool = False          # only in the series for upstream
    text: list = dataclasses.field(default_factory=list)

    def __str__(self):
        return f"{self.file}: {self.anchor.source}"

    def is_for(self, release):
        return (self.since is None or release >= self.since) and (self.before is None or release < self.before)

    def expand(self, match):
        return [re.sub(r"\\([1-9])", lambda number: match[int(number[1])], line) for line in self.text]

    def insert(self, lines):
        index, match = self.anchor.find(lines)
        return lines[:index] + self.expand(match) + lines[index:]

    def find_inserted(self, lines):
        """The index of the text inserted by insert(), None if it is absent."""
        if self.anchor.pattern is None:
            return self.find_block(lines)
        first = re.compile("(.*)".join(re.escape(part) for part in re.split(r"\\[1-9]", self.text[0])))
        for index in range(len(lines) - len(self.text) + 1):
            if not first.fullmatch(lines[index]):
                continue
            with contextlib.suppress(LookupError):
                if self.insert(self.cut(lines, index)) == lines:
                    return index
        return None

    def find_block(self, lines):
        """The same for the end of a file, where other lines may have been appended since."""
        size = len(self.text)
        found = [i for i in range(len(lines) - size + 1) if lines[i:i + size] == self.text]
        return found[0] if len(found) == 1 else None

    def cut(self, lines, index):
        return lines[:index] + lines[index + len(self.text):]

    def remove(self, lines):
        index = self.find_inserted(lines)
        return lines if index is None else self.cut(lines, index)


@dataclasses.dataclass
class Commit:
    subject: str
    body: list = dataclasses.field(default_factory=list)
    optional: str = None
    apart: bool = False
    series: str = None              # for upstream
    overlay: list = dataclasses.field(default_factory=list)     # paths below which files belong to it
    edits: list = dataclasses.field(default_factory=list)

    def owns(self, name):
        return any(pathlib.PurePath(name).is_relative_to(path) for path in self.overlay)


@dataclasses.dataclass
class Hooks:
    releases: list
    commits: list

    def edits(self, release, groups=None, bus_only=False):
        """All edits of a release; with groups, without the optional ones of other groups."""
        return [edit for commit in self.commits
                if (groups is None or commit.optional in (None, *groups)) and not (bus_only and commit.apart)
                for edit in commit.edits if edit.is_for(release) and not edit.upstream]

    def overlay(self, bus_only=False):
        """Names of the files of the overlay."""
        return [name for name in overlay_files()
                if not (bus_only and any(commit.apart and commit.owns(name) for commit in self.commits))]

    def groups(self):
        return [commit.optional for commit in self.commits if commit.optional]


def parse_release(text):
    match = re.match(r"(\d+)\.(\d+)(?:\.|-|$)", text.strip())
    if match is None:
        raise ValueError(f"'{text.strip()}' is not a release such as 22.11")
    return int(match[1]), int(match[2])


class Parser:
    """Reads hooks, line by line."""

    def __init__(self):
        self.hooks = Hooks([], [])
        self.file = None
        self.upstream = False

    def parse(self, text, name):
        for number, line in enumerate(text.splitlines(), 1):
            try:
                self.line(line)
            except (ValueError, IndexError, re.error) as error:
                raise Refused(f"{name}:{number}: {error}: {line}") from error
        return self.hooks

    def line(self, line):
        word, _, rest = line.partition(" ")
        if line.startswith("+"):
            self.commit().edits[-1].text.append(line[1:])
        elif word == "|":
            self.commit().body.append(rest)
        elif line and not line.startswith("#"):
            statement = getattr(self, f"on_{word}", None)
            if statement is None:
                raise ValueError(f"unknown word '{word}'")
            statement(line, rest)

    def commit(self):
        if not self.hooks.commits:
            raise ValueError("no commit to belong to")
        return self.hooks.commits[-1]

    def on_releases(self, _, rest):
        self.hooks.releases = [parse_release(word) for word in rest.split()]

    def on_commit(self, _, rest):
        self.hooks.commits.append(Commit(rest))
        self.file = None
        self.upstream = False

    def on_optional(self, _, rest):
        self.commit().optional = rest

    def on_apart(self, *_):
        self.commit().apart = True

    def on_series(self, _, rest):
        self.commit().series = rest

    def on_overlay(self, _, rest):
        self.commit().overlay += rest.split()

    def on_upstream(self, *_):
        self.upstream = True

    def on_file(self, _, rest):
        name, *conditions = rest.split()
        limits = {">=": None, "<": None}
        for condition in conditions:
            match = re.fullmatch(r"(>=|<)(.*)", condition)
            if match is None:
                raise ValueError(f"'{condition}' is not a condition such as >=22.11 or <25.07")
            limits[match[1]] = parse_release(match[2])
        self.file = name, limits[">="], limits["<"]

    def on_anchor(self, line, _):
        match = re.fullmatch(r"(after|before) (first )?/(.*)/(?: in (\w+)\(\))?", line)
        if match is None:
            raise ValueError("not an anchor such as: after /REGEX/ in FUNCTION()")
        how, first, pattern, function = match.groups()
        self.add(Anchor(line, re.compile(pattern), how == "after", bool(first), function))

    on_after = on_before = on_anchor

    def on_end(self, line, _):
        self.add(Anchor(line))

    def add(self, anchor):
        if self.file is None:
            raise ValueError("no file to belong to")
        self.commit().edits.append(Edit(*self.file, anchor, self.upstream))


def load_hooks():
    return Parser().parse(HOOKS.read_text(), HOOKS.name)


# Trees

def split(data):
    return data.decode(errors="surrogateescape").split("\n")


def join(lines):
    return "\n".join(lines).encode(errors="surrogateescape")


class Tree:
    """A DPDK tree of the user."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        try:
            self.version = (self.path / "VERSION").read_text().strip()
            self.release = parse_release(self.version)
        except (OSError, ValueError) as error:
            raise Refused(f"{path} is not a DPDK tree, whose file VERSION names its release: "
                          f"{getattr(error, 'strerror', None) or error}") from error

    def __str__(self):
        return f"{self.path} (DPDK {self.version})"

    def read(self, name):
        return (self.path / name).read_bytes()

    def lines(self, name):
        try:
            return split(self.read(name))
        except OSError:
            return []


@contextlib.contextmanager
def locked(directory):
    """Keep other runs from changing the directory."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Refused(f"{directory} is being changed by another run: wait until it ends") from None
    else:
        yield
    finally:
        os.close(fd)


def overlay_files():
    """Names of all files of the overlay."""
    return sorted(str(path.relative_to(TOP)) for part in OVERLAY for path in (TOP / part).rglob("*") if path.is_file())


class State:
    """The hooks and overlay files present in a tree."""

    def __init__(self, tree, hooks):
        self.hooks_there, self.hooks_missing, self.groups = [], [], []
        self.bus_only = False
        for commit in hooks.commits:
            edits = [edit for edit in commit.edits if edit.is_for(tree.release) and not edit.upstream]
            there = [edit for edit in edits if edit.find_inserted(tree.lines(edit.file)) is not None]
            missing = [edit for edit in edits if edit not in there]
            self.hooks_there += there
            if commit.optional is None or there:
                self.hooks_missing += missing
            if commit.optional and there:
                self.groups.append(commit.optional)
        files = overlay_files()
        self.files_there = [name for name in files if os.path.lexists(tree.path / name)]
        self.files_missing = [name for name in files if name not in set(self.files_there)]
        self.leave_out_the_rest(hooks.edits(tree.release, hooks.groups(), True), hooks.overlay(True))

    def leave_out_the_rest(self, edits, files):
        """Nothing is missing if nothing beside the bus is there."""
        if all(edit in edits for edit in self.hooks_there) and all(name in files for name in self.files_there):
            missing = [edit for edit in self.hooks_missing if edit in edits]
            self.bus_only = missing != self.hooks_missing or files != overlay_files()
            self.hooks_missing = missing
            self.files_missing = [name for name in self.files_missing if name in files]

    def is_empty(self):
        return not self.hooks_there and not self.files_there

    def is_complete(self):
        return not self.hooks_missing and not self.files_missing

    def describe(self):
        if self.is_empty():
            return ["neither hooks nor overlay present"]
        if self.is_complete():
            return ["hooks and overlay " + "of the bus only " * self.bus_only + "present, " +
                    (f"with {', '.join(self.groups)}" if self.groups else "without optional hooks")]
        return (["hooks and overlay partly present"] + listing("hook present", self.hooks_there) +
                listing("hook missing", self.hooks_missing) + listing("file present", self.files_there) +
                listing("file missing", self.files_missing))


def listing(what, names):
    lines = [f"  {what}: {name}" for name in names[:LISTED]]
    if len(names) > LISTED:
        lines.append(f"  {what}: {len(names) - LISTED} more")
    return lines


# Changes that are applied as a whole or not at all

class Transaction:
    """Changes files; leaving the context by an exception restores all of them, or raises Unrestored."""

    SIGNALS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP

    def __init__(self, remedy=""):
        self.remedy = remedy        # where a file cannot be restored
        self.reversals = []         # per completed step: function and paths
        self.leftovers = []         # to be deleted after success
        self.signal = None

    def __enter__(self):
        # Between two steps the tree can be restored, within one it cannot.
        self.handlers = [signal.signal(number, self.note) for number in self.SIGNALS]
        return self

    def note(self, number, _):
        self.signal = number

    def check(self):
        if self.signal is not None:
            raise Ended(self.signal)

    def __exit__(self, kind, cause, _):
        left = []
        if kind is None:
            for path in self.leftovers:
                with contextlib.suppress(OSError):
                    path.unlink()
        else:
            left = self.roll_back()
        for number, handler in zip(self.SIGNALS, self.handlers):
            signal.signal(number, handler)
        if left:
            raise Unrestored("\n".join(["not undone" + self.remedy + ":", *left])) from cause

    def roll_back(self):
        """A line for each path that could not be restored."""
        left, needed = [], set()
        for function, *paths in reversed(self.reversals):
            # The only copy of the original file
            if function is discard and paths[0] in needed:
                continue
            try:
                function(*paths)
            except OSError as error:
                *old, path = paths
                needed.update(old)
                left.append(f"  {path}: {error.strerror}" + "".join(f": the original is {name}" for name in old))
        return left

    def later(self, function, *paths):
        self.reversals.append((function, *paths))

    def make_directory(self, path):
        """Make a directory and its missing parents."""
        missing = [directory for directory in (path, *path.parents) if not directory.exists()]
        for directory in reversed(missing):
            directory.mkdir()
            self.later(os.rmdir, directory)

    def create(self, path, data, mode):
        """A new file, and the directories that it needs."""
        self.check()
        self.make_directory(path.parent)
        self.write(path, data, mode)
        os.replace(beside(path, NEW), path)
        self.later(os.unlink, path)

    def write(self, path, data, mode):
        """Write the new contents of a file beside it."""
        new = beside(path, NEW)
        with open(new, "xb") as file:
            self.later(discard, new)
            file.write(data)
        new.chmod(mode)

    def replace_all(self, contents):
        """New contents of files, a dictionary by path. All are written before the first file is replaced."""
        for path, data in contents.items():
            self.check()
            status = path.stat()
            self.write(path, data, status.st_mode & 0o7777)
            with contextlib.suppress(PermissionError):
                os.chown(beside(path, NEW), status.st_uid, status.st_gid)
        for path in contents:
            self.check()
            self.keep(path)
            os.replace(beside(path, NEW), path)
            self.later(os.replace, beside(path, OLD), path)

    def keep(self, path):
        """Give the file a second name, from which it is restored without needing any space."""
        old = beside(path, OLD)
        self.later(discard, old)
        self.leftovers.append(old)
        try:
            os.link(path, old)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK):
                raise
            # A file system without hard links
            shutil.copy2(path, old)

    def remove(self, path):
        self.check()
        old = beside(path, OLD)
        os.rename(path, old)
        self.later(os.rename, old, path)
        self.leftovers.append(old)


def discard(path):
    path.unlink(missing_ok=True)


def beside(path, suffix):
    return path.with_name(f".{path.name}{suffix}")


def sweep(paths):
    """Remove what a killed run left beside files; it is not needed to undo insertions and removals."""
    for path in paths:
        for suffix in (NEW, OLD):
            discard(beside(path, suffix))


def sweep_tree(tree, hooks):
    sweep({tree.path / name for name in [*overlay_files(), *(edit.file for edit in hooks.edits(tree.release))]})


# Commands

def check_release(tree, hooks, dry_run):
    if tree.release in hooks.releases:
        return
    known = ", ".join(f"{major}.{minor:02}" for major, minor in hooks.releases)
    if not dry_run:
        raise Refused(f"{tree} is not a supported release ({known}): use one of these")
    say(f"{tree} is not a supported release ({known}): only trying the hooks")


def changed_files(tree, edits, change):
    """Contents of the files after a change by each edit in turn, by path; refused if any edit fails."""
    before, lines, errors = {}, {}, []
    for edit in edits:
        path = tree.path / edit.file
        try:
            if edit.file not in lines:
                before[edit.file] = tree.read(edit.file)
                lines[edit.file] = split(before[edit.file])
            if path.is_symlink():
                raise LookupError("the file is a symbolic link")
            lines[edit.file] = change(edit, lines[edit.file])
        except (LookupError, OSError) as error:
            errors.append(f"  {edit}: {error.strerror if isinstance(error, OSError) else error.args[0]}")
    if errors:
        raise Refused("\n".join([f"{tree} is unchanged, these hooks do not apply:"] + errors))
    return {tree.path / name: join(lines[name]) for name in lines if join(lines[name]) != before[name]}


def check_writable(paths):
    """Refuse paths that could not be written later; for a missing directory its first existing parent counts."""
    directories = set()
    for path in paths:
        parent = path.parent
        while not parent.exists():
            parent = parent.parent
        directories.add(parent)
    bad = sorted(str(path) for path in {path for path in paths if path.exists()} | directories
                 if not os.access(path, os.W_OK))
    if bad:
        raise Refused("\n".join(["the tree is unchanged, these cannot be written:"] + listing("path", bad)))


def change_of(tree):
    return Transaction(f" (dpdk-hooks undo {tree.path} does so once the cause is fixed)")


def apply(tree, hooks, groups, bus_only, dry_run):
    check_release(tree, hooks, dry_run)
    state = State(tree, hooks)
    if not state.is_empty():
        raise Refused("\n".join([f"{tree} is unchanged: " + state.describe()[0]] + state.describe()[1:] +
                                ["dpdk-hooks undo removes them"]))
    edits = hooks.edits(tree.release, groups, bus_only)
    contents = changed_files(tree, edits, Edit.insert)
    files = hooks.overlay(bus_only)
    check_writable([*contents, *(tree.path / name for name in files)])
    if not dry_run:
        sweep_tree(tree, hooks)
        with change_of(tree) as transaction:
            for name in files:
                transaction.create(tree.path / name, (TOP / name).read_bytes(), (TOP / name).stat().st_mode & 0o777)
            transaction.replace_all(contents)
    say(f"{tree}: {'would add' if dry_run else 'added'} {len(edits)} hooks in {len(contents)} files, "
        f"{sum(len(edit.text) for edit in edits)} lines, and {len(files)} files of the overlay")


def undo(tree, hooks, dry_run):
    state = State(tree, hooks)
    if state.is_empty():
        raise Refused(f"{tree} has neither hooks nor overlay: there is nothing to undo")
    changed = [name for name in state.files_there if not same_file(tree.path / name, TOP / name)]
    if changed:
        raise Refused("\n".join([f"{tree} is unchanged, these files of the overlay differ from those of {TOP}: "
                                 "move them away first"] + listing("file", changed)))
    contents = changed_files(tree, state.hooks_there[::-1], lambda edit, lines: edit.remove(lines))
    check_writable([*contents, *(tree.path / name for name in state.files_there)])
    if not dry_run:
        sweep_tree(tree, hooks)
        with change_of(tree) as transaction:
            transaction.replace_all(contents)
            for name in state.files_there:
                transaction.remove(tree.path / name)
        remove_empty_directories(tree, overlay_files())
    say(f"{tree}: {'would remove' if dry_run else 'removed'} {len(state.hooks_there)} hooks from {len(contents)} "
        f"files, and {len(state.files_there)} files of the overlay")


def same_file(a, b):
    return a.is_file() and a.read_bytes() == b.read_bytes()


def remove_empty_directories(tree, names):
    directories = {parent for name in names for parent in pathlib.PurePath(name).parents}
    for directory in sorted(directories, key=lambda path: len(path.parts), reverse=True):
        with contextlib.suppress(OSError):
            os.rmdir(tree.path / directory)


def edit(tree, hooks, groups, dry_run):
    """Only the hooks, in a private tree."""
    check_release(tree, hooks, False)
    state = State(tree, hooks)
    if not state.is_empty():
        raise Refused("\n".join([f"{tree}: " + state.describe()[0]] + state.describe()[1:] + ["use another tree"]))
    contents = changed_files(tree, hooks.edits(tree.release, groups), Edit.insert)
    check_writable(contents)
    if not dry_run:
        sweep_tree(tree, hooks)
        with change_of(tree) as transaction:
            transaction.replace_all(contents)


def export(tree, hooks, groups, directory):
    """Write what the hooks change as a series for git am: all of it or nothing."""
    with tempfile.TemporaryDirectory() as work:
        patches = make_patches(tree, hooks, groups, pathlib.Path(work))
    with Transaction() as transaction:
        transaction.make_directory(directory)
        with locked(directory):
            contents = {directory / name: data for name, data in patches.items()}
            sweep(contents)
            transaction.replace_all({path: data for path, data in contents.items() if path.exists()})
            for path, data in contents.items():
                if not path.exists():
                    transaction.create(path, data, PATCH_MODE)
    say(f"{directory}: {len(patches)} patches for {tree}")


def make_patches(tree, hooks, groups, work):
    """{name: contents}, made in an empty directory."""
    commits = [commit for commit in hooks.commits if commit.optional in (None, *groups) and
               any(edit.is_for(tree.release) and not edit.upstream for edit in commit.edits)]
    top = work / "tree"
    for name in {edit.file for edit in hooks.edits(tree.release, groups)} | {"VERSION"}:
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(tree.read(name))
    copy = Tree(top)
    git(top, "init", "-q")
    commit_all(top, "pristine")
    for commit in commits:
        edits = [edit for edit in commit.edits if edit.is_for(tree.release) and not edit.upstream]
        for path, data in changed_files(copy, edits, Edit.insert).items():
            path.write_bytes(data)
        commit_all(top, commit.subject, "\n".join(commit.body), f"Signed-off-by: {AUTHOR}")
    git(top, "format-patch", "-q", "--no-signature", "--zero-commit", "--full-index", "--numbered",
        f"--subject-prefix=PATCH {tree.version}", "-o", work / "patches", f"-{len(commits)}")
    return {path.name: path.read_bytes() for path in sorted((work / "patches").iterdir())}


def commit_all(work, *message):
    git(work, "add", "-Af")
    git(work, "commit", "-q", *(word for part in message for word in ("-m", part)))


def git(work, *arguments):
    name, _, mail = AUTHOR[:-1].partition(" <")
    identity = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
                for what, value in (("NAME", name), ("EMAIL", mail), ("DATE", DATE))}
    # Ignore the user's configuration (signing, hooks, templates).
    outside = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    clean = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", "-C", str(work), *map(str, arguments)]
    if subprocess.run(command, env={**outside, **identity, **clean}).returncode != 0:
        raise Refused(f"{' '.join(command)}: failed")


def say(text):
    print(f"dpdk-hooks: {text}")


def parse_arguments(arguments, hooks):
    parser = argparse.ArgumentParser(prog="dpdk-hooks", description=__doc__.splitlines()[0])
    parser.add_argument("--version", action="version", version=f"dpdk-hooks {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, description in (("apply", "add hooks and overlay"), ("undo", "remove them"),
                              ("status", "show what is present"), ("edit", "add hooks, no overlay"),
                              ("export", "write the hooks as patches for git am")):
        command = commands.add_parser(name, help=description, description=description)
        if name in ("apply", "undo", "edit"):
            command.add_argument("-n", "--dry-run", action="store_true", help="only report what would be done")
        if name in ("apply", "edit", "export"):
            command.add_argument("--with", dest="groups", action="append", default=[], choices=hooks.groups(),
                                 help="add these optional hooks")
        if name == "apply":
            command.add_argument("--bus-only", action="store_true",
                                 help="only EAL and the PCI bus: no wcio, net_ivshmem, tests and tools")
        command.add_argument("tree", metavar="TREE", help="a DPDK tree")
        if name == "export":
            command.add_argument("directory", metavar="DIRECTORY", type=pathlib.Path, help="where to write them")
    return parser.parse_args(arguments)


def run(options, hooks):
    tree = Tree(options.tree)
    if options.command == "status":
        say("\n".join([f"{tree}: " + State(tree, hooks).describe()[0]] + State(tree, hooks).describe()[1:]))
    elif options.command == "export":
        export(tree, hooks, options.groups, options.directory)
    else:
        with locked(tree.path):
            if options.command == "apply":
                apply(tree, hooks, options.groups, options.bus_only, options.dry_run)
            elif options.command == "undo":
                undo(tree, hooks, options.dry_run)
            else:
                edit(tree, hooks, options.groups, options.dry_run)


def why(error):
    if isinstance(error, Ended):
        return f"terminated by {signal.Signals(error.args[0]).name}"
    if isinstance(error, OSError):
        return f"{error.filename or TOP}: {error.strerror}"
    return str(error)


def fail(text, error=None):
    """Print the text; returns the exit status."""
    print(f"dpdk-hooks: {text}", file=sys.stderr)
    return 128 + error.args[0] if isinstance(error, Ended) else 1


def main(arguments):
    try:
        hooks = load_hooks()
        run(parse_arguments(arguments, hooks), hooks)
    except Refused as refusal:
        return fail(refusal)
    except (OSError, Ended) as error:
        return fail(f"{why(error)}: nothing was changed", error)
    except Unrestored as left:
        return fail(f"{why(left.__cause__)}: {left}", left.__cause__)
    except KeyboardInterrupt:
        # Not during a change, which raises Ended.
        return fail("terminated by SIGINT: no change was left incomplete", Ended(signal.SIGINT))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
