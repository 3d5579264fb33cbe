/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include <stdio.h>
#include <string.h>

#include "pci_name.h"

bool
pci_parse_name(const char *word, char name[PCI_NAME_SIZE])
{
	unsigned int domain = 0, bus, device, function;
	int end = -1;

	/* sscanf() would accept blanks and signs. */
	if (word[strspn(word, "0123456789abcdefABCDEF:.")] != '\0')
		return false;
	if (sscanf(word, "%8x:%2x:%2x.%1x%n", &domain, &bus, &device, &function, &end) != 4) {
		domain = 0;
		end = -1;
		if (sscanf(word, "%2x:%2x.%1x%n", &bus, &device, &function, &end) != 3)
			return false;
	}
	if (end < 0 || word[end] != '\0' || device > 0x1f || function > 7)
		return false;
	snprintf(name, PCI_NAME_SIZE, "%04x:%02x:%02x.%x", domain, bus & 0xff, device & 0x1f,
		 function & 7);
	return true;
}
