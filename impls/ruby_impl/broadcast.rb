#!/usr/bin/env ruby
# frozen_string_literal: true

# Broadcast on fibers: one per connection, and a scheduler of our own that resumes those that can continue.
#
# Order: every fiber appends its whole messages to the one string @pending, and everything collected
# there in one turn of the scheduler goes to all clients as one batch: that is the common order.
# A slow client: a second fiber, which exists as long as it is behind, waits for it. While its outbox holds
# more than LIMIT bytes, the client misses new batches, always as whole messages.

require "fiber"
require "set"
require "socket"

BACKLOG = 1024
CHUNK = 64 * 1024 # bytes per read: thousands of messages, yet small enough to be fair
LIMIT = 256 * 1024 # a client with more unsent bytes misses new batches
RETRY_S = 1 # how long to wait for a descriptor when there is none left; each try makes Ruby collect garbage first
LINGER_S = 10 # for a client that has closed its sending side to read what is unsent

Client = Struct.new(:socket, :outbox, :writing, :leaving)

@room = Set.new.compare_by_identity
@pending = String.new # whole messages in their final order, not yet offered

def serve(socket)
  client = Client.new(socket, String.new, false, false)
  @room.add(client)
  rest = String.new
  loop do
    data = rest << socket.readpartial(CHUNK)
    whole = whole_messages(data)
    broadcast(data.byteslice(0, whole)) if whole.positive?
    rest = data.byteslice(whole..)
  end
rescue SystemCallError, EOFError
  # A reset ends a connection just as an end of stream does.
ensure
  leave(client)
end

def leave(client)
  @room.delete(client)
  client.leaving = true
  return client.socket.close unless client.writing

  sleep LINGER_S # it may never read
  disconnect(client) # now `write` fails, and closes the socket
end

# Make the fibers that read and write see the end of the connection.
def disconnect(client)
  client.socket.shutdown unless client.socket.closed?
rescue SystemCallError
  nil # it was reset, and they see that
end

# Send the outbox as fast as the client takes it.
def write(client)
  client.writing = true
  until client.outbox.empty?
    client.socket.wait_writable
    sent = send_some(client, client.outbox)
    client.outbox = client.outbox.byteslice(sent..)
  end
rescue SystemCallError
  client.outbox.clear # reading fails too, and ends the connection
ensure
  client.writing = false
  client.socket.close if client.leaving
end

# Send what the kernel takes now, and return how many bytes that is.
def send_some(client, data)
  sent = client.socket.write_nonblock(data, exception: false)
  sent == :wait_writable ? 0 : sent
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
  first = @pending.empty?
  @pending << batch
  flush if @pending.bytesize >= CHUNK # a longer batch might make clients miss the next one
  sleep 0 # a turn of the scheduler, in which all other ready fibers append theirs
  flush if first # only the first one: if each did, it would send what the one before it has just read
end

# Offer what is pending as one batch: one offer per client, however many clients have sent.
def flush
  return if @pending.empty?

  batch = @pending
  @pending = String.new
  @room.each { |client| offer(client, batch) }
end

# Drop policy: a client gets all of the batch, or none of it if it is too far behind.
def offer(client, batch)
  if client.writing
    client.outbox << batch if client.outbox.bytesize <= LIMIT
    return
  end
  sent = send_some(client, batch)
  return if sent == batch.bytesize

  client.outbox = batch.byteslice(sent..)
  Fiber.schedule { write(client) }
rescue SystemCallError
  nil # reading fails too, and ends the connection
rescue FiberError # nobody can send the rest, and without it nothing else may follow
  disconnect(client)
end

def accept(listener)
  loop do
    socket = listener.accept
    Fiber.schedule { serve(socket) }
  rescue SystemCallError, FiberError # no descriptor is left, or no memory for another stack
    socket&.close
    sleep RETRY_S
  end
end

# Ruby calls this instead of blocking: it stores the waiting fiber, and resumes another one.
class Scheduler
  def initialize
    @readable = {} # the fibers that wait to read, by IO
    @writable = {}
    @sleeping = {} # the fibers that wait for a time, and that time
    @ready = [] # the fibers that only let others run first
    @spare = Fiber.new { loop { Fiber.yield } }.tap(&:resume)
  end

  def fiber(&block)
    fiber = Fiber.new(blocking: false) do
      block.call
    rescue StandardError => e
      warn e.full_message # a fault ends its fiber, and no other
    end
    fiber.tap(&:resume)
  rescue FiberError # there is no memory for its stack
    @spare.resume # else Ruby takes the current fiber for one that waits for that one, and never resumes it
    raise
  end

  def io_wait(io, events, _timeout)
    waiting = events.anybits?(IO::READABLE) ? @readable : @writable
    waiting[io] = Fiber.current
    Fiber.yield
    events
  end

  def kernel_sleep(seconds)
    seconds.zero? ? @ready.push(Fiber.current) : @sleeping[Fiber.current] = now + seconds
    Fiber.yield
  end

  def close # called at the end of the program, when only fibers are left
    loop { turn }
  end

  def turn
    timeout = @ready.empty? ? @sleeping.values.min&.then { |time| [time - now, 0].max } : 0
    readable, writable = IO.select(@readable.keys, @writable.keys, nil, timeout)
    @ready.slice!(0..).each(&:resume)
    writable&.each { |io| @writable.delete(io).resume }
    readable&.each { |io| @readable.delete(io).resume }
    @sleeping.select { |_, time| time <= now }.each_key { |fiber| @sleeping.delete(fiber) && fiber.resume }
  end

  def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)

  # No fiber here waits for another fiber or thread, but Ruby requires these methods.
  def block(...) = raise(NotImplementedError)
  def unblock(...) = raise(NotImplementedError)
end

# The rest is the same in every server: the address, and how to end.

def main(host, port)
  %w[INT TERM].each { |signal| trap(signal, "SYSTEM_DEFAULT") } # nothing needs saving
  shown = host.include?(":") ? "[#{host}]" : host
  begin
    listener = TCPServer.new(host, port)
  rescue SystemCallError, SocketError => e
    abort "cannot listen on #{shown}:#{port}: #{e.message}"
  end
  listener.listen(BACKLOG)
  listener.setsockopt(:TCP, :NODELAY, 1) # its connections inherit it
  puts "listening on #{shown}:#{listener.local_address.ip_port}"
  $stdout.flush
  Fiber.set_scheduler(Scheduler.new)
  Fiber.schedule { accept(listener) }
end

def parse_address(arguments)
  match = /\A(?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})\z/.match(arguments.first)
  if arguments.size != 1 || !match || match[3].to_i > 65_535
    warn "usage: broadcast.rb HOST:PORT (IPv6: [HOST]:PORT)"
    exit 2
  end
  [match[1] || match[2], match[3].to_i]
end

main(*parse_address(ARGV))
