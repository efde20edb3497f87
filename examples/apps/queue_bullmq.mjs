// BullMQ: jobs, a flow of parents and children, delays and retries. Its scripts use cmsgpack, cjson and streams.
import assert from "node:assert/strict";
import { FlowProducer, Queue, QueueEvents, Worker } from "bullmq";
import { createClient } from "redis";

const url = new URL(process.env.STILLPOINT_URL);
const connection = { host: url.hostname, port: Number(url.port), db: Number(url.pathname.slice(1)), maxRetriesPerRequest: null };
const client = await createClient({ url: url.href }).connect();
await client.flushDb();
let attempts = 0;
const worker = new Worker("numbers", async job => {
  if (job.name === "fails once" && attempts++ === 0) throw new Error("not yet");
  const children = Object.values(await job.getChildrenValues());
  return children.length ? children.reduce((a, b) => a + b, 0) : job.data.n * 2;
}, { connection });
const queue = new Queue("numbers", { connection });
const events = new QueueEvents("numbers", { connection });
await events.waitUntilReady();
const done = async job => job.waitUntilFinished(events, 30_000);
assert.equal(await done(await queue.add("double", { n: 21 })), 42);
assert.equal(await done(await queue.add("late", { n: 4 }, { delay: 300 })), 8);
assert.equal(await done(await queue.add("fails once", { n: 5 }, { attempts: 2, backoff: 50 })), 10);
assert.equal(await done(await queue.add("urgent", { n: 1 }, { priority: 1 })), 2);
const flow = new FlowProducer({ connection });
const tree = await flow.add({ name: "sum", queueName: "numbers", data: {}, children:
  [1, 2, 3].map(n => ({ name: "part", queueName: "numbers", data: { n } })) });
assert.equal(await done(tree.job), 12);
const counts = await queue.getJobCounts("completed", "failed", "waiting");
assert.deepEqual(counts, { completed: 8, failed: 0, waiting: 0 });
await Promise.all([worker.close(), flow.close(), events.close(), queue.close()]);
await client.close();
