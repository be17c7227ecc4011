#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Machines whose clocks differ: inspector --fleet corrects times as --read does with the same recordings.

INSPECTOR and MAKE_SPOOL name the programs."""
import datetime
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from clickhouse import Servers, rows_of, run, why_not  # noqa: E402
from rounds import Rounds  # noqa: E402

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from harness import without_source  # noqa: E402

SEGMENT = 65536
EVENTS = 66000  # more than a segment
LEAD_NS, DRIFT_PPB = 7_200_000_123_456, 20_000
STEP_NS = 3_000_000_000
ERROR_NS = 100_000


def time_text(us):
    """In the form that filters accept."""
    return f"'{datetime.datetime.fromtimestamp(int(us) / 1e6, datetime.timezone.utc).strftime('%Y-%m-%dT%H:%M:%S.%f')}Z'"


def ns_of(event):
    return event["timestamp"] * 1000 + event["ns"]


@unittest.skipIf(why_not(), why_not())
class FleetClocks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.root = pathlib.Path(cls.temporary.name)
        cls.servers = Servers(cls.root / "servers", shards=2)
        cls.addClassCleanup(cls.servers.close)
        cls.reads, cls.url = cls.network("apart", EVENTS, 5, [(0, 0, 0), (LEAD_NS, DRIFT_PPB, 0)])

    @classmethod
    def network(cls, name, events, seed, clocks, *more):
        """Two machines with these clocks, and more words for MAKE_SPOOL, shipped twice.  Returns how to read their recordings, and the URL."""
        urls = cls.servers.create(name)
        for server in cls.servers:
            server.sql("SYSTEM STOP MERGES")  # rows that were sent twice stay duplicated
        reads = []
        for number, clock in enumerate(clocks):
            directory = cls.root / f"{name}{number}"
            directory.mkdir()
            subprocess.run([os.environ["MAKE_SPOOL"], str(directory), str(events), str(seed), "machine", str(number), *map(str, clock), *more],
                           stdout=subprocess.DEVNULL, check=True)
            for time in range(2):
                done = run("ship", "--from", directory, "--to", urls[number], "--host", f"host{number}", "--once",
                           "--place", cls.root / f"{name}{number}.{time}.place")
                assert done.returncode == 0, done
            reads += ["--read", directory]
        return reads, urls[0]

    def assert_same(self, *words, reads=None, url=None):
        with self.subTest(words=words):
            recorded, fleet = run(*(reads or self.reads), *words), run("--fleet", url or self.url, *words)
            self.assertEqual((fleet.returncode, without_source(fleet.stderr)), (recorded.returncode, without_source(recorded.stderr)))
            one, other = (without_source(done.stdout).splitlines() for done in (recorded, fleet))
            self.assertEqual(len(one), len(other))
            self.assertGreater(len(one), 0)
            for line, same in zip(one, other):
                self.assertEqual(same, line)

    def facts(self):
        """A trace, and times of events in the middle."""
        recent = rows_of(run(*self.reads, "recent", "9000", "--json"))
        return recent[4500]["trace_id"], str(recent[3000]["timestamp"]), str(recent[6000]["timestamp"])

    def test_a_lead_and_its_drift_are_found(self):
        nodes = {row["name"]: row["clock_lead"] for row in rows_of(run("--fleet", self.url, "nodes", "--json"))}
        leads = {host: nodes[node] for node, host in (("node0", "host0"), ("node1", "host1"))}
        self.assertEqual({host: lead["host"] for host, lead in leads.items()}, {host: host for host in leads})
        reference = next(lead for lead in leads.values() if lead["lead"] == 0)
        other = next(lead for lead in leads.values() if lead["lead"] != 0)
        sign = 1 if reference["host"] == "host0" else -1
        last_ns = ns_of(next(row for row in rows_of(run("--fleet", self.url, "nodes", "--json")) if row["name"] == "node0")["last"])
        since_s = (last_ns - 1_790_000_000_000_000_000) / 1e9
        self.assertLess(other["error"], ERROR_NS)
        self.assertLessEqual(abs(sign * other["lead"] - LEAD_NS - DRIFT_PPB * since_s), other["error"] + 1000)
        self.assertAlmostEqual(sign * other["drift"], DRIFT_PPB / 1e9, delta=1e-6)

    def test_answers_agree_with_the_recordings(self):
        trace, since, until = self.facts()
        times = [time_text(time) for time in (since, until)]
        for words in (["recent", 300], ["recent", 30, "--kind", "metrics"], ["recent", 20, "--to", since], ["range", since, until],
                      ["range", since, until, "--kind", "message_received", "--limit", 50], ["peer", "node0", "--limit", 100], ["peers"], ["traces"],
                      ["traces", "--limit", 3], ["traces", "--order", "oldest"], ["traces", "--order", "slowest"], ["traces", "--from", since, "--to", until],
                      ["trace", trace], ["count"], ["count", "--by", "kind,node"], ["count", "--by", "time/1s"], ["count", "--from", since], ["range", since, until, "--where", f"time >= {times[0]} and kind == metrics"],
                      ["recent", 20, "--where", f"time < {times[1]} and not kind == metrics"],
                      ["count", "--from", since, "--to", until, "--by", "node"], ["analyze"]):
            self.assert_same(*words, "--json")
        for words in ["trace", trace], ["trace", trace, "--graph"], ["analyze", "trace", trace], ["traces", "--limit", 5]:
            self.assert_same(*words)
        self.assert_same("nodes", "--json")
        exported = [run("export", *source, "--format", "ndjson").stdout.splitlines() for source in (self.reads, ["--fleet", self.url])]
        self.assertEqual(len(exported[0]), len(exported[1]))
        self.assertEqual(exported[0][:2000], exported[1][:2000])
        self.assertEqual(sorted(exported[0]), sorted(exported[1]))

    def test_clocks_take_one_round_more(self):
        with Rounds(self.servers[0].http, [7, 1]) as rounds:
            self.assertEqual(run("--fleet", f"{rounds.address}/apart", "nodes").returncode, 0)
            self.assertEqual(rounds.sizes, [7, 1])

    def test_the_correction_is_reported_and_no_effect_precedes_its_cause(self):
        trace = self.facts()[0]
        said = run("--fleet", self.url, "trace", trace).stdout
        self.assertRegex(said, r"node\d's clock \(on host\d\) is .*(ahead of|behind) host\d's, ± ")
        self.assertNotIn("before sent", said)
        raw = run("--fleet", self.url, "trace", trace, "--no-clock-correction").stdout
        self.assertNotIn("corrected", raw)
        self.assertIn("events in 2h", raw)
        self.assertNotIn("events in 2h", said)

    def test_without_correction_each_machine_keeps_its_times(self):
        trace, since, until = self.facts()
        for words in (["recent", 100], ["traces"], ["trace", trace], ["count", "--from", since, "--to", until, "--by", "node"], ["peers"]):
            self.assert_same(*words, "--json", "--no-clock-correction")
        self.assertNotIn("clock_lead", run("--fleet", self.url, "nodes", "--json", "--no-clock-correction").stdout)

    def test_events_that_are_followed_have_the_shown_times(self):
        followed = rows_of(run("--fleet", self.url, "follow", "--recent", "200", "--limit", "200", "--json"))
        recent = rows_of(run("--fleet", self.url, "recent", "200", "--json"))
        key = lambda event: (event["node_id"], event["lane"], event["sequence"])  # noqa: E731
        self.assertEqual({key(event): (ns_of(event), event["clock_lead"]) for event in followed},
                         {key(event): (ns_of(event), event["clock_lead"]) for event in recent})

    def test_a_step_forward_is_found(self):
        self.check_step("step", STEP_NS)

    def test_a_step_back_is_found(self):
        """Own times around it are there twice."""
        self.check_step("back", -STEP_NS)

    def test_a_traced_that_is_restarted_after_a_step_back_goes_on_behind_it(self):
        """Its events have number 0, as those before the step."""
        self.check_step("restarted", -STEP_NS, "restarted")

    def test_clocks_are_estimated_again_when_one_is_set_while_they_are_followed(self):
        url, events = f"{self.servers[0].url}/while", 2 * SEGMENT + 400  # the step is behind the first recording
        self.assertEqual(run("fleet", "init", url).returncode, 0)
        later = []
        for number, clock in enumerate([(0, 0, 0), (-5_000_000, -3_000, -STEP_NS)]):
            directory = self.root / f"while{number}"
            directory.mkdir()
            subprocess.run([os.environ["MAKE_SPOOL"], str(directory), str(events), "6", "machine", str(number), *map(str, clock)], stdout=subprocess.DEVNULL, check=True)
            first, *rest = sorted(directory.glob("*.p2rec"))
            for path in rest:
                path.rename(path.with_suffix(".later"))
            later += rest
            self.ship(directory, url, number)
        follower = subprocess.Popen([os.environ["INSPECTOR"], "--fleet", url, "follow", "--kind", "metrics", "--recent", "1", "--json"], stdin=subprocess.DEVNULL,
                                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        with follower:
            followed = []
            follower.stdout.readline()  # it has begun
            for path in later:
                path.with_suffix(".later").rename(path)
            for number in range(2):
                self.ship(self.root / f"while{number}", url, number)
            wanted = {self.place(event): event for event in rows_of(run("--fleet", url, "range", "0", "2100-01-01", "--kind", "metrics", "--json"))}
            new = {place for place in wanted if place[1] >= SEGMENT}
            self.assertGreater(len(new), 1000)
            while new:
                followed.append(json.loads(follower.stdout.readline()))
                new.discard(self.place(followed[-1]))
            follower.send_signal(signal.SIGINT)
        for event in followed:
            self.assertLess(abs(ns_of(event) - ns_of(wanted[self.place(event)])), ERROR_NS)  # each from what had arrived by then

    @staticmethod
    def place(event):
        return event["node_id"], event["sequence"]

    def ship(self, directory, url, number):
        done = run("ship", "--from", directory, "--to", url, "--host", f"host{number}", "--once")
        self.assertEqual(done.returncode, 0, done)

    def check_step(self, name, step_ns, *more):
        reads, url = self.network(name, 20000, 6, [(0, 0, 0), (-5_000_000, -3_000, step_ns)], *more)
        time = rows_of(run(*reads, "recent", "10000", "--json"))[0]  # in the middle
        for words in (["recent", 300, "--json"], ["count", "--by", "time/1s", "--json"],
                      ["traces", "--order", "oldest", "--limit", 40, "--json"], ["peers", "--json"], ["requests", "--json"],
                      ["trace", time["trace_id"], "--json"], ["trace", time["trace_id"]], ["range", "0", "2100-01-01", "--json"],
                      ["range", time["timestamp"] - 4_000_000, time["timestamp"] + 4_000_000, "--json"], ["analyze", "--json", "--summary"],
                      ["recent", 9000, "--json", "--no-clock-correction"], ["traces", "--json", "--no-clock-correction"]):
            self.assert_same(*words, reads=reads, url=url)
        leads = [{row["name"]: row["clock_lead"] for row in rows_of(run(*source, "nodes", "--json"))} for source in (reads, ["--fleet", url])]
        self.assertEqual(leads[0], leads[1])
        steps = [row["clock_lead"]["steps"] for row in rows_of(run("--fleet", url, "nodes", "--json"))]
        self.assertEqual(sorted(steps), [0, 1])

    def test_nodes_began_and_ended_on_the_clock_of_that_time(self):
        """Two nodes of each machine have one event each: before the step of a clock, and after it."""
        for name, step_ns in ("ends", STEP_NS), ("ends_back", -STEP_NS), ("ends_far", -4 * STEP_NS):
            reads, url = self.network(name, 20000, 6, [(0, 0, 0), (-5_000_000, -3_000, step_ns)], "ended")
            recorded, fleet = (rows_of(run(*source, "nodes", "--json")) for source in (reads, ["--fleet", url]))
            for node in "early", "late":
                for bound in "started", "last":
                    with self.subTest(step=name, node=node, bound=bound):
                        times = [sorted((row["host"], ns_of(row[bound])) for row in rows if row["name"] == node) for rows in (recorded, fleet)]
                        self.assertEqual([host for host, _ in times[0]], ["host0", "host1"])
                        self.assertLess(abs(times[0][0][1] - times[0][1][1]), 5_000_000)  # the same moment
                        self.assertEqual(times[1], times[0])

    def test_packets_of_peers_under_other_ids_count(self):
        reads, url = self.network("aliased", 20000, 9, [(0, 0, 0), (LEAD_NS, DRIFT_PPB, 0)], "aliased")
        leads = [{row["name"]: row["clock_lead"] for row in rows_of(run(*source, "nodes", "--json"))} for source in (reads, ["--fleet", url])]
        self.assertEqual(leads[0], leads[1])
        self.assertLess(max(lead["error"] for lead in leads[1].values()), ERROR_NS)
        recorded, fleet = (rows_of(run(*source, "peers", "--json")) for source in (reads, ["--fleet", url]))
        for peer in recorded + fleet:
            peer["nodes"].sort()
        self.assertEqual(fleet, recorded)
        peer = next(peer for peer in fleet if peer["name"] == "node1")
        for words in (["recent", 300], ["count", "--by", "peer,kind"], ["count", "--by", "peer,time/1s"], ["traces", "--limit", 30],
                      ["count", "--where", f"peer == {peer['peer_id']}", "--by", "peer,node"], ["recent", 50, "--where", f"peer == {peer['aliases'][0]['id']}"],
                      ["peer", peer["peer_id"], "--limit", 100]):
            self.assert_same(*words, "--json", reads=reads, url=url)

    def test_a_fleet_without_the_table_of_ends_is_migrated_and_has_the_same_rows(self):
        _, url = self.network("older", 20000, 8, [(0, 0, 0), (5_000_000, 0, 0)])
        rows = ("SELECT hex(peer_id), sample, hex(node_id), log_id, lane, sequence, time_ns, sent FROM older.clock_ends FINAL "
                "ORDER BY peer_id, sample, node_id")
        shipped = self.servers[0].sql(rows)
        self.assertGreater(len(shipped), 1000)
        for server in self.servers:
            server.sql("DROP TABLE older.clock_ends")
            server.sql("DROP TABLE older.clock_ends_local")
        self.assertIn(f"inspector fleet migrate {url}", run("--fleet", url, "nodes").stderr)
        done = run("fleet", "migrate", *(f"{server.url}/older" for server in self.servers))
        self.assertEqual(done.returncode, 0, done)
        filled = {tuple(row) for row in self.servers[0].sql(rows)}
        self.assertLessEqual({tuple(row) for row in shipped}, filled)  # it has all, although a segment contributes only that many
        self.assertEqual(run("--fleet", url, "nodes").returncode, 0)

    def test_a_filter_that_is_too_long_as_sql_is_refused(self):
        done = run("--fleet", self.url, "recent", "1", "--where", " or ".join(f"time>-{i % 9}s" for i in range(250)))
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("use a shorter --where", done.stderr)


if __name__ == "__main__":
    unittest.main()
