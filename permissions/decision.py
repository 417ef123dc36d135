"""How much of the record a principal may see.

Scopes are enforced type by type and letter by letter in a later version. Until then only
the widest read scopes open the door, and everything else is refused:

| the token has                                         | access          |
|--------------------------------------------------------|-----------------|
| `system/*.rs` or `user/*.rs`                           | EVERYTHING      |
| `patient/*.rs` and a `patient` claim                   | OWN_COMPARTMENT |
| anything else, including no scope and narrowed scopes  | refused         |
"""

from enum import Enum
from typing import ClassVar, Final

from permissions.principal import Principal
from permissions.scopes import ANY_TYPE, Level

_NEEDED: Final = frozenset("rs")


class Access(Enum):
    """What a principal reaches: every record, or its launch patient's compartment alone."""

    EVERYTHING = "everything"
    OWN_COMPARTMENT = "own compartment"


class ScopeInsufficient(Exception):
    """The token is valid and does not permit what was asked. Its message is safe to show."""

    code: ClassVar[str] = "FORBIDDEN"
    required: ClassVar[str] = "system/*.rs user/*.rs patient/*.rs"

    def __init__(self) -> None:
        super().__init__(
            "The access token permits nothing here: it needs system/*.rs or user/*.rs, "
            "or patient/*.rs together with a patient."
        )


def access(principal: Principal) -> Access:
    """Decides how far a principal reaches; raises `ScopeInsufficient` where nowhere."""
    if _covers_all_reads(principal, "system") or _covers_all_reads(principal, "user"):
        return Access.EVERYTHING
    if principal.patient and _covers_all_reads(principal, "patient"):
        return Access.OWN_COMPARTMENT
    raise ScopeInsufficient


def _covers_all_reads(principal: Principal, level: Level) -> bool:
    """Scopes of one level are a union: `*.r` and `*.s` together are `*.rs`; a narrowed scope adds nothing."""
    actions: set[str] = set()
    for scope in principal.scopes:
        if scope.level == level and scope.type == ANY_TYPE and not scope.narrowing:
            actions.update(scope.actions)
    return actions >= _NEEDED
