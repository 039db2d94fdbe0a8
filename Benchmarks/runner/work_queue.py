"""script/bench queue: a work queue on Starling and the same on etcd."""

import argparse

import options as command_line
from options import page_name, positive, windows
from peer_etcd import Etcd
from peer_starling import Starling
from requirements import LEVELS

DESCRIPTION = """Measures a work queue, in turn on Starling and on etcd: half the sessions put jobs, half wait for them and take
them, until all are taken. On etcd workers take the oldest job by its own recipe (contrib/recipes), and, as etcd-spread, one of the
oldest at random, so that they get less into each other's way. Takes about eight minutes."""


NOTE = """Half the sessions put jobs and half take them, waiting if there is none, until all are taken; the rate is of jobs, the latency
that of a take. On *starling* a job is a tuple; a worker's take holds it, and its next one acknowledges it: a job whose worker dies goes
back. On *etcd* both follow its own recipe for queues (`contrib/recipes`): a put under a key that must be new, then a get of the oldest
key and a transaction that deletes it if it is still as it was read, of which one worker succeeds; a worker that finds none watches. The
workers of *etcd-spread* try one of the oldest keys at random, as many as there are workers: fewer fail, and the order is lost. On etcd a job
whose worker dies is lost with it.""".replace("\n", " ")


class EtcdSpread(Etcd):
    name = "etcd-spread"
    claim = "spread"


PEERS = (Starling, Etcd, EtcdSpread)


def parse(arguments):
    parser = argparse.ArgumentParser(prog="script/bench queue", description=DESCRIPTION)
    add = parser.add_argument
    add("--windows", type=windows, default=windows("2x1,64x8"), metavar="LIST",
        help="loads as SESSIONSxCONNECTIONS, the sessions even (2x1,64x8)")
    add("--seconds", type=positive(float), default=5.0, help="about how long a run lasts (5)")
    add("--repeats", type=positive(int), default=3, help="repetitions of all runs (3)")
    add("--size", type=positive(int), default=256, help="bytes a job (256)")
    add("--require", nargs="?", const="must", choices=tuple(LEVELS), metavar="LEVEL",
        help="exit 1 when a ratio is below base, must (the default level) or goal")
    add("--limit", type=positive(float), default=30, help="minutes after which no further repetition starts (30)")
    add("--what", type=page_name, default="queue", help="name of the page after its date (queue)")
    command_line.add_common(parser)
    options = parser.parse_args(arguments)
    options.requests, options.zero_filled, options.note = None, "yes", NOTE
    options.only, options.operations, options.out = tuple(peer.name for peer in PEERS), ("queue",), options.out or "docs/benchmarks"
    return options
