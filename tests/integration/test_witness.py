# SPDX-License-Identifier: MIT
"""Exactness against an independent witness.

Five nodes in a row, each losing every ninth datagram, store and find chunks.  Besides its trace each of them writes ngtcp2's own qlog
files.  traced must answer what the qlog says: every packet sent, received and lost, by number, space and size; none
missing, none twice.  And each request must be complete: its spans form one chain over the right nodes, in causal order.

Everything runs twice: once with the packets from the qlog hook, and once with those counted where they are encrypted and
decrypted, which is independent of what ngtcp2 records (except for losses, docs/decisions/007).

usage: test_witness.py TRACED INSPECTOR QUIC_NODE"""

import collections
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

from daemon import Traced
from nodes import PATIENCE_S, line_of_nodes, qlog_packets

TRACED = INSPECTOR = BINARY = None
NAMES = ["alice", "bob", "carol", "dave", "erin"]
PACKET_KINDS = ["packet_sent", "packet_received", "packet_lost"]


def at(event):
    """A total order of time, finer than a microsecond."""
    return event["timestamp"], event["ns"]


class Witness:
    """One run of five nodes; the tests only examine its results.  source: where the nodes see packets."""

    source = None

    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="witness-")
        cls.addClassCleanup(directory.cleanup)
        qlog_dir = pathlib.Path(directory.name, "qlog")
        qlog_dir.mkdir()
        cls.traced = Traced(TRACED, directory.name)
        cls.addClassCleanup(cls.traced.end)
        cls.nodes = line_of_nodes(BINARY, NAMES, shm_dir=cls.traced.shm_dir, drop=9, qlog_dir=qlog_dir,
                                 more=["--trace-source", cls.source])
        for node in cls.nodes:
            cls.addClassCleanup(node.end, signal.SIGKILL)
        cls.requests = cls.use(*cls.nodes)
        for node in cls.nodes:
            assert node.end() == 0, f"{node.name}: {''.join(node.errors)}"
        cls.entries = cls.traced.wait_drained([node.id for node in cls.nodes])

    @staticmethod
    def use(alice, bob, carol, dave, erin):
        """Requests, each with its expected trace: (trace id, command, hash, names of the nodes in its chain, size, ok)."""
        requests = []

        def store(node, command, size, chain):
            word, digest, hops, trace = node.ask(command)
            assert (word, int(hops)) == ("stored", len(chain) - 1), (command, word, hops)
            requests.append((trace, "STORE_CHUNK", digest, chain, size, True))
            return digest

        def get(node, digest, size, chain):
            word, _, size_got, hops, trace = node.ask(f"get {digest}")
            assert (word, int(size_got), int(hops)) == ("ok", size, len(chain) - 1), (word, size_got, hops)
            requests.append((trace, "GET_CHUNK", digest, chain, size, True))

        for size in (0, 1, 1000, 20000, 300000):
            digest = store(erin, f"store-random {size}", size, ["erin"])
            get(alice, digest, size, ["alice", "bob", "carol", "dave", "erin"])
            get(carol, digest, size, ["carol", "dave", "erin"]) if size != 1000 else None
        digest = store(erin, "put 3 5000", 5000, ["erin", "dave", "carol", "bob"])
        get(bob, digest, 5000, ["bob"])
        get(alice, digest, 5000, ["alice", "bob"])
        word, _, _, trace = alice.ask(f"delete {digest}")
        assert word == "deleted"
        requests.append((trace, "DELETE_CHUNK", digest, ["alice", "bob"], 5000, True))
        word, _, trace = alice.ask(f"get {digest}")
        assert word == "not-found"
        requests.append((trace, "GET_CHUNK", digest, ["alice", "bob", "carol", "dave", "erin"], 0, False))
        return requests

    def name_of(self, node_id):
        return next(node.name for node in self.nodes if node.id == node_id)

    def inspect(self, *arguments):
        """The inspector's output with --json: an object per line."""
        done = subprocess.run([INSPECTOR, *arguments, "--json", "--socket", str(self.traced.socket_path)], text=True,
                              capture_output=True, timeout=PATIENCE_S, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return [json.loads(line) for line in done.stdout.splitlines()]

    def check_packets(self, node, events):
        """The packet events of a node agree with the packets in its qlog files."""
        positions = collections.Counter((event["lane"], event["sequence"]) for event in events)
        self.assertEqual([position for position, count in positions.items() if count != 1], [], "the same event twice")
        self.assertEqual({event["node_id"] for event in events}, {node.id})
        traced = collections.Counter((event["kind"], event["data"]["space"], event["data"]["packet_num"],
                                      event["data"].get("size")) for event in events)
        qlog = qlog_packets(node)
        self.assertEqual(traced - qlog, collections.Counter(), f"{node.name}: traced, but not in the qlog")
        self.assertEqual(qlog - traced, collections.Counter(), f"{node.name}: in the qlog, but not traced")
        return sum(count for (kind, *_), count in qlog.items() if kind == "packet_lost")

    def test_packets_match_the_qlog_none_missing_none_twice(self):
        lost = sum(self.check_packets(node, self.traced.query(node_id=node.id, kind=PACKET_KINDS, limit=777))
                   for node in self.nodes)
        self.assertGreater(lost, 0, "nothing was lost: this run proves less than it should")

    def test_the_inspector_shows_the_packets_of_the_qlog(self):
        for node in self.nodes:
            self.check_packets(node, self.inspect("range", "-1h", "-0s", "--node", node.name, "--kind", ",".join(PACKET_KINDS),
                                                  "--limit", "1000000"))

    def test_the_inspector_shows_a_request_as_the_socket_does(self):
        for trace, *_ in self.requests:
            self.assertEqual(self.inspect("trace", trace), self.traced.query(trace_id=trace))

    def test_nothing_was_lost_on_the_way_to_the_history(self):
        for entry in self.entries.values():
            self.assertEqual((entry["state"], entry["lost"], entry["emitted"]), ("exited", 0, entry["indexed"]))
            self.assertEqual(entry["apps"], ["DMAP"])
            self.assertEqual(len(self.traced.query(node_id=entry["node_id"])), entry["indexed"])

    def test_every_hop_of_a_request_is_in_its_trace_in_causal_order(self):
        lost = 0
        for trace, command, digest, chain, size, ok in self.requests:
            with self.subTest(command=command, chain=chain, size=size):
                events = self.traced.query(trace_id=trace)
                self.check_request(events, command, digest, chain, size, ok)
                lost += sum(event["kind"] == "packet_lost" for event in events)
        self.assertGreater(lost, 0, "the losses are in no request's trace")

    def check_request(self, events, command, digest, chain, size, ok):
        self.assertEqual([at(event) for event in events], sorted(at(event) for event in events))
        self.assertEqual({self.name_of(event["node_id"]) for event in events}, set(chain))
        of_kind = collections.defaultdict(list)
        for event in events:
            of_kind[event["kind"]].append(event)
        starts, ends, commands = of_kind["app_start"], of_kind["app_end"], of_kind["app_command"]

        # Causal order: each node starts after the one that asked it, and ends before it.
        self.assertEqual([self.name_of(event["node_id"]) for event in starts], chain)
        self.assertEqual([self.name_of(event["node_id"]) for event in ends], chain[::-1])
        self.assertEqual([self.name_of(event["node_id"]) for event in commands], chain)
        # The chain of spans: the parent of each is the previous one.
        spans = [event["data"]["span_id"] for event in starts]
        self.assertEqual([event["data"]["parent_id"] for event in starts], ["0" * 16] + spans[:-1])
        self.assertEqual(len(set(spans)), len(chain))
        self.assertEqual([event["data"]["span_id"] for event in ends], spans[::-1])
        self.assertEqual({event["data"]["ok"] for event in ends}, {ok})
        # The peer is the node that asked.
        callers = [event["peer_id"] and self.name_of(event["peer_id"]) for event in starts]
        self.assertEqual(callers, [None] + chain[:-1])
        for event in starts + ends + commands:
            self.assertEqual((event["app"], event["command"]), ("DataMap", command))
        self.assertEqual({event["fields"]["hash"] for event in commands}, {digest})
        self.assertEqual(commands[-1]["fields"]["size"], size)
        self.check_hops(of_kind, chain)

    def check_hops(self, of_kind, chain):
        """Streams and packets of a request are between neighbours in its chain, on both sides."""
        hops = {(a, b) for a, b in zip(chain, chain[1:])}
        both_ways = hops | {(b, a) for a, b in hops}
        for kind in ["stream_opened", "stream_data", "stream_closed", *PACKET_KINDS]:
            where = collections.Counter((self.name_of(event["node_id"]), self.name_of(event["peer_id"]))
                                        for event in of_kind[kind])
            if kind == "packet_lost":
                self.assertLessEqual(set(where), both_ways)
            else:
                self.assertEqual(set(where), both_ways, kind)
            if kind == "stream_opened":
                self.assertEqual(set(where.values()), {1} if hops else set())
        for a, b in hops:
            self.check_stream_bytes(of_kind["stream_data"], a, b)
            self.check_stream_bytes(of_kind["stream_data"], b, a)

    def check_stream_bytes(self, events, sender, receiver):
        """One side sent and the other received the same range of bytes, completely."""
        def stretch(node, peer, sent):
            pieces = sorted((event["data"]["offset"], event["data"]["length"], event["data"]["fin"]) for event in events
                            if (self.name_of(event["node_id"]), self.name_of(event["peer_id"])) == (node, peer)
                            and event["data"]["sent"] == sent)
            end = 0
            for offset, length, _ in pieces:
                self.assertEqual(offset, end, "a hole, or bytes twice")
                end = offset + length
            self.assertTrue(pieces and pieces[-1][2], "no end")
            return end
        self.assertEqual(stretch(sender, receiver, True), stretch(receiver, sender, False))

    def test_a_connection_is_one_trace_on_both_its_nodes(self):
        established = collections.defaultdict(set)
        for event in self.traced.query(kind="conn_established"):
            established[event["trace_id"]].add((self.name_of(event["node_id"]), self.name_of(event["peer_id"])))
        for a, b in zip(NAMES, NAMES[1:]):
            self.assertIn({(a, b), (b, a)}, list(established.values()), f"{a} and {b}")

    def test_every_kind_of_event_was_emitted(self):
        kinds = {event["kind"] for node in self.nodes for event in self.traced.query(node_id=node.id)}
        self.assertEqual(kinds, {"conn_init", "conn_established", "conn_closed", "stream_opened", "stream_data", "stream_closed",
                                 "packet_sent", "packet_received", "packet_lost", "metrics", "app_command", "app_start", "app_end",
                                 "custom", "alias"})

    def test_the_summaries_agree_with_the_events(self):
        peers = {peer["peer_id"]: peer for peer in self.traced.ask("peers")["peers"]}
        for node in self.nodes:
            events = self.traced.query(peer_id=node.id)
            kinds = collections.Counter(event["kind"] for event in events)
            probes_lost = sum(event["kind"] == "packet_lost" and "probe" in event.get("flags", []) for event in events)
            peer = peers[node.id]
            self.assertEqual(peer["name"], node.name)
            self.assertEqual((peer["events"], peer["packets_sent"], peer["packets_received"], peer["packets_lost"]),
                             (len(events), kinds["packet_sent"], kinds["packet_received"], kinds["packet_lost"] - probes_lost))
        traces = {trace["trace_id"]: trace for trace in self.traced.ask("traces", limit=10000)["traces"]}
        for trace, command, _, chain, _, ok in self.requests:
            summary = traces[trace]
            self.assertEqual((summary["app"], summary["command"], summary["outcome"]),
                             ("DataMap", command, "ok" if ok else "failed"))
            self.assertEqual([self.name_of(node_id) for node_id in summary["nodes"]], chain)
            self.assertEqual(summary["events"], len(self.traced.query(trace_id=trace)))


class QlogWitnessTest(Witness, unittest.TestCase):
    source = "qlog"


class CryptoWitnessTest(Witness, unittest.TestCase):
    source = "crypto"


if __name__ == "__main__":
    TRACED, INSPECTOR, BINARY = sys.argv.pop(1), sys.argv.pop(1), sys.argv.pop(1)
    unittest.main()
