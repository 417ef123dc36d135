"""The rules of a deployment beyond what scopes mean by themselves: the tables of policy.toml."""

import tomllib
from functools import cache
from importlib import resources
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from permissions.needs import Alternative, NeedInvalid, alternative_of


def _is_coordinate(text: str) -> str:
    type_name, dot, field = text.partition(".")
    if not dot or not type_name or not field or not text.replace("*", "a").replace(".", "a").isidentifier():
        raise ValueError(f"`{text}` is no coordinate: write Type.field, with * for any name")
    return text


Pattern = Annotated[str, AfterValidator(_is_coordinate)]
Label = Annotated[str, Field(pattern=r"^[^|\s]+\|[^|\s]+$")]
"""`system|code`."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _alternatives(scopes: tuple[tuple[str, ...], ...]) -> tuple[Alternative, ...]:
    try:
        return tuple(map(alternative_of, scopes))
    except NeedInvalid as problem:
        raise ValueError(str(problem)) from None


class _Needs(_Table):
    scopes: tuple[tuple[str, ...], ...] = ()
    purposes: tuple[str, ...] = ()

    @property
    def alternatives(self) -> tuple[Alternative, ...]:
        """The scopes, any of which is enough."""
        return _alternatives(self.scopes)

    @model_validator(mode="after")
    def _mean_something(self) -> Self:
        _alternatives(self.scopes)
        return self


class RuleSettings(_Needs):
    """What some fields need. Without `scopes` and `purposes`: no more than what they stand on."""

    coordinates: tuple[Pattern, ...] = Field(min_length=1)
    reason: str = Field(min_length=1)


class Clearance(_Needs):
    """Who may see what is labelled: a holder of these scopes, for one of these purposes (none: any)."""

    @model_validator(mode="after")
    def _says_who(self) -> Self:
        if not self.scopes and not self.purposes:
            raise ValueError("a clearance names scopes or purposes: this one would clear everybody")
        if any(one.level is not None for one in self.alternatives):
            raise ValueError("a clearance is no SMART scope: those say what, not how confidential")
        return self


class LabelSettings(_Table):
    """Security labels (`meta.security`) that withhold a resource.

    `withheld_from_patients_only`: from the patient and the patient's proxies, nobody else (NOPAT).
    """

    codes: tuple[Label, ...] = Field(min_length=1)
    reason: str = Field(min_length=1)
    but_types: tuple[str, ...] = ()
    withheld_from_patients_only: bool = False
    clearances: tuple[Clearance, ...] = ()


class BreakGlassSettings(_Table):
    """Purposes of use that clear every label that is not for patients only. Always recorded."""

    purposes: tuple[str, ...] = ()


class PractitionerSettings(_Table):
    """Whose `user/` scopes count, in one organisation or care team; without such a table everybody's do.

    `organization` or `care_team` is what the token names; `users` are its `fhirUser`s (`*`: all of them).
    """

    organization: str | None = None
    care_team: str | None = None
    users: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.organization is None) == (self.care_team is None):
            raise ValueError("name either `organization` or `care_team`")
        return self


class Policy(_Table):
    """The whole of policy.toml."""

    rules: tuple[RuleSettings, ...] = ()
    labels: tuple[LabelSettings, ...] = ()
    break_glass: BreakGlassSettings = BreakGlassSettings()
    practitioners: tuple[PractitionerSettings, ...] = ()


def policy_of(tables: dict[str, Any]) -> Policy:
    """The policy in decoded TOML. Raises pydantic.ValidationError."""
    return Policy.model_validate(tables)


@cache
def default_policy() -> Policy:
    """The policy that comes with the gateway (permissions/policy.toml)."""
    return policy_of(tomllib.loads(resources.files("permissions").joinpath("policy.toml").read_text("utf-8")))
