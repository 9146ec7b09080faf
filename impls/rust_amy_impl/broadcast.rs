//! Broadcast in Rust on amy: one thread waits for ready clients, another does the work.
//!
//! Order: the working thread reads from all clients that it is notified of; their whole messages are
//! collected in `pending`, and go to all clients with one write each: that is the common order.
//! A slow client: what the kernel does not take is kept for it. While that is more than LIMIT bytes,
//! the client misses new batches, always as whole messages. No client waits for another.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};
use std::{env, mem, process, thread};

use amy::{Event, Notification, Poller, Registrar};
use socket2::{Domain, Socket, Type};

const BACKLOG: i32 = 1024;
const CHUNK: usize = 64 * 1024; // bytes per read: thousands of messages, yet small enough to be fair
const LIMIT: usize = 256 * 1024; // a client with more unsent bytes misses new batches
const MESSAGE: usize = 256; // bytes of the longest message, including its header
const MINUTE_MS: usize = 60 * 1000; // amy has no timeout without end
const MINUTE: Duration = Duration::from_millis(MINUTE_MS as u64);
const RETRY: Duration = Duration::from_millis(100); // when no descriptor is left
const LINGER: Duration = Duration::from_secs(10); // for a half-closed client to read the rest

struct Client {
    stream: TcpStream,
    rest: Vec<u8>,   // the unfinished message at the end of its input
    unsent: Vec<u8>, // what the kernel did not take
    excluded: bool,  // it gets no new batches
    left: bool,      // its stream has ended: send what is unsent, then close
}

struct Room {
    listener: TcpListener,
    registrar: Registrar,
    listener_id: usize,                  // amy's number for the listener
    resting: bool,                       // connections may be waiting, and no descriptor was left
    clients: HashMap<usize, Client>,     // by amy's numbers, which are never reused
    ready: HashSet<usize>,               // clients that may have unread input
    leaving: VecDeque<(Instant, usize)>, // deadlines; all are equally far away, so it is in order
    pending: Vec<u8>,                    // whole messages in their final order, not yet sent
    input: Vec<u8>,                      // what has just been read
}

/// The polling thread: wait until clients are ready, and notify the room's thread.
///
/// When it ends, for whatever reason, it drops its end of the channel, and the room ends as well.
fn poll(mut poller: Poller, sender: SyncSender<Vec<Notification>>) {
    loop {
        match poller.wait(MINUTE_MS) {
            Ok(notifications) => sender.send(notifications).expect("the room outlives this thread"),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => panic!("cannot wait for clients: {error}"),
        }
    }
}

impl Room {
    /// The room's thread: read from all clients that are ready, and send what they have sent.
    ///
    /// Return when the polling thread has ended.
    fn run(mut self, receiver: &Receiver<Vec<Notification>>) {
        loop {
            let notifications = match receiver.recv_timeout(self.timeout()) {
                Ok(notifications) => notifications,
                Err(RecvTimeoutError::Timeout) => Vec::new(),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if self.resting {
                self.accept();
            }
            for notification in notifications {
                self.wake(&notification);
            }
            // One read each, so that a flood does not starve the others.
            for id in mem::take(&mut self.ready) {
                self.serve(id);
            }
            self.broadcast();
            self.remove_late();
        }
    }

    /// How long the room may wait for a notification.
    fn timeout(&self) -> Duration {
        if !self.ready.is_empty() {
            return Duration::ZERO;
        }
        let longest = if self.resting { RETRY } else { MINUTE };
        self.leaving.front().map_or(longest, |(deadline, _)| {
            deadline.saturating_duration_since(Instant::now()).min(longest)
        })
    }

    fn wake(&mut self, notification: &Notification) {
        if notification.id == self.listener_id {
            return self.accept();
        }
        if notification.event.writable() {
            self.flush(notification.id);
        }
        if notification.event.readable() {
            self.ready.insert(notification.id);
        }
    }

    fn serve(&mut self, id: usize) {
        let Some(client) = self.clients.get_mut(&id).filter(|client| !client.left) else { return };
        let before = client.rest.len();
        self.input[..before].copy_from_slice(&client.rest);
        let got = match client.stream.read(&mut self.input[before..]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return, // amy notifies us of more
            Err(_) | Ok(0) => return self.leave(id),                       // a reset is an end too
            Ok(got) => got,
        };
        let data = &self.input[..before + got];
        let (whole, rest) = data.split_at(whole_messages(data));
        client.rest = rest.to_vec();
        self.pending.extend_from_slice(whole);
        self.ready.insert(id); // amy notifies once, so there may be more
        if self.pending.len() >= CHUNK {
            self.broadcast();
        }
    }

    fn leave(&mut self, id: usize) {
        self.broadcast(); // a leaving client still receives its own last messages
        let client = self.clients.get_mut(&id).expect("it has just been read");
        client.left = true;
        client.excluded = true;
        self.flush(id);
        if self.clients.contains_key(&id) {
            self.leaving.push_back((Instant::now() + LINGER, id)); // it may never read
        }
    }

    fn flush(&mut self, id: usize) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let mut unsent = mem::take(&mut client.unsent);
        if !unsent.is_empty() {
            unsent.drain(..client.send(&unsent)); // amy reports each input as both, so it is often empty
        }
        client.unsent = unsent;
        if client.unsent.is_empty() && client.left {
            self.clients.remove(&id); // which closes the connection
        }
    }

    /// Close the clients that have not read what is unsent until their deadline.
    fn remove_late(&mut self) {
        let late = |next: &&(Instant, usize)| next.0 <= Instant::now();
        while let Some(&(_, id)) = self.leaving.front().filter(late) {
            self.leaving.pop_front();
            self.clients.remove(&id); // if it is still there
        }
    }

    /// Tuned: offer what is pending as one batch, one write per client, however many have sent.
    fn broadcast(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        for client in self.clients.values_mut().filter(|client| !client.excluded) {
            client.offer(&self.pending);
        }
        self.pending.clear();
    }

    fn accept(&mut self) {
        self.resting = false;
        loop {
            let accepted = self.listener.accept().and_then(|(stream, _)| {
                stream.set_nonblocking(true)?;
                Ok((self.registrar.register(&stream, Event::Both)?, stream))
            });
            match accepted {
                Ok((id, stream)) => drop(self.clients.insert(id, Client::new(stream))),
                Err(error) => {
                    self.resting = error.kind() != ErrorKind::WouldBlock;
                    return;
                }
            }
        }
    }
}

impl Client {
    fn new(stream: TcpStream) -> Client {
        Client { stream, rest: Vec::new(), unsent: Vec::new(), excluded: false, left: false }
    }

    /// Drop policy: a client gets all of the batch, or none of it if it is too far behind.
    fn offer(&mut self, batch: &[u8]) {
        if self.unsent.is_empty() {
            let sent = self.send(batch);
            self.unsent = batch[sent..].to_vec();
        } else if self.unsent.len() <= LIMIT {
            self.unsent.extend_from_slice(batch);
        }
    }

    /// Send what the kernel takes now, and return how many bytes that is.
    fn send(&mut self, data: &[u8]) -> usize {
        match self.stream.write(data) {
            Ok(sent) => sent,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(_) => {
                self.excluded = true; // reading takes the last messages, and sees the end as well
                data.len()
            }
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

fn listen(host: &str, port: u16) -> io::Result<TcpListener> {
    let address = (host, port).to_socket_addrs()?.next().ok_or(ErrorKind::NotFound)?;
    // Not the standard library's listener: its backlog is 128.
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?; // its connections inherit it
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let Some((host, bare, port)) = parse_address(&arguments) else {
        eprintln!("usage: broadcast HOST:PORT (IPv6: [HOST]:PORT)");
        process::exit(2)
    };
    let listener = listen(bare, port).unwrap_or_else(|error| {
        eprintln!("cannot listen on {host}:{port}: {error}");
        process::exit(1)
    });
    let port = listener.local_addr().expect("it is bound").port();
    let poller = Poller::new().expect("there is epoll");
    let registrar = poller.get_registrar();
    let listener_id = registrar.register(&listener, Event::Read).expect("it is new");
    let (sender, receiver) = mpsc::sync_channel(1); // the polling thread waits while the room works
    let room = Room {
        listener,
        registrar,
        listener_id,
        resting: false,
        clients: HashMap::new(),
        ready: HashSet::new(),
        leaving: VecDeque::new(),
        pending: Vec::new(),
        input: vec![0; MESSAGE + CHUNK],
    };
    thread::spawn(|| poll(poller, sender));
    println!("listening on {host}:{port}");
    // SIGINT and SIGTERM end the process, as they do unless one asks for something else. So does a
    // fault in either thread: the room is on the main thread, and ends when the other one has ended.
    room.run(&receiver);
    process::exit(1)
}
