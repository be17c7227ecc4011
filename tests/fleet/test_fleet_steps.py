#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A request during which the system time is set: a fleet answers as the recording that it was shipped from.

    test_fleet_steps.py SHIFTED_CLOCK TEST_NODE"""
import os
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
import test_clock_steps as clock_steps  # noqa: E402
from clickhouse import Servers, run, why_not  # noqa: E402


@unittest.skipIf(why_not(), why_not())
class Fleet:
    """Everything that test_clock_steps.py asks a recording, and its tests."""

    @classmethod
    def answers_elsewhere(cls, directory):
        servers = Servers(pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory())) / "servers")
        cls.addClassCleanup(servers.close)
        url = f"{servers[0].url}/stepped"
        for words in (["fleet", "init", url], ["ship", "--from", directory / "recorded", "--to", url, "--once", "--place", directory / "place", "--host", os.uname().nodename]):
            done = run(*words)
            assert done.returncode == 0, done
        cls.steps = servers[0].sql("SELECT number, before_ns, after_ns, slept, host FROM stepped.clock_steps FINAL")
        cls.numbers = servers[0].sql(f"SELECT kind, clock_steps FROM stepped.events WHERE trace = '{clock_steps.ACROSS}' ORDER BY sequence")
        return {"fleet": cls.answers(["--fleet", url])}

    def test_each_answer_is_that_of_the_recording(self):
        for name, answer in self.said["recorded"].items():
            with self.subTest(name):
                self.assertEqual(self.said["fleet"][name], answer)

    def test_the_tables_have_the_step(self):
        self.assertEqual(self.numbers, [["app_start", "0"], ["app_end", "1"]])
        ((number, before_ns, after_ns, slept, host),) = self.steps
        self.assertEqual((number, slept, host), ("1", "0", os.uname().nodename))
        self.assertLess(abs(int(after_ns) - int(before_ns) - self.STEP_NS), 10_000_000)


class Back(Fleet, clock_steps.Back):
    pass


class Forward(Fleet, clock_steps.Forward):
    pass


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
