# SPDX-License-Identifier: MIT
"""Starts a traced on its own socket and queries it, for the tests of this directory.  Standard library only."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import time

from nodes import PATIENCE_S


def wait_for(condition, what):
    """Calls condition until it returns a true value, and returns that."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {PATIENCE_S} s for {what}; last: {result!r}")
        time.sleep(0.02)


def emitted(path):
    """A ring's log, as named in `nodes`, and how many events were written to it (p2ptrace/shm.h)."""
    open_ticks, no_lane, lanes, lane_bytes, lane_count = 48, 264, 1024, 192, 16
    with open(path, "rb") as ring:
        header = ring.read(4096)
    count, = struct.unpack_from("<Q", header, no_lane)
    for lane in range(lane_count):
        count += sum(struct.unpack_from("<2Q", header, lanes + lane * lane_bytes))  # head, discarded
    return "%016x" % struct.unpack_from("<Q", header, open_ticks), count


class Traced:
    """A traced process, and one connection to it."""

    def __init__(self, binary, directory, more=(), env=None):
        directory = pathlib.Path(directory)
        self.socket_path = directory / "traced.sock"
        self.shm_dir = directory / "shm"
        self.shm_dir.mkdir(exist_ok=True)
        self.log = open(directory / "traced.log", "a+", encoding="utf-8")
        self.process = subprocess.Popen([str(binary), "--socket", str(self.socket_path), "--shm-dir", str(self.shm_dir), *more],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=env)
        self.socket = wait_for(self._connect, "traced's socket")
        self.file = self.socket.makefile("rw", encoding="utf-8", newline="\n")
        self.id = 0

    def _connect(self):
        if self.process.poll() is not None:
            raise AssertionError(f"traced ended with {self.process.returncode}: {self.said()}")
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(PATIENCE_S)
        try:
            client.connect(str(self.socket_path))
        except OSError:
            client.close()
            return None
        return client

    def said(self):
        self.log.flush()
        self.log.seek(0)
        return self.log.read()

    def ask(self, method, **params):
        self.id += 1
        json.dump({"jsonrpc": "2.0", "id": self.id, "method": method, "params": params}, self.file)
        self.file.write("\n")
        self.file.flush()
        answer = json.loads(self.file.readline())
        assert answer["id"] == self.id, answer
        if "error" in answer:
            raise AssertionError(f"{method} {params}: {answer['error']}")
        return answer["result"]

    def query(self, **params):
        """All events of a query, page by page, without gaps."""
        events, cursor = [], None
        while True:
            page = self.ask("query", **params, **({"cursor": cursor} if cursor else {}))
            assert page["lost"] == 0 and page["gaps"] == [], page["gaps"]
            events += page["events"]
            cursor = page["cursor"]
            if cursor is None:
                return events

    def settle(self):
        """Waits until it has read everything that is in the rings now.  Its own counters may agree before it has seen all events."""
        counts = dict(emitted(path) for path in self.shm_dir.glob("p2ptrace.*"))

        def read():
            nodes = {node["log"]: node["indexed"] + node["lost"] for node in self.ask("nodes")["nodes"]}
            return all(nodes.get(log, 0) >= count for log, count in counts.items())
        wait_for(read, "all rings to be read")

    def wait_drained(self, node_ids, key="node_id"):
        """Waits until these nodes have ended and are completely read.  Returns their entries by id; key "name": by name."""
        def drained():
            nodes = {node[key]: node for node in self.ask("nodes")["nodes"] if node[key] in node_ids}
            done = [node for node in nodes.values()
                    if node["state"] != "live" and node["emitted"] == node["indexed"] + node["lost"]]
            return nodes if len(done) == len(node_ids) else None
        return wait_for(drained, "all rings to be drained")

    @contextlib.contextmanager
    def playing(self, player, scene):
        """Plays a scene through rings (helpers/play_scene.c).  Its nodes that are alive stay alive inside; traced has read all of it, and
        noticed that the others have ended.  It is stopped meanwhile, because it would see how long the processes really lived."""
        environment = dict(os.environ, P2PTRACE_CLOCK="monotonic", P2PTRACE_SHM_DIR=str(self.shm_dir))
        self.process.send_signal(signal.SIGSTOP)
        with subprocess.Popen([player, scene], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as process:
            word, *written = process.stdout.readline().split()
            assert word == "ok", word
            self.process.send_signal(signal.SIGCONT)

            def played():
                nodes = self.ask("nodes")["nodes"]
                return [sum(node["indexed"] for node in nodes), len(nodes), sum(node["state"] == "live" for node in nodes)] == [*map(int, written)]
            wait_for(played, f"{scene}: {written} events, logs, live nodes")
            yield
            process.stdin.close()
            assert process.wait(PATIENCE_S) == 0

    def end(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(PATIENCE_S)
        self.file.close()
        self.socket.close()
        self.log.close()
        return status
