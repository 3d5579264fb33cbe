/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef IVSHMEM_MEMORY_H
#define IVSHMEM_MEMORY_H

/**
 * @file
 * Memory of the host that is shared with a peer, and the roles in it.
 *
 * Accesses beyond the end of a file that has shrunk, or to pages that a file system cannot
 * allocate, raise SIGBUS. Memory that this side creates, or receives over a socket, is therefore
 * sealed against shrinking (fcntl(2), "File Sealing"), and all pages are allocated from the start.
 *
 * For all functions: @p what names the memory in messages; each failure is logged.
 */

#include <stdint.h>

#include "ivshmem_region.h"

/** Sizes of memory that is created here; powers of two, as it may become a BAR. @{ */
#define IVSHMEM_MEMORY_MIN (UINT64_C(64) << 10)
#define IVSHMEM_MEMORY_MAX (UINT64_C(4) << 30)	/**< For 2 x 16 of the longest rings */
#define IVSHMEM_MEMORY_DEFAULT (UINT64_C(16) << 20)
/** @} */

/**
 * Open a regular file. Warns if users other than its owner and group may open it.
 *
 * @return
 *   Its descriptor, or a negative errno.
 */
int ivshmem_memory_open(const char *path);

/** Create memory of fixed size. Returns its descriptor, or a negative errno. */
int ivshmem_memory_make(const char *what, uint64_t size);

/**
 * Check memory of an untrusted process: its size must be fixed, and one that is allowed here.
 * Missing pages are allocated.
 *
 * @return
 *   0, -EPERM, -EFBIG, or another negative errno.
 */
int ivshmem_memory_check_given(const char *what, int fd);

/** Have the file system allocate all pages now. 0 or a negative errno. */
int ivshmem_memory_reserve(const char *what, int fd);

/**
 * Map all of it.
 *
 * @param wanted
 *   Address, or NULL for any.
 * @param region
 *   Its control and size are set.
 * @return
 *   0 or a negative errno.
 */
int ivshmem_memory_map(const char *what, int fd, void *wanted, struct ivshmem_region *region);

void ivshmem_memory_unmap(const struct ivshmem_region *region);

/**
 * Claim a role in the memory, so that no other process of this host has it at the same time. The
 * role is released when the descriptor is closed or its process ends.
 *
 * @return
 *   A descriptor, -EBUSY if the role is taken (not logged), or another negative errno.
 */
int ivshmem_memory_claim(const char *what, int fd, enum ivshmem_role role);

#endif /* IVSHMEM_MEMORY_H */
