#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`inspector sql` in a terminal: what the user types and sees.  A pseudo-terminal, a real traced, the real inspector."""
import contextlib
import os
import pty
import re
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import termios
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import DEADLINE_S, ProtocolTest, hex_id, until  # noqa: E402

ALICE = hex_id(0xAA)
PROMPT, MORE = "p2ptrace> ", "     ...> "
ENDLESS = "with recursive r(x) as (select 1 union all select x + 1 from r) select count(*) from r;\r"


class Shell:
    """The inspector in its own terminal."""

    def __init__(self, place, *words, **environment):
        environment = dict(place.environment, TERM="xterm", NO_COLOR="1", **environment)
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(os.environ["INSPECTOR"], ["inspector", "sql", *words], environment)
        self.seen, self.status = "", None
        self.settings = termios.tcgetattr(self.fd)

    def read(self, seconds):
        """Whether anything arrived."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # nobody has the other end any longer
            data = b""
        self.seen += data.decode()
        return bool(data)

    def expect(self, text):
        """Waits until the text has arrived; returns and discards everything up to its end."""
        end = time.monotonic() + DEADLINE_S
        while text not in self.seen:
            if not self.read(0.1) and time.monotonic() > end:
                raise AssertionError("waited too long for %r: %r" % (text, self.seen))
        at = self.seen.index(text) + len(text)
        before, self.seen = self.seen[:at], self.seen[at:]
        return before

    def send(self, text):
        os.write(self.fd, text.encode())

    def ask(self, line):
        """Types a line; returns the output up to the next prompt, without the echo."""
        self.send(line + "\r")
        self.expect("\r\n")
        return self.prompted()

    def begin(self, line):
        """Types a line that does not end the statement."""
        self.send(line + "\r")
        self.expect("\r\n")
        self.prompted(MORE)

    def prompted(self, prompt=PROMPT):
        """Waits for the prompt, and until keys are read one by one; returns the output before it."""
        before = self.expect(prompt)[:-len(prompt)]
        until(lambda: not self.makes_signals(), "the line editor")
        return before

    def makes_signals(self):
        """Waits until Ctrl-C is a signal: a statement runs, or is about to."""
        return termios.tcgetattr(self.fd)[3] & termios.ISIG

    @contextlib.contextmanager
    def standing_still(self):
        """Output to the terminal is held meanwhile, as after Ctrl-S."""
        terminal = os.open("/proc/%d/fd/0" % self.pid, os.O_RDWR | os.O_NOCTTY)
        try:
            termios.tcflow(terminal, termios.TCOOFF)
            yield
            termios.tcflow(terminal, termios.TCOON)
        finally:
            os.close(terminal)

    def end(self):
        """Waits for its end; returns its exit code."""
        deadline = time.monotonic() + DEADLINE_S
        while self.read(0.1) or not self.status:
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
            pid, status = os.waitpid(self.pid, os.WNOHANG) if self.status is None else (0, 0)
            if pid:
                self.status = (os.waitstatus_to_exitcode(status),)
        os.close(self.fd)
        return self.status[0]


class SqlShell(ProtocolTest):
    def setUp(self):
        super().setUp()
        self.client = self.start()
        self.alice = self.place.node("alice", ALICE)
        self.alice.do("packets", 10)
        self.place.settle(self.client, 10)
        self.state = os.path.join(self.place.directory, "state")

    def shell(self, *words, **environment):
        shell = Shell(self.place, *words, **{"XDG_STATE_HOME": self.state} | environment)
        self.addCleanup(self.leave, shell)
        shell.prompted()
        return shell

    def leave(self, shell):
        if shell.status is None:
            os.kill(shell.pid, signal.SIGKILL)
            shell.end()

    def test_a_statement_may_go_over_several_lines(self):
        shell = self.shell()
        shell.begin("select count(*) +")
        shell.begin("0 as ';' -- of everything;")
        self.assertEqual(shell.ask("from events;"), " ;\r\n10\r\n")

    def test_it_continues_after_an_error(self):
        shell = self.shell()
        self.assertEqual(shell.ask("select missing;"), "inspector: no such column: missing\r\n  select missing;\r\n         ^\r\n")
        self.assertEqual(shell.ask("select 7;"), "7\r\n7\r\n")

    def test_control_d_leaves(self):
        shell = self.shell()
        shell.send("\x04")
        self.assertEqual(shell.end(), 0)
        shell = self.shell()
        shell.begin("select 1")
        shell.send("\x04")
        self.assertEqual(shell.end(), 0)

    def test_quit_leaves_and_the_terminal_is_as_it_was(self):
        shell = self.shell()
        self.assertFalse(shell.makes_signals())
        shell.send(".quit\r")
        shell.expect("\r\n\r\n")
        self.assertEqual(termios.tcgetattr(shell.fd), shell.settings)
        self.assertEqual(shell.end(), 0)

    def test_keys_are_read_one_by_one_before_a_prompt_is_seen(self):
        """Ctrl-D right after a prompt leaves.  While output is held, the test decides how long the prompt is on its way."""
        shell = self.shell()
        self.place.hold()
        shell.send(".explain off\r")  # asks traced for the applications, and writes nothing
        until(shell.makes_signals, "the statement to run")
        with shell.standing_still():
            self.place.traced.send_signal(signal.SIGCONT)
            until(lambda: not shell.makes_signals(), "the line editor, while no prompt can be seen")
            shell.send("\x04")
        self.assertEqual(shell.end(), 0)
        self.assertIn(PROMPT, shell.seen)

    def test_control_d_that_is_typed_while_a_statement_runs_leaves_after_it(self):
        for ahead, last in (("\x04", "10\r\n"), ("select 'one more';\r\x04", "one more\r\n")):
            shell = self.shell()
            self.place.hold()
            shell.send("select count(*) from events;\r")
            until(shell.makes_signals, "the statement to run")
            shell.send(ahead)
            self.place.traced.send_signal(signal.SIGCONT)
            self.assertEqual(shell.end(), 0)
            self.assertIn(last + PROMPT, shell.seen)

    def test_control_space_is_not_control_d(self):
        shell = self.shell()
        shell.send("\0select 9;\r")
        shell.expect("\r\n9\r\n9\r\n" + PROMPT)

    def test_control_c_drops_the_line_and_the_statement(self):
        shell = self.shell()
        shell.begin("select missing,")
        shell.send("more\x03")
        shell.expect("^C\r\n")
        shell.prompted()
        self.assertEqual(shell.ask("select 8;"), "8\r\n8\r\n")

    def test_control_c_stops_only_the_running_statement(self):
        shell = self.shell()
        shell.send(ENDLESS)
        until(shell.makes_signals, "the statement to run")
        shell.send("\x03")
        self.assertIn("inspector: interrupted\r\n", shell.prompted())
        self.assertEqual(shell.ask("select count(*) from events;"), "count(*)\r\n      10\r\n")

    def test_control_c_stops_a_statement_that_waits_for_traced(self):
        shell = self.shell()
        self.place.hold()
        shell.send("select count(*) from events;\r")
        until(shell.makes_signals, "the statement to run")
        shell.send("\x03")
        self.assertRegex(shell.prompted(), r"inspector: interrupted\r\n$")  # and not that traced did not answer
        self.place.traced.send_signal(signal.SIGCONT)
        self.assertEqual(shell.ask("select count(*) from events;"), "count(*)\r\n      10\r\n")

    def test_it_connects_again_when_traced_comes_back(self):
        shell = self.shell()
        for connection in self.place.connections:
            connection.close()
        self.place.connections.clear()
        self.place.stop()
        self.assertRegex(shell.ask("select 1;"), r"^inspector: traced at \S+ went away\r\n$")
        self.assertRegex(shell.ask("select 1;"), r"^inspector: cannot connect to .*\r\n$")
        self.start()
        self.assertEqual(shell.ask("select 1;"), "1\r\n1\r\n")

    def test_tab_completes_tables_columns_functions_keywords_and_the_shells_own_words(self):
        for typed, completed in (("select * from tra", "traces "), ("select truncat", "truncated "), ("select json_array_l", "json_array_length "),
                                 ("select * from nodes inters", "intersect "), ("SELECT * FROM nodes INTERS", "INTERSECT "), (".ex", ".explain "),
                                 ("select app_c", "app_command")):
            shell = self.shell()
            shell.send(typed + "\t")
            word = re.search(r"\.?\w+$", typed).group()
            screen = shell.expect(completed[len(word):] if completed[len(word):].strip() else " ")
            self.assertTrue(screen, typed)
            self.leave(shell)

    def test_tab_lists_what_a_word_could_become(self):
        shell = self.shell()
        shell.send("select tr\t")
        listed = shell.expect(PROMPT)
        for name in ("trace_id", "traces", "trim", "truncated", "transaction"):
            self.assertIn(name, listed)

    def test_keywords_are_the_same_in_turkish_whose_small_i_is_another_letter(self):
        locales = self.enterContext(tempfile.TemporaryDirectory())
        if shutil.which("localedef"):
            subprocess.run(["localedef", "-i", "tr_TR", "-f", "UTF-8", locales + "/tr_TR.UTF-8"], capture_output=True, check=False)
        if not os.listdir(locales):
            self.skipTest("no localedef, or no source of tr_TR")
        shell = self.shell(LC_ALL="tr_TR.UTF-8", LOCPATH=locales)
        shell.send("select tr\t")
        self.assertIn("transaction", shell.expect(PROMPT))

    def test_a_name_that_would_have_to_be_quoted_is_not_completed(self):
        self.alice.do("app", "evil", 1, "x", "spy\x1b[2J", 1, 2)
        until(lambda: self.client.call("apps")["apps"], "the registration")
        shell = self.shell()
        shell.send("select spy\t")
        shell.expect("\x07")
        shell.send(" as typed;\r")
        self.assertIn("no such column: spy", shell.expect(PROMPT))

    def test_its_words_show_tables_and_columns_and_how_statements_are_answered(self):
        shell = self.shell()
        self.assertIn("\r\nevents\r\n", shell.ask(".tables"))
        schema = shell.ask(".schema events")
        self.assertRegex(schema, r"\r\ntrace_id +TEXT +yes\r\n")
        self.assertRegex(schema, r"\r\nrtt +INTEGER +by name\r\n")
        self.assertEqual(shell.ask(".explain on"), "")
        self.assertIn("index kind; ", shell.ask("select count(*) from events where kind = 'metrics';"))
        self.assertEqual(shell.ask(".explain"), ".explain on|off; it is on\r\n")
        shell.ask(".explain off")
        self.assertEqual(shell.ask("select 1;"), "1\r\n1\r\n")
        self.assertIn(".schema TABLE", shell.ask(".nonsense"))

    def test_an_application_that_registers_later_gets_its_table(self):
        shell = self.shell()
        self.assertIn("no such table: DMAP", shell.ask("select count(*) from DMAP;"))
        self.alice.do("app")
        self.alice.do("start", "11" * 16, "1", 0, 2)
        self.place.settle(self.client, 11)
        self.assertEqual(shell.ask("select kind, command from DMAP;"), "kind       command\r\napp_start  GET_CHUNK\r\n")

    def test_lines_are_remembered_only_for_their_owner(self):
        shell = self.shell()
        shell.ask("select 'remembered';")
        shell.send("\x04")
        self.assertEqual(shell.end(), 0)
        file = os.path.join(self.state, "p2ptrace", "sql_history")
        self.assertEqual(stat.S_IMODE(os.stat(file).st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.stat(os.path.dirname(file)).st_mode), 0o700)
        shell = self.shell()
        shell.send("\x1b[A")
        shell.expect("select 'remembered';")
        shell.send("\r")
        self.assertIn("remembered\r\n", shell.expect(PROMPT))

    def test_without_a_place_for_them_lines_are_remembered_until_the_end(self):
        for environment in ({"XDG_STATE_HOME": "/dev/null/x"}, {"XDG_STATE_HOME": "relative", "HOME": ""}):
            shell = self.shell(**environment)
            shell.ask("select 'soon gone';")
            shell.send("\x1b[A\r")
            self.assertIn("soon gone\r\n", shell.expect(PROMPT))
            shell.send("\x04")
            self.assertEqual(shell.end(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
