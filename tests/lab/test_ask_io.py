import pytest

from moorage.lab.ask_io import Question, Tally, main


def test_a_question_is_read() -> None:
    question = Question(["http://web.shop:81/a/b?c", "--count", "9", "--concurrency=3", "--timeout", "0.5", "--method", "POST"])
    assert (question.scheme, question.host, question.port, question.path) == ("http", "web.shop", 81, "/a/b?c")
    assert (question.count, question.concurrency, question.timeout, question.method) == (9, 3, 0.5, "POST")


def test_http_has_a_usual_port_and_ipv6_addresses_their_brackets() -> None:
    assert (Question(["http://web"]).port, Question(["http://web"]).path) == (80, "/")
    question = Question(["udp://[2001:db8::1]:53"])
    assert (question.host, question.port) == ("2001:db8::1", 53)
    assert Question(["http://[2001:db8::1]/x"]).port == 80


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        *(["web"], ["https://web"], ["tcp://web"], ["http://web:x"], ["http://web:70000"], ["http://:80"], ["http://a", "b"]),
        *(["http://a", "--count", "x"], ["http://a", "--count", "0"], ["http://a", "--count"], ["http://a", "--what"]),
    ],
)
def test_what_cannot_be_asked_is_explained(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("ask: ")


def test_the_tally_counts_by_pod_and_by_kind_of_failure() -> None:
    tally = Tally()
    for number in range(1, 101):
        tally.answered(number / 1000, {"pod": "web-1" if number % 2 else "web-2", "client": "192.0.2.7"})
    tally.refused("timeout")
    tally.refused("timeout", 2)
    assert (tally.ok, tally.failed) == (100, 3)
    assert (tally.pods, tally.clients, tally.nodes) == ({"web-1": 50, "web-2": 50}, {"192.0.2.7": 100}, {})
    assert tally.errors == {"timeout": 3}
    assert tally.latencies() == {"p50": 51.0, "p99": 100.0, "max": 100.0}
    assert Tally().latencies() == {}
