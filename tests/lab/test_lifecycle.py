import msgspec
import pytest

from moorage.lab import pod_run
from moorage.lab.containers import Exited, Running, Waiting
from moorage.lab.lifecycle import pre_stop_sleep
from moorage.lab.probes import ProbeKind
from moorage.model.meta import Condition
from moorage.model.pods import Container, ContainerStatus, PodStatus, Probe
from moorage.model.reason import Reason
from moorage.model.withdrawal import WAIT_ANNOTATION, WITHDRAWN
from tests.lab.driving import Driven, make_pod

WEB = Container(name="web", image="moorage/echo")


def test_a_pod_gets_its_network_and_then_its_containers() -> None:
    driven = Driven(make_pod(WEB, Container(name="side", image="moorage/echo")))
    assert driven.go() == ["attach"]
    assert driven.go() == []
    assert driven.attached() == ["start web", "start side"]
    assert driven.go() == []
    assert driven.started("web") == []
    assert driven.wake_at is None


def test_a_network_that_cannot_be_made_is_tried_again() -> None:
    driven = Driven(make_pod())
    driven.go()
    driven.run = pod_run.not_attached(driven.run, driven.now)
    assert driven.go() == []
    assert driven.wake_at == driven.now + 1.0
    assert driven.go(driven.now + 1.0) == ["attach"]


def test_what_the_lab_leaves_out_is_said_once() -> None:
    driven = Driven(make_pod(Container(name="web", image="moorage/echo", volume_mounts=({"name": "data"},))))
    assert driven.go() == ["attach"]
    assert [each.reason for each in driven.said] == [Reason.UNSUPPORTED]
    driven.run = pod_run.not_attached(driven.run, driven.now)
    assert driven.go(driven.now + 1.0) == ["attach"]
    assert driven.said == []


def test_init_containers_run_one_after_the_other_and_before_the_others() -> None:
    inits = (Container(name="one", image="moorage/echo"), Container(name="two", image="moorage/echo"))
    driven = Driven(make_pod(init_containers=inits))
    driven.go()
    assert driven.attached() == ["start one"]
    assert driven.started("one") == []
    assert driven.exited(0, "one") == ["start two"]
    driven.started("two")
    assert driven.exited(1, "two") == ["start two"]
    driven.started("two")
    assert driven.exited(0, "two") == ["start web"]


def test_a_failed_init_container_that_is_not_restarted_ends_the_pod() -> None:
    driven = Driven(make_pod(init_containers=(Container(name="one", image="moorage/echo"),), restart_policy="Never"))
    driven.go()
    driven.attached()
    driven.started("one")
    assert driven.exited(1, "one") == []
    assert driven.run.over
    assert driven.status.phase == "Failed"


def test_a_container_that_keeps_exiting_is_started_ever_later() -> None:
    driven = Driven(make_pod()).running()
    assert driven.exited(1) == ["start web"]
    driven.started()
    assert driven.exited(1) == []
    assert driven.wake_at == driven.now + 10.0
    assert [(each.reason, each.message) for each in driven.said] == [
        (Reason.BACK_OFF, "Back-off restarting failed container web in pod web_default(uid-1)")
    ]
    assert driven.go() == []
    assert driven.said == []
    assert driven.go(driven.now + 10.0) == ["start web"]


@pytest.mark.parametrize(("policy", "code", "starts"), [("OnFailure", 1, True), ("OnFailure", 0, False), ("Never", 1, False)])
def test_the_restart_policy_decides_whether_it_is_started_again(policy: str, code: int, starts: bool) -> None:
    driven = Driven(make_pod(restart_policy=policy)).running()
    assert driven.exited(code) == (["start web"] if starts else [])
    assert driven.run.over is not starts


def test_a_start_that_fails_is_tried_again_whatever_the_policy() -> None:
    driven = Driven(make_pod(restart_policy="Never"))
    driven.go()
    driven.attached()
    assert driven.not_started("CreateContainerError") == []
    assert driven.wake_at == driven.now + 10.0
    assert driven.go(driven.now + 10.0) == ["start web"]


def test_an_image_that_cannot_be_run_waits_and_says_so_once() -> None:
    driven = Driven(make_pod(Container(name="web", image="nginx")))
    driven.go()
    assert driven.attached() == []
    assert [(each.reason, each.warning) for each in driven.said] == [(Reason.IMAGE_NOT_RUNNABLE, True)]
    assert driven.go() == []
    assert driven.said == []
    state = driven.run.containers["web"].state
    assert isinstance(state, Waiting)
    assert state.reason == "ErrImageNeverPull"
    driven.pod = make_pod(WEB)
    assert driven.go() == ["start web"]


def test_a_new_image_replaces_the_running_one() -> None:
    driven = Driven(make_pod()).running()
    driven.pod = make_pod(Container(name="web", image="moorage/echo:2"))
    assert driven.go() == ["term web"]
    assert [each.message for each in driven.said] == ["Container web definition changed, will be restarted"]
    assert driven.exited(143) == ["start web"]


def test_a_readiness_probe_is_attempted_when_due_and_once_at_a_time() -> None:
    probe = Probe(period_seconds=1, initial_delay_seconds=2)
    driven = Driven(make_pod(Container(name="web", image="moorage/echo", readiness_probe=probe))).running()
    assert driven.wake_at == driven.now + 2.0
    assert driven.go(driven.now + 2.0) == ["readiness web"]
    assert driven.go(driven.now + 5.0) == []
    assert not driven.status.container_statuses[0].ready
    assert driven.probed(ProbeKind.READINESS, True) == []
    assert driven.status.container_statuses[0].ready
    assert driven.wake_at == driven.now + 1.0


def test_a_failing_liveness_probe_restarts_the_container() -> None:
    probe = Probe(period_seconds=1, failure_threshold=2, termination_grace_period_seconds=3)
    driven = Driven(make_pod(Container(name="web", image="moorage/echo", liveness_probe=probe)))
    driven.go()
    driven.attached()
    assert driven.started() == ["liveness web"]
    assert driven.probed(ProbeKind.LIVENESS, False) == []
    assert driven.go(driven.now + 1.0) == ["liveness web"]
    assert driven.probed(ProbeKind.LIVENESS, False) == ["term web"]
    assert [each.message for each in driven.said] == ["Container web failed liveness probe, will be restarted"]
    assert driven.wake_at == driven.now + 3.0
    assert driven.go(driven.now + 3.0) == ["kill web"]
    assert driven.exited(137) == ["start web"]
    assert driven.started() == ["liveness web"]


def test_other_probes_wait_for_the_startup_probe() -> None:
    probe = Probe(period_seconds=1)
    web = Container(name="web", image="moorage/echo", startup_probe=probe, liveness_probe=probe, readiness_probe=probe)
    driven = Driven(make_pod(web))
    driven.go()
    driven.attached()
    assert driven.started() == ["startup web"]
    assert driven.probed(ProbeKind.STARTUP, True) == ["liveness web", "readiness web"]
    assert driven.go(driven.now + 60.0) == []


def test_an_outcome_of_an_earlier_run_is_dropped() -> None:
    probe = Probe(period_seconds=1, initial_delay_seconds=1)
    driven = Driven(make_pod(Container(name="web", image="moorage/echo", readiness_probe=probe))).running()
    before = driven.run
    driven.probed(ProbeKind.READINESS, True)
    assert driven.run == before
    driven.exited(0)
    driven.probed(ProbeKind.READINESS, True)
    assert driven.run.containers["web"].probes == {}


def test_deletion_asks_and_after_the_grace_kills() -> None:
    driven = Driven(make_pod()).running()
    assert driven.delete(grace=5) == ["term web"]
    assert [(each.reason, each.message) for each in driven.said] == [(Reason.KILLING, "Stopping container web")]
    assert driven.wake_at == driven.now + 5.0
    assert driven.go(driven.now + 5.0) == ["kill web"]
    assert driven.wake_at is None
    assert driven.exited(137) == ["finish"]
    assert driven.go() == []


def test_a_second_request_can_shorten_the_grace_and_not_lengthen_it() -> None:
    driven = Driven(make_pod()).running()
    driven.delete(grace=30)
    assert driven.delete(grace=60) == []
    assert driven.wake_at == driven.now + 30.0
    assert driven.delete(grace=1) == []
    assert driven.wake_at == driven.now + 1.0
    assert driven.go(driven.now + 1.0) == ["kill web"]


def test_sigterm_is_held_back_by_a_pre_stop_sleep_but_not_beyond_the_grace() -> None:
    web = Container(name="web", image="moorage/echo", lifecycle={"preStop": {"sleep": {"seconds": 3}}})
    driven = Driven(make_pod(web)).running()
    assert driven.delete(grace=5) == []
    assert driven.wake_at == driven.now + 3.0
    assert driven.go(driven.now + 3.0) == ["term web"]
    assert driven.wake_at == driven.now + 2.0
    assert pre_stop_sleep(WEB) == 0.0


def test_a_terminating_container_is_still_asked_whether_it_is_ready_but_not_whether_it_lives() -> None:
    probe = Probe(period_seconds=1)
    web = Container(name="web", image="moorage/echo", liveness_probe=probe, readiness_probe=probe)
    driven = Driven(make_pod(web)).running()
    driven.probed(ProbeKind.LIVENESS, True)
    driven.probed(ProbeKind.READINESS, True)
    driven.delete(grace=30)
    assert driven.go(driven.now + 2.0) == ["readiness web"]


def test_a_pod_that_waits_to_be_restarted_is_gone_at_once() -> None:
    driven = Driven(make_pod()).running()
    driven.exited(1)
    driven.started()
    driven.exited(1)
    assert driven.delete(grace=30) == ["finish"]


def test_a_container_that_is_just_being_started_is_waited_for_and_ended() -> None:
    driven = Driven(make_pod())
    driven.go()
    driven.attached()
    assert driven.delete(grace=30) == []
    assert driven.started() == ["term web"]
    assert driven.exited(0) == ["finish"]


def test_a_pod_of_an_earlier_kubelet_is_started_again() -> None:
    status = PodStatus(
        phase="Running", container_statuses=(ContainerStatus(name="web", state={"running": {}}, restart_count=1),)
    )
    driven = Driven(make_pod(status=status))
    assert driven.go() == ["attach"]
    assert driven.attached() == ["start web"]
    driven.started()
    run = driven.run.containers["web"]
    assert (run.restarts, run.state) == (2, Running(driven.now))
    assert isinstance(run.last, Exited)
    assert run.last.code == 255


def test_a_completed_pod_of_an_earlier_kubelet_is_left_alone_until_it_is_deleted() -> None:
    ended = ContainerStatus(name="web", state={"terminated": {"exitCode": 0, "reason": "Completed"}})
    driven = Driven(make_pod(status=PodStatus(phase="Succeeded", container_statuses=(ended,)), restart_policy="Never"))
    assert driven.go() == []
    assert driven.status.phase == "Succeeded"
    assert driven.delete(grace=30) == ["finish"]


def test_deciding_twice_changes_nothing() -> None:
    driven = Driven(make_pod()).running()
    first = driven.run
    driven.go()
    assert driven.run == first
    assert msgspec.structs.asdict(first)["address"] == "10.244.1.2"


def waiting_pod(grace: int) -> Driven:
    """A Pod that waits to be withdrawn and is being deleted."""
    driven = Driven(make_pod()).running()
    driven.pod = msgspec.structs.replace(
        driven.pod, metadata=msgspec.structs.replace(driven.pod.metadata, annotations={WAIT_ANNOTATION: "true"})
    )
    assert driven.delete(grace) == []
    return driven


def test_sigterm_waits_until_the_pod_is_withdrawn() -> None:
    driven = waiting_pod(30)
    assert driven.wake_at == driven.now + 25.0
    told = (Condition(type=WITHDRAWN, status="False"),)
    driven.pod = msgspec.structs.replace(driven.pod, status=msgspec.structs.replace(driven.pod.status, conditions=told))
    assert driven.go() == []
    told = (Condition(type=WITHDRAWN, status="True"),)
    driven.pod = msgspec.structs.replace(driven.pod, status=msgspec.structs.replace(driven.pod.status, conditions=told))
    assert driven.go() == ["term web"]
    assert driven.wake_at == driven.now + 30.0


def test_the_last_seconds_of_its_grace_are_a_pods_own() -> None:
    driven = waiting_pod(30)
    assert driven.go(driven.now + 24.9) == []
    assert driven.go(driven.now + 0.1) == ["term web"]
    assert waiting_pod(6).wake_at == 1001.0


def test_a_grace_of_a_few_seconds_leaves_no_time_to_wait() -> None:
    driven = Driven(make_pod()).running()
    driven.pod = msgspec.structs.replace(
        driven.pod, metadata=msgspec.structs.replace(driven.pod.metadata, annotations={WAIT_ANNOTATION: "true"})
    )
    assert driven.delete(5) == ["term web"]
    patient = waiting_pod(60)
    assert patient.delete(2) == ["term web"], "a later request may shorten the grace"
