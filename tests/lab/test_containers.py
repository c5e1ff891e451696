from moorage.lab.containers import (
    BackOff,
    ContainerRun,
    Exited,
    Running,
    Waiting,
    asked_to_start,
    duration,
    exited,
    is_ready,
    is_started,
    not_started,
    restarts,
    resumed,
    started,
    status_of,
    waiting_for_restart,
)
from moorage.lab.probes import ProbeKind, ProbeRun
from moorage.model.pods import Container, ContainerStatus, Probe

BACK_OFF = BackOff(10.0, 40.0)
WEB = Container(name="web", image="moorage/echo")


def crash(run: ContainerRun, now: float, seconds: float = 1.0) -> ContainerRun:
    """Started at `now`, ended `seconds` later, and waits for its restart."""
    run = exited(started(run, "moorage/echo", now), 1, now + seconds)
    assert isinstance(run.state, Exited)
    return waiting_for_restart(run, run.state, BACK_OFF, "web pod=web_default(u)")


def test_the_pause_before_a_restart_doubles_up_to_the_limit() -> None:
    run, now, pauses = ContainerRun(), 100.0, []
    for _ in range(5):
        run = crash(run, now)
        assert run.start_at is not None
        pauses.append(run.start_at - now - 1.0)
        now = run.start_at
    assert pauses == [0.0, 10.0, 20.0, 40.0, 40.0]
    assert run.restarts == 4


def test_the_first_restart_is_at_once_and_later_ones_are_announced() -> None:
    first = crash(ContainerRun(), 100.0)
    assert first.state == Exited(1, 100.0, 101.0, "Error")
    second = crash(first, 101.0)
    assert second.state == Waiting("CrashLoopBackOff", "back-off 10s restarting failed container=web pod=web_default(u)")
    assert second.last == Exited(1, 101.0, 102.0, "Error")


def test_a_long_run_starts_the_pauses_over() -> None:
    run = crash(crash(ContainerRun(), 100.0), 101.0)
    run = crash(run, 200.0, seconds=80.0)
    assert run.start_at == 280.0


def test_a_restart_is_counted_when_the_container_runs_again() -> None:
    run = started(asked_to_start(ContainerRun()), "a", 100.0)
    assert (run.restarts, run.starting, run.state) == (0, False, Running(100.0))
    run = started(asked_to_start(exited(run, 0, 101.0)), "a", 102.0)
    assert (run.restarts, run.last) == (1, Exited(0, 100.0, 101.0, "Completed"))


def test_a_failed_start_is_tried_again_after_a_pause_that_grows() -> None:
    why = Waiting("CreateContainerError", "no such program")
    run = not_started(asked_to_start(ContainerRun()), why, 100.0, BACK_OFF)
    assert (run.state, run.starting, run.start_at) == (why, False, 110.0)
    assert not_started(run, why, 110.0, BACK_OFF).start_at == 130.0


def test_restart_policies() -> None:
    good, bad = Exited(0, 0.0, 1.0), Exited(1, 0.0, 1.0)
    assert [(restarts(policy, good), restarts(policy, bad)) for policy in ("", "Always", "OnFailure", "Never")] == [
        (True, True),
        (True, True),
        (False, True),
        (False, False),
    ]


def test_durations_are_printed_as_go_prints_them() -> None:
    assert [duration(each) for each in (0.25, 1.5, 10.0, 80.0, 300.0)] == ["250ms", "1.5s", "10s", "1m20s", "5m0s"]


def test_a_container_that_an_earlier_kubelet_ran_is_lost() -> None:
    run = resumed(ContainerStatus(name="web", state={"running": {"startedAt": "x"}}, restart_count=2), 100.0)
    assert isinstance(run.state, Exited)
    assert (run.state.code, run.state.reason, run.restarts) == (255, "Unknown", 2)
    assert started(run, "a", 101.0).restarts == 3


def test_a_container_that_had_ended_or_never_ran_stays_so() -> None:
    ended = resumed(ContainerStatus(state={"terminated": {"exitCode": 3, "reason": "Error"}}), 100.0)
    assert ended.state == Exited(3, 100.0, 100.0, "Error")
    assert resumed(ContainerStatus(state={"waiting": {"reason": "ContainerCreating"}}), 100.0) == ContainerRun()


def test_ready_means_started_and_as_the_readiness_probe_says() -> None:
    running = ContainerRun(state=Running(100.0))
    passed = ProbeRun(due_at=0.0, tick_at=0.0, verdict=True)
    both = Container(startup_probe=Probe(), readiness_probe=Probe())
    assert is_ready(Container(), running)
    assert not is_ready(Container(), ContainerRun())
    assert not is_started(both, running)
    half = ContainerRun(state=Running(100.0), probes={ProbeKind.STARTUP: passed})
    assert is_started(both, half)
    assert not is_ready(both, half)
    assert is_ready(both, ContainerRun(state=Running(100.0), probes={ProbeKind.STARTUP: passed, ProbeKind.READINESS: passed}))


def test_the_status_of_a_restarted_container() -> None:
    run = started(exited(started(ContainerRun(), "moorage/echo", 100.0), 137, 160.0), "moorage/echo", 161.0)
    status = status_of(WEB, run, True, "uid-1")
    assert status.state == {"running": {"startedAt": "1970-01-01T00:02:41Z"}}
    assert status.last_state == {
        "terminated": {
            "exitCode": 137,
            "reason": "Error",
            "startedAt": "1970-01-01T00:01:40Z",
            "finishedAt": "1970-01-01T00:02:40Z",
        }
    }
    assert (status.restart_count, status.ready, status.started, status.container_id) == (1, True, True, "lab://uid-1-web-1")


def test_the_status_of_a_container_that_waits() -> None:
    status = status_of(WEB, ContainerRun(state=Waiting("ErrImageNeverPull", "no")), False, "uid-1")
    assert status.state == {"waiting": {"reason": "ErrImageNeverPull", "message": "no"}}
    assert (status.container_id, status.image_id, status.last_state, status.started) == ("", "", {}, False)
