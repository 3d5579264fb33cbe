// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright(c) 2026 dpdk-vfio-wc project
 *
 * page_tables/current_kernel in debugfs for kernels without PTDUMP_DEBUGFS, for
 * tests only: the entries of the reader's device mappings, one a line, in
 * that file's format. It shares no code with the module that it is to check.
 */

#include <linux/debugfs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pgtable.h>
#include <linux/sched.h>
#include <linux/seq_file.h>

static struct dentry *user_pgtables_dir;

static void user_pgtables_show_entry(struct seq_file *file, unsigned long addr,
				     unsigned long size, u64 entry,
				     const char *level)
{
	bool large = size > PAGE_SIZE;
	u64 pat = large ? _PAGE_PAT_LARGE : _PAGE_PAT;

	seq_printf(file, "0x%016lx-0x%016lx %10luK %s %s %s %s %s %s %s %s\n",
		   addr, addr + size, size >> 10,
		   entry & _PAGE_USER ? "USR" : "   ",
		   entry & _PAGE_RW ? "RW" : "ro",
		   entry & _PAGE_PWT ? "PWT" : "   ",
		   entry & _PAGE_PCD ? "PCD" : "   ",
		   large ? "PSE" : "   ",
		   entry & pat ? "PAT" : "   ",
		   entry & _PAGE_NX ? "NX" : "x ", level);
}

/* Show the entry for an address, if there is one; return the end of its range. */
static unsigned long user_pgtables_show_at(struct seq_file *file,
					   struct mm_struct *mm,
					   unsigned long addr)
{
	pgd_t *pgd = pgd_offset(mm, addr);
	p4d_t *p4d;
	pud_t *pud;
	pmd_t *pmd;
	pte_t *pte;

	if (pgd_none(*pgd))
		return ALIGN_DOWN(addr, PGDIR_SIZE) + PGDIR_SIZE;
	p4d = p4d_offset(pgd, addr);
	if (p4d_none(*p4d))
		return ALIGN_DOWN(addr, P4D_SIZE) + P4D_SIZE;

	pud = pud_offset(p4d, addr);
	addr = ALIGN_DOWN(addr, PAGE_SIZE);
	if (!pud_present(*pud) || pud_leaf(*pud)) {
		addr = ALIGN_DOWN(addr, PUD_SIZE);
		if (pud_present(*pud))
			user_pgtables_show_entry(file, addr, PUD_SIZE,
						 pud_val(*pud), "pud");
		return addr + PUD_SIZE;
	}

	pmd = pmd_offset(pud, addr);
	if (!pmd_present(*pmd) || pmd_leaf(*pmd)) {
		addr = ALIGN_DOWN(addr, PMD_SIZE);
		if (pmd_present(*pmd))
			user_pgtables_show_entry(file, addr, PMD_SIZE,
						 pmd_val(*pmd), "pmd");
		return addr + PMD_SIZE;
	}

	pte = pte_offset_kernel(pmd, addr);
	if (pte_present(*pte))
		user_pgtables_show_entry(file, addr, PAGE_SIZE, pte_val(*pte),
					 "pte");

	return addr + PAGE_SIZE;
}

static int user_pgtables_show(struct seq_file *file, void *v)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	unsigned long addr;

	VMA_ITERATOR(vmi, mm, 0);

	mmap_read_lock(mm);
	for_each_vma(vmi, vma) {
		if (!(vma->vm_flags & VM_PFNMAP) || !vma->vm_file)
			continue;
		addr = vma->vm_start;
		while (addr < vma->vm_end)
			addr = user_pgtables_show_at(file, mm, addr);
	}
	mmap_read_unlock(mm);

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(user_pgtables);

static int __init user_pgtables_init(void)
{
	user_pgtables_dir = debugfs_create_dir("page_tables", NULL);
	debugfs_create_file("current_kernel", 0400, user_pgtables_dir, NULL,
			    &user_pgtables_fops);

	return 0;
}
module_init(user_pgtables_init);

static void __exit user_pgtables_exit(void)
{
	debugfs_remove(user_pgtables_dir);
}
module_exit(user_pgtables_exit);

MODULE_DESCRIPTION("Page-table entries of device mappings, for tests");
MODULE_LICENSE("GPL");
