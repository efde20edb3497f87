"""Celery: a worker in a process of its own, tasks sent to it, their results, a chord."""
import os
import subprocess
import sys
import redis
from celery import Celery, chord

url = os.environ["STILLPOINT_URL"]
app = Celery("queue_celery", broker=url, backend=url)
app.conf.broker_connection_retry_on_startup = True


@app.task(name="multiply")
def multiply(a, b):
    return a * b


@app.task(name="total")
def total(numbers):
    return sum(numbers)


if __name__ == "__main__":
    redis.Redis.from_url(url).flushdb()
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "queue_celery", "worker", "--pool", "solo", "--loglevel", "warning"]
    )
    try:
        assert multiply.delay(6, 7).get(timeout=60) == 42
        assert chord([multiply.s(n, 2) for n in range(4)])(total.s()).get(timeout=60) == 12
    finally:
        worker.terminate()
        worker.wait()
