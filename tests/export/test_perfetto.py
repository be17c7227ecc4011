#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""perfetto, compared with chrome: the same marks, in another encoding.

    test_perfetto.py TRACED INSPECTOR QUIC_NODE"""
import collections
import json
import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from perfetto import Trace  # noqa: E402
from scene import NODES, SceneTest  # noqa: E402
from world import World  # noqa: E402

TRACED, INSPECTOR, QUIC_NODE = (os.path.abspath(arg) for arg in sys.argv[1:4])


def setUpModule():
    global WORLD
    WORLD = World(TRACED, INSPECTOR, QUIC_NODE)


def tearDownModule():
    WORLD.close()


def count(items):
    return collections.Counter(items)


class TheWorld(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.size = WORLD.file("all.pftrace", "--format", "perfetto").stat().st_size
        cls.trace = Trace((WORLD.directory / "all.pftrace").read_bytes())
        chrome = WORLD.file("all.chrome", "--format", "chrome")
        cls.chrome_size = chrome.stat().st_size
        cls.document = json.loads(chrome.read_text())
        cls.records = cls.document["traceEvents"]
        cls.base = int(cls.document["metadata"]["first_event_unix_ns"])
        cls.nodes = {r["pid"]: r["args"]["name"] for r in cls.records if r["name"] == "process_name"}
        # A renamed track has its last name.
        cls.names = {(r["pid"], r["tid"]): r["args"]["name"] for r in cls.records if r["name"] == "thread_name"}

    def chrome(self, *phases):
        return [(r, self.nodes[r["pid"]], self.names[r["pid"], r["tid"]], self.base + round(r["ts"] * 1000))
                for r in self.records if r["ph"] in phases]

    def test_slices_and_instants_match_chrome_s(self):
        last = {uuid: name for uuid, (_, name, _) in self.trace.tracks.items()}
        self.assertEqual(len(last), len(self.trace.tracks))
        expected = count((r["ph"], r["name"], node, time, r["args"]["lane"], r["args"]["sequence"]) for r, node, _, time in self.chrome("B", "E", "i"))
        found = count((m.type, m.name, m.process, m.time, m.args["lane"], m.args["sequence"]) for m in self.trace.marks
                      if m.type != "C" and m.name != "caused a request")
        self.assertEqual(found, expected)
        self.assertEqual(len(found), len(WORLD.events) - sum(e["kind"] == "metrics" for e in WORLD.events))

    def test_tracks_have_the_names_of_chrome_s(self):
        self.assertEqual(count((p, n) for p, n, unit in self.trace.tracks.values() if n and not unit),
                         count((self.nodes[pid], name) for (pid, _), name in self.names.items()))

    def test_every_field_of_every_event_is_there(self):
        events = {(WORLD.names[e["node_id"]], e["lane"], e["sequence"]): e for e in WORLD.events}
        for mark in self.trace.marks:
            if mark.type == "C" or mark.name == "caused a request":
                continue
            event = events[mark.process, mark.args["lane"], mark.args["sequence"]]
            expected = {k: v for k, v in event["data"].items() if v is not None}
            for key in ("trace_id", "peer_id"):
                if event[key]:
                    expected[key] = event[key]
            if event["flags"]:
                expected["flags"] = " ".join(event["flags"])
            if event.get("fields"):
                expected["fields"] = event["fields"]
            expected.update(lane=event["lane"], sequence=event["sequence"])
            self.assertEqual(mark.args, expected)

    def test_counters_are_the_metrics_in_their_units(self):
        units = {"rtt": 1, "cwnd": 3, "in flight": 3}
        found = collections.defaultdict(list)
        for mark in self.trace.marks:
            if mark.type == "C":
                found[mark.time, mark.process].append((mark.track.split(",")[0], mark.value))
        expected = collections.defaultdict(list)
        for e in WORLD.events:
            if e["kind"] == "metrics":
                expected[e["timestamp"] * 1000 + e["ns"], WORLD.names[e["node_id"]]] += [
                    ("rtt", e["data"]["rtt"]), ("cwnd", e["data"]["cwnd"]), ("in flight", e["data"]["in_flight"])]
        self.assertEqual(found, expected)
        for _, name, unit in self.trace.tracks.values():
            if unit:
                self.assertEqual(units[name.split(",")[0]], unit)

    def test_arrows_go_from_the_span_that_caused_one_to_it(self):
        starts = {e["data"]["span_id"]: e for e in WORLD.events if e["kind"] == "app_start"}
        caused = {s for s, e in starts.items() if starts.get(e["data"]["parent_id"], e)["node_id"] != e["node_id"]}
        sources = {flow: m for m in self.trace.marks for flow in m.flows}
        ends = {flow: m for m in self.trace.marks for flow in m.ends}
        self.assertEqual(set(sources), set(ends))
        self.assertEqual({m.args["span_id"] for m in ends.values()}, caused)
        self.assertTrue(caused)
        for flow, end in ends.items():
            source = sources[flow]
            parent = starts[end.args["parent_id"]]
            self.assertEqual((source.process, source.type, source.time), (WORLD.names[parent["node_id"]], "i", end.time))
            self.assertEqual(source.track, "trace " + end.args["trace_id"][:8])

    def test_times_are_unix_times(self):
        self.assertEqual(self.trace.clocks, {1: self.base, 6: self.base})

    def test_it_is_smaller(self):
        self.assertLess(self.size, 0.6 * self.chrome_size)


class Scenes(SceneTest):
    def marks(self):
        return Trace(self.scene.export(INSPECTOR, self.directory / "events.ndjson", "--format", "perfetto")).marks

    def test_messages_have_arrows_unless_ambiguous(self):
        for number, kind, node, peer in ((1, "sent", "alice", "bob"), (2, "sent", "alice", "bob"), (2, "sent", "alice", "bob"),
                                         (1, "received", "bob", "alice"), (2, "received", "bob", "alice"), (3, "received", "bob", "alice")):
            self.scene.message(node, kind, peer, number)
        marks = self.marks()
        self.assertEqual([m.track for m in marks[:4]], ["udp with " + NODES["bob"][:8]] * 3 + ["udp with " + NODES["alice"][:8]])
        self.assertEqual([m.ends for m in marks], [[], [], [], marks[0].flows, [], []])
        self.assertEqual(len(marks[0].flows), 1)

    def test_arrows_of_two_traces_with_the_same_span_ids_are_two(self):
        for trace in ("5a" * 16, "6b" * 16):
            for node, span, parent in (("alice", "1", "0"), ("bob", "2", "1")):
                self.scene.emit(node, "app_start", {"span_id": span.zfill(16), "parent_id": parent.zfill(16), "app_id": "DMAP", "cmd": 1}, trace=trace)
        self.assertEqual(len({flow for m in self.marks() for flow in m.ends}), 2)

    def test_a_node_s_bytes_stay_text(self):
        event = self.scene.emit("alice", "conn_closed", {"code": 2 ** 62, "by_remote": True, "reason": "\u00e4\"\\\n\u0007"}, peer="bob", trace="5a" * 16)
        (mark,) = [m for m in self.marks() if m.name == "conn_closed"]
        self.assertEqual((mark.args["reason"], mark.args["code"], mark.args["by_remote"]), (event["data"]["reason"], 2 ** 62, True))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
