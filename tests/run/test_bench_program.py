"""A child program of a benchmark: what it hears and says, and what is said of one that fails."""

from __future__ import annotations

import asyncio
import sys
import time

import pytest

from moorage.model.errors import HostError
from moorage.run.bench_program import program


def python(code: str) -> tuple[str, ...]:
    return sys.executable, "-I", "-S", "-c", code


def test_orders_words_and_figures() -> None:
    code = "import sys; orders = sys.stdin.readline(); print('ready', flush=True); sys.stdin.read(); print(orders)"

    async def story() -> list[int]:
        async with program("the child", python(code), [1, 2]) as running:
            await running.hear("ready", 10.0)
            return await running.figures(list[int], 10.0)

    assert asyncio.run(story()) == [1, 2]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise SystemExit('it is broken')", r"the child gave no figures: .* \(exit status 1\): it is broken"),
        ("print('no')", "the child gave no figures"),
        ("import time; time.sleep(60)", "the child said nothing within 1 s"),
    ],
)
def test_a_child_that_fails(code: str, words: str) -> None:
    async def story() -> None:
        async with program("the child", python(code), None) as running:
            await running.figures(list[int], 1.0)

    since = time.monotonic()
    with pytest.raises(HostError, match=words):
        asyncio.run(story())
    assert time.monotonic() - since < 10


def test_another_word_than_expected() -> None:
    async def story() -> None:
        async with program("the child", python("print('steady')"), None) as running:
            await running.hear("ready", 10.0)

    with pytest.raises(HostError, match="did not say 'ready' but b'steady"):
        asyncio.run(story())
