#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""traced --keep: matching traces are kept while others are evicted.  Real traced with a judging thread, real nodes, a recording."""
import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import ProtocolTest, hex_id, until  # noqa: E402

ALICE, BOB = hex_id(0xAA), hex_id(0xBB)
FILTER = "outcome == failed"
FAILED = ["f%031x" % i for i in range(1, 21)]
FINE = ["e%031x" % i for i in range(1, 21)]


class Keep(ProtocolTest):
    def request(self, trace, number, ok):
        """A trace of twelve events, at two nodes."""
        self.alice.do("start", trace, number, 0, 1)
        self.alice.do("packets", 5, trace, BOB)
        self.bob.do("packets", 5, trace, ALICE)
        self.alice.do("end", trace, number, 1, ok)
        self.events += 12

    def flood(self, node):
        """As many events as any ring holds.  Waits until all are indexed, and those of full segments recorded."""
        self.number += 1
        node.do("packets", 5000, "%032x" % self.number, BOB)
        self.events += 5000
        self.place.settle(self.client, self.events)
        until(lambda: self.client.call("stats")["record"]["events"] > self.events - self.segment_events, "full segments to be recorded")

    def history(self):
        return self.client.call("stats")["history"]

    def inspect(self, *args):
        done = subprocess.run([os.environ["INSPECTOR"], *args], text=True, capture_output=True, timeout=60, env=self.place.environment)
        return done.stdout + done.stderr

    def test_failed_requests_stay_whole(self):
        record = os.path.join(self.place.directory, "record")
        self.client = self.start("--history", "100M", "--keep", FILTER, "--record", record)
        self.alice, self.bob = self.place.node("alice", ALICE), self.place.node("bob", BOB)
        self.alice.do("app")
        self.events = self.number = 0
        self.segment_events = self.history()["events_max"] // self.history()["segments_max"]
        for i, (failed, fine) in enumerate(zip(FAILED, FINE)):
            self.request(failed, 2 * i + 1, 0)
            self.request(fine, 2 * i + 2, 1)
        self.assertEqual(self.history()["keep"], {"filter": FILTER, "traces": 0, "events": 0, "events_max": self.history()["events_max"] // 8,
                                                  "given_up": 0, "unjudged": 0, "events_lost": 0})
        while self.history()["segments"] < self.history()["segments_max"] - 1:
            self.flood(self.alice)
        until(lambda: self.history()["keep"]["traces"] == len(FAILED), "the failed traces to be judged")
        self.assertIn("20 traces are kept longer, all that matched", self.inspect("doctor", "--all"))
        while self.history()["evicted"] < 2 * self.history()["events_max"]:
            self.flood(self.alice)
            self.flood(self.bob)

        rows = {row["trace_id"]: row for row in self.client.call("traces", filter=FILTER, limit=100)["traces"]}
        self.assertEqual(sorted(rows), FAILED)
        for trace, row in rows.items():
            self.assertEqual((row["events"], row["truncated"], len(row["nodes"])), (12, False, 2))
            events = self.client.call("query", trace_id=trace)["events"]
            self.assertEqual([event["kind"] for event in events], ["app_start"] + ["packet_sent"] * 10 + ["app_end"])
        self.assertEqual(self.client.call("traces", filter="outcome == ok")["total"], 0)
        keep = self.history()["keep"]
        self.assertEqual((keep["traces"], keep["events"], keep["given_up"], keep["events_lost"]), (20, 240, 0, 0))
        self.assertIn("20 traces of 240 events (at most %d) stay longer: %s" % (keep["events_max"], FILTER), self.inspect("stats"))
        # On a slow machine traces of the flood may be evicted before they are judged.
        unjudged = keep["unjudged"]
        self.assertIn("%d traces were evicted before it was known whether they match --keep" % unjudged if unjudged else
                      "20 traces are kept longer, all that matched", self.inspect("doctor", "--all"))

        record_stats = self.client.call("stats")["record"]
        self.assertEqual((record_stats["dropped_segments"], record_stats["dropped_events"]), (0, 0))
        self.assertEqual(self.place.stop()[0], 0)
        for trace in FAILED[:3] + FINE[:3]:
            events = [json.loads(line) for line in self.inspect("recent", "--read", record, "-n", "100", "--where", "trace == " + trace, "--json").splitlines()]
            self.assertEqual(sum("kind" in event for event in events), 12)

    def test_stats_have_nothing_of_it_without_the_option(self):
        self.client = self.start()
        self.assertIsNone(self.history()["keep"])
        self.assertNotIn("stay longer", self.inspect("stats"))

    def test_a_wrong_filter_is_a_wrong_command_line(self):
        process = self.place.spawn("--keep", "outcome == failed and")
        _, text = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 2)
        self.assertIn("--keep, at byte 21: ", text.decode())


if __name__ == "__main__":
    unittest.main(verbosity=2)
