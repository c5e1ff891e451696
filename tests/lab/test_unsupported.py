from moorage.lab.unsupported import unsupported
from moorage.model.pods import Container, Pod, PodSpec
from moorage.model.wire import Tree


def said_of(*containers: Container) -> str:
    return unsupported(Pod(spec=PodSpec(containers=containers)))


def hooks(lifecycle: Tree) -> Container:
    return Container(name="web", lifecycle=lifecycle)


def test_a_plain_pod_gets_all_it_asks_for() -> None:
    token: Tree = {"name": "kube-api-access-x", "mountPath": "/var/run"}
    assert said_of(Container(name="web", volume_mounts=(token,)), hooks({"preStop": {"sleep": {"seconds": 1}}})) == ""


def test_everything_that_is_left_out_is_said_in_one_sentence() -> None:
    data: Tree = {"name": "data", "mountPath": "/data"}
    container = Container(name="web", volume_mounts=(data,), lifecycle={"preStop": {"exec": {"command": ["x"]}}})
    assert said_of(container) == (
        "the lab runs this Pod without some of what it asks for: volumes are not mounted: data; "
        "lifecycle hooks other than preStop.sleep are not run: web"
    )
    assert "hooks" in said_of(hooks({"postStart": {"exec": {}}}))
