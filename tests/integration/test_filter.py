#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The filter language (docs/filter.md) over the socket and in the inspector: a real traced, real nodes.  What a filter means is
tests/proto/test_filter.c's."""
import json
import os
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import ProtocolTest, hex_id, until  # noqa: E402

ALICE, BOB, CAROL = hex_id(0xAA), "ab" + hex_id(0xBB)[2:], hex_id(0xCC)
TRACE_1, TRACE_2 = "11" * 16, "12" * 16


class FilterTest(ProtocolTest):
    def setUp(self):
        super().setUp()
        self.client = self.start()

    def emit(self):
        """10 packets of trace 1 to bob, 5 of trace 2 to carol, three samples, and one part of a request at bob."""
        self.alice, self.bob = self.place.node("alice", ALICE), self.place.node("bob", BOB)
        self.alice.do("packets", 10, TRACE_1, BOB)
        self.alice.do("packets", 5, TRACE_2, CAROL)
        for rtt in (50_000_000, 150_000_000, 250_000_000):
            self.alice.do("metrics", rtt, 1_000_000, BOB)
        self.bob.do("app")
        self.bob.do("start", TRACE_1, 7, 0, 2)
        self.bob.do("command", TRACE_1, 7, 2, "x" * 36)
        self.bob.do("end", TRACE_1, 7, 2, 1)
        self.place.settle(self.client, 21)

    def count(self, text, **params):
        return len(self.client.call("query", filter=text, **params)["events"])


class Query(FilterTest):
    def setUp(self):
        super().setUp()
        self.emit()

    def test_a_filter_chooses_events_and_is_combined_with_the_other_params(self):
        cases = [("packet_sent", 15), ("rtt > 100ms", 2), ("rtt > 100ms and peer == bob", 2), ("peer == carol", None),
                 ("peer == cc", 5), ("node == bob", 3), ("node == ab", 3), ("not node == alice", 3), ("command == GET_CHUNK", 3),
                 ("DMAP.key == xxxxxxxx", 1), ("DataMap.key ~ x*", 1), ("fields.key == y", 0), ("packet_num in {3..5, 12}", 4), ("time > -1h", 21),
                 ("time < -1h", 0), ("trace == 11", 13), ("trace == 1", 18), ("trace == 13", 0), ("trace == null", 3),
                 ("lane == 0", 21), ("time > 2000-01-01T00:00:00Z and time < 2001-01-01T00:00:00Z", 0), ("kind ~ app_*", 3)]
        for text, expected in cases:
            if expected is not None:
                self.assertEqual(self.count(text), expected, text)
        self.assertEqual(self.count("packet_num < 3", node_id="bob"), 0)
        self.assertEqual(self.count("packet_num < 3", kind="packet_sent", trace_id=TRACE_1), 3)
        self.assertEqual(self.count("trace == 11", trace_id=TRACE_2), 0)
        self.assertEqual(self.count("packet_sent", kind="metrics"), 0)
        self.assertEqual(self.count("packet_sent", **{"from": "-1h", "to": "-30m"}), 0)

    def explained(self, text, **params):
        answer = self.client.call("query", filter=text, explain=True, **params)
        return len(answer["events"]), answer["explain"]["index"], answer["explain"]["examined"]

    def test_the_narrowest_index_is_found_by_the_filter(self):
        self.assertEqual(self.explained("trace == %s" % TRACE_1), (13, "trace", 13))
        self.assertEqual(self.explained("packet_sent and trace == 12"), (5, "trace", 5))
        self.assertEqual(self.explained("peer == bob and rtt > 200ms"), (1, "peer", 13))
        self.assertEqual(self.explained("peer == cc"), (5, "peer", 5))
        self.assertEqual(self.explained("time > -1h")[1], "time")
        self.assertEqual(self.explained("rtt > 100ms")[1], "kind")
        self.assertEqual(self.explained("node == bob"), (3, "node", 3))
        self.assertEqual(self.explained("not debug")[1], "scan")
        self.assertEqual(self.explained("trace == 1")[1], "scan")  # two begin like that
        self.assertEqual(self.explained("trace == 13"), (0, "time", 0))  # none does: nothing is examined
        self.assertEqual(self.explained("packet_sent and metrics")[2], 0)
        self.assertEqual(self.explained("time > -1s and time < -2s")[2], 0)

    def test_pages_of_a_filter_remember_its_moment(self):
        params = {"filter": "packet_sent and time > -1h", "limit": 4}
        events, cursor = [], {}
        while cursor is not None:
            answer = self.client.call("query", **params, **({"cursor": cursor} if cursor else {}))
            events += [event["data"]["packet_num"] for event in answer["events"]]
            cursor = answer["cursor"]
        self.assertEqual(events, list(range(15)))
        cursor = self.client.call("query", **params)["cursor"]
        self.assertEqual(self.client.fail("query", filter="packet_sent", limit=4, cursor=cursor)["data"]["param"], "cursor")

    def test_pages_count_back_from_the_moment_of_the_first(self):
        first = self.client.call("query", filter="packet_num == 0 and trace == 11")["events"][0]
        # So narrow that the first events would be too old when the next page is requested, but not when the first is.
        def begin():
            age = time.time() - first["timestamp"] / 1e6
            params = {"filter": "packet_sent and time > -%dms" % (age * 1000 + 300), "limit": 1}
            page = self.client.call("query", **params)
            return page["events"][0]["data"]["packet_num"] == 0 and (params, page, age + 0.3)
        params, page, age = until(begin, "a first page in time")
        until(lambda: time.time() - first["timestamp"] / 1e6 > age + 0.3, "the events to be older than the filter allows")
        self.assertEqual(self.count(params["filter"]), 0)
        events = page["events"]
        while page["cursor"]:
            page = self.client.call("query", cursor=page["cursor"], **params)
            events += page["events"]
        self.assertEqual([event["data"]["packet_num"] for event in events], list(range(15)))

    def test_a_cursor_ends_when_a_peers_name_means_others_than_before(self):
        asked = [{"filter": text, "limit": 4} for text in ("peer == bob", "not peer ~ b*", "node == alice and packet_sent")]
        cursors = [self.client.call("query", **params)["cursor"] for params in asked]
        self.place.node("carol", CAROL)  # which matches no node
        until(lambda: len(self.client.call("nodes")["nodes"]) == 3, "carol")
        for params, cursor in zip(asked, cursors):
            self.assertEqual(len(self.client.call("query", cursor=cursor, **params)["events"]), 4)
        self.place.node("bob", hex_id(0xB2))
        until(lambda: len(self.client.call("nodes")["nodes"]) == 4, "another bob")
        for params, cursor in list(zip(asked, cursors))[:2]:
            error = self.client.fail("query", cursor=cursor, **params)
            self.assertEqual((error["code"], error["data"]["param"]), (-32602, "cursor"))
            self.assertIn("a name in the filter no longer means the same nodes", error["message"])
        self.assertEqual(len(self.client.call("query", cursor=cursors[2], **asked[2])["events"]), 4)  # an event knows its node

    def test_all_pages_of_a_filter_say_how_many_events_match(self):
        answer = self.client.call("query", filter="rtt > 100ms", total=True, limit=1)
        self.assertEqual((len(answer["events"]), answer["total"]), (1, 2))
        self.assertEqual(self.client.call("query", filter="not metrics", total=True, limit=1)["total"], 18)
        # No index helps, and there are entire blocks of events after the first page.
        self.alice.do("packets", 1000)
        self.place.settle(self.client, 1021)
        self.assertEqual(self.client.call("query", filter="not packet_num in {900..999}", total=True, limit=1)["total"], 921)

    def test_a_mistake_is_reported_with_its_place_and_what_was_meant(self):
        cases = [("rrt > 5ms", 0, 3, "rtt"), ("packet_sent and szie > 5", 16, 4, "size"), ("rtt > 5mz", 7, 2, "ms"),
                 ("node == alcie", 8, 5, "alice"), ("peer in {bob, alise}", 14, 5, "alice"), ("packet_lst", 0, 10, "packet_lost"),
                 ("DMAP.kay == 5", 5, 3, "key"), ("DMAQ.key == 5", 0, 4, "DMAP"), ("command == GET_CHUNKS", 11, 10, "GET_CHUNK"),
                 ("size = 5", 5, 1, "=="), ("size > ", 7, 0, None), ("", None, None, None), ("fin && sent", 4, 2, "and")]
        for text, position, length, suggestion in cases:
            for method in ("query", "subscribe"):
                if method == "subscribe" and suggestion in ("alice", "DMAP", "GET_CHUNK", "key"):
                    continue  # may still appear
                error = self.client.fail(method, filter=text)
                self.assertEqual((error["code"], error["data"]["param"]), (-32602, "filter"), text)
                if position is None:
                    continue
                data = error["data"]
                self.assertEqual((data["position"], data["length"], data.get("suggestion")), (position, length, suggestion), text)
                self.assertIn(data["reason"], error["message"])
        self.assertEqual(self.client.fail("query", filter=5)["data"]["param"], "filter")
        self.assertEqual(self.client.fail("query", filter="é" * 200)["code"], -32602)

    def test_gaps_are_reported_for_the_nodes_of_the_filter(self):
        self.assertEqual(self.client.call("query", filter="node == bob")["gaps"], [])


class Subscribe(FilterTest):
    def test_a_stream_has_the_matching_events(self):
        number = self.client.call("subscribe", filter="rtt > 100ms or (node == bob and app_end)")["subscription"]
        self.emit()
        seen = []
        while len(seen) < 3:
            told = self.client.notification()
            self.assertEqual(told["subscription"], number)
            seen += [event["kind"] for event in told["events"]]
        self.assertEqual(sorted(seen), ["app_end", "metrics", "metrics"])

    def test_names_apply_to_nodes_that_start_later(self):
        """Also a peer, whose name is known only from its own log; what is known now narrows nothing."""
        self.client.call("subscribe", filter="peer == bob and packet_sent")
        self.client.call("subscribe", filter="node == bob and packet_sent")
        bob = self.place.node("bob", BOB)
        bob.do("packets", 2)
        self.place.settle(self.client, 2)
        alice = self.place.node("alice", ALICE)
        alice.do("packets", 3, TRACE_1, BOB)
        alice.do("packets", 4, TRACE_1, CAROL)
        self.place.settle(self.client, 9)
        seen = {1: 0, 2: 0}
        while sum(seen.values()) < 5:
            told = self.client.notification()
            seen[told["subscription"]] += len(told["events"])
        self.assertEqual(seen, {1: 3, 2: 2})

    def test_recent_events_are_chosen_by_it_too(self):
        self.emit()
        self.client.call("subscribe", filter="rtt > 100ms and peer == bob", recent=5)
        self.assertEqual([event["data"]["rtt"] for event in self.client.notification()["events"]], [150_000_000, 250_000_000])


class Inspector(FilterTest):
    def setUp(self):
        super().setUp()
        self.emit()

    def inspect(self, *words):
        done = subprocess.run([os.environ["INSPECTOR"], *words], env=self.place.environment, capture_output=True, text=True, timeout=60,
                              check=False)
        return done.returncode, done.stdout, done.stderr

    def kinds(self, *words):
        code, out, err = self.inspect(*words, "--json")
        self.assertEqual((code, err), (0, ""), words)
        return [event["kind"] for event in map(json.loads, out.splitlines()) if "kind" in event]

    def test_every_command_that_shows_events_takes_a_filter(self):
        slow = ("--where", "rtt > 100ms")
        self.assertEqual(self.kinds("recent", *slow), ["metrics"] * 2)
        self.assertEqual(self.kinds("recent", "--filter=rtt > 100ms"), ["metrics"] * 2)
        self.assertEqual(self.kinds("range", "-1h", "now", *slow, "--limit", "1"), ["metrics"])
        self.assertEqual(self.kinds("follow", "--recent", "10", "--count", "2", *slow), ["metrics"] * 2)
        self.assertEqual(self.kinds("peer", "bob", *slow), ["metrics"] * 2)
        self.assertEqual(self.kinds("trace", "11", "--where", "kind ~ app_*"), ["app_start", "app_command", "app_end"])
        code, out, _ = self.inspect("export", "11", "--where", "packet_num < 2")
        self.assertEqual((code, len(json.loads(out)["events"])), (0, 2))
        self.assertIn("index kind", self.inspect("recent", *slow, "--explain")[2])

    def test_a_filter_without_matches_is_reported_as_such(self):
        self.assertEqual(self.inspect("trace", "11", "--where", "metrics"),
                         (1, "", "inspector: no event in the history belongs to a trace 11 and matches --where metrics\n"))
        code, out, _ = self.inspect("recent", "--where", "fin")
        self.assertEqual((code, out.partition(";")[0]), (0, "no event matches --where fin"))

    def test_a_mistake_is_pointed_at(self):
        self.assertEqual(self.inspect("recent", "--where", "packet_sent and szie > 1KiB"),
                         (2, "", "  packet_sent and szie > 1KiB\n                  ^~~~\n"
                                 "inspector: there is no field or kind \"szie\"; did you mean \"size\"?\n"))
        self.assertEqual(self.inspect("follow", "--no-header", "--where", "reason == 'élan' and"),
                         (2, "", "  reason == 'élan' and\n                      ^\n"
                                 "inspector: a test is missing before the end\n"))
        code, out, err = self.inspect("rpc", "query", '{"filter":"szie > 5"}')
        self.assertEqual((code, out, err), (2, "", "inspector: there is no field or kind \"szie\"; did you mean \"size\"?\n"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
