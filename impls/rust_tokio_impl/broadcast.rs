//! Broadcast in Rust on tokio: one task per connection, and a broadcast channel to all of them.
//!
//! Order: every task appends its whole messages to the one `pending`, and everything collected there
//! goes into the channel as one batch: that is the common order.
//! A slow client: the channel keeps the last BATCHES for all clients together and waits for none. A
//! client that reads too slowly misses the oldest: whole batches, and so whole messages.

use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{env, mem, process};

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{broadcast, oneshot};
use tokio::{select, task, time};

const FEW_BYTES: usize = 4 * 1024; // first read: most clients receive more than they send
const CHUNK: usize = 64 * 1024; // largest read: thousands of messages, yet small enough to be fair
const BATCHES: usize = 256; // that the channel keeps for clients that are behind
const RETRY: Duration = Duration::from_millis(100); // when no descriptor is left
const LINGER: Duration = Duration::from_secs(10); // for a half-closed client to read the rest

type Batch = Arc<Vec<u8>>;

struct Room {
    pending: Mutex<Vec<u8>>, // whole messages in their final order, not yet a batch
    batches: broadcast::Sender<Batch>,
}

#[tokio::main]
async fn main() {
    let (host, port) = parse_address(env::args().skip(1).collect());
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let listener = TcpListener::bind((bare, port)).await.unwrap_or_else(|error| {
        eprintln!("cannot listen on {host}:{port}: {error}");
        process::exit(1)
    });
    let mut interrupt = signal(SignalKind::interrupt()).expect("SIGINT can be caught");
    let mut terminate = signal(SignalKind::terminate()).expect("SIGTERM can be caught");
    let port = listener.local_addr().expect("it is bound").port();
    println!("listening on {host}:{port}");
    select! { // nothing needs saving: the end of the runtime ends all tasks
        _ = accept(listener) => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

async fn accept(listener: TcpListener) {
    let room =
        Arc::new(Room { pending: Mutex::default(), batches: broadcast::Sender::new(BATCHES) });
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                task::spawn(serve(stream, room.clone()));
            }
            Err(_) => time::sleep(RETRY).await,
        }
    }
}

async fn serve(mut stream: TcpStream, room: Arc<Room>) {
    let _ = stream.set_nodelay(true);
    let batches = room.batches.subscribe();
    let (reader, writer) = stream.split();
    let (leave, leaving) = oneshot::channel();
    tokio::join!(read(reader, &room, leave), write(writer, batches, leaving));
}

async fn read(mut stream: ReadHalf<'_>, room: &Room, _leave: oneshot::Sender<()>) {
    let (mut data, mut size) = (vec![0; FEW_BYTES], 0);
    // A reset ends a connection just as an end of stream does.
    while let Ok(got @ 1..) = stream.read(&mut data[size..]).await {
        size += got;
        if size == data.len() && size < CHUNK {
            data.resize(2 * size, 0); // there was more to read
        }
        let end = whole_messages(&data[..size]);
        if end > 0 {
            broadcast(room, &data[..end]).await;
            data.copy_within(end..size, 0);
            size -= end;
        }
    }
    let _ = SockRef::from(stream.as_ref()).set_tcp_user_timeout(Some(LINGER)); // it may never read
    // Returning drops `_leave`, which notifies `write`.
}

/// Send the batches, until the client has left and all are sent, or until a write fails.
async fn write(
    mut stream: WriteHalf<'_>,
    mut batches: broadcast::Receiver<Batch>,
    mut leaving: oneshot::Receiver<()>,
) {
    loop {
        let next = select! {
            biased; // before it leaves, a client receives all earlier batches
            next = batches.recv() => next,
            _ = &mut leaving => return,
        };
        // Drop policy: a client that has missed batches continues with the oldest that is left.
        let Ok(batch) = next else { continue };
        if stream.write_all(&batch).await.is_err() {
            return; // `read` takes the client's last messages, and sees its end as well
        }
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
async fn broadcast(room: &Room, batch: &[u8]) {
    let full = {
        let mut pending = room.pending.lock().unwrap();
        pending.extend_from_slice(batch);
        pending.len() >= CHUNK
    };
    if full {
        flush(room);
    }
    task::yield_now().await; // other ready readers append theirs first, and one flush sends it all
    flush(room);
}

/// Send everything pending into the channel as one batch, however many clients have sent.
fn flush(room: &Room) {
    let mut pending = room.pending.lock().unwrap();
    if !pending.is_empty() {
        let _ = room.batches.send(Arc::new(mem::take(&mut pending))); // fails if there is no client
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
