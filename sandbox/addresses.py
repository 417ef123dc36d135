"""Where the sandbox's servers are reached."""

from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.serving import HOST

UPSTREAMS = ("ehr", "gp", "wearable")


@dataclass(frozen=True, slots=True)
class Addresses:
    """URLs by the ports of `gateway`, `issuer`, `ehr`, `gp` and `wearable`."""

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
    def upstreams(self) -> dict[str, str]:
        """The ehr's base URL, the origin of the others."""
        return {
            "ehr": f"{self.origin('ehr')}/fhir",
            "gp": self.origin("gp"),
            "wearable": self.origin("wearable"),
        }

    @property
    def readiness(self) -> dict[str, str]:
        """What answers 200 as soon as a process can serve."""
        probes = {name: f"{self.origin(name)}/_sandbox/requests" for name in UPSTREAMS}
        probes["issuer"] = f"{self.issuer}/.well-known/openid-configuration"
        return probes | {"gateway": f"{self.origin('gateway')}/readyz"}
