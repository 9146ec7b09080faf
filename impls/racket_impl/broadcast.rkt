#lang racket/base
;; Broadcast in Racket: green threads, channels and mailboxes.
;;
;; Order: every connection's thread passes its whole messages to the one thread `broadcast`; they reach
;; all clients in the order in which they come out of that channel.
;; A slow client: only its own writing thread waits for it. While more than `limit` bytes are unsent,
;; the client misses new batches, always as whole messages.

(require ffi/unsafe ffi/unsafe/port racket/tcp)

(define backlog 1024)
(define few-bytes (* 4 1024)) ; first read: ten thousand idle clients must not cost a gigabyte
(define chunk (* 64 1024)) ; largest read: thousands of messages, yet small enough to be fair
(define limit (* 256 1024)) ; a client with more unsent bytes misses new batches
(define mail 64) ; bytes that a batch takes in a mailbox beyond its own
(define retry-s 0.1) ; how long to wait for a descriptor when there is none left
(define linger-s 10) ; for a client that has closed its sending side to read what is unsent

;; writer: the thread whose mailbox is the outbox
;; unsent: a box with the number of bytes that are in the mailbox or being written
(struct client (writer unsent))

;; From the connections' threads to the one that knows the room. Channels are unbuffered: a thread
;; that sends waits until the other one receives.
(define joined (make-channel))
(define left (make-channel))
(define received (make-channel)) ; whole messages

;; One connection. Its custodian owns its threads and ports, and ends all of them, whatever happens.
(define (serve in out custodian)
  (dynamic-wind void
                (lambda () (converse in out))
                (lambda () (custodian-shutdown-all custodian))))

(define (converse in out)
  (no-delay! out)
  (define unsent (box 0))
  (define writer (thread (lambda () (ignoring-reset (lambda () (write-all out unsent))))))
  (define me (client writer unsent))
  (dynamic-wind
   (lambda () (channel-put joined me))
   (lambda () (ignoring-reset (lambda () (read-messages in (make-bytes few-bytes) 0))))
   (lambda () (channel-put left me)))
  (thread-send writer eof void)
  (sync/timeout linger-s writer)) ; it may never read

;; Pass on whole messages as they arrive, until the end of the stream.
(define (read-messages in data size)
  (define got (read-bytes-avail! data in size))
  (unless (eof-object? got)
    (let* ([size (+ size got)]
           [whole (whole-messages data size)]
           [full? (and (= size (bytes-length data)) (< size chunk))] ; there was more to read
           [following (if full? (make-bytes (* 2 size)) data)])
      (when (> whole 0)
        (channel-put received (subbytes data 0 whole)))
      (bytes-copy! following 0 data whole size)
      (read-messages in following (- size whole)))))

;; Send what the mailbox holds, all of it at a time, until the end of the file arrives in it.
(define (write-all out unsent)
  (let loop ([batches '()] [next (thread-receive)])
    (cond
      [(bytes? next) (loop (cons next batches) (thread-try-receive))]
      [else
       (write-bytes (apply bytes-append (reverse batches)) out)
       (flush-output out)
       (add! unsent (- (apply + (map cost batches))))
       (unless (eof-object? next) ; the mailbox is empty
         (loop '() (thread-receive)))])))

;; A reset ends a connection just as an end of stream does. Any other failure is a bug, and Racket prints it.
(define (ignoring-reset work)
  (with-handlers ([exn:fail:network? void]) (work)))

;; Racket may switch threads at any time, so a box is changed atomically.
(define (add! box change)
  (define before (unbox box))
  (unless (box-cas! box before (+ before change))
    (add! box change)))

;; The length of the longest prefix of the data that consists of whole messages.
(define (whole-messages data size)
  (let loop ([whole 0])
    (define following (if (< whole size) (+ whole 1 (bytes-ref data whole)) +inf.0))
    (if (> following size) whole (loop following))))

;; The only thread that knows the room; it decides the order.
(define (broadcast)
  (let loop ([room (hasheq)])
    (loop (sync (handle-evt joined (lambda (client) (hash-set room client #t)))
                (handle-evt left (lambda (client) (hash-remove room client)))
                (handle-evt received
                            (lambda (batch)
                              (for ([client (in-hash-keys room)])
                                (offer client batch))
                              room))))))

;; Drop policy: a client gets all of the batch, or none of it if it is too far behind.
(define (offer client batch)
  (define unsent (client-unsent client))
  (when (<= (unbox unsent) limit)
    (add! unsent (cost batch))
    (thread-send (client-writer client) batch void)))

(define (cost batch)
  (+ mail (bytes-length batch)))

(define (accept listener)
  (define custodian (make-custodian))
  (with-handlers ([exn:fail:network? (lambda (_) (sleep retry-s))]) ; no descriptor is left
    (parameterize ([current-custodian custodian])
      (define-values (in out) (tcp-accept listener))
      (thread (lambda () (serve in out custodian)))))
  (accept listener))

;; Up to version 8.8 Racket has no option for this, so ask the C library; later ones do it themselves, and need none
;; of this. With Nagle's algorithm, a small message would wait until the client has acknowledged the one before,
;; which takes it up to 40 ms.
(define (no-delay! port)
  (define tcp 6) ; IPPROTO_TCP, and of its options
  (define tcp-nodelay 1)
  (setsockopt (unsafe-port->socket port) tcp tcp-nodelay 1))

(define setsockopt
  (get-ffi-obj "setsockopt" #f (_fun _int _int _int (_ptr i _int) (_int = (ctype-sizeof _int)) -> _int)))

;; The address, and what happens at the start.

(define (main arguments)
  (define-values (host port) (parse-address arguments))
  (define shown (if (regexp-match? #rx":" host) (format "[~a]" host) host))
  (define (failed problem)
    (eprintf "cannot listen on ~a:~a: ~a\n" shown port (car (regexp-match #rx"[^\n]*" (exn-message problem))))
    (exit 1))
  (define listener
    (with-handlers ([exn:fail:network? failed])
      (tcp-listen port backlog #t host)))
  (define-values (_here real _there _its) (tcp-addresses listener #t))
  (printf "listening on ~a:~a\n" shown real)
  (flush-output)
  (thread broadcast)
  (with-handlers ([exn:break? void]) ; SIGINT and SIGTERM are breaks; when `main` returns, the server ends
    (accept listener)))

(define (parse-address arguments)
  (define found
    (and (= (vector-length arguments) 1)
         (regexp-match #px"^(?:\\[([^]]*:[^]]*)\\]|([^]:\\[]+)):(0|[1-9][0-9]{0,4})$" (vector-ref arguments 0))))
  (define port (if found (string->number (cadddr found)) 65536))
  (unless (<= port 65535)
    (eprintf "usage: broadcast HOST:PORT (IPv6: [HOST]:PORT)\n")
    (exit 2))
  (values (or (cadr found) (caddr found)) port))

(module+ main
  (main (current-command-line-arguments)))
