from __future__ import annotations

from pathlib import Path

import pytest

from moorage.client.kubeconfig import Access
from moorage.client.login_io import REREAD_SECONDS, Login
from moorage.model.errors import HostError


def test_ways_to_log_in() -> None:
    assert Login(Access(server="")).headers() == {}
    assert Login(Access(server="", token="t")).headers() == {"Authorization": "Bearer t"}
    assert Login(Access(server="", username="u", password="p")).headers() == {"Authorization": "Basic dTpw"}


def test_a_token_file_wins_and_is_read_again(tmp_path: Path) -> None:
    file, now = tmp_path / "token", 0.0
    file.write_text("first\n")
    login = Login(Access(server="", token="t", token_file=str(file)), clock=lambda: now)
    assert login.headers() == {"Authorization": "Bearer first"}
    file.write_text("second")
    now = REREAD_SECONDS - 1
    assert login.headers() == {"Authorization": "Bearer first"}
    now = REREAD_SECONDS
    assert login.headers() == {"Authorization": "Bearer second"}


def test_a_missing_token_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"cannot read the token file .*/token: No such file"):
        Login(Access(server="", token_file=str(tmp_path / "token"))).headers()
