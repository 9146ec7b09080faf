//! Broadcast in Rust on smol: tasks on one thread, that tell each other things over channels.
//!
//! Order: every connection's task hands its whole messages to the one task `broadcast`; what came
//! first over that channel comes first for everybody.
//! A slow client: only its own task waits for it; while more than LIMIT bytes are unsent, the
//! client misses new batches, always as whole messages.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::ToSocketAddrs;
use std::os::fd::{AsRawFd, RawFd};
use std::rc::Rc;
use std::time::Duration;
use std::{env, io, mem, process};

use async_signal::{Signal, Signals};
use smol::channel::{self, Receiver, Sender};
use smol::net::{TcpListener, TcpStream};
use smol::prelude::*;
use smol::{Async, LocalExecutor, Timer, future};
use socket2::{Domain, Socket, Type};

const BACKLOG: i32 = 1024;
const FEW_BYTES: usize = 4 * 1024; // a read at first: most clients listen more than they speak
const CHUNK: usize = 64 * 1024; // bytes a read at most: thousands of messages, small enough to be fair
const LIMIT: usize = 256 * 1024; // bytes unsent beyond which a client misses what is new
const WAITING: usize = 64; // events that wait for `broadcast`; who has more to say waits as well
const RETRY: Duration = Duration::from_millis(100); // when no descriptor is left

enum Event {
    Joined(RawFd, Client),
    Left(RawFd),
    Said(Vec<u8>), // whole messages
}

/// What the room knows of a connection.
struct Client {
    outbox: Rc<RefCell<Outbox>>,
    bell: Sender<()>, // to be rung when there is something to send
}

#[derive(Default)]
struct Outbox {
    data: Vec<u8>,
    unsent: usize, // bytes of `data`, and those that are just being written
}

fn main() {
    let (host, port) = parse_address(env::args().skip(1).collect());
    let listener = listen(&host, port).unwrap_or_else(|error| {
        eprintln!("cannot listen on {host}:{port}: {error}");
        process::exit(1)
    });
    let mut signals = Signals::new([Signal::Int, Signal::Term]).expect("they can be caught");
    let port = listener.local_addr().expect("it is bound").port();
    println!("listening on {host}:{port}");
    let executor = LocalExecutor::new();
    // Nothing needs saving: with the executor all tasks end.
    let stopped = async { drop(signals.next().await) };
    smol::block_on(executor.run(stopped.or(accept(listener, &executor))));
}

fn listen(host: &str, port: u16) -> io::Result<TcpListener> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address = (bare, port).to_socket_addrs()?.next().ok_or(io::ErrorKind::NotFound)?;
    // Not smol's own listener, for its backlog is 128.
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(Async::<std::net::TcpListener>::new(socket.into())?.into())
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

/// The connection closes when neither half has it any more.
async fn serve(stream: TcpStream, events: Sender<Event>) {
    let _ = stream.set_nodelay(true);
    let outbox = Rc::<RefCell<Outbox>>::default();
    let (bell, rung) = channel::bounded(1);
    future::zip(
        read(stream.clone(), Client { outbox: outbox.clone(), bell }, events),
        write(stream, outbox, rung),
    )
    .await;
}

async fn read(mut stream: TcpStream, client: Client, events: Sender<Event>) {
    let key = stream.as_raw_fd(); // nobody else has this number while the connection is open
    let _ = events.send(Event::Joined(key, client)).await; // an error would say that the server ends
    let (mut data, mut size) = (vec![0; FEW_BYTES], 0);
    // A reset ends a connection as well as an end of stream.
    while let Ok(got @ 1..) = stream.read(&mut data[size..]).await {
        size += got;
        if size == data.len() && size < CHUNK {
            data.resize(2 * size, 0); // there was more to read
        }
        let end = whole_messages(&data[..size]);
        if end > 0 {
            let _ = events.send(Event::Said(data[..end].to_vec())).await;
            future::yield_now().await; // a flood makes nobody wait
            data.copy_within(end..size, 0);
            size -= end;
        }
    }
    let _ = events.send(Event::Left(key)).await;
}

/// Send what gathers in the outbox: one write for all that came during the last one.
async fn write(mut stream: TcpStream, outbox: Rc<RefCell<Outbox>>, bell: Receiver<()>) {
    while bell.recv().await.is_ok() {
        let batch = mem::take(&mut outbox.borrow_mut().data);
        if stream.write_all(&batch).await.is_err() {
            return; // `read` takes the client's last words, and sees its end as well
        }
        outbox.borrow_mut().unsent -= batch.len();
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

/// The one task that knows who is there, and what comes after what.
async fn broadcast(happened: Receiver<Event>) {
    let mut room = HashMap::new();
    let mut tick = Vec::new();
    while let Ok(event) = happened.recv().await {
        match event {
            Event::Said(batch) => tick.extend(batch),
            Event::Joined(key, client) => {
                flush(&room, &mut tick); // what was said before is not for it
                room.insert(key, client);
            }
            Event::Left(key) => {
                flush(&room, &mut tick); // who hangs up right after speaking still hears it
                room.remove(&key);
            }
        }
        if happened.is_empty() || tick.len() >= CHUNK {
            flush(&room, &mut tick);
            future::yield_now().await; // whoever has something to send does so
        }
    }
}

/// Hand over what has gathered: one offer a client, however many have spoken.
fn flush(room: &HashMap<RawFd, Client>, tick: &mut Vec<u8>) {
    if !tick.is_empty() {
        for client in room.values() {
            offer(client, tick);
        }
        tick.clear();
    }
}

/// Drop policy: all of the batch, or none of it for a client that is too far behind.
fn offer(client: &Client, batch: &[u8]) {
    let mut outbox = client.outbox.borrow_mut();
    if outbox.unsent <= LIMIT {
        outbox.data.extend_from_slice(batch);
        outbox.unsent += batch.len();
        let _ = client.bell.try_send(()); // an error says that it rings already, or that nobody hears it
    }
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
            eprintln!("usage: broadcast HOST:PORT (IPv6: [HOST]:PORT)");
            process::exit(2)
        }
    }
}
