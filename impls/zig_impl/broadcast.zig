//! Broadcast in Zig: two threads per connection, which block in the calls of std.Io.
//!
//! Order: the thread that holds the room's mutex puts its whole messages into the outboxes of all clients
//! before any other thread continues: that is the common order.
//! A slow client: only its own writing thread waits for it. While more than `limit` bytes are unsent, the
//! client misses new batches, always as whole messages.

const std = @import("std");
const Allocator = std.mem.Allocator;
const Io = std.Io;
const linux = std.os.linux;
const net = std.Io.net;

const backlog = 1024;
const chunk = 16 * 1024; // bytes per read; a safe build fills `undefined` memory, so that all of a buffer costs memory
const limit = 256 * 1024; // a client with more unsent bytes misses new batches
const longest = 256; // bytes of a message, including its header
const stack = 256 * 1024; // bytes per thread; what it does not touch costs no memory
const retry: Io.Duration = .fromMilliseconds(100); // when there is no descriptor left
// For a client that has closed its sending side to read what is unsent:
const linger: Io.Timeout = .{ .duration = .{ .raw = .fromSeconds(10), .clock = .awake } };

/// By default every thread has another 256 KiB of stack for the handler that prints a stack trace.
pub const std_options: std.Options = .{ .signal_stack_size = null };

const Client = struct {
    stream: net.Stream,
    mutex: Io.Mutex = .init,
    wake: Io.Condition = .init,
    outbox: std.ArrayList(u8) = .empty,
    in_flight: usize = 0, // bytes that the writing thread has taken
    leaving: bool = false,
    written: Io.Event = .unset, // set when the writing thread ends
};

const Room = struct {
    mutex: Io.Mutex = .init,
    clients: std.ArrayList(*Client) = .empty,
};

// Not `io.concurrent`: it keeps the thread of a task that has ended, and clients that have left must leave nothing behind.
fn spawn(function: anytype, arguments: anytype) std.Thread.SpawnError!std.Thread {
    return std.Thread.spawn(.{ .stack_size = stack }, function, arguments);
}

fn serve(io: Io, gpa: Allocator, room: *Room, stream: net.Stream) void {
    defer stream.close(io);
    var client: Client = .{ .stream = stream };
    defer client.outbox.deinit(gpa);
    join(io, gpa, room, &client) catch return; // no memory is left
    const writer = spawn(write, .{ io, gpa, &client }) catch return leave(io, room, &client); // no thread is left
    defer writer.join();
    defer stream.shutdown(io, .both) catch {}; // the writer's call fails
    defer client.written.waitTimeout(io, linger) catch {}; // it may never read
    defer leave(io, room, &client);
    readMessages(io, gpa, room, stream) catch {}; // a reset ends a connection just as an end of stream does
}

/// Pass on whole messages as they arrive, until the end of the stream.
fn readMessages(io: Io, gpa: Allocator, room: *Room, stream: net.Stream) !void {
    var buffer: [longest + chunk]u8 = undefined;
    var reader = stream.reader(io, &buffer);
    while (true) {
        try reader.interface.rebase(chunk); // moves an unfinished message to the start
        try reader.interface.fillMore();
        const data = reader.interface.buffered();
        const whole = wholeMessages(data);
        if (whole > 0) broadcast(io, gpa, room, data[0..whole]);
        reader.interface.toss(whole);
    }
}

/// Send the outbox, all that it holds at a time, until the client has left and all is sent.
fn write(io: Io, gpa: Allocator, client: *Client) void {
    defer client.written.set(io);
    var batch: std.ArrayList(u8) = .empty;
    defer batch.deinit(gpa);
    var writer = client.stream.writer(io, &.{});
    while (take(io, client, &batch) catch return) {
        writer.interface.writeAll(batch.items) catch {
            client.stream.shutdown(io, .both) catch {}; // what it has sent is still read, to the end that this makes
            return;
        };
    }
}

/// Replace the batch that was sent by what the outbox holds; false when the client has left.
fn take(io: Io, client: *Client, batch: *std.ArrayList(u8)) Io.Cancelable!bool {
    try client.mutex.lock(io);
    defer client.mutex.unlock(io);
    client.in_flight = 0;
    batch.clearRetainingCapacity();
    while (client.outbox.items.len == 0) {
        if (client.leaving) return false;
        try client.wake.wait(io, &client.mutex);
        // Tuned: the readers that can run now fill the outbox first: one write for what all of them have read.
        client.mutex.unlock(io);
        std.Thread.yield() catch {}; // where there is none, its batches are smaller
        client.mutex.lockUncancelable(io);
    }
    std.mem.swap(std.ArrayList(u8), batch, &client.outbox);
    client.in_flight = batch.items.len;
    return true;
}

/// The length of the longest prefix of the data that consists of whole messages.
fn wholeMessages(data: []const u8) usize {
    var whole: usize = 0;
    while (whole < data.len and whole + 1 + data[whole] <= data.len) whole += 1 + @as(usize, data[whole]);
    return whole;
}

fn join(io: Io, gpa: Allocator, room: *Room, client: *Client) !void {
    try room.mutex.lock(io);
    defer room.mutex.unlock(io);
    try room.clients.append(gpa, client);
}

fn leave(io: Io, room: *Room, client: *Client) void {
    room.mutex.lockUncancelable(io);
    defer room.mutex.unlock(io);
    _ = room.clients.swapRemove(std.mem.findScalar(*Client, room.clients.items, client).?);
    client.mutex.lockUncancelable(io);
    defer client.mutex.unlock(io);
    client.leaving = true;
    client.wake.signal(io);
}

fn broadcast(io: Io, gpa: Allocator, room: *Room, batch: []const u8) void {
    room.mutex.lockUncancelable(io);
    defer room.mutex.unlock(io);
    for (room.clients.items) |client| offer(io, gpa, client, batch);
}

/// Drop policy: a client gets all of the batch, or none of it if it is too far behind.
fn offer(io: Io, gpa: Allocator, client: *Client, batch: []const u8) void {
    {
        client.mutex.lockUncancelable(io);
        defer client.mutex.unlock(io);
        if (client.outbox.items.len + client.in_flight > limit) return;
        client.outbox.appendSlice(gpa, batch) catch return; // without memory, it misses the batch
    }
    client.wake.signal(io); // not earlier: its writer would have to wait for the mutex
}

fn accept(io: Io, gpa: Allocator, server: *net.Server) !void {
    var room: Room = .{};
    while (true) {
        if (server.accept(io)) |stream| {
            const thread = spawn(serve, .{ io, gpa, &room, stream }) catch {
                stream.close(io); // no thread is left
                continue;
            };
            thread.detach();
        } else |_| try io.sleep(retry, .awake); // no descriptor is left
    }
}

// The address, and what happens at the start.

pub fn main(init: std.process.Init) !u8 {
    const arguments = try init.minimal.args.toSlice(init.arena.allocator());
    const given = (if (arguments.len == 2) parseAddress(arguments[1]) else null) orelse {
        std.debug.print("usage: broadcast HOST:PORT (IPv6: [HOST]:PORT)\n", .{});
        return 2;
    };
    var server = listenOn(init.io, given) catch |err| {
        std.debug.print("cannot listen on {s}:{d}: {t}\n", .{ given.shown, given.port, err });
        return 1;
    };
    var buffer: [256]u8 = undefined;
    var out = Io.File.stdout().writerStreaming(init.io, &buffer);
    try out.interface.print("listening on {s}:{d}\n", .{ given.shown, server.socket.address.getPort() });
    try out.interface.flush();
    try accept(init.io, init.gpa, &server);
    return 0;
}

/// As `IpAddress.listen`, which would set SO_REUSEPORT too: then a second server could share the address.
fn listenOn(io: Io, given: Given) !net.Server {
    const address = try resolve(io, given);
    var storage: Io.Threaded.PosixAddress = undefined;
    var size = Io.Threaded.addressToPosix(&address, &storage);
    const family = Io.Threaded.posixAddressFamily(&address);
    const fd: std.posix.fd_t = @intCast(try check(linux.socket(family, linux.SOCK.STREAM | linux.SOCK.CLOEXEC, 0)));
    const yes = std.mem.asBytes(&@as(c_int, 1));
    try std.posix.setsockopt(fd, linux.SOL.SOCKET, linux.SO.REUSEADDR, yes);
    try std.posix.setsockopt(fd, linux.IPPROTO.TCP, linux.TCP.NODELAY, yes); // its connections inherit it
    _ = try check(linux.bind(fd, &storage.any, size));
    _ = try check(linux.listen(fd, backlog));
    _ = try check(linux.getsockname(fd, &storage.any, &size));
    return .{ .socket = .{ .handle = fd, .address = Io.Threaded.addressFromPosix(&storage) }, .options = {} };
}

fn check(result: usize) !usize {
    return switch (linux.errno(result)) {
        .SUCCESS => result,
        .ADDRINUSE => error.AddressInUse,
        .ADDRNOTAVAIL => error.AddressUnavailable,
        .ACCES => error.AccessDenied,
        else => error.Unexpected,
    };
}

fn resolve(io: Io, given: Given) !net.IpAddress {
    if (net.IpAddress.resolve(io, given.host, given.port)) |address| return address else |_| {} // it is a name
    const name: net.HostName = try .init(given.host);
    var buffer: [16]net.HostName.LookupResult = undefined;
    var results: Io.Queue(net.HostName.LookupResult) = .init(&buffer);
    try name.lookup(io, &results, .{ .port = given.port });
    while (true) switch (try results.getOne(io)) {
        .address => |address| return address,
        .canonical_name => {},
    };
}

const Given = struct { host: []const u8, shown: []const u8, port: u16 };

fn parseAddress(argument: []const u8) ?Given {
    const shown, const digits = std.mem.cutScalarLast(u8, argument, ':') orelse return null;
    const bracketed = shown.len > 2 and shown[0] == '[' and shown[shown.len - 1] == ']';
    const host = if (bracketed) shown[1 .. shown.len - 1] else shown;
    const has_colon = std.mem.findScalar(u8, host, ':') != null;
    if (host.len == 0 or digits.len == 0 or digits.len > 5 or has_colon != bracketed) return null;
    for (digits) |digit| if (!std.ascii.isDigit(digit)) return null; // parseInt would take "+1" and "1_0"
    return .{ .host = host, .shown = shown, .port = std.fmt.parseInt(u16, digits, 10) catch return null };
}
