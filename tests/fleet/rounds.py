# SPDX-License-Identifier: MIT
"""A server in front of ClickHouse that says in how many rounds a command asks: requests of a round are sent together, before any of them
is answered.

    with Rounds(server.http) as rounds:
        run("--fleet", f"{rounds.address}/{database}", "peers")
        rounds.sizes                                            of the requests of each round

It counts a round when as many requests wait as `expected` says, so that no time counts; without an expectation each request is a round.
Standard library only."""
import http.client
import http.server
import threading

from clickhouse import DEADLINE_S


class Rounds:
    def __init__(self, target, expected=()):
        self.expected, self.sizes, self.statements = list(expected), [], []
        self.waiting, self.lock = 0, threading.Condition()
        rounds = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                rounds.enter(body)
                connection = http.client.HTTPConnection("127.0.0.1", target, timeout=DEADLINE_S)
                connection.request("POST", self.path, body, dict(self.headers))
                answer = connection.getresponse()
                text = answer.read()
                connection.close()
                self.send_response(answer.status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def enter(self, body):
        """Returns when the round of this request is complete."""
        with self.lock:
            number = len(self.sizes)
            self.statements.append(body)
            self.waiting += 1
            if self.waiting >= (self.expected[number] if number < len(self.expected) else 1):
                self.sizes.append(self.waiting)
                self.waiting = 0
                self.lock.notify_all()
            elif not self.lock.wait_for(lambda: len(self.sizes) > number, DEADLINE_S / 4):  # the rest was not sent
                self.sizes.append(self.waiting)
                self.waiting = 0
                self.lock.notify_all()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
