/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/* The plugin with an emulator that executes what the test tells it to. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wc_plugin.c"

#define BAR 0xfe400000
#define VA 0x7f0000000000
#define STORE 0x100	/* in a stub's info, beside the shift of the size */

struct qemu_plugin_insn {
	uint64_t vaddr;
	uint8_t code[MAX_INSN_SIZE];
	size_t size;
	qemu_plugin_vcpu_mem_cb_t on_memory;
	qemu_plugin_vcpu_udata_cb_t on_exec;
	void *data;
};

struct qemu_plugin_tb {
	struct qemu_plugin_insn *insn;
	qemu_plugin_vcpu_udata_cb_t on_exec;
};

struct qemu_plugin_hwaddr {
	uint64_t address;
};

static struct qemu_plugin_hwaddr physical_address;

void
qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, qemu_plugin_vcpu_tb_trans_cb_t cb)
{
	(void)id;
	(void)cb;
}

void
qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, qemu_plugin_vcpu_udata_cb_t cb,
	enum qemu_plugin_cb_flags flags, void *data)
{
	(void)flags;
	(void)data;
	tb->on_exec = cb;
}

void
qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, qemu_plugin_vcpu_udata_cb_t cb,
	enum qemu_plugin_cb_flags flags, void *data)
{
	(void)flags;
	insn->on_exec = cb;
	insn->data = data;
}

void
qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn, qemu_plugin_vcpu_mem_cb_t cb,
	enum qemu_plugin_cb_flags flags, enum qemu_plugin_mem_rw rw, void *data)
{
	(void)flags;
	(void)rw;
	insn->on_memory = cb;
	insn->data = data;
}

size_t
qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb)
{
	(void)tb;
	return 1;
}

uint64_t
qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb)
{
	return tb->insn->vaddr;
}

struct qemu_plugin_insn *
qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t n)
{
	(void)n;
	return tb->insn;
}

uint64_t
qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn)
{
	return insn->vaddr;
}

size_t
qemu_plugin_insn_size(const struct qemu_plugin_insn *insn)
{
	return insn->size;
}

const void *
qemu_plugin_insn_data(const struct qemu_plugin_insn *insn)
{
	return insn->code;
}

unsigned int
qemu_plugin_mem_size_shift(qemu_plugin_meminfo_t info)
{
	return info & 0xff;
}

bool
qemu_plugin_mem_is_store(qemu_plugin_meminfo_t info)
{
	return info & STORE;
}

struct qemu_plugin_hwaddr *
qemu_plugin_get_hwaddr(qemu_plugin_meminfo_t info, uint64_t vaddr)
{
	(void)info;
	physical_address.address = vaddr - VA + BAR;
	return &physical_address;
}

uint64_t
qemu_plugin_hwaddr_phys_addr(const struct qemu_plugin_hwaddr *hwaddr)
{
	return hwaddr->address;
}

/* vmovdqu %ymm1, (%rdi); mov %rax, (%rdi); movdir64b (%rsi), %rdi; mfence */
static struct qemu_plugin_insn wide = { 0x400000, { 0xc5, 0xfe, 0x7f, 0x0f }, 4, NULL, NULL, NULL };
static struct qemu_plugin_insn word = { 0x400010, { 0x48, 0x89, 0x07 }, 3, NULL, NULL, NULL };
static struct qemu_plugin_insn direct = { 0x400020, { 0x66, 0x0f, 0x38, 0xf8, 0x3e }, 5, NULL, NULL, NULL };
static struct qemu_plugin_insn fence = { 0x400030, { 0x0f, 0xae, 0xf0 }, 3, NULL, NULL, NULL };
static struct qemu_plugin_insn of_kernel = { 0xffffffff81000000, { 0x90 }, 1, NULL, NULL, NULL };
static struct qemu_plugin_tb kernel = { &of_kernel, NULL };

static void
command(const char *line)
{
	char reply[256];

	scope_command(scope, line, reply, sizeof(reply));
	if (strcmp(reply, "ok") != 0)
		fail_msg("'%s': %s", line, reply);
}

static int
set_up(void **state)
{
	static struct qemu_plugin_insn * const all[] = { &wide, &word, &direct, &fence };

	(void)state;
	scope = scope_create(NULL);
	for (size_t n = 0; n < sizeof(all) / sizeof(all[0]); n++) {
		struct qemu_plugin_tb tb = { all[n], NULL };

		wc_plugin_on_translation(0, &tb);
	}
	wc_plugin_on_translation(0, &kernel);
	assert_null(of_kernel.on_memory);
	command("bar 0xfe400000 65536");
	command("model intel");
	command("range slots 0x7f0000000000 65536 0 uc");
	command("start");
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	memset(parts_of, 0, sizeof(parts_of));
	scope_free(scope);
	return 0;
}

/* The emulator makes 8 bytes at a time. */
static void
store(const struct qemu_plugin_insn *insn, uint64_t va, unsigned int nb_parts)
{
	for (unsigned int n = 0; n < nb_parts; n++)
		insn->on_memory(0, STORE | 3, va + 8 * n, insn->data);
}

static void
expect(const char *text)
{
	char path[] = "/tmp/test_wc_plugin.XXXXXX", line[64], report[4096];
	int fd = mkstemp(path);
	ssize_t size;

	assert_true(fd >= 0);
	snprintf(line, sizeof(line), "report %s", path);
	command("stop");
	command(line);
	size = read(fd, report, sizeof(report) - 1);
	close(fd);
	unlink(path);
	assert_true(size > 0);
	report[size] = '\0';
	if (strstr(report, text) == NULL)
		fail_msg("no %s in %s", text, report);
}

static void
parts_make_one_store(void **state)
{
	(void)state;
	store(&wide, VA, 4);
	store(&wide, VA + 32, 4);
	/* The same place again, as in a loop */
	store(&wide, VA + 32, 4);
	store(&word, VA + 64, 1);
	store(&word, VA + 72, 1);
	expect("\"sizes\": {\"8\": 2, \"32\": 3}");
}

static void
direct_store_is_one(void **state)
{
	(void)state;
	store(&direct, VA, 8);
	expect("\"fences\": 0, \"direct\": 1, \"sizes\": {\"64\": 1}");
}

/* The second page is not there: the kernel runs, and the instruction starts again. */
static void
store_that_faults_is_counted_once(void **state)
{
	(void)state;
	store(&wide, VA + 4096 - 16, 2);
	kernel.on_exec(0, NULL);
	store(&wide, VA + 4096 - 16, 4);
	expect("\"totals\": {\"stores\": 1, \"store_bytes\": 32");
}

static void
parts_do_not_outlive_a_measurement(void **state)
{
	(void)state;
	store(&wide, VA, 2);
	command("stop");
	command("bar 0xfe400000 65536");
	command("model intel");
	command("range slots 0x7f0000000000 65536 0 uc");
	command("start");
	store(&word, VA + 128, 1);
	expect("\"totals\": {\"stores\": 1, \"store_bytes\": 8");
}

/* What was stored before a barrier is there before it. */
static void
barrier_ends_what_is_in_parts(void **state)
{
	(void)state;
	store(&wide, VA, 2);
	fence.on_exec(0, fence.data);
	expect("\"totals\": {\"stores\": 1, \"store_bytes\": 16");
}

static void
nothing_is_counted_elsewhere(void **state)
{
	(void)state;
	store(&word, VA - 8, 1);
	store(&word, VA + 65536, 1);
	word.on_memory(WC_MAX_CPUS, STORE | 3, VA, word.data);
	expect("\"totals\": {\"stores\": 0,");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(parts_make_one_store, set_up, tear_down),
		cmocka_unit_test_setup_teardown(direct_store_is_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(store_that_faults_is_counted_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(parts_do_not_outlive_a_measurement, set_up, tear_down),
		cmocka_unit_test_setup_teardown(barrier_ends_what_is_in_parts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_is_counted_elsewhere, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
