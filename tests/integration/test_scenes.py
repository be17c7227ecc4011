# SPDX-License-Identifier: MIT
"""The scenes of tests/inspector/scenes through real rings, a real traced and a real inspector: the same sentences.

Times of day differ from run to run, and are masked on both sides; durations do not differ, because the scene has its own clock (play_scene.c).

usage: test_scenes.py TRACED INSPECTOR PLAY_SCENE SCENES"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

from daemon import Traced
from harness import without_source
from nodes import PATIENCE_S

TRACED = INSPECTOR = PLAY_SCENE = SCENES = None


def masked(text):
    """Without times of day, and without what identifies an event elsewhere."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+", "DATE", text)
    text = re.sub(r"\d\d:\d\d:\d\d\.\d+", "TIME", text)
    text = re.sub(r"range \d+ \d+", "range FROM TO", text)
    return re.sub(r"--until \d+", "--until TIME", text)


class Scenes(unittest.TestCase):
    def play(self, scene):
        """Plays a scene and yields each of its commands with the inspector's output."""
        text = scene.read_text(encoding="utf-8")
        shows = re.findall(r"^show (.*)$", text, re.M)
        with tempfile.TemporaryDirectory(prefix="scenes-") as directory:
            traced = Traced(TRACED, directory)
            try:
                with traced.playing(PLAY_SCENE, scene):
                    if any(re.match(r"trace \w+", show) for show in shows):
                        self.check_spent(traced)
                    for show in shows:
                        shown = self.run_inspector(traced, show)
                        if re.fullmatch(r"trace \w+", show):
                            self.check_problems(shown, self.run_inspector(traced, show + " --json --summary"))
                        yield show, shown
            finally:
                traced.end()

    def check_problems(self, shown, lines):
        """What is said at the head of a trace is in its data, too, in the same words."""
        said = [line[2:] for line in shown.split("\n\n")[0].splitlines() if line.startswith("! ")]
        problems = json.loads(lines.splitlines()[-1])["problems"]
        self.assertEqual([problem["says"] for problem in problems], said)
        self.assertTrue(all({"problem", "node_id", "at", "says"} == set(problem) for problem in problems), problems)

    def check_spent(self, traced):
        """Where the time of a trace went is the same in `trace`, `traces --spent` and SQL, as data and in words."""
        times = {}
        for kind in ("request", "connection"):
            rows = [json.loads(line) for line in self.ask(traced, f"traces --kind {kind} --limit 1000 --spent --json").splitlines()]
            words = self.ask(traced, f"traces --kind {kind} --limit 1000 --fields trace_id,mostly_at --no-header").splitlines() if rows else []
            self.assertEqual(len(words), len(rows))
            for row, line in zip(rows, words):
                shown = self.ask(traced, f"trace {row['trace_id']} --limit 200000")
                whole = json.loads(self.ask(traced, f"trace {row['trace_id']} --json --summary").splitlines()[-1])
                self.assertEqual(row["time"], whole["time"])
                times[row["trace_id"]] = whole["time"]
                self.check_words(line.split(None, 1)[1].strip(), shown, row)

        self.assertEqual(self.ask_waits(traced), {trace: time for trace, time in times.items() if time})

    def ask_waits(self, traced):
        """The rows of the SQL table, as "time" of their traces has them."""
        waits = {}
        statement = "select w.trace_id, w.place, w.node_id, w.peer_id, w.duration from traces t join waits w on w.trace_id = t.trace_id"
        for line in self.ask(traced, "sql", "--json", statement).splitlines():
            row = json.loads(line)
            waits.setdefault(row.pop("trace_id"), []).append(row)
        return waits

    def check_words(self, mostly, shown, row):
        """The words are the first of those of `trace`, unless it is not known where most of the time went."""
        went = re.search(r"^time went to: (.*)$", shown, re.M)
        if mostly != "-":
            place, share = re.fullmatch(r"(.*) (\d+ %)", mostly).groups()
            self.assertRegex(went.group(1), "^" + re.escape(place) + r" [\d.]+ \w+ \(" + share + r"\)")
        elif row["time"]:
            self.assertRegex(went.group(1), "not known")

    def ask(self, traced, command, *words):
        done = subprocess.run([INSPECTOR, *command.split(), *words, "--utc", "--socket", str(traced.socket_path)], text=True,
                              capture_output=True, timeout=PATIENCE_S, check=False, env=dict(os.environ, LC_ALL="C.UTF-8"))
        self.assertEqual((done.returncode, done.stderr), (0, ""), command)
        return done.stdout

    def run_inspector(self, traced, command):
        more = []
        if command.startswith("analyze") and traced.ask("stats")["history"]["events"]:
            more = ["--to", "2100-01-01T00:00:00Z"]  # ages count to the newest event
        if command.startswith("traces"):
            more = ["--fields", "trace_id,first,took,duration,outcome,request,events,packets_lost,nodes"]  # ago differs each time
        return without_source(self.ask(traced, " ".join([command, *more])))

    def test_they_are_reported_in_the_same_sentences(self):
        for scene in sorted(SCENES.glob("*.scene")):
            if re.search(r"^(missing|step|sleep|machine|killed|show analyze from) ", scene.read_text(encoding="utf-8"), re.M):
                continue  # a ring cannot lose an event at a chosen moment, no clock is set, no process is killed in the past
            expected = scene.with_suffix(".txt").read_text(encoding="utf-8")
            parts = dict(re.findall(r"^\$ inspector ([^\n]*)\n(.*?)(?=^\$ inspector |\Z)", expected, re.M | re.S))
            with self.subTest(scene=scene.name):
                for command, shown in self.play(scene):
                    if os.environ.get("INSPECTOR_GOLDEN_UPDATE") and command.startswith("traces"):
                        parts[command] = shown + "\n"
                        continue
                    self.assertEqual(masked(shown).rstrip(), masked(parts[command]).rstrip(), command)
            if os.environ.get("INSPECTOR_GOLDEN_UPDATE"):
                scene.with_suffix(".txt").write_text("".join(f"$ inspector {c}\n{t}" for c, t in parts.items()), encoding="utf-8")


if __name__ == "__main__":
    TRACED, INSPECTOR, PLAY_SCENE = sys.argv[1:4]
    SCENES = pathlib.Path(sys.argv[4])
    unittest.main(argv=[sys.argv[0]] + sys.argv[5:], verbosity=2)
