# SPDX-License-Identifier: MIT
"""examples/ask.py against a traced whose answers are known.

usage: test_ask.py ASK.PY"""

import json
import os
import subprocess
import sys
import tempfile
import unittest

from fake_traced import Error, FakeTraced

ASK = sys.argv.pop(1)
ALICE, BOB, TRACE = "a1" * 32, "b2" * 32, "c3" * 16
EVENT = {"timestamp": 7, "ns": 0, "node_id": ALICE, "peer_id": BOB, "trace_id": TRACE, "sequence": 1, "lane": 0, "kind": "metrics",
         "flags": [], "data": {"rtt": 5}}
LINE = f"7 al\\x1bice {BOB[:8]} metrics {{'rtt': 5}}\n"
PAGES = {None: {"events": [EVENT, EVENT], "cursor": "2"}, "2": {"events": [EVENT | {"peer_id": None}], "cursor": None}}
ANSWERS = {
    "hello": {"name": "traced", "protocol": 1},
    "nodes": {"nodes": [{"node_id": ALICE, "name": "al\x1bice", "state": "live", "emitted": 3, "lost": 1}]},
    "traces": {"traces": [{"trace_id": TRACE, "outcome": "ok", "duration": 1500000, "events": 3, "command": "GET"}], "total": 1},
    "query": lambda params: PAGES[params.get("cursor")],
    "subscribe": {"subscription": 1},
}


class Ask(unittest.TestCase):
    def ask(self, *args, answers=None, stream=()):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "traced.sock")
            with FakeTraced(path, ANSWERS | (answers or {}), stream=stream, close_after_stream=True):
                return self.run_ask(path, *args)

    @staticmethod
    def run_ask(path, *args):
        env = os.environ | {"P2PTRACE_SOCKET": path}
        done = subprocess.run([sys.executable, ASK, *args], env=env, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr

    def test_each_word_shows_its_answer(self):
        self.assertEqual(json.loads(self.ask("hello")[1]), ANSWERS["hello"])
        self.assertEqual(self.ask("nodes"), (0, "al\\x1bice live emitted 3 lost 1\n", ""))
        self.assertEqual(self.ask("traces"), (0, f"{TRACE} ok 1.500 ms 3 events GET\n", ""))

    def test_a_trace_is_read_to_its_last_page(self):
        self.assertEqual(self.ask("trace", TRACE[:6]), (0, 2 * LINE + LINE.replace(BOB[:8], "-"), ""))

    def test_following_shows_events_and_losses_until_the_end(self):
        stream = [{"jsonrpc": "2.0", "method": "events", "params": {"subscription": 1, "events": [EVENT], "lost": n}} for n in (0, 4)]
        self.assertEqual(self.ask("follow", "1", stream=stream), (0, LINE, ""))
        code, out, err = self.ask("follow", stream=stream)
        self.assertEqual((code, out), (1, 2 * LINE))
        self.assertEqual(err, "4 events missed: read faster\ntraced went away\n")

    def test_what_goes_wrong_is_one_line(self):
        self.assertEqual(self.ask("hello", answers={"hello": Error(-32603, "Internal error")}), (1, "", "hello: Internal error\n"))
        self.assertEqual(self.run_ask("/nonexistent", "hello"), (1, "", "no traced at /nonexistent\n"))
        self.assertIn("ask.py hello | nodes", self.ask("what")[2])


if __name__ == "__main__":
    unittest.main(verbosity=2)
