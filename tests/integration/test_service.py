# SPDX-License-Identifier: MIT
"""traced as a service: its log, its pidfile, how it is started and how it ends."""
import datetime
import fcntl
import os
import resource
import signal
import socket
import subprocess
import sys
import unittest

from harness import DEADLINE_S, ProtocolTest, hex_id, until

ALICE = hex_id(0xa1)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class ServiceTest(ProtocolTest):
    def path(self, name):
        return os.path.join(self.place.directory, name)

    def fails(self, *options, **popen):
        """The message of a traced that cannot start."""
        process = self.place.spawn("--history", "64M", *options, **popen)
        _, text = process.communicate(timeout=DEADLINE_S)
        self.assertEqual(process.returncode, 1, text)
        return text.decode()

    def start_quietly(self, *options, **popen):
        """A traced whose log is not on stderr: it serves when its socket does."""
        self.place.traced = self.place.spawn("--history", "64M", *options, **popen)
        until(lambda: self.place.traced.poll() is not None or os.path.exists(self.place.path), "the socket")
        self.assertIsNone(self.place.traced.poll())

        def connect():
            try:
                return self.place.connect()
            except ConnectionRefusedError:  # bound and not yet listening
                return None
        return until(connect, "traced to listen")


class Log(ServiceTest):
    def test_a_log_that_was_moved_away_is_reopened_on_sighup(self):
        log, old = self.path("log"), self.path("log.1")
        self.start_quietly("--log", log).call("hello")
        until(lambda: "listening on" in read(log), "the first lines")
        os.rename(log, old)
        self.place.traced.send_signal(signal.SIGHUP)
        until(lambda: os.path.exists(log) and "the log was reopened" in read(log), "the new log")
        self.assertNotIn("was reopened", read(old))
        self.assertEqual(os.stat(log).st_mode & 0o777, 0o600)
        code, rest = self.place.stop()
        self.assertEqual((code, rest), (0, ""))
        self.assertIn("stopped", read(log))

    def test_a_log_that_cannot_be_reopened_continues_where_it_was(self):
        directory = self.path("logs")
        os.mkdir(directory)
        client = self.start_quietly("--log", os.path.join(directory, "log"))
        client.call("hello")
        os.rename(directory, self.path("moved"))
        self.place.traced.send_signal(signal.SIGHUP)
        until(lambda: "cannot reopen the log" in read(self.path("moved/log")), "the complaint")
        client.call("hello")

    def test_without_a_log_file_sighup_ends_it_like_a_terminal_that_went_away(self):
        self.start(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))  # this may be running under nohup
        code, log = self.place.stop(signal.SIGHUP)
        self.assertEqual(code, 0)
        self.assertIn("stopping (SIGHUP)", log)

    def test_under_nohup_it_stays(self):
        client = self.start(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        self.place.traced.send_signal(signal.SIGHUP)
        client.call("hello")
        self.assertEqual(self.place.stop()[0], 0)

    def test_a_level_leaves_out_what_is_below_it(self):
        log = self.path("log")
        with open(self.path("p2ptrace.bad"), "wb") as bad:
            bad.write(b"no ring" * 1000)
        client = self.start_quietly("--log", log, "--log-level", "warn")
        until(lambda: client.call("stats")["ingest"]["nodes_rejected"], "the bad object to be seen")
        until(lambda: read(log), "a line")
        levels = {line.split()[1] for line in read(log).splitlines()}
        self.assertEqual(levels, {"warning"})
        self.assertIn("object p2ptrace.bad rejected", read(log))

    def test_a_log_continues_behind_what_it_has_line_by_line(self):
        log = self.path("log")
        with open(self.path("p2ptrace.two\nlines\x7f"), "wb") as bad:
            bad.write(b"no ring" * 1000)
        self.place.environment["TZ"] = "FAR-9"  # its times are in UTC everywhere
        for _ in range(2):
            client = self.start_quietly("--log", log)
            until(lambda: client.call("stats")["ingest"]["nodes_rejected"], "the bad object to be seen")
            self.assertEqual(self.place.stop()[0], 0)
        lines = read(log).splitlines()
        for line in lines:
            self.assertRegex(line, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z (info|warning) ")
        for text in ("listening on", "object p2ptrace.two?lines? rejected", "stopped"):
            self.assertEqual(len([line for line in lines if text in line]), 2, text)
        self.assertLess(abs(os.stat(log).st_mtime - datetime.datetime.fromisoformat(lines[-1].split()[0]).timestamp()), 3600)

    def test_a_line_that_is_too_long_is_cut_and_stays_one(self):
        text = self.fails("--read-only", "--shm-dir", "/" + "no\\ne/" * 400)
        self.assertEqual((len(text), text.count("\n"), text[-1]), (1024, 1, "\n"))

    def test_a_pipe_that_nobody_reads_stops_nobody_and_what_did_not_fit_is_counted(self):
        client = self.start()
        fcntl.fcntl(self.place.traced.stderr, fcntl.F_SETPIPE_SZ, 4096)
        for i in range(60):
            node = self.place.node("node%d" % i, hex_id(i + 1))
            node.do("packets", 1)
            node.close()
            self.place.settle(client, i + 1)  # only the logs of the last 32 wait for a slow traced
        until(lambda: all(node["state"] == "exited" for node in client.call("nodes")["nodes"]), "all to be seen to end")
        os.set_blocking(self.place.traced.stderr.fileno(), False)
        text = self.place.traced.stderr.read()  # makes room
        os.set_blocking(self.place.traced.stderr.fileno(), True)
        self.assertLess(text.count(b"\n"), 60)
        node = self.place.node("another", hex_id(0x77))
        line = self.place.traced.stderr.readline()
        self.assertRegex(line, rb"^\(\d+ lines were dropped here because nobody read the log\)\n$")
        self.assertIn(b"another", self.place.traced.stderr.readline())

    def test_an_error_at_the_start_is_reported_on_stderr_and_in_the_log(self):
        log = self.path("log")
        text = self.fails("--log", log, "--shm-dir", self.path("none"))
        self.assertIn("none", text)
        self.assertEqual(read(log), text)
        self.assertIn("--log", self.fails("--log", self.path("none/log")))


class Pidfile(ServiceTest):
    def test_it_has_the_pid_while_traced_serves_and_is_gone_afterwards(self):
        pidfile = self.path("pid")
        self.start_quietly("--pidfile", pidfile).call("hello")
        until(lambda: os.path.exists(pidfile), "the pidfile")
        self.assertEqual(read(pidfile), "%d\n" % self.place.traced.pid)
        self.assertEqual(os.stat(pidfile).st_mode & 0o777, 0o644)  # others check with it whether traced runs
        self.assertEqual(self.place.stop()[0], 0)
        self.assertFalse(os.path.exists(pidfile))

    def test_that_of_a_killed_one_is_replaced_and_that_of_another_left_alone(self):
        pidfile = self.path("pid")
        with open(pidfile, "w", encoding="utf-8") as file:
            file.write("1\n")
        self.start_quietly("--pidfile", pidfile).call("hello")
        until(lambda: read(pidfile) == "%d\n" % self.place.traced.pid, "the pidfile")
        with open(pidfile, "w", encoding="utf-8") as file:
            file.write("1\n")
        self.assertEqual(self.place.stop()[0], 0)
        self.assertEqual(read(pidfile), "1\n")

    def test_one_that_cannot_be_written_is_an_error(self):
        self.assertIn("--pidfile", self.fails("--pidfile", self.path("none/pid")))
        os.mkdir(self.path("pid"))
        self.assertIn("--pidfile", self.fails("--pidfile", self.path("pid")))
        self.assertEqual([name for name in os.listdir(self.place.directory) if name.startswith("pid")], ["pid"])


class OneDrains(ServiceTest):
    def other_socket(self):
        self.place.environment["P2PTRACE_SOCKET"] = self.place.path = self.path("other.sock")

    def test_a_second_one_for_the_same_rings_is_refused_and_learns_where_the_first_listens(self):
        self.start().call("hello")
        first, socket_path = self.place.traced, self.place.path
        self.other_socket()
        text = self.fails()
        self.assertIn("another traced (pid %d) drains the rings in %s already" % (first.pid, self.place.directory), text)
        self.assertIn("ask it at %s," % socket_path, text)
        self.assertEqual(len(text.splitlines()), 1)
        self.assertFalse(os.path.exists(self.place.path))
        self.place.stop()
        self.start().call("hello")  # the lock is free again

    def test_the_lock_of_one_that_was_killed_is_free(self):
        self.start()
        self.place.traced.kill()
        self.place.finish()
        self.start().call("hello")

    def test_one_that_only_watches_sees_all_and_changes_nothing(self):
        client = self.start()
        drains = self.place.traced
        self.other_socket()
        watcher = self.start("--read-only")
        alice = self.place.node("alice", ALICE)
        alice.do("packets", 100)
        for each in (client, watcher):
            self.place.settle(each, 100)
        self.assertEqual(watcher.fail("control", kinds="none")["code"], -32004)
        self.assertEqual(client.call("nodes")["nodes"][0]["kinds"], "all")
        self.assertEqual(len(watcher.call("control")["nodes"]), 1)  # it may ask
        watches, self.place.traced = self.place.traced, drains
        self.assertEqual(self.place.stop()[0], 0)
        self.place.traced = watches
        alice.close()
        until(lambda: watcher.call("nodes")["nodes"][0]["state"] == "exited", "the end")
        self.assertEqual(len([name for name in os.listdir(self.place.directory) if name.startswith("p2ptrace.")]), 1)

    @unittest.skipUnless(os.geteuid() == 0, "only root can make another's file")
    def test_a_name_that_another_user_took_first_does_not_matter(self):
        lock = self.path(".p2ptrace.%d.drain" % os.geteuid())
        with open(lock, "w", encoding="utf-8"):
            os.chown(lock, 65534, -1)
        self.start().call("hello")
        first = self.place.traced
        self.other_socket()
        self.assertIn("another traced (pid %d) drains the rings" % first.pid, self.fails())
        self.place.stop()
        self.assertEqual([name for name in os.listdir(self.place.directory) if name.endswith(".drain")], [os.path.basename(lock)])


class Check(ServiceTest):
    def check(self, *options, **popen):
        """The exit code, and the lines by subject: {"socket": [("ok", "would listen on ...")], ...}"""
        done = subprocess.run([os.environ["TRACED"], "--check", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=self.place.environment, text=True, check=False, **popen)
        self.assertEqual(done.stderr, "")
        lines = {}
        for line in done.stdout.splitlines():
            verdict, what, sentence = line.split(maxsplit=2)
            lines.setdefault(what, []).append((verdict, sentence))
        return done.returncode, lines

    def wrong(self, what, *options, **popen):
        """The only problem."""
        code, lines = self.check(*options, **popen)
        self.assertEqual(code, 1, lines)
        [(found, sentence)] = [(w, text) for w, told in lines.items() for verdict, text in told if verdict == "wrong"]
        self.assertEqual(found, what)
        return sentence

    def test_without_problems_it_says_what_it_would_do_and_leaves_nothing(self):
        self.place.environment["P2PTRACE_SOCKET"] = self.path("run/s")
        node = self.place.node("alice", ALICE)
        before = sorted(os.listdir(self.place.directory))
        code, lines = self.check("--history", "64M", "--log", self.path("log"), "--pidfile", self.path("pid"))
        self.assertEqual(code, 0, lines)
        self.assertEqual(set(lines), {"socket", "memory", "rings", "history", "files", "clock"})
        self.assertIn("would listen on %s (from $P2PTRACE_SOCKET) and make its directory" % self.path("run/s"), lines["socket"][0][1])
        self.assertIn("1 of this user", lines["rings"][0][1])
        self.assertIn("64 MiB for 131072 events", lines["history"][0][1])
        self.assertEqual(sorted(os.listdir(self.place.directory)), before)
        node.close()

    def test_each_problem_is_named_with_a_remedy(self):
        self.assertIn("choose another --shm-dir", self.wrong("memory", "--shm-dir", self.path("none")))
        self.assertIn("the minimum is 60 MiB", self.wrong("history", "--history", "1M"))
        self.assertIn("choose a smaller --history", self.wrong("history", "--history", "900000G"))
        self.assertIn("cannot make the socket's directory in", self.wrong("socket", "--socket", self.path("none/none/s")))
        os.chmod(self.place.directory, 0o777)
        self.assertIn("chmod go-w", self.wrong("socket"))
        os.chmod(self.place.directory, 0o700)
        self.assertIn("the group cannot enter", self.wrong("socket", "--group", "54321"))
        with open(self.place.path, "w", encoding="utf-8"):
            pass
        self.assertIn("is not a socket", self.wrong("socket"))

    def test_one_that_runs_already_is_named(self):
        self.start().call("hello")
        pid = "(pid %d)" % self.place.traced.pid
        self.assertIn("another traced " + pid, self.wrong("socket", "--shm-dir", "/"))
        sentence = self.wrong("rings", "--socket", self.path("other.sock"))
        self.assertIn(pid, sentence)
        self.assertIn(self.place.path, sentence)
        self.assertEqual(self.check("--socket", self.path("other.sock"), "--read-only")[0], 0)

    def test_few_files_and_no_usable_counter_are_notes(self):
        self.place.environment["P2PTRACE_CLOCK"] = "monotonic"
        code, lines = self.check(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100)))
        self.assertEqual(code, 0)
        self.assertEqual((lines["files"][0][0], lines["clock"][0][0]), ("note", "note"))

    @unittest.skipUnless(os.geteuid() == 0, "only root can make another's file")
    def test_rings_of_other_users_are_counted_by_user(self):
        for number, user in enumerate((65534, 65534, 4711)):
            with open(self.path("p2ptrace.%d" % number), "w", encoding="utf-8") as file:
                os.chown(file.fileno(), user, -1)
        told = self.check()[1]["rings"]
        self.assertEqual({(verdict, sentence.split(",")[0]) for verdict, sentence in told},
                         {("ok", "0 of this user"), ("note", "2 of user 65534"), ("note", "1 of user 4711")})
        for number in range(3, 11):
            with open(self.path("p2ptrace.%d" % number), "w", encoding="utf-8") as file:
                os.chown(file.fileno(), 5000 + number, -1)
        told = self.check()[1]["rings"]
        self.assertEqual(len([sentence for _, sentence in told if " of user " in sentence]), 8)
        self.assertEqual(told[-1], ("note", "11 of other users in all"))

    def test_the_clients_that_would_be_served_are_reported(self):
        self.assertTrue(self.check()[1]["socket"][0][1].endswith(", for this user and root"))
        os.chmod(self.place.directory, 0o711)
        self.assertTrue(self.check("--group", "54321")[1]["socket"][0][1].endswith(", for this user, root and the group"))


# Connects as another user, and prints the answer to a request.
VISIT = """
import os, socket, sys
path, uid, gid, groups = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), [int(word) for word in sys.argv[4:]]
os.setgroups(groups); os.setgid(gid); os.setuid(uid)
s = socket.socket(socket.AF_UNIX)
try:
    s.connect(path)
    s.settimeout(20)
    try:
        s.sendall(b'{"jsonrpc":"2.0","id":1,"method":"hello"}\\n')
    except BrokenPipeError:
        pass
    print(s.makefile("r").readline(), end="")
except PermissionError:
    print("no way")
"""

# Connects as another user, as often as argv[4] says; prints how often it was refused because of a limit, and holds the rest.
CROWD = """
import os, resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
os.setgroups([]); os.setgid(int(sys.argv[3])); os.setuid(int(sys.argv[2]))
held, refused = [], 0
for i in range(int(sys.argv[4])):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    try:
        s.sendall(b'{"jsonrpc":"2.0","id":1,"method":"hello"}\\n')
    except BrokenPipeError:
        pass
    line = s.makefile("r").readline()
    held.append(s)
    refused += '"limit":512' in line and '"error"' in line
print(refused, flush=True)
sys.stdin.read()
"""

OTHER, GROUP, STRANGERS = 65534, 54321, 54322


@unittest.skipUnless(os.geteuid() == 0, "only root can be somebody else")
class Group(ServiceTest):
    def visit(self, gid, *groups):
        done = subprocess.run([sys.executable, "-c", VISIT, self.place.path, str(OTHER), str(gid), *map(str, groups)],
                              stdout=subprocess.PIPE, check=True, text=True)
        return done.stdout

    def setUp(self):
        super().setUp()
        os.chmod(self.place.directory, 0o711)

    def in_a_directory_below(self):
        """Created as by traced."""
        self.place.path = self.path("run/traced.sock")
        self.place.environment["P2PTRACE_SOCKET"] = self.place.path
        return self.path("run")

    def test_its_members_are_served_and_others_are_refused(self):
        directory = self.in_a_directory_below()
        self.start("--group", str(GROUP))
        for gid, groups in ((GROUP, ()), (STRANGERS, (7, GROUP, 8))):
            self.assertIn('"result"', self.visit(gid, *groups))
        self.assertEqual(self.visit(STRANGERS, 7, 8), "no way\n")
        for path, mode in ((directory, 0o710), (self.place.path, 0o660)):
            info = os.stat(path)
            self.assertEqual((info.st_mode & 0o777, info.st_gid), (mode, GROUP))

    def test_a_connected_non_member_is_refused_with_a_reason(self):
        client = self.start("--group", str(GROUP))
        os.chmod(self.place.path, 0o666)
        self.assertIn('"code":-32004', self.visit(STRANGERS, 7, 8))
        self.assertIn('"result"', self.visit(STRANGERS, 7, GROUP))
        self.assertEqual(client.call("stats")["clients"]["refused"], 1)

    def test_its_members_take_half_of_the_connections_at_most(self):
        client = self.start("--group", str(GROUP))
        crowd = subprocess.Popen([sys.executable, "-c", CROWD, self.place.path, str(OTHER), str(GROUP), "600"], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, text=True)
        try:
            self.assertEqual(crowd.stdout.readline(), "88\n")
            self.assertEqual(client.call("stats")["clients"]["connected"], 513)
            self.place.connect().call("hello")  # our own user's next
        finally:
            crowd.communicate()
        until(lambda: client.call("stats")["clients"]["connected"] == 2, "the others to go")
        self.assertIn('"result"', self.visit(GROUP))  # their places are free again

    def test_strangers_cannot_fill_the_log(self):
        client = self.start("--group", str(GROUP))
        os.chmod(self.place.path, 0o666)
        for _ in range(5):
            self.assertIn('"code":-32004', self.visit(STRANGERS))
        self.assertEqual(client.call("stats")["clients"]["refused"], 5)
        self.assertEqual(self.place.stop()[1].count("was refused"), 1)

    def test_a_directory_that_keeps_the_group_out_is_reported_at_the_start(self):
        os.chmod(self.place.directory, 0o700)
        text = self.fails("--group", str(GROUP))
        self.assertIn("the group cannot enter " + self.place.directory, text)
        os.chown(self.place.directory, -1, GROUP)
        self.assertIn("cannot enter", self.fails("--group", str(GROUP)))
        os.chmod(self.place.directory, 0o710)
        self.start("--group", str(GROUP))
        self.assertIn('"result"', self.visit(GROUP))

    def test_a_group_that_is_not_there_is_an_error(self):
        self.assertIn("no group nonsense", self.fails("--group", "nonsense"))


# Becomes traced as started by a service manager: the descriptors of argv[1] are 3, 4, ... and LISTEN_PID is right.
ACTIVATE = """
import os, sys
for number, fd in enumerate(sys.argv[1].split(","), 3):
    os.dup2(int(fd), number, inheritable=True)
os.environ["LISTEN_PID"] = str(os.getpid() + int(sys.argv[2]))
os.environ["LISTEN_FDS"] = str(len(sys.argv[1].split(",")))
os.execv(sys.argv[3], sys.argv[3:])
"""


class SocketFile(ServiceTest):
    def test_a_file_in_the_socket_s_place_is_left_alone(self):
        self.start()
        os.rename(self.place.path, self.path("moved"))
        with open(self.place.path, "w", encoding="utf-8") as file:
            file.write("mine")
        self.assertEqual(self.place.stop()[0], 0)
        self.assertEqual(read(self.place.path), "mine")

    @unittest.skipUnless(os.geteuid() == 0, "only root can give a directory away")
    def test_a_directory_of_another_user_is_refused(self):
        directory = self.path("theirs")
        os.mkdir(directory, 0o755)
        os.chown(directory, 65534, -1)
        self.assertIn("belongs to another user", self.fails("--socket", os.path.join(directory, "s")))


class ServiceManager(ServiceTest):
    def setUp(self):
        super().setUp()
        self.listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(self.listener.close)

    def listen(self):
        self.listener.bind(self.place.path)
        self.listener.listen(8)

    def activate(self, *sockets, off=0, options=()):
        """traced, with these sockets, passed to the process whose id differs by `off` from its own."""
        fds = [fcntl.fcntl(s, fcntl.F_DUPFD, 20) for s in sockets]
        process = subprocess.Popen([sys.executable, "-c", ACTIVATE, ",".join(map(str, fds)), str(off), os.environ["TRACED"],
                                    "--history", "64M", *options],
                                   stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, pass_fds=fds, env=self.place.environment)
        for fd in fds:
            os.close(fd)
        return process

    def refused(self, *sockets, **more):
        _, text = self.activate(*sockets, **more).communicate(timeout=DEADLINE_S)
        return text.decode()

    def test_it_serves_the_socket_that_is_passed_and_leaves_it_there(self):
        self.listen()
        early = self.place.connect()  # waits: nobody serves yet
        self.place.traced = self.activate(self.listener)
        self.assertEqual(early.call("hello")["pid"], self.place.traced.pid)
        self.assertEqual(self.place.stop()[0], 0)
        late = self.place.connect()
        self.place.traced = self.activate(self.listener)
        self.assertEqual(late.call("hello")["pid"], self.place.traced.pid)
        second = self.fails()
        self.assertIn("another traced", second)

    def test_a_socket_passed_to_another_process_is_not_taken(self):
        self.listen()
        self.assertIn("already serves", self.refused(self.listener, off=1))

    def test_the_passed_descriptor_must_be_one_listening_socket(self):
        plain, other = socket.socketpair()
        self.addCleanup(plain.close)
        self.addCleanup(other.close)
        self.assertIn("did not pass a listening Unix stream socket", self.refused(plain))
        packets, internet = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET), socket.socket(socket.AF_INET)
        packets.bind("\0" + self.place.path + ".packets")
        for other_kind in (packets, internet):
            self.addCleanup(other_kind.close)
            other_kind.listen(8)  # unbound: on a port chosen by the kernel
            self.assertIn("did not pass a listening Unix stream socket", self.refused(other_kind))
        self.listener.bind("\0" + self.place.path)
        self.listener.listen(8)
        self.assertIn("has no path", self.refused(self.listener))
        self.assertIn("passes 2 sockets", self.refused(self.listener, plain))

    def test_a_socket_option_that_says_otherwise_is_refused(self):
        self.listen()
        self.assertIn("not --socket /elsewhere", self.refused(self.listener, options=("--socket", "/elsewhere")))

    def test_the_manager_learns_when_it_serves_and_when_it_stops(self):
        for name in (self.path("notify"), "\0" + self.path("abstract")):
            with self.subTest(name=name):
                notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                self.addCleanup(notify.close)
                notify.settimeout(DEADLINE_S)
                notify.bind(name)
                self.place.environment["NOTIFY_SOCKET"] = name.replace("\0", "@")
                self.start_quietly("--pidfile", self.path("pid"))
                self.assertEqual(notify.recv(1000), b"READY=1")
                self.assertTrue(os.path.exists(self.path("pid")))
                self.assertEqual(self.place.stop()[0], 0)
                self.assertEqual(notify.recv(1000), b"STOPPING=1")

    def test_a_manager_that_does_not_listen_does_no_harm(self):
        self.place.environment["NOTIFY_SOCKET"] = self.path("nobody")
        self.start().call("hello")
        self.assertEqual(self.place.stop()[0], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
