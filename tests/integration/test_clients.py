#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The five questions of examples/client.py and examples/queries.sh, with a real traced and real nodes: both give the same answers, and
these are right.

    test_clients.py TRACED QUIC_NODE TEST_NODE DIRECTORY      the directory of the two"""
import collections
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

from daemon import Traced
from nodes import PATIENCE_S, line_of_nodes

TRACED, QUIC_NODE, TEST_NODE, EXAMPLES = sys.argv[1:5]
SHELL = shutil.which("dash") or "sh"  # the strictest there is
PROGRAMS = {"client.py": [sys.executable, f"{EXAMPLES}/client.py"], "queries.sh": [SHELL, f"{EXAMPLES}/queries.sh"]}
EMITTED = 100000  # more than a ring holds


@unittest.skipUnless(shutil.which("socat") and shutil.which("jq"), "no socat, or no jq")
class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.directory = pathlib.Path(cls.temporary.name)
        shm_dir = cls.directory / "shm"
        shm_dir.mkdir()
        subprocess.run([TEST_NODE, "early", "ee" * 32], input=f"packets {EMITTED}\nclose\n", text=True, stdout=subprocess.DEVNULL, check=True,
                       env=dict(os.environ, P2PTRACE_SHM_DIR=str(shm_dir)), timeout=PATIENCE_S)
        cls.traced = Traced(TRACED, cls.directory, ["--history", "128MiB"])
        cls.nodes = line_of_nodes(QUIC_NODE, ["alice", "bob", "carol"], shm_dir=shm_dir, drop=6)
        alice, _, carol = cls.nodes
        digest = carol.ask("store-random 30000")[1]
        for _ in range(6):
            assert alice.ask(f"get {digest}")[0] == "ok"
        cls.failed = alice.ask("get " + "00" * 32)[-1]
        for node in cls.nodes:
            node.hold()
        cls.traced.settle()
        cls.environment = dict(os.environ, P2PTRACE_SOCKET=str(cls.traced.socket_path))

    @classmethod
    def tearDownClass(cls):
        for node in cls.nodes:
            node.process.send_signal(signal.SIGCONT)
            node.end(signal.SIGKILL)
        cls.traced.end()
        cls.temporary.cleanup()

    def rows(self, question):
        """The answer of both, as lists of cells."""
        answers = {}
        for name, command in PROGRAMS.items():
            done = subprocess.run([*command, question], env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, timeout=PATIENCE_S, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""), name)
            answers[name] = [line.split("\t") for line in done.stdout.splitlines()]
        self.assertEqual(answers["client.py"], answers["queries.sh"])
        return answers["client.py"]

    def test_what_happened_to_the_request_that_failed(self):
        head, *events = self.rows("failed")
        self.assertEqual(head[:2], [self.failed, "GET_CHUNK"])
        told = self.traced.query(trace_id=self.failed)
        self.assertEqual([kind for _, _, _, kind in events], [event["kind"] for event in told])
        self.assertEqual({node for _, node, _, _ in events}, {"alice", "bob", "carol"})
        times = [int(since) for since, _, _, _ in events]
        self.assertEqual((times[0], times), (0, sorted(times)))
        self.assertEqual(times[-1], int(head[2]))

    def test_loss_by_peer(self):
        counted = collections.Counter((event["peer_id"], event["kind"]) for node in self.nodes
                                      for event in self.traced.query(peer_id=node.id, kind=["packet_sent", "packet_lost"])
                                      if event["kind"] == "packet_sent" or "probe" not in event["flags"])  # a lost probe does not count as loss
        ids = {node.name: node.id for node in self.nodes}
        rows = self.rows("loss")
        self.assertEqual({name for name, _, _ in rows}, set(ids))
        for name, lost, sent in rows:
            self.assertEqual((int(lost), int(sent)), (counted[ids[name], "packet_lost"], counted[ids[name], "packet_sent"]))
        self.assertGreater(sum(int(lost) for _, lost, _ in rows), 0)

    def test_the_five_slowest_requests(self):
        rows = self.rows("slowest")
        durations = [int(duration) for _, _, _, duration in rows]
        self.assertEqual((len(rows), durations), (5, sorted(durations, reverse=True)))
        traces = {trace["trace_id"]: trace for trace in self.traced.ask("traces", limit=100)["traces"] if trace["app_id"]}
        self.assertEqual(max(trace["duration"] for trace in traces.values()), durations[0])
        for trace_id, command, outcome, duration in rows:
            trace = traces[trace_id]
            self.assertEqual((command, outcome, int(duration)), (trace["command"], trace["outcome"], trace["duration"]))

    def test_losses_as_they_happen(self):
        names = {node.id: node.name for node in self.nodes} | {None: "-"}  # during a handshake, the peer may not be known yet
        last = [[names[event["node_id"]], names[event["peer_id"]], str(event["data"]["packet_num"])]
                for event in self.traced.query(kind="packet_lost")][-10:]
        self.assertGreater(len(last), 1)
        for name, command in PROGRAMS.items():
            process = subprocess.Popen([*command, "follow"], env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       text=True, start_new_session=True)
            told = [process.stdout.readline().rstrip("\n").split("\t") for _ in last]
            self.assertIsNone(process.poll(), f"{name} does not continue")
            os.killpg(process.pid, signal.SIGINT)
            self.assertEqual(process.wait(PATIENCE_S), -signal.SIGINT, name)
            process.stdout.close()
            self.assertEqual(told, last, name)

    def test_events_lost_by_node_and_cause(self):
        [entry] = [node for node in self.traced.ask("nodes")["nodes"] if node["name"] == "early"]
        self.assertEqual(self.rows("lost"), [["early", cause, str(count)] for cause, count in entry["lost_by"].items() if count])
        self.assertGreater(entry["lost"], 0)

    @unittest.skipUnless(os.geteuid() == 0, "only root can be another user")
    def test_another_users_server_is_not_believed(self):
        with tempfile.TemporaryDirectory() as runtime:
            os.chmod(runtime, 0o755)
            path = pathlib.Path(runtime, "p2ptrace", "traced.sock")
            path.parent.mkdir()
            for uid, refused in ((65534, True), (0, False)):
                path.unlink(missing_ok=True)
                with socket.socket(socket.AF_UNIX) as server:
                    server.bind(str(path))
                    child = os.fork()
                    if not child:  # the kernel says who listened
                        os.setuid(uid)
                        server.listen()
                        os._exit(0)
                    self.assertEqual(os.waitpid(child, 0)[1], 0)
                    environment = {key: value for key, value in os.environ.items() if key != "P2PTRACE_SOCKET"}
                    with subprocess.Popen([*PROGRAMS["client.py"], "lost"], env=environment | {"XDG_RUNTIME_DIR": runtime}, text=True,
                                          stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as program:
                        if not refused:
                            server.settimeout(PATIENCE_S)
                            server.accept()[0].close()
                        said = program.communicate(timeout=PATIENCE_S)[1]
                    self.assertEqual("served by another user (uid 65534)" in said, refused, said)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
