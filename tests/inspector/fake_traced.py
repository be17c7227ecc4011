# SPDX-License-Identifier: MIT
"""A traced for tests: a Unix socket whose answers the test writes.

    with FakeTraced(path, {"nodes": {"nodes": []}}) as traced: ...

An answer is a value (the result), a function of the params, or one of the classes below.  After `subscribe` it sends the
lines in `stream`.  `requests` has the requests received."""

import json
import os
import socket
import threading


class Error:
    """An error answer."""

    def __init__(self, code, message, data=None):
        self.body = {"code": code, "message": message} | ({"data": data} if data is not None else {})


class Raw:
    """These bytes, and then perhaps the end of the connection."""

    def __init__(self, data, close=False):
        self.data, self.close = data, close


class FakeTraced:
    def __init__(self, path, answers, stream=(), close_after_stream=False):
        self.path, self.answers, self.stream, self.close_after_stream = path, answers, stream, close_after_stream
        self.requests = []
        self.clients = []
        self.socket = socket.socket(socket.AF_UNIX)
        if os.path.exists(path):
            os.unlink(path)
        self.socket.bind(path)
        self.socket.listen(8)

    def __enter__(self):
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.socket.close()
        for client in self.clients:
            client.close()

    def accept(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            self.clients.append(client)
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            for line in client.makefile("rb"):
                if not self.answer(client, json.loads(line)):
                    break
            client.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def answer(self, client, request):
        """Sends the answer; False to end the connection."""
        self.requests.append(request)
        answer = self.answers.get(request["method"], Error(-32601, "Method not found"))
        if callable(answer):
            answer = answer(request.get("params", {}))
        if isinstance(answer, Raw):
            client.sendall(answer.data)
            return not answer.close
        body = {"error": answer.body} if isinstance(answer, Error) else {"result": answer}
        client.sendall(json.dumps({"jsonrpc": "2.0", "id": request["id"]} | body).encode() + b"\n")
        if request["method"] != "subscribe":
            return True
        for line in self.stream:
            client.sendall(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")
        return not self.close_after_stream
