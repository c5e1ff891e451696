from __future__ import annotations

from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from moorage.observe.self_check import FAILURES, NOT_YET, PERIOD, TIMEOUT, SelfCheck, after


def check(*problems: str) -> SelfCheck:
    return reduce(after, problems, SelfCheck())


def test_nobody_is_told_that_rules_work_before_they_have() -> None:
    assert check() == SelfCheck(False, 0, 0, NOT_YET)
    assert check("") == SelfCheck(True, 0, 0, "")
    assert check("no") == SelfCheck(False, 1, 1, "no")


def test_one_failure_is_forgiven_and_two_are_not() -> None:
    assert check("", "no") == SelfCheck(True, 1, 1, "")
    assert check("", "no", "never") == SelfCheck(False, 2, 2, "never")
    assert check("", "no", "never", "") == SelfCheck(True, 0, 2, "")


def test_what_breaks_is_known_within_two_seconds() -> None:
    assert PERIOD + (FAILURES - 1) * max(PERIOD, TIMEOUT) + TIMEOUT < 2


@given(st.lists(st.sampled_from(["", "no"])))
def test_healthy_is_whoever_succeeded_and_has_not_failed_so_often_since(outcomes: list[str]) -> None:
    found = check(*outcomes)
    since = outcomes[::-1].index("") if "" in outcomes else None
    assert found.healthy == (since is not None and since < FAILURES)
    assert found.failed == outcomes.count("no")
    assert bool(found.trouble) == (not found.healthy)
