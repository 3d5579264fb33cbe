/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef IVSHMEM_DEVICE_H
#define IVSHMEM_DEVICE_H

/**
 * @file
 * QEMU's ivshmem-doorbell device as the guest and the doorbell server on the host see it.
 *
 * From QEMU docs/specs/ivshmem-spec ("spec" below), hw/misc/ivshmem.c ("device") and DPDK 22.11
 * lib/eal/linux/eal_interrupts.c ("EAL").
 *
 * In the guest:
 * - BAR0 has the registers, 32 bits each, little-endian; BAR1 the MSI-X table; BAR2 the memory.
 * - The device exists only after the server has sent its ID and the memory, so that IVPosition is
 *   valid from the start. Devices before QEMU 2.6 (revision 0) read -1 until then (spec).
 * - IVPosition is also 0 without a server (ivshmem-plain), which is why no client has ID 0 here:
 *   that is the host, and any other ID tells a guest that there are doorbells.
 * - A doorbell without a listener is silently ignored (spec).
 * - An interrupt that arrives while MSI-X is disabled is lost (device: vector_notify()), so that a
 *   waiting driver must check for work once more after enabling MSI-X.
 * - MSI-X messages are writes by the device: the bus must have enabled bus mastering.
 * - With vfio-pci, EAL assigns vector 0 to the handle's own fd and vectors from
 *   RTE_INTR_VEC_RXTX_OFFSET (1) on to Rx queues: rte_intr_efd_enable(handle, n) and
 *   rte_intr_enable() request 1 + n vectors, and the kernel rejects (EINVAL) more than QEMU's
 *   vectors=. The doorbell of Rx queue q in the guest is therefore vector 1 + q.
 *
 * When the doorbell server ends, QEMU continues with its memory, ID and eventfds: guests can
 * reach each other, but are not notified, and QEMU cannot connect to another server (spec).
 *
 * Observed with QEMU 7.2: if a server closes the connection before it has sent the memory, QEMU
 * waits for it forever, using a whole CPU. A server that refuses a client therefore sends
 * IVSHMEM_REFUSAL first, upon which QEMU exits with a message. With reconnect= for the socket QEMU
 * waits like that from the start, as it then creates the device before it connects.
 */

#include <stdint.h>

/** Offsets in BAR0. Mask and status are for interrupts other than MSI-X, in revision 0 only. */
#define IVSHMEM_REG_INTR_MASK 0
#define IVSHMEM_REG_INTR_STATUS 4
#define IVSHMEM_REG_IV_POSITION 8
#define IVSHMEM_REG_DOORBELL 12

/** The value to write to IVSHMEM_REG_DOORBELL to interrupt a peer. */
static inline uint32_t
ivshmem_doorbell_value(uint16_t peer_id, uint16_t vector)
{
	return (uint32_t)peer_id << 16 | vector;
}

/** The server's first message. */
#define IVSHMEM_PROTOCOL 0
/** A version that no client supports. */
#define IVSHMEM_REFUSAL (-1)
/** The message that comes with the memory's file. All others are the ID of a peer. */
#define IVSHMEM_MESSAGE_MEMORY (-1)

#endif /* IVSHMEM_DEVICE_H */
