"""Records a story beside an API server that runs: `python -m tests.recorded.record STORY --kubeconfig FILE --role FILE`.

The first kubeconfig is an administrator's, the second that of the role whose conversation is kept, by a bearer token: the
recording stands between the role and the server, where a client certificate does not reach.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

import msgspec

from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig_io import load
from moorage.client.tls_io import tls_context
from tests.recorded.relay import relay
from tests.recorded.spoken import Piece, Spoken, save
from tests.recorded.stories import PAGE, STORIES
from tests.recorded.wire import conversation

_SECRETS = (re.compile(r"-----BEGIN [^-]+-----.*?-----END [^-]+-----"), re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+"))
"""Certificates and keys, and tokens."""


async def record(story: str, admin_kubeconfig: Path, role_kubeconfig: Path) -> tuple[Spoken, ...]:
    access = load(role_kubeconfig)
    with tempfile.TemporaryDirectory() as directory:
        async with (
            relay(access.server, tls_context(access), Path(directory)) as between,
            HttpClient(load(admin_kubeconfig)) as admin,
            HttpClient(
                msgspec.structs.replace(access, server=between.url, ca_file=str(between.ca_file), ca_data=b""),
                user_agent="moorage",
                page_size=PAGE,
            ) as role,
        ):
            await STORIES[story](role, admin)
        return tuple(without_secrets(conversation(between.passed)))


def without_secrets(spoken: Iterable[Spoken]) -> Iterable[Spoken]:
    for each in spoken:
        pieces = tuple(Piece(piece.moment, _hidden(piece.text)) for piece in each.pieces)
        yield msgspec.structs.replace(each, body=_hidden(each.body), pieces=pieces)


def _hidden(text: str) -> str:
    for each in _SECRETS:
        text = each.sub("(left out)", text)
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("story", choices=sorted(STORIES))
    parser.add_argument("--kubeconfig", required=True, type=Path)
    parser.add_argument("--role", required=True, type=Path)
    given = parser.parse_args()
    save(given.story, asyncio.run(record(given.story, given.kubeconfig, given.role)))


if __name__ == "__main__":
    main()
