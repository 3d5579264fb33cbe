/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bus_vdev_driver.h>
#include <ethdev_driver.h>
#include <ethdev_vdev.h>
#include <rte_string_fns.h>

#include "ivshmem_args.h"
#include "ivshmem_ethdev.h"
#include "ivshmem_log.h"

/*
 * Open a file and map all of it, anywhere or at the primary's address. It must not shrink while it
 * is mapped: accesses would get a SIGBUS. Returns its descriptor.
 */
static int
map_file(const char *path, void *wanted, struct ivshmem_region *region)
{
	const int fixed = wanted == NULL ? 0 : MAP_FIXED_NOREPLACE;
	struct stat stat;
	void *addr;
	int fd, ret;

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
	addr = mmap(wanted, stat.st_size, PROT_READ | PROT_WRITE, MAP_SHARED | fixed, fd, 0);
	if (addr == MAP_FAILED) {
		ret = -errno;
		IVSHMEM_LOG(ERR, "path=%s: cannot map at %p: %s", path, wanted, strerror(-ret));
		goto close;
	}
	region->control = addr;
	region->size = stat.st_size;
	return fd;

close:
	close(fd);
	return ret;
}

static void
unmap_region(const struct ivshmem_region *region)
{
	munmap((void *)(uintptr_t)region->control, region->size);
}

static void
unmap_port(struct rte_eth_dev *eth_dev)
{
	struct ivshmem_port *port = ivshmem_port_of(eth_dev);

	ivshmem_server_destroy(port->bell.server);
	port->bell.server = NULL;
	unmap_region(&port->region);
}

static int
open_region(struct ivshmem_port *port, const struct ivshmem_args *args)
{
	return args->role == IVSHMEM_SERVER ?
		ivshmem_region_create(&port->region, args->lines, args->queues) :
		ivshmem_region_open(&port->region);
}

/* A guest's driver leaves the first vector to other things than queues. */
static int
create_server(struct ivshmem_port *port, const char *path, int fd)
{
	const uint32_t nb_vectors =
		RTE_MIN(port->region.rings + 1, (uint32_t)IVSHMEM_SERVER_MAX_VECTORS);

	if (path[0] == '\0')
		return 0;
	port->bell.own_id = IVSHMEM_SERVER_OWN_ID;
	return ivshmem_server_create(path, fd, nb_vectors, &port->bell.server);
}

static int
init_port(struct rte_eth_dev *eth_dev, const struct ivshmem_args *args)
{
	struct ivshmem_port *port = ivshmem_port_of(eth_dev);
	int fd, ret;

	strlcpy(port->name, eth_dev->data->name, sizeof(port->name));
	strlcpy(port->path, args->path, sizeof(port->path));
	port->role = args->role;
	port->mac = args->mac;
	port->region.name = port->name;
	port->unmap = unmap_port;
	fd = map_file(args->path, NULL, &port->region);
	if (fd < 0)
		return fd;
	ret = open_region(port, args);
	if (ret < 0)
		goto unmap;
	port->slots = RTE_PTR_ADD((void *)(uintptr_t)port->region.control, IVSHMEM_CONTROL_SIZE);
	ret = create_server(port, args->socket, fd);
	if (ret < 0)
		goto unmap;
	ret = ivshmem_ethdev_init(eth_dev);
	if (ret < 0)
		goto destroy;
	close(fd);
	return 0;

destroy:
	ivshmem_server_destroy(port->bell.server);
unmap:
	unmap_region(&port->region);
	close(fd);
	return ret;
}

static int
probe_primary(struct rte_vdev_device *vdev)
{
	struct ivshmem_args args = { .role = IVSHMEM_SERVER };
	struct rte_eth_dev *eth_dev;
	int ret;

	rte_eth_random_addr(args.mac.addr_bytes);
	ret = ivshmem_args_parse(rte_vdev_device_name(vdev), rte_vdev_device_args(vdev), true,
		&args);
	if (ret < 0)
		return ret;
	eth_dev = rte_eth_vdev_allocate(vdev, sizeof(struct ivshmem_port));
	if (eth_dev == NULL) {
		IVSHMEM_LOG(ERR, "%s: no memory or no port left", rte_vdev_device_name(vdev));
		return -ENOMEM;
	}
	ret = init_port(eth_dev, &args);
	if (ret < 0) {
		rte_eth_dev_release_port(eth_dev);
		return ret;
	}
	rte_eth_dev_probing_finish(eth_dev);
	return 0;
}

/* The rings' addresses are in memory that the processes share: they have to be the same here. */
static int
probe_secondary(struct rte_vdev_device *vdev)
{
	struct ivshmem_region region = { 0 };
	struct rte_eth_dev *eth_dev;
	struct ivshmem_port *port;
	int ret;

	eth_dev = rte_eth_dev_attach_secondary(rte_vdev_device_name(vdev));
	if (eth_dev == NULL) {
		IVSHMEM_LOG(ERR, "%s: the primary process has no such port",
			rte_vdev_device_name(vdev));
		return -ENODEV;
	}
	port = ivshmem_port_of(eth_dev);
	ret = map_file(port->path, (void *)(uintptr_t)port->region.control, &region);
	if (ret < 0)
		goto release;
	close(ret);
	if (region.size != port->region.size) {
		IVSHMEM_LOG(ERR, "path=%s: %" PRIu64 " bytes now, %" PRIu64 " when the primary "
			"mapped it: restart the primary", port->path, region.size,
			port->region.size);
		ret = -EINVAL;
		goto unmap;
	}
	ret = ivshmem_ethdev_attach(eth_dev);
	if (ret < 0)
		goto unmap;
	eth_dev->device = &vdev->device;
	rte_eth_dev_probing_finish(eth_dev);
	return 0;

unmap:
	unmap_region(&region);
release:
	rte_eth_dev_release_port(eth_dev);
	return ret;
}

static int
probe(struct rte_vdev_device *vdev)
{
	return rte_eal_process_type() == RTE_PROC_PRIMARY ? probe_primary(vdev) :
		probe_secondary(vdev);
}

static int
remove_device(struct rte_vdev_device *vdev)
{
	struct rte_eth_dev *eth_dev = rte_eth_dev_allocated(rte_vdev_device_name(vdev));

	if (eth_dev == NULL)
		return 0;
	if (rte_eal_process_type() != RTE_PROC_PRIMARY) {
		ivshmem_ethdev_close(eth_dev);
		unmap_region(&ivshmem_port_of(eth_dev)->region);
		return rte_eth_dev_release_port(eth_dev);
	}
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
	IVSHMEM_ARG_PATH "=<file> "
	IVSHMEM_ARG_SOCKET "=<path> "
	IVSHMEM_ARG_ROLE "=server|client "
	IVSHMEM_ARG_LINES "=<int> "
	IVSHMEM_ARG_QUEUES "=<int> "
	IVSHMEM_ARG_MAC "=<addr>");
