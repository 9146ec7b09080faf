/*
 * Channels on coroutines: one that reads and one that writes for every connection.
 *
 * Order: all coroutines run on one thread, the main one. A coroutine puts a message into the queues
 * of all subscribers before any other coroutine runs. Replies go the same way.
 * A slow client: only its own two coroutines wait for it. While more than LIMIT bytes are unsent,
 * it misses new messages; while replies make it twice as many, its requests wait.
 */

package channels

import com.fasterxml.jackson.core.JsonProcessingException
import com.fasterxml.jackson.databind.DeserializationFeature.FAIL_ON_TRAILING_TOKENS
import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.json.JsonMapper
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
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.supervisorScope
import kotlinx.coroutines.suspendCancellableCoroutine
import kotlinx.coroutines.withTimeoutOrNull

private const val BACKLOG = 1024
private const val CHUNK = 8 * 1024 // bytes per read, as many as in the JDK's buffered streams
private const val LINE = 64 * 1024 // bytes of the longest request, including its line feed
private const val LIMIT = 256 * 1024 // a client with more unsent bytes misses new messages
private const val WRITE = 64 * 1024 // bytes above which nothing is added to a write
private const val RETRY_MS = 100L // when no descriptor is left
private const val LINGER_MS = 10_000L // for a half-closed client to read what is unsent
private const val PAUSE_MS = 30_000L // for a client with too many unsent replies to read them

private class Client(val socket: AsynchronousSocketChannel) {
    val channels = HashSet<String>()
    val outbox = Channel<ByteArray>(Channel.UNLIMITED) // `offer` and `pause` limit it
    val unsent = MutableStateFlow(0) // bytes in the outbox or being written
}

private val channels = HashMap<String, HashSet<Client>>() // the subscribers of each that has any
private val json = JsonMapper.builder().enable(FAIL_ON_TRAILING_TOKENS).build()

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
    val data = ByteBuffer.allocate(CHUNK)
    val line = ByteArrayOutputStream()
    while (client.socket.awaitRead(data.clear()) > 0) {
        var begin = 0
        for (end in 0 until data.position()) {
            if (data[end].toInt() == '\n'.code) {
                append(line, data, begin, end)
                handle(client, line.toByteArray())
                pause(client)
                line.reset()
                begin = end + 1
            }
        }
        append(line, data, begin, data.position())
    }
}

/** Append a part of a line. One that is too long is cut, but stays too long. */
private fun append(line: ByteArrayOutputStream, data: ByteBuffer, begin: Int, end: Int) =
    line.write(data.array(), begin, minOf(end - begin, LINE - line.size()))

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

/** Carry out the request in a line, or reply why not. */
private fun handle(client: Client, line: ByteArray) {
    try {
        obey(client, decode(line))
    } catch (_: JsonProcessingException) {
        send(client, encode(mapOf("Error" to "not JSON")))
    } catch (_: CharacterCodingException) {
        send(client, encode(mapOf("Error" to "not UTF-8")))
    } catch (refused: IOException) {
        send(client, encode(mapOf("Error" to (refused.message ?: "no such request"))))
    }
}

private fun obey(client: Client, request: JsonNode) {
    val topic = request.path("Subscribe")
    val channel = request.path("Send").path("channel")
    val message = request.path("Send").path("message")
    if (request.size() == 1 && topic.isTextual) {
        subscribe(client, topic.textValue())
    } else if (request.size() == 1 && channel.isTextual && message.isTextual) {
        broadcast(client, channel.textValue(), message.textValue())
    } else {
        throw IOException("no such request")
    }
}

private fun subscribe(client: Client, channel: String) {
    send(client, encode(mapOf("Subscribed" to channel)))
    client.channels += channel
    channels.getOrPut(channel) { HashSet() } += client
}

private fun broadcast(client: Client, channel: String, message: String) {
    val delivery = encode(mapOf("Message" to mapOf("channel" to channel, "message" to message)))
    val subscribers = channels[channel]
    if (subscribers == null) {
        send(client, encode(mapOf("Error" to "no such channel: $channel")))
    } else {
        subscribers.forEach { offer(it, delivery) }
    }
}

/** Forget the client, and the channels that have no other subscriber. */
private fun leave(client: Client) {
    for (channel in client.channels) {
        val subscribers = channels.getValue(channel)
        subscribers -= client
        if (subscribers.isEmpty()) channels -= channel
    }
    client.outbox.close() // its writer ends after what is in there
}

/** Drop policy: a client that is too far behind misses the message. */
private fun offer(client: Client, delivery: ByteArray) {
    if (client.unsent.value <= LIMIT) send(client, delivery)
}

private fun send(client: Client, reply: ByteArray) {
    if (client.outbox.trySend(reply).isSuccess) client.unsent.value += reply.size
}

/** Throws an IOException for what is no JSON or no UTF-8. */
private fun decode(line: ByteArray): JsonNode {
    if (line.size >= LINE) throw IOException("a request has at most $LINE bytes")
    return json.readTree(line.decodeToString(throwOnInvalidSequence = true))
}

/** Throws an IOException for a lone surrogate, which JSON can express and UTF-8 cannot. */
private fun encode(reply: Any): ByteArray =
    (json.writeValueAsString(reply) + "\n").encodeToByteArray(throwOnInvalidSequence = true)

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
        System.err.println("usage: Channels HOST:PORT (IPv6: [HOST]:PORT)")
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
