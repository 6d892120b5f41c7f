# SPDX-License-Identifier: GPL-2.0-only
"""What the emulated hosts of both vendors share: the folder of a run, the watching of its output and of its kernel's
log, and the judgement of how it ended. l1.py is the AMD host, bochs.py the Intel host."""

import dataclasses
import fcntl
import itertools
import os
import pathlib
import re
import select
import selectors
import shlex
import signal
import sys
import time

from . import paths

NOT_LOADED, TIMEOUT, BROKEN = 123, 124, 125

# Memory for the kernel that comes after a crash of L1's; that one itself has less than 512 MB, and reserves none.
CRASHKERNEL = "crashkernel=512M-:192M"

# A crash that a test asks for is none.
PANIC = rb"Kernel panic(?! - not syncing: sysrq triggered crash)"
# In the log of L1's kernel after the module was loaded, or of the VMM: something went wrong.
COMPLAINT = re.compile(
    rb"BUG: |WARNING: |Oops|general protection fault|" + PANIC + rb"|KASAN|UBSAN|INFO: |possible .* locking|"
    rb"stack-protector|blocked for more than|unchecked MSR access|Objects remaining|scheduling while atomic|"
    rb"bad unlock balance|Bad page state|Bad rss-counter")
# Nothing comes after these, and the emulator may not notice.
HOPELESS = re.compile(PANIC + rb"|KVM internal error|KVM: entry failed")

# A record: what init or a script in L1 or L2 says to this side, within the bytes of a line.
RECORD = re.compile(rb"\x1ekvmono: ([^\r\n]*)\r*\n")
RECORD_BEGINS = re.compile(rb"\x1e(kvmono: [^\n]{0,200}|k?v?m?o?n?o?:?)\Z")


@dataclasses.dataclass
class Result:
    status: int
    seconds: float
    log: pathlib.Path
    complaints: list


def module_words(kvm, params="", vendor="amd"):
    """The LOAD and MODULE of tools/init/l1 for a choice of KVM: kvmono, linux, none, or the path of a module."""
    if kvm == "none":
        return [], ""
    if kvm == "linux":
        return ["linux"], ""
    path = paths.module(vendor) if kvm == "kvmono" else pathlib.Path(kvm).resolve()
    if not path.exists():
        raise SystemExit(f"{path} is not built: make" if kvm == "kvmono" else f"KVM={kvm}: not kvmono, linux or none, and no module at {path}")
    return ["kvmono"], f"{path} {params}".strip()


def to_stdout(data):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


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

    def __init__(self, name, kvm="kvmono", params="", timeout=600, series=paths.HOST):
        self.folder, self._lock = own_folder(name)
        self.log = self.folder / "log"
        self.kvm, self.params, self.timeout, self.series = kvm, params, timeout, series
        self.sets = []          # further sets of MODULES
        self.tty = None         # stty words when a person sits at it
        self.silence = None     # seconds without a byte after which it counts as hung
        self.own_words = None   # bytes of its log; what comes behind them we asked for
        self.on_data = to_stdout            # what the job writes
        self.on_bulk = to_stdout            # what anyone in L1 writes to /dev/hvc1
        self.on_record = lambda text: None

    def exports(self, kernel=None, initrd=None):
        """For the script: which KVM it runs on, and what L1 was booted from, so that it can boot that once more."""
        variables = {"KVM": self.kvm, "NEXT_KERNEL": kernel, "NEXT_INITRD": initrd}
        return "".join(f"export {k}={shlex.quote(str(v))}\n" for k, v in variables.items() if v)

    def judge(self, ended, seconds, status):
        """The status of the script counts only when L1 lived to tell it and its kernel had nothing to complain of."""
        log = self.log.read_bytes()[:self.own_words]
        complaints = [line.decode(errors="replace").strip() for line in log.splitlines() if COMPLAINT.search(line)]
        if ended == "timeout":
            return Result(TIMEOUT, seconds, self.log, complaints + [f"had not ended after {seconds:.0f} s"])
        if status is None:
            return Result(BROKEN, seconds, self.log, complaints + self.emulators_words() + ["L1 ended without a status"])
        return Result(BROKEN if complaints and not status else status, seconds, self.log, complaints)


class Stream:
    """Splits the bytes of a line into data and records."""

    def __init__(self, on_data, on_record):
        self.on_data, self.on_record, self.buffer = on_data, on_record, b""

    def feed(self, data):
        """Keeps back what may be the beginning of a record. No data is the end."""
        self.buffer += data
        while found := RECORD.search(self.buffer):
            self._data(self.buffer[:found.start()])
            self.on_record(found[1].decode(errors="replace"))
            self.buffer = self.buffer[found.end():]
        begun = data and RECORD_BEGINS.search(self.buffer)
        keep = begun.start() if begun else len(self.buffer)
        self._data(self.buffer[:keep])
        self.buffer = self.buffer[keep:]

    def _data(self, data):
        if data:
            self.on_data(data)


def terminal_watch():
    """Tells when this program's terminal has been closed. The signal for that goes to the session's leader only; as such, make waits for us."""
    watch = select.poll()
    if sys.stdin and sys.stdin.isatty():    # None where it is closed
        watch.register(sys.stdin, 0)
    return watch


class Watch:
    """Carries bytes between the job and the caller, and looks at L1's log while it grows."""

    def __init__(self, host, lines, idle=(), keys=None):
        """`lines` is {fd: who takes its bytes}; `idle` are such as well, but no sign of life; `keys` gets what a person types."""
        self.host, self.lines, self.idle, self.keys = host, lines, dict(idle), keys
        self.log = host.log.open("rb")
        self.fatal_at = None
        self.last_byte = time.monotonic()
        self.terminal = terminal_watch()

    def until_end(self, deadline, enough=lambda: False):
        """Returns "exit", "fatal", "timeout", or "enough" as soon as that is true."""
        with selectors.DefaultSelector() as selector:
            for fd in [*self.lines, *self.idle]:
                selector.register(fd, selectors.EVENT_READ)
            if self.host.tty:
                selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
            while time.monotonic() < min(deadline, self.last_byte + (self.host.silence or 1e9)):
                for key, _ in selector.select(0.25):
                    if not self._carry(key.fd):
                        selector.unregister(key.fd)
                if not set(self.lines) & {k.fd for k in selector.get_map().values()}:
                    return "exit"
                if self._fatal():
                    return "fatal"
                if self.terminal.poll(0):
                    sys.exit(128 + signal.SIGHUP)
                if enough():
                    return "enough"
        return "timeout"

    def _carry(self, fd):
        """The other end of a terminal that was closed is an error to read from."""
        try:
            data = os.read(fd, 65536)
        except OSError:
            data = b""
        if fd in self.lines:
            self.last_byte = time.monotonic()
            self.lines[fd](data)
        elif fd in self.idle:
            self.idle[fd](data)
        else:
            os.write(self.keys, data)
        return data

    def _fatal(self):
        """A while after the last words of a kernel or a VMM, so that the log has all of them."""
        if HOPELESS.search(self.log.read()):
            self.fatal_at = self.fatal_at or time.monotonic()
        return self.fatal_at and time.monotonic() > self.fatal_at + 2
