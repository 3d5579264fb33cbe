/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <fcntl.h>
#include <unistd.h>

#include "fake_vfio.h"
#include "pci_vfio_offsets.h"
#include "test.h"

static int device_fd = -1, other_fd = -1;

static uint64_t
computed_offset(unsigned int region)
{
	return (uint64_t)region << PCI_VFIO_COMPUTED_SHIFT;
}

static int
open_files(void)
{
	device_fd = fake_vfio_open();
	other_fd = open("/dev/null", O_RDWR);
	return device_fd < 0 || other_fd < 0 ? -1 : 0;
}

static void
close_files(void)
{
	close(device_fd);
	close(other_fd);
}

static int
test_kernel_decides(void)
{
	fake_kernel_reset();
	fake_kernel.info.offset = 0x5000;
	CHECK(pci_vfio_file_offset(device_fd, computed_offset(0)) == 0x5000);
	CHECK(pci_vfio_file_offset(device_fd, computed_offset(5) + 0x10) == 0x5010);
	return 0;
}

static int
test_computed_without_answer(void)
{
	const uint64_t computed = computed_offset(5) + 0x10;

	fake_kernel_reset();
	fake_kernel.info_errno = EINVAL;
	CHECK(pci_vfio_file_offset(device_fd, computed) == (off_t)computed);
	/* Not VFIO's */
	CHECK(pci_vfio_file_offset(other_fd, computed) == (off_t)computed);
	CHECK(pci_vfio_file_offset(-1, computed) == (off_t)computed);
	return 0;
}

static int
test_accesses(void)
{
	const uint64_t computed = computed_offset(FAKE_BAR) + 7;
	char byte = 'x';

	fake_kernel_reset();
	fake_kernel.bar_offset = computed_offset(FAKE_ALIAS);
	CHECK(pread(device_fd, &byte, 1, computed) == 1 && byte == 'A');
	byte = 'x';
	CHECK(pread64(device_fd, &byte, 1, computed) == 1 && byte == 'A');
	byte = 'y';
	CHECK(pwrite(device_fd, &byte, 1, computed) == 1);
	CHECK((pread)(device_fd, &byte, 1, computed_offset(FAKE_ALIAS) + 7) == 1);
	CHECK(byte == 'y');
	byte = 'z';
	CHECK(pwrite64(device_fd, &byte, 1, computed) == 1);
	CHECK((pread)(device_fd, &byte, 1, computed_offset(FAKE_ALIAS) + 7) == 1);
	CHECK(byte == 'z');
	CHECK((pread)(device_fd, &byte, 1, computed) == 1 && byte == 'B');
	return 0;
}

static const struct test_case cases[] = {
	{ "offsets are the kernel's", test_kernel_decides },
	{ "computed where the kernel does not answer", test_computed_without_answer },
	{ "reads and writes go there", test_accesses },
	{ 0 }
};

const struct test_suite pci_offsets_suite = {
	.name = "pci-offsets",
	.setup = open_files,
	.teardown = close_files,
	.cases = cases,
};
