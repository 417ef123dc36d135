"""`launch_with_stub.py STATE PORT [stub options]`: the sandbox with a stub in the gateway's place."""

import sys
from pathlib import Path

from sandbox.launch import Options, StartFailed, launch
from sandbox.ports import PortTaken
from sandbox.state import StateInUse


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


state, port, *stub_options = sys.argv[1:]
try:
    launch(
        Options(port=int(port), patients=20, state=Path(state)),
        ("tests.sandbox.stub_gateway", *stub_options),
        seal_with=lambda key: lambda system, value: f"person/{len(key)}.{system}|{value}",
        say=say,
    )
except (StartFailed, PortTaken, StateInUse) as problem:
    sys.exit(str(problem))
