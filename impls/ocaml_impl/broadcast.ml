(* Broadcast on Lwt: promises, and one loop that fulfils them.

   Order: every connection appends its whole messages to the one buffer [pending], and everything
   collected there in one turn of the loop goes to all clients as one batch: that is the common order.
   A slow client: only its own promise to write waits for it. While more than [limit] bytes are unsent,
   the client misses new batches, always as whole messages. *)

open Lwt.Syntax

let backlog = 1024
let few_bytes = 4 * 1024 (* first read: ten thousand idle clients must not cost a gigabyte *)
let chunk = 64 * 1024 (* largest read: thousands of messages, yet small enough to be fair *)
let limit = 256 * 1024 (* a client with more unsent bytes misses new batches *)
let retry_s = 0.1 (* how long to wait for a descriptor when there is none left *)
let linger_s = 10.0 (* for a client that has closed its sending side to read what is unsent *)
let workers = 4 (* threads at most for blocking calls: Lwt closes sockets on them, and would start a thousand *)

type client = {
  socket : Lwt_unix.file_descr;
  outbox : Buffer.t;
  mutable unsent : int; (* bytes in the outbox or being written *)
  mutable writing : unit Lwt.t; (* pending while there is something unsent *)
}

let room : (int, client) Hashtbl.t = Hashtbl.create 64 (* all clients, by number *)
let newest = ref 0
let pending = Buffer.create chunk (* whole messages in their final order, not yet offered *)

(* The length of the longest prefix of the data that consists of whole messages. *)
let whole_messages data size =
  let rec from whole =
    let following = if whole < size then whole + 1 + Char.code (Bytes.get data whole) else max_int in
    if following > size then whole else from following
  in
  from 0

(* Send a batch, then the outbox: one write for everything that was added during the previous one. *)
let rec write client batch from =
  let* sent = Lwt_unix.write_string client.socket batch from (String.length batch - from) in
  client.unsent <- client.unsent - sent;
  if from + sent < String.length batch then write client batch (from + sent)
  else if Buffer.length client.outbox = 0 then Lwt.return_unit
  else
    let next = Buffer.contents client.outbox in
    Buffer.reset client.outbox;
    write client next 0

(* Drop policy: a client gets all of the batch, or none of it if it is too far behind. *)
let offer client batch =
  if client.unsent <= limit then begin
    client.unsent <- client.unsent + String.length batch;
    if Lwt.is_sleeping client.writing then Buffer.add_string client.outbox batch
    else
      client.writing <-
        Lwt.catch (fun () -> write client batch 0) (fun _ -> Lwt.return_unit (* reading fails too *))
  end

(* Offer what is pending as one batch: one offer per client, however many clients have sent. *)
let flush () =
  if Buffer.length pending > 0 then begin
    let batch = Buffer.contents pending in
    Buffer.clear pending;
    Hashtbl.iter (fun _ client -> offer client batch) room
  end

(* Append these messages to the common order. *)
let broadcast data size =
  if Buffer.length pending + size > 2 * chunk then flush (); (* a longer batch might make clients miss the next one *)
  Buffer.add_subbytes pending data 0 size;
  let* () = Lwt.pause () in (* other ready readers append theirs first, and one flush sends it all *)
  flush ();
  Lwt.return_unit

(* Broadcast whole messages as they arrive, until the end of the stream. *)
let rec read_messages client data size =
  let* got = Lwt_unix.read client.socket data size (Bytes.length data - size) in
  if got = 0 then Lwt.return_unit
  else
    let size = size + got in
    let whole = whole_messages data size in
    let* () = if whole > 0 then broadcast data whole else Lwt.return_unit in
    (* A full read means that there was more to read. *)
    let grows = size = Bytes.length data && size < chunk in
    let following = if grows then Bytes.create (2 * size) else data in
    Bytes.blit data whole following 0 (size - whole);
    read_messages client following (size - whole)

let serve socket =
  let client = { socket; outbox = Buffer.create 0; unsent = 0; writing = Lwt.return_unit } in
  incr newest;
  let number = !newest in
  Hashtbl.replace room number client;
  (* A reset ends a connection just as an end of stream does. *)
  let* () = Lwt.catch (fun () -> read_messages client (Bytes.create few_bytes) 0) (fun _ -> Lwt.return_unit) in
  Hashtbl.remove room number;
  let* () = Lwt.pick [ client.writing; Lwt_unix.sleep linger_s (* it may never read *) ] in
  Lwt_unix.close socket

let rec accept listener =
  let* () =
    Lwt.catch
      (fun () ->
        let* socket, _ = Lwt_unix.accept listener in
        Lwt.async (fun () -> serve socket);
        Lwt.return_unit)
      (fun _ -> Lwt_unix.sleep retry_s (* no descriptor is left *))
  in
  accept listener

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
      let digits = port <> "" && String.for_all (fun c -> '0' <= c && c <= '9') port in
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
  (* Nothing needs saving, and the kernel closes every connection. *)
  List.iter (fun signal -> ignore (Lwt_unix.on_signal signal (fun _ -> Unix._exit 0))) [ Sys.sigint; Sys.sigterm ];
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
  Lwt_main.run (accept (Lwt_unix.of_unix_file_descr listener))

let () = main ()
