/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright(c) 2026 dpdk-vfio-wc project
 *
 * What kernels have under different names, or not at all.
 */

#ifndef VFIO_PCI_WC_COMPAT_H
#define VFIO_PCI_WC_COMPAT_H

#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/vfio_pci_core.h>

/* Whether the device decodes memory. Under memory_lock. */
static inline bool wc_memory_enabled(struct vfio_pci_core_device *core)
{
#ifdef WC_HAVE_MEMORY_ENABLED
	return __vfio_pci_memory_enabled(core);
#else
	u16 command = le16_to_cpu(*(__le16 *)&core->vconfig[PCI_COMMAND]);
	struct pci_dev *pdev = core->pdev;

	/* VFs have no such bit of their own: no_command_memory */
	return (__force int)pdev->current_state < (__force int)PCI_D3hot &&
	       (pdev->no_command_memory || command & PCI_COMMAND_MEMORY);
#endif
}

/*
 * Have the BAR mapped by the core for as long as the device is open, as its own
 * first use does. What is left undone here is done by mmap(), which says why.
 */
static inline void wc_setup_barmap(struct vfio_pci_core_device *core, u32 bar)
{
#ifdef WC_HAVE_SETUP_BARMAP
	vfio_pci_core_setup_barmap(core, bar);
#else
	void __iomem *map;

	if (READ_ONCE(core->barmap[bar]))
		return;
	if (pci_request_selected_regions(core->pdev, BIT(bar), "vfio-pci"))
		return;
	map = pci_iomap(core->pdev, bar, 0);
	if (!map)
		pci_release_selected_regions(core->pdev, BIT(bar));
	else
		WRITE_ONCE(core->barmap[bar], map);
#endif
}

static inline void wc_zap_vma_range(struct vm_area_struct *vma,
				    unsigned long addr, unsigned long size)
{
#ifdef WC_HAVE_ZAP_SPECIAL_VMA_RANGE
	zap_special_vma_range(vma, addr, size);
#else
	zap_vma_ptes(vma, addr, size);
#endif
}

static inline void wc_vm_flags_set(struct vm_area_struct *vma,
				   unsigned long flags)
{
#ifdef WC_HAVE_VM_FLAGS_SET
	vm_flags_set(vma, flags);
#else
	vma->vm_flags |= flags;
#endif
}

/*
 * Since 6.10 all files of a device share the address space of its inode, from
 * which the core unmaps.
 */
static inline void wc_set_mapping(struct file *file, struct vfio_device *vdev)
{
#ifdef WC_HAVE_INODE
	file->f_mapping = vdev->inode->i_mapping;
#endif
}

static inline bool wc_has_mapping(struct file *file, struct vfio_device *vdev)
{
#ifdef WC_HAVE_INODE
	return file->f_mapping == vdev->inode->i_mapping;
#else
	return true;
#endif
}

#endif /* VFIO_PCI_WC_COMPAT_H */
