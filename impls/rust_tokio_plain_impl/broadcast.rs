//! Broadcast in Rust on tokio, plainly: two tasks per connection, and a broadcast channel to all.
//!
//! Order: every message goes into the one channel by itself; the order in which messages enter the
//! channel is the common order.
//! A slow client: the channel keeps the last MESSAGES for all clients together and waits for none. A
//! client that reads too slowly misses the oldest.

use std::time::Duration;
use std::{env, io, process};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, oneshot};
use tokio::{select, task, time};

const MESSAGES: usize = 4096; // that the channel keeps for clients that are behind: at most 1 MiB
const RETRY: Duration = Duration::from_millis(100); // when no descriptor is left
const LINGER: Duration = Duration::from_secs(10); // for a half-closed client to read the rest

type Room = broadcast::Sender<Bytes>;

async fn serve(stream: TcpStream, room: Room) {
    let _ = stream.set_nodelay(true);
    let (reader, writer) = stream.into_split();
    let (leave, leaving) = oneshot::channel();
    let mut writing = task::spawn(write(writer, room.subscribe(), leaving));
    let _ = read(reader, room).await; // a reset ends a connection just as an end of stream does
    drop(leave);
    if time::timeout(LINGER, &mut writing).await.is_err() {
        writing.abort(); // the client does not read what is left
    }
}

async fn read(stream: OwnedReadHalf, room: Room) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let size = stream.read_u8().await?;
        let mut message = vec![0; 1 + usize::from(size)];
        message[0] = size;
        stream.read_exact(&mut message[1..]).await?;
        let _ = room.send(message.into()); // fails if there is no client
        task::consume_budget().await; // reading from the buffer alone would never let others run
    }
}

/// Send the messages, until the client has left and all are sent, or until a write fails.
async fn write(
    stream: OwnedWriteHalf,
    mut messages: broadcast::Receiver<Bytes>,
    mut leaving: oneshot::Receiver<()>,
) -> io::Result<()> {
    let mut stream = BufWriter::new(stream);
    loop {
        let next = select! {
            biased; // before it leaves, a client receives all earlier messages
            next = messages.recv() => next,
            _ = &mut leaving => return Ok(()),
        };
        match next {
            Ok(message) => stream.write_all(&message).await?,
            // Drop policy: a client that has missed messages continues with the oldest that is left.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return Ok(()),
        }
        if messages.is_empty() {
            stream.flush().await?; // the rest: it writes whenever 8 KiB are full
        }
    }
}

async fn accept(listener: TcpListener) {
    let room = Room::new(MESSAGES);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(task::spawn(serve(stream, room.clone()))),
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
        eprintln!("usage: broadcast HOST:PORT (IPv6: [HOST]:PORT)");
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
