//! Broadcast in Rust on tokio: one task a connection, and a broadcast channel that all of them hear.
//!
//! Order: every task appends its whole messages to the one `tick`, and what gathered there goes
//! into the channel at once: that is the common order.
//! A slow client: the channel keeps the last BATCHES for everybody together and waits for nobody.
//! Who reads too slowly finds the oldest overwritten: whole batches, and so whole messages.

use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{env, mem, process};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{broadcast, oneshot};
use tokio::{select, task, time};

const FEW_BYTES: usize = 4 * 1024; // a read at first: most clients listen more than they speak
const CHUNK: usize = 64 * 1024; // bytes a read at most: thousands of messages, small enough to be fair
const BATCHES: usize = 256; // that the channel keeps for those who are behind
const RETRY: Duration = Duration::from_millis(100); // when no descriptor is left

type Batch = Arc<Vec<u8>>;

struct Room {
    tick: Mutex<Vec<u8>>, // whole messages in their final order, not yet heard
    heard: broadcast::Sender<Batch>,
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
    let room = Arc::new(Room { tick: Mutex::default(), heard: broadcast::Sender::new(BATCHES) });
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
    let heard = room.heard.subscribe();
    let (reader, writer) = stream.split();
    let (leave, leaving) = oneshot::channel();
    tokio::join!(read(reader, &room, leave), write(writer, heard, leaving));
}

async fn read(mut stream: ReadHalf<'_>, room: &Room, _leave: oneshot::Sender<()>) {
    let (mut data, mut size) = (vec![0; FEW_BYTES], 0);
    // A reset ends a connection as well as an end of stream.
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
    // The end of this function drops `_leave`, and so tells `write`.
}

/// Send what is heard, until the client has left and has heard everything, or hears no more.
async fn write(
    mut stream: WriteHalf<'_>,
    mut heard: broadcast::Receiver<Batch>,
    mut leaving: oneshot::Receiver<()>,
) {
    loop {
        let next = select! {
            biased; // who leaves shall hear first what was said until then
            next = heard.recv() => next,
            _ = &mut leaving => return,
        };
        // The drop policy: who has missed batches goes on with the oldest that is left.
        let Ok(batch) = next else { continue };
        if stream.write_all(&batch).await.is_err() {
            return; // `read` takes the client's last words, and sees its end as well
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

/// Put these messages next in the common order.
async fn broadcast(room: &Room, batch: &[u8]) {
    let full = {
        let mut tick = room.tick.lock().unwrap();
        tick.extend_from_slice(batch);
        tick.len() >= CHUNK
    };
    if full {
        flush(room);
    }
    task::yield_now().await; // whoever else is ready to speak does so, and one flush serves all
    flush(room);
}

/// Hand over what has gathered: one batch, however many have spoken.
fn flush(room: &Room) {
    let mut tick = room.tick.lock().unwrap();
    if !tick.is_empty() {
        let _ = room.heard.send(Arc::new(mem::take(&mut tick))); // an error says that nobody hears
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
