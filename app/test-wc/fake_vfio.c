/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include <rte_bitops.h>

#include "fake_vfio.h"

#define OFFSET(index) ((uint64_t)(index) << 40)
#define NAME "fake-vfio"

struct fake_kernel fake_kernel;
static int fake_fd = -1;

void
fake_kernel_reset(void)
{
	fake_kernel = (struct fake_kernel) {
		.get = {
			.region_index = FAKE_BAR,
			.memory_types = RTE_BIT64(VFIO_WC_MEMORY_TYPE_WRITE_COMBINE),
		},
		.set = {
			.region_index = FAKE_BAR,
			.memory_type = VFIO_WC_MEMORY_TYPE_WRITE_COMBINE,
			.alias_index = FAKE_ALIAS,
			.offset = OFFSET(FAKE_ALIAS),
		},
		.info = {
			.flags = VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS,
			.index = FAKE_ALIAS,
			.cap_offset = sizeof(struct vfio_region_info),
			.size = FAKE_BAR_SIZE,
			.offset = OFFSET(FAKE_ALIAS),
		},
		.cap = {
			.id = VFIO_WC_CAP_ALIAS,
			.version = 1,
			.region_index = FAKE_BAR,
			.memory_type = VFIO_WC_MEMORY_TYPE_WRITE_COMBINE,
		},
		.cap_offset = sizeof(struct vfio_region_info),
		.bar_offset = OFFSET(FAKE_BAR),
	};
}

static bool
fails_now(void)
{
	return ++fake_kernel.nb_calls == fake_kernel.fail_at;
}

static int
fake_feature(struct vfio_device_feature *arg)
{
	bool is_get = (arg->flags & VFIO_DEVICE_FEATURE_GET) != 0;
	int error = is_get ? fake_kernel.get_errno : fake_kernel.set_errno;

	if (error == 0)
		memcpy(arg->data, is_get ? &fake_kernel.get : &fake_kernel.set,
			sizeof(fake_kernel.get));
	return error;
}

static int
fake_region_info(struct vfio_region_info *arg)
{
	uint32_t argsz = arg->argsz;

	if (arg->index == VFIO_PCI_CONFIG_REGION_INDEX) {
		arg->offset = OFFSET(VFIO_PCI_CONFIG_REGION_INDEX);
		return 0;
	}
	if (arg->index == FAKE_BAR) {
		arg->offset = fake_kernel.bar_offset;
		return fake_kernel.bar_errno;
	}
	if (fake_kernel.info_errno != 0)
		return fake_kernel.info_errno;
	*arg = fake_kernel.info;
	arg->argsz = argsz;
	if (fake_kernel.cap_offset + sizeof(fake_kernel.cap) <= argsz)
		memcpy((char *)arg + fake_kernel.cap_offset, &fake_kernel.cap,
			sizeof(fake_kernel.cap));
	return 0;
}

/* Takes the place of the C library's. */
int
ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;
	int error;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (fd != fake_fd)
		return syscall(SYS_ioctl, fd, request, arg);

	/* Counted: what mapping takes, not where the bus looks for what every device has. */
	if (request != VFIO_DEVICE_GET_REGION_INFO ||
			((struct vfio_region_info *)arg)->index >= FAKE_ALIAS)
		fake_kernel.nb_ioctls++;
	if (fails_now())
		error = EIO;
	else if (request == VFIO_DEVICE_FEATURE)
		error = fake_feature(arg);
	else if (request == VFIO_DEVICE_GET_REGION_INFO)
		error = fake_region_info(arg);
	else
		error = ENOTTY;
	errno = error;
	return error == 0 ? 0 : -1;
}

/* Takes the place of the C library's, whichever name it goes by. */
ssize_t
pread(int fd, void *buf, size_t len, off_t offset)
{
	if (fd == fake_fd && fd >= 0 && fails_now()) {
		errno = EIO;
		return -1;
	}
	return syscall(SYS_pread64, fd, buf, len, offset);
}

void *
mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	const bool reserves = fd < 0 && prot == PROT_NONE && (flags & MAP_NORESERVE) != 0;

	if (((fd == fake_fd && fd >= 0) || reserves) && fails_now()) {
		errno = reserves ? ENOMEM : EIO;
		return MAP_FAILED;
	}
	return (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, offset);
}

static int
fill(int fd, uint64_t offset, char byte)
{
	char page[4096];
	uint64_t done;

	memset(page, byte, sizeof(page));
	for (done = 0; done < FAKE_BAR_SIZE; done += sizeof(page)) {
		if (pwrite(fd, page, sizeof(page), offset + done) != sizeof(page))
			return -1;
	}
	return 0;
}

static int
write_config(int fd, unsigned int offset, uint32_t value)
{
	return pwrite(fd, &value, sizeof(value), OFFSET(VFIO_PCI_CONFIG_REGION_INDEX) + offset) ==
		sizeof(value) ? 0 : -1;
}

int
fake_vfio_open(void)
{
	int fd = memfd_create(NAME, MFD_CLOEXEC);

	fake_kernel_reset();
	if (fd < 0)
		return -1;
	if (ftruncate(fd, OFFSET(FAKE_ALIAS + 2)) < 0 ||
			fill(fd, OFFSET(FAKE_BAR), 'B') < 0 ||
			fill(fd, OFFSET(FAKE_ALIAS), 'A') < 0 ||
			fill(fd, FAKE_ELSEWHERE, 'C') < 0 ||
			write_config(fd, PCI_BASE_ADDRESS_0 + 4 * FAKE_BAR,
				PCI_BASE_ADDRESS_MEM_PREFETCH | PCI_BASE_ADDRESS_MEM_TYPE_64) < 0 ||
			write_config(fd, PCI_BASE_ADDRESS_0 + 4 * (FAKE_BAR + 1), 0x11) < 0 ||
			write_config(fd, PCI_BASE_ADDRESS_0 + 4 * FAKE_IO_BAR,
				PCI_BASE_ADDRESS_SPACE_IO) < 0) {
		close(fd);
		return -1;
	}
	fake_fd = fd;
	return fd;
}

int
fake_vfio_set_bar(int fd, unsigned int bar, uint32_t value)
{
	return write_config(fd, PCI_BASE_ADDRESS_0 + 4 * bar, value);
}

int
fake_vfio_set_msix(int fd, uint32_t table, uint32_t pba, uint16_t entries)
{
	const unsigned int cap = 0x40;

	if (write_config(fd, PCI_CAPABILITY_LIST, cap) < 0 ||
			write_config(fd, cap,
				PCI_CAP_ID_MSIX | (uint32_t)(entries - 1) << 16) < 0 ||
			write_config(fd, cap + PCI_MSIX_TABLE, table | FAKE_BAR) < 0 ||
			write_config(fd, cap + PCI_MSIX_PBA, pba | FAKE_BAR) < 0)
		return -1;
	return 0;
}

bool
fake_alias_is_mapped(void)
{
	uint64_t offset;
	char line[512];
	bool found = false;
	FILE *maps;

	maps = fopen("/proc/self/maps", "r");
	while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
		if (strstr(line, NAME) != NULL && sscanf(line, "%*s %*s %" SCNx64, &offset) == 1 &&
				offset >= OFFSET(FAKE_ALIAS))
			found = true;
	}
	if (maps != NULL)
		fclose(maps);
	return found;
}
