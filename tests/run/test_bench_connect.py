"""`moorage bench connect` without packets: the timetable, what tallies become, and who has met the goal."""

from __future__ import annotations

import msgspec
import pytest

from moorage.cli.bench_connect import as_json, table
from moorage.run.bench_connect import Report
from moorage.run.bench_connect_stats import (
    PAUSE,
    SLICE,
    WINDOW,
    Names,
    Orders,
    PathReport,
    Route,
    Tally,
    Turn,
    Way,
    report,
    turns,
)
from tests.run.terminal import shown

NAMES = Names(name="NodePort", client="198.18.0.100", source="198.18.0.11")
CLIENTS = 2
PER_WINDOW = round(WINDOW / SLICE)


def tally(rate: float, **more: float) -> Tally:
    """Of a client that gets on at this rate."""
    return msgspec.structs.replace(Tally(done=round(rate * SLICE), seconds=SLICE, cpu=0.1, server_cpu=0.05), **more)


def measured(order: tuple[Turn, ...], paths: list[Tally], direct: float = 1000) -> PathReport:
    """Both clients do the same: `paths` in the path's turns, `direct` connections a second in the others."""
    rest = iter(paths)
    one = [next(rest) if turn.way is Way.PATH else tally(direct) for turn in order]
    return report(NAMES, order, [one] * CLIENTS)


def test_path_and_direct_way_take_turns_and_share_a_drift() -> None:
    order = turns(1.0, begin=100.0)
    assert [turn.way for turn in order] == [
        Way.DIRECT,
        Way.PATH,
        Way.PATH,
        Way.DIRECT,
        Way.DIRECT,
        Way.PATH,
        Way.PATH,
        Way.DIRECT,
    ]
    assert [turn.at for turn in order] == pytest.approx([100.0 + n * (SLICE + PAUSE) for n in range(8)])
    assert len(turns(0.01, 0.0)) == 2, "at least one turn each"


def test_rates_and_ratios() -> None:
    order = turns(2 * WINDOW, 0.0)
    found = measured(order, [tally(960)] * PER_WINDOW + [tally(920)] * PER_WINDOW)
    assert (found.rate, found.rate_min_window, found.direct_rate) == (1880.0, 1840.0, 2000.0)
    assert found.windows == (1920.0, 1840.0)
    assert found.window_ratios == (0.96, 0.92)
    assert (found.ratio, found.ratio_min_window) == (0.94, 0.92)
    assert found.connections == CLIENTS * PER_WINDOW * (240 + 230)
    assert found.seconds == 2 * WINDOW
    assert found.direct_cpu_us == pytest.approx(1e6 * (2 * 0.1 + 0.05) / 500, abs=0.1)


def test_one_bad_window_is_seen_and_does_not_move_the_median() -> None:
    found = measured(turns(3 * WINDOW, 0.0), [tally(990)] * 2 * PER_WINDOW + [tally(200)] * PER_WINDOW)
    assert found.ratio == 0.992
    assert found.ratio_min_window == 0.2
    assert not found.met


def test_what_is_left_of_a_window_belongs_to_the_last() -> None:
    assert len(measured(turns(1.9 * WINDOW, 0.0), [tally(1000)] * 2 * PER_WINDOW).windows) == 1
    assert len(measured(turns(1.0, 0.0), [tally(1000)] * 4).windows) == 1


def test_a_client_that_hangs_lowers_the_rate_of_its_own_turn_alone() -> None:
    """The turn took it 3 s; those of the path after it were missed, and so do not count."""
    hung = tally(1000, seconds=3.0)
    found = measured(turns(1.0, 0.0), [hung, Tally(), Tally(), tally(1000)])
    assert found.rate == pytest.approx(CLIENTS * 2 * 250 / 3.25, abs=0.1)
    assert found.ratio == pytest.approx(0.5 * (1 / 12 + 1), abs=0.001), "the median of the two turns that took place"


def test_everything_that_went_wrong_is_counted() -> None:
    wrong = tally(1000, failed=1, resets=2, misdirected=3, slow=4)
    found = measured(turns(WINDOW, 0.0), [wrong] + [tally(1000)] * (PER_WINDOW - 1))
    assert (found.failed, found.resets, found.misdirected, found.slow) == (12, 4, 6, 8)
    assert (found.ratio, found.ratio_min_window) == (1.0, 1.0)
    assert not found.met, "no connection may be lost"


def test_nothing_got_through() -> None:
    found = measured(turns(1.0, 0.0), [Tally(failed=1, seconds=3.0)] + [Tally()] * 3)
    assert (found.rate, found.ratio, found.connections, found.failed) == (0.0, 0.0, 0, CLIENTS)
    assert not found.met


def good() -> PathReport:
    return measured(turns(WINDOW, 0.0), [tally(960)] * PER_WINDOW)


def test_the_goal_is_the_judged_paths_alone() -> None:
    slow = msgspec.structs.replace(good(), ratio=0.94)
    assert Report((good(),)).met
    assert not Report((good(), slow)).met
    assert Report((good(), msgspec.structs.replace(slow, judged=False))).met


def test_json_has_a_line_for_each_path() -> None:
    written = msgspec.json.decode(msgspec.json.encode(as_json(Report((good(),)))))
    assert written["met"] is True
    assert written["goal"] == 0.95
    assert "cores" in written["machine"]
    (path,) = written["paths"]
    assert path["name"] == "NodePort"
    assert {"rate", "ratio", "ratio_min_window", "connections", "failed", "slow", "windows", "met"} <= path.keys()


def test_the_table_fits_a_terminal() -> None:
    busy = msgspec.structs.replace(good(), name="NodePort Local", rate=14471.2, rate_min_window=13210.9, cpu_us=251.2)
    made = table(Report((busy,)))
    assert made.row_count == 1
    text = shown(made)
    assert "…" not in text
    assert "14471, 13211" in text


def test_orders_survive_the_way_to_a_client() -> None:
    routes = {Way.DIRECT: Route(("10.244.1.1", 8080), "a b"), Way.PATH: Route(("198.18.0.11", 30080), "c d")}
    orders = Orders(routes, turns(1.0, 5.0), SLICE, 4711)
    assert msgspec.json.decode(msgspec.json.encode(orders), type=Orders) == orders
