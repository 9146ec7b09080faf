# Broadcast in Crystal: fibers that communicate over channels.
#
# Order: every connection's fiber passes its whole messages to the one fiber `broadcast`; they reach
# all clients in the order in which they come out of that channel.
# A slow client: only its own writing fiber waits for it. While more than LIMIT bytes are unsent,
# the client misses new batches, always as whole messages.

require "socket"

BACKLOG   = 1024
FEW_BYTES = 4 * 1024   # first read: ten thousand idle clients must not cost a gigabyte
CHUNK     = 64 * 1024  # largest read: thousands of messages, yet small enough to be fair
LIMIT     = 256 * 1024 # a client with more unsent bytes misses new batches
RETRY     = 100.milliseconds
LINGER    = 10.seconds # for a client that has closed its sending side to read what is unsent

class Client
  getter socket : TCPSocket
  getter wake = Channel(Nil).new(1)
  getter written = Channel(Nil).new(1) # when its writing fiber has ended
  property outbox = IO::Memory.new
  property unsent = 0 # bytes in the outbox or being written
  property? leaving = false

  def initialize(@socket)
  end
end

# From the connections' fibers to the one that knows the room. The channels are unbuffered: a fiber
# that sends waits until the other one receives.
JOINED   = Channel(Client).new
LEFT     = Channel(Client).new
RECEIVED = Channel(Bytes).new # whole messages

def serve(socket)
  socket.read_buffering = false
  client = Client.new(socket)
  spawn write(client) # before it joins: if this fails, it is not in the room
  JOINED.send(client)
  begin
    read_messages(socket)
  rescue IO::Error
    # A reset ends a connection just as an end of stream does.
  ensure
    LEFT.send(client)
    client.leaving = true
    wake(client)
  end
  select
  when client.written.receive
  when timeout(LINGER) # it may never read
  end
rescue RuntimeError # no stack can be mapped for its writing fiber
ensure
  socket.close
end

# Pass on whole messages as they arrive, until the end of the stream.
def read_messages(socket)
  data, size = Bytes.new(FEW_BYTES), 0
  while (got = socket.read(data + size)) > 0
    size += got
    data = grow(data) if size == data.size && size < CHUNK # there was more to read
    whole = whole_messages(data[0, size])
    next if whole == 0
    RECEIVED.send(data[0, whole].dup)
    size -= whole
    data.move_from(data[whole, size]) if size > 0
  end
end

def grow(data)
  Bytes.new(2 * data.size).tap { |larger| data.copy_to(larger) }
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
  end
rescue IO::Error
  cut_off(client.socket)
ensure
  client.written.send(nil)
end

# Nothing more can be sent to it. What it has sent is still read, to the end that this makes.
def cut_off(socket)
  socket.close_write
  socket.close_read
rescue Socket::Error
  # It was cut off already: a reset.
end

def wake(client)
  select
  when client.wake.send(nil)
  else # it has been woken already
  end
end

# The length of the longest prefix of the data that consists of whole messages.
def whole_messages(data)
  whole = 0
  while whole < data.size && whole + 1 + data[whole] <= data.size
    whole += 1 + data[whole]
  end
  whole
end

# The only fiber that knows the room; it decides the order.
def broadcast
  room = Set(Client).new
  loop do
    select
    when client = JOINED.receive
      room << client
    when client = LEFT.receive
      room.delete(client)
    when batch = RECEIVED.receive
      room.each { |client| offer(client, batch) }
    end
  end
end

# Drop policy: a client gets all of the batch, or none of it if it is too far behind.
def offer(client, batch)
  return if client.unsent > LIMIT
  client.outbox.write(batch)
  client.unsent += batch.size
  wake(client)
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
    STDERR.puts "usage: broadcast HOST:PORT (IPv6: [HOST]:PORT)"
    exit 2
  end
  {match[1]? || match[2], match[3].to_i}
end

start(*parse_address(ARGV))
