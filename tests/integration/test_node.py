# SPDX-License-Identifier: MIT
"""examples/quic_node by itself: nodes that store and find chunks over several hops, with and without loss.

usage: test_node.py QUIC_NODE"""

import hashlib
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

from nodes import Node, line_of_nodes, qlog_packets

BINARY = None


def has_ipv6():
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as trial:
        try:
            trial.bind(("::1", 0))
        except OSError:
            return False
    return True


class NodeTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="quic-node-")
        self.addCleanup(directory.cleanup)
        self.qlog_dir = pathlib.Path(directory.name, "qlog")
        self.shm_dir = pathlib.Path(directory.name, "shm")
        self.qlog_dir.mkdir()
        self.shm_dir.mkdir()

    def start(self, name, **options):
        node = Node(BINARY, name, self.shm_dir, **options)
        self.addCleanup(node.end, signal.SIGKILL)
        return node

    def line(self, names, **options):
        nodes = line_of_nodes(BINARY, names, shm_dir=self.shm_dir, **options)
        for node in nodes:
            self.addCleanup(node.end, signal.SIGKILL)
        return nodes

    def test_two_nodes_authenticate_each_other(self):
        alice, bob = self.line(["alice", "bob"])
        self.assertEqual(bob.ask("peers")[2], f"{alice.id}@{alice.address}")
        self.assertEqual(alice.ask("peers")[2].split("@")[0], bob.id)

    def test_a_chunk_is_found_three_hops_away_and_deleted(self):
        nodes = self.line("abcd")
        stored = nodes[3].ask("store the quick brown fox")
        self.assertEqual(stored[:3], ["stored", hashlib.sha256(b"the quick brown fox").hexdigest(), "0"])
        self.assertEqual(nodes[0].ask(f"get {stored[1]}")[:4], ["ok", stored[1], "19", "3"])
        self.assertEqual(nodes[0].ask(f"delete {stored[1]}")[:3], ["deleted", stored[1], "3"])
        self.assertEqual(nodes[0].ask(f"get {stored[1]}")[:2], ["not-found", stored[1]])
        self.assertEqual(nodes[3].ask(f"get {stored[1]}")[:2], ["not-found", stored[1]])

    def test_a_store_travels_the_requested_number_of_hops(self):
        nodes = self.line("abcd")
        stored = nodes[0].ask("put 2 5000")
        self.assertEqual((stored[0], stored[2]), ("stored", "2"))
        self.assertEqual(nodes[2].ask(f"get {stored[1]}")[:4], ["ok", stored[1], "5000", "0"])

    def test_a_request_in_a_ring_ends(self):
        nodes = self.line("abc")
        nodes.append(self.start("d", peers=[nodes[0], nodes[2]]))
        for node in nodes:
            self.assertEqual(node.ask("wait-peers 2"), ["peers", "2"])
        self.assertEqual(nodes[0].ask("get " + "0" * 64)[:2], ["not-found", "0" * 64])
        stored = nodes[2].ask("store x")
        self.assertEqual(nodes[0].ask(f"get {stored[1]}")[3], "2")

    def test_chunks_survive_loss(self):
        nodes = self.line("abcde", drop=7, qlog_dir=self.qlog_dir)
        for size in (0, 1, 1000, 100000, 1048576):
            stored = nodes[4].ask(f"store-random {size}")
            self.assertEqual(nodes[0].ask(f"get {stored[1]}")[:4], ["ok", stored[1], str(size), "4"])
        for node in nodes:
            self.assertEqual(node.end(), 0)
        packets = [qlog_packets(node) for node in nodes]
        self.assertTrue(any(kind == "packet_lost" for kind, *_ in packets[2]), "nothing was lost")
        for of_node in packets:
            self.assertLessEqual({"packet_sent", "packet_received"}, {kind for kind, *_ in of_node})

    def test_a_peer_may_be_dialled_before_it_is_there(self):
        late = self.start("late")
        address = late.address
        late.end()
        early = self.start("early", more=["--peer", address])
        again = self.start("again", more=["--listen", address])
        self.assertEqual(early.ask("wait-peers 1"), ["peers", "1"])
        self.assertEqual(early.ask("peers")[2].split("@")[0], again.id)

    def test_a_node_continues_when_its_neighbour_stops(self):
        a, b, c = self.line("abc")
        self.assertEqual(b.end(), 0)
        stored = a.ask("store lonely")
        self.assertEqual(a.ask(f"get {stored[1]}")[0], "ok")
        self.assertEqual(c.ask(f"get {stored[1]}")[0], "not-found")

    def test_quit_and_signals_end_it_with_status_0(self):
        self.assertEqual(self.start("a").end(signal.SIGTERM), 0)
        self.assertEqual(self.start("b").end(signal.SIGINT), 0)
        quitter = self.start("c")
        self.assertEqual(quitter.ask("quit"), ["bye"])
        self.assertEqual(quitter.process.wait(60), 0)

    def test_the_end_of_stdin_ends_it_only_when_asked(self):
        done = subprocess.run([BINARY, "--exit-on-eof"], input="store x\nwhat\n", capture_output=True, text=True, timeout=60,
                              env={"P2PTRACE_SHM_DIR": str(self.shm_dir)})
        self.assertEqual(done.returncode, 0)
        self.assertEqual([line.split()[0] for line in done.stdout.splitlines()], ["listening", "stored", "error"])
        stays = self.start("stays")
        stays.process.stdin.close()
        other = self.start("other", peers=[stays])
        self.assertEqual(other.ask("wait-peers 1"), ["peers", "1"])
        self.assertIsNone(stays.process.poll())

    def test_a_node_without_room_for_a_log_says_so_and_runs_untraced(self):
        alice = self.start("alice")
        traced = alice.ask("store x")[3] != "-"  # otherwise tracing is compiled out, and there is nothing to check
        self.shm_dir = self.shm_dir / "not" / "there"
        bob = self.start("bob", peers=[alice])
        self.assertEqual(bob.ask("wait-peers 1"), ["peers", "1"])
        self.assertEqual(bob.ask("get " + hashlib.sha256(b"x").hexdigest())[0], "ok")
        self.assertEqual(bob.end(), 0)
        self.assertEqual([line.split(":")[0] for line in bob.errors], ["tracing off"] if traced else [])

    @unittest.skipUnless(has_ipv6(), "no IPv6 on the loopback here")
    def test_nodes_speak_ipv6(self):
        alice = self.start("alice", more=["--listen", "[::1]:0"])
        bob = self.start("bob", peers=[alice], more=["--listen", "[::1]:0"])
        self.assertEqual(bob.ask("wait-peers 1"), ["peers", "1"])
        self.assertEqual(bob.ask("peers")[2], f"{alice.id}@{alice.address}")

    def test_wrong_commands_are_answered_with_the_reason(self):
        node = self.start("a")
        for command in ("get 12", "get " + "g" * 64, "put 1", "put 17 1", "store-random -1", "store-random 1048577", "wait-peers 0",
                        "wait-peers", "nonsense", "peers all"):
            self.assertEqual(node.ask(command)[0], "error", command)
        self.assertEqual(node.ask("x" * 100000)[0], "error")
        self.assertEqual(node.ask("peers"), ["peers", "0"])

    def test_wrong_arguments_are_refused(self):
        for arguments in (["--drop", "1"], ["--drop", "x"], ["--listen", "nowhere"], ["--peer", "127.0.0.1"], ["what"], ["--name", "a/b"]):
            done = subprocess.run([BINARY, *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
            self.assertEqual(done.returncode, 2, arguments)


if __name__ == "__main__":
    BINARY = sys.argv.pop(1)
    unittest.main()
