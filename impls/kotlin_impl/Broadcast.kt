/*
 * Broadcast on coroutines: one that reads and one that writes for every connection.
 *
 * Order: all coroutines run on one thread, the main one. A coroutine that has read messages puts
 * them into the queues of all clients before any other coroutine runs.
 * A slow client: only its own two coroutines wait for it. While more than LIMIT bytes are unsent,
 * those just being written included, the client misses new messages, always whole ones.
 */

package broadcast

import java.io.ByteArrayOutputStream
import java.io.IOException
import java.net.InetAddress
import java.net.InetSocketAddress
import java.net.StandardSocketOptions.TCP_NODELAY
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
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.supervisorScope
import kotlinx.coroutines.suspendCancellableCoroutine
import kotlinx.coroutines.withTimeoutOrNull

private const val BACKLOG = 1024
private const val CHUNK = 8 * 1024 // bytes per read, as many as in the JDK's buffered streams
private const val LIMIT = 256 * 1024 // a client with more unsent bytes misses new messages
private const val BATCHES = 4 * 1024 // likewise: in a queue, a short batch costs more than its bytes
private const val WRITE = 64 * 1024 // bytes above which nothing is added to a write
private const val RETRY_MS = 100L // when no descriptor is left
private const val LINGER_MS = 10_000L // for a half-closed client to read what is unsent

private class Client(val socket: AsynchronousSocketChannel) {
    val outbox = Channel<ByteArray>(BATCHES)
    var unsent = 0 // bytes in the outbox or being written
}

private val room = HashSet<Client>()

private suspend fun serve(socket: AsynchronousSocketChannel) = coroutineScope {
    socket.use { // closing it ends a write that still waits, and so this scope
        val client = Client(socket)
        val writer = launch { write(client) }
        try {
            socket.setOption(TCP_NODELAY, true)
            room += client
            read(client)
        } catch (_: IOException) { // a reset ends a connection just as an end of stream does
        } finally {
            leave(client)
        }
        withTimeoutOrNull(LINGER_MS) { writer.join() } // sends what is unsent first
    }
}

private suspend fun read(client: Client) {
    val data = ByteBuffer.allocate(CHUNK)
    while (client.socket.awaitRead(data) > 0) {
        val end = wholeMessages(data.array(), data.position())
        if (end > 0) broadcast(data.array().copyOf(end))
        data.flip().position(end)
        data.compact()
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
                client.unsent -= sent
            }
        }
    } catch (_: IOException) {
        // The reading coroutine sees the error too, and ends the connection.
    }
}

private fun leave(client: Client) {
    room -= client
    client.outbox.close() // its writer ends after what is in there
}

/** The length of the longest prefix of the data that consists of whole messages. */
private fun wholeMessages(data: ByteArray, size: Int): Int {
    var end = 0
    while (end < size) {
        val following = end + 1 + data[end].toUByte().toInt()
        if (following > size) break
        end = following
    }
    return end
}

/** Append these messages to the common order. */
private fun broadcast(batch: ByteArray) = room.forEach { offer(it, batch) }

/** Drop policy: a client gets all of the batch, or none of it if it is too far behind. */
private fun offer(client: Client, batch: ByteArray) {
    if (client.unsent <= LIMIT && client.outbox.trySend(batch).isSuccess) {
        client.unsent += batch.size
    }
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
        System.err.println("usage: Broadcast HOST:PORT (IPv6: [HOST]:PORT)")
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
