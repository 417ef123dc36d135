"""The authorization endpoint: a request comes in, a user picks and decides, a code goes back to the app."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit, urlunsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from sandbox.issuer.authorization_request import (
    AuthorizationRequest,
    ReturnAddress,
    needs_patient,
    read_address,
    read_request,
)
from sandbox.issuer.clients import Client
from sandbox.issuer.directory import Directory, Patient, read_directory
from sandbox.issuer.forms import read_pairs, repeated
from sandbox.issuer.ledger import Ledger
from sandbox.issuer.picker import ALLOW, DECISION, DENY, GRANTED, PATIENT, picker_page, refusal_page
from sandbox.issuer.refusals import NOT_STORED, AuthorizationRefused, RedirectUnsafe
from sandbox.issuer.tokens import Grant

ACCESS_TTL_S = 3600

Pairs = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class AuthorizationEndpoint:
    """`/authorize`, by GET or POST. `directory` is sandbox.json, read anew for each request."""

    issuer: str
    clients: Mapping[str, Client]
    ledger: Ledger
    directory: Path

    async def authorize(self, request: Request) -> Response:
        """The picker, or the way back to the app (RFC 6749 section 4.1.2; `iss` by RFC 9207)."""
        pairs = await read_pairs(request)
        form = dict(pairs)
        if request.method == "GET":
            form.pop(DECISION, None)  # only a person at the page decides
        try:
            address = read_address(form, self.clients)
        except RedirectUnsafe as refusal:
            return refusal_page(str(refusal))
        try:
            return self._answer(pairs, form)
        except AuthorizationRefused as refusal:
            return self._back(address, {"error": refusal.error, "error_description": refusal.description})

    def _answer(self, pairs: Pairs, form: dict[str, str]) -> Response:
        if (name := repeated(pairs, may_repeat=(GRANTED,))) is not None:
            raise AuthorizationRefused("invalid_request", f"{name} comes twice.")
        if (directory := read_directory(self.directory)) is None:
            raise AuthorizationRefused("temporarily_unavailable", "The sandbox is not ready yet.")
        asked = read_request(form, self.clients, directory)
        hinted = directory.find(asked.login_hint)
        if asked.is_silent:
            return self._silently(asked, directory, hinted)
        if form.get(DECISION) == ALLOW:
            return self._allowed(asked, pairs, form, directory)
        if form.get(DECISION) == DENY:
            raise AuthorizationRefused("access_denied", "The user said no.")
        return picker_page(asked, form, directory, hinted)

    def _silently(
        self, asked: AuthorizationRequest, directory: Directory, hinted: Patient | None
    ) -> Response:
        """Without a page only the patient of `login_hint` can be meant: the way of tests."""
        if hinted is None:
            raise AuthorizationRefused("login_required", "prompt=none needs a patient as login_hint.")
        return self._code(asked, list(asked.scopes), directory, hinted)

    def _allowed(
        self, asked: AuthorizationRequest, pairs: Pairs, form: Mapping[str, str], directory: Directory
    ) -> Response:
        ticked = {value for name, value in pairs if name == GRANTED}
        granted = [scope for scope in asked.scopes if scope in ticked]
        if not granted:
            raise AuthorizationRefused("access_denied", "The user granted no scope.")
        picked = directory.find(form.get(PATIENT, ""))
        if picked is None and needs_patient(granted):
            return picker_page(asked, form, directory, None, "Pick a patient.")
        return self._code(asked, granted, directory, picked)

    def _code(
        self, asked: AuthorizationRequest, granted: list[str], directory: Directory, picked: Patient | None
    ) -> Response:
        """The patient is the user, unless the app works for a clinician."""
        patient = picked if needs_patient(granted) else None
        is_clinicians = any(scope.startswith("user/") for scope in granted)
        grant = Grant(
            scope=" ".join(granted),
            client=asked.client_id,
            patient=patient.id if patient is not None else None,
            user=directory.clinician if patient is None or is_clinicians else patient.record_url,
            ttl_s=ACCESS_TTL_S,
        )
        authorization = self.ledger.authorize(grant, asked.audience, asked.nonce)
        code = self.ledger.issue_code(authorization, asked.address.redirect_uri, asked.challenge)
        return self._back(asked.address, {"code": code})

    def _back(self, address: ReturnAddress, answer: Mapping[str, str | None]) -> Response:
        """303, so that a form's POST is not sent on to the app (RFC 9700 section 4.12)."""
        told = {name: value for name, value in answer.items() if value is not None}
        if address.state is not None:
            told["state"] = address.state
        parts = urlsplit(address.redirect_uri)
        query = "&".join(filter(None, (parts.query, urlencode(told | {"iss": self.issuer}))))
        return RedirectResponse(urlunsplit(parts._replace(query=query)), 303, NOT_STORED)
