#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A program that queries itself gets the same answers as from traced; and the example at the top of p2ptrace/query.h compiles.

    test_self_query.py SOURCE_ROOT SELF_QUERY TRACED"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

from daemon import Traced

SOURCE, SELF_QUERY, TRACED = (pathlib.Path(arg).resolve() for arg in sys.argv[1:4])


class SelfQuery(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(dir=os.environ["P2PTRACE_SHM_DIR"])))

    def test_its_json_is_traced_s_and_its_timelines_show_the_failures(self):
        traced = Traced(TRACED, self.directory, ["--history", "64MiB"])
        self.addCleanup(traced.end)
        done = subprocess.run([SELF_QUERY], env={"P2PTRACE_SHM_DIR": str(traced.shm_dir)}, capture_output=True, text=True,
                              timeout=60, check=True)
        traced.wait_drained(["me"], key="name")
        said = traced.ask("query", limit=3, order="desc")["events"][::-1]
        first, *lines = done.stdout.splitlines()
        self.assertEqual(first, "2 requests failed")
        own = [json.loads(line) for line in lines]
        for a, b in zip(own, said):
            apart = (a.pop("timestamp") - b.pop("timestamp")) * 1000 + a.pop("ns") - b.pop("ns")
            self.assertLess(abs(apart), 1000000)  # two calibrations of one counter
        self.assertEqual(own, said)
        self.assertEqual(len(own), 3)
        self.assertEqual(len(re.findall(r"^me: trace [0-9a-f]{32}: 7 of 7 events;", done.stderr, re.M)), 2)
        self.assertEqual(len(re.findall(r"packet_lost packet_num=(?:10|22) ", done.stderr)), 2)
        self.assertIn("2 packets lost\n", done.stderr)

    def test_the_example_of_the_header_compiles_on_and_off(self):
        head = (SOURCE / "libtrace/include/p2ptrace/query.h").read_text(encoding="utf-8").split("*/")[0]
        [example] = re.findall(r"^ \*     TRACE_DUMP.*?trace_query_close.*?\}\)$", head, re.M | re.S)
        code = ("#include <p2ptrace/query.h>\nvoid look_at(const struct trace_event *event);\nvoid example(PARAMETERS);\n"
                "void example(PARAMETERS) {\n" + re.sub(r"^ \*", "", example, flags=re.M) + "\n}\n")
        include = [f"-I{SOURCE / name}" for name in ("libtrace/include", "proto/include", "proto")]
        for parameters in (["-DPARAMETERS=void"], ["-DPARAMETERS=struct trace_log *log, struct trace_context request", "-DTRACE_FULL"]):
            subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", *parameters, *include, "-x", "c", "-", "-c", "-o",
                            "/dev/null"], input=code, text=True, check=True)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
