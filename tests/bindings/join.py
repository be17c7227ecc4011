# SPDX-License-Identifier: MIT
"""Shared by the tests of all bindings: a node in another language answers one in C, and both are in the same traces.

A node is started as NODE PORT_FILE COUNT: see bindings/python/examples/carol.py."""
import fcntl
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))
from daemon import Traced, wait_for
from nodes import PATIENCE_S

COUNT = 5


def use_alone(scratch):
    """Waits until no other run of this suite uses the directory: the programs in it have fixed names.  Then it is ours until this process
    ends.  Call it before the tests begin, so that the wait counts for none of them."""
    scratch.mkdir(exist_ok=True)
    fcntl.flock(os.open(scratch, os.O_RDONLY), fcntl.LOCK_EX)


def join(test, directory, node, environment):
    """Runs the two nodes, and checks what traced shows."""
    directory = pathlib.Path(directory)
    traced = Traced(os.environ["TRACED"], directory, ["--history", "64MiB"])
    test.addCleanup(traced.end)
    environment = {"PATH": "/usr/bin:/bin", **environment, "P2PTRACE_SHM_DIR": str(traced.shm_dir)}
    answerer = subprocess.Popen([*map(str, node), str(directory / "port"), str(COUNT)], env=environment, stdin=subprocess.DEVNULL)
    try:
        wait_for(lambda: (directory / "port").exists() or answerer.poll() is not None, "the node's port")
        port = (directory / "port").read_text(encoding="ascii")
        subprocess.run([os.environ["ASKER"], port, str(COUNT)], env=environment, check=True, timeout=PATIENCE_S)
        test.assertEqual(answerer.wait(PATIENCE_S), 0)
    finally:
        answerer.kill()
        answerer.wait()
    traced.wait_drained(["asker", "carol"], key="name")
    check_joined(test, traced)
    return traced


def check_joined(test, traced):
    names = {node["node_id"]: node["name"] for node in traced.ask("nodes")["nodes"]}
    ids = {name: node_id for node_id, name in names.items()}
    commands = traced.query(kind="app_command")
    for number in range(COUNT):
        [command] = [event for event in commands if event["fields"] == {"key": f"chunk-{number}"}]
        events = traced.query(trace_id=command["trace_id"])
        test.assertEqual([(names[event["node_id"]], event["kind"]) for event in events],
                         [("asker", "app_start"), ("carol", "app_start"), ("carol", "app_command"), ("carol", "app_end"), ("asker", "app_end")])
        test.assertEqual(events[1]["data"]["parent_id"], events[0]["data"]["span_id"])
        test.assertEqual(events[1]["data"]["span_id"], events[3]["data"]["span_id"])
        test.assertEqual([event["peer_id"] for event in events], [ids["carol"]] + 3 * [ids["asker"]] + [ids["carol"]])
        test.assertEqual({(event["app"], event.get("command")) for event in events[1:4]}, {("DataMap", "GET")})
        test.assertEqual({tuple(event["flags"]) for event in events}, {("sampled", "app_initiated")})


def check_no_loss(test, traced, emitted):
    """carol emitted that many events, and all of them are there, in time order."""
    [node] = [node for node in traced.ask("nodes")["nodes"] if node["name"] == "carol"]
    test.assertEqual((node["emitted"], node["indexed"], node["lost"]), (emitted, emitted, 0))
