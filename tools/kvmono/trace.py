# SPDX-License-Identifier: GPL-2.0-only
"""Reads what the plugin tests/bench/trace.c or Bochs's debugger wrote: instructions, their classes, and the calls that they make up."""

import bisect
import collections
import dataclasses
import functools
import re
import struct

INSN = struct.Struct("<QB15s")
COUNTED = struct.Struct("<QB15sQQ")
PREFIXES = {0x66, 0xf2, 0xf3, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65, 0x67, 0xf0}
LOCK = 0xf0
# Below this the addresses are those of user space, in L1 or in the guest.
KERNEL = 1 << 63

ONE_BYTE = {0xc3: "returns", 0xc2: "returns", 0xcf: "IRET", 0xe8: "calls", 0xfa: "CLI, STI", 0xfb: "CLI, STI",
            0x9c: "PUSHF, POPF", 0x9d: "PUSHF, POPF", 0xe9: "jumps", 0xeb: "jumps", 0xf4: "HLT"}
TWO_BYTES = {0x05: "SYSCALL, SYSRET", 0x07: "SYSCALL, SYSRET", 0x09: "WBINVD", 0x20: "control registers",
             0x21: "debug registers", 0x22: "control registers", 0x23: "debug registers", 0x30: "WRMSR", 0x31: "RDTSC", 0x32: "RDMSR",
             0x78: "VMREAD", 0x79: "VMWRITE", 0xa2: "CPUID"}
SYSTEM = {0xd8: "VMRUN", 0xda: "VMLOAD", 0xdb: "VMSAVE", 0xdc: "STGI", 0xdd: "CLGI", 0xca: "CLAC, STAC", 0xcb: "CLAC, STAC",
          0xf8: "SWAPGS", 0xf9: "RDTSC", 0xc2: "VMLAUNCH, VMRESUME", 0xc3: "VMLAUNCH, VMRESUME"}
# In the order in which they are printed; always, even when there are none. Others only when there are some.
ALWAYS = ["calls", "returns", "conditional jumps", "indirect calls", "indirect jumps", "locked", "RDMSR", "WRMSR", "VMREAD", "VMWRITE",
          "VMRUN", "VMLOAD", "VMSAVE", "STGI", "CLGI"]
BRANCHES = {"calls", "returns", "conditional jumps", "jumps", "indirect calls", "indirect jumps", "IRET", "SYSCALL, SYSRET"}


@dataclasses.dataclass(frozen=True)
class Insn:
    address: int
    data: bytes
    text: str = ""      # in words, when the tracer says so
    guest: bool = False # as a profile knows

    @property
    def after(self):
        return self.address + len(self.data)

    @property
    def kernel(self):
        return self.address >= KERNEL


@functools.cache
def classes(data):
    """What an instruction is, of the words above."""
    prefixes = []
    while data and data[0] in PREFIXES:
        prefixes.append(data[0])
        data = data[1:]
    if data and data[0] & 0xf0 == 0x40:     # REX
        data = data[1:]
    found = [_opcode(data + bytes(3))]
    # XCHG with memory locks by itself.
    if LOCK in prefixes or data[0] in (0x86, 0x87) and data[1] < 0xc0:
        found.append("locked")
    return [c for c in found if c]


def _opcode(data):
    if data[0] == 0xff:
        return {2: "indirect calls", 3: "indirect calls", 4: "indirect jumps", 5: "indirect jumps"}.get(data[1] >> 3 & 7)
    if data[0] & 0xf0 == 0x70 or 0xe0 <= data[0] <= 0xe3:
        return "conditional jumps"
    if data[0] != 0x0f:
        return ONE_BYTE.get(data[0])
    if data[1] == 0x01:
        return SYSTEM.get(data[2])
    if data[1] & 0xf0 == 0x80:
        return "conditional jumps"
    if data[1] == 0xae and data[2] >= 0xe8:
        return "fences"
    return TWO_BYTES.get(data[1])


def read(path):
    """The Insns of a pass."""
    return [Insn(address, data[:size]) for address, size, data in INSN.iter_unpack(path.read_bytes())]


def read_profile(path):
    """[(Insn, how often)]"""
    return [(Insn(address, data[:size], guest=bool(guest)), times) for address, size, data, times, guest in COUNTED.iter_unpack(path.read_bytes())]


# An instruction, as Bochs's debugger shows it, and the marks of tests/bench/mark.h.
BOCHS = re.compile(rb"^\(\d+\)\.\[\d+\] \[\S+\] [0-9a-f]{4}:([0-9a-f]{16}) \([^)]*\): (.*\S) +; ([0-9a-f]+)$")
MARK_BEGIN, MARK_END = 0x6b6d0100, 0x6b6d0200


def _mark(what):
    return bytes.fromhex("0f1f8400") + struct.pack("<I", what)


def read_bochs(lines, number):
    """Of the passes between the marks of a number the Insns of the most frequent; of several, one of the middle length."""
    begin, end = _mark(MARK_BEGIN + number), _mark(MARK_END + number)
    passes, current = collections.defaultdict(list), None
    for line in lines:
        if not (found := BOCHS.match(line.rstrip())):
            continue
        data = bytes.fromhex(found[3].decode())
        if data == begin:
            current = []
        elif data == end and current:
            passes[len(current)].append(current[:-1])       # without the mark's own XCHG
            current = None
        elif current is not None:
            current.append(Insn(int(found[1], 16), data, found[2].decode()))
    most = max(map(len, passes.values()), default=0)
    lengths = sorted(length for length in passes if len(passes[length]) == most)
    return passes[lengths[len(lengths) // 2]][0] if lengths else []


class Symbols:
    """Names of kernel addresses, from the text of L1's /proc/kallsyms."""

    def __init__(self, kallsyms):
        found = {}
        for line in kallsyms.splitlines():
            words = line.split()
            if len(words) >= 3 and words[1] in "tTwW":
                # Of several names for an address the last: a module's own behind the compiler's.
                found[int(words[0], 16)] = words[2] + (f" {words[3]}" if len(words) > 3 else "")
        self.addresses = sorted(found)
        self.names = [found[a] for a in self.addresses]

    def of(self, insn):
        if insn.guest:
            return "the guest"
        if not insn.kernel:
            return "the guest" if insn.address < 0x40000 else "the VMM"
        i = bisect.bisect_right(self.addresses, insn.address) - 1
        return self.names[i] if i >= 0 else hex(insn.address)

    def offset(self, insn):
        i = bisect.bisect_right(self.addresses, insn.address) - 1
        return insn.address - self.addresses[i] if insn.kernel and i >= 0 else insn.address


@dataclasses.dataclass
class Entry:
    """A function that was entered: how deep, and how many instructions it ran itself and with what it called."""
    name: str
    depth: int
    own: int = 0
    total: int = 0


class Calls:
    """Every function entered, in order. A call, an interrupt or a VMRUN goes one deeper; whoever comes back to where it would
    return ends all that is deeper. A jump to another function (tail call, thunk) is an entry on the same level, a call within a
    function (what fills the return stack buffer) none."""

    def __init__(self, symbols):
        self.symbols = symbols
        self.entries, self.stack = [], []       # stack: (Entry, where its caller goes on)

    def run(self, insns):
        before = None
        for insn in insns:
            name = self.symbols.of(insn)
            if not self.stack:
                self._enter(name, None)
            elif insn.address != before.after or name != self._now():
                self._move(before, insn, name)
            self.stack[-1][0].own += 1
            before = insn
        _sum(self.entries)
        return self.entries

    def _now(self):
        return self.stack[-1][0].name

    def _enter(self, name, back):
        self.entries.append(Entry(name, len(self.stack)))
        self.stack.append((self.entries[-1], back))

    def _move(self, before, insn, name):
        kind = set(classes(before.data)) & BRANCHES
        called = bool(kind & {"calls", "indirect calls"})
        callers = [i for i, (_, back) in enumerate(self.stack) if back == insn.address]
        if callers and not called:
            del self.stack[callers[-1]:]
            if not self.stack:
                self._enter(name, None)
        elif called or not kind:
            if name != self._now() or self.symbols.offset(insn) == 0:
                self._enter(name, before.after)
        elif name != self._now():
            self._enter(name, self.stack.pop()[1])


def _sum(found):
    """total: own, and that of all deeper entries behind it."""
    open_ = []
    for entry in reversed(found):
        below = 0
        while open_ and open_[-1].depth > entry.depth:
            below += open_.pop().total
        entry.total = entry.own + below
        open_.append(entry)


def count_classes(counted):
    """Of [(Insn, how often)]."""
    sums = collections.Counter()
    for insn, times in counted:
        sums.update(dict.fromkeys(classes(insn.data), times))
    return sums
