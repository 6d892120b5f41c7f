# SPDX-License-Identifier: GPL-2.0-only
"""Runs the benchmark (tests/bench) in an emulated host, on Linux's own KVM and on ours, and reads its figures."""

import dataclasses
import functools
import shlex
import subprocess

from . import bochs, initramfs, l1, l2, paths
from .make import make, module, set_up

PROGRAM = paths.BUILD / "bench/bench"
GUEST_INITRD, GUEST_TIMER = PROGRAM.parent / "boot.cpio", PROGRAM.parent / "boot-time.so"
TIMEOUT = 3600      # seconds for a host: Bochs on a busy machine
VENDORS = ("amd", "intel")
MITIGATIONS = {"default": "auto", "off": "off"}     # the words of the kernel's parameter
LIMITED = {"amd": "default", "intel": "off"}        # the setting for which the limits were made
KVMS = ("linux", "ours")
TWO_CPUS = {"x2apic_ipi", "x2apic_ipi_halted"}

# In L1: load <module…> unload <module…>, then the program, once for each KVM. An operation that fails has a line that says so.
SCRIPT = """
run() {{
    echo "=== kvm $1"
    for ko in $2; do
        [ -d "/sys/module/$(basename "$ko" .ko | tr - _)" ] || insmod "$ko" || return
    done
    {environment} OP={ops} {program}
    {boot}
    for name in $3; do rmmod "$name" || return; done
}}
"""

# A whole guest under QEMU, once. What it reads is in memory before. On Bochs it may hang (bochs.FOR_GUESTS), with its one vCPU rarely: it is measured
# with the parameters that all else is measured with.
BOOT = """
    cat {kernel} {initrd} >/dev/null; {vmm} -version >/dev/null
    rm -f /tmp/boot
    timeout 300 env BOOT_TIME=/tmp/boot LD_PRELOAD={shim} {command} </dev/null >/tmp/vmm 2>&1
    cat /tmp/boot || echo "bench boot_debian ! not booted in 300 s: $(tail -n 1 /tmp/vmm)"
"""


@dataclasses.dataclass
class Figure:
    """In units of the TSC. Without a median there is a reason."""
    median: int | None = None
    low: int | None = None      # first quartile
    high: int | None = None     # third
    why: str = ""
    failed: bool = False        # not only that the host cannot do it


class Failed(Exception):
    pass


@dataclasses.dataclass(frozen=True)
class Boot:
    """One emulated host, in which some operations are measured on some KVMs."""
    vendor: str
    mitigations: str
    smp: int
    ops: tuple
    kvms: tuple = KVMS
    rseq: bool = True   # the program's threads have it, as glibc gives it to every VMM's

    def __str__(self):
        return f"{self.vendor}, mitigations {self.mitigations}, CPUs: {self.smp}"


def build():
    """All that the hosts share."""
    set_up()
    make("-s", "-C", paths.TOP / "tests/bench", f"OUT={PROGRAM.parent}")
    module()
    guest_initrd()
    for name in ("irqbypass", *(f"kvm-{vendor}" for vendor in VENDORS)):
        unpacked(name)


def operations():
    """The names of all, in the order in which they are shown. After build()."""
    listed = subprocess.run([PROGRAM], env={"LIST": "1"}, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    return [*listed, "boot_debian"]


@functools.cache
def unpacked(name):
    """The files of a module of Linux's and of what it needs, without their packing, in the order in which they load."""
    folder = PROGRAM.parent / "modules"
    folder.mkdir(exist_ok=True)
    files = []
    for packed in initramfs.load_order(name, paths.HOST):
        files.append(folder / packed.name.removesuffix(".xz"))
        files[-1].write_bytes(initramfs.module_body(packed))
    return files


def modules(kvm, vendor):
    """What to load for a KVM, in order, and what to unload."""
    if kvm == "linux":
        return unpacked(f"kvm-{vendor}"), [f"kvm_{vendor}", "kvm"]
    return [*unpacked("irqbypass"), paths.module(vendor)], [f"kvm_{vendor}"]


def guest_initrd():
    """Its first process makes QEMU exit."""
    image = initramfs.Archive()
    image.file("init", (PROGRAM.parent / "boot-init").read_bytes(), 0o755)
    GUEST_INITRD.write_bytes(image.finish())


def guest():
    """The lines of the script that boot Debian's kernel."""
    command = l2.qemu("pc", 1, 512, paths.vmlinuz(paths.GUEST), GUEST_INITRD, "",
                      ["-serial", "null", "-no-reboot", "-device", "isa-debug-exit"])
    return BOOT.format(kernel=paths.vmlinuz(paths.GUEST), initrd=GUEST_INITRD, vmm=l2.VMM.split()[0], shim=GUEST_TIMER, command=command)


def script(boot):
    with_guest = "boot_debian" in boot.ops
    text = SCRIPT.format(environment="" if boot.rseq else "GLIBC_TUNABLES=glibc.pthread.rseq=0", ops=shlex.quote(" ".join(boot.ops)),
                         program=PROGRAM, boot=guest() if with_guest else "")
    for kvm in boot.kvms:
        load, unload = modules(kvm, boot.vendor)
        text += f"run {kvm} {shlex.quote(' '.join(map(str, load)))} {shlex.quote(' '.join(unload))} || exit\n"
    return text


class Reader:
    """Reads what the script writes: {kvm: {operation: Figure}} in `figures`. Calls on_kvm with each KVM that begins."""

    def __init__(self, on_kvm=lambda kvm: None):
        self.figures, self.on_kvm, self.rest, self.text = {}, on_kvm, b"", []

    def feed(self, data):
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            self.line(line.decode(errors="replace"))

    def line(self, line):
        self.text.append(line)
        words = line.split(None, 3)
        if line.startswith("=== kvm "):
            self.current = self.figures[words[2]] = {}
            self.on_kvm(words[2])
        elif words[:1] == ["bench"] and len(words) > 2 and words[2] in "-!":
            self.current[words[1]] = Figure(why=words[3] if len(words) > 3 else "failed", failed=words[2] == "!")
        elif words[:1] == ["bench"] and len(words) == 4:
            low, high, _ = words[3].split()
            self.current[words[1]] = Figure(int(words[2]), int(low), int(high))


def host_of(boot):
    """The emulated host whose TSC counts instructions."""
    if boot.vendor == "intel":
        host = bochs.Host(f"bench-{boot.mitigations}", "none", smp=boot.smp, timeout=TIMEOUT)
        host.mitigations = MITIGATIONS[boot.mitigations]
        host.files = [PROGRAM, *(module for kvm in boot.kvms for module in modules(kvm, boot.vendor)[0])]
        if "boot_debian" in boot.ops:
            host.files += [*l2.FILES, paths.vmlinuz(paths.GUEST), GUEST_INITRD, GUEST_TIMER]
    else:
        host = l1.Host(f"bench-{boot.mitigations}", "none", smp=boot.smp, icount=True, timeout=TIMEOUT)
        host.append = f"mitigations={MITIGATIONS[boot.mitigations]}"
    return host


def run(boot, on_kvm=lambda kvm: None):
    """Boots an emulated host. ({kvm: {operation: Figure}}, what went wrong or ""); what has no figure then has a reason."""
    reader = Reader(on_kvm)
    words = script(boot)
    host = host_of(boot)
    host.on_data = reader.feed
    result = host.run(words)
    wrong = ""
    if result.status:
        wrong = "\n".join([*reader.text[-10:], *result.complaints, f"status {result.status}, log {result.log}"])
    figures = {kvm: reader.figures.get(kvm, {}) for kvm in boot.kvms}
    for found in figures.values():
        for op in boot.ops:
            found.setdefault(op, Figure(why="not reported: the host broke", failed=True))
    return figures, wrong


def boots(vendor, mitigations, ops, kvms=KVMS):
    """The hosts to boot. A second CPU makes Bochs much slower: it is there for what needs it. On QEMU CPUs take turns, and a guest's boot depends on when."""
    on_two = [op for op in ops if (op in TWO_CPUS if vendor == "intel" else op != "boot_debian")]
    sets = {2: tuple(on_two), 1: tuple(op for op in ops if op not in on_two)}
    return [Boot(vendor, mitigations, smp, some, tuple(kvms)) for smp, some in sets.items() if some]


def measure(vendor, mitigations, ops, kvms=KVMS):
    """{kvm: {operation: Figure}}, for the record. Raises Failed with what a host said.

    Where the host preempts a thread that has rseq it leaves a flag, at which our exits look more closely until KVM_RUN returns: figures that depend on
    when the host's other threads had work."""
    figures = {kvm: {} for kvm in kvms}
    for boot in boots(vendor, mitigations, ops, kvms):
        found, wrong = run(dataclasses.replace(boot, rseq=False))
        if wrong:
            raise Failed(wrong)
        for kvm in kvms:
            figures[kvm] |= found[kvm]
    return figures


RECORD = paths.TOP / "tests/bench/record.tsv"
TOLERANCE = 1.03
RECORD_HEAD = """# SPDX-License-Identifier: GPL-2.0-only
# What the cheapest operations cost on ours, in instructions, AMD host, default mitigations. make test fails when one costs 3 % more.
# Written by make bench-record.
"""


def read_record():
    """{operation: instructions}"""
    rows = (line.split("\t") for line in RECORD.read_text().splitlines() if not line.startswith("#"))
    return {op: int(instructions) for op, instructions in rows}


def write_record(figures):
    RECORD.write_text(RECORD_HEAD + "".join(f"{op}\t{figure.median}\n" for op, figure in figures.items()))


@dataclasses.dataclass
class Row:
    """One operation on both KVMs."""
    vendor: str
    mitigations: str
    op: str
    linux: int | None
    ours: int | None
    why: str
    failed: bool
    floor: int | None
    limit: int | None

    @property
    def measured(self):
        return None not in (self.linux, self.ours)

    @property
    def ratio(self):
        """Ours to Linux's; what costs nothing on either is even."""
        return self.ours / self.linux if self.linux else 1.0

    @property
    def limited(self):
        return self.measured and self.limit is not None

    @property
    def over(self):
        return self.limited and self.ours > self.limit


def limits(vendor):
    """{operation: (floor, limit)}, None where there is none."""
    path = paths.TOP / "tests/bench/limits.tsv"
    head, *rows = (line.split("\t") for line in path.read_text().splitlines() if not line.startswith("#"))
    floor, limit = head.index(f"{vendor}_floor"), head.index(f"{vendor}_limit")
    return {r[0]: tuple(None if r[i] == "-" else int(r[i]) for i in (floor, limit)) for r in rows}


def limit_of(vendor, mitigations, known, linux):
    """That of the table or half of Linux's, in the setting for which the limits were made. None for what never exits."""
    if mitigations != LIMITED[vendor] or not linux or linux <= 1:
        return None
    return known if known is not None else linux // 2


def rows_of(vendor, mitigations, ops, figures):
    """A Row for each operation."""
    known, nothing = limits(vendor), Figure(why="not measured", failed=True)
    for op in ops:
        linux, ours = (figures.get(kvm, {}).get(op, nothing) for kvm in KVMS)
        floor, limit = known.get(op, (None, None))
        yield Row(vendor, mitigations, op, linux.median, ours.median, (linux if linux.failed else ours).why or linux.why, linux.failed or ours.failed, floor,
                  limit_of(vendor, mitigations, limit, linux.median))


def write_tsv(path, rows):
    lines = ["vendor\tmitigations\top\tlinux\tours\tratio"]
    for r in rows:
        figures = [r.linux, r.ours, f"{r.ratio:.3f}"] if r.measured else [r.linux or "-", r.ours or "-", r.why]
        lines.append("\t".join(map(str, [r.vendor, r.mitigations, r.op, *figures])))
    path.write_text("\n".join(lines) + "\n")
