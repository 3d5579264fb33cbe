# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""wcscope: patterns of loads and stores in a guest, and what is seen of them."""

import re
import subprocess

import pytest

from harness import TOP, wcscope
from harness.guest import Guest, GuestError, ivshmem

SIZE = 4 << 20


class Program:
    """wc-stores in a guest, with its BAR under observation."""

    def __init__(self, guest, control, path, program, bdf):
        self.path = path
        self.program = program
        self.scope = wcscope.Scope(control)
        self.bar = guest.bar(bdf, 2)
        self.terminal = guest.spawn(f"{program} {bdf}")
        self.terminal.expect(r"bar 0x([0-9a-f]+) (\S+) [^,]*, alias 0x([0-9a-f]+) (\S+) ")
        default, self.default_type, alias, self.alias_type = self.terminal.match.groups()
        self.default, self.alias = int(default, 16), int(alias, 16)

    def run(self, pattern, model="intel"):
        """The report of one pattern, made without an interrupt in between, which would empty buffers."""
        for _attempt in range(20):
            report = self._run(pattern, model)
            if pattern == "kernel" or report["totals"]["sent"]["kernel"] == 0:
                return report
        raise AssertionError(f"an interrupt came in each time: {report}")

    def _run(self, pattern, model):
        scope = self.scope
        scope.device(self.bar[0], SIZE, self.path, model)
        scope.range("default", self.default, SIZE, 0, self.default_type)
        scope.range("alias", self.alias, SIZE, 0, self.alias_type)
        scope("start")
        self.terminal.sendline(pattern)
        self.terminal.expect("done")
        scope("stop")
        return scope.report()


@pytest.fixture(scope="module")
def program(memory, guest_program, release, tmp_path_factory):
    control = tmp_path_factory.mktemp("wcscope") / "control"
    path = memory("wcscope", SIZE)
    plugin = wcscope.plugin(wcscope.library(release), control)
    with Guest(devices=[*ivshmem(path, SIZE), *plugin], accel="tcg") as guest:
        bdf = guest.take("1af4:1110")
        yield Program(guest, control, path, guest_program("wcscope/wc-stores"), bdf)


# {size of the writes: number}
@pytest.mark.parametrize("pattern, sizes, causes", [
    ("uncached", {"4": 16}, {}),
    ("combined", {"64": 1}, {"full": 1}),
    ("partial", {"8": 1}, {"fence": 1}),
    # 40 lines in two halves, and 10 buffers
    ("interleaved", {"8": 320}, {"victim": 70, "fence": 10}),
    # The emulator makes two and four stores of these.
    ("sse", {"16": 4}, {}),
    ("avx2", {"32": 2}, {}),
    ("kernel", {"8": 1}, {"kernel": 1}),
    ("locked", {"8": 1}, {"locked": 1}),
    ("doorbell", {"8": 1, "4": 1}, {"uncached": 1}),
])
def test_writes(program, pattern, sizes, causes):
    totals = program.run(pattern)["totals"]
    assert totals["sizes"] == sizes
    assert {cause: number for cause, number in totals["sent"].items() if number} == causes
    assert totals["store_bytes"] == totals["write_bytes"]


def test_other_parameters_give_other_writes(program):
    assert program.run("interleaved", "intel buffers=40")["totals"]["sizes"] == {"64": 40}
    assert program.run("interleaved", "amd")["totals"]["sizes"] == {"32": 80}
    assert program.run("avx2", "intel uc_width=8")["totals"]["sizes"] == {"8": 8}


def test_streaming_loads_read_a_line_once(program):
    totals = program.run("streaming")["totals"]
    assert (totals["loads"], totals["reads"], totals["read_bytes"]) == (4, 1, 64)
    totals = program.run("streaming", "intel stream_buffers=0")["totals"]
    assert (totals["loads"], totals["reads"], totals["read_bytes"]) == (4, 4, 64)


def test_accesses_are_attributed(program):
    report = program.run("doorbell")
    symbols = wcscope.Symbols(program.program, "")
    rows = wcscope.by_function(report, symbols)
    assert [(row["function"], row["range"], row["type"], row["writes"]) for row in rows] == [
        ("doorbell", "alias", "WC", 1), ("doorbell", "default", "UC", 1)]
    for arch in "x86", "arm64":
        found = wcscope.findings(report, symbols, partial_percent=100)[arch]
        assert len(found) == 1 and re.match(r"unflushed: doorbell, wc-stores\.c:\d+: ", found[0]), found


def test_partial_lines_are_found(program):
    symbols = wcscope.Symbols(program.program, "")
    found = wcscope.findings(program.run("partial"), symbols)["x86"]
    assert found == ["partial-lines: partial: 1 of 1 lines sent in pieces, more than 1 %"]
    assert wcscope.findings(program.run("combined"), symbols) == {"x86": [], "arm64": []}


def test_other_process_at_the_same_address_is_noticed(program):
    program.scope.device(program.bar[0] + 4096, SIZE)
    program.scope.range("default", program.default, SIZE, 0, "UC-")
    program.scope("start")
    program.terminal.sendline("uncached")
    program.terminal.expect("done")
    program.scope("stop")
    with pytest.raises(wcscope.ScopeError, match="16 accesses were to other memory"):
        program.scope.report()


def test_type_that_is_not_modelled_is_refused(program):
    with pytest.raises(wcscope.ScopeError, match="default at 0x[0-9a-f]+ is mapped WB, which is not modelled"):
        program.scope.range("default", program.default, SIZE, 0, "WB")


@pytest.mark.parametrize("arguments", ["", ",path=/tmp/x", ",control=/nonexistent/socket", ",control=" + "x" * 200])
def test_bad_arguments_of_the_plugin(release, arguments):
    with pytest.raises(GuestError, match="wcscope: "):
        with Guest(devices=["-plugin", f"{wcscope.library(release)}{arguments}"], accel="tcg"):
            pass


# Rules of the model, each broken in one way: the unit tests have to notice.
MUTATIONS = [
    ("wc_model.c", "WC_CAUSE_FULL);", "WC_CAUSE_FENCE);"),
    ("wc_model.c", "if (model->params.send_full && ", "if ("),
    ("wc_model.c", "model->totals.collapsed++;", ";"),
    ("wc_model.c", "buffer = wc_model_find(model, c, address - address % model->params.line);\n\t\tif (buffer != NULL)",
     "buffer = NULL;\n\t\tif (buffer != NULL)"),
    ("wc_model.c", "if (type == WC_TYPE_UC)\n\t\twc_model_flush(model, cpu, WC_CAUSE_UC);\n\tfor", "for"),
    ("wc_model.c", "WC_VICTIM_OLDEST ? buffer->opened : buffer->used",
     "WC_VICTIM_OLDEST ? buffer->used : buffer->opened"),
    ("wc_model.c", "wc_model_send(model, cpu, buffer, WC_CAUSE_VICTIM);", "memset(buffer, 0, sizeof(*buffer));"),
    ("wc_model.c", "if (whole || model->params.chunk == 0)", "if (true)"),
    ("wc_model.c", "if (whole || model->params.chunk == 0)", "if (model->params.chunk == 0)"),
    ("wc_model.c", "n < model->params.buffers; n++) {\n\t\tif (cpu->buffers[n].bytes != 0 && cpu",
     "n < model->params.buffers - 1; n++) {\n\t\tif (cpu->buffers[n].bytes != 0 && cpu"),
    ("wc_model.c", "boundary = type == WC_TYPE_UC ? model->params.uc_width : model->params.line, now;",
     "boundary = model->params.line, now;"),
    ("wc_model.c", "boundary = type == WC_TYPE_UC ? model->params.uc_width : model->params.line;",
     "boundary = model->params.line;"),
    ("wc_model.c", "now = wc_model_clip(address, size, boundary);\n\t\tbuffer", "now = size;\n\t\tbuffer"),
    ("wc_model.c", "parsed > UINT32_MAX", "false"),
    ("wc_model.c", "streaming = streaming && type == WC_TYPE_WC", "streaming = streaming && true"),
    ("wc_model.c", "memset(stream->fresh + offset, false, size);", ""),
    ("wc_model.c", "memset(c->streams, 0, sizeof(c->streams[0]) * model->params.stream_buffers);", ""),
    ("wc_model.c", "\t\tif (buffer != NULL)\n\t\t\twc_model_send(model, c, buffer, WC_CAUSE_DIRECT);", ""),
    ("wc_model.c", "\twc_model_post(model, address, size, size, counts);\n\tmodel->totals.direct++;",
     "\twc_model_post(model, address, size / 2, size / 2, counts);\n\twc_model_post(model, address + size / 2, "
     "size / 2, size / 2, counts);\n\tmodel->totals.direct++;"),
    ("wc_model.c", "\t\tline += model->params.line) {", "\t\tline += 64) {"),
    ("wc_model.c", "(address + size + PCIE_DW - 1) / PCIE_DW - address / PCIE_DW", "(size + PCIE_DW - 1) / PCIE_DW"),
    ("wc_model.c", "buffer->counts = counts;", "buffer->counts = NULL;"),
    ("wc_model.c", "#define PCIE_FRAMING 8", "#define PCIE_FRAMING 6"),
    ("wc_model.c", "generation <= 2 ? 8.0 / 10", "generation <= 3 ? 8.0 / 10"),
    ("wc_model.c", "PCIE_COMPLETION_HEADER 12", "PCIE_COMPLETION_HEADER 16"),
    ("wc_lint.c", "if (c->wc_store.at > c->stores_ordered)", "if (false)"),
    ("wc_lint.c", "if (line->written <= line->announced)", "if (line->written == 0)"),
    ("wc_lint.c", "if (line->written <= line->announced)", "if (line->written < line->announced)"),
    ("wc_lint.c", "if (line->announced >= line->written)", "if (false)"),
    ("wc_lint.c", "if (line->written > ring->announced.at)", "if (false)"),
    ("wc_lint.c", "if (value - first > layout->nb_lines)", "if (false)"),
    ("wc_lint.c", "if (value - first > layout->nb_lines)", "if (value - first >= layout->nb_lines)"),
    ("wc_lint.c", "streaming && lint->arch == LINT_X86 ? c->all_ordered", "false ? c->all_ordered"),
    ("wc_lint.c", "streaming && lint->arch == LINT_X86 ? c->all_ordered", "true ? c->all_ordered"),
    ("wc_lint.c", "lint->cpus[cpu].wc_store = ", "lint->cpus[0].wc_store = "),
    ("wc_lint.c", "lint->lost++;", ""),
    ("wc_lint.c", "&& lint->arch != LINT_X86 &&", "&&"),
    ("wc_lint.c", "bool counts = lint->arch == LINT_X86 ||", "bool counts = true ||"),
    ("wc_lint.c", "if (counts && order != LINT_ORDER_LOADS)", "if (counts)"),
    ("wc_lint.c", "if (counts && order != LINT_ORDER_STORES)", "if (counts)"),
    ("wc_lint.c", "wc_lint_find(lint, LINT_EARLY_LOAD, site, ring->index_load[cpu].site, offset);", ";"),
    ("wc_lint.c", "if (wc_lint_is_flag(lint, offset))", "if (false)"),
    ("wc_lint.c", "if (offset / LINE != (offset + size - 1) / LINE)", "if (false)"),
    ("wc_lint.c", "if (!streaming)", "if (false)"),
    ("x86_insn.c", "return x86_insn_is_memory(d) ? X86_LOCKED : X86_OTHER;", "return X86_LOCKED;"),
    ("x86_insn.c", "d->vector = byte & 0x04 ? 32 : 16;", "d->vector = 16;"),
    ("x86_insn.c", "return d->prefix != 0 ? X86_OTHER : x86_insn_fence_kind(d->modrm);",
     "return x86_insn_fence_kind(d->modrm);"),
    ("x86_insn.c", "d->opcode == 0x19 || ", ""),
    ("wc_scope.c", "scope->elsewhere++;", ""),
    ("wc_scope.c", "\t\tlint_barrier(scope->lints[n], cpu, order);", "\t\t;"),
    ("wc_scope.c", "[LINT_ORDER_SERIALISING] = WC_CAUSE_SERIALISING", "[LINT_ORDER_SERIALISING] = WC_CAUSE_LOCKED"),
    ("wc_scope.c", "[LINT_ORDER_ALL] = WC_CAUSE_FENCE", "[LINT_ORDER_ALL] = WC_CAUSE_LOCKED"),
    ("wc_scope.c", "scope->lost_sites++;", ""),
    ("wc_scope.c", "if (site->range == range && site->pc == pc)", "if (site->pc == pc)"),
    ("wc_scope.c", "for (int n = 0; n < LINT_NB_ARCHS; n++)\n\t\tlint_load(",
     "for (int n = 0; n < 1; n++)\n\t\tlint_load("),
    ("wc_scope.c", "direct ? WC_TYPE_WC : range->type", "range->type"),
    ("wc_scope.c", "status.st_size < size", "status.st_size < 0"),
    ("wc_scope.c", "order != LINT_ORDER_LOADS && order != LINT_ORDER_STORES", "order != LINT_ORDER_LOADS"),
    ("wc_scope.c", "WC_CAUSE_KERNEL);\n\twc_model_forget(scope->model, cpu);", "WC_CAUSE_KERNEL);"),
    ("wc_plugin.c", "\twc_plugin_drop_parts(cpu);\n", ""),
    ("wc_plugin.c", "p->generation == scope_generation(scope)", "true"),
    ("wc_plugin.c", "p->va + p->size == part->va", "false"),
    ("wc_plugin.c", "kind == X86_DIRECT_STORE", "false"),
    ("wc_scope.c", "if (pa - scope->bar == va - range->va + range->offset)", "if (true)"),
    ("wc_scope.c", "if (scope->active)\n\t\treturn true;", "return true;"),
]


def run_unit_tests(directory, name):
    """Compile and run the unit tests of a source file; returns whether they pass."""
    model = ["wc_scope.c", "wc_lint.c", "wc_model.c"]
    sources = {"wc_scope": model, "wc_plugin": [*model, "x86_insn.c"]}.get(name, [f"{name}.c"])
    program = directory / f"test_{name}"
    subprocess.run(["gcc", "-std=gnu11", "-w", "-I", directory, "-o", program, directory / f"test_{name}.c",
                    *(directory / source for source in sources), "-lcmocka", "-pthread"], check=True)
    return subprocess.run([program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    directory = tmp_path_factory.mktemp("mutations")
    for path in (TOP / "wcscope").glob("*.[ch]"):
        (directory / path.name).write_text(path.read_text())
    return directory


@pytest.mark.parametrize("file, rule, broken", MUTATIONS)
def test_broken_rule_is_noticed(sources, file, rule, broken):
    path = sources / file
    text = path.read_text()
    assert text.count(rule) == 1, f"{text.count(rule)} places in {file} match"
    path.write_text(text.replace(rule, broken))
    try:
        assert not run_unit_tests(sources, file[:-2])
    finally:
        path.write_text(text)
