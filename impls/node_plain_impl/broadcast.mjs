/*
 * Broadcast on Node, plainly: callbacks on one event loop, and one write for every chunk and client.
 *
 * Order: every callback writes the whole messages of one chunk to all clients before another is called.
 * A slow client: Node queues what the kernel has not taken. While that is more than LIMIT bytes, or
 * WRITES writes, the client misses new messages, always whole ones.
 */

import { createServer, isIPv6 } from "node:net";

const BACKLOG = 1024;
const LIMIT = 256 * 1024; // a client with more unsent bytes misses new messages
const WRITES = 4 * 1024; // likewise: in Node's queue, a short write costs a hundred bytes more than its own
const LINGER_MS = 10_000; // for a client that has closed its sending side to read what is unsent
const NOTHING = Buffer.alloc(0);

const room = new Set(); // all clients

function accept(socket) {
  const client = { socket, rest: NOTHING, writes: 0 }; // how many are in Node's queue
  room.add(client);
  socket.on("data", (chunk) => serve(client, chunk));
  socket.on("end", () => leave(client));
  socket.on("timeout", () => socket.destroy());
  socket.on("error", () => room.delete(client)); // a reset, after which Node closes the socket
}

function serve(client, chunk) {
  const data = Buffer.concat([client.rest, chunk]);
  const end = wholeMessages(data);
  if (end > 0) broadcast(data.subarray(0, end));
  client.rest = Buffer.from(data.subarray(end)); // a copy frees the chunk
}

function leave(client) {
  room.delete(client);
  client.socket.end(); // after everything is sent, but not for ever to a client that does not read
  client.socket.setTimeout(LINGER_MS);
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

function broadcast(messages) {
  for (const client of room) offer(client, messages);
}

/** Drop policy: a client that is too far behind misses the messages. */
function offer(client, messages) {
  const { socket } = client;
  if (socket.writableLength > LIMIT || client.writes >= WRITES) return;
  if (socket.writableCorked === 0) { // Node sends in one system call what this turn of the loop queues
    socket.cork();
    setImmediate(() => socket.uncork());
  }
  client.writes += 1;
  socket.write(messages, () => {
    client.writes -= 1;
  });
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
  const server = createServer({ allowHalfOpen: true, noDelay: true }, accept);
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
