// A group chat in Go: goroutines that communicate over channels, and an outbox of bytes for each client.
//
// Order: every connection's goroutine passes its requests to the one goroutine `order`, which puts
// a message or a notice into the outboxes of all members before it takes the next. Replies go the same way.
// A slow client: only its own two goroutines wait for it. While more than limit bytes are unsent it
// misses new messages; while replies make it twice as many, its requests wait; and when notices, which
// no member may miss, make it three times as many, it is disconnected.
package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	longest     = 64*1024 - 1 // bytes of the longest payload: a length has two bytes
	longestName = 32          // code points
	longestText = 32 * 1024   // bytes
	limit       = 256 * 1024  // a client with more unsent bytes misses new messages
	retry       = 100 * time.Millisecond
	linger      = 10 * time.Second // for a client that has left, or whose requests wait, to read what is unsent
)

// The tags of requests and replies: the position of each type in the table of the protocol.
const (
	join = iota
	say
)
const (
	welcome = iota
	refused
	joined
	departed
	said
)

type client struct {
	net.Conn
	name    string     // only `order` uses it; empty until the client has joined
	mutex   sync.Mutex // guards the fields below
	wake    *sync.Cond
	outbox  []byte
	unsent  int // bytes in the outbox or being written
	leaving bool
}

// The clients that have joined, by name.
type members map[string]*client

// A request is a Join or a Say; with an error it is a frame that was neither.
type request struct {
	from *client
	tag  uint64
	text string // of a Join the name
	err  error
}

// From the connections' goroutines to the one that knows the members. Both are unbuffered: a
// goroutine that sends waits until the other one receives.
var (
	requests = make(chan request)
	left     = make(chan *client)
)

func serve(connection net.Conn) {
	c := &client{Conn: connection}
	c.wake = sync.NewCond(&c.mutex)
	defer leave(c)
	go write(c)
	reader := bufio.NewReader(c)
	for {
		payload, err := read(reader)
		if err != nil { // a reset ends a connection just as an end of stream does
			return
		}
		r := understand(c, payload)
		pause(c)
		requests <- r
	}
}

// read returns the payload of the next frame.
func read(reader *bufio.Reader) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(reader, length[:]); err != nil {
		return nil, err
	}
	payload := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(reader, payload)
	return payload, err
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

// understand does what needs no order: it decodes a payload, and checks it.
func understand(c *client, payload []byte) request {
	tag, text, err := decode(payload)
	size := utf8.RuneCountInString(text)
	switch {
	case err != nil:
	case tag == join && (size < 1 || size > longestName):
		err = fmt.Errorf("a name has 1 to %d characters, this one has %d", longestName, size)
	case tag == join && strings.IndexFunc(text, unicode.IsControl) >= 0:
		err = errors.New("a name has no control characters")
	case len(text) > longestText:
		err = fmt.Errorf("a text has at most %d bytes, this one has %d", longestText, len(text))
	}
	return request{c, tag, text, err}
}

// order is the only goroutine that knows the members; it decides the order of messages and notices.
func order() {
	room := members{}
	for {
		select {
		case c := <-left:
			forget(room, c)
		case r := <-requests:
			if err := obey(room, r); err != nil {
				answer, _ := encode(refused, err.Error())
				send(r.from, answer)
			}
		}
	}
}

// obey carries out a request, or returns why it is refused.
func obey(room members, r request) error {
	switch {
	case r.err != nil:
		return r.err
	case r.tag == join && r.from.name != "":
		return errors.New("you have already joined")
	case r.tag == join && room[r.text] != nil:
		return errors.New("this name is taken")
	case r.tag == join:
		answer, err := encodeWelcome(room)
		if err != nil {
			return err
		}
		send(r.from, answer)
		announce(room, joined, r.text)
		r.from.name = r.text
		room[r.text] = r.from
	case r.from.name == "":
		return errors.New("join first")
	default:
		delivery, err := encode(said, r.from.name, r.text)
		if err != nil {
			return err
		}
		for _, member := range room {
			offer(member, delivery)
		}
	}
	return nil
}

// forget removes the client; if it was a member, all others learn that it has left.
func forget(room members, c *client) {
	if c.name != "" {
		delete(room, c.name)
		announce(room, departed, c.name)
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

// announce sends a notice to all members, and disconnects those too far behind: without the notice,
// such a member would have a wrong list of members.
func announce(room members, tag byte, name string) {
	notice, _ := encode(tag, name)
	for _, member := range room {
		if unsent(member) > 3*limit {
			member.Close() // its own goroutines see that, and do the rest
			continue
		}
		send(member, notice)
	}
}

// offer is the drop policy: a client that is too far behind misses the message.
func offer(c *client, delivery []byte) {
	if unsent(c) <= limit { // and it cannot fall behind now: only this goroutine sends
		send(c, delivery)
	}
}

func unsent(c *client) int {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.unsent
}

func send(c *client, frame []byte) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if !c.leaving {
		c.outbox = append(c.outbox, frame...)
		c.unsent += len(frame)
		c.wake.Signal()
	}
}

// decode returns the tag and the text of a request. Every value has exactly one encoding.
func decode(payload []byte) (tag uint64, text string, err error) {
	tag, rest, err := varint(payload)
	if err != nil || tag > say {
		return 0, "", errors.New("no such request")
	}
	size, rest, err := varint(rest)
	if err != nil || size != uint64(len(rest)) || !utf8.Valid(rest) {
		return 0, "", errors.New("not a text that takes the payload to its end")
	}
	return tag, string(rest), nil
}

// varint returns the number at the beginning of data, and what follows it.
func varint(data []byte) (uint64, []byte, error) {
	value, size := binary.Uvarint(data)
	if size <= 0 || size > 1 && data[size-1] == 0 { // cut off, too large, or with more bytes than necessary
		return 0, nil, errors.New("not a number")
	}
	return value, data[size:], nil
}

// encode returns the frame of a reply that consists of texts.
func encode(tag byte, texts ...string) ([]byte, error) {
	frame := []byte{0, 0, tag}
	for _, text := range texts {
		frame = appendText(frame, text)
	}
	return withLength(frame)
}

func encodeWelcome(room members) ([]byte, error) {
	frame := binary.AppendUvarint([]byte{0, 0, welcome}, uint64(len(room)))
	for name := range room {
		frame = appendText(frame, name)
	}
	return withLength(frame)
}

func appendText(frame []byte, text string) []byte {
	return append(binary.AppendUvarint(frame, uint64(len(text))), text...)
}

// withLength fills in the first two bytes. Only a Welcome with very many names can be too long.
func withLength(frame []byte) ([]byte, error) {
	if len(frame)-2 > longest {
		return nil, errors.New("the room is full")
	}
	binary.BigEndian.PutUint16(frame, uint16(len(frame)-2))
	return frame, nil
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
		fmt.Fprintln(os.Stderr, "usage: groupchat HOST:PORT (IPv6: [HOST]:PORT)")
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
