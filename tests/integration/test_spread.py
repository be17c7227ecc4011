#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`inspector spread` of real nodes: examples/gossip, live and on a recording.  Who is late depends on the machine; that is in
tests/inspector/scenes/spread_*.

    test_spread.py TRACED INSPECTOR GOSSIP"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from daemon import Traced, wait_for
from nodes import PATIENCE_S

TRACED, INSPECTOR, GOSSIP = (pathlib.Path(arg).resolve() for arg in sys.argv[1:4])
HOLD_MS = 20
FOR_EVER_MS = 10**9
EDGES = {"alice": ["bob", "carol"], "bob": ["erin"], "carol": ["dave"], "dave": ["frank"]}


def ns_of(event):
    return event["timestamp"] * 1000 + event["ns"]


class Node:
    def __init__(self, name, shm_dir, delay_ms=0):
        self.name = name
        self.process = subprocess.Popen([GOSSIP, name, str(delay_ms), str(FOR_EVER_MS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=dict(os.environ, P2PTRACE_SHM_DIR=str(shm_dir)))
        self.port = self.expect("listening").split()[1]

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def expect(self, word):
        """Its next line that begins with that word.  In between it reports which peers it has met."""
        for line in self.process.stdout:
            if line.startswith(word):
                return line.rstrip("\n")
            if not line.startswith("knows "):
                break
        raise AssertionError(f"{self.name} does not say {word}")

    def end(self):
        with self.process:
            self.process.stdin.close()
            self.process.stdout.read()
        return self.process.returncode


    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE_S)
        self.process.stdin.close()
        self.process.stdout.close()


class Spread(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(dir=os.environ["P2PTRACE_SHM_DIR"])))
        self.record = self.directory / "record"
        self.traced = Traced(TRACED, self.directory, ["--history", "64MiB", "--record", str(self.record)])
        self.addCleanup(self.traced.end)
        self.nodes = {}

    def start(self, name, delay_ms=0):
        self.nodes[name] = Node(name, self.traced.shm_dir, delay_ms)
        self.addCleanup(self.nodes[name].kill)
        return self.nodes[name]

    def befriend(self, name, others):
        ports = {self.nodes[other].port for other in others}
        self.nodes[name].say("peers " + " ".join(sorted(ports)))
        while ports:
            ports.discard(self.nodes[name].expect("knows ").split()[1])

    def drain(self):
        for node in self.nodes.values():
            if node.process.poll() is None:
                self.assertEqual(node.end(), 0, node.name)
        self.traced.wait_drained(list(self.nodes), key="name")
        self.ids = {node["node_id"]: node["name"] for node in self.traced.ask("nodes")["nodes"]}

    def inspect(self, *args, source=None):
        source = source or ("--socket", str(self.traced.socket_path))
        done = subprocess.run([INSPECTOR, *args, *source], capture_output=True, text=True, timeout=PATIENCE_S)
        self.assertEqual((done.returncode, done.stderr), (0, ""), args)
        return done.stdout

    def spread(self, *args, **more):
        return json.loads(self.inspect("spread", "--json", *args, **more))

    def trace_of(self, command):
        [trace] = [t["trace_id"] for t in self.traced.ask("traces", filter=f"command == {command}", limit=100)["traces"]]
        return trace

    def name(self, node_id):
        return self.ids.get(node_id)

    def test_a_gossip_with_a_branch_that_is_held(self):
        """alice -> bob -> erin; alice -> carol, who holds it -> dave -> frank."""
        for name in ("alice", "bob", "carol", "dave", "erin", "frank"):
            self.start(name, HOLD_MS if name == "carol" else 0)
        for name, others in EDGES.items():
            self.befriend(name, others)
        self.nodes["alice"].say("publish hello there")
        for name in ("bob", "carol", "dave", "erin", "frank"):
            self.nodes[name].expect("got hello there")
        self.drain()
        trace = self.trace_of("RUMOUR")
        said = self.spread(trace)
        self.assertEqual((said["by"], self.name(said["origin_id"]), said["nodes_reached"], said["hops"]), ("messages", "alice", 5, 3))
        reached = {self.name(r["node_id"]): r for r in said["reached"]}
        self.assertEqual({name: (self.name(r["from"]), r["hops"]) for name, r in reached.items()},
                         {"alice": (None, 0), "bob": ("alice", 1), "carol": ("alice", 1), "erin": ("bob", 2), "dave": ("carol", 2), "frank": ("dave", 3)})
        self.assertGreaterEqual(reached["dave"]["held"], (HOLD_MS - 1) * 1_000_000)
        sent = {(self.name(e["node_id"]), self.ids[e["peer_id"]]): e for e in self.traced.query(kind="message_sent", trace_id=trace)}
        got = {self.name(e["node_id"]): e for e in self.traced.query(kind="message_received", trace_id=trace)}
        for name in ("dave", "erin", "frank"):
            sender = self.name(reached[name]["from"])
            self.assertEqual(reached[name]["held"], ns_of(sent[sender, name]) - ns_of(got[sender]))
            self.assertEqual(reached[name]["link"], ns_of(got[name]) - ns_of(sent[sender, name]))
            self.assertEqual(reached[name]["after"], ns_of(got[name]) - said["timestamp"] * 1000 - said["ns"])
        self.assertEqual((said["sent"], said["arrived"], said["duplicates"], said["redundancy"], said["not_arrived"]), (5, 5, 0, 0.0, []))
        [message] = {e["data"]["message_id"] for e in self.traced.query(kind="message_sent")}
        by_id = self.spread(f"message_id={message}")
        self.assertEqual({k: by_id[k] for k in ("sent", "arrived", "nodes_reached", "hops")},
                         {k: said[k] for k in ("sent", "arrived", "nodes_reached", "hops")})
        self.traced.end()
        self.assertEqual(self.spread(trace, source=("--read", str(self.record))), said)

    def test_duplicates_in_a_ring(self):
        for name in ("alice", "bob", "carol"):
            self.start(name)
        self.befriend("alice", ["bob", "carol"])
        self.befriend("bob", ["carol"])
        self.nodes["alice"].say("publish news")
        # Alice sends to both; they send to each other, or the second got it from the first, and then sends to alice.
        wait_for(lambda: len(self.traced.query(kind="message_received")) == 4, "four messages that arrived")
        self.drain()
        said = self.spread(self.trace_of("RUMOUR"))
        self.assertEqual({k: said[k] for k in ("nodes_reached", "sent", "arrived", "duplicates", "redundancy", "not_arrived")},
                         {"nodes_reached": 2, "sent": 4, "arrived": 4, "duplicates": 2, "redundancy": 1.0, "not_arrived": []})
        self.assertEqual(sum(row["duplicates"] for row in said["reached"]), 2)

    def test_a_lookup_with_a_dead_peer(self):
        for name in ("alice", "bob", "carol", "dave"):
            self.start(name)
        self.nodes["bob"].say("have the key")
        self.befriend("alice", ["bob", "carol", "dave"])
        self.nodes["dave"].kill()
        self.nodes["alice"].say("find the key")
        wait_for(lambda: len(self.traced.query(kind="message_received")) == 4, "two questions and two answers")
        self.nodes["alice"].say("give up")  # dave
        self.nodes["alice"].expect("found the key")
        self.drain()
        trace = self.trace_of("FIND")
        said = self.spread(trace)
        answers = {self.name(q["asked_id"]): (self.name(q["asker_id"]), q["question"], q["answer"], q["arrived"]) for q in said["questions"]}
        self.assertEqual(answers, {"bob": ("alice", "Gossip FIND", "ok", True), "carol": ("alice", "Gossip FIND", "failed", True),
                                   "dave": ("alice", "Gossip FIND", "expired", False)})
        self.assertEqual([self.name(row["to"]) for row in said["not_arrived"]], ["dave"])
        self.assertEqual([(c["step"], c["node_id"]) for c in said["culprits"]], [])
        text = self.inspect("spread", trace)
        self.assertIn("3 questions: 1 ok, 1 failed, 1 expired", text)
        self.assertRegex(text, r"alice +dave +Gossip FIND +expired .* did not arrive")

    def test_a_rumour_that_is_published_again_is_joined_by_its_link(self):
        for name in ("alice", "bob", "carol"):
            self.start(name)
        self.befriend("alice", ["bob"])
        self.nodes["alice"].say("publish old news")
        self.nodes["bob"].expect("got old news")
        self.befriend("bob", ["carol"])
        self.nodes["bob"].say("again")
        self.nodes["carol"].expect("got old news")
        self.drain()
        [link] = self.traced.query(kind="link")
        self.assertEqual((self.name(link["node_id"]), link["data"]["relation"]), ("bob", "again"))
        for trace in (link["trace_id"], link["data"]["linked_trace_id"]):  # from either end
            said = self.spread(trace)
            self.assertEqual((said["traces"], self.name(said["origin_id"]), said["hops"]), (2, "alice", 2))
            self.assertEqual({self.name(r["node_id"]): self.name(r["from"]) for r in said["reached"]},
                             {"alice": None, "bob": "alice", "carol": "bob"})

    def test_an_argument_that_matches_nothing_gets_a_sentence(self):
        for argument, code, says in (("77", 1, "no trace begins with 77, and no event in the history matches message_id == 77"), ("no such", 2, "FIELD=VALUE is expected"),
                                     ("abcd", 1, 'no trace begins with "abcd"'), ("message_id=0x4d", 1, "message_id == 0x4d")):
            done = subprocess.run([INSPECTOR, "spread", argument, "--socket", str(self.traced.socket_path)], capture_output=True, text=True,
                                  timeout=PATIENCE_S)
            self.assertEqual((done.returncode, done.stdout), (code, ""), argument)
            self.assertIn(says, done.stderr)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]] + sys.argv[4:], verbosity=2)
