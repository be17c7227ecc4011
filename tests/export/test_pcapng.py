#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""pcapng, as read by tshark: alone, and merged with a capture of the same packets, which the included key log decrypts.

    test_pcapng.py TRACED INSPECTOR QUIC_NODE"""
import collections
import json
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from scene import SceneTest  # noqa: E402
from world import World  # noqa: E402

TRACED, INSPECTOR, QUIC_NODE = (os.path.abspath(arg) for arg in sys.argv[1:4])
COMMENT = re.compile(r"(packet_sent|packet_received) (\S+) (\d+), (\d+) bytes, (.*), lane (\d+), sequence (\d+)(?:; before it (\d+) events of the node were lost)?$")


def tshark(path, *names, more=()):
    """The fields of each packet."""
    words = [word for name in names for word in ("-e", name)]
    # A list has every value of a field: a datagram may have several packets.
    done = subprocess.run(["tshark", "-n", "-r", str(path), "-T", "fields", "-E", "aggregator=|", "-E", "separator=\t", *words, *more],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    return [line.split("\t") for line in done.stdout.decode().splitlines()]


def blocks(data):
    """[(type, body)]; each block has its length at both ends."""
    found, at = [], 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        assert length % 4 == 0 and struct.unpack_from("<I", data, at + length - 4)[0] == length
        found.append((kind, data[at + 8:at + length - 4]))
        at += length
    return found


def start_capture(path):
    """dumpcap on the loopback interface; None where that is not allowed.  Its buffer has room for what other suites send meanwhile."""
    if not shutil.which("dumpcap"):
        return None
    process = subprocess.Popen(["dumpcap", "-i", "lo", "-f", "udp", "-B", "32", "-q", "-w", str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if line.startswith("File:"):  # now it is capturing
            return process
    process.wait()
    process.stderr.close()
    return None


@unittest.skipUnless(shutil.which("tshark"), "tshark is not installed")
class TheWorld(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.directory = pathlib.Path(cls.temporary.name)
        cls.keylog = cls.directory / "keys.log"
        os.environ["SSLKEYLOGFILE"] = str(cls.keylog)
        cls.capture = start_capture(cls.directory / "capture.pcapng")
        cls.world = World(TRACED, INSPECTOR, QUIC_NODE)
        del os.environ["SSLKEYLOGFILE"]
        cls.path = cls.directory / "all.pcapng"
        done = cls.world.run("--format", "pcapng", "--keylog", str(cls.keylog), "-o", str(cls.path))
        cls.events = [e for e in cls.world.events if e["kind"] in ("packet_sent", "packet_received")]
        others = len(cls.world.events) - len(cls.events)
        said = f"inspector: {others} of {len(cls.world.events)} events are not in the export: pcapng can only carry packet_sent and packet_received\n"
        assert (done.returncode, done.stderr.decode()) == (0, said), done
        cls.rows = tshark(cls.path, "frame.time_epoch", "frame.interface_name", "frame.packet_flags_direction", "frame.packet_id", "frame.len",
                          "ip.src", "udp.srcport", "ip.dst", "udp.dstport", "frame.comment", "frame.interface_description")

    @classmethod
    def tearDownClass(cls):
        cls.world.close()
        cls.temporary.cleanup()

    def test_each_packet_is_there_with_its_time_node_direction_and_length(self):
        self.assertEqual(len(self.rows), len(self.events))
        for row, event in zip(self.rows, self.events):
            time, node, direction, _, length, *_, comment, node_id = row
            self.assertEqual(int(time.replace(".", "")), event["timestamp"] * 1000 + event["ns"])
            self.assertEqual((node, node_id), (self.world.names[event["node_id"]], event["node_id"]))
            self.assertEqual(int(direction, 16), 2 if event["kind"] == "packet_sent" else 1)
            self.assertEqual(int(length), event["data"]["size"] + 28)
            kind, space, number, size, about, lane, sequence, _ = COMMENT.match(comment).groups()
            self.assertEqual((kind, space, int(number), int(size), int(lane), int(sequence)),
                             (event["kind"], event["data"]["space"], event["data"]["packet_num"], event["data"]["size"], event["lane"], event["sequence"]))
            self.assertIn("trace " + event["trace_id"], about)

    def test_both_ends_of_a_packet_have_one_id_and_the_same_addresses(self):
        ends = collections.defaultdict(list)
        for row, event in zip(self.rows, self.events):
            if row[3]:
                ends[row[3]].append((row, event))
        pairs = [both for both in ends.values() if len(both) == 2]
        self.assertGreater(len(pairs), 50)
        dialled = {(e["node_id"], e["trace_id"]): (e["timestamp"], e["ns"]) for e in self.world.events if e["kind"] == "conn_init" and e["data"]["by_remote"]}
        for (sent, first), (received, second) in pairs:
            self.assertEqual((first["kind"], second["kind"]), ("packet_sent", "packet_received"))
            self.assertEqual({k: first["data"][k] for k in ("packet_num", "size", "space")}, {k: second["data"][k] for k in ("packet_num", "size", "space")})
            self.assertNotEqual(first["node_id"], second["node_id"])
            # Where a connection's first packets came from, only their receiver can say: it does so when they arrive.
            if sent[5] == "0.0.0.0":
                self.assertLess((first["timestamp"], first["ns"]), dialled[second["node_id"], second["trace_id"]])
            else:
                self.assertEqual(sent[5:9], received[5:9])

    def test_the_secrets_match_the_key_log(self):
        types = [kind for kind, _ in blocks(self.path.read_bytes())]
        self.assertEqual(types, [0x0a0d0d0a, 10] + types[2:])
        self.assertEqual(collections.Counter(types[2:]), {1: 3, 6: len(self.events)})
        _, body = blocks(self.path.read_bytes())[1]
        kind, length = struct.unpack_from("<II", body)
        self.assertEqual((kind, body[8:8 + length]), (0x544c534b, self.keylog.read_bytes()))
        self.assertGreater(length, 1000)

    def test_wireshark_decrypts_a_merged_capture(self):
        """Each packet from one node to the other is in the capture, which only the key log of the export decrypts."""
        if self.capture is None:
            self.skipTest("dumpcap may not capture here")
        # Nodes drop some on purpose: those were never on the wire.
        arrived = {row[3] for row, event in zip(self.rows, self.events) if event["kind"] == "packet_received"} - {""}
        wanted = [(row, event) for row, event in zip(self.rows, self.events)
                  if event["kind"] == "packet_sent" and row[3] in arrived and row[5] != "0.0.0.0"]
        self.assertGreater(len(wanted), 50)
        # dumpcap has written what it captured when it has ended.
        self.capture.send_signal(signal.SIGINT)
        self.capture.wait(60)
        self.capture.stderr.close()
        merged = self.directory / "merged.pcapng"
        subprocess.run(["mergecap", "-w", str(merged), str(self.directory / "capture.pcapng"), str(self.path)], check=True, timeout=60,
                       stderr=subprocess.DEVNULL)
        real = collections.Counter()
        for comment, source, target, numbers, lengths in tshark(merged, "frame.comment", "udp.srcport", "udp.dstport", "quic.packet_number",
                                                                "quic.packet_length"):
            if comment or not numbers:
                continue
            for number, length in zip(numbers.split("|"), lengths.split("|")):
                real[source, target, int(number), int(length)] += 1
        missing = collections.Counter((row[6], row[8], e["data"]["packet_num"], e["data"]["size"]) for row, e in wanted)
        self.assertEqual(missing - real, {})


@unittest.skipUnless(shutil.which("tshark"), "tshark is not installed")
class Scenes(SceneTest):
    def rows(self, *names, said=""):
        path = self.directory / "out.pcapng"
        path.write_bytes(self.scene.export(INSPECTOR, self.directory / "events.ndjson", "--format", "pcapng", said=said))
        return tshark(path, *names)

    def test_other_transports_have_their_protocol(self):
        for number, space in enumerate(("udp", "utp", "tcp", "sctp", "kcp", "noise", "other")):
            self.scene.packet("alice", "sent", "bob", number, space)
        self.assertEqual([row[0] for row in self.rows("ip.proto")], ["17", "17", "6", "17", "17", "17", "253"])

    def test_version_6_addresses(self):
        for node, remote in (("alice", False), ("bob", True)):
            self.scene.emit(node, "conn_init", {"endpoint": f"[2001:db8::{5 + remote}]:{700 + remote}", "by_remote": remote}, trace="5a" * 16)
        self.scene.packet("alice", "sent", None, 0, "initial", trace="5a" * 16)
        self.scene.packet("bob", "received", None, 0, "initial", trace="5a" * 16)
        self.assertEqual(self.rows("ipv6.src", "udp.srcport", "ipv6.dst", "udp.dstport", "frame.len", "ipv6.plen",
                                   said="inspector: 2 of 4 events are not in the export: pcapng can only carry packet_sent and packet_received\n"),
                         [["2001:db8::6", "701", "2001:db8::5", "700", "1248", "1208"]] * 2)

    def test_losses_are_reported_at_the_next_packet(self):
        self.scene.packet("alice", "sent", "bob", 0)
        self.scene.emit("alice", "events_lost", {"count": 17, "first": 1, "cause": "overwritten"})
        self.scene.packet("alice", "sent", "bob", 1)
        path = self.directory / "out.pcapng"
        done = subprocess.run([INSPECTOR, "export", "--read", str(self.scene.write(self.directory / "e.ndjson")), "--format", "pcapng", "-o", str(path)],
                              stderr=subprocess.PIPE, timeout=60)
        self.assertIn(b"17 events were lost", done.stderr)
        self.assertEqual([COMMENT.match(row[0])[8] for row in tshark(path, "frame.comment")], [None, "17"])

    def test_an_invalid_key_log_is_reported(self):
        self.scene.packet("alice", "sent", "bob", 0)
        events, bad = self.scene.write(self.directory / "e.ndjson"), self.directory / "bad.log"
        for content, said in ((b"no secrets\n", "is not a key log"), (b"\0" * 100, "is not a key log"), (b"", "is not a key log"), (None, "No such file")):
            bad.unlink(missing_ok=True)
            if content is not None:
                bad.write_bytes(content)
            out = self.directory / "out.pcapng"
            done = subprocess.run([INSPECTOR, "export", "--read", str(events), "--format", "pcapng", "--keylog", str(bad), "-o", str(out)],
                                  stderr=subprocess.PIPE, timeout=60)
            self.assertEqual((done.returncode, done.stderr.count(b"\n"), out.exists()), (1, 1, False), done)
            self.assertIn(said.encode(), done.stderr)
        done = subprocess.run([INSPECTOR, "export", "--read", str(events), "--keylog", str(bad)], stderr=subprocess.PIPE, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (2, b"inspector: --keylog is for --format pcapng\n"))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
