"""What a kind of source takes of its own (`[upstreams.options]`), with a sentence for what is wrong there."""

from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ValidationError

from resolvers.upstreams.settings import UpstreamSettings

Options = TypeVar("Options", bound=BaseModel)


class OptionsInvalid(ValueError):
    """Options, or a time zone, that a kind of source cannot work with."""


def options_of(model: type[Options], settings: UpstreamSettings) -> Options:
    """The options of a source. Raises OptionsInvalid."""
    try:
        return model.model_validate(settings.options)
    except ValidationError as problem:
        raise OptionsInvalid(
            "; ".join(
                f"`options.{'.'.join(map(str, one['loc']))}`: {one['msg']}"
                for one in problem.errors(include_url=False, include_input=False)
            )
        ) from None


def time_zone(settings: UpstreamSettings) -> ZoneInfo:
    """The time zone of moments that say none. Raises OptionsInvalid."""
    try:
        return ZoneInfo(settings.timezone)
    except (ZoneInfoNotFoundError, ValueError) as problem:
        raise OptionsInvalid(f"the time zone {settings.timezone!r} is not known") from problem
