# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""What a tool that takes minutes says meanwhile."""

import json
import queue
import time
from types import SimpleNamespace

import pytest

from bench import steps
from bench.steps import Steps


class Collected(Steps):
    """Keeps what it says."""

    def __init__(self, directory, quiet_s=60):
        self.lines = queue.Queue()
        super().__init__("tool", directory, quiet_s)

    def say(self, text):
        super().say(text)
        self.lines.put(text)


def line(steps):
    return steps.lines.get(timeout=30)


@pytest.mark.quick
def test_steps_are_numbered(tmp_path):
    with Collected(tmp_path) as step:
        step.number = 2
        step("a kernel")
        step("a table")
    assert [line(step), line(step)] == ["step 1 of 2: a kernel", "step 2 of 2: a table"]
    assert set(json.loads((tmp_path / "tool-steps.json").read_text())) == {"a kernel", "a table"}


@pytest.mark.quick
def test_time_of_an_earlier_run(tmp_path):
    (tmp_path / "tool-steps.json").write_text('{"a kernel": 420.4, "a table": 0.1}')
    with Collected(tmp_path) as step:
        step.number = 2
        step("a kernel")
        step("a table")
    assert [line(step), line(step)] == ["step 1 of 2: a kernel (420 s last time)", "step 2 of 2: a table"]


@pytest.mark.quick
@pytest.mark.parametrize("text", [None, "", "{", "\0", "[]", '{"a kernel": "x"}'])
def test_times_that_cannot_be_read(tmp_path, text):
    if text is not None:
        (tmp_path / "tool-steps.json").write_text(text)
    with Collected(tmp_path) as step:
        step("a kernel")
    assert line(step) == "step 1 of 0: a kernel"


@pytest.mark.quick
def test_times_of_a_failed_step_are_not_kept(tmp_path):
    with pytest.raises(ValueError), Collected(tmp_path) as step:
        step("a kernel")
        raise ValueError
    assert not (tmp_path / "tool-steps.json").exists()


@pytest.mark.quick
def test_silent_step_is_reported_again(tmp_path):
    (tmp_path / "tool-steps.json").write_text('{"a kernel": 420.4}')
    with Collected(tmp_path, quiet_s=0.01) as step:
        step.number = 1
        step("a kernel")
        assert line(step).startswith("step 1 of 1: a kernel (")
        assert line(step) == "step 1 of 1: a kernel, 0 s so far (420 s last time)"


@pytest.mark.quick
def test_step_that_talks_is_not_reported_again(tmp_path):
    """The control: what is said meanwhile counts."""
    with Collected(tmp_path, quiet_s=0.2) as step:
        step.said = time.monotonic() + 3600
        step("a kernel")
        step.said = time.monotonic() + 3600
        step.ended.wait(0.5)
    assert line(step) and step.lines.empty()


@pytest.mark.quick
def test_silence_counts_from_what_was_said_last(tmp_path, monkeypatch):
    """With a clock of its own: something is said in the middle of the first wait."""
    clock = SimpleNamespace(monotonic=lambda: clock.now, now=0)
    monkeypatch.setattr(steps, "time", clock)
    step = Collected(tmp_path, quiet_s=10)
    step.text, waits = "a kernel", []

    def wait(seconds):
        waits.append(seconds)
        clock.now += seconds
        if len(waits) == 1:
            step.said = 6
        return len(waits) == 3

    step.ended = SimpleNamespace(wait=wait)
    step._watch()
    assert waits == [10, 6, 10]
    assert line(step) == "step 0 of 0: a kernel, 16 s so far"
