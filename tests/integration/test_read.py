#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""inspector --read: every command gives the same answers for a recording as for the live history; damage is reported, and everything
else is read."""
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import ProtocolTest, hex_id, of_any_source, sleeping_in, until, without_source  # noqa: E402

ALICE, BOB, CAROL = hex_id(0xAA), hex_id(0xBB), hex_id(0xCC)
TRACE, BAD, FAILED = "%032x" % 0x5EED, "%032x" % 0xBAD, "%032x" % 0xFA11ED
HEADER, SEGMENT = 4096, 65536


def run(place, *args):
    done = subprocess.run([os.environ["INSPECTOR"], *map(str, args)], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, env=place.environment)
    return done.returncode, done.stdout, done.stderr


class ReadTest(ProtocolTest):
    def setUp(self):
        super().setUp()
        self.dir = pathlib.Path(self.place.directory) / "recorded"

    def live(self, *args):
        code, out, err = run(self.place, *args)
        self.assertEqual((code, err), (0, ""), args)
        return without_source(out)

    def begin(self, *args):
        """An inspector that does not end by itself; it ends with the test."""
        process = subprocess.Popen([os.environ["INSPECTOR"], *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=self.place.environment)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def read(self, *args, path=None, code=0, err=""):
        done = run(self.place, *args, "--read", path or self.dir)
        if err is not None:
            self.assertEqual((done[0], done[2]), (code, err), args)
        return without_source(done[1])

    def record(self, failed=()):
        """Two nodes that ended; requests of which one did not end, and these failed; more than a page of packets."""
        self.client = self.start("--record", str(self.dir))
        alice, bob = self.place.node("alice", ALICE), self.place.node("bob", BOB)
        alice.do("app")
        alice.do("start", TRACE, 1, 0, 1)
        alice.do("packets", 30, TRACE, BOB)
        bob.do("packets", 20, TRACE, ALICE)
        alice.do("end", TRACE, 1, 1, 1)
        alice.do("start", BAD, 2, 0, 2)
        for trace in failed:
            alice.do("start", trace, 3, 0, 1)
            alice.do("end", trace, 3, 1, 0)
        alice.do("metrics", 2_000_000, 1_000_000, CAROL)
        bob.do("custom", "hello")
        alice.do("packets", 3000)
        self.events = 3055 + 2 * len(failed)
        self.place.settle(self.client, self.events)
        alice.close()
        bob.close()
        until(lambda: all(node["state"] == "exited" for node in self.client.call("nodes")["nodes"]), "both to end")

    def stop(self):
        self.assertEqual(self.place.stop()[0], 0)


class NodesThatLived(ReadTest):
    def test_it_is_not_said_that_they_live_on(self):
        self.client = self.start("--record", str(self.dir), "--record-seal", "1s")
        self.place.node("alice", ALICE).do("packets", 5, TRACE, BOB)
        until(lambda: self.client.call("stats")["record"]["events"] == 5, "the events to be written")
        self.place.traced.kill()
        self.place.finish()
        self.assertRegex(self.read("nodes"), r"(?m)^alice +\w+ +live +not by [0-9:]{8} ")
        ended = json.loads(self.read("nodes", "--json"))["ended"]
        copy = pathlib.Path(self.place.directory) / "copy.p2rec"
        self.read("record", "-o", copy, err=None)
        copied = json.loads(self.read("nodes", "--json", path=copy))
        self.assertEqual((copied["state"], copied["ended"]), ("live", ended))
        saved = pathlib.Path(self.place.directory) / "saved.ndjson"
        saved.write_text(self.read("nodes", "--json") + self.read("recent", "--json"), encoding="utf-8")
        self.assertEqual(json.loads(self.read("nodes", "--json", path=saved))["ended"], ended)


class EveryCommand(ReadTest):
    def setUp(self):
        super().setUp()
        self.record(failed=[FAILED])
        times = [json.loads(line)["timestamp"] for line in self.live("range", "0", "now", "--json").splitlines()]
        self.first, self.last = times[0], times[-1]

    def commands(self):
        first, last = str(self.first), str(self.last)
        return [["nodes"], ["peers"], ["peers", "--node", "alice"], ["apps"], ["traces"], ["traces", "--where", "unfinished"],
                ["traces", "--from", first, "--to", last, "--order", "slowest"], ["traces", "--app", "TEST"],
                ["traces", "--kind", "connection"], ["trace", TRACE[:31]],
                ["trace", TRACE, "--all"], ["trace", TRACE, "--graph"], ["trace", TRACE, "--where", "kind == packet_sent"],
                ["peer", "bob"], ["peer", CAROL[:12]], ["recent"], ["recent", "7", "--kind", "packet_sent"], ["recent", "2500"],
                ["recent", "--where", "rtt > 1ms"], ["range", first, last], ["range", "0", last, "--node", "bob"],
                ["range", "0", last, "--explain"],
                ["count", "--from", first, "--to", last], ["count", "--by", "peer,kind"], ["count", "--hist", "rtt"],
                ["count", "--by", "command", "--value", "took"], ["requests", "--from", first, "--to", last],
                ["requests", "--by", "time/1ms,node,command"], ["diff", TRACE, TRACE],
                ["count", "--by", "time/1ms", "--value", "size", "--from", first, "--to", last],
                ["sql", "select peer, count(*), max(size) from events group by peer order by 1"],
                ["sql", "select trace_id, outcome from traces order by 1"], ["sql", "select name, state, indexed from nodes order by 1"],
                ["analyze", "--from", first, "--to", last], ["analyze", "trace", TRACE], ["analyze", "trace", FAILED],
                ["analyze", "node", "alice", "--from", first, "--to", last],
                ["rpc", "query", '{"limit":1,"kind":"custom"}'], ["rpc", "count", "{}"]]

    @staticmethod
    def comparable(done):
        code, out, err = done
        return code, of_any_source(out), err

    def test_every_command_answers_from_the_recording_as_live(self):
        wanted = {}
        for args in self.commands():
            for more in ([], ["--json"]):
                wanted[tuple(args + more)] = self.comparable(run(self.place, *args, *more))
        export = json.loads(self.live("export", TRACE))
        stats = json.loads(self.live("stats", "--json"))["history"]
        self.stop()
        for args, live in wanted.items():
            with self.subTest(args=args):
                self.assertEqual(live[0], 0, live)
                self.assertEqual(self.comparable(run(self.place, *args, "--read", self.dir)), live)
        self.assertGreater(sum(bool(live[1]) for live in wanted.values()), 60, "almost nothing was compared")
        document = json.loads(self.read("export", TRACE))
        self.assertEqual(len(document["events"]), 52)
        for member in ("trace_id", "events", "gaps", "lost", "evicted", "nodes", "apps"):
            self.assertEqual(document[member], export[member], member)
        history = json.loads(self.read("stats", "--json"))["history"]
        for member in ("events", "first", "last", "traces", "peers", "evicted"):
            self.assertEqual(history[member], stats[member], member)
        self.assertIn("history", self.read("stats"))

    def test_following_it_plays_its_events_and_ends(self):
        everything = [json.loads(line) for line in self.live("range", "0", "now", "--json").splitlines()]
        self.stop()

        def follow(*args):
            return [{key: value for key, value in json.loads(line).items() if key != "log"}
                    for line in self.read("follow", "--json", *args).splitlines()]

        self.assertEqual(len(everything), self.events)
        self.assertEqual(follow(), everything)
        self.assertEqual(follow("--recent", "5"), everything[-5:])
        self.assertEqual(follow("--count", "2010"), everything[:2010])
        self.assertEqual(follow("--node", "bob"), [event for event in everything if event["node_id"] == BOB])
        self.assertEqual(follow("--where", "kind == custom"), [event for event in everything if event["kind"] == "custom"])

    def test_at_a_pace_it_is_the_same_and_takes_its_time(self):
        self.stop()
        whole = self.read("follow", "--json")
        self.assertEqual(self.read("follow", "--json", "--speed", "1x"), whole)
        self.assertEqual(self.read("follow", "--json", "--speed", "1000"), whole)
        events = [json.loads(line) for line in whole.splitlines()[:3]]
        for number, event in enumerate(events):  # an hour between them
            event.update(timestamp=event["timestamp"] + number * 3600_000_000, sequence=number, node_id=ALICE, lane=0)
        slow = os.path.join(self.place.directory, "slow.ndjson")
        pathlib.Path(slow).write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
        self.assertEqual(len(self.read("follow", "--json", "--speed", "0.001x", "--for", "1ms", path=slow).splitlines()), 1)
        self.assertEqual(len(self.read("follow", "--json", "--speed", "1000000x", path=slow).splitlines()), 3)
        self.assertEqual(len(self.read("follow", "--json", "--speed", "1x", "--count", "1", path=slow).splitlines()), 1)
        process = self.begin("follow", "--json", "--speed", "1x", "-r", slow)  # its reader goes away while it waits
        self.assertTrue(process.stdout.readline())
        process.stdout.close()
        self.assertEqual((process.wait(), process.stderr.read()), (0, b""))

    def test_a_speed_is_for_recordings_and_a_number(self):
        for words, sentence in ((["--speed", "1x"], "--speed needs --read"), (["--speed", "fast", "-r", self.dir], "a factor like 1x"),
                                (["--speed", "0", "-r", self.dir], "a factor like 1x"), (["--speed", "1xx", "-r", self.dir], "a factor like 1x")):
            code, _, err = run(self.place, "follow", *words)
            self.assertEqual(code, 2, err)
            self.assertIn(sentence, err)

    def test_top_shows_its_nodes_and_quits(self):
        self.stop()
        ours, theirs = pty.openpty()
        with subprocess.Popen([os.environ["INSPECTOR"], "top", "-r", str(self.dir)], stdin=theirs, stdout=theirs, stderr=theirs,
                              env=dict(self.place.environment, TERM="xterm", COLUMNS="100", LINES="30")) as process:
            os.close(theirs)
            seen = b""
            while b"2 gone" not in seen or b"3 traces" not in seen:
                seen += os.read(ours, 65536)
            os.write(ours, b"q")
            self.assertEqual(process.wait(60), 0)
        os.close(ours)

    def test_relative_times_count_back_from_its_end(self):
        newest = self.live("range", "0", "now", "--json").splitlines()[-1]
        self.stop()
        self.assertEqual(self.read("range", "-1us", "now", "--json").splitlines()[-1], newest)
        self.assertEqual(len(self.read("range", "-1h", "now", "--json").splitlines()), self.events)
        self.assertEqual(self.read("recent", "--from", "now", "--json"), "")

    def test_trigger_keeps_the_windows_that_there_were(self):
        self.stop()
        out = self.read("trigger", "kind == app_start", "--before", "0", "--after", "0", "--every", "0", "--kind", "app_start", err=None)
        lines = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([next(iter(line)) for line in lines if "trigger" in line or "end" in line], ["trigger", "end"] * 3)
        self.assertEqual([line["end"]["events"] for line in lines if "end" in line], [1] * 3)

    def test_commands_that_need_live_nodes_say_so_in_a_sentence(self):
        self.stop()
        for args in (["control"], ["control", "--reset"]):
            self.read(*args, code=1, err="inspector: the recording %s has no live nodes to control\n" % self.dir)
        for args in (["attach", "4242"], ["doctor"]):
            self.read(*args, code=1, err="inspector: inspector %s needs live nodes: a recording has none\n" % args[0])
        code, _, err = run(self.place, "nodes", "--read", self.dir, "--pid", "1")
        self.assertEqual((code, err), (2, "inspector: --read and --pid exclude each other: use one of them\n"))

    def test_the_short_form_and_several_are_read_as_one(self):
        self.stop()
        files = sorted(self.dir.glob("*.p2rec"))
        once = self.read("range", "0", "now", "--json")
        self.assertEqual(run(self.place, "range", "0", "now", "--json", "-r", files[0], "-r", self.dir, "--read=" + str(self.dir)),
                         (0, once, ""))

    def test_completion_offers_names_of_the_recording(self):
        self.stop()
        code, out, _ = run(self.place, "complete", "recent", "-r", self.dir, "--node", "")
        self.assertEqual((code, sorted(line.split("\t")[0] for line in out.splitlines())), (0, ["alice", "bob"]))


class Damage(ReadTest):
    def setUp(self):
        super().setUp()
        self.record()
        self.stop()
        [self.file] = self.dir.glob("*.p2rec")
        self.whole = self.file.read_bytes()

    def refused(self, sentence, *paths):
        code, out, err = run(self.place, "nodes", *[word for path in paths for word in ("-r", path)])
        self.assertEqual((code, out, len(err.splitlines())), (1, "", 1), err)
        self.assertIn(sentence, err)

    def test_a_file_that_is_not_a_recording_is_reported_in_one_line(self):
        place = pathlib.Path(self.place.directory)
        (place / "empty").write_bytes(b"")
        (place / "foreign").write_bytes(b"\x7fELF" + bytes(20000))
        (place / "none").mkdir()
        self.refused("is empty", place / "empty")
        self.refused("is not a recording", place / "foreign")
        self.refused("does not exist", place / "missing")
        self.refused("has no recordings", place / "none")
        self.refused("is not a recording", self.file, place / "foreign")
        self.refused("is not a recording", "/dev/null")
        newer = bytearray(self.whole)
        newer[8] = 99
        (place / "newer.p2rec").write_bytes(newer)
        self.refused("newer", place / "newer.p2rec")

    def test_a_truncated_file_yields_its_whole_part_and_reports_the_rest(self):
        self.file.write_bytes(self.whole[:HEADER + 4096 + 200_000])
        code, out, err = run(self.place, "range", "0", "now", "--json", "-r", self.file)
        self.assertEqual(code, 0, err)
        count = len(out.splitlines())
        self.assertTrue(0 < count < self.events, count)
        self.assertRegex(err, r"^inspector: .*\.p2rec: at byte 0: the file ends \d+ bytes before its segment does \((\d+) events\)\n")
        self.assertEqual(count + int(err.split("(")[1].split()[0]), self.events)

    def test_nothing_cut_off_is_in_any_sentence(self):
        self.file.write_bytes(self.whole[:HEADER + 4096 + 200_000])
        code, out, err = run(self.place, "recent", "--kind", "conn_retry", "-r", self.file)
        lost = int(err.split("(")[1].split()[0])
        self.assertEqual(code, 0, err)
        self.assertIn(f"; the history has {self.events - lost} events", out + err)
        code, out, err = run(self.place, "stats", "--json", "-r", self.file)
        self.assertEqual((code, json.loads(out)["history"]["events"]), (0, self.events - lost), err)

    def test_a_file_cut_before_its_events_is_refused(self):
        self.file.write_bytes(self.whole[:HEADER + 100])
        for command in (["count"], ["recent"], ["traces"], ["analyze"], ["stats"]):
            code, out, err = run(self.place, *command, "-r", self.file)
            self.assertEqual((code, out, len(err.splitlines())), (1, "", 1), err)
            self.assertRegex(err, rf"nothing in it can be read: .*: the file ends \d+ bytes before its segment does \({self.events} events\)$")

    def test_a_damaged_block_costs_only_its_events(self):
        damaged = bytearray(self.whole)
        damaged[HEADER + 4096 + 100_000] ^= 1
        self.file.write_bytes(damaged)
        code, out, err = run(self.place, "range", "0", "now", "--json", "-r", self.file)
        self.assertEqual(code, 0, err)
        self.assertRegex(err, r"^inspector: .*\.p2rec: at byte \d+: events are damaged \(\d+ events\)\n$")
        self.assertEqual(len(out.splitlines()) + int(err.split("(")[1].split()[0]), self.events)

    def test_damage_beside_whole_files_is_reported_and_the_whole_files_are_read(self):
        shutil.copy(self.file, self.dir / "other.p2rec")
        (self.dir / "other.p2rec").write_bytes(b"x" * 5000)
        (self.dir / "empty.p2rec").write_bytes(b"")
        code, out, err = run(self.place, "count", "--json", "-r", self.dir)
        self.assertEqual((code, len(err.splitlines())), (0, 2), err)
        self.assertIn("is not a recording", err)
        self.assertIn("is empty", err)
        self.assertTrue(out)


class Saved(ReadTest):
    """What the inspector itself saves."""

    def setUp(self):
        super().setUp()
        self.record()
        self.file = os.path.join(self.place.directory, "saved.p2rec")

    def compare(self, *commands):
        for args in commands:
            with self.subTest(args=args):
                self.assertEqual(self.read(*args, path=self.file), self.live(*args))

    def test_record_saves_all_events(self):
        told = json.loads(self.live("record", "-o", self.file, "--from", "0", "--count", str(self.events), "--json"))
        self.assertEqual((told["events"], told["missed"], told["bytes"]), (self.events, 0, os.path.getsize(self.file)))
        self.compare(["nodes", "--json"], ["apps", "--json"], ["peers", "--json"], ["traces", "--json"], ["trace", TRACE, "--json"],
                     ["recent", "5000", "--json"], ["count", "--by", "peer,kind", "--json"], ["analyze", "trace", TRACE, "--json"])
        code, _, err = run(self.place, "record", "-o", self.file)
        self.assertEqual((code, err), (1, "inspector: %s exists: a recording never overwrites a file\n" % self.file))

    def test_ctrl_c_ends_record_and_loses_nothing(self):
        process = self.begin("record", "-o", self.file, "--from", "0")
        until(lambda: os.path.exists(self.file), "the file")  # from now on it catches signals
        until(lambda: self.client.call("stats")["clients"]["events_sent"] >= self.events, "all to be sent")
        carol = self.place.node("carol", CAROL)  # a node that starts later
        carol.do("packets", 7)
        until(lambda: self.client.call("stats")["clients"]["events_sent"] >= self.events + 7, "all to be sent")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
        self.assertEqual((process.returncode, err), (0, b""))
        self.assertTrue(out.startswith(b"%d events in " % (self.events + 7)), out)
        self.compare(["recent", "5000", "--json"])
        saved, live = ([json.loads(line) for line in text.splitlines()]
                       for text in (self.read("nodes", "--json", path=self.file), self.live("nodes", "--json")))
        ends, live_ends = ({row["name"]: row.pop("ended") for row in rows} for rows in (saved, live))
        self.assertEqual(saved, live)
        self.assertEqual((ends.pop("carol")["by"], live_ends.pop("carol")), (None, None))  # a recording knows nothing of later
        self.assertEqual(ends, live_ends)

    def test_ctrl_c_waits_for_what_a_slow_traced_has_yet_to_send(self):
        process = self.begin("record", "-o", self.file)

        def written():
            """How often it has written something, that is, a request."""
            with open("/proc/%d/io" % process.pid, encoding="ascii") as file:
                return int(re.search(r"^syscw: (\d+)$", file.read(), re.M)[1])

        until(lambda: os.path.exists(self.file) and sleeping_in(process.pid) == "poll", "the file, and the question after it")
        for _ in range(2):
            self.client.call("stats")  # later than that question: its answer is not behind the events that come
        process.send_signal(signal.SIGSTOP)
        carol = self.place.node("carol", CAROL)
        carol.do("packets", 5000)  # more than a socket holds
        self.place.settle(self.client, self.events + 5000)
        until(lambda: self.client.call("stats")["clients"]["events_sent"], "the first of them to be sent")
        self.place.hold()
        asked = written()
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGCONT)
        until(lambda: written() > asked, "it to ask whether there is more")
        self.place.traced.send_signal(signal.SIGCONT)
        out, err = process.communicate()
        self.assertEqual((process.returncode, err), (0, b""))
        self.assertTrue(out.startswith(b"5000 events in "), out)

    def test_record_continues_over_a_restart_of_traced(self):
        dave = self.place.node("dave", hex_id(0xDD))
        process = self.begin("record", "-o", self.file, "--node", "dave")
        until(lambda: os.path.exists(self.file), "the file")
        dave.do("packets", 5)
        until(lambda: self.client.call("stats")["clients"]["events_sent"] >= 5, "all to be sent")
        self.stop()
        self.assertIn(b"went away", process.stderr.readline())
        dave.do("packets", 6)
        self.client = self.start()
        until(lambda: process.poll() is not None or self.client.call("stats")["clients"]["events_sent"] >= 6, "all to be sent")
        if process.poll() is not None:
            self.fail("it ended with %d: %s" % (process.returncode, process.communicate()))
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate()
        self.assertEqual(process.returncode, 0)
        self.assertTrue(out.startswith(b"11 events in "), out)

    def test_a_part_of_a_recording_and_nothing_at_all(self):
        self.stop()
        self.read("record", "-o", self.file, "--node", "bob", "--kind", "packet_sent")
        code, out, err = run(self.place, "recent", "100", "--json", "-r", self.file)
        self.assertEqual((code, len(out.splitlines()), err), (0, 20, ""))
        other = self.file + "2"
        self.assertIn("0 events, so there is no ", self.read("record", "-o", other, "--kind", "packet_lost"))
        self.assertFalse(os.path.exists(other))

    def test_a_full_disk_is_reported_and_nothing_false_is_left(self):
        done = subprocess.run(["sh", "-c", "ulimit -f 16; trap '' XFSZ; exec \"$0\" record -o \"$1\" --from 0 --count %d" % self.events,
                               os.environ["INSPECTOR"], self.file], capture_output=True, text=True, check=False, env=self.place.environment)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertTrue(done.stderr.endswith("; %d events are lost\n" % self.events), done.stderr)
        self.assertFalse(os.path.exists(self.file))

    def test_salvage_saves_the_events_in_the_rings(self):
        self.place.node("dave", hex_id(0xDD)).do("packets", 9)
        self.stop()
        crashed = self.place.node("erin", hex_id(0xEE))
        crashed.do("packets", 11, TRACE, BOB)
        crashed.kill()
        code, out, err = run(self.place, "salvage", "-o", self.file, "--json")
        self.assertEqual((code, err), (0, ""))
        rings = {ring["name"]: ring for ring in map(json.loads, out.splitlines())}
        self.assertEqual((rings["erin"]["state"], rings["erin"]["events"], rings["erin"]["reason"]), ("crashed", 11, None))
        found = json.loads(self.read("count", "--node", "erin", "--json", path=self.file))
        self.assertEqual(found["events"], 11)
        self.assertIn("crashed", self.read("nodes", path=self.file))
        nodes = {node["name"]: node for node in json.loads(self.read("rpc", "nodes", path=self.file))["nodes"]}
        self.assertEqual((nodes["dave"]["state"], nodes["dave"]["kinds"], nodes["dave"]["sample"]), ("live", "all", 1))

    def test_a_recording_says_when_traced_does_not_answer_at_its_end(self):
        process = self.begin("record", "-o", self.file)
        until(lambda: os.path.exists(self.file), "the file")
        dave = self.place.node("dave", hex_id(5))
        while os.path.getsize(self.file) < 1 << 20:  # it may miss many; the first segment is written after all other questions
            dave.do("packets", 20000)
        self.place.hold()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
        self.place.traced.send_signal(signal.SIGCONT)
        self.assertEqual(process.returncode, 0)
        self.assertEqual(err.splitlines()[-1], b"inspector: traced does not answer: the recording may lack the newest events")
        self.assertRegex(out, rb"^\d+ events(, \d+ missed)? in ")  # it may have missed some of so many

    def test_without_a_file_or_rings_they_say_so(self):
        for args in (["record"], ["salvage"]):
            code, _, err = run(self.place, *args)
            self.assertEqual(code, 2, err)
            self.assertIn("-o FILE", err)
        empty = os.path.join(self.place.directory, "empty")
        os.mkdir(empty)
        done = subprocess.run([os.environ["INSPECTOR"], "salvage", "-o", self.file], capture_output=True, text=True, check=False,
                              env=dict(self.place.environment, P2PTRACE_SHM_DIR=empty))
        self.assertEqual((done.returncode, done.stderr), (1, "inspector: nothing to salvage: the rings in %s have no events\n" % empty))
        self.assertFalse(os.path.exists(self.file))


class Json(ReadTest):
    """Saved JSON can be opened again."""

    def setUp(self):
        super().setUp()
        self.record()
        self.file = os.path.join(self.place.directory, "saved.json")

    def save(self, *texts, path=None):
        with open(path or self.file, "w", encoding="utf-8") as file:
            file.write("".join(texts))

    def same(self, *commands):
        for args in commands:
            with self.subTest(args=args):
                live = self.live(*args)
                self.assertTrue(live)
                self.assertEqual(self.read(*args, path=self.file), live)

    def test_an_exported_trace_is_that_trace(self):
        self.live("export", TRACE, "-o", self.file)
        self.same(["trace", TRACE, "--json"], ["trace", TRACE], ["trace", TRACE, "--graph"], ["analyze", "trace", TRACE], ["apps", "--json"],
                  ["nodes", "--json"])
        document = json.loads(self.read("export", TRACE, path=self.file))
        self.assertEqual(document["events"], json.loads(self.live("export", TRACE))["events"])

    def test_lines_of_nodes_apps_and_events_in_any_order(self):
        events, nodes, apps = self.live("range", "0", "now", "--json"), self.live("nodes", "--json"), self.live("apps", "--json")
        whole = [["nodes", "--json"], ["apps", "--json"], ["peers", "--json"], ["traces", "--json"], ["recent", "5000", "--json"],
                 ["count", "--by", "peer,kind", "--json"], ["trace", TRACE]]
        for texts in ((nodes, apps, events), (events, apps, nodes), (events, nodes, apps, events)):
            self.save(*texts)
            self.same(*whole)

    def test_arrays_answers_and_pretty_forms_are_read_too(self):
        events = [json.loads(line) for line in self.live("recent", "100", "--json").splitlines()]
        nodes = json.loads(self.live("rpc", "nodes"))
        for text in (json.dumps(events), json.dumps(events, indent=4), json.dumps({"events": events, "cursor": None}),
                     json.dumps({**nodes, "x": {"events": [1, {"a": "]"}]}, "events": events, "gaps": []}, indent=1),
                     "".join(json.dumps(event, indent=2) + "\n" for event in events), "  " + json.dumps(events).replace('"', '"', 1)):
            self.save(text)
            self.assertEqual([json.loads(line) for line in self.read("recent", "1000", "--json", path=self.file).splitlines()], events)

    def test_windows_of_trigger_and_streams_of_follow(self):
        self.stop()
        windows = self.read("trigger", "kind == app_start", "--before", "1m", "--after", "1m", "--every", "0", err=None)
        self.save(windows)
        self.assertEqual(len(self.read("recent", "5000", "--json", path=self.file).splitlines()), self.events)
        stream = self.read("follow", "--json")
        self.save(stream, '{"missed":7,"why":"slow"}\n')
        self.read("traces", path=self.file, err="inspector: %s: 7 events were missed when it was saved\n" % self.file)

    def test_windows_of_trigger_as_recordings(self):
        self.stop()
        for name, before, count in (("window-%.p2rec", "0", 2), ("windows.p2rec", "1m", 1)):
            self.read("trigger", "kind == app_start", "--before", before, "--after", "0", "--every", "0", "--kind", "app_start", "--write",
                      os.path.join(self.place.directory, name), err=None)
            files = sorted(pathlib.Path(self.place.directory).glob(name.replace("%", "*")))
            self.assertEqual(len(files), count)
            code, out, err = run(self.place, "recent", "--json", *[word for file in files for word in ("-r", file)])
            self.assertEqual((code, out, err), (0, self.read("recent", "--kind", "app_start", "--json"), ""))
            self.assertIn("alice", run(self.place, "nodes", "-r", files[0])[1])

    def test_several_are_read_as_one_and_nothing_twice(self):
        self.stop()
        one, two = self.read("recent", "100", "--json"), self.read("recent", "50", "--json")
        self.save(one)
        other = self.file + "2"
        self.save(two, path=other)
        code, out, err = run(self.place, "recent", "1000", "--json", "-r", self.file, "-r", other)
        self.assertEqual((code, out, err), (0, one, ""))
        bob = os.path.join(self.place.directory, "bob.p2rec")
        self.read("record", "-o", bob, "--node", "bob")
        self.save(self.read("range", "0", "now", "--json", "--node", "alice"))
        code, out, err = run(self.place, "range", "0", "now", "--json", "-r", self.file, "-r", bob)
        self.assertEqual((code, sorted(out.splitlines()), err), (0, sorted(self.read("range", "0", "now", "--json").splitlines()), ""))

    def test_damage_has_a_place_and_the_rest_is_read(self):
        lines = self.live("recent", "10", "--json").splitlines()
        wrong = [lines[0], lines[1][:40], "nonsense", lines[2], lines[3].replace('"lane":0', '"lane":"x"'), '{"a":1}', '{"a":"' + "x" * 2_000_000 + '"}',
                 lines[4], lines[5][:-9]]
        self.save("\n".join(wrong))
        code, out, err = run(self.place, "recent", "100", "--json", "-r", self.file)
        self.assertEqual(code, 0, err)
        self.assertEqual(out.splitlines()[0], lines[0])
        for sentence in ("not JSON", "neither an event nor a node", "more than 1 MiB", "lane must be", "ends within a value"):
            self.assertIn(sentence, err)
        for line in err.splitlines():
            self.assertRegex(line, r"^inspector: .*saved\.json: at byte \d+: ")

    def test_json_without_events_is_not_a_recording(self):
        for text, sentence in (("{}", "neither events nor nodes"), ("[1, 2]", "neither events nor nodes"),
                               ('{"events":[]}', "neither events nor nodes"), ("{" * 100000, "neither events nor nodes"),
                               ("[" * 100000, "neither events nor nodes"), ("{", "neither events nor nodes"),
                               (self.live("nodes", "--json"), "has no events")):
            self.save(text)
            code, out, err = run(self.place, "recent", "-r", self.file)
            self.assertEqual((code, out), (1, ""), text[:40])
            self.assertIn(sentence, err.splitlines()[-1])


if __name__ == "__main__":
    unittest.main(verbosity=2)
