# SPDX-License-Identifier: MIT
"""A lost probe of the path's MTU does not count as a loss in any view, live or on a recording.

usage: test_probes.py TRACED INSPECTOR PLAY_SCENE SCENE"""

import json
import os
import subprocess
import sys
import tempfile
import unittest

from daemon import Traced
from nodes import PATIENCE_S

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../inspector"))
from screen import Screen

TRACED = INSPECTOR = PLAY_SCENE = SCENE = None
COMMANDS = {
    "peers": ["peers"],
    "traces": ["traces"],
    "by trace": ["traces", "--where", "packets_lost == 1"],
    "by loss": ["traces", "--where", "any packet_lost and not any probe"],
    "count": ["count", "--kind", "packet_lost"],
    "losses": ["count", "--where", "packet_lost and not probe"],
    "probes": ["count", "--where", "probe", "--by", "kind"],
    "sql peers": ["sql", "select name, packets_sent, packets_lost from peers order by name"],
    "sql traces": ["sql", "select packets_lost from traces"],
    "qlog": ["export", "--format", "qlog"],
}


class Probes(unittest.TestCase):
    """The scene has three probes that are lost, and one packet."""

    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="probes-")
        cls.addClassCleanup(directory.cleanup)
        recording = os.path.join(directory.name, "recording")
        os.mkdir(recording)
        traced = Traced(TRACED, directory.name, more=["--record", recording])
        try:
            with traced.playing(PLAY_SCENE, SCENE):
                live = {name: cls.ask(command, "--socket", str(traced.socket_path)) for name, command in COMMANDS.items()}
        finally:
            traced.end()
        cls.recording = recording
        cls.said = [live, {name: cls.ask(command, "--read", recording) for name, command in COMMANDS.items()}]

    @staticmethod
    def ask(command, *source):
        shape = [] if command[0] == "export" else ["--json"]
        done = subprocess.run([INSPECTOR, *command, *source, *shape], text=True, capture_output=True, timeout=PATIENCE_S, check=False)
        assert (done.returncode, done.stderr) == (0, ""), (command, done.stderr)
        return [json.loads(line.lstrip("\x1e")) for line in done.stdout.split("\n") if line]

    def test_summaries_of_peers_and_traces_leave_them_out(self):
        for said in self.said:
            lost = {peer["name"]: (peer["packets_sent"], peer["packets_lost"]) for peer in said["peers"]}
            self.assertEqual(lost, {"alice": (1, 0), "bob": (6, 1)})
            self.assertEqual([trace["packets_lost"] for trace in said["traces"]], [1])
            self.assertEqual(len(said["by trace"]), 1)

    def test_sql_has_the_same_summaries(self):
        for said in self.said:
            self.assertEqual([tuple(row.values()) for row in said["sql peers"]], [("alice", 1, 0), ("bob", 6, 1)])
            self.assertEqual([tuple(row.values()) for row in said["sql traces"]], [(1,)])

    def test_a_filter_leaves_them_out_of_counted_events(self):
        for said in self.said:
            self.assertEqual((said["count"][0]["events"], said["losses"][0]["events"]), (4, 1))
            self.assertEqual({row["group"]["kind"]: row["count"] for row in said["probes"][0]["rows"]}, {"packet_sent": 3, "packet_lost": 3})

    def test_the_links_of_top_leave_them_out(self):
        with Screen([INSPECTOR, "top", "--read", self.recording], dict(os.environ, LC_ALL="C.UTF-8"), 24, 120) as screen:
            screen.send("3")
            screen.wait(lambda s: "[3 links]" in s.text and any("alice" in line and "bob" in line and "16.7%" in line for line in s.lines),
                        "one of six packets lost")

    def test_qlog_marks_them(self):
        for said in self.said:
            records = [record for record in said["qlog"] if record.get("name", "").endswith(("packet_sent", "packet_received", "packet_lost"))]
            self.assertEqual(len(records), 14)
            probes = [(record["name"].split(":")[1], record["data"]["header"]["packet_number"]) for record in records
                      if record["data"].get("is_mtu_probe_packet")]
            self.assertEqual(sorted(probes), sorted((name, number) for name in ("packet_sent", "packet_lost") for number in (11, 13, 14)))


if __name__ == "__main__":
    TRACED, INSPECTOR, PLAY_SCENE, SCENE = sys.argv[1:5]
    unittest.main(argv=[sys.argv[0]] + sys.argv[5:])
