/*
 * A group chat on coroutines: one that reads and one that writes for every connection.
 *
 * Order: all coroutines run on one thread, the main one. A coroutine puts a message or a notice
 * into the queues of all members before any other coroutine runs. Replies go the same way.
 * A slow client: only its own two coroutines wait for it. While more than LIMIT bytes are unsent,
 * it misses new messages; while replies make it twice as many, its requests wait; and when notices,
 * which no member may miss, make it three times as many, it is disconnected.
 */

package groupchat

import java.io.ByteArrayOutputStream
import java.io.IOException
import java.net.InetAddress
import java.net.InetSocketAddress
import java.net.StandardSocketOptions.TCP_NODELAY
import java.nio.BufferUnderflowException
import java.nio.ByteBuffer
import java.nio.channels.AsynchronousServerSocketChannel
import java.nio.channels.AsynchronousSocketChannel
import java.nio.channels.CompletionHandler
import kotlin.coroutines.Continuation
import kotlin.coroutines.resume
import kotlin.coroutines.resumeWithException
import kotlin.system.exitProcess
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.supervisorScope
import kotlinx.coroutines.suspendCancellableCoroutine
import kotlinx.coroutines.withTimeoutOrNull

private const val BACKLOG = 1024
private const val CHUNK = 8 * 1024 // bytes per read, as many as in the JDK's buffered streams
private const val FRAME = 64 * 1024 - 1 // bytes of the longest payload: a length has two bytes
private const val NAME = 32 // code points of the longest name
private const val TEXT = 32 * 1024 // bytes of the longest text
private const val VARINT_BITS = 21 // three bytes: no text in a frame is longer
private const val LIMIT = 256 * 1024 // a client with more unsent bytes misses new messages
private const val WRITE = 64 * 1024 // bytes above which nothing is added to a write
private const val RETRY_MS = 100L // when no descriptor is left
private const val LINGER_MS = 10_000L // for a half-closed client to read what is unsent
private const val PAUSE_MS = 30_000L // for a client with too many unsent replies to read them

private class Client(val socket: AsynchronousSocketChannel) {
    var name: String? = null // until it has joined; until then it gets no messages
    val outbox = Channel<ByteArray>(Channel.UNLIMITED) // `offer` and `pause` limit it
    val unsent = MutableStateFlow(0) // bytes in the outbox or being written
}

private enum class Request { JOIN, SAY } // the position is the tag on the wire

private enum class Reply { WELCOME, REFUSED, JOINED, LEFT, SAID }

private val members = LinkedHashMap<String, Client>() // the clients that have joined, by name

private suspend fun serve(socket: AsynchronousSocketChannel) = coroutineScope {
    socket.use { // closing it ends a write that still waits, and so this scope
        val client = Client(socket)
        val writer = launch { write(client) }
        try {
            socket.setOption(TCP_NODELAY, true)
            read(client)
        } catch (_: IOException) { // a reset ends a connection just as an end of stream does
        } finally {
            leave(client)
        }
        withTimeoutOrNull(LINGER_MS) { writer.join() } // sends what is unsent first
    }
}

private suspend fun read(client: Client) {
    var data = ByteBuffer.allocate(CHUNK)
    while (client.socket.awaitRead(data) > 0) {
        data.flip()
        var size = 0 // of the unfinished frame, if that is known
        while (data.remaining() >= 2) {
            size = 2 + data.getShort(data.position()).toUShort().toInt()
            if (data.remaining() < size) break
            handle(client, data.slice(data.position() + 2, size - 2))
            data.position(data.position() + size)
            size = 0
            pause(client)
        }
        val needed = maxOf(CHUNK, size)
        data = if (data.capacity() == needed) data.compact() else ByteBuffer.allocate(needed).put(data)
    }
}

/** Send the outbox: one write for what was added during the previous one, but no large copy for each slow client. */
private suspend fun write(client: Client) {
    try {
        for (first in client.outbox) {
            val bytes = ByteArrayOutputStream()
            bytes.writeBytes(first)
            while (bytes.size() < WRITE) bytes.writeBytes(client.outbox.tryReceive().getOrNull() ?: break)
            val data = ByteBuffer.wrap(bytes.toByteArray())
            while (data.hasRemaining()) {
                val sent = client.socket.awaitWrite(data) // meanwhile `unsent` may grow
                client.unsent.value -= sent
            }
        }
    } catch (_: IOException) {
        client.outbox.cancel() // nothing is added to it any more,
        client.unsent.value = 0 // so that the reading coroutine does not wait in `pause`, but sees the error, too
    }
}

/**
 * Wait while too many replies to the client are unsent; not for ever, because the end of its stream
 * is not seen meanwhile.
 */
private suspend fun pause(client: Client) {
    if (client.unsent.value <= 2 * LIMIT) return // nearly always; what follows costs a timer
    withTimeoutOrNull(PAUSE_MS) { client.unsent.first { it <= 2 * LIMIT } }
        ?: throw IOException("the client does not read its replies")
}

/** Carry out the request in a frame, or reply why not. */
private fun handle(client: Client, payload: ByteBuffer) {
    try {
        obey(client, payload)
    } catch (_: CharacterCodingException) {
        send(client, encode(Reply.REFUSED, "a text is in UTF-8"))
    } catch (refused: IOException) {
        send(client, encode(Reply.REFUSED, refused.message ?: "no such request"))
    } catch (_: BufferUnderflowException) {
        send(client, encode(Reply.REFUSED, "the frame ends too early"))
    }
}

private fun obey(client: Client, payload: ByteBuffer) {
    val tag = payload.get().toInt()
    val text = decode(payload)
    when {
        payload.hasRemaining() -> throw IOException("bytes are left over")
        tag == Request.JOIN.ordinal -> join(client, text)
        tag == Request.SAY.ordinal -> say(client, text)
        else -> throw IOException("no such request")
    }
}

private fun join(client: Client, name: String) {
    if (client.name != null) throw IOException("you have already joined")
    if (name.codePointCount(0, name.length) !in 1..NAME || name.any(Char::isISOControl)) {
        throw IOException("a name has 1 to $NAME characters, and no control characters")
    }
    if (name in members) throw IOException("this name is taken")
    send(client, encode(Reply.WELCOME, *members.keys.toTypedArray()))
    announce(encode(Reply.JOINED, name))
    members[name] = client
    client.name = name
}

private fun say(client: Client, text: String) {
    val name = client.name ?: throw IOException("join first")
    if (text.encodeToByteArray().size > TEXT) throw IOException("a text has at most $TEXT bytes")
    val delivery = encode(Reply.SAID, name, text)
    members.values.forEach { offer(it, delivery) }
}

/** Forget the client; if it was a member, announce that it has left. */
private fun leave(client: Client) {
    client.name?.let {
        members -= it
        announce(encode(Reply.LEFT, it))
    }
    client.outbox.close() // its writer ends after what is in there
}

/** Send a notice to all members. One that is too far behind to get it is disconnected. */
private fun announce(notice: ByteArray) {
    for (member in members.values) {
        if (member.unsent.value > 3 * LIMIT) {
            member.socket.close() // its own coroutines do the rest
        } else {
            send(member, notice)
        }
    }
}

/** Drop policy: a client that is too far behind misses the message. */
private fun offer(client: Client, delivery: ByteArray) {
    if (client.unsent.value <= LIMIT) send(client, delivery)
}

private fun send(client: Client, reply: ByteArray) {
    if (client.outbox.trySend(reply).isSuccess) client.unsent.value += reply.size
}

/** Read a text: the number of its bytes, and its bytes in UTF-8. */
private fun decode(payload: ByteBuffer): String {
    var size = 0
    var shift = 0
    do { // seven bits per byte; the highest says that more follow
        val piece = payload.get().toInt()
        size = size or ((piece and 0x7f) shl shift)
        if (shift == VARINT_BITS || (piece == 0 && shift > 0)) {
            throw IOException("a length has more bytes than necessary")
        }
        shift += 7
    } while (piece < 0)
    val bytes = ByteArray(minOf(size, payload.remaining() + 1)) // the claim may be too high
    payload.get(bytes)
    return bytes.decodeToString(throwOnInvalidSequence = true)
}

/** A frame with these texts; throws an IOException if they do not fit, as very many names. */
private fun encode(reply: Reply, vararg texts: String): ByteArray {
    val payload = ByteArrayOutputStream()
    payload.write(reply.ordinal)
    if (reply == Reply.WELCOME) payload.writeNumber(texts.size) // the only reply whose number of texts varies
    for (text in texts) {
        val bytes = text.encodeToByteArray()
        payload.writeNumber(bytes.size)
        payload.writeBytes(bytes)
    }
    if (payload.size() > FRAME) throw IOException("the room is full")
    val frame = ByteBuffer.allocate(2 + payload.size()).putShort(payload.size().toShort())
    return frame.put(payload.toByteArray()).array()
}

private fun ByteArrayOutputStream.writeNumber(number: Int) {
    var left = number
    while (left > 0x7f) {
        write(left or 0x80)
        left = left shr 7
    }
    write(left)
}

private suspend fun accept(listener: AsynchronousServerSocketChannel) = supervisorScope {
    while (true) {
        try {
            val socket = listener.awaitAccept()
            launch { serve(socket) }
        } catch (_: IOException) { // no descriptor is left
            delay(RETRY_MS)
        }
    }
}

/**
 * Resumes the coroutine that waits for a channel of the JDK. Nothing here cancels one that waits: to do
 * so, close its channel, too, because the JDK cannot take back what it has begun.
 */
private class Resume<T> : CompletionHandler<T, Continuation<T>> {
    override fun completed(result: T, waiting: Continuation<T>) = waiting.resume(result)

    override fun failed(error: Throwable, waiting: Continuation<T>) = waiting.resumeWithException(error)
}

private suspend fun AsynchronousServerSocketChannel.awaitAccept() =
    suspendCancellableCoroutine<AsynchronousSocketChannel> { accept(it, Resume()) }

private suspend fun AsynchronousSocketChannel.awaitRead(data: ByteBuffer) =
    suspendCancellableCoroutine<Int> { read(data, it, Resume()) }

private suspend fun AsynchronousSocketChannel.awaitWrite(data: ByteBuffer) =
    suspendCancellableCoroutine<Int> { write(data, it, Resume()) }

// What follows is the same in every server: the listener and its address.

private fun listen(host: String, port: Int): AsynchronousServerSocketChannel {
    // Else a listener on 0.0.0.0 would accept all of IPv6 as well.
    if (':' !in host) System.setProperty("java.net.preferIPv4Stack", "true")
    // The JDK needs a descriptor to load what closes a socket; when the first client leaves, there may be none.
    AsynchronousSocketChannel.open().close()
    val address = InetSocketAddress(InetAddress.getByName(host), port)
    return AsynchronousServerSocketChannel.open().bind(address, BACKLOG)
}

private data class Address(val host: String, val port: Int)

private fun parseAddress(arguments: Array<String>): Address {
    val pattern = Regex("""(\[[^]]*:[^]]*]|[^:\[\]]+):(0|[1-9][0-9]{0,4})""")
    val match = pattern.matchEntire(arguments.singleOrNull() ?: "")
    if (match == null || match.groupValues[2].toInt() > 65535) {
        System.err.println("usage: Groupchat HOST:PORT (IPv6: [HOST]:PORT)")
        exitProcess(2)
    }
    return Address(match.groupValues[1], match.groupValues[2].toInt())
}

fun main(arguments: Array<String>) {
    val (host, port) = parseAddress(arguments)
    val listener =
        try {
            listen(host, port)
        } catch (error: IOException) {
            System.err.println("cannot listen on $host:$port: ${error.message}")
            exitProcess(1)
        }
    println("listening on $host:${(listener.localAddress as InetSocketAddress).port}")
    runBlocking { accept(listener) }
}
