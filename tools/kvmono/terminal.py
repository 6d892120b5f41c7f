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
    columns, lines = os.get_terminal_size(sys.stdin.fileno())
    tty.setraw(sys.stdin)
    try:
        yield f"sane rows {lines or 24} cols {columns or 80}"
    finally:
        with contextlib.suppress(termios.error):    # closed
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
