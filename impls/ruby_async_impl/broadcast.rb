#!/usr/bin/env ruby
# frozen_string_literal: true

# Broadcast on the gem async: two tasks per connection, one that reads and one that writes.
#
# Order: a reading task puts its whole messages into the queues of all clients before any other task
# runs: that is the common order.
# A slow client: only its own writing task waits for it. While more than LIMIT bytes are unsent, the
# client misses new messages.

require "async"
require "async/io"
require "async/queue"
require "set"

BACKLOG = 1024
CHUNK = 16 * 1024 # bytes per read: hundreds of messages, yet small enough to be fair
LIMIT = 256 * 1024 # a client with more unsent bytes misses new messages
CELL = 64 # bytes that a batch takes in a queue beyond its own
RETRY_S = 0.1 # how long to wait for a descriptor when there is none left
LINGER_S = 10 # for a client that has closed its sending side to read what is unsent

Client = Struct.new(:queue, :unsent) # the bytes in the queue and in the current write, and a CELL for each batch

# Resumed after another could not be: see `reserve`.
SPARE = Fiber.new { loop { Fiber.yield } }.tap(&:resume)

@room = Set.new.compare_by_identity

def serve(socket)
  client = Client.new(Async::Queue.new, 0)
  @room.add(client)
  writer = Async { write(socket, client) }
  read(socket)
ensure
  @room.delete(client)
  client.unsent += CELL
  client.queue << nil
  linger(writer)
end

# Broadcast whole messages as they arrive, until the end of the stream; a reset is one too.
def read(socket)
  rest = String.new
  while (chunk = socket.readpartial(CHUNK))
    data = rest << chunk
    whole = whole_messages(data)
    broadcast(data.byteslice(0, whole)) if whole.positive?
    rest = data.byteslice(whole..)
    Async::Task.current.yield # else a socket that is always ready would keep the others from running
  end
rescue SystemCallError
  nil
end

# Send what the queue holds, all at once, until nil is in it.
def write(socket, client)
  loop do
    batches = [client.queue.dequeue]
    batches << client.queue.dequeue until client.queue.empty?
    data = batches.join
    socket.write(data)
    client.unsent -= data.bytesize + CELL * batches.size
    break if batches.last.nil?
  end
rescue SystemCallError
  nil # reading fails too, and ends the connection
end

# Wait until all is sent, but not for ever: the client may never read.
def linger(writer)
  Async::Task.current.with_timeout(LINGER_S) { writer.wait }
rescue Async::TimeoutError
  writer.stop
end

# The length of the longest prefix of the data that consists of whole messages.
def whole_messages(data)
  whole = 0
  size = data.bytesize
  while whole < size
    following = whole + 1 + data.getbyte(whole)
    break if following > size

    whole = following
  end
  whole
end

# Append these messages to the common order.
def broadcast(batch)
  @room.each { |client| offer(client, batch) }
end

# Drop policy: a client gets all of the batch, or none of it if it is too far behind.
def offer(client, batch)
  return if client.unsent > LIMIT

  client.unsent += batch.bytesize + CELL
  client.queue << batch
end

# Raise FiberError unless there is memory for the stacks of two tasks. One for which there is none would stay among
# the children of this task for ever.
def reserve
  Fiber.new { Fiber.new {}.resume }.resume
rescue FiberError
  SPARE.resume # else Ruby takes the current fiber for one that waits for that one, and never resumes it
  raise
end

# Not Async::IO::Endpoint#accept: its loop ends when no descriptor is left.
def accept(listener)
  loop do
    socket, = listener.accept
    reserve
    Async do
      serve(socket)
    ensure
      socket.close
    end
  rescue SystemCallError, FiberError # no descriptor is left, or no memory for another stack
    socket&.close
    sleep RETRY_S
  end
end

# The rest is the same in every server: the address, and how to end.

def main(host, port)
  %w[INT TERM].each { |signal| trap(signal, "SYSTEM_DEFAULT") } # nothing needs saving
  shown = host.include?(":") ? "[#{host}]" : host
  begin
    listener = Async::IO::Socket.bind(Addrinfo.tcp(host, port))
    listener.listen(BACKLOG)
  rescue SystemCallError, SocketError => e
    abort "cannot listen on #{shown}:#{port}: #{e.message}"
  end
  listener.setsockopt(:TCP, :NODELAY, 1) # its connections inherit it
  puts "listening on #{shown}:#{listener.local_address.ip_port}"
  $stdout.flush
  accept(listener)
end

def parse_address(arguments)
  match = /\A(?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})\z/.match(arguments.first)
  if arguments.size != 1 || !match || match[3].to_i > 65_535
    warn "usage: broadcast.rb HOST:PORT (IPv6: [HOST]:PORT)"
    exit 2
  end
  [match[1] || match[2], match[3].to_i]
end

address = parse_address(ARGV)
Async { main(*address) }
