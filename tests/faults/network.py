"""The network between each pair of programs is cut, lost and slowed down, by a proxy between them.

This module knows the faults and has the consumers' pairs; road.py has those of the tasks.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from random import Random

from tests.conftest import Servers
from tests.faults.drill import CannotRunError, Round, drill
from tests.faults.field import Field, open_field
from tests.faults.load import Shape
from tests.faults.patience import until
from tests.faults.proxy import Proxy

# A silent peer is given up after seconds here; by default it takes about a minute.
QUICK_POSTGRES = (
    "tcp_user_timeout=2000&keepalives_idle=1&keepalives_interval=1&connect_timeout=3&options="
    "-c%20tcp_keepalives_idle%3D1%20-c%20tcp_keepalives_interval%3D1%20-c%20tcp_user_timeout%3D2000"
)
QUICK_BROKER = "heartbeat=2&socket_timeout=3&tcp_options={'TCP_USER_TIMEOUT':2000}"

Fault = Callable[[Proxy, Random], None]


def cut(proxy: Proxy, rng: Random) -> None:
    """connections are reset in the middle of what is being sent, at a random byte of either direction."""
    proxy.cut_after(int(10 ** rng.uniform(0, 3.7)), upstream=rng.random() < 0.5)
    if not proxy.was_cut.wait(3):  # so much did not come
        proxy.cut()


def lose(proxy: Proxy, rng: Random) -> None:
    """packets vanish without a word: for some seconds, or, of the connections that are open, for ever."""
    if sys.platform != "linux":
        raise CannotRunError("only Linux drops the packets of a single socket")
    if rng.random() < 0.5:
        proxy.silence()
        time.sleep(1 + 2 * rng.random())
        proxy.heal()
    else:
        proxy.forget()


def slow(proxy: Proxy, rng: Random) -> None:
    """for some seconds few bytes pass, late."""
    proxy.slow(rate=rng.uniform(20_000, 100_000), delay=rng.uniform(0.005, 0.05))
    time.sleep(1 + 2 * rng.random())
    proxy.heal()


FAULTS: dict[str, tuple[Fault, int]] = {"cut": (cut, 5), "lost": (lose, 3), "slow": (slow, 2)}
SHORT = {"net-consumer-postgres-cut", "net-task-store-cut"}  # belong to the tests
PAIRS = ("consumer-broker", "consumer-postgres")
SHAPE = Shape(objects=2, batches=20, rows=200)


@dataclass
class Network:
    """A field whose consumers reach their servers through proxies."""

    field: Field
    proxies: dict[str, Proxy]

    def close(self) -> list[str]:
        """What the broker still held for connections that it lost without a word comes again, to anybody."""
        problems = self.field.crew.dismiss()
        until(lambda: not self.connections(), "the broker has given up the lost connections", 30)
        return problems + self.field.close()

    def connections(self) -> int:
        """Connections that the broker believes in."""
        with self.field.api() as api:
            vhost = f"/api/vhosts/{self.field.broker.vhost}/connections"
            return len(api.get(vhost).raise_for_status().json())


@contextmanager
def open_network(servers: Servers, name: str) -> Iterator[Network]:
    """A proxy for each of the consumers' pairs."""
    with open_field(servers, name) as field, ExitStack() as stack:
        urls = dict(zip(PAIRS, (field.broker.url, field.database.loader_url), strict=True))
        proxies = {pair: stack.enter_context(Proxy.to(url)) for pair, url in urls.items()}
        broker, postgres = (proxies[pair] for pair in PAIRS)
        field.crew.variables = {
            **field.crew.variables,
            "HEADGATE_AMQP_URL": broker.url(field.broker.url, QUICK_BROKER),
            "HEADGATE_LOADER_URL": postgres.url(field.database.loader_url, QUICK_POSTGRES),
        }
        yield Network(field, proxies)


def story(pair: str, fault: Fault) -> str:
    """What the page of the drills says."""
    names = pair.replace("-", " and ").replace("postgres", "Postgres")
    return f"Between {names}: {fault.__doc__}"


def drill_of(pair: str, kind: str) -> None:
    """Register the drill of a pair and a kind of fault."""
    fault, times = FAULTS[kind]
    name = f"net-{pair}-{kind}"

    def run(network: Network, rng: Random) -> Round:
        network.field.database_crew()
        load = network.field.load(rng, SHAPE)
        sender = network.field.send(load.batches)
        network.field.reaches(load, 0.6 * rng.random())
        fault(network.proxies[pair], rng)
        return network.field.settle(load, sender)

    run.__doc__ = story(pair, fault)
    drill(name, times=times, short=int(name in SHORT), ground=open_network)(run)


for _pair in PAIRS:
    for _kind in FAULTS:
        drill_of(_pair, _kind)
