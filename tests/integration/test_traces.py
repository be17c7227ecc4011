#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whole traces by a filter, by age and by duration: `traces` and `inspector traces`, with a real traced and real nodes."""
import json
import os
import select
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import ProtocolTest, hex_id, until  # noqa: E402

ALICE, BOB, CAROL = hex_id(0xAA), hex_id(0xBB), hex_id(0xCC)
TRACES = 24


def trace_id(i):
    return "%032x" % (0x5EED << 64 | i)


class Traces(ProtocolTest):
    def setUp(self):
        super().setUp()
        self.client = self.start()
        self.alice, self.bob = self.place.node("alice", ALICE), self.place.node("bob", BOB)
        self.alice.do("app")
        self.bob.do("app")
        events = 0
        for i in range(TRACES):
            if i % 3:  # a request; every sixth does not end, and every sixth fails
                self.alice.do("start", trace_id(i), i, 0, 1 + i % 2)
                events += 1
            self.alice.do("packets", 1 + i % 5, trace_id(i), BOB if i % 2 else CAROL)
            events += 1 + i % 5
            if i % 4 == 0:
                self.bob.do("packets", 2, trace_id(i))
                events += 2
            if i % 3 and i % 6 != 1:
                self.alice.do("end", trace_id(i), i, 1 + i % 2, int(i % 6 != 2))
                events += 1
        self.place.settle(self.client, events)
        self.all = self.client.call("traces", limit=1000)["traces"]
        self.events = {trace["trace_id"]: self.client.call("query", trace_id=trace["trace_id"])["events"] for trace in self.all}
        self.assertEqual(len(self.all), TRACES)

    def test_requests_are_their_traces_added_up(self):
        """The figures of `requests` and of `count --value took` agree with the rows of `traces`."""
        def sums(traces):
            ended = [trace for trace in traces if trace["took"] is not None]
            took = sorted(trace["took"] for trace in ended)
            slowest = min((-trace["took"], trace["trace_id"]) for trace in ended)[1]
            return (len(ended), sum(trace["outcome"] == "failed" for trace in ended), len(traces) - len(ended), took[0], took[-1], sum(took), slowest)

        requests = [trace for trace in self.all if trace["app_id"]]
        answer = self.client.call("requests")
        self.assertEqual((answer["requests"], answer["open"], answer["rootless"], answer["lost"]),
                         (sum(t["took"] is not None for t in requests), sum(t["took"] is None for t in requests), 0, 0))
        self.assertEqual(len(answer["rows"]), 2)
        for row in answer["rows"]:
            mine = [trace for trace in requests if trace["command"] == row["group"]["command"]]
            self.assertEqual((row["count"], row["failed"], row["open"], row["took"]["min"], row["took"]["max"], row["took"]["sum"], row["slowest"]),
                             sums(mine))
            self.assertAlmostEqual(row["rate"], row["count"] / answer["seconds"], delta=1e-4 * row["rate"])
        counted = self.client.call("count", group_by="command", value="took", kind="app_end")["rows"]
        self.assertEqual({row["group"]["command"]: row["value"] for row in counted},
                         {row["group"]["command"]: row["took"] for row in answer["rows"]})
        failed = self.client.call("requests", filter="outcome == failed", group_by=["node", "command"])
        self.assertEqual({row["group"]["node_id"] for row in failed["rows"]}, {ALICE})
        self.assertEqual(sum(row["count"] for row in failed["rows"]), sum(row["failed"] for row in answer["rows"]))

    def test_the_inspector_shows_requests(self):
        def inspect(*args):
            done = subprocess.run([os.environ["INSPECTOR"], "requests", "--utc", *args, "--socket", self.place.path], text=True,
                                  capture_output=True, timeout=60, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            return done.stdout

        answer = self.client.call("requests")
        rows = [line.split() for line in inspect("--no-header").splitlines()]
        self.assertEqual([row[:3] for row in rows], [[row["group"]["app"], row["group"]["command"], str(row["count"])] for row in answer["rows"]])
        self.assertEqual([json.loads(line)["slowest"] for line in inspect("--json").splitlines()], [row["slowest"] for row in answer["rows"]])
        self.assertEqual(inspect("--by", "node", "--no-header").split()[0], "alice")
        self.assertRegex(inspect(), rf"{answer['requests']} requests in [^;]*; {answer['open']} more ha(s|ve) not ended")
        self.assertRegex(inspect("--where", "took > 1h"), r"\Ano request matches --where 'took > 1h'; the history has .*\n0 requests\n\Z")

    def test_two_traces_are_compared(self):
        """i = 4 is ok and also belongs to bob; i = 2 failed, and i = 5 has no end; all have the same command, or not."""
        def diff(a, b):
            done = subprocess.run([os.environ["INSPECTOR"], "diff", trace_id(a), trace_id(b), "--json", "--socket", self.place.path], text=True,
                                  capture_output=True, timeout=60, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            return [json.loads(line) for line in done.stdout.splitlines()]

        def of(lines, what):
            return [line for line in lines if line["diff"] == what]

        took = {trace["trace_id"]: trace["took"] for trace in self.all}
        lines = diff(4, 2)  # one command, which failed once
        self.assertEqual(lines[0], {"diff": "traces", "a": {"trace_id": trace_id(4), "took": took[trace_id(4)], "took_stepped": False, "steps": 2},
                                    "b": {"trace_id": trace_id(2), "took": took[trace_id(2)], "took_stepped": False, "steps": 2}})
        self.assertEqual([(line["step"], line["step_b"]) for line in of(lines, "otherwise")], [("< STORE_CHUNK ok", "< STORE_CHUNK FAILED")])
        self.assertEqual(of(lines, "only"), [])
        [parted] = of(lines, "parted")
        self.assertEqual((parted["node_id"], parted["a"], parted["b"], parted["by"]),
                         (ALICE, took[trace_id(4)], took[trace_id(2)], took[trace_id(2)] - took[trace_id(4)]))
        self.assertEqual(sum(line["a"] for line in of(lines, "place")), took[trace_id(4)])
        self.assertEqual(sum(line["b"] for line in of(lines, "place")), took[trace_id(2)])
        lines = diff(4, 1)  # another command, without an end
        self.assertEqual([(line["in"], line["step"]) for line in of(lines, "only")],
                         [("a", "> STORE_CHUNK"), ("a", "< STORE_CHUNK ok"), ("b", "> GET_CHUNK")])
        self.assertIsNone(lines[0]["b"]["took"])
        self.assertEqual(of(diff(4, 4), "parted") + of(diff(4, 4), "only") + of(diff(4, 4), "otherwise"), [])
        done = subprocess.run([os.environ["INSPECTOR"], "diff", trace_id(4), "7777", "--socket", self.place.path], text=True, capture_output=True,
                              timeout=60, check=False)
        self.assertEqual(done.returncode, 1)

    def ids(self, **params):
        answer = self.client.call("traces", **params)
        return [trace["trace_id"] for trace in answer["traces"]], answer["total"]

    def assert_traces(self, text, condition):
        """condition says whether the filter matches a trace with its events."""
        expected = [trace["trace_id"] for trace in self.all if condition(trace, self.events[trace["trace_id"]])]
        self.assertEqual(self.ids(filter=text, limit=1000), (expected, len(expected)), text)
        self.assertEqual(self.ids(filter=text, limit=2), (expected[:2], len(expected)), text)
        return len(expected)

    def test_a_filter_of_traces_selects_by_their_properties_and_events(self):
        def nums(events):
            return [event["data"]["packet_num"] for event in events if event["kind"] == "packet_sent"]

        cases = [
            ("nodes >= 2", lambda trace, events: len(trace["nodes"]) >= 2),
            ("events > 4 and nodes == 1", lambda trace, events: trace["events"] > 4 and len(trace["nodes"]) == 1),
            ("outcome == failed", lambda trace, events: trace["outcome"] == "failed"),
            ("unfinished", lambda trace, events: trace["outcome"] == "open"),
            ("outcome in {ok, failed}", lambda trace, events: trace["outcome"] in ("ok", "failed")),
            ("app == DMAP", lambda trace, events: trace["app_id"] == "DMAP"),
            ("app == DataMap and command == GET_CHUNK", lambda trace, events: trace["command"] == "GET_CHUNK"),
            ("cmd == 1", lambda trace, events: trace["cmd"] == 1),
            ("any app_start", lambda trace, events: any(event["kind"] == "app_start" for event in events)),
            ("any (packet_num > 10 and packet_num < 20)", lambda trace, events: any(10 < num < 20 for num in nums(events))),
            ("all packet_sent", lambda trace, events: all(event["kind"] == "packet_sent" for event in events)),
            ("count(packet_sent) > 3", lambda trace, events: len(nums(events)) > 3),
            ("count(node == bob) == 2 or not any peer == bob", lambda trace, events:
                sum(event["node_id"] == BOB for event in events) == 2 or not any(event["peer_id"] == BOB for event in events)),
            ("any node == bob and any (node == alice and command == GET_CHUNK)", lambda trace, events:
                any(event["node_id"] == BOB for event in events) and
                any(event["node_id"] == ALICE and event.get("command") == "GET_CHUNK" for event in events)),
            ("trace == %s" % trace_id(5), lambda trace, events: trace["trace_id"] == trace_id(5)),
            ("truncated", lambda trace, events: trace["truncated"]),
            ("age < 1h", lambda trace, events: True),
            ("age > 1h", lambda trace, events: False),
            ("last > -1h and duration >= 0ns", lambda trace, events: True),
        ]
        some = 0
        for text, condition in cases:
            some += 0 < self.assert_traces(text, condition) < TRACES
        self.assertGreater(some, 12)
        durations = sorted(trace["duration"] for trace in self.all)
        middle = durations[TRACES // 2]
        self.assert_traces("duration > %dns" % middle, lambda trace, events: trace["duration"] > middle)

    def test_a_filter_is_combined_with_the_other_params(self):
        of_app = [trace["trace_id"] for trace in self.all if trace["app_id"] and len(trace["nodes"]) > 1]
        self.assertEqual(self.ids(filter="nodes > 1", app="DMAP", limit=1000), (of_app, len(of_app)))
        self.assertEqual(self.ids(filter="nodes > 0", app="none"), ([], 0))
        self.assertEqual(self.ids(filter="nodes > 0", to="-1h"), ([], 0))

    def test_traces_come_in_the_requested_order(self):
        def ns(time):
            return time["timestamp"] * 1000 + time["ns"]

        oldest = [trace["trace_id"] for trace in sorted(self.all, key=lambda trace: (ns(trace["first"]), trace["trace_id"]))]
        slowest = [trace["trace_id"] for trace in sorted(self.all, key=lambda trace: (-trace["duration"], trace["trace_id"]))]
        self.assertEqual(self.ids(order="oldest", limit=1000), (oldest, TRACES))
        self.assertEqual(self.ids(order="slowest", limit=1000), (slowest, TRACES))
        self.assertEqual(self.ids(order="slowest", limit=3), (slowest[:3], TRACES))
        self.assertEqual(self.ids(order="newest", limit=1000), ([trace["trace_id"] for trace in self.all], TRACES))
        unfinished = {trace["trace_id"] for trace in self.all if trace["outcome"] == "open"}
        self.assertEqual(self.ids(order="oldest", filter="unfinished", limit=2),
                         ([id for id in oldest if id in unfinished][:2], len(unfinished)))

    def test_mistakes_are_reported(self):
        for params, param, suggestion in (({"filter": "packet_sent"}, "filter", "any packet_sent"), ({"filter": "nods > 3"}, "filter", "nodes"),
                                          ({"filter": "any (rrt > 5)"}, "filter", "rtt"), ({"order": "fastest"}, "order", None),
                                          ({"filter": "duration > 5KiB"}, "filter", None)):
            error = self.client.fail("traces", **params)
            self.assertEqual((error["code"], error["data"]["param"], error["data"].get("suggestion")), (-32602, param, suggestion), params)

    def inspect(self, *words):
        return subprocess.run([os.environ["INSPECTOR"], "traces", *words, "--socket", self.place.path], capture_output=True, text=True,
                              env=self.place.environment)

    def test_the_inspector_asks_so(self):
        done = self.inspect("--where", "nodes >= 2 and any app_end", "--order", "slowest", "--json")
        expected, _ = self.ids(filter="nodes >= 2 and any app_end", order="slowest")
        self.assertEqual([json.loads(line)["trace_id"] for line in done.stdout.splitlines()], expected)
        self.assertTrue(expected)
        done = self.inspect("--where", "nods >= 2")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("nods >= 2\n", done.stderr)
        self.assertIn("  ^~~~\n", done.stderr)
        done = self.inspect("--order", "fastest")
        self.assertEqual(done.returncode, 2)
        self.assertIn("newest, oldest or slowest", done.stderr)


class LongRequests(ProtocolTest):
    def setUp(self):
        super().setUp()
        self.client = self.start()
        alice = self.place.node("alice", ALICE)
        for first in range(0, 20_000, 500):
            for i in range(first, first + 500):
                alice.begin("packets", 3, trace_id(i))
            for _ in range(500):
                alice.finish()
        self.place.settle(self.client, 60_000)

    def attempt(self):
        """Six requests that examine every event of every trace, and one that does not; True if that one did not have to wait for any of them."""
        before = self.client.call("stats")["clients"]["requests"]
        long = [self.place.connect() for _ in range(6)]
        for connection in long:
            connection.send_raw(b'{"jsonrpc":"2.0","id":1,"method":"traces","params":{"filter":"all (packet_num < 1 or kind ~ *_sent)"}}\n')
        polls = 0  # are requests themselves, but need no worker
        while self.client.call("stats")["clients"]["requests"] < before + 6 + polls + 1:
            polls += 1
        self.client.call("nodes")
        answered = select.select([connection.socket for connection in long], [], [], 0)[0]
        for connection in long:
            self.assertEqual(connection.read_line()["result"]["total"], 20_000)
            connection.close()
            self.place.connections.remove(connection)
        return not answered

    def test_other_requests_do_not_wait_for_long_ones(self):
        until(self.attempt, "an answer between theirs")

    def test_a_client_that_goes_away_leaves_its_place_to_others(self):
        for _ in range(3):
            for _ in range(8):
                connection = self.place.connect()
                connection.send_raw(b'{"jsonrpc":"2.0","id":1,"method":"traces","params":{"filter":"events > 3"}}\n'
                                    b'{"jsonrpc":"2.0","id":2,"method":"count"}\n')
                connection.close()
                self.place.connections.remove(connection)
            self.assertEqual(self.client.call("traces", filter="events == 3")["total"], 20_000)
            self.assertEqual(self.client.call("count")["events"], 60_000)


if __name__ == "__main__":
    unittest.main(verbosity=2)
