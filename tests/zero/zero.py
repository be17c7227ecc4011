#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Does tracing that is compiled out really leave nothing?  Compiles sources unchanged without any switch, and again from their text without
the tracing (strip_trace.py), and compares the object files byte for byte.

    zero.py [--keep-include] [-I DIR]... [--cflags "FLAGS"] SOURCE...

Installed it is called p2ptrace-zero, and proves the same for your program:

    p2ptrace-zero --cflags "$(pkg-config --cflags p2ptrace-off)" node.c

The library's names are read from its headers, so your names may begin with trace_, too.  It prints one line per difference and, at the end, how many bytes differ; exit status 1 if any do."""
import argparse
import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import strip_trace

LEVELS = ("-O0", "-O2", "-O3", "-Os")
COMPILERS = ("gcc", "clang")
# What a program's object file must not contain when tracing is off: the library's file names and internal names, as strings,
FOREIGN = (b"trace__", b"p2ptrace")
# and its names as symbols, defined or undefined, also in relocations.
FOREIGN_SYMBOL = re.compile(r"\b(?:trace_|p2ptrace)\w*")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)


class ZeroError(Exception):
    """A source could not be stripped or compiled."""


def compilers():
    """Those of COMPILERS that are installed."""
    return [c for c in COMPILERS if shutil.which(c)]


def include_directories(flags):
    """The folders of -I and -isystem, and the compiler's default folders."""
    words = iter(flags)
    for word in words:
        if word in ("-I", "-isystem"):
            yield next(words, "")
        elif word.startswith("-I"):
            yield word[2:]
    yield from ("/usr/local/include", "/usr/include")


def library_names(flags):
    """The names TRACE_... and trace_... in the library's headers: the first headers found, as by the compiler."""
    names, found = set(), set()
    for folder in include_directories(flags):
        top = os.path.join(folder, "p2ptrace")
        if "trace.h" in found:  # those of this version; another version's may follow
            break
        for name in sorted(os.listdir(top)) if os.path.isdir(top) else ():
            if name.endswith(".h"):
                found.add(name)
                with open(os.path.join(top, name), encoding="utf-8") as file:
                    names.update(re.findall(r"\b(?:TRACE|trace)_\w+", COMMENT.sub("", file.read())))
    if "trace.h" not in found:
        raise ZeroError("p2ptrace/trace.h is in no folder of the flags: give --cflags the output of pkg-config")
    return names


def write_pair(source, top, keep_include=False, library=None):
    """Copies a source and its neighbouring headers into top/on, unchanged, and into top/off, stripped.  Returns its name there."""
    beside = os.path.dirname(os.path.abspath(source))
    names = [os.path.basename(source)] + sorted(n for n in os.listdir(beside) if n.endswith(".h"))
    for name in names:
        with open(os.path.join(beside, name), encoding="utf-8") as file:
            text = file.read()
        try:
            stripped = strip_trace.strip(text, keep_include, library)
        except strip_trace.StripError as error:
            raise ZeroError(f"{name}: {error}") from error
        left = strip_trace.leftovers(stripped, library)
        if left and not keep_include:
            raise ZeroError(f"{name}: still there after the tracing was removed: {', '.join(left[:5])}")
        for side, content in (("on", text), ("off", stripped)):
            os.makedirs(os.path.join(top, side), exist_ok=True)
            with open(os.path.join(top, side, name), "w", encoding="utf-8") as file:
                file.write(content)
    return names[0]


def compile_object(compiler, level, flags, directory, name):
    """The bytes of the object file.  Compiled in its own directory under a fixed name, so that it contains no path."""
    command = [compiler, level, *flags, "-c", name, "-o", "object.o"]
    done = subprocess.run(command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise ZeroError(f"{shlex.join(command)} in {directory}:\n{done.stdout.strip()}")
    path = os.path.join(directory, "object.o")
    with open(path, "rb") as file:
        return file.read()


def foreign_symbols(path, library=None):
    """Names of the library in an object's or a program's symbol tables and relocations; without a list, all that look like one."""
    text = "".join(
        subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        for command in (["readelf", "-sW", path], ["readelf", "-rW", path])
    )
    return sorted(n for n in set(FOREIGN_SYMBOL.findall(text)) if library is None or n in library)


def differing_bytes(a, b):
    return sum(x != y for x, y in itertools.zip_longest(a, b))


def sections(path):
    """Section names and sizes, for a message that says where two objects differ."""
    done = subprocess.run(["size", "-A", path], stdout=subprocess.PIPE, text=True)
    rows = [line.split() for line in done.stdout.splitlines()]
    return {row[0]: int(row[1]) for row in rows if len(row) == 3 and row[1].isdigit()}


def explain(top):
    on, off = (sections(os.path.join(top, side, "object.o")) for side in ("on", "off"))
    sizes = [f"{n} {off.get(n, 0)} -> {on.get(n, 0)}" for n in sorted(on.keys() | off.keys()) if on.get(n) != off.get(n)]
    return ", ".join(sizes) or "same sizes, different bytes"


def compare(source, compiler, level, flags, keep_include=False):
    """Returns how many bytes differ, and a sentence about them ('' if none)."""
    with tempfile.TemporaryDirectory() as top:
        library = library_names(flags)
        name = write_pair(source, top, keep_include, library)
        on = compile_object(compiler, level, flags, os.path.join(top, "on"), name)
        off = compile_object(compiler, level, flags, os.path.join(top, "off"), name)
        count = differing_bytes(on, off)
        faults = [f"{count} bytes differ ({explain(top)})"] if count else []
        faults += [f"the object holds the string {word.decode()}" for word in FOREIGN if word in on]
        faults += [f"the object refers to {name}" for name in foreign_symbols(os.path.join(top, "on", "object.o"), library)]
        return count, "; ".join(faults)


def examples(build):
    """The examples of a build directory: pairs of name and sources, each source with the flags that it needs.

    The flags are the build's, without its warnings, its optimisation, its tracing, and the folders of the examples themselves, which
    have headers that are not stripped."""
    with open(os.path.join(build, "meson-info/intro-targets.json"), encoding="utf-8") as file:
        targets = json.load(file)
    for target in targets:
        if target["type"] != "executable" or "/examples/" not in target["defined_in"]:
            continue
        parts = [part for part in target["target_sources"] if part.get("language") == "c"]
        yield target["name"], [
            (source, [f for f in part["parameters"] if re.match(r"-I(?!.*/examples/)|-isystem|-D(?!TRACE)|-std=|-pthread", f)])
            for part in parts
            for source in part["sources"]
        ]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep-include", action="store_true", help="types of the headers are used without tracing too")
    parser.add_argument("-I", dest="include", action="append", default=[])
    parser.add_argument("--cflags", default="")
    parser.add_argument("source", nargs="+")
    words = sys.argv[1:]
    if "--cflags" in words[:-1]:  # the flags begin with a dash, which argparse would treat as an option
        at = words.index("--cflags")
        words[at : at + 2] = [f"--cflags={words[at + 1]}"]
    args = parser.parse_args(words)
    flags = [f"-I{os.path.abspath(d)}" for d in args.include] + shlex.split(args.cflags)
    total = 0
    bad = False
    for source, compiler, level in itertools.product(args.source, compilers(), LEVELS):
        try:
            count, fault = compare(source, compiler, level, flags, args.keep_include)
        except ZeroError as error:
            sys.exit(f"{source}: {error}")
        total += count
        if fault:
            bad = True
            print(f"{source} {compiler} {level}: {fault}")
    print(f"{total} bytes differ")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
