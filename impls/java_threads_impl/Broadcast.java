import java.io.BufferedOutputStream;
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
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Broadcast on threads: one that reads and one that writes for every connection.
 *
 * <p>Order: a reading thread puts its messages into the queues of all clients while it holds the
 * monitor of {@code room}: that is the common order.
 *
 * <p>A slow client: only its own writing thread waits for it. While more than LIMIT bytes are
 * unsent, those just being written included, the client misses new messages, always whole ones.
 */
final class Broadcast {
    static final int BACKLOG = 1024;
    static final int CHUNK = 8 * 1024; // bytes per read, as many as in the JDK's buffered streams
    static final int LIMIT = 256 * 1024; // a client with more unsent bytes misses new messages
    static final int BATCHES = 4 * 1024; // likewise: in a queue, a short batch costs more than its bytes
    static final int RETRY_MS = 100; // when no descriptor or thread is left
    static final int LINGER_MS = 10_000; // for a half-closed client to read what is unsent
    static final byte[] END = {}; // the last batch of a client that leaves

    static final class Client {
        final Socket socket;
        final BlockingQueue<byte[]> outbox = new LinkedBlockingQueue<>();
        final AtomicInteger unsent = new AtomicInteger(); // bytes in the outbox or being written

        Client(Socket socket) {
            this.socket = socket;
        }
    }

    static final Set<Client> room = new HashSet<>(); // its monitor protects the order

    static void serve(Socket socket) {
        try (socket) {
            socket.setTcpNoDelay(true);
            Client client = new Client(socket);
            Thread writer = new Thread(() -> write(client));
            writer.start();
            try {
                join(client);
                read(client);
            } finally {
                leave(client);
            }
            writer.join(LINGER_MS); // sends what is unsent first
        } catch (IOException | InterruptedException reset) {
            // The socket is closed now, and that ends the writing thread too.
        }
    }

    static void read(Client client) throws IOException {
        InputStream input = client.socket.getInputStream();
        byte[] data = new byte[CHUNK];
        int size = 0;
        for (int got; (got = input.read(data, size, CHUNK - size)) > 0; ) {
            size += got;
            int end = wholeMessages(data, size);
            if (end > 0) {
                broadcast(Arrays.copyOf(data, end));
            }
            size -= end;
            System.arraycopy(data, end, data, 0, size);
        }
    }

    /** Send the outbox: one flush for everything that was added during the previous one. */
    static void write(Client client) {
        try {
            OutputStream output = new BufferedOutputStream(client.socket.getOutputStream());
            byte[] last = null;
            while (last != END) {
                List<byte[]> batches = new ArrayList<>();
                batches.add(client.outbox.take());
                client.outbox.drainTo(batches);
                int size = 0;
                for (byte[] batch : batches) {
                    output.write(batch);
                    size += batch.length;
                    last = batch;
                }
                output.flush();
                client.unsent.addAndGet(-size);
            }
        } catch (IOException | InterruptedException reset) {
            // The reading thread sees it too, after what the client has sent before.
        }
    }

    static void join(Client client) {
        synchronized (room) {
            room.add(client);
        }
    }

    static void leave(Client client) {
        synchronized (room) {
            room.remove(client);
        }
        client.outbox.add(END);
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
        synchronized (room) {
            room.forEach(client -> offer(client, batch));
        }
    }

    /** Drop policy: a client gets all of the batch, or none of it if it is too far behind. */
    static void offer(Client client, byte[] batch) {
        if (client.unsent.get() <= LIMIT && client.outbox.size() < BATCHES) {
            client.unsent.addAndGet(batch.length);
            client.outbox.add(batch);
        }
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

    // What follows is the same in every server: the listener and its address.

    static ServerSocket listen(InetAddress host, int port) throws IOException {
        // Without a family, a listener on 0.0.0.0 would accept all of IPv6 as well; and only a
        // channel lets us choose one.
        boolean six = host instanceof Inet6Address;
        var family = six ? StandardProtocolFamily.INET6 : StandardProtocolFamily.INET;
        // The JDK needs a descriptor to load what closes a socket, and later there may be none.
        ServerSocketChannel.open(family).close();
        ServerSocket listener = ServerSocketChannel.open(family).socket();
        listener.bind(new InetSocketAddress(host, port), BACKLOG);
        return listener;
    }

    record Address(String host, int port) {}

    static Address parseAddress(String[] arguments) {
        Pattern pattern = Pattern.compile("(\\[[^\\]]*:[^\\]]*]|[^:\\[\\]]+):(0|[1-9][0-9]{0,4})");
        Matcher match = pattern.matcher(arguments.length == 1 ? arguments[0] : "");
        if (!match.matches() || Integer.parseInt(match.group(2)) > 65535) {
            System.err.println("usage: Broadcast HOST:PORT (IPv6: [HOST]:PORT)");
            System.exit(2);
        }
        return new Address(match.group(1), Integer.parseInt(match.group(2)));
    }

    public static void main(String[] arguments) throws InterruptedException {
        Address address = parseAddress(arguments);
        ServerSocket listener = null;
        try {
            listener = listen(InetAddress.getByName(address.host()), address.port());
        } catch (IOException error) {
            System.err.println("cannot listen on " + arguments[0] + ": " + error.getMessage());
            System.exit(1);
        }
        System.out.println("listening on " + address.host() + ":" + listener.getLocalPort());
        accept(listener);
    }
}
