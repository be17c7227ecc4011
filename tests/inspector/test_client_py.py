#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""examples/client.py as a module, with a traced that behaves or misbehaves.

    test_client_py.py DIRECTORY      where client.py is"""
import os
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
import unittest.mock

sys.dont_write_bytecode = True
EXAMPLES = sys.argv.pop(1)
sys.path.insert(0, EXAMPLES)
import client  # noqa: E402

from fake_traced import Error, FakeTraced, Raw  # noqa: E402


def event(i, **more):
    return {"timestamp": 1000 + i, "ns": 0, "sequence": i, "kind": "metrics"} | more


PAGES = {None: {"events": [event(0), event(2)], "gaps": [event(1, kind="events_lost")], "cursor": "2", "lost": 1, "evicted": 0},
         "2": {"events": [event(3)], "gaps": [], "cursor": None, "lost": 0, "evicted": 0}}


def notification(*events, lost=0, subscription=1):
    return {"jsonrpc": "2.0", "method": "events", "params": {"subscription": subscription, "events": list(events), "lost": lost}}


class Lines(threading.Thread):
    """A traced that sends the test's lines on command, and keeps the lines that it receives."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.got, self.connected = [], threading.Event()
        self.start()

    def run(self):
        self.connection, _ = self.listener.accept()
        self.connected.set()

    def send(self, text):
        self.connected.wait()
        self.connection.sendall(text.encode())

    def close(self):
        self.connected.wait()
        self.connection.close()
        self.listener.close()


class WithTraced(unittest.TestCase):
    def setUp(self):
        self.path = os.path.join(self.enterContext(tempfile.TemporaryDirectory()), "traced.sock")

    def fake(self, answers, **more):
        return self.enterContext(FakeTraced(self.path, answers, **more))

    def client(self, **more):
        return self.enterContext(client.Client(self.path, **more))


class ClientTest(WithTraced):
    def test_a_call_returns_the_result_and_from_is_from_underscore(self):
        traced = self.fake({"traces": {"traces": []}})
        self.assertEqual(self.client().call("traces", from_="-5s", limit=3), {"traces": []})
        self.assertEqual(traced.requests[0]["params"], {"from": "-5s", "limit": 3})

    def test_an_error_is_an_exception_with_its_code_and_data(self):
        self.fake({"query": Error(-32602, "Invalid params: limit", {"param": "limit"}), "hello": {}})
        traced = self.client()
        with self.assertRaises(client.Refused) as refused:
            traced.call("query", limit=0)
        self.assertEqual((refused.exception.code, refused.exception.data, str(refused.exception)),
                         (-32602, {"param": "limit"}, "Invalid params: limit"))
        self.assertEqual(traced.call("hello"), {})

    def test_nobody_there_and_a_connection_that_ends_are_exceptions(self):
        with self.assertRaises(client.NotThere):
            client.Client(self.path)
        self.fake({"hello": Raw(b'{"jsonrpc"', close=True)})
        with self.assertRaises(client.ConnectionEnded):
            self.client().call("hello")

    def test_a_batch_is_one_line_and_refusals_are_among_the_results(self):
        lines = Lines(self.path)
        self.addCleanup(lines.close)
        traced = self.client()
        lines.send('{"jsonrpc":"2.0","method":"events","params":{"subscription":7,"events":[],"lost":0}}\n'
                   '[{"jsonrpc":"2.0","id":1,"result":5},{"jsonrpc":"2.0","id":2,"error":{"code":-32601,"message":"no"}}]\n')
        first, second = traced.batch([("hello", {}), ("bogus", {"from_": 1})])
        self.assertEqual(first, 5)
        self.assertIsInstance(second, client.Refused)
        self.assertEqual(traced.batch([]), [])
        lines.send('{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"too long"}}\n')
        with self.assertRaises(client.Refused):
            traced.batch([("hello", {})] * 65)

    def test_pages_go_on_by_the_cursor_and_events_have_the_gaps_among_them(self):
        traced = self.fake({"query": lambda params: PAGES[params.get("cursor")]})
        one = self.client()
        self.assertEqual([page["lost"] for page in one.pages(kind="metrics")], [1, 0])
        self.assertEqual(traced.requests[1]["params"], {"kind": "metrics", "cursor": "2"})
        self.assertEqual([e["sequence"] for e in one.events()], [0, 1, 2, 3])
        asked = len(traced.requests)
        next(one.pages())
        self.assertEqual(len(traced.requests), asked + 1)  # no page before it is wanted

    def test_a_subscription_reports_events_and_losses_and_lets_others_ask(self):
        traced = self.fake({"subscribe": {"subscription": 1}, "hello": {"pid": 1}, "unsubscribe": True},
                           stream=[notification(event(1)), notification(lost=4), notification(event(2), event(3), lost=2),
                                   notification(event(9), subscription=2)])
        one = self.client()
        with one.subscribe(kind="metrics", recent=1) as events:
            self.assertEqual(next(events)["sequence"], 1)
            self.assertEqual(one.call("hello"), {"pid": 1})
            told = [next(events) for _ in range(4)]
            self.assertEqual([e.get("missed") or e["sequence"] for e in told], [4, 2, 2, 3])
            with self.assertRaises(client.Timeout):
                events.next(0.05)
        self.assertEqual(traced.requests[-1]["method"], "unsubscribe")

    def test_an_answer_that_comes_too_late_is_passed_over(self):
        lines = Lines(self.path)
        self.addCleanup(lines.close)
        traced = self.client(timeout=0.05)
        with self.assertRaises(client.Timeout):
            traced.call("hello")
        lines.send('{"jsonrpc":"2.0","id":1,"resu')
        with self.assertRaises(client.Timeout):
            traced.call("hello")
        lines.send('lt":"late"}\n{"jsonrpc":"2.0","id":3,"result":"now"}\n')
        traced.timeout = 60
        self.assertEqual(traced.call("stats"), "now")

    def test_a_subscription_ends_when_traced_goes_away(self):
        self.fake({"subscribe": {"subscription": 1}}, stream=[notification(event(1))], close_after_stream=True)
        events = self.client().subscribe()
        self.assertEqual(next(events)["sequence"], 1)
        with self.assertRaises(client.ConnectionEnded):
            next(events)

    def test_the_socket_is_found_as_the_inspector_finds_it(self):
        for environment, path in (({"P2PTRACE_SOCKET": "/a"}, "/a"),
                                  ({"P2PTRACE_SOCKET": "", "XDG_RUNTIME_DIR": "/r"}, "/r/p2ptrace/traced.sock"),
                                  ({"XDG_RUNTIME_DIR": "r"}, f"/tmp/p2ptrace-{os.geteuid()}/traced.sock")):
            with unittest.mock.patch.dict(os.environ, environment, clear=True):
                self.assertEqual(client.socket_path(), path)


class Programs(WithTraced):
    """The five questions; tests/integration/test_clients.py checks their answers with a real traced."""

    def run_program(self, name, *words, path=None):
        command = [sys.executable] if name.endswith(".py") else ["sh"]
        done = subprocess.run([*command, f"{EXAMPLES}/{name}", *words], env=os.environ | {"P2PTRACE_SOCKET": path or self.path},
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr

    def test_an_error_is_one_line_and_an_exit_code(self):
        for name in ("client.py", "queries.sh"):
            code, out, err = self.run_program(name, "failed", path="/proc/nonexistent/socket")
            self.assertEqual((code, out, err.count("\n")), (3, "", 1), err)
            self.assertIn("no traced at /proc/nonexistent/socket", err)
            for words in ([], ["bogus"], ["loss", "x"]) if name == "client.py" else ([], ["bogus"]):
                code, out, err = self.run_program(name, *words)
                self.assertEqual((code, out), (2, ""))
                self.assertIn(f"{name} failed ", err)
        self.fake({"hello": {}, "peers": Error(-32603, "Internal error: no memory")})
        for name in ("client.py", "queries.sh"):
            self.assertEqual(self.run_program(name, "loss"), (1, "", f"{name}: Internal error: no memory\n"))

    def test_text_of_a_node_does_not_affect_the_terminal(self):
        self.fake({"hello": {}, "peers": {"peers": [{"name": "\x1b[2J\x9b\ttäg", "packets_lost": 1, "packets_sent": 2}]}})
        for name in ("client.py", "queries.sh"):
            self.assertEqual(self.run_program(name, "loss"), (0, "?[2J??täg\t1\t2\n", ""))


if __name__ == "__main__":
    unittest.main(verbosity=2)
