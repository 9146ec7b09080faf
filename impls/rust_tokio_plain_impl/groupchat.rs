//! A group chat in Rust on tokio: two tasks per connection, and shared data only behind locks.
//!
//! Order: the task that holds the lock of ROOM puts a message or a notice into the outboxes of all
//! members before any other task continues. Replies go the same way.
//! A slow client: only its own two tasks wait for it. While more than LIMIT bytes are unsent it
//! misses new messages; while replies make it twice as many, its requests wait; and when notices,
//! which no member may miss, make it three times as many, it is disconnected.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use std::{env, io, mem, process};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{self, JoinHandle};
use tokio::{select, time};

const HEADER: usize = 2; // bytes: the length of a payload
const NAME: usize = 32; // characters of the longest name
const TEXT: usize = 32 * 1024; // bytes of the longest text
const LIMIT: usize = 256 * 1024; // a client with more unsent bytes misses new messages
const RETRY: Duration = Duration::from_millis(100); // when no descriptor is left
const LINGER: Duration = Duration::from_secs(10); // for a client to read what is unsent

#[derive(Deserialize, Serialize)]
enum Request<'a> {
    Join(&'a str),
    Say(&'a str),
}

#[derive(Serialize)]
enum Reply<'a> {
    Welcome(Vec<&'a str>),
    Refused(&'a str),
    Joined(&'a str),
    Left(&'a str),
    Said(&'a str, &'a str),
}

#[derive(Default)]
struct Client {
    outbox: Mutex<Outbox>,
    wake: Notify,       // its writer waits for something to send
    drained: Notify,    // its reader waits until less is unsent
    disconnect: Notify, // it has missed a notice
}

#[derive(Default)]
struct Outbox {
    data: Vec<u8>,
    unsent: usize, // bytes in `data` or being written
    leaving: bool, // it has left, or must: nothing is added any more
    closed: bool,  // the writer has ended: nothing is sent any more
}

struct Room {
    members: BTreeMap<String, Arc<Client>>, // the clients that have joined, by name
    idle: Vec<Arc<Client>>,                 // to wake: there is something to send now
}

static ROOM: Mutex<Room> = Mutex::new(Room { members: BTreeMap::new(), idle: Vec::new() });

async fn serve(stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let client = Arc::new(Client::default());
    let (reader, writer) = stream.into_split();
    let writing = task::spawn(write(writer, client.clone()));
    let mut name = None; // until the client has joined; until then it gets no messages
    select! {
        // A reset ends a connection just as an end of stream does.
        ended = read(reader, &client, &mut name) => {
            if ended.is_err_and(|error| error.kind() == io::ErrorKind::TimedOut) {
                writing.abort(); // it does not read its replies
            }
        }
        _ = client.disconnect.notified() => writing.abort(),
    }
    leave(&client, name);
    linger(writing).await;
}

async fn read(
    stream: OwnedReadHalf,
    client: &Arc<Client>,
    name: &mut Option<String>,
) -> io::Result<()> {
    let (mut reader, mut asked) = (BufReader::new(stream), Vec::new());
    loop {
        asked.push(next_frame(&mut reader).await?);
        if !has_frame(reader.buffer()) {
            pause(client).await?;
            handle(client, name, asked.drain(..)); // all that arrived together
            task::yield_now().await; // else a flood would keep the writers from running
        }
    }
}

/// Read the payload of a frame; the end of the stream is an error.
async fn next_frame(reader: &mut BufReader<OwnedReadHalf>) -> io::Result<Vec<u8>> {
    let mut header = [0; HEADER];
    reader.read_exact(&mut header).await?;
    let mut payload = vec![0; u16::from_be_bytes(header).into()];
    reader.read_exact(&mut payload).await?;
    Ok(payload)
}

/// Whether these bytes begin with a whole frame.
fn has_frame(data: &[u8]) -> bool {
    let Some((header, rest)) = data.split_first_chunk::<HEADER>() else { return false };
    rest.len() >= u16::from_be_bytes(*header).into()
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
fn handle(client: &Arc<Client>, name: &mut Option<String>, asked: impl Iterator<Item = Vec<u8>>) {
    let mut room = ROOM.lock().unwrap();
    for payload in asked {
        let obeyed = decode(&payload).and_then(|request| obey(client, name, &mut room, request));
        if let Err(words) = obeyed {
            let refusal = encode(&Reply::Refused(&words)).expect("it is a short text");
            send(client, &refusal, &mut room.idle);
        }
    }
    wake(room);
}

fn obey(
    client: &Arc<Client>,
    name: &mut Option<String>,
    room: &mut Room,
    request: Request,
) -> Result<(), String> {
    match (request, name.as_deref()) {
        (Request::Join(_), Some(_)) => return Err("you have already joined".into()),
        (Request::Say(_), None) => return Err("join first".into()),
        (Request::Join(wanted), None) => {
            if room.members.contains_key(wanted) {
                return Err("this name is taken".into());
            }
            let present = room.members.keys().map(String::as_str).collect();
            send(client, &encode(&Reply::Welcome(present))?, &mut room.idle);
            announce(room, &Reply::Joined(wanted));
            room.members.insert(wanted.to_string(), client.clone());
            *name = Some(wanted.to_string());
        }
        (Request::Say(text), Some(name)) => {
            let delivery = encode(&Reply::Said(name, text))?;
            for member in room.members.values() {
                offer(member, &delivery, &mut room.idle);
            }
        }
    }
    Ok(())
}

/// Forget the client; if it was a member, announce that it has left.
fn leave(client: &Client, name: Option<String>) {
    let mut room = ROOM.lock().unwrap();
    if let Some(name) = name {
        room.members.remove(&name);
        announce(&mut room, &Reply::Left(&name));
    }
    client.outbox.lock().unwrap().leaving = true;
    client.wake.notify_one();
    wake(room);
}

/// Unlock the room, and wake the writers that have something to send.
fn wake(mut room: MutexGuard<Room>) {
    let idle = mem::take(&mut room.idle);
    drop(room);
    for client in idle {
        client.wake.notify_one();
    }
}

/// Send a notice to all members, and disconnect those too far behind.
///
/// Without the notice, such a member would have a wrong list of members.
fn announce(room: &mut Room, notice: &Reply) {
    let delivery = encode(notice).expect("a name fits into a frame");
    for member in room.members.values() {
        if unsent(member) > 3 * LIMIT {
            member.outbox.lock().unwrap().leaving = true;
            member.disconnect.notify_one(); // its reading task does the rest
        }
        send(member, &delivery, &mut room.idle);
    }
}

/// Drop policy: a client that is too far behind misses the message.
fn offer(client: &Arc<Client>, delivery: &[u8], idle: &mut Vec<Arc<Client>>) {
    if unsent(client) <= LIMIT {
        send(client, delivery, idle); // still not behind: all senders hold the lock of ROOM
    }
}

fn unsent(client: &Client) -> usize {
    client.outbox.lock().unwrap().unsent
}

fn send(client: &Arc<Client>, frame: &[u8], idle: &mut Vec<Arc<Client>>) {
    let mut outbox = client.outbox.lock().unwrap();
    if outbox.leaving || outbox.closed {
        return; // else it would grow while the reader takes the client's last requests
    }
    if outbox.data.is_empty() {
        idle.push(client.clone()); // otherwise it is awake already, or will be
    }
    outbox.data.extend_from_slice(frame);
    outbox.unsent += frame.len();
}

/// The format is that of postcard, with one difference: here a value has exactly one encoding.
fn decode(payload: &[u8]) -> Result<Request<'_>, String> {
    let request = postcard::from_bytes(payload).map_err(|error| error.to_string())?;
    if postcard::to_allocvec(&request).is_ok_and(|encoding| encoding != payload) {
        return Err("bytes after the request, or a number with more bytes than it needs".into());
    }
    match request {
        Request::Join(name) if !(1..=NAME).contains(&name.chars().count()) => {
            Err(format!("a name has 1 to {NAME} characters"))
        }
        Request::Join(name) if name.contains(char::is_control) => {
            Err("a name has no control characters".into())
        }
        Request::Say(text) if text.len() > TEXT => Err(format!("a text has at most {TEXT} bytes")),
        request => Ok(request),
    }
}

/// The frame of a reply; only a Welcome with very many names does not fit into one.
fn encode(reply: &Reply) -> Result<Vec<u8>, String> {
    let mut frame = postcard::to_extend(reply, vec![0; HEADER]).expect("strings can be written");
    let size = u16::try_from(frame.len() - HEADER).map_err(|_| "the room is full")?;
    frame[..HEADER].copy_from_slice(&size.to_be_bytes());
    Ok(frame)
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
        eprintln!("usage: groupchat HOST:PORT (IPv6: [HOST]:PORT)");
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
