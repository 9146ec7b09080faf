# Channels in Crystal: fibers that communicate over channels.
#
# Order: every connection's fiber passes its requests to the one fiber `broadcast`, which alone knows who has
# subscribed to what, and obeys them one after the other. Replies go the same way.
# A slow client: only its own two fibers wait for it. While more than LIMIT bytes are unsent, it misses new
# messages, and while its replies make it twice as many, its requests wait, except those of one more read. When
# the kernel takes nothing more for it for STALLED, it is disconnected.

require "json"
require "socket"

BACKLOG   = 1024
CHUNK     = 4 * 1024   # bytes per read: four thousand requests at most, before others have their turn
LONGEST   = 64 * 1024  # bytes of the longest request, including its line feed
LIMIT     = 256 * 1024 # a client with more unsent bytes misses new messages
RETRY     = 100.milliseconds
STALLED   = 40.seconds # a client is disconnected when the kernel takes nothing more for it for so long

record Subscribe, channel : String
record Send, channel : String, message : String
record Invalid, problem : String

alias Request = Subscribe | Send | Invalid

class Client
  getter socket : TCPSocket
  getter channels = Set(String).new # that it has subscribed to; only `broadcast` uses it
  getter wake = Channel(Nil).new(1)
  getter drained = Channel(Nil).new(1) # after each write, and when the writing fiber has ended
  property outbox = IO::Memory.new
  property unsent = 0 # bytes in the outbox or being written
  property? leaving = false
  property? written = false # the writing fiber has ended

  def initialize(@socket)
  end
end

# What a client asks for; nil when it has left.
REQUESTS = Channel({Client, Array(Request)?}).new

def serve(socket)
  socket.read_buffering = false
  socket.write_timeout = STALLED
  client = Client.new(socket)
  spawn write(client)
  begin
    read_requests(client)
  rescue IO::Error
    # A reset ends a connection just as an end of stream does.
  ensure
    REQUESTS.send({client, nil})
  end
  until client.written?
    client.drained.receive
  end
rescue RuntimeError # no stack can be mapped for its writing fiber
ensure
  socket.close
end

# Pass on the requests that have arrived together, until the end of the stream.
def read_requests(client)
  data, size, skipping = Bytes.new(CHUNK), 0, false # it grows for a long line
  while (got = client.socket.read(data[size, Math.min(CHUNK, data.size - size)])) > 0
    size += got
    requests, start = [] of Request, 0
    while following = data[start, size - start].index(10_u8)
      requests << (skipping ? Invalid.new("a request has at most #{LONGEST} bytes") : decode(data[start, following]))
      start += following + 1
      skipping = false
    end
    size -= start
    data.move_from(data[start, size]) if start > 0 && size > 0
    skipping ||= size == LONGEST # the line is too long: forget it up to its end
    size = 0 if skipping
    data = grow(data) if size == data.size
    pause(client)
    REQUESTS.send({client, requests}) unless requests.empty?
    Fiber.yield # a read that need not wait would give others no turn
  end
end

def grow(data)
  Bytes.new(2 * data.size).tap { |larger| data.copy_to(larger) }
end

# Wait while the client does not read the replies to its requests, at the longest until `write` gives up.
def pause(client)
  while client.unsent > 2 * LIMIT && !client.written?
    client.drained.receive
  end
end

# Send the outbox, all that it holds at a time, until the client has left and all is sent.
def write(client)
  loop do
    while client.outbox.size == 0 && !client.leaving?
      client.wake.receive
    end
    batch = client.outbox
    break if batch.size == 0
    client.outbox = IO::Memory.new
    client.socket.write(batch.to_slice)
    client.unsent -= batch.size
    signal(client.drained)
  end
rescue IO::Error
  cut_off(client.socket)
ensure
  client.written = true
  signal(client.drained)
end

# Nothing more can be sent to it. What it has sent is still read, to the end that this makes.
def cut_off(socket)
  socket.close_write
  socket.close_read
rescue Socket::Error
  # It was cut off already: a reset.
end

def signal(channel)
  select
  when channel.send(nil)
  else # it has been signalled already
  end
end

# The only fiber that knows the channels; it decides the order.
def broadcast
  subscribers = Hash(String, Set(Client)).new # of the channels that have any
  loop do
    client, requests = REQUESTS.receive
    if requests
      requests.each { |request| obey(client, request, subscribers) }
    else
      leave(client, subscribers)
    end
  end
end

def obey(client, request, subscribers)
  case request
  in Subscribe
    reply(client, {"Subscribed" => request.channel})
    client.channels << request.channel
    (subscribers[request.channel] ||= Set(Client).new) << client
  in Send
    if receivers = subscribers[request.channel]?
      delivery = line({"Message" => {"channel" => request.channel, "message" => request.message}})
      receivers.each { |receiver| offer(receiver, delivery) }
    else
      reply(client, {"Error" => "no such channel: #{request.channel}"})
    end
  in Invalid
    reply(client, {"Error" => request.problem})
  end
end

# Remove the client, and the channels that have no other subscriber.
def leave(client, subscribers)
  client.channels.each do |channel|
    subscribers[channel].delete(client)
    subscribers.delete(channel) if subscribers[channel].empty?
  end
  client.leaving = true
  signal(client.wake)
end

def reply(client, value)
  send(client, line(value))
end

# Drop policy: a client that is too far behind misses the message.
def offer(client, delivery)
  send(client, delivery) unless client.unsent > LIMIT
end

def send(client, line)
  return if client.written?
  client.outbox << line
  client.unsent += line.bytesize
  signal(client.wake)
end

def line(value)
  "#{value.to_json}\n"
end

def decode(line) : Request
  text = String.new(line)
  raise "not UTF-8" unless text.valid_encoding?
  fields = JSON.parse(text).as_h
  case fields.keys
  when ["Subscribe"] then Subscribe.new(fields["Subscribe"].as_s)
  when ["Send"]      then Send.new(fields["Send"]["channel"].as_s, fields["Send"]["message"].as_s)
  else                    raise "neither Subscribe nor Send"
  end
rescue problem # of any kind: the line is not a request
  Invalid.new(problem.message || "not a request")
end

def accept(listener)
  loop do
    socket = listener.accept
    begin
      spawn serve(socket)
    rescue RuntimeError # no stack can be mapped for it
      socket.close
    end
  rescue Socket::Error # no descriptor is left
    sleep RETRY
  end
end

# The address, and what happens at the start.

# Not `main`: a program that defines that cannot load Crystal's prelude.
def start(host : String, port : Int32)
  shown = host.includes?(':') ? "[#{host}]" : host
  begin
    listener = TCPServer.new(host, port, BACKLOG)
  rescue error : Socket::Error
    abort "cannot listen on #{shown}:#{port}: #{error.message}"
  end
  listener.tcp_nodelay = true # its connections inherit this, and sync: they write at once
  listener.sync = true
  puts "listening on #{shown}:#{listener.local_address.port}"
  STDOUT.flush
  spawn broadcast
  accept(listener)
end

def parse_address(arguments)
  pattern = /\A(?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})\z/
  match = arguments.size == 1 ? pattern.match(arguments[0]) : nil
  if match.nil? || match[3].to_i > 65535
    STDERR.puts "usage: channels HOST:PORT (IPv6: [HOST]:PORT)"
    exit 2
  end
  {match[1]? || match[2], match[3].to_i}
end

start(*parse_address(ARGV))
