## Broadcast in Nim: async procedures on the dispatcher, all in one thread.
##
## Order: every connection's procedure appends its whole messages to the one tick, and what gathered
## there in one turn of the dispatcher goes to everybody at once: that is the common order.
## A slow client: its own procedure `write` waits for it; while more than `limit` bytes are unsent,
## the client misses new batches, always as whole messages.

import std/[asyncdispatch, asyncnet, nativesockets, net, os, strutils, tables]
from std/posix import SIGINT, SIGTERM, exitnow, signal

const
  backlog = 1024
  fewBytes = 4 * 1024   ## a read at first: ten thousand who listen shall not cost a gigabyte
  chunk = 64 * 1024     ## bytes a read at most: thousands of messages, and few enough to be fair
  limit = 256 * 1024    ## bytes unsent beyond which a client misses what is new
  retryMs = 100         ## how long to wait for a descriptor when there is none left

type Client = ref object
  socket: AsyncSocket
  outbox: string
  unsent: int           ## bytes in the outbox, and those that are just being written
  writing: Future[void] ## not finished while there is something unsent

var # of each thread, that is of the one
  room {.threadvar.}: OrderedTable[int, Client] ## everybody
  newest {.threadvar.}: int
  tick {.threadvar.}: string                    ## whole messages in their final order, not yet offered

proc accept(listener: AsyncSocket) {.async.}
proc serve(socket: AsyncSocket) {.async.}
proc write(client: Client, first: string) {.async.}
proc wholeMessages(data: string): int
proc broadcast(batch: string)
proc flush() {.gcsafe.}
proc offer(client: Client, batch: string) {.gcsafe.}

proc stop(signal: cint) {.noconv.} =
  exitnow(0) # nothing needs saving, and the kernel closes every connection

proc main(host: string, port: int) =
  signal(SIGINT, stop)
  signal(SIGTERM, stop)
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

proc accept(listener: AsyncSocket) {.async.} =
  while true:
    try:
      asyncCheck serve(await asyncnet.accept(listener))
    except OSError: # no descriptor is left
      await sleepAsync(retryMs)

proc serve(socket: AsyncSocket) {.async.} =
  let client = Client(socket: socket, writing: newFuture[void]())
  client.writing.complete()
  inc newest
  let number = newest
  room[number] = client
  var rest = ""
  var size = fewBytes
  try:
    while true:
      let arrived = await socket.recv(size)
      if arrived.len == 0:
        break
      if arrived.len == size and size < chunk: # there was more to read
        size *= 2
      let data = rest & arrived
      let whole = wholeMessages(data)
      if whole > 0:
        broadcast(data[0 ..< whole])
      rest = data[whole .. ^1]
  except OSError:
    discard # a reset ends a connection as well as an end of stream
  flush() # who hangs up right after speaking still hears it
  room.del(number)
  await client.writing
  socket.close()

proc write(client: Client, first: string) {.async.} =
  ## Send a batch, and what gathers in the outbox meanwhile: one write for all of that.
  var batch = first
  try:
    while batch.len > 0:
      await client.socket.send(batch)
      client.unsent -= batch.len
      batch = move(client.outbox)
      client.outbox = ""
  except OSError:
    discard # reading sees it too, and ends the connection

proc wholeMessages(data: string): int =
  ## The length of the longest prefix of the data that consists of whole messages.
  while result < data.len:
    let following = result + 1 + ord(data[result])
    if following > data.len:
      break
    result = following

proc broadcast(batch: string) =
  ## Put these messages next in the common order; they are heard when all who are ready have spoken.
  if tick.len == 0:
    callSoon(flush)
  tick.add batch
  if tick.len >= chunk: # a longer one might leave no room for the next
    flush()

proc flush() {.gcsafe.} =
  ## Hand over what has gathered: one offer a client, however many have spoken.
  if tick.len > 0:
    let batch = move(tick)
    tick = ""
    for client in room.values:
      offer(client, batch)

proc offer(client: Client, batch: string) =
  ## Drop policy: all of the batch, or none of it for a client that is too far behind.
  if client.unsent > limit:
    return
  client.unsent += batch.len
  if client.writing.finished:
    client.writing = write(client, batch)
  else:
    client.outbox.add batch

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
