#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""inspector --read, after traced was restarted while a node lived: several runs have recorded what was still in the rings, and each
event counts once, each loss, too."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import ProtocolTest, hex_id, until  # noqa: E402

SEGMENT = 65536
ALICE, BOB, CAROL = hex_id(0xAA), hex_id(0xBB), hex_id(0xCC)
TRACES = [hex_id(i + 1, 32) for i in range(6)]
EACH = 1400  # packets of a run, in each of two traces


class Repeats(ProtocolTest):
    def setUp(self):
        super().setUp()
        self.dir = pathlib.Path(self.place.directory) / "recorded"

    def record(self, *options):
        self.client = self.start("--history", "256M", "--record", str(self.dir), *options)
        return self.client

    def written(self, events):
        until(lambda: self.client.call("stats")["record"]["events"] >= events, "%d events to be written" % events)

    def stop(self, number):
        code, _ = self.place.stop(number)
        self.assertEqual(code, 0 if number == signal.SIGTERM else -number)

    def inspect(self, *args, paths=None):
        reads = [word for path in paths or [self.dir] for word in ("--read", str(path))]
        done = subprocess.run([os.environ["INSPECTOR"], *map(str, args), *reads], capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, env=self.place.environment)
        self.assertEqual((done.returncode, done.stderr), (0, ""), args)
        return done.stdout

    def rows(self, *args, paths=None):
        return [json.loads(line) for line in self.inspect(*args, "--json", paths=paths).splitlines()]

    def number(self, statement, paths=None):
        return int(self.inspect("sql", statement, "--format", "tsv", paths=paths).split()[-1])

    def count(self, field, paths=None):
        answer, = self.rows("count", "--by", field, paths=paths)
        self.assertEqual(answer["events"], sum(row["count"] for row in answer["rows"]))
        return {row["group"][field]: row["count"] for row in answer["rows"]}

    def losses(self, paths=None):
        rows = self.rows("recent", "1000", "--kind", "events_lost", paths=paths)
        return [(row["data"]["cause"], row["data"]["first"], row["data"]["count"]) for row in rows if row.get("kind") == "events_lost"]

    def burst(self, node, number):
        """What a run has: two traces, one of which the next run continues."""
        node.do("packets", EACH, TRACES[number], BOB)
        node.do("packets", EACH, TRACES[number + 1], CAROL)
        node.do("message", "sent", BOB, 1000 + number, TRACES[number])

    def expect(self, bursts, paths=None):
        """Every answer has each event of that many bursts once."""
        emitted = bursts * (2 * EACH + 1)
        by_trace = [EACH + (EACH if number else 0) + (number < bursts) for number in range(bursts)] + [EACH]
        self.assertEqual(self.count("kind", paths), {"packet_sent": 2 * EACH * bursts, "message_sent": bursts})
        self.assertEqual(self.count("trace_id", paths), dict(zip(TRACES, by_trace)))
        self.assertEqual(self.number("SELECT count(*) FROM events", paths), emitted)
        self.assertEqual(self.number("SELECT count(*) FROM (SELECT DISTINCT node_id, lane, sequence FROM events)", paths), emitted)
        self.assertEqual(self.number("SELECT sum(events) FROM traces", paths), emitted)
        for number, count in enumerate(by_trace):
            sequences = [row["sequence"] for row in self.rows("trace", TRACES[number], "-n", "100000", paths=paths) if "sequence" in row]
            self.assertEqual((len(sequences), len(set(sequences))), (count, count))
        peers = {row["peer_id"]: row["packets_sent"] for row in self.rows("peers", paths=paths) if "peer_id" in row}
        self.assertEqual(peers, {BOB: EACH * bursts, CAROL: EACH * bursts})
        exported = json.loads(self.inspect("export", "-n", "1000000", "--format", "json", paths=paths))["events"]
        for events in (self.rows("follow", paths=paths), exported):
            self.assertEqual(sorted(event["sequence"] for event in events if "sequence" in event), list(range(emitted)))

    def test_each_event_counts_once_after_three_restarts(self):
        for ends in ((signal.SIGTERM, signal.SIGTERM, signal.SIGTERM), (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL)):
            with self.subTest(ends=ends):
                node = self.place.node("alice", ALICE)
                for number, end in enumerate(ends):
                    self.record("--record-seal", "1s")
                    self.burst(node, number)
                    self.written((number + 1) * (2 * EACH + 1))
                    self.stop(end)
                self.record()
                self.burst(node, len(ends))
                node.close()
                until(lambda: self.client.call("nodes")["nodes"][0]["state"] == "exited", "alice to end")
                self.stop(signal.SIGTERM)
                self.expect(len(ends) + 1)
                self.assertEqual(self.losses(), [])
                self.expect(len(ends) + 1, paths=sorted(self.dir.glob("*.p2rec"), reverse=True))
                shutil.rmtree(self.dir)

    def test_what_a_killed_run_did_not_write_is_taken_from_the_next(self):
        node = self.place.node("alice", ALICE)
        self.record("--record-seal", "1s")
        self.burst(node, 0)
        self.written(2 * EACH + 1)
        self.burst(node, 1)
        self.stop(signal.SIGKILL)
        self.record()
        node.close()
        until(lambda: self.client.call("nodes")["nodes"][0]["state"] == "exited", "alice to end")
        self.stop(signal.SIGTERM)
        self.expect(2)

    def test_compressed_segments_are_compared_too(self):
        if self.place.lacks(700):
            self.skipTest(self.place.lacks(700))
        node = self.place.node("alice", ALICE, "overwrite_oldest", "0", str(8 * SEGMENT))
        self.record("--record-compress")
        total = 0
        for number in range(21):
            node.do("packets", 20000, TRACES[number % len(TRACES)], BOB)
            total += 20000
            self.place.settle(self.client, total)
        until(lambda: len(list(self.dir.glob("*.p2rec"))) == 6, "six segments")
        until(lambda: min(file.stat().st_size for file in self.dir.glob("*.p2rec")) < 4 << 20, "the oldest to be compressed")
        self.stop(signal.SIGTERM)
        self.record("--record-compress")
        self.place.settle(self.client, total)
        node.do("packets", 100, TRACES[0], BOB)
        self.place.settle(self.client, total + 100)
        self.stop(signal.SIGTERM)
        self.assertGreater(len(list(self.dir.glob("*.p2rec"))), 12)
        self.assertEqual(self.count("kind"), {"packet_sent": total + 100})
        self.assertEqual(self.number("SELECT count(*) FROM events WHERE trace_id = '%s'" % TRACES[0]), 4 * 20000 + 100)
        self.assertEqual(self.number("SELECT count(*) FROM (SELECT DISTINCT node_id, lane, sequence FROM events)"), total + 100)
        self.assertEqual([row["packets_sent"] for row in self.rows("peers") if "peer_id" in row], [total + 100])

    def emit(self, node, count):
        """Into a small ring, and each part is drained."""
        for _ in range(count // 1000):
            before = self.client.call("stats")["ingest"]["events"]
            node.do("packets", 1000, TRACES[0], BOB)
            self.place.settle(self.client, before + 1000)

    def test_what_an_earlier_run_has_is_not_lost(self):
        """The ring no longer has it: before_attach of the later run.  What nobody has is told, with its positions."""
        node = self.place.node("alice", ALICE, "overwrite_oldest", "0", "4096")
        self.record()
        self.emit(node, 20000)
        self.stop(signal.SIGTERM)
        self.record()
        until(lambda: self.client.call("stats")["ingest"]["events"], "the ring to be read")
        self.emit(node, 5000)
        self.stop(signal.SIGTERM)
        self.assertEqual((self.count("kind"), self.losses()), ({"packet_sent": 25000}, []))
        node.do("packets", 10000, TRACES[0], BOB)  # nobody reads them
        self.record()
        until(lambda: self.client.call("stats")["ingest"]["events"], "the ring to be read")
        self.emit(node, 1000)
        self.stop(signal.SIGTERM)
        lost = self.losses()
        self.assertEqual([(cause, first) for cause, first, _ in lost], [("before_attach", 25000)])
        self.assertEqual(self.count("kind"), {"packet_sent": 36000 - lost[0][2], "events_lost": 1})

    def test_discarded_events_are_told_once(self):
        node = self.place.node("alice", ALICE, "discard_newest", "0", "4096")
        self.record()
        self.emit(node, 3000)
        self.stop(signal.SIGTERM)
        expected = 0
        for more in (0, 0, 700):
            node.do("packets", 5000 + more, TRACES[0], BOB)
            self.record()
            until(lambda: self.client.call("nodes")["nodes"] and self.client.call("nodes")["nodes"][0]["lost"] > expected, "what was discarded")
            expected = self.client.call("nodes")["nodes"][0]["lost_by"]["discarded"]
            self.stop(signal.SIGTERM)
        self.assertEqual(sum(count for cause, _, count in self.losses() if cause == "discarded"), expected)


if __name__ == "__main__":
    unittest.main(verbosity=2)
