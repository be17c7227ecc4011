# SPDX-License-Identifier: MIT
"""traced, some real nodes, and what the inspector says about them, for the tests of this directory."""

import fcntl
import json
import os
import pty
import shlex
import signal
import struct
import subprocess
import sys
import tempfile
import termios

from daemon import Traced
from nodes import PATIENCE_S, Node

NAMES = ["alice", "bob", "carol", "dave", "erin"]
ROUNDS = 25


# Sleeps on one processor, and reports for each line that it reads by how many ms it woke late at worst.
METRONOME = """import os, select, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
worst = 0
while True:
    begin = time.monotonic()
    asked = select.select([0], [], [], 0.001)[0]
    worst = max(worst, (time.monotonic() - begin) * 1000 - 1)
    if asked and not os.read(0, 1):
        break
    if asked:
        print(worst, flush=True)
"""
HELD_UP_MS = 1  # ten times as long as a hop takes


class Metronomes:
    """How long runnable processes waited because the machine's processors stood still."""

    def __init__(self):
        self.processes = [subprocess.Popen([sys.executable, "-c", METRONOME, str(cpu)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                          for cpu in os.sched_getaffinity(0)]

    def worst_ms(self):
        for process in self.processes:
            process.stdin.write(b".")
            process.stdin.flush()
        return max(float(process.stdout.readline()) for process in self.processes)

    def end(self):
        for process in self.processes:
            process.communicate()


class Net:
    """traced and nodes.  options(name, address of the previous node) are further options of a node.

    They are in a row, each connected to its neighbours; or, with hub, all are connected to the first."""

    programs = None  # paths of traced, inspector and quic_node

    def __init__(self, test, options=lambda name, before: [], names=NAMES, hub=False):
        traced, self.inspector, binary = self.programs
        directory = tempfile.TemporaryDirectory(prefix="analyze-")
        test.addClassCleanup(directory.cleanup)
        self.metronomes = Metronomes()
        test.addClassCleanup(self.metronomes.end)
        self.traced = Traced(traced, directory.name)
        test.addClassCleanup(self.traced.end)
        self.nodes = []
        for name in names:
            peers = self.nodes[:1] if hub else self.nodes[-1:]
            before = peers[0].address if peers else None
            self.nodes.append(Node(binary, name, shm_dir=self.traced.shm_dir, peers=peers, more=options(name, before)))
            test.addClassCleanup(self.nodes[-1].end, signal.SIGKILL)
        for index, node in enumerate(self.nodes):
            if hub:
                count = 1 if index else len(names) - 1
            else:
                count = 2 if 0 < index < len(names) - 1 else 1
            assert node.ask(f"wait-peers {count}") == ["peers", str(count)]
        self.ids = {node.id: node.name for node in self.nodes}

    def use(self, rounds=ROUNDS):
        """Requests from either end over all nodes; returns the traces."""
        traces = []
        for _ in range(rounds):
            for node in (self.nodes[0], self.nodes[-1]):
                word, digest, hops, trace = node.ask("put 4 4000")
                assert (word, hops) == ("stored", "4"), (word, hops)
                traces += [trace, node.ask(f"get {digest}")[-1]]
        return traces

    def was_held_up(self):
        """Whether the machine delayed one of our processes: then a node may look slow that is not."""
        return self.metronomes.worst_ms() > HELD_UP_MS

    def settle(self):
        """Waits until traced has everything that the nodes have emitted."""
        self.traced.settle()

    def run(self, *arguments, code=0):
        """What the inspector prints."""
        done = subprocess.run([self.inspector, *arguments, "--socket", str(self.traced.socket_path)], text=True, capture_output=True,
                              timeout=PATIENCE_S, check=False, env=dict(os.environ, LC_ALL="C.UTF-8"))
        assert (done.returncode, done.stderr == "") == (code, code == 0), (done.returncode, done.stderr)
        return done.stdout if code == 0 else done.stderr

    def run_in_terminal(self, columns, *arguments):
        """The inspector's output on a terminal of that width, without colours."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        with subprocess.Popen([self.inspector, *arguments, "--socket", str(self.traced.socket_path)], stdout=slave, stderr=slave,
                              stdin=subprocess.DEVNULL, env=dict(os.environ, LC_ALL="C.UTF-8", NO_COLOR="1", TERM="xterm",
                                                                P2PTRACE_PAGER="")) as process:
            os.close(slave)
            shown = b""
            while True:
                try:
                    shown += os.read(master, 65536)
                except OSError:  # it has ended
                    break
            assert process.wait(PATIENCE_S) == 0, shown
        os.close(master)
        return shown.decode().replace("\r\n", "\n")

    def findings(self, *arguments):
        return [json.loads(line) for line in self.run("analyze", *arguments, "--json").splitlines()]

    def severe(self, *arguments):
        """(finding, node, peer) of each severe one."""
        return [(finding["finding"], self.ids.get(finding["node_id"]), self.ids.get(finding["peer_id"]))
                for finding in self.findings(*arguments) if finding["severity"] == "severe"]


TIMES = 5


def steadily(net, again, check):
    """Calls check(net).  If the machine stops a node for a while, the node is slow, and analyze is right to say so.  So a verdict about a
    network that the machine delayed is checked again, in a new one, which again() returns."""
    for _ in range(TIMES - 1):
        try:
            return check(net)
        except AssertionError:
            if not net.was_held_up():
                raise
            net = again()
    return check(net)


def holds(test, net, finding):
    """Checks that its evidence is in the history, and that its next command works and shows something."""
    test.assertTrue(finding["evidence"], finding)
    for event in finding["evidence"]:
        found = net.traced.query(node_id=event["node_id"], kind=event["kind"])
        test.assertIn((event["lane"], event["sequence"], event["timestamp"], event["ns"], event["trace_id"]),
                      {(e["lane"], e["sequence"], e["timestamp"], e["ns"], e["trace_id"]) for e in found})
    words = shlex.split(finding["next"])
    test.assertEqual(words[0], "inspector")
    test.assertEqual(words[-2:], ["--socket", str(net.traced.socket_path)])  # it asks the same traced
    test.assertGreater(len(net.run(*words[1:]).splitlines()), 1, finding["next"])
