#lang racket/base
;; Broadcast in Racket: green threads, channels and mailboxes.
;;
;; Order: every connection's thread passes its whole messages to the one thread `broadcast`; they reach
;; all clients in the order in which they come out of that channel.
;; A slow client: only its own writing thread waits for it. While more than `limit` bytes are unsent,
;; the client misses new batches, always as whole messages.

(require racket/tcp)

(define backlog 1024)
(define few-bytes (* 4 1024)) ; first read: ten thousand idle clients must not cost a gigabyte
(define chunk (* 64 1024)) ; largest read: thousands of messages, yet small enough to be fair
(define limit (* 256 1024)) ; a client with more unsent bytes misses new batches
(define mail 64) ; bytes that a batch takes in a mailbox beyond its own
(define retry-s 0.1) ; how long to wait for a descriptor when there is none left

;; writer: the thread whose mailbox is the outbox; unsent: a box with the number of bytes in it
(struct client (writer unsent) #:authentic)

;; From the connections' threads to the one that knows the room. Channels are unbuffered: a thread
;; that sends waits until the other one receives.
(define joined (make-channel))
(define left (make-channel))
(define received (make-channel)) ; whole messages

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
  ;; SIGINT and SIGTERM are breaks. Nothing needs saving, and the kernel closes every connection.
  (with-handlers ([exn:break? (lambda (_) (exit 0))])
    (accept listener)))

(define (accept listener)
  (with-handlers ([exn:fail:network? (lambda (_) (sleep retry-s))]) ; no descriptor is left
    (define-values (in out) (tcp-accept listener))
    (thread (lambda () (serve in out))))
  (accept listener))

(define (serve in out)
  (define unsent (box 0))
  (define writer (thread (lambda () (ignoring-reset (lambda () (write-all out unsent))))))
  (define me (client writer unsent))
  (channel-put joined me)
  (ignoring-reset (lambda () (read-messages in (make-bytes few-bytes) 0)))
  (channel-put left me)
  (thread-send writer eof void)
  (thread-wait writer)
  (close-input-port in)
  (tcp-abandon-port out))

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

;; Send the batches that arrive in the mailbox.
(define (write-all out unsent)
  (define batch (thread-receive))
  (unless (eof-object? batch)
    (write-bytes batch out)
    (flush-output out)
    (add! unsent (- (cost batch)))
    (write-all out unsent)))

;; A reset ends a connection just as an end of stream does.
(define (ignoring-reset work)
  (with-handlers ([exn:fail? void]) (work)))

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
                (handle-evt received (lambda (batch) (flush room batch) room))))))

;; Offer what has been received as one batch: one offer per client, however many clients have sent.
(define (flush room first)
  (define batch
    (let loop ([batches (list first)] [size (bytes-length first)])
      (define next (and (< size chunk) (channel-try-get received))) ; else clients might miss the next one
      (if next
          (loop (cons next batches) (+ size (bytes-length next)))
          (apply bytes-append (reverse batches)))))
  (for ([client (in-hash-keys room)])
    (offer client batch)))

;; Drop policy: a client gets all of the batch, or none of it if it is too far behind.
(define (offer client batch)
  (define unsent (client-unsent client))
  (when (<= (unbox unsent) limit)
    (add! unsent (cost batch))
    (thread-send (client-writer client) batch void)))

(define (cost batch)
  (+ mail (bytes-length batch)))

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
