/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "wc_model.h"

/** TLPs carry double words (PCIe base specification, section 2.2.2). */
#define PCIE_DW 4
/**
 * Around a TLP on the link: up to generation 2 STP symbol 1, sequence number 2, LCRC 4, END symbol 1;
 * from 3 on STP token with the sequence number 4, LCRC 4 (sections 4.2.1, 4.2.2 and 3.6).
 */
#define PCIE_FRAMING 8
/** A completion with data has a header of three double words (section 2.2.9). */
#define PCIE_COMPLETION_HEADER 12
#define PER_MILLE 1000
/** Any but 0: xorshift stays there. */
#define RANDOM_SEED UINT64_C(0x9e3779b97f4a7c15)

/* A line in a buffer. Free when there is no byte in it. */
struct buffer {
	uint64_t address;
	uint64_t opened;
	uint64_t used;
	uint32_t bytes;
	struct wc_counts *counts;
	bool valid[WC_MAX_LINE];
};

/* A line that streaming loads have fetched, and which bytes of it they have not had yet. */
struct stream {
	uint64_t address;
	uint64_t opened;
	bool fresh[WC_MAX_LINE];
};

struct cpu {
	uint32_t nb_dirty;
	bool streaming;		/* a stream may be in use */
	bool unfenced;		/* write-combining stores since the last fence */
	struct buffer buffers[WC_MAX_BUFFERS];
	struct stream streams[WC_MAX_BUFFERS];
};

struct wc_model {
	struct wc_params params;
	struct wc_totals totals;
	uint64_t clock;
	uint64_t random;
	struct cpu cpus[WC_MAX_CPUS];
};

/*
 * doc/wcscope.rst has the sources. The number of buffers is not architectural: Intel gives 10 line fill
 * buffers from Nehalem and 12 from Skylake on. AMD gives no number: 8, and which of them is evicted, were
 * measured on Zen 4.
 */
static const struct {
	const char *name;
	struct wc_params params;
} presets[] = {
	{ "intel", { .line = 64, .buffers = 12, .victim = WC_VICTIM_OLDEST, .send_full = true, .chunk = 8,
		.uc_width = 64, .stream_buffers = 12, .header = 16,
		.generation = 4, .width = 8 } },
	{ "broadwell", { .line = 64, .buffers = 10, .victim = WC_VICTIM_OLDEST, .send_full = true, .chunk = 8,
		.uc_width = 64, .stream_buffers = 10, .header = 16,
		.generation = 3, .width = 16 } },
	{ "amd", { .line = 64, .buffers = 8, .victim = WC_VICTIM_LEAST_USED, .send_full = true, .chunk = 0,
		.uc_width = 16, .stream_buffers = 8, .header = 16,
		.generation = 4, .width = 8 } },
};

int
wc_preset(const char *name, struct wc_params *params)
{
	for (unsigned int n = 0; n < sizeof(presets) / sizeof(presets[0]); n++) {
		if (strcmp(presets[n].name, name) == 0) {
			*params = presets[n].params;
			return 0;
		}
	}
	return -ENOENT;
}

const char *
wc_preset_name(unsigned int n)
{
	return n < sizeof(presets) / sizeof(presets[0]) ? presets[n].name : NULL;
}

static bool
wc_model_power_of_two(uint32_t value)
{
	return value != 0 && (value & (value - 1)) == 0;
}

static bool
wc_model_within(uint32_t value, uint32_t least, uint32_t most)
{
	return value >= least && value <= most;
}

static bool
wc_model_width_valid(uint32_t width)
{
	return width == 12 || (wc_model_power_of_two(width) && width <= 32);
}

bool
wc_params_valid(const struct wc_params *p)
{
	return wc_model_power_of_two(p->line) && wc_model_within(p->line, 32, WC_MAX_LINE) &&
		wc_model_within(p->buffers, 1, WC_MAX_BUFFERS) &&
		/* More than two double words must not have holes (PCIe, section 2.2.5). */
		(p->chunk == 0 || p->chunk == 4 || p->chunk == 8) &&
		p->evict <= PER_MILLE &&
		wc_model_power_of_two(p->uc_width) && wc_model_within(p->uc_width, 8, p->line) &&
		p->stream_buffers <= WC_MAX_BUFFERS &&
		(p->header == 12 || p->header == 16) &&
		wc_model_within(p->generation, 1, 5) && wc_model_width_valid(p->width);
}

static uint32_t *
wc_model_params_number(struct wc_params *params, const char *name)
{
	const struct {
		const char *name;
		size_t offset;
	} numbers[] = {
		{ "line", offsetof(struct wc_params, line) },
		{ "buffers", offsetof(struct wc_params, buffers) },
		{ "evict", offsetof(struct wc_params, evict) },
		{ "chunk", offsetof(struct wc_params, chunk) },
		{ "uc_width", offsetof(struct wc_params, uc_width) },
		{ "stream_buffers", offsetof(struct wc_params, stream_buffers) },
		{ "header", offsetof(struct wc_params, header) },
		{ "generation", offsetof(struct wc_params, generation) },
		{ "width", offsetof(struct wc_params, width) },
	};

	for (size_t n = 0; n < sizeof(numbers) / sizeof(numbers[0]); n++) {
		if (strcmp(numbers[n].name, name) == 0)
			return (uint32_t *)((char *)params + numbers[n].offset);
	}
	return NULL;
}

static int
wc_model_parse_choice(const char *value, const char *no, const char *yes)
{
	if (strcmp(value, yes) == 0)
		return 1;
	return strcmp(value, no) == 0 ? 0 : -EINVAL;
}

static int
wc_model_parse_number(const char *value, uint32_t *number)
{
	unsigned long long parsed;
	char *end;

	errno = 0;
	parsed = strtoull(value, &end, 10);
	if (errno != 0 || end == value || *end != '\0' || strchr(value, '-') != NULL ||
			parsed > UINT32_MAX)
		return -EINVAL;
	*number = parsed;
	return 0;
}

int
wc_params_set(struct wc_params *params, const char *name, const char *value)
{
	uint32_t *number = wc_model_params_number(params, name);
	int choice;

	if (number != NULL)
		return wc_model_parse_number(value, number);
	if (strcmp(name, "victim") == 0) {
		choice = wc_model_parse_choice(value, "oldest", "least-used");
		if (choice >= 0)
			params->victim = choice == 1 ? WC_VICTIM_LEAST_USED : WC_VICTIM_OLDEST;
	} else if (strcmp(name, "send_full") == 0) {
		choice = wc_model_parse_choice(value, "no", "yes");
		if (choice >= 0)
			params->send_full = choice == 1;
	} else {
		return -ENOENT;
	}
	return choice < 0 ? choice : 0;
}

double
wc_link_rate(const struct wc_params *params)
{
	static const double lane[] = { 0, 2.5e9, 5e9, 8e9, 16e9, 32e9 };	/* transfers per second */
	double coding = params->generation <= 2 ? 8.0 / 10 : 128.0 / 130;

	return lane[params->generation] * params->width * coding / 8;
}

struct wc_model *
wc_model_create(const struct wc_params *params)
{
	struct wc_model *model;

	if (!wc_params_valid(params))
		return NULL;
	model = calloc(1, sizeof(*model));
	if (model == NULL)
		return NULL;
	model->params = *params;
	model->random = RANDOM_SEED;
	return model;
}

void
wc_model_free(struct wc_model *model)
{
	free(model);
}

/* Bytes of a TLP with so many double words of data. */
static uint64_t
wc_model_tlp_size(uint32_t header, uint64_t dwords)
{
	return PCIE_FRAMING + header + dwords * PCIE_DW;
}

static uint64_t
wc_model_dwords(uint64_t address, uint32_t size)
{
	return (address + size + PCIE_DW - 1) / PCIE_DW - address / PCIE_DW;
}

/* To the next boundary at most. */
static uint32_t
wc_model_clip(uint64_t address, uint32_t size, uint32_t boundary)
{
	uint32_t room = boundary - address % boundary;

	return size < room ? size : room;
}

static void
wc_model_count_write(struct wc_counts *counts, uint32_t bytes, uint64_t wire)
{
	if (counts == NULL)
		return;
	counts->writes++;
	counts->write_bytes += bytes;
	counts->wire_bytes += wire;
}

static void
wc_model_count_line(struct wc_counts *counts, bool whole)
{
	if (counts == NULL)
		return;
	counts->full_lines += whole;
	counts->partial_lines += !whole;
}

/*
 * A posted write of the double words that touch a range, with some of its bytes enabled. It is
 * within a line, so that it neither crosses 4 KiB nor is larger than the smallest
 * Max_Payload_Size, 128 bytes (PCIe base specification, sections 2.2.7 and 7.5.3.4).
 */
static void
wc_model_post(struct wc_model *model, uint64_t address, uint32_t size, uint32_t enabled,
	struct wc_counts *counts)
{
	uint64_t wire = wc_model_tlp_size(model->params.header, wc_model_dwords(address, size));

	wc_model_count_write(&model->totals.counts, enabled, wire);
	wc_model_count_write(counts, enabled, wire);
	model->totals.sizes[enabled]++;
}

/* Each aligned chunk that has bytes is one write of these bytes. */
static void
wc_model_post_chunks(struct wc_model *model, const struct buffer *buffer)
{
	const uint32_t chunk = model->params.chunk;

	for (uint32_t start = 0; start < model->params.line; start += chunk) {
		uint32_t enabled = 0, first = 0, last = 0;

		for (uint32_t n = start; n < start + chunk; n++) {
			if (!buffer->valid[n])
				continue;
			if (enabled++ == 0)
				first = n;
			last = n;
		}
		if (enabled == 0)
			continue;
		wc_model_post(model, buffer->address + first, last - first + 1, enabled,
				buffer->counts);
	}
}

/* Each run of bytes without a hole is one write. */
static void
wc_model_post_runs(struct wc_model *model, const struct buffer *buffer)
{
	const uint32_t line = model->params.line;
	uint32_t end;

	for (uint32_t start = 0; start < line; start = end + 1) {
		end = start;
		while (end < line && buffer->valid[end])
			end++;
		if (end == start)
			continue;
		wc_model_post(model, buffer->address + start, end - start, end - start,
				buffer->counts);
	}
}

static void
wc_model_send(struct wc_model *model, struct cpu *cpu, struct buffer *buffer, enum wc_cause cause)
{
	bool whole = buffer->bytes == model->params.line;

	if (whole || model->params.chunk == 0)
		wc_model_post_runs(model, buffer);
	else
		wc_model_post_chunks(model, buffer);
	wc_model_count_line(&model->totals.counts, whole);
	wc_model_count_line(buffer->counts, whole);
	model->totals.sent[cause]++;
	memset(buffer, 0, sizeof(*buffer));
	cpu->nb_dirty--;
}

static struct buffer *
wc_model_find(struct wc_model *model, struct cpu *cpu, uint64_t line)
{
	for (uint32_t n = 0; n < model->params.buffers; n++) {
		if (cpu->buffers[n].bytes != 0 && cpu->buffers[n].address == line)
			return &cpu->buffers[n];
	}
	return NULL;
}

static uint64_t
wc_model_age(const struct wc_model *model, const struct buffer *buffer)
{
	return model->params.victim == WC_VICTIM_OLDEST ? buffer->opened : buffer->used;
}

/* A free buffer, emptied for it if need be. */
static struct buffer *
wc_model_open_buffer(struct wc_model *model, struct cpu *cpu, uint64_t line)
{
	struct buffer *buffer = &cpu->buffers[0];

	for (uint32_t n = 1; n < model->params.buffers && buffer->bytes != 0; n++) {
		if (cpu->buffers[n].bytes == 0 ||
				wc_model_age(model, &cpu->buffers[n]) < wc_model_age(model, buffer))
			buffer = &cpu->buffers[n];
	}
	if (buffer->bytes != 0)
		wc_model_send(model, cpu, buffer, WC_CAUSE_VICTIM);
	buffer->address = line;
	buffer->opened = model->clock;
	cpu->nb_dirty++;
	return buffer;
}

/* Whether a line leaves early. The generator is Marsaglia's xorshift. */
static bool
wc_model_chance(struct wc_model *model)
{
	if (model->params.evict == 0)
		return false;
	model->random ^= model->random << 13;
	model->random ^= model->random >> 7;
	model->random ^= model->random << 17;
	return (model->random >> 32) % PER_MILLE < model->params.evict;
}

/* Within one line. */
static void
wc_model_combine(struct wc_model *model, struct cpu *cpu, uint64_t address, uint32_t size,
	struct wc_counts *counts)
{
	uint64_t line = address - address % model->params.line;
	struct buffer *buffer = wc_model_find(model, cpu, line);

	cpu->unfenced = true;
	if (buffer == NULL) {
		buffer = wc_model_open_buffer(model, cpu, line);
		buffer->counts = counts;
	}
	buffer->used = model->clock;
	for (uint32_t n = address - line; n < address - line + size; n++) {
		if (buffer->valid[n])
			model->totals.collapsed++;
		else
			buffer->bytes++;
		buffer->valid[n] = true;
	}
	if (model->params.send_full && buffer->bytes == model->params.line)
		wc_model_send(model, cpu, buffer, WC_CAUSE_FULL);
	else if (wc_model_chance(model))
		wc_model_send(model, cpu, buffer, WC_CAUSE_EARLY);
}

static void
wc_model_count_store(struct wc_counts *counts, uint32_t size)
{
	if (counts == NULL)
		return;
	counts->stores++;
	counts->store_bytes += size;
}

static void
wc_model_count_load(struct wc_counts *counts, uint32_t size)
{
	if (counts == NULL)
		return;
	counts->loads++;
	counts->load_bytes += size;
}

void
wc_model_store(struct wc_model *model, unsigned int cpu, enum wc_type type, uint64_t address,
	uint32_t size, struct wc_counts *counts)
{
	uint32_t boundary = type == WC_TYPE_UC ? model->params.uc_width : model->params.line, now;

	model->clock++;
	wc_model_count_store(&model->totals.counts, size);
	wc_model_count_store(counts, size);
	if (type == WC_TYPE_UC)
		wc_model_flush(model, cpu, WC_CAUSE_UC);
	for (; size > 0; address += now, size -= now) {
		now = wc_model_clip(address, size, boundary);
		if (type == WC_TYPE_UC)
			wc_model_post(model, address, now, now, counts);
		else
			wc_model_combine(model, &model->cpus[cpu], address, now, counts);
	}
}

void
wc_model_direct(struct wc_model *model, unsigned int cpu, uint64_t address, uint32_t size,
	struct wc_counts *counts)
{
	struct cpu *c = &model->cpus[cpu];
	struct buffer *buffer;
	uint64_t line;

	model->clock++;
	wc_model_count_store(&model->totals.counts, size);
	wc_model_count_store(counts, size);
	for (line = address - address % model->params.line; line < address + size;
			line += model->params.line) {
		buffer = wc_model_find(model, c, line);
		if (buffer != NULL)
			wc_model_send(model, c, buffer, WC_CAUSE_DIRECT);
	}
	wc_model_post(model, address, size, size, counts);
	c->unfenced = true;
	model->totals.direct++;
}

static void
wc_model_count_read(struct wc_counts *counts, const struct wc_params *params, uint64_t address,
		uint32_t size)
{
	if (counts == NULL)
		return;
	counts->reads++;
	counts->read_bytes += size;
	counts->read_wire_down += wc_model_tlp_size(params->header, 0);
	counts->read_wire_up += wc_model_tlp_size(PCIE_COMPLETION_HEADER,
			wc_model_dwords(address, size));
}

static void
wc_model_request(struct wc_model *model, uint64_t address, uint32_t size, struct wc_counts *counts)
{
	wc_model_count_read(&model->totals.counts, &model->params, address, size);
	wc_model_count_read(counts, &model->params, address, size);
}

/* Whether all of it is in a buffer of streaming loads and has not been loaded before. */
static bool
wc_model_take_from_stream(struct stream *stream, uint32_t offset, uint32_t size)
{
	for (uint32_t n = offset; n < offset + size; n++) {
		if (!stream->fresh[n])
			return false;
	}
	memset(stream->fresh + offset, false, size);
	return true;
}

/* Within one line. */
static void
wc_model_load_streaming(struct wc_model *model, struct cpu *cpu, uint64_t address, uint32_t size,
	struct wc_counts *counts)
{
	const uint32_t line_size = model->params.line;
	uint64_t line = address - address % line_size;
	struct stream *oldest = &cpu->streams[0];

	for (uint32_t n = 0; n < model->params.stream_buffers; n++) {
		struct stream *stream = &cpu->streams[n];

		if (stream->opened != 0 && stream->address == line &&
				wc_model_take_from_stream(stream, address - line, size))
			return;
		if (stream->opened < oldest->opened)
			oldest = stream;
	}
	wc_model_request(model, line, line_size, counts);
	cpu->streaming = true;
	oldest->address = line;
	oldest->opened = model->clock;
	memset(oldest->fresh, true, line_size);
	wc_model_take_from_stream(oldest, address - line, size);
}

void
wc_model_load(struct wc_model *model, unsigned int cpu, enum wc_type type, uint64_t address,
	uint32_t size, bool streaming, struct wc_counts *counts)
{
	struct cpu *c = &model->cpus[cpu];
	struct buffer *buffer;
	uint32_t boundary, now;

	model->clock++;
	wc_model_count_load(&model->totals.counts, size);
	wc_model_count_load(counts, size);
	if (type == WC_TYPE_UC)
		wc_model_flush(model, cpu, WC_CAUSE_UC);
	streaming = streaming && type == WC_TYPE_WC && model->params.stream_buffers != 0;
	boundary = type == WC_TYPE_UC ? model->params.uc_width : model->params.line;
	for (; size > 0; address += now, size -= now) {
		now = wc_model_clip(address, size, boundary);
		buffer = wc_model_find(model, c, address - address % model->params.line);
		if (buffer != NULL)
			wc_model_send(model, c, buffer, WC_CAUSE_LOAD);
		if (streaming)
			wc_model_load_streaming(model, c, address, now, counts);
		else
			wc_model_request(model, address, now, counts);
	}
}

void
wc_model_flush(struct wc_model *model, unsigned int cpu, enum wc_cause cause)
{
	struct cpu *c = &model->cpus[cpu];

	/* Lines that are complete have been sent, but a fence waits until they are received. */
	if (cause == WC_CAUSE_FENCE) {
		model->totals.fences += c->unfenced;
		c->unfenced = false;
	}
	while (c->nb_dirty > 0) {
		struct buffer *first = NULL;

		for (uint32_t n = 0; n < model->params.buffers; n++) {
			if (c->buffers[n].bytes != 0 &&
					(first == NULL || c->buffers[n].opened < first->opened))
				first = &c->buffers[n];
		}
		wc_model_send(model, c, first, cause);
	}
}

void
wc_model_forget(struct wc_model *model, unsigned int cpu)
{
	struct cpu *c = &model->cpus[cpu];

	/* Streaming loads may find old data until an MFENCE (Intel SDM vol. 2, MOVNTDQA). */
	memset(c->streams, 0, sizeof(c->streams[0]) * model->params.stream_buffers);
	c->streaming = false;
}

bool
wc_model_dirty(const struct wc_model *model, unsigned int cpu)
{
	return model->cpus[cpu].nb_dirty > 0 || model->cpus[cpu].streaming;
}

const struct wc_totals *
wc_model_totals(const struct wc_model *model)
{
	return &model->totals;
}

const char *
wc_cause_name(enum wc_cause cause)
{
	static const char * const names[WC_NB_CAUSES] = {
		[WC_CAUSE_FULL] = "full", [WC_CAUSE_VICTIM] = "victim", [WC_CAUSE_EARLY] = "early",
		[WC_CAUSE_FENCE] = "fence", [WC_CAUSE_LOCKED] = "locked", [WC_CAUSE_SERIALISING] = "serialising",
		[WC_CAUSE_UC] = "uncached", [WC_CAUSE_KERNEL] = "kernel", [WC_CAUSE_LOAD] = "load",
		[WC_CAUSE_DIRECT] = "direct", [WC_CAUSE_END] = "end",
	};

	return names[cause];
}
