"""moorage/echo: answers who it is and who asked, on one port number over HTTP, raw TCP and UDP.

    GET any path          200, one JSON object: pod, node, client, method, path
    GET /healthz          200 always            GET /ready    200, or 503 after POST /unready until POST /ready
    POST /exit            ends with status 1, or with the status in ?code=N
    SIGTERM               serves for half a second more, and ends with status 0
    TCP, a line that is no HTTP request, and any UDP datagram     "POD CLIENT_ADDRESS TEXT"

`--port N`, or the variable PORT, or 8080. One thread and one epoll(7) serve everybody. It imports little, because every
Pod waits for it: asyncio alone would triple the time to start.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys

MAX_REQUEST = 1 << 20
DRAIN_SECONDS = 0.5
"""A Pod that is deleted is told to end at the moment when nodes are told to leave it out: who answers until they have done so
loses no request."""
_CHUNK = 1 << 16
_METHODS = (b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"PATCH ", b"OPTIONS ")
_PHRASES = {200: "OK", 400: "Bad Request", 404: "Not Found", 413: "Content Too Large", 503: "Service Unavailable"}


class Identity:
    """Who answers. `ready` is what a readiness probe is told; `exit_code` is set once the program is asked to end."""

    def __init__(self, variables: dict[str, str]) -> None:
        self.pod = variables.get("POD_NAME") or variables.get("HOSTNAME") or socket.gethostname()
        self.node = variables.get("NODE_NAME", "")
        self.ready = True
        self.exit_code: int | None = None

    def line(self, client: str, text: bytes) -> bytes:
        """The answer over raw TCP and UDP."""
        return b"%s %s %s" % (self.pod.encode(), client.encode(), text)


class Conversation:
    """One TCP connection: bytes in -> bytes out. `closing` is set when the connection ends once they are sent."""

    def __init__(self, identity: Identity, client: str) -> None:
        self._identity, self._client = identity, client
        self._received = b""
        self._http: bool | None = None
        self.closing = False

    def receive(self, data: bytes) -> bytes:
        self._received += data
        answers = []
        while not self.closing and (answer := self._next()):
            answers.append(answer)
        return b"".join(answers)

    def _next(self) -> bytes:
        """The answer to the next whole request or line, empty where there is none yet."""
        if self._http is None:
            if not any(self._received.startswith(each[: len(self._received)]) for each in _METHODS):
                self._http = False
            elif b"\n" in self._received:
                self._http = self._received.partition(b"\n")[0].rstrip().endswith((b"HTTP/1.1", b"HTTP/1.0"))
        if len(self._received) > MAX_REQUEST:
            self.closing = True
            return _response(413, {}, False) if self._http else b""
        return self._next_request() if self._http else self._next_line()

    def _next_line(self) -> bytes:
        line, end, rest = self._received.partition(b"\n")
        if not end or self._http is None:
            return b""
        self._received = rest
        return self._identity.line(self._client, line.rstrip(b"\r") + b"\n")

    def _next_request(self) -> bytes:
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return b""
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = headers.get("content-length", "0")
        words = first.split(" ")
        if len(words) != 3 or not length.isdecimal() or "transfer-encoding" in headers:
            self.closing = True
            return _response(400, {"error": "the request line or its length cannot be read"}, False)
        if len(rest) < int(length):
            return b""
        self._received = rest[int(length) :]
        method, path, version = words
        keep = headers.get("connection", "keep-alive" if version == "HTTP/1.1" else "close").lower() != "close"
        self.closing = not keep
        code, body = self._answer(method, path)
        return _response(code, body, keep, head_only=method == "HEAD")

    def _answer(self, method: str, path: str) -> tuple[int, dict[str, object]]:
        who = self._identity
        route, _, query = path.partition("?")
        code = 200
        if method == "POST" and route in ("/ready", "/unready"):
            who.ready = route == "/ready"
        elif method == "POST" and route == "/exit":
            value = query.removeprefix("code=")
            who.exit_code = int(value) % 256 if value.isdecimal() else 1
            self.closing = True
        elif route == "/ready" and not who.ready:
            code = 503
        body = {"pod": who.pod, "node": who.node, "client": self._client, "method": method, "path": path, "ready": who.ready}
        return code, body


def _response(code: int, body: dict[str, object], keep: bool, head_only: bool = False) -> bytes:
    content = json.dumps(body).encode() + b"\n"
    head = (
        f"HTTP/1.1 {code} {_PHRASES[code]}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        f"Connection: {'keep-alive' if keep else 'close'}\r\n\r\n"
    )
    return head.encode() + (b"" if head_only else content)


class Peer:
    """A connection with what is still to be sent on it."""

    def __init__(self, connection: socket.socket, conversation: Conversation) -> None:
        self.connection, self.conversation = connection, conversation
        self.unsent = b""


class Server:
    """The sockets of one port number, and everybody connected. IPv6 sockets serve IPv4 as well where the machine has IPv6."""

    def __init__(self, identity: Identity, port: int) -> None:
        self._identity = identity
        self._poll = select.epoll()
        self._peers: dict[int, Peer] = {}
        self.tcp = _bound(socket.SOCK_STREAM, port)
        self.tcp.listen(1024)
        self.port: int = self.tcp.getsockname()[1]
        self.udp = _bound(socket.SOCK_DGRAM, self.port)
        for each in (self.tcp, self.udp):
            self._poll.register(each.fileno(), select.EPOLLIN)

    def serve(self) -> int:
        """Until it is asked to exit; the exit status."""
        while self._identity.exit_code is None:
            for descriptor, events in self._poll.poll():
                if descriptor == self.tcp.fileno():
                    self._accept()
                elif descriptor == self.udp.fileno():
                    self._answer_datagrams()
                elif descriptor in self._peers:
                    self._talk(self._peers[descriptor], events)
        return self._identity.exit_code

    def _accept(self) -> None:
        while True:
            try:
                connection, address = self.tcp.accept()
            except OSError:  # nobody is left, or the client went away again
                return
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._peers[connection.fileno()] = Peer(connection, Conversation(self._identity, _plain(address[0])))
            self._poll.register(connection.fileno(), select.EPOLLIN)

    def _answer_datagrams(self) -> None:
        while True:
            try:
                data, address = self.udp.recvfrom(_CHUNK)
                self.udp.sendto(self._identity.line(_plain(address[0]), data), address)
            except BlockingIOError:
                return
            except OSError:  # an earlier answer could not be delivered
                continue

    def _talk(self, peer: Peer, events: int) -> None:
        try:
            if events & ~select.EPOLLOUT:
                data = peer.connection.recv(_CHUNK)
                if not data:
                    return self._drop(peer)
                peer.unsent += peer.conversation.receive(data)
            if peer.unsent:
                peer.unsent = peer.unsent[peer.connection.send(peer.unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            return self._drop(peer)
        if not peer.unsent and peer.conversation.closing:
            return self._drop(peer)
        self._poll.modify(peer.connection.fileno(), select.EPOLLOUT if peer.unsent else select.EPOLLIN)
        return None

    def _drop(self, peer: Peer) -> None:
        del self._peers[peer.connection.fileno()]
        self._poll.unregister(peer.connection.fileno())
        peer.connection.close()


def _bound(kind: int, port: int) -> socket.socket:
    try:
        made = socket.socket(socket.AF_INET6, kind)
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        host = "::"
    except OSError:
        made, host = socket.socket(socket.AF_INET, kind), "0.0.0.0"
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((host, port))
    made.setblocking(False)
    return made


def _plain(address: str) -> str:
    """An IPv4 address without the IPv6 prefix that it wears on an IPv6 socket."""
    return address.removeprefix("::ffff:")


def port_of(arguments: list[str], variables: dict[str, str]) -> int:
    """Ends the program with a message where the port is none."""
    text = variables.get("PORT", "8080")
    if arguments:
        if len(arguments) == 2 and arguments[0] == "--port":
            text = arguments[1]
        elif len(arguments) == 1 and arguments[0].startswith("--port="):
            text = arguments[0].removeprefix("--port=")
        else:
            raise SystemExit(f"echo: unknown arguments {arguments}: use --port N")
    if not text.isdecimal() or not 0 <= int(text) <= 65535:
        raise SystemExit(f"echo: {text!r} is no port number")
    return int(text)


def drain_on_sigterm(identity: Identity) -> None:
    def drain(*_: object) -> None:
        identity.ready = False
        signal.setitimer(signal.ITIMER_REAL, DRAIN_SECONDS)

    def leave(*_: object) -> None:
        sys.exit(0)

    signal.signal(signal.SIGTERM, drain)
    signal.signal(signal.SIGALRM, leave)


def main() -> None:
    variables = dict(os.environ)
    identity = Identity(variables)
    drain_on_sigterm(identity)
    try:
        server = Server(identity, port_of(sys.argv[1:], variables))
    except OSError as error:
        raise SystemExit(f"echo: cannot listen: {error.strerror}") from None
    sys.stdout.write(f"{identity.pod} listens on port {server.port}\n")
    sys.stdout.flush()
    sys.exit(server.serve())


if __name__ == "__main__":
    main()
