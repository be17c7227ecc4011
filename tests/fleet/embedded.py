#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A current ClickHouse, as a library (chDB), behind ClickHouse's HTTP interface: as much of it as the inspector and the tests use.

    embedded.py LIBCHDB DIRECTORY PORT

The engine that parses and executes the statements is ClickHouse's own.  It has no clusters, no users and no native protocol: those are tested
with clickhouse-server.  One statement runs at a time.  Standard library only."""
import ctypes
import http.server
import re
import socketserver
import sys
import tempfile
import threading
import urllib.parse
import zlib

HANDLED = {"query", "database", "default_format", "wait_end_of_query", "readonly"}  # parameters of a request; a table's are named for it
DATA_FORMAT = "RowBinary"


class Refused(Exception):
    """What the engine says against a statement."""


class Engine:
    """The library has one connection per process for each directory; what is set or created for a statement is undone after it."""

    def __init__(self, library, directory):
        self.lib = ctypes.CDLL(library)
        self.lib.chdb_connect.restype = ctypes.POINTER(ctypes.c_void_p)
        self.lib.chdb_connect.argtypes = [ctypes.c_int, ctypes.POINTER(ctypes.c_char_p)]
        self.lib.chdb_close_conn.argtypes = [ctypes.POINTER(ctypes.c_void_p)]
        self.lib.chdb_query_n.restype = ctypes.c_void_p
        self.lib.chdb_query_n.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
        for name, result in ("buffer", ctypes.c_void_p), ("length", ctypes.c_size_t), ("error", ctypes.c_char_p):
            function = getattr(self.lib, f"chdb_result_{name}")
            function.restype, function.argtypes = result, [ctypes.c_void_p]
        self.lib.chdb_destroy_query_result.argtypes = [ctypes.c_void_p]
        self.arguments = (ctypes.c_char_p * 2)(b"clickhouse", b"--path=" + directory.encode())
        self.connection = self.connect()
        self.lock = threading.Lock()

    def connect(self):
        connection = self.lib.chdb_connect(2, self.arguments)
        if not connection:
            raise SystemExit("the library does not open its directory")
        return connection

    def run(self, connection, statement, form):
        result = self.lib.chdb_query_n(connection[0], statement, len(statement), form.encode(), len(form))
        try:
            error = self.lib.chdb_result_error(result)
            if error:
                raise Refused(error.decode(errors="replace"))
            count = self.lib.chdb_result_length(result)
            return ctypes.string_at(self.lib.chdb_result_buffer(result), count) if count else b""
        finally:
            self.lib.chdb_destroy_query_result(result)

    def insert(self, connection, statement, rows):
        """The library cuts binary data behind a statement at its end, so it reads them from a file."""
        with tempfile.NamedTemporaryFile() as file:
            file.write(rows)
            file.flush()
            into, form, name = statement.rpartition(b" FORMAT ")
            return self.run(connection, into + f" FROM INFILE '{file.name}' COMPRESSION 'none'".encode() + form + name, "TSV")

    def answer(self, statement, rows, form, database, readonly, tables):
        """rows: those to insert, or None.  tables: {name: (structure, rows in RowBinary)}, for this statement only."""
        with self.lock:
            connection = self.connect()
            try:
                self.run(connection, f"USE `{database}`".encode(), "TSV")
                for name, (structure, content) in tables.items():
                    self.run(connection, f"CREATE TEMPORARY TABLE `{name}` ({structure})".encode(), "TSV")
                    if content:
                        self.insert(connection, f"INSERT INTO `{name}` FORMAT {DATA_FORMAT}".encode(), content)
                if readonly:
                    self.run(connection, b"SET readonly = 1", "TSV")
                return self.run(connection, statement, form) if rows is None else self.insert(connection, statement, rows)
            finally:
                for name in tables:
                    try:
                        self.run(connection, f"DROP TEMPORARY TABLE IF EXISTS `{name}`".encode(), "TSV")
                    except Refused:
                        pass
                self.lib.chdb_close_conn(connection)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine = None

    def log_message(self, *_):
        pass

    def reply(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.reply(200, b"Ok.\n")

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(parts)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return zlib.decompress(body, 31) if self.headers.get("Content-Encoding") == "gzip" else body

    def parts(self, body):
        """{name: bytes} of a form."""
        between = b"--" + self.headers["Content-Type"].partition("boundary=")[2].encode()
        parts = (part.removeprefix(b"\r\n").removesuffix(b"\r\n").partition(b"\r\n\r\n") for part in body.split(between)[1:-1])
        return {re.search(rb'[ ;]name="([^"]*)"', head)[1].decode(): content for head, _, content in parts}

    def do_POST(self):
        given = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query, keep_blank_values=True))
        body, tables = self.body(), {}
        if self.headers.get("Content-Type", "").startswith("multipart/form-data"):
            parts = self.parts(body)
            statement, rows = parts.pop("query"), None
            tables = {name: (given.pop(f"{name}_structure"), content) for name, content in parts.items()}
            for name in tables:
                if given.pop(f"{name}_format") != DATA_FORMAT:
                    return self.reply(501, b"only tables in RowBinary are read here")
        else:
            statement, rows = (given["query"].encode(), body) if "query" in given else (body, None)
        unknown = sorted(set(given) - HANDLED)
        if unknown:
            return self.reply(501, f"no parameters {unknown} here".encode())
        try:
            answer = self.engine.answer(statement, rows, given.get("default_format", "TabSeparated"), given.get("database", "default"),
                                        given.get("readonly") == "1", tables)
        except Refused as refused:
            return self.reply(500, str(refused).encode())
        return self.reply(200, answer)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    allow_reuse_address = True


if __name__ == "__main__":
    Handler.engine = Engine(sys.argv[1], sys.argv[2])
    Server(("127.0.0.1", int(sys.argv[3])), Handler).serve_forever()
