#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counts what `meson test` ran in the given build directories.

Prints "skipped: TEST: REASON" for each test that this machine cannot run, "again: COMMAND" with what runs those that failed in a
directory, and then "N passed, N failed[, N skipped]" on the last line.

A TAP test counts with each of its points, another one as one; a program that ends badly although all its points passed is one
failure more.  A Check test that skips itself (tests/helpers/skip.h) says so in a line of its own, for Check only knows "ok".

Exit status 1 when anything failed, when a directory has no log, and when nothing passed in one: a run of no tests is no success."""
import json
import os
import re
import shlex
import sys

FAILED = {"FAIL", "ERROR", "TIMEOUT", "INTERRUPT", "UNEXPECTEDPASS"}
POINT = re.compile(r"(not )?ok\b *\d* *-? *(?P<name>(?:[^#\\]|\\.)*)(?:# *(?P<directive>SKIP|TODO)\S*(?P<reason>.*))?", re.IGNORECASE)
SKIPPED_ITSELF = re.compile(r"# skipped (?P<name>\w+): (?P<reason>.*)")


class Counts:
    """Of points or tests.  `skips` has a text for each that was skipped: its name, if it has one, and the reason.  `red` names the
    tests that failed."""

    def __init__(self, passed=0, failed=0, skips=()):
        self.passed, self.failed, self.skips, self.red = passed, failed, list(skips), []

    def __iadd__(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skips += other.skips
        self.red += other.red
        return self

    def sum(self):
        return self.passed + self.failed + len(self.skips)


def described(match):
    return ": ".join(part for part in (match["name"].strip(), match["reason"].strip() or "no reason given") if part)


def count_points(text):
    """Counts the points of a TAP stream; a TODO point that fails is not a failure."""
    counts = Counts()
    for line in text.splitlines():
        if match := SKIPPED_ITSELF.match(line):
            counts += Counts(passed=-1, skips=[described(match)])
        elif match := POINT.match(line):
            directive = (match["directive"] or "").upper()
            if directive == "SKIP":
                counts += Counts(skips=[described(match)])
            elif match[1] and directive != "TODO":
                counts += Counts(failed=1)
            else:
                counts += Counts(passed=1)
    return counts


def count_test(entry):
    result, stdout = entry["result"], entry.get("stdout") or ""
    counts = count_points(stdout)
    if counts.sum() == 0:
        if result == "SKIP":
            lines = stdout.split("\n") + (entry.get("stderr") or "").split("\n")
            return Counts(skips=[next((line.strip() for line in lines if line.strip()), "no reason given")])
        return Counts(int(result in ("OK", "EXPECTEDFAIL")), int(result in FAILED))
    if result in FAILED and counts.failed == 0:
        counts.failed = 1
    return counts


def count_build(build):
    """The counts of a build directory's last run, each skip with the test's name."""
    counts = Counts()
    path = os.path.join(build, "meson-logs", "testlog.json")
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                entry = json.loads(line)
                test = count_test(entry)
                test.skips = [f"{entry['name']}: {skip}" for skip in test.skips]
                test.red = [entry["name"].split(" / ", 1)[-1]] if test.failed else []  # meson writes PROJECT:SUITE / NAME
                counts += test
    except FileNotFoundError:
        print(f"{path}: no tests ran", file=sys.stderr)
    return counts


def again(build, counts):
    """The command that runs a build directory's failed tests once more, as a list of one line or none."""
    word = os.path.basename(os.path.normpath(build)).removeprefix("build").removeprefix("-") or "test"
    return [f"again: ./dev {word} {shlex.join(dict.fromkeys(counts.red))}"] if counts.red else []


def main():
    total, good, commands = Counts(), True, []
    for build in sys.argv[1:]:
        counts = count_build(build)
        if counts.passed == 0 or counts.failed > 0:
            good = False
        total += counts
        commands += again(build, counts)
    for skip in total.skips:
        print(f"skipped: {skip}")
    for command in commands:
        print(command)
    line = f"{total.passed} passed, {total.failed} failed"
    print(line + (f", {len(total.skips)} skipped" if total.skips else ""))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
