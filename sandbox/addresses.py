"""Where the sandbox's servers are reached."""

from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.serving import HOST

UPSTREAMS = ("ehr", "gp", "wearable")
VENDORS = ("laboratory", "practice", "document")
"""Further sources, started only when asked for."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """URLs by the ports of `gateway`, `issuer` and every source."""

    ports: Mapping[str, int]

    def origin(self, name: str) -> str:
        """`http://127.0.0.1:PORT` of a process."""
        return f"http://{HOST}:{self.ports[name]}"

    @property
    def issuer(self) -> str:
        return self.origin("issuer")

    @property
    def graphql(self) -> str:
        return f"{self.origin('gateway')}/graphql"

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources that there are."""
        return (*UPSTREAMS, *(name for name in VENDORS if name in self.ports))

    @property
    def upstreams(self) -> dict[str, str]:
        """The ehr's base URL, the origin of the others."""
        return {name: self.origin(name) for name in self.sources} | {"ehr": f"{self.origin('ehr')}/fhir"}

    @property
    def readiness(self) -> dict[str, str]:
        """What answers 200 as soon as a process can serve."""
        probes = {name: f"{self.origin(name)}/_sandbox/requests" for name in self.sources}
        probes["issuer"] = f"{self.issuer}/.well-known/openid-configuration"
        return probes | {"gateway": f"{self.origin('gateway')}/readyz"}
