/*
 * Broadcast on Bun: callbacks on one event loop, and sockets that buffer nothing.
 *
 * Order: every chunk that arrives adds its whole messages to the one array `pending`, and everything
 * collected there in one turn of the loop goes to all clients as one batch: that is the common order.
 * A slow client: what the kernel did not take waits in its outbox for "drain". While that is more
 * than LIMIT bytes, the client misses new batches, always as whole messages.
 */

import type { Socket } from "bun";
import { closeSync, openSync } from "node:fs";

const GATHER = 64 * 1024; // bytes pending before a flush; one chunk of Bun's (512 KiB) may come on top
const LIMIT = 256 * 1024; // a client with more unsent bytes misses new batches
const LINGER_S = 10; // for a client that has closed its sending side to read what is unsent
const NOTHING = Buffer.alloc(0);

interface Client {
  rest: Buffer; // the start of an unfinished message
  outbox: Buffer | null;
  from: number; // the unsent part of the outbox starts here
  to: number; // and ends here
  leaving: boolean; // its stream has ended: send what is unsent, then close
}

const room = new Set<Socket<Client>>(); // all open sockets
let pending: Buffer[] = []; // batches of whole messages in their final order, not yet offered
let gathered = 0; // bytes in `pending`

function accept(socket: Socket<Client>): void {
  socket.data = { rest: NOTHING, outbox: null, from: 0, to: 0, leaving: false };
  room.add(socket);
  if (!isDescriptorLeft()) socket.close(); // Bun reports no error when there is none, and its loop spins
}

/** Whether this client has left a descriptor for the next one, which is tried: open(2) does not wait here. */
function isDescriptorLeft(): boolean {
  try {
    closeSync(openSync("/dev/null"));
    return true;
  } catch {
    return false;
  }
}

function serve(socket: Socket<Client>, chunk: Buffer): void {
  const client = socket.data;
  const data = client.rest.length > 0 ? Buffer.concat([client.rest, chunk]) : chunk;
  const end = wholeMessages(data);
  if (end > 0) broadcast(data.subarray(0, end));
  client.rest = end < data.length ? Buffer.from(data.subarray(end)) : NOTHING; // a copy frees the chunk
}

/** Send what the kernel takes of the outbox; Bun calls "drain" when it has room again. */
function write(socket: Socket<Client>): void {
  const client = socket.data;
  if (client.outbox !== null) {
    client.from += send(socket, client.outbox.subarray(client.from, client.to));
    if (client.from < client.to) return;
    client.outbox = null;
  }
  if (client.leaving) socket.end();
}

/** Send what the kernel takes now, and return how many bytes that is; 0 for a closed connection. */
function send(socket: Socket<Client>, data: Buffer): number {
  return Math.max(socket.write(data), 0);
}

function leave(socket: Socket<Client>): void {
  flush(); // a leaving client still receives its own last messages
  socket.data.leaving = true;
  socket.timeout(LINGER_S);
  write(socket);
}

/** End a connection to a client that has left, and does not read what is unsent. */
function abandon(socket: Socket<Client>): void {
  socket.terminate();
}

function close(socket: Socket<Client>): void {
  room.delete(socket);
}

/** A handler has thrown, which is a bug: show it, and end the connection. */
function fail(socket: Socket<Client>, error: Error): void {
  console.error(error);
  socket.terminate();
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

/** Append these messages to the common order. */
function broadcast(batch: Buffer): void {
  if (gathered === 0) setImmediate(flush); // after all sockets that are ready now have been read
  pending.push(batch);
  gathered += batch.length;
  if (gathered >= GATHER) flush();
}

/** Offer what is pending as one batch: one offer per client, however many clients have sent. */
function flush(): void {
  if (gathered === 0) return;
  const batch = Buffer.concat(pending, gathered);
  pending = [];
  gathered = 0;
  for (const socket of room) if (!socket.data.leaving) offer(socket, batch);
}

/** Drop policy: a client gets all of the batch, or none of it if it is too far behind. */
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
    if (!fits) client.outbox = Buffer.allocUnsafe(LIMIT + batch.length); // else reuse it
    client.from = 0;
    client.to = unsent.copy(client.outbox);
    client.to += batch.copy(client.outbox, client.to);
  }
}

// What follows is the same in every server: the address, the ready line and signals.

function parseAddress([address, ...more]: string[]): { host: string; port: number } {
  const pattern = /^(?:\[([^\]]*:[^\]]*)\]|([^:[\]]+)):(0|[1-9][0-9]{0,4})$/;
  const match = more.length === 0 && pattern.exec(address ?? "");
  if (!match || Number(match[3]) > 65535) {
    console.error("usage: broadcast.ts HOST:PORT (IPv6: [HOST]:PORT)");
    process.exit(2);
  }
  return { host: match[1] ?? match[2], port: Number(match[3]) };
}

function main({ host, port }: { host: string; port: number }): void {
  const shown = host.includes(":") ? `[${host}]` : host;
  // Nothing needs saving, and the kernel closes every connection.
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit());
  const socket = { open: accept, data: serve, drain: write, end: leave, close, error: fail, timeout: abandon };
  try {
    // A client that has closed its side still gets what is unsent, so its end must not end the socket.
    const options = { hostname: host, port, exclusive: true, ipv6Only: true, allowHalfOpen: true };
    const listener = Bun.listen<Client>({ ...options, socket });
    console.log(`listening on ${shown}:${listener.port}`);
  } catch (error) {
    console.error(`cannot listen on ${shown}:${port}: ${(error as Error).message}`);
    process.exit(1);
  }
}

main(parseAddress(process.argv.slice(2)));
