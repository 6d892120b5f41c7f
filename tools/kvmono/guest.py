# SPDX-License-Identifier: GPL-2.0-only
"""A guest on a KVM in an emulated host, as the user's words in the environment want it; tools/help.txt says what each does."""

import contextlib
import dataclasses
import os
import shlex
import sys
import threading
import time

from . import bochs, emulated, l1, l2, paths, terminal, words
from .make import built, set_up


# Runs the VMM. Before this side loses patience it tells the host's log what the vCPUs do, by the module's counters and QEMU's monitor, which a vCPU that
# never leaves KVM_RUN may hold up. Each line opens /dev/kmsg anew, for the kernel suppresses more than some of one opening; and nobody else's pipe is
# held open, for its end would then not come. Debian's root may lack what is busybox's here.
WATCHED = r"""
late() {{
	sleep {patience}
	echo "{late}"
	mount -t debugfs none /sys/kernel/debug
	cat /sys/kernel/debug/kvm/*-*/exit_kinds
	for n in $(seq 0 {last_vcpu}); do printf 'cpu %s\ninfo registers\ninfo lapic\n' $n; done |
		timeout 10 busybox nc {monitor} | tr -d '\r' | grep -E 'CPU#|HLT=|[RE]SP=|CR3=|LVTT\s|Timer|SPIV|PPR|ISR|IRR'
}}
busybox ifconfig lo up
{{ late | while read -r line; do echo "<1>kvmono: $line" >/dev/kmsg; done; }} </dev/null >/dev/null 2>&1 &
exec {vmm}
"""
MONITOR = ("127.0.0.1", "4444")
LATE = "the guest is still there"


@dataclasses.dataclass
class Machine:
    """What the two kinds of emulated host differ in for a guest."""
    megabytes: int      # that it has,
    own: int            # and of these what it needs itself
    smp: str            # a guest's vCPUs and megabytes, if the user doesn't say
    guest_mem: str
    bulk: str           # a fast line to here, for the guest's console
    errors: str         # where the VMM complains
    patience: float     # seconds of its own clock, for one of TIMEOUT, until it tells what the vCPUs do: less than it has left once it is up


AMD = Machine(4096, 1024, "2", "512", "/dev/hvc1", "/dev/ttyS0", 0.6)
INTEL = Machine(bochs.MEGABYTES, 384, "1", "256", None, "/dev/kmsg", 0.2)


class Steps:
    """One line per step on stderr, with the time it took; between them, until something else is on the screen, how long the next one takes so far."""

    def __init__(self):
        self.started = self.last = time.monotonic()
        self.lock, self.waiting, self.next = threading.Lock(), False, ""

    def done(self, text, then=""):
        now = time.monotonic()
        self.say(f"{now - self.last:6.1f} s  {text}")
        self.last, self.next = now, then

    def say(self, text):
        self._print(text, "\r\n" if sys.stderr.isatty() else "\n")

    def _print(self, text, end):
        clear = "\x1b[K" if sys.stderr.isatty() else ""     # what stands there of a longer line
        with self.lock:
            print(text + clear, end=end, file=sys.stderr, flush=True)

    def wait(self):
        self.waiting = True
        threading.Thread(target=self._count, daemon=True).start()

    def end_wait(self):
        self.waiting = False

    def _count(self):
        """Each second on a terminal; in a log after 5 s, 10, 20 and so on."""
        step = due = None
        while time.sleep(1) or self.waiting:
            if step != self.last:
                step, due = self.last, 5
            waited = time.monotonic() - step
            if sys.stderr.isatty():
                self._print(f"{waited:6.0f} s  … {self.next}", "\r")
            elif waited >= due:
                self._print(f"{waited:6.0f} s  … {self.next}", "\n")
                due *= 2

    def total(self):
        return time.monotonic() - self.started


class Guest:
    """What the user wants to run, and what came of it. `command` is what runs if the user doesn't say."""

    def __init__(self, command=None):
        get = os.environ.get
        self.kvm = words.kvm()
        self.vendor = words.one("VENDOR", "amd", ["amd", "intel"])
        self.model = words.one("BOCHS_CPU", bochs.DEFAULT_MODEL, bochs.MODELS)
        self.host = AMD if self.vendor == "amd" else INTEL
        self.machine = words.matching("MACHINE", "pc", r"(pc|q35|microvm)(-[\w.]+)*(,.+)?", "pc, q35 or microvm, with QEMU's options behind a comma")
        self.smp = words.matching("SMP", self.host.smp, r"0*([1-9]|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])", "vCPUs, 1 to 255")
        self.mem = words.matching("MEM", self.host.guest_mem, r"0*[1-9]\d{0,5}", "megabytes")
        self.append, self.vmm_args = get("APPEND", ""), shlex.split(get("VMM_ARGS", ""))
        self.kernel, self.initrd, self.disk = (words.file(v) for v in ("KERNEL", "INITRD", "DISK"))
        self.command = get("GUEST_CMD") or command
        if int(self.mem) > self.host.megabytes - self.host.own:
            raise words.wrong(f"MEM={self.mem}: the emulated host has {self.host.megabytes} megabytes and needs {self.host.own} of them itself")
        self.timeout = float(words.matching("TIMEOUT", "900" if self.command else "1e9", r"\d*[1-9]\d*", "seconds, more than 0"))
        self.tty = sys.stdin.isatty() and sys.stdout.isatty() and not self.command
        self.default_initrd = not self.initrd and (self.kernel or not self.disk)
        if self.command and not self.default_initrd:
            raise words.wrong("GUEST_CMD needs the initramfs of ours: leave INITRD out, and give KERNEL with DISK")
        if self.default_initrd and not self.command and not self.tty:
            self.command = "true"  # nobody sits here: reaching the shell is all there is to do
        if self.disk and self.host is INTEL:
            raise words.wrong("DISK: the emulated Intel host has no disk that a guest could write to")
        self.output_on_serial = False
        self.status = None

    def module_vendor(self):
        return "amd" if self.host is AMD else bochs.MODELS[self.model]

    def processor(self):
        return l1.accelerator()[1] if self.host is AMD else f"emulated {self.model} (Bochs)"


def prepare(guest, steps):
    """Packages, then the module."""
    set_up()
    steps.done("packages and kernel are there", "building the module" if guest.kvm == "kvmono" else "booting the host")
    steps.wait()
    if guest.kvm == "kvmono":
        built(paths.HOST)
        steps.done(f"kvm-{guest.module_vendor()}.ko is built for {paths.kver()}", "booting the host")
    steps.say(f"          {guest.processor()}, {'Linux' if guest.kvm == 'linux' else guest.kvm} KVM")


def vmm(guest, folder, tty, watched):
    """The command that runs the guest in L1. A disk of the user's is a disk of L1, so that the guest can write to it."""
    kernel = guest.kernel or (None if guest.disk else paths.vmlinuz(paths.GUEST))
    initrd = l2.initrd(folder / "initrd", guest.command, tty) if guest.default_initrd else guest.initrd
    more = ["-serial", "mon:stdio"] if guest.tty else ["-chardev", "stdio,id=tty,signal=off", "-serial", "chardev:tty"]
    if guest.default_initrd:
        more.append("-no-reboot")
    if watched:
        more += ["-monitor", f"tcp:{':'.join(MONITOR)},server=on,wait=off"]
    if guest.command and guest.host.bulk:
        more += l2.console(guest.machine, guest.host.bulk)
    if guest.disk:
        more += ["-drive", "file=/dev/vda,format=raw,if=none,id=disk,cache=none", "-device", l2.virtio(guest.machine, "blk") + ",drive=disk"]
    return l2.qemu(guest.machine, guest.smp, guest.mem, kernel, initrd, guest.append, more + guest.vmm_args)


STEPS = {"host up": ("the host is up", "loading KVM"), "module loaded": ("KVM is loaded", "booting the guest")}


def listen(guest, steps, console):
    """What to do with the bytes and the records that come out of L1."""
    def on_data(data):
        if guest.tty or not guest.default_initrd or (guest.output_on_serial and guest.status is None):
            if not guest.default_initrd:    # whose shell says when it is there
                steps.end_wait()
            emulated.to_stdout(data)
        else:
            console.write(data)

    def on_record(text):
        if text == "output here":
            guest.output_on_serial = True
        elif text == "guest ready":
            steps.end_wait()
            what = f"{guest.machine}, vCPUs: {guest.smp}"
            steps.done(f"the guest's shell is there ({what}), {steps.total():.0f} s in all")
        elif text.startswith("count "):
            print(text.removeprefix("count "), flush=True)
        elif text.startswith("guest status "):
            guest.status = int(text.split()[-1])
            steps.done(f"the command has ended with status {guest.status}")
        else:
            steps.done(*STEPS.get(text, [text]))
    return on_data, on_record


def qemu_host(guest):
    host = l1.Host("run", guest.kvm, os.environ.get("PARAMS", ""), mem=AMD.megabytes, timeout=guest.timeout)
    host.expose += [p for p in (guest.kernel, guest.initrd) if p]
    if guest.disk:
        host.disks = [f"file={guest.disk},cache=writeback"]
    return host


def bochs_host(guest):
    params = [bochs.FOR_GUESTS] if guest.module_vendor() == "intel" else []
    # Of two that name the same parameter the user's, being the last, counts.
    params.append(os.environ.get("PARAMS", ""))
    host = bochs.Host("run", guest.kvm, " ".join(params), guest.model, timeout=guest.timeout)
    host.files = [*l2.FILES, guest.kernel or paths.vmlinuz(paths.GUEST), guest.initrd or host.folder / "initrd"]
    return host


def boot(guest, steps, script=None):
    """Runs the script in the host, with the VMM in its place."""
    watched = guest.command and not script
    script = script or (WATCHED if watched else "exec {vmm}")
    host = (qemu_host if guest.host is AMD else bochs_host)(guest)
    with (host.folder / "guest").open("wb", buffering=0) as console, terminal.raw() if guest.tty else contextlib.nullcontext() as host.tty:
        host.on_data, host.on_record = listen(guest, steps, console)
        stdin = "" if guest.tty else "</dev/null "
        return host.run(script.format(
            vmm=f"{vmm(guest, host.folder, host.tty, watched)} {stdin}2>{guest.host.errors}", late=LATE,
            patience=int(guest.timeout * guest.host.patience), last_vcpu=int(guest.smp) - 1, monitor=" ".join(MONITOR)))


def explain(guest, result):
    """Why there is no good end, from the two logs."""
    late = result.status == emulated.TIMEOUT
    for log in (result.log.with_name("guest"), result.log):
        lines = log.read_text(errors="replace").strip().splitlines()
        told = [number for number, line in enumerate(lines) if LATE in line]
        lines = lines[told[-1] if late and told else -15:]
        if lines:
            print(f"{words.PROGRAM}: the end of {log.relative_to(paths.TOP)}:", *lines, sep="\n    ", file=sys.stderr)
    if late:
        result.complaints[-1] += f"; TIMEOUT=<seconds> gives it longer; where the host was stands in {result.log.relative_to(paths.TOP)}"
    for line in result.complaints:
        print(f"{words.PROGRAM}: {line}", file=sys.stderr)


def run(guest, script=None):
    """From nothing to the guest's end; the status of this program."""
    steps = Steps()
    try:
        prepare(guest, steps)
        result = boot(guest, steps, script)
    finally:
        steps.end_wait()
    if result.status or (guest.command and guest.status is None):
        explain(guest, result)
        return result.status or emulated.BROKEN
    steps.done(f"powered off, {steps.total():.0f} s in all")
    return guest.status or 0
