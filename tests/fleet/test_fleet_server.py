#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""inspector ship and --fleet with a server that speaks TLS, with something that does not, and with a full disk; and the test servers themselves.

INSPECTOR and MAKE_SPOOL name the programs."""
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from clickhouse import Daemon, Died, Server, free_port, run, why_not  # noqa: E402

CA_CONFIG = """[ca]
default_ca = one
[one]
database = {dir}/index
new_certs_dir = {dir}
serial = {dir}/serial
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
"""
END = "20991231235959Z"
DISK_MIB = 60  # of the small one


class Authority:
    """A certificate authority and its certificates."""

    def __init__(self, directory):
        self.directory = directory
        directory.mkdir()
        (directory / "ca.cnf").write_text(CA_CONFIG.format(dir=directory))
        (directory / "index").write_text("")
        (directory / "serial").write_text("01")
        self.certificate = directory / "ca.pem"
        self.openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.csr", "-subj", "/CN=test authority", "-addext",
                     "basicConstraints=critical,CA:TRUE")
        self.sign_request("ca", "-selfsign", end=END)

    def openssl(self, *words):
        subprocess.run(["openssl", *words], cwd=self.directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)

    def sign_request(self, name, *words, end):
        """Valid since long ago, so that setting a clock back has no effect."""
        self.openssl("ca", "-batch", "-config", "ca.cnf", "-keyfile", "ca.key", "-in", f"{name}.csr", "-out", f"{name}.pem", "-startdate",
                     "20200101000000Z", "-enddate", end, "-notext", *words)

    def sign(self, name, host, end=END):
        """A certificate for that host, and its key."""
        self.openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={host}", "-addext",
                     f"subjectAltName=DNS:{host}")
        self.sign_request(name, "-cert", "ca.pem", end=end)
        return self.directory / f"{name}.pem", self.directory / f"{name}.key"


class Case(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.root = pathlib.Path(self.temporary.name)

    def spool(self, events):
        directory = self.root / f"spool{events}"
        directory.mkdir()
        subprocess.run([os.environ["MAKE_SPOOL"], str(directory), str(events), "1", "load"], stdout=subprocess.DEVNULL, check=True)
        return directory

    def assert_one_sentence(self, done, sentence):
        self.assertEqual((done.returncode, done.stdout, len(done.stderr.splitlines())), (1, "", 1), done)
        self.assertIn(sentence, done.stderr)


@unittest.skipIf(why_not() or not shutil.which("openssl"), why_not() or "no openssl")
class FleetTls(Case):
    def serve(self, certificate):
        server = Server(self.root / "server")
        server.configure([[server.tcp]])
        port = server.serve_tls(*certificate)
        server.start()
        self.addCleanup(server.kill)
        return server, f"https://localhost:{port}/d"

    def test_a_certificate_of_the_named_authority_is_accepted(self):
        authority = Authority(self.root / "authority")
        server, url = self.serve(authority.sign("good", "localhost"))
        spool = self.spool(900)
        for words in ["fleet", "init", url], ["ship", "--from", spool, "--to", url, "--host", "alpha", "--once"]:
            done = run(*words, "--ca", authority.certificate)
            self.assertEqual(done.returncode, 0, done)
        self.assertEqual(server.number("SELECT count() FROM d.events"), 900)
        done = run("--fleet", url, "--ca", authority.certificate, "count", "--json")
        self.assertIn('"events":900', done.stdout.replace(" ", ""), done)
        # Without knowing who answers, it sends nothing, and certainly no password.
        other = Authority(self.root / "other")
        for ca in [], ["--ca", other.certificate]:
            for words in ["ship", "--from", spool, "--to", url, "--once"], ["--fleet", url, "count"], ["fleet", "status", url]:
                self.assert_one_sentence(run(*words, *ca), "--ca FILE")
        self.assert_one_sentence(run("--fleet", url.replace("localhost", "127.0.0.1"), "--ca", authority.certificate, "count"), "is not accepted")
        self.assert_one_sentence(run("--fleet", url, "--ca", self.root / "none", "count"), "the file of --ca cannot be read")
        self.assertEqual(len(list(spool.glob("*.p2rec"))), 1)

    def test_an_expired_certificate_is_refused(self):
        authority = Authority(self.root / "authority")
        _, url = self.serve(authority.sign("old", "localhost", end="20200201000000Z"))
        self.assert_one_sentence(run("ship", "--from", self.spool(10), "--to", url, "--once", "--ca", authority.certificate), "expired")


class NoTls(unittest.TestCase):
    """ClickHouse's http_port causes either message: it looks for the end of a word, and the handshake is random."""

    def ask(self, answer):
        """The inspector's message after this answer.  None: no answer."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            def serve_one(client):
                with client, contextlib.suppress(ConnectionResetError):
                    client.recv(65536)
                    if answer:
                        client.sendall(answer)
                    while client.recv(65536):
                        pass

            def serve():
                with contextlib.suppress(OSError):
                    while True:
                        threads.append(threading.Thread(target=serve_one, args=listener.accept()[:1]))
                        threads[-1].start()
            threads = [threading.Thread(target=serve)]
            threads[0].start()
            try:
                return run("--fleet", f"https://127.0.0.1:{listener.getsockname()[1]}/d", "count")
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                for thread in threads:
                    thread.join()

    def assert_says(self, done, code, sentence):
        self.assertEqual((done.returncode, done.stdout, len(done.stderr.splitlines())), (code, "", 1), done)
        self.assertIn(sentence, done.stderr)

    def test_an_answer_without_tls_is_called_so(self):
        self.assert_says(self.ask(b"HTTP/1.0 400 Bad Request\r\n\r\n"), 1, "does not speak TLS")

    def test_a_server_that_waits_for_more_does_not_answer_in_tls(self):
        self.assert_says(self.ask(None), 3, "does not answer in TLS")

    def test_a_server_that_takes_no_connection_does_not_answer(self):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.assert_says(run("--fleet", f"https://127.0.0.1:{listener.getsockname()[1]}/d", "count"), 3, "no server answers")


def why_no_small_disk():
    """A separate file system, in a separate namespace."""
    done = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", "mount -t tmpfs tmpfs /mnt"], stderr=subprocess.DEVNULL, check=False)
    return why_not() or (None if done.returncode == 0 else "no namespaces for a small disk")


class SmallDisk(Server):
    def begin(self):
        self.mark_log()
        mount = f"mount -t tmpfs -o size={DISK_MIB}m tmpfs data && exec clickhouse-server --config-file=config.xml"
        self.spawn("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount)


@unittest.skipIf(why_no_small_disk(), why_no_small_disk())
class FleetDisk(Case):
    def test_a_full_disk_keeps_recordings_and_says_so(self):
        server = SmallDisk(self.root / "server")
        server.configure([[server.tcp]])
        server.start()
        self.addCleanup(server.kill)
        url = f"{server.url}/d"
        self.assertEqual(run("fleet", "init", url).returncode, 0)
        server.sql("CREATE TABLE d.filler (s String) ENGINE = Log")
        with self.assertRaises(Exception):
            for _ in range(DISK_MIB):
                server.sql("INSERT INTO d.filler SELECT randomPrintableASCII(1000) FROM numbers(2000)"
                           if server.number("SELECT count() FROM system.functions WHERE name = 'randomPrintableASCII'")
                           else "INSERT INTO d.filler SELECT arrayStringConcat(arrayMap(x -> toString(rand64(x + number)), range(100))) FROM numbers(1000)")
        spool = self.spool(70000)
        done = run("ship", "--from", spool, "--to", url, "--host", "alpha", "--once", "--wait=1")
        self.assertEqual((done.returncode, done.stdout), (1, ""), done)
        for line in done.stderr.splitlines():
            self.assertRegex(line, "disk.* full")
        self.assertEqual(len(list(spool.glob("*.p2rec"))), 2)
        server.sql("DROP TABLE d.filler")
        done = run("ship", "--from", spool, "--to", url, "--host", "alpha", "--once", "--wait=60")
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(server.number("SELECT count() FROM d.events FINAL"), 70000)


class Daemons(Case):
    """The servers of the other tests (clickhouse.py)."""

    def spawn(self, script):
        daemon = Daemon(tempfile.mkdtemp(dir=self.root))
        daemon.spawn("sh", "-c", script)
        self.addCleanup(daemon.kill)
        return daemon

    def test_one_that_ends_by_itself_reports_how_to_whoever_looks_next(self):
        for look in (lambda daemon: run("help"), lambda daemon: daemon.wait_for(lambda: False, "nothing"), lambda daemon: daemon.kill()):
            with self.subTest(look):
                daemon = self.spawn("echo last words; exec sleep 600")
                daemon.wait_for(lambda: "words" in daemon.last_lines(), "its words")
                os.kill(daemon.process.pid, signal.SIGSEGV)
                os.waitid(os.P_PID, daemon.process.pid, os.WEXITED | os.WNOWAIT)
                with self.assertRaisesRegex(Died, "^sh ended by itself, with status -11; the last that sh wrote:\noutput: last words$"):
                    look(daemon)

    def test_a_server_killed_by_a_test_is_not_an_error(self):
        daemon = self.spawn("exec sleep 600")
        daemon.kill()
        daemon.kill()
        Daemon.check_all()

    def test_a_port_is_free_for_a_server_and_nobody_else_gets_it(self):
        port = free_port()
        with self.assertRaises(OSError), socket.socket() as other:
            other.bind(("127.0.0.1", port))
        for _ in range(2):
            socket.create_server(("127.0.0.1", port)).close()


if __name__ == "__main__":
    unittest.main()
