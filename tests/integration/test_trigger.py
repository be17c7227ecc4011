#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""inspector trigger: the window around a condition, beside a real traced and real nodes."""
import contextlib
import itertools
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import ProtocolTest, hex_id, until  # noqa: E402

ALICE, BOB = hex_id(0xAA), hex_id(0xBB)
SLOW = ("metrics", 200_000_000, 1, BOB)


def nanoseconds(moment):
    return moment["timestamp"] * 1000 + moment["ns"]


class TriggerTest(ProtocolTest):
    def setUp(self):
        super().setUp()
        self.client = self.start()
        self.alice = self.place.node("alice", ALICE)
        self.sent, self.begun = 0, []

    def begin(self, *words, **popen):
        """Starts an inspector that waits for its condition."""
        until(lambda: self.subscriptions() <= sum(other.poll() is None for other in self.begun), "those that ended to be gone")
        before = self.subscriptions()
        process = subprocess.Popen([os.environ["INSPECTOR"], "trigger", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env=self.place.environment, cwd=self.place.directory, **popen)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.begun.append(process)
        until(lambda: process.poll() is not None or self.subscriptions() > before, "a subscription")
        return process

    def subscriptions(self):
        return self.client.call("stats")["clients"]["subscriptions"]

    def emit(self, *words, count=1):
        self.alice.do(*words)
        self.sent += count
        self.place.settle(self.client, self.sent)

    def packets(self, count):
        self.emit("packets", count, count=count)

    def window(self, name):
        """The lines of a file with one window."""
        with open(os.path.join(self.place.directory, name), encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        self.assertEqual((list(lines[0]), list(lines[-1])), (["trigger"], ["end", "nodes", "apps", "who"]))
        return lines[0]["trigger"], lines[1:-1], lines[-1]["end"]

    def assert_whole(self, head, events, end):
        """The window has the history's events of that time."""
        times = {side: head[side]["timestamp"] * 1000 + head[side]["ns"] for side in ("from", "to")}
        expected = self.client.call("query", **{"from": times["from"] // 1000, "to": times["to"] // 1000 + 1}, limit=10000)["events"]
        self.assertEqual(events, expected)
        self.assertEqual((end["events"], end["lost"], end["evicted"], end["truncated"]), (len(expected), 0, 0, False))


class Trigger(TriggerTest):
    def test_a_window_is_all_that_happened_around_the_condition(self):
        self.packets(50)
        process = self.begin("rtt > 100ms", "--before", "1m", "--after", "300ms", "--write", "slow.ndjson", "--limit", "1", "--json")
        self.emit("metrics", 5, 1, BOB)
        self.packets(10)
        self.emit(*SLOW)
        self.packets(5)
        self.emit("metrics", 150_000_000, 1, BOB)
        told = json.loads(process.stdout.readline())
        self.assertEqual((process.wait(), process.stderr.read()), (0, ""))
        head, events, end = self.window("slow.ndjson")
        self.assertEqual(head["event"]["data"]["rtt"], 200_000_000)
        self.assertEqual((head["condition"], head["window"]), ("rtt > 100ms", 1))
        self.assertIn(head["event"], events)
        self.assertGreaterEqual(len(events), 50 + 1 + 10 + 1)
        self.assert_whole(head, events, end)
        self.assertEqual({key: told[key] for key in end}, end)
        self.assertEqual((told["window"], told["file"], told["event"]), (1, "slow.ndjson", head["event"]))
        opened = head["event"]["timestamp"] * 1000 + head["event"]["ns"]
        self.assertEqual(head["from"]["timestamp"] * 1000 + head["from"]["ns"], opened - 60_000_000_000)
        self.assertEqual(head["to"]["timestamp"] * 1000 + head["to"]["ns"], opened + 300_000_001)

    def test_each_window_has_a_file_and_early_events_are_counted(self):
        process = self.begin("rtt > 100ms", "--after", "0s", "--every", "0s", "--write", "w%.ndjson", "--limit", "2")
        self.emit(*SLOW)
        self.assertIn("window 1", process.stdout.readline())
        self.emit(*SLOW)
        self.assertIn("w2.ndjson", process.stdout.readline())
        self.assertEqual(process.wait(), 0)
        self.assertEqual([self.window(name)[0]["window"] for name in ("w1.ndjson", "w2.ndjson")], [1, 2])
        mask = os.umask(0)
        os.umask(mask)
        self.assertEqual(os.stat(os.path.join(self.place.directory, "w1.ndjson")).st_mode & 0o777, 0o666 & ~mask)
        process = self.begin("rtt > 100ms", "--after", "0s", "--every", "1h", "--write", "one%.ndjson", "--for", "1h")
        self.emit(*SLOW)
        self.assertIn("window 1", process.stdout.readline())
        self.emit(*SLOW)
        self.emit(*SLOW)
        process.send_signal(signal.SIGINT)
        process.wait()
        self.assertEqual(sorted(name for name in os.listdir(self.place.directory) if name.startswith("one")), ["one1.ndjson"])

    def three_windows(self, name):
        """Three windows in one file; returns whether some events came too soon to open another window, and none came too late to be counted."""
        process = self.begin("rtt > 100ms", "--after", "100ms", "--every", "500ms", "--write", name, "--limit", "3", "--json")
        self.emit(*SLOW)
        self.assertEqual(json.loads(process.stdout.readline())["suppressed"], 0)

        def again():
            """Emits until an event is late enough to open a window: two at once, so that it has another one also where traced is slow."""
            self.alice.do(*SLOW)
            self.emit(*SLOW, count=2)
            return process.poll() is not None

        until(again, "the third window")
        told = [json.loads(line) for line in process.stdout]
        with open(os.path.join(self.place.directory, name), encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        heads, ends = ([line[word] for line in lines if word in line] for word in ("trigger", "end"))
        self.assertEqual([head["window"] for head in heads], [1, 2, 3])
        opened, closed = [nanoseconds(head["event"]) for head in heads], [nanoseconds(head["to"]) for head in heads]
        self.assertTrue(all(after - before >= 500_000_000 for before, after in zip(opened, opened[1:])), opened)
        slow = [nanoseconds(event) for event in self.client.call("query", kind="metrics", limit=10000)["events"]]
        within = [sum(begin <= at < end for at in slow) for begin, end in zip(opened, closed)]
        fitted = [end["fitted"] for end in ends]
        self.assertTrue(all(1 <= one <= other for one, other in zip(fitted, within)), (fitted, within))
        self.assertEqual([window["suppressed"] for window in told], [end["suppressed"] for end in ends[1:]])
        suppressed, between = sum(end["suppressed"] for end in ends), sum(
            end <= at < begin for at in slow for end, begin in zip(closed, opened[1:]))
        late = sum(within) - sum(fitted)  # reported by a stalled traced after the window was fetched
        self.assertLessEqual(between, suppressed)
        self.assertLessEqual(suppressed, between + late + sum(at >= closed[2] for at in slow))  # until the third was fetched
        return suppressed > 0 and late == 0 and sum(fitted) > 3

    def test_windows_are_appended_to_one_file_with_the_number_suppressed(self):
        names = (f"all{number}.ndjson" for number in itertools.count())
        until(lambda: self.three_windows(next(names)), "events that come soon after others")

    def test_a_window_that_does_not_fit_on_the_disk_leaves_nothing_behind(self):
        def small_files():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

        self.packets(500)
        with open(os.path.join(self.place.directory, "all.ndjson"), "w", encoding="utf-8") as file:
            file.write("kept\n")
        before = sorted(os.listdir(self.place.directory))
        for name in ("all.ndjson", "w%.ndjson"):
            process = self.begin("rtt > 100ms", "--before", "1m", "--after", "0s", "--write", name, preexec_fn=small_files)
            self.emit(*SLOW)
            self.assertEqual(process.wait(), 1)
            self.assertIn("File too large", process.stderr.read())
        self.assertEqual(sorted(os.listdir(self.place.directory)), before)
        with open(os.path.join(self.place.directory, "all.ndjson"), encoding="utf-8") as file:
            self.assertEqual(file.read(), "kept\n")

    def test_without_a_file_windows_go_to_the_output_and_options_narrow_them(self):
        self.packets(20)
        process = self.begin("rtt > 100ms", "--before", "1m", "--after", "0s", "--limit", "1", "--where", "packet_num < 5 or metrics")
        self.emit(*SLOW)
        out, notes = process.communicate()
        lines = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([list(lines[0]), list(lines[-1])], [["trigger"], ["end", "nodes", "apps", "who"]])
        self.assertEqual([event["kind"] for event in lines[1:-1]], ["packet_sent"] * 5 + ["metrics"])
        self.assertEqual(process.returncode, 0)
        self.assertIn("window 1, 6 events", notes)

    def test_a_window_outlives_traced(self):
        def attempt(seconds):
            name = f"w{seconds}.ndjson"
            process = self.begin("rtt > 100ms", "--before", "1m", "--after", f"{seconds}s", "--write", name, "--limit", "1", "--json")
            self.packets(30)
            self.emit(*SLOW)
            self.place.stop(signal.SIGKILL)
            self.client = self.start()
            told = json.loads(process.stdout.readline())
            self.assertEqual(process.wait(), 0)
            _, events, end = self.window(name)
            self.assertEqual([event["kind"] for event in events][-31:], ["packet_sent"] * 30 + ["metrics"])
            self.assertEqual((end["fitted"], end["suppressed"], told["events"]), (1, 0, len(events)))
            notes = process.stderr.read()
            self.assertIn("went away", notes)
            self.assertIn("connected again", notes)
        self.with_time_enough(attempt)

    def test_at_the_end_of_its_time_the_open_window_is_kept(self):
        def attempt(seconds):
            name = f"w{seconds}.ndjson"
            process = self.begin("rtt > 100ms", "--before", "0s", "--after", "1h", "--for", f"{seconds}s", "--write", name)
            self.emit(*SLOW)
            self.assertEqual(process.wait(), 0)
            self.assertTrue(os.path.exists(os.path.join(self.place.directory, name)))
            self.assertEqual(len(self.window(name)[1]), 1)
        self.with_time_enough(attempt)

    def test_a_history_that_begins_too_late_is_reported(self):
        process = self.begin("rtt > 100ms", "--before", "1h", "--after", "0s", "--write", "w.ndjson", "--limit", "1", "--where", "metrics")
        for _ in range(12):
            self.packets(40_000)
        self.assertGreater(self.client.call("stats")["history"]["evicted"], 0)
        self.emit(*SLOW)
        self.assertIn("its beginning had left the history", process.stdout.readline())
        self.assertEqual(process.wait(), 0)
        self.assertTrue(self.window("w.ndjson")[2]["truncated"])

    def test_mistakes_are_reported_before_anything_is_waited_for(self):
        for words, text in ((("rrt > 5ms",), "  rrt > 5ms\n  ^~~\n"), (("packet_lost", "--where", "szie > 5"), "  szie > 5\n  ^~~~\n")):
            process = self.begin(*words)
            out, notes = process.communicate()
            self.assertEqual((process.returncode, out), (2, ""))
            self.assertIn(text, notes)
        for name, text in (("none/w%.ndjson", "No such file"), ("none/w.ndjson", "No such file"), ("/proc/version/w.ndjson", "Not a directory")):
            process = self.begin("rtt > 100ms", "--write", name)
            self.assertEqual(process.wait(), 1)
            self.assertIn(f"cannot write {name}: {text}", process.stderr.read())
        process = self.begin("rtt > 100ms", "--write", "w%.ndjson")
        self.assertEqual([name for name in os.listdir(self.place.directory) if name.startswith("w")], [])

    def test_files_of_an_earlier_trigger_are_not_overwritten(self):
        kept = os.path.join(self.place.directory, "w1.ndjson")
        with open(kept, "w", encoding="utf-8") as file:
            file.write("kept\n")
        os.symlink("nowhere", os.path.join(self.place.directory, "w2.ndjson"))
        process = self.begin("rtt > 100ms", "--after", "0s", "--every", "0s", "--write", "w%.ndjson", "--limit", "2")
        for number in (3, 4):
            self.emit(*SLOW)
            self.assertIn(f"w{number}.ndjson", process.stdout.readline())
        self.assertEqual([self.window(name)[0]["window"] for name in ("w3.ndjson", "w4.ndjson")], [1, 2])
        with open(kept, encoding="utf-8") as file:
            self.assertEqual(file.read(), "kept\n")

    def test_the_time_of_for_ends_also_while_traced_is_away(self):
        def attempt(seconds):
            if not self.place.traced:
                self.client = self.start()
            words = ("--after", "1h", "--for", f"{seconds}s", "--write", "w.ndjson")
            idle, busy = self.begin("rtt > 1m", *words), self.begin("rtt > 100ms", *words)
            sent = self.client.call("stats")["clients"]["events_sent"]
            self.emit(*SLOW)
            until(lambda: self.client.call("stats")["clients"]["events_sent"] > sent or busy.poll() is not None, "the event to be reported")
            self.place.stop(signal.SIGKILL)
            for process in (idle, busy):
                self.assertEqual(process.wait(), 3)
                notes = process.stderr.read()
                self.assertIn("went away", notes)
                self.assertIn("did not come back before the end of --for", notes)
                self.assertEqual("the window of " in notes and "is not saved" in notes, process is busy)
        self.with_time_enough(attempt)

    def test_a_match_while_traced_is_away_opens_a_window(self):
        self.emit("metrics", 150_000_000, 1, BOB)  # before it begins
        process = self.begin("rtt > 100ms", "--before", "0s", "--after", "0s", "--write", "w.ndjson", "--limit", "1")
        process.send_signal(signal.SIGSTOP)
        self.place.stop(signal.SIGKILL)
        self.alice.do(*SLOW)
        self.client = self.start()
        self.place.settle(self.client, 2)
        process.send_signal(signal.SIGCONT)
        self.assertIn("window 1", process.stdout.readline())
        self.assertEqual([event["data"]["rtt"] for event in self.window("w.ndjson")[1]], [200_000_000])


class Exec(TriggerTest):
    """A program for each window."""

    def script(self, text, name="program"):
        path = os.path.join(self.place.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + text)
        os.chmod(path, 0o755)
        return path

    def test_the_event_and_the_window_are_in_its_environment_and_its_words_are_as_they_are(self):
        program = self.script('{ env | grep ^P2PTRACE_ | sort; echo "$#"; printf "<%s>\\n" "$@"; } > "$OUT"; cat')
        self.place.environment |= {"OUT": os.path.join(self.place.directory, "out"), "P2PTRACE_EVENT_OLD": "1"}
        process = self.begin("rtt > 100ms", "--before", "0s", "--after", "0s", "-o", "slow-%.ndjson", "-n", "1", "--exec",
                             f"{program} $HOME; 'two words' \"a'b\" ; $(touch {self.place.directory}/made) *")
        self.emit(*SLOW)
        _, err = process.communicate(timeout=60)
        self.assertEqual((process.returncode, err), (0, ""))
        with open(self.place.environment["OUT"], encoding="utf-8") as file:
            lines = file.read().splitlines()
        variables = dict(line.split("=", 1) for line in lines if "=" in line and line.startswith("P2P"))
        event = json.loads(variables["P2PTRACE_EVENT"])
        self.assertEqual(self.window("slow-1.ndjson")[0]["event"], event)
        for name, value in {"KIND": "metrics", "NODE": "alice", "NODE_ID": ALICE, "PEER_ID": BOB, "DATA_RTT": "200000000", "LANE": "0",
                            "TIMESTAMP": str(event["timestamp"])}.items():
            self.assertEqual(variables["P2PTRACE_EVENT_" + name], value)
        self.assertRegex(variables["P2PTRACE_EVENT_TIME"], r"^\d{4}-.*Z$")
        self.assertEqual({name: value for name, value in variables.items() if name.startswith("P2PTRACE_WINDOW")},
                         {"P2PTRACE_WINDOW": "1", "P2PTRACE_WINDOW_FILE": "slow-1.ndjson", "P2PTRACE_WINDOW_CONDITION": "rtt > 100ms",
                          "P2PTRACE_WINDOW_EVENTS": "1", "P2PTRACE_WINDOW_LOST": "0"})
        self.assertNotIn("P2PTRACE_EVENT_OLD", variables)
        self.assertEqual(variables["P2PTRACE_SOCKET"], self.place.path)
        self.assertEqual(lines[-8:], ["7", "<$HOME;>", "<two words>", "<a'b>", "<;>", "<$(touch>", f"<{self.place.directory}/made)>", "<*>"])
        self.assertFalse(os.path.exists(os.path.join(self.place.directory, "made")))

    def test_nodes_that_began_after_it_have_their_names(self):
        program = self.script('echo "$P2PTRACE_EVENT_NODE $P2PTRACE_EVENT_PEER"')
        process = self.begin("rtt > 100ms", "--before", "0s", "--after", "0s", "-o", "w.ndjson", "-n", "1", "--exec", program)
        self.place.node("bob", BOB).do("packets", 1)
        self.place.node("carol", hex_id(0xCC)).do(*SLOW)
        out, err = process.communicate()
        self.assertEqual((process.returncode, err), (0, "carol bob\n"))
        self.assertRegex(out, r"^\S+  rtt 200 ms.*: window 1, 1 event; in w.ndjson\n$")

    def test_they_do_not_pile_up_and_are_reaped_while_nothing_happens(self):
        fifo = os.path.join(self.place.directory, "fifo")
        os.mkfifo(fifo)
        program = self.script(f"read line < {fifo}")
        process = self.begin("rtt > 100ms", "--before", "0s", "--after", "0s", "--every", "0s", "-o", "all.ndjson", "-n", "6", "--json", "--exec", program)

        def children():
            parents = []
            for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
                with contextlib.suppress(OSError):
                    parents.append(int(stat.read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()[1]))
            return parents.count(process.pid)

        for number in range(1, 6):
            self.emit(*SLOW)
            self.assertEqual(json.loads(process.stdout.readline())["window"], number)
        self.assertEqual(children(), 4)
        self.assertIn("was not run for window 5: 4 of them have not ended", process.stderr.readline())

        def all_end():
            try:
                os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))  # its reader has read to the end
            except OSError:
                pass  # nobody reads it yet
            return not children()

        until(all_end, "all of them to be reaped")
        self.emit(*SLOW)
        self.assertEqual(json.loads(process.stdout.readline())["window"], 6)
        until(lambda: process.poll() is not None or (all_end() and False), "the last of them, and the trigger, to end")
        err = process.stderr.read()
        self.assertEqual(process.returncode, 0)
        self.assertEqual(sorted(line.split(",")[1] for line in err.splitlines()), sorted(f" of window {number}" for number in (1, 2, 3, 4, 6)), err)

    def test_one_that_fails_is_reported_and_stops_nothing(self):
        for command, told in ((self.script("exit 3"), "of window 1, ended with code 3"), (self.script("kill -9 $$", "other"), "killed by signal 9"),
                              ("/proc/nonexistent/program", "cannot be run: No such file")):
            process = self.begin("rtt > 100ms", "--before", "0s", "--after", "0s", "-n", "1", "--exec", command)
            self.emit(*SLOW)
            out, err = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 0)
            self.assertEqual(len(out.splitlines()), 3)
            self.assertIn(told, err)

    def test_an_invalid_command_is_reported_at_once(self):
        for command, told in (("", "--exec needs a value"), (" ", "names no program"), ("a 'b", "a quote is not closed"), ("x " * 70, "at most 64 words")):
            process = self.begin("rtt > 100ms", "--exec", command)
            _, err = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 2)
            self.assertIn(told, err)


if __name__ == "__main__":
    unittest.main(verbosity=2)
