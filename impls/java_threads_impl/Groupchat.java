import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.OutputStream;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.StandardProtocolFamily;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A group chat on threads: one that reads and one that writes for every connection.
 *
 * <p>Order: a reading thread puts a message or a notice into the queues of all members while it
 * holds the monitor of {@code members}. Replies go the same way.
 *
 * <p>A slow client: only its own two threads wait for it. While more than LIMIT bytes are unsent,
 * it misses new messages; while replies make it twice as many, its requests wait; and when notices,
 * which no member may miss, make it three times as many, it is disconnected.
 */
final class Groupchat {
    static final int BACKLOG = 1024;
    static final int FRAME = 64 * 1024 - 1; // bytes of the longest payload: a length has two bytes
    static final int NAME = 32; // code points of the longest name
    static final int TEXT = 32 * 1024; // bytes of the longest text
    static final int VARINT_BITS = 21; // three bytes: no text in a frame is longer
    static final int LIMIT = 256 * 1024; // a client with more unsent bytes misses new messages
    static final int RETRY_MS = 100; // when no descriptor or thread is left
    static final int LINGER_MS = 10_000; // for a half-closed client to read what is unsent
    static final long PAUSE_NS = 30_000_000_000L; // for too many unsent replies to be read
    static final byte[] END = {}; // the last reply to a client that leaves

    static final class Client {
        final Socket socket;
        String name; // null until it has joined; until then it gets no messages
        final BlockingQueue<byte[]> outbox = new LinkedBlockingQueue<>();
        int unsent; // bytes in the outbox or being written, but for 8 KiB in a buffer; the client's monitor guards it,
        boolean gone; // and this: nothing can be written any more

        Client(Socket socket) {
            this.socket = socket;
        }
    }

    enum Request { JOIN, SAY } // the position is the tag on the wire

    enum Reply { WELCOME, REFUSED, JOINED, LEFT, SAID }

    // The clients that have joined, by name. The map's monitor protects the order.
    static final Map<String, Client> members = new HashMap<>();

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
        var input = new DataInputStream(new BufferedInputStream(client.socket.getInputStream()));
        try {
            while (true) {
                byte[] payload = new byte[input.readUnsignedShort()];
                input.readFully(payload);
                handle(client, payload);
                pause(client);
            }
        } catch (EOFException end) {
            // Of the stream; an unfinished frame is discarded.
        }
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

    /** Carry out the request in a frame, or reply why not. */
    static void handle(Client client, byte[] payload) throws IOException {
        synchronized (members) {
            try {
                obey(client, ByteBuffer.wrap(payload));
            } catch (CharacterCodingException refused) {
                send(client, encode(Reply.REFUSED, List.of("a text is in UTF-8")));
            } catch (IOException refused) {
                send(client, encode(Reply.REFUSED, List.of(refused.getMessage())));
            } catch (BufferUnderflowException refused) {
                send(client, encode(Reply.REFUSED, List.of("the frame ends too early")));
            }
        }
    }

    static void obey(Client client, ByteBuffer payload) throws IOException {
        int tag = payload.get();
        String text = decode(payload);
        if (payload.hasRemaining()) {
            throw new IOException("bytes are left over");
        } else if (tag == Request.JOIN.ordinal()) {
            join(client, text);
        } else if (tag == Request.SAY.ordinal()) {
            say(client, text);
        } else {
            throw new IOException("no such request");
        }
    }

    static void join(Client client, String name) throws IOException {
        if (client.name != null) {
            throw new IOException("you have already joined");
        }
        int points = name.codePointCount(0, name.length());
        if (points < 1 || points > NAME || name.chars().anyMatch(Character::isISOControl)) {
            throw new IOException("a name has 1 to " + NAME + " characters, and no control characters");
        }
        if (members.containsKey(name)) {
            throw new IOException("this name is taken");
        }
        send(client, encode(Reply.WELCOME, members.keySet()));
        announce(encode(Reply.JOINED, List.of(name)));
        members.put(name, client);
        client.name = name;
    }

    static void say(Client client, String text) throws IOException {
        if (client.name == null) {
            throw new IOException("join first");
        }
        if (text.getBytes(StandardCharsets.UTF_8).length > TEXT) {
            throw new IOException("a text has at most " + TEXT + " bytes");
        }
        byte[] delivery = encode(Reply.SAID, List.of(client.name, text));
        members.values().forEach(member -> offer(member, delivery));
    }

    /** Forget the client; if it was a member, announce that it has left. */
    static void leave(Client client) throws IOException {
        synchronized (members) {
            if (client.name != null) {
                members.remove(client.name);
                announce(encode(Reply.LEFT, List.of(client.name)));
            }
            send(client, END);
        }
    }

    /** Send a notice to all members. One that is too far behind to get it is disconnected. */
    static void announce(byte[] notice) {
        for (Client member : members.values()) {
            synchronized (member) {
                if (member.unsent > 3 * LIMIT) {
                    disconnect(member);
                } else {
                    send(member, notice);
                }
            }
        }
    }

    /** Close the socket of a client; its own threads do the rest. */
    static void disconnect(Client client) {
        try {
            client.socket.close();
        } catch (IOException error) {
            // It is closed nevertheless.
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

    /** Read a text: the number of its bytes, and its bytes in UTF-8. */
    static String decode(ByteBuffer payload) throws IOException {
        int size = 0;
        int shift = 0;
        for (byte more = -1; more < 0; shift += 7) { // seven bits per byte; the highest says that more follow
            more = payload.get();
            size |= (more & 0x7f) << shift;
            if (shift == VARINT_BITS || (more == 0 && shift > 0)) {
                throw new IOException("a length has more bytes than necessary");
            }
        }
        byte[] bytes = new byte[Math.min(size, payload.remaining() + 1)]; // the claim may be too high
        payload.get(bytes);
        return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
    }

    /** A frame with these texts; throws an IOException if they do not fit, as very many names. */
    static byte[] encode(Reply reply, Collection<String> texts) throws IOException {
        ByteArrayOutputStream payload = new ByteArrayOutputStream();
        payload.write(reply.ordinal());
        if (reply == Reply.WELCOME) {
            writeNumber(payload, texts.size()); // the only reply whose number of texts varies
        }
        for (String text : texts) {
            byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
            writeNumber(payload, bytes.length);
            payload.writeBytes(bytes);
        }
        if (payload.size() > FRAME) {
            throw new IOException("the room is full");
        }
        ByteBuffer frame = ByteBuffer.allocate(2 + payload.size());
        return frame.putShort((short) payload.size()).put(payload.toByteArray()).array();
    }

    static void writeNumber(ByteArrayOutputStream payload, int number) {
        for (; number > 0x7f; number >>= 7) {
            payload.write(number | 0x80);
        }
        payload.write(number);
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
            System.err.println("usage: Groupchat HOST:PORT (IPv6: [HOST]:PORT)");
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
