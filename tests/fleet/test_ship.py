#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""inspector ship and inspector fleet with real ClickHouse servers: every recorded event arrives once, whatever happens on
the way.

INSPECTOR, MAKE_SPOOL and READ_BACK name the programs."""
import os
import pathlib
import queue
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from clickhouse import DEADLINE_S, LIBCHDB, PASSWORD, Refused, Servers, rows_of, why_not, with_server, with_shards, with_users  # noqa: E402
from harness import until  # noqa: E402
from proxy import Proxy  # noqa: E402

STEPPED = "machine", "0", "0", "0", "-1000000000"  # words for MAKE_SPOOL
SEGMENT = 65536
HOST = "alpha"
DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs/fleet.md"


def inspector(*words, code=0, **more):
    done = subprocess.run([os.environ["INSPECTOR"], *map(str, words)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=2 * DEADLINE_S, check=False, **more)
    assert done.returncode == code, done
    return done


@unittest.skipIf(why_not(), why_not())
class Fleet(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.servers = Servers(pathlib.Path(cls.temporary.name) / "servers", shards=2)
        cls.addClassCleanup(cls.servers.close)
        cls.count = 0

    def setUp(self):
        for server in self.servers:
            server.start_again()  # a test that failed may have left it killed
        Fleet.count += 1
        self.database = f"d{Fleet.count}"
        self.server = self.servers[0]
        self.dir = pathlib.Path(self.temporary.name) / self.database
        self.dir.mkdir()
        self.url = f"{self.server.url}/{self.database}"

    # ---- expected contents

    def spool(self, events=2 * SEGMENT + 1000, seed=1, directory=None, words=()):
        """Records that many events; returns the instance.  words: more for MAKE_SPOOL."""
        done = subprocess.run([os.environ["MAKE_SPOOL"], str(directory or self.dir), str(events), str(seed), *words], stdout=subprocess.PIPE,
                              text=True, check=True)
        return done.stdout.strip()

    def segment(self, instance, number):
        return self.dir / f"p2ptrace-{instance}-{number:010}.p2rec"

    def init(self, *words, url=None):
        return inspector("fleet", "init", url or self.url, *words)

    def words(self, url=None, directory=None, host=HOST):
        return ["ship", "--from", directory or self.dir, "--to", url or self.url, "--host", host]

    def ship(self, *more, url=None, directory=None, host=HOST, code=0, **popen):
        return inspector(*self.words(url, directory, host), "--once", "--json", *more, code=code, **popen)

    def proxy(self, request_bytes=0, **calls):
        proxy = Proxy(self.server.http, request_bytes, **calls)
        self.addCleanup(proxy.close)
        proxy.url = f"http://127.0.0.1:{proxy.port}/{self.database}"
        return proxy

    def events(self, server=None, table="events"):
        """The fleet's events, as lines."""
        server = server or self.server
        names = subprocess.run([os.environ["READ_BACK"], "--columns"], stdout=subprocess.PIPE, text=True, check=True).stdout
        rows = server.raw(f"SELECT {names} FROM {self.database}.{table} FINAL FORMAT RowBinary")
        done = subprocess.run([os.environ["READ_BACK"]], input=rows, stdout=subprocess.PIPE, check=True)
        return sorted(done.stdout.splitlines())

    def recorded(self, *directories, host=HOST):
        lines = []
        for directory in directories or [self.dir]:
            lines += subprocess.run([os.environ["READ_BACK"], host, str(directory)], stdout=subprocess.PIPE, check=True).stdout.splitlines()
        return sorted(lines)

    def assert_all_there(self):
        one, other = self.recorded(), self.events()
        self.assertEqual(len(one), len(other))
        self.assertTrue(one == other)
        self.assertEqual(self.server.sql(f"SELECT count() FROM {self.database}.losses"), [["0"]])

    # ---- the plain case

    def test_every_recorded_event_arrives(self):
        self.spool()
        self.init()
        is_now, = rows_of(self.ship())
        self.assertEqual((is_now["segments"], is_now["events"], is_now["waiting_segments"]), (3, 2 * SEGMENT + 1000, 0))
        self.assert_all_there()

    def test_counts_agree_with_the_recording(self):
        self.spool()
        self.init()
        self.ship()
        counted, = rows_of(inspector("count", "--read", self.dir, "--by", "kind,node", "--json", "--limit", "10000"))
        wanted = sorted((row["group"]["kind"], row["group"]["node"], row["count"]) for row in counted["rows"])
        found = self.server.sql(f"SELECT kind, node, count() FROM {self.database}.events FINAL GROUP BY kind, node ORDER BY kind, node")
        self.assertEqual([(kind, node, int(count)) for kind, node, count in found], wanted)

    def test_nodes_and_applications_agree_with_the_recording(self):
        self.spool()
        self.init()
        self.ship()
        rows = self.server.sql(f"SELECT node, lower(hex(log_id)), name, host, state, pid, emitted, indexed FROM {self.database}.nodes FINAL "
                               "ORDER BY node")
        wanted = rows_of(inspector("nodes", "--read", self.dir, "--json"))
        self.assertEqual([row[:2] for row in self.server.sql(f"SELECT node, count() FROM {self.database}.nodes FINAL GROUP BY node "
                                                                  "ORDER BY node")],
                         [[row["node_id"], "1"] for row in wanted])
        for found, row in zip(rows, wanted):
            self.assertEqual([found[0], found[2], found[3], found[4]], [row["node_id"], row["name"], HOST, row["state"]])
            self.assertEqual([int(word) for word in found[5:]], [row["pid"], row["emitted"], row["indexed"]])
        app = self.server.sql(f"SELECT count(), any(app_id), any(command_numbers), any(field_types), any(field_offsets), any(field_bytes) "
                              f"FROM {self.database}.apps FINAL")
        self.assertEqual(app, [["5", "DMAP", "[1,2]", "[4,1,2]", "[0,8,16]", "[8,8,8]"]])

    def test_the_index_finds_every_event_of_a_trace(self):
        self.spool()
        self.init()
        self.ship()
        database = self.database
        for trace, count in self.server.sql(f"SELECT trace, count() FROM {database}.events FINAL WHERE trace_id != toFixedString('', 16) "
                                            "GROUP BY trace"):
            ways = self.server.sql(f"SELECT lower(hex(peer_id)), min(first_ns), max(last_ns) FROM {database}.trace_index "
                                   f"WHERE trace_id = unhex('{trace}') GROUP BY peer_id")
            found = sum(self.server.number(f"SELECT count() FROM {database}.events FINAL WHERE trace_id = unhex('{trace}') AND "
                                           f"peer_id = unhex('{peer}') AND time_ns BETWEEN {first} AND {last}") for peer, first, last in ways)
            self.assertEqual(found, int(count))

    def test_several_runs_of_traced_are_kept_apart(self):
        for seed in (1, 2, 3):
            self.spool(1000, seed)
        self.init()
        self.ship()
        self.assert_all_there()
        self.assertEqual(self.server.number(f"SELECT count() FROM {self.database}.nodes FINAL"), 15)

    def test_new_segments_are_shipped_and_nothing_twice(self):
        self.spool()
        self.init()
        self.ship()
        again, = rows_of(self.ship())
        self.assertEqual((again["now_events"], again["events"]), (0, 2 * SEGMENT + 1000))
        self.spool(500, seed=2)
        more, = rows_of(self.ship())
        self.assertEqual((more["now_events"], more["lost_segments"]), (500, 0))
        self.assert_all_there()

    def test_without_its_place_everything_is_sent_again_and_counts_once(self):
        self.spool()
        self.init()
        self.ship()
        (self.dir / "p2ptrace-ship.place").unlink()
        again, = rows_of(self.ship())
        self.assertEqual(again["now_events"], 2 * SEGMENT + 1000)
        self.assert_all_there()

    def test_rows_are_compressed_on_the_way_when_asked(self):
        self.spool()
        self.init()
        plain, packed = self.proxy(), self.proxy()
        self.ship("--gzip", "never", url=plain.url)
        (self.dir / "p2ptrace-ship.place").unlink()
        self.ship("--gzip", "always", url=packed.url)
        self.assertLess(2 * packed.sent, plain.sent)
        self.assert_all_there()

    # ---- kills and outages

    def kill_at(self, request_bytes, when):
        """Ships through a proxy that kills the shipper when that much was sent, or when the answer to it arrives."""
        started = queue.SimpleQueue()  # it may send before Popen has returned
        proxy = self.proxy(request_bytes, **{when: lambda: started.get(timeout=DEADLINE_S).kill()})
        victim = subprocess.Popen([os.environ["INSPECTOR"], *map(str, self.words(proxy.url)), "--once"], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        started.put(victim)
        self.assertEqual(victim.wait(DEADLINE_S), -signal.SIGKILL)

    def test_a_kill_anywhere_loses_nothing_and_counts_nothing_twice(self):
        self.spool(2 * SEGMENT + 1000)
        places = [(when, request_bytes) for when in ("on_request", "on_answer") for request_bytes in (300, 30_000, 20_000_000)]
        for i, (when, request_bytes) in enumerate(places):
            with self.subTest(when=when, request_bytes=request_bytes):
                self.database = f"d{Fleet.count}_{i}"
                self.url = f"{self.server.url}/{self.database}"
                (self.dir / "p2ptrace-ship.place").unlink(missing_ok=True)
                self.init()
                self.kill_at(request_bytes, when)
                self.kill_at(request_bytes, when)
                self.ship()
                self.assert_all_there()

    def test_a_server_killed_during_an_insert_gets_it_again(self):
        self.spool()
        self.init()
        proxy = self.proxy(15_000_000, on_request=lambda: (self.server.kill(), self.server.start()))
        done = self.ship(url=proxy.url)
        self.assertGreater(rows_of(done)[0]["now_retries"], 0)
        self.assertIn("nothing is lost meanwhile", done.stderr)
        self.assert_all_there()

    def test_a_body_that_is_cut_is_sent_again(self):
        self.spool()
        self.init()
        proxy = self.proxy(5_000_000, on_request=lambda: None)
        self.assertEqual(rows_of(self.ship(url=proxy.url))[0]["now_retries"], 1)
        self.assert_all_there()

    def test_a_truncated_answer_makes_no_row_count_twice(self):
        self.spool(1000)
        self.init()
        for request_bytes in (2_000, 30_000, 250_000):
            proxy = self.proxy(request_bytes, on_answer=lambda: None)
            self.ship(url=proxy.url)
            (self.dir / "p2ptrace-ship.place").unlink()
        self.assert_all_there()

    def test_a_shipper_waits_for_a_server_and_ships_the_backlog(self):
        self.spool(SEGMENT)
        self.init()
        self.server.kill()
        errors = self.dir / "errors"
        with open(errors, "wb") as out, subprocess.Popen([os.environ["INSPECTOR"], *map(str, self.words())], stdin=subprocess.DEVNULL,
                                                         stdout=subprocess.DEVNULL, stderr=out) as service:
            try:
                until(lambda: "no server answers" in errors.read_text(), "the shipper to say so")
                self.spool(500, seed=2)
                self.server.start()
                until(lambda: self.server.number(f"SELECT count() FROM {self.database}.events") == SEGMENT + 500, "all events")
                service.send_signal(signal.SIGTERM)
                self.assertEqual(service.wait(DEADLINE_S), 0, errors.read_text())
            finally:
                service.kill()
        self.assert_all_there()

    def test_sigterm_ends_it_also_while_a_server_stands_still(self):
        self.spool(1000)
        self.init()
        proxy = self.proxy(200_000, on_request=self.server.freeze)
        with subprocess.Popen([os.environ["INSPECTOR"], *map(str, self.words(proxy.url))], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as service:
            try:
                self.assertTrue(proxy.called.wait(DEADLINE_S), "the server does not stand still")
                service.send_signal(signal.SIGTERM)
                self.assertEqual(service.wait(DEADLINE_S), 0)
            finally:
                service.kill()
                self.server.thaw()
        self.ship()
        self.assert_all_there()

    # ---- earlier losses

    def test_segments_removed_before_shipping_are_a_loss(self):
        instance = self.spool(SEGMENT)
        self.init()
        self.ship()
        kept = self.dir / "kept"
        kept.mkdir()
        other = self.spool(4 * SEGMENT, seed=3, directory=kept)
        for number in (2, 3):  # from another run, whose first two are gone
            shutil.move(kept / f"p2ptrace-{other}-{number:010}.p2rec", self.dir)
        done = self.ship()
        is_now, = rows_of(done)
        self.assertEqual((is_now["lost_segments"], is_now["lost_events"], is_now["segments"]), (2, 0, 3))
        self.assertIn(f"segments 0 to 1 of {other} were gone", done.stderr)
        losses = self.server.sql(f"SELECT host, instance, first_segment, segments, events_max, cause FROM {self.database}.losses FINAL")
        self.assertEqual(losses, [[HOST, str(int(other, 16)), "0", "2", str(2 * SEGMENT), "missing"]])
        self.assertEqual(sorted(self.events()), self.recorded(self.dir))
        hosts = [row for row in rows_of(inspector("fleet", "status", self.url, "--json")) if "host" in row]
        self.assertEqual([(row["host"], row["events"], row["lost_segments"]) for row in hosts], [(HOST, 3 * SEGMENT, 2)])
        self.assertNotEqual(instance, other)

    def test_segments_gone_before_the_first_run_are_not_a_loss(self):
        instance = self.spool(3 * SEGMENT)
        self.segment(instance, 0).unlink()
        self.init()
        self.assertEqual(rows_of(self.ship())[0]["lost_segments"], 0)
        self.assert_all_there()

    def test_damaged_data_is_a_loss_and_the_rest_arrives(self):
        instance = self.spool(3 * SEGMENT)
        self.init()
        with open(self.segment(instance, 0), "r+b") as file:  # in its events
            file.seek(3_000_000)
            file.write(b"\xff" * 10)
        self.segment(instance, 1).write_bytes(b"no segment at all")
        done = self.ship()
        is_now, = rows_of(done)
        self.assertEqual(is_now["lost_segments"], 1)
        self.assertGreater(is_now["lost_events"], 0)
        self.assertEqual(is_now["events"] + is_now["lost_events"], 2 * SEGMENT)
        self.assertEqual(self.server.sql(f"SELECT first_segment, segments, events_max, cause FROM {self.database}.losses FINAL ORDER BY 1"),
                         [["0", "0", str(is_now["lost_events"]), "damaged"], ["1", "1", str(SEGMENT), "damaged"]])
        self.assertEqual(len(self.events()), is_now["events"])

    def test_a_segment_of_a_newer_format_is_not_passed_over(self):
        instance = self.spool(1000)
        self.init()
        with open(self.segment(instance, 0), "r+b") as file:
            file.seek(8)
            file.write(b"\x09")
        self.assertIn("newer p2ptrace", self.ship(code=1).stderr)
        self.assertEqual(self.server.number(f"SELECT count() FROM {self.database}.losses"), 0)

    def test_shipped_segments_are_removed_when_there_is_too_much(self):
        instance = self.spool(4 * SEGMENT)
        self.init()
        wanted = self.recorded()
        self.ship("--keep", "20MiB")
        self.assertEqual([self.segment(instance, number).exists() for number in range(4)], [False, False, True, True])
        self.assertTrue(self.events() == wanted)
        self.assertEqual(rows_of(self.ship())[0]["lost_segments"], 0)
        self.assertIn("a size like", self.ship("--keep", "20s", code=2).stderr)

    # ---- errors

    @with_server
    def test_each_mistake_is_one_sentence_with_its_remedy(self):
        self.spool(1000)
        cases = [
            (["--to", f"http://127.0.0.1:{self.servers[1].tcp}/x", "--wait=0"], 1, "what answers at"),
            (["--to", "http://127.0.0.1:1/x", "--wait=0"], 3, "is ClickHouse running there"),
            (["--to", "http://no.such.host.invalid/x", "--wait=0"], 3, "can it be reached from here"),
            (["--to", self.url], 1, f"inspector fleet init {self.url}"),
            (["--to", self.server.url], 2, "the database is missing"),
            (["--from", self.dir / "none", "--to", self.url], 1, "cannot be read"),
            (["--host", "a b"], 2, "without spaces"),
        ]
        for words, code, sentence in cases:
            done = self.ship(*words, code=code)
            self.assertIn(sentence, done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertEqual(len(list(self.dir.glob("*.p2rec"))), 1)

    def login(self, text, mode=0o600):
        path = self.dir / "login"
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    @with_users
    def test_users_and_passwords(self):
        self.spool(1000)
        self.init()
        self.ship("--login", self.login(f"writer:{PASSWORD}\n"))
        self.assert_all_there()
        self.spool(500, seed=2)
        for text in ("writer:wrong", "nobody:x"):
            self.assertIn("--login FILE", self.ship("--login", self.login(text), code=1).stderr)
        self.assertIn("chmod 600", self.ship("--login", self.login("writer:x", 0o644), code=1).stderr)
        reader = self.login(f"reader:{PASSWORD}")
        for words in ([], ["--check"]):
            self.assertIn("SELECT and INSERT", self.ship("--login", reader, *words, code=1).stderr)
        self.assertEqual(self.server.number(f"SELECT count() FROM {self.database}.events"), 1000)
        self.ship()
        self.assert_all_there()

    def test_a_place_that_cannot_be_written_sends_nothing_twice(self):
        self.spool()
        self.init()
        limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64)), "restore_signals": False}
        self.assertIn("choose another with --place FILE", self.ship(code=1, **limit).stderr)
        self.assertEqual(self.server.number(f"SELECT count() FROM {self.database}.events"), 0)
        self.ship()
        self.assert_all_there()

    def test_one_place_serves_one_fleet_and_one_shipper(self):
        self.spool(1000)
        self.init()
        self.ship()
        inspector("fleet", "init", f"{self.server.url}/{self.database}x")
        self.assertIn("belongs to another fleet", self.ship(url=f"{self.url}x", code=1).stderr)
        self.ship("--place", self.dir / "second", url=f"{self.url}x")
        self.assertEqual(self.server.number(f"SELECT count() FROM {self.database}x.events"), 1000)
        seen = f"SELECT max(seen_ns) FROM {self.database}.hosts"
        before = self.server.number(seen)
        with subprocess.Popen([os.environ["INSPECTOR"], *map(str, self.words())], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as service:
            try:
                until(lambda: self.server.number(seen) > before, "the first to run")
                self.assertIn("another inspector ship", self.ship(code=1).stderr)
                looked, = rows_of(inspector(*self.words(), "--check", "--json"))
                self.assertEqual((looked["events"], looked["waiting_segments"]), (1000, 0))
            finally:
                service.terminate()

    def test_figures_for_prometheus_and_check(self):
        self.spool()
        self.init()
        before, = rows_of(inspector(*self.words(), "--check", "--json"))
        self.assertEqual((before["waiting_segments"], before["events"]), (3, 0))
        self.ship("--metrics", self.dir / "metrics.prom")
        lines = (self.dir / "metrics.prom").read_text().splitlines()
        values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        self.assertEqual(values[f'p2ptrace_ship_events_total{{host="{HOST}"}}'], str(2 * SEGMENT + 1000))
        self.assertEqual(values[f'p2ptrace_ship_waiting_segments{{host="{HOST}"}}'], "0")
        self.assertEqual(values[f'p2ptrace_ship_up{{host="{HOST}"}}'], "1")

    # ---- schemas

    def test_init_may_be_done_again(self):
        self.spool(1000)
        self.init()
        self.ship()
        self.init()
        self.assert_all_there()

    def test_a_dry_run_shows_statements_and_runs_none(self):
        shown = self.init("--dry-run").stdout
        self.assertIn("CREATE TABLE IF NOT EXISTS", shown)
        self.assertEqual(self.server.number(f"SELECT count() FROM system.databases WHERE name = '{self.database}'"), 0)

    def age(self, version):
        """Gives the fleet another version."""
        fleet, = self.server.sql(f"SELECT fleet FROM {self.database}.p2ptrace_schema")
        self.server.sql(f"DROP TABLE {self.database}.p2ptrace_schema")
        self.server.sql(f"CREATE VIEW {self.database}.p2ptrace_schema AS SELECT toUInt32({version}) AS version, '{fleet[0]}' AS fleet, "
                        "'' AS cluster, toUInt8(0) AS replicated")

    def test_a_newer_schema_is_refused(self):
        self.spool(1000)
        self.init()
        self.age(99)
        for words in (["fleet", "migrate", self.url], ["fleet", "init", self.url], [*self.words(), "--once"]):
            self.assertIn("update this one", inspector(*words, code=1).stderr)
        self.assertIn("newer than this inspector", inspector("fleet", "status", self.url).stdout)

    def drop_transport(self, server):
        for table in ("events", "events_local"):
            for column in ("transport_name", "transport"):
                server.sql(f"ALTER TABLE {self.database}.{table} DROP COLUMN {column}")

    def test_an_older_schema_is_migrated(self):
        self.spool()
        self.init()
        self.ship()
        self.age(0)
        self.drop_transport(self.server)
        self.server.sql(f"DROP TABLE {self.database}.losses")
        self.assertIn(f"inspector fleet migrate {self.url}", self.ship(code=1).stderr)
        self.assertIn("older than this inspector", inspector("fleet", "status", self.url).stdout)
        inspector("fleet", "migrate", self.url)
        self.assertNotIn("older", inspector("fleet", "status", self.url).stdout)
        (self.dir / "p2ptrace-ship.place").unlink()
        self.ship()
        rows = self.server.number(f"SELECT count() FROM {self.database}.events FINAL")
        self.assertEqual(rows, 2 * SEGMENT + 1000)
        self.assertGreater(self.server.number(f"SELECT count() FROM {self.database}.events WHERE transport_name = 'udp'"), 0)

    def test_schema_2_is_migrated_and_steps_of_clocks_follow(self):
        """Events that are there have number 0.  Those that come have theirs, and the table lists the steps."""
        self.init()
        for table in "events", "rare_events", "clock_ends":
            for name in table, f"{table}_local":
                self.server.sql(f"ALTER TABLE {self.database}.{name} DROP COLUMN clock_steps")
        for name in "clock_steps", "clock_steps_local":
            self.server.sql(f"DROP TABLE {self.database}.{name}")
        self.age(2)
        self.server.sql(f"INSERT INTO {self.database}.events_local (time_ns, kind) VALUES (1700000000000000000, 'custom')")
        self.spool(2000, words=STEPPED)
        for words in ([*self.words(), "--once"], ["--fleet", self.url, "count"]):
            self.assertRegex(inspector(*words, code=1).stderr, "^inspector: [^ ]* has schema 2, and this inspector needs 4: bring it up to date with "
                                                               f"inspector fleet migrate {self.url}\n$")
        inspector("fleet", "migrate", self.url)
        self.ship()
        for table in "events", "clock_ends":
            numbers = self.server.sql(f"SELECT DISTINCT clock_steps FROM {self.database}.{table} ORDER BY clock_steps")
            self.assertEqual(numbers, [["0"], ["1"]], table)
        self.assertEqual(self.server.sql(f"SELECT clock_steps FROM {self.database}.events WHERE time_ns = 1700000000000000000"), [["0"]])
        self.assertEqual(self.server.sql(f"SELECT toInt64(after_ns - before_ns), number, slept, host FROM {self.database}.clock_steps"),
                         [[STEPPED[-1], "1", "0", HOST]])

    def test_schema_3_is_migrated_and_aliases_beside_events_follow(self):
        self.init()
        for name in "aliases", "aliases_local":
            self.server.sql(f"DROP TABLE {self.database}.{name}")
        self.age(3)
        instance = self.spool(2 * SEGMENT, words=("aliases",))
        (self.dir / self.segment(instance, 0)).unlink()
        for words in ([*self.words(), "--once"], ["--fleet", self.url, "count"]):
            self.assertIn(f"has schema 3, and this inspector needs 4: bring it up to date with inspector fleet migrate {self.url}\n",
                          inspector(*words, code=1).stderr)
        inspector("fleet", "migrate", self.url)
        self.ship()
        recorded, fleet = (inspector(*source, "peers", "--json").stdout for source in (["--read", self.dir], ["--fleet", self.url]))
        self.assertEqual(fleet, recorded)

    def test_aliases_are_sent_once(self):
        self.init()
        self.spool(2 * SEGMENT + 928, seed=5, words=("aliases", "3", "30000"))  # all of them are said in the first segment
        self.ship()
        rows = self.server.sql(f"SELECT length(alias_ids), segment FROM {self.database}.aliases")
        self.assertEqual({segment for _, segment in rows}, {"0"})
        self.assertGreater(min(int(length) for length, _ in rows), 0)

    def test_steps_of_clocks_are_sent_once(self):
        """Each recording lists those before it."""
        self.init()
        self.spool(words=STEPPED)
        self.ship()
        self.assertEqual(self.server.number(f"SELECT count() FROM {self.database}.clock_steps"), 1)

    @with_shards
    def test_a_cluster_is_migrated_server_by_server(self):
        urls = [f"{server.url}/{self.database}" for server in self.servers]
        self.spool(1000)
        inspector("fleet", "init", "--cluster", "fleet", *urls)
        for server in self.servers:
            self.drop_transport(server)
        inspector("fleet", "migrate", *urls)
        self.ship()
        self.assertEqual(self.events(self.servers[1]), self.recorded())

    def test_a_fleet_that_lacks_a_column_says_which(self):
        self.init()
        self.drop_transport(self.server)
        self.assertIn("events_local has no column transport", self.ship(code=1).stderr)

    # ---- the document

    def test_statements_of_the_document_run(self):
        self.spool(1000)
        self.init()
        self.ship()
        text = DOCUMENT.read_text(encoding="utf-8")
        panels = text.split("### Three panels for Grafana")[1].split("\n## ")[0]
        queries = ["\n".join(part) for part in re.findall(r"(?:^    .*\n)+", panels, re.M) for part in [part.splitlines()]]
        self.assertEqual(len(queries), 3)
        for query in queries:
            query = query.replace("p2ptrace.", f"{self.database}.").replace("$__fromTime", "toDateTime(1)")
            rows = self.server.sql(query.replace("$__toTime", "toDateTime(4000000000)").replace("sent > 1000", "sent > 0"))
            self.assertGreater(len(rows), 0, query)
        self.assertIn("DROP PARTITION 20260131", text)
        self.server.sql(f"ALTER TABLE {self.database}.events_local DROP PARTITION 20260101")
        self.assertEqual(self.server.number(f"SELECT count() FROM {self.database}.events"), 0)

    @unittest.skipUnless(LIBCHDB, "this needs a current ClickHouse: ./dev fleet-current")
    def test_statements_of_the_document_for_newer_versions_run(self):
        self.spool(1000)
        self.init()
        self.ship()
        text = DOCUMENT.read_text(encoding="utf-8")
        ttl, codec = re.findall(r"^    (ALTER .*;)$", text.split("for newer versions of ClickHouse")[1].split("\n### ")[0], re.M)
        self.server.sql(codec.replace("p2ptrace.", f"{self.database}."))
        self.server.sql(f"OPTIMIZE TABLE {self.database}.events_local FINAL")
        self.assert_all_there()
        self.server.sql(ttl.replace("p2ptrace.", f"{self.database}."))
        self.server.sql(f"OPTIMIZE TABLE {self.database}.events_local FINAL")
        self.assertEqual(self.events(), [])  # they are older than 30 days

    # ---- shards

    @with_shards
    def test_two_shards_answer_as_one(self):
        urls = [f"{server.url}/{self.database}" for server in self.servers]
        inspector("fleet", "init", "--cluster", "fleet", *urls)
        directories = [self.dir / name for name in ("one", "two")]
        for i, directory in enumerate(directories):
            directory.mkdir()
            self.spool(SEGMENT + 700 * (i + 1), seed=i + 1, directory=directory)
            self.ship(url=urls[i], directory=directory, host=("one", "two")[i])
        wanted = sorted(self.recorded(directories[0], host="one") + self.recorded(directories[1], host="two"))
        for server in self.servers:
            self.assertTrue(self.events(server) == wanted)
        status = rows_of(inspector("fleet", "status", *urls, "--json"))
        self.assertEqual([(row["shard"], row["rows"]) for row in status if "shard" in row], [(1, SEGMENT + 700), (2, SEGMENT + 1400)])
        self.assertEqual([row["host"] for row in status if "host" in row], ["one", "two"])

    @with_shards
    def test_one_server_becomes_two(self):
        urls = [f"{server.url}/{self.database}" for server in self.servers]
        self.spool(1000)
        self.init()
        self.ship()
        inspector("fleet", "init", "--cluster", "fleet", *urls)
        self.assertEqual(self.servers[1].number(f"SELECT count() FROM {self.database}.events"), 1000)
        self.spool(500, seed=2)
        self.ship(url=urls[1])  # the place is settled: it may switch to another shard
        self.assertEqual(self.events(), self.recorded())

    @with_shards
    def test_a_batch_in_doubt_goes_to_the_shard_that_may_have_it(self):
        urls = [f"{server.url}/{self.database}" for server in self.servers]
        inspector("fleet", "init", "--cluster", "fleet", *urls)
        self.spool(1000)
        self.kill_at(250_000, "on_answer")
        self.assertIn("may have reached shard 1", self.ship(url=urls[1], code=1).stderr)
        self.ship()
        self.spool(500, seed=2)
        self.ship(url=urls[1])
        self.assertEqual(self.events(), self.recorded())

    def test_a_lost_place_is_not_taken_for_another_machine(self):
        inspector("fleet", "init", self.url)
        self.spool(500)
        self.ship()
        (self.dir / "p2ptrace-ship.place").unlink()
        self.ship()
        note = inspector("fleet", "status", self.url).stderr
        self.assertIn("a name is there twice: either its machine ships with a new place file", note)

    @with_shards
    def test_a_shard_that_is_down_is_named(self):
        urls = [f"{server.url}/{self.database}" for server in self.servers]
        inspector("fleet", "init", "--cluster", "fleet", *urls)
        self.spool(500, seed=3)
        self.ship()
        self.servers[1].kill()
        try:
            status = inspector("fleet", "status", urls[0], code=1)
            self.assertIn(f"a shard of the cluster does not answer {self.servers[0].url}, which asked 127.0.0.1:{self.servers[1].tcp}: is", status.stderr)
            self.assertIn("shard 1 of fleet, 500 rows", status.stdout)  # and shows what answers
            both = inspector("fleet", "status", *reversed(urls), code=3)
            self.assertIn(f"no server answers at {self.servers[1].url}", both.stderr)
            self.assertIn("shard 1 of fleet, 500 rows", both.stdout)
            self.spool(1000)
            self.ship()  # and does not keep those of the others from shipping
            (self.dir / "p2ptrace-ship.place").unlink()
            self.assertIn("a shard of the cluster does not answer", self.ship("--wait=1", code=1).stderr)  # it may have them
        finally:
            self.servers[1].start()
        self.ship()
        self.assertEqual(self.events(), self.recorded())

    @with_shards
    def test_recordings_that_another_shard_has_are_not_sent_again_without_their_place(self):
        urls = [f"{server.url}/{self.database}" for server in self.servers]
        inspector("fleet", "init", "--cluster", "fleet", *urls)
        self.spool(1000)
        self.ship()
        self.spool(500, seed=2)
        other = self.dir / "other.place"
        said = self.ship("--place", other, url=urls[1], code=1).stderr
        self.assertIn("another shard may have recordings of", said)
        self.assertFalse(other.exists())
        (self.dir / "p2ptrace-ship.place").unlink()
        self.assertEqual(self.ship(url=urls[1], code=1).stderr, said)
        self.ship()  # that shard shows each row once
        self.assertEqual(self.events(), self.recorded())
        self.assertEqual(self.servers[1].number(f"SELECT count() FROM {self.database}.events_local"), 0)

    @with_shards
    def test_recordings_that_may_have_reached_another_shard_are_not_sent_to_a_second(self):
        urls = [f"{server.url}/{self.database}" for server in self.servers]
        inspector("fleet", "init", "--cluster", "fleet", *urls)
        self.spool(1000)
        self.kill_at(250_000, "on_answer")  # before the row of segments
        (self.dir / "p2ptrace-ship.place").unlink()
        self.assertIn("another shard may have recordings of", self.ship(url=urls[1], code=1).stderr)
        self.ship()
        self.assertEqual(self.events(), self.recorded())


if __name__ == "__main__":
    unittest.main()
