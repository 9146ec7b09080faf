## Broadcast in Nim: async procedures on the dispatcher, all in one thread.
##
## Order: a procedure that has read whole messages appends them to the outboxes of all clients before any
## other procedure continues, because it does not await meanwhile: that is the common order.
## A slow client: only its own procedure `write` waits for it. While more than `limit` bytes are
## unsent, the client misses new batches, always as whole messages.

import std/[asyncdispatch, asyncnet, nativesockets, net, os, strutils]
from std/posix import SHUT_RDWR, shutdown

const
  backlog = 1024
  fewBytes = 4 * 1024   ## first read: ten thousand idle clients must not cost a gigabyte
  chunk = 64 * 1024     ## largest read: thousands of messages, yet small enough to be fair
  limit = 256 * 1024    ## a client with more unsent bytes misses new batches
  retryMs = 100         ## how long to wait for a descriptor when there is none left
  lingerMs = 10_000     ## for a client that has closed its sending side to read what is unsent

type Client = ref object
  socket: AsyncSocket
  outbox: string
  unsent: int           ## bytes in the outbox or being written
  writing: Future[void] ## unfinished while something is unsent
  place: int            ## in the room

var # thread-local, so that async procedures are gcsafe; there is one thread
  room {.threadvar.}: seq[Client]

proc readMessages(client: Client) {.async.}
proc write(client: Client) {.async.}
proc wholeMessages(data: string): int
proc broadcast(batch: string)
proc offer(client: Client, batch: string)

proc serve(socket: AsyncSocket) {.async.} =
  let client = Client(socket: socket, writing: newFuture[void](), place: room.len)
  client.writing.complete()
  room.add client
  try:
    await readMessages(client)
  except CatchableError:
    discard # a reset ends a connection just as an end of stream does, and no error ends others
  finally:
    room[^1].place = client.place
    room.del(client.place) # the last one takes its place
  if not client.writing.finished: # else it would leave a timer behind
    discard await client.writing.withTimeout(lingerMs) # it may never read
  socket.close()

proc readMessages(client: Client) {.async.} =
  ## Broadcast whole messages as they arrive, until the end of the stream.
  var rest = ""
  var size = fewBytes
  while true:
    let arrived = await client.socket.recv(size)
    if arrived.len == 0:
      break
    if arrived.len == size and size < chunk: # there was more to read
      size *= 2
    let data = rest & arrived
    let whole = wholeMessages(data)
    if whole > 0:
      broadcast(data[0 ..< whole])
    rest = data[whole .. ^1]

proc write(client: Client) {.async.} =
  ## Send the outbox, all that it holds at a time, until it is empty.
  await sleepAsync(0) # Tuned: all procedures that can read now fill the outbox first
  try:
    while client.outbox.len > 0:
      let batch = move(client.outbox) # which is empty after that
      await client.socket.send(batch)
      client.unsent -= batch.len
  except CatchableError: # not a reset: to `send` that is no error, and reading ends the connection
    if not client.socket.isClosed:
      discard client.socket.getFd.shutdown(SHUT_RDWR) # what it has sent is still read, to the end that this makes

proc wholeMessages(data: string): int =
  ## The length of the longest prefix of the data that consists of whole messages.
  while result < data.len:
    let following = result + 1 + ord(data[result])
    if following > data.len:
      break
    result = following

proc broadcast(batch: string) =
  for client in room:
    offer(client, batch)

proc offer(client: Client, batch: string) =
  ## Drop policy: a client gets all of the batch, or none of it if it is too far behind.
  if client.unsent <= limit:
    client.unsent += batch.len
    client.outbox.add batch
    if client.writing.finished:
      client.writing = write(client)

proc accept(listener: AsyncSocket) {.async.} =
  while true:
    try:
      asyncCheck serve(await asyncnet.accept(listener))
    except CatchableError: # no descriptor is left, or the selector takes no more
      await sleepAsync(retryMs)

# The address, and what happens at the start.

proc main(host: string, port: int) =
  let shown = if ':' in host: "[" & host & "]" else: host
  let listener = newAsyncSocket(if ':' in host: AF_INET6 else: AF_INET, buffered = false)
  try:
    listener.setSockOpt(OptReuseAddr, true)
    listener.setSockOpt(OptNoDelay, true, level = IPPROTO_TCP.cint) # its connections inherit it
    listener.bindAddr(Port(port), host)
    listener.listen(backlog)
  except OSError as error:
    quit("cannot listen on " & shown & ":" & $port & ": " & error.msg.splitLines[0], 1)
  echo "listening on ", shown, ":", listener.getLocalAddr[1]
  flushFile(stdout)
  waitFor accept(listener)

proc parseAddress(arguments: seq[string]): (string, int) =
  if arguments.len == 1:
    let colon = arguments[0].rfind(':')
    let host = arguments[0][0 ..< max(colon, 0)]
    let port = arguments[0][colon + 1 .. ^1]
    let bracketed = host.len > 2 and host[0] == '[' and host[^1] == ']'
    let bare = if bracketed: host[1 .. ^2] else: host
    if port.len in 1 .. 5 and port.allCharsInSet(Digits) and parseInt(port) <= 65535 and bare.len > 0 and
        (':' in bare) == bracketed:
      return (bare, parseInt(port))
  quit("usage: broadcast HOST:PORT (IPv6: [HOST]:PORT)", 2)

let (host, port) = parseAddress(commandLineParams())
main(host, port)
