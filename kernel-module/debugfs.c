// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright(c) 2026 dpdk-vfio-wc project
 *
 * debugfs/vfio_pci_wc/mappings: a line for each VMA that maps an alias, with
 * the memory types that its page-table entries have at the moment of reading.
 */

#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>

#include "vfio_pci_wc.h"

static struct dentry *wc_debugfs_dir;

/* The mapping that is shown next. The position in the file is its id. */
struct wc_debugfs_cursor {
	struct mm_struct *mm;	/* With a reference */
	unsigned long addr;
	u64 id;
};

struct wc_debugfs_entries {
	unsigned long types;	/* Mask of 1 << enum wc_type */
	unsigned long pages, large, huge;
};

/* --- one line --------------------------------------------------------------- */

static void wc_debugfs_read_entries(struct vm_area_struct *vma,
				    struct wc_debugfs_entries *entries)
{
	unsigned long addr = vma->vm_start;
	struct wc_entry entry;

	while (addr < vma->vm_end && !fatal_signal_pending(current)) {
		wc_pgtable_read(vma, addr, &entry);
		if (entry.type != WC_TYPE_NONE) {
			__set_bit(entry.type, &entries->types);
			entries->pages += entry.size == PAGE_SIZE;
			entries->large += entry.size == PMD_SIZE;
			entries->huge += entry.size == PUD_SIZE;
		}
		addr = ALIGN_DOWN(addr, entry.size) + entry.size;
		cond_resched();
	}
}

static void wc_debugfs_show_types(struct seq_file *file, unsigned long types)
{
	const char *separator = "";
	unsigned int type;

	if (!types)
		seq_puts(file, wc_pgtable_type_name(WC_TYPE_NONE));

	for_each_set_bit(type, &types, WC_NUM_TYPES) {
		seq_printf(file, "%s%s", separator, wc_pgtable_type_name(type));
		separator = ",";
	}
}

/* A process with this address space: its ID and name, 0 if there is none */
static pid_t wc_debugfs_find_process(struct mm_struct *mm,
				     char name[TASK_COMM_LEN])
{
	struct task_struct *process, *thread;
	pid_t pid = 0;

	strscpy(name, "?", TASK_COMM_LEN);

	rcu_read_lock();
	for_each_process_thread(process, thread) {
		if (READ_ONCE(thread->mm) != mm || thread->flags & PF_KTHREAD)
			continue;
		pid = task_tgid_vnr(thread);
		strscpy(name, thread->group_leader->comm, TASK_COMM_LEN);
		goto found;
	}
found:
	rcu_read_unlock();

	return pid;
}

static void wc_debugfs_show_vma(struct seq_file *file,
				struct vm_area_struct *vma)
{
	const struct wc_mapping *mapping = vma->vm_private_data;
	u32 bar = wc_alias_bar(vma->vm_pgoff);
	u64 bar_offset = ((u64)vma->vm_pgoff << PAGE_SHIFT) -
			 wc_alias_offset(bar);
	struct wc_debugfs_entries entries = { };
	char name[TASK_COMM_LEN];
	pid_t pid;

	wc_debugfs_read_entries(vma, &entries);
	pid = wc_debugfs_find_process(vma->vm_mm, name);

	seq_printf(file, "%s %d %lx-%lx %u 0x%llx %s ",
		   pci_name(mapping->wc->core.pdev), pid, vma->vm_start,
		   vma->vm_end, bar, bar_offset,
		   wc_pgtable_type_name(WC_TYPE_WC));
	wc_debugfs_show_types(file, entries.types);
	seq_printf(file, " %lu %lu %lu %ld ", entries.pages, entries.large,
		   entries.huge, atomic_long_read(&mapping->faults));
	/* Processes name themselves: not over more than a line */
	seq_escape(file, name, "\n\\");
	seq_putc(file, '\n');
}

/* --- the file ---------------------------------------------------------------- */

static void *wc_debugfs_find(struct seq_file *file, loff_t *pos)
{
	struct wc_debugfs_cursor *cursor = file->private;

	cursor->id = *pos;
	cursor->mm = wc_mapping_find(&cursor->id, &cursor->addr);
	if (!cursor->mm)
		return NULL;
	*pos = cursor->id;

	return cursor;
}

static void wc_debugfs_put(struct wc_debugfs_cursor *cursor)
{
	if (cursor->mm)
		mmput(cursor->mm);
	cursor->mm = NULL;
}

static void *wc_debugfs_start(struct seq_file *file, loff_t *pos)
{
	return *pos ? wc_debugfs_find(file, pos) : SEQ_START_TOKEN;
}

static void *wc_debugfs_next(struct seq_file *file, void *v, loff_t *pos)
{
	void *next;

	wc_debugfs_put(file->private);
	++*pos;
	next = wc_debugfs_find(file, pos);

	return next;
}

static void wc_debugfs_stop(struct seq_file *file, void *v)
{
	wc_debugfs_put(file->private);
}

static int wc_debugfs_show(struct seq_file *file, void *v)
{
	struct wc_debugfs_cursor *cursor = v;
	struct vm_area_struct *vma;

	if (v == SEQ_START_TOKEN) {
		seq_puts(file, "# device pid start-end bar bar-offset asked effective n4k n2m n1g faults command\n");
		return 0;
	}

	if (mmap_read_lock_killable(cursor->mm))
		return -EINTR;
	vma = vma_lookup(cursor->mm, cursor->addr);
	if (vma && wc_mmap_is_alias(vma))
		wc_debugfs_show_vma(file, vma);
	mmap_read_unlock(cursor->mm);

	return 0;
}

static const struct seq_operations wc_debugfs_mappings_sops = {
	.start = wc_debugfs_start,
	.next = wc_debugfs_next,
	.stop = wc_debugfs_stop,
	.show = wc_debugfs_show,
};

static int wc_debugfs_mappings_open(struct inode *inode, struct file *file)
{
	return seq_open_private(file, &wc_debugfs_mappings_sops,
				sizeof(struct wc_debugfs_cursor));
}

static const struct file_operations wc_debugfs_mappings_fops = {
	.owner = THIS_MODULE,
	.open = wc_debugfs_mappings_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = seq_release_private,
};

void wc_debugfs_init(void)
{
	wc_debugfs_dir = debugfs_create_dir("vfio_pci_wc", NULL);
	debugfs_create_file("mappings", 0400, wc_debugfs_dir, NULL,
			    &wc_debugfs_mappings_fops);
}

void wc_debugfs_exit(void)
{
	debugfs_remove(wc_debugfs_dir);
}
