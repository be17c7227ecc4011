#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""inspector --fleet URL follow, with two real ClickHouse servers: each event once, no matter how late it comes, and losses are reported.

INSPECTOR, MAKE_SPOOL, TRACED and TEST_NODE name the programs."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from clickhouse import DEADLINE_S, Servers, run, why_not, with_shards  # noqa: E402
from harness import Place, hex_id, until  # noqa: E402

SEGMENT = 65536
ARRIVALS = int(os.environ.get("FOLLOW_ARRIVALS", "12"))  # by hand: 60
CUSTOM, EVENTS_LOST = 14, 15  # numbers of kinds (proto/tbl/events.def)
BY_HAND_NS = 1_790_000_000_000_000_000


def key(event):
    return event["node_id"], event["lane"], event["sequence"], event["kind"], event["timestamp"], event["ns"]


def recorded(*directories, words=()):
    lines = run("range", "2000-01-01", "2100-01-01", "--json", *words, *[word for directory in directories for word in ("--read", directory)])
    return [json.loads(line) for line in lines.stdout.splitlines()]


class Follower:
    """A running follow, and its output so far."""

    def __init__(self, *words):
        self.process = subprocess.Popen([os.environ["INSPECTOR"], *map(str, words), "--json"], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines, self.notes = [], []
        self.threads = [threading.Thread(target=self.read, args=args) for args in
                        ((self.process.stdout, self.lines), (self.process.stderr, self.notes))]
        for thread in self.threads:
            thread.start()
        until(lambda: self.notes or self.process.poll() is not None, "the stream to begin")

    @staticmethod
    def read(file, into):
        for line in file:
            into.append(line)

    def rows(self):
        return [json.loads(line) for line in list(self.lines)]

    def events(self):
        return [row for row in self.rows() if "kind" in row]

    def missed(self):
        return [row for row in self.rows() if "missed" in row]

    def peak_kib(self):
        """The most memory that was ever resident."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(status.split("VmHWM:")[1].split()[0])

    def wait_for(self, count):
        until(lambda: len(self.events()) >= count or self.process.poll() is not None, f"{count} events")

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.process.wait(DEADLINE_S)
        for thread in self.threads:
            thread.join()
        self.process.stdout.close()
        self.process.stderr.close()
        return self


@unittest.skipIf(why_not(), why_not())
class FleetFollow(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.root = pathlib.Path(cls.temporary.name)
        cls.servers = Servers(cls.root / "servers", shards=2)
        cls.addClassCleanup(cls.servers.close)
        cls.count = 0

    def setUp(self):
        for server in self.servers:
            server.start_again()  # a test that failed may have left it killed
        FleetFollow.count += 1
        self.database = f"d{FleetFollow.count}"
        self.dir = self.root / self.database
        self.urls = self.servers.create(self.database)

    def spool(self, name, events, seed, *words):
        directory = self.dir / name
        directory.mkdir(parents=True)
        subprocess.run([os.environ["MAKE_SPOOL"], str(directory), str(events), str(seed), *(words or ["load"])], stdout=subprocess.DEVNULL, check=True)
        return directory

    def ship(self, directory, host, shard=0):
        done = run("ship", "--from", directory, "--to", self.urls[shard], "--host", host, "--once")
        self.assertEqual(done.returncode, 0, done.stderr)

    def follow(self, *words):
        follower = Follower("--fleet", self.urls[0], "follow", *words)
        self.addCleanup(follower.end)
        return follower

    def assert_once(self, follower, events):
        self.assertEqual(sorted(map(key, follower.events())), sorted(map(key, events)))

    def test_each_event_comes_once_and_also_those_of_a_machine_that_is_late(self):
        """Both recordings cover the same seconds; the second machine ships after the first, to the other shard."""
        before, first, late = self.spool("before", 500, 1), self.spool("first", SEGMENT + 700, 2), self.spool("late", 900, 3)
        self.ship(before, "alpha")
        follower = self.follow()
        self.ship(first, "alpha")
        follower.wait_for(SEGMENT + 700)
        self.ship(late, "beta", shard=1)
        follower.wait_for(SEGMENT + 1600)
        follower.end()
        self.assert_once(follower, recorded(first) + recorded(late))
        self.assertIn("once a second", follower.notes[0])

    def test_lanes_come_in_their_order_and_the_rest_by_time(self):
        spool = self.spool("one", 5000, 4)
        follower = self.follow()
        self.ship(spool, "alpha")
        follower.wait_for(5000)
        events, places = follower.end().events(), {}
        for event in events:
            lane = event["node_id"], event["lane"]
            self.assertGreater(event["sequence"], places.get(lane, -1))
            places[lane] = event["sequence"]
        self.assertEqual(events, sorted(events, key=lambda event: (event["timestamp"], event["ns"])))

    def test_a_clock_that_is_set_back_loses_nothing_and_changes_no_order(self):
        """By 20 s, in the middle of a recording that is longer than that; another one begins before it."""
        events = SEGMENT + 20000
        spool = self.spool("back", events, 16, "machine", "1", "0", "0", str(-20 * 10**9))
        names = sorted(spool.glob("*.p2rec"))
        times = [event["timestamp"] for event in recorded(spool, words=["--no-clock-correction"])]
        self.assertEqual(len(times), events)
        kept = self.dir / "kept"
        kept.mkdir()
        shutil.move(names[1], kept)
        follower = self.follow("--no-clock-correction")
        self.ship(spool, "alpha")
        follower.wait_for(SEGMENT)
        shutil.move(kept / names[1].name, spool)
        self.ship(spool, "alpha")
        follower.wait_for(events)
        shown = follower.end().events()
        self.assertTrue([event["sequence"] for event in shown] == list(range(events)), "in another order")  # assertEqual would take minutes to say how
        self.assertTrue(any(a["timestamp"] - b["timestamp"] > 19 * 10**6 for a, b in zip(shown, shown[1:])))
        self.assert_once(follower, recorded(spool, words=["--no-clock-correction"]))
        self.assertEqual(follower.missed(), [])

    def test_filters_match_as_on_a_recording(self):
        spool = self.spool("one", 3000, 5)
        peer, trace = recorded(spool)[7]["peer_id"], recorded(spool)[9]["trace_id"]
        wishes = [["--kind", "packet_lost,metrics"], ["--node", "node2"], ["--peer", peer], ["--trace", trace],
                  ["--where", "size > 100 and not node == node1 or rtt > 22ms"]]
        followers = [self.follow(*words) for words in wishes]
        self.ship(spool, "alpha")
        for words, follower in zip(wishes, followers):
            wanted = recorded(spool, words=words)
            self.assertGreater(len(wanted), 0, words)
            follower.wait_for(len(wanted))
            self.assert_once(follower.end(), wanted)

    def test_it_begins_with_recent_events_and_goes_on_with_new_ones(self):
        old, new = self.spool("old", 2000, 6), self.spool("new", 300, 7)
        self.ship(old, "alpha")
        newest = [json.loads(line) for line in run("recent", "40", "--read", old, "--json").stdout.splitlines()]
        since = newest[10]
        followers = [self.follow("--recent", "40")]
        for server in self.servers:
            server.sql("SYSTEM STOP MERGES")
        self.addCleanup(lambda: [server.sql("SYSTEM START MERGES") for server in self.servers])
        (old / "p2ptrace-ship.place").unlink()
        self.ship(old, "alpha")  # now its rows exist twice
        followers += [self.follow("--recent", "40"), self.follow("--since", str(since["timestamp"]))]
        self.ship(new, "beta")
        exact = [event for event in recorded(old) if event["timestamp"] >= since["timestamp"]]
        for follower, past in zip(followers, (newest, newest, exact)):
            follower.wait_for(len(past) + 300)
            self.assert_once(follower.end(), past + recorded(new))

    def test_events_in_two_recordings_come_once(self):
        """A traced that is restarted reads the rings again."""
        one, again, other = self.spool("one", 1000, 8), self.spool("again", 1500, 8), self.spool("other", 100, 9)
        follower = self.follow()
        for directory in one, again, other:
            self.ship(directory, "alpha")
            follower.wait_for({one: 1000, again: 1500, other: 1600}[directory])
        self.assert_once(follower.end(), recorded(again) + recorded(other))

    @with_shards
    def test_a_server_that_goes_away_and_comes_back_costs_nothing(self):
        one, other = self.spool("one", 800, 10), self.spool("other", 900, 11)
        follower = self.follow("--kind", "packet_sent,packet_received")
        wanted = [event for directory in (one, other) for event in recorded(directory) if event["kind"].startswith("packet_") and
                  event["kind"] != "packet_lost"]
        self.ship(one, "alpha")
        until(lambda: follower.events(), "the first")
        self.servers[1].kill()  # a shard: now no answer can be complete
        until(lambda: "does not answer" in "".join(follower.notes) or follower.process.poll() is not None, "it to be noticed")
        self.servers[1].start()
        self.ship(other, "beta", shard=1)
        follower.wait_for(len(wanted))
        until(lambda: "connected again" in "".join(follower.notes), "the end of it")
        self.assert_once(follower.end(), wanted)
        self.assertEqual(follower.missed(), [])
        self.assertIn("missed nothing", "".join(follower.notes))

    @with_shards
    def test_with_wait_it_begins_when_a_shard_is_back(self):
        self.servers[1].kill()
        try:
            follower = self.follow("--wait")
            until(lambda: "waiting for it" in "".join(follower.notes) or follower.process.poll() is not None, "it to wait")
            self.assertIsNone(follower.process.poll(), follower.notes)
        finally:
            self.servers[1].start()
        until(lambda: "asking the fleet" in "".join(follower.notes), "it to begin")
        follower.end()

    @with_shards
    def test_a_fleet_that_does_not_come_back_ends_it_after_wait(self):
        follower = self.follow("--wait=0")
        self.servers[1].kill()
        try:
            follower.process.wait(DEADLINE_S)
        finally:
            self.servers[1].start()
        self.assertEqual(follower.process.returncode, 1)
        self.assertIn("a shard of the cluster does not answer", "".join(follower.end().notes))

    def test_recordings_that_never_came_are_reported(self):
        spool = self.spool("one", 3 * SEGMENT, 12)
        names = sorted(spool.glob("*.p2rec"))
        kept = self.dir / "kept"
        kept.mkdir()
        shutil.move(names[1], kept)
        shutil.move(names[2], kept)
        self.ship(spool, "alpha")
        whole, filtered = self.follow(), self.follow("--kind", "metrics")
        shutil.move(kept / names[2].name, spool)
        self.ship(spool, "alpha")
        wanted = [event for event in recorded(spool)[SEGMENT:]]
        whole.wait_for(SEGMENT)
        until(filtered.missed, "the loss")
        metrics = [event for event in wanted if event["kind"] == "metrics"]
        filtered.wait_for(len(metrics))
        self.assert_once(whole.end(), wanted)
        self.assert_once(filtered.end(), metrics)
        self.assertEqual(filtered.missed(), [{"missed": SEGMENT, "why": "hidden"}])
        self.assertIn(f"up to {SEGMENT} events never came", "".join(whole.notes))

    def announce(self, events, count):
        """Writes events by hand, as (sequence, time, kind, kind_id, columns of that kind), and a recording of `count` events that has them."""
        for sequence, time_ns, kind, kind_id, columns in events:
            names, values = "".join(f", `{name}`" for name in columns), "".join(f", {value}" for value in columns.values())
            self.servers[0].sql(f"INSERT INTO {self.database}.events_local (instance, segment, node_id, log_id, sequence, time_ns, kind, kind_id{names}) "
                                f"VALUES (77, 0, unhex('{hex_id(0xAA)}'), 1, {sequence}, {BY_HAND_NS + time_ns}, '{kind}', {kind_id}{values})")
        self.servers[0].sql(f"INSERT INTO {self.database}.segments_local (instance, segment, host, events, first_ns, last_ns) "
                            f"VALUES (77, 0, 'alpha', {count}, {BY_HAND_NS}, {BY_HAND_NS + 1000})")

    def test_a_loss_comes_before_the_event_at_its_place(self):
        """Also if the clock was set back between the two."""
        follower = self.follow()
        self.announce([(4, 900, "custom", CUSTOM, {}), (8, 700, "custom", CUSTOM, {}), (8, 950, "events_lost", EVENTS_LOST, {"first": 5, "count": 3})], 3)
        until(lambda: any((event["sequence"], event["kind"]) == (8, "custom") for event in follower.events()), "the event after the loss")
        self.assertEqual([(event["sequence"], event["kind"]) for event in follower.end().events()], [(4, "custom"), (8, "events_lost"), (8, "custom")])
        self.assertEqual(follower.missed(), [])

    def test_an_event_with_two_numbers_of_steps_comes_once(self):
        """A traced that was restarted after a step has read it again, and counts from 0."""
        for server in self.servers:
            server.sql("SYSTEM STOP MERGES")
            self.addCleanup(server.sql, "SYSTEM START MERGES")
        follower = self.follow()
        again = {"clock_steps": 1}
        self.announce([(4, 900, "custom", CUSTOM, again), (4, 900, "custom", CUSTOM, {}), (5, 901, "custom", CUSTOM, {}), (5, 901, "custom", CUSTOM, again),
                       (6, 902, "custom", CUSTOM, {})], 5)
        until(lambda: any(event["sequence"] == 6 for event in follower.events()), "the events")
        for events in follower.end().events(), [json.loads(line) for line in run("--fleet", self.urls[0], "range", "0", "2100-01-01", "--json").stdout.splitlines()]:
            self.assertEqual([event["sequence"] for event in events], [4, 5, 6])

    def test_events_that_a_replica_announces_and_never_has_are_counted_after_a_minute(self):
        """It asks once a second all that time.  One server that says it is a replica will do."""
        for server in self.servers:
            (version, fleet, cluster), = server.sql(f"SELECT version, fleet, cluster FROM {self.database}.p2ptrace_schema")
            server.sql(f"DROP TABLE {self.database}.p2ptrace_schema")
            server.sql(f"CREATE VIEW {self.database}.p2ptrace_schema AS SELECT toUInt32({version}) AS version, '{fleet}' AS fleet, '{cluster}' AS "
                       "cluster, toUInt8(1) AS replicated")
        whole, filtered = self.follow(), self.follow("--kind", "metrics")
        self.announce([(sequence, sequence, "custom", CUSTOM, {}) for sequence in range(3)], 5)
        begin = time.monotonic()
        while not (len(whole.notes) > 1 and filtered.missed()) and time.monotonic() < begin + 2 * DEADLINE_S:
            self.assertTrue(whole.process.poll() is None and filtered.process.poll() is None)
            time.sleep(0.1)
        self.assertGreater(time.monotonic() - begin, 58)
        whole.wait_for(3)
        self.assertEqual([event["sequence"] for event in whole.end().events()], [0, 1, 2])
        self.assertEqual(whole.notes[1:], ["inspector: up to 2 events never came: their recordings were removed before they were shipped, or are damaged\n"])
        self.assertEqual((filtered.end().events(), filtered.missed()), ([], [{"missed": 2, "why": "hidden"}]))

    def test_its_memory_does_not_grow_while_recordings_arrive(self):
        """What it keeps of each run of traced, a few hundred bytes, is all that stays."""
        follower, wanted, peaks = self.follow(), [], []
        for number in range(ARRIVALS):
            spool = self.spool(f"run{number}", 500, 100 + number, "machine", "0", "0", "0")
            self.ship(spool, "alpha", shard=number % 2)
            wanted += recorded(spool)
            follower.wait_for(len(wanted))
            peaks.append(follower.peak_kib())
        follower.end()
        self.assert_once(follower, wanted)
        self.assertEqual(follower.missed(), [])
        if "SANITIZED" not in os.environ:  # their allocators do not give memory back
            self.assertLess(peaks[-1], peaks[2 * ARRIVALS // 3 - 1] + 1024, peaks)

    def test_it_ends_when_requested(self):
        spool = self.spool("one", 400, 13)
        limited = self.follow("--limit", "30")
        self.ship(spool, "alpha")
        limited.process.wait(DEADLINE_S)
        self.assertEqual((limited.process.returncode, len(limited.end().events())), (0, 30))
        done = run("--fleet", self.urls[0], "follow", "--for", "100ms")
        self.assertEqual((done.returncode, len(done.stdout.splitlines())), (0, 1), done)

    def test_errors_are_reported_at_once(self):
        for words, sentence in ((["--kind", "nope"], 'there is no kind "nope"'), (["--where", "rtt >"], "is missing"),
                                (["--trace", "zz"], "--trace zz must be 1 to 32 hex digits"), (["--trace", "abcd"], "abcd")):
            done = run("--fleet", self.urls[0], "follow", *words)
            self.assertNotEqual(done.returncode, 0, words)
            self.assertIn(sentence, done.stderr)
        for command in ["top"], ["trigger", "packet_lost"]:
            done = run("--fleet", self.urls[0], *command)
            self.assertEqual((done.returncode, done.stdout), (1, ""), command)
            self.assertIn("needs live nodes: a fleet has none", done.stderr)

    def test_events_of_live_nodes_arrive_while_their_segment_is_open(self):
        place = Place()
        self.addCleanup(place.close)
        self.dir.mkdir(exist_ok=True)
        spool = self.dir / "live"
        place.start("--record", str(spool), "--record-seal", "1s")
        node = place.node("alice", hex_id(0xAA))
        follower = self.follow("--node", "alice")
        shipper = subprocess.Popen([os.environ["INSPECTOR"], "ship", "--from", str(spool), "--to", self.urls[0], "--host", "alpha"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for count in 5, 12:
                node.do("packets", count, hex_id(1, 32), hex_id(0xBB))
                follower.wait_for(count if count == 5 else 17)
            self.assertEqual([event["sequence"] for event in follower.events()], list(range(17)))
            self.assertEqual(follower.missed(), [])
        finally:
            shipper.terminate()
            shipper.wait()

    def test_when_nodes_ended_is_the_same_live_recorded_and_in_a_fleet(self):
        """One closes its log, one is killed, and one goes on."""
        place = Place()
        self.addCleanup(place.close)
        self.dir.mkdir(exist_ok=True)
        spool = self.dir / "ended"
        place.start("--record", str(spool))
        nodes = [place.node(name, hex_id(number)) for name, number in (("closed", 0xA1), ("killed", 0xA2), ("goes-on", 0xA3))]
        for node in nodes:
            node.do("packets", 3, hex_id(1, 32), hex_id(0xBB))

        def ask(*source):
            done = subprocess.run([os.environ["INSPECTOR"], *source, "nodes", "--json"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, env=place.environment, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""), source)
            return {row["name"]: tuple(row[name] for name in ("state", "started", "last", "ended")) for row in map(json.loads, done.stdout.splitlines())}

        nodes[0].close()
        nodes[1].kill()
        states = {"closed": "exited", "killed": "crashed", "goes-on": "live"}
        until(lambda: {name: row[0] for name, row in ask().items()} == states, "the ends of two nodes")
        live = ask()
        self.assertEqual({name for name, (*_, ended) in live.items() if ended}, {"closed", "killed"})
        self.assertEqual(place.stop()[0], 0)
        self.ship(spool, "alpha")
        recorded = ask("--read", str(spool))
        self.assertEqual(ask("--fleet", self.urls[0]), recorded)
        *lived, ended = recorded.pop("goes-on")
        self.assertEqual((tuple(lived), ended["by"]), (live.pop("goes-on")[:3], None))
        self.assertEqual(recorded, live)

    def test_who_is_who_is_the_same_live_recorded_and_in_a_fleet(self):
        """alice knows bob by his address, then by his id, then by another key that he says is his."""
        bob, key, address = hex_id(0xBB), hex_id(0x77), "192.0.2.7:4001"
        place = Place()
        self.addCleanup(place.close)
        self.dir.mkdir(exist_ok=True)
        spool = self.dir / "who"
        place.start("--record", str(spool))
        alice, node = place.node("alice", hex_id(0xAA)), place.node("bob", bob)
        for speaker, words in ((alice, ("message", "sent", "@" + address, 1)), (alice, ("alias", bob, "@" + address)),
                               (alice, ("message", "sent", bob, 2)), (node, ("alias", "-", key, "long-term")),
                               (alice, ("message", "sent", key, 3)), (alice, ("message", "sent", hex_id(0xCC), 4))):
            speaker.do(*words)
        questions = [["recent", "20", "--peer", "bob"], ["recent", "20", "--peer", address], ["recent", "20", "--where", f"peer == {key}"],
                     ["recent", "20", "--where", "not peer == bob and kind == message_sent"], ["peer", "bob"], ["count", "--by", "peer", "--where", "message_sent"],
                     ["count", "--peer", key]]

        def ask(*source):
            done = [subprocess.run([os.environ["INSPECTOR"], *source, *words, "--json"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, env=place.environment, check=False) for words in questions]
            self.assertEqual([(each.returncode, each.stderr) for each in done], [(0, "")] * len(done), source)
            answers = [[json.loads(line) for line in each.stdout.splitlines()] for each in done]
            for row in [row for rows in answers for row in rows if "aliases" in row]:
                row["aliases"].sort(key=lambda alias: alias["id"])  # they have no order
            return answers

        def messages(rows):
            return [row["data"]["message_id"] for row in rows if row["kind"].startswith("message")]

        until(lambda: json.loads(subprocess.run([os.environ["INSPECTOR"], "count", "--json"], stdout=subprocess.PIPE, env=place.environment,
                                                check=True).stdout)["events"] == 6, "all events")
        live = ask()
        self.assertEqual([messages(rows) for rows in live[:4]], [[1, 2, 3], [1, 2, 3], [1, 2, 3], [4]])
        self.assertEqual([row["group"]["peer"] for row in live[5][0]["rows"]], [bob, hex_id(0xCC)])
        follower = self.follow("--where", "peer == bob")
        self.assertEqual(place.stop()[0], 0)
        self.ship(spool, "alpha")
        self.assertEqual(ask("--read", str(spool)), live)
        self.assertEqual(ask("--fleet", self.urls[0]), live)
        follower.wait_for(len(live[0]))
        self.assertEqual(messages(follower.end().events()), [1, 2, 3])


if __name__ == "__main__":
    unittest.main()
