#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""docs/protocol.md while things change: subscriptions, back-pressure, limits, starting and stopping.  Real traced, real nodes."""
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import DEADLINE_S, ProtocolTest, hex_id, until  # noqa: E402

ALICE, BOB, CAROL, PEER = hex_id(0xAA), "ab" + hex_id(0xBB)[2:], hex_id(0xCC), hex_id(0xDD)
TRACE_1, TRACE_2 = "11" * 16, "12" * 16


class Subscriptions(ProtocolTest):
    def setUp(self):
        super().setUp()
        self.client = self.start()

    def collect(self, client, count):
        """The first events of the stream, that many; and the sum of lost."""
        events, lost = [], 0
        while len(events) < count:
            told = client.notification()
            self.assertLessEqual(len(told["events"]), 256)
            events += told["events"]
            lost += told["lost"]
        return events, lost

    def test_new_events_are_reported_as_they_come(self):
        self.assertEqual(self.client.call("subscribe"), {"subscription": 1})
        alice = self.place.node("alice", ALICE)
        alice.do("packets", 1000, TRACE_1, BOB)
        events, lost = self.collect(self.client, 1000)
        self.assertEqual(([event["sequence"] for event in events], lost), (list(range(1000)), 0))
        self.assertEqual(events, self.client.call("query", limit=1000)["events"])

    def test_filters_hold_and_subscriptions_end(self):
        by_trace = self.client.call("subscribe", trace_id=TRACE_2)["subscription"]  # not known yet
        by_kind = self.client.call("subscribe", kind=["metrics", "custom"])["subscription"]
        by_name = self.client.call("subscribe", node_id="bob")["subscription"]  # will appear
        by_node = self.client.call("subscribe", node_id=CAROL, peer_id=PEER)["subscription"]
        alice, bob, carol = (self.place.node(name, node_id) for name, node_id in (("alice", ALICE), ("bob", BOB), ("carol", CAROL)))
        alice.do("packets", 3, TRACE_1)
        alice.do("packets", 2, TRACE_2, PEER)
        alice.do("metrics", 1, 1, PEER)
        bob.do("packets", 4)
        carol.do("packets", 5, TRACE_1, PEER)
        carol.do("packets", 6, TRACE_1, ALICE)
        self.place.settle(self.client, 21)
        seen = {}
        while sum(len(events) for events in seen.values()) < 12:
            told = self.client.notification()
            seen.setdefault(told["subscription"], []).extend(told["events"])
        self.assertEqual({number: len(events) for number, events in seen.items()}, {by_trace: 2, by_kind: 1, by_name: 4, by_node: 5})
        self.assertEqual({event["node_id"] for event in seen[by_name]}, {BOB})
        self.assertTrue(self.client.call("unsubscribe", subscription=by_name))
        error = self.client.fail("unsubscribe", subscription=by_name)
        self.assertEqual(error["code"], -32001)
        self.assertEqual(self.client.call("stats")["clients"]["subscriptions"], 3)
        bob.do("packets", 4)
        alice.do("metrics", 2, 2, PEER)
        self.place.settle(self.client, 26)
        self.assertEqual([self.client.notification()["subscription"]], [by_kind])
        self.assertEqual(self.client.notifications, [])

    def test_a_name_stays_subscribed_when_its_node_is_started_again_with_a_new_id(self):
        alice, bob = self.place.node("alice", ALICE), self.place.node("bob", BOB)
        alice.do("packets", 3)
        bob.do("packets", 1)
        self.place.settle(self.client, 4)
        self.client.call("subscribe", node_id="alice", recent=2)
        events, _ = self.collect(self.client, 2)
        self.assertEqual([event["sequence"] for event in events], [1, 2])
        alice.close()
        again = self.place.node("alice", CAROL)
        bob.do("packets", 1)
        again.do("packets", 4)
        events, lost = self.collect(self.client, 4)
        self.assertEqual([(event["node_id"], event["sequence"]) for event in events], [(CAROL, i) for i in range(4)])
        self.assertEqual(lost, 0)

    def test_an_unknown_prefix_cannot_be_waited_for(self):
        self.assertEqual(self.client.fail("subscribe", trace_id="77")["code"], -32001)
        self.assertEqual(self.client.fail("subscribe", peer_id="nobody")["code"], -32001)

    def test_the_number_of_subscriptions_is_limited(self):
        for i in range(16):
            self.assertEqual(self.client.call("subscribe")["subscription"], i + 1)
        error = self.client.fail("subscribe", recent=1)
        self.assertEqual((error["code"], error["data"]["limit"]), (-32003, 16))
        self.assertEqual(self.client.call("stats")["limits"]["subscriptions"], 1)
        self.client.call("unsubscribe", subscription=3)
        self.assertEqual(self.client.call("subscribe")["subscription"], 17)
        alice = self.place.node("alice", ALICE)
        alice.do("packets", 50)
        count = {}
        while sum(count.values()) < 16 * 50:
            told = self.client.notification()
            count[told["subscription"]] = count.get(told["subscription"], 0) + len(told["events"])
        self.assertEqual(sorted(count), [1, 2] + list(range(4, 18)))
        self.assertEqual(set(count.values()), {50})

    def test_a_batch_is_answered_before_its_subscription_talks(self):
        alice = self.place.node("alice", ALICE)
        alice.do("packets", 100)
        self.place.settle(self.client, 100)
        self.client.send_raw(json.dumps([{"jsonrpc": "2.0", "id": 1, "method": "subscribe", "params": {"recent": 10}},
                                         {"jsonrpc": "2.0", "id": 2, "method": "query"}]).encode() + b"\n")
        self.assertEqual([reply["id"] for reply in self.client.read_line()], [1, 2])
        events, _ = self.collect(self.client, 10)
        self.assertEqual([event["sequence"] for event in events], list(range(90, 100)))

    def test_recent_continues_exactly_into_the_stream(self):
        alice = self.place.node("alice", ALICE)
        alice.do("packets", 500)
        self.place.settle(self.client, 500)
        alice.do("stream", 50)
        for recent in (0, 1, 40, 300):
            for _ in range(8):
                client = self.place.connect()
                client.call("subscribe", recent=recent)
                events, lost = self.collect(client, recent + 30)
                first = events[0]["sequence"]
                self.assertEqual([event["sequence"] for event in events], list(range(first, first + len(events))))
                self.assertEqual(lost, 0)
                client.close()
        alice.do("packets", 1)

    def test_a_stream_from_a_time_begins_in_the_history_and_continues(self):
        alice = self.place.node("alice", ALICE)
        alice.do("packets", 9000)
        self.place.settle(self.client, 9000)
        events, cursor = [], None
        while len(events) < 9000:
            page = self.client.call("query", limit=5000, **({"cursor": cursor} if cursor else {}))
            events, cursor = events + page["events"], page["cursor"]
        alice.do("stream", 50)
        for first in (0, 1, 4500, 8999):
            while first and events[first]["timestamp"] == events[first - 1]["timestamp"]:
                first -= 1
            client = self.place.connect()
            client.call("subscribe", **{"from": events[first]["timestamp"]})
            told, lost = self.collect(client, 9000 - first + 30)
            self.assertEqual([event["sequence"] for event in told], list(range(first, first + len(told))))
            self.assertEqual(lost, 0)
            client.close()
        alice.do("packets", 1)

    def test_the_log_of_an_event_tells_a_node_from_itself_started_again(self):
        for count in (2, 3):
            alice = self.place.node("alice", ALICE)
            alice.do("packets", count)
            alice.close()
        self.place.settle(self.client, 5)
        self.client.call("subscribe", **{"from": "-1h", "log": True})
        events, _ = self.collect(self.client, 5)
        self.client.call("unsubscribe", subscription=1)
        logs = {node["log"]: node["emitted"] for node in self.client.call("nodes")["nodes"]}
        self.assertEqual(sorted(logs.values()), [2, 3])
        self.assertEqual({log: [event["sequence"] for event in events if event["log"] == log] for log in logs},
                         {log: list(range(count)) for log, count in logs.items()})
        self.client.call("subscribe", recent=5, log=True)
        again = [event["log"] for event in self.collect(self.client, 5)[0]]  # in order of time; the stream, in drained order
        self.assertEqual(sorted(again), sorted(event["log"] for event in events))
        self.client.call("subscribe", recent=1)
        self.assertNotIn("log", self.collect(self.client, 1)[0][0])

    def test_recent_while_a_burst_comes(self):
        alice = self.place.node("alice", ALICE)
        for _ in range(10):
            alice.begin("packets", 3000)
            client = self.place.connect()
            client.call("subscribe", recent=10000)
            alice.finish()
            alice.do("custom", "last")
            events = []
            while not events or events[-1]["kind"] != "custom" or events[-1]["sequence"] < alice_end(self.client):
                told = client.notification()
                self.assertEqual(told["lost"], 0)
                events += told["events"]
            first = events[0]["sequence"]
            self.assertEqual([event["sequence"] for event in events], list(range(first, first + len(events))))
            client.close()

    def test_only_a_slow_reader_loses_events_and_it_learns_how_many(self):
        alice = self.place.node("alice", ALICE)
        slow, fast = self.place.connect(), self.place.connect()
        slow.call("subscribe")
        fast.call("subscribe")
        chunk, chunks = 20000, 16
        received, resident = 0, None
        for i in range(chunks):
            alice.do("packets", chunk)
            while received < (i + 1) * chunk:
                told = fast.notification()
                self.assertEqual(told["lost"], 0)
                self.assertEqual(told["events"][0]["sequence"], received)
                received += len(told["events"])
            if i == 8:  # the history has been filled once, so it has touched all of its memory
                resident = self.client.call("stats")["process"]["resident_bytes"]
        self.assertEqual(received, chunk * chunks)
        self.assertLess(self.client.call("stats")["process"]["resident_bytes"], resident + (8 << 20))
        got, lost, expected = 0, 0, 0
        while got + lost < chunk * chunks:
            told = slow.notification()
            expected += told["lost"]
            lost += told["lost"]
            self.assertEqual([event["sequence"] for event in told["events"]], list(range(expected, expected + len(told["events"]))))
            expected += len(told["events"])
            got += len(told["events"])
        self.assertEqual(got + lost, chunk * chunks)
        self.assertGreater(lost, 0)
        self.assertEqual(self.client.call("stats")["clients"]["events_dropped"], lost)

    def test_a_client_that_does_not_read_answers_waits_without_harm(self):
        alice = self.place.node("alice", ALICE)
        alice.do("packets", 10000)
        self.place.settle(self.client, 10000)
        deaf = self.place.connect()
        deaf.socket.setblocking(False)
        request, sent = b'{"jsonrpc":"2.0","id":1,"method":"query","params":{"limit":1000}}\n', 0
        try:
            while sent < 64 << 20:
                sent += deaf.socket.send(request * 100)
        except BlockingIOError:
            pass
        self.assertLess(sent, 2 << 20)
        requests = self.client.call("stats")["clients"]["requests"]
        self.assertLess(requests, 3000)
        self.client.call("query", limit=10000)
        deaf.socket.settimeout(DEADLINE_S)
        for _ in range(sent // len(request)):
            self.assertEqual(len(deaf.read_line()["result"]["events"]), 1000)

    def test_clients_that_do_not_read_are_dropped_before_they_hold_too_much(self):
        alice = self.place.node("alice", ALICE)
        alice.do("packets", 20000, TRACE_1, BOB)
        self.place.settle(self.client, 20000)
        sleeper, subscriber = self.place.connect(), self.place.connect()
        subscriber.call("subscribe", recent=10000)
        deaf = []
        ask = b'{"jsonrpc":"2.0","id":1,"method":"query","params":{"limit":10000}}\n'
        while not self.client.call("stats")["limits"]["held_bytes"]:
            self.assertLess(len(deaf), 100)
            deaf.append(self.place.connect())
            deaf[-1].send_raw(ask)
            self.assertEqual(len(self.client.call("query", limit=10000)["events"]), 10000)  # readers are served
        stats = self.client.call("stats")
        if os.environ.get("SANITIZED") != "thread":  # this sanitizer's shadow of all memory is resident, too
            self.assertLessEqual(stats["process"]["resident_bytes"] - stats["process"]["rings_bytes"], stats["process"]["limit_bytes"])
        self.assertLess(stats["limits"]["held_bytes"], 4)
        self.assertEqual(stats["clients"]["connected"], 3 + len(deaf) - stats["limits"]["held_bytes"])
        with self.assertRaises(AssertionError):  # the first of them; its line has no end
            deaf[0].read_line()
        self.assertEqual(len(deaf[-1].read_line()["result"]["events"]), 10000)
        sleeper.call("hello")
        self.assertEqual(len(self.collect(subscriber, 10000)[0]), 10000)
        self.assertEqual(stats["process"]["limit_bytes"] >> 20, int(self.place.log[-1].rsplit("at most ", 1)[1].split()[0]))

    def test_recent_events_evicted_before_they_are_read_are_reported(self):
        alice = self.place.node("alice", ALICE)
        alice.do("packets", 20000)
        self.place.settle(self.client, 20000)
        slow = self.place.connect()
        slow.call("subscribe", recent=10000)
        for i in range(8):
            alice.do("packets", 25000)
            self.place.settle(self.client, 20000 + (i + 1) * 25000)
        got, lost, expected = 0, 0, 10000
        while got + lost < 210000:
            told = slow.notification()
            expected += told["lost"]
            lost += told["lost"]
            self.assertEqual([event["sequence"] for event in told["events"]], list(range(expected, expected + len(told["events"]))))
            expected += len(told["events"])
            got += len(told["events"])
        self.assertGreater(lost, 70000)
        self.assertGreater(got, 100)

    def test_an_answer_without_memory_is_an_error_and_ends_nothing_else(self):
        alice = self.place.node("alice", ALICE)
        alice.do("packets", 20000, TRACE_1, BOB)
        self.place.settle(self.client, 20000)
        pid = self.place.traced.pid
        if os.environ.get("SANITIZED"):
            self.skipTest("a sanitizer's memory is unbounded")
        self.assertNotEqual(resource.prlimit(pid, resource.RLIMIT_DATA)[0], resource.RLIM_INFINITY)
        with open("/proc/%d/status" % pid, encoding="ascii") as status:
            taken = int(re.search(r"VmData:\s+(\d+)", status.read())[1]) << 10
        resource.prlimit(pid, resource.RLIMIT_DATA, (taken + (2 << 20),) * 2)
        error = self.client.fail("query", limit=10000)
        self.assertIn(error["code"], (-32003, -32603))
        self.assertEqual(len(self.client.call("query", limit=100)["events"]), 100)
        self.assertEqual(self.client.call("nodes")["nodes"][0]["indexed"], 20000)

    def test_a_half_closed_subscriber_is_served_until_it_goes(self):
        follower = self.place.connect()
        follower.call("subscribe")
        follower.socket.shutdown(socket.SHUT_WR)
        alice = self.place.node("alice", ALICE)
        alice.do("packets", 10)
        self.assertEqual(len(self.collect(follower, 10)[0]), 10)
        follower.close()
        until(lambda: self.client.call("stats")["clients"]["connected"] == 1, "traced to notice")


def alice_end(client):
    return client.call("query", kind="custom", order="desc", limit=1)["events"][0]["sequence"]


class Life(ProtocolTest):
    """Starting, stopping, and the socket."""

    def refused(self, *options):
        second = self.place.spawn("--history", "64M", *options)
        _, text = second.communicate(timeout=DEADLINE_S)
        return second.returncode, text.decode()

    def test_a_second_traced_is_refused_and_names_the_first(self):
        client = self.start()
        code, text = self.refused()
        self.assertEqual(code, 1)
        self.assertIn("another traced (pid %d)" % self.place.traced.pid, text)
        self.assertEqual(len(text.splitlines()), 1)
        client.call("hello")

    def test_a_stale_socket_is_taken_over(self):
        self.start()
        self.place.traced.kill()
        self.place.finish()
        self.assertTrue(os.path.exists(self.place.path))
        self.start().call("hello")

    def test_it_stops_cleanly_on_either_signal(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            client = self.start()
            client.call("subscribe")
            code, log = self.place.stop(number)
            self.assertEqual(code, 0, log)
            self.assertIsNone(client.read_line())
            self.assertEqual([name for name in os.listdir(self.place.directory) if name.startswith("traced.sock")], [])

    def test_it_serves_without_standard_streams(self):
        self.place.traced = subprocess.Popen(["sh", "-c", 'exec "$0" --history 64M <&- >&- 2>&-', os.environ["TRACED"]],
                                             stderr=subprocess.PIPE, env=self.place.environment)

        def listens():
            with socket.socket(socket.AF_UNIX) as probe:
                return probe.connect_ex(self.place.path) == 0

        until(listens, "the socket")
        client = self.place.connect()
        self.place.node("alice", ALICE).do("packets", 3)
        self.place.settle(client, 3)
        self.assertEqual(self.place.stop()[0], 0)

    def test_a_stop_sends_what_was_emitted_and_asked(self):
        client = self.start()
        alice = self.place.node("alice", ALICE)
        client.call("subscribe")
        until(lambda: client.call("nodes")["nodes"], "traced to find the node")
        self.place.hold()  # so that it learns of both at once
        alice.do("packets", 100)
        self.place.traced.send_signal(signal.SIGTERM)
        code, log = self.place.stop(signal.SIGCONT)
        self.assertEqual(code, 0, log)
        events = []
        while True:
            reply = client.read_line()
            if reply is None:
                break
            events += reply["params"]["events"]
        self.assertEqual([event["sequence"] for event in events], list(range(100)))

    def test_a_stop_does_not_wait_for_clients_that_do_not_read(self):
        client = self.start()
        alice = self.place.node("alice", ALICE)
        client.call("subscribe")
        for i in range(5):
            alice.do("packets", 10000)
        self.place.settle(self.place.connect(), 50000)
        code, log = self.place.stop()
        self.assertEqual(code, 0, log)

    def test_command_lines_that_make_no_sense(self):
        for options, code in ((["--nonsense"], 2), (["extra"], 2), (["--history", "x"], 2), (["--history", "1K"], 1), (["--history", "59M"], 1),
                              (["--socket", "/" + "x" * 200], 1), (["--socket", "/proc/nonexistent/dir/s"], 1)):
            with self.subTest(options=options):
                process = self.place.spawn(*options)
                _, text = process.communicate(timeout=DEADLINE_S)
                self.assertEqual(process.returncode, code, text)
                self.assertEqual(len(text.splitlines()), 1)
        for option in ("--help", "--version"):
            done = subprocess.run([os.environ["TRACED"], option], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            self.assertTrue(done.stdout)

    def test_when_descriptors_are_used_up_connections_wait(self):
        def few():
            resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
        first = self.start(preexec_fn=few)
        others = [self.place.connect() for _ in range(60)]
        for other in others:
            other.send_raw(b'{"jsonrpc":"2.0","id":1,"method":"hello"}\n')
        self.assertLess(first.call("stats")["clients"]["connected"], 40)
        for other in others:  # served in order of arrival, as earlier ones leave
            self.assertEqual(other.read_line()["id"], 1)
            other.close()
        until(lambda: first.call("stats")["clients"]["connected"] == 1, "the others to be gone")
        met = first.call("stats")["limits"]["descriptors"]
        self.assertGreaterEqual(met, 1)
        code, log = self.place.stop()
        self.assertEqual(code, 0)
        self.assertIn(log.count("no new connections for now"), (1, 2))  # counted each time, said once a minute

    @unittest.skipUnless(os.geteuid() == 0, "only root can be somebody else")
    def test_another_user_is_not_served(self):
        client = self.start()
        os.chmod(self.place.directory, 0o711)  # the permissions would allow it, and still
        os.chmod(self.place.path, 0o666)
        code = ("import os, socket, sys\nos.setuid(65534)\ns = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n"
                "sys.stdout.buffer.write(s.makefile('rb').read())\n")
        done = subprocess.run([sys.executable, "-c", code, self.place.path], stdout=subprocess.PIPE, check=True)
        [line] = done.stdout.splitlines()
        reply = json.loads(line)
        self.assertEqual((reply["error"]["code"], reply["id"]), (-32004, None))
        self.assertEqual(client.call("stats")["clients"]["refused"], 1)

    def test_excess_clients_are_refused_with_a_reason(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < 1200:
            self.skipTest("not enough descriptors")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1200), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        first = self.start()
        others = [self.place.connect() for _ in range(1023)]
        until(lambda: first.call("stats")["clients"]["connected"] == 1024, "all to be accepted")
        self.assertEqual(first.call("stats")["limits"]["clients"], 0)
        one_more = self.place.connect()
        reply = one_more.read_line()
        self.assertEqual((reply["error"]["code"], reply["error"]["data"]["limit"], reply["id"]), (-32003, 1024, None))
        self.assertIsNone(one_more.read_line())
        self.assertEqual(first.call("stats")["limits"]["clients"], 1)
        for other in others:  # a thousand at once, and each gets its own answer
            other.send_raw(b'{"jsonrpc":"2.0","id":%d,"method":"stats"}\n' % other.socket.fileno())
        for other in others:
            self.assertEqual(other.read_line()["id"], other.socket.fileno())
        others[5].close()
        until(lambda: first.call("stats")["clients"]["connected"] == 1023, "one to be gone")
        self.place.connect().call("hello")


if __name__ == "__main__":
    unittest.main(verbosity=2)
