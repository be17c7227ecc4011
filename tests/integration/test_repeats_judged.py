#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""inspector analyze and top over what several runs of traced have recorded, or several recordings of the same events: they conclude
what they conclude live, from each event once."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "inspector"))
from harness import ProtocolTest, hex_id, until  # noqa: E402
from screen import Screen, TYPE  # noqa: E402

MEMBERS = ("finding", "severity", "node_id", "peer_id", "count", "of", "command", "trace_id")
INSPECTOR = os.environ["INSPECTOR"]
ALICE, BOB, CAROL = hex_id(0xAA), hex_id(0xBB), hex_id(0xCC)
RUNS = 3
REQUESTS = 20  # of each run; every fifth fails, and the last one of each run stays open
PACKETS = 300
SHARED = hex_id(0x5EED, 32)  # a trace with events of every run


class RepeatsJudged(ProtocolTest):
    def setUp(self):
        super().setUp()
        self.dir = pathlib.Path(self.place.directory) / "recorded"

    def inspect(self, *args):
        done = subprocess.run([INSPECTOR, *map(str, args)], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
                              env=self.place.environment)
        self.assertEqual(done.stderr, "", args)
        return done.stdout

    def judge(self, *args):
        """The findings without their times: each run maps ticks to Unix time anew.  Events are named by their sequence.  Whether a
        request has been open for long depends on the time that this test takes."""
        *lines, summary = [json.loads(line) for line in self.inspect("analyze", "--json", "--summary", *args).splitlines()]
        lines = [line for line in lines if line["finding"] != "request_open"]
        findings = [{key: value for key, value in line.items() if key in MEMBERS} for line in lines]
        for finding, line in zip(findings, lines):
            finding["sequences"] = [event["sequence"] for event in line["evidence"]]
        return findings, {key: value for key, value in summary.items() if isinstance(value, int) and key != "findings"}

    def work(self, node, number):
        for request in range(REQUESTS):
            trace = hex_id(1000 * number + request + 1, 32)
            node.do("start", trace, 1, 0, 2)
            node.do("packets", 2, trace, BOB)
            if request < REQUESTS - 1:
                node.do("end", trace, 1, 2, int(request % 5 != 0))
        node.do("packets", PACKETS, SHARED, CAROL)

    def record(self):
        """Three runs of traced, of which each reads again all that is in the ring; the last one has all events, and is asked."""
        node = self.place.node("alice", ALICE)
        node.do("app")
        for number in range(RUNS):
            client = self.start("--history", "256M", "--record", str(self.dir), "--record-seal", "1s")
            self.work(node, number)
            total = (number + 1) * (4 * REQUESTS - 1 + PACKETS)
            self.place.settle(client, total)
            if number < RUNS - 1:
                until(lambda: client.call("stats")["record"]["events"] >= total, "the events to be written")
                self.place.stop(signal.SIGKILL if number else signal.SIGTERM)
        return node, client, total

    def test_analyze_concludes_what_it_concludes_live(self):
        node, client, total = self.record()
        node.close()
        until(lambda: client.call("nodes")["nodes"][0]["state"] == "exited", "alice to end")
        live, coverage = self.judge()
        self.assertEqual((coverage["requests"], coverage["requests_whole"]), (RUNS * REQUESTS, RUNS * (REQUESTS - 1)))
        failed = [finding for finding in live if finding["finding"] == "requests_failed"]  # by what they waited for
        self.assertEqual(sum(finding["count"] for finding in failed), RUNS * 4)
        self.assertEqual({finding["of"] for finding in failed}, {RUNS * (REQUESTS - 1)})
        one = pathlib.Path(self.place.directory) / "one.p2rec"
        self.inspect("record", "-o", one, "--from", "0", "--count", total)
        self.place.stop(signal.SIGTERM)
        files = sorted(self.dir.glob("*.p2rec"))
        self.assertGreaterEqual(len(files), RUNS)
        for paths in ([self.dir], files[::-1], [self.dir, one], [one, one], [one, self.dir, files[0]]):
            with self.subTest(paths=paths):
                reads = [word for path in paths for word in ("--read", path)]
                self.assertEqual(self.judge(*reads), (live, coverage))
                answer, = [json.loads(line) for line in self.inspect("count", "--by", "node", "--json", *reads).splitlines()]
                self.assertEqual(answer["events"], total)

    def test_top_counts_each_event_once(self):
        self.record()
        self.place.stop(signal.SIGTERM)
        for paths in ([self.dir], sorted(self.dir.glob("*.p2rec"))[::-1]):
            with self.subTest(paths=paths):
                screen = Screen([INSPECTOR, "top", *[word for path in paths for word in ("--read", str(path))]],
                                self.place.environment | {"LC_ALL": "C.UTF-8", "TERM": TYPE}, columns=160)
                self.addCleanup(screen.__exit__)
                traces = RUNS * REQUESTS + 1
                screen.wait_for_lines({1: rf"^at .*, the end of .*, {traces} traces$"})
                screen.send("5")
                screen.send("/5eed" if SHARED.startswith("5eed") else "/" + SHARED[:8])
                screen.wait_for_lines({4: rf"^>.* {RUNS * PACKETS}  "})
                screen.send("q")
                screen.send("escape")
                screen.send("q")
                screen.wait_for_end()


if __name__ == "__main__":
    unittest.main(verbosity=2)
