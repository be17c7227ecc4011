#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs a file of unittest tests and reports each of them to meson.

    unittest_tap.py FILE [ARG...]

Standard output is a TAP stream with one point for each test, skipped ones with their reason; so meson and scripts/count_tests.py see what ran
and what did not.  What the tests and their children write to standard output goes to standard error.

A test that leaves a file, a socket or a process open fails: the destructor reports it as a ResourceWarning, which is an error here."""
import faulthandler
import functools
import gc
import os
import runpy
import signal
import sys
import unittest
import warnings

# What the user of this machine has set must not reach the programs that the tests run: not his pager, and not his configuration.
# Nobody, not even root, can create a file below /proc.
os.environ.update(PAGER="cat", XDG_CONFIG_HOME="/proc/nonexistent")
for setting in ("P2PTRACE_PAGER", "P2PTRACE_CONFIG", "P2PTRACE_FLEET"):
    os.environ.pop(setting, None)

PLAN, POINTS = "1..%d", os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")


class TapResult(unittest.TextTestResult):
    """Also writes a point for each result.  A test whose subtests fail has a point for each that does."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.points, self.left_open = 0, []
        sys.unraisablehook = self.on_unraisable

    def on_unraisable(self, problem):
        self.left_open.append((problem.exc_type, problem.exc_value, problem.exc_traceback))

    def point(self, good, test, directive=""):
        self.points += 1
        name = test.id().removeprefix("__main__.").replace("#", r"\#")
        POINTS.write(" ".join(f"{'ok' if good else 'not ok'} {self.points} - {name}{directive}".split()) + "\n")

    def addSuccess(self, test):
        if not self.left_open:
            super().addSuccess(test)
            self.point(True, test)

    def addError(self, test, err):
        super().addError(test, err)
        self.point(False, test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.point(False, test)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.point(False, subtest)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.point(True, test, f" # SKIP {reason}")

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self.point(False, test, " # TODO")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.point(False, test)

    def stopTest(self, test):
        self.check_left_open(test)
        super().stopTest(test)

    def stopTestRun(self):
        gc.collect()
        self.check_left_open(unittest.FunctionTestCase(self.stopTestRun, description="what a class shares"))
        super().stopTestRun()
        POINTS.write(PLAN % self.points + "\n")

    def check_left_open(self, test):
        while self.left_open:
            self.addError(test, self.left_open.pop(0))


class TapRunner(unittest.TextTestRunner):
    resultclass = TapResult

    def __init__(self, **kwargs):
        super().__init__(**(kwargs | {"warnings": None, "verbosity": 2}))  # None: the filters of main()


def main():
    del sys.argv[0]
    os.dup2(2, 1)
    faulthandler.register(signal.SIGTERM, chain=True)  # meson ends a test that hangs so: where it hangs is in the log
    warnings.simplefilter("default")
    warnings.simplefilter("error", ResourceWarning)
    unittest.main = functools.partial(unittest.main, testRunner=TapRunner)
    sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
