from moorage.lab.probes import ProbeKind, ProbeRun, begin, probe_of, record
from moorage.model.pods import Container, Probe

PROBE = Probe(period_seconds=2, failure_threshold=2, success_threshold=2)


def test_a_container_has_three_probes() -> None:
    container = Container(startup_probe=Probe(period_seconds=1), liveness_probe=Probe(period_seconds=2), readiness_probe=PROBE)
    assert [probe_of(container, kind) for kind in ProbeKind] == [Probe(period_seconds=1), Probe(period_seconds=2), PROBE]


def test_the_first_attempt_waits_for_the_initial_delay() -> None:
    assert begin(ProbeKind.READINESS, Probe(initial_delay_seconds=5), 100.0).due_at == 105.0
    assert begin(ProbeKind.LIVENESS, Probe(initial_delay_seconds=5), 100.0).due_at == 105.0


def test_early_attempts_come_quickly_and_their_failures_do_not_count() -> None:
    run = begin(ProbeKind.READINESS, PROBE, 100.0)
    dues = []
    for _ in range(6):
        dues.append(round(run.due_at - 100.0, 2))
        assert not run.counts
        run = record(PROBE, run, False, run.due_at)
    assert dues == [0.0, 0.05, 0.15, 0.35, 0.75, 1.55]
    assert run.due_at == run.tick_at == 102.0
    assert run.streak == 0
    run = record(PROBE, record(PROBE, run, False, 102.0), False, 104.0)
    assert run.verdict is False


def test_thresholds_count_outcomes_in_a_row() -> None:
    run = begin(ProbeKind.READINESS, PROBE, 100.0)
    verdicts = []
    for success in (True, True, False, True, False, False, True, True):
        run = record(PROBE, run, success, run.due_at)
        verdicts.append(run.verdict)
    assert verdicts == [None, True, True, True, True, False, False, True]


def test_after_a_success_attempts_are_a_period_apart_and_a_late_one_does_not_shift_them() -> None:
    run = record(PROBE, begin(ProbeKind.READINESS, PROBE, 100.0), True, 100.01)
    assert run.due_at == 102.0
    assert record(PROBE, run, False, 102.7).due_at == 104.0
    assert record(PROBE, run, True, 107.5).due_at == 108.0


def test_liveness_is_never_early() -> None:
    run = begin(ProbeKind.LIVENESS, Probe(), 100.0)
    assert run.counts
    run = record(Probe(), run, False, 100.0)
    assert (run.due_at, run.streak, run.verdict) == (110.0, -1, None)
    run = record(Probe(), record(Probe(), run, False, 110.0), False, 120.0)
    assert run == ProbeRun(due_at=130.0, tick_at=130.0, verdict=False, streak=-3, pause=0.0)
