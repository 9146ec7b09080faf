//! Channels in Rust: two threads a connection, and nothing shared but what a lock owns.
//!
//! Order: whoever holds the lock of CHANNELS puts a message into the outboxes of all subscribers
//! before anybody else does anything. Replies go the same way.
//! A slow client: only its own two threads wait for it. While more than LIMIT bytes are unsent it
//! misses new messages, and while its replies make it twice as many its requests wait.

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, Builder};
use std::time::Duration;
use std::{env, io, mem, process, str};

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

const BACKLOG: i32 = 1024;
const LONGEST: usize = 64 * 1024; // bytes of the longest request, with its line feed
const LIMIT: usize = 256 * 1024; // bytes unsent beyond which a client misses what is new
const RETRY: Duration = Duration::from_millis(100); // when no descriptor or thread is left
const STACK: usize = 64 * 1024; // bytes a thread
const MOST: usize = 6000; // clients: each takes up to ten of the 65,530 maps a process may have

#[derive(Deserialize)]
enum Request {
    Subscribe(String),
    Send {
        channel: String,
        message: String,
        #[serde(flatten)] // without which serde would take ["rust", "hi"] too
        _more: IgnoredAny,
    },
}

#[derive(Serialize)]
enum Reply<'a> {
    Subscribed(&'a str),
    Message { channel: &'a str, message: &'a str },
    Error(String),
}

struct Client {
    stream: TcpStream,
    outbox: Mutex<Outbox>,
    wake: Condvar,
}

/// How many clients there are.
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
    unsent: usize, // bytes of `data`, and those that are just being written
    leaving: bool,
}

struct Channels {
    subscribers: BTreeMap<String, Vec<Arc<Client>>>, // of those channels that somebody hears
    idle: Vec<Arc<Client>>, // to be woken, for now there is something to send
}

static CHANNELS: Mutex<Channels> =
    Mutex::new(Channels { subscribers: BTreeMap::new(), idle: Vec::new() });

// The standard library has neither signals nor a say in the backlog; the C library it is linked to has.
unsafe extern "C" {
    fn signal(number: i32, handler: extern "C" fn(i32)) -> usize;
    fn listen(descriptor: i32, backlog: i32) -> i32;
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
        listen(listener.as_raw_fd(), BACKLOG); // a second time, for 128 are few
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
            thread::sleep(RETRY); // where std finds no map for a thread it aborts
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
    let (mut reader, mut line) = (BufReader::new(&client.stream), Vec::new());
    let (mut asked, mut mine) = (Vec::new(), HashSet::new());
    // A reset ends a connection as well as an end of stream.
    while let Ok(true) = next_line(&mut reader, &mut line) {
        asked.push(decode(&line));
        if !reader.buffer().contains(&b'\n') {
            pause(&client);
            handle(&client, &mut mine, asked.drain(..)); // all that came at once
        }
    }
    leave(&client, &mine);
}

/// Read a line; false when there is none with an end. What is too long stays too long, and is never kept whole.
fn next_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    reader.take(LONGEST as u64 + 1).read_until(b'\n', line)?;
    if line.len() > LONGEST && !line.ends_with(b"\n") {
        return Ok(reader.skip_until(b'\n')? > 0);
    }
    Ok(line.ends_with(b"\n"))
}

/// Send what gathers in the outbox: one send for all that came during the last one.
fn write(client: &Client) {
    let mut batch = Vec::new();
    while take(client, &mut batch) {
        if (&client.stream).write_all(&batch).is_err() {
            let _ = client.stream.shutdown(Shutdown::Both); // the reading thread shall end as well
            break;
        }
    }
    finish(client);
}

/// Wait for something to send, instead of the batch that has been sent; false when the client has left.
fn take(client: &Client, batch: &mut Vec<u8>) -> bool {
    let mut outbox = client.outbox.lock().unwrap();
    outbox.unsent -= batch.len();
    batch.clear();
    client.wake.notify_one(); // its reader may wait for room
    let idle = |outbox: &mut Outbox| outbox.data.is_empty() && !outbox.leaving;
    let mut outbox = client.wake.wait_while(outbox, idle).unwrap();
    mem::swap(batch, &mut outbox.data);
    !batch.is_empty()
}

/// Wait while the client does not read the replies to its requests.
fn pause(client: &Client) {
    let outbox = client.outbox.lock().unwrap();
    let full = |outbox: &mut Outbox| outbox.unsent > 2 * LIMIT && !outbox.leaving;
    drop(client.wake.wait_while(outbox, full).unwrap());
}

/// Do what is asked for, and only then wake who has something to send: it shall be one send for all of it.
fn handle(
    client: &Arc<Client>,
    mine: &mut HashSet<String>,
    asked: impl Iterator<Item = Result<Request, String>>,
) {
    let mut channels = CHANNELS.lock().unwrap();
    for request in asked {
        if let Err(words) = request.and_then(|request| obey(client, mine, &mut channels, request)) {
            send(client, &encode(&Reply::Error(words)), &mut channels.idle);
        }
    }
    let idle = mem::take(&mut channels.idle);
    drop(channels); // unlocks it
    for client in idle {
        client.wake.notify_one();
    }
}

fn obey(
    client: &Arc<Client>,
    mine: &mut HashSet<String>,
    channels: &mut Channels,
    request: Request,
) -> Result<(), String> {
    let Channels { subscribers, idle } = channels;
    match request {
        Request::Subscribe(channel) => {
            send(client, &encode(&Reply::Subscribed(&channel)), idle);
            if mine.insert(channel.clone()) {
                subscribers.entry(channel).or_default().push(client.clone());
            }
        }
        Request::Send { channel, message, .. } => {
            let Some(hearers) = subscribers.get(&channel) else {
                return Err(format!("no such channel: {channel}"));
            };
            let delivery = encode(&Reply::Message { channel: &channel, message: &message });
            for hearer in hearers {
                offer(hearer, &delivery, idle);
            }
        }
    }
    Ok(())
}

/// Forget the client, and the channels that nobody else hears.
fn leave(client: &Arc<Client>, mine: &HashSet<String>) {
    let mut channels = CHANNELS.lock().unwrap();
    for channel in mine {
        let hearers = channels.subscribers.get_mut(channel).expect("it is one of them");
        hearers.retain(|other| !Arc::ptr_eq(other, client));
        if hearers.is_empty() {
            channels.subscribers.remove(channel);
        }
    }
    finish(client); // the connection closes when neither thread has the client any more
}

fn finish(client: &Client) {
    client.outbox.lock().unwrap().leaving = true;
    client.wake.notify_one();
}

/// Drop policy: a message is not for a client that is too far behind.
fn offer(client: &Arc<Client>, delivery: &[u8], idle: &mut Vec<Arc<Client>>) {
    let behind = client.outbox.lock().unwrap().unsent > LIMIT;
    if !behind {
        send(client, delivery, idle); // whoever sends holds the lock of CHANNELS
    }
}

fn send(client: &Arc<Client>, line: &[u8], idle: &mut Vec<Arc<Client>>) {
    let mut outbox = client.outbox.lock().unwrap();
    if outbox.data.is_empty() {
        idle.push(client.clone()); // else it is awake already, or will be
    }
    outbox.data.extend_from_slice(line);
    outbox.unsent += line.len();
}

fn decode(line: &[u8]) -> Result<Request, String> {
    if line.len() > LONGEST {
        return Err(format!("a request has at most {LONGEST} bytes"));
    }
    let line = str::from_utf8(line).map_err(|error| error.to_string())?;
    serde_json::from_str(line).map_err(|error| error.to_string())
}

fn encode(reply: &Reply) -> Vec<u8> {
    let mut line = serde_json::to_vec(reply).expect("strings can be written");
    line.push(b'\n');
    line
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
            eprintln!("usage: channels HOST:PORT (IPv6: [HOST]:PORT)");
            process::exit(2)
        }
    }
}
