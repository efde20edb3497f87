"""django-redis: the cache interface of Django."""
import os
import django
from django.conf import settings

settings.configure(
    CACHES={"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": os.environ["STILLPOINT_URL"]}}
)
django.setup()
from django.core.cache import cache  # noqa: E402 (the settings come first)

cache.clear()
cache.set("user:1", {"name": "Ada"}, timeout=60)
assert cache.get("user:1") == {"name": "Ada"}
assert cache.get_many(["user:1", "user:2"]) == {"user:1": {"name": "Ada"}}
cache.set("hits", 1)
assert cache.incr("hits", 4) == 5
assert cache.add("hits", 9) is False
assert 0 < cache.ttl("user:1") <= 60
with cache.lock("only-one", timeout=5):
    assert cache.get("hits") == 5
cache.set_many({f"page:{n}": n for n in range(100)})
assert cache.delete_pattern("page:*") == 100
assert list(cache.iter_keys("user:*")) == ["user:1"]
