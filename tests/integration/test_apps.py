#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Commands and fields of any application by name, even when its node is gone.  Real traced, real nodes, the real inspector."""
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import ProtocolTest, hex_id, until  # noqa: E402

ALICE, BOB = hex_id(0xAA), hex_id(0xBB)
TRACE_1, TRACE_2 = "11" * 16, "12" * 16
UNSIGNED, BYTES, TEXT = 1, 2, 4
SPAN = "0123456789abcdef"


class Applications(ProtocolTest):
    def request(self, node, trace, cmd, data):
        """One request: its start, a command with data, its end."""
        node.do("start", trace, SPAN, 0, cmd)
        node.do("command", trace, SPAN, cmd, data)
        node.do("end", trace, SPAN, cmd, 1)

    def seen(self, client, node):
        """Kind, app, command and fields of a node's events."""
        events = client.call("query", node_id=node)["events"]
        return [(event["kind"], event.get("app"), event.get("command"), event.get("fields")) for event in events]

    def inspect(self, *words):
        done = subprocess.run([os.environ["INSPECTOR"], *words], env=self.place.environment, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def two_nodes_that_disagree(self):
        """alice and bob describe the same id, and the same number, differently."""
        alice, bob = self.place.node("alice", ALICE), self.place.node("bob", BOB)
        alice.do("app", "DataMap", 1, "STORE", "key", TEXT, 4)
        bob.do("app", "DirMap", 1, "DELETE", "count", UNSIGNED, 2)
        self.request(alice, TRACE_1, 1, "AB")
        self.request(alice, TRACE_1, 1, "ABCDE")
        self.request(bob, TRACE_2, 1, "AB")
        return alice, bob

    def expect_each_by_its_own(self, client):
        ends = [("app_start", "DataMap", "STORE", None), ("app_end", "DataMap", "STORE", None)]
        self.assertEqual(self.seen(client, ALICE), [
            ends[0], ("app_command", "DataMap", "STORE", {}), ends[1],  # the event has fewer bytes than the field
            ends[0], ("app_command", "DataMap", "STORE", {"key": "ABCD"}), ends[1]])
        count = int.from_bytes(b"AB", sys.byteorder)
        self.assertEqual(self.seen(client, BOB), [("app_start", "DirMap", "DELETE", None),
                                                  ("app_command", "DirMap", "DELETE", {"count": count}),
                                                  ("app_end", "DirMap", "DELETE", None)])
        traces = {row["trace_id"]: row for row in client.call("traces")["traces"]}
        self.assertEqual([(traces[t]["app_id"], traces[t]["app"], traces[t]["cmd"], traces[t]["command"]) for t in (TRACE_1, TRACE_2)],
                         [("DMAP", "DataMap", 1, "STORE"), ("DMAP", "DirMap", 1, "DELETE")])
        self.assertEqual([(app["app_id"], app["name"]) for app in client.call("apps")["apps"]], [("DMAP", "DataMap"), ("DMAP", "DirMap")])

    def test_nodes_that_describe_one_id_differently_are_each_decoded_by_their_own(self):
        client = self.start()
        self.two_nodes_that_disagree()
        self.place.settle(client, 9)
        self.expect_each_by_its_own(client)

    def test_names_and_fields_are_there_when_the_nodes_are_gone(self):
        client = self.start()
        alice, bob = self.two_nodes_that_disagree()
        alice.close()
        bob.kill()
        until(lambda: {node["state"] for node in client.call("nodes")["nodes"]} == {"exited", "crashed"}, "the nodes' ends")
        self.assertEqual([name for name in os.listdir(self.place.directory) if name.startswith("p2ptrace.")], [])
        self.expect_each_by_its_own(client)

    def test_names_and_fields_are_there_when_the_nodes_were_gone_before_traced_came(self):
        alice, bob = self.two_nodes_that_disagree()
        alice.close()
        bob.kill()
        client = self.start()
        self.place.settle(client, 9)
        self.expect_each_by_its_own(client)

    def test_a_registration_names_the_events_before_it(self):
        client = self.start()
        alice = self.place.node("alice", ALICE)
        alice.do("command", TRACE_1, SPAN, 1, "before")
        self.place.settle(client, 1)
        self.assertEqual(self.seen(client, ALICE), [("app_command", None, None, None)])
        alice.do("app", "DataMap", 1, "STORE", "key", TEXT, 4)
        until(lambda: client.call("apps")["apps"], "the registration")
        self.assertEqual(self.seen(client, ALICE), [("app_command", "DataMap", "STORE", {"key": "befo"})])

    def test_undescribed_commands_are_shown_by_number(self):
        client = self.start()
        alice, bob = self.place.node("alice", ALICE), self.place.node("bob", BOB)
        alice.do("app", "DataMap", 1, "STORE", "key", TEXT, 4)
        self.request(alice, TRACE_1, 65535, "ABCD")
        self.request(bob, TRACE_2, 7, "ABCD")  # registers nothing
        self.place.settle(client, 6)
        unnamed = self.seen(client, ALICE)
        self.assertEqual(unnamed[1], ("app_command", "DataMap", None, {"key": "ABCD"}))
        self.assertEqual({(app, command) for _, app, command, _ in unnamed}, {("DataMap", None)})
        self.assertEqual({row[1:] for row in self.seen(client, BOB)}, {(None, None, None)})
        traces = {row["trace_id"]: row for row in client.call("traces")["traces"]}
        self.assertEqual([(traces[t]["app_id"], traces[t]["app"], traces[t]["cmd"], traces[t]["command"]) for t in (TRACE_1, TRACE_2)],
                         [("DMAP", "DataMap", 65535, None), ("DMAP", None, 7, None)])
        table = self.inspect("traces")
        self.assertIn("DataMap 65535", table)
        self.assertIn("DMAP 7", table)
        one, other = self.inspect("trace", TRACE_1), self.inspect("trace", TRACE_2)
        self.assertIn("DataMap 65535: ok", one)
        self.assertIn("DMAP 65535 key ABCD", one)
        self.assertIn("DMAP 7: ok", other)
        self.assertIn("DMAP 7 data 41424344", other)

    def test_names_that_are_not_text_reach_no_terminal(self):
        client = self.start()
        alice = self.place.node("alice", ALICE)
        alice.do("app", "Data\x1b[31m", 1, "ST\x07ORE", "k\x9by", BYTES, 2)
        self.request(alice, TRACE_1, 1, "AB")
        self.place.settle(client, 3)
        self.assertEqual(self.seen(client, ALICE)[1], ("app_command", "Data\x1b[31m", "ST\x07ORE", {"k\x9by": "4142"}))
        for words in (("traces",), ("trace", TRACE_1), ("apps",)):
            shown = self.inspect(*words)
            self.assertRegex(shown, "Data.*31m")
            self.assertEqual([c for c in shown if c != "\n" and not c.isprintable()], [])


if __name__ == "__main__":
    unittest.main()
