//! Broadcast in Rust on mio: one thread, one loop that waits for ready clients, no lock.
//!
//! Order: a turn of the loop reads from every client that has sent something, straight into one
//! buffer, `pending`; at its end the whole messages collected there go to all clients with one write
//! each. The position of a message in that buffer is its place in the common order.
//! A slow client: what the kernel does not take is kept for it. While that is more than LIMIT bytes,
//! the client misses new batches, always as whole messages. No client waits for another.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::ToSocketAddrs;
use std::time::{Duration, Instant};
use std::{env, mem, process};

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use socket2::{Domain, Socket, Type};

const BACKLOG: i32 = 1024;
const CHUNK: usize = 64 * 1024; // bytes per read
const LIMIT: usize = 256 * 1024; // a client with more unsent bytes misses new batches
const MESSAGE: usize = 256; // bytes of the longest message, including its header
const MAX_PENDING: usize = 2 * CHUNK + MESSAGE; // bytes collected at most before they are sent
const EVENTS: usize = 256;
const RETRY: Duration = Duration::from_millis(100); // when no descriptor is left
const LINGER: Duration = Duration::from_secs(10); // for a half-closed client to read the rest
const LISTENER: Token = Token(usize::MAX); // clients' tokens count from 0

struct Client {
    stream: TcpStream,
    rest: Vec<u8>,   // the unfinished message at the end of its input
    unsent: Vec<u8>, // what the kernel did not take; its first `sent` bytes are sent by now
    sent: usize,
    ready: bool,               // it is in `Room::ready`
    excluded: bool,            // it gets no new batches
    deadline: Option<Instant>, // its stream has ended: send what is unsent until then, and close
}

struct Room {
    poll: Poll,
    listener: TcpListener,
    resting: bool, // connections may be waiting, and no descriptor was left
    clients: Slab<Client>,
    ready: Vec<usize>,                   // clients that may have unread input
    dead: Vec<usize>,                    // clients to close at the end of the turn
    leaving: VecDeque<(Instant, usize)>, // deadlines; all are equally far away, so it is in order
    pending: Box<[u8]>,
    gathered: usize, // bytes of whole messages in `pending`
}

impl Room {
    /// The loop: read from all clients that are ready, and send what they have sent.
    fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            match self.poll.poll(&mut events, self.timeout()) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {} // interrupted, it returns no events
            }
            if self.resting {
                self.accept();
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(),
                    Token(key) => self.wake(key, event),
                }
            }
            // One read each, so that a flood does not starve the others.
            for key in mem::take(&mut self.ready) {
                self.serve(key);
            }
            self.broadcast();
            self.remove_dead(); // not earlier: there may be an event for it
            self.remove_late();
        }
    }

    /// How long the loop may wait for an event: without end, if there is nothing else to do.
    fn timeout(&self) -> Option<Duration> {
        if !self.ready.is_empty() {
            return Some(Duration::ZERO);
        }
        let retry = self.resting.then_some(RETRY);
        let next = self.leaving.front();
        let next = next.map(|(deadline, _)| deadline.saturating_duration_since(Instant::now()));
        retry.into_iter().chain(next).min()
    }

    fn wake(&mut self, key: usize, event: &Event) {
        let client = &mut self.clients[key];
        if event.is_readable() && !client.ready && client.deadline.is_none() {
            client.ready = true;
            self.ready.push(key);
        }
        if event.is_writable() && !client.unsent.is_empty() {
            self.flush(key);
        }
    }

    fn serve(&mut self, key: usize) {
        if self.gathered + MESSAGE + CHUNK > MAX_PENDING {
            self.broadcast();
        }
        let client = &mut self.clients[key];
        let (start, middle) = (self.gathered, self.gathered + client.rest.len());
        // Tuned: read the messages straight into place; only those that are cut in two are copied.
        self.pending[start..middle].copy_from_slice(&client.rest);
        let got = match client.stream.read(&mut self.pending[middle..middle + CHUNK]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                client.ready = false; // mio reports the next input
                return;
            }
            Err(_) | Ok(0) => return self.leave(key), // a reset is an end too
            Ok(got) => got,
        };
        self.ready.push(key); // mio reports readiness once: read until it would block
        let data = &self.pending[start..middle + got];
        let whole = whole_messages(data);
        client.rest.clear();
        client.rest.extend_from_slice(&data[whole..]);
        self.gathered += whole;
    }

    fn leave(&mut self, key: usize) {
        self.broadcast(); // a leaving client still receives its own last messages
        let client = &mut self.clients[key];
        client.excluded = true;
        let deadline = Instant::now() + LINGER;
        client.deadline = Some(deadline);
        if client.unsent.is_empty() {
            self.dead.push(key);
        } else {
            self.leaving.push_back((deadline, key)); // it may never read
        }
    }

    fn flush(&mut self, key: usize) {
        let client = &mut self.clients[key];
        client.sent += send(&client.stream, &client.unsent[client.sent..], &mut client.excluded);
        if client.sent == client.unsent.len() {
            client.sent = 0;
            client.unsent = Vec::new(); // not clear(): most clients are never slow again
            if client.deadline.is_some() {
                self.dead.push(key);
            }
        }
    }

    /// Tuned: offer what is pending as one batch, one write per client, however many have sent.
    fn broadcast(&mut self) {
        let batch = &self.pending[..mem::take(&mut self.gathered)];
        if !batch.is_empty() {
            for (_, client) in self.clients.iter_mut().filter(|(_, client)| !client.excluded) {
                client.offer(batch);
            }
        }
    }

    fn remove_dead(&mut self) {
        for key in self.dead.drain(..) {
            self.clients.remove(key); // which closes the connection
        }
    }

    /// Close the clients that have not read what is unsent until their deadline.
    fn remove_late(&mut self) {
        let late = |next: &&(Instant, usize)| next.0 <= Instant::now();
        while let Some(&(deadline, key)) = self.leaving.front().filter(late) {
            self.leaving.pop_front();
            // Another client may have its key by now, with another deadline or none.
            if self.clients.get(key).is_some_and(|client| client.deadline == Some(deadline)) {
                self.clients.remove(key);
            }
        }
    }

    fn accept(&mut self) {
        self.resting = false;
        loop {
            match self.listener.accept() {
                Ok((mut stream, _)) => {
                    let entry = self.clients.vacant_entry();
                    let token = Token(entry.key());
                    // Tuned: both, once and for all. A client that is slow for a while costs no call
                    // to change what it waits for; mio's events report changes only.
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
}

impl Client {
    fn new(stream: TcpStream) -> Client {
        let (rest, unsent) = (Vec::new(), Vec::new());
        Client { stream, rest, unsent, sent: 0, ready: false, excluded: false, deadline: None }
    }

    /// Drop policy: a client gets all of the batch, or none of it if it is too far behind.
    fn offer(&mut self, mut batch: &[u8]) {
        if self.unsent.is_empty() {
            batch = &batch[send(&self.stream, batch, &mut self.excluded)..];
        }
        if self.unsent.len() - self.sent <= LIMIT {
            self.unsent.drain(..mem::take(&mut self.sent));
            self.unsent.extend_from_slice(batch);
        }
    }
}

/// Send what the kernel takes now, and return how many bytes that is.
fn send(mut stream: &TcpStream, data: &[u8], excluded: &mut bool) -> usize {
    let mut sent = 0;
    while sent < data.len() {
        match stream.write(&data[sent..]) {
            Ok(size) => sent += size,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(_) => {
                *excluded = true; // reading takes the last messages, and sees the end as well
                return data.len();
            }
        }
    }
    sent
}

/// The length of the longest prefix of `data` that consists of whole messages.
fn whole_messages(data: &[u8]) -> usize {
    let mut end = 0;
    while end < data.len() && end + 1 + data[end] as usize <= data.len() {
        end += 1 + data[end] as usize;
    }
    end
}

// From here on: the address, the listener, and the start.

/// The host as it was given and without brackets, which only IPv6 has, and the port.
fn parse_address(arguments: &[String]) -> Option<(&str, &str, u16)> {
    let [address] = arguments else { return None };
    let (host, port) = address.rsplit_once(':')?;
    let bare = host.trim_matches(['[', ']']);
    let is_host = if bare.contains(':') { host == format!("[{bare}]") } else { host == bare };
    let is_address = is_host && !bare.is_empty() && !port.starts_with('+');
    is_address.then_some((host, bare, port.parse().ok()?))
}

fn listen(host: &str, port: u16) -> io::Result<Room> {
    let address = (host, port).to_socket_addrs()?.next().ok_or(ErrorKind::NotFound)?;
    // Not mio's own listener: its backlog is 128. All connections inherit what is set here.
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
        leaving: VecDeque::new(),
        pending: vec![0; MAX_PENDING].into(),
        gathered: 0,
    };
    room.poll.registry().register(&mut room.listener, LISTENER, Interest::READABLE)?;
    Ok(room)
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let Some((host, bare, port)) = parse_address(&arguments) else {
        eprintln!("usage: broadcast HOST:PORT (IPv6: [HOST]:PORT)");
        process::exit(2)
    };
    let mut room = listen(bare, port).unwrap_or_else(|error| {
        eprintln!("cannot listen on {host}:{port}: {error}");
        process::exit(1)
    });
    let port = room.listener.local_addr().expect("it is bound").port();
    println!("listening on {host}:{port}");
    // SIGINT and SIGTERM end the process, as they do unless one asks for something else.
    if let Err(error) = room.run() {
        eprintln!("cannot wait for clients: {error}");
        process::exit(1)
    }
}
