/*
 * Broadcast on Deno: async functions, one that reads for every connection, and one that writes.
 *
 * Order: every reader adds its whole messages to the one array `pending`, and everything collected
 * there in one turn of the loop goes to all clients as one batch: that is the common order.
 * A slow client: only its own `write` waits for it. While more than LIMIT bytes are unsent, the
 * client misses new batches, always as whole messages.
 */

const BACKLOG = 1024;
const FEW_BYTES = 4 * 1024; // first read: most clients receive more than they send
const CHUNK = 64 * 1024; // largest read in bytes, and bytes pending before a flush
const BATCH = 2 * CHUNK; // bytes of the longest batch: what was pending, and one read more
const LIMIT = 256 * 1024; // a client with more unsent bytes misses new batches
const RETRY_MS = 100; // how long to wait for a descriptor when there is none left
const LINGER_MS = 10_000; // for a client that has closed its sending side to read what is unsent

interface Client {
  connection: Deno.TcpConn;
  writing: Promise<void> | null;
  outbox: Uint8Array | null; // what arrived during the current write
  waiting: number; // bytes in the outbox
  unsent: number; // bytes in the outbox or being written
}

const room = new Set<Client>();
let pending: Uint8Array[] = []; // batches of whole messages in their final order, not yet offered
let gathered = 0; // bytes in `pending`

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

async function accept(listener: Deno.TcpListener): Promise<void> {
  while (true) {
    try {
      serve(await listener.accept());
    } catch { // no descriptor is left
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

async function serve(connection: Deno.TcpConn): Promise<void> {
  const client: Client = { connection, writing: null, outbox: null, waiting: 0, unsent: 0 };
  room.add(client);
  try {
    connection.setNoDelay();
    await read(connection);
  } catch {
    // A reset ends a connection just as an end of stream does.
  }
  flush(); // a leaving client still receives its own last messages
  room.delete(client);
  if (client.writing !== null) { // what is unsent is sent first, but not to a client that never reads it
    await Promise.race([client.writing, new Promise((resolve) => setTimeout(resolve, LINGER_MS))]);
  }
  connection.close();
}

async function read(connection: Deno.TcpConn): Promise<void> {
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

/** Send a batch, then the outbox: one write for everything that was added during the previous one. */
async function write(client: Client, batch: Uint8Array | null): Promise<void> {
  try {
    for (; batch !== null; batch = take(client)) {
      while (batch.length > 0) {
        const sent: number = await client.connection.write(batch);
        client.unsent -= sent;
        batch = batch.subarray(sent);
      }
    }
    client.writing = null;
  } catch {
    client.unsent = Infinity; // a reset; the reader sees it too
  }
}

function take(client: Client): Uint8Array | null {
  const batch = client.outbox?.subarray(0, client.waiting) ?? null;
  client.outbox = null;
  client.waiting = 0;
  return batch;
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

/** Append these messages to the common order. */
function broadcast(batch: Uint8Array): void {
  if (gathered === 0) setImmediate(flush); // after all sockets that are ready now have been read
  pending.push(batch);
  gathered += batch.length;
  if (gathered >= CHUNK) flush();
}

/** Offer what is pending as one batch: one offer per client, however many clients have sent. */
function flush(): void {
  if (gathered === 0) return;
  const batch = new Uint8Array(gathered);
  let end = 0;
  for (const part of pending) {
    batch.set(part, end);
    end += part.length;
  }
  pending = [];
  gathered = 0;
  for (const client of room) offer(client, batch);
}

/** Drop policy: a client gets all of the batch, or none of it if it is too far behind. */
function offer(client: Client, batch: Uint8Array): void {
  if (client.unsent > LIMIT) return;
  client.unsent += batch.length;
  if (client.writing === null) {
    client.writing = write(client, batch);
  } else {
    client.outbox ??= new Uint8Array(LIMIT + BATCH);
    client.outbox.set(batch, client.waiting);
    client.waiting += batch.length;
  }
}

function parseAddress([address, ...more]: string[]): [string, number] {
  const pattern = /^(?:\[([^\]]*:[^\]]*)\]|([^:[\]]+)):(0|[1-9][0-9]{0,4})$/;
  const match = more.length === 0 && pattern.exec(address ?? "");
  if (!match || Number(match[3]) > 65535) {
    console.error("usage: broadcast.ts HOST:PORT (IPv6: [HOST]:PORT)");
    Deno.exit(2);
  }
  return [match[1] ?? match[2], Number(match[3])];
}

await main(...parseAddress(Deno.args));
