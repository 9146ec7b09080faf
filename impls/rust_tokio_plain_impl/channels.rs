//! Channels in Rust on tokio: two tasks per connection, and shared data only behind locks.
//!
//! Order: the task that holds the lock of CHANNELS puts a message into the outboxes of all
//! subscribers before any other task continues. Replies go the same way.
//! A slow client: only its own two tasks wait for it. While more than LIMIT bytes are unsent it
//! misses new messages, and while its replies make it twice as many its requests wait.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{env, io, mem, process, str};

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{self, JoinHandle};
use tokio::time;

const LONGEST: usize = 64 * 1024; // bytes of the longest request, including its line feed
const LIMIT: usize = 256 * 1024; // a client with more unsent bytes misses new messages
const RETRY: Duration = Duration::from_millis(100); // when no descriptor is left
const LINGER: Duration = Duration::from_secs(10); // for a client to read what is unsent

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

#[derive(Default)]
struct Client {
    outbox: Mutex<Outbox>,
    wake: Notify,    // its writer waits for something to send
    drained: Notify, // its reader waits until less is unsent
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

async fn serve(stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let client = Arc::new(Client::default());
    let (reader, writer) = stream.into_split();
    let writing = task::spawn(write(writer, client.clone()));
    let mut mine = HashSet::new();
    // A reset ends a connection just as an end of stream does.
    let ended = read(reader, &client, &mut mine).await;
    if ended.is_err_and(|error| error.kind() == io::ErrorKind::TimedOut) {
        writing.abort(); // it does not read its replies
    }
    leave(&client, &mine);
    linger(writing).await;
}

async fn read(
    stream: OwnedReadHalf,
    client: &Arc<Client>,
    mine: &mut HashSet<String>,
) -> io::Result<()> {
    let (mut reader, mut line) = (BufReader::new(stream), Vec::new());
    let mut asked = Vec::new();
    while next_line(&mut reader, &mut line).await? {
        asked.push(decode(&line));
        if !reader.buffer().contains(&b'\n') {
            pause(client).await?;
            handle(client, mine, asked.drain(..)); // all that arrived together
            task::yield_now().await; // else a flood would keep the writers from running
        }
    }
    Ok(())
}

/// Read a line; false at the end of the stream. A line that is too long is cut, but stays too long.
async fn next_line(reader: &mut BufReader<OwnedReadHalf>, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    reader.take(LONGEST as u64 + 1).read_until(b'\n', line).await?;
    if line.len() > LONGEST && !line.ends_with(b"\n") {
        return skip_line(reader).await;
    }
    Ok(line.ends_with(b"\n"))
}

/// Skip the rest of a line; false at the end of the stream. tokio has no `skip_until`.
async fn skip_line(reader: &mut BufReader<OwnedReadHalf>) -> io::Result<bool> {
    loop {
        let data = reader.fill_buf().await?;
        let end = data.iter().position(|byte| *byte == b'\n');
        let (size, ended) = (data.len(), data.is_empty());
        reader.consume(end.map_or(size, |end| end + 1));
        if end.is_some() || ended {
            return Ok(end.is_some());
        }
    }
}

/// Send the outbox: one write for everything that was added during the previous write.
async fn write(mut stream: OwnedWriteHalf, client: Arc<Client>) {
    let mut batch = Vec::new();
    while take(&client, &mut batch).await {
        if stream.write_all(&batch).await.is_err() {
            break; // its reader takes what has arrived, and then sees the end as well
        }
    }
    client.outbox.lock().unwrap().closed = true;
    client.drained.notify_one();
}

/// Wait for the next batch, and replace the one that was sent; false when the client has left.
async fn take(client: &Client, batch: &mut Vec<u8>) -> bool {
    loop {
        {
            let mut outbox = client.outbox.lock().unwrap();
            outbox.unsent -= batch.len();
            batch.clear();
            client.drained.notify_one(); // its reader may be waiting in `pause`
            if !outbox.data.is_empty() || outbox.leaving {
                mem::swap(batch, &mut outbox.data);
                return !batch.is_empty();
            }
        } // unlocks it: no lock is held while a task waits
        client.wake.notified().await;
    }
}

/// Wait while the client does not read the replies to its requests.
///
/// It may have left, which is seen only after its requests: so this fails after LINGER.
async fn pause(client: &Client) -> io::Result<()> {
    let full = |outbox: &Outbox| outbox.unsent > 2 * LIMIT && !outbox.closed;
    while full(&client.outbox.lock().unwrap()) {
        time::timeout(LINGER, client.drained.notified()).await?;
    }
    Ok(())
}

/// What is unsent is sent first; a client that does not read it is not waited for any longer.
async fn linger(mut writing: JoinHandle<()>) {
    if time::timeout(LINGER, &mut writing).await.is_err() {
        writing.abort();
    }
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

async fn accept(listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(task::spawn(serve(stream))),
            Err(_) => time::sleep(RETRY).await,
        }
    }
}

// From here on: the address, and the start.

/// The host as it was given and without brackets, which only IPv6 has, and the port.
fn parse_address(arguments: &[String]) -> Option<(&str, &str, u16)> {
    let [address] = arguments else { return None };
    let (host, port) = address.rsplit_once(':')?;
    let bare = host.trim_matches(['[', ']']);
    let is_host = if bare.contains(':') { host == format!("[{bare}]") } else { host == bare };
    let is_address = is_host && !bare.is_empty() && !port.starts_with('+');
    is_address.then_some((host, bare, port.parse().ok()?))
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let Some((host, bare, port)) = parse_address(&arguments) else {
        eprintln!("usage: channels HOST:PORT (IPv6: [HOST]:PORT)");
        process::exit(2)
    };
    let listener = TcpListener::bind((bare, port)).await.unwrap_or_else(|error| {
        eprintln!("cannot listen on {host}:{port}: {error}");
        process::exit(1)
    });
    let port = listener.local_addr().expect("it is bound").port();
    println!("listening on {host}:{port}");
    // SIGINT and SIGTERM end the process, as they do unless one asks for something else.
    accept(listener).await;
}
