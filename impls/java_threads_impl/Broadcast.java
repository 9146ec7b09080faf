import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.StandardProtocolFamily;
import java.nio.channels.ServerSocketChannel;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Broadcast on threads: one that reads and one that writes for every connection.
 *
 * <p>Order: every reading thread appends its whole messages to the one queue {@code pending}; the
 * thread that holds the monitor of {@code room} puts all of them into the outboxes of all clients:
 * that is the common order.
 *
 * <p>A slow client: only its own writing thread waits for it. While more than LIMIT bytes are
 * unsent, the client misses new batches, always as whole messages.
 */
final class Broadcast {
    static final int BACKLOG = 1024;
    static final int FEW_BYTES = 4 * 1024; // first read: most receive more than they send
    static final int CHUNK = 64 * 1024; // largest read: thousands of messages, yet fair
    static final int LIMIT = 256 * 1024; // a client with more unsent bytes misses new batches
    static final int RETRY_MS = 100; // when no descriptor or thread is left
    static final int LINGER_MS = 10_000; // for a half-closed client to read what is unsent

    record Address(String host, int port) {}

    static final class Client { // its monitor guards its fields
        final Socket socket;
        ByteArrayOutputStream outbox = new ByteArrayOutputStream();
        int writing; // bytes just being written
        boolean leaving;

        Client(Socket socket) {
            this.socket = socket;
        }
    }

    static final Set<Client> room = new HashSet<>(); // its monitor protects the order
    static final Queue<byte[]> pending = new ConcurrentLinkedQueue<>(); // in order, not yet offered

    public static void main(String[] arguments) throws InterruptedException {
        Address address = parseAddress(arguments);
        ServerSocket listener = null;
        try {
            listener = listen(InetAddress.getByName(address.host()), address.port());
        } catch (IOException error) {
            System.err.println("cannot listen on " + arguments[0] + ": " + error.getMessage());
            System.exit(1);
        }
        // Nothing needs saving, but a JVM ended by a signal exits with 128 plus its number.
        Runtime.getRuntime().addShutdownHook(new Thread(() -> Runtime.getRuntime().halt(0)));
        System.out.println("listening on " + address.host() + ":" + listener.getLocalPort());
        accept(listener);
    }

    static ServerSocket listen(InetAddress host, int port) throws IOException {
        // Without a family, a listener on 0.0.0.0 would accept all of IPv6 as well; and only a
        // channel lets us choose one.
        boolean six = host instanceof Inet6Address;
        var family = six ? StandardProtocolFamily.INET6 : StandardProtocolFamily.INET;
        ServerSocket listener = ServerSocketChannel.open(family).socket();
        listener.bind(new InetSocketAddress(host, port), BACKLOG);
        return listener;
    }

    static void accept(ServerSocket listener) throws InterruptedException {
        while (true) {
            try {
                Socket socket = listener.accept();
                try {
                    new Thread(() -> serve(socket)).start();
                } catch (OutOfMemoryError noThreadIsLeft) {
                    socket.close();
                    throw new IOException(noThreadIsLeft);
                }
            } catch (IOException noDescriptorIsLeft) {
                Thread.sleep(RETRY_MS);
            }
        }
    }

    static void serve(Socket socket) {
        Client client = new Client(socket);
        Thread writer = new Thread(() -> write(client));
        try (socket) {
            socket.setTcpNoDelay(true);
            writer.start();
            join(client);
            read(client);
            leave(client);
            writer.join(LINGER_MS); // sends what is unsent first
        } catch (IOException | InterruptedException | OutOfMemoryError noThreadIsLeft) {
            // This client is not in the room yet: closing its socket is all there is to do.
        }
    }

    static void join(Client client) {
        synchronized (room) {
            room.add(client);
        }
    }

    static void read(Client client) {
        byte[] data = new byte[FEW_BYTES];
        int size = 0;
        try {
            InputStream input = client.socket.getInputStream();
            for (int got; (got = input.read(data, size, data.length - size)) > 0; ) {
                size += got;
                if (size == data.length && size < CHUNK) { // there was more to read
                    data = Arrays.copyOf(data, 2 * size);
                }
                int end = wholeMessages(data, size);
                if (end > 0) {
                    broadcast(Arrays.copyOf(data, end));
                }
                size -= end;
                System.arraycopy(data, end, data, 0, size);
            }
        } catch (IOException reset) {
            // It ends a connection just as an end of stream does.
        }
    }

    static void leave(Client client) {
        synchronized (room) {
            room.remove(client);
        }
        synchronized (client) {
            client.leaving = true;
            client.notify();
        }
    }

    /** Send the outbox: one write for everything that was added during the previous write. */
    static void write(Client client) {
        try {
            OutputStream output = client.socket.getOutputStream();
            for (byte[] batch; (batch = take(client)).length > 0; ) {
                output.write(batch);
            }
        } catch (IOException | InterruptedException reset) {
            // The reading thread sees the error too, and ends the connection.
        }
    }

    /** Wait for something to send; return nothing when the client has left. */
    static byte[] take(Client client) throws InterruptedException {
        synchronized (client) {
            client.writing = 0;
            while (client.outbox.size() == 0 && !client.leaving) {
                client.wait();
            }
            byte[] batch = client.outbox.toByteArray();
            client.outbox = new ByteArrayOutputStream(); // the old one may have grown
            client.writing = batch.length;
            return batch;
        }
    }

    /** The length of the longest prefix of the data that consists of whole messages. */
    static int wholeMessages(byte[] data, int size) {
        int end = 0;
        while (end < size) {
            int following = end + 1 + (data[end] & 0xff);
            if (following > size) {
                break;
            }
            end = following;
        }
        return end;
    }

    /** Append these messages to the common order. */
    static void broadcast(byte[] batch) {
        pending.add(batch);
        flush(); // the first thread to get the monitor sends for all that wait for it
    }

    /** Offer what is pending as one batch: one offer per client, however many have sent. */
    static void flush() {
        synchronized (room) {
            ByteArrayOutputStream gathered = new ByteArrayOutputStream();
            while (gathered.size() < CHUNK
                    && !pending.isEmpty()) { // else clients might miss the next one
                gathered.writeBytes(pending.remove());
            }
            byte[] batch = gathered.toByteArray();
            if (batch.length > 0) {
                room.forEach(client -> offer(client, batch));
            }
        }
    }

    /** Drop policy: a client gets all of the batch, or none of it if it is too far behind. */
    static void offer(Client client, byte[] batch) {
        synchronized (client) {
            if (client.outbox.size() + client.writing <= LIMIT) {
                client.outbox.writeBytes(batch);
                client.notify();
            }
        }
    }

    static Address parseAddress(String[] arguments) {
        Pattern pattern = Pattern.compile("(\\[[^\\]]*:[^\\]]*]|[^:\\[\\]]+):(0|[1-9][0-9]{0,4})");
        Matcher match = pattern.matcher(arguments.length == 1 ? arguments[0] : "");
        if (!match.matches() || Integer.parseInt(match.group(2)) > 65535) {
            System.err.println("usage: Broadcast HOST:PORT (IPv6: [HOST]:PORT)");
            System.exit(2);
        }
        return new Address(match.group(1), Integer.parseInt(match.group(2)));
    }
}
