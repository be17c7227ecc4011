# SPDX-License-Identifier: MIT
"""traced, while one allocation or system call after the other fails: as it starts, reads its first nodes, answers, and stops.

Kept: a traced that serves answers every request or refuses it with an error, ends with 0 on SIGTERM, and removes its
socket; the nodes' events stay in their rings, and the next traced has them.  Lost: a traced that cannot serve ends with 1
and one sentence; a node whose ring could not be read is in the log or in `stats`; a client's connection may end.  Never: a signal,
a hang, a socket or lock that keeps the next traced away, a live node's ring that is gone."""
import json
import os
import pathlib
import resource
import socket
import subprocess
import tempfile
import unittest

import faults
import harness

ID = harness.hex_id(0xaa)
ANOTHER_UID = 61234  # a user without other processes, so that none of them count
REQUESTS = ("hello", "stats", "nodes", "query", "count", "traces", "peers", "apps", "who", "subscribe")


class Faults(unittest.TestCase):
    def setUp(self):
        self.place = harness.Place()
        self.addCleanup(self.place.close)
        self.node = self.place.node("alice", ID)
        self.node.do("app")
        self.node.do("packets", 20)
        self.node.do("alias", "-", harness.hex_id(0xac), "key")
        self.node.do("alias", harness.hex_id(0xbb), harness.hex_id(0xbc), "key")

    def start(self, mode, number, report, log, options):
        """Returns once it serves or has ended; the log cannot show which, because it may be what fails."""
        base = faults.environment(mode, number, report, self.place.environment)
        process = subprocess.Popen([os.environ["TRACED"], "--history", "60M", *options], stdin=subprocess.DEVNULL, stderr=log, env=base)
        self.addCleanup(process.kill)
        return process, harness.until(lambda: "ended" if process.poll() is not None else self.ask_all() and "serves",
                                      "traced to serve or to end")

    def ask_all(self):
        """Every request is answered, or the connection ends; it sends only JSON.  Returns how many were
        answered."""
        answers = 0
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(faults.HANG_S)
        try:
            client.connect(self.place.path)
            with client.makefile("rb") as file:
                for number, method in enumerate(REQUESTS):
                    client.sendall(json.dumps({"jsonrpc": "2.0", "id": number, "method": method}).encode() + b"\n")
                    reply = {}
                    while reply.get("id", -1) not in (number, None):  # null: a line that it had no memory to read
                        line = file.readline()
                        if not line.endswith(b"\n"):
                            return answers
                        reply = json.loads(line)
                        self.assertEqual("result" in reply or "method" in reply, "error" not in reply)
                    answers += 1
        except (ConnectionError, FileNotFoundError):
            pass
        finally:
            client.close()
        return answers

    def one(self, mode, number, options=()):
        with tempfile.NamedTemporaryFile() as report, tempfile.NamedTemporaryFile() as file:
            process, state = self.start(mode, number, report.name, file, options)
            serves = state == "serves"
            try:
                if serves:
                    process.terminate()
                process.wait(timeout=faults.HANG_S)
            finally:
                process.kill()
                process.wait()
                self.failed = pathlib.Path(report.name).read_text(encoding="utf-8")
            failed, log = report.read().decode(), pathlib.Path(file.name).read_text(errors="replace")
            self.failed = failed
        what = f"{mode} {number} ({failed}): exit {process.returncode}, log {log[-900:]!r}"
        if faults.is_libuv_abort(mode, failed, process.returncode):
            return
        self.assertEqual(process.returncode, 0 if serves else 1, what)
        if not serves:
            self.assertRegex(log, r"error", what)
        # It removes the socket only if it sees that it is still its own.
        if process.returncode == 0 and failed not in ("unlink", "unlinkat", "newfstatat"):
            self.assertFalse(os.path.exists(self.place.path), what)

    def walk(self, mode, options=()):
        for number in faults.numbers(f"{mode} {options[:1]}"):
            self.failed = ""
            with self.subTest(fault=f"{mode} {number}"):
                self.one(mode, number, options)
                self.assertEqual(len([name for name in os.listdir(self.place.directory) if name.startswith("p2ptrace.")]), 1,
                                 f"the ring of a live node is gone: {self.failed}")
            if not self.failed:
                break
        # The next one takes over, and has all events.
        self.place.start()
        self.place.settle(self.place.connect(), 22)

    def test_allocations(self):
        self.walk("alloc")

    def test_errors(self):
        self.walk("error")

    def test_interruptions(self):
        self.walk("eintr")

    def test_short_reads_and_writes(self):
        self.walk("short")

    def walk_recording(self, mode):
        directory = os.path.join(self.place.directory, "records")
        os.mkdir(directory)
        self.walk(mode, ("--record", directory, "--keep", "any not ok", "--pidfile", os.path.join(self.place.directory, "pid")))
        temporaries = [name for name in os.listdir(directory) if not name.endswith(".p2rec")]
        self.assertLessEqual(set(temporaries), {".lock"}, temporaries)
        # What it wrote, it wrote whole: who is who, too.
        for name in sorted(set(os.listdir(directory)) - set(temporaries)):
            done = subprocess.run([os.environ["INSPECTOR"], "rpc", "who", "-r", os.path.join(directory, name)], capture_output=True, text=True,
                                  timeout=faults.HANG_S, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""), name)
            self.assertIn(len(json.loads(done.stdout)["who"]), (0, 2), name)

    def test_errors_while_it_records_and_keeps(self):
        self.walk_recording("error")

    def test_allocations_while_it_records_and_keeps(self):
        self.walk_recording("alloc")

    def test_few_threads(self):
        """A real limit, set like by `ulimit -u` and `TasksMax=`.  It does not apply to root."""
        uid = ANOTHER_UID if os.geteuid() == 0 else os.geteuid()
        self.node.kill()
        traced = harness.program_for_all(os.environ["TRACED"], self.place.directory)
        os.chown(self.place.directory, uid, -1)

        def limit():
            os.setgroups([])
            os.setuid(uid)
            resource.setrlimit(resource.RLIMIT_NPROC, (threads, threads))

        for threads in range(1, 13):
            with self.subTest(threads=threads), tempfile.NamedTemporaryFile() as log:
                process = subprocess.Popen([traced, "--history", "60M"], stdin=subprocess.DEVNULL, stderr=log,
                                           env=self.place.environment, preexec_fn=limit)
                self.addCleanup(process.kill)
                harness.until(lambda: process.poll() is not None or self.ask_all(), "traced to serve or to end")
                process.terminate()
                code = process.wait(timeout=faults.HANG_S)
                said = pathlib.Path(log.name).read_text(encoding="utf-8")
                self.assertIn(code, (0, 1), said)
                if code:
                    self.assertRegex(said, r"^\S+ error cannot start \d+ threads: Resource temporarily unavailable \(.*\)\n$")


if __name__ == "__main__":
    unittest.main()
