import msgspec

from moorage.lab.environment import SYSTEM_PATH, PodFacts, environment, expand, expanded, field_value, hosts_text
from moorage.model.meta import ObjectMeta
from moorage.model.pods import Container, EnvVar, Pod, PodSpec

POD = Pod(
    metadata=ObjectMeta(name="web-1", namespace="shop", uid="u-1", labels={"app": "web"}, annotations={"a/b": "c"}),
    spec=PodSpec(node_name="node-1", service_account_name="default"),
)
FACTS = PodFacts(POD, "10.244.1.2", "198.18.0.11", "/run/lab/bin")


def field(name: str, path: str) -> EnvVar:
    return EnvVar(name=name, value_from={"fieldRef": {"apiVersion": "v1", "fieldPath": path}})


def test_every_container_has_a_path_a_home_and_a_host_name() -> None:
    variables, problems = environment(FACTS, Container(image="moorage/host"), {"KUBERNETES_SERVICE_HOST": "10.96.0.1"})
    assert problems == []
    assert variables == {
        "PATH": f"/run/lab/bin:{SYSTEM_PATH}",
        "HOME": "/root",
        "HOSTNAME": "web-1",
        "KUBERNETES_SERVICE_HOST": "10.96.0.1",
    }


def test_the_echo_image_knows_who_it_is() -> None:
    variables, _ = environment(FACTS, Container(image="moorage/echo:1"), {})
    assert (variables["POD_NAME"], variables["POD_NAMESPACE"], variables["NODE_NAME"]) == ("web-1", "shop", "node-1")


def test_later_variables_see_earlier_ones() -> None:
    env = (EnvVar(name="A", value="1"), EnvVar(name="B", value="$(A)2"), EnvVar(name="C", value="$(D) $$(A)"), EnvVar(name="D"))
    variables, _ = environment(FACTS, Container(env=env), {})
    assert (variables["B"], variables["C"], variables["D"]) == ("12", "$(D) $(A)", "")


def test_fields_of_the_pod() -> None:
    paths = {
        "metadata.name": "web-1",
        "metadata.namespace": "shop",
        "metadata.uid": "u-1",
        "metadata.labels['app']": "web",
        "metadata.labels['none']": "",
        "metadata.annotations['a/b']": "c",
        "spec.nodeName": "node-1",
        "spec.serviceAccountName": "default",
        "status.podIP": "10.244.1.2",
        "status.hostIP": "198.18.0.11",
        "spec.nothing": None,
    }
    assert {path: field_value(FACTS, path) for path in paths} == paths
    variables, problems = environment(FACTS, Container(env=(field("IP", "status.podIP"),)), {})
    assert (variables["IP"], problems) == ("10.244.1.2", [])


def test_all_that_cannot_be_given_is_said_at_once() -> None:
    env = (
        field("X", "spec.nothing"),
        EnvVar(name="Y", value_from={"secretKeyRef": {"name": "s", "key": "k"}}),
        EnvVar(name="Z", value_from={"configMapKeyRef": {"name": "s", "key": "k", "optional": True}}),
    )
    variables, problems = environment(FACTS, Container(env=env, env_from=({"secretRef": {}},)), {})
    assert problems == [
        "envFrom needs ConfigMaps or Secrets, which the lab does not have: use env with values",
        "variable X: the field 'spec.nothing' cannot be used in a variable",
        "variable Y: secretKeyRef is not available in the lab: use a value or a fieldRef",
    ]
    assert "Z" not in variables


def test_expansion() -> None:
    variables = {"A": "1"}
    texts = ("$(A)", "$$(A)", "$(B)", "$A", "$$", "a$(A)b$(A)", "$(", "100$")
    assert [expand(each, variables) for each in texts] == ["1", "$(A)", "$(B)", "$A", "$", "a1b1", "$(", "100$"]
    assert expanded(("echo", "$(A)"), variables) == ("echo", "1")


def test_the_hosts_file_names_the_pod_and_its_aliases() -> None:
    spec = msgspec.structs.replace(
        POD.spec, subdomain="db", hostname="first", host_aliases=({"ip": "192.0.2.1", "hostnames": ["a", "b"]},)
    )
    text = hosts_text(msgspec.structs.replace(POD, spec=spec), "10.244.1.2", "cluster.local")
    assert text.splitlines()[-2:] == ["10.244.1.2\tfirst.db.shop.svc.cluster.local\tfirst", "192.0.2.1\ta b"]
    assert hosts_text(POD, "10.244.1.2", "cluster.local").splitlines()[-1] == "10.244.1.2\tweb-1"
