<?php

/*
 * Broadcast on fibers: one per connection, and a loop of our own on the kernel's epoll that resumes them.
 *
 * PHP's own stream_select ends at 1024 descriptors, and going beyond takes extensions that must be compiled; so the
 * sockets and epoll are the C library's, called through FFI.
 *
 * Order: every fiber that is resumed appends its whole messages to the one string `pending`, and everything collected
 * there in one turn of the loop goes to all clients as one batch: that is the common order.
 * A slow client: what the kernel does not take is kept for it. While that is more than LIMIT bytes, the client misses
 * new batches, always as whole messages.
 */

declare(strict_types=1);

const BACKLOG = 1024;
const CHUNK = 64 * 1024; // bytes per read, and bytes pending before a flush
const EVENTS = 256; // descriptors per turn of the loop
const LIMIT = 256 * 1024; // a client with more unsent bytes misses new batches
const RETRY_MS = 100; // how long to wait for a descriptor when there is none left
const LINGER_MS = 10_000; // for a client that has closed its sending side to read what is unsent

// Linux with glibc; only on x86-64 an event has no padding.
const LIBC = <<<'C'
    struct PACKED event { uint32_t events; uint64_t fd; };
    struct addrinfo {
        int flags, family, type, protocol; unsigned size; void *address; char *name; struct addrinfo *next;
    };
    int epoll_create1(int flags);
    int epoll_ctl(int epoll, int operation, int fd, struct event *event);
    int epoll_wait(int epoll, struct event *events, int most, int timeout);
    int getaddrinfo(const char *host, const char *port, struct addrinfo *hints, struct addrinfo **found);
    const char *gai_strerror(int error);
    int socket(int domain, int type, int protocol);
    int setsockopt(int fd, int level, int option, int *value, unsigned size);
    int bind(int fd, const void *address, unsigned size);
    int getsockname(int fd, char *address, unsigned *size);
    int listen(int fd, int backlog);
    int accept4(int fd, char *address, unsigned *size, int flags);
    ssize_t recv(int fd, char *buffer, size_t size, int flags);
    ssize_t send(int fd, const char *data, size_t size, int flags);
    int close(int fd);
    int *__errno_location(void);
    C;
const EPOLLIN = 1;
const EPOLLOUT = 4;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_MOD = 3;
const NONBLOCK = 2048;

final class Client
{
    public Fiber $fiber; // suspended until there is something to read, or all is sent
    public string $unsent = ''; // what the kernel did not take
    public bool $leaving = false;

    public function __construct(public readonly int $fd)
    {
    }
}

final class Broadcast
{
    private readonly FFI $libc;
    private readonly int $epoll;
    private int $listener;
    private bool $resting = false; // no descriptor was left
    private FFI\CData $buffer;
    private string $pending = ''; // whole messages in their final order, not yet offered
    /** @var array<int, Client> the clients with an open socket, by descriptor */
    private array $room = [];
    /** @var array<int, int> the deadlines of those that are leaving, by descriptor; the first is due first */
    private array $deadlines = [];

    public function __construct()
    {
        $packed = php_uname('m') === 'x86_64' ? '__attribute__((packed))' : '';
        $this->libc = FFI::cdef(str_replace('PACKED', $packed, LIBC));
        $this->epoll = $this->libc->epoll_create1(0);
        $this->buffer = $this->libc->new('char[' . CHUNK . ']');
    }

    private function serve(Client $client): void
    {
        $rest = '';
        while (($chunk = $this->receive($client)) !== '') {
            $data = $rest . $chunk;
            $end = $this->wholeMessages($data);
            $rest = substr($data, $end);
            if ($end > 0) {
                $this->broadcast(substr($data, 0, $end));
            }
        }
        $this->flush(); // a leaving client still receives its own last messages
        $client->leaving = true;
        $this->deadlines[$client->fd] = $this->now() + LINGER_MS; // it may never read
        while ($client->unsent !== '') {
            $this->watch($client->fd, EPOLLOUT);
            Fiber::suspend();
        }
        $this->close($client);
    }

    /** Drop what is unsent at the deadlines. Return the milliseconds until the next one, or -1 if there is none. */
    private function giveUp(): int
    {
        foreach ($this->deadlines as $fd => $deadline) {
            $left = $deadline - $this->now();
            if ($left > 0) {
                return $left;
            }
            $this->room[$fd]->unsent = '';
            $this->resume($this->room[$fd], 0); // its fiber closes the connection
        }
        return -1;
    }

    private function now(): int
    {
        return intdiv(hrtime(true), 1_000_000); // milliseconds of a monotonic clock
    }

    private function close(Client $client): void
    {
        unset($this->room[$client->fd], $this->deadlines[$client->fd]);
        $this->libc->close($client->fd);
    }

    /** Return the next chunk; an empty one when the stream has ended or was reset. */
    private function receive(Client $client): string
    {
        do {
            Fiber::suspend();
            $got = $this->libc->recv($client->fd, $this->buffer, CHUNK, 0);
        } while ($got < 0 && !$this->failed());
        return FFI::string($this->buffer, max($got, 0));
    }

    /** Send what the kernel takes of what is unsent; the rest is sent when it has room again. */
    private function write(Client $client): void
    {
        $client->unsent = $this->send($client, $client->unsent);
        if ($client->unsent === '') {
            $this->watch($client->fd, EPOLLIN);
        }
    }

    /** Return what the kernel did not take. */
    private function send(Client $client, string $data): string
    {
        $sent = $this->libc->send($client->fd, $data, strlen($data), MSG_NOSIGNAL);
        return $sent < 0 && $this->failed() ? '' : substr($data, max($sent, 0)); // the fiber sees a reset, too
    }

    /** Whether the last call failed, and not only because it would have had to wait. */
    private function failed(): bool
    {
        return $this->libc->__errno_location()[0] !== SOCKET_EAGAIN;
    }

    /** The length of the longest prefix of the data that consists of whole messages. */
    private function wholeMessages(string $data): int
    {
        $size = strlen($data);
        $end = 0;
        while ($end < $size && ($following = $end + 1 + ord($data[$end])) <= $size) {
            $end = $following;
        }
        return $end;
    }

    /** Append these messages to the common order. */
    private function broadcast(string $batch): void
    {
        $this->pending .= $batch;
        if (strlen($this->pending) >= CHUNK) {
            $this->flush();
        }
    }

    /** Offer what is pending as one batch: one write per client, however many clients have sent. */
    private function flush(): void
    {
        if ($this->pending !== '') {
            $batch = $this->pending;
            $this->pending = '';
            foreach ($this->room as $client) {
                $this->offer($client, $batch);
            }
        }
    }

    /** Drop policy: a client gets all of the batch, or none of it if it is too far behind. */
    private function offer(Client $client, string $batch): void
    {
        if ($client->leaving) {
            return;
        }
        if ($client->unsent !== '') {
            if (strlen($client->unsent) <= LIMIT) {
                $client->unsent .= $batch;
            }
        } elseif (($client->unsent = $this->send($client, $batch)) !== '') {
            $this->watch($client->fd, EPOLLIN | EPOLLOUT);
        }
    }

    private function accept(): void
    {
        while (($fd = $this->libc->accept4($this->listener, null, null, NONBLOCK)) >= 0) {
            $client = $this->room[$fd] = new Client($fd);
            try {
                $this->watch($fd, EPOLLIN, EPOLL_CTL_ADD);
                $client->fiber = new Fiber($this->serve(...));
                $client->fiber->start($client);
            } catch (Throwable) { // there is no memory for another stack, or to watch another socket
                $this->close($client);
            }
        }
        if ($this->failed()) { // no descriptor is left
            $this->ignoreListener(true);
        }
    }

    /** Stop watching the listener for a while, or watch it again: it would stay ready, and the loop would spin. */
    private function ignoreListener(bool $ignore): void
    {
        $this->resting = $ignore;
        $this->watch($this->listener, $ignore ? 0 : EPOLLIN);
    }

    /** The loop: wait until sockets are ready, resume their fibers, and then send what they have read. */
    private function run(): never
    {
        $this->watch($this->listener, EPOLLIN, EPOLL_CTL_ADD);
        $events = $this->libc->new('struct event[' . EVENTS . ']');
        while (true) {
            $wait = $this->resting ? RETRY_MS : $this->giveUp();
            $ready = $this->libc->epoll_wait($this->epoll, $events, EVENTS, $wait);
            if ($this->resting) {
                $this->ignoreListener(false);
            }
            for ($i = 0; $i < $ready; $i++) {
                $fd = $events[$i]->fd;
                if ($fd === $this->listener) {
                    $this->accept();
                } else {
                    $this->resume($this->room[$fd], $events[$i]->events);
                }
            }
            $this->flush();
        }
    }

    private function resume(Client $client, int $events): void
    {
        if ($events & EPOLLOUT) {
            $this->write($client);
        }
        if ($events & ~EPOLLOUT || $client->leaving) {
            try {
                $client->fiber->resume();
            } catch (Throwable $fault) { // in one fiber; it must not end the others
                fwrite(STDERR, "$fault\n");
                $this->close($client);
            }
        }
    }

    private function watch(int $fd, int $events, int $operation = EPOLL_CTL_MOD): void
    {
        $event = $this->libc->new('struct event');
        $event->events = $events;
        $event->fd = $fd;
        if ($this->libc->epoll_ctl($this->epoll, $operation, $fd, FFI::addr($event))) {
            throw new RuntimeException("cannot watch descriptor $fd");
        }
    }

    private function set(int $fd, int $level, int $option, int $value): void
    {
        $cell = $this->libc->new('int');
        $cell->cdata = $value;
        $this->libc->setsockopt($fd, $level, $option, FFI::addr($cell), 4);
    }

    // The rest is the same in every server: the address, and how to end (SIGTERM needs no handler: nothing needs saving).

    public function main(string $host, int $port): never
    {
        $this->listener = $this->listen($host, $port);
        $size = $this->libc->new('unsigned');
        $size->cdata = 128;
        $this->libc->getsockname($this->listener, $this->buffer, FFI::addr($size));
        // The port is at the same place in addresses of both families.
        echo "listening on $host:", unpack('n', FFI::string($this->buffer, 4), 2)[1], "\n";
        $this->run();
    }

    private function listen(string $host, int $port): int
    {
        $hints = $this->libc->new('struct addrinfo');
        $hints->type = SOCK_STREAM;
        $found = $this->libc->new('struct addrinfo *');
        $error = $this->libc->getaddrinfo(trim($host, '[]'), (string) $port, FFI::addr($hints), FFI::addr($found));
        if ($error !== 0) {
            $this->fail($host, $port, $this->libc->gai_strerror($error));
        }
        $fd = $this->libc->socket($found->family, SOCK_STREAM | NONBLOCK, 0);
        if ($fd >= 0) {
            $this->set($fd, SOL_SOCKET, SO_REUSEADDR, 1);
            $this->set($fd, SOL_TCP, TCP_NODELAY, 1); // connections inherit it
        }
        if ($fd < 0 || $this->libc->bind($fd, $found->address, $found->size) || $this->libc->listen($fd, BACKLOG)) {
            $this->fail($host, $port, socket_strerror($this->libc->__errno_location()[0]));
        }
        return $fd;
    }

    private function fail(string $host, int $port, string $why): never
    {
        fwrite(STDERR, "cannot listen on $host:$port: $why\n");
        exit(1);
    }
}

/** @return array{string, int} */
function parseAddress(array $arguments): array
{
    $pattern = '/^(\[[^\[\]]*:[^\[\]]*\]|[^:\[\]]+):(0|[1-9][0-9]{0,4})$/D';
    if (count($arguments) !== 1 || !preg_match($pattern, $arguments[0], $match) || $match[2] > 65535) {
        fwrite(STDERR, "usage: broadcast.php HOST:PORT (IPv6: [HOST]:PORT)\n");
        exit(2);
    }
    return [$match[1], (int) $match[2]];
}

(new Broadcast())->main(...parseAddress(array_slice($argv, 1)));
