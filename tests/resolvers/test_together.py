"""One or many awaited alike: values in order, failures told or raised."""

import asyncio

import pytest

from resolvers.together import settled, together


async def gives(value: int) -> int:
    await asyncio.sleep(0)
    return value


async def fails() -> int:
    raise ValueError("no")


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_values_come_in_order(count: int) -> None:
    assert list(await together(*map(gives, range(count)))) == list(range(count))
    assert list(await settled(*map(gives, range(count)))) == list(range(count))


async def test_a_failure_is_raised_or_handed_on() -> None:
    for others in ((), (gives(1),)):
        with pytest.raises(ValueError, match="no"):
            await together(fails(), *others)
    for count in (0, 1):
        found = await settled(fails(), *map(gives, range(count)))
        assert [type(one) for one in found] == [ValueError, int][: count + 1]
