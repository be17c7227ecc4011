#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a run says of itself: scripts/count_tests.py, unittest_tap.py and .ci/run.

    test_counting.py SOURCE_ROOT"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(sys.argv[1]).resolve()
COUNT, RUNNER, CI = SOURCE / "scripts/count_tests.py", SOURCE / "tests/helpers/unittest_tap.py", SOURCE / ".ci/run"

# A test file with one test of each kind.  `{}` is what the last one does.
KINDS = """import os, unittest
class Kinds(unittest.TestCase):
    def test_good(self):
        print("not ok 7 - a test's own output")
    @unittest.skip("no # such thing")
    def test_skipped(self):
        pass
    def test_one_of_three_is_skipped(self):
        for i in range(3):
            with self.subTest(i=i):
                if i == 1:
                    self.skipTest("not 1")
    def test_z(self):
        {}
unittest.main()
"""


def entry(name="a", result="OK", stdout="", stderr=""):
    return {"name": name, "result": result, "stdout": stdout, "stderr": stderr}


class InADirectory(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def run_(self, *command, **environment):
        return subprocess.run(list(map(str, command)), cwd=self.directory, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False, env=environment or None)

    def write_log(self, build, *entries):
        logs = self.directory / build / "meson-logs"
        logs.mkdir(parents=True)
        (logs / "testlog.json").write_text("".join(json.dumps(one) + "\n" for one in entries), encoding="utf-8")


class Counting(InADirectory):
    def count(self, *entries):
        """The lines that it prints for this log, and its exit code."""
        self.write_log("build", *entries)
        done = self.run_(sys.executable, COUNT, "build")
        return done.stdout.splitlines(), done.returncode

    def test_a_point_counts_as_one_and_so_does_a_test_without_points(self):
        self.assertEqual(self.count(entry(stdout="ok 1 - x\nnot ok 2 - y\n1..2\n", result="FAIL"), entry()),
                         (["again: ./dev test a", "2 passed, 1 failed"], 1))

    def test_a_bad_end_after_good_points_is_a_failure(self):
        self.assertEqual(self.count(entry(stdout="ok 1\n1..1\n", result="ERROR")), (["again: ./dev test a", "1 passed, 1 failed"], 1))

    def test_what_failed_has_a_command_that_runs_it_again(self):
        self.write_log("build", entry("p2ptrace:x / b", "FAIL"), entry("p2ptrace:x / a b", "TIMEOUT"), entry("p2ptrace:y / b", "FAIL"), entry("p2ptrace:x / c"))
        self.write_log("build-asan", entry("p2ptrace:x / c"), entry("p2ptrace:x / d", "ERROR"))
        self.write_log("build-tsan", entry("p2ptrace:x / e"))
        done = self.run_(sys.executable, COUNT, "build", "build-asan/", "build-tsan")
        self.assertEqual(done.stdout.splitlines(), ["again: ./dev test b 'a b'", "again: ./dev asan d", "3 passed, 4 failed"])

    def test_skips_of_all_kinds_are_listed_with_their_reasons_and_counted(self):
        lines, code = self.count(entry("tap", stdout="ok 1 - x # SKIP no gdb\nok 2 - y\n1..2\n"),
                                 entry("check", stdout="# skipped name_fn: no room\nok 1 - file.c:case:name: Passed\nok 2 - b\n1..2\n"),
                                 entry("whole", "SKIP", stdout="\nno systemd here\n"), entry("silent", "SKIP"))
        self.assertEqual(lines, ["skipped: tap: x: no gdb", "skipped: check: name_fn: no room", "skipped: whole: no systemd here",
                                 "skipped: silent: no reason given", "2 passed, 0 failed, 4 skipped"])
        self.assertEqual(code, 0)

    def test_a_todo_that_fails_is_no_failure(self):
        self.assertEqual(self.count(entry(stdout="not ok 1 - x # TODO later\nok 2 - skip\n1..2\n")), (["2 passed, 0 failed"], 0))

    def test_a_run_of_nothing_is_no_success(self):
        self.assertEqual(self.count(), (["0 passed, 0 failed"], 1))
        self.assertEqual(self.run_(sys.executable, COUNT, "elsewhere").returncode, 1)


class Runner(InADirectory):
    def points(self, last):
        (self.directory / "kinds.py").write_text(KINDS.format(last), encoding="utf-8")
        done = self.run_(sys.executable, RUNNER, "kinds.py")
        return done.stdout.splitlines(), done.returncode

    def test_each_test_has_a_point_and_its_own_output_goes_elsewhere(self):
        self.assertEqual(self.points("pass"), ([
            "ok 1 - Kinds.test_good", "ok 2 - Kinds.test_one_of_three_is_skipped (i=1) # SKIP not 1",
            "ok 3 - Kinds.test_skipped # SKIP no # such thing", "ok 4 - Kinds.test_z", "1..4"], 0))

    def test_a_failure_an_error_and_an_open_file_are_bad_points(self):
        for last in ("self.fail()", "self.x", "open(os.devnull)"):
            with self.subTest(last):
                lines, code = self.points(last)
                self.assertEqual(code, 1)
                self.assertEqual(len([line for line in lines if line.startswith("not ok")]), 1, lines)


class ContinuousIntegration(InADirectory):
    """.ci/run beside a ./dev that only pretends."""

    def run_ci(self, *bad_words, logs=True):
        (self.directory / ".ci").mkdir()
        (self.directory / "scripts").mkdir()
        shutil.copy(CI, self.directory / ".ci")
        shutil.copy(COUNT, self.directory / "scripts")
        (self.directory / "dev").write_text("#!/bin/sh\n[ -e \"$1.log\" ] && mkdir -p build build-asan && case $1 in test) d=build;; *) d=build-asan;; esac"
                                            " && mkdir -p $d/meson-logs && cp $1.log $d/meson-logs/testlog.json\n[ ! -e \"$1.bad\" ]\n", encoding="utf-8")
        (self.directory / "dev").chmod(0o755)
        for word in ("test", "asan"):
            bad = word in bad_words
            if logs:
                one = entry(stdout="ok 1 # SKIP no gdb\nok 2\n" + "not ok 3\n" * bad, result="FAIL" if bad else "OK")
                (self.directory / f"{word}.log").write_text(json.dumps(one), encoding="utf-8")
        for word in bad_words:
            (self.directory / f"{word}.bad").touch()
        done = self.run_(".ci/run")
        lines = done.stdout.splitlines()
        return [line.removeprefix("failed: ") for line in lines if line.startswith("failed: ")], lines, done.returncode

    def test_all_is_well(self):
        causes, lines, code = self.run_ci()
        self.assertEqual((causes, code), ([], 0))
        self.assertEqual(lines[-3:], ["skipped: a: no gdb", "skipped: a: no gdb", "2 passed, 0 failed, 2 skipped"])

    def test_a_suite_that_failed_is_one_cause(self):
        causes, lines, code = self.run_ci("test")
        self.assertEqual((causes, lines[-2:], code), (["./dev test"], ["again: ./dev test a", "2 passed, 1 failed, 2 skipped"], 1))

    def test_each_step_that_failed_is_a_cause(self):
        causes, lines, code = self.run_ci("test", "lint", "asan")
        self.assertEqual((causes, lines[-1], code), (["./dev test", "./dev lint", "./dev asan"], "2 passed, 2 failed, 2 skipped", 1))

    def test_steps_that_are_content_although_nothing_ran_are_found_out(self):
        causes, lines, code = self.run_ci(logs=False)
        self.assertEqual((causes, lines[-1], code), (["counting tests"], "0 passed, 0 failed", 1))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
