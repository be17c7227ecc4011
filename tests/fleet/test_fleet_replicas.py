#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A fleet with replicas: two servers of one shard and one of another, with a ZooKeeper.

INSPECTOR and MAKE_SPOOL name the programs.  Skipped where ZooKeeper is not installed (./dev setup-fleet-replicas)."""
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from clickhouse import DEADLINE_S, Refused, Servers, ZooKeeper, rows_of, run, why_no_replicas  # noqa: E402
from harness import until, without_source  # noqa: E402
from test_fleet_follow import Follower, key, recorded  # noqa: E402

EVENTS = 70000


@unittest.skipIf(why_no_replicas(), why_no_replicas())
class FleetReplicas(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.root = pathlib.Path(cls.temporary.name)
        cls.zookeeper = ZooKeeper(cls.root / "zookeeper")
        cls.addClassCleanup(lambda: cls.zookeeper.kill())
        cls.servers = Servers(cls.root / "servers", [2, 1], zookeeper=cls.zookeeper)
        cls.addClassCleanup(cls.servers.close)
        cls.count = 0

    def setUp(self):
        FleetReplicas.count += 1
        self.database = f"d{FleetReplicas.count}"
        self.one, self.two, self.other = self.servers
        self.urls = [f"{server.url}/{self.database}" for server in self.servers]
        self.servers.wait_for_ddl()
        done = run("fleet", "init", "--cluster", "fleet", "--on-cluster", "--replicated", self.urls[0])
        self.assertEqual(done.returncode, 0, done)
        self.dir = self.root / self.database
        self.dir.mkdir()

    def spool(self, name, events, seed, kind="load"):
        directory = self.dir / name
        directory.mkdir()
        subprocess.run([os.environ["MAKE_SPOOL"], str(directory), str(events), str(seed), kind], stdout=subprocess.DEVNULL, check=True)
        return directory

    def words(self, directory, url, host="alpha"):
        return ["ship", "--from", directory, "--to", url, "--host", host]

    def ship(self, directory, url, host="alpha"):
        done = run(*self.words(directory, url, host), "--once")
        self.assertEqual(done.returncode, 0, done)

    def rows(self, server):
        return server.number(f"SELECT count() FROM {self.database}.events_local FINAL")

    def events(self, url):
        done = run("--fleet", url, "count", "--json")
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        return rows_of(done)[0]["events"]

    def assert_same(self, directories, url, *words):
        reads = [word for directory in directories for word in ("--read", directory)]
        fleet, recordings = run("--fleet", url, *words, "--json"), run(*reads, *words, "--json")
        self.assertEqual((fleet.returncode, fleet.stderr), (0, ""), words)
        self.assertEqual(without_source(fleet.stdout), without_source(recordings.stdout), words)

    def test_statements_reach_all_servers_and_each_replica_has_its_shard(self):
        one, other = self.spool("one", EVENTS, 1), self.spool("other", 5000, 2)
        self.ship(one, self.urls[0])
        self.ship(other, self.urls[2], "beta")
        until(lambda: self.rows(self.two) == EVENTS, "the second replica to have the rows")
        self.assertEqual([self.rows(server) for server in self.servers], [EVENTS, EVENTS, 5000])
        for url in self.urls:
            for words in ["count", "--by", "kind"], ["traces"], ["recent", "40"]:
                self.assert_same([one, other], url, *words)
            done = run("fleet", "status", url)
            self.assertEqual(done.returncode, 0, done)
            self.assertIn("replica", done.stdout)

    def test_the_same_rows_by_another_replica_count_once(self):
        spool = self.spool("one", EVENTS, 3)
        self.ship(spool, self.urls[0])
        (spool / "p2ptrace-ship.place").unlink()
        self.ship(spool, self.urls[1])  # the place is lost: everything is sent again
        for url in self.urls:
            self.assertEqual(self.events(url), EVENTS)

    def test_a_replica_that_is_killed_catches_up_and_answers_go_on(self):
        first, then = self.spool("first", EVENTS, 4), self.spool("then", 9000, 5)
        self.ship(first, self.urls[0])
        until(lambda: self.rows(self.two) == EVENTS, "the second replica to have the rows")
        self.one.kill()
        try:
            self.assertEqual(self.events(self.urls[2]), EVENTS)  # asked through the other shard: it uses the live replica
            done = run(*self.words(then, self.urls[0]), "--once", "--wait=0")
            self.assertEqual(done.returncode, 3, done)
            self.ship(then, self.urls[1])
            self.assertEqual(self.events(self.urls[1]), EVENTS + 9000)
        finally:
            self.one.start()
        until(lambda: self.rows(self.one) == EVENTS + 9000, "the first replica to catch up")
        self.assert_same([first, then], self.urls[0], "count", "--by", "kind,node")

    def test_a_shard_without_any_replica_is_named(self):
        self.ship(self.spool("one", 3000, 6), self.urls[2])
        self.one.kill()
        self.two.kill()
        try:
            done = run("--fleet", self.urls[2], "count")
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn("a shard of the cluster does not answer", done.stderr)
        finally:
            self.one.start()
            self.two.start()
        self.assertEqual(self.events(self.urls[2]), 3000)

    def test_without_zookeeper_recordings_wait_and_questions_are_answered(self):
        first, then = self.spool("first", 4000, 7), self.spool("then", EVENTS, 8)
        self.ship(first, self.urls[0])
        self.zookeeper.kill()
        try:
            until(lambda: self.is_read_only(self.one), "the server to notice")
            done = run(*self.words(then, self.urls[0]), "--once", "--wait=1")
            self.assertEqual(done.returncode, 1, done)
            self.assertIn("read-only now: its ZooKeeper or Keeper does not answer", done.stderr)
            self.assertEqual(self.events(self.urls[0]), 4000)
            shipper = subprocess.Popen([os.environ["INSPECTOR"], *map(str, self.words(then, self.urls[0])), "--once", "--wait=600"],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        finally:
            self.servers.restart_zookeeper()
        _, said = shipper.communicate(timeout=4 * DEADLINE_S)
        self.assertEqual(shipper.returncode, 0, said)
        self.assertEqual(self.events(self.urls[0]), 4000 + EVENTS)
        until(lambda: self.rows(self.two) == 4000 + EVENTS, "the second replica to have the rows")

    def is_read_only(self, server):
        try:
            return server.number("SELECT max(is_readonly) FROM system.replicas") == 1
        except Refused:
            return False

    def test_follow_sees_each_event_once_by_whichever_replica(self):
        followers = [Follower("--fleet", url, "follow") for url in self.urls]
        for follower in followers:
            self.addCleanup(follower.end)
        first, then = self.spool("first", 2000, 9), self.spool("then", 1500, 10)
        self.ship(first, self.urls[0])
        self.ship(then, self.urls[1], "beta")
        wanted = sorted(map(key, recorded(first) + recorded(then)))
        for follower in followers:
            follower.wait_for(3500)
            self.assertEqual(sorted(map(key, follower.end().events())), wanted)

    def test_an_older_schema_is_migrated_on_all_servers(self):
        for server in self.servers:
            server.sql(f"DROP TABLE {self.database}.segments")
            server.sql(f"DROP TABLE {self.database}.segments_local")
        done = run("--fleet", self.urls[1], "count")
        self.assertEqual(done.returncode, 1)
        self.assertIn("inspector fleet migrate", done.stderr)
        done = run("fleet", "migrate", "--on-cluster", self.urls[0])
        self.assertEqual(done.returncode, 0, done)
        for url in self.urls:
            self.assertEqual(self.events(url), 0)

    def test_a_replica_that_lags_loses_nothing_for_those_who_follow(self):
        """Its recordings are announced before their events are there."""
        self.two.sql(f"SYSTEM STOP FETCHES {self.database}.events_local")
        self.addCleanup(self.two.sql, f"SYSTEM START FETCHES {self.database}.events_local")
        follower = Follower("--fleet", self.urls[1], "follow", "--kind", "packet_sent,packet_received,metrics")
        self.addCleanup(follower.end)
        follower.process.send_signal(signal.SIGSTOP)  # until only the replica that lags is left
        self.addCleanup(follower.process.send_signal, signal.SIGCONT)
        spool, other = self.spool("one", 2500, 11), self.spool("other", 300, 12)
        self.ship(spool, self.urls[0])
        self.ship(other, self.urls[2], "beta")
        until(lambda: self.two.number(f"SELECT count() FROM {self.database}.segments_local") == 1, "the recording to be announced")
        self.one.kill()
        try:
            self.assertEqual(self.two.number(f"SELECT count() FROM {self.database}.events"), 300)
            follower.process.send_signal(signal.SIGCONT)
            time.sleep(3)  # it looks once a second
            self.assertEqual(follower.rows(), [])
        finally:
            self.one.start()
        self.two.sql(f"SYSTEM START FETCHES {self.database}.events_local")
        wanted = recorded(spool, other, words=["--kind", "packet_sent,packet_received,metrics"])
        follower.wait_for(len(wanted))
        self.assertEqual(sorted(map(key, follower.end().events())), sorted(map(key, wanted)))
        self.assertEqual(follower.missed(), [])

    def test_schema_1_is_migrated_on_all_servers(self):
        """Its rows are in `events`, and the tables of later schemas are filled from them."""
        one, other = self.spool("one", 4000, 13, "aliases"), self.spool("other", 3000, 14, "aliases")
        self.ship(one, self.urls[0])
        self.ship(other, self.urls[2], "beta")
        until(lambda: self.rows(self.two) == 4000, "the second replica to have the rows")
        fleet = self.one.sql(f"SELECT fleet FROM {self.database}.p2ptrace_schema")[0][0]
        for server in self.servers:
            for table in "rare_events", "deliveries":
                server.sql(f"DROP TABLE {self.database}.{table}")
                server.sql(f"DROP TABLE {self.database}.{table}_local")
            server.sql(f"DROP TABLE {self.database}.p2ptrace_schema")
            server.sql(f"CREATE VIEW {self.database}.p2ptrace_schema AS SELECT toUInt32(1) AS version, '{fleet}' AS fleet, 'fleet' AS cluster, "
                       "toUInt8(1) AS replicated")
        done = run("--fleet", self.urls[2], "count")
        self.assertEqual(done.returncode, 1)
        self.assertIn("has schema 1, and this inspector needs 4", done.stderr)
        for _ in range(2):  # the second time, there is nothing to do
            done = run("fleet", "migrate", "--on-cluster", self.urls[0])
            self.assertEqual(done.returncode, 0, done)
        for server in self.servers:
            self.assertEqual(server.sql(f"SELECT version, fleet, cluster, replicated FROM {self.database}.p2ptrace_schema"),
                             [["4", fleet, "fleet", "1"]])
        rare = (f"SELECT count() FROM (SELECT DISTINCT node_id, log_id, lane, sequence, cause FROM {self.database}.{{}} "
                "WHERE kind IN ('alias', 'events_lost'))")
        wanted = self.one.number(rare.format("events"))
        self.assertGreater(wanted, 0)
        until(lambda: [server.number(rare.format("rare_events")) for server in self.servers] == [wanted] * 3, "each replica to have the rows")
        for url in self.urls:
            for question in ["count", "--by", "peer,kind"], ["recent", "40"]:
                self.assert_same([one, other], url, *question)


@unittest.skipIf(why_no_replicas(), why_no_replicas())
class WithoutZooKeeper(unittest.TestCase):
    def test_a_server_that_starts_is_not_asked_for_the_cluster(self):
        """ClickHouse 18.16 would end with SIGSEGV."""
        root = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        zookeeper = ZooKeeper(root / "zookeeper")
        self.addCleanup(lambda: zookeeper.kill())
        zookeeper.kill()
        servers = self.enterContext(Servers(root / "servers", [1], zookeeper=zookeeper))
        init = ["fleet", "init", "--cluster", "fleet", "--on-cluster", "--replicated", f"{servers[0].url}/d"]
        done = run(*init)
        self.assertEqual((done.returncode, done.stdout), (1, ""), done)
        self.assertIn("ZooKeeper or Keeper", done.stderr)
        servers.restart_zookeeper()
        servers.wait_for_ddl()
        self.assertEqual(run(*init).returncode, 0)


if __name__ == "__main__":
    unittest.main()
