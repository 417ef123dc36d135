"""How many calls a source bears at once: a semaphore that costs nothing while there is room."""

import asyncio
from collections import deque


class Places:
    """Places for calls, given out in the order in which they were asked for. `free`: as many may be taken
    at once, there is nobody `waiting` then; one may only be given back by `release` where somebody is."""

    def __init__(self, count: int) -> None:
        self.free = count
        self.waiting: deque[asyncio.Future[None]] = deque()

    def taken(self) -> bool:
        """Takes a place where one is free; False where not. Nobody waits while one is free."""
        if self.free == 0:
            return False
        self.free -= 1
        return True

    async def wait(self) -> None:
        """Takes a place as soon as it is this caller's turn."""
        if self.taken():
            return
        turn = asyncio.get_running_loop().create_future()
        self.waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.release()  # it was given in the moment in which nobody wanted it any more
            elif turn in self.waiting:
                self.waiting.remove(turn)
            raise

    def release(self) -> None:
        """Gives a place back: to who waits the longest, if anybody does."""
        while self.waiting:
            turn = self.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.free += 1
