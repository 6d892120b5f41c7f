# SPDX-License-Identifier: GPL-2.0-only
"""The terminal of the person who runs a command."""

import contextlib
import os
import sys
import termios
import tty


@contextlib.contextmanager
def raw():
    """Hands every key through while it lasts; gives the stty words for a terminal of this size on the other side."""
    before = termios.tcgetattr(sys.stdin)
    size = os.get_terminal_size(sys.stdin.fileno())
    tty.setraw(sys.stdin)
    try:
        yield f"sane rows {size.lines} cols {size.columns}"
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
