#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rules for every command of the inspector, tested with every example of its help: exit codes, errors, --json, --no-header, --utc,
--socket, Ctrl-C.  With a real traced and three real QUIC nodes that have been stopped, so that answers stay the same.

    test_cli.py TRACED INSPECTOR QUIC_NODE

A new command is tested by its own examples.  For one that does not end by itself, the table below says how to end it."""
import collections
import datetime
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

from daemon import Traced, wait_for
from harness import sleeping_in
from nodes import PATIENCE_S, line_of_nodes

TRACED, INSPECTOR, QUIC_NODE = (os.path.abspath(arg) for arg in sys.argv[1:4])
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ENDS_BY = {"follow": ["-n", "2"], "attach": ["-n", "2"], "trigger": ["--for", "0s"],
           "record": ["--for", "0s"]}  # added to an example, so that it ends
FINDS_FAULTS = {"doctor"}  # exit code 1 of these means a fault was found, such as stopped nodes
WITHOUT_TRACED = {"attach", "config", "doctor", "salvage"}  # their behaviour without one is tested elsewhere
OF_FLEETS = {"fleet", "ship"}  # these need servers, which their own tests have
FOR_TERMINALS = {"top"}  # these need a terminal; without one they suggest alternatives
RECORDINGS = ("today.p2rec", "all.p2rec", "crash.p2rec")  # files that examples read
MADE = "made.p2rec"  # replaces the files that examples write: nothing is overwritten
DOCUMENTS = {"export"}  # these write one JSON text of many lines, with and without --json
SHELL_WORDS = {"|", ">", "<", "&", "&&", ";"}
TIME = re.compile(r"(?<![\w:])(\d\d:\d\d:\d\d)(?![\d:])")
ZONE, ZONE_OFFSET = "TEST-03:30", datetime.timedelta(hours=3, minutes=30)  # POSIX notation: east of Greenwich


def setUpModule():
    global WORLD
    WORLD = World()


def tearDownModule():
    WORLD.close()


class World:
    """alice, bob and carol, with requests that succeeded, one that failed, and losses; all of it in the past."""

    def __init__(self):
        self.began = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        self.temporary = tempfile.TemporaryDirectory()
        self.directory = pathlib.Path(self.temporary.name)
        self.traced = Traced(TRACED, self.directory, ["--history", "64MiB"])
        self.nodes = line_of_nodes(QUIC_NODE, ["alice", "bob", "carol"], shm_dir=self.directory / "shm", drop=6)
        alice, _, carol = self.nodes
        digest = carol.ask("store-random 50000")[1]
        self.trace = alice.ask(f"get {digest}")[-1]
        assert alice.ask("get " + "00" * 32)[0] == "not-found"
        for node in self.nodes:
            node.hold()
        self.traced.settle()
        entries = self.traced.ask("nodes")["nodes"]
        assert all(entry["lost"] == 0 for entry in entries)
        count = str(sum(entry["indexed"] for entry in entries))
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(("P2PTRACE_", "XDG_"))}
        self.environment |= {"P2PTRACE_SOCKET": str(self.traced.socket_path), "P2PTRACE_SHM_DIR": str(self.directory / "shm"), "TZ": ZONE}
        for name in RECORDINGS:
            subprocess.run([INSPECTOR, "record", "-o", name, "--since", "0", "--count", count], env=self.environment, cwd=self.directory, check=True,
                           stdout=subprocess.DEVNULL)

    def close(self):
        for node in self.nodes:
            node.process.send_signal(signal.SIGCONT)
            node.end(signal.SIGKILL)
        self.traced.end()
        self.temporary.cleanup()


def run(*words, **environment):
    """(exit code, output, errors)"""
    (WORLD.directory / MADE).unlink(missing_ok=True)
    done = subprocess.run([INSPECTOR, *words], env=WORLD.environment | environment, cwd=WORLD.directory, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE_S, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def commands():
    """Maps each command to the words of its arguments in help."""
    text = subprocess.run([INSPECTOR, "help"], stdout=subprocess.PIPE, text=True, check=True).stdout.split("\noptions of")[0]
    found = dict(re.findall(r"^  ([a-z]\S*)((?: [A-Z\[]\S*)*)", text, re.MULTILINE))
    del found["help"]
    assert len(found) > 10
    return found


def least_words(args):
    """A word for each mandatory argument."""
    return re.sub(r"\[.*?\]", "", args).split()


def asking():
    """The commands that need a traced."""
    return sorted(set(commands()) - FOR_TERMINALS - OF_FLEETS - WITHOUT_TRACED)


def example_words(line):
    """The inspector's arguments of an example, adapted to existing things."""
    pid = str(WORLD.nodes[0].process.pid)
    words = [pid if word == "4242" else word for word in shlex.split(re.sub(r"\$\(.*?\)", pid, line))]
    assert words[0] == "inspector", line
    end = next((i for i, word in enumerate(words) if word in SHELL_WORDS), len(words))
    words = [re.sub(r"^(?=.*\d)[0-9a-f]{8,32}$", WORLD.trace, word) for word in words[1:end]]
    words = [MADE if before == "-o" and word.endswith(".p2rec") else word for before, word in zip([""] + words, words)]
    more = ENDS_BY.get(words[0], [])
    return words + (["--recent", "2"] if "-n" in more and not {"--recent", "--since"} & set(words) else []) + more


def examples(names=None):
    """(command, words) of each example of each command, or of these."""
    for name in names or sorted(set(commands()) - FOR_TERMINALS - OF_FLEETS):
        told = subprocess.run([INSPECTOR, "help", name], stdout=subprocess.PIPE, text=True, check=True).stdout
        found = re.findall(r"^  (inspector .*)", told.partition("\nexamples:\n")[2], re.MULTILINE)
        assert found, f"{name} has no example"
        for line in found:
            yield name, example_words(line)


class EveryExample(unittest.TestCase):
    def succeeds(self, *words, **environment):
        code, out, err = run(*words, **environment)
        self.assertIn(code, (0, 1) if words[0] in FINDS_FAULTS else (0,), err)
        return out

    def test_each_example_works(self):
        for _, words in examples():
            with self.subTest(words=words):
                self.succeeds(*words)

    def test_with_json_every_line_is_an_object(self):
        for name, words in examples():
            if "--format" in words:
                continue  # the example asks for another format
            with self.subTest(words=words):
                out = self.succeeds(*words, "--json")
                for line in [out] if name in DOCUMENTS and out else out.splitlines():
                    self.assertIsInstance(json.loads(line), dict, line)
                self.assertTrue(out.isascii())

    @staticmethod
    def shape(line):
        """A line without its numbers: how long ago something was, and what traced says of itself, differ each time."""
        line = re.sub(r"(\d\d:\d\d:\d\d\.\d{6}) +[\d.]+(?: [a-z]+|[mhd]\d\d[smh])", r"\1", line)
        return " ".join(re.sub(r"[\d.]*\d(e-?\d+)?", "0", line).split())

    def test_without_headers_there_are_neither_titles_nor_closing_notes(self):
        for _, words in examples():
            with self.subTest(words=words):
                whole = self.succeeds(*words, "--color", "never").splitlines()
                bare = self.succeeds(*words, "--color", "never", "--no-header").splitlines()
                for line in [] if words[0] in FINDS_FAULTS else bare:  # whose lines look like titles
                    self.assertNotRegex(line, r"^ *[a-z]+( ?[a-z]+)*(  +[a-z]+( [a-z]+)*){2,}$", "column titles")
                    self.assertNotRegex(line, r" --[a-z-]+ [A-Z]+\b", "a note on what could be asked")
                # The omitted lines were not data: no id, no time.  The events of the last seconds become fewer by themselves.
                if any(re.fullmatch(r"-\d+[a-z]+", word) for word in words):
                    continue
                kept = collections.Counter(map(self.shape, bare))
                for line in whole:
                    kept[self.shape(line)] -= 1
                    if kept[self.shape(line)] < 0 and not line.startswith("no "):
                        self.assertNotRegex(line, r"\b(?=[a-f]*\d)[0-9a-f]{8}\b|\d\d:\d\d:\d\d")

    def test_times_are_local_and_with_utc_they_are_not(self):
        shown = set()
        for name, words in examples():
            with self.subTest(words=words):
                for offset, more in ((ZONE_OFFSET, []), (datetime.timedelta(), ["--utc"])):
                    out = re.sub(r"(?m)^no event matches .*", "", self.succeeds(*words, *more))  # which quotes the options
                    if name in DOCUMENTS:
                        continue
                    first = WORLD.began + offset
                    last = datetime.datetime.now(datetime.timezone.utc) + offset
                    data = "".join(line + "\n" for line in out.splitlines() if not line.startswith("no "))  # which repeats the options
                    for time in TIME.findall(data):
                        moment = datetime.datetime.combine(first.date(), datetime.time.fromisoformat(time), first.tzinfo)
                        if moment < first:
                            moment += datetime.timedelta(days=1)
                        self.assertTrue(first <= moment <= last, f"{time} with {more}")
                        shown.add((name, bool(more)))
        for name in ("nodes", "peers", "traces", "recent", "stats"):
            self.assertTrue({(name, False), (name, True)} <= shown, name)

    def test_colours_appear_only_on_demand(self):
        for name, words in examples():
            with self.subTest(words=words):
                self.assertFalse("\x1b" in self.succeeds(*words))
                self.assertFalse("\x1b" in self.succeeds(*words, "--color=always", *([] if "--format" in words else ["--json"])))
                if name in ("nodes", "trace") and "--json" not in words:
                    self.assertTrue("\x1b" in self.succeeds(*words, "--color=always", NO_COLOR="1"))

    def test_the_socket_is_the_one_that_is_given(self):
        for _, words in examples():
            socket = ("--socket", str(WORLD.traced.socket_path))
            with self.subTest(words=words):
                if {"-r", "--read"} & set(words):  # nobody is asked there
                    code, _, err = run(*words, *socket)
                    self.assertEqual((code, err), (2, "inspector: --socket is for traced: it has no effect with --read\n"))
                else:
                    self.succeeds(*words, *socket, P2PTRACE_SOCKET="/proc/nonexistent/socket")

    def test_without_a_reader_it_ends_silently(self):
        for name, words in examples():
            with self.subTest(words=words):
                (WORLD.directory / MADE).unlink(missing_ok=True)
                reader, writer = os.pipe()
                os.close(reader)
                done = subprocess.run([INSPECTOR, *words], stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.PIPE, check=False,
                                      env=WORLD.environment, cwd=WORLD.directory, text=True, timeout=PATIENCE_S)
                os.close(writer)
                fails = name == "export" or words[0] in FINDS_FAULTS  # what is exported is not complete
                self.assertIn(done.returncode, (0, 1) if fails else (0,), done.stderr)
                self.assertNotRegex(done.stderr, "write|[Pp]ipe")


class ExitCodes(unittest.TestCase):
    def fails(self, code, *words, said="", **environment):
        got, out, err = run(*words, **environment)
        self.assertEqual((got, out), (code, ""), words)
        self.assertRegex(err, r"\Ainspector: [^\n]+\n\Z")
        self.assertIn(said, err)

    def test_without_traced_the_exit_code_is_3_with_a_remedy(self):
        for _, words in examples(asking()):
            if {"-r", "--read"} & set(words):
                continue
            with self.subTest(words=words):
                self.fails(3, *words, said="start traced", P2PTRACE_SOCKET="/proc/nonexistent/socket")

    def test_wrong_usage_is_2_and_says_where_to_look(self):
        for name, args in commands().items():
            with self.subTest(command=name):
                least = least_words(args)
                if "..." not in args:
                    self.fails(2, name, *["x"] * (len(args.split()) + 1), said=f"inspector help {name}")
                self.fails(2, name, *least, "--no-such-option", said="see inspector help")
                self.fails(2, name, *least, "--color", "green", said="auto, always or never")
                if least:
                    self.fails(2, name, said=f"inspector help {name}")

    def test_a_terminal_view_names_alternatives_and_exits_with_2(self):
        for _, words in examples(FOR_TERMINALS):
            with self.subTest(words=words):
                self.fails(2, *words, said="--json")
                self.fails(2, *words, "--json", said="--json")

    def test_an_option_of_other_commands_is_2(self):
        options = {name: set(re.findall(r"^  (--[a-z-]+)(?: ([A-Z]\S*))?", run("help", name)[1], re.MULTILINE)) for name in commands()}
        everything = set().union(*options.values())
        for name, own in options.items():
            option, value = sorted(everything - own)[0]
            self.fails(2, name, *least_words(commands()[name]), option, *(["1"] if value else []), said=f"inspector {name} takes no {option}")

    def test_not_found_and_refused_are_1(self):
        for words, said in ((["trace", "77" * 16], "77"), (["export", "77" * 16], "77"), (["peer", "nobody"], "nobody"),
                            (["recent", "--node", "nobody"], "nobody"),
                            (["control", "--node", "nobody"], "nobody")):
            with self.subTest(words=words):
                self.fails(1, *words, said=said)

    def test_a_value_that_is_wrong_in_itself_is_2_also_if_traced_finds_it(self):
        for words, said in ((["recent", "--since", "nonsense"], "time"), (["follow", "--since", "nonsense"], "time"),
                            (["analyze", "--until", "2026-02-30"], "no such day"), (["range", "2026-02-30", "now"], "no such day"),
                            (["recent", "--kind", "nonsense"], "nonsense"), (["control", "--kind", "nonsense"], "nonsense"),
                            (["traces", "--app", "TOOLONG"], "app"), (["trace", "xyz"], "hex"), (["export", "xyz"], "hex"),
                            (["diff", "xyz", "5a"], "hex"), (["recent", "--node", ""], "node"), (["rpc", "query", '{"limit": "x"}'], "limit"),
                            (["rpc", "frobnicate"], "there are hello")):
            with self.subTest(words=words):
                self.fails(2, *words, said=said)

    def test_an_expired_cursor_is_not_a_usage_error(self):
        self.fails(1, "rpc", "query", '{"cursor": "x"}', said="cursor")

    def test_help_says_the_codes_and_so_does_the_page(self):
        told = re.findall(r"^  (\d) +(\S.*)$", run("help")[1], re.MULTILINE)
        self.assertEqual([code for code, _ in told], ["0", "1", "2", "3", "4", "5"])


class Document(unittest.TestCase):
    """docs/scripting.md."""

    def block(self, language):
        text = (ROOT / "docs/scripting.md").read_text(encoding="utf-8")
        return re.search(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL).group(1)

    def start(self, *command):
        (WORLD.directory / "bin").mkdir(exist_ok=True)
        program = WORLD.directory / "bin/inspector"
        if not program.exists():
            program.symlink_to(INSPECTOR)
        environment = WORLD.environment | {"PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "examples"),
                                           "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    @unittest.skipUnless(shutil.which("jq"), "no jq")
    def test_its_shell_lines_say_something(self):
        lines = self.block("sh").splitlines()
        self.assertGreater(len(lines), 3)
        for line in lines[:-1]:  # the last prints something only if something is wrong
            out, err = self.start("sh", "-c", line).communicate(timeout=PATIENCE_S)
            self.assertTrue(out and not err, f"{line}: {err}")

    def test_its_python_gets_as_far_as_the_events_that_are_to_come(self):
        lines = self.block("python").replace('"5a"', '"77777777"').replace(" > 100ms", " > 0ns").replace("subscribe(", "subscribe(recent=1, ")
        process = self.start(sys.executable, "-u", "-c", lines)
        told = [process.stdout.readline() for _ in range(3)]
        process.kill()
        _, err = process.communicate(timeout=PATIENCE_S)
        self.assertRegex("".join(told), r"\A\d+ events; 0 are missing\n-32001 .*\n\{'rtt", err)


class Interrupted(unittest.TestCase):
    """Ctrl-C ends everything at once, by the signal itself, so a shell's loop ends, too."""

    def setUp(self):
        self.directory = self.enterContext(tempfile.TemporaryDirectory())
        self.path = os.path.join(self.directory, "traced.sock")
        self.environment = WORLD.environment | {"P2PTRACE_SOCKET": self.path}

    def start(self, *words, **more):
        return subprocess.Popen([INSPECTOR, *words], env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, cwd=self.directory, **more)

    def interrupt(self, process):
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_S)
        self.assertEqual((process.returncode, err), (-signal.SIGINT, b""))
        return out

    def test_while_an_answer_is_waited_for(self):
        with socket.socket(socket.AF_UNIX) as silent:
            silent.bind(self.path)
            silent.listen()
            silent.settimeout(PATIENCE_S)
            for _, words in examples(asking()):
                if {"-r", "--read"} & set(words):
                    continue
                with self.subTest(words=words):
                    process = self.start(*words)
                    client, _ = silent.accept()
                    with client:
                        client.settimeout(PATIENCE_S)
                        self.assertTrue(client.recv(1))
                        self.assertEqual(self.interrupt(process), b"")

    def test_while_traced_is_waited_for(self):
        for words in (["nodes"], ["follow"], ["export", "77", "-o", "file"]):
            process = self.start(*words, "--wait")
            wait_for(lambda process=process: sleeping_in(process.pid) == "poll", "the wait")
            self.interrupt(process)
        self.assertEqual(os.listdir(self.directory), [])

    def test_while_a_slow_reader_is_waited_for_and_no_line_is_left_in_part(self):
        self.environment["P2PTRACE_SOCKET"] = str(WORLD.traced.socket_path)
        for words in (["recent", "10000"], ["recent", "10000", "--json"], ["follow", "--recent", "10000", "--json"],
                      ["trace", WORLD.trace, "--all"]):
            process = self.start(*words, pipesize=4096)
            wait_for(lambda process=process: sleeping_in(process.pid) == "write", "the pipe to be full")
            out = self.interrupt(process)
            self.assertTrue(out.endswith(b"\n"), out[-80:])
            if "--json" in words:
                self.assertTrue([json.loads(line) for line in out.splitlines()])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
