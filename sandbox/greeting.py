"""What a running sandbox tells people: the URLs, a token, and a first query to copy."""

import json
import shlex
from collections.abc import Mapping
from typing import Any

FIRST_QUERY = (
    '{ patient(id: "%s") { id name { family given } observations(first: %d) { completeness '
    "sources { source status } nodes { origin { name } code { text coding { display } } effectiveDateTime "
    "valueQuantity { valueText unit } } } } }"
)


def greeting(summary: Mapping[str, Any], patient_id: str, rows: int, details: str) -> str:
    """The text printed when everything is ready. The first query asks for the newest `rows` observations
    of `patient_id`."""
    token = summary["tokens"]["clinician"]
    sources = "\n".join(f"  {name:<9} {url}" for name, url in summary["upstreams"].items())
    return f"""\
Clinical Gateway sandbox: {len(summary["patients"])} synthetic patients

  GraphQL   {summary["graphql_url"]} (in a browser: GraphiQL)
  issuer    {summary["issuer"]}
{sources}
  details   {details}

A clinician's token, good for a day (for others: clinical-gateway token --help)

{token}

A first query

{_curl(summary["graphql_url"], token, FIRST_QUERY % (patient_id, rows))}

Ctrl-C ends everything."""


def _curl(url: str, token: str, query: str) -> str:
    parts = [
        f"curl -s {shlex.quote(url)}",
        f"-H {shlex.quote(f'Authorization: Bearer {token}')}",
        "-H 'Content-Type: application/json'",
        f"-d {shlex.quote(json.dumps({'query': query}))}",
    ]
    return " \\\n  ".join(parts)
