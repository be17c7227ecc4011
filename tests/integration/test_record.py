#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""traced --record: its files give the same answers as traced; and what a kill, a full disk, limits and damage cost."""
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import DEADLINE_S, ProtocolTest, hex_id, until  # noqa: E402

SEGMENT = 65536
ALICE, BOB = hex_id(0xAA), hex_id(0xBB)
TRACES = [hex_id(i + 1, 32) for i in range(20)]


def ask(paths, *requests, code=0):
    """The answers of recordings, and the problems reported."""
    lines = "".join(request if isinstance(request, str) else request[0] + " " + json.dumps(request[1]) for request in requests
                    for request in (request, "\n"))
    done = subprocess.run([os.environ["ASK_RECORDING"], *map(str, paths)], input=lines.encode(), capture_output=True, check=False)
    assert done.returncode == code, (done.returncode, done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()


def total(count):
    """The number of events in an answer to `count`, without losses."""
    return sum(row["count"] for row in count["rows"])


class Record(ProtocolTest):
    def setUp(self):
        super().setUp()
        self.dir = pathlib.Path(self.place.directory) / "recorded"

    def files(self):
        return sorted(self.dir.glob("*.p2rec"))

    def emit(self, node, count):
        """Emits that many packets, a lane's worth at a time, each batch drained before the next: none is lost."""
        while count:
            now = min(count, 20000)
            node.do("packets", now, TRACES[self.total // 20000 % len(TRACES)], BOB)
            count -= now
            self.total += now
            self.place.settle(self.client, self.total)

    def record(self, *options, events=2 * SEGMENT + 5000, **popen):
        self.client = self.start("--history", "256M", "--record", str(self.dir), *options, **popen)  # nothing is evicted
        self.total = 0
        node = self.place.node("alice", ALICE)
        node.do("app")
        node.do("start", TRACES[0], 7, 0, 2)
        node.do("end", TRACES[0], 7, 2, 1)
        self.total = 2
        self.emit(node, events - 2)
        return node

    def exited(self):
        until(lambda: self.client.call("nodes")["nodes"][0]["state"] == "exited", "alice to end")

    def compare(self):
        """Asks traced, stops it, and asks its recording."""
        requests = [("query", {"limit": 500}), ("query", {"trace_id": TRACES[3], "limit": 10000}),
                    ("query", {"trace_id": TRACES[3][:12], "order": "desc", "limit": 9000}),
                    ("count", {"group_by": ["peer", "kind"]}), ("traces", {"limit": 50}), ("peers", {}), ("nodes", {}), ("apps", {})]
        self.exited()
        live = [self.client.call(method, **params) for method, params in requests]
        self.assertEqual(self.place.stop()[0], 0)
        answers, _ = ask([self.dir], *requests)
        for request, one, other in zip(requests, live, answers):
            other = other["result"]
            for answer in (one, other):  # a cursor belongs to one history
                if answer.get("cursor"):
                    answer["cursor"] = "..."
            self.assertEqual(one, other, request)

    def test_a_recording_answers_as_the_live_history(self):
        self.record().close()
        self.compare()

    def test_a_compressed_recording_does_so_too(self):
        self.record("--record-compress", events=6 * SEGMENT + 5000).close()
        until(lambda: len(self.files()) == 6 and self.files()[0].stat().st_size < 4 << 20, "the oldest to be compressed")
        self.compare()

    def test_a_kill_costs_only_the_open_segment(self):
        self.record()
        until(lambda: len(self.files()) == 2, "two segments")
        self.place.traced.kill()
        self.place.finish()
        answers, _ = ask([self.dir], "count", "verify")
        self.assertEqual(total(answers[0]["result"]), 2 * SEGMENT)

    def test_old_events_are_written_although_their_segment_is_open(self):
        """Each event once, whether its segment was sealed in one piece or in several; a kill then costs only the newest events."""
        node = self.record("--record-seal", "1s", events=1000)
        until(lambda: self.client.call("stats")["record"]["events"] == 1000, "the first events to be written")
        self.emit(node, 500)
        until(lambda: self.client.call("stats")["record"]["events"] == 1500, "the next ones to be written")
        self.emit(node, SEGMENT)
        until(lambda: self.client.call("stats")["record"]["events"] == 1500 + SEGMENT, "all to be written")
        self.place.traced.kill()
        self.place.finish()
        answers, problems = ask([self.dir], "count", "verify")
        self.assertEqual((total(answers[0]["result"]), problems), (1500 + SEGMENT, ""))
        numbers = [int(file.name.split("-")[2].split(".")[0]) for file in self.files()]
        self.assertEqual(numbers, list(range(len(numbers))))
        self.assertGreater(len(numbers), 2)

    def test_pieces_answer_as_the_live_history(self):
        node = self.record("--record-seal", "1s", events=700)
        until(lambda: self.client.call("stats")["record"]["events"] == 700, "a piece")
        self.emit(node, 2 * SEGMENT)
        node.close()
        self.compare()

    def test_an_end_after_the_newest_file_is_recorded_too(self):
        """No event follows, so no new file: the newest one is written again, with the same events."""
        node = self.record("--record-seal", "1s", events=1000)
        until(lambda: self.client.call("stats")["record"]["events"] == 1000, "the events to be written")
        node.kill()
        until(lambda: self.client.call("nodes")["nodes"][0]["state"] == "crashed", "alice to end")
        ended = self.client.call("nodes")["nodes"][0]["ended"]
        self.place.stop()
        answers, problems = ask([self.dir], "count", "nodes", "verify")
        self.assertEqual((total(answers[0]["result"]), len(self.files()), problems), (1000, 1, ""))
        alice = answers[1]["result"]["nodes"][0]
        self.assertEqual((alice["state"], alice["ended"]), ("crashed", ended))

    def test_an_end_is_recorded_while_traced_runs_on(self):
        node = self.record("--record-seal", "1s", events=1000)
        until(lambda: self.client.call("stats")["record"]["events"] == 1000, "the events to be written")
        node.kill()
        until(lambda: ask([self.dir], "nodes")[0][0]["result"]["nodes"][0]["state"] == "crashed", "the end to be written")

    def test_a_node_that_lived_when_the_newest_file_was_written_is_not_said_to_live_on(self):
        self.record("--record-seal", "1s", events=1000)
        until(lambda: self.client.call("stats")["record"]["events"] == 1000, "the events to be written")
        self.place.traced.kill()
        self.place.finish()
        alice = ask([self.dir], "nodes")[0][0]["result"]["nodes"][0]
        self.assertEqual((alice["state"], alice["ended"]["by"]), ("live", None))
        self.assertGreaterEqual(alice["ended"]["after"]["timestamp"], alice["last"]["timestamp"])

    def test_a_node_that_a_later_run_does_not_know_may_have_ended(self):
        node = self.record("--record-seal", "1s", events=1000)
        until(lambda: self.client.call("stats")["record"]["events"] == 1000, "the events to be written")
        self.place.traced.kill()
        self.place.finish()
        node.kill()
        for ring in pathlib.Path(self.place.environment["P2PTRACE_SHM_DIR"]).glob("p2ptrace.*"):
            ring.unlink()
        self.client = self.start("--record", str(self.dir))
        self.place.node("bob", BOB).do("packets", 5, TRACES[0], ALICE)
        self.place.settle(self.client, 5)
        self.place.stop()
        states = {row["name"]: row["state"] for row in ask([self.dir], "nodes")[0][0]["result"]["nodes"]}
        self.assertEqual(states, {"alice": "unknown", "bob": "live"})

    def test_a_second_run_writes_beside_the_first(self):
        self.record(events=1000).close()
        self.exited()
        self.place.stop()
        self.record(events=500)
        self.place.stop()
        answers, _ = ask([self.dir], "count", "nodes")
        self.assertEqual(total(answers[0]["result"]), 1500)
        self.assertEqual(len(answers[1]["result"]["nodes"]), 2)

    def test_the_oldest_go_when_there_is_too_much(self):
        self.record("--record-max", "30MiB", events=5 * SEGMENT + 10)
        self.place.stop()
        sizes = [file.stat().st_size for file in self.files()]
        self.assertLessEqual(sum(sizes), 30 << 20)
        self.assertGreater(len(sizes), 1)
        answers, _ = ask([self.dir], "count")
        self.assertEqual(total(answers[0]["result"]) % SEGMENT, 10)

    def test_files_older_than_the_limit_are_removed(self):
        """By the time of writing; only recordings, and never the newest."""
        node = self.record("--record-age", "1h", events=2 * SEGMENT)
        until(lambda: self.client.call("stats")["record"]["segments"] == 2, "two segments")
        other = self.dir / "mine.txt"
        other.write_text("")
        first, second = self.files()
        hours_ago = time.time_ns() - 2 * 3600 * 10**9
        for path in (first, other):
            os.utime(path, ns=(hours_ago, hours_ago))
        self.emit(node, SEGMENT)
        until(lambda: self.client.call("stats")["record"]["segments"] == 3, "the third segment")
        until(lambda: self.client.call("stats")["record"]["removed_files"] == 1, "the old file to be removed")  # before that, or after it
        third, = set(self.files()) - {second}
        self.assertEqual((first.exists(), second.exists(), other.exists()), (False, True, True))
        for path in (second, third):
            os.utime(path, ns=(hours_ago, hours_ago))
        self.place.stop()
        self.assertEqual(self.files(), [third])
        answers, _ = ask([self.dir], "count")
        self.assertEqual(total(answers[0]["result"]), SEGMENT)

    @unittest.skipUnless(os.environ["STUCK_DISK"], "a sanitizer must be loaded first")
    def test_a_disk_that_does_not_answer_costs_segments_and_delays_nothing_else(self):
        stuck = pathlib.Path(self.place.directory) / "stuck"
        stuck.write_text("")
        self.place.environment |= {"LD_PRELOAD": os.environ["STUCK_DISK"], "STUCK_DISK_FILE": str(stuck)}
        self.client = self.start("--record", str(self.dir), "--record-seal", "1s")  # a small history, of three segments
        del self.place.environment["LD_PRELOAD"]
        self.total = 0
        node = self.place.node("alice", ALICE)
        self.emit(node, SEGMENT)  # returns when everything is indexed
        until(lambda: list(self.dir.glob("*.part")), "the first file to be begun")  # those dropped are missing after it
        self.emit(node, 4 * SEGMENT)
        self.assertEqual(self.client.call("stats")["record"]["segments"], 0)
        stuck.unlink()
        until(lambda: sum(self.client.call("stats")["record"][name] for name in ("events", "dropped_events")) == self.total,
              "each event to be written or dropped")
        record = self.client.call("stats")["record"]
        self.assertGreater(min(record["segments"], record["dropped_segments"]), 0)
        node.close()
        code, log = self.place.stop()
        self.assertEqual(code, 0)
        self.assertIn("the disk is too slow", log)
        answers, problems = ask([self.dir], "count", "verify", code=3)
        self.assertEqual(total(answers[0]["result"]), record["events"])
        self.assertIn("are missing", problems)

    def test_a_full_disk_drops_segments_and_tracing_continues(self):
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (5 << 20, 5 << 20))  # a whole segment does not fit, the rest does

        self.record(preexec_fn=limit)
        self.assertEqual(total(self.client.call("count")), 2 * SEGMENT + 5000)
        until(lambda: self.client.call("stats")["record"]["dropped_segments"] == 2, "both segments to be dropped")
        self.assertEqual(self.client.call("stats")["record"], {"segments": 0, "events": 0, "bytes": 0, "dropped_segments": 2,
                                                              "dropped_events": 2 * SEGMENT, "removed_files": 0})
        code, log = self.place.stop()
        self.assertEqual(code, 0)
        self.assertIn("segments dropped", log)
        self.assertIn("2 segments dropped\n", log.replace(" so far", ""))
        answers, _ = ask([self.dir], "count")
        self.assertEqual(total(answers[0]["result"]), 5000)
        self.assertEqual([file.name for file in self.dir.iterdir()], [file.name for file in self.files()])

    def test_an_unusable_directory_is_an_error_at_the_start(self):
        blocked = pathlib.Path(self.place.directory) / "file"
        blocked.write_text("")
        traced = self.place.spawn("--record", str(blocked))
        _, log = traced.communicate(timeout=DEADLINE_S)
        self.assertEqual(traced.returncode, 1)
        self.assertIn("cannot record to", log.decode())

    def test_parts_that_a_killed_one_left_are_removed(self):
        self.dir.mkdir()
        part = self.dir / "p2ptrace-0000000000000001-0000000000.p2rec.part"
        part.write_bytes(b"x" * 1000)
        other = self.dir / "mine.p2rec.part"
        other.write_bytes(b"x")
        self.record(events=10)
        self.place.stop()
        self.assertFalse(part.exists())
        self.assertTrue(other.exists())


class Salvage(ProtocolTest):
    def salvage(self):
        self.file = os.path.join(self.place.directory, "salvaged.p2rec")
        done = subprocess.run([os.environ["ASK_RECORDING"], "--salvage", self.file, self.place.directory], capture_output=True, check=True)
        return sorted((json.loads(line) for line in done.stdout.splitlines()), key=lambda told: told["node"])

    def rings(self):
        return sorted((path.name, path.read_bytes()) for path in pathlib.Path(self.place.directory).glob("p2ptrace.*"))

    def test_rings_left_by_nodes_become_a_recording_and_stay_in_place(self):
        alice = self.place.node("alice", ALICE)
        alice.do("app")
        alice.do("start", TRACES[0], 7, 0, 2)
        alice.do("packets", 100, TRACES[0], BOB)
        alice.kill()
        bob = self.place.node("bob", BOB)
        bob.do("packets", 70000, TRACES[1], ALICE)  # more than its ring has
        bob.close()
        live = self.place.node("carol", hex_id(0xCC))
        live.do("packets", 5)
        before = self.rings()
        self.assertEqual([(told["node"], told["state"], told["events"], told["lost"], told["error"]) for told in self.salvage()],
                         [("alice", 2, 101, 0, 0), ("bob", 1, 65536, 4464, 0), ("carol", 0, 5, 0, 0)])
        self.assertEqual(self.rings(), before)
        answers, _ = ask([self.file], "nodes", ("query", {"trace_id": TRACES[0], "limit": 1000}), "count", "apps")
        self.assertEqual({node["name"]: (node["state"], node["indexed"], node["lost"]) for node in answers[0]["result"]["nodes"]},
                         {"alice": ("crashed", 101, 0), "bob": ("exited", 65536, 4464), "carol": ("live", 5, 0)})
        self.assertEqual(len(answers[1]["result"]["events"]), 101)
        self.assertEqual(answers[1]["result"]["events"][0]["kind"], "app_start")

        # another traced finds the same in the same rings, except for some nanoseconds: its clock is calibrated separately
        def timeless(events):
            return [{name: value for name, value in event.items() if name not in ("timestamp", "ns")} for event in events]

        client = self.start("--read-only")
        self.place.settle(client, 101 + 65536 + 5)
        self.assertEqual(timeless(client.call("query", trace_id=TRACES[0], limit=1000)["events"]),
                         timeless(answers[1]["result"]["events"]))

    def test_a_file_that_is_not_a_ring_is_reported_and_skipped(self):
        pathlib.Path(self.place.directory, "p2ptrace.0.1.0123456789abcdef").write_bytes(b"x" * 30000)
        self.place.node("alice", ALICE).do("packets", 3)
        told = self.salvage()
        self.assertEqual([one["events"] for one in told], [0, 3])
        self.assertIn("magic", told[0]["fault"])

    def test_no_ring_makes_an_empty_file(self):
        self.assertEqual(self.salvage(), [])
        self.assertEqual(os.path.getsize(self.file), 0)
        ask([self.file], code=1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
