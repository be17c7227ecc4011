#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The inspector's source interface: a source of sixty lines (tests/inspector/text_source.c), with events from a text file, serves every command.

The answers of a live traced are saved as text and read back.  The answers must be the same, byte for byte, unless they depend on the current time
or on what a text does not contain."""
import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import ProtocolTest, hex_id, of_any_source  # noqa: E402

ALICE, BOB, CAROL = hex_id(0xAA), hex_id(0xBB), hex_id(0xCC)
TRACE, FAILED = "%032x" % 0x5EED, "%032x" % 0xFA11ED


class TextSource(ProtocolTest):
    def setUp(self):
        super().setUp()
        self.client = self.start()
        self.alice, self.bob = self.place.node("alice", ALICE), self.place.node("bob", BOB)
        self.alice.do("start", TRACE, 1, 0, 1)
        self.alice.do("packets", 30, TRACE, BOB)
        self.bob.do("packets", 20, TRACE, ALICE)
        self.alice.do("end", TRACE, 1, 1, 1)
        self.alice.do("start", "%032x" % 0xBAD, 2, 0, 2)
        self.alice.do("start", FAILED, 3, 0, 1)
        self.alice.do("end", FAILED, 3, 1, 0)
        self.alice.do("metrics", 2_000_000, 1_000_000, CAROL)
        self.bob.do("custom", "hello")
        self.alice.do("packets", 3000)  # more than a page
        self.place.settle(self.client, 3057)
        self.saved = os.path.join(self.place.directory, "saved.ndjson")
        rows = [json.loads(line) for line in self.live("nodes", "--json").splitlines()]
        with open(self.saved, "w", encoding="utf-8") as file:
            for row in rows:
                file.write(json.dumps({"node_id": row["node_id"], "name": row["name"]}) + "\n")
            file.write(self.live("recent", "100000", "--json"))

    def run_program(self, program, socket, *args):
        done = subprocess.run([program, *args, "--socket", str(socket)], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout, done.stderr

    def live(self, *args):
        code, out, err = self.run_program(os.environ["INSPECTOR"], self.place.path, *args)
        self.assertEqual((code, err), (0, ""), args)
        return out

    def text(self, *args):
        code, out, err = self.run_program(os.environ["TEXT_SOURCE"], self.saved, *args)
        self.assertEqual((code, err if args[0] != "trigger" else ""), (0, ""), args)  # trigger reports its windows on stderr
        return out

    def test_every_asking_command_answers_from_the_text_as_live(self):
        first, last = (json.loads(line)["timestamp"] for line in (self.live("range", "0", "now", "--json").splitlines()[i] for i in (0, -1)))
        for args in [["peers"], ["traces"], ["traces", "--spent"], ["traces", "--where", "unfinished"], ["trace", TRACE[:31]], ["trace", TRACE, "--graph"],
                     ["peer", "bob"], ["recent"], ["recent", "7", "--kind", "packet_sent"], ["recent", "2500"],
                     ["range", str(first), str(last)], ["range", "0", str(last + 1), "--node", "bob"],
                     ["count", "--from", str(first), "--to", str(last)], ["count", "--by", "peer,kind"], ["count", "--hist", "rtt"],
                     ["count", "--value", "took"], ["requests"], ["requests", "--by", "node"],
                     ["sql", "select peer, count(*), max(size) from events group by peer order by 1"],
                     ["sql", "select trace_id, outcome from traces order by 1"], ["analyze", "trace", TRACE], ["analyze", "trace", FAILED], ["apps"],
                     ["rpc", "query", '{"limit":1,"kind":"custom"}']]:
            for more in ([], ["--json"]):
                with self.subTest(args=args, more=more):
                    live = self.live(*args, *more)
                    self.assertEqual(of_any_source(self.text(*args, *more)), of_any_source(live))
                    self.assertTrue(live or args in (["apps"], ["analyze", "trace", TRACE]), "nothing was compared")

    def test_following_it_plays_its_events_and_ends(self):
        def without_log(text):
            return [{key: value for key, value in json.loads(line).items() if key != "log"} for line in text.splitlines()]

        everything = without_log(self.live("range", "0", "now", "--json"))
        self.assertEqual(without_log(self.text("follow", "--json")), everything)
        self.assertEqual(without_log(self.text("follow", "--json", "--recent", "5")), everything[-5:])
        self.assertEqual(without_log(self.text("follow", "--json", "--count", "2010")), everything[:2010])
        bobs = [event for event in everything if event["node_id"] == BOB]
        self.assertEqual(without_log(self.text("follow", "--json", "--node", "bob")), bobs)
        self.assertEqual(without_log(self.text("follow", "--json", "--where", "kind == custom")), [bobs[-1]])

    def test_export_has_the_same_events(self):
        live, text = (json.loads(out) for out in (self.live("export", TRACE), self.text("export", TRACE)))
        self.assertEqual(len(live["events"]), 52)
        for member in ("trace_id", "events", "gaps", "lost", "evicted"):
            self.assertEqual(text[member], live[member])
        self.assertEqual([node["name"] for node in text["nodes"]], [node["name"] for node in live["nodes"]])

    def test_relative_times_count_back_from_its_newest_event(self):
        everything = self.live("range", "0", "now", "--json").splitlines()
        newest = json.loads(everything[-1])["timestamp"]
        within = [line for line in everything if json.loads(line)["timestamp"] >= newest - 10_000]
        self.assertEqual(self.text("recent", "--from", "-1h", "--json").splitlines(), everything[-20:])
        self.assertEqual(self.text("range", "-10ms", "now", "--json").splitlines(), within)

    def old(self):
        """An old text, with a gap: 12:00:00 to 12:00:02 of a January day."""
        path, begin = os.path.join(self.place.directory, "old.ndjson"), 1769860800_000000
        event = json.loads(self.live("recent", "1", "--kind", "metrics", "--json"))
        lost = {**event, "kind": "events_lost", "peer_id": None, "sequence": 1, "timestamp": begin + 1_000000,
                "data": {"count": 7, "first": 1, "cause": "overwritten"}}
        with open(path, "w", encoding="utf-8") as file:
            for number, line in enumerate([event, lost, event]):
                file.write(json.dumps({**line, "timestamp": begin + number * 1_000000, "sequence": [0, 1, 8][number]}) + "\n")
        return path

    def test_a_time_of_day_is_the_last_before_its_newest_event(self):
        path = self.old()
        for words, count in ((("11:59", "12:00:01.5"), 2), (("12:00:01.5", "now"), 1), (("-1.5s", "now"), 2)):
            code, out, err = self.run_program(os.environ["TEXT_SOURCE"], path, "range", *words, "--json", "--utc")
            self.assertEqual((code, len(out.splitlines()), err), (0, count, ""), words)

    def test_losses_are_played_in_their_place(self):
        path = self.old()
        for more in ([], ["--kind", "metrics"], ["--recent", "2"]):
            code, out, err = self.run_program(os.environ["TEXT_SOURCE"], path, "follow", "--json", *more)
            kinds = [json.loads(line)["kind"] for line in out.splitlines()]
            self.assertEqual((code, kinds[-2:], err), (0, ["events_lost", "metrics"], ""), more)

    def test_trigger_keeps_the_windows_that_there_were(self):
        lines = [json.loads(line) for line in self.text("trigger", "kind == app_start", "--before", "0", "--after", "0", "--every", "0",
                                                        "--node", "alice", "--kind", "app_start").splitlines()]
        self.assertEqual([next(iter(line)) for line in lines if "trigger" in line or "end" in line], ["trigger", "end"] * 3)
        self.assertEqual([line["kind"] for line in lines if "kind" in line], ["app_start"] * 3)
        self.assertEqual([line["end"]["events"] for line in lines if "end" in line], [1] * 3)

    def test_a_missing_capability_is_one_sentence(self):
        code, out, err = self.run_program(os.environ["TEXT_SOURCE"], self.saved, "control")
        self.assertEqual((code, out, err), (1, "", "inspector: %s has no live nodes to control\n" % self.saved))
        code, out, err = self.run_program(os.environ["TEXT_SOURCE"], self.saved, "trace", "abcd")
        self.assertEqual((code, out), (1, ""))
        self.assertIn("abcd", err)
        code, out, err = self.run_program(os.environ["TEXT_SOURCE"], self.saved, "recent", "--where", "rtt >")
        self.assertEqual((code, out), self.run_program(os.environ["INSPECTOR"], self.place.path, "recent", "--where", "rtt >")[:2])
        self.assertEqual(err, self.run_program(os.environ["INSPECTOR"], self.place.path, "recent", "--where", "rtt >")[2])

    def test_a_reader_that_goes_away_ends_the_stream(self):
        command = [os.environ["TEXT_SOURCE"], "follow", "--json", "--socket", str(self.saved)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            process.stdout.readline()
            process.stdout.close()
            self.assertEqual((process.wait(60), process.stderr.read()), (0, b""))


if __name__ == "__main__":
    unittest.main()
