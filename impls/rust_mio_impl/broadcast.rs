//! Broadcast in Rust on mio: one thread, one loop that asks the kernel who is ready, no lock.
//!
//! Order: a turn of the loop reads from everybody who has something to say, straight into one
//! buffer, `tick`; at its end the whole messages gathered there go to everybody with one write
//! each. Where a message stands in that buffer is its place in the common order.
//! A slow client: what the kernel does not take is kept for it; while that is more than LIMIT
//! bytes, the client misses new batches, always as whole messages. Nobody waits for anybody.

use std::io::{self, ErrorKind, Read, Write};
use std::net::ToSocketAddrs;
use std::time::Duration;
use std::{env, mem, process};

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;
use slab::Slab;
use socket2::{Domain, Socket, Type};

const BACKLOG: i32 = 1024;
const CHUNK: usize = 64 * 1024; // bytes a read
const LIMIT: usize = 256 * 1024; // bytes unsent beyond which a client misses what is new
const MESSAGE: usize = 256; // bytes of the longest message, its header included
const TICK: usize = 2 * CHUNK + MESSAGE; // bytes that a turn gathers at most before they are sent
const EVENTS: usize = 256;
const RETRY: Duration = Duration::from_millis(100); // when no descriptor is left
const LISTENER: Token = Token(usize::MAX - 1); // those of clients count from 0
const SIGNALS: Token = Token(usize::MAX - 2);

struct Client {
    stream: TcpStream,
    rest: Vec<u8>,   // the unfinished message at the end of what it sent
    unsent: Vec<u8>, // what the kernel did not take, of which the first `sent` bytes have gone by now
    sent: usize,
    ready: bool,  // it stands in `Room::ready`
    ending: bool, // its stream ends behind what is still to be read
    deaf: bool,   // nothing new is for it
    left: bool,   // its stream has ended: send what is unsent, then close
}

struct Room {
    poll: Poll,
    listener: TcpListener,
    resting: bool, // somebody may stand at the door, and no descriptor was left
    clients: Slab<Client>,
    ready: Vec<usize>, // those who may have more to say than was read
    dead: Vec<usize>,  // those to be closed at the end of the turn
    tick: Box<[u8]>,
    gathered: usize, // bytes of whole messages in `tick`
}

fn main() {
    let (host, port) = parse_address(env::args().skip(1).collect());
    let mut room =
        listen(host.trim_start_matches('[').trim_end_matches(']'), port).unwrap_or_else(|error| {
            eprintln!("cannot listen on {host}:{port}: {error}");
            process::exit(1)
        });
    let port = room.listener.local_addr().expect("it is bound").port();
    let mut signals = Signals::new([SIGINT, SIGTERM]).expect("they can be caught");
    room.poll.registry().register(&mut signals, SIGNALS, Interest::READABLE).expect("it is new");
    println!("listening on {host}:{port}");
    let mut events = Events::with_capacity(EVENTS);
    while room.turn(&mut events) {}
}

fn listen(host: &str, port: u16) -> io::Result<Room> {
    let address = (host, port).to_socket_addrs()?.next().ok_or(ErrorKind::NotFound)?;
    // Not mio's own listener, for its backlog is 128; and what is set here all connections inherit.
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let mut room = Room {
        poll: Poll::new()?,
        listener: TcpListener::from_std(socket.into()),
        resting: false,
        clients: Slab::new(),
        ready: Vec::new(),
        dead: Vec::new(),
        tick: vec![0; TICK].into(),
        gathered: 0,
    };
    room.poll.registry().register(&mut room.listener, LISTENER, Interest::READABLE)?;
    Ok(room)
}

impl Room {
    /// Hear all who are ready, and let everybody hear it; false when the server shall end.
    fn turn(&mut self, events: &mut Events) -> bool {
        let timeout = match self.ready.is_empty() {
            false => Some(Duration::ZERO),
            true => self.resting.then_some(RETRY),
        };
        let _ = self.poll.poll(events, timeout); // when it is interrupted there are no events
        if self.resting {
            self.accept();
        }
        for event in events.iter() {
            match event.token() {
                SIGNALS => return false, // nothing needs saving, and the kernel closes every connection
                LISTENER => self.accept(),
                Token(key) => self.wake(key, event),
            }
        }
        // One read each, however much somebody says: a flood makes nobody wait.
        for key in mem::take(&mut self.ready) {
            self.serve(key);
        }
        self.broadcast();
        self.bury_the_dead(); // not earlier: it may have been ready as well
        true
    }

    fn accept(&mut self) {
        self.resting = false;
        loop {
            match self.listener.accept() {
                Ok((mut stream, _)) => {
                    let entry = self.clients.vacant_entry();
                    let token = Token(entry.key());
                    // Both, once and for all: mio's events are edges, which come when something has
                    // changed. Who is slow for a while costs no call that asks for more, or less.
                    let both = Interest::READABLE | Interest::WRITABLE;
                    if self.poll.registry().register(&mut stream, token, both).is_ok() {
                        entry.insert(Client::new(stream));
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(_) => {
                    self.resting = true;
                    return;
                }
            }
        }
    }

    fn wake(&mut self, key: usize, event: &Event) {
        let client = &mut self.clients[key];
        client.ending |= event.is_read_closed();
        if event.is_readable() && !client.ready && !client.left {
            client.ready = true;
            self.ready.push(key);
        }
        if event.is_writable() && !client.unsent.is_empty() {
            self.flush(key);
        }
    }

    fn serve(&mut self, key: usize) {
        if self.gathered + MESSAGE + CHUNK > TICK {
            self.broadcast();
        }
        let client = &mut self.clients[key];
        let (start, middle) = (self.gathered, self.gathered + client.rest.len());
        // Straight to where the messages belong: none is copied but those that are cut in two.
        self.tick[start..middle].copy_from_slice(&client.rest);
        client.ready = false;
        let got = match client.stream.read(&mut self.tick[middle..middle + CHUNK]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(_) | Ok(0) => return self.leave(key), // a reset is an end as well
            Ok(got) => got,
        };
        let data = &self.tick[start..middle + got];
        let whole = whole_messages(data);
        client.rest.clear();
        client.rest.extend_from_slice(&data[whole..]);
        self.gathered += whole;
        // A short read has emptied the socket, and what comes later makes an edge: no second read
        // is needed to learn that there is nothing. But an end that was told is not told again.
        if got == CHUNK || client.ending {
            client.ready = true;
            self.ready.push(key);
        }
    }

    fn leave(&mut self, key: usize) {
        self.broadcast(); // who hangs up right after speaking still hears it
        let client = &mut self.clients[key];
        client.left = true;
        client.deaf = true;
        if client.unsent.is_empty() {
            self.dead.push(key);
        }
    }

    fn flush(&mut self, key: usize) {
        let client = &mut self.clients[key];
        client.sent += send(&client.stream, &client.unsent[client.sent..], &mut client.deaf);
        if client.sent == client.unsent.len() {
            client.sent = 0;
            client.unsent = Vec::new(); // not clear(): most clients are never slow again
            if client.left {
                self.dead.push(key);
            }
        }
    }

    /// Hand over what this turn has gathered: one write a client, however many spoke.
    fn broadcast(&mut self) {
        let batch = &self.tick[..mem::take(&mut self.gathered)];
        if !batch.is_empty() {
            for (_, client) in self.clients.iter_mut().filter(|(_, client)| !client.deaf) {
                client.offer(batch);
            }
        }
    }

    fn bury_the_dead(&mut self) {
        for key in self.dead.drain(..) {
            self.clients.remove(key); // which closes the connection
        }
    }
}

impl Client {
    fn new(stream: TcpStream) -> Client {
        let (rest, unsent) = (Vec::new(), Vec::new());
        Client {
            stream,
            rest,
            unsent,
            sent: 0,
            ready: false,
            ending: false,
            deaf: false,
            left: false,
        }
    }

    /// Drop policy: all of the batch, or none of it for a client that is too far behind.
    fn offer(&mut self, mut batch: &[u8]) {
        if self.unsent.is_empty() {
            batch = &batch[send(&self.stream, batch, &mut self.deaf)..];
            if batch.is_empty() {
                return;
            }
            self.unsent.reserve_exact(LIMIT + TICK); // as much as there can ever be
        }
        if self.unsent.len() - self.sent > LIMIT {
            return;
        }
        if self.unsent.len() + batch.len() > LIMIT + TICK {
            self.unsent.drain(..mem::take(&mut self.sent));
        }
        self.unsent.extend_from_slice(batch);
    }
}

/// How many bytes the kernel takes now.
fn send(mut stream: &TcpStream, data: &[u8], deaf: &mut bool) -> usize {
    match stream.write(data) {
        Ok(sent) => sent,
        Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
        Err(_) => {
            *deaf = true; // reading takes its last words, and sees its end as well
            data.len()
        }
    }
}

/// The length of the longest prefix of `data` that consists of whole messages.
fn whole_messages(data: &[u8]) -> usize {
    let mut end = 0;
    while end < data.len() && end + 1 + data[end] as usize <= data.len() {
        end += 1 + data[end] as usize;
    }
    end
}

fn parse_address(arguments: Vec<String>) -> (String, u16) {
    let parts = match &arguments[..] {
        [address] => address.rsplit_once(':'),
        _ => None,
    };
    let bracketed = |host: &str| host.starts_with('[') && host.ends_with(']');
    match parts.map(|(host, port)| (host, port.parse())) {
        Some((host, Ok(port))) if !host.is_empty() && host.contains(':') == bracketed(host) => {
            (host.to_string(), port)
        }
        _ => {
            eprintln!("usage: broadcast HOST:PORT (IPv6: [HOST]:PORT)");
            process::exit(2)
        }
    }
}
