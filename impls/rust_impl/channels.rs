//! Channels in Rust: two threads per connection, and shared data only behind locks.
//!
//! Order: the thread that holds the lock of CHANNELS puts a message into the outboxes of all
//! subscribers before any other thread continues. Replies go the same way.
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
const LONGEST: usize = 64 * 1024; // bytes of the longest request, including its line feed
const LIMIT: usize = 256 * 1024; // a client with more unsent bytes misses new messages
const RETRY: Duration = Duration::from_millis(100); // when no descriptor or thread is left
const LINGER: Duration = Duration::from_secs(10); // for a client to read what is unsent
const STACK: usize = 256 * 1024; // bytes per thread: 127 levels of JSON objects take 80 KiB
const MOST: usize = 6000; // clients: each takes up to ten of a process's 65,530 memory maps

#[derive(Deserialize)]
enum Request {
    Subscribe(String),
    Send {
        channel: String,
        message: String,
        #[serde(flatten)] // else serde would accept ["rust", "hi"] too
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
    wake: Condvar,    // its writer waits for something to send
    drained: Condvar, // its reader waits until less is unsent
}

#[derive(Default)]
struct Outbox {
    data: Vec<u8>,
    unsent: usize, // bytes in `data` or being written
    leaving: bool, // the reader has ended: nothing is added any more
    closed: bool,  // the writer has ended: nothing is sent any more
}

struct Channels {
    subscribers: BTreeMap<String, Vec<Arc<Client>>>, // of the channels that have any
    idle: Vec<Arc<Client>>,                          // to wake: there is something to send now
}

static CHANNELS: Mutex<Channels> =
    Mutex::new(Channels { subscribers: BTreeMap::new(), idle: Vec::new() });

/// The number of clients.
static CLIENTS: AtomicUsize = AtomicUsize::new(0);

impl Client {
    fn new(stream: TcpStream) -> Self {
        CLIENTS.fetch_add(1, Ordering::Relaxed);
        let (outbox, wake, drained) = (Mutex::default(), Condvar::new(), Condvar::new());
        Client { stream, outbox, wake, drained }
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
    let mut mine = HashSet::new();
    let _ = read(&client, &mut mine); // a reset ends a connection just as an end of stream does
    leave(&client, &mine);
    linger(&client);
}

fn read(client: &Arc<Client>, mine: &mut HashSet<String>) -> io::Result<()> {
    let (mut reader, mut line) = (BufReader::new(&client.stream), Vec::new());
    let mut asked = Vec::new();
    while next_line(&mut reader, &mut line)? {
        asked.push(decode(&line));
        if !reader.buffer().contains(&b'\n') {
            pause(client)?;
            handle(client, mine, asked.drain(..)); // all that arrived together
        }
    }
    Ok(())
}

/// Read a line; false at the end of the stream. A line that is too long is cut, but stays too long,
/// and gets its Error even if the stream ends before it does.
fn next_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    reader.take(LONGEST as u64 + 1).read_until(b'\n', line)?;
    if line.len() > LONGEST && !line.ends_with(b"\n") {
        return Ok(reader.skip_until(b'\n')? > 0);
    }
    Ok(line.ends_with(b"\n"))
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
    client.drained.notify_one();
}

/// Wait for the next batch, and replace the one that was sent; false when the client has left.
fn take(client: &Client, batch: &mut Vec<u8>) -> bool {
    let mut outbox = client.outbox.lock().unwrap();
    outbox.unsent -= batch.len();
    batch.clear();
    client.drained.notify_one(); // its reader may be waiting in `pause`
    let idle = |outbox: &mut Outbox| outbox.data.is_empty() && !outbox.leaving;
    let mut outbox = client.wake.wait_while(outbox, idle).unwrap();
    mem::swap(batch, &mut outbox.data);
    !batch.is_empty()
}

/// Wait while the client does not read the replies to its requests.
///
/// It may have left, which is seen only after its requests: so this fails after LINGER.
fn pause(client: &Client) -> io::Result<()> {
    let outbox = client.outbox.lock().unwrap();
    let full = |outbox: &mut Outbox| outbox.unsent > 2 * LIMIT && !outbox.closed;
    let waited = client.drained.wait_timeout_while(outbox, LINGER, full).unwrap().1;
    if waited.timed_out() {
        let _ = client.stream.shutdown(Shutdown::Both); // which ends its writer
        return Err(io::ErrorKind::TimedOut.into());
    }
    Ok(())
}

/// What is unsent is sent first; a client that does not read it is not waited for any longer.
fn linger(client: &Client) {
    let outbox = client.outbox.lock().unwrap();
    let writing = |outbox: &mut Outbox| !outbox.closed;
    drop(client.drained.wait_timeout_while(outbox, LINGER, writing).unwrap());
    let _ = client.stream.shutdown(Shutdown::Both); // this ends the writing thread, if it still waits
}

/// Obey the requests, and only then wake the writers, so that each needs one write for all of them.
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
            let Some(receivers) = subscribers.get(&channel) else {
                return Err(format!("no such channel: {channel}"));
            };
            let delivery = encode(&Reply::Message { channel: &channel, message: &message });
            for receiver in receivers {
                offer(receiver, &delivery, idle);
            }
        }
    }
    Ok(())
}

/// Remove the client, and the channels that have no other subscriber.
fn leave(client: &Arc<Client>, mine: &HashSet<String>) {
    let mut channels = CHANNELS.lock().unwrap();
    for channel in mine {
        let receivers = channels.subscribers.get_mut(channel).expect("it is one of them");
        receivers.retain(|other| !Arc::ptr_eq(other, client));
        if receivers.is_empty() {
            channels.subscribers.remove(channel);
        }
    }
    client.outbox.lock().unwrap().leaving = true;
    client.wake.notify_one();
}

/// Drop policy: a client that is too far behind misses the message.
fn offer(client: &Arc<Client>, delivery: &[u8], idle: &mut Vec<Arc<Client>>) {
    let behind = client.outbox.lock().unwrap().unsent > LIMIT;
    if !behind {
        send(client, delivery, idle); // still not behind: all senders hold the lock of CHANNELS
    }
}

fn send(client: &Arc<Client>, line: &[u8], idle: &mut Vec<Arc<Client>>) {
    let mut outbox = client.outbox.lock().unwrap();
    if outbox.closed {
        return; // else it would grow while the reader takes the client's last requests
    }
    if outbox.data.is_empty() {
        idle.push(client.clone()); // otherwise it is awake already, or will be
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
        eprintln!("usage: channels HOST:PORT (IPv6: [HOST]:PORT)");
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
