"""A client for any vantage point: sends requests, each over a connection of its own, and prints what came of them as JSON.

    ask http://NAME[:PORT][/PATH] | tcp://NAME:PORT | udp://NAME:PORT
        [--count 1] [--concurrency 1] [--timeout 2.0] [--interval 0.0] [--method GET]

The name is resolved once, with the resolver of the Pod or machine it runs on. Exit status: 0 when every request was answered
well, 1 when not, 2 when used wrongly. It imports little, so that one question is asked as fast as a person expects.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time

USAGE = "ask http|tcp|udp://HOST[:PORT][/PATH] [--count N] [--concurrency N] [--timeout S] [--interval S] [--method GET]"
_CHUNK = 1 << 16


class Question:
    """The command line, taken apart. Raises ValueError with a sentence for the person who typed it."""

    def __init__(self, arguments: list[str]) -> None:
        self.count, self.concurrency = 1, 1
        self.timeout, self.interval = 2.0, 0.0
        self.method = "GET"
        target = ""
        rest = iter(arguments)
        for word in rest:
            name, given, value = word.partition("=")
            if name in ("--count", "--concurrency", "--timeout", "--interval", "--method"):
                self._set(name[2:], value if given else next(rest, ""))
            elif target or word.startswith("-"):
                raise ValueError(f"what is {word!r}? {USAGE}")
            else:
                target = word
        if self.count < 1 or self.concurrency < 1:
            raise ValueError("--count and --concurrency start at 1")
        self.target = target
        self.scheme, _, rest_of_target = target.partition("://")
        if self.scheme not in ("http", "tcp", "udp"):
            raise ValueError(f"whom to ask? {USAGE}")
        place, slash, path = rest_of_target.partition("/")
        self.path = slash + path or "/"
        self.host, self.port = self._place(place)

    def _set(self, name: str, value: str) -> None:
        if name == "method":
            self.method = value
            return
        try:
            setattr(self, name, float(value) if name in ("timeout", "interval") else int(value))
        except ValueError:
            raise ValueError(f"--{name} wants a number, not {value!r}") from None

    def _place(self, place: str) -> tuple[str, int]:
        if place.startswith("["):
            host, _, port = place[1:].partition("]")
            port = port.removeprefix(":")
        else:
            host, _, port = place.partition(":")
        if not port and self.scheme == "http":
            port = "80"
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError(f"{place!r} needs a host and a port: {USAGE}")
        return host, int(port)


class Refusal(Exception):
    """A request without a good answer. The text is the kind it is counted under."""


class Tally:
    """What came of the requests so far; many threads report to it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latencies: list[float] = []
        self.ok = self.failed = 0
        self.pods: dict[str, int] = {}
        self.nodes: dict[str, int] = {}
        self.clients: dict[str, int] = {}
        self.errors: dict[str, int] = {}

    def answered(self, seconds: float, answer: dict[str, str]) -> None:
        with self._lock:
            self.ok += 1
            self._latencies.append(seconds)
            for counts, key in ((self.pods, "pod"), (self.nodes, "node"), (self.clients, "client")):
                if value := answer.get(key):
                    counts[value] = counts.get(value, 0) + 1

    def refused(self, kind: str, times: int = 1) -> None:
        with self._lock:
            self.failed += times
            self.errors[kind] = self.errors.get(kind, 0) + times

    def latencies(self) -> dict[str, float]:
        """Milliseconds from the first packet to the whole answer."""
        ordered = sorted(self._latencies)
        if not ordered:
            return {}
        at = {"p50": 0.5, "p99": 0.99, "max": 1.0}
        return {name: round(ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1000, 2) for name, part in at.items()}


Place = tuple[socket.AddressFamily, tuple[str, int]]


def resolve(question: Question) -> Place:
    """The first address of the name. Raises Refusal."""
    try:
        found = socket.getaddrinfo(question.host, question.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        raise Refusal("name not resolved") from None
    family, _, _, _, address = found[0]
    return family, (str(address[0]), int(address[1]))


def ask(question: Question, place: Place) -> dict[str, str]:
    """One request over a new socket; what the answer says of the Pod, its node and the client. Raises Refusal."""
    family, address = place
    try:
        with socket.socket(family, socket.SOCK_DGRAM if question.scheme == "udp" else socket.SOCK_STREAM) as connection:
            connection.settimeout(question.timeout)
            connection.connect(address)
            return _http(question, connection) if question.scheme == "http" else _line(connection)
    except TimeoutError:
        raise Refusal("timeout") from None
    except ConnectionRefusedError:
        raise Refusal("connection refused") from None
    except ConnectionResetError:
        raise Refusal("connection reset") from None
    except OSError as error:
        raise Refusal((error.strerror or str(error)).lower()) from None


def _line(connection: socket.socket) -> dict[str, str]:
    """Raw TCP or UDP: "POD CLIENT TEXT" comes back."""
    connection.sendall(b"hello\n")
    words = connection.recv(_CHUNK).decode(errors="replace").split()
    if not words:
        raise Refusal("empty answer")
    return dict(zip(("pod", "client"), words, strict=False))


def _http(question: Question, connection: socket.socket) -> dict[str, str]:
    head = (
        f"{question.method} {question.path} HTTP/1.1\r\nHost: {question.host}:{question.port}\r\nUser-Agent: ask\r\n"
        f"Connection: close\r\nContent-Length: 0\r\n\r\n"
    )
    connection.sendall(head.encode())
    received = b""
    while data := connection.recv(_CHUNK):
        received += data
    status, _, body = received.partition(b"\r\n\r\n")
    words = status.split()
    if len(words) < 2 or not words[1].isdigit():
        raise Refusal("empty answer" if not received else "no http answer")
    if not 200 <= int(words[1]) < 400:
        raise Refusal(f"http {int(words[1])}")
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return {key: value for key, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}


def run(question: Question, place: Place) -> Tally:
    """All requests; `concurrency` workers take the next one until none is left."""
    tally = Tally()
    numbers = iter(range(question.count))
    next_number = threading.Lock()

    def work() -> None:
        while True:
            with next_number:
                number = next(numbers, None)
            if number is None:
                return
            started = time.monotonic()
            try:
                answer = ask(question, place)
                tally.answered(time.monotonic() - started, answer)
            except Refusal as refusal:
                tally.refused(str(refusal))
            if question.interval:
                time.sleep(question.interval)

    workers = [threading.Thread(target=work) for _ in range(min(question.concurrency, question.count) - 1)]
    for each in workers:
        each.start()
    work()
    for each in workers:
        each.join()
    return tally


def main(arguments: list[str]) -> int:
    try:
        question = Question(arguments)
    except ValueError as error:
        sys.stderr.write(f"ask: {error}\n")
        return 2
    started = time.monotonic()
    address = ""
    try:
        place = resolve(question)
        address = place[1][0]
        tally = run(question, place)
    except Refusal as refusal:
        tally = Tally()
        tally.refused(str(refusal), question.count)
    summary = {
        "target": question.target,
        "address": address,
        "requests": question.count,
        "ok": tally.ok,
        "failed": tally.failed,
        "pods": dict(sorted(tally.pods.items())),
        "nodes": dict(sorted(tally.nodes.items())),
        "clients": dict(sorted(tally.clients.items())),
        "errors": dict(sorted(tally.errors.items())),
        "latency_ms": tally.latencies(),
        "seconds": round(time.monotonic() - started, 3),
    }
    sys.stdout.write(json.dumps(summary) + "\n")
    return 0 if not tally.failed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
