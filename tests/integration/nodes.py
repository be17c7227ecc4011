# SPDX-License-Identifier: MIT
"""Starts quic_node and talks to it, for the tests of this directory.  Standard library only.

Everything waits for a condition, with a time limit that only a hanging program reaches."""

import collections
import json
import os
import pathlib
import queue
import signal
import subprocess
import threading

# Background processes of a shell ignore SIGINT, and so would everything that we start.
signal.signal(signal.SIGINT, signal.default_int_handler)

PATIENCE_S = 90


class Node:
    """One quic_node process.  ask() sends a command and returns the answer's words."""

    def __init__(self, binary, name, shm_dir, peers=(), drop=None, qlog_dir=None, more=()):
        command = [str(binary), "--name", name, *more]
        for peer in peers:
            command += ["--peer", peer.address]
        if drop is not None:
            command += ["--drop", str(drop)]
        if qlog_dir is not None:
            command += ["--qlog-dir", str(qlog_dir)]
        self.name = name
        self.qlog_dir = qlog_dir
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, env=dict(os.environ, P2PTRACE_SHM_DIR=str(shm_dir)))
        self.lines = queue.Queue()
        self.errors = []
        self.readers = [threading.Thread(target=self._read_answers, daemon=True),
                        threading.Thread(target=self._read_errors, daemon=True)]
        for reader in self.readers:
            reader.start()
        word, self.address, word_id, self.id = self.read().split()
        assert (word, word_id) == ("listening", "id")

    def _read_answers(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def _read_errors(self):
        self.errors.extend(self.process.stderr)

    def read(self):
        line = self.lines.get(timeout=PATIENCE_S)
        if line is None:
            raise AssertionError(f"{self.name} ended with {self.process.wait(PATIENCE_S)}: {''.join(self.errors)}")
        return line

    def send(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def ask(self, command):
        self.send(command)
        return self.read().split()

    def hold(self):
        """Stops it, and waits until it has stopped: from then on nothing changes."""
        self.process.send_signal(signal.SIGSTOP)
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task")
        while any((task / "stat").read_text().rsplit(")", 1)[1].split()[0] != "T" for task in tasks.iterdir()):
            pass

    def end(self, number=signal.SIGTERM):
        """Ends it and returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(PATIENCE_S)
        for reader in self.readers:
            reader.join(PATIENCE_S)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            pipe.close()
        return status

    def qlog_files(self):
        return sorted(pathlib.Path(self.qlog_dir).glob(f"{self.name}-*.sqlog"))


def line_of_nodes(binary, names, **options):
    """Nodes in a row, each connected to its neighbours."""
    nodes = []
    try:
        for name in names:
            nodes.append(Node(binary, name, peers=nodes[-1:], **options))
        for index, node in enumerate(nodes):
            beside = 2 if 0 < index < len(nodes) - 1 else 1
            assert node.ask(f"wait-peers {beside}") == ["peers", str(beside)]
        return nodes
    except BaseException:
        for node in nodes:
            node.end(signal.SIGKILL)
        raise


SPACES = {"initial": "initial", "handshake": "handshake", "0RTT": "1rtt", "1RTT": "1rtt"}
KINDS = {"transport:packet_sent": "packet_sent", "transport:packet_received": "packet_received",
         "recovery:packet_lost": "packet_lost"}


def qlog_records(path):
    """The records of one qlog file: JSON texts, each after a record separator (RFC 7464)."""
    text = pathlib.Path(path).read_text(encoding="utf-8")
    for record in text.split("\x1e"):
        if record.strip():
            yield json.loads(record)


def qlog_packets(node):
    """How often each packet event is in a node's qlog files: a multiset of (kind, space, packet number, size)."""
    packets = collections.Counter()
    for path in node.qlog_files():
        for record in qlog_records(path):
            kind = KINDS.get(record.get("name"))
            if kind is None or record["data"]["header"]["packet_type"] not in SPACES:
                continue
            header = record["data"]["header"]
            size = record["data"]["raw"]["length"] if kind != "packet_lost" else None
            packets[kind, SPACES[header["packet_type"]], header["packet_number"], size] += 1
    return packets
