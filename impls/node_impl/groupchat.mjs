/*
 * A group chat on Node: callbacks on one event loop.
 *
 * Order: one callback puts a message or a notice into the queues of all members before another is called.
 * Replies go the same way.
 * A slow client: Node queues what the kernel has not taken. While that is more than LIMIT bytes, or
 * WRITES frames, the client misses new messages; when replies make it twice as many bytes, its requests
 * wait until all is sent, and meanwhile it misses new messages, too; and when notices, which no member may
 * miss, make it three times as many, it is disconnected.
 */

import { createServer, isIPv6 } from "node:net";

const BACKLOG = 1024;
const FRAME = 64 * 1024 - 1; // bytes of the longest payload: a length has two bytes
const NAME = 32; // code points of the longest name
const TEXT = 32 * 1024; // bytes of the longest text
const LIMIT = 256 * 1024; // a client with more unsent bytes misses new messages
const WRITES = 4 * 1024; // likewise: in Node's queue, a short frame costs a hundred bytes more than its own
const LINGER_MS = 10_000; // for a client that has left, or whose requests wait, to read some of what is unsent
const NOTHING = Buffer.alloc(0);

// The tags of requests and replies: the position of each type in the table of the protocol.
const [JOIN, SAY] = [0, 1];
const [WELCOME, REFUSED, JOINED, LEFT, SAID] = [0, 1, 2, 3, 4];

const members = new Map(); // the clients that have joined, by name
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function accept(socket) {
  // No name until it has joined; until then it gets no messages. `writes` counts those in Node's queue.
  const client = { socket, rest: NOTHING, name: null, writes: 0 };
  socket.on("data", (chunk) => serve(client, chunk));
  socket.on("drain", () => resume(client)); // everything is sent
  socket.on("end", () => leave(client));
  socket.on("timeout", () => socket.destroy());
  socket.on("error", () => {}); // a reset, after which Node closes the socket
  socket.on("close", () => forget(client));
}

function serve(client, chunk) {
  const data = Buffer.concat([client.rest, chunk]);
  let begin = 0;
  for (let end; !isBehind(client) && (end = frameEnd(data, begin)) <= data.length; begin = end) {
    handle(client, data.subarray(begin + 2, end));
  }
  client.rest = Buffer.from(data.subarray(begin));
  if (isBehind(client)) pause(client);
}

/** Where the frame that begins there ends; past the end of the data if it is unfinished. */
function frameEnd(data, begin) {
  return begin + 2 <= data.length ? begin + 2 + data.readUInt16BE(begin) : Infinity;
}

/** Let requests wait while too many replies to the client are unsent. */
function pause(client) {
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

/** Carry out the request in a frame, or reply why not. */
function handle(client, payload) {
  try {
    obey(client, decode(payload));
  } catch (error) {
    send(client, encode(REFUSED, error.message));
  }
}

function obey(client, { tag, text }) {
  if (tag === JOIN && client.name !== null) throw new Error("you have already joined");
  if (tag === JOIN && members.has(text)) throw new Error("this name is taken");
  if (tag === SAY && client.name === null) throw new Error("join first");
  if (tag === JOIN) {
    send(client, encodeWelcome([...members.keys()]));
    announce(encode(JOINED, text));
    members.set(text, client);
    client.name = text;
  } else {
    const delivery = encode(SAID, client.name, text);
    for (const member of members.values()) offer(member, delivery);
  }
}

function leave(client) {
  forget(client);
  client.socket.end(); // after everything is sent, but not for ever to a client that does not read
  client.socket.setTimeout(LINGER_MS);
}

/** Remove the client; if it was a member, announce that it has left. */
function forget(client) {
  if (client.name === null) return;
  members.delete(client.name);
  announce(encode(LEFT, client.name));
  client.name = null;
}

/**
 * Send a notice to all members, and disconnect those too far behind: without the notice, such a member
 * would have a wrong list of members.
 */
function announce(notice) {
  for (const member of members.values()) {
    if (member.socket.writableLength > 3 * LIMIT) member.socket.destroy(); // "close" does the rest
    else send(member, notice);
  }
}

/** Drop policy: a client that is too far behind misses the message, as does one whose requests wait for "drain". */
function offer(client, delivery) {
  if (client.socket.writableLength > LIMIT || client.writes >= WRITES || client.socket.isPaused()) return;
  send(client, delivery);
}

/** Queue a frame; Node sends in one system call what this turn of the loop queues. */
function send(client, frame) {
  const { socket } = client;
  if (socket.writableCorked === 0) {
    socket.cork();
    setImmediate(() => socket.uncork());
  }
  client.writes += 1;
  socket.write(frame, () => {
    client.writes -= 1;
  });
}

/** Return a request, or throw why it is refused. Every value has exactly one encoding. */
function decode(payload) {
  const tag = payload[0];
  if (tag !== JOIN && tag !== SAY) throw new Error("no such request");
  const { value, end } = varint(payload, 1);
  if (value !== payload.length - end) throw new Error("not a text that takes the payload to its end");
  const text = utf8.decode(payload.subarray(end));
  if (tag === JOIN) checkName(text);
  if (tag === SAY && value > TEXT) throw new Error(`a text has at most ${TEXT} bytes`);
  return { tag, text };
}

function checkName(name) {
  const size = [...name].length;
  if (size < 1 || size > NAME) throw new Error(`a name has 1 to ${NAME} characters`);
  if (/\p{Cc}/u.test(name)) throw new Error("a name has no control characters");
}

/** The number that begins there, and where it ends: seven bits a byte, the low ones first. */
function varint(payload, begin) {
  let value = 0;
  let end = begin;
  do {
    if (end >= payload.length) throw new Error("not a number");
    value += (payload[end] & 0x7f) * 2 ** (7 * (end - begin));
  } while (payload[end++] >= 0x80);
  if (end - begin > 1 && payload[end - 1] === 0) throw new Error("a number with more bytes than necessary");
  return { value, end };
}

/** The frame of a reply that consists of texts. */
function encode(tag, ...texts) {
  return frame([Buffer.of(tag), ...texts.map(encodeText)]);
}

function encodeWelcome(names) {
  return frame([Buffer.of(WELCOME), encodeVarint(names.length), ...names.map(encodeText)]);
}

function encodeText(text) {
  const bytes = Buffer.from(text);
  return Buffer.concat([encodeVarint(bytes.length), bytes]);
}

function encodeVarint(value) {
  const bytes = [];
  for (; value >= 0x80; value >>= 7) bytes.push((value & 0x7f) | 0x80);
  return Buffer.of(...bytes, value);
}

/** Put the length before a payload. Only a Welcome with very many names can be too long. */
function frame(parts) {
  const payload = Buffer.concat(parts);
  if (payload.length > FRAME) throw new Error("the room is full");
  return Buffer.concat([Buffer.of(payload.length >> 8, payload.length & 0xff), payload]);
}

// What follows is the same in every server: the address, the ready line and signals.

function parseAddress([address, ...more]) {
  const pattern = /^(?:\[([^\]]*:[^\]]*)\]|([^:[\]]+)):(0|[1-9][0-9]{0,4})$/;
  const match = more.length === 0 && pattern.exec(address ?? "");
  if (!match || match[3] > 65535) {
    console.error("usage: groupchat.mjs HOST:PORT (IPv6: [HOST]:PORT)");
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
