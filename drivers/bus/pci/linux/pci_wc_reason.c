/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#include "pci_wc_backend.h"

const char *
pci_wc_reason_text(enum pci_wc_reason reason)
{
	static const char * const texts[] = {
		[PCI_WC_REASON_NONE] = "",
		[PCI_WC_REASON_OFF] = "--vfio-wc is off for this device",
		[PCI_WC_REASON_NOT_VFIO] = "the device is not bound to vfio-pci",
		[PCI_WC_REASON_IO_BAR] = "an I/O BAR cannot be mapped",
		[PCI_WC_REASON_NOT_MAPPED] = "the kernel does not map this BAR",
		[PCI_WC_REASON_NO_FEATURE] = "the kernel's vfio-pci has no alias regions",
		[PCI_WC_REASON_OTHER_FEATURE] = "the kernel uses this feature for something else",
		[PCI_WC_REASON_NO_WC] = "the kernel cannot map write-combining on this machine",
		[PCI_WC_REASON_NO_INDEX] = "the kernel has no free region index",
		[PCI_WC_REASON_NO_OFFSET] =
			"the kernel does not report where the BAR is in the device file",
		[PCI_WC_REASON_MAP_FAILED] = "mmap() failed",
		[PCI_WC_REASON_MSIX] = "a range touches MSI-X pages",
		[PCI_WC_REASON_NO_ROOM] = "too many ranges are mapped",
		[PCI_WC_REASON_NO_MEMORY] = "no memory for a record of the range",
		[PCI_WC_REASON_CONFIG] = "the config space cannot be read",
		[PCI_WC_REASON_UNKNOWN_USE] =
			"the driver may keep registers in it: to map it all the same, name the device, BDF=auto",
	};

	return texts[reason];
}
