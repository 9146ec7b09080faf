/*
 * A group chat on Deno: two async functions for every connection, one that reads and one that writes.
 *
 * Order: a function runs until it awaits. Between two awaits, a reader puts a message or a notice into
 * the outboxes of all members. Replies go the same way.
 * A slow client: only its own two functions wait for it. While more than LIMIT bytes are unsent, it
 * misses new messages; while replies make it twice as many, its requests wait; and when notices, which
 * no member may miss, make it three times as many, it is disconnected.
 */

const BACKLOG = 1024;
const FEW_BYTES = 4 * 1024; // first read: most clients receive more than they send
const FRAME = 64 * 1024 - 1; // bytes of the longest payload: a length has two bytes
const NAME = 32; // code points of the longest name
const TEXT = 32 * 1024; // bytes of the longest text
const LIMIT = 256 * 1024; // a client with more unsent bytes misses new messages
const RETRY_MS = 100; // how long to wait for a descriptor when there is none left
const LINGER_MS = 10_000; // for a client that has left, or whose requests wait, to read what is unsent

// The tags of requests and replies: the position of each type in the table of the protocol.
const [JOIN, SAY] = [0, 1];
const [WELCOME, REFUSED, JOINED, LEFT, SAID] = [0, 1, 2, 3, 4];

interface Client {
  connection: Deno.TcpConn;
  name: string | null; // null until it has joined; until then it gets no messages
  outbox: Uint8Array; // what `write` sends next stands at its beginning
  waiting: number; // bytes of it
  unsent: number; // bytes in the outbox or being written
  leaving: boolean; // nothing more is added to the outbox
  wake: () => void; // tells `hasWaiting` or `pause` that one of these has changed
}

const members = new Map<string, Client>(); // the clients that have joined, by name
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

async function serve(connection: Deno.TcpConn): Promise<void> {
  const client: Client = {
    connection,
    name: null,
    outbox: new Uint8Array(),
    waiting: 0,
    unsent: 0,
    leaving: false,
    wake: () => {},
  };
  const writing = write(client);
  try {
    connection.setNoDelay();
    for await (const payload of read(client)) {
      handle(client, payload);
      if (isBehind(client)) await pause(client);
    }
  } catch {
    // A reset ends a connection just as an end of stream does.
  } finally {
    leave(client);
  }
  const timer = setTimeout(() => close(connection), LINGER_MS); // ends a write that waits
  await writing; // what is unsent is sent first
  clearTimeout(timer);
  close(connection);
}

/** Yield the payload of each frame. */
async function* read({ connection }: Client): AsyncGenerator<Uint8Array> {
  let data = new Uint8Array(FEW_BYTES);
  let size = 0;
  let got: number | null;
  while ((got = await connection.read(data.subarray(size))) !== null) {
    size += got;
    let begin = 0;
    for (let end; (end = frameEnd(data, begin, size)) <= size; begin = end) {
      yield data.subarray(begin + 2, end);
    }
    const rest = data.subarray(begin, size);
    if (rest.length > data.length / 2) data = new Uint8Array(2 * data.length);
    data.set(rest);
    size = rest.length;
  }
}

/** Where the frame that begins there ends; past the end of the data if it is unfinished. */
function frameEnd(data: Uint8Array, begin: number, size: number): number {
  return begin + 2 <= size ? begin + 2 + (data[begin] << 8 | data[begin + 1]) : Infinity;
}

/**
 * Send what collects in the outbox: all that is added during one write goes out with the next. The outbox is one
 * buffer: in a list of arrays each short reply would take some hundred bytes besides its own, uncounted by LIMIT.
 */
async function write(client: Client): Promise<void> {
  // Changes places with the outbox, so that a write leaves no garbage. Neither of them shrinks.
  let spare: Uint8Array = new Uint8Array();
  try {
    while (await hasWaiting(client)) {
      const size = client.waiting;
      [spare, client.outbox] = [client.outbox, spare];
      client.waiting = 0;
      await writeAll(client, spare.subarray(0, size));
    }
  } catch {
    client.leaving = true; // a reset; the reader sees it too
    client.wake();
  }
}

/** Wait for something to send; return false when the client has left and all is sent. */
async function hasWaiting(client: Client): Promise<boolean> {
  while (client.waiting === 0 && !client.leaving) await woken(client);
  return client.waiting > 0;
}

async function writeAll(client: Client, data: Uint8Array): Promise<void> {
  while (data.length > 0) {
    const sent = await client.connection.write(data);
    client.unsent -= sent;
    client.wake(); // its reader may wait in `pause`
    data = data.subarray(sent);
  }
}

function isBehind(client: Client): boolean {
  return client.unsent > 2 * LIMIT && !client.leaving;
}

/** Wait while too many replies to the client are unsent. It may have left: its end comes after its requests. */
async function pause(client: Client): Promise<void> {
  const timer = setTimeout(() => close(client.connection), LINGER_MS);
  while (isBehind(client)) await woken(client);
  clearTimeout(timer);
}

/**
 * Wait for a change. The reader and the writer of a client never wait here at once: while the reader does, something is
 * unsent, and the writer writes it.
 */
function woken(client: Client): Promise<void> {
  return new Promise((resolve) => client.wake = resolve);
}

function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch {
    // It is closed already.
  }
}

/** Carry out the request in a frame, or reply why not. */
function handle(client: Client, payload: Uint8Array): void {
  try {
    obey(client, decode(payload));
  } catch (error) {
    send(client, encode(REFUSED, (error as Error).message));
  }
}

function obey(client: Client, { tag, text }: { tag: number; text: string }): void {
  if (tag === JOIN && client.name !== null) throw new Error("you have already joined");
  if (tag === JOIN && members.has(text)) throw new Error("this name is taken");
  if (tag === JOIN) {
    send(client, encodeWelcome([...members.keys()]));
    announce(encode(JOINED, text));
    members.set(text, client);
    client.name = text;
  } else {
    if (client.name === null) throw new Error("join first");
    const delivery = encode(SAID, client.name, text);
    for (const member of members.values()) offer(member, delivery);
  }
}

/** Forget the client; if it was a member, announce that it has left. */
function leave(client: Client): void {
  if (client.name !== null) {
    members.delete(client.name);
    announce(encode(LEFT, client.name));
  }
  client.leaving = true;
  client.wake();
}

/**
 * Send a notice to all members, and disconnect those too far behind: without the notice, such a member
 * would have a wrong list of members.
 */
function announce(notice: Uint8Array): void {
  for (const member of members.values()) {
    if (member.unsent > 3 * LIMIT) close(member.connection); // its reader sees it, and does the rest
    else send(member, notice);
  }
}

/** Drop policy: a client that is too far behind misses the message. */
function offer(client: Client, delivery: Uint8Array): void {
  if (client.unsent <= LIMIT) send(client, delivery);
}

function send(client: Client, frame: Uint8Array): void {
  if (client.leaving) return;
  const size = client.waiting + frame.length;
  if (size > client.outbox.length) client.outbox = enlarge(client.outbox, 2 * size);
  client.outbox.set(frame, client.waiting);
  client.waiting = size;
  client.unsent += frame.length;
  client.wake();
}

function enlarge(buffer: Uint8Array, size: number): Uint8Array {
  const larger = new Uint8Array(size);
  larger.set(buffer);
  return larger;
}

/** Return a request, or throw why it is refused. Every value has exactly one encoding. */
function decode(payload: Uint8Array): { tag: number; text: string } {
  const tag = payload[0];
  if (tag !== JOIN && tag !== SAY) throw new Error("no such request");
  const { value, end } = varint(payload, 1);
  if (value !== payload.length - end) throw new Error("not a text that takes the payload to its end");
  const text = utf8.decode(payload.subarray(end));
  if (tag === JOIN) checkName(text);
  if (tag === SAY && value > TEXT) throw new Error(`a text has at most ${TEXT} bytes`);
  return { tag, text };
}

function checkName(name: string): void {
  const size = [...name].length;
  if (size < 1 || size > NAME) throw new Error(`a name has 1 to ${NAME} characters`);
  if (/\p{Cc}/u.test(name)) throw new Error("a name has no control characters");
}

/** The number that begins there, and where it ends: seven bits a byte, the low ones first. */
function varint(payload: Uint8Array, begin: number): { value: number; end: number } {
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
function encode(tag: number, ...texts: string[]): Uint8Array {
  return frame([Uint8Array.of(tag), ...texts.map(encodeText)]);
}

function encodeWelcome(names: string[]): Uint8Array {
  return frame([Uint8Array.of(WELCOME), encodeVarint(names.length), ...names.map(encodeText)]);
}

function encodeText(text: string): Uint8Array {
  const bytes = encoder.encode(text);
  return concat([encodeVarint(bytes.length), bytes]);
}

function encodeVarint(value: number): Uint8Array {
  const bytes: number[] = [];
  for (; value >= 0x80; value >>= 7) bytes.push((value & 0x7f) | 0x80);
  return Uint8Array.of(...bytes, value);
}

/** Put the length before a payload. Only a Welcome with very many names can be too long. */
function frame(parts: Uint8Array[]): Uint8Array {
  const payload = concat(parts);
  if (payload.length > FRAME) throw new Error("the room is full");
  return concat([Uint8Array.of(payload.length >> 8, payload.length & 0xff), payload]);
}

function concat(parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let end = 0;
  for (const part of parts) {
    whole.set(part, end);
    end += part.length;
  }
  return whole;
}

async function accept(listener: Deno.TcpListener): Promise<void> {
  while (true) {
    try {
      const connection = await listener.accept();
      serve(connection).catch(console.error); // not awaited: it runs beside the others
    } catch { // no descriptor is left
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

// What follows is the same in every server: the address, the ready line and signals.

function parseAddress([address, ...more]: string[]): [string, number] {
  const pattern = /^(?:\[([^\]]*:[^\]]*)\]|([^:[\]]+)):(0|[1-9][0-9]{0,4})$/;
  const match = more.length === 0 && pattern.exec(address ?? "");
  if (!match || Number(match[3]) > 65535) {
    console.error("usage: groupchat.ts HOST:PORT (IPv6: [HOST]:PORT)");
    Deno.exit(2);
  }
  return [match[1] ?? match[2], Number(match[3])];
}

async function main(hostname: string, port: number): Promise<void> {
  const shown = hostname.includes(":") ? `[${hostname}]` : hostname;
  // Nothing needs saving, and the kernel closes every connection.
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => Deno.exit());
  }
  let listener: Deno.TcpListener;
  try {
    listener = Deno.listen({ hostname, port, tcpBacklog: BACKLOG });
  } catch (error) {
    console.error(`cannot listen on ${shown}:${port}: ${(error as Error).message}`);
    Deno.exit(1);
  }
  console.log(`listening on ${shown}:${listener.addr.port}`);
  await accept(listener);
}

await main(...parseAddress(Deno.args));
