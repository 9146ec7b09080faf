#!/usr/bin/env lua5.4
-- Broadcast on libuv: a coroutine per connection, resumed by the event loop with each chunk of input.
--
-- Order: a coroutine that has read whole messages puts them into the outboxes of all clients before
-- any other coroutine can add its own: that is the common order.
-- A slow client: a second coroutine, which exists while the outbox is not empty, waits for it. While
-- more than LIMIT bytes are unsent, the client misses new messages. libuv may read 2 MB from one socket
-- before it reports that a write is done: then every client misses what is beyond LIMIT.

local uv = require("luv")

local BACKLOG = 1024
local LIMIT = 256 * 1024 -- a client with more unsent bytes misses new messages
local CELL = 64 -- bytes that a batch takes in an outbox beyond its own
local LINGER_MS = 10000 -- for a client that has closed its sending side to read what is unsent

local room = {} -- all clients, as keys

local leave, close, whole_messages, broadcast

-- Start or continue a coroutine. An error in it ends its connection, and no other.
local function resume(client, thread, ...)
  local fine, problem = coroutine.resume(thread, ...)
  if not fine then
    io.stderr:write(debug.traceback(thread, problem), "\n")
    room[client] = nil
    close(client)
  end
end

local function serve(client)
  local rest = ""
  while true do
    local failure, chunk = coroutine.yield() -- what libuv passes to the callback for reading
    if failure or not chunk then -- a reset ends a connection just as an end of stream does
      return leave(client)
    end
    local data = rest .. chunk
    local whole = whole_messages(data)
    if whole > 0 then
      broadcast(data:sub(1, whole))
    end
    rest = data:sub(whole + 1)
  end
end

function leave(client)
  room[client] = nil
  client.socket:read_stop()
  client.leaving = true
  if client.unsent == 0 then
    return close(client)
  end
  client.linger = uv.new_timer() -- it may never read
  client.linger:start(LINGER_MS, 0, function()
    close(client)
  end)
end

function close(client)
  if client.linger and not client.linger:is_closing() then
    client.linger:close()
  end
  if not client.socket:is_closing() then
    client.socket:close()
  end
end

-- Send the outbox: one write for everything that was added during the previous write.
local function write(client)
  local writing = coroutine.running()
  repeat
    local batches = client.outbox
    client.outbox = {}
    local data = table.concat(batches)
    local accepted, failure = client.socket:write(data, function(problem)
      resume(client, writing, problem)
    end)
    if accepted then
      failure = coroutine.yield() -- until the kernel has taken all of it
    end
    if failure then -- what it has sent before is still read, and then reading ends, too
      room[client] = nil
      client.unsent = 0
    else
      client.unsent = client.unsent - #data - CELL * #batches
    end
  until client.unsent == 0
  if client.leaving then
    close(client)
  end
end

-- The length of the longest prefix of the data that consists of whole messages.
function whole_messages(data)
  local whole, size = 0, #data
  while whole < size do
    local following = whole + 1 + data:byte(whole + 1)
    if following > size then
      break
    end
    whole = following
  end
  return whole
end

-- Drop policy: a client gets all of the batch, or none of it if it is too far behind.
local function offer(client, batch)
  if client.unsent > LIMIT then
    return
  end
  local idle = client.unsent == 0
  client.outbox[#client.outbox + 1] = batch
  client.unsent = client.unsent + #batch + CELL
  if idle then
    resume(client, coroutine.create(write), client)
  end
end

-- Append these messages to the common order.
function broadcast(batch)
  for client in pairs(room) do
    offer(client, batch)
  end
end

local function accept(listener)
  local socket = uv.new_tcp()
  if not listener:accept(socket) then
    socket:close()
    return
  end
  socket:nodelay(true)
  local client = { socket = socket, outbox = {}, unsent = 0, leaving = false } -- unsent: bytes and cells
  room[client] = true
  local serving = coroutine.create(serve)
  resume(client, serving, client)
  socket:read_start(function(failure, chunk)
    resume(client, serving, failure, chunk)
  end)
end

-- The rest is the same in every server: the address, and how to end.

local function main(host, port)
  for _, name in ipairs({ "sigint", "sigterm" }) do
    uv.new_signal():start(name, function()
      os.exit(0) -- nothing needs saving, and the kernel closes every connection
    end)
  end
  uv.new_signal():start("sigpipe", function() end) -- a write to a closed connection is an error, and no more
  local ipv6 = host:find(":", 1, true) ~= nil
  local shown = ipv6 and "[" .. host .. "]" or host
  local listener = uv.new_tcp()
  local found, problem = uv.getaddrinfo(host, nil, { socktype = "stream" })
  local bound = found
  if bound then
    bound, problem = listener:bind(found[1].addr, port, { ipv6only = ipv6 })
  end
  if bound then
    bound, problem = listener:listen(BACKLOG, function(failure)
      if not failure then -- else no descriptor is left, and libuv closes the new connection
        accept(listener)
      end
    end)
  end
  if not bound then
    io.stderr:write(("cannot listen on %s:%d: %s\n"):format(shown, port, problem))
    os.exit(1)
  end
  print(("listening on %s:%d"):format(shown, listener:getsockname().port))
  io.stdout:flush()
  uv.run()
end

local function parse_address(arguments)
  local address = #arguments == 1 and arguments[1] or ""
  local host, port = address:match("^%[([^%]]*:[^%]]*)%]:(%d+)$")
  if not host then
    host, port = address:match("^([^:%[%]]+):(%d+)$")
  end
  if not host or #port > 5 or tonumber(port) > 65535 then
    io.stderr:write("usage: broadcast.lua HOST:PORT (IPv6: [HOST]:PORT)\n")
    os.exit(2)
  end
  return host, math.tointeger(tonumber(port))
end

main(parse_address(arg))
