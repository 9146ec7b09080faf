# Broadcast in Elixir: two processes per connection, and a GenServer that is the room.
#
# Order: every connection's reader calls the room with its whole messages. The room sends a batch to
# all writers before it builds the next one, and messages between two processes keep their order.
# A slow client: only its own writer waits for it. For each writer the room counts the bytes that it
# has delivered and that are not reported as sent. While that is more than @limit, the client misses
# new batches, always as whole messages.
defmodule Broadcast do
  @backlog 1024
  # Size of the first read: ten thousand idle clients must not cost a gigabyte.
  @few_bytes 4 * 1024
  # Size of the largest read: thousands of messages, yet small enough to be fair.
  @chunk 64 * 1024
  # How long to wait for a descriptor when there is none left.
  @retry_ms 100
  # How long to wait for a client that has closed its sending side to read what is unsent.
  @linger_ms 10_000

  def main(arguments) do
    {host, port} = parse_address(arguments)
    :ok = :gen_event.swap_handler(:erl_signal_server, {:erl_signal_handler, []}, {Stop, []})
    {family, shown} = if host =~ ":", do: {:inet6, "[#{host}]"}, else: {:inet, host}

    options = [family, :binary, active: false, reuseaddr: true, nodelay: true, backlog: @backlog, buffer: @few_bytes]

    with {:ok, address} <- :inet.getaddr(to_charlist(host), family),
         {:ok, listener} <- :gen_tcp.listen(port, [{:ip, address} | options]) do
      {:ok, _} = Room.start_link()
      {:ok, real} = :inet.port(listener)
      IO.puts("listening on #{shown}:#{real}")
      accept(listener)
    else
      {:error, reason} ->
        IO.puts(:stderr, "cannot listen on #{shown}:#{port}: #{:inet.format_error(reason)}")
        System.halt(1)
    end
  end

  defp accept(listener) do
    case :gen_tcp.accept(listener) do
      {:ok, socket} ->
        reader = spawn(fn -> receive(do: (:go -> serve(socket))) end)
        # The socket is closed when its owner ends.
        :gen_tcp.controlling_process(socket, reader)
        send(reader, :go)

      # No descriptor is left, not even one to load the module Process with.
      {:error, _} ->
        receive do
        after
          @retry_ms -> :ok
        end
    end

    accept(listener)
  end

  defp serve(socket) do
    {writer, watch} = spawn_monitor(fn -> write(socket) end)
    Room.join(writer)
    read(socket, @few_bytes, "")
    Room.leave(writer)
    send(writer, :leave)

    receive do
      {:DOWN, ^watch, :process, _, _} -> :gen_tcp.close(socket)
    after
      # It may never read; the socket is closed when this process ends.
      @linger_ms -> :ok
    end
  end

  # Submit whole messages as they arrive, until the end of the stream; a reset is one too.
  defp read(socket, size, rest) do
    with {:ok, chunk} <- :gen_tcp.recv(socket, 0) do
      data = rest <> chunk
      whole = whole_messages(data, 0)
      if whole > 0, do: Room.submit(binary_part(data, 0, whole))
      rest = binary_part(data, whole, byte_size(data) - whole)
      read(socket, grow(socket, size, byte_size(chunk)), :binary.copy(rest))
    end
  end

  # A full read means that there was more to read.
  defp grow(socket, size, size) when size < @chunk do
    :inet.setopts(socket, buffer: 2 * size)
    2 * size
  end

  defp grow(_socket, size, _got), do: size

  # Send the batches that the room delivers, and report each one when it is sent.
  defp write(socket) do
    receive do
      {:deliver, batch} ->
        :gen_tcp.send(socket, batch)
        Room.sent(self(), batch)
        write(socket)

      :leave ->
        :ok
    end
  end

  # The length of the longest prefix of the data that consists of whole messages.
  defp whole_messages(<<size, _::binary-size(size), rest::binary>>, whole), do: whole_messages(rest, whole + 1 + size)
  defp whole_messages(_, whole), do: whole

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

# The only process that knows the clients; it decides the order.
defmodule Room do
  use GenServer

  # Bytes pending at which a batch is sent at once.
  @chunk 64 * 1024
  # A client with more unsent bytes misses new batches.
  @limit 256 * 1024
  # Bytes that a batch takes in a writer's mailbox beyond its own.
  @mail 64

  def start_link, do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  # A reader waits until the room has received its batch, so each has at most one in flight.
  def join(writer), do: GenServer.call(__MODULE__, {:join, writer}, :infinity)
  def submit(batch), do: GenServer.call(__MODULE__, {:submit, batch}, :infinity)
  def leave(writer), do: GenServer.call(__MODULE__, {:leave, writer}, :infinity)
  def sent(writer, batch), do: GenServer.cast(__MODULE__, {:sent, writer, cost(batch)})

  # The state: the writers, each with its unsent bytes; the messages not yet offered, and their size.
  @impl true
  def init(nil), do: {:ok, {%{}, [], 0}}

  @impl true
  def handle_call({:join, writer}, _from, {writers, pending, size}) do
    reply({Map.put(writers, writer, 0), pending, size})
  end

  def handle_call({:submit, batch}, _from, {writers, pending, size}) do
    reply({writers, [pending | batch], size + byte_size(batch)})
  end

  def handle_call({:leave, writer}, _from, state) do
    # A leaving client still receives its own last messages.
    {writers, [], 0} = broadcast(state)
    reply({Map.delete(writers, writer), [], 0})
  end

  @impl true
  def handle_cast({:sent, writer, size}, {writers, pending, gathered}) when is_map_key(writers, writer) do
    {:noreply, {Map.update!(writers, writer, &(&1 - size)), pending, gathered}, wait(pending)}
  end

  def handle_cast({:sent, _, _}, {_, pending, _} = state), do: {:noreply, state, wait(pending)}

  # No reader is waiting.
  @impl true
  def handle_info(:timeout, state), do: {:noreply, broadcast(state)}

  # A longer batch might make clients miss the next one.
  defp reply({_, _, size} = state) when size >= @chunk, do: {:reply, :ok, broadcast(state)}
  defp reply({_, pending, _} = state), do: {:reply, :ok, state, wait(pending)}

  defp wait([]), do: :infinity
  defp wait(_), do: 0

  # Offer what is pending as one batch: one offer per client, however many clients have sent.
  defp broadcast({_, [], 0} = state), do: state

  defp broadcast({writers, pending, _}) do
    batch = IO.iodata_to_binary(pending)
    {Map.new(writers, fn {writer, unsent} -> {writer, offer(writer, unsent, batch)} end), [], 0}
  end

  # Drop policy: a client gets all of the batch, or none of it if it is too far behind.
  defp offer(_writer, unsent, _batch) when unsent > @limit, do: unsent

  defp offer(writer, unsent, batch) do
    send(writer, {:deliver, batch})
    unsent + cost(batch)
  end

  defp cost(batch), do: @mail + byte_size(batch)
end

# A handler for signals: nothing needs saving, and the kernel closes every connection. Without the
# option, halt would wait for clients that do not read.
defmodule Stop do
  @behaviour :gen_event

  @impl true
  def init(_), do: {:ok, nil}

  @impl true
  def handle_event(:sigterm, _), do: :erlang.halt(0, flush: false)
  def handle_event(_, state), do: {:ok, state}

  @impl true
  def handle_call(_, state), do: {:ok, :ok, state}
end
