/*
 * Broadcast on coroutines: one per connection, all on one thread.
 *
 * Order: every coroutine whose connection is ready reads straight into the one buffer `tick`; when
 * all of them wait again, the whole messages gathered there go to everybody with one write each.
 * A slow client: what the kernel does not take is sent by a coroutine that exists only meanwhile;
 * while more than LIMIT bytes are unsent, the client misses new batches, always as whole messages.
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
private const val CHUNK = 64 * 1024 // bytes a read: thousands of messages, small enough to be fair
private const val LIMIT = 256 * 1024 // bytes unsent beyond which a client misses what is new
private const val MESSAGE = 256 // bytes of the longest message, its header included
private const val TICK = 2 * CHUNK + MESSAGE // bytes that gather at most before they are sent
private const val RETRY_MS = 100L // how long to wait for a descriptor when there is none left

private data class Address(val host: String, val port: Int)

/** A channel, and the coroutines that wait until it can be read (or accepts) and written. */
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
    var rest = ByteArray(0) // the beginning of a message of which more must come
    var unsent: ByteBuffer? = null // what the kernel did not take
}

private val selector = Selector.open()
private val room = HashSet<Client>()
private val tick = ByteBuffer.allocateDirect(TICK) // where the kernel can write

/** A queue of coroutines that can go on, and when it is empty a selector that knows the next. */
private object Loop : CoroutineDispatcher() {
    private val ready = ArrayDeque<Runnable>()
    private var resting: Continuation<Unit>? = null

    override fun dispatch(context: CoroutineContext, block: Runnable) = ready.addLast(block)

    /** Wait until something happens, but not for long. */
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
    // Nothing needs saving; but a JVM that a signal ends would tell so in its status.
    Runtime.getRuntime().addShutdownHook(Thread { Runtime.getRuntime().halt(0) })
    println("listening on $host:${listener.socket().localPort}")
    CoroutineScope(Loop).launch { accept(listener) }
    Loop.run()
}

private fun listen(host: InetAddress, port: Int): ServerSocketChannel {
    // Of no family in particular, a listener on 0.0.0.0 would be one on all of IPv6 as well.
    val listener = ServerSocketChannel.open(if (host is Inet6Address) INET6 else INET)
    return listener.bind(InetSocketAddress(host, port), BACKLOG)
}

private suspend fun accept(listener: ServerSocketChannel) = supervisorScope {
    val door = Socket(listener)
    while (true) {
        door.until(OP_ACCEPT)
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
        coroutineScope { // which ends when nobody writes any more: what is unsent is sent first
            channel.setOption(TCP_NODELAY, true)
            val client = Client(channel, this)
            room += client
            while (read(client)) Unit
            broadcast() // who hangs up right after speaking still hears it
            room -= client
        }
    }

/** Whether there was something to read. */
private suspend fun read(client: Client): Boolean {
    client.socket.until(OP_READ)
    if (tick.remaining() < MESSAGE + CHUNK) broadcast()
    val start = tick.position()
    tick.put(client.rest)
    tick.limit(tick.position() + CHUNK)
    val got =
        try {
            client.channel.read(tick)
        } catch (_: IOException) { // a reset ends a connection as well as an end of stream
            -1
        }
    val size = tick.position()
    val end = wholeMessages(start, size)
    client.rest = ByteArray(size - end).also { tick.get(end, it) }
    tick.limit(TICK).position(end) // the messages are where they belong already
    return got >= 0
}

/** Send what the kernel did not take at once. */
private suspend fun write(client: Client, unsent: ByteBuffer) {
    client.unsent = unsent
    try {
        while (unsent.hasRemaining()) {
            client.socket.until(OP_WRITE)
            client.channel.write(unsent)
        }
    } catch (_: IOException) {
        // The reading coroutine sees it too, and ends the connection.
    }
    client.unsent = null
}

/** The end of the longest prefix of the tick's bytes from [start] that is whole messages. */
private fun wholeMessages(start: Int, size: Int): Int {
    var end = start
    while (end < size) {
        val following = end + 1 + tick[end].toUByte().toInt()
        if (following > size) break
        end = following
    }
    return end
}

/** Hand over what has gathered: one write a client, however many have spoken. */
private fun broadcast() {
    if (tick.position() == 0) return
    val batch = tick.duplicate().flip()
    for (client in room) offer(client, batch.rewind())
    tick.clear()
}

/** Drop policy: all of the batch, or none of it for a client that is too far behind. */
private fun offer(client: Client, batch: ByteBuffer) {
    val unsent = client.unsent
    if (unsent == null) {
        try {
            client.channel.write(batch)
        } catch (_: IOException) {
            return // its reader sees it too
        }
        if (!batch.hasRemaining()) return
        val copy = ByteBuffer.allocate(LIMIT + TICK).put(batch).flip()
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
