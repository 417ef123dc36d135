"""A lookup of persons under way, which others of the same request may wait for; and one that names nobody."""

import asyncio
from collections.abc import Mapping

import msgspec

from clinical.identifiers import Token
from resolvers.errors import ArgumentInvalid
from resolvers.linked import Found


class IdentifierAmbiguous(ArgumentInvalid):
    """An identifier that several people have names none of them."""

    def __init__(self) -> None:
        super().__init__("identifier: more than one person has it")


class PersonLookup(msgspec.Struct, eq=False):
    """One batch of identifiers, and the person of each as soon as that is known. `waiting`: for those who
    wait and have not asked; None where nobody does."""

    found: Mapping[Token, Found] | None = None
    waiting: "asyncio.Future[Mapping[Token, Found]] | None" = None
    is_given_up: bool = False

    async def result(self) -> Mapping[Token, Found]:
        """What was found, or is to be; ends at once where nobody looks for it any more."""
        if self.found is not None:
            return self.found
        if self.waiting is None:
            self.waiting = asyncio.get_running_loop().create_future()
            if self.is_given_up:
                self.waiting.cancel()
        return await asyncio.shield(self.waiting)  # who gives up waiting takes the answer from nobody

    def give_up(self) -> None:
        """Ends a lookup that has not been answered: there is no answer for those who wait."""
        self.is_given_up = True
        if self.waiting is not None:
            self.waiting.cancel()
