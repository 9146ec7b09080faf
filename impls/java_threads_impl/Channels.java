import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.BufferedOutputStream;
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
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Channels on threads: one that reads and one that writes for every connection.
 *
 * <p>Order: a reading thread puts a message into the queues of all subscribers while it holds the
 * monitor of {@code channels}. Replies go the same way.
 *
 * <p>A slow client: only its own two threads wait for it. While more than LIMIT bytes are unsent,
 * it misses new messages; while replies make it twice as many, its requests wait.
 */
final class Channels {
    static final int BACKLOG = 1024;
    static final int CHUNK = 8 * 1024; // bytes per read, as many as in the JDK's buffered streams
    static final int LINE = 64 * 1024; // bytes of the longest request, including its line feed
    static final int LIMIT = 256 * 1024; // a client with more unsent bytes misses new messages
    static final int RETRY_MS = 100; // when no descriptor or thread is left
    static final int LINGER_MS = 10_000; // for a half-closed client to read what is unsent
    static final long PAUSE_NS = 30_000_000_000L; // for too many unsent replies to be read
    static final byte[] END = {}; // the last reply to a client that leaves

    static final class Client {
        final Socket socket;
        final Set<String> channels = new HashSet<>();
        final BlockingQueue<byte[]> outbox = new LinkedBlockingQueue<>();
        int unsent; // bytes in the outbox or being written, but for 8 KiB in a buffer; the client's monitor guards it,
        boolean gone; // and this: nothing can be written any more

        Client(Socket socket) {
            this.socket = socket;
        }
    }

    record Message(String channel, String message) {}

    // The subscribers of every channel that has any. The map's monitor protects the order.
    static final Map<String, Set<Client>> channels = new HashMap<>();
    static final JsonMapper json =
            JsonMapper.builder().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS).build();

    static void serve(Socket socket) {
        try (socket) {
            socket.setTcpNoDelay(true);
            Client client = new Client(socket);
            Thread writer = new Thread(() -> write(client));
            writer.start();
            try {
                read(client);
            } finally {
                leave(client);
            }
            writer.join(LINGER_MS); // sends what is unsent first
        } catch (IOException | InterruptedException reset) {
            // The socket is closed now, and that ends the writing thread too.
        }
    }

    static void read(Client client) throws IOException, InterruptedException {
        InputStream input = client.socket.getInputStream();
        byte[] data = new byte[CHUNK];
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        for (int size; (size = input.read(data)) > 0; ) {
            int begin = 0;
            for (int end = 0; end < size; end++) {
                if (data[end] == '\n') {
                    append(line, data, begin, end);
                    handle(client, line.toByteArray());
                    pause(client);
                    line.reset();
                    begin = end + 1;
                }
            }
            append(line, data, begin, size);
        }
    }

    /** Append a part of a line. One that is too long is cut, but stays too long. */
    static void append(ByteArrayOutputStream line, byte[] data, int begin, int end) {
        line.write(data, begin, Math.min(end - begin, LINE - line.size()));
    }

    /** Send the outbox: one flush for everything that was added during the previous one. */
    static void write(Client client) {
        try (client.socket) { // whatever ends this thread ends the reading one too
            OutputStream output = new BufferedOutputStream(client.socket.getOutputStream());
            byte[] last = null;
            while (last != END) {
                List<byte[]> replies = new ArrayList<>();
                replies.add(client.outbox.take());
                client.outbox.drainTo(replies);
                for (byte[] reply : replies) {
                    output.write(reply);
                    synchronized (client) {
                        client.unsent -= reply.length;
                        client.notifyAll(); // the reading thread may be waiting in `pause`
                    }
                    last = reply;
                }
                output.flush();
            }
        } catch (IOException | InterruptedException reset) {
            // The reading thread ends the connection.
        } finally {
            synchronized (client) {
                client.gone = true;
                client.notifyAll();
            }
        }
    }

    /**
     * Wait while too many replies to the client are unsent; not for ever, because the end of its
     * stream is not seen meanwhile.
     */
    static void pause(Client client) throws IOException, InterruptedException {
        long end = System.nanoTime() + PAUSE_NS;
        synchronized (client) {
            while (!client.gone && client.unsent > 2 * LIMIT) {
                long left = end - System.nanoTime();
                if (left <= 0) {
                    throw new IOException("the client does not read its replies");
                }
                TimeUnit.NANOSECONDS.timedWait(client, left);
            }
        }
    }

    /** Carry out the request in a line, or reply why not. */
    static void handle(Client client, byte[] line) throws IOException {
        try {
            obey(client, decode(line));
        } catch (JsonProcessingException | CharacterCodingException noJson) {
            send(client, encode(Map.of("Error", "not JSON in UTF-8")));
        } catch (IOException noRequest) {
            send(client, encode(Map.of("Error", noRequest.getMessage())));
        }
    }

    static void obey(Client client, JsonNode request) throws IOException {
        JsonNode subscribe = request.path("Subscribe");
        JsonNode channel = request.path("Send").path("channel");
        JsonNode message = request.path("Send").path("message");
        if (request.size() == 1 && subscribe.isTextual()) {
            subscribe(client, subscribe.textValue());
        } else if (request.size() == 1 && channel.isTextual() && message.isTextual()) {
            broadcast(client, new Message(channel.textValue(), message.textValue()));
        } else {
            throw new IOException("no such request");
        }
    }

    static void subscribe(Client client, String channel) throws IOException {
        byte[] reply = encode(Map.of("Subscribed", channel));
        synchronized (channels) {
            send(client, reply);
            client.channels.add(channel);
            channels.computeIfAbsent(channel, name -> new HashSet<>()).add(client);
        }
    }

    static void broadcast(Client client, Message message) throws IOException {
        byte[] delivery = encode(Map.of("Message", message));
        synchronized (channels) {
            Set<Client> subscribers = channels.get(message.channel());
            if (subscribers == null) {
                send(client, encode(Map.of("Error", "no such channel: " + message.channel())));
            } else {
                subscribers.forEach(subscriber -> offer(subscriber, delivery));
            }
        }
    }

    /** Forget the client, and the channels that have no other subscriber. */
    static void leave(Client client) {
        synchronized (channels) {
            for (String channel : client.channels) {
                channels.get(channel).remove(client);
                if (channels.get(channel).isEmpty()) {
                    channels.remove(channel);
                }
            }
            send(client, END);
        }
    }

    /** Drop policy: a client that is too far behind misses the message. */
    static void offer(Client client, byte[] delivery) {
        synchronized (client) {
            if (client.unsent <= LIMIT) {
                send(client, delivery);
            }
        }
    }

    static void send(Client client, byte[] reply) {
        synchronized (client) {
            client.unsent += reply.length;
            client.outbox.add(reply);
        }
    }

    /** Throws an IOException for what is no JSON or no UTF-8. */
    static JsonNode decode(byte[] line) throws IOException {
        if (line.length >= LINE) {
            throw new IOException("a request has at most " + LINE + " bytes");
        }
        ByteBuffer bytes = ByteBuffer.wrap(line);
        return json.readTree(StandardCharsets.UTF_8.newDecoder().decode(bytes).toString());
    }

    /** Throws an IOException for a lone surrogate, which JSON can express and UTF-8 cannot. */
    static byte[] encode(Object reply) throws IOException {
        CharBuffer text = CharBuffer.wrap(json.writeValueAsString(reply) + "\n");
        ByteBuffer bytes = StandardCharsets.UTF_8.newEncoder().encode(text);
        return Arrays.copyOf(bytes.array(), bytes.limit());
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
            System.err.println("usage: Channels HOST:PORT (IPv6: [HOST]:PORT)");
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
