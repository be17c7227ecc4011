#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""inspector ship and --fleet with a server that speaks TLS, and with one whose disk is full.

INSPECTOR and MAKE_SPOOL name the programs."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from clickhouse import Server, run, why_not  # noqa: E402

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
DISK_MIB = 60  # of the small one


class Authority:
    """A certificate authority, and what it signs."""

    def __init__(self, directory):
        self.directory = directory
        directory.mkdir()
        (directory / "ca.cnf").write_text(CA_CONFIG.format(dir=directory))
        (directory / "index").write_text("")
        (directory / "serial").write_text("01")
        self.certificate = directory / "ca.pem"
        self.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority")

    def openssl(self, *words):
        subprocess.run(["openssl", *words], cwd=self.directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)

    def sign(self, name, host, end="20991231235959Z"):
        """A certificate of that host, and its key."""
        self.openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={host}", "-addext",
                     f"subjectAltName=DNS:{host}")
        self.openssl("ca", "-batch", "-config", "ca.cnf", "-keyfile", "ca.key", "-cert", "ca.pem", "-in", f"{name}.csr", "-out", f"{name}.pem",
                     "-startdate", "20200101000000Z", "-enddate", end, "-notext")
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
        # Without knowing who answers, it sends nothing, least of all a password.
        other = Authority(self.root / "other")
        for ca in [], ["--ca", other.certificate]:
            for words in ["ship", "--from", spool, "--to", url, "--once"], ["--fleet", url, "count"], ["fleet", "status", url]:
                self.assert_one_sentence(run(*words, *ca), "--ca FILE")
        self.assert_one_sentence(run("--fleet", url.replace("localhost", "127.0.0.1"), "--ca", authority.certificate, "count"), "is not accepted")
        self.assert_one_sentence(run("--fleet", f"https://localhost:{server.http}/d", "--ca", authority.certificate, "count"), "does not speak TLS")
        self.assert_one_sentence(run("--fleet", url, "--ca", self.root / "none", "count"), "the file of --ca cannot be read")
        self.assertEqual(len(list(spool.glob("*.p2rec"))), 1)

    def test_an_expired_certificate_is_refused(self):
        authority = Authority(self.root / "authority")
        _, url = self.serve(authority.sign("old", "localhost", end="20200201000000Z"))
        self.assert_one_sentence(run("ship", "--from", self.spool(10), "--to", url, "--once", "--ca", authority.certificate), "expired")


def why_no_small_disk():
    """A file system of our own, in a name space of our own."""
    done = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", "mount -t tmpfs tmpfs /mnt"], stderr=subprocess.DEVNULL, check=False)
    return why_not() or (None if done.returncode == 0 else "no name spaces for a small disk")


class SmallDisk(Server):
    def begin(self):
        mount = f"mount -t tmpfs -o size={DISK_MIB}m tmpfs data && exec clickhouse-server --config-file=config.xml"
        self.process = subprocess.Popen(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.directory)


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


if __name__ == "__main__":
    unittest.main()
