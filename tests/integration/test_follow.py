# SPDX-License-Identifier: MIT
"""inspector follow beside a traced that is killed and started again: every event is shown once, or reported as missed."""
import fcntl
import json
import os
import pty
import random
import signal
import struct
import subprocess
import termios
import threading
import unittest

from harness import ProtocolTest, hex_id, until

INSPECTOR = os.environ["INSPECTOR"]
ALICE, BOB = hex_id(0xa1), hex_id(0xb2)


class Follower:
    """inspector follow --json; its lines, sorted by type."""

    def __init__(self, place, *options, recent="10000"):
        self.events, self.missed = [], 0
        self.process = subprocess.Popen([INSPECTOR, "follow", "--json", *(("--recent", recent) if recent else ()), *options],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=place.environment)
        self.readers = [threading.Thread(target=self.read), threading.Thread(target=self.read_notes)]
        self.notes = []
        self.whole = True
        for reader in self.readers:
            reader.start()

    def read(self):
        for line in self.process.stdout:
            self.whole &= line.endswith(b"\n")
            said = json.loads(line)
            if "missed" in said:
                self.missed += said["missed"]  # with a filter: at most
            elif said["kind"] == "events_lost":
                self.missed += said["data"]["count"]
            else:
                self.events.append(said)

    def read_notes(self):
        for line in self.process.stderr:
            self.notes.append(line.decode())

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        self.process.wait()
        for reader in self.readers:
            reader.join()
        self.process.stdout.close()
        self.process.stderr.close()

    def names(self):
        return [(event["node_id"], event["log"], event["lane"], event["sequence"]) for event in self.events]


class Follow(ProtocolTest):
    def follow(self, *options, **more):
        follower = Follower(self.place, *options, **more)
        self.addCleanup(lambda: follower.process.poll() is None and follower.end())
        return follower

    def emitted(self, count):
        """Waits until that many nodes have ended and are completely read.  A traced that has just started knows none yet."""
        client = self.place.connect()

        def states():
            return [node["state"] for node in client.call("nodes")["nodes"]]

        until(lambda: states() == ["exited"] * count, "the nodes to be drained")
        return sum(node["emitted"] for node in client.call("nodes")["nodes"])

    def accounts_for(self, follower, emitted):
        until(lambda: len(follower.events) + follower.missed >= emitted, "%d events" % emitted)
        follower.end()
        names = follower.names()
        self.assertEqual(len(set(names)), len(names), "an event was shown twice")
        self.assertEqual(len(names) + follower.missed, emitted)
        self.assertTrue(follower.whole)

    def test_every_event_is_shown_once_or_reported_as_missed_while_traced_is_killed_again_and_again(self):
        chance = random.Random(5)
        self.start()
        followers = [self.follow(), self.follow(recent=None)]
        some = self.follow("--kind", "metrics")
        until(lambda: self.place.connect().call("stats")["clients"]["subscriptions"] == 3, "the followers")
        nodes = [self.place.node("alice", ALICE, "overwrite_oldest", "0", "1024"),
                 self.place.node("bob", BOB, "overwrite_oldest", "0", "8192")]
        for turn in range(20):
            for node in nodes:
                node.begin("stream", 50)
            seen = len(followers[0].events)
            until(lambda seen=seen, more=chance.randrange(600): len(followers[0].events) > seen + more, "more events")
            self.place.traced.kill()
            self.place.finish()
            for number, node in enumerate(nodes):
                node.do("packets", chance.choice((1, 100, 1500)))  # 1500 lap alice's ring
                node.finish()
                node.do("metrics", turn, turn, hex_id(number))
            self.start()
        for node in nodes:
            node.close()
        emitted = self.emitted(len(nodes))
        for follower in followers:
            self.accounts_for(follower, emitted)
            self.assertGreater(follower.missed, 0)  # otherwise nothing was tested
            self.assertGreater(sum("traced went away" in note for note in follower.notes), 5)  # some come and go between two attempts
        until(lambda: {(event["node_id"], event["data"]["rtt"]) for event in some.events} >= {(ALICE, 19), (BOB, 19)}, "the last metrics")
        until(lambda: some.missed > 0, "it to report what its filter hid")
        some.end()
        self.assertTrue(any("missed at most" in note for note in some.notes), some.notes)
        self.assertEqual(len(set(some.names())), len(some.names()))

    def test_a_node_that_is_started_again_while_traced_is_away_is_reported_from_its_old_log(self):
        self.start()
        follower = self.follow()
        for turn in range(3):
            node = self.place.node("alice", ALICE)
            node.do("packets", 50)
            # All of it: what a killed traced had read from a node that has ended, but not yet sent, is gone.
            until(lambda turn=turn: len(follower.events) == turn * 130 + 50, "the first events")
            self.place.traced.kill()
            self.place.finish()
            node.do("packets", 10)
            node.close()
            other = self.place.node("alice", ALICE)
            other.do("packets", 70)
            self.start()
            other.close()
        self.accounts_for(follower, 3 * 130)
        self.assertEqual(follower.missed, 0)

    def test_a_stopped_follower_delays_nobody_and_learns_what_it_missed(self):
        client = self.start()
        node = self.place.node("alice", ALICE)
        follower = self.follow()
        node.do("packets", 100)
        until(lambda: len(follower.events) == 100, "the first events")
        follower.process.send_signal(signal.SIGSTOP)
        emitted = 100
        for _ in range(60):
            node.do("packets", 10000)
            emitted += 10000
            self.place.settle(client, emitted)
        follower.process.send_signal(signal.SIGCONT)
        node.close()
        self.accounts_for(follower, emitted)
        self.assertGreater(follower.missed, 100000)


class AtATerminal(ProtocolTest):
    def said(self, *words):
        """The first line that a command writes to a terminal as its stderr."""
        primary, secondary = pty.openpty()
        self.addCleanup(os.close, primary)
        process = subprocess.Popen([INSPECTOR, *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=secondary, env=self.place.environment)
        os.close(secondary)
        line = b""
        try:
            while not line.endswith(b"\n"):
                line += os.read(primary, 4096)
        finally:
            process.kill()
            process.wait()
        return line.decode().strip()

    def test_a_command_that_waits_for_an_event_says_so(self):
        self.start()
        recording = os.path.join(self.place.directory, "none.p2rec")
        for words in (["follow"], ["export", "--follow"], ["trigger", "packet_lost"], ["record", "-o", recording]):
            self.assertEqual(self.said(*words), "inspector: no matching event yet; waiting for one (Ctrl-C ends the wait)", words)

    def test_a_resized_terminal_gets_the_columns_that_fit(self):
        self.start()
        node = self.place.node("alice", ALICE)
        primary, secondary = pty.openpty()
        self.addCleanup(os.close, primary)
        shown = ""

        def read_until(words):
            nonlocal shown
            while words not in shown:
                shown += os.read(primary, 65536).decode()
            before, shown = shown, ""
            return before

        for round_, width in enumerate((120, 50)):
            fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
            if not round_:
                process = subprocess.Popen([INSPECTOR, "follow", "--no-pager"], stdin=subprocess.DEVNULL, stdout=secondary,
                                           stderr=subprocess.DEVNULL, env=self.place.environment | {"TERM": "dumb", "LC_ALL": "C"})
                self.addCleanup(process.wait)
                self.addCleanup(process.kill)
                read_until("event")  # the titles are there, so it follows
            node.do("custom", f"round{round_}")
            text = read_until("custom")
            for line in text.splitlines():
                self.assertLessEqual(len(line), width, line)
            self.assertEqual(round_ == 1, "kind" in text or "event" in text, text)
        os.close(secondary)


if __name__ == "__main__":
    unittest.main(verbosity=2)
