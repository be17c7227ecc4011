# SPDX-License-Identifier: MIT
"""The inspector as its user sees it: a program, its exit code and its two outputs, with a traced that behaves or misbehaves.

usage: test_client.py INSPECTOR"""

import itertools
import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from fake_traced import Error, FakeTraced, Raw

# A shell's background jobs ignore SIGINT, and so would the processes that we start.
signal.signal(signal.SIGINT, signal.default_int_handler)

INSPECTOR = sys.argv.pop(1)
ALICE, BOB = "a1" * 32, "b2" * 32
TRACE = "c3" * 16
BASE = 1767225600123456
NODES = {"nodes": [{"node_id": ALICE, "name": "alice", "state": "live"}, {"node_id": BOB, "name": "bob", "state": "live"}]}


def event(i, **more):
    return {"timestamp": BASE + i, "ns": 0, "node_id": ALICE, "peer_id": BOB, "trace_id": TRACE, "sequence": i, "lane": 0,
            "kind": "packet_sent", "flags": [], "data": {"packet_num": i, "size": 1200, "space": "1rtt"}} | more


def notification(*events, lost=0, subscription=1):
    return {"jsonrpc": "2.0", "method": "events", "params": {"subscription": subscription, "events": list(events), "lost": lost}}


OLD_LOG, NEW_LOG = "00" * 8, "11" * 8


def logged(sequence, log=OLD_LOG, **more):
    """An event of alice that says which log it is of."""
    return event(0, sequence=sequence, log=log, timestamp=BASE + sequence % 1000, **more)


def loss(first, count, cause="overwritten"):
    return logged(first % 2**32, kind="events_lost", data={"count": count, "first": first, "cause": cause})


def pages(count, page=7):
    """A `query` over that many events, which returns a few at a time, ignoring the limit."""

    asked = {}

    def query(params):
        if "cursor" not in params:
            asked.clear()
        begin = int(params.get("cursor") or 0)
        others = {k: v for k, v in params.items() if k != "cursor"}
        if others != asked.setdefault("params", others):
            return Error(-32602, "Invalid params: cursor: the other params must be the same")
        end = min(begin + min(page, params["limit"]), count)
        events = [event(i) for i in range(count)]
        if params.get("order") == "desc":
            events.reverse()
        return {"events": events[begin:end], "cursor": str(end) if end < count else None, "lost": 0, "gaps": []}

    return query


class InspectorTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.path = os.path.join(self.directory.name, "traced.sock")
        self.env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TERM")}
        self.env |= {"P2PTRACE_SOCKET": self.path, "TZ": "UTC", "PAGER": "cat", "XDG_CONFIG_HOME": self.directory.name}

    def start(self, *args, **more):
        return subprocess.Popen([INSPECTOR, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.env, **more)

    def run_inspector(self, *args):
        """Returns (exit code, stdout, stderr)."""
        process = self.start(*args)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def traced(self, answers=None, **more):
        return FakeTraced(self.path, {"nodes": NODES} | (answers or {}), **more)

    def fails(self, code, reason, *args):
        got, out, err = self.run_inspector(*args)
        self.assertEqual(got, code, err)
        self.assertEqual(out, "")
        self.assertEqual(err.count("\n"), 1, err)
        self.assertIn(reason, err)


class Connecting(InspectorTest):
    @unittest.skipUnless(os.geteuid() == 0, "only root can make something that belongs to a stranger")
    def test_what_a_stranger_put_in_the_way_is_named(self):
        """traced refuses to serve there: to start one would not help."""
        def own(name, make):
            runtime = os.path.join(self.directory.name, name)
            os.mkdir(runtime)
            make(os.path.join(runtime, "p2ptrace"))
            os.chown(os.path.join(runtime, "p2ptrace"), 65534, 65534, follow_symlinks=False)
            return runtime
        for word, make in ("file or directory", os.mkdir), ("symbolic link", lambda path: os.symlink("/nowhere", path)):
            env = {name: value for name, value in self.env.items() if name != "P2PTRACE_SOCKET"} | {"XDG_RUNTIME_DIR": own(word[:4], make)}
            for command in "nodes", "doctor":
                done = subprocess.run([INSPECTOR, command], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
                with self.subTest(word=word, command=command):
                    self.assertNotEqual(done.returncode, 0)
                    self.assertIn(f"p2ptrace is a {word} of another user (nobody, uid 65534)", done.stdout + done.stderr)
                    self.assertIn("P2PTRACE_SOCKET", done.stdout + done.stderr)
                    self.assertNotIn("start traced", done.stdout + done.stderr)

    def test_a_missing_socket_is_reported_with_a_remedy(self):
        self.fails(3, f"cannot connect to {self.path}: no traced is running there; start traced, or pass --socket", "nodes")

    def test_a_stale_socket_is_reported_the_same(self):
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(self.path)
        stale.close()
        self.fails(3, "no traced is running there", "nodes")

    def test_wait_with_a_time_ends(self):
        self.fails(3, "none came in time", "nodes", "--wait=0.05")

    def test_wait_finds_a_traced_that_comes_later(self):
        process = self.start("nodes", "--wait=30")
        self.assertIsNone(process.poll())
        with self.traced():
            out, err = process.communicate(timeout=60)
        self.assertEqual((process.returncode, err), (0, ""))
        self.assertIn("alice", out)

    def test_the_socket_option_comes_before_the_environment(self):
        self.env["P2PTRACE_SOCKET"] = "/proc/nonexistent/socket"
        with self.traced():
            code, out, _ = self.run_inspector("nodes", "--socket", self.path)
        self.assertEqual(code, 0)
        self.assertIn("bob", out)

    def test_a_path_too_long_for_an_address_is_invalid_usage(self):
        self.fails(2, "", "nodes", "--socket", "/" + "x" * 200)


class Answers(InspectorTest):
    def test_a_garbage_line_is_reported(self):
        with self.traced({"nodes": Raw(b"\x00\xff garbage\n")}):
            self.fails(1, "not JSON-RPC", "nodes")

    def test_an_answer_to_nobody_is_reported(self):
        with self.traced({"nodes": Raw(b'{"jsonrpc":"2.0","id":77,"result":{}}\n')}):
            self.fails(1, "a request that we did not make", "nodes")

    def test_a_connection_that_ends_within_a_line_is_reported(self):
        with self.traced({"nodes": Raw(b'{"jsonrpc":"2.0","id":1,"res', close=True)}):
            self.fails(1, "went away", "nodes")

    def test_an_error_is_reported_with_its_candidates(self):
        error = Error(-32002, "Ambiguous id", {"candidates": ["aa" * 16, "ab" * 16]})
        with self.traced({"query": error}):
            self.fails(1, f"Ambiguous id; it could be {'aa' * 16}, {'ab' * 16}", "trace", "a")

    def test_an_error_cannot_write_to_the_terminal(self):
        with self.traced({"stats": Error(-32603, "\x1b]0;owned\x07")}):
            self.fails(1, r"\x1b]0;owned\x07", "stats")

    def test_answers_of_any_shape_are_survived(self):
        shapes = [None, 7, "text", [], {}, {"nodes": 7}, {"nodes": [7, None, {}]}, {"events": {}}, {"traces": [[]], "peers": [3]},
                  {"events": [None, {}, {"timestamp": "x"}], "cursor": 5, "gaps": [1]}]
        commands = [["nodes"], ["peers"], ["traces"], ["apps"], ["stats"], ["recent"], ["range", "-5s", "now"], ["trace", "aa"],
                    ["peer", "bob"], ["export", "aa"], ["follow", "--for", "1ms"]]
        for shape in shapes:
            methods = ["nodes", "peers", "traces", "apps", "stats", "query", "hello", "subscribe"]
            with FakeTraced(self.path, {method: shape for method in methods}):
                for command in commands:
                    for more in ([], ["--json"]):
                        code, _, err = self.run_inspector(*command, *more)
                        self.assertIn(code, (0, 1), (shape, command, err))
                        self.assertLessEqual(err.count("\n"), 1)

    def test_a_long_answer_comes_whole(self):
        many = {"nodes": [{"node_id": f"{i:064x}", "name": f"node{i}"} for i in range(20000)]}
        with self.traced({"nodes": many}):
            code, out, _ = self.run_inspector("nodes", "--json")
        self.assertEqual(code, 0)
        self.assertEqual([json.loads(line) for line in out.splitlines()], many["nodes"])


    def test_json_cannot_write_to_the_terminal_either(self):
        name = "\x9b31m\x1b\u202e\x7f"
        with self.traced({"nodes": {"nodes": [{"name": name}]}}):
            out = self.run_inspector("nodes", "--json")[1]
            whole = self.run_inspector("rpc", "nodes")[1]
        self.assertEqual(json.loads(out), {"name": name})
        self.assertEqual(json.loads(whole), {"nodes": [{"name": name}]})
        for text in out, whole:
            self.assertTrue(all(" " <= character <= "~" or character == "\n" for character in text), text)

    def test_without_a_reader_it_ends_silently(self):
        reader, writer = os.pipe()
        os.close(reader)
        with self.traced({"query": pages(100), "apps": {"apps": []}, "traces": {"traces": []}, "hello": {}}):
            for args in (["nodes"], ["recent", "--json"], ["rpc", "hello"], ["help"], ["--version"], ["help", "--man"],
                         ["trace", TRACE[:8]], ["export"], ["export", "--format", "csv"], ["export", "--format", "pcapng", "-o", "/dev/stdout"],
                         ["export", "-o", "/dev/stdout"]):
                for restore in (True, False):  # also where the parent ignores the signal
                    done = subprocess.run([INSPECTOR, *args], stdout=writer, stderr=subprocess.PIPE, env=self.env, check=False, timeout=60,
                                          restore_signals=restore)
                    self.assertEqual((done.returncode, done.stderr), (args[0] == "export", b""), args)
        os.close(writer)


class Queries(InspectorTest):
    def test_a_trace_is_fetched_to_its_last_page(self):
        with self.traced({"query": pages(100), "traces": {"traces": []}}) as traced:
            code, out, err = self.run_inspector("trace", TRACE[:8], "--json")
        self.assertEqual((code, err), (0, ""))
        self.assertEqual([json.loads(line)["sequence"] for line in out.splitlines()], list(range(100)))
        queries = [r["params"] for r in traced.requests if r["method"] == "query"]
        self.assertEqual({q["trace_id"] for q in queries}, {TRACE[:8]})
        self.assertEqual(len(queries), 15)

    def test_a_trace_that_is_cut_says_so(self):
        with self.traced({"query": pages(100), "traces": {"traces": []}}):
            self.assertIn("there are more events", self.run_inspector("trace", TRACE[:8], "--limit", "9")[1])
            self.assertNotIn("there are more events", self.run_inspector("trace", TRACE[:8], "--limit", "100")[1])

    def test_a_trace_takes_its_outcome_from_traced(self):
        row = {"trace_id": TRACE, "outcome": "failed", "app": "DataMap", "command": "GET_CHUNK"}
        with self.traced({"query": pages(3), "traces": {"traces": [row]}}) as traced:
            code, out, _ = self.run_inspector("trace", TRACE[:8])
        self.assertEqual(code, 0)
        self.assertIn("DataMap GET_CHUNK: FAILED", out)
        self.assertEqual([r["params"] for r in traced.requests if r["method"] == "traces"], [{"trace_id": TRACE}])

    def test_recent_is_the_newest_with_the_newest_last(self):
        with self.traced({"query": pages(100)}):
            code, out, _ = self.run_inspector("recent", "9", "--json")
        self.assertEqual([json.loads(line)["sequence"] for line in out.splitlines()], list(range(91, 100)))

    def test_range_sends_its_times_and_filters(self):
        with self.traced({"query": pages(10)}) as traced:
            code, out, err = self.run_inspector("range", "-5s", "now", "--kind", "packet_sent,metrics", "--node", "alice", "--peer",
                                                "bob", "--trace", "c3", "--limit", "8", "--no-header")
        self.assertEqual((code, err, len(out.splitlines())), (0, "", 8))
        params = [r["params"] for r in traced.requests if r["method"] == "query"]
        self.assertEqual(params[0], {"from": "-5s", "to": "-0s", "kind": ["packet_sent", "metrics"], "node_id": "alice",
                                     "peer_id": "bob", "trace_id": "c3", "limit": 8})
        self.assertEqual([p.get("cursor") for p in params], [None, "7"])

    def test_explain_reports_the_index_and_sums_up_the_pages(self):
        def explained(params):
            return pages_10(params) | ({"explain": {"index": "trace", "examined": 20}} if params.get("explain") is True else {})
        pages_10 = pages(10)
        with self.traced({"query": explained, "traces": {"traces": []}, "peers": {"peers": []}, "apps": {"apps": []}, "hello": {}}):
            for command in (["trace", "c3"], ["range", "-5s", "now"], ["recent", "10"], ["peer", "bob"], ["export", "c3"]):
                code, plain, err = self.run_inspector(*command, "--json")
                self.assertEqual((code, err), (0, ""))
                code, out, err = self.run_inspector(*command, "--json", "--explain")
                self.assertEqual((code, err), (0, "inspector: index trace; events examined: 40\n"))
                if command[0] != "export":  # it says when it was made
                    self.assertEqual(out, plain)
            self.fails(2, "inspector stats takes no --explain", "stats", "--explain")

    def test_an_empty_explanation_is_not_shown(self):
        for explain in ({"index": "\x1b[2J", "examined": 1}, {"index": "x" * 100}, {"index": 5}, "trace", None, {"index": ""}):
            with self.traced({"query": pages(1)({"limit": 1}) | {"explain": explain}}):
                code, _, err = self.run_inspector("recent", "--explain")
            self.assertEqual((code, err), (0, ""))

    def test_control_sends_its_options_and_shows_the_result(self):
        answer = {"nodes": [{"node_id": ALICE, "name": "alice", "kinds": ["packet_lost", "custom"], "sample": 0.3333333333}]}
        cases = {
            (): {},
            ("--node", "alice", "--reset"): {"node_id": "alice", "reset": True},
            ("--kinds", "packet_lost,custom", "--sample", "1/4"): {"kinds": ["packet_lost", "custom"], "sample": 0.25},
            ("--kinds", "all", "--sample", "1"): {"kinds": "all", "sample": 1},
            ("--kinds=none",): {"kinds": "none"}, ("--sample=12.5%",): {"sample": 0.125}, ("--sample=.5",): {"sample": 0.5},
        }
        with self.traced({"control": answer}) as traced:
            for args, params in cases.items():
                code, out, err = self.run_inspector("control", *args, "--no-header")
                self.assertEqual((code, out, err), (0, "alice  a1a1a1a1  packet_lost, custom  1 in 3 traces\n", ""))
                asked = [request.get("params", {}) for request in traced.requests if request["method"] == "control"]
                self.assertEqual(asked[-1], params)
            self.assertEqual(json.loads(self.run_inspector("control", "--json")[1]), answer["nodes"][0])
            self.assertIn('"sample":0.3333333333}', self.run_inspector("control", "--json")[1])

    def test_an_invalid_share_is_a_usage_error(self):
        for share in ("0", "2", "1/0", "3/2", "1/", "/2", "x", "1x", "-1", "101%", "1%%", "nan", "inf", "1/1e-5", "0x1", "1e999"):
            self.fails(2, f"--sample {share}: a share like 1/100, 0.01 or 1%, up to 1, is expected", "control", "--sample", share)
        self.fails(2, "--sample needs a value: SHARE", "control", "--sample", "")

    def test_who_asks_chooses_how_long_to_wait(self):
        with self.traced({"nodes": Raw(b"")}):
            for value, told in (("200ms", "0.2"), ("1s", "1")):
                for args in (["nodes"], ["recent"], ["traces"]):
                    self.assertEqual(self.run_inspector(*args, "--timeout", value)[::2],
                                     (1, f"inspector: traced at {self.path} did not answer `nodes` within {told} s; --timeout waits longer\n"), args)
        self.fails(2, "--timeout 0: a duration of at least 1ms is expected", "nodes", "--timeout", "0")

    def test_a_refused_param_is_named_as_it_was_typed(self):
        error = Error(-32602, 'Invalid params: kinds: there is no kind "packet_lsot"', {"param": "kinds"})
        with self.traced({"control": error}):
            self.assertEqual(self.run_inspector("control", "--kind", "packet_lsot"),
                             (2, "", 'inspector: --kind: there is no kind "packet_lsot"; did you mean packet_lost?\n'))

    def test_a_time_of_day_is_its_last_moment(self):
        with self.traced({"query": pages(0)}) as traced:
            self.assertEqual(self.run_inspector("range", "12:00:03.25", "1767225600000000", "--utc")[0], 0)
        params = [r["params"] for r in traced.requests if r["method"] == "query"][0]
        self.assertEqual(params["from"] % 86400000000, 43203250000)
        self.assertEqual(params["to"], 1767225600000000)

    def test_a_time_of_day_is_never_in_the_future(self):
        soon = time.time() + 60
        with self.traced({"query": pages(0)}) as traced:
            self.run_inspector("range", time.strftime("%H:%M:%S", time.gmtime(soon)), "now", "--utc")
        params = [r["params"] for r in traced.requests if r["method"] == "query"][0]
        self.assertEqual(params["from"] // 1000000, int(soon) - 86400)

    def test_recent_keeps_the_order_of_events_of_one_moment(self):
        newest_first = {"events": [event(0, sequence=i) for i in (3, 2, 1)], "cursor": None, "gaps": []}
        with self.traced({"query": newest_first}):
            out = self.run_inspector("recent", "--json")[1]
        self.assertEqual([json.loads(line)["sequence"] for line in out.splitlines()], [1, 2, 3])

    def test_an_empty_page_with_a_cursor_does_not_go_on_forever(self):
        with self.traced({"query": {"events": [], "cursor": "x", "gaps": []}}):
            self.assertEqual(self.run_inspector("range", "-5s", "now")[0], 0)

    def test_pages_go_on_past_one_that_was_evicted_whole_and_say_how_many_are_gone(self):
        answers = {None: {"events": [event(0)], "cursor": "a", "evicted": 0, "gaps": []},
                   "a": {"events": [], "cursor": "b", "evicted": 2000, "gaps": []},
                   "b": {"events": [event(5)], "cursor": None, "evicted": 7, "gaps": []}}
        told = "inspector: 2007 events left the history before they could be fetched\n"
        with self.traced({"query": lambda params: answers[params.get("cursor")], "hello": {}, "apps": {"apps": []}}) as traced:
            code, out, err = self.run_inspector("range", "-5s", "now", "--no-header")
            self.assertEqual((code, len(out.splitlines()), err), (0, 2, told))
            self.assertTrue(all(r["params"]["total"] for r in traced.requests if r["method"] == "query"))
            for command in (["range", "-5s", "now"], ["trace", "c3"], ["recent", "5000"]):
                code, out, err = self.run_inspector(*command, "--json")
                self.assertEqual((code, len(out.splitlines()), err), (0, 3, told))
                self.assertEqual(json.loads(out.splitlines()[-1]), {"evicted": 2007})
            code, out, err = self.run_inspector("export", "c3")
            self.assertEqual((code, len(json.loads(out)["events"]), json.loads(out)["evicted"], err), (0, 2, 2007, told))

    def test_one_page_needs_no_count(self):
        with self.traced({"query": pages(3, 1000)}) as traced:
            self.assertEqual(self.run_inspector("recent", "3")[2], "")
        self.assertEqual(["total" in r["params"] for r in traced.requests if r["method"] == "query"], [False])

    def test_nothing_found_is_a_failure(self):
        empty = {"events": [], "cursor": None, "gaps": []}
        with self.traced({"query": empty, "peers": {"peers": []}, "hello": {}}):
            self.fails(1, "no event in the history belongs to a trace 77", "trace", "77")
            self.fails(1, "no event in the history has a peer 77", "peer", "77")
            self.fails(1, "no event in the history belongs to a trace 77", "export", "77")

    def test_a_peer_is_found_by_name(self):
        with self.traced({"query": pages(3), "peers": {"peers": [{"peer_id": BOB, "name": "bob", "events": 3}]}}) as traced:
            code, out, _ = self.run_inspector("peer", "bob")
        self.assertEqual(code, 0)
        self.assertIn(f"peer {BOB}", out)
        self.assertEqual([r["params"]["peer_id"] for r in traced.requests if r["method"] == "query"], [BOB])

    def test_rpc_sends_the_params_and_prints_the_result(self):
        with self.traced({"anything": lambda params: {"got": params}}):
            code, out, _ = self.run_inspector("rpc", "anything", '{"a":[1,"x"]}', "--json")
            self.fails(2, "must be a JSON object", "rpc", "anything", "[1]")
            self.fails(2, "not JSON", "rpc", "anything", "{")
            self.fails(2, "Method not found", "rpc", "nothing")
        self.assertEqual((code, json.loads(out)), (0, {"got": {"a": [1, "x"]}}))


class Export(InspectorTest):
    ANSWERS = {"query": pages(20), "hello": {"name": "traced", "version": "9"}, "apps": {"apps": [{"app_id": "DMAP"}]}}

    def test_a_document_has_the_events_and_their_context(self):
        with self.traced(self.ANSWERS):
            code, out, _ = self.run_inspector("export", TRACE[:8])
        document = json.loads(out)
        self.assertEqual((code, document["export"], document["trace_id"], document["lost"]), (0, 1, TRACE, 0))
        self.assertEqual([e["sequence"] for e in document["events"]], list(range(20)))
        self.assertEqual([n["name"] for n in document["nodes"]], ["alice", "bob"])  # bob is named as a peer
        self.assertEqual(document["apps"], [{"app_id": "DMAP"}])

    def test_a_file_is_complete_or_as_it_was(self):
        file = os.path.join(self.directory.name, "trace.json")
        with self.traced(self.ANSWERS):
            self.assertEqual(self.run_inspector("export", TRACE, "-o", file), (0, "", ""))
        with open(file) as f:
            before = f.read()
        self.assertEqual(len(json.loads(before)["events"]), 20)
        with self.traced(self.ANSWERS | {"apps": Raw(b"", close=True)}):
            self.fails(1, "went away", "export", TRACE, "-o", file)
        with open(file) as f:
            self.assertEqual(f.read(), before)
        self.assertEqual(sorted(os.listdir(self.directory.name)), ["trace.json", "traced.sock"])

    def test_a_file_that_cannot_be_made_is_reported(self):
        with self.traced(self.ANSWERS):
            self.fails(1, "cannot write /proc/nonexistent/x", "export", TRACE, "-o", "/proc/nonexistent/x")


class Follow(InspectorTest):
    SUBSCRIBE = {"subscribe": {"subscription": 1}}

    def test_count_ends_it(self):
        stream = [notification(event(1), event(2)), notification(event(3), event(4))]
        with self.traced(self.SUBSCRIBE, stream=stream):
            code, out, err = self.run_inspector("follow", "--count", "3", "--json")
        self.assertEqual((code, err), (0, ""))
        self.assertEqual([json.loads(line)["sequence"] for line in out.splitlines()], [1, 2, 3])

    def test_a_long_stream_comes_whole(self):
        lines = [json.dumps(notification(event(i, padding="x" * (i * 37 % 1000)))).encode() + b"\n" for i in range(2000)]
        whole = b"".join(lines)
        chunks = [whole[i:i + 4097] for i in range(0, len(whole), 4097)]
        with self.traced(self.SUBSCRIBE, stream=chunks):
            code, out, err = self.run_inspector("follow", "--count", "2000", "--json")
        self.assertEqual((code, err), (0, ""))
        self.assertEqual([json.loads(line)["sequence"] for line in out.splitlines()], list(range(2000)))

    def test_time_ends_it(self):
        with self.traced(self.SUBSCRIBE, stream=[notification(event(1))]):
            self.assertEqual(self.run_inspector("follow", "--for", "50ms")[0], 0)

    def test_time_ends_it_while_events_keep_coming(self):
        flood = itertools.repeat(b"".join(json.dumps(notification(event(i))).encode() + b"\n" for i in range(200)))
        for time_ms in (300, 3000, 30000):  # where even the beginning takes longer, it shows nothing
            with self.traced(self.SUBSCRIBE, stream=flood):
                code, out, err = self.run_inspector("follow", "--for", f"{time_ms}ms", "--json")
            self.assertEqual((code, err), (0, ""))
            if out:
                return
        self.fail("nothing was shown")

    def test_a_long_line_is_whole_or_absent_when_time_ends_it(self):
        """Longer than what a pipe takes at once (PIPE_BUF), and together more than it holds; nobody reads before the end."""
        for long, count in ((9000, 100), (100000, 10)):
            events = [notification(event(i) | {"text": "x" * long}) for i in range(count)]
            for seconds in (1, 8, 60):  # where even the beginning takes longer, it shows nothing
                with self.traced(self.SUBSCRIBE, stream=events):
                    process = self.start("follow", "--for", f"{seconds}s", "--json")
                    code = process.wait(timeout=seconds + 60)
                    out, err = process.communicate()
                if out:
                    break
            self.assertEqual((code, err), (1, "inspector: cannot write the output: its reader has stopped reading\n"))
            self.assertTrue(out.endswith("\n"), out[-80:])
            for line in out.splitlines():
                self.assertEqual(len(json.loads(line)["text"]), long)

    def test_long_lines_all_arrive_at_a_reader(self):
        events = [notification(event(i) | {"text": "x" * 9000}) for i in range(100)]
        with self.traced(self.SUBSCRIBE, stream=events):
            code, out, err = self.run_inspector("follow", "--for", "60s", "--count", "100", "--json")
        self.assertEqual((code, err, len([json.loads(line) for line in out.splitlines()])), (0, "", 100))

    def test_losses_are_reported(self):
        with self.traced(self.SUBSCRIBE, stream=[notification(event(1), lost=12)]):
            self.assertIn("!! 12 events missed here", self.run_inspector("follow", "--count", "1")[1])
        with self.traced(self.SUBSCRIBE, stream=[notification(event(1), lost=12)]):
            out = self.run_inspector("follow", "--count", "1", "--json")[1]
        self.assertEqual(json.loads(out.splitlines()[0]), {"missed": 12, "why": "slow"})

    def test_with_a_filter_what_was_not_read_may_not_have_matched(self):
        with self.traced(self.SUBSCRIBE, stream=[notification(event(1), lost=12)]):
            self.assertIn("!! at most 12 matching events missed here", self.run_inspector("follow", "--where", "size > 1", "--count", "1")[1])
        with self.traced(self.SUBSCRIBE, stream=[notification(event(1), lost=12)]):
            out = self.run_inspector("follow", "--kind", "metrics", "--count", "1", "--json")[1]
        self.assertEqual(json.loads(out.splitlines()[0]), {"missed": 12, "why": "slow", "at_most": True})

    def test_a_trigger_reports_what_it_missed_after_its_last_window(self):
        with self.traced(self.SUBSCRIBE | {"query": {"events": []}}, stream=[notification(lost=12)], close_after_stream=True):
            code, out, err = self.run_inspector("trigger", "packet_lost", "--wait=0")
        self.assertEqual((code, out), (1, ""))
        self.assertIn("inspector: at most 12 matching events missed because not read fast enough\n", err)

    def test_notifications_before_the_answer_are_not_lost(self):
        early = json.dumps(notification(event(1))).encode() + b"\n"
        answer = Raw(early + b'{"jsonrpc":"2.0","id":2,"result":{"subscription":1}}\n' + early)
        with self.traced({"subscribe": answer}):
            code, out, _ = self.run_inspector("follow", "--count", "2", "--no-header")
        self.assertEqual((code, len(out.splitlines())), (0, 2))

    def test_the_end_of_traced_ends_it_with_a_reason(self):
        with self.traced(self.SUBSCRIBE, stream=[notification(event(1))], close_after_stream=True):
            code, out, err = self.run_inspector("follow", "--no-header", "--wait=0")
        self.assertEqual((code, len(out.splitlines())), (1, 1))
        self.assertIn("went away", err)

    def follow_until_settled(self, lines, *args):
        """Follows until it has shown this many lines and reported the cost of traced's restart; returns what run_inspector
        does."""
        process = self.start("follow", "--json", *args)
        out, err = "".join(process.stdout.readline() for _ in range(lines)), ""
        while "; missed" not in err and (line := process.stderr.readline()):
            err += line
        process.send_signal(signal.SIGINT)
        more, rest = process.communicate()
        return 0 if process.returncode == -signal.SIGINT else process.returncode, out + more, err + rest

    def resumed(self, *streams, args=(), hidden=(), lines=None):
        """Follows a traced that ends after each stream but the last; each (log, lane, sequence) or Loss is an event of alice.
        It ends as args say, or when this many lines are shown and nothing is pending."""
        streams = [[notification(*stream)] for stream in streams]
        logs = {"nodes": [{"node_id": ALICE, "name": "alice", "log": OLD_LOG, "lost_by": {"discarded": 10}}]}

        def subscribe(params):
            if params.get("kind") == "events_lost":
                traced.stream = [notification(*hidden, subscription=2)]
                return {"subscription": 2}
            traced.stream = streams.pop(0)
            traced.close_after_stream = bool(streams)
            return {"subscription": 1}

        with self.traced({"nodes": logs, "subscribe": subscribe, "unsubscribe": True}) as traced:
            code, out, err = self.follow_until_settled(lines, *args) if lines else self.run_inspector("follow", "--json", *args)
        asked = [request["params"] for request in traced.requests if request["method"] == "subscribe"]
        told = []
        for line in map(json.loads, out.splitlines()):
            if "missed" in line:
                told.append((line["why"], line["missed"]))
            elif line["kind"] == "events_lost":
                told.append((line["data"]["cause"], line["data"]["first"], line["data"]["count"]))
            else:
                told.append(line["sequence"])
        return code, told, err, asked

    def test_a_stream_resumes_and_shows_nothing_twice(self):
        code, told, err, asked = self.resumed([logged(1), logged(2)], [logged(0), logged(1), logged(2), logged(3), logged(4)],
                                              [logged(3), logged(4), logged(5)], args=["--count", "5", "--recent", "5"])
        self.assertEqual((code, told), (0, [1, 2, 3, 4, 5]), err)
        self.assertGreaterEqual(err.count("went away"), 2)
        self.assertEqual([params.get("recent") for params in asked], [5, None, None])
        self.assertEqual([params.get("from") for params in asked[1:]], [BASE + 1, BASE + 1])

    def test_its_cost_is_reported(self):
        code, told, err, _ = self.resumed([logged(1)], [loss(0, 9), logged(9), logged(10)], lines=4)
        self.assertEqual((code, told), (0, [1, ("overwritten", 2, 7), 9, 10]))
        self.assertRegex(err, r"(?s)went away.*connected again after \d.\d s; missed 7 events\n")
        code, told, err, _ = self.resumed([logged(1)], [logged(1), logged(2)], lines=2)
        self.assertRegex(err, r"connected again after \d.\d s; missed nothing\n")

    def test_unexplained_gaps_are_reported_as_gone(self):
        self.assertEqual(self.resumed([logged(1)], [logged(50), logged(51)], args=["--count", "3"])[1], [1, ("gone", 48), 50, 51])

    def test_the_numbers_go_round_with_a_restart_between(self):
        end = 2**32
        code, told, _, _ = self.resumed([logged(end - 2), logged(end - 1)], [loss(end - 9, 7), logged(end - 2), logged(end - 1), logged(0)],
                                        [loss(0, end + 2), logged(2)], args=["--count", "5"])
        self.assertEqual((code, told), (0, [end - 2, end - 1, 0, ("overwritten", end + 1, 1), 2]))

    def test_a_second_log_of_a_node_is_another_one(self):
        code, told, _, _ = self.resumed([logged(5), logged(6)], [logged(6), logged(7), logged(0, log=NEW_LOG), logged(1, log=NEW_LOG)],
                                        [logged(7), logged(1, log=NEW_LOG), logged(2, log=NEW_LOG)], args=["--count", "6"])
        self.assertEqual((code, told), (0, [5, 6, 7, 0, 1, 2]))

    def test_events_of_a_new_log_are_missed_from_its_first_one(self):
        code, told, _, _ = self.resumed([logged(5)], [logged(3, log=NEW_LOG), logged(9, lane=3)], args=["--count", "3"])
        self.assertEqual((code, told), (0, [5, ("gone", 3), 3, 9]))

    def test_losses_without_a_place_are_reported_once(self):
        discards = [loss(6, count, "discarded") for count in (4, 14, 3)]
        code, told, _, _ = self.resumed([logged(5), discards[0]], [logged(5), discards[1]], [logged(5), discards[1], discards[2], logged(6)],
                                        args=["--count", "4"])
        self.assertEqual((code, told), (0, [5, ("discarded", 6, 4), ("discarded", 6, 3), 6]))

    def test_a_filter_hides_losses_and_they_are_reported_at_most(self):
        code, told, err, asked = self.resumed([logged(1)], [logged(9)], hidden=[loss(0, 9)], args=["--kind", "packet_sent"], lines=3)
        self.assertEqual([params.get("kind") for params in asked], [["packet_sent"], ["packet_sent"], "events_lost"])
        self.assertEqual(sorted(told, key=str), [("hidden", 7), 1, 9])
        self.assertIn("missed at most 7 events", err)

    def test_it_connects_to_one_that_just_ends_and_again(self):
        asked = []

        def subscribe(_):
            asked.append(1)
            return Raw(b"", close=True) if len(asked) == 2 else {"subscription": 1}

        with self.traced({"subscribe": subscribe}, stream=[notification(event(1))], close_after_stream=True):
            code, out, err = self.run_inspector("follow", "--count", "2", "--no-header")
        self.assertEqual((code, len(out.splitlines()), len(asked)), (0, 2, 3))
        self.assertEqual(err.count("went away"), 1)

    def test_what_was_missed_is_reported_although_the_time_is_over(self):
        asked, over = [], time.monotonic() + 1.5

        def subscribe(_):
            asked.append(1)
            traced.close_after_stream = len(asked) == 1
            while len(asked) == 2 and time.monotonic() < over:
                time.sleep(0.05)
            return {"subscription": 1}

        with self.traced({"subscribe": subscribe}, stream=[notification(event(1))]) as traced:
            code, _, err = self.run_inspector("follow", "--no-header", "--for", "1s")
        self.assertEqual((code, len(asked)), (0, 2), err)
        self.assertRegex(err, r"connected again after \d.\d s; missed ")

    def test_waiting_continues_when_one_dies_with_our_connection_in_its_queue(self):
        process = self.start("follow", "--wait", "--no-header", "--count", "1")
        for _ in range(20):
            if os.path.exists(self.path):
                os.unlink(self.path)
            with socket.socket(socket.AF_UNIX) as dying:
                dying.bind(self.path)
                dying.listen(8)
                select.select([dying], [], [], 1)
        with self.traced(self.SUBSCRIBE, stream=[notification(event(1))]):
            out, err = process.communicate(timeout=60)
        self.assertEqual((process.returncode, len(out.splitlines())), (0, 1), err)

    def test_waiting_ends_with_the_time_or_with_the_wait(self):
        with self.traced(self.SUBSCRIBE, stream=[notification(event(1))]) as traced:
            timed = self.start("follow", "--no-header", "--for", "1500ms")
            waiting = self.start("follow", "--no-header", "--wait=0.1")
            for process in (timed, waiting):
                process.stdout.readline()
            os.unlink(self.path)
            for client in traced.clients:
                client.shutdown(socket.SHUT_RDWR)
            timed_err = timed.communicate(timeout=60)[1]
            waiting_err = waiting.communicate(timeout=60)[1]
        self.assertEqual((timed.returncode, waiting.returncode), (3, 3))
        self.assertRegex(timed_err, "traced at .* did not come back before the end of --for: what happened since")
        self.assertIn("none came in time", waiting_err)

    def test_a_fleet_that_does_not_answer_does_not_keep_it_beyond_its_time(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/p2ptrace"
            process = self.start("follow", "--fleet", url, "--for", "100ms", "--wait=0")
            err = process.communicate(timeout=50)[1]  # without --for, it waits for 60 s
        self.assertEqual(process.returncode, 3)
        self.assertIn("timed out", err.lower())

    def test_events_of_a_batch_are_shown_in_order_of_time(self):
        with self.traced(self.SUBSCRIBE, stream=[notification(event(2), event(3, lane=1), event(1, node_id=BOB))]):
            code, out, _ = self.run_inspector("follow", "--count", "3", "--no-header")
        self.assertEqual((code, [line.split()[-5] for line in out.splitlines()]), (0, ["1", "2", "3"]))

    def test_filters_and_recent_are_sent(self):
        with self.traced(self.SUBSCRIBE, stream=[notification(event(1))]) as traced:
            self.run_inspector("follow", "--count", "1", "--recent", "7", "--kind", "metrics", "--peer", "bob", "--trace", TRACE)
        params = [r["params"] for r in traced.requests if r["method"] == "subscribe"]
        self.assertEqual(params, [{"recent": 7, "log": True, "kind": ["metrics"], "peer_id": "bob", "trace_id": TRACE}])

    def test_the_name_of_a_new_node_is_asked_for(self):
        late = {"nodes": [{"node_id": ALICE, "name": "latecomer"}]}
        asked = []

        def nodes(_):
            asked.append(1)
            return {"nodes": []} if len(asked) == 1 else late

        with self.traced(self.SUBSCRIBE | {"nodes": nodes}) as traced:
            process = self.start("follow", "--for", "60s", "--no-header")
            lines = []
            for i in range(1, 200):
                while not any(r["method"] == "subscribe" for r in traced.requests):
                    threading.Event().wait(0.01)
                traced.clients[0].sendall(json.dumps(notification(event(i))).encode() + b"\n")
                lines.append(process.stdout.readline())
                if "latecomer" in lines[-1]:
                    break
                threading.Event().wait(0.02)
            process.kill()
            process.communicate(timeout=60)
        self.assertIn("latecomer", lines[-1])

    def test_interrupt_works_at_once_and_lines_are_whole(self):
        with self.traced(self.SUBSCRIBE, stream=[notification(event(1), event(2))]):
            process = self.start("follow", "--no-header")
            lines = [process.stdout.readline(), process.stdout.readline()]
            process.send_signal(signal.SIGINT)
            rest, err = process.communicate(timeout=60)
        self.assertEqual((process.returncode, rest, err), (-signal.SIGINT, "", ""))
        self.assertTrue(all(line.endswith("\n") for line in lines))

    def test_an_interrupt_leaves_no_half_of_a_line_in_a_full_pipe(self):
        stream = [notification(*(event(i) for i in range(100)))] * 20
        with self.traced(self.SUBSCRIBE, stream=stream):
            reading, writing = os.pipe()
            process = subprocess.Popen([INSPECTOR, "follow", "--json"], stdout=writing, stderr=subprocess.PIPE, env=self.env)
            while select.select([], [writing], [], 0)[1]:  # until the pipe is full, and the inspector waits for room in it
                threading.Event().wait(0.01)
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(timeout=60), -signal.SIGINT)
            process.stderr.close()
            os.close(writing)
            with os.fdopen(reading, "rb") as pipe:
                lines = pipe.read().splitlines(keepends=True)
        self.assertGreater(len(lines), 100)
        self.assertEqual([json.loads(line)["sequence"] for line in lines[:100]], list(range(100)))
        self.assertTrue(lines[-1].endswith(b"\n"), lines[-1])

    def test_a_reader_that_goes_away_ends_it_quietly(self):
        with self.traced(self.SUBSCRIBE, stream=[notification(event(1))]):
            process = self.start("follow", "--no-header")
            process.stdout.readline()
            process.stdout.close()  # and no further event comes
            self.assertEqual(process.wait(timeout=60), 0)
            self.assertEqual(process.stderr.read(), "")
            process.stderr.close()


class Terminal(InspectorTest):
    def on_terminal(self, *args, columns=60, **env):
        """Runs on a pseudo-terminal; returns what it shows."""
        import fcntl
        import struct
        import termios
        primary, secondary = pty.openpty()
        fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = subprocess.Popen([INSPECTOR, *args], stdout=secondary, stderr=subprocess.PIPE, env=self.env | env)
        os.close(secondary)
        shown = b""
        while True:
            try:
                chunk = os.read(primary, 65536)
            except OSError:
                break
            if not chunk:
                break
            shown += chunk
        process.communicate(timeout=60)
        os.close(primary)
        return shown.decode()

    def test_colours_are_for_terminals_that_want_them(self):
        with self.traced():
            self.assertIn("\x1b[", self.on_terminal("nodes", TERM="xterm"))
            for env in ({"TERM": "xterm", "NO_COLOR": "1"}, {"TERM": "dumb"}, {}):
                self.assertNotIn("\x1b", self.on_terminal("nodes", **env), env)
            self.assertNotIn("\x1b", self.on_terminal("nodes", "--color", "never", TERM="xterm"))
            self.assertNotIn("\x1b", self.run_inspector("nodes")[1])
            self.assertIn("\x1b", self.run_inspector("nodes", "--color=always")[1])

    def test_lines_are_broken_at_a_terminal_and_never_in_a_pipe(self):
        with self.traced({"query": pages(1)}):
            shown = self.on_terminal("recent", columns=40).replace("\r\n", "\n")
            piped = self.run_inspector("recent")[1]
        self.assertLessEqual(max(map(len, shown.splitlines())), 40)
        self.assertGreater(len(piped.splitlines()[1]), 40)
        self.assertIn("packet 0 sent, 1.2 KiB, 1rtt", " ".join(shown.split()))
        self.assertIn("no room for: ", shown)

    def test_an_export_cannot_write_to_the_terminal(self):
        name = "\x9b31m\x1b]0;x\x07\u202e\x7f"
        nodes = {"nodes": [{"node_id": ALICE, "name": name, "state": "live"}]}
        closed = event(0, kind="conn_closed", data={"code": 1, "by_remote": False, "reason": name})
        answer = {"query": {"events": [closed], "total": 1, "evicted": 0}, "nodes": nodes, "hello": {}, "apps": {"apps": []}}
        for more in (("csv",), ("csv", "--fields", "node,reason"), ("tsv", "--fields", "node,reason"), ("chrome",), ("shiviz",), ("qlog",),
                     ("otlp",), ("ndjson",), ("csv", "--follow", "--recent", "1", "--limit", "1")):
            stream = {"subscribe": {"subscription": 1}} if "--follow" in more else {}
            with self.subTest(format=more), self.traced(answer | stream, stream=[notification(closed)] if stream else []):
                shown = self.on_terminal("export", "--format", *more)
                self.assertIn("31m", shown)  # it is there, escaped
                harmful = [character for character in shown if not (" " <= character <= "~" or character in "\r\n\t")]
                self.assertEqual(harmful, [], shown)

    def test_json_is_not_cut_at_a_terminal(self):
        with self.traced({"query": pages(1)}):
            self.assertEqual(json.loads(self.on_terminal("recent", "--json", columns=40)), event(0))


class Usage(InspectorTest):
    def test_wrong_usage_is_reported_before_anything_is_asked(self):
        for args, reason in [([], "a command is missing"), (["trase", "x"], "did you mean trace?"), (["zzzzzzzzzzzz"], "see inspector help"),
                             (["trace"], "usage: inspector trace ID"), (["nodes", "x"], "usage: inspector nodes; see"), (["bogus"], "no command bogus; see"),
                             (["stats", "--limit", "3"], "takes no --limit"), (["recent", "--limt", "3"], "unknown option --limt; did you mean --limit?"),
                             (["recent", "-x"], "unknown option -x"), (["traces", "--limit"], "--limit needs a value: N"),
                             (["traces", "--limit", "-3"], "a whole number"), (["recent", "many"], "a whole number"),
                             (["follow", "--for", "fast"], "a duration"), (["nodes", "--color", "pink"], "auto, always or never"),
                             (["nodes", "--json=maybe"], "takes no value, or yes or no"), (["recent", "--form", "5s"], "did you mean --for?"),
                             (["traces", "--order", "newst"], "did you mean newest?"), (["nodes", "--format", "cvs"], "did you mean csv?"),
                             (["nodes", "--fields", "nmae"], "there is no field nmae; did you mean name?"),
                             (["recent", "--fields", "packet_sent.sise"], "there is no field"), (["recent", "--fields", "sise"], "did you mean size?"),
                             (["nodes", "--json", "--format", "csv"], "either --json or --format csv"),
                             (["range"], "usage: inspector range"), (["range", "-5s", "--since", "-1s"], "give one of them"),
                             (["recent", "5", "-n", "6"], "give one of them"), (["export", "--format", "jsn"], "did you mean json?"), (["nodes", "--wait=soon"], "a number of seconds"),
                             (["help", "trase"], "did you mean trace?"), (["a"] * 65, "too many arguments")]:
            with self.subTest(args=args):
                if args and args[0] in ("recent", "range", "export"):
                    with self.traced():
                        self.fails(2, reason, *args)
                else:
                    self.fails(2, reason, *args)

    def test_an_output_that_is_closed_is_reported(self):
        with self.traced():
            done = subprocess.run(["sh", "-c", 'exec "$0" "$@" >&-', INSPECTOR, "nodes", "--socket", self.path], stdin=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(done.stderr, "inspector: cannot write the output: Bad file descriptor\n")

    def test_help_and_version_need_no_traced(self):
        code, out, err = self.run_inspector("help")
        self.assertEqual((code, err), (0, ""))
        for command in "nodes peers traces trace peer recent range follow stats apps rpc export".split():
            self.assertIn(f"\n  {command} ", out)
            code, text, err = self.run_inspector("help", command)
            self.assertEqual((code, err), (0, ""))
            self.assertTrue(text.startswith(f"usage: inspector {command}"))
            self.assertEqual(self.run_inspector(command, "--help")[1], text)
        self.assertEqual(self.run_inspector("--help")[1], out)
        self.assertRegex(self.run_inspector("--version")[1], r"^inspector \d+\.\d+\.\d+\n$")

    def test_an_output_that_cannot_be_written_is_reported(self):
        with self.traced(), open("/dev/full", "w") as full:
            process = subprocess.run([INSPECTOR, "nodes"], stdout=full, stderr=subprocess.PIPE, text=True, env=self.env, check=False)
        self.assertEqual(process.returncode, 1)
        self.assertIn("cannot write", process.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
