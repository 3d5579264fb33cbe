# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-wc project

"""The shell of dpdk-wc-guest in a guest: it maps ranges of a BAR, reads and writes them, and shows their types."""

EAL = "--huge-dir /run/huge -m 64 --lcores 0@0"


class Shell:
    """dpdk-wc-guest's shell in a guest."""

    def __init__(self, guest, release, options="", env="", prefix="wc", telemetry=False):
        import pexpect  # here, so that tools can first check their arguments and install it
        self.guest = guest
        options += " --no-telemetry" * (not telemetry)
        self.terminal = guest.spawn(f"{env} '{release}/dpdk-wc-guest' {EAL} --file-prefix {prefix} {options}"
                                    " -- shell; echo EXIT=$?")
        try:
            self.terminal.expect(r"ready[^\r\n]*|EXIT=\d+")
        except pexpect.ExceptionPexpect:
            guest.run("pkill -9 -x dpdk-wc-guest")
            guest.release(self.terminal)
            raise
        self.log = self.terminal.before
        self.state = self.terminal.after
        self.ended = self.state.startswith("EXIT")

    def __call__(self, command):
        self.terminal.sendline(command)
        self.terminal.expect(r"\n(address|error|unmap|type|touched|wrote|value|state|limit|events|remove) ([^\r\n]*)\r")
        kind, value = self.terminal.match.groups()
        return value if kind != "error" else f"error {value}"

    def type_at(self, address, offset=0):
        return self(f"type {int(address, 16) + offset:#x}")

    def quit(self):
        if not self.ended:
            self.terminal.sendline("quit")
            self.terminal.expect("EXIT=0")
            self.ended = True
        self.guest.release(self.terminal)
