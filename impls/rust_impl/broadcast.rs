//! Broadcast in Rust: two threads per connection, and shared data only behind locks.
//!
//! Order: every reading thread puts its whole messages into the outboxes of all clients while it
//! holds the room's lock; the order in which threads get that lock is the common order.
//! A slow client: only its own writing thread waits for it. While more than LIMIT bytes are unsent,
//! the client misses new batches, always as whole messages.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, Builder};
use std::time::Duration;
use std::{env, io, mem, process};

const BACKLOG: i32 = 1024;
const FEW_BYTES: usize = 4 * 1024; // first read: most clients receive more than they send
const CHUNK: usize = 64 * 1024; // largest read: thousands of messages, yet small enough to be fair
const LIMIT: usize = 256 * 1024; // a client with more unsent bytes misses new batches
const RETRY: Duration = Duration::from_millis(100); // when no descriptor or thread is left
const LINGER: Duration = Duration::from_secs(10); // for a half-closed client to read the rest
const STACK: usize = 64 * 1024; // bytes per thread
const MOST: usize = 6000; // clients: each takes up to ten of a process's 65,530 memory maps

struct Client {
    stream: TcpStream,
    outbox: Mutex<Outbox>,
    wake: Condvar,  // its writer waits for something to send
    ended: Condvar, // its reader waits until its writer has ended
}

#[derive(Default)]
struct Outbox {
    data: Vec<u8>,
    unsent: usize, // bytes in `data` or being written
    leaving: bool, // the reader has ended: nothing is added any more
    closed: bool,  // the writer has ended: nothing is sent any more
}

static ROOM: Mutex<Vec<Arc<Client>>> = Mutex::new(Vec::new());

/// The number of clients.
static CLIENTS: AtomicUsize = AtomicUsize::new(0);

impl Client {
    fn new(stream: TcpStream) -> Self {
        CLIENTS.fetch_add(1, Ordering::Relaxed);
        let (outbox, wake, ended) = (Mutex::default(), Condvar::new(), Condvar::new());
        Client { stream, outbox, wake, ended }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        CLIENTS.fetch_sub(1, Ordering::Relaxed);
    }
}

fn serve(client: Client) {
    let _ = client.stream.set_nodelay(true);
    let client = Arc::new(client);
    let writer = client.clone();
    if spawn(move || write(&writer)).is_err() {
        return; // which closes the connection
    }
    ROOM.lock().unwrap().push(client.clone());
    read(&client.stream);
    leave(&client);
}

fn read(mut stream: &TcpStream) {
    let (mut data, mut size) = (vec![0; FEW_BYTES], 0);
    // A reset ends a connection just as an end of stream does.
    while let Ok(got @ 1..) = stream.read(&mut data[size..]) {
        size += got;
        if size == data.len() && size < CHUNK {
            data.resize(2 * size, 0); // there was more to read
        }
        let end = whole_messages(&data[..size]);
        if end > 0 {
            broadcast(&data[..end]);
            data.copy_within(end..size, 0);
            size -= end;
        }
    }
}

/// Send the outbox: one write for everything that was added during the previous write.
fn write(client: &Client) {
    let mut batch = Vec::new();
    while take(client, &mut batch) {
        if (&client.stream).write_all(&batch).is_err() {
            let _ = client.stream.shutdown(Shutdown::Both); // its reader ends, after what has arrived
            break;
        }
    }
    client.outbox.lock().unwrap().closed = true;
    client.ended.notify_one();
}

/// Wait for the next batch, and replace the one that was sent; false when the client has left.
fn take(client: &Client, batch: &mut Vec<u8>) -> bool {
    let mut outbox = client.outbox.lock().unwrap();
    outbox.unsent -= batch.len();
    batch.clear();
    let idle = |outbox: &mut Outbox| outbox.data.is_empty() && !outbox.leaving;
    let mut outbox = client.wake.wait_while(outbox, idle).unwrap();
    mem::swap(batch, &mut outbox.data);
    !batch.is_empty()
}

/// What is unsent is sent first; a client that does not read it is not waited for any longer.
fn leave(client: &Arc<Client>) {
    ROOM.lock().unwrap().retain(|other| !Arc::ptr_eq(other, client));
    let mut outbox = client.outbox.lock().unwrap();
    outbox.leaving = true;
    client.wake.notify_one();
    let writing = |outbox: &mut Outbox| !outbox.closed;
    drop(client.ended.wait_timeout_while(outbox, LINGER, writing).unwrap());
    let _ = client.stream.shutdown(Shutdown::Both); // this ends the writing thread, if it still waits
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
fn broadcast(batch: &[u8]) {
    let room = ROOM.lock().unwrap();
    let idle: Vec<_> = room.iter().filter(|client| offer(client, batch)).cloned().collect();
    drop(room); // unlocks it, so that no thread that wakes has to wait for this one
    for client in idle {
        client.wake.notify_one();
    }
}

/// Drop policy: a client gets all of the batch, or none of it if it is too far behind.
///
/// Return whether its writer has to be woken.
fn offer(client: &Client, batch: &[u8]) -> bool {
    let mut outbox = client.outbox.lock().unwrap();
    let idle = outbox.unsent == 0; // otherwise its writer looks again after its present write
    if outbox.unsent <= LIMIT {
        outbox.data.extend_from_slice(batch);
        outbox.unsent += batch.len();
    }
    idle
}

fn accept(listener: &TcpListener) {
    for stream in listener.incoming() {
        if stream.map(Client::new).and_then(|client| spawn(|| serve(client))).is_err() {
            thread::sleep(RETRY);
        }
        while CLIENTS.load(Ordering::Relaxed) == MOST {
            thread::sleep(RETRY); // std aborts when it finds no map for a thread
        }
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    Builder::new().stack_size(STACK).spawn(work).map(drop)
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

unsafe extern "C" {
    safe fn listen(descriptor: i32, backlog: i32) -> i32; // of the C library
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let Some((host, bare, port)) = parse_address(&arguments) else {
        eprintln!("usage: broadcast HOST:PORT (IPv6: [HOST]:PORT)");
        process::exit(2)
    };
    let listener = TcpListener::bind((bare, port)).unwrap_or_else(|error| {
        eprintln!("cannot listen on {host}:{port}: {error}");
        process::exit(1)
    });
    listen(listener.as_raw_fd(), BACKLOG); // once more: std's own backlog is 128
    let port = listener.local_addr().expect("it is bound").port();
    println!("listening on {host}:{port}");
    // SIGINT and SIGTERM end the process, as they do unless one asks for something else.
    accept(&listener);
}
