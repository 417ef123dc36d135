"""The gateway with graphql-core's executor in the place of the compiled one; all else is the same.

`python -m bench.stock_app --config gateway.toml --port N`. The product has no such switch.
"""

from __future__ import annotations

import sys

import gateway.app
from gateway.cli.main import main
from gateway.execution.stock import StockExecutor

PLACE = "CompiledExecutor"

if __name__ == "__main__":
    if not hasattr(gateway.app, PLACE):
        sys.exit("bench.stock_app: gateway.app no longer builds a CompiledExecutor; say here what it builds")
    setattr(gateway.app, PLACE, StockExecutor)
    sys.exit(main(["serve", *sys.argv[1:]]))
