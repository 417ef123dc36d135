"""New trusted documents take the place of the old ones while the gateway serves; bad ones change nothing."""

import asyncio
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest

from gateway.persisted.settings import DocumentSettings
from tests.gateway.front_door import FrontDoor, code_of


def strict(folder: Path, **settings: Any) -> FrontDoor:
    return FrontDoor(settings=DocumentSettings(folder=folder, mode="require", **settings))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.graphql").write_text("{ hello }")
    return tmp_path


async def codes(door: FrontDoor, *names: str) -> list[str]:
    answers = [await door.post({"documentId": name}) for name in names]
    return ["OK" if one.status_code == 200 else code_of(one) for one in answers]


async def test_a_good_set_takes_the_place_of_the_old_one(folder: Path) -> None:
    door = strict(folder)
    assert await codes(door, "a", "b") == ["OK", "PERSISTED_QUERY_NOT_FOUND"]
    (folder / "a.graphql").unlink()
    (folder / "b.graphql").write_text("{ long }")
    await door.trusted.look()
    assert await codes(door, "a", "b") == ["PERSISTED_QUERY_NOT_FOUND", "OK"]
    assert code_of(await door.ask("{ hello }")) == "OPERATION_NOT_ALLOWED", "what was trusted is so no more"
    assert door.trusted.state() == {"trusted": 1, "isCurrent": True, "reloadsFailed": 0}


@pytest.mark.parametrize("content", ["{ nothing }", "{", ""])
async def test_a_bad_set_changes_nothing_and_is_told(
    folder: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    door = strict(folder)
    (folder / "a.graphql").unlink()
    (folder / "b.graphql").write_text("{ long }")
    (folder / "c.graphql").write_text(content)
    for _ in range(3):
        await door.trusted.look()
    assert await codes(door, "a", "b", "c") == ["OK", *["PERSISTED_QUERY_NOT_FOUND"] * 2]
    assert door.trusted.state() == {"trusted": 1, "isCurrent": False, "reloadsFailed": 1}
    (told,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert "the 1 before stay in force" in told.getMessage()
    assert "c.graphql" in told.getMessage()
    (folder / "c.graphql").write_text("{ thing { id } }")
    await door.trusted.look()
    assert await codes(door, "a", "b", "c") == ["PERSISTED_QUERY_NOT_FOUND", "OK", "OK"]
    assert door.trusted.state() == {"trusted": 2, "isCurrent": True, "reloadsFailed": 1}


async def test_a_folder_that_is_emptied_or_gone_leaves_the_old_set_in_force(folder: Path) -> None:
    door = strict(folder)
    (folder / "a.graphql").unlink()
    await door.trusted.look()
    shutil.rmtree(folder)
    for _ in range(3):
        await door.trusted.look()
    assert await codes(door, "a") == ["OK"]
    assert door.trusted.reloads_failed == 2


async def test_a_fault_in_reading_ends_neither_the_set_nor_the_watch(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = strict(folder)
    (folder / "a.graphql").write_text("{ long }")
    with monkeypatch.context() as broken:
        broken.setattr("gateway.persisted.reload.read_trusted", lambda *_: 1 / 0)
        await door.trusted.look()
    assert await codes(door, "a") == ["OK"]
    assert not door.trusted.is_current
    await door.trusted.look()
    assert door.trusted.is_current
    assert (await door.post({"documentId": "a"})).json()["data"].keys() == {"long"}


async def test_what_changes_while_it_is_read_is_read_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = strict(folder)
    (folder / "b.graphql").write_text("{ long }")
    read = door.trusted.look.__globals__["read_trusted"]

    def reading(*args: Any) -> Any:
        found = read(*args)
        (folder / "c.graphql").write_text("{ thing { id } }")
        return found

    with monkeypatch.context() as slow:
        slow.setattr("gateway.persisted.reload.read_trusted", reading)
        await door.trusted.look()
    assert await codes(door, "b") == ["PERSISTED_QUERY_NOT_FOUND"]
    await door.trusted.look()
    assert await codes(door, "a", "b", "c") == ["OK", "OK", "OK"]


async def test_the_watch_takes_up_changes_by_itself(folder: Path) -> None:
    door = strict(folder, reload_every_s=0.01)
    watching = asyncio.create_task(door.trusted.watch())
    (folder / "b.graphql").write_text("{ long }")
    for _ in range(1_000):
        if door.trusted.current.count == 2:
            break
        await asyncio.sleep(0.01)
    assert await codes(door, "a", "b") == ["OK", "OK"]
    watching.cancel()


async def test_nothing_is_watched_where_the_settings_say_never(folder: Path) -> None:
    await strict(folder, reload_every_s=0).trusted.watch()
    await FrontDoor().trusted.watch()


async def test_requests_meanwhile_have_the_old_set_or_the_new_one(folder: Path) -> None:
    door = strict(folder)

    async def asking() -> set[str]:
        return {(await codes(door, "a"))[0] for _ in range(40)}

    async def changing() -> None:
        for number in range(10):
            (folder / "a.graphql").write_text("{ long }" if number % 2 else "{ hello }")
            await door.trusted.look()

    seen = await asyncio.gather(*(asking() for _ in range(4)), changing())
    assert set().union(*seen[:-1]) == {"OK"}
    assert door.trusted.reloads_failed == 0
