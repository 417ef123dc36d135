"""The command table: every command is found by it, and only the one asked for is loaded."""

import subprocess
import sys

import pytest

from gateway.cli.main import COMMANDS, main

HEAVY = ("strawberry", "graphql", "fhir", "starlette", "uvicorn", "aiohttp", "httpx", "pydantic", "redis")


@pytest.mark.parametrize("argument", ["--help", "-h"])
def test_help_lists_every_command(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([argument]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in COMMANDS)


@pytest.mark.parametrize("arguments", [[], ["frobnicate"], ["../serve"]])
def test_anything_but_a_command_is_a_usage_error(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("usage: clinical-gateway")
    assert all(argument in told.err for argument in arguments)


@pytest.mark.parametrize("name", ["sandbox", "token"])
def test_a_commands_help_tells_its_options(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert f"clinical-gateway {name}" in shown
    assert "--state" in shown


@pytest.mark.parametrize(
    "arguments",
    [["sandbox", "--patients", "0"], ["sandbox", "--port", "x"], ["token"], ["sandbox", "--seeds", "1"]],
)
def test_wrong_options_are_a_usage_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: clinical-gateway" in capsys.readouterr().err


def test_token_loads_nothing_of_the_server() -> None:
    code = (
        "import sys; from gateway.cli.main import main;"
        " main(['token', '--scope', 'x', '--state', 'no-such-folder']);"
        f" print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
