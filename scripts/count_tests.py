#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counts what `meson test` ran in the given build directories, and says what failed.

Prints, in this order, so that the end of a long log has the most important lines:

    skipped: SUITE / TEST: NAME: REASON     what this machine cannot run; a line for each test and reason
    FAIL: ./dev WORD: SUITE / TEST: NAME    what failed, each with the first lines of its message
    again: ./dev WORD TEST...               the command that runs all failed tests of a directory again
    N passed, N failed[, N skipped]

Each point of a TAP test counts, any other test counts as one; a program that fails although all its points passed is one
more failure.  A Check test that skips itself (tests/helpers/skip.h) prints a separate line, because Check only knows "ok".  The message of
a point is in its name, as Check writes it, or in the lines after it that begin with "#   " (tests/helpers/unittest_tap.py).

Exit status 1 if anything failed, if a directory has no log, or if nothing passed in one: a run without tests is not a success."""
import collections
import itertools
import json
import os
import re
import shlex
import sys

FAILED = {"FAIL", "ERROR", "TIMEOUT", "INTERRUPT", "UNEXPECTEDPASS"}
POINT = re.compile(r"(not )?ok\b *\d* *-? *(?P<name>(?:[^#\\]|\\.)*)(?:# *(?P<directive>SKIP|TODO)\S*(?P<reason>.*))?", re.IGNORECASE)
SKIPPED_ITSELF = re.compile(r"# skipped (?P<name>\w+): (?P<reason>.*)")


TAP = re.compile(r"(not )?ok\b|\d+\.\.\d|#|TAP version")
MESSAGE = "#   "
LINES_MAX = 40  # of failures and their messages, so that they fit into the end of a log
MESSAGE_LINES_MAX = 13  # such as that of a server that crashed
COLUMNS_MAX = 400
# What a sanitizer, or our own runner, prints when a program fails.
CAUSE = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|^left running: |Assertion .* failed")


class Counts:
    """Counts of points or tests.  `skips` has the test, its name or "", and the reason of each skipped one; `failures` has, for each failed one,
    its name and the lines of its message.  `red` names the tests that failed."""

    def __init__(self, passed=0, failed=0, skips=(), failures=()):
        self.passed, self.failed, self.skips, self.failures, self.red = passed, failed, list(skips), list(failures), []

    def __iadd__(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skips += other.skips
        self.failures += other.failures
        self.red += other.red
        return self

    def sum(self):
        return self.passed + self.failed + len(self.skips)


def skip_of(match):
    return match["name"].strip(), match["reason"].strip() or "no reason given"


def count_points(text):
    """Counts the points of a TAP stream; a TODO point that fails is not a failure."""
    counts, message = Counts(), []
    for line in text.splitlines():
        if line.startswith(MESSAGE):
            message.append(line[len(MESSAGE):])
        elif match := SKIPPED_ITSELF.match(line):
            counts += Counts(passed=-1, skips=[skip_of(match)])
        elif match := POINT.match(line):
            directive, message = (match["directive"] or "").upper(), []
            if directive == "SKIP":
                counts += Counts(skips=[skip_of(match)])
            elif match[1] and directive != "TODO":
                counts += Counts(failed=1, failures=[(match["name"].strip() or "a point without a name", message)])
            else:
                counts += Counts(passed=1)
    return counts


def cause(entry):
    """Lines that say why a program failed: from the first that names a cause on, otherwise its last lines."""
    lines = [line for stream in ("stdout", "stderr") for line in (entry.get(stream) or "").splitlines() if line.strip() and not TAP.match(line)]
    first = next((i for i, line in enumerate(lines) if CAUSE.search(line)), max(len(lines) - MESSAGE_LINES_MAX, 0))
    return lines[first:]


def count_test(entry):
    result, stdout = entry["result"], entry.get("stdout") or ""
    counts = count_points(stdout)
    if counts.sum() == 0 and result == "SKIP":
        lines = stdout.split("\n") + (entry.get("stderr") or "").split("\n")
        return Counts(skips=[("", next((line.strip() for line in lines if line.strip()), "no reason given"))])
    if counts.sum() == 0 and result not in FAILED:
        return Counts(passed=int(result in ("OK", "EXPECTEDFAIL")))
    if result in FAILED and counts.failed == 0:
        counts += Counts(failed=1, failures=[(f"{result}, exit status {entry.get('returncode', '?')}", cause(entry))])
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
                name = entry["name"].split(":", 1)[-1]  # meson writes PROJECT:SUITE / NAME
                test.skips = [(name, *skip) for skip in test.skips]
                test.failures = [(f"./dev {word_of(build)}: {name}: {what}", message) for what, message in test.failures]
                test.red = [name.split(" / ", 1)[-1]] if test.failed else []
                counts += test
    except FileNotFoundError:
        print(f"{path}: no tests ran", file=sys.stderr)
    return counts


def word_of(build):
    """The word of ./dev that ran the tests of that directory."""
    return os.path.basename(os.path.normpath(build)).removeprefix("build").removeprefix("-") or "test"


def again(build, counts):
    """The command that runs a build directory's failed tests again, as a list of one line or none."""
    return [f"again: ./dev {word_of(build)} {shlex.join(dict.fromkeys(counts.red))}"] if counts.red else []


def skip_lines(skips):
    """A line for each test and reason; it names the skipped point if there is only one."""
    names = {}
    for test, name, reason in skips:
        names.setdefault((test, reason), {})[name] = True
    for (test, reason), those in names.items():
        what = f"{len(those)} of its tests" if len(those) > 1 else next(iter(those))
        yield "skipped: " + ": ".join(part for part in (test, what, reason) if part)


def cut(line):
    """Cuts the middle out of a line that is too long: both ends of compared values, or of a program's output, are useful."""
    half = COLUMNS_MAX // 2
    return line if len(line) <= COLUMNS_MAX else f"{line[:half]} [...] {line[-half:]}"


def failure_lines(failures):
    """The more failures, the fewer lines for each.  Equal failures, as from a test that Check runs in a loop, are shown as one."""
    times = collections.Counter((what, tuple(message)) for what, message in failures)
    room = min(LINES_MAX // max(len(times), 1) - 1, MESSAGE_LINES_MAX)
    for (what, message), count in itertools.islice(times.items(), LINES_MAX):
        yield f"FAIL: {cut(what)}" + (f" ({count} times)" if count > 1 else "")
        yield from (f"    {cut(line)}" for line in message[:max(room, 0)])
    if len(times) > LINES_MAX:
        yield f"FAIL: and {len(times) - LINES_MAX} more"


def main():
    total, good, commands = Counts(), True, []
    for build in sys.argv[1:]:
        counts = count_build(build)
        if counts.passed == 0 or counts.failed > 0:
            good = False
        total += counts
        commands += again(build, counts)
    for text in (*skip_lines(total.skips), *failure_lines(total.failures), *commands):
        print(text)
    line = f"{total.passed} passed, {total.failed} failed"
    print(line + (f", {len(total.skips)} skipped" if total.skips else ""))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
