# SPDX-License-Identifier: MIT
"""Runs a program repeatedly, each time with another allocation or system call failing (fail_nth.c).

The suite tries only some: all of the first FEW, and then at growing distances.  FAULTS=all tries every one, and prints how
many there were."""
import os
import signal
import subprocess
import tempfile

MODES = ("alloc", "error", "eintr", "short")
ALL = os.environ.get("FAULTS") == "all"
FEW = 4
HANG_S = int(os.environ.get("FAULTS_HANG_S", "60"))  # ends a hanging program, and does not fail on a slow machine


def numbers(what):
    """The numbers to try: 1, 2, 3, ..., all of them or with growing gaps.  The last one is not reached."""
    at, step = 1, 1
    while True:
        try:
            yield at
        except GeneratorExit:
            if ALL:
                print(f"{what}: {at - 1} faults", flush=True)
            raise
        if not ALL and at >= FEW:
            step = max(1, at // 2)
        at += step


# libuv ends the process there, by its own choice: without memory for its table of descriptors or for its threads (their stacks are
# mapped), when it makes its pipe for signals, when it reads that or the descriptor that wakes it (no such read fails with EIO), and when
# it adds to its epoll set.  Too few descriptors are found before
# (proto/descriptors.h; test_few_descriptors).
LIBUV_ABORTS = {("alloc", "realloc libuv.so.1"), ("alloc", "calloc ld-linux-x86-64.so.2"), ("error", "mmap"),
                ("error", "mprotect"), ("error", "pipe2"),
                ("error", "read"), ("error", "epoll_ctl")}


def is_libuv_abort(mode, failed, code):
    """Did libuv end the process in a place where it may?"""
    call, _, who = failed.partition(" abort ")
    return code == -signal.SIGABRT and who == "libuv.so.1" and (mode, call) in LIBUV_ABORTS


class Run:
    """The result of one run: n, the call that failed (empty: not reached), the exit code and the output."""

    def __init__(self, mode, number, failed, code, out, err):
        self.mode, self.number, self.failed, self.code, self.out, self.err = mode, number, failed, code, out, err

    def __str__(self):
        return f"{self.mode} {self.number} ({self.failed}): exit {self.code}, stderr {self.err[-600:]!r}"


def environment(mode, number, report, base):
    return base | {"LD_PRELOAD": os.environ["FAIL_NTH"], "FAULT_MODE": mode, "FAULT_AT": str(number), "FAULT_REPORT": report}


def run(words, mode, number, base, **popen):
    with tempfile.NamedTemporaryFile() as report:
        done = subprocess.run(words, env=environment(mode, number, report.name, base), stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=HANG_S, check=False, **popen)
        failed = report.read().decode()
    return Run(mode, number, failed, done.returncode, done.stdout, done.stderr.decode(errors="replace"))


def walk(words, mode, base, **popen):
    """Yields each run, up to the first that does not reach its number."""
    for number in numbers(f"{' '.join(words[1:])} {mode}"):
        one = run(words, mode, number, base, **popen)
        if not one.failed:
            return
        yield one
