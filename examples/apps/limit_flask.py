"""Flask-Limiter: three requests a minute, the fourth is refused; by both of its strategies."""
import os
import redis
from flask import Flask
from flask_limiter import Limiter

url = os.environ["STILLPOINT_URL"]
redis.Redis.from_url(url).flushdb()
for strategy in ["fixed-window", "moving-window", "sliding-window-counter"]:
    app = Flask(strategy)
    limiter = Limiter(lambda: strategy, app=app, storage_uri=url, strategy=strategy)

    @app.get("/")
    @limiter.limit("3/minute")
    def index():
        return "welcome"

    client = app.test_client()
    assert [client.get("/").status_code for _ in range(4)] == [200, 200, 200, 429], strategy
