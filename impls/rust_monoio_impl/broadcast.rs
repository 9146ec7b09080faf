//! Broadcast in Rust on monoio: a thread for each core, with its own io_uring and its own clients.
//!
//! What belongs to a core stays there: clients and outboxes need no lock. A core accepts connections
//! by itself, and the only thing that cores share is one queue of events into each of them.
//! Order: a reading task puts its whole messages into the queues of all cores while it holds the
//! lock of `Core::queues`, so they are in the same order in every queue; the task `broadcast` of a
//! core offers to its clients what comes out of its queue.
//! A slow client: only its own task waits for it. While more than LIMIT bytes are unsent, the client
//! misses new batches, always as whole messages.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::{self, Shutdown, ToSocketAddrs};
use std::rc::Rc;
use std::sync::{Arc, Barrier};
use std::time::Duration;
use std::{env, io, mem, process, thread};

use async_channel::{Receiver, Sender};
use async_lock::Mutex;
use futures_lite::future;
use monoio::buf::IoBufMut;
use monoio::io::{AsyncReadRent, AsyncWriteRentExt, OwnedReadHalf, OwnedWriteHalf, Splitable};
use monoio::net::{TcpListener, TcpStream};
use monoio::time::sleep;
use monoio::{IoUringDriver, RuntimeBuilder};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use socket2::{Domain, SockRef, Socket, Type};

const BACKLOG: i32 = 1024;
const FEW_BYTES: usize = 4 * 1024; // first read: most clients receive more than they send
const CHUNK: usize = 64 * 1024; // largest read: thousands of messages, yet small enough to be fair
const LIMIT: usize = 256 * 1024; // a client with more unsent bytes misses new batches
const WAITING: usize = 64; // events queued for a core; when its queue is full, readers wait
const RETRY: Duration = Duration::from_millis(100); // when no descriptor is left
const LINGER: Duration = Duration::from_secs(10); // for a half-closed client to read the rest

enum Event {
    Joined(usize), // a client of this core, by its number
    Left(usize),
    Received(Arc<[u8]>), // whole messages, of a client of any core
}

/// What a thread has.
struct Core {
    number: usize,
    queues: Arc<Mutex<Vec<Sender<Event>>>>, // of all cores
    clients: RefCell<HashMap<usize, Client>>,
    next: Cell<usize>, // the number of the next client
}

struct Client {
    outbox: Rc<RefCell<Outbox>>,
    bell: Sender<()>, // rung when there is something to send
    joined: Cell<bool>,
}

#[derive(Default)]
struct Outbox {
    data: Vec<u8>,
    unsent: usize, // bytes in `data` or being written
}

/// The connection closes when neither half holds it any more.
async fn serve(stream: TcpStream, core: Rc<Core>) {
    let _ = stream.set_nodelay(true);
    let (reader, writer) = stream.into_split();
    let outbox = Rc::<RefCell<Outbox>>::default();
    let (bell, rung) = async_channel::bounded(1);
    let key = core.next.replace(core.next.get() + 1);
    let client = Client { outbox: outbox.clone(), bell, joined: Cell::new(false) };
    core.clients.borrow_mut().insert(key, client);
    let reading = async {
        enqueue(&core, Event::Joined(key)).await;
        read(reader, &core).await;
        enqueue(&core, Event::Left(key)).await; // then its bell is dropped, and `write` ends
        sleep(LINGER).await; // `write` ends first, unless the client does not read what is unsent
    };
    future::or(write(writer, outbox, rung), reading).await;
}

async fn read(mut stream: OwnedReadHalf<TcpStream>, core: &Core) {
    let mut data = Vec::with_capacity(FEW_BYTES);
    loop {
        // The kernel reads into the buffer when there is something, so it owns the buffer until then.
        let size = data.len();
        let (result, rest) = stream.read(data.slice_mut(size..)).await;
        data = rest.into_inner();
        let Ok(1..) = result else { return }; // a reset ends a connection just as an end of stream does
        let full = data.len() == data.capacity();
        let end = whole_messages(&data);
        if end > 0 {
            publish(core, Arc::from(&data[..end])).await;
            data.drain(..end);
        }
        if full && data.capacity() < CHUNK {
            data.reserve_exact(2 * data.capacity()); // there was more to read
        }
    }
}

/// Send the outbox: one write for everything that was added during the previous write.
async fn write(
    mut stream: OwnedWriteHalf<TcpStream>,
    outbox: Rc<RefCell<Outbox>>,
    bell: Receiver<()>,
) {
    while bell.recv().await.is_ok() {
        let batch = mem::take(&mut outbox.borrow_mut().data);
        let (result, batch) = stream.write_all(batch).await;
        if result.is_ok() {
            outbox.borrow_mut().unsent -= batch.len();
        } // else `read` takes the client's last messages, sees its end as well, and so ends this task
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
async fn publish(core: &Core, batch: Arc<[u8]>) {
    let queues = core.queues.lock().await; // until it has passed through all of them
    for queue in queues.iter() {
        let _ = queue.send(Event::Received(batch.clone())).await; // cannot fail: cores do not end
    }
}

/// Put an event of one client into the common order; it is for its own core only.
async fn enqueue(core: &Core, event: Event) {
    let queues = core.queues.lock().await;
    let _ = queues[core.number].send(event).await;
}

/// The only task of a core that changes its room.
async fn broadcast(core: Rc<Core>, queue: Receiver<Event>) {
    let mut pending = Vec::new();
    while let Ok(event) = queue.recv().await {
        match event {
            Event::Received(batch) => pending.extend_from_slice(&batch),
            Event::Joined(key) => {
                flush(&core, &mut pending); // earlier messages are not for it
                core.clients.borrow()[&key].joined.set(true);
            }
            Event::Left(key) => {
                flush(&core, &mut pending); // a leaving client still receives its own last messages
                core.clients.borrow_mut().remove(&key);
            }
        }
        // Tuned: one offer per client for all that is queued, however many clients have sent.
        if queue.is_empty() || pending.len() >= CHUNK {
            flush(&core, &mut pending);
            future::yield_now().await; // the writers run
        }
    }
}

/// Offer what is pending as one batch.
fn flush(core: &Core, pending: &mut Vec<u8>) {
    if !pending.is_empty() {
        for client in core.clients.borrow().values().filter(|client| client.joined.get()) {
            offer(client, pending);
        }
        pending.clear();
    }
}

/// Drop policy: a client gets all of the batch, or none of it if it is too far behind.
fn offer(client: &Client, batch: &[u8]) {
    let mut outbox = client.outbox.borrow_mut();
    if outbox.unsent <= LIMIT {
        outbox.data.extend_from_slice(batch);
        outbox.unsent += batch.len();
        let _ = client.bell.try_send(()); // fails if it is rung already
    }
}

async fn accept(listener: TcpListener, core: Rc<Core>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(monoio::spawn(serve(stream, core.clone()))),
            Err(_) => sleep(RETRY).await,
        }
    }
}

/// A thread: its ring, its clients and its tasks.
fn run(
    number: usize,
    listener: net::TcpListener,
    queues: Arc<Mutex<Vec<Sender<Event>>>>,
    queue: Receiver<Event>,
    started: &Barrier,
) -> io::Result<()> {
    let core = Rc::new(Core { number, queues, clients: RefCell::default(), next: Cell::new(0) });
    let mut runtime = RuntimeBuilder::<IoUringDriver>::new().enable_timer().build()?;
    started.wait();
    runtime.block_on(async {
        monoio::spawn(broadcast(core.clone(), queue));
        accept(TcpListener::from_std(listener)?, core).await;
        Ok(())
    })
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

fn listen(host: &str, port: u16) -> io::Result<net::TcpListener> {
    let address = (host, port).to_socket_addrs()?.next().ok_or(io::ErrorKind::NotFound)?;
    // Not monoio's own listener: it shares its port with other processes (SO_REUSEPORT), and then a
    // second server on the same address starts without an error.
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
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
    let mut signals = Signals::new([SIGINT, SIGTERM]).expect("they can be caught");
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let (queues, ends): (Vec<_>, Vec<_>) =
        (0..cores).map(|_| async_channel::bounded(WAITING)).unzip();
    let queues = Arc::new(Mutex::new(queues));
    let started = Arc::new(Barrier::new(cores + 1));
    for (number, queue) in ends.into_iter().enumerate() {
        let listener = listener.try_clone().expect("a descriptor is left");
        let queues = queues.clone();
        let started = started.clone();
        thread::spawn(move || {
            run(number, listener, queues, queue, &started).expect("there is an io_uring");
        });
    }
    started.wait(); // until every core has its ring
    println!("listening on {host}:{port}");
    signals.forever().next();
    // A ring lets go of its sockets some time after its process has ended; until then no other process
    // could listen on this address.
    let _ = SockRef::from(&listener).shutdown(Shutdown::Both);
}
