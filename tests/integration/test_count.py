#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`count` over the socket against a count of the same events here, and `inspector count`: a real traced, real nodes."""
import collections
import json
import math
import os
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import ProtocolTest, hex_id, until  # noqa: E402

ALICE, BOB, CAROL = hex_id(0xAA), hex_id(0xBB), hex_id(0xCC)
TRACE_1, TRACE_2 = "11" * 16, "12" * 16
RTTS = [50, 200, 255, 256, 1_000, 150_000_000, 250_000_000, 2**62]


class CountTest(ProtocolTest):
    def setUp(self):
        super().setUp()
        self.client = self.start()
        self.alice, self.bob = self.place.node("alice", ALICE), self.place.node("bob", BOB)

    def emit(self):
        self.alice.do("packets", 10, TRACE_1, BOB)
        self.alice.do("packets", 5, TRACE_2, CAROL)
        self.bob.do("packets", 7)
        for rtt in RTTS:
            self.alice.do("metrics", rtt, 1, BOB)
            self.bob.do("metrics", rtt // 2, 1, CAROL)
        self.bob.do("app")
        self.bob.do("start", TRACE_1, 7, 0, 2)
        self.bob.do("command", TRACE_1, 7, 2, "x" * 36)
        self.bob.do("end", TRACE_1, 7, 2, 1)
        self.place.settle(self.client, 22 + 2 * len(RTTS) + 3)

    def events(self, **params):
        """All of them, by `query`."""
        events, cursor = [], {}
        while cursor is not None:
            answer = self.client.call("query", limit=7, **params, **({"cursor": cursor} if cursor else {}))
            events += answer["events"]
            cursor = answer["cursor"]
        return events


def field_of(event, name):
    """The value of a field, from the event's JSON."""
    short = {"node": "node_id", "peer": "peer_id", "trace": "trace_id", "time": "timestamp"}
    name = short.get(name, name)
    if name in ("app", "command"):
        return event.get(name)
    if name == "flags":
        return ",".join(event["flags"])
    return event[name] if name in event else event["data"].get(name.removeprefix("data."))


def quantile(values, share):
    """The nearest-rank percentile."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


class Count(CountTest):
    def setUp(self):
        super().setUp()
        self.emit()

    def assert_counted(self, fields, **params):
        answer = self.client.call("count", **({"group_by": fields} if fields else {}), **params)
        events = self.events(**params)
        expected = collections.Counter(tuple(field_of(event, name) for name in fields) for event in events)
        told = {tuple(row["group"][name] for name in fields): row["count"] for row in answer["rows"]}
        self.assertEqual(told, dict(expected), fields)
        self.assertEqual((answer["events"], answer["groups"], answer["ungrouped"]), (len(events), len(expected), 0))
        counts = [row["count"] for row in answer["rows"]]
        if not {"time", "timestamp"} & set(fields):
            self.assertEqual(counts, sorted(counts, reverse=True))
        for row in answer["rows"]:
            self.assertEqual(list(row["group"]), fields)

    def test_groups_agree_with_the_events(self):
        for fields in (["kind"], ["node"], ["node_id", "kind"], ["peer", "trace", "kind", "lane"], ["data.size"], ["rtt"], ["flags"],
                       ["app", "command"], ["space"], ["sequence"], ["timestamp"], ["ok"], ["span_id"], ["kind", "time"], []):
            self.assert_counted(fields)

    def test_it_takes_the_filters_of_query(self):
        for params in ({"kind": "packet_sent"}, {"node_id": "bob"}, {"peer_id": CAROL, "kind": ["metrics", "packet_sent"]},
                       {"trace_id": TRACE_1}, {"filter": "rtt > 100ms or packet_num < 3"}, {"from": "-1h"}, {"to": "-1h"},
                       {"filter": "app_start"}, {"filter": "peer == carol", "node_id": "alice"}):
            if params.get("filter") != "peer == carol":
                self.assert_counted(["kind", "peer"], **params)
        answer = self.client.call("count", to="-1h", group_by="kind")
        self.assertEqual((answer["events"], answer["rows"], answer["seconds"]), (0, [], None))
        self.assertEqual(self.client.call("count", to="-1h")["rows"], [])

    def test_percentiles_are_exact_below_256_and_never_below_nor_much_above(self):
        for params, name in (({}, "rtt"), ({"node_id": "bob"}, "rtt"), ({"kind": "packet_sent"}, "size"), ({}, "data.packet_num")):
            answer = self.client.call("count", group_by="kind", value=name, **params)
            events = self.events(**params)
            for row in answer["rows"]:
                of_kind = [field_of(event, name) for event in events if event["kind"] == row["group"]["kind"]]
                values = [value for value in of_kind if value is not None]
                if not values:
                    self.assertIsNone(row["value"])
                    continue
                value = row["value"]
                self.assertEqual((value["count"], value["min"], value["max"]), (len(values), min(values), max(values)))
                self.assertEqual(value["mean"], (sum(values) + len(values) // 2) // len(values))
                for key, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
                    exact = quantile(values, share)
                    self.assertTrue(exact <= value[key] <= exact + exact // 128 and value[key] <= max(values), (key, row))
        self.assertEqual(self.client.call("count", value="rtt")["value"], {"field": "rtt", "unit": "ns"})
        self.assertEqual(self.client.call("count", value="size")["value"], {"field": "size", "unit": "bytes"})

    def test_a_histogram_has_every_number_in_its_bucket(self):
        row, = self.client.call("count", kind="metrics", node_id="alice", value="rtt", histogram=True)["rows"]
        for bucket in row["histogram"]:
            inside = [rtt for rtt in RTTS if bucket["low"] <= rtt <= bucket["high"]]
            self.assertEqual(len(inside), bucket["count"], bucket)
            self.assertLessEqual(bucket["high"] - bucket["low"], bucket["low"] // 128)
        self.assertEqual(sum(bucket["count"] for bucket in row["histogram"]), len(RTTS))
        lows = [bucket["low"] for bucket in row["histogram"]]
        self.assertEqual(lows, sorted(lows))

    def test_an_applications_fields_are_known_by_its_names(self):
        answer = self.client.call("count", group_by=["DMAP.key", "command"], filter="app == DMAP")
        groups = {(row["group"]["DMAP.key"], row["group"]["command"]): row["count"] for row in answer["rows"]}
        self.assertEqual(groups, {("xxxxxxxx", "GET_CHUNK"): 1, (None, "GET_CHUNK"): 2})

    def test_limit_keeps_the_largest_groups_and_the_newest_of_time(self):
        answer = self.client.call("count", group_by="kind", limit=1)
        self.assertEqual([row["group"]["kind"] for row in answer["rows"]], ["packet_sent"])
        self.assertEqual(answer["groups"], 5)
        times = sorted(event["timestamp"] for event in self.events())
        answer = self.client.call("count", group_by="time", limit=2)
        self.assertEqual([row["group"]["time"] for row in answer["rows"]], sorted(set(times))[-2:])
        by_hour = self.client.call("count", group_by="time/1h")["rows"]
        expected = collections.Counter(time - time % 3_600_000_000 for time in times)
        self.assertEqual({row["group"]["time/1h"]: row["count"] for row in by_hour}, dict(expected))

    def test_rates_are_of_the_time_that_was_asked_for(self):
        events = self.events()
        stamps = [event["timestamp"] * 1000 + event["ns"] for event in events]
        answer = self.client.call("count", group_by="node")
        self.assertEqual(round(answer["seconds"] * 1e9), max(stamps) - min(stamps))
        for row in answer["rows"]:
            self.assertAlmostEqual(row["rate"] * answer["seconds"] / row["count"], 1, places=4)
        first, last = min(stamps) // 1000, max(stamps) // 1000 + 1
        answer = self.client.call("count", **{"from": first, "to": last})
        self.assertEqual(answer["events"], len(events))
        self.assertAlmostEqual(answer["seconds"] * 1e6, last - first, delta=1)
        answer = self.client.call("count", **{"from": "-1h"})  # the history is younger
        self.assertLess(answer["seconds"], 600)
        one = self.client.call("count", kind="app_start")
        self.assertEqual((one["events"], one["seconds"], one["rows"][0]["rate"]), (1, None, None))

    def test_mistakes_are_reported(self):
        cases = [({"group_by": "knid"}, "group_by", "kind"), ({"group_by": ["kind", "kind"]}, "group_by", None),
                 ({"group_by": ["a"] * 5}, "group_by", None), ({"value": "kind"}, "value", None), ({"value": "rt"}, "value", "rtt"),
                 ({"histogram": True}, "histogram", None), ({"group_by": []}, "group_by", None), ({"limit": 0}, "limit", None),
                 ({"filter": "rrt > 5"}, "filter", "rtt"), ({"by": "kind"}, "by", None), ({"from": "yesterday"}, "from", None)]
        for params, param, suggestion in cases:
            error = self.client.fail("count", **params)
            self.assertEqual((error["code"], error["data"]["param"], error["data"].get("suggestion")), (-32602, param, suggestion), params)

    def test_explain_reports_the_index(self):
        self.assertEqual(self.client.call("count", trace_id=TRACE_2, explain=True)["explain"], {"index": "trace", "examined": 5})
        self.assertEqual(self.client.call("count", filter="rtt > 1ns", explain=True)["explain"]["index"], "kind")

    def inspect(self, *words):
        return subprocess.run([os.environ["INSPECTOR"], "count", *words, "--socket", self.place.path], capture_output=True, text=True,
                              env=self.place.environment)

    def test_the_inspector_shows_it(self):
        done = self.inspect("--by", "kind,peer", "--value", "rtt", "--no-header")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        rows = [line.split() for line in done.stdout.splitlines()]
        self.assertIn(["packet_sent", "bob", "10"], [row[:3] for row in rows])
        self.assertIn(["metrics", "cccccccc", "8"], [row[:3] for row in rows])
        done = self.inspect("--hist", "rtt", "--by", "node")
        self.assertEqual(done.stdout.count("8 values"), 2)
        self.assertEqual(done.returncode, 0)
        answer = json.loads(self.inspect("--by", "kind", "--json", "--where", "size > 1KiB").stdout)
        self.assertEqual([(row["group"]["kind"], row["count"]) for row in answer["rows"]], [("packet_sent", 22)])
        done = self.inspect("--by", "kind", "--value", "rtt", "--hist", "rtt")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        done = self.inspect("--hist", "rtt", "--by", "kind")  # the largest group has no rtt
        self.assertTrue(done.stdout.startswith("kind metrics: 16 values"), done.stdout)
        done = self.inspect("--by", ",")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("--by ,: a list of names", done.stderr)
        done = self.inspect("--by", "time/1us", "--limit", "1")
        self.assertIn("; the 1 newest of ", done.stdout)
        done = self.inspect("--by", "knid")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn('--by: there is no field or kind "knid"; did you mean "kind"?', done.stderr)


class Limits(CountTest):
    def test_more_groups_than_are_kept_are_counted_together(self):
        self.alice.do("packets", 40_000)
        self.place.settle(self.client, 40_000)
        self.alice.do("packets", 40_000)
        self.place.settle(self.client, 80_000)
        answer = self.client.call("count", group_by="packet_num", limit=3)
        self.assertEqual((answer["events"], answer["groups"], len(answer["rows"])), (80_000, 65_536, 3))
        self.assertEqual(answer["ungrouped"], 80_000 - 65_536)

    def test_losses_are_reported_for_the_nodes_asked_about(self):
        self.place.hold()
        self.alice.do("packets", 200_000)
        self.bob.do("packets", 10)
        self.place.traced.send_signal(signal.SIGCONT)

        emitted = {"alice": 200_000, "bob": 10}

        def settled():
            nodes = {node["name"]: node for node in self.client.call("nodes")["nodes"]}
            return {name: node["indexed"] + node["lost"] for name, node in nodes.items()} == emitted and nodes

        lost = until(settled, "all events")["alice"]["lost"]
        self.assertGreater(lost, 100_000)
        answer = self.client.call("count", kind="packet_sent")
        self.assertEqual((answer["events"] + answer["lost"], answer["lost"]), (200_010, lost))
        self.assertEqual(self.client.call("count", node_id="bob")["lost"], 0)
        self.assertEqual(self.client.call("count", node_id="alice")["lost"], lost)
        self.assertEqual(self.client.call("count", to="-1h")["lost"], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
