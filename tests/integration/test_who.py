#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who is who: a node that is known by its address at first, by several ids, or by one that it gets later; and nodes that lie."""
import json
import os
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import ProtocolTest, hex_id, until, without_source  # noqa: E402

ALICE, BOB, CAROL, MALLORY = hex_id(0xAA), hex_id(0xBB), hex_id(0xCC), hex_id(0x66)
KEY, GROUP = hex_id(0x77), hex_id(0x88)
ADDRESS, IPV6 = "192.0.2.7:4001", "[2001:db8::7]:4001"
TRACE = "%032x" % 0x5EED
ADDRESS_ID = "0fa1c0000207" + "00" * 12 + "04" + b"of an address".hex()


class WhoTest(ProtocolTest):
    OPTIONS = ()  # of traced

    def setUp(self):
        super().setUp()
        self.dir = pathlib.Path(self.place.directory) / "recorded"
        self.connection = self.start("--record", str(self.dir), *self.OPTIONS)
        self.emitted = 0

    def tell(self, node, *words, events=1):
        node.do(*words)
        self.emitted += events

    def settle(self):
        self.place.settle(self.connection, self.emitted)

    def run_inspector(self, *args):
        done = subprocess.run([os.environ["INSPECTOR"], *map(str, args)], capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, env=self.place.environment)
        self.assertEqual((done.returncode, done.stderr), (0, ""), args)
        return done.stdout

    def rows(self, *args):
        return [json.loads(line) for line in self.run_inspector(*args, "--json").splitlines()]

    def peers(self, by):
        """For each peer id, how many events that node has with it."""
        return {row["peer_id"]: row["events"] for row in self.connection.call("peers", node_id=by)["peers"]}

    def ids(self, **params):
        """The message ids of the events found by a query."""
        events = self.connection.call("query", **params)["events"]
        return [event["data"]["message_id"] for event in events if event["kind"].startswith("message")]

    def record(self):
        code, _ = self.place.stop()
        self.assertEqual(code, 0)
        return self.dir


class Address(WhoTest):
    """alice knows bob's address, sends, and learns his id."""

    def setUp(self):
        super().setUp()
        self.alice, self.bob = self.place.node("alice", ALICE), self.place.node("bob", BOB)
        self.tell(self.alice, "message", "sent", "@" + ADDRESS, 1, TRACE)
        self.tell(self.bob, "message", "received", ALICE, 1, TRACE)
        self.tell(self.bob, "message", "sent", ALICE, 2, TRACE)

    def learn(self):
        self.tell(self.alice, "address", BOB, ADDRESS)
        self.tell(self.alice, "message", "received", BOB, 2, TRACE)
        self.settle()

    def test_until_then_the_peer_is_its_address(self):
        self.settle()
        self.assertEqual(self.peers(ALICE), {ADDRESS_ID: 1})
        self.assertIn(f"alice  -> {ADDRESS}", self.run_inspector("recent").replace("    ", "  "))
        self.assertEqual(self.ids(filter=f"peer == {ADDRESS}"), [1])

    def test_then_earlier_events_belong_to_it_too(self):
        self.learn()
        self.assertEqual(self.peers(ALICE), {BOB: 3})
        row, = (row for row in self.connection.call("peers", node_id="alice")["peers"])
        self.assertEqual((row["messages_sent"], row["messages_received"], row["name"]), (1, 1, "bob"))
        self.assertEqual(row["aliases"], [{"id": ADDRESS_ID, "address": ADDRESS, "transport": "udp", "label": ADDRESS, "by": ALICE,
                                           "own": False, "disputed": False}])

    def test_an_event_has_the_resolved_id_and_the_written_one(self):
        self.learn()
        sent, = self.connection.call("query", node_id="alice", kind="message_sent")["events"]
        self.assertEqual((sent["peer_id"], sent["peer_as"]), (BOB, ADDRESS_ID))
        received, = self.connection.call("query", node_id="alice", kind="message_received")["events"]
        self.assertEqual((received["peer_id"], "peer_as" in received), (BOB, False))

    def test_questions_take_each_of_the_ids(self):
        self.learn()
        for text in ("bob", ADDRESS, BOB, BOB[:6], ADDRESS_ID):
            with self.subTest(peer=text):
                self.assertEqual(self.ids(peer_id=text, node_id="alice"), [1, 2])
                self.assertEqual(self.ids(filter=f"node == alice and peer == {text}"), [1, 2])
                self.assertEqual(self.ids(filter=f"node == alice and not peer == {text}"), [])
                for params in {"peer_id": text}, {"filter": f"peer == {text}"}:
                    self.assertEqual(self.connection.call("query", explain=True, **params)["explain"]["index"], "peer")
                rows = self.connection.call("count", peer_id=text, node_id="alice", kind="message_sent")["rows"]
                self.assertEqual([row["count"] for row in rows], [1])

    def test_pages_go_over_all_of_the_ids(self):
        self.tell(self.alice, "message", "sent", CAROL, 5)  # between them: on no page
        self.learn()
        found, cursor = [], None
        while True:
            page = self.connection.call("query", peer_id="bob", node_id="alice", limit=1, **({"cursor": cursor} if cursor else {}))
            found += [event["kind"] for event in page["events"]]
            cursor = page["cursor"]
            if not cursor:
                break
        self.assertEqual(found, ["message_sent", "alias", "message_received"])
        self.assertEqual(self.connection.call("query", peer_id="bob", node_id="alice", limit=1, total=True)["total"], 3)

    def test_groups_and_traces_have_one_peer(self):
        self.learn()
        rows = self.connection.call("count", group_by="peer", node_id="alice")["rows"]
        self.assertEqual([(row["group"]["peer"], row["count"]) for row in rows], [(BOB, 3)])
        trace, = self.connection.call("traces")["traces"]
        self.assertEqual(sorted(trace["peers"]), [ALICE, BOB])
        self.assertEqual(len(self.connection.call("traces", filter="peers == 2")["traces"]), 1)
        self.assertEqual(len(self.connection.call("traces", filter=f"any peer == {ADDRESS}")["traces"]), 1)

    def test_messages_and_their_other_ends_are_one(self):
        self.learn()
        text = self.run_inspector("trace", TRACE, "--graph")
        self.assertNotIn("never received", text)
        self.assertNotIn(ADDRESS, text)
        trace = self.run_inspector("trace", TRACE)
        self.assertNotIn(ADDRESS, trace)

    def test_a_stream_uses_an_alias_as_soon_as_it_is_emitted(self):
        self.settle()
        stream = self.place.connect()
        stream.call("subscribe", filter="peer == bob and message_sent")
        by_id = self.place.connect()
        by_id.call("subscribe", peer_id="bob", kind="message_sent")
        self.learn()
        self.tell(self.alice, "message", "sent", "@" + ADDRESS, 3)
        for connection in (stream, by_id):
            event, = connection.notification()["events"]
            self.assertEqual((event["data"]["message_id"], event["peer_id"], event["peer_as"]), (3, BOB, ADDRESS_ID))

    def test_a_stream_by_an_address_has_its_peer_s_other_ids(self):
        self.settle()
        stream = self.place.connect()
        stream.call("subscribe", filter=f"peer == {ADDRESS} and message_sent and node == alice")
        self.learn()
        self.tell(self.alice, "message", "sent", CAROL, 3)
        self.tell(self.alice, "message", "sent", BOB, 4)
        event, = stream.notification()["events"]
        self.assertEqual(event["data"]["message_id"], 4)

    def test_an_alias_of_a_peer_applies_only_to_the_claimant(self):
        carol = self.place.node("carol", CAROL)
        self.tell(carol, "message", "sent", "@" + ADDRESS, 9)
        self.learn()
        self.assertEqual(self.peers(CAROL), {ADDRESS_ID: 1})
        self.assertEqual(self.ids(peer_id="bob"), [1, 2])
        self.assertEqual(sorted(self.ids(peer_id=ADDRESS)), [1, 2, 9])
        self.assertEqual(sorted(self.ids(filter=f"peer == {ADDRESS}")), [1, 2, 9])

    def test_a_node_s_own_alias_applies_to_all_nodes(self):
        carol = self.place.node("carol", CAROL)
        self.tell(carol, "message", "sent", "@" + ADDRESS, 9)
        self.tell(self.bob, "address", "-", ADDRESS)
        self.settle()
        self.assertEqual(self.peers(CAROL), {BOB: 1})
        self.assertEqual(self.ids(node_id=ADDRESS), [1, 2])
        self.assertEqual(self.ids(filter=f"node == {ADDRESS}"), [1, 2])

    def test_an_address_taken_over_later_belongs_to_the_new_owner(self):
        self.tell(self.alice, "address", BOB, ADDRESS)
        self.tell(self.alice, "message", "sent", "@" + ADDRESS, 3)
        self.tell(self.alice, "address", CAROL, ADDRESS)
        self.tell(self.alice, "message", "sent", "@" + ADDRESS, 4)
        self.settle()
        self.assertEqual(self.ids(node_id="alice", filter=f"peer == {BOB}"), [1, 3])
        self.assertEqual(self.ids(node_id="alice", filter=f"peer == {CAROL}"), [4])
        self.assertEqual(self.ids(node_id="alice", peer_id=ADDRESS), [1, 3, 4])

    def test_a_recording_knows_it_too(self):
        self.learn()
        live = [self.run_inspector(*args) for args in (("peers", "--json"), ("trace", TRACE), ("recent", "--json", "--peer", ADDRESS))]
        directory = self.record()
        for args, before in zip((("peers", "--json"), ("trace", TRACE), ("recent", "--json", "--peer", ADDRESS)), live):
            self.assertEqual(self.run_inspector(*args, "--read", directory), before, args)

    def test_saved_json_is_read_as_written(self):
        self.learn()
        saved = pathlib.Path(self.place.directory) / "saved.ndjson"
        saved.write_text(self.run_inspector("recent", "--json"), encoding="utf-8")
        self.assertIn("peer_as", saved.read_text(encoding="utf-8"))
        rows = self.rows("recent", "--read", saved)
        self.assertEqual([row.get("peer_as") for row in rows if row.get("kind") == "message_sent"], [ADDRESS_ID, None])

    def test_tables_list_the_addresses(self):
        self.learn()
        self.assertIn(ADDRESS, self.run_inspector("peers", "--fields", "name,aliases"))
        self.tell(self.bob, "address", "-", IPV6)
        self.settle()
        self.assertIn(f"bob is also {IPV6}\n", self.run_inspector("nodes"))

    def test_sql_joins_by_the_peer_that_is_meant(self):
        self.learn()
        text = self.run_inspector("sql", "--json", "select count(*) as n from events where peer = 'bob' and node = 'alice'")
        self.assertEqual(json.loads(text)["n"], 3)

    def test_an_address_is_completed(self):
        def offers(option):
            return [line.split("\t")[0] for line in self.run_inspector("complete", "recent", option, "").splitlines()]
        self.settle()
        self.assertIn(ADDRESS, offers("--peer"))
        self.learn()
        self.tell(self.bob, "address", "-", ADDRESS)
        self.settle()
        self.assertEqual({"bob", ADDRESS} - set(offers("--peer")), set())
        self.assertIn(ADDRESS, offers("--node"))

    def test_a_process_without_traced_knows_it_too(self):
        self.learn()
        self.place.stop()
        rows = self.rows("peers", "--pid", self.alice.process.pid)
        self.assertEqual([(row["peer_id"], row["events"]) for row in rows], [(BOB, 3)])


class Keys(WhoTest):
    """bob has a transport key, a long-term key and a group key; his log was opened with the first."""

    def setUp(self):
        super().setUp()
        self.alice, self.bob = self.place.node("alice", ALICE), self.place.node("bob", BOB)
        for number, peer in enumerate((BOB, KEY, GROUP), start=1):
            self.tell(self.alice, "message", "sent", peer, number)
        self.tell(self.bob, "alias", "-", KEY, "long-term")
        self.tell(self.bob, "alias", "-", GROUP, "group")
        self.settle()

    def test_all_of_them_are_bob(self):
        self.assertEqual(self.peers(ALICE), {BOB: 3})
        for text in ("bob", BOB[:8], KEY[:8], GROUP):
            self.assertEqual(self.ids(peer_id=text), [1, 2, 3], text)
            self.assertEqual(self.ids(filter=f"peer == {text}"), [1, 2, 3], text)

    def test_nodes_lists_them(self):
        row, = (row for row in self.connection.call("nodes")["nodes"] if row["name"] == "bob")
        self.assertEqual([(alias["id"], alias["label"], alias["own"]) for alias in row["aliases"]],
                         [(KEY, "long-term", True), (GROUP, "group", True)])

    def test_a_node_is_found_by_each(self):
        self.assertEqual(len(self.connection.call("query", node_id=KEY[:8])["events"]), 2)
        self.assertEqual(len(self.connection.call("query", filter=f"node == {GROUP}")["events"]), 2)

    def test_a_node_that_starts_again_with_another_first_id_takes_them_with_it(self):
        self.bob.close()
        again = self.place.node("bob", hex_id(0xB2))
        self.tell(again, "alias", "-", KEY, "long-term")
        self.settle()
        until(lambda: any(row["state"] == "exited" for row in self.connection.call("nodes")["nodes"]), "the first bob to be gone")
        self.tell(self.alice, "message", "sent", KEY, 4)
        self.settle()
        self.assertEqual(self.peers(ALICE), {BOB: 3, hex_id(0xB2): 1})
        self.assertFalse(any(alias["disputed"] for row in self.connection.call("nodes")["nodes"] for alias in row["aliases"]))


class Recorded(WhoTest):
    """Everyone said who is who before the recording begins, or it leaves that out: it knows it nevertheless, as traced does.

    alice knows bob by one address, and an address that went from him to carol; bob has a key; mallory, who has no part in the request,
    claims the same id as carol; erin, who has none either, claims that of dave."""
    DAVE, ERIN = hex_id(0xDD), hex_id(0xEE)
    OPTIONS = ("--record-seal", "1s")
    TAKEN = "192.0.2.8:4001"

    def setUp(self):
        super().setUp()
        ids = {"alice": ALICE, "bob": BOB, "carol": CAROL, "mallory": MALLORY, "dave": self.DAVE, "erin": self.ERIN}
        self.alice, self.bob, self.carol, self.mallory, dave, erin = (self.place.node(name, node_id) for name, node_id in ids.items())
        self.tell(dave, "packets", 1)
        self.tell(self.alice, "address", BOB, ADDRESS)
        self.tell(self.bob, "alias", "-", KEY, "long-term")
        self.tell(self.carol, "alias", "-", GROUP, "group")
        self.tell(self.mallory, "alias", "-", GROUP, "mine")
        self.tell(erin, "alias", "-", self.DAVE)
        for peer in (BOB, CAROL):
            self.tell(self.alice, "message", "sent", "@" + self.TAKEN, 100)
            self.tell(self.alice, "address", peer, self.TAKEN)
        self.settle()
        last = self.connection.call("stats")["history"]["last"]
        self.since, self.before = last["timestamp"] + 1, self.emitted

    def request(self):
        """What the recording has."""
        self.alice.do("app")
        self.tell(self.alice, "start", TRACE, 7, 0, 2)
        for number, peer in enumerate(("@" + ADDRESS, KEY, GROUP, "@" + self.TAKEN, self.DAVE), start=1):
            self.tell(self.alice, "message", "sent", peer, number, TRACE)
        for node, numbers in ((self.bob, (1, 2)), (self.carol, (4,))):
            for number in numbers:
                self.tell(node, "message", "received", ALICE, number, TRACE)
        self.tell(self.bob, "message", "sent", ALICE, 6, TRACE)
        self.tell(self.alice, "message", "received", "@" + ADDRESS, 6, TRACE)
        self.tell(self.alice, "end", TRACE, 7, 2, 0)
        self.settle()
        self.number = self.emitted - self.before

    def answers(self, *args, names=True):
        """What depends on who is who, without the counts of events that the recording does not have."""
        trace = ("trace", TRACE), ("trace", TRACE, "--graph"), ("analyze", "trace", TRACE), ("analyze", "trace", TRACE, "--json")
        texts = [without_source(self.run_inspector(*words, *args)) for words in trace if names]
        events = [{key: row[key] for key in ("node_id", "peer_id", "peer_as", "data") if key in row}
                  for row in self.rows("range", self.since, "now", "--where", "message_sent or message_received", *args)]
        found = {text: len(self.rows("range", self.since, "now", "--where", f"message_sent and peer == {text}", *args))
                 for text in (BOB, ADDRESS, CAROL, KEY, GROUP, self.TAKEN, MALLORY, self.DAVE, self.ERIN)}
        return texts, events, found

    def tables(self, *args):
        """For recordings with all nodes."""
        peers = [{key: row[key] for key in ("peer_id", "name", "aliases", "messages_received")} | {"nodes": sorted(row["nodes"])}
                 for row in sorted(self.rows("peers", *args), key=lambda row: row["peer_id"])]
        nodes = [(row["name"], row["aliases"], row["state"]) for row in self.rows("nodes", *args)]
        who = json.loads(self.run_inspector("rpc", "who", *args))["who"]
        return peers, nodes, who

    def compare(self, file, live, tables=True):
        self.assertEqual(self.rows("range", "0", "now", "--where", "alias", "--read", file), [])
        self.assertEqual(self.answers("--read", file), live[0])
        peers, *others = self.tables("--read", file)
        if tables:
            self.assertEqual((peers, *others), live[1])
        known = {row["peer_id"]: row["aliases"] for row in live[1][0]}
        self.assertEqual([row["aliases"] for row in peers], [known[row["peer_id"]] for row in peers])

    def live(self):
        self.request()
        text = self.run_inspector("trace", TRACE)
        self.assertIn("bob", text)
        self.assertNotIn(ADDRESS, text)
        return self.answers(), self.tables()

    def path(self, name):
        return pathlib.Path(self.place.directory) / name

    def test_a_directory_whose_oldest_files_are_gone(self):
        until(lambda: self.connection.call("stats")["record"]["events"] == self.emitted, "the aliases to be written")
        old = list(self.dir.glob("*.p2rec"))
        live = self.live()
        self.record()
        for file in old:
            file.unlink()
        self.compare(self.dir, live)

    def test_a_recording_that_begins_later(self):
        live = self.live()
        file = self.path("later.p2rec")
        self.run_inspector("record", "-o", file, "--from", self.since, "--count", self.number)
        self.compare(file, live)
        again = self.path("again.p2rec")
        self.run_inspector("record", "-o", again, "--read", file)
        self.compare(again, live)

    def test_a_recording_without_alias_events(self):
        live = self.live()
        file = self.path("filtered.p2rec")
        self.run_inspector("record", "-o", file, "--from", 0, "--where", "not alias", "--count", self.number + 3)
        self.compare(file, live)

    def test_one_that_has_them_twice(self):
        """As events, and beside them."""
        live = self.live()
        file = self.path("whole.p2rec")
        self.run_inspector("record", "-o", file, "--from", 0, "--count", self.emitted)
        self.assertEqual((self.answers("--read", file), self.tables("--read", file)), live)

    def trigger(self, name):
        file = self.path(name)
        process = subprocess.Popen([os.environ["INSPECTOR"], "trigger", "app_end", "--before", "1h", "--after", "0s", "--limit", "1",
                                    "--where", "not alias", "-o", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   env=self.place.environment)
        self.addCleanup(process.stderr.close)
        until(lambda: self.connection.call("stats")["clients"]["subscriptions"], "a subscription")
        live = self.live()
        self.assertEqual(process.wait(), 0)
        return file, live

    def test_a_window_as_a_recording(self):
        self.compare(*self.trigger("window.p2rec"))

    def test_a_window_as_json(self):
        self.compare(*self.trigger("window.ndjson"), tables=False)

    def test_an_export(self):
        live = self.live()
        file = self.path("export.json")
        self.run_inspector("export", TRACE, "-o", file)
        self.compare(file, live, tables=False)

    def test_lines_of_everything(self):
        live = self.live()
        file = self.path("hour.ndjson")
        words = ("nodes", "--json"), ("apps", "--json"), ("rpc", "who"), ("range", self.since, "now", "--json")
        file.write_text("".join(self.run_inspector(*line) for line in words), encoding="utf-8")
        self.compare(file, live)

    def test_lines_of_events_say_it_themselves(self):
        live = self.live()
        for name in "export.ndjson", "range.ndjson":
            file = self.path(name)
            if name == "export.ndjson":
                self.run_inspector("export", TRACE, "-o", file)
            else:
                file.write_text(self.run_inspector("range", self.since, "now", "--json"), encoding="utf-8")
            texts, events, found = self.answers("--read", file, names=False)
            found[self.TAKEN] = live[0][2][self.TAKEN]  # lines do not say that it was bob's
            self.assertEqual((texts, events, found), ([], *live[0][1:]))


class Liar(WhoTest):
    """mallory makes claims about others and about itself; bob has done nothing."""

    def setUp(self):
        super().setUp()
        self.alice, self.bob = self.place.node("alice", ALICE), self.place.node("bob", BOB)
        self.mallory = self.place.node("mallory", MALLORY)
        self.tell(self.alice, "message", "sent", BOB, 1)
        self.tell(self.alice, "message", "sent", KEY, 2)
        for node in (self.bob, self.mallory):  # to make them known to traced
            self.tell(node, "packets", 1)

    def disputed(self):
        return sorted((row["name"], alias["id"]) for row in self.connection.call("nodes")["nodes"] for alias in row["aliases"]
                      if alias["disputed"])

    def test_the_id_of_a_node_is_no_other_node_s_alias(self):
        self.tell(self.mallory, "alias", "-", BOB, "mine")
        self.settle()
        self.assertEqual(self.peers(ALICE), {BOB: 1, KEY: 1})
        self.assertEqual(self.disputed(), [("mallory", BOB)])
        self.assertEqual(self.ids(node_id=BOB), [])
        self.assertEqual(self.ids(peer_id="mallory", filter="message_sent"), [])
        self.assertEqual(self.ids(filter="peer == mallory"), [])

    def test_a_disputed_id_is_shown(self):
        self.tell(self.bob, "address", "-", ADDRESS)
        self.tell(self.mallory, "address", "-", ADDRESS)
        self.tell(self.mallory, "alias", "-", KEY, "key")
        self.tell(self.mallory, "alias", "-", BOB)
        self.settle()
        nodes = self.run_inspector("nodes")
        self.assertIn(f"bob says that it is also {ADDRESS}, which another node has or claims: it is ignored\n", nodes)
        self.assertIn("mallory says that it is also bbbbbbbb, which another node has or claims: it is ignored\n", nodes)
        self.assertIn("mallory is also 77777777 (key)\n", nodes)
        done = subprocess.run([os.environ["INSPECTOR"], "doctor"], capture_output=True, text=True, check=False, env=self.place.environment)
        self.assertIn(f"mallory says that it is also {ADDRESS}, which another node has or claims: it is ignored", done.stdout)
        self.assertNotIn(f"also {KEY}", done.stdout)

    def test_an_id_claimed_by_two_belongs_to_neither(self):
        self.tell(self.bob, "alias", "-", KEY, "long-term")
        self.tell(self.mallory, "alias", "-", KEY, "mine")
        self.settle()
        self.assertEqual(self.peers(ALICE), {BOB: 1, KEY: 1})
        self.assertEqual(self.disputed(), [("bob", KEY), ("mallory", KEY)])
        self.assertEqual(self.ids(peer_id=KEY), [2])

    def test_its_aliases_of_peers_apply_only_to_itself(self):
        self.tell(self.mallory, "alias", BOB, KEY)
        self.tell(self.mallory, "message", "sent", KEY, 3)
        self.settle()
        self.assertEqual(self.peers(ALICE), {BOB: 1, KEY: 1})
        self.assertEqual(self.ids(peer_id="bob"), [1, 3])
        self.assertEqual(self.ids(peer_id="bob", node_id="alice"), [1])

    def test_one_node_is_not_another_on_its_word(self):
        carol = self.place.node("carol", CAROL)
        self.tell(carol, "packets", 1)
        self.tell(self.mallory, "alias", CAROL, BOB)
        self.tell(self.mallory, "message", "sent", BOB, 3)
        self.settle()
        self.assertEqual(self.ids(peer_id="carol"), [])
        self.assertEqual(self.ids(peer_id="bob"), [1, 3])

    def test_a_circle_of_aliases_is_ignored(self):
        self.tell(self.mallory, "alias", KEY, GROUP)
        self.tell(self.mallory, "alias", GROUP, KEY)
        self.tell(self.mallory, "message", "sent", KEY, 3)
        self.settle()
        self.assertEqual(sum(self.peers(MALLORY).values()), 3)

    def test_a_flood_is_bounded_and_counted(self):
        self.tell(self.bob, "alias", "-", KEY, "long-term")
        for number in range(9000):
            self.mallory.begin("alias", "-", "%064x" % (number + 1))
        for _ in range(9000):
            self.mallory.finish()
        self.emitted += 9000
        self.settle()
        self.assertEqual(self.peers(ALICE), {BOB: 2})
        aliases = self.connection.call("stats")["history"]["aliases"]
        self.assertEqual(aliases, {"count": aliases["max"], "max": 8192, "evicted": 9001 - 8192})
        self.assertEqual(aliases["count"] + aliases["evicted"], 9001)


if __name__ == "__main__":
    unittest.main()
