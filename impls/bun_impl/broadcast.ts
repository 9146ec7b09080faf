/*
 * Broadcast on Bun: callbacks on the one event loop, and sockets that buffer nothing.
 *
 * Order: every chunk that arrives adds its whole messages to the one `tick`, and what gathered there
 * in one turn of the loop goes to everybody at once: that is the common order.
 * A slow client: what the kernel did not take waits in its outbox for the "drain"; while that is more
 * than LIMIT bytes, the client misses new batches, always as whole messages.
 */

import type { Socket } from "bun";
import { readFileSync } from "node:fs";

const GATHER = 64 * 1024; // bytes that gather before they are offered, at most one chunk (of 512 KiB, with Bun) more
const LIMIT = 256 * 1024; // bytes unsent beyond which a client misses what is new
const SPARE = 16; // descriptors for Bun itself
const NOTHING = Buffer.alloc(0);

interface Client {
  rest: Buffer; // the beginning of a message of which more must come
  outbox: Buffer | null;
  from: number; // what is unsent of the outbox: from here
  to: number; // to here
  leaving: boolean; // its stream has ended: send what is unsent, then close
}

const room = new Set<Socket<Client>>(); // all whose sockets are open
let tick: Buffer[] = []; // batches of whole messages in their final order, not yet offered
let gathered = 0; // bytes in the tick

function main({ host, port }: { host: string; port: number }): void {
  const shown = host.includes(":") ? `[${host}]` : host;
  // Nothing needs saving, and the kernel closes every connection.
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit());
  const socket = { open: accept, data: serve, drain: write, end: leave, close, error: close };
  try {
    // Who has said its last word still gets what is unsent, so its end is not yet ours.
    const options = { hostname: host, port, exclusive: true, ipv6Only: true, allowHalfOpen: true };
    const listener = Bun.listen<Client>({ ...options, socket });
    console.log(`listening on ${shown}:${listener.port}`);
  } catch (error) {
    console.error(`cannot listen on ${shown}:${port}: ${(error as Error).message}`);
    process.exit(1);
  }
}

function accept(socket: Socket<Client>): void {
  socket.data = { rest: NOTHING, outbox: null, from: 0, to: 0, leaving: false };
  room.add(socket);
  if (room.size > mostClients()) socket.close(); // without a descriptor Bun would spin
}

/** How many descriptors there are for clients; the limit may change at any time. */
function mostClients(): number {
  const limit = /^Max open files +([0-9]+)/m.exec(readFileSync("/proc/self/limits", "latin1"));
  return Number(limit?.[1]) - SPARE;
}

function serve(socket: Socket<Client>, chunk: Buffer): void {
  const client = socket.data;
  const data = client.rest.length > 0 ? Buffer.concat([client.rest, chunk]) : chunk;
  const end = wholeMessages(data);
  if (end > 0) broadcast(data.subarray(0, end));
  client.rest = end < data.length ? Buffer.from(data.subarray(end)) : NOTHING; // a copy lets the chunk go
}

/** Send what the kernel takes of the outbox; Bun says "drain" when it has room again. */
function write(socket: Socket<Client>): void {
  const client = socket.data;
  if (client.outbox !== null) {
    client.from += send(socket, client.outbox.subarray(client.from, client.to));
    if (client.from < client.to) return;
    client.outbox = null;
  }
  if (client.leaving) socket.end();
}

/** As many bytes as the kernel takes now; none of a connection that is closed. */
function send(socket: Socket<Client>, data: Buffer): number {
  return Math.max(socket.write(data), 0);
}

function leave(socket: Socket<Client>): void {
  flush(); // who hangs up right after speaking still hears it
  socket.data.leaving = true;
  write(socket);
}

function close(socket: Socket<Client>): void {
  room.delete(socket);
}

/** The length of the longest prefix of `data` that consists of whole messages. */
function wholeMessages(data: Buffer): number {
  let end = 0;
  while (end < data.length) {
    const following = end + 1 + data[end];
    if (following > data.length) break;
    end = following;
  }
  return end;
}

/** Put these messages next in the common order. */
function broadcast(batch: Buffer): void {
  if (gathered === 0) setImmediate(flush); // when all who are ready now have spoken
  tick.push(batch);
  gathered += batch.length;
  if (gathered >= GATHER) flush();
}

/** Hand over what has gathered: one offer a client, however many have spoken. */
function flush(): void {
  if (gathered === 0) return;
  const batch = Buffer.concat(tick, gathered);
  tick = [];
  gathered = 0;
  for (const socket of room) if (!socket.data.leaving) offer(socket, batch);
}

/** Drop policy: all of the batch, or none of it for a client that is too far behind. */
function offer(socket: Socket<Client>, batch: Buffer): void {
  const client = socket.data;
  if (client.outbox === null) {
    const sent = send(socket, batch);
    if (sent === batch.length) return;
    client.outbox = Buffer.allocUnsafe(LIMIT + batch.length);
    client.from = 0;
    client.to = batch.copy(client.outbox, 0, sent);
  } else if (client.to - client.from <= LIMIT) {
    const unsent = client.outbox.subarray(client.from, client.to);
    const fits = unsent.length + batch.length <= client.outbox.length;
    if (!fits) client.outbox = Buffer.allocUnsafe(LIMIT + batch.length); // else it is used for as long as there is one
    client.from = 0;
    client.to = unsent.copy(client.outbox);
    client.to += batch.copy(client.outbox, client.to);
  }
}

function parseAddress([address, ...more]: string[]): { host: string; port: number } {
  const pattern = /^(?:\[([^\]]*:[^\]]*)\]|([^:[\]]+)):(0|[1-9][0-9]{0,4})$/;
  const match = more.length === 0 && pattern.exec(address ?? "");
  if (!match || Number(match[3]) > 65535) {
    console.error("usage: broadcast.ts HOST:PORT (IPv6: [HOST]:PORT)");
    process.exit(2);
  }
  return { host: match[1] ?? match[2], port: Number(match[3]) };
}

main(parseAddress(process.argv.slice(2)));
