#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How inspector ship works through a directory: in which order, what its place and the fleet know about it, and what it says.  The server is
fake.

INSPECTOR, MAKE_SPOOL, READ_BACK and SPOOL_FAULTS name the programs."""
import contextlib
import errno
import os
import re
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from clickhouse import DEADLINE_S, rows_of, run  # noqa: E402
from harness import until  # noqa: E402
from fake_clickhouse import HANG, OK, Fake, error  # noqa: E402
from test_fleet_answers import EVENTS, Case  # noqa: E402

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
    def serving(self, fake, directory, *words, said=None, **environment):
        """Runs it as a service, until SIGTERM; yields the file of its stderr, and then has its process in self.service.  said: all that it says."""
        errors = self.root / "errors"
        words = ["ship", "--from", directory, "--to", fake.url, "--host", "alpha", *words]
        with open(errors, "wb") as out, subprocess.Popen([os.environ["INSPECTOR"], *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                                         stderr=out, env=dict(os.environ, **environment)) as self.service:
            try:
                yield errors
                self.service.terminate()
                self.assertEqual(self.service.wait(DEADLINE_S), 0, errors.read_text())
                if said is not None:
                    self.assertEqual(errors.read_text(), said)
            finally:
                self.service.kill()

    def turns(self, metrics, count=3):
        """Waits for that many turns of a service, at the ends of which it writes its figures."""
        for _ in range(count):
            before = metrics.stat().st_mtime_ns if metrics.exists() else 0
            until(lambda: metrics.exists() and metrics.stat().st_mtime_ns != before, "a turn")

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
            first, *_, host = fake.rows("hosts_local", HOST_ROW)
            self.assertEqual(host[0:1] + host[4:], ("alpha", 5, 4 * SEGMENT + 1000, 0, 0, rows[-1][5], 0, 0))
            self.assertEqual((first[4], first[9]), (3, 2))
            bodies = [body for _, body in fake.inserts]
            self.assertNotIn(b"", bodies)
            self.assertEqual(is_now["now_bytes"], sum(map(len, bodies)))
            self.assert_arrived(fake, spool)
            hosts = len(fake.of("hosts_local"))
            self.assertEqual(self.shipped(fake, spool)["now_events"], 0)
            self.assertEqual((len(fake.of("events_local")), len(fake.of("hosts_local")), fake.packed), (2, hosts + 1, 0))

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
            (spool / self.segment(5)).write_bytes(b"no segment at all")  # without events, nothing is newer
            inserts = len(fake.of("events_local"))
            self.assertEqual(self.shipped(fake, spool)["lost_segments"], 4)
            self.assertEqual((self.shipped(fake, spool)["newest"], len(fake.of("events_local"))), (looked["newest"], inserts))
            other = self.spool("other", words=["load"], events=3 * SEGMENT, seed=2)
            (other / self.segment(3)).write_bytes(b"no segment at all")  # a batch of its own
            self.assertEqual(self.shipped(fake, other)["lost_segments"], 1)
            self.assertEqual(len(fake.of("events_local")), inserts + 1)

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

    def test_segments_of_a_later_run_are_missed_by_a_service_too(self):
        with Fake() as fake:
            spool = self.spool()
            with self.serving(fake, spool):
                until(lambda: fake.of("hosts_local"), "the first run")
                self.spool("aside", words=["load"], events=SEGMENT + 100, seed=2)
                (self.root / "aside" / self.segment(1)).rename(spool / self.segment(1))
                until(lambda: fake.of("losses_local"), "the loss")
            self.assertEqual(fake.rows("losses_local", LOSS)[0][:6], ("alpha", self.instance, 0, "missing", *fake.rows("losses_local", LOSS)[0][4:6]))

    def test_a_quiet_service_looks_each_second_and_writes_nothing(self):
        with Fake() as fake:
            spool, metrics = self.spool(), self.root / "metrics"
            place = spool / "p2ptrace-ship.place"
            with self.serving(fake, spool, "--metrics", metrics, said=""):
                until(lambda: len(fake.of("hosts_local")) >= 2, "the segment")
                self.turns(metrics, 2)
                before, begin = place.stat().st_mtime_ns, time.monotonic()
                self.turns(metrics, 3)
                self.assertGreaterEqual(time.monotonic() - begin, 2)
                self.assertEqual(place.stat().st_mtime_ns, before)
                self.assertLessEqual(len(fake.of("hosts_local")), 3)

    def test_one_shipper_at_a_time(self):
        with Fake() as fake:
            spool = self.spool()
            with self.serving(fake, spool):
                until(lambda: fake.of("hosts_local"), "the segment")
                self.refused(fake, spool, sentence="another inspector ship")
                looked, = rows_of(run("ship", "--from", spool, "--to", fake.url, "--check", "--json"))
                self.assertEqual((looked["segments"], looked["waiting_segments"]), (1, 0))

    def test_what_arrived_at_the_end_is_not_sent_again(self):
        with Fake() as fake:
            spool = self.spool()
            fake.say("segments_local", lambda: (self.service.terminate(), OK)[1])
            with self.serving(fake, spool, said=""):
                self.service.wait(DEADLINE_S)
            self.assertEqual(self.shipped(fake, spool)["now_segments"], 0)

    def test_an_end_while_a_server_says_nothing_is_no_failure(self):
        spool = self.spool()
        for what in "version()", "trace_index_local":
            with self.subTest(what), Fake() as fake:
                fake.say(what, lambda: (self.service.terminate(), HANG)[1])
                with self.serving(fake, spool, said=""):
                    self.service.wait(DEADLINE_S)
                self.assertEqual(len(fake.inserts), what == "trace_index_local")

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
            self.assertLess(len(fake.of("hosts_local")), 5)  # not one for each

    def test_a_batch_that_was_on_its_way_is_sent_first_and_unchanged(self):
        with Fake() as fake:
            spool = self.spool(words=["load"], events=SEGMENT + 100, seed=5)
            before, aside = self.instance, self.root / "aside"
            (spool / self.segment(1)).rename(self.root / "before")
            self.shipped(fake, spool)
            self.spool(words=["load"], events=2 * SEGMENT)
            instance = self.instance
            (spool / self.segment(1)).rename(aside)
            fake.say("events_local", error(164))
            self.refused(fake, spool, sentence="SELECT and INSERT")
            aside.rename(spool / self.segment(1))
            (self.root / "before").rename(spool / self.segment(1, before))
            self.runs("spool", 1)  # it has waited for longer
            self.shipped(fake, spool)
            _, first, again, *rest = fake.of("events_local")
            self.assertTrue(first == again)
            self.assertEqual([row[:2] for row in fake.rows("segments_local", SEGMENT_ROW)],
                             [(before, 0), (instance, 0), (self.instance, 0), (before, 1), (instance, 1)])
            self.assertEqual(len(rest), 3)

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
            self.shipped(fake, spool, "--keep", str(size))  # also when nothing is left to ship
            self.assertEqual(left(), [False, False, False, False, True])

    def test_what_was_shipped_is_removed_while_a_server_takes_nothing(self):
        with Fake() as fake:
            instances = self.runs("spool", 3)
            spool = self.root / "spool"
            size = (spool / self.segment()).stat().st_size
            left = lambda: [(spool / self.segment(0, each)).exists() for each in instances]  # noqa: E731
            self.shipped(fake, spool)
            self.assertEqual(left(), [True, True, True])
        # Nobody answers, from the start on.
        self.refused(fake, spool, "--keep", str(2 * size + size // 2), "--wait=1", sentence="no server answers", code=3)
        self.assertEqual(left(), [False, True, True])
        with Fake() as fake:  # it takes no events, and traced goes on
            self.spool("spool", events=300, seed=9)
            fake.say("events_local", *[error(243, "no room", 503)] * 20)
            self.refused(fake, spool, "--keep", str(size), "--wait=1", sentence="is full")
            self.assertEqual(left(), [False, False, False])

    @unittest.skipUnless("SPOOL_FAULTS" in os.environ, "with sanitizers, nothing can be loaded before them")
    def test_what_cannot_be_removed_is_said_once(self):
        with Fake() as fake:
            self.runs("spool", 3)
            spool, metrics, flag = self.root / "spool", self.root / "metrics", self.root / "flag"
            flag.touch()
            said = f"inspector: shipped recordings in {spool} cannot be removed, and take more room than --keep: Permission denied\n"
            with self.serving(fake, spool, "--keep", "1", "--metrics", metrics, said=2 * said, LD_PRELOAD=os.environ["SPOOL_FAULTS"],
                              SPOOL_KEEPS=flag) as errors:
                until(lambda: len(fake.of("segments_local")) == 3, "all segments")
                self.turns(metrics)
                self.assertEqual(errors.read_text(), said)
                flag.unlink()
                until(lambda: not list(spool.glob("*.p2rec")), "them to be removed")
                flag.touch()
                self.spool(seed=9)
                until(lambda: errors.read_text() == 2 * said, "it to say so again")

    @unittest.skipUnless("SPOOL_FAULTS" in os.environ, "with sanitizers, nothing can be loaded before them")
    def test_a_file_that_a_scan_misses_is_not_lost(self):
        with Fake() as fake:
            spool = self.spool(words=["load"], events=3 * SEGMENT)
            names = [self.segment(number) for number in range(3)]
            for name in names[1:]:
                (spool / name).rename(self.root / name)
            self.shipped(fake, spool)
            for name in names[1:]:
                (self.root / name).rename(spool / name)
            done = self.ship(fake, spool, LD_PRELOAD=os.environ["SPOOL_FAULTS"], SPOOL_HIDES=names[1], SPOOL_HIDES_TIMES="2")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual([row[:2] for row in fake.rows("segments_local", SEGMENT_ROW)], [(self.instance, number) for number in range(3)])
            self.assertEqual(fake.of("losses_local"), [])

    @unittest.skipUnless("SPOOL_FAULTS" in os.environ, "with sanitizers, nothing can be loaded before them")
    def test_a_file_that_cannot_be_opened_now_is_read_later(self):
        for error, said in (errno.EMFILE, "Too many open files\n"), (errno.ENOENT, ""):
            with self.subTest(said), Fake() as fake, Fake() as undisturbed:
                spool = self.spool(f"spool {error}", words=["load"], events=2 * SEGMENT)
                self.shipped(undisturbed, spool, "--place", self.root / f"place {error}")
                faults = {"LD_PRELOAD": os.environ["SPOOL_FAULTS"], "SPOOL_REFUSES": self.segment(1 if said else 0), "SPOOL_REFUSES_TIMES": "2",
                          "SPOOL_ERRNO": str(error)}
                if said:
                    done = self.ship(fake, spool, **faults)
                    self.assertEqual((done.returncode, done.stdout, done.stderr.endswith(said)), (1, "", True), done)
                with self.serving(fake, spool, **faults) as errors:
                    until(lambda: len(fake.of("segments_local")) == 1, "both segments")
                    self.assertEqual((len(errors.read_text().splitlines()), errors.read_text().endswith(said)), (bool(said), True))
                self.assertEqual([row[1] for row in fake.rows("segments_local", SEGMENT_ROW)], [0, 1])
                for table in "nodes_local", "apps_local", "losses_local", "trace_index_local":
                    self.assertEqual(fake.of(table), undisturbed.of(table), table)

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
        spool = self.spool(words=["load"], events=SEGMENT + 100)
        with Fake(cluster="main", shard=1) as fake, Fake(cluster="main", shard=2) as other, Fake(fleet="e" * 32) as stranger:
            (spool / self.segment(1)).rename(self.root / "aside")
            fake.say("events_local", error(164))
            self.refused(fake, spool, "--place", self.root / "another", sentence="SELECT and INSERT")
            self.shipped(fake, spool, "--place", self.root / "another")  # this shard may have it
            self.shipped(fake, spool)
            (self.root / "aside").rename(spool / self.segment(1))
            (spool / self.segment(0)).unlink()
            fake.say("events_local", error(164))
            self.refused(fake, spool, sentence="SELECT and INSERT")
            self.refused(stranger, spool, sentence="belongs to another fleet")
            self.refused(other, spool, sentence="may have reached shard 1")
            self.assertEqual(other.inserts + stranger.inserts, [])
            self.shipped(fake, spool)
            self.shipped(other, spool)  # nothing is on its way
            self.spool(words=["load"], events=SEGMENT + 100, seed=2)
            (spool / self.segment(1)).rename(self.root / "aside")
            other.say("events_local", error(164))
            self.refused(other, spool, sentence="SELECT and INSERT")
            self.refused(fake, spool, sentence="may have reached shard 2")
            (self.root / "aside").rename(spool / self.segment(1))
            (spool / self.segment(0)).unlink()  # nobody can send it again
            self.shipped(fake, spool)

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
            metrics, said = self.root / "metrics", lambda: errors.read_text().count("choose another")
            with self.serving(fake, spool, "--metrics", metrics) as errors:
                until(said, "it to say so")
                begin = time.monotonic()
                self.turns(metrics)
                self.assertGreaterEqual(time.monotonic() - begin, 0.5)
                self.assertEqual(said(), 1)
                beside.rmdir()
                until(lambda: len(fake.of("hosts_local")) >= 2, "the segment")
                self.turns(metrics)
                self.assertEqual(len(fake.of("nodes_local")), 1)
                self.assert_arrived(fake, spool)
                beside.mkdir()
                self.spool(seed=2)
                until(lambda: said() == 2, "it to say so again")
                beside.rmdir()
                until(lambda: len(fake.of("segments_local")) == 2, "the other segment")
            self.assert_arrived(fake, spool)

    def test_what_has_arrived_waits_for_a_place_that_cannot_be_written(self):
        spool = self.spool()
        beside = spool / "p2ptrace-ship.place.new"
        with Fake() as fake:
            fake.say("segments_local", lambda: (beside.mkdir(), OK)[1])
            with self.serving(fake, spool) as errors:
                until(lambda: "choose another" in errors.read_text(), "it to say so")
                self.assertEqual(len(fake.of("hosts_local")), 1)
                beside.rmdir()
                until(lambda: len(fake.of("hosts_local")) > 1, "the place to be written")
            self.assertEqual(self.shipped(fake, spool)["now_segments"], 0)

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

    def test_figures_while_a_server_takes_nothing(self):
        """They say what waits now."""
        spool, metrics = self.spool(), self.root / "metrics"
        waiting = lambda: re.search(r'\np2ptrace_ship_waiting_segments{host="alpha"} (\d+)\n', metrics.read_text())[1]  # noqa: E731
        for what in "version()", "trace_index_local":
            with self.subTest(what), Fake() as fake:
                fake.say(what, *[(503, b"")] * 1000)
                with self.serving(fake, spool, "--metrics", metrics, "--place", self.root / what) as errors:
                    until(lambda: "is busy" in errors.read_text(), "it to say so")
                    self.assertIn('\np2ptrace_ship_up{host="alpha"} 0\n', metrics.read_text())
                    before = len(list(spool.glob("*.p2rec")))
                    until(lambda: waiting() == str(before), "the figures")
                    self.spool(seed=len(what))
                    until(lambda: waiting() == str(before + 1), "the figures to change")
                    requests = len(fake.statements + fake.inserts)
                self.assertLessEqual(len(fake.statements + fake.inserts), requests + 2)  # it does not try again

    def test_figures_that_cannot_be_renewed_are_reported_once(self):
        spool, metrics = self.spool(), self.root / "metrics"
        with Fake() as fake, self.serving(fake, spool, "--metrics", metrics) as errors:
            beside, said = self.root / "metrics.new", lambda: errors.read_text().count(f"{metrics} is not renewed: Is a directory\n")
            for times in 1, 2:
                self.turns(metrics, 1)
                until(lambda: not beside.exists() and (beside.mkdir(), True), "no figures to be written now")
                until(lambda: said() == times, "it to say so")
                rows = len(fake.of("segments_local"))
                self.spool(seed=times + 1)
                until(lambda: len(fake.of("segments_local")) > rows, "another segment")
                self.assertEqual(said(), times)
                beside.rmdir()
            self.turns(metrics, 1)
            text = metrics.read_text()
            self.assertIn('\np2ptrace_ship_segments_total{host="alpha"} 3\n', text)
            self.assertNotIn('\np2ptrace_ship_last_success_timestamp_seconds{host="alpha"} 0\n', text)

    def test_it_waits_for_a_server_and_says_so_once(self):
        spool = self.spool()
        with Fake() as fake:
            fake.say("version()", (503, b""), (503, b""))
            done = self.ship(fake, spool, "--metrics", self.root / "metrics")
            self.assertEqual((done.returncode, len(done.stderr.splitlines())), (0, 1), done)
            self.assertIn("is busy", done.stderr)
            for line in "up", "segments_total":  # also the last turn's
                self.assertIn(f'p2ptrace_ship_{line}{{host="alpha"}} 1\n', (self.root / "metrics").read_text())

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
            self.assertEqual(fake.inserts, [("hosts_local", b"")])
            fake.say("version()", (503, b""))
            done = run("ship", "--from", spool, "--to", fake.url, "--check", "--metrics", self.root / "metrics", "--wait=9")
            self.assertEqual(done.returncode, 0, done)
            self.assertFalse((self.root / "metrics").exists())  # that of the one that ships stays

    def test_rows_are_compressed_when_asked(self):
        with Fake() as fake:
            self.shipped(fake, self.spool(), "--gzip", "always")
            self.assertEqual(fake.packed, len(fake.inserts))
            self.assert_arrived(fake, self.root / "spool")


if __name__ == "__main__":
    unittest.main()
