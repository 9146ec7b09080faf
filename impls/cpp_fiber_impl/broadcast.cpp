// Broadcast in C++ on Boost.Fiber and Boost.Asio: two fibers per connection, all on one thread.
//
// Order: every fiber appends its whole messages to the one buffer `pending`, and everything
// collected there by the fibers that are ready goes to all clients as one batch: the common order.
// A slow client: only its own writing fiber waits for it. While more than `limit` bytes are unsent,
// the client misses new batches, always as whole messages.

#include <algorithm>
#include <boost/asio.hpp>
#include <boost/fiber/all.hpp>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <mutex>
#include <new>
#include <regex>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace asio = boost::asio;
namespace fibers = boost::fibers;
using asio::ip::tcp;
using boost::system::error_code;

constexpr int backlog = 1024;
constexpr std::size_t few_bytes = 4 * 1024;  // first read: most clients receive more than they send
constexpr std::size_t chunk = 64 * 1024;     // largest read in bytes, small enough to be fair
constexpr std::size_t limit = 256 * 1024;    // a client with more unsent bytes misses new batches
constexpr std::size_t cell = 64;             // bytes that a batch takes in an outbox beyond its own
constexpr std::size_t stack = 64 * 1024;     // bytes per fiber; buffers are not there, but on the heap
constexpr std::chrono::milliseconds retry{100};  // when no descriptor is left
constexpr std::chrono::seconds linger{10};  // for a client that has left to read what is unsent

using bytes = std::vector<std::uint8_t>;
using batch = std::shared_ptr<const bytes>;  // whole messages; all outboxes share them

struct client {
    tcp::socket connection;
    fibers::mutex mutex{};  // nobody waits for it: only the condition variable needs it
    fibers::condition_variable wake{};
    std::vector<batch> outbox{};
    std::size_t unsent = 0;  // bytes in the outbox or being written, and a cell for each batch
    bool leaving = false;
    fibers::promise<void> written{};  // the writing fiber has ended

    explicit client(tcp::socket accepted) : connection{std::move(accepted)} {}
};

asio::io_context loop{1};
std::set<std::shared_ptr<client>> room;
bytes pending;  // whole messages in their final order, not yet offered

std::size_t whole_messages(const bytes& data, std::size_t size);
void leave(const std::shared_ptr<client>& self);
void broadcast(const std::uint8_t* messages, std::size_t size);
void flush();
void offer(client& receiver, const batch& messages);

// Start an operation of Asio, and let other fibers run until it has completed. Return the number of
// bytes that it has transferred.
template <typename Start>
std::size_t await(error_code& error, Start start) {
    fibers::promise<std::size_t> done;
    start([&](error_code problem, std::size_t size = 0) {
        error = problem;
        done.set_value(size);
    });
    return done.get_future().get();
}

void serve(std::shared_ptr<client> self) {
    room.insert(self);
    bytes data(few_bytes);
    std::size_t size = 0;
    error_code error;
    for (;;) {
        const auto space = asio::buffer(data) + size;
        size += await(error, [&](auto done) { self->connection.async_read_some(space, done); });
        if (error) break;  // a reset ends a connection just as an end of stream does
        if (size == data.size() && size < chunk) data.resize(2 * size);  // there was more to read
        const auto end = whole_messages(data, size);
        if (end > 0) {
            broadcast(data.data(), end);
            std::copy(data.begin() + end, data.begin() + size, data.begin());
            size -= end;
        }
    }
    leave(self);
    self->written.get_future().wait_for(linger);  // the client may never read what is unsent
    self->connection.close(error);
}

void leave(const std::shared_ptr<client>& self) {
    room.erase(self);
    self->leaving = true;
    self->wake.notify_one();
}

// Send the outbox: one write for everything that was added during the previous write.
void write(std::shared_ptr<client> self) {
    std::unique_lock lock{self->mutex};
    error_code error;
    while (!self->outbox.empty() || !self->leaving) {
        if (self->outbox.empty()) {
            self->wake.wait(lock);
            continue;
        }
        const auto batches = std::exchange(self->outbox, {});  // an idle client holds no memory
        const auto taken = self->unsent;
        std::vector<asio::const_buffer> buffers;
        for (const auto& messages : batches) buffers.push_back(asio::buffer(*messages));
        await(error, [&](auto done) { asio::async_write(self->connection, buffers, done); });
        if (error) {  // the reader takes the last messages, and sees the end that this makes
            self->connection.shutdown(tcp::socket::shutdown_both, error);
            break;
        }
        self->unsent -= taken;
    }
    self->written.set_value();
}

// The length of the longest prefix of `data` that consists of whole messages.
std::size_t whole_messages(const bytes& data, std::size_t size) {
    std::size_t end = 0;
    while (end < size && end + 1 + data[end] <= size) end += 1 + data[end];
    return end;
}

// Append these messages to the common order.
void broadcast(const std::uint8_t* messages, std::size_t size) {
    pending.insert(pending.end(), messages, messages + size);
    // Tuned: the readers that are ready now append first, and one write carries what all of them have
    // received. But a longer batch might make clients miss the next.
    if (pending.size() < chunk) boost::this_fiber::yield();
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
    if (receiver.outbox.empty()) receiver.wake.notify_one();
    receiver.outbox.push_back(messages);
    receiver.unsent += cell + messages->size();
}

void start(void (*work)(std::shared_ptr<client>), const std::shared_ptr<client>& self) {
    fibers::fiber{std::allocator_arg, fibers::fixedsize_stack{stack}, work, self}.detach();
}

void accept(tcp::acceptor acceptor) {
    for (;;) {
        error_code error;
        tcp::socket connection{loop};
        await(error, [&](auto done) { acceptor.async_accept(connection, done); });
        if (error) {  // no descriptor is left
            boost::this_fiber::sleep_for(retry);
            continue;
        }
        const auto self = std::make_shared<client>(std::move(connection));
        try {
            start(serve, self);
            start(write, self);
        } catch (const std::bad_alloc&) {  // no memory is left for a stack
            self->connection.close(error);
        }
    }
}

// Boost.Fiber's own scheduler, except that a thread without ready fibers waits for Asio's events.
struct scheduler : fibers::algo::round_robin {
    void suspend_until(const std::chrono::steady_clock::time_point& end) noexcept override {
        if (loop.run_one_until(end) > 0) loop.poll();  // all that has happened, in one turn
    }
};

// What every server in C++ has: the address, signals, main.

std::pair<std::string, std::string> parse_address(int count, char** arguments) {
    const std::regex pattern{R"((\[[^\]]*:[^\]]*\]|[^:\[\]]+):([0-9]{1,5}))"};
    std::cmatch match;
    if (count != 2 || !std::regex_match(arguments[1], match, pattern) ||
        std::stoi(match[2]) > 65535) {
        std::cerr << "usage: broadcast HOST:PORT (IPv6: [HOST]:PORT)\n";
        std::exit(2);
    }
    return {match[1], match[2]};
}

int main(int count, char** arguments) {
    const auto [host, port] = parse_address(count, arguments);
    asio::signal_set signals{loop, SIGINT, SIGTERM};
    // An ordinary return from main would wait for all fibers; nothing needs saving.
    signals.async_wait([](auto, auto) { std::quick_exit(0); });
    fibers::use_scheduling_algorithm<scheduler>();
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
        accept(std::move(acceptor));  // in the main fiber
    } catch (const boost::system::system_error& error) {
        std::cerr << "cannot listen on " << host << ':' << port << ": " << error.what() << '\n';
        return 1;
    }
}
