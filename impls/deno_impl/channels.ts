/*
 * Channels on Deno: two async functions for every connection, one that reads and one that writes.
 *
 * Order: a function runs until it awaits. Between two awaits, a reader puts a message into the
 * outboxes of all subscribers. Replies go the same way.
 * A slow client: only its own two functions wait for it. While more than LIMIT bytes are unsent, it
 * misses new messages; while replies make it twice as many, its requests wait.
 */

const BACKLOG = 1024;
const FEW_BYTES = 4 * 1024; // first read: most clients receive more than they send
const LINE = 64 * 1024; // bytes of the longest request, including its line feed
const LIMIT = 256 * 1024; // a client with more unsent bytes misses new messages
const RETRY_MS = 100; // how long to wait for a descriptor when there is none left
const LINGER_MS = 10_000; // for a client that has left, or whose requests wait, to read what is unsent
const LINE_FEED = 10;

interface Client {
  connection: Deno.TcpConn;
  channels: Set<string>;
  outbox: Uint8Array; // what `write` sends next stands at its beginning
  waiting: number; // bytes of it
  unsent: number; // bytes in the outbox or being written
  leaving: boolean; // nothing more is added to the outbox
  wake: () => void; // tells `hasWaiting` or `pause` that one of these has changed
}

const channels = new Map<string, Set<Client>>(); // the subscribers of every channel that has any
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

async function serve(connection: Deno.TcpConn): Promise<void> {
  const client: Client = {
    connection,
    channels: new Set(),
    outbox: new Uint8Array(),
    waiting: 0,
    unsent: 0,
    leaving: false,
    wake: () => {},
  };
  const writing = write(client);
  try {
    connection.setNoDelay();
    for await (const line of read(client)) {
      handle(client, line);
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

/** Yield each line without its line feed. A line that is too long is cut, but stays too long. */
async function* read({ connection }: Client): AsyncGenerator<Uint8Array> {
  let data = new Uint8Array(FEW_BYTES);
  let size = 0;
  let got: number | null;
  while ((got = await connection.read(data.subarray(size))) !== null) {
    const filled = data.subarray(0, size + got);
    let begin = 0;
    for (let end; (end = filled.indexOf(LINE_FEED, begin)) >= 0; begin = end + 1) {
      yield filled.subarray(begin, end);
    }
    const rest = filled.subarray(begin, begin + LINE); // enough to see that a line is too long
    if (rest.length > data.length / 2) data = new Uint8Array(2 * data.length);
    data.set(rest);
    size = rest.length;
  }
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

/** Carry out the request in a line, or reply why not. */
function handle(client: Client, line: Uint8Array): void {
  try {
    obey(client, decode(line));
  } catch (error) {
    send(client, encode({ Error: (error as Error).message }));
  }
}

function obey(client: Client, { Subscribe, Send }: Record<string, unknown>): void {
  const { channel, message, ...more } = (Send ?? {}) as Record<string, unknown>;
  if (isText(Subscribe)) {
    send(client, encode({ Subscribed: Subscribe }));
    client.channels.add(Subscribe);
    if (!channels.has(Subscribe)) channels.set(Subscribe, new Set());
    channels.get(Subscribe)!.add(client);
  } else if (isText(channel) && isText(message) && Object.keys(more).length === 0) {
    const delivery = encode({ Message: { channel, message } });
    const subscribers = channels.get(channel);
    if (subscribers === undefined) throw new Error(`no such channel: ${channel}`);
    for (const subscriber of subscribers) offer(subscriber, delivery);
  } else {
    throw new Error("no such request");
  }
}

/** Forget the client, and the channels that have no other subscriber. */
function leave(client: Client): void {
  for (const channel of client.channels) {
    const subscribers = channels.get(channel)!;
    subscribers.delete(client);
    if (subscribers.size === 0) channels.delete(channel);
  }
  client.leaving = true;
  client.wake();
}

/** Drop policy: a client that is too far behind misses the message. */
function offer(client: Client, delivery: Uint8Array): void {
  if (client.unsent <= LIMIT) send(client, delivery);
}

function send(client: Client, line: Uint8Array): void {
  if (client.leaving) return;
  const size = client.waiting + line.length;
  if (size > client.outbox.length) client.outbox = enlarge(client.outbox, 2 * size);
  client.outbox.set(line, client.waiting);
  client.waiting = size;
  client.unsent += line.length;
  client.wake();
}

function enlarge(buffer: Uint8Array, size: number): Uint8Array {
  const larger = new Uint8Array(size);
  larger.set(buffer);
  return larger;
}

function decode(line: Uint8Array): Record<string, unknown> {
  if (line.length >= LINE) throw new Error(`a request has at most ${LINE} bytes`);
  let request;
  try {
    request = JSON.parse(utf8.decode(line));
  } catch {
    throw new Error("not JSON"); // the parser's own message may quote half of a surrogate pair
  }
  if (request === null || Object.keys(request).length !== 1) throw new Error("no such request");
  return request;
}

/** Whether this is a string without lone surrogates, which JSON can express and UTF-8 cannot. */
function isText(value: unknown): value is string {
  return typeof value === "string" && value.isWellFormed();
}

function encode(reply: unknown): Uint8Array {
  return encoder.encode(`${JSON.stringify(reply)}\n`);
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
    console.error("usage: channels.ts HOST:PORT (IPv6: [HOST]:PORT)");
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
