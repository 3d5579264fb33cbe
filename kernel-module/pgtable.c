// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright(c) 2026 dpdk-vfio-wc project
 *
 * Reading and removing page-table entries of VMAs that map an alias.
 */

#include <linux/mm.h>
#include <linux/pgtable.h>

#include "compat.h"
#include "vfio_pci_wc.h"

const char *wc_pgtable_type_name(enum wc_type type)
{
	static const char * const names[WC_NUM_TYPES] = {
		[WC_TYPE_NONE] = "-",
		[WC_TYPE_WC] = "WC",
		[WC_TYPE_UC_MINUS] = "UC-",
		[WC_TYPE_UC] = "UC",
		[WC_TYPE_WT] = "WT",
		[WC_TYPE_WB] = "WB",
		[WC_TYPE_WP] = "WP",
	};

	return names[type];
}

void wc_pgtable_zap(struct vm_area_struct *vma, unsigned long addr,
		    unsigned long size)
{
	wc_zap_vma_range(vma, addr, size);
}

/* An entry of the lowest level */
static enum wc_type wc_pgtable_follow(struct vm_area_struct *vma,
				      unsigned long addr)
{
#ifdef WC_HAVE_FOLLOW_PFNMAP
	struct follow_pfnmap_args args = { .vma = vma, .address = addr };
	pgprot_t prot;

	if (follow_pfnmap_start(&args))
		return WC_TYPE_NONE;
	prot = args.pgprot;
	follow_pfnmap_end(&args);
#else
	spinlock_t *lock;
	pgprot_t prot;
	pte_t *pte;

#ifdef WC_HAVE_FOLLOW_PTE_VMA
	if (follow_pte(vma, addr, &pte, &lock))
		return WC_TYPE_NONE;
#else
	if (follow_pte(vma->vm_mm, addr, &pte, &lock))
		return WC_TYPE_NONE;
#endif
	/* For sparse, which does not see follow_pte() take it, nor RT's locks */
	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		__acquire(lock);
	prot = pte_pgprot(ptep_get(pte));
	pte_unmap_unlock(pte, lock);
#endif
	return wc_pgtable_type(prot, false);
}

/*
 * What is at @addr, and how much of the address space from the entry's start
 * has it. The mmap_lock is held, which keeps the tables of a VMA in place; what
 * other entries become meanwhile is found out or not.
 */
void wc_pgtable_read(struct vm_area_struct *vma, unsigned long addr,
		     struct wc_entry *entry)
{
	pgd_t *pgd = pgd_offset(vma->vm_mm, addr);
	p4d_t *p4d;
	pud_t *pudp, pud;
	pmd_t *pmdp, pmd;

	mmap_assert_locked(vma->vm_mm);

	entry->type = WC_TYPE_NONE;

	entry->size = PGDIR_SIZE;
	if (pgd_none(*pgd))
		return;

	entry->size = P4D_SIZE;
	p4d = p4d_offset(pgd, addr);
	if (p4d_none(*p4d))
		return;

	entry->size = PUD_SIZE;
	pudp = pud_offset(p4d, addr);
	pud = READ_ONCE(*pudp);
	if (!pud_present(pud))
		return;
#ifdef CONFIG_ARCH_SUPPORTS_PUD_PFNMAP
	if (pud_leaf(pud)) {
		entry->type = wc_pgtable_type(pud_pgprot(pud), true);
		return;
	}
#endif

	entry->size = PMD_SIZE;
	pmdp = pmd_offset(pudp, addr);
	pmd = READ_ONCE(*pmdp);
	if (!pmd_present(pmd))
		return;
#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
	if (pmd_leaf(pmd)) {
		entry->type = wc_pgtable_type(pmd_pgprot(pmd), true);
		return;
	}
#endif

	entry->size = PAGE_SIZE;
	entry->type = wc_pgtable_follow(vma, addr);
}
