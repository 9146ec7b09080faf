;;;; Broadcast in Common Lisp: two threads per connection, and a mailbox for each client.
;;;;
;;;; Order: a thread that has read whole messages puts them into the mailboxes of all clients while it holds
;;;; the one lock *ORDER*: that is the common order.
;;;; A slow client: only its own writing thread waits for it. While more than +LIMIT+ bytes are unsent, the
;;;; client misses new batches, always as whole messages.

(require :sb-bsd-sockets)
(require :sb-concurrency)
(require :sb-posix)

(defpackage :broadcast
  (:use :common-lisp :sb-bsd-sockets :sb-concurrency :sb-thread)
  (:export #:main))

(in-package :broadcast)

(defconstant +backlog+ 1024)
(defconstant +chunk+ (* 16 1024))  ; bytes per read: a thousand idle clients must not cost much
(defconstant +longest+ 256)        ; bytes of a message, including its header
(defconstant +limit+ (* 256 1024)) ; a client with more unsent bytes misses new batches
(defconstant +cell+ 64)            ; bytes that a batch takes in a mailbox beyond its own
(defconstant +retry+ 1/10)         ; seconds to wait for a descriptor when there is none left
(defconstant +linger+ 10)          ; seconds for a client that has closed its sending side to read what is unsent

(deftype octets () '(simple-array (unsigned-byte 8) (*)))

(defstruct client
  (mailbox (make-mailbox))         ; of batches; NIL after the last one
  (unsent 0 :type sb-ext:word))    ; bytes in the mailbox or being written

(defvar *room* '()) ; all clients
(defvar *order* (make-mutex :name "order"))

(defun serve (socket)
  (unwind-protect
       (let* ((stream (socket-make-stream socket :output t :buffering :full :element-type '(unsigned-byte 8)))
              (client (make-client))
              (writer (ignore-errors (start #'write-batches client stream)))) ; NIL if no thread is left
         (when writer
           (unwind-protect
                (progn (join client)
                       (read-messages socket))
             (leave client)
             (join-thread writer :timeout +linger+ :default nil) ; it may never read
             (ignore-errors (socket-shutdown socket :direction :io)) ; then its writer's call fails
             (join-thread writer :default nil))))
    (socket-close socket :abort t)))

(defun join (client)
  (with-mutex (*order*)
    (push client *room*)))

(defun leave (client)
  (with-mutex (*order*)
    (setf *room* (delete client *room*)))
  (send-message (client-mailbox client) nil))

(defun read-messages (socket)
  "Pass on whole messages as they arrive, until the end of the stream."
  (loop with data of-type octets = (make-array (+ +longest+ +chunk+) :element-type '(unsigned-byte 8))
        with size = 0
        for got = (receive socket data size)
        until (zerop got)
        do (incf size got)
           (let ((whole (whole-messages data size)))
             (when (plusp whole)
               (broadcast (subseq data 0 whole)))
             (replace data (subseq data whole size))
             (decf size whole))))

(defun receive (socket data start)
  "Read what has arrived, at least a byte, behind the first START bytes of DATA; return how much, 0 at the end."
  (sb-sys:with-pinned-objects (data) ; the collector must not move it meanwhile
    (sb-posix:read (socket-file-descriptor socket)
                   (sb-sys:sap+ (sb-sys:vector-sap data) start)
                   (- (length data) start))))

(defun whole-messages (data size)
  "Return the length of the longest prefix of the first SIZE bytes of DATA that consists of whole messages."
  (declare (type octets data) (type fixnum size))
  (loop with whole of-type fixnum = 0
        while (and (< whole size) (<= (+ whole 1 (aref data whole)) size))
        do (incf whole (1+ (aref data whole)))
        finally (return whole)))

(defun write-batches (client stream)
  "Send what is in the mailbox, all of it at a time, until the client has left."
  (loop for batches = (next-batches (client-mailbox client))
        for whole = (remove nil batches)
        do (dolist (batch whole)
             (write-sequence (the octets batch) stream))
           (finish-output stream)
           (sb-ext:atomic-decf (client-unsent client) (reduce #'+ whole :key #'cost))
        until (member nil batches)))

(defun next-batches (mailbox)
  (let ((first (receive-message mailbox)))
    (thread-yield) ; tuned: the readers that can run now go first, so that one write sends what all of them have read
    (cons first (receive-pending-messages mailbox))))

(defun broadcast (batch)
  (with-mutex (*order*)
    (dolist (client *room*)
      (offer client batch))))

(defun offer (client batch)
  "Drop policy: a client gets all of the batch, or none of it if it is too far behind."
  (when (<= (client-unsent client) +limit+)
    (sb-ext:atomic-incf (client-unsent client) (cost batch))
    (send-message (client-mailbox client) batch)))

(defun cost (batch)
  (+ +cell+ (length (the octets batch))))

(defun accept (listener)
  (loop
    (let ((socket (handler-case (socket-accept listener)
                    (socket-error () (sleep +retry+) nil)))) ; no descriptor is left
      (when socket
        (handler-case (start #'serve socket)
          (error () (socket-close socket))))))) ; no thread is left

(defun start (function &rest arguments)
  "Start a thread in which an error ends nothing but the thread."
  (make-thread (lambda ()
                 (handler-case (apply function arguments)
                   ((or stream-error sb-posix:syscall-error) () nil) ; a reset, which is an end of stream too
                   (error (problem) (format *error-output* "~a~%" problem))))))

;;; The address, and what happens at the start.

(defun listen-on (host port)
  (let* ((v6 (find #\: host))
         (address (if v6 (make-inet6-address host) (host-ent-address (get-host-by-name host))))
         (listener (make-instance (if v6 'inet6-socket 'inet-socket) :type :stream :protocol :tcp)))
    (setf (sockopt-reuse-address listener) t
          (sockopt-tcp-nodelay listener) t) ; its connections inherit it
    (socket-bind listener address port)
    (socket-listen listener +backlog+)
    listener))

(defun parse-address (argument)
  "Return the host, the host with its brackets if it has any, and the port; NIL if the argument is not an address."
  (let* ((colon (or (position #\: argument :from-end t) 0))
         (shown (subseq argument 0 colon))
         (digits (subseq argument (min (1+ colon) (length argument))))
         (bracketed (and (> colon 2) (char= (char shown 0) #\[) (char= (char shown (1- colon)) #\])))
         (host (if bracketed (subseq shown 1 (1- colon)) shown)))
    (when (and (plusp (length host))
               (<= 1 (length digits) 5)
               (every (lambda (digit) (char<= #\0 digit #\9)) digits)
               (<= (parse-integer digits) 65535)
               (eq (and (find #\: host) t) bracketed))
      (values host shown (parse-integer digits)))))

(defun main ()
  (sb-ext:disable-debugger)
  (sb-sys:enable-interrupt sb-unix:sigpipe :ignore)
  (dolist (signal (list sb-unix:sigint sb-unix:sigterm))
    (sb-sys:enable-interrupt signal :default)) ; nothing needs saving
  (multiple-value-bind (host shown port)
      (let ((arguments (rest sb-ext:*posix-argv*)))
        (when (= (length arguments) 1)
          (parse-address (first arguments))))
    (unless host
      (format *error-output* "usage: broadcast HOST:PORT (IPv6: [HOST]:PORT)~%")
      (sb-ext:exit :code 2))
    (let ((listener (handler-case (listen-on host port)
                      (error (problem)
                        (format *error-output* "cannot listen on ~a:~a: ~a~%" shown port problem)
                        (sb-ext:exit :code 1)))))
      (format t "listening on ~a:~a~%" shown (nth-value 1 (socket-name listener)))
      (finish-output)
      (accept listener))))
