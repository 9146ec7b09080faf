import io.vertx.core.Future;
import io.vertx.core.VerticleBase;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.net.NetServer;
import io.vertx.core.net.NetServerOptions;
import io.vertx.core.net.NetSocket;
import io.vertx.core.net.SocketAddress;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.util.HashSet;
import java.util.Set;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Broadcast on Vert.x: one verticle, whose handlers are all called on one event loop.
 *
 * <p>Order: the handler of a socket that has received messages writes them to all sockets before
 * the event loop calls the next handler.
 *
 * <p>A slow client: its socket's write queue keeps what the kernel did not take. While that is full,
 * with LIMIT bytes and some writes, the client misses new messages, always whole ones. No client
 * waits for another.
 */
final class Broadcast extends VerticleBase {
    static final int BACKLOG = 1024;
    static final int LIMIT = 256 * 1024; // unsent bytes; Vert.x lets 16 more writes wait beyond them

    static final class Client {
        final NetSocket socket;
        Buffer rest = Buffer.buffer(); // the start of an unfinished message

        Client(NetSocket socket) {
            this.socket = socket;
        }
    }

    private final Set<Client> room = new HashSet<>();
    private final Address address;

    Broadcast(Address address) {
        this.address = address;
    }

    private void serve(NetSocket socket) {
        Client client = new Client(socket);
        room.add(client);
        socket.setWriteQueueMaxSize(LIMIT);
        socket.handler(chunk -> read(client, chunk));
        socket.exceptionHandler(error -> { // the socket is closed next
            if (!(error instanceof IOException)) { // a reset is the end of a connection; a bug must be seen
                error.printStackTrace();
            }
        });
        socket.closeHandler(closed -> room.remove(client));
    }

    private void read(Client client, Buffer chunk) {
        Buffer data = client.rest.appendBuffer(chunk);
        int end = wholeMessages(data);
        client.rest = data.getBuffer(end, data.length());
        if (end > 0) {
            broadcast(data.getBuffer(0, end));
        }
    }

    /** The length of the longest prefix of the data that consists of whole messages. */
    private static int wholeMessages(Buffer data) {
        int end = 0;
        while (end < data.length()) {
            int following = end + 1 + data.getUnsignedByte(end);
            if (following > data.length()) {
                break;
            }
            end = following;
        }
        return end;
    }

    /** Append these messages to the common order. */
    private void broadcast(Buffer batch) {
        room.forEach(client -> offer(client, batch));
    }

    /** Drop policy: a client gets all of the batch, or none of it if it is too far behind. */
    private static void offer(Client client, Buffer batch) {
        if (!client.socket.writeQueueFull()) {
            client.socket.write(batch);
        }
    }

    // What follows is the same in every server: the listener and its address.

    @Override
    public Future<NetServer> start() throws UnknownHostException {
        InetAddress host = InetAddress.getByName(address.host()); // may block, but no socket waits yet
        InetSocketAddress resolved = new InetSocketAddress(host, address.port());
        return vertx.createNetServer(new NetServerOptions().setAcceptBacklog(BACKLOG))
                .connectHandler(this::serve)
                .listen(SocketAddress.inetSocketAddress(resolved))
                .onSuccess(server ->
                        System.out.println("listening on " + address.host() + ":" + server.actualPort()));
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

    // Netty logs that no descriptor is left; Java's log then opens the file of time zones, and the
    // error ends the event loop. A field, because a logger's level is forgotten with the logger.
    static final Logger LOG = Logger.getLogger("io.netty");

    public static void main(String[] arguments) {
        LOG.setLevel(Level.OFF);
        Address address = parseAddress(arguments);
        // Else a listener on 0.0.0.0 would accept all of IPv6 as well.
        if (!address.host().contains(":")) {
            System.setProperty("java.net.preferIPv4Stack", "true");
        }
        Vertx.vertx()
                .deployVerticle(new Broadcast(address))
                .onFailure(error -> {
                    System.err.println("cannot listen on " + arguments[0] + ": " + error.getMessage());
                    System.exit(1);
                });
    }
}
