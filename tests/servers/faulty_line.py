"""A line to a server that can be told to lose an answer, to refuse, or to give an answer of its own."""

import contextlib
import socket
import threading
from collections import deque

LOSE_ANSWER = b""


class FaultyLine:
    """Hands bytes on to a TCP server of this machine until a fault is due.

    `faults` is worked off one by one, each with the next request on any connection: LOSE_ANSWER lets the server do what
    it was asked and cuts the connection when it answers; other bytes are given as the answer, the server never asked.
    """

    def __init__(self, target_port: int) -> None:
        self.faults: deque[bytes] = deque()
        self.requests = 0
        self._target_port = target_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """No new connections; those that exist end with their clients."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.create_connection(("127.0.0.1", self._target_port))
        losing = threading.Event()
        threading.Thread(target=self._answer, args=(client, server, losing), daemon=True).start()
        try:
            while data := client.recv(65536):
                self.requests += 1
                fault = self.faults.popleft() if self.faults else None
                if fault == LOSE_ANSWER:
                    losing.set()
                elif fault is not None:
                    client.sendall(fault)
                    break
                server.sendall(data)
        except OSError:
            pass
        _end(server)
        _end(client)

    def _answer(self, client: socket.socket, server: socket.socket, losing: threading.Event) -> None:
        try:
            while data := server.recv(65536):
                if losing.is_set():
                    break
                client.sendall(data)
        except OSError:
            pass
        _end(client)
        _end(server)


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the other side was faster
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


def http_answer(status: str, body: str, *, kind: str = "application/json", headers: str = "") -> bytes:
    """An HTTP answer as bytes; `headers` are further lines, each ended by CR LF.

    It says that the connection ends, as the line does: a client that is faster than the end would take it up again.
    """
    content = body.encode()
    length = f"Content-Length: {len(content)}\r\nConnection: close\r\n"
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{length}{headers}\r\n"
    return head.encode() + content
