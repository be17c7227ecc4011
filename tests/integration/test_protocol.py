#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""docs/protocol.md against a real traced and real nodes: lines, errors, and what the methods answer."""
import json
import os
import signal
import socket
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Connection, ProtocolTest, hex_id, until  # noqa: E402

ALICE, BOB, CAROL = hex_id(0xAA), "ab" + hex_id(0xBB)[2:], hex_id(0xCC)
TRACE_1, TRACE_2 = "11" * 16, "12" * 16


class Framing(ProtocolTest):
    """Lines, batches, and errors in them."""

    def setUp(self):
        super().setUp()
        self.client = self.start()

    def exchange(self, data):
        self.client.send_raw(data)
        return self.client.read_line()

    def error(self, data):
        reply = self.exchange(data)
        self.assertEqual(reply["jsonrpc"], "2.0")
        self.assertNotIn("result", reply)
        return reply

    def alive(self):
        self.assertEqual(self.client.call("hello")["name"], "traced")

    def test_hello_reports_the_server_and_its_limits(self):
        hello = self.client.call("hello")
        self.assertEqual(hello["protocol"], 1)
        self.assertEqual(hello["pid"], self.place.traced.pid)
        self.assertEqual(hello["limits"], {"line_bytes": 65536, "batch": 64, "clients": 1024, "subscriptions": 16, "events": 10000})

    def test_invalid_json_is_a_parse_error_with_its_position(self):
        for text in (b"nonsense", b"{\"jsonrpc\":", b"", b"{}x", b"\"\xff\"", b"{\"a\":1,\"a\":2}", b"\x00", b"\"\xed\xa0\x80\""):
            reply = self.error(text + b"\n")
            self.assertIsNone(reply["id"])
            self.assertEqual(reply["error"]["code"], -32700, text)
            self.assertIsInstance(reply["error"]["data"]["position"], int)
        self.alive()

    def test_json_that_is_not_a_request_is_invalid(self):
        for text in ("1", "\"x\"", "{}", "[]", "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"hello\"}",
                     "{\"jsonrpc\":\"2.0\",\"id\":1}", "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"hello\"}",
                     "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}"):
            self.assertEqual(self.error(text.encode() + b"\n")["error"]["code"], -32600, text)
        self.alive()

    def test_an_unknown_method_gets_the_list_of_methods(self):
        error = self.client.fail("frobnicate")
        self.assertEqual(error["code"], -32601)
        self.assertEqual(sorted(error["data"]["methods"]), ["apps", "control", "count", "hello", "nodes", "peers", "query", "requests", "stats",
                                                            "subscribe", "traces", "unsubscribe", "who"])

    def test_params_are_checked_by_name_type_and_range(self):
        cases = [
            ("query", {"colour": 1}, "colour"), ("query", {"limit": "5"}, "limit"), ("query", {"limit": 0}, "limit"),
            ("query", {"limit": 10001}, "limit"), ("query", {"limit": 1.5}, "limit"), ("query", {"trace_id": 5}, "trace_id"),
            ("query", {"trace_id": ""}, "trace_id"), ("query", {"trace_id": "xyz"}, "trace_id"),
            ("query", {"trace_id": "0" * 33}, "trace_id"), ("query", {"kind": "nonsense"}, "kind"), ("query", {"kind": []}, "kind"),
            ("query", {"kind": ["metrics", 5]}, "kind"), ("query", {"from": "yesterday"}, "from"), ("query", {"to": -1}, "to"),
            ("query", {"from": True}, "from"), ("query", {"order": "up"}, "order"), ("query", {"cursor": "00"}, "cursor"),
            ("query", {"cursor": "0" * 360}, "cursor"), ("query", {"explain": 1}, "explain"), ("query", {"total": "yes"}, "total"), ("traces", {"limit": -1}, "limit"), ("traces", {"app": "TOOLONG"}, "app"),
            ("traces", {"from": "-5"}, "from"), ("peers", {"peer": "x"}, "peer"), ("hello", {"a": 1}, "a"), ("stats", {"b": 1}, "b"),
            ("nodes", {"c": 1}, "c"), ("apps", {"d": 1}, "d"), ("who", {"d": 1}, "d"),
            ("control", {"kinds": "packets"}, "kinds"), ("control", {"kinds": ["packet_sent", "events_lost"]}, "kinds"),
            ("control", {"kinds": []}, "kinds"), ("control", {"kinds": ["all"]}, "kinds"), ("control", {"sample": 0}, "sample"),
            ("control", {"sample": 1.5}, "sample"), ("control", {"sample": "1/2"}, "sample"), ("control", {"reset": 1}, "reset"),
            ("control", {"node": "a"}, "node"), ("subscribe", {"from": 1, "recent": 1}, "from"), ("subscribe", {"to": 1}, "to"), ("subscribe", {"log": 1}, "log"),
            ("subscribe", {"recent": -1}, "recent"), ("subscribe", {"node_id": "n" * 32}, "node_id"), ("unsubscribe", {}, "subscription"),
            ("unsubscribe", {"subscription": "1"}, "subscription"),
        ]
        for method, params, name in cases:
            reply = self.exchange(json.dumps({"jsonrpc": "2.0", "id": 9, "method": method, "params": params}).encode() + b"\n")
            self.assertEqual(reply.get("error", {}).get("code"), -32602, (method, params, reply))
            self.assertEqual(reply["error"]["data"]["param"], name)
            self.assertIn(name, reply["error"]["message"])
        positional = self.error(b'{"jsonrpc":"2.0","id":9,"method":"query","params":[1]}\n')
        self.assertEqual((positional["error"]["code"], positional["id"]), (-32602, 9))
        self.assertEqual(self.client.call("stats")["clients"]["subscriptions"], 0)

    def test_an_id_comes_back_as_it_was(self):
        for given in ("7", "\"seven\"", "null", "-1", "1.5"):
            reply = self.exchange(b'{"jsonrpc":"2.0","id":%s,"method":"hello"}\n' % given.encode())
            self.assertEqual(reply["id"], json.loads(given))

    def test_a_notification_is_not_answered(self):
        self.client.send_raw(b'{"jsonrpc":"2.0","method":"hello"}\n{"jsonrpc":"2.0","method":"nonsense"}\n'
                             b'{"jsonrpc":"2.0","method":"query","params":{"x":1}}\n{"jsonrpc":"2.0","method":"query"}\n')
        self.alive()
        clients = self.client.call("stats")["clients"]
        self.assertEqual((clients["requests"], clients["errors"]), (6, 2))
        # It leaves nothing in the answer of a batch, either.
        reply = self.exchange(b'[{"jsonrpc":"2.0","method":"nonsense"},{"jsonrpc":"2.0","id":2,"method":"query"},'
                              b'{"jsonrpc":"2.0","method":"query"},{"jsonrpc":"2.0","id":4,"method":"hello"}]\n')
        self.assertEqual([one["id"] for one in reply], [2, 4])

    def test_a_batch_is_answered_in_order_in_one_line(self):
        batch = [{"jsonrpc": "2.0", "id": i, "method": ("hello", "query", "nodes", "bogus")[i % 4]} for i in range(64)]
        batch[10].pop("id")
        reply = self.exchange(json.dumps(batch).encode() + b"\n")
        self.assertEqual([one["id"] for one in reply], [i for i in range(64) if i != 10])
        self.assertEqual(reply[1]["result"]["events"], [])
        self.assertEqual(reply[3]["error"]["code"], -32601)
        reply = self.exchange(b'[1,{"jsonrpc":"2.0","id":5,"method":"hello"},{}]\n')
        self.assertEqual([one.get("error", {}).get("code") for one in reply], [-32600, None, -32600])
        self.client.send_raw(b'[{"jsonrpc":"2.0","method":"hello"},{"jsonrpc":"2.0","method":"query"}]\n')
        too_many = json.dumps([{"jsonrpc": "2.0", "id": 1, "method": "hello"}] * 65).encode() + b"\n"
        self.assertEqual(self.error(too_many)["error"]["code"], -32600)
        self.alive()

    def test_lines_may_come_in_pieces_or_many_at_once(self):
        request = b'{"jsonrpc":"2.0","id":%d,"method":"%s"}\n'
        for byte in request % (1, b"hello"):
            self.client.send_raw(bytes([byte]))
        self.assertEqual(self.client.read_line()["id"], 1)
        count = 2000
        self.client.send_raw(b"".join(request % (i, (b"hello", b"query", b"nodes")[i % 3]) for i in range(count)))
        self.assertEqual([self.client.read_line()["id"] for _ in range(count)], list(range(count)))

    def test_a_line_of_the_full_length_is_served_and_a_longer_one_skipped(self):
        request = b'{"jsonrpc":"2.0","id":1,"method":"hello"}'
        self.assertEqual(self.exchange(request + b" " * (65536 - len(request)) + b"\n")["id"], 1)
        self.client.send_raw(request + b" " * (65536 - len(request)))
        other = self.place.connect()
        for _ in range(3):  # by then the loop has read everything before it
            other.call("hello")
        self.assertEqual(self.exchange(b"\n")["id"], 1)
        reply = self.error(request + b" " * (65537 - len(request)) + b"\n")
        self.assertEqual((reply["id"], reply["error"]["code"]), (None, -32600))
        self.assertEqual(reply["error"]["data"]["limit"], 65536)
        self.client.send_raw(b"x" * 1000000)
        self.assertEqual(self.client.read_line()["error"]["code"], -32600)
        self.client.send_raw(b"y" * 1000000 + b'\n{"jsonrpc":"2.0","id":2,"method":"hello"}\n')
        self.assertEqual(self.client.read_line()["id"], 2)
        self.assertEqual(self.client.call("stats")["limits"]["line_bytes"], 2)

    def test_the_end_of_the_stream_ends_the_last_line(self):
        self.client.send_raw(b'{"jsonrpc":"2.0","id":1,"method":"query"}\n{"jsonrpc":"2.0","id":2,"method":"hello"}')
        self.client.socket.shutdown(socket.SHUT_WR)
        self.assertEqual(self.client.read_line()["id"], 1)
        self.assertEqual(self.client.read_line()["id"], 2)
        self.assertIsNone(self.client.read_line())

    def test_clients_that_vanish_leave_nothing_behind(self):
        for i in range(60):
            other = Connection(self.place.path)
            other.send_raw(b'{"jsonrpc":"2.0","id":1,"method":"traces"}\n' * 5 + b'{"jsonrpc":"2.0","id":1,"method":"subscribe","params":'
                           b'{"recent":100}}\n[{"jsonrpc":"2.0","id":1,"method":"query"}' + (b"", b"]\n")[i % 2])
            if i % 3 == 0:
                other.read_line()
            other.close()
        until(lambda: self.client.call("stats")["clients"]["connected"] == 1, "the others to be gone")
        self.assertEqual(self.client.call("stats")["clients"]["subscriptions"], 0)

    def test_stats_count_the_actions_of_clients(self):
        before = self.client.call("stats")["clients"]
        self.client.fail("bogus")
        self.client.call("hello")
        after = self.client.call("stats")["clients"]
        self.assertEqual(after["requests"] - before["requests"], 3)
        self.assertEqual(after["errors"] - before["errors"], 1)
        stats = self.client.call("stats")
        self.assertGreater(stats["process"]["resident_bytes"], 1 << 20)
        self.assertGreater(stats["uptime_s"], 0)
        self.assertIsNone(stats["history"]["first"])
        self.assertEqual(stats["history"]["bytes_max"], 64 << 20)


class Methods(ProtocolTest):
    """What nodes emitted, as the methods report it."""

    def setUp(self):
        super().setUp()
        self.client = self.start()
        self.alice = self.place.node("alice", ALICE)
        self.alice.do("app")
        self.alice.do("packets", 10, TRACE_1, BOB)
        self.alice.do("metrics", 2000000, 1500000, BOB)
        self.alice.do("start", TRACE_1, "a1", "0", 2)
        self.alice.do("command", TRACE_1, "a1", 2, "chunk-77")
        self.bob = self.place.node("bob", BOB)
        self.bob.do("packets", 5, TRACE_2, ALICE)
        self.bob.do("custom", "hello")
        self.alice.do("end", TRACE_1, "a1", 2, 1)
        self.total = 20
        self.place.settle(self.client, self.total)

    def events(self, **params):
        return self.client.call("query", **params)["events"]

    def test_nodes_account_for_every_event(self):
        alice, bob = self.client.call("nodes")["nodes"]
        self.assertEqual((alice["name"], alice["node_id"], alice["state"]), ("alice", ALICE, "live"))
        self.assertEqual((alice["emitted"], alice["indexed"], alice["lost"]), (14, 14, 0))
        self.assertEqual((alice["pid"], alice["apps"], alice["reason"]), (self.alice.process.pid, ["DMAP"], None))
        self.assertEqual((bob["name"], bob["emitted"], bob["indexed"]), ("bob", 6, 6))
        self.alice.close()
        self.bob.kill()

        def states():
            nodes = self.client.call("nodes")["nodes"]
            return nodes if [node["state"] for node in nodes] == ["exited", "crashed"] else None
        for node in until(states, "both to be gone"):
            self.assertEqual(node["emitted"], node["indexed"] + node["lost"])

    def test_peers_sum_up_their_events(self):
        peers = self.client.call("peers")["peers"]
        self.assertEqual([(peer["peer_id"], peer["name"], peer["events"]) for peer in peers], [(BOB, "bob", 11), (ALICE, "alice", 5)])
        self.assertEqual((peers[0]["packets_sent"], peers[0]["bytes_sent"], peers[0]["packets_lost"]), (10, 12000, 0))
        self.assertEqual((peers[0]["rtt"], peers[0]["min_rtt"], peers[0]["nodes"]), (2000000, 1500000, [ALICE]))
        self.assertIsNone(peers[1]["rtt"])
        self.assertEqual([peer["peer_id"] for peer in self.client.call("peers", node_id="bob")["peers"]], [ALICE])

    def test_traces_show_outcome_and_command(self):
        reply = self.client.call("traces")
        self.assertEqual(reply["total"], 2)
        first, second = reply["traces"]
        self.assertEqual((first["trace_id"], first["outcome"], first["app_id"], first["app"], first["command"]),
                         (TRACE_1, "ok", "DMAP", "DataMap", "GET_CHUNK"))
        self.assertEqual((first["events"], first["nodes"], first["peers"], first["truncated"]), (13, [ALICE], [BOB], False))
        self.assertEqual((second["trace_id"], second["outcome"], second["app"]), (TRACE_2, "none", None))
        limited = self.client.call("traces", limit=1)
        self.assertEqual((len(limited["traces"]), limited["total"]), (1, 2))
        self.assertEqual([trace["trace_id"] for trace in self.client.call("traces", app="DMAP")["traces"]], [TRACE_1])
        self.assertEqual(self.client.call("traces", app="NOPE"), {"traces": [], "total": 0})
        self.assertEqual(self.client.call("traces", to=0)["traces"], [])
        self.assertEqual(self.client.call("traces", **{"from": "-1h"})["total"], 2)

    def test_apps_are_listed_once(self):
        self.bob.do("app")
        until(lambda: self.client.call("nodes")["nodes"][1]["apps"] == ["DMAP"], "bob's registration")
        self.assertEqual(self.client.call("apps")["apps"], [{
            "app_id": "DMAP", "name": "DataMap", "commands": [{"cmd": 1, "name": "STORE_CHUNK"}, {"cmd": 2, "name": "GET_CHUNK"}],
            "fields": [{"name": "key", "type": "text", "offset": 0, "bytes": 8}]}])

    def test_query_combines_its_conditions(self):
        self.assertEqual(len(self.events()), self.total)
        times = [(event["timestamp"], event["ns"]) for event in self.events()]
        self.assertEqual(times, sorted(times))
        self.assertEqual(len(self.events(trace_id=TRACE_1)), 13)
        self.assertEqual(len(self.events(trace_id=TRACE_1, kind="packet_sent", peer_id="bob", node_id="alice")), 10)
        self.assertEqual(len(self.events(kind=["app_start", "app_end"])), 2)
        self.assertEqual(len(self.events(kind="unknown")), 0)
        self.assertEqual(len(self.events(node_id="bob", trace_id=TRACE_1)), 0)
        newest = self.events(order="desc", limit=3)
        self.assertEqual(newest, self.events()[:-4:-1])
        middle = self.events()[7]
        after = self.events(**{"from": middle["timestamp"] + 1})
        self.assertTrue(all(event["timestamp"] > middle["timestamp"] for event in after))
        before = self.events(to=middle["timestamp"])
        self.assertTrue(all(event["timestamp"] < middle["timestamp"] for event in before))
        same = [event for event in self.events() if event["timestamp"] == middle["timestamp"]]
        self.assertEqual(len(before) + len(same) + len(after), self.total)
        command = self.events(kind="app_command")[0]
        self.assertEqual((command["app"], command["command"], command["fields"]), ("DataMap", "GET_CHUNK", {"key": "chunk-77"}))

    def test_a_query_takes_the_narrowest_index_and_says_so(self):
        self.alice.do("packets", 20000, TRACE_2, BOB)
        self.place.settle(self.client, self.total + 20000)
        trace, peer, recent = {"trace_id": TRACE_1}, {"peer_id": ALICE}, {"from": "-1h"}
        kind, node = {"kind": "custom"}, {"node_id": "bob"}
        block = 256
        for conditions, index, examined_max in (
                (trace | peer | recent | kind | node, "trace", 13), (trace, "trace", 13), (peer | recent | kind | node, "peer", 5),
                (recent | kind | node, "time", block), (kind | node, "kind", block), (kind, "kind", block), (node, "node", block),
                (recent, "time", 20020), ({}, "scan", 20020)):
            with self.subTest(conditions=conditions):
                answer = self.client.call("query", explain=True, limit=10000, **conditions)
                self.assertEqual(answer["explain"]["index"], index)
                self.assertLessEqual(answer["explain"]["examined"], examined_max)
                self.assertGreaterEqual(answer["explain"]["examined"], len(answer["events"]))
        for conditions in ({}, {"explain": False}):
            self.assertNotIn("explain", self.client.call("query", **conditions))

    def test_pages_give_each_event_once(self):
        whole = self.events()
        for order in ("asc", "desc"):
            pages, params = [], {"limit": 3, "order": order, "from": "-1h"}
            page = self.client.call("query", **params)
            while True:
                pages += page["events"]
                if page["cursor"] is None:
                    break
                self.alice.do("packets", 2)  # the events after the first page are not in it
                self.total += 2
                page = self.client.call("query", cursor=page["cursor"], **params)
            self.assertEqual(pages, whole if order == "asc" else whole[::-1])
            self.place.settle(self.client, self.total)
            whole = self.events()

    def pages(self, **params):
        page = {"cursor": None}
        while page["cursor"] is not None or "events" not in page:
            page = self.client.call("query", **params, **({"cursor": page["cursor"]} if page["cursor"] else {}))
            yield page

    def emit(self, count):
        for _ in range(count // 30000):
            self.alice.do("packets", 30000, TRACE_1, BOB)
            self.total += 30000
            self.place.settle(self.client, self.total)

    def test_evictions_between_two_pages_are_reported(self):
        questions = ({"trace_id": TRACE_1}, {"peer_id": BOB, "kind": "packet_sent"}, {"from": "-1h"}, {"order": "desc"},
                     {"filter": "kind == packet_sent", "total": True}, {"filter": "size > 0"}, {"kind": "packet_sent", "total": True}, {"node_id": ALICE, "order": "desc", "total": True}, {"kind": "packet_sent"})
        self.assertEqual(self.client.call("query", limit=2, total=True, trace_id=TRACE_2)["total"], 5)
        self.emit(60000)
        there = [sum(len(page["events"]) for page in self.pages(limit=10000, **question)) for question in questions]
        firsts = [self.client.call("query", limit=1000, **question) for question in questions]
        self.assertEqual([first["evicted"] for first in firsts], [0] * len(questions))
        self.emit(90000)
        self.assertGreater(self.client.call("stats")["history"]["evicted"], 0)
        for number, (question, first, count) in enumerate(zip(questions, firsts, there)):
            page, given, evicted = first, len(first["events"]), []
            while page["cursor"] is not None:
                if number == 0 and len(evicted) == 3:
                    self.emit(90000)  # all events of these queries have been evicted
                page = self.client.call("query", limit=1000, cursor=page["cursor"], **question)
                self.assertEqual(page.get("total"), count if "total" in question else None)
                given += len(page["events"])
                evicted.append(page["evicted"])
            if question in ({"kind": "packet_sent"}, {"filter": "size > 0"}):
                self.assertEqual((page["events"], evicted), ([], [None]))
            else:
                self.assertEqual(given + sum(evicted), count, question)

    def test_a_cursor_belongs_to_its_query_and_its_traced(self):
        cursor = self.client.call("query", limit=3, trace_id="11")["cursor"]
        self.client.call("query", limit=3, trace_id="11", cursor=cursor)
        for params in ({"limit": 4, "trace_id": "11"}, {"limit": 3}, {"limit": 3, "trace_id": TRACE_1}):
            error = self.client.fail("query", cursor=cursor, **params)
            self.assertEqual((error["code"], error["data"]["param"]), (-32602, "cursor"))
        flipped = cursor[:40] + ("0" if cursor[40] != "0" else "1") + cursor[41:]
        self.assertEqual(self.client.fail("query", limit=3, trace_id="11", cursor=flipped)["code"], -32602)
        # A prefix that has become ambiguous still means the same as on the first page.
        self.alice.do("packets", 1, "1177" + "0" * 28)
        until(lambda: self.client.ask("query", trace_id="11").get("error"), "the prefix to be ambiguous")
        rest = []
        while cursor is not None:
            page = self.client.call("query", limit=3, trace_id="11", cursor=cursor)
            rest, cursor = rest + page["events"], page["cursor"]
        self.assertEqual([event["trace_id"] for event in rest], [TRACE_1] * 10)

    def test_ids_may_be_given_by_prefix_and_nodes_by_name(self):
        self.assertEqual(len(self.events(trace_id="11")), 13)
        self.assertEqual(len(self.events(trace_id="12")), 5)
        self.assertEqual(len(self.events(node_id="aa")), 14)
        self.assertEqual(len(self.events(node_id=BOB)), 6)
        self.assertEqual(len(self.events(peer_id="abb")), 11)
        error = self.client.fail("query", trace_id="1")
        self.assertEqual((error["code"], sorted(error["data"]["candidates"])), (-32002, [TRACE_1, TRACE_2]))
        for param in ("node_id", "peer_id"):
            error = self.client.fail("query", **{param: "a"})
            self.assertEqual((error["code"], sorted(error["data"]["candidates"])), (-32002, [ALICE, BOB]))
        for params in ({"trace_id": "13"}, {"trace_id": "1" * 31 + "2"}, {"node_id": "carol"}, {"node_id": CAROL}, {"peer_id": "carol"},
                       {"peer_id": CAROL}):
            self.assertEqual(self.client.fail("query", **params)["code"], -32001, params)
        self.assertEqual(self.client.fail("peers", node_id="carol")["code"], -32001)

    def test_a_name_selects_the_events_of_all_nodes_that_have_had_it(self):
        """Live or not: as in a filter.  A node that is to do something must be one."""
        carol = self.place.node("alice", CAROL)
        carol.do("packets", 4, TRACE_2, BOB)
        self.bob.do("packets", 2, TRACE_2, CAROL)
        self.place.settle(self.client, self.total + 6)
        states = lambda: [node["state"] for node in self.client.call("nodes")["nodes"] if node["name"] == "alice"]

        def pages(**params):
            events, cursor = [], None
            while True:
                page = self.client.call("query", limit=5, **params, **({"cursor": cursor} if cursor else {}))
                events, cursor = events + page["events"], page["cursor"]
                if not cursor:
                    return events

        def compare():
            for param, name in (("node_id", "node"), ("peer_id", "peer")):
                events = self.events(filter=f"{name} == alice")
                self.assertEqual({event[param] for event in events}, {ALICE, CAROL})
                self.assertEqual(self.events(**{param: "alice"}), events)
                self.assertEqual(pages(**{param: "alice"}), events)
                self.assertEqual(self.client.call("count", **{param: "alice"})["events"], len(events))
            self.assertEqual(self.client.call("peers", node_id="alice")["peers"][0]["nodes"], [ALICE, CAROL])

        compare()
        error = self.client.fail("control", node_id="alice")
        self.assertEqual((error["code"], sorted(error["data"]["candidates"])), (-32002, [ALICE, CAROL]))
        self.alice.close()
        until(lambda: sorted(states()) == ["exited", "live"], "the end of the first alice")
        compare()
        self.assertEqual([node["node_id"] for node in self.client.call("control", node_id="alice")["nodes"]], [CAROL])
        carol.kill()
        until(lambda: sorted(states()) == ["crashed", "exited"], "the end of the second alice")
        compare()
        self.assertEqual(self.client.fail("control", node_id="alice")["code"], -32002)

    def test_a_node_that_was_started_again_is_one_node(self):
        self.alice.close()
        again = self.place.node("alice", ALICE)
        again.do("packets", 4, TRACE_1)
        self.place.settle(self.client, self.total + 4)
        self.assertEqual(len(self.events(node_id="alice")), 18)
        self.assertEqual(self.client.call("traces", limit=1)["traces"][0]["nodes"], [ALICE])

    def test_an_answer_has_a_limit_and_says_so(self):
        for _ in range(3):
            self.alice.do("packets", 4000, TRACE_1, BOB)
        self.place.settle(self.client, self.total + 12000)
        batch = [{"jsonrpc": "2.0", "id": i, "method": "query", "params": {"limit": 10000}} for i in range(20)]
        self.client.send_raw(json.dumps(batch).encode() + b"\n")
        replies = self.client.read_line()
        self.assertEqual([reply["id"] for reply in replies], list(range(20)))
        served = [reply for reply in replies if "result" in reply]
        refused = [reply["error"] for reply in replies if "error" in reply]
        self.assertTrue(served and refused)
        self.assertTrue(all(len(reply["result"]["events"]) == 10000 for reply in served))
        self.assertTrue(all(error["code"] == -32003 and error["data"]["limit"] == 32 << 20 for error in refused))
        self.assertEqual(self.client.call("stats")["limits"]["answer_bytes"], len(refused))


class Gaps(ProtocolTest):
    def test_losses_are_reported_with_the_answer_they_belong_to(self):
        early = self.place.node("early", ALICE)
        early.do("packets", 100000, TRACE_1)  # more than a lane holds, and nobody reads
        late = self.place.node("late", BOB)
        late.do("packets", 10, TRACE_2)
        client = self.start()
        until(lambda: len([n for n in client.call("nodes")["nodes"] if n["emitted"] and n["emitted"] == n["indexed"] + n["lost"]]) == 2,
              "both to be read")
        node = client.call("nodes")["nodes"][0]
        self.assertEqual((node["name"], node["emitted"]), ("early", 100000))
        self.assertGreaterEqual(node["lost"], 100000 - 65536)
        answer = client.call("query", trace_id=TRACE_1, limit=10)
        self.assertEqual(answer["lost"], node["lost"])
        self.assertEqual([gap["data"]["count"] for gap in answer["gaps"]], [node["lost"]])
        self.assertEqual(answer["gaps"][0]["kind"], "events_lost")
        # Reported once, not on each page; and not to a query about another node.
        again = client.call("query", trace_id=TRACE_1, limit=10, cursor=answer["cursor"])
        self.assertEqual((again["lost"], again["gaps"]), (0, []))
        other = client.call("query", trace_id=TRACE_2)
        self.assertEqual((len(other["events"]), other["lost"], other["gaps"]), (10, 0, []))
        self.assertEqual(client.call("query", node_id="early", order="desc", limit=5)["lost"], 0)

    def test_a_gap_between_two_pages_is_reported_once(self):
        client = self.start("--history", "128M")
        alice = self.place.node("alice", ALICE)
        alice.do("packets", 10, TRACE_1)
        self.place.settle(client, 10)
        self.place.hold()
        alice.do("packets", 100000, TRACE_2)
        alice.do("packets", 10, TRACE_1)
        alice.do("packets", 5, "77" * 16)
        self.place.traced.send_signal(signal.SIGCONT)
        until(lambda: client.call("nodes")["nodes"][0]["indexed"] + client.call("nodes")["nodes"][0]["lost"] == 100025, "all to be read")
        lost = client.call("nodes")["nodes"][0]["lost"]
        self.assertGreater(lost, 0)
        for order in ("asc", "desc"):
            params = {"trace_id": TRACE_1, "limit": 10, "order": order}
            first = client.call("query", **params)
            second = client.call("query", cursor=first["cursor"], **params)
            self.assertEqual([len(first["events"]), len(second["events"]), second["cursor"]], [10, 10, None])
            self.assertEqual((first["lost"], second["lost"]), (0, lost))
        # A loss before the first event of an answer is not a gap in it, unless the query begins earlier.
        self.assertEqual(client.call("query", trace_id="77")["lost"], 0)
        self.assertEqual(client.call("query", trace_id="77", **{"from": "-1h"})["lost"], lost)
        self.assertEqual(client.call("query", node_id="alice", kind="custom", **{"from": "-1h", "to": "-0s"})["lost"], lost)
        # A few events, but more than one gap to look for: the query begins as a small one, and is not.
        self.place.hold()
        alice.do("packets", 100000, TRACE_2)
        self.place.traced.send_signal(signal.SIGCONT)
        until(lambda: client.call("nodes")["nodes"][0]["indexed"] + client.call("nodes")["nodes"][0]["lost"] == 200025, "all to be read")
        few = client.call("query", trace_id="77" * 16, **{"from": "-1h", "to": "-0s"})
        self.assertEqual((len(few["events"]), len(few["gaps"]), few["lost"]), (5, 2, client.call("nodes")["nodes"][0]["lost"]))


if __name__ == "__main__":
    unittest.main(verbosity=2)
