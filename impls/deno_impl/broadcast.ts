/*
 * Broadcast on Deno: two async functions for every connection, one that reads and one that writes.
 *
 * Order: a function runs until it awaits. Between two awaits, a reader adds its whole messages to the
 * outboxes of all clients.
 * A slow client: only its own `write` waits for it. While more than LIMIT bytes are unsent, or the
 * outbox has BATCHES entries, the client misses new messages.
 */

const BACKLOG = 1024;
const FEW_BYTES = 4 * 1024; // first read: most clients receive more than they send
const CHUNK = 64 * 1024; // bytes of the largest read
const LIMIT = 256 * 1024; // a client with more unsent bytes misses new messages
const BATCHES = 4 * 1024; // likewise: in a list, a short batch costs more than its bytes
const RETRY_MS = 100; // how long to wait for a descriptor when there is none left
const LINGER_MS = 10_000; // for a client that has closed its sending side to read what is unsent

interface Client {
  connection: Deno.TcpConn;
  outbox: Uint8Array[]; // what `write` sends next; all clients share the arrays of bytes in it
  unsent: number; // bytes in the outbox or being written
  leaving: boolean; // nothing more is added to the outbox
  wake: () => void; // tells `take` that one of these has changed
}

const room = new Set<Client>();

async function serve(connection: Deno.TcpConn): Promise<void> {
  const client: Client = { connection, outbox: [], unsent: 0, leaving: false, wake: () => {} };
  room.add(client);
  const writing = write(client);
  try {
    connection.setNoDelay();
    await read(client);
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

async function read({ connection }: Client): Promise<void> {
  let data = new Uint8Array(FEW_BYTES);
  let size = 0;
  let got: number | null;
  while ((got = await connection.read(data.subarray(size))) !== null) {
    size += got;
    const full = size === data.length;
    const end = wholeMessages(data, size);
    if (end > 0) broadcast(data.slice(0, end));
    const rest = data.subarray(end, size);
    if (full && size < CHUNK) data = new Uint8Array(2 * size); // there was more to read
    data.set(rest);
    size = rest.length;
  }
}

/** Send what collects in the outbox: all that is added during one write goes out with the next. */
async function write(client: Client): Promise<void> {
  try {
    let data = await take(client);
    while (data.length > 0) {
      const sent = await client.connection.write(data);
      client.unsent -= sent;
      data = sent < data.length ? data.subarray(sent) : await take(client);
    }
  } catch {
    client.leaving = true; // a reset; the reader sees it too
  }
}

/** Wait for something to send; return nothing when the client has left and all is sent. */
async function take(client: Client): Promise<Uint8Array> {
  while (client.outbox.length === 0 && !client.leaving) {
    await new Promise<void>((resolve) => client.wake = resolve);
  }
  const data = concat(client.outbox);
  client.outbox = [];
  return data;
}

function leave(client: Client): void {
  room.delete(client);
  client.leaving = true;
  client.wake();
}

function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch {
    // It is closed already.
  }
}

/** The length of the longest prefix of `data` that consists of whole messages. */
function wholeMessages(data: Uint8Array, size: number): number {
  let end = 0;
  while (end < size) {
    const following = end + 1 + data[end];
    if (following > size) break;
    end = following;
  }
  return end;
}

function broadcast(messages: Uint8Array): void {
  for (const client of room) offer(client, messages);
}

/** Drop policy: a client that is too far behind misses the messages. */
function offer(client: Client, messages: Uint8Array): void {
  if (client.leaving || client.unsent > LIMIT || client.outbox.length >= BATCHES) return;
  client.outbox.push(messages);
  client.unsent += messages.length;
  client.wake();
}

function concat(parts: Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0];
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
    console.error("usage: broadcast.ts HOST:PORT (IPv6: [HOST]:PORT)");
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
