# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""Rules of the model, the linter and the plugin, each broken in one way: the unit tests have to notice."""

import subprocess

import pytest

from harness import TOP
from harness.mutation import MutationError, mutate

pytestmark = pytest.mark.quick

MODEL = ["wc_scope.c", "wc_lint.c", "wc_model.c"]
SOURCES = {"wc_scope.c": MODEL, "wc_plugin.c": [*MODEL, "x86_insn.c"]}  # beside the file itself, which a test includes
UC_WIDTH = "type == WC_TYPE_UC ? model->params.uc_width : "

# (file, function or macro, fragment of it, what replaces that)
MUTATIONS = [
    ("wc_model.c", "wc_model_combine", "WC_CAUSE_FULL", "WC_CAUSE_FENCE"),
    ("wc_model.c", "wc_model_combine", "model->params.send_full", "true"),
    ("wc_model.c", "wc_model_combine", "cpu->unfenced = true", ""),
    ("wc_model.c", "wc_model_combine", "WC_CAUSE_EARLY", "WC_CAUSE_VICTIM"),
    ("wc_model.c", "wc_model_combine", "else if (wc_model_chance", "if (wc_model_chance"),
    ("wc_model.c", "wc_model_chance", "evict == 0", "evict != 0"),
    ("wc_model.c", "wc_model_chance", "model->random ^= model->random >> 7", ""),
    ("wc_model.c", "wc_model_chance", "< model->params.evict", "> model->params.evict"),
    ("wc_model.c", "wc_model_create", "model->random = RANDOM_SEED", "model->random = (uintptr_t)model"),
    ("wc_model.c", "wc_model_direct", "c->unfenced = true", ""),
    ("wc_model.c", "wc_model_flush", "c->unfenced = false", ""),
    ("wc_model.c", "wc_model_flush", "cause == WC_CAUSE_FENCE", "true"),
    ("wc_model.c", "wc_model_combine", "collapsed++", "collapsed"),
    ("wc_model.c", "wc_model_combine", "buffer->counts = counts", "buffer->counts = NULL"),
    ("wc_model.c", "wc_model_load", "buffer != NULL", "false"),
    ("wc_model.c", "wc_model_load", UC_WIDTH, ""),
    ("wc_model.c", "wc_model_load", "wc_model_clip(address, size, boundary)", "size"),
    ("wc_model.c", "wc_model_load", "type == WC_TYPE_WC", "true"),
    ("wc_model.c", "wc_model_load", "wc_model_flush(model, cpu, WC_CAUSE_UC)", ""),
    ("wc_model.c", "wc_model_store", "wc_model_flush(model, cpu, WC_CAUSE_UC)", ""),
    ("wc_model.c", "wc_model_store", UC_WIDTH, ""),
    ("wc_model.c", "wc_model_age", "buffer->opened : buffer->used", "buffer->used : buffer->opened"),
    ("wc_model.c", "wc_model_open_buffer", "wc_model_send(model, cpu, buffer, WC_CAUSE_VICTIM)",
     "memset(buffer, 0, sizeof(*buffer))"),
    ("wc_model.c", "wc_model_send", "whole ||", "true ||"),
    ("wc_model.c", "wc_model_send", "whole ||", ""),
    ("wc_model.c", "wc_model_find", "model->params.buffers", "model->params.buffers - 1"),
    ("wc_model.c", "wc_model_parse_number", "parsed > UINT32_MAX", "false"),
    ("wc_model.c", "wc_model_take_from_stream", "memset(stream->fresh + offset, false, size)", ""),
    ("wc_model.c", "wc_model_forget", "sizeof(c->streams[0])", "0"),
    ("wc_model.c", "wc_model_direct", "buffer != NULL", "false"),
    ("wc_model.c", "wc_model_direct", "wc_model_post(model, address, size, size, counts)",
     "for (int n = 0; n < 2; n++) wc_model_post(model, address + n * size / 2, size / 2, size / 2, counts)"),
    ("wc_model.c", "wc_model_direct", "line += model->params.line", "line += 64"),
    ("wc_model.c", "wc_model_dwords", "(address + size", "(address / PCIE_DW * PCIE_DW + size"),
    ("wc_model.c", "wc_link_rate", "<= 2", "<= 3"),
    ("wc_model.c", "PCIE_FRAMING", "8", "6"),
    ("wc_model.c", "PCIE_COMPLETION_HEADER", "12", "16"),
    ("wc_lint.c", "wc_lint_check_flushed", "c->wc_store.at > c->stores_ordered", "false"),
    ("wc_lint.c", "wc_lint_announce", "line->written <= line->announced", "line->written == 0"),
    ("wc_lint.c", "wc_lint_announce", "<=", "<"),
    ("wc_lint.c", "wc_lint_announce", "first > layout", "first >= layout"),
    ("wc_lint.c", "wc_lint_announce", "value - first > layout->nb_lines", "false"),
    ("wc_lint.c", "wc_lint_announce_packet", "<=", ">"),
    ("wc_lint.c", "wc_lint_announce_packet", "<=", "<"),
    ("wc_lint.c", "wc_lint_announce_packet", "line->written <= line->announced", "false"),
    ("wc_lint.c", "wc_lint_announce_packet", "line->written > ring->announced.at", "false"),
    ("wc_lint.c", "wc_lint_load_line", "streaming && lint->arch == LINT_X86", "false"),
    ("wc_lint.c", "wc_lint_load_line", "streaming && lint->arch == LINT_X86", "true"),
    ("wc_lint.c", "wc_lint_load_line", "wc_lint_find", "(void)"),
    ("wc_lint.c", "wc_lint_store_combining", "cpus[cpu]", "cpus[0]"),
    ("wc_lint.c", "wc_lint_store_combining", "wc_lint_is_flag(lint, offset)", "false"),
    ("wc_lint.c", "wc_lint_store_combining", "offset / LINE != (offset + size - 1) / LINE", "false"),
    ("wc_lint.c", "wc_lint_store_uncached", "lint->arch != LINT_X86", "true"),
    ("wc_lint.c", "wc_lint_find", "lost++", "lost"),
    ("wc_lint.c", "lint_barrier", "lint->arch == LINT_X86", "true"),
    ("wc_lint.c", "lint_barrier", "counts && order != LINT_ORDER_LOADS)", "counts)"),
    ("wc_lint.c", "lint_barrier", "counts && order != LINT_ORDER_STORES)", "counts)"),
    ("wc_lint.c", "lint_barrier", "order != LINT_ORDER_STORES && order != LINT_ORDER_LOADS", "true"),
    ("wc_lint.c", "lint_load", "!streaming", "false"),
    ("x86_insn.c", "x86_insn_one_byte_kind", "x86_insn_is_memory(d)", "true"),
    ("x86_insn.c", "x86_insn_take_vex", "byte & 0x04", "false"),
    ("x86_insn.c", "x86_insn_two_byte_kind", "d->prefix != 0", "false"),
    ("x86_insn.c", "x86_insn_width_of", "d->opcode == 0x19", "false"),
    ("wc_scope.c", "wc_scope_print_params", "p->evict != 0", "true"),
    ("wc_scope.c", "wc_scope_print_params", "p->evict != 0", "false"),
    ("wc_scope.c", "wc_scope_begin", "scope->active", "true"),
    ("wc_scope.c", "wc_scope_find_counts", "lost_sites++", "lost_sites"),
    ("wc_scope.c", "wc_scope_find_counts", "site->range == range", "true"),
    ("wc_scope.c", "wc_scope_map_memory", "status.st_size < size", "false"),
    ("wc_scope.c", "scope_barrier", "lint_barrier(scope->lints[n], cpu, order)", ""),
    ("wc_scope.c", "scope_barrier", "WC_CAUSE_SERIALISING", "WC_CAUSE_LOCKED"),
    ("wc_scope.c", "scope_barrier", "[LINT_ORDER_ALL] = WC_CAUSE_FENCE", "[LINT_ORDER_ALL] = WC_CAUSE_LOCKED"),
    ("wc_scope.c", "scope_barrier", "order != LINT_ORDER_STORES", "true"),
    ("wc_scope.c", "scope_kernel", "wc_model_forget(scope->model, cpu)", ""),
    ("wc_scope.c", "scope_kernel", "lint_kernel(scope->lints[n], cpu)", ""),
    ("wc_scope.c", "scope_load", "LINT_NB_ARCHS", "1"),
    ("wc_scope.c", "scope_await", "scope->unresolved++", ""),
    ("wc_scope.c", "scope_find", "!= SCOPE_IGNORED", "!= SCOPE_KNOWN"),
    ("wc_scope.c", "wc_scope_command_resolve", "range->type = type", ""),
    ("wc_scope.c", "wc_scope_command_resolve", "!wc_scope_in_bar(scope, offset, range->size)", "false"),
    ("wc_scope.c", "scope_store", "LINT_NB_ARCHS", "1"),
    ("wc_scope.c", "scope_store", "direct ? WC_TYPE_WC : ", ""),
    ("wc_scope.c", "scope_verify", "pa - scope->bar == va - range->va + range->offset", "true"),
    ("wc_scope.c", "scope_verify", "elsewhere++", "elsewhere"),
    ("wc_plugin.c", "wc_plugin_access_whole", "kind == X86_DIRECT_STORE", "false"),
    ("wc_plugin.c", "wc_plugin_continues", "p->va + p->size == part->va", "false"),
    ("wc_plugin.c", "wc_plugin_finish_parts", "p->generation == scope_generation(scope)", "true"),
    ("wc_plugin.c", "wc_plugin_on_kernel", "wc_plugin_drop_parts(cpu)", ""),
]
FILES = sorted({mutation[0] for mutation in MUTATIONS})


def unit_tests_pass(directory, file):
    """Compile and run the unit tests of a source file."""
    program = directory / f"test_{file[:-2]}"
    subprocess.run(["gcc", "-std=gnu11", "-w", "-I", directory, "-o", program, f"{program}.c",
                    *(directory / source for source in SOURCES.get(file, [file])), "-lcmocka", "-pthread"], check=True)
    return subprocess.run([program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    directory = tmp_path_factory.mktemp("mutations")
    for path in (TOP / "wcscope").glob("*.[ch]"):
        (directory / path.name).write_text(path.read_text())
    return directory


@pytest.mark.parametrize("file", FILES)
def test_source_as_it_is_passes(sources, file):
    assert unit_tests_pass(sources, file)


@pytest.mark.parametrize("file, function, rule, broken", MUTATIONS)
def test_broken_rule_is_noticed(sources, file, function, rule, broken):
    path = sources / file
    text = path.read_text()
    path.write_text(mutate(text, function, rule, broken))
    try:
        assert not unit_tests_pass(sources, file)
    finally:
        path.write_text(text)


TEXT = """\
#define SIZE 8

static int use(int a);

static int
use(int a)
{
\treturn a <= SIZE || a <= 2;
}

int
use_all(void)
{
\treturn use(3) <= 4;
}
"""


def test_mutation_is_in_its_function():
    assert mutate(TEXT, "use_all", "<=", ">") == TEXT.replace("use(3) <=", "use(3) >")
    assert mutate(TEXT, "SIZE", "8", "9") == TEXT.replace("SIZE 8", "SIZE 9")


@pytest.mark.parametrize("function, fragment, message", [
    ("use", "<=", "'<=' stands 2 times in use, where once is expected"),
    ("use", "use", "'use' stands 0 times in use"),
    ("us", "<=", "0 definitions of us, where one is expected"),
    ("SIZES", "8", "0 definitions of SIZES")])
def test_mutation_without_its_place_is_named(function, fragment, message):
    with pytest.raises(MutationError, match=message):
        mutate(TEXT, function, fragment, "")
