/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <rte_bitops.h>
#include <rte_common.h>
#include <rte_devargs.h>
#include <rte_kvargs.h>
#include <rte_string_fns.h>

#include "ivshmem_args.h"
#include "ivshmem_log.h"
#include "ivshmem_memory.h"

static const char * const of_virtual[] = {
	IVSHMEM_ARG_PATH, IVSHMEM_ARG_SOCKET, IVSHMEM_ARG_SIZE, IVSHMEM_ARG_STORES,
	IVSHMEM_ARG_ROLE, IVSHMEM_ARG_LINES, IVSHMEM_ARG_QUEUES, IVSHMEM_ARG_MAC, NULL
};
/* A device has its memory, and may be wanted by another driver. */
static const char * const of_device[] = {
	RTE_DEVARGS_KEY_CLASS,
	IVSHMEM_ARG_ROLE, IVSHMEM_ARG_LINES, IVSHMEM_ARG_QUEUES, IVSHMEM_ARG_MAC, NULL
};

static int
ivshmem_args_parse_file(const char *key, const char *value, char *out)
{
	if (strlcpy(out, value, PATH_MAX) >= PATH_MAX) {
		IVSHMEM_LOG(ERR, "%s=%s: longer than %u bytes: use a shorter value", key, value,
			PATH_MAX - 1);
		return -ENAMETOOLONG;
	}
	return 0;
}

static int
ivshmem_args_parse_path(const char *key, const char *value, void *out)
{
	return ivshmem_args_parse_file(key, value, ((struct ivshmem_args *)out)->path);
}

static int
ivshmem_args_parse_socket(const char *key, const char *value, void *out)
{
	return ivshmem_args_parse_file(key, value, ((struct ivshmem_args *)out)->socket);
}

static int
ivshmem_args_parse_role(const char *key __rte_unused, const char *value, void *out)
{
	struct ivshmem_args *args = out;

	if (strcmp(value, "server") == 0) {
		args->role = IVSHMEM_SERVER;
	} else if (strcmp(value, "client") == 0) {
		args->role = IVSHMEM_CLIENT;
	} else {
		IVSHMEM_LOG(ERR, "role=%s: use server or client", value);
		return -EINVAL;
	}
	args->has_role = true;
	return 0;
}

/* False if it is none. */
static bool
ivshmem_args_parse_bytes(const char *value, uint64_t *bytes)
{
	static const char units[] = "KMG";
	unsigned int shift = 0;
	const char *unit;
	char *end;

	errno = 0;
	*bytes = strtoull(value, &end, 0);
	if (errno != 0 || end == value || strchr(value, '-') != NULL)
		return false;
	if (*end != '\0') {
		unit = strchr(units, toupper((unsigned char)*end));
		if (unit == NULL || end[1] != '\0')
			return false;
		shift = 10 * (unit - units + 1);
	}
	if (*bytes > UINT64_MAX >> shift)
		return false;
	*bytes <<= shift;
	return true;
}

static int
ivshmem_args_parse_size(const char *key __rte_unused, const char *value, void *out)
{
	struct ivshmem_args *args = out;

	if (!ivshmem_args_parse_bytes(value, &args->size) || !rte_is_power_of_2(args->size) ||
			args->size < IVSHMEM_MEMORY_MIN || args->size > IVSHMEM_MEMORY_MAX) {
		IVSHMEM_LOG(ERR, "size=%s: use a power of two from 64K to 4G", value);
		return -EINVAL;
	}
	args->has_size = true;
	return 0;
}

static int
ivshmem_args_parse_stores(const char *key __rte_unused, const char *value, void *out)
{
	static const char * const names[] = {
		[IVSHMEM_STORES_CACHED] = "cached",
		[IVSHMEM_STORES_STREAMING] = "streaming",
		[IVSHMEM_STORES_AUTO] = "auto",
	};
	struct ivshmem_args *args = out;
	unsigned int i;

	for (i = 0; i < RTE_DIM(names); i++) {
		if (strcmp(value, names[i]) == 0) {
			args->stores = i;
			return 0;
		}
	}
	IVSHMEM_LOG(ERR, "stores=%s: use auto, cached or streaming", value);
	return -EINVAL;
}

static bool
ivshmem_args_parse_number(const char *value, unsigned long min, unsigned long max, uint32_t *out)
{
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(value, &end, 0);
	if (errno != 0 || end == value || *end != '\0' || number < min || number > max)
		return false;
	*out = number;
	return true;
}

static int
ivshmem_args_parse_lines(const char *key __rte_unused, const char *value, void *out)
{
	struct ivshmem_args *args = out;

	if (!ivshmem_args_parse_number(value, IVSHMEM_MIN_RING_LINES, IVSHMEM_MAX_RING_LINES,
			&args->lines) || !rte_is_power_of_2(args->lines)) {
		IVSHMEM_LOG(ERR, "lines=%s: use a power of two from %u to %u", value,
			IVSHMEM_MIN_RING_LINES, IVSHMEM_MAX_RING_LINES);
		return -EINVAL;
	}
	return 0;
}

static int
ivshmem_args_parse_queues(const char *key __rte_unused, const char *value, void *out)
{
	struct ivshmem_args *args = out;

	if (!ivshmem_args_parse_number(value, 1, IVSHMEM_MAX_RINGS, &args->queues)) {
		IVSHMEM_LOG(ERR, "queues=%s: use a number from 1 to %u", value, IVSHMEM_MAX_RINGS);
		return -EINVAL;
	}
	return 0;
}

static int
ivshmem_args_parse_mac(const char *key __rte_unused, const char *value, void *out)
{
	struct ivshmem_args *args = out;

	if (rte_ether_unformat_addr(value, &args->mac) != 0 ||
			!rte_is_valid_assigned_ether_addr(&args->mac)) {
		IVSHMEM_LOG(ERR, "mac=%s: use a unicast address like 02:00:00:00:00:01", value);
		return -EINVAL;
	}
	return 0;
}

/* Looked at by ivshmem_args_is_meant(). */
static int
ivshmem_args_parse_class(const char *key __rte_unused, const char *value __rte_unused,
	void *out __rte_unused)
{
	return 0;
}

static const struct {
	const char *key;
	arg_handler_t parse;
} parsers[] = {
	{ RTE_DEVARGS_KEY_CLASS, ivshmem_args_parse_class },
	{ IVSHMEM_ARG_PATH, ivshmem_args_parse_path },
	{ IVSHMEM_ARG_SOCKET, ivshmem_args_parse_socket },
	{ IVSHMEM_ARG_SIZE, ivshmem_args_parse_size },
	{ IVSHMEM_ARG_ROLE, ivshmem_args_parse_role },
	{ IVSHMEM_ARG_LINES, ivshmem_args_parse_lines },
	{ IVSHMEM_ARG_QUEUES, ivshmem_args_parse_queues },
	{ IVSHMEM_ARG_MAC, ivshmem_args_parse_mac },
	{ IVSHMEM_ARG_STORES, ivshmem_args_parse_stores },
};

static int
ivshmem_args_parse_all(struct rte_kvargs *kvlist, struct ivshmem_args *args)
{
	unsigned int i;

	for (i = 0; i < kvlist->count; i++) {
		if (kvlist->pairs[i].value == NULL) {
			IVSHMEM_LOG(ERR, "%s has no value: use %s=VALUE", kvlist->pairs[i].key,
				kvlist->pairs[i].key);
			return -EINVAL;
		}
	}
	for (i = 0; i < RTE_DIM(parsers); i++) {
		if (rte_kvargs_count(kvlist, parsers[i].key) > 1) {
			IVSHMEM_LOG(ERR, "%s is repeated: use it once", parsers[i].key);
			return -EINVAL;
		}
		if (rte_kvargs_process(kvlist, parsers[i].key, parsers[i].parse, args) < 0)
			return -EINVAL;
	}
	return 0;
}

static int
ivshmem_args_check_memory(const struct ivshmem_args *args)
{
	if (args->path[0] == '\0' && args->socket[0] == '\0') {
		IVSHMEM_LOG(ERR, "no shared memory: use path=FILE or socket=PATH");
		return -EINVAL;
	}
	if (args->path[0] != '\0' && args->has_size) {
		IVSHMEM_LOG(ERR, "size and path=%s: the file determines the size: use one of them",
			args->path);
		return -EINVAL;
	}
	if (args->has_size && args->has_role && args->role == IVSHMEM_CLIENT) {
		IVSHMEM_LOG(ERR, "size and role=client: the server creates the memory: set its size");
		return -EINVAL;
	}
	return 0;
}

bool
ivshmem_args_is_meant(const char *name, const char *text)
{
	struct rte_kvargs *kvlist;
	const char *class;
	bool is_meant;

	kvlist = rte_kvargs_parse(text == NULL ? "" : text, NULL);
	class = kvlist == NULL ? NULL : rte_kvargs_get(kvlist, RTE_DEVARGS_KEY_CLASS);
	is_meant = class == NULL || strcmp(class, "eth") == 0 || strcmp(class, "net") == 0;
	if (!is_meant)
		IVSHMEM_LOG(NOTICE, "%s: class=%s: left to drivers of that class (this "
			"one takes class=eth)", name, class);
	rte_kvargs_free(kvlist);
	return is_meant;
}

int
ivshmem_args_parse(const char *name, const char *text, bool is_virtual, struct ivshmem_args *args)
{
	struct rte_kvargs *kvlist;
	int ret;

	kvlist = rte_kvargs_parse(text == NULL ? "" : text, is_virtual ? of_virtual : of_device);
	if (kvlist == NULL) {
		IVSHMEM_LOG(ERR, "%s: '%s': valid arguments are %srole, lines, queues and mac",
			name, text, is_virtual ? "path, socket, size, stores, " : "class, ");
		return -EINVAL;
	}
	ret = ivshmem_args_parse_all(kvlist, args);
	rte_kvargs_free(kvlist);
	return ret == 0 && is_virtual ? ivshmem_args_check_memory(args) : ret;
}
