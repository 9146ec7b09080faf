//! Broadcast in Rust with actors, on ractor: the room is an actor, and every connection is two.
//!
//! Order: the order of the messages in the room's mailbox is the common order. A reader waits for
//! the room's answer before it reads on, so that mailbox is never longer than the list of clients.
//! A slow client: only its own session waits for it. While its mailbox holds more than LIMIT bytes,
//! the room sends it no new messages.
//! Supervision: the room is notified of every session that ends or fails, and a session of its
//! reader. So there is no code for leaving that an error could skip.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{env, io, process};

use bytes::Bytes;
use ractor::{
    Actor, ActorId, ActorProcessingErr, ActorRef, ActorStatus, RpcReplyPort, SupervisionEvent,
    call, cast,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::{select, time};

const LIMIT: usize = 256 * 1024; // a client with more unsent bytes misses new messages
const ENVELOPE: usize = 128; // bytes that a message takes in a mailbox besides its own
const RETRY: Duration = Duration::from_millis(100); // when no descriptor is left
const LINGER: Duration = Duration::from_secs(10); // for a half-closed client to read the rest

/// Reads from one client: one message of the client for each `()` that it sends to itself.
struct Reader;

struct Reading {
    stream: BufReader<OwnedReadHalf>,
    session: ActorRef<Bytes>,
    room: ActorRef<Request>,
}

impl Actor for Reader {
    type Msg = ();
    type State = Reading;
    type Arguments = Reading;

    async fn pre_start(
        &self,
        myself: ActorRef<()>,
        reading: Reading,
    ) -> Result<Reading, ActorProcessingErr> {
        cast!(myself, ())?;
        Ok(reading)
    }

    async fn handle(
        &self,
        myself: ActorRef<()>,
        _: (),
        reading: &mut Reading,
    ) -> Result<(), ActorProcessingErr> {
        if let Ok(message) = next_message(&mut reading.stream).await {
            call!(reading.room, Request::Say, message)?;
            cast!(myself, ())?;
        } else {
            // A reset ends a connection just as an end of stream does.
            reading.session.kill_after(LINGER); // the client may never read what is unsent
            myself.stop(None);
        }
        Ok(())
    }
}

async fn next_message(stream: &mut BufReader<OwnedReadHalf>) -> io::Result<Bytes> {
    let size = stream.read_u8().await?;
    let mut message = vec![0; 1 + usize::from(size)];
    message[0] = size;
    stream.read_exact(&mut message[1..]).await?;
    Ok(message.into())
}

/// A connection: writes to one client the messages in its mailbox.
struct Session;

struct Writing {
    stream: BufWriter<OwnedWriteHalf>,
    unsent: Arc<AtomicUsize>, // bytes in the mailbox, or being written
}

impl Actor for Session {
    type Msg = Bytes;
    type State = Writing;
    type Arguments = (TcpStream, ActorRef<Request>);

    async fn pre_start(
        &self,
        myself: ActorRef<Bytes>,
        (stream, room): Self::Arguments,
    ) -> Result<Writing, ActorProcessingErr> {
        let (reader, writer) = stream.into_split();
        let unsent = Arc::<AtomicUsize>::default();
        cast!(room, Request::Join(myself.clone(), unsent.clone()))?;
        let reading = Reading { stream: BufReader::new(reader), session: myself.clone(), room };
        Actor::spawn_linked(None, Reader, reading, myself.get_cell()).await?;
        Ok(Writing { stream: BufWriter::new(writer), unsent })
    }

    async fn handle(
        &self,
        _: ActorRef<Bytes>,
        message: Bytes,
        writing: &mut Writing,
    ) -> Result<(), ActorProcessingErr> {
        // A failed write ends nothing: the reader takes the client's last messages, and sees its end.
        let _ = writing.stream.write_all(&message).await;
        if writing.unsent.load(Ordering::Relaxed) == cost(&message) {
            let _ = writing.stream.flush().await; // this was the last message in the mailbox
        }
        writing.unsent.fetch_sub(cost(&message), Ordering::Relaxed);
        Ok(())
    }

    /// The reader has ended: send what is in the mailbox, and then end.
    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Bytes>,
        event: SupervisionEvent,
        _: &mut Writing,
    ) -> Result<(), ActorProcessingErr> {
        if ended(&event).is_some() {
            myself.drain()?;
        }
        Ok(())
    }

    /// The mailbox is empty. A message that came too late for it may have kept `handle` from flushing.
    async fn post_stop(
        &self,
        _: ActorRef<Bytes>,
        writing: &mut Writing,
    ) -> Result<(), ActorProcessingErr> {
        // The limit is for a reader that has panicked: `kill_after` would end this as well.
        let _ = time::timeout(LINGER, writing.stream.flush()).await;
        Ok(())
    }
}

/// The room: it has the sessions of all clients, and decides the order.
struct Room;

enum Request {
    Join(ActorRef<Bytes>, Arc<AtomicUsize>),
    Say(Bytes, RpcReplyPort<()>),
}

struct Member {
    session: ActorRef<Bytes>,
    unsent: Arc<AtomicUsize>,
}

impl Actor for Room {
    type Msg = Request;
    type State = HashMap<ActorId, Member>;
    type Arguments = ();

    async fn pre_start(
        &self,
        _: ActorRef<Request>,
        _: (),
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(HashMap::new())
    }

    async fn handle(
        &self,
        _: ActorRef<Request>,
        request: Request,
        members: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match request {
            Request::Join(session, unsent) => {
                // Notices overtake messages: that of its end may have come before its Join.
                if session.get_status() < ActorStatus::Stopping {
                    members.insert(session.get_id(), Member { session, unsent });
                }
            }
            Request::Say(message, done) => {
                for member in members.values() {
                    offer(member, &message);
                }
                let _ = done.send(()); // fails if the reader has ended meanwhile
            }
        }
        Ok(())
    }

    /// A session has ended or failed: forget it, and go on.
    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Request>,
        event: SupervisionEvent,
        members: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        if let Some(session) = ended(&event) {
            members.remove(&session);
        }
        Ok(())
    }
}

/// Drop policy: a client that is too far behind misses the message.
fn offer(member: &Member, message: &Bytes) {
    if member.unsent.load(Ordering::Relaxed) <= LIMIT {
        member.unsent.fetch_add(cost(message), Ordering::Relaxed);
        let _ = member.session.cast(message.clone()); // fails if the session is ending
    }
}

fn cost(message: &Bytes) -> usize {
    message.len() + ENVELOPE
}

/// The actor whose end this event reports.
fn ended(event: &SupervisionEvent) -> Option<ActorId> {
    match event {
        SupervisionEvent::ActorTerminated(actor, _, _)
        | SupervisionEvent::ActorFailed(actor, _) => Some(actor.get_id()),
        _ => None,
    }
}

async fn accept(listener: TcpListener, room: ActorRef<Request>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                let arguments = (stream, room.clone());
                // A session that cannot start has closed its connection.
                let _ = Actor::spawn_linked(None, Session, arguments, room.get_cell()).await;
            }
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
    let (room, its_end) = Actor::spawn(None, Room, ()).await.expect("the room starts");
    let port = listener.local_addr().expect("it is bound").port();
    println!("listening on {host}:{port}");
    // SIGINT and SIGTERM end the process, as they do unless one asks for something else.
    select! {
        _ = accept(listener, room) => {}
        _ = its_end => process::exit(1), // a server without a room is of no use
    }
}
