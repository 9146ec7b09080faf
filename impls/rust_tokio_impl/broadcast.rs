//! Broadcast in Rust on tokio, tuned: one task per connection, and a broadcast channel of batches.
//!
//! Order: every task appends its whole messages to the one `pending`, and everything collected there
//! goes into the channel as one batch: that is the common order.
//! A slow client: the channel keeps the last BATCHES for all clients together and waits for none. A
//! client that reads too slowly misses the oldest: whole batches, and so whole messages.

use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{env, mem, process};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, oneshot};
use tokio::{select, task, time};

const FEW_BYTES: usize = 4 * 1024; // first read: most clients receive more than they send
const CHUNK: usize = 64 * 1024; // largest read: thousands of messages, yet small enough to be fair
const BATCHES: usize = 256; // that the channel keeps for clients that are behind
const TOGETHER: usize = 256 * 1024; // bytes of batches that go to a client with one write
const RETRY: Duration = Duration::from_millis(100); // when no descriptor is left
const LINGER: Duration = Duration::from_secs(10); // for a half-closed client to read the rest

type Batch = Arc<Vec<u8>>;

struct Room {
    pending: Mutex<Vec<u8>>, // whole messages in their final order, not yet a batch
    batches: broadcast::Sender<Batch>,
}

async fn serve(mut stream: TcpStream, room: Arc<Room>) {
    let _ = stream.set_nodelay(true);
    let batches = room.batches.subscribe();
    let (reader, writer) = stream.split();
    let (leave, leaving) = oneshot::channel();
    let reading = async {
        read(reader, &room).await;
        drop(leave); // then `write` ends, when all is sent
        time::sleep(LINGER).await; // that long at most: the client may not read what is left
    };
    select! {
        () = reading => {}
        () = write(writer, batches, leaving) => {}
    }
}

async fn read(mut stream: ReadHalf<'_>, room: &Room) {
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
}

/// Send the batches, until the client has left and all are sent.
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
        let mut queued = match next {
            Ok(batch) => vec![batch],
            // Drop policy: a client that has missed batches continues with the oldest that is left.
            Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return,
        };
        // Tuned: a client that was behind gets several batches with one write, without a copy.
        // Their bytes are limited: the channel may forget a batch, and only this client keeps it.
        let mut size = queued[0].len();
        while size < TOGETHER {
            match batches.try_recv() {
                Ok(batch) => {
                    size += batch.len();
                    queued.push(batch);
                }
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        if send(&mut stream, &queued).await.is_err() {
            let _ = leaving.await; // `read` takes the client's last messages, and sees its end as well
            return;
        }
    }
}

async fn send(stream: &mut WriteHalf<'_>, queued: &[Batch]) -> io::Result<()> {
    let mut slices: Vec<_> = queued.iter().map(|batch| IoSlice::new(batch)).collect();
    let mut rest = &mut slices[..];
    while !rest.is_empty() {
        let sent = stream.write_vectored(rest).await?;
        IoSlice::advance_slices(&mut rest, sent);
    }
    Ok(())
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
    let (first, full) = {
        let mut pending = room.pending.lock().unwrap();
        let first = pending.is_empty();
        pending.extend_from_slice(batch);
        (first, pending.len() >= CHUNK)
    };
    if full {
        flush(room);
    }
    // Tuned: other ready readers append theirs first, and one flush sends it all. Only the task that
    // found nothing pending flushes: if each did, there would be a batch for every sender.
    task::yield_now().await;
    if first {
        flush(room);
    }
}

/// Send everything pending into the channel as one batch, however many clients have sent.
fn flush(room: &Room) {
    let mut pending = room.pending.lock().unwrap();
    if !pending.is_empty() {
        let _ = room.batches.send(Arc::new(mem::take(&mut pending))); // fails if there is no client
    }
}

async fn accept(listener: TcpListener) {
    let room =
        Arc::new(Room { pending: Mutex::default(), batches: broadcast::Sender::new(BATCHES) });
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
