# Channels in Elixir: two tasks per connection under a supervisor, and a GenServer that knows all subscribers.
#
# Order: every connection's reader calls the hub with its requests. The hub passes each message and
# each reply to the writers before it takes the next request.
# A slow client: only its own two tasks wait for it. For each writer the hub counts the bytes that it
# has delivered and that are not reported as sent. While that is more than @limit, the client misses
# new messages; while replies make it twice as many, the hub does not answer its reader.

# One connection: a task that reads, linked to one that writes. If either crashes, so does the other,
# and the hub, which monitors the writer, forgets the client.
defmodule Connection do
  # Bytes of the longest request, including its line feed.
  @line 64 * 1024
  # The longest write: a longer one might hide how much the kernel has not taken, see @queue in Hub.
  @write 64 * 1024
  # How long to wait for a client that has closed its sending side to read what is unsent.
  @linger_ms 10_000

  def serve(socket) do
    writer = Task.async(fn -> write(socket) end)
    Hub.join(writer.pid)
    read(socket, writer.pid, "")
    send(writer.pid, :leave)
    Task.yield(writer, @linger_ms) || abort(socket, writer)
    :gen_tcp.close(socket)
  end

  # The client does not read. Without this option, the port would keep the descriptor until all is sent.
  defp abort(socket, writer) do
    :inet.setopts(socket, linger: {true, 0})
    Task.shutdown(writer, :brutal_kill)
  end

  # Pass on the requests in the lines that arrive, until the end of the stream; a reset is one too.
  defp read(socket, writer, rest) do
    with {:ok, chunk} <- :gen_tcp.recv(socket, 0) do
      {lines, [rest]} = Enum.split(:binary.split(rest <> chunk, "\n", [:global]), -1)
      if lines != [], do: Hub.handle(writer, Enum.map(lines, &request/1))
      # Enough to see that a line is too long, without keeping all of it, or the chunk that it is a part of.
      read(socket, writer, :binary.copy(binary_part(rest, 0, min(byte_size(rest), @line))))
    end
  end

  # What a line asks for, with all that has to be encoded for it.
  defp request(line) do
    case decode(line) do
      {:ok, %{"Subscribe" => name} = request} when is_binary(name) and map_size(request) == 1 ->
        {:subscribe, name, encode(%{"Subscribed" => name})}

      {:ok, %{"Send" => %{"channel" => name, "message" => text} = message} = request}
      when is_binary(name) and is_binary(text) and map_size(message) == 2 and map_size(request) == 1 ->
        {:send, name, encode(%{"Message" => message})}

      {:ok, _} ->
        {:error, encode(%{"Error" => "no such request"})}

      {:error, reason} ->
        {:error, encode(%{"Error" => reason})}
    end
  end

  defp decode(line) when byte_size(line) >= @line, do: {:error, "a request has at most #{@line} bytes"}

  # Copies, because strings that refer to the line would keep it in memory.
  defp decode(line) do
    {:ok, :jiffy.decode(line, [:return_maps, :copy_strings])}
  catch
    :error, _ -> {:error, "not JSON"}
  end

  def encode(reply), do: IO.iodata_to_binary([:jiffy.encode(reply), "\n"])

  # Send what the hub delivers, until the client leaves or its connection is lost.
  defp write(socket) do
    receive do
      {:deliver, reply} ->
        {data, cost} = take(reply, Hub.cost(reply))

        case :gen_tcp.send(socket, data) do
          :ok ->
            Hub.sent(self(), cost)
            write(socket)

          # The socket is closed, but its reader would wait for ever: end it as well.
          {:error, :timeout} ->
            exit(:shutdown)

          # A reset, which the reader sees too.
          {:error, _} ->
            :ok
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
      {:deliver, reply} -> take([data, reply], cost + Hub.cost(reply))
    after
      0 -> {data, cost}
    end
  end
end

# The only process that knows all clients and channels.
defmodule Hub do
  use GenServer

  # A client with more unsent bytes misses new messages.
  @limit 256 * 1024
  # Bytes that gen_tcp may keep in a queue of its own after it has taken them: one write.
  @queue 64 * 1024
  # Bytes that a reply takes in a writer's mailbox beyond its own.
  @mail 64

  # By writer: its unsent bytes, its channels, the reader that waits for an answer. By channel: its writers.
  defstruct unsent: %{}, subscriptions: %{}, waiting: %{}, channels: %{}

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  # A reader waits until the hub has obeyed its requests, so each has at most one call in flight.
  def join(writer), do: GenServer.call(__MODULE__, {:join, writer}, :infinity)
  def handle(writer, requests), do: GenServer.call(__MODULE__, {:handle, writer, requests}, :infinity)
  def sent(writer, cost), do: GenServer.cast(__MODULE__, {:sent, writer, cost})
  def cost(reply), do: @mail + byte_size(reply)

  @impl true
  def init(nil), do: {:ok, %Hub{}}

  @impl true
  def handle_call({:join, writer}, _from, hub) do
    Process.monitor(writer)
    hub = put_in(hub.unsent[writer], 0)
    {:reply, :ok, put_in(hub.subscriptions[writer], MapSet.new())}
  end

  # The connection is lost, as its reader will soon find out.
  def handle_call({:handle, writer, _}, _reader, hub) when not is_map_key(hub.unsent, writer), do: {:reply, :ok, hub}

  def handle_call({:handle, writer, requests}, reader, hub) do
    hub = Enum.reduce(requests, hub, &obey(&2, writer, &1))
    {:noreply, answer(put_in(hub.waiting[writer], reader), writer)}
  end

  @impl true
  def handle_cast({:sent, writer, cost}, hub) do
    {:noreply, answer(update_in(hub.unsent[writer], &(&1 - cost)), writer)}
  end

  # Forget the client, and the channels that have no other subscriber. Its reader no longer needs an answer.
  @impl true
  def handle_info({:DOWN, _, :process, writer, _}, hub) do
    {names, hub} = pop_in(hub.subscriptions[writer])
    {_, hub} = pop_in(hub.unsent[writer])
    {reader, hub} = pop_in(hub.waiting[writer])
    if reader, do: GenServer.reply(reader, :ok)
    {:noreply, %{hub | channels: Enum.reduce(names, hub.channels, &leave(&2, &1, writer))}}
  end

  defp leave(channels, name, writer) do
    subscribers = MapSet.delete(channels[name], writer)
    if Enum.empty?(subscribers), do: Map.delete(channels, name), else: Map.put(channels, name, subscribers)
  end

  defp obey(hub, writer, {:subscribe, name, reply}) do
    hub = deliver(hub, writer, reply)
    hub = update_in(hub.subscriptions[writer], &MapSet.put(&1, name))
    update_in(hub.channels[name], &MapSet.put(&1 || MapSet.new(), writer))
  end

  defp obey(hub, writer, {:send, name, delivery}) do
    case hub.channels do
      %{^name => subscribers} -> Enum.reduce(subscribers, hub, &offer(&2, &1, delivery))
      _ -> deliver(hub, writer, Connection.encode(%{"Error" => "no such channel: #{name}"}))
    end
  end

  defp obey(hub, writer, {:error, reply}), do: deliver(hub, writer, reply)

  # Drop policy: a client that is too far behind misses the message.
  defp offer(hub, writer, delivery) do
    if hub.unsent[writer] > @limit - @queue, do: hub, else: deliver(hub, writer, delivery)
  end

  defp deliver(hub, writer, reply) do
    send(writer, {:deliver, reply})
    update_in(hub.unsent[writer], &(&1 + cost(reply)))
  end

  # Answer the reader, unless too many replies to its client are unsent.
  defp answer(hub, writer) do
    with true <- hub.unsent[writer] <= 2 * @limit,
         {reader, hub} when reader != nil <- pop_in(hub.waiting[writer]) do
      GenServer.reply(reader, :ok)
      hub
    else
      _ -> hub
    end
  end
end

# The supervisor, and what is the same in every server: the address, and how to end.
defmodule Channels do
  @backlog 1024
  # The largest read, and the buffer of an idle client.
  @chunk 16 * 1024
  # For a client to take a write. While its replies wait for that, the end of its stream is not seen.
  @send_ms 30_000
  # How long to wait for a descriptor when there is none left.
  @retry_ms 100

  # If the hub crashes, its clients are disconnected and a new hub is started.
  defp start(listener) do
    acceptor = Supervisor.child_spec({Task, fn -> accept(listener) end}, restart: :permanent)
    Supervisor.start_link([Hub, {Task.Supervisor, name: Connections}, acceptor], strategy: :rest_for_one)
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
    deadline = [send_timeout: @send_ms, send_timeout_close: true]

    with {:ok, address} <- :inet.getaddr(to_charlist(host), family),
         {:ok, listener} <- :gen_tcp.listen(port, [{:ip, address} | options ++ deadline]) do
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
        IO.puts(:stderr, "usage: channels HOST:PORT (IPv6: [HOST]:PORT)")
        System.halt(2)
    end
  end
end
