#!/usr/bin/env lua5.4
-- Broadcast on libuv: a coroutine per connection, resumed by the event loop with each chunk of input.
--
-- Order: every coroutine appends its whole messages to the one table `pending`, and everything
-- collected there in one turn of the loop goes to all clients as one batch: the common order.
-- A slow client: a second coroutine, which exists only meanwhile, waits for it. While more than
-- LIMIT bytes are unsent, the client misses new batches, always as whole messages.

local uv = require("luv")

local BACKLOG = 1024
local CHUNK = 64 * 1024 -- bytes pending before a flush; libuv reads as many at a time
local LIMIT = 256 * 1024 -- a client with more unsent bytes misses new batches

local room = {} -- all clients, as keys
local pending = {} -- batches of whole messages in their final order, not yet offered
local gathered = 0 -- bytes in `pending`

local accept, serve, leave, write, whole_messages, broadcast, flush, offer

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
  uv.new_check():start(flush) -- at the end of each turn of the loop
  uv.run()
end

function accept(listener)
  local socket = uv.new_tcp()
  if not listener:accept(socket) then
    socket:close()
    return
  end
  socket:nodelay(true)
  local client = { socket = socket, outbox = {}, unsent = 0, leaving = false }
  room[client] = true
  local serving = coroutine.wrap(serve)
  serving(client)
  socket:read_start(serving) -- coroutine.yield() in `serve` returns each chunk
end

function serve(client)
  local rest = ""
  while true do
    local failure, chunk = coroutine.yield()
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
  flush() -- a leaving client still receives its own last messages
  room[client] = nil
  client.leaving = true
  client.socket:read_stop()
  if client.unsent == 0 then
    client.socket:close()
  end
end

-- Send the outbox: one write for everything that was added during the previous write.
function write(client)
  local writing = coroutine.running()
  while #client.outbox > 0 do
    local batch = table.concat(client.outbox)
    client.outbox = {}
    client.socket:write(batch, function(failure)
      coroutine.resume(writing, failure)
    end)
    if coroutine.yield() then
      client.outbox = {} -- reading fails too, and ends the connection
    end
    client.unsent = client.unsent - #batch
  end
  client.unsent = 0
  if client.leaving then
    client.socket:close()
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

-- Append these messages to the common order; they are sent at the end of the turn.
function broadcast(batch)
  pending[#pending + 1] = batch
  gathered = gathered + #batch
  if gathered >= CHUNK then -- a longer batch might make clients miss the next one
    flush()
  end
end

-- Offer what is pending as one batch: one offer per client, however many clients have sent.
function flush()
  if gathered == 0 then
    return
  end
  local batch = table.concat(pending)
  pending, gathered = {}, 0
  for client in pairs(room) do
    offer(client, batch)
  end
end

-- Drop policy: a client gets all of the batch, or none of it if it is too far behind.
function offer(client, batch)
  if client.unsent > LIMIT then
    return
  end
  if client.unsent > 0 then
    client.outbox[#client.outbox + 1] = batch
    client.unsent = client.unsent + #batch
    return
  end
  local sent = client.socket:try_write(batch) or 0 -- reading sees any error as well
  if sent < #batch then
    client.outbox[1] = batch:sub(sent + 1)
    client.unsent = #batch - sent
    coroutine.wrap(write)(client)
  end
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
