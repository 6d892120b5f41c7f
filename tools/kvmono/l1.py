# SPDX-License-Identifier: GPL-2.0-only
"""L1: the emulated AMD host. Boots Debian's kernel in QEMU with this machine's tree over 9p, loads a KVM, runs one
script in it and gives back its output and status. What the kernel of L1 complains about fails the run."""

import dataclasses
import fcntl
import itertools
import os
import pathlib
import re
import selectors
import shlex
import signal
import socket
import subprocess
import sys
import time

from . import initramfs, paths

MODULES = {
    "files": ["virtio_pci", "virtio_console", "9pnet_virtio", "9p", "virtio_blk"],
    "linux": ["kvm-amd"],
    "kvmono": ["irqbypass"],
    "net": ["vhost_net", "tun"],
    "msr": ["msr"],
    "swap": ["zram"],
}

NOT_LOADED, TIMEOUT, BROKEN = 123, 124, 125

# In the log of L1's kernel after the module was loaded, or of the VMM: something went wrong.
COMPLAINT = re.compile(
    rb"BUG: |WARNING: |Oops|general protection fault|Kernel panic|KASAN|UBSAN|INFO: |possible .* locking|"
    rb"stack-protector|blocked for more than|unchecked MSR access|Objects remaining|scheduling while atomic|"
    rb"bad unlock balance|Bad page state|Bad rss-counter")
# Nothing comes after these, and the emulator may not notice.
HOPELESS = re.compile(rb"Kernel panic|KVM internal error|KVM: entry failed")

# A record: what init or a script in L1 or L2 says to this side, within the bytes of a line.
RECORD = re.compile(rb"\x1ekvmono: ([^\r\n]*)\r*\n")
RECORD_BEGINS = re.compile(rb"\x1e(kvmono: [^\n]{0,200}|k?v?m?o?n?o?:?)\Z")


@dataclasses.dataclass
class Result:
    status: int
    seconds: float
    log: pathlib.Path
    complaints: list


EMULATED = ["-accel", "tcg,thread=single", "-cpu", "EPYC,+svm"]


def accelerator():
    """QEMU's arguments for an AMD host, and what to tell the user: real nested virtualization where there is some."""
    flags = re.search(r"^flags\s*:(.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    svm = flags and " svm " in flags[1] + " "
    nested = pathlib.Path("/sys/module/kvm_amd/parameters/nested")
    if svm and nested.exists() and nested.read_text().strip() in "1Y" and os.access("/dev/kvm", os.R_OK | os.W_OK):
        return ["-accel", "kvm", "-cpu", "host"], "nested virtualization of this machine (-accel kvm)"
    return EMULATED, "emulated AMD processor (-accel tcg)"


def load_words(kvm, params=""):
    """The LOAD and MODULE of tools/init/l1 for a choice of KVM: kvmono, linux, none, or the path of a module."""
    if kvm == "none":
        return [], ""
    if kvm == "linux":
        return ["linux"], ""
    path = paths.module() if kvm == "kvmono" else pathlib.Path(kvm).resolve()
    if not path.exists():
        raise SystemExit(f"{path} is not built: make" if kvm == "kvmono" else f"KVM={kvm}: not kvmono, linux or none, and no module at {path}")
    return ["kvmono"], f"{path} {params}".strip()


def to_stdout(data):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def ask_where(monitor):
    """An NMI makes a kernel that hangs panic, so that its log says where it was."""
    try:
        monitor.sendall(b"nmi\n")
        time.sleep(5)
    except OSError:
        pass


def covered(path):
    """L1 has its own /tmp and /dev; what lies there on this machine must be put back on top."""
    return re.match(r"/(tmp|dev|proc|sys)(/|$)", str(path))


def own_folder(name):
    """build/l1/<name>, or <name>-2 and so on while other runs hold those. With it its lock, to close in the end."""
    for number in itertools.count(1):
        folder = paths.BUILD / "l1" / (name if number == 1 else f"{name}-{number}")
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return folder, lock
        except BlockingIOError:
            os.close(lock)


class Host:
    """One L1. Fill in what differs from the defaults, then run() it."""

    def __init__(self, name, kvm="kvmono", params="", smp=1, mem=4096, icount=False, timeout=600, series=paths.HOST):
        self.folder, self._lock = own_folder(name)
        self.log = self.folder / "log"
        self.kvm, self.params, self.timeout, self.series = kvm, params, timeout, series
        self.smp, self.mem, self.icount = smp, mem, icount
        self.sets = []          # further sets of MODULES
        self.more = []          # arguments of QEMU
        self.disks = []         # images that L1 sees as /dev/vda, vdb, …
        self.expose = [paths.TOP]
        self.tty = None         # stty words when a person sits at it
        self.append = ""
        self.cpu = ""           # more of QEMU's -cpu: ",-svm"
        self.silence = None     # seconds without a byte after which it counts as hung
        self.on_data = to_stdout            # what the job writes
        self.on_bulk = to_stdout            # what anyone in L1 writes to /dev/hvc1
        self.on_record = lambda text: None

    def run(self, script):
        """Boots, runs the bash script with the checkout as its folder, and gives back a Result."""
        started = time.monotonic()
        self.log.write_bytes(b"")
        image = self.folder / "image"
        image.write_bytes(initramfs.cached_base("l1", paths.TOP / "tools/init/l1", MODULES, self.series) + self._job(script))
        bulk, bulk_inside = os.pipe()
        monitor, monitor_inside = socket.socketpair()
        qemu = subprocess.Popen(self._command(image, bulk_inside, monitor_inside.fileno()), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=(self.folder / "qemu").open("wb"), start_new_session=True,
                                pass_fds=[bulk_inside, monitor_inside.fileno()])
        os.close(bulk_inside)
        monitor_inside.close()
        try:
            ended = Watch(self, qemu, bulk).until_end(started + self.timeout)
            if ended == "timeout":
                ask_where(monitor)
        finally:
            qemu.kill()
            qemu.wait()
            image.unlink()
            os.close(bulk)
            os.close(self._lock)
            monitor.close()
        return self._judge(ended, time.monotonic() - started)

    def _job(self, script):
        load, module = load_words(self.kvm, self.params)
        env = {"EXPOSE": " ".join(str(p) for p in self.expose if covered(p)), "LOAD": " ".join(load + self.sets),
               "MODULE": module, "TTY": self.tty or ""}
        job = initramfs.Archive()
        job.file("job/env", "".join(f"{k}={shlex.quote(v)}\n" for k, v in env.items()))
        job.file("job/script", f"cd {shlex.quote(str(paths.TOP))}\nexport KVM={shlex.quote(self.kvm)}\n{script}\n")
        return job.finish()

    def _command(self, image, bulk, monitor):
        # Only an emulator counts instructions.
        accelerator_and_cpu = list(EMULATED if self.icount else accelerator()[0])
        accelerator_and_cpu[-1] += self.cpu
        command = ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", *accelerator_and_cpu, "-smp", str(self.smp), "-m", str(self.mem),
                   "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                   "-kernel", paths.vmlinuz(self.series), "-initrd", image,
                   "-append", f"console=ttyS0 quiet panic=-1 oops=panic unknown_nmi_panic {self.append}",
                   "-chardev", f"socket,id=monitor,fd={monitor}", "-mon", "chardev=monitor",
                   "-serial", f"file:{self.log}",
                   "-device", "virtio-serial-pci", "-chardev", "stdio,id=job,signal=off",
                   "-device", "virtconsole,chardev=job",
                   "-chardev", f"file,id=bulk,path=/dev/fd/{bulk}", "-device", "virtconsole,chardev=bulk",
                   "-object", "memory-backend-ram,id=shared,size=16M", "-device", "ivshmem-plain,memdev=shared",
                   "-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"]
        for disk in self.disks:
            command += ["-drive", f"if=virtio,{disk}"]
        if self.icount:
            command += ["-icount", "shift=0"]
        return command + self.more

    def _judge(self, ended, seconds):
        """The status of the script counts only when L1 lived to tell it and its kernel had nothing to complain of."""
        log = self.log.read_bytes()
        told = re.findall(rb"^kvmono: status (\d+)", log, re.M)
        complaints = [line.decode(errors="replace").strip() for line in log.splitlines() if COMPLAINT.search(line)]
        if ended == "timeout":
            return Result(TIMEOUT, seconds, self.log, complaints + [f"hung: ended after {seconds:.0f} s"])
        if not told:
            return Result(BROKEN, seconds, self.log, complaints + self._emulators_words() + ["L1 ended without a status"])
        status = int(told[-1])
        return Result(BROKEN if complaints and not status else status, seconds, self.log, complaints)

    def _emulators_words(self):
        lines = (self.folder / "qemu").read_text(errors="replace").splitlines()
        return [line for line in lines if "TCG doesn't support requested feature" not in line]


class Watch:
    """Carries bytes between the job and the caller, and looks at L1's log while it grows."""

    def __init__(self, host, qemu, bulk):
        self.host, self.qemu, self.bulk = host, qemu, bulk
        self.log = host.log.open("rb")
        self.buffer = b""
        self.fatal_at = None
        self.last_byte = time.monotonic()

    def until_end(self, deadline):
        """Returns "exit", "fatal" or "timeout"."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.qemu.stdout, selectors.EVENT_READ, self._from_job)
            selector.register(self.bulk, selectors.EVENT_READ, self._from_bulk)
            if self.host.tty:
                selector.register(sys.stdin, selectors.EVENT_READ, self._to_job)
            while time.monotonic() < min(deadline, self.last_byte + (self.host.silence or 1e9)):
                for key, _ in selector.select(0.25):
                    self.last_byte = time.monotonic()
                    if not key.data():
                        selector.unregister(key.fileobj)
                if not {self.qemu.stdout, self.bulk} & {k.fileobj for k in selector.get_map().values()}:
                    self.qemu.wait(10)
                    return "exit"
                if self._fatal():
                    return "fatal"
        return "timeout"

    def _from_job(self):
        data = os.read(self.qemu.stdout.fileno(), 65536)
        self.buffer += data
        self._split(last=not data)
        return data

    def _from_bulk(self):
        data = os.read(self.bulk, 65536)
        if data:
            self.host.on_bulk(data)
        return data

    def _to_job(self):
        data = os.read(sys.stdin.fileno(), 4096)
        os.write(self.qemu.stdin.fileno(), data)
        return data

    def _split(self, last):
        """Hands on the data and the records in what came; keeps back what may be the beginning of a record."""
        while found := RECORD.search(self.buffer):
            self._data(self.buffer[:found.start()])
            self.host.on_record(found[1].decode(errors="replace"))
            self.buffer = self.buffer[found.end():]
        begun = not last and RECORD_BEGINS.search(self.buffer)
        keep = begun.start() if begun else len(self.buffer)
        self._data(self.buffer[:keep])
        self.buffer = self.buffer[keep:]

    def _data(self, data):
        if data:
            self.host.on_data(data)

    def _fatal(self):
        """A while after the last words of a kernel or a VMM, so that the log has all of them."""
        if HOPELESS.search(self.log.read()):
            self.fatal_at = self.fatal_at or time.monotonic()
        return self.fatal_at and time.monotonic() > self.fatal_at + 2


def end_on_signals():
    """SIGTERM and Ctrl-C end the emulator and reset the terminal like any other way out."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
