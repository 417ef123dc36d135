"""The bench compares like with like: every server asks the source the same and answers the same bytes."""

from pathlib import Path

from bench.agreement import agree
from bench.cases import TITLES, case
from bench.processes import Cores, cores
from bench.scene import scene


def test_floor_gateway_and_stock_agree_on_every_case(tmp_path: Path) -> None:
    everywhere = cores().server | cores().others
    with scene(tmp_path, Cores(everywhere, everywhere)) as running:
        ports = {name: server.port for name, server in running.servers.items()}
        questions = {name: case(name, running.key) for name in TITLES}
        sizes = agree(questions, ports, running.upstream_ports[0], running.driver.token)
    assert sizes.keys() == TITLES.keys()
    assert set(ports) == {"floor", "gateway", "stock"}
