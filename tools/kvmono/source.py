# SPDX-License-Identifier: GPL-2.0-only
"""Reads the C sources under src/: which floor a file is on, what is code in it, and which functions it defines."""

import functools
import json
import re
import subprocess

from . import paths

SRC = paths.TOP / "src"
NOT_CODE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)


def files():
    return sorted(p for p in SRC.rglob("*.[chS]") if "conftest.d" not in p.parts)


def name(path):
    """As it stands in an #include."""
    return str(path.relative_to(SRC))


def floor(path):
    """The folder that a file is in; None for the modules themselves, which may see everything."""
    first, _, rest = str(path).partition("/")
    return first if rest else None


def blank(match):
    """What is cut out of a source keeps its line breaks, so that lines keep their numbers."""
    return "\n" * match[0].count("\n") or " "


@functools.cache
def code(path):
    """The text without comments, and with strings only where an #include needs them."""
    lines = path.read_text().split("\n")
    includes = {i: line for i, line in enumerate(lines) if re.match(r"\s*#\s*include\b", line)}
    bare = NOT_CODE.sub(blank, "\n".join("" if i in includes else line for i, line in enumerate(lines))).split("\n")
    return "\n".join(includes.get(i, line) for i, line in enumerate(bare))


def tags(kinds):
    """What universal-ctags finds of these kinds: dicts with name, path, line, end, kind."""
    found = subprocess.run(
        ["ctags", "--output-format=json", "--languages=C", "--langmap=C:.c.h", f"--kinds-C={kinds}",
         "--fields=+neKS", "-f", "-", *map(str, files())],
        check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    return [json.loads(line) for line in found.splitlines()]
