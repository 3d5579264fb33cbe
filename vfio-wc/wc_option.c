/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <string.h>

#include "alloc.h"
#include "pci.h"
#include "wc_option.h"

#define OPTION "--vfio-wc"
/* Shortest prefix that getopt distinguishes from --vfio-vf-token and --vfio-intr */
#define SHORTEST_ABBREVIATION "--vfio-w"
/* A mode, or a device with its mode, is shorter. */
#define WORD_SIZE 64

static bool
wc_option_is(const char *argument)
{
	size_t len = strcspn(argument, "=");

	return len >= strlen(SHORTEST_ABBREVIATION) && len <= strlen(OPTION) &&
		strncmp(argument, OPTION, len) == 0;
}

char *
wc_option_find(const char *arguments, size_t size)
{
	const char *argument, *found = NULL;
	size_t at, len;

	for (at = 0; at < size; at += len + 1) {
		argument = arguments + at;
		len = strnlen(argument, size - at);
		/* An argument without an end was cut off; what follows "--" is not EAL's. */
		if (len == size - at || strcmp(argument, "--") == 0)
			break;
		/* The first is the program; of several options the last one applies. */
		if (at > 0 && wc_option_is(argument))
			found = argument;
	}
	return found != NULL ? alloc_string(found) : NULL;
}

static bool
wc_option_is_mode(const char *word, bool *asks)
{
	*asks = strcmp(word, "auto") == 0 || strcmp(word, "strict") == 0;
	return *asks || strcmp(word, "off") == 0;
}

/* Take the word before the next comma; NULL at the end. */
static const char *
wc_option_next(const char *text, char word[WORD_SIZE])
{
	size_t len = strcspn(text, ",");

	if (len >= WORD_SIZE)
		len = WORD_SIZE - 1;
	memcpy(word, text, len);
	word[len] = '\0';
	text += strcspn(text, ",");
	return *text == ',' ? text + 1 : NULL;
}

bool
wc_option_asks(const char *option, const char *device)
{
	const char *text = strchr(option, '=');
	char word[WORD_SIZE], name[PCI_NAME_SIZE], *equals;
	bool asks = true, asks_one;

	if (text == NULL)
		return true;
	text = wc_option_next(text + 1, word);
	if (!wc_option_is_mode(word, &asks))
		return false;
	while (text != NULL) {
		text = wc_option_next(text, word);
		equals = strchr(word, '=');
		if (equals == NULL)
			return false;
		*equals = '\0';
		if (!pci_parse_name(word, name) || !wc_option_is_mode(equals + 1, &asks_one))
			return false;
		/* EAL accepts a device only once. */
		if (strcmp(name, device) == 0)
			asks = asks_one;
	}
	return asks;
}
