"""rq: a job is enqueued, worked off, and its result fetched."""
import os
import redis
import rq
from rq import Queue, SimpleWorker

connection = redis.Redis.from_url(os.environ["STILLPOINT_URL"])
connection.flushdb()
queue = Queue("jobs", connection=connection)
jobs = [queue.enqueue("operator.mul", n, 7, result_ttl=60) for n in range(5)]
late = queue.enqueue("operator.truediv", 1, 0)
SimpleWorker([queue], connection=connection).work(burst=True)
assert [job.return_value() for job in jobs] == [n * 7 for n in range(5)]
assert late.get_status(refresh=True) == rq.job.JobStatus.FAILED
assert len(queue) == 0
print("rq", rq.VERSION)
