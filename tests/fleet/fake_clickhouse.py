# SPDX-License-Identifier: MIT
"""A server that answers like ClickHouse with an empty fleet, for answers that a real one does not give when a test wants them.

    with Fake() as fake:
        fake.say("events_local", (503, b"overloaded"), CUT)     the next two inserts into that table
        fake.inserts                                            (table, body) of those that it accepted or refused
        fake.cluster = "main"; fake.shard = 2                   it is that shard of a cluster

Standard library only."""
import gzip
import os
import re
import struct
import subprocess
import sys
import threading
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
from local_http import LocalServer  # noqa: E402

RESET, CUT, HANG = object(), object(), object()  # no answer; half of one; none until the client goes away
OK = (200, b"")
FLEET = "f" * 32
DATABASE = "d"


def string(text):
    """A string of less than 128 bytes as RowBinary."""
    return bytes([len(text)]) + text.encode()


def row(*texts):
    return b"".join(map(string, texts))


def schema(version=4, fleet=FLEET, cluster="", shard=0, tables=None):
    """What it says of itself.  tables: their columns."""
    rows = [row("column", table, column) for table, columns in (tables or {}).items() for column in columns]
    return (200, row("server", "18.16.1", "") + row("fleet", str(version), fleet) + row("cluster", "0", cluster) + row("shard", str(shard), cluster)
            + b"".join(rows))


def error(code, text="e.displayText() = DB::Exception: no, e.what() = DB::Exception", status=500):
    return (status, f"Code: {code}, {text}\n".encode())


class Fake(LocalServer):
    tables = None  # their columns

    def __init__(self, fleet=FLEET, cluster="", shard=0):
        self.fleet, self.cluster, self.shard, self.packed = fleet, cluster, shard, 0
        self.said, self.inserts, self.statements = {}, [], []
        self.lock = threading.Lock()
        super().__init__(self.handle)
        self.url = f"{self.address}/{DATABASE}"
        if not Fake.tables:
            Fake.tables = self.read_tables()

    def handle(self, request):
        body = request.rfile.read(int(request.headers["Content-Length"]))
        if request.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
            self.packed += 1
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(request.path).query)
        answer = self.answer(query["query"][0], body) if "query" in query else self.answer(body.decode(), None)
        if answer in (RESET, HANG):
            if answer is HANG:
                self.ended.wait()
            request.close_connection = True
            return
        status, text, *headers = (200, b"half of it") if answer is CUT else answer
        request.send_response(status)
        request.send_header("Content-Length", str(len(text) + (1000 if answer is CUT else 0)))
        for name, value in headers:
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(text)
        request.close_connection = answer is CUT

    def say(self, what, *answers):
        """what: a table whose next inserts get these, or a part of the statements that do.  A function is called, and returns the answer."""
        self.said.setdefault(what, []).extend(answers)

    def read_tables(self):
        self.say("p2ptrace_schema", error(60, status=404))
        done = subprocess.run([os.environ["INSPECTOR"], "fleet", "init", "--dry-run", self.url], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, check=True)
        self.statements.clear()
        created = re.findall(r"^CREATE TABLE IF NOT EXISTS `\w+`\.`(\w+)` \(\n(.*?)^\)", done.stdout, re.M | re.S)
        return {name: re.findall(r"^    `(\w+)` ", columns, re.M) for name, columns in created}

    def columns(self, tables):
        return (200, b"".join(string(table) + string(column) for table, columns in tables.items() for column in columns))

    def answer(self, statement, rows):
        with self.lock:
            if rows is None:
                self.statements.append(statement)
                what = next((each for each in self.said if each in statement and self.said[each]), None)
            else:
                what = re.match(r"INSERT INTO `\w+`\.`(\w+)`", statement)[1]
                self.inserts.append((what, rows))
            said = self.said[what].pop(0) if self.said.get(what) else None
        if said is not None:
            return said() if callable(said) else said
        if rows is not None:
            return OK
        if "p2ptrace_schema" in statement:
            return schema(fleet=self.fleet, cluster=self.cluster, shard=self.shard, tables=Fake.tables)
        if "version()" in statement:
            return (200, string("18.16.1"))
        return self.columns(Fake.tables) if "system.columns" in statement else OK

    def of(self, table):
        """The bodies of the inserts into it."""
        return [rows for name, rows in self.inserts if name == table]

    def rows(self, table, form):
        """The rows of these inserts, as tuples.  form: a letter for each column: s for text, B, I or Q as in struct, a number for so many bytes."""
        found, data = [], b"".join(self.of(table))
        while data:
            row = []
            for kind in form.split():
                bytes_ = data[0] + 1 if kind == "s" else int(kind) if kind.isdigit() else struct.calcsize("<" + kind)
                part, data = data[:bytes_], data[bytes_:]
                row.append(part[1:].decode() if kind == "s" else part if kind.isdigit() else struct.unpack("<" + kind, part)[0])
            found.append(tuple(row))
        return found
