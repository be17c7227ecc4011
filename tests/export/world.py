# SPDX-License-Identifier: MIT
"""alice, bob and carol, three nodes of the QUIC example, with requests that succeeded, one that failed, and losses on the way; all of it
in the past, so that every export has the same events."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))
from daemon import Traced  # noqa: E402
from harness import Place, until  # noqa: E402, F401
from nodes import line_of_nodes, qlog_records  # noqa: E402, F401


class World:
    def __init__(self, traced, inspector, quic_node):
        self.inspector = inspector
        self.temporary = tempfile.TemporaryDirectory()
        self.directory = pathlib.Path(self.temporary.name)
        (self.directory / "ngtcp2").mkdir()
        self.traced = Traced(traced, self.directory, ["--history", "64MiB"])
        self.nodes = line_of_nodes(quic_node, ["alice", "bob", "carol"], shm_dir=self.directory / "shm", drop=6,
                                   qlog_dir=self.directory / "ngtcp2")
        alice, _, carol = self.nodes
        digest = carol.ask("store-random 50000")[1]
        self.trace = alice.ask(f"get {digest}")[-1]
        assert alice.ask("get " + "00" * 32)[0] == "not-found"
        for node in self.nodes:
            node.end()
        self.rows = list(self.traced.wait_drained([node.id for node in self.nodes]).values())
        self.names = {row["node_id"]: row["name"] for row in self.rows}
        self.lines = [json.loads(line) for line in self.export("--format", "ndjson").splitlines()]
        self.events = [{name: value for name, value in line.items() if name not in ("node", "peer")} for line in self.lines]  # as traced has them
        assert len(self.events) == sum(row["indexed"] for row in self.rows)

    def run(self, *args, **more):
        environment = dict(os.environ, P2PTRACE_SOCKET=str(self.traced.socket_path))
        return subprocess.run([self.inspector, "export", *args], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=60, **more)

    def export(self, *args):
        done = self.run(*args)
        assert done.returncode == 0 and not done.stderr, done
        return done.stdout.decode()

    def file(self, name, *args):
        """Exports to a file of that name, or a directory; returns its path."""
        path = self.directory / name
        if "-o" in args:
            assert self.export(*args) == ""
            return path
        assert self.export("-o", str(path), *args) == ""
        return path

    def close(self):
        self.traced.end()
        self.temporary.cleanup()
