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
import time
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

    def ship(self, fake, directory, *words, **environment):
        return run("ship", "--from", directory, "--to", fake.url, "--host", "alpha", "--once", "--json", *words, **environment)

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

    def test_events_that_are_not_taken_wait_longer_each_time(self):
        """What announces them is: that is no news, and does not begin the pauses again."""
        spool = self.spool()
        with Fake() as fake:
            fake.say("events_local", *[error(252)] * 3)
            done = self.ship(fake, spool)
            self.assertEqual((done.returncode, rows_of(done)[0]["now_retries"]), (0, 3), done)
            self.assertEqual(["takes rows again" in line for line in done.stderr.splitlines()], [False, True])
            fake.say("events_local", *[error(252)] * 50)
            done = self.ship(fake, spool, "--wait=4", "--place", self.root / "place")
            self.assertEqual((done.returncode, len(done.stderr.splitlines())), (1, 2), done)
            self.assertLessEqual(len(fake.of("events_local")), 4 + 5)  # after at least 0, 0.25, 0.5, 1, 2 and 4 s

    def test_pauses_begin_again_after_a_success(self):
        """Otherwise they would soon be longer than --wait."""
        tables = "trace_index", "nodes", "apps", "clock_ends", "segments"
        with Fake() as fake:
            for table in tables:
                fake.say(f"{table}_local", (503, b""), (503, b""))
            done = self.ship(fake, self.spool(), "--wait=20")
            self.assertEqual((done.returncode, rows_of(done)[0]["now_retries"]), (0, 2 * len(tables)), done)

    def test_it_waits_as_long_as_a_server_asks(self):
        begin = []
        with Fake() as fake:
            fake.say("events_local", lambda: (begin.append(time.monotonic()), (503, b"", ("Retry-After", "3")))[1],
                     lambda: (begin.append(time.monotonic()), OK)[1])
            self.assertEqual(self.ship(fake, self.spool()).returncode, 0)
            self.assertGreaterEqual(begin[1] - begin[0], 3)

    def test_it_gives_up_after_wait(self):
        spool = self.spool()
        with Fake() as fake:
            fake.say("trace_index_local", *[(503, b"overloaded\n")] * 20)
            done = self.ship(fake, spool, "--wait=1")
            self.assertEqual((done.returncode, done.stdout), (1, ""), done)
            self.assertGreater(len(fake.of("trace_index_local")), 1)
            self.assertEqual(done.stderr.splitlines()[-1], f"inspector: {fake.address} is busy: HTTP status 503: overloaded")
            self.assertEqual(len(list(spool.glob("*.p2rec"))), 1)


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
            self.assertEqual(out("--format", "tsv").splitlines()[1].split("\t"), [r"18446744073709551615", r"2.0", r"a\tb\\'", r"['it\\'s','\\t']", r"[[1],[]]", r""])
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
