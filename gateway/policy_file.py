"""The file with a deployment's policy (docs/permissions.md), read and checked in its form."""

import tomllib
from pathlib import Path

from pydantic import ValidationError

from permissions.policy import Policy, policy_of
from permissions.rules import PolicyInvalid


def read_policy(path: Path | None) -> Policy | None:
    """The policy in a file, None where there is none. Raises PolicyInvalid."""
    if path is None:
        return None
    try:
        return policy_of(tomllib.loads(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError) as problem:
        raise PolicyInvalid(f"the policy {path} cannot be read: {type(problem).__name__}") from problem
    except tomllib.TOMLDecodeError as problem:
        raise PolicyInvalid(f"the policy {path} is not TOML: {problem}") from problem
    except ValidationError as problem:
        raise PolicyInvalid("\n".join(_sentences(path, problem))) from problem


def _sentences(path: Path, problem: ValidationError) -> list[str]:
    errors = problem.errors()
    inner = {one["loc"][:-1] for one in errors}  # a list whose entries are wrong is then too short as well
    return [
        f"the policy {path}, {'.'.join(map(str, one['loc'])) or 'the whole file'}: "
        f"{one['msg'].removeprefix('Value error, ')}"
        for one in errors
        if one["type"] != "too_short" or one["loc"] not in inner
    ]
