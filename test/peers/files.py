"""An HTTPS server of files that does not do what it should, in threads of the test.

Each connection is answered by the next of `answers`, the last for ever: a function that
is given the request's head, as bytes, and what writes to the connection. When it returns
the connection is cut.
"""

import socketserver
import ssl
import threading


class _Handler(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            with self.server.context.wrap_socket(self.request, server_side=True) as tls:
                head = b""
                while b"\r\n\r\n" not in head:
                    block = tls.recv(65536)
                    if not block:
                        return
                    head += block
                self.server.owner.next_answer(head)(head, tls.sendall)
        except OSError:
            pass  # the other side has gone


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


class Files:
    def __init__(self, port, leaf, *answers):
        self.heads = []
        self.answers = list(answers)
        self.lock = threading.Lock()
        self.server = _Server(("127.0.0.1", port), _Handler)
        self.server.owner = self
        self.server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.context.load_cert_chain(leaf.path, leaf.key_path)
        self.thread = threading.Thread(target=self.server.serve_forever,
                                       kwargs={"poll_interval": 0.05})
        self.thread.start()

    def next_answer(self, head):
        with self.lock:
            self.heads.append(head)
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
