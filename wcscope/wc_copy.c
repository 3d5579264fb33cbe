/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

/*
 * What the model makes of copies. Each line of the input is one:
 *
 *     PRESET[,NAME=VALUE...] load|store|stream|kept uc|wc SIZE BYTES STREAMS -|fence|read
 *
 * for accesses of SIZE bytes to BYTES bytes of each of so many streams, in turns. With kept there is one
 * stream, whose stores alternate with stores to STREAMS lines that are not stored to again, as in wc_probe.c.
 * The output has a line for each: stores, writes, complete lines, lines sent because another access made the
 * CPU do so, reads, fences.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "wc_model.h"

#define STREAM (UINT64_C(1) << 30)	/* from the start of one to that of the next */

struct copy {
	char model[128];
	char access[8];
	char mapping[4];
	uint32_t size;
	uint64_t bytes;
	uint32_t streams;
	char then[8];
};

/* From PRESET[,NAME=VALUE...]; NULL if there is no such model. */
static struct wc_model *
wc_copy_create(char *text)
{
	char *setting, *value, *rest = text;
	struct wc_params params;

	if (wc_preset(strsep(&rest, ","), &params) != 0)
		return NULL;
	while ((setting = strsep(&rest, ",")) != NULL) {
		value = strchr(setting, '=');
		if (value == NULL)
			return NULL;
		*value++ = '\0';
		if (wc_params_set(&params, setting, value) != 0)
			return NULL;
	}
	return wc_model_create(&params);
}

static void
wc_copy_access(struct wc_model *model, const struct copy *copy, uint64_t address, uint32_t size)
{
	enum wc_type type = strcmp(copy->mapping, "wc") == 0 ? WC_TYPE_WC : WC_TYPE_UC;

	if (strcmp(copy->access, "store") == 0)
		wc_model_store(model, 0, type, address, size, NULL);
	else
		wc_model_load(model, 0, type, address, size, strcmp(copy->access, "stream") == 0, NULL);
}

static void
wc_copy_keep(struct wc_model *model, const struct copy *copy)
{
	uint64_t fresh = STREAM;

	for (uint64_t offset = 0; offset < copy->bytes; offset += copy->size) {
		wc_model_store(model, 0, WC_TYPE_WC, offset, copy->size, NULL);
		for (uint32_t n = 0; n < copy->streams; n++, fresh += WC_MAX_LINE)
			wc_model_store(model, 0, WC_TYPE_WC, fresh, copy->size, NULL);
	}
}

static void
wc_copy_make(struct wc_model *model, const struct copy *copy)
{
	for (uint64_t offset = 0; offset < copy->bytes; offset += copy->size) {
		for (uint32_t stream = 0; stream < copy->streams; stream++)
			wc_copy_access(model, copy, stream * STREAM + offset, copy->size);
	}
	if (strcmp(copy->then, "fence") == 0)
		wc_model_flush(model, 0, WC_CAUSE_FENCE);
	if (strcmp(copy->then, "read") == 0)
		wc_model_load(model, 0, WC_TYPE_UC, copy->streams * STREAM, 4, false, NULL);
}

static void
wc_copy_print(const struct wc_totals *totals)
{
	uint64_t evicted = 0;

	for (int cause = 0; cause < WC_NB_CAUSES; cause++) {
		if (cause != WC_CAUSE_FULL && cause != WC_CAUSE_EARLY && cause != WC_CAUSE_FENCE &&
				cause != WC_CAUSE_END)
			evicted += totals->sent[cause];
	}
	printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
		totals->counts.stores, totals->counts.writes, totals->counts.full_lines, evicted,
		totals->counts.reads, totals->fences);
}

int
main(void)
{
	struct wc_model *model;
	struct copy copy;
	int fields;

	while ((fields = scanf("%127s %7s %3s %" SCNu32 " %" SCNu64 " %" SCNu32 " %7s", copy.model,
			copy.access, copy.mapping, &copy.size, &copy.bytes, &copy.streams, copy.then)) == 7) {
		model = copy.size > 0 && copy.streams > 0 ? wc_copy_create(copy.model) : NULL;
		if (model == NULL)
			break;
		if (strcmp(copy.access, "kept") == 0)
			wc_copy_keep(model, &copy);
		else
			wc_copy_make(model, &copy);
		wc_copy_print(wc_model_totals(model));
		wc_model_free(model);
	}
	if (fields == EOF)
		return 0;
	fprintf(stderr, "use: PRESET[,NAME=VALUE...] load|store|stream|kept uc|wc SIZE BYTES STREAMS "
		"-|fence|read\n");
	return 2;
}
