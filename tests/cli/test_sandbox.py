"""`clinical-gateway sandbox`: what it says where it cannot start."""

import socket
from pathlib import Path

import pytest

from gateway.cli.main import main
from sandbox.state import hold


def test_a_port_in_use_is_told_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["sandbox", "--port", str(port), "--state", str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert told.err == (
        f"clinical-gateway sandbox: Port {port} of 127.0.0.1 is in use or may not be used;"
        " choose another with --port.\n"
    )
    assert told.out == ""


def test_a_state_folder_in_use_is_told_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with hold(tmp_path):
        assert main(["sandbox", "--port", "0", "--state", str(tmp_path)]) == 1
    assert "Another sandbox runs on" in capsys.readouterr().err


def test_a_state_folder_that_cannot_be_made_is_told_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["sandbox", "--port", "0", "--state", str(tmp_path / "file" / "state")]) == 1
    assert "clinical-gateway sandbox: " in capsys.readouterr().err
