from moorage.lab.pod_status import status_patch
from moorage.lab.probes import ProbeKind
from moorage.model.meta import Condition, condition
from moorage.model.pods import Container, PodIP, PodStatus, Probe
from tests.lab.driving import Driven, make_pod

READY = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")


def conditions(status: PodStatus) -> dict[str, str]:
    return {each.type: each.status for each in status.conditions}


def test_a_pod_from_its_first_moment_until_it_runs() -> None:
    driven = Driven(make_pod())
    driven.go()
    status = driven.status
    assert (status.phase, status.host_ip, status.pod_ip, status.start_time) == (
        "Pending",
        "198.18.0.11",
        "",
        "1970-01-01T00:16:40Z",
    )
    assert status.observed_generation == 2
    assert conditions(status) == dict(zip(READY, ("False", "True", "False", "False", "True"), strict=True))
    assert condition(status.conditions, "Ready") == Condition(
        type="Ready",
        status="False",
        reason="ContainersNotReady",
        message="containers with unready status: [web]",
        last_transition_time="1970-01-01T00:16:40Z",
    )
    driven.attached()
    driven.started()
    status = driven.status
    assert (status.phase, status.pod_ip, status.pod_ips) == ("Running", "10.244.1.2", (PodIP(ip="10.244.1.2"),))
    assert set(conditions(status).values()) == {"True"}


def test_a_condition_keeps_its_time_until_it_changes() -> None:
    driven = Driven(make_pod(Container(name="web", image="moorage/echo", readiness_probe=Probe(period_seconds=1)))).running()
    assert [each.last_transition_time for each in driven.status.conditions] == ["1970-01-01T00:16:40Z"] * 5
    driven.now += 10
    driven.go()
    driven.probed(ProbeKind.READINESS, True)
    times = {each.type: each.last_transition_time for each in driven.status.conditions}
    assert times["Ready"] == times["ContainersReady"] == "1970-01-01T00:16:50Z"
    assert times["PodScheduled"] == times["Initialized"] == "1970-01-01T00:16:40Z"


def test_while_init_containers_run_the_others_wait_for_them() -> None:
    driven = Driven(make_pod(init_containers=(Container(name="one", image="moorage/echo"),)))
    driven.go()
    driven.attached()
    driven.started("one")
    status = driven.status
    assert status.phase == "Pending"
    assert status.container_statuses[0].state == {"waiting": {"reason": "PodInitializing"}}
    found = condition(status.conditions, "Initialized")
    assert found is not None
    assert (found.status, found.message) == ("False", "containers with incomplete status: [one]")
    driven.exited(0, "one")
    driven.started()
    status = driven.status
    assert (status.phase, status.init_container_statuses[0].ready) == ("Running", True)
    assert conditions(status)["Initialized"] == "True"


def test_the_phase_of_ended_containers_follows_the_restart_policy() -> None:
    phases = {}
    for policy in ("Always", "OnFailure", "Never"):
        for code in (0, 1):
            driven = Driven(make_pod(restart_policy=policy)).running()
            driven.exited(code)
            phases[policy, code] = driven.status.phase
    assert phases == {
        ("Always", 0): "Running",
        ("Always", 1): "Running",
        ("OnFailure", 0): "Succeeded",
        ("OnFailure", 1): "Running",
        ("Never", 0): "Succeeded",
        ("Never", 1): "Failed",
    }


def test_one_container_that_cannot_be_run_keeps_the_pod_pending() -> None:
    driven = Driven(make_pod(Container(name="web", image="moorage/echo"), Container(name="no", image="nginx")))
    driven.go()
    driven.attached()
    driven.started("web")
    status = driven.status
    assert status.phase == "Pending"
    assert status.container_statuses[1].state["waiting"]["reason"] == "ErrImageNeverPull"
    assert [each.ready for each in status.container_statuses] == [True, False]


def test_a_crashing_pod_is_running_and_not_ready() -> None:
    driven = Driven(make_pod()).running()
    driven.exited(1)
    driven.started()
    driven.exited(1)
    status = driven.status
    assert (status.phase, conditions(status)["Ready"]) == ("Running", "False")
    assert status.container_statuses[0].state["waiting"]["reason"] == "CrashLoopBackOff"
    assert status.container_statuses[0].last_state["terminated"]["exitCode"] == 1


def test_a_completed_pod_says_so() -> None:
    driven = Driven(make_pod(restart_policy="Never")).running()
    driven.exited(0)
    found = condition(driven.status.conditions, "Ready")
    assert found is not None
    assert (found.status, found.reason) == ("False", "PodCompleted")


def test_a_deleted_pod_ends_in_a_final_phase() -> None:
    driven = Driven(make_pod()).running()
    driven.delete(grace=5)
    assert driven.status.phase == "Running"
    driven.exited(143)
    status = driven.status
    assert (status.phase, conditions(status)["PodReadyToStartContainers"]) == ("Failed", "False")


def test_a_closed_readiness_gate_keeps_a_pod_from_being_ready() -> None:
    gate = "example.com/gate"
    closed = Driven(make_pod(readiness_gates=({"conditionType": gate},))).running()
    found = condition(closed.status.conditions, "Ready")
    assert found is not None
    assert (found.status, found.reason) == ("False", "ReadinessGatesNotReady")
    assert conditions(closed.status)["ContainersReady"] == "True"
    foreign = PodStatus(conditions=(Condition(type=gate, status="True"),))
    opened = Driven(make_pod(status=foreign, readiness_gates=({"conditionType": gate},))).running()
    assert conditions(opened.status)["Ready"] == "True"
    assert condition(opened.status.conditions, gate) == Condition(type=gate, status="True")


def test_the_patch_leaves_nothing_of_an_earlier_status() -> None:
    patch = status_patch("uid-1", PodStatus(phase="Running"))
    assert patch["metadata"] == {"uid": "uid-1"}
    assert patch["status"]["phase"] == "Running"
    assert patch["status"]["message"] is None
    assert patch["status"]["podIPs"] is None
    assert "qosClass" not in patch["status"]
