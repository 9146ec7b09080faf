// Broadcast in Go, in batches: two goroutines per connection, and one goroutine for the room.
//
// Order: every reading goroutine passes all whole messages of one read to the one goroutine of the
// hub; they reach all clients in the order in which they come out of that channel.
// A slow client: only its own writing goroutine waits for it. While more than limit bytes are
// unsent, the client misses new batches, always as whole messages.
package main

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	fewBytes = 4 * 1024   // first read: ten thousand idle clients must not cost a gigabyte
	chunk    = 64 * 1024  // largest read: thousands of messages, yet small enough to be fair
	limit    = 256 * 1024 // a client with more unsent bytes misses new batches
	retry    = 100 * time.Millisecond
	linger   = 10 * time.Second // for a client that has closed its sending side to read what is unsent
)

type client struct {
	net.Conn
	mutex   sync.Mutex // guards the fields below
	wake    *sync.Cond
	outbox  []byte
	unsent  int // bytes in the outbox or being written
	leaving bool
}

// A hub has the channels from the connections' goroutines to the one that knows the room. They are unbuffered:
// a goroutine that sends waits until the other one receives.
type hub struct {
	joined   chan *client
	left     chan *client
	received chan []byte // whole messages
}

func (h *hub) serve(connection net.Conn) {
	c := &client{Conn: connection}
	c.wake = sync.NewCond(&c.mutex)
	h.joined <- c
	defer h.leave(c)
	go c.write()
	data, size := make([]byte, fewBytes), 0
	var err error
	for err == nil { // a reset ends a connection just as an end of stream does
		var got int
		got, err = c.Read(data[size:])
		size += got
		if size == len(data) && size < chunk { // there was more to read
			data = append(data, make([]byte, len(data))...)
		}
		if end := wholeMessages(data[:size]); end > 0 {
			h.received <- append([]byte(nil), data[:end]...)
			size = copy(data, data[end:size])
		}
	}
}

// write sends the outbox: one write for everything that was added during the previous write.
func (c *client) write() {
	defer c.Close()
	var batch []byte
	var err error
	for {
		c.mutex.Lock()
		c.unsent -= len(batch)
		for len(c.outbox) == 0 && !c.leaving {
			c.wake.Wait()
		}
		batch, c.outbox = c.outbox, batch[:0]
		c.mutex.Unlock()
		if len(batch) == 0 {
			return
		}
		if err == nil { // after an error only the reading goroutine goes on: it takes the client's last messages
			_, err = c.Write(batch)
		}
	}
}

func (h *hub) leave(c *client) {
	h.left <- c
	c.SetWriteDeadline(time.Now().Add(linger))
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.leaving = true
	c.wake.Signal()
}

// wholeMessages returns the length of the longest prefix of data that consists of whole messages.
func wholeMessages(data []byte) int {
	end := 0
	for end < len(data) && end+1+int(data[end]) <= len(data) {
		end += 1 + int(data[end])
	}
	return end
}

// run is the only goroutine that knows the room; it decides the order.
func (h *hub) run() {
	room := map[*client]struct{}{}
	for {
		select {
		case c := <-h.joined:
			room[c] = struct{}{}
		case c := <-h.left:
			delete(room, c)
		case batch := <-h.received:
			h.flush(room, batch)
		}
	}
}

// flush offers what has been received as one batch: one offer per client, however many have sent.
// It first yields to all readers that are ready. Each of them reads, and then waits to be received from.
// Without this, the reader that has just sent would be the only one: the runtime runs a goroutine that
// has been woken before all others.
func (h *hub) flush(room map[*client]struct{}, batch []byte) {
	runtime.Gosched()
	for more := true; more && len(batch) < chunk; { // a longer batch might make clients miss the next one
		select {
		case next := <-h.received:
			batch = append(batch, next...)
		default:
			more = false
		}
	}
	for c := range room {
		c.offer(batch)
	}
}

// offer is the drop policy: a client gets all of the batch, or none of it if it is too far behind.
func (c *client) offer(batch []byte) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.unsent <= limit {
		c.outbox = append(c.outbox, batch...)
		c.unsent += len(batch)
		c.wake.Signal()
	}
}

func (h *hub) accept(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		if err != nil { // no descriptor is left
			time.Sleep(retry)
			continue
		}
		go h.serve(connection)
	}
}

// What follows is the same in every server: the address, the ready line and signals.

func parseAddress(arguments []string) (host, port string) {
	if len(arguments) == 1 {
		host, port, _ = net.SplitHostPort(arguments[0])
	}
	_, err := strconv.ParseUint(port, 10, 16)
	if err != nil || host == "" || net.JoinHostPort(host, port) != arguments[0] { // brackets are for IPv6 only
		fmt.Fprintln(os.Stderr, "usage: broadcast HOST:PORT (IPv6: [HOST]:PORT)")
		os.Exit(2)
	}
	return host, port
}

func main() {
	host, port := parseAddress(os.Args[1:])
	network := "tcp4" // with plain "tcp", 0.0.0.0 would mean all IPv6 addresses as well
	if strings.Contains(host, ":") {
		network = "tcp6"
	}
	listener, err := net.Listen(network, net.JoinHostPort(host, port))
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot listen:", err)
		os.Exit(1)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	port = strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	fmt.Println("listening on", net.JoinHostPort(host, port))
	h := &hub{make(chan *client), make(chan *client), make(chan []byte)}
	go h.run()
	go h.accept(listener)
	<-stop // nothing needs saving, and the kernel closes every connection
}
