#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A program without QUIC: examples/udp_ping, and the answers of every command about its messages.

    test_udp.py TRACED INSPECTOR UDP_PING"""
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import unittest

from daemon import Traced, wait_for
from nodes import PATIENCE_S

TRACED, INSPECTOR, UDP_PING = (pathlib.Path(arg).resolve() for arg in sys.argv[1:4])
DROP, COUNT = 4, 9


class Udp(unittest.TestCase):
    """bob drops each DROP-th datagram that reaches him, first the fourth: alice repeats those questions."""

    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory(dir=os.environ["P2PTRACE_SHM_DIR"])))
        cls.traced = Traced(TRACED, cls.directory, ["--history", "64MiB"])
        cls.addClassCleanup(cls.traced.end)
        env = dict(os.environ, P2PTRACE_SHM_DIR=str(cls.traced.shm_dir))
        with subprocess.Popen([UDP_PING, "bob", str(DROP)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as bob:
            port = bob.stdout.readline().split()[1]
            alice = subprocess.run([UDP_PING, "alice", port, str(COUNT)], env=env, capture_output=True, text=True, timeout=PATIENCE_S)
            bob.stdin.close()
            cls.status = bob.wait(PATIENCE_S)
        cls.said = alice.stdout
        cls.traced.wait_drained(["alice", "bob"], key="name")
        cls.ids = {node["name"]: node["node_id"] for node in cls.traced.ask("nodes")["nodes"]}
        cls.events = cls.traced.query()

    def inspect(self, *args):
        done = subprocess.run([INSPECTOR, "--socket", str(self.traced.socket_path), *args], capture_output=True, text=True,
                              timeout=PATIENCE_S)
        self.assertEqual((done.returncode, done.stderr), (0, ""), args)
        return done.stdout

    def of(self, name, kind, **data):
        return [e for e in self.events if e["node_id"] == self.ids[name] and e["kind"] == kind
                and all(e["data"][k] == v for k, v in data.items())]

    def again(self):
        return [e for e in self.of("alice", "message_sent") if "retransmission" in e["flags"]]

    def test_it_works_and_says_so(self):
        self.assertEqual((self.said, self.status), (f"{COUNT} of {COUNT} answered\n", 0))

    def test_its_help_starts_no_node(self):
        ask = lambda *args: subprocess.run([UDP_PING, *args], capture_output=True, text=True, timeout=PATIENCE_S, stdin=subprocess.DEVNULL)
        for args, code in ((["--help"], 0), (["-h"], 0), (["--count", "7"], 2), ([], 2)):
            done = ask(*args)
            self.assertEqual((done.returncode, bool(done.stdout), bool(done.stderr)), (code, not code, bool(code)), args)
            self.assertIn("usage: udp_ping bob [DROP]", done.stdout + done.stderr)

    def test_every_message_is_reported_at_both_ends(self):
        sent, received = self.of("alice", "message_sent", type="PING"), self.of("bob", "message_received", type="PING")
        arrived = len(sent) - len(sent) // DROP  # each DROP-th is lost
        self.assertGreaterEqual(len(self.again()), 2)
        self.assertEqual(len(sent), COUNT + len(self.again()))
        self.assertEqual(len(received), arrived)
        self.assertEqual({e["data"]["message_id"] for e in sent}, set(range(COUNT)))
        self.assertEqual({(e["data"]["transport"], e["data"]["size"]) for e in sent + received}, {("udp", 41 + 26)})
        self.assertEqual({e["peer_id"] for e in received}, {self.ids["alice"]})
        self.assertEqual({e["peer_id"] for e in sent}, {self.ids["bob"]})
        self.assertEqual(["peer_as" in e for e in sent], [True] + [False] * (len(sent) - 1))  # bob's first answer has his id

    def test_filters_counts_and_sql_know_messages(self):
        lines = self.inspect("recent", "--json", "--where", "message_sent and retransmission and type == PING and transport == udp")
        self.assertEqual([json.loads(line)["sequence"] for line in lines.splitlines()], [e["sequence"] for e in self.again()])
        rows = self.traced.ask("count", group_by=["kind", "type"], kind=["message_sent", "message_received"])["rows"]
        expected = {("message_sent", "PING"): len(self.of("alice", "message_sent")),
                    ("message_sent", "PONG"): len(self.of("bob", "message_sent")),
                    ("message_received", "PING"): len(self.of("bob", "message_received")),
                    ("message_received", "PONG"): len(self.of("alice", "message_received"))}
        self.assertEqual({(r["group"]["kind"], r["group"]["type"]): r["count"] for r in rows}, expected)
        said = self.inspect("sql", "--json", "SELECT type, transport, count(*) AS n, sum(size) AS bytes FROM events WHERE kind = 'message_received' GROUP BY type")
        self.assertEqual([json.loads(line) for line in said.splitlines()],
                         [{"type": t, "transport": "udp", "n": n, "bytes": n * 67} for t, n in
                          (("PING", expected["message_received", "PING"]), ("PONG", expected["message_received", "PONG"]))])

    def test_peers_count_messages_beside_packets(self):
        peers = {p["name"]: p for p in self.traced.ask("peers")["peers"]}
        self.assertEqual((peers["alice"]["messages_sent"], peers["alice"]["messages_received"], peers["alice"]["packets_sent"]),
                         (len(self.of("bob", "message_sent")), len(self.of("bob", "message_received")), 0))
        self.assertRegex(self.inspect("peers"), r"msgs sent +msgs rcvd")

    def test_the_graph_pairs_them_even_the_first_with_an_unknown_peer(self):
        first = self.of("alice", "message_sent")[0]["trace_id"]
        messages = [json.loads(line) for line in self.inspect("trace", first, "--graph", "--json").splitlines()]
        self.assertEqual([(m["message"], m["state"], m["from"], m["to"]) for m in messages if m["message"] == "message"],
                         [("message", "matched", self.ids["alice"], self.ids["bob"]), ("message", "matched", self.ids["bob"], self.ids["alice"])])
        lost = self.again()[0]["trace_id"]  # one of two sends arrived; which one is unknown
        states = [json.loads(line)["state"] for line in self.inspect("trace", lost, "--graph", "--json").splitlines()]
        self.assertEqual(sorted(states), ["ambiguous"] * 3 + ["matched"])
        self.assertIn("sent again", self.inspect("trace", lost, "--graph"))


class Expired(unittest.TestCase):
    def test_a_request_that_nobody_answers_is_neither_ok_nor_failed(self):
        directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(dir=os.environ["P2PTRACE_SHM_DIR"])))
        traced = Traced(TRACED, directory, ["--history", "64MiB"])
        self.addCleanup(traced.end)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
            mute.bind(("127.0.0.1", 0))
            done = subprocess.run([UDP_PING, "alice", str(mute.getsockname()[1])], capture_output=True, text=True, timeout=PATIENCE_S,
                                  env=dict(os.environ, P2PTRACE_SHM_DIR=str(traced.shm_dir)))
        self.assertEqual((done.stdout, done.returncode), ("0 of 1 answered\n", 1))
        traced.wait_drained(["alice"], key="name")
        [trace] = traced.ask("traces", filter="outcome == expired")["traces"]
        self.assertEqual(trace["outcome"], "expired")
        self.assertEqual(traced.ask("traces", filter="outcome in {ok, failed, open, none}")["traces"], [])
        [end] = traced.query(filter="app_end and expired and not ok")
        self.assertEqual((end["trace_id"], end["flags"]), (trace["trace_id"], ["sampled", "app_initiated", "expired"]))
        sends = traced.query(kind="message_sent")
        self.assertEqual(["retransmission" in e["flags"] for e in sends], [False] + [True] * (len(sends) - 1))
        shown = subprocess.run([INSPECTOR, "--socket", str(traced.socket_path), "trace", trace["trace_id"]], capture_output=True,
                               text=True, timeout=PATIENCE_S)
        self.assertIn("Ping PING: EXPIRED after ", shown.stdout)


class Told(unittest.TestCase):
    def test_a_node_can_be_told_to_emit_nothing_else(self):
        directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(dir=os.environ["P2PTRACE_SHM_DIR"])))
        traced = Traced(TRACED, directory, ["--history", "64MiB"])
        self.addCleanup(traced.end)
        shm = traced.shm_dir
        with subprocess.Popen([UDP_PING, "bob"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                              env=dict(os.environ, P2PTRACE_SHM_DIR=str(shm))) as bob:
            port = bob.stdout.readline().split()[1]
            live = wait_for(lambda: [n for n in traced.ask("nodes")["nodes"] if n["name"] == "bob" and n["state"] == "live"], "bob")
            traced.ask("control", node_id=live[0]["node_id"], kinds=["message_received"])
            subprocess.run([UDP_PING, "carol", port, "3"], check=True, capture_output=True, timeout=PATIENCE_S,
                           env=dict(os.environ, P2PTRACE_SHM_DIR=str(shm)))
            bob.stdin.close()
            bob.wait(PATIENCE_S)
        node = live[0]["node_id"]
        traced.wait_drained([node])
        self.assertEqual([e["kind"] for e in traced.query(node_id=node)], ["message_received"] * 3)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
