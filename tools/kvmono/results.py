# SPDX-License-Identifier: GPL-2.0-only
"""What came of tests, how it is printed, and how it is read out of the lines that a runner in L1 writes:

    === <part> BEGIN <name>
    | a line of its stdout
    ? a line of its stderr
    === <part> END <name> rc=<exit status> ms=<milliseconds>
"""

import dataclasses
import re
import sys

PASS, FAIL, SKIP = "ok", "FAIL", "skip"
SKIP_STATUS = 77
BEGIN = re.compile(r"^=== \w+ BEGIN (\S+)$")
END = re.compile(r"^=== \w+ END (\S+) rc=(\d+) ms=(\d+)$")


@dataclasses.dataclass
class Result:
    name: str
    verdict: str
    seconds: float = 0
    why: str = ""
    note: str = ""      # worth a look although all is well


@dataclasses.dataclass
class Run:
    """One program's run: what it wrote and its exit status."""
    name: str
    status: int
    seconds: float
    out: str
    err: str

    def result(self, part):
        verdict = {0: PASS, SKIP_STATUS: SKIP}.get(self.status, FAIL)
        why = self.err.strip() if verdict != PASS else ""
        if verdict == FAIL:
            why = "\n".join(filter(None, [why, f"exit status {self.status}"]))
        return Result(f"{part}/{self.name}", verdict, self.seconds, why)


class Frames:
    """Reads the lines as they come; calls on_run with each Run. `open` is the program that has begun and not ended."""

    def __init__(self, on_run):
        self.on_run, self.rest, self.open = on_run, b"", None

    def feed(self, data):
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            self._line(line.decode(errors="replace").rstrip("\r"))

    def _line(self, line):
        if begin := BEGIN.match(line):
            self.open, self.out, self.err = begin[1], [], []
        elif end := END.match(line):
            run = Run(end[1], int(end[2]), int(end[3]) / 1000, "".join(self.out), "".join(self.err))
            self.open = None
            self.on_run(run)
        elif self.open and line.startswith("| "):
            self.out.append(line[2:] + "\n")
        elif self.open and line.startswith("? "):
            self.err.append(line[2:] + "\n")


class Report:
    """Prints each result once, then sums."""

    COLOURS = {PASS: "32", FAIL: "31", SKIP: "33"}

    def __init__(self):
        self.results = []

    def add(self, result):
        self.results.append(result)
        word = f"{result.verdict:4}"
        if sys.stdout.isatty():
            word = f"\033[{self.COLOURS[result.verdict]}m{word}\033[0m"
        print(f"{word}  {result.name:36} {result.seconds:7.1f} s", flush=True)
        for line in (result.why or result.note).splitlines()[-40:]:
            print(f"          {line}", flush=True)

    def part(self, part, seconds):
        print(f"      {part}: {self.sums(part + '/')}, {seconds:.0f} s\n", flush=True)

    def sums(self, prefix=""):
        verdicts = [r.verdict for r in self.results if r.name.startswith(prefix)]
        return "{} passed, {} failed, {} skipped".format(*(verdicts.count(v) for v in (PASS, FAIL, SKIP)))

    def status(self):
        """No test at all is no success either."""
        return any(r.verdict == FAIL for r in self.results) or not self.results
