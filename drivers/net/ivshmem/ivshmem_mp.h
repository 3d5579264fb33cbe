/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef IVSHMEM_MP_H
#define IVSHMEM_MP_H

/**
 * @file
 * The memory of a virtual device for secondary processes: the primary sends its file descriptor, as
 * the file may have no path, or the path may refer to another file by now.
 */

/** Primary: answer secondary processes from now on. 0 or a negative errno, which is logged. */
int ivshmem_mp_serve(void);

/**
 * Secondary: get the memory of a port.
 *
 * @return
 *   Its descriptor, for the caller to close, or a negative errno, with the reason logged.
 */
int ivshmem_mp_get_memory(const char *port);

#endif /* IVSHMEM_MP_H */
