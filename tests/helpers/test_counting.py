#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a run says of itself: scripts/count_tests.py, unittest_tap.py with left_running.py, and .ci/run.

    test_counting.py SOURCE_ROOT"""
import json
import os
import pathlib
import shutil
import signal
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


def entry(name="a", result="OK", stdout="", stderr="", returncode=0):
    return {"name": name, "result": result, "stdout": stdout, "stderr": stderr, "returncode": returncode}


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
                         (["FAIL: ./dev test: a: y", "again: ./dev test a", "2 passed, 1 failed"], 1))

    def test_a_bad_end_after_good_points_is_a_failure(self):
        self.assertEqual(self.count(entry(stdout="ok 1\n1..1\n", result="ERROR", returncode=3)),
                         (["FAIL: ./dev test: a: ERROR, exit status 3", "again: ./dev test a", "1 passed, 1 failed"], 1))

    def test_what_failed_is_named_with_its_message(self):
        lines, _ = self.count(entry("p2ptrace:x / a", "FAIL", stdout="ok 1 - A.test_a\nnot ok 2 - A.test_b\n#   AssertionError: 1 != 2\n#   # second\nok 3 - c\n1..3\n"),
                              entry("p2ptrace:y / b", "FAIL", stdout="not ok 1 - b.c:case:name: b.c:7: Assertion 'x == 1' failed: x == 0\n1..1\n"))
        self.assertEqual(lines[:4], ["FAIL: ./dev test: x / a: A.test_b", "    AssertionError: 1 != 2", "    # second",
                                     "FAIL: ./dev test: y / b: b.c:case:name: b.c:7: Assertion 'x == 1' failed: x == 0"])

    def test_a_program_that_ends_badly_is_named_with_what_it_said(self):
        said = "one\n\n==7==ERROR: AddressSanitizer: heap-use-after-free\n" + "".join(f"frame {i}\n" for i in range(20))
        lines, _ = self.count(entry(stdout="ok 1\n", stderr=said, result="FAIL", returncode=-6), entry("b", "TIMEOUT", stdout="some\nwords\n"))
        self.assertEqual(lines[:3], ["FAIL: ./dev test: a: FAIL, exit status -6", "    ==7==ERROR: AddressSanitizer: heap-use-after-free", "    frame 0"])
        self.assertEqual(lines[14:17], ["FAIL: ./dev test: b: TIMEOUT, exit status 0", "    some", "    words"])

    def test_failures_that_are_the_same_are_one(self):
        lines, _ = self.count(entry(stdout="not ok 1 - a: no\nnot ok 2 - a: no\nnot ok 3 - a: yes\n", result="FAIL"))
        self.assertEqual(lines, ["FAIL: ./dev test: a: a: no (2 times)", "FAIL: ./dev test: a: a: yes", "again: ./dev test a", "0 passed, 3 failed"])

    def test_failures_fit_into_the_end_of_a_log_however_many(self):
        message = "#   first " + "x" * 1000 + " last\n" + "#   more\n" * 50
        for count in (1, 7, 20, 39, 40, 41, 500):
            with self.subTest(count):
                lines, _ = self.count(entry(f"test{count}", "FAIL", stdout="".join(f"not ok {i} - name{i}\n{message}" for i in range(count))))
                shutil.rmtree(self.directory / "build")
                self.assertLessEqual(len(lines), 43)
                self.assertLessEqual(max(map(len, lines)), 420)
                names = [line.split()[-1] for line in lines if line.startswith("FAIL: ./dev")]
                self.assertEqual(names, [f"name{i}" for i in range(min(count, 40))])
                self.assertEqual(f"FAIL: and {count - 40} more" in lines, count > 40)
                if count <= 20:
                    self.assertRegex(lines[1], "^    first .* last$")

    def test_what_failed_has_a_command_that_runs_it_again(self):
        self.write_log("build", entry("p2ptrace:x / b", "FAIL"), entry("p2ptrace:x / a b", "TIMEOUT"), entry("p2ptrace:y / b", "FAIL"), entry("p2ptrace:x / c"))
        self.write_log("build-asan", entry("p2ptrace:x / c"), entry("p2ptrace:x / d", "ERROR"))
        self.write_log("build-tsan", entry("p2ptrace:x / e"))
        done = self.run_(sys.executable, COUNT, "build", "build-asan/", "build-tsan")
        self.assertEqual(done.stdout.splitlines(), [
            "FAIL: ./dev test: x / b: FAIL, exit status 0", "FAIL: ./dev test: x / a b: TIMEOUT, exit status 0",
            "FAIL: ./dev test: y / b: FAIL, exit status 0", "FAIL: ./dev asan: x / d: ERROR, exit status 0",
            "again: ./dev test b 'a b'", "again: ./dev asan d", "3 passed, 4 failed"])

    def test_skips_of_all_kinds_are_listed_with_their_reasons_and_counted(self):
        lines, code = self.count(entry("tap", stdout="ok 1 - x # SKIP no gdb\nok 2 - y\n1..2\n"),
                                 entry("check", stdout="# skipped name_fn: no room\nok 1 - file.c:case:name: Passed\nok 2 - b\n1..2\n"),
                                 entry("whole", "SKIP", stdout="\nno systemd here\n"), entry("silent", "SKIP"))
        self.assertEqual(lines, ["skipped: tap: x: no gdb", "skipped: check: name_fn: no room", "skipped: whole: no systemd here",
                                 "skipped: silent: no reason given", "2 passed, 0 failed, 4 skipped"])
        self.assertEqual(code, 0)

    def test_skips_for_one_reason_are_one_line(self):
        stdout = "ok 1 - x # SKIP no gdb\nok 2 - y # SKIP no gdb\nok 3 - z # SKIP no room\nok 4 - good\n"
        self.write_log("build", entry("p2ptrace:x / a", stdout=stdout))
        self.write_log("build-asan", entry("p2ptrace:x / a", stdout=stdout))
        done = self.run_(sys.executable, COUNT, "build", "build-asan")
        self.assertEqual(done.stdout.splitlines(), ["skipped: x / a: 2 of its tests: no gdb", "skipped: x / a: z: no room", "2 passed, 0 failed, 6 skipped"])

    def test_a_todo_that_fails_is_no_failure(self):
        self.assertEqual(self.count(entry(stdout="not ok 1 - x # TODO later\nok 2 - skip\n1..2\n")), (["2 passed, 0 failed"], 0))

    def test_a_run_of_nothing_is_no_success(self):
        self.assertEqual(self.count(), (["0 passed, 0 failed"], 1))
        self.assertEqual(self.run_(sys.executable, COUNT, "elsewhere").returncode, 1)


class Runner(InADirectory):
    def points(self, last, text=KINDS, **environment):
        (self.directory / "kinds.py").write_text(text.format(last), encoding="utf-8")
        done = self.run_(sys.executable, RUNNER, "kinds.py", **(os.environ | environment))
        self.said = done.stderr
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

    def test_a_bad_point_has_the_message_behind_it(self):
        for last, message in (("self.assertEqual(1, 2, '# both')", ["AssertionError: 1 != 2 : # both"]), ("self.fail('a\\nb')", ["AssertionError: a", "b"]),
                              ("{}['k']", ["KeyError: 'k'"]), ("raise subprocess.TimeoutExpired('a', 1)", ["NameError"])):
            with self.subTest(last):
                lines, _ = self.points(last)
                at = next(i for i, line in enumerate(lines) if line.startswith("not ok"))
                for line, wanted in zip(lines[at + 1:], message, strict=False):
                    self.assertTrue(line.startswith("#   " + wanted), lines)

    def test_what_still_runs_at_the_end_is_named_and_ended(self):
        """Were it not ended, run_() would wait for its pipes."""
        for last, name in (("os.system('sleep 1001 &')", "sleep 1001"), ("os.system('setsid sh -c \\'sleep 1002 & exit\\' &')", "sleep 1002"),
                           ("os.system('(trap \"\" TERM HUP; sleep 1003; sleep 1004) &')", "sleep 1003")):
            with self.subTest(last):
                lines, code = self.points(last)
                self.assertEqual(code, 1)
                bad = [line.split(" - ")[1] for line in lines if line.startswith("not ok")]
                self.assertTrue(any(name in line for line in bad), bad)
                self.assertEqual({line.split(":")[0] for line in bad}, {"left running"})
                self.assertEqual(lines[-1], f"1..{len([line for line in lines if 'ok ' in line])}")

    def test_what_a_class_ends_and_what_has_ended_is_not_left_running(self):
        lines, code = self.points("", "import os, subprocess, unittest\nclass A(unittest.TestCase):\n"
                                  " @classmethod\n def setUpClass(cls):\n  cls.child = subprocess.Popen(['sleep', '1005'])\n"
                                  "  cls.addClassCleanup(lambda: (cls.child.kill(), cls.child.wait()))\n"
                                  " def test_a(self):\n  os.system('true &')\n  os.posix_spawnp('true', ['true'], os.environ)\nunittest.main()\n")
        self.assertEqual((lines, code), (["ok 1 - A.test_a", "1..1"], 0))

    def test_a_suite_that_dies_leaves_nothing_running(self):
        for last, code in (("os.system('sleep 1006 &'); os.abort()", 128 + signal.SIGABRT), ("os.system('sleep 1006 &'); os._exit(3)", 3),
                           ("os.system('sleep 1006 &'); os.kill(os.getpid(), 9)", 128 + signal.SIGKILL)):
            with self.subTest(last):
                self.assertEqual(self.points(last)[1], code)
                self.assertRegex(self.said, "left running: .*sleep 1006")

    def test_a_suite_that_is_ended_says_where_it_was_and_leaves_nothing_running(self):
        """As meson ends one at its time limit: the whole group, or the first process alone."""
        for to_group in (True, False):
            with self.subTest(to_group=to_group):
                text = KINDS.format("os.system('setsid sleep 1007 &'); os.system('trap \"\" TERM; echo hangs; sleep 1008')")
                (self.directory / "kinds.py").write_text(text, encoding="utf-8")
                with subprocess.Popen([sys.executable, RUNNER, "kinds.py"], cwd=self.directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.PIPE, text=True, start_new_session=True) as suite:
                    while "hangs" not in suite.stderr.readline():
                        pass
                    (os.killpg if to_group else os.kill)(suite.pid, signal.SIGTERM)
                    self.assertIn("in test_z", suite.stderr.read())
                self.assertEqual(suite.returncode, 128 + signal.SIGTERM)

    def test_a_test_that_hangs_is_interrupted_and_the_others_run(self):
        lines, code = self.points("", "import subprocess, time, unittest\nclass A(unittest.TestCase):\n"
                                  " def test_a(self):\n  self.addCleanup(time.sleep, 1000)\n  subprocess.run(['sleep', '1009'])\n"
                                  " def test_b(self):\n  pass\n"
                                  "class B(A):\n @classmethod\n def setUpClass(cls):\n  time.sleep(1000)\nunittest.main()\n",
                                  P2PTRACE_TEST_LIMIT_S="2")
        self.assertEqual(code, 1)
        lines = [line for line in lines if not line.startswith("#")]
        self.assertEqual([line.split(" - ")[-1] for line in lines], ["A.test_a", "A.test_a", "A.test_b", "setUpClass (__main__.B)", "1..4"])
        self.assertEqual([line.startswith("ok") for line in lines], [False, False, True, False, False])
        self.assertIn("it took more than 2 s", self.said)

    def test_a_seed_chooses_the_order(self):
        text = "import unittest\nclass A(unittest.TestCase):\n" + "".join(f" def test_{i}(self): pass\n" for i in range(20)) + "unittest.main()\n"

        def order(seed):
            lines, code = self.points("", text, P2PTRACE_TEST_SHUFFLE=seed)
            self.assertEqual((code, lines.pop()), (0, "1..20"))
            return [line.split(" - ")[1] for line in lines]
        self.assertEqual(order(""), sorted(order("")))
        self.assertEqual(order("7"), order("7"))
        self.assertNotEqual(order("7"), order("8"))
        self.assertEqual(sorted(order("7")), order(""))
        drawn = order("random")
        self.assertEqual(order(self.said.split("P2PTRACE_TEST_SHUFFLE=")[1].split()[0]), drawn)


class ContinuousIntegration(InADirectory):
    """.ci/run beside a ./dev that only pretends."""

    def run_ci(self, *bad_words, logs=True, hangs=(), **environment):
        (self.directory / ".ci").mkdir()
        (self.directory / "scripts").mkdir()
        shutil.copy(CI, self.directory / ".ci")
        shutil.copy(COUNT, self.directory / "scripts")
        (self.directory / "dev").write_text("#!/bin/sh\n[ -e \"$1.hangs\" ] && exec sleep 1010\n[ -e \"$1.log\" ] && mkdir -p build build-asan && case $1 in test) d=build;; *) d=build-asan;; esac"
                                            " && mkdir -p $d/meson-logs && cp $1.log $d/meson-logs/testlog.json\n[ ! -e \"$1.bad\" ]\n", encoding="utf-8")
        (self.directory / "dev").chmod(0o755)
        for word in ("test", "asan"):
            bad = word in bad_words
            if logs:
                one = entry(stdout="ok 1 # SKIP no gdb\nok 2\n" + "not ok 3\n" * bad, result="FAIL" if bad else "OK")
                (self.directory / f"{word}.log").write_text(json.dumps(one), encoding="utf-8")
        for word in bad_words:
            (self.directory / f"{word}.bad").touch()
        for word in hangs:
            (self.directory / f"{word}.hangs").touch()
        done = self.run_(".ci/run", **(os.environ | environment))
        lines = done.stdout.splitlines()
        return [line.removeprefix("failed: ") for line in lines if line.startswith("failed: ")], lines, done.returncode

    def test_all_is_well(self):
        causes, lines, code = self.run_ci()
        self.assertEqual((causes, code), ([], 0))
        self.assertEqual(lines[-2:], ["skipped: a: no gdb", "2 passed, 0 failed, 2 skipped"])

    def test_a_suite_that_failed_is_one_cause(self):
        causes, lines, code = self.run_ci("test")
        self.assertEqual((causes, lines[-4:], code), (["./dev test"], ["skipped: a: no gdb", "FAIL: ./dev test: a: a point without a name",
                                                                       "again: ./dev test a", "2 passed, 1 failed, 2 skipped"], 1))

    def test_each_step_that_failed_is_a_cause(self):
        causes, lines, code = self.run_ci("test", "lint", "asan")
        self.assertEqual((causes, lines[-1], code), (["./dev test", "./dev lint", "./dev asan"], "2 passed, 2 failed, 2 skipped", 1))

    def test_a_step_that_hangs_is_ended_and_the_summary_is_written(self):
        causes, lines, code = self.run_ci(hangs=["lint"], CI_LIMIT_S="4")
        self.assertRegex(causes.pop(0), r"^\./dev lint \(ended after \d+ s: 4 s is the limit of the whole run\)$")
        self.assertRegex(lines[-1], r"^\d passed, 0 failed, \d skipped$")
        self.assertEqual(code, 1)

    def test_steps_that_are_content_although_nothing_ran_are_found_out(self):
        causes, lines, code = self.run_ci(logs=False)
        self.assertEqual((causes, lines[-1], code), (["counting tests"], "0 passed, 0 failed", 1))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
