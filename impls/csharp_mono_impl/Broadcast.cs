// Broadcast in C#: async and await, on Mono's thread pool.
//
// Order: a task that has read whole messages puts them into the outboxes of all clients while it
// holds the room's lock: that is the common order.
// A slow client: only its own writing task waits for it. While more than Limit bytes are unsent,
// the client misses new messages.

using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using System.Threading;
using System.Threading.Tasks;

static class Program
{
    const int Backlog = 1024;
    const int Chunk = 16 * 1024; // bytes per read, and what an idle client costs
    const int Most = 64 * 1024; // bytes per write: a few more writes, but no large buffer for each
    const int Limit = 256 * 1024; // a client with more unsent bytes misses new messages
    const int Batches = 4 * 1024; // likewise: in a queue, a short batch costs more than its bytes
    const int RetryMs = 100; // how long to wait for a descriptor when there is none left
    const int LingerMs = 10000; // for a client that has closed its sending side to read what is unsent

    sealed class Client
    {
        public readonly NetworkStream Stream;
        public readonly ConcurrentQueue<byte[]> Outbox = new ConcurrentQueue<byte[]>();
        public readonly SemaphoreSlim Ready = new SemaphoreSlim(0); // something is in the outbox, or the client has left
        public readonly MemoryStream Batch = new MemoryStream(); // what is being written
        public int Unsent; // bytes in the outbox and in the current write
        public volatile bool Leaving; // nothing more is added to the outbox

        public Client(Socket socket)
        {
            Stream = new NetworkStream(socket, ownsSocket: true); // closing it closes the socket
            // Else a write to a client that does not read would block a pool thread. After the stream: its
            // constructor refuses such a socket.
            socket.Blocking = false;
        }
    }

    static readonly HashSet<Client> Room = new HashSet<Client>(); // its lock protects the order

    static async Task Serve(Socket socket)
    {
        using (socket)
        {
            var client = new Client(socket);
            lock (Room)
                Room.Add(client);
            var writing = Finish(client, Write(client));
            try
            {
                await Finish(client, Read(client));
            }
            finally
            {
                lock (Room)
                    Room.Remove(client);
                client.Leaving = true;
                client.Ready.Release();
            }
            await Task.WhenAny(writing, Task.Delay(LingerMs)); // it may never read
        }
    }

    // Wait for a task of a client, however it ends.
    static async Task Finish(Client client, Task task)
    {
        try
        {
            await task;
        }
        catch (Exception error) when (error is IOException || error is ObjectDisposedException)
        {
            // A reset, which both tasks see: the reading one after what the client has sent before.
        }
        catch (Exception bug)
        {
            Console.Error.WriteLine(bug); // nobody else would see it
            client.Stream.Close(); // the other task ends as well
        }
    }

    static async Task Read(Client client)
    {
        var data = new byte[Chunk];
        var size = 0;
        int got;
        while ((got = await client.Stream.ReadAsync(data, size, data.Length - size)) > 0)
        {
            size += got;
            var end = WholeMessages(data, size);
            if (end > 0)
                Broadcast(data, end);
            size -= end;
            Buffer.BlockCopy(data, end, data, 0, size);
        }
    }

    // The length of the longest prefix of the data that consists of whole messages.
    static int WholeMessages(byte[] data, int size)
    {
        var end = 0;
        while (end < size && end + 1 + data[end] <= size)
            end += 1 + data[end];
        return end;
    }

    // Send what the outbox holds, until the client has left and all is sent.
    static async Task Write(Client client)
    {
        while (!client.Leaving || !client.Outbox.IsEmpty)
        {
            if (client.Outbox.IsEmpty)
                await client.Ready.WaitAsync();
            Take(client);
            await client.Stream.WriteAsync(client.Batch.GetBuffer(), 0, (int)client.Batch.Length);
            Interlocked.Add(ref client.Unsent, -(int)client.Batch.Length);
        }
    }

    // Take what is in the outbox at this moment, as much as makes a write.
    static void Take(Client client)
    {
        client.Batch.SetLength(0);
        while (client.Batch.Length < Most && client.Outbox.TryDequeue(out var batch))
            client.Batch.Write(batch, 0, batch.Length);
    }

    // Append these messages to the common order.
    static void Broadcast(byte[] data, int size)
    {
        var batch = new byte[size];
        Buffer.BlockCopy(data, 0, batch, 0, size);
        lock (Room)
            foreach (var client in Room)
                Offer(client, batch);
    }

    // Drop policy: a client gets all of the batch, or none of it if it is too far behind.
    static void Offer(Client client, byte[] batch)
    {
        if (client.Unsent > Limit || client.Outbox.Count >= Batches)
            return;
        Interlocked.Add(ref client.Unsent, batch.Length);
        client.Outbox.Enqueue(batch);
        if (client.Ready.CurrentCount == 0) // else the writing task will find this batch as well
            client.Ready.Release();
    }

    static async Task Accept(TcpListener listener)
    {
        while (true)
        {
            try
            {
                _ = Serve(await listener.AcceptSocketAsync());
                while (listener.Pending()) // all that wait: Mono polls every socket between two resumes
                    _ = Serve(listener.AcceptSocket());
            }
            catch (SocketException) // no descriptor is left
            {
                await Task.Delay(RetryMs);
            }
        }
    }

    // What follows is the same in every server: the listener and its address.

    static int Main(string[] arguments)
    {
        var (host, port) = ParseAddress(arguments);
        var shown = host.Contains(":") ? $"[{host}]" : host;
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
        Console.WriteLine($"listening on {shown}:{((IPEndPoint)listener.LocalEndpoint).Port}");
        Accept(listener).GetAwaiter().GetResult(); // until a signal ends the process
        return 0;
    }

    static (string, int) ParseAddress(string[] arguments)
    {
        var pattern = @"^(?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+)):(0|[1-9][0-9]{0,4})\z";
        var match = Regex.Match(arguments.Length == 1 ? arguments[0] : "", pattern);
        if (!match.Success || int.Parse(match.Groups[3].Value) > 65535)
        {
            Console.Error.WriteLine("usage: Broadcast HOST:PORT (IPv6: [HOST]:PORT)");
            Environment.Exit(2);
        }
        return (match.Groups[1].Value + match.Groups[2].Value, int.Parse(match.Groups[3].Value));
    }
}
