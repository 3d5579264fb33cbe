/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_string_fns.h>

#include "eal_private.h"
#include "eal_vfio_wc.h"
#include "eal_wc_compat.h"

#define OPTION "--vfio-wc"
#define VARIABLE "DPDK_VFIO_WC"
#define FORM "MODE[,BDF=MODE...] with MODE off, auto or strict"
/* Shortest prefix that getopt distinguishes from --vfio-vf-token and --vfio-intr */
#define SHORTEST_ABBREVIATION "--vfio-w"
/* Limit of devices on a command line; an error names it */
#define MAX_OVERRIDES 64
#define PCI_NAME_SIZE sizeof("00000000:00:00.0")

struct override {
	char name[PCI_NAME_SIZE];
	enum rte_vfio_wc_mode mode;
};

struct policy {
	enum rte_vfio_wc_mode mode;
	unsigned int nb_overrides;
	struct override overrides[MAX_OVERRIDES];
};

static struct policy policy;

static const char * const mode_names[] = {
	[RTE_VFIO_WC_OFF] = "off",
	[RTE_VFIO_WC_AUTO] = "auto",
	[RTE_VFIO_WC_STRICT] = "strict",
};

/* Index of a mode's name, a negative number if there is no such mode. */
static int
vfio_wc_find_mode(const char *word, size_t len)
{
	unsigned int i;

	for (i = 0; i < RTE_DIM(mode_names); i++) {
		if (strlen(mode_names[i]) == len && strncmp(mode_names[i], word, len) == 0)
			return i;
	}
	return -1;
}

static int
vfio_wc_parse_mode(const char *source, const char *word, size_t len,
		enum rte_vfio_wc_mode *mode)
{
	int found = vfio_wc_find_mode(word, len);

	if (found < 0) {
		EAL_LOG(ERR, "%s: unknown mode '%.*s': use off, auto or strict", source, (int)len,
			word);
		return -1;
	}
	*mode = (enum rte_vfio_wc_mode)found;
	return 0;
}

/* Convert [DDDD:]BB:DD.F to the PCI bus's form of device names. */
static int
vfio_wc_parse_bdf(const char *source, const char *word, size_t len, char *name)
{
	unsigned int domain = 0, bus, dev, func;
	char text[PCI_NAME_SIZE];
	int end = -1;

	if (len < sizeof(text) && strspn(word, "0123456789abcdefABCDEF:.") >= len) {
		memcpy(text, word, len);
		text[len] = '\0';
		if (sscanf(text, "%8x:%2x:%2x.%1x%n", &domain, &bus, &dev, &func, &end) != 4) {
			domain = 0;
			end = -1;
			if (sscanf(text, "%2x:%2x.%1x%n", &bus, &dev, &func, &end) != 3)
				end = -1;
		}
	}
	if (end < 0 || (size_t)end != len || dev > 0x1f || func > 7) {
		EAL_LOG(ERR, "%s: '%.*s' is not a PCI address: use [DDDD:]BB:DD.F", source,
			(int)len, word);
		return -1;
	}
	snprintf(name, PCI_NAME_SIZE, "%04x:%02x:%02x.%x", domain, bus & 0xff, dev & 0x1f,
		func & 7);
	return 0;
}

static const struct override *
vfio_wc_find_override(const struct policy *in, const char *name)
{
	unsigned int i;

	for (i = 0; i < in->nb_overrides; i++) {
		if (strcmp(in->overrides[i].name, name) == 0)
			return &in->overrides[i];
	}
	return NULL;
}

static int
vfio_wc_parse_override(const char *source, const char *word, size_t len, const char *equals,
		struct policy *out)
{
	struct override *override = &out->overrides[out->nb_overrides];
	size_t name_len = equals - word;

	if (out->nb_overrides == MAX_OVERRIDES) {
		EAL_LOG(ERR, "%s: more than %u devices: set a mode for all instead", source,
			MAX_OVERRIDES);
		return -1;
	}
	if (vfio_wc_parse_bdf(source, word, name_len, override->name) < 0 ||
			vfio_wc_parse_mode(source, equals + 1, len - name_len - 1,
				&override->mode) < 0)
		return -1;
	if (vfio_wc_find_override(out, override->name) != NULL) {
		EAL_LOG(ERR, "%s: device %s is repeated: name it once", source, override->name);
		return -1;
	}
	out->nb_overrides++;
	return 0;
}

/* The policy changes only if all of it is valid. */
static int
vfio_wc_parse(const char *source, const char *arg)
{
	struct policy parsed = { .mode = RTE_VFIO_WC_AUTO };
	const char *word, *equals;
	size_t len;

	for (word = arg; word != NULL; word = word[len] == ',' ? word + len + 1 : NULL) {
		len = strcspn(word, ",");
		if (word == arg) {
			if (vfio_wc_parse_mode(source, word, len, &parsed.mode) < 0)
				goto error;
			continue;
		}
		equals = memchr(word, '=', len);
		if (equals == NULL) {
			EAL_LOG(ERR, "%s: '%.*s' has no '=': use BDF=MODE", source, (int)len, word);
			goto error;
		}
		if (vfio_wc_parse_override(source, word, len, equals, &parsed) < 0)
			goto error;
	}
	policy = parsed;
	return 0;

error:
	EAL_LOG(ERR, "%s: invalid value '%s': use %s=" FORM, source, arg, source);
	return -1;
}

RTE_EXPORT_INTERNAL_SYMBOL(eal_vfio_wc_parse)
int
eal_vfio_wc_parse(const char *arg)
{
	return vfio_wc_parse(OPTION, arg);
}

static bool
vfio_wc_is_option(const char *arg)
{
	return strncmp(arg, SHORTEST_ABBREVIATION, strlen(SHORTEST_ABBREVIATION)) == 0 &&
		strncmp(arg, OPTION, strlen(arg)) == 0;
}

static bool
vfio_wc_starts_with_mode(const char *arg)
{
	return vfio_wc_find_mode(arg, strcspn(arg, ",")) >= 0;
}

/* getopt treats a separate word as a positional argument. */
static int
vfio_wc_check_args(int argc, char **argv)
{
	int i;

	for (i = 1; i + 1 < argc && strcmp(argv[i], "--") != 0; i++) {
		if (vfio_wc_is_option(argv[i]) && vfio_wc_starts_with_mode(argv[i + 1])) {
			EAL_LOG(ERR, OPTION " %s: the value needs '=': use " OPTION "=%s",
				argv[i + 1], argv[i + 1]);
			return -1;
		}
	}
	return 0;
}

int
eal_vfio_wc_init(int argc, char **argv)
{
	const char *value = getenv(VARIABLE);

	if (vfio_wc_check_args(argc, argv) < 0)
		return -1;
	return value == NULL || value[0] == '\0' ? 0 : vfio_wc_parse(VARIABLE, value);
}

RTE_EXPORT_INTERNAL_SYMBOL(rte_vfio_wc_enabled)
bool
rte_vfio_wc_enabled(void)
{
	return policy.mode != RTE_VFIO_WC_OFF || policy.nb_overrides != 0;
}

RTE_EXPORT_INTERNAL_SYMBOL(rte_vfio_wc_mode)
enum rte_vfio_wc_mode
rte_vfio_wc_mode(const char *name)
{
	const struct override *override = vfio_wc_find_override(&policy, name);

	return override != NULL ? override->mode : policy.mode;
}

RTE_EXPORT_INTERNAL_SYMBOL(rte_vfio_wc_is_named)
bool
rte_vfio_wc_is_named(const char *name)
{
	return vfio_wc_find_override(&policy, name) != NULL;
}

RTE_EXPORT_INTERNAL_SYMBOL(rte_vfio_wc_mode_name)
const char *
rte_vfio_wc_mode_name(enum rte_vfio_wc_mode mode)
{
	return mode_names[mode];
}
