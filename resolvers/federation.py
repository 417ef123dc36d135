"""The sources of a deployment and what joins them: built once, opened for each request."""

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from permissions.decision import Permissions
from permissions.principal import Principal
from resolvers.agreement import elements_of
from resolvers.attachment_ids import Attachments
from resolvers.cache import Cache, Kept
from resolvers.context import RequestContext, Standing
from resolvers.cursor import Cursors
from resolvers.identity import Identity
from resolvers.linking import Linking
from resolvers.loaders import Loaders
from resolvers.turns import Turns
from resolvers.upstreams.caller import caller_token
from resolvers.upstreams.closed import Doors, SourceRules
from resolvers.upstreams.upstream import Call, Upstream


class Federation:
    """All sources in order of precedence, with the deployment's linking rules and keys.

    `served_types`: the FHIR types of the schema. `pages_max` bounds every walk of a source. `rules`: which
    sources may not be asked by everybody; `purpose_default`: of callers whose tokens state no purpose of use.
    `attachments`: the addresses of attachments, by a key that lasts as long as the process where none is
    given. `takes_tokens`: whether a source is asked with its callers' own tokens.
    """

    def __init__(
        self,
        upstreams: Sequence[Upstream],
        linking: Linking,
        cursors: Cursors,
        cache: Cache,
        served_types: frozenset[str],
        pages_max: int = 200,
        rules: Mapping[str, SourceRules] | None = None,
        purpose_default: str | None = None,
        attachments: Attachments | None = None,
        *,
        takes_tokens: bool = True,
    ) -> None:
        self.upstreams = {one.name: one for one in upstreams}
        self._doors = Doors(self.upstreams, rules or {}, purpose_default)
        self._linking = linking
        self._cursors = cursors
        self._cache = cache
        self._served_types = served_types
        self._pages_max = pages_max
        self._drafts: Kept[Any] = Kept()
        self._levels: Kept[Any] = Kept()
        self._turns = Turns()
        self._attachments = attachments or Attachments(os.urandom(32))
        self._is_located = any(len(one.locations()) > 1 for one in upstreams)
        self._compared = elements_of(linking.agree_on)
        self._takes_tokens = takes_tokens

    def open(
        self,
        principal: Principal,
        permissions: Permissions,
        *,
        deadline_s: float,
        request_id: str,
        authorization: str | None = None,
        denied: frozenset[str] = frozenset(),
        rejects: bool = False,
    ) -> RequestContext:
        """The context of one request of a caller who may see what the permissions say.

        `deadline_s` counts from now; `close` the context when the request is over or given up.
        `authorization`: the caller's accepted header, for sources that are asked with the caller's own token.
        `denied`: the coordinates of the operation that the caller's scopes do not permit; `rejects`: then
        nothing of it is answered.
        """
        standing = self.standing(principal, permissions, rejects=rejects)
        return self.opened(standing, time.monotonic() + deadline_s, request_id, authorization, denied)

    def standing(self, principal: Principal, permissions: Permissions, *, rejects: bool = False) -> Standing:
        """What every context of a caller has; it may be kept where `lasts` says so."""
        upstreams = self._doors.of(principal)
        open_identity = partial(Identity, upstreams, self._linking, self._cache, principal)
        return Standing(
            principal=principal,
            permissions=permissions,
            upstreams=upstreams,
            open_identity=open_identity,
            compared=self._compared,
            cursors=self._cursors,
            served_types=self._served_types,
            attachments=self._attachments,
            rejects=rejects,
            pages_max=self._pages_max,
            closed_to_restricted=self._doors.closed_to_restricted,
            drafts=self._drafts,
            levels=self._levels,
            records={},
            is_located=self._is_located,
            turns=self._turns,
        )

    def lasts(self, standing: Standing) -> bool:
        """Whether it is the same in the next request. A source that is closed to the caller answers by an
        exception, which must not outlive the request that raised it."""
        return standing.upstreams is self.upstreams

    def opened(
        self,
        standing: Standing,
        deadline: float,
        request_id: str,
        authorization: str | None,
        denied: frozenset[str],
    ) -> RequestContext:
        """The same as `open`. `deadline`: in seconds of `time.monotonic()`."""
        token = caller_token(authorization) if self._takes_tokens else None
        call = Call(deadline, request_id, standing.principal, turns=self._turns, token=token)
        loaders = Loaders(standing.upstreams, call, self._turns)
        return RequestContext(*standing, call, loaders, denied)

    async def start(self) -> None:
        """Opens every source."""
        await asyncio.gather(*(one.start() for one in self.upstreams.values()))

    async def close(self) -> None:
        """Closes every source."""
        for one in self.upstreams.values():
            await one.close()
