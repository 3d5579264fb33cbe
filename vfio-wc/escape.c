/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "escape.h"

#define REPLACEMENT "\xef\xbf\xbd"

void
escape_text(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text >= ' ' && *text <= '~' && *text != '\\')
			putchar(*text);
		else
			printf("\\x%02x", (unsigned char)*text);
	}
}

/* Length of the character in UTF-8 at text, 0 if there is none. */
static size_t
escape_char_len(const unsigned char *text)
{
	static const uint32_t first_of_len[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t code;
	size_t i, len;

	if (text[0] < 0x80)
		return 1;
	len = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
	if (text[0] < 0xc0 || text[0] > 0xf7)
		return 0;
	code = text[0] & (0x7f >> len);
	for (i = 1; i < len; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (text[i] & 0x3f);
	}
	/* Neither longer than necessary, nor a surrogate, nor beyond the last code */
	if (code < first_of_len[len] || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff)
		return 0;
	return len;
}

/* Print valid UTF-8, with what escape() prints for a character of one byte. */
static void
escape_utf8(const char *text, void (*escape)(unsigned char))
{
	const unsigned char *at = (const unsigned char *)text;
	size_t len;

	for (; *at != '\0'; at += len) {
		len = escape_char_len(at);
		if (len == 1) {
			escape(*at);
		} else if (len > 1) {
			fwrite(at, 1, len, stdout);
		} else {
			fputs(REPLACEMENT, stdout);
			len = 1;
		}
	}
}

static void
escape_json_char(unsigned char c)
{
	if (c == '"' || c == '\\')
		printf("\\%c", c);
	else if (c < ' ' || c == 0x7f)
		printf("\\u%04x", c);
	else
		putchar(c);
}

void
escape_json(const char *text)
{
	if (text == NULL) {
		fputs("null", stdout);
		return;
	}
	putchar('"');
	escape_utf8(text, escape_json_char);
	putchar('"');
}

static void
escape_label_char(unsigned char c)
{
	if (c == '\n')
		fputs("\\n", stdout);
	else if (c == '"' || c == '\\')
		printf("\\%c", c);
	else if (c < ' ' || c == 0x7f)
		fputs(REPLACEMENT, stdout);
	else
		putchar(c);
}

void
escape_label(const char *text)
{
	putchar('"');
	escape_utf8(text, escape_label_char);
	putchar('"');
}
