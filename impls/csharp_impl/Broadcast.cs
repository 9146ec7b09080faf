/* Broadcast in C#: async and await, on the thread pool.
 *
 * Order: every task that reads appends its whole messages to the one buffer Pending; the one that
 * holds the room's lock puts all of them into the outboxes of all clients: that is the common order.
 * A slow client: only its own writing task waits for it. While more than Limit bytes are unsent,
 * the client misses new batches, always as whole messages. */

using System;
using System.Collections.Generic;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using System.Threading.Tasks;
using Mono.Unix;
using Mono.Unix.Native;

static class Program
{
    const int Backlog = 1024;
    const int FewBytes = 4 * 1024; // first read: ten thousand idle clients must not cost a gigabyte
    const int Chunk = 64 * 1024; // largest read: thousands of messages, yet small enough to be fair
    const int Limit = 256 * 1024; // a client with more unsent bytes misses new batches
    const int RetryMs = 100; // how long to wait for a descriptor when there is none left
    const int LingerMs = 10000; // for a client that has closed its sending side to read what is unsent

    sealed class Client
    {
        public readonly NetworkStream Stream;
        public MemoryStream Outbox = new MemoryStream();
        public MemoryStream Batch = new MemoryStream(); // being written
        public bool Writing, Leaving;

        public Client(Socket socket)
        {
            Stream = new NetworkStream(socket, ownsSocket: true);
            socket.Blocking = false; // else a write to a client that does not read would block a pool thread
        }

        public long Unsent => Outbox.Length + Batch.Length;
    }

    static readonly HashSet<Client> Room = new HashSet<Client>(); // its lock protects the order
    static readonly MemoryStream Pending = new MemoryStream(); // whole messages in order, not yet offered

    static int Main(string[] arguments)
    {
        var (host, port) = ParseAddress(arguments);
        TcpListener listener;
        try
        {
            listener = new TcpListener(Dns.GetHostAddresses(host)[0], port);
            listener.Server.NoDelay = true; // its connections inherit it
            listener.Start(Backlog);
        }
        catch (SocketException error)
        {
            Console.Error.WriteLine($"cannot listen on {arguments[0]}: {error.Message}");
            return 1;
        }
        var shown = host.Contains(":") ? $"[{host}]" : host;
        var stop = new[] { new UnixSignal(Signum.SIGINT), new UnixSignal(Signum.SIGTERM) };
        Console.WriteLine($"listening on {shown}:{((IPEndPoint)listener.LocalEndpoint).Port}");
        Accept(listener);
        UnixSignal.WaitAny(stop); // nothing needs saving, and the kernel closes every connection
        return 0;
    }

    static async void Accept(TcpListener listener)
    {
        while (true)
        {
            try
            {
                Serve(await listener.AcceptSocketAsync());
                while (listener.Pending()) // all that wait: Mono polls every socket between two resumes
                    Serve(listener.AcceptSocket());
            }
            catch (SocketException) // no descriptor is left
            {
                await Task.Delay(RetryMs);
            }
        }
    }

    static async void Serve(Socket socket)
    {
        var client = new Client(socket);
        lock (Room)
            Room.Add(client);
        var data = new byte[FewBytes];
        var size = 0;
        try
        {
            int got;
            while ((got = await client.Stream.ReadAsync(data, size, data.Length - size)) > 0)
            {
                size += got;
                if (size == data.Length && size < Chunk) // there was more to read
                    Array.Resize(ref data, 2 * size);
                var end = WholeMessages(data, size);
                if (end > 0)
                    Broadcast(data, end);
                size -= end;
                Buffer.BlockCopy(data, end, data, 0, size);
            }
        }
        catch (Exception error) when (error is IOException || error is ObjectDisposedException)
        {
            // A reset ends a connection just as an end of stream does.
        }
        lock (Room)
            Room.Remove(client);
        Leave(client);
    }

    static void Leave(Client client)
    {
        lock (client)
        {
            client.Leaving = true;
            if (!client.Writing)
                client.Stream.Close();
            else
                Task.Delay(LingerMs).ContinueWith(_ => client.Stream.Close()); // it may never read
        }
    }

    /// Send the outbox: one write for everything that was added during the previous write.
    static async void Write(Client client)
    {
        try
        {
            while (Take(client))
                await client.Stream.WriteAsync(client.Batch.GetBuffer(), 0, (int)client.Batch.Length);
        }
        catch (IOException)
        {
            client.Stream.Close(); // the reading task sees the error too, and ends
        }
    }

    /// Take what is in the outbox; when it is empty, the next offer starts to write again.
    static bool Take(Client client)
    {
        lock (client)
        {
            var batch = client.Outbox; // a swap by tuple would not do: mcs copies one field into both
            client.Outbox = client.Batch;
            client.Outbox.SetLength(0);
            client.Batch = batch;
            client.Writing = batch.Length > 0;
            if (client.Leaving && !client.Writing)
                client.Stream.Close();
            return client.Writing;
        }
    }

    /// The length of the longest prefix of the data that consists of whole messages.
    static int WholeMessages(byte[] data, int size)
    {
        var end = 0;
        while (end < size && end + 1 + data[end] <= size)
            end += 1 + data[end];
        return end;
    }

    /// Append these messages to the common order.
    static void Broadcast(byte[] data, int size)
    {
        lock (Pending)
            Pending.Write(data, 0, size);
        Flush(); // the first task to get the lock sends for all that wait for it
    }

    /// Offer what is pending as one batch: one offer per client, however many clients have sent.
    static void Flush()
    {
        lock (Room)
        {
            byte[] batch;
            lock (Pending)
            {
                batch = Pending.ToArray();
                Pending.SetLength(0);
            }
            if (batch.Length > 0)
                foreach (var client in Room)
                    Offer(client, batch);
        }
    }

    /// Drop policy: a client gets all of the batch, or none of it if it is too far behind.
    static void Offer(Client client, byte[] batch)
    {
        lock (client)
        {
            if (client.Unsent > Limit)
                return;
            client.Outbox.Write(batch, 0, batch.Length);
            if (!client.Writing)
                Write(client);
        }
    }

    static (string, int) ParseAddress(string[] arguments)
    {
        var pattern = @"^(?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})$";
        var match = Regex.Match(arguments.Length == 1 ? arguments[0] : "", pattern);
        if (!match.Success || int.Parse(match.Groups[3].Value) > 65535)
        {
            Console.Error.WriteLine("usage: Broadcast HOST:PORT (IPv6: [HOST]:PORT)");
            Environment.Exit(2);
        }
        return (match.Groups[1].Value + match.Groups[2].Value, int.Parse(match.Groups[3].Value));
    }
}
