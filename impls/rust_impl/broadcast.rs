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
const LINGER_MS: i32 = 10_000; // for a client that has closed its sending side to read the rest
const TCP: i32 = 6; // a level of options, of which this is one:
const USER_TIMEOUT: i32 = 18;
const STACK: usize = 64 * 1024; // bytes per thread
const MOST: usize = 6000; // clients: each takes up to ten of a process's 65,530 memory maps

struct Client {
    stream: TcpStream,
    outbox: Mutex<Outbox>,
    wake: Condvar,
}

/// The number of clients.
static CLIENTS: AtomicUsize = AtomicUsize::new(0);

impl Client {
    fn new(stream: TcpStream) -> Self {
        CLIENTS.fetch_add(1, Ordering::Relaxed);
        Client { stream, outbox: Mutex::default(), wake: Condvar::new() }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        CLIENTS.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Outbox {
    data: Vec<u8>,
    unsent: usize, // bytes in `data` or being written
    leaving: bool,
}

static ROOM: Mutex<Vec<Arc<Client>>> = Mutex::new(Vec::new());

// The standard library has no signals, no choice of the backlog and not all options of TCP; the C
// library has all of these.
unsafe extern "C" {
    fn signal(number: i32, handler: extern "C" fn(i32)) -> usize;
    fn listen(descriptor: i32, backlog: i32) -> i32;
    fn setsockopt(descriptor: i32, level: i32, name: i32, value: &i32, size: u32) -> i32;
    fn _exit(status: i32) -> !;
}

extern "C" fn stop(_: i32) {
    unsafe { _exit(0) } // nothing needs saving, and the kernel closes every connection
}

fn main() {
    let (host, port) = parse_address(env::args().skip(1).collect());
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let listener = TcpListener::bind((bare, port)).unwrap_or_else(|error| {
        eprintln!("cannot listen on {host}:{port}: {error}");
        process::exit(1)
    });
    unsafe {
        for number in [2, 15] {
            signal(number, stop); // SIGINT, SIGTERM
        }
        listen(listener.as_raw_fd(), BACKLOG); // once more: std's backlog of 128 is too small
    }
    let port = listener.local_addr().expect("it is bound").port();
    println!("listening on {host}:{port}");
    accept(&listener);
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

fn serve(client: Client) {
    let _ = client.stream.set_nodelay(true);
    let client = Arc::new(client);
    let writer = client.clone();
    if spawn(move || write(&writer)).is_err() {
        return;
    }
    ROOM.lock().unwrap().push(client.clone());
    let (mut data, mut size) = (vec![0; FEW_BYTES], 0);
    // A reset ends a connection just as an end of stream does.
    while let Ok(got @ 1..) = (&client.stream).read(&mut data[size..]) {
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
    unsafe {
        setsockopt(client.stream.as_raw_fd(), TCP, USER_TIMEOUT, &LINGER_MS, 4); // it may never read
    }
    let mut room = ROOM.lock().unwrap();
    room.retain(|other| !Arc::ptr_eq(other, &client));
    drop(room); // unlocks it
    client.outbox.lock().unwrap().leaving = true;
    client.wake.notify_one(); // the connection closes when neither thread holds the client
}

/// Send the outbox: one write for everything that was added during the previous write.
fn write(client: &Client) {
    let mut batch = Vec::new();
    loop {
        let outbox = client.outbox.lock().unwrap();
        let idle = |outbox: &mut Outbox| outbox.data.is_empty() && !outbox.leaving;
        let mut outbox = client.wake.wait_while(outbox, idle).unwrap();
        mem::swap(&mut batch, &mut outbox.data);
        drop(outbox);
        if batch.is_empty() {
            return;
        }
        if (&client.stream).write_all(&batch).is_err() {
            let _ = client.stream.shutdown(Shutdown::Both); // this ends the reading thread as well
            return;
        }
        client.outbox.lock().unwrap().unsent -= batch.len();
        batch.clear();
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
fn broadcast(batch: &[u8]) {
    for client in ROOM.lock().unwrap().iter() {
        offer(client, batch);
    }
}

/// Drop policy: a client gets all of the batch, or none of it if it is too far behind.
fn offer(client: &Client, batch: &[u8]) {
    let mut outbox = client.outbox.lock().unwrap();
    if outbox.unsent <= LIMIT {
        if outbox.data.is_empty() {
            client.wake.notify_one(); // otherwise it is awake already
        }
        outbox.data.extend_from_slice(batch);
        outbox.unsent += batch.len();
    }
}

fn parse_address(arguments: Vec<String>) -> (String, u16) {
    let parts = match &arguments[..] {
        [address] => address.rsplit_once(':'),
        _ => None,
    };
    let bracketed = |host: &str| host.starts_with('[') && host.ends_with(']');
    match parts.filter(|(_, port)| !port.starts_with('+')).map(|(host, port)| (host, port.parse())) {
        Some((host, Ok(port))) if !host.is_empty() && host.contains([':', '[', ']']) == bracketed(host) => {
            (host.to_string(), port)
        }
        _ => {
            eprintln!("usage: broadcast HOST:PORT (IPv6: [HOST]:PORT)");
            process::exit(2)
        }
    }
}
