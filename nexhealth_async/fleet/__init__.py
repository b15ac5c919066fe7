"""One pull spread over many processes under one key.

`fleet_pull` plans a pull, keeps the plan in a PostgreSQL database and queues its shards in Redis;
any number of processes that run `fleet_work` read them; `fleet_status` tells from anywhere how far
they are. The queue is streaq (extra ``workers``); with another one, `shard_tasks` and `run_shard`
are all that is needed.

A shard is run at least once. Its pages and how far it has come are kept together, under a fencing
number, so that a worker which was thought dead and comes back can do no harm.
"""

from nexhealth_async.bulk import ReadOptions, ShardOutcome, SharedTarget
from nexhealth_async.fleet.enqueue import fleet_pull, requeue
from nexhealth_async.fleet.queue import FleetQueue
from nexhealth_async.fleet.queue_messages import ShardTask, shard_tasks, task_from_json
from nexhealth_async.fleet.shard_runner import run_shard
from nexhealth_async.fleet.status import FleetStatus, ShardStatus, fleet_status
from nexhealth_async.fleet.worker import fleet_work

__all__ = [
    "FleetQueue",
    "FleetStatus",
    "ReadOptions",
    "ShardOutcome",
    "ShardStatus",
    "ShardTask",
    "SharedTarget",
    "fleet_pull",
    "fleet_status",
    "fleet_work",
    "requeue",
    "run_shard",
    "shard_tasks",
    "task_from_json",
]
