"""One pull spread over many processes under one key.

`fleet_pull` plans a pull, keeps the plan in a PostgreSQL database and queues its shards in Redis;
any number of processes that run `fleet_work` read them; `fleet_status` tells from anywhere how far
they are. The queue is streaq (extra ``workers``); with another one, `orders` and `run_shard` are
all that is needed.

A shard is run at least once. Its pages and how far it has come are kept together, under a fencing
number, so that a worker which was thought dead and comes back can do no harm.
"""

from nexhealth_async.bulk import Outcome, Reading, SharedTarget
from nexhealth_async.fleet.enqueue import fleet_pull, queue_again
from nexhealth_async.fleet.queue import Queue
from nexhealth_async.fleet.queue_messages import Order, order_from_json, orders
from nexhealth_async.fleet.shard_runner import run_shard
from nexhealth_async.fleet.status import FleetStatus, ShardStanding, fleet_status
from nexhealth_async.fleet.worker import fleet_work

__all__ = [
    "FleetStatus",
    "Order",
    "Outcome",
    "Queue",
    "Reading",
    "ShardStanding",
    "SharedTarget",
    "fleet_pull",
    "fleet_status",
    "fleet_work",
    "order_from_json",
    "orders",
    "queue_again",
    "run_shard",
]
