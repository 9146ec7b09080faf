(* Broadcast on Lwt: promises, and one loop that fulfils them.

   Order: a connection that has read whole messages appends them to the outboxes of all clients before
   any other connection continues, because nothing waits meanwhile: that is the common order.
   A slow client: only its own promise to write waits for it. While more than [limit] bytes are unsent,
   the client misses new batches, always as whole messages. *)

open Lwt.Syntax

let backlog = 1024
let few_bytes = 4 * 1024 (* first read: ten thousand idle clients must not cost a gigabyte *)
let chunk = 64 * 1024 (* largest read: thousands of messages, yet small enough to be fair *)
let limit = 256 * 1024 (* a client with more unsent bytes misses new batches *)
let cell = 64 (* bytes that a batch takes in an outbox beyond its own *)
let retry_s = 0.1 (* how long to wait for a descriptor when there is none left *)
let linger_s = 10.0 (* for a client that has closed its sending side to read what is unsent *)
let workers = 4 (* threads at most for blocking calls: Lwt closes sockets on them, and would start a thousand *)

module Vectors = Lwt_unix.IO_vectors

type client = {
  socket : Lwt_unix.file_descr;
  mutable outbox : Vectors.t; (* batches, each of which all clients share *)
  mutable unsent : int; (* bytes in the outbox or being written *)
  mutable leaving : bool;
  wake : unit Lwt_condition.t; (* there is something to send, or the client is leaving *)
}

let room : (int, client) Hashtbl.t = Hashtbl.create 64 (* all clients, each under a number of its own *)
let newest = ref 0

(* The length of the longest prefix of the data that consists of whole messages. *)
let whole_messages data size =
  let rec from whole =
    let following = if whole < size then whole + 1 + Char.code (Bytes.get data whole) else max_int in
    if following > size then whole else from following
  in
  from 0

(* Drop policy: a client gets all of the batch, or none of it if it is too far behind. *)
let offer client batch =
  if client.unsent <= limit then begin
    client.unsent <- client.unsent + cell + Bytes.length batch;
    Vectors.append_bytes client.outbox batch 0 (Bytes.length batch);
    Lwt_condition.signal client.wake ()
  end

let broadcast batch = Hashtbl.iter (fun _ client -> offer client batch) room

(* Broadcast whole messages as they arrive, until the end of the stream. *)
let rec read_messages client data size =
  let* got = Lwt_unix.read client.socket data size (Bytes.length data - size) in
  if got = 0 then Lwt.return_unit
  else begin
    let size = size + got in
    let whole = whole_messages data size in
    if whole > 0 then broadcast (Bytes.sub data 0 whole);
    (* A full read means that there was more to read. *)
    let grows = size = Bytes.length data && size < chunk in
    let following = if grows then Bytes.create (2 * size) else data in
    Bytes.blit data whole following 0 (size - whole);
    let* () = Lwt.pause () in (* a read that need not wait is no turn of the loop: others come first *)
    read_messages client following (size - whole)
  end

let rec write_all socket vectors =
  if Vectors.is_empty vectors then Lwt.return_unit
  else
    let* sent = Lwt_unix.writev socket vectors in
    Vectors.drop vectors sent;
    write_all socket vectors

(* Send the outbox, all that it holds at a time, until the client has left and all is sent. *)
let rec write client =
  let idle = client.unsent = 0 && not client.leaving in
  let* () = if idle then Lwt_condition.wait client.wake else Lwt.return_unit in
  let* () = Lwt.pause () in (* Tuned: all connections that can be read now fill the outbox first *)
  if client.unsent = 0 then Lwt.return_unit
  else
    let batches = client.outbox and taken = client.unsent in
    client.outbox <- Vectors.create ();
    let* () = write_all client.socket batches in
    client.unsent <- client.unsent - taken;
    write client

(* A reset ends a connection just as an end of stream does. *)
let ignoring_reset work =
  Lwt.catch work (function Unix.Unix_error _ -> Lwt.return_unit | problem -> Lwt.fail problem)

let join client =
  incr newest;
  Hashtbl.replace room !newest client;
  !newest

let leave client number =
  Hashtbl.remove room number;
  client.leaving <- true;
  Lwt_condition.signal client.wake ()

let serve socket =
  let client = { socket; outbox = Vectors.create (); unsent = 0; leaving = false; wake = Lwt_condition.create () } in
  let number = join client in
  let writing = ignoring_reset (fun () -> write client) in
  Lwt.finalize
    (fun () ->
      let* () =
        Lwt.finalize
          (fun () -> ignoring_reset (fun () -> read_messages client (Bytes.create few_bytes) 0))
          (fun () -> Lwt.return (leave client number))
      in
      Lwt.pick [ writing; Lwt_unix.sleep linger_s (* it may never read *) ])
    (fun () -> Lwt_unix.close socket)

let rec accept listener =
  let* () =
    Lwt.catch
      (fun () ->
        let* socket, _ = Lwt_unix.accept listener in
        Lwt.async (fun () -> serve socket);
        Lwt.return_unit)
      (function Unix.Unix_error _ -> Lwt_unix.sleep retry_s (* no descriptor is left *) | problem -> Lwt.fail problem)
  in
  accept listener

(* The address, and what happens at the start. *)

let parse_address arguments =
  let usage () =
    prerr_endline "usage: broadcast HOST:PORT (IPv6: [HOST]:PORT)";
    exit 2
  in
  let part address from upto = String.sub address from (upto - from) in
  match arguments with
  | [| _; address |] -> (
      let colon = try String.rindex address ':' with Not_found -> usage () in
      let host = part address 0 colon and port = part address (colon + 1) (String.length address) in
      let digits = port <> "" && String.length port <= 5 && String.for_all (fun c -> '0' <= c && c <= '9') port in
      let bracketed = colon > 2 && host.[0] = '[' && host.[colon - 1] = ']' in
      let bare = if bracketed then part host 1 (colon - 1) else host in
      match int_of_string_opt port with
      | Some number when digits && number <= 65535 && bare <> "" && String.contains bare ':' = bracketed ->
          (bare, host, number)
      | _ -> usage ())
  | _ -> usage ()

let listen_on host port =
  let hints = Unix.[ AI_SOCKTYPE SOCK_STREAM; AI_PASSIVE ] in
  match Unix.getaddrinfo host (string_of_int port) hints with
  | [] -> failwith "no such host"
  | found :: _ ->
      let listener = Unix.socket ~cloexec:true found.ai_family SOCK_STREAM 0 in
      Unix.setsockopt listener SO_REUSEADDR true;
      Unix.setsockopt listener TCP_NODELAY true; (* its connections inherit it *)
      Unix.bind listener found.ai_addr;
      Unix.listen listener backlog;
      listener

let main () =
  let host, shown, port = parse_address Sys.argv in
  Sys.set_signal Sys.sigpipe Signal_ignore;
  let failed reason =
    Printf.eprintf "cannot listen on %s:%d: %s\n" shown port reason;
    exit 1
  in
  let listener =
    try listen_on host port with
    | Unix.Unix_error (error, _, _) -> failed (Unix.error_message error)
    | Failure reason -> failed reason
  in
  let port = match Unix.getsockname listener with ADDR_INET (_, port) -> port | ADDR_UNIX _ -> port in
  Printf.printf "listening on %s:%d\n%!" shown port;
  Lwt_unix.set_pool_size workers;
  Lwt.async_exception_hook := (fun problem -> prerr_endline (Printexc.to_string problem)); (* and no more: it ended one client *)
  Lwt_main.run (accept (Lwt_unix.of_unix_file_descr listener))

let () = main ()
