/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "pci_wc_config.h"

/* Registers of the standard header, PCI 3.0 section 6.1, which ends with the capability list */
#define CONFIG_SIZE 256
#define CONFIG_VENDOR 0x00
#define CONFIG_DEVICE 0x02
#define CONFIG_BARS 0x10
#define CONFIG_CAPABILITIES 0x34

/* PCI 3.0 section 6.2.5.1: low bits of a BAR */
#define BAR_IO 0x1
#define BAR_TYPE 0x6
#define BAR_TYPE_64 0x4
#define BAR_PREFETCHABLE 0x8

/* PCI 3.0 section 6.8.2: the MSI-X capability. The low three bits of TABLE and PBA are the BAR. */
#define CAP_MSIX 0x11
#define MSIX_CONTROL 2
#define MSIX_CONTROL_SIZE 0x7ff
#define MSIX_TABLE 4
#define MSIX_PBA 8
#define MSIX_BAR 0x7
#define MSIX_ENTRY_SIZE 16

/*
 * Prefetchable BARs in which these drivers of DPDK have only data that may arrive late, merged and
 * in any order; registers and doorbells are elsewhere. For net_ionic's BARs this is not known.
 */
static const struct {
	const char *driver;
	uint32_t bars;
} windows[] = {
	/* Queue entries and headers (LLQ); doorbells are in BAR0. */
	{ "net_ena", 1 << 2 },
	/* Memory windows; BAR0 has the registers and may be prefetchable too (DPDK's NTB guide). */
	{ "raw_ntb", 1 << 2 | 1 << 4 },
	{ NULL, 0 }
};

bool
pci_wc_config_find_windows(const char *driver, uint32_t *bars)
{
	unsigned int i;

	for (i = 0; driver != NULL && windows[i].driver != NULL; i++) {
		if (strcmp(driver, windows[i].driver) == 0) {
			*bars = windows[i].bars;
			return true;
		}
	}
	return false;
}

static uint16_t
pci_wc_config_get_16(const uint8_t *space, unsigned int offset)
{
	uint16_t reg;

	memcpy(&reg, space + offset, sizeof(reg));
	return le16toh(reg);
}

static uint32_t
pci_wc_config_get_32(const uint8_t *space, unsigned int offset)
{
	uint32_t reg;

	memcpy(&reg, space + offset, sizeof(reg));
	return le32toh(reg);
}

static void
pci_wc_config_read_msix(struct pci_wc_msix *msix, uint32_t reg, uint64_t size)
{
	const uint64_t page = sysconf(_SC_PAGESIZE);
	const uint64_t start = reg & ~MSIX_BAR;

	msix->bar = reg & MSIX_BAR;
	msix->start = start & ~(page - 1);
	msix->end = (start + size + page - 1) & ~(page - 1);
}

static void
pci_wc_config_read_capabilities(struct pci_wc_config *config, const uint8_t *space)
{
	/* Each entry has at least four bytes: more steps mean a loop. */
	unsigned int steps = CONFIG_SIZE / 4;
	uint8_t cap = space[CONFIG_CAPABILITIES] & ~3;
	uint32_t entries;

	while (cap != 0 && steps-- != 0) {
		if (space[cap] == CAP_MSIX &&
				cap <= CONFIG_SIZE - (MSIX_PBA + sizeof(uint32_t))) {
			entries = (pci_wc_config_get_16(space, cap + MSIX_CONTROL) &
				MSIX_CONTROL_SIZE) + 1;
			pci_wc_config_read_msix(&config->msix[0],
				pci_wc_config_get_32(space, cap + MSIX_TABLE),
				(uint64_t)entries * MSIX_ENTRY_SIZE);
			/* One pending bit for each vector, in quad words */
			pci_wc_config_read_msix(&config->msix[1],
				pci_wc_config_get_32(space, cap + MSIX_PBA),
				(entries + 63) / 64 * 8);
			return;
		}
		cap = space[cap + 1] & ~3;
	}
}

static void
pci_wc_config_read_bars(struct pci_wc_config *config, const uint8_t *space)
{
	unsigned int i;
	uint32_t reg;

	for (i = 0; i < PCI_WC_BARS; i++) {
		reg = pci_wc_config_get_32(space, CONFIG_BARS + i * sizeof(reg));
		config->io[i] = (reg & BAR_IO) != 0;
		config->prefetchable[i] = !config->io[i] &&
			(reg & BAR_PREFETCHABLE) != 0;
		/* The next register is its upper half, PCI 3.0 section 6.2.5.1. */
		if (!config->io[i] && (reg & BAR_TYPE) ==
				BAR_TYPE_64)
			i++;
	}
}

int
pci_wc_config_read(struct pci_wc_config *config, int vfio_dev_fd, int64_t offset)
{
	uint8_t space[CONFIG_SIZE];

	memset(config, 0, sizeof(*config));
	config->msix[0].bar = -1;
	config->msix[1].bar = -1;
	if (offset < 0)
		return offset;
	if (pread(vfio_dev_fd, space, sizeof(space), offset) != sizeof(space))
		return -EIO;
	config->vendor = pci_wc_config_get_16(space, CONFIG_VENDOR);
	config->device = pci_wc_config_get_16(space, CONFIG_DEVICE);
	pci_wc_config_read_bars(config, space);
	pci_wc_config_read_capabilities(config, space);
	return 0;
}
