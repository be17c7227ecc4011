# SPDX-License-Identifier: MIT
"""A proxy between a client and a server, for faults in the middle of a request: it counts the bytes from the client and calls back
when that many have passed.  Standard library only."""
import socket
import struct
import threading


class Pair:
    """A client's connection and the one to the server.  Two threads copy, one per direction; when one ends, so does the other, and then
    both connections are reset, as after a process was killed."""

    def __init__(self, client, server):
        self.sockets = (client, server)
        self.left = 2
        self.lock = threading.Lock()

    def run(self, pump):
        try:
            pump(*self.sockets)
        except OSError:
            pass
        self.cut()
        with self.lock:
            self.left -= 1
            if not self.left:
                for each in self.sockets:
                    each.close()

    def cut(self):
        with self.lock:
            for each in self.sockets if self.left == 2 else ():
                try:
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    each.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


class Proxy:
    """Connections to `port` go to 127.0.0.1:target.

    on_request: called once, when request_bytes from all clients have been passed on; then the connection is cut
    on_answer:  called once, before passing on the first piece of an answer after request_bytes have passed; then the connection is cut
    called:     set when either has returned"""

    def __init__(self, target, request_bytes, on_request=None, on_answer=None):
        self.target, self.on_request, self.on_answer = target, on_request, on_answer
        self.request_bytes, self.sent = request_bytes, 0
        self.called = threading.Event()
        self.lock = threading.Lock()
        self.pairs, self.threads = [], []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            pair = Pair(client, server)
            with self.lock:
                self.pairs.append(pair)
            for pump in (self.forward, self.backward):
                thread = threading.Thread(target=pair.run, args=(pump,))
                thread.start()
                self.threads.append(thread)

    def forward(self, client, server):
        while data := client.recv(65536):
            with self.lock:
                end, call = self.sent + len(data), None
                if self.on_request and self.sent <= self.request_bytes < end:
                    data, call, self.on_request = data[:self.request_bytes - self.sent], self.on_request, None
                self.sent = end
            server.sendall(data)
            if call:
                call()
                self.called.set()
                return

    def backward(self, client, server):
        while data := server.recv(65536):
            with self.lock:
                call = self.on_answer if self.sent >= self.request_bytes else None
                self.on_answer = None if call else self.on_answer
            if call:
                call()
                self.called.set()
                return
            client.sendall(data)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()
        for pair in self.pairs:
            pair.cut()
        for thread in self.threads:
            thread.join()
