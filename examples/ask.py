#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Asks traced over its socket, with nothing but the standard library: docs/protocol.md in code.

    ask.py hello | nodes | traces | trace ID | follow [COUNT]"""

import json
import os
import socket
import sys


def socket_path():
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    directory = f"{runtime}/p2ptrace" if runtime.startswith("/") else f"/tmp/p2ptrace-{os.geteuid()}"
    return os.environ.get("P2PTRACE_SOCKET") or f"{directory}/traced.sock"


class Traced:
    """A connection: one JSON text a line, a line back for each."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.lines = self.socket.makefile("r", encoding="utf-8")
        self.id = 0

    def read(self):
        line = self.lines.readline()
        if not line:
            sys.exit("traced went away")
        return json.loads(line)

    def ask(self, method, **params):
        """The result of a method.  Nothing is subscribed yet when this is used, so the next line is the answer."""
        self.id += 1
        request = {"jsonrpc": "2.0", "id": self.id, "method": method, "params": params}
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        answer = self.read()
        if "error" in answer:
            sys.exit(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def events(self, **params):
        """All events of a query, page by page."""
        cursor = {}
        while cursor is not None:
            page = self.ask("query", **params, **cursor)
            yield from page["events"]
            cursor = {"cursor": page["cursor"]} if page["cursor"] else None

    def follow(self, **params):
        """Events as they come."""
        self.ask("subscribe", **params)
        while True:
            batch = self.read()["params"]
            if batch["lost"]:
                print(f"{batch['lost']} events missed: read faster", file=sys.stderr)
            yield from batch["events"]


def show(event, names):
    node = names.get(event["node_id"], event["node_id"][:8])
    peer = names.get(event["peer_id"], (event["peer_id"] or "-")[:8])
    print(event["timestamp"], node, peer, event["kind"], ascii(event["data"]), flush=True)


def main(command="", argument=None):
    traced = Traced(socket_path())
    names = {node["node_id"]: ascii(node["name"])[1:-1] for node in traced.ask("nodes")["nodes"]}
    if command == "hello":
        print(json.dumps(traced.ask("hello")))
    elif command == "nodes":
        for node in traced.ask("nodes")["nodes"]:
            print(names[node["node_id"]], node["state"], "emitted", node["emitted"], "lost", node["lost"])
    elif command == "traces":
        for trace in traced.ask("traces", limit=10)["traces"]:
            print(trace["trace_id"], trace["outcome"], f"{trace['duration'] / 1e6:.3f} ms", trace["events"], "events", trace["command"])
    elif command == "trace" and argument:
        for event in traced.events(trace_id=argument):
            show(event, names)
    elif command == "follow":
        for count, event in enumerate(traced.follow(recent=10), 1):
            show(event, names)
            if argument and count >= int(argument):
                break
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:3])
    except KeyboardInterrupt:
        pass
    except (FileNotFoundError, ConnectionRefusedError):
        sys.exit(f"no traced at {socket_path()}")
