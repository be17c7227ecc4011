#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The demonstration: traced, five QUIC nodes in a line, requests that travel several hops over a lossy link, and what the
inspector shows of them.  Then everything runs until Ctrl-C or, with --once, ends; finally the recording that traced made is opened.

Every command is shown as a user would type it.  All files are in one directory under /tmp, removed at the end."""
import argparse
import ctypes
import glob
import itertools
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

NAMES = ("alice", "bob", "carol", "dave", "erin")
DROPS = {"bob": 15, "carol": 11}  # every Nth datagram of these nodes is dropped
TRAFFIC_SECONDS = 0.1  # between two requests, while it keeps running
STEP_SECONDS = 20  # a step takes longer only if something is wrong
LISTENING = re.compile(r"listening (\S+) id ([0-9a-f]{64})")
STORED = re.compile(r"stored ([0-9a-f]{64}) (\d+)(?: ([0-9a-f]{32}|-))?")
GOT = re.compile(r"ok ([0-9a-f]{64}) (\d+) (\d+)(?: ([0-9a-f]{32}|-))?")
NOT_FOUND = re.compile(r"not-found ([0-9a-f]{64})(?: ([0-9a-f]{32}|-))?")


class DemoError(Exception):
    """Something did not start; the message says what."""


def style(code, text):
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    return f"\033[{code}m{text}\033[0m"


def tell(text=""):
    print(text, flush=True)


def heading(text):
    tell()
    tell(style("1", text))


def typed(command, prompt="$"):
    tell(style("2", f"{prompt} ") + style("36", command))


def die_with_parent():
    """In the child: end when this script does, however it ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


class Node:
    """A quic_node: it reads commands from a FIFO, which others can write to as well, and answers through a pipe."""

    def __init__(self, demo, name, peers):
        self.name = name
        self.fifo = os.path.join(demo.dir, f"{name}.in")
        os.mkfifo(self.fifo, 0o600)
        self.stdin = os.open(self.fifo, os.O_RDWR)  # read and write: never blocks, and the node never sees its end
        command = [demo.path("examples/quic_node/quic_node"), "--name", name, "--listen", "127.0.0.1:0"]
        for peer in peers:
            command += ["--peer", peer]
        if name in DROPS:
            command += ["--drop", str(DROPS[name])]
        self.lines = []
        self.ready = threading.Condition()
        self.echo = False
        self.unheard = set()  # hashes that only the demonstration asks for: keep that traffic off the terminal
        self.process = demo.spawn(command, stdin=self.stdin, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self.read, daemon=True).start()
        found = self.expect(LISTENING, 0)
        self.address, self.id = found.group(1), found.group(2)
        shown = " ".join(command[1:])
        typed(f"{demo.shown('examples/quic_node/quic_node')} {shown} &")

    def read(self):
        for line in self.process.stdout:
            with self.ready:
                self.lines.append(line.rstrip("\n"))
                self.ready.notify_all()
            if self.echo and not self.unheard.intersection(line.split()[1:2]):
                tell(f"{self.name}: {line.rstrip()}")
        with self.ready:
            self.lines.append(None)
            self.ready.notify_all()

    def expect(self, pattern, start):
        """Waits for a matching line, from number `start` on."""
        deadline = time.monotonic() + STEP_SECONDS
        at = start
        with self.ready:
            while True:
                for line in self.lines[at:]:
                    at += 1
                    if line is None:
                        raise DemoError(f"{self.name} has gone")
                    found = pattern.match(line)
                    if found:
                        return found
                    if line.startswith(("error", "not-found")):
                        raise DemoError(f"{self.name} says: {line}")
                if not self.ready.wait(deadline - time.monotonic()):
                    raise DemoError(f"{self.name} did not answer within {STEP_SECONDS} s")

    def ask(self, command, pattern, show=True):
        start = len(self.lines)
        if show:
            typed(command, f"{self.name}>")
        os.write(self.stdin, f"{command}\n".encode())
        found = self.expect(pattern, start)
        if show:
            tell(found.group(0))
        return found


class Demo:
    def __init__(self, build):
        self.build = build
        self.dir = tempfile.mkdtemp(prefix="p2ptrace-demo-")
        self.socket = os.path.join(self.dir, "traced.sock")
        self.recorded = os.path.join(self.dir, "recorded")
        self.environment = dict(os.environ, P2PTRACE_SOCKET=self.socket, P2PTRACE_PAGER="", P2PTRACE_CONFIG="")
        self.children = []
        self.nodes = {}
        self.log = open(os.path.join(self.dir, "log"), "wb")

    def path(self, program):
        path = os.path.join(self.build, program)
        if not os.access(path, os.X_OK):
            raise DemoError(f"{path} is missing: ./dev build")
        return path

    def shown(self, program):
        return os.path.relpath(os.path.join(self.build, program))

    def spawn(self, command, **options):
        """Starts a child in its own session: Ctrl-C reaches only this script, which then ends the children in order."""
        child = subprocess.Popen(
            command, env=self.environment, stderr=self.log, start_new_session=True, preexec_fn=die_with_parent, **options
        )
        self.children.append(child)
        return child

    def inspect(self, *arguments, show=True):
        command = [self.path("inspector/inspector"), *arguments]
        if show:
            typed(f"{self.shown('inspector/inspector')} {shlex.join(arguments)}")
        done = subprocess.run(command, env=self.environment, stdin=subprocess.DEVNULL, timeout=STEP_SECONDS)
        if done.returncode != 0:
            raise DemoError(f"inspector {' '.join(arguments)}: exit status {done.returncode}")

    # ---- the steps ------------------------------------------------------------------------------------------------------

    def start_traced(self):
        heading("1. traced collects the events of all nodes of this user, and records them.")
        typed(f"export P2PTRACE_SOCKET={self.socket}")
        typed(f"{self.shown('traced/traced')} --record {self.recorded} &")
        traced = self.spawn([self.path("traced/traced"), "--record", self.recorded], stdin=subprocess.DEVNULL, stdout=self.log)
        deadline = time.monotonic() + STEP_SECONDS
        while not os.path.exists(self.socket):
            if traced.poll() is not None or time.monotonic() > deadline:
                raise DemoError("traced did not start")
            time.sleep(0.01)

    def start_nodes(self):
        heading("2. Five nodes in a line, each a process, connected by QUIC.  bob and carol drop datagrams, so that there is loss.")
        before = []
        for name in NAMES:
            self.nodes[name] = Node(self, name, before)
            before = [self.nodes[name].address]
        for index, name in enumerate(NAMES):
            count = 1 if index in (0, len(NAMES) - 1) else 2
            self.nodes[name].ask(f"wait-peers {count}", re.compile(r"peers \d+"), show=False)

    def run_requests(self):
        """Returns the trace of the GET with the most hops."""
        heading("3. Requests.  A chunk is stored some hops away; a GET asks from node to node until one has it.")
        alice, bob, erin = (self.nodes[n] for n in ("alice", "bob", "erin"))
        alice.ask("put 4 60000", STORED)
        near = erin.ask("put 2 20000", STORED)
        bob.ask(f"get {near.group(1)}", GOT)
        bob.ask(f"get {'0' * 64}", NOT_FOUND)
        far = alice.ask("put 4 9000", STORED)
        self.hash = far.group(1)
        found = alice.ask(f"get {self.hash}", GOT)
        tell(f"That chunk came from {found.group(3)} hops away.")
        return found.group(4)

    def settle(self):
        """Waits until traced has everything that the five nodes have emitted so far, so that the output is complete."""
        deadline = time.monotonic() + STEP_SECONDS
        ids = {node.id for node in self.nodes.values()}
        while time.monotonic() < deadline:
            known = [n for n in self.call("nodes")["nodes"] if n["node_id"] in ids]
            if len(known) == len(ids) and all(0 < n["emitted"] <= n["indexed"] + n["lost"] for n in known):
                return
            time.sleep(0.01)
        raise DemoError("traced does not see what the nodes emit")

    def call(self, method):
        """One request over the socket."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(STEP_SECONDS)
            connection.connect(self.socket)
            connection.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method}).encode() + b"\n")
            return json.loads(connection.makefile().readline())["result"]

    def show(self, trace):
        heading("4. The nodes, as traced sees them.")
        self.inspect("nodes")
        heading("5. The peers: what the nodes say about each other.")
        self.inspect("peers")
        heading("6. The traces, newest first.  A connection has one of its own, too.")
        self.inspect("traces")
        heading("7. alice's last GET, through all five nodes and back.")
        self.inspect("trace", trace[:12])

    def follow(self):
        heading("8. Events as they happen, for two seconds, while dave and others store and get chunks.")
        arguments = ["follow", "--for", "2s", "--kind", "app_start,app_end,packet_lost"]
        typed(f"{self.shown('inspector/inspector')} {' '.join(arguments)}")
        follower = self.spawn([self.path("inspector/inspector"), *arguments], stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + STEP_SECONDS
        carol, dave = self.nodes["carol"], self.nodes["dave"]
        while follower.poll() is None and time.monotonic() < deadline:
            time.sleep(0.3)
            stored = carol.ask("put 1 9000", STORED, show=False)
            dave.ask(f"get {stored.group(1)}", GOT, show=False)
        if follower.poll() != 0:
            raise DemoError(f"inspector follow ended with status {follower.returncode}")
        self.children.remove(follower)

    def show_recording(self):
        """Ends everything first, so that the recording is complete."""
        self.end_all()
        heading("9. Everything has ended.  The recording answers the same questions, here or on another machine, now or next year.")
        self.inspect("--read", self.recorded, "traces", "--where", "nodes == 5")
        self.inspect("--read", self.recorded, "trace", self.trace[:12])

    def begin_traffic(self):
        """Stores chunks in several places, for everybody to ask for; one more hash belongs to a chunk that nobody has."""
        self.wanted = ["f" * 64]
        for name, hops in (("alice", 4), ("bob", 2), ("erin", 3), ("carol", 1)):
            stored = self.nodes[name].ask(f"put {hops} {2000 + 3000 * hops}", STORED, show=False)
            self.wanted.append(stored.group(1))
        for node in self.nodes.values():
            node.unheard.update(self.wanted)

    def make_traffic(self, number):
        """One GET, each time by another node; about one in eight asks for a chunk that nobody has."""
        names = list(self.nodes)
        node = self.nodes[names[number % len(names)]]
        wanted = self.wanted[0] if number % 8 == 7 else self.wanted[1 + number % (len(self.wanted) - 1)]
        os.write(node.stdin, f"get {wanted}\n".encode())

    def stay(self):
        inspector = self.shown("inspector/inspector")
        self.begin_traffic()
        heading("Everything is still running.  In another terminal, in this directory:")
        typed(f"export P2PTRACE_SOCKET={self.socket}")
        for what in ("top", "requests", "follow", "traces", f"trace {self.trace[:12]} --graph", "analyze", "recent 20", "peer bob", "--help"):
            typed(f"{inspector} {what}")
        typed("echo '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"stats\"}' | socat - UNIX-CONNECT:$P2PTRACE_SOCKET | jq .")
        tell("A node reads commands from its file, and answers here:")
        typed(f"echo 'get {self.hash}' > {self.nodes['dave'].fifo}")
        tell()
        tell("Meanwhile the nodes keep asking each other for chunks; one in eight does not exist.  Ctrl-C ends the demonstration.")
        for node in self.nodes.values():
            node.echo = True
        for number in itertools.count():
            for child in self.children:
                if child.poll() is not None:
                    raise DemoError(f"{child.args[0]} has ended with status {child.returncode}")
            self.make_traffic(number)
            time.sleep(TRAFFIC_SECONDS)

    def run(self, once):
        self.start_traced()
        self.start_nodes()
        trace = self.run_requests()
        if trace is None or trace == "-":
            raise DemoError("the nodes were built without tracing: meson configure build -Dtrace=full")
        self.trace = trace
        self.settle()
        self.show(trace)
        self.follow()
        if once:
            self.show_recording()
            heading("That was all.  Without --once the nodes keep running, for you to try.")
            return
        try:
            self.stay()
        except SystemExit as ended:
            if ended.code == 128 + signal.SIGINT:
                self.show_recording()
            raise

    # ---- the end ----------------------------------------------------------------------------------------------------------

    def complain(self, error):
        tell()
        print(f"demo: {error}", file=sys.stderr)
        with open(self.log.name, encoding="utf-8", errors="replace") as log:
            for line in log.readlines()[-20:]:
                print(f"demo:   {line.rstrip()}", file=sys.stderr)

    def end_all(self):
        """Ends the children, the nodes before traced, so that it can remove their logs.  A second call does nothing."""
        nodes = [node.process for node in self.nodes.values()]
        self.end(nodes)
        shm_dir = os.environ.get("P2PTRACE_SHM_DIR") or "/dev/shm"
        logs = [f"{shm_dir}/p2ptrace.{os.geteuid()}.{process.pid}.*" for process in nodes]
        deadline = time.monotonic() + 2
        while any(glob.glob(log) for log in logs) and time.monotonic() < deadline:
            time.sleep(0.02)
        self.end([child for child in self.children if child not in nodes])
        for path in (path for log in logs for path in glob.glob(log)):  # traced was gone already
            os.unlink(path)

    def close(self):
        """Ends everything, and removes the files."""
        self.end_all()
        for node in self.nodes.values():
            os.close(node.stdin)
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    @staticmethod
    def end(children):
        for child in children:
            child.terminate()
        for child in children:
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def stop(number, _frame):
    raise SystemExit(128 + number)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build", help="the build directory")
    parser.add_argument("--once", action="store_true", help="end by itself")
    args = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    demo = Demo(os.path.abspath(args.build))
    status = 0
    try:
        demo.run(args.once)
    except (DemoError, subprocess.TimeoutExpired) as error:
        demo.complain(error)
        status = 1
    except BrokenPipeError:
        status = 1
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        demo.close()
    sys.exit(status)


if __name__ == "__main__":
    main()
