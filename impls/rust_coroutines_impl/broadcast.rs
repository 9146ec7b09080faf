//! Broadcast in Rust on coroutines with their own stacks, and a scheduler of forty lines. Every
//! connection has one that reads, and a second one only while the client takes less than it is
//! offered. Waiting looks like blocking: no function has to be `async`.
//!
//! Order: every reading coroutine appends its whole messages to the one `pending`, and lets the
//! others run; then one of them sends everything to all clients: that is the common order.
//! A slow client: what the kernel does not take is kept, and sent by a coroutine that waits for this
//! client only. While that is more than LIMIT bytes, the client misses new batches, always as whole
//! messages.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, ToSocketAddrs};
use std::os::fd::{AsRawFd, RawFd};
use std::rc::Rc;
use std::time::{Duration, Instant};
use std::{env, mem, process};

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};
use socket2::{Domain, Socket, Type};

const BACKLOG: i32 = 1024;
const CHUNK: usize = 64 * 1024; // bytes per read: thousands of messages, yet small enough to be fair
const LIMIT: usize = 256 * 1024; // a client with more unsent bytes misses new batches
const FEW_BYTES: usize = 4 * 1024; // first read: most clients receive more than they send
const STACK: usize = 64 * 1024; // bytes per coroutine; only pages in use cost memory
const EVENTS: usize = 256;
const RETRY: Duration = Duration::from_millis(100); // when no descriptor is left
const LINGER: Duration = Duration::from_secs(10); // for a half-closed client to read the rest

/// What a coroutine waits for.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Wait {
    Turn,   // until the other ready coroutines have run
    Pause,  // until the next event, at most RETRY; only `accept` uses it
    Linger, // for LINGER; only `serve` uses it, when its client has left
    Readable(RawFd),
    Writable(RawFd),
}

type Task = Coroutine<(), Wait, ()>;
type Me = Yielder<(), Wait>; // the running coroutine's handle, with which it can wait

struct Client {
    stream: TcpStream,
    outbox: RefCell<Outbox>,
}

#[derive(Default)]
struct Outbox {
    data: Vec<u8>,
    unsent: usize,  // bytes in `data` or being written
    writing: bool,  // a second coroutine sends what the kernel did not take
    excluded: bool, // this client gets no new batches
}

/// What all coroutines share. It needs no lock: no other coroutine runs until the current one waits.
struct Room {
    registry: Registry,
    ready: RefCell<Vec<Task>>, // the coroutines to run in the next turn
    clients: RefCell<HashMap<RawFd, Rc<Client>>>,
    pending: RefCell<Vec<u8>>, // whole messages in their final order, not yet sent
}

fn serve(me: &Me, room: &Rc<Room>, stream: TcpStream) {
    let fd = stream.as_raw_fd();
    let client = Rc::new(Client { stream, outbox: RefCell::default() });
    room.clients.borrow_mut().insert(fd, client.clone());
    let (mut data, mut size) = (vec![0; FEW_BYTES], 0);
    let read = |data: &mut [u8]| block(me, Wait::Readable(fd), || (&client.stream).read(data));
    // A reset ends a connection just as an end of stream does.
    while let Ok(got @ 1..) = read(&mut data[size..]) {
        size += got;
        if size == data.len() && size < CHUNK {
            data.resize(2 * size, 0); // there was more to read
        }
        let end = whole_messages(&data[..size]);
        if end > 0 {
            broadcast(me, room, &data[..end]);
            data.copy_within(end..size, 0);
            size -= end;
        }
    }
    room.clients.borrow_mut().remove(&fd);
    let leaving = Rc::downgrade(&client);
    drop(client); // it closes when no coroutine holds it any more
    if leaving.strong_count() > 0 {
        me.suspend(Wait::Linger); // `write` still sends, and the client may never read
    }
    if let Some(client) = leaving.upgrade() {
        let _ = client.stream.shutdown(Shutdown::Both); // now `write` fails, and ends
    }
}

/// The second coroutine of a connection: it sends what the kernel did not take, and ends.
fn write(me: &Me, client: &Client) {
    let mut batch = Vec::new();
    loop {
        let mut outbox = client.outbox.borrow_mut();
        outbox.unsent -= batch.len();
        batch = mem::take(&mut outbox.data);
        outbox.writing = !batch.is_empty();
        if !outbox.writing {
            return;
        }
        drop(outbox); // others need it while this one waits
        let mut rest = &batch[..];
        while !rest.is_empty() {
            let wait = Wait::Writable(client.stream.as_raw_fd());
            match block(me, wait, || (&client.stream).write(rest)) {
                Ok(sent) => rest = &rest[sent..],
                Err(_) => {
                    client.outbox.borrow_mut().excluded = true;
                    return; // the reader takes the client's last messages, and sees its end
                }
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

/// Append these messages to the common order.
fn broadcast(me: &Me, room: &Rc<Room>, batch: &[u8]) {
    let first = room.pending.borrow().is_empty();
    room.pending.borrow_mut().extend_from_slice(batch);
    if room.pending.borrow().len() >= CHUNK {
        flush(room);
    }
    // Other ready readers append theirs first, and one flush sends it all. Only the coroutine that
    // found nothing pending flushes: if each did, there would be a write to all for every sender.
    me.suspend(Wait::Turn);
    if first {
        flush(room);
    }
}

/// Offer what is pending as one batch: one offer per client, however many clients have sent.
fn flush(room: &Rc<Room>) {
    let batch = room.pending.take();
    if !batch.is_empty() {
        for client in room.clients.borrow().values() {
            offer(room, client, &batch);
        }
    }
}

/// Drop policy: a client gets all of the batch, or none of it if it is too far behind.
fn offer(room: &Rc<Room>, client: &Rc<Client>, mut batch: &[u8]) {
    let mut outbox = client.outbox.borrow_mut();
    if outbox.excluded || outbox.unsent > LIMIT {
        return;
    }
    if !outbox.writing {
        match (&client.stream).write(batch) {
            Ok(sent) => batch = &batch[sent..],
            Err(error) => outbox.excluded = error.kind() != ErrorKind::WouldBlock,
        }
        if batch.is_empty() || outbox.excluded {
            return;
        }
        let writer = client.clone();
        if start(room, move |me, _| write(me, &writer)).is_err() {
            outbox.excluded = true;
            let _ = client.stream.shutdown(Shutdown::Both); // a message may be cut in two
            return;
        }
        outbox.writing = true;
    }
    outbox.data.extend_from_slice(batch);
    outbox.unsent += batch.len();
}

fn accept(me: &Me, room: &Rc<Room>, listener: &TcpListener) {
    let wait = Wait::Readable(listener.as_raw_fd());
    loop {
        let accepted = block(me, wait, || listener.accept()).and_then(|(mut stream, _)| {
            let token = Token(stream.as_raw_fd() as usize);
            let both = Interest::READABLE | Interest::WRITABLE;
            room.registry.register(&mut stream, token, both)?;
            start(room, move |me, room| serve(me, room, stream))
        });
        if accepted.is_err() {
            me.suspend(Wait::Pause);
        }
    }
}

/// The scheduler: run the ready coroutines, and ask the kernel for the next.
fn run(mut poll: Poll, room: &Room) -> io::Result<()> {
    let mut waiting = HashMap::new();
    let mut lingering = VecDeque::new(); // all linger equally long, so their deadlines are in order
    let mut events = Events::with_capacity(EVENTS);
    loop {
        for mut task in room.ready.take() {
            match task.resume(()) {
                CoroutineResult::Yield(Wait::Turn) => room.ready.borrow_mut().push(task),
                CoroutineResult::Yield(Wait::Linger) => {
                    lingering.push_back((Instant::now() + LINGER, task));
                }
                CoroutineResult::Yield(wait) => drop(waiting.insert(wait, task)),
                CoroutineResult::Return(()) => {}
            }
        }
        let mut ready = room.ready.borrow_mut();
        let turn = (!ready.is_empty()).then_some(Duration::ZERO);
        let pause = waiting.contains_key(&Wait::Pause).then_some(RETRY);
        let linger = lingering.front();
        let linger = linger.map(|(deadline, _)| deadline.saturating_duration_since(Instant::now()));
        match poll.poll(&mut events, [turn, pause, linger].into_iter().flatten().min()) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {} // interrupted, it returns no events
        }
        ready.extend(waiting.remove(&Wait::Pause));
        while lingering.front().is_some_and(|(deadline, _)| *deadline <= Instant::now()) {
            ready.extend(lingering.pop_front().map(|(_, task)| task));
        }
        for event in &events {
            let fd = event.token().0 as RawFd;
            if event.is_readable() {
                ready.extend(waiting.remove(&Wait::Readable(fd)));
            }
            if event.is_writable() {
                ready.extend(waiting.remove(&Wait::Writable(fd)));
            }
        }
    }
}

/// Start a coroutine, which first runs in the next turn.
fn start(room: &Rc<Room>, work: impl FnOnce(&Me, &Rc<Room>) + 'static) -> io::Result<()> {
    let stack = DefaultStack::new(STACK)?;
    let its_room = room.clone();
    let task = Task::with_stack(stack, move |me, ()| work(me, &its_room));
    room.ready.borrow_mut().push(task);
    Ok(())
}

/// Try again whenever the kernel is ready, until it no longer blocks; others run meanwhile.
fn block<T>(me: &Me, wait: Wait, mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match attempt() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => me.suspend(wait),
            result => return result,
        }
    }
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

fn listen(host: &str, port: u16, registry: &Registry) -> io::Result<TcpListener> {
    let address = (host, port).to_socket_addrs()?.next().ok_or(ErrorKind::NotFound)?;
    // Not mio's own listener: its backlog is 128. All connections inherit what is set here.
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let mut listener = TcpListener::from_std(socket.into());
    let token = Token(listener.as_raw_fd() as usize);
    registry.register(&mut listener, token, Interest::READABLE)?;
    Ok(listener)
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let Some((host, bare, port)) = parse_address(&arguments) else {
        eprintln!("usage: broadcast HOST:PORT (IPv6: [HOST]:PORT)");
        process::exit(2)
    };
    let poll = Poll::new().expect("there is epoll");
    let registry = poll.registry().try_clone().expect("there is a descriptor");
    let listener = listen(bare, port, &registry).unwrap_or_else(|error| {
        eprintln!("cannot listen on {host}:{port}: {error}");
        process::exit(1)
    });
    let port = listener.local_addr().expect("it is bound").port();
    println!("listening on {host}:{port}");
    let (ready, clients, pending) = (RefCell::default(), RefCell::default(), RefCell::default());
    let room = Rc::new(Room { registry, ready, clients, pending });
    start(&room, move |me, room| accept(me, room, &listener)).expect("there is memory");
    // SIGINT and SIGTERM end the process, as they do unless one asks for something else.
    if let Err(error) = run(poll, &room) {
        eprintln!("cannot wait for clients: {error}");
        process::exit(1)
    }
}
