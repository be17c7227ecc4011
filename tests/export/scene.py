# SPDX-License-Identifier: MIT
"""Events as JSON lines that a test writes, for cases that the QUIC example does not produce: `inspector --read FILE` opens them."""
import json
import pathlib
import subprocess
import tempfile
import unittest

NODES = {"alice": "a1" * 32, "bob": "b2" * 32, "carol": "c3" * 32}
SECOND = 1_767_225_600  # 2026-01-01


class Scene:
    def __init__(self):
        self.events = []
        self.sequences = {}

    def emit(self, node, kind, data, *, peer=None, trace=None, flags=(), lane=0):
        """A microsecond after the previous one."""
        sequence = self.sequences.get((node, lane), 0)
        self.sequences[node, lane] = sequence + 1
        event = {"timestamp": SECOND * 1_000_000 + len(self.events), "ns": 7, "node_id": NODES[node], "lane": lane, "sequence": sequence, "kind": kind,
                 "flags": list(flags), "peer_id": NODES[peer] if peer else None, "trace_id": trace, "data": data}
        self.events.append(event)
        return event

    def message(self, node, kind, peer, number, transport="udp", type="gossip", **more):
        return self.emit(node, f"message_{kind}", {"message_id": number, "size": 100, "transport": transport, "type": type}, peer=peer, **more)

    def packet(self, node, kind, peer, number, space="1rtt", size=1200, **more):
        data = {"packet_num": number, "space": space} if kind == "lost" else {"packet_num": number, "size": size, "space": space}
        return self.emit(node, f"packet_{kind}", data, peer=peer, **more)

    def connect(self, node, peer, trace, port=4433):
        """The beginning of a connection on both ends."""
        for end, other, by_remote in ((node, None, False), (peer, None, True)):
            self.emit(end, "conn_init", {"endpoint": f"127.0.0.1:{port + by_remote}", "by_remote": by_remote}, trace=trace)
        for end, other in ((node, peer), (peer, node)):
            self.emit(end, "conn_established", {"rtt": 1000}, peer=other, trace=trace)

    def write(self, path):
        path.write_text("".join(json.dumps(event) + "\n" for event in self.events))
        return path

    def export(self, inspector, path, *args, said=""):
        """The output, as bytes.  The events must be valid."""
        done = subprocess.run([inspector, "export", "--read", str(self.write(path)), *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        assert (done.returncode, done.stderr.decode()) == (0, said), done
        return done.stdout


class SceneTest(unittest.TestCase):
    """A scene, and a directory for its files."""

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = pathlib.Path(temporary.name)
        self.scene = Scene()
