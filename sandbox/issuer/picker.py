"""The page on which a user of the sandbox picks a patient and says what an app may have. Nobody logs in: the
people are invented."""

from collections.abc import Iterable, Mapping
from html import escape

from starlette.responses import HTMLResponse, Response

from sandbox.issuer.authorization_request import AuthorizationRequest, needs_patient
from sandbox.issuer.directory import Directory, Patient

GRANTED, PATIENT, DECISION = "granted", "patient", "decision"
ALLOW, DENY = "allow", "deny"
ANSWERS = (GRANTED, PATIENT, DECISION)

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem }
fieldset { border: 1px solid #c4ccd4; border-radius: 6px; margin: 1rem 0 }
label { display: block; padding: .15rem 0 }
small { color: #59636e }
.people { max-height: 22rem; overflow-y: auto }
.notice { color: #a40e26 }
button { font: inherit; padding: .4rem 1.2rem; margin-right: .5rem }
"""

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>{style}</style></head>
<body><h1>{title}</h1>{body}</body></html>
"""


def picker_page(
    asked: AuthorizationRequest,
    form: Mapping[str, str],
    directory: Directory,
    picked: Patient | None,
    notice: str = "",
) -> Response:
    """The page of a request; the form repeats the request, so that nothing is remembered in between."""
    parts = [
        f'<p class="notice">{escape(notice)}</p>' if notice else "",
        f"<p><b>{escape(asked.client_id)}</b> asks for access. The people of this sandbox are invented.</p>",
        '<form method="post" action="authorize">',
        *(_hidden(name, value) for name, value in form.items() if name not in ANSWERS),
        _people(directory.patients, picked) if needs_patient(asked.scopes) else "",
        _scopes(asked.scopes),
        f'<button name="{DECISION}" value="{ALLOW}">Allow</button>',
        f'<button name="{DECISION}" value="{DENY}">Deny</button></form>',
    ]
    return _page("Which patient, and what?", "\n".join(parts), 400 if notice else 200)


def refusal_page(reason: str) -> Response:
    """What a user is told who cannot be sent back to the app."""
    return _page("This launch cannot go on", f'<p class="notice">{escape(reason)}</p>', 400)


def _people(patients: Iterable[Patient], picked: Patient | None) -> str:
    rows = "\n".join(_person(one, is_picked=one == picked) for one in patients)
    return f'<fieldset class="people"><legend>Patient</legend>{rows}</fieldset>'


def _person(one: Patient, is_picked: bool) -> str:
    known = f"born {escape(one.birth_date)}, NHS number {escape(one.nhs_number or 'unknown')}"
    radio = f'<input type="radio" name="{PATIENT}" value="{escape(one.id)}"{" checked" * is_picked}>'
    return f"<label>{radio} {escape(one.name)} <small>{known}</small></label>"


def _scopes(scopes: Iterable[str]) -> str:
    rows = "\n".join(
        f'<label><input type="checkbox" name="{GRANTED}" value="{escape(scope)}" checked> '
        f"<code>{escape(scope)}</code></label>"
        for scope in scopes
    )
    return f"<fieldset><legend>The app may have</legend>{rows}</fieldset>"


def _hidden(name: str, value: str) -> str:
    return f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'


def _page(title: str, body: str, status: int) -> Response:
    return HTMLResponse(PAGE.format(title=title, style=STYLE, body=body), status, HEADERS)
