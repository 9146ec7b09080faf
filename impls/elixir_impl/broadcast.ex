# Broadcast in Elixir: two processes per connection, and a GenServer that is the room.
#
# Order: every connection's reader calls the room with its whole messages; the room sends one batch to
# all writers before it makes the next, and mail between two processes keeps its order.
# A slow client: only its own writer waits for it. The room counts what it has sent to each writer and
# not heard to be written; while that is more than @limit bytes, the client misses new batches,
# always as whole messages.
defmodule Broadcast do
  @backlog 1024
  # A read at first: ten thousand who listen shall not cost a gigabyte.
  @few_bytes 4 * 1024
  # Bytes a read at most: thousands of messages, and few enough to be fair.
  @chunk 64 * 1024
  # How long to wait for a descriptor when there is none left.
  @retry_ms 100

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
    end
  end

  # Say what whole messages come, until the end of the stream: a reset is one as well.
  defp read(socket, size, rest) do
    with {:ok, chunk} <- :gen_tcp.recv(socket, 0) do
      data = rest <> chunk
      whole = whole_messages(data, 0)
      if whole > 0, do: Room.say(binary_part(data, 0, whole))
      rest = binary_part(data, whole, byte_size(data) - whole)
      read(socket, grow(socket, size, byte_size(chunk)), :binary.copy(rest))
    end
  end

  # When a read was full there was more to read.
  defp grow(socket, size, size) when size < @chunk do
    :inet.setopts(socket, buffer: 2 * size)
    2 * size
  end

  defp grow(_socket, size, _got), do: size

  # Send what the room has handed over, and tell it what is sent.
  defp write(socket) do
    receive do
      {:hear, batch} ->
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

# The one process that knows who is there, and what comes after what.
defmodule Room do
  use GenServer

  # Bytes that gather at most before they are offered.
  @chunk 64 * 1024
  # Bytes unsent beyond which a client misses what is new.
  @limit 256 * 1024
  # Bytes that a batch in a writer's mailbox takes beside its own.
  @mail 64

  def start_link, do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  # Who speaks waits until the room has heard it: so there is one message a client at most on the way.
  def join(writer), do: GenServer.call(__MODULE__, {:join, writer}, :infinity)
  def say(batch), do: GenServer.call(__MODULE__, {:say, batch}, :infinity)
  def leave(writer), do: GenServer.call(__MODULE__, {:leave, writer}, :infinity)
  def sent(writer, batch), do: GenServer.cast(__MODULE__, {:sent, writer, cost(batch)})

  # The writers, each with how much it has not sent yet; what was said and not offered yet, and its size.
  @impl true
  def init(nil), do: {:ok, {%{}, [], 0}}

  @impl true
  def handle_call({:join, writer}, _from, {writers, tick, size}) do
    reply({Map.put(writers, writer, 0), tick, size})
  end

  def handle_call({:say, batch}, _from, {writers, tick, size}) do
    reply({writers, [tick | batch], size + byte_size(batch)})
  end

  def handle_call({:leave, writer}, _from, state) do
    # Who hangs up right after speaking still hears it.
    {writers, [], 0} = broadcast(state)
    reply({Map.delete(writers, writer), [], 0})
  end

  @impl true
  def handle_cast({:sent, writer, size}, {writers, tick, gathered}) when is_map_key(writers, writer) do
    {:noreply, {Map.update!(writers, writer, &(&1 - size)), tick, gathered}, wait(tick)}
  end

  def handle_cast({:sent, _, _}, {_, tick, _} = state), do: {:noreply, state, wait(tick)}

  # Nobody else is waiting to speak.
  @impl true
  def handle_info(:timeout, state), do: {:noreply, broadcast(state)}

  # A longer batch might leave no room for the next.
  defp reply({_, _, size} = state) when size >= @chunk, do: {:reply, :ok, broadcast(state)}
  defp reply({_, tick, _} = state), do: {:reply, :ok, state, wait(tick)}

  defp wait([]), do: :infinity
  defp wait(_), do: 0

  # Hand over what has gathered: one offer a client, however many have spoken.
  defp broadcast({_, [], 0} = state), do: state

  defp broadcast({writers, tick, _}) do
    batch = IO.iodata_to_binary(tick)
    {Map.new(writers, fn {writer, unsent} -> {writer, offer(writer, unsent, batch)} end), [], 0}
  end

  # Drop policy: all of the batch, or none of it for a client that is too far behind.
  defp offer(_writer, unsent, _batch) when unsent > @limit, do: unsent

  defp offer(writer, unsent, batch) do
    send(writer, {:hear, batch})
    unsent + cost(batch)
  end

  defp cost(batch), do: @mail + byte_size(batch)
end

# A handler for signals: nothing needs saving, and the kernel closes every connection. Without the
# option, halt would wait for those who do not read.
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
