// Channels in Go: goroutines that communicate over channels, and an outbox of bytes for each client.
//
// Order: every connection's goroutine passes its requests to the one goroutine `order`, which puts
// a message into the outboxes of all subscribers before it takes the next. Replies go the same way.
// A slow client: only its own two goroutines wait for it. While more than limit bytes are unsent it
// misses new messages, and while its replies make it twice as many its requests wait.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
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
	longest = 64 * 1024  // bytes of the longest request, including its line feed
	limit   = 256 * 1024 // a client with more unsent bytes misses new messages
	retry   = 100 * time.Millisecond
	linger  = 10 * time.Second // for a client that has left, or whose requests wait, to read what is unsent
)

type client struct {
	net.Conn
	subscribed map[string]struct{} // its channels; only `order` uses it
	mutex      sync.Mutex          // guards the fields below
	wake       *sync.Cond
	outbox     []byte
	unsent     int // bytes in the outbox or being written
	leaving    bool
}

// The subscribers of each channel that has any.
type channels map[string]map[*client]struct{}

// A request is a Subscribe, or with a delivery a Send; refused marks a line that was no request.
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

// From the connections' goroutines to the one that knows the channels. Both are unbuffered: a
// goroutine that sends waits until the other one receives.
var (
	requests = make(chan request)
	left     = make(chan *client)
)

func serve(connection net.Conn) {
	c := &client{Conn: connection, subscribed: map[string]struct{}{}}
	c.wake = sync.NewCond(&c.mutex)
	defer leave(c)
	go write(c)
	reader := bufio.NewReader(c)
	for {
		line, err := read(reader)
		if err != nil { // a reset ends a connection just as an end of stream does
			return
		}
		r := understand(c, line)
		pause(c)
		requests <- r
	}
}

// read returns the next line. A line that is too long is cut, but stays too long.
func read(reader *bufio.Reader) ([]byte, error) {
	var line []byte
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

// write sends the outbox: one write for everything that was added during the previous write.
func write(c *client) {
	var err error
	for batch := take(c, nil); len(batch) > 0; batch = take(c, batch) {
		if err == nil { // after an error only the reading goroutine goes on: it takes the client's last requests
			_, err = c.Write(batch)
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break // the client reads nothing
		}
	}
	c.Close() // the reading goroutine sees the end too
	finish(c)
}

// take waits for something to send; it returns nothing when the client has left.
func take(c *client, sent []byte) (batch []byte) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.unsent -= len(sent)
	c.wake.Signal() // its reader may be waiting in pause; the two never wait at the same time, so one is woken
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
	if c.unsent <= 2*limit {
		return
	}
	c.SetWriteDeadline(time.Now().Add(linger)) // it may have left: its end comes after its requests
	for c.unsent > 2*limit && !c.leaving {
		c.wake.Wait()
	}
	c.SetWriteDeadline(time.Time{}) // none
}

func leave(c *client) {
	left <- c
	c.SetWriteDeadline(time.Now().Add(linger))
}

// understand does what needs no order: it parses a line, and encodes the message to deliver.
func understand(c *client, line []byte) request {
	channel, text, ok := decode(line)
	r := request{from: c, channel: channel, refused: !ok}
	if ok && text != nil {
		r.delivery = encode(struct{ Message message }{message{channel, *text}})
	}
	return r
}

// order is the only goroutine that knows the channels; it decides the order of messages.
func order() {
	known := channels{}
	for {
		select {
		case c := <-left:
			forget(known, c)
		case r := <-requests:
			obey(known, r)
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
		r.from.subscribed[r.channel] = struct{}{}
		send(r.from, encode(struct{ Subscribed string }{r.channel}))
	case !exists:
		send(r.from, encode(struct{ Error string }{"no such channel: " + r.channel}))
	default:
		for c := range subscribers {
			offer(c, r.delivery)
		}
	}
}

// forget removes the client, and the channels that have no other subscriber.
func forget(known channels, c *client) {
	for channel := range c.subscribed {
		delete(known[channel], c)
		if len(known[channel]) == 0 {
			delete(known, channel)
		}
	}
	finish(c)
}

// finish lets both goroutines of the client end.
func finish(c *client) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.leaving = true
	c.wake.Broadcast()
}

// offer is the drop policy: a client that is too far behind misses the message.
func offer(c *client, delivery []byte) {
	c.mutex.Lock()
	behind := c.unsent > limit
	c.mutex.Unlock()
	if !behind { // and it cannot fall behind now: only this goroutine sends
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

// halves matches escapes; its group is set only for one that is half of a surrogate pair.
var halves = regexp.MustCompile(`\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(\\u[dD][89a-fA-F]..)|\\.`)

// decode returns the channel, for a Send the text, and whether the line is a request. encoding/json accepts
// invalid UTF-8, half surrogate pairs, and keys of a struct in other letter case: hence the checks and the map.
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
	content, ok := fields["message"].(string)
	return channel, &content, named && ok
}

// encode returns a reply, a struct of one field, as a line.
func encode(reply any) []byte {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(reply); err != nil { // strings can always be encoded
		panic(err)
	}
	return line.Bytes()
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

// What follows is the same in every server: the address, the ready line and signals.

func parseAddress(arguments []string) (host, port string) {
	if len(arguments) == 1 {
		host, port, _ = net.SplitHostPort(arguments[0])
	}
	_, err := strconv.ParseUint(port, 10, 16)
	if err != nil || host == "" || net.JoinHostPort(host, port) != arguments[0] { // brackets are for IPv6 only
		fmt.Fprintln(os.Stderr, "usage: channels HOST:PORT (IPv6: [HOST]:PORT)")
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
	go order()
	go accept(listener)
	<-stop // nothing needs saving, and the kernel closes every connection
}
