# SPDX-License-Identifier: GPL-2.0-only
"""The parts of `make test`. Each has names() and run(names, add): it runs those tests and calls add with each Result."""

import collections
import functools
import hashlib
import os
import pathlib
import re
import shlex
import subprocess
import tempfile
import threading
import time

from . import bench, bochs, emulated, l1, l2, paths, processes, words
from .make import make
from .processes import LANES, in_lanes
from .results import FAIL, PASS, SKIP, Frames, Result, Run

SILENCE = 200  # seconds; each runner in L1 kills a program sooner than that


def listed(folder):
    """The names of the programs that a folder's Makefile builds. Without a list, building will tell what is wrong."""
    try:
        return make("-s", "-C", folder, "list").split()
    except subprocess.CalledProcessError:
        return ["build"]


def build(part, add, *arguments):
    """A part whose programs don't build has one result: that. True when they do."""
    started = time.monotonic()
    try:
        make(*arguments)
        return True
    except subprocess.CalledProcessError as error:
        add(Result(f"{part}/build", FAIL, time.monotonic() - started, error.stdout))
        return False


def execute(part, name, command, timeout, note=None):
    """Runs a program here and judges it by its exit status. The note of a success is the last line that it wrote, or
    all those that match."""
    started = time.monotonic()
    try:
        done = processes.run(command, timeout, cwd=paths.TOP)
        run = Run(name, done.returncode, 0, "", done.stdout)
    except subprocess.TimeoutExpired as late:
        run = Run(name, emulated.TIMEOUT, 0, "", f"{(late.stdout or b'').decode(errors='replace')}\nno end after {timeout} s")
    result = run.result(part)
    lines = run.err.strip().splitlines()
    result.note = "\n".join([line for line in lines if re.fullmatch(note, line)] if note else lines[-1:])
    result.seconds = time.monotonic() - started
    return result


class Unit:
    """Programs in user space (tests/unit/README.md), the fuzz targets for a short while, and line coverage per floor."""

    folder = paths.TOP / "tests/unit"
    out = paths.BUILD / "unit"
    fuzz_seconds = 10

    def names(self):
        tests = sorted(p.name.removesuffix("_test.c") for p in self.folder.glob("*_test.c"))
        fuzz = sorted("fuzz-" + p.name.removesuffix("_fuzz.c") for p in self.folder.glob("*_fuzz.c"))
        return tests + fuzz + ["coverage"]

    def run(self, names, add):
        if not build("unit", add, "-s", "-C", self.folder, f"OUT={self.out}", self.out / "libbase.a"):
            return
        for result in in_lanes(functools.partial(self._one, name) for name in names if name != "coverage"):
            add(result)
        if "coverage" in names:
            add(execute("unit", "coverage", self._make("coverage"), 600, note=r"(not )?ok .*"))

    def _make(self, *arguments):
        return ["make", "-s", "-C", self.folder, f"OUT={self.out}", *arguments]

    def _one(self, name):
        if not name.startswith("fuzz-"):
            return execute("unit", name, self._make(f"T={name}"), 600)
        program = self.out / f"{name.removeprefix('fuzz-')}_fuzz"
        script = f"{shlex.join(map(str, self._make(program)))} && {program} -seed=1 -max_total_time={self.fuzz_seconds} -print_final_stats=1"
        return execute("unit", name, ["sh", "-c", f"cd {self.out} && {script}"], 600, 
                       note="stat::number_of_executed_units.*")


class Static:
    """What is true of the sources and of the built module."""

    checks = {
        "floors-selftest": ["tools/check-floors", "--selftest"],
        "floors": ["tools/check-floors"],
        "abi": ["tools/check-abi"],
        "spdx": ["tools/check-spdx"],
        "tools": ["tools/check-tools"],
        "kernel-6.12": ["tools/check-kernels", "6.12"],
        "kernel-6.1": ["tools/check-kernels", "6.1"],
        "branches-selftest": ["tools/check-branches", "--selftest"],
        "branches-6.12": ["tools/check-branches", "6.12"],
        "branches-6.1": ["tools/check-branches", "6.1"],
        "returns-selftest": ["tools/check-returns", "--selftest"],
        "returns-6.12": ["tools/check-returns", "6.12"],
        "returns-6.1": ["tools/check-returns", "6.1"],
    }

    def names(self):
        return list(self.checks)

    def run(self, names, add):
        for name in names:
            add(execute("static", name, self.checks[name], 900))


class InL1:
    """Runs a script in L1 that writes frames (see results.py) until all names have a Run. When L1 dies in one,
    that one has failed and another L1 goes on behind it."""

    def __init__(self, part, script, kvm=None, smp=1, sets=(), cpu="", series=paths.HOST, append=""):
        self.part, self.script, self.cpu, self.series, self.append = part, script, cpu, series, append
        self.kvm = kvm or words.kvm()
        self.smp, self.sets = smp, list(sets)

    def run(self, names, on_run):
        """`script` gets the names behind it. Calls on_run(Run) for each; returns the complaints and the log."""
        left, complaints = list(names), []

        def took(run):
            left.remove(run.name)
            on_run(run)

        while left:
            frames, count = Frames(took), len(left)
            host = self._host(left)
            host.sets, host.on_data, host.silence = self.sets, frames.feed, SILENCE
            if not HOST_ENDS.isdisjoint(left):
                host.silence *= 3   # a kernel boots in it
            result = host.run(f"{self.script} {' '.join(left)}")
            complaints += result.complaints
            # The one that was running; all, when not even the first began.
            for name in [frames.open] if frames.open else list(left) if len(left) == count else []:
                took(self._victim(name, result))
        return complaints, result.log

    def _host(self, names):
        host = l1.Host(f"{self.part}-{self.kvm}", self.kvm, smp=self.smp, timeout=3600, series=self.series)
        host.cpu = self.cpu
        host.append = self.append
        return host

    def _victim(self, name, result):
        last = result.log.read_text(errors="replace").splitlines()[-30:]
        why = [*last, *result.complaints, f"L1 ended with status {result.status}, log {result.log}"]
        return Run(name, result.status or emulated.BROKEN, result.seconds, "", "\n".join(why))


# Under these the kernel of L1 ends, and another comes that runs what L1 was booted for once more: each needs a host for itself.
HOST_ENDS = {"host-crash", "host-kexec"}


def by_host(names):
    """The names in lists, of which each is for one L1."""
    return list(filter(None, [[name for name in names if name not in HOST_ENDS], *([name] for name in names if name in HOST_ENDS)]))


# What programs run on in Bochs: a model, its number of CPUs, and our module's parameters.
Machine = collections.namedtuple("Machine", "model smp params", defaults=(1, ""))


class InBochs(InL1):
    """The same on a model of Bochs, for programs of tests/api."""

    def __init__(self, machine, kvm):
        module = f"kvm_{bochs.MODELS[machine.model]}"
        super().__init__("intel", f"sh tests/api/run-in-l1 -m {module} {Api.out}", kvm, machine.smp, sets=["swap"])
        self.machine = machine
        if kvm == "linux":
            self.series = paths.GUEST

    def _host(self, names):
        model, smp, params = self.machine
        host = bochs.Host(f"intel-{model}-{smp}-{self.kvm}", self.kvm, params, model, smp, timeout=3600,
                          series=self.series)
        host.files = [Api.folder / "run-in-l1", *(Api.out / name for name in names)]
        host.next = not HOST_ENDS.isdisjoint(names)
        return host


def kernel_log(part, complaints, log):
    """The kernel of L1 had nothing to complain of, from the module's loading to its unloading."""
    why = "\n".join([*complaints, f"log in {log}"]) if complaints else ""
    return Result(f"{part}/kernel-log", FAIL if complaints else PASS, 0, why)


class Api:
    """Programs on the raw API, on Linux's own KVM (the oracle) and on ours: tests/api/README.md."""

    folder = paths.TOP / "tests/api"
    out = paths.BUILD / "api"

    # Where files come over 9p a host can't suspend: the part intel runs it, on processors of both vendors.
    not_here = {"host-suspend"}

    def names(self):
        return [name for name in listed(self.folder) if name not in self.not_here]

    def run(self, names, add):
        if not build("api", add, "-s", "-j2", "-C", self.folder, f"OUT={self.out}"):
            return
        reference, ours = {}, {}
        oracle = functools.partial(self.oracle, names, reference)
        lanes = [functools.partial(self._in_l1().run, lane, lambda run: ours.__setitem__(run.name, run)) for lane in by_host(names)]
        complaints, logs = zip(*filter(None, in_lanes([oracle, *lanes])))
        for name in names:
            add(self._judge(reference[name], ours[name]))
        add(kernel_log("api", sum(complaints, []), " ".join(map(str, logs))))

    def _in_l1(self, kvm=None, series=paths.HOST):
        # A page of 1 GB can't be had for sure but at boot.
        return InL1("api", "tests/api/run-in-l1 -m kvm_amd build/api", kvm, smp=2, sets=["swap"], series=series,
                    append=f"hugepagesz=1G hugepages=1 {emulated.CRASHKERNEL}")

    def oracle(self, names, runs):
        """Linux's answers don't change, so they are kept for as long as the program and the kernel are the same. They are
        those of the newer kernel whichever one ours runs on: that is what the .differs files are about."""
        missing = []
        for name in names:
            kept = self._kept(name)
            if kept.exists():
                runs[name] = Run(name, 0, 0, kept.read_text(), "")
            else:
                missing.append(name)

        def took(run):
            runs[run.name] = run
            if run.status == 0:
                self._kept(run.name).write_text(run.out)

        for lane in by_host(missing):
            self._in_l1("linux", paths.GUEST).run(lane, took)

    def _kept(self, name):
        key = hashlib.sha256((self.out / name).read_bytes())
        key.update(f"{paths.kver(paths.GUEST)} {l1.accelerator()[1]}".encode())
        folder = paths.CACHE / "oracle"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}-{key.hexdigest()[:16]}"

    def _judge(self, reference, ours):
        result = ours.result("api")
        if result.verdict == PASS and reference.status == 0:
            return self._compare(reference, ours, result)
        if result.verdict == PASS:
            result.why = f"nothing to compare with: Linux's own KVM ended with status {reference.status}"
        return result

    def _compare(self, reference, ours, result):
        found = differences(reference, ours, [f"{ours.name}.differs"])
        if found:
            result.verdict, result.why = FAIL, found
        return result


def differences(reference, ours, lists):
    """What `compare` finds between two transcripts of a program of tests/api that these .differs files don't explain."""
    with tempfile.TemporaryDirectory() as folder:
        linux, us, known = (pathlib.Path(folder) / name for name in ("linux", "ours", "differs"))
        linux.write_text(reference.out)
        us.write_text(ours.out)
        known.write_text("".join((Api.folder / name).read_text() for name in lists if (Api.folder / name).exists()))
        done = subprocess.run([Api.folder / "compare", linux, us, known], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode and (done.stdout or "compare failed")


class Fuzz:
    """Random ioctls against random guests, fixed seeds: tests/fuzz/README.md."""

    folder = paths.TOP / "tests/fuzz"
    out = paths.BUILD / "fuzz"

    def names(self):
        return listed(self.folder)

    def run(self, names, add):
        if not build("fuzz", add, "-s", "-C", self.folder, f"OUT={self.out}"):
            return
        host = InL1("fuzz", "tests/api/run-in-l1 -t 150 -m kvm_amd build/fuzz", smp=2)
        complaints, log = host.run(names, lambda run: add(run.result("fuzz")))
        add(kernel_log("fuzz", complaints, log))


class Boot:
    """Whole guests under QEMU: tests/boot/<name> runs in L1, with tests/boot/lib.sh."""

    folder = paths.TOP / "tests/boot"
    out = paths.BUILD / "boot"

    def names(self):
        return sorted(p.name for p in self.folder.iterdir() if p.is_file() and not p.suffix and os.access(p, os.X_OK)
                      and p.name != "run-in-l1")

    def run(self, names, add):
        if not build("boot", add, "-s", "-C", self.folder, f"OUT={self.out}", f"KVER={paths.HOST}"):
            return
        l2.initrd(self.out / "initrd", "sh /job/$(sed -n 's/.*job=\\([^ ]*\\).*/\\1/p' /proc/cmdline)",
                  scripts=paths.TOP / "tests/guest")
        lock = threading.Lock()

        def took(run):
            with lock:
                add(run.result("boot"))

        complaints, logs = zip(*in_lanes(functools.partial(host.run, lane, took) for host, lane in self._lanes(names)))
        add(kernel_log("boot", sum(complaints, []), " ".join(map(str, logs))))

    def _lanes(self, names):
        """Who runs in which L1. A test with a line "# L1: -cpu <features>" begins there without a module; those that want
        the same share one L1."""
        script = f"export KERNEL={paths.vmlinuz(paths.GUEST)} OUT={self.out} VMM='{l2.VMM}'; tests/boot/run-in-l1"
        special = collections.defaultdict(list)
        for name in names:
            wish = re.search(r"^# L1: -cpu(.*)$", (self.folder / name).read_text(), re.M)
            special[wish and wish[1].strip()].append(name)
        common = special.pop(None, [])
        for lane in filter(None, (common[i::LANES] for i in range(LANES))):
            yield InL1("boot", script, sets=["net"]), lane
        for cpu, lane in special.items():
            yield InL1("boot", script, kvm="none", sets=["kvmono", "msr"], cpu=cpu), lane


class Bench:
    """The operations of tests/bench/record.tsv cost no more than is recorded there, in instructions, on ours on the AMD host."""

    def names(self):
        return list(bench.read_record())

    def run(self, names, add):
        if not build("bench", add, "-s", "-C", paths.TOP / "tests/bench", f"OUT={bench.PROGRAM.parent}"):
            return
        if paths.HOST != paths.GUEST:
            for name in names:
                add(Result(f"bench/{name}", SKIP, 0, f"recorded for the kernel {paths.GUEST}"))
            return
        try:
            figures = bench.measure("amd", "default", names, ["ours"])["ours"]
        except bench.Failed as failed:
            add(Result("bench/run", FAIL, 0, str(failed)))
            return
        for name in names:
            add(self._judge(name, figures[name], bench.read_record()[name]))

    def _judge(self, name, figure, recorded):
        if figure.median is None:
            return Result(f"bench/{name}", FAIL, 0, figure.why)
        text = f"{figure.median} instructions, recorded {recorded}"
        if figure.median > recorded * bench.TOLERANCE:
            return Result(f"bench/{name}", FAIL, 0, f"{text}: see make bench-trace OP={name}")
        cheaper = recorded > figure.median * bench.TOLERANCE
        return Result(f"bench/{name}", PASS, 0, note=f"{text}: make bench-record" if cheaper else text)


class Intel:
    """Programs of tests/api in Bochs: all of them on the default model, where the others differ from it also there. The
    oracle is Linux's own KVM on the same model."""

    # What the processors have or lack (docs of Bochs's models): EPT's A/D bits and PML, APIC virtualization, XSAVES;
    # and on ryzen NRIPS, FlushByAsid and the pause filter. (icelake offers the monitor trap flag, and never exits for it.)
    differ = ["back-anon", "back-huge", "back-young", "debug-step", "dev-caps", "dev-cpuid", "dirty-huge", "dirty-log", "dirty-manual", "dirty-running",
              "exc-inject", "exc-reinject", "hlt-wake", "host-suspend", "irq-ioapic", "irq-msi", "irq-nmi", "irq-pic", "irq-shadow", "lapic-ipi",
              "lapic-priority", "lapic-timer", "lapic-x2apic", "lm-entry", "mmio-insn", "msr-lists", "pio-string", "pm-entry", "rm-hlt",
              "run-control", "smp-run", "smp-sipi", "st-fpu", "st-msrs", "st-sregs", "st-xsave", "tpr"]
    default = Machine(bochs.DEFAULT_MODEL)
    machines = {"haswell": Machine("corei7_haswell_4770"), "ivy": Machine("corei7_ivy_bridge_3770k"), "icelake": Machine("corei7_icelake_u"),
                "ryzen": Machine("ryzen"), "two": Machine(bochs.DEFAULT_MODEL, 2), "noapicv": Machine(bochs.DEFAULT_MODEL, 1, "enable_apicv=0")}
    two_cpus = ["host-crash", "host-hotplug", "host-kexec", "host-suspend", "smp-run", "vmm-killed"]
    not_on_one_cpu = {"host-hotplug", *HOST_ENDS}
    # Memory may be missing in the middle of a delivery there, and Bochs reports the exit as one of an older event when it was the processor that
    # delivered a virtual interrupt: it records no IDT-vectoring information then (SDM 3C, 28.2.4).
    misled_with_apicv = ["exc-reinject", "st-migrate"]
    # Without interrupts that the processor delivers.
    without_apicv = [*misled_with_apicv, "apic-bus-ns", "hlt-wake", "irq-ioapic", "irq-msi", "irq-nmi", "irq-pic", "irq-route", "irq-shadow", "irq-split",
                     "irqfd", "irqfd-resample", "lapic-ipi", "lapic-priority", "lapic-timer", "lapic-tsc-deadline", "lapic-x2apic", "pit", "run-fast-exits",
                     "smp-run", "smp-sipi", "st-events", "st-irqchip", "st-lapic", "tpr", "vmm-killed", "x2apic-api"]
    refused = {"refuse-no-unrestricted": "corei5_lynnfield_750"}
    # Bochs's SVM: TF in the guest at an exit of another kind than #DB leaves a trap behind, which the host takes before its segments are
    # back (with any module); and DR6 in the VMCB doesn't tell of a step.
    not_on_ryzen = {"debug-step"}
    # Linux loses events there, as Bochs's SVM looks at V_IRQ only when the guest sets IF: its answers on QEMU's processor count.
    misled_on_ryzen = {"hlt-wake", "irq-nmi", "irq-shadow"}
    # Whole guests, by their number of vCPUs: Debian's kernel under QEMU, as `make run` does it.
    guests = {"guest-1": 1, "guest-2": 2}
    guest_checks = ("set -e; [ $(nproc) = {} ]; cd /sys/devices/system/clocksource/clocksource0; cat current_clocksource; "
                    "[ $(cat current_clocksource) = kvm-clock ]; sleep 1; ! dmesg | grep -E 'BUG:|WARNING: CPU|Oops|soft lockup|rcu.*stall'")
    CHUNK = 24  # programs for one L1: beginning costs little, and two run at a time

    def names(self):
        here = [name for name in listed(Api.folder) if name not in self.not_on_one_cpu and name not in self.misled_with_apicv]
        there = [f"{name}@{short}" for short in self.machines for name in self._on(short)]
        return [*here, *there, *self.refused, *self.guests]

    def _on(self, short):
        special = {"two": self.two_cpus, "noapicv": self.without_apicv}
        missing = {"ryzen": self.not_on_ryzen, "haswell": self.misled_with_apicv, "icelake": self.misled_with_apicv}.get(short, ())
        return special.get(short) or [name for name in self.differ if name not in missing]

    def run(self, names, add):
        if not build("intel", add, "-s", "-j2", "-C", Api.folder, f"OUT={Api.out}"):
            return
        runs = {}       # (machine, kvm, name): Run
        complaints = []
        jobs = [functools.partial(self._lane, *lane, runs, complaints) for lane in self._lanes(names, runs)]
        jobs += [functools.partial(self._refused, name) for name in names if name in self.refused]
        jobs += [functools.partial(self._guest, name) for name in names if name in self.guests]
        for result in filter(None, in_lanes(jobs)):
            add(result)
        self._answers_of_qemu(names, runs)
        for name in names:
            if name not in self.refused and name not in self.guests:
                add(self._judge(name, runs))
        add(kernel_log("intel", complaints, "build/l1"))

    def _where(self, name):
        program, _, short = name.partition("@")
        return program, self.machines.get(short, self.default)

    def _lanes(self, names, runs):
        """(machine, kvm, programs): ours, and what Linux hasn't answered yet."""
        wanted = collections.defaultdict(list)
        for name in names:
            if name in self.refused or name in self.guests:
                continue
            program, machine = self._where(name)
            ours = words.kvm()
            wanted[machine, ours].append(program)
            kept = self._kept(program, machine)
            if self._misled(program, machine):
                continue
            bare = machine._replace(params="")
            if kept.exists():
                status, _, out = kept.read_text().partition("\n")
                runs[bare, "linux", program] = Run(program, int(status), 0, out, "")
            elif ours != "linux" and program not in wanted[bare, "linux"]:
                wanted[bare, "linux"].append(program)
        for (machine, kvm), programs in wanted.items():
            for lane in by_host(programs):
                for i in range(0, len(lane), self.CHUNK):
                    yield machine, kvm, lane[i:i + self.CHUNK]

    def _misled(self, program, machine):
        return machine.model == "ryzen" and program in self.misled_on_ryzen

    def _answers_of_qemu(self, names, runs):
        programs = [program for program, machine in map(self._where, names) if self._misled(program, machine)]
        answers = {}
        PARTS["api"].oracle(programs, answers)
        runs.update(((self.machines["ryzen"], "linux", program), answers[program]) for program in programs)

    def _lane(self, machine, kvm, programs, runs, complaints):
        def took(run):
            runs[machine, kvm, run.name] = run
            if kvm == "linux":
                self._kept(run.name, machine).write_text(f"{run.status}\n{run.out}")

        found, log = InBochs(machine, kvm).run(programs, took)
        if found and kvm != "linux":
            complaints += [*found, f"log in {log}"]

    def _kept(self, program, machine):
        """What Linux answered, also when it failed: that doesn't change either, nor does it with our parameters."""
        model, smp, _ = machine
        key = hashlib.sha256((Api.out / program).read_bytes())
        key.update(f"{paths.kver(paths.GUEST)} {model} {bochs.APPEND} {bochs.APPEND_FOR.get(model)}".encode())
        folder = paths.CACHE / "oracle"
        folder.mkdir(parents=True, exist_ok=True)
        where = model if smp == 1 else f"{model}-{smp}"
        return folder / f"{program}-{where}-{key.hexdigest()[:16]}"

    def _judge(self, name, runs):
        program, machine = self._where(name)
        ours = runs[machine, words.kvm(), program]
        result = ours.result("intel")
        result.name = f"intel/{name}"
        reference = runs.get((machine._replace(params=""), "linux", program))
        if result.verdict != PASS:
            return result
        if reference.status:
            result.note = f"nothing to compare with: Linux's own KVM ended with status {reference.status}"
            return result
        lists = [f"{program}{where}.differs" for where in ("", f".{bochs.MODELS[machine.model]}", f".{machine.model}")]
        if found := differences(reference, ours, lists):
            result.verdict, result.why = FAIL, found
        return result

    def _guest(self, name):
        vcpus = self.guests[name]
        environment = ["VENDOR=intel", f"SMP={vcpus}", f"GUEST_CMD={self.guest_checks.format(vcpus)}", "TIMEOUT=400"]
        return execute("intel", name, ["env", *environment, paths.TOP / "tools/run"], 800)

    def _refused(self, name):
        """The module isn't loaded, and the kernel's log says why."""
        host = bochs.Host(f"intel-{name}", model=self.refused[name])
        host.on_data = bochs.ignore
        result = host.run("true")
        # insmod tries twice.
        lines = set(re.findall(r"kvm: .*unrestricted.*", result.log.read_text(errors="replace")))
        if result.status == emulated.NOT_LOADED and len(lines) == 1:
            return Result(f"intel/{name}", PASS, result.seconds, note=lines.pop())
        return Result(f"intel/{name}", FAIL, result.seconds, f"status {result.status}, log {result.log}")


PARTS = {"unit": Unit(), "static": Static(), "api": Api(), "fuzz": Fuzz(), "boot": Boot(), "intel": Intel(), "bench": Bench()}
