#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks those parts of the house style that a tool can check: format, clang-tidy, and rules that need no parser.

Every check runs, then the exit status says whether all passed.  ./dev lint calls this with a complete build directory:
compile_commands.json says how each source is compiled, and the objects show who calls whom."""
import argparse
import collections
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import time

SKIP = {".git", "__pycache__", ".cache", "compile_commands.json"}
LINES_MAX = 700  # conventions: look for the seam near 600 lines
SOURCES_MAX = 18  # in one folder, so that it can be seen at a glance
COLUMNS_MAX = 130  # .clang-format's ColumnLimit, which does not break comments
INCLUDED = re.compile(r'#include [<"]([^">]+)[">]')
AGAINST_NULL = re.compile(r"\w\)? == NULL|\b(?:if|while) \((?:[^()]|\([^()]*\))*\w != NULL")
INCLUDE = re.compile(r'#include ([<"])[^">]*\.h[">]')
RCU = re.compile(r"^\s+rcu_read_(?:un)?lock\(\);")
ASSIGNED = re.compile(r"\([*\w.>-]+ = .*\) [!=]= NULL")
KINDS = re.compile(r"TRACE_KIND\(\d+, (\w+),")
COMPARES = re.compile(r'\bstrn?cmp\([^;]*"(\w+)"')
ROOMS = ("inspector", "libtrace", "proto", "recording", "store", "traced")  # folders of sources, and all folders below them
SHARED_PLACE = re.compile(r'"/(?:tmp|dev/shm)/[^"]*XXXXXX|dir="/(?:tmp|dev/shm)\b')
MACHINE_PATH = re.compile(r"(?<![\w.$}-])/(?:work|root|home)/\w")


def tree():
    """All files of the tree except build directories, as paths relative to its top."""
    for top, dirs, files in os.walk("."):
        dirs[:] = sorted(d for d in dirs if d not in SKIP and not (top == "." and d.startswith("build")))
        for name in sorted(set(files) - SKIP):
            yield os.path.relpath(os.path.join(top, name))


def is_script(path):
    if path.endswith((".sh", ".py")):
        return True
    if "." in os.path.basename(path):
        return False
    with open(path, "rb") as file:
        return file.read(2) == b"#!"


def run(command, quiet_tail=0):
    shown = command[: len(command) - quiet_tail]
    print("+", " ".join(shown) + (f" ... ({quiet_tail} files)" if quiet_tail else ""), flush=True)
    return subprocess.run(command).returncode == 0


def check_format(paths):
    sources = [p for p in paths if p.endswith((".c", ".h"))]
    return run(["clang-format", "--dry-run", "-Werror"] + sources, len(sources))


# The analyzer's checks.  It considers `return -errno` a possible success, so its core checks are noise here.
DEEP = (
    "--checks=clang-analyzer-*,-clang-analyzer-core.*,-clang-analyzer-optin.*,-clang-analyzer-security.insecureAPI.strcpy,"
    "-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling"
)


def tidy_one(build, deep, source):
    command = ["clang-tidy", "--quiet", "-p", build, *([DEEP] if deep else []), source]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return source, done.returncode, done.stdout, done.stderr


def check_tidy(build, jobs, only, deep):
    """Runs clang-tidy on every compiled source, once even if it is compiled twice."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        entries = json.load(file)
    sources = sorted({os.path.relpath(os.path.join(e["directory"], e["file"])) for e in entries if e["file"].endswith(".c")})
    sources = [s for s in sources if not s.startswith(("..", "build"))]
    if only:
        sources = [s for s in sources if any(word in s for word in only)]
    print(f"+ clang-tidy --quiet -p {build} ... ({len(sources)} files)", flush=True)
    good = True
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for source, code, out, err in pool.map(lambda s: tidy_one(build, deep, s), sources):
            if code != 0:
                good = False
                print(out.strip() or err.strip() or f"{source}: clang-tidy failed", flush=True)
    return good


def check_dialect(path, lines, kinds):
    """Rules of C that clang-format and clang-tidy do not have."""
    faults, as_it_is, system = [], False, False
    for number, line in enumerate(lines, 1):
        if "clang-format o" in line:
            as_it_is = line.rstrip(" */").endswith("off")
        compared = COMPARES.search(line)
        if compared and compared.group(1) in kinds and not path.startswith(("proto/", "tests/")):
            faults.append(f"{path}:{number}: compares the name of a kind; json_get_kind and trace_kind_by_name give its number")
        include = INCLUDE.match(line)
        if include and path.endswith(".c"):
            if include.group(1) == '"' and system:
                faults.append(f"{path}:{number}: our own headers come before those in <>, each in a block")
            system = system or include.group(1) == "<"
        if RCU.search(line) and not path.endswith("/grace.h"):
            faults.append(f"{path}:{number}: the thread sanitizer does not see this; use grace_read_lock and grace_read_unlock")
        if "json_dumps(" in line and path.startswith("inspector/"):
            faults.append(f"{path}:{number}: leaves the delete character; use json_put or json_text_new")
        if AGAINST_NULL.search(line) and not ASSIGNED.search(line):
            faults.append(f"{path}:{number}: compares with NULL; write `!pointer`, or `pointer`")
        if len(line) > COLUMNS_MAX and not as_it_is:
            faults.append(f"{path}:{number}: {len(line)} columns, more than {COLUMNS_MAX}")
    return faults


def check_rooms(paths):
    """No folder has so many sources that nothing can be found in it.  (In tests, each source is a separate program.)"""
    rooms = collections.Counter(os.path.dirname(p) for p in paths if p.endswith(".c") and not p.startswith("tests/"))
    return [f"{room}: {count} sources, more than {SOURCES_MAX}: divide it into sub-folders" for room, count in sorted(rooms.items())
            if count > SOURCES_MAX]


def unit_of(path):
    """The unit of a source: X.c and X.h in one folder form a unit.  A header below include/ may be implemented by several
    sources, so it is a separate unit."""
    return path if "/include/" in path else path.rsplit(".", 1)[0]


def includes_by_unit(paths):
    """For each unit, the other units that its files include.  A header is found by its name: next to the source, else anywhere.
    X_internal.h declares what the sources of one room share: it may include X.h, and X.c may include it."""
    headers = collections.defaultdict(list)
    for path in paths:
        if path.endswith(".h"):
            headers[os.path.basename(path)].append(path)
    included = collections.defaultdict(set)
    for path in paths:
        with open(path, encoding="utf-8") as file:
            names = INCLUDED.findall(file.read())
        for name in names:
            found = [h for h in headers[os.path.basename(name)] if h == name or h.endswith("/" + name)]
            beside = [h for h in found if os.path.dirname(h) == os.path.dirname(path)]
            included[unit_of(path)].update(unit_of(h) for h in beside or found)
    return {unit: others - {unit, unit.removesuffix("_internal"), unit + "_internal"} for unit, others in included.items()}


def circle_from(start, included):
    """The shortest way from a unit back to itself, or None."""
    ways, seen = collections.deque([[start]]), {start}
    while ways:
        way = ways.popleft()
        for other in sorted(included.get(way[-1], ())):
            if other == start:
                return way
            if other not in seen:
                seen.add(other)
                ways.append(way + [other])
    return None


def check_circles(paths):
    """Two files that need each other should be one file, or hide a third.  Tests include what they test, and are not checked."""
    sources = [p for p in paths if p.endswith((".c", ".h")) and not p.startswith(("tests/", "bench/", "examples/", "bindings/"))]
    included = includes_by_unit(sources)
    circles = {frozenset(way): way for way in (circle_from(unit, included) for unit in sorted(included)) if way}
    return [f"{way[0]}: includes itself: {' -> '.join(way + way[:1])}" for way in circles.values()]


def nm(objects):
    """What nm says about the symbols of object files: (object, type, name)."""
    listed = subprocess.run(["nm", "-A", "-P", *objects], stdout=subprocess.PIPE, text=True, check=True).stdout
    for line in listed.splitlines():
        path, symbol = line.split(": ", 1)
        name, kind = symbol.split()[:2]
        yield path, kind, name


def objects_by_source(build):
    """The compiled sources of our programs and libraries: {object: source}.  Not those of tests, nor copies in shared libraries."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        entries = json.load(file)
    objects = {}
    for entry in entries:
        source = os.path.relpath(os.path.join(entry["directory"], entry["file"]))
        if source.endswith(".c") and source.split("/")[0] in ROOMS and ".so." not in entry["output"]:
            objects[os.path.join(build, entry["output"])] = source
    return objects


def calls_by_room(build):
    """{room: {room that it calls: an example}}.  A symbol that several rooms define, such as main, counts for none of them."""
    sources = objects_by_source(build)
    defined, needed = collections.defaultdict(set), set()
    for path, kind, name in nm(sorted(sources)):
        if kind == "U":
            needed.add((sources[path], name))
        elif kind.isupper():
            defined[name].add(sources[path])
    calls = collections.defaultdict(dict)
    for source, name in sorted(needed):
        rooms = {os.path.dirname(other) for other in defined[name]}
        if len(rooms) == 1 and os.path.dirname(source) not in rooms:
            calls[os.path.dirname(source)].setdefault(rooms.pop(), f"{source} needs {name}")
    return calls


def check_calls(build):
    """Rooms call each other in one direction only, just as they include each other."""
    calls = calls_by_room(build)
    circles = {frozenset(way): way for way in (circle_from(room, calls) for room in sorted(calls)) if way}
    for way in circles.values():
        print(f"{way[0]}: calls itself: " + "; ".join(f"{calls[room][other]} of {other}" for room, other in zip(way, way[1:] + way[:1])))
    return bool(calls) and not circles


def check_house(paths):
    """Rules that need no parser: one line for each breach."""
    faults = check_rooms(paths) + check_circles(paths)
    with open("proto/tbl/events.def", encoding="utf-8") as file:
        kinds = set(KINDS.findall(file.read()))
    for path in paths:
        base = os.path.basename(path)
        script = is_script(path)
        code = path.endswith((".c", ".h", ".def", ".cc")) or base == "meson.build" or script
        try:
            with open(path, encoding="utf-8") as file:
                text = file.read()
        except UnicodeDecodeError:
            continue  # fuzz corpora and other data
        lines = text.split("\n")
        if code and not path.startswith("tests/") and len(lines) > LINES_MAX:
            faults.append(f"{path}: {len(lines)} lines; look for the seam near 600")
        if code and "SPDX-License-Identifier: MIT" not in "\n".join(lines[:3]):
            faults.append(f"{path}:1: no SPDX-License-Identifier")
        if (code or path.endswith(".md")) and text and not text.endswith("\n"):
            faults.append(f"{path}:{len(lines)}: no newline at the end")
        for number, line in enumerate(lines, 1):
            if code and line != line.rstrip():
                faults.append(f"{path}:{number}: space at the end of a line")
            if code and "\t" in line:
                faults.append(f"{path}:{number}: tab")
            if MACHINE_PATH.search(line):
                faults.append(f"{path}:{number}: a path that exists on one machine only")
            if path.startswith("tests/") and SHARED_PLACE.search(line):
                faults.append(f"{path}:{number}: not in the suite's own directories (tests/helpers/scratch.h, tests/helpers/supervise.py)")
        if path.endswith((".c", ".h")):
            faults += check_dialect(path, lines, kinds)
        if script:
            faults += check_script(path, lines[0])
    for fault in faults:
        print(fault)
    return not faults


def check_script(path, first):
    """Does the script parse?"""
    if "bash" in first or path.endswith(".sh"):
        done = subprocess.run(["bash", "-n", path], stderr=subprocess.PIPE, text=True)
        return [done.stderr.strip()] if done.returncode else []
    if path.endswith(".py") or "python" in first:
        try:
            with open(path, encoding="utf-8") as file:
                compile(file.read(), path, "exec")
        except SyntaxError as error:
            return [f"{path}:{error.lineno}: {error.msg}"]
    return []


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--deep", action="store_true", help="with clang's static analyzer, some minutes")
    parser.add_argument("only", nargs="*", help="check with clang-tidy only sources whose path has one of these words")
    args = parser.parse_args()
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

    paths = list(tree())
    bad = []
    for name, check in (
        ("format", lambda: check_format(paths)),
        ("house rules", lambda: check_house(paths)),
        ("calls", lambda: check_calls(args.build)),
        ("clang-tidy", lambda: check_tidy(args.build, args.jobs, args.only, args.deep)),
    ):
        start = time.monotonic()
        if not check():
            bad.append(name)
        print(f"lint: {name}: {'FAILED' if name in bad else 'ok'} ({time.monotonic() - start:.1f} s)", flush=True)
    sys.exit(f"lint: failed: {', '.join(bad)}" if bad else 0)


if __name__ == "__main__":
    main()
