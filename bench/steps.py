# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""The steps of a tool that takes minutes: each is announced with its number and the time that it took before.

What prints nothing for a while is reported again, so that a silent tool is a tool that hangs.
"""

import contextlib
import json
import sys
import threading
import time

from harness import tool
from harness.guest import CACHE

QUIET_S = 12  # nothing is silent for 15 s, also on a busy machine
WORTH_A_NOTE_S = 5  # of an earlier run


class Steps:
    """Announces steps: step("what it does"). With `with`, in which the last one ends."""

    def __init__(self, name, directory=CACHE, quiet_s=QUIET_S):
        self.name = name
        self.directory = directory
        self.quiet_s = quiet_s
        self.number = self.begun = 0
        self.text = None
        self.start = self.said = time.monotonic()
        self.ended = threading.Event()
        try:
            known = json.loads(self.file.read_text()).items()
            self.times = {text: took for text, took in known if isinstance(took, (int, float))}
        except (OSError, ValueError, AttributeError):
            self.times = {}

    @property
    def file(self):
        return self.directory / f"{self.name}-steps.json"

    def say(self, text):
        print(f"{self.name}: {text}", file=sys.stderr, flush=True)
        self.said = time.monotonic()

    def __enter__(self):
        self.watcher = threading.Thread(target=self._watch, daemon=True)
        self.watcher.start()
        return self

    def __exit__(self, kind, *_):
        self.ended.set()
        self.watcher.join()
        if kind is None:
            self._note()

    def __call__(self, text):
        self._note()
        self.begun += 1
        self.text, self.start = text, time.monotonic()
        self.say(f"step {self.begun} of {self.number}: {text}{self._last_time()}")

    def _last_time(self):
        before = self.times.get(self.text, 0)
        return f" ({before:.0f} s last time)" if before >= WORTH_A_NOTE_S else ""

    def _note(self):
        """Remember how long a step took. Only a hint depends on it."""
        if self.text is None:
            return
        self.times[self.text] = time.monotonic() - self.start
        with contextlib.suppress(OSError, tool.ToolError):
            self.directory.mkdir(parents=True, exist_ok=True)
            tool.write(self.directory, {self.file.name: json.dumps(self.times)})

    def _watch(self):
        while not self.ended.wait(max(0, self.said + self.quiet_s - time.monotonic())):
            if self.text is None:
                self.said = time.monotonic()
            elif time.monotonic() - self.said >= self.quiet_s:
                self.say(f"step {self.begun} of {self.number}: {self.text}, {time.monotonic() - self.start:.0f} s so "
                         f"far{self._last_time()}")
