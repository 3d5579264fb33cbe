/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wc_scope.h"

#define MAX_RANGES 64
#define MAX_SITES 4096	/* a power of two */
#define MAX_WORDS 32
#define MAX_BAR (UINT64_C(1) << 34)

/* An instruction that accesses a range. */
struct site {
	const struct scope_range *range;	/* NULL: the entry is free */
	uint64_t pc;
	struct wc_counts counts;
};

struct scope {
	pthread_mutex_t lock;
	pthread_cond_t resolved;
	scope_held_t held;
	atomic_bool active;
	atomic_uint generation;
	atomic_bool dirty[WC_MAX_CPUS];		/* accessed since the kernel ran */
	uint64_t bar;				/* physical address */
	uint64_t bar_size;
	const uint8_t *memory;			/* behind the BAR, or NULL */
	uint64_t lost_sites;
	uint64_t unresolved;			/* accesses that waited in vain */
	atomic_uint_fast64_t elsewhere;
	atomic_uint nb_ranges;
	struct scope_range ranges[MAX_RANGES];
	struct wc_params params;
	struct wc_model *model;
	struct lint *lints[LINT_NB_ARCHS];
	struct site sites[MAX_SITES];
};

struct scope *
scope_create(scope_held_t held)
{
	struct scope *scope = calloc(1, sizeof(*scope));

	if (scope == NULL)
		return NULL;
	pthread_mutex_init(&scope->lock, NULL);
	pthread_cond_init(&scope->resolved, NULL);
	scope->held = held;
	return scope;
}

static void
wc_scope_clear(struct scope *scope)
{
	if (scope->memory != NULL)
		munmap((void *)(uintptr_t)scope->memory, scope->bar_size);
	scope->memory = NULL;
	wc_model_free(scope->model);
	scope->model = NULL;
	for (int n = 0; n < LINT_NB_ARCHS; n++) {
		lint_free(scope->lints[n]);
		scope->lints[n] = NULL;
	}
	for (int n = 0; n < WC_MAX_CPUS; n++)
		scope->dirty[n] = false;
	memset(scope->sites, 0, sizeof(scope->sites));
	scope->nb_ranges = 0;
	scope->bar_size = 0;
	scope->lost_sites = 0;
	scope->unresolved = 0;
	scope->elsewhere = 0;
}

void
scope_free(struct scope *scope)
{
	wc_scope_clear(scope);
	pthread_cond_destroy(&scope->resolved);
	pthread_mutex_destroy(&scope->lock);
	free(scope);
}

/* Commands: each returns NULL or what is wrong. */

static bool
wc_scope_parse_number(const char *text, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 0);
	return errno == 0 && end != text && *end == '\0' && *text != '-';
}

static bool
wc_scope_parse_numbers(char **words, unsigned int number, uint64_t *values)
{
	for (unsigned int n = 0; n < number; n++) {
		if (!wc_scope_parse_number(words[n], &values[n]))
			return false;
	}
	return true;
}

static const char *
wc_scope_map_memory(const char *path, uint64_t size, const uint8_t **memory)
{
	struct stat status;
	void *mapped;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return "the file cannot be opened";
	if (fstat(fd, &status) != 0 || (uint64_t)status.st_size < size) {
		close(fd);
		return "the file is smaller than the BAR";
	}
	mapped = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (mapped == MAP_FAILED)
		return "the file cannot be mapped";
	*memory = mapped;
	return NULL;
}

static const char *
wc_scope_command_bar(struct scope *scope, unsigned int nb_words, char **words)
{
	const uint8_t *memory = NULL;
	const char *error = NULL;
	uint64_t values[2];

	if (nb_words < 3 || nb_words > 4 || !wc_scope_parse_numbers(&words[1], 2, values) ||
			values[1] == 0 || values[1] > MAX_BAR)
		return "use: bar ADDRESS SIZE [FILE], up to 16 GiB";
	if (nb_words == 4)
		error = wc_scope_map_memory(words[3], values[1], &memory);
	if (error != NULL)
		return error;
	wc_scope_clear(scope);
	scope->bar = values[0];
	scope->bar_size = values[1];
	scope->memory = memory;
	for (int n = 0; n < LINT_NB_ARCHS; n++) {
		scope->lints[n] = lint_create(n, scope->bar_size);
		if (scope->lints[n] == NULL) {
			wc_scope_clear(scope);
			return "no memory";
		}
	}
	return NULL;
}

static const char *
wc_scope_command_model(struct scope *scope, unsigned int nb_words, char **words)
{
	struct wc_params params;
	char *value;

	if (scope->model != NULL)
		return "there is one already: start again with bar";
	if (nb_words < 2 || wc_preset(words[1], &params) != 0)
		return "use: model PRESET [NAME=VALUE ...]; there are intel, broadwell and amd";
	for (unsigned int n = 2; n < nb_words; n++) {
		value = strchr(words[n], '=');
		if (value == NULL)
			return "a parameter is NAME=VALUE";
		*value++ = '\0';
		if (wc_params_set(&params, words[n], value) != 0)
			return "unknown parameter or bad value";
	}
	if (!wc_params_valid(&params))
		return "a parameter is out of its range, or they do not go together: see wc_model.h";
	scope->model = wc_model_create(&params);
	scope->params = params;
	return scope->model == NULL ? "no memory" : NULL;
}

static bool
wc_scope_name_valid(const char *name)
{
	return strlen(name) < sizeof(((struct scope_range *)0)->name) &&
		strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-.") == strlen(name);
}

static bool
wc_scope_parse_type(const char *text, enum wc_type *type)
{
	*type = strcmp(text, "wc") == 0 ? WC_TYPE_WC : WC_TYPE_UC;
	return strcmp(text, "uc") == 0 || strcmp(text, "wc") == 0;
}

static bool
wc_scope_in_bar(const struct scope *scope, uint64_t offset, uint64_t size)
{
	return size != 0 && offset <= scope->bar_size && size <= scope->bar_size - offset;
}

/* CPUs may look for ranges at the same time: a range is complete before it is there. */
static const char *
wc_scope_add_range(struct scope *scope, const char *name, uint64_t va, uint64_t size,
	enum scope_state state, uint64_t offset, enum wc_type type)
{
	struct scope_range *range = &scope->ranges[scope->nb_ranges];

	if (scope->nb_ranges == MAX_RANGES)
		return "there are 64 ranges already";
	range->va = va;
	range->size = size;
	range->offset = offset;
	range->type = type;
	range->state = state;
	strcpy(range->name, name);
	scope->nb_ranges++;
	return NULL;
}

static const char *
wc_scope_command_range(struct scope *scope, unsigned int nb_words, char **words)
{
	uint64_t values[3];
	enum wc_type type;

	if (nb_words != 6 || !wc_scope_name_valid(words[1]) ||
			!wc_scope_parse_numbers(&words[2], 3, values) ||
			!wc_scope_parse_type(words[5], &type))
		return "use: range NAME VA SIZE OFFSET uc|wc";
	if (!wc_scope_in_bar(scope, values[2], values[1]))
		return "the range is not within the BAR";
	return wc_scope_add_range(scope, words[1], values[0], values[1], SCOPE_KNOWN, values[2],
			type);
}

static const char *
wc_scope_command_watch(struct scope *scope, unsigned int nb_words, char **words)
{
	uint64_t values[2];

	if (nb_words != 4 || !wc_scope_name_valid(words[1]) ||
			!wc_scope_parse_numbers(&words[2], 2, values) || values[1] == 0)
		return "use: watch NAME VA SIZE";
	return wc_scope_add_range(scope, words[1], values[0], values[1], SCOPE_WATCHED, 0,
			WC_TYPE_UC);
}

/* The last one of a name that is not ignored. */
static struct scope_range *
wc_scope_range_of(struct scope *scope, const char *name)
{
	for (unsigned int n = scope->nb_ranges; n > 0; n--) {
		struct scope_range *range = &scope->ranges[n - 1];

		if (range->state != SCOPE_IGNORED && strcmp(range->name, name) == 0)
			return range;
	}
	return NULL;
}

static void
wc_scope_settle(struct scope *scope, struct scope_range *range, enum scope_state state)
{
	range->state = state;
	pthread_cond_broadcast(&scope->resolved);
}

static const char *
wc_scope_command_resolve(struct scope *scope, unsigned int nb_words, char **words)
{
	struct scope_range *range;
	enum wc_type type;
	uint64_t offset;

	if (nb_words != 4 || !wc_scope_parse_number(words[2], &offset) ||
			!wc_scope_parse_type(words[3], &type))
		return "use: resolve NAME OFFSET uc|wc";
	range = wc_scope_range_of(scope, words[1]);
	if (range == NULL || range->state != SCOPE_WATCHED)
		return "no such range is watched";
	if (!wc_scope_in_bar(scope, offset, range->size))
		return "the range is not within the BAR";
	range->offset = offset;
	range->type = type;
	wc_scope_settle(scope, range, SCOPE_KNOWN);
	return NULL;
}

static const char *
wc_scope_command_ignore(struct scope *scope, unsigned int nb_words, char **words)
{
	struct scope_range *range = nb_words == 2 ? wc_scope_range_of(scope, words[1]) : NULL;

	if (range == NULL)
		return "use: ignore NAME, of a range";
	wc_scope_settle(scope, range, SCOPE_IGNORED);
	return NULL;
}

static const char *
wc_scope_add_ring(struct scope *scope, const struct lint_ring *ring)
{
	for (int n = 0; n < LINT_NB_ARCHS; n++) {
		if (lint_add_ring(scope->lints[n], ring) != 0)
			return "the ring is not within the BAR, its lines are no power of two, or there are 4";
	}
	return NULL;
}

static const char *
wc_scope_command_ring(struct scope *scope, unsigned int nb_words, char **words)
{
	uint64_t values[4];

	if (nb_words != 5 || !wc_scope_parse_numbers(&words[1], 4, values) ||
			values[1] > UINT32_MAX)
		return "use: ring SLOTS LINES PRODUCED CONSUMED";
	return wc_scope_add_ring(scope, &(struct lint_ring){
		.slots = values[0], .nb_lines = values[1], .produced = values[2],
		.consumed = values[3],
	});
}

static const char *
wc_scope_command_heads(struct scope *scope, unsigned int nb_words, char **words)
{
	uint64_t values[4];

	if (nb_words != 5 || !wc_scope_parse_numbers(&words[1], 4, values) ||
			values[1] > UINT32_MAX || values[2] == 0 || values[2] > UINT32_MAX)
		return "use: heads SLOTS LINES LENGTH-BITS CONSUMED";
	return wc_scope_add_ring(scope, &(struct lint_ring){
		.slots = values[0], .nb_lines = values[1], .header_len = values[2],
		.consumed = values[3],
	});
}

static const char *
wc_scope_command_flags(struct scope *scope, unsigned int nb_words, char **words)
{
	uint64_t values[2];

	if (nb_words != 3 || !wc_scope_parse_numbers(&words[1], 2, values))
		return "use: flags OFFSET SIZE";
	for (int n = 0; n < LINT_NB_ARCHS; n++) {
		if (lint_add_flags(scope->lints[n], values[0], values[1]) != 0)
			return "the flags are not within the BAR, or there are 4 already";
	}
	return NULL;
}

static const char *
wc_scope_command_stop(struct scope *scope)
{
	scope->active = false;
	pthread_cond_broadcast(&scope->resolved);
	for (unsigned int cpu = 0; cpu < WC_MAX_CPUS; cpu++)
		wc_model_flush(scope->model, cpu, WC_CAUSE_END);
	return NULL;
}

/* What reads the report takes the names of counters from here. */
static void
wc_scope_print_counters(FILE *file)
{
	const char *comma = "";

#define PRINT(name) \
	fprintf(file, "%s\"" #name "\"", comma); \
	comma = ", ";
	WC_COUNTERS(PRINT)
#undef PRINT
}

static void
wc_scope_print_counts(FILE *file, const struct wc_counts *c)
{
	const char *comma = "";

#define PRINT(name) \
	fprintf(file, "%s\"" #name "\": %" PRIu64, comma, c->name); \
	comma = ", ";
	WC_COUNTERS(PRINT)
#undef PRINT
}

static void
wc_scope_print_params(FILE *file, const struct wc_params *p)
{
	/* Earlier reports have none, and stay comparable. */
	if (p->evict != 0)
		fprintf(file, "\"evict\": %u, ", p->evict);
	fprintf(file, "\"line\": %u, \"buffers\": %u, \"victim\": \"%s\", \"send_full\": %s, "
		"\"chunk\": %u, \"uc_width\": %u, \"stream_buffers\": %u, "
		"\"header\": %u, \"generation\": %u, \"width\": %u, "
		"\"link_bytes_per_second\": %.0f", p->line, p->buffers,
		p->victim == WC_VICTIM_OLDEST ? "oldest" : "least-used",
		p->send_full ? "true" : "false", p->chunk, p->uc_width, p->stream_buffers,
		p->header, p->generation, p->width, wc_link_rate(p));
}

static void
wc_scope_print_totals(FILE *file, const struct wc_totals *totals)
{
	const char *comma = "";

	wc_scope_print_counts(file, &totals->counts);
	fprintf(file, ", \"collapsed\": %" PRIu64 ", \"fences\": %" PRIu64 ", \"direct\": %" PRIu64
		", \"sizes\": {", totals->collapsed, totals->fences, totals->direct);
	for (int n = 0; n <= WC_MAX_LINE; n++) {
		if (totals->sizes[n] == 0)
			continue;
		fprintf(file, "%s\"%d\": %" PRIu64, comma, n, totals->sizes[n]);
		comma = ", ";
	}
	fprintf(file, "}, \"sent\": {");
	for (int n = 0; n < WC_NB_CAUSES; n++)
		fprintf(file, "%s\"%s\": %" PRIu64, n == 0 ? "" : ", ", wc_cause_name(n),
			totals->sent[n]);
	fprintf(file, "}");
}

static void
wc_scope_print_sites(FILE *file, const struct scope *scope)
{
	const char *comma = "";

	for (int n = 0; n < MAX_SITES; n++) {
		const struct site *site = &scope->sites[n];

		if (site->range == NULL)
			continue;
		fprintf(file, "%s\n{\"pc\": %" PRIu64 ", \"range\": \"%s\", \"type\": \"%s\", ", comma,
			site->pc, site->range->name, site->range->type == WC_TYPE_WC ? "WC" : "UC");
		wc_scope_print_counts(file, &site->counts);
		fprintf(file, "}");
		comma = ",";
	}
}

static void
wc_scope_print_findings(FILE *file, const struct lint *lint)
{
	uint64_t lost;
	size_t number;
	const struct lint_finding *findings = lint_findings(lint, &number, &lost);

	for (size_t n = 0; n < number; n++)
		fprintf(file, "%s\n{\"rule\": \"%s\", \"pc\": %" PRIu64 ", \"other\": %" PRIu64
			", \"offset\": %" PRIu64 ", \"number\": %" PRIu64 "}", n == 0 ? "" : ",",
			lint_rule_name(findings[n].rule), findings[n].site, findings[n].other,
			findings[n].offset, findings[n].number);
}

static uint64_t
wc_scope_lost_findings(const struct scope *scope)
{
	uint64_t sum = 0, lost;
	size_t number;

	for (int n = 0; n < LINT_NB_ARCHS; n++) {
		lint_findings(scope->lints[n], &number, &lost);
		sum += lost;
	}
	return sum;
}

static void
wc_scope_print_report(FILE *file, const struct scope *scope)
{
	fprintf(file, "{\"params\": {");
	wc_scope_print_params(file, &scope->params);
	fprintf(file, "},\n\"counters\": [");
	wc_scope_print_counters(file);
	fprintf(file, "],\n\"totals\": {");
	wc_scope_print_totals(file, wc_model_totals(scope->model));
	fprintf(file, "},\n\"elsewhere\": %" PRIu64 ",\n\"unresolved\": %" PRIu64
		",\n\"lost_sites\": %" PRIu64 ",\n\"sites\": [",
		(uint64_t)scope->elsewhere, scope->unresolved, scope->lost_sites);
	wc_scope_print_sites(file, scope);
	fprintf(file, "],\n\"lost_findings\": %" PRIu64 ",\n\"lint\": {",
			wc_scope_lost_findings(scope));
	for (int n = 0; n < LINT_NB_ARCHS; n++) {
		fprintf(file, "%s\"%s\": [", n == 0 ? "" : ", ", lint_arch_name(n));
		wc_scope_print_findings(file, scope->lints[n]);
		fprintf(file, "]");
	}
	fprintf(file, "}}\n");
}

static const char *
wc_scope_command_report(struct scope *scope, unsigned int nb_words, char **words)
{
	FILE *file = nb_words == 2 ? fopen(words[1], "w") : NULL;
	bool failed;

	if (file == NULL)
		return "use: report FILE, one that can be written";
	wc_scope_print_report(file, scope);
	failed = ferror(file) != 0;
	return fclose(file) != 0 || failed ? "the report cannot be written" : NULL;
}

static bool
wc_scope_is_live(const char *name)
{
	return strcmp(name, "stop") == 0 || strcmp(name, "watch") == 0 ||
		strcmp(name, "resolve") == 0 || strcmp(name, "ignore") == 0;
}

static const char *
wc_scope_execute(struct scope *scope, unsigned int nb_words, char **words)
{
	const char *name = nb_words > 0 ? words[0] : "";

	if (scope->active && !wc_scope_is_live(name))
		return "stop first";
	if (strcmp(name, "bar") == 0)
		return wc_scope_command_bar(scope, nb_words, words);
	if (scope->bar_size == 0)
		return "bar first";
	if (strcmp(name, "model") == 0)
		return wc_scope_command_model(scope, nb_words, words);
	if (scope->model == NULL)
		return "model first";
	if (strcmp(name, "range") == 0)
		return wc_scope_command_range(scope, nb_words, words);
	if (strcmp(name, "watch") == 0)
		return wc_scope_command_watch(scope, nb_words, words);
	if (strcmp(name, "resolve") == 0)
		return wc_scope_command_resolve(scope, nb_words, words);
	if (strcmp(name, "ignore") == 0)
		return wc_scope_command_ignore(scope, nb_words, words);
	if (strcmp(name, "ring") == 0)
		return wc_scope_command_ring(scope, nb_words, words);
	if (strcmp(name, "heads") == 0)
		return wc_scope_command_heads(scope, nb_words, words);
	if (strcmp(name, "flags") == 0)
		return wc_scope_command_flags(scope, nb_words, words);
	if (strcmp(name, "report") == 0)
		return wc_scope_command_report(scope, nb_words, words);
	if (strcmp(name, "stop") == 0)
		return wc_scope_command_stop(scope);
	if (strcmp(name, "start") != 0)
		return "there are bar, model, range, watch, resolve, ignore, ring, heads, flags, start, stop, report";
	scope->generation++;
	scope->active = true;
	return NULL;
}

void
scope_command(struct scope *scope, const char *line, char *reply, size_t size)
{
	char *words[MAX_WORDS], *copy = strdup(line), *rest = copy, *word;
	unsigned int nb_words = 0;
	const char *error = "no memory";

	while (copy != NULL && nb_words < MAX_WORDS && (word = strsep(&rest, " \n")) != NULL) {
		if (*word != '\0')
			words[nb_words++] = word;
	}
	if (rest != NULL && copy != NULL) {
		error = "too many words";
	} else if (copy != NULL) {
		pthread_mutex_lock(&scope->lock);
		error = wc_scope_execute(scope, nb_words, words);
		pthread_mutex_unlock(&scope->lock);
	}
	free(copy);
	if (error == NULL)
		snprintf(reply, size, "ok");
	else
		snprintf(reply, size, "error: %.*s: %s", (int)strcspn(line, "\n"), line, error);
}

/* Accesses */

bool
scope_active(const struct scope *scope)
{
	return atomic_load_explicit(&scope->active, memory_order_relaxed);
}

unsigned int
scope_generation(const struct scope *scope)
{
	return atomic_load_explicit(&scope->generation, memory_order_relaxed);
}

const struct scope_range *
scope_find(const struct scope *scope, uint64_t va)
{
	for (unsigned int n = 0; n < scope->nb_ranges; n++) {
		if (va - scope->ranges[n].va < scope->ranges[n].size &&
				scope->ranges[n].state != SCOPE_IGNORED)
			return &scope->ranges[n];
	}
	return NULL;
}

bool
scope_await(struct scope *scope, const struct scope_range *range, uint64_t va, unsigned int cpu)
{
	bool known;

	if (range->state == SCOPE_KNOWN)
		return true;
	pthread_mutex_lock(&scope->lock);
	if (scope->active && range->state == SCOPE_WATCHED && scope->held != NULL)
		scope->held(range, va, cpu);
	while (scope->active && range->state == SCOPE_WATCHED)
		pthread_cond_wait(&scope->resolved, &scope->lock);
	known = scope->active && range->state == SCOPE_KNOWN;
	if (range->state == SCOPE_WATCHED)
		scope->unresolved++;
	pthread_mutex_unlock(&scope->lock);
	return known;
}

void
scope_abandon(struct scope *scope)
{
	pthread_mutex_lock(&scope->lock);
	for (unsigned int n = 0; n < scope->nb_ranges; n++) {
		if (scope->ranges[n].state == SCOPE_WATCHED)
			wc_scope_settle(scope, &scope->ranges[n], SCOPE_IGNORED);
	}
	pthread_mutex_unlock(&scope->lock);
}

bool
scope_verify(struct scope *scope, const struct scope_range *range, uint64_t va, uint64_t pa)
{
	if (pa - scope->bar == va - range->va + range->offset)
		return true;
	scope->elsewhere++;
	return false;
}

static struct wc_counts *
wc_scope_find_counts(struct scope *scope, const struct scope_range *range, uint64_t pc)
{
	uint64_t start = pc * UINT64_C(0x9e3779b97f4a7c15) >> 32;

	for (unsigned int n = 0; n < MAX_SITES; n++) {
		struct site *site = &scope->sites[(start + n) & (MAX_SITES - 1)];

		if (site->range == NULL) {
			site->range = range;
			site->pc = pc;
		}
		if (site->range == range && site->pc == pc)
			return &site->counts;
	}
	scope->lost_sites++;
	return NULL;
}

static const uint32_t *
wc_scope_value_at(const struct scope *scope, uint64_t offset, uint32_t size, uint32_t *value)
{
	if (scope->memory == NULL || size != sizeof(*value) || offset > scope->bar_size - size)
		return NULL;
	memcpy(value, scope->memory + offset, sizeof(*value));
	return value;
}

/* Returns whether this is to be counted, with the lock held. */
static bool
wc_scope_begin(struct scope *scope, unsigned int cpu)
{
	if (cpu >= WC_MAX_CPUS)
		return false;
	pthread_mutex_lock(&scope->lock);
	if (scope->active)
		return true;
	pthread_mutex_unlock(&scope->lock);
	return false;
}

void
scope_store(struct scope *scope, unsigned int cpu, const struct scope_range *range, uint64_t va,
	uint32_t size, bool direct, uint64_t pc)
{
	/* Direct stores are weakly ordered, whatever the memory (Intel SDM vol. 2, MOVDIRI). */
	enum wc_type type = direct ? WC_TYPE_WC : range->type;
	uint64_t offset = va - range->va + range->offset;
	struct wc_counts *counts;
	uint32_t value;

	if (!wc_scope_begin(scope, cpu))
		return;
	counts = wc_scope_find_counts(scope, range, pc);
	if (direct)
		wc_model_direct(scope->model, cpu, offset, size, counts);
	else
		wc_model_store(scope->model, cpu, type, offset, size, counts);
	for (int n = 0; n < LINT_NB_ARCHS; n++)
		lint_store(scope->lints[n], cpu, type, offset, size,
			wc_scope_value_at(scope, offset, size, &value), pc);
	scope->dirty[cpu] = true;
	pthread_mutex_unlock(&scope->lock);
}

void
scope_load(struct scope *scope, unsigned int cpu, const struct scope_range *range, uint64_t va,
	uint32_t size, bool streaming, uint64_t pc)
{
	uint64_t offset = va - range->va + range->offset;

	if (!wc_scope_begin(scope, cpu))
		return;
	wc_model_load(scope->model, cpu, range->type, offset, size, streaming,
		wc_scope_find_counts(scope, range, pc));
	for (int n = 0; n < LINT_NB_ARCHS; n++)
		lint_load(scope->lints[n], cpu, range->type, offset, size, streaming, pc);
	scope->dirty[cpu] = true;
	pthread_mutex_unlock(&scope->lock);
}

void
scope_barrier(struct scope *scope, unsigned int cpu, enum lint_order order)
{
	static const enum wc_cause causes[] = {
		[LINT_ORDER_STORES] = WC_CAUSE_FENCE, [LINT_ORDER_ALL] = WC_CAUSE_FENCE,
		[LINT_ORDER_LOCKED] = WC_CAUSE_LOCKED, [LINT_ORDER_SERIALISING] = WC_CAUSE_SERIALISING,
	};

	if (!wc_scope_begin(scope, cpu))
		return;
	if (order != LINT_ORDER_LOADS)
		wc_model_flush(scope->model, cpu, causes[order]);
	if (order != LINT_ORDER_LOADS && order != LINT_ORDER_STORES)
		wc_model_forget(scope->model, cpu);
	for (int n = 0; n < LINT_NB_ARCHS; n++)
		lint_barrier(scope->lints[n], cpu, order);
	pthread_mutex_unlock(&scope->lock);
}

void
scope_kernel(struct scope *scope, unsigned int cpu)
{
	if (cpu >= WC_MAX_CPUS || !atomic_load_explicit(&scope->dirty[cpu], memory_order_relaxed))
		return;
	if (!wc_scope_begin(scope, cpu))
		return;
	if (wc_model_dirty(scope->model, cpu)) {
		wc_model_flush(scope->model, cpu, WC_CAUSE_KERNEL);
		wc_model_forget(scope->model, cpu);
	}
	for (int n = 0; n < LINT_NB_ARCHS; n++)
		lint_kernel(scope->lints[n], cpu);
	scope->dirty[cpu] = false;
	pthread_mutex_unlock(&scope->lock);
}
