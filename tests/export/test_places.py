#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Where exports put messages, and packets of transports other than QUIC.

    test_places.py INSPECTOR"""
import collections
import json
import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from scene import NODES, SceneTest  # noqa: E402

INSPECTOR = os.path.abspath(sys.argv[1])
TRACE, REQUEST = "5a" * 16, "6b" * 16


class Case(SceneTest):
    def export(self, *args):
        return self.scene.export(INSPECTOR, self.directory / "events.ndjson", *args).decode()


class Chrome(Case):
    def tracks(self):
        """(node, track): [name of its instants and counters]"""
        records = json.loads(self.export("--format", "chrome"))["traceEvents"]
        nodes = {r["pid"]: r["args"]["name"][:2] for r in records if r["name"] == "process_name"}
        names = {(r["pid"], r["tid"]): r["args"]["name"] for r in records if r["name"] == "thread_name"}
        found = collections.defaultdict(list)
        for record in records:
            if record["ph"] == "i":
                found[nodes[record["pid"]], names[record["pid"], record["tid"]]].append(record["name"])
        return dict(found)

    def test_messages_have_a_track_for_each_peer_and_transport(self):
        for peer, transport in (("bob", "udp"), ("bob", "tcp"), ("carol", "udp"), ("bob", "udp")):
            self.scene.message("alice", "sent", peer, 1, transport)
        self.scene.message("alice", "sent", None, 1, "radio")
        self.assertEqual(self.tracks(), {("a1", "udp with " + "b2" * 4): ["message_sent"] * 2, ("a1", "tcp with " + "b2" * 4): ["message_sent"],
                                         ("a1", "udp with " + "c3" * 4): ["message_sent"], ("a1", "radio"): ["message_sent"]})

    def test_messages_over_quic_are_on_the_one_connection_with_the_peer(self):
        self.scene.connect("alice", "bob", TRACE)
        self.scene.message("alice", "sent", "bob", 1, "quic", trace=REQUEST)
        self.assertEqual([t for t, names in self.tracks().items() if "message_sent" in names], [("a1", "connection 1 to " + "b2" * 4)])
        self.scene.connect("alice", "bob", "7c" * 16)  # which of two?
        self.scene.message("alice", "sent", "bob", 2, "quic", trace=REQUEST)
        self.assertEqual(self.tracks()["a1", "quic with " + "b2" * 4], ["message_sent"])

    def test_packets_of_other_transports_are_not_in_the_quic_connection(self):
        self.scene.connect("alice", "bob", TRACE)
        self.scene.packet("alice", "sent", "bob", 0, trace=REQUEST)
        self.scene.packet("alice", "sent", "bob", 0, "udp", trace=REQUEST)
        self.scene.packet("alice", "lost", "bob", 0, "noise", trace=REQUEST)
        tracks = self.tracks()
        self.assertEqual(tracks["a1", "connection 1 to " + "b2" * 4].count("packet_sent"), 1)
        self.assertEqual(tracks["a1", "udp with " + "b2" * 4], ["packet_sent"])
        self.assertEqual(tracks["a1", "noise with " + "b2" * 4], ["packet_lost"])

    def test_a_connection_of_another_transport_keeps_its_packets(self):
        """It is known by its own trace; afterwards its packets may carry any request."""
        self.scene.connect("alice", "bob", TRACE)
        self.scene.packet("alice", "sent", "bob", 0, "tcp", trace=TRACE)
        self.scene.packet("alice", "sent", "bob", 1, "tcp", trace=REQUEST)
        self.scene.message("alice", "sent", "bob", 1, "tcp", trace=REQUEST)
        self.assertEqual(self.tracks()["a1", "connection 1 to " + "b2" * 4][-3:], ["packet_sent", "packet_sent", "message_sent"])
        self.scene.packet("alice", "sent", "bob", 0, "1rtt", trace=REQUEST)  # begins one of QUIC
        self.assertEqual(self.tracks()["a1", "connection 3 with " + "b2" * 4], ["packet_sent"])


class Qlog(Case):
    def records(self, path):
        return [json.loads(text) for text in path.read_text().split("\x1e") if text]

    def test_each_link_has_its_file(self):
        self.scene.connect("alice", "bob", TRACE)
        self.scene.message("alice", "sent", "bob", 1)
        self.scene.message("alice", "sent", "carol", 2, "tcp")
        self.scene.message("alice", "sent", "bob", 3, "quic")
        self.scene.packet("alice", "sent", "bob", 4, "utp")
        self.export("--format", "qlog", "-o", f"{self.directory}/q/")
        names = {path.name: [r["name"] for r in self.records(path)[1:]] for path in (self.directory / "q").iterdir()}
        node = "node-" + "a1" * 16
        self.assertEqual(names[f"{node}_udp_{'b2' * 16}.sqlog"], ["p2ptrace:message_sent"])
        self.assertEqual(names[f"{node}_tcp_{'c3' * 16}.sqlog"], ["p2ptrace:message_sent"])
        self.assertEqual(names[f"{node}_utp_{'b2' * 16}.sqlog"], ["quic:packet_sent"])
        self.assertIn("p2ptrace:message_sent", names[TRACE + "_client.sqlog"])
        self.assertEqual(len(names), 5)

    def test_a_packet_outside_quic_has_an_unknown_type_and_its_space(self):
        for number, space in enumerate(("udp", "utp", "sctp", "other")):
            self.scene.packet("alice", "sent", "bob", number, space)
        self.scene.packet("alice", "sent", "bob", 9, "handshake")
        records = [json.loads(text) for text in self.export("--format", "qlog").split("\x1e")[2:]]
        self.assertEqual([(r["data"]["header"]["packet_type"], r.get("space")) for r in records],
                         [("unknown", "udp"), ("unknown", "utp"), ("unknown", "sctp"), ("unknown", "other"), ("handshake", None)])


class Otlp(Case):
    def spans(self):
        return [span for line in self.export("--format", "otlp").splitlines() for resource in json.loads(line)["resourceSpans"]
                for span in resource["scopeSpans"][0]["spans"]]

    def message_spans(self):
        """The spans of messages, by kind."""
        found = collections.defaultdict(list)
        for span in self.spans():
            if span["kind"] in (4, 5):
                found[span["kind"]].append(span)
        return found[4], found[5]

    def test_a_message_received_links_to_the_one_that_was_sent(self):
        self.scene.message("alice", "sent", "bob", 1, trace=TRACE)
        self.scene.message("bob", "received", "alice", 1)  # its trace was not on the wire
        self.scene.message("carol", "received", "alice", 1)  # which nobody sent
        (sent,), received = self.message_spans()
        self.assertEqual((sent["name"], sent["traceId"], received[0]["name"]), ("send gossip", TRACE, "receive gossip"))
        self.assertEqual([span.get("links") for span in received], [[{"traceId": TRACE, "spanId": sent["spanId"]}], None])

    def test_an_ambiguous_message_gets_no_link(self):
        self.scene.message("alice", "sent", "bob", 1)
        self.scene.message("alice", "sent", "bob", 1)
        self.scene.message("bob", "received", "alice", 1)
        self.assertEqual([span.get("links") for span in self.message_spans()[1]], [None])

    def test_a_repeated_message_is_the_same_message(self):
        self.scene.message("alice", "sent", "bob", 1)
        self.scene.message("alice", "sent", "bob", 1, flags=["retransmission"])
        self.scene.message("bob", "received", "alice", 1)
        self.scene.message("bob", "received", "alice", 1)  # once more
        sent, received = self.message_spans()
        self.assertEqual([[link["spanId"] for link in span.get("links", [])] for span in received], [[sent[0]["spanId"]], []])

    def link(self, node, span, linked_span, linked_trace, relation="retry of", trace=TRACE):
        self.scene.emit(node, "link", {"span_id": span, "linked_span_id": linked_span, "linked_trace_id": linked_trace, "relation": relation}, trace=trace)

    def test_a_program_s_link_belongs_to_the_span_that_it_names(self):
        for span, parent in (("11" * 8, "0" * 16), ("22" * 8, "11" * 8)):
            self.scene.emit("alice", "app_start", {"span_id": span, "parent_id": parent, "app_id": "DMAP", "cmd": 1}, trace=TRACE)
        self.link("alice", "11" * 8, "99" * 8, REQUEST, 'a "word"')
        self.link("alice", "33" * 8, "98" * 8, TRACE, "")  # a span that is not open: the one that began last counts
        self.link("alice", "22" * 8, "0" * 16, REQUEST)    # not valid in OpenTelemetry: an event
        self.link("alice", "22" * 8, "97" * 8, "")
        self.link("bob", "44" * 8, "96" * 8, REQUEST)      # no span of bob's is here: one of its own
        for span in ("22" * 8, "11" * 8):
            self.scene.emit("alice", "app_end", {"span_id": span, "app_id": "DMAP", "cmd": 1, "ok": True}, trace=TRACE)
        spans = {span["name"] if span["name"] == "link" else span["spanId"]: span for span in self.spans()}
        self.assertEqual({name: span.get("links") for name, span in spans.items()}, {
            "11" * 8: [{"traceId": REQUEST, "spanId": "99" * 8, "attributes": [{"key": "relation", "value": {"stringValue": 'a "word"'}}]}],
            "22" * 8: [{"traceId": TRACE, "spanId": "98" * 8}],
            "link": [{"traceId": REQUEST, "spanId": "96" * 8, "attributes": [{"key": "relation", "value": {"stringValue": "retry of"}}]}]})
        self.assertEqual([event["name"] for event in spans["22" * 8]["events"]], ["link"] * 2)

    def test_links_beyond_a_span_s_limit_are_counted(self):
        self.scene.emit("alice", "app_start", {"span_id": "11" * 8, "parent_id": "0" * 16, "app_id": "DMAP", "cmd": 1}, trace=TRACE)
        for _ in range(131):
            self.link("alice", "11" * 8, "99" * 8, REQUEST)
        [span] = self.spans()
        self.assertEqual((len(span["links"]), span["droppedLinksCount"]), (128, 3))

    def test_a_message_is_within_the_span_of_its_trace(self):
        self.scene.emit("alice", "app_start", {"span_id": "11" * 8, "parent_id": "0" * 16, "app_id": "DMAP", "cmd": 1}, trace=TRACE)
        self.scene.message("alice", "sent", "bob", 1, trace=TRACE)
        self.scene.message("alice", "sent", "bob", 2, trace=REQUEST)
        self.scene.emit("alice", "app_end", {"span_id": "11" * 8, "app_id": "DMAP", "cmd": 1, "ok": True}, trace=TRACE)
        self.assertEqual([span.get("parentSpanId") for span in self.message_spans()[0]], ["11" * 8, None])

    def test_a_span_that_expired_says_so(self):
        for number, (ok, flags) in enumerate(((True, []), (False, []), (False, ["expired"]))):
            span = f"{number + 1:016x}"
            self.scene.emit("alice", "app_start", {"span_id": span, "parent_id": "0" * 16, "app_id": "DMAP", "cmd": 1}, trace=TRACE)
            self.scene.emit("alice", "app_end", {"span_id": span, "app_id": "DMAP", "cmd": 1, "ok": ok}, trace=TRACE, flags=flags)
        self.assertEqual([span["status"] for span in self.spans()], [{"code": 1}, {"code": 2}, {"code": 2, "message": "expired"}])


class Shiviz(Case):
    def clocks(self):
        lines = self.export("--format", "shiviz").splitlines()[2:]
        return [json.loads(line.split(" ", 1)[1]) for line in lines[1::2]]

    def test_a_message_is_sent_before_it_is_received(self):
        self.scene.message("alice", "sent", "bob", 1)
        self.scene.message("alice", "sent", "carol", 1)
        self.scene.message("bob", "received", "alice", 1)
        self.scene.message("bob", "received", "alice", 2)  # never sent
        self.scene.packet("alice", "sent", "carol", 1, "udp")
        self.scene.packet("carol", "received", "alice", 1, "udp")
        a, b, c = (NODES[name][:8] for name in ("alice", "bob", "carol"))
        self.assertEqual(self.clocks(), [{a: 1}, {a: 2}, {a: 1, b: 1}, {a: 1, b: 2}, {a: 3}, {a: 3, c: 1}])

    def test_a_message_sent_twice_was_sent_before_it_was_received(self):
        """It is not known which of the two arrived, but it arrived after the first."""
        self.scene.message("alice", "sent", "bob", 1)
        self.scene.message("alice", "sent", "bob", 1)
        self.scene.message("bob", "received", "alice", 1)
        a, b = NODES["alice"][:8], NODES["bob"][:8]
        self.assertEqual(self.clocks()[-1], {a: 1, b: 1})


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
