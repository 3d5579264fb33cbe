/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bus_vdev_driver.h>
#include <ethdev_driver.h>
#include <ethdev_vdev.h>
#include <rte_string_fns.h>

#include "ivshmem_args.h"
#include "ivshmem_ethdev.h"
#include "ivshmem_log.h"
#include "ivshmem_memory.h"
#include "ivshmem_mp.h"

static void
ivshmem_vdev_unmap_port(struct rte_eth_dev *eth_dev)
{
	struct ivshmem_port *port = ivshmem_port_of(eth_dev);

	ivshmem_server_destroy(port->doorbell.server);
	ivshmem_client_destroy(port->doorbell.client);
	port->doorbell.server = NULL;
	port->doorbell.client = NULL;
	close(port->role_fd);
	ivshmem_memory_unmap(&port->region);
	close(port->memory_fd);
	port->memory_fd = -1;
}

static const struct ivshmem_probe of_primary = { .unmap = ivshmem_vdev_unmap_port };

/* All else is the primary's. */
static void
ivshmem_vdev_unmap_memory(struct rte_eth_dev *eth_dev)
{
	ivshmem_memory_unmap(&ivshmem_port_of(eth_dev)->region);
}

static const struct ivshmem_probe of_secondary = { .unmap = ivshmem_vdev_unmap_memory };

/* As it has told: for messages only, a peer may have written over it. */
static uint32_t
ivshmem_vdev_pid_of(const struct ivshmem_port *port, enum ivshmem_role role)
{
	return rte_le_to_cpu_32(port->region.control->sides[role].pid);
}

static int
ivshmem_vdev_claim_given(struct ivshmem_port *port, const char *what, enum ivshmem_role role)
{
	int fd = ivshmem_memory_claim(what, port->memory_fd, role);

	if (fd == -EBUSY)
		IVSHMEM_LOG(ERR, "%s: process %u is the %s of this memory: stop it, or use the other "
			"role", what, ivshmem_vdev_pid_of(port, role), ivshmem_role_name(role));
	return fd;
}

static int
ivshmem_vdev_claim_free(struct ivshmem_port *port, const char *what, enum ivshmem_role *role)
{
	int fd;

	*role = IVSHMEM_SERVER;
	fd = ivshmem_memory_claim(what, port->memory_fd, *role);
	if (fd != -EBUSY)
		return fd;
	*role = IVSHMEM_CLIENT;
	fd = ivshmem_memory_claim(what, port->memory_fd, *role);
	if (fd == -EBUSY)
		IVSHMEM_LOG(ERR, "%s: processes %u and %u are the server and the client of this "
			"memory: stop one of them", what, ivshmem_vdev_pid_of(port, IVSHMEM_SERVER),
			ivshmem_vdev_pid_of(port, IVSHMEM_CLIENT));
	return fd;
}

static int
ivshmem_vdev_claim_role(struct ivshmem_port *port, const char *what,
		const struct ivshmem_args *args)
{
	int fd;

	port->role = args->role;
	fd = args->has_role ? ivshmem_vdev_claim_given(port, what, args->role) :
		ivshmem_vdev_claim_free(port, what, &port->role);
	if (fd < 0)
		return fd;
	port->role_fd = fd;
	if (!args->has_role)
		IVSHMEM_LOG(NOTICE, "%s: the role of %s was free", port->name,
			ivshmem_role_name(port->role));
	return 0;
}

static int
ivshmem_vdev_open_region(struct ivshmem_port *port, const struct ivshmem_args *args)
{
	int ret = ivshmem_region_enter(&port->region, port->role, args->lines, args->queues);

	if (ret == 0)
		port->region.control->sides[port->role].pid = rte_cpu_to_le_32(getpid());
	return ret;
}

static int
ivshmem_vdev_start_doorbells(struct ivshmem_port *port, const char *path)
{
	/* A guest's driver leaves the first vector to other things than queues. */
	const uint32_t nb_vectors = port->region.rings + 1;

	RTE_BUILD_BUG_ON(IVSHMEM_MAX_RINGS + 1 > IVSHMEM_SERVER_MAX_VECTORS);
	if (path[0] == '\0')
		return 0;
	if (port->doorbell.client != NULL) {
		port->doorbell.own_id = ivshmem_client_id(port->doorbell.client);
		return ivshmem_client_start(port->doorbell.client, nb_vectors);
	}
	port->doorbell.own_id = IVSHMEM_SERVER_OWN_ID;
	return ivshmem_server_create(path, port->memory_fd, nb_vectors, &port->doorbell.server);
}

/* The memory of a server that listens. */
static int
ivshmem_vdev_connect_client(struct ivshmem_port *port, const char *what, const char *path)
{
	int fd, ret;

	ret = ivshmem_client_connect(path, &port->doorbell.client, &fd);
	if (ret < 0)
		return ret;
	ret = ivshmem_memory_check_given(what, fd);
	if (ret < 0) {
		close(fd);
		ivshmem_client_destroy(port->doorbell.client);
		port->doorbell.client = NULL;
		return ret;
	}
	return fd;
}

/* The memory is the server's: a side without role is the client if one listens. */
static int
ivshmem_vdev_get_memory_by_socket(struct ivshmem_port *port, const char *what,
		struct ivshmem_args *args)
{
	int fd;

	if (!args->has_role || args->role == IVSHMEM_CLIENT) {
		fd = ivshmem_vdev_connect_client(port, what, args->socket);
		if (fd >= 0)
			args->role = IVSHMEM_CLIENT;
		else if (args->has_role && (fd == -ENOENT || fd == -ECONNREFUSED))
			IVSHMEM_LOG(ERR, "%s: no server listens (%s): start the server first", what,
				strerror(-fd));
		if (fd >= 0 || args->has_role || (fd != -ENOENT && fd != -ECONNREFUSED))
			return fd;
		args->role = IVSHMEM_SERVER;
	}
	return ivshmem_memory_make(what, args->size);
}

static int
ivshmem_vdev_get_memory(struct ivshmem_port *port, const char *what, struct ivshmem_args *args)
{
	int fd;

	if (args->path[0] != '\0')
		return ivshmem_memory_open(args->path);
	fd = ivshmem_vdev_get_memory_by_socket(port, what, args);
	args->has_role = true;
	return fd;
}

/* From the memory's file to a region that this side has a role in. */
static int
ivshmem_vdev_init_region(struct ivshmem_port *port, struct ivshmem_args *args)
{
	char what[PATH_MAX + sizeof("socket=")];
	int ret;

	if (args->path[0] != '\0')
		snprintf(what, sizeof(what), "path=%s", args->path);
	else
		snprintf(what, sizeof(what), "socket=%s", args->socket);
	port->memory_fd = ivshmem_vdev_get_memory(port, what, args);
	if (port->memory_fd < 0)
		return port->memory_fd;
	ret = ivshmem_memory_reserve(what, port->memory_fd);
	if (ret < 0)
		goto close;
	ret = ivshmem_memory_map(what, port->memory_fd, NULL, &port->region);
	if (ret < 0)
		goto close;
	ret = ivshmem_vdev_claim_role(port, what, args);
	if (ret < 0)
		goto unmap;
	ret = ivshmem_vdev_open_region(port, args);
	if (ret < 0)
		goto release;
	return 0;

release:
	close(port->role_fd);
unmap:
	ivshmem_memory_unmap(&port->region);
close:
	ivshmem_client_destroy(port->doorbell.client);
	close(port->memory_fd);
	return ret;
}

static int
ivshmem_vdev_init_port(struct rte_eth_dev *eth_dev, struct ivshmem_args *args)
{
	struct ivshmem_port *port = ivshmem_port_of(eth_dev);
	int ret;

	strlcpy(port->name, eth_dev->data->name, sizeof(port->name));
	port->mac = args->mac;
	port->stores = args->stores;
	port->region.name = port->name;
	ret = ivshmem_mp_serve();
	if (ret < 0)
		return ret;
	ret = ivshmem_vdev_init_region(port, args);
	if (ret < 0)
		return ret;
	port->slots = RTE_PTR_ADD((void *)(uintptr_t)port->region.control, IVSHMEM_CONTROL_SIZE);
	ret = ivshmem_vdev_start_doorbells(port, args->socket);
	if (ret < 0)
		goto unmap;
	ret = ivshmem_ethdev_init(eth_dev, &of_primary);
	if (ret < 0)
		goto unmap;
	return 0;

unmap:
	ivshmem_vdev_unmap_port(eth_dev);
	return ret;
}

static int
ivshmem_vdev_probe_primary(struct rte_vdev_device *vdev)
{
	struct ivshmem_args args = {
		.size = IVSHMEM_MEMORY_DEFAULT, .stores = IVSHMEM_STORES_AUTO
	};
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
	ret = ivshmem_vdev_init_port(eth_dev, &args);
	if (ret < 0) {
		rte_eth_dev_release_port(eth_dev);
		return ret;
	}
	rte_eth_dev_probing_finish(eth_dev);
	return 0;
}

/* The rings' addresses are in memory that the processes share: they have to be the same here. */
static int
ivshmem_vdev_probe_secondary(struct rte_vdev_device *vdev)
{
	struct ivshmem_region region = { 0 };
	struct rte_eth_dev *eth_dev;
	struct ivshmem_port *port;
	int fd, ret;

	eth_dev = rte_eth_dev_attach_secondary(rte_vdev_device_name(vdev));
	if (eth_dev == NULL) {
		IVSHMEM_LOG(ERR, "%s: the primary process has no such port",
			rte_vdev_device_name(vdev));
		return -ENODEV;
	}
	port = ivshmem_port_of(eth_dev);
	fd = ivshmem_mp_get_memory(port->name);
	if (fd < 0) {
		ret = fd;
		goto release;
	}
	ret = ivshmem_memory_map(port->name, fd, (void *)(uintptr_t)port->region.control, &region);
	/* What is mapped stays. */
	close(fd);
	if (ret < 0)
		goto release;
	if (region.size != port->region.size) {
		IVSHMEM_LOG(ERR, "%s: %" PRIu64 " bytes now, %" PRIu64 " when the primary mapped it: "
			"restart the primary", port->name, region.size, port->region.size);
		ret = -EINVAL;
		goto unmap;
	}
	ret = ivshmem_ethdev_attach(eth_dev, &of_secondary);
	if (ret < 0)
		goto unmap;
	eth_dev->device = &vdev->device;
	rte_eth_dev_probing_finish(eth_dev);
	return 0;

unmap:
	ivshmem_memory_unmap(&region);
release:
	rte_eth_dev_release_port(eth_dev);
	return ret;
}

static int
ivshmem_vdev_probe(struct rte_vdev_device *vdev)
{
	return rte_eal_process_type() == RTE_PROC_PRIMARY ? ivshmem_vdev_probe_primary(vdev) :
		ivshmem_vdev_probe_secondary(vdev);
}

static int
ivshmem_vdev_remove_device(struct rte_vdev_device *vdev)
{
	struct rte_eth_dev *eth_dev = rte_eth_dev_allocated(rte_vdev_device_name(vdev));

	if (eth_dev == NULL)
		return 0;
	if (rte_eal_process_type() != RTE_PROC_PRIMARY) {
		ivshmem_ethdev_close(eth_dev);
		return rte_eth_dev_release_port(eth_dev);
	}
	/* ethdev does not close a device that is started, which may be unplugged all the same. */
	if (eth_dev->data->dev_started)
		rte_eth_dev_stop(eth_dev->data->port_id);
	return rte_eth_dev_close(eth_dev->data->port_id);
}

static struct rte_vdev_driver driver = {
	.probe = ivshmem_vdev_probe,
	.remove = ivshmem_vdev_remove_device,
};

RTE_PMD_REGISTER_VDEV(net_ivshmem, driver);
RTE_PMD_REGISTER_PARAM_STRING(net_ivshmem,
	IVSHMEM_ARG_PATH "=<file> "
	IVSHMEM_ARG_SOCKET "=<path> "
	IVSHMEM_ARG_SIZE "=<int>K|M|G "
	IVSHMEM_ARG_ROLE "=server|client "
	IVSHMEM_ARG_LINES "=<int> "
	IVSHMEM_ARG_QUEUES "=<int> "
	IVSHMEM_ARG_MAC "=<addr> "
	IVSHMEM_ARG_STORES "=auto|cached|streaming");
