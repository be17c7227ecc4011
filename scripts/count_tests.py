#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counts what `meson test` ran in the given build directories, and prints "N passed, N failed[, N skipped]" on a line.

A TAP test counts with each of its points, another one as one; a program that ends badly although all its points passed is one
failure more.  Exit status 1 when anything failed, when a directory has no log, and when nothing passed in one: a run of no
tests is no success."""
import json
import os
import re
import sys

FAILED = {"FAIL", "ERROR", "TIMEOUT", "INTERRUPT", "UNEXPECTEDPASS"}
POINT = re.compile(r"^(not )?ok\b(.*)$")


def count_points(text):
    """Passed, failed and skipped points of a TAP stream; a TODO point that fails is not a failure."""
    passed = failed = skipped = 0
    for line in text.splitlines():
        match = POINT.match(line)
        if not match:
            continue
        directive = match.group(2).upper()
        if "# SKIP" in directive:
            skipped += 1
        elif match.group(1) and "# TODO" not in directive:
            failed += 1
        else:
            passed += 1
    return passed, failed, skipped


def count_test(entry):
    result = entry["result"]
    points = count_points(entry.get("stdout") or "")
    if sum(points) == 0:
        return int(result in ("OK", "EXPECTEDFAIL")), int(result in FAILED), int(result == "SKIP")
    passed, failed, skipped = points
    if result in FAILED and failed == 0:
        failed = 1
    return passed, failed, skipped


def main():
    total = [0, 0, 0]
    good = True
    for build in sys.argv[1:]:
        path = os.path.join(build, "meson-logs", "testlog.json")
        counts = [0, 0, 0]
        try:
            with open(path, encoding="utf-8") as file:
                for line in file:
                    for i, n in enumerate(count_test(json.loads(line))):
                        counts[i] += n
        except FileNotFoundError:
            print(f"{path}: no tests ran", file=sys.stderr)
        if counts[0] == 0 or counts[1] > 0:
            good = False
        total = [a + b for a, b in zip(total, counts)]
    line = f"{total[0]} passed, {total[1]} failed"
    print(line + (f", {total[2]} skipped" if total[2] else ""))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
