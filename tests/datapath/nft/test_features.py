from __future__ import annotations

import pytest

from moorage.datapath.nft.features import FEATURES, TABLES, Feature, lacking
from moorage.datapath.nft.nft_io import NftRefusal
from moorage.datapath.nft.ruleset import render
from moorage.model.net import Family

V4, V6 = Family.IPV4, Family.IPV6
PROGRAMS = {family: render("moorage", family).replace("ip6 ", "ip ") for family in Family}


@pytest.mark.parametrize("feature", [TABLES, *FEATURES], ids=lambda each: each.name)
def test_the_program_needs_each_feature(feature: Feature) -> None:
    assert any(feature.word in program for program in PROGRAMS.values())


def test_a_probe_is_a_table_of_the_family() -> None:
    fib = next(each for each in FEATURES if "fib" in each.name)
    assert fib.probe(V6) == "table ip6 moorage-probe {\nchain probe {\nfib saddr type local return\n}\n}\n"
    original = next(each for each in FEATURES if each.word.startswith("ct original"))
    assert "ct original ip daddr . ip daddr @s" in original.probe(V4)
    assert "ct original ip6 daddr . ip6 daddr @s" in original.probe(V6)


def test_what_is_missing_is_named_with_its_option_in_each_family() -> None:
    fib = next(each for each in FEATURES if "fib" in each.name)
    random = next(each for each in FEATURES if "numgen" in each.name)
    text = lacking({fib: [V4, V6], random: [V4, V6]}, "5.4.0-test", "nft's own words")
    assert text == (
        "this kernel (5.4.0-test) cannot hold the rules of Services, it lacks addresses of the machine (fib): "
        "CONFIG_NFT_FIB_IPV4, CONFIG_NFT_FIB_IPV6; random numbers (numgen): CONFIG_NFT_NUMGEN. "
        "Load the modules of these options, or use a kernel that has them (Linux 5.10 or newer, as distributions build it)"
    )


def test_without_a_finding_the_words_of_nft_are_kept() -> None:
    assert lacking({}, "6.1", "Error: no idea") == "nft refused the ruleset: Error: no idea"


@pytest.mark.parametrize(
    ("said", "by_kernel"),
    [
        ("/dev/stdin:3:2-6: Error: Could not process rule: No such file or directory\n queue num 1\n", True),
        ("/dev/stdin:3:7-7: Error: syntax error, unexpected newline\n bogus\n", False),
        ("", False),
    ],
)
def test_who_refused_can_be_told_from_what_nft_says(said: str, by_kernel: bool) -> None:
    refusal = NftRefusal(said)
    assert (refusal.by_kernel, refusal.said) == (by_kernel, said.split("\n")[0])
