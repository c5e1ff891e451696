from __future__ import annotations

import subprocess
import sys
from ipaddress import ip_address, ip_network
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from moorage.announce.bgp_routes import Route
from moorage.announce.exabgp import Answer, Down, Opened, Sent, Up, complaint, configuration, differences, end_of_rib, read
from moorage.model.net import Family, Prefix
from tests.announce.test_bgp_routes import session

SOURCE = ip_address("198.18.0.11")
HOPS = {Family.IPV4: SOURCE, Family.IPV6: ip_address("2001:db8::11")}
HOST, HOST6 = ip_network("192.0.2.1/32"), ip_network("2001:db8:1::1/128")


def told(type_: str, **neighbor: object) -> str:
    """A line as ExaBGP 5 writes it."""
    about = {"address": {"local": "198.18.0.11", "peer": "198.18.0.1"}, "asn": {"local": 64512, "peer": 64513}, **neighbor}
    return msgspec.json.encode({"exabgp": "5.0.0", "type": type_, "neighbor": about}).decode() + "\n"


def test_a_configuration_is_what_the_session_is() -> None:
    text = configuration(session(families=(Family.IPV4,)), SOURCE, "/x/commands", "/x/events")
    assert "neighbor 198.18.0.1 {" in text
    for line in (
        "local-address 198.18.0.11;",
        "local-as 64512;",
        "peer-as 64513;",
        "hold-time 180;",
        "connect 179;",
        "outgoing-ttl 1;",
    ):
        assert f"  {line}\n" in text
    assert "family { ipv4 unicast; }" in text
    assert "md5" not in text
    assert "graceful" not in text


def test_only_external_neighbours_are_one_hop_away() -> None:
    """FRR's `ebgp-multihop`; sessions within an autonomous system may cross routers."""
    assert "outgoing-ttl" not in configuration(replace(session(), multi_hop=True), SOURCE, "c", "e")
    assert "outgoing-ttl" not in configuration(session(internal=True), SOURCE, "c", "e")


@pytest.mark.parametrize("password", ["simple", 'a "quoted"; { word } #', "пароль", "x" * 80])
def test_exabgp_takes_the_configuration(tmp_path: Path, password: str) -> None:
    """The program itself judges it."""
    full = replace(session(), password=password, graceful=True, peer_asn=None, multi_hop=True)
    file = tmp_path / "configuration"
    file.write_text(configuration(full, SOURCE, "/x/commands", "/x/events"))
    done = subprocess.run(
        [sys.executable, "-m", "exabgp", "validate", "-n", str(file)], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_commands_carry_every_attribute() -> None:
    rich = Route(HOST, communities=("64512:1", "64512:2"), large=("1:2:3",), local_pref=200)
    assert differences({}, {HOST: rich, HOST6: Route(HOST6)}, HOPS) == (
        "announce route 192.0.2.1/32 next-hop 198.18.0.11 local-preference 200 community [ 64512:1 64512:2 ] "
        "large-community [ 1:2:3 ]",
        "announce route 2001:db8:1::1/128 next-hop 2001:db8::11",
    )
    assert differences({HOST: rich}, {HOST: rich}, HOPS) == ()
    assert differences({HOST: rich}, {HOST: Route(HOST)}, HOPS) == ("announce route 192.0.2.1/32 next-hop 198.18.0.11",)
    assert differences({HOST: rich}, {}, HOPS) == ("withdraw route 192.0.2.1/32 next-hop 198.18.0.11",)


PREFIXES = st.integers(0, 7).map(lambda number: ip_network(f"192.0.2.{number}/32"))
TABLES = st.dictionaries(PREFIXES, st.sampled_from([None, 100, 200])).map(
    lambda found: {prefix: Route(prefix, local_pref=each) for prefix, each in found.items()}
)


@given(TABLES, TABLES)
def test_commands_lead_from_one_set_of_routes_to_the_other(before: dict[Prefix, Route], after: dict[Prefix, Route]) -> None:
    """With what is new before what goes, so that an aggregate that replaces its parts leaves no gap."""
    held = {str(prefix): each.local_pref for prefix, each in before.items()}
    commands = differences(before, after, HOPS)
    for command in commands:
        verb, _, prefix, *_ = words = command.split()
        if verb == "withdraw":
            del held[prefix]
        else:
            held[prefix] = int(words[words.index("local-preference") + 1]) if "local-preference" in words else None
    assert held == {str(prefix): each.local_pref for prefix, each in after.items()}
    verbs = [each.split()[0] for each in commands]
    assert verbs == sorted(verbs)


def test_what_exabgp_complains_of() -> None:
    log = (
        "advice          environment file missing",
        "outgoing-1      --------------------",
        "outgoing-1      connection to 198.18.0.1 closed",
        "outgoing-2      connection to 198.18.0.1 closed",
    )
    assert complaint(log) == "connection to 198.18.0.1 closed"
    assert complaint(()) == ""


def test_the_end_of_the_routes_is_told_for_each_family() -> None:
    assert end_of_rib(Family) == ("announce eor ipv4 unicast", "announce eor ipv6 unicast")


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ("done\n", Answer(True)),
        ("error\n", Answer(False)),
        ('{ "answer": "done", "message": "command completed" }', Answer(True)),
        ('{ "answer": "error", "message": "no" }', Answer(False)),
        (told("state", state="up"), Up()),
        (told("state", state="up").replace(':{"local":64512,"peer":64513}', ': { "local": 64512, "peer": None }'), Up()),
        (told("open", direction="receive", open={"asn": 64513, "capabilities": {}}), Opened(64513)),
        (
            told(
                "open", direction="receive", open={"asn": 23456, "capabilities": {"65": {"name": "asn4", "asn4": 4200000000}}}
            ),
            Opened(4200000000),
        ),
        (told("open", direction="send", open={"asn": 64512, "capabilities": {}}), None),
        (told("state", state="down", reason="closing connection"), Down("closing connection")),
        (told("state", state="connected"), None),
        ('{ "exabgp": "5.0.0", "type": "notification", "notification": "shutdown" }', None),
        ("shutdown", None),
        ("", None),
        (
            told(
                "update",
                direction="send",
                message={
                    "update": {
                        "attribute": {"origin": "igp"},
                        "announce": {
                            "ipv4 unicast": {"198.18.0.11": [{"nlri": "192.0.2.1/32"}]},
                            "ipv6 unicast": {"2001:db8::11": [{"nlri": "2001:db8:1::1/128"}]},
                        },
                    }
                },
            ),
            Sent((HOST, HOST6)),
        ),
        (
            told("update", direction="send", message={"update": {"withdraw": {"ipv4 unicast": [{"nlri": "192.0.2.1/32"}]}}}),
            Sent((), (HOST,)),
        ),
        (told("update", direction="send", message={"eor": {"afi": "ipv4", "safi": "unicast"}}), None),
        (told("update", direction="receive", message={"update": {"withdraw": {}}}), None),
    ],
)
def test_lines_of_exabgp(line: str, meaning: object) -> None:
    assert read(line) == meaning
