"""Tiers: who is in which, and settings that cannot work explain themselves."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.ratelimit.tiers import RateLimitSettings, Tiers, TierSettings
from tests.gateway.ratelimit.tiering import caller, tier, tiers

SMALL: dict[str, Any] = {"name": "small", "capacity": 10, "max_query_cost": 10}
LARGE: dict[str, Any] = {"name": "large"}


def told(settings: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as refused:
        RateLimitSettings.model_validate(settings)
    return str(refused.value)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"tiers": [{"name": "a", "capacity": 5}]}, "capacity of 5 can never bear"),
        ({"tiers": [{"name": "a", "daily_quota": 5}]}, "`daily_quota` of 5 can never bear"),
        (
            {"tiers": [{"name": "a", "restore_per_s": 0.1, "daily_quota": 30_000}]},
            "can never reach its `daily_quota` of 30000",
        ),
        ({"tiers": [LARGE, LARGE]}, "two tiers are called large"),
        ({"tiers": [LARGE]}, "`default_tier` names default, which is no tier (there are: large)"),
        ({"clients": [{"client": "app", "tier": "gold"}]}, "client app is in tier gold, which is no tier"),
        (
            {"clients": [{"client": "app", "tier": "default"}] * 2},
            "client app is in two tiers",
        ),
        ({"tiers": []}, "at least 1 item"),
        ({"tiers": [{"name": "a", "capacity": 0}]}, "greater than or equal to 1"),
        ({"tiers": [{"name": "a", "restore_per_s": 0}]}, "greater than or equal to 0.001"),
        ({"tiers": [{"name": "a", "restore_per_s": float("nan")}]}, "restore_per_s"),
        ({"tiers": [{"name": "a", "mode": "off"}]}, "'enforce' or 'measure'"),
        ({"tiers": [{"name": "a", "burst": 3}]}, "Extra inputs are not permitted"),
        ({"local_share": 0}, "greater than 0"),
        ({"on_store_failure": "open"}, "'local' or 'deny'"),
    ],
)
def test_what_cannot_work_is_told_in_a_sentence(settings: dict[str, Any], sentence: str) -> None:
    assert sentence in told(settings)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        TierSettings(name="a").capacity = 1  # type: ignore[misc]


def test_client_is_in_its_configured_tier_else_the_one_of_its_token_else_the_default() -> None:
    of = tiers(
        SMALL,
        LARGE,
        {"name": "default"},
        clients=(
            {"client": "app", "tier": "small"},
            {"client": "app", "issuer": "https://other.test", "tier": "large"},
        ),
    ).of
    assert of(caller()).name == "small"
    assert of(caller(tier="large")).name == "small"
    assert of(caller(issuer="https://other.test")).name == "large"
    assert of(caller("another", tier="large")).name == "large"
    assert of(caller("another")).name == "default"
    assert of(caller("another", tier="platinum")).name == "default"


def test_reservation_lasts_for_the_deadline_and_the_margin() -> None:
    made = Tiers(RateLimitSettings(release_margin_s=1.5), 10.0)
    assert made.of(caller()).hold_ms == 11_500


def test_share_of_a_tier_still_bears_the_largest_operation() -> None:
    whole = tier(capacity=100, max_query_cost=60, max_concurrent=3, daily_quota=200)
    part = whole.share(0.25)
    assert (part.capacity, part.daily_quota) == (60_000_000, 60_000_000)
    assert (part.restore, part.max_concurrent) == (2500, 1)
