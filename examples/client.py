#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A client of traced that needs only the standard library: docs/protocol.md in code.  Copy it, or import it:

    with Client() as traced:
        for trace in traced.call("traces", limit=5)["traces"]:
            print(trace["trace_id"], trace["outcome"])
        for event in traced.events(kind="packet_lost", from_="-1m"):
            print(event["timestamp"], event["peer_id"])

As a program it answers five questions, the same as examples/queries.sh, in columns separated by tabs:

    client.py failed     the newest request that failed: its time line
    client.py loss       packets lost and sent, by peer
    client.py slowest    the five slowest requests
    client.py follow     packets as they are lost, until Ctrl-C
    client.py lost       events that traced did not get, by node and cause"""
from __future__ import annotations

import collections
import json
import os
import re
import signal
import socket
import stat
import struct
import sys
import time
from typing import Any, Iterable, Iterator

Json = dict[str, Any]


class TracedError(Exception):
    """Any failure between here and traced."""


class NotThere(TracedError):
    """No traced is listening there."""


class ConnectionEnded(TracedError):
    """traced went away, or closed the connection."""


class Timeout(TracedError):
    """No answer in time.  The connection can still be used: a late answer is ignored."""


class Refused(TracedError):
    """An error answer: `code` and `data` as docs/protocol.md lists them."""

    def __init__(self, error: Json):
        super().__init__(error["message"])
        self.code: int = error["code"]
        self.data: Json = error.get("data") or {}


def default_paths() -> list[str]:
    """The default paths of traced's socket; the first is the usual one."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    directories = [f"{runtime}/p2ptrace"] if runtime.startswith("/") else []
    return [f"{directory}/traced.sock" for directory in directories + [f"/tmp/p2ptrace-{os.geteuid()}"]]


def socket_path() -> str:
    """The path of traced's socket, found as traced and the inspector find it."""
    return os.environ.get("P2PTRACE_SOCKET") or default_paths()[0]


class Client:
    """A connection to traced.  Only one thread at a time may use it.

    Params are keywords; `from`, a reserved word in Python, is written `from_`.  `timeout` is in seconds, per answer; None waits forever."""

    def __init__(self, path: str | None = None, timeout: float | None = 10.0):
        self.path, self.timeout = path or socket_path(), timeout
        self._socket = socket.socket(socket.AF_UNIX)
        self._buffer = bytearray()
        self._last_id = 0
        self._notifications: dict[int, collections.deque[Json]] = {}
        try:
            self._socket.connect(self.path)
        except OSError as error:
            self._socket.close()
            raise NotThere(f"no traced at {self.path}: {error.strerror}") from error
        self._judge_server()

    def _judge_server(self) -> None:
        """Refuses another user's server: they could have taken the path first.  A server that shares its socket with a group of ours (traced
        --group) is trusted at a path that was chosen explicitly; root trusts any."""
        _, uid, _ = struct.unpack("iII", self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("iII")))
        if uid in (os.geteuid(), 0):
            return
        try:
            status = os.stat(self.path)
            shared = status.st_uid == uid and bool(status.st_mode & stat.S_IWGRP) and status.st_gid in [os.getegid(), *os.getgroups()]
        except OSError:
            shared = False
        if self.path in default_paths() or not (os.geteuid() == 0 or shared):
            self._socket.close()
            raise NotThere(f"{self.path} is served by another user (uid {uid}), and what it says is not trusted")

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def call(self, method: str, **params: Any) -> Any:
        """The result of a method.  Raises Refused when it is an error."""
        answer = self._answer_to(self._request(method, params))
        if "error" in answer:
            raise Refused(answer["error"])
        return answer["result"]

    def batch(self, calls: Iterable[tuple[str, Json]]) -> list[Any]:
        """The results of up to 64 calls, sent as one line, in order.  A refused call yields a Refused, which is not raised."""
        requests = [self._request(method, params) for method, params in calls]
        answers = self._answer_to(requests) if requests else []
        if isinstance(answers, dict):  # an error of the whole batch: it was too long
            raise Refused(answers["error"])
        return [Refused(answer["error"]) if "error" in answer else answer["result"] for answer in answers]

    def pages(self, **params: Any) -> Iterator[Json]:
        """The pages of a `query`, one after the other, fetched on demand.  Each has `events`, `gaps` with their
        sum `lost`, and `evicted`."""
        page = self.call("query", **params)
        yield page
        while page["cursor"]:
            page = self.call("query", **params, cursor=page["cursor"])
            yield page

    def events(self, **params: Any) -> Iterator[Json]:
        """The events of all pages of a `query`, and its gaps (which are events, too) in their places."""
        newest_first = params.get("order") == "desc"
        for page in self.pages(**params):
            yield from sorted(page["events"] + page["gaps"], key=lambda event: (event["timestamp"], event["ns"]), reverse=newest_first)

    def subscribe(self, **params: Any) -> Subscription:
        """The newest `recent` events, then new ones as they arrive."""
        return Subscription(self, self.call("subscribe", **params)["subscription"])

    # ---- lines ----

    def _request(self, method: str, params: Json) -> Json:
        self._last_id += 1
        named = {"from" if name == "from_" else name: value for name, value in params.items()}
        return {"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": named}

    def _answer_to(self, request: Json | list[Json]) -> Any:
        """Sends a request, or a batch, and waits.  Keeps notifications that arrive before the answer."""
        deadline = None if self.timeout is None else time.monotonic() + self.timeout
        try:
            self._socket.settimeout(self.timeout)
            self._socket.sendall(json.dumps(request).encode() + b"\n")
        except socket.timeout as error:
            self.close()  # part of a line may have been sent: the connection cannot be used any longer
            raise Timeout(f"{self.path} does not read") from error
        except OSError as error:
            raise ConnectionEnded(f"traced at {self.path} went away") from error
        first = request[0] if isinstance(request, list) else request
        while True:
            line = self._read_line(deadline)
            answer = line[0] if isinstance(line, list) else line
            if answer.get("id") == first["id"] or "id" in answer and answer["id"] is None:
                return line
            self._keep(line)

    def _keep(self, line: Any) -> None:
        """Puts a notification where its subscription finds it.  Ignores an answer that nobody waits for any longer."""
        if isinstance(line, dict) and line.get("method") == "events":
            self._notifications.setdefault(line["params"]["subscription"], collections.deque()).append(line["params"])

    def _read_line(self, deadline: float | None) -> Any:
        """One line, parsed.  After a timeout, the part of a line that was read is kept for the next call."""
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise Timeout(f"traced at {self.path} did not answer in time")
            try:
                self._socket.settimeout(left)
                data = self._socket.recv(1 << 20)
            except socket.timeout as error:
                raise Timeout(f"traced at {self.path} did not answer in time") from error
            except OSError as error:
                raise ConnectionEnded(f"traced at {self.path} went away") from error
            if not data:
                raise ConnectionEnded(f"traced at {self.path} went away")
            self._buffer += data
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return json.loads(line)

    def _next_notification(self, number: int, timeout: float | None) -> Json:
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._notifications.get(number):
            self._keep(self._read_line(deadline))
        return self._notifications[number].popleft()


class Subscription:
    """An endless iterator over events as they arrive.  Where the reader was too slow, {"missed": N} stands in their place, as
    in `inspector follow --json`.  The client may make other calls between two events."""

    def __init__(self, client: Client, number: int):
        self.client, self.number = client, number
        self._ready: collections.deque[Json] = collections.deque()

    def __iter__(self) -> Iterator[Json]:
        return self

    def __next__(self) -> Json:
        return self.next(None)

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def next(self, timeout: float | None) -> Json:
        """The next event or loss.  Raises Timeout after that many seconds without one."""
        while not self._ready:
            params = self.client._next_notification(self.number, timeout)
            if params["lost"]:
                self._ready.append({"missed": params["lost"]})
            self._ready += params["events"]
        return self._ready.popleft()

    def close(self) -> None:
        """Ends the subscription; the client stays connected."""
        self.client.call("unsubscribe", subscription=self.number)
        self.client._notifications.pop(self.number, None)


# ---- five questions ----------------------------------------------------------------------------------------------------------


def row(*cells: object) -> None:
    """A line of columns.  Text from a node must not control the terminal."""
    print("\t".join(re.sub(r"[\x00-\x1f\x7f-\x9f]", "?", str(cell)) for cell in cells), flush=True)


def node_names(traced: Client) -> dict[str | None, str]:
    return {node["node_id"]: node["name"] for node in traced.call("nodes")["nodes"] if node["node_id"]}


def requests(traced: Client) -> list[Json]:
    """The newest traces that are requests of an application."""
    return [trace for trace in traced.call("traces", limit=10000)["traces"] if trace["app_id"]]


def failed(traced: Client) -> None:
    names = node_names(traced)
    trace = next((trace for trace in requests(traced) if trace["outcome"] == "failed"), None)
    if trace is None:
        return
    row(trace["trace_id"], trace["command"] or "-", trace["duration"])
    for event in traced.events(trace_id=trace["trace_id"]):
        since = (event["timestamp"] - trace["first"]["timestamp"]) * 1000 + event["ns"] - trace["first"]["ns"]
        row(since, names.get(event["node_id"], event["node_id"]), names.get(event["peer_id"], event["peer_id"] or "-"), event["kind"])


def loss(traced: Client) -> None:
    for peer in traced.call("peers")["peers"]:
        row(peer["name"] or peer["peer_id"], peer["packets_lost"], peer["packets_sent"])


def slowest(traced: Client) -> None:
    for trace in sorted(requests(traced), key=lambda trace: -trace["duration"])[:5]:
        row(trace["trace_id"], trace["command"] or "-", trace["outcome"], trace["duration"])


def follow(traced: Client) -> None:
    names = node_names(traced)
    for event in traced.subscribe(kind="packet_lost", recent=10):
        if "missed" in event:
            row("missed", event["missed"])
            continue
        row(names.get(event["node_id"], event["node_id"]), names.get(event["peer_id"], event["peer_id"] or "-"), event["data"]["packet_num"])


def lost(traced: Client) -> None:
    for node in traced.call("nodes")["nodes"]:
        for cause, count in node["lost_by"].items():
            if count:
                row(node["name"], cause, count)


QUESTIONS = {question.__name__: question for question in (failed, loss, slowest, follow, lost)}


def main(words: list[str]) -> int:
    if len(words) != 1 or words[0] not in QUESTIONS:
        print(__doc__, file=sys.stderr)
        return 2
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C works at once, wherever we wait
    try:
        with Client() as traced:
            QUESTIONS[words[0]](traced)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # our reader has gone
    except TracedError as error:
        print(f"client.py: {error}", file=sys.stderr)
        return 3 if isinstance(error, NotThere) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
