"""Code that serves several documents, kept within a bound."""

from gateway.execution.emit import Codes, Source

TEXT = "def complete(v, K):\n return v + {}\n"


def test_the_same_text_is_compiled_once_and_the_least_used_forgotten_first() -> None:
    codes = Codes(most=2 * len(TEXT))
    first, second = codes.of(TEXT.format(1)), codes.of(TEXT.format(2))
    assert codes.of(TEXT.format(1)) is first
    codes.of(TEXT.format(3))
    assert codes.of(TEXT.format(1)) is first
    assert codes.of(TEXT.format(2)) is not second


def test_no_more_characters_are_kept_than_the_bound() -> None:
    codes = Codes(most=1_000)
    for number in range(500):
        codes.of(TEXT.format(number))
        assert codes.characters <= 1_000
    assert codes.of(TEXT.format("9" * 2_000)).co_name == "complete"
    assert codes.characters <= 1_000


def test_functions_of_one_text_share_code_and_not_what_they_refer_to() -> None:
    made = []
    for value in ("a", "b"):
        source = Source()
        source.line(f"return {source.constant(value)}")
        made.append(source.function("complete", "v", {}))
    assert [one(None) for one in made] == ["a", "b"]
    assert made[0].__code__ is made[1].__code__
