//! Broadcast in Rust on smol: tasks on one thread that communicate over channels.
//!
//! Order: every connection's task passes its whole messages to the one task `broadcast`; they reach
//! all clients in the order in which they come out of that channel.
//! A slow client: only its own task waits for it. While more than LIMIT bytes are unsent, the client
//! misses new batches, always as whole messages.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::ToSocketAddrs;
use std::os::fd::{AsRawFd, RawFd};
use std::rc::Rc;
use std::time::Duration;
use std::{env, io, mem, process};

use smol::channel::{self, Receiver, Sender};
use smol::net::{TcpListener, TcpStream};
use smol::prelude::*;
use smol::{Async, LocalExecutor, Timer, future};
use socket2::{Domain, Socket, Type};

const BACKLOG: i32 = 1024;
const FEW_BYTES: usize = 4 * 1024; // first read: most clients receive more than they send
const CHUNK: usize = 64 * 1024; // largest read: thousands of messages, yet small enough to be fair
const LIMIT: usize = 256 * 1024; // a client with more unsent bytes misses new batches
const WAITING: usize = 64; // events queued for `broadcast`; when the queue is full, readers wait
const RETRY: Duration = Duration::from_millis(100); // when no descriptor is left
const LINGER: Duration = Duration::from_secs(10); // for a half-closed client to read the rest

enum Event {
    Joined(RawFd, Client),
    Left(RawFd),
    Received(Vec<u8>), // whole messages
}

/// What the room knows about a connection.
struct Client {
    outbox: Rc<RefCell<Outbox>>,
    bell: Sender<()>, // rung when there is something to send
}

#[derive(Default)]
struct Outbox {
    data: Vec<u8>,
    unsent: usize, // bytes in `data` or being written
}

async fn serve(stream: TcpStream, events: Sender<Event>) {
    let _ = stream.set_nodelay(true);
    let outbox = Rc::<RefCell<Outbox>>::default();
    let (bell, rung) = channel::bounded(1);
    let client = Client { outbox: outbox.clone(), bell };
    let reading = async {
        read(stream.clone(), client, events).await;
        Timer::after(LINGER).await; // `write` ends first, if the client reads what is unsent
    };
    future::or(write(stream.clone(), outbox, rung), reading).await;
}

async fn read(mut stream: TcpStream, client: Client, events: Sender<Event>) {
    let key = stream.as_raw_fd(); // unique while the connection is open
    let _ = events.send(Event::Joined(key, client)).await; // an error means that the server ends
    let (mut data, mut size) = (vec![0; FEW_BYTES], 0);
    // A reset ends a connection just as an end of stream does.
    while let Ok(got @ 1..) = stream.read(&mut data[size..]).await {
        size += got;
        if size == data.len() && size < CHUNK {
            data.resize(2 * size, 0); // there was more to read
        }
        let end = whole_messages(&data[..size]);
        if end > 0 {
            let _ = events.send(Event::Received(data[..end].to_vec())).await;
            future::yield_now().await; // so that a flood does not starve the others
            data.copy_within(end..size, 0);
            size -= end;
        }
    }
    let _ = events.send(Event::Left(key)).await;
}

/// Send the outbox: one write for everything that was added during the previous write.
async fn write(mut stream: TcpStream, outbox: Rc<RefCell<Outbox>>, bell: Receiver<()>) {
    while bell.recv().await.is_ok() {
        let batch = mem::take(&mut outbox.borrow_mut().data);
        if stream.write_all(&batch).await.is_ok() {
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

/// The only task that knows the room; it decides the order.
async fn broadcast(happened: Receiver<Event>) {
    let mut room = HashMap::new();
    let mut pending = Vec::new();
    while let Ok(event) = happened.recv().await {
        match event {
            Event::Received(batch) => pending.extend(batch),
            Event::Joined(key, client) => {
                flush(&room, &mut pending); // earlier messages are not for it
                room.insert(key, client);
            }
            Event::Left(key) => {
                flush(&room, &mut pending); // a leaving client still receives its own last messages
                room.remove(&key);
            }
        }
        // Tuned: one offer per client for all that is queued, however many clients have sent.
        if happened.is_empty() || pending.len() >= CHUNK {
            flush(&room, &mut pending);
            future::yield_now().await; // the writers run
        }
    }
}

/// Offer what is pending as one batch.
fn flush(room: &HashMap<RawFd, Client>, pending: &mut Vec<u8>) {
    if !pending.is_empty() {
        for client in room.values() {
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

async fn accept(listener: TcpListener, executor: &LocalExecutor<'static>) {
    let (events, happened) = channel::bounded(WAITING);
    executor.spawn(broadcast(happened)).detach();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => executor.spawn(serve(stream, events.clone())).detach(),
            Err(_) => drop(Timer::after(RETRY).await),
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

fn listen(host: &str, port: u16) -> io::Result<TcpListener> {
    let address = (host, port).to_socket_addrs()?.next().ok_or(io::ErrorKind::NotFound)?;
    // Not smol's own listener: its backlog is 128.
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(Async::<std::net::TcpListener>::new(socket.into())?.into())
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
    println!("listening on {host}:{port}");
    // SIGINT and SIGTERM end the process, as they do unless one asks for something else.
    let executor = LocalExecutor::new();
    smol::block_on(executor.run(accept(listener, &executor)));
}
