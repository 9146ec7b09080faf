import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.channel.group.ChannelGroup;
import io.netty.channel.group.DefaultChannelGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.SocketProtocolFamily;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.codec.LengthFieldBasedFrameDecoder;
import io.netty.handler.flush.FlushConsolidationHandler;
import java.io.IOException;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.channels.spi.SelectorProvider;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Broadcast on Netty: a pipeline of handlers for every connection, all on one event loop.
 *
 * <p>Order: the event loop writes a message to all channels of the group before it calls the next
 * handler.
 *
 * <p>A slow client: its channel keeps what the kernel did not take. While that is more than LIMIT
 * bytes, the channel is not writable and misses new messages. No client waits for another.
 */
final class Broadcast {
    static final int BACKLOG = 1024;
    static final int LIMIT = 256 * 1024; // a client with more unsent bytes misses new messages
    static final int FLUSHES = FlushConsolidationHandler.DEFAULT_EXPLICIT_FLUSH_AFTER_FLUSHES;
    static final int LONGEST = 256; // bytes of a message, including its header of one byte

    /** One connection: what its decoder passes on goes to all. */
    static final class Client extends SimpleChannelInboundHandler<ByteBuf> {
        private final ChannelGroup room;

        Client(ChannelGroup room) {
            this.room = room;
        }

        @Override
        public void channelActive(ChannelHandlerContext context) {
            room.add(context.channel()); // which also removes it when it is closed
        }

        @Override
        protected void channelRead0(ChannelHandlerContext context, ByteBuf message) {
            // Drop policy: a client that is too far behind is not writable. The last argument spares
            // futures that nobody would wait for; a failed write then reaches exceptionCaught.
            room.writeAndFlush(message.retain(), Channel::isWritable, true);
        }

        @Override
        public void exceptionCaught(ChannelHandlerContext context, Throwable error) {
            if (!(error instanceof IOException)) { // a reset is the end of a connection; a bug must be seen
                error.printStackTrace();
            }
            context.close();
        }
    }

    static final class Pipeline extends ChannelInitializer<SocketChannel> {
        private final ChannelGroup room;

        Pipeline(ChannelGroup room) {
            this.room = room;
        }

        @Override
        protected void initChannel(SocketChannel channel) {
            channel.pipeline()
                    // One flush per turn of the event loop is enough; and one as soon as a channel stops
                    // being writable, or else a long read would drop messages for clients that keep up.
                    .addLast(new FlushConsolidationHandler(FLUSHES, true))
                    .addLast(new LengthFieldBasedFrameDecoder(LONGEST, 0, 1))
                    .addLast(new Client(room));
        }
    }

    // What follows is the same in every server: the listener and its address.

    static Channel listen(InetAddress host, int port) throws InterruptedException {
        EventLoopGroup loop = new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory());
        // Without a family, a listener on 0.0.0.0 would accept all of IPv6 as well.
        boolean six = host instanceof Inet6Address;
        var family = six ? SocketProtocolFamily.INET6 : SocketProtocolFamily.INET;
        return new ServerBootstrap()
                .group(loop)
                .channelFactory(() -> new NioServerSocketChannel(SelectorProvider.provider(), family))
                .option(ChannelOption.SO_BACKLOG, BACKLOG)
                .childOption(ChannelOption.TCP_NODELAY, true)
                .childOption(
                        ChannelOption.WRITE_BUFFER_WATER_MARK,
                        new WriteBufferWaterMark(LIMIT / 2, LIMIT))
                .childHandler(new Pipeline(new DefaultChannelGroup(loop.next())))
                .bind(new InetSocketAddress(host, port))
                .sync()
                .channel();
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

    public static void main(String[] arguments) throws InterruptedException {
        LOG.setLevel(Level.OFF);
        Address address = parseAddress(arguments);
        try {
            Channel listener = listen(InetAddress.getByName(address.host()), address.port());
            int port = ((InetSocketAddress) listener.localAddress()).getPort();
            System.out.println("listening on " + address.host() + ":" + port);
        } catch (Exception error) { // Netty throws a BindException that it does not declare
            System.err.println("cannot listen on " + arguments[0] + ": " + error.getMessage());
            System.exit(1);
        }
    }
}
