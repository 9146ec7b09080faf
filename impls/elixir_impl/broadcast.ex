# Broadcast in Elixir: two tasks per connection under a supervisor, and a GenServer that is the room.
#
# Order: every connection's reader calls the room with its whole messages, and the room passes them
# to all writers before it takes the next call. Messages between two processes keep their order.
# A slow client: only its own writer waits for it. For each writer the room counts the bytes that it
# has delivered and that are not reported as sent. While that is more than @limit, the client misses
# new messages.

# One connection: a task that reads, linked to one that writes. If either crashes, so does the other,
# and the room, which monitors the writer, forgets the client.
defmodule Connection do
  # The longest write: a longer one might hide how much the kernel has not taken, see @queue in Room.
  @write 64 * 1024
  # How long to wait for a client that has closed its sending side to read what is unsent.
  @linger_ms 10_000

  def serve(socket) do
    writer = Task.async(fn -> write(socket) end)
    Room.join(writer.pid)
    read(socket, "")
    send(writer.pid, :leave)
    Task.yield(writer, @linger_ms) || abort(socket, writer)
    :gen_tcp.close(socket)
  end

  # The client does not read. Without this option, the port would keep the descriptor until all is sent.
  defp abort(socket, writer) do
    :inet.setopts(socket, linger: {true, 0})
    Task.shutdown(writer, :brutal_kill)
  end

  # Submit whole messages as they arrive, until the end of the stream; a reset is one too.
  defp read(socket, rest) do
    with {:ok, chunk} <- :gen_tcp.recv(socket, 0) do
      data = rest <> chunk
      whole = whole_messages(data, 0)
      if whole > 0, do: Room.submit(binary_part(data, 0, whole))
      # A copy, because a part keeps the whole in memory.
      read(socket, :binary.copy(binary_part(data, whole, byte_size(data) - whole)))
    end
  end

  # The length of the longest prefix of the data that consists of whole messages.
  defp whole_messages(<<size, _::binary-size(size), rest::binary>>, whole), do: whole_messages(rest, whole + 1 + size)
  defp whole_messages(_, whole), do: whole

  # Send what the room delivers, until the client leaves or its connection is lost.
  defp write(socket) do
    receive do
      {:deliver, batch} ->
        {data, cost} = take(batch, Room.cost(batch))

        with :ok <- :gen_tcp.send(socket, data) do
          Room.sent(self(), cost)
          write(socket)
        end

      # An empty send returns when gen_tcp's own queue is empty, too.
      :leave ->
        :gen_tcp.send(socket, "")
    end
  end

  # Add what else is in the mailbox.
  defp take(data, cost) when cost >= @write, do: {data, cost}

  defp take(data, cost) do
    receive do
      {:deliver, batch} -> take([data, batch], cost + Room.cost(batch))
    after
      0 -> {data, cost}
    end
  end
end

# The only process that knows all clients. Its state: how many bytes are unsent, by writer.
defmodule Room do
  use GenServer

  # A client with more unsent bytes misses new messages.
  @limit 256 * 1024
  # Bytes that gen_tcp may keep in a queue of its own after it has taken them: one write.
  @queue 64 * 1024
  # Bytes that a batch takes in a writer's mailbox beyond its own.
  @mail 64

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  # A reader waits until the room has received its batch, so each has at most one in flight.
  def join(writer), do: GenServer.call(__MODULE__, {:join, writer}, :infinity)
  def submit(batch), do: GenServer.call(__MODULE__, {:submit, batch}, :infinity)
  def sent(writer, cost), do: GenServer.cast(__MODULE__, {:sent, writer, cost})
  def cost(batch), do: @mail + byte_size(batch)

  @impl true
  def init(nil), do: {:ok, %{}}

  @impl true
  def handle_call({:join, writer}, _from, room) do
    Process.monitor(writer)
    {:reply, :ok, Map.put(room, writer, 0)}
  end

  def handle_call({:submit, batch}, _from, room) do
    {:reply, :ok, :maps.map(fn writer, unsent -> offer(writer, unsent, batch) end, room)}
  end

  @impl true
  def handle_cast({:sent, writer, cost}, room), do: {:noreply, Map.update!(room, writer, &(&1 - cost))}

  @impl true
  def handle_info({:DOWN, _, :process, writer, _}, room), do: {:noreply, Map.delete(room, writer)}

  # Drop policy: a client gets all of the batch, or none of it if it is too far behind.
  defp offer(_writer, unsent, _batch) when unsent > @limit - @queue, do: unsent

  defp offer(writer, unsent, batch) do
    send(writer, {:deliver, batch})
    unsent + cost(batch)
  end
end

# The supervisor, and what is the same in every server: the address, and how to end.
defmodule Broadcast do
  @backlog 1024
  # The largest read, and the buffer of an idle client.
  @chunk 8 * 1024
  # How long to wait for a descriptor when there is none left.
  @retry_ms 100

  # If the room crashes, its clients are disconnected and a new room is started.
  defp start(listener) do
    acceptor = Supervisor.child_spec({Task, fn -> accept(listener) end}, restart: :permanent)
    Supervisor.start_link([Room, {Task.Supervisor, name: Connections}, acceptor], strategy: :rest_for_one)
  end

  defp accept(listener) do
    case :gen_tcp.accept(listener) do
      {:ok, socket} ->
        {:ok, reader} = Task.Supervisor.start_child(Connections, Connection, :serve, [socket])
        # The socket is closed when its owner ends.
        with {:error, _} <- :gen_tcp.controlling_process(socket, reader), do: :gen_tcp.close(socket)

      # No descriptor is left.
      {:error, _} ->
        Process.sleep(@retry_ms)
    end

    accept(listener)
  end

  def main(arguments) do
    {host, port} = parse_address(arguments)
    # Nothing needs saving. OTP's own handler would wait for clients that do not read.
    :ok = :os.set_signal(:sigterm, :default)
    # By default crash reports go to standard output, where only the ready line belongs.
    :ok = Logger.configure_backend(:console, device: :standard_error)
    {family, shown} = if host =~ ":", do: {:inet6, "[#{host}]"}, else: {:inet, host}
    options = [family, :binary, active: false, reuseaddr: true, nodelay: true, backlog: @backlog, buffer: @chunk]
    # A client still gets what is unsent at the end of its stream. A send waits for what the last one left in the queue.
    options = options ++ [exit_on_close: false, high_watermark: 1, low_watermark: 0]

    with {:ok, address} <- :inet.getaddr(to_charlist(host), family),
         {:ok, listener} <- :gen_tcp.listen(port, [{:ip, address} | options]) do
      {:ok, _} = start(listener)
      {:ok, real} = :inet.port(listener)
      IO.puts("listening on #{shown}:#{real}")
      Process.sleep(:infinity)
    else
      {:error, reason} ->
        IO.puts(:stderr, "cannot listen on #{shown}:#{port}: #{:inet.format_error(reason)}")
        System.halt(1)
    end
  end

  defp parse_address(arguments) do
    pattern = ~r/\A(?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})\z/

    with [argument] <- arguments,
         [_, bracketed, bare, port] <- Regex.run(pattern, argument),
         number when number <= 65_535 <- String.to_integer(port) do
      {bracketed <> bare, number}
    else
      _ ->
        IO.puts(:stderr, "usage: broadcast HOST:PORT (IPv6: [HOST]:PORT)")
        System.halt(2)
    end
  end
end
