// Broadcast on gnet: callbacks on one event loop, and connections that buffer what the kernel does not take.
//
// Order: every callback adds its whole messages to `pending`, and everything collected there in one turn
// of the loop goes to all clients as one batch: that is the common order.
// A slow client: gnet keeps what the kernel did not take in the connection's outbound buffer. While that
// holds more than limit bytes, the client misses new batches, always as whole messages.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/panjf2000/gnet/v2"
	"go.uber.org/zap"
)

const (
	chunk  = 64 * 1024  // bytes pending before a flush: as many as gnet reads at a time by default
	limit  = 256 * 1024 // a client with more unsent bytes misses new batches
	buffer = 512 * 1024 // up to this size a ring that grows; beyond it gnet would keep a list of small pieces
	retry  = 100 * time.Millisecond
)

// A room handles the events of all connections. gnet runs one event loop, so nothing here needs a lock.
type room struct {
	gnet.BuiltinEventEngine // does nothing for the events that do not matter here
	clients                 map[gnet.Conn]struct{}
	pending                 []byte // whole messages in their final order, not yet offered
}

func (r *room) OnOpen(c gnet.Conn) ([]byte, gnet.Action) {
	r.clients[c] = struct{}{}
	return nil, gnet.None
}

func (r *room) OnTraffic(c gnet.Conn) gnet.Action {
	data, err := c.Peek(-1) // everything that has arrived; what is not discarded comes again with what follows it
	if err != nil {
		return gnet.Close
	}
	if end := wholeMessages(data); end > 0 {
		r.broadcast(c.EventLoop(), data[:end])
		c.Discard(end)
	}
	return gnet.None
}

// OnClose is called at the end of the stream and after errors; then gnet closes the connection.
func (r *room) OnClose(c gnet.Conn, _ error) gnet.Action {
	delete(r.clients, c)
	return gnet.None
}

// wholeMessages returns the length of the longest prefix of data that consists of whole messages.
func wholeMessages(data []byte) int {
	end := 0
	for end < len(data) && end+1+int(data[end]) <= len(data) {
		end += 1 + int(data[end])
	}
	return end
}

// broadcast appends these messages to the common order.
func (r *room) broadcast(loop gnet.EventLoop, batch []byte) {
	if len(r.pending) == 0 { // once in a turn; it runs after all connections that are ready now have been read
		loop.Execute(context.Background(), gnet.RunnableFunc(func(context.Context) error {
			r.flush()
			return nil
		}))
	}
	r.pending = append(r.pending, batch...)
	if len(r.pending) >= chunk { // a longer batch might make clients miss the next one
		r.flush()
	}
}

// flush offers what is pending as one batch: one offer per client, however many clients have sent.
func (r *room) flush() {
	if len(r.pending) == 0 { // broadcast has flushed meanwhile
		return
	}
	for c := range r.clients {
		r.offer(c, r.pending)
	}
	r.pending = r.pending[:0]
}

// offer is the drop policy: a client gets all of the batch, or none of it if it is too far behind.
func (r *room) offer(c gnet.Conn, batch []byte) {
	if c.OutboundBuffered() <= limit {
		c.Write(batch) // never waits; after an error gnet calls OnClose
	}
}

// accept enrolls each connection in the event loop. gnet.Run would accept by itself, but ends the event loop,
// and with it every connection, as soon as no descriptor is left.
func accept(listener net.Listener, engine *gnet.Client) {
	for {
		connection, err := listener.Accept()
		if err == nil {
			_, err = engine.Enroll(connection)
		}
		if err != nil { // no descriptor is left
			time.Sleep(retry)
		}
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
	handler := &room{clients: map[gnet.Conn]struct{}{}}
	silent := gnet.WithLogger(zap.NewNop().Sugar()) // by default gnet logs to standard output
	engine, err := gnet.NewClient(handler, gnet.WithWriteBufferCap(buffer), silent)
	if err == nil {
		err = engine.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot start the event loop:", err)
		os.Exit(1)
	}
	fmt.Println("listening on", net.JoinHostPort(host, port))
	go accept(listener, engine)
	<-stop // nothing needs saving, and the kernel closes every connection
}
