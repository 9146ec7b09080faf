/*
 * Channels on Node: callbacks on one event loop.
 *
 * Order: one callback puts a message into the queues of all subscribers before another is called.
 * Replies go the same way.
 * A slow client: Node queues what the kernel has not taken. While that is more than LIMIT bytes, the
 * client misses new messages; when replies make it twice as many, its requests wait until all is sent,
 * and meanwhile it misses new messages, too.
 */

import { createServer, isIPv6 } from "node:net";

const BACKLOG = 1024;
const LINE = 64 * 1024; // bytes of the longest request, including its line feed
const LIMIT = 256 * 1024; // a client with more unsent bytes misses new messages
const LINGER_MS = 10_000; // for a client that has left, or whose requests wait, to read some of what is unsent
const LINE_FEED = 10;
const NOTHING = Buffer.alloc(0);

const channels = new Map(); // the subscribers of every channel that has any
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function accept(socket) {
  const client = { socket, rest: NOTHING, channels: new Set() };
  socket.on("data", (chunk) => serve(client, chunk));
  socket.on("drain", () => resume(client)); // everything is sent
  socket.on("end", () => leave(client));
  socket.on("timeout", () => socket.destroy());
  socket.on("error", () => {}); // a reset, after which Node closes the socket
  socket.on("close", () => forget(client));
}

function serve(client, chunk) {
  if (client.rest.length === LINE && !chunk.includes(LINE_FEED)) return; // more of a line that is too long already
  const data = Buffer.concat([client.rest, chunk]);
  let begin = 0;
  for (let end; !isBehind(client) && (end = data.indexOf(LINE_FEED, begin)) >= 0; begin = end + 1) {
    handle(client, data.subarray(begin, end));
  }
  if (isBehind(client)) {
    pause(client, data.subarray(begin));
  } else {
    client.rest = Buffer.from(data.subarray(begin, begin + LINE)); // enough to see that a line is too long
  }
}

/** Let requests wait while too many replies to the client are unsent. */
function pause(client, rest) {
  client.rest = Buffer.from(rest);
  client.socket.pause();
  client.socket.setTimeout(LINGER_MS); // it may have left, which is seen only after its requests
}

/** Go on with requests that wait. */
function resume(client) {
  if (!client.socket.isPaused()) return;
  client.socket.setTimeout(0);
  client.socket.resume();
  serve(client, NOTHING);
}

function isBehind(client) {
  return client.socket.writableLength > 2 * LIMIT;
}

/** Carry out the request in a line, or reply why not. */
function handle(client, line) {
  try {
    obey(client, decode(line));
  } catch (error) {
    send(client, encode({ Error: error.message }));
  }
}

function obey(client, { Subscribe, Send }) {
  if (isText(Subscribe)) {
    send(client, encode({ Subscribed: Subscribe }));
    client.channels.add(Subscribe);
    if (!channels.has(Subscribe)) channels.set(Subscribe, new Set());
    channels.get(Subscribe).add(client);
  } else if (isText(Send?.channel) && isText(Send.message) && Object.keys(Send).length === 2) {
    const { channel, message } = Send;
    const delivery = encode({ Message: { channel, message } });
    if (!channels.has(channel)) throw new Error(`no such channel: ${channel}`);
    for (const subscriber of channels.get(channel)) offer(subscriber, delivery);
  } else {
    throw new Error("no such request");
  }
}

function leave(client) {
  forget(client);
  client.socket.end(); // after everything is sent, but not for ever to a client that does not read
  client.socket.setTimeout(LINGER_MS);
}

/** Remove the client, and the channels that have no other subscriber. */
function forget(client) {
  for (const channel of client.channels) {
    const subscribers = channels.get(channel);
    subscribers.delete(client);
    if (subscribers.size === 0) channels.delete(channel);
  }
  client.channels.clear();
}

/** Drop policy: a client that is too far behind misses the message, as does one whose requests wait for "drain". */
function offer(client, delivery) {
  if (client.socket.writableLength <= LIMIT && !client.socket.isPaused()) send(client, delivery);
}

/** Queue a line; Node sends in one system call what this turn of the loop queues. */
function send({ socket }, line) {
  if (socket.writableCorked === 0) {
    socket.cork();
    setImmediate(() => socket.uncork());
  }
  socket.write(line);
}

function decode(line) {
  if (line.length >= LINE) throw new Error(`a request has at most ${LINE} bytes`);
  let request;
  try {
    request = JSON.parse(utf8.decode(line));
  } catch {
    throw new Error("not JSON"); // Node's own message may quote half of a surrogate pair
  }
  if (request === null || Object.keys(request).length !== 1) throw new Error("no such request");
  return request;
}

/** Whether this is a string without lone surrogates, which JSON can express and UTF-8 cannot. */
function isText(value) {
  return typeof value === "string" && value.isWellFormed();
}

function encode(reply) {
  return Buffer.from(`${JSON.stringify(reply)}\n`);
}

// What follows is the same in every server: the address, the ready line and signals.

function parseAddress([address, ...more]) {
  const pattern = /^(?:\[([^\]]*:[^\]]*)\]|([^:[\]]+)):(0|[1-9][0-9]{0,4})$/;
  const match = more.length === 0 && pattern.exec(address ?? "");
  if (!match || match[3] > 65535) {
    console.error("usage: channels.mjs HOST:PORT (IPv6: [HOST]:PORT)");
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
