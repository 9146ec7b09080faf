// Broadcast in C++ on CAF, the C++ Actor Framework: an actor for each connection, and one for the
// room. All of them are brokers, the actors of CAF that own sockets; brokers share one thread. Another
// one accepts the connections.
//
// Order: the connections send their whole messages to the room, which forwards what is in its mailbox
// to all connections: the order of that mailbox is the common order.
// A slow client: CAF keeps what the kernel has not taken in the write buffer of the connection.
// While that holds more than `limit` bytes, the connection's actor drops new batches.

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <regex>
#include <set>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <utility>
#include <vector>

#include <caf/all.hpp>
#include <caf/io/all.hpp>

namespace io = caf::io;

constexpr int backlog = 1024;
constexpr std::size_t chunk = 4 * 1024;    // bytes per read; every connection has a buffer of that size
constexpr std::size_t most = 64 * 1024;    // bytes pending; more might make clients miss the next batch
constexpr std::size_t limit = 256 * 1024;  // a client with more unsent bytes misses new batches
constexpr std::chrono::milliseconds retry{100};  // when no descriptor is left
constexpr std::chrono::seconds linger{10};  // for a half-closed client to read what is unsent

using bytes = std::vector<char>;
using arrived = caf::atom_constant<caf::atom("arrived")>;  // from a connection to the room
using deliver = caf::atom_constant<caf::atom("deliver")>;  // from the room to every connection
using expired = caf::atom_constant<caf::atom("expired")>;  // from a connection to the room, delayed
using flush = caf::atom_constant<caf::atom("flush")>;      // from the room to itself
using joined = caf::atom_constant<caf::atom("joined")>;    // from the accepting thread to the room

struct client_state {
    bytes rest{};              // the beginning of an unfinished message
    std::uint64_t unsent = 0;  // bytes in the write buffer
};
using client = io::stateful_broker<client_state>;

struct room_state {
    std::set<caf::actor> clients{};
    bytes pending{};  // whole messages in their final order, not yet forwarded
};
using room = io::stateful_broker<room_state>;

std::size_t whole_messages(const bytes& data);
std::uint64_t cookie(int descriptor);
void offer(client* self, io::connection_handle connection, const bytes& messages);
void broadcast(room* self);

// The actor of a connection.
caf::behavior serve(client* self, io::connection_handle connection, int descriptor,
                    const caf::actor& members) {
    self->configure_read(connection, io::receive_policy::at_most(chunk));
    self->ack_writes(connection, true);
    return {
        [=](const io::new_data_msg& message) {
            auto& rest = self->state.rest;
            rest.insert(rest.end(), message.buf.begin(), message.buf.end());
            const auto end = rest.begin() + whole_messages(rest);
            if (end == rest.begin()) return;
            self->send(members, arrived::value, bytes(rest.begin(), end));
            rest.erase(rest.begin(), end);
        },
        [=](deliver, const bytes& messages) { offer(self, connection, messages); },
        [=](const io::data_transferred_msg& message) { self->state.unsent = message.remaining; },
        [=](const io::connection_closed_msg&) {  // CAF still sends what is unsent, then closes
            if (self->state.unsent > 0)  // it may never read
                self->delayed_send(members, linger, expired::value, descriptor, cookie(descriptor));
            self->quit();
        },
    };
}

// The length of the longest prefix of `data` that consists of whole messages.
std::size_t whole_messages(const bytes& data) {
    std::size_t end = 0;
    while (end < data.size()) {
        const auto following = end + 1 + static_cast<std::uint8_t>(data[end]);
        if (following > data.size()) break;
        end = following;
    }
    return end;
}

// What tells a socket from a later one with the same descriptor.
std::uint64_t cookie(int descriptor) {
    std::uint64_t value = 0;
    socklen_t size = sizeof value;
    getsockopt(descriptor, SOL_SOCKET, SO_COOKIE, &value, &size);
    return value;
}

// Drop policy: a client gets all of the batch, or none of it if it is too far behind.
void offer(client* self, io::connection_handle connection, const bytes& messages) {
    if (self->state.unsent > limit) return;
    self->state.unsent += messages.size();
    self->write(connection, messages.size(), messages.data());
    self->flush(connection);  // when the kernel has room, together with what is added until then
}

// The actor of the room: it gives each client an actor, and hears of its end.
caf::behavior gather(room* self) {
    self->set_down_handler([=](const caf::down_msg& message) {
        self->state.clients.erase(caf::actor_cast<caf::actor>(message.source));
    });
    return {
        [=](joined, int descriptor) {
            const auto connection = self->add_scribe(descriptor);
            const auto added = self->fork(serve, connection, descriptor, caf::actor_cast<caf::actor>(self));
            self->monitor(added);
            self->state.clients.insert(added);
        },
        [=](arrived, const bytes& messages) {
            auto& pending = self->state.pending;
            // Tuned: `flush` is queued behind what has arrived by now, and one message to each
            // connection carries all of it.
            if (pending.empty()) self->send(self, flush::value);
            pending.insert(pending.end(), messages.begin(), messages.end());
            if (pending.size() > most) broadcast(self);
        },
        [=](flush) { broadcast(self); },
        [=](expired, int descriptor, std::uint64_t expected) {
            // If it is still there, CAF's next write fails, and CAF closes the connection.
            if (cookie(descriptor) == expected) shutdown(descriptor, SHUT_RDWR);
        },
    };
}

// A thread of its own: when no descriptor is left, CAF's acceptor tries again at once, in a busy loop.
void accept_clients(int listener, const caf::actor& members) {
    for (;;) {
        const int descriptor = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (descriptor >= 0)
            caf::anon_send(members, joined::value, descriptor);
        else
            std::this_thread::sleep_for(retry);
    }
}

void broadcast(room* self) {
    if (self->state.pending.empty()) return;
    // All receivers share its content.
    const auto delivery = caf::make_message(deliver::value, std::exchange(self->state.pending, {}));
    for (const auto& member : self->state.clients) self->send(member, delivery);
}

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

int listen_on(const std::string& host, const std::string& port) {
    addrinfo hints{}, *found;
    hints.ai_socktype = SOCK_STREAM;
    const auto bare = host[0] == '[' ? host.substr(1, host.size() - 2) : host;
    const int problem = getaddrinfo(bare.c_str(), port.c_str(), &hints, &found);
    if (problem != 0) {
        std::cerr << "cannot listen on " << host << ':' << port << ": " << gai_strerror(problem) << '\n';
        std::exit(1);
    }
    const int yes = 1;
    const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in6 bound{};  // the port is at the same offset in both families
    socklen_t size = sizeof bound;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) < 0 ||  // clients inherit it
        bind(fd, found->ai_addr, found->ai_addrlen) < 0 || listen(fd, backlog) < 0 ||
        getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) < 0) {
        std::cerr << "cannot listen on " << host << ':' << port << ": " << std::strerror(errno) << '\n';
        std::exit(1);
    }
    freeaddrinfo(found);
    std::cout << "listening on " << host << ':' << ntohs(bound.sin6_port) << std::endl;
    return fd;
}

int main(int count, char** arguments) {
    const auto [host, port] = parse_address(count, arguments);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // CAF's threads inherit it
    caf::actor_system_config configuration;
    configuration.load<io::middleman>();
    configuration.set("scheduler.policy", caf::atom("sharing"));  // the other one polls when idle
    configuration.set("scheduler.max-threads", 1);                // none of these actors uses it
    caf::actor_system system{configuration};
    const int listener = listen_on(host, port);
    std::thread{accept_clients, listener, system.middleman().spawn_broker(gather)}.detach();
    int number;
    sigwait(&signals, &number);
    std::quick_exit(0);  // an orderly end would wait until every client has read what is unsent
}
