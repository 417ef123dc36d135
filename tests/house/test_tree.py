"""Nothing in the tree belongs to one machine or one supply line."""

from __future__ import annotations

import re

from tests.house.tree import files, text

# As expressions, so that this file does not name them itself.
INDEX_HOSTS = re.compile(
    r"pypi[.]org|pythonhosted[.]org|npmjs[.](?:com|org)|debian[.]org|crates[.]io|repo1?[.]maven|proxy[.]golang"
)
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:root|[w]ork|home/[a-z]\w*)/|/[t]mp/[a-z]+[-_/][a-z]")
SECRETS = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}")
BINARY = (".png", ".ico", ".woff2", ".gz")


def found(pattern: re.Pattern[str]) -> list[tuple[str, str]]:
    names = (name for name in files() if not name.endswith(BINARY))
    return [(name, hit) for name in names for hit in pattern.findall(text(name))]


def test_no_package_index_is_named() -> None:
    assert found(INDEX_HOSTS) == []


def test_no_path_of_one_machine_is_named() -> None:
    assert found(MACHINE_PATHS) == []


def test_no_key_or_token_is_committed() -> None:
    assert found(SECRETS) == []
