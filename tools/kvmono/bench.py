# SPDX-License-Identifier: GPL-2.0-only
"""Runs the benchmark (tests/bench) in an emulated host, on Linux's own KVM and on ours, and reads its figures."""

import dataclasses
import shlex

from . import bochs, initramfs, l1, l2, paths
from .make import make, module

PROGRAM = paths.BUILD / "bench/bench"
VENDORS = ("amd", "intel")
MITIGATIONS = {"default": "auto", "off": "off"}     # the words of the kernel's parameter
LIMITED = {"amd": "default", "intel": "off"}        # the setting for which the limits were made
KVMS = ("linux", "ours")
TWO_CPUS = {"x2apic_ipi", "x2apic_ipi_halted"}

# In L1: load <module…> unload <module…>, then the program, once for each KVM.
SCRIPT = """
run() {{
    echo "=== kvm $1"
    for ko in $2; do
        [ -d "/sys/module/$(basename "$ko" .ko | tr - _)" ] || insmod "$ko" || return
    done
    OP={ops} {program} || return
    {boot}
    for name in $3; do rmmod "$name" || return; done
}}
"""


# A whole guest under QEMU, once. What it reads is in memory before.
BOOT = """
    cat {kernel} {initrd} >/dev/null; {vmm} -version >/dev/null
    BOOT_TIME=/tmp/boot LD_PRELOAD={shim} {command} </dev/null >/tmp/vmm 2>&1
    cat /tmp/boot || {{ echo "bench boot_debian - $(tail -n 1 /tmp/vmm)"; return 1; }}
"""


@dataclasses.dataclass
class Figure:
    """In units of the TSC. Without a median there is a reason."""
    median: int | None = None
    low: int | None = None      # first quartile
    high: int | None = None     # third
    why: str = ""


class Failed(Exception):
    pass


def build():
    make("-s", "-C", paths.TOP / "tests/bench", f"OUT={PROGRAM.parent}")
    module()


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


def boot():
    """The lines of the script that boot Debian's kernel to a first process that makes QEMU exit."""
    image = initramfs.Archive()
    image.file("init", (PROGRAM.parent / "boot-init").read_bytes(), 0o755)
    initrd = PROGRAM.parent / "boot.cpio"
    initrd.write_bytes(image.finish())
    command = l2.qemu("pc", 1, 512, paths.vmlinuz(paths.GUEST), initrd, "",
                      ["-serial", "null", "-no-reboot", "-device", "isa-debug-exit"])
    return BOOT.format(kernel=paths.vmlinuz(paths.GUEST), initrd=initrd, vmm=l2.VMM.split()[0],
                       shim=PROGRAM.parent / "boot-time.so", command=command)


def script(vendor, kvms, ops):
    """In Bochs a boot would take minutes, and there is no QEMU."""
    with_boot = (not ops or "boot_debian" in ops) and vendor == "amd"
    text = SCRIPT.format(ops=shlex.quote(" ".join(ops)), program=PROGRAM, boot=boot() if with_boot else "")
    for kvm in kvms:
        load, unload = modules(kvm, vendor)
        text += f"run {kvm} {shlex.quote(' '.join(map(str, load)))} {shlex.quote(' '.join(unload))} || exit\n"
    return text


def parse(output):
    """{kvm: {operation: Figure}} of what the script wrote."""
    found, current = {}, None
    for line in output.splitlines():
        words = line.split(None, 3)
        if line.startswith("=== kvm "):
            current = found[words[2]] = {}
        elif words[:1] == ["bench"] and words[2] == "-":
            current[words[1]] = Figure(why=words[3] if len(words) > 3 else "failed")
        elif words[:1] == ["bench"]:
            low, high, _ = words[3].split()
            current[words[1]] = Figure(int(words[2]), int(low), int(high))
    return found


def host_of(vendor, mitigations, smp, kvms):
    """The emulated host whose TSC counts instructions."""
    if vendor == "intel":
        host = bochs.Host(f"bench-{mitigations}", "none", smp=smp, timeout=1800)
        host.mitigations = MITIGATIONS[mitigations]
        host.files = [PROGRAM, *(module for kvm in kvms for module in modules(kvm, vendor)[0])]
    else:
        host = l1.Host(f"bench-{mitigations}", "none", smp=smp, icount=True, timeout=1800)
        host.append = f"mitigations={MITIGATIONS[mitigations]}"
    return host


def run(vendor, mitigations, smp, ops, kvms):
    """Boots one emulated host; {kvm: {operation: Figure}}. Raises Failed with what the host said."""
    host = host_of(vendor, mitigations, smp, kvms)
    output = bytearray()
    host.on_data = output.extend
    result = host.run(script(vendor, kvms, ops))
    text = output.decode(errors="replace")
    if result.status:
        raise Failed("\n".join([*text.splitlines()[-10:], *result.complaints, f"status {result.status}, log {result.log}"]))
    return parse(text)


def measure(vendor, mitigations, ops=(), kvms=KVMS):
    """{kvm: {operation: Figure}}. A second CPU makes Bochs much slower: it is there for what needs it."""
    if vendor == "amd":
        figures = run(vendor, mitigations, 2, ops, kvms)
    else:
        figures = run(vendor, mitigations, 1, ops, kvms) if set(ops) - TWO_CPUS or not ops else {kvm: {} for kvm in kvms}
        if two := TWO_CPUS & set(ops or TWO_CPUS):
            more = run(vendor, mitigations, 2, sorted(two), kvms)
            figures = {kvm: figures[kvm] | more[kvm] for kvm in kvms}
    if unknown := set(ops) - set(figures[kvms[0]]):
        raise Failed(f"no such operation: {' '.join(sorted(unknown))}")
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
    floor: int | None
    limit: int | None

    @property
    def ratio(self):
        """Ours to Linux's; what costs nothing on either is even."""
        return self.ours / self.linux if self.linux else 1.0

    @property
    def over(self):
        return self.limit is not None and self.ours > self.limit


def limits(vendor):
    """{operation: (floor, limit)}, None where there is none."""
    path = paths.TOP / "tests/bench/limits.tsv"
    head, *rows = (line.split("\t") for line in path.read_text().splitlines() if not line.startswith("#"))
    floor, limit = head.index(f"{vendor}_floor"), head.index(f"{vendor}_limit")
    return {r[0]: tuple(None if r[i] == "-" else int(r[i]) for i in (floor, limit)) for r in rows}


def rows_of(vendor, mitigations, figures):
    """A Row for each operation, in the program's order. The limits hold for the setting that they were made for."""
    known = limits(vendor)
    for op, linux in figures["linux"].items():
        ours = figures["ours"].get(op, Figure(why="not reported"))
        floor, limit = known.get(op, (None, None))
        if mitigations != LIMITED[vendor]:
            limit = None
        yield Row(vendor, mitigations, op, linux.median, ours.median, ours.why or linux.why, floor, limit)


def write_tsv(path, rows):
    lines = ["vendor\tmitigations\top\tlinux\tours\tratio"]
    for r in rows:
        figures = [r.linux, r.ours, f"{r.ratio:.3f}"] if None not in (r.linux, r.ours) else [r.linux or "-", r.ours or "-", r.why]
        lines.append("\t".join(map(str, [r.vendor, r.mitigations, r.op, *figures])))
    path.write_text("\n".join(lines) + "\n")
