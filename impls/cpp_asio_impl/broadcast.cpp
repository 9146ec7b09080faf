// Broadcast in C++ on Asio: two coroutines per connection, all on one thread.
//
// Order: every coroutine appends its whole messages to the one buffer `pending`, and everything
// collected there in one turn of the loop goes to all clients as one batch: the common order.
// A slow client: only its own writing coroutine waits for it. While more than `limit` bytes are
// unsent, the client misses new batches, always as whole messages.

#include <algorithm>
#include <asio.hpp>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>
#include <new>
#include <regex>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

using asio::awaitable;
using asio::ip::tcp;

constexpr int backlog = 1024;
constexpr std::size_t few_bytes = 4 * 1024;  // first read: most clients receive more than they send
constexpr std::size_t chunk = 64 * 1024;     // largest read in bytes, small enough to be fair
constexpr std::size_t limit = 256 * 1024;    // a client with more unsent bytes misses new batches
constexpr std::size_t cell = 64;             // bytes that a batch takes in an outbox beyond its own
constexpr std::chrono::milliseconds retry{100};  // when no descriptor is left
constexpr std::chrono::seconds linger{10};  // for a client that has left to read what is unsent

using bytes = std::vector<std::uint8_t>;
using batch = std::shared_ptr<const bytes>;  // whole messages; all outboxes share them

struct client {
    tcp::socket connection;
    asio::steady_timer wake;  // never expires; cancelling it wakes the writing coroutine
    asio::steady_timer deadline{connection.get_executor()};  // runs once the client has left
    std::vector<batch> outbox{};
    std::size_t unsent = 0;  // bytes in the outbox or being written, and a cell for each batch
    bool leaving = false;
};

asio::io_context loop{1};  // before the room, because its sockets need the loop until they are closed
std::set<std::shared_ptr<client>> room;
bytes pending;  // whole messages in their final order, not yet offered

std::size_t whole_messages(std::span<const std::uint8_t> data);
awaitable<void> read(tcp::socket& connection);
void leave(const std::shared_ptr<client>& self);
awaitable<void> broadcast(std::span<const std::uint8_t> messages);
void flush();
void offer(client& receiver, const batch& messages);

// Errors as values: a client that leaves is nothing exceptional.
auto await_or(std::error_code& error) { return asio::redirect_error(asio::use_awaitable, error); }

// The connection closes when neither of its coroutines holds the client any more.
awaitable<void> serve(std::shared_ptr<client> self) {
    try {
        room.insert(self);
        co_await read(self->connection);
    } catch (const std::bad_alloc&) {  // the others stay
    }
    leave(self);
}

// Pass on whole messages as they arrive, until the end of the stream.
awaitable<void> read(tcp::socket& connection) {
    bytes data(few_bytes);
    std::size_t size = 0;
    std::error_code error;
    for (;;) {
        const auto space = asio::buffer(data) + size;
        size += co_await connection.async_read_some(space, await_or(error));
        if (error) co_return;  // a reset ends a connection just as an end of stream does
        if (size == data.size() && size < chunk) data.resize(2 * size);  // there was more to read
        const auto end = whole_messages({data.data(), size});
        if (end > 0) {
            co_await broadcast({data.data(), end});
            std::copy(data.begin() + end, data.begin() + size, data.begin());
            size -= end;
        }
    }
}

void leave(const std::shared_ptr<client>& self) {
    room.erase(self);
    self->leaving = true;
    self->wake.cancel();
    self->deadline.expires_after(linger);  // it may never read what is unsent
    self->deadline.async_wait([observed = std::weak_ptr{self}](std::error_code error) {
        if (const auto late = observed.lock()) late->connection.close(error);
    });
}

// Send the outbox: one write for everything that was added during the previous write.
awaitable<void> write(std::shared_ptr<client> self) {
    std::error_code error;
    while (!self->outbox.empty() || !self->leaving) {
        if (self->outbox.empty()) {
            co_await self->wake.async_wait(await_or(error));
            continue;
        }
        const auto batches = std::exchange(self->outbox, {});  // an idle client holds no memory
        const auto taken = self->unsent;
        std::vector<asio::const_buffer> buffers;
        for (const auto& messages : batches) buffers.push_back(asio::buffer(*messages));
        co_await asio::async_write(self->connection, buffers, await_or(error));
        if (error) {  // the reader takes the last messages, and sees the end that this makes
            self->connection.shutdown(tcp::socket::shutdown_both, error);
            co_return;
        }
        self->unsent -= taken;
    }
}

// The length of the longest prefix of `data` that consists of whole messages.
std::size_t whole_messages(std::span<const std::uint8_t> data) {
    std::size_t end = 0;
    while (end < data.size() && end + 1 + data[end] <= data.size()) end += 1 + data[end];
    return end;
}

// Append these messages to the common order.
awaitable<void> broadcast(std::span<const std::uint8_t> messages) {
    pending.insert(pending.end(), messages.begin(), messages.end());
    // Tuned: the readers that are ready now append first, and one write carries what all of them have
    // received. But a longer batch might make clients miss the next.
    if (pending.size() < chunk) co_await asio::post(asio::use_awaitable);
    flush();
}

// Offer what is pending as one batch: one offer per client, however many clients have sent.
void flush() {
    if (pending.empty()) return;
    const batch messages = std::make_shared<const bytes>(std::exchange(pending, {}));
    for (const auto& receiver : room) offer(*receiver, messages);
}

// Drop policy: a client gets all of the batch, or none of it if it is too far behind.
void offer(client& receiver, const batch& messages) {
    if (receiver.unsent > limit) return;
    if (receiver.outbox.empty()) receiver.wake.cancel();
    receiver.outbox.push_back(messages);
    receiver.unsent += cell + messages->size();
}

// Run a coroutine that nobody waits for. What it throws, for lack of memory, leaves `loop.run` and ends
// the server: with `asio::detached` nobody would notice that it does not accept any more.
void start(awaitable<void> coroutine) {
    asio::co_spawn(loop, std::move(coroutine), [](std::exception_ptr problem) {
        if (problem) std::rethrow_exception(problem);
    });
}

awaitable<void> accept(tcp::acceptor acceptor) {
    for (;;) {
        std::error_code error;
        auto connection = co_await acceptor.async_accept(await_or(error));
        if (error) {  // no descriptor is left
            co_await asio::steady_timer{loop, retry}.async_wait(asio::use_awaitable);
            continue;
        }
        asio::steady_timer wake{loop, asio::steady_timer::time_point::max()};
        auto self = std::make_shared<client>(std::move(connection), std::move(wake));
        start(serve(self));
        start(write(self));
    }
}

// What every server in C++ has: the address, signals, main.

std::pair<std::string, std::string> parse_address(std::span<char*> arguments) {
    const std::regex pattern{R"((\[[^\]]*:[^\]]*\]|[^:\[\]]+):([0-9]{1,5}))"};
    std::cmatch match;
    if (arguments.size() != 1 || !std::regex_match(arguments[0], match, pattern) ||
        std::stoi(match[2]) > 65535) {
        std::cerr << "usage: broadcast HOST:PORT (IPv6: [HOST]:PORT)\n";
        std::exit(2);
    }
    return {match[1], match[2]};
}

int main(int count, char** arguments) {
    const auto [host, port] = parse_address({arguments + 1, arguments + count});
    asio::signal_set signals{loop, SIGINT, SIGTERM};
    signals.async_wait([](auto, auto) { loop.stop(); });
    try {
        const auto bare = host[0] == '[' ? host.substr(1, host.size() - 2) : host;
        const tcp::endpoint endpoint = *tcp::resolver{loop}.resolve(bare, port).begin();
        tcp::acceptor acceptor{loop, endpoint.protocol()};
        acceptor.set_option(tcp::acceptor::reuse_address{true});
        acceptor.set_option(tcp::no_delay{true});  // its connections inherit it
        acceptor.bind(endpoint);
        acceptor.listen(backlog);
        std::cout << "listening on " << host << ':' << acceptor.local_endpoint().port()
                  << std::endl;
        start(accept(std::move(acceptor)));
    } catch (const std::system_error& error) {
        std::cerr << "cannot listen on " << host << ':' << port << ": " << error.what() << '\n';
        return 1;
    }
    loop.run();
}
