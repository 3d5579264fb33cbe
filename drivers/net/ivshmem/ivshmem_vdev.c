/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bus_vdev_driver.h>
#include <ethdev_driver.h>
#include <ethdev_vdev.h>
#include <rte_kvargs.h>
#include <rte_string_fns.h>

#include "ivshmem_ethdev.h"
#include "ivshmem_log.h"

#define ARG_PATH "path"
#define ARG_ROLE "role"
#define ARG_LINES "lines"
#define ARG_MAC "mac"

static const char * const valid_args[] = { ARG_PATH, ARG_ROLE, ARG_LINES, ARG_MAC, NULL };

struct args {
	const char *path;
	enum ivshmem_role role;
	uint32_t lines;
	struct rte_ether_addr mac;
};

static int
parse_path(const char *key __rte_unused, const char *value, void *out)
{
	*(const char **)out = value;
	return 0;
}

static int
parse_role(const char *key __rte_unused, const char *value, void *out)
{
	enum ivshmem_role *role = out;

	if (strcmp(value, "server") == 0) {
		*role = IVSHMEM_SERVER;
	} else if (strcmp(value, "client") == 0) {
		*role = IVSHMEM_CLIENT;
	} else {
		IVSHMEM_LOG(ERR, "role=%s: give server or client", value);
		return -EINVAL;
	}
	return 0;
}

static int
parse_lines(const char *key __rte_unused, const char *value, void *out)
{
	unsigned long lines;
	char *end;

	errno = 0;
	lines = strtoul(value, &end, 0);
	if (errno != 0 || end == value || *end != '\0' || lines < IVSHMEM_MIN_RING_LINES ||
			lines > IVSHMEM_MAX_RING_LINES || !rte_is_power_of_2(lines)) {
		IVSHMEM_LOG(ERR, "lines=%s: give a power of two from %u to %u", value,
			IVSHMEM_MIN_RING_LINES, IVSHMEM_MAX_RING_LINES);
		return -EINVAL;
	}
	*(uint32_t *)out = lines;
	return 0;
}

static int
parse_mac(const char *key __rte_unused, const char *value, void *out)
{
	struct rte_ether_addr *mac = out;

	if (rte_ether_unformat_addr(value, mac) != 0 || !rte_is_valid_assigned_ether_addr(mac)) {
		IVSHMEM_LOG(ERR, "mac=%s: give a unicast address like 02:00:00:00:00:01", value);
		return -EINVAL;
	}
	return 0;
}

static int
parse_args(struct rte_kvargs *kvlist, struct args *args)
{
	unsigned int i;
	int ret;

	for (i = 0; i < kvlist->count; i++) {
		if (kvlist->pairs[i].value == NULL) {
			IVSHMEM_LOG(ERR, "%s has no value: give %s=VALUE", kvlist->pairs[i].key,
				kvlist->pairs[i].key);
			return -EINVAL;
		}
	}
	for (i = 0; valid_args[i] != NULL; i++) {
		if (rte_kvargs_count(kvlist, valid_args[i]) > 1) {
			IVSHMEM_LOG(ERR, "%s is given twice: give it once", valid_args[i]);
			return -EINVAL;
		}
	}
	ret = rte_kvargs_process(kvlist, ARG_PATH, parse_path, &args->path);
	if (ret == 0)
		ret = rte_kvargs_process(kvlist, ARG_ROLE, parse_role, &args->role);
	if (ret == 0)
		ret = rte_kvargs_process(kvlist, ARG_LINES, parse_lines, &args->lines);
	if (ret == 0)
		ret = rte_kvargs_process(kvlist, ARG_MAC, parse_mac, &args->mac);
	if (ret < 0)
		return -EINVAL;
	if (args->path == NULL || args->path[0] == '\0') {
		IVSHMEM_LOG(ERR, "no shared memory: give path=FILE");
		return -EINVAL;
	}
	return 0;
}

/* Map the whole file. It must not shrink while it is mapped: accesses would get a SIGBUS. */
static int
map_file(struct ivshmem_region *region, const char *path)
{
	struct stat stat;
	void *addr;
	int fd, ret = 0;

	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		ret = -errno;
		IVSHMEM_LOG(ERR, "path=%s: %s: make a file of the region's size first", path,
			strerror(-ret));
		return ret;
	}
	if (fstat(fd, &stat) < 0 || !S_ISREG(stat.st_mode)) {
		IVSHMEM_LOG(ERR, "path=%s: not a regular file", path);
		ret = -EINVAL;
		goto close;
	}
	if ((uint64_t)stat.st_size < IVSHMEM_CONTROL_SIZE) {
		IVSHMEM_LOG(ERR, "path=%s: %" PRIu64 " bytes are too few, at least %u are needed",
			path, (uint64_t)stat.st_size, IVSHMEM_CONTROL_SIZE);
		ret = -ENOSPC;
		goto close;
	}
	addr = mmap(NULL, stat.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (addr == MAP_FAILED) {
		ret = -errno;
		IVSHMEM_LOG(ERR, "path=%s: cannot map: %s", path, strerror(-ret));
		goto close;
	}
	region->control = addr;
	region->size = stat.st_size;
close:
	close(fd);
	return ret;
}

static void
unmap_file(struct ivshmem_region *region)
{
	munmap((void *)(uintptr_t)region->control, region->size);
	region->control = NULL;
}

static void
unmap_port(struct rte_eth_dev *eth_dev)
{
	struct ivshmem_port *port = eth_dev->data->dev_private;

	unmap_file(&port->region);
}

static int
init_port(struct rte_eth_dev *eth_dev, const struct args *args)
{
	struct ivshmem_port *port = eth_dev->data->dev_private;
	int ret;

	strlcpy(port->name, eth_dev->data->name, sizeof(port->name));
	port->role = args->role;
	port->mac = args->mac;
	port->region.name = port->name;
	port->unmap = unmap_port;
	ret = map_file(&port->region, args->path);
	if (ret < 0)
		return ret;
	if (port->role == IVSHMEM_SERVER)
		ret = ivshmem_region_create(&port->region, args->lines);
	else
		ret = ivshmem_region_open(&port->region);
	if (ret < 0)
		goto unmap;
	port->slots = RTE_PTR_ADD((void *)(uintptr_t)port->region.control, IVSHMEM_CONTROL_SIZE);
	ret = ivshmem_ethdev_init(eth_dev);
	if (ret < 0)
		goto unmap;
	return 0;

unmap:
	unmap_file(&port->region);
	return ret;
}

static int
probe_with(struct rte_vdev_device *vdev, const struct args *args)
{
	struct rte_eth_dev *eth_dev;
	int ret;

	eth_dev = rte_eth_vdev_allocate(vdev, sizeof(struct ivshmem_port));
	if (eth_dev == NULL) {
		IVSHMEM_LOG(ERR, "%s: no memory or no port left", rte_vdev_device_name(vdev));
		return -ENOMEM;
	}
	ret = init_port(eth_dev, args);
	if (ret < 0) {
		rte_eth_dev_release_port(eth_dev);
		return ret;
	}
	rte_eth_dev_probing_finish(eth_dev);
	return 0;
}

static int
probe(struct rte_vdev_device *vdev)
{
	struct args args = { .role = IVSHMEM_SERVER };
	struct rte_kvargs *kvlist;
	int ret;

	if (rte_eal_process_type() != RTE_PROC_PRIMARY) {
		IVSHMEM_LOG(ERR, "%s: only the primary process can use this device",
			rte_vdev_device_name(vdev));
		return -ENOTSUP;
	}
	kvlist = rte_kvargs_parse(rte_vdev_device_args(vdev), valid_args);
	if (kvlist == NULL) {
		IVSHMEM_LOG(ERR, "%s: '%s': valid arguments are path, role, lines and mac",
			rte_vdev_device_name(vdev), rte_vdev_device_args(vdev));
		return -EINVAL;
	}
	rte_eth_random_addr(args.mac.addr_bytes);
	ret = parse_args(kvlist, &args);
	if (ret == 0)
		ret = probe_with(vdev, &args);
	rte_kvargs_free(kvlist);
	return ret;
}

static int
remove_device(struct rte_vdev_device *vdev)
{
	struct rte_eth_dev *eth_dev = rte_eth_dev_allocated(rte_vdev_device_name(vdev));

	if (eth_dev == NULL)
		return 0;
	/* ethdev does not close a device that is started, which may be unplugged all the same. */
	if (eth_dev->data->dev_started)
		rte_eth_dev_stop(eth_dev->data->port_id);
	return rte_eth_dev_close(eth_dev->data->port_id);
}

static struct rte_vdev_driver driver = {
	.probe = probe,
	.remove = remove_device,
};

RTE_PMD_REGISTER_VDEV(net_ivshmem, driver);
RTE_PMD_REGISTER_PARAM_STRING(net_ivshmem,
	ARG_PATH "=<file> "
	ARG_ROLE "=server|client "
	ARG_LINES "=<int> "
	ARG_MAC "=<addr>");
