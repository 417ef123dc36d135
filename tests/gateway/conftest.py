"""A gateway to knock on, for every test of the room."""

import pytest

from tests.gateway.front_door import FrontDoor


@pytest.fixture
async def door() -> FrontDoor:
    return FrontDoor()
