"""pottery's Redlock: held by one, refused to another, free after release."""
import os
import redis
from pottery import Redlock

connection = redis.Redis.from_url(os.environ["STILLPOINT_URL"])
connection.flushdb()
first = Redlock(key="printer", masters={connection}, auto_release_time=5)
second = Redlock(key="printer", masters={connection}, auto_release_time=5)
assert first.acquire()
assert not second.acquire(blocking=False)
first.extend()
assert 0 < first.locked() <= 5
first.release()
assert second.acquire(blocking=False)
second.release()
# redis-py's own lock too, which is a script each for release and extension.
with connection.lock("scanner", timeout=5) as lock:
    lock.extend(5)
    assert lock.owned()
