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
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Broadcast on an NIO selector: one thread, one loop, no lock.
 *
 * <p>Order: a turn of the loop reads from every client that has sent something, straight into one
 * buffer, {@code pending}; at its end the whole messages collected there go to all clients with one
 * write each. The position of a message in that buffer is its place in the common order.
 *
 * <p>A slow client: what the kernel does not take is kept in a buffer that exists only while it is
 * needed. While that holds more than LIMIT bytes, the client misses new batches, always as whole
 * messages. No client waits for another.
 */
final class Broadcast {
    static final int BACKLOG = 1024;
    static final int CHUNK = 64 * 1024; // bytes per read: thousands of messages, yet fair
    static final int LIMIT = 256 * 1024; // a client with more unsent bytes misses new batches
    static final int MESSAGE = 256; // bytes of the longest message, including its header
    static final int MAX_PENDING = 2 * CHUNK + MESSAGE; // bytes collected before they are sent
    static final long RETRY_MS = 100; // how long to wait for a descriptor when none is left
    static final byte[] NOTHING = {};

    record Address(String host, int port) {}

    static final class Client {
        final SocketChannel channel;
        final SelectionKey key;
        byte[] rest = NOTHING; // the start of an unfinished message
        ByteBuffer unsent; // null, or what the kernel did not take
        boolean leaving; // its stream has ended: send what is unsent, then close

        Client(SocketChannel channel, Selector selector) throws IOException {
            this.channel = channel;
            this.key = channel.register(selector, SelectionKey.OP_READ, this);
        }
    }

    private final Selector selector = Selector.open(); // its keys are the room
    private final ServerSocketChannel listener;
    private final SelectionKey listenerKey;
    private final ByteBuffer pending = ByteBuffer.allocateDirect(MAX_PENDING); // read into directly

    public static void main(String[] arguments) throws IOException {
        Address address = parseAddress(arguments);
        Broadcast server = null;
        try {
            server = new Broadcast(InetAddress.getByName(address.host()), address.port());
        } catch (IOException error) {
            System.err.println("cannot listen on " + arguments[0] + ": " + error.getMessage());
            System.exit(1);
        }
        // Nothing needs saving, but a JVM ended by a signal exits with 128 plus its number.
        Runtime.getRuntime().addShutdownHook(new Thread(() -> Runtime.getRuntime().halt(0)));
        int port = server.listener.socket().getLocalPort();
        System.out.println("listening on " + address.host() + ":" + port);
        while (true) {
            server.turn();
        }
    }

    private Broadcast(InetAddress host, int port) throws IOException {
        // Without a family, a listener on 0.0.0.0 would accept all of IPv6 as well.
        boolean six = host instanceof Inet6Address;
        listener =
                ServerSocketChannel.open(
                        six ? StandardProtocolFamily.INET6 : StandardProtocolFamily.INET);
        listener.bind(new InetSocketAddress(host, port), BACKLOG);
        listener.configureBlocking(false);
        listenerKey = listener.register(selector, SelectionKey.OP_ACCEPT);
    }

    /** Serve every client whose channel is ready, and then send what they have sent. */
    private void turn() throws IOException {
        int ready = selector.select(this::serve, listenerKey.interestOps() == 0 ? RETRY_MS : 0);
        if (ready == 0) {
            listenerKey.interestOps(SelectionKey.OP_ACCEPT);
        }
        broadcast();
    }

    private void accept() {
        try {
            for (SocketChannel channel; (channel = listener.accept()) != null; ) {
                channel.configureBlocking(false);
                channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
                new Client(channel, selector);
            }
        } catch (IOException noDescriptorIsLeft) {
            listenerKey.interestOps(0); // it would stay ready, and the loop would spin
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
            // A leaving client still receives its own last messages.
            broadcast();
            client.leaving = true;
            watch(client);
        }
    }

    /** Send what the kernel takes now; the rest is sent when it has room again. */
    private void write(Client client) {
        try {
            client.channel.write(client.unsent);
        } catch (IOException reset) {
            close(client);
            return;
        }
        if (!client.unsent.hasRemaining()) {
            client.unsent = null;
            watch(client);
        }
    }

    /** Ask the selector for what this client waits for; close it when that is nothing. */
    private void watch(Client client) {
        int reads = client.leaving ? 0 : SelectionKey.OP_READ;
        int writes = client.unsent == null ? 0 : SelectionKey.OP_WRITE;
        if (reads + writes == 0) {
            close(client);
        } else if (client.key.isValid()) {
            client.key.interestOps(reads | writes);
        }
    }

    private void close(Client client) {
        try {
            client.channel.close(); // this removes its key from the selector, and so from the room
        } catch (IOException error) {
            // It is closed nevertheless.
        }
        listenerKey.interestOps(SelectionKey.OP_ACCEPT); // a descriptor is free again
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
        }
    }

    /** Drop policy: a client gets all of the batch, or none of it if it is too far behind. */
    private void offer(Client client, ByteBuffer batch) {
        if (client.unsent == null) {
            try {
                client.channel.write(batch);
            } catch (IOException reset) {
                close(client);
                return;
            }
            if (batch.hasRemaining()) {
                client.unsent = ByteBuffer.allocate(LIMIT + MAX_PENDING).put(batch).flip();
                watch(client);
            }
        } else if (client.unsent.remaining() <= LIMIT) {
            client.unsent.compact().put(batch).flip();
        }
    }

    private static Address parseAddress(String[] arguments) {
        Pattern pattern = Pattern.compile("(\\[[^\\]]*:[^\\]]*]|[^:\\[\\]]+):(0|[1-9][0-9]{0,4})");
        Matcher match = pattern.matcher(arguments.length == 1 ? arguments[0] : "");
        if (!match.matches() || Integer.parseInt(match.group(2)) > 65535) {
            System.err.println("usage: Broadcast HOST:PORT (IPv6: [HOST]:PORT)");
            System.exit(2);
        }
        return new Address(match.group(1), Integer.parseInt(match.group(2)));
    }
}
