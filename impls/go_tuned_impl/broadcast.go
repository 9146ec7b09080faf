// Broadcast in Go, tuned: a goroutine a connection that only reads, and one that writes to everybody.
//
// Order: whoever reads, reads straight into the one buffer `tick`; where a message stands there is its
// place in the common order. When all who were ready have read, `gather` sends it to everybody.
// A slow client: a goroutine of its own sends what the kernel did not take, and exists only meanwhile;
// while more than limit bytes are unsent, the client misses new batches, always as whole messages.
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
	chunk   = 64 * 1024         // bytes a read
	limit   = 256 * 1024        // bytes unsent beyond which a client misses what is new
	message = 256               // bytes of the longest message, its header included
	most    = 2*chunk + message // bytes that gather at most before they are sent
	retry   = 100 * time.Millisecond
)

type client struct {
	*net.TCPConn
	descriptor int
	place      int    // in the room
	rest       []byte // the beginning of a message of which more must come
	outbox     []byte // what write takes next
	unsent     int    // bytes in the outbox, and those that are just being written
	writing    bool   // the kernel has not taken everything, and write waits for it
	leaving    bool
}

// One lock guards all that follows, and the clients. Who holds it makes system calls, but none that
// waits: the sockets are non-blocking, and here EAGAIN is an answer, not something to be waited out.
var (
	order sync.Mutex
	room  []*client
	tick  [most]byte
	size  int                      // bytes in the tick
	said  = make(chan struct{}, 1) // wakes gather; one token is enough, however many have spoken
)

func main() {
	host, port := parseAddress(os.Args[1:])
	network := "tcp4" // plain "tcp" would take 0.0.0.0 for every address there is, of IPv6 too
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
	go gather()
	go accept(listener.(*net.TCPListener))
	<-stop // nothing needs saving, and the kernel closes every connection
}

func accept(listener *net.TCPListener) {
	for {
		connection, err := listener.AcceptTCP()
		if err != nil { // no descriptor is left
			time.Sleep(retry)
			continue
		}
		go serve(connection)
	}
}

func serve(connection *net.TCPConn) {
	raw, err := connection.SyscallConn()
	if err != nil {
		return
	}
	c := &client{TCPConn: connection}
	raw.Control(func(descriptor uintptr) { c.descriptor = int(descriptor) })
	join(c)
	for over := false; !over; {
		raw.Read(func(uintptr) (done bool) { // calls, waits for input unless that was done, and calls again
			done, over = read(c)
			return done
		})
		select {
		case said <- struct{}{}:
		default: // it is awake already
		}
	}
	leave(c)
}

func join(c *client) {
	order.Lock()
	defer order.Unlock()
	c.place = len(room)
	room = append(room, c)
}

// read puts what a client says into the tick. The buffer for reading is everybody's: a connection that
// waits has none. With the second goroutine that it lacks, that bought almost half of its memory.
func read(c *client) (done, over bool) {
	order.Lock()
	defer order.Unlock()
	if size+message+chunk > most {
		broadcast()
	}
	begin := size + copy(tick[size:], c.rest)
	got, err := syscall.Read(c.descriptor, tick[begin:begin+chunk])
	if err == syscall.EAGAIN {
		return false, false
	}
	if err != nil || got == 0 { // a reset ends a connection as well as an end of stream
		return true, true
	}
	data := tick[size : begin+got]
	end := wholeMessages(data)
	c.rest = append(c.rest[:0], data[end:]...)
	size += end // the messages are where they belong already
	return true, false
}

func leave(c *client) {
	order.Lock()
	defer order.Unlock()
	broadcast() // who hangs up right after speaking still hears it
	last := room[len(room)-1]
	room[c.place], last.place = last, c.place
	room[len(room)-1] = nil
	room = room[:len(room)-1]
	c.leaving = true
	if !c.writing {
		c.Close()
	}
}

// wholeMessages is the length of the longest prefix of data that consists of whole messages.
func wholeMessages(data []byte) int {
	end := 0
	for end < len(data) && end+1+int(data[end]) <= len(data) {
		end += 1 + int(data[end])
	}
	return end
}

// gather wakes when somebody has spoken, and waits for one round of whoever else is ready to speak, so
// that one broadcast serves them all. With one core this bought a factor of two when four flood, and of
// twenty when a hundred do. In every reader the same call costs more than it buys: as long as some
// goroutine can run, and a yielding one can, the runtime does not look for new input.
func gather() {
	for range said {
		runtime.Gosched()
		order.Lock()
		broadcast()
		order.Unlock()
	}
}

// broadcast hands over what has gathered: one offer a client, however many have spoken.
func broadcast() {
	if size > 0 {
		for _, c := range room {
			offer(c, tick[:size])
		}
		size = 0
	}
}

// offer is the drop policy: all of the batch, or none of it for a client that is too far behind.
// It writes at once, without the runtime: a goroutine that writes costs a client a wake-up and a copy of
// each batch, and is started only for who is behind. That bought a third of the time of a delivery.
func offer(c *client, batch []byte) {
	if !c.writing {
		sent, err := syscall.Write(c.descriptor, batch)
		if err != nil && err != syscall.EAGAIN {
			return // its reader sees it too, and ends the connection
		}
		if sent == len(batch) {
			return
		}
		batch = batch[max(sent, 0):]
		c.writing = true
		go write(c)
	}
	if c.unsent <= limit {
		c.outbox = append(c.outbox, batch...)
		c.unsent += len(batch)
	}
}

// write sends what the kernel did not take, until nothing is left of it.
func write(c *client) {
	var batch []byte
	var err error
	order.Lock()
	defer order.Unlock()
	for len(c.outbox) > 0 && err == nil {
		batch, c.outbox = c.outbox, batch[:0]
		order.Unlock()
		_, err = c.Write(batch)
		order.Lock()
		c.unsent -= len(batch)
	}
	c.outbox, c.unsent, c.writing = nil, 0, false
	if c.leaving {
		c.Close()
	}
}

func parseAddress(arguments []string) (host, port string) {
	if len(arguments) == 1 {
		host, port, _ = net.SplitHostPort(arguments[0])
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil || host == "" {
		fmt.Fprintln(os.Stderr, "usage: broadcast HOST:PORT (IPv6: [HOST]:PORT)")
		os.Exit(2)
	}
	return host, port
}
