import java.io.IOException;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.util.ArrayDeque;
import java.util.Queue;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Broadcast on an NIO selector: one thread, one loop, no lock.
 *
 * <p>Order: a turn of the loop reads from every client that has sent something, straight into one
 * buffer, {@code pending}; at its end the whole messages collected there go to all clients with one
 * write each. The position of a message in that buffer is its place in the common order.
 *
 * <p>A slow client: what the kernel does not take is kept in an outbox that exists only while it is
 * needed. While that holds more than LIMIT bytes, the client misses new batches, always as whole
 * messages. No client waits for another.
 */
final class Broadcast {
    static final int BACKLOG = 1024;
    static final int CHUNK = 64 * 1024; // bytes per read: thousands of messages, yet fair
    static final int LIMIT = 256 * 1024; // a client with more unsent bytes misses new batches
    static final int BATCHES = 1024; // likewise: in a queue, a short batch costs more than its bytes,
    static final int ENTRY = 64; // about so many
    static final int MESSAGE = 256; // bytes of the longest message, including its header
    static final int MAX_PENDING = 2 * CHUNK + MESSAGE; // bytes collected before they are sent
    static final long RETRY_MS = 100; // how long to wait for a descriptor when none is left
    static final long LINGER_MS = 10_000; // for a half-closed client to read what is unsent
    static final byte[] NOTHING = {};

    static final class Client {
        final SocketChannel channel;
        SelectionKey key;
        byte[] rest = NOTHING; // the start of an unfinished message
        Queue<ByteBuffer> outbox; // null, or what the kernel did not take,
        int unsent; // so many bytes,
        int held; // and what its batches take in memory, counted as whole ones
        boolean leaving; // its stream has ended: send what is unsent, then close
        long leftAt; // when that was, in nanoseconds

        Client(SocketChannel channel) {
            this.channel = channel;
        }
    }

    private final Selector selector = Selector.open(); // its keys are the room
    private final ServerSocketChannel listener;
    private final SelectionKey listenerKey;
    private long refusedAt = System.nanoTime(); // when the listener last had no descriptor left
    private final Queue<Client> lingering = new ArrayDeque<>(); // have left, with something unsent

    // Tuned: a read appends to what other clients have sent in this turn of the loop, so that one
    // write per client sends all of it. A direct buffer, because the JDK copies any other.
    private final ByteBuffer pending = ByteBuffer.allocateDirect(MAX_PENDING);
    private ByteBuffer copy; // null, or what is pending, for the outboxes of this turn

    // Outboxes may take up half of the heap. A copy counts for each client that has not taken all of
    // it; as they share it, this is the most that they need.
    private final long memory = Runtime.getRuntime().maxMemory() / 2;
    private long heldInAll;

    /** Serve every client whose channel is ready, and then send what they have sent. */
    private void turn() throws IOException {
        boolean accepting = listenerKey.interestOps() != 0;
        long timeout = !accepting ? RETRY_MS : lingering.isEmpty() ? 0 : LINGER_MS; // 0: none
        selector.select(this::serve, timeout);
        broadcast();
        long now = System.nanoTime();
        if (now - refusedAt >= RETRY_MS * 1_000_000) {
            listenerKey.interestOps(SelectionKey.OP_ACCEPT);
        }
        while (!lingering.isEmpty() && now - lingering.peek().leftAt >= LINGER_MS * 1_000_000) {
            close(lingering.remove());
        }
    }

    private void serve(SelectionKey key) {
        if (key == listenerKey) {
            accept();
            return;
        }
        Client client = (Client) key.attachment();
        if (key.isValid() && key.isWritable()) { // invalid if closed in this turn
            write(client);
        }
        if (key.isValid() && key.isReadable()) {
            read(client);
        }
    }

    private void read(Client client) {
        if (pending.remaining() < MESSAGE + CHUNK) {
            broadcast();
        }
        int start = pending.position();
        pending.put(client.rest);
        pending.limit(pending.position() + CHUNK);
        boolean over;
        try {
            over = client.channel.read(pending) < 0;
        } catch (IOException reset) {
            over = true;
        }
        int size = pending.position();
        int end = wholeMessages(start, size);
        client.rest = end == size ? NOTHING : new byte[size - end];
        pending.get(end, client.rest);
        pending.limit(MAX_PENDING).position(end); // the messages are already in place
        if (over) {
            leave(client);
        }
    }

    private void leave(Client client) {
        broadcast(); // a leaving client still receives its own last messages
        client.leaving = true;
        client.leftAt = System.nanoTime();
        if (client.outbox != null) {
            lingering.add(client);
        }
        watch(client);
    }

    /** Send what the kernel takes now; the rest is sent when it has room again. */
    private void write(Client client) {
        try {
            client.unsent -= (int) client.channel.write(client.outbox.toArray(ByteBuffer[]::new));
            while (!client.outbox.isEmpty() && !client.outbox.peek().hasRemaining()) {
                hold(client, -cost(client.outbox.remove()));
            }
        } catch (IOException reset) { // reading sees it too, after what the client has sent before
            client.outbox.clear();
        }
        if (client.outbox.isEmpty()) {
            hold(client, -client.held);
            client.unsent = 0;
            client.outbox = null;
            watch(client);
        }
    }

    /** Ask the selector for what this client waits for; close it when that is nothing. */
    private void watch(Client client) {
        int reads = client.leaving ? 0 : SelectionKey.OP_READ;
        int writes = client.outbox == null ? 0 : SelectionKey.OP_WRITE;
        if (reads + writes == 0) {
            close(client);
        } else if (client.key.isValid()) {
            client.key.interestOps(reads | writes);
        }
    }

    /** Close the channel: its key is invalid at once, and the next select frees its descriptor. */
    private void close(Client client) {
        try {
            client.channel.close();
        } catch (IOException error) {
            // It is closed nevertheless.
        }
        hold(client, -client.held);
        listenerKey.interestOps(SelectionKey.OP_ACCEPT); // there will be a descriptor again
    }

    /** The end of the longest run of whole messages in {@code pending} from start on. */
    private int wholeMessages(int start, int size) {
        int end = start;
        while (end < size) {
            int following = end + 1 + (pending.get(end) & 0xff);
            if (following > size) {
                break;
            }
            end = following;
        }
        return end;
    }

    /** Offer what is pending as one batch: one write per client, however many have sent. */
    private void broadcast() {
        if (pending.position() > 0) {
            ByteBuffer batch = pending.duplicate().flip();
            for (SelectionKey key : selector.keys()) {
                if (key.isValid() && key.attachment() instanceof Client client && !client.leaving) {
                    offer(client, batch.rewind());
                }
            }
            pending.clear();
            copy = null;
        }
    }

    /** Drop policy: a client gets all of the batch, or none of it if it is too far behind. */
    private void offer(Client client, ByteBuffer batch) {
        if (client.outbox == null) {
            try {
                client.channel.write(batch);
            } catch (IOException reset) { // reading sees it too, after what the client has sent before
                return;
            }
            if (batch.hasRemaining()) {
                client.outbox = new ArrayDeque<>();
                keep(client, batch);
                watch(client);
            }
        } else if (client.unsent <= LIMIT && client.outbox.size() < BATCHES && heldInAll < memory) {
            keep(client, batch);
        }
    }

    /** Keep what the kernel has not taken; all clients that are behind share one copy. */
    private void keep(Client client, ByteBuffer batch) {
        if (copy == null) {
            copy = ByteBuffer.allocate(batch.limit()).put(0, batch, 0, batch.limit());
        }
        client.outbox.add(copy.duplicate().position(batch.position()));
        client.unsent += batch.remaining();
        hold(client, cost(copy));
    }

    /** What a batch in an outbox takes in memory: all of it, however much is sent. */
    private static int cost(ByteBuffer batch) {
        return ENTRY + batch.limit();
    }

    private void hold(Client client, int change) {
        client.held += change;
        heldInAll += change;
    }

    private void accept() {
        try {
            for (SocketChannel channel; (channel = listener.accept()) != null; ) {
                join(channel);
            }
        } catch (IOException noDescriptorIsLeft) {
            listenerKey.interestOps(0); // it would stay ready, and the loop would spin
            refusedAt = System.nanoTime();
        }
    }

    private void join(SocketChannel channel) throws IOException {
        try {
            channel.configureBlocking(false);
            channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
            Client client = new Client(channel);
            client.key = channel.register(selector, SelectionKey.OP_READ, client);
        } catch (IOException error) {
            channel.close();
            throw error;
        }
    }

    // What follows is the same in every server: the listener and its address.

    private Broadcast(InetAddress host, int port) throws IOException {
        // Without a family, a listener on 0.0.0.0 would accept all of IPv6 as well.
        boolean six = host instanceof Inet6Address;
        var family = six ? StandardProtocolFamily.INET6 : StandardProtocolFamily.INET;
        // The JDK needs a descriptor to load what closes a socket, and later there may be none.
        ServerSocketChannel.open(family).close();
        listener = ServerSocketChannel.open(family);
        listener.bind(new InetSocketAddress(host, port), BACKLOG);
        listener.configureBlocking(false);
        listenerKey = listener.register(selector, SelectionKey.OP_ACCEPT);
    }

    record Address(String host, int port) {}

    private static Address parseAddress(String[] arguments) {
        Pattern pattern = Pattern.compile("(\\[[^\\]]*:[^\\]]*]|[^:\\[\\]]+):(0|[1-9][0-9]{0,4})");
        Matcher match = pattern.matcher(arguments.length == 1 ? arguments[0] : "");
        if (!match.matches() || Integer.parseInt(match.group(2)) > 65535) {
            System.err.println("usage: Broadcast HOST:PORT (IPv6: [HOST]:PORT)");
            System.exit(2);
        }
        return new Address(match.group(1), Integer.parseInt(match.group(2)));
    }

    public static void main(String[] arguments) throws IOException {
        Address address = parseAddress(arguments);
        Broadcast server = null;
        try {
            server = new Broadcast(InetAddress.getByName(address.host()), address.port());
        } catch (IOException error) {
            System.err.println("cannot listen on " + arguments[0] + ": " + error.getMessage());
            System.exit(1);
        }
        int port = server.listener.socket().getLocalPort();
        System.out.println("listening on " + address.host() + ":" + port);
        while (true) {
            server.turn();
        }
    }
}
