// Channels in Go: goroutines that tell each other things over channels.
//
// Order: every connection's goroutine hands its requests to the one goroutine `order`, which puts
// a message into the outboxes of all subscribers before it takes the next. Replies go the same way.
// A slow client: only its own two goroutines wait for it. While more than limit bytes are unsent
// it misses new messages, and while its replies make it twice as many its requests wait.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"
)

const (
	longest = 64 * 1024  // bytes of the longest request, with its line feed
	limit   = 256 * 1024 // bytes unsent beyond which a client misses what is new
	retry   = 100 * time.Millisecond
)

type client struct {
	net.Conn
	channels map[string]struct{} // only `order` looks at it
	mutex    sync.Mutex          // guards what is below
	wake     *sync.Cond
	outbox   []byte
	unsent   int // bytes in the outbox, and those that are just being written
	leaving  bool
}

// Those that somebody hears, and who.
type channels map[string]map[*client]struct{}

// A request is a Subscribe, or, with a delivery, a Send; or it was none and is refused.
type request struct {
	from     *client
	channel  string
	delivery []byte
	refused  bool
}

type message struct {
	Channel string `json:"channel"`
	Message string `json:"message"`
}

// How the connections' goroutines talk to the one that knows the channels. Neither has a buffer:
// who asks waits until it is heard.
var (
	requests = make(chan []request)
	left     = make(chan *client)
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
	go order()
	go accept(listener)
	<-stop // nothing needs saving, and the kernel closes every connection
}

func accept(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		if err != nil { // no descriptor is left
			time.Sleep(retry)
			continue
		}
		go serve(connection)
	}
}

func serve(connection net.Conn) {
	c := &client{Conn: connection, channels: map[string]struct{}{}}
	c.wake = sync.NewCond(&c.mutex)
	go write(c)
	reader := bufio.NewReader(c)
	var asked []request
	line, err := nextLine(reader, nil)
	for err == nil { // a reset ends a connection as well as an end of stream
		asked = append(asked, understand(c, line))
		if more, _ := reader.Peek(reader.Buffered()); bytes.IndexByte(more, '\n') < 0 { // all that came at once
			pause(c)
			requests <- asked
			asked = nil
		}
		line, err = nextLine(reader, line[:0])
	}
	left <- c
}

// nextLine reads a line into a slice. What is too long stays too long, and is never kept whole.
func nextLine(reader *bufio.Reader, line []byte) ([]byte, error) {
	for {
		piece, err := reader.ReadSlice('\n')
		if len(line) <= longest {
			line = append(line, piece...)
		}
		if err != bufio.ErrBufferFull {
			return line, err
		}
	}
}

// write sends what gathers in the outbox: one write for all that came during the last one.
func write(c *client) {
	var err error
	for batch := take(c, nil); len(batch) > 0 && err == nil; batch = take(c, batch) {
		_, err = c.Write(batch)
	}
	c.Close() // the reading goroutine sees it too, and ends
	finish(c)
}

// take waits for something to send; there is nothing when the client has left.
func take(c *client, sent []byte) (batch []byte) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.unsent -= len(sent)
	c.wake.Signal() // its reader may wait for room
	for len(c.outbox) == 0 && !c.leaving {
		c.wake.Wait()
	}
	batch, c.outbox = c.outbox, sent[:0]
	return batch
}

// pause waits while the client does not read the replies to its requests.
func pause(c *client) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for c.unsent > 2*limit && !c.leaving {
		c.wake.Wait()
	}
}

// understand does what needs no order: it takes a line apart, and puts together what is to be delivered.
func understand(c *client, line []byte) request {
	channel, text, ok := decode(line)
	r := request{from: c, channel: channel, refused: !ok}
	if ok && text != nil {
		r.delivery = encode(struct{ Message message }{message{channel, *text}})
	}
	return r
}

// order is the one goroutine that knows who hears what, and what comes after what.
func order() {
	known := channels{}
	for {
		select {
		case c := <-left:
			leave(known, c)
		case asked := <-requests:
			for _, r := range asked {
				obey(known, r)
			}
		}
	}
}

func obey(known channels, r request) {
	subscribers, exists := known[r.channel]
	switch {
	case r.refused:
		send(r.from, encode(struct{ Error string }{"no request"}))
	case r.delivery == nil:
		if !exists {
			subscribers = map[*client]struct{}{}
			known[r.channel] = subscribers
		}
		subscribers[r.from] = struct{}{}
		r.from.channels[r.channel] = struct{}{}
		send(r.from, encode(struct{ Subscribed string }{r.channel}))
	case !exists:
		send(r.from, encode(struct{ Error string }{"no such channel: " + r.channel}))
	default:
		for c := range subscribers {
			offer(c, r.delivery)
		}
	}
}

// leave forgets the client, and the channels that nobody else hears.
func leave(known channels, c *client) {
	for channel := range c.channels {
		delete(known[channel], c)
		if len(known[channel]) == 0 {
			delete(known, channel)
		}
	}
	finish(c)
}

// finish lets both goroutines of the client come to their end.
func finish(c *client) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.leaving = true
	c.wake.Signal()
}

// offer is the drop policy: a message is not for a client that is too far behind.
func offer(c *client, delivery []byte) {
	c.mutex.Lock()
	behind := c.unsent > limit
	c.mutex.Unlock()
	if !behind { // and so it stays: nobody else sends
		send(c, delivery)
	}
}

func send(c *client, line []byte) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.outbox = append(c.outbox, line...)
	c.unsent += len(line)
	c.wake.Signal()
}

// halves finds, in its group, escapes that are half of a surrogate pair; the others only to get past them.
var halves = regexp.MustCompile(`\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(\\u[dD][89a-fA-F]..)|\\.`)

// decode returns the channel, for a Send the text, and whether there is a request at all. encoding/json lets
// pass what is no UTF-8, halves of pairs, and, in a struct, keys in other capitals: hence a map.
func decode(line []byte) (channel string, text *string, ok bool) {
	if len(line) > longest || !utf8.Valid(line) {
		return "", nil, false
	}
	if bytes.Contains(line, []byte(`\u`)) {
		for _, found := range halves.FindAllSubmatch(line, -1) {
			if found[1] != nil {
				return "", nil, false
			}
		}
	}
	var tags map[string]any
	if json.Unmarshal(line, &tags) != nil || len(tags) != 1 {
		return "", nil, false
	}
	if channel, ok = tags["Subscribe"].(string); ok {
		return channel, nil, true
	}
	fields, _ := tags["Send"].(map[string]any)
	channel, named := fields["channel"].(string)
	said, ok := fields["message"].(string)
	return channel, &said, named && ok
}

// encode writes a reply, a struct of one field, as its line.
func encode(reply any) []byte {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(reply); err != nil { // there are only strings in it
		panic(err)
	}
	return line.Bytes()
}

func parseAddress(arguments []string) (host, port string) {
	if len(arguments) == 1 {
		host, port, _ = net.SplitHostPort(arguments[0])
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil || host == "" {
		fmt.Fprintln(os.Stderr, "usage: channels HOST:PORT (IPv6: [HOST]:PORT)")
		os.Exit(2)
	}
	return host, port
}
