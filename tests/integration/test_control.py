#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What nodes emit, changed while they run; and how `nodes` describes their settings.  Real traced, real nodes."""
import hashlib
import os
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import ProtocolTest, hex_id, until  # noqa: E402

ALICE, BOB = hex_id(0xAA), hex_id(0xBB)
ONE_IN_1 = 0xFFFFFFFF << 32  # the sampling half of a control word: every trace


def bit(kind_id):
    return 1 << kind_id


PACKET_SENT, METRICS, CUSTOM = bit(7), bit(10), bit(14)
TRACES = [hashlib.sha256(b"trace %d" % i).hexdigest()[:32] for i in range(400)]


class NodesTest(ProtocolTest):
    def setUp(self):
        super().setUp()
        self.client = self.start()

    def node(self, name, node_id, *options, **environment):
        """A node that traced knows."""
        node = self.place.node(name, node_id, *options, **environment)
        until(lambda: any(entry["node_id"] == node_id and entry["state"] == "live" for entry in self.nodes()), name)
        return node

    def nodes(self):
        return self.client.call("nodes")["nodes"]

    def entry(self, name):
        return next(entry for entry in self.nodes() if entry["name"] == name)

    def indexed(self, *counts):
        """Waits for that many events of the nodes, in the order of their names."""
        until(lambda: [entry["indexed"] for entry in self.nodes()] == list(counts), "%s events" % (counts,))


class Control(NodesTest):
    def emits(self, name):
        entry = self.entry(name)
        return entry["kinds"], entry["sample"]

    def control(self, **params):
        return {(node["name"], node["kinds"] if isinstance(node["kinds"], str) else tuple(node["kinds"]), node["sample"])
                for node in self.client.call("control", **params)["nodes"]}

    def kinds_of(self, name):
        return [event["kind"] for event in self.client.call("query", node_id=name)["events"]]

    def test_a_kind_that_is_masked_on_a_live_node_stops_and_comes_back(self):
        alice, bob = self.node("alice", ALICE), self.node("bob", BOB)

        def each():
            for node in (alice, bob):
                node.do("packets", 2)
                node.do("custom", "x")
        each()
        self.assertEqual(self.control(node_id="alice", kinds=["custom", "metrics"]), {("alice", ("metrics", "custom"), 1)})
        each()
        self.assertEqual(self.control(node_id=ALICE[:6], kinds="none"), {("alice", "none", 1)})
        each()
        self.assertEqual(self.control(reset=True), {("alice", "all", 1), ("bob", "all", 1)})
        each()
        self.indexed(3 + 1 + 0 + 3, 12)
        self.assertEqual(self.kinds_of("alice"), ["packet_sent"] * 2 + ["custom"] * 2 + ["packet_sent"] * 2 + ["custom"])
        self.assertEqual(self.entry("alice")["lost"], 0)  # disabled events are not lost

    def test_all_nodes_keep_the_same_traces(self):
        alice, bob = self.node("alice", ALICE), self.node("bob", BOB)
        self.assertEqual(self.control(sample=0.25), {("alice", "all", 0.25), ("bob", "all", 0.25)})
        for trace in TRACES:
            alice.do("packets", 1, trace)
            bob.do("packets", 2, trace)
        for node in (alice, bob):
            node.do("packets", 5)  # without a trace: they stay
            node.do("close")
        until(lambda: all(entry["state"] == "exited" for entry in self.nodes()), "both to be drained")
        seen = {name: [event["trace_id"] for event in self.client.call("query", node_id=name)["events"] if event["trace_id"]]
                for name in ("alice", "bob")}
        kept = set(seen["alice"])
        self.assertEqual(set(seen["bob"]), kept)
        self.assertEqual((len(seen["alice"]), len(seen["bob"])), (len(kept), 2 * len(kept)))  # whole, on both
        self.assertTrue(0.15 < len(kept) / len(TRACES) < 0.35, len(kept))  # the ids are the same in every run
        self.assertEqual([entry["indexed"] for entry in self.nodes()], [len(kept) + 5, 2 * len(kept) + 5])

    def test_options_not_given_change_nothing(self):
        self.node("alice", ALICE)
        self.assertEqual(self.control(), {("alice", "all", 1)})
        self.assertEqual(self.control(sample=0.01), {("alice", "all", 0.01)})
        self.assertEqual(self.control(kinds="packet_lost"), {("alice", ("packet_lost",), 0.01)})
        self.assertEqual(self.control(kinds=["unknown", "packet_lost"]), {("alice", ("packet_lost", "unknown"), 0.01)})
        self.assertEqual(self.control(sample=1 / 3, reset=True), {("alice", "all", 0.3333333333)})
        self.assertEqual(self.emits("alice"), ("all", 0.3333333333))
        self.assertEqual(self.control(kinds="none"), {("alice", "none", 0.3333333333)})
        self.assertEqual(self.control(kinds="all", sample=1), {("alice", "all", 1)})

    def test_a_node_begins_with_what_it_was_opened_with_and_goes_back_to_it(self):
        word = ONE_IN_1 >> 1 & ONE_IN_1 | METRICS | CUSTOM
        node = self.node("alice", ALICE, "overwrite_oldest", "%x" % word)
        node.do("packets", 3)
        node.do("custom", "x")
        self.indexed(1)
        self.assertEqual(self.emits("alice"), (["metrics", "custom"], 0.5))
        self.control(kinds="all", sample=1)
        # The node remembers it, not traced: the next traced can still go back.
        self.assertEqual(self.place.stop(signal.SIGKILL)[0], -signal.SIGKILL)
        self.client = self.start()
        until(lambda: self.nodes(), "the node")
        self.assertEqual(self.emits("alice"), ("all", 1))
        self.assertEqual(self.control(reset=True), {("alice", ("metrics", "custom"), 0.5)})

    def test_a_setting_outlives_traced_and_does_not_affect_later_nodes(self):
        alice = self.node("alice", ALICE)
        self.control(kinds="custom", sample=0.5)
        self.assertEqual(self.place.stop(signal.SIGKILL)[0], -signal.SIGKILL)
        alice.do("packets", 10)
        alice.do("custom", "x")
        self.client = self.start()
        self.node("bob", BOB)
        self.indexed(1, 0)
        self.assertEqual((self.emits("alice"), self.emits("bob")), ((["custom"], 0.5), ("all", 1)))

    def test_nobody_to_control_is_not_an_error_but_a_node_that_is_gone_is(self):
        self.assertEqual(self.control(kinds="none"), set())
        alice = self.node("alice", ALICE)
        alice.kill()
        error = self.client.fail("control", node_id="alice", kinds="none")  # even before traced has noticed that it died
        self.assertEqual((error["code"], error["data"]), (-32001, {"param": "node_id"}))
        until(lambda: self.entry("alice")["state"] == "crashed", "the end")
        self.assertEqual(self.emits("alice"), (None, None))
        self.assertEqual(self.client.fail("control", node_id="alice")["code"], -32001)
        self.assertEqual(self.client.fail("control", node_id="carol")["code"], -32001)
        self.node("alice", BOB)
        self.assertEqual(self.control(node_id="alice", kinds="none"), {("alice", "none", 1)})

    def test_many_may_ask_at_once(self):
        self.node("alice", ALICE)
        clients = [self.place.connect() for _ in range(16)]
        for client in clients:
            client.send_raw(b'{"jsonrpc":"2.0","id":1,"method":"control","params":{"sample":0.5}}\n' * 50)
        for client in clients:
            for _ in range(50):
                self.assertEqual(client.read_line()["result"]["nodes"][0]["sample"], 0.5)

    def test_who_asks_while_traced_stops_gets_an_answer_or_the_end(self):
        self.node("alice", ALICE)
        clients = [self.place.connect() for _ in range(8)]
        for client in clients:
            client.send_raw(b'{"jsonrpc":"2.0","id":1,"method":"control"}\n' * 200)
        self.assertEqual(self.place.stop()[0], 0)
        for client in clients:
            try:
                while (line := client.read_line()) is not None:
                    self.assertTrue("result" in line or "stopping" in line["error"]["message"], line)
            except ConnectionResetError:
                pass  # requests that were no longer read


class HowANodeEmits(NodesTest):
    """Policies and clocks, as `nodes` shows them."""

    def overrun(self, policy):
        """64 slots, 10 events that are read, and 100 that are not read while they are emitted."""
        node = self.node("alice", ALICE, policy, "0", "64")
        node.do("packets", 10)
        self.indexed(10)
        self.assertEqual(self.entry("alice")["policy"], policy)
        self.place.hold()
        node.do("packets", 100)
        self.place.traced.send_signal(signal.SIGCONT)
        node.do("close")
        until(lambda: self.entry("alice")["state"] == "exited", "the end")
        entry = self.entry("alice")
        self.assertEqual((entry["emitted"], entry["indexed"], entry["lost"]), (110, 74, 36))
        events = self.client.call("query", node_id="alice")["events"]
        gap, = (event["data"] for event in events if event["kind"] == "events_lost")
        self.assertEqual(gap["count"], 36)
        self.assertEqual(entry["lost_by"][gap["cause"]], 36)
        return gap["cause"], [event["data"]["packet_num"] for event in events if event["kind"] == "packet_sent"]

    def test_a_full_ring_that_discards_keeps_its_oldest_and_reports_it(self):
        self.assertEqual(self.overrun("discard_newest"), ("discarded", list(range(74))))

    def test_a_full_ring_that_overwrites_keeps_its_newest_and_reports_it(self):
        self.assertEqual(self.overrun("overwrite_oldest"), ("overwritten", list(range(10)) + list(range(46, 110))))

    def test_without_an_invariant_tsc_times_come_from_the_monotonic_clock_and_are_right(self):
        for name, node_id, clock, environment in (("alice", ALICE, "monotonic", {"P2PTRACE_CLOCK": "monotonic"}), ("bob", BOB, None, {})):
            before = time.time_ns()
            node = self.node(name, node_id, **environment)
            node.do("packets", 3)
            after = time.time_ns()
            until(lambda name=name: self.entry(name)["indexed"] == 3, "its events")
            entry = self.entry(name)
            if clock:
                self.assertEqual(entry["clock"], clock)
            for event in self.client.call("query", node_id=name)["events"] + [entry["started"]]:
                stamp = event["timestamp"] * 1000 + event["ns"]
                self.assertTrue(before - 1000000 <= stamp <= after + 1000000, (name, before, stamp, after))

    def test_a_traced_that_may_not_use_the_tsc_reads_rings_of_its_kind(self):
        self.assertEqual(self.place.stop()[0], 0)
        self.place.environment["P2PTRACE_CLOCK"] = "monotonic"
        self.client = self.start()
        self.assertEqual(self.client.call("stats")["clock"]["source"], "monotonic")
        before = time.time_ns()
        self.node("alice", ALICE).do("packets", 3)
        after = time.time_ns()
        self.indexed(3)
        for event in self.client.call("query")["events"]:
            self.assertTrue(before - 1000000 <= event["timestamp"] * 1000 + event["ns"] <= after + 1000000, event)


if __name__ == "__main__":
    unittest.main()
