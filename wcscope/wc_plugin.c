/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * The QEMU plugin: follows what user space of an x86 guest does to a device's memory and tells
 * wc_scope.c. Commands come over a UNIX socket:
 *
 *     qemu-system-x86_64 -plugin libwcscope1.so,control=/path/of/socket ...
 *
 * (libwcscope3.so for QEMU 9.1 and later: the API's version)
 */

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "qemu_plugin_api.h"
#include "wc_scope.h"
#include "x86_insn.h"

#define MAX_INSN_SIZE 15	/* Intel SDM vol. 2, section 2.3.11 */
#define MAX_INSNS (1 << 20)	/* a power of two */

QEMU_PLUGIN_EXPORT int qemu_plugin_version = WCSCOPE_PLUGIN_API;

/* An instruction that has been translated. */
struct insn {
	struct insn *next;
	uint64_t pc;
	struct x86_insn x86;
};

/* Parts of a wide access that have been seen. */
struct parts {
	const struct insn *insn;
	const struct scope_range *range;
	unsigned int generation;
	uint64_t va;
	uint32_t size;
	bool store;
};

static struct scope *scope;
static pthread_mutex_t answers_lock = PTHREAD_MUTEX_INITIALIZER;
static FILE *answers;	/* NULL without a connection */
static struct parts parts_of[WC_MAX_CPUS];
static pthread_mutex_t insns_lock = PTHREAD_MUTEX_INITIALIZER;
static struct insn *insns[MAX_INSNS];

/* Code is translated again and again; what is kept of it is kept once. */
static struct insn *
wc_plugin_keep_insn(uint64_t pc, struct x86_insn x86)
{
	struct insn **head = &insns[(pc ^ pc >> 20) & (MAX_INSNS - 1)], *insn;

	pthread_mutex_lock(&insns_lock);
	for (insn = *head; insn != NULL; insn = insn->next) {
		if (insn->pc == pc && insn->x86.kind == x86.kind && insn->x86.width == x86.width)
			goto out;
	}
	insn = malloc(sizeof(*insn));
	if (insn != NULL) {
		*insn = (struct insn){ *head, pc, x86 };
		*head = insn;
	}
out:
	pthread_mutex_unlock(&insns_lock);
	return insn;
}

static void
wc_plugin_access_whole(unsigned int cpu, const struct parts *p)
{
	enum x86_kind kind = p->insn->x86.kind;

	if (p->store)
		scope_store(scope, cpu, p->range, p->va, p->size, kind == X86_DIRECT_STORE,
			p->insn->pc);
	else
		scope_load(scope, cpu, p->range, p->va, p->size, kind == X86_STREAMING_LOAD,
			p->insn->pc);
}

/* What has been seen of an access, unless the measurement that it belongs to has ended. */
static void
wc_plugin_finish_parts(unsigned int cpu)
{
	struct parts *p = &parts_of[cpu];

	if (p->insn != NULL && p->generation == scope_generation(scope))
		wc_plugin_access_whole(cpu, p);
	p->insn = NULL;
}

/* An access that faults does nothing; it is seen again, from its start, when it is made again. */
static void
wc_plugin_drop_parts(unsigned int cpu)
{
	if (cpu < WC_MAX_CPUS)
		parts_of[cpu].insn = NULL;
}

static bool
wc_plugin_continues(const struct parts *p, const struct parts *part)
{
	return p->insn == part->insn && p->generation == part->generation &&
		p->store == part->store && p->range == part->range &&
		p->va + p->size == part->va;
}

static uint64_t
wc_plugin_physical(qemu_plugin_meminfo_t info, uint64_t va)
{
	const struct qemu_plugin_hwaddr *hwaddr = qemu_plugin_get_hwaddr(info, va);

	return hwaddr != NULL ? qemu_plugin_hwaddr_phys_addr(hwaddr) : UINT64_MAX;
}

static void
wc_plugin_on_memory(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t va, void *data)
{
	struct parts part = { .insn = data, .va = va }, *p;

	if (!scope_active(scope) || cpu >= WC_MAX_CPUS)
		return;
	part.range = scope_find(scope, va);
	if (part.range == NULL || !scope_await(scope, part.range, va, cpu))
		return;
	part.generation = scope_generation(scope);
	part.size = 1U << qemu_plugin_mem_size_shift(info);
	part.store = qemu_plugin_mem_is_store(info);
	p = &parts_of[cpu];
	if (wc_plugin_continues(p, &part)) {
		p->size += part.size;
	} else {
		wc_plugin_finish_parts(cpu);
		/* Looked up once for an access: that is what takes the time. */
		if (!scope_verify(scope, part.range, va, wc_plugin_physical(info, va)))
			return;
		*p = part;
	}
	if (p->size >= p->insn->x86.width)
		wc_plugin_finish_parts(cpu);
}

static void
wc_plugin_on_barrier(unsigned int cpu, void *data)
{
	static const enum lint_order orders[] = {
		[X86_SFENCE] = LINT_ORDER_STORES, [X86_LFENCE] = LINT_ORDER_LOADS,
		[X86_MFENCE] = LINT_ORDER_ALL, [X86_LOCKED] = LINT_ORDER_LOCKED,
		[X86_SERIALISING] = LINT_ORDER_SERIALISING,
	};
	const struct insn *insn = data;

	if (!scope_active(scope) || cpu >= WC_MAX_CPUS)
		return;
	wc_plugin_finish_parts(cpu);
	scope_barrier(scope, cpu, orders[insn->x86.kind]);
}

static void
wc_plugin_on_kernel(unsigned int cpu, void *data)
{
	(void)data;
	if (!scope_active(scope))
		return;
	wc_plugin_drop_parts(cpu);
	scope_kernel(scope, cpu);
}

static struct x86_insn
wc_plugin_classify(const struct qemu_plugin_insn *insn)
{
	size_t size = qemu_plugin_insn_size(insn);
#if WCSCOPE_PLUGIN_API >= 3
	uint8_t code[MAX_INSN_SIZE];

	return x86_classify(code, qemu_plugin_insn_data(insn, code,
			size < sizeof(code) ? size : sizeof(code)));
#else
	return x86_classify(qemu_plugin_insn_data(insn), size < MAX_INSN_SIZE ? size : MAX_INSN_SIZE);
#endif
}

static bool
wc_plugin_is_barrier(enum x86_kind kind)
{
	return kind >= X86_SFENCE && kind <= X86_SERIALISING;
}

static void
wc_plugin_instrument(struct qemu_plugin_insn *insn)
{
	struct insn *kept = wc_plugin_keep_insn(qemu_plugin_insn_vaddr(insn),
			wc_plugin_classify(insn));

	if (kept == NULL)
		return;
	if (wc_plugin_is_barrier(kept->x86.kind))
		qemu_plugin_register_vcpu_insn_exec_cb(insn, wc_plugin_on_barrier,
			QEMU_PLUGIN_CB_NO_REGS, kept);
	qemu_plugin_register_vcpu_mem_cb(insn, wc_plugin_on_memory, QEMU_PLUGIN_CB_NO_REGS,
			QEMU_PLUGIN_MEM_RW, kept);
}

/* Linux has the upper half of the address space. */
static bool
wc_plugin_is_kernel(uint64_t va)
{
	return va >> 63 != 0;
}

static void
wc_plugin_on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	(void)id;
	if (wc_plugin_is_kernel(qemu_plugin_tb_vaddr(tb))) {
		qemu_plugin_register_vcpu_tb_exec_cb(tb, wc_plugin_on_kernel,
				QEMU_PLUGIN_CB_NO_REGS, NULL);
		return;
	}
	for (size_t n = 0; n < qemu_plugin_tb_n_insns(tb); n++)
		wc_plugin_instrument(qemu_plugin_tb_get_insn(tb, n));
}

static void
wc_plugin_answer_to(FILE *out)
{
	pthread_mutex_lock(&answers_lock);
	answers = out;
	pthread_mutex_unlock(&answers_lock);
}

static void
wc_plugin_answer(const char *line)
{
	pthread_mutex_lock(&answers_lock);
	if (answers != NULL) {
		fprintf(answers, "%s\n", line);
		fflush(answers);
	}
	pthread_mutex_unlock(&answers_lock);
}

/* Comes between the answers to commands. */
static void
wc_plugin_on_held(const struct scope_range *range, uint64_t va, unsigned int cpu)
{
	char line[128];

	snprintf(line, sizeof(line), "held %s %" PRIu64 " %u", range->name, va, cpu);
	wc_plugin_answer(line);
}

/* Answer the commands of one connection. */
static void
wc_plugin_serve(FILE *in, FILE *out)
{
	char line[1024], reply[1280];

	wc_plugin_answer_to(out);
	while (fgets(line, sizeof(line), in) != NULL) {
		scope_command(scope, line, reply, sizeof(reply));
		wc_plugin_answer(reply);
	}
	wc_plugin_answer_to(NULL);
	scope_abandon(scope);
}

static void
wc_plugin_serve_connection(int fd)
{
	FILE *in = fdopen(fd, "r"), *out;

	if (in == NULL) {
		close(fd);
		return;
	}
	out = fdopen(dup(fd), "w");
	if (out != NULL) {
		wc_plugin_serve(in, out);
		fclose(out);
	}
	fclose(in);
}

static void *
wc_plugin_serve_all(void *data)
{
	int listener = (int)(intptr_t)data, fd;

	for (;;) {
		fd = accept(listener, NULL, NULL);
		if (fd >= 0) {
			wc_plugin_serve_connection(fd);
		} else if (errno != EINTR && errno != ECONNABORTED) {
			fprintf(stderr, "wcscope: no more commands: %s\n", strerror(errno));
			return NULL;
		}
	}
}

static int
wc_plugin_listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
			listen(fd, 1) != 0) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

/* QEMU's own threads take the signals. */
static int
wc_plugin_start_server(int listener)
{
	pthread_t thread;
	sigset_t all, old;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&thread, NULL, wc_plugin_serve_all, (void *)(intptr_t)listener);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ret;
}

int
qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	const char *path = argc == 1 && strncmp(argv[0], "control=", 8) == 0 ? argv[0] + 8 : NULL;
	int listener;

	if (path == NULL) {
		fprintf(stderr, "wcscope: use: -plugin libwcscope1.so,control=PATH (QEMU 9.1 and later: libwcscope3.so)\n");
		return -1;
	}
	if (!info->system_emulation || strcmp(info->target_name, "x86_64") != 0) {
		fprintf(stderr, "wcscope: only x86_64 system emulation is supported\n");
		return -1;
	}
	listener = wc_plugin_listen_at(path);
	scope = scope_create(wc_plugin_on_held);
	if (listener < 0 || scope == NULL || wc_plugin_start_server(listener) != 0) {
		fprintf(stderr, "wcscope: no socket at %s: %s\n", path, strerror(errno));
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, wc_plugin_on_translation);
	return 0;
}
