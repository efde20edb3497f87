// Sessions of an express application, kept by connect-redis through node-redis; and publish/subscribe.
import assert from "node:assert/strict";
import { once } from "node:events";
import express from "express";
import session from "express-session";
import { RedisStore } from "connect-redis";
import { createClient } from "redis";

const client = await createClient({ url: process.env.STILLPOINT_URL, RESP: 3 }).connect();
await client.flushDb();
const app = express();
app.use(session({ store: new RedisStore({ client, ttl: 60 }), secret: "s", resave: false, saveUninitialized: false }));
app.get("/", (request, response) => {
  request.session.views = (request.session.views ?? 0) + 1;
  response.json(request.session.views);
});
const server = app.listen(0, "127.0.0.1");
await once(server, "listening");
const url = `http://127.0.0.1:${server.address().port}/`;
const first = await fetch(url);
const cookie = first.headers.get("set-cookie").split(";")[0];
assert.equal(await first.json(), 1);
assert.equal(await (await fetch(url, { headers: { cookie } })).json(), 2);
assert.equal(await (await fetch(url)).json(), 1);
assert.equal((await client.keys("sess:*")).length, 2);
const listener = await client.duplicate().connect();
const heard = new Promise(resolve => listener.subscribe("news", resolve));
while (await client.publish("news", "hello") === 0);
assert.equal(await heard, "hello");
await listener.close();
await client.close();
server.close();
