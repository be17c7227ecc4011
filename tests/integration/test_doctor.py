# SPDX-License-Identifier: MIT
"""inspector doctor: creates each condition, and checks its line and remedy."""
import ctypes
import fcntl
import json
import mmap
import os
import pathlib
import pty
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

from harness import Connection, ProtocolTest, hex_id, program_for_all, until

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "inspector"))
from fake_traced import Error, FakeTraced  # noqa: E402

INSPECTOR = os.environ["INSPECTOR"]
PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
ALICE = hex_id(0xa1)
NOW = time.time_ns() // 1000
STATS = {"history": {"events": 5, "bytes_max": 256 << 20, "evicted": 0, "first": {"timestamp": NOW - 90000000, "ns": 0},
                     "last": {"timestamp": NOW + 3600000000, "ns": 0}}}


class Doctor(ProtocolTest):
    command = [INSPECTOR]

    def setUp(self):
        super().setUp()
        if why := self.place.lacks(28):  # two rings, and the room that the doctor requires
            self.skipTest(why)

    def ask(self, *words, **environment):
        """Returns the exit code and the lines that are wrong, as (check, found, remedy); the checks that pass, as (check,
        found)."""
        done = subprocess.run([*self.command, "doctor", "--json", *map(str, words)], env=self.place.environment | environment,
                              capture_output=True, text=True)
        self.assertEqual(done.stderr, "")
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(done.returncode, 0 if all(line["ok"] for line in lines) else 1)
        return ([(line["check"], line["found"], line["remedy"]) for line in lines if not line["ok"]],
                [(line["check"], line["found"]) for line in lines if line["ok"]])

    def finds(self, check, found, remedy, *words, alone=True, **environment):
        wrong, _ = self.ask(*words, **environment)
        hits = [line for line in wrong if line[0] == check and found in line[1]]
        self.assertTrue(hits, wrong)
        self.assertIn(remedy, hits[0][2])
        if alone:
            self.assertEqual(wrong, hits)

    def fake(self, **answers):
        hello = {"name": "traced", "version": self.version(), "protocol": 1, "pid": os.getpid(), "limits": {}}
        return FakeTraced(self.place.path, {"hello": hello, "nodes": {"nodes": []}, "stats": STATS, "query": {"events": []}} | answers)

    def version(self):
        return subprocess.run([INSPECTOR, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]

    def healthy(self):
        client = self.start()
        node = self.place.node("alice", ALICE)
        node.do("packets", 5)
        self.place.settle(client, 5)
        return client, node

    def test_nothing_is_wrong_with_a_node_that_is_traced(self):
        _, node = self.healthy()
        wrong, fine = self.ask(node.process.pid)
        self.assertEqual(wrong, [])
        self.assertEqual([check for check, _ in fine], ["directory", "socket", "version", "draining", "history", "events", "limits", "clock", "log",
                                                        "logs", "process"])
        for words, lines in (((), 1), (("--all",), 11), (("--no-header",), 0)):
            done = subprocess.run([INSPECTOR, "doctor", *words], env=self.place.environment, capture_output=True, text=True)
            self.assertEqual((done.returncode, len(done.stdout.splitlines())), (0, lines), done.stdout)

    def test_the_text_names_the_command_to_type(self):
        done = subprocess.run([INSPECTOR, "doctor"], env=self.place.environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"(?m)^wrong socket     traced is not running: .*; try: traced &$")

    def test_two_nodes_with_one_id(self):
        client, alice = self.healthy()
        self.place.node("eve", ALICE).do("packets", 2)
        self.place.settle(client, 7)
        for name in ("alice", "eve"):
            self.finds("id", name + " (process", "trace_node_id_random()")
        done = subprocess.run([INSPECTOR, "nodes"], env=self.place.environment, capture_output=True, text=True)
        self.assertRegex(done.stdout, r"(?m)^(alice and eve|eve and alice) have one node id, a1\w*: ")
        followed = subprocess.run([INSPECTOR, "follow", "--recent", "100", "--count", "7"], env=self.place.environment,
                                  capture_output=True, text=True)
        names = [word for line in followed.stdout.splitlines() for word in line.split() if word in ("alice", "eve")]
        self.assertEqual(sorted(names), ["alice"] * 5 + ["eve"] * 2, followed.stdout)
        alice.do("close")
        self.assertFalse([line for line in self.ask()[0] if line[0] == "id"])

    def test_a_node_of_abi_1_that_closed_its_descriptor(self):
        """Its log is handmade: mapped by a live process, and locked by none."""
        name = f"p2ptrace.{os.geteuid()}.{os.getpid()}.0123456789abcdef"
        lane = 64 * 128
        header = struct.pack("<8sIIQIIIIiIQQQ32s32sQ", b"P2TRACE1", 1, 24576, 24576 + lane, 128, 1, 64, 0, os.getpid(), 2, 1000, 1000,
                             5000, bytes.fromhex(ALICE), b"veteran", 2**64 - 1)
        path = pathlib.Path(self.place.environment["P2PTRACE_SHM_DIR"]) / name
        with open(path, "w+b") as file:
            file.truncate(24576 + lane)
            file.write(header)
            file.seek(256)
            file.write(struct.pack("<I", 1))
            file.flush()
            mapping = mmap.mmap(file.fileno(), 0)
        self.addCleanup(mapping.close)
        self.finds("log", "veteran (process %d) is alive but looks dead: it closed the descriptor" % os.getpid(), "this version", alone=False)

    def test_the_socket(self):
        self.place.node("alice", ALICE).do("packets", 1)
        self.finds("socket", "there is no " + self.place.path + " (from $P2PTRACE_SOCKET)", "traced &")
        self.start()
        self.place.traced.kill()
        self.place.finish()
        self.finds("socket", "is dead", "traced &")
        self.start()
        self.finds("socket", "nobody listens on /proc/nonexistent/socket", "export P2PTRACE_SOCKET=" + self.place.path,
                   P2PTRACE_SOCKET="/proc/nonexistent/socket")

    def test_a_stopped_traced(self):
        self.healthy()
        traced = self.place.traced.pid
        os.kill(traced, signal.SIGSTOP)
        try:
            until(lambda: ") T" in pathlib.Path(f"/proc/{traced}/stat").read_text(), "traced to stop")
            self.finds("socket", f"traced (process {traced}) on {self.place.path} (from $P2PTRACE_SOCKET) is stopped", f"kill -CONT {traced}")
        finally:
            os.kill(traced, signal.SIGCONT)

    def test_a_stopped_node(self):
        _, node = self.healthy()
        pid = node.process.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            until(lambda: ") T" in pathlib.Path(f"/proc/{pid}/stat").read_text(), "the node to stop")
            stopped = "is stopped, by SIGSTOP or Ctrl-Z: it does nothing until it is continued"
            self.finds("process", f"process {pid} (test_node) {stopped}", f"kill -CONT {pid}", pid)
            self.finds("log", f"process {pid} (alice) {stopped}", f"kill -CONT {pid}")  # of all nodes
        finally:
            os.kill(pid, signal.SIGCONT)
        until(lambda: ") S" in pathlib.Path(f"/proc/{pid}/stat").read_text(), "the node to continue")
        self.assertEqual(self.ask(pid)[0], [])

    def test_a_node_under_a_debugger(self):
        _, node = self.healthy()
        pid = node.process.pid
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.ptrace(PTRACE_SEIZE, pid, None, None) or libc.ptrace(PTRACE_INTERRUPT, pid, None, None):
            self.skipTest("ptrace is not allowed here: " + os.strerror(ctypes.get_errno()))
        try:
            until(lambda: ") t" in pathlib.Path(f"/proc/{pid}/stat").read_text(), "the node to stop")
            self.finds("process", f"process {pid} (test_node) is stopped by a debugger, process {os.getpid()} (", "detach it", pid)
        finally:
            os.waitpid(pid, 0)
            libc.ptrace(PTRACE_DETACH, pid, None, None)

    def test_a_process_that_has_ended_and_was_not_waited_for(self):
        self.healthy()
        process = subprocess.Popen(["true"])
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        self.finds("process", f"process {process.pid} has ended; its parent, process {os.getpid()} (", f"--ppid {os.getpid()}", process.pid)
        process.wait()
        self.finds("process", f"there is no process {process.pid}", "ps -e", process.pid)

    def test_a_process_that_waits_in_the_kernel(self):  # for the child of a vfork, until that ends
        process = subprocess.Popen([sys.executable, "-c", "import ctypes, signal\nctypes.CDLL(None).vfork()\nsignal.pause()"])
        try:
            until(lambda: ") D" in pathlib.Path(f"/proc/{process.pid}/stat").read_text(), "the process to wait")
            done = subprocess.run([INSPECTOR, "doctor", "--json", str(process.pid)], env=self.place.environment, capture_output=True, text=True)
            line = json.loads(done.stdout.splitlines()[-1])
            self.assertIn("waits in the kernel (state D)", line["found"])
            self.assertEqual((line["check"], line["ok"], line["remedy"]), ("process", None, f"cat /proc/{process.pid}/wchan"))
        finally:
            for child in pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
                os.kill(int(child), signal.SIGKILL)
            process.kill()
            process.wait()

    @unittest.skipUnless(os.geteuid() == 0, "needs root: to mount")
    def test_a_frozen_node(self):
        _, node = self.healthy()
        pid = node.process.pid
        line = next((line for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines() if line.startswith("0::")), None)
        if not line:
            self.skipTest("there are no control groups of version 2")
        group = ("/sys/fs/cgroup" + line[3:]).rstrip("/")
        for value in "10":  # a stand-in for the file system of control groups
            script = f"mount -t tmpfs tmpfs /sys/fs/cgroup && mkdir -p {group} && echo {value} >{group}/cgroup.freeze && exec \"$@\""
            if subprocess.run(["unshare", "--mount", "sh", "-c", script, "sh", "true"], capture_output=True).returncode:
                self.skipTest("cannot mount here")
            self.command = ["unshare", "--mount", "sh", "-c", script, "sh", INSPECTOR]
            if value == "1":
                self.finds("process", f"process {pid} (test_node) is frozen with its control group", f"echo 0 > {group}/cgroup.freeze", pid)
            else:
                self.assertEqual(self.ask(pid)[0], [])

    def test_a_pipe_is_told_only_that_traced_is_stopped(self):
        self.healthy()
        self.place.hold()
        traced = self.place.traced.pid
        process = subprocess.Popen([INSPECTOR, "nodes", "--json"], env=self.place.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            said = process.stderr.readline()
        finally:
            self.place.traced.send_signal(signal.SIGCONT)
        out, rest = process.communicate(timeout=60)
        self.assertEqual(said, f"inspector: traced (process {traced}) is stopped, and answers nobody until `kill -CONT {traced}`; "
                               "waiting for up to 30 s (Ctrl-C ends the wait)\n")
        self.assertEqual((process.returncode, rest, '"name"' in out), (0, "", True))

    def test_a_question_that_a_stopped_traced_does_not_answer_ends_with_3(self):
        self.healthy()
        self.place.hold()
        traced = self.place.traced.pid
        try:
            done = subprocess.run([INSPECTOR, "follow", "--for", "1s"], env=self.place.environment, capture_output=True, text=True, timeout=60)
        finally:
            self.place.traced.send_signal(signal.SIGCONT)
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (3, "", f"inspector: traced at {self.place.path} (process {traced}) is stopped, and answers nobody until `kill -CONT {traced}`\n"))

    def test_a_terminal_shows_that_no_traced_is_there_yet(self):
        primary, secondary = pty.openpty()
        self.addCleanup(os.close, primary)
        process = subprocess.Popen([INSPECTOR, "nodes", "--json", "--wait"], env=self.place.environment, stdout=subprocess.PIPE, stderr=secondary)
        os.close(secondary)
        self.addCleanup(process.stdout.close)
        said = b""
        while not said.endswith(b"\n"):
            said += os.read(primary, 4096)
        self.assertEqual(said.decode().strip(), f"inspector: no traced is running at {self.place.path} yet; waiting for one (Ctrl-C ends the wait)")
        self.start()
        self.assertEqual(process.wait(60), 0)

    def test_a_terminal_shows_what_a_question_waits_for(self):
        self.healthy()
        primary, secondary = pty.openpty()
        self.addCleanup(os.close, primary)
        self.place.hold()
        process = subprocess.Popen([INSPECTOR, "nodes", "--json"], env=self.place.environment, stdout=subprocess.PIPE, stderr=secondary)
        os.close(secondary)
        self.addCleanup(process.stdout.close)
        said = b""
        while not said.endswith(b"\n"):
            said += os.read(primary, 4096)
        traced = self.place.traced.pid
        self.assertEqual(said.decode().strip(), f"inspector: traced (process {traced}) is stopped, and answers nobody until "
                                                f"`kill -CONT {traced}`; waiting for up to 30 s (Ctrl-C ends the wait)")
        self.place.traced.send_signal(signal.SIGCONT)
        self.assertIn(b'"name"', process.stdout.read())
        self.assertEqual(process.wait(), 0)

    @unittest.skipUnless(os.geteuid() == 0, "needs root: to be two users")
    def test_another_users_socket_and_logs(self):
        self.healthy()
        with tempfile.TemporaryDirectory() as outside:
            self.asked_by_another_user(program_for_all(INSPECTOR, outside))

    def asked_by_another_user(self, program):
        os.chmod(self.place.directory, 0o700)
        done = subprocess.run([program, "doctor", "--json"], env=self.place.environment, capture_output=True, text=True, user=65534)
        lines = {line["check"]: line for line in map(json.loads, done.stdout.splitlines())}
        self.assertEqual((lines["socket"]["ok"], lines["socket"]["remedy"]), (False, "sudo -u root inspector doctor"))
        os.chmod(self.place.directory, 0o755)
        done = subprocess.run([program, "doctor", "--json", str(self.place.nodes[0].process.pid)], env=self.place.environment,
                              capture_output=True, text=True, user=65534)
        lines = {line["check"]: line for line in map(json.loads, done.stdout.splitlines())}
        self.assertIn("they belong to others, for example root", lines["logs"]["found"])
        self.assertEqual(lines["logs"]["remedy"], "sudo -u root inspector doctor")
        self.assertIn("sudo -u root inspector doctor ", lines["process"]["remedy"])

    def test_a_traced_that_refuses_us(self):
        with self.fake(hello=Error(-32004, "Access refused: another user's")):
            self.finds("socket", "Access refused", "sudo -u ", alone=False)

    def test_another_version(self):
        self.place.node("alice", ALICE)
        hello = {"version": "0.0.9", "protocol": 1, "pid": os.getpid()}
        with self.fake(hello=hello):
            self.finds("version", "traced is 0.0.9", "kill %d; traced &" % os.getpid(), alone=False)

    def test_who_drains(self):
        _, node = self.healthy()
        other = os.path.join(self.place.directory, "second")
        watcher = subprocess.Popen([os.environ["TRACED"], "--history", "64M", "--read-only", "--socket", other], stderr=subprocess.PIPE,
                                   env=self.place.environment, text=True)
        self.addCleanup(watcher.stderr.close)
        self.addCleanup(watcher.wait)
        self.addCleanup(watcher.terminate)
        self.assertTrue(any("listening" in line for line in iter(watcher.stderr.readline, "")))
        watches = Connection(other)
        self.addCleanup(watches.close)
        self.place.settle(watches, 5)
        self.finds("draining", "only watches", "export P2PTRACE_SOCKET=" + self.place.path, P2PTRACE_SOCKET=other)
        empty = tempfile.mkdtemp(dir=self.place.directory)
        self.finds("draining", "reads the rings in %s, and we look in %s" % (self.place.directory, empty),
                   "export P2PTRACE_SHM_DIR=" + self.place.directory, alone=False, P2PTRACE_SHM_DIR=empty)
        self.finds("process", "has its log in %s, and we look in %s" % (self.place.directory, empty),
                   "export P2PTRACE_SHM_DIR=" + self.place.directory, node.process.pid, alone=False, P2PTRACE_SHM_DIR=empty)

    def test_the_directory(self):
        self.finds("directory", "cannot be read: No such file", "unset P2PTRACE_SHM_DIR", alone=False, P2PTRACE_SHM_DIR="/proc/nonexistent")
        disk = "/var/tmp"
        if os.stat(disk).st_dev != os.stat(self.place.directory).st_dev:
            self.finds("directory", "is on a disk", "mount a tmpfs", alone=False, P2PTRACE_SHM_DIR=disk)

    @unittest.skipUnless(os.geteuid() == 0, "needs root: to mount")
    def test_a_full_directory(self):
        full = tempfile.mkdtemp(dir=self.place.directory)
        mounted = ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs -o size=1M tmpfs {full} && exec "$@"', "sh"]
        if subprocess.run([*mounted, "true"], capture_output=True).returncode:
            self.skipTest("cannot mount here")
        self.command = [*mounted, INSPECTOR]
        self.finds("directory", "is full, 1 of 1 MiB are left", "mount -o remount,size=1G " + full, alone=False, P2PTRACE_SHM_DIR=full)

    def test_the_logs(self):
        self.start()
        self.finds("logs", "there is no log in " + self.place.directory, "inspector doctor ", alone=False)
        node = self.place.node("alice", ALICE)
        until(lambda: self.place.connections[0].call("nodes")["nodes"], "traced to read it")
        self.finds("log", "has not emitted anything", "TRACE_", alone=False)
        node.do("packets", 1)
        good, = [name for name in os.listdir(self.place.directory) if ".%d." % node.process.pid in name]
        for offset, value, reason, remedy in ((0, 7, "wrong magic", "rm {}"), (8, 7, "another version", "build the node"),
                                              (20, 7, "sizes do not fit", "rm {}")):
            bad = os.path.join(self.place.directory, "p2ptrace.%d.1.%016x" % (os.geteuid(), offset))
            hidden = os.path.join(self.place.directory, "hidden")  # traced must not see it before it is bad and locked
            subprocess.run(["cp", "--sparse=always", os.path.join(self.place.directory, good), hidden], check=True)
            with open(hidden, "r+b") as ring:
                fcntl.lockf(ring, fcntl.LOCK_EX)  # its node lives: otherwise traced removes it after a while
                ring.seek(offset)
                ring.write(struct.pack("<I", value))
                ring.flush()
                os.rename(hidden, bad)
                self.finds("log", reason, remedy.format(bad), alone=False)
                os.unlink(bad)

    def test_a_dead_log_that_nobody_reads(self):
        node = self.place.node("alice", ALICE)
        node.do("packets", 5)
        node.kill()
        self.finds("log", "is dead, and nobody has read its last events", "inspector attach %d" % node.process.pid, alone=False)
        self.finds("process", "but its log is still here", "inspector attach", node.process.pid, alone=False)

    def test_what_is_switched_off(self):
        client, _ = self.healthy()
        client.call("control", kinds=["packet_lost", "metrics"])
        self.finds("kinds", "alice emits only packet_lost,metrics", "inspector control --node alice --kind all")
        client.call("control", kinds="none")
        self.finds("kinds", "alice emits no events", "inspector control --node alice --kind all")
        client.call("control", kinds="all", sample=0.01)
        self.finds("sample", "alice emits events of only 1 % of the traces", "inspector control --node alice --sample 1")

    def test_a_full_ring_that_nobody_drains(self):
        node = self.place.node("alice", ALICE, "discard_newest", "0", "64")
        node.do("packets", 100)
        self.finds("lost", "36 events so far", "traced &", alone=False)

    def test_what_was_lost(self):
        node = self.place.node("alice", ALICE, "overwrite_oldest", "0", "64")
        node.do("packets", 100)
        client = self.start()
        self.place.settle(client, 64)
        self.finds("lost", "36 of 100 events of alice (live) are lost, before_attach", "start traced before the nodes")

    def test_what_traced_counts(self):
        cases = (
            ({"history": STATS["history"] | {"evicted": 7, "first": {"timestamp": NOW + 3597000000, "ns": 0}}}, "history",
             "reaches back 3.0 s: 7 older events", "traced --history 1024M &"),
            ({"history": STATS["history"] | {"first": None, "last": None}}, "history", "no event at all", "inspector doctor PID"),
            ({"limits": {"clients": 3}}, "limits", "3 connections refused", "end some inspectors"),
            ({"limits": {"descriptors": 2}}, "limits", "2 pauses", "ulimit -n"),
            ({"limits": {"held_bytes": 4}}, "limits", "4 connections closed", "read faster"),
            ({"limits": {"memory": 5}}, "limits", "5 requests refused", "ask for less"),
            ({"clients": {"events_dropped": 9}}, "limits", "missed 9 events", "inspector follow --kind"),
            ({"clock": {"steps": 2}}, "clock", "set 2 times", "kill %d; traced &" % os.getpid()),
        )
        for stats, check, found, remedy in cases:
            with self.fake(stats=STATS | stats):
                self.finds(check, found, remedy, alone=False)
        shrunk = {"node_id": ALICE, "name": "alice", "state": "rejected", "reason": "its sizes do not fit"}
        with self.fake(nodes={"nodes": [shrunk]}):
            self.finds("rejected", "traced detached alice: its sizes do not fit", "start the node again", alone=False)

    def test_nothing_is_wrong_only_when_events_come(self):
        old = STATS["history"] | {"first": {"timestamp": NOW - 90000000, "ns": 0}, "last": {"timestamp": NOW - 80000000, "ns": 0}}
        with self.fake(stats={"history": old}):
            done = subprocess.run([INSPECTOR, "doctor", "--json"], env=self.place.environment, capture_output=True, text=True)
            lines = [json.loads(line) for line in done.stdout.splitlines() if json.loads(line)["check"] == "events"]
        self.assertEqual(lines[0]["ok"], None)
        self.assertRegex(lines[0]["found"], r"^no event has arrived for \d+ s")

    def test_an_idle_network_is_neither_fine_nor_wrong(self):
        client, node = self.healthy()
        last = client.call("nodes")["nodes"]
        hello, nodes = client.call("hello"), {"nodes": last}
        self.place.stop()  # its replacement gives the same answers, except that the newest event is old
        old = STATS["history"] | {"last": {"timestamp": NOW - 70000000, "ns": 0}}
        with self.fake(hello=hello, nodes=nodes, stats={"history": old}):
            done = subprocess.run([INSPECTOR, "doctor"], env=self.place.environment, capture_output=True, text=True)
        self.assertIn("unsure events     no event has arrived for", done.stdout)
        self.assertNotIn("nothing is wrong", done.stdout)
        node.close()

    def udp(self, program):
        """A process that has a UDP port; returns it and the port."""
        process = subprocess.Popen([program, "-c", "import socket, sys\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                                    "s.bind(('127.0.0.1', 0))\nprint(s.getsockname()[1], flush=True)\nsys.stdin.read()"],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=self.place.environment)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.stdin.close)
        return process, int(process.stdout.readline())

    def connected(self, port):
        event = {"timestamp": NOW, "ns": 0, "node_id": ALICE, "peer_id": None, "trace_id": None, "sequence": 1, "lane": 0, "kind": "conn_init",
                 "flags": [], "data": {"endpoint": f"127.0.0.1:{port}", "by_remote": False}}
        return {"events": [event, event | {"data": {"endpoint": None, "by_remote": True}}, {}]}

    def test_an_untraced_process_that_nodes_talk_to_is_found_without_its_number(self):
        process, port = self.udp(sys.executable)
        with self.fake(query=self.connected(port)):
            self.finds("untraced", f"process {process.pid} (", "cc -DTRACE_FULL", alone=False)
            self.finds("untraced", f"has UDP port {port}, which nodes have connections with, and is not traced: it is compiled without TRACE",
                       "p2ptrace", alone=False)
        with self.fake(query=self.connected(port % 65535 + 1)):
            self.assertFalse([line for line in self.ask()[0] if line[0] == "untraced" and f"process {process.pid} " in line[1]])

    def test_a_traced_one_is_not(self):
        _, node = self.healthy()
        mapped = self.place.node("bob", hex_id(0xb2))
        wrong, _ = self.ask()
        self.assertFalse([line for line in wrong if line[0] == "untraced"], (node, mapped))

    def test_a_process_that_is_gone_and_was_a_node(self):
        client, node = self.healthy()
        pid = node.process.pid
        node.kill()
        until(lambda: client.call("nodes")["nodes"][0]["state"] == "crashed", "the node to be seen as crashed")
        self.finds("process", f"process {pid} is gone: it was the node alice, which did not close its log",
                   f"inspector recent 20 --node {ALICE}", pid, alone=False)

    def test_it_names_nodes_that_ended(self):
        client, node = self.healthy()
        alive = subprocess.run([INSPECTOR, "doctor"], env=self.place.environment, capture_output=True, text=True)
        self.assertRegex(alive.stdout, r"^\d+ checks, and nothing is wrong with the tracing; .*\n$")
        node.kill()
        until(lambda: client.call("nodes")["nodes"][0]["state"] == "crashed", "the node to be seen as crashed")
        done = subprocess.run([INSPECTOR, "doctor"], env=self.place.environment, capture_output=True, text=True)
        self.assertRegex(done.stdout, r"(?m)^ended in the last 10 min: alice \(crashed \S+ \w+ ago\); inspector analyze says ")

    def test_a_process(self):
        gone = subprocess.Popen(["true"])
        gone.wait()
        self.finds("process", "there is no process %d" % gone.pid, "ps -e", gone.pid, alone=False)
        self.finds("process", "is compiled without TRACE", "-DTRACE_FULL", os.getpid(), alone=False)
        self.start()
        self.finds("process", "has the library, and no open log", "trace_log_open", self.place.traced.pid, alone=False)
        node = self.place.node("alice", ALICE)
        name, = [name for name in os.listdir(self.place.directory) if ".%d." % node.process.pid in name]
        os.unlink(os.path.join(self.place.directory, name))
        self.finds("process", "was removed", "start the process again", node.process.pid, alone=False)
        done = subprocess.run([INSPECTOR, "doctor", "x"], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (2, ""))


if __name__ == "__main__":
    unittest.main(verbosity=2)
