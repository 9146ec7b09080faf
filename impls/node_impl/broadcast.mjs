/*
 * Broadcast on Node: callbacks on one event loop.
 *
 * Order: every chunk that arrives adds its whole messages to the one array `pending`, and everything
 * collected there in one turn of the loop goes to all clients as one batch: that is the common order.
 * A slow client: while Node has something queued for it, batches wait in its outbox for "drain".
 * While more than LIMIT bytes wait, the client misses new batches, always as whole messages.
 */

import { createServer, isIPv6 } from "node:net";

const BACKLOG = 1024;
const CHUNK = 64 * 1024; // bytes that Node reads at a time, and bytes pending before a flush
const BATCH = 2 * CHUNK + 256; // bytes of the longest batch: one chunk more, and the rest before it
const LIMIT = 256 * 1024; // a client with more unsent bytes misses new batches
const LINGER_MS = 10_000; // for a client that has closed its sending side to read what is unsent
const QUEUE = 16 * 1024; // bytes in Node's own queue, where each batch costs a hundred bytes more
const NOTHING = Buffer.alloc(0);

const room = new Set(); // all clients
let pending = []; // batches of whole messages in their final order, not yet offered
let gathered = 0; // bytes in `pending`

function accept(socket) {
  const client = { socket, rest: NOTHING, outbox: null, waiting: 0 }; // bytes in the outbox
  room.add(client);
  socket.on("data", (chunk) => serve(client, chunk));
  socket.on("drain", () => write(client));
  socket.on("end", () => leave(client));
  socket.on("error", () => room.delete(client)); // a reset, after which Node closes the socket
}

function serve(client, chunk) {
  const data = client.rest.length > 0 ? Buffer.concat([client.rest, chunk]) : chunk;
  const end = wholeMessages(data);
  if (end > 0) broadcast(data.subarray(0, end));
  client.rest = end < data.length ? Buffer.from(data.subarray(end)) : NOTHING; // a copy frees the chunk
}

/** Hand the outbox to Node, which emits "drain" when all of it is sent. */
function write(client) {
  if (client.outbox === null) return;
  client.socket.write(client.outbox.subarray(0, client.waiting));
  client.outbox = null;
  client.waiting = 0;
}

function leave(client) {
  flush(); // a leaving client still receives its own last messages
  room.delete(client);
  write(client);
  client.socket.end(); // after everything is sent, but not for ever to a client that does not read
  if (client.socket.writableLength > 0) setTimeout(() => client.socket.destroy(), LINGER_MS).unref();
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

/** Append these messages to the common order. */
function broadcast(batch) {
  if (gathered === 0) setImmediate(flush); // after all sockets that are ready now have been read
  pending.push(batch);
  gathered += batch.length;
  if (gathered >= CHUNK) flush();
}

/** Offer what is pending as one batch: one offer per client, however many clients have sent. */
function flush() {
  if (gathered === 0) return;
  const batch = Buffer.concat(pending, gathered);
  pending = [];
  gathered = 0;
  for (const client of room) offer(client, batch);
}

/** Drop policy: a client gets all of the batch, or none of it if it is too far behind. */
function offer(client, batch) {
  if (!client.socket.writableNeedDrain) {
    client.socket.write(batch);
  } else if (client.socket.writableLength + client.waiting <= LIMIT) {
    client.outbox ??= Buffer.allocUnsafe(LIMIT + BATCH);
    client.waiting += batch.copy(client.outbox, client.waiting);
  }
}

// What follows is the same in every server: the address, the ready line and signals.

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
  // Nothing needs saving, and the kernel closes every connection.
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit());
  // A client that has closed its side still gets what is unsent, so its end must not end the socket.
  const server = createServer({ allowHalfOpen: true, noDelay: true, highWaterMark: QUEUE }, accept);
  server.on("error", (error) => {
    if (server.listening) return; // no descriptor is left, and Node has closed the new connection
    console.error(`cannot listen on ${shown}:${port}: ${error.message}`);
    process.exit(1);
  });
  server.listen({ host, port, backlog: BACKLOG, ipv6Only: true }, () => {
    console.log(`listening on ${shown}:${server.address().port}`);
  });
}

main(parseAddress(process.argv.slice(2)));
