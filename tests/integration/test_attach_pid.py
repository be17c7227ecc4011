# SPDX-License-Identifier: MIT
"""inspector attach: a process's events, with and without traced, without writing to its ring."""
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import threading
import unittest

from harness import ProtocolTest, hex_id, program_for_all, until

INSPECTOR = os.environ["INSPECTOR"]
ALICE, BOB = hex_id(0xa1), hex_id(0xb2)
CONTROL, LANES, LANE_BYTES, TAIL, NODE_ID = 192, 1024, 192, 128, 72  # p2ptrace/shm.h
OBJECT_NAME = "p2ptrace."


class Attached:
    """inspector attach --json; its lines, sorted by type."""

    def __init__(self, place, pid, *options):
        self.events, self.missed, self.notes = [], 0, []
        self.process = subprocess.Popen([INSPECTOR, "attach", str(pid), "--json", *options], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, env=place.environment, text=True)
        self.readers = [threading.Thread(target=self.read), threading.Thread(target=self.read_notes)]
        for reader in self.readers:
            reader.start()

    def read(self):
        for line in self.process.stdout:
            said = json.loads(line)
            if "missed" in said:
                self.missed += said["missed"]
            elif said["kind"] == "events_lost":
                self.missed += said["data"]["count"]
            else:
                self.events.append(said)

    def read_notes(self):
        for line in self.process.stderr:
            self.notes.append(line)

    def said(self, text):
        return any(text in note for note in self.notes)

    def finish(self):
        """Waits for its own end."""
        code = self.process.wait()
        for reader in self.readers:
            reader.join()
        self.process.stdout.close()
        self.process.stderr.close()
        return code

    def names(self):
        return [(event["node_id"], event["log"], event["lane"], event["sequence"]) for event in self.events]


def without_times(value):
    """Each reader calibrates the clock of a ring itself, so times differ by some nanoseconds."""
    if isinstance(value, list):
        return [without_times(element) for element in value]
    if isinstance(value, dict):
        times = ("timestamp", "ns", "duration", "took", "duration_s", "rate", "first", "last", "started", "from", "to", "seconds")
        return {key: without_times(member) for key, member in value.items() if key not in times}
    return value


class Attach(ProtocolTest):
    def attach(self, pid, *options):
        attached = Attached(self.place, pid, *options)
        self.addCleanup(attached.finish)
        self.addCleanup(attached.process.kill)
        return attached

    def fails(self, reason, *words, code=1, lines=1):
        done = subprocess.run([INSPECTOR, "attach", *map(str, words)], env=self.place.environment, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout, done.stderr.count("\n")), (code, "", lines), done.stderr)
        self.assertIn(reason, done.stderr)

    def asks(self, *words, pid=None):
        """A command's output with --json, from traced or from a process's rings."""
        more = [] if pid is None else ["--pid", str(pid)]
        done = subprocess.run([INSPECTOR, *words, "--json", *more], env=self.place.environment, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""), words)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def ring(self, pid):
        name, = [name for name in os.listdir(self.place.directory) if name.startswith("%s%d.%d." % (OBJECT_NAME, os.geteuid(), pid))]
        return os.path.join(self.place.directory, name)

    def written_by_readers(self, path):
        """The words of a ring that a reader may write: the control word, and the lanes' tails."""
        with open(path, "rb") as ring:
            header = ring.read(4096)
        return [struct.unpack_from("<Q", header, at)[0]
                for at in [CONTROL] + [LANES + lane * LANE_BYTES + TAIL for lane in range(16)]]

    def accounts_for(self, attached, emitted):
        self.assertEqual(attached.finish(), 0, attached.notes)
        self.assertEqual(len(set(attached.names())), len(attached.names()), "an event was shown twice")
        self.assertEqual(len(attached.events) + attached.missed, emitted)
        self.assertTrue(attached.said("it emitted %d events" % emitted), attached.notes)

    def test_a_stopped_process_is_said_to_be_stopped(self):
        node = self.place.node("alice", ALICE)
        node.do("packets", 1)
        node.process.send_signal(signal.SIGSTOP)
        self.addCleanup(node.process.send_signal, signal.SIGCONT)
        until(lambda: ") T" in pathlib.Path(f"/proc/{node.process.pid}/stat").read_text(), "it to stop")
        done = subprocess.run([INSPECTOR, "attach", str(node.process.pid), "--for", "1s"], env=self.place.environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"alice (process {node.process.pid}) is stopped, and does nothing until `kill -CONT {node.process.pid}`\n", done.stderr)

    def test_two_at_once_show_every_event_or_report_what_they_missed_and_write_nothing(self):
        node = self.place.node("alice", ALICE, "overwrite_oldest", "0", "4096")
        before = self.written_by_readers(self.ring(node.process.pid))
        node.do("packets", 10000)
        both = [self.attach(node.process.pid, "--from", "0") for _ in range(2)]
        until(lambda: all(attached.events for attached in both), "the first events")
        emitted = 10000
        for burst in (1, 3000, 50000, 7):
            node.do("packets", burst)
            emitted += burst
        path = self.ring(node.process.pid)
        node.close()
        for attached in both:
            self.accounts_for(attached, emitted)
            self.assertGreaterEqual(attached.missed, 10000 - 4096)
            self.assertEqual(attached.events[-1]["sequence"], emitted - 1)
            self.assertTrue(attached.said("no traced reads it") and attached.said("has ended"), attached.notes)
        self.assertEqual(self.written_by_readers(path), before)

    def test_a_node_that_is_killed_is_shown_to_its_end(self):
        node = self.place.node("alice", ALICE)
        attached = self.attach(node.process.pid, "--from", "0")
        node.do("packets", 500)
        node.begin("packets", 100000)
        until(lambda: attached.events, "events")
        node.kill()
        self.assertEqual(attached.finish(), 0)
        self.assertTrue(attached.said("is gone and did not close its log"), attached.notes)
        dead = self.attach(node.process.pid)
        self.assertEqual(dead.finish(), 0)
        self.assertTrue(dead.said("is dead; this is what its ring still has"), dead.notes)
        self.assertEqual(len(attached.events) + attached.missed, len(dead.events) + dead.missed)
        self.assertEqual(dead.events[-1]["sequence"], attached.events[-1]["sequence"])

    def test_a_node_that_discards_is_not_given_room_by_it(self):
        node = self.place.node("alice", ALICE, "discard_newest", "0", "64")
        attached = self.attach(node.process.pid, "--from", "0")
        until(lambda: attached.said("keeps its oldest events"), "the note")
        node.do("packets", 1000)
        path = self.ring(node.process.pid)
        before = self.written_by_readers(path)
        until(lambda: len(attached.events) == 64, "what the ring has")
        node.do("packets", 10)
        node.close()
        self.accounts_for(attached, 1010)
        self.assertEqual((attached.missed, self.written_by_readers(path)), (946, before))

    def test_only_new_events_are_shown_by_default(self):
        node = self.place.node("alice", ALICE)
        node.do("packets", 100)
        node.do("metrics", 7, 7, BOB)
        for options, sequences in ((("--recent", "3"), [98, 99, 100]), (("--recent", "2", "--kind", "packet_sent"), [98, 99]),
                                   (("--recent", "1", "--peer", BOB[:6]), [100]), (("--from", "-1h", "--peer", "b2"), [100]),
                                   (("--recent", "2", "--where", "packet_num >= 50", "--kind", "packet_sent"), [98, 99]),
                                   (("--from", "-1h", "--where", "rtt == 7ns or packet_num == 3"), [3, 100])):
            attached = self.attach(node.process.pid, *options, "--count", str(len(sequences)))
            self.assertEqual((attached.finish(), [event["sequence"] for event in attached.events]), (0, sequences), attached.notes)
        attached = self.attach(node.process.pid, "--count", "2")
        until(lambda: attached.said("read out of its ring"), "it to be attached")
        node.do("packets", 2)
        self.assertEqual((attached.finish(), [event["sequence"] for event in attached.events]), (0, [101, 102]))
        self.fails('no node is called "zoe"', node.process.pid, "--peer", "zoe", code=2)
        self.fails('did you mean "packet_sent"?', node.process.pid, "--kind", "packet_snt", code=2)
        self.fails("\n                ^~~\n", node.process.pid, "--where", "lane == 1 and rrt > 1ms", code=2, lines=3)
        self.fails("--since yesterday: ", node.process.pid, "--from", "yesterday", code=2)

    def test_peers_match_the_ids_that_the_node_reports(self):
        address, key = "192.0.2.7:4001", hex_id(0x77)
        node = self.place.node("alice", ALICE)
        node.do("message", "sent", "@" + address, 1)
        node.do("address", BOB, address)
        attached = self.attach(node.process.pid, "--count", "3")
        until(lambda: attached.said("read out of its ring"), "it to be attached")
        node.do("message", "sent", "@" + address, 2)  # the alias is older than the stream, and still counts
        node.do("alias", BOB, key)
        node.do("message", "sent", key, 3)
        self.assertEqual(attached.finish(), 0)
        peers = [(event["kind"], event["peer_id"], event.get("peer_as") is not None) for event in attached.events]
        self.assertEqual(peers, [("message_sent", BOB, True), ("alias", BOB, False), ("message_sent", BOB, True)])
        self.assertEqual(attached.events[2]["peer_as"], key)
        of_bob = self.attach(node.process.pid, "--recent", "9", "--where", f"peer == {BOB} and message_sent", "--count", "3")
        self.assertEqual((of_bob.finish(), [event["sequence"] for event in of_bob.events]), (0, [0, 2, 4]))

    def test_through_traced_and_on_from_the_ring_when_traced_is_killed(self):
        self.start()
        node, other = self.place.node("alice", ALICE, "overwrite_oldest", "0", "4096"), self.place.node("bob", BOB)
        until(lambda: len(self.place.connect().call("nodes")["nodes"]) == 2, "traced to read both")
        attached = self.attach(node.process.pid, "--from", "0")
        until(lambda: attached.said("is read through traced"), "it to be attached")
        other.do("packets", 300)
        emitted = 0
        for burst in (100, 900):
            node.do("packets", burst)
            emitted += burst
        until(lambda: len(attached.events) == 1000, "the events")
        self.place.traced.kill()
        self.place.finish()
        node.do("packets", 20000)
        until(lambda: attached.said("continuing with the ring itself"), "it to be noticed")
        node.do("packets", 17)
        node.close()
        self.accounts_for(attached, emitted + 20017)
        self.assertEqual({event["node_id"] for event in attached.events}, {ALICE})

    def test_a_traced_that_does_not_answer_is_left_out(self):
        self.start()
        node = self.place.node("alice", ALICE)
        node.do("packets", 9)
        self.place.hold()
        self.addCleanup(self.place.traced.send_signal, signal.SIGCONT)
        attached = self.attach(node.process.pid, "--recent", "5", "--for", "1ms")
        self.assertEqual(attached.finish(), 0, attached.notes)
        self.assertEqual(len(attached.events), 5)
        self.assertEqual([note.split(") ")[1] for note in attached.notes], ["is read out of its ring: traced does not answer\n"])

    def test_through_traced_it_ends_with_the_process(self):
        client = self.start()
        node = self.place.node("alice", ALICE)
        until(lambda: client.call("nodes")["nodes"], "traced to read it")
        attached = self.attach(node.process.pid, "--from", "0")
        until(lambda: attached.said("is read through traced"), "it to be attached")
        node.do("packets", 5000)
        node.close()
        self.accounts_for(attached, 5000)
        past = self.attach(node.process.pid)
        self.assertEqual((past.finish(), len(past.events)), (0, 5000))
        self.assertTrue(past.said("this is what traced has of it"), past.notes)
        newest = self.attach(node.process.pid, "--recent", "3")
        self.assertEqual((newest.finish(), [event["sequence"] for event in newest.events]), (0, [4997, 4998, 4999]))

    def test_all_logs_of_a_process_are_shown(self):
        node = self.place.node("alice", ALICE)
        node.do("packets", 5)
        path = self.ring(node.process.pid)
        node.close()
        twin = path[:-16] + "0123456789abcdef"
        shutil.copy(path, twin)
        with open(twin, "r+b") as ring:
            ring.seek(NODE_ID)
            self.assertEqual(ring.read(32).hex(), ALICE)
            ring.seek(NODE_ID)
            ring.write(bytes.fromhex(BOB))
        attached = self.attach(node.process.pid)
        self.assertEqual(attached.finish(), 0)
        self.assertEqual(sorted((event["node_id"], event["sequence"]) for event in attached.events),
                         [(node_id, i) for node_id in (ALICE, BOB) for i in range(5)])

    def test_a_ring_that_shrinks_is_detached(self):
        node = self.place.node("alice", ALICE)
        node.do("packets", 5)
        attached = self.attach(node.process.pid, "--from", "0")
        until(lambda: len(attached.events) == 5, "the events")
        os.truncate(self.ring(node.process.pid), 0)
        self.assertEqual(attached.finish(), 0)
        self.assertTrue(attached.said("its log shrank"), attached.notes)

    def test_the_reason_why_it_cannot_is_reported_with_the_remedy(self):
        gone = subprocess.Popen(["true"])
        gone.wait()
        self.fails("there is no process %d, and no log of one in %s" % (gone.pid, self.place.directory), gone.pid)
        self.fails("process %d (" % os.getpid(), os.getpid())
        self.fails("has no log; inspector doctor %d says why" % os.getpid(), os.getpid())
        for bad in ("0", "-1", "x", "99999999999"):
            self.fails("", bad, code=2)
        with open(os.path.join(self.place.directory, "%s%d.%d.0123456789abcdef" % (OBJECT_NAME, os.geteuid(), gone.pid)), "wb") as ring:
            ring.write(b"garbage" * 10000)
        self.fails("its header has a wrong magic", gone.pid)

    @unittest.skipUnless(os.geteuid() == 0, "needs root: to be two users")
    def test_another_users_log_is_reported_with_the_remedy(self):
        program = program_for_all(os.environ["TEST_NODE"], self.place.directory)
        os.chmod(self.place.directory, 0o777)
        node = subprocess.Popen([program, "alice", ALICE], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                env=self.place.environment, user=65534)
        self.addCleanup(node.stdout.close)
        self.addCleanup(node.wait)
        self.addCleanup(node.stdin.close)
        self.assertEqual(node.stdout.readline(), b"ok\n")
        self.fails("is another user's; run inspector as that user: sudo -u", node.pid)

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("unshare"), "needs root: to make a PID namespace")
    def test_a_process_of_another_pid_namespace_is_found_by_its_pid_here(self):
        node = subprocess.Popen(["unshare", "--pid", "--fork", os.environ["TEST_NODE"], "alice", ALICE], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, env=self.place.environment)
        if node.stdout.readline() != b"ok\n":
            node.communicate()
            self.skipTest("no PID namespace can be made here")
        with open("/proc/%d/task/%d/children" % (node.pid, node.pid), encoding="ascii") as children:
            pid = int(children.read())
        attached = self.attach(pid, "--from", "0")
        until(lambda: attached.said("read out of its ring"), "it to be attached")
        node.stdin.write(b"packets 5\nclose\n")
        node.communicate()
        self.accounts_for(attached, 5)


    def test_a_process_answers_every_question_out_of_its_rings_as_traced_does(self):
        client = self.start()
        alice = self.place.node("alice", ALICE)
        alice.do("app")
        alice.do("start", "%032x" % 7, 1, 0, 1)
        alice.do("packets", 40, "%032x" % 7, BOB)
        alice.do("command", "%032x" % 7, 1, 1, "somekey!")
        alice.do("end", "%032x" % 7, 1, 1, 1)
        alice.do("metrics", 2_000_000, 1_000_000, BOB)
        self.place.settle(client, 44)
        questions = [["recent", "100"], ["traces"], ["trace", "%032x" % 7], ["count", "--by", "kind"], ["requests"], ["apps"],
                     ["sql", "select kind, count(*) from events group by kind"], ["range", "0", "now"],
                     ["recent", "--where", "DMAP.key == 'somekey!'"]]
        live = [self.asks(*words) for words in questions]
        self.assertTrue(all(live))
        node, = self.asks("nodes", pid=alice.process.pid)
        expected, = self.asks("nodes")
        self.assertEqual(without_times(node), without_times(expected))
        for attempt in ("live", "without traced", "dead"):
            if attempt == "without traced":
                self.place.traced.kill()
                self.place.finish()
            elif attempt == "dead":
                alice.process.kill()
                alice.process.wait()
            for words, answer in zip(questions, live):
                with self.subTest(words, attempt=attempt):
                    self.assertEqual(without_times(self.asks(*words, pid=alice.process.pid)), without_times(answer))
        self.assertEqual([node["state"] for node in self.asks("nodes", pid=alice.process.pid)], ["crashed"])
        refused = subprocess.run([INSPECTOR, "control", "--reset", "--pid", str(alice.process.pid)], env=self.place.environment,
                                 capture_output=True, text=True)
        self.assertEqual((refused.returncode, refused.stdout), (1, ""))
        self.assertEqual(refused.stderr, "inspector: the log of process %d has no live nodes to control\n" % alice.process.pid)


if __name__ == "__main__":
    unittest.main(verbosity=2)
