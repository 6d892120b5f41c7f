# SPDX-License-Identifier: GPL-2.0-only
"""The words that a person gives a program of tools/: in its environment, where make puts them. A wrong one is told in one line
that says what is right, before anything is built or booted."""

import os
import pathlib
import re
import sys


PROGRAM = pathlib.Path(sys.argv[0]).name


def wrong(text):
    """The end of this program."""
    return SystemExit(f"{PROGRAM}: {text}")


def help():
    """--help shows what the program says of itself."""
    if sys.argv[1:] in (["--help"], ["-h"]):
        print(sys.modules["__main__"].__doc__.strip())
        sys.exit(0)


def only_in_environment():
    """For a program that has no arguments."""
    help()
    if sys.argv[1:]:
        raise wrong(f"{sys.argv[1]}: not known; words go in front, as in VENDOR=intel tools/{PROGRAM}")


def matching(variable, default, pattern, meaning):
    value = os.environ.get(variable)
    if value and not re.fullmatch(pattern, value):
        raise wrong(f"{variable}={value}: not {meaning}")
    return value or default


def one(variable, default, known):
    return matching(variable, default, "|".join(map(re.escape, known)), f"one of {' '.join(known)}")


def several(variable, known):
    """In the order of those known; all when none is given."""
    given = os.environ.get(variable, "").split()
    if unknown := [word for word in given if word not in known]:
        raise wrong(f"{variable}={' '.join(unknown)}: not one of {' '.join(known)}")
    return [word for word in known if word in given] or list(known)


def file(variable):
    value = os.environ.get(variable)
    if not value:
        return None
    path = pathlib.Path(value).resolve()
    if not (path.is_file() and os.access(path, os.R_OK)):
        raise wrong(f"{variable}={value}: no such file, or not readable")
    return path


def kvm():
    """kvmono, linux, or the path of a module."""
    value = os.environ.get("KVM") or "kvmono"
    if value not in ("kvmono", "linux") and not os.path.isfile(value):
        raise wrong(f"KVM={value}: not kvmono, linux or the path of a module")
    return value
