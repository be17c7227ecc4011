#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests how a run reports: scripts/count_tests.py, unittest_tap.py, supervise.py, and .ci/run.

    test_counting.py SOURCE_ROOT SUITE_IN_C"""
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
COUNT, CI = SOURCE / "scripts/count_tests.py", SOURCE / ".ci/run"
SUITE_IN_C = pathlib.Path(sys.argv[2]).resolve()
SUPERVISOR = [sys.executable, "-IS", str(SOURCE / "tests/helpers/supervise.py")]
RUNNER = [*SUPERVISOR, sys.executable, str(SOURCE / "tests/helpers/unittest_tap.py")]

# A test file with one test of each kind.  `{}` is the body of the last one.
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

    def test_failures_are_named_with_their_messages(self):
        lines, _ = self.count(entry("p2ptrace:x / a", "FAIL", stdout="ok 1 - A.test_a\nnot ok 2 - A.test_b\n#   AssertionError: 1 != 2\n#   # second\nok 3 - c\n1..3\n"),
                              entry("p2ptrace:y / b", "FAIL", stdout="not ok 1 - b.c:case:name: b.c:7: Assertion 'x == 1' failed: x == 0\n1..1\n"))
        self.assertEqual(lines[:4], ["FAIL: ./dev test: x / a: A.test_b", "    AssertionError: 1 != 2", "    # second",
                                     "FAIL: ./dev test: y / b: b.c:case:name: b.c:7: Assertion 'x == 1' failed: x == 0"])

    def test_a_program_that_fails_is_named_with_its_output(self):
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

    def test_a_failed_test_has_a_command_that_runs_it_again(self):
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

    def test_a_failing_todo_is_not_a_failure(self):
        self.assertEqual(self.count(entry(stdout="not ok 1 - x # TODO later\nok 2 - skip\n1..2\n")), (["2 passed, 0 failed"], 0))

    def test_an_empty_run_is_not_a_success(self):
        self.assertEqual(self.count(), (["0 passed, 0 failed"], 1))
        self.assertEqual(self.run_(sys.executable, COUNT, "elsewhere").returncode, 1)


class Runner(InADirectory):
    def points(self, last, text=KINDS, **environment):
        (self.directory / "kinds.py").write_text(text.format(last), encoding="utf-8")
        done = self.run_(*RUNNER, "kinds.py", **(os.environ | environment))
        self.said = done.stderr
        return done.stdout.splitlines(), done.returncode

    def test_each_test_has_a_point_and_its_own_output_goes_elsewhere(self):
        self.assertEqual(self.points("pass"), ([
            "ok 1 - Kinds.test_good", "ok 2 - Kinds.test_one_of_three_is_skipped (i=1) # SKIP not 1",
            "ok 3 - Kinds.test_skipped # SKIP no # such thing", "ok 4 - Kinds.test_z", "1..4"], 0))

    def test_a_failure_an_error_an_open_file_and_a_thread_that_fails_are_bad_points(self):
        for last in ("self.fail()", "self.x", "open(os.devnull)", "import threading; t = threading.Thread(target=lambda: 1 / 0); t.start(); t.join()"):
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

    def test_processes_still_running_at_the_end_are_named_and_ended(self):
        """If it did not end, run_() would wait for its pipes."""
        for last, name in (("os.system('sleep 1001 &')", "sleep 1001"), ("os.system('setsid sh -c \\'sleep 1002 & exit\\' &')", "sleep 1002"),
                           ("os.system('(trap \"\" TERM HUP; sleep 1003; sleep 1004) &')", "sleep 1003")):
            with self.subTest(last):
                lines, code = self.points(last)
                self.assertEqual((code, lines[-1]), (1, "1..4"))
                self.assertRegex(self.said, f"left running: .*{name}")

    def test_processes_that_a_class_ends_or_that_have_ended_do_not_count_as_left(self):
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

    def test_a_terminated_suite_says_where_it_was_and_leaves_nothing_running(self):
        """As meson ends one at its time limit: the whole group, or only the first process."""
        for to_group in (True, False):
            with self.subTest(to_group=to_group):
                text = KINDS.format("os.system('setsid sleep 1007 &'); os.system('trap \"\" TERM; echo hangs; sleep 1008')")
                (self.directory / "kinds.py").write_text(text, encoding="utf-8")
                with subprocess.Popen([*RUNNER, "kinds.py"], cwd=self.directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
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

    def test_each_subtest_has_the_time_of_a_test(self):
        lines, code = self.points("", "import signal, unittest\nclass A(unittest.TestCase):\n def test_a(self):\n  for i in range(2):\n"
                                  "   with self.subTest(i):\n    self.assertLessEqual(signal.getitimer(signal.ITIMER_REAL)[0], 300)\n"
                                  "    signal.setitimer(signal.ITIMER_REAL, 5000)\nunittest.main()\n", P2PTRACE_TEST_LIMIT_S="300")
        self.assertEqual((lines, code), (["ok 1 - A.test_a", "1..1"], 0))

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

    def test_a_seed_chooses_where_tests_stall(self):
        text = ("import unittest\nclass A(unittest.TestCase):\n def test_a(self):\n"
                + "".join(f"  self.x = {i}\n" for i in range(100)) + "unittest.main()\n")
        (self.directory / "tests/helpers").mkdir(parents=True)
        for name in ("unittest_tap.py", "supervise.py", "stalls.py"):
            shutil.copy(SOURCE / "tests/helpers" / name, self.directory / "tests/helpers")
        (self.directory / "tests/test.py").write_text(text, encoding="utf-8")

        def stalled(seed):
            done = self.run_(sys.executable, "tests/helpers/unittest_tap.py", "tests/test.py",
                             **(os.environ | {"P2PTRACE_TEST_STALLS": seed}))
            self.assertEqual((done.returncode, done.stdout), (0, "ok 1 - A.test_a\n1..1\n"), done.stderr)
            self.said = done.stderr
            return [line for line in done.stderr.splitlines() if line.startswith("stalls 0.")]
        self.assertEqual(stalled(""), [])
        self.assertTrue(stalled("7"))
        self.assertEqual(stalled("7"), stalled("7"))
        self.assertNotEqual(stalled("7"), stalled("8"))
        drawn = stalled("random")
        self.assertEqual(stalled(self.said.split("P2PTRACE_TEST_STALLS=")[1].split()[0]), drawn)


class SuiteInC(InADirectory):
    """tests/helpers/check: the order of Check's tests."""

    def order(self, seed):
        """The tests in the order in which they ran, and the exit code."""
        (self.directory / "file").unlink(missing_ok=True)
        done = self.run_(SUITE_IN_C, "file", **(os.environ | {"P2PTRACE_TEST_SHUFFLE": seed}))
        self.said = done.stderr.splitlines()
        return [line for line in self.said if "SHUFFLE" not in line], done.returncode

    def test_a_seed_chooses_the_order(self):
        plain, code = self.order("")
        self.assertEqual((plain, code), ([*(f"in_a_loop {i}" for i in range(20)), "makes_a_file", "needs_the_file", "in_another_case"], 0))
        self.assertEqual(self.order("7"), self.order("7"))
        self.assertNotEqual(self.order("7")[0], self.order("8")[0])
        self.assertEqual(sorted(self.order("7")[0]), sorted(plain))
        drawn = self.order("random")
        self.assertEqual(self.order(self.said[0].split("P2PTRACE_TEST_SHUFFLE=")[1]), drawn)

    def test_some_seeds_find_a_test_that_needs_another(self):
        for seed in range(8):
            with self.subTest(seed):
                order, code = self.order(str(seed))
                self.assertEqual(code, int(order.index("needs_the_file") < order.index("makes_a_file")))
        self.assertEqual({self.order(str(seed))[1] for seed in range(8)}, {0, 1})

    def test_cases_change_places(self):
        self.assertEqual({self.order(str(seed))[0].index("in_another_case") for seed in range(8)}, {0, 22})


class Supervisor(InADirectory):
    """The directories of a suite, and their removal.  `show` prints them."""
    show = 'echo "$TMPDIR $P2PTRACE_SHM_DIR"; '

    def setUp(self):
        super().setUp()
        self.bases = dict(os.environ, TMPDIR=str(self.directory / "t"), P2PTRACE_SHM_DIR=str(self.directory / "s"))
        for name in "ts":
            (self.directory / name).mkdir()

    def sh(self, script, **environment):
        """Runs the shell's script as a suite: its output, its messages, and its exit code."""
        done = self.run_(*SUPERVISOR, "sh", "-c", script, **(self.bases | environment))
        return done.stdout.split(), done.stderr.splitlines(), done.returncode

    def begin(self, script):
        """The same, but returns while it runs.  Its first line shows the directories."""
        suite = subprocess.Popen([*SUPERVISOR, "sh", "-c", self.show + script], env=self.bases, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(lambda: (suite.kill(), suite.wait(), suite.stdout.close()))
        return suite

    def left(self):
        return sorted(str(path) for path in self.directory.glob("[ts]/*"))

    def test_each_suite_has_two_directories_which_go_with_it(self):
        directories, said, code = self.sh(self.show + '[ -d "$TMPDIR" ] && [ -d "$P2PTRACE_SHM_DIR" ] || exit 3; cd / && rmdir "$TMPDIR"/a 2>/dev/null; true')
        self.assertEqual(([os.path.dirname(path) for path in directories], said, code), ([str(self.directory / name) for name in "ts"], [], 0))
        self.assertEqual(self.left(), [])
        self.assertNotEqual(self.sh(self.show)[0], directories)

    def test_files_left_by_a_suite_are_named_and_removed(self):
        for name in ("TMPDIR", "P2PTRACE_SHM_DIR"):
            with self.subTest(name):
                directories, said, code = self.sh(self.show + f'mkdir -p "${name}/a/b"; ln -s / "${name}/a/c"')
                path = directories[name != "TMPDIR"]
                self.assertEqual((said, code, self.left()), ([f"left behind: {path}/a"], 1, []))

    def test_a_failed_suite_keeps_its_exit_code_and_leaves_nothing(self):
        for script, code in (("exit 3", 3), ("exit 77", 77), ("kill -9 $$", 128 + signal.SIGKILL), ('chmod 0 "$TMPDIR"/a; kill $$', 128 + signal.SIGTERM)):
            with self.subTest(script):
                self.assertEqual(self.sh('mkdir -p "$TMPDIR/a/b"; touch "$P2PTRACE_SHM_DIR/c";' + script)[1:], ([], code))
                self.assertEqual(self.left(), [])

    def test_a_suite_that_cannot_start_says_so(self):
        done = self.run_(*SUPERVISOR, "./no-such-program")
        self.assertRegex(done.stderr, "^./no-such-program: .*No such file")
        self.assertEqual(done.returncode, 127)

    def test_a_suite_whose_supervisor_is_ended_leaves_nothing(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number):
                suite = self.begin('mkdir "$TMPDIR/a"; sleep 1011')
                directories = suite.stdout.readline().split()
                self.assertEqual(self.left(), sorted(directories))
                suite.send_signal(number)
                self.assertEqual((suite.wait(), self.left()), (128 + number, []))

    def test_the_next_supervisor_removes_what_a_killed_one_left_and_not_what_others_use(self):
        others = self.begin("exec sleep 1012").stdout.readline().split()
        killed = self.begin('touch "$TMPDIR/a"; exec sleep 1013')
        directories = killed.stdout.readline().split()
        killed.kill()
        self.assertEqual(killed.stdout.read(), "")  # the suite has ended with its supervisor
        self.assertEqual(self.left(), sorted(others + directories))
        (self.directory / "t/p2ptest-link").symlink_to("/")
        (self.directory / "t/mine").touch()
        self.assertEqual(self.sh("true")[1:], ([], 0))
        self.assertEqual(self.left(), sorted([*others, f"{self.directory}/t/p2ptest-link", f"{self.directory}/t/mine"]))

    def test_supervisors_that_start_together_leave_each_other_alone(self):
        suites = [self.begin("exec sleep 1014") for _ in range(8)]
        self.assertEqual(sorted(path for suite in suites for path in suite.stdout.readline().split()), self.left())

    def test_where_a_path_would_be_too_long_for_a_socket_the_usual_place_is_used(self):
        deep = self.directory / ("d" * 40)
        deep.mkdir()
        (files, shared), _, code = self.sh(self.show, TMPDIR=str(deep), P2PTRACE_SHM_DIR=str(deep))
        self.assertEqual((os.path.dirname(files), code), ("/tmp", 0))
        self.assertIn(os.path.dirname(shared), ("/dev/shm", "/tmp"))

    def test_where_there_is_little_shared_memory_rings_are_files(self):
        mounted = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=64M tmpfs s && exec "$@"', "sh"]
        if self.run_(*mounted, "true").returncode:
            self.skipTest("no file system can be mounted here")
        done = self.run_(*mounted, *SUPERVISOR, "sh", "-c", self.show, **self.bases)
        self.assertEqual([os.path.dirname(path) for path in done.stdout.split()], [self.bases["TMPDIR"]] * 2)

    def test_settings_of_the_user_do_not_reach_a_suite(self):
        names = ("P2PTRACE_CONFIG", "P2PTRACE_SOCKET", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "PAGER")
        got, _, _ = self.sh("env", **dict.fromkeys(names, "the-users"))
        self.assertEqual([line for line in got if "the-users" in line], [])


class ContinuousIntegration(InADirectory):
    """.ci/run with a fake ./dev."""

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

    def test_steps_that_succeed_although_nothing_ran_are_detected(self):
        causes, lines, code = self.run_ci(logs=False)
        self.assertEqual((causes, lines[-1], code), (["counting tests"], "0 passed, 0 failed", 1))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
