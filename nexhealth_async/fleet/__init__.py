"""Fleet: one pull spread over many processes with one API key.

`fleet_pull` plans a pull, stores the plan in a PostgreSQL database and queues its shards in Redis.
Any number of processes that run `fleet_work` read them, and `fleet_status` reports the progress
from anywhere. The queue is streaq (extra ``workers``); with another queue, use `shard_tasks` and
`run_shard`.

A shard runs at least once. Its pages and its state are written in one transaction with a fencing
number, so that a worker that was considered dead can do no harm.
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
