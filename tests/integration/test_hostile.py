# SPDX-License-Identifier: MIT
"""An adversary of traced: handmade rings, names in their directory, and how traced handles them.  In each case
good nodes are read completely, traced answers, and it stops on request.

environment: TRACED, INSPECTOR, TEST_NODE"""
import contextlib
import fcntl
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

from harness import ProtocolTest, hex_id, program_for_all, until

LANES, EVENT_BYTES, LANES_AT = 24576, 128, 1024
OWNED = 1
MARKS = 1 << 31


class Ring:
    """A ring object, written by hand.  Nobody holds its lock: its node is dead."""

    def __init__(self, place, name, lanes=1, events=64):
        self.events = events
        self.path = os.path.join(place.directory, "p2ptrace.%d.1.%s" % (os.geteuid(), name))
        self.file = open(self.path, "w+b", buffering=0)
        self.bytes = LANES + lanes * events * EVENT_BYTES
        self.file.truncate(self.bytes)
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        head = struct.pack("<2I Q 4I iI 3Q 32s 32s Q", 1, LANES, self.bytes, EVENT_BYTES, lanes, events, 0, 1, 2, now, now,
                           time.time_ns(), name.encode(), name.encode(), 2**64 - 1)
        self.put(8, head)
        self.put(192, struct.pack("<Q", 2**64 - 1))
        self.put(256, struct.pack("<I", 1))

    def put(self, at, data):
        os.pwrite(self.file.fileno(), data, at)

    def lane(self, index, head=0, discarded=0, contended=0, state=OWNED):
        self.put(LANES_AT + 192 * index, struct.pack("<3Q", head, discarded, contended))
        self.put(LANES_AT + 192 * index + 64, struct.pack("<I", state))

    def slot(self, position, mark=None, kind=12, ticks=None):
        """A packet_lost event, or one of the given kind."""
        ticks = time.clock_gettime_ns(time.CLOCK_MONOTONIC) if ticks is None else ticks
        mark = (position if mark is None else mark) + 1
        self.put(LANES + position % self.events * EVENT_BYTES, struct.pack("<Q16xIHBB", ticks, mark % MARKS, kind, 0, 0).ljust(128, b"\0"))

    def ready(self):
        self.put(0, struct.pack("<Q", 0x3145434152543250))

    def allocated(self):
        return os.fstat(self.file.fileno()).st_blocks * 512

    def close(self):
        self.file.close()


class HostileTest(ProtocolTest):
    def ring(self, *args, **kwargs):
        ring = Ring(self.place, *args, **kwargs)
        self.addCleanup(ring.close)
        return ring

    def ends(self):
        """traced ends within a time that does not depend on the adversary."""
        code, log = self.place.stop()
        self.assertEqual(code, 0, log)
        return log

    def nodes(self, connection):
        return {node["name"]: node for node in connection.call("nodes")["nodes"]}

    def wait_for_state(self, connection, name, *states):
        return until(lambda: (node := self.nodes(connection).get(name)) and node["state"] in states and node, name)


class Rings(HostileTest):
    """Handmade rings, and names that are not rings."""

    def test_a_dead_ring_of_holes_gets_no_memory_and_is_removed(self):
        ring = self.ring("sparse", lanes=16, events=1 << 16)
        for lane in range(16):
            ring.lane(lane, head=1 << 15)
        ring.ready()
        had = ring.allocated()
        connection = self.start()
        self.wait_for_state(connection, "sparse", "crashed")
        until(lambda: not os.path.exists(ring.path), "the ring to go")
        self.assertLessEqual(ring.allocated(), had)

    def test_a_ring_with_false_marks_is_detached_and_costs_nobody_anything(self):
        connection = self.start()
        good = self.place.node("good", hex_id(7))
        good.do("packets", 100)
        for n in range(8):
            ring = self.ring("liar%d" % n)
            for slot in range(64):
                ring.slot(slot, mark=slot + (1 << 29))
            ring.lane(0, head=64)
            ring.ready()
        for n in range(8):
            node = self.wait_for_state(connection, "liar%d" % n, "rejected", "crashed")
            self.assertEqual((node["state"], node["reason"]), ("rejected", "what it says about its events is contradictory"))
            self.assertLessEqual(node["lost"], 64)
        good.do("packets", 100)
        until(lambda: self.nodes(connection).get("good", {}).get("indexed") == 200, "the good node's events")
        self.assertEqual(self.nodes(connection)["good"]["lost"], 0)
        self.assertLessEqual(connection.call("stats")["history"]["events"], 200 + 8 * 64)
        self.assertEqual(connection.call("stats")["ingest"]["rejected"], {"bad_marks": 8})
        self.ends()

    def test_false_marks_while_traced_stops(self):
        self.start()
        for n in range(8):
            ring = self.ring("liar%d" % n)
            for slot in range(64):
                ring.slot(slot, mark=slot + (1 << 29))
            ring.lane(0, head=64)
            ring.ready()
        self.ends()

    def test_names_of_a_stranger_take_no_room(self):
        if os.geteuid():
            self.skipTest("only root can make another user's files")
        for n in range(9000):
            path = os.path.join(self.place.directory, "p2ptrace.%d.%d.0000" % (os.geteuid(), n))
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
            os.chown(path, STRANGER, STRANGER)
        connection = self.start()
        good = self.place.node("good", hex_id(7))
        good.do("packets", 100)
        until(lambda: self.nodes(connection).get("good", {}).get("indexed") == 100, "the good node's events")
        self.assertEqual(connection.call("stats")["ingest"]["rejected"], {"bad_owner": 9000})
        self.assertLess(len(self.ends().splitlines()), 10)


class Load(HostileTest):
    """A node that emits as fast as it can, for as long as anyone looks."""

    def ends_in_time(self, *words):
        done = subprocess.run([os.environ["INSPECTOR"], *words, "--for", "500ms", "--json"], env=self.place.environment,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_time_that_was_given_is_kept(self):
        node = self.place.node("loud", hex_id(7))
        node.begin("packets", 2**40)
        pid = str(node.process.pid)
        self.ends_in_time("attach", pid)
        self.ends_in_time("attach", pid, "--where", "kind == metrics")
        self.ends_in_time("attach", pid, "--recent", "100")
        self.start()
        self.ends_in_time("attach", pid)
        self.ends_in_time("follow")
        self.ends_in_time("follow", "--where", "kind == metrics")
        node.kill()

    def test_a_stopped_traced_does_not_keep_it_beyond_its_time(self):
        """Without a limit, a request waits 30 s for its answer."""
        node = self.place.node("quiet", hex_id(7))
        node.do("packets", 1)
        self.start()
        recording = os.path.join(self.place.directory, "recording")
        for words in (["follow"], ["follow", "--json"], ["export", "--follow"], ["record", "-o", recording],
                      ["trigger", "kind == packet_sent"], ["attach", str(node.process.pid)]):
            self.place.hold()
            done = subprocess.run([os.environ["INSPECTOR"], *words, "--for", "1s"], env=self.place.environment,
                                  capture_output=True, text=True, timeout=25)
            self.place.traced.send_signal(signal.SIGCONT)
            if words[0] == "attach":  # it has the ring
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn("traced does not answer", done.stderr)
                continue
            self.assertEqual((done.returncode, done.stdout), (3, ""), words)
            self.assertIn(f"is stopped, and answers nobody until `kill -CONT {self.place.traced.pid}`", done.stderr)
        node.kill()

    def test_nor_does_one_that_is_stopped_after_it_began_and_it_says_so(self):
        node = self.place.node("quiet", hex_id(7))
        node.do("packets", 1)
        connection = self.start()
        recording = os.path.join(self.place.directory, "recording")

        def attempt(seconds, *words):
            process = subprocess.Popen([os.environ["INSPECTOR"], *words, "--for", f"{seconds}s"], env=self.place.environment,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            until(lambda: process.poll() is not None or connection.call("stats")["clients"]["subscriptions"], "a subscription")
            if words[0] == "trigger":
                node.do("packets", 1)  # it opens a window
            self.place.hold()
            try:
                err = process.communicate(timeout=seconds + 22)[1]
            finally:
                process.kill()
                self.place.traced.send_signal(signal.SIGCONT)
            until(lambda: not connection.call("stats")["clients"]["subscriptions"], "it to be gone")
            self.assertEqual(process.returncode, 3, err)
            # ... or it was stopped before it had answered the questions of the beginning
            self.assertRegex(err, "what happened since it stopped is missing|is stopped, and answers nobody")

        for words in (["follow"], ["export", "--follow"], ["record", "-o", recording],
                      ["trigger", "kind == packet_sent", "--after", "1h"]):
            self.with_time_enough(lambda seconds, words=words: attempt(seconds, *words), 3)
        node.kill()

    def ends_though_nobody_reads(self, seconds, *words, together=False):
        """Something to write has to come in that time.  together: stderr is the same full pipe, so not even the reason can be written."""
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writing, b"x" * 4096)
        os.set_blocking(writing, True)
        process = subprocess.Popen([os.environ["INSPECTOR"], *words, "--for", f"{seconds}s"], env=self.place.environment, stdout=writing,
                                   stderr=writing if together else subprocess.PIPE, text=True)
        os.close(writing)
        try:
            _, said = process.communicate(timeout=seconds + 60)
        finally:
            process.kill()
            os.close(reading)
        self.assertEqual(process.returncode, 1, said)
        if not together:
            self.assertRegex(said, r"^(inspector: the window of [\d:.]+ is not saved\n)?"
                                   r"inspector: cannot write the (output|export): its reader has stopped reading\n$")

    def test_a_reader_that_stops_reading_does_not_keep_it_beyond_its_time(self):
        node = self.place.node("loud", hex_id(7))
        node.begin("stream", "1000")
        self.start()
        for words in (["attach", str(node.process.pid)], ["follow"], ["follow", "--json"], ["export", "--follow"],
                      ["export", "--follow", "--format", "csv"], ["trigger", "kind == packet_sent", "--before", "0s", "--after", "0s"]):
            for together in (False, True):
                self.with_time_enough(lambda seconds, words=words, together=together:
                                      self.ends_though_nobody_reads(seconds, *words, together=together), usual=0.3)
        node.kill()

    def test_a_reader_that_reads_gets_whole_lines_up_to_the_end(self):
        node = self.place.node("loud", hex_id(7))
        node.begin("packets", 2**40)
        self.start()
        for words in (["follow", "--json"], ["export", "--follow"]):
            for seconds in (1, 8, 60):  # where even the beginning takes longer, it shows nothing
                done = subprocess.run([os.environ["INSPECTOR"], *words, "--for", f"{seconds}s"], env=self.place.environment,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=seconds + 120)
                self.assertEqual(done.returncode, 0, done.stderr)
                if done.stdout:
                    break
            self.assertTrue(done.stdout.endswith("\n"))
            for line in done.stdout.splitlines():
                json.loads(line)
        node.kill()


STRANGER = 65534
EVIL = "/x\x1b]0;owned\x07\u202e\u2028\x7f'$(touch pwned)`id`;rm -rf"

# Serves a path as another user: claims to be traced, and prints a child's process id.
SERVE = """
import json, os, socket, sys
listener = socket.socket(socket.AF_UNIX)
os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2])); os.umask(int(sys.argv[3], 8))
listener.bind(sys.argv[1]); listener.listen(8)
print("ready", flush=True)
while True:
    client, _ = listener.accept()
    for line in client.makefile("rb"):
        request = json.loads(line)
        result = {"version": "0.0.9", "protocol": 1, "pid": 1, "methods": []} if request["method"] == "hello" else {"nodes": []}
        client.sendall(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).encode() + b"\\n")
"""


def has_no_control(text):
    return all(character == "\n" or (" " <= character and character not in "\x7f\u202e\u2028") for character in text)


class Strangers(HostileTest):
    """Other users' files and servers in the place of ours."""

    def run_inspector(self, *words, **more):
        environment = more.pop("environment", self.place.environment)
        return subprocess.run([os.environ["INSPECTOR"], *words], env=environment, capture_output=True, text=True, timeout=60, **more)

    def hold_drain_lock(self, text):
        file = open(os.path.join(self.place.directory, ".p2ptrace.%d.drain" % os.geteuid()), "w", encoding="utf-8")
        self.addCleanup(file.close)
        file.write("4711 %s\n" % text)
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        return file

    def check(self):
        done = subprocess.run([os.environ["TRACED"], "--check"], env=self.place.environment, capture_output=True, text=True)
        return done.stdout

    def test_a_lock_file_says_nothing_to_a_terminal_or_a_shell(self):
        self.hold_drain_lock(EVIL)
        checked = self.check()
        self.assertIn("traced (pid 4711) drains them already", checked)
        self.assertTrue(has_no_control(checked), checked)
        done = self.run_inspector("doctor", "--json")
        lines = {line["check"]: line for line in map(json.loads, done.stdout.splitlines())}
        remedy = lines["socket"]["remedy"]
        self.assertTrue(has_no_control(remedy), remedy)
        # Typed into a shell, it names the socket, byte for byte, and runs nothing.
        place = tempfile.mkdtemp(dir=self.place.directory)
        shell = subprocess.run(["bash", "-c", remedy + '; printf %s "$P2PTRACE_SOCKET"'], capture_output=True, cwd=place)
        self.assertEqual(shell.stdout.decode(), EVIL)
        self.assertEqual(os.listdir(place), [])
        self.assertTrue(has_no_control(self.run_inspector("doctor").stdout))

    @unittest.skipUnless(os.geteuid() == 0, "only root can make another user's files")
    def test_a_strangers_lock_file_says_nothing_at_all(self):
        file = self.hold_drain_lock("/somewhere")
        os.fchown(file.fileno(), STRANGER, STRANGER)
        self.assertNotIn("4711", self.check())
        self.assertNotIn("4711", self.run_inspector("doctor").stdout)
        connection = self.start()  # and blocks nobody
        self.place.node("good", hex_id(7)).do("packets", 10)
        self.place.settle(connection, 10)
        pid = connection.call("hello")["pid"]
        for stranger_is_there in (True, False):  # the lock works all the same, also when the stranger removes its file
            lines = {line["check"]: line for line in map(json.loads, self.run_inspector("doctor", "--json").stdout.splitlines())}
            self.assertTrue(lines["draining"]["ok"], lines)
            self.assertIn("traced (pid %d) drains them already: ask it at %s" % (pid, self.place.path), self.check())
            second = subprocess.run([os.environ["TRACED"], "--socket", os.path.join(self.place.directory, "second.sock")],
                                    env=self.place.environment, capture_output=True, text=True, timeout=60)
            self.assertEqual(second.returncode, 1, second.stderr)
            self.assertIn("another traced (pid %d) drains the rings" % pid, second.stderr)
            if stranger_is_there:
                os.unlink(file.name)

    def serve(self, path, uid, umask="0177"):
        server = subprocess.Popen([sys.executable, "-c", SERVE, path, str(uid), umask], stdout=subprocess.PIPE)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        self.assertEqual(server.stdout.readline(), b"ready\n")
        return server

    def strangers_place(self, name):
        directory = os.path.join(self.place.directory, name)
        os.mkdir(directory)
        os.chown(directory, STRANGER, STRANGER)
        os.chmod(self.place.directory, 0o755)
        os.chmod(directory, 0o755)
        return directory

    @unittest.skipUnless(os.geteuid() == 0, "only root can be another user")
    def test_a_strangers_server_in_our_place_is_not_believed(self):
        directory = self.strangers_place("p2ptrace")
        self.serve(os.path.join(directory, "traced.sock"), STRANGER, "0")
        environment = {k: v for k, v in self.place.environment.items() if k != "P2PTRACE_SOCKET"}
        environment["XDG_RUNTIME_DIR"] = self.place.directory
        done = self.run_inspector("nodes", environment=environment)
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertIn("is served by another user (uid %d" % STRANGER, done.stderr)
        done = self.run_inspector("doctor", environment=environment)
        self.assertIn("another user", done.stdout)
        self.assertNotIn("kill", done.stdout)
        # Root uses it when its path is given, but nobody is advised to kill another user's process.
        chosen = self.run_inspector("doctor", "--socket", os.path.join(directory, "traced.sock"))
        self.assertIn("traced is 0.0.9", chosen.stdout)
        self.assertNotIn("kill", chosen.stdout)

    @unittest.skipUnless(os.geteuid() == 0, "only root can be another user")
    def test_another_users_server_is_believed_by_its_group(self):
        directory = self.strangers_place("run")
        path = os.path.join(directory, "traced.sock")
        self.serve(path, STRANGER, "0")
        binary = program_for_all(os.environ["INSPECTOR"], self.place.directory)
        for mode, group, code in ((0o666, 54321, 0), (0o666, 54322, 3), (0o606, 54321, 3)):
            os.chown(path, STRANGER, 54321)
            os.chmod(path, mode)
            done = subprocess.run([binary, "nodes", "--socket", path], env=self.place.environment, capture_output=True, text=True,
                                  user=12345, group=group, extra_groups=[])
            self.assertEqual(done.returncode, code, done.stderr)

    def test_traced_follows_no_link_that_others_may_have_made(self):
        target = tempfile.mkdtemp(dir=self.place.directory)
        sticky = os.path.join(self.place.directory, "tmp")
        os.mkdir(sticky)
        os.chmod(sticky, 0o1777)
        os.symlink(target, os.path.join(sticky, "p2ptrace-0"))
        path = os.path.join(sticky, "p2ptrace-0", "traced.sock")
        for words in (["--check"], []):
            done = subprocess.run([os.environ["TRACED"], "--socket", path, *words], env=self.place.environment, capture_output=True,
                                  text=True, timeout=60)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("is a symbolic link that others may have created", done.stdout + done.stderr)
        self.assertEqual(os.listdir(target), [])
        own = os.path.join(self.place.directory, "own")
        os.symlink(target, own)  # a link in our own directory is ours
        self.place.path = os.path.join(own, "traced.sock")
        self.place.environment["P2PTRACE_SOCKET"] = self.place.path
        self.start().call("hello")


if __name__ == "__main__":
    unittest.main()
