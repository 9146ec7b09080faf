/*
 * Broadcast on Node's cluster: workers, each a process, share one port; the primary makes the order.
 *
 * Order: every worker sends what its clients have sent to the primary. The primary sends what has collected
 * there to all workers as one batch, and the next batch when all of them have delivered this one.
 * A slow client: Node queues what the kernel has not taken. While that is more than LIMIT bytes, or
 * WRITES writes, the client misses new batches, always as whole messages.
 */

import cluster from "node:cluster";
import { closeSync, openSync } from "node:fs";
import { createServer, isIPv6 } from "node:net";
import { availableParallelism } from "node:os";

const BACKLOG = 1024;
const CHUNK = 64 * 1024; // bytes of a report, and collected in a worker, above which it pauses each socket that brings more
const LIMIT = 256 * 1024; // a client with more unsent bytes misses new batches
const WRITES = 4 * 1024; // likewise: in Node's queue, a short write costs a hundred bytes more than its own
const LINGER_MS = 10_000; // for a client that has closed its sending side to read what is unsent
const WORKERS = Math.max(2, availableParallelism()); // at least two, to show how they share a room
const DELIVERED = "delivered";
const NOTHING = Buffer.alloc(0);

/** A message to a process that has ended fails; soon "exit" or "disconnect" will say so. */
function ignoreLost() {}

// In a worker: clients, and what they have sent.

const room = new Set(); // this worker's clients
const collected = []; // whole messages that the primary does not have yet
let size = 0; // of all of them, in bytes
let underWay = 0; // bytes that the primary has of this worker, and that have not come back
let returned = 0; // bytes that have
let paused = []; // sockets that are not read until the primary has taken most of what is collected
const leaving = []; // clients at the end of their streams, whose last messages have not come back

function accept(socket) {
  if (!isDescriptorLeft()) {
    socket.destroy(); // a worker that does not get the next one would never be passed a connection again
    return;
  }
  // How many writes are in Node's queue, and where its last message ends among those of this worker.
  const client = { socket, rest: NOTHING, writes: 0, last: 0 };
  room.add(client);
  socket.on("data", (chunk) => serve(client, chunk));
  socket.on("end", () => leave(client));
  socket.on("timeout", () => socket.destroy());
  socket.on("error", () => {}); // a reset, after which Node closes the socket
  socket.on("close", () => room.delete(client));
}

/** Whether this client has left a descriptor for the next one, which is tried: open(2) does not wait here. */
function isDescriptorLeft() {
  try {
    closeSync(openSync("/dev/null"));
    return true;
  } catch {
    return false;
  }
}

function serve(client, chunk) {
  const data = Buffer.concat([client.rest, chunk]);
  const end = wholeMessages(data);
  client.rest = Buffer.from(data.subarray(end)); // a copy frees the chunk
  if (end > 0) {
    collected.push(data.subarray(0, end));
    size += end;
  }
  report();
  if (size > CHUNK) {
    client.socket.pause();
    paused.push(client.socket);
  }
}

/** Send the primary some of what is collected, unless it has something that has not come back. */
function report() {
  if (underWay > 0 || collected.length === 0) return;
  let count = 0;
  while (count < collected.length && underWay < CHUNK) underWay += collected[count++].length;
  process.send(Buffer.concat(collected.splice(0, count)), ignoreLost);
  size -= underWay;
  if (size > CHUNK) return;
  for (const socket of paused) socket.resume();
  paused = [];
}

/** Deliver the next batch of the common order. */
function receive({ batch, hasYours }) {
  for (const client of room) offer(client, batch);
  process.send(DELIVERED, ignoreLost);
  if (hasYours) {
    returned += underWay;
    underWay = 0;
    letGo();
  }
  report();
}

/** Drop policy: a client gets all of the batch, or none of it if it is too far behind. */
function offer(client, batch) {
  if (client.socket.writableLength > LIMIT || client.writes >= WRITES) return;
  client.writes += 1;
  client.socket.write(batch, () => {
    client.writes -= 1;
  });
}

function leave(client) {
  client.last = returned + underWay + size; // a leaving client still receives its own last messages
  leaving.push(client);
  letGo();
}

/** End the connections of those leaving clients whose last messages have come back. */
function letGo() {
  while (leaving.length > 0 && leaving[0].last <= returned) {
    const client = leaving.shift();
    room.delete(client);
    client.socket.end(); // after everything is sent, but not for ever to a client that does not read
    client.socket.setTimeout(LINGER_MS);
  }
}

/** The length of the longest prefix of `data` that consists of whole messages. */
function wholeMessages(data) {
  let end = 0;
  while (end < data.length) {
    const following = end + 1 + data[end];
    if (following > data.length) break;
    end = following;
  }
  return end;
}

// In the primary: the order.

let pending = []; // what workers have sent: [worker, messages]
let undelivered = 0; // how many workers have not delivered the last batch

function order(worker, message) {
  if (message === DELIVERED) undelivered -= 1;
  else pending.push([worker, message]);
  if (undelivered === 0 && pending.length > 0) flush();
}

/** Send what is pending to all workers as one batch. */
// Tuned: what all workers have reported in one turn of the loop is one batch.
function flush() {
  const senders = new Set(pending.map(([worker]) => worker));
  const batch = Buffer.concat(pending.map(([, messages]) => messages));
  pending = [];
  const workers = Object.values(cluster.workers);
  undelivered = workers.length;
  for (const worker of workers) worker.send({ batch, hasYours: senders.has(worker) }, ignoreLost);
}

// What follows is the same in every server but for the two kinds of processes: address, ready line and signals.

function parseAddress([address, ...more]) {
  const pattern = /^(?:\[([^\]]*:[^\]]*)\]|([^:[\]]+)):(0|[1-9][0-9]{0,4})$/;
  const match = more.length === 0 && pattern.exec(address ?? "");
  if (!match || match[3] > 65535) {
    console.error("usage: broadcast.mjs HOST:PORT (IPv6: [HOST]:PORT)");
    process.exit(2);
  }
  return { host: match[1] ?? match[2], port: Number(match[3]) };
}

function main({ host, port }) {
  const shown = isIPv6(host) ? `[${host}]` : host;
  if (cluster.isPrimary) startWorkers(shown);
  else listen(host, port, shown);
}

function startWorkers(shown) {
  // Nothing needs saving, and a worker ends when it has lost its primary.
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit());
  cluster.setupPrimary({ serialization: "advanced" }); // it can express a Buffer
  cluster.on("message", order);
  cluster.on("exit", () => process.exit(1)); // a worker has failed, and with it its clients
  let listening = 0;
  cluster.on("listening", (_, { port }) => {
    listening += 1;
    if (listening === WORKERS) console.log(`listening on ${shown}:${port}`);
  });
  for (let count = 0; count < WORKERS; count += 1) cluster.fork();
}

function listen(host, port, shown) {
  process.on("message", receive);
  process.on("SIGINT", () => {}); // Ctrl-C reaches the workers, too: they end when they have lost their primary
  // A client that has closed its side still gets what is unsent, so its end must not end the socket.
  const server = createServer({ allowHalfOpen: true, noDelay: true }, accept);
  server.on("error", (error) => {
    console.error(`cannot listen on ${shown}:${port}: ${error.message}`);
    process.exit(1);
  });
  server.listen({ host, port, backlog: BACKLOG, ipv6Only: true });
}

main(parseAddress(process.argv.slice(2)));
