// Broadcast in plain Go: two goroutines per connection, a channel between them, and one goroutine for the room.
//
// Order: every reading goroutine passes its messages, one by one, to the one goroutine of the hub; they
// reach all clients in the order in which they come out of that channel.
// A slow client: only its own writing goroutine waits for it. While its channel is full, it misses new messages.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	limit  = 1024 // messages that wait for a client: at most 256 KiB, because the longest has 256 bytes
	retry  = 100 * time.Millisecond
	linger = 10 * time.Second // for a client that has closed its sending side to read what is unsent
)

type client struct {
	net.Conn
	queue chan []byte // from the hub to the goroutine that writes
}

// A hub has the channels from the connections' goroutines to the one that knows the room. They are unbuffered:
// a goroutine that sends waits until the other one receives.
type hub struct {
	joined   chan *client
	left     chan *client
	received chan []byte // one message, with its length byte
}

func (h *hub) serve(connection net.Conn) {
	c := &client{Conn: connection, queue: make(chan []byte, limit)}
	h.joined <- c
	defer h.leave(c)
	go c.write()
	reader := bufio.NewReader(c)
	for {
		message, err := read(reader)
		if err != nil { // a reset ends a connection just as an end of stream does
			return
		}
		h.received <- message
	}
}

func read(reader *bufio.Reader) ([]byte, error) {
	length, err := reader.ReadByte()
	if err != nil {
		return nil, err
	}
	message := make([]byte, 1+int(length))
	message[0] = length
	_, err = io.ReadFull(reader, message[1:])
	return message, err
}

// write sends what waits in the channel, until the hub closes it. It flushes when nothing more waits, so that
// one system call sends all that has come in during the previous one, up to the 4 KiB of the writer's buffer.
// After an error the writer does nothing, but the client's last messages are still read.
func (c *client) write() {
	defer c.Close()
	writer := bufio.NewWriter(c)
	for message := range c.queue {
		writer.Write(message)
		if len(c.queue) == 0 {
			writer.Flush()
		}
	}
}

func (h *hub) leave(c *client) {
	h.left <- c
	c.SetWriteDeadline(time.Now().Add(linger))
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
			close(c.queue) // its writing goroutine sends the rest, and ends
		case message := <-h.received:
			for c := range room {
				c.offer(message)
			}
		}
	}
}

// offer is the drop policy: a client whose channel is full misses the message.
func (c *client) offer(message []byte) {
	select {
	case c.queue <- message:
	default:
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
