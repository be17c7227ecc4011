#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What inspector ship and --fleet do with each answer that a server may give, and in which order rows are sent.  The server is fake.

INSPECTOR, MAKE_SPOOL and READ_BACK name the programs."""
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from clickhouse import DEADLINE_S, on_terminal, rows_of, run  # noqa: E402
from harness import until  # noqa: E402
from fake_clickhouse import CUT, HANG, OK, RESET, Fake, error, row, schema, string  # noqa: E402

EVENTS = 3000
STEPPED = "machine", "0", "0", "0", "-1000000000"  # words for MAKE_SPOOL
HTML = b"<!DOCTYPE html>\n<html><head><title>Welcome</title></head><body>" + b"<p>Log in to use this network.</p>" * 40 + b"</body></html>\n"
FULL = "e.code() = 28, e.displayText() = File access error: no space left on device: /srv/tmp_insert, e.what() = File access error (version 18.16.1)"

# What an insert is answered, and a part of what is said then.
PASSES = {
    "busy": ((503, b"overloaded\n"), "is busy"),
    "too many requests": ((429, b""), "is busy"),
    "a gateway": ((502, HTML), "is busy"),
    "a gateway that waited": ((504, b""), "is busy"),
    "reset": (RESET, "the connection to"),
    "half an answer": (CUT, "the connection to"),
    "disk": (error(243), "is full"),
    "disk, cannot write": (error(75), "cannot write to its disk"),
    "disk, cannot open": (error(76), "cannot write to its disk"),
    "disk, of a library": ((500, f"Poco::Exception. Code: 1000, {FULL}\n".encode()), "cannot do it"),
    "memory, of a library": ((500, b"std::exception. Code: 1001, type: St9bad_alloc, e.what() = std::bad_alloc\n"), "cannot do it"),
    "memory": (error(241), "cannot do it"),
    "merges": (error(252), "behind with its merges"),
    "ZooKeeper": (error(242), "is read-only now"),
    "Keeper": (error(999), "ZooKeeper or Keeper of"),
    "a shard": (error(279), "a shard of the cluster does not answer"),
    "a shard, slow": (error(209), "a shard of the cluster does not answer"),
    "a shard, broken": (error(210), "a shard of the cluster does not answer"),
    "a shard, short": (error(32), "a shard of the cluster does not answer"),
}
REFUSES = {
    "user": (error(192), "--login FILE"),
    "password": (error(193, status=401), "--login FILE"),
    "no password": (error(194, status=401), "--login FILE"),
    "login": (error(516, status=403), "--login FILE"),
    "a proxy's login": ((401, HTML), "--login FILE"),
    "forbidden": ((403, b""), "--login FILE"),
    "network": (error(195), "`networks`"),
    "read-only": (error(164), "SELECT and INSERT"),
    "grant": (error(497, status=403), "SELECT and INSERT"),
    "database": (error(291), "SELECT and INSERT"),
    "dropped": (error(60, status=404), "inspector fleet init"),
    "dropped database": (error(81, status=404), "inspector fleet init"),
    "column": (error(16), "inspector fleet migrate"),
    "unknown column": (error(47), "inspector fleet migrate"),
    "another server": ((404, HTML), "is not ClickHouse's HTTP port"),
    "another server that accepts": ((200, HTML), "is not ClickHouse's HTTP port"),
    "another server that says less": ((200, b"", ("Content-Type", "text/html; charset=utf-8")), "is not ClickHouse's HTTP port"),
    "elsewhere": ((302, b"", ("Location", "/login")), "is not ClickHouse's HTTP port"),
}


class Case(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def spool(self, name="spool", words=(), events=EVENTS, seed=1):
        directory = self.root / name
        directory.mkdir(exist_ok=True)
        done = subprocess.run([os.environ["MAKE_SPOOL"], str(directory), str(events), str(seed), *words], stdout=subprocess.PIPE, text=True, check=True)
        self.instance = int(done.stdout, 16)  # of the last
        return directory

    def segment(self, number=0, instance=None):
        return f"p2ptrace-{instance or self.instance:016x}-{number:010}.p2rec"

    def ship(self, fake, directory, *words):
        return run("ship", "--from", directory, "--to", fake.url, "--host", "alpha", "--once", "--json", *words)

    def assert_fails(self, done, code, sentence, what=None):
        self.assertEqual((done.returncode, done.stdout, len(done.stderr.splitlines())), (code, "", 1), (what, done))
        self.assertIn(sentence, done.stderr, what)

    def each(self, cases, check):
        """Checks them side by side: most of the time they wait.  check: is given a case's name, a fake, and its values."""
        def check_one(name):
            with Fake() as fake:
                check(name, fake, *cases[name])
        with Fake(), concurrent.futures.ThreadPoolExecutor(8) as pool:  # the first learns the tables
            done = {name: pool.submit(check_one, name) for name in cases}
        for name, future in done.items():
            with self.subTest(name):
                future.result()


class ShipAnswers(Case):
    def test_rows_come_before_those_that_tell_of_them(self):
        """A reader that sees a step estimates clocks, and one that sees a segment reads its events: each finds all that it needs."""
        with Fake() as fake:
            self.assertEqual(self.ship(fake, self.spool(words=STEPPED)).returncode, 0)
            tables = [table.removesuffix("_local") for table, _ in fake.inserts]
            for one, other in (("deliveries", "events"), ("trace_index", "events"), ("nodes", "events"), ("clock_ends", "clock_steps"),
                               ("events", "clock_steps"), ("clock_steps", "segments"), ("events", "segments"), ("segments", "hosts")):
                self.assertIn(one, tables)
                self.assertNotIn(one, tables[tables.index(other):], tables)

    def test_a_server_that_cannot_now_gets_the_same_rows_again(self):
        spool = self.spool()

        def check(name, fake, answer, sentence):
            fake.say("events_local", answer)
            done = self.ship(fake, spool, "--place", self.root / name)
            self.assertEqual(done.returncode, 0, done)
            self.assertEqual(rows_of(done)[0]["now_retries"], 1, done)
            one, other = done.stderr.splitlines()
            self.assertIn(sentence, one)
            self.assertIn("nothing is lost meanwhile", one)
            self.assertIn("takes rows again", other)
            first, second = fake.of("events_local")
            self.assertTrue(first == second)
            announced = fake.of("deliveries_local")
            self.assertEqual((len(announced), len(set(announced))), (2, 2))
        self.each(PASSES, check)

    def test_a_server_that_never_will_ends_it_with_the_remedy(self):
        def check(name, fake, answer, sentence):
            spool = self.spool(f"spool, {name}")
            fake.say("events_local", answer)
            words = "--place", self.root / name, "--keep", "1KiB"
            self.assert_fails(self.ship(fake, spool, *words), 1, sentence, name)
            self.assertEqual(len(fake.of("events_local")), 1)
            self.assertEqual(fake.of("segments_local"), [])
            self.assertEqual(len(list(spool.glob("*.p2rec"))), 1)
            done = self.ship(fake, spool, "--place", self.root / name)
            self.assertEqual((done.returncode, rows_of(done)[0]["events"]), (0, EVENTS), done)
            self.assertEqual(len(set(fake.of("events_local"))), 1)
        self.each(REFUSES, check)

    def test_it_gives_up_after_wait(self):
        spool = self.spool()
        with Fake() as fake:
            fake.say("trace_index_local", *[(503, b"overloaded\n")] * 20)
            done = self.ship(fake, spool, "--wait=1")
            self.assertEqual((done.returncode, done.stdout), (1, ""), done)
            self.assertGreater(len(fake.of("trace_index_local")), 1)
            self.assertEqual(done.stderr.splitlines()[-1], f"inspector: {fake.address} is busy: HTTP status 503: overloaded")
            self.assertEqual(len(list(spool.glob("*.p2rec"))), 1)


LOSS, SEGMENT_ROW, DELIVERY = "s Q Q s Q Q Q Q Q", "Q Q s Q Q Q", "Q Q Q 16 Q Q"
HOST_ROW = "s s Q s Q Q Q Q Q Q Q"
SEGMENT = 65536


class ShipProgress(Case):
    """What is shipped, in which order, and what the place and the fleet know about it."""

    def shipped(self, fake, directory, *words):
        done = self.ship(fake, directory, *words)
        self.assertEqual(done.returncode, 0, done)
        return rows_of(done)[0]

    def refused(self, fake, directory, *words, sentence="", code=1):
        done = self.ship(fake, directory, *words)
        self.assertEqual((done.returncode, done.stdout), (code, ""), done)
        self.assertIn(sentence, done.stderr)

    def assert_arrived(self, fake, directory):
        """Each event once."""
        one = subprocess.run([os.environ["READ_BACK"]], input=b"".join(fake.of("events_local")), stdout=subprocess.PIPE, check=True).stdout
        other = subprocess.run([os.environ["READ_BACK"], "alpha", str(directory)], stdout=subprocess.PIPE, check=True).stdout
        self.assertTrue(sorted(one.splitlines()) == sorted(other.splitlines()))

    def runs(self, directory, count, events=200):
        """Files of that many runs of traced, in the order of their times; returns their instances."""
        instances = []
        for i in range(count):
            self.spool(directory, events=events, seed=i + 1)
            instances.append(self.instance)
            os.utime(self.root / directory / self.segment(), (1000 + i, 1000 + i))
        return instances

    @contextlib.contextmanager
    def serving(self, fake, directory):
        """Runs it as a service, until SIGTERM; yields the file of its stderr."""
        errors = self.root / "errors"
        with open(errors, "wb") as out, subprocess.Popen([os.environ["INSPECTOR"], "ship", "--from", directory, "--to", fake.url, "--host", "alpha"],
                                                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=out) as service:
            try:
                yield errors
                service.terminate()
                self.assertEqual(service.wait(DEADLINE_S), 0, errors.read_text())
            finally:
                service.kill()

    def test_three_segments_are_a_batch_and_each_event_arrives(self):
        with Fake() as fake:
            spool = self.spool(words=["aliases"], events=4 * SEGMENT + 1000)
            is_now = self.shipped(fake, spool)
            self.assertEqual((is_now["segments"], is_now["events"], is_now["now_segments"], is_now["now_events"]), (5, 4 * SEGMENT + 1000) * 2)
            self.assertEqual((is_now["waiting_segments"], is_now["waiting_bytes"], is_now["lost_segments"], is_now["lost_events"]), (0, 0, 0, 0))
            self.assertEqual([len(fake.of(table)) for table in ("events_local", "deliveries_local", "segments_local")], [2, 2, 2])
            for table in "trace_index", "clock_ends", "rare_events", "events", "segments", "deliveries":  # nothing stays for the next batch
                one, other = fake.of(f"{table}_local")
                self.assertFalse(other.startswith(one), table)
            rows = fake.rows("segments_local", SEGMENT_ROW)
            self.assertEqual([row[:4] for row in rows], [(self.instance, i, "alpha", SEGMENT if i < 4 else 1000) for i in range(5)])
            for (*_, last), (*_, first, _) in zip(rows, rows[1:]):
                self.assertLessEqual(last, first)
            self.assertEqual(is_now["newest"], rows[-1][5])
            announced = fake.rows("deliveries_local", DELIVERY)
            self.assertEqual([row[:2] + row[4:] for row in announced], [row[:2] + row[4:] for row in rows])
            self.assertEqual([len({row[2] for row in announced[begin:end]}) for begin, end in ((0, 3), (3, 5), (0, 5))], [1, 1, 2])
            host = fake.rows("hosts_local", HOST_ROW)[-1]
            self.assertEqual(host[0:1] + host[4:], ("alpha", 5, 4 * SEGMENT + 1000, 0, 0, rows[-1][5], 0, 0))
            self.assert_arrived(fake, spool)
            self.assertEqual(self.shipped(fake, spool)["now_events"], 0)
            self.assertEqual((len(fake.of("events_local")), fake.packed), (2, 0))

    def test_events_that_are_months_apart_are_inserts_of_their_own(self):
        """A server takes rows of only so many days at once."""
        with Fake() as fake:
            spool = self.spool(words=["machine", "0", "0", "0", str(70 * 86400 * 10**9)])
            self.shipped(fake, spool)
            self.assertEqual([len(fake.of(table)) for table in ("events_local", "deliveries_local", "clock_ends_local", "segments_local")], [2, 2, 2, 1])
            self.assert_arrived(fake, spool)

    def test_losses_are_counted_and_described(self):
        with Fake() as fake:
            spool = self.spool(words=["load"], events=5 * SEGMENT)
            aside = self.root / "aside"
            aside.mkdir()
            for number in range(1, 5):
                (spool / self.segment(number)).rename(aside / self.segment(number))
            newest = self.shipped(fake, spool)["newest"]
            (aside / self.segment(3)).rename(spool / self.segment(3))
            (spool / self.segment(4)).write_bytes(b"no segment at all")
            done = self.ship(fake, spool)
            is_now, = rows_of(done)
            self.assertEqual((is_now["segments"], is_now["lost_segments"], is_now["lost_events"]), (3, 3, 0))
            self.assertIn(f"segments 1 to 2 of {self.instance:016x} were gone", done.stderr)
            self.assertIn("1 segments and 0 more events", done.stderr)
            rows = {row[2]: row for row in fake.rows("losses_local", LOSS)}
            oldest = fake.rows("segments_local", SEGMENT_ROW)[1][4]
            self.assertEqual(rows[1][:4] + rows[1][5:], ("alpha", self.instance, 1, "missing", 2, 2 * SEGMENT, newest, oldest))
            self.assertEqual(rows[4][:4] + rows[4][5:], ("alpha", self.instance, 4, "damaged", 1, SEGMENT, 0, 0))
            self.assertEqual(fake.rows("segments_local", SEGMENT_ROW)[2], (self.instance, 4, "alpha", 0, 0, 0))
            self.assertEqual(fake.rows("hosts_local", HOST_ROW)[-1][6:8], (3, 0))
            looked, = rows_of(run("ship", "--from", spool, "--to", fake.url, "--check", "--json"))
            self.assertEqual((looked["lost_segments"], looked["waiting_segments"], looked["segments"]), (3, 0, 3))

    def test_part_of_a_segment_is_a_loss_too(self):
        with Fake() as fake:
            spool = self.spool(words=["load"], events=SEGMENT)
            with open(spool / self.segment(), "r+b") as file:
                file.seek(3_000_000)
                file.write(b"\xff" * 10)
            done = self.ship(fake, spool)
            is_now, = rows_of(done)
            self.assertEqual(is_now["lost_segments"], 0)
            self.assertEqual(is_now["events"] + is_now["lost_events"], SEGMENT)
            self.assertGreater(is_now["lost_events"], 0)
            self.assertIn(f"0 segments and {is_now['lost_events']} more events", done.stderr)
            (row,) = fake.rows("losses_local", LOSS)
            self.assertEqual(row[2:4] + row[5:7], (0, "damaged", 0, is_now["lost_events"]))
            self.assertTrue(0 < row[7] < row[8])

    def test_segments_that_were_gone_before_the_first_run_are_no_loss(self):
        with Fake() as fake:
            spool = self.spool(words=["load"], events=SEGMENT + 100)
            (spool / self.segment(0)).unlink()
            self.assertEqual(self.shipped(fake, spool)["lost_segments"], 0)
            self.spool(words=["load"], events=SEGMENT + 100, seed=2)  # a run that began later
            (spool / self.segment(0)).unlink()
            self.assertEqual(self.shipped(fake, spool)["lost_segments"], 1)

    def test_what_has_waited_longest_goes_first(self):
        with Fake() as fake:
            instances = self.runs("spool", 5)
            spool = self.root / "spool"
            for i, at in enumerate((3, 1, 5, 2, 4)):
                os.utime(spool / self.segment(0, instances[i]), (at, at))
            looked, = rows_of(run("ship", "--from", spool, "--to", fake.url, "--check", "--json"))
            self.assertEqual((looked["waiting_segments"], looked["waiting_since"]), (5, 1_000_000_000))
            self.assertEqual(looked["waiting_bytes"], sum(file.stat().st_size for file in spool.glob("*.p2rec")))
            self.assertFalse((spool / "p2ptrace-ship.place").exists() or (spool / "p2ptrace-ship.place.lock").exists())
            self.shipped(fake, spool)
            self.assertEqual([row[0] for row in fake.rows("segments_local", SEGMENT_ROW)], [instances[i] for i in (1, 3, 0, 4, 2)])

    def test_a_batch_that_was_on_its_way_is_sent_first_and_unchanged(self):
        with Fake() as fake:
            spool = self.spool(words=["load"], events=2 * SEGMENT)
            instance, aside = self.instance, self.root / "aside"
            (spool / self.segment(1)).rename(aside)
            fake.say("events_local", error(164))
            self.refused(fake, spool, sentence="SELECT and INSERT")
            aside.rename(spool / self.segment(1, instance))
            self.runs("spool", 1)  # it has waited for longer
            self.shipped(fake, spool)
            first, again, *rest = fake.of("events_local")
            self.assertTrue(first == again)
            self.assertEqual([row[:2] for row in fake.rows("segments_local", SEGMENT_ROW)], [(instance, 0), (self.instance, 0), (instance, 1)])
            self.assertEqual(len(rest), 2)

    def test_only_what_was_shipped_is_removed_the_oldest_first(self):
        with Fake() as fake:
            instances = self.runs("spool", 5)
            spool = self.root / "spool"
            size = (spool / self.segment()).stat().st_size
            left = lambda: [(spool / self.segment(0, each)).exists() for each in instances]  # noqa: E731
            fake.say("trace_index_local", OK, OK, error(164))  # the third does not arrive
            self.refused(fake, spool, "--keep", str(size))
            self.assertEqual(left(), [False, False, True, True, True])
            self.shipped(fake, spool, "--keep", str(2 * size + size // 2))
            self.assertEqual(left(), [False, False, False, True, True])
            is_now = self.shipped(fake, spool)
            self.assertEqual((left(), is_now["segments"], is_now["lost_segments"]), ([False, False, False, True, True], 5, 0))

    def test_of_what_was_shipped_the_oldest_is_removed_first(self):
        with Fake() as fake:
            instances = self.runs("spool", 5)
            spool, last = self.root / "spool", self.root / "last"
            size = (spool / self.segment()).stat().st_size
            (spool / self.segment()).rename(last)
            for instance, at in zip(instances, (3, 1, 4, 2)):
                os.utime(spool / self.segment(0, instance), (at, at))
            self.shipped(fake, spool)
            last.rename(spool / self.segment())
            self.shipped(fake, spool, "--keep", str(3 * size))
            self.assertEqual([(spool / self.segment(0, each)).exists() for each in instances], [True, False, True, False, True])

    def test_a_place_has_one_fleet_and_one_shard_at_a_time(self):
        spool = self.spool()
        with Fake(cluster="main", shard=1) as fake, Fake(cluster="main", shard=2) as other, Fake(fleet="e" * 32) as stranger:
            fake.say("events_local", error(164))
            self.refused(fake, spool, sentence="SELECT and INSERT")
            self.refused(stranger, spool, sentence="belongs to another fleet")
            self.refused(other, spool, sentence="may have reached shard 1")
            self.assertEqual(other.inserts + stranger.inserts, [])
            self.shipped(fake, spool)
            self.shipped(other, spool)  # nothing is on its way
            self.spool(seed=2)
            other.say("events_local", error(164))
            self.refused(other, spool, sentence="SELECT and INSERT")
            self.refused(fake, spool, sentence="may have reached shard 2")

    def test_a_place_has_only_so_many_runs(self):
        spool = self.root / "spool"
        spool.mkdir()
        for i in range(1, 1025):
            (spool / self.segment(0, i)).touch()
        place = spool / "p2ptrace-ship.place"
        with Fake() as fake:
            fake.say("losses_local", error(164), error(164))
            self.refused(fake, spool)
            self.assertEqual(place.read_text().count("\ninstance "), 1024)
            (spool / self.segment(0, 1025)).touch()
            self.refused(fake, spool, sentence="has recordings of too many runs")
            for i in range(1, 1000):
                (spool / self.segment(0, i)).unlink()
            (spool / self.segment(0, 1025)).unlink()
            self.refused(fake, spool)
            known = [int(line.split()[1], 16) for line in place.read_text().splitlines() if line.startswith("instance ")]
            self.assertEqual(len(known), 1024 - 64)  # there is room for others
            self.assertEqual([i for i in range(1000, 1025) if i not in known], [])

    def test_a_place_that_cannot_be_written_holds_everything_back(self):
        spool = self.spool()
        beside = spool / "p2ptrace-ship.place.new"
        beside.mkdir()
        with Fake() as fake:
            self.refused(fake, spool, sentence="choose another with --place FILE")
            self.assertEqual(fake.inserts, [])
            with self.serving(fake, spool) as errors:
                until(lambda: "choose another" in errors.read_text(), "it to say so")
                beside.rmdir()
                until(lambda: fake.of("segments_local"), "the segment")
            self.assertEqual(len(fake.of("nodes_local")), 1)
            self.assert_arrived(fake, spool)

    def test_a_file_that_is_not_what_its_name_says_is_not_shipped(self):
        spool = self.spool()
        with Fake() as fake:
            for number, instance in (1, self.instance), (0, self.instance + 1):
                with self.subTest((number, instance)):
                    moved = spool / self.segment(number, instance)
                    (spool / self.segment()).rename(moved)
                    self.refused(fake, spool, sentence="is not what its name says: move the file away")
                    moved.rename(spool / self.segment())
            self.assertEqual(fake.inserts, [])

    def test_a_name_of_a_machine_is_short_and_plain(self):
        spool = self.spool()
        with Fake() as fake:
            self.refused(fake, spool, "--host", "", sentence="needs a value", code=2)
            for host in ("a b", "a\tb", "a\x7fb", "h" * 64):
                self.refused(fake, spool, "--host", host, sentence="without spaces", code=2)
            for i, host in enumerate(("h", "h" * 63, "hügel")):
                self.shipped(fake, spool, "--host", host, "--place", self.root / str(i))
                self.assertEqual(fake.rows("segments_local", SEGMENT_ROW)[-1][2], host)

    def test_a_wrong_directory_gets_no_files(self):
        with Fake() as fake:
            self.refused(fake, self.root / "none", "--place", self.root / "place", sentence="cannot be read")
            self.assertEqual(list(self.root.iterdir()), [])

    def test_it_waits_for_a_server_and_says_so_once(self):
        spool = self.spool()
        with Fake() as fake:
            fake.say("version()", (503, b""), (503, b""))
            done = self.ship(fake, spool, "--metrics", self.root / "metrics")
            self.assertEqual((done.returncode, len(done.stderr.splitlines())), (0, 1), done)
            self.assertIn("is busy", done.stderr)
            self.assertIn('p2ptrace_ship_up{host="alpha"} 1\n', (self.root / "metrics").read_text())

    def test_a_service_waits_for_ever(self):
        spool = self.spool()
        with Fake() as fake:
            fake.say("version()", (503, b""), (503, b""))
            fake.say("events_local", (503, b""), (503, b""))
            with self.serving(fake, spool):
                until(lambda: fake.of("segments_local"), "the segment")

    def test_figures_of_a_server_that_refused(self):
        self.runs("spool", 2)
        with Fake() as fake:
            fake.say("trace_index_local", (503, b""))
            fake.say("events_local", OK, error(164))
            self.refused(fake, self.root / "spool", "--metrics", self.root / "metrics",
                         sentence="is busy: HTTP status 503; trying again, and nothing is lost meanwhile\n")
            text = (self.root / "metrics").read_text()
            for line in 'retries_total{host="alpha"} 1', 'events_total{host="alpha"} 200', 'up{host="alpha"} 0':
                self.assertIn(f"\np2ptrace_ship_{line}\n", text)

    def test_a_file_of_figures_that_cannot_be_written_is_reported(self):
        spool = self.spool()
        with Fake() as fake:
            done = self.ship(fake, spool, "--metrics", self.root / "none" / "metrics")
            self.assert_fails(done, 1, "name another file with --metrics FILE")
            self.assertEqual(fake.statements + fake.inserts, [])

    def test_figures_while_nobody_answers(self):
        self.runs("spool", 2)
        with Fake() as fake:
            self.shipped(fake, self.root / "spool")
            self.spool(seed=9)
            fake.say("version()", error(193))
            self.refused(fake, self.root / "spool", "--metrics", self.root / "metrics", sentence="--login FILE")
            text = (self.root / "metrics").read_text()
            self.assertIn('\np2ptrace_ship_up{host="alpha"} 0\n', text)
            self.assertIn('\np2ptrace_ship_waiting_segments{host="alpha"} 1\n', text)
            self.assertNotIn('\np2ptrace_ship_newest_event_timestamp_seconds{host="alpha"} 0\n', text)

    def test_check_looks_whether_rows_could_be_written(self):
        spool = self.spool()
        with Fake() as fake:
            fake.say("hosts_local", error(164))
            done = run("ship", "--from", spool, "--to", fake.url, "--check", "--metrics", self.root / "metrics")
            self.assert_fails(done, 1, "SELECT and INSERT")
            self.assertFalse((self.root / "metrics").exists())  # that of the one that ships stays
            self.assertEqual(fake.inserts, [("hosts_local", b"")])

    def test_rows_are_compressed_when_asked(self):
        with Fake() as fake:
            self.shipped(fake, self.spool(), "--gzip", "always")
            self.assertEqual(fake.packed, len(fake.inserts))
            self.assert_arrived(fake, self.root / "spool")


OPENINGS = {
    "older": ({"p2ptrace_schema": schema(3)}, 1, "bring it up to date with inspector fleet migrate"),
    "newer": ({"p2ptrace_schema": schema(5)}, 1, "update this one"),
    "nothing": ({"p2ptrace_schema": (200, row("server", "18.16.1", ""))}, 1, "p2ptrace_schema that is not ours"),
    "cut": ({"p2ptrace_schema": (200, row("server", "18.16.1", "") + b"\5flee")}, 1, "p2ptrace_schema that is not ours"),
    "another view": ({"p2ptrace_schema": schema(fleet="")}, 1, "p2ptrace_schema that is not ours"),
    "a cluster with a wrong name": ({"p2ptrace_schema": schema(cluster="a b")}, 1, "p2ptrace_schema that is not ours"),
    "none": ({"p2ptrace_schema": error(60, status=404)}, 1, "inspector fleet init"),
    "no database": ({"p2ptrace_schema": error(81, status=404)}, 1, "inspector fleet init"),
    "a login page": ({"version()": (200, HTML)}, 1, "is not ClickHouse's HTTP port"),
    "a login page as HTML": ({"version()": (200, HTML, ("Content-Type", "text/html"))}, 1, "is not ClickHouse's HTTP port"),
    "empty": ({"version()": OK}, 1, "is not ClickHouse's HTTP port"),
    "something else": ({"version()": (200, b'{"ok":true}')}, 1, "is not ClickHouse's HTTP port"),
    "password": ({"version()": error(193)}, 1, "--login FILE"),
    "half": ({"version()": CUT}, 3, "the connection to"),
    "tables": ({"p2ptrace_schema": schema()}, 1, "lacks tables"),
    "reset": ({"version()": RESET}, 3, "the connection to"),
    "busy": ({"version()": (503, b"")}, 1, "is busy"),
}
QUESTIONS = ["count"], ["peers"], ["traces"], ["recent", "3"], ["requests"], ["nodes"], ["analyze"]
SHORT = {  # a part of a statement, and the commands for which half a row of its answer is an error
    "`.nodes ": (QUESTIONS, "cannot read: ask again"),
    "`.apps ": (QUESTIONS, "cannot read: ask again"),
    "`.aliases ": (QUESTIONS, "cannot read: ask again"),
    "`.clock_steps ": (QUESTIONS, "cannot read: ask again"),
    "`.rare_events WHERE": (QUESTIONS, "cannot read: ask again"),
    "count(), max(": ([["count"]], "was cut short: ask again"),
    "AS shown_ns": ([["peers"]], "was cut short: ask again"),
    "sum(toUInt64(`count`))": ([["count"]], "was cut short: ask again"),
    "uniqExact(trace_id)": ([["traces"]], "was cut short: ask again"),
    "SELECT count() FROM": ([["requests"]], "was cut short: ask again"),
}


class Openings(Case):
    def test_whoever_opens_a_fleet_says_what_is_wrong_with_it(self):
        spool = self.spool()

        def check(name, fake, answers, code, sentence):
            for words in (["--fleet", fake.url, "count"], ["ship", "--from", spool, "--to", fake.url, "--once", "--wait=0", "--place", self.root / name],
                          ["ship", "--from", spool, "--to", fake.url, "--check", "--place", self.root / name]):
                for what, answer in answers.items():
                    fake.say(what, answer)
                self.assert_fails(run(*words), code, sentence, (name, words))
            self.assertEqual(fake.inserts, [])
            if name in ("older", "password", "a login page"):  # waiting does not help
                fake.statements.clear()
                for what, answer in answers.items():
                    fake.say(what, answer)
                self.assert_fails(self.ship(fake, spool, "--wait=9", "--place", self.root / name), code, sentence, name)
                self.assertEqual(sum("version()" in statement for statement in fake.statements), 1)
        self.each(OPENINGS, check)

    def test_a_user_with_one_question_at_a_time_is_asked_one_by_one(self):
        busy = error(202, "e.displayText() = DB::Exception: Too many simultaneous queries for user default", status=500)
        with Fake() as fake:
            whole = run("--fleet", fake.url, "nodes", "--json")
            for what in ("p2ptrace_schema", "`.nodes ", "`.aliases ", "`.clock_steps "):
                fake.say(what, busy)
            done = run("--fleet", fake.url, "nodes", "--json")
            self.assertEqual((done.returncode, done.stdout, done.stderr), (whole.returncode, whole.stdout, whole.stderr))
            self.assertEqual([answers for answers in fake.said.values() if answers], [])
            fake.say("`.nodes ", busy, busy)
            self.assert_fails(run("--fleet", fake.url, "nodes"), 1, "Too many simultaneous queries")

    def test_what_a_statement_asks_for_is_no_error(self):
        with Fake() as fake:
            fake.say("street", (200, b"Code: 60, a street\n"))
            done = run("--fleet", fake.url, "sql", "SELECT 'Code: 60, a street' FORMAT TSV")
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "Code: 60, a street\n", ""))
            fake.say("street", error(60, status=404))
            self.assert_fails(run("--fleet", fake.url, "sql", "SELECT * FROM street"), 2, "ClickHouse refuses the statement")

    def test_what_a_peer_wrote_reaches_no_terminal_through_sql(self):
        evil = "bye\x1b]52;c;cm0=\x07\x7f\u202e\u2028\x9b"
        table = f"kind\treason\nString\tString\nconn_closed\t{evil}\n".encode()
        shown = "bye\\x1b]52;c;cm0=\\x07\\x7f\\u202e\\u2028\\u009b"
        with Fake() as fake:
            for words in [], ["--json"], ["--format", "csv"], ["--format", "tsv"], ["FORMAT XML"]:
                own = words == ["FORMAT XML"]
                statement = " ".join(["SELECT kind, reason FROM street", *(words if own else [])])
                for terminal in True, False:
                    fake.say("street", (200, table))
                    args = ["--fleet", fake.url, "sql", statement, *([] if own else words)]
                    out = on_terminal(*args) if terminal else run(*args).stdout
                    with self.subTest(words=words, terminal=terminal):
                        if words == ["--json"]:
                            self.assertEqual(json.loads(out), {"kind": "conn_closed", "reason": evil})
                            self.assertEqual(set(re.findall("[^ -~]", out)) - set("\r\n"), set())
                        elif terminal or not words:
                            self.assertIn(shown.replace("\\", "\\\\") if "tsv" in words else shown, out)
                            self.assertEqual(set(re.findall("[^ -~]", out)) - set("\r\n\t"), set())
                        else:
                            self.assertIn(evil, out)  # as with every source: data are not changed
            for text in (b"", b"x\x1b]0;own\x07", b"a\tb\nString\n", b"a\nUInt64\n\x1b[2J\n", b"a\nFloat64\n1\x1b[2J\n",
                         b"a\nArray(String)\n['\x1b[2J\n", b"\x1b[2J\nString\n1\n", b"a\tb\nUInt8\tUInt8\n1\n"):
                for words in [], ["--json"]:
                    fake.say("street", (200, text))
                    self.assertNotIn("\x1b", on_terminal("--fleet", fake.url, "sql", "SELECT * FROM street", *words), text)

    def test_sql_prints_values_as_of_every_source(self):
        table = (b"n\tr\tt\tl\tl\tz\nUInt64\tFloat64\tNullable(String)\tArray(String)\tArray(Array(UInt8))\tNullable(UInt8)\n"
                 b"18446744073709551615\t2\ta\\tb\\\\\\'\t['it\\'s','\\t']\t[[1],[]]\t\\N\n0\tnan\t\\N\t[]\t[]\t7\n\n5\t3\tz\t[]\t[]\t1\n")
        with Fake() as fake:
            def out(*words):
                fake.say("street", (200, table))
                return run("--fleet", fake.url, "sql", "SELECT * FROM street", *words).stdout
            rows = [{"n": 2**64 - 1, "r": 2.0, "t": "a\tb\\'", "l": ["it's", "\t"], "l:1": [[1], []], "z": None},
                    {"n": 0, "r": None, "t": None, "l": [], "l:1": [], "z": 7}]
            self.assertEqual([json.loads(line) for line in out("--json").splitlines()], rows)
            self.assertEqual(out("--format", "tsv").splitlines()[1], r"18446744073709551615	2.0	a\tb\\'	['it\\'s','\\t']	[[1],[]]	")
            self.assertEqual(out("--format", "csv").splitlines()[2], "0,null,,[],[],7")
            lines = out().splitlines()
            self.assertEqual(lines[0].split(), ["n", "r", "t", "l", "l", "z"])
            self.assertEqual(lines[-1].split(), ["5", "3", "z", "[]", "[]", "1"])  # the totals, apart from the rows
            self.assertEqual(lines[-2], "")

    def test_a_row_that_is_cut_is_no_answer(self):
        def check(name, fake, commands, sentence):
            for words in commands:
                fake.say(name, (200, b"\1\2\3"))
                self.assert_fails(run("--fleet", fake.url, *words), 1, sentence, (name, words))
                fake.said.clear()
        self.each(SHORT, check)


if __name__ == "__main__":
    unittest.main()
