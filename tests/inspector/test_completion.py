#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What TAB offers: asked of the inspector, and typed into bash and zsh in a terminal.

    test_completion.py INSPECTOR DIRECTORY      the directory of the shells' scripts"""
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from fake_traced import FakeTraced

INSPECTOR, SCRIPTS = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
DEADLINE_S = 60
ALICE, BOB, ODD = "a1" * 32, "b2" * 32, "0dd0" * 16
TRACES = ["5a356ada19cc" + "0" * 20, "5a357ada19cc" + "0" * 20, "77" * 16]
ANSWERS = {
    "nodes": {"nodes": [{"node_id": ALICE, "name": "alice", "state": "live", "pid": 4242}, {"node_id": BOB, "name": "bob", "state": "exited", "pid": 43},
                        {"node_id": ODD, "name": "$(touch x); \x1b[2J", "state": "live", "pid": 77}]},
    "peers": {"peers": [{"peer_id": BOB, "name": "bob", "aliases": [{"address": address} for address in ("192.0.2.7:4001", "[2001:db8::7]:4001")]},
                        {"peer_id": ODD, "name": None}]},
    "traces": {"traces": [{"trace_id": TRACES[2], "app_id": None, "app": None, "command": None, "outcome": "none", "duration": 1},
                          {"trace_id": TRACES[0], "app_id": "DMAP", "app": "DataMap", "command": "GET", "outcome": "failed", "duration": 53400000},
                          {"trace_id": TRACES[1], "app_id": "DMAP", "app": "DataMap", "command": "GET", "outcome": "ok", "duration": 1}]},
    "apps": {"apps": [{"app_id": "DMAP", "name": "DataMap"}, {"app_id": "a b", "name": "not to be typed"}]},
    "hello": {"methods": ["hello", "query"]},
}

# The program that the shells run.  A completion gives up on traced after 300 ms and then offers nothing.  The speed of the
# machine must not matter: it asks again while there is a traced.
PROGRAM = """#!/bin/sh
if [ "$1" = complete ]; then
    while offered=$({inspector} "$@") && [ -z "$offered" ] && [ -S {socket} ]; do :; done
    [ -z "$offered" ] || printf '%s\\n' "$offered"
else
    printf "<%s>" "$@"; echo .
fi
"""


class Completion(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.path = str(self.directory / "traced.sock")
        self.environment = {"PATH": f"{self.directory}/bin:{os.environ['PATH']}", "HOME": str(self.directory), "LC_ALL": "C.UTF-8",
                            "TERM": "xterm", "P2PTRACE_SOCKET": self.path}
        # A run prints its words; a completion asks the real program.
        (self.directory / "bin").mkdir()
        program = self.directory / "bin/inspector"
        program.write_text(PROGRAM.format(inspector=INSPECTOR, socket=self.path), encoding="utf-8")
        program.chmod(0o755)

    def traced(self):
        return FakeTraced(self.path, ANSWERS)

    def lines(self, *words):
        done = subprocess.run([INSPECTOR, "complete", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=True,
                              env=self.environment, timeout=DEADLINE_S)
        self.assertEqual(done.stderr, "")
        return done.stdout.splitlines()

    def offered(self, *words):
        return [line.split("\t")[0] for line in self.lines(*words)]

    def told(self, *words):
        """The lines offered with a traced: asks again if traced was too slow for a completion."""
        end = time.monotonic() + DEADLINE_S
        while not (lines := self.lines(*words)) and time.monotonic() < end:
            pass
        return lines

    def offered_by_traced(self, *words):
        return [line.split("\t")[0] for line in self.told(*words)]


class Candidates(Completion):
    def help(self, *words):
        return subprocess.run([INSPECTOR, "help", *words], stdout=subprocess.PIPE, text=True, check=True).stdout

    def test_every_command_is_offered_with_its_purpose(self):
        told = re.findall(r"^  ([a-z]\S*)(?: [A-Z\[]\S*)*\s+(\S.*)", self.help().split("options of")[0], re.MULTILINE)
        self.assertGreater(len(told), 10)
        lines = dict(line.split("\t") for line in self.lines(""))
        self.assertEqual(list(lines), [name for name, _ in told])
        for name, summary in told[:-1]:
            self.assertTrue(summary.startswith(lines[name].removesuffix("…")), name)
        topics = re.findall(r"^  ([a-z-]+) ", self.help().split("topics of")[1], re.MULTILINE)
        self.assertGreater(len(topics), 5)
        self.assertEqual(self.offered("help", ""), list(lines) + topics)
        self.assertEqual(self.offered("trac"), ["traces", "trace"])
        self.assertEqual(self.offered("help", "nodes", ""), [])

    def test_options_and_words_that_mean_something_else_for_a_command(self):
        self.assertEqual(self.offered("fleet", ""), ["init", "status", "migrate"])
        self.assertEqual(self.offered("fleet", "init", "--cl"), ["--cluster"])
        self.assertEqual(self.offered("ship", "--to", "n"), [])  # a URL; elsewhere a time
        self.assertIn("now", self.offered("recent", "--to", "n"))
        self.assertIn("the directory of traced --record", dict(line.split("\t") for line in self.lines("ship", "--fr"))["--from"])

    def test_the_options_of_each_command_are_offered_and_no_others(self):
        for command in [name for name in self.offered("") if name != "help"]:
            told = re.findall(r"^  (--[a-z-]+)", self.help(command), re.MULTILINE)
            self.assertEqual(sorted(self.offered(command, "--")), sorted(told), command)

    def test_options_are_offered_before_the_command(self):
        told = re.findall(r"^  (--[a-z-]+)", self.help().split("options of every command")[1], re.MULTILINE)
        self.assertEqual(self.offered("--"), told)
        self.assertEqual(self.offered("--rea"), ["--read"])
        self.assertEqual(self.offered("--utc", "--sin"), ["--since"])
        options = {option for name in self.offered("") if name != "help" for option in re.findall(r"^  (--[a-z-]+)", self.help(name), re.MULTILINE)}
        self.assertGreater(len(options), 50)
        self.assertEqual({option for option in options if option not in self.offered(option[:3])}, {"--from", "--to"})  # only ship calls them so

    def test_an_option_that_was_given_is_not_offered_again(self):
        self.assertEqual(self.offered("nodes", "--js"), ["--json"])
        self.assertEqual(self.offered("nodes", "--json", "--js"), [])
        self.assertEqual(self.offered("nodes", "--", "--js"), [])

    def test_values_that_can_be_listed_are_offered(self):
        self.assertEqual(self.offered("nodes", "--color", "a"), ["auto", "always"])
        self.assertEqual(self.offered("nodes", "--color=a"), ["--color=auto", "--color=always"])
        self.assertEqual(self.offered("nodes", "--color", "=", "a"), ["auto", "always"])
        self.assertEqual(self.offered("--color", "never", "nod"), ["nodes"])
        self.assertEqual(self.offered("export", "x", "--output", ""), [":files"])
        self.assertEqual(self.offered("export", "x", "-o", ""), [":files"])
        self.assertEqual(self.offered("nodes", "--limit", ""), [])
        self.assertEqual(self.offered("nodes", "--format", ""), ["table", "csv", "tsv", "json"])
        self.assertEqual(self.offered("export", "--format", "c"), ["csv", "chrome", "ctf"])
        self.assertEqual(self.offered("nodes", "--fields", "name,n"), ["name,node_id"])
        self.assertIn("packet_num", self.offered("recent", "--fields", "packet_n"))
        config = self.directory / "p2ptrace" / "config"
        config.parent.mkdir()
        config.write_text("[filters]\nslow = rtt > 1s\nslower = rtt > 2s\n", encoding="utf-8")
        self.environment["XDG_CONFIG_HOME"] = str(self.directory)
        self.assertEqual(self.lines("recent", "--where", "@"), ["@slow\trtt > 1s", "@slower\trtt > 2s"])
        self.assertEqual(self.offered("trigger", "@slowe"), ["@slower"])
        self.assertIn("-1m", self.offered("range", "-1"))
        self.assertEqual(self.offered("range", "-5s", "no"), ["now"])

    def test_kinds_are_offered_one_after_the_other(self):
        self.assertEqual(self.offered("follow", "--kind", "packet_l"), ["packet_lost"])
        after = self.offered("follow", "--kind", "packet_lost,app_start,")
        self.assertIn("packet_lost,app_start,app_end", after)
        self.assertFalse([kind for kind in after if kind.split(",")[2] in ("packet_lost", "app_start")])
        self.assertEqual(self.offered("control", "--kinds=app_e"), ["--kinds=app_end"])

    def test_live_names_come_from_traced(self):
        with self.traced() as traced:
            self.assertEqual(self.told("recent", "--node", ""), ["alice\tlive", "bob\texited", "0dd00dd0\t$(touch x); \\x1b[2J, live"])
            self.assertEqual(self.offered_by_traced("recent", "--node", "a1"), ["a1a1a1a1"])
            self.assertEqual(self.offered_by_traced("recent", "--node", "a1a1a1a1a1"), [ALICE])
            self.assertEqual(self.offered_by_traced("peer", ""), ["bob", "192.0.2.7:4001", "[2001:db8::7]:4001", "0dd00dd0"])
            self.assertEqual(self.told("trace", ""), ["5a356ada\tDataMap GET failed, 53.4 ms", "5a357ada\tDataMap GET ok, 1 ns",
                                                       "77777777\tnone, 1 ns"])
            self.assertEqual(self.offered_by_traced("export", "5a357"), ["5a357ada"])
            self.assertEqual(self.offered_by_traced("traces", "--app", ""), ["DMAP"])
            self.assertEqual(self.offered_by_traced("rpc", ""), ["hello", "query"])
            self.assertEqual(self.offered("rpc", "query", ""), [])
            self.assertEqual(self.told("attach", ""), ["4242\talice", "77\t$(touch x); \\x1b[2J"])
            self.assertEqual(self.offered("analyze", ""), ["trace", "node", "peer"])
            self.assertEqual(self.offered_by_traced("analyze", "node", "al"), ["alice"])
            self.assertEqual(self.offered_by_traced("analyze", "trace", "77"), ["77777777"])
            self.assertEqual(self.offered("analyze", "bogus", ""), [])
            limits = [request["params"]["limit"] for request in traced.requests if request["method"] == "traces"]
            self.assertGreater(max(limits), limits[0])  # more, when the id's first digits are known

    def test_the_socket_that_was_typed_is_asked(self):
        self.environment["P2PTRACE_SOCKET"] = "/proc/nonexistent/socket"
        with self.traced():
            self.assertEqual(self.offered("trace", ""), [])
            self.assertEqual(self.offered_by_traced("trace", "--socket", self.path, "77"), ["77777777"])
            self.assertEqual(self.offered_by_traced("trace", "--socket", "=", self.path, "77"), ["77777777"])
            self.assertEqual(self.offered_by_traced("trace", f"--socket={self.path}", "77"), ["77777777"])

    def test_without_an_answering_traced_no_names_are_offered(self):
        self.assertEqual(self.offered("trace", ""), [])
        self.environment["P2PTRACE_SOCKET"] = "x" * 300
        self.assertEqual(self.offered("trace", ""), [])
        self.environment["P2PTRACE_SOCKET"] = self.path
        silent = socket.socket(socket.AF_UNIX)
        self.addCleanup(silent.close)
        silent.bind(self.path)
        silent.listen()
        for words in (["trace", ""], ["recent", "--node", ""], ["peer", "b"], ["traces", "--app", ""], ["rpc", ""]):
            self.assertEqual(self.offered(*words), [])


class Terminal:
    """A shell at a terminal.  Types, and reads what it shows."""

    def __init__(self, command, environment, setup):
        self.process, self.shown = None, ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], command, environment)
        self.type("".join(line + "\n" for line in setup) + "PS1='ready'\"> \"\n")
        self.wait("ready> ")

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait(self, pattern):
        """Reads until the pattern is there; returns the match, and forgets what came up to its end."""
        end = time.monotonic() + DEADLINE_S
        while True:
            match = re.search(pattern, self.shown)
            if match:
                self.shown = self.shown[match.end():]
                return match
            if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError(f"waited for {pattern!r}; there was {self.shown!r}")
            self.shown += os.read(self.fd, 65536).decode(errors="replace")

    def ran(self, typed):
        """Types a command line, and returns the words that the program got."""
        self.type(typed + "\n")
        words = self.wait(r"((?:<[^<>\n]*>)+)\.\r?\n").group(1)
        self.wait("ready> ")
        return re.findall(r"<([^<>]*)>", words)

    def close(self):
        os.close(self.fd)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


class Shells(Completion):
    def check(self, terminal):
        with self.traced():
            self.assertEqual(terminal.ran("inspector nod\t--no-h\t"), ["nodes", "--no-header"])
            self.assertEqual(terminal.ran("inspector nodes --col\talw\t"), ["nodes", "--color", "always"])
            self.assertEqual(terminal.ran("inspector nodes --color=alw\t"), ["nodes", "--color=always"])
            self.assertEqual(terminal.ran("inspector trace 5a357\t"), ["trace", "5a357ada"])
            self.assertEqual(terminal.ran("inspector recent --node al\t--kind packet_lost,app_e\t"),
                             ["recent", "--node", "alice", "--kind", "packet_lost,app_end"])
            self.assertEqual(terminal.ran("inspector recent --node 0d\t"), ["recent", "--node", "0dd00dd0"])
            for typed in "192.0\t", "192.0.2.7:\t", "192.0.2.7:4\t":
                self.assertEqual(terminal.ran(f"inspector peer {typed}"), ["peer", "192.0.2.7:4001"])
            for typed in "\\[2001:\t", "\\[2001:db8::\t", "\\[2001:db8::7\\]:4\t":
                self.assertEqual(terminal.ran(f"inspector peer --socket {self.path} {typed}"),
                                 ["peer", "--socket", self.path, "[2001:db8::7]:4001"])
            (self.directory / "report-of-today.json").touch()
            self.assertEqual(terminal.ran("inspector export 77 -o report\t"), ["export", "77", "-o", "report-of-today.json"])
            self.assertEqual(terminal.ran(f"{self.directory}/bin/inspector tra\tx"), ["tracex"])
            terminal.type("inspector trace \t")
            for trace in TRACES:
                terminal.wait(trace[:8])
            terminal.type("\x15\n")  # ^U
            terminal.wait("ready> ")
        os.unlink(self.path)
        self.assertEqual(terminal.ran("inspector trace 5\tx"), ["trace", "5x"])
        self.assertFalse((self.directory / "x").exists())

    @unittest.skipUnless(shutil.which("bash"), "no bash")
    def test_bash_completes_words(self):
        inputrc = self.directory / "inputrc"
        inputrc.write_text("set enable-bracketed-paste off\nset bell-style none\nset show-all-if-ambiguous on\n", encoding="utf-8")
        terminal = Terminal(["bash", "--norc", "--noprofile", "-i"], self.environment | {"INPUTRC": str(inputrc)},
                            [f"cd {self.directory}", f". {SCRIPTS}/inspector.bash"])
        self.addCleanup(terminal.close)
        self.check(terminal)
        with self.traced():
            self.assertEqual(terminal.ran("inspector peer [2001:d\t"), ["peer", "[2001:db8::7]:4001"])

    @unittest.skipUnless(shutil.which("zsh"), "no zsh")
    def test_zsh_completes_words(self):
        terminal = Terminal(["zsh", "-f", "-i"], self.environment,
                            [f"cd {self.directory}", "unset zle_bracketed_paste", "setopt no_beep", f"fpath=({SCRIPTS} $fpath)",
                             "autoload -Uz compinit", "compinit -u -D"])
        self.addCleanup(terminal.close)
        self.check(terminal)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
