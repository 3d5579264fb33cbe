/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "alloc.h"
#include "vfio_device.h"

#define IN_USE "it is in use; end the program that has it, or another device of its group, open " \
	"(vfio-wc status names it)"

/* In <linux/vfio.h> since 6.6 */
struct vfio_device_bind {
	uint32_t argsz;
	uint32_t flags;
	int32_t iommufd;
	uint32_t out_devid;
};
#define VFIO_BIND _IO(VFIO_TYPE, VFIO_BASE + 18)

static int
vfio_device_open_file(const char *name)
{
	char *path = file_path("%s", name);
	int fd = open(path, O_RDWR | O_CLOEXEC), error = errno;

	free(path);
	errno = error;
	return fd;
}

/* What is wrong with a file or a request, by errno */
static char *
vfio_device_error(const char *what, const struct pci_device *device)
{
	if (errno == EBUSY)
		return alloc_string(IN_USE);
	return alloc_format("%s: %s; vfio-wc doctor %s names what is missing", what,
			    strerror(errno), device->name);
}

/* Groups */

static bool
vfio_device_set_iommu(const struct vfio_device *vfio, bool noiommu)
{
	if (noiommu)
		return ioctl(vfio->container, VFIO_SET_IOMMU, VFIO_NOIOMMU_IOMMU) == 0;
	return ioctl(vfio->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) == 0 ||
		ioctl(vfio->container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU) == 0;
}

static char *
vfio_device_open_of_group(struct vfio_device *vfio, const struct pci_device *device,
			  const char *node, bool noiommu)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };

	vfio->group = vfio_device_open_file(node);
	if (vfio->group < 0)
		return vfio_device_error(node, device);
	vfio->container = vfio_device_open_file("/dev/vfio/vfio");
	if (vfio->container < 0)
		return vfio_device_error("/dev/vfio/vfio", device);
	if (ioctl(vfio->group, VFIO_GROUP_GET_STATUS, &status) != 0)
		return vfio_device_error("VFIO_GROUP_GET_STATUS", device);
	if ((status.flags & VFIO_GROUP_FLAGS_VIABLE) == 0)
		return alloc_format("its group has devices of other drivers; vfio-wc doctor %s "
				    "names them", device->name);
	if (ioctl(vfio->group, VFIO_GROUP_SET_CONTAINER, &vfio->container) != 0)
		return vfio_device_error("VFIO_GROUP_SET_CONTAINER", device);
	if (!vfio_device_set_iommu(vfio, noiommu))
		return vfio_device_error("VFIO_SET_IOMMU", device);
	vfio->fd = ioctl(vfio->group, VFIO_GROUP_GET_DEVICE_FD, device->name);
	return vfio->fd < 0 ? vfio_device_error("VFIO_GROUP_GET_DEVICE_FD", device) : NULL;
}

/* Kernels without groups */

static char *
vfio_device_bind_cdev(struct vfio_device *vfio, const struct pci_device *device)
{
	struct vfio_device_bind bind = { .argsz = sizeof(bind), .iommufd = vfio->container };

	if (ioctl(vfio->fd, VFIO_BIND, &bind) == 0)
		return NULL;
	/* The answer for a device that another process has opened in the same way */
	if (errno == EINVAL)
		errno = EBUSY;
	return vfio_device_error("VFIO_DEVICE_BIND_IOMMUFD", device);
}

static char *
vfio_device_open_cdev(struct vfio_device *vfio, const struct pci_device *device)
{
	struct file_names names;
	char *node, *error = NULL;

	if (!file_list(&names, "/sys/bus/pci/devices/%s/vfio-dev", device->name) || names.nb == 0)
		return alloc_format("it has no file in /dev/vfio; vfio-wc doctor %s names what is "
				    "missing", device->name);
	node = alloc_format("/dev/vfio/devices/%s", names.at[0]);
	file_free_names(&names);
	vfio->fd = vfio_device_open_file(node);
	if (vfio->fd < 0)
		error = vfio_device_error(node, device);
	free(node);
	if (error != NULL)
		return error;
	vfio->container = vfio_device_open_file("/dev/iommu");
	if (vfio->container < 0)
		return vfio_device_error("/dev/iommu", device);
	return vfio_device_bind_cdev(vfio, device);
}

/* Devices */

static char *
vfio_device_enable_memory(const struct vfio_device *vfio, const struct pci_device *device)
{
	struct vfio_region_info config;
	uint16_t command = 0;
	off_t where;

	if (!vfio_device_find_region(vfio, VFIO_PCI_CONFIG_REGION_INDEX, &config))
		return vfio_device_error("its config space", device);
	where = config.offset + PCI_COMMAND;
	if (pread(vfio->fd, &command, sizeof(command), where) != sizeof(command))
		return vfio_device_error("its config space", device);
	command |= PCI_COMMAND_MEMORY;
	if (pwrite(vfio->fd, &command, sizeof(command), where) != sizeof(command))
		return vfio_device_error("its config space", device);
	return NULL;
}

char *
vfio_device_open(struct vfio_device *vfio, const struct pci_device *device)
{
	char *node, *error;
	bool noiommu;

	vfio->fd = vfio->group = vfio->container = -1;
	node = device->group != NULL ? pci_find_node(device->group, &noiommu) : NULL;
	if (node != NULL && file_exists("%s", node))
		error = vfio_device_open_of_group(vfio, device, node, noiommu);
	else
		error = vfio_device_open_cdev(vfio, device);
	free(node);
	if (error == NULL)
		error = vfio_device_enable_memory(vfio, device);
	if (error != NULL)
		vfio_device_close(vfio);
	return error;
}

void
vfio_device_close(struct vfio_device *vfio)
{
	if (vfio->fd >= 0)
		close(vfio->fd);
	if (vfio->group >= 0)
		close(vfio->group);
	if (vfio->container >= 0)
		close(vfio->container);
}

bool
vfio_device_find_region(const struct vfio_device *vfio, uint32_t index,
			struct vfio_region_info *info)
{
	memset(info, 0, sizeof(*info));
	info->argsz = sizeof(*info);
	info->index = index;
	return ioctl(vfio->fd, VFIO_DEVICE_GET_REGION_INFO, info) == 0;
}
