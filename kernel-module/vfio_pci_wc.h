/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright(c) 2026 dpdk-vfio-wc project
 *
 * vfio-pci on the kernel's own vfio-pci-core, plus alias regions: a second
 * offset for a BAR, whose mappings are write-combining.
 *
 *   main.c	the driver, its parameters
 *   alias.c	aliases: the feature that makes them, what describes them
 *   mmap.c	mappings of aliases: mmap(), faults
 *   mapping.c	the list of these mappings
 *   pgtable*.c	page-table entries: writing, reading, memory types
 *   guard.c	what is verified of the core and the machine
 *   vma_list.c	revocation by cores before 6.10
 *   debugfs.c	the file that tells memory types
 *
 * WC_HAVE_* are set by Kbuild, from what the kernel's headers have.
 */

#ifndef VFIO_PCI_WC_H
#define VFIO_PCI_WC_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/vfio.h>
#include <linux/vfio_pci_core.h>

#include "alias_uapi.h"

struct wc_device {
	struct vfio_pci_core_device core;
	struct mutex alias_lock;	/* Serialises additions to alias[] */
	unsigned int num_aliases;
	u32 alias[PCI_STD_NUM_BARS];	/* BAR of each alias */
	unsigned long refused;		/* enum wc_cause: what the log has */
};

static inline struct wc_device *wc_device(struct vfio_device *vdev)
{
	return container_of(vdev, struct wc_device, core.vdev);
}

#ifdef WC_HAVE_ALIAS_REGIONS

/* The core has alias regions of its own: this is plain vfio-pci. */
#define wc_alias_ioctl		vfio_pci_core_ioctl
#define wc_alias_feature	vfio_pci_core_ioctl_feature
#define wc_alias_region_info	vfio_pci_ioctl_get_region_info
#define wc_mmap			vfio_pci_core_mmap

static inline void wc_alias_init(struct wc_device *wc) { }
static inline void wc_alias_drop(struct wc_device *wc) { }
static inline void wc_guard_core(struct wc_device *wc) { }
static inline void wc_debugfs_init(void) { }
static inline void wc_debugfs_exit(void) { }

static inline void wc_guard_init(void)
{
	pr_notice("this kernel has alias regions, which are left to it\n");
}

#else /* WC_HAVE_ALIAS_REGIONS */

/* Memory types of page-table entries */
enum wc_type {
	WC_TYPE_NONE,	/* No entry, or of no type that is known */
	WC_TYPE_WC,
	WC_TYPE_UC_MINUS,
	WC_TYPE_UC,
	WC_TYPE_WT,
	WC_TYPE_WB,
	WC_TYPE_WP,
	WC_NUM_TYPES
};

/* alias.c */

/*
 * An alias is in the upper half of the 1 TiB that its BAR has in the device
 * file. There it has an offset of its own, which /proc/PID/maps shows, and
 * is still within what the core unmaps whenever it revokes the BARs' mappings:
 * whatever the reason, aliases are revoked with them.
 */
#define WC_ALIAS_OFFSET	BIT_ULL(VFIO_PCI_OFFSET_SHIFT - 1)
#define WC_ALIAS_PGOFF	(WC_ALIAS_OFFSET >> PAGE_SHIFT)
#define WC_MAX_BAR	WC_ALIAS_OFFSET

static inline u64 wc_alias_offset(u32 bar)
{
	return VFIO_PCI_INDEX_TO_OFFSET(bar) | WC_ALIAS_OFFSET;
}

static inline u32 wc_alias_bar(unsigned long pgoff)
{
	return pgoff >> (VFIO_PCI_OFFSET_SHIFT - PAGE_SHIFT);
}

void wc_alias_init(struct wc_device *wc);
void wc_alias_drop(struct wc_device *wc);
bool wc_alias_exists_at(struct wc_device *wc, unsigned long pgoff);
long wc_alias_ioctl(struct vfio_device *vdev, unsigned int cmd,
		    unsigned long arg);
int wc_alias_feature(struct vfio_device *vdev, u32 flags, void __user *arg,
		     size_t argsz);
#ifdef WC_HAVE_REGION_INFO_CAPS
int wc_alias_region_info(struct vfio_device *vdev,
			 struct vfio_region_info *info,
			 struct vfio_info_cap *caps);
#endif

/* mmap.c */

int wc_mmap(struct vfio_device *vdev, struct vm_area_struct *vma);
bool wc_mmap_is_alias(const struct vm_area_struct *vma);

/* mapping.c */

/* A VMA that maps an alias; its vm_private_data points here */
struct wc_mapping {
	struct list_head node;
	u64 id;			/* Never used again; ascending in the list */
	struct wc_device *wc;
	struct vm_area_struct *vma;
	atomic_long_t faults;
};

void wc_mapping_add(struct wc_mapping *mapping, struct wc_device *wc,
		    struct vm_area_struct *vma);
void wc_mapping_remove(struct vm_area_struct *vma);
struct mm_struct *wc_mapping_find(u64 *id, unsigned long *addr);

/* pgtable.c, pgtable_x86.c, pgtable_arm64.c */

struct wc_entry {
	enum wc_type type;
	unsigned long size;	/* What it maps, or what is not mapped */
};

void wc_pgtable_read(struct vm_area_struct *vma, unsigned long addr,
		     struct wc_entry *entry);
void wc_pgtable_zap(struct vm_area_struct *vma, unsigned long addr,
		    unsigned long size);
const char *wc_pgtable_type_name(enum wc_type type);

void wc_pgtable_init(void);
const char *wc_pgtable_why_no_wc(void);
pgprot_t wc_pgtable_writecombine(pgprot_t prot);
enum wc_type wc_pgtable_type(pgprot_t prot, bool large);
enum wc_type wc_pgtable_iomap_type(const void __iomem *map);
bool wc_pgtable_mtrr_is_wc(u64 start, u64 len);
vm_fault_t wc_pgtable_insert(struct vm_fault *vmf, unsigned long pfn,
			     unsigned int order, enum wc_type *type);

/* guard.c */

/* Why there is no alias, or none any more */
enum wc_cause {
	WC_CAUSE_MACHINE,	/* It has no write-combining mappings */
	WC_CAUSE_SIZE,		/* The BAR is larger than half a terabyte */
	WC_CAUSE_MTRR,		/* A range register determines the type */
	WC_CAUSE_BAR,		/* Somebody else has determined the type */
	WC_CAUSE_REVOCATION,	/* The core leaves aliases mapped */
	WC_CAUSE_VMA,		/* The core sets VMAs up in another way */
	WC_CAUSE_ENTRY,		/* An entry is not write-combining */
};

void wc_guard_init(void);
void wc_guard_core(struct wc_device *wc);
int wc_guard_bar(struct wc_device *wc, u32 bar);
int wc_guard_vma(struct wc_device *wc, struct vm_area_struct *vma);
__printf(3, 4)
int wc_guard_refuse(struct wc_device *wc, enum wc_cause cause,
		    const char *format, ...);

/* debugfs.c */

void wc_debugfs_init(void);
void wc_debugfs_exit(void);

/* vma_list.c */

#ifdef WC_HAVE_VMA_LIST
int wc_vma_list_add(struct vfio_pci_core_device *core,
		    struct vm_area_struct *vma, gfp_t gfp);
void wc_vma_list_remove(struct vfio_pci_core_device *core,
			struct vm_area_struct *vma);
void wc_vma_list_lock(struct vfio_pci_core_device *core);
void wc_vma_list_unlock(struct vfio_pci_core_device *core);
#else
static inline int wc_vma_list_add(struct vfio_pci_core_device *core,
				  struct vm_area_struct *vma, gfp_t gfp)
{
	return 0;
}

static inline void wc_vma_list_remove(struct vfio_pci_core_device *core,
				      struct vm_area_struct *vma) { }
static inline void wc_vma_list_lock(struct vfio_pci_core_device *core) { }
static inline void wc_vma_list_unlock(struct vfio_pci_core_device *core) { }
#endif

#endif /* WC_HAVE_ALIAS_REGIONS */

#endif /* VFIO_PCI_WC_H */
