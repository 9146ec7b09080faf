/* Broadcast in D: a fiber per connection, and a scheduler on epoll that resumes fibers with input.
 *
 * Order: every fiber appends its whole messages to the one array `pending`, and everything collected
 * there in one turn of the scheduler goes to all clients as one batch: that is the common order.
 * A slow client: a second fiber, which exists only meanwhile, waits for it. While its outbox holds
 * more than limit bytes, the client misses new batches, always as whole messages. */
module broadcast;

import core.exception : OutOfMemoryError;
import core.stdc.errno : EAGAIN, EINTR, errno;
import core.sys.linux.epoll;
import core.sys.posix.fcntl : F_SETFL, O_NONBLOCK, fcntl;
import core.sys.posix.sys.socket : MSG_NOSIGNAL, SHUT_RDWR, posixAccept = accept, recv, send, shutdown;
import core.sys.posix.unistd : close;
import core.thread : Fiber;
import core.time : Duration, MonoTime, seconds;
import std.container.dlist : DList;
import std.conv : to;
import std.regex : matchFirst;
import std.socket;
import std.stdio : stderr, stdout, writefln;

enum backlog = 1024;
enum chunk = 64 * 1024; // bytes per read: thousands of messages, yet small enough to be fair
enum limit = 256 * 1024; // a client with more unsent bytes misses new batches
enum longest = 256; // bytes of the longest message, including its header
enum retryMs = 100; // how long to wait for a descriptor when there is none left
enum linger = 10.seconds; // for a client that has closed its sending side to read what is unsent

class Client
{
    int descriptor;
    Fiber reader, writer; // the writer exists only while something is unsent
    ubyte[] outbox;
    bool leaving;
    MonoTime deadline; // of a client that left with something unsent
}

bool[Client] room; // all clients
DList!Client lingering; // those with a deadline; the first is due first
ubyte[] pending; // whole messages in their final order, not yet offered
int epoll;
Fiber acceptor;
bool resting; // the listener is not watched until the next turn

void serve(int descriptor)
{
    auto client = new Client;
    client.descriptor = descriptor;
    client.reader = new Fiber(() => read(client)); // its stack has 16 KiB, and a page that guards them
    room[client] = true;
    if (!watch(EPOLL_CTL_ADD, descriptor, EPOLLIN, client))
        closeConnection(client);
}

/// The fiber of a connection: it is resumed whenever there is input.
void read(Client client)
{
    static ubyte[longest + chunk] data; // shared: no fiber yields between reading and cutting
    ubyte[longest] rest; // an unfinished message waits on the fiber's stack
    size_t unfinished;
    scope (exit)
        leave(client);
    for (;; Fiber.yield())
    {
        const got = recv(client.descriptor, data.ptr + unfinished, chunk, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (got <= 0)
            break; // a reset ends a connection just as an end of stream does
        data[0 .. unfinished] = rest[0 .. unfinished];
        auto arrived = data[0 .. unfinished + got];
        const whole = wholeMessages(arrived);
        if (whole > 0)
            broadcast(arrived[0 .. whole]);
        unfinished = arrived.length - whole;
        rest[0 .. unfinished] = arrived[whole .. $];
    }
}

void leave(Client client)
{
    flush(); // a leaving client still receives its own last messages
    client.leaving = true;
    if (client.writer is null)
        return closeConnection(client);
    watch(EPOLL_CTL_MOD, client.descriptor, EPOLLOUT, client);
    client.deadline = MonoTime.currTime + linger; // it may never read
    lingering.insertBack(client);
}

/// Disconnect clients at their deadlines. Return the milliseconds until the next one, or -1 if there is none.
int giveUp()
{
    for (; !lingering.empty; lingering.removeFront())
    {
        auto client = lingering.front;
        if (client !in room)
            continue; // it has read all
        const left = client.deadline - MonoTime.currTime;
        if (left > Duration.zero)
            return cast(int) left.total!"msecs" + 1; // rounded up
        shutdown(client.descriptor, SHUT_RDWR); // now its writer fails, and closes the connection
    }
    return -1;
}

/// The fiber of a slow client: it sends the outbox as fast as the client takes it, and ends.
void write(Client client)
{
    watch(EPOLL_CTL_MOD, client.descriptor, EPOLLIN | EPOLLOUT, client);
    while (client.outbox.length > 0)
    {
        Fiber.yield();
        const sent = sendSome(client, client.outbox);
        client.outbox = sent < 0 ? null : client.outbox[sent .. $];
    }
    client.outbox = null;
    client.writer = null;
    if (client.leaving)
        closeConnection(client);
    else
        watch(EPOLL_CTL_MOD, client.descriptor, EPOLLIN, client);
}

/// Return how many bytes the kernel takes now; -1 on an error, after which nothing more can be sent.
ptrdiff_t sendSome(Client client, const ubyte[] data)
{
    const sent = send(client.descriptor, data.ptr, data.length, MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (sent < 0)
        shutdown(client.descriptor, SHUT_RDWR); // what it has sent is still read, to the end that this makes
    return sent;
}

void closeConnection(Client client)
{
    room.remove(client);
    close(client.descriptor);
}

/// The length of the longest prefix of the data that consists of whole messages.
size_t wholeMessages(const ubyte[] data)
{
    size_t whole;
    while (whole < data.length && whole + 1 + data[whole] <= data.length)
        whole += 1 + data[whole];
    return whole;
}

/// Append these messages to the common order; they are sent at the end of the turn.
void broadcast(const ubyte[] batch)
{
    pending ~= batch;
    if (pending.length >= chunk)
        flush(); // a longer batch might make clients miss the next one
}

/// Offer what is pending as one batch: one offer per client, however many clients have sent.
void flush()
{
    if (pending.length == 0)
        return;
    scope (exit)
    { // also when an offer throws: who has got the batch must not get it again
        pending.length = 0;
        pending.assumeSafeAppend();
    }
    foreach (client; room.byKey)
        if (!client.leaving)
            offer(client, pending);
}

/// Drop policy: a client gets all of the batch, or none of it if it is too far behind.
void offer(Client client, const ubyte[] batch)
{
    if (client.writer !is null)
    {
        if (client.outbox.length <= limit)
            client.outbox ~= batch;
        return;
    }
    const sent = sendSome(client, batch);
    if (sent < 0 || sent == batch.length)
        return;
    try
    {
        client.outbox = batch[sent .. $].dup;
        client.writer = new Fiber(() => write(client));
    }
    catch (OutOfMemoryError)
    {
        client.outbox = null;
        shutdown(client.descriptor, SHUT_RDWR); // a message may be cut in two: the stream is broken
        return;
    }
    client.writer.call(); // until it yields
}

/// The fiber that accepts: it is resumed whenever a client has connected.
void acceptClients(int listener)
{
    for (;; Fiber.yield())
    {
        for (;;)
        {
            const descriptor = posixAccept(listener, null, null);
            if (descriptor < 0)
                break;
            fcntl(descriptor, F_SETFL, O_NONBLOCK);
            try
                serve(descriptor);
            catch (OutOfMemoryError) // there is none for its stack
                close(descriptor);
        }
        if (errno != EAGAIN && errno != EINTR)
        { // no descriptor is left: epoll would return at once, so stop watching
            watch(EPOLL_CTL_MOD, listener, 0, null);
            resting = true;
        }
    }
}

/// The scheduler: resume all fibers that can continue, and then send what they have read.
void turn(int listener)
{
    epoll_event[256] events;
    const ready = epoll_wait(epoll, events.ptr, events.length, resting ? retryMs : giveUp());
    if (resting)
        watch(EPOLL_CTL_MOD, listener, EPOLLIN, null);
    resting = false;
    foreach (event; events[0 .. ready < 0 ? 0 : ready])
    {
        auto client = cast(Client) event.data.ptr;
        if (client is null)
        {
            acceptor.call();
            continue;
        }
        if (event.events & ~EPOLLIN && client.writer !is null)
            resume(client.writer);
        if (event.events & ~EPOLLOUT && !client.leaving)
            resume(client.reader);
    }
    flush();
}

void resume(Fiber fiber)
{
    if (auto problem = fiber.call(Fiber.Rethrow.no)) // it ends this fiber alone
        stderr.writeln(problem.msg);
    if (fiber.state == Fiber.State.TERM)
        destroy(fiber); // frees its stack now: the collector does not know its size, and would be slow to
}

bool watch(int operation, int descriptor, uint events, Client client)
{
    epoll_event event = {events: events};
    event.data.ptr = cast(void*) client; // the room keeps it from being collected
    return epoll_ctl(epoll, operation, descriptor, &event) == 0;
}

// The address, and what happens at the start.

int main(string[] arguments)
{
    string host, shown;
    ushort port;
    if (!parseAddress(arguments[1 .. $], host, shown, port))
    {
        stderr.writeln("usage: broadcast HOST:PORT (IPv6: [HOST]:PORT)");
        return 2;
    }
    Socket listener;
    try
    {
        auto address = getAddress(host, port)[0];
        listener = new TcpSocket(address.addressFamily);
        listener.setOption(SocketOptionLevel.SOCKET, SocketOption.REUSEADDR, true);
        listener.setOption(SocketOptionLevel.TCP, SocketOption.TCP_NODELAY, true); // its connections inherit it
        listener.blocking = false;
        listener.bind(address);
        listener.listen(backlog);
    }
    catch (SocketException problem)
    {
        stderr.writefln("cannot listen on %s:%s: %s", shown, port, problem.msg);
        return 1;
    }
    writefln("listening on %s:%s", shown, listener.localAddress.toPortString);
    stdout.flush();
    epoll = epoll_create1(EPOLL_CLOEXEC);
    acceptor = new Fiber(() => acceptClients(listener.handle));
    watch(EPOLL_CTL_ADD, listener.handle, EPOLLIN, null);
    for (;;)
        turn(listener.handle);
}

bool parseAddress(string[] arguments, out string host, out string shown, out ushort port)
{
    if (arguments.length != 1)
        return false;
    auto found = matchFirst(arguments[0], `^((?:\[([^\]]*:[^\]]*)\]|([^:\[\]]+))):(0|[1-9][0-9]{0,4})$`);
    if (found.empty || found[4].to!int > ushort.max)
        return false;
    host = found[2].length ? found[2] : found[3];
    shown = found[1];
    port = found[4].to!ushort;
    return true;
}
