# SPDX-License-Identifier: MIT
"""Stalls a suite at random between two of its own lines, as a busy machine does now and then.  This finds tests that are right only if
they are quick: a file that traced may see half-made, a node that is expected to be busy still.

P2PTRACE_TEST_STALLS=SEED turns it on (a word; "random" draws one).  A seed stalls the same lines again."""
import os
import random
import sys
import threading
import time

SHARE = 0.04  # of the lines that run
AGAIN_MAX = 8  # so that a loop that waits does not take them all
SECONDS = (0.05, 0.2, 0.5)
TOTAL_S = 40

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OURS = os.path.dirname(os.path.abspath(__file__))


class Stalls:
    def __init__(self, seed, sleep=time.sleep):
        self.random = random.Random(seed)
        self.sleep = sleep
        self.left_s = TOTAL_S
        self.ran = {}

    def on_call(self, frame, _event, _arg):
        path = os.path.abspath(frame.f_code.co_filename)
        return self.on_line if path.startswith(TESTS + "/") and os.path.dirname(path) != OURS else None

    def on_line(self, frame, event, _arg):
        if event == "line" and self.left_s > 0:
            line = frame.f_code, frame.f_lineno
            self.ran[line] = self.ran.get(line, 0) + 1
            if self.ran[line] <= AGAIN_MAX and self.random.random() < SHARE:
                seconds = self.random.choice(SECONDS)
                self.left_s -= seconds
                print(f"stalls {seconds} s before {frame.f_code.co_filename}:{frame.f_lineno}", file=sys.stderr)
                self.sleep(seconds)
        return self.on_line


def begin(suite):
    """Stalls the file of that name and what it imports from tests/, if the environment says so."""
    seed = os.environ.pop("P2PTRACE_TEST_STALLS", None)
    if not seed:
        return
    if seed == "random":
        seed = str(random.SystemRandom().randrange(10**6))
    print(f"stalls of the tests: P2PTRACE_TEST_STALLS={seed}", file=sys.stderr)
    stalls = Stalls(seed + os.path.basename(suite))
    threading.settrace(stalls.on_call)
    sys.settrace(stalls.on_call)
