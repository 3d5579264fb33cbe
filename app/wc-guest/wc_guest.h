/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-wc project
 */

#ifndef WC_GUEST_H
#define WC_GUEST_H

/** What guests run, and tests on the host: one of them for each run of dpdk-wc-guest. */
struct wc_guest_program {
	const char *name;
	/** With the rest of the command line; 0 on success. */
	int (*main)(int argc, char **argv);
};

extern const struct wc_guest_program shell_program;
extern const struct wc_guest_program ivshmem_corrupt_program;
extern const struct wc_guest_program ivshmem_doorbell_program;
extern const struct wc_guest_program ivshmem_echo_program;
extern const struct wc_guest_program ivshmem_hammer_program;
extern const struct wc_guest_program ivshmem_loop_program;
extern const struct wc_guest_program ivshmem_sleep_program;
extern const struct wc_guest_program ivshmem_traffic_program;
extern const struct wc_guest_program ivshmem_victim_program;
extern const struct wc_guest_program raw_program;

#endif /* WC_GUEST_H */
