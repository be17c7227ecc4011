#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`inspector export --follow`: a stream in the format of another program; and --limit.

    test_follow.py INSPECTOR"""
import csv
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]
from harness import Place, until  # noqa: E402
from receiver import HANG, Receiver  # noqa: E402
from scene import Scene  # noqa: E402

INSPECTOR = os.path.abspath(sys.argv[1])


class Case(unittest.TestCase):
    def setUp(self):
        self.place = Place()
        self.addCleanup(self.place.close)
        self.directory = pathlib.Path(self.place.directory)

    def run_export(self, *args, **more):
        return subprocess.run([INSPECTOR, "export", *args], env=self.place.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                              text=True, **more)

    def follow(self, *args):
        """A running export; its lines appear in .lines, those of stderr in .said."""
        process = subprocess.Popen([INSPECTOR, "export", "--follow", *args], env=self.place.environment, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        process.lines, process.said = [], []
        process.readers = [threading.Thread(target=list_.extend, args=(pipe,)) for list_, pipe in ((process.lines, _each(process.stdout, process.lines)),
                                                                                              (process.said, _each(process.stderr, process.said)))]
        for reader in process.readers:
            reader.start()
        self.addCleanup(self.end, process, signal.SIGKILL)
        return process

    def end(self, process, number=signal.SIGINT):
        """Its exit code."""
        if process.poll() is None:
            process.send_signal(number)
        code = process.wait(60)
        for reader in process.readers:
            reader.join(60)
        process.stdout.close()
        process.stderr.close()
        return code

    def started(self):
        """traced, and the connection that asks it."""
        self.place.start()
        return self.place.connect()

    def subscribed(self, connection):
        until(lambda: connection.call("stats")["clients"]["subscriptions"], "the subscription")


def _each(pipe, into):
    """Appends each line as it arrives; yields none."""
    for line in pipe:
        into.append(line)
    return iter(())
    yield


class Live(Case):
    def test_events_come_as_they_happen_until_ctrl_c(self):
        connection, node = self.started(), self.place.node("alice", "ab" * 32)
        ndjson, table = self.follow(), self.follow("--format", "csv", "--columns", "node,kind,packet_num", "--kind", "packet_sent")
        until(lambda: connection.call("stats")["clients"]["subscriptions"] == 2, "the subscriptions")
        self.assertEqual(len(ndjson.lines), 0)
        node.do("packets", "100")
        until(lambda: len(ndjson.lines) == 100 and len(table.lines) == 101, "the events")
        self.assertEqual([json.loads(line)["sequence"] for line in ndjson.lines], list(range(100)))
        self.assertEqual(list(csv.reader(table.lines))[1], ["alice", "packet_sent", "0"])
        node.do("packets", "10")
        until(lambda: len(ndjson.lines) == 110, "more events")
        self.assertEqual((self.end(ndjson), self.end(table, signal.SIGTERM)), (-signal.SIGINT, -signal.SIGTERM))
        self.assertEqual((ndjson.said, table.said), ([], []))

    def test_a_node_that_comes_later_has_its_name(self):
        connection = self.started()
        table = self.follow("--format", "tsv", "--columns", "node")
        self.subscribed(connection)
        self.place.node("later", "cd" * 32).do("packets", "1")
        until(lambda: len(table.lines) == 2, "the event")
        self.assertEqual(table.lines, ["node\n", "later\n"])

    def test_it_begins_in_the_past_and_ends_after_limit_events(self):
        connection = self.started()
        self.place.node("alice", "ab" * 32).do("packets", "50")
        self.place.settle(connection, 50)
        done = self.run_export("--follow", "--recent", "10", "--limit", "4")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual([json.loads(line)["sequence"] for line in done.stdout.splitlines()], [40, 41, 42, 43])
        done = self.run_export("--follow", "--from", "0", "--format", "csv", "--columns", "sequence", "--limit", "50")
        self.assertEqual(done.stdout.split()[1:], [str(n) for n in range(50)])

    def test_it_continues_with_the_next_traced(self):
        connection, node = self.started(), self.place.node("alice", "ab" * 32)
        follower = self.follow()
        self.subscribed(connection)
        node.do("packets", "10")
        until(lambda: len(follower.lines) == 10, "the events")
        self.place.stop()
        until(lambda: follower.said, "the note")
        node.do("packets", "10")
        self.place.start()
        until(lambda: len(follower.lines) == 20, "those that traced found in the ring")
        self.assertEqual([json.loads(line)["sequence"] for line in follower.lines], list(range(20)))
        until(lambda: len(follower.said) == 2, "the second note")
        self.assertEqual(follower.said[0], "inspector: traced went away; waiting for it to come back\n")
        self.assertRegex(follower.said[1], "connected again after .* missed nothing")

    def test_it_does_not_wait_for_traced_longer_than_asked(self):
        self.started()
        follower = self.follow("--wait=0")
        self.subscribed(self.place.connect())
        self.place.stop(signal.SIGKILL)
        self.assertEqual(follower.wait(60), 1)

    def test_a_reader_that_goes_away_ends_it(self):
        connection = self.started()
        reader, writer = os.pipe()
        process = subprocess.Popen([INSPECTOR, "export", "--follow"], env=self.place.environment, stdout=writer, stderr=subprocess.PIPE)
        os.close(writer)
        self.subscribed(connection)
        os.close(reader)
        _, said = process.communicate(timeout=60)
        self.assertEqual((process.returncode, said), (0, b""))
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run([INSPECTOR, "export", "--follow", "--format", "csv"], env=self.place.environment, stdout=writer,
                              stderr=subprocess.PIPE, timeout=60)
        os.close(writer)
        self.assertEqual((done.returncode, done.stderr), (0, b""))


class Push(Case):
    def push(self, receiver, *args):
        return self.follow("--push", receiver.url, *args)

    def test_spans_go_out_while_it_runs(self):
        connection, node = self.started(), self.place.node("alice", "ab" * 32)
        with Receiver() as receiver:
            process = self.push(receiver)
            self.subscribed(connection)
            node.do("packets", "5")  # without a connection: spans of no length
            until(lambda: receiver.requests and len(receiver.spans()) == 5, "the spans")
            node.do("packets", "5")
            until(lambda: len(receiver.spans()) == 10 and receiver.answered == len(receiver.requests), "more spans, and the answers")
            self.assertEqual((self.end(process), process.said), (-signal.SIGINT, []))
        self.assertEqual(len(receiver.spans()), 10)

    def test_a_receiver_that_stays_away_does_not_keep_it_running(self):
        """Also when so many bodies wait that no more events are read."""
        connection, node = self.started(), self.place.node("alice", "ab" * 32)
        node.do("packets", "20000")
        self.place.settle(connection, 20000)
        with socket.create_server(("127.0.0.1", 0)) as unused:
            port = unused.getsockname()[1]
        for more in (["--for", "1s", "--from", "0"], ["--limit", "5", "--from", "0"]):
            done = subprocess.run([INSPECTOR, "export", "--follow", "--push", f"http://127.0.0.1:{port}", *more], env=self.place.environment,
                                  capture_output=True, timeout=120)
            self.assertEqual((done.returncode, done.stdout), (1, b""), more)
            self.assertIn(b"cannot push after", done.stderr)

    def test_a_receiver_that_is_away_is_waited_for(self):
        connection, node = self.started(), self.place.node("alice", "ab" * 32)
        with Receiver(*[(503, {}, b"")] * 3) as receiver:
            process = self.push(receiver)
            self.subscribed(connection)
            node.do("packets", "5")
            until(lambda: len(receiver.requests) == 4, "the fourth try")
            until(lambda: len(process.said) == 2, "two notes")
            self.assertEqual(len({body for _, _, body in receiver.requests}), 1)
            self.assertEqual(self.end(process), -signal.SIGINT)
        self.assertEqual(process.said, ["inspector: the receiver does not answer: HTTP status 503; trying again until it does\n",
                                        "inspector: the receiver answers again\n"])

    def test_unsent_data_at_the_end_is_a_failure(self):
        connection, node = self.started(), self.place.node("alice", "ab" * 32)
        with Receiver(*[(503, {"Retry-After": "30"}, b"")] * 9) as receiver:
            process = self.push(receiver)
            self.subscribed(connection)
            node.do("packets", "5")
            until(lambda: process.said, "the note that it tries again")
            self.assertEqual(self.end(process, signal.SIGTERM), 1)
        self.assertRegex(process.said[-1], "cannot push after .*: HTTP status 503")

    def test_the_end_does_not_wait_for_a_receiver_that_hangs(self):
        connection, node = self.started(), self.place.node("alice", "ab" * 32)
        with Receiver(HANG, HANG) as receiver:
            process = self.push(receiver)
            self.subscribed(connection)
            node.do("packets", "5")
            until(lambda: receiver.requests, "the request")
            self.assertEqual(self.end(process, signal.SIGTERM), 1)
            self.assertEqual(len(receiver.requests), 1)
        self.assertEqual(process.said[-1], "inspector: cannot push after 1 try: no answer came in time\n")


class Recorded(Case):
    """With --read the stream is the recording, and ends."""

    def setUp(self):
        super().setUp()
        self.scene = Scene()
        for number in range(6):
            self.scene.packet("alice", "sent", "bob", number)
        self.path = self.scene.write(self.directory / "events.ndjson")

    def test_a_stream_equals_an_export(self):
        for format in ("ndjson", "csv", "tsv", "otlp"):
            done = [self.run_export("--read", str(self.path), "--format", format, *more) for more in ([], ["--follow"])]
            self.assertEqual([(d.returncode, d.stderr) for d in done], [(0, "")] * 2)
            self.assertEqual(done[0].stdout, done[1].stdout)
            self.assertTrue(done[0].stdout)

    def test_a_limit_is_the_first_events(self):
        for format in ("ndjson", "tsv"):
            whole = self.run_export("--read", str(self.path), "--format", format).stdout.splitlines()
            for limit in (1, 5, 6, 7):
                done = self.run_export("--read", str(self.path), "--format", format, "--limit", str(limit))
                self.assertEqual(done.stdout.splitlines(), whole[:limit + (format == "tsv")])
        document = json.loads(self.run_export("-r", str(self.path), "-n", "2").stdout)
        self.assertEqual([e["sequence"] for e in document["events"]], [0, 1])

    def test_nonsense_is_reported(self):
        for args, said in ((["--follow", "--format", "chrome"], "chrome can only be read when it is complete"), (["--follow", "-o", "x"], "> FILE"),
                           (["--follow", "--format", "parquet"], "ndjson, csv, tsv and otlp"), (["--follow", "--until", "now"], "either --follow or --until"),
                           (["--recent", "5"], "--recent is for --follow"), (["--for", "5s"], "--for is for --follow")):
            done = self.run_export("--read", str(self.path), *args)
            self.assertEqual((done.returncode, done.stdout, done.stderr.count("\n")), (2, "", 1), done)
            self.assertIn(said, done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
