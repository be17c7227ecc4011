# SPDX-License-Identifier: MIT
"""The life of real connections, as reported by the adapter.

A client and servers of tests/helpers/quic_peer.c, each a process, speak QUIC over UDP: with a Retry, with versions that are negotiated, with
early data that is accepted and refused, with key updates, on new paths, and with a server that has forgotten them.  The expectations come
from ngtcp2's own qlog, with a file for each connection, and from what the programs did: ports, results, versions.

Everything runs twice, once for each source of packets.

usage: test_connections.py TRACED QUIC_PEER"""

import collections
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from daemon import Traced, wait_for
from nodes import KINDS, PATIENCE_S, SPACES, qlog_records

TRACED = QUIC_PEER = None
UNKNOWN = 0x1a2a3a4a  # a version
FATES = ["conn_retry", "conn_version", "early_data", "key_updated", "conn_migrated", "conn_reset"]


class Peer:
    """A quic_peer process."""

    def __init__(self, place, role, name, *options):
        self.name = name
        environment = dict(os.environ, P2PTRACE_SHM_DIR=str(place.traced.shm_dir))
        self.process = subprocess.Popen([QUIC_PEER, role, name, str(place.qlog_dir), "--source", place.source, *options], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        place.addClassCleanup(self.kill)
        word, port, self.version = self.ask().split()  # preferred to version 1
        assert word == "listening", word
        self.port = int(port)

    def ask(self, command=None):
        if command is not None:
            print(command, file=self.process.stdin, flush=True)
        return self.process.stdout.readline().rstrip("\n")

    def end(self):
        self.process.stdin.close()
        return self.process.wait(PATIENCE_S)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Connection:
    """One end of a connection: its records in the qlog, and its events."""

    def __init__(self, path, events):
        self.records = list(qlog_records(path))
        self.group_id = self.records[0]["trace"]["common_fields"]["group_id"][:32]
        begun = [event["trace_id"] for event in events if event["kind"] == "conn_init"]  # one file each, numbered in this order
        self.trace_id = begun[int(path.stem.rsplit("-", 1)[1])]
        self.events = [event for event in events if event["trace_id"] == self.trace_id]

    def types(self, name):
        """How often each type of packet was sent or received."""
        return collections.Counter(record["data"]["header"]["packet_type"] for record in self.records
                                   if record.get("name") == "transport:" + name)

    def fates(self):
        """The events of its life, in order: kinds and data."""
        return [(event["kind"], event["data"]) for event in self.events if event["kind"] in FATES]

    def of(self, kind):
        return [event["data"] for event in self.events if event["kind"] == kind]


class Connections:
    """One scenario; the tests only examine its results."""

    source = None

    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="connections-")
        cls.addClassCleanup(directory.cleanup)
        cls.qlog_dir = pathlib.Path(directory.name, "qlog")
        cls.qlog_dir.mkdir()
        cls.traced = Traced(TRACED, directory.name)
        cls.addClassCleanup(cls.traced.end)
        cls.said = []
        cls.play()
        cls.traced.wait_drained(["plain", "careful", "modern", "again", "client", "elder"], key="name")
        ids = {node["name"]: node["node_id"] for node in cls.traced.ask("nodes")["nodes"]}
        cls.events = {name: cls.traced.query(node_id=node_id) for name, node_id in ids.items()}
        cls.ends = {path.stem: Connection(path, cls.events[path.stem.rsplit("-", 1)[0]]) for path in cls.qlog_dir.glob("*.sqlog")}

    @classmethod
    def do(cls, peer, command, right):
        answer = peer.ask(command)
        assert answer == right, (peer.name, command, answer, right)

    @classmethod
    def play(cls):
        plain = cls.plain = Peer(cls, "server", "plain", "--secret", "the same")
        careful = cls.careful = Peer(cls, "server", "careful", "--retry")
        cls.version = plain.version
        both = ("--versions", f"{cls.version},1")
        modern = cls.modern = Peer(cls, "server", "modern", *both)
        client = cls.client = Peer(cls, "client", "client", *both)
        elder = cls.elder = Peer(cls, "client", "elder")

        # elder-0: only talk
        cls.do(elder, f"connect {plain.port} 1", "connected 1")
        cls.do(elder, "talk 20000", "ok")
        cls.do(elder, "close", "ok")
        # elder-1, elder-2: early data, accepted and refused
        cls.do(elder, f"resume {plain.port} 1", "connected 1 taken")
        cls.do(elder, "close", "ok")
        cls.do(plain, "forget-tickets", "ok")
        cls.do(elder, f"resume {plain.port} 1", "connected 1 refused")
        cls.do(elder, "talk 100", "ok")
        cls.do(elder, "close", "ok")
        # elder-3, elder-4: a Retry, the second time with early data
        cls.do(elder, f"connect {careful.port} 1", "connected 1")
        cls.do(elder, "close", "ok")
        cls.do(elder, f"resume {careful.port} 1", "connected 1 taken")
        cls.do(elder, "close", "ok")
        # elder-5: an unknown version
        cls.do(elder, f"connect {plain.port} {UNKNOWN:x}", "over ERR_RECV_VERSION_NEGOTIATION")
        # client-0: a better version than the first
        cls.do(client, f"connect {modern.port} 1", f"connected {cls.version}")
        cls.do(client, "close", "ok")
        # client-1: key updates, new paths, and a server that has forgotten
        cls.do(client, f"connect {plain.port} 1", "connected 1")
        for _ in range(3):
            cls.do(client, "update-keys", "ok")
        for peer in (client, plain):
            cls.wait_talking(peer, "key_updated", 3)
        cls.moves = []
        for count, way in enumerate(["migrate", "rebind"], 1):
            word, port = client.ask(way).split()
            assert word == "moved", word
            cls.moves.append(int(port))
            cls.wait_talking(plain, "conn_migrated", count)
        cls.do(client, "talk 20000", "ok")
        plain.ask("vanish")
        again = Peer(cls, "server", "again", "--secret", "the same", "--port", str(plain.port))
        cls.do(client, "talk 100", "over ERR_DRAINING")
        for peer in (client, elder, careful, modern, again):
            assert peer.end() == 0, peer.name

    @classmethod
    def wait_talking(cls, peer, kind, count):
        """Lets the client talk until that peer has reported that many events: ngtcp2 does such things when it sends packets."""
        node_id = wait_for(lambda: [node["node_id"] for node in cls.traced.ask("nodes")["nodes"] if node["name"] == peer.name], peer.name)

        def told():
            cls.do(cls.client, "talk 100", "ok")
            return len(cls.traced.query(kind=kind, node_id=node_id[0])) >= count
        wait_for(told, kind)

    def endpoint(self, port):
        return f"127.0.0.1:{port}"

    def check_fates(self, end, *right):
        """The adapter reported exactly this about that end's connection."""
        self.assertEqual(self.ends[end].fates(), list(right), end)

    def test_a_connection_to_which_nothing_happens_says_nothing(self):
        for end in ("elder-0", "plain-0"):
            self.check_fates(end)

    def test_accepted_early_data_is_reported_where_it_was_received(self):
        for client, server, taken in (("elder-1", "plain-1", True), ("elder-2", "plain-2", False)):
            self.assertGreater(self.ends[client].types("packet_sent")["0RTT"], 0)
            self.assertEqual(self.ends[server].types("packet_received")["0RTT"] > 0, taken)
            self.check_fates(client, ("early_data", {"accepted": taken}))
            self.check_fates(server, *([("early_data", {"accepted": True})] if taken else []))

    def test_a_retry_is_reported_once_at_each_end_and_names_the_other(self):
        for client, server in (("elder-3", "careful-0"), ("elder-4", "careful-1")):
            self.assertEqual(self.ends[client].types("packet_received")["retry"], 1)
            early = [("early_data", {"accepted": True})] if client == "elder-4" else []
            self.check_fates(client, ("conn_retry", {"endpoint": self.endpoint(self.careful.port)}), *early)
            self.check_fates(server, ("conn_retry", {"endpoint": self.endpoint(self.elder.port)}), *early)
            self.assertEqual(self.ends[client].trace_id, self.ends[server].trace_id)

    def test_a_connection_is_one_trace_and_the_qlog_of_its_client_calls_it_so(self):
        for name, end in self.ends.items():
            if name.startswith(("client", "elder")):
                self.assertEqual(end.trace_id, end.group_id)

    def test_the_negotiated_version_is_reported_at_both_ends(self):
        for end in ("client-0", "modern-0"):
            self.check_fates(end, ("conn_version", {"version": int(self.version, 16)}))

    def test_a_missing_common_version_is_reported_as_the_cause_of_the_end(self):
        end = self.ends["elder-5"]
        self.assertEqual(end.types("packet_received")["version_negotiation"], 1)
        self.check_fates("elder-5", ("conn_version", {"version": 0}))
        self.assertEqual([closed["reason"] for closed in end.of("conn_closed")], ["ERR_RECV_VERSION_NEGOTIATION"])

    def test_updates_paths_and_a_reset_are_reported_in_order(self):
        server = self.endpoint(self.plain.port)
        updates = [("key_updated", {"updates": number}) for number in (1, 2, 3)]
        self.assertEqual(self.ends["client-1"].types("packet_received")["stateless_reset"], 1)
        self.check_fates("client-1", *updates, ("conn_migrated", {"endpoint": server, "by_remote": False}),
                         ("conn_reset", {"endpoint": server}))
        self.check_fates("plain-3", *updates,
                         *(("conn_migrated", {"endpoint": self.endpoint(port), "by_remote": True}) for port in self.moves))
        self.assertEqual([(closed["reason"], closed["by_remote"]) for closed in self.ends["client-1"].of("conn_closed")],
                         [("stateless reset", True)])

    def test_every_packet_of_the_qlog_is_an_event_and_no_other(self):
        for name, events in self.events.items():
            told, written = collections.Counter(), collections.Counter()
            for event in events:
                if event["kind"] in KINDS.values():
                    told[event["kind"], event["data"]["space"], event["data"]["packet_num"], event["data"].get("size")] += 1
            for path in self.qlog_dir.glob(f"{name}-*.sqlog"):
                for record in qlog_records(path):
                    kind, data = KINDS.get(record.get("name")), record.get("data", {})
                    if kind and data["header"]["packet_type"] in SPACES:
                        size = data["raw"]["length"] if kind != "packet_lost" else None
                        written[kind, SPACES[data["header"]["packet_type"]], data["header"]["packet_number"], size] += 1
            self.assertEqual((told - written, written - told), ({}, {}), name)

    def test_a_probe_carries_nothing_but_padding(self):
        """ngtcp2 probes the MTU with a PING and PADDING, and with nothing else of that size."""
        probes = 0
        for end in self.ends.values():
            frames = {record["data"]["header"]["packet_number"]: {frame["frame_type"] for frame in record["data"]["frames"]}
                      for record in end.records if record.get("name") == "transport:packet_sent" and
                      SPACES.get(record["data"]["header"]["packet_type"]) == "1rtt"}
            for event in end.events:
                if event["kind"] == "packet_sent" and event["data"]["space"] == "1rtt":
                    is_probe = frames[event["data"]["packet_num"]] == {"ping", "padding"} and event["data"]["size"] > 1200
                    self.assertEqual("probe" in event["flags"], is_probe, event)
                    probes += is_probe
        self.assertGreater(probes, 0)


class QlogConnectionsTest(Connections, unittest.TestCase):
    source = "qlog"


class CryptoConnectionsTest(Connections, unittest.TestCase):
    source = "crypto"


if __name__ == "__main__":
    TRACED, QUIC_PEER = sys.argv.pop(1), sys.argv.pop(1)
    unittest.main()
