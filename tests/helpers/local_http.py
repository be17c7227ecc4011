# SPDX-License-Identifier: MIT
"""An HTTP server on a free port of this machine, in a thread, until the end of a `with`."""
import http.server
import threading


class LocalServer:
    """handle(request): answers a POST; request is a BaseHTTPRequestHandler.  `ended` is set at the end, for answers that wait for it."""

    def __init__(self, handle):
        self.ended = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                handle(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
