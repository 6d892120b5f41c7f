# SPDX-License-Identifier: GPL-2.0-only
"""A built module as objdump and readelf show it: instructions, and what the kernel's tables of things to patch say of them."""

import collections
import re
import subprocess

SECTION = re.compile(r"^Disassembly of section (\S+):$")
FUNCTION = re.compile(r"^[0-9a-f]+ <(\S+)>:$")
INSTRUCTION = re.compile(r"^ *([0-9a-f]+):\t(?:[0-9a-f]{2} )+ *\t([^\t#]*)")
RELOCATION = re.compile(r"\t[0-9a-f]+: R_\S+\t(\S+)")

Site = collections.namedtuple("Site", "section address function text relocation")


def output_of(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def instructions(module):
    """Every instruction of the module's code, with the relocations inside it."""
    section = function = None
    for line in output_of("objdump", "-dr", "--wide", module).splitlines():
        if found := SECTION.match(line):
            section = found[1]
        elif found := FUNCTION.match(line):
            function = found[1]
        elif found := INSTRUCTION.match(line):
            relocation = " ".join(RELOCATION.findall(line))
            yield Site(section, int(found[1], 16), function, found[2].strip(), relocation)


def function_addresses(module):
    """(name, (section, address)) of the functions, for relocations that name one instead of a section."""
    for line in output_of("objdump", "-t", module).splitlines():
        if found := re.match(r"^([0-9a-f]+) .* F (\S+)\t[0-9a-f]+ (?:\.hidden )?(\S+)$", line):
            yield found[3], (found[2], int(found[1], 16))


def table(module, name):
    """The relocations of a section: [(offset in it, (section, address) that it points at)]."""
    symbols, found, inside = dict(function_addresses(module)), [], False
    for line in output_of("readelf", "-rW", module).splitlines():
        if line.startswith("Relocation section"):
            inside = line.split("'")[1] == ".rela" + name
        elif inside and (entry := re.match(r"([0-9a-f]+) .* ([^ ]+) ([+-]) ([0-9a-f]+)$", line)):
            section, base = symbols.get(entry[2], (entry[2], 0))
            found.append((int(entry[1], 16), (section, base + int(entry[3] + entry[4], 16))))
    return found


def contents(module, name):
    """The bytes of a section."""
    lines = output_of("objdump", "-s", "-j", name, module).splitlines()
    return b"".join(bytes.fromhex(line[1:].split("  ")[0].partition(" ")[2].replace(" ", "")) for line in lines if re.match(" [0-9a-f]+ ", line))
