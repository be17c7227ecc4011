#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What tracing costs a program when it is off, and when it is on: the QUIC example, built three ways.

    on       with -DTRACE_FULL, linked with the library; the nodes write their rings and nobody reads them
    off      the same source without a switch
    removed  the source without its trace lines (tests/zero/strip_trace.py)

    zero/object-code    bytes that differ between off and removed: the objects of all examples and of tests/zero/every_*.c, with every
                        compiler, at -O0, -O2, -O3 and -Os
    zero/size-*         text + data of the program, gcc -O2, in bytes; the floor is `removed`
    zero/get-on, -off   microseconds for a GET of 20 bytes from a neighbour, over QUIC on the loopback, 100 of them
                        at a time; batches of the builds alternate; the floor is `removed`.  cpu_us: the processor time of
                        both nodes for it; cpu_ratio: the same relative to `removed`, without what else the machine does

Run from a build directory, where Meson puts it; options and output as the other benchmarks (bench.h)."""
import argparse
import concurrent.futures
import contextlib
import glob
import itertools
import json
import os
import pathlib
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(__file__).resolve().parent.parent
SOURCE = pathlib.Path(json.loads((BUILD / "meson-info/meson-info.json").read_text(encoding="utf-8"))["directories"]["source"])
sys.dont_write_bytecode = True
sys.path[:0] = [str(SOURCE / "bench"), str(SOURCE / "tests/zero"), str(SOURCE / "tests/integration")]
import nodes
import zero
from report import Report

EXAMPLE = "quic_node"
BUILDS = ("on", "off", "removed")
CASES = ("object-code", "size-on", "size-off", "size-removed", "get-on", "get-off")
GETS = 100


# ---- object code -----------------------------------------------------------------------------------------------------------


def object_code(report, quick):
    examples = [pair for _, sources in zero.examples(BUILD) for pair in sources]
    base = ["-std=gnu11", *(f"-I{SOURCE / part}" for part in ("libtrace/include", "proto/include", "proto"))]
    # The examples use plain types of the headers without tracing, too; the programs of the tests use none.
    work = [(source, flags, True) for source, flags in examples]
    work += [(source, base, False) for source in sorted(glob.glob(str(SOURCE / "tests/zero/every_*.c")))]
    levels = zero.LEVELS[:1] if quick else zero.LEVELS

    def differing(case):
        (source, flags, keep_include), compiler, level = case
        return zero.compare(source, compiler, level, flags, keep_include)[0]

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        counts = list(pool.map(differing, itertools.product(work, zero.compilers(), levels)))
    report.result("object-code", [sum(counts)], "bytes", objects=len(counts))


# ---- programs --------------------------------------------------------------------------------------------------------------


def linked_with():
    """What the build links the example with, besides its own objects: libraries and flags, read from the build's last command."""
    done = subprocess.run(["ninja", "-C", BUILD, "-t", "commands", f"examples/{EXAMPLE}/{EXAMPLE}"], stdout=subprocess.PIPE, text=True,
                          check=True)
    words = shlex.split(done.stdout.strip().splitlines()[-1])
    own = (f"examples/{EXAMPLE}/{EXAMPLE}",)
    return [w for w in words[1:] if w not in ("-o", *own) and not w.endswith(".o")]


def build_programs(top):
    """Builds the example three ways; returns the programs by name."""
    sources = dict(zero.examples(BUILD))[EXAMPLE]
    libraries = linked_with()
    programs = {}
    for name in BUILDS:
        objects = []
        for source, flags in sources:
            directory = os.path.join(top, pathlib.Path(source).stem)
            file = zero.write_pair(source, directory, keep_include=True)
            # write_pair calls the unchanged source `on`, and the source without its tracing `off`.
            inside = os.path.join(directory, "off" if name == "removed" else "on")
            switches = ["-DTRACE_FULL"] if name == "on" else []
            zero.compile_object("gcc", "-O2", [*flags, *switches], inside, file)
            objects.append(os.path.join(top, f"{name}-{pathlib.Path(source).stem}.o"))
            os.rename(os.path.join(inside, "object.o"), objects[-1])
        programs[name] = os.path.join(top, name)
        chosen = libraries if name == "on" else [w for w in libraries if not w.startswith("libtrace/")]
        subprocess.run(["gcc", "-o", programs[name], *objects, *chosen], cwd=BUILD, check=True)
    return programs


def size_of(program):
    row = subprocess.run(["size", program], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[1].split()
    return int(row[0]) + int(row[1])


class Pair:
    """Two nodes of one build, each on its own processor; the first has the chunk that the second asks for."""

    def __init__(self, program, name, shm_dir):
        self.nodes = nodes.line_of_nodes(program, (f"{name}-a", f"{name}-b"), shm_dir=shm_dir)
        allowed = sorted(os.sched_getaffinity(0))
        for node, cpu in zip(self.nodes, itertools.cycle(allowed)):
            os.sched_setaffinity(node.process.pid, {cpu})
        self.hash = self.nodes[0].ask("store twenty bytes of text.")[1]

    def cpu_s(self):
        """Processor time of both so far: the kernel numbers the clock of a process ~pid * 8 + 2."""
        return sum(time.clock_gettime(~node.process.pid * 8 + 2) for node in self.nodes)

    def batch(self):
        """Microseconds per GET, with GETS at once: elapsed time, and processor time."""
        asker = self.nodes[1]
        begin, cpu_begin = time.perf_counter(), self.cpu_s()
        asker.send("\n".join([f"get {self.hash}"] * GETS))
        answers = [asker.read().split() for _ in range(GETS)]
        end, cpu_end = time.perf_counter(), self.cpu_s()
        wrong = [words for words in answers if words[0] != "ok" or words[3] != "1"]  # 1 hop: not from a cache
        if wrong:
            raise SystemExit(f"bench: a GET went wrong: {' '.join(wrong[0])}")
        return (end - begin) * 1e6 / GETS, (cpu_end - cpu_begin) * 1e6 / GETS

    def end(self):
        for node in self.nodes:
            node.end()


def gets(report, programs, wanted, quick):
    repetitions = 3 if quick else 101
    values = {name: [] for name in BUILDS}
    with tempfile.TemporaryDirectory(dir="/dev/shm") as shm_dir, contextlib.ExitStack() as stack:
        pairs = {}
        for name in BUILDS:
            pairs[name] = Pair(programs[name], name, shm_dir)
            stack.callback(pairs[name].end)
            pairs[name].batch()
        for _, name in itertools.product(range(repetitions), BUILDS):
            values[name].append(pairs[name].batch())
    wall = {name: [pair[0] for pair in pairs] for name, pairs in values.items()}
    cpu = {name: statistics.median(pair[1] for pair in pairs) for name, pairs in values.items()}
    for name in ("on", "off"):
        if f"get-{name}" in wanted:
            report.result(f"get-{name}", wall[name], "us/GET", statistics.median(wall["removed"]), cpu_us=round(cpu[name], 2),
                          cpu_ratio=round(cpu[name] / cpu["removed"], 3))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="*", help="zero, or zero/CASE; names of other benchmarks are not an error")
    for option in ("--json", "--list", "--quick"):
        parser.add_argument(option, action="store_true")
    args = parser.parse_args()
    if args.list:
        print("\n".join(f"zero/{case}" for case in CASES))
        return
    wanted = [case for case in CASES if not args.name or "zero" in args.name or f"zero/{case}" in args.name]
    report = Report("zero", "trace lines removed", args.json)
    if "object-code" in wanted:
        object_code(report, args.quick)
    if not set(wanted) - {"object-code"}:
        return
    with tempfile.TemporaryDirectory() as top:
        programs = build_programs(top)
        sizes = {name: size_of(program) for name, program in programs.items()}
        for name in BUILDS:
            if f"size-{name}" in wanted:
                report.result(f"size-{name}", [sizes[name]], "bytes", None if name == "removed" else sizes["removed"])
        if {"get-on", "get-off"} & set(wanted):
            gets(report, programs, wanted, args.quick)


if __name__ == "__main__":
    main()
