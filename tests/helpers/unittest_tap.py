#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs a file of unittest tests and reports each of them to meson.

    unittest_tap.py FILE [ARG...]

Standard output is a TAP stream with one point per test, with the reason of skipped tests, and the message of failed ones in comments after
them; so meson and scripts/count_tests.py see what ran and what did not.  Output of the tests and their children goes to standard error.

A test that leaves a file, a socket or a process open fails: the destructor reports it as a ResourceWarning, which is an error here.
So does a test with a thread that ends with an exception: what it should have done was not done.
supervise.py finds processes that still run when all tests are done, and files left in the suite's directories.

A test that takes longer than P2PTRACE_TEST_LIMIT_S seconds hangs: it is interrupted, and the others still run.  Each of its subtests has
that time anew, so that one with many cases can take long on a busy machine.

P2PTRACE_TEST_SHUFFLE=SEED runs the tests of each class, and the classes, in an order that depends on the seed (a word; "random" draws one).
P2PTRACE_TEST_STALLS=SEED stalls the tests at random (stalls.py)."""
import faulthandler
import functools
import gc
import os
import random
import runpy
import signal
import sys
import threading
import traceback
import unittest
import warnings

import stalls
import supervise

# The suite's directory for shared memory (supervise.py); there is none when run by hand.
os.environ.setdefault("P2PTRACE_SHM_DIR", "/dev/shm")

# For a test, or the setup of a class.  Reached only by a test that hangs.
LIMIT_S = float(os.environ.pop("P2PTRACE_TEST_LIMIT_S", "300"))
AGAIN_S = max(LIMIT_S / 10, 2)  # then a hanging cleanup is interrupted, too; unittest itself needs less

MESSAGE_LINES_MAX = 20
PLAN, POINTS = "1..%d", os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")


class Hangs(Exception):
    """Raised in a test that reached the limit."""


class Named(unittest.FunctionTestCase):
    """Failures outside the tests of the file."""

    def __init__(self, name):
        super().__init__(lambda: None)
        self.name = name

    def id(self):
        return self.name

    def __str__(self):
        return self.name


class Shuffled(unittest.TestLoader):
    """Loads tests in another order for each seed."""

    def __init__(self, seed):
        super().__init__()
        self.seed = seed

    def shuffled(self, items, salt=""):
        items = list(items)
        random.Random(self.seed + salt).shuffle(items)
        return items

    def getTestCaseNames(self, testCaseClass):
        return self.shuffled(super().getTestCaseNames(testCaseClass), testCaseClass.__name__)

    def loadTestsFromModule(self, *args, **kwargs):
        return self.suiteClass(self.shuffled(super().loadTestsFromModule(*args, **kwargs)))


class TapResult(unittest.TextTestResult):
    """Also writes a point for each result.  A test has a point for each failed subtest."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.points, self.unseen = 0, []  # what nobody could catch
        sys.unraisablehook = threading.excepthook = self.on_unseen

    def startTestRun(self):
        super().startTestRun()
        limit(LIMIT_S)

    def startTest(self, test):
        super().startTest(test)
        limit(LIMIT_S)

    def on_unseen(self, problem):
        """Of a destructor, or of a thread."""
        self.unseen.append((problem.exc_type, problem.exc_value, problem.exc_traceback))

    def point(self, good, test, directive="", err=None):
        self.points += 1
        name = test.id().removeprefix("__main__.").replace("#", r"\#")
        message = "".join(traceback.format_exception_only(*err[:2])).splitlines() if err else []
        POINTS.write("".join([" ".join(f"{'ok' if good else 'not ok'} {self.points} - {name}{directive}".split()) + "\n",
                              *(f"#   {line}\n" for line in message[:MESSAGE_LINES_MAX])]))

    def addSuccess(self, test):
        if not self.unseen:
            super().addSuccess(test)
            self.point(True, test)

    def addError(self, test, err):
        super().addError(test, err)
        self.point(False, test, err=err)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.point(False, test, err=err)

    def addSubTest(self, test, subtest, err):
        limit(LIMIT_S)
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.point(False, subtest, err=err)

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
        limit(LIMIT_S)  # starting now, for the setup and cleanup of a class
        self.check_unseen(test)
        super().stopTest(test)

    def stopTestRun(self):
        limit(0)
        gc.collect()
        self.check_unseen(Named("what a class shares"))
        super().stopTestRun()
        POINTS.write(PLAN % self.points + "\n")

    def check_unseen(self, test):
        while self.unseen:
            self.addError(test, self.unseen.pop(0))


class TapRunner(unittest.TextTestRunner):
    resultclass = TapResult

    def __init__(self, **kwargs):
        super().__init__(**(kwargs | {"warnings": None, "verbosity": 2}))  # None: the filters of main()


def limit(seconds):
    signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN_S if seconds else 0)


def on_limit(_number, _frame):
    faulthandler.dump_traceback()
    raise Hangs(f"it took more than {LIMIT_S:g} s")


def loader():
    seed = os.environ.pop("P2PTRACE_TEST_SHUFFLE", None)
    if not seed:
        return unittest.defaultTestLoader
    if seed == "random":
        seed = str(random.SystemRandom().randrange(10**6))
    print(f"order of the tests: P2PTRACE_TEST_SHUFFLE={seed}", file=sys.stderr)
    return Shuffled(seed)


def main():
    del sys.argv[0]
    os.dup2(2, 1)
    supervise.answer_supervisor()
    signal.signal(signal.SIGALRM, on_limit)
    warnings.simplefilter("default")
    warnings.simplefilter("error", ResourceWarning)
    unittest.main = functools.partial(unittest.main, testRunner=TapRunner, testLoader=loader())
    sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
    stalls.begin(sys.argv[0])
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
