# SPDX-License-Identifier: MIT
"""Runs a real traced, real nodes and connections to it, for tests.  Standard library only.

Everything is in a separate directory, so tests can run side by side.  Nothing here sleeps for a fixed time:
tests wait for conditions, with a deadline."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

# Background processes of a shell ignore SIGINT, and so would everything that we start.
signal.signal(signal.SIGINT, signal.default_int_handler)

DEADLINE_S = 100.0  # reached only if something hangs


def until(condition, what):
    """Repeats the condition until it holds; returns its value."""
    end = time.monotonic() + DEADLINE_S
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError("waited too long for " + what)
        time.sleep(0.002)


SYSTEM_CALLS = {"x86_64": {1: "write", 232: "poll", 281: "poll"}, "aarch64": {64: "write", 22: "poll"}}[os.uname().machine]


def sleeping_in(pid):
    """The kernel function in which a process sleeps, or None."""
    with open(f"/proc/{pid}/syscall", encoding="utf-8") as file:
        number = file.read().split()[0]  # "running" while it runs
    return SYSTEM_CALLS.get(int(number)) if number.isdigit() else None


class Connection:
    """A connection that sends requests and reads lines."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.socket.connect(path)  # waits while the backlog is full; with a timeout it would fail at once
        except OSError:
            self.socket.close()
            raise
        self.socket.settimeout(DEADLINE_S)
        self.file = self.socket.makefile("rb")
        self.last = 0
        self.notifications = []

    def send_raw(self, data):
        self.socket.sendall(data)

    def read_line(self):
        """One line, parsed; None at the end."""
        line = self.file.readline()
        if not line:
            return None
        assert line.endswith(b"\n"), line[:200]
        return json.loads(line)

    def ask(self, method, **params):
        """The whole reply; keeps notifications that come before it."""
        self.last += 1
        request = {"jsonrpc": "2.0", "id": self.last, "method": method}
        if params:
            request["params"] = params
        self.send_raw(json.dumps(request).encode() + b"\n")
        while True:
            reply = self.read_line()
            assert reply is not None, "the connection ended"
            if "id" in reply:
                assert reply["jsonrpc"] == "2.0" and reply["id"] == self.last, reply
                return reply
            self.notifications.append(reply)

    def call(self, method, **params):
        reply = self.ask(method, **params)
        assert "error" not in reply, reply
        return reply["result"]

    def fail(self, method, **params):
        reply = self.ask(method, **params)
        assert "result" not in reply, reply
        return reply["error"]

    def notification(self):
        """The params of the next notification."""
        reply = self.notifications.pop(0) if self.notifications else self.read_line()
        assert reply is not None, "the connection ended"
        assert reply["method"] == "events" and "id" not in reply, reply
        return reply["params"]

    def close(self):
        self.file.close()
        self.socket.close()


class Node:
    """tests/helpers/test_node: emits on command."""

    def __init__(self, place, name, node_id, *options, **environment):
        self.name, self.node_id = name, node_id
        self.process = subprocess.Popen([os.environ["TEST_NODE"], name, node_id, *options], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, env=place.environment | environment)
        self.finish()

    def begin(self, *words):
        """Sends it a command, and does not wait."""
        self.process.stdin.write((" ".join(str(word) for word in words) + "\n").encode())
        self.process.stdin.flush()

    def finish(self):
        """Waits until it has executed the next command."""
        line = self.process.stdout.readline()
        assert line == b"ok\n", line

    def do(self, *words):
        self.begin(*words)
        self.finish()

    def close(self):
        self.do("close")
        self.wait()

    def kill(self):
        """Ends it, if it has not ended yet."""
        self.process.kill()
        self.wait()

    def wait(self):
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Place:
    """A directory for rings and a socket, with at most one traced that serves it and any number of nodes."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(dir=os.environ["P2PTRACE_SHM_DIR"])
        self.path = os.path.join(self.directory, "traced.sock")
        self.environment = dict(os.environ, P2PTRACE_SHM_DIR=self.directory, P2PTRACE_SOCKET=self.path, XDG_CONFIG_HOME=self.directory, PAGER="cat")
        # Under the address sanitizer: freed memory in its quarantine would look like growth.
        self.environment["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"
        self.traced = None
        self.nodes = []
        self.connections = []

    def lacks(self, mebibytes):
        """The reason to skip a test that needs that much shared memory, or None."""
        room = os.statvfs(self.directory)
        free = room.f_bavail * room.f_frsize >> 20
        return f"/dev/shm has {free} MiB free, this needs {mebibytes}" if free < mebibytes else None

    def spawn(self, *options, **popen):
        return subprocess.Popen([os.environ["TRACED"], *options], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                env=self.environment, **popen)

    def start(self, *options, **popen):
        self.traced = self.spawn("--history", "64M", *options, **popen)
        self.log = []
        while True:
            line = self.traced.stderr.readline().decode()
            assert line, "traced ended: " + "".join(self.log)
            self.log.append(line)
            if "listening on" in line:
                return

    def hold(self):
        """Stops traced, with all of its threads, until SIGCONT."""
        tasks = pathlib.Path("/proc/%d/task" % self.traced.pid)
        self.traced.send_signal(signal.SIGSTOP)
        until(lambda: all((task / "stat").read_text().rsplit(")", 1)[1].split()[0] == "T" for task in tasks.iterdir()),
              "traced to stand still")

    def stop(self, number=signal.SIGTERM):
        """Stops traced; returns its exit code and the rest of its log."""
        self.traced.send_signal(number)
        return self.finish()

    def finish(self):
        _, rest = self.traced.communicate(timeout=DEADLINE_S)
        code, self.traced = self.traced.returncode, None
        return code, rest.decode()

    def connect(self):
        connection = Connection(self.path)
        self.connections.append(connection)
        return connection

    def node(self, name, node_id, *options, **environment):
        node = Node(self, name, node_id, *options, **environment)
        self.nodes.append(node)
        return node

    def settle(self, connection, events):
        """Waits until traced has indexed that many events in total."""
        return until(lambda: connection.call("stats")["ingest"]["events"] >= events, "%d events" % events)

    def close(self):
        for connection in self.connections:
            connection.close()
        for node in self.nodes:
            node.kill()
        if self.traced:
            self.traced.send_signal(signal.SIGCONT)  # a test may have ended while it was stopped
        code, log = self.stop() if self.traced else (0, "")
        shutil.rmtree(self.directory)
        assert code == 0, "traced ended with %d:\n%s" % (code, log)


AGE = r"[\d.]+(?: [a-z]+|[mhd]\d\d[smh])"  # 912 ms, 1m05s


def without_source(text):
    """Output without the options that choose a source: a command that it says to run next asks the same one."""
    return re.sub(r""" --(?:read|fleet|login|ca|pid|socket)[ =](?:'[^']*'|[^\s'"]+)""", "", text)


def without_ages(text):
    """A table without its columns "ago" and "heard ago", and without the ages of ends; and a sentence about the newest event without
    its age: they count from now, or from the end of a recording."""
    text = re.sub(rf"(\d\d:\d\d:\d\d\.\d{{6}}) +{AGE}  ", r"\1  ", text)
    text = re.sub(rf"({AGE} ago|at \d\d:\d\d:\d\d) +", "AGE ago ", text)
    text = re.sub(r" +(heard )?ago  ", "  ", text)
    return re.sub(rf"the newest {AGE} ago", "the newest AGE ago", re.sub("  ended +", "  ended ", text))


def of_any_source(text):
    """Output without what differs between sources that have the same events."""
    return without_ages(without_source(text))


def program_for_all(program, directory):
    """A copy in the directory that every user can run: others may have no access to the build directory."""
    os.chmod(directory, 0o755)
    copy = shutil.copy(program, directory)
    os.chmod(copy, 0o755)
    return copy


def hex_id(byte, digits=64):
    return ("%02x" % byte) * (digits // 2)


class ProtocolTest(unittest.TestCase):
    def setUp(self):
        self.place = Place()
        self.addCleanup(self.place.close)

    def start(self, *options, **popen):
        self.place.start(*options, **popen)
        return self.place.connect()

    def with_time_enough(self, attempt, usual=1):
        """Calls attempt(seconds), and again with more time: a stalled machine needs a minute for what usually takes a second."""
        for seconds in (usual, 8):
            try:
                return attempt(seconds)
            except AssertionError:
                continue
        return attempt(60)
