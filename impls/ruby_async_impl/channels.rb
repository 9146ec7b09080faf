#!/usr/bin/env ruby
# frozen_string_literal: true

# Channels on the gem async: two tasks per connection, one that reads and one that writes.
#
# Order: a reading task puts a message into the queues of all subscribers before any other task runs.
# Replies go the same way.
# A slow client: only its own two tasks wait for it. While more than LIMIT bytes are unsent, it misses
# new messages; while replies make it twice as many, its requests wait.

require "async"
require "async/io"
require "async/queue"
require "json"
require "set"

BACKLOG = 1024
LINE = 64 * 1024 # bytes of the longest request, including its line feed
CHUNK = 16 * 1024 # bytes per read: hundreds of requests, yet small enough to be fair
LIMIT = 256 * 1024 # a client with more unsent bytes misses new messages
CELL = 64 # bytes that a line takes in a queue beyond its own
RETRY_S = 0.1 # how long to wait for a descriptor when there is none left
LINGER_S = 10 # for a client that has closed its sending side to read what is unsent
PAUSE_S = 30 # for the current write to end, if a client has too many unsent replies
# What may follow a backslash. Ruby's JSON takes "\x" for "x", and half of a surrogate pair for a character.
ESCAPE = %r{\\(?:["\\/bfnrt]|u(?![dD][89a-fA-F])\h{4}|u[dD][89abAB]\h\h\\u[dD][c-fC-F]\h\h)}

class BadRequest < StandardError; end

Client = Struct.new(:queue, :unsent, :sent, :leaving, :channels) # sent: notified after each write

SPARE = Fiber.new { loop { Fiber.yield } }.tap(&:resume)

@channels = {} # the subscribers of every channel that has any

def serve(socket)
  client = Client.new(Async::Queue.new, 0, Async::Notification.new, false, Set.new)
  writer = Async { write(socket, client) }
  read(socket, client)
ensure
  leave(client)
  client.unsent += CELL
  client.queue << nil
  linger(writer)
end

# Handle the lines that arrive, until the end of the stream; a reset is one too, and so is a pause that is too long.
def read(socket, client)
  rest = String.new
  buffer = String.new # the same for all reads: a line without end would otherwise leave as much garbage
  while (chunk = socket.readpartial(CHUNK, buffer))
    Async::Task.current.yield # else a socket that is always ready would keep the others from running
    next if rest.bytesize == LINE && !chunk.include?("\n") # the line is too long already

    *lines, rest = (rest << chunk).split("\n", -1)
    lines.each do |line|
      handle(client, line)
      pause(client)
    end
    rest = rest.byteslice(0, LINE) # enough to see that a line is too long, without keeping all of it
  end
rescue SystemCallError, Async::TimeoutError
  nil
end

# Send what the queue holds, all at once, until nil is in it.
def write(socket, client)
  loop do
    replies = [client.queue.dequeue]
    replies << client.queue.dequeue until client.queue.empty?
    data = replies.join
    socket.write(data)
    client.unsent -= data.bytesize + CELL * replies.size
    client.sent.signal
    break if replies.last.nil?
  end
rescue SystemCallError
  nil # reading fails too, and ends the connection
ensure
  client.leaving = true
  client.sent.signal
end

# Wait while too many replies to the client are unsent. Not for ever, because the end of its stream is not seen
# meanwhile.
def pause(client)
  until client.unsent <= 2 * LIMIT || client.leaving
    Async::Task.current.with_timeout(PAUSE_S) { client.sent.wait }
  end
end

# Wait until all is sent, but not for ever: the client may never read.
def linger(writer)
  Async::Task.current.with_timeout(LINGER_S) { writer.wait }
rescue Async::TimeoutError
  writer.stop
end

# Forget the client, and the channels that have no other subscriber.
def leave(client)
  client.channels.each do |channel|
    @channels[channel].delete(client)
    @channels.delete(channel) if @channels[channel].empty?
  end
end

# Carry out the request in a line, or reply why not.
def handle(client, line)
  obey(client, decode(line))
rescue BadRequest => e
  reply(client, encode(Error: e.message))
end

def obey(client, request)
  case request
  in { Subscribe: String => channel, **nil }
    reply(client, encode(Subscribed: channel))
    client.channels.add(channel)
    (@channels[channel] ||= Set.new.compare_by_identity).add(client)
  in { Send: { channel: String => channel, message: String => message, **nil }, **nil }
    raise BadRequest, "no such channel: #{channel}" unless @channels.key?(channel)

    delivery = encode(Message: { channel: channel, message: message })
    @channels[channel].each { |subscriber| offer(subscriber, delivery) }
  else
    raise BadRequest, "no such request"
  end
end

# Drop policy: a client that is too far behind misses the message.
def offer(client, delivery)
  reply(client, delivery) if client.unsent <= LIMIT
end

def reply(client, data)
  return if client.leaving # the writer has ended: nobody would send it

  client.unsent += data.bytesize + CELL
  client.queue << data
end

def decode(line)
  raise BadRequest, "a request has at most #{LINE} bytes" if line.bytesize >= LINE
  raise BadRequest, "not UTF-8" unless line.force_encoding(Encoding::UTF_8).valid_encoding?
  bare = line.gsub(ESCAPE, "") # without escapes, so that each quote begins or ends a string
  raise BadRequest, "not JSON" if bare.include?("\\") || bare.gsub(/"[^"]*"/, "").include?("/") # Ruby takes comments

  JSON.parse(line, symbolize_names: true, max_nesting: 3)
rescue JSON::JSONError
  raise BadRequest, "not JSON"
end

def encode(reply)
  "#{JSON.generate(reply)}\n"
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
    warn "usage: channels.rb HOST:PORT (IPv6: [HOST]:PORT)"
    exit 2
  end
  [match[1] || match[2], match[3].to_i]
end

address = parse_address(ARGV)
Async { main(*address) }
