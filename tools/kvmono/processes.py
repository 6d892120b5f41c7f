# SPDX-License-Identifier: GPL-2.0-only
"""Programs that this one starts, and threads that run several at a time. None of them outlives it. (Emulators see to that themselves.)"""

import atexit
import os
import queue
import select
import signal
import subprocess
import sys
import threading

LANES = 2  # emulators at a time; each keeps one core busy

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

_groups, _starting = set(), threading.Lock()


def end_on_signals():
    """SIGTERM, Ctrl-C and a closed terminal end this program like any other way out, so that emulators end and the terminal is reset.
    So does a stdout whose reader has seen enough."""
    for number in ENDING:
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, _end)
    sys.excepthook = _told


def _end(number, _):
    for other in ENDING:
        signal.signal(other, signal.SIG_IGN)
    sys.exit(128 + number)


def _told(kind, error, trace):
    """There is nobody to tell of an error when stdout isn't read any more. What Python wants to write there in the end must not be another."""
    stdout = select.poll()
    stdout.register(sys.stdout, 0)
    if kind is BrokenPipeError and stdout.poll(0):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    else:
        sys.__excepthook__(kind, error, trace)


def run(command, timeout=None, **more):
    """Like subprocess.run(), but all that the command starts ends with it. stdout has its errors, too."""
    with _starting:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   errors="replace", start_new_session=True, **more)
        _groups.add(process.pid)
    try:
        out, _ = process.communicate(timeout=timeout)
    finally:
        _groups.discard(process.pid)
        _kill(process.pid)
        process.wait()
    return subprocess.CompletedProcess(command, process.returncode, out)


def _kill(group):
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


@atexit.register
def _kill_all():
    """The lock isn't given back: a thread that goes on meanwhile starts nothing."""
    _starting.acquire()
    for group in _groups:
        _kill(group)


def in_lanes(jobs):
    """Calls the jobs, some at a time, each in a thread that ends with this program; yields what they return, as they end.
    What one raises is raised here."""
    waiting, ended = queue.SimpleQueue(), queue.SimpleQueue()

    def work():
        while True:
            try:
                job = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                ended.put((job(), None))
            except BaseException as error:
                ended.put((None, error))

    jobs = list(jobs)
    for job in jobs:
        waiting.put(job)
    for _ in range(LANES):
        threading.Thread(target=work, daemon=True).start()
    for _ in jobs:
        result, error = ended.get()
        if error:
            raise error
        yield result
