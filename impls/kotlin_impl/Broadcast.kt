/*
 * Broadcast on coroutines: one per connection, all on one thread.
 *
 * Order: every coroutine whose connection is ready reads straight into the one buffer `pending`;
 * when all of them wait again, the whole messages collected there go to all clients with one write
 * each.
 * A slow client: what the kernel does not take is sent by a coroutine that exists only meanwhile.
 * While more than LIMIT bytes are unsent, the client misses new batches, always as whole messages.
 */

import java.io.IOException
import java.net.Inet6Address
import java.net.InetAddress
import java.net.InetSocketAddress
import java.net.StandardProtocolFamily.INET
import java.net.StandardProtocolFamily.INET6
import java.net.StandardSocketOptions.TCP_NODELAY
import java.nio.ByteBuffer
import java.nio.channels.SelectableChannel
import java.nio.channels.SelectionKey
import java.nio.channels.SelectionKey.OP_ACCEPT
import java.nio.channels.SelectionKey.OP_READ
import java.nio.channels.SelectionKey.OP_WRITE
import java.nio.channels.Selector
import java.nio.channels.ServerSocketChannel
import java.nio.channels.SocketChannel
import kotlin.coroutines.Continuation
import kotlin.coroutines.CoroutineContext
import kotlin.coroutines.resume
import kotlin.coroutines.suspendCoroutine
import kotlin.system.exitProcess
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.CoroutineStart.UNDISPATCHED
import kotlinx.coroutines.Runnable
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.launch
import kotlinx.coroutines.supervisorScope

private const val BACKLOG = 1024
private const val CHUNK = 64 * 1024 // bytes per read: thousands of messages, yet fair
private const val LIMIT = 256 * 1024 // a client with more unsent bytes misses new batches
private const val MESSAGE = 256 // bytes of the longest message, including its header
private const val MAX_PENDING = 2 * CHUNK + MESSAGE // bytes collected at most before they are sent
private const val RETRY_MS = 100L // how long to wait for a descriptor when there is none left

private data class Address(val host: String, val port: Int)

/** A channel, and the coroutines that wait to read (or accept) and to write. */
private class Socket(channel: SelectableChannel) {
    private val key = channel.configureBlocking(false).register(selector, 0, this)
    private var reader: Continuation<Unit>? = null
    private var writer: Continuation<Unit>? = null

    suspend fun until(operation: Int) = suspendCoroutine { coroutine ->
        if (operation == OP_WRITE) writer = coroutine else reader = coroutine
        key.interestOpsOr(operation)
    }

    fun resume() {
        val operations = key.readyOps()
        key.interestOpsAnd(operations.inv())
        if (operations and OP_WRITE != 0) writer?.resume(Unit)
        if (operations and OP_WRITE.inv() != 0) reader?.resume(Unit)
    }
}

private class Client(val channel: SocketChannel, val scope: CoroutineScope) {
    val socket = Socket(channel)
    var rest = ByteArray(0) // the start of an unfinished message
    var unsent: ByteBuffer? = null // what the kernel did not take
}

private val selector = Selector.open()
private val room = HashSet<Client>()
private val pending = ByteBuffer.allocateDirect(MAX_PENDING) // the kernel reads into it directly

/** A queue of coroutines that can continue; when it is empty, the selector finds the next ones. */
private object Loop : CoroutineDispatcher() {
    private val ready = ArrayDeque<Runnable>()
    private var resting: Continuation<Unit>? = null

    override fun dispatch(context: CoroutineContext, block: Runnable) = ready.addLast(block)

    /** Wait for the next event, at most RETRY_MS. */
    suspend fun rest() = suspendCoroutine { resting = it }

    fun run() {
        while (true) {
            while (ready.isNotEmpty()) ready.removeFirst().run()
            broadcast()
            val timeout = if (resting == null) 0 else RETRY_MS
            selector.select({ (it.attachment() as Socket).resume() }, timeout)
            resting?.resume(Unit)
            resting = null
        }
    }
}

fun main(arguments: Array<String>) {
    val (host, port) = parseAddress(arguments)
    val listener =
        try {
            listen(InetAddress.getByName(host), port)
        } catch (error: IOException) {
            System.err.println("cannot listen on $host:$port: ${error.message}")
            exitProcess(1)
        }
    // Nothing needs saving, but a JVM ended by a signal exits with 128 plus its number.
    Runtime.getRuntime().addShutdownHook(Thread { Runtime.getRuntime().halt(0) })
    println("listening on $host:${listener.socket().localPort}")
    CoroutineScope(Loop).launch { accept(listener) }
    Loop.run()
}

private fun listen(host: InetAddress, port: Int): ServerSocketChannel {
    // Without a family, a listener on 0.0.0.0 would accept all of IPv6 as well.
    val listener = ServerSocketChannel.open(if (host is Inet6Address) INET6 else INET)
    return listener.bind(InetSocketAddress(host, port), BACKLOG)
}

private suspend fun accept(listener: ServerSocketChannel) = supervisorScope {
    val socket = Socket(listener)
    while (true) {
        socket.until(OP_ACCEPT)
        try {
            while (true) {
                val channel = listener.accept() ?: break
                launch { serve(channel) }
            }
        } catch (_: IOException) { // no descriptor is left
            Loop.rest()
        }
    }
}

private suspend fun serve(channel: SocketChannel) =
    channel.use {
        coroutineScope { // which ends after its writer: what is unsent is sent first
            channel.setOption(TCP_NODELAY, true)
            val client = Client(channel, this)
            room += client
            while (read(client)) Unit
            // A leaving client still receives its own last messages.
            broadcast()
            room -= client
        }
    }

/** Read once; return false at the end of the stream. */
private suspend fun read(client: Client): Boolean {
    client.socket.until(OP_READ)
    if (pending.remaining() < MESSAGE + CHUNK) broadcast()
    val start = pending.position()
    pending.put(client.rest)
    pending.limit(pending.position() + CHUNK)
    val got =
        try {
            client.channel.read(pending)
        } catch (_: IOException) { // a reset ends a connection just as an end of stream does
            -1
        }
    val size = pending.position()
    val end = wholeMessages(start, size)
    client.rest = ByteArray(size - end).also { pending.get(end, it) }
    pending.limit(MAX_PENDING).position(end) // the messages are already in place
    return got >= 0
}

/** Send what the kernel did not take. */
private suspend fun write(client: Client, unsent: ByteBuffer) {
    client.unsent = unsent
    try {
        while (unsent.hasRemaining()) {
            client.socket.until(OP_WRITE)
            client.channel.write(unsent)
        }
    } catch (_: IOException) {
        // The reading coroutine sees the error too, and ends the connection.
    }
    client.unsent = null
}

/** The end of the longest run of whole messages in [pending] from [start] on. */
private fun wholeMessages(start: Int, size: Int): Int {
    var end = start
    while (end < size) {
        val following = end + 1 + pending[end].toUByte().toInt()
        if (following > size) break
        end = following
    }
    return end
}

/** Offer what is pending as one batch: one write per client, however many clients have sent. */
private fun broadcast() {
    if (pending.position() == 0) return
    val batch = pending.duplicate().flip()
    for (client in room) offer(client, batch.rewind())
    pending.clear()
}

/** Drop policy: a client gets all of the batch, or none of it if it is too far behind. */
private fun offer(client: Client, batch: ByteBuffer) {
    val unsent = client.unsent
    if (unsent == null) {
        try {
            client.channel.write(batch)
        } catch (_: IOException) {
            return // its reader sees the error too
        }
        if (!batch.hasRemaining()) return
        val copy = ByteBuffer.allocate(LIMIT + MAX_PENDING).put(batch).flip()
        client.scope.launch(start = UNDISPATCHED) { write(client, copy) }
    } else if (unsent.remaining() <= LIMIT) {
        unsent.compact().put(batch).flip()
    }
}

private fun parseAddress(arguments: Array<String>): Address {
    val pattern = Regex("""(\[[^]]*:[^]]*]|[^:\[\]]+):(0|[1-9][0-9]{0,4})""")
    val match = pattern.matchEntire(arguments.singleOrNull() ?: "")
    if (match == null || match.groupValues[2].toInt() > 65535) {
        System.err.println("usage: Broadcast HOST:PORT (IPv6: [HOST]:PORT)")
        exitProcess(2)
    }
    return Address(match.groupValues[1], match.groupValues[2].toInt())
}
