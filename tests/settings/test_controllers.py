from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.run.controller import MAKERS, Means
from moorage.settings.controllers import NAMES, ON_KUBERNETES, chosen
from moorage.settings.roles import ControllerSettings


def test_a_star_is_all_and_nothing_is_none() -> None:
    assert chosen(["*"]).names == tuple(NAMES)
    assert chosen([]).names == ()


def test_one_may_be_left_out_wherever_the_star_stands() -> None:
    expected = tuple(each for each in NAMES if each != "scheduler")
    assert chosen(["*", "-scheduler"]).names == chosen(["-scheduler", "*"]).names == expected


def test_some_may_be_named() -> None:
    assert chosen(["scheduler", "endpoints-controller"]).names == ("endpoints-controller", "scheduler")
    assert chosen(["-scheduler"]).names == ()
    assert chosen(["scheduler", "-scheduler"]).names == ("scheduler",)


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("endpointslices", "did you mean endpointslice-controller?"),
        ("-sched", "did you mean scheduler?"),
        ("x", "must be *, or one of"),
    ],
)
def test_what_does_not_exist_is_told(word: str, words: str) -> None:
    (wrong,) = chosen(["*", word]).wrong
    assert wrong.field == "controllers[1]"
    assert words in wrong.message


@given(st.lists(st.sampled_from(["*", *NAMES, *(f"-{each}" for each in NAMES)])))
def test_a_name_runs_as_the_first_word_about_it_says(words: list[str]) -> None:
    names = chosen(words).names
    for name in NAMES:
        about = [each for each in words if each.removeprefix("-") == name]
        assert (name in names) == (about[0] == name if about else "*" in words)


def test_every_name_is_a_controller() -> None:
    assert list(MAKERS) == list(NAMES)
    assert set(ON_KUBERNETES) <= set(NAMES)
    made = [MAKERS[name](Means(ControllerSettings(), None)) for name in NAMES if name != "serviceaccount-controller"]
    assert len({each.name for each in made}) == len(made)
