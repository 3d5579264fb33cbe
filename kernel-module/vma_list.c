// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright(c) 2026 dpdk-vfio-wc project
 *
 * Before 6.10 devices have no inode of their own. The core revokes the mappings
 * of the VMAs on its list, each of which its fault handler put there, and frees
 * the entry with kfree(). So does the fault handler of aliases.
 */

#include <linux/slab.h>

#include "vfio_pci_wc.h"

/*
 * The core's type of an entry, which no header has. guard.c sees whether the
 * core knows what to do with one.
 */
struct vfio_pci_mmap_vma {
	struct vm_area_struct *vma;
	struct list_head vma_next;
};

void wc_vma_list_lock(struct vfio_pci_core_device *core)
{
	mutex_lock(&core->vma_lock);
}

void wc_vma_list_unlock(struct vfio_pci_core_device *core)
{
	mutex_unlock(&core->vma_lock);
}

static struct vfio_pci_mmap_vma *
wc_vma_list_find(struct vfio_pci_core_device *core, struct vm_area_struct *vma)
{
	struct vfio_pci_mmap_vma *entry;

	lockdep_assert_held(&core->vma_lock);

	list_for_each_entry(entry, &core->vma_list, vma_next)
		if (entry->vma == vma)
			return entry;

	return NULL;
}

int wc_vma_list_add(struct vfio_pci_core_device *core,
		    struct vm_area_struct *vma, gfp_t gfp)
{
	struct vfio_pci_mmap_vma *entry;

	if (wc_vma_list_find(core, vma))
		return 0;

	entry = kmalloc(sizeof(*entry), gfp);
	if (!entry)
		return -ENOMEM;

	entry->vma = vma;
	list_add(&entry->vma_next, &core->vma_list);

	return 0;
}

void wc_vma_list_remove(struct vfio_pci_core_device *core,
			struct vm_area_struct *vma)
{
	struct vfio_pci_mmap_vma *entry = wc_vma_list_find(core, vma);

	if (!entry)
		return;

	list_del(&entry->vma_next);
	kfree(entry);
}
