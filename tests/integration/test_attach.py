# SPDX-License-Identifier: MIT
"""Attach at any time: traced and nodes come and go in any order, and the results stay exact.

usage: test_attach.py TRACED INSPECTOR QUIC_NODE"""

import collections
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

from daemon import Traced, wait_for
from nodes import PATIENCE_S, Node, line_of_nodes, qlog_packets

TRACED = INSPECTOR = BINARY = None
PACKET_KINDS = ["packet_sent", "packet_received", "packet_lost"]


class AttachTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="attach-")
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        self.shm_dir = self.directory / "shm"
        self.qlog_dir = self.directory / "qlog"
        self.shm_dir.mkdir()
        self.qlog_dir.mkdir()

    def start_traced(self):
        traced = Traced(TRACED, self.directory)
        self.addCleanup(lambda: traced.process.poll() is None and traced.end(signal.SIGKILL))
        return traced

    def line(self, names, **options):
        nodes = line_of_nodes(BINARY, names, shm_dir=self.shm_dir, **options)
        for node in nodes:
            self.addCleanup(node.end, signal.SIGKILL)
        return nodes

    def end_all(self, nodes):
        for node in nodes:
            self.assertEqual(node.end(), 0)

    def spans(self, traced, trace, count):
        """The nodes of a trace's spans in order, once that many have ended."""
        def ended():
            events = traced.query(trace_id=trace) if traced.ask("traces", limit=10000)["total"] else []
            return events if sum(event["kind"] == "app_end" for event in events) >= count else None
        return [event["node_id"] for event in wait_for(ended, "the trace") if event["kind"] == "app_start"]

    def test_nodes_that_were_there_first_are_reported_completely(self):
        nodes = self.line("ab", drop=7, qlog_dir=self.qlog_dir)
        digest = nodes[0].ask("store-random 50000")[1]
        self.assertEqual(nodes[1].ask(f"get {digest}")[0], "ok")
        gone = self.line("cd", drop=7, qlog_dir=self.qlog_dir)
        self.end_all(gone)
        traced = self.start_traced()
        self.assertEqual(nodes[1].ask(f"get {digest}")[0], "ok")
        self.end_all(nodes)
        entries = traced.wait_drained([node.id for node in nodes + gone])
        for node in nodes + gone:
            self.assertEqual((entries[node.id]["lost"], entries[node.id]["state"]), (0, "exited"))
            told = collections.Counter((event["kind"], event["data"]["space"], event["data"]["packet_num"], event["data"].get("size"))
                                       for event in traced.query(node_id=node.id, kind=PACKET_KINDS))
            self.assertEqual(told, qlog_packets(node))
        self.assertEqual(traced.end(), 0)

    def test_a_restarted_traced_knows_what_the_rings_still_have(self):
        first = self.start_traced()
        nodes = self.line("abc")
        ids = [node.id for node in nodes]
        digest = nodes[2].ask("store one")[1]
        trace = nodes[0].ask(f"get {digest}")[-1]
        self.assertEqual(self.spans(first, trace, 3), ids)
        self.assertEqual(first.end(), 0)
        between = nodes[0].ask(f"get {digest}")[-1]
        second = self.start_traced()
        after = nodes[0].ask(f"get {digest}")[-1]
        self.assertEqual(self.spans(second, between, 3), ids)
        self.assertEqual(self.spans(second, after, 3), ids)
        self.end_all(nodes)
        entries = second.wait_drained(ids)
        # The old history is gone with the old traced, but the rings are not: every event is reported again, once.
        self.assertEqual(self.spans(second, trace, 3), ids)
        for node in nodes:
            numbers = [event["sequence"] for event in second.query(node_id=node.id)]
            self.assertEqual(sorted(numbers), list(range(entries[node.id]["emitted"])))
        self.assertEqual(second.end(), 0)

    def test_all_committed_events_of_a_killed_node_are_reported(self):
        traced = self.start_traced()
        nodes = self.line("abc")
        digest = nodes[2].ask("store-random 10000")[1]
        trace = nodes[0].ask(f"get {digest}")[-1]
        killed = nodes[1]
        killed.end(signal.SIGKILL)
        entry = traced.wait_drained([killed.id])[killed.id]
        self.assertEqual((entry["state"], entry["lost"]), ("crashed", 0))
        self.assertEqual(len(traced.query(node_id=killed.id)), entry["indexed"])
        self.assertEqual(self.spans(traced, trace, 3), [node.id for node in nodes])
        self.assertEqual({entry["name"]: entry["state"] for entry in traced.ask("nodes")["nodes"]},
                         {"a": "live", "b": "crashed", "c": "live"})
        self.assertEqual(list(self.shm_dir.glob(f"p2ptrace.*.{killed.process.pid}.*")), [], "its ring was left behind")

    def test_an_inspector_that_follows_sees_nodes_come_and_go(self):
        traced = self.start_traced()
        lines, seen = [], threading.Condition()
        follow = subprocess.Popen([INSPECTOR, "follow", "--json", "--socket", str(traced.socket_path)], text=True,
                                  stdout=subprocess.PIPE)
        self.addCleanup(follow.stdout.close)
        self.addCleanup(follow.wait, PATIENCE_S)
        self.addCleanup(follow.kill)

        def read():
            for line in follow.stdout:
                with seen:
                    lines.append(json.loads(line))
                    seen.notify()
        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        wait_for(lambda: traced.ask("stats")["clients"]["subscriptions"], "the inspector's subscription")

        nodes = self.line("ab")
        trace = nodes[0].ask("put 1 100")[-1]
        nodes[1].end(signal.SIGKILL)
        late = Node(BINARY, "late", self.shm_dir, peers=[nodes[0]])
        self.addCleanup(late.end, signal.SIGKILL)
        late.ask("wait-peers 1")
        last = late.ask("store the last")[-1]
        # Events of different nodes come in the order in which they are drained, not in time order: wait for all expected ones.
        whole = {(trace, node.id, kind) for node in nodes for kind in ("app_start", "app_end")}
        whole |= {(last, late.id, kind) for kind in ("app_start", "app_end")}
        with seen:
            self.assertTrue(seen.wait_for(lambda: whole <= {(event.get("trace_id"), event.get("node_id"), event.get("kind"))
                                                            for event in lines}, PATIENCE_S), "events did not come")
        places = [(event["node_id"], event["lane"], event["sequence"]) for event in lines if "lane" in event]
        self.assertEqual(len(places), len(set(places)), "an event came twice")


if __name__ == "__main__":
    TRACED, INSPECTOR, BINARY = sys.argv.pop(1), sys.argv.pop(1), sys.argv.pop(1)
    unittest.main()
