#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A request during which the system time is set: every view reports that, marks its durations, and draws no conclusion
from them.  Live, and
from a recording.  The clock is that of tests/helpers/shifted_clock.c; the node has the true one, which its ticks do not show.

    test_clock_steps.py SHIFTED_CLOCK TEST_NODE"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from daemon import Traced, wait_for  # noqa: E402
from nodes import PATIENCE_S  # noqa: E402

SHIFTED_CLOCK, TEST_NODE = (pathlib.Path(arg).resolve() if arg else None for arg in sys.argv[1:3])
INSPECTOR, TRACED = os.environ["INSPECTOR"], os.environ["TRACED"]
NODE = "a1" * 32
ACROSS, BEFORE, AFTER = ("%032x" % number for number in (0xace, 0xbef, 0xafe))
SECOND = 1_000_000_000


def inspect(*args):
    done = subprocess.run([INSPECTOR, *map(str, args)], capture_output=True, text=True, timeout=PATIENCE_S, stdin=subprocess.DEVNULL,
                          env=dict(os.environ, LC_ALL="C.UTF-8"))
    assert done.returncode == 0, (args, done.returncode, done.stderr[:1000])
    return done.stdout


def rows(*args):
    return [json.loads(line) for line in inspect(*args, "--json").splitlines()]


class Step:
    """Common to all steps of the clock; the classes below define their size."""

    @classmethod
    def setUpClass(cls):
        if not SHIFTED_CLOCK:
            raise unittest.SkipTest("sanitizers must be loaded first, and so must the other clock")
        directory = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        file = directory / "step"
        env = dict(os.environ, LD_PRELOAD=str(SHIFTED_CLOCK), SHIFT_NS="0", SHIFT_STEP_NS=str(cls.STEP_NS), SHIFT_STEP_FILE=str(file))
        cls.traced = Traced(TRACED, directory, ["--record", str(directory / "recorded")], env=env)
        node = subprocess.Popen([TEST_NODE, "alice", NODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                env=dict(os.environ, P2PTRACE_SHM_DIR=str(cls.traced.shm_dir)))

        def tell(*commands):
            for command in commands:
                print(command, file=node.stdin, flush=True)
                assert node.stdout.readline().strip() == "ok", command

        try:
            tell("app", f"start {BEFORE} 1 0 2", f"end {BEFORE} 1 2 1", f"start {ACROSS} 2 0 2")
            cls.traced.settle()
            file.touch()
            wait_for(lambda: cls.traced.ask("stats")["clock"]["steps"] == 1, "the step to be noticed")
            tell(f"end {ACROSS} 2 2 1", f"start {AFTER} 3 0 2", f"end {AFTER} 3 2 1", "close")
        finally:
            node.stdin.close()
            node.stdout.close()
            node.wait(PATIENCE_S)
        cls.traced.wait_drained([NODE])
        cls.clock = cls.traced.ask("stats")["clock"]
        cls.live = ["--socket", str(cls.traced.socket_path)]
        said, cls.sql_said = cls.answers(cls.live), {"live": cls.sql_answers(cls.live)}
        cls.traced.end()
        cls.said = {"live": said, "recorded": cls.answers(["--read", directory / "recorded"])}
        inspect("record", "-o", directory / "copy.p2rec", "--read", directory / "recorded")
        cls.said["copied"] = cls.answers(["--read", directory / "copy.p2rec"])
        cls.sql_said.update((source, cls.sql_answers(["--read", directory / name])) for source, name in (("recorded", "recorded"), ("copied", "copy.p2rec")))
        cls.said.update(cls.answers_elsewhere(directory))

    @classmethod
    def answers_elsewhere(cls, directory):
        """For tests/fleet/test_fleet_steps.py: of other sources that have what was recorded there, by their names."""
        return {}

    @staticmethod
    def answers(source):
        return {"traces": {row["trace_id"]: row for row in rows("traces", *source)}, "table": inspect("traces", *source),
                "trace": inspect("trace", ACROSS, *source), "graph": inspect("trace", ACROSS, "--graph", *source),
                "other": inspect("trace", AFTER, *source), "analyze": inspect("analyze", *source),
                "about": inspect("analyze", "trace", ACROSS, *source), "nodes": inspect("nodes", "--json", *source),
                "requests": rows("requests", *source), "took": rows("count", "--value", "took", *source),
                "requests table": inspect("requests", *source), "took table": inspect("count", "--value", "took", *source),
                "trace lines": rows("trace", ACROSS, "--summary", *source), "other lines": rows("trace", AFTER, "--summary", *source),
                "analyze lines": rows("analyze", "--summary", *source), "diff": inspect("diff", ACROSS, AFTER, *source),
                "diff lines": rows("diff", ACROSS, AFTER, *source),
                "slowest": rows("traces", "--order", "slowest", *source), "long": rows("traces", "--where", "duration >= 0 or took >= 0", *source),
                "events": rows("range", "0", "2100-01-01", *source)}

    @staticmethod
    def sql_answers(source):
        return {"traces": rows("sql", "select trace_id, took, duration, took_stepped from traces where took_stepped", *source),
                "events": rows("sql", f"select kind, coalesce(clock_steps, 0) as steps from events where trace_id = '{ACROSS}' order by sequence", *source)}

    def test_stats_list_it(self):
        self.assertEqual(self.clock["steps"], 1)
        (step,) = self.clock["recent"]
        self.assertEqual((step["kind"], step["number"], len(step["machine"])), ("step", 1, 32))
        self.assertLess(abs(step["step"] - self.STEP_NS), 10_000_000)

    def test_events_say_which_side_they_are_on(self):
        for source, said in self.said.items():
            numbers = [(event["kind"], event.get("clock_steps", 0)) for event in said["events"] if event["trace_id"] == ACROSS]
            self.assertEqual(sorted(numbers), [("app_end", 1), ("app_start", 0)], source)

    def test_the_request_across_it_is_marked_and_no_other(self):
        for source, said in self.said.items():
            self.assertEqual({trace for trace, row in said["traces"].items() if row.get("duration_stepped")}, {ACROSS}, source)
            self.assertEqual({trace for trace, row in said["traces"].items() if row.get("took_stepped")}, {ACROSS}, source)
            self.assertEqual(said["table"].count("?"), 2, source)
            self.assertEqual([said["traces"][ACROSS][name] for name in ("took", "duration")], [None, None], source)

    def test_the_head_of_a_trace_says_it(self):
        for source, said in self.said.items():
            for view in ("trace", "graph"):
                self.assertRegex(said[view], rf"! the clock was set {self.SIZE} after [+0-9.a-z ]+: times across it are not exact", source)
            self.assertNotIn("! the clock", said["other"], source)

    def test_analyze_says_it_and_finds_nothing(self):
        for source, said in self.said.items():
            for view in ("analyze", "about"):
                self.assertRegex(said[view], rf"! the clock was set {self.SIZE} after .*: times across it were not judged", source)
                self.assertIn("nothing found", said[view], source)

    def test_sums_leave_it_out(self):
        for source, said in self.said.items():
            self.assertEqual(sum(row["took"]["count"] for row in said["requests"] if "took" in row), 2, source)
            self.assertLess(max(row["took"]["max"] for row in said["requests"] if "took" in row), SECOND, source)
            self.assertEqual([row["took_stepped"] for row in said["requests"]], [1, 1], source) # of the row, and in total
            self.assertEqual((said["took"][0]["rows"][0]["value"]["count"], said["took"][0]["took_stepped"]), (2, 1), source)
            for table in ("requests table", "took table"):
                self.assertRegex(said[table], r"left out.*because the clock was stepped meanwhile: 1 request\n", source)

    def test_data_of_the_whole_says_it(self):
        for source, said in self.said.items():
            *events, whole = said["trace lines"]
            self.assertEqual([event["kind"] for event in sorted(events, key=lambda event: event["sequence"])], ["app_start", "app_end"], source)
            self.assertEqual((whole["trace"], whole["outcome"], whole["events"]), (ACROSS, "ok", 2), source)
            self.assertEqual((whole["took"], whole["duration"], whole["took_stepped"], whole["duration_stepped"]), (None, None, True, True), source)
            *_, other = said["other lines"]
            self.assertEqual((other["took_stepped"], other["duration_stepped"], len(other["time"])), (False, False, 1), source)
            self.assertEqual(sum(place["duration"] for place in other["time"]), other["took"], source)
            (whole,) = said["analyze lines"]
            self.assertEqual((whole["analyzed"], whole["about"], whole["findings"], whole["clock_steps"]), ("events", None, 0, 1), source)

    def test_two_requests_are_not_compared_across_it(self):
        for source, said in self.said.items():
            head, *rest = said["diff lines"]
            self.assertEqual((head["a"]["took"], head["a"]["took_stepped"], head["b"]["took_stepped"]), (None, True, False), source)
            self.assertNotIn("parted", [line["diff"] for line in rest], source)
            self.assertIn("! the clock was stepped during a: times across it are not compared", said["diff"], source)

    def test_sql_has_no_duration_of_it(self):
        for source, said in self.sql_said.items():
            self.assertEqual(said["traces"], [{"trace_id": ACROSS, "took": None, "duration": None, "took_stepped": 1}], source)
            self.assertEqual(said["events"], [{"kind": "app_start", "steps": 0}, {"kind": "app_end", "steps": 1}], source)

    def test_it_is_not_the_slowest_and_matches_no_duration(self):
        for source, said in self.said.items():
            self.assertEqual(said["slowest"][-1]["trace_id"], ACROSS, source)
            self.assertNotIn(ACROSS, [row["trace_id"] for row in said["long"]], source)


class Back(Step, unittest.TestCase):
    STEP_NS, SIZE = -3200 * 1_000_000, r"3\.20 s back"


class Forward(Step, unittest.TestCase):
    STEP_NS, SIZE = 3600 * SECOND, r"1h00m forward"


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
